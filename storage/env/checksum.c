/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/env/checksum.h"

#include <xxhash.h>

uint64_t checksum64(const void *bytes, size_t count)
{
    return XXH3_64bits(bytes, count);
}
