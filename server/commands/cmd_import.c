/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stair import: turns files in common formats into the content of a store.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/cli/result.h"
#include "server/commands/commands.h"
#include "server/commands/encode_story.h"
#include "server/jobs/progress.h"
#include "server/telemetry/clock.h"
#include "storage/import/import.h"
#include "storage/maintenance/recover.h"

typedef struct import_arguments {
    const char *store;
    option_list interactions;
    const char *items;
    option_list features;
    int split, duplicates, unknown_items;
    int64_t seed;
    double min_rating;
    bool merge;
    const char *ignore_columns;
    option_list maps, columns;
    const char *header, *items_header, *separator, *list_separator, *null_words, *timezone;
    int time_unit, weights;
    int64_t skip_bad_lines;
    const char *types;
    uint64_t quota;
    bool json;
    encoder_options encoder;
} import_arguments;

static const option table[] = {
    OPTION_STORE(import_arguments),
    {.name = "interactions",
     OPTION_FIELD(import_arguments, interactions, OPTION_LIST),
     .greedy = true,
     .value = "FILE",
     .help = "file of interactions: a table with a header (.inter, .tsv, .csv) or JSON "
             "lines, plain or gzipped; or one file per split: train=FILE valid=FILE "
             "test=FILE"},
    {.name = "items",
     OPTION_FIELD(import_arguments, items, OPTION_TEXT),
     .value = "FILE",
     .help = "file of items: JSON lines with the API's names or other known ones, or a "
             "table with a header, such as RecBole's .item"},
    {.name = "features",
     OPTION_FIELD(import_arguments, features, OPTION_LIST),
     .value = "NAME=FILE.npy",
     .help = "vectors of one modality; row r belongs to line r of --items, or without "
             "--items to the item whose id is the number r; may be repeated"},
    {.name = "split",
     OPTION_FIELD(import_arguments, split, OPTION_CHOICE),
     .choices = "file|none|random|time",
     .help = "which interactions are held out for validation and test; file: by the file's split "
             "column, if it has one; none: no interaction; random: 8:1:1 per user; time: the last "
             "20 % by time"},
    {.name = "seed",
     OPTION_FIELD(import_arguments, seed, OPTION_INT),
     .initial = "1",
     .max = 9007199254740992,
     .help = "seed of --split random"},
    {.name = "min-rating",
     OPTION_FIELD(import_arguments, min_rating, OPTION_REAL),
     .min = -1e9,
     .max = 1e9,
     .help = "skip interactions with a lower rating; needs a rating column"},
    {.name = "merge",
     OPTION_FIELD(import_arguments, merge, OPTION_BOOL),
     .help = "add to a store that is not empty; existing items of the same id are "
             "replaced"},
    {.name = "duplicates",
     OPTION_FIELD(import_arguments, duplicates, OPTION_CHOICE),
     .choices = "refuse-splits|keep-first",
     .help = "what to do if a user and item occur in two splits: refuse, or keep the "
             "first; within one split the earliest is always kept"},
    {.name = "unknown-items",
     OPTION_FIELD(import_arguments, unknown_items, OPTION_CHOICE),
     .choices = "skip|refuse|create",
     .help = "what to do with an interaction whose item is not in --items: skip it, "
             "refuse the import, or create an item that stays hidden until it is "
             "written"},
    {.name = "ignore-columns",
     OPTION_FIELD(import_arguments, ignore_columns, OPTION_TEXT),
     .value = "A,B",
     .help = "columns of either file, or members of JSON lines, to ignore; *: all "
             "unknown ones"},
    {.name = "map",
     OPTION_FIELD(import_arguments, maps, OPTION_LIST),
     .value = "ROLE=COLUMN",
     .help = "role of a column or of a member of JSON lines, such as item=movieId or "
             "weight=plays; roles: user, item (id), timestamp, rating, weight, type, "
             "split, title, description, categories, created, hidden; may be repeated"},
    {.name = "column",
     OPTION_FIELD(import_arguments, columns, OPTION_LIST),
     .value = "NAME=KIND",
     .help = "kind of an attribute of items, from a column or a member of JSON lines: "
             "text, number, bool, texts (a list) or categories; default: decided by "
             "its values; may be repeated"},
    {.name = "header",
     OPTION_FIELD(import_arguments, header, OPTION_TEXT),
     .value = "A,B",
     .help = "column names of the interactions, for a file without a header line"},
    {.name = "items-header",
     OPTION_FIELD(import_arguments, items_header, OPTION_TEXT),
     .value = "A,B",
     .help = "column names of the items, for a file without a header line"},
    {.name = "separator",
     OPTION_FIELD(import_arguments, separator, OPTION_TEXT),
     .value = "TEXT",
     .help = "separator of fields: 1 or 2 characters, or the word tab; default: the "
             "one of tab, ::, ;, comma and | that the first line has"},
    {.name = "list-separator",
     OPTION_FIELD(import_arguments, list_separator, OPTION_TEXT),
     .value = "TEXT",
     .help = "separator of the entries of a list in one field; default: space for "
             "RecBole's token_seq, for others the first of |, ; and comma that the "
             "column contains"},
    {.name = "null-words",
     OPTION_FIELD(import_arguments, null_words, OPTION_TEXT),
     .value = "A,B",
     .help = "values that count as missing, like empty ones; default: NA, NaN, null, "
             "None, \\N, a dash and the like"},
    {.name = "timezone",
     OPTION_FIELD(import_arguments, timezone, OPTION_TEXT),
     .value = "ZONE",
     .help = "time zone of dates and times without an offset: UTC, +02:00 or "
             "Europe/Berlin; without it they are refused"},
    {.name = "time-unit",
     OPTION_FIELD(import_arguments, time_unit, OPTION_CHOICE),
     .choices = "s|ms|us|ns",
     .help = "unit of timestamps that are numbers"},
    {.name = "weights",
     OPTION_FIELD(import_arguments, weights, OPTION_CHOICE),
     .choices = "as-is|counts",
     .help = "meaning of a weight column: the weight itself, or a count, which gives "
             "the weight 1 + ln(count)"},
    {.name = "skip-bad-lines",
     OPTION_FIELD(import_arguments, skip_bad_lines, OPTION_INT),
     .initial = "0",
     .max = 9007199254740992,
     .value = "N",
     .help = "skip up to N lines that cannot be read, and report the first 20"},
    {.name = "interaction-types",
     OPTION_FIELD(import_arguments, types, OPTION_TEXT),
     .initial = INTERACTION_TYPES_DEFAULT,
     .value = "NAME=edge+seen:WEIGHT,...",
     .help = "meaning of each interaction type: an edge of the graph, seen, both or "
             "neither"},
#define OPTION(...) OPTION_ENTRY(import_arguments, encoder., __VA_ARGS__)
#include "server/cli/encoder_options.def"
    OPTION_QUOTA(import_arguments),
    OPTION_JSON(import_arguments),
    OPTION_END,
};

