/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/links_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/common/types.h"
#include "core/search/kth.h"

/* One item of a user's history, in order of time. */
typedef struct visit {
    uint32_t item;
    uint32_t step; /* how many distinct times of the same user are earlier */
    float weight;
    uint32_t time;
} visit;

/* The data that rows are built from. It is read-only meanwhile. */
typedef struct source {
    size_t users, items;
    visit *visits;        /* by user, earliest first; by item within one time */
    size_t *user_start;   /* (users + 1) */
    size_t *item_start;   /* (items + 1) into `places` */
    uint32_t *place_user; /* (visits) the user of each visit, by item */
    uint32_t *place;      /* (visits) the visit's index among the user's visits, by item */
    float *norm;          /* (items) root of the sum of squared weights */
} source;

/* The memory of one thread. Between rows, `sum` and both bitmaps are zero. */
typedef struct builder {
    float *sum;        /* (items) sum of each touched item */
    uint32_t *touched; /* (items) the touched items */
    float *value;      /* (items) values of the touched items, in their order */
    float *chosen;     /* (items) values of the marked items */
    uint64_t *marked;  /* bitmap over items: the link is kept */
    uint64_t *words;   /* bitmap over the words of `marked` */
    float kth[LINKS_KEPT_COLLABORATIVE + 3 * KTH_LANES]; /* memory of the k-th largest value */
} builder;

static int earliest_first(const void *x, const void *y)
{
    const visit *a = x, *b = y;
    return a->time != b->time ? (a->time < b->time ? -1 : 1)
                              : (a->item > b->item) - (a->item < b->item);
}

static void fill_user(source *s, const pair *pairs, size_t count, size_t user)
{
    visit *v = s->visits + s->user_start[user];
    for (size_t k = 0; k < count; k++) {
        v[k] = (visit){pairs[k].item, 0, pairs[k].weight, pairs[k].time};
    }
    sort_array(v, count, sizeof *v, earliest_first);
    if (count > LINKS_USER_ITEMS_MAX) {
        memmove(v, v + (count - LINKS_USER_ITEMS_MAX), LINKS_USER_ITEMS_MAX * sizeof *v);
        count = LINKS_USER_ITEMS_MAX;
    }
    for (size_t k = 1; k < count; k++) {
        v[k].step = v[k - 1].step + (v[k].time != v[k - 1].time);
    }
    s->user_start[user + 1] = s->user_start[user] + count;
}

static void fill_places(source *s)
{
    size_t count = s->user_start[s->users];
    for (size_t k = 0; k < count; k++) {
        s->item_start[s->visits[k].item + 1]++;
        s->norm[s->visits[k].item] += s->visits[k].weight * s->visits[k].weight;
    }
    for (size_t i = 0; i < s->items; i++) {
        s->item_start[i + 1] += s->item_start[i];
        s->norm[i] = sqrtf(s->norm[i]);
    }
    for (size_t u = 0; u < s->users; u++) {
        for (size_t k = s->user_start[u]; k < s->user_start[u + 1]; k++) {
            size_t at = s->item_start[s->visits[k].item]++;
            s->place_user[at] = (uint32_t)u;
            s->place[at] = (uint32_t)(k - s->user_start[u]);
        }
    }
    memmove(s->item_start + 1, s->item_start, s->items * sizeof *s->item_start);
    s->item_start[0] = 0;
}

static void source_fini(source *s)
{
    mem_free(s->visits);
    mem_free(s->user_start);
    mem_free(s->item_start);
    mem_free(s->place_user);
    mem_free(s->place);
    mem_free(s->norm);
}

static err_code source_init(source *s, const interaction_list *list, err *e)
{
    *s = (source){.users = list->users, .items = list->items};
    s->visits = mem_array(list->count, sizeof *s->visits);
    s->user_start = mem_array(list->users + 1, sizeof *s->user_start);
    s->item_start = mem_array(list->items + 1, sizeof *s->item_start);
    s->place_user = mem_array(list->count, sizeof *s->place_user);
    s->place = mem_array(list->count, sizeof *s->place);
    s->norm = mem_array(list->items, sizeof *s->norm);
    if (s->visits == NULL || s->user_start == NULL || s->item_start == NULL ||
        s->place_user == NULL || s->place == NULL || s->norm == NULL) {
        source_fini(s);
        return err_nomem(e, "links between items");
    }
    size_t k = 0;
    for (size_t u = 0; u < list->users; u++) {
        size_t first = k;
        while (k < list->count && list->pairs[k].user == u) {
            k++;
        }
        fill_user(s, list->pairs + first, k - first, u);
    }
    fill_places(s);
    return ERR_OK;
}

