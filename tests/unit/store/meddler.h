/*
 * meddler.h - a store over a store that lets somebody in between its steps.
 *
 * Layer    tests/unit/store.
 * Threads  one.
 */
#ifndef KT_STORE_MEDDLER_H
#define KT_STORE_MEDDLER_H

#include "store/wrapstore.h"

/* What is about to be done. */
typedef enum kt_moment {
    KT_BEFORE_GET,
    KT_BEFORE_PUT,
    KT_BEFORE_REMOVE
} kt_moment;

/* Shared by the stores that are asked about. */
typedef struct kt_meddling {
    /* Called before each step (not from within itself); may do as it likes
     * with the stores.  If it answers no KIST_OK, the step is not made and
     * that is its answer. */
    kist_status (*before)(void *context, kt_moment step);
    void *context;
    bool inside;
    unsigned steps;
    unsigned reads; /* gets that read a value */
} kt_meddling;

/* `main` with somebody in between; sub-stores and formats alike. */
kist_store *kt_meddled(kist_store *main, kt_meddling *meddling);

#endif /* KT_STORE_MEDDLER_H */
