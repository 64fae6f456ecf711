/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/keys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "core/common/mem.h"
#include "storage/env/sha256.h"

enum { SECRET_BYTES = 32 };

typedef struct key_entry {
    char name[KEY_NAME_MAX + 1];
    api_role role;
    unsigned char hash[SHA256_BYTES];
} key_entry;

typedef struct key_table {
    struct key_table *older;
    size_t count;
    key_entry entries[];
} key_table;

struct keys {
    char *path;
    _Atomic(key_table *) table;
};

static bool hex_decode(const char *text, unsigned char out[SHA256_BYTES])
{
    if (strlen(text) != (size_t)2 * SHA256_BYTES) {
        return false;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1])) {
            return false;
        }
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

bool key_name_valid(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length <= KEY_NAME_MAX && strspn(name, letters) == length;
}

static api_role role_of(const char *word)
{
    for (api_role role = API_READ; role <= API_ADMIN; role++) {
        if (strcmp(word, api_role_name(role)) == 0) {
            return role;
        }
    }
    return API_OPEN;
}

/* parse_line reads one line of the keys file. Its messages never quote the line, because it might
 * contain a key by mistake. */
static err_code parse_line(char *line, const char *path, unsigned number, key_entry *out,
                           bool *used, err *e)
{
    char *rest = NULL;
    char *name = strtok_r(line, " \t\r\n", &rest);
    *used = false;
    if (name == NULL || name[0] == '#') {
        return ERR_OK;
    }
    char *role = strtok_r(NULL, " \t\r\n", &rest);
    char *hash = strtok_r(NULL, " \t\r\n", &rest);
    char *more = strtok_r(NULL, " \t\r\n", &rest);
    if (role == NULL || hash == NULL || (more != NULL && more[0] != '#')) {
        return err_set(e, ERR_INVALID, "%s:%u: expected a name, a role and a SHA-256", path,
                       number);
    }
    if (!key_name_valid(name)) {
        return err_set(e, ERR_INVALID, "%s:%u: a name has 1 to %d of A-Z a-z 0-9 . _ -", path,
                       number, KEY_NAME_MAX);
    }
    out->role = role_of(role);
    if (out->role == API_OPEN) {
        return err_set(e, ERR_INVALID, "%s:%u: a role is read, write or admin", path, number);
    }
    if (!hex_decode(hash, out->hash)) {
        return err_set(e, ERR_INVALID, "%s:%u: expected a SHA-256 of 64 hexadecimal digits", path,
                       number);
    }
    memcpy(out->name, name, strlen(name) + 1);
    *used = true;
    return ERR_OK;
}

static err_code table_append(key_table **table, const key_entry *entry, const char *path,
                             unsigned number, err *e)
{
    size_t count = *table != NULL ? (*table)->count : 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp((*table)->entries[i].name, entry->name) == 0) {
            return err_set(e, ERR_INVALID, "%s:%u: the name %s occurs twice", path, number,
                           entry->name);
        }
    }
    if (count >= KEYS_MAX) {
        return err_set(e, ERR_INVALID, "%s:%u: more than %d keys", path, number, KEYS_MAX);
    }
    key_table *grown = mem_grow(*table, sizeof **table + (count + 1) * sizeof *entry, 1);
    if (grown == NULL) {
        return err_nomem(e, "keys");
    }
    if (count == 0) {
        grown->older = NULL;
    }
    grown->entries[count] = *entry;
    grown->count = count + 1;
    *table = grown;
    return ERR_OK;
}

static err_code table_read(key_table **out, const char *path, err *e)
{
    *out = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(e, ERR_IO, "keys file %s: %s", path, strerror(errno));
    }
    err_code code = ERR_OK;
    char line[512];
    key_table *table = mem_array(1, sizeof *table);
    if (table == NULL) {
        code = err_nomem(e, "keys");
    }
    for (unsigned number = 1; code == ERR_OK && fgets(line, sizeof line, file) != NULL; number++) {
        key_entry entry;
        bool used = false;
        if (strchr(line, '\n') == NULL && !feof(file)) {
            code = err_set(e, ERR_INVALID, "%s:%u: a line of more than %zu bytes", path, number,
                           sizeof line - 2);
            break;
        }
        code = parse_line(line, path, number, &entry, &used, e);
        if (code == ERR_OK && used) {
            code = table_append(&table, &entry, path, number, e);
        }
    }
    if (code == ERR_OK && ferror(file)) {
        code = err_set(e, ERR_IO, "keys file %s: %s", path, strerror(errno));
    }
    (void)fclose(file);
    if (code != ERR_OK) {
        mem_free(table);
        return code;
    }
    *out = table;
    return ERR_OK;
}

err_code keys_new(keys **out, const char *path, err *e)
{
    *out = NULL;
    keys *k = mem_array(1, sizeof *k);
    if (k == NULL) {
        return err_nomem(e, "keys");
    }
    k->path = mem_string(path, strlen(path));
    err_code code = k->path != NULL ? keys_load(k, e) : err_nomem(e, "keys");
    if (code != ERR_OK) {
        keys_free(k);
        return code;
    }
    *out = k;
    return ERR_OK;
}

