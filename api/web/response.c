/* SPDX-License-Identifier: Apache-2.0 */
/*
 * response: the memory and the file of an answer.
 */
#include <string.h>
#include <unistd.h>

#include "api/api.h"

void api_response_init(api_response *r, size_t body_bytes_max)
{
    memset(r, 0, sizeof *r);
    r->file = -1;
    buffer_init(&r->body, body_bytes_max);
}

void api_response_reset(api_response *r)
{
    buffer body = r->body;
    buffer_reset(&body, BUFFER_FREE_BYTES);
    if (r->file >= 0) {
        close(r->file);
    }
    spools_end(&r->spool);
    memset(r, 0, sizeof *r);
    r->file = -1;
    r->body = body;
}

void api_response_fini(api_response *r)
{
    api_response_reset(r);
    buffer_fini(&r->body);
}
