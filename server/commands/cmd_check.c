/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair check: verifies every record and every invariant of a store, and reports what in the
 * configuration and the machine could prevent serving it.
 *
 * It exits with 0 only if nothing is wrong. It works beside a live service and sees one state. With
 * --repair it owns the store, first repairs what it can, and then checks the result.
 */
#include <jansson.h>
#include <stdio.h>

#include "server/checkup/explain.h"
#include "server/checkup/in_child.h"
#include "server/cli/result.h"
#include "server/commands/commands.h"
#include "server/telemetry/clock.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/digest.h"
#include "storage/maintenance/recover.h"
#include "storage/maintenance/repair.h"

typedef struct check_arguments {
    const char *store;
    const char *user;
    const char *file; /* configuration file to compare with the machine; NULL if not given */
    bool json, digest, repair;
} check_arguments;

static const option table[] = {
    OPTION_STORE(check_arguments),
    {.name = "user",
     .key = "check-user",
     OPTION_FIELD(check_arguments, user, OPTION_TEXT),
     .value = "ID",
     .help = "instead of the check, list the places in the store that still hold data "
             "of this user"},
    {.name = "digest",
     .key = "check-digest",
     OPTION_FIELD(check_arguments, digest, OPTION_BOOL),
     .help = "instead of the check, print POSITION SEQ HASH of the content, equal on "
             "nodes that applied the same log; POSITION is - outside a cluster"},
    {.name = "repair",
     .key = "check-repair",
     OPTION_FIELD(check_arguments, repair, OPTION_BOOL),
     .help = "first repair what can be removed or derived again without losing "
             "content, and name each repair; only while no service runs"},
    OPTION_JSON(check_arguments),
    OPTION_END,
};

/* At most this many problems are listed; the count includes all. */
enum { PROBLEMS_SHOWN = 100 };

typedef struct told {
    json_t *list, *warnings, *notes;
    json_t *repaired; /* the repairs, as texts; NULL without --repair */
    bool json;
    uint64_t count;
    child_place *place;
} told;

static void explain_line(void *ctx, bool warning, const char *text)
{
    told *t = ctx;
    if (t->json) {
        json_array_append_new(warning ? t->warnings : t->notes, json_string(text));
    } else {
        printf("%s%s\n", warning ? "warning: " : "", text);
    }
}

static void mended(void *ctx, const char *text)
{
    told *t = ctx;
    if (t->json) {
        json_array_append_new(t->repaired, json_string(text));
    } else {
        printf("repaired: %s\n", text);
    }
}

static void tell(void *ctx, const char *text)
{
    told *t = ctx;
    if (t->count++ >= PROBLEMS_SHOWN) {
        return;
    }
    if (t->json) {
        json_array_append_new(t->list, json_string(text));
    } else {
        printf("  %s\n", text);
    }
}

static void tell_to_encode(told *t, uint64_t items)
{
    char text[160];
    if (items > 0) {
        snprintf(text, sizeof text,
                 "%llu items still have the vector of another encoder, because stair encode "
                 "--replace was interrupted: continue with stair encode",
                 (unsigned long long)items);
        explain_line(t, true, text);
    }
}

static err_code print_report(const check_arguments *a, store *s, const check_report *report,
                             told *t, err *e)
{
    explain_to to = {explain_line, t};
    const store_info *info = &report->info;
    char lineage[LINEAGE_TEXT];
    store_lineage_text(info->lineage, lineage);
    if (!a->json) {
        printf("format %d, lineage %s, write %llu, active generation %u\n"
               "%llu items, %llu users, %llu interactions, %llu feature vectors, %u modalities\n"
               "%u generations (%u unfinished), %llu log entries, %llu kept answers\n",
               STORE_FORMAT, lineage, (unsigned long long)info->seq, info->generation,
               (unsigned long long)report->items, (unsigned long long)report->users,
               (unsigned long long)report->interactions, (unsigned long long)report->features,
               report->modalities, report->generations, report->unfinished_generations,
               (unsigned long long)report->log_entries,
               (unsigned long long)report->idempotency_records);
        tell_to_encode(t, report->items_to_encode);
        explain_service(&to, s, a->file);
        printf("%llu problems\n", (unsigned long long)report->problems);
        return ERR_OK;
    }
    tell_to_encode(t, report->items_to_encode);
    explain_service(&to, s, a->file);
    json_t *out = json_pack(
        "{s:i,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O,s:O,s:O,s:b,s:O*}", "format",
        STORE_FORMAT, "lineage", lineage, "seq", (json_int_t)info->seq, "generation",
        (json_int_t)info->generation, "items", (json_int_t)report->items, "users",
        (json_int_t)report->users, "interactions", (json_int_t)report->interactions, "features",
        (json_int_t)report->features, "generations", (json_int_t)report->generations,
        "unfinished_generations", (json_int_t)report->unfinished_generations, "log_entries",
        (json_int_t)report->log_entries, "problems", (json_int_t)report->problems, "list", t->list,
        "warnings", t->warnings, "notes", t->notes, "complete", 1, "repaired", t->repaired);
    t->place->printed = true;
    err_code code = result_json(out, JSON_COMPACT, "the report", e);
    json_decref(out);
    return code;
}

