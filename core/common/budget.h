/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget: a number of bytes shared by many callers, of which one caller gets at most a part.
 *
 * Code that is about to hold memory for a caller takes the bytes from the budget first, and gives
 * them back when it frees the memory. A caller is a number, such as the hash of an address. Callers
 * whose numbers fall into the same of BUDGET_CALLERS places share one part.
 *
 * Thread-safe; nothing is locked.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_CALLERS = 1024 };

typedef struct budget {
    uint64_t most, most_of_caller; /* bytes in all, and bytes of one caller; immutable */
    atomic_uint_fast64_t taken;
    atomic_uint_fast64_t taken_by[BUDGET_CALLERS];
} budget;

/* budget_init allows `most` bytes in all, and three quarters of them to one caller. */
void budget_init(budget *b, uint64_t most);

/* budget_take takes bytes for a caller. It returns false and takes nothing if they are not
 * available. budget_give returns them. */
bool budget_take(budget *b, uint64_t caller, uint64_t bytes);
void budget_give(budget *b, uint64_t caller, uint64_t bytes);

/* budget_taken returns how many bytes are taken now. */
uint64_t budget_taken(const budget *b);

#endif
