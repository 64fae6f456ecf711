/*
 * bench_online: how much of a retrain's gain the live updates keep.
 *
 * The demo shop's interactions in the order of time: the first 80 % are trained on, the rest comes
 * one by one. Before each the buyer's list is asked for, and Recall@20 is whether the item is in
 * it. Four shops see the same stream: one that never learns, one that is updated live (every
 * interaction at once, FSC re-run in the background every PROPAGATE_EVERY), one that is trained
 * anew on everything so far after every tenth of the stream, and one that does both. What the
 * buyer has already is left out for all alike.
 *
 * Usage: bench_online [FOLDER of `stair demo`]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/live.h"
#include "core/mem.h"
#include "core/npy.h"
#include "core/propagate.h"
#include "core/recommend.h"
#include "core/train.h"

enum { K = 20, TENTHS = 10, PROPAGATE_EVERY = 500, MODALITIES = 2 };

typedef struct event {
    uint32_t user, item;
    int64_t time;
} event;

typedef struct stream {
    event *events; /* (count) by time */
    size_t count, users, items;
    float *features[MODALITIES];
    size_t widths[MODALITIES];
} stream;

static const char *const names[MODALITIES] = {"text", "image"};
static const uint32_t neighbours[MODALITIES] = {5, 1};

static void must(err_code rc, const err *e)
{
    if (rc != ERR_OK) {
        fprintf(stderr, "bench_online: %s\n", e->text);
        exit(1);
    }
}

static int by_time(const void *a, const void *b)
{
    const event *one = a, *other = b;
    if (one->time != other->time) {
        return one->time < other->time ? -1 : 1;
    }
    return (one->user > other->user) - (one->user < other->user);
}

static bool load_events(stream *s, const char *folder)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/interactions.inter", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    event in;
    size_t room = 1 << 20;
    s->events = mem_array(room, sizeof *s->events);
    int skipped = fscanf(file, "%*[^\n]");
    (void)skipped;
    while (s->count < room && fscanf(file, " user-%" SCNu32 " sku-%" SCNu32 " %" SCNd64, &in.user,
                                     &in.item, &in.time) == 3) {
        s->events[s->count++] = in;
        s->users = in.user >= s->users ? in.user + 1 : s->users;
        s->items = in.item >= s->items ? in.item + 1 : s->items;
    }
    fclose(file);
    qsort(s->events, s->count, sizeof *s->events, by_time);
    return s->count > 0;
}

static void load_features(stream *s, const char *folder)
{
    err e = ERR_INIT;
    for (size_t m = 0; m < MODALITIES; m++) {
        char path[1024];
        npy *n = NULL;
        npy_row kind;
        snprintf(path, sizeof path, "%s/%s.npy", folder, names[m]);
        must(npy_open(&n, path, &e), &e);
        size_t width = s->widths[m] = npy_width(n);
        s->items = npy_rows(n);
        s->features[m] = mem_table(s->items * width, sizeof(float));
        for (size_t i = 0; i < s->items; i++) {
            float *out = s->features[m] + i * width;
            must(npy_read(n, out, &kind, &e), &e);
            for (size_t j = width; npy_dtype(n) == FEATURE_F2 && j-- > 0;) {
                _Float16 half;
                memcpy(&half, (const char *)out + 2 * j, sizeof half);
                out[j] = (float)half;
            }
        }
        npy_close(n);
    }
}

/* trained gives a model of the first `count` events. */
static model *trained(const stream *s, size_t count)
{
    err e = ERR_INIT;
    dataset *d = NULL;
    model *m = NULL;
    train_options o = TRAIN_OPTIONS_INIT;
    o.epochs = 60;
    o.eval_every = 0;
    o.lr = 3e-3;
    o.batch = 2048;
    must(dataset_new(&d, s->users, s->items, &e), &e);
    feature_table tables[MODALITIES];
    d->modalities = mem_array(MODALITIES, sizeof *d->modalities);
    d->modality_count = MODALITIES;
    for (size_t n = 0; n < MODALITIES; n++) {
        tables[n] = (feature_table){s->features[n], s->items, s->widths[n]};
        d->modalities[n] = feature_source_table(names[n], &tables[n], neighbours[n]);
    }
    d->train = mem_array(count, sizeof *d->train);
    for (size_t i = 0; i < count; i++) {
        d->train[i] = (pair){s->events[i].user, s->events[i].item, 1};
    }
    d->train_count = pairs_sort(d->train, count);
    train_hooks hooks = {0};
    must(train_run(&m, d, &o, &hooks, &e), &e);
    dataset_free(d);
    return m;
}

static void buy(live *l, const event *in, uint64_t *seq)
{
    err e = ERR_INIT;
    change c = {.kind = CHANGE_EDGE,
                .edge = {.user = in->user,
                         .item = in->item,
                         .flags = EDGE_IN_GRAPH | EDGE_SEEN,
                         .weight = 1,
                         .time = in->time}};
    change_list list = {&c, 1, ++*seq};
    must(live_apply(l, &list, &e), &e);
}

