/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder: whether a folder of the configuration can be written to, asked at the start, so that what
 * would fail later with a 500 is refused with the option's name.
 */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

#include <stdbool.h>

#include "core/common/err.h"

/* folder_usable: ERR_INVALID, naming `option`, unless `path` is a folder that this user may write
 * to. With `make` it is made if its parent is there. */
err_code folder_usable(const char *option, const char *path, bool make, err *e) ERR_CHECKED;

#endif
