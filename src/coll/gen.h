/*
 * gen.h - one generation of a kist, as one handle has it open: log and index.
 *
 * Opening decides what the index is worth.  A pair of locks on two bytes of
 * the log file says who is there:
 *     byte 0   shared by everybody who has the kist open; exclusive for
 *              whoever must be alone (destroy, repair)
 *     byte 1   exclusive while a writer opens, so that one at a time judges
 *              and rebuilds, and while the last one closes
 *     byte 2   shared by whoever maps the index file; exclusive for whoever
 *              makes its locks new or puts another one in its place
 *
 *   the index is           alone (byte 2)           beside others
 *   clean                  make its locks new,      join
 *                          mark it alive
 *   alive (same boot,      join: finish what a      join
 *     mount, inode)        dead writer began
 *   neither, or missing    build a new one from     LOCKED: it was removed or
 *                          the log, rename          damaged while in use
 *
 * A read-only handle uses an index that is alive or clean, and else builds one
 * in private memory and follows the log.  So does the only user of a kist on a
 * file system whose maps cannot be shared.
 *
 * Layer    coll.
 * Threads  open and close by one thread at a time (kist's mutex).
 */
#ifndef KI_COLL_GEN_H
#define KI_COLL_GEN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/idxfile.h"
#include "kist/options.h"
#include "log/reclog.h"

#define KI_LOCK_BYTE_USERS  0u
#define KI_LOCK_BYTE_OPENER 1u
#define KI_LOCK_BYTE_INDEX  2u

/* Room in the log that only removals may use, so that a full disk can be
 * mended from within. */
#define KI_LOG_SPARE (UINT64_C(16) << 10)

/* The path of a new file under construction, beside the file it is to be. */
#define KI_BUILD_SUFFIX ".build~"

/* Who is at work there, as the path's last letter: KI_BUILD_OPEN holds the
 * locks of bytes 1 and 2, VERIFY and COMPACT that of the writers, REPAIR is
 * alone.  KI_BUILD_NEW has a number instead, for it holds no lock. */
typedef enum ki_builder {
    KI_BUILD_NEW = 0,
    KI_BUILD_OPEN = 'o',
    KI_BUILD_VERIFY = 'v',
    KI_BUILD_COMPACT = 'c',
    KI_BUILD_REPAIR = 'r'
} ki_builder;

/* Mapped views of lists that are kept for whoever asks next (listmap.c). */
#define KI_VIEWS_KEPT 8u

typedef struct ki_shelf {
    pthread_mutex_t mutex;
    struct kist_list_view
        *views[KI_VIEWS_KEPT]; /* a reference each, or NULL */
    _Atomic uint32_t count;    /* of them */
    uint32_t next;             /* to be replaced */
} ki_shelf;

typedef struct ki_gen {
    ki_idx idx;
    ki_reclog log;
    uint64_t serial; /* no other generation of this process has it */
    bool writable;   /* may append */
    bool shared;     /* the index is a file that others share */
    bool clean_shutdown;
    bool rebuilt;
    uint64_t recovered_records;
    uint64_t torn_bytes;
    uint64_t followed; /* private index: the last record applied by itself */
    uint64_t followed_word;    /* and its first word, by which it is known */
    pthread_mutex_t following; /* private index: one thread catches up */
    uint64_t warm_begin;       /* writer: tail when it first wrote; 0: never */
    uint64_t warm_end;         /* writer: pages below it may be stored into */
    _Atomic uint32_t pins;     /* scans whose position it is, and a batch */
    ki_shelf shelf;
    struct ki_gen *next_retired;
} ki_gen;

/* Where a kist lies and how it is to be opened. */
typedef struct ki_place {
    const char *log_path;
    const char *index_path;
    const kist_options *options;
    uint64_t reserve; /* address space to try for */
} ki_place;

/*
 * Opens the pair, creating it if options allow.  The caller owns *gen.  Fails
 * as kist_open() does.
 */
KIST_NODISCARD kist_status ki_gen_open(const ki_place *place, ki_gen **gen);

/*
 * Closes it.  Whoever is the last user of a writable pair syncs it and marks
 * the index clean: what that answers is returned.  `abandon` skips that (a
 * superseded generation, or a child after fork).
 */
kist_status ki_gen_close(ki_gen *gen, bool abandon);

/*
 * Creates a new, empty pair at the place, whole or not at all: EXISTS if
 * somebody else was faster.
 */
KIST_NODISCARD kist_status ki_gen_create(const ki_place *place);

/* Is the log that is open still what the path names? */
KIST_NODISCARD kist_status ki_gen_is_named(const ki_gen *gen, const char *path,
                                           bool *there);

/*
 * Has somebody put a newer generation of the log, or another index of this
 * one, in the place of what is open here?  Files that were moved away or
 * removed are not replaced.  IO, NOMEM: it cannot be told now.
 */
KIST_NODISCARD kist_status ki_gen_is_replaced(const ki_gen *gen,
                                              bool *replaced);

/*
 * The log of a private index may have grown: applies what is new.  KI_AGAIN if
 * what was applied is no longer there, or the map has become too small.
 */
KIST_NODISCARD kist_status ki_gen_follow(ki_gen *gen);

/*
 * Makes gen->idx, which is closed, a new index in the file `path` (private
 * memory if NULL), built from all records of the log.  *torn is set to how
 * many bytes behind the last record are an unfinished tail.  CORRUPT if the
 * log is damaged before its synced end (at least `synced`).
 */
KIST_NODISCARD kist_status ki_gen_build_index(ki_gen *gen, const char *path,
                                              uint32_t file_mode,
                                              uint64_t reserve,
                                              uint64_t synced, uint64_t *torn);

/*
 * A path beside `path` for a file under construction; the caller frees it.
 * What a dead builder of that sort has left there is removed: but for new
 * kists, whose paths are unlike any other, there is one at a time of each.
 * NULL: no memory.
 */
char *ki_gen_build_path(const char *path, ki_builder builder);

/*
 * Removes what dead builders have left.  The caller is alone: nobody else maps
 * the index or repairs.
 */
void ki_gen_sweep(const char *log_path, const char *index_path);

/*
 * Builds a new index beside the old one and puts it in its place, as
 * gen->idx, which is closed; cuts a torn tail.  The caller is the only opener.
 * With `poisoned` the new index is so until the caller says otherwise.
 */
KIST_NODISCARD kist_status ki_gen_rebuild(ki_gen *gen, const ki_place *place,
                                          uint64_t synced, bool poisoned);

#endif /* KI_COLL_GEN_H */