enum { SKIPS_SHOWN = 20, NOTES_LISTED = 64 };

typedef struct story {
    progress bar;
    const char *phase;
    uint64_t total; /* amount of work in the phase; 0 if unknown */
    bool quiet;
    uint64_t skips;
    json_t *lines; /* the first skipped lines, for --json; or NULL */
    json_t *notes; /* notes to print in the report at the end */
} story;

static const char *unit_of(const char *phase)
{
    return strncmp(phase, "reading", 7) == 0   ? "bytes"
           : strcmp(phase, "sorting") == 0     ? "users"
           : strncmp(phase, "copying", 7) == 0 ? "rows"
                                               : "records";
}

static void end_phase(story *s, bool complete)
{
    if (s->phase != NULL) {
        progress_update(&s->bar, complete && s->total > 0 ? s->total : s->bar.done, NULL, false);
        progress_finish(&s->bar, NULL);
        s->phase = NULL;
    }
}

static void tell_progress(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    story *s = ctx;
    if (s->phase == NULL || strcmp(s->phase, phase) != 0) {
        end_phase(s, true);
        s->phase = phase;
        s->total = total;
        progress_start(&s->bar, phase, unit_of(phase), total, s->quiet);
    }
    progress_update(&s->bar, done, NULL, false);
}

