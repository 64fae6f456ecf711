/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stepwise: the strengths, which change along the dimensions of the embedding.
 *
 * b_j = 0.1 + 0.9 (j/d)^gamma grows with j and smooths updates (BSC). f_j = 1 - b_j shrinks with j
 * and weighs the layers (FSC). Early dimensions so become collaborative, while late ones stay
 * multimodal.
 */
#ifndef CORE_STEPWISE_H
#define CORE_STEPWISE_H

#include <stddef.h>
#include <stdint.h>

/* stepwise_smoothing writes b (dim) for gamma >= 0; with gamma 0 every b_j is 1. */
void stepwise_smoothing(double gamma, size_t dim, float *b);

/* stepwise_layer writes f = 1 - b (dim). */
void stepwise_layer(double gamma, size_t dim, float *f);

/* stepwise_scale writes (1 - x) / (1 - x^(layers+1)) = 1 / sum_{l=0..layers} x^l for each of the
 * (dim) x in [0, 1]. */
void stepwise_scale(const float *x, size_t dim, uint32_t layers, float *out);

#endif
