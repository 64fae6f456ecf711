/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest: finds the existing name that is closest to a mistyped one. Thread-safe.
 */
#ifndef SERVER_SUGGEST_H
#define SERVER_SUGGEST_H

#include <stddef.h>

/* A search for the nearest of many names; set `given` and offer each of them. */
typedef struct suggestion {
    const char *given; /* borrowed */
    const char *best;  /* borrowed from the names; NULL: none is near */
    size_t distance;   /* of `best` */
} suggestion;

/* suggest_offer keeps `name` if it is nearer than those before: at most two letters missing, added,
 * changed or swapped, and fewer than half of its own (optimal string alignment, Boytsov 2011). A
 * name that begins with the given one of four letters or more is near, too. */
void suggest_offer(suggestion *s, const char *name);

/* suggest_text writes "; did you mean --epochs?" with `prefix` before the name, or nothing. */
void suggest_text(const suggestion *s, const char *prefix, char *out, size_t bytes);

#endif
