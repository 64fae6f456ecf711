/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest: finds the existing name that is closest to a mistyped one. Thread-safe.
 */
#ifndef SERVER_SUGGEST_H
#define SERVER_SUGGEST_H

#include <stddef.h>

/* A search for the nearest of many names: set `given` and offer each name. */
typedef struct suggestion {
    const char *given; /* the mistyped name, borrowed */
    const char *best;  /* borrowed from the names; NULL if none is near */
    size_t distance;   /* number of edits between `given` and `best` */
} suggestion;

/* suggest_offer keeps `name` if it is nearer than the ones before. A name is near if at most two
 * letters, and fewer than half of its letters, are missing, added, changed or swapped (optimal
 * string alignment, Boytsov 2011). A name that begins with the given one is near too, if that has
 * four letters or more. */
void suggest_offer(suggestion *s, const char *name);

/* suggest_text writes "; did you mean --epochs?" with `prefix` before the name, or nothing. */
void suggest_text(const suggestion *s, const char *prefix, char *out, size_t bytes);

#endif
