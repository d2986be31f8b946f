/*
 * memfile.h - an open file: a place in a file, and the right to be there.
 *
 * It is inside the file's turnstile from open to close, and has a reference
 * to the node for as long as it lives, so that whoever comes late finds the
 * latch, and behind it `closed`.
 *
 * Layer    memfs.
 * Threads  any; the file's latch guards position and closed.
 */
#ifndef KI_MEMFS_MEMFILE_H
#define KI_MEMFS_MEMFILE_H

#include "memfs/fsys.h"

struct kist_memfile {
    kist_memfs *fs;
    ki_file *file;
    uint64_t position;
    uint8_t mode; /* kist_memfs_mode */
    bool closed;
};

static inline bool
ki_mode_reads(kist_memfs_mode mode)
{
    return mode == KIST_MODE_RB || mode == KIST_MODE_RPB;
}

static inline bool
ki_mode_writes(kist_memfs_mode mode)
{
    return mode != KIST_MODE_RB;
}

/* Zeros behind the end, up to `size` bytes, for an opening.  QUOTA,
 * UNSUPPORTED, NOMEM. */
KIST_NODISCARD kist_status ki_memfile_preallocate(kist_memfile *file,
                                                  uint64_t size);

/* Empties the file for an opening.  Calls out. */
void ki_memfile_empty(kist_memfile *file);

#endif /* KI_MEMFS_MEMFILE_H */
