/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_fixture.h"
#include "storage/maintenance/recover.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/common/change.h"

enum { ADMISSION = 1700000000 };

void temp_folder(char out[TEMP_PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    snprintf(out, TEMP_PATH_MAX, "%s/stair-test-XXXXXX", base != NULL ? base : "/tmp");
    assert(mkdtemp(out) != NULL);
}

static void remove_files(const char *folder, int depth)
{
    DIR *dir = opendir(folder);
    assert(dir != NULL);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[4 * TEMP_PATH_MAX];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        assert(length > 0 && (size_t)length < sizeof path);
        assert(lstat(path, &st) == 0);
        if (S_ISDIR(st.st_mode)) {
            assert(depth > 0);
            remove_files(path, depth - 1);
        } else {
            assert(unlink(path) == 0);
        }
    }
    closedir(dir);
    assert(rmdir(folder) == 0);
}

void temp_remove(const char *folder)
{
    remove_files(folder, 2);
}

store *open_store(const char *folder)
{
    store *s = NULL;
    err e = ERR_INIT;
    store_options options = {.mode = STORE_OWNER, .create = true, .now = ADMISSION};
    if (recover_open(&s, folder, &options, &e) != ERR_OK) {
        fprintf(stderr, "open_store: %s\n", e.text);
        abort();
    }
    return s;
}

static op *new_op(op_kind kind)
{
    op *o = NULL;
    err_code code = op_new(&o, kind, 16 * 1024 * 1024, NULL);
    assert(code == ERR_OK);
    o->time = ADMISSION;
    o->count = 1;
    return o;
}

static op_item *new_item(op *o, const char *id)
{
    op_item *it = arena_alloc(&o->memory, 1, sizeof *it);
    assert(it != NULL);
    it->id = arena_slice(&o->memory, slice_of(id));
    o->items = it;
    return it;
}

op *op_put_item(op_kind kind, const char *id, const char *title, const float *features,
                uint32_t width)
{
    op *o = new_op(kind);
    op_item *it = new_item(o, id);
    if (title != NULL) {
        it->given |= OP_TITLE;
        it->title = arena_slice(&o->memory, slice_of(title));
    }
    if (features != NULL) {
        feature *f = arena_alloc(&o->memory, 1, sizeof *f);
        assert(f != NULL);
        f->modality = slice_of("text");
        f->dtype = FEATURE_F4;
        f->width = width;
        f->data = arena_copy(&o->memory, features, width * sizeof *features);
        it->given |= OP_FEATURES;
        it->features = f;
        it->feature_count = 1;
    }
    return o;
}

op *op_delete_item(const char *id)
{
    op *o = new_op(OP_ITEMS_DELETE);
    new_item(o, id);
    return o;
}

static op *interaction_op(op_kind kind, const char *user, const char *item, const char *type)
{
    op *o = new_op(kind);
    op_interaction *x = arena_alloc(&o->memory, 1, sizeof *x);
    assert(x != NULL);
    x->user = arena_slice(&o->memory, slice_of(user));
    x->item = arena_slice(&o->memory, slice_of(item));
    x->type = arena_slice(&o->memory, slice_of(type));
    x->weight = 1;
    x->flags = EDGE_IN_GRAPH | EDGE_SEEN;
    o->interactions = x;
    return o;
}

op *op_add(const char *user, const char *item, const char *type, int64_t time)
{
    op *o = interaction_op(OP_INTERACTIONS_ADD, user, item, type);
    ((op_interaction *)(uintptr_t)o->interactions)->time = time;
    return o;
}

op *op_remove(const char *user, const char *item, const char *type)
{
    return interaction_op(OP_INTERACTIONS_REMOVE, user, item, type);
}

op *op_erase(const char *user)
{
    op *o = new_op(OP_USER_ERASE);
    o->user = arena_slice(&o->memory, slice_of(user));
    return o;
}

op *op_activate(uint32_t generation)
{
    op *o = new_op(OP_GENERATION_ACTIVATE);
    o->generation = generation;
    return o;
}

err_code apply_now(store *s, op *o, uint64_t *seq)
{
    apply_result result;
    apply_result_init(&result);
    err_code code = apply_one(s, o, &result, NULL);
    if (seq != NULL) {
        *seq = result.seq;
    }
    apply_result_fini(&result);
    op_free(o);
    return code;
}
