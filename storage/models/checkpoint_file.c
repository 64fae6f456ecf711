/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/models/checkpoint_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/mem.h"
#include "storage/env/checksum.h"
#include "storage/env/codec.h"
#include "storage/env/schema.h"
#include "storage/env/stage.h"
#include "storage/models/model_private.h"

/* magic 8, version u8, lineage 16, seq u64, bytes u64, checksum u64; then the bytes */
enum { CHECKPOINT_VERSION = 1, CHECKPOINT_HEADER_BYTES = 8 + 1 + LINEAGE_BYTES + 8 + 8 + 8 };

static const char magic[8] = {'S', 'T', 'A', 'I', 'R', 'C', 'K', 'P'};
static const char *const final_name = "train.checkpoint";
static const char *const draft_name = "train.checkpoint.tmp";

static err_code write_all(int fd, const char *path, slice part, err *e)
{
    const char *at = part.at;
    size_t bytes = part.length;
    while (bytes > 0) {
        ssize_t put = write(fd, at, bytes < (1u << 30) ? bytes : (1u << 30));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            int why = put == 0 ? EIO : errno;
            return err_set(e, why == ENOSPC || why == EDQUOT ? ERR_FULL : ERR_IO, "writing %s: %s",
                           path, strerror(why));
        }
        at += put;
        bytes -= (size_t)put;
    }
    return ERR_OK;
}

static err_code write_draft(const char *path, const store_info *info, uint64_t seq, slice bytes,
                            err *e)
{
    encoder x;
    encoder_init(&x, 256);
    encode_bytes(&x, magic, sizeof magic);
    encode_u8(&x, CHECKPOINT_VERSION);
    encode_bytes(&x, info->lineage, LINEAGE_BYTES);
    encode_u64(&x, seq);
    encode_u64(&x, bytes.length);
    encode_u64(&x, checksum64(bytes.at, bytes.length));
    err_code code = encoder_check(&x, "checkpoint", e);
    int fd = code == ERR_OK
                 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)
                 : -1;
    if (code == ERR_OK && fd < 0) {
        code = err_set(e, ERR_IO, "writing %s: %s", path, strerror(errno));
    }
    if (code == ERR_OK) {
        code = write_all(fd, path, encoder_slice(&x), e);
    }
    if (code == ERR_OK) {
        code = write_all(fd, path, bytes, e);
    }
    if (code == ERR_OK && fsync(fd) != 0) {
        code = err_set(e, ERR_IO, "syncing %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    encoder_fini(&x);
    return code;
}

err_code checkpoint_file_put(store *s, uint64_t seq, slice bytes, err *e)
{
    char draft[STORE_PATH_MAX], final[STORE_PATH_MAX];
    store_info info = {0};
    store_write *w = NULL;
    err_code code = path_join(draft, s->dir, draft_name, e);
    if (code == ERR_OK) {
        code = path_join(final, s->dir, final_name, e);
    }
    if (code == ERR_OK) {
        code = store_stat(s, &info, e);
    }
    if (code != ERR_OK || info.erased_seq > seq) {
        return code;
    }
    code = write_draft(draft, &info, seq, bytes, e);
    /* While the write lock is held, no erasure can commit between the check and the rename. */
    if (code == ERR_OK) {
        code = store_write_begin(s, &w, e);
    }
    if (code == ERR_OK && w->state.info.erased_seq <= seq && rename(draft, final) != 0) {
        code = err_set(e, ERR_IO, "renaming %s: %s", draft, strerror(errno));
    }
    store_write_abort(w);
    (void)unlink(draft); /* does not exist any more if it was renamed */
    return code;
}

static err_code check_header(store *s, decoder *d, uint64_t *bytes, uint64_t *sum, err *e)
{
    store_info info;
    const char *found_magic = decode_bytes(d, sizeof magic);
    if (found_magic == NULL || memcmp(found_magic, magic, sizeof magic) != 0) {
        return err_set(e, ERR_CORRUPT, "%s is not a checkpoint", final_name);
    }
    err_code code = decode_version(d, CHECKPOINT_VERSION, "checkpoint", e);
    const unsigned char *lineage = decode_bytes(d, LINEAGE_BYTES);
    uint64_t seq = decode_u64(d);
    *bytes = decode_u64(d);
    *sum = decode_u64(d);
    if (code == ERR_OK) {
        code = decoder_check(d, "checkpoint", e);
    }
    if (code == ERR_OK) {
        code = store_stat(s, &info, e);
    }
    if (code == ERR_OK &&
        (memcmp(lineage, info.lineage, LINEAGE_BYTES) != 0 || info.data_seq > seq)) {
        code = err_set(e, ERR_CONFLICT,
                       "the data changed since the checkpoint was made: train without --resume");
    }
    return code;
}

static err_code read_all(int fd, void *into, size_t bytes, err *e)
{
    char *at = into;
    while (bytes > 0) {
        ssize_t got = read(fd, at, bytes < (1u << 30) ? bytes : (1u << 30));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return err_set(e, got < 0 ? ERR_IO : ERR_CORRUPT, "reading the checkpoint: %s",
                           got < 0 ? strerror(errno) : "it is cut short");
        }
        at += got;
        bytes -= (size_t)got;
    }
    return ERR_OK;
}

