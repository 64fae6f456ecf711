/* SPDX-License-Identifier: Apache-2.0 */
/* Stores of other formats, as files. An older one is refused by name and can be migrated. A newer
 * one is refused with advice. A refusal changes neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/log/log_private.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/migrate.h"
#include "storage/maintenance/migrate_records.h"
#include "storage/maintenance/recover.h"
#include "storage/maintenance/snapshot.h"
#include "storage/models/generations.h"
#include "storage/records/features.h"
#include "storage/records/items.h"
#include "storage/records/users.h"
#include "tests/support/store_fixture.h"

static void copy_fixture(const char *name, const char *folder)
{
    char from[TEMP_PATH_MAX], to[2 * TEMP_PATH_MAX], block[4096];
    snprintf(from, sizeof from, "tests/fixtures/%s/data.mdb", name);
    snprintf(to, sizeof to, "%s/data.mdb", folder);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t got = fread(block, 1, sizeof block, in); got > 0;
         got = fread(block, 1, sizeof block, in)) {
        assert_int_equal(fwrite(block, 1, got, out), got);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void refused(const char *folder, store_mode mode, const char *why)
{
    store *s = NULL;
    err e = ERR_INIT;
    store_options options = {.mode = mode, .create = true};
    assert_int_equal(recover_open(&s, folder, &options, &e), ERR_CONFLICT);
    assert_null(s);
    if (strstr(e.text, why) == NULL) {
        fail_msg("expected \"%s\" in: %s", why, e.text);
    }
}

static void a_newer_format_is_refused_with_what_to_do(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    migrate_report report;
    err e = ERR_INIT;
    temp_folder(folder);
    copy_fixture("store-newer", folder);
    refused(folder, STORE_OWNER, "has format 99");
    refused(folder, STORE_READ, "use the newer stair");
    assert_int_equal(migrate_store(folder, &report, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "format 99"));
    refused(folder, STORE_BESIDE, "has format 99");
    temp_remove(folder);
}

static void verify_content(const char *folder)
{
    store *s = open_store(folder);
    check_options nobody = {0};
    check_report report;
    store_read *r = NULL;
    arena memory;
    stored_item it;
    const feature *features = NULL;
    size_t count = 0;
    uint32_t row = 9;
    const float vector[4] = {1, 2, 3, 4};
    arena_init(&memory, 1 << 20);
    assert_int_equal(check_run(s, &nobody, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    assert_int_equal(report.info.seq, 10);
    assert_int_equal(report.info.generation, 1);
    assert_int_equal(report.users, 2);
    assert_int_equal(report.interactions, 3);
    assert_int_equal(report.info.external[0], 0);
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of("sku-1"), &row, NULL), ERR_OK);
    assert_int_equal(row, 0);
    assert_int_equal(item_get(r, row, &memory, &it, NULL), ERR_OK);
    assert_true(slice_equal(it.title, slice_of("Red shoe")));
    assert_int_equal(it.category_count, 2);
    assert_int_equal(it.attribute_count, 4);
    assert_true(slice_equal(it.attributes[0].text, slice_of("acme")));
    assert_int_equal(it.attributes[3].text_count, 2);
    assert_int_equal(features_get(r, row, &memory, &features, &count, NULL), ERR_OK);
    assert_int_equal(count, 1);
    assert_memory_equal(features[0].data, vector, sizeof vector);
    assert_int_equal(item_find(r, slice_of("sku-3"), &row, NULL), ERR_NOT_FOUND);
    assert_int_equal(user_find(r, slice_of("u3"), &row, NULL), ERR_NOT_FOUND);
    store_read_end(r);
    op *next = op_put_item(OP_ITEMS_PUT, "sku-4", NULL, NULL, 0);
    const apply_message message = {
        .ops = (const op *const *)&next, .count = 1, .position = slice_of("topic-3:17")};
    apply_result result;
    apply_result_init(&result);
    assert_int_equal(apply_messages(s, &message, 1, &result, NULL), ERR_OK);
    apply_result_fini(&result);
    op_free(next);
    store_close(s);
    s = open_store(folder);
    store_info info;
    assert_int_equal(store_stat(s, &info, NULL), ERR_OK);
    assert_int_equal(info.seq, 11);
    assert_string_equal(info.external, "topic-3:17");
    store_close(s);
    arena_fini(&memory);
}

static void a_store_of_format_1_is_refused_until_it_is_migrated(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    migrate_report report;
    temp_folder(folder);
    copy_fixture("store-v1", folder);
    refused(folder, STORE_OWNER, "older format 1");
    refused(folder, STORE_READ, "run stair migrate --store");
    assert_int_equal(migrate_store(folder, &report, NULL), ERR_OK);
    assert_int_equal(report.from, 1);
    assert_int_equal(report.dropped, 0);
    verify_content(folder);
    assert_int_equal(migrate_store(folder, &report, NULL), ERR_OK);
    assert_int_equal(report.from, STORE_FORMAT);
    temp_remove(folder);
}

/* The fixture of format 2 is that of format 1, migrated and written to by a service of that
 * version. */
