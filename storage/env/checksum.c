/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/checksum.h"

#include <endian.h>
#include <string.h>

static const uint64_t prime_a = 0x9e3779b185ebca87u, prime_b = 0xc2b2ae3d27d4eb4fu;

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum += word * prime_b;
    sum = sum << 31 | sum >> 33;
    return sum * prime_a;
}

static uint64_t word_at(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

uint64_t checksum64(const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    uint64_t lanes[4] = {prime_a, prime_b, prime_a ^ prime_b, prime_a + prime_b};
    size_t left = count;
    for (; left >= 32; left -= 32, at += 32) {
        for (int lane = 0; lane < 4; lane++) {
            lanes[lane] = mix(lanes[lane], word_at(at + 8 * lane));
        }
    }
    uint64_t sum = (uint64_t)count;
    for (int lane = 0; lane < 4; lane++) {
        sum = mix(sum, lanes[lane]);
    }
    for (; left > 0; left--, at++) {
        sum = mix(sum, *at);
    }
    sum ^= sum >> 29;
    sum *= prime_b;
    return sum ^ sum >> 32;
}
