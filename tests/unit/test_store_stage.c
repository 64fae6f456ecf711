/* SPDX-License-Identifier: Apache-2.0 */
/* Staging excludes trainings from its copy until the flip or the abort. A training takes its lock
 * before it opens content that an import could replace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/maintenance/recover.h"
#include "tests/support/store_fixture.h"

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
    store_close(w->s);
    temp_remove(w->folder);
    free(w);
    return 0;
}

/* training_lock takes the lock like the training of another process. It returns the descriptor that
 * holds the lock, or -1. */
static int training_lock(const world *w)
{
    char path[2 * TEMP_PATH_MAX];
    snprintf(path, sizeof path, "%s/train.lock", w->folder);
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    int fd = dup(fileno(file));
    fclose(file);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void assert_trainings_may_run(const world *w, bool may)
{
    int fd = training_lock(w);
    assert_int_equal(fd >= 0, may);
    if (fd >= 0) {
        close(fd);
    }
}

static void a_training_is_kept_out_from_the_copy_to_the_flip(void **state)
{
    world *w = *state;
    store *staged = NULL;
    assert_int_equal(store_stage_begin(w->s, true, &staged, NULL), ERR_OK);
    assert_trainings_may_run(w, false);
    assert_int_equal(store_stage_flip(w->s, staged, NULL), ERR_OK);
    assert_trainings_may_run(w, true);
    assert_int_equal(store_stage_begin(w->s, true, &staged, NULL), ERR_OK);
    assert_trainings_may_run(w, false);
    store_stage_abort(staged);
    assert_trainings_may_run(w, true);
}

static void staging_is_refused_at_once_while_a_training_runs(void **state)
{
    world *w = *state;
    store *staged = NULL;
    err e = ERR_INIT;
    struct stat st;
    char stage[2 * TEMP_PATH_MAX];
    snprintf(stage, sizeof stage, "%s/import.tmp", w->folder);
    int fd = training_lock(w);
    assert_true(fd >= 0);
    assert_int_equal(store_stage_begin(w->s, true, &staged, &e), ERR_CONFLICT);
    assert_null(staged);
    assert_non_null(strstr(e.text, "a training of the store"));
    assert_int_not_equal(stat(stage, &st), 0);
    close(fd);
    assert_int_equal(store_stage_begin(w->s, true, &staged, NULL), ERR_OK);
    store_stage_abort(staged);
}

static void a_training_is_refused_before_it_opens_the_content(void **state)
{
    world *w = *state;
    store *trainer = NULL;
    err e = ERR_INIT;
    store_options options = {.mode = STORE_BESIDE, .training = true};
    char data[2 * TEMP_PATH_MAX];
    snprintf(data, sizeof data, "%s/data.mdb", w->folder);
    store_close(w->s);
    w->s = NULL;
    int fd = training_lock(w);
    assert_true(fd >= 0);
    assert_int_equal(truncate(data, 0), 0); /* opening it would find no store */
    assert_int_equal(recover_open(&trainer, w->folder, &options, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "runs in process"));
    close(fd);
    assert_int_equal(recover_open(&trainer, w->folder, &options, NULL), ERR_NOT_FOUND);
    assert_trainings_may_run(w, true);
    w->s = open_store(w->folder);
    store_close(w->s);
    w->s = NULL;
    assert_int_equal(recover_open(&trainer, w->folder, &options, NULL), ERR_OK);
    assert_trainings_may_run(w, false);
    store_close(trainer);
    assert_trainings_may_run(w, true);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_training_is_kept_out_from_the_copy_to_the_flip),
        WITH_STORE(staging_is_refused_at_once_while_a_training_runs),
        WITH_STORE(a_training_is_refused_before_it_opens_the_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
