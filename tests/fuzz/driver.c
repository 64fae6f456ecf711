/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver: a small coverage-guided fuzzer for code compiled by gcc.
 *
 * The library under test is compiled with -fsanitize-coverage=trace-pc, so every edge calls this
 * file. An input that reaches a new edge, or a new order of magnitude of hits, joins the corpus. So
 * fuzzing needs nothing but the compiler that builds the product.
 *
 *     fuzz_NAME CORPUS_FOLDER    runs every file there, then mutates for FUZZ_SECONDS (default 30)
 *     fuzz_NAME FILE             runs one input, to look into a finding
 *
 * An input that crashes or takes more than a minute is written to build/fuzz/crash-NAME. FUZZ_SEED
 * sets the seed; the default is fixed. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAP = 1 << 16, INPUT_MAX = 1 << 16, CORPUS_MAX = 1 << 14, SLOW_SECONDS = 60 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*callback)(void));

typedef struct input {
    uint8_t *bytes;
    size_t size;
} input;

static uint8_t hits[MAP], seen[MAP];
/* Edges in other threads do not count, because they would not occur again in the same order. */
static _Thread_local bool here;
static input corpus[CORPUS_MAX];
static size_t corpus_count, edges;
static uint8_t current[INPUT_MAX];
static size_t current_size;
static char crash_path[4096];
static uint64_t state;

void __sanitizer_cov_trace_pc(void)
{
    if (!here) {
        return;
    }
    uintptr_t at = (uintptr_t)__builtin_return_address(0);
    at ^= at >> 16;
    uint8_t *h = &hits[at & (MAP - 1)];
    *h = (uint8_t)(*h + (*h < 255));
}

static void keep_crash(void)
{
    FILE *f = fopen(crash_path, "wb");
    if (f != NULL) {
        fwrite(current, 1, current_size, f);
        fclose(f);
        fprintf(stderr, "fuzz: the input is in %s\n", crash_path);
    }
}

static void on_alarm(int sig)
{
    (void)sig;
    keep_crash();
    _exit(70);
}

static void on_abort(int sig)
{
    keep_crash();
    signal(sig, SIG_DFL);
    raise(sig);
}

static uint64_t random_next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t n)
{
    return n == 0 ? 0 : (size_t)(random_next() % n);
}

static uint8_t magnitude(uint8_t n)
{
    return (uint8_t)(n == 0 ? 0 : 1u << (31 - __builtin_clz(n)));
}

/* run runs the input `current`. It returns true if the input reached something new. */
static bool run(void)
{
    /* An exact copy on the heap, so that ASan detects one byte too many. */
    uint8_t *exact = malloc(current_size > 0 ? current_size : 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, current, current_size);
    memset(hits, 0, sizeof hits);
    alarm(SLOW_SECONDS);
    here = true;
    LLVMFuzzerTestOneInput(exact, current_size);
    here = false;
    alarm(0);
    free(exact);
    bool new = false;
    for (size_t i = 0; i < MAP; i++) {
        uint8_t m = magnitude(hits[i]);
        if ((m & ~seen[i]) != 0) {
            edges += seen[i] == 0;
            seen[i] |= m;
            new = true;
        }
    }
    return new;
}

static void keep(void)
{
    if (corpus_count == CORPUS_MAX) {
        return;
    }
    input *in = &corpus[corpus_count];
    in->bytes = malloc(current_size > 0 ? current_size : 1);
    if (in->bytes == NULL) {
        abort();
    }
    memcpy(in->bytes, current, current_size);
    in->size = current_size;
    corpus_count++;
}

static bool load(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    current_size = fread(current, 1, sizeof current, f);
    fclose(f);
    return true;
}

static void splice(void)
{
    const input *other = &corpus[below(corpus_count)];
    size_t from = below(other->size), at = below(current_size + 1);
    size_t n = below(other->size - from + 1);
    if (n > INPUT_MAX - at) {
        n = INPUT_MAX - at;
    }
    if (n == 0) {
        return;
    }
    memcpy(current + at, other->bytes + from, n);
    if (at + n > current_size) {
        current_size = at + n;
    }
}

