/*
 * slots.h - the order: an array of words that grows without moving.
 *
 *   table word --> table: 124 addresses
 *                  [ 32 words ][ 32 ][ 32 ][ 32 ]      indexes   0 .. 127
 *                  [ 64 words ][ 64 ][ 64 ][ 64 ]              128 .. 383
 *                  [ 128 ] ...
 *   Four extents to each doubling, so at most a fifth stands empty.
 *
 * FORMAT   of the words, by the collection
 *     dict, set            offset of the record in slot i; 1: a hole
 *     list                 offset of the record at position i
 *     list of inline type  the value itself (codec/klass.h)
 *     table of collections address of the header of collection i + 1; 1: none
 *
 * INVARIANTS
 *  (1) Extents stay where they are until the array is cleared.
 *
 * Layer    index.
 * Threads  one writer, any readers (tx.h).
 */
#ifndef KI_INDEX_SLOTS_H
#define KI_INDEX_SLOTS_H

#include "index/tx.h"

#define KI_SLOT_HOLE         UINT64_C(1)
#define KI_SLOTS_EXTENTS     124u
#define KI_SLOTS_TABLE_CLASS 10u

/* Which extent of the table index `i` falls into, and where in it. */
static inline uint32_t
ki_slots_extent(uint64_t i, uint64_t *within)
{
    const uint64_t j = i + 128;
    const uint32_t power = 63u - (uint32_t)__builtin_clzll(j);
    const uint32_t quarter = (uint32_t)(j >> (power - 2)) & 3;

    *within = j & ((UINT64_C(1) << (power - 2)) - 1);
    return (power - 7) * 4 + quarter;
}

/*
 * The address of word `i` of the array behind the word at `table_at`, or 0 if
 * there is no room for it (or the index is damaged).
 */
static inline uint64_t
ki_slots_at(const ki_idx *idx, const ki_tx *tx, uint64_t table_at, uint64_t i)
{
    const uint64_t table =
        tx == NULL ? ki_word_load(idx, table_at) : ki_tx_load(tx, table_at);
    uint64_t within;
    uint32_t extent;
    uint64_t base;

    if (table == 0 || i >= UINT64_C(1) << 38) {
        return 0;
    }
    extent = ki_slots_extent(i, &within);
    if (extent >= KI_SLOTS_EXTENTS || !ki_idx_holds(idx, table, 1024)) {
        return 0;
    }
    base = tx == NULL ? ki_word_load(idx, table + extent * 8)
                      : ki_tx_load(tx, table + extent * 8);
    if (base == 0 || !ki_idx_holds(idx, base, within * 8 + 8)) {
        return 0;
    }
    return base + within * 8;
}

/*
 * How many words stand in a row with word `i` in its extent: *before it and
 * *behind it.
 */
static inline void
ki_slots_row(uint64_t i, uint64_t *before, uint64_t *behind)
{
    const uint32_t power = 63u - (uint32_t)__builtin_clzll(i + 128);

    (void)ki_slots_extent(i, before);
    *behind = (UINT64_C(1) << (power - 2)) - 1 - *before;
}

/*
 * Makes room for word `i` and gives its address.  Commits that (but for a
 * batch).  IO, NOMEM, TOOBIG.
 */
KIST_NODISCARD kist_status ki_slots_room(ki_tx *tx, uint64_t table_at,
                                         uint64_t i, uint64_t *address);

/*
 * Fills a new array with `count` words that `next` gives, and sets *table to
 * what the table word must become.  Lists nothing.  CORRUPT if next fails; IO,
 * NOMEM, TOOBIG.
 */
KIST_NODISCARD kist_status ki_slots_build(ki_tx *tx, uint64_t count,
                                          bool (*next)(void *context,
                                                       uint64_t *word),
                                          void *context, uint64_t *table);

/* Lists the pair that puts another array in, and frees the old one. */
void ki_slots_replace(ki_tx *tx, uint64_t table_at, uint64_t table);

/* Frees the whole array and sets the table word to 0. */
void ki_slots_clear(ki_tx *tx, uint64_t table_at);

#endif /* KI_INDEX_SLOTS_H */
