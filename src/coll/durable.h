/*
 * durable.h - when what was written survives a power cut.
 *
 * At level `sync` a writer that has dropped the index's lock waits until the
 * log is synced beyond its record.  One of those who wait becomes the leader,
 * calls fdatasync for all, and wakes the others together; if there were
 * several last time it first yields a moment while more records arrive.  A
 * leader that dies is noticed by its lock.
 *
 * A failed fdatasync is final: it poisons the index, and no write through any
 * handle is acknowledged until the kist has been closed by all and opened
 * again, which reads what the disk has (gen.c).
 *
 * Layer    coll.
 * Threads  any, of any process.
 */
#ifndef KI_COLL_DURABLE_H
#define KI_COLL_DURABLE_H

#include "coll/chest.h"

/* Waits until the log is synced up to `end`.  POISONED, IO. */
KIST_NODISCARD kist_status ki_durable_wait(ki_gen *gen, uint64_t end);

/* Starts the thread that syncs every options.interval_ms.  NOMEM, IO. */
KIST_NODISCARD kist_status ki_syncer_start(kist *k);

/* Stops it, after a last sync. */
void ki_syncer_stop(kist *k);

#endif /* KI_COLL_DURABLE_H */