/* add has no branch, because it could not be predicted. */
static inline size_t add(builder *b, size_t touched, uint32_t item, float value)
{
    float before = b->sum[item];
    b->touched[touched] = item;
    b->sum[item] = before + (value > 1e-30F ? value : 1e-30F);
    return touched + (before <= 0);
}

/* directed_value returns what two visits of one user add to the link from the first item to the
 * second. */
static float directed_value(const visit *from, const visit *to)
{
    float value = from->weight * to->weight;
    if (from->step == to->step) {
        return 0.75F * value;
    }
    return to->step > from->step ? value / (float)(to->step - from->step)
                                 : 0.5F * value / (float)(from->step - to->step);
}

/* sum_cosine and sum_directed add to the sums of a row what one user contributes, who has the item
 * at place `at` of `count` visits. They return how many items are touched. */
static size_t sum_cosine(builder *b, size_t touched, const visit *v, size_t at, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (k != at) {
            touched = add(b, touched, v[k].item, v[at].weight * v[k].weight);
        }
    }
    return touched;
}

static size_t sum_directed(builder *b, size_t touched, const visit *v, size_t at, size_t count)
{
    for (size_t k = at; k > 0 && v[at].step - v[k - 1].step <= LINKS_WINDOW; k--) {
        touched = add(b, touched, v[k - 1].item, directed_value(&v[at], &v[k - 1]));
    }
    for (size_t k = at + 1; k < count && v[k].step - v[at].step <= LINKS_WINDOW; k++) {
        touched = add(b, touched, v[k].item, directed_value(&v[at], &v[k]));
    }
    return touched;
}

/* sum_users sums what the users of an item contribute to its links of one kind. */
static size_t sum_users(const source *s, builder *b, size_t item, links_kind kind)
{
    size_t touched = 0;
    for (size_t p = s->item_start[item]; p < s->item_start[item + 1]; p++) {
        uint32_t user = s->place_user[p];
        size_t first = s->user_start[user], count = s->user_start[user + 1] - first;
        touched = kind == LINKS_DIRECTED
                      ? sum_directed(b, touched, s->visits + first, s->place[p], count)
                      : sum_cosine(b, touched, s->visits + first, s->place[p], count);
    }
    return touched;
}

static void clear_sums(builder *b, size_t touched)
{
    for (size_t k = 0; k < touched; k++) {
        b->sum[b->touched[k]] = 0;
    }
}

/* normalise fills b->value from the sums, and returns the value of the last link to keep, or 0 if
 * there are few enough to keep them all. */
static float normalise(const source *s, builder *b, size_t item, size_t touched, float shrinkage)
{
    kth best;
    kth_init(&best, b->kth, LINKS_KEPT_COLLABORATIVE);
    float norm = s->norm[item], least = -INFINITY;
    for (size_t k = 0; k < touched; k++) {
        uint32_t other = b->touched[k];
        float value = b->sum[other] / (norm * s->norm[other] + shrinkage);
        b->value[k] = value > 0 && isfinite(value) ? value : 0;
        if (b->value[k] > least) {
            kth_push(&best, b->value[k]);
            least = kth_threshold(&best);
        }
    }
    return least > 0 ? least : 0;
}

/* keep writes the strongest links of the item whose sums `b` holds, ascending by target, and
 * returns their number. Of equal links the lower targets are kept. The links are marked in a bitmap
 * and read from it in order, which takes less than sorting them. */
static uint32_t keep(const source *s, builder *b, size_t item, size_t touched, float shrinkage,
                     links_entry *out)
{
    float least = normalise(s, b, item, touched, shrinkage);
    /* how many links of exactly the value `least` are kept */
    size_t room = LINKS_KEPT_COLLABORATIVE;
    uint32_t count = 0;
    for (size_t k = 0; k < touched; k++) {
        if (b->value[k] > 0 && b->value[k] >= least) {
            uint32_t other = b->touched[k];
            bits_set(b->marked, other);
            bits_set(b->words, other / 64);
            b->chosen[other] = b->value[k];
            room -= b->value[k] > least;
        }
    }
    for (size_t group = 0; group < s->items / 4096 + 1; group++) {
        for (uint64_t words = b->words[group]; words != 0; words &= words - 1) {
            size_t word = group * 64 + (unsigned)__builtin_ctzll(words);
            for (uint64_t left = b->marked[word]; left != 0; left &= left - 1) {
                uint32_t other = (uint32_t)(word * 64 + (unsigned)__builtin_ctzll(left));
                bool strong = b->chosen[other] > least;
                if (strong || room > 0) {
                    room -= !strong;
                    out[count++] = (links_entry){other, b->chosen[other]};
                }
            }
            b->marked[word] = 0;
        }
        b->words[group] = 0;
    }
    return count;
}

