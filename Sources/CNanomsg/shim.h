#ifndef ROOST_CNANOMSG_SHIM_H
#define ROOST_CNANOMSG_SHIM_H

#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/tcp.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

// The library's macros carry casts and sums that Swift does not import, hence these names for them.

static const int roost_nn_push = NN_PUSH;
static const int roost_nn_pull = NN_PULL;
static const int roost_nn_tcp_level = NN_TCP;
static const int roost_nn_terminated = ETERM;

/// Opens a socket of the plain domain; −1 and `nn_errno()` when it cannot.
static inline int roost_nn_socket(int protocol) { return nn_socket(AF_SP, protocol); }

static inline int roost_nn_set(int socket, int level, int option, int value) {
    return nn_setsockopt(socket, level, option, &value, sizeof value);
}

/// A descriptor that polls readable while the socket can send (`NN_SNDFD`) or receive (`NN_RCVFD`); never read from it.
static inline int roost_nn_descriptor(int socket, int option) {
    int descriptor = -1;
    size_t size = sizeof descriptor;
    return nn_getsockopt(socket, NN_SOL_SOCKET, option, &descriptor, &size) == 0 ? descriptor : -1;
}

/// A chunk for `roost_nn_send_chunk`, or NULL when memory is short.
static inline void *roost_nn_allocate(size_t size) { return nn_allocmsg(size, 0); }

/// Sends a chunk without copying it. The library owns the chunk after a success, the caller after a failure.
static inline int roost_nn_send_chunk(int socket, void *chunk, int flags) {
    return nn_send(socket, &chunk, NN_MSG, flags);
}

/// Receives into a chunk that the caller frees with `nn_freemsg`; its size, or −1.
static inline int roost_nn_receive_chunk(int socket, void **chunk, int flags) {
    return nn_recv(socket, chunk, NN_MSG, flags);
}

// Two calls of the system's that the threads around the library need and Swift's Glibc module leaves out.

/// A non-blocking eventfd, or −1.
static inline int roost_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/// Names the calling thread; of the name the first 15 bytes count.
static inline void roost_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
