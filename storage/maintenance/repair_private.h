/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair_private: what the files of repair share. Internal to storage/maintenance/repair*.c.
 *
 * A repair walks one database after the other. For each record, a visit notes what must change. The
 * changes are made after the walk, because LMDB moves records under an open cursor while it writes.
 */
#ifndef STORAGE_REPAIR_PRIVATE_H
#define STORAGE_REPAIR_PRIVATE_H

#include "core/common/arena.h"
#include "storage/env/schema.h"
#include "storage/maintenance/repair.h"

typedef struct repair_change {
    store_db db;
    slice key; /* in the arena */
    bool put;  /* write the id with `row`; otherwise drop the record */
    uint32_t row;
    bool done;
} repair_change;

typedef struct repairing {
    store_write *w;
    store_read *r; /* lent by w */
    const repair_options *options;
    uint64_t *count;
    arena keys;             /* keys of the changes noted */
    arena record;           /* for one record */
    repair_change *changes; /* (change_count) */
    size_t change_count, change_room;
    /* an item or user could not be read, so counters would be wrong */
    bool unreadable;
    bool lost_rows;                  /* an interaction refers to a record that does not exist */
    uint64_t *item_rows, *user_rows; /* bitmaps: the row has a record, readable or not */
    struct repair_edges *edges;      /* state of repair_edges.c while it runs */
    uint64_t items, users;
    /* one of the generations whose record is lost, and how many these are */
    uint32_t lost_generation, lost_generations;
    uint64_t log_bytes, log_bad; /* seq of the newest damaged entry; 0 if none */
} repairing;

/* repair_walk visits every record of a database, and then makes the changes that the visits
 * noted. */
typedef err_code (*repair_visit)(repairing *x, slice key, slice value, err *e);
err_code repair_walk(repairing *x, store_db db, repair_visit visit, err *e) ERR_CHECKED;

/* Both note a change that is made after the walk: repair_drop removes a record, repair_lead makes
 * an id map lead from `id` to `row`. */
err_code repair_drop(repairing *x, store_db db, slice key, err *e) ERR_CHECKED;
err_code repair_lead(repairing *x, store_db db, slice id, uint32_t row, err *e) ERR_CHECKED;

/* LMDB trusts the sizes that the entries of a page contain. If an entry is damaged, changing
 * another entry of its page may damage more. So a repair compares checksums: repair_sum adds up
 * repair_hash of all records of a database, and equal sets of records have equal sums. After the
 * changes, repair_verify returns ERR_CORRUPT if the sum is not the expected one; this ends the
 * repair and undoes it. */
uint64_t repair_hash(slice key, slice value);
err_code repair_sum(repairing *x, store_db db, uint64_t *sum, err *e) ERR_CHECKED;
err_code repair_verify(repairing *x, store_db db, uint64_t expected, err *e) ERR_CHECKED;

/* repair_told counts a repair and reports it. */
void repair_told(repairing *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* repair_key_text writes a key for people: quoted if it is printable, otherwise in hexadecimal. */
enum { REPAIR_KEY_TEXT = 96 };
const char *repair_key_text(slice key, char out[REPAIR_KEY_TEXT]);

/* The parts, each complete in the transaction of `x`. */
err_code repair_ids(repairing *x, err *e) ERR_CHECKED;
err_code repair_kept_answers(repairing *x, err *e) ERR_CHECKED;
err_code repair_publishers(repairing *x, err *e) ERR_CHECKED;
/* Call it after repair_ids, which fills the bitmaps. */
err_code repair_interactions(repairing *x, err *e) ERR_CHECKED;
err_code repair_generations(repairing *x, err *e) ERR_CHECKED;
/* Uses transactions of its own, after that of `x`. */
err_code repair_tables(store *s, repairing *x, err *e) ERR_CHECKED;
err_code repair_log(repairing *x, err *e) ERR_CHECKED;

#endif