void keys_free(keys *k)
{
    if (k == NULL) {
        return;
    }
    key_table *table = atomic_load(&k->table);
    while (table != NULL) {
        key_table *older = table->older;
        mem_free(table);
        table = older;
    }
    mem_free(k->path);
    mem_free(k);
}

err_code keys_load(keys *k, err *e)
{
    key_table *table = NULL;
    err_code code = table_read(&table, k->path, e);
    if (code != ERR_OK) {
        return code;
    }
    table->older = atomic_load(&k->table);
    atomic_store_explicit(&k->table, table, memory_order_release);
    return ERR_OK;
}

size_t keys_count(const keys *k)
{
    return atomic_load_explicit(&k->table, memory_order_acquire)->count;
}

api_role keys_check(const keys *k, slice presented, const char **name)
{
    *name = NULL;
    unsigned char hash[SHA256_BYTES];
    if (presented.length > KEY_BYTES_MAX || sha256(presented, hash, NULL) != ERR_OK) {
        return API_OPEN;
    }
    const key_table *table = atomic_load_explicit(&k->table, memory_order_acquire);
    unsigned role = API_OPEN;
    uintptr_t at = 0;
    for (size_t i = 0; i < table->count; i++) {
        unsigned same = gnutls_memcmp(hash, table->entries[i].hash, SHA256_BYTES) == 0 ? 1 : 0;
        role |= (0U - same) & (unsigned)table->entries[i].role;
        at |= ((uintptr_t)0 - same) & (uintptr_t)table->entries[i].name;
    }
    *name = (const char *)at;
    return (api_role)role;
}

/* secret_text writes base64url without padding, which is safe in a header and in a shell. */
static void secret_text(const unsigned char *secret, char out[KEY_TEXT_MAX])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t used = (size_t)snprintf(out, KEY_TEXT_MAX, "stair_");
    unsigned bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        held = held << 8 | secret[i];
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            out[used++] = letters[held >> bits & 63];
        }
    }
    if (bits > 0) {
        out[used++] = letters[held << (6 - bits) & 63];
    }
    out[used] = '\0';
}

static err_code append_line(int fd, const char *path, const char *line, size_t length, err *e)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char last = '\n';
    if (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n' && write(fd, "\n", 1) != 1) {
        return err_set(e, ERR_IO, "keys file %s: %s", path, strerror(errno));
    }
    if (write(fd, line, length) != (ssize_t)length || fsync(fd) != 0) {
        return err_set(e, ERR_IO, "keys file %s: %s", path, strerror(errno));
    }
    return ERR_OK;
}

static err_code append_entry(const char *path, const char *name, api_role role,
                             const unsigned char hash[SHA256_BYTES], err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(e, ERR_IO, "keys file %s: %s", path, strerror(errno));
    }
    key_table *table = NULL;
    /* two `stair key new` at once must not give the same name twice */
    err_code code = flock(fd, LOCK_EX) == 0
                        ? table_read(&table, path, e)
                        : err_set(e, ERR_IO, "keys file %s: %s", path, strerror(errno));
    for (size_t i = 0; code == ERR_OK && i < table->count; i++) {
        if (strcmp(table->entries[i].name, name) == 0) {
            code = err_set(e, ERR_CONFLICT, "%s has a key named %s already; choose another name",
                           path, name);
        }
    }
    if (code == ERR_OK) {
        char line[KEY_NAME_MAX + 2 * SHA256_BYTES + 16];
        size_t used = (size_t)snprintf(line, sizeof line, "%s %s ", name, api_role_name(role));
        for (size_t i = 0; i < SHA256_BYTES; i++) {
            used += (size_t)snprintf(line + used, sizeof line - used, "%02x", hash[i]);
        }
        line[used++] = '\n';
        code = append_line(fd, path, line, used, e);
    }
    mem_free(table);
    (void)close(fd);
    return code;
}

err_code key_make(const char *path, const char *name, api_role role, char text[KEY_TEXT_MAX],
                  err *e)
{
    unsigned char secret[SECRET_BYTES];
    unsigned char hash[SHA256_BYTES];
    if (!key_name_valid(name)) {
        return err_set(e, ERR_INVALID,
                       "a key's name has 1 to %d of A-Z a-z 0-9 . _ -, not \"%.80s\"", KEY_NAME_MAX,
                       name);
    }
    int rc = gnutls_rnd(GNUTLS_RND_KEY, secret, sizeof secret);
    if (rc != 0) {
        return err_set(e, ERR_INTERNAL, "random numbers: %s", gnutls_strerror(rc));
    }
    secret_text(secret, text);
    gnutls_memset(secret, 0, sizeof secret);
    err_code code = sha256(slice_of(text), hash, e);
    return code == ERR_OK ? append_entry(path, name, role, hash, e) : code;
}
