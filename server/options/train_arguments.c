#include "server/options/train_arguments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct published {
    const char *gamma;
    double weight_decay;
    int64_t batch;
} published;

/* In the order of --preset's choices; from the paper. */
static const published presets[] = {
    {NULL, 0, 0}, {"0.1", 0.3, 1024}, {"0.2", 0.1, 1024}, {"0.4", 0.1, 4096}};

static void apply_preset(train_arguments *a, const option_values *given)
{
    const published *p = &presets[a->preset];
    if (p->gamma == NULL) {
        return;
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

static err_code parse_gamma(const command_call *call, const char *name, const char *text,
                            double *out, err *e)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > 100) {
        return command_usage(call, e, "--%s: expected a number from 0 to 100, not \"%.64s\"", name,
                             text);
    }
    *out = value;
    return ERR_OK;
}

static err_code parse_gammas(train_request *out, const command_call *call, const train_arguments *a,
                             err *e)
{
    train_options *o = &out->options;
    err_code code = ERR_OK;
    out->gamma_auto = strcmp(a->gamma, "auto") == 0;
    if (!out->gamma_auto) {
        code = parse_gamma(call, "gamma", a->gamma, &o->gamma_forward, e);
        o->gamma_backward = o->gamma_forward;
    } else if (a->gamma_forward != NULL || a->gamma_backward != NULL) {
        return command_usage(call, e,
                             "--gamma auto chooses both strengths; leave --gamma-forward "
                             "and --gamma-backward out");
    }
    if (code == ERR_OK && a->gamma_forward != NULL) {
        if (strcmp(a->gamma_forward, "plain") == 0) {
            o->without_fsc = true;
        } else {
            code = parse_gamma(call, "gamma-forward", a->gamma_forward, &o->gamma_forward, e);
        }
    }
    if (code == ERR_OK && a->gamma_backward != NULL) {
        code = parse_gamma(call, "gamma-backward", a->gamma_backward, &o->gamma_backward, e);
    }
    return code;
}

static err_code parse_select(train_options *o, const command_call *call, const char *text, err *e)
{
    const char *at = strchr(text, '@');
    char *end = NULL;
    unsigned long k = at != NULL ? strtoul(at + 1, &end, 10) : 0;
    size_t length = at != NULL ? (size_t)(at - text) : 0;
    bool recall = length == 6 && strncasecmp(text, "recall", 6) == 0;
    bool ndcg = length == 4 && strncasecmp(text, "ndcg", 4) == 0;
    if ((!recall && !ndcg) || at[1] < '0' || at[1] > '9' || *end != '\0' || k == 0 || k > 1000) {
        return command_usage(
            call, e, "--select: expected Recall@K or NDCG@K with K from 1 to 1000, not \"%.64s\"",
            text);
    }
    o->select_metric = recall ? TRAIN_RECALL : TRAIN_NDCG;
    o->select_at = (uint32_t)k;
    return ERR_OK;
}

static err_code parse_without(train_options *o, const command_call *call, const option_list *list,
                              err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->at[i], "mi") == 0) {
            o->without_mi = true;
        } else if (strcmp(list->at[i], "fsc") == 0) {
            o->without_fsc = true;
        } else if (strcmp(list->at[i], "bsc") == 0) {
            o->without_bsc = true;
        } else {
            return command_usage(call, e, "--without: expected mi, fsc or bsc, not \"%.64s\"",
                                 list->at[i]);
        }
    }
    return ERR_OK;
}

/* "text=5,image=1"; the names are borrowed from the text. */
static err_code parse_neighbours(train_request *out, const command_call *call, const char *text,
                                 err *e)
{
    for (const char *at = text; at != NULL && *at != '\0';) {
        const char *comma = strchr(at, ',');
        size_t length = comma != NULL ? (size_t)(comma - at) : strlen(at);
        const char *equals = memchr(at, '=', length);
        char *end = NULL;
        unsigned long k = equals != NULL ? strtoul(equals + 1, &end, 10) : 0;
        if (equals == NULL || equals == at || equals[1] < '0' || equals[1] > '9' ||
            end != at + length || k > TRAIN_NEIGHBOURS_MAX ||
            out->neighbour_count == MODALITIES_MAX) {
            return command_usage(call, e,
                                 "--neighbours: expected NAME=K,... with K from 0 to %d, not "
                                 "\"%.64s\"",
                                 TRAIN_NEIGHBOURS_MAX, text);
        }
        dataset_neighbours *n = &out->neighbours[out->neighbour_count++];
        n->modality = (slice){at, (size_t)(equals - at)};
        n->neighbours = (uint32_t)k;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return ERR_OK;
}

static int threads_or_all(int64_t threads)
{
    if (threads > 0) {
        return (int)threads;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > TRAIN_THREADS_MAX ? TRAIN_THREADS_MAX : (int)online;
}

err_code train_request_make(train_request *out, const command_call *call, const train_arguments *a,
                            err *e)
{
    train_arguments given = *a;
    apply_preset(&given, call->values);
    *out = (train_request){.options = TRAIN_OPTIONS_INIT};
    train_options *o = &out->options;
    o->dim = (uint32_t)given.dim;
    o->layers = (uint32_t)given.layers;
    o->lr = given.lr;
    o->weight_decay = given.weight_decay;
    o->batch = (uint32_t)given.batch;
    o->epochs = (uint32_t)given.epochs;
    o->patience = (uint32_t)given.patience;
    o->eval_every = (uint32_t)given.eval_every;
    o->seed = (uint64_t)given.seed;
    o->threads = threads_or_all(given.threads);
    o->protocol = given.protocol == 1 ? PROTOCOL_MMREC : PROTOCOL_STAIR;
    err_code code = parse_without(o, call, &given.without, e);
    if (code == ERR_OK) {
        code = parse_gammas(out, call, &given, e);
    }
    if (code == ERR_OK) {
        code = parse_select(o, call, given.select, e);
    }
    if (code == ERR_OK) {
        code = parse_neighbours(out, call, given.neighbours, e);
    }
    if (code == ERR_OK && train_options_check(o, e) != ERR_OK) {
        *call->usage = true;
        code = ERR_INVALID;
    }
    return code;
}
