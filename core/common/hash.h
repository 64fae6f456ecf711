/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash: 64-bit FNV-1a, for hash tables in memory.
 *
 * Collisions cost time but never give a wrong answer, because lookups compare the keys. Do not use
 * it where an attacker could gain from a collision.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN 0xcbf29ce484222325U

/* hash_bytes adds bytes to a hash, which starts as HASH_BEGIN. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3U;
    }
    return hash;
}

#endif