static void a_store_of_format_2_is_refused_until_it_is_migrated(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    migrate_report report;
    check_options nobody = {0};
    check_report found;
    store_read *r = NULL;
    arena memory;
    stored_item it;
    idempotency_record kept;
    uint32_t row = 0;
    temp_folder(folder);
    copy_fixture("store-v2", folder);
    refused(folder, STORE_OWNER, "older format 2");
    refused(folder, STORE_READ, "run stair migrate --store");
    assert_int_equal(migrate_store(folder, &report, NULL), ERR_OK);
    assert_int_equal(report.from, 2);
    assert_int_equal(report.dropped, 0);
    store *s = open_store(folder);
    arena_init(&memory, 1 << 20);
    assert_int_equal(check_run(s, &nobody, &found, NULL), ERR_OK);
    assert_int_equal(found.problems, 0);
    assert_int_equal(found.info.seq, 12);
    assert_int_equal(found.items, 3);
    assert_int_equal(found.deleted_items, 1);
    assert_int_equal(found.interactions, 4);
    assert_int_equal(found.features, 1);
    assert_int_equal(found.generations, 1);
    assert_int_equal(found.idempotency_records, 2);
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    assert_int_equal(item_find(r, slice_of("sku-9"), &row, NULL), ERR_OK);
    assert_int_equal(item_get(r, row, &memory, &it, NULL), ERR_OK);
    assert_true(slice_equal(it.title, slice_of("Green scarf")));
    assert_null(it.description.at);
    assert_int_equal(it.updated_seq, 11);
    assert_int_equal(it.attribute_count, 3);
    assert_int_equal(idempotency_get(r, slice_of("k-edge"), &memory, &kept, NULL), ERR_OK);
    assert_int_equal(kept.status, 200);
    assert_int_equal(kept.seq, 12);
    assert_int_equal(kept.user_count, 1);
    store_read_end(r);
    arena_fini(&memory);
    store_close(s);
    temp_remove(folder);
}

/* A node that is a copy of another and is migrated separately must give its generations the same
 * UUIDs. */
static void every_copy_of_an_older_store_gives_its_generations_the_same_uuid(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char folder[TEMP_PATH_MAX], uuid[GENERATION_ID_TEXT];
        migrate_report report;
        generation_info info;
        size_t bytes = 0;
        bool held = false;
        arena memory;
        store_read *r = NULL;
        temp_folder(folder);
        copy_fixture("store-v2", folder);
        assert_int_equal(migrate_store(folder, &report, NULL), ERR_OK);
        store *s = open_store(folder);
        arena_init(&memory, 1 << 20);
        assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
        assert_int_equal(generation_get(r, 1, &memory, &info, NULL), ERR_OK);
        generation_id_text(&info.id, uuid);
        assert_string_equal(uuid, "3240e121-17bd-89d0-a287-eb94d7c8088e");
        assert_int_equal(info.state, GENERATION_REGISTERED);
        assert_int_equal(generation_held(r, 1, &held, NULL), ERR_OK);
        assert_true(held);
        assert_int_equal(generation_blob_bytes(r, 1, "user_e", &bytes, NULL), ERR_OK);
        assert_true(bytes > 0);
        store_read_end(r);
        arena_fini(&memory);
        store_close(s);
        temp_remove(folder);
    }
}

static void features_of_the_words_name_are_renamed_before_a_migration(void **state)
{
    (void)state;
    static const char called_words[] = "\1\4\0\0\0\5\0\0\0words",
                      called_sword[] = "\1\4\0\0\0\5\0\0\0sword";
    err e = ERR_INIT;
    encoder out;
    encoder_init(&out, 4096);
    slice key = {"\0", 1};
    slice free_name = {called_sword, sizeof called_sword - 1};
    slice taken = {called_words, sizeof called_words - 1};
    assert_int_equal(old_record(DB_MODALITIES, key, free_name, &out, &e), ERR_OK);
    assert_int_equal(old_record(DB_MODALITIES, key, taken, &out, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "named words"));
    encoder_fini(&out);
}

static void migrating_no_store_says_so(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    migrate_report report;
    temp_folder(folder);
    assert_int_equal(migrate_store(folder, &report, NULL), ERR_NOT_FOUND);
    temp_remove(folder);
}

