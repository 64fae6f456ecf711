/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_report.h"

#include "server/runtime/model_json.h"

void report_judged(FILE *to, const eval_metrics *m)
{
    if (m->no_history > 0) {
        fprintf(to, "%zu of %zu users have no training interactions: they get the popular list\n",
                m->no_history, m->users);
    }
    if (m->hidden > 0) {
        fprintf(to,
                "%zu hidden items are in no list; %zu of the %zu held-out interactions belong to "
                "them\n",
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
            m->links_gain, (double)c->beta[LINKS_COLLABORATIVE], model_links_kind_name(c->kind),
            (double)c->beta[LINKS_CONTENT]);
    if (c->recency[LINKS_COLLABORATIVE] < 1) {
        fprintf(to, ", each step back in time counts %.2f",
                (double)c->recency[LINKS_COLLABORATIVE]);
    }
    fprintf(to, "; %.1f MiB\n", (double)links_bytes(m->links) / (1 << 20));
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
