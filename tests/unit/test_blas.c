/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/common/blas.h"

static void a_processor_that_openblas_does_not_know_gets_the_kernels_of_its_width(void **state)
{
    (void)state;
    assert_string_equal(blas_kernels_for("Prescott", true, true), "SkylakeX");
    assert_string_equal(blas_kernels_for("Prescott", true, false), "Haswell");
}

static void a_processor_as_old_as_the_kernels_keeps_them(void **state)
{
    (void)state;
    assert_null(blas_kernels_for("Prescott", false, false));
}

static void a_choice_of_openblas_is_kept(void **state)
{
    static const char *const known[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake", "Nehalem"};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_null(blas_kernels_for(known[i], true, true));
        assert_null(blas_kernels_for(known[i], true, false));
    }
}

static void a_program_uses_kernels_as_wide_as_its_processor(void **state)
{
    (void)state;
    const char *asked = getenv("OPENBLAS_CORETYPE");
    if (asked == NULL || strcmp(asked, "Prescott") != 0) {
        assert_null(blas_missed_kernels());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_processor_that_openblas_does_not_know_gets_the_kernels_of_its_width),
        cmocka_unit_test(a_processor_as_old_as_the_kernels_keeps_them),
        cmocka_unit_test(a_choice_of_openblas_is_kept),
        cmocka_unit_test(a_program_uses_kernels_as_wide_as_its_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
