/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/encode/embed_client.h"
#include "server/encode/encode_batch.h"
#include "server/encode/encode_op.h"
#include "server/encode/encode_queue.h"
#include "storage/records/features.h"

enum {
    SCAN_ROWS = 4096,
    OP_VECTOR_BYTES_MAX = 4 << 20, /* limit of one op, unless a single call has more */
};
static const double BACK_OFF_FIRST = 0.5, BACK_OFF_MOST = 60;

struct encode_run {
    encode_run_options options;
    embed_client *client;
    encode_queue *queue;
    encode_texts *texts;
    encode_batch *again;        /* failed or split batches, which go before the queue */
    encode_batch *done, **last; /* answered batches, to be applied in this order */
    size_t held;                /* rows in batches, in whatever state */
    bool proven;                /* the encoder has accepted a text */
    bool sized;                 /* the width of the modality is settled */
    unsigned failed;            /* failed calls in a row */
    /* no calls before these times: after a failure, and to keep the rate; by options.seconds */
    double not_before, next_call;
    pthread_mutex_t mutex;
    encode_status status; /* guarded by mutex */
};

static void push_again(encode_run *r, encode_batch *b)
{
    b->next = r->again;
    r->again = b;
}

/* drop ends a batch whose rows need no more work. */
static void drop(encode_run *r, encode_batch *b)
{
    pthread_mutex_lock(&r->mutex);
    r->held -= b->count;
    pthread_mutex_unlock(&r->mutex);
    encode_batch_free(b);
}

static void tell(encode_run *r, uint64_t encoded, uint64_t refused, const char *problem)
{
    pthread_mutex_lock(&r->mutex);
    r->status.encoded += encoded;
    r->status.refused += refused;
    r->status.failures += problem != NULL;
    snprintf(r->status.problem, sizeof r->status.problem, "%.127s", problem != NULL ? problem : "");
    pthread_mutex_unlock(&r->mutex);
}

/* fail puts a batch back and pauses all calls, longer after each failure. */
static void fail(encode_run *r, encode_batch *b, double retry_after, const char *why)
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

/* --- results --- */

/* settle_width lets a replacement begin, once the first answer has told the new width. */
static err_code settle_width(encode_run *r, uint32_t width, err *e)
{
    store_read *read = NULL;
    modality known = {0};
    if (r->sized || r->options.begin_replacing == NULL) {
        return ERR_OK;
    }
    err_code code = store_read_begin(r->options.store, &read, e);
    if (code != ERR_OK) {
        return code;
    }
    bool known_name =
        modality_find(read, slice_of(r->options.encoder->modality), &known, NULL) == ERR_OK;
    store_read_end(read);
    code = known_name ? r->options.begin_replacing(r->options.ctx, width, e) : ERR_OK;
    r->sized = code == ERR_OK;
    return code;
}

/* apply_done applies the answered batches, as many in one commit as an op can hold. It fails only
 * if the modality cannot take the width of the first answer. */
static err_code apply_done(encode_run *r, err *out)
{
    err_code settled = ERR_OK;
    while (r->done != NULL) {
        err e = ERR_INIT;
        encode_batch *first = r->done, *end = first;
        size_t count = 0, each = first->vectors.width * sizeof(float);
        while (end != NULL && end->vectors.width == first->vectors.width &&
               (count == 0 || (count + end->asked) * each <= OP_VECTOR_BYTES_MAX)) {
            count += end->asked;
            end = end->next;
        }
        err_code code = settle_width(r, first->vectors.width, &e);
        if (code != ERR_OK && settled == ERR_OK) {
            settled = err_set(out, code, "%s", e.text);
        }
        if (code == ERR_OK) {
            code = encode_op_apply_batches(&r->options, first, count, &e);
        }
        r->done = end;
        r->last = end != NULL ? r->last : &r->done;
        for (encode_batch *b = first, *next; b != end; b = next) {
            next = b->next;
            embed_vectors_fini(&b->vectors);
            if (code == ERR_OK) {
                tell(r, b->asked, 0, NULL);
                drop(r, b);
            } else {
                fail(r, b, 0, e.text);
            }
        }
    }
    return settled;
}

