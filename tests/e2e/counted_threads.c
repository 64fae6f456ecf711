/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted_threads: counts the threads that a command starts, on a machine that seems to have 64
 * processors.
 *
 * Load it with LD_PRELOAD. Every pthread_create, in any process, adds one to the number in the
 * eight bytes of the file THREAD_COUNT. A caller that asks for the number of processors that are
 * present or online gets 64. The affinity mask is unchanged. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { SEEMING = 64 };

static _Atomic uint64_t *count;

#define NEXT(name)                                                                                 \
    __typeof__(&name) next;                                                                        \
    void *found = dlsym(RTLD_NEXT, #name);                                                         \
    memcpy(&next, &found, sizeof next)

__attribute__((constructor)) static void look(void)
{
    const char *path = getenv("THREAD_COUNT");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd >= 0 ? mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (mapped == MAP_FAILED) {
        abort();
    }
    close(fd);
    count = mapped;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    NEXT(pthread_create);
    if (count != NULL) {
        atomic_fetch_add(count, 1);
    }
    return next(thread, attributes, run, argument);
}

long sysconf(int name)
{
    NEXT(sysconf);
    return name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF ? SEEMING : next(name);
}

int get_nprocs(void)
{
    return SEEMING;
}

int get_nprocs_conf(void)
{
    return SEEMING;
}
