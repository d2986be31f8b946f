/*
 * seq.h - what a list does with words: by position, flat or as a tree.
 *
 *   flat   word of position i = slot i               while edited at the end
 *   tree   word of position i = i-th word of leaves  after an edit inside
 *
 * Reversing, sorting and permuting build a new flat array and publish it.
 *
 * INVARIANTS
 *  (1) TREE != 0: the tree is the list; SLOTS is stale and TABLE empty.
 *  (2) What becomes shorter stores SLOTS before TREE or TABLE, so that a
 *      reader who finds no word at a position below SLOTS has only to look
 *      again.
 *
 * Layer    coll.
 * Threads  one writer, any readers.
 */
#ifndef KI_COLL_SEQ_H
#define KI_COLL_SEQ_H

#include "coll/chest.h"

/* Number of items. */
uint64_t ki_seq_count(const ki_idx *idx, const ki_tx *own, uint64_t header);

/*
 * Copies up to `max` words from position `i` on; how many is *got (0: behind
 * the end).  CORRUPT (without detail) if the index is damaged.
 */
KIST_NODISCARD kist_status ki_seq_words(const ki_idx *idx, const ki_tx *own,
                                        uint64_t header, uint64_t i,
                                        uint64_t *words, uint32_t max,
                                        uint32_t *got);

/*
 * Does to the words what `record`, which stands at `offset`, says.  Runtime
 * and replay both come through here.  Nothing may have been listed in `tx`;
 * the caller commits.  CORRUPT if the record does not fit the list (RANGE is
 * the caller's to check before it writes the record); IO, NOMEM, TOOBIG.
 */
KIST_NODISCARD kist_status ki_seq_apply(const ki_gen *gen, ki_tx *tx,
                                        uint64_t header, uint64_t offset,
                                        const ki_record *record);

/*
 * The same for who has just written the record, and knows how many items there
 * are (`total`) and the word of the value that it adds, if it does.
 */
KIST_NODISCARD kist_status ki_seq_change(const ki_gen *gen, ki_tx *tx,
                                         uint64_t header, uint64_t total,
                                         uint64_t word, uint64_t offset,
                                         const ki_record *record);

/*
 * Asks for what replacing item `i` will need: its word, and the record that
 * the word points to.  Only a hint.
 */
void ki_seq_ask(const ki_gen *gen, uint64_t header, kist_type type,
                uint64_t i);

/* Lists the pairs that empty the list. */
void ki_seq_clear(ki_tx *tx, uint64_t header);

#endif /* KI_COLL_SEQ_H */
