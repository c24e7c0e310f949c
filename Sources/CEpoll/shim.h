#ifndef ROOST_CEPOLL_SHIM_H
#define ROOST_CEPOLL_SHIM_H

// Calls of the system's that Swift's Glibc module leaves out.
#include <sys/epoll.h>

#endif
