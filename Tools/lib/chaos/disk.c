// The disk of one process (LD_PRELOAD): an undo journal of all that is not synced yet; slow and failing syncs, refused
// writes.
//
//   CHAOS_DISK     only files below this directory are meant
//   CHAOS_JOURNAL  the undo journal, read by power.py: a line for each change, in their order
//   CHAOS_UNDO     where what a change takes away is kept, in the same file system
//
// Lines of the journal. What can be undone is written before it is done; a sync is written after it has succeeded.
//   create INODE PATH | cut INODE OLD NEW COPY | rename FROM TO COPY | unlink PATH COPY | sync INODE SIZE | entries .
// COPY is a file in CHAOS_UNDO, or "-". PATH is relative to CHAOS_DISK. Names hold no spaces.
//
// A program that writes by mmap, by io_uring or with a static libc passes this by; calls that overwrite are counted as
// strangers, and the run ends with an error.
#define _GNU_SOURCE
#include "control.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { elsewhere, regular, directory };
#define DESCRIPTORS 65536
static _Atomic char kinds[DESCRIPTORS];
static _Atomic long copies;
static const char *root, *undo;
static size_t root_length;
static int journal = -1;

#define REAL(result, name, ...)                                      \
  static result (*_Atomic real_##name)(__VA_ARGS__);                 \
  static void find_##name(void) { real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); }
REAL(int, openat, int, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)
REAL(int, ftruncate, int, off_t)
REAL(int, fallocate, int, int, off_t, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, close, int)
REAL(int, renameat, int, const char *, int, const char *)
REAL(int, unlinkat, int, const char *, int)

static void find_all(void) {
  find_openat(), find_write(), find_writev(), find_pwrite(), find_pwritev(), find_ftruncate(), find_fallocate();
  find_fsync(), find_fdatasync(), find_close(), find_renameat(), find_unlinkat();
}

__attribute__((constructor(102))) static void begin(void) {
  find_all();
  root = getenv("CHAOS_DISK"), undo = getenv("CHAOS_UNDO");
  const char *path = getenv("CHAOS_JOURNAL");
  if (!root || !undo || !path) { root = NULL; return; }
  root_length = strlen(root);
  journal = real_openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (journal < 0) abort();
}

// The path below the root, or NULL for one elsewhere.
static const char *inside(int at, const char *path) {
  if (!root || at != AT_FDCWD || strncmp(path, root, root_length) != 0 || path[root_length] != '/') return NULL;
  return path + root_length + 1;
}

static char kind(int descriptor) {
  return descriptor >= 0 && descriptor < DESCRIPTORS ? kinds[descriptor] : elsewhere;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
  char line[8192];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(line, sizeof line, format, values);
  va_end(values);
  int kept = errno;
  if (length <= 0 || (size_t)length >= sizeof line || real_write(journal, line, length) != length) abort();
  errno = kept;
}

// Whether changes are refused now; says so in errno.
static int refused(void) {
  int64_t code = control->write_error;
  if (code) errno = (int)code;
  return code != 0;
}

static const char *new_copy(char *name, size_t size) {
  snprintf(name, size, "%s/%d-%ld", undo, (int)getpid(), atomic_fetch_add(&copies, 1));
  return name;
}

// Keeps a file that is about to lose its name. Without it (nothing is there, or the disk is full) the loss is final.
static const char *keep(const char *path, char *name, size_t size) {
  return link(path, new_copy(name, size)) == 0 ? strrchr(name, '/') + 1 : "-";
}

static int open_any(int at, const char *path, int flags, mode_t mode) {
  if (!real_openat) find_all();
  const char *name = inside(at, path);
  int is_change = flags & (O_CREAT | O_TRUNC);
  if (name && is_change && refused()) return -1;
  int is_new = name && (flags & O_CREAT) && faccessat(at, path, F_OK, 0) != 0;
  if (name && (flags & O_TRUNC) && !is_new) control->strangers++;
  int descriptor = real_openat(at, path, flags, mode);
  if (descriptor < 0 || descriptor >= DESCRIPTORS) return descriptor;
  int is_root = root && at == AT_FDCWD && strcmp(path, root) == 0;
  kinds[descriptor] = elsewhere;
  if (!name && !is_root) return descriptor;
  struct stat status;
  if (fstat(descriptor, &status) != 0) return descriptor;
  kinds[descriptor] = S_ISREG(status.st_mode) ? regular : S_ISDIR(status.st_mode) ? directory : elsewhere;
  if (is_new) note("create %lu %s\n", (unsigned long)status.st_ino, name);
  return descriptor;
}

static mode_t mode_of(int flags, va_list values) {
  return flags & (O_CREAT | __O_TMPFILE) ? va_arg(values, mode_t) : 0;
}
#define OPEN(name)                                                 \
  int name(const char *path, int flags, ...) {                     \
    va_list values;                                                \
    va_start(values, flags);                                       \
    mode_t mode = mode_of(flags, values);                          \
    va_end(values);                                                \
    return open_any(AT_FDCWD, path, flags, mode);                  \
  }
#define OPENAT(name)                                               \
  int name(int at, const char *path, int flags, ...) {             \
    va_list values;                                                \
    va_start(values, flags);                                       \
    mode_t mode = mode_of(flags, values);                          \
    va_end(values);                                                \
    return open_any(at, path, flags, mode);                        \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int descriptor) {
  if (!real_close) find_all();
  if (descriptor >= 0 && descriptor < DESCRIPTORS) kinds[descriptor] = elsewhere;
  return real_close(descriptor);
}

enum { at_the_end = -2, at_its_place = -1 };

// Whether a write changes bytes that are there already. `at` is a place in the file, or one of the above.
static int overwrites(int descriptor, off_t at) {
  struct stat status;
  if (at == at_its_place) at = fcntl(descriptor, F_GETFL) & O_APPEND ? at_the_end : lseek(descriptor, 0, SEEK_CUR);
  return at != at_the_end && (fstat(descriptor, &status) != 0 || at < status.st_size);
}

// Whether a write may go on. An append changes nothing that a sync has kept; what overwrites is a stranger.
static int may_write(int descriptor, off_t at) {
  if (!real_write) find_all();
  if (kind(descriptor) != regular) return 1;
  if (refused()) return 0;
  control->writes++;
  if (overwrites(descriptor, at)) control->strangers++;
  return 1;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  return may_write(descriptor, at_its_place) ? real_write(descriptor, bytes, count) : -1;
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  return may_write(descriptor, at_its_place) ? real_writev(descriptor, parts, count) : -1;
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t at) {
  return may_write(descriptor, at) ? real_pwrite(descriptor, bytes, count, at) : -1;
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t at) {
  return pwrite(descriptor, bytes, count, at);
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t at) {
  return may_write(descriptor, at) ? real_pwritev(descriptor, parts, count, at) : -1;
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t at) {
  return pwritev(descriptor, parts, count, at);
}
int fallocate(int descriptor, int mode, off_t at, off_t length) {
  return may_write(descriptor, at) ? real_fallocate(descriptor, mode, at, length) : -1;
}

// Keeps what a cut takes off the end of a file.
static const char *keep_end(int descriptor, off_t from, off_t to, char *name, size_t size) {
  if (from >= to) return "-";
  int copy = real_openat(AT_FDCWD, new_copy(name, size), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (copy < 0) return "-";
  char bytes[65536];
  while (from < to) {
    size_t wanted = to - from < (off_t)sizeof bytes ? (size_t)(to - from) : sizeof bytes;
    ssize_t got = pread(descriptor, bytes, wanted, from);
    if (got <= 0 || real_write(copy, bytes, got) != got) break;
    from += got;
  }
  real_close(copy);
  return from >= to ? strrchr(name, '/') + 1 : "-";
}

int ftruncate(int descriptor, off_t length) {
  if (!real_ftruncate) find_all();
  struct stat status;
  if (kind(descriptor) == regular && fstat(descriptor, &status) == 0) {
    if (refused()) return -1;
    char name[4096];
    const char *copy = keep_end(descriptor, length, status.st_size, name, sizeof name);
    note("cut %lu %ld %ld %s\n", (unsigned long)status.st_ino, (long)status.st_size, (long)length, copy);
  }
  return real_ftruncate(descriptor, length);
}
int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }

int renameat(int from_at, const char *from, int to_at, const char *to) {
  if (!real_renameat) find_all();
  const char *old = inside(from_at, from), *new = inside(to_at, to);
  if (old || new) {
    if (refused()) return -1;
    if (!old || !new) control->strangers++;
    char name[4096];
    if (old && new) note("rename %s %s %s\n", old, new, keep(to, name, sizeof name));
  }
  return real_renameat(from_at, from, to_at, to);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int at, const char *path, int flags) {
  if (!real_unlinkat) find_all();
  const char *name = inside(at, path);
  if (name) {
    if (refused()) return -1;
    char copy[4096];
    if (!(flags & AT_REMOVEDIR)) note("unlink %s %s\n", name, keep(path, copy, sizeof copy));
  }
  return real_unlinkat(at, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

static int sync_any(int descriptor, int (*real)(int)) {
  char what = kind(descriptor);
  struct stat status;
  if (what == elsewhere || fstat(descriptor, &status) != 0) return real(descriptor);
  control->syncs++;
  int64_t delay = control->sync_delay_us;
  if (delay > 0) nanosleep(&(struct timespec){delay / 1000000, delay % 1000000 * 1000}, NULL);
  if (control->sync_error) {
    errno = (int)control->sync_error;
    return -1;
  }
  if (control->sync_lies) return 0;
  int result = real(descriptor);
  if (result != 0) return result;
  if (what == regular) note("sync %lu %ld\n", (unsigned long)status.st_ino, (long)status.st_size);
  else note("entries .\n");
  return 0;
}
int fsync(int descriptor) {
  if (!real_fsync) find_all();
  return sync_any(descriptor, real_fsync);
}
int fdatasync(int descriptor) {
  if (!real_fdatasync) find_all();
  return sync_any(descriptor, real_fdatasync);
}
