/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of the readers and of an import fails in turn: the error is ERR_NOMEM, nothing
 * leaks (the address sanitizer checks), and the store is unchanged.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/common/mem.h"
#include "core/common/npy.h"
#include "core/demo/demo_shop.h"
#include "storage/exchange/export.h"
#include "storage/import/delimited.h"
#include "storage/import/id_table.h"
#include "storage/import/import.h"
#include "storage/import/jsonl.h"
#include "storage/maintenance/recover.h"

static char folder[64];

/* jansson uses the same allocation functions here, so its failures are tested too. */
static void *json_allocate(size_t bytes)
{
    return mem_array(bytes, 1);
}

static char *path_of(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* jansson's lexer reports a failed allocation as bad text, which is also accepted. */
static bool fair(err_code code, const err *e)
{
    return code == ERR_NOMEM || (code == ERR_INVALID && strstr(e->text, ".jsonl:") != NULL);
}

typedef err_code (*attempt)(err *e);

/* torture runs `try_it` with the n-th allocation failing, for every n until it succeeds. */
static void torture(attempt try_it)
{
    for (long n = 0;; n++) {
        err e = ERR_INIT;
        mem_fail_at(n);
        err_code code = try_it(&e);
        mem_fail_at(-1);
        if (code == ERR_OK) {
            assert_true(n > 0);
            return;
        }
        if (!fair(code, &e)) {
            fail_msg("allocation %ld: %s: %s", n, err_code_name(code), e.text);
        }
        assert_true(n < 1000000);
    }
}

static err_code read_npy(err *e)
{
    npy *n = NULL;
    float row[128];
    npy_row kind;
    err_code code = npy_open(&n, path_of("image.npy"), e);
    if (code == ERR_OK) {
        code = npy_read(n, row, &kind, e);
    }
    npy_close(n);
    return code;
}

static err_code read_delimited(err *e)
{
    delimited *d = NULL;
    const slice *fields = NULL;
    text_source *source = NULL;
    err_code code = text_source_open(&source, path_of("long.csv"), e);
    code = code == ERR_OK ? delimited_open(&d, source, &(delimited_options){0}, e) : code;
    do {
        code = code == ERR_OK ? delimited_next(d, &fields, e) : code;
    } while (code == ERR_OK && fields != NULL);
    delimited_close(d);
    return code;
}

static err_code read_jsonl(err *e)
{
    jsonl *j = NULL;
    const json_t *document = NULL;
    text_source *source = NULL;
    err_code code = text_source_open(&source, path_of("items.jsonl"), e);
    code = code == ERR_OK ? jsonl_open(&j, source, e) : code;
    for (int i = 0; code == ERR_OK && i < 3; i++) {
        code = jsonl_next(j, &document, e);
    }
    jsonl_close(j);
    return code;
}

static err_code fill_table(err *e)
{
    id_table *t = NULL;
    err_code code = id_table_new(&t, e);
    for (uint32_t i = 0; code == ERR_OK && i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "id-%u", i);
        code = id_table_add(t, slice_of(text), i, e);
    }
    id_table_free(t);
    return code;
}

static err_code write_shop(err *e)
{
    demo_shop_options options = {.dir = folder,
                                 .users = 20,
                                 .items = 60,
                                 .interactions = 100,
                                 .text_width = 4,
                                 .image_width = 128};
    demo_shop_report report;
    return demo_shop_write(&options, NULL, &report, e);
}

static store *owner;

static err_code import_shop(err *e)
{
    static interaction_types types;
    import_feature_file features[1] = {{"text", path_of("small.npy")}};
    import_options options = {.interactions = path_of("small.csv"),
                              .items = path_of("small.jsonl"),
                              .features = features,
                              .feature_count = 1,
                              .split = IMPORT_SPLIT_RANDOM,
                              .merge = true,
                              .types = &types,
                              .now = 1800000000};
    import_report report;
    if (interaction_types_parse(&types, INTERACTION_TYPES_DEFAULT, NULL) != ERR_OK) {
        return ERR_INTERNAL;
    }
    return import_run(owner, &options, NULL, &report, e);
}

static err_code swallow(void *ctx, const char *data, size_t bytes, err *e)
{
    (void)data;
    (void)e;
    *(size_t *)ctx += bytes;
    return ERR_OK;
}

