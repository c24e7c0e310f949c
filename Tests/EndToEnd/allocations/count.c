/* Counts a process's allocations: preloaded, it stands before the C library's own functions, and keeps the count in a
 * shared file, named by ALLOCATION_COUNT, that a test reads while the process runs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The functions of glibc behind the names that this library takes. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Atomic unsigned long own;
static _Atomic unsigned long *count = &own;

__attribute__((constructor)) static void share(void) {
  const char *name = getenv("ALLOCATION_COUNT");
  int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) count = page;
}

static void one(void) { atomic_fetch_add_explicit(count, 1, memory_order_relaxed); }

void *malloc(size_t size) {
  one();
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  one();
  return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
  one();
  return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
  one();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  *block = memalign(alignment, size);
  return *block ? 0 : 12; /* ENOMEM */
}
