/* SPDX-License-Identifier: Apache-2.0 */
#include "server/jobs/train_argv.h"

#include <stdio.h>
#include <string.h>

#include "core/words/words.h"
#include "server/cli/command.h"
#include "server/jobs/train_arguments.h"
#include "server/jobs/train_child.h"
#include "storage/records/features.h"

enum { ARGUMENT_BYTES_MAX = 256 * 1024, ARGUMENTS_BEFORE_OPTIONS = 2 };

typedef struct making {
    train_argv *argv;
    const train_ask *ask;
    /* faults with a place in the body, including those that its reader found */
    size_t reported;
    err elsewhere;        /* the first fault without a place */
    train_arguments args; /* as the child will read them */
} making;

/* --- reporting ---------------------------------------------------------------------------- */

static const api_train_option *asked_for(const train_ask *ask, const char *name)
{
    for (size_t i = 0; i < ask->count; i++) {
        if (slice_equal(ask->options[i].name, slice_of(name))) {
            return &ask->options[i];
        }
    }
    return NULL;
}

static void refuse(making *m, const char *pointer, const char *why)
{
    m->ask->report(m->ask->report_ctx, pointer, why);
    m->reported++;
}

/* on_fault reports a fault at its place in the body. A fault of an option that is not in the body
 * comes from the environment. */
static void on_fault(void *ctx, const char *name, slice part, const char *why)
{
    making *m = ctx;
    const api_train_option *given = asked_for(m->ask, name);
    if (given == NULL) {
        (void)err_set(&m->elsewhere, ERR_UNAVAILABLE, "%s: %s", name, why);
        return;
    }
    for (size_t i = 0; part.at != NULL && i < given->part_count; i++) {
        if (slice_equal(given->parts[i].name, part)) {
            refuse(m, given->parts[i].pointer, why);
            return;
        }
    }
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "%.*s%s%s", (int)part.length, part.at != NULL ? part.at : "",
             part.at != NULL ? ": " : "", why);
    refuse(m, given->pointer, text);
}

/* --- arguments ---------------------------------------------------------------------------- */

static err_code push(making *m, const char *name, const char *value, err *e)
{
    train_argv *o = m->argv;
    char *text = value != NULL ? arena_printf(&o->memory, "--%s=%s", name, value)
                               : arena_copy(&o->memory, name, strlen(name) + 1);
    if (text == NULL) {
        return err_nomem(e, "training options");
    }
    if (o->count == TRAIN_ORDER_ARGUMENTS_MAX) {
        return err_set(e, ERR_TOO_LARGE, "expected at most %d training options",
                       TRAIN_ORDER_ARGUMENTS_MAX);
    }
    o->at[o->count++] = text;
    return ERR_OK;
}

/* push_list adds a list as repeated flags. Outside the command line, commas separate the entries of
 * a list. */
static err_code push_list(making *m, const option *entry, char *text, err *e)
{
    err_code code = ERR_OK;
    char *rest = NULL;
    for (char *word = strtok_r(text, ",", &rest); code == ERR_OK && word != NULL;
         word = strtok_r(NULL, ",", &rest)) {
        code = push(m, entry->name, word, e);
    }
    return code;
}

/* is_ours tells whether the process sets this option, and not the caller. */
static bool is_ours(const char *name)
{
    static const char *const names[] = {"store", "json", "progress-fd", "config", "quota"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static err_code push_option(making *m, const api_train_option *given, err *e)
{
    err why = ERR_INIT;
    arena *memory = &m->argv->memory;
    char *name = arena_printf(memory, "%.*s", (int)given->name.length, given->name.at);
    char *value = given->value.at != NULL ? arena_printf(memory, "%s", given->value.at) : NULL;
    if (name == NULL || (value == NULL && given->value.at != NULL)) {
        return err_nomem(e, "training options");
    }
    const option *entry = is_ours(name) ? NULL : options_find(train_option_table, name);
    if (entry == NULL) {
        refuse(m, given->pointer, "no such training option");
    } else if (asked_for(m->ask, name) != given) {
        refuse(m, given->pointer, "given twice; a hyphen and an underscore mean the same");
    } else if (value == NULL) {
        m->reported++; /* the reader of the body has reported it */
    } else if (options_set(entry, &m->args, value, entry->name, memory, &why) != ERR_OK) {
        if (why.code != ERR_INVALID) {
            return err_set(e, why.code, "%s", why.text);
        }
        refuse(m, given->pointer, why.text);
    } else if (entry->type == OPTION_LIST) {
        return push_list(m, entry, value, e);
    } else {
        return push(m, entry->name, value, e);
    }
    return ERR_OK;
}

/* push_fixed adds the options that every child gets, whatever the caller asks for. */
static err_code push_fixed(making *m, err *e)
{
    char number[32];
    store_info info;
    err_code code = store_stat(m->ask->store, &info, e);
    if (code == ERR_OK) {
        code = push(m, m->ask->program, NULL, e);
    }
    if (code == ERR_OK) {
        code = push(m, "train", NULL, e);
    }
    if (code == ERR_OK) {
        code = push(m, "store", store_dir(m->ask->store), e);
    }
    if (code == ERR_OK) {
        snprintf(number, sizeof number, "%d", TRAIN_CHILD_PROGRESS_FD);
        code = push(m, "progress-fd", number, e);
    }
    if (code == ERR_OK) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)info.quota_bytes);
        code = push(m, "quota", number, e);
    }
    if (code == ERR_OK && m->ask->threads > 0 && asked_for(m->ask, "threads") == NULL) {
        snprintf(number, sizeof number, "%u", m->ask->threads);
        code = push(m, "threads", number, e);
    }
    return code;
}

