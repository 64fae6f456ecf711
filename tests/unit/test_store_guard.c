/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody deletes or replaces files of an open store: no process may write beside one that uses
 * another file of the same name. Two handles in one process stand for two processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storage/env/guard.h"
#include "storage/env/schema.h"
#include "storage/env/store.h"
#include "storage/maintenance/check.h"
#include "storage/maintenance/migrate.h"
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

static void lose(const world *w, const char *name)
{
    char path[TEMP_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    assert_int_equal(unlink(path), 0);
}

static bool there(const world *w, const char *name)
{
    char path[TEMP_PATH_MAX + 32];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    return stat(path, &st) == 0;
}

static err_code put(store *s, const char *id)
{
    return apply_now(s, op_put_item(OP_ITEMS_PUT, id, "t", NULL, 0), NULL);
}

/* open_elsewhere opens the store in another process, because LMDB allows an environment only once
 * in each. It returns the code, and checks that the error's text contains `says`. */
static err_code open_elsewhere(const world *w, store_mode mode, const char *says)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        store *s = NULL;
        err e = ERR_INIT;
        store_options options = {.mode = mode};
        err_code code = store_open(&s, w->folder, &options, &e);
        _exit(code != ERR_OK && strstr(e.text, says) == NULL ? 99 : (int)code);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (err_code)WEXITSTATUS(status);
}

static void nothing_opens_beside_a_process_whose_lock_file_is_gone(void **state)
{
    world *w = *state;
    assert_int_equal(open_elsewhere(w, STORE_BESIDE, ""), ERR_OK);
    lose(w, "lock.mdb");
    assert_int_equal(open_elsewhere(w, STORE_BESIDE, "lock.mdb was deleted"), ERR_CONFLICT);
    assert_int_equal(open_elsewhere(w, STORE_READ, "lock.mdb was deleted"), ERR_CONFLICT);
    assert_false(there(w, "lock.mdb"));
    store_close(w->s);
    w->s = NULL;
    assert_int_equal(open_elsewhere(w, STORE_BESIDE, ""), ERR_OK);
    w->s = open_store(w->folder);
}

static void an_owner_does_not_open_beside_a_training_whose_lock_file_is_gone(void **state)
{
    world *w = *state;
    store_options options = {.mode = STORE_BESIDE};
    store_close(w->s);
    w->s = NULL;
    assert_int_equal(store_open(&w->s, w->folder, &options, NULL), ERR_OK);
    assert_int_equal(open_elsewhere(w, STORE_OWNER, ""), ERR_OK);
    lose(w, "lock.mdb");
    assert_int_equal(open_elsewhere(w, STORE_OWNER, "lock.mdb was deleted"), ERR_CONFLICT);
}

static void a_commit_without_its_lock_file_is_refused_and_opening_anew_heals(void **state)
{
    world *w = *state;
    store_info info;
    assert_int_equal(put(w->s, "before"), ERR_OK);
    lose(w, "lock.mdb");
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
    assert_int_equal(store_reopen(w->s, &info, NULL), ERR_OK);
    assert_int_equal(info.seq, 1);
    assert_true(there(w, "lock.mdb"));
    assert_int_equal(put(w->s, "after"), ERR_OK);
    assert_int_equal(open_elsewhere(w, STORE_BESIDE, ""), ERR_OK);
}

static void a_second_owner_is_refused_though_owner_lock_is_gone(void **state)
{
    world *w = *state;
    migrate_report migrated;
    lose(w, "owner.lock");
    assert_int_equal(open_elsewhere(w, STORE_OWNER, "owner.lock was deleted"), ERR_CONFLICT);
    assert_int_equal(put(w->s, "first"), ERR_OK); /* and takes the name again */
    assert_int_equal(open_elsewhere(w, STORE_OWNER, "in use by process"), ERR_CONFLICT);
    lose(w, "owner.lock");
    assert_int_equal(migrate_store(w->folder, &migrated, NULL), ERR_CONFLICT);
}

static void a_commit_to_a_data_file_that_is_gone_is_refused(void **state)
{
    world *w = *state;
    store_info info;
    assert_int_equal(put(w->s, "before"), ERR_OK);
    lose(w, "data.mdb");
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
    assert_int_equal(store_reopen(w->s, &info, NULL), ERR_NOT_FOUND);
    assert_false(there(w, "data.mdb"));
}

