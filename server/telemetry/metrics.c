/* SPDX-License-Identifier: Apache-2.0 */
#include "server/telemetry/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"

enum { SHARDS = 16, METRICS_MAX = 96, COLLECTORS_MAX = 16, LABEL_BYTES_MAX = 96 };

static const double seconds_buckets[] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                         0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                         0.5,     1,      2.5,     10};

/* One thread's part of a series. Counters use counts[0]. */
typedef struct shard {
    _Alignas(64) atomic_uint_fast64_t counts[METRIC_BUCKETS_MAX + 1];
    atomic_uint_fast64_t sum; /* the bits of a double */
} shard;

struct metric_series {
    metric *owner;
    char values[METRIC_LABELS_MAX][LABEL_BYTES_MAX];
    atomic_uint_fast64_t gauge; /* the bits of a double */
    shard *shards;              /* (SHARDS); NULL for gauges */
};

struct metric {
    const metric_info *info;
    const double *buckets;
    size_t bucket_count;
    size_t label_count;
    /* open addressing; entries are never removed */
    _Atomic(metric_series *) table[METRIC_SERIES_MAX];
    metric_series *lost;
};

struct metrics {
    metric *list[METRICS_MAX];
    size_t count;
    struct {
        metrics_collect collect;
        void *ctx;
    } collectors[COLLECTORS_MAX];
    size_t collector_count;
};

static unsigned shard_of_thread(void)
{
    static atomic_uint next;
    static _Thread_local unsigned mine = UINT32_MAX;
    if (mine == UINT32_MAX) {
        mine = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SHARDS;
    }
    return mine;
}

static uint64_t double_bits(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double bits_double(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void series_free(metric_series *s)
{
    if (s != NULL) {
        mem_free(s->shards);
        mem_free(s);
    }
}

static metric_series *series_new(metric *owner, const char *const values[METRIC_LABELS_MAX])
{
    metric_series *s = mem_array(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->owner = owner;
    for (size_t i = 0; i < owner->label_count; i++) {
        snprintf(s->values[i], LABEL_BYTES_MAX, "%s", values[i]);
    }
    if (owner->info->kind != METRIC_GAUGE) {
        s->shards = mem_table(SHARDS, sizeof *s->shards);
        if (s->shards == NULL) {
            mem_free(s);
            return NULL;
        }
    }
    return s;
}

err_code metrics_new(metrics **out, err *e)
{
    *out = mem_array(1, sizeof **out);
    return *out != NULL ? ERR_OK : err_nomem(e, "metrics");
}

static void metric_free(metric *m)
{
    for (size_t i = 0; i < METRIC_SERIES_MAX; i++) {
        series_free(atomic_load(&m->table[i]));
    }
    series_free(m->lost);
    mem_free(m);
}

void metrics_free(metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        metric_free(m->list[i]);
    }
    mem_free(m);
}

err_code metrics_add(metrics *m, const metric_info *info, metric **out, err *e)
{
    assert(m->count < METRICS_MAX);
    *out = NULL;
    metric *added = mem_array(1, sizeof *added);
    if (added == NULL) {
        return err_nomem(e, "a metric");
    }
    added->info = info;
    added->buckets = info->buckets != NULL ? info->buckets : seconds_buckets;
    added->bucket_count = info->buckets != NULL
                              ? info->bucket_count
                              : sizeof seconds_buckets / sizeof seconds_buckets[0];
    assert(added->bucket_count <= METRIC_BUCKETS_MAX);
    while (added->label_count < METRIC_LABELS_MAX && info->labels[added->label_count] != NULL) {
        added->label_count++;
    }
    const char *none[METRIC_LABELS_MAX] = {"", "", ""};
    added->lost = series_new(added, none);
    if (added->lost == NULL) {
        mem_free(added);
        return err_nomem(e, "a metric");
    }
    if (added->label_count == 0) {
        (void)metric_only(added);
    }
    m->list[m->count++] = added;
    *out = added;
    return ERR_OK;
}

err_code metrics_add_plain(metrics *m, const metric_plain *list, size_t count, err *e)
{
    for (size_t i = 0; i < count; i++) {
        metric *added = NULL;
        err_code code = metrics_add(m, list[i].info, &added, e);
        if (code != ERR_OK) {
            return code;
        }
        *list[i].series = metric_only(added);
    }
    return ERR_OK;
}

err_code metrics_on_scrape(metrics *m, metrics_collect collect, void *ctx, err *e)
{
    if (m->collector_count == COLLECTORS_MAX) {
        return err_set(e, ERR_INTERNAL, "more than %d collectors of metrics", COLLECTORS_MAX);
    }
    m->collectors[m->collector_count].collect = collect;
    m->collectors[m->collector_count].ctx = ctx;
    m->collector_count++;
    return ERR_OK;
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        hash = (hash ^ *c) * 16777619U;
    }
    return (hash ^ 0x1f) * 16777619U;
}

static bool series_is(const metric_series *s, const char *const values[METRIC_LABELS_MAX])
{
    for (size_t i = 0; i < s->owner->label_count; i++) {
        if (strncmp(s->values[i], values[i], LABEL_BYTES_MAX - 1) != 0) {
            return false;
        }
    }
    return true;
}

metric_series *metric_at(metric *m, const char *a, const char *b, const char *c)
{
    const char *values[METRIC_LABELS_MAX] = {a, b, c};
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < m->label_count; i++) {
        hash = hash_text(hash, values[i]);
    }
    metric_series *made = NULL;
    for (size_t probe = 0; probe < METRIC_SERIES_MAX; probe++) {
        _Atomic(metric_series *) *slot = &m->table[(hash + probe) % METRIC_SERIES_MAX];
        metric_series *found = atomic_load_explicit(slot, memory_order_acquire);
        if (found == NULL) {
            made = made != NULL ? made : series_new(m, values);
            if (made == NULL) {
                return m->lost;
            }
            if (atomic_compare_exchange_strong(slot, &found, made)) {
                return made;
            }
        }
        if (series_is(found, values)) {
            series_free(made);
            return found;
        }
    }
    series_free(made);
    return m->lost;
}

