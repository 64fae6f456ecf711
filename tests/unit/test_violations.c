/* SPDX-License-Identifier: Apache-2.0 */
/* Violations of rights that a NATS server reports: each explains one failure, of its own connection
 * and soon afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/cluster/violations.h"

static const uint64_t SOON_NS = 60000000000;

/* Connections are compared, never used. */
static natsConnection *connection(uintptr_t number)
{
    return (natsConnection *)number;
}

static void note(uintptr_t number, natsStatus status)
{
    violations_note(connection(number), NULL, status, NULL);
}

static void a_violation_is_taken_once(void **state)
{
    char text[VIOLATION_TEXT];
    violations *v = violations_new(connection(16));
    (void)state;
    assert_false(violations_take(v, SOON_NS, text));
    note(16, NATS_NOT_PERMITTED);
    assert_true(violations_take(v, SOON_NS, text));
    assert_true(text[0] != '\0');
    assert_false(violations_take(v, SOON_NS, text));
    note(16, NATS_NOT_PERMITTED);
    assert_true(violations_take(v, SOON_NS, text));
    violations_free(v);
}

static void an_old_violation_explains_nothing(void **state)
{
    char text[VIOLATION_TEXT];
    violations *v = violations_new(connection(16));
    (void)state;
    note(16, NATS_NOT_PERMITTED);
    assert_false(violations_take(v, 0, text));
    assert_false(violations_take(v, SOON_NS, text));
    violations_free(v);
}

static void other_errors_and_other_connections_are_none(void **state)
{
    char text[VIOLATION_TEXT];
    violations *one = violations_new(connection(16)), *two = violations_new(connection(32));
    (void)state;
    note(16, NATS_SLOW_CONSUMER);
    note(48, NATS_NOT_PERMITTED);
    assert_false(violations_take(one, SOON_NS, text));
    note(32, NATS_NOT_PERMITTED);
    assert_false(violations_take(one, SOON_NS, text));
    assert_true(violations_take(two, SOON_NS, text));
    violations_free(one);
    note(16, NATS_NOT_PERMITTED); /* the library reports after the connection was closed here */
    assert_false(violations_take(two, SOON_NS, text));
    violations_free(two);
    violations_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_violation_is_taken_once),
        cmocka_unit_test(an_old_violation_explains_nothing),
        cmocka_unit_test(other_errors_and_other_connections_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
