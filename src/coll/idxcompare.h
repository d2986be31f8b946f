/*
 * idxcompare.h - is an index sound, and does it say what the log says?
 *
 * The index in question is held against another that was just built from the
 * same log: collections, counts and order must be equal word by word, every
 * live key must be found and nothing else be in the hash.  Where the two may
 * differ, in what lies where, the index must agree with itself: each extent
 * lies below the bump pointer and has one use only.
 *
 * Layer    coll.
 * Threads  see `locked`.
 */
#ifndef KI_COLL_IDXCOMPARE_H
#define KI_COLL_IDXCOMPARE_H

#include "coll/chest.h"

/*
 * Compares the index of `gen` with that of `truth`.  `locked` says that the
 * caller holds the writers' lock of `gen`; else what writers change without
 * notice is left out, and a difference means something only if nobody has
 * written meanwhile.  NOMEM, KI_AGAIN (maps too small).
 */
KIST_NODISCARD kist_status ki_idxcompare(const ki_gen *gen,
                                         const ki_gen *truth, bool locked,
                                         bool *differs);

/* Live records of the whole kist, the catalog's included. */
uint64_t ki_idxcompare_live(const ki_gen *gen);

#endif /* KI_COLL_IDXCOMPARE_H */
