/*
 * eng_tkrzw.c - Tkrzw's HashDBM through its C API, two buckets a record,
 * updated in place (its default and its fastest mode).
 */
#include <stdio.h>
#include <stdlib.h>
#include <tkrzw_langc.h>

#include "engine.h"
#include "workload.h"

typedef struct tkrzw_db {
    TkrzwDBM *dbm;
    char *value; // of the last get
} tkrzw_db;

static void
ok(bool done, const char *call)
{
    if (!done) {
        const TkrzwStatus status = tkrzw_get_last_status();
        bench_die("tkrzw %s: %s", call, status.message);
    }
}

static void *
tkrzw_db_open(const char *dir, const eng_options *options)
{
    tkrzw_db *db = calloc(1, sizeof(*db));
    char path[4096];
    char params[128];

    if (db == NULL) {
        bench_die("tkrzw");
    }
    snprintf(path, sizeof(path), "%s/bench.tkh", dir);
    snprintf(params, sizeof(params), "dbm=HashDBM,num_buckets=%llu",
             (unsigned long long)options->expected * 2);
    db->dbm = tkrzw_dbm_open(path, true, params);
    ok(db->dbm != NULL, "open");
    return db;
}

static void
tkrzw_db_put(void *handle, eng_blob key, eng_blob value)
{
    tkrzw_db *db = handle;

    ok(tkrzw_dbm_set(db->dbm, key.data, (int32_t)key.size, value.data,
                     (int32_t)value.size, true),
       "set");
}

static bool
tkrzw_db_get(void *handle, eng_blob key, eng_blob *value)
{
    tkrzw_db *db = handle;
    int32_t size;

    free(db->value);
    db->value = tkrzw_dbm_get(db->dbm, key.data, (int32_t)key.size, &size);
    if (db->value == NULL) {
        return false;
    }
    value->data = db->value;
    value->size = (size_t)size;
    return true;
}

static bool
tkrzw_db_contains(void *handle, eng_blob key)
{
    tkrzw_db *db = handle;

    return tkrzw_dbm_check(db->dbm, key.data, (int32_t)key.size);
}

static bool
tkrzw_db_del(void *handle, eng_blob key)
{
    tkrzw_db *db = handle;

    return tkrzw_dbm_remove(db->dbm, key.data, (int32_t)key.size);
}

typedef struct each_context {
    eng_visit visit;
    void *context;
} each_context;

static const char *
visit_each(void *arg, const char *key, int32_t key_size, const char *value,
           int32_t value_size, int32_t *new_size)
{
    each_context *each = arg;

    (void)new_size;
    if (value != NULL) {
        eng_blob key_blob = {key, (size_t)key_size};
        eng_blob value_blob = {value, (size_t)value_size};

        each->visit(each->context, key_blob, value_blob);
    }
    return TKRZW_REC_PROC_NOOP;
}

static void
tkrzw_db_iterate(void *handle, eng_visit visit, void *context)
{
    tkrzw_db *db = handle;
    each_context each = {visit, context};

    ok(tkrzw_dbm_process_each(db->dbm, visit_each, &each, false),
       "process_each");
}

static void
tkrzw_db_sync(void *handle)
{
    tkrzw_db *db = handle;

    ok(tkrzw_dbm_synchronize(db->dbm, true, NULL, NULL, ""), "synchronize");
}

static void
tkrzw_db_close(void *handle)
{
    tkrzw_db *db = handle;

    free(db->value);
    ok(tkrzw_dbm_close(db->dbm), "close");
    free(db);
}

const engine eng_tkrzw = {
    .name = "tkrzw",
    .batch = 1,
    .shared_handle = true,
    .open = tkrzw_db_open,
    .put = tkrzw_db_put,
    .get = tkrzw_db_get,
    .contains = tkrzw_db_contains,
    .del = tkrzw_db_del,
    .iterate = tkrzw_db_iterate,
    .sync = tkrzw_db_sync,
    .close = tkrzw_db_close,
};
