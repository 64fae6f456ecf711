/* SPDX-License-Identifier: Apache-2.0 */
/* store_fixture: opens a store in a temporary folder and makes ops in one line each, for tests. */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include <stdint.h>

#include "storage/env/store.h"
#include "storage/log/apply.h"
#include "storage/log/op.h"

/* temp_folder makes a folder in $TMPDIR or /tmp and writes its path. temp_remove deletes it with
 * all its files, one level of folders deep. Both stop the test on failure. */
enum { TEMP_PATH_MAX = 512 };
void temp_folder(char out[TEMP_PATH_MAX]);
void temp_remove(const char *folder);

/* open_store opens (and creates) a store as owner, with the default options. */
store *open_store(const char *folder);

/* Ops with one entry. The caller frees them with op_free. `features` is NULL, or (width) floats of
 * the modality "text". */
op *op_put_item(op_kind kind, const char *id, const char *title, const float *features,
                uint32_t width);
op *op_delete_item(const char *id);
op *op_add(const char *user, const char *item, const char *type, int64_t time);
op *op_remove(const char *user, const char *item, const char *type);
op *op_erase(const char *user);
op *op_activate(uint32_t generation);

/* apply_now applies and frees the op; returns the op's code. `seq` may be NULL. */
err_code apply_now(store *s, op *o, uint64_t *seq);

#endif
