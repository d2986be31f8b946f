/*
 * tx.h - a change of the index is a list of words.
 *
 *      prepare            pairs                    commit
 *      new extents   [ addr  value ]   count = n   store each pair   count = 0
 *      are filled    [ addr  value ]   ---------   in their order    ---------
 *      in place      [ addr  value ]   the commit                    done
 *
 * A writer never stores into words that readers can reach; it lists (address,
 * value) pairs in the redo page of the index and then commits them.  Setting
 * the count is the commit point: if the writer dies before it, nothing has
 * happened; if it dies behind it, the next holder of the lock stores all pairs
 * once more, which is harmless, and goes on (ki_tx_redo).  There is no other
 * recovery code.
 *
 * A batch collects its pairs in private memory, looks its own words up there
 * (ki_tx_load), and commits them in one list at its end; throwing the list
 * away is rollback.  It consists of calls, of which the last one can be taken
 * back (ki_tx_settle, ki_tx_rewind).  What is in extents of its own needs no
 * pairs (ki_tx_put), and counters that go on growing are listed once for many
 * steps (ki_tx_store_counted).
 *
 * Rebuilding an index that nobody sees yet stores directly.
 *
 * Layer    index.
 * Threads  one writer: the holder of the index's lock.
 *
 * INVARIANTS
 *  (1) What a pair list publishes is whole at each prefix of the list, since
 *      readers may look between two stores.
 *  (2) Extents got from ki_tx_alloc() are private until a pair publishes
 *      them, and are filled in place with ki_tx_fill().
 *  (3) Outside a batch, structure (room, splits) commits by itself before the
 *      content does: a transaction reads no word that it has itself listed.
 */
#ifndef KI_INDEX_TX_H
#define KI_INDEX_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assertion.h"
#include "index/idxfile.h"

typedef enum ki_tx_mode {
    KI_TX_REDO,  /* pairs go to the redo page, commit applies them */
    KI_TX_BATCH, /* pairs are kept apart until the batch commits */
    KI_TX_DIRECT /* no pairs: words are stored at once */
} ki_tx_mode;

typedef struct ki_pair {
    uint64_t address;
    uint64_t value;
} ki_pair;

/* How many counters a collection has that each change of it sets. */
#define KI_TX_COUNTERS 4u

/* Which of a batch's steps readers may find uncounted while it is applied. */
#define KI_TX_STEPS_MAX 64u

typedef struct ki_freed {
    uint64_t address;
    uint32_t class;
} ki_freed;

typedef struct ki_tx {
    ki_idx *idx;
    ki_pair *pairs; /* REDO: the redo page; BATCH: owned */
    size_t count;
    ki_tx_mode mode;
    ki_freed *freed; /* owned; handed to the rings at commit */
    size_t freed_count;
    size_t freed_room;
    ki_freed *taken; /* BATCH: owned; given back when it is aborted */
    size_t taken_count;
    size_t taken_room;
    size_t room;     /* BATCH: pairs that fit */
    uint64_t *table; /* BATCH: owned; see ki_tx_home() */
    size_t table_mask;
    uint64_t *lines; /* BATCH: owned; a bit for each line that has a pair */
    size_t settled;  /* BATCH: pairs of calls that are over */
    size_t settled_freed;
    uint32_t settled_steps;
    uint32_t steps;               /* BATCH: what the last counters stand for */
    ki_pair kept[KI_TX_COUNTERS]; /* BATCH: the last pairs, as they settled */
    ki_pair *undo; /* BATCH: owned; what ki_tx_put() has stored over */
    size_t undo_count;
    size_t undo_room;
    uint64_t fresh;     /* BATCH: extents from here on are its own */
    kist_status failed; /* BATCH: what a store ran into; commit answers it */
} ki_tx;

/* A transaction over idx without any pairs; allocates nothing. */
void ki_tx_init(ki_tx *tx, ki_idx *idx, ki_tx_mode mode);

/* Is it a single write's transaction over this very map? */
static inline bool
ki_tx_is_for(const ki_tx *tx, const ki_idx *idx)
{
    return tx->idx == idx && tx->mode == KI_TX_REDO &&
           tx->pairs ==
               (const ki_pair *)(const void *)(idx->base + KI_IDX_REDO_PAGE);
}

/* Frees what the transaction owns and forgets its pairs. */
void ki_tx_fini(ki_tx *tx);

/* Forgets the pairs and what was to be freed: nothing has happened. */
void ki_tx_abort(ki_tx *tx);

/* A call of a batch begins: what came before can no longer be taken back. */
void ki_tx_settle(ki_tx *tx);

/* Forgets what came after ki_tx_settle(): one call of a batch that failed. */
void ki_tx_rewind(ki_tx *tx);

/* Stores the pairs, hands out what was freed.  REDO and DIRECT cannot fail;
 * a BATCH needs room for its list (IO, NOMEM) and is untouched if that fails.
 */
KIST_NODISCARD kist_status ki_tx_commit(ki_tx *tx);

/* After a writer died: ends its commit, if it was in one. */
void ki_tx_redo(ki_idx *idx);

/*
 * If the last pairs are those of the `count` addresses, in that order and of
 * the call that is under way, gives them these values: for counters that go on
 * growing, of which nobody needs to see each step.  False: list them.
 */
bool ki_tx_amend(ki_tx *tx, const ki_pair *pairs, size_t count);

