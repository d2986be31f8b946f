#include "index/tx.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "os/file.h"
#include "os/filelock.h"

#define AHEAD 12u

void
ki_tx_init(ki_tx *tx, ki_idx *idx, ki_tx_mode mode)
{
    memset(tx, 0, sizeof(*tx));
    tx->idx = idx;
    tx->mode = mode;
    if (mode == KI_TX_REDO) {
        tx->pairs = (ki_pair *)(void *)(idx->base + KI_IDX_REDO_PAGE);
    }
    // One writer at a time hands extents out: what comes is the batch's.
    tx->fresh = ki_word_load(idx, KI_W_BUMP);
}

void
ki_tx_fini(ki_tx *tx)
{
    if (tx->mode == KI_TX_BATCH) {
        ki_free(tx->pairs);
        ki_free(tx->table);
        ki_free(tx->lines);
        ki_free(tx->undo);
    }
    ki_free(tx->taken);
    ki_free(tx->freed);
    memset(tx, 0, sizeof(*tx));
}

/* --- applying ------------------------------------------------------------ */

static void
apply(ki_idx *idx, const ki_pair *pairs, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            __builtin_prefetch(idx->base + pairs[i + AHEAD].address, 1);
        }
        ki_word_store(idx, pairs[i].address, pairs[i].value);
        KI_POINT("redo pair");
    }
}

/*
 * The one who mends may have mapped less than the one who died: what lies
 * beyond is read and written through the file, which is the same memory.
 */
static uint64_t
load_far(const ki_idx *idx, uint64_t address)
{
    uint64_t word = 0;

    if (address + 8 <= idx->limit) {
        return ki_word_load(idx, address);
    }
    return idx->fd >= 0 && ki_file_read_at(idx->fd, idx->path, address, &word,
                                           sizeof(word)) == KIST_OK
               ? word
               : 0;
}

static void
store_far(ki_idx *idx, uint64_t address, uint64_t word)
{
    if (address + 8 <= idx->limit) {
        ki_word_store(idx, address, word);
    }
    else if (idx->fd >= 0) {
        (void)!ki_file_write_at(idx->fd, idx->path, address, &word,
                                sizeof(word));
    }
}

void
ki_tx_redo(ki_idx *idx)
{
    const uint64_t size = ki_word_load(idx, KI_W_SIZE);
    const uint64_t count = ki_word_load(idx, KI_W_REDO_COUNT);
    const uint64_t page = ki_word_load(idx, KI_W_REDO_PAGE);
    uint64_t i;

    if (count == 0) {
        return;
    }
    for (i = 0; i < count && count <= size / sizeof(ki_pair) && page < size &&
                page % 8 == 0;
         i++) {
        const uint64_t at = page + i * sizeof(ki_pair);
        const uint64_t address = load_far(idx, at);

        if (address % 8 == 0 && address < size && size - address >= 8) {
            store_far(idx, address, load_far(idx, at + 8));
        }
    }
    ki_word_store(idx, KI_W_REDO_COUNT, 0);
}

/*
 * Has somebody mapped the extent to keep it?  Its byte is locked for a moment
 * to see; who cannot tell says yes.  Nobody can begin to lend what is in a
 * ring (idxfile.h, invariant (4)), so a no stays true.
 */
static bool
is_lent(const ki_idx *idx, uint64_t address, uint32_t class)
{
    if (class < KI_CLASS_PAGED || idx->fd < 0) {
        return false;
    }
    if (ki_filelock_take(idx->fd, idx->path, address, KI_LOCK_EXCLUSIVE, 0) !=
        KIST_OK) {
        return true;
    }
    ki_filelock_drop(idx->fd, address);
    return false;
}

static uint64_t
ring_pair(uint32_t class, uint64_t head)
{
    return KI_IDX_RINGS +
           ((uint64_t)(class - KI_CLASS_MIN) * KI_IDX_RING_PAIRS +
            head % KI_IDX_RING_PAIRS) *
               sizeof(ki_pair);
}

/*
 * The place in the ring that is to be had next: the oldest that is not lent.
 * If all are, the oldest is given up, so that others come round again.
 */
static uint64_t
ring_place(const ki_tx *tx, uint32_t class, uint64_t head, bool *lent)
{
    uint64_t i;

    for (i = head; i - head < KI_IDX_RING_PAIRS; i++) {
        const uint64_t old = ki_tx_load(tx, ring_pair(class, i));

        if (old == 0 || !is_lent(tx->idx, old, class)) {
            *lent = false;
            return i;
        }
    }
    *lent = true;
    return head;
}

