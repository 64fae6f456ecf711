/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curve_plot: draws a generation's learning curve as one self-contained SVG file.
 *
 * The upper panel shows the validation metrics by epoch, with the kept epoch marked; the lower
 * panel shows the loss.
 */
#ifndef SERVER_CURVE_PLOT_H
#define SERVER_CURVE_PLOT_H

#include <stdint.h>

#include "core/common/err.h"
#include "core/model/model.h"

/* curve_plot_write writes the file at `path`, replacing it. ERR_NOT_FOUND: the model has no curve
 * (it was trained without evaluations). ERR_IO. */
err_code curve_plot_write(const char *path, uint32_t generation, const model *m,
                          err *e) ERR_CHECKED;

#endif
