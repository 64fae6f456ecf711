/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/memory_table.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/api.h"
#include "core/serve/query/recommend.h"
#include "server/telemetry/log_queue.h"

enum {
    /* the library's buffer, the target, the unmetered parts of body and answer, and the structs */
    PLAIN_BYTES = 88 * 1024,
    TLS_BYTES = 72 * 1024,
    /* for each thread's query: bitmaps of candidates, of skipped rows and of kept filters */
    BITMAPS = SHARED_FILTERS + 4,
    /* for each item, the memory of links: two sums and their copies, the item, the total and a
       leading row, with room for a ninth more items than there are */
    LINK_BITS = 36 * 8,
    ITEM_BITS = BITMAPS + LINK_BITS,
    THREAD_BYTES = 4 << 20, /* touched stack, allocator, and scratch memory besides the bitmaps */
};

/* The pages that one transaction of LMDB may change before it spills them. */
static const uint64_t TRANSACTION_BYTES = 131072ULL * 4096;

static void set(memory_row *row, const char *what, uint64_t bytes, const char *from, ...)
{
    va_list args;
    row->what = what;
    row->bytes = bytes;
    va_start(args, from);
    vsnprintf(row->from, sizeof row->from, from, args);
    va_end(args);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t memory_table(memory_row out[MEMORY_ROWS], const serve_options *o, unsigned processors,
                      uint64_t items)
{
    uint64_t threads = o->threads > 0 ? (uint64_t)o->threads : processors;
    uint64_t work = o->work_threads > 0 ? (uint64_t)o->work_threads : processors;
    uint64_t connections =
        (uint64_t)o->connections_max + CONNECTIONS_RESERVED + CONNECTIONS_OF_ADMIN;
    uint64_t each = PLAIN_BYTES + (o->tls_certificate != NULL ? TLS_BYTES : 0);
    uint64_t own = API_WORKSPACE_BYTES + API_WORKSPACE_PER_BODY_BYTE * o->body_bytes_max;
    set(&out[0], "connections", connections * each, "connections_max x %llu KiB",
        (unsigned long long)each / 1024);
    set(&out[1], "bodies", o->bodies_bytes_max, "bodies_bytes_max");
    set(&out[2], "answers", o->answers_bytes_max, "answers_bytes_max");
    set(&out[3], "parsed bodies", work * API_TREE_PER_BODY_BYTE * o->body_bytes_max,
        "work_threads x %d body_bytes_max", API_TREE_PER_BODY_BYTE);
    set(&out[4], "long requests", work * (own + API_RECORD_BYTES),
        "work_threads x (%zu MiB + %d body_bytes_max)",
        (API_WORKSPACE_BYTES + API_RECORD_BYTES) >> 20, API_WORKSPACE_PER_BODY_BYTE);
    set(&out[5], "short requests", threads * (API_SHORT_WORKSPACE_BYTES + API_RECORD_BYTES),
        "threads x %zu MiB", (API_SHORT_WORKSPACE_BYTES + API_RECORD_BYTES) >> 20);
    set(&out[6], "scratch of threads", (threads + work) * (THREAD_BYTES + ITEM_BITS * items / 8),
        "(threads + work_threads) x (%d MiB + %d bits an item)", THREAD_BYTES >> 20, ITEM_BITS);
    set(&out[7], "writes", o->queue_bytes_max + least(TRANSACTION_BYTES, 4 * o->queue_bytes_max),
        "queue_bytes_max, and 4 times as much or 512 MiB for a commit");
    set(&out[8], "socket buffers", connections * 2 * SOCKET_BUFFERS_BYTES,
        "connections_max x %d KiB, in the kernel", 2 * SOCKET_BUFFERS_BYTES / 1024);
    set(&out[9], "log", LOG_QUEUE_BYTES, "fixed");
    uint64_t sum = 0;
    for (size_t i = 0; i < MEMORY_ROWS; i++) {
        sum += out[i].bytes;
    }
    return sum;
}
