/* SPDX-License-Identifier: Apache-2.0 */
/* Which value a setting has if flag, environment, file and default disagree, and what is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/cli/options.h"
#include "server/commands/commands.h"

typedef struct settings {
    int64_t epochs;
    double rate;
    uint64_t size;
    double wait;
    bool quick;
    int mode;
    const char *name;
    option_list features;
} settings;

static const option table[] = {
    {.name = "epochs",
     OPTION_FIELD(settings, epochs, OPTION_INT),
     .initial = "5",
     .min = 1,
     .max = 100,
     .help = "how many"},
    {.name = "learning-rate",
     OPTION_FIELD(settings, rate, OPTION_REAL),
     .initial = "0.5",
     .min = 0,
     .max = 1,
     .help = "how fast"},
    {.name = "size",
     OPTION_FIELD(settings, size, OPTION_BYTES),
     .initial = "1KiB",
     .max = 1 << 30,
     .help = "how large"},
    {.name = "wait",
     OPTION_FIELD(settings, wait, OPTION_SECONDS),
     .initial = "2s",
     .max = 3600,
     .help = "how long"},
    {.name = "quick", OPTION_FIELD(settings, quick, OPTION_BOOL), .help = "or not"},
    {.name = "mode",
     OPTION_FIELD(settings, mode, OPTION_CHOICE),
     .initial = "b",
     .choices = "a|b|auto",
     .help = "which"},
    {.name = "name", .key = "own-name", OPTION_FIELD(settings, name, OPTION_TEXT), .help = "whose"},
    {.name = "features",
     OPTION_FIELD(settings, features, OPTION_LIST),
     .greedy = true,
     .help = "what"},
    OPTION_END,
};

static settings got;
static option_values values;
static err e;

static err_code parse(const char *file, int argc, char **argv)
{
    option_input input = {.argc = argc, .argv = argv, .file = file};
    memset(&got, 0, sizeof got);
    e = (err)ERR_INIT;
    return options_read(&values, table, &got, &input, &e);
}

/* Reads these words and frees the values; for cases that need only plain numbers or the error. */
#define READ(file, ...)                                                                            \
    ({                                                                                             \
        char *words_[] = {__VA_ARGS__ __VA_OPT__(, ) NULL};                                        \
        err_code rc_ = parse((file), (int)(sizeof words_ / sizeof words_[0]) - 1, words_);         \
        options_fini(&values);                                                                     \
        rc_;                                                                                       \
    })

