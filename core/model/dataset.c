/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/dataset.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/bits.h"
#include "core/common/mem.h"
#include "core/common/sort.h"
#include "core/words/words.h"

err_code dataset_new(dataset **out, size_t users, size_t items, err *e)
{
    *out = NULL;
    dataset *d = mem_array(1, sizeof *d);
    if (d == NULL) {
        return err_nomem(e, "a dataset");
    }
    d->users = users;
    d->items = items;
    *out = d;
    return ERR_OK;
}

void dataset_free(dataset *d)
{
    if (d == NULL) {
        return;
    }
    mem_free(d->train);
    mem_free(d->valid);
    mem_free(d->test);
    mem_free(d->modalities);
    mem_free(d->gone);
    mem_free(d->hidden);
    mem_free(d->created);
    if (d->release != NULL) {
        d->release(d->release_ctx);
    }
    words_free(d->words);
    mem_free(d);
}

err_code dataset_derive(dataset **out, const dataset *d, err *e)
{
    err_code code = dataset_new(out, d->users, d->items, e);
    if (code != ERR_OK) {
        return code;
    }
    dataset *x = *out;
    size_t words = bits_words(d->items);
    x->modality_count = d->modality_count;
    x->modalities = mem_copy(d->modalities, d->modality_count * sizeof *d->modalities);
    x->gone = d->gone != NULL ? mem_copy(d->gone, words * sizeof *d->gone) : NULL;
    x->hidden = d->hidden != NULL ? mem_copy(d->hidden, words * sizeof *d->hidden) : NULL;
    x->created = d->created != NULL ? mem_copy(d->created, d->items * sizeof *d->created) : NULL;
    if (x->modalities == NULL || (d->gone != NULL && x->gone == NULL) ||
        (d->hidden != NULL && x->hidden == NULL) || (d->created != NULL && x->created == NULL)) {
        dataset_free(x);
        *out = NULL;
        return err_nomem(e, "a dataset");
    }
    return ERR_OK;
}

static int before(const pair *a, const pair *b)
{
    return a->user != b->user ? (a->user < b->user ? -1 : 1)
                              : (a->item > b->item) - (a->item < b->item);
}

static int compare(const void *x, const void *y)
{
    const pair *a = x, *b = y;
    int order = before(a, b);
    return order != 0 ? order : (a->weight < b->weight) - (a->weight > b->weight);
}

size_t pairs_sort(pair *pairs, size_t count)
{
    if (count == 0) {
        return 0;
    }
    sort_array(pairs, count, sizeof *pairs, compare);
    size_t kept = 1;
    for (size_t k = 1; k < count; k++) {
        if (before(&pairs[kept - 1], &pairs[k]) != 0) {
            pairs[kept++] = pairs[k];
        } else if (pairs[k].time > pairs[kept - 1].time) {
            pairs[kept - 1].time = pairs[k].time;
        }
    }
    return kept;
}

err_code pairs_all(pair **out, size_t *count, const dataset *d, err *e)
{
    size_t total = d->train_count + d->valid_count + d->test_count;
    *count = 0;
    *out = mem_array(total, sizeof **out);
    if (*out == NULL) {
        return err_nomem(e, "the interactions");
    }
    const pair *lists[3] = {d->train, d->valid, d->test};
    const size_t counts[3] = {d->train_count, d->valid_count, d->test_count};
    size_t at[3] = {0};
    while (*count < total) {
        int next = -1;
        for (int s = 0; s < 3; s++) {
            bool left = at[s] < counts[s];
            next = left && (next < 0 || before(&lists[s][at[s]], &lists[next][at[next]]) < 0)
                       ? s
                       : next;
        }
        (*out)[(*count)++] = lists[next][at[next]++];
    }
    return ERR_OK;
}

