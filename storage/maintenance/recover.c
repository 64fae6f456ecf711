/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/recover.h"

#include "storage/env/stage.h"
#include "storage/models/model_private.h"

static err_code remove_unfinished(store *s, err *e)
{
    err_code rc = stage_remove(store_dir(s), e);
    if (rc != ERR_OK || store_train_running(s)) {
        return rc;
    }
    /* Hold the lock, so that a training that starts now waits until its generation is safe. */
    rc = store_train_lock(s, NULL);
    if (rc != ERR_OK) {
        return ERR_OK;
    }
    rc = checkpoint_file_sweep(s, e);
    rc = rc == ERR_OK ? generations_sweep(s, e) : rc;
    store_train_unlock(s);
    return rc;
}

err_code recover_open(store **out, const char *dir, const store_options *options, err *e)
{
    err_code rc = store_open(out, dir, options, e);
    if (rc == ERR_OK && options->mode == STORE_OWNER) {
        rc = remove_unfinished(*out, e);
        if (rc != ERR_OK) {
            store_close(*out);
            *out = NULL;
        }
    }
    return rc;
}
