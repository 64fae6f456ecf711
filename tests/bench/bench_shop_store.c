/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_shop_store: writes a store with a shop of any size and a drawn model, without a training.
 *
 *   bench_shop_store DIR ITEMS USERS INTERACTIONS [PEER]
 *   bench_shop_store                 writes a small one in a temporary folder and prints the rate
 *
 * Training a million items takes hours, and only the shape of the resulting vectors matters here.
 * So E is drawn: items lie in bunches of different sizes with norms that grow with popularity, and
 * a user is the mean of their items. H and G come from E through the real convolution, the clusters
 * from the real index over sampled users. Ids, titles, categories and attributes are like a shop's.
 * PEER is a folder in which the same table is stored as plain numbers, for another program to
 * serve: items.f32 (ITEMS, 64) and pairs.u32 (INTERACTIONS, 2). */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/common/change.h"
#include "core/common/mem.h"
#include "core/common/rng.h"
#include "core/model/dataset.h"
#include "core/model/model.h"
#include "core/search/index.h"
#include "storage/env/store.h"
#include "storage/log/generation_ops.h"
#include "storage/maintenance/recover.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"
#include "storage/records/interactions.h"
#include "storage/records/items.h"
#include "storage/records/users.h"
#include "tests/bench/drawn_links.h"
#include "tests/support/store_fixture.h"

enum {
    DIM = 64,
    BUNCH = 250,   /* items of one kind */
    TASTES = 3,    /* kinds that a user buys of */
    GROUP = 50000, /* records a transaction */
    SAMPLE = 200,  /* users whose searches measure the clusters */
    USER_ITEMS_MAX = 512,
    EPOCH = 1700000000, /* seconds */
};

typedef struct shop {
    uint32_t items, users;
    size_t interactions;
    uint32_t bunches, step; /* step: a stride coprime to the number of items */
    pair *pairs;            /* (pair_count) sorted */
    size_t pair_count;
    store *s;
    const char *peer; /* folder or NULL */
} shop;

static void must(err_code code, const err *e)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_shop_store: %s\n", e->text);
        exit(1);
    }
}

static void *must_have(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "bench_shop_store: no memory\n");
        exit(1);
    }
    return memory;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(const char *what, double start)
{
    fprintf(stderr, "  %-12s %7.1f s\n", what, now_s() - start);
}

/* item_at returns the row of an item of a kind. Kinds are spread over the rows. */
static uint32_t item_at(const shop *p, uint32_t bunch, uint32_t member)
{
    uint64_t place = ((uint64_t)bunch * BUNCH + member) % p->items;
    return (uint32_t)(place * p->step % p->items);
}

static uint32_t common_factor(uint32_t a, uint32_t b)
{
    return b == 0 ? a : common_factor(b, a % b);
}

/* draw_pairs gives every user a basket from a few kinds, popular ones more often. */
static void draw_pairs(shop *p)
{
    rng r;
    rng_init(&r, 7, 1);
    size_t mean = p->interactions / p->users;
    p->pairs = must_have(mem_array(p->interactions + p->users, sizeof *p->pairs));
    for (uint32_t u = 0; u < p->users; u++) {
        uint32_t tastes[TASTES];
        for (size_t t = 0; t < TASTES; t++) {
            double at = rng_uniform(&r);
            tastes[t] = (uint32_t)(at * at * (double)p->bunches);
        }
        size_t wanted = 1 + (size_t)rng_below(&r, (uint32_t)(2 * mean));
        wanted = wanted < USER_ITEMS_MAX ? wanted : USER_ITEMS_MAX;
        for (size_t i = 0; i < wanted && p->pair_count < p->interactions; i++) {
            double at = rng_uniform(&r);
            uint32_t member = (uint32_t)(at * at * BUNCH);
            p->pairs[p->pair_count++] =
                (pair){u, item_at(p, tastes[rng_below(&r, TASTES)], member), 1, 0};
        }
    }
    p->pair_count = pairs_sort(p->pairs, p->pair_count);
}

