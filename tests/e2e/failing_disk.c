/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failing_disk: replaces pwrite, writev and fdatasync, and makes them fail on demand.
 *
 * Load it with LD_PRELOAD. STAIR_TEST_DISK names a file of two bytes that the test changes while
 * the server runs. The first byte is the errno with which writes fail, the second the errno with
 * which syncs fail. A byte of 0 lets them succeed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static const volatile unsigned char *orders;

__attribute__((constructor)) static void look(void)
{
    const char *path = getenv("STAIR_TEST_DISK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd >= 0 ? mmap(NULL, 2, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED) {
        abort();
    }
    orders = mapped;
    close(fd);
}

static int fails(int order)
{
    int why = orders != NULL ? orders[order] : 0;
    if (why != 0) {
        errno = why;
    }
    return why;
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off_t);
    void *found = dlsym(RTLD_NEXT, "pwrite");
    memcpy(&next, &found, sizeof next);
    return fails(0) ? -1 : next(fd, from, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t (*next)(int, const struct iovec *, int);
    void *found = dlsym(RTLD_NEXT, "writev");
    memcpy(&next, &found, sizeof next);
    return fails(0) ? -1 : next(fd, parts, count);
}

int fdatasync(int fd)
{
    int (*next)(int);
    void *found = dlsym(RTLD_NEXT, "fdatasync");
    memcpy(&next, &found, sizeof next);
    return fails(1) ? -1 : next(fd);
}