void metric_count(metric_series *s, uint64_t n)
{
    atomic_fetch_add_explicit(&s->shards[shard_of_thread()].counts[0], n, memory_order_relaxed);
}

void metric_set(metric_series *s, double value)
{
    atomic_store_explicit(&s->gauge, double_bits(value), memory_order_relaxed);
}

void metric_observe(metric_series *s, double value)
{
    const metric *m = s->owner;
    shard *mine = &s->shards[shard_of_thread()];
    size_t bucket = 0;
    while (bucket < m->bucket_count && value > m->buckets[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&mine->counts[bucket], 1, memory_order_relaxed);
    uint_fast64_t before = atomic_load_explicit(&mine->sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&mine->sum, &before,
                                                  double_bits(bits_double(before) + value),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static uint64_t count_at(const metric_series *s, size_t bucket)
{
    uint64_t total = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        total += atomic_load_explicit(&s->shards[i].counts[bucket], memory_order_relaxed);
    }
    return total;
}

uint64_t metric_total(const metric_series *s)
{
    uint64_t total = 0;
    size_t last = s->owner->info->kind == METRIC_HISTOGRAM ? s->owner->bucket_count : 0;
    for (size_t i = 0; i <= last; i++) {
        total += count_at(s, i);
    }
    return total;
}

/* --- text --------------------------------------------------------------------------------- */

static void put_label_value(buffer *out, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"') {
            buffer_put(out, "\\", 1);
        }
        if (*c == '\n') {
            buffer_put(out, "\\n", 2);
        } else {
            buffer_put(out, c, 1);
        }
    }
}

static void put_number(buffer *out, double value)
{
    char text[40];
    if (isnan(value)) {
        buffer_put_text(out, "NaN");
    } else if (isinf(value)) {
        buffer_put_text(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        snprintf(text, sizeof text, "%.15g", value);
        buffer_put_text(out, text);
    }
}

/* put_sample writes one line: name{labels,le="..."} value */
static void put_sample(buffer *out, const metric_series *s, const char *suffix, const double *le,
                       double value)
{
    const metric_info *info = s->owner->info;
    buffer_put_text(out, info->name);
    buffer_put_text(out, suffix);
    const char *before = "{";
    for (size_t i = 0; i < s->owner->label_count; i++) {
        buffer_put_text(out, before);
        buffer_put_text(out, info->labels[i]);
        buffer_put_text(out, "=\"");
        put_label_value(out, s->values[i]);
        buffer_put_text(out, "\"");
        before = ",";
    }
    if (le != NULL) {
        buffer_put_text(out, before);
        buffer_put_text(out, "le=\"");
        put_number(out, *le);
        buffer_put_text(out, "\"");
        before = ",";
    }
    buffer_put_text(out, before[0] == '{' ? " " : "} ");
    put_number(out, value);
    buffer_put_text(out, "\n");
}

static void put_histogram(buffer *out, const metric_series *s)
{
    const metric *m = s->owner;
    const double infinite = INFINITY;
    uint64_t running = 0;
    double sum = 0;
    for (size_t i = 0; i <= m->bucket_count; i++) {
        running += count_at(s, i);
        put_sample(out, s, "_bucket", i < m->bucket_count ? &m->buckets[i] : &infinite,
                   (double)running);
    }
    for (size_t i = 0; i < SHARDS; i++) {
        sum += bits_double(atomic_load_explicit(&s->shards[i].sum, memory_order_relaxed));
    }
    put_sample(out, s, "_sum", NULL, sum);
    put_sample(out, s, "_count", NULL, (double)running);
}

static void put_metric(buffer *out, metric *m)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    bool headed = false;
    for (size_t i = 0; i < METRIC_SERIES_MAX; i++) {
        const metric_series *s = atomic_load_explicit(&m->table[i], memory_order_acquire);
        if (s == NULL) {
            continue;
        }
        if (!headed) {
            headed = true;
            buffer_put_text(out, "# HELP ");
            buffer_put_text(out, m->info->name);
            buffer_put_text(out, " ");
            buffer_put_text(out, m->info->help);
            buffer_put_text(out, "\n# TYPE ");
            buffer_put_text(out, m->info->name);
            buffer_put_text(out, " ");
            buffer_put_text(out, kinds[m->info->kind]);
            buffer_put_text(out, "\n");
        }
        switch (m->info->kind) {
        case METRIC_COUNTER: put_sample(out, s, "", NULL, (double)count_at(s, 0)); break;
        case METRIC_GAUGE:
            put_sample(out, s, "", NULL,
                       bits_double(atomic_load_explicit(&s->gauge, memory_order_relaxed)));
            break;
        case METRIC_HISTOGRAM: put_histogram(out, s); break;
        }
    }
}

void metrics_render(metrics *m, buffer *out)
{
    for (size_t i = 0; i < m->collector_count; i++) {
        m->collectors[i].collect(m->collectors[i].ctx);
    }
    for (size_t i = 0; i < m->count; i++) {
        put_metric(out, m->list[i]);
    }
}
