/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/generation_json.h"

#include "api/resources/generation_tree.h"
#include "server/runtime/generation_refit.h"
#include "server/runtime/model_json.h"

/* set_users adds the number of evaluated users to the metrics called `name`. If nothing was
 * measured, there are no metrics, and it sets the member to null. */
static void set_users(json_t *out, const char *name, const eval_metrics *m)
{
    json_t *metrics = json_object_get(out, name);
    if (metrics == NULL) {
        json_object_set_new(out, name, json_null());
        return;
    }
    json_object_set_new(metrics, "users", json_integer((json_int_t)m->users));
}

json_t *generation_json_new(const generation_info *info, const model *m)
{
    char lineage[LINEAGE_TEXT];
    json_t *out = generation_tree(info);
    store_lineage_text(info->lineage, lineage);
    json_object_set_new(out, "lineage", json_string(lineage));
    json_object_set_new(out, "seq", json_integer((json_int_t)info->seq));
    if (out == NULL || m == NULL) {
        return out;
    }
    json_t *trained = model_json_new(m, generation_refitted(info));
    json_object_update(out, trained);
    json_decref(trained);
    set_users(out, "valid", &m->valid);
    set_users(out, "test", &m->test);
    return out;
}
