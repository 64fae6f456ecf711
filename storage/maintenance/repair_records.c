/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair_records: repairs the id maps, the kept answers, the publishers and the log.
 *
 * The id maps can be derived from the records. A kept answer matters for one day only, and
 * publishers matter only to the nodes of a cluster. The log may begin at any op.
 */
#include <string.h>

#include "core/common/bits.h"
#include "storage/log/log_private.h"
#include "storage/maintenance/repair_private.h"
#include "storage/records/records.h"

/* --- id maps --- */

/* What the record of a row tells about the row's id. */
typedef enum row_says {
    ROW_ABSENT,
    ROW_UNREADABLE,
    ROW_LIVES,
    ROW_DELETED,
} row_says;

static row_says item_says(repairing *x, uint32_t row, slice *id)
{
    unsigned char key[4];
    slice value;
    stored_item it;
    put_be32(key, row);
    err_code code = schema_get(x->r, DB_ITEMS, (slice){(const char *)key, 4}, &value, NULL);
    if (code == ERR_NOT_FOUND && row >= x->w->state.info.item_rows) {
        return ROW_ABSENT;
    }
    /* every row that was assigned keeps a record for ever, so this one is lost */
    if (code != ERR_OK) {
        x->unreadable = true;
        return ROW_UNREADABLE;
    }
    if (!seal_holds(value) || item_decode(&it, row, value, &x->record, NULL) != ERR_OK) {
        return ROW_UNREADABLE;
    }
    *id = it.id;
    return it.deleted ? ROW_DELETED : ROW_LIVES;
}

static row_says user_says(repairing *x, uint32_t row, slice *id)
{
    unsigned char key[4];
    slice value;
    stored_user u;
    put_be32(key, row);
    slice row_key = {(const char *)key, 4};
    err_code code = schema_get(x->r, DB_USERS, row_key, &value, NULL);
    if (code == ERR_NOT_FOUND &&
        schema_get(x->r, DB_BY_USER, row_key, &value, NULL) == ERR_NOT_FOUND) {
        return ROW_ABSENT; /* erased */
    }
    if (code != ERR_OK) { /* also if the record is lost, because interactions refer to the row */
        x->unreadable = true;
        return ROW_UNREADABLE;
    }
    if (!seal_holds(value) || user_decode(&u, row, value, NULL) != ERR_OK) {
        return ROW_UNREADABLE;
    }
    *id = u.id;
    return ROW_LIVES;
}

/* id_visit drops an id that leads to a row of another id, or to no row. */
static err_code id_visit(repairing *x, store_db db, slice id, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    slice own = {NULL, 0};
    row_says wanted = db == DB_GONE_IDS ? ROW_DELETED : ROW_LIVES, says = ROW_ABSENT;
    if (value.length == 4) {
        uint32_t row = get_be32(value.at);
        says = db == DB_USER_IDS ? user_says(x, row, &own) : item_says(x, row, &own);
    }
    if (says == ROW_UNREADABLE || (says == wanted && slice_equal(own, id))) {
        return ERR_OK;
    }
    repair_told(x, "dropped %s from %s: its record does not have it", repair_key_text(id, text),
                schema_db_name(db));
    return repair_drop(x, db, id, e);
}

static err_code item_id_visit(repairing *x, slice key, slice value, err *e)
{
    return id_visit(x, DB_ITEM_IDS, key, value, e);
}

static err_code user_id_visit(repairing *x, slice key, slice value, err *e)
{
    return id_visit(x, DB_USER_IDS, key, value, e);
}

static err_code gone_id_visit(repairing *x, slice key, slice value, err *e)
{
    uint32_t row = 0;
    char text[REPAIR_KEY_TEXT];
    if (item_find(x->r, key, &row, NULL) != ERR_OK) {
        return id_visit(x, DB_GONE_IDS, key, value, e);
    }
    repair_told(x, "dropped %s from %s: the item exists", repair_key_text(key, text),
                schema_db_name(DB_GONE_IDS));
    return repair_drop(x, DB_GONE_IDS, key, e);
}

