/*
 * storeroot.h - the directory that a store stands in, held open.
 *
 * Everything below it is reached from its descriptor, without following a
 * symbolic link.  If the directory was removed meanwhile, the next call that
 * misses something opens its path again.
 *
 * LOCK.  Writers of the values in one directory exclude each other from
 * before they look at the ETag until the name is changed: within the process
 * by a mutex, between processes by flock() on that directory, which needs no
 * file.  On NFS, where that reaches no other client, it is an
 * open-file-description lock on LOCK_NAME in the store's directory, for all of
 * it.  The kernel frees both when their owner dies.  Readers take no lock.
 *
 * GROUP.  ki_root_sync_group() returns when a syncfs() that began after the
 * call has ended; who comes while one runs shares the next one.
 *
 * Layer    store.
 * Threads  any.  After fork() the child opens its own descriptors.
 */
#ifndef KI_STORE_STOREROOT_H
#define KI_STORE_STOREROOT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fail.h"
#include "kist/store.h"
#include "os/forklatch.h"

/* In the store's directory, on NFS alone; other programs take it for nobody's
 * value, as it has no format. */
#define KI_LOCK_NAME ".__kist__lock"

/* What the times of files are good for, on this file system. */
typedef enum ki_clock {
    KI_CLOCK_UNKNOWN = 0,
    KI_CLOCK_FINE,  // they keep their nanoseconds
    KI_CLOCK_COARSE // they do not
} ki_clock;

typedef struct ki_root {
    _Atomic uint32_t refs;
    char *path; // absolute
    int fd;
    bool read_only;
    bool remote;             // other machines may change it: NFS
    int64_t lock_timeout_ms; // of the first who opened it
    _Atomic uint32_t forks;  // the process that `fd` was opened in
    ki_forklatch latch;      // reopening
    pthread_mutex_t writer;  // held with the lock
    int lock_fd;             // of LOCK_NAME, once it was needed; -1

    _Atomic int clock; // a ki_clock
    // Of a directory that is made in it, and, but for the x, of a file: the
    // umask's, and writable by others only where this one is.
    _Atomic mode_t mode;

    // Syncs that have failed, and how many of those had by the begin of the
    // last one of everything that has not.
    _Atomic uint64_t failures;
    _Atomic uint64_t settled;

    // ki_root_sync_group()
    pthread_mutex_t group;
    pthread_cond_t ended;
    bool syncing;
    uint64_t rounds_begun;
    _Atomic uint64_t rounds_ended;
    uint64_t failed_round; // the last one that failed, or 0
    int failed_errno;
} ki_root;

/*
 * Opens the directory at `path`; makes it, with its parents, unless read_only.
 * The caller has one reference.  NOTDIR, IO, NOMEM.
 */
KIST_NODISCARD kist_status ki_root_open(const char *path,
                                        const kist_store_options *options,
                                        ki_root **root);

ki_root *ki_root_hold(ki_root *root);
void ki_root_drop(ki_root *root);

/*
 * Called when a name was not found.  True if the directory itself was gone and
 * another stands in its place now (with `make`: was made), so that it is worth
 * to try again.
 */
KIST_NODISCARD kist_status ki_root_renew(ki_root *root, bool make,
                                         bool *again);

/*
 * Locks the values in the directory `fd`, which is the root's or one below it.
 * LOCKED after lock_timeout_ms; IO where the file system has no locks.
 */
KIST_NODISCARD kist_status ki_root_lock(ki_root *root, int fd);
void ki_root_unlock(ki_root *root, int fd);

/*
 * Everything that was written before the call is safe when it returns.  The
 * kernel tells of a write that failed once, to whoever syncs first: so the
 * caller takes a token before he writes, and the call fails if any sync has
 * since then.
 */
uint64_t ki_root_sync_token(const ki_root *root);
KIST_NODISCARD kist_status ki_root_sync_group(ki_root *root, uint64_t token);

/*
 * Notes that a sync has failed: names of directories may not be safe that
 * later puts find in their way.  While it is suspect, they sync everything.
 */
void ki_root_suspect(ki_root *root);
bool ki_root_is_suspect(const ki_root *root);

/* Opens directory `fd` anew and closes it, if `root` is remote: what this
 * client remembers of it is asked for again (close-to-open). */
void ki_root_freshen(const ki_root *root, int fd);

/*
 * KI_FAIL with the path of `name`, which is below the root ("": the root's).
 */
#define KI_ROOT_FAIL(status, root, name, what)                                \
    ki_root_fail((status), (root), (name), (what), __FILE__, __LINE__)

kist_status ki_root_fail(kist_status status, const ki_root *root,
                         const char *name, const char *what, const char *file,
                         int line);

#endif /* KI_STORE_STOREROOT_H */
