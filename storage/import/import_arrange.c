/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_arrange decides what depends on all interactions together: which lines are duplicates, and
 * which interactions are held out.
 *
 * Afterwards the interactions are sorted by (user, item, type), each triple occurs once, and all
 * records of one user and item have the same split. The sort is in place: a permutation into the
 * users' buckets (McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993), then a sort of each
 * bucket.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/common/sort.h"
#include "core/common/timestamp.h"
#include "storage/import/import_state.h"

static int by_pair(const void *a, const void *b)
{
    const import_edge *x = a;
    const import_edge *y = b;
    if (x->item != y->item) {
        return x->item < y->item ? -1 : 1;
    }
    if (x->type != y->type) {
        return x->type < y->type ? -1 : 1;
    }
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    if (x->file != y->file) {
        return x->file < y->file ? -1 : 1;
    }
    return (x->line > y->line) - (x->line < y->line);
}

static uint32_t key_of(const import_edge *x, bool by_item)
{
    return by_item ? x->item : x->user;
}

err_code import_bucket(import_state *s, bool by_item, size_t *starts, err *e)
{
    import_edge *edges = s->edges;
    size_t rows = by_item ? s->item_rows : s->user_rows;
    size_t *heads = mem_array(rows, sizeof *heads);
    if (heads == NULL) {
        return err_nomem(e, "sorting the interactions");
    }
    for (size_t i = 0; i < s->edge_count; i++) {
        starts[key_of(&edges[i], by_item) + 1]++;
    }
    for (size_t row = 0; row < rows; row++) {
        heads[row] = starts[row];
        starts[row + 1] += starts[row];
    }
    for (size_t row = 0; row < rows; row++) {
        while (heads[row] < starts[row + 1]) {
            import_edge moving = edges[heads[row]];
            while (key_of(&moving, by_item) != row) {
                import_edge *place = &edges[heads[key_of(&moving, by_item)]++];
                import_edge there = *place;
                *place = moving;
                moving = there;
            }
            edges[heads[row]++] = moving;
        }
    }
    mem_free(heads);
    return ERR_OK;
}

static err_code refuse_splits(const import_state *s, const import_edge *a, const import_edge *b,
                              err *e)
{
    static const char *const names[] = {"train", "valid", "test"};
    return err_set(e, ERR_INVALID,
                   "%s:%u: the same user and item as %s:%u, but %s here and %s there; keep the "
                   "earliest with --duplicates keep-first",
                   s->files[b->file], b->line, s->files[a->file], a->line, names[b->split],
                   names[a->split]);
}

/* thin_pair reduces the sorted records [from, to) of one user and item to one for each type. It
 * moves them to edges[into...] and reports how many are left. */
static err_code thin_pair(import_state *s, size_t from, size_t to, size_t into, size_t *left,
                          err *e)
{
    import_edge *edges = s->edges;
    size_t first = from; /* the earliest record decides the split */
    for (size_t i = from + 1; i < to; i++) {
        first =
            edges[i].time < edges[first].time ||
                    (edges[i].time == edges[first].time &&
                     (edges[i].file < edges[first].file ||
                      (edges[i].file == edges[first].file && edges[i].line < edges[first].line)))
                ? i
                : first;
    }
    import_edge earliest = edges[first];
    *left = 0;
    for (size_t i = from; i < to; i++) {
        import_edge x = edges[i];
        if (x.split != earliest.split) {
            if (!s->options->keep_first) {
                return refuse_splits(s, &earliest, &x, e);
            }
            s->report->duplicates++;
        } else if (*left > 0 && edges[into + *left - 1].type == x.type) {
            s->report->duplicates++;
        } else {
            edges[into + (*left)++] = x;
        }
    }
    return ERR_OK;
}

static err_code thin_all(import_state *s, const size_t *starts, err *e)
{
    size_t into = 0;
    for (size_t u = 0; u < s->user_rows; u++) {
        size_t to = starts[u + 1];
        if (to > starts[u]) {
            sort_array(s->edges + starts[u], to - starts[u], sizeof *s->edges, by_pair);
        }
        for (size_t from = starts[u]; from < to;) {
            size_t end = from + 1;
            size_t left = 0;
            while (end < to && s->edges[end].item == s->edges[from].item) {
                end++;
            }
            err_code code = thin_pair(s, from, end, into, &left, e);
            if (code != ERR_OK) {
                return code;
            }
            into += left;
            from = end;
        }
        if (u % 65536 == 0) {
            err_code code = import_tick(s, "sorting", u, s->user_rows, e);
            if (code != ERR_OK) {
                return code;
            }
        }
    }
    s->edge_count = into;
    return ERR_OK;
}

