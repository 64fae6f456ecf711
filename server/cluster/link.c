/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cluster/link.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/common/mem.h"
#include "server/cluster/server_info.h"
#include "server/cluster/violations.h"
#include "server/telemetry/clock.h"
#include "server/telemetry/version.h"

/* A violation of rights explains a request that fails at most this much later. */
static const uint64_t VIOLATION_NS = (LINK_MAKE_MS + 1000ULL) * NS_PER_MS;

enum {
    CONNECT_MS = 2000,
    PING_MS = 1000, /* a server that does not answer two pings in a row counts as gone */
    WRITE_MS = 2000,
    CREDENTIALS_BYTES_MAX = 64 * 1024,
    SUBJECT_MAX = 256,
};

/* --- credentials --- */

/* line_of returns the text after "name=" at the start of a line, or NULL if there is no such line.
 * It ends the text with a NUL in place. */
static char *line_of(char *text, const char *name)
{
    size_t length = strlen(name);
    for (char *at = text; at != NULL && *at != '\0';) {
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            return at + length + 1;
        }
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    return NULL;
}

static void end_line(char *at)
{
    if (at != NULL) {
        at[strcspn(at, "\r\n")] = '\0';
    }
}

static natsStatus set_plain(natsOptions *options, char *text)
{
    char *user = line_of(text, "user"), *password = line_of(text, "password");
    char *token = line_of(text, "token");
    end_line(user);
    end_line(password);
    end_line(token);
    return token != NULL                      ? natsOptions_SetToken(options, token)
           : user != NULL && password != NULL ? natsOptions_SetUserInfo(options, user, password)
                                              : NATS_INVALID_ARG;
}

/* set_credentials reads the credentials from a file. Its messages never quote the file's
 * content. */
static err_code set_credentials(natsOptions *options, const char *path, err *e)
{
    char text[CREDENTIALS_BYTES_MAX];
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(e, ERR_INVALID, "cluster_credentials: %s: %s", path, strerror(errno));
    }
    size_t length = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[length] = '\0';
    natsStatus s = strstr(text, "BEGIN NATS USER JWT") != NULL
                       ? natsOptions_SetUserCredentialsFromFiles(options, path, NULL)
                       : set_plain(options, text);
    explicit_bzero(text, sizeof text);
    return s == NATS_OK ? ERR_OK
                        : err_set(e, ERR_INVALID,
                                  "cluster_credentials: %s: expected a .creds file, or lines "
                                  "user=... and password=..., or token=...",
                                  path);
}

/* --- connecting --- */

static err_code set_tls(natsOptions *options, const cluster_options *o, err *e)
{
    natsStatus s = NATS_OK;
    if (o->tls_ca != NULL) {
        s = natsOptions_SetSecure(options, true);
        s = s == NATS_OK ? natsOptions_LoadCATrustedCertificates(options, o->tls_ca) : s;
        if (s != NATS_OK) {
            return err_set(e, ERR_INVALID, "cluster_tls_ca: %s: expected certificates in PEM",
                           o->tls_ca);
        }
    }
    if (o->tls_certificate != NULL) {
        s = natsOptions_SetSecure(options, true);
        s = s == NATS_OK
                ? natsOptions_LoadCertificatesChain(options, o->tls_certificate, o->tls_key)
                : s;
        if (s != NATS_OK) {
            return err_set(e, ERR_INVALID,
                           "cluster_tls_certificate, cluster_tls_key: %s, %s: expected a "
                           "certificate and its key in PEM",
                           o->tls_certificate, o->tls_key);
        }
    }
    return ERR_OK;
}

static natsStatus set_servers(natsOptions *options, const char *urls)
{
    char *copy = mem_string(urls, strlen(urls));
    const char *list[CLUSTER_URLS_MAX];
    int count = 0;
    if (copy == NULL) {
        return NATS_NO_MEMORY;
    }
    for (char *at = copy, *next = NULL; at != NULL && count < CLUSTER_URLS_MAX; at = next) {
        next = strchr(at, ',');
        if (next != NULL) {
            *next++ = '\0';
        }
        list[count++] = at;
    }
    natsStatus s = natsOptions_SetServers(options, list, count);
    mem_free(copy);
    return s;
}

