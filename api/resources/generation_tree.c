/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resources/generation_tree.h"

#include "api/web/store_answer.h"

json_t *generation_tree(const generation_info *g)
{
    char uuid[GENERATION_ID_TEXT], sha256[GENERATION_SHA256_TEXT];
    generation_id_text(&g->id, uuid);
    generation_sha256_text(g, sha256);
    return json_pack("{s:I, s:s, s:s, s:s, s:b, s:o, s:I, s:I, s:I}", "generation",
                     (json_int_t)g->number, "uuid", uuid, "sha256", sha256, "state",
                     g->held ? "ready" : "absent", "active", (int)g->active, "created",
                     tree_time(g->created), "users", (json_int_t)g->users, "items",
                     (json_int_t)g->items, "bytes", (json_int_t)g->bytes);
}
