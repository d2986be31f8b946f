/*
 * listeng_kist.c - kist's list at the default durability.
 */
#include <kist/kist.h>
#include <stdio.h>
#include <stdlib.h>

#include "listeng.h"
#include "workload.h"

typedef struct list_db {
    kist *k;
    kist_list *list;
} list_db;

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
list_db_open(const char *dir)
{
    list_db *db = calloc(1, sizeof(*db));
    char path[4096];

    if (db == NULL) {
        bench_die("kist");
    }
    snprintf(path, sizeof(path), "%s/bench", dir);
    ok(kist_open(path, NULL, &db->k), "open");
    ok(kist_list_open(db->k, kist_str(""), KIST_BYTES, &db->list),
       "list_open");
    return db;
}

static void
list_db_append(void *handle, eng_blob value)
{
    list_db *db = handle;
    const kist_value wrapped = kist_blob(KIST_BYTES, value.data, value.size);

    ok(kist_list_append(db->list, &wrapped), "append");
}

static eng_blob
list_db_get(void *handle, uint64_t index)
{
    list_db *db = handle;
    kist_value value;
    eng_blob blob;

    ok(kist_list_get(db->list, index, &value), "get");
    blob.data = value.as.bytes.data;
    blob.size = value.as.bytes.size;
    return blob;
}

static void
list_db_insert(void *handle, uint64_t index, eng_blob value)
{
    list_db *db = handle;
    const kist_value wrapped = kist_blob(KIST_BYTES, value.data, value.size);

    ok(kist_list_insert(db->list, index, &wrapped), "insert");
}

static void
list_db_pop(void *handle, uint64_t index)
{
    list_db *db = handle;

    ok(kist_list_pop(db->list, index, NULL), "pop");
}

static void
list_db_iterate(void *handle, eng_visit visit, void *context)
{
    const eng_blob no_key = {NULL, 0};
    list_db *db = handle;
    kist_scan *scan;
    kist_value value;
    kist_status status;

    ok(kist_list_scan(db->list, NULL, &scan), "scan");
    while ((status = kist_scan_next(scan, NULL, &value)) == KIST_OK) {
        eng_blob blob = {value.as.bytes.data, value.as.bytes.size};

        visit(context, no_key, blob);
    }
    if (status != KIST_END) {
        ok(status, "scan_next");
    }
    kist_scan_close(scan);
}

static void
list_db_close(void *handle)
{
    list_db *db = handle;

    kist_list_close(db->list);
    ok(kist_close(db->k), "close");
    free(db);
}

const list_engine listeng_kist = {
    .name = "kist",
    .open = list_db_open,
    .append = list_db_append,
    .get = list_db_get,
    .insert = list_db_insert,
    .pop = list_db_pop,
    .iterate = list_db_iterate,
    .close = list_db_close,
};
