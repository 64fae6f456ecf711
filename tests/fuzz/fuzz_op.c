/* SPDX-License-Identifier: Apache-2.0 */
/* The op codec: any bytes are refused, or give an op that passes its own check and whose encoding
 * decodes to the same op. Also messages, which are ops in a frame. */
#include <stdlib.h>

#include "core/common/mem.h"
#include "storage/log/message.h"
#include "storage/log/op.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static slice encoded(const op *o, arena *memory)
{
    slice bytes;
    if (op_encode(o, memory, &bytes, NULL) != ERR_OK) {
        abort();
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    op *first = NULL, *second = NULL;
    char *copy = mem_copy(data, size);
    if (op_decode(&first, (slice){copy, size}, NULL) == ERR_OK) {
        arena memory;
        arena_init(&memory, (size_t)1 << 30);
        slice once = encoded(first, &memory);
        if (op_decode(&second, once, NULL) != ERR_OK ||
            !slice_equal(encoded(second, &memory), once)) {
            abort();
        }
        arena_fini(&memory);
    }
    message *m = NULL;
    (void)!message_decode(&m, (slice){copy, size}, NULL, NULL);
    message_free(m);
    op_free(second);
    op_free(first);
    mem_free(copy);
    return 0;
}
