/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder: checks at the start whether a configured folder is writable, so that a mistake is
 * reported with the option's name instead of causing errors 500 later.
 */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

#include <stdbool.h>

#include "core/common/err.h"

/* folder_usable: ERR_INVALID, naming `option`, unless `path` is a folder that this user may write
 * to. With `make` it is made if its parent is there. */
err_code folder_usable(const char *option, const char *path, bool make, err *e) ERR_CHECKED;

#endif
