/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/import/import_names.h"

#include <string.h>

typedef struct role_names {
    import_role role;
    const char *name;  /* the name that --map takes */
    const char *own;   /* names, separated by spaces */
    const char *other; /* names that single data sets and tools use */
    const char *late;  /* names among `other` that are used only if no column has any of the rest */
    bool interactions, items;
} role_names;

static const role_names table[] = {
    {ROLE_USER, "user", "user userid uid",
     "customer customerid visitor visitorid reviewerid memberid accountid clientid", "username",
     true, false},
    {ROLE_ITEM, "item", "item itemid iid",
     "movieid productid sku parentasin articleid track trackid songid artistid businessid appid "
     "gameid bookid videoid newsid goodsid",
     "asin isbn", true, true},
    {ROLE_ITEM, "id", "id", "", "", false, true},
    {ROLE_TIME, "timestamp", "timestamp time",
     "date datetime ts eventtime tdat unixreviewtime dateadded", "reviewtime", true, false},
    {ROLE_RATING, "rating", "rating", "stars score overall", "", true, false},
    {ROLE_TYPE, "type", "type", "event eventtype behavior behaviortype action", "", true, false},
    {ROLE_SPLIT, "split", "split xlabel", "", "", true, false},
    {ROLE_WEIGHT, "weight", "weight", "plays playcount", "", true, false},
    {ROLE_TITLE, "title", "title",
     "name itemname movietitle producttitle productname prodname appname gamename trackname "
     "artistname booktitle",
     "", false, true},
    {ROLE_DESCRIPTION, "description", "description", "detaildesc", "", false, true},
    {ROLE_CATEGORIES, "categories", "categories category", "genre genres class", "", false, true},
    {ROLE_CREATED, "created", "created", "createdat", "", false, true},
    {ROLE_HIDDEN, "hidden", "hidden", "", "", false, true},
};

enum { TABLE_ROWS = sizeof table / sizeof table[0], NAME_BYTES_MAX = 24 };

const char *import_role_name(import_role role)
{
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        if (table[i].role == role) {
            return table[i].name;
        }
    }
    return "attribute";
}

import_role import_role_named(slice name)
{
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        if (slice_equal(slice_of(table[i].name), name)) {
            return table[i].role;
        }
    }
    return ROLE_NONE;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; *at != '\0';) {
        size_t here = strcspn(at, " ");
        if (here == length && memcmp(at, word, length) == 0) {
            return true;
        }
        at += here;
        at += strspn(at, " ");
    }
    return false;
}

/* plain_name writes the name in lower case and without word separators. It returns false if the
 * result is longer than any known name. */
static bool plain_name(slice name, char out[NAME_BYTES_MAX])
{
    size_t length = 0;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        if (c == '_' || c == '-' || c == '.' || c == ' ') {
            continue;
        }
        if (length == NAME_BYTES_MAX - 1 || c == '\0') {
            return false;
        }
        out[length++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    out[length] = '\0';
    return length > 0;
}

import_role import_role_of(slice column, bool items, import_rank *rank)
{
    char plain[NAME_BYTES_MAX];
    *rank = RANK_NONE;
    for (size_t i = 0; plain_name(column, plain) && i < TABLE_ROWS; i++) {
        if (items ? !table[i].items : !table[i].interactions) {
            continue;
        }
        *rank = has_word(table[i].own, plain)     ? RANK_OWN
                : has_word(table[i].other, plain) ? RANK_OTHER
                : has_word(table[i].late, plain)  ? RANK_LATE
                                                  : RANK_NONE;
        if (*rank != RANK_NONE) {
            return table[i].role;
        }
    }
    return ROLE_NONE;
}

void import_names_list(FILE *to)
{
    fputs("| role | file | names | names of data sets and tools |\n| --- | --- | --- | --- |\n",
          to);
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        const role_names *r = &table[i];
        fprintf(to, "| `%s` | %s | %s | %s%s%s |\n", r->name,
                r->interactions && r->items ? "both"
                : r->items                  ? "items"
                                            : "interactions",
                r->own, r->other, r->late[0] != '\0' ? "; after these " : "", r->late);
    }
}

void import_names_known(bool items, char *out, size_t bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TABLE_ROWS; i++) {
        if ((items ? table[i].items : table[i].interactions) && used < bytes) {
            int more =
                snprintf(out + used, bytes - used, "%s%s", used > 0 ? ", " : "", table[i].name);
            used += more > 0 ? (size_t)more : 0;
        }
    }
}
