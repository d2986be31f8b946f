/*
 * eng_lmdb.c - LMDB: 1000 operations a transaction, one operation a
 * transaction, and one a transaction with MDB_WRITEMAP.
 *
 * Not durable is MDB_NOSYNC, which survives kill -9 as kist's default does.
 * A reader keeps its transaction slot and renews it (mdb_txn_reset,
 * mdb_txn_renew), per get or once in 1000.
 */
#include <lmdb.h>
#include <stdlib.h>

#include "engine.h"
#include "workload.h"

#define MAP_BYTES ((size_t)32 << 30)

typedef struct lmdb_db {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *writer; // open while a batch is
    MDB_txn *reader; // kept, active or reset
    bool reading;
    uint32_t batch;
    uint32_t written;
    uint32_t reads;
} lmdb_db;

static void
ok(int code, const char *call)
{
    if (code != 0) {
        bench_die("lmdb %s: %s", call, mdb_strerror(code));
    }
}

static void *
open_with(const char *dir, const eng_options *options, unsigned flags)
{
    lmdb_db *db = calloc(1, sizeof(*db));
    MDB_txn *txn;

    if (db == NULL) {
        bench_die("lmdb");
    }
    db->batch = options->batch;
    if (!options->durable) {
        flags |= MDB_NOSYNC;
    }
    ok(mdb_env_create(&db->env), "env_create");
    ok(mdb_env_set_mapsize(db->env, MAP_BYTES), "set_mapsize");
    ok(mdb_env_open(db->env, dir, flags | MDB_NOTLS, 0600), "env_open");
    ok(mdb_txn_begin(db->env, NULL, 0, &txn), "txn_begin");
    ok(mdb_dbi_open(txn, NULL, 0, &db->dbi), "dbi_open");
    ok(mdb_txn_commit(txn), "commit");
    ok(mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->reader), "txn_begin");
    mdb_txn_reset(db->reader);
    return db;
}

static void *
lmdb_open(const char *dir, const eng_options *options)
{
    return open_with(dir, options, 0);
}

static void *
lmdb_open_wmap(const char *dir, const eng_options *options)
{
    return open_with(dir, options, MDB_WRITEMAP);
}

static void
stop_reading(lmdb_db *db)
{
    if (db->reading) {
        mdb_txn_reset(db->reader);
        db->reading = false;
    }
}

static void
lmdb_commit(void *handle)
{
    lmdb_db *db = handle;

    if (db->writer != NULL) {
        ok(mdb_txn_commit(db->writer), "commit");
        db->writer = NULL;
        db->written = 0;
        stop_reading(db);
    }
}

/* The transaction to write in; `own` is one that the caller commits. */
static MDB_txn *
begin_write(lmdb_db *db, MDB_txn **own)
{
    *own = NULL;
    // A snapshot that is left open would keep pages from being used again.
    stop_reading(db);
    if (db->batch <= 1) {
        ok(mdb_txn_begin(db->env, NULL, 0, own), "txn_begin");
        return *own;
    }
    if (db->writer == NULL) {
        ok(mdb_txn_begin(db->env, NULL, 0, &db->writer), "txn_begin");
    }
    return db->writer;
}

static void
end_write(lmdb_db *db, MDB_txn *own)
{
    if (own != NULL) {
        ok(mdb_txn_commit(own), "commit");
    }
    else if (++db->written >= db->batch) {
        lmdb_commit(db);
    }
}

static void
lmdb_put(void *handle, eng_blob key, eng_blob value)
{
    lmdb_db *db = handle;
    MDB_val mdb_key = {key.size, (void *)(uintptr_t)key.data};
    MDB_val mdb_value = {value.size, (void *)(uintptr_t)value.data};
    MDB_txn *own;

    ok(mdb_put(begin_write(db, &own), db->dbi, &mdb_key, &mdb_value, 0),
       "put");
    end_write(db, own);
}

static bool
lmdb_del(void *handle, eng_blob key)
{
    lmdb_db *db = handle;
    MDB_val mdb_key = {key.size, (void *)(uintptr_t)key.data};
    MDB_txn *own;
    const int code = mdb_del(begin_write(db, &own), db->dbi, &mdb_key, NULL);

    if (code != MDB_NOTFOUND) {
        ok(code, "del");
    }
    end_write(db, own);
    return code == 0;
}

static MDB_txn *
begin_read(lmdb_db *db)
{
    if (db->writer != NULL) {
        return db->writer;
    }
    if (++db->reads >= db->batch) {
        db->reads = 0;
        stop_reading(db);
    }
    if (!db->reading) {
        ok(mdb_txn_renew(db->reader), "txn_renew");
        db->reading = true;
    }
    return db->reader;
}

static bool
lmdb_get(void *handle, eng_blob key, eng_blob *value)
{
    lmdb_db *db = handle;
    MDB_val mdb_key = {key.size, (void *)(uintptr_t)key.data};
    MDB_val found;
    const int code = mdb_get(begin_read(db), db->dbi, &mdb_key, &found);

    if (code == MDB_NOTFOUND) {
        return false;
    }
    ok(code, "get");
    value->data = found.mv_data;
    value->size = found.mv_size;
    return true;
}

static bool
lmdb_contains(void *handle, eng_blob key)
{
    eng_blob value;

    return lmdb_get(handle, key, &value);
}

static void
lmdb_iterate(void *handle, eng_visit visit, void *context)
{
    lmdb_db *db = handle;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int code;

    ok(mdb_cursor_open(begin_read(db), db->dbi, &cursor), "cursor_open");
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        eng_blob key_blob = {key.mv_data, key.mv_size};
        eng_blob value_blob = {value.mv_data, value.mv_size};

        visit(context, key_blob, value_blob);
    }
    if (code != MDB_NOTFOUND) {
        ok(code, "cursor_get");
    }
    mdb_cursor_close(cursor);
}

static void
lmdb_sync(void *handle)
{
    lmdb_db *db = handle;

    lmdb_commit(db);
    ok(mdb_env_sync(db->env, 1), "env_sync");
}

static void
lmdb_close(void *handle)
{
    lmdb_db *db = handle;

    lmdb_commit(db);
    mdb_txn_abort(db->reader);
    mdb_env_close(db->env);
    free(db);
}

#define LMDB_CALLS                                                            \
    .shared_handle = true, .put = lmdb_put, .get = lmdb_get,                  \
    .contains = lmdb_contains, .del = lmdb_del, .iterate = lmdb_iterate,      \
    .commit = lmdb_commit, .sync = lmdb_sync, .close = lmdb_close

const engine eng_lmdb_batch = {
    .name = "lmdb-batch",
    .batch = 1000,
    .open = lmdb_open,
    LMDB_CALLS,
};

const engine eng_lmdb_one = {
    .name = "lmdb-one",
    .batch = 1,
    .open = lmdb_open,
    LMDB_CALLS,
};

const engine eng_lmdb_wmap_one = {
    .name = "lmdb-wmap-one",
    .batch = 1,
    .open = lmdb_open_wmap,
    LMDB_CALLS,
};