static void a_snapshot_is_a_store_with_a_lineage_of_its_own(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX], copy[2 * TEMP_PATH_MAX];
    uint64_t bytes = 0, seq = 0;
    store_info first, second, again;
    temp_folder(folder);
    snprintf(copy, sizeof copy, "%s/copy", folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(snapshot_write(s, copy, NULL, NULL, &bytes, &seq, NULL), ERR_OK);
    assert_int_equal(seq, 1);
    assert_true(bytes > 0);
    assert_int_equal(snapshot_write(s, copy, NULL, NULL, NULL, NULL, NULL), ERR_CONFLICT);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "b", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(store_stat(s, &first, NULL), ERR_OK);
    store *restored = open_store(copy);
    assert_int_equal(store_stat(restored, &second, NULL), ERR_OK);
    assert_int_equal(second.seq, 1);
    assert_int_equal(second.items, 1);
    assert_memory_not_equal(first.lineage, second.lineage, LINEAGE_BYTES);
    store_close(restored);
    restored = open_store(copy);
    assert_int_equal(store_stat(restored, &again, NULL), ERR_OK);
    assert_memory_equal(second.lineage, again.lineage, LINEAGE_BYTES);
    store_close(restored);
    store_close(s);
    temp_remove(folder);
}

static void a_snapshot_leaves_others_alone_whatever_their_names_are(void **state)
{
    (void)state;
    static const char *const names[] = {"a.tmp", "a.draft", "a"};
    char folder[TEMP_PATH_MAX], copy[2 * TEMP_PATH_MAX];
    temp_folder(folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(copy, sizeof copy, "%s/%s", folder, names[i]);
        assert_int_equal(snapshot_write(s, copy, NULL, NULL, NULL, NULL, NULL), ERR_OK);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snapshot_facts facts;
        snprintf(copy, sizeof copy, "%s/%s", folder, names[i]);
        assert_int_equal(snapshot_inspect(copy, &facts, NULL), ERR_OK);
    }
    store_close(s);
    temp_remove(folder);
}

static void a_copy_at_rest_tells_its_size_and_seq_and_stays_as_it_is(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX], copy[2 * TEMP_PATH_MAX], file[3 * TEMP_PATH_MAX];
    uint64_t bytes = 0, seq = 0;
    snapshot_facts facts;
    temp_folder(folder);
    snprintf(copy, sizeof copy, "%s/copy", folder);
    store *s = open_store(folder);
    assert_int_equal(apply_now(s, op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0), NULL), ERR_OK);
    assert_int_equal(snapshot_write(s, copy, NULL, NULL, &bytes, &seq, NULL), ERR_OK);
    assert_int_equal(snapshot_inspect(copy, &facts, NULL), ERR_OK);
    assert_true(facts.seq_known);
    assert_int_equal(facts.seq, seq);
    assert_int_equal(facts.bytes, bytes);
    snprintf(file, sizeof file, "%s/lock.mdb", copy);
    assert_int_not_equal(access(file, F_OK), 0);
    snprintf(file, sizeof file, "%s/data.mdb", copy);
    assert_int_equal(truncate(file, (off_t)bytes - 4096), 0);
    assert_int_equal(snapshot_inspect(copy, &facts, NULL), ERR_CORRUPT);
    assert_int_equal(truncate(file, 100), 0);
    assert_int_not_equal(snapshot_inspect(copy, &facts, NULL), ERR_OK);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(snapshot_inspect(copy, &facts, NULL), ERR_NOT_FOUND);
    store_close(s);
    temp_remove(folder);
}

static void a_copy_of_another_format_is_a_copy_of_unknown_seq(void **state)
{
    (void)state;
    char folder[TEMP_PATH_MAX];
    snapshot_facts facts;
    temp_folder(folder);
    copy_fixture("store-v1", folder);
    assert_int_equal(snapshot_inspect(folder, &facts, NULL), ERR_OK);
    assert_false(facts.seq_known);
    assert_true(facts.bytes > 0);
    temp_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_format_is_refused_with_what_to_do),
        cmocka_unit_test(a_store_of_format_1_is_refused_until_it_is_migrated),
        cmocka_unit_test(a_store_of_format_2_is_refused_until_it_is_migrated),
        cmocka_unit_test(every_copy_of_an_older_store_gives_its_generations_the_same_uuid),
        cmocka_unit_test(features_of_the_words_name_are_renamed_before_a_migration),
        cmocka_unit_test(migrating_no_store_says_so),
        cmocka_unit_test(a_snapshot_is_a_store_with_a_lineage_of_its_own),
        cmocka_unit_test(a_snapshot_leaves_others_alone_whatever_their_names_are),
        cmocka_unit_test(a_copy_at_rest_tells_its_size_and_seq_and_stays_as_it_is),
        cmocka_unit_test(a_copy_of_another_format_is_a_copy_of_unknown_seq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
