/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_interaction_cells makes an interaction from texts, one for each role. The texts come from
 * a table or from JSON lines.
 */
#include <math.h>
#include <string.h>

#include "core/common/utf8.h"
#include "storage/import/import_cells.h"
#include "storage/import/import_interaction_cells.h"

static err_code parse_split(slice text, uint8_t *split, err *e)
{
    static const struct {
        const char *word;
        uint8_t split;
    } words[] = {{"0", 0},     {"1", 1},          {"2", 2},   {"train", 0},
                 {"valid", 1}, {"validation", 1}, {"test", 2}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(text, slice_of(words[i].word))) {
            *split = words[i].split;
            return ERR_OK;
        }
    }
    slice shown = utf8_valid(text) ? utf8_cut(text, 40) : slice_of("?");
    return err_set(e, ERR_INVALID, "split: expected 0, 1, 2, train, valid or test, not \"%.*s\"",
                   (int)shown.length, shown.at);
}

static err_code parse_number(slice text, const char *what, double *number, err *e)
{
    if (cell_number(text, number)) {
        return ERR_OK;
    }
    slice shown = utf8_valid(text) ? utf8_cut(text, 40) : slice_of("?");
    bool comma = memchr(text.at, ',', text.length) != NULL;
    return err_set(
        e, ERR_INVALID, "%s: expected a number, not \"%.*s\"%s", what, (int)shown.length, shown.at,
        comma ? "; write numbers with a decimal point, and thousands without commas" : "");
}

/* read_rating reads a rating, which matters only with --min-rating. Without it, ratings are counted
 * for the report. */
static err_code read_rating(import_state *s, slice text, double *rating, err *e)
{
    *rating = 0.0;
    if (cell_is_nothing(text, s->options->null_words)) {
        return s->options->has_min_rating
                   ? err_set(e, ERR_INVALID, "rating: missing, which --min-rating needs")
                   : ERR_OK;
    }
    err_code code = parse_number(text, "rating", rating, e);
    if (code == ERR_OK) {
        bool first = s->ratings.count++ == 0;
        s->ratings.least = first || *rating < s->ratings.least ? *rating : s->ratings.least;
        s->ratings.most = first || *rating > s->ratings.most ? *rating : s->ratings.most;
    }
    return code;
}

static err_code read_weight(const import_state *s, slice text, float *weight, err *e)
{
    double number = 0.0;
    const double most = 1000.0;
    err_code code = parse_number(text, "weight", &number, e);
    if (code == ERR_OK && s->options->weights_are_counts) {
        number = number > 0.0 ? 1.0 + log(number < 1.0 ? 1.0 : number) : 0.0;
    }
    if (code == ERR_OK && (number > most || !((float)number > 0.0F))) {
        slice shown = utf8_cut(text, 40);
        return err_set(e, ERR_INVALID,
                       "weight: expected a number above 0, up to 1000, not \"%.*s\"; for counts of "
                       "any size give --weights counts",
                       (int)shown.length, shown.at);
    }
    *weight = code == ERR_OK ? (float)number : *weight;
    return code;
}

static err_code read_time(import_state *s, slice text, int64_t *time, err *e)
{
    if (cell_is_nothing(text, s->options->null_words)) {
        s->untimed++;
        return s->options->split == IMPORT_SPLIT_TIME
                   ? err_set(e, ERR_INVALID, "timestamp: missing, which --split time needs")
                   : ERR_OK;
    }
    err_code code = import_time(s, text, time, e);
    if (code != ERR_OK) {
        err_context(e, "timestamp");
    }
    return code;
}

static err_code find_type(const import_state *s, slice name, size_t *index, err *e)
{
    const interaction_types *types = s->options->types;
    const interaction_type *type = interaction_types_find(types, name);
    if (type == NULL) {
        slice shown = utf8_valid(name) ? utf8_cut(name, 40) : slice_of("?");
        return err_set(e, ERR_INVALID,
                       "type: \"%.*s\" is not configured; add it to --interaction-types",
                       (int)shown.length, shown.at);
    }
    *index = (size_t)(type - types->list);
    return ERR_OK;
}

static err_code read_optional(import_state *s, const interaction_cells *c, op_interaction *x,
                              double *rating, err *e)
{
    const char *nothing = s->options->null_words;
    slice weight = c->of[ROLE_WEIGHT];
    err_code code = ERR_OK;
    if (c->of[ROLE_TIME].at != NULL) {
        code = read_time(s, c->of[ROLE_TIME], &x->time, e);
    }
    if (code == ERR_OK && c->of[ROLE_SPLIT].at != NULL) {
        code = parse_split(c->of[ROLE_SPLIT], &x->split, e);
    }
    if (code == ERR_OK && c->of[ROLE_RATING].at != NULL) {
        code = read_rating(s, c->of[ROLE_RATING], rating, e);
    }
    if (code == ERR_OK && weight.at != NULL && !cell_is_nothing(weight, nothing)) {
        code = read_weight(s, weight, &x->weight, e);
    }
    return code;
}

err_code import_interaction_read(import_state *s, const interaction_cells *c, uint64_t line,
                                 size_t file, err *e)
{
    op_interaction x = {.user = c->of[ROLE_USER],
                        .item = c->of[ROLE_ITEM],
                        .time = s->options->now,
                        .split = (uint8_t)(s->options->parts[0] != NULL ? file : 0)};
    slice type = c->of[ROLE_TYPE];
    size_t type_index = 0;
    double rating = 0.0;
    err_code code = import_id(s, x.user, "user", e);
    if (code == ERR_OK) {
        code = import_id(s, x.item, "item", e);
    }
    if (code == ERR_OK) {
        bool none = type.at == NULL || cell_is_nothing(type, s->options->null_words);
        code = find_type(s, none ? slice_of(INTERACTION_TYPE_DEFAULT) : type, &type_index, e);
    }
    if (code == ERR_OK) {
        uint8_t flags = s->options->types->list[type_index].flags;
        x.flags = (uint8_t)((flags & ~c->flags_given) | c->flags);
        x.weight = s->options->types->list[type_index].weight;
        code = read_optional(s, c, &x, &rating, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (s->options->has_min_rating && rating < s->options->min_rating) {
        import_skip(s, s->files[file], line, "rated below --min-rating");
        s->report->low_rated++;
        return ERR_OK;
    }
    return import_edge_add(s, &x, type_index, line, file, e);
}
