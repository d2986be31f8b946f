/*
 * salvage.h - replay that takes what it gets: an index of all whole records
 * of a damaged log.
 *
 * Replay (recover.h) stops at the first record that does not fit.  Here each
 * whole record is done as well as it can be, by the slot or position that it
 * names itself:
 *
 *     PUT       goes to its slot.  Unknown slots below become holes; another
 *               key in the slot, and the key in another slot, go
 *     DELETE    of an empty slot is nothing
 *     APPEND    goes to the end, whatever its number
 *     SET, INSERT out of range append; REMOVE is clamped
 *     PERMUTE   that does not fit is left out
 *     any       of an unknown collection makes one called "recovered-<id>" of
 *               any type; its kind is guessed by the operation
 *
 * Layer    coll.
 * Threads  one; nobody else has the log open.
 */
#ifndef KI_COLL_SALVAGE_H
#define KI_COLL_SALVAGE_H

#include "coll/gen.h"
#include "coll/logwalk.h"

/*
 * Makes gen->idx, which is closed, a private index of the records that `walk`
 * has found below `stop`.  gen->log.fd has `size` bytes.  The records that
 * name recovered collections are made in memory behind the end of the file,
 * within the log's map; the caller closes both.  NOMEM, IO; CORRUPT if the
 * file is changed meanwhile.
 */
KIST_NODISCARD kist_status ki_salvage_index(ki_gen *gen,
                                            const ki_logwalk *walk,
                                            uint64_t size, uint64_t stop);

#endif /* KI_COLL_SALVAGE_H */
