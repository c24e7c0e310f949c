/* The least that a server can do: it accepts WebSocket connections, builds each published message's frame once, and
 * calls send(2) on every subscriber's descriptor in a loop. What is published within one turn of epoll leaves in one
 * send. One thread, no topics, no limits: a reference to measure a broker by, and nothing to run for anything else.
 *
 * GET /sub makes a subscriber, GET /pub a publisher. Arguments: PORT [EXTRA], where EXTRA bytes are added to every frame,
 * so that frames can be as long as those of a broker that wraps its messages. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, HEAD = 4096, BATCH = 4 << 20 };

/* By descriptor: what it is, what came of it that is not whole yet, and its place among the subscribers. */
struct peer {
  enum { NEW, SUBSCRIBER, PUBLISHER } kind;
  uint8_t *bytes;
  size_t count, room;
  int place;
};

static struct peer peers[MOST];
static int subscribers[MOST], subscriber_count;
static uint8_t batch[BATCH];
static size_t batch_size;
static size_t extra;

static void die(const char *what) {
  fprintf(stderr, "sendloop: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* Sends all of it; a descriptor that has no room is waited for, since there is nothing else to do. */
static int send_all(int fd, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes += sent;
      size -= (size_t)sent;
    } else if (sent < 0 && errno == EAGAIN) {
      struct pollfd room = {.fd = fd, .events = POLLOUT};
      poll(&room, 1, -1);
    } else if (!(sent < 0 && errno == EINTR)) {
      return -1;
    }
  }
  return 0;
}

static void drop(int fd) {
  struct peer *peer = &peers[fd];
  if (peer->kind == SUBSCRIBER) {
    int last = subscribers[--subscriber_count];
    subscribers[peer->place] = last;
    peers[last].place = peer->place;
  }
  free(peer->bytes);
  memset(peer, 0, sizeof *peer);
  close(fd);
}

static void send_batch(void) {
  for (int i = subscriber_count - 1; i >= 0; i--)
    if (send_all(subscribers[i], batch, batch_size) != 0) drop(subscribers[i]);
  batch_size = 0;
}

/* Answers the handshake (RFC 6455 section 4.2.2). Returns the bytes that the request had, 0 while some are missing. */
static size_t shake(int fd) {
  struct peer *peer = &peers[fd];
  uint8_t *end = memmem(peer->bytes, peer->count, "\r\n\r\n", 4);
  if (!end) return 0;
  char key[25 + 36], accept[64], head[256];
  unsigned char hash[SHA_DIGEST_LENGTH];
  uint8_t *found = memmem(peer->bytes, peer->count, "Sec-WebSocket-Key: ", 19);
  if (!found || end - found < 43) return 0;
  memcpy(key, found + 19, 24);
  memcpy(key + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  SHA1((unsigned char *)key, 60, hash);
  EVP_EncodeBlock((unsigned char *)accept, hash, SHA_DIGEST_LENGTH);
  int size = snprintf(head, sizeof head,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
  if (send_all(fd, (uint8_t *)head, (size_t)size) != 0) return 0;
  if (memcmp(peer->bytes, "GET /pub", 8) == 0) {
    peer->kind = PUBLISHER;
  } else {
    peer->kind = SUBSCRIBER;
    peer->place = subscriber_count;
    subscribers[subscriber_count++] = fd;
  }
  return (size_t)(end + 4 - peer->bytes);
}

/* Takes one masked frame from the front of the bytes, and adds it to the batch. Returns its bytes, 0 while some are
 * missing, -1 for one that closes or that this loop does not know. */
static ssize_t frame(const uint8_t *bytes, size_t count) {
  if (count < 2) return 0;
  size_t length = bytes[1] & 0x7F, start = 2;
  if (length == 126) {
    if (count < 4) return 0;
    length = (size_t)bytes[2] << 8 | bytes[3];
    start = 4;
  } else if (length == 127) {
    return -1;
  }
  if (count < start + 4 + length) return 0;
  int opcode = bytes[0] & 0x0F;
  if (opcode == 8) return -1;
  if (opcode == 1 || opcode == 2) {
    const uint8_t *mask = bytes + start, *payload = mask + 4;
    size_t whole = length + extra;
    if (batch_size + whole + 4 > BATCH) send_batch();
    uint8_t *out = batch + batch_size;
    *out++ = bytes[0];
    if (whole < 126) {
      *out++ = (uint8_t)whole;
    } else {
      *out++ = 126;
      *out++ = (uint8_t)(whole >> 8);
      *out++ = (uint8_t)whole;
    }
    for (size_t i = 0; i < length; i++) out[i] = payload[i] ^ mask[i & 3];
    memset(out + length, ' ', extra);
    batch_size = (size_t)(out + whole - batch);
  }
  return (ssize_t)(start + 4 + length);
}

static void readable(int fd) {
  struct peer *peer = &peers[fd];
  if (peer->room - peer->count < HEAD) {
    peer->room = peer->room ? peer->room * 2 : HEAD;
    peer->bytes = realloc(peer->bytes, peer->room);
    if (!peer->bytes) die("realloc");
  }
  ssize_t count = recv(fd, peer->bytes + peer->count, peer->room - peer->count, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return drop(fd);
  peer->count += (size_t)count;
  size_t taken = 0;
  if (peer->kind == NEW) {
    taken = shake(fd);
    if (taken == 0) return;
  }
  for (;;) {
    ssize_t size = frame(peer->bytes + taken, peer->count - taken);
    if (size < 0) return drop(fd);
    if (size == 0) break;
    taken += (size_t)size;
  }
  peer->count -= taken;
  memmove(peer->bytes, peer->bytes + taken, peer->count);
  if (peer->kind == SUBSCRIBER && peer->count == 0) {
    free(peer->bytes);
    peer->bytes = NULL;
    peer->room = 0;
  }
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: sendloop PORT [EXTRA]\n");
    return 64;
  }
  extra = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max < MOST ? files.rlim_max : MOST;
  setrlimit(RLIMIT_NOFILE, &files);
  int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) die("listen");
  int poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event events[1024], event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(poller, events, 1024, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd != listener) {
        readable(fd);
        continue;
      }
      int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      if (accepted < 0) continue;
      if (accepted >= MOST) {
        close(accepted);
        continue;
      }
      setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      event.data.fd = accepted;
      epoll_ctl(poller, EPOLL_CTL_ADD, accepted, &event);
    }
    if (batch_size > 0) send_batch();
  }
}