size_t pairs_find(const pair *pairs, size_t count, uint32_t user, uint32_t item)
{
    pair wanted = {.user = user, .item = item};
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (before(&pairs[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && before(&pairs[low], &wanted) == 0 ? low : SIZE_MAX;
}

void pairs_starts(const pair *pairs, size_t count, size_t users, size_t *starts)
{
    memset(starts, 0, (users + 1) * sizeof *starts);
    for (size_t k = 0; k < count; k++) {
        starts[pairs[k].user + 1]++;
    }
    for (size_t u = 0; u < users; u++) {
        starts[u + 1] += starts[u];
    }
}

static err_code check_split(const dataset *d, const char *name, const pair *pairs, size_t count,
                            err *e)
{
    for (size_t k = 0; k < count; k++) {
        const pair *p = &pairs[k];
        if (p->user >= d->users || p->item >= d->items) {
            return err_set(e, ERR_INVALID, "%s[%zu]: user %u of %zu, item %u of %zu", name, k,
                           p->user, d->users, p->item, d->items);
        }
        if (!isfinite(p->weight) || p->weight <= 0) {
            return err_set(e, ERR_INVALID, "%s[%zu]: weight %g is not above 0 and finite", name, k,
                           (double)p->weight);
        }
        if (k > 0 && before(p - 1, p) >= 0) {
            return err_set(e, ERR_INVALID, "%s[%zu]: user %u, item %u is out of order or repeated",
                           name, k, p->user, p->item);
        }
    }
    return ERR_OK;
}

static err_code check_disjoint(const dataset *d, const char *name, const pair *pairs, size_t count,
                               err *e)
{
    for (size_t k = 0; k < count; k++) {
        uint32_t user = pairs[k].user, item = pairs[k].item;
        if (pairs_find(d->train, d->train_count, user, item) != SIZE_MAX ||
            (pairs != d->valid && pairs_find(d->valid, d->valid_count, user, item) != SIZE_MAX)) {
            return err_set(e, ERR_INVALID, "%s[%zu]: user %u, item %u is in another split too",
                           name, k, user, item);
        }
    }
    return ERR_OK;
}

err_code dataset_check(const dataset *d, err *e)
{
    err_code code = check_split(d, "train", d->train, d->train_count, e);
    if (code == ERR_OK) {
        code = check_split(d, "valid", d->valid, d->valid_count, e);
    }
    if (code == ERR_OK) {
        code = check_split(d, "test", d->test, d->test_count, e);
    }
    if (code == ERR_OK) {
        code = check_disjoint(d, "valid", d->valid, d->valid_count, e);
    }
    if (code == ERR_OK) {
        code = check_disjoint(d, "test", d->test, d->test_count, e);
    }
    for (size_t m = 0; code == ERR_OK && m < d->modality_count; m++) {
        if (d->modalities[m].rows != d->items || d->modalities[m].width == 0) {
            code = err_set(e, ERR_INVALID, "modality %s: %zu rows of %zu numbers for %zu items",
                           d->modalities[m].name, d->modalities[m].rows, d->modalities[m].width,
                           d->items);
        }
    }
    return code;
}

int dataset_gone(const dataset *d, size_t item)
{
    return d->gone != NULL && bits_test(d->gone, item);
}

int dataset_hidden(const dataset *d, size_t item)
{
    return d->hidden != NULL && bits_test(d->hidden, item);
}

/* mix adds a word to an FNV-1a hash over 64-bit words. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash ^= word;
    hash *= 0x100000001b3u;
    return hash ^ (hash >> 29);
}

static uint64_t mix_pairs(uint64_t hash, const pair *pairs, size_t count)
{
    hash = mix(hash, count);
    for (size_t k = 0; k < count; k++) {
        uint32_t weight;
        memcpy(&weight, &pairs[k].weight, sizeof weight);
        hash = mix(hash, (uint64_t)pairs[k].user << 32 | pairs[k].item);
        hash = mix(hash, weight);
    }
    return hash;
}

uint64_t dataset_fingerprint(const dataset *d)
{
    uint64_t hash = mix(mix(0xcbf29ce484222325u, d->users), d->items);
    hash = mix_pairs(hash, d->train, d->train_count);
    hash = mix_pairs(hash, d->valid, d->valid_count);
    hash = mix_pairs(hash, d->test, d->test_count);
    for (size_t i = 0; d->gone != NULL && i < bits_words(d->items); i++) {
        hash = mix(hash, d->gone[i]);
    }
    for (size_t m = 0; m < d->modality_count; m++) {
        const feature_source *s = &d->modalities[m];
        for (const char *c = s->name; *c != '\0'; c++) {
            hash = mix(hash, (unsigned char)*c);
        }
        hash = mix(mix(hash, s->width), s->neighbours);
    }
    return hash;
}