static err_code export_shop(err *e)
{
    size_t bytes = 0;
    store_read *r = NULL;
    err_code code = store_read_begin(owner, &r, e);
    if (code == ERR_OK) {
        code = export_items(r, swallow, &bytes, NULL, e);
    }
    if (code == ERR_OK) {
        code = export_interactions(r, swallow, &bytes, NULL, e);
    }
    store_read_end(r);
    return code;
}

static void the_npy_reader_survives(void **state)
{
    (void)state;
    torture(read_npy);
}

static void the_delimited_reader_survives(void **state)
{
    (void)state;
    FILE *file = fopen(path_of("long.csv"), "wb");
    assert_non_null(file);
    fputs("a,b\n1,2\n\"", file);
    for (int i = 0; i < 20000; i++) {
        fputc('x', file);
    }
    fputs("\",2\n", file);
    fclose(file);
    torture(read_delimited);
}

static void the_json_reader_survives(void **state)
{
    (void)state;
    torture(read_jsonl);
}

static void the_table_of_ids_survives(void **state)
{
    (void)state;
    torture(fill_table);
}

static void the_demo_shop_survives(void **state)
{
    (void)state;
    torture(write_shop);
}

static void put_file(const char *name, const char *bytes, size_t count)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

/* As small as possible with one of everything, because every allocation costs an import. */
static const char *const csv = "user,item,timestamp\nu,a,1\nu,b,2\nu,c,3\nv,a,4\nv,a,5\n";
static const char *const items =
    "{\"id\":\"a\",\"title\":\"A\",\"categories\":[\"x\"],\"attributes\":{\"p\":1,\"q\":[\"r\"]}}\n"
    "{\"id\":\"b\",\"features\":{\"v\":[1,2]}}\n{\"id\":\"c\"}\n";

static void an_import_survives_and_leaves_the_store_as_it_was(void **state)
{
    (void)state;
    store_info info;
    char header[NPY_HEADER_BYTES + 12] = {0};
    npy_header(header, 3, 1, FEATURE_F4);
    put_file("small.npy", header, sizeof header);
    put_file("small.csv", csv, strlen(csv));
    put_file("small.jsonl", items, strlen(items));
    store_options how = {.mode = STORE_OWNER, .create = true, .now = 1800000000};
    assert_int_equal(recover_open(&owner, path_of("store"), &how, NULL), ERR_OK);
    for (long n = 0;; n++) {
        err e = ERR_INIT;
        mem_fail_at(n);
        err_code code = import_shop(&e);
        mem_fail_at(-1);
        assert_int_equal(store_stat(owner, &info, NULL), ERR_OK);
        if (code == ERR_OK) {
            break;
        }
        if (!fair(code, &e)) {
            fail_msg("allocation %ld: %s: %s", n, err_code_name(code), e.text);
        }
        assert_int_equal(info.seq, 0);
        assert_int_equal(info.items + info.users + info.interactions, 0);
    }
    assert_int_equal(info.items, 3);
    assert_int_equal(info.interactions, 4);
}

static void an_export_survives(void **state)
{
    (void)state;
    torture(export_shop);
    store_close(owner);
}

static int start(void **state)
{
    (void)state;
    /* Use memory if there is a file system in memory: thousands of syncs to a disk would prove no
     * more. */
    bool shm = access("/dev/shm", W_OK) == 0;
    snprintf(folder, sizeof folder, "%s/stair-torture-XXXXXX", shm ? "/dev/shm" : "/tmp");
    json_set_alloc_funcs(json_allocate, mem_free);
    err e = ERR_INIT;
    return mkdtemp(folder) == NULL || write_shop(&e) != ERR_OK;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_npy_reader_survives),
        cmocka_unit_test(the_delimited_reader_survives),
        cmocka_unit_test(the_json_reader_survives),
        cmocka_unit_test(the_table_of_ids_survives),
        cmocka_unit_test(the_demo_shop_survives),
        cmocka_unit_test(an_import_survives_and_leaves_the_store_as_it_was),
        cmocka_unit_test(an_export_survives),
    };
    return cmocka_run_group_tests(tests, start, end);
}