static void activate(live *l, model *m, uint32_t generation, uint64_t *seq)
{
    err e = ERR_INIT;
    base *b = NULL;
    base_options o = {.generation = generation};
    must(base_new(&b, m, &o, &e), &e);
    must(live_activate(l, b, ++*seq, &e), &e);
}

static live *open_shop(const stream *s, size_t count, uint64_t *seq)
{
    err e = ERR_INIT;
    live *l = NULL;
    char id[16];
    must(live_new(&l, NULL, &e), &e);
    for (uint32_t row = 0; row < s->items; row++) {
        snprintf(id, sizeof id, "%u", row);
        change_item item = {.row = row, .created = true, .id = slice_of(id)};
        must(live_load_item(l, &item, &e), &e);
    }
    for (uint32_t row = 0; row < s->users; row++) {
        snprintf(id, sizeof id, "%u", row);
        must(live_load_user(l, row, slice_of(id), NULL, 0, &e), &e);
    }
    must(live_load_end(l, ++*seq, &e), &e);
    for (size_t i = 0; i < count; i++) {
        buy(l, &s->events[i], seq);
    }
    activate(l, trained(s, count), 1, seq);
    return l;
}

static void propagate(live *l)
{
    err e = ERR_INIT;
    live_hold hold;
    base *b = NULL;
    bool swapped = false;
    live_acquire(l, &hold);
    must(propagate_run(&b, hold.view, &(propagate_options){.threads = 2}, &e), &e);
    live_release(l, &hold);
    must(live_swap(l, b, &swapped, &e), &e);
}

static bool finds(live *l, recommend_scratch *scratch, const event *in, const uint32_t *owned,
                  size_t owned_count)
{
    err e = ERR_INIT;
    live_hold hold;
    recommend_query q = RECOMMEND_QUERY_INIT;
    recommend_result got;
    bool found = false;
    q.user = in->user;
    q.k = K;
    q.exclude = owned;
    q.exclude_count = owned_count;
    live_acquire(l, &hold);
    must(recommend(hold.view, &q, scratch, &got, &e), &e);
    for (size_t i = 0; i < got.count; i++) {
        found = found || got.hits[i].row == in->item;
    }
    live_release(l, &hold);
    return found;
}

/* run streams the last fifth past one shop and returns its Recall@20. */
static double run(const stream *s, bool updates, bool retrains)
{
    size_t known = s->count * 4 / 5, hits = 0;
    uint64_t seq = 0;
    err e = ERR_INIT;
    recommend_scratch *scratch = NULL;
    uint32_t *owned = mem_array(s->count, sizeof *owned);
    must(recommend_scratch_new(&scratch, &e), &e);
    live *l = open_shop(s, known, &seq);
    for (size_t i = known, done = 1; i < s->count; i++) {
        const event *in = &s->events[i];
        size_t count = 0;
        for (size_t n = 0; n < i; n++) {
            if (s->events[n].user == in->user) {
                owned[count++] = s->events[n].item;
            }
        }
        hits += finds(l, scratch, in, owned, count);
        if (updates) {
            buy(l, in, &seq);
        }
        size_t now = (i + 1 - known) * TENTHS / (s->count - known);
        if (retrains && now > done - 1 && now < TENTHS) {
            done = now + 1;
            if (!updates) {
                live_free(l);
                l = open_shop(s, i + 1, &seq);
            } else {
                activate(l, trained(s, i + 1), (uint32_t)done, &seq);
            }
        }
        if (updates && (i + 1 - known) % PROPAGATE_EVERY == 0) {
            propagate(l);
        }
    }
    recommend_scratch_free(scratch);
    live_free(l);
    mem_free(owned);
    return (double)hits / (double)(s->count - known);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "build/shop";
    stream s = {0};
    if (!load_events(&s, folder)) {
        printf("NOT RUN: bench_online needs %s, made by `stair demo --out %s`\n", folder, folder);
        return 0;
    }
    load_features(&s, folder);
    printf("%zu interactions, the last %zu streamed; Recall@%d of the next item\n", s.count,
           s.count - s.count * 4 / 5, K);
    double none = run(&s, false, false);
    printf("%-32s %.4f\n", "no updates", none);
    double updated = run(&s, true, false);
    printf("%-32s %.4f\n", "live updates", updated);
    fflush(stdout);
    double retrained = run(&s, false, true);
    printf("%-32s %.4f\n", "a retrain every tenth", retrained);
    double both = run(&s, true, true);
    printf("%-32s %.4f\n", "both", both);
    printf("{\"kept_of_the_retrains_gain\": %.3f}\n", (updated - none) / (retrained - none));
    return 0;
}
