/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_report.h"

json_t *report_metrics(const eval_metrics *m)
{
    json_t *j = json_object();
    char name[32];
    for (size_t i = 0; j != NULL && i < m->at_count; i++) {
        snprintf(name, sizeof name, "Recall@%u", m->at[i]);
        json_object_set_new(j, name, json_real(m->recall[i]));
    }
    for (size_t i = 0; j != NULL && i < m->at_count; i++) {
        snprintf(name, sizeof name, "NDCG@%u", m->at[i]);
        json_object_set_new(j, name, json_real(m->ndcg[i]));
    }
    return j;
}

void report_judged(FILE *to, const eval_metrics *m)
{
    if (m->no_history > 0) {
        fprintf(to, "%zu of %zu users have no training interaction: they get the popular list\n",
                m->no_history, m->users);
    }
    if (m->hidden > 0) {
        fprintf(to,
                "%zu hidden items are in no list; %zu of the %zu interactions to be found are "
                "theirs\n",
                m->hidden, m->held_hidden, m->held);
    }
}

void report_judged_json(json_t *out, const eval_metrics *m)
{
    json_object_set_new(out, "users_without_history", json_integer((json_int_t)m->no_history));
    json_object_set_new(out, "hidden_items", json_integer((json_int_t)m->hidden));
    json_object_set_new(out, "held_out", json_integer((json_int_t)m->held));
    json_object_set_new(out, "held_out_hidden", json_integer((json_int_t)m->held_hidden));
}

void report_ranks(FILE *to, const model *m)
{
    size_t filled = 0;
    for (size_t i = 0; i < m->modality_count; i++) {
        size_t rank = model_rank(&m->modalities[i], m->dim);
        filled = rank > filled ? rank : filled;
        fprintf(to, "features %s: rank %zu%s\n", m->modalities[i].name, rank,
                rank == m->dim ? " or more" : "");
    }
    if (m->modality_count > 0 && filled < m->dim && !m->options.without_mi) {
        fprintf(to, "features fill %zu of %u dimensions; interactions alone shape the others\n",
                filled, m->dim);
    }
}

static const char *kind_name(links_kind kind)
{
    return kind == LINKS_DIRECTED ? "directed" : "cosine";
}

/* A model that is only described has no tables to count. */
static uint64_t link_count(const item_links *l, links_source x)
{
    return l->source[x].start != NULL ? l->source[x].start[l->items] : 0;
}

void report_served(FILE *to, const model *m)
{
    fprintf(to, "served %s", model_serving_name(m->serving));
    if (m->serving != SERVE_AS_TRAINED) {
        fprintf(to, " (x %.2f on validation)", m->serving_gain);
    }
    if (m->links == NULL) {
        fprintf(to, ", without links\n");
        return;
    }
    const links_choice *c = &m->links->choice;
    fprintf(to, ", with links (x %.2f on validation): collaborative %.2f (%s), by features %.2f",
            m->links_gain, (double)c->beta[LINKS_COLLABORATIVE], kind_name(c->kind),
            (double)c->beta[LINKS_CONTENT]);
    if (c->recency[LINKS_COLLABORATIVE] < 1) {
        fprintf(to, ", each step back in time counts %.2f",
                (double)c->recency[LINKS_COLLABORATIVE]);
    }
    fprintf(to, "; %.1f MiB\n", (double)links_bytes(m->links) / (1 << 20));
}

json_t *report_served_json(const model *m)
{
    json_t *links = json_null();
    if (m->links != NULL) {
        const links_choice *c = &m->links->choice;
        links = json_pack(
            "{s:s, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "kind", kind_name(c->kind), "shrinkage",
            (double)c->shrinkage, "collaborative", (double)c->beta[LINKS_COLLABORATIVE], "content",
            (double)c->beta[LINKS_CONTENT], "recency", (double)c->recency[LINKS_COLLABORATIVE],
            "gain", m->links_gain, "collaborative_links",
            (json_int_t)link_count(m->links, LINKS_COLLABORATIVE), "content_links",
            (json_int_t)link_count(m->links, LINKS_CONTENT));
    }
    return json_pack("{s:s, s:f, s:o}", "layers", model_serving_name(m->serving), "gain",
                     m->serving_gain, "links", links);
}