static void write_file(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/stair-options-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void defaults_hold_where_nothing_is_said(void **state)
{
    (void)state;
    assert_int_equal(READ(NULL), ERR_OK);
    assert_int_equal(got.epochs, 5);
    assert_true(got.rate == 0.5);
    assert_int_equal(got.size, 1024);
    assert_true(got.wait == 2);
    assert_false(got.quick);
    assert_int_equal(got.mode, 1);
    assert_null(got.name);
    assert_int_equal(got.features.count, 0);
}

static void a_flag_beats_the_environment_that_beats_the_file_that_beats_the_default(void **state)
{
    char path[64];
    (void)state;
    write_file(path, "# comment\n\nepochs = 10\nlearning_rate=0.25\n");
    assert_int_equal(READ(path), ERR_OK);
    assert_int_equal(got.epochs, 10);
    assert_true(got.rate == 0.25);
    setenv("STAIR_EPOCHS", "20", 1);
    assert_int_equal(READ(path), ERR_OK);
    assert_int_equal(got.epochs, 20);
    assert_int_equal(READ(path, "--epochs", "30"), ERR_OK);
    assert_int_equal(got.epochs, 30);
    assert_true(got.rate == 0.25);
    unsetenv("STAIR_EPOCHS");
    unlink(path);
}

static void an_empty_variable_of_the_environment_is_not_set(void **state)
{
    char path[64];
    (void)state;
    write_file(path, "epochs = 10\nmode = a\n");
    setenv("STAIR_EPOCHS", "", 1);
    setenv("STAIR_MODE", "", 1);
    assert_int_equal(READ(path), ERR_OK);
    assert_int_equal(got.epochs, 10);
    assert_int_equal(got.mode, 0);
    setenv("STAIR_CONFIG", "", 1);
    assert_int_equal(READ(path), ERR_OK);
    assert_int_equal(got.epochs, 10);
    setenv("STAIR_CONFIG", path, 1);
    assert_int_equal(READ(NULL), ERR_OK);
    assert_int_equal(got.epochs, 10);
    unsetenv("STAIR_CONFIG");
    unsetenv("STAIR_EPOCHS");
    unsetenv("STAIR_MODE");
    unlink(path);
}

static void what_was_given_is_told_from_what_was_not(void **state)
{
    char *words[] = {"--epochs=7", "x", "--", "--y", NULL};
    (void)state;
    assert_int_equal(parse(NULL, 4, words), ERR_OK);
    assert_true(options_given(&values, "epochs"));
    assert_false(options_given(&values, "learning-rate"));
    assert_int_equal(values.rest_count, 2);
    assert_string_equal(values.rest[0], "x");
    assert_string_equal(values.rest[1], "--y");
    options_fini(&values);
}

static void sizes_times_and_choices_take_their_units(void **state)
{
    (void)state;
    assert_int_equal(READ(NULL, "--size", "1.5MiB", "--wait", "250ms", "--mode=auto", "--quick"),
                     ERR_OK);
    assert_int_equal(got.size, 1536 * 1024);
    assert_true(got.wait == 0.25);
    assert_int_equal(got.mode, 2);
    assert_true(got.quick);
    assert_int_equal(READ(NULL, "--size=2MB", "--wait=2m", "--no-quick"), ERR_OK);
    assert_int_equal(got.size, 2000000);
    assert_true(got.wait == 120);
    assert_false(got.quick);
}

static void a_list_collects_repeated_flags_and_greedy_words(void **state)
{
    char *words[] = {"--features", "a=1", "b=2", "--features=c=3", NULL};
    (void)state;
    setenv("STAIR_FEATURES", "x,y", 1);
    assert_int_equal(parse(NULL, 4, words), ERR_OK);
    assert_int_equal(got.features.count, 3);
    assert_string_equal(got.features.at[2], "c=3");
    options_fini(&values);
    assert_int_equal(parse(NULL, 0, words), ERR_OK);
    assert_int_equal(got.features.count, 2);
    assert_string_equal(got.features.at[1], "y");
    options_fini(&values);
    unsetenv("STAIR_FEATURES");
}

static void a_bad_value_is_refused_with_its_place_and_range(void **state)
{
    char path[64];
    char wanted[160];
    (void)state;
    assert_int_equal(READ(NULL, "--epochs", "101"), ERR_INVALID);
    assert_string_equal(e.text, "--epochs: expected a whole number from 1 to 100, not \"101\"");
    static const char *const bad[] = {"0", "", " 5", "5x", "0x10", "1e1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(READ(NULL, "--epochs", (char *)bad[i]), ERR_INVALID);
    }
    static const char *const not_real[] = {"nan", "inf", "-0.1", "1.01", "0x1", "", "0.5x"};
    for (size_t i = 0; i < sizeof not_real / sizeof not_real[0]; i++) {
        assert_int_equal(READ(NULL, "--learning-rate", (char *)not_real[i]), ERR_INVALID);
    }
    assert_int_equal(READ(NULL, "--mode", "c"), ERR_INVALID);
    assert_string_equal(e.text, "--mode: expected one of a|b|auto, not \"c\"");
    assert_int_equal(READ(NULL, "--size", "5 apples"), ERR_INVALID);
    write_file(path, "learning_rate = 0.1\nepochs = many\n");
    assert_int_equal(READ(path), ERR_INVALID);
    snprintf(wanted, sizeof wanted,
             "%s:2: epochs: expected a whole number from 1 to 100, not \"many\"", path);
    assert_string_equal(e.text, wanted);
    unlink(path);
    setenv("STAIR_EPOCHS", "-", 1);
    assert_int_equal(READ(NULL), ERR_INVALID);
    assert_non_null(strstr(e.text, "STAIR_EPOCHS: expected"));
    unsetenv("STAIR_EPOCHS");
}

static bool known_elsewhere(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "elsewhere") == 0;
}

