/*
 * wrapstore.h - what the stores over stores have in common: a main one that is
 * asked for keys, counts and scans.
 *
 *     cached      cachestore.c     main, and copies of its values
 *     appendonly  appendstore.c    main that never changes, and copies
 *     writeonce   oncestore.c      main in which the first value stays
 *
 * Layer    store.
 * Threads  as the stores that it stands on.
 */
#ifndef KI_STORE_WRAPSTORE_H
#define KI_STORE_WRAPSTORE_H

#include "store/storeops.h"

/* The first member of each. */
typedef struct ki_wrap {
    kist_store base;
    kist_store *main; // held
} ki_wrap;

/*
 * Zeroed memory of `size` bytes that begins with a ki_wrap over `main`, which
 * it holds, with the options of that.  NOMEM.
 */
KIST_NODISCARD kist_status ki_wrap_new(size_t size, const ki_store_ops *ops,
                                       kist_store *main, ki_wrap **wrap);

/* Frees it, and lets go of main. */
void ki_wrap_free(kist_store *store);

/* For what a cache answers: one that fails is one that has nothing. */
static inline void
ki_wrap_ignore(kist_status status)
{
    (void)status;
}

/* Entries of a ki_store_ops that main answers. */
kist_status ki_wrap_check(const kist_store *store, kist_slice key);
kist_status ki_wrap_scan_open(kist_store *store, bool stats,
                              ki_cursor **cursor);
kist_status ki_wrap_scan_next(ki_cursor *cursor, ki_found *found);
void ki_wrap_scan_close(ki_cursor *cursor);
kist_status ki_wrap_count(kist_store *store, uint64_t *count);
kist_status ki_wrap_random(kist_store *store, kist_buf *key);

#endif /* KI_STORE_WRAPSTORE_H */