/*
 * Lists `n` pairs of a batch, and behind them counters.  Those that the
 * step before has listed last, of the same addresses, are taken away: nobody
 * needs to see each step, as long as they are not too many.
 */
void ki_tx_store_counted(ki_tx *tx, const ki_pair *pairs, size_t n,
                         const ki_pair counters[KI_TX_COUNTERS]);

/* Is `address` in an extent that this batch has got, and nobody else sees? */
static inline bool
ki_tx_is_fresh(const ki_tx *tx, uint64_t address)
{
    return tx->mode == KI_TX_BATCH && address >= tx->fresh;
}

/*
 * Stores a word of a batch that nobody else can see yet, so that it can be
 * taken back with its call.  There must be no pair of it.
 */
void ki_tx_put(ki_tx *tx, uint64_t address, uint64_t value);

/* Which bit of `lines` stands for the cache line of `address`. */
static inline size_t
ki_tx_line(const ki_tx *tx, uint64_t address)
{
    return (size_t)((address >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 20) &
           (tx->table_mask << 2 | 3);
}

/*
 * May the batch have a pair in the cache line of `address`?  Most lines have
 * none, and what stands in them is then read as if there were no batch.
 */
static inline bool
ki_tx_touches(const ki_tx *tx, uint64_t address)
{
    const size_t bit = ki_tx_line(tx, address);

    return tx->mode == KI_TX_BATCH && tx->count > 0 &&
           (tx->lines[bit / 64] >> bit % 64 & 1) != 0;
}

/*
 * Where a batch's table begins to look for the word at `address`.  Its entries
 * are number of the word << 32 | pair + 1, those of a line side by side.
 */
static inline size_t
ki_tx_home(const ki_tx *tx, uint64_t address)
{
    const uint64_t line = (address >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 20;

    return (size_t)(line << 3 | (address >> 3 & 7)) & tx->table_mask;
}

/* Asks for what the batch knows of the line of `address`. */
static inline void
ki_tx_ask(const ki_tx *tx, uint64_t address)
{
    if (ki_tx_touches(tx, address)) {
        __builtin_prefetch(&tx->table[ki_tx_home(tx, address)], 1);
    }
}

void ki_tx_store_batch(ki_tx *tx, uint64_t address, uint64_t value);
uint64_t ki_tx_load_batch(const ki_tx *tx, uint64_t address);

/* The word at `address` will become `value`. */
static inline void
ki_tx_store(ki_tx *tx, uint64_t address, uint64_t value)
{
    if (KI_LIKELY(tx->mode == KI_TX_REDO)) {
        KI_ASSERT(tx->count < KI_IDX_REDO_PAIRS);
        tx->pairs[tx->count].address = address;
        tx->pairs[tx->count].value = value;
        tx->count++;
    }
    else if (tx->mode == KI_TX_DIRECT) {
        ki_word_store(tx->idx, address, value);
    }
    else {
        ki_tx_store_batch(tx, address, value);
    }
}

/* The word at `address` as this transaction sees it; see invariant (3). */
static inline uint64_t
ki_tx_load(const ki_tx *tx, uint64_t address)
{
    return KI_UNLIKELY(ki_tx_touches(tx, address))
               ? ki_tx_load_batch(tx, address)
               : ki_word_load(tx->idx, address);
}

/* Adds to a word. */
static inline void
ki_tx_add(ki_tx *tx, uint64_t address, uint64_t increment)
{
    ki_tx_store(tx, address, ki_tx_load(tx, address) + increment);
}

/*
 * A new extent of 2^class bytes, its contents arbitrary.  It is taken at
 * once; a batch that is aborted gives it back, a writer that dies loses it
 * until the next rebuild.  IO (ENOSPC), NOMEM, TOOBIG (class).
 */
KIST_NODISCARD kist_status ki_tx_alloc(ki_tx *tx, uint32_t class,
                                       uint64_t *address);

/* Stores into an extent of this transaction that nobody else can see yet. */
static inline void
ki_tx_fill(ki_tx *tx, uint64_t address, uint64_t value)
{
    ki_word_store(tx->idx, address, value);
}

/*
 * The extent is no longer reachable once this transaction has committed.
 * NOMEM: it is then lost until the next rebuild, which is not worth failing
 * for, so nothing is returned.
 */
void ki_tx_free(ki_tx *tx, uint64_t address, uint32_t class);

/* The smallest class whose extents hold `size` bytes. */
static inline uint32_t
ki_class_of(uint64_t size)
{
    return size <= (UINT64_C(1) << KI_CLASS_MIN)
               ? KI_CLASS_MIN
               : 64u - (uint32_t)__builtin_clzll(size - 1);
}

/* --- readers ------------------------------------------------------------ */

/*
 * A reader takes the version first, follows addresses, and then asks whether
 * all that it followed was still what it had been: if not, it starts again.
 */
static inline uint64_t
ki_view_begin(const ki_idx *idx)
{
    return ki_word_load(idx, KI_W_VERSION);
}

static inline bool
ki_view_held(const ki_idx *idx, uint64_t version)
{
    return ki_word_load(idx, KI_W_HORIZON) <= version;
}

/*
 * After a view that did not hold: can one ever?  Only damage raises the
 * horizon above the version.
 */
static inline bool
ki_view_possible(const ki_idx *idx)
{
    const uint64_t horizon = ki_word_load(idx, KI_W_HORIZON);

    return horizon <= ki_word_load(idx, KI_W_VERSION);
}

#endif /* KI_INDEX_TX_H */