err_code checkpoint_file_take(store *s, void **out, size_t *bytes, err *e)
{
    char path[STORE_PATH_MAX];
    char header[CHECKPOINT_HEADER_BYTES];
    struct stat st;
    uint64_t length = 0, sum = 0;
    *out = NULL;
    *bytes = 0;
    err_code code = path_join(path, s->dir, final_name, e);
    if (code != ERR_OK) {
        return code;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "there is no checkpoint to resume from")
                               : err_set(e, ERR_IO, "opening %s: %s", path, strerror(errno));
    }
    decoder d;
    decoder_init(&d, (slice){header, sizeof header});
    code = read_all(fd, header, sizeof header, e);
    if (code == ERR_OK) {
        code = check_header(s, &d, &length, &sum, e);
    }
    if (code == ERR_OK &&
        (fstat(fd, &st) != 0 || (uint64_t)st.st_size != length + CHECKPOINT_HEADER_BYTES)) {
        code = err_set(e, ERR_CORRUPT, "the checkpoint is cut short");
    }
    void *content = code == ERR_OK ? mem_array((size_t)length, 1) : NULL;
    if (code == ERR_OK && content == NULL) {
        code = err_nomem(e, "the checkpoint");
    }
    if (code == ERR_OK) {
        code = read_all(fd, content, (size_t)length, e);
    }
    if (code == ERR_OK && checksum64(content, (size_t)length) != sum) {
        code = err_set(e, ERR_CORRUPT, "the checkpoint's checksum does not match");
    }
    close(fd);
    if (code != ERR_OK) {
        mem_free(content);
        return code;
    }
    *out = content;
    *bytes = (size_t)length;
    return ERR_OK;
}

bool checkpoint_file_exists(const store *s)
{
    char path[STORE_PATH_MAX];
    return path_join(path, s->dir, final_name, NULL) == ERR_OK && access(path, F_OK) == 0;
}

static err_code remove_file(const store *s, const char *name, err *e)
{
    char path[STORE_PATH_MAX];
    err_code code = path_join(path, s->dir, name, e);
    if (code == ERR_OK && unlink(path) != 0 && errno != ENOENT) {
        code = err_set(e, ERR_IO, "removing %s: %s", path, strerror(errno));
    }
    return code;
}

err_code checkpoint_file_remove(store *s, err *e)
{
    return remove_file(s, final_name, e);
}

/* checkpoint_file_sweep removes a checkpoint that no training may resume: it would only keep
 * personal data on disk. */
err_code checkpoint_file_sweep(store *s, err *e)
{
    char path[STORE_PATH_MAX], header[CHECKPOINT_HEADER_BYTES];
    uint64_t length = 0, sum = 0;
    err_code code = remove_file(s, draft_name, e);
    if (code == ERR_OK) {
        code = path_join(path, s->dir, final_name, e);
    }
    int fd = code == ERR_OK ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) {
        return code;
    }
    decoder d;
    decoder_init(&d, (slice){header, sizeof header});
    bool usable = read_all(fd, header, sizeof header, NULL) == ERR_OK &&
                  check_header(s, &d, &length, &sum, NULL) == ERR_OK;
    close(fd);
    return usable ? ERR_OK : remove_file(s, final_name, e);
}
