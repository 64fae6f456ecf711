/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_store: measures the rate of durable writes.
 *
 *   bench_store [FOLDER]     the disk to measure; default: a temporary folder
 *
 * It prints writes a second, each acknowledged after its group's fsync: one op a commit, groups
 * like those that the writer forms with 32 clients, and batches of 1,000 items with 128-wide
 * features into a catalogue of 10,000. For comparison it prints the time of one fsync of a small
 * file on this disk. Then it measures the erasure of a user in a store with a log and a generation,
 * and the loading of everything into the live tables. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/common/rng.h"
#include "core/serve/update/live.h"
#include "server/load/live_load.h"
#include "storage/models/generations.h"
#include "tests/support/store_fixture.h"

enum {
    SINGLES = 300,
    CLIENTS = 32,
    GROUPS = 100,
    BATCH = 1000,
    BATCHES = 20,
    WIDTH = 128,
    CATALOGUE = 10000,
    DIM = 64,
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(err_code code, const char *what)
{
    if (code != ERR_OK) {
        fprintf(stderr, "bench_store: %s: %s\n", what, err_code_name(code));
        exit(1);
    }
}

static double fsync_ms(const char *folder)
{
    char path[2 * TEMP_PATH_MAX], page[4096] = {1};
    snprintf(path, sizeof path, "%s/fsync", folder);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    double start = now_s();
    int rounds = 50;
    for (int i = 0; i < rounds; i++) {
        if (pwrite(fd, page, sizeof page, (i % 8) * 4096) < 0 || fdatasync(fd) != 0) {
            exit(1);
        }
    }
    double each = (now_s() - start) / rounds;
    close(fd);
    unlink(path);
    return each * 1000;
}

static op *batch_of_items(op_kind kind, uint32_t first, uint32_t count, rng *r)
{
    op *o = NULL;
    must(op_new(&o, kind, (size_t)64 * 1024 * 1024, NULL), "op");
    op_item *list = arena_alloc(&o->memory, count, sizeof *list);
    o->time = 1700000000;
    o->count = count;
    o->items = list;
    for (uint32_t i = 0; i < count; i++) {
        feature *f = arena_alloc(&o->memory, 1, sizeof *f);
        float *x = arena_alloc(&o->memory, WIDTH, sizeof *x);
        for (int j = 0; j < WIDTH; j++) {
            x[j] = (float)rng_normal(r);
        }
        *f =
            (feature){.modality = slice_of("text"), .dtype = FEATURE_F4, .width = WIDTH, .data = x};
        list[i].id = slice_of(arena_printf(&o->memory, "sku-%u", first + i));
        list[i].title = slice_of("An item of the bench");
        list[i].given = OP_TITLE | OP_FEATURES;
        list[i].features = f;
        list[i].feature_count = 1;
    }
    return o;
}

static op *one_interaction(rng *r)
{
    char user[24], item[24];
    snprintf(user, sizeof user, "u%u", rng_below(r, 5000));
    snprintf(item, sizeof item, "sku-%u", rng_below(r, CATALOGUE));
    return op_add(user, item, "purchase", 1700000000);
}

/* groups_of applies `groups` groups of `size` interactions and returns writes a second. */
static double groups_of(store *s, size_t size, size_t groups, rng *r)
{
    op *ops[CLIENTS];
    apply_result results[CLIENTS];
    double spent = 0;
    for (size_t g = 0; g < groups; g++) {
        for (size_t i = 0; i < size; i++) {
            ops[i] = one_interaction(r);
            apply_result_init(&results[i]);
        }
        double start = now_s();
        must(apply_group(s, (const op *const *)ops, size, results, NULL), "group");
        spent += now_s() - start;
        for (size_t i = 0; i < size; i++) {
            must(results[i].code, "interaction");
            apply_result_fini(&results[i]);
            op_free(ops[i]);
        }
    }
    return (double)(size * groups) / spent;
}

static double batches(store *s, rng *r)
{
    double spent = 0;
    for (int b = 0; b < BATCHES; b++) {
        op *o = batch_of_items(OP_ITEMS_PUT, (uint32_t)(b * BATCH) % CATALOGUE, BATCH, r);
        apply_result result;
        apply_result_init(&result);
        double start = now_s();
        must(apply_one(s, o, &result, NULL), "batch");
        spent += now_s() - start;
        apply_result_fini(&result);
        op_free(o);
    }
    return BATCH * BATCHES / spent;
}

static void put_generation(store *s)
{
    store_info now;
    generation_id id;
    must(store_stat(s, &now, NULL), "stat");
    generation_info info = {.users = now.user_rows, .items = now.item_rows, .seq = now.seq};
    memcpy(info.lineage, now.lineage, LINEAGE_BYTES);
    size_t row = DIM * sizeof(float), bytes = now.user_rows * row;
    float *table = calloc(bytes + 1, 1);
    for (size_t i = 0; i < bytes / sizeof(float); i++) {
        table[i] = 1;
    }
    must(generation_begin(s, &info, &id, NULL), "generation");
    must(generation_put(s, &id, "user_e", table, bytes, row, NULL), "generation");
    must(generation_finish(s, &id, slice_of("{}"), false, NULL), "generation");
    free(table);
}

/* erase_one erases the first user from number `from` on who exists; returns the milliseconds. */
static double erase_one(store *s, unsigned from)
{
    for (;; from++) {
        char id[24];
        snprintf(id, sizeof id, "u%u", from);
        double start = now_s();
        err_code code = apply_now(s, op_erase(id), NULL);
        if (code == ERR_OK) {
            return (now_s() - start) * 1000;
        }
        if (code != ERR_NOT_FOUND) {
            must(code, "erase");
        }
    }
}

static double load_all(store *s)
{
    live *l = NULL;
    must(live_new(&l, NULL, NULL), "live");
    double start = now_s();
    must(live_load(s, l, NULL, NULL), "load");
    double spent = now_s() - start;
    live_free(l);
    return spent;
}

int main(int argc, char **argv)
{
    char folder[TEMP_PATH_MAX];
    rng r;
    rng_init(&r, 1, 0);
    if (argc > 1) {
        snprintf(folder, sizeof folder, "%s/bench-store", argv[1]);
    } else {
        temp_folder(folder);
    }
    store *s = open_store(folder);
    double sync_ms = fsync_ms(folder);
    double items = batches(s, &r);
    double one = groups_of(s, 1, SINGLES, &r);
    double group = groups_of(s, CLIENTS, GROUPS, &r);
    printf("one fsync of this disk        %9.2f ms\n", sync_ms);
    printf("one op a commit               %9.0f writes/s  %6.2f ms each\n", one, 1000 / one);
    printf("groups of %d                  %9.0f writes/s  %6.1f x one\n", CLIENTS, group,
           group / one);
    printf("batches of %d x %d floats   %9.0f items/s\n", BATCH, WIDTH, items);
    put_generation(s);
    double first_ms = erase_one(s, 0), second_ms = erase_one(s, 1000);
    printf("erasing a user                %9.1f ms, again %.1f ms\n", first_ms, second_ms);
    double loaded = load_all(s);
    store_info info;
    must(store_stat(s, &info, NULL), "stat");
    printf("loading %llu items, %llu users, %llu interactions: %.1f ms\n",
           (unsigned long long)info.items, (unsigned long long)info.users,
           (unsigned long long)info.interactions, loaded * 1000);
    store_close(s);
    temp_remove(folder);
    return 0;
}
