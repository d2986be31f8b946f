/*
 * rehash.h - filling the hashes of all collections at the end of a replay.
 *
 * While the log is read, the hash of the key in each slot is only noted, in
 * memory, in the order in which it comes.  At the end the live slots of each
 * collection are sorted by the segment of the hash that they fall into, and
 * segments are filled one after the other, each within the cache.
 *
 * Layer    coll.
 * Threads  one.
 */
#ifndef KI_COLL_REHASH_H
#define KI_COLL_REHASH_H

#include "coll/gen.h"
#include "index/tx.h"

typedef struct ki_hashes ki_hashes;

KIST_NODISCARD kist_status ki_hashes_new(ki_hashes **hashes);
void ki_hashes_free(ki_hashes *hashes);

/* The key in `slot` of collection `id` has this hash.  NOMEM. */
KIST_NODISCARD kist_status ki_hashes_set(ki_hashes *hashes, uint32_t id,
                                         uint64_t slot, uint64_t hash);

/* Fills the hash of every dict and set from its live slots. */
KIST_NODISCARD kist_status ki_hashes_fill(ki_hashes *hashes, ki_gen *gen,
                                          ki_tx *tx);

#endif /* KI_COLL_REHASH_H */
