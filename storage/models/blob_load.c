/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/blob_load.h"

#include "storage/models/generations.h"

err_code blob_load(store *s, uint32_t generation, const char *name, size_t offset, void *out,
                   size_t bytes, err *e)
{
    err_code code = ERR_OK;
    for (size_t done = 0; done < bytes && code == ERR_OK;) {
        store_read *r = NULL;
        size_t here = bytes - done < BLOB_LOAD_BYTES ? bytes - done : BLOB_LOAD_BYTES;
        code = store_read_begin(s, &r, e);
        if (code == ERR_OK) {
            code = generation_blob_read(r, generation, name, offset + done, (char *)out + done,
                                        here, e);
            store_read_end(r);
        }
        done += here;
    }
    return code;
}

err_code blob_size(store *s, uint32_t generation, const char *name, size_t *bytes, err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_blob_bytes(r, generation, name, bytes, e);
        store_read_end(r);
    }
    return code;
}
