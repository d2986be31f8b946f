/*
 * filedir.h - a store in a directory: one file per key.
 *
 *     <root>/<prefix>uk_xxxx/ada_yyyy.json        (key.h)
 *
 *     put     temporary file, write, sync, lock, look, rename, unlock, sync
 *             of the directory                     (storetemp.h, storeroot.h)
 *     get     open, read, and look again whether it was the same file
 *     ETag    "mtime_ns:size:inode" of the file
 *
 * INVARIANTS
 *  (1) A name is given to a file once it is whole and, at KIST_STORE_SYNC and
 *      _GROUP, safe.
 *  (2) Whoever gives or takes a name holds the lock of its directory, and has
 *      looked at its ETag under it.  Programs that do not know the lock may
 *      come between; a name that was free is therefore given exclusively.
 *  (3) A file's mtime is the clock's in nanoseconds, not the kernel's in
 *      ticks, so no two values of a key share an ETag.  Where the file system
 *      keeps no nanoseconds, a file that takes the place of another is given a
 *      later mtime than that.
 *  (4) No symbolic link below the root is followed; what is no regular file is
 *      no value.
 *
 * Layer    store.
 * Threads  any.
 */
#ifndef KI_STORE_FILEDIR_H
#define KI_STORE_FILEDIR_H

#include <sys/stat.h>

#include "store/key.h"
#include "store/storeops.h"
#include "store/storeroot.h"

typedef struct ki_filedir {
    kist_store store;
    ki_root *root;
    struct ki_names *_Atomic names; // what the last listing found
    size_t prefix_size;
    char prefix[]; // path of the sub-store, ending in "/", or empty
} ki_filedir;

/* The path of a checked `key`.  INVALID. */
KIST_NODISCARD kist_status ki_filedir_path(const ki_filedir *dir,
                                           kist_slice key, ki_path *path);

/* The ETag of a file, and of one of which this is known. */
void ki_filedir_etag(const struct stat *status, kist_etag *etag);
void ki_filedir_etag_of(int64_t mtime_ns, uint64_t size, uint64_t inode,
                        kist_etag *etag);

/* What `status` says of a value. */
void ki_filedir_stat(const struct stat *status, kist_stat *stat);

/* filedir.c, and filemany.c: the entries of the same names in ki_store_ops. */
KIST_NODISCARD kist_status ki_filedir_get(kist_store *store, kist_slice key,
                                          const kist_etag *unless,
                                          kist_buf *value, kist_stat *stat,
                                          bool *same);
KIST_NODISCARD kist_status ki_filedir_get_many(kist_store *store,
                                               const kist_slice *keys,
                                               size_t count, kist_buf *values,
                                               kist_status *statuses);

/*
 * Opens the value `name` of directory `fd`, whose path is `path`, and reads it
 * and what is known of it.  NOTFOUND, and BUSY (it changed meanwhile: try
 * again), without detail.
 */
KIST_NODISCARD kist_status ki_filedir_read(const ki_filedir *dir, int fd,
                                           const char *name, const char *path,
                                           kist_buf *value,
                                           struct stat *status);

/* filescan.c: the entries of the same names in ki_store_ops. */
KIST_NODISCARD kist_status ki_filedir_scan_open(kist_store *store, bool stats,
                                                ki_cursor **cursor);
KIST_NODISCARD kist_status ki_filedir_scan_next(ki_cursor *cursor,
                                                ki_found *found);
KIST_NODISCARD kist_status ki_filedir_scan_read(ki_cursor *cursor,
                                                kist_buf *value,
                                                kist_stat *stat);
void ki_filedir_scan_close(ki_cursor *cursor);
KIST_NODISCARD kist_status ki_filedir_clear(kist_store *store,
                                            uint64_t *count);

/* filenames.c */
KIST_NODISCARD kist_status ki_filedir_count(kist_store *store,
                                            uint64_t *count);
KIST_NODISCARD kist_status ki_filedir_random(kist_store *store, kist_buf *key);
void ki_names_free(struct ki_names *names);

/* fileput.c */
KIST_NODISCARD kist_status ki_filedir_put(kist_store *store, kist_slice key,
                                          kist_slice value,
                                          const ki_rule *rule,
                                          ki_change *change);
KIST_NODISCARD kist_status ki_filedir_remove(kist_store *store, kist_slice key,
                                             const ki_rule *rule,
                                             ki_change *change);
KIST_NODISCARD kist_status ki_filedir_put_many(kist_store *store,
                                               const kist_slice *keys,
                                               const kist_slice *values,
                                               size_t count,
                                               kist_status *statuses);

#endif /* KI_STORE_FILEDIR_H */
