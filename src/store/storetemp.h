/*
 * storetemp.h - a value's file before it has its name.
 *
 *     .__tmp__xxxxxxxx     eight letters and digits, no format
 *
 * A value is written into such a file, which no reader takes for a value, and
 * renamed.  One that its writer left behind, because he was killed, is removed
 * by whoever meets it an hour later.
 *
 * Layer    store.
 * Threads  any; a ki_temp belongs to one.
 */
#ifndef KI_STORE_STORETEMP_H
#define KI_STORE_STORETEMP_H

#include "kist/bytes.h"
#include "store/storeroot.h"

#define KI_TEMP_PREFIX                                                        \
    "."                                                                       \
    "__tmp__"
#define KI_TEMP_SIZE 16 // of the whole name

/* How old a file must be before it counts as left behind. */
#define KI_TEMP_AGE_NS ((int64_t)3600 * 1000000000)

typedef struct ki_temp {
    int dir; // of the caller
    char name[KI_TEMP_SIZE + 1];
    int64_t mtime_ns; // that the file was given
    uint64_t size;
    uint64_t inode; // 0 if nobody asked
} ki_temp;

/* What else is wanted of a temporary file. */
typedef enum ki_temp_wish {
    KI_TEMP_SYNC = 1, // its bytes are safe when the call returns
    KI_TEMP_INODE = 2 // its inode's number
} ki_temp_wish;

/*
 * Writes `value` into a new file in directory `dir` of the root, with the mode
 * that the umask leaves of the root's, and closes it.  The caller renames it
 * or calls ki_temp_discard().  NOTFOUND without detail if the directory is
 * gone; IO.
 */
KIST_NODISCARD kist_status ki_temp_write(ki_root *root, int dir,
                                         kist_slice value, unsigned wishes,
                                         ki_temp *temp);

/* Removes the file; keeps errno. */
void ki_temp_discard(const ki_temp *temp);

/* True for the name of such a file. */
bool ki_temp_is(const char *name, size_t size);

/* Removes `name` of directory `dir` if it was left behind. */
void ki_temp_sweep(int dir, const char *name);

#endif /* KI_STORE_STORETEMP_H */
