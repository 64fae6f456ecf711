/* SPDX-License-Identifier: Apache-2.0 */
/* What stair check reports for other machines than this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/checkup/explain.h"
#include "server/cli/processors.h"
#include "tests/support/store_fixture.h"

#define MIB ((uint64_t)1 << 20)

typedef struct heard {
    char warnings[4096];
    size_t used, lines;
} heard;

static void hear(void *ctx, bool warning, const char *text)
{
    heard *h = ctx;
    h->lines++;
    if (warning) {
        h->used +=
            (size_t)snprintf(h->warnings + h->used, sizeof h->warnings - h->used, "%s\n", text);
    }
}

/* A machine and a configuration without problems. Each case changes one of them. */
typedef struct scene {
    machine machine;
    serve_options options;
    explain_store store;
    heard heard;
} scene;

static scene well(void)
{
    return (scene){
        .machine = {.disk_free = 10000 * MIB,
                    .memory = 4000 * MIB,
                    .open_files = 65536,
                    .address_space = MACHINE_NO_LIMIT,
                    .file_bytes = MACHINE_NO_LIMIT,
                    .processors = 4,
                    .stopper = "systemd",
                    .stop_seconds = 90},
        .options = {.connections_max = 1000,
                    .background_threads = 1,
                    .work_threads = 1,
                    .body_bytes_max = 4 * MIB,
                    .bodies_bytes_max = 128 * MIB,
                    .answers_bytes_max = 128 * MIB,
                    .queue_bytes_max = 64 * MIB,
                    .stop_timeout = 25,
                    .propagate_every = 10,
                    .propagate_within = 600},
        .store = {.info = {.file_bytes = 500 * MIB, .used_bytes = 400 * MIB},
                  .memory = {.resident = 800 * MIB, .most = 1400 * MIB, .trained = true}},
    };
}

static const char *warnings(scene *s)
{
    explain_to to = {hear, &s->heard};
    explain_machine(&to, &s->machine, &s->options, &s->store);
    assert_true(s->heard.lines >= 6);
    return s->heard.warnings;
}

static void a_machine_that_suits_gets_no_warning(void **state)
{
    (void)state;
    scene s = well();
    assert_string_equal(warnings(&s), "");
}

#define EXPECT(change, text)                                                                       \
    do {                                                                                           \
        scene s = well();                                                                          \
        change;                                                                                    \
        const char *said = warnings(&s);                                                           \
        if (strstr(said, text) == NULL || strchr(said, '\n') != strrchr(said, '\n')) {             \
            fail_msg("%s: said \"%s\"", #change, said);                                            \
        }                                                                                          \
    } while (0)

static void each_limit_that_is_too_low_is_named_with_both_numbers(void **state)
{
    (void)state;
    EXPECT(s.machine.disk_free = 400 * MIB, "a snapshot needs the same space again");
    EXPECT(s.machine.disk = "nfs", "network file system (nfs)");
    EXPECT(s.machine.disk = "tmpfs", "is memory");
    EXPECT(s.options.quota = 20000 * MIB,
           "quota of 20000 MiB is more than the disk can give: at most 10500");
    EXPECT(s.options.quota = 300 * MIB, "more than the quota of 300 MiB: additions are refused");
    EXPECT((s.options.quota = 8000 * MIB, s.options.oplog_bytes = 1001 * MIB),
           "an eighth of the quota, 1000.0 MiB, and not the 1001.0 MiB of oplog_bytes");
    EXPECT(s.options.quota = 440 * MIB, "over nine tenths of the quota of 440 MiB");
    EXPECT((s.store.info.generation = 3, s.store.memory.trained = false),
           "generation 3 is active but its tables are missing");
    EXPECT(s.machine.address_space = 800 * MIB, "limited to 800 MiB (ulimit -v)");
    EXPECT(s.machine.file_bytes = 600 * MIB, "limited to 600 MiB (ulimit -f)");
    EXPECT(s.machine.open_files = 1024, "at least 1144, not 1024");
    EXPECT(s.options.threads = 17, "17 threads for 4 processors");
    EXPECT((s.machine.quota = 0.5, s.options.threads = 4),
           "4 threads for 0.5 processors compete with each other: set threads = 1");
    EXPECT(s.options.background_threads = 5, "background_threads = 5");
    EXPECT(s.options.train_threads = 5, "train_threads = 5");
    EXPECT(s.machine.memory = 1300 * MIB, "1400 MiB while a generation is loaded, of 1300 MiB");
    EXPECT(s.machine.memory = 1500 * MIB, "queue_bytes_max or work_threads, or give");
    EXPECT(s.store.memory.training = 3000 * MIB, "a training does not fit beside the service");
    EXPECT(s.options.drain_delay = 70, "may take 95 s, but systemd kills the service after 90 s");
    EXPECT(s.options.propagate_within = 5, "propagate_within = 5 s");
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[TEMP_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int unlink_in(const char *folder, const char *name)
{
    char path[TEMP_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return unlink(path);
}

static void the_least_of_a_control_group_and_those_above_it_holds(void **state)
{
    (void)state;
    char root[TEMP_PATH_MAX], inner[TEMP_PATH_MAX + 16];
    control_group m = {.memory = 4000 * MIB};
    temp_folder(root);
    snprintf(inner, sizeof inner, "%s/a", root);
    assert_int_equal(mkdir(inner, 0700), 0);
    write_file(root, "memory.max", "104857600\n");
    write_file(root, "cpu.max", "max 100000\n");
    write_file(inner, "memory.max", "max\n");
    write_file(inner, "cpu.max", "150000 100000\n");
    control_group_of(&m, root, "/a");
    assert_int_equal(m.memory, 100 * MIB);
    assert_true(m.processors == 1.5);
    m = (control_group){.memory = 50 * MIB};
    control_group_of(&m, root, "/");
    assert_int_equal(m.memory, 50 * MIB);
    assert_true(m.processors == 0);
    write_file(inner, "cpu.cfs_quota_us", "50000\n"); /* the file names of version 1 */
    write_file(inner, "cpu.cfs_period_us", "100000\n");
    write_file(inner, "memory.limit_in_bytes", "10485760\n");
    assert_int_equal(unlink_in(inner, "memory.max"), 0);
    control_group_of(&m, root, "/a");
    assert_int_equal(m.memory, 10 * MIB);
    assert_true(m.processors == 0.5);
    temp_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_that_suits_gets_no_warning),
        cmocka_unit_test(each_limit_that_is_too_low_is_named_with_both_numbers),
        cmocka_unit_test(the_least_of_a_control_group_and_those_above_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