static err_code check_all(const check_arguments *a, store *s, const check_options *options, told *t,
                          err *e)
{
    check_report report;
    err_code code = check_run(s, options, &report, e);
    if (code == ERR_OK) {
        code = print_report(a, s, &report, t, e);
    }
    if (code == ERR_OK && report.problems > 0) {
        bool node = report.info.external[0] != '\0';
        code =
            err_set(e, ERR_CORRUPT, "the store %s has %llu problems: %srestore a snapshot, or %s",
                    a->store, (unsigned long long)report.problems,
                    a->repair ? "" : "try stair check --repair, which drops no content; else ",
                    node ? "fill this node again with stair cluster join"
                         : "export and import what can be read");
    }
    return code;
}

/* check_one_user lists the places that contain the user. The exit status is 0 even if there are
 * any, because the caller asked for a list. */
static err_code check_one_user(const check_arguments *a, store *s, const check_options *options,
                               told *t, err *e)
{
    uint64_t places = 0;
    err_code code = check_user(s, slice_of(a->user), options, &places, e);
    if (code == ERR_OK && a->json) {
        json_t *out = json_pack("{s:s,s:I,s:O}", "user", a->user, "places", (json_int_t)places,
                                "list", t->list);
        code = out != NULL ? result_json(out, JSON_COMPACT, "the answer", e)
                           : err_set(e, ERR_INVALID, "--user: not valid UTF-8");
        json_decref(out);
    } else if (code == ERR_OK) {
        printf("%llu places\n", (unsigned long long)places);
    }
    return code;
}

static err_code print_digest(const check_arguments *a, store *s, err *e)
{
    store_digest digest;
    err_code code = digest_read(s, interrupt_requested, NULL, &digest, e);
    if (code != ERR_OK) {
        return code;
    }
    const char *position = digest.position[0] != '\0' ? digest.position : "-";
    if (!a->json) {
        printf("%s %llu %s\n", position, (unsigned long long)digest.seq, digest.hash);
        return ERR_OK;
    }
    json_t *out =
        json_pack("{s:s,s:I,s:s,s:I}", "position", position, "seq", (json_int_t)digest.seq, "hash",
                  digest.hash, "records", (json_int_t)digest.records);
    code = result_json(out, JSON_COMPACT, "the digest", e);
    json_decref(out);
    return code;
}

static void at(void *ctx, const char *database)
{
    place_set(((told *)ctx)->place, database);
}

/* open_to_repair does not use recover_open, because what that would remove may be damaged. */
static err_code open_to_repair(store **s, const check_arguments *a, told *t, err *e)
{
    store_options how = {.mode = STORE_OWNER, .now = clock_now()};
    repair_options options = {
        .mended = mended, .at = at, .ctx = t, .cancelled = interrupt_requested};
    uint64_t count = 0;
    t->repaired = json_array();
    err_code code = store_open(s, a->store, &how, e);
    if (code == ERR_OK) {
        code = repair_run(*s, &options, &count, e);
    }
    if (code == ERR_OK && count == 0 && !a->json) {
        puts("nothing was repaired");
    }
    return code;
}

static err_code look(void *ctx, child_place *place, err *e)
{
    const check_arguments *a = ctx;
    store *s = NULL;
    told t = {.list = json_array(),
              .warnings = json_array(),
              .notes = json_array(),
              .json = a->json,
              .place = place};
    check_options options = {
        .problem = tell, .at = at, .ctx = &t, .cancelled = interrupt_requested};
    store_options how = {.mode = STORE_READ, .now = clock_now()};
    err_code code = a->repair ? open_to_repair(&s, a, &t, e) : recover_open(&s, a->store, &how, e);
    if (code == ERR_OK) {
        code = a->digest         ? print_digest(a, s, e)
               : a->user != NULL ? check_one_user(a, s, &options, &t, e)
                                 : check_all(a, s, &options, &t, e);
    }
    store_close(s);
    json_decref(t.list);
    json_decref(t.warnings);
    json_decref(t.notes);
    json_decref(t.repaired);
    return code;
}

/* print_incomplete prints a report in place of the one that the damage cut short. */
static void print_incomplete(const char *why)
{
    err ignored = ERR_INIT; /* the command already fails because of the damage */
    json_t *out = json_pack("{s:i,s:[s],s:[],s:[],s:b}", "problems", 1, "list", why, "warnings",
                            "notes", "complete", 0);
    (void)!result_json(out, JSON_COMPACT, "the report", &ignored);
    json_decref(out);
}

static err_code run(const command_call *call, err *e)
{
    check_arguments given = *(const check_arguments *)call->options;
    child_place last = {0};
    given.file = call->values->file;
    if (given.repair && (given.digest || given.user != NULL)) {
        return err_set(e, ERR_INVALID, "--repair: cannot be combined with --digest or --user");
    }
    child_work work = {.name = given.repair ? "the repair" : "the check",
                       .run = look,
                       .ctx = &given,
                       .last = &last};
    err_code code = in_child(&work, e);
    if (code == ERR_CORRUPT && given.json && !last.printed) {
        print_incomplete(e->text);
    }
    return code;
}

const command cmd_check = {.name = "check",
                           .summary = "verify every record and invariant of a store",
                           .options = table,
                           .options_bytes = sizeof(check_arguments),
                           .run = run};
