/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/recover.h"

#include "storage/env/stage.h"
#include "storage/models/model_private.h"

static err_code remove_unfinished(store *s, err *e)
{
    err_code code = stage_remove(store_dir(s), e);
    if (code != ERR_OK || store_train_running(s)) {
        return code;
    }
    /* Hold the lock, so that a training that starts now waits until the removal is done. */
    code = store_train_lock(s, NULL);
    if (code != ERR_OK) {
        return ERR_OK;
    }
    code = checkpoint_file_sweep(s, e);
    if (code == ERR_OK) {
        code = generations_sweep(s, e);
    }
    store_train_unlock(s);
    return code;
}

err_code recover_open(store **out, const char *dir, const store_options *options, err *e)
{
    err_code code = store_open(out, dir, options, e);
    if (code == ERR_OK && options->mode == STORE_OWNER) {
        code = remove_unfinished(*out, e);
        if (code != ERR_OK) {
            store_close(*out);
            *out = NULL;
        }
    }
    return code;
}
