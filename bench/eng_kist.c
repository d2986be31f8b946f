/*
 * eng_kist.c - kist's dict, at the default durability (what returned
 * survives kill -9), or at `sync` where a durable engine is asked for.
 */
#include <kist/kist.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"
#include "workload.h"

#define MANY_MAX 16u

typedef struct kist_db {
    kist *k;
    kist_dict *dict;
} kist_db;

static void
ok(kist_status status, const char *call)
{
    char text[700];

    if (status != KIST_OK) {
        kist_error_text(text, sizeof(text));
        bench_die("kist %s: %s: %s", call, kist_status_name(status), text);
    }
}

static void *
kist_db_open(const char *dir, const eng_options *options)
{
    kist_options kist_opt = {0};
    kist_db *db = calloc(1, sizeof(*db));
    char path[4096];

    if (db == NULL) {
        bench_die("kist");
    }
    snprintf(path, sizeof(path), "%s/bench", dir);
    kist_opt.durability = options->durable ? KIST_SYNC : KIST_PROCESS;
    ok(kist_open(path, &kist_opt, &db->k), "open");
    ok(kist_dict_open(db->k, kist_str(""), KIST_BYTES, &db->dict),
       "dict_open");
    return db;
}

static kist_value
to_value(eng_blob blob)
{
    return kist_blob(KIST_BYTES, blob.data, blob.size);
}

static kist_slice
to_slice(eng_blob blob)
{
    return kist_bytes(blob.data, blob.size);
}

static void
kist_db_put(void *handle, eng_blob key, eng_blob value)
{
    kist_db *db = handle;
    const kist_value wrapped = to_value(value);

    ok(kist_dict_put(db->dict, to_slice(key), &wrapped), "put");
}

static bool
kist_db_get(void *handle, eng_blob key, eng_blob *value)
{
    kist_db *db = handle;
    kist_value found;
    kist_status status = kist_dict_get(db->dict, to_slice(key), &found);

    if (status == KIST_ERR_NOTFOUND) {
        return false;
    }
    ok(status, "get");
    value->data = found.as.bytes.data;
    value->size = found.as.bytes.size;
    return true;
}

static bool
kist_db_contains(void *handle, eng_blob key)
{
    kist_db *db = handle;
    kist_status status = kist_dict_contains(db->dict, to_slice(key));

    if (status != KIST_ERR_NOTFOUND) {
        ok(status, "contains");
    }
    return status == KIST_OK;
}

static bool
kist_db_del(void *handle, eng_blob key)
{
    kist_db *db = handle;
    kist_status status = kist_dict_remove(db->dict, to_slice(key));

    if (status != KIST_ERR_NOTFOUND) {
        ok(status, "remove");
    }
    return status == KIST_OK;
}

static void
kist_db_iterate(void *handle, eng_visit visit, void *context)
{
    kist_db *db = handle;
    kist_scan *scan;
    kist_slice key;
    kist_value value;
    kist_status status;

    ok(kist_dict_scan(db->dict, NULL, &scan), "scan");
    while ((status = kist_scan_next(scan, &key, &value)) == KIST_OK) {
        eng_blob key_blob = {key.data, key.size};
        eng_blob value_blob = {value.as.bytes.data, value.as.bytes.size};

        visit(context, key_blob, value_blob);
    }
    if (status != KIST_END) {
        ok(status, "scan_next");
    }
    kist_scan_close(scan);
}

static void
check_count(size_t count)
{
    if (count == 0 || count > MANY_MAX) {
        bench_die("1 to %u keys at once", MANY_MAX);
    }
}

static void
kist_db_get_many(void *handle, const eng_blob *keys, size_t count,
                 eng_blob *values)
{
    kist_db *db = handle;
    kist_slice slices[MANY_MAX] = {{NULL, 0}};
    kist_value found[MANY_MAX];
    size_t i;

    check_count(count);
    for (i = 0; i < count; i++) {
        slices[i] = to_slice(keys[i]);
    }
    ok(kist_dict_get_many(db->dict, slices, count, found), "get_many");
    for (i = 0; i < count; i++) {
        values[i].data = NULL;
        values[i].size = 0;
        if (found[i].type == KIST_BYTES) {
            values[i].data = found[i].as.bytes.data;
            values[i].size = found[i].as.bytes.size;
        }
    }
}

static void
kist_db_put_many(void *handle, const eng_blob *keys, const eng_blob *values,
                 size_t count)
{
    kist_db *db = handle;
    kist_slice slices[MANY_MAX] = {{NULL, 0}};
    kist_value wrapped[MANY_MAX] = {{KIST_ANY, {0}}};
    size_t i;

    check_count(count);
    for (i = 0; i < count; i++) {
        slices[i] = to_slice(keys[i]);
        wrapped[i] = to_value(values[i]);
    }
    ok(kist_dict_put_many(db->dict, slices, wrapped, count, NULL), "put_many");
}

static void
kist_db_sync(void *handle)
{
    kist_db *db = handle;

    ok(kist_sync(db->k), "sync");
}

static void
kist_db_close(void *handle)
{
    kist_db *db = handle;

    kist_dict_close(db->dict);
    ok(kist_close(db->k), "close");
    free(db);
}

const engine eng_kist = {
    .name = "kist",
    .batch = 1,
    .shared_handle = true,
    .open = kist_db_open,
    .put = kist_db_put,
    .get = kist_db_get,
    .contains = kist_db_contains,
    .del = kist_db_del,
    .iterate = kist_db_iterate,
    .get_many = kist_db_get_many,
    .put_many = kist_db_put_many,
    .sync = kist_db_sync,
    .close = kist_db_close,
};
