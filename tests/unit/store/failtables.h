/*
 * failtables.h - the tables of os/io.h and os/dirio.h, with calls that fail.
 *
 * Layer    tests/unit/store, over os/.
 * Threads  one.
 */
#ifndef KT_STORE_FAILTABLES_H
#define KT_STORE_FAILTABLES_H

#include <stdbool.h>
#include <stdint.h>

/* Instead of an errno: half of the bytes; or the call is made, but its answer
 * is lost, and a server that was asked again says what it finds then. */
#define KT_FAULT_SHORT (-1)
#define KT_FAULT_LOST  (-2)

/* What fails: an entry of kist_dirio, of kist_io, or an allocation. */
typedef enum kt_fault_kind {
    KT_FAULT_OPEN,
    KT_FAULT_BENEATH,
    KT_FAULT_LOOK, /* stat */
    KT_FAULT_MKDIR,
    KT_FAULT_UNLINK,
    KT_FAULT_RMDIR,
    KT_FAULT_RENAME,
    KT_FAULT_LIST,
    KT_FAULT_FLOCK,
    KT_FAULT_REPLACE,
    KT_FAULT_MTIME,
    KT_FAULT_SYNC_ALL,
    KT_FAULT_CLOSE,
    KT_FAULT_READ,
    KT_FAULT_WRITE,
    KT_FAULT_FSTAT,
    KT_FAULT_FSYNC,
    KT_FAULT_FS_TYPE,
    KT_FAULT_RANDOM,
    KT_FAULT_ALLOC
} kt_fault_kind;

typedef struct kt_fault {
    const char *name;
    kt_fault_kind kind;
    int error;
    bool invisible; /* once: the call succeeds all the same */
    bool on;        /* from then on */
    uint64_t nth;   /* which of its kind, from 1 */
} kt_fault;

/* Puts the tables in; and the real ones back. */
void kt_fault_install(void);
void kt_fault_remove(void);

/* Calls go wrong from now on; until kt_fault_disarm(), which answers how many
 * did. */
void kt_fault_arm(const kt_fault *with);
uint64_t kt_fault_disarm(void);

#endif /* KT_STORE_FAILTABLES_H */