static err_code set_options(natsOptions *options, const cluster_options *o, err *e)
{
    natsStatus s = set_servers(options, o->urls);
    s = s == NATS_OK ? natsOptions_SetName(options, "stair") : s;
    s = s == NATS_OK ? natsOptions_SetTimeout(options, CONNECT_MS) : s;
    s = s == NATS_OK ? natsOptions_SetAllowReconnect(options, false) : s;
    s = s == NATS_OK ? natsOptions_SetPingInterval(options, PING_MS) : s;
    s = s == NATS_OK ? natsOptions_SetMaxPingsOut(options, 2) : s;
    s = s == NATS_OK ? natsOptions_SetWriteDeadline(options, WRITE_MS) : s;
    s = s == NATS_OK ? natsOptions_SetSendAsap(options, true) : s;
    s = s == NATS_OK ? natsOptions_SetErrorHandler(options, violations_note, NULL) : s;
    if (s != NATS_OK) {
        return err_set(e, ERR_INVALID, "cluster: %s", natsStatus_GetText(s));
    }
    err_code code = o->credentials != NULL ? set_credentials(options, o->credentials, e) : ERR_OK;
    return code == ERR_OK ? set_tls(options, o, e) : code;
}

/* connect_error quotes what the server said when the connection began. That contains no secret,
 * because servers get none in URLs. */
static err_code connect_error(natsStatus s, err *e)
{
    const char *said = nats_GetLastError(NULL);
    switch (s) {
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
        return err_set(e, ERR_CONFLICT,
                       "the NATS servers refuse this client's credentials (cluster_credentials)");
    case NATS_SSL_ERROR:
    case NATS_SECURE_CONNECTION_WANTED:
    case NATS_SECURE_CONNECTION_REQUIRED:
        return err_set(e, ERR_CONFLICT, "TLS with the NATS servers failed: %.200s",
                       said != NULL && said[0] != '\0' ? said : natsStatus_GetText(s));
    default:
        return err_set(e, ERR_UNAVAILABLE, "no NATS server can be reached: %s",
                       natsStatus_GetText(s));
    }
}

err_code link_error(const nats_link *k, natsStatus status, jsErrCode refusal, const char *what,
                    err *e)
{
    char violation[VIOLATION_TEXT];
    bool unanswered = status == NATS_TIMEOUT || status == NATS_NO_RESPONDERS;
    if (refusal == JSNotEnabledErr || refusal == JSNotEnabledForAccountErr ||
        (status == NATS_NO_RESPONDERS && refusal == 0)) {
        return err_set(e, ERR_CONFLICT,
                       "%s: JetStream is not enabled on the NATS server for this account", what);
    }
    if ((unanswered || status == NATS_NOT_PERMITTED) &&
        violations_take(k->violations, VIOLATION_NS, violation)) {
        return err_set(e, ERR_CONFLICT, "%s: the NATS servers do not permit this: %.200s", what,
                       violation);
    }
    if (unanswered || !link_alive(k)) {
        return err_set(e, ERR_UNAVAILABLE, "%s: the NATS servers do not answer", what);
    }
    const char *said = nats_GetLastError(NULL);
    return err_set(e, status == NATS_NOT_FOUND ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "%s: %.200s",
                   what, said != NULL && said[0] != '\0' ? said : natsStatus_GetText(status));
}

/* --- what the server must be --- */

static err_code check_version(nats_link *k, const cluster_options *o, err *e)
{
    char url[512];
    natsStatus s = natsConnection_GetConnectedUrl(k->connection, url, sizeof url);
    if (s != NATS_OK) {
        return err_set(e, ERR_UNAVAILABLE, "the connection to the NATS server broke");
    }
    err_code code =
        server_info_version(url, k->server, sizeof k->server, o->insecure_log ? NULL : e);
    if (o->insecure_log) {
        return ERR_OK;
    }
    if (code == ERR_OK && server_info_compare(k->server, 2, 10, 23) < 0) {
        code =
            err_set(e, ERR_CONFLICT,
                    "the NATS server is version %s, which can lose a stream in a crash: expected "
                    "2.10.23 or newer (cluster_insecure_log accepts it nevertheless)",
                    k->server);
    }
    return code;
}