static err_code restore_id(repairing *x, store_db db, slice id, uint32_t row, err *e)
{
    char text[REPAIR_KEY_TEXT];
    repair_told(x, "restored %s in %s, from the record of row %u", repair_key_text(id, text),
                schema_db_name(db), row);
    return repair_lead(x, db, id, row, e);
}

/* leads_to_lost returns true if the id refers to a record that is lost. A record with the same id
 * may then be that record, stored under a wrong row. */
static bool leads_to_lost(repairing *x, store_db ids, uint32_t row)
{
    slice other;
    return (ids == DB_ITEM_IDS ? item_says(x, row, &other) : user_says(x, row, &other)) ==
           ROW_UNREADABLE;
}

/* record_visit_one makes an id refer to its record again. */
static err_code record_visit_one(repairing *x, store_db ids, slice key, err *e)
{
    bool item = ids == DB_ITEM_IDS;
    const store_info *info = &x->w->state.info;
    uint32_t rows = item ? info->item_rows : info->user_rows, found = 0;
    uint32_t row = key.length == 4 ? get_be32(key.at) : rows;
    slice id = {NULL, 0};
    if (row >= rows) { /* never assigned, so the key is damaged */
        x->unreadable = true;
        return ERR_OK;
    }
    bits_set(item ? x->item_rows : x->user_rows, row);
    row_says says = item ? item_says(x, row, &id) : user_says(x, row, &id);
    x->unreadable = x->unreadable || says == ROW_UNREADABLE;
    *(item ? &x->items : &x->users) += says == ROW_LIVES;
    if (says != ROW_LIVES) {
        return ERR_OK;
    }
    err_code code = item ? item_find(x->r, id, &found, NULL) : user_find(x->r, id, &found, NULL);
    bool leads = code == ERR_OK && (found == row || leads_to_lost(x, ids, found));
    return leads ? ERR_OK : restore_id(x, ids, id, row, e);
}

static err_code item_visit_one(repairing *x, slice key, slice value, err *e)
{
    (void)value;
    return record_visit_one(x, DB_ITEM_IDS, key, e);
}

/* deleted_visit makes a deleted id refer to the last row that it had, so that the row becomes the
 * predecessor of a new item with that id. */
static err_code deleted_visit(repairing *x, slice key, slice value, err *e)
{
    slice id = {NULL, 0};
    uint32_t row = 0, predecessor = 0;
    (void)value;
    if (key.length != 4 || get_be32(key.at) >= x->w->state.info.item_rows ||
        item_says(x, get_be32(key.at), &id) != ROW_DELETED ||
        item_find(x->r, id, &row, NULL) == ERR_OK) {
        return ERR_OK;
    }
    bool known = item_gone(x->r, id, &predecessor, NULL) == ERR_OK;
    return known && predecessor > get_be32(key.at)
               ? ERR_OK
               : restore_id(x, DB_GONE_IDS, id, get_be32(key.at), e);
}

static err_code user_visit_one(repairing *x, slice key, slice value, err *e)
{
    (void)value;
    return record_visit_one(x, DB_USER_IDS, key, e);
}

err_code repair_ids(repairing *x, err *e)
{
    err_code code = repair_walk(x, DB_ITEM_IDS, item_id_visit, e);
    if (code == ERR_OK) {
        code = repair_walk(x, DB_ITEMS, item_visit_one, e);
    }
    if (code == ERR_OK) {
        code = repair_walk(x, DB_GONE_IDS, gone_id_visit, e);
    }
    if (code == ERR_OK) {
        code = repair_walk(x, DB_ITEMS, deleted_visit, e);
    }
    if (code == ERR_OK) {
        code = repair_walk(x, DB_USER_IDS, user_id_visit, e);
    }
    return code == ERR_OK ? repair_walk(x, DB_USERS, user_visit_one, e) : code;
}

/* --- stored answers: a record and the time that expires it belong together --- */

