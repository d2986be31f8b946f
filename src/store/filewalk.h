/*
 * filewalk.h - through the directories of a store, one open at a time.
 *
 *     for each directory:  enter, step, step, ... leave
 *
 * Directories are noted in `dirs` as they are found, each behind its parent,
 * and entered in that order; backwards it is children first.
 *
 * What is no value of any key is told to options.report and passed over; what
 * killed writers left is removed (storetemp.h).
 *
 * Layer    store.
 * Threads  a walk belongs to one.
 */
#ifndef KI_STORE_FILEWALK_H
#define KI_STORE_FILEWALK_H

#include "store/filedir.h"

// What is asked of a directory at a time, in bytes: little at first, for those
// who want to know only whether there is anything.  An entry has 24 at least.
#define KI_ENTRIES_FIRST 512
#define KI_ENTRIES_SIZE  32768
#define KI_ENTRIES_MAX   (KI_ENTRIES_SIZE / 24)

/* A directory: its path below the root, and the key that stands for. */
typedef struct ki_walkdir {
    char *path; // owned, without "/" at its end; "" is the root
    size_t key; // where in `path` the key of the store's view begins: path
                // and key share one allocation
} ki_walkdir;

typedef struct ki_filewalk {
    ki_filedir *dir; // a reference
    ki_walkdir *dirs;
    size_t count;
    size_t capacity;
    size_t next;  // the one to be entered
    int fd;       // the one that is entered, or -1
    size_t asked; // what is asked of it next, in bytes
    _Alignas(8) uint8_t entries[KI_ENTRIES_SIZE];
    ki_name values[KI_ENTRIES_MAX]; // those of `entries` that are one
    size_t value_count;
    size_t at; // the next of them
} ki_filewalk;

/* Begins at the store's own directory.  NOMEM. */
KIST_NODISCARD kist_status ki_filewalk_init(ki_filewalk *walk,
                                            ki_filedir *dir);
void ki_filewalk_fini(ki_filewalk *walk);

/*
 * Opens the next directory.  KIST_END if there is none; one that has vanished
 * is passed over.  After IO, the next call goes on behind it.
 */
KIST_NODISCARD kist_status ki_filewalk_enter(ki_filewalk *walk);

/*
 * The next value's file in it, and how many bytes of its name are the key's
 * component.  KIST_END; IO, NOMEM.
 */
KIST_NODISCARD kist_status ki_filewalk_step(ki_filewalk *walk,
                                            const char **name, size_t *stem);

void ki_filewalk_leave(ki_filewalk *walk);

/* Room for the path of any name in any directory of a walk. */
#define KI_WALK_PATH_SIZE (KI_PATH_SIZE_MAX + KI_NAME_SIZE_MAX + 2)

/* Writes the path, from the root, of `name` in the directory that is entered
 * into `text` of KI_WALK_PATH_SIZE bytes. */
void ki_filewalk_path(const ki_filewalk *walk, const char *name, char *text);

/* The key of the directory that is entered; "" is the store's own. */
const char *ki_filewalk_key(const ki_filewalk *walk);

#endif /* KI_STORE_FILEWALK_H */
