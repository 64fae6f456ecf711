/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies of every route that takes one. The first byte selects the route, the rest is the
 * body. */
#include "tests/fuzz/api_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const routes[][2] = {
        {"POST", "/items"},        {"PUT", "/items"},           {"PATCH", "/items"},
        {"PUT", "/items/a"},       {"PATCH", "/items/a"},       {"POST", "/items/delete"},
        {"POST", "/interactions"}, {"POST", "/recommend"},      {"POST", "/recommend/batch"},
        {"POST", "/model/train"},  {"POST", "/model/activate"}, {"POST", "/model/prune"},
        {"POST", "/snapshot"}};
    enum { ROUTES = sizeof routes / sizeof routes[0] };
    if (size == 0) {
        return 0;
    }
    const char *const *route = routes[data[0] % ROUTES];
    const api_request request = {.method = slice_of(route[0]),
                                 .target = slice_of(route[1]),
                                 .content_type = slice_of("application/json"),
                                 .idempotency_key = slice_of(data[0] >= 128 ? "key" : NULL),
                                 .request_id = slice_of("fuzz"),
                                 .body = {(const char *)data + 1, size - 1},
                                 .now = 1700000000};
    fuzz_request_run(&request);
    return 0;
}
