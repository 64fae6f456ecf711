/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate: a store of an older format becomes one of the present format.
 *
 * Serving never migrates: an upgrade changes the format once, by hand, after a copy was made. Each
 * format has one step to the next; all steps run in one transaction with the format number in it,
 * so a kill leaves either the old format or the new one, whole.
 */
#ifndef STORAGE_MIGRATE_H
#define STORAGE_MIGRATE_H

#include <stdint.h>

#include "core/common/err.h"

/* migrate_store upgrades the store in `dir`, which nobody may own or train meanwhile (ERR_CONFLICT,
 * with the pid). *from is the format that it had; equal to STORE_FORMAT: there was nothing to do. A
 * newer format is ERR_CONFLICT, no store ERR_NOT_FOUND. */
err_code migrate_store(const char *dir, uint32_t *from, err *e) ERR_CHECKED;

#endif
