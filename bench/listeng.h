/*
 * listeng.h - one face for everything that the list bench compares.
 *
 * Layer    bench.
 * Threads  one.
 *
 * As in engine.h no function reports failure: the process ends.
 */
#ifndef BENCH_LISTENG_H
#define BENCH_LISTENG_H

#include "engine.h"

typedef struct list_engine {
    const char *name;
    void *(*open)(const char *dir);
    void (*append)(void *db, eng_blob value);
    /* The value is good until the next call. */
    eng_blob (*get)(void *db, uint64_t index);
    void (*insert)(void *db, uint64_t index, eng_blob value);
    void (*pop)(void *db, uint64_t index);
    void (*iterate)(void *db, eng_visit visit, void *context);
    void (*commit)(void *db); /* NULL: nothing to commit */
    void (*close)(void *db);
} list_engine;

extern const list_engine listeng_kist;
extern const list_engine listeng_array;
extern const list_engine listeng_blocks;
extern const list_engine listeng_sqlite;

#endif /* BENCH_LISTENG_H */
