/*
 * eng_sqlite.c - SQLite as a key-value store: one WITHOUT ROWID table, WAL,
 * statements prepared once, the file mapped, a 64 MiB page cache; 1000
 * operations a transaction, or one.
 *
 * Not durable is synchronous=OFF, which survives kill -9 as kist's default
 * does; durable is synchronous=FULL.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"
#include "workload.h"

enum { PUT, GET, HAS, DEL, ALL, BEGIN, COMMIT, STATEMENTS };

static const char *const statement_text[STATEMENTS] = {
    [PUT] = "INSERT OR REPLACE INTO kv VALUES (?1, ?2)",
    [GET] = "SELECT v FROM kv WHERE k = ?1",
    [HAS] = "SELECT 1 FROM kv WHERE k = ?1",
    [DEL] = "DELETE FROM kv WHERE k = ?1",
    [ALL] = "SELECT k, v FROM kv",
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
};

typedef struct sqlite_db {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    sqlite3_stmt *open_row; // whose value the last get handed out
    uint32_t batch;
    uint32_t done; // operations in the open transaction
} sqlite_db;

static void
ok(sqlite_db *db, int code, const char *call)
{
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        bench_die("sqlite %s: %s", call, sqlite3_errmsg(db->db));
    }
}

static void *
sqlite_open(const char *dir, const eng_options *options)
{
    sqlite_db *db = calloc(1, sizeof(*db));
    char path[4096];
    int i;

    if (db == NULL) {
        bench_die("sqlite");
    }
    snprintf(path, sizeof(path), "%s/bench.db", dir);
    db->batch = options->batch;
    ok(db,
       sqlite3_open_v2(path, &db->db,
                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                           SQLITE_OPEN_NOMUTEX,
                       NULL),
       "open");
    ok(db, sqlite3_busy_timeout(db->db, 60000), "busy_timeout");
    ok(db,
       sqlite3_exec(db->db,
                    options->durable ? "PRAGMA synchronous=FULL"
                                     : "PRAGMA synchronous=OFF",
                    NULL, NULL, NULL),
       "synchronous");
    ok(db,
       sqlite3_exec(db->db,
                    "PRAGMA journal_mode=WAL;"
                    "PRAGMA mmap_size=8589934592;"
                    "PRAGMA cache_size=-65536;"
                    "CREATE TABLE IF NOT EXISTS kv(k BLOB PRIMARY KEY,"
                    " v BLOB) WITHOUT ROWID",
                    NULL, NULL, NULL),
       "schema");
    for (i = 0; i < STATEMENTS; i++) {
        ok(db,
           sqlite3_prepare_v3(db->db, statement_text[i], -1,
                              SQLITE_PREPARE_PERSISTENT, &db->statements[i],
                              NULL),
           statement_text[i]);
    }
    return db;
}

static void
step_once(sqlite_db *db, int which)
{
    ok(db, sqlite3_step(db->statements[which]), statement_text[which]);
    ok(db, sqlite3_reset(db->statements[which]), statement_text[which]);
}

static void
leave_row(sqlite_db *db)
{
    if (db->open_row != NULL) {
        sqlite3_reset(db->open_row);
        db->open_row = NULL;
    }
}

static void
sqlite_commit(void *handle)
{
    sqlite_db *db = handle;

    leave_row(db);
    if (db->done > 0) {
        step_once(db, COMMIT);
        db->done = 0;
    }
}

/* Every operation of a batch, reads included, is in its transaction. */
static void
enter(sqlite_db *db)
{
    leave_row(db);
    if (db->batch > 1) {
        if (db->done >= db->batch) {
            sqlite_commit(db);
        }
        if (db->done++ == 0) {
            step_once(db, BEGIN);
        }
    }
}

static sqlite3_stmt *
bind_key(sqlite_db *db, int which, eng_blob key)
{
    sqlite3_stmt *statement = db->statements[which];

    ok(db,
       sqlite3_bind_blob(statement, 1, key.data, (int)key.size, SQLITE_STATIC),
       "bind");
    return statement;
}

static void
sqlite_put(void *handle, eng_blob key, eng_blob value)
{
    sqlite_db *db = handle;
    sqlite3_stmt *statement;

    enter(db);
    statement = bind_key(db, PUT, key);
    ok(db,
       sqlite3_bind_blob(statement, 2, value.data, (int)value.size,
                         SQLITE_STATIC),
       "bind");
    step_once(db, PUT);
}

static bool
sqlite_get(void *handle, eng_blob key, eng_blob *value)
{
    sqlite_db *db = handle;
    sqlite3_stmt *statement;
    int code;

    enter(db);
    statement = bind_key(db, GET, key);
    code = sqlite3_step(statement);
    ok(db, code, "get");
    db->open_row = statement;
    if (code != SQLITE_ROW) {
        return false;
    }
    value->data = sqlite3_column_blob(statement, 0);
    value->size = (size_t)sqlite3_column_bytes(statement, 0);
    return true;
}

static bool
sqlite_contains(void *handle, eng_blob key)
{
    sqlite_db *db = handle;
    sqlite3_stmt *statement;
    int code;

    enter(db);
    statement = bind_key(db, HAS, key);
    code = sqlite3_step(statement);
    ok(db, code, "contains");
    sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

static bool
sqlite_del(void *handle, eng_blob key)
{
    sqlite_db *db = handle;

    enter(db);
    bind_key(db, DEL, key);
    step_once(db, DEL);
    return sqlite3_changes(db->db) == 1;
}

static void
sqlite_iterate(void *handle, eng_visit visit, void *context)
{
    sqlite_db *db = handle;
    sqlite3_stmt *statement = db->statements[ALL];
    int code;

    leave_row(db);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        eng_blob key = {sqlite3_column_blob(statement, 0),
                        (size_t)sqlite3_column_bytes(statement, 0)};
        eng_blob value = {sqlite3_column_blob(statement, 1),
                          (size_t)sqlite3_column_bytes(statement, 1)};

        visit(context, key, value);
    }
    ok(db, code, "iterate");
    sqlite3_reset(statement);
}

static void
sqlite_sync(void *handle)
{
    sqlite_db *db = handle;

    sqlite_commit(db);
    ok(db,
       sqlite3_exec(db->db,
                    "PRAGMA synchronous=FULL;"
                    "PRAGMA wal_checkpoint(TRUNCATE);"
                    "PRAGMA synchronous=OFF",
                    NULL, NULL, NULL),
       "checkpoint");
}

static void
sqlite_close(void *handle)
{
    sqlite_db *db = handle;
    int i;

    sqlite_commit(db);
    for (i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    ok(db, sqlite3_close(db->db), "close");
    free(db);
}

#define SQLITE_CALLS                                                          \
    .open = sqlite_open, .put = sqlite_put, .get = sqlite_get,                \
    .contains = sqlite_contains, .del = sqlite_del,                           \
    .iterate = sqlite_iterate, .commit = sqlite_commit, .sync = sqlite_sync,  \
    .close = sqlite_close

const engine eng_sqlite_batch = {
    .name = "sqlite-batch",
    .batch = 1000,
    SQLITE_CALLS,
};

const engine eng_sqlite_one = {
    .name = "sqlite-one",
    .batch = 1,
    SQLITE_CALLS,
};
