/*
 * pool.h - memory for the large pieces of files, kept when they are freed.
 *
 * A page that the kernel hands out anew costs several times what it costs to
 * copy into it.  So large pieces are cut from chunks of 2 MiB, aligned and
 * marked for huge pages, and a chunk that is free again is kept for the next
 * file: KI_POOL_KEPT bytes of them in the process, and up to KI_POOL_LENT for
 * as long as the system does not need them (MADV_FREE).
 *
 *     chunk (2 MiB)   | 64 KiB page | page | page | ... 32 pages
 *     used            one bit for each page
 *
 * What is larger than a chunk gets a mapping of its own.
 *
 * Layer    memfs.
 * Threads  any; one mutex for the process.
 */
#ifndef KI_MEMFS_POOL_H
#define KI_MEMFS_POOL_H

#include <stddef.h>

#define KI_POOL_PAGE  ((size_t)64 << 10)
#define KI_POOL_CHUNK ((size_t)2 << 20)
#define KI_POOL_KEPT  ((size_t)64 << 20)
#define KI_POOL_LENT  ((size_t)512 << 20)

/* At least `size` bytes, not zeroed, or NULL.  *home goes back with them. */
void *ki_pool_take(size_t size, void **home);

/* What ki_pool_take(size, &home) gave. */
void ki_pool_give(void *data, size_t size, void *home);

/* Bytes of memory the pool has from the system now, free ones included. */
size_t ki_pool_held(void);

#endif /* KI_MEMFS_POOL_H */
