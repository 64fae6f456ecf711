/* SPDX-License-Identifier: Apache-2.0 */
#include "core/demo/demo_shopper.h"

#include <math.h>

/* The starting point of a purchase, and how strict the other conditions are. Chosen by measurement,
 * so that the graph, the content and both together each improve the lists. */
static const double begins_with_kind = 0.70;
static const double begins_with_crowd = 0.20; /* all others begin with the shop window */
static const double other_style = 0.25;       /* chance of accepting another style than one's own */
/* chance of accepting what one's crowds do not favour */
static const double other_crowd = 0.50;
/* chance of accepting what one's crowds favour, of another kind */
static const double other_kind = 0.30;

void demo_shopper_init(demo_shopper *s, const demo_catalogue *c, uint64_t seed, uint64_t index,
                       uint32_t span)
{
    rng_init(&s->random, seed, demo_stream(DEMO_STREAM_USER, 2 * index));
    rng *random = &s->random;
    for (int i = 0; i < DEMO_FAVOURITES; i++) {
        s->kinds[0][i] = s->kinds[1][i] = (uint8_t)rng_below(random, DEMO_KINDS);
    }
    s->kinds[1][DEMO_FAVOURITES - 1] = (uint8_t)rng_below(random, DEMO_KINDS);
    s->styles[0] = (uint8_t)rng_below(random, DEMO_STYLES);
    s->styles[1] =
        rng_below(random, 2) == 0 ? s->styles[0] : (uint8_t)rng_below(random, DEMO_STYLES);
    s->crowds[0] = (uint16_t)rng_below(random, c->crowds);
    s->crowds[1] = (uint16_t)rng_below(random, c->crowds);
    double joined = rng_uniform(random);
    s->since = joined < 0.5 ? 0 : (uint32_t)((joined - 0.5) / 0.5 * 0.8 * (double)span);
    s->span = span;
}

double demo_shopper_weight(uint64_t seed, uint64_t index)
{
    rng random;
    rng_init(&random, seed, demo_stream(DEMO_STREAM_USER, 2 * index + 1));
    double weight = exp(0.7 * rng_normal(&random));
    return weight < 12.0 ? weight : 12.0;
}

static bool accepts(demo_shopper *s, double chance)
{
    return chance >= 1.0 || rng_uniform(&s->random) < chance;
}

static bool likes_style(const demo_shopper *s, const demo_item *it)
{
    return it->style == s->styles[0] || it->style == s->styles[1];
}

static bool of_own_crowd(const demo_shopper *s, const demo_item *it)
{
    return it->crowd == s->crowds[0] || it->crowd == s->crowds[1];
}

static bool of_favourite_kind(const uint8_t *kinds, const demo_item *it)
{
    for (int i = 0; i < DEMO_FAVOURITES; i++) {
        if (kinds[i] == it->kind) {
            return true;
        }
    }
    return false;
}

/* try_once makes one attempt: it returns an item, or UINT32_MAX if the item did not suit. */
static uint32_t try_once(demo_shopper *s, const demo_catalogue *c, uint32_t time)
{
    const uint8_t *kinds = s->kinds[time > s->since + (s->span - s->since) / 2];
    double begin = rng_uniform(&s->random);
    double chance = 1.0;
    const demo_list *list = &c->all;
    if (begin < begins_with_kind) {
        list = &c->kinds[kinds[rng_below(&s->random, DEMO_FAVOURITES)]];
    } else if (begin < begins_with_kind + begins_with_crowd) {
        list = &c->of_crowd[s->crowds[rng_below(&s->random, 2)]];
    }
    if (list->count == 0) {
        return UINT32_MAX;
    }
    uint32_t item = demo_list_draw(list, &s->random);
    const demo_item *it = &c->items[item];
    if (begin < begins_with_kind) {
        chance =
            (likes_style(s, it) ? 1.0 : other_style) * (of_own_crowd(s, it) ? 1.0 : other_crowd);
    } else if (begin < begins_with_kind + begins_with_crowd) {
        chance =
            (likes_style(s, it) ? 1.0 : 0.5) * (of_favourite_kind(kinds, it) ? 1.0 : other_kind);
    }
    return it->since <= time && accepts(s, chance) ? item : UINT32_MAX;
}

uint32_t demo_shopper_take(demo_shopper *s, const demo_catalogue *c, uint32_t time)
{
    uint32_t item = UINT32_MAX;
    for (int i = 0; i < DEMO_TRIES && item == UINT32_MAX; i++) {
        item = try_once(s, c, time);
    }
    return item;
}
