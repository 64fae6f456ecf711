/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curve_plot: a generation's learning curve as a picture, one SVG file without outside parts.
 *
 * Upper panel: the validation metrics by epoch, the kept epoch marked; lower panel: the loss.
 */
#ifndef SERVER_CURVE_PLOT_H
#define SERVER_CURVE_PLOT_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/model/model.h"

/* curve_plot_write writes the file at `path`, replacing it. ERR_NOT_FOUND for a model without a
 * curve (trained without evaluations), ERR_IO. */
err_code curve_plot_write(const char *path, uint32_t generation, const model *m,
                          err *e) ERR_CHECKED;

#endif
