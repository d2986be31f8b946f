/*
 * LMDB with MDB_NOSYNC: a commit survives kill -9, as kist's default does.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_store.h"

static MDB_env *env;
static MDB_dbi packages;
static MDB_dbi events;
static MDB_dbi kinds;
static MDB_txn *reader;
static kist_buf packed;

static void
must(int result)
{
    if (result != 0) {
        fprintf(stderr, "lmdb: %s\n", mdb_strerror(result));
        exit(1);
    }
}

static MDB_val
val(const void *data, size_t size)
{
    // LMDB's struct is not const, but mdb_put() and mdb_get() only read it.
    MDB_val made = {size, (void *)(uintptr_t)data};

    return made;
}

static void
store_open(const char *directory)
{
    char path[4096];
    MDB_txn *txn;

    snprintf(path, sizeof(path), "%s/peer.lmdb", directory);
    must(mdb_env_create(&env));
    must(mdb_env_set_mapsize(env, (size_t)4 << 30));
    must(mdb_env_set_maxdbs(env, 4));
    must(mdb_env_open(env, path, MDB_NOSYNC | MDB_NOSUBDIR, 0600));
    must(mdb_txn_begin(env, NULL, 0, &txn));
    must(mdb_dbi_open(txn, "packages", MDB_CREATE, &packages));
    must(mdb_dbi_open(txn, "events", MDB_CREATE | MDB_INTEGERKEY, &events));
    must(mdb_dbi_open(txn, "kinds", MDB_CREATE, &kinds));
    must(mdb_txn_commit(txn));
}

static void
store_close(void)
{
    kist_buf_fini(&packed);
    mdb_env_close(env);
}

static void
put_package(kist_slice name, kist_slice record)
{
    MDB_val key = val(name.data, name.size);
    MDB_val value = val(record.data, record.size);
    MDB_txn *txn;

    must(mdb_txn_begin(env, NULL, 0, &txn));
    must(mdb_put(txn, packages, &key, &value, 0));
    must(mdb_txn_commit(txn));
}

static void
put_events(uint64_t first, uint64_t count, int64_t *counts)
{
    unsigned touched = 0;
    MDB_txn *txn;

    must(mdb_txn_begin(env, NULL, 0, &txn));
    for (uint64_t i = first; i < first + count; i++) {
        const demo_event event = demo_event_make(i);
        MDB_val key = val(&i, sizeof(i));
        MDB_val value;

        kist_buf_clear(&packed);
        demo_must(demo_event_pack(&event, &packed), "pack");
        value = val(packed.data, packed.size);
        must(mdb_put(txn, events, &key, &value, MDB_APPEND));
        counts[event.kind]++;
        touched |= 1u << event.kind;
    }
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        if ((touched & 1u << i) != 0) {
            MDB_val key = val(demo_kind_names[i], strlen(demo_kind_names[i]));
            MDB_val value = val(&counts[i], sizeof(counts[i]));

            must(mdb_put(txn, kinds, &key, &value, 0));
        }
    }
    must(mdb_txn_commit(txn));
}

static void
read_begin(void)
{
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader));
}

static void
read_end(void)
{
    mdb_txn_abort(reader);
}

static size_t
get_package(kist_slice name)
{
    MDB_val key = val(name.data, name.size);
    MDB_val value;

    must(mdb_get(reader, packages, &key, &value));
    return value.mv_size;
}

static int64_t
get_event(uint64_t number)
{
    MDB_val key = val(&number, sizeof(number));
    MDB_val value;
    demo_event event = {.user = -1};

    must(mdb_get(reader, events, &key, &value));
    (void)demo_event_unpack(kist_bytes(value.mv_data, value.mv_size), &event);
    return event.user;
}

static void
count_kinds(uint64_t first, uint64_t end, int64_t *counts)
{
    MDB_val key = val(&first, sizeof(first));
    MDB_val value;
    MDB_cursor *cursor;
    uint64_t left = end - first;
    int result;

    must(mdb_cursor_open(reader, events, &cursor));
    result = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (result == 0 && left > 0) {
        demo_event event;

        if (demo_event_unpack(kist_bytes(value.mv_data, value.mv_size),
                              &event)) {
            counts[event.kind]++;
        }
        left--;
        result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
}

const demo_store demo_store_lmdb = {
    "lmdb",     store_open, store_close, put_package, put_events,
    read_begin, read_end,   get_package, get_event,   count_kinds};
