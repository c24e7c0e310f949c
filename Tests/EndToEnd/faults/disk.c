/* What a disk can do to a program: loaded before the C library (LD_PRELOAD), it lets the calls below fail or take long
 * for files of the folder FAULTY_FOLDER, as the first word of the file FAULTY_CONTROL says at that moment:
 *
 *     ok            nothing
 *     full          writes fail with ENOSPC
 *     read-only     writes, truncations and opens for writing fail with EROFS
 *     sync-error    fdatasync and fsync fail with EIO
 *     slow N        fdatasync and fsync take N milliseconds longer; cut short when the word changes
 *
 * Build: cc -shared -fPIC -O1 -o disk.so disk.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum fault { OK, FULL, READ_ONLY, SYNC_ERROR, SLOW };

static enum fault now(long *milliseconds) {
    static ssize_t (*real_read)(int, void *, size_t);
    const char *control = getenv("FAULTY_CONTROL");
    char text[64] = "";
    int saved = errno, file = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
    if (!real_read) real_read = dlsym(RTLD_NEXT, "read");
    if (file >= 0) {
        ssize_t count = real_read(file, text, sizeof text - 1);
        if (count >= 0) text[count] = 0;
        close(file);
    }
    errno = saved;
    if (!strncmp(text, "full", 4)) return FULL;
    if (!strncmp(text, "read-only", 9)) return READ_ONLY;
    if (!strncmp(text, "sync-error", 10)) return SYNC_ERROR;
    if (sscanf(text, "slow %ld", milliseconds) == 1) return SLOW;
    return OK;
}

static int concerns(const char *path) {
    const char *folder = getenv("FAULTY_FOLDER");
    return folder && !strncmp(path, folder, strlen(folder));
}

static int concerns_file(int file) {
    char link[64], path[PATH_MAX];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0) return 0;
    path[length] = 0;
    return concerns(path);
}

/* 0, or the error that a write must fail with. */
static int write_error(void) {
    long ignored;
    switch (now(&ignored)) {
    case FULL: return ENOSPC;
    case READ_ONLY: return EROFS;
    default: return 0;
    }
}

ssize_t write(int file, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    int error = file > 2 && concerns_file(file) ? write_error() : 0;
    if (!error) return real(file, bytes, count);
    /* A full disk may take the first part, as real ones do. */
    if (error == ENOSPC && count > 16) real(file, bytes, count / 2);
    errno = error;
    return -1;
}

static int change(int file) {
    long ignored;
    return concerns_file(file) && now(&ignored) == READ_ONLY ? EROFS : 0;
}

int ftruncate(int file, off_t size) {
    static int (*real)(int, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "ftruncate");
    if ((errno = change(file))) return -1;
    return real(file, size);
}

int ftruncate64(int file, off64_t size) { return ftruncate(file, size); }

static int sync_with(int (*real)(int), int file) {
    long milliseconds = 0;
    if (!concerns_file(file)) return real(file);
    enum fault fault = now(&milliseconds);
    if (fault == SYNC_ERROR) {
        errno = EIO;
        return -1;
    }
    for (long waited = 0; fault == SLOW && waited < milliseconds; waited += 20) {
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
        fault = now(&milliseconds);
    }
    return real(file);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    return sync_with(real, file);
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    return sync_with(real, file);
}

static int open_error(const char *path, int flags) {
    long ignored;
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
    if (!writes || !concerns(path) || now(&ignored) != READ_ONLY) return 0;
    return EROFS;
}

#define OPEN(name)                                                                    \
    int name(const char *path, int flags, ...) {                                      \
        static int (*real)(const char *, int, ...);                                   \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                    \
        va_list rest;                                                                 \
        va_start(rest, flags);                                                        \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;       \
        va_end(rest);                                                                 \
        int error = open_error(path, flags);                                          \
        if (error) {                                                                  \
            errno = error;                                                            \
            return -1;                                                                \
        }                                                                             \
        return real(path, flags, mode);                                               \
    }

OPEN(open)
OPEN(open64)
