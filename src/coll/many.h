/*
 * many.h - looking ahead: the cache misses of up to 16 keys at once.
 *
 * A lookup waits for memory twice, for the bucket and for the record.  For
 * several keys the waits overlap: all buckets are asked for first, then all
 * records, and then each key is looked up in the cache.
 *
 * Layer    coll.
 */
#ifndef KI_COLL_MANY_H
#define KI_COLL_MANY_H

#include "coll/coll.h"
#include "coll/keyed.h"

#define KI_AHEAD 16u

/* Hashes n <= KI_AHEAD keys and asks for the memory they will need. */
void ki_look_ahead(const ki_reader *r, const kist_slice *slices, size_t n,
                   ki_key *keys);

#endif /* KI_COLL_MANY_H */
