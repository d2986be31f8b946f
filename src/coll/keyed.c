#include "coll/keyed.h"

#include <string.h>

#include "base/hash.h"
#include "coll/lookup.h"
#include "index/hashidx.h"
#include "index/slots.h"

static bool
key_is(const ki_record *record, uint32_t id, const ki_key *key)
{
    return record->ksize == key->size && record->coll == id &&
           ki_bytes_are(record->key, key->data, key->size);
}

/*
 * Is the record at found->offset the key's?  NOTFOUND if it is another's.
 * A record that is damaged might have been the key's, so another's is asked
 * for its crc before it is passed over.
 */
static kist_status
look_at(const ki_gen *gen, uint32_t id, const ki_key *key, bool checked,
        ki_found *found)
{
    const uint64_t end = ki_log_end(gen);
    const uint64_t offset = found->offset;
    const uint8_t *bytes = gen->log.base + offset;
    bool same;

    if (KI_UNLIKELY(offset >= end)) {
        return ki_bad_record(gen, offset);
    }
    __builtin_prefetch(bytes + 64);
    __builtin_prefetch(bytes + 128);
    if (KI_UNLIKELY(!ki_record_peek(bytes, end - offset, &found->record))) {
        return ki_bad_record(gen, offset);
    }
    same = key_is(&found->record, id, key);
    if ((checked || !same) &&
        KI_UNLIKELY(!ki_record_is_whole(
            bytes, &found->record, ki_record_seed(gen->log.salt, offset)))) {
        return ki_bad_record(gen, offset);
    }
    return KI_LIKELY(same) ? KIST_OK : KIST_ERR_NOTFOUND;
}

/*
 * One pass over the window.  Always inlined, so that outside a batch, where
 * `own` is NULL, nothing asks for pending words.
 */
static inline __attribute__((always_inline)) kist_status
find_once(const ki_gen *gen, const ki_tx *own, uint64_t header,
          const ki_key *key, bool checked, ki_found *found)
{
    const uint32_t id =
        (uint32_t)(ki_keyed_at(gen, own, header, KI_C_ABOUT) >> 32);
    ki_probe probe;
    kist_status status;

    ki_probe_begin(&probe, &gen->idx, own,
                   ki_keyed_at(gen, own, header, KI_C_HASH), key->hash);
    while (ki_probe_next(&probe, &found->word, &found->address)) {
        found->offset = ki_hash_offset(found->word);
        status = look_at(gen, id, key, checked, found);
        if (KI_LIKELY(status != KIST_ERR_NOTFOUND)) {
            return status;
        }
    }
    return KI_UNLIKELY(probe.damaged) ? ki_bad_index(gen, header + KI_C_HASH)
                                      : KIST_ERR_NOTFOUND;
}

/* The batch's owner holds the lock: nothing changes under it. */
static kist_status
find_in_batch(const ki_gen *gen, const ki_tx *own, uint64_t header,
              const ki_key *key, bool checked, ki_found *found)
{
    return find_once(gen, own, header, key, checked, found);
}

kist_status
ki_keyed_find_slowly(const ki_gen *gen, const ki_tx *own, uint64_t header,
                     const ki_key *key, bool checked, ki_found *found)
{
    if (KI_UNLIKELY(own != NULL)) {
        return find_in_batch(gen, own, header, key, checked, found);
    }
    for (;;) {
        const uint64_t version = ki_view_begin(&gen->idx);
        kist_status status;

        status = find_once(gen, NULL, header, key, checked, found);
        if (KI_LIKELY(ki_view_held(&gen->idx, version))) {
            return status != KIST_ERR_NOTFOUND ? status : ki_not_found(gen);
        }
        if (!ki_view_possible(&gen->idx)) {
            return ki_bad_index(gen, KI_W_HORIZON);
        }
    }
}