static void tell_skipped(void *ctx, const char *path, uint64_t line, const char *why)
{
    story *s = ctx;
    s->skips++;
    if (s->skips > SKIPS_SHOWN) {
        return;
    }
    if (s->lines != NULL) {
        json_t *entry =
            json_pack("{s:s, s:I, s:s}", "file", path, "line", (json_int_t)line, "reason", why);
        (void)json_array_append_new(s->lines, entry); /* if memory runs out, the list is shorter */
    } else {
        progress_line(&s->bar, "%s:%llu: skipped: %s", path, (unsigned long long)line, why);
    }
}

static void tell_fault(void *ctx, const char *text)
{
    story *s = ctx;
    if (s->quiet) {
        fprintf(stderr, "%s\n", text);
    } else {
        progress_line(&s->bar, "%s", text);
    }
}

static void keep_note(void *ctx, const char *text)
{
    story *s = ctx;
    if (json_array_size(s->notes) < NOTES_LISTED) {
        (void)json_array_append_new(s->notes, json_string(text));
    }
}

/* sort_interactions assigns --interactions: one file, or the three files of a split. */
static err_code sort_interactions(const command_call *call, const option_list *list,
                                  import_options *out, err *e)
{
    static const char *const names[] = {"train=", "valid=", "test="};
    for (size_t i = 0; i < list->count; i++) {
        const char *path = list->at[i];
        const char **into = &out->interactions;
        for (size_t n = 0; n < 3; n++) {
            if (strncmp(path, names[n], strlen(names[n])) == 0) {
                path += strlen(names[n]);
                into = &out->parts[n];
                break;
            }
        }
        if (*into != NULL) {
            return command_usage(call, e,
                                 "--interactions: %s is a second file; expected one file, or "
                                 "train=FILE valid=FILE test=FILE",
                                 list->at[i]);
        }
        *into = path;
    }
    return ERR_OK;
}

/* sort_features splits NAME=FILE.npy and copies the names into `names`. */
static err_code sort_features(const command_call *call, const option_list *list,
                              import_feature_file *files,
                              char (*names)[MODALITY_NAME_BYTES_MAX + 2], err *e)
{
    if (list->count > MODALITIES_MAX) {
        return command_usage(call, e, "--features: expected at most %d, not %zu", MODALITIES_MAX,
                             list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->at[i], '=');
        size_t length = equals != NULL ? (size_t)(equals - list->at[i]) : 0;
        if (length < 1 || length > MODALITY_NAME_BYTES_MAX || equals[1] == '\0') {
            return command_usage(call, e,
                                 "--features: expected NAME=FILE.npy with a name of 1 to %d "
                                 "bytes, not \"%.80s\"",
                                 MODALITY_NAME_BYTES_MAX, list->at[i]);
        }
        memcpy(names[i], list->at[i], length);
        names[i][length] = '\0';
        files[i] = (import_feature_file){.modality = names[i], .path = equals + 1};
    }
    return ERR_OK;
}

static json_t *modalities_json(const import_report *r)
{
    json_t *object = json_object();
    for (size_t i = 0; i < r->modality_count; i++) {
        const import_modality *m = &r->modalities[i];
        json_t *entry =
            json_pack("{s:i, s:I, s:I, s:I}", "width", (int)m->width, "rows", (json_int_t)m->rows,
                      "zero", (json_int_t)m->zero, "missing", (json_int_t)m->missing);
        json_object_set_new(object, m->name, entry);
    }
    return object;
}

