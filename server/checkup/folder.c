/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/folder.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

err_code folder_usable(const char *option, const char *path, bool make, err *e)
{
    struct stat st;
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST) {
        return err_set(e, ERR_INVALID, "%s: %s cannot be made: %s", option, path, strerror(errno));
    }
    if (stat(path, &st) != 0) {
        return err_set(e, ERR_INVALID, "%s: %s: %s", option, path, strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        return err_set(e, ERR_INVALID, "%s: %s is not a folder", option, path);
    }
    return access(path, W_OK | X_OK) == 0
               ? ERR_OK
               : err_set(e, ERR_INVALID, "%s: %s: %s", option, path, strerror(errno));
}