kist_status
ki_keyed_in_slot(const ki_gen *gen, const ki_tx *own, uint64_t header,
                 uint64_t i, uint64_t *offset, ki_record *record)
{
    for (;;) {
        const uint64_t version = ki_view_begin(&gen->idx);
        const uint64_t at =
            ki_slots_at(&gen->idx, own, header + KI_C_TABLE, i);
        const uint64_t word = at == 0       ? 0
                              : own == NULL ? ki_word_load(&gen->idx, at)
                                            : ki_tx_load(own, at);

        if (KI_UNLIKELY(!ki_view_held(&gen->idx, version))) {
            if (!ki_view_possible(&gen->idx)) {
                return ki_bad_index(gen, KI_W_HORIZON);
            }
            continue;
        }
        if (word == KI_SLOT_HOLE) {
            return KIST_ERR_NOTFOUND;
        }
        if (word == 0) {
            // The collection may have been emptied or shrunk meanwhile.
            return i < ki_keyed_at(gen, own, header, KI_C_SLOTS)
                       ? ki_bad_index(gen, header + KI_C_TABLE)
                       : KIST_ERR_NOTFOUND;
        }
        *offset = word;
        return ki_reclog_load(&gen->log, word, ki_log_end(gen), record)
                   ? KIST_OK
                   : ki_bad_record(gen, word);
    }
}

void
ki_account(ki_tx *tx, uint64_t header, uint64_t bytes, bool resized)
{
    ki_tx_store(tx, header + KI_C_BYTES, bytes);
    ki_tx_store(tx, header + KI_C_WRITES,
                ki_writes_next(ki_tx_load(tx, header + KI_C_WRITES), resized));
}

/*
 * Slots that were in use when the batch began still are: behind the last one
 * stands nothing.
 */
static void
warm_slots(const ki_idx *idx, uint64_t header, const ki_vacancy *vacancy)
{
    const uint64_t from = vacancy->slot_at;
    uint64_t before;
    uint64_t behind;

    if (vacancy->slot >= ki_word_load(idx, header + KI_C_SLOTS)) {
        ki_slots_row(vacancy->slot, &before, &behind);
        ki_idx_warm(idx, from,
                    from + (behind * 8 + 8 < KI_IDX_WARM ? behind * 8 + 8
                                                         : KI_IDX_WARM));
    }
}

kist_status
ki_keyed_room(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t hash,
              uint64_t offset, ki_vacancy *vacancy)
{
    kist_status status;

    vacancy->slot = ki_tx_load(tx, header + KI_C_SLOTS);
    status = ki_slots_room(tx, header + KI_C_TABLE, vacancy->slot,
                           &vacancy->slot_at);
    if (status != KIST_OK) {
        return status;
    }
    if (KI_UNLIKELY(vacancy->slot_at % KI_IDX_WARM == 0)) {
        warm_slots(tx->idx, header, vacancy);
    }
    return ki_hash_room(tx, header + KI_C_HASH, hash, offset, ki_keyed_rehash,
                        (void *)(uintptr_t)gen, &vacancy->entry_at,
                        &vacancy->entry);
}

/* What a step of a batch leaves behind in the header. */
typedef struct ki_counts {
    uint64_t slots;
    uint64_t count;
    uint64_t bytes;
    bool resized;
} ki_counts;

/* A word of a batch: at once where nobody else sees it, else as a pair. */
static size_t
set_word(ki_tx *tx, bool unseen, uint64_t address, uint64_t word,
         ki_pair *pairs, size_t n)
{
    if (unseen) {
        ki_tx_put(tx, address, word);
        return n;
    }
    pairs[n].address = address;
    pairs[n].value = word;
    return n + 1;
}

/* What changes with each step of a batch, behind what has changed. */
static void
store_counted(ki_tx *tx, uint64_t header, const ki_pair *pairs, size_t n,
              const ki_counts *counts)
{
    const uint64_t writes = ki_tx_load(tx, header + KI_C_WRITES);
    const ki_pair counters[KI_TX_COUNTERS] = {
        {header + KI_C_SLOTS, counts->slots},
        {header + KI_C_COUNT, counts->count},
        {header + KI_C_BYTES, counts->bytes},
        {header + KI_C_WRITES, ki_writes_next(writes, counts->resized)},
    };

    ki_tx_store_counted(tx, pairs, n, counters);
}

