/*
 * SQLite in WAL mode with synchronous=OFF: a commit survives kill -9, as
 * kist's default does.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_store.h"

static sqlite3 *db;
static sqlite3_stmt *insert_package;
static sqlite3_stmt *insert_event;
static sqlite3_stmt *upsert_kind;
static sqlite3_stmt *select_package;
static sqlite3_stmt *select_event;
static sqlite3_stmt *select_kinds;

static void
must(int result)
{
    if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
}

static void
run_sql(const char *sql)
{
    must(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *
prepare(const char *sql)
{
    sqlite3_stmt *statement = NULL;

    must(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                            NULL));
    return statement;
}

static void
store_open(const char *directory)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/peer.sqlite", directory);
    must(sqlite3_open(path, &db));
    run_sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
            "CREATE TABLE packages(name TEXT PRIMARY KEY, record BLOB)"
            " WITHOUT ROWID;"
            "CREATE TABLE events(id INTEGER PRIMARY KEY, time INTEGER,"
            " kind TEXT, user INTEGER, amount REAL);"
            "CREATE TABLE kinds(kind TEXT PRIMARY KEY, count INTEGER)"
            " WITHOUT ROWID;");
    insert_package = prepare("INSERT OR REPLACE INTO packages VALUES(?,?)");
    insert_event = prepare("INSERT INTO events VALUES(?,?,?,?,?)");
    upsert_kind = prepare("INSERT OR REPLACE INTO kinds VALUES(?,?)");
    select_package = prepare("SELECT record FROM packages WHERE name=?");
    select_event = prepare("SELECT user FROM events WHERE id=?");
    select_kinds = prepare("SELECT kind, count(*) FROM events"
                           " WHERE id>=? AND id<? GROUP BY kind");
}

static void
store_close(void)
{
    sqlite3_finalize(insert_package);
    sqlite3_finalize(insert_event);
    sqlite3_finalize(upsert_kind);
    sqlite3_finalize(select_package);
    sqlite3_finalize(select_event);
    sqlite3_finalize(select_kinds);
    must(sqlite3_close(db));
}

static void
put_package(kist_slice name, kist_slice record)
{
    must(sqlite3_bind_text(insert_package, 1, name.data, (int)name.size,
                           SQLITE_STATIC));
    must(sqlite3_bind_blob(insert_package, 2, record.data, (int)record.size,
                           SQLITE_STATIC));
    must(sqlite3_step(insert_package));
    must(sqlite3_reset(insert_package));
}

static void
put_events(uint64_t first, uint64_t count, int64_t *counts)
{
    unsigned touched = 0;

    run_sql("BEGIN IMMEDIATE");
    for (uint64_t i = first; i < first + count; i++) {
        const demo_event event = demo_event_make(i);

        must(sqlite3_bind_int64(insert_event, 1, (sqlite3_int64)i));
        must(sqlite3_bind_int64(insert_event, 2, event.time_ms));
        must(sqlite3_bind_text(insert_event, 3, demo_kind_names[event.kind],
                               -1, SQLITE_STATIC));
        must(sqlite3_bind_int64(insert_event, 4, event.user));
        must(sqlite3_bind_double(insert_event, 5, event.amount));
        must(sqlite3_step(insert_event));
        must(sqlite3_reset(insert_event));
        counts[event.kind]++;
        touched |= 1u << event.kind;
    }
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        if ((touched & 1u << i) != 0) {
            must(sqlite3_bind_text(upsert_kind, 1, demo_kind_names[i], -1,
                                   SQLITE_STATIC));
            must(sqlite3_bind_int64(upsert_kind, 2, counts[i]));
            must(sqlite3_step(upsert_kind));
            must(sqlite3_reset(upsert_kind));
        }
    }
    run_sql("COMMIT");
}

static void
read_begin(void)
{
    run_sql("BEGIN");
}

static void
read_end(void)
{
    run_sql("COMMIT");
}

static size_t
get_package(kist_slice name)
{
    size_t size;

    must(sqlite3_bind_text(select_package, 1, name.data, (int)name.size,
                           SQLITE_STATIC));
    must(sqlite3_step(select_package));
    (void)sqlite3_column_blob(select_package, 0);
    size = (size_t)sqlite3_column_bytes(select_package, 0);
    must(sqlite3_reset(select_package));
    return size;
}

static int64_t
get_event(uint64_t number)
{
    int64_t user;

    must(sqlite3_bind_int64(select_event, 1, (sqlite3_int64)number));
    must(sqlite3_step(select_event));
    user = sqlite3_column_int64(select_event, 0);
    must(sqlite3_reset(select_event));
    return user;
}

static void
count_kinds(uint64_t first, uint64_t end, int64_t *counts)
{
    int result;

    must(sqlite3_bind_int64(select_kinds, 1, (sqlite3_int64)first));
    must(sqlite3_bind_int64(select_kinds, 2, (sqlite3_int64)end));
    while ((result = sqlite3_step(select_kinds)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(select_kinds, 0);

        for (unsigned i = 0; i < DEMO_KINDS && name != NULL; i++) {
            if (strcmp(name, demo_kind_names[i]) == 0) {
                counts[i] += sqlite3_column_int64(select_kinds, 1);
            }
        }
    }
    must(result);
    must(sqlite3_reset(select_kinds));
}

const demo_store demo_store_sqlite = {
    "sqlite",   store_open, store_close, put_package, put_events,
    read_begin, read_end,   get_package, get_event,   count_kinds};
