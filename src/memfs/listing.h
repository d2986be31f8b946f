/*
 * listing.h - a row of names or paths while it is made.
 *
 *     text    a/b c d/e/f        one after the other
 *     ends    3 4 9              where each ends
 *
 * Layer    memfs.
 * Threads  one.
 */
#ifndef KI_MEMFS_LISTING_H
#define KI_MEMFS_LISTING_H

#include "memfs/node.h"

typedef struct ki_listing {
    kist_buf text;
    kist_buf ends; /* of size_t */
    size_t count;
} ki_listing;

/* NOMEM. */
KIST_NODISCARD kist_status ki_listing_add(ki_listing *listing,
                                          kist_slice name);

/* Becomes one block of memory; the listing is empty afterwards, also on
 * failure.  NOMEM. */
KIST_NODISCARD kist_status ki_listing_take(ki_listing *listing, size_t dirs,
                                           kist_memfs_names **names);

void ki_listing_fini(ki_listing *listing);

/* The names of a directory's children in their order, or directories first
 * and counted (names->dirs).  The tree's lock is held.  NOMEM. */
KIST_NODISCARD kist_status ki_list_children(const ki_dir *dir, bool dirs_first,
                                            kist_memfs_names **names);

#endif /* KI_MEMFS_LISTING_H */