/* A write transaction. next_write commits it after GROUP records and begins another one. */
typedef struct writing {
    store *s;
    store_write *w;
    size_t left;
} writing;

static store_write *next_write(writing *x)
{
    err e = ERR_INIT;
    if (x->left == 0) {
        if (x->w != NULL) {
            must(store_write_commit(x->w, &e), &e);
        }
        must(store_write_begin(x->s, &x->w, &e), &e);
        x->left = GROUP;
    }
    x->left--;
    return x->w;
}

static void end_write(writing *x)
{
    err e = ERR_INIT;
    if (x->w != NULL) {
        must(store_write_commit(x->w, &e), &e);
    }
}

static void write_items(const shop *p)
{
    writing x = {.s = p->s};
    char id[24], title[64], kind[24], brand[24];
    for (uint32_t i = 0; i < p->items; i++) {
        err e = ERR_INIT;
        uint32_t row = 0;
        (void)snprintf(id, sizeof id, "i%u", i);
        (void)snprintf(title, sizeof title, "Product %u of the bench shop", i);
        (void)snprintf(kind, sizeof kind, "kind-%u", i % 97);
        (void)snprintf(brand, sizeof brand, "brand-%u", i % 1009);
        slice categories[] = {slice_of(kind), slice_of(i % 3 == 0 ? "new" : "stock")};
        attribute attributes[] = {
            {.name = slice_of("brand"), .kind = ATTRIBUTE_TEXT, .text = slice_of(brand)},
            {.name = slice_of("price"), .kind = ATTRIBUTE_NUMBER, .number = (double)(i % 9973)}};
        stored_item it = {.id = slice_of(id),
                          .title = slice_of(title),
                          .categories = categories,
                          .attributes = attributes,
                          .category_count = 2,
                          .attribute_count = 2,
                          .created = EPOCH + i};
        must(item_create(next_write(&x), &it, &row, &e), &e);
    }
    end_write(&x);
}

static void write_users(const shop *p)
{
    writing x = {.s = p->s};
    char id[24];
    for (uint32_t u = 0; u < p->users; u++) {
        err e = ERR_INIT;
        uint32_t row = 0;
        (void)snprintf(id, sizeof id, "u%u", u);
        must(user_create(next_write(&x), slice_of(id), EPOCH, &row, &e), &e);
    }
    end_write(&x);
}

static void append_pair(const shop *p, writing *x, uint8_t type, size_t at, bool by_user)
{
    err e = ERR_INIT;
    interaction one = {.user = p->pairs[at].user,
                       .item = p->pairs[at].item,
                       .type = type,
                       .flags = EDGE_IN_GRAPH | EDGE_SEEN,
                       .weight = 1,
                       .time = EPOCH + (int64_t)(at % 10000000)};
    must(interaction_append(next_write(x), &one, by_user, &e), &e);
}

/* by_item returns the indices of the pairs in order of (item, user). */
static size_t *by_item(const shop *p)
{
    size_t *starts = must_have(mem_array((size_t)p->items + 1, sizeof *starts));
    size_t *places = must_have(mem_array(p->pair_count, sizeof *places));
    for (size_t i = 0; i < p->pair_count; i++) {
        starts[p->pairs[i].item + 1]++;
    }
    for (uint32_t item = 0; item < p->items; item++) {
        starts[item + 1] += starts[item];
    }
    for (size_t i = 0; i < p->pair_count; i++) {
        places[starts[p->pairs[i].item]++] = i;
    }
    mem_free(starts);
    return places;
}

static void write_interactions(const shop *p)
{
    writing x = {.s = p->s};
    err e = ERR_INIT;
    uint8_t type = 0;
    bool flag = false;
    must(type_number(next_write(&x), slice_of("purchase"), &type, &flag, &e), &e);
    for (size_t i = 0; i < p->pair_count; i++) {
        append_pair(p, &x, type, i, true);
    }
    size_t *places = by_item(p);
    for (size_t i = 0; i < p->pair_count; i++) {
        append_pair(p, &x, type, places[i], false);
    }
    mem_free(places);
    end_write(&x);
}

