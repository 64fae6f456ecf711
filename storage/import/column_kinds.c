/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/column_kinds.h"

#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "core/common/utf8.h"
#include "storage/import/column_meaning.h"

static const char *const kind_names[KINDS] = {"text", "number", "bool", "texts", "categories"};

/* What is known about a column after some of its cells. */
typedef struct column_facts {
    bool fixed;         /* an option or a suffix decides the kind */
    bool any;           /* some cell is not empty */
    bool not_all_truth; /* some cell that is not empty is neither true nor false */
    bool digits_only;   /* all cells so far can be read as numbers */
    number_facts numbers;
} column_facts;

column_kind column_kind_named(slice name)
{
    column_kind kind = KIND_TEXT;
    while (kind < KINDS && !slice_equal(slice_of(kind_names[kind]), name)) {
        kind++;
    }
    return kind;
}

static void begin_rule(const import_state *s, const import_columns *columns, const delimited *d,
                       size_t i, column_rule *rule, column_facts *facts)
{
    slice chosen = column_option(&s->options->columns, delimited_column(d, i), false);
    delimited_kind suffix = delimited_column_kind(d, i);
    facts->fixed = chosen.at != NULL || suffix != DELIMITED_PLAIN;
    facts->digits_only = true;
    rule->kind = chosen.at != NULL            ? column_kind_named(chosen)
                 : suffix == DELIMITED_FLOAT  ? KIND_NUMBER
                 : suffix == DELIMITED_TOKENS ? KIND_TEXTS
                                              : KIND_TEXT;
    if (columns->roles[i] == ROLE_CATEGORIES) {
        facts->fixed = true;
        rule->kind = KIND_CATEGORIES;
    }
    if (s->options->list_separator != NULL) {
        snprintf(rule->form.separator, sizeof rule->form.separator, "%s",
                 s->options->list_separator);
    } else if (suffix == DELIMITED_TOKENS) {
        rule->form.separator[0] = ' ';
    }
}

static void note_cell(const import_state *s, slice cell, column_rule *rule, column_facts *facts)
{
    double number = 0.0;
    if (cell_is_nothing(cell, s->options->null_words)) {
        return;
    }
    facts->any = true;
    if (rule->kind == KIND_TEXTS || rule->kind == KIND_CATEGORIES) {
        if (s->options->list_separator == NULL) {
            char space = rule->form.separator[0];
            list_form_note(&rule->form, cell);
            if (space == ' ') {
                rule->form.separator[0] = ' '; /* RecBole's lists have no other separator */
            }
        }
    } else if (!facts->fixed) {
        facts->not_all_truth = facts->not_all_truth || !cell_is_truth(cell);
        facts->digits_only = facts->digits_only && cell_number(cell, &number);
        cell_note_number(&facts->numbers, cell);
    }
}

/* read_all skips a line that cannot be read; it is reported when the items are made. */
static err_code read_all(import_state *s, delimited *d, const import_columns *columns,
                         column_rule *rules, column_facts *facts, err *e)
{
    const slice *fields = NULL;
    uint64_t total = import_file_bytes(s->options->items);
    for (uint64_t n = 1;; n++) {
        err why = ERR_INIT;
        err_code code = delimited_next(d, &fields, &why);
        if (code == ERR_INVALID) {
            continue;
        }
        if (code != ERR_OK || fields == NULL) {
            return code == ERR_OK ? ERR_OK : err_set(e, code, "%s", why.text);
        }
        for (size_t i = 0; i < columns->count; i++) {
            note_cell(s, fields[i], &rules[i], &facts[i]);
        }
        if (n % 4096 == 0) {
            code = import_tick(s, "looking at items", delimited_bytes(d), total, e);
            if (code != ERR_OK) {
                return code;
            }
        }
    }
}

static void tell(import_state *s, const import_columns *columns, const delimited *d,
                 const column_rule *rules, const column_facts *facts)
{
    char text[IMPORT_NOTE_BYTES];
    size_t used = (size_t)snprintf(text, sizeof text, "%s:", s->options->items);
    size_t count = 0;
    for (size_t i = 0; i < columns->count && used < sizeof text; i++) {
        bool list = rules[i].kind == KIND_TEXTS || rules[i].kind == KIND_CATEGORIES;
        if (columns->left_out[i] || (columns->roles[i] != ROLE_NONE && !list)) {
            continue;
        }
        slice name = delimited_column(d, i);
        name = utf8_valid(name) ? utf8_cut(name, 40) : slice_of("?");
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %.*s is %s",
                                 count++ > 0 ? "," : "", (int)name.length, name.at,
                                 kind_names[rules[i].kind]);
        if (list && used < sizeof text && (rules[i].form.separator[0] || rules[i].form.quoted)) {
            used += (size_t)snprintf(text + used, sizeof text - used,
                                     rules[i].form.quoted ? " in quotes" : " separated by \"%s\"",
                                     rules[i].form.separator);
        } else if (!list && used < sizeof text && rules[i].kind == KIND_TEXT && facts[i].any &&
                   !facts[i].fixed && facts[i].digits_only) {
            used += (size_t)snprintf(text + used, sizeof text - used,
                                     " (numbers would lose digits, zeros or signs)");
        }
    }
    if (count > 0) {
        import_note(s, "%s", text);
    }
}

static err_code decide(import_state *s, delimited *d, import_columns *columns, column_rule *rules,
                       err *e)
{
    column_facts *facts = mem_array(DELIMITED_COLUMNS_MAX, sizeof *facts);
    if (facts == NULL) {
        return err_nomem(e, "the columns of the items");
    }
    for (size_t i = 0; i < columns->count; i++) {
        begin_rule(s, columns, d, i, &rules[i], &facts[i]);
        if (columns->roles[i] == ROLE_NONE && delimited_column_kind(d, i) == DELIMITED_FLOATS &&
            !columns->left_out[i]) {
            columns->left_out[i] = true;
            slice name = utf8_cut(delimited_column(d, i), 40);
            import_note(s, "%s: left out: %.*s, a column of float_seq: give vectors by --features",
                        s->options->items, (int)name.length, name.at);
        }
    }
    err_code code = read_all(s, d, columns, rules, facts, e);
    for (size_t i = 0; code == ERR_OK && i < columns->count; i++) {
        if (!facts[i].fixed && facts[i].any) {
            rules[i].kind = !facts[i].not_all_truth                ? KIND_BOOL
                            : number_facts_keep(&facts[i].numbers) ? KIND_NUMBER
                                                                   : KIND_TEXT;
        }
    }
    if (code == ERR_OK) {
        tell(s, columns, d, rules, facts);
    }
    mem_free(facts);
    return code;
}

err_code column_kinds_decide(import_state *s, import_columns *columns,
                             column_rule rules[DELIMITED_COLUMNS_MAX], err *e)
{
    delimited *d = NULL;
    memset(rules, 0, DELIMITED_COLUMNS_MAX * sizeof *rules);
    err_code code = import_open_table(s, s->options->items, true, &d, e);
    if (code == ERR_OK) {
        code = decide(s, d, columns, rules, e);
    }
    delimited_close(d);
    return code;
}
