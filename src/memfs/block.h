/*
 * block.h - a run of bytes that several files, loans and clones may share.
 *
 *     own     header | room for bytes          one allocation; grows by moving
 *     pooled  header -> pages of the pool      64 KiB and more
 *     lent    header -> the caller's bytes, and whom to tell at the end
 *
 * INVARIANTS
 *   - Bytes that are shared (refs > 1), or lent, never change.  Who has the
 *     only reference to an own or pooled block may write into it.
 *   - A lent block's release is called once, with no lock held: dropping the
 *     last reference puts the block into a ki_garbage, and whoever dropped it
 *     empties that when he has let go of his locks.
 *
 * Layer    memfs.
 * Threads  references may be taken and dropped by any; the bytes as above.
 */
#ifndef KI_MEMFS_BLOCK_H
#define KI_MEMFS_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/memfs.h"

typedef enum ki_block_kind {
    KI_BLOCK_OWN,
    KI_BLOCK_POOLED,
    KI_BLOCK_LENT
} ki_block_kind;

typedef struct ki_block {
    uint8_t *data;
    uint64_t size; /* own, pooled: the room; lent: the bytes */
    _Atomic uint32_t refs;
    uint32_t kind; /* ki_block_kind */
} ki_block;

/* Lent blocks that nobody has any more and whose owners wait to hear it. */
typedef struct ki_garbage {
    ki_block *first;
} ki_garbage;

/* Room for `size` bytes, not zeroed; one reference.  NULL: no memory. */
ki_block *ki_block_new(uint64_t size);

/* Around the caller's bytes; one reference.  NULL: no memory. */
ki_block *ki_block_new_lent(const void *data, uint64_t size,
                            kist_release release, void *context);

/*
 * The same own block with room for `size` bytes, perhaps elsewhere; the only
 * reference is the caller's.  NULL: no memory, and the block is as it was.
 */
ki_block *ki_block_grow(ki_block *block, uint64_t size);

static inline void
ki_block_ref(ki_block *block)
{
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
}

/* The last reference frees it, or puts it into *garbage.  NULL is fine. */
void ki_block_drop(ki_block *block, ki_garbage *garbage);

/* Frees a lent block that was never in a file, without telling its owner. */
void ki_block_forget(ki_block *block);

/* Tells the owners.  Call it with no lock held. */
void ki_garbage_empty(ki_garbage *garbage);

/* What ki_block_new_lent() was given. */
void *ki_block_context(const ki_block *block);

/* True if the caller, who has a reference, may write into it. */
static inline bool
ki_block_is_mine(const ki_block *block)
{
    return block->kind != KI_BLOCK_LENT &&
           atomic_load_explicit(&block->refs, memory_order_acquire) == 1;
}

#endif /* KI_MEMFS_BLOCK_H */
