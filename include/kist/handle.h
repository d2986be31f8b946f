/*
 * handle.h - an open kist: one file pair that holds any number of
 * collections.
 *
 * PATH.kist is the record log, the truth; PATH.kistx is its index, a cache
 * that kist rebuilds when it is missing.  `path` in every call is PATH with or
 * without the ".kist".
 *
 * Layer    public.
 * Threads  every call may be made from any thread and any process at any
 *          time.  kist_close() waits for calls inside; a call through a
 *          collection or scan handle that comes later answers
 *          KIST_ERR_CLOSED.  The kist * itself is gone once kist_close() has
 *          returned: using it then is the caller's error.  Reads take no lock
 *          and wait for nobody; writes take turns, one writer at a time per
 *          kist.
 * Fork     a child has no use of handles opened before fork(): its calls
 *          answer KIST_ERR_FORKED, and it may kist_close() them.
 * Views    a kist_slice or kist_value that a read hands out points into the
 *          mapped file.  It is good until the same thread's next call on a
 *          kist, collection or scan handle, or until the kist is closed.  The
 *          functions of pack.h, value.h and bytes.h are no such calls.  Copy
 *          what must live longer.
 */
#ifndef KIST_HANDLE_H
#define KIST_HANDLE_H

#include "kist/bytes.h"
#include "kist/options.h"
#include "kist/status.h"
#include "kist/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist kist;

/*
 * Opens the kist at `path`, creating it unless options forbid.  NULL options
 * mean the defaults.  On KIST_OK the caller owns *k and must kist_close() it;
 * on failure *k is NULL.  Fails with IO, NOTKIST, NEWER, CORRUPT, LOCKED,
 * EXISTS, INVALID or NOMEM.
 */
KIST_NODISCARD kist_status kist_open(const char *path,
                                     const kist_options *options, kist **k);

/*
 * Closes and frees the handle and the collection handles got from it (those
 * may still be passed to their own _close).  Waits for calls in other threads
 * to leave.  The last close of a kist on this machine syncs it.  Returns what
 * a lost final sync answers; the handle is gone in any case.  NULL is fine.
 */
kist_status kist_close(kist *k);

/* Makes everything written so far survive a power cut. */
KIST_NODISCARD kist_status kist_sync(kist *k);

/*
 * Removes the files of the kist at `path`, which nobody may have open
 * (LOCKED).  No kist there is IO, ENOENT.
 */
KIST_NODISCARD kist_status kist_destroy(const char *path);

/* The path of the log file; lives as long as the handle. */
const char *kist_path(const kist *k);

/* --- collections ----------------------------------------------------- */

typedef enum kist_kind {
    KIST_KIND_LIST = 1,
    KIST_KIND_DICT = 2,
    KIST_KIND_SET = 3
} kist_kind;

/* What is known of one collection; name is a view. */
typedef struct kist_coll_info {
    kist_slice name; /* "" is the root collection's */
    kist_kind kind;
    kist_type type;
    uint32_t id;
    uint64_t count; /* live items */
} kist_coll_info;

/*
 * The collection `index` (0, 1, 2 ... in order of creation) of the kist.
 * KIST_END behind the last one.
 */
KIST_NODISCARD kist_status kist_coll_at(kist *k, uint64_t index,
                                        kist_coll_info *info);

/* The collection called `name`, or NOTFOUND. */
KIST_NODISCARD kist_status kist_coll_find(kist *k, kist_slice name,
                                          kist_coll_info *info);

/* Removes the collection called `name` with all it holds, or NOTFOUND. */
KIST_NODISCARD kist_status kist_coll_drop(kist *k, kist_slice name);

/* "list", "dict", "set". */
const char *kist_kind_name(kist_kind kind);

/* --- batches ---------------------------------------------------------- */

/*
 * From begin to commit, what this thread writes to any collection of the kist
 * is one change: all or nothing, for readers after a crash and after rollback
 * alike.  The thread sees its own writes at once; others see them from the
 * commit on, item by item as they are applied.  Other writers wait.  One batch
 * a thread at a time (BUSY).  Commit and rollback without a batch: INVALID.
 * A commit that fails has rolled back (unless POISONED: then the outcome is
 * known after reopening).  Closing the handle rolls back.
 */
KIST_NODISCARD kist_status kist_batch_begin(kist *k);
KIST_NODISCARD kist_status kist_batch_commit(kist *k);
kist_status kist_batch_rollback(kist *k);

/* --- upkeep ------------------------------------------------------------ */

/* Called now and then by long work; return false to have it stop. */
typedef bool (*kist_progress)(void *context, uint64_t done, uint64_t total);

/*
 * What verify and repair found.  `damaged_offset` is the first damaged byte
 * in the log, or UINT64_MAX.
 */
typedef struct kist_report {
    uint64_t records;      /* whole records read */
    uint64_t live;         /* of them live */
    uint64_t bytes;        /* bytes of log read */
    uint64_t damaged_runs; /* runs of bytes that are no record */
    uint64_t damaged_bytes;
    uint64_t damaged_offset;
    uint64_t torn_bytes; /* an unfinished tail that open cuts off */
    bool index_damaged;  /* the index disagreed with the log */
    bool index_rebuilt;  /* and was made anew */
} kist_report;

/*
 * Checks every record of the log and the index against them.  A wrong index
 * is rebuilt (index_rebuilt) unless the handle is read-only.  Returns KIST_OK
 * if all is sound or could be mended, CORRUPT if log records are damaged.
 * `report` is filled in either case.  Works on a kist that others are using.
 */
KIST_NODISCARD kist_status kist_verify(kist *k, kist_progress progress,
                                       void *context, kist_report *report);

/*
 * Salvages the kist at `path`, which nobody may have open: every record that
 * is whole goes into a new log, what could not be read is kept beside it as
 * PATH.damaged-N.  A sound kist is left as it is.
 */
KIST_NODISCARD kist_status kist_repair(const char *path,
                                       kist_progress progress, void *context,
                                       kist_report *report);

/*
 * Rewrites the live records in order and gives the room of dead ones back.
 * Writers wait meanwhile, readers do not.
 */
KIST_NODISCARD kist_status kist_compact(kist *k, kist_progress progress,
                                        void *context);

#ifdef __cplusplus
}
#endif

#endif /* KIST_HANDLE_H */