static void unknown_names_stop_but_another_commands_key_does_not(void **state)
{
    char path[64];
    (void)state;
    assert_int_equal(READ(NULL, "--epoch", "5"), ERR_INVALID);
    assert_non_null(strstr(e.text, "unknown option --epoch; did you mean --epochs?"));
    assert_int_equal(READ(NULL, "--something"), ERR_INVALID);
    assert_null(strstr(e.text, "did you mean"));
    assert_int_equal(READ(NULL, "-x"), ERR_INVALID);
    assert_int_equal(READ(NULL, "--learning_rate=0.5"), ERR_INVALID);
    assert_int_equal(READ(NULL, "--epochs", "5", "--epochs", "6"), ERR_INVALID);
    assert_int_equal(READ(NULL, "--epochs"), ERR_INVALID);
    write_file(path, "elsewhere = 1\n");
    assert_int_equal(READ(path), ERR_INVALID);
    assert_non_null(strstr(e.text, ":1: unknown key \"elsewhere\""));
    option_input input = {.file = path, .known = known_elsewhere};
    assert_int_equal(options_read(&values, table, &got, &input, NULL), ERR_OK);
    options_fini(&values);
    unlink(path);
    write_file(path, "epohcs = 1\n");
    assert_int_equal(READ(path), ERR_INVALID);
    assert_non_null(strstr(e.text, "; did you mean epochs?"));
    unlink(path);
    assert_int_equal(READ("/nowhere/at/all"), ERR_IO);
}

static void a_name_that_means_something_else_elsewhere_has_a_key_of_its_own(void **state)
{
    char path[64];
    (void)state;
    write_file(path, "own_name = me\n");
    setenv("STAIR_NAME", "nobody", 1);
    assert_int_equal(parse(path, 0, NULL), ERR_OK);
    assert_string_equal(got.name, "me");
    options_fini(&values);
    setenv("STAIR_OWN_NAME", "you", 1);
    assert_int_equal(parse(path, 0, NULL), ERR_OK);
    assert_string_equal(got.name, "you");
    options_fini(&values);
    unsetenv("STAIR_NAME");
    unsetenv("STAIR_OWN_NAME");
    unlink(path);
}

static void an_environment_name_means_the_same_to_every_command_that_has_it(void **state)
{
    (void)state;
    for (const command *const *c = commands; *c != NULL; c++) {
        for (const option *o = (*c)->options; o->name != NULL; o++) {
            char own[128], other[128];
            options_environment(o, own, sizeof own);
            assert_memory_equal(own, "STAIR_", 6);
            for (const command *const *d = commands; *d != NULL; d++) {
                for (const option *p = (*d)->options; p->name != NULL; p++) {
                    options_environment(p, other, sizeof other);
                    if (strcmp(own, other) == 0 && o->type != p->type) {
                        fail_msg("%s: stair %s and stair %s differ", own, (*c)->name, (*d)->name);
                    }
                }
            }
        }
    }
}

static void the_value_in_force_is_text_that_reads_back(void **state)
{
    (void)state;
    char *words[] = {"--size=3MiB", "--wait=90s", "--mode=auto", "--features=a", "--quick", NULL};
    assert_int_equal(parse(NULL, 5, words), ERR_OK);
    settings first = got;
    for (const option *o = table; o->name != NULL; o++) {
        char text[256];
        settings again = {.features = {NULL, 0}};
        options_text(o, &first, text, sizeof text);
        if (text[0] == '\0') {
            continue;
        }
        assert_int_equal(options_set(o, &again, text, o->name, &values.memory, &e), ERR_OK);
        if (o->type != OPTION_LIST && o->type != OPTION_TEXT) {
            size_t bytes = o->type == OPTION_BOOL ? 1 : o->type == OPTION_CHOICE ? 4 : 8;
            assert_memory_equal((char *)&again + o->offset, (char *)&first + o->offset, bytes);
        }
    }
    options_fini(&values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_where_nothing_is_said),
        cmocka_unit_test(a_flag_beats_the_environment_that_beats_the_file_that_beats_the_default),
        cmocka_unit_test(an_empty_variable_of_the_environment_is_not_set),
        cmocka_unit_test(what_was_given_is_told_from_what_was_not),
        cmocka_unit_test(sizes_times_and_choices_take_their_units),
        cmocka_unit_test(a_list_collects_repeated_flags_and_greedy_words),
        cmocka_unit_test(a_bad_value_is_refused_with_its_place_and_range),
        cmocka_unit_test(unknown_names_stop_but_another_commands_key_does_not),
        cmocka_unit_test(a_name_that_means_something_else_elsewhere_has_a_key_of_its_own),
        cmocka_unit_test(an_environment_name_means_the_same_to_every_command_that_has_it),
        cmocka_unit_test(the_value_in_force_is_text_that_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