static err_code kept_visit(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    unsigned char at[8 + IDEMPOTENCY_KEY_BYTES_MAX];
    slice by_time = {(const char *)at, 8 + key.length}, found;
    idempotency_record record;
    const char *why = "it is damaged";
    if (key.length <= IDEMPOTENCY_KEY_BYTES_MAX && seal_holds(value) &&
        idempotency_decode(&record, value, NULL) == ERR_OK) {
        put_be64(at, (uint64_t)record.time);
        memcpy(at + 8, key.at, key.length);
        err_code code = schema_get(x->r, DB_IDEM_TIMES, by_time, &found, e);
        if (code != ERR_NOT_FOUND) {
            return code;
        }
        why = "it would never expire";
    }
    repair_told(x, "dropped the kept answer of Idempotency-Key %s: %s", repair_key_text(key, text),
                why);
    return repair_drop(x, DB_IDEMPOTENCY, key, e);
}

static err_code time_visit(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    slice own = {"", 0}, found;
    idempotency_record record;
    (void)value;
    if (key.length > 8) {
        own = (slice){key.at + 8, key.length - 8};
        err_code code = schema_get(x->r, DB_IDEMPOTENCY, own, &found, e);
        if (code != ERR_OK && code != ERR_NOT_FOUND) {
            return code;
        }
        if (code == ERR_OK && idempotency_decode(&record, found, NULL) == ERR_OK &&
            (uint64_t)record.time == get_be64(key.at)) {
            return ERR_OK;
        }
    }
    repair_told(x, "dropped the time of Idempotency-Key %s: no answer has it",
                repair_key_text(own, text));
    return repair_drop(x, DB_IDEM_TIMES, key, e);
}

err_code repair_kept_answers(repairing *x, err *e)
{
    err_code code = repair_walk(x, DB_IDEMPOTENCY, kept_visit, e);
    return code == ERR_OK ? repair_walk(x, DB_IDEM_TIMES, time_visit, e) : code;
}

/* --- publishers, which matter only to a store that follows a log --- */

static err_code publisher_visit(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    publisher_record record;
    if (key.length == PUBLISHER_BYTES && seal_holds(value) &&
        publisher_decode(&record, value, NULL) == ERR_OK) {
        return ERR_OK;
    }
    repair_told(x, "dropped the publisher %s: it is damaged, and this store follows no log",
                repair_key_text(key, text));
    return repair_drop(x, DB_PUBLISHERS, key, e);
}

/* repair_publishers drops damaged records of publishers, but not in a store that follows a log:
 * without its publisher's record, a repeated message would be applied twice. Only a copy of another
 * node helps there. */
err_code repair_publishers(repairing *x, err *e)
{
    bool follows = x->w->state.info.external[0] != '\0';
    return follows ? ERR_OK : repair_walk(x, DB_PUBLISHERS, publisher_visit, e);
}

/* --- the log: everything before an unreadable entry is dropped, as in trimming --- */

static err_code damaged_entry(uint64_t seq, slice value)
{
    oplog_entry entry;
    op *o = NULL;
    err_code code = seal_holds(value) ? oplog_decode(&entry, seq, value, NULL) : ERR_CORRUPT;
    if (code == ERR_OK) {
        code = op_decode(&o, entry.op, NULL);
    }
    op_free(o);
    return code;
}

static err_code log_look(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    uint64_t seq = key.length == 8 ? get_be64(key.at) : 0;
    if (key.length != 8 || seq > x->w->state.info.seq) {
        repair_told(x, "dropped the log entry of key %s: there was no such write",
                    repair_key_text(key, text));
        return repair_drop(x, DB_OPLOG, key, e);
    }
    err_code code = damaged_entry(seq, value);
    if (code == ERR_NOMEM) {
        return err_nomem(e, "the repair");
    }
    x->log_bad = code != ERR_OK ? seq : x->log_bad;
    return ERR_OK;
}

static err_code log_cut(repairing *x, slice key, slice value, err *e)
{
    if (get_be64(key.at) <= x->log_bad) {
        return repair_drop(x, DB_OPLOG, key, e);
    }
    x->log_bytes += value.length;
    return ERR_OK;
}

err_code repair_log(repairing *x, err *e)
{
    err_code code = repair_walk(x, DB_OPLOG, log_look, e);
    if (code == ERR_OK && x->log_bad > 0) {
        repair_told(x, "dropped the log up to write %llu, whose entry is damaged",
                    (unsigned long long)x->log_bad);
    }
    return code == ERR_OK ? repair_walk(x, DB_OPLOG, log_cut, e) : code;
}