/*
 * Frees go through the ring of their class, which keeps them untouched for
 * 64 further frees; what drops out of the ring goes to the free list, whose
 * links stand in the extents themselves.  The horizon is raised before the
 * link is stored, since a slow reader might still look at the extent.
 */
static void
free_to_ring(ki_tx *tx, const ki_freed *freed, uint64_t version)
{
    const uint64_t c = freed->class - KI_CLASS_MIN;
    const uint64_t head_at = KI_W_FREE_HEAD + c * 8;
    const uint64_t list_at = KI_W_FREE_LIST + c * 8;
    bool lent;
    const uint64_t head =
        ring_place(tx, freed->class, ki_tx_load(tx, head_at), &lent);
    const uint64_t ring_at = ring_pair(freed->class, head);
    const uint64_t old = ki_tx_load(tx, ring_at);

    if (old != 0 && !lent) {
        const uint64_t old_version = ki_tx_load(tx, ring_at + 8);

        if (old_version > ki_tx_load(tx, KI_W_HORIZON)) {
            ki_tx_store(tx, KI_W_HORIZON, old_version);
        }
        ki_tx_store(tx, old, ki_tx_load(tx, list_at));
        ki_tx_store(tx, list_at, old);
    }
    ki_tx_store(tx, ring_at, freed->address);
    ki_tx_store(tx, ring_at + 8, version);
    ki_tx_store(tx, head_at, head + 1);
}

/*
 * What no reader has ever seen needs no ring.  The link is stored before the
 * head: dying in between loses the extent and nothing else.
 */
static void
free_directly(const ki_idx *idx, const ki_freed *freed)
{
    const uint64_t list_at =
        KI_W_FREE_LIST + (uint64_t)(freed->class - KI_CLASS_MIN) * 8;

    ki_word_store(idx, freed->address, ki_word_load(idx, list_at));
    ki_word_store(idx, list_at, freed->address);
}

/* The room in front of a page where an extent was to begin. */
static void
free_gap(const ki_idx *idx, uint64_t from, uint64_t to)
{
    while (to - from >= UINT64_C(1) << KI_CLASS_MIN) {
        const ki_freed gap = {from,
                              63u - (uint32_t)__builtin_clzll(to - from)};

        free_directly(idx, &gap);
        from += UINT64_C(1) << gap.class;
    }
}

/* New room behind all that was ever handed out. */
static kist_status
bump(ki_idx *idx, uint32_t class, uint64_t *address)
{
    const uint64_t end = ki_word_load(idx, KI_W_BUMP);
    const uint64_t at = class < KI_CLASS_PAGED
                            ? end
                            : (end + KI_IDX_PAGE - 1) & ~(KI_IDX_PAGE - 1);
    const uint64_t size = UINT64_C(1) << class;
    const kist_status status = ki_idx_grow(idx, at + size);

    if (status != KIST_OK) {
        return status;
    }
    // Larger ones are filled from the front on, and are large.
    if (size < KI_IDX_WARM &&
        (at - 1) / KI_IDX_WARM != (at + size - 1) / KI_IDX_WARM) {
        ki_idx_warm(idx, (at + KI_IDX_WARM - 1) & ~(KI_IDX_WARM - 1),
                    ((at + size - 1) | (KI_IDX_WARM - 1)) + 1);
    }
    // First, so that dying in between loses the gap and nothing else.
    ki_word_store(idx, KI_W_BUMP, at + size);
    free_gap(idx, end, at);
    *address = at;
    return KIST_OK;
}

static void cut(ki_tx *tx, size_t count, size_t freed_count);

void
ki_tx_abort(ki_tx *tx)
{
    while (tx->taken_count > 0) {
        free_directly(tx->idx, &tx->taken[--tx->taken_count]);
    }
    cut(tx, 0, 0);
}

static void
commit_pairs(ki_idx *idx, uint64_t page, const ki_pair *pairs, size_t count)
{
    ki_word_store(idx, KI_W_REDO_PAGE, page);
    ki_word_store(idx, KI_W_REDO_COUNT, count);
    KI_POINT("redo count");
    apply(idx, pairs, count);
    ki_word_store(idx, KI_W_REDO_COUNT, 0);
    KI_POINT("redo done");
}

/*
 * Every free is a transaction of its own: it concerns only memory that nobody
 * can reach any more, and dying between two of them loses an extent at worst.
 */
