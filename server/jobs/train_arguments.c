/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_arguments.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/model/eval.h"
#include "server/cli/processors.h"

const option train_option_table[] = {
#define OPTION(...)          OPTION_ENTRY(train_arguments, , __VA_ARGS__)
#define OPTION_OF_TRAIN(...) OPTION(__VA_ARGS__)
#include "server/jobs/train_arguments.def"
    OPTION_END,
};

const option tune_option_table[] = {
#define OPTION(...)         OPTION_ENTRY(train_arguments, , __VA_ARGS__)
#define OPTION_OF_TUNE(...) OPTION(__VA_ARGS__)
#include "server/jobs/train_arguments.def"
    OPTION_END,
};

typedef struct published {
    const char *gamma;
    double weight_decay;
    int64_t batch;
} published;

/* In the order of --preset's choices. The values are from the paper, which uses this learning rate,
 * PUBLISHED_LAYERS layers and all epochs for each of them. */
static const published presets[] = {
    {NULL, 0, 0}, {"0.1", 0.3, 1024}, {"0.2", 0.1, 1024}, {"0.4", 0.1, 4096}};
enum { PUBLISHED_LAYERS = 3 };
#define PUBLISHED_LR 1e-3

static void apply_preset(train_arguments *a, const option_values *given)
{
    const published *p = &presets[a->preset];
    if (p->gamma == NULL) {
        return;
    }
    if (!options_given(given, "layers")) {
        a->layers = PUBLISHED_LAYERS;
    }
    if (!options_given(given, "lr")) {
        a->lr = PUBLISHED_LR;
    }
    if (!options_given(given, "patience")) {
        a->patience = 0;
    }
    if (!options_given(given, "gamma")) {
        a->gamma = p->gamma;
    }
    if (!options_given(given, "weight-decay")) {
        a->weight_decay = p->weight_decay;
    }
    if (!options_given(given, "batch")) {
        a->batch = p->batch;
    }
}

/* The check of one request, and whether a check has failed. */
typedef struct checks {
    train_request *out;
    const train_arguments *a;
    const train_faults *faults;
    bool failed;
} checks;

