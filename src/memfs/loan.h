/*
 * loan.h - how a kist_loan is put together: block by block.
 *
 *     count 0      zeros, or nothing
 *     count 1      pieces is the ki_block, data points into it
 *     count n      pieces is an array of n ki_piece
 *
 * Layer    memfs.
 * Threads  a loan belongs to one thread at a time, its blocks are shared.
 */
#ifndef KI_MEMFS_LOAN_H
#define KI_MEMFS_LOAN_H

#include "memfs/block.h"

typedef struct ki_piece {
    ki_block *block; /* NULL: zeros */
    const uint8_t *data;
    uint64_t size;
} ki_piece;

/* A loan of `size` > 0 bytes in `count` > 0 pieces, none of them there yet.
 * NOMEM. */
KIST_NODISCARD kist_status ki_loan_init(kist_loan *loan, uint64_t size,
                                        uint32_t count);

/* The next piece: `size` bytes of the block from `skip` on, or zeros (NULL).
 * Takes a reference of its own. */
void ki_loan_add(kist_loan *loan, ki_block *block, uint64_t skip,
                 uint64_t size);

/* A loan of `size` > 0 bytes, the first of one block. */
void ki_loan_init_one(kist_loan *loan, ki_block *block, uint64_t size);

/* As kist_loan_return(), for those who hold a lock. */
void ki_loan_drop(kist_loan *loan, ki_garbage *garbage);

#endif /* KI_MEMFS_LOAN_H */
