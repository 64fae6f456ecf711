/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples that the fuzzers of ops and records start from decode, and every kind has one.
 *
 * An example of an older version is refused at its first byte, and the fuzzer would rarely reach
 * the code behind that check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "storage/log/log_private.h"
#include "storage/log/message.h"
#include "storage/maintenance/migrate_records.h"
#include "storage/models/model_private.h"
#include "storage/models/model_record.h"
#include "storage/records/records.h"

#define EXAMPLES "tests/fixtures/fuzz/"

enum { PATH_MAX_BYTES = 300, FILE_MAX_BYTES = 4096, ARENA_BYTES = 1 << 20 };

/* A decoder returns the number of the kind that it found in the example. */
typedef unsigned (*decode_example)(const char *name, slice bytes, arena *a);

static slice read_file(const char *folder, const char *name, arena *a)
{
    char path[PATH_MAX_BYTES], bytes[FILE_MAX_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t length = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_in_range(length, 1, sizeof bytes - 1);
    return (slice){arena_copy(a, bytes, length), length};
}

/* decode_all decodes every example of a folder; returns the kinds that it found, as bits. */
static unsigned decode_all(const char *folder, decode_example decode)
{
    unsigned kinds = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *at = readdir(d); at != NULL; at = readdir(d)) {
        if (at->d_name[0] != '.') {
            arena a;
            arena_init(&a, ARENA_BYTES);
            kinds |= 1U << decode(at->d_name, read_file(folder, at->d_name, &a), &a);
            arena_fini(&a);
        }
    }
    closedir(d);
    return kinds;
}

static void expect_decoded(err_code code, const char *name, const err *e)
{
    if (code != ERR_OK) {
        fail_msg("example %s: %s", name, e->text);
    }
}

/* A message counts as kind 0, which no op has. */
static unsigned decode_op(const char *name, slice bytes, arena *a)
{
    err e = ERR_INIT;
    op *o = NULL;
    message *m = NULL;
    (void)a;
    if (strncmp(name, "message", 7) == 0) {
        expect_decoded(message_decode(&m, bytes, NULL, &e), name, &e);
        message_free(m);
        return 0;
    }
    expect_decoded(op_decode(&o, bytes, &e), name, &e);
    unsigned kind = o->kind;
    op_free(o);
    return kind;
}

/* The first byte selects the decoder, as in tests/fuzz/fuzz_records.c. */
static unsigned decode_record(const char *name, slice bytes, arena *a)
{
    enum { ROW = 7, WIDTH = 4 };
    union {
        store_state state;
        stored_user user;
        interaction edge;
        feature feature;
        modality modality;
        oplog_entry entry;
        generation_info generation;
        blob_record blob;
        slice text;
        stored_item item;
        idempotency_record kept;
    } out;
    model *m = NULL;
    err e = ERR_INIT;
    err_code code = ERR_INTERNAL;
    unsigned kind = (unsigned char)bytes.at[0];
    slice record = {bytes.at + 1, bytes.length - 1};
    switch (kind) {
    case 0: code = state_decode(&out.state, record, &e); break;
    case 1: code = user_decode(&out.user, ROW, record, &e); break;
    case 2: code = edge_decode(&out.edge, true, ROW, record, &e); break;
    case 3: code = feature_decode(&out.feature, WIDTH, record, &e); break;
    case 4: code = modality_decode(&out.modality, 0, record, &e); break;
    case 5: code = oplog_decode(&out.entry, 1, record, &e); break;
    case 6: code = generation_decode(&out.generation, record, &e); break;
    case 7: code = blob_decode(&out.blob, record, &e); break;
    case 8: code = piece_decode(&out.text, record, true, &e); break;
    case 9: code = type_decode(&out.text, record, &e); break;
    case 10: code = item_decode(&out.item, ROW, record, a, &e); break;
    case 11: code = model_decode(&m, record, &e); break;
    case 12: code = idempotency_decode(&out.kept, record, &e); break;
    case 13: code = old_item(record, a, &out.item, &e); break;
    default: fail_msg("example %s: unknown kind %u", name, kind);
    }
    expect_decoded(code, name, &e);
    model_free(m);
    return kind;
}

static void every_kind_of_op_has_an_example_of_this_version(void **state)
{
    (void)state;
    unsigned kinds = decode_all(EXAMPLES "op", decode_op);
    assert_int_equal(kinds, (1U << (OP_GENERATION_PRUNE + 1)) - 1);
}

static void every_kind_of_record_has_an_example_of_this_version(void **state)
{
    (void)state;
    unsigned kinds = decode_all(EXAMPLES "records", decode_record);
    assert_int_equal(kinds, (1U << 14) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_op_has_an_example_of_this_version),
        cmocka_unit_test(every_kind_of_record_has_an_example_of_this_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
