/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/loop/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/train/loop/holdout.h"
#include "core/train/loop/prepare.h"
#include "core/train/loop/train_stage.h"

enum { CANDIDATES_MAX = 8, TRIALS_MAX = 64, LONGER = 3 };

/* The candidates' checkpoints are kept in memory up to this size. */
#define IMAGES_BYTES_MAX ((size_t)1 << 30)

typedef struct candidate {
    tune_setting s;
    double value;
    uint32_t epochs;
    void *image; /* the checkpoint to resume from, or NULL */
    size_t image_bytes;
} candidate;

typedef struct tuning {
    dataset *d; /* derived; its modalities' neighbours are those of `prepared` */
    const tune_options *o;
    tune_result *r;
    uint32_t budget, round_epochs; /* in epochs: the total, and a first round */
    prepared p;
    bool is_prepared;
    uint32_t prepared_neighbours[MODALITIES_MAX];
    uint32_t prepared_layers, prepared_dim;
    size_t images_bytes;
} tuning;

void tune_apply(const tune_setting *s, dataset *d)
{
    for (size_t m = 0; m < d->modality_count; m++) {
        d->modalities[m].neighbours = s->neighbours[m];
    }
}

static bool stopped(const tuning *t)
{
    return t->o->cancelled != NULL && t->o->cancelled(t->o->cancelled_ctx);
}

static err_code prepare(tuning *t, const tune_setting *s, err *e)
{
    size_t bytes = t->d->modality_count * sizeof s->neighbours[0];
    bool deep = s->options.layers > 0;
    if (t->is_prepared && memcmp(s->neighbours, t->prepared_neighbours, bytes) == 0 &&
        deep == (t->prepared_layers > 0) && s->options.dim == t->prepared_dim) {
        return ERR_OK;
    }
    if (t->is_prepared) {
        prepared_fini(&t->p);
    }
    tune_apply(s, t->d);
    train_options o = s->options;
    o.without_bsc = false;
    prepare_hooks hooks = {NULL, t->o->cancelled, t->o->cancelled_ctx};
    t->is_prepared = true;
    memcpy(t->prepared_neighbours, s->neighbours, sizeof t->prepared_neighbours);
    t->prepared_layers = o.layers;
    t->prepared_dim = o.dim;
    return prepare_run(&t->p, t->d, &o, &hooks, e);
}

typedef struct saver {
    tuning *t;
    candidate *c;
} saver;

/* save keeps the last checkpoint, so that a promising candidate continues instead of starting
 * over. */
static err_code save(void *ctx, const void *bytes, size_t count, err *e)
{
    (void)e;
    saver *s = ctx;
    s->t->images_bytes -= s->c->image_bytes;
    mem_free(s->c->image);
    s->c->image = NULL;
    s->c->image_bytes = 0;
    if (s->t->images_bytes + count <= IMAGES_BYTES_MAX) {
        s->c->image = mem_copy(bytes, count);
        s->c->image_bytes = s->c->image != NULL ? count : 0;
        s->t->images_bytes += s->c->image_bytes;
    }
    return ERR_OK;
}

static bool saver_stopped(void *ctx)
{
    return stopped(((const saver *)ctx)->t);
}

static void drop_image(tuning *t, candidate *c)
{
    t->images_bytes -= c->image_bytes;
    mem_free(c->image);
    c->image = NULL;
    c->image_bytes = 0;
}

