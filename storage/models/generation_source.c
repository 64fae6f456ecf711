/* SPDX-License-Identifier: Apache-2.0 */
/* generation_source: the reading end of generation_stream. It builds each head when it is due, and
 * copies content. */
#include <string.h>

#include "core/common/mem.h"
#include "storage/models/blobs.h"
#include "storage/models/generation_stream_format.h"
#include "storage/models/generation_sum.h"

struct generation_source {
    store *s;
    generation_id id;
    blob_names names;
    blob_record records[BLOBS_MAX];
    sha256_sum sum;
    size_t table; /* the table whose head or content is next; names.count for the trailer */
    uint64_t at;  /* how much of the table's content has been returned */
    bool in_content;
    bool ended;                                /* `head` contains the trailer */
    unsigned char head[STREAM_HEAD_BYTES_MAX]; /* bytes to return before anything else */
    size_t head_used, head_given;
};

static void begin_stream(generation_source *x)
{
    unsigned char *at = x->head;
    memcpy(at, STREAM_MAGIC, STREAM_MAGIC_BYTES);
    at += STREAM_MAGIC_BYTES;
    put_le(&at, STREAM_VERSION, 1);
    memcpy(at, x->id.bytes, GENERATION_ID_BYTES);
    at += GENERATION_ID_BYTES;
    put_le(&at, x->names.count, 2);
    x->head_used = (size_t)(at - x->head);
}

static uint64_t stream_bytes(const generation_source *x)
{
    uint64_t bytes = STREAM_MAGIC_BYTES + 1 + GENERATION_ID_BYTES + 2 + SHA256_BYTES;
    for (size_t i = 0; i < x->names.count; i++) {
        bytes += 1 + strlen(x->names.at[i]) + 16 + x->records[i].bytes;
    }
    return bytes;
}

static err_code read_heads(generation_source *x, uint32_t number, err *e)
{
    store_read *r = NULL;
    bool held = false;
    generation_info info;
    err_code code = store_read_begin(x->s, &r, e);
    if (code == ERR_OK) {
        code = generation_held(r, number, &held, e);
    }
    if (code == ERR_OK && !held) {
        code =
            err_set(e, ERR_NOT_FOUND, "the tables of generation %u are not in this store", number);
    }
    if (code == ERR_OK) {
        code = generation_borrow(r, number, &info, e);
    }
    if (code == ERR_OK) {
        x->id = info.id;
        code = blob_names_read(r, &x->id, &x->names, e);
    }
    for (size_t i = 0; code == ERR_OK && i < x->names.count; i++) {
        code = blob_get(r, &x->id, x->names.at[i], &x->records[i], e);
    }
    store_read_end(r);
    return code;
}

err_code generation_source_open(generation_source **out, store *s, uint32_t number, uint64_t *bytes,
                                err *e)
{
    *out = NULL;
    *bytes = 0;
    generation_source *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "a generation");
    }
    x->s = s;
    err_code code = read_heads(x, number, e);
    if (code == ERR_OK) {
        code = sha256_begin(&x->sum, e);
    }
    if (code != ERR_OK) {
        generation_source_close(x);
        return code;
    }
    begin_stream(x);
    *bytes = stream_bytes(x);
    *out = x;
    return ERR_OK;
}

/* next_head fills `head` with the head of the next table or the trailer. */
static err_code next_head(generation_source *x, err *e)
{
    x->head_given = 0;
    if (x->table < x->names.count) {
        x->head_used = generation_table_head(x->names.at[x->table], &x->records[x->table], x->head);
        x->in_content = true;
        x->at = 0;
        return ERR_OK;
    }
    x->ended = true;
    x->head_used = SHA256_BYTES;
    return sha256_end(&x->sum, x->head, e);
}

static err_code read_content(generation_source *x, void *out, size_t room, size_t *got, err *e)
{
    store_read *r = NULL;
    uint64_t left = x->records[x->table].bytes - x->at;
    size_t most = room < BLOB_GROUP_BYTES ? room : BLOB_GROUP_BYTES;
    blob_span span = {(size_t)x->at, left < most ? (size_t)left : most, out};
    err_code code = store_read_begin(x->s, &r, e);
    if (code == ERR_OK) {
        code = blob_read(r, &x->id, x->names.at[x->table], &span, e);
    }
    store_read_end(r);
    code = code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
    if (code != ERR_OK) {
        return code;
    }
    *got = span.bytes;
    x->at += span.bytes;
    if (x->at == x->records[x->table].bytes) {
        x->in_content = false;
        x->table++;
    }
    return ERR_OK;
}

err_code generation_source_read(generation_source *x, void *out, size_t room, size_t *got, err *e)
{
    err_code code = ERR_OK;
    *got = 0;
    while (code == ERR_OK && *got == 0 && room > 0) {
        bool trailer = x->ended;
        if (x->head_given < x->head_used) {
            size_t left = x->head_used - x->head_given;
            *got = left < room ? left : room;
            memcpy(out, x->head + x->head_given, *got);
            x->head_given += *got;
        } else if (trailer) {
            return ERR_OK;
        } else if (x->in_content) {
            code = read_content(x, out, room, got, e);
        } else {
            code = next_head(x, e);
            trailer = true; /* nothing was returned */
        }
        if (code == ERR_OK && !trailer) {
            sha256_add(&x->sum, out, *got);
        }
    }
    return code;
}

void generation_source_close(generation_source *x)
{
    if (x != NULL) {
        sha256_drop(&x->sum);
        mem_free(x);
    }
}
