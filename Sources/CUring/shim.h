#ifndef ROOST_CURING_SHIM_H
#define ROOST_CURING_SHIM_H

// First the kernel's own header, which other modules have too: the library brings a copy, whose guard is the same, that
// differs in ways that Swift takes for a conflict.
#include <linux/io_uring.h>

#include <liburing.h>

#endif
