/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_blobs: reads the blobs of a generation by its number.
 */
#include "storage/models/blobs.h"
#include "storage/models/model_private.h"

/* registered finds the UUID of a number. */
static err_code registered(store_read *r, uint32_t number, generation_id *id, err *e)
{
    generation_info info;
    err_code code = generation_borrow(r, number, &info, e);
    *id = info.id;
    return code;
}

err_code generation_blob_bytes(store_read *r, uint32_t number, const char *name, size_t *bytes,
                               err *e)
{
    generation_id id;
    blob_record record;
    err why = ERR_INIT;
    *bytes = 0;
    err_code code = registered(r, number, &id, e);
    if (code != ERR_OK) {
        return code;
    }
    code = blob_find(r, &id, name, &record, &why);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, code, "generation %u has no %s", number, name);
    }
    *bytes = code == ERR_OK ? (size_t)record.bytes : 0;
    return code == ERR_OK ? code : err_set(e, code, "generation %u: %s", number, why.text);
}

err_code generation_blob_read(store_read *r, uint32_t number, const char *name, size_t offset,
                              void *out, size_t bytes, err *e)
{
    generation_id id;
    err why = ERR_INIT;
    blob_span span = {.offset = offset, .bytes = bytes, .out = out};
    err_code code = registered(r, number, &id, e);
    if (code != ERR_OK) {
        return code;
    }
    code = blob_read(r, &id, name, &span, &why);
    return code == ERR_OK ? code : err_set(e, code, "generation %u: %s", number, why.text);
}