static err_code check_jetstream(const nats_link *k, err *e)
{
    jsAccountInfo *account = NULL;
    jsErrCode refusal = 0;
    natsStatus s = js_GetAccountInfo(&account, k->stream, NULL, &refusal);
    jsAccountInfo_Destroy(account);
    return s == NATS_OK ? ERR_OK : link_error(k, s, refusal, "asking for JetStream", e);
}

err_code link_reopen(nats_link **out, const cluster_options *o, int ask_ms, err *e)
{
    natsOptions *options = NULL;
    jsOptions asking;
    *out = NULL;
    nats_link *k = mem_array(1, sizeof *k);
    if (k == NULL || natsOptions_Create(&options) != NATS_OK) {
        mem_free(k);
        return err_nomem(e, "a connection");
    }
    err_code code = set_options(options, o, e);
    natsStatus s = code == ERR_OK ? natsConnection_Connect(&k->connection, options) : NATS_OK;
    code = code == ERR_OK && s != NATS_OK ? connect_error(s, e) : code;
    natsOptions_Destroy(options);
    k->violations = code == ERR_OK ? violations_new(k->connection) : NULL;
    if (code == ERR_OK && k->violations == NULL) {
        code = err_nomem(e, "a connection");
    }
    (void)jsOptions_Init(&asking);
    asking.Wait = ask_ms;
    if (code == ERR_OK && natsConnection_JetStream(&k->stream, k->connection, &asking) != NATS_OK) {
        code = err_nomem(e, "a connection");
    }
    code = code == ERR_OK ? check_version(k, o, e) : code;
    if (code != ERR_OK) {
        link_close(k);
        return code;
    }
    int64_t most = natsConnection_GetMaxPayload(k->connection);
    k->payload_max = most > 0 ? (size_t)most : 0;
    *out = k;
    return ERR_OK;
}

err_code link_open(nats_link **out, const cluster_options *o, int ask_ms, err *e)
{
    err_code code = link_reopen(out, o, ask_ms, e);
    code = code == ERR_OK ? check_jetstream(*out, e) : code;
    if (code != ERR_OK) {
        link_close(*out);
        *out = NULL;
    }
    return code;
}

bool link_alive(const nats_link *k)
{
    return natsConnection_Status(k->connection) == NATS_CONN_STATUS_CONNECTED;
}

void link_close(nats_link *k)
{
    if (k != NULL) {
        jsCtx_Destroy(k->stream);
        natsConnection_Destroy(k->connection);
        violations_free(k->violations);
        mem_free(k);
    }
}

err_code link_subjects(const nats_link *k, const char *stream, const char *prefix, json_t **out,
                       err *e)
{
    char filter[SUBJECT_MAX];
    jsOptions how;
    jsStreamInfo *info = NULL;
    jsErrCode refusal = 0;
    *out = NULL;
    snprintf(filter, sizeof filter, "%s>", prefix);
    (void)jsOptions_Init(&how);
    how.Stream.Info.SubjectsFilter = filter;
    natsStatus s = js_GetStreamInfo(&info, k->stream, stream, &how, &refusal);
    if (s != NATS_OK) {
        return link_error(k, s, refusal, "asking what a stream holds", e);
    }
    json_t *found = json_array();
    const jsStreamStateSubjects *subjects = info->State.Subjects;
    for (int i = 0; subjects != NULL && i < subjects->Count; i++) {
        json_array_append_new(found, json_string(subjects->List[i].Subject + strlen(prefix)));
    }
    jsStreamInfo_Destroy(info);
    *out = found;
    return found != NULL ? ERR_OK : err_nomem(e, "the subjects of a stream");
}

void link_end(void)
{
    nats_ReleaseThreadMemory();
    (void)nats_CloseAndWait(CONNECT_MS);
}
