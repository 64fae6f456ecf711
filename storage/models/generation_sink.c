/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation_sink: the writing end of generation_stream. It collects a head until it is complete,
 * and content until it fills a transaction.
 */
#include <string.h>

#include "core/common/mem.h"
#include "storage/models/blobs.h"
#include "storage/models/generation_stream_format.h"
#include "storage/models/generation_sum.h"

typedef enum sink_phase {
    SINK_START,   /* magic, version, UUID, count */
    SINK_LENGTH,  /* the length of a table's name */
    SINK_HEAD,    /* the rest of a table's head */
    SINK_CONTENT, /* a table's content */
    SINK_TRAILER,
    SINK_ENDED,
} sink_phase;

struct generation_sink {
    store *s;
    generation_info info; /* the generation as it is registered */
    sink_phase phase;
    size_t wanted; /* bytes that the phase still needs; for content, what is left of the table */
    sha256_sum stream, tables;
    uint64_t bytes; /* size of the tables so far */
    size_t tables_left;
    char name[BLOB_NAME_MAX + 1]; /* name of the table that is being read */
    blob_record record;
    uint64_t stored; /* bytes of the table's content written so far */
    unsigned char head[STREAM_HEAD_BYTES_MAX];
    size_t head_used;
    unsigned char *content; /* (BLOB_GROUP_BYTES) */
    size_t content_used;
};

static err_code damaged(err *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "a generation's stream: %s", what);
}

/* --- beginning --- */

static err_code look_up(generation_sink *x, uint32_t number, bool *begun, err *e)
{
    store_read *r = NULL;
    generation_info held;
    err_code code = store_read_begin(x->s, &r, e);
    if (code == ERR_OK) {
        code = generation_borrow(r, number, &x->info, e);
    }
    x->info.summary = (slice){NULL, 0};
    if (code == ERR_OK) {
        code = held_borrow(r, &x->info.id, &held, e);
        *begun = code == ERR_OK;
        if (code == ERR_OK && held.state != GENERATION_BUILDING) {
            code = err_set(e, ERR_CONFLICT, "the store has the tables of generation %u already",
                           number);
        }
        code = code == ERR_NOT_FOUND ? ERR_OK : code;
    }
    store_read_end(r);
    return code;
}

static void sink_free(generation_sink *x)
{
    sha256_drop(&x->stream);
    sha256_drop(&x->tables);
    mem_free(x->content);
    mem_free(x);
}

err_code generation_sink_open(generation_sink **out, store *s, uint32_t number, err *e)
{
    bool begun = false;
    *out = NULL;
    generation_sink *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "a generation");
    }
    x->s = s;
    x->wanted = STREAM_MAGIC_BYTES + 1 + GENERATION_ID_BYTES + 2;
    x->content = mem_array(BLOB_GROUP_BYTES, 1);
    err_code code =
        x->content != NULL ? look_up(x, number, &begun, e) : err_nomem(e, "a generation");
    if (code == ERR_OK) {
        code = sha256_begin(&x->stream, e);
    }
    if (code == ERR_OK) {
        code = sha256_begin(&x->tables, e);
    }
    if (code == ERR_OK && begun) {
        code = held_remove(s, &x->info.id, e);
    }
    if (code == ERR_OK) {
        code = held_start(s, &x->info, e);
    }
    if (code != ERR_OK) {
        sink_free(x);
        return code;
    }
    *out = x;
    return ERR_OK;
}

/* --- phases --- */

