/* SPDX-License-Identifier: Apache-2.0 */
/*
 * half: converts IEEE half precision to single precision, exactly: every half is also a single. The
 * other direction is not needed, because vectors are kept as given.
 */
#ifndef CORE_HALF_H
#define CORE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;
    uint32_t bits = 0;
    if (exponent == 0x1f) {
        bits = sign | 0x7f800000u | fraction << 13; /* infinity, NaN */
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else if (fraction != 0) { /* subnormal: a normal single */
        uint32_t shift = (uint32_t)__builtin_clz(fraction) - 21;
        bits = sign | (113 - shift) << 23 | ((fraction << shift) & 0x3ffu) << 13;
    } else {
        bits = sign;
    }
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
