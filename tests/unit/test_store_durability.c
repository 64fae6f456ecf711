/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills, full disks and failing syncs: acknowledged writes are present, and failures are reported.
 *
 * The program defines pwrite, writev and fdatasync before the C library does, so that LMDB's calls
 * can be made to fail. STAIR_KILL_ROUNDS sets the number of rounds, which is small by default.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/common/rng.h"
#include "storage/maintenance/check.h"
#include "storage/models/generations.h"
#include "storage/records/items.h"
#include "tests/support/store_fixture.h"

/* --- the failing disk --- */

static int fail_writes, fail_meta, fail_syncs; /* an errno, or 0 */

ssize_t pwrite(int fd, const void *from, size_t count, off_t offset);
ssize_t writev(int fd, const struct iovec *parts, int count);
int fdatasync(int fd);

static void *next_of(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        abort();
    }
    return found;
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = NULL;
    void *symbol = next_of("pwrite");
    memcpy(&real, &symbol, sizeof real);
    /* LMDB's two meta pages are first in the file. Writing one of them makes a commit valid. */
    int why = offset < 8192 ? fail_meta : fail_writes;
    if (why != 0) {
        errno = why;
        return -1;
    }
    return real(fd, from, count, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t (*real)(int, const struct iovec *, int) = NULL;
    void *symbol = next_of("writev");
    memcpy(&real, &symbol, sizeof real);
    if (fail_writes != 0) {
        errno = fail_writes;
        return -1;
    }
    return real(fd, parts, count);
}

int fdatasync(int fd)
{
    int (*real)(int) = NULL;
    void *symbol = next_of("fdatasync");
    memcpy(&real, &symbol, sizeof real);
    if (fail_syncs != 0) {
        errno = fail_syncs;
        return -1;
    }
    return real(fd);
}

typedef struct world {
    char folder[TEMP_PATH_MAX];
    store *s;
} world;

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    temp_folder(w->folder);
    w->s = open_store(w->folder);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    fail_writes = fail_meta = fail_syncs = 0;
    store_close(w->s);
    temp_remove(w->folder);
    free(w);
    return 0;
}

static void print_problem(void *ctx, const char *text)
{
    (void)ctx;
    print_error("check: %s\n", text);
}

static check_report verified(store *s)
{
    check_options options = {.problem = print_problem};
    check_report report;
    assert_int_equal(check_run(s, &options, &report, NULL), ERR_OK);
    assert_int_equal(report.problems, 0);
    return report;
}

static bool has_item(store *s, const char *id)
{
    store_read *r = NULL;
    uint32_t row = 0;
    assert_int_equal(store_read_begin(s, &r, NULL), ERR_OK);
    err_code code = item_find(r, slice_of(id), &row, NULL);
    store_read_end(r);
    return code == ERR_OK;
}

static err_code put(store *s, const char *id)
{
    return apply_now(s, op_put_item(OP_ITEMS_PUT, id, "t", NULL, 0), NULL);
}

static void a_full_disk_refuses_the_write_and_recovers_with_room(void **state)
{
    world *w = *state;
    assert_int_equal(put(w->s, "before"), ERR_OK);
    fail_writes = ENOSPC;
    assert_int_equal(put(w->s, "refused"), ERR_FULL);
    assert_int_equal(put(w->s, "refused"), ERR_FULL);
    assert_true(has_item(w->s, "before"));
    assert_false(has_item(w->s, "refused"));
    store_info info;
    assert_int_equal(store_stat(w->s, &info, NULL), ERR_OK);
    assert_true(info.writable);
    fail_writes = 0;
    assert_int_equal(put(w->s, "after"), ERR_OK);
    assert_true(has_item(w->s, "after"));
    assert_int_equal(verified(w->s).info.seq, 2);
}

