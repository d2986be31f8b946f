/*
 * writer.h - the one path of every write.
 *
 *   ki_write_begin    enter, take the index's lock, mend what a dead writer
 *                     left, clear the clean mark
 *   (prepare)         room in slots and hash; may fail, harms nothing
 *   ki_write_record   append the record; the last step that may fail
 *   ki_tx_store ...   list the words of the change
 *   ki_write_end      commit them with the new tail, drop the lock, make the
 *                     record durable if the level asks for it, leave
 *
 * In a batch of this thread begin and end only pass through, records are
 * marked KI_OP_MORE and gather behind the tail, and commit closes the run.
 *
 * INVARIANTS
 *  (1) While the lock is free, log bytes behind the tail are zeros.
 *  (2) KI_W_WRITE_MARK is at or above every byte behind the tail that may not
 *      be zero: whoever finds the owner dead wipes up to it.
 *
 * Layer    coll.
 */
#ifndef KI_COLL_WRITER_H
#define KI_COLL_WRITER_H

#include "coll/chest.h"
#include "coll/keyed.h"
#include "kist/value.h"

/*
 * Makes this thread the writer.  `c` may be NULL (then *header is not set);
 * else *header is where its header is.  `key` may be NULL; else its hash is
 * set, and the memory that it will need is asked for before the lock is.
 * On KIST_OK ki_write_end() must follow.  READONLY, LOCKED, POISONED, CLOSED,
 * FORKED, NOTFOUND (dropped), CORRUPT, IO.
 */
KIST_NODISCARD kist_status ki_write_begin(kist *k, ki_coll *c, ki_key *key,
                                          ki_writer **w, uint64_t *header);

/*
 * Appends a record: `record` without span and value, which is `value` (NULL:
 * none; record->tag and vsize are then the caller's, and record->value the
 * bytes).  *offset is where it stands.  `spare` lets it use the room kept for
 * removals.  IO, NOMEM, TOOBIG: nothing has changed.
 */
KIST_NODISCARD kist_status ki_write_record(ki_writer *w, ki_record *record,
                                           const kist_value *value, bool spare,
                                           uint64_t *offset);

/* Commits one record's words now, and goes on writing. */
void ki_write_step(ki_writer *w);

/*
 * If `status` is KIST_OK commits, else undoes; then drops the lock and leaves.
 * Returns `status`, or what durability answers.
 */
KIST_NODISCARD kist_status ki_write_end(kist *k, ki_writer *w,
                                        kist_status status);

/*
 * Instead of ki_write_end(), for who has put a new generation or index in the
 * place of this one: marks it stale and drops the lock.  The writer is not
 * touched behind the mark, for it may then be at work in the new one; the old
 * generation stays until the caller leaves it.
 */
void ki_write_retire(ki_writer *w);

/* Drops the lock as it is: batch.c only. */
void ki_write_unlock(ki_writer *w);

/*
 * Finishes what a dead owner of the index's lock left: its commit, and the
 * bytes behind the tail.  The caller holds the lock.
 */
void ki_write_mend(ki_gen *gen);

/*
 * Takes the index's lock.  If its owner died, mends what that left, or marks
 * the generation stale if the dead one had already put another in its place:
 * the caller asks for KI_W_STALE.  LOCKED, CORRUPT; IO, NOMEM: what the dead
 * one did cannot be told, and the next to come looks again.
 */
KIST_NODISCARD kist_status ki_write_lock(ki_gen *gen, uint32_t timeout_ms);

#endif /* KI_COLL_WRITER_H */
