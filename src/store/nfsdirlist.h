/*
 * nfsdirlist.h - which keys there are, without opening their files.
 *
 * A directory's ctime changes whenever a name in it does.  A list has the
 * ctime of each shard as it was before the shard was read: while that stays,
 * so do the names, and 256 stats tell that a list of any length is good.  A
 * shard that has changed is read again; names are met with the keys known
 * before (the old list's, those put since, the peer's index) by their digests,
 * and only for a name that nobody knows is the file opened, and its beginning
 * read.
 *
 *      _kist_pkl   head | 256 shards | keys of shard 00 | of 01 | ... of ff
 *
 * FORMAT   little-endian; a cache that anyone may delete.
 *     OFFSET  SIZE  FIELD
 *        0      8   "kistnfs1"
 *        8      4   CRC-32C of all that follows
 *       12      4   zero
 *       16      8   number of keys
 *       24   4096   256 shards: ctime in ns (0: not to be believed), bytes of
 *                   its keys, 8 bytes each
 *     4120          keys: 4 bytes of size, then UTF-8
 *
 * INVARIANTS
 *  (1) A ctime is believed only if it was older, when the shard was read, than
 *      the clock of the file system needs to tick: a later change has another.
 *  (2) A list never changes; who has a reference reads it without a lock.
 *
 * Layer    store.
 * Threads  any; lists are counted.
 */
#ifndef KI_STORE_NFSDIRLIST_H
#define KI_STORE_NFSDIRLIST_H

#include "store/nfsdir.h"

typedef struct ki_nfslist {
    _Atomic uint32_t refs;
    uint64_t count;
    int64_t ctime_ns[KI_NFS_SHARDS]; // 0: not to be believed
    size_t begin[KI_NFS_SHARDS + 1]; // of each shard's keys, and their end
    kist_buf keys;
} ki_nfslist;

/* A new list without keys, and one reference.  NOMEM. */
KIST_NODISCARD kist_status ki_nfslist_new(ki_nfslist **list);

ki_nfslist *ki_nfslist_hold(ki_nfslist *list);
void ki_nfslist_drop(ki_nfslist *list); /* NULL is fine */

/* The key at *at of list->keys; *at then is that of the next.  False at
 * `end`. */
bool ki_nfslist_next(const ki_nfslist *list, size_t end, size_t *at,
                     kist_slice *key);

KIST_NODISCARD kist_status ki_nfslist_add(ki_nfslist *list, kist_slice key);

/*
 * The keys as they are now, and one reference.  IO: a shard or a file cannot
 * be read, which is not to say that it holds nothing; NOMEM.
 */
KIST_NODISCARD kist_status ki_nfslist_now(ki_nfsdir *dir, ki_nfslist **list);

/* How many shards of it are not to be believed. */
unsigned ki_nfslist_doubts(const ki_nfslist *list);

/* Waits until a change that comes later has another ctime than one that is
 * past; not for remote file systems, whose clock is not known. */
void ki_nfslist_let_tick(const ki_nfsdir *dir);

/* --- nfsdirsave.c: the file -------------------------------------------------
 */

/* Reads a list.  CORRUPT without error detail, NOMEM. */
KIST_NODISCARD kist_status ki_nfslist_parse(kist_slice data,
                                            ki_nfslist **list);

/* Writes it into an empty buffer. */
KIST_NODISCARD kist_status ki_nfslist_print(const ki_nfslist *list,
                                            kist_buf *data);

/* The list in the file, or NULL if there is none. */
ki_nfslist *ki_nfslist_load(const ki_nfsdir *dir);

/* Puts it into the file. */
KIST_NODISCARD kist_status ki_nfslist_save(const ki_nfsdir *dir,
                                           const ki_nfslist *list);

/* The whole of a small file in the root.  NOTFOUND, IO, NOMEM, TOOBIG. */
KIST_NODISCARD kist_status ki_nfsdir_slurp(const ki_nfsdir *dir,
                                           const char *name, kist_buf *data);

/* Puts `data` in place of file `name` in the root. */
KIST_NODISCARD kist_status ki_nfsdir_replace(const ki_nfsdir *dir,
                                             const char *name, kist_slice data,
                                             bool sync);

/* The keys of an index of the peer, the present or the past one, by their
 * digests; what cannot be read is left out. */
void ki_nfsdir_peer_keys(const ki_nfsdir *dir, ki_nfsmap *map);

#endif /* KI_STORE_NFSDIRLIST_H */
