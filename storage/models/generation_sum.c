/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_sum: the SHA-256 that identifies a generation's content.
 *
 * It covers the tables in the order of their names: length of the name (u8), name, bytes (u64),
 * stride (u64) and, if the stride is 0, the content. Tables of users count only by their shape: an
 * erasure changes their content, and the generation must stay the registered one.
 */
#include <string.h>

#include "core/common/mem.h"
#include "storage/models/blobs.h"
#include "storage/models/generation_sum.h"

size_t generation_table_head(const char *name, const blob_record *record,
                             unsigned char out[GENERATION_TABLE_HEAD_MAX])
{
    unsigned char *at = out;
    size_t length = strnlen(name, BLOB_NAME_MAX);
    *at++ = (unsigned char)length;
    memcpy(at, name, length);
    at += length;
    put_le(&at, record->bytes, 8);
    put_le(&at, record->user_stride, 8);
    return (size_t)(at - out);
}

void generation_sum_table(sha256_sum *h, const char *name, const blob_record *record)
{
    unsigned char head[GENERATION_TABLE_HEAD_MAX];
    size_t length = generation_table_head(name, record, head);
    sha256_add(h, head, length);
}

/* How to read a generation: in one transaction, or in several short ones, since tables without a
 * stride never change. */
typedef struct summing {
    store *s;
    store_read *r; /* transaction of the caller; NULL: several short ones */
    const generation_id *id;
    sha256_sum hash;
    unsigned char *buffer; /* (BLOB_GROUP_BYTES) */
    blob_names names;
    blob_record records[BLOBS_MAX];
} summing;

typedef err_code (*summing_step)(summing *x, store_read *r, void *ctx, err *e);

static err_code in_transaction(summing *x, summing_step step, void *ctx, err *e)
{
    store_read *own = NULL;
    if (x->r != NULL) {
        return step(x, x->r, ctx, e);
    }
    err_code code = store_read_begin(x->s, &own, e);
    if (code == ERR_OK) {
        code = step(x, own, ctx, e);
    }
    store_read_end(own);
    return code;
}

static err_code read_heads(summing *x, store_read *r, void *ctx, err *e)
{
    (void)ctx;
    err_code code = blob_names_read(r, x->id, &x->names, e);
    for (size_t i = 0; code == ERR_OK && i < x->names.count; i++) {
        code = blob_get(r, x->id, x->names.at[i], &x->records[i], e);
    }
    return code;
}

typedef struct summing_part {
    const char *name;
    blob_span span;
} summing_part;

static err_code read_part(summing *x, store_read *r, void *ctx, err *e)
{
    const summing_part *part = ctx;
    return blob_read(r, x->id, part->name, &part->span, e);
}

static err_code add_content(summing *x, const char *name, size_t bytes, err *e)
{
    err_code code = ERR_OK;
    summing_part part = {name, {0, 0, x->buffer}};
    for (size_t left = bytes; left > 0 && code == ERR_OK; left -= part.span.bytes) {
        part.span.offset = bytes - left;
        part.span.bytes = left < BLOB_GROUP_BYTES ? left : BLOB_GROUP_BYTES;
        code = in_transaction(x, read_part, &part, e);
        if (code == ERR_OK) {
            sha256_add(&x->hash, x->buffer, part.span.bytes);
        }
    }
    return code;
}

static err_code sum_tables(summing *x, err *e)
{
    err_code code = in_transaction(x, read_heads, NULL, e);
    for (size_t i = 0; code == ERR_OK && i < x->names.count; i++) {
        generation_sum_table(&x->hash, x->names.at[i], &x->records[i]);
        if (x->records[i].user_stride == 0) {
            code = add_content(x, x->names.at[i], (size_t)x->records[i].bytes, e);
        }
    }
    return code;
}

static err_code sum_from(store *s, store_read *r, const generation_id *id,
                         unsigned char out[SHA256_BYTES], err *e)
{
    summing *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "a generation");
    }
    x->s = s;
    x->r = r;
    x->id = id;
    x->buffer = mem_array(BLOB_GROUP_BYTES, 1);
    err_code code = x->buffer != NULL ? sha256_begin(&x->hash, e) : err_nomem(e, "a generation");
    if (code == ERR_OK) {
        code = sum_tables(x, e);
    }
    if (code == ERR_OK) {
        code = sha256_end(&x->hash, out, e);
    } else {
        sha256_drop(&x->hash);
    }
    mem_free(x->buffer);
    mem_free(x);
    return code;
}

err_code generation_sum(store *s, const generation_id *id, unsigned char out[SHA256_BYTES], err *e)
{
    return sum_from(s, NULL, id, out, e);
}

err_code generation_sum_read(store_read *r, const generation_id *id,
                             unsigned char out[SHA256_BYTES], err *e)
{
    return sum_from(NULL, r, id, out, e);
}
