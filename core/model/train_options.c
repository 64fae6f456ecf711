/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/train_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/model/eval.h"

static err_code check_count(const char *name, uint64_t value, uint64_t low, uint64_t high, err *e)
{
    if (value < low || value > high) {
        return err_set(e, ERR_INVALID, "%s: expected %llu to %llu, not %llu", name,
                       (unsigned long long)low, (unsigned long long)high,
                       (unsigned long long)value);
    }
    return ERR_OK;
}

static err_code check_real(const char *name, double value, double high, err *e)
{
    if (!isfinite(value) || value < 0 || value > high) {
        return err_set(e, ERR_INVALID, "%s: expected 0 to %g, not %g", name, high, value);
    }
    return ERR_OK;
}

void train_options_fit(train_options *o, size_t pairs, bool features)
{
    if (o->batch == 0) {
        o->batch = TRAIN_BATCH_LEAST;
        while (o->batch < TRAIN_BATCH_MOST && (size_t)o->batch * TRAIN_STEPS_WANTED < pairs) {
            o->batch *= 2;
        }
    }
    if (o->lr <= 0) {
        uint32_t batch = o->batch > TRAIN_BATCH_MOST    ? TRAIN_BATCH_MOST
                         : o->batch < TRAIN_BATCH_LEAST ? TRAIN_BATCH_LEAST
                                                        : o->batch;
        bool large = batch > 2 * TRAIN_BATCH_LEAST;
        o->lr = (large ? TRAIN_LR_OF_LARGE : TRAIN_LR_OF_SMALL) * batch / TRAIN_BATCH_LEAST;
        o->lr = features ? o->lr : fmax(o->lr, TRAIN_LR_BARE_MIN);
    }
}

err_code train_options_check(const train_options *o, err *e)
{
    const struct {
        const char *name;
        uint64_t value, low, high;
    } counts[] = {
        {"dim", o->dim, 1, TRAIN_DIM_MAX},
        {"layers", o->layers, 0, TRAIN_LAYERS_MAX},
        {"batch", o->batch, 1, TRAIN_BATCH_MAX},
        {"epochs", o->epochs, 1, TRAIN_EPOCHS_MAX},
        {"threads", (uint64_t)(o->threads < 0 ? 0 : o->threads), 1, TRAIN_THREADS_MAX},
        {"select", o->select_at, 1, EVAL_K_MAX},
    };
    const struct {
        const char *name;
        double value, high;
    } reals[] = {
        {"gamma-forward", o->gamma_forward, TRAIN_GAMMA_MAX},
        {"gamma-backward", o->gamma_backward, TRAIN_GAMMA_MAX},
        {"lr", o->lr, TRAIN_LR_MAX},
        {"weight-decay", o->weight_decay, TRAIN_WEIGHT_DECAY_MAX},
        {"lr x weight-decay", o->lr * o->weight_decay, 1},
    };
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < sizeof counts / sizeof counts[0]; i++) {
        code = check_count(counts[i].name, counts[i].value, counts[i].low, counts[i].high, e);
    }
    for (size_t i = 0; code == ERR_OK && i < sizeof reals / sizeof reals[0]; i++) {
        code = check_real(reals[i].name, reals[i].value, reals[i].high, e);
    }
    return code;
}

void train_metric_text(char out[TRAIN_METRIC_TEXT], train_metric metric, uint32_t at)
{
    snprintf(out, TRAIN_METRIC_TEXT, "%s@%u", metric == TRAIN_RECALL ? "Recall" : "NDCG", at);
}

static void without_text(const train_options *o, char out[32])
{
    bool any = o->without_mi || o->without_fsc || o->without_bsc || o->without_links;
    snprintf(out, 32, "%s%s%s%s%s", o->without_mi ? "mi " : "", o->without_fsc ? "fsc " : "",
             o->without_bsc ? "bsc " : "", o->without_links ? "links " : "", any ? "" : "nothing ");
    out[strlen(out) - 1] = '\0';
}

static err_code differs(const char *name, const char *made, const char *asked, err *e)
{
    return err_set(
        e, ERR_CONFLICT,
        "%s: the checkpoint was made with %s, not %s; ask for the same, or train without "
        "--resume",
        name, made, asked);
}

err_code train_options_same(const train_options *made, const train_options *asked, err *e)
{
    const struct {
        const char *name;
        double made, asked;
    } numbers[] = {
        {"dim", made->dim, asked->dim},
        {"layers", made->layers, asked->layers},
        {"gamma-forward", made->gamma_forward, asked->gamma_forward},
        {"gamma-backward", made->gamma_backward, asked->gamma_backward},
        {"lr", made->lr, asked->lr},
        {"weight-decay", made->weight_decay, asked->weight_decay},
        {"batch", made->batch, asked->batch},
        {"patience", made->patience, asked->patience},
        {"eval-every", made->eval_every, asked->eval_every},
        {"seed", (double)made->seed, (double)asked->seed},
        {"threads", made->threads, asked->threads},
    };
    char before[32], now[32];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].made != numbers[i].asked) {
            snprintf(before, sizeof before, "%.15g", numbers[i].made);
            snprintf(now, sizeof now, "%.15g", numbers[i].asked);
            return differs(numbers[i].name, before, now, e);
        }
    }
    if (made->protocol != asked->protocol) {
        return differs("protocol", eval_protocol_name(made->protocol),
                       eval_protocol_name(asked->protocol), e);
    }
    train_metric_text(before, made->select_metric, made->select_at);
    train_metric_text(now, asked->select_metric, asked->select_at);
    if (strcmp(before, now) != 0) {
        return differs("select", before, now, e);
    }
    without_text(made, before);
    without_text(asked, now);
    return strcmp(before, now) != 0 ? differs("without", before, now, e) : ERR_OK;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x100000001b3u;
    return hash ^ (hash >> 29);
}

static uint64_t mix_real(uint64_t hash, double value)
{
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return mix(hash, word);
}

uint64_t train_options_fingerprint(const train_options *o)
{
    uint64_t hash = mix(mix(0xcbf29ce484222325u, o->dim), o->layers);
    hash = mix_real(mix_real(hash, o->gamma_forward), o->gamma_backward);
    hash = mix_real(mix_real(hash, o->lr), o->weight_decay);
    hash = mix(mix(hash, o->batch), o->eval_every);
    hash = mix(mix(hash, o->seed), o->patience);
    hash = mix(mix(hash, o->select_metric), o->select_at);
    hash = mix(mix(hash, o->protocol), (uint64_t)o->threads);
    uint64_t without = (uint64_t)o->without_mi | (uint64_t)o->without_fsc << 1 |
                       (uint64_t)o->without_bsc << 2 | (uint64_t)o->without_links << 3;
    return mix(hash, without);
}
