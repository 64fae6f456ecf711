/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/maintenance/repair.h"

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "storage/maintenance/repair_private.h"
#include "storage/maintenance/walk.h"
#include "storage/records/records.h"

enum { KEYS_ARENA_BYTES = 512 * 1024 * 1024, RECORD_ARENA_BYTES = 64 * 1024 * 1024 };

/* --- walking and changing --- */

/* --- features --- */

static err_code feature_visit(repairing *x, slice key, slice value, err *e)
{
    char text[REPAIR_KEY_TEXT];
    stored_item it;
    slice found;
    (void)value;
    if (key.length != 5) {
        repair_told(x, "dropped features under the key %s", repair_key_text(key, text));
        return repair_drop(x, DB_FEATURES, key, e);
    }
    uint32_t row = get_be32(key.at + 1);
    err_code code = schema_get(x->r, DB_ITEMS, (slice){key.at + 1, 4}, &found, e);
    if (code == ERR_NOT_FOUND && row < x->w->state.info.item_rows) {
        return ERR_OK; /* its record is lost, but a snapshot may have it */
    }
    bool gone = code == ERR_NOT_FOUND ||
                (code == ERR_OK && seal_holds(found) &&
                 item_decode(&it, row, found, &x->record, NULL) == ERR_OK && it.deleted);
    if (!gone) {
        return code;
    }
    repair_told(x, "dropped the features of modality %u of item row %u, which does not exist",
                (unsigned char)key.at[0], row);
    return repair_drop(x, DB_FEATURES, key, e);
}

/* --- counters --- */

static void set_counter(repairing *x, uint64_t *stored, uint64_t counted, const char *what)
{
    if (*stored != counted) {
        repair_told(x, "corrected the number of %s: %llu, not %llu", what,
                    (unsigned long long)counted, (unsigned long long)*stored);
        *stored = counted;
    }
}

/* counters corrects the counters, if everything was readable. */
static err_code counters(repairing *x, err *e)
{
    MDB_stat by_user, by_item;
    store_state *state = &x->w->state;
    int rc = mdb_stat(x->w->txn, x->w->owner->dbi[DB_BY_USER], &by_user);
    rc = rc == 0 ? mdb_stat(x->w->txn, x->w->owner->dbi[DB_BY_ITEM], &by_item) : rc;
    if (rc != 0) {
        return schema_error(rc, "repairing", e);
    }
    if (!x->unreadable) {
        set_counter(x, &state->info.items, x->items, "items");
    }
    if (!x->unreadable && !x->lost_rows) {
        set_counter(x, &state->info.users, x->users, "users");
    }
    if (by_user.ms_entries == by_item.ms_entries) {
        set_counter(x, &state->info.interactions, by_user.ms_entries, "interactions");
    }
    set_counter(x, &state->oplog_bytes, x->log_bytes, "bytes of the log");
    return ERR_OK;
}

/* --- all --- */

static err_code repair_all(repairing *x, err *e)
{
    err_code code = repair_ids(x, e);
    if (code == ERR_OK) {
        code = repair_walk(x, DB_FEATURES, feature_visit, e);
    }
    if (code == ERR_OK) {
        code = repair_kept_answers(x, e);
    }
    if (code == ERR_OK) {
        code = repair_log(x, e);
    }
    if (code == ERR_OK) {
        code = repair_publishers(x, e);
    }
    if (code == ERR_OK) {
        code = repair_interactions(x, e);
    }
    if (code == ERR_OK) {
        code = repair_generations(x, e);
    }
    return code == ERR_OK ? counters(x, e) : code;
}

static void walk_at(void *ctx, const char *database)
{
    const repair_options *o = ctx;
    if (o->at != NULL) {
        o->at(o->ctx, database);
    }
}

static bool walk_enough(void *ctx)
{
    const repair_options *o = ctx;
    return o->cancelled != NULL && o->cancelled(o->cancelled_ctx);
}

/* check_pages checks the pages before anything is written: a write takes pages from the list of
 * free ones and follows the trees, so these have to be sound. */
static err_code check_pages(store *s, const repair_options *options, err *e)
{
    repair_options copy = *options;
    const walk_options how = {
        .any_order = true, .at = walk_at, .enough = walk_enough, .ctx = &copy};
    walk_report report;
    err_code code = walk_store(s, &how, &report, e);
    return code == ERR_OK && !report.complete ? err_set(e, ERR_CANCELLED, "stopped") : code;
}

err_code repair_run(store *s, const repair_options *options, uint64_t *count, err *e)
{
    repairing x = {.options = options, .count = count};
    *count = 0;
    err_code code = check_pages(s, options, e);
    if (code == ERR_OK) {
        code = store_write_begin(s, &x.w, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    x.r = store_write_reads(x.w);
    arena_init(&x.keys, KEYS_ARENA_BYTES);
    arena_init(&x.record, RECORD_ARENA_BYTES);
    x.item_rows = mem_array(bits_words(x.w->state.info.item_rows), sizeof *x.item_rows);
    x.user_rows = mem_array(bits_words(x.w->state.info.user_rows), sizeof *x.user_rows);
    code =
        x.item_rows != NULL && x.user_rows != NULL ? repair_all(&x, e) : err_nomem(e, "the repair");
    if (code == ERR_OK && *count > 0) {
        code = store_write_commit(x.w, e);
    } else {
        store_write_abort(x.w);
    }
    x.w = NULL;
    if (code == ERR_OK) {
        code = repair_tables(s, &x, e);
    }
    mem_free(x.item_rows);
    mem_free(x.user_rows);
    mem_free(x.changes);
    arena_fini(&x.record);
    arena_fini(&x.keys);
    return code;
}