static err_code try_candidate(tuning *t, candidate *c, const char *knob, uint32_t epochs, err *e)
{
    tune_result *r = t->r;
    err_code code = prepare(t, &c->s, e);
    if (code != ERR_OK) {
        return code;
    }
    train_options o = c->s.options;
    o.epochs = epochs;
    o.patience = 0;
    o.eval_every = t->round_epochs / 3 > 0 ? t->round_epochs / 3 : 1;
    saver s = {t, c};
    void *from = c->image;
    size_t from_bytes = c->image_bytes;
    c->image = NULL; /* the run reads `from` before it saves a new one */
    c->image_bytes = 0;
    t->images_bytes -= from_bytes;
    train_hooks h = {.cancelled = saver_stopped,
                     .save = save,
                     .ctx = &s,
                     .resume = from,
                     .resume_bytes = from_bytes};
    train_job job = {.d = t->d, .o = &o, .h = &h, .prepared = &t->p};
    model *m = NULL;
    code = train_stage_run(&m, &job, e);
    mem_free(from);
    if (code != ERR_OK) {
        return code;
    }
    r->epochs += from != NULL ? epochs - c->epochs : epochs;
    c->epochs = epochs;
    c->value = eval_metric(&m->valid, o.select_metric, o.select_at);
    model_free(m);
    if (r->count < TRIALS_MAX) {
        tune_trial *trial = &r->trials[r->count++];
        *trial = (tune_trial){knob, c->s, epochs, c->value, false};
        if (t->o->trial != NULL) {
            t->o->trial(t->o->ctx, trial, r->epochs, t->budget);
        }
    }
    return ERR_OK;
}

static void sort_best_first(candidate *c, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        candidate x = c[i];
        size_t at = i;
        for (; at > 0 && c[at - 1].value < x.value; at--) {
            c[at] = c[at - 1];
        }
        c[at] = x;
    }
}

static bool same_setting(const tune_setting *a, const tune_setting *b)
{
    return train_options_fingerprint(&a->options) == train_options_fingerprint(&b->options) &&
           memcmp(a->neighbours, b->neighbours, sizeof a->neighbours) == 0;
}

static void mark_chosen(tune_result *r)
{
    for (size_t i = r->count; i > 0; i--) {
        if (same_setting(&r->trials[i - 1].setting, &r->best)) {
            r->trials[i - 1].chosen = true;
            return;
        }
    }
}

/* admit_plain lets plain averaging replace the last finalist if it does not reach the final itself.
 * It starts slowly if content is strong, but wins in the end (on Sports a twentieth behind after 9
 * epochs, a tenth ahead after 40). */
static void admit_plain(candidate *c, size_t finalists, size_t count)
{
    for (size_t i = finalists; i < count && finalists > 1; i++) {
        if (c[i].s.options.without_fsc && !c[0].s.options.without_fsc) {
            candidate x = c[i];
            c[i] = c[finalists - 1];
            c[finalists - 1] = x;
            return;
        }
    }
}

/* rounds_left returns how many first rounds of one candidate the budget still allows. */
static size_t rounds_left(const tuning *t)
{
    return t->budget > t->r->epochs ? (t->budget - t->r->epochs) / t->round_epochs : 0;
}

/* successive_halving chooses one knob. c[0] is the setting so far; its value is known after the
 * first knob, and only a candidate that clearly beats it in a final replaces it. If the budget is
 * short, finals are left out first, then candidates. The winner is left in the result. */
static err_code successive_halving(tuning *t, const char *knob, candidate *c, size_t count, err *e)
{
    err_code code = ERR_OK;
    size_t known = t->r->value > 0 ? 1 : 0;
    candidate *open = c + known;
    size_t left = rounds_left(t);
    size_t running = count - known < left ? count - known : left;
    for (size_t i = 0; code == ERR_OK && i < running; i++) {
        code = try_candidate(t, &open[i], knob, t->round_epochs, e);
    }
    sort_best_first(open, running);
    size_t room = (left - running) / (LONGER - 1);
    size_t finalists = (running + 2) / 3 < room ? (running + 2) / 3 : room;
    admit_plain(open, finalists, running);
    for (size_t i = finalists; i < running; i++) {
        drop_image(t, &open[i]);
    }
    for (size_t i = 0; code == ERR_OK && i < finalists; i++) {
        code = try_candidate(t, &open[i], knob, LONGER * t->round_epochs, e);
    }
    sort_best_first(open, finalists);
    for (size_t i = 0; i < running; i++) {
        drop_image(t, &open[i]);
    }
    if (code == ERR_OK && running > 0 && open[0].value > t->r->value * TUNE_GAIN_MIN) {
        t->r->best = open[0].s;
        t->r->value = open[0].value;
        mark_chosen(t->r);
    }
    return code;
}

