/*
 * nfsdir.h - a store in a directory that several machines share, in the layout
 * of NfsDict.
 *
 *     <root>/hh/<64 hex digits>.pkl     one value (nfskey.h)
 *     <root>/_index.pkl                 the keys, for the peer (nfsindex.h)
 *     <root>/_kist_pkl                  the keys, for us (nfsdirlist.h)
 *     <root>/_kist_was_pkl              an _index.pkl that was taken away
 *     <root>/_kist_watch                locks: who changes the values
 *
 * The directory is the truth.  The peer believes in _index.pkl where it finds
 * one, so it must not be there while keys are missing from it: whoever puts or
 * removes a value takes it away first, and looks again afterwards.  It is
 * written at the end of the last of those who do, from the directory.
 *
 * INVARIANTS
 *  (1) When a put or a remove of ours returns, _index.pkl is not there, unless
 *      a peer wrote it since.  So whoever is killed hides no key.
 *  (2) We write _index.pkl only while we alone hold WATCH, that is, while no
 *      other kist process is between its first change and its end; and take it
 *      away again if the directory changed meanwhile.
 *  (3) A name is given to a file once it is whole and, at KIST_STORE_SYNC and
 *      _GROUP, safe.  Whoever gives or takes a name holds the root's lock.
 *  (4) A value is handed out only if it begins with the key that its name is
 *      made of.
 *  (5) On a remote root a name is missing only if it is missing from a
 *      directory that was opened for this very question.
 *
 * Layer    store.
 * Threads  any.  A child of fork() has changed nothing yet.
 */
#ifndef KI_STORE_NFSDIR_H
#define KI_STORE_NFSDIR_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "os/latch.h"
#include "store/key.h"
#include "store/nfsdirmap.h"
#include "store/nfskey.h"
#include "store/storeops.h"
#include "store/storeroot.h"

#define KI_NFS_SHARDS 256

/* How often a file handle that went stale is looked up anew. */
#define KI_NFS_TRIES 6

/* Both names together, and the longest of them. */
#define KI_NFS_OWN_NAME_SIZE 20

struct ki_nfslist;

typedef struct ki_nfsdir {
    kist_store store;
    ki_root *root;
    ki_nfsformat format;
    mode_t mode;                           // of the root, when it was opened
    char index_name[KI_NFS_OWN_NAME_SIZE]; // of the files above
    char list_name[KI_NFS_OWN_NAME_SIZE];
    char was_name[KI_NFS_OWN_NAME_SIZE];

    _Atomic uint32_t forks; // the process that all below belongs to
    ki_latch adopting;
    pthread_mutex_t listing; // held while the keys are found out
    struct ki_nfslist *list; // the last answer, or NULL
    bool list_unsaved;       // it is better than the one in the file

    pthread_mutex_t changing; // held over the first change, and the end
    _Atomic bool dirty;       // something was put or removed
    int watch_fd;             // WATCH, or -1
    bool watching;            // we hold it, shared

    ki_latch noting;
    ki_nfsmap noted; // keys that were put since the last list
} ki_nfsdir;

/* First of all, in every entry: a child of fork() begins anew. */
void ki_nfsdir_enter(ki_nfsdir *dir);

/* The path of a key's file below the root, and its digest. */
void ki_nfsdir_path(const ki_nfsdir *dir, kist_slice key,
                    uint8_t digest[KI_SHA256_SIZE], ki_path *path);

/*
 * Reads the file at *path; `key` (NULL: any) is what must stand in it.
 * NOTFOUND, CORRUPT, TOOBIG, IO, NOMEM.
 */
KIST_NODISCARD kist_status ki_nfsdir_read(ki_nfsdir *dir, ki_path *path,
                                          const kist_slice *key,
                                          const kist_etag *unless,
                                          kist_buf *value, kist_stat *stat,
                                          bool *same);

/* Reads the beginning of a file, until *key is in it: a view into `head` or
 * `scratch`.  CORRUPT (with detail), NOTFOUND, IO, NOMEM. */
KIST_NODISCARD kist_status ki_nfsdir_read_key(ki_nfsdir *dir, ki_path *path,
                                              kist_buf *head,
                                              kist_buf *scratch,
                                              kist_slice *key);

/* --- nfsdirput.c ------------------------------------------------------------
 */

KIST_NODISCARD kist_status ki_nfsdir_put(kist_store *store, kist_slice key,
                                         kist_slice value, const ki_rule *rule,
                                         ki_change *change);
KIST_NODISCARD kist_status ki_nfsdir_remove(kist_store *store, kist_slice key,
                                            const ki_rule *rule,
                                            ki_change *change);

/* --- nfsdirend.c: the peer's index, and who may write it --------------------
 */

/* Before a change: takes the index away, and says that we change things. */
KIST_NODISCARD kist_status ki_nfsdir_begin_change(ki_nfsdir *dir);

/* After it: takes away an index that a peer has written meanwhile. */
KIST_NODISCARD kist_status ki_nfsdir_end_change(ki_nfsdir *dir);

/* The end: writes the list, and the index if nobody else changes anything.
 * What fails is left out; the directory is the truth. */
void ki_nfsdir_finish(ki_nfsdir *dir);

/* --- nfsdirscan.c -----------------------------------------------------------
 */

KIST_NODISCARD kist_status ki_nfsdir_scan_open(kist_store *store, bool stats,
                                               ki_cursor **cursor);
KIST_NODISCARD kist_status ki_nfsdir_scan_next(ki_cursor *cursor,
                                               ki_found *found);
void ki_nfsdir_scan_close(ki_cursor *cursor);
KIST_NODISCARD kist_status ki_nfsdir_count(kist_store *store, uint64_t *count);
KIST_NODISCARD kist_status ki_nfsdir_get_many(kist_store *store,
                                              const kist_slice *keys,
                                              size_t count, kist_buf *values,
                                              kist_status *statuses);

/* Calls work(context, i) for each i below count, in several threads at once
 * where that is worth it. */
void ki_nfs_each(const ki_nfsdir *dir, size_t count,
                 void (*work)(void *context, size_t index), void *context);

#endif /* KI_STORE_NFSDIR_H */
