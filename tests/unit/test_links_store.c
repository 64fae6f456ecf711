/* SPDX-License-Identifier: Apache-2.0 */
/* A generation's links and its way of serving are stored and loaded unchanged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/model/links_build.h"
#include "core/model/model.h"
#include "storage/log/generation_ops.h"
#include "storage/models/generations.h"
#include "storage/models/model_record.h"
#include "storage/models/model_store.h"
#include "tests/support/store_fixture.h"

enum { USERS = 5, ITEMS = 9, DIM = 4 };

static model *linked_model(void)
{
    train_options o = TRAIN_OPTIONS_INIT;
    model *m = NULL;
    item_links *empty = NULL;
    o.dim = DIM;
    o.without_links = true; /* stored with the options */
    assert_int_equal(model_new(&m, &o, USERS, ITEMS, 1, NULL), ERR_OK);
    assert_int_equal(model_modality_alloc(m, 0, "text", 3, NULL), ERR_OK);
    pair pairs[USERS * 3];
    for (uint32_t k = 0; k < USERS * 3; k++) {
        pairs[k] = (pair){k / 3, k % 3 * 2 + k / 3 % 3, 1, k * 10};
    }
    interaction_list list = {pairs, USERS * 3, USERS, ITEMS};
    assert_int_equal(links_new(&empty, ITEMS, NULL), ERR_OK);
    empty->choice = (links_choice){.beta = {0.25F, 0.5F},
                                   .recency = {0.8F, 0.5F},
                                   .kind = LINKS_DIRECTED,
                                   .shrinkage = 20,
                                   .modality = {1}};
    assert_int_equal(links_rebuilt(&m->links, empty, &list, 1, NULL), ERR_OK);
    assert_true(m->links->source[LINKS_COLLABORATIVE].start[ITEMS] > 0);
    links_free(empty);
    m->map = mem_array(1, sizeof *m->map);
    *m->map = (content_map){3, mem_table(9, sizeof(float))};
    for (size_t i = 0; i < 9; i++) {
        m->map->w[i] = (float)i - 4;
    }
    model_serve(m, SERVE_USERS_WITHOUT_OWN);
    m->serving_gain = 1.05;
    m->links_gain = 1.2;
    return m;
}

static void check_same(const model *a, const model *b, bool tables)
{
    assert_int_equal(a->serving, b->serving);
    assert_true(a->options.without_links);
    assert_true(a->serving_gain == b->serving_gain && a->links_gain == b->links_gain);
    assert_int_equal(a->links->items, b->links->items);
    assert_memory_equal(&a->links->choice, &b->links->choice, sizeof a->links->choice);
    for (size_t x = 0; tables && x < LINKS_SOURCES; x++) {
        const links_table *s = &a->links->source[x], *t = &b->links->source[x];
        size_t count = s->start[ITEMS];
        assert_memory_equal(s->start, t->start, (ITEMS + 1) * sizeof *s->start);
        assert_memory_equal(s->unit, t->unit, ITEMS * sizeof *s->unit);
        assert_memory_equal(s->target, t->target, count * sizeof *s->target);
        assert_memory_equal(s->level, t->level, count * sizeof *s->level);
    }
}

static void links_and_the_way_of_serving_come_back(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    err e = ERR_INIT;
    temp_folder(folder);
    store *s = open_store(folder);
    model *m = linked_model(), *back = NULL;
    generation_info info = {.users = USERS, .items = ITEMS};
    generation_id id;
    uint32_t number = 0;
    store_read *r = NULL;
    store_info now;
    assert_int_equal(store_read_begin(s, &r, &e), ERR_OK);
    assert_int_equal(store_read_stat(r, &now, &e), ERR_OK);
    store_read_end(r);
    memcpy(info.lineage, now.lineage, sizeof info.lineage);
    assert_int_equal(generation_begin(s, &info, &id, &e), ERR_OK);
    assert_int_equal(model_put(s, &id, m, NULL, 0, &e), ERR_OK);
    assert_int_equal(generation_finish(s, &id, slice_of("{}"), false, &e), ERR_OK);
    assert_int_equal(generation_register(s, &id, 0, &number, &e), ERR_OK);
    assert_int_equal(model_get(s, number, true, &back, &e), ERR_OK);
    check_same(m, back, true);
    assert_int_equal(back->map->width, 3);
    assert_memory_equal(back->map->w, m->map->w, 9 * sizeof *m->map->w);
    for (size_t j = 0; j < DIM; j++) {
        assert_true(back->user_w[j] == 0 && back->w[j] == m->w[j]);
    }
    model_free(back);
    assert_int_equal(model_describe(s, number, &back, &e), ERR_OK);
    check_same(m, back, false);
    model_free(back);
    model_free(m);
    store_close(s);
    temp_remove(folder);
}

/* Version 2 added the last part: the way of serving, two gains, and whether there are links. */
static void a_generation_of_before_links_has_none(void **state)
{
    (void)state;
    enum { ADDED = 1 + 8 + 8 + 1 };
    model *m = linked_model(), *back = NULL;
    encoder x;
    encoder_init(&x, MODEL_RECORD_BYTES_MAX);
    links_free(m->links);
    m->links = NULL;
    model_encode(m, &x);
    slice bytes = encoder_slice(&x);
    char *old = mem_copy(bytes.at, bytes.length);
    assert_non_null(old);
    old[0] = 1;
    assert_int_equal(model_decode(&back, (slice){old, bytes.length - ADDED}, NULL), ERR_OK);
    assert_null(back->links);
    assert_int_equal(back->serving, SERVE_AS_TRAINED);
    model_free(back);
    assert_int_not_equal(model_decode(&back, (slice){old, bytes.length}, NULL), ERR_OK);
    mem_free(old);
    encoder_fini(&x);
    model_free(m);
}

static void a_damaged_choice_is_refused(void **state)
{
    (void)state;
    model *m = linked_model(), *back = NULL;
    m->links->choice.recency[LINKS_CONTENT] = 1.5F;
    encoder x;
    encoder_init(&x, MODEL_RECORD_BYTES_MAX);
    model_encode(m, &x);
    assert_int_equal(model_decode(&back, encoder_slice(&x), NULL), ERR_CORRUPT);
    encoder_fini(&x);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_and_the_way_of_serving_come_back),
        cmocka_unit_test(a_generation_of_before_links_has_none),
        cmocka_unit_test(a_damaged_choice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
