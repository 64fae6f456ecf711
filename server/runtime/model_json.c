/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/model_json.h"

#include <math.h>

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *model_metrics_json(const eval_metrics *m)
{
    if (m->users == 0) {
        return json_null();
    }
    json_t *out = json_object();
    char name[TRAIN_METRIC_TEXT];
    for (size_t i = 0; i < m->at_count; i++) {
        train_metric_text(name, TRAIN_RECALL, m->at[i]);
        json_object_set_new(out, name, number(m->recall[i]));
    }
    for (size_t i = 0; i < m->at_count; i++) {
        train_metric_text(name, TRAIN_NDCG, m->at[i]);
        json_object_set_new(out, name, number(m->ndcg[i]));
    }
    return out;
}

static json_t *without(const train_options *o)
{
    const struct {
        bool left_out;
        const char *name;
    } parts[] = {{o->without_mi, "mi"},
                 {o->without_fsc, "fsc"},
                 {o->without_bsc, "bsc"},
                 {o->without_links, "links"}};
    json_t *out = json_array();
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].left_out) {
            json_array_append_new(out, json_string(parts[i].name));
        }
    }
    return out;
}

json_t *model_options_json(const train_options *o)
{
    char select[TRAIN_METRIC_TEXT];
    train_metric_text(select, o->select_metric, o->select_at);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o}",
                     "dim", count(o->dim), "layers", count(o->layers), "gamma_forward",
                     number(o->gamma_forward), "gamma_backward", number(o->gamma_backward), "lr",
                     number(o->lr), "weight_decay", number(o->weight_decay), "batch",
                     count(o->batch), "epochs", count(o->epochs), "patience", count(o->patience),
                     "eval_every", count(o->eval_every), "seed", count(o->seed), "threads",
                     count((uint64_t)o->threads), "select", select, "protocol",
                     eval_protocol_name(o->protocol), "without", without(o));
}

const char *model_links_kind_name(links_kind kind)
{
    return kind == LINKS_DIRECTED ? "directed" : "cosine";
}

static void set_link_count(json_t *out, const char *name, const item_links *l, links_source x)
{
    if (l->source[x].start != NULL) {
        json_object_set_new(out, name, count(l->source[x].start[l->items]));
    }
}

static json_t *links(const model *m)
{
    if (m->links == NULL) {
        return json_null();
    }
    const links_choice *c = &m->links->choice;
    json_t *out = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", model_links_kind_name(c->kind), "shrinkage",
        number((double)c->shrinkage), "collaborative", number((double)c->beta[LINKS_COLLABORATIVE]),
        "content", number((double)c->beta[LINKS_CONTENT]), "recency",
        number((double)c->recency[LINKS_COLLABORATIVE]), "gain", number(m->links_gain));
    set_link_count(out, "collaborative_links", m->links, LINKS_COLLABORATIVE);
    set_link_count(out, "content_links", m->links, LINKS_CONTENT);
    return out;
}

json_t *model_served_json(const model *m)
{
    return json_pack("{s:s, s:o, s:o}", "layers", model_serving_name(m->serving), "gain",
                     number(m->serving_gain), "links", links(m));
}

static json_t *modalities(const model *m)
{
    json_t *out = json_array();
    for (size_t i = 0; i < m->modality_count; i++) {
        const model_modality *x = &m->modalities[i];
        json_t *one = json_pack("{s:s, s:o, s:o}", "name", x->name, "width", count(x->width),
                                "neighbours", count(x->neighbours));
        if (x->spread != NULL) {
            json_object_set_new(one, "rank", count(model_rank(x, m->dim)));
        }
        json_array_append_new(out, one);
    }
    return out;
}

static json_t *curve(const model *m)
{
    json_t *out = json_array();
    for (size_t i = 0; i < m->curve_count; i++) {
        const model_point *p = &m->curve[i];
        json_array_append_new(
            out, json_pack("{s:o, s:o, s:o, s:o, s:o}", "epoch", count(p->epoch), "loss",
                           number((double)p->loss), "recall", number((double)p->recall), "ndcg",
                           number((double)p->ndcg), "seconds", number(p->seconds)));
    }
    return out;
}

/* set_metrics writes the metrics as "valid" and the number of users as "valid_users", by the names
 * given. It writes nothing if nothing was measured. */
static void set_metrics(json_t *out, const char *name, const char *users, const eval_metrics *m)
{
    if (m->users > 0) {
        json_object_set_new(out, name, model_metrics_json(m));
        json_object_set_new(out, users, count(m->users));
    }
}

json_t *model_json_new(const model *m, bool refit)
{
    json_t *out = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:s, s:s, s:o}", "options",
                            model_options_json(&m->options), "modalities", modalities(m), "epochs",
                            count(m->epochs), "best_epoch", count(m->best_epoch), "seconds",
                            number(m->seconds), "seconds_per_epoch", number(m->seconds_per_epoch),
                            "refit", refit, "protocol", eval_protocol_name(m->options.protocol),
                            "mask", eval_protocol_mask(m->options.protocol, EVAL_TEST),
                            "users_dropped", count(model_judged(m)->dropped));
    if (out == NULL) {
        return NULL;
    }
    set_metrics(out, "valid", "valid_users", &m->valid);
    set_metrics(out, "test", "test_users", &m->test);
    json_object_set_new(out, "served", model_served_json(m));
    json_object_set_new(out, "curve", curve(m));
    return out;
}
