/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths: makes the names of files in a store's folder, and syncs them to the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/env/schema.h"

err_code path_join(char out[STORE_PATH_MAX], const char *dir, const char *name, err *e)
{
    int length = snprintf(out, STORE_PATH_MAX, "%s/%s", dir, name);
    if (length < 0 || length >= STORE_PATH_MAX) {
        return err_set(e, ERR_INVALID, "path too long: %.60s...", dir);
    }
    return ERR_OK;
}

err_code has_data(const char *dir, err *e)
{
    char path[STORE_PATH_MAX];
    struct stat st;
    err_code code = path_join(path, dir, "data.mdb", e);
    return code != ERR_OK || stat(path, &st) == 0
               ? code
               : err_set(e, ERR_NOT_FOUND,
                         "no store in %s: make one with stair import or stair serve", dir);
}

err_code path_sync(const char *path, err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd >= 0 ? fsync(fd) : -1;
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    return rc == 0 ? ERR_OK
                   : err_set(e, why == ENOSPC || why == EDQUOT ? ERR_FULL : ERR_IO,
                             "syncing %s: %s", path, strerror(why));
}
