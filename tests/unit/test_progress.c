/* SPDX-License-Identifier: Apache-2.0 */
/* The progress lines of a long job outside a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/jobs/progress.h"

/* drawn_after writes to `out` what an update prints on stderr for a job that began `ago` seconds
 * before. */
static void drawn_after(double ago, char out[512])
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_non_null(file);
    assert_true(before >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    progress p;
    progress_start(&p, "training", "epochs", 20, false);
    p.started -= ago;
    progress_update(&p, 1, "loss 0.7", true);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    rewind(file);
    out[fread(out, 1, 511, file)] = '\0';
    fclose(file);
}

static void a_rate_is_told_only_once_there_is_time_to_tell_it_by(void **state)
{
    (void)state;
    char text[512];
    drawn_after(0, text);
    assert_string_equal(text, "training   5 %  1/20 epochs  loss 0.7\n");
    drawn_after(10, text);
    assert_non_null(strstr(text, "0.1/s"));
    assert_non_null(strstr(text, "3m10s left"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_told_only_once_there_is_time_to_tell_it_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
