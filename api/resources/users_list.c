/* SPDX-License-Identifier: Apache-2.0 */
/* users_list: GET /users: a page of users in the order in which they came, or a random sample. */
#include "api/handlers.h"
#include "api/web/cost.h"
#include "api/web/store_answer.h"
#include "core/common/rng.h"
#include "storage/records/users.h"

enum { SAMPLE_MAX = 100 };

/* Users that one unit of work reads and writes. */
static const double LISTED = 64;

typedef struct page {
    context *c;
    json_t *list;
    size_t limit;
    uint32_t next; /* row of the first user of the next page */
    bool more;
} page;

static err_code add(void *ctx, const stored_user *u, err *e)
{
    page *p = ctx;
    size_t interactions = 0;
    if (json_array_size(p->list) >= p->limit) {
        p->next = u->row;
        p->more = true;
        return ERR_CANCELLED;
    }
    if (u->row < view_user_rows(p->c->view)) {
        (void)view_user_edges(p->c->view, u->row, &interactions);
    }
    json_t *entry = json_pack("{s:o,s:o,s:I}", "user", tree_text(u->id), "created",
                              tree_time(u->created), "interactions", (json_int_t)interactions);
    return json_array_append_new(p->list, entry) == 0 ? ERR_OK : err_nomem(e, "users");
}

/* sample draws users: each draw takes the first user at or after a random row, so a user after a
 * gap of erased users is drawn more often. The seed is the request's id, which is random and in the
 * log. */
static err_code sample(page *p, store_read *read, size_t count, uint32_t rows, err *e)
{
    rng random;
    uint64_t seed = 0;
    slice id = p->c->request->request_id;
    err_code code = ERR_OK;
    for (size_t i = 0; i < id.length; i++) {
        seed = seed * 131 + (unsigned char)id.at[i];
    }
    rng_init(&random, seed, 0);
    for (size_t i = 0; i < count && rows > 0 && code == ERR_OK; i++) {
        p->limit = json_array_size(p->list) + 1;
        code = user_each(read, rng_below(&random, rows), add, p, e);
    }
    p->more = false;
    return code;
}

err_code handle_users_get(context *c, err *e)
{
    page p = {.c = c};
    store_read *read = NULL;
    store_info info;
    uint32_t first = 0;
    uint64_t drawn = 0;
    query_limit(c, &p.limit);
    query_cursor(c, &first);
    query_unsigned(c, "sample", 1, SAMPLE_MAX, &drawn);
    query_end(c);
    err_code code = context_check(c, e);
    if (code == ERR_OK) {
        code = context_read(c, &read, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    context_view(c);
    code = cost_bounded(c, 1 + (double)(drawn > 0 ? drawn : p.limit) / LISTED, e);
    if (code != ERR_OK) {
        store_read_end(read);
        return code;
    }
    json_t *answer = NULL;
    p.list = json_array();
    code = p.list != NULL ? store_read_stat(read, &info, e) : err_nomem(e, "users");
    if (code == ERR_OK) {
        code = drawn > 0 ? sample(&p, read, (size_t)drawn, info.user_rows, e)
                         : user_each(read, first, add, &p, e);
    }
    if (code == ERR_OK) {
        answer = json_pack("{s:O,s:o,s:I}", "users", p.list, "next_cursor",
                           tree_cursor(p.more, p.next), "seq", (json_int_t)info.seq);
    }
    store_read_end(read);
    json_decref(p.list);
    return code == ERR_OK ? answer_tree(c, answer, e) : code;
}
