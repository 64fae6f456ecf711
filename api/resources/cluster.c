/* SPDX-License-Identifier: Apache-2.0 */
/* cluster: GET /cluster. */
#include "api/handlers.h"
#include "api/web/store_answer.h"

err_code handle_cluster_get(context *c, err *e)
{
    query_end(c);
    err_code code = context_check(c, e);
    if (code != ERR_OK) {
        return code;
    }
    if (c->deps->cluster == NULL) {
        return err_set(e, ERR_NOT_FOUND, "this service is a single node, not part of a cluster");
    }
    return answer_tree(c, c->deps->cluster(c->deps->ctx), e);
}