static void a_link_in_place_of_a_file_is_not_followed(void **state)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner.lock", "open.lock"};
    world *w = *state;
    char path[TEMP_PATH_MAX + 32], aside[TEMP_PATH_MAX + 32];
    store_close(w->s);
    w->s = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        store *s = NULL;
        store_options options = {.mode = STORE_OWNER};
        snprintf(path, sizeof path, "%s/%s", w->folder, names[i]);
        snprintf(aside, sizeof aside, "%s/aside", w->folder);
        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(symlink("aside", path), 0);
        assert_int_not_equal(store_open(&s, w->folder, &options, NULL), ERR_OK);
        assert_int_equal(rename(aside, path), 0);
    }
    w->s = open_store(w->folder);
}

/* --- commits that skip the comparison because the folder has not changed --- */

/* tick waits until a change gets a later time than the last one. */
static folder_state tick(const world *w)
{
    folder_state f = folder_look(w->folder);
    struct timespec now;
    do {
        assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &now), 0);
    } while (now.tv_sec < f.changed.tv_sec ||
             (now.tv_sec == f.changed.tv_sec && now.tv_nsec <= f.changed.tv_nsec));
    return f;
}

static void make(const world *w, const char *name)
{
    char path[TEMP_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static void move(const world *w, const char *from, const char *to)
{
    char old[TEMP_PATH_MAX + 32], new[TEMP_PATH_MAX + 32];
    snprintf(old, sizeof old, "%s/%s", w->folder, from);
    snprintf(new, sizeof new, "%s/%s", w->folder, to);
    assert_int_equal(rename(old, new), 0);
}

static void every_change_of_a_name_changes_the_folders_state(void **state)
{
    world *w = *state;
    char aside[TEMP_PATH_MAX + 8];
    snprintf(aside, sizeof aside, "%s.aside", w->folder);
    make(w, "other");
    for (int kind = 0; kind < 6; kind++) {
        folder_state before = tick(w), after;
        assert_true(folder_same(&before, &before));
        switch (kind) {
        case 0: assert_int_equal(put(w->s, "no name changes"), ERR_OK); break;
        case 1: move(w, "lock.mdb", "lock.old"); break;
        case 2: move(w, "other", "lock.mdb"); break; /* another file in its place */
        case 3: move(w, "lock.old", "lock.mdb"); break;
        case 4: lose(w, "owner.lock"); break;
        default:
            assert_int_equal(rename(w->folder, aside), 0);
            assert_int_equal(mkdir(w->folder, 0700), 0);
        }
        after = folder_look(w->folder);
        assert_int_equal(folder_same(&before, &after), kind == 0);
    }
    assert_int_equal(rmdir(w->folder), 0);
    assert_int_equal(rename(aside, w->folder), 0);
}

static void a_folders_state_counts_only_when_it_has_settled(void **state)
{
    world *w = *state;
    folder_state f = folder_look(w->folder), none = folder_look("/nowhere");
    struct timespec now = f.changed;
    for (int seconds = -1; seconds <= FOLDER_SETTLE_SECONDS; seconds++) {
        now.tv_sec = f.changed.tv_sec + seconds;
        assert_false(folder_settled(&f, now));
    }
    now.tv_sec++;
    assert_true(folder_settled(&f, now));
    assert_false(folder_settled(&none, now));
    assert_false(folder_same(&none, &none));
}

static void a_commit_in_a_settled_folder_still_finds_a_lost_file(void **state)
{
    world *w = *state;
    store_info info;
    w->s->files.compared = tick(w); /* as if the folder had been compared and was settled */
    assert_int_equal(put(w->s, "first"), ERR_OK);
    lose(w, "owner.lock");
    assert_int_equal(put(w->s, "second"), ERR_OK); /* and takes the name again */
    assert_true(there(w, "owner.lock"));
    w->s->files.compared = tick(w);
    lose(w, "lock.mdb");
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
    assert_int_equal(store_reopen(w->s, &info, NULL), ERR_OK);
    assert_int_equal(info.seq, 2);
    assert_int_equal(w->s->files.compared.folder.number, 0);
    w->s->files.compared = tick(w);
    lose(w, "data.mdb");
    assert_int_equal(put(w->s, "refused"), ERR_UNAVAILABLE);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(nothing_opens_beside_a_process_whose_lock_file_is_gone),
        WITH_STORE(an_owner_does_not_open_beside_a_training_whose_lock_file_is_gone),
        WITH_STORE(a_commit_without_its_lock_file_is_refused_and_opening_anew_heals),
        WITH_STORE(a_second_owner_is_refused_though_owner_lock_is_gone),
        WITH_STORE(a_commit_to_a_data_file_that_is_gone_is_refused),
        WITH_STORE(every_change_of_a_name_changes_the_folders_state),
        WITH_STORE(a_folders_state_counts_only_when_it_has_settled),
        WITH_STORE(a_commit_in_a_settled_folder_still_finds_a_lost_file),
        WITH_STORE(a_link_in_place_of_a_file_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