static err_code report_json(const import_report *r, story *s, err *e)
{
    json_t *skipped = json_pack("{s:I, s:I, s:I, s:O}", "duplicates", (json_int_t)r->duplicates,
                                "low_rated", (json_int_t)r->low_rated, "unknown_items",
                                (json_int_t)r->unknown_items, "lines", s->lines);
    json_t *out = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O, s:o, s:I}", "users",
        (json_int_t)r->users, "items", (json_int_t)r->items, "interactions",
        (json_int_t)r->interactions, "new_users", (json_int_t)r->new_users, "new_items",
        (json_int_t)r->new_items, "new_interactions", (json_int_t)r->new_interactions,
        "hidden_items", (json_int_t)r->hidden_items, "train", (json_int_t)r->train, "valid",
        (json_int_t)r->valid, "test", (json_int_t)r->test, "lines", (json_int_t)r->lines,
        "bad_lines", (json_int_t)r->bad_lines, "skipped", skipped, "notes", s->notes, "modalities",
        modalities_json(r), "seq", (json_int_t)r->seq);
    err_code code = result_json(out, JSON_COMPACT, "the report", e);
    json_decref(out);
    return code;
}

static void print_skips(const import_report *r)
{
    static const struct {
        size_t at;
        const char *what;
    } all[] = {{offsetof(import_report, low_rated), "rated too low"},
               {offsetof(import_report, unknown_items), "of unknown items"},
               {offsetof(import_report, bad_lines), "that cannot be read"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const uint64_t *count = (const uint64_t *)(const void *)((const char *)r + all[i].at);
        if (*count > 0) {
            printf("left out: %llu lines %s\n", (unsigned long long)*count, all[i].what);
        }
    }
    if (r->duplicates > 0) {
        printf("repeats: %llu lines repeat a user and item; the earliest is kept\n",
               (unsigned long long)r->duplicates);
    }
    if (r->hidden_items > 0) {
        printf("hidden: %llu items that the file of items lacks; they stay hidden until they are "
               "written\n",
               (unsigned long long)r->hidden_items);
    }
}

static void print_story(const import_report *r, const story *s)
{
    if (s->skips > SKIPS_SHOWN) {
        fprintf(stderr, "... and %llu more lines skipped\n",
                (unsigned long long)(s->skips - SKIPS_SHOWN));
    }
    for (size_t i = 0; i < json_array_size(s->notes); i++) {
        printf("%s\n", json_string_value(json_array_get(s->notes, i)));
    }
    printf("imported %llu of %llu interaction lines: %llu training, %llu validation, %llu test\n",
           (unsigned long long)r->new_interactions, (unsigned long long)r->lines,
           (unsigned long long)r->train, (unsigned long long)r->valid, (unsigned long long)r->test);
    print_skips(r);
    for (size_t i = 0; i < r->modality_count; i++) {
        const import_modality *m = &r->modalities[i];
        printf("features %s: %llu items x %u, %llu of them zero, %llu missing\n", m->name,
               (unsigned long long)m->rows, m->width, (unsigned long long)m->zero,
               (unsigned long long)m->missing);
    }
    printf("the store has %llu users, %llu items, %llu interactions, seq %llu\n",
           (unsigned long long)r->users, (unsigned long long)r->items,
           (unsigned long long)r->interactions, (unsigned long long)r->seq);
}

static err_code import_into(const import_arguments *a, const import_options *options, err *e)
{
    store *s = NULL;
    import_report report;
    story tale = {.quiet = a->json, .lines = a->json ? json_array() : NULL, .notes = json_array()};
    import_hooks hooks = {.ctx = &tale,
                          .progress = tell_progress,
                          .skipped = tell_skipped,
                          .fault = tell_fault,
                          .note = keep_note,
                          .cancelled = interrupt_requested};
    store_options how = {
        .mode = STORE_OWNER, .create = true, .quota_bytes = a->quota, .now = options->now};
    bool fresh = access(a->store, F_OK) != 0;
    err_code code = recover_open(&s, a->store, &how, e);
    if (code == ERR_OK) {
        code = import_run(s, options, &hooks, &report, e);
        end_phase(&tale, code == ERR_OK);
    }
    if (code != ERR_OK && fresh) {
        store_discard(s);
        s = NULL;
    }
    encode_report encoded = {0};
    if (code == ERR_OK && a->encoder.url != NULL) {
        code = encode_story_run(s, &a->encoder, false, a->json, &encoded, e);
    }
    store_close(s);
    if (code == ERR_OK && a->json) {
        code = report_json(&report, &tale, e);
    } else if (code == ERR_OK) {
        print_story(&report, &tale);
    }
    json_decref(tale.lines);
    json_decref(tale.notes);
    return code;
}

static void table_options(const import_arguments *a, import_options *out)
{
    static const double units[] = {1.0, 1e-3, 1e-6, 1e-9};
    out->ignored_columns = a->ignore_columns;
    out->maps = (import_texts){a->maps.at, a->maps.count};
    out->columns = (import_texts){a->columns.at, a->columns.count};
    out->header = a->header;
    out->items_header = a->items_header;
    bool tab = a->separator != NULL && strcmp(a->separator, "tab") == 0;
    out->separator = tab ? "\t" : a->separator;
    out->list_separator = a->list_separator;
    out->null_words = a->null_words;
    out->timezone = a->timezone;
    out->time_unit = units[a->time_unit];
    out->weights_are_counts = a->weights == 1;
    out->bad_lines_max = (uint64_t)a->skip_bad_lines;
}

static err_code run(const command_call *call, err *e)
{
    static const import_split splits[] = {IMPORT_SPLIT_UNSET, IMPORT_SPLIT_NONE,
                                          IMPORT_SPLIT_RANDOM, IMPORT_SPLIT_TIME};
    static const import_unknown unknowns[] = {IMPORT_UNKNOWN_SKIP, IMPORT_UNKNOWN_REFUSE,
                                              IMPORT_UNKNOWN_CREATE};
    const import_arguments *a = call->options;
    import_feature_file files[MODALITIES_MAX];
    char names[MODALITIES_MAX][MODALITY_NAME_BYTES_MAX + 2];
    interaction_types types;
    import_options options = {.items = a->items,
                              .features = files,
                              .feature_count = a->features.count,
                              .split = splits[a->split],
                              .unknown_items = unknowns[a->unknown_items],
                              .seed = (uint64_t)a->seed,
                              .min_rating = a->min_rating,
                              .has_min_rating = options_given(call->values, "min-rating"),
                              .keep_first = a->duplicates == 1,
                              .merge = a->merge,
                              .types = &types,
                              .now = clock_now()};
    table_options(a, &options);
    if (a->interactions.count == 0 && a->items == NULL) {
        return command_usage(call, e, "--interactions FILE is missing");
    }
    err_code code = sort_interactions(call, &a->interactions, &options, e);
    if (code == ERR_OK) {
        code = sort_features(call, &a->features, files, names, e);
    }
    if (code == ERR_OK) {
        code = interaction_types_parse(&types, a->types, e);
        if (code == ERR_OK) {
            code = import_check(&options, e);
        }
        if (code == ERR_OK) {
            code = encoder_options_check(&a->encoder, e);
        }
        *call->usage = code == ERR_INVALID;
    }
    return code == ERR_OK ? import_into(a, &options, e) : code;
}

const command cmd_import = {.name = "import",
                            .summary = "read interactions, items and features into a store",
                            .options = table,
                            .options_bytes = sizeof(import_arguments),
                            .run = run};
