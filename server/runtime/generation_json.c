/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/generation_json.h"

#include <math.h>
#include <stdio.h>

#include "core/common/timestamp.h"
#include "server/runtime/generation_refit.h"

/* A number that JSON cannot say (an unmeasured loss) is null. */
static json_t *number_new(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *metrics_new(const eval_metrics *m)
{
    if (m->users == 0) {
        return json_null();
    }
    json_t *out = json_pack("{s:I}", "users", (json_int_t)m->users);
    for (size_t i = 0; i < m->at_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "Recall@%u", m->at[i]);
        json_object_set_new(out, name, number_new(m->recall[i]));
        snprintf(name, sizeof name, "NDCG@%u", m->at[i]);
        json_object_set_new(out, name, number_new(m->ndcg[i]));
    }
    return out;
}

static json_t *options_new(const train_options *o)
{
    char select[32];
    snprintf(select, sizeof select, "%s@%u", o->select_metric == TRAIN_NDCG ? "NDCG" : "Recall",
             o->select_at);
    json_t *without = json_array();
    if (o->without_mi) {
        json_array_append_new(without, json_string("mi"));
    }
    if (o->without_fsc) {
        json_array_append_new(without, json_string("fsc"));
    }
    if (o->without_bsc) {
        json_array_append_new(without, json_string("bsc"));
    }
    return json_pack("{s:I,s:I,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:s,s:o}", "dim",
                     (json_int_t)o->dim, "layers", (json_int_t)o->layers, "gamma_forward",
                     number_new(o->gamma_forward), "gamma_backward", number_new(o->gamma_backward),
                     "lr", number_new(o->lr), "weight_decay", number_new(o->weight_decay), "batch",
                     (json_int_t)o->batch, "epochs", (json_int_t)o->epochs, "patience",
                     (json_int_t)o->patience, "seed", (json_int_t)o->seed, "threads",
                     (json_int_t)o->threads, "select", select, "without", without);
}

static json_t *modalities_new(const model *m)
{
    json_t *out = json_array();
    for (size_t i = 0; i < m->modality_count; i++) {
        json_array_append_new(out,
                              json_pack("{s:s,s:I,s:I}", "name", m->modalities[i].name, "width",
                                        (json_int_t)m->modalities[i].width, "neighbours",
                                        (json_int_t)m->modalities[i].neighbours));
    }
    return out;
}

static json_t *curve_new(const model *m)
{
    json_t *out = json_array();
    for (size_t i = 0; i < m->curve_count; i++) {
        const model_point *p = &m->curve[i];
        json_array_append_new(
            out, json_pack("{s:I,s:o,s:o,s:o,s:o}", "epoch", (json_int_t)p->epoch, "loss",
                           number_new((double)p->loss), "recall", number_new((double)p->recall),
                           "ndcg", number_new((double)p->ndcg), "seconds", number_new(p->seconds)));
    }
    return out;
}

json_t *generation_json_new(const generation_info *info, const model *m)
{
    char created[TIMESTAMP_TEXT_MAX], lineage[LINEAGE_TEXT];
    timestamp_format(info->created, created);
    store_lineage_text(info->lineage, lineage);
    json_t *out = json_pack(
        "{s:I,s:s,s:b,s:s,s:s,s:I,s:I,s:I,s:I}", "generation", (json_int_t)info->number, "state",
        info->state == GENERATION_READY ? "ready" : "building", "active", info->active, "created",
        created, "lineage", lineage, "seq", (json_int_t)info->seq, "users", (json_int_t)info->users,
        "items", (json_int_t)info->items, "bytes", (json_int_t)info->bytes);
    if (out == NULL || m == NULL) {
        return out;
    }
    json_object_set_new(out, "epochs", json_integer((json_int_t)m->epochs));
    json_object_set_new(out, "best_epoch", json_integer((json_int_t)m->best_epoch));
    json_object_set_new(out, "seconds", number_new(m->seconds));
    json_object_set_new(out, "seconds_per_epoch", number_new(m->seconds_per_epoch));
    json_object_set_new(out, "refit", json_boolean(generation_refitted(info)));
    json_object_set_new(out, "protocol", json_string(eval_protocol_name(m->options.protocol)));
    json_object_set_new(out, "mask",
                        json_string(eval_protocol_mask(m->options.protocol, EVAL_TEST)));
    json_object_set_new(out, "users_dropped", json_integer((json_int_t)model_judged(m)->dropped));
    json_object_set_new(out, "valid", metrics_new(&m->valid));
    json_object_set_new(out, "test", metrics_new(&m->test));
    json_object_set_new(out, "options", options_new(&m->options));
    json_object_set_new(out, "modalities", modalities_new(m));
    json_object_set_new(out, "curve", curve_new(m));
    return out;
}