static void after_a_failed_sync_nothing_is_written_until_reopened(void **state)
{
    world *w = *state;
    store_info info;
    assert_int_equal(put(w->s, "before"), ERR_OK);
    fail_syncs = EIO;
    assert_int_equal(put(w->s, "unknown"), ERR_OUTCOME_UNKNOWN);
    fail_syncs = 0;
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
    assert_true(has_item(w->s, "before"));
    assert_int_equal(store_stat(w->s, &info, NULL), ERR_OK);
    assert_false(info.writable);
    assert_int_equal(store_reopen(w->s, &info, NULL), ERR_OK);
    assert_true(info.writable);
    /* Whatever the outcome, seq and content agree. */
    assert_int_equal(info.seq, has_item(w->s, "unknown") ? 2 : 1);
    assert_int_equal(put(w->s, "after"), ERR_OK);
    assert_int_equal(verified(w->s).info.seq, info.seq + 1);
}

static void a_failed_meta_page_makes_the_outcome_unknown(void **state)
{
    world *w = *state;
    store_info info;
    assert_int_equal(put(w->s, "before"), ERR_OK);
    fail_meta = EIO;
    assert_int_equal(put(w->s, "unknown"), ERR_OUTCOME_UNKNOWN);
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
    fail_meta = 0;
    assert_int_equal(store_reopen(w->s, &info, NULL), ERR_OK);
    assert_int_equal(info.seq, has_item(w->s, "unknown") ? 2 : 1);
    assert_int_equal(put(w->s, "after"), ERR_OK);
    verified(w->s);
}

static void a_group_on_a_full_disk_is_refused_op_by_op(void **state)
{
    world *w = *state;
    op *ops[3] = {op_put_item(OP_ITEMS_PUT, "a", NULL, NULL, 0),
                  op_put_item(OP_ITEMS_PUT, "b", NULL, NULL, 0),
                  op_put_item(OP_ITEMS_PUT, "c", NULL, NULL, 0)};
    apply_result results[3];
    for (int i = 0; i < 3; i++) {
        apply_result_init(&results[i]);
    }
    fail_writes = ENOSPC;
    assert_int_equal(apply_group(w->s, (const op *const *)ops, 3, results, NULL), ERR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].code, ERR_FULL);
        assert_int_equal(results[i].changes.count, 0);
    }
    fail_writes = 0;
    assert_int_equal(apply_group(w->s, (const op *const *)ops, 3, results, NULL), ERR_OK);
    assert_int_equal(results[2].seq, 3);
    for (int i = 0; i < 3; i++) {
        apply_result_fini(&results[i]);
        op_free(ops[i]);
    }
}

/* --- kills --- */

static int kill_rounds(void)
{
    const char *asked = getenv("STAIR_KILL_ROUNDS");
    int rounds = asked != NULL ? atoi(asked) : 10;
    return rounds > 0 ? rounds : 10;
}

/* write_for_ever is the child: it writes for ever and reports the op after each acknowledgement. */
static void write_for_ever(const char *folder, int to, uint64_t seed)
{
    store *s = open_store(folder);
    store_info info;
    if (store_stat(s, &info, NULL) != ERR_OK) {
        _exit(1);
    }
    rng random;
    rng_init(&random, seed, 1);
    float table[64] = {1};
    for (uint64_t n = info.seq + 1;; n++) {
        char id[32];
        uint64_t seq = 0;
        snprintf(id, sizeof id, "i%llu", (unsigned long long)n);
        err_code code = rng_below(&random, 3) == 0 && n > 1
                            ? apply_now(s, op_add(id, "i1", "purchase", 5), &seq)
                            : apply_now(s, op_put_item(OP_ITEMS_PUT, id, "t", table, 64), &seq);
        if (code != ERR_OK || seq != n || write(to, &seq, sizeof seq) != (ssize_t)sizeof seq) {
            _exit(1);
        }
        if (rng_below(&random, 8) == 0) { /* a part of a training, sometimes killed half-way */
            generation_info g = {.users = 4};
            generation_id made;
            memcpy(g.lineage, info.lineage, LINEAGE_BYTES);
            if (generation_begin(s, &g, &made, NULL) != ERR_OK ||
                generation_put(s, &made, "user_e", table, sizeof table, 64, NULL) != ERR_OK ||
                generation_finish(s, &made, slice_of("{}"), false, NULL) != ERR_OK) {
                _exit(1);
            }
        }
    }
}

