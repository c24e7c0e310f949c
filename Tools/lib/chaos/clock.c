// Moves the time of day of one process (LD_PRELOAD). The monotonic clocks stay as they are.
#define _GNU_SOURCE
#include "control.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct control nothing;
struct control *control = &nothing;

__attribute__((constructor(101))) static void map_control(void) {
  const char *path = getenv("CHAOS_CONTROL");
  if (!path) return;
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (descriptor < 0) abort();
  void *page = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  syscall(SYS_close, descriptor);
  if (page == MAP_FAILED) abort();
  control = page;
}

static int read_clock(clockid_t clock, struct timespec *reading) {
  static int (*_Atomic real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, reading);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  atomic_fetch_add_explicit(&control->clock_reads, 1, memory_order_relaxed);
  int64_t all = reading->tv_sec * 1000000000LL + reading->tv_nsec + control->clock_offset_ns;
  reading->tv_sec = all / 1000000000LL;
  reading->tv_nsec = all % 1000000000LL;
  return 0;
}

int clock_gettime(clockid_t clock, struct timespec *reading) { return read_clock(clock, reading); }

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec reading;
  if (read_clock(CLOCK_REALTIME, &reading) != 0) return -1;
  now->tv_sec = reading.tv_sec;
  now->tv_usec = reading.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec reading;
  if (read_clock(CLOCK_REALTIME, &reading) != 0) return (time_t)-1;
  if (out) *out = reading.tv_sec;
  return reading.tv_sec;
}
