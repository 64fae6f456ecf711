/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/print_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

err_code print_json(const json_t *document, size_t flags, const char *what, err *e)
{
    char *text = document != NULL ? json_dumps(document, flags) : NULL;
    if (text == NULL) {
        return err_nomem(e, what);
    }
    bool written = puts(text) >= 0 && fflush(stdout) == 0;
    int why = errno;
    free(text); /* json_dumps' own */
    return written ? ERR_OK
                   : err_set(e, why == ENOSPC ? ERR_FULL : ERR_IO,
                             "standard output cannot be written: %s", strerror(why));
}
