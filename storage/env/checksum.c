/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/checksum.h"

#include <stdio.h>
#include <xxhash.h>

#include "core/common/mem.h"

struct checksum128 {
    XXH3_state_t *state;
};

uint64_t checksum64(const void *bytes, size_t count)
{
    return XXH3_64bits(bytes, count);
}

checksum128 *checksum128_new(void)
{
    checksum128 *sum = mem_array(1, sizeof *sum);
    if (sum == NULL) {
        return NULL;
    }
    sum->state = XXH3_createState();
    if (sum->state == NULL) {
        mem_free(sum);
        return NULL;
    }
    (void)XXH3_128bits_reset(sum->state);
    return sum;
}

void checksum128_add(checksum128 *sum, const void *bytes, size_t count)
{
    (void)XXH3_128bits_update(sum->state, bytes, count);
}

void checksum128_text(const checksum128 *sum, char out[CHECKSUM128_TEXT])
{
    XXH128_hash_t hash = XXH3_128bits_digest(sum->state);
    snprintf(out, CHECKSUM128_TEXT, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void checksum128_free(checksum128 *sum)
{
    if (sum != NULL) {
        XXH3_freeState(sum->state);
        mem_free(sum);
    }
}
