/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/eval.h"

#include <math.h>
#include <string.h>

#include "core/common/mem.h"

/* The state of one evaluation. */
typedef struct evaluation {
    const dataset *d;
    const eval_options *o;
    const pair *held; /* the split with the items that lists should contain */
    size_t held_count;
    size_t *held_start, *train_start, *valid_start; /* (users + 1) */
    double gain[EVAL_K_MAX + 1];                    /* gain[n] = sum of the first n discounts */
    uint32_t *rows;                                 /* (EVAL_BLOCK, k) */
    size_t *found;                                  /* (EVAL_BLOCK) */
    uint32_t *mask; /* (mask_room) the masks of a block's users, one after another */
    size_t mask_room;
    eval_ask asks[EVAL_BLOCK];
    size_t count; /* number of users in the present block */
    size_t k;
    eval_metrics *out;
} evaluation;

static double discount(size_t rank)
{
    return 1 / log2((double)rank + 2);
}

static err_code options_check(const eval_options *o, err *e)
{
    if (o->at_count == 0 || o->at_count > EVAL_AT_MAX) {
        return err_set(e, ERR_INVALID, "at: expected 1 to %d numbers, not %zu", EVAL_AT_MAX,
                       o->at_count);
    }
    for (size_t i = 0; i < o->at_count; i++) {
        if (o->at[i] == 0 || o->at[i] > EVAL_K_MAX || (i > 0 && o->at[i] <= o->at[i - 1])) {
            return err_set(e, ERR_INVALID, "at: expected ascending numbers of 1 to %d, not %u",
                           EVAL_K_MAX, o->at[i]);
        }
    }
    return ERR_OK;
}

static err_code evaluation_init(evaluation *v, const dataset *d, const eval_options *o, err *e)
{
    v->d = d;
    v->o = o;
    v->held = o->on == EVAL_TEST ? d->test : d->valid;
    v->held_count = o->on == EVAL_TEST ? d->test_count : d->valid_count;
    v->k = o->at[o->at_count - 1];
    for (size_t i = 0; i < d->items; i++) {
        v->out->hidden += dataset_hidden(d, i) != 0;
    }
    for (size_t n = 0; n < EVAL_K_MAX; n++) {
        v->gain[n + 1] = v->gain[n] + discount(n);
    }
    v->held_start = mem_array(d->users + 1, sizeof *v->held_start);
    v->train_start = mem_array(d->users + 1, sizeof *v->train_start);
    v->valid_start = mem_array(d->users + 1, sizeof *v->valid_start);
    v->rows = mem_array(EVAL_BLOCK * v->k, sizeof *v->rows);
    v->found = mem_array(EVAL_BLOCK, sizeof *v->found);
    if (v->held_start == NULL || v->train_start == NULL || v->valid_start == NULL ||
        v->rows == NULL || v->found == NULL) {
        return err_nomem(e, "an evaluation");
    }
    pairs_starts(v->held, v->held_count, d->users, v->held_start);
    pairs_starts(d->train, d->train_count, d->users, v->train_start);
    pairs_starts(d->valid, d->valid_count, d->users, v->valid_start);
    return ERR_OK;
}

static void evaluation_fini(evaluation *v)
{
    mem_free(v->held_start);
    mem_free(v->train_start);
    mem_free(v->valid_start);
    mem_free(v->rows);
    mem_free(v->found);
    mem_free(v->mask);
}

/* masks_valid tells whether validation items are masked too: on test, except under the protocol
 * mmrec. */
static bool masks_valid(const evaluation *v)
{
    return v->o->on == EVAL_TEST && v->o->protocol == PROTOCOL_STAIR;
}

static size_t mask_count(const evaluation *v, size_t user)
{
    size_t count = v->train_start[user + 1] - v->train_start[user];
    return masks_valid(v) ? count + v->valid_start[user + 1] - v->valid_start[user] : count;
}

/* write_mask writes the user's masked items to `to`, ascending. */
static void write_mask(const evaluation *v, size_t user, uint32_t *to)
{
    size_t i = v->train_start[user], i_end = v->train_start[user + 1];
    size_t j = v->valid_start[user], j_end = masks_valid(v) ? v->valid_start[user + 1] : j;
    while (i < i_end || j < j_end) {
        if (j == j_end || (i < i_end && v->d->train[i].item < v->d->valid[j].item)) {
            *to++ = v->d->train[i++].item;
        } else {
            *to++ = v->d->valid[j++].item;
        }
    }
}

