/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shop_links: random links for the shop's models, and what they add to a score, computed plainly in
 * double (the formula of core/model/links.h).
 */
#ifndef TESTS_SUPPORT_SHOP_LINKS_H
#define TESTS_SUPPORT_SHOP_LINKS_H

#include "core/model/model.h"
#include "tests/support/shop_user.h"

/* shop_link gives the model random links of both sources. */
void shop_link(model *m, unsigned seed);

/* shop_link_weight returns L(owned, target) in the view: the base's link, or that of an item that
 * came after the training, in either direction. */
double shop_link_weight(const view *v, links_source x, uint32_t owned, uint32_t target);

/* shop_link_lift returns the factor on a linked item's score if that is above 0: more than 1 if
 * training has not seen the item; each buyer reduces the excess by a twentieth. */
double shop_link_lift(const view *v, uint32_t item);

/* shop_link_sums writes what the links of these items add to every row by source. Each source is
 * scaled to a spread of 1 over the base's items and multiplied by its beta. For a stranger (a user
 * whom training has not seen) and for similar items it is also multiplied by a factor of the number
 * of items, and without features the weights are raised to a power. It changes the order of `own`.
 * shop_link_parts multiplies this by the spread of the inner products with h: what links add to a
 * score at balance 0.5. */
typedef enum shop_asker { SHOP_TRAINED, SHOP_STRANGER, SHOP_SIMILAR } shop_asker;
typedef struct shop_link_part {
    double of[LINKS_SOURCES];
} shop_link_part;
void shop_link_sums(const view *v, shop_own *own, size_t count, shop_asker asker,
                    shop_link_part *added /* (SHOP_ITEMS_MAX) */);
void shop_link_parts(const view *v, uint32_t user, shop_own *own, size_t count, const double *h,
                     shop_link_part *added /* (SHOP_ITEMS_MAX) */);

#endif