static void
commit_frees(ki_tx *tx)
{
    ki_idx *idx = tx->idx;
    const uint64_t version = ki_word_load(idx, KI_W_VERSION);
    ki_tx one;
    size_t i;

    ki_tx_init(&one, idx, KI_TX_REDO);
    for (i = 0; i < tx->freed_count; i++) {
        free_to_ring(&one, &tx->freed[i], version);
        commit_pairs(idx, KI_IDX_REDO_PAGE, one.pairs, one.count);
        one.count = 0;
    }
    tx->freed_count = 0;
}

/* The list of a large batch is written to an extent of its own. */
static kist_status
commit_batch(ki_tx *tx)
{
    uint64_t page = KI_IDX_REDO_PAGE;
    uint32_t class = 0;
    kist_status status;
    size_t i;

    if (tx->count > KI_IDX_REDO_PAIRS) {
        // The batch's own allocations are still pending in its pairs, so
        // the extent is taken through it.
        class = ki_class_of((tx->count + 2) * sizeof(ki_pair));
        status = ki_tx_alloc(tx, class, &page);
        if (status != KIST_OK) {
            return status;
        }
        ki_tx_free(tx, page, class);
    }
    if (tx->failed != KIST_OK) {
        return tx->failed;
    }
    for (i = 0; i < tx->count; i++) {
        ki_word_store(tx->idx, page + i * sizeof(ki_pair),
                      tx->pairs[i].address);
        ki_word_store(tx->idx, page + i * sizeof(ki_pair) + 8,
                      tx->pairs[i].value);
    }
    commit_pairs(tx->idx, page, tx->pairs, tx->count);
    return KIST_OK;
}

kist_status
ki_tx_commit(ki_tx *tx)
{
    kist_status status = KIST_OK;
    size_t i;

    if (tx->mode == KI_TX_DIRECT) {
        for (i = 0; i < tx->freed_count; i++) {
            free_directly(tx->idx, &tx->freed[i]);
        }
        tx->freed_count = 0;
        return KIST_OK;
    }
    if (tx->freed_count > 0) {
        ki_tx_add(tx, KI_W_VERSION, 1);
    }
    if (tx->mode == KI_TX_BATCH) {
        status = commit_batch(tx);
        if (status != KIST_OK) {
            return status;
        }
    }
    else if (tx->count > 0) {
        commit_pairs(tx->idx, KI_IDX_REDO_PAGE, tx->pairs, tx->count);
    }
    tx->taken_count = 0;
    cut(tx, 0, tx->freed_count);
    if (tx->freed_count > 0) {
        commit_frees(tx);
    }
    return status;
}

/* --- a batch's own words --------------------------------------------------
 */

static uint64_t
table_entry(uint64_t address, size_t i)
{
    return address >> 3 << 32 | (uint32_t)(i + 1);
}

/* The pair that an entry names. */
static ki_pair *
entry_pair(const ki_tx *tx, uint64_t entry)
{
    return &tx->pairs[(uint32_t)entry - 1];
}

static size_t
table_find(const ki_tx *tx, uint64_t address)
{
    size_t at = ki_tx_home(tx, address);

    for (;; at = (at + 1) & tx->table_mask) {
        const uint64_t entry = tx->table[at];

        if (entry == 0 ||
            (entry >> 32 == (address >> 3 & UINT32_MAX) &&
             KI_LIKELY(entry_pair(tx, entry)->address == address))) {
            return at;
        }
    }
}

static void
note_line(ki_tx *tx, uint64_t address)
{
    const size_t line = ki_tx_line(tx, address);

    tx->lines[line / 64] |= UINT64_C(1) << line % 64;
}

/* Pair `i` becomes the one that counts for its address. */
static void
table_enter(ki_tx *tx, size_t i)
{
    const uint64_t address = tx->pairs[i].address;

    tx->table[table_find(tx, address)] = table_entry(address, i);
    note_line(tx, address);
}

static void
table_fill(ki_tx *tx)
{
    size_t i;

    for (i = 0; i < tx->count; i++) {
        if (i + AHEAD < tx->count) {
            const uint64_t soon = tx->pairs[i + AHEAD].address;

            __builtin_prefetch(&tx->table[ki_tx_home(tx, soon)], 1);
        }
        table_enter(tx, i);
    }
}

/* Four bits for every entry that there may be. */
static size_t
lines_size(const ki_tx *tx)
{
    return (tx->table_mask + 1) / 2;
}

