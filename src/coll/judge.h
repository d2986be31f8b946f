/*
 * judge.h - what the index of a log is worth, and making a new one.
 *
 * gen.h has the table of what is decided, and the functions that others call;
 * these two are for gen.c.
 *
 * Layer    coll.
 * Threads  the one that opens; it holds the lock of byte 1 if it may write.
 */
#ifndef KI_COLL_JUDGE_H
#define KI_COLL_JUDGE_H

#include "coll/gen.h"

/*
 * Opens, revives or builds the index file of a writable generation.  KI_AGAIN
 * if the files were replaced meanwhile.
 */
KIST_NODISCARD kist_status ki_judge_writable(ki_gen *gen,
                                             const ki_place *place);

/*
 * Borrows the index file for a reader, or builds an index in private memory,
 * for a reader or for the only user of an unsafe file system.
 */
KIST_NODISCARD kist_status ki_judge_private(ki_gen *gen,
                                            const ki_place *place);

#endif /* KI_COLL_JUDGE_H */