/* --- checking ----------------------------------------------------------------------------- */

/* check_names refuses modalities that the store does not have. A modality stays once it is used, so
 * the child knows every name that is accepted here. */
static err_code check_names(making *m, const train_request *request, err *e)
{
    store_read *r = NULL;
    err_code code = store_read_begin(m->ask->store, &r, e);
    for (size_t i = 0; code == ERR_OK && i < request->neighbour_count; i++) {
        modality found;
        char why[ERR_TEXT_MAX];
        slice name = request->neighbours[i].modality;
        err none = ERR_INIT;
        code = slice_equal(name, slice_of(WORDS_MODALITY)) ? ERR_OK
                                                           : modality_find(r, name, &found, &none);
        if (code == ERR_NOT_FOUND) {
            snprintf(why, sizeof why, "the store has no features named \"%.*s\"",
                     (int)(name.length < 64 ? name.length : 64), name.at);
            on_fault(m, "neighbours", name, why);
            code = ERR_OK;
        } else if (code != ERR_OK) {
            (void)err_set(e, code, "%s", none.text);
        }
    }
    store_read_end(r);
    return code;
}

/* check_as_child reads the arguments as the child will, with the same environment. */
static err_code check_as_child(making *m, err *e)
{
    option_values values;
    train_request request;
    err why = ERR_INIT;
    train_faults faults = {on_fault, m};
    option_input input = {.argc = (int)m->argv->count - ARGUMENTS_BEFORE_OPTIONS,
                          .argv = m->argv->at + ARGUMENTS_BEFORE_OPTIONS,
                          .known = command_knows_key};
    memset(&m->args, 0, sizeof m->args);
    err_code code = options_read(&values, train_option_table, &m->args, &input, &why);
    if (code == ERR_OK) {
        (void)train_request_make(&request, &m->args, &values, &faults);
        code = request.neighbour_count > 0 ? check_names(m, &request, e) : ERR_OK;
    } else if (code == ERR_NOMEM) {
        code = err_nomem(e, "training options");
    } else if (code != ERR_OK) {
        (void)err_set(&m->elsewhere, ERR_UNAVAILABLE, "%s", why.text);
        code = ERR_OK;
    }
    options_fini(&values);
    return code;
}

err_code train_argv_make(train_argv *out, const train_ask *ask, err *e)
{
    *out = (train_argv){.count = 0};
    arena_init(&out->memory, ARGUMENT_BYTES_MAX);
    making m = {.argv = out, .ask = ask, .elsewhere = ERR_INIT};
    err_code code = push_fixed(&m, e);
    for (size_t i = 0; code == ERR_OK && i < ask->count; i++) {
        code = push_option(&m, &ask->options[i], e);
    }
    if (code == ERR_OK) {
        code = check_as_child(&m, e);
    }
    if (code == ERR_OK && m.reported > 0) {
        code = err_set(e, ERR_INVALID, "some training options are wrong");
    }
    if (code == ERR_OK && m.elsewhere.code != ERR_OK) {
        code = err_set(e, ERR_UNAVAILABLE,
                       "trainings cannot start with this service's settings: %s", m.elsewhere.text);
    }
    return code;
}

void train_argv_fini(train_argv *argv)
{
    arena_fini(&argv->memory);
}
