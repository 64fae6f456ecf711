/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/common/arena.h"
#include "core/common/mem.h"
#include "server/encode/embed_client.h"
#include "server/encode/encode_queue.h"
#include "storage/records/features.h"
#include "storage/records/item_text.h"

enum {
    BATCH_MAX = 512,
    BATCH_BYTES_MAX = 1 << 30,
    FEATURES_BYTES_MAX = 64 << 20,
    SCAN_ROWS = 4096,
};
static const double BACK_OFF_FIRST = 0.5, BACK_OFF_MOST = 60;

/* Rows that go in one call, and what was read of them for it. */
typedef struct batch {
    struct batch *next;
    size_t count;
    uint32_t rows[BATCH_MAX];
    bool probe; /* a plain word in place of rows */
    /* while its call is under way */
    arena memory;
    size_t asked; /* of the rows, those that still wait */
    uint32_t asked_rows[BATCH_MAX];
    uint64_t hashes[BATCH_MAX];
    slice ids[BATCH_MAX], texts[BATCH_MAX];
    size_t emptied; /* items without a text any more */
    slice emptied_ids[BATCH_MAX];
} batch;

struct encode_run {
    encode_run_options options;
    embed_client *client;
    encode_queue *queue;
    batch *again;                 /* failed or split, before what waits */
    size_t held;                  /* rows in batches, under way or in `again` */
    bool proven;                  /* the encoder has taken a text */
    unsigned failed;              /* calls in a row */
    double not_before, next_call; /* on the clock of options */
    pthread_mutex_t mutex;
    encode_status status; /* guarded by mutex */
};

static void batch_free(batch *b)
{
    if (b != NULL) {
        arena_fini(&b->memory);
        mem_free(b);
    }
}

static batch *batch_new(void)
{
    batch *b = mem_array(1, sizeof *b);
    if (b != NULL) {
        arena_init(&b->memory, BATCH_BYTES_MAX);
    }
    return b;
}

static void push_again(encode_run *r, batch *b)
{
    b->next = r->again;
    r->again = b;
}

/* drop ends a batch whose rows are done with. */
static void drop(encode_run *r, batch *b)
{
    pthread_mutex_lock(&r->mutex);
    r->held -= b->count;
    pthread_mutex_unlock(&r->mutex);
    batch_free(b);
}

static void tell(encode_run *r, uint64_t encoded, uint64_t refused, const char *problem)
{
    pthread_mutex_lock(&r->mutex);
    r->status.encoded += encoded;
    r->status.refused += refused;
    r->status.failures += problem != NULL;
    snprintf(r->status.problem, sizeof r->status.problem, "%s", problem != NULL ? problem : "");
    pthread_mutex_unlock(&r->mutex);
}

/* fail puts a batch back and holds all calls for a while, longer each time. */
static void fail(encode_run *r, batch *b, double retry_after, const char *why)
{
    double now = r->options.seconds();
    if (now >= r->not_before) {
        double pause = BACK_OFF_FIRST * (double)(1U << (r->failed < 8 ? r->failed : 8));
        pause = pause < BACK_OFF_MOST ? pause : BACK_OFF_MOST;
        r->failed++;
        r->not_before = now + (retry_after > pause ? retry_after : pause);
    }
    tell(r, 0, 0, why);
    push_again(r, b);
}

/* --- reading texts --- */

static bool has_vector(store_read *read, uint32_t row, slice name, arena *a)
{
    const feature *features = NULL;
    size_t count = 0;
    arena_reset(a);
    if (features_get(read, row, a, &features, &count, NULL) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(features[i].modality, name)) {
            return true;
        }
    }
    return false;
}

/* What reading an item needs. */
typedef struct text_reader {
    const encode_run *run;
    store_read *read;
    arena features;
    char text[ITEM_TEXT_BYTES_MAX];
} text_reader;

static bool is_pending(text_reader *x, const stored_item *it, size_t *length)
{
    slice name = slice_of(x->run->options.encoder->modality);
    bool vector = has_vector(x->read, it->row, name, &x->features);
    if (x->run->options.replace && !it->deleted) {
        *length = item_text_write(it, x->text);
        return *length > 0;
    }
    return item_text_pending(it, vector, x->text, length);
}

