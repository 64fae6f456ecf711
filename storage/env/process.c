/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux assigns process numbers below 2^22. */
enum { PROCESS_NUMBER_MIN = 1 << 22 };

static long real_pid(void)
{
    return syscall(SYS_getpid);
}

int process_number(void)
{
    /* The number and the process that drew it share one word, so that a forked process sees that it
     * has no number yet. */
    static _Atomic uint64_t drawn;
    uint64_t known = atomic_load(&drawn);
    uint64_t pid = (uint64_t)real_pid();
    while (known >> 32 != pid) {
        uint32_t number = 0;
        while (number < PROCESS_NUMBER_MIN) {
            if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
                number = 0;
            }
            number &= INT32_MAX;
        }
        if (atomic_compare_exchange_strong(&drawn, &known, pid << 32 | number)) {
            known = pid << 32 | number;
        }
    }
    return (int)(known & UINT32_MAX);
}

static _Thread_local bool lmdb_asks;

/* This getpid replaces the C library's, because there is no other way to give LMDB a process
 * number. LMDB asks once for each environment, in mdb_env_create. All other callers get the real
 * number. */
pid_t getpid(void)
{
    return lmdb_asks ? (pid_t)process_number() : (pid_t)real_pid();
}

int process_env_create(MDB_env **out)
{
    lmdb_asks = true;
    int rc = mdb_env_create(out);
    lmdb_asks = false;
    return rc;
}

/* process_of looks for the holder of a lock: LMDB keeps the byte at its number locked in lock.mdb,
 * and the kernel lists the holders. */
long process_of(int number, const char *path)
{
    struct stat st;
    char line[256];
    long found = 0;
    FILE *locks = stat(path, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    while (locks != NULL && found == 0 && fgets(line, sizeof line, locks) != NULL) {
        long pid = 0, from = 0, to = 0;
        uint64_t inode = 0;
        int read = sscanf(line, "%*s POSIX %*s WRITE %ld %*x:%*x:%" SCNu64 " %ld %ld", &pid, &inode,
                          &from, &to);
        if (read == 4 && inode == (uint64_t)st.st_ino && from == number && to == number &&
            pid > 0) {
            found = pid;
        }
    }
    if (locks != NULL) {
        (void)fclose(locks);
    }
    return found;
}

/* --- the turn to write --- */

void turn_init(turn *t)
{
    t->fd = -1;
    pthread_mutex_init(&t->mu, NULL);
}

void turn_fini(turn *t)
{
    turn_close(t);
    pthread_mutex_destroy(&t->mu);
}

void turn_close(turn *t)
{
    if (t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
    }
}

err_code turn_open(turn *t, const char *path, err *e)
{
    turn_close(t);
    t->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return t->fd >= 0 ? ERR_OK : err_set(e, ERR_IO, "opening %s: %s", path, strerror(errno));
}

/* set_lock sets or releases the lock. The lock belongs to the open file, not to the process, so
 * closing another descriptor of the file does not release it. */
static int set_lock(const turn *t, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    int rc = 0;
    do {
        rc = t->fd >= 0 ? fcntl(t->fd, F_OFD_SETLKW, &lock) : 0;
    } while (rc != 0 && errno == EINTR);
    return rc;
}

void turn_take(turn *t)
{
    pthread_mutex_lock(&t->mu);
    (void)set_lock(t, F_WRLCK);
}

void turn_give(turn *t)
{
    (void)set_lock(t, F_UNLCK);
    pthread_mutex_unlock(&t->mu);
}
