/* SPDX-License-Identifier: Apache-2.0 */
#include "server/encode/embed_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/common/buffer.h"
#include "core/common/item_fields.h"
#include "core/common/mem.h"
#include "core/words/words.h"

enum {
    HEADERS_BYTES_MAX = 64 * 1024,
    KEY_BYTES_MAX = 4096,
    RETRY_AFTER_MAX = 300,
};

typedef struct call {
    bool busy;
    CURL *easy;
    char *request;
    size_t texts;
    uint32_t width;
    void *ctx;
    buffer body;
    size_t headers;
    bool too_large;
} call;

struct embed_client {
    const encoder_options *options;
    CURLM *multi;
    struct curl_slist *headers;
    call calls[EMBED_CALLS_MAX];
};

err_code encoder_url_check(const char *text, err *e)
{
    CURLU *url = curl_url();
    char *user = NULL, *scheme = NULL;
    err_code code = ERR_OK;
    if (url == NULL) {
        return err_nomem(e, "an address");
    }
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        code = err_set(e, ERR_INVALID, "expected an http or https address, not \"%.80s\"", text);
    } else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        code = err_set(e, ERR_INVALID,
                       "expected an address without user information; put the token into a file "
                       "(encoder_key_file)");
    }
    curl_free(user);
    curl_free(scheme);
    curl_url_cleanup(url);
    return code;
}

err_code encoder_options_check(const encoder_options *o, err *e)
{
    size_t length = strlen(o->modality);
    if (o->url == NULL) {
        return ERR_OK;
    }
    if (o->model == NULL) {
        return err_set(e, ERR_INVALID, "encoder_url needs encoder_model");
    }
    if (length < 1 || length > MODALITY_NAME_BYTES_MAX ||
        strcmp(o->modality, WORDS_MODALITY) == 0) {
        return err_set(e, ERR_INVALID,
                       "encoder_modality: expected a name of 1 to %d bytes other than words",
                       MODALITY_NAME_BYTES_MAX);
    }
    return ERR_OK;
}

/* --- one call --- */

static size_t take_body(char *from, size_t size, size_t count, void *ctx)
{
    call *c = ctx;
    buffer_put(&c->body, from, size * count);
    c->too_large = c->too_large || c->body.failed == ERR_TOO_LARGE;
    return c->body.failed == ERR_OK ? size * count : 0;
}

static size_t take_header(char *from, size_t size, size_t count, void *ctx)
{
    call *c = ctx;
    (void)from;
    c->headers += size * count;
    c->too_large = c->too_large || c->headers > HEADERS_BYTES_MAX;
    return c->too_large ? 0 : size * count;
}

static bool set_up(const embed_client *client, call *c, size_t length)
{
    const encoder_options *o = client->options;
    CURLcode rc = CURLE_OK;
#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(c->easy, option, value) : rc
    SET(CURLOPT_URL, o->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)(o->timeout * 1000));
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(o->timeout * 1000));
    SET(CURLOPT_HTTPHEADER, client->headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    SET(CURLOPT_POSTFIELDS, c->request);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_PRIVATE, c);
#undef SET
    return rc == CURLE_OK;
}

static void end_call(embed_client *client, call *c)
{
    curl_multi_remove_handle(client->multi, c->easy);
    curl_easy_reset(c->easy);
    mem_free(c->request);
    buffer_fini(&c->body);
    c->request = NULL;
    c->headers = 0;
    c->busy = c->too_large = false;
}

err_code embed_client_start(embed_client *client, const slice *texts, size_t count, uint32_t width,
                            void *ctx, err *e)
{
    call *c = NULL;
    size_t length = 0;
    for (size_t i = 0; i < EMBED_CALLS_MAX; i++) {
        c = !client->calls[i].busy ? &client->calls[i] : c;
    }
    if (c == NULL) {
        return err_set(e, ERR_UNAVAILABLE,
                       "%d calls to the encoder are in progress, as many as allowed",
                       EMBED_CALLS_MAX);
    }
    err_code code = embed_request(&c->request, &length, client->options->model, texts, count, e);
    if (code != ERR_OK) {
        return code;
    }
    c->busy = true;
    c->texts = count;
    buffer_init(&c->body, embed_answer_bytes_max(count));
    c->width = width;
    c->ctx = ctx;
    if (!set_up(client, c, length) || curl_multi_add_handle(client->multi, c->easy) != CURLM_OK) {
        end_call(client, c);
        return err_set(e, ERR_INTERNAL, "a call to the encoder cannot be started");
    }
    return ERR_OK;
}

size_t embed_client_free_calls(const embed_client *client)
{
    size_t count = 0;
    for (size_t i = 0; i < EMBED_CALLS_MAX; i++) {
        count += !client->calls[i].busy;
    }
    return count;
}

