/* SPDX-License-Identifier: Apache-2.0 */
#include "server/runtime/startup.h"

#include <pthread.h>

#include "server/load/live_load.h"
#include "server/runtime/generation_base.h"
#include "server/telemetry/log.h"
#include "server/telemetry/supervisor.h"
#include "storage/models/generations.h"

/* One half of the start: a thread of its own reads the generation. */
typedef struct reading {
    store *store;
    uint32_t generation;
    int threads;
    base *base; /* NULL until it has been read */
    err_code code;
    err why;
} reading;

static void *read_generation(void *ctx)
{
    reading *r = ctx;
    r->code = generation_read(&r->base, r->store, r->generation, r->threads, &r->why);
    return NULL;
}

/* activate combines what both threads have read. */
static err_code activate(reading *r, live *l, const store_info *info, err *e)
{
    live_hold hold;
    if (r->code == ERR_OK) {
        live_acquire(l, &hold);
        r->code = generation_fold(r->base, r->store, hold.view, &r->why);
        live_release(l, &hold);
    }
    if (r->code == ERR_OK) {
        base *whole = r->base;
        r->base = NULL;
        return live_activate(l, whole, info->seq, e);
    }
    if (r->code == ERR_NOMEM) {
        return err_set(e, r->code, "%s", r->why.text);
    }
    log_event(LOG_ERROR, "generation_unreadable", log_int("generation", r->generation),
              log_text("error", r->why.text));
    return ERR_OK;
}

static err_code find_generation(store *s, uint32_t *number, err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(s, &r, e);
    if (code == ERR_OK) {
        code = generation_to_serve(r, number, e);
    }
    store_read_end(r);
    return code;
}

err_code startup_load(store *s, live *l, int threads, store_info *info, err *e)
{
    pthread_t beside;
    uint32_t generation = 0;
    err_code code = store_stat(s, info, e);
    if (code == ERR_OK) {
        code = find_generation(s, &generation, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    supervisor_status("Reading %llu items, %llu users, %llu interactions and generation %u",
                      (unsigned long long)info->items, (unsigned long long)info->users,
                      (unsigned long long)info->interactions, generation);
    reading r = {.store = s, .generation = generation, .threads = threads, .why = ERR_INIT};
    if (r.generation == 0) {
        return live_load(s, l, info, e);
    }
    if (pthread_create(&beside, NULL, read_generation, &r) != 0) {
        return err_set(e, ERR_NOMEM, "no thread for reading the model");
    }
    code = live_load(s, l, info, e);
    pthread_join(beside, NULL);
    if (code == ERR_OK) {
        code = activate(&r, l, info, e);
    }
    base_release(r.base);
    return code;
}