static size_t add(candidate *c, size_t count, const tune_setting *s)
{
    for (size_t i = 0; i < count; i++) {
        if (same_setting(&c[i].s, s)) {
            return count;
        }
    }
    c[count] = (candidate){.s = *s};
    return count + 1;
}

static size_t forward_candidates(const tune_setting *now, candidate *c)
{
    static const double gammas[] = {0.2, 1};
    size_t count = add(c, 0, now);
    tune_setting s = *now;
    s.options.without_fsc = true;
    count = add(c, count, &s);
    s.options.without_fsc = false;
    count = add(c, count, &s); /* the value that was asked for */
    for (size_t i = 0; i < sizeof gammas / sizeof gammas[0]; i++) {
        s.options.gamma_forward = gammas[i];
        count = add(c, count, &s);
    }
    return count;
}

static size_t backward_candidates(const tune_setting *now, candidate *c)
{
    static const double gammas[] = {0.2, 1};
    size_t count = add(c, 0, now);
    tune_setting s = *now;
    for (size_t i = 0; i < sizeof gammas / sizeof gammas[0]; i++) {
        s.options.without_bsc = false;
        s.options.gamma_backward = gammas[i];
        count = add(c, count, &s);
    }
    s.options.without_bsc = true;
    return add(c, count, &s);
}

static size_t decay_candidates(const tune_setting *now, candidate *c)
{
    static const double decays[] = {0.03, 0.3};
    size_t count = add(c, 0, now);
    tune_setting s = *now;
    for (size_t i = 0; i < sizeof decays / sizeof decays[0]; i++) {
        s.options.weight_decay = decays[i];
        count = add(c, count, &s);
    }
    return count;
}

static size_t layer_candidates(const tune_setting *now, candidate *c)
{
    static const uint32_t layers[] = {2, 3, 6};
    size_t count = add(c, 0, now);
    tune_setting s = *now;
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        s.options.layers = layers[i];
        count = add(c, count, &s);
    }
    return count;
}

/* rounded rounds a rate to two digits, so that the option that a report names gives exactly this
 * rate. */
static double rounded(double rate)
{
    char text[32];
    snprintf(text, sizeof text, "%.1e", rate);
    return strtod(text, NULL);
}

static size_t rate_candidates(const tune_setting *now, candidate *c)
{
    static const double factors[] = {0.5, 2, 4};
    size_t count = add(c, 0, now);
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        tune_setting s = *now;
        s.options.lr = rounded(now->options.lr * factors[i]);
        bool fits = s.options.lr <= TRAIN_LR_MAX && s.options.lr * s.options.weight_decay <= 1;
        count = fits ? add(c, count, &s) : count;
    }
    return count;
}

static size_t dim_candidates(const tune_setting *now, candidate *c)
{
    size_t count = add(c, 0, now);
    tune_setting s = *now;
    s.options.dim *= 2;
    return s.options.dim <= TRAIN_DIM_MAX ? add(c, count, &s) : count;
}

static size_t neighbour_candidates(const tune_setting *now, size_t modalities, candidate *c)
{
    size_t count = add(c, 0, now);
    tune_setting s = *now;
    bool fits = true;
    for (size_t m = 0; m < modalities; m++) {
        s.neighbours[m] *= 2;
        fits = fits && s.neighbours[m] <= TRAIN_NEIGHBOURS_MAX;
    }
    return fits ? add(c, count, &s) : count;
}

static err_code choose_knobs(tuning *t, err *e)
{
    tune_result *r = t->r;
    candidate c[CANDIDATES_MAX];
    err_code code = successive_halving(t, "forward", c, forward_candidates(&r->best, c), e);
    if (code == ERR_OK && !t->o->gamma_only) {
        code = successive_halving(t, "rate", c, rate_candidates(&r->best, c), e);
    }
    if (code == ERR_OK && t->d->modality_count > 0) {
        code = successive_halving(t, "backward", c, backward_candidates(&r->best, c), e);
    }
    if (code == ERR_OK && !t->o->gamma_only) {
        code = successive_halving(t, "weight-decay", c, decay_candidates(&r->best, c), e);
    }
    if (code == ERR_OK && !t->o->gamma_only) {
        code = successive_halving(t, "dimensions", c, dim_candidates(&r->best, c), e);
    }
    if (code == ERR_OK && !t->o->gamma_only) {
        code = successive_halving(t, "layers", c, layer_candidates(&r->best, c), e);
    }
    if (code == ERR_OK && !t->o->gamma_only && t->d->modality_count > 0) {
        size_t count = neighbour_candidates(&r->best, t->d->modality_count, c);
        code = successive_halving(t, "neighbours", c, count, e);
    }
    return code;
}

