/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failing_call: makes one call on one file fail: the first, the second, and so on.
 *
 * Load it with LD_PRELOAD. FAIL_UNDER names a folder. Calls on files below it are counted, over all
 * processes, in the eight bytes of the file FAIL_COUNT. Call number FAIL_CALL, counted from 1,
 * fails with the errno FAIL_ERRNO. With FAIL_ERRNO 0 that call writes half of the bytes; a call
 * that does not write then succeeds. With -1 the process is killed before the call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic uint64_t *count;
static const char *under;
static uint64_t fail_at;
static int why;

#define NEXT(name)                                                                                 \
    __typeof__(&name) next;                                                                        \
    void *found = dlsym(RTLD_NEXT, #name);                                                         \
    memcpy(&next, &found, sizeof next)

__attribute__((constructor)) static void look(void)
{
    NEXT(open);
    const char *path = getenv("FAIL_COUNT");
    int fd = path != NULL ? next(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd >= 0 ? mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED) {
        abort();
    }
    close(fd);
    under = getenv("FAIL_UNDER");
    fail_at = strtoull(getenv("FAIL_CALL"), NULL, 10);
    why = atoi(getenv("FAIL_ERRNO"));
    count = mapped;
}

/* fate decides what happens to a call: 0 it succeeds, 1 it fails with errno set, 2 it writes
 * half. */
static int fate(const char *path)
{
    if (count == NULL || under == NULL || strncmp(path, under, strlen(under)) != 0 ||
        atomic_fetch_add(count, 1) + 1 != fail_at) {
        return 0;
    }
    if (why < 0) {
        kill(getpid(), SIGKILL);
    }
    if (why != 0) {
        errno = why;
        return 1;
    }
    return 2;
}

static int fate_of(int fd)
{
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0) {
        return 0;
    }
    path[length] = '\0';
    return fate(path);
}

static int mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, int) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = mode_of(flags, args);
    va_end(args);
    NEXT(open);
    return fate(path) == 1 ? -1 : next(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = mode_of(flags, args);
    va_end(args);
    NEXT(open64);
    return fate(path) == 1 ? -1 : next(path, flags, mode);
}

static size_t part(int how, size_t bytes)
{
    return how == 2 ? bytes / 2 : bytes;
}

ssize_t write(int fd, const void *from, size_t bytes)
{
    int how = fate_of(fd);
    NEXT(write);
    return how == 1 ? -1 : next(fd, from, part(how, bytes));
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at)
{
    int how = fate_of(fd);
    NEXT(pwrite);
    return how == 1 ? -1 : next(fd, from, part(how, bytes), at);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at)
{
    int how = fate_of(fd);
    NEXT(pwrite64);
    return how == 1 ? -1 : next(fd, from, part(how, bytes), at);
}

ssize_t writev(int fd, const struct iovec *parts, int pieces)
{
    int how = fate_of(fd);
    NEXT(writev);
    return how == 1 ? -1 : next(fd, parts, how == 2 ? (pieces + 1) / 2 : pieces);
}

int fsync(int fd)
{
    NEXT(fsync);
    return fate_of(fd) == 1 ? -1 : next(fd);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return fate_of(fd) == 1 ? -1 : next(fd);
}

int ftruncate(int fd, off_t bytes)
{
    NEXT(ftruncate);
    return fate_of(fd) == 1 ? -1 : next(fd, bytes);
}

int ftruncate64(int fd, off64_t bytes)
{
    NEXT(ftruncate64);
    return fate_of(fd) == 1 ? -1 : next(fd, bytes);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    return fate(from) == 1 ? -1 : next(from, to);
}

int unlink(const char *path)
{
    NEXT(unlink);
    return fate(path) == 1 ? -1 : next(path);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    return fate(path) == 1 ? -1 : next(path, mode);
}
