/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train_publish: writes a trained model as a generation of the store, and decides whether to
 * activate it.
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
#include "storage/models/generations.h"

typedef enum activate_wish { ACTIVATE_AUTO = 0, ACTIVATE_YES, ACTIVATE_NO } activate_wish;

typedef struct publication {
    store *s;                 /* opened as STORE_BESIDE, with the train lock */
    const store_info *origin; /* the store's state when the data was read */
    const dataset *d;
    const model *m;
    bool refit;
    activate_wish wish;
    long long now; /* epoch seconds */
} publication;

typedef struct publication_result {
    generation_id id;
    uint32_t generation;   /* its number; 0 if it is not registered yet */
    bool activate;         /* it is to be activated, by a service or by train_register */
    bool active;           /* train_register activated it */
    comparison comparison; /* with ACTIVATE_AUTO the reason; otherwise zero */
} publication_result;

/* train_publish writes the model as a new generation, which is ready but has no number. With
 * ACTIVATE_AUTO, train_compare decides whether it takes over. */
err_code train_publish(const publication *p, publication_result *out, err *e) ERR_CHECKED;

/* train_register numbers the generation and activates it if that is wanted, in a store that no
 * process owns. If a service owns the store, it waits for the service to register the generation,
 * at most half a minute; then `generation` stays 0, and the service registers it later. The store
 * must be closed. */
err_code train_register(const char *dir, publication_result *out, err *e) ERR_CHECKED;

#endif
