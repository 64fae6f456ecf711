/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum: 64 bits over a record, to tell damage from content.
 *
 * XXH3 of the xxHash library: not cryptographic, at the speed of memory. The only home of
 * <xxhash.h>.
 */
#ifndef STORAGE_CHECKSUM_H
#define STORAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum64(const void *bytes, size_t count);

#endif
