#include "core/train/train_options.h"

#include <math.h>
#include <string.h>

#include "core/train/eval.h"

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
    uint64_t without =
        (uint64_t)o->without_mi | (uint64_t)o->without_fsc << 1 | (uint64_t)o->without_bsc << 2;
    return mix(hash, without);
}