/* --- results --- */

static void judge_answer(const call *c, embed_result *out)
{
    long status = 0;
    curl_off_t wait = 0;
    err e = ERR_INIT;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &wait);
    out->retry_after = wait > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : wait > 0 ? (double)wait : 0;
    if (status != 200) {
        bool text = status == 400 || status == 413 || status == 422;
        out->outcome = text ? EMBED_REFUSED : EMBED_FAILED;
        snprintf(out->why, sizeof out->why, "the encoder answers with status %ld", status);
        return;
    }
    bool good =
        embed_answer(&out->vectors, buffer_slice(&c->body), c->texts, c->width, &e) == ERR_OK;
    out->outcome = good ? EMBED_DONE : EMBED_FAILED;
    snprintf(out->why, sizeof out->why, "%s", e.text);
}

static void end_of(embed_client *client, CURLMsg *message, embed_done done, void *done_ctx)
{
    char *found = NULL;
    embed_result result = {.outcome = EMBED_FAILED};
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
    call *c = (call *)(void *)found;
    if (c->too_large) {
        snprintf(result.why, sizeof result.why,
                 "the answer has more than %zu bytes, or its headers more than %d",
                 embed_answer_bytes_max(c->texts), HEADERS_BYTES_MAX);
    } else if (code != CURLE_OK) {
        snprintf(result.why, sizeof result.why, "%s", curl_easy_strerror(code));
    } else {
        judge_answer(c, &result);
    }
    void *ctx = c->ctx;
    end_call(client, c);
    done(done_ctx, ctx, &result);
    embed_vectors_fini(&result.vectors);
}

void embed_client_poll(embed_client *client, double seconds, embed_done done, void *done_ctx)
{
    int running = 0, left = 0;
    CURLMsg *message = NULL;
    (void)curl_multi_perform(client->multi, &running);
    message = curl_multi_info_read(client->multi, &left);
    if (message == NULL) {
        (void)curl_multi_poll(client->multi, NULL, 0, (int)(seconds * 1000), NULL);
        (void)curl_multi_perform(client->multi, &running);
        message = curl_multi_info_read(client->multi, &left);
    }
    for (; message != NULL; message = curl_multi_info_read(client->multi, &left)) {
        if (message->msg == CURLMSG_DONE) {
            end_of(client, message, done, done_ctx);
        }
    }
}

void embed_client_wake(embed_client *client)
{
    (void)curl_multi_wakeup(client->multi);
}

/* --- making --- */

static err_code add_header(embed_client *client, const char *line, err *e)
{
    struct curl_slist *longer = curl_slist_append(client->headers, line);
    if (longer == NULL) {
        return err_nomem(e, "the encoder's client");
    }
    client->headers = longer;
    return ERR_OK;
}

static err_code read_key(embed_client *client, err *e)
{
    static const char prefix[] = "Authorization: Bearer ";
    const char *path = client->options->key_file;
    char line[sizeof prefix + KEY_BYTES_MAX];
    if (path == NULL) {
        return ERR_OK;
    }
    memcpy(line, prefix, sizeof prefix);
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line + sizeof prefix - 1, KEY_BYTES_MAX, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (!read || strlen(line) < sizeof prefix) {
        return err_set(e, ERR_INVALID, "%s: expected a token in the first line", path);
    }
    return add_header(client, line, e);
}

err_code embed_client_new(embed_client **out, const encoder_options *options, err *e)
{
    embed_client *c = mem_array(1, sizeof *c);
    *out = NULL;
    if (c == NULL) {
        return err_nomem(e, "the encoder's client");
    }
    c->options = options;
    c->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    bool whole = c->multi != NULL;
    for (size_t i = 0; i < EMBED_CALLS_MAX; i++) {
        c->calls[i].easy = whole ? curl_easy_init() : NULL;
        whole = whole && c->calls[i].easy != NULL;
    }
    err_code code = whole ? ERR_OK : err_nomem(e, "the encoder's client");
    if (code == ERR_OK) {
        code = add_header(c, "Content-Type: application/json", e);
    }
    if (code == ERR_OK) {
        code = add_header(c, "Expect:", e);
    }
    if (code == ERR_OK) {
        code = read_key(c, e);
    }
    if (code != ERR_OK) {
        embed_client_free(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void embed_client_free(embed_client *c)
{
    for (size_t i = 0; c != NULL && i < EMBED_CALLS_MAX; i++) {
        if (c->calls[i].busy) {
            end_call(c, &c->calls[i]);
        }
        curl_easy_cleanup(c->calls[i].easy);
    }
    if (c != NULL) {
        curl_multi_cleanup(c->multi);
        curl_slist_free_all(c->headers);
        mem_free(c);
    }
}
