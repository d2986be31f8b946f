/*
 * engine.h - one face for every key-value engine that the benches compare.
 *
 * Layer    bench: public headers of kist and of the peers only.
 * Threads  an engine with `shared_handle` may be put to from any thread
 *          through one handle; of the others each thread opens its own.
 *
 * No function reports failure: a bench whose engine fails has no figure, so
 * the engine prints the reason and ends the process (bench_die).
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes. */
typedef struct eng_blob {
    const void *data;
    size_t size;
} eng_blob;

typedef struct eng_options {
    uint64_t expected; /* items that the store will hold, for sizing */
    uint32_t batch;    /* operations a transaction; 0 and 1: each its own */
    bool durable;      /* a put that returned survives a power cut */
} eng_options;

/* Called for each item of an iteration. */
typedef void (*eng_visit)(void *context, eng_blob key, eng_blob value);

typedef struct engine {
    const char *name;
    uint32_t batch; /* operations a transaction in this variant */
    bool in_memory; /* nothing is left when the process ends */
    bool unchecked; /* returns no real values: the harness alone */
    bool shared_handle;
    void *(*open)(const char *dir, const eng_options *options);
    void (*put)(void *db, eng_blob key, eng_blob value);
    /* The value is good until the next call. */
    bool (*get)(void *db, eng_blob key, eng_blob *value);
    bool (*contains)(void *db, eng_blob key);
    bool (*del)(void *db, eng_blob key);
    void (*iterate)(void *db, eng_visit visit, void *context);
    /* NULL where the engine has no call of its own for several keys. */
    void (*get_many)(void *db, const eng_blob *keys, size_t count,
                     eng_blob *values);
    void (*put_many)(void *db, const eng_blob *keys, const eng_blob *values,
                     size_t count);
    void (*commit)(void *db); /* ends a transaction that is open; or NULL */
    void (*sync)(void *db);   /* survives a power cut from here; or NULL */
    void (*close)(void *db);
} engine;

/* The engine called `name`, or the process ends with the list of names. */
const engine *engine_find(const char *name);

/* All engines, ended by NULL. */
extern const engine *const engine_all[];

extern const engine eng_null;
extern const engine eng_memhash;
extern const engine eng_memhash_inplace;
extern const engine eng_kist;
extern const engine eng_lmdb_batch;
extern const engine eng_lmdb_one;
extern const engine eng_lmdb_wmap_one;
extern const engine eng_rocksdb;
extern const engine eng_sqlite_batch;
extern const engine eng_sqlite_one;
extern const engine eng_tkrzw;
extern const engine eng_gdbm;

#endif /* BENCH_ENGINE_H */