/* halve splits a refused batch into two and puts both back. */
static bool halve(encode_run *r, encode_batch *b)
{
    encode_batch *half = encode_batch_new();
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

static void on_refused(encode_run *r, encode_batch *b, const embed_result *result)
{
    err e = ERR_INIT;
    if (b->probe || (b->asked > 1 && !halve(r, b))) {
        fail(r, b, 0, result->why);
    } else if (b->asked == 1 && !r->proven) {
        push_again(r, b);
        encode_batch *probe = encode_batch_new();
        if (probe != NULL) {
            probe->probe = true;
            push_again(r, probe);
        }
    } else if (b->asked == 1) {
        if (encode_op_apply(&r->options, &(encode_entries){1, b->ids, b->hashes}, NULL, &e) ==
            ERR_OK) {
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
    encode_batch *b = batch_ctx;
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
        encode_batch_free(b);
        return;
    }
    b->vectors = result->vectors;
    result->vectors.numbers = NULL;
    b->next = NULL;
    *r->last = b;
    r->last = &b->next;
}

/* --- starting --- */

static encode_batch *next_batch(encode_run *r)
{
    encode_batch *b = r->again;
    if (b != NULL) {
        r->again = b->next;
        b->next = NULL;
        return b;
    }
    if (encode_queue_count(r->queue) == 0) {
        return NULL;
    }
    b = encode_batch_new();
    if (b != NULL) {
        pthread_mutex_lock(&r->mutex);
        b->count = encode_queue_take(r->queue, b->rows, (size_t)r->options.encoder->batch);
        r->held += b->count;
        pthread_mutex_unlock(&r->mutex);
    }
    return b;
}

/* take_known applies vectors that encode_asks remembers; the other texts stay in the call. */
static err_code take_known(encode_run *r, encode_batch *b, uint32_t width, err *e)
{
    size_t kept = 0;
    err_code code = ERR_OK;
    for (size_t i = 0; i < b->asked; i++) {
        embed_vectors v = {.count = 1};
        if (code == ERR_OK) {
            v.numbers = r->options.known(r->options.ctx, b->texts[i], &v.width);
        }
        if (v.numbers != NULL && (width == 0 || v.width == width)) {
            code = encode_op_apply(&r->options, &(encode_entries){1, &b->ids[i], &b->hashes[i]}, &v,
                                   e);
            tell(r, code == ERR_OK, 0, NULL);
        } else {
            b->asked_rows[kept] = b->asked_rows[i];
            b->ids[kept] = b->ids[i];
            b->texts[kept] = b->texts[i];
            b->hashes[kept++] = b->hashes[i];
        }
        embed_vectors_fini(&v);
    }
    b->asked = kept;
    return code;
}

/* start begins the call of a batch, or ends a batch that needs no vectors any more. */
static err_code start(encode_run *r, encode_batch *b, err *e)
{
    static const slice word = {"test", 4};
    uint32_t width = 0;
    err_code code = b->probe ? ERR_OK : encode_batch_read(b, r->texts, r->options.store, &width, e);
    if (code == ERR_OK && !b->probe && b->emptied > 0) {
        code = encode_op_apply(&r->options, &(encode_entries){b->emptied, b->emptied_ids, NULL},
                               NULL, e);
    }
    if (code == ERR_OK && !b->probe && r->options.known != NULL) {
        code = take_known(r, b, width, e);
    }
    if (code == ERR_OK && !b->probe && b->asked == 0) {
        drop(r, b);
        return ERR_OK;
    }
    if (code == ERR_OK) {
        bool any_width = r->options.begin_replacing != NULL && !r->sized;
        code = embed_client_start(r->client, b->probe ? &word : b->texts, b->probe ? 1 : b->asked,
                                  any_width ? 0 : width, b, e);
    }
    if (code != ERR_OK) {
        push_again(r, b);
    } else if (r->options.encoder->rate > 0) {
        r->next_call = r->options.seconds() + 1 / r->options.encoder->rate;
    }
    return code;
}

/* start_calls starts all calls that may start now. */
static err_code start_calls(encode_run *r, err *e)
{
    err_code code = ERR_OK;
    double now = r->options.seconds();
    while (code == ERR_OK && now >= r->not_before && now >= r->next_call &&
           embed_client_free_calls(r->client) > 0) {
        encode_batch *b = next_batch(r);
        if (b == NULL) {
            break;
        }
        code = start(r, b, e);
        now = r->options.seconds();
    }
    return code;
}

/* encode_run_step starts new calls before it commits the last answers, so that the encoder works
 * while the disk does. */
err_code encode_run_step(encode_run *r, double seconds, err *e)
{
    err_code code = start_calls(r, e);
    double now = r->options.seconds();
    double until = r->not_before > r->next_call ? r->not_before : r->next_call;
    bool waits = r->again != NULL || encode_queue_count(r->queue) > 0;
    if (waits && until > now && until - now < seconds) {
        seconds = until - now;
    }
    embed_client_poll(r->client, seconds, on_done, r);
    if (code == ERR_OK && r->done != NULL) {
        code = start_calls(r, e);
        embed_client_poll(r->client, 0, on_done, r);
    }
    err later = ERR_INIT;
    err_code settled = apply_done(r, code == ERR_OK ? e : &later);
    return code == ERR_OK ? settled : code;
}

err_code encode_run_add(encode_run *r, uint32_t row, err *e)
{
    return encode_queue_add(r->queue, row, e);
}

void encode_run_forget(encode_run *r)
{
    uint32_t rows[64];
    while (r->again != NULL) {
        encode_batch *b = next_batch(r);
        if (b->probe) {
            encode_batch_free(b);
        } else {
            drop(r, b);
        }
    }
    while (encode_queue_take(r->queue, rows, sizeof rows / sizeof rows[0]) > 0) {
    }
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
    encode_run *run;
    encode_texts *texts;
    store_read *read;
    uint32_t next, stop;
    bool more;
} scan;

static err_code look_at(void *ctx, const stored_item *it, err *e)
{
    scan *x = ctx;
    if (it->row >= x->stop) {
        x->next = it->row;
        x->more = true;
        return ERR_CANCELLED;
    }
    return encode_texts_pending(x->texts, x->read, it) ? encode_run_add(x->run, it->row, e)
                                                       : ERR_OK;
}

err_code encode_run_scan(encode_run *r, err *e)
{
    scan x = {.run = r, .texts = r->texts, .more = true};
    err_code code = ERR_OK;
    while (code == ERR_OK && x.more) {
        x.more = false;
        x.stop = x.next + SCAN_ROWS;
        code = store_read_begin(r->options.store, &x.read, e);
        if (code == ERR_OK) {
            code = item_each(x.read, x.next, look_at, &x, e);
            store_read_end(x.read);
        }
    }
    store_forget_pages(r->options.store);
    return code;
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
    r->last = &r->done;
    err_code code = encode_queue_new(&r->queue, e);
    if (code == ERR_OK) {
        code =
            encode_texts_new(&r->texts, slice_of(options->encoder->modality), options->replace, e);
    }
    if (code == ERR_OK) {
        code = embed_client_new(&r->client, options->encoder, e);
    }
    if (code != ERR_OK) {
        encode_run_free(r);
        return code;
    }
    *out = r;
    return ERR_OK;
}

static void free_all(encode_batch *b)
{
    while (b != NULL) {
        encode_batch *next = b->next;
        encode_batch_free(b);
        b = next;
    }
}

void encode_run_free(encode_run *r)
{
    if (r == NULL) {
        return;
    }
    embed_client_free(r->client);
    free_all(r->again);
    free_all(r->done);
    encode_texts_free(r->texts);
    encode_queue_free(r->queue);
    pthread_mutex_destroy(&r->mutex);
    mem_free(r);
}
