/*
 * memnames.h - the names of directories as Python's strings, remembered.
 *
 *     versions  [ v ][ v ][ 0 ] ...    eight to a bucket, found by a hash
 *     known     [ . ][ . ][ . ] ...    what each version holds
 *                 └─> row ─> str str str ...
 *
 * Making 10 000 strings takes twenty times as long as handing them out.  So a
 * file system remembers the names of directories under the version that the
 * library gives a directory with these names, up to KPY_MEMNAMES_MAX of them
 * in all.
 *
 * Half the cost of handing out a list is to look up each string for the sake
 * of its reference count.  So a row takes references ahead, for many lists at
 * once; to make one of them is then to copy an array.
 *
 * Layer    extension: includes the public C API and Python.h only.
 * Threads  the GIL protects everything here.
 *
 * INVARIANTS
 *  (1) A row has 1 + ahead references to each of its names.
 *  (2) A row never changes once it was made.
 */
#ifndef KPY_MEMNAMES_H
#define KPY_MEMNAMES_H

#include "module.h"

/* A directory with fewer names is made anew, one with more not remembered. */
#define KPY_MEMNAMES_MIN ((size_t)8)
#define KPY_MEMNAMES_MAX ((size_t)1 << 17)

typedef struct kpy_memrow {
    Py_ssize_t users;
    Py_ssize_t count;
    Py_ssize_t ahead;
    PyObject *names[];
} kpy_memrow;

/* Their strings, for one user; NULL with an error set. */
kpy_memrow *kpy_memrow_new(const kist_slice *names, size_t count);

/* A new list of the strings of a row, which may be NULL: an empty one. */
PyObject *kpy_memrow_list(kpy_memrow *row);

static inline kpy_memrow *
kpy_memrow_hold(kpy_memrow *row)
{
    row->users++;
    return row;
}

/* One user less.  NULL is fine. */
void kpy_memrow_drop(kpy_memrow *row);

/* What is known of a version.  A row may be NULL. */
typedef struct kpy_memknown {
    kpy_memrow *names; /* in the order in which they came */
    kpy_memrow *dirs;  /* as walk() tells them apart; NULL: there are none, */
    kpy_memrow *files; /* and the files are `names` */
    bool split;        /* those two are known */
} kpy_memknown;

typedef struct kpy_memnames kpy_memnames;

/* What is known of that version, or NULL.  Runs nothing. */
kpy_memknown *kpy_memnames_find(kpy_memnames *names, uint64_t version);

/*
 * A place for what is known of a version with `count` names, for which others
 * may be forgotten; it is good until the next call for one.  *names is made
 * if it is NULL.  NULL if there is no memory, which is no error.
 */
kpy_memknown *kpy_memnames_place(kpy_memnames **names, uint64_t version,
                                 size_t count);

/* Forgets everything.  NULL is fine. */
void kpy_memnames_free(kpy_memnames *names);

#endif /* KPY_MEMNAMES_H */
