/*
 * content.h - the bytes of one file, as a row of pieces of blocks.
 *
 *     offset   0            4096     70000                size
 *              | lent block | zeros  | own block, from 16 on |
 *     seg      start 0       4096     70000
 *              block A       NULL     block B
 *              skip  0       0        16
 *
 * Lent bytes are put in place of what was there as they are
 * (ki_content_splice).  Others are stored into blocks that are this file's
 * alone; where there are none, a large run becomes a block, and for a small
 * one a page around it is copied into a new one.  So appending costs no more
 * than the bytes, and a file that is written at random becomes a row of pages.
 *
 * INVARIANTS
 *   - The first seg starts at 0, starts ascend, the last ends at `size`;
 *     `count` is 0 exactly if `size` is.
 *   - A seg without a block is zeros, and takes no memory.
 *   - Each seg has a reference to its block.  A block with one reference is
 *     reached by one seg, so what is writable belongs to this file alone.
 *   - What is pinned and not seen is bounded: once more than `size` + 64 KiB
 *     have been put in place of others, and at the end of a file that was cut,
 *     segs that show less than half of their block are copied out of it.
 *   - The row is bounded: at most 64 segs and four for each 4 KiB; beyond that
 *     neighbours of less than 4 KiB are gathered into blocks.
 *   - A row of one is kept in place of the array (room 0).
 *
 * Layer    memfs.
 * Threads  the caller's lock; only blocks are shared.
 */
#ifndef KI_MEMFS_CONTENT_H
#define KI_MEMFS_CONTENT_H

#include "memfs/block.h"

/* Writes of this size and more get a block of their own, unless they can be
 * stored in place and are not larger than the other. */
#define KI_CONTENT_LARGE    ((uint64_t)64 << 10)
#define KI_CONTENT_IN_PLACE ((uint64_t)1 << 20)

typedef struct ki_seg {
    uint64_t start; /* in the file */
    uint64_t skip;  /* in the block */
    ki_block *block;
} ki_seg;

typedef struct ki_content {
    uint64_t size;
    union {
        ki_seg one;
        struct {
            ki_seg *segs;
            uint64_t spliced; /* bytes replaced since the last tidying */
        } many;
    } row;
    uint32_t count;
    uint32_t room; /* of row.many.segs; 0: row.one */
} ki_content;

/* Drops all. */
void ki_content_clear(ki_content *content, ki_garbage *garbage);

/* *copy, uninitialised, becomes the same bytes, shared.  NOMEM. */
KIST_NODISCARD kist_status ki_content_share(const ki_content *content,
                                            ki_content *copy);

/*
 * Stores `size` > 0 bytes at `offset`, with zeros before if that is behind the
 * end.  All or nothing: NOMEM.
 */
KIST_NODISCARD kist_status ki_content_write(ki_content *content,
                                            uint64_t offset, const void *data,
                                            uint64_t size,
                                            ki_garbage *garbage);

/* True if these bytes, some, are there and in blocks of this file alone. */
bool ki_content_is_mine(const ki_content *content, uint64_t offset,
                        uint64_t size);

/* The same with all of a block, whose reference is the content's on OK. */
KIST_NODISCARD kist_status ki_content_splice(ki_content *content,
                                             uint64_t offset, ki_block *block,
                                             uint64_t size,
                                             ki_garbage *garbage);

/* Cuts, or adds zeros.  Only adding can fail: NOMEM. */
KIST_NODISCARD kist_status ki_content_resize(ki_content *content,
                                             uint64_t size,
                                             ki_garbage *garbage);

/* Lends `size` bytes from `offset` on, both inside.  NOMEM. */
KIST_NODISCARD kist_status ki_content_lend(const ki_content *content,
                                           uint64_t offset, uint64_t size,
                                           kist_loan *loan);

/* For tests: false if an invariant does not hold. */
bool ki_content_is_sound(const ki_content *content);

#endif /* KI_MEMFS_CONTENT_H */