static err_code read_row(text_reader *x, batch *b, uint32_t row, err *e)
{
    stored_item it = {0};
    size_t length = 0;
    err why = ERR_INIT;
    err_code rc = item_get(x->read, row, &b->memory, &it, &why);
    if (rc != ERR_OK) {
        return rc == ERR_NOT_FOUND ? ERR_OK : err_set(e, rc, "%s", why.text);
    }
    if (!is_pending(x, &it, &length)) {
        return ERR_OK;
    }
    if (length == 0) {
        b->emptied_ids[b->emptied++] = it.id;
        return ERR_OK;
    }
    slice text = arena_slice(&b->memory, (slice){x->text, length});
    if (text.at == NULL) {
        return err_nomem(e, "the texts of a call");
    }
    b->texts[b->asked] = text;
    b->ids[b->asked] = it.id;
    b->hashes[b->asked] = item_text_hash(text.at, text.length);
    b->asked_rows[b->asked++] = row;
    return ERR_OK;
}

/* read_batch reads the texts that still wait, and the width that the modality has (0: none yet). */
static err_code read_batch(encode_run *r, batch *b, uint32_t *width, err *e)
{
    modality known;
    text_reader *x = mem_array(1, sizeof *x);
    if (x == NULL) {
        return err_nomem(e, "the texts of a call");
    }
    x->run = r;
    arena_init(&x->features, FEATURES_BYTES_MAX);
    arena_reset(&b->memory);
    b->asked = b->emptied = 0;
    err_code rc = store_read_begin(r->options.store, &x->read, e);
    for (size_t i = 0; rc == ERR_OK && i < b->count; i++) {
        rc = read_row(x, b, b->rows[i], e);
    }
    if (rc == ERR_OK) {
        slice name = slice_of(r->options.encoder->modality);
        *width = modality_find(x->read, name, &known, NULL) == ERR_OK ? known.width : 0;
    }
    store_read_end(x->read);
    arena_fini(&x->features);
    mem_free(x);
    return rc;
}

/* --- results --- */

/* Items and the hashes of their texts. */
typedef struct entries {
    size_t count;
    const slice *ids;       /* (count) */
    const uint64_t *hashes; /* (count); NULL: of no text */
} entries;

/* apply makes one op of the vectors, or, without any, has the vectors go. */
static err_code apply(encode_run *r, const entries *of, const embed_vectors *v, err *e)
{
    op *o = NULL;
    size_t bytes = v != NULL ? (size_t)v->width * sizeof(float) : 0;
    err_code rc = op_new(&o, OP_ITEMS_ENCODED, of->count * 1024 + ((size_t)1 << 20), e);
    op_item *items = rc == ERR_OK ? arena_alloc(&o->memory, of->count, sizeof *items) : NULL;
    feature *features = items != NULL ? arena_alloc(&o->memory, of->count, sizeof *features) : NULL;
    if (rc == ERR_OK && features == NULL) {
        rc = err_nomem(e, "the encoder's vectors");
    }
    for (size_t i = 0; rc == ERR_OK && i < of->count; i++) {
        features[i] = (feature){.modality = slice_of(r->options.encoder->modality)};
        items[i] = (op_item){.id = of->ids[i], .features = &features[i], .feature_count = 1};
        items[i].text_hash = of->hashes != NULL ? of->hashes[i] : item_text_hash("", 0);
        if (v != NULL) {
            features[i].dtype = FEATURE_F4;
            features[i].width = v->width;
            features[i].data = (const char *)v->numbers + i * bytes;
        }
    }
    if (rc == ERR_OK) {
        o->items = items;
        o->count = (uint32_t)of->count;
        o->time = r->options.now();
        rc = r->options.apply(r->options.ctx, o, e);
    }
    op_free(o);
    return rc;
}