/* run_end returns the end of the run of records that have the user of edges[from] (with same_item,
 * also its item). */
static size_t run_end(const import_state *s, size_t from, bool same_item)
{
    size_t end = from + 1;
    while (end < s->edge_count && s->edges[end].user == s->edges[from].user &&
           (!same_item || s->edges[end].item == s->edges[from].item)) {
        end++;
    }
    return end;
}

/* split_user holds out a tenth of a user's items, at least one, for validation, and as many for the
 * test. */
static err_code split_user(import_state *s, size_t from, size_t to, rng *random, err *e)
{
    size_t pairs = 0;
    for (size_t i = from; i < to; i = run_end(s, i, true)) {
        pairs++;
    }
    if (pairs < 3) {
        return ERR_OK;
    }
    uint8_t *splits = mem_array(pairs, 1);
    if (splits == NULL) {
        return err_nomem(e, "a split");
    }
    size_t held = pairs / 10 > 0 ? pairs / 10 : 1;
    memset(splits, 1, held);
    memset(splits + held, 2, held);
    for (size_t i = pairs - 1; i > 0; i--) {
        size_t other = rng_below(random, (uint32_t)i + 1);
        uint8_t there = splits[other];
        splits[other] = splits[i];
        splits[i] = there;
    }
    size_t pair = 0;
    for (size_t i = from; i < to; pair++) {
        size_t end = run_end(s, i, true);
        for (; i < end; i++) {
            s->edges[i].split = splits[pair];
        }
    }
    mem_free(splits);
    return ERR_OK;
}

static err_code split_random(import_state *s, err *e)
{
    err_code code = ERR_OK;
    for (size_t from = 0; code == ERR_OK && from < s->edge_count;) {
        size_t to = run_end(s, from, false);
        rng random;
        rng_init(&random, s->options->seed, s->edges[from].user);
        code = split_user(s, from, to, &random, e);
        from = to;
    }
    return code;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t pair_time(const import_state *s, size_t from, size_t to)
{
    int64_t time = s->edges[from].time;
    for (size_t i = from + 1; i < to; i++) {
        time = s->edges[i].time < time ? s->edges[i].time : time;
    }
    return time;
}

static err_code refuse_one_time(size_t pairs, int64_t time, err *e)
{
    char text[TIMESTAMP_TEXT_MAX];
    timestamp_format(time, text);
    return err_set(
        e, ERR_INVALID,
        "--split time leaves nothing to train on: at least 80 %% of the %zu pairs of user "
        "and item have the same timestamp, %s; expected times that differ, or --split "
        "random",
        pairs, text);
}

/* split_time cuts the time line after 80 % and 90 % of the pairs. Pairs at the very second of a cut
 * come after it. */
static err_code split_time(import_state *s, err *e)
{
    int64_t *times = mem_array(s->edge_count, sizeof *times);
    if (times == NULL) {
        return err_nomem(e, "the times of the interactions");
    }
    size_t pairs = 0;
    for (size_t from = 0; from < s->edge_count;) {
        size_t to = run_end(s, from, true);
        times[pairs++] = pair_time(s, from, to);
        from = to;
    }
    sort_array(times, pairs, sizeof *times, by_value);
    int64_t valid = times[pairs * 8 / 10];
    int64_t test = times[pairs * 9 / 10];
    err_code code = times[0] < valid ? ERR_OK : refuse_one_time(pairs, valid, e);
    for (size_t from = 0; code == ERR_OK && from < s->edge_count;) {
        size_t to = run_end(s, from, true);
        int64_t time = pair_time(s, from, to);
        uint8_t split = time < valid ? 0 : time < test ? 1 : 2;
        for (; from < to; from++) {
            s->edges[from].split = split;
        }
    }
    mem_free(times);
    return code;
}

err_code import_arrange(import_state *s, err *e)
{
    if (s->edge_count == 0) {
        return ERR_OK;
    }
    size_t *starts = mem_array((size_t)s->user_rows + 1, sizeof *starts);
    if (starts == NULL) {
        return err_nomem(e, "sorting the interactions");
    }
    err_code code = import_bucket(s, false, starts, e);
    if (code == ERR_OK) {
        code = thin_all(s, starts, e);
    }
    mem_free(starts);
    if (code == ERR_OK && s->options->split == IMPORT_SPLIT_RANDOM) {
        code = split_random(s, e);
    }
    if (code == ERR_OK && s->options->split == IMPORT_SPLIT_TIME) {
        code = split_time(s, e);
    }
    return code;
}
