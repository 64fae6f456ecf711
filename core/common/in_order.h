/* SPDX-License-Identifier: Apache-2.0 */
/*
 * in_order: for files whose sums must be the same in every copy of a function. Include it first. It
 * forbids the compiler to reorder the file's additions and to fuse them with products, both of
 * which the build otherwise allows. Compilers need different directives for this.
 */
#ifndef CORE_IN_ORDER_H
#define CORE_IN_ORDER_H

#ifdef __clang__
#pragma clang fp reassociate(off) contract(off)
#else
#pragma GCC optimize("no-associative-math", "fp-contract=off")
#endif

#endif
