/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/suggest.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64, FAR = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* letters_apart counts the letters in which two names differ. It keeps three rows of the usual
 * table, because a swap looks two rows back. */
static size_t letters_apart(const char *a, const char *b)
{
    size_t rows[3][NAME_BYTES + 1];
    size_t columns = strlen(b);
    for (size_t j = 0; j <= columns; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= strlen(a); i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t changed = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(changed, 1 + least(last[j], now[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
    }
    return rows[strlen(a) % 3][columns];
}

void suggest_offer(suggestion *s, const char *name)
{
    size_t given = strlen(s->given), own = strlen(name);
    if (given > NAME_BYTES || own > NAME_BYTES) {
        return;
    }
    size_t distance = letters_apart(s->given, name);
    if (distance >= FAR && given >= 4 && strncmp(s->given, name, given) == 0) {
        distance = FAR - 1;
    }
    if (distance < FAR && 2 * distance < own && (s->best == NULL || distance < s->distance)) {
        s->best = name;
        s->distance = distance;
    }
}

void suggest_text(const suggestion *s, const char *prefix, char *out, size_t bytes)
{
    out[0] = '\0';
    if (s->best != NULL) {
        snprintf(out, bytes, "; did you mean %s%s?", prefix, s->best);
    }
}
