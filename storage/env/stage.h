/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: the folder import.tmp/, in which import and migrate build the content that replaces the
 * present content.
 *
 * Internal to storage/; callers outside use the functions in store.h.
 */
#ifndef STORAGE_STAGE_H
#define STORAGE_STAGE_H

#include "core/common/err.h"
#include "storage/env/schema.h"
#include "storage/env/store.h"

/* stage_remove deletes import.tmp/ and its content. It is no error if the folder does not exist. A
 * failure may be ignored if the next open tries again. */
err_code stage_remove(const char *dir, err *e);

/* stage_make creates an empty import.tmp/ in `dir` and writes its path. stage_replace renames its
 * data.mdb over that of `dir`, which no caller may have open, and removes the folder. */
err_code stage_make(const char *dir, char stage[STORE_PATH_MAX], err *e) ERR_CHECKED;
err_code stage_replace(const char *dir, err *e) ERR_CHECKED;

#endif
