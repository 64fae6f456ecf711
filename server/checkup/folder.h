/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder: checks at the start whether a configured folder is writable, so that a mistake is
 * reported with the option's name instead of causing errors 500 later.
 */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

#include <stdbool.h>

#include "core/common/err.h"

/* folder_usable returns ERR_INVALID, naming `option`, unless `path` is a folder in which this user
 * may write. With `make` it creates the folder if its parent exists. */
err_code folder_usable(const char *option, const char *path, bool make, err *e) ERR_CHECKED;

#endif
