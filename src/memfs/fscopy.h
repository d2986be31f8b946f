/*
 * fscopy.h - copies of what is below a directory: within a tree, or all of it
 * into another file system.  They share their bytes with what they are of,
 * until one of the two is written.
 *
 * Layer    memfs.
 * Threads  the locks that ki_copy_below() names.
 */
#ifndef KI_MEMFS_FSCOPY_H
#define KI_MEMFS_FSCOPY_H

#include "memfs/tree.h"

/* How copies relate to what they are of. */
typedef enum ki_likeness {
    KI_COPY_FRESH, /* as if they had just been put there */
    KI_COPY_EQUAL  /* the same in every way; the caller has the files' latches
                      and counts their quota */
} ki_likeness;

/*
 * Copies everything below `from` to below `to`, a directory of fs that cannot
 * be met on the way.  The lock of the tree of `from`, which may be another's,
 * is held for writing, and that of fs, unless nobody else knows it.  What was
 * made is in *made (NULL: the caller gives fs up if this fails).  NODES,
 * NOMEM.
 */
KIST_NODISCARD kist_status ki_copy_below(kist_memfs *fs, ki_dir *from,
                                         ki_dir *to, ki_likeness like,
                                         int64_t now_ns, ki_made *made);

#endif /* KI_MEMFS_FSCOPY_H */
