/* SPDX-License-Identifier: Apache-2.0 */
#include "core/demo/demo_catalogue.h"

#include <math.h>

#include "core/common/mem.h"

/* A crowd favours about this many items: enough that its members share items, and few enough that
 * membership says much about their choice. */
enum { ITEMS_PER_CROWD = 40, CROWDS_MIN = 6, CROWDS_MAX = 20000 };

static void draw_item(demo_item *it, uint32_t crowds, uint32_t span, uint64_t seed, uint32_t index)
{
    rng random;
    rng_init(&random, seed, demo_stream(DEMO_STREAM_ITEM, index));
    it->kind = (uint8_t)rng_below(&random, DEMO_KINDS);
    it->style = (uint8_t)rng_below(&random, DEMO_STYLES);
    it->colour = (uint8_t)rng_below(&random, DEMO_COLOURS);
    it->brand = (uint8_t)rng_below(&random, DEMO_BRANDS_EACH);
    it->crowd = (uint16_t)rng_below(&random, crowds);
    /* log-normal: some items sell much more than others */
    it->popularity = (float)exp(0.5 * rng_normal(&random));
    /* The kind has a base price, which a random factor scales for each item. */
    double base = 600.0 * (1 + (it->kind * 7) % 13);
    it->cents = (uint32_t)(base * exp(0.35 * rng_normal(&random))) / 50 * 50 + 95;
    /* Most items exist from the beginning; the others arrive over time. */
    double launch = rng_uniform(&random);
    it->since = launch < 0.7 ? 0 : (uint32_t)((launch - 0.7) / 0.3 * 0.9 * (double)span);
}

/* fill_lists sorts the items into lists by key (counting sort), with running sums of popularity. */
static void fill_lists(const demo_catalogue *c, demo_list *lists, uint32_t list_count,
                       uint32_t *items, float *sums, uint32_t (*key)(const demo_item *))
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        lists[key(&c->items[i])].count++;
    }
    for (uint32_t l = 0; l < list_count; l++) {
        lists[l].items = items + start;
        lists[l].sums = sums + start;
        start += lists[l].count;
        lists[l].count = 0;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        demo_list *list = &lists[key(&c->items[i])];
        uint32_t at = (uint32_t)(list->items - items) + list->count;
        items[at] = i;
        sums[at] = (list->count > 0 ? sums[at - 1] : 0.0F) + c->items[i].popularity;
        list->count++;
    }
}

static uint32_t key_kind(const demo_item *it)
{
    return it->kind;
}

static uint32_t key_crowd(const demo_item *it)
{
    return it->crowd;
}

static uint32_t key_all(const demo_item *it)
{
    (void)it;
    return 0;
}

err_code demo_catalogue_new(demo_catalogue **out, uint32_t count, uint32_t span, uint64_t seed,
                            err *e)
{
    *out = NULL;
    demo_catalogue *c = mem_array(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e, "a catalogue");
    }
    c->count = count;
    c->crowds = count / ITEMS_PER_CROWD;
    c->crowds = c->crowds < CROWDS_MIN ? CROWDS_MIN : c->crowds;
    c->crowds = c->crowds > CROWDS_MAX ? CROWDS_MAX : c->crowds;
    c->items = mem_array(count, sizeof *c->items);
    c->of_crowd = mem_array(c->crowds, sizeof *c->of_crowd);
    bool good = c->items != NULL && c->of_crowd != NULL;
    for (int i = 0; i < 6; i++) {
        c->memory[i] = mem_array(count, i % 2 == 0 ? sizeof(uint32_t) : sizeof(float));
        good = good && c->memory[i] != NULL;
    }
    if (!good) {
        demo_catalogue_free(c);
        return err_nomem(e, "a catalogue");
    }
    for (uint32_t i = 0; i < count; i++) {
        draw_item(&c->items[i], c->crowds, span, seed, i);
    }
    fill_lists(c, c->kinds, DEMO_KINDS, c->memory[0], c->memory[1], key_kind);
    fill_lists(c, c->of_crowd, c->crowds, c->memory[2], c->memory[3], key_crowd);
    fill_lists(c, &c->all, 1, c->memory[4], c->memory[5], key_all);
    *out = c;
    return ERR_OK;
}

void demo_catalogue_free(demo_catalogue *c)
{
    if (c != NULL) {
        for (int i = 0; i < 6; i++) {
            mem_free(c->memory[i]);
        }
        mem_free(c->items);
        mem_free(c->of_crowd);
        mem_free(c);
    }
}

uint32_t demo_list_draw(const demo_list *list, rng *random)
{
    float want = (float)rng_uniform(random) * list->sums[list->count - 1];
    uint32_t low = 0;
    uint32_t high = list->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->sums[middle] > want) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return list->items[low];
}
