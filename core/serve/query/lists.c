/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lists: popular and latest items, which need no user. Popular items also fill lists that the
 * vectors leave short.
 */
#include "core/common/bits.h"
#include "core/serve/filter/filter_bits.h"
#include "core/serve/query/recommend_scratch.h"
#include "core/serve/query/top.h"

static recommend_hit hit_of(const view *v, top_kind kind, uint32_t row)
{
    int64_t number = kind == TOP_USERS ? view_item_users(v, row) : view_item_created(v, row);
    return (recommend_hit){.row = row, .popular = true, .score = (float)number};
}

size_t fill_by_number(const view *v, top_kind kind, size_t at, size_t depth, recommend_scratch *s)
{
    const top_list *top = v->top[kind];
    size_t room = depth > at ? depth - at : 0, count = 0;
    for (size_t i = 0; top != NULL && i < top->count && count < room; i++) {
        uint32_t row = top->keys[i].row;
        if (bits_test(s->allowed, row)) {
            s->hits[at + count++] = hit_of(v, kind, row);
        }
    }
    if (count == room || (top != NULL && top->whole)) {
        return at + count;
    }
    count = top_scan(v, kind, s->allowed, s->keys, room);
    for (size_t i = 0; i < count; i++) {
        s->hits[at + i] = hit_of(v, kind, s->keys[i].row);
    }
    return at + count;
}

err_code list_begin(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                    err *e)
{
    *out = (recommend_result){.hits = s->hits, .exact = true};
    if (q->k < 1 || q->offset > RECOMMEND_DEPTH_MAX || q->k > RECOMMEND_DEPTH_MAX - q->offset) {
        return err_set(e, ERR_INVALID,
                       "k: %zu with offset %zu, allowed k from 1 and a sum of up to %d", q->k,
                       q->offset, RECOMMEND_DEPTH_MAX);
    }
    err_code code = scratch_fit(s, v, e);
    if (code != ERR_OK) {
        return code;
    }
    return scratch_allow(s, v, q->filter, q->exclude, q->exclude_count, e);
}

void list_end(const list_query *q, const recommend_scratch *s, size_t count, recommend_result *out)
{
    size_t skipped = q->offset < count ? q->offset : count;
    out->hits = s->hits + skipped;
    out->count = count - skipped;
}

err_code popular(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                 err *e)
{
    err_code code = list_begin(v, q, s, out, e);
    if (code == ERR_OK) {
        list_end(q, s, fill_by_number(v, TOP_USERS, 0, q->k + q->offset, s), out);
    }
    return code;
}

err_code latest(const view *v, const list_query *q, recommend_scratch *s, recommend_result *out,
                err *e)
{
    err_code code = list_begin(v, q, s, out, e);
    if (code == ERR_OK) {
        list_end(q, s, fill_by_number(v, TOP_CREATED, 0, q->k + q->offset, s), out);
    }
    return code;
}