static uint64_t get_le(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

static void next_table(generation_sink *x)
{
    bool more = x->tables_left > 0;
    x->phase = more ? SINK_LENGTH : SINK_TRAILER;
    x->wanted = more ? 1 : SHA256_BYTES;
    x->head_used = 0;
}

static err_code take_start(generation_sink *x, err *e)
{
    const unsigned char *at = x->head + STREAM_MAGIC_BYTES;
    if (memcmp(x->head, STREAM_MAGIC, STREAM_MAGIC_BYTES) != 0) {
        return damaged(e, "it is none");
    }
    if (at[0] != STREAM_VERSION) {
        return err_set(e, ERR_CONFLICT, "a generation's stream of version %u, expected %d", at[0],
                       STREAM_VERSION);
    }
    if (memcmp(at + 1, x->info.id.bytes, GENERATION_ID_BYTES) != 0) {
        return damaged(e, "the stream is of another generation");
    }
    x->tables_left = (size_t)get_le(at + 1 + GENERATION_ID_BYTES, 2);
    next_table(x);
    return x->tables_left <= BLOBS_MAX ? ERR_OK : damaged(e, "too many tables");
}

static err_code take_head(generation_sink *x, err *e)
{
    size_t length = x->head[0];
    char before[BLOB_NAME_MAX + 1];
    memcpy(before, x->name, sizeof before);
    memcpy(x->name, x->head + 1, length);
    x->name[length] = '\0';
    x->record.bytes = get_le(x->head + 1 + length, 8);
    x->record.user_stride = get_le(x->head + 9 + length, 8);
    x->bytes += x->record.bytes;
    x->tables_left--;
    x->stored = 0;
    if (blob_name_check(x->name, NULL) != ERR_OK || strcmp(before, x->name) >= 0) {
        return damaged(e, "a table's name is damaged");
    }
    if (x->record.bytes > x->info.bytes || x->bytes > x->info.bytes ||
        x->record.user_stride > UINT32_MAX) {
        return damaged(e, "the stream is longer than the generation");
    }
    generation_sum_table(&x->tables, x->name, &x->record);
    x->phase = SINK_CONTENT;
    x->wanted = (size_t)x->record.bytes;
    return ERR_OK;
}

static err_code store_content(generation_sink *x, err *e)
{
    const blob_part part = {.id = &x->info.id,
                            .name = x->name,
                            .record = x->record,
                            .at = (size_t)x->stored,
                            .part = {(const char *)x->content, x->content_used}};
    err_code code = held_put_part(x->s, &part, e);
    x->stored += x->content_used;
    x->content_used = 0;
    return code;
}

/* take_content takes as many bytes as it can. A table without content is stored too. */
static err_code take_content(generation_sink *x, const unsigned char *bytes, size_t count,
                             size_t *taken, err *e)
{
    size_t room = BLOB_GROUP_BYTES - x->content_used;
    size_t here = count < room ? count : room;
    here = here < x->wanted ? here : x->wanted;
    memcpy(x->content + x->content_used, bytes, here);
    if (x->record.user_stride == 0) {
        sha256_add(&x->tables, bytes, here);
    }
    sha256_add(&x->stream, bytes, here);
    x->content_used += here;
    x->wanted -= here;
    *taken = here;
    err_code code =
        x->wanted == 0 || x->content_used == BLOB_GROUP_BYTES ? store_content(x, e) : ERR_OK;
    if (x->wanted == 0) {
        next_table(x);
    }
    return code;
}

static err_code end_phase(generation_sink *x, err *e)
{
    switch (x->phase) {
    case SINK_START: return take_start(x, e);
    case SINK_LENGTH:
        x->phase = SINK_HEAD;
        x->wanted = x->head[0] + (size_t)16;
        return x->head[0] > 0 && x->head[0] <= BLOB_NAME_MAX
                   ? ERR_OK
                   : damaged(e, "a table's name is damaged");
    case SINK_HEAD: return take_head(x, e);
    default: x->phase = SINK_ENDED; return ERR_OK;
    }
}

static err_code take_fixed(generation_sink *x, const unsigned char *bytes, size_t count,
                           size_t *taken, err *e)
{
    size_t here = count < x->wanted ? count : x->wanted;
    memcpy(x->head + x->head_used, bytes, here);
    if (x->phase != SINK_TRAILER) {
        sha256_add(&x->stream, bytes, here);
    }
    x->head_used += here;
    x->wanted -= here;
    *taken = here;
    return x->wanted == 0 ? end_phase(x, e) : ERR_OK;
}

err_code generation_sink_write(generation_sink *x, const void *bytes, size_t count, err *e)
{
    const unsigned char *at = bytes;
    err_code code = ERR_OK;
    while (code == ERR_OK && count > 0) {
        size_t taken = 0;
        if (x->phase == SINK_ENDED) {
            return damaged(e, "bytes follow the end of the stream");
        }
        code = x->phase == SINK_CONTENT ? take_content(x, at, count, &taken, e)
                                        : take_fixed(x, at, count, &taken, e);
        at += taken;
        count -= taken;
        /* a table without content takes no bytes */
        if (code == ERR_OK && x->phase == SINK_CONTENT && x->wanted == 0) {
            code = take_content(x, at, 0, &taken, e);
        }
    }
    return code;
}

/* --- ending --- */

static err_code check_sums(generation_sink *x, err *e)
{
    unsigned char stream[SHA256_BYTES], tables[SHA256_BYTES];
    if (x->phase != SINK_ENDED) {
        return damaged(e, "it ends early");
    }
    err_code code = sha256_end(&x->stream, stream, e);
    if (code == ERR_OK) {
        code = sha256_end(&x->tables, tables, e);
    }
    if (code == ERR_OK && memcmp(stream, x->head, sizeof stream) != 0) {
        code = damaged(e, "the stream's SHA-256 does not match its content");
    }
    if (code == ERR_OK && memcmp(tables, x->info.sha256, sizeof tables) != 0) {
        code = damaged(e, "the stream's tables are not those that were registered");
    }
    return code;
}

static err_code complete(generation_sink *x, err *e)
{
    store_write *w = NULL;
    uint32_t number = 0;
    err_code code = store_write_begin(x->s, &w, e);
    if (code != ERR_OK) {
        return code;
    }
    code = generation_number(store_write_reads(w), &x->info.id, &number, e);
    if (code == ERR_NOT_FOUND) {
        code = err_set(e, code, "generation %u was pruned meanwhile", x->info.number);
    }
    x->info.state = GENERATION_REGISTERED;
    x->info.activate = false;
    x->info.active_until = 0;
    if (code == ERR_OK) {
        code = held_complete(w, &x->info, e);
    }
    if (code != ERR_OK) {
        store_write_abort(w);
        return code;
    }
    return store_write_commit(w, e);
}

err_code generation_sink_finish(generation_sink *x, err *e)
{
    err_code code = check_sums(x, e);
    if (code == ERR_OK) {
        code = complete(x, e);
    }
    if (code != ERR_OK) {
        generation_sink_abort(x);
        return code;
    }
    sink_free(x);
    return ERR_OK;
}

void generation_sink_abort(generation_sink *x)
{
    if (x != NULL) {
        (void)!held_remove(x->s, &x->info.id, NULL); /* the next sink removes the rest */
        sink_free(x);
    }
}