json_t *report_options(const train_options *o)
{
    char select[32];
    snprintf(select, sizeof select, "%s@%u", o->select_metric == TRAIN_RECALL ? "Recall" : "NDCG",
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
    if (o->without_links) {
        json_array_append_new(without, json_string("links"));
    }
    return json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}",
                     "dim", (json_int_t)o->dim, "layers", (json_int_t)o->layers, "gamma_forward",
                     o->gamma_forward, "gamma_backward", o->gamma_backward, "lr", o->lr,
                     "weight_decay", o->weight_decay, "batch", (json_int_t)o->batch, "epochs",
                     (json_int_t)o->epochs, "patience", (json_int_t)o->patience, "eval_every",
                     (json_int_t)o->eval_every, "seed", (json_int_t)o->seed, "threads",
                     (json_int_t)o->threads, "select", select, "protocol",
                     eval_protocol_name(o->protocol), "without", without);
}

static json_t *curve(const model *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < m->curve_count; i++) {
        const model_point *p = &m->curve[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:f, s:f, s:f, s:f}", "epoch", (json_int_t)p->epoch,
                                        "loss", (double)p->loss, "recall", (double)p->recall,
                                        "ndcg", (double)p->ndcg, "seconds", p->seconds));
    }
    return list;
}

json_t *report_summary(const model *m, bool refit)
{
    json_t *modalities = json_array();
    for (size_t i = 0; modalities != NULL && i < m->modality_count; i++) {
        const model_modality *x = &m->modalities[i];
        json_array_append_new(modalities, json_pack("{s:s, s:I, s:I, s:I}", "name", x->name,
                                                    "width", (json_int_t)x->width, "neighbours",
                                                    (json_int_t)x->neighbours, "rank",
                                                    (json_int_t)model_rank(x, m->dim)));
    }
    json_t *j = json_pack("{s:o, s:o, s:I, s:I, s:f, s:f, s:b, s:s, s:s, s:I}", "options",
                          report_options(&m->options), "modalities", modalities, "epochs",
                          (json_int_t)m->epochs, "best_epoch", (json_int_t)m->best_epoch, "seconds",
                          m->seconds, "seconds_per_epoch", m->seconds_per_epoch, "refit", refit,
                          "protocol", eval_protocol_name(m->options.protocol), "mask",
                          eval_protocol_mask(m->options.protocol, EVAL_TEST), "users_dropped",
                          (json_int_t)model_judged(m)->dropped);
    if (j == NULL) {
        return NULL;
    }
    if (m->valid.users > 0) {
        json_object_set_new(j, "valid", report_metrics(&m->valid));
        json_object_set_new(j, "valid_users", json_integer((json_int_t)m->valid.users));
    }
    if (m->test.users > 0) {
        json_object_set_new(j, "test", report_metrics(&m->test));
        json_object_set_new(j, "test_users", json_integer((json_int_t)m->test.users));
    }
    json_object_set_new(j, "served", report_served_json(m));
    json_object_set_new(j, "curve", curve(m));
    return j;
}

void report_line(FILE *to, const char *name, const eval_metrics *m)
{
    fprintf(to, "%-16s", name);
    for (size_t i = 0; i < m->at_count; i++) {
        fprintf(to, "  R@%-2u %.4f", m->at[i], m->recall[i]);
    }
    for (size_t i = 0; i < m->at_count; i++) {
        fprintf(to, "  N@%-2u %.4f", m->at[i], m->ndcg[i]);
    }
    fprintf(to, "\n");
}
