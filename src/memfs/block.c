#include "memfs/block.h"

#include "base/alloc.h"
#include "memfs/pool.h"

typedef struct pooled {
    ki_block block;
    void *home; // in the pool
} pooled;

typedef struct lent {
    ki_block block;
    kist_release release;
    void *context;
} lent;

static ki_block *
init(ki_block *block, ki_block_kind kind, uint8_t *data, uint64_t size)
{
    block->data = data;
    block->size = size;
    atomic_init(&block->refs, 1);
    block->kind = kind;
    return block;
}

static ki_block *
new_pooled(uint64_t size)
{
    pooled *fresh = ki_calloc(1, sizeof(*fresh));
    uint8_t *data;

    if (fresh == NULL) {
        return NULL;
    }
    data = ki_pool_take(size, &fresh->home);
    if (data == NULL) {
        ki_free(fresh);
        return NULL;
    }
    return init(&fresh->block, KI_BLOCK_POOLED, data, size);
}

ki_block *
ki_block_new(uint64_t size)
{
    ki_block *fresh;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    if (size >= KI_POOL_PAGE) {
        return new_pooled(size);
    }
    // Not ki_calloc(): the bytes are about to be written.
    fresh = ki_realloc(NULL, sizeof(*fresh) + size);
    return fresh == NULL
               ? NULL
               : init(fresh, KI_BLOCK_OWN, (uint8_t *)(fresh + 1), size);
}

ki_block *
ki_block_new_lent(const void *data, uint64_t size, kist_release release,
                  void *context)
{
    lent *fresh = ki_realloc(NULL, sizeof(*fresh));

    if (fresh == NULL) {
        return NULL;
    }
    fresh->release = release;
    fresh->context = context;
    // Nothing writes into a lent block: the cast is for the field's sake.
    return init(&fresh->block, KI_BLOCK_LENT, (uint8_t *)(uintptr_t)data,
                size);
}

ki_block *
ki_block_grow(ki_block *block, uint64_t size)
{
    ki_block *moved = ki_realloc(block, sizeof(*moved) + size);

    if (moved != NULL) {
        moved->data = (uint8_t *)(moved + 1);
        moved->size = size;
    }
    return moved;
}

void
ki_block_drop(ki_block *block, ki_garbage *garbage)
{
    if (block == NULL ||
        atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    switch (block->kind) {
    case KI_BLOCK_LENT:
        block->data = (uint8_t *)garbage->first; // the chain goes through it
        garbage->first = block;
        return;
    case KI_BLOCK_POOLED:
        ki_pool_give(block->data, block->size, ((pooled *)block)->home);
        break;
    default:
        break;
    }
    ki_free(block);
}

void
ki_block_forget(ki_block *block)
{
    ki_free(block);
}

void
ki_garbage_empty(ki_garbage *garbage)
{
    while (garbage->first != NULL) {
        lent *dead = (lent *)garbage->first;

        garbage->first = (ki_block *)(void *)dead->block.data;
        dead->release(dead->context);
        ki_free(dead);
    }
}

void *
ki_block_context(const ki_block *block)
{
    return ((const lent *)block)->context;
}