static bool builder_init(builder *b, size_t items)
{
    b->sum = mem_array(items, sizeof *b->sum);
    b->touched = mem_array(items + 1, sizeof *b->touched);
    b->value = mem_array(items, sizeof *b->value);
    b->chosen = mem_array(items, sizeof *b->chosen);
    b->marked = mem_array(items / 64 + 1, sizeof *b->marked);
    b->words = mem_array(items / 4096 + 1, sizeof *b->words);
    return b->sum != NULL && b->touched != NULL && b->value != NULL && b->chosen != NULL &&
           b->marked != NULL && b->words != NULL;
}

static void builder_fini(builder *b)
{
    mem_free(b->sum);
    mem_free(b->touched);
    mem_free(b->value);
    mem_free(b->chosen);
    mem_free(b->marked);
    mem_free(b->words);
}

/* Rows are built and packed RUN at a time, which bounds the unpacked links. */
enum { RUN = 1 << 13 };

/* A run of rows of each of several tables, before they are packed. */
typedef struct unpacked {
    const links_choice *choices; /* (tables) */
    size_t tables;
    links_entry *entries; /* (tables, RUN, LINKS_KEPT_COLLABORATIVE) */
    uint32_t *counts;     /* (tables, RUN) */
    int threads;
} unpacked;

/* build_row fills row `at` of the run for every table. Consecutive tables of one kind share the
 * sums. */
static void build_row(const source *s, builder *b, size_t item, const unpacked *to, size_t at)
{
    size_t touched = 0;
    for (size_t t = 0; t < to->tables; t++) {
        const links_choice *choice = &to->choices[t];
        if (t == 0 || choice->kind != to->choices[t - 1].kind) {
            clear_sums(b, touched);
            touched = sum_users(s, b, item, choice->kind);
        }
        size_t row = t * RUN + at;
        to->counts[row] = keep(s, b, item, touched, choice->shrinkage,
                               to->entries + row * LINKS_KEPT_COLLABORATIVE);
    }
    clear_sums(b, touched);
}

/* build fills the run with the rows [first, last). It returns false if memory runs out. */
static bool build(const source *s, size_t first, size_t last, const unpacked *to)
{
    bool failed = false;
#pragma omp parallel num_threads(to->threads)
    {
        builder b;
        bool ready = builder_init(&b, s->items);
        if (!ready) {
#pragma omp atomic write
            failed = true;
        }
#pragma omp for schedule(dynamic, 64)
        for (size_t i = first; i < last; i++) {
            if (ready) {
                build_row(s, &b, i, to, i - first);
            }
        }
        builder_fini(&b);
    }
    return !failed;
}

static bool grow(links_table *t, size_t count)
{
    uint32_t *target = mem_grow(t->target, count, sizeof *target);
    t->target = target != NULL ? target : t->target;
    uint16_t *level = mem_grow(t->level, count, sizeof *level);
    t->level = level != NULL ? level : t->level;
    return target != NULL && level != NULL;
}

/* pack appends the run, the rows [first, last), to table t. */
static bool pack(links_table *out, const unpacked *from, size_t t, size_t first, size_t last)
{
    size_t total = out->start[first];
    for (size_t i = first; i < last; i++) {
        total += from->counts[t * RUN + i - first];
    }
    if (!grow(out, total)) {
        return false;
    }
    for (size_t i = first; i < last; i++) {
        size_t row = t * RUN + i - first;
        links_table_put(out, i, from->entries + row * LINKS_KEPT_COLLABORATIVE, from->counts[row]);
    }
    return true;
}

static bool fill(links_table *out, const source *s, const unpacked *by)
{
    for (size_t first = 0; first < s->items; first += RUN) {
        size_t last = first + RUN < s->items ? first + RUN : s->items;
        bool ready = build(s, first, last, by);
        for (size_t t = 0; ready && t < by->tables; t++) {
            ready = pack(&out[t], by, t, first, last);
        }
        if (!ready) {
            return false;
        }
    }
    return true;
}