/* draw_items fills E of the items, kind by kind. */
static void draw_items(const shop *p, float *item_e)
{
    rng r;
    rng_init(&r, 7, 2);
    float centre[DIM];
    for (uint32_t b = 0; b < p->bunches; b++) {
        for (size_t j = 0; j < DIM; j++) {
            centre[j] = (float)rng_normal(&r) / sqrtf(1 + 0.1F * (float)j);
        }
        for (uint32_t m = 0; m < BUNCH && (uint64_t)b * BUNCH + m < p->items; m++) {
            float *embedding = item_e + (size_t)item_at(p, b, m) * DIM;
            float size = 0.3F + 0.7F * powf(1 - (float)m / BUNCH, 3);
            for (size_t j = 0; j < DIM; j++) {
                embedding[j] =
                    size * (centre[j] + 0.5F * (float)rng_normal(&r) / sqrtf(1 + 0.1F * (float)j));
            }
        }
    }
}

static void mean_users(const shop *p, const float *item_e, float *user_e)
{
    for (size_t at = 0; at < p->pair_count;) {
        uint32_t user = p->pairs[at].user;
        size_t end = at;
        float *embedding = user_e + (size_t)user * DIM;
        for (; end < p->pair_count && p->pairs[end].user == user; end++) {
            const float *item = item_e + (size_t)p->pairs[end].item * DIM;
            for (size_t j = 0; j < DIM; j++) {
                embedding[j] += item[j];
            }
        }
        for (size_t j = 0; j < DIM; j++) {
            embedding[j] /= (float)(end - at);
        }
        at = end;
    }
}

/* sample_users writes the rows of H of some users, spread over all users, for measuring the
 * clusters. */
static size_t sample_users(const shop *p, const model *m, float *q /* (SAMPLE, DIM) */)
{
    size_t count = 0;
    double *degree = must_have(mem_array(p->items, sizeof *degree));
    for (size_t i = 0; i < p->pair_count; i++) {
        degree[p->pairs[i].item] += 1;
    }
    for (size_t n = 0; n < SAMPLE; n++) {
        size_t first = p->pair_count / SAMPLE * n, end = first;
        uint32_t user = p->pairs[first].user, items[USER_ITEMS_MAX];
        float a[USER_ITEMS_MAX];
        while (first > 0 && p->pairs[first - 1].user == user) {
            first--;
        }
        for (end = first; end < p->pair_count && p->pairs[end].user == user; end++) {
            items[end - first] = p->pairs[end].item;
        }
        for (size_t i = 0; i < end - first; i++) {
            a[i] = (float)(1 / sqrt((double)(end - first) * degree[items[i]]));
        }
        model_user_vector(m, m->user_e + (size_t)user * DIM, items, a, end - first,
                          q + count++ * DIM);
    }
    mem_free(degree);
    return count;
}

