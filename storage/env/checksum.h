/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum: 64 bits over a piece of a table, to tell damage from content.
 *
 * Not cryptographic. Four independent lanes of multiply and rotate (the idea of xxHash64 by Yann
 * Collet, reduced to what is needed here), so that it runs at the speed of memory.
 */
#ifndef STORAGE_CHECKSUM_H
#define STORAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum64(const void *bytes, size_t count);

#endif
