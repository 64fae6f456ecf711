/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum: a 64-bit checksum of a record, which detects damage.
 *
 * It is XXH3 of the xxHash library: fast, and not cryptographic. Only checksum.c includes
 * <xxhash.h>.
 */
#ifndef STORAGE_CHECKSUM_H
#define STORAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum64(const void *bytes, size_t count);

/* A 128-bit checksum of data that is added piece by piece. checksum128_new returns NULL if memory
 * runs out. checksum128_text writes the checksum of everything added so far, as 32 hexadecimal
 * digits and a NUL. checksum128_free accepts NULL. One thread at a time. */
typedef struct checksum128 checksum128;
enum { CHECKSUM128_TEXT = 33 };
checksum128 *checksum128_new(void);
void checksum128_add(checksum128 *sum, const void *bytes, size_t count);
void checksum128_text(const checksum128 *sum, char out[CHECKSUM128_TEXT]);
void checksum128_free(checksum128 *sum);

#endif
