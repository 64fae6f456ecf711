/* SPDX-License-Identifier: Apache-2.0 */
/*
 * damaged_store: a small intact store, raw access for damaging it, and the check and the repair
 * that must find and repair the damage.
 *
 * Items: row 0 "a", 1 "b", 2 "gone", which is deleted. Users: row 0 "u", 1 "v", and row 2, which is
 * erased. Generation 1 is active, 2 is not; each has the tables "t" and "users". A call that fails
 * aborts the test.
 */
#ifndef TESTS_SUPPORT_DAMAGED_STORE_H
#define TESTS_SUPPORT_DAMAGED_STORE_H

#include <stdint.h>

#include "storage/env/schema.h"
#include "storage/models/generations.h"
#include "tests/support/store_fixture.h"

enum { DAMAGED_USER_ROWS = 3 };

typedef struct damaged_store {
    char folder[TEMP_PATH_MAX];
    store *s;
    char told[4096]; /* the report of the last repair or check */
} damaged_store;

void damaged_make(damaged_store *w);
void damaged_unmake(damaged_store *w);

/* damaged_keyed_write adds a purchase of item "a" under an Idempotency-Key. */
void damaged_keyed_write(store *s, const char *user, const char *key);

/* --- raw access --- */

static inline slice bytes_of(const void *at, size_t bytes)
{
    return (slice){at, bytes};
}

store_write *damaged_begin(damaged_store *w);
void damaged_put(damaged_store *w, store_db db, slice key, slice value);
void damaged_take(damaged_store *w, store_db db, slice key);

/* damaged_flip changes the last byte of a record's content, before its seal. damaged_flip_table
 * does so in the table "t" of a generation. */
void damaged_flip(damaged_store *w, store_db db, slice key);
void damaged_flip_table(damaged_store *w, uint32_t generation);

generation_id damaged_generation_id(damaged_store *w, uint32_t generation);

/* --- looking --- */

/* damaged_problems checks the store and returns the number of problems. damaged_repair repairs it
 * and returns the number of repairs. Both leave their reports in `told`. */
uint64_t damaged_problems(damaged_store *w);
uint64_t damaged_repair(damaged_store *w);

void damaged_digest(damaged_store *w, char out[128]);

/* damaged_loads loads the store in the same way as `stair serve` at its start. */
void damaged_loads(damaged_store *w);

/* damaged_records holds a hash of every record (database, key and value) in the databases up to
 * `last`, except the state. With `last` DB_BY_ITEM these are the records of the content, with
 * DB_BLOBS all records. damaged_lost counts the records of `before` that `after` lacks. */
enum { DAMAGED_RECORDS_MAX = 4000 };
typedef struct damaged_records {
    size_t count;
    uint64_t hash[DAMAGED_RECORDS_MAX]; /* ascending */
} damaged_records;
void damaged_records_read(damaged_store *w, store_db last, damaged_records *out);
size_t damaged_lost(const damaged_records *before, const damaged_records *after);

#endif