err_code links_collaborative_each(links_table *out, const interaction_list *list,
                                  const links_choices *choices, int threads, err *e)
{
    source s;
    err_code code = source_init(&s, list, e);
    if (code != ERR_OK) {
        return code;
    }
    size_t rows = choices->count * RUN;
    unpacked by = {.choices = choices->at, .tables = choices->count, .threads = threads};
    by.entries = mem_array(rows * LINKS_KEPT_COLLABORATIVE, sizeof *by.entries);
    by.counts = mem_array(rows, sizeof *by.counts);
    for (size_t t = 0; code == ERR_OK && t < choices->count; t++) {
        code = links_table_alloc(&out[t], s.items, 0, e);
    }
    if (code == ERR_OK && (by.entries == NULL || by.counts == NULL || !fill(out, &s, &by))) {
        code = err_nomem(e, "links between items");
    }
    for (size_t t = 0; code != ERR_OK && t < choices->count; t++) {
        links_table_fini(&out[t]);
    }
    mem_free(by.entries);
    mem_free(by.counts);
    source_fini(&s);
    return code;
}

err_code links_collaborative(links_table *out, const interaction_list *list,
                             const links_choice *choice, int threads, err *e)
{
    links_choices one = {.at = choice, .count = 1};
    return links_collaborative_each(out, list, &one, threads, e);
}

bool links_timed(const interaction_list *list)
{
    for (size_t k = 1; k < list->count; k++) {
        if (list->pairs[k].user == list->pairs[k - 1].user &&
            list->pairs[k].time != list->pairs[k - 1].time) {
            return true;
        }
    }
    return false;
}

err_code links_rebuilt(item_links **out, const item_links *l, const interaction_list *list,
                       int threads, err *e)
{
    links_table made = {0};
    err_code code = links_copy(out, l, list->items, e);
    if (code != ERR_OK || !(l->choice.beta[LINKS_COLLABORATIVE] > 0)) {
        return code;
    }
    interaction_list whole = *list;
    whole.items = (*out)->items;
    code = links_collaborative(&made, &whole, &l->choice, threads, e);
    if (code != ERR_OK) {
        links_free(*out);
        *out = NULL;
        return code;
    }
    links_table_fini(&(*out)->source[LINKS_COLLABORATIVE]);
    (*out)->source[LINKS_COLLABORATIVE] = made;
    return ERR_OK;
}

/* --- content -------------------------------------------------------------------------------- */

static int by_target(const void *x, const void *y)
{
    const links_entry *a = x, *b = y;
    return a->target != b->target ? (a->target < b->target ? -1 : 1)
                                  : (a->weight < b->weight) - (a->weight > b->weight);
}

/* merge writes the links of an item from all modalities, ascending, and returns their number. */
static size_t merge(const links_near *near, size_t count, size_t item, links_entry *out)
{
    size_t found = 0, kept = 0;
    for (size_t m = 0; m < count; m++) {
        for (size_t k = 0; k < near[m].k && near[m].rows[item * near[m].k + k] != ROW_NONE; k++) {
            float weight = links_alike(near[m].weight, near[m].similarity[item * near[m].k + k]);
            if (weight > 0) {
                out[found++] = (links_entry){near[m].rows[item * near[m].k + k], weight};
            }
        }
    }
    sort_array(out, found, sizeof *out, by_target);
    for (size_t k = 0; k < found; k++) {
        if (kept > 0 && out[kept - 1].target == out[k].target) {
            out[kept - 1].weight += out[k].weight;
        } else {
            out[kept++] = out[k];
        }
    }
    return kept;
}

err_code links_content(links_table *out, const links_near *near, size_t count, size_t items, err *e)
{
    size_t each = 0, total = 0;
    for (size_t m = 0; m < count; m++) {
        each += near[m].k;
    }
    links_entry *entries = mem_array(each, sizeof *entries);
    if (entries == NULL) {
        return err_nomem(e, "links between items");
    }
    for (size_t i = 0; i < items; i++) {
        total += merge(near, count, i, entries);
    }
    err_code code = links_table_alloc(out, items, total, e);
    for (size_t i = 0; code == ERR_OK && i < items; i++) {
        links_table_put(out, i, entries, merge(near, count, i, entries));
    }
    mem_free(entries);
    return code;
}
