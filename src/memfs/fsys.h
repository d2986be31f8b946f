/*
 * fsys.h - a file system: the tree, its counters, and the way every call of it
 * goes.
 *
 *     kist_memfs
 *       lock     the tree (brlock.h): read to find, written to change
 *       names    every node but the root, by directory and name
 *       root ─> nodes (node.h), each file with a latch of its own
 *       quota    what the files count; files, dirs, chunks
 *
 * INVARIANTS
 *   - quota.used is the sum of ki_fs_usage() over all files in the tree.
 *   - files + dirs is the number of nodes in the tree, the root included, and
 *     never above nodes_max; chunks is the sum over files not promoted.
 *   - A file that somebody has open, or waits for, stays in the tree.
 *   - Nobody waits for a turnstile, calls out (now_ns, warn, release, wake) or
 *     touches the system for long while holding the lock or a latch.
 *
 * Layer    memfs.
 * Threads  any.
 */
#ifndef KI_MEMFS_FSYS_H
#define KI_MEMFS_FSYS_H

#include "memfs/memguard.h"
#include "memfs/mpath.h"
#include "memfs/node.h"
#include "memfs/quota.h"
#include "os/brlock.h"

struct kist_memfs {
    ki_brlock lock;
    ki_names names;
    ki_dir *root;
    ki_quota quota;
    _Atomic uint64_t files;
    _Atomic uint64_t dirs;
    _Atomic uint64_t chunks;
    kist_memfs_options options;
    ki_memguard guard;
    _Atomic uint32_t refs; /* the owner, open files, walks, tickets */
};

void ki_fs_ref(kist_memfs *fs);
void ki_fs_drop(kist_memfs *fs);

/* The time, as its owner wants it told.  Calls out. */
int64_t ki_fs_now(const kist_memfs *fs);

/* What the guard has to say about `size` bytes more.  Calls out.  NOMEM. */
KIST_NODISCARD kist_status ki_fs_guard(kist_memfs *fs, uint64_t size);

/* What a file of that size counts. */
static inline uint64_t
ki_fs_usage_of(const kist_memfs *fs, uint64_t size, uint64_t chunks)
{
    return size + chunks * fs->options.chunk_overhead;
}

/* What this one counts; its latch is held, or it is nobody else's. */
static inline uint64_t
ki_fs_usage(const kist_memfs *fs, const ki_file *file)
{
    return ki_fs_usage_of(fs, file->content.size, file->chunks);
}

/* Chunks of a file that is new and holds `size` bytes. */
static inline uint64_t
ki_fs_fresh_chunks(const kist_memfs *fs, uint64_t size)
{
    return size > 0 && fs->options.storage != KIST_MEMFS_RANDOM_ACCESS;
}

static inline uint64_t
ki_fs_count(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void
ki_fs_add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static inline void
ki_fs_sub(_Atomic uint64_t *counter, uint64_t less)
{
    atomic_fetch_sub_explicit(counter, less, memory_order_relaxed);
}

/* --- waiting for a file -------------------------------------------------- */

/* When a wait of `timeout_ms` (memfs.h) that begins now is over: by
 * ki_clock_ns(); 0: try once, UINT64_MAX: never. */
uint64_t ki_fs_deadline(const kist_memfs *fs, int64_t timeout_ms);

/*
 * Enters the file, or joins its queue with *waiter; true if it is inside.  The
 * tree's lock is held, so that the file is in the tree; it stays there as long
 * as it is entered or waited for.
 */
bool ki_fs_enter_or_queue(ki_file *file, bool exclusive, ki_waiter *waiter);

/* Sleeps until *waiter is admitted.  LOCKED at the deadline: it has left the
 * queue.  Nothing may be held. */
KIST_NODISCARD kist_status ki_fs_await(ki_file *file, ki_waiter *waiter,
                                       uint64_t deadline);

/* Leaves the file, and tells those who come next.  Nothing may be held. */
void ki_fs_leave(ki_file *file, bool exclusive);

/* True if somebody writes to it; the tree's lock is held. */
bool ki_fs_is_written(ki_file *file);

/* True if the file is open or waited for; the tree's lock is held. */
bool ki_fs_is_open(ki_file *file);

/* Enters a file that may have left the tree, to read it; ki_fs_leave().
 * NOTFOUND, LOCKED at the deadline. */
KIST_NODISCARD kist_status ki_fs_hold(kist_memfs *fs, ki_node *node,
                                      uint64_t deadline);

/*
 * For work on many files that must find none of them written to: after it
 * met one (`written`, a reference that is dropped here), waits for that one
 * and is inside it while the work is tried again; so a row of writers cannot
 * keep it out.  *held is the file of the last time, let go first; begin with
 * NULL and end with ki_fs_end_turn().  OK: try again.  LOCKED.
 */
KIST_NODISCARD kist_status ki_fs_turn(kist_memfs *fs, ki_node *written,
                                      uint64_t deadline, ki_file **held);

/* Lets go of what ki_fs_turn() held last.  NULL is fine. */
void ki_fs_end_turn(ki_file *held);

/* Drops a reference to a node.  Calls out. */
void ki_fs_forget(ki_node *node);

#endif /* KI_MEMFS_FSYS_H */
