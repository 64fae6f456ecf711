/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/encode_queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"

struct encode_queue {
    pthread_mutex_t mutex; /* guards all that follows */
    uint32_t *rows;        /* (room) the waiting rows, as a ring */
    size_t first, count, room;
    uint64_t *waiting; /* bitmap over rows: the row waits */
    size_t words;
};

err_code encode_queue_new(encode_queue **out, err *e)
{
    *out = mem_array(1, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the items that wait for the encoder");
    }
    pthread_mutex_init(&(*out)->mutex, NULL);
    return ERR_OK;
}

void encode_queue_free(encode_queue *q)
{
    if (q != NULL) {
        pthread_mutex_destroy(&q->mutex);
        mem_free(q->rows);
        mem_free(q->waiting);
        mem_free(q);
    }
}

/* fit makes room for one more row. The caller holds the mutex. */
static bool fit(encode_queue *q, uint32_t row)
{
    size_t words = (size_t)row / 64 + 1;
    if (words > q->words) {
        size_t room = words + words / 2 + 64;
        uint64_t *grown = mem_grow(q->waiting, room, sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        memset(grown + q->words, 0, (room - q->words) * sizeof *grown);
        q->waiting = grown;
        q->words = room;
    }
    if (q->count < q->room) {
        return true;
    }
    size_t room = 2 * q->room + 1024;
    uint32_t *rows = mem_array(room, sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    for (size_t i = 0; i < q->count; i++) {
        rows[i] = q->rows[(q->first + i) % q->room];
    }
    mem_free(q->rows);
    q->rows = rows;
    q->first = 0;
    q->room = room;
    return true;
}

err_code encode_queue_add(encode_queue *q, uint32_t row, err *e)
{
    pthread_mutex_lock(&q->mutex);
    bool room = fit(q, row);
    if (room && !bits_test(q->waiting, row)) {
        bits_set(q->waiting, row);
        q->rows[(q->first + q->count++) % q->room] = row;
    }
    pthread_mutex_unlock(&q->mutex);
    return room ? ERR_OK : err_nomem(e, "the items that wait for the encoder");
}

size_t encode_queue_take(encode_queue *q, uint32_t *rows, size_t most)
{
    pthread_mutex_lock(&q->mutex);
    size_t count = q->count < most ? q->count : most;
    for (size_t i = 0; i < count; i++) {
        rows[i] = q->rows[(q->first + i) % q->room];
        bits_clear(q->waiting, rows[i]);
    }
    if (count > 0) {
        q->first = (q->first + count) % q->room;
        q->count -= count;
    }
    pthread_mutex_unlock(&q->mutex);
    return count;
}

size_t encode_queue_count(encode_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    size_t count = q->count;
    pthread_mutex_unlock(&q->mutex);
    return count;
}
