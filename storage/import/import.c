/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/import.h"

#include <string.h>

#include "core/common/mem.h"
#include "core/common/utf8.h"
#include "storage/import/column_kinds.h"
#include "storage/import/import_state.h"
#include "storage/records/items.h"
#include "storage/records/users.h"

enum { SCRATCH_BYTES_MAX = 64 * 1024 * 1024 };

static err_code know_item(void *ctx, const stored_item *it, err *e)
{
    import_state *s = ctx;
    return it->deleted ? ERR_OK : id_table_add(s->items, it->id, it->row, e);
}

static err_code know_user(void *ctx, const stored_user *u, err *e)
{
    import_state *s = ctx;
    return id_table_add(s->users, u->id, u->row, e);
}

err_code import_known_ids(import_state *s, err *e)
{
    err_code code = id_table_new(&s->users, e);
    if (code == ERR_OK) {
        code = id_table_new(&s->items, e);
    }
    if (code != ERR_OK || (s->old_users == 0 && s->old_items == 0)) {
        return code;
    }
    s->replaced = mem_array(s->old_items / 64 + 1, sizeof *s->replaced);
    if (s->replaced == NULL) {
        return err_nomem(e, "the items that the store has");
    }
    store_read *r = NULL;
    code = store_read_begin(s->staged, &r, e);
    if (code == ERR_OK) {
        code = item_each(r, 0, know_item, s, e);
    }
    if (code == ERR_OK) {
        code = user_each(r, 0, know_user, s, e);
    }
    store_read_end(r);
    return code;
}

/* check_tables checks --map ROLE=COLUMN and --column COLUMN=KIND. */
static err_code check_tables(const import_options *o, err *e)
{
    if (o->maps.count > IMPORT_LISTED_MAX || o->columns.count > IMPORT_LISTED_MAX) {
        return err_set(e, ERR_INVALID, "expected at most %d of --map and of --column",
                       IMPORT_LISTED_MAX);
    }
    for (size_t i = 0; i < o->maps.count; i++) {
        const char *at = o->maps.at[i];
        size_t length = strcspn(at, "=");
        if (at[length] == '\0' || import_role_named((slice){at, length}) == ROLE_NONE) {
            char known[160];
            import_names_known(true, known, sizeof known);
            return err_set(e, ERR_INVALID,
                           "--map: expected ROLE=COLUMN, where a role is user, timestamp, rating, "
                           "weight, type, split, %s; not \"%.60s\"",
                           known, at);
        }
    }
    for (size_t i = 0; i < o->columns.count; i++) {
        const char *equals = strrchr(o->columns.at[i], '=');
        if (equals == NULL || column_kind_named(slice_of(equals + 1)) == KINDS) {
            return err_set(e, ERR_INVALID,
                           "--column: expected NAME=text, number, bool, texts or categories, not "
                           "\"%.80s\"",
                           o->columns.at[i]);
        }
    }
    if (o->separator != NULL && (strlen(o->separator) < 1 || strlen(o->separator) > 2)) {
        return err_set(e, ERR_INVALID, "--separator: expected 1 or 2 bytes, or the word tab");
    }
    if (o->list_separator != NULL &&
        (strlen(o->list_separator) < 1 || strlen(o->list_separator) > 7)) {
        return err_set(e, ERR_INVALID, "--list-separator: expected 1 to 7 bytes");
    }
    time_zone *zone = NULL;
    err_code code = o->timezone != NULL ? time_zone_open(&zone, o->timezone, e) : ERR_OK;
    if (code != ERR_OK) {
        err_context(e, "--timezone");
    }
    time_zone_close(zone);
    return code;
}

err_code import_check(const import_options *o, err *e)
{
    bool parts = o->parts[0] != NULL || o->parts[1] != NULL || o->parts[2] != NULL;
    if (o->interactions != NULL && parts) {
        return err_set(e, ERR_INVALID, "one file of interactions, or train=, valid= and test=");
    }
    if (o->interactions == NULL && !parts && o->items == NULL) {
        return err_set(e, ERR_INVALID, "nothing to import: no interactions and no items");
    }
    if (parts && o->parts[0] == NULL) {
        return err_set(e, ERR_INVALID, "valid= or test= without train=");
    }
    if (parts && (o->split == IMPORT_SPLIT_RANDOM || o->split == IMPORT_SPLIT_TIME)) {
        return err_set(e, ERR_INVALID, "the three files are a split already; leave out --split");
    }
    if (o->feature_count > MODALITIES_MAX) {
        return err_set(e, ERR_INVALID, "expected at most %d files of features, not %zu",
                       MODALITIES_MAX, o->feature_count);
    }
    for (size_t i = 0; i < o->feature_count; i++) {
        slice name = slice_of(o->features[i].modality);
        if (name.length < 1 || name.length > MODALITY_NAME_BYTES_MAX || !utf8_valid(name)) {
            return err_set(e, ERR_INVALID,
                           "features of %s: expected a modality's name of 1 to %d bytes of UTF-8",
                           o->features[i].path, MODALITY_NAME_BYTES_MAX);
        }
        for (size_t other = 0; other < i; other++) {
            if (strcmp(o->features[i].modality, o->features[other].modality) == 0) {
                return err_set(e, ERR_INVALID, "features %s: given twice", o->features[i].modality);
            }
        }
    }
    return check_tables(o, e);
}

