/*
 * listeng_sqlite.c - a list as a SQLite table: positions are integers 2^32
 * apart, so that an insert finds room between two, 1000 operations a
 * transaction, not durable.
 *
 * Once something was inserted in the middle, the table cannot find an item by
 * its index save by counting (OFFSET): that is what its later gets cost.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "listeng.h"
#include "workload.h"

#define GAP_BITS 32
#define BATCH    1000u

enum { PUT, GET, NTH, DEL, ALL, BEGIN, COMMIT, STATEMENTS };

static const char *const statement_text[STATEMENTS] = {
    [PUT] = "INSERT OR REPLACE INTO list VALUES (?1, ?2)",
    [GET] = "SELECT v FROM list WHERE p = ?1",
    [NTH] = "SELECT v FROM list ORDER BY p LIMIT 1 OFFSET ?1",
    [DEL] = ("DELETE FROM list WHERE p = (SELECT p FROM list ORDER BY p "
             "LIMIT 1 OFFSET ?1)"),
    [ALL] = "SELECT v FROM list ORDER BY p",
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
};

typedef struct table_db {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    sqlite3_stmt *open_row;
    uint32_t done;
    int64_t count;
    bool edited;
    bench_rand rand;
} table_db;

static void
ok(table_db *db, int code, const char *call)
{
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        bench_die("sqlite %s: %s", call, sqlite3_errmsg(db->db));
    }
}

static void *
table_open(const char *dir)
{
    table_db *db = calloc(1, sizeof(*db));
    char path[4096];
    int i;

    if (db == NULL) {
        bench_die("sqlite");
    }
    snprintf(path, sizeof(path), "%s/list.db", dir);
    ok(db, sqlite3_open(path, &db->db), "open");
    ok(db,
       sqlite3_exec(db->db,
                    "PRAGMA synchronous=OFF;"
                    "PRAGMA journal_mode=WAL;"
                    "PRAGMA mmap_size=8589934592;"
                    "PRAGMA cache_size=-65536;"
                    "CREATE TABLE list(p INTEGER PRIMARY KEY, v BLOB)",
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
step_once(table_db *db, int which)
{
    ok(db, sqlite3_step(db->statements[which]), statement_text[which]);
    ok(db, sqlite3_reset(db->statements[which]), statement_text[which]);
}

static void
table_commit(void *handle)
{
    table_db *db = handle;

    if (db->open_row != NULL) {
        sqlite3_reset(db->open_row);
        db->open_row = NULL;
    }
    if (db->done > 0) {
        step_once(db, COMMIT);
        db->done = 0;
    }
}

static void
enter(table_db *db)
{
    if (db->open_row != NULL) {
        sqlite3_reset(db->open_row);
        db->open_row = NULL;
    }
    if (db->done >= BATCH) {
        table_commit(db);
    }
    if (db->done++ == 0) {
        step_once(db, BEGIN);
    }
}

static void
put_at(table_db *db, int64_t place, eng_blob value)
{
    enter(db);
    ok(db, sqlite3_bind_int64(db->statements[PUT], 1, place), "bind");
    ok(db,
       sqlite3_bind_blob(db->statements[PUT], 2, value.data, (int)value.size,
                         SQLITE_STATIC),
       "bind");
    step_once(db, PUT);
}

static void
table_append(void *handle, eng_blob value)
{
    table_db *db = handle;

    put_at(db, db->count++ << GAP_BITS, value);
}

static void
table_insert(void *handle, uint64_t index, eng_blob value)
{
    table_db *db = handle;
    const int64_t gap = (int64_t)(bench_rand_next(&db->rand) >> GAP_BITS);
    const int64_t base = (int64_t)index % db->count;

    db->edited = true;
    put_at(db, (base << GAP_BITS) | (gap | 1), value);
}

static eng_blob
table_get(void *handle, uint64_t index)
{
    table_db *db = handle;
    const int which = db->edited ? NTH : GET;
    sqlite3_stmt *statement = db->statements[which];
    const int64_t shift = db->edited ? 0 : GAP_BITS;
    eng_blob value;

    enter(db);
    ok(db, sqlite3_bind_int64(statement, 1, (int64_t)index << shift), "bind");
    if (sqlite3_step(statement) != SQLITE_ROW) {
        bench_die("sqlite: item %llu is lost", (unsigned long long)index);
    }
    db->open_row = statement;
    value.data = sqlite3_column_blob(statement, 0);
    value.size = (size_t)sqlite3_column_bytes(statement, 0);
    return value;
}

static void
table_pop(void *handle, uint64_t index)
{
    table_db *db = handle;

    db->edited = true;
    enter(db);
    ok(db, sqlite3_bind_int64(db->statements[DEL], 1, (int64_t)index), "bind");
    step_once(db, DEL);
}

static void
table_iterate(void *handle, eng_visit visit, void *context)
{
    const eng_blob no_key = {NULL, 0};
    table_db *db = handle;
    sqlite3_stmt *statement = db->statements[ALL];
    int code;

    enter(db);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        eng_blob value = {sqlite3_column_blob(statement, 0),
                          (size_t)sqlite3_column_bytes(statement, 0)};

        visit(context, no_key, value);
    }
    ok(db, code, "iterate");
    sqlite3_reset(statement);
}

static void
table_close(void *handle)
{
    table_db *db = handle;
    int i;

    table_commit(db);
    for (i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(db->statements[i]);
    }
    ok(db, sqlite3_close(db->db), "close");
    free(db);
}

const list_engine listeng_sqlite = {
    .name = "sqlite",
    .open = table_open,
    .append = table_append,
    .get = table_get,
    .insert = table_insert,
    .pop = table_pop,
    .iterate = table_iterate,
    .commit = table_commit,
    .close = table_close,
};