/* split puts the two halves of a refused batch back. */
static bool split(encode_run *r, batch *b)
{
    batch *half = batch_new();
    if (half == NULL) {
        return false;
    }
    size_t first = b->asked / 2;
    half->count = b->asked - first;
    memcpy(half->rows, b->asked_rows + first, half->count * sizeof *half->rows);
    memcpy(b->rows, b->asked_rows, first * sizeof *b->rows);
    pthread_mutex_lock(&r->mutex);
    r->held -= b->count - b->asked;
    pthread_mutex_unlock(&r->mutex);
    b->count = first;
    push_again(r, half);
    push_again(r, b);
    return true;
}

static void on_refused(encode_run *r, batch *b, const embed_result *result)
{
    err e = ERR_INIT;
    if (b->probe || (b->asked > 1 && !split(r, b))) {
        fail(r, b, 0, result->why);
    } else if (b->asked == 1 && !r->proven) {
        push_again(r, b);
        batch *probe = batch_new();
        if (probe != NULL) {
            probe->probe = true;
            push_again(r, probe);
        }
    } else if (b->asked == 1) {
        if (apply(r, &(entries){1, b->ids, b->hashes}, NULL, &e) == ERR_OK) {
            tell(r, 0, 1, NULL);
            drop(r, b);
        } else {
            fail(r, b, 0, e.text);
        }
    }
}

static void on_done(void *ctx, void *batch_ctx, embed_result *result)
{
    encode_run *r = ctx;
    batch *b = batch_ctx;
    err e = ERR_INIT;
    if (result->outcome == EMBED_FAILED) {
        fail(r, b, result->retry_after, result->why);
        return;
    }
    if (result->outcome == EMBED_REFUSED) {
        on_refused(r, b, result);
        return;
    }
    r->proven = true;
    r->failed = 0;
    if (b->probe) {
        batch_free(b);
    } else if (apply(r, &(entries){b->asked, b->ids, b->hashes}, &result->vectors, &e) == ERR_OK) {
        tell(r, b->asked, 0, NULL);
        drop(r, b);
    } else {
        fail(r, b, 0, e.text);
    }
}

/* --- starting --- */

static batch *next_batch(encode_run *r)
{
    batch *b = r->again;
    if (b != NULL) {
        r->again = b->next;
        b->next = NULL;
        return b;
    }
    if (encode_queue_count(r->queue) == 0) {
        return NULL;
    }
    b = batch_new();
    if (b != NULL) {
        pthread_mutex_lock(&r->mutex);
        b->count = encode_queue_take(r->queue, b->rows, (size_t)r->options.encoder->batch);
        r->held += b->count;
        pthread_mutex_unlock(&r->mutex);
    }
    return b;
}

/* take_known applies the vectors of texts that were asked for otherwise; the others stay asked. */
static err_code take_known(encode_run *r, batch *b, uint32_t width, err *e)
{
    size_t kept = 0;
    err_code rc = ERR_OK;
    for (size_t i = 0; i < b->asked; i++) {
        embed_vectors v = {.count = 1};
        if (rc == ERR_OK) {
            v.numbers = r->options.known(r->options.ctx, b->texts[i], &v.width);
        }
        if (v.numbers != NULL && (width == 0 || v.width == width)) {
            rc = apply(r, &(entries){1, &b->ids[i], &b->hashes[i]}, &v, e);
            tell(r, rc == ERR_OK, 0, NULL);
        } else {
            b->asked_rows[kept] = b->asked_rows[i];
            b->ids[kept] = b->ids[i];
            b->texts[kept] = b->texts[i];
            b->hashes[kept++] = b->hashes[i];
        }
        embed_vectors_fini(&v);
    }
    b->asked = kept;
    return rc;
}

/* start begins the call of a batch, or ends a batch of which nothing waits any more. */
static err_code start(encode_run *r, batch *b, err *e)
{
    static const slice word = {"test", 4};
    uint32_t width = 0;
    err_code rc = b->probe ? ERR_OK : read_batch(r, b, &width, e);
    if (rc == ERR_OK && !b->probe && b->emptied > 0) {
        rc = apply(r, &(entries){b->emptied, b->emptied_ids, NULL}, NULL, e);
    }
    if (rc == ERR_OK && !b->probe && r->options.known != NULL) {
        rc = take_known(r, b, width, e);
    }
    if (rc == ERR_OK && !b->probe && b->asked == 0) {
        drop(r, b);
        return ERR_OK;
    }
    if (rc == ERR_OK) {
        rc = embed_client_start(r->client, b->probe ? &word : b->texts, b->probe ? 1 : b->asked,
                                width, b, e);
    }
    if (rc != ERR_OK) {
        push_again(r, b);
    } else if (r->options.encoder->rate > 0) {
        r->next_call = r->options.seconds() + 1 / r->options.encoder->rate;
    }
    return rc;
}