static err_code check_store(store *owner, const import_options *o, store_info *info, err *e)
{
    err_code code = store_stat(owner, info, e);
    if (code == ERR_OK && !o->merge && (info->users | info->items | info->interactions) != 0) {
        code = err_set(e, ERR_CONFLICT,
                       "%s: holds %llu users, %llu items and %llu interactions; add to them with "
                       "--merge, or import into another folder",
                       store_dir(owner), (unsigned long long)info->users,
                       (unsigned long long)info->items, (unsigned long long)info->interactions);
    }
    return code;
}

static err_code run_phases(import_state *s, err *e)
{
    static err_code (*const phases[])(import_state *, err *) = {
        import_known_ids,      import_items,        import_features_open, import_interactions,
        import_faults_end,     import_columns_used, import_arrange,       import_edges_write,
        import_features_write, import_group_end,
    };
    err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < sizeof phases / sizeof phases[0]; i++) {
        code = phases[i](s, e);
    }
    return code;
}

static void release(import_state *s)
{
    if (s->group != NULL) {
        store_write_abort(s->group);
    }
    for (size_t i = 0; i < MODALITIES_MAX; i++) {
        npy_close(s->npys[i].reader);
    }
    if (s->staged != NULL) {
        store_stage_abort(s->staged);
    }
    id_table_free(s->users);
    id_table_free(s->items);
    mem_free(s->replaced);
    mem_free(s->file_rows);
    mem_free(s->file_lines);
    mem_free(s->edges);
    time_zone_close(s->zone);
    arena_fini(&s->scratch);
}

/* fill_report completes the report before the flip, because nothing may fail after it. */
static err_code fill_report(import_state *s, const store_info *before, err *e)
{
    store_info after;
    err_code code = store_stat(s->staged, &after, e);
    if (code == ERR_OK) {
        import_report *r = s->report;
        r->users = after.users;
        r->items = after.items;
        r->interactions = after.interactions;
        r->new_users = after.users - before->users;
        r->new_items = after.items - before->items;
        r->seq = s->seq;
    }
    return code;
}

static err_code flip(import_state *s, const store_info *before, err *e)
{
    err_code code = import_tick(s, "syncing", 0, 1, e);
    if (code == ERR_OK) {
        code = fill_report(s, before, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    store *staged = s->staged;
    s->staged = NULL;
    return store_stage_flip(s->owner, staged, e);
}

err_code import_run(store *owner, const import_options *options, const import_hooks *hooks,
                    import_report *report, err *e)
{
    static const import_hooks no_hooks = {0};
    memset(report, 0, sizeof *report);
    store_info info;
    err_code code = import_check(options, e);
    if (code == ERR_OK) {
        code = check_store(owner, options, &info, e);
    }
    if (code != ERR_OK) {
        return code;
    }
    import_state *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return err_nomem(e, "an import");
    }
    s->options = options;
    s->hooks = hooks != NULL ? hooks : &no_hooks;
    s->report = report;
    s->owner = owner;
    s->seq = info.seq + 1;
    memset(s->type_numbers, -1, sizeof s->type_numbers);
    arena_init(&s->scratch, SCRATCH_BYTES_MAX);
    code = options->timezone != NULL ? time_zone_open(&s->zone, options->timezone, e) : ERR_OK;
    if (code == ERR_OK) {
        code = store_stage_begin(owner, options->merge, &s->staged, e);
    }
    if (code == ERR_OK && options->merge) {
        s->old_users = s->user_rows = info.user_rows;
        s->old_items = s->item_rows = info.item_rows;
        s->old_interactions = info.interactions > 0;
    }
    if (code == ERR_OK) {
        code = run_phases(s, e);
    }
    if (code == ERR_OK) {
        import_tell_rest(s);
        code = flip(s, &info, e);
    }
    import_clean(e);
    release(s);
    mem_free(s);
    return code;
}
