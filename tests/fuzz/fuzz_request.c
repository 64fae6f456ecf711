/* SPDX-License-Identifier: Apache-2.0 */
/* The request line: "METHOD TARGET", as raw as from a socket. */
#include "tests/fuzz/api_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *space = size > 0 ? memchr(text, ' ', size) : NULL;
    size_t length = space != NULL ? (size_t)(space - text) : 0;
    const api_request request = {.method = {text, length},
                                 .target = space != NULL ? (slice){space + 1, size - length - 1}
                                                         : (slice){text, size},
                                 .content_type = slice_of("application/json"),
                                 .request_id = slice_of("fuzz"),
                                 .body = slice_of("{}"),
                                 .now = 1700000000};
    fuzz_request_run(&request);
    return 0;
}
