/* SPDX-License-Identifier: Apache-2.0 */
#include "core/words/term_counts.h"

#include <stdbool.h>

#include "core/common/mem.h"

enum { ROOM_FIRST = 1 << 14, ROOM_MAX = 1 << 22 };

void term_counts_fini(term_counts *t)
{
    mem_free(t->places);
    *t = (term_counts){0};
}

err_code term_counts_copy(term_counts *out, const term_counts *t, err *e)
{
    *out = *t;
    out->places = mem_copy(t->places, t->room * sizeof *t->places);
    return out->places != NULL ? ERR_OK : err_nomem(e, "the words of the catalogue");
}

static term_count *place_of(const term_counts *t, uint64_t hash)
{
    size_t at = hash & (t->room - 1);
    while (t->places[at].hash != 0 && t->places[at].hash != hash) {
        at = (at + 1) & (t->room - 1);
    }
    return &t->places[at];
}

/* rebuild moves the terms that occur in more than `forget` items into a table of `room` places. */
static err_code rebuild(term_counts *t, size_t room, uint32_t forget, err *e)
{
    term_counts made = {mem_array(room, sizeof *made.places), room, 0};
    if (made.places == NULL) {
        return err_nomem(e, "the words of the catalogue");
    }
    for (size_t i = 0; i < t->room; i++) {
        if (t->places[i].hash != 0 && t->places[i].items > forget) {
            *place_of(&made, t->places[i].hash) = t->places[i];
            made.count++;
        }
    }
    mem_free(t->places);
    *t = made;
    return ERR_OK;
}

/* make_room keeps the table at most three quarters full. */
static err_code make_room(term_counts *t, err *e)
{
    if (t->count < t->room / 4 * 3) {
        return ERR_OK;
    }
    if (t->room < ROOM_MAX) {
        return rebuild(t, t->room > 0 ? 4 * t->room : ROOM_FIRST, 0, e);
    }
    err_code code = ERR_OK;
    for (uint32_t forget = 1; code == ERR_OK && t->count > t->room / 2; forget++) {
        code = rebuild(t, t->room, forget, e);
    }
    return code;
}

err_code term_counts_add(term_counts *t, const bag_term *terms, size_t count, term_share share,
                         err *e)
{
    err_code code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        if ((terms[i].kind == BAG_WORD) != (share == BAG_WORDS)) {
            continue;
        }
        code = make_room(t, e);
        if (code == ERR_OK) {
            term_count *place = place_of(t, terms[i].hash);
            t->count += place->hash == 0 ? 1 : 0;
            place->hash = terms[i].hash;
            place->kind = (uint32_t)terms[i].kind;
            place->items += place->items < UINT32_MAX ? 1 : 0;
        }
    }
    return code;
}
