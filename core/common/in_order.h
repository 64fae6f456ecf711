/* SPDX-License-Identifier: Apache-2.0 */
/*
 * in_order: for a file whose sums must be the same in each copy of a function. Included first, it
 * forbids the compiler to reorder the file's additions and to fuse them with products, which the
 * build allows elsewhere. Compilers have different words for it.
 */
#ifndef CORE_IN_ORDER_H
#define CORE_IN_ORDER_H

#ifdef __clang__
#pragma clang fp reassociate(off) contract(off)
#else
#pragma GCC optimize("no-associative-math", "fp-contract=off")
#endif

#endif
