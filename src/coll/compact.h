/*
 * compact.h - a new generation: the live records, in order, in a new log.
 *
 *   old log, old index        new log.build~, new index.build~
 *        |   live records in order, slots numbered anew   |
 *        +----------------------------------------------->+
 *                 sync, rename the log (the commit point),
 *                 sync the directory, rename the index,
 *                 mark the old ones superseded
 *
 * The writer's lock is held throughout.  Readers stay with the old files,
 * which are unlinked but mapped, until their next call.  A crash on either
 * side of the rename leaves the old kist or the new one; an index of the wrong
 * generation is never believed.
 *
 * Layer    coll.
 */
#ifndef KI_COLL_COMPACT_H
#define KI_COLL_COMPACT_H

#include "coll/chest.h"

/*
 * Compacts if options.compact_ratio is reached; what fails is left alone.  The
 * next write to a collection calls it first, outside of any generation.
 */
void ki_compact_when_due(kist *k);

/*
 * Copies every live record of `from` into the new log `to`, collection by
 * collection; *end is where it ends.
 */
KIST_NODISCARD kist_status ki_compact_copy(const ki_gen *from, ki_reclog *to,
                                           kist_progress progress,
                                           void *context, uint64_t *end);

/* Bytes of log that live records take, the catalog's included. */
uint64_t ki_compact_live_bytes(const ki_gen *gen, const ki_tx *own);

#endif /* KI_COLL_COMPACT_H */