/* rounds_of returns what one knob with so many candidates costs, in first rounds of one candidate:
 * the first round, and finals that add LONGER - 1 times as much. */
static uint32_t rounds_of(size_t running)
{
    return (uint32_t)(running + (running + 2) / 3 * (LONGER - 1));
}

/* all_rounds returns the cost of all knobs. No knob changes the candidates of another, so their
 * numbers are known in advance. Only for the first knob does the setting so far run as a
 * candidate. */
static uint32_t all_rounds(const tuning *t)
{
    candidate c[CANDIDATES_MAX];
    const tune_setting *base = &t->r->best;
    size_t modalities = t->d->modality_count;
    uint32_t sum = rounds_of(forward_candidates(base, c));
    if (modalities > 0) {
        sum += rounds_of(backward_candidates(base, c) - 1);
    }
    if (!t->o->gamma_only) {
        sum += rounds_of(rate_candidates(base, c) - 1);
        sum += rounds_of(decay_candidates(base, c) - 1);
        sum += rounds_of(dim_candidates(base, c) - 1);
        sum += rounds_of(layer_candidates(base, c) - 1);
    }
    if (!t->o->gamma_only && modalities > 0) {
        sum += rounds_of(neighbour_candidates(base, modalities, c) - 1);
    }
    return sum;
}

static void start(tuning *t, const train_options *base)
{
    t->budget = t->o->budget_epochs > 0 ? t->o->budget_epochs
                : t->o->gamma_only      ? TUNE_BUDGET_GAMMA
                                        : TUNE_BUDGET_DEFAULT;
    t->r->best.options = *base;
    /* Plain averaging is better on most data, so a full tuning starts from it. */
    t->r->best.options.without_fsc = base->without_fsc || !t->o->gamma_only;
    for (size_t m = 0; m < t->d->modality_count; m++) {
        t->r->best.neighbours[m] = t->d->modalities[m].neighbours;
    }
    uint32_t all = all_rounds(t);
    t->round_epochs = t->budget > all ? t->budget / all : 1;
}

err_code tune_run(tune_result **out, const dataset *d, const train_options *base,
                  const tune_options *o, err *e)
{
    *out = NULL;
    tuning t = {.o = o};
    err_code code = holdout_new(&t.d, d, e);
    if (code != ERR_OK) {
        return code;
    }
    t.r = mem_array(1, sizeof *t.r);
    if (t.r != NULL) {
        t.r->trials = mem_array(TRIALS_MAX, sizeof *t.r->trials);
    }
    if (t.r == NULL || t.r->trials == NULL) {
        code = err_nomem(e, "tuning");
    } else if (t.d->valid_count == 0) {
        code =
            err_set(e, ERR_INVALID,
                    "nothing to choose by: tuning needs a user with at least three interactions");
    } else if (d->modality_count > MODALITIES_MAX) {
        code = err_set(e, ERR_INVALID, "at most %d modalities, not %zu", MODALITIES_MAX,
                       d->modality_count);
    } else {
        start(&t, base);
        code = choose_knobs(&t, e);
    }
    if (t.is_prepared) {
        prepared_fini(&t.p);
    }
    dataset_free(t.d);
    if (code != ERR_OK) {
        tune_result_free(t.r);
        return code;
    }
    *out = t.r;
    return ERR_OK;
}

void tune_result_free(tune_result *r)
{
    if (r != NULL) {
        mem_free(r->trials);
        mem_free(r);
    }
}