static void mutate_once(void)
{
    static const uint64_t odd[] = {0,         1,          0x7f,       0x80,       0xff,
                                   0x7fff,    0xffff,     0x7fffffff, 0x80000000, UINT32_MAX,
                                   INT64_MAX, UINT64_MAX, 0x7fc00000, 0x7f800000};
    static const char marks[] = "{}[]\",:\\\n\r\t\0 -+.0123456789eE%&=/u";
    size_t at = below(current_size);
    switch (below(8)) {
    case 0: /* a bit */
        if (current_size > 0) {
            current[at] ^= (uint8_t)(1u << below(8));
        }
        break;
    case 1: /* a byte */
        if (current_size > 0) {
            current[at] = (uint8_t)random_next();
        }
        break;
    case 2: /* a mark of a text format */
        if (current_size > 0) {
            current[at] = (uint8_t)marks[below(sizeof marks - 1)];
        }
        break;
    case 3: { /* a boundary number, little or big endian */
        uint64_t v = odd[below(sizeof odd / sizeof odd[0])];
        size_t n = (size_t)1 << below(4);
        v = below(2) != 0 ? v : __builtin_bswap64(v) >> (64 - 8 * n);
        if (current_size >= n) {
            memcpy(current + below(current_size - n + 1), &v, n);
        }
        break;
    }
    case 4: { /* cut out */
        size_t n = below(current_size - at + 1);
        memmove(current + at, current + at + n, current_size - at - n);
        current_size -= n;
        break;
    }
    case 5: { /* double a part */
        size_t n = below(current_size - at + 1);
        if (n > INPUT_MAX - current_size) {
            n = INPUT_MAX - current_size;
        }
        memmove(current + at + n, current + at, current_size - at);
        current_size += n;
        break;
    }
    case 6: /* put in a byte */
        if (current_size < INPUT_MAX) {
            memmove(current + at + 1, current + at, current_size - at);
            current[at] =
                (uint8_t)(below(2) != 0 ? (uint64_t)marks[below(sizeof marks - 1)] : random_next());
            current_size++;
        }
        break;
    default: splice(); break;
    }
}

static void load_folder(const char *folder)
{
    DIR *d = opendir(folder);
    if (d == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char path[8192];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && load(path)) {
            run();
            keep();
        }
    }
    closedir(d);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

int main(int argc, char **argv)
{
    const char *seconds_text = getenv("FUZZ_SECONDS"), *seed_text = getenv("FUZZ_SEED");
    long seconds = seconds_text != NULL ? strtol(seconds_text, NULL, 10) : 30;
    state = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 0x9e3779b97f4a7c15u;
    state = state != 0 ? state : 1;
    mkdir("build", 0777);
    mkdir("build/fuzz", 0777);
    snprintf(crash_path, sizeof crash_path, "build/fuzz/crash-%s", base_name(argv[0]));
    __sanitizer_set_death_callback(keep_crash);
    signal(SIGALRM, on_alarm);
    signal(SIGABRT, on_abort);

    struct stat st;
    if (argc > 1 && stat(argv[1], &st) == 0 && S_ISREG(st.st_mode)) {
        return load(argv[1]) ? (run(), 0) : 1;
    }
    if (argc > 1) {
        load_folder(argv[1]);
    }
    size_t given = corpus_count;
    if (corpus_count == 0) {
        current_size = 0;
        run();
        keep();
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t end = now.tv_sec + seconds;
    uint64_t runs = 0;
    while (now.tv_sec < end) {
        const input *in = &corpus[below(corpus_count)];
        memcpy(current, in->bytes, in->size);
        current_size = in->size;
        for (size_t n = (size_t)1 << below(6); n > 0; n--) {
            mutate_once();
        }
        if (run()) {
            keep();
        }
        runs++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    printf("fuzz: %s: %" PRIu64 " inputs in %ld s, %zu edges, corpus %zu (%zu given)\n",
           base_name(argv[0]), runs, seconds, edges, corpus_count, given);
    return 0;
}
