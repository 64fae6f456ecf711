/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_publish.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/common/mem.h"
#include "core/search/index.h"
#include "server/cli/command.h"
#include "server/jobs/train_quota.h"
#include "server/jobs/train_report.h"
#include "server/runtime/model_json.h"
#include "server/telemetry/clock.h"
#include "storage/log/generation_ops.h"
#include "storage/maintenance/recover.h"
#include "storage/models/generations.h"
#include "storage/models/model_store.h"
#include "storage/models/words_store.h"

/* How long a service may take to number a new generation, and how often to check. */
static const double register_seconds = 30, register_look_seconds = 0.05;

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
    err_code code = train_quota_check(p->s, p->d, &p->m->options, e);
    if (code == ERR_OK) {
        code = decide(p, out, e);
    }
    if (code == ERR_OK) {
        code = cluster(p->m, &ann, &ann_bytes, e);
    }
    if (code == ERR_OK) {
        code = generation_begin(p->s, &info, &out->id, e);
    }
    if (code == ERR_OK) {
        code = model_put(p->s, &out->id, p->m, ann, ann_bytes, e);
    }
    if (code == ERR_OK) {
        code = words_put(p->s, &out->id, p->d->words, e);
    }
    if (code == ERR_OK) {
        json_t *summary = model_json_new(p->m, p->refit);
        text = json_dumps(summary, JSON_COMPACT | JSON_REAL_PRECISION(9));
        json_decref(summary);
        code = text == NULL ? err_nomem(e, "the generation's summary") : ERR_OK;
    }
    if (code == ERR_OK) {
        slice summary = {text, strlen(text)};
        code = generation_finish(p->s, &out->id, summary, out->activate, e);
    }
    free(text); /* allocated by json_dumps */
    mem_free(ann);
    return code;
}

/* register_here registers the generation in a store that no service owns. */
static err_code register_here(store *s, publication_result *out, err *e)
{
    err_code code = generation_register(s, &out->id, clock_now(), &out->generation, e);
    if (code == ERR_OK && out->activate) {
        code = generation_switch(s, out->generation, clock_now(), e);
        out->active = code == ERR_OK;
    }
    return code;
}

/* look_up reads the number from a store that a service owns. ERR_NOT_FOUND: the service has not
 * registered the generation yet. */
static err_code look_up(const char *dir, publication_result *out, err *e)
{
    store *s = NULL;
    store_read *r = NULL;
    store_options so = {.mode = STORE_READ, .now = clock_now()};
    err_code code = recover_open(&s, dir, &so, e);
    if (code == ERR_OK) {
        code = store_read_begin(s, &r, e);
    }
    if (code == ERR_OK) {
        code = generation_number(r, &out->id, &out->generation, e);
    }
    store_read_end(r);
    store_close(s);
    return code;
}

err_code train_register(const char *dir, publication_result *out, err *e)
{
    struct timespec pause = {0, (long)(1e9 * register_look_seconds)};
    double began = clock_seconds();
    for (;;) {
        store_options so = {.mode = STORE_OWNER, .now = clock_now()};
        store *s = NULL;
        err why = ERR_INIT;
        /* A plain open: the sweep of recover_open is not this command's task. */
        err_code code = store_open(&s, dir, &so, &why);
        if (code == ERR_OK) {
            code = register_here(s, out, e);
            store_close(s);
            return code;
        }
        if (code != ERR_CONFLICT) {
            return err_set(e, code, "%s", why.text);
        }
        code = look_up(dir, out, e);
        if (code != ERR_NOT_FOUND || clock_seconds() - began > register_seconds) {
            return code == ERR_NOT_FOUND ? ERR_OK : code;
        }
        nanosleep(&pause, NULL);
    }
}
