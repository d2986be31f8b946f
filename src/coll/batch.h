/*
 * batch.h - several writes as one (kist_batch_* in kist/handle.h).
 *
 * A batch holds the index's lock from begin to end.  Its records stand behind
 * the tail, marked KI_OP_MORE, its words are listed apart (index/tx.h); the
 * commit appends KI_OP_COMMIT, lists the new tail, and commits the list.
 *
 * Layer    coll.
 * Threads  the thread that began it.
 */
#ifndef KI_COLL_BATCH_H
#define KI_COLL_BATCH_H

#include "coll/chest.h"

/*
 * KIST_OK if this thread has no batch open on `k`: else BUSY.  Also what
 * entering answers (CLOSED, FORKED).
 */
KIST_NODISCARD kist_status ki_batch_refuse(kist *k);

/* The handle is being closed: an open batch of this thread is rolled back. */
void ki_batch_forget(kist *k);

#endif /* KI_COLL_BATCH_H */
