/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover: opens a store and removes what killed processes left in it.
 *
 * An owner removes unfinished generations (unless their training still runs), a checkpoint that an
 * erasure has made invalid, and the folder of an interrupted import. store_open itself removes
 * nothing.
 */
#ifndef STORAGE_RECOVER_H
#define STORAGE_RECOVER_H

#include "core/common/err.h"
#include "storage/env/store.h"

/* recover_open is store_open, followed by the removal for an owner (STORE_OWNER). It fails like
 * store_open. Close with store_close. */
err_code recover_open(store **out, const char *dir, const store_options *options,
                      err *e) ERR_CHECKED;

#endif
