/*
 * demo_store.h - one store of the comparison: kist, SQLite or LMDB, each with
 * what survives kill -9 and not a power cut, and used as its manual advises.
 *
 * Layer    demo: public headers, sqlite3 and lmdb.
 * Threads  one thread.
 */
#ifndef DEMO_DEMO_STORE_H
#define DEMO_DEMO_STORE_H

#include "demo_event.h"

/* Failures end the program: a demo that cannot measure must not look as if. */
typedef struct demo_store {
    const char *name;

    /* Makes a new, empty store in `directory`. */
    void (*open)(const char *directory);
    void (*close)(void);

    /* One package, as a change of its own. */
    void (*put_package)(kist_slice name, kist_slice record);

    /*
     * The events first .. first + count - 1 and the new counts of the kinds
     * that they have, as one change.
     */
    void (*put_events)(uint64_t first, uint64_t count, int64_t *counts);

    /* Between these two come only reads. */
    void (*read_begin)(void);
    void (*read_end)(void);

    /* The size of a package's record, or 0. */
    size_t (*get_package)(kist_slice name);

    /* The user of event `number`. */
    int64_t (*get_event)(uint64_t number);

    /* Counts the events first .. end - 1 by kind. */
    void (*count_kinds)(uint64_t first, uint64_t end, int64_t *counts);
} demo_store;

extern const demo_store demo_store_kist;
extern const demo_store demo_store_sqlite;
extern const demo_store demo_store_lmdb;

#endif /* DEMO_DEMO_STORE_H */
