#ifndef ROOST_CURING_SHIM_H
#define ROOST_CURING_SHIM_H

// liburing asks for another choice of the C library's declarations than everybody else, and its copy of the kernel's header
// differs from the kernel's own, which other modules have too. Swift takes either for a conflict between modules, so what all
// have in common comes first, and the guards keep the rest out.
#include <features.h>

#include <linux/io_uring.h>

#include <liburing.h>

#endif
