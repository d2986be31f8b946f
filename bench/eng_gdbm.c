/*
 * eng_gdbm.c - GDBM with its defaults: mapped, updated in place, a cache that
 * sizes itself.
 */
#include <gdbm.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"
#include "workload.h"

typedef struct gdbm_db {
    GDBM_FILE file;
    char *value; // of the last get
} gdbm_db;

static void
ok(int code, const char *call)
{
    if (code != 0) {
        bench_die("gdbm %s: %s", call, gdbm_strerror(gdbm_errno));
    }
}

static void *
gdbm_db_open(const char *dir, const eng_options *options)
{
    gdbm_db *db = calloc(1, sizeof(*db));
    char path[4096];

    (void)options;
    if (db == NULL) {
        bench_die("gdbm");
    }
    snprintf(path, sizeof(path), "%s/bench.gdbm", dir);
    db->file = gdbm_open(path, 0, GDBM_WRCREAT, 0600, NULL);
    ok(db->file == NULL, "open");
    return db;
}

static datum
to_datum(eng_blob blob)
{
    datum data = {(char *)(uintptr_t)blob.data, (int)blob.size};

    return data;
}

static void
gdbm_db_put(void *handle, eng_blob key, eng_blob value)
{
    gdbm_db *db = handle;

    ok(gdbm_store(db->file, to_datum(key), to_datum(value), GDBM_REPLACE),
       "store");
}

static bool
gdbm_db_get(void *handle, eng_blob key, eng_blob *value)
{
    gdbm_db *db = handle;
    datum found;

    free(db->value);
    found = gdbm_fetch(db->file, to_datum(key));
    db->value = found.dptr;
    value->data = found.dptr;
    value->size = (size_t)found.dsize;
    return found.dptr != NULL;
}

static bool
gdbm_db_contains(void *handle, eng_blob key)
{
    gdbm_db *db = handle;

    return gdbm_exists(db->file, to_datum(key)) != 0;
}

static bool
gdbm_db_del(void *handle, eng_blob key)
{
    gdbm_db *db = handle;

    return gdbm_delete(db->file, to_datum(key)) == 0;
}

static void
gdbm_db_iterate(void *handle, eng_visit visit, void *context)
{
    gdbm_db *db = handle;
    datum key = gdbm_firstkey(db->file);

    while (key.dptr != NULL) {
        const datum value = gdbm_fetch(db->file, key);
        const eng_blob key_blob = {key.dptr, (size_t)key.dsize};
        const eng_blob value_blob = {value.dptr, (size_t)value.dsize};
        datum next;

        visit(context, key_blob, value_blob);
        next = gdbm_nextkey(db->file, key);
        free(key.dptr);
        free(value.dptr);
        key = next;
    }
}

static void
gdbm_db_sync(void *handle)
{
    gdbm_db *db = handle;

    ok(gdbm_sync(db->file), "sync");
}

static void
gdbm_db_close(void *handle)
{
    gdbm_db *db = handle;

    free(db->value);
    ok(gdbm_close(db->file), "close");
    free(db);
}

const engine eng_gdbm = {
    .name = "gdbm",
    .batch = 1,
    .open = gdbm_db_open,
    .put = gdbm_db_put,
    .get = gdbm_db_get,
    .contains = gdbm_db_contains,
    .del = gdbm_db_del,
    .iterate = gdbm_db_iterate,
    .sync = gdbm_db_sync,
    .close = gdbm_db_close,
};
