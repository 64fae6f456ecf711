/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng: a small seeded random generator, so that the same seed gives the same run everywhere.
 *
 * xoshiro256** 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021),
 * seeded through splitmix64. The state is a plain struct: copying it saves it, which is how a
 * training checkpoint continues exactly. Not for secrets. One thread at a time per rng.
 */
#ifndef CORE_RNG_H
#define CORE_RNG_H

#include <stdint.h>

typedef struct rng {
    uint64_t state[4];
} rng;

/* rng_init seeds the generator. Streams with different numbers are independent. */
void rng_init(rng *r, uint64_t seed, uint64_t stream);

/* rng_hash returns splitmix64's output for x: it looks random, but depends on x alone. */
uint64_t rng_hash(uint64_t x);

/* rng_next returns 64 uniform bits. */
uint64_t rng_next(rng *r);

/* rng_below returns a uniform integer in [0, bound), without modulo bias; bound > 0. */
uint32_t rng_below(rng *r, uint32_t bound);

/* rng_uniform returns a double in [0, 1). rng_normal returns a sample of N(0, 1) (Box-Muller, one
 * of the pair). */
double rng_uniform(rng *r);
double rng_normal(rng *r);

#endif
