/* SPDX-License-Identifier: Apache-2.0 */
/* model: GET /model and /model/generations, POST /model/activate and /model/prune. model_train.c
 * has the training. */
#include "api/handlers.h"
#include "api/resources/generation_tree.h"
#include "api/resources/write.h"
#include "api/web/body.h"
#include "api/web/store_answer.h"
#include "storage/models/generations.h"

/* summary passes on the trainer's summary (options, metrics, learning curve) unchanged. */
static json_t *summary(slice text)
{
    json_t *tree = text.length > 0 ? json_loadb(text.at, text.length, 0, NULL) : NULL;
    return tree != NULL ? tree : json_null();
}

static json_t *generation_answer(const generation_info *g)
{
    json_t *out = generation_tree(g);
    json_object_set_new(out, "data_seq", json_integer((json_int_t)g->seq));
    json_object_set_new(out, "training", summary(g->summary));
    return out;
}

/* serving_generation describes the generation that is served. *active is the one that the store has
 * as active. */
static err_code serving_generation(context *c, json_t **out, uint32_t *active, err *e)
{
    store_read *read;
    store_info now;
    generation_info info;
    *out = json_null();
    err_code code = context_read(c, &read, e);
    if (code == ERR_OK) {
        code = store_read_stat(read, &now, e);
        if (code != ERR_OK) {
            store_read_end(read);
        }
    }
    if (code != ERR_OK) {
        return code;
    }
    *active = now.generation;
    uint32_t number = view_generation(c->view);
    if (number == 0) {
        store_read_end(read);
        return ERR_OK;
    }
    err own = ERR_INIT;
    code = generation_get(read, number, c->memory, &info, &own);
    store_read_end(read);
    if (code == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (code != ERR_OK) {
        return err_set(e, code, "%s", own.text);
    }
    *out = generation_answer(&info);
    return *out != NULL ? ERR_OK : err_nomem(e, "a generation");
}

err_code handle_model_get(context *c, err *e)
{
    json_t *generation;
    uint32_t active = 0;
    view_stats s;
    query_end(c);
    err_code code = context_check(c, e);
    if (code != ERR_OK) {
        return code;
    }
    code = serving_generation(c, &generation, &active, e);
    if (code != ERR_OK) {
        return code;
    }
    view_stats_get(c->view, &s);
    json_t *live_part =
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "items", (json_int_t)s.items, "items_hidden",
                  (json_int_t)s.items_hidden, "users", (json_int_t)s.users, "interactions",
                  (json_int_t)s.interactions, "base_rows", (json_int_t)s.base_rows, "delta_rows",
                  (json_int_t)s.delta_rows, "changes", (json_int_t)s.changes);
    json_t *answer = json_pack(
        "{s:o,s:o,s:o,s:I,s:I,s:o,s:o}", "model", tree_generation(s.generation), "active",
        tree_generation(active), "serving", tree_generation(s.generation), "seq", (json_int_t)s.seq,
        "dim", (json_int_t)view_dim(c->view), "generation", generation, "live", live_part);
    return answer_tree(c, answer, e);
}

err_code handle_model_generations_get(context *c, err *e)
{
    store_read *read;
    const generation_info *list;
    size_t count = 0;
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = context_read(c, &read, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    code = generation_list(read, c->memory, &list, &count, e);
    store_read_end(read);
    if (code != ERR_OK) {
        return code;
    }
    json_t *generations = json_array();
    for (size_t i = 0; generations != NULL && i < count; i++) {
        json_array_append_new(generations, generation_answer(&list[i]));
    }
    context_view(c);
    return answer_tree(c,
                       json_pack("{s:o,s:o,s:I}", "generations", generations, "model",
                                 tree_generation(view_generation(c->view)), "seq",
                                 (json_int_t)view_seq(c->view)),
                       e);
}

/* The one member of a body that changes which generations there are or which is active. */
typedef struct change_member {
    const char *name, *pointer;
    uint64_t least, most;
    const char *what; /* for a message if the member is missing */
} change_member;

/* begin_change reads the member and begins an op of this kind. */
static err_code begin_change(context *c, op_kind kind, const change_member *member, api_write **w,
                             uint64_t *number, err *e)
{
    const char *const names[] = {member->name, NULL};
    body_object o;
    query_end(c);
    err_code code = body_parse(c, &o, e);
    if (code != ERR_OK) {
        return code;
    }
    body_known(&o, names);
    size_t before = c->problems.found;
    if (!body_unsigned(&o, member->name, member->least, member->most, number) &&
        c->problems.found == before) {
        problem_at(&c->problems, member->pointer, "missing: expected %s", member->what);
    }
    code = context_check(c, e);
    if (code == ERR_OK) {
        code = write_new(c, kind, 1 << 16, w, e);
    }
    if (code == ERR_OK) {
        (*w)->single = true;
        (*w)->op->count = 1;
    }
    return code;
}

err_code handle_model_activate_post(context *c, err *e)
{
    static const change_member member = {"generation", "/generation", 1, UINT32_MAX - 1,
                                         "the number of a generation"};
    api_write *w;
    uint64_t number = 0;
    err_code code = begin_change(c, OP_GENERATION_ACTIVATE, &member, &w, &number, e);
    if (code != ERR_OK) {
        return code;
    }
    w->op->generation = (uint32_t)number;
    return write_idempotent(c, w, e);
}

err_code handle_model_prune_post(context *c, err *e)
{
    static const change_member member = {"keep", "/keep", 0, GENERATIONS_KEEP_MAX,
                                         "how many generations to keep besides the active one"};
    api_write *w;
    uint64_t keep = 0;
    err_code code = begin_change(c, OP_GENERATION_PRUNE, &member, &w, &keep, e);
    if (code != ERR_OK) {
        return code;
    }
    w->op->keep = (uint32_t)keep;
    return write_idempotent(c, w, e);
}