static FILE *peer_file(const char *folder, const char *name)
{
    char path[TEMP_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return must_have(fopen(path, "wb"));
}

static void write_peer(const shop *p, const model *m)
{
    FILE *items = peer_file(p->peer, "items.f32"), *pairs = peer_file(p->peer, "pairs.u32");
    size_t done = fwrite(m->item_h, DIM * sizeof(float), m->items, items);
    for (size_t i = 0; i < p->pair_count; i++) {
        uint32_t one[2] = {p->pairs[i].user, p->pairs[i].item};
        done += fwrite(one, sizeof one, 1, pairs);
    }
    bool closed = fclose(items) == 0;
    closed = fclose(pairs) == 0 && closed;
    if (!closed || done != m->items + p->pair_count) {
        fprintf(stderr, "bench_shop_store: cannot write to %s\n", p->peer);
        exit(1);
    }
}

static void write_model(const shop *p, unsigned threads)
{
    err e = ERR_INIT;
    train_options o = TRAIN_OPTIONS_INIT;
    o.threads = (int)threads;
    model *m = NULL;
    must(model_new(&m, &o, p->users, p->items, 0, &e), &e);
    double start = now_s();
    draw_items(p, m->item_e);
    mean_users(p, m->item_e, m->user_e);
    must(model_finish(m, p->pairs, p->pair_count, &e), &e);
    tell("convolution", start);
    start = now_s();
    must(drawn_links_add(m, p->pairs, p->pair_count, (int)threads, &e), &e);
    tell("links", start);
    if (p->peer != NULL) {
        write_peer(p, m);
    }
    start = now_s();
    float *q = must_have(mem_table(SAMPLE * DIM, sizeof *q));
    vector_index *ix = NULL;
    void *ann = NULL;
    size_t ann_bytes = 0;
    index_options how = {.queries = q, .query_count = sample_users(p, m, q), .threads = threads};
    must(index_new(&ix, m->item_h, m->items, DIM, &how, &e), &e);
    must(index_encode(ix, &ann, &ann_bytes, &e), &e);
    index_stats stats;
    index_stats_get(ix, &stats);
    tell("index", start);
    fprintf(stderr, "  clusters read: %zu of %zu, recall@20 %.4f\n", stats.nprobe, stats.clusters,
            (double)stats.recall);
    store_info info;
    must(store_stat(p->s, &info, &e), &e);
    generation_info g = {.created = EPOCH, .seq = info.seq, .users = p->users, .items = p->items};
    memcpy(g.lineage, info.lineage, sizeof g.lineage);
    generation_id id;
    uint32_t number = 0;
    start = now_s();
    must(generation_begin(p->s, &g, &id, &e), &e);
    must(model_put(p->s, &id, m, ann, ann_bytes, &e), &e);
    must(generation_finish(p->s, &id, slice_of("{}"), true, &e), &e);
    must(generation_register(p->s, &id, EPOCH, &number, &e), &e);
    must(apply_now(p->s, op_activate(number), NULL), &e);
    tell("generation", start);
    index_free(ix);
    mem_free(ann);
    mem_free(q);
    model_free(m);
}

static void make_shop(shop *p, const char *dir)
{
    err e = ERR_INIT;
    store_options o = {.mode = STORE_OWNER, .create = true, .no_sync = true, .now = EPOCH};
    must(recover_open(&p->s, dir, &o, &e), &e);
    p->bunches = p->items / BUNCH > 0 ? p->items / BUNCH : 1;
    for (p->step = p->items / 3 + 1; common_factor(p->step, p->items) != 1; p->step++) {
    }
    double start = now_s();
    draw_pairs(p);
    write_items(p);
    write_users(p);
    tell("records", start);
    start = now_s();
    write_interactions(p);
    tell("interactions", start);
    write_model(p, (unsigned)omp_get_num_procs());
    store_close(p->s);
    mem_free(p->pairs);
}

int main(int argc, char **argv)
{
    if (argc != 1 && argc != 5 && argc != 6) {
        fprintf(stderr, "usage: bench_shop_store [DIR ITEMS USERS INTERACTIONS [PEER]]\n");
        return 2;
    }
    if (argc > 1) {
        shop p = {.items = (uint32_t)strtoul(argv[2], NULL, 10),
                  .users = (uint32_t)strtoul(argv[3], NULL, 10),
                  .interactions = strtoul(argv[4], NULL, 10),
                  .peer = argc == 6 ? argv[5] : NULL};
        if (p.items < BUNCH || p.users < 1 || p.interactions < p.users) {
            fprintf(stderr,
                    "bench_shop_store: at least %d items, a user, and an interaction each\n",
                    BUNCH);
            return 2;
        }
        make_shop(&p, argv[1]);
        return 0;
    }
    char dir[TEMP_PATH_MAX];
    temp_folder(dir);
    shop p = {.items = 6700, .users = 5000, .interactions = 100000};
    double start = now_s();
    make_shop(&p, dir);
    printf("  %u items, %u users, %zu interactions written in %.1f s\n", p.items, p.users,
           p.pair_count, now_s() - start);
    temp_remove(dir);
    return 0;
}
