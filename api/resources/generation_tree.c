/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/generation_tree.h"

#include "api/web/store_answer.h"

json_t *generation_tree(const generation_info *g)
{
    return json_pack("{s:I, s:s, s:b, s:o, s:I, s:I, s:I}", "generation", (json_int_t)g->number,
                     "state", g->state == GENERATION_READY ? "ready" : "building", "active",
                     (int)g->active, "created", tree_time(g->created), "users",
                     (json_int_t)g->users, "items", (json_int_t)g->items, "bytes",
                     (json_int_t)g->bytes);
}