/* Slots that were not in use when the batch began. */
static bool
slot_is_unseen(const ki_tx *tx, uint64_t header, uint64_t slot)
{
    return slot >= ki_word_load(tx->idx, header + KI_C_SLOTS);
}

static void
insert_in_batch(ki_tx *tx, uint64_t header, const ki_vacancy *vacancy,
                uint64_t offset, uint32_t span)
{
    const ki_counts counts = {
        vacancy->slot + 1, ki_tx_load(tx, header + KI_C_COUNT) + 1,
        ki_tx_load(tx, header + KI_C_BYTES) + span, true};
    ki_pair pairs[2];
    size_t n = 0;

    if (slot_is_unseen(tx, header, vacancy->slot)) {
        ki_tx_fill(tx, vacancy->slot_at, offset);
    }
    else {
        n = set_word(tx, false, vacancy->slot_at, offset, pairs, n);
    }
    n = set_word(tx, ki_tx_is_fresh(tx, vacancy->entry_at), vacancy->entry_at,
                 vacancy->entry, pairs, n);
    store_counted(tx, header, pairs, n, &counts);
}

void
ki_keyed_insert(ki_tx *tx, uint64_t header, const ki_vacancy *vacancy,
                uint64_t offset, uint32_t span)
{
    if (KI_UNLIKELY(tx->mode == KI_TX_BATCH)) {
        insert_in_batch(tx, header, vacancy, offset, span);
        return;
    }
    ki_tx_store(tx, vacancy->slot_at, offset);
    ki_tx_store(tx, vacancy->entry_at, vacancy->entry);
    ki_tx_store(tx, header + KI_C_SLOTS, vacancy->slot + 1);
    ki_tx_store(tx, header + KI_C_COUNT,
                ki_tx_load(tx, header + KI_C_COUNT) + 1);
    ki_account(tx, header, ki_tx_load(tx, header + KI_C_BYTES) + span, true);
}

kist_status
ki_keyed_slot(const ki_tx *tx, uint64_t header, ki_found *found)
{
    found->slot_at =
        ki_slots_at(tx->idx, tx, header + KI_C_TABLE, found->record.slot);
    if (KI_UNLIKELY(found->slot_at == 0 ||
                    found->record.slot >=
                        ki_tx_load(tx, header + KI_C_SLOTS))) {
        return ki_bad_index_of(tx->idx, header + KI_C_TABLE);
    }
    __builtin_prefetch(tx->idx->base + found->slot_at, 1);
    ki_tx_ask(tx, found->slot_at);
    return KIST_OK;
}

static void
replace_in_batch(ki_tx *tx, uint64_t header, const ki_found *old,
                 uint64_t offset, uint32_t span)
{
    const ki_counts counts = {
        ki_tx_load(tx, header + KI_C_SLOTS),
        ki_tx_load(tx, header + KI_C_COUNT),
        ki_tx_load(tx, header + KI_C_BYTES) + span - old->record.span, false};
    ki_pair pairs[2];
    size_t n;

    n = set_word(tx, slot_is_unseen(tx, header, old->record.slot),
                 old->slot_at, offset, pairs, 0);
    n = set_word(tx, ki_tx_is_fresh(tx, old->address), old->address,
                 ki_hash_moved(old->word, offset), pairs, n);
    store_counted(tx, header, pairs, n, &counts);
}

void
ki_keyed_replace(ki_tx *tx, uint64_t header, const ki_found *old,
                 uint64_t offset, uint32_t span)
{
    if (KI_UNLIKELY(tx->mode == KI_TX_BATCH)) {
        replace_in_batch(tx, header, old, offset, span);
        return;
    }
    ki_tx_store(tx, old->slot_at, offset);
    ki_tx_store(tx, old->address, ki_hash_moved(old->word, offset));
    ki_account(tx, header,
               ki_tx_load(tx, header + KI_C_BYTES) + span - old->record.span,
               false);
}

