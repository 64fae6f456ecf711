/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publishers: remembers which messages of an external log have been applied, so that repeats are
 * dropped.
 *
 * Each incarnation of a publisher numbers its messages from 1 and has at most PUBLISHER_WINDOW of
 * them in flight. A retry can put a message into the log twice or out of order. A record holds the
 * highest number, and which numbers of the window below it have been applied. The table is
 * replicated: only messages and the expiry clock change it.
 */
#include <string.h>

#include "storage/log/log_private.h"

/* No publisher continues after this time, and the log keeps no message this long. */
static const int64_t PUBLISHER_SECONDS = (int64_t)30 * 24 * 60 * 60;

void publisher_encode(const publisher_record *record, encoder *x)
{
    encode_u8(x, PUBLISHER_RECORD_VERSION);
    encode_u64(x, record->last);
    encode_u64(x, record->window);
    encode_i64(x, record->clock);
    encode_i64(x, record->time);
    encode_seal(x);
}

err_code publisher_decode(publisher_record *out, slice bytes, err *e)
{
    decoder d;
    memset(out, 0, sizeof *out);
    decoder_init_sealed(&d, bytes);
    err_code code = decode_version(&d, PUBLISHER_RECORD_VERSION, "publisher", e);
    if (code == ERR_OK) {
        out->last = decode_u64(&d);
        out->window = decode_u64(&d);
        out->clock = decode_i64(&d);
        out->time = decode_i64(&d);
        d.failed = d.failed || out->last == 0 || (out->window & 1) == 0;
        code = decoder_check(&d, "publisher", e);
    }
    return code;
}

/* advance marks a number as applied. It returns false if it was applied before or is below the
 * window. */
static bool advance(publisher_record *record, uint64_t number)
{
    if (number > record->last) {
        uint64_t steps = number - record->last;
        record->window = (steps < PUBLISHER_WINDOW ? record->window << steps : 0) | 1;
        record->last = number;
        return true;
    }
    uint64_t behind = record->last - number;
    uint64_t bit = behind < PUBLISHER_WINDOW ? (uint64_t)1 << behind : 0;
    bool fresh = bit != 0 && (record->window & bit) == 0;
    record->window |= bit;
    return fresh;
}

/* Clocks of nodes agree to about a second. A clock that is further ahead than this is wrong. */
static const int64_t AHEAD_SECONDS = 60 * 60;

/* others_time returns the latest time of the ops of any other node, or 0. */
static err_code others_time(store_write *w, const unsigned char *node, int64_t *out, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_PUBLISHERS], &cursor);
    *out = 0;
    if (rc != 0) {
        return schema_error(rc, "reading the publishers", e);
    }
    err_code code = ERR_OK;
    while (code == ERR_OK && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        publisher_record record;
        code = publisher_decode(&record, slice_of_val(v), e);
        if (code == ERR_OK && memcmp(k.mv_data, node, PUBLISHER_NODE_BYTES) != 0 &&
            record.time > *out) {
            *out = record.time;
        }
    }
    mdb_cursor_close(cursor);
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading the publishers", e);
}

/* bound_time sets how far the message's ops may move the expiry clock. A time far beyond that of
 * all other nodes comes from a wrong clock. */
static err_code bound_time(store_write *w, const apply_message *m, err *e)
{
    int64_t others = 0;
    err_code code = others_time(w, m->publisher, &others, e);
    w->time_most = others != 0 ? others + AHEAD_SECONDS : INT64_MAX;
    return code;
}

/* forget_gone removes publishers that no longer exist. It runs for a new incarnation, which is
 * rare. */
static err_code forget_gone(store_write *w, err *e)
{
    MDB_cursor *cursor = NULL;
    MDB_val k = {0, NULL}, v = {0, NULL};
    int rc = mdb_cursor_open(w->txn, w->owner->dbi[DB_PUBLISHERS], &cursor);
    if (rc != 0) {
        return schema_error(rc, "reading the publishers", e);
    }
    err_code code = ERR_OK;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && code == ERR_OK) {
        publisher_record record;
        code = publisher_decode(&record, slice_of_val(v), e);
        if (code == ERR_OK && w->state.clock - record.clock > PUBLISHER_SECONDS) {
            rc = mdb_cursor_del(cursor, 0);
        }
        rc = code == ERR_OK && rc == 0 ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : rc;
    }
    mdb_cursor_close(cursor);
    return code != ERR_OK || rc == MDB_NOTFOUND ? code
                                                : schema_error(rc, "reading the publishers", e);
}

err_code publisher_note(store_write *w, const apply_message *m, bool *repeat, err *e)
{
    slice key = {(const char *)m->publisher, PUBLISHER_BYTES}, value;
    publisher_record record = {0};
    encoder x;
    *repeat = false;
    if (m->number == 0) {
        return err_set(e, ERR_INTERNAL, "a message is numbered 0, expected 1 or more");
    }
    err_code code = schema_get(&w->reads, DB_PUBLISHERS, key, &value, e);
    bool known = code == ERR_OK;
    code = known ? publisher_decode(&record, value, e) : code == ERR_NOT_FOUND ? ERR_OK : code;
    if (code == ERR_OK && !known) {
        code = forget_gone(w, e);
    }
    if (code != ERR_OK || !advance(&record, m->number)) {
        *repeat = code == ERR_OK;
        return code;
    }
    code = bound_time(w, m, e);
    if (code != ERR_OK) {
        return code;
    }
    record.clock = w->state.clock;
    for (size_t i = 0; i < m->count; i++) {
        record.time = m->ops[i]->time > record.time ? m->ops[i]->time : record.time;
    }
    encoder_init(&x, 64);
    publisher_encode(&record, &x);
    code = encoder_check(&x, "publisher", e);
    if (code == ERR_OK) {
        code = schema_put(w, DB_PUBLISHERS, key, encoder_slice(&x), e);
    }
    encoder_fini(&x);
    return code;
}
