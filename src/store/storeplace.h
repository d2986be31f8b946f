/*
 * storeplace.h - the directory, below a store's, in which a key's file stands.
 *
 * Directories are made when a value is put into them, and removed when the
 * last value is; who comes between tries again.
 *
 * Layer    store.
 * Threads  any; a ki_place belongs to one.
 */
#ifndef KI_STORE_STOREPLACE_H
#define KI_STORE_STOREPLACE_H

#include "store/key.h"
#include "store/storeroot.h"

typedef struct ki_place {
    int fd;           // the directory
    bool own;         // it is not the root's
    const char *name; // of the file in it; borrowed from the path
} ki_place;

typedef enum ki_purpose {
    KI_PLACE_LOOK,  // for a stat alone
    KI_PLACE_WRITE, // to lock and to sync it
    KI_PLACE_MAKE   // the same, and it is made if it is missing
} ki_purpose;

/*
 * Opens the directory of *path, whose contents may change during the call.
 * With `sync`, the names of directories that are made are safe at return.
 * NOTFOUND without detail if there is none, or if a link or a file stands in
 * its place (MAKE: IO, NOTDIR).
 */
KIST_NODISCARD kist_status ki_place_open(ki_root *root, ki_path *path,
                                         ki_purpose purpose, bool sync,
                                         ki_place *place);

/* Keeps errno. */
void ki_place_close(const ki_place *place);

/* Removes the directories of *path that are empty, from the last one up to,
 * and without, the first `keep` bytes of the path. */
void ki_place_prune(ki_root *root, const ki_path *path, size_t keep);

#endif /* KI_STORE_STOREPLACE_H */
