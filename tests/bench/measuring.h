/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measuring: what benches need to run at all: a clock, memory, errors that end them.
 *
 * None returns from a failure: a bench says why on standard error and exits with 1.
 */
#ifndef TESTS_MEASURING_H
#define TESTS_MEASURING_H

#include "core/common/err.h"

/* now gives seconds since some moment; peak_mib the most MiB that the process has had resident. */
double now(void);
double peak_mib(void);

/* need gives p back, unless that is NULL; must goes on only after ERR_OK. */
void *need(void *p);
void must(err_code code, const err *e);

#endif