/* kill_at_some_moment waits for the child's first acknowledgement, however slow the machine is, and
 * then for some time. This does not wait for an event, but chooses the moment of the kill. */
static uint64_t kill_at_some_moment(pid_t child, int from, uint64_t milliseconds)
{
    uint64_t first = 0;
    int status = 0;
    assert_int_equal(read(from, &first, sizeof first), sizeof first);
    struct timespec moment = {0, (long)milliseconds * 1000000};
    nanosleep(&moment, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return first;
}

static uint64_t last_acknowledged(int from, uint64_t first)
{
    uint64_t seq = 0, last = first;
    while (read(from, &seq, sizeof seq) == (ssize_t)sizeof seq) {
        assert_int_equal(seq, last + 1);
        last = seq;
    }
    return last;
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    world *w = *state;
    rng random;
    rng_init(&random, 7, 0);
    store_close(w->s);
    w->s = NULL;
    uint64_t total = 0;
    for (int round = 0; round < kill_rounds(); round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            write_for_ever(w->folder, ends[1], (uint64_t)round);
        }
        close(ends[1]);
        uint64_t first = kill_at_some_moment(child, ends[0], rng_below(&random, 60));
        uint64_t acknowledged = last_acknowledged(ends[0], first);
        close(ends[0]);
        store *s = open_store(w->folder);
        check_report report = verified(s);
        assert_int_equal(report.unfinished_generations, 0);
        assert_in_range(report.info.seq, acknowledged, acknowledged + 1);
        assert_int_equal(report.items + report.interactions, report.info.seq);
        total = report.info.seq;
        store_close(s);
    }
    assert_true(total > 0);
    w->s = open_store(w->folder);
}

static void flip_for_ever(const char *folder, int to)
{
    store *s = open_store(folder);
    for (uint64_t n = 1;; n++) {
        store *staged = NULL;
        store_write *write_group = NULL;
        uint32_t row = 0;
        if (store_stage_begin(s, false, &staged, NULL) != ERR_OK ||
            store_write_begin(staged, &write_group, NULL) != ERR_OK) {
            _exit(1);
        }
        for (int i = 0; i < 50; i++) {
            char id[16];
            snprintf(id, sizeof id, "i%d", i);
            stored_item it = {.id = slice_of(id)};
            if (item_create(write_group, &it, &row, NULL) != ERR_OK) {
                _exit(1);
            }
        }
        if (store_write_commit(write_group, NULL) != ERR_OK ||
            store_stage_flip(s, staged, NULL) != ERR_OK ||
            write(to, &n, sizeof n) != (ssize_t)sizeof n) {
            _exit(1);
        }
    }
}

static void a_kill_while_content_is_replaced_leaves_the_old_or_the_new(void **state)
{
    world *w = *state;
    rng random;
    rng_init(&random, 11, 0);
    assert_int_equal(put(w->s, "first"), ERR_OK);
    store_close(w->s);
    w->s = NULL;
    uint64_t seq = 1;
    for (int round = 0; round < kill_rounds(); round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            flip_for_ever(w->folder, ends[1]);
        }
        close(ends[1]);
        uint64_t first = kill_at_some_moment(child, ends[0], rng_below(&random, 40));
        uint64_t flips = last_acknowledged(ends[0], first);
        close(ends[0]);
        store *s = open_store(w->folder);
        check_report report = verified(s);
        assert_in_range(report.info.seq, seq + flips, seq + flips + 1);
        assert_true(report.items == 50 || (report.items == 1 && report.info.seq == 1));
        seq = report.info.seq;
        store_close(s);
    }
    assert_true(seq > 1);
    w->s = open_store(w->folder);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_full_disk_refuses_the_write_and_recovers_with_room),
        WITH_STORE(after_a_failed_sync_nothing_is_written_until_reopened),
        WITH_STORE(a_failed_meta_page_makes_the_outcome_unknown),
        WITH_STORE(a_group_on_a_full_disk_is_refused_op_by_op),
        WITH_STORE(what_was_acknowledged_survives_a_kill),
        WITH_STORE(a_kill_while_content_is_replaced_leaves_the_old_or_the_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
