/*
 * recover.h - from the log to the index: replay.
 *
 * All at once, for an index that nobody sees yet: the log is read in order,
 * each record goes to its slot, and the hashes, which would be random access,
 * are filled at the end, sorted by segment.  Or record by record, for a
 * private index that follows a log which others write.
 *
 * Layer    coll.
 * Threads  one.
 */
#ifndef KI_COLL_RECOVER_H
#define KI_COLL_RECOVER_H

#include "coll/gen.h"

/* What reading a log has shown. */
typedef struct ki_recovery {
    uint64_t records;
    uint64_t end;    /* where whole records and whole batches end */
    uint64_t marked; /* the highest KI_OP_MARK */
    uint64_t torn;   /* bytes behind end, up to the last that is not zero */
} ki_recovery;

/*
 * Replays the log of `gen` from its beginning into gen->idx, which is empty.
 * `size` is the length of the file, `synced` what is known to have been
 * synced: damage below it is CORRUPT with its offset.
 */
KIST_NODISCARD kist_status ki_recover_all(ki_gen *gen, uint64_t size,
                                          uint64_t synced,
                                          ki_recovery *recovery);

/*
 * Applies what stands behind the tail of gen->idx, as far as it is whole;
 * *last becomes the offset of the last record that was applied, if any was.
 */
KIST_NODISCARD kist_status ki_recover_more(ki_gen *gen, uint64_t size,
                                           uint64_t *last);

#endif /* KI_COLL_RECOVER_H */