__attribute__((format(printf, 4, 5))) static void fault(checks *c, const char *name, slice part,
                                                        const char *fmt, ...)
{
    char why[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    c->failed = true;
    c->faults->report(c->faults->ctx, name, part, why);
}

static const slice whole = {NULL, 0};

static void check_gamma(checks *c, const char *name, const char *text, double *out)
{
    double value = 0;
    if (!options_number(text, &value) || value < 0 || value > TRAIN_GAMMA_MAX) {
        fault(c, name, whole, "expected a number from 0 to %d, not \"%.64s\"", TRAIN_GAMMA_MAX,
              text);
        return;
    }
    *out = value;
}

/* check_gammas sets the strengths. If neither a strength nor a preset is given, the forward
 * convolution averages the layers. */
static void check_gammas(checks *c, const option_values *given)
{
    static const char chosen[] = "gamma auto chooses both strengths; leave this one out";
    train_options *o = &c->out->options;
    const train_arguments *a = c->a;
    c->out->gamma_auto = strcmp(a->gamma, "auto") == 0;
    if (!c->out->gamma_auto) {
        check_gamma(c, "gamma", a->gamma, &o->gamma_forward);
        o->gamma_backward = o->gamma_forward;
    }
    if (a->gamma_forward != NULL && c->out->gamma_auto) {
        fault(c, "gamma-forward", whole, "%s", chosen);
    } else if (a->gamma_forward != NULL && strcmp(a->gamma_forward, "plain") == 0) {
        o->without_fsc = true;
    } else if (a->gamma_forward != NULL) {
        check_gamma(c, "gamma-forward", a->gamma_forward, &o->gamma_forward);
    } else if (a->preset == 0 && !options_given(given, "gamma")) {
        o->without_fsc = true;
    }
    if (a->gamma_backward != NULL && c->out->gamma_auto) {
        fault(c, "gamma-backward", whole, "%s", chosen);
    } else if (a->gamma_backward != NULL) {
        check_gamma(c, "gamma-backward", a->gamma_backward, &o->gamma_backward);
    }
}

static void check_select(checks *c)
{
    const char *text = c->a->select;
    const char *at = strchr(text, '@');
    char *end = NULL;
    unsigned long k = at != NULL ? strtoul(at + 1, &end, 10) : 0;
    size_t length = at != NULL ? (size_t)(at - text) : 0;
    bool recall = length == 6 && strncasecmp(text, "recall", 6) == 0;
    bool ndcg = length == 4 && strncasecmp(text, "ndcg", 4) == 0;
    if ((!recall && !ndcg) || at[1] < '0' || at[1] > '9' || *end != '\0' || k == 0 ||
        k > EVAL_K_MAX) {
        fault(c, "select", whole, "expected Recall@K or NDCG@K with K from 1 to %d, not \"%.64s\"",
              EVAL_K_MAX, text);
        return;
    }
    c->out->options.select_metric = recall ? TRAIN_RECALL : TRAIN_NDCG;
    c->out->options.select_at = (uint32_t)k;
}

static void check_without(checks *c)
{
    train_options *o = &c->out->options;
    for (size_t i = 0; i < c->a->without.count; i++) {
        const char *text = c->a->without.at[i];
        if (strcmp(text, "mi") == 0) {
            o->without_mi = true;
        } else if (strcmp(text, "fsc") == 0) {
            o->without_fsc = true;
        } else if (strcmp(text, "bsc") == 0) {
            o->without_bsc = true;
        } else if (strcmp(text, "links") == 0) {
            o->without_links = true;
        } else {
            fault(c, "without", whole, "expected mi, fsc, bsc or links, not \"%.64s\"", text);
        }
    }
}

static bool has_neighbours(const checks *c, slice name)
{
    for (size_t i = 0; i < c->out->neighbour_count; i++) {
        if (slice_equal(c->out->neighbours[i].modality, name)) {
            return true;
        }
    }
    return false;
}

/* check_neighbour checks one "text=5". The name is borrowed. */
static void check_neighbour(checks *c, slice entry)
{
    const char *equals = memchr(entry.at, '=', entry.length);
    const char *end = entry.at + entry.length;
    if (equals == NULL || equals == entry.at) {
        fault(c, "neighbours", whole, "expected NAME=K,... with K from 0 to %d, not \"%.*s\"",
              TRAIN_NEIGHBOURS_MAX, (int)(entry.length < 64 ? entry.length : 64), entry.at);
        return;
    }
    slice name = {entry.at, (size_t)(equals - entry.at)};
    char *stop = NULL;
    unsigned long k = strtoul(equals + 1, &stop, 10);
    if (equals[1] < '0' || equals[1] > '9' || stop != end || k > TRAIN_NEIGHBOURS_MAX) {
        ptrdiff_t length = end - equals - 1;
        fault(c, "neighbours", name, "expected a whole number from 0 to %d, not \"%.*s\"",
              TRAIN_NEIGHBOURS_MAX, (int)(length < 64 ? length : 64), equals + 1);
    } else if (has_neighbours(c, name)) {
        fault(c, "neighbours", name, "given twice");
    } else if (c->out->neighbour_count == MODALITIES_MAX) {
        fault(c, "neighbours", name, "expected at most %d names", MODALITIES_MAX);
    } else {
        c->out->neighbours[c->out->neighbour_count++] = (dataset_neighbours){name, (uint32_t)k};
    }
}

static void check_neighbours(checks *c)
{
    for (const char *at = c->a->neighbours; at != NULL && *at != '\0';) {
        const char *comma = strchr(at, ',');
        check_neighbour(c, (slice){at, comma != NULL ? (size_t)(comma - at) : strlen(at)});
        at = comma != NULL ? comma + 1 : NULL;
    }
}

/* check_together checks combinations of options that are each within their range. */
static void check_together(checks *c)
{
    err why = ERR_INIT;
    train_options fitted = c->out->options;
    train_options_fit(&fitted, 0, true);
    if (train_options_check(&fitted, &why) != ERR_OK) {
        fault(c, "lr", whole, "%s", why.text);
        fault(c, "weight-decay", whole, "%s", why.text);
    }
}

int train_threads(int64_t asked)
{
    unsigned threads = threads_or_usable(asked);
    return threads > TRAIN_THREADS_MAX ? TRAIN_THREADS_MAX : (int)threads;
}

bool train_request_make(train_request *out, const train_arguments *a, const option_values *given,
                        const train_faults *faults)
{
    train_arguments with = *a;
    apply_preset(&with, given);
    *out = (train_request){.options = TRAIN_OPTIONS_INIT};
    train_options *o = &out->options;
    o->dim = (uint32_t)with.dim;
    o->layers = (uint32_t)with.layers;
    o->lr = with.lr;
    o->weight_decay = with.weight_decay;
    o->batch = (uint32_t)with.batch;
    o->epochs = (uint32_t)with.epochs;
    o->patience = (uint32_t)with.patience;
    o->eval_every = (uint32_t)with.eval_every;
    o->seed = (uint64_t)with.seed;
    o->threads = train_threads(with.threads);
    static const dataset_words words[] = {DATASET_WORDS_AUTO, DATASET_WORDS_YES, DATASET_WORDS_NO};
    out->words = words[with.words];
    o->protocol = with.protocol == 1 ? PROTOCOL_MMREC : PROTOCOL_STAIR;
    checks c = {.out = out, .a = &with, .faults = faults};
    check_without(&c);
    check_gammas(&c, given);
    check_select(&c);
    check_neighbours(&c);
    check_together(&c);
    return !c.failed;
}
