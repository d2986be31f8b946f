/*
 * eng_rocksdb.c - RocksDB through its C API: a 256 MiB block cache, bloom
 * filters of 10 bits a key, no compression (the values have none to give),
 * the write-ahead log on; every put a write of its own.
 */
#include <rocksdb/c.h>
#include <stdlib.h>

#include "engine.h"
#include "workload.h"

#define CACHE_BYTES ((size_t)256 << 20)
#define BACKGROUND  2
#define BLOOM_BITS  10

typedef struct rocks_db {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    rocksdb_pinnableslice_t *pinned; // of the last get
} rocks_db;

static void
ok(char *error, const char *call)
{
    if (error != NULL) {
        bench_die("rocksdb %s: %s", call, error);
    }
}

static void *
rocks_open(const char *dir, const eng_options *options)
{
    rocks_db *db = calloc(1, sizeof(*db));
    rocksdb_block_based_table_options_t *table;
    char *error = NULL;

    if (db == NULL) {
        bench_die("rocksdb");
    }
    db->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(db->options, 1);
    rocksdb_options_increase_parallelism(db->options, BACKGROUND);
    rocksdb_options_set_compression(db->options, rocksdb_no_compression);
    table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(
        table, rocksdb_cache_create_lru(CACHE_BYTES));
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_options_set_block_based_table_factory(db->options, table);
    db->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->write, options->durable ? 1 : 0);
    db->read = rocksdb_readoptions_create();
    db->db = rocksdb_open(db->options, dir, &error);
    ok(error, "open");
    rocksdb_block_based_options_destroy(table);
    return db;
}

static void
rocks_put(void *handle, eng_blob key, eng_blob value)
{
    rocks_db *db = handle;
    char *error = NULL;

    rocksdb_put(db->db, db->write, key.data, key.size, value.data, value.size,
                &error);
    ok(error, "put");
}

static void
unpin(rocks_db *db)
{
    if (db->pinned != NULL) {
        rocksdb_pinnableslice_destroy(db->pinned);
        db->pinned = NULL;
    }
}

static bool
rocks_get(void *handle, eng_blob key, eng_blob *value)
{
    rocks_db *db = handle;
    char *error = NULL;

    unpin(db);
    db->pinned =
        rocksdb_get_pinned(db->db, db->read, key.data, key.size, &error);
    ok(error, "get");
    if (db->pinned == NULL) {
        return false;
    }
    value->data = rocksdb_pinnableslice_value(db->pinned, &value->size);
    return true;
}

static bool
rocks_contains(void *handle, eng_blob key)
{
    eng_blob value;

    return rocks_get(handle, key, &value);
}

/* RocksDB does not say whether the key was there. */
static bool
rocks_del(void *handle, eng_blob key)
{
    rocks_db *db = handle;
    char *error = NULL;

    rocksdb_delete(db->db, db->write, key.data, key.size, &error);
    ok(error, "delete");
    return true;
}

static void
rocks_iterate(void *handle, eng_visit visit, void *context)
{
    rocks_db *db = handle;
    rocksdb_iterator_t *iter = rocksdb_create_iterator(db->db, db->read);
    char *error = NULL;

    for (rocksdb_iter_seek_to_first(iter); rocksdb_iter_valid(iter);
         rocksdb_iter_next(iter)) {
        eng_blob key;
        eng_blob value;

        key.data = rocksdb_iter_key(iter, &key.size);
        value.data = rocksdb_iter_value(iter, &value.size);
        visit(context, key, value);
    }
    rocksdb_iter_get_error(iter, &error);
    ok(error, "iterate");
    rocksdb_iter_destroy(iter);
}

static void
rocks_sync(void *handle)
{
    rocks_db *db = handle;
    char *error = NULL;

    rocksdb_flush_wal(db->db, 1, &error);
    ok(error, "flush_wal");
}

static void
rocks_close(void *handle)
{
    rocks_db *db = handle;

    unpin(db);
    rocksdb_close(db->db);
    rocksdb_readoptions_destroy(db->read);
    rocksdb_writeoptions_destroy(db->write);
    rocksdb_options_destroy(db->options);
    free(db);
}

const engine eng_rocksdb = {
    .name = "rocksdb",
    .batch = 1,
    .shared_handle = true,
    .open = rocks_open,
    .put = rocks_put,
    .get = rocks_get,
    .contains = rocks_contains,
    .del = rocks_del,
    .iterate = rocks_iterate,
    .sync = rocks_sync,
    .close = rocks_close,
};
