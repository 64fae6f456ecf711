/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/env/schema.h"

enum { OWNER_BYTE = 0, FIRST_USER_BYTE = 1 };

static const off_t last_byte = INT64_MAX - 1;

static file_identity identity_of(const struct stat *st)
{
    return (file_identity){st->st_dev, st->st_ino};
}

static bool same(file_identity a, file_identity b)
{
    return a.device == b.device && a.number == b.number;
}

/* identity_at returns 0 for a name that does not exist. */
static file_identity identity_at(const char *dir, const char *name)
{
    char path[STORE_PATH_MAX];
    struct stat st;
    return path_join(path, dir, name, NULL) == ERR_OK && lstat(path, &st) == 0
               ? identity_of(&st)
               : (file_identity){0, 0};
}

bool file_is(const char *dir, const char *name, int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && same(identity_of(&st), identity_at(dir, name));
}

static off_t byte_of(file_identity lock)
{
    return FIRST_USER_BYTE + (off_t)(lock.number & (UINT64_MAX >> 2));
}

/* marked tells whether another open file has a mark on the bytes from `first` to `last`, both
 * included. */
static bool marked(int fd, off_t first, off_t last)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = last - first + 1};
    return first <= last && fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static err_code refuse_other_lock(int fd, const char *dir, file_identity lock, err *e)
{
    off_t mine = byte_of(lock);
    bool none = lock.number == 0;
    if (marked(fd, FIRST_USER_BYTE, none ? last_byte : mine - 1) ||
        (!none && marked(fd, mine + 1, last_byte))) {
        return err_set(e, ERR_CONFLICT,
                       "%s/lock.mdb was deleted or replaced while another process has the store "
                       "open: stop that process first, because two processes would overwrite each "
                       "other's writes",
                       dir);
    }
    return ERR_OK;
}

static int open_data(const char *dir, int flags, err *e)
{
    char path[STORE_PATH_MAX];
    if (path_join(path, dir, "data.mdb", e) != ERR_OK) {
        return -1;
    }
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        (void)err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "opening %s: %s", path,
                      strerror(errno));
    }
    return fd;
}

/* refuse_link refuses anything but a regular file: LMDB would follow a symbolic link out of the
 * folder. */
static err_code refuse_link(const char *dir, const char *name, err *e)
{
    char path[STORE_PATH_MAX];
    struct stat st;
    err_code code = path_join(path, dir, name, e);
    if (code == ERR_OK && lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        code = err_set(e, ERR_CONFLICT, "%s is not a regular file", path);
    }
    return code;
}

err_code guard_before(const char *dir, err *e)
{
    err why = ERR_INIT;
    err_code code = refuse_link(dir, "data.mdb", e);
    if (code == ERR_OK) {
        code = refuse_link(dir, "lock.mdb", e);
    }
    if (code != ERR_OK) {
        return code;
    }
    int fd = open_data(dir, O_RDONLY, &why);
    if (fd < 0) { /* a store that is about to be created has no other users */
        return why.code == ERR_NOT_FOUND ? ERR_OK : err_set(e, why.code, "%s", why.text);
    }
    code = refuse_other_lock(fd, dir, identity_at(dir, "lock.mdb"), e);
    (void)close(fd);
    return code;
}

/* mark returns false if another process has a mark that excludes this one. A file system without
 * such locks excludes nothing; there, only the comparison at each commit protects the store. */
static bool mark(int fd, short type, off_t byte)
{
    struct flock one = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &one) == 0 || (errno != EAGAIN && errno != EACCES);
}

err_code guard_take(guard *g, const char *dir, bool owner, err *e)
{
    struct stat st;
    err_code code = ERR_OK;
    *g = GUARD_NONE;
    int fd = open_data(dir, owner ? O_RDWR : O_RDONLY, e);
    if (fd < 0 || fstat(fd, &st) != 0) {
        code = err_set(e, ERR_IO, "%s/data.mdb cannot be opened a second time: %s", dir,
                       strerror(errno));
    } else if (owner && !mark(fd, F_WRLCK, OWNER_BYTE)) {
        code =
            err_set(e, ERR_CONFLICT,
                    "the store %s is in use by another process, and its owner.lock was deleted or "
                    "replaced: stop that process first",
                    dir);
    } else {
        g->data = identity_of(&st);
        g->lock = identity_at(dir, "lock.mdb");
        /* Set the mark first and check afterwards: of two processes that open at once, at least one
         * sees the other. */
        if (g->lock.number != 0) {
            (void)mark(fd, F_RDLCK, byte_of(g->lock));
        }
        code = refuse_other_lock(fd, dir, g->lock, e);
    }
    if (code != ERR_OK && fd >= 0) {
        (void)close(fd);
        fd = -1;
    }
    g->fd = fd;
    return code;
}

void guard_drop(guard *g)
{
    if (g->fd >= 0) {
        (void)close(g->fd);
    }
    *g = GUARD_NONE;
}

folder_state folder_look(const char *dir)
{
    struct stat st;
    folder_state f = {{0, 0}, {0, 0}};
    if (stat(dir, &st) == 0) {
        f.folder = identity_of(&st);
        f.changed = st.st_ctim;
    }
    return f;
}

bool folder_same(const folder_state *a, const folder_state *b)
{
    return a->folder.number != 0 && same(a->folder, b->folder) &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

bool folder_settled(const folder_state *f, struct timespec later)
{
    return f->folder.number != 0 && later.tv_sec - f->changed.tv_sec > FOLDER_SETTLE_SECONDS;
}

bool guard_settled(const guard *g, const folder_state *f)
{
    struct stat st;
    return fstat(g->fd, &st) == 0 && folder_settled(f, st.st_ctim);
}

err_code guard_check(const guard *g, const char *dir, err *e)
{
    const char *lost = !same(g->data, identity_at(dir, "data.mdb"))   ? "data.mdb"
                       : !same(g->lock, identity_at(dir, "lock.mdb")) ? "lock.mdb"
                                                                      : NULL;
    return lost == NULL
               ? ERR_OK
               : err_set(e, ERR_UNAVAILABLE,
                         "%s was deleted or replaced while this process has the store open: "
                         "nothing was stored",
                         lost);
}
