/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_publish.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/search/index.h"
#include "server/cli/command.h"
#include "server/jobs/train_quota.h"
#include "server/jobs/train_report.h"
#include "server/runtime/model_json.h"
#include "server/telemetry/clock.h"
#include "storage/log/apply.h"
#include "storage/log/op.h"
#include "storage/maintenance/recover.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"
#include "storage/models/words_store.h"

static err_code decide(const publication *p, publication_result *out, err *e)
{
    contender c = {.s = p->s, .d = p->d, .m = p->m, .refit = p->refit};
    out->activate = p->wish == ACTIVATE_YES;
    if (p->wish != ACTIVATE_AUTO) {
        return ERR_OK;
    }
    err_code code = train_compare(&out->comparison, &c, e);
    out->activate = code == ERR_OK && out->comparison.takes_over;
    return code;
}

static err_code cluster(const model *m, void **ann, size_t *bytes, err *e)
{
    if (m->items < INDEX_ANN_ROWS_MIN) {
        return ERR_OK;
    }
    vector_index *ix = NULL;
    index_options o = {.threads = (unsigned)m->options.threads, .seed = m->options.seed};
    err_code code = index_new(&ix, m->item_h, m->items, m->dim, &o, e);
    if (code == ERR_OK) {
        code = index_encode(ix, ann, bytes, e);
    }
    index_free(ix);
    return code;
}

err_code train_publish(const publication *p, publication_result *out, err *e)
{
    *out = (publication_result){0};
    generation_info info = {.created = p->now, .seq = p->origin->seq};
    memcpy(info.lineage, p->origin->lineage, sizeof info.lineage);
    info.users = (uint32_t)p->m->users;
    info.items = (uint32_t)p->m->items;
    void *ann = NULL;
    size_t ann_bytes = 0;
    char *text = NULL;
    err_code code = train_room_check(p->s, p->d, &p->m->options, e);
    if (code == ERR_OK) {
        code = decide(p, out, e);
    }
    if (code == ERR_OK) {
        code = cluster(p->m, &ann, &ann_bytes, e);
    }
    if (code == ERR_OK) {
        code = generation_begin(p->s, &info, &out->generation, e);
    }
    if (code == ERR_OK) {
        code = model_put(p->s, out->generation, p->m, ann, ann_bytes, e);
    }
    if (code == ERR_OK) {
        code = words_put(p->s, out->generation, p->d->words, e);
    }
    if (code == ERR_OK) {
        json_t *summary = model_json_new(p->m, p->refit);
        text = json_dumps(summary, JSON_COMPACT | JSON_REAL_PRECISION(9));
        json_decref(summary);
        code = text == NULL ? err_nomem(e, "the generation's summary") : ERR_OK;
    }
    if (code == ERR_OK) {
        slice summary = {text, strlen(text)};
        code = generation_finish(p->s, out->generation, summary, out->activate, e);
    }
    free(text); /* json_dumps' own */
    mem_free(ann);
    return code;
}

err_code train_activate(const char *dir, uint32_t generation, bool *done, err *e)
{
    *done = false;
    store_options so = {.mode = STORE_OWNER, .now = clock_now()};
    store *s = NULL;
    err busy = ERR_INIT;
    err_code code = recover_open(&s, dir, &so, &busy);
    if (code == ERR_CONFLICT) {
        return ERR_OK;
    }
    if (code != ERR_OK) {
        return err_set(e, code, "%s", busy.text);
    }
    op *o = NULL;
    apply_result result;
    apply_result_init(&result);
    code = op_new(&o, OP_GENERATION_ACTIVATE, 4096, e);
    if (code == ERR_OK) {
        o->generation = generation;
        o->count = 1;
        o->time = clock_now();
        const op *one = o;
        code = apply_group(s, &one, 1, &result, e);
    }
    if (code == ERR_OK && result.code != ERR_OK) {
        code = err_set(e, result.code, "%s", result.detail);
    }
    *done = code == ERR_OK;
    apply_result_fini(&result);
    op_free(o);
    store_close(s);
    return code;
}
