/* SPDX-License-Identifier: Apache-2.0 */
#include "server/checkup/survey.h"

#include "server/checkup/in_child.h"
#include "server/cli/command.h"
#include "server/telemetry/clock.h"
#include "storage/env/store.h"
#include "storage/maintenance/walk.h"

typedef struct survey {
    const char *dir;
    child_place *place;
    double until;
} survey;

static void at(void *ctx, const char *database)
{
    place_set(((survey *)ctx)->place, database);
}

static bool enough(void *ctx)
{
    return clock_seconds() >= ((survey *)ctx)->until;
}

static err_code walk(void *ctx, child_place *place, err *e)
{
    survey *v = ctx;
    store *s = NULL;
    walk_report report;
    err why = ERR_INIT;
    store_options how = {.mode = STORE_READ, .now = clock_now()};
    v->place = place;
    err_code code = store_open(&s, v->dir, &how, &why);
    if (code == ERR_OK) {
        walk_options options = {.at = at, .enough = enough, .ctx = v};
        code = walk_store(s, &options, &report, &why);
        store_close(s);
    }
    return code == ERR_CORRUPT ? err_set(e, code, "%s", why.text) : ERR_OK;
}

err_code survey_store(const char *dir, err *e)
{
    survey v = {.dir = dir, .until = clock_seconds() + SURVEY_SECONDS};
    child_work work = {.name = "a walk through its pages", .run = walk, .ctx = &v};
    err_code code = in_child(&work, e);
    if (code == ERR_CORRUPT) {
        err_context(e, "%s", dir);
    }
    return code;
}