err_code encode_run_step(encode_run *r, double seconds, err *e)
{
    err_code rc = ERR_OK;
    double now = r->options.seconds();
    while (rc == ERR_OK && now >= r->not_before && now >= r->next_call &&
           embed_client_free_calls(r->client) > 0) {
        batch *b = next_batch(r);
        if (b == NULL) {
            break;
        }
        rc = start(r, b, e);
        now = r->options.seconds();
    }
    double until = r->not_before > r->next_call ? r->not_before : r->next_call;
    bool waits = r->again != NULL || encode_queue_count(r->queue) > 0;
    if (waits && until > now && until - now < seconds) {
        seconds = until - now;
    }
    embed_client_poll(r->client, seconds, on_done, r);
    return rc;
}

err_code encode_run_add(encode_run *r, uint32_t row, err *e)
{
    return encode_queue_add(r->queue, row, e);
}

void encode_run_wake(encode_run *r)
{
    embed_client_wake(r->client);
}

void encode_run_tell(encode_run *r, encode_status *out)
{
    pthread_mutex_lock(&r->mutex);
    *out = r->status;
    out->pending = encode_queue_count(r->queue) + r->held;
    pthread_mutex_unlock(&r->mutex);
}

/* --- the scan --- */

typedef struct scan {
    text_reader *reader;
    encode_run *run;
    uint32_t next, stop;
    bool more;
} scan;

static err_code look_at(void *ctx, const stored_item *it, err *e)
{
    scan *x = ctx;
    size_t length = 0;
    if (it->row >= x->stop) {
        x->next = it->row;
        x->more = true;
        return ERR_CANCELLED;
    }
    return is_pending(x->reader, it, &length) ? encode_run_add(x->run, it->row, e) : ERR_OK;
}

err_code encode_run_scan(encode_run *r, err *e)
{
    scan x = {.run = r, .more = true, .reader = mem_array(1, sizeof *x.reader)};
    err_code rc = x.reader != NULL ? ERR_OK : err_nomem(e, "the texts of the items");
    if (rc == ERR_OK) {
        x.reader->run = r;
        arena_init(&x.reader->features, FEATURES_BYTES_MAX);
    }
    while (rc == ERR_OK && x.more) {
        x.more = false;
        x.stop = x.next + SCAN_ROWS;
        rc = store_read_begin(r->options.store, &x.reader->read, e);
        if (rc == ERR_OK) {
            rc = item_each(x.reader->read, x.next, look_at, &x, e);
            store_read_end(x.reader->read);
        }
    }
    if (x.reader != NULL) {
        arena_fini(&x.reader->features);
    }
    mem_free(x.reader);
    store_forget_pages(r->options.store);
    return rc;
}

/* --- making --- */

err_code encode_run_new(encode_run **out, const encode_run_options *options, err *e)
{
    encode_run *r = mem_array(1, sizeof *r);
    *out = NULL;
    if (r == NULL) {
        return err_nomem(e, "the encoder's work");
    }
    r->options = *options;
    pthread_mutex_init(&r->mutex, NULL);
    err_code rc = encode_queue_new(&r->queue, e);
    rc = rc == ERR_OK ? embed_client_new(&r->client, options->encoder, e) : rc;
    if (rc != ERR_OK) {
        encode_run_free(r);
        return rc;
    }
    *out = r;
    return ERR_OK;
}

void encode_run_free(encode_run *r)
{
    if (r == NULL) {
        return;
    }
    embed_client_free(r->client);
    for (batch *b = r->again; b != NULL;) {
        batch *next = b->next;
        batch_free(b);
        b = next;
    }
    encode_queue_free(r->queue);
    pthread_mutex_destroy(&r->mutex);
    mem_free(r);
}
