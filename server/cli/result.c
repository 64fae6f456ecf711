/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

FILE *result_stream(bool json)
{
    return json ? stderr : stdout;
}

err_code result_flush(err *e)
{
    errno = 0;
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return ERR_OK;
    }
    int why = errno;
    return err_set(e, why == ENOSPC ? ERR_FULL : ERR_IO, "standard output cannot be written%s%s",
                   why != 0 ? ": " : "", why != 0 ? strerror(why) : "");
}

err_code result_json(const json_t *document, size_t flags, const char *what, err *e)
{
    char *text = document != NULL ? json_dumps(document, flags) : NULL;
    if (text == NULL) {
        return err_nomem(e, what);
    }
    (void)puts(text);
    free(text); /* allocated by json_dumps */
    return result_flush(e);
}
