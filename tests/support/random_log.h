/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random_log: makes an external log of random writes, as the bytes that publishers put into it.
 *
 * The log contains all kinds of ops: also conflicts, unknown items, erasures, ids that are deleted
 * and created again, and keys that are repeated with the same and with another request. Generations
 * are registered, pruned and activated, also ones that do not exist. Times jump, and messages come
 * twice or in another order. The same seed gives the same log. */
#ifndef TESTS_SUPPORT_RANDOM_LOG_H
#define TESTS_SUPPORT_RANDOM_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "core/common/arena.h"
#include "core/common/slice.h"
#include "storage/models/generations.h"

enum { RANDOM_LOG_ITEMS = 150, RANDOM_LOG_USERS = 100, RANDOM_LOG_NOW = 1700000000 };

typedef struct random_log {
    slice *messages; /* (count) encoded */
    size_t count;
    size_t ops;               /* ops in all messages, without repeated messages */
    unsigned char sha256[32]; /* SHA-256 of the tables; every registered generation has the same */
    arena memory;
} random_log;

/* random_log_new makes a log of at least `ops` ops. A failure stops the test. */
void random_log_new(random_log *out, uint64_t seed, size_t ops);
void random_log_free(random_log *log);

/* random_log_generation returns the UUID of the n-th generation that the log registers.
 * random_log_tables writes its tables into the store, complete and without a number. */
generation_id random_log_generation(uint32_t n);
void random_log_tables(store *s, const generation_id *id);

#endif
