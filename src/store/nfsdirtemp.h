/*
 * nfsdirtemp.h - a value's file before it has its name, in NfsDict's layout.
 *
 *     tmp-<host>-<pid>-<count>     host: 8 digits of the machine and its boot
 *     tmpxxxxxxxx                  the peer's
 *
 * No name of these ends in a format, so nobody takes them for values.  One of
 * ours is left behind if its writer is dead, which this machine can tell of
 * its own processes; of all others, if it is a day old.
 *
 * Layer    store.
 * Threads  any; a ki_nfstemp belongs to one.
 */
#ifndef KI_STORE_NFSDIRTEMP_H
#define KI_STORE_NFSDIRTEMP_H

#include <sys/stat.h>

#include "kist/bytes.h"
#include "store/storeroot.h"

#define KI_NFSTEMP_NAME_SIZE 48

/* How old a file of somebody else's must be before it counts as left. */
#define KI_NFSTEMP_AGE_NS ((int64_t)24 * 3600 * 1000000000)

typedef struct ki_nfstemp {
    int dir; // of the caller
    char name[KI_NFSTEMP_NAME_SIZE];
    bool seen;          // `status` is known
    struct stat status; // after the last byte was written
} ki_nfstemp;

/* How a file is written. */
typedef struct ki_nfstemp_how {
    mode_t shared; // others may write the file only if they may write to the
                   // directory that has this mode
    bool sync;     // its bytes are safe at return
    bool look;     // fill in temp->status; always done on a remote root
} ki_nfstemp_how;

/*
 * Writes `data` into a new file in directory `dir` and closes it.  Its mode is
 * what the umask leaves of 0666.  The caller renames it or calls
 * ki_nfstemp_discard().  NOTFOUND without detail if the directory is gone; IO.
 */
KIST_NODISCARD kist_status ki_nfstemp_write(const ki_root *root, int dir,
                                            kist_slice data,
                                            const ki_nfstemp_how *how,
                                            ki_nfstemp *temp);

/* Removes the file; keeps errno. */
void ki_nfstemp_discard(const ki_nfstemp *temp);

/*
 * Gives the file its name; `exclusive`: EXISTS without detail if that is
 * taken.  On a remote root, a name that is there already and is of this file
 * is a success: the server was asked twice.  NOTFOUND without detail if the
 * directory is gone; IO.  On failure the file is discarded.
 */
KIST_NODISCARD kist_status ki_nfstemp_name(const ki_root *root,
                                           const ki_nfstemp *temp,
                                           const char *name, bool exclusive);

/* If `name` begins as such files do: true, and removes it from directory `dir`
 * if it was left behind; *stays if it is still there. */
bool ki_nfstemp_sweep(int dir, const char *name, bool *stays);

#endif /* KI_STORE_NFSDIRTEMP_H */