/* Forgets what came after `count` pairs and `freed_count` frees. */
static void
cut(ki_tx *tx, size_t count, size_t freed_count)
{
    if (tx->table != NULL && tx->count > count) {
        memset(tx->table, 0, (tx->table_mask + 1) * sizeof(*tx->table));
        memset(tx->lines, 0, lines_size(tx));
        tx->count = count;
        table_fill(tx);
    }
    tx->count = count;
    tx->freed_count = freed_count;
    tx->failed = KIST_OK;
    if (tx->mode == KI_TX_BATCH && count == 0) {
        ki_tx_settle(tx);
    }
}

void
ki_tx_settle(ki_tx *tx)
{
    tx->settled = tx->count;
    tx->settled_freed = tx->freed_count;
    tx->steps = tx->count == 0 ? 0 : tx->steps;
    tx->settled_steps = tx->steps;
    tx->undo_count = 0;
    if (tx->count >= KI_TX_COUNTERS) {
        memcpy(tx->kept, tx->pairs + (tx->count - KI_TX_COUNTERS),
               sizeof(tx->kept));
    }
}

void
ki_tx_rewind(ki_tx *tx)
{
    while (tx->undo_count > 0) {
        const ki_pair *undo = &tx->undo[--tx->undo_count];

        ki_word_store(tx->idx, undo->address, undo->value);
    }
    // The call may have taken counters of the one before away.
    if (tx->settled >= KI_TX_COUNTERS) {
        memcpy(tx->pairs + (tx->settled - KI_TX_COUNTERS), tx->kept,
               sizeof(tx->kept));
    }
    tx->steps = tx->settled_steps;
    cut(tx, tx->settled, tx->settled_freed);
}

static kist_status
table_grow(ki_tx *tx)
{
    const size_t room = tx->room == 0 ? 64 : tx->room * 2;
    ki_pair *pairs;
    uint64_t *table;
    uint64_t *lines;

    if (room > UINT32_MAX / 4) {
        return KI_FAIL(KIST_ERR_TOOBIG, tx->idx->path, KI_NO_OFFSET,
                       "batch changes too much");
    }
    pairs = ki_realloc(tx->pairs, room * sizeof(*pairs));
    if (pairs == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, tx->idx->path, KI_NO_OFFSET, "batch");
    }
    tx->pairs = pairs;
    table = ki_calloc(room * 2, sizeof(*table));
    lines = ki_calloc(room, 1);
    if (table == NULL || lines == NULL) {
        ki_free(table);
        ki_free(lines);
        return KI_FAIL(KIST_ERR_NOMEM, tx->idx->path, KI_NO_OFFSET, "batch");
    }
    ki_free(tx->table);
    ki_free(tx->lines);
    tx->table = table;
    tx->lines = lines;
    tx->table_mask = room * 2 - 1;
    tx->room = room;
    table_fill(tx);
    return KIST_OK;
}

/*
 * A word that is stored again is listed again: applying the list then goes
 * through the very states that single commits would have gone through.
 */
void
ki_tx_store_batch(ki_tx *tx, uint64_t address, uint64_t value)
{
    if (tx->count == tx->room) {
        const kist_status status = table_grow(tx);

        if (status != KIST_OK) {
            tx->failed = status;
            return;
        }
    }
    tx->pairs[tx->count].address = address;
    tx->pairs[tx->count].value = value;
    table_enter(tx, tx->count++);
}

/* Are the last pairs these counters, and can they stand for one more step? */
static bool
counts_on(const ki_tx *tx, const ki_pair *counters)
{
    const ki_pair *last;
    unsigned i;

    if (tx->count < KI_TX_COUNTERS || tx->steps >= KI_TX_STEPS_MAX) {
        return false;
    }
    last = tx->pairs + (tx->count - KI_TX_COUNTERS);
    for (i = 0; i < KI_TX_COUNTERS; i++) {
        if (last[i].address != counters[i].address) {
            return false;
        }
    }
    return true;
}

void
ki_tx_store_counted(ki_tx *tx, const ki_pair *pairs, size_t n,
                    const ki_pair counters[KI_TX_COUNTERS])
{
    const bool on = counts_on(tx, counters);
    const size_t first = on ? tx->count - KI_TX_COUNTERS : tx->count;
    size_t i;

    while (first + n + KI_TX_COUNTERS > tx->room) {
        const kist_status status = table_grow(tx);

        if (status != KIST_OK) {
            tx->failed = status;
            return;
        }
    }
    // From the last one on: the table finds a counter where it stood, which
    // must still be there then.
    for (i = KI_TX_COUNTERS; i-- > 0;) {
        const size_t at = table_find(tx, counters[i].address);

        tx->pairs[first + n + i] = counters[i];
        tx->table[at] = table_entry(counters[i].address, first + n + i);
        note_line(tx, counters[i].address);
    }
    for (i = 0; i < n; i++) {
        tx->pairs[first + i] = pairs[i];
        table_enter(tx, first + i);
    }
    tx->count = first + n + KI_TX_COUNTERS;
    tx->steps = on ? tx->steps + 1 : 1;
}

