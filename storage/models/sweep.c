/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/sweep.h"

#include "storage/env/schema.h"
#include "storage/env/stage.h"
#include "storage/models/blobs.h"

err_code sweep_unfinished(store *s, err *e)
{
    err_code rc = stage_remove(s->dir, e);
    if (rc != ERR_OK || store_train_running(s)) {
        return rc;
    }
    /* Holding the lock, so that a training that starts now waits until its generation is safe. */
    rc = store_train_lock(s, NULL);
    if (rc != ERR_OK) {
        return ERR_OK;
    }
    rc = checkpoint_file_sweep(s, e);
    rc = rc == ERR_OK ? generations_sweep(s, e) : rc;
    store_train_unlock(s);
    return rc;
}