static void score_user(evaluation *v, size_t index)
{
    uint32_t user = v->asks[index].user;
    size_t first = v->held_start[user], count = v->held_start[user + 1] - first;
    const uint32_t *rows = v->rows + index * v->k;
    double recall[EVAL_AT_MAX] = {0}, ndcg[EVAL_AT_MAX] = {0};
    size_t hits = 0, at = 0;
    double dcg = 0;
    for (size_t rank = 0; at < v->o->at_count; rank++) {
        while (at < v->o->at_count && v->o->at[at] == rank) {
            size_t ideal = count < rank ? count : rank;
            recall[at] = (double)hits / (double)count;
            ndcg[at] = dcg / v->gain[ideal];
            at++;
        }
        if (rank < v->found[index] &&
            pairs_find(v->held + first, count, user, rows[rank]) != SIZE_MAX) {
            hits++;
            dcg += discount(rank);
        }
    }
    for (size_t i = 0; i < v->o->at_count; i++) {
        v->out->recall[i] += recall[i];
        v->out->ndcg[i] += ndcg[i];
    }
    v->out->users++;
    v->out->no_history += v->train_start[user] == v->train_start[user + 1];
    v->out->held += count;
    for (size_t i = 0; i < count; i++) {
        v->out->held_hidden += dataset_hidden(v->d, v->held[first + i].item) != 0;
    }
    if (v->o->per_user != NULL) {
        v->o->per_user(v->o->per_user_ctx, user, rows, v->found[index], recall, ndcg);
    }
}

static err_code run_block(evaluation *v, const eval_lister *lister, err *e)
{
    if (v->count == 0) {
        return ERR_OK;
    }
    size_t total = 0;
    for (size_t i = 0; i < v->count; i++) {
        total += mask_count(v, v->asks[i].user);
    }
    if (total > v->mask_room) {
        uint32_t *grown = mem_grow(v->mask, total, sizeof *grown);
        if (grown == NULL) {
            return err_nomem(e, "an evaluation");
        }
        v->mask = grown;
        v->mask_room = total;
    }
    size_t at = 0;
    for (size_t i = 0; i < v->count; i++) {
        eval_ask *ask = &v->asks[i];
        ask->exclude_count = mask_count(v, ask->user);
        ask->exclude = v->mask + at;
        if (ask->exclude_count > 0) {
            write_mask(v, ask->user, v->mask + at);
        }
        at += ask->exclude_count;
    }
    err_code code = lister->list(lister->ctx, v->asks, v->count, v->k, v->rows, v->found, e);
    for (size_t i = 0; code == ERR_OK && i < v->count; i++) {
        score_user(v, i);
    }
    v->count = 0;
    return code;
}

static err_code run_users(evaluation *v, const eval_lister *lister, err *e)
{
    err_code code = ERR_OK;
    for (size_t user = 0; code == ERR_OK && user < v->d->users; user++) {
        if (v->held_start[user] == v->held_start[user + 1]) {
            continue;
        }
        if (v->o->protocol == PROTOCOL_MMREC && v->train_start[user] == v->train_start[user + 1]) {
            v->out->dropped++;
            continue;
        }
        v->asks[v->count++].user = (uint32_t)user;
        if (v->count == EVAL_BLOCK) {
            if (v->o->cancelled != NULL && v->o->cancelled(v->o->cancelled_ctx)) {
                return err_set(e, ERR_CANCELLED, "the evaluation was stopped");
            }
            code = run_block(v, lister, e);
        }
    }
    return code == ERR_OK ? run_block(v, lister, e) : code;
}

err_code eval_run(eval_metrics *out, const dataset *d, const eval_options *o,
                  const eval_lister *lister, err *e)
{
    memset(out, 0, sizeof *out);
    err_code code = options_check(o, e);
    if (code != ERR_OK) {
        return code;
    }
    evaluation *v = mem_array(1, sizeof *v);
    if (v == NULL) {
        return err_nomem(e, "an evaluation");
    }
    v->out = out;
    out->at_count = o->at_count;
    memcpy(out->at, o->at, sizeof out->at);
    code = evaluation_init(v, d, o, e);
    if (code == ERR_OK) {
        code = run_users(v, lister, e);
    }
    for (size_t i = 0; i < o->at_count && out->users > 0; i++) {
        out->recall[i] /= (double)out->users;
        out->ndcg[i] /= (double)out->users;
    }
    evaluation_fini(v);
    mem_free(v);
    return code;
}

bool eval_measured(const eval_metrics *m, uint32_t at)
{
    bool found = false;
    for (size_t i = 0; i < m->at_count; i++) {
        found = found || m->at[i] == at;
    }
    return found && m->users > 0;
}

double eval_metric(const eval_metrics *m, train_metric metric, uint32_t at)
{
    for (size_t i = 0; i < m->at_count; i++) {
        if (m->at[i] == at) {
            return metric == TRAIN_RECALL ? m->recall[i] : m->ndcg[i];
        }
    }
    return 0;
}

const char *eval_protocol_name(eval_protocol protocol)
{
    return protocol == PROTOCOL_MMREC ? "mmrec" : "stair";
}

const char *eval_protocol_mask(eval_protocol protocol, eval_on on)
{
    return protocol == PROTOCOL_STAIR && on == EVAL_TEST ? "train+valid" : "train";
}
