/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_publish: how a trained model becomes a generation of the store, and when it takes over.
 */
#ifndef SERVER_TRAIN_PUBLISH_H
#define SERVER_TRAIN_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/common/err.h"
#include "core/model/dataset.h"
#include "core/model/model.h"
#include "server/jobs/train_compare.h"
#include "storage/env/store.h"

typedef enum activate_wish { ACTIVATE_AUTO = 0, ACTIVATE_YES, ACTIVATE_NO } activate_wish;

typedef struct publication {
    store *s; /* STORE_BESIDE, train lock held */
    const store_info *origin;
    const dataset *d;
    const model *m;
    bool refit;
    activate_wish wish;
    long long now; /* epoch seconds */
} publication;

typedef struct publication_result {
    uint32_t generation;
    bool activate;         /* decided; done by a server, or by train_activate */
    comparison comparison; /* ACTIVATE_AUTO: why; else zero */
} publication_result;

/* train_publish writes the model as a new generation. With ACTIVATE_AUTO train_compare decides
 * whether it is to take over. */
err_code train_publish(const publication *p, publication_result *out, err *e) ERR_CHECKED;

/* train_activate makes a generation active in a store that no process owns; *done is false if one
 * does, which will see the generation's wish by itself. The store must be closed. */
err_code train_activate(const char *dir, uint32_t generation, bool *done, err *e) ERR_CHECKED;

#endif
