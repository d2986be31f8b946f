/*
 * keyed.h - what dict and set share: records found by key, in slots.
 *
 *   key --hash--> entry (index/hashidx.h) --offset--> record --slot--> slot
 *
 * Two hops to read: entry and record.  The record knows its slot, so a write
 * finds the word that keeps the order without another search.
 *
 * INVARIANTS
 *  (1) Each live record's offset stands in exactly one entry and in the slot
 *      that the record names; every other slot below SLOTS is a hole.
 *  (2) A new key gets slot SLOTS.  An overwrite keeps the slot.  A removed
 *      last slot gives back all holes before it; an empty collection starts
 *      at slot 0 again.  Replay does the same, so slots agree.
 *
 * Layer    coll.
 */
#ifndef KI_COLL_KEYED_H
#define KI_COLL_KEYED_H

#include "coll/chest.h"

/* Where a key was found. */
typedef struct ki_found {
    uint64_t offset;  /* of the record */
    uint64_t word;    /* the entry */
    uint64_t address; /* where the entry stands */
    uint64_t slot_at; /* where its slot stands (ki_keyed_slot) */
    ki_record record;
} ki_found;

/* A key on its way to its record. */
typedef struct ki_key {
    const void *data;
    size_t size;
    uint64_t hash;
} ki_key;

static inline uint64_t
ki_keyed_at(const ki_gen *gen, const ki_tx *own, uint64_t header,
            unsigned what)
{
    return own == NULL ? ki_word_load(&gen->idx, header + what)
                       : ki_tx_load(own, header + what);
}

/*
 * Looks a key up.  With `checked` the record's crc has been asked, so its
 * value may be handed out; without, only its key is known to be right.
 * NOTFOUND (no detail), CORRUPT, KI_AGAIN.  Most callers want
 * ki_keyed_find() of lookup.h, which tries the short way first.
 */
KIST_NODISCARD kist_status ki_keyed_find_slowly(const ki_gen *gen,
                                                const ki_tx *own,
                                                uint64_t header,
                                                const ki_key *key,
                                                bool checked, ki_found *found);

/* The record in slot `i`: NOTFOUND for a hole, CORRUPT, KI_AGAIN. */
KIST_NODISCARD kist_status ki_keyed_in_slot(const ki_gen *gen,
                                            const ki_tx *own, uint64_t header,
                                            uint64_t i, uint64_t *offset,
                                            ki_record *record);

/*
 * Finds the word of the record's slot, which every change of a key that is
 * there needs last, and asks for its memory.  CORRUPT.
 */
KIST_NODISCARD kist_status ki_keyed_slot(const ki_tx *tx, uint64_t header,
                                         ki_found *found);

/* Room for a new key, made before its record is written. */
typedef struct ki_vacancy {
    uint64_t slot;
    uint64_t slot_at;
    uint64_t entry;
    uint64_t entry_at;
} ki_vacancy;

/*
 * Makes room for a new key of `hash` whose record will stand at `offset`.
 * Nothing may have been listed in `tx` yet.  IO, NOMEM, TOOBIG, CORRUPT.
 */
KIST_NODISCARD kist_status ki_keyed_room(const ki_gen *gen, ki_tx *tx,
                                         uint64_t header, uint64_t hash,
                                         uint64_t offset, ki_vacancy *vacancy);

/* Lists the pairs of a new key whose record of `span` bytes is at `offset`. */
void ki_keyed_insert(ki_tx *tx, uint64_t header, const ki_vacancy *vacancy,
                     uint64_t offset, uint32_t span);

/* Lists the pairs of an overwrite; old->slot_at is set. */
void ki_keyed_replace(ki_tx *tx, uint64_t header, const ki_found *old,
                      uint64_t offset, uint32_t span);

/*
 * Lists the pairs of a removal (the record of which took no live bytes);
 * old->slot_at is set.
 */
void ki_keyed_delete(ki_tx *tx, uint64_t header, const ki_found *old);

/*
 * The word of slot `i`, at address `at`, will become `word`.  A slot that was
 * not in use when the batch began is nobody's business until SLOTS is stored,
 * so its word needs no pair.
 */
static inline void
ki_slot_store(ki_tx *tx, uint64_t header, uint64_t i, uint64_t at,
              uint64_t word)
{
    if (KI_UNLIKELY(tx->mode == KI_TX_BATCH) &&
        i >= ki_word_load(tx->idx, header + KI_C_SLOTS)) {
        ki_tx_fill(tx, at, word);
    }
    else {
        ki_tx_store(tx, at, word);
    }
}

/* Lists BYTES and WRITES after one more record. */
void ki_account(ki_tx *tx, uint64_t header, uint64_t bytes, bool resized);

/*
 * Lists the pairs that make `slot`, whose word is at `slot_at`, a hole, shrink
 * SLOTS or move FIRST, and count one item less.
 */
void ki_keyed_vacate(ki_tx *tx, uint64_t header, uint64_t slot,
                     uint64_t slot_at);

/* Lists the pairs that empty the collection (slots, hash, counts). */
void ki_keyed_clear(ki_tx *tx, uint64_t header);

/* A rehash callback over the generation's log (index/hashidx.h). */
kist_status ki_keyed_rehash(void *gen, uint64_t offset, uint64_t *hash);

#endif /* KI_COLL_KEYED_H */