void
ki_tx_put(ki_tx *tx, uint64_t address, uint64_t value)
{
    if (tx->undo_count == tx->undo_room) {
        const size_t room = tx->undo_room == 0 ? 32 : tx->undo_room * 2;
        ki_pair *grown = ki_realloc(tx->undo, room * sizeof(*grown));

        if (grown == NULL) {
            tx->failed =
                KI_FAIL(KIST_ERR_NOMEM, tx->idx->path, KI_NO_OFFSET, "batch");
            return;
        }
        tx->undo = grown;
        tx->undo_room = room;
    }
    tx->undo[tx->undo_count].address = address;
    tx->undo[tx->undo_count].value = ki_word_load(tx->idx, address);
    tx->undo_count++;
    ki_tx_fill(tx, address, value);
}

bool
ki_tx_amend(ki_tx *tx, const ki_pair *pairs, size_t count)
{
    ki_pair *last;
    size_t i;

    if (tx->mode != KI_TX_BATCH || tx->count < tx->settled + count) {
        return false;
    }
    last = tx->pairs + (tx->count - count);
    for (i = 0; i < count; i++) {
        if (last[i].address != pairs[i].address) {
            return false;
        }
    }
    for (i = 0; i < count; i++) {
        last[i].value = pairs[i].value;
    }
    return true;
}

uint64_t
ki_tx_load_batch(const ki_tx *tx, uint64_t address)
{
    const size_t at = table_find(tx, address);

    return tx->table[at] != 0 ? entry_pair(tx, tx->table[at])->value
                              : ki_word_load(tx->idx, address);
}

/* --- extents ---------------------------------------------------------------
 */

/* Puts an extent on a private list, for which there is room or made. */
static bool
note(ki_freed **list, size_t *count, size_t *room, uint64_t address,
     uint32_t class)
{
    if (*count == *room) {
        const size_t more = *room == 0 ? 16 : *room * 2;
        ki_freed *grown = ki_realloc(*list, more * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        *list = grown;
        *room = more;
    }
    (*list)[*count].address = address;
    (*list)[*count].class = class;
    ++*count;
    return true;
}

/*
 * The list head or the bump pointer is moved at once, by one store, in every
 * mode: the extent's first word, which was the link, will be filled over.
 */
kist_status
ki_tx_alloc(ki_tx *tx, uint32_t class, uint64_t *address)
{
    ki_idx *idx = tx->idx;
    const uint64_t size = UINT64_C(1) << class;
    uint64_t list_at;
    uint64_t at;
    kist_status status;

    if (class < KI_CLASS_MIN || class > KI_CLASS_MAX) {
        return KI_FAIL(KIST_ERR_TOOBIG, idx->path, size, "index extent");
    }
    list_at = KI_W_FREE_LIST + (uint64_t)(class - KI_CLASS_MIN) * 8;
    at = ki_word_load(idx, list_at);
    if (at >= KI_IDX_ARENA && (at & 255) == 0 && ki_idx_holds(idx, at, size)) {
        ki_word_store(idx, list_at, ki_word_load(idx, at));
    }
    else {
        status = bump(idx, class, &at);
        if (status != KIST_OK) {
            return status;
        }
    }
    if (tx->mode == KI_TX_BATCH &&
        !note(&tx->taken, &tx->taken_count, &tx->taken_room, at, class)) {
        const ki_freed freed = {at, class};

        free_directly(idx, &freed);
        return KI_FAIL(KIST_ERR_NOMEM, idx->path, KI_NO_OFFSET, "batch");
    }
    *address = at;
    return KIST_OK;
}

void
ki_tx_free(ki_tx *tx, uint64_t address, uint32_t class)
{
    if (class >= KI_CLASS_MIN && class <= KI_CLASS_MAX &&
        address >= KI_IDX_ARENA && (address & 255) == 0 &&
        ki_idx_holds(tx->idx, address, UINT64_C(1) << class)) {
        (void)note(&tx->freed, &tx->freed_count, &tx->freed_room, address,
                   class);
    }
}