/* Is slot `i` a hole?  What cannot be told is taken for none. */
static bool
is_hole(const ki_tx *tx, uint64_t header, uint64_t i)
{
    const uint64_t at = ki_slots_at(tx->idx, tx, header + KI_C_TABLE, i);

    return at != 0 && ki_tx_load(tx, at) == KI_SLOT_HOLE;
}

/* SLOTS and FIRST without `slot`; true if it must become a hole. */
static bool
without_slot(const ki_tx *tx, uint64_t header, uint64_t slot, uint64_t count,
             uint64_t *slots, uint64_t *first)
{
    *slots = ki_tx_load(tx, header + KI_C_SLOTS);
    *first = ki_tx_load(tx, header + KI_C_FIRST);
    if (count == 0) {
        *slots = 0;
        *first = 0;
        return false;
    }
    if (slot == *slots - 1) {
        do {
            *slots -= 1;
        } while (*slots > *first + 1 && is_hole(tx, header, *slots - 1));
        return false;
    }
    if (slot == *first) {
        do {
            *first += 1;
        } while (*first < *slots - 1 && is_hole(tx, header, *first));
    }
    return true;
}

static void
delete_in_batch(ki_tx *tx, uint64_t header, const ki_found *old)
{
    const uint64_t slot = old->record.slot;
    ki_counts counts = {0, ki_tx_load(tx, header + KI_C_COUNT) - 1,
                        ki_tx_load(tx, header + KI_C_BYTES) - old->record.span,
                        true};
    uint64_t first;
    ki_pair pairs[3];
    size_t n = 0;

    if (without_slot(tx, header, slot, counts.count, &counts.slots, &first)) {
        n = set_word(tx, slot_is_unseen(tx, header, slot), old->slot_at,
                     KI_SLOT_HOLE, pairs, n);
    }
    if (first != ki_tx_load(tx, header + KI_C_FIRST)) {
        n = set_word(tx, false, header + KI_C_FIRST, first, pairs, n);
    }
    n = set_word(tx, ki_tx_is_fresh(tx, old->address), old->address,
                 ki_hash_removed(tx, old->address), pairs, n);
    store_counted(tx, header, pairs, n, &counts);
}

void
ki_keyed_delete(ki_tx *tx, uint64_t header, const ki_found *old)
{
    if (KI_UNLIKELY(tx->mode == KI_TX_BATCH)) {
        delete_in_batch(tx, header, old);
        return;
    }
    ki_keyed_vacate(tx, header, old->record.slot, old->slot_at);
    ki_hash_remove(tx, old->address);
    ki_account(tx, header,
               ki_tx_load(tx, header + KI_C_BYTES) - old->record.span, true);
}

void
ki_keyed_vacate(ki_tx *tx, uint64_t header, uint64_t slot, uint64_t slot_at)
{
    const uint64_t count = ki_tx_load(tx, header + KI_C_COUNT) - 1;
    uint64_t slots;
    uint64_t first;

    if (without_slot(tx, header, slot, count, &slots, &first)) {
        ki_slot_store(tx, header, slot, slot_at, KI_SLOT_HOLE);
    }
    else {
        ki_tx_store(tx, header + KI_C_SLOTS, slots);
    }
    if (first != ki_tx_load(tx, header + KI_C_FIRST)) {
        ki_tx_store(tx, header + KI_C_FIRST, first);
    }
    ki_tx_store(tx, header + KI_C_COUNT, count);
}

void
ki_keyed_clear(ki_tx *tx, uint64_t header)
{
    ki_tx_store(tx, header + KI_C_SLOTS, 0);
    ki_tx_store(tx, header + KI_C_COUNT, 0);
    ki_tx_store(tx, header + KI_C_FIRST, 0);
    ki_hash_clear(tx, header + KI_C_HASH);
    ki_slots_clear(tx, header + KI_C_TABLE);
}

kist_status
ki_keyed_rehash(void *gen, uint64_t offset, uint64_t *hash)
{
    const ki_gen *g = gen;
    ki_record record;

    if (!ki_reclog_load(&g->log, offset, ki_log_end(g), &record)) {
        return ki_bad_record(g, offset);
    }
    *hash = ki_hash(record.key, record.ksize, g->log.seed);
    return KIST_OK;
}
