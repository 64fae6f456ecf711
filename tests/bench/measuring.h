/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measuring: a clock, the peak of memory, and errors that end the program, for all benches.
 *
 * No function returns after a failure: the bench writes the reason to standard error and exits with
 * 1. */
#ifndef TESTS_MEASURING_H
#define TESTS_MEASURING_H

#include "core/common/err.h"

/* now returns seconds since a fixed moment. peak_mib returns the largest resident size so far, in
 * MiB. */
double now(void);
double peak_mib(void);

/* need returns p and ends the program if p is NULL. must ends it unless the code is ERR_OK. */
void *need(void *p);
void must(err_code code, const err *e);

#endif
