/*
 * listobj.h - what the files of FSList share.
 *
 *   list_type       the type, its slots and the methods of one item
 *   listiter_type   iter() and reversed()
 *   listread        runs of items to builtin lists
 *   listload        iterables and buffers to runs of values
 *   listslice       slices: get, set, del
 *   listfind        in, index, count, remove
 *   listorder       sort, reverse, comparison
 *   listbuf_type    the buffer protocol of typed lists
 *
 * Layer    extension.
 * Threads  with the GIL.
 *
 * INVARIANTS
 *  (1) No Python code runs inside a batch, nor while views are in use.
 *  (2) Indexes are clamped or checked against the count that the same step
 *      has read: code that ran before may have changed the list.
 */
#ifndef KPY_LISTOBJ_H
#define KPY_LISTOBJ_H

#include "collbase.h"

/* Values that are read in one call: 3 KiB of stack. */
#define KPY_LIST_RUN 128

/* --- reading ------------------------------------------------------------- */

/* How many items there are; 0, or -1 with an error set (closed, ...). */
int kpy_list_count(kpy_coll *list, Py_ssize_t *count);

/*
 * The item at `index`, which is not negative: a new reference, or NULL; then
 * an error is set unless there is no such item.
 */
PyObject *kpy_list_item(kpy_coll *list, Py_ssize_t index);

/*
 * A builtin list of `count` items from `start` on, each `step` behind the one
 * before it (step may be negative).  Shorter if the list has become so.
 */
PyObject *kpy_list_read(kpy_coll *list, Py_ssize_t start, Py_ssize_t count,
                        Py_ssize_t step);

/* A builtin list of all items. */
PyObject *kpy_list_read_all(kpy_coll *list);

/* --- values from outside --------------------------------------------------
 */

/* Values on their way into a list.  Start with {0}. */
typedef struct kpy_load {
    const kist_value *values;
    size_t count;
    kpy_haul haul;   /* owns what values[] borrows, or ... */
    kist_value *own; /* ... of a buffer: the values themselves */
} kpy_load;

void kpy_load_fini(kpy_load *load);

/*
 * Takes all items of `iterable`; a list of ours, this one too, is read first
 * (row 3).  0, or -1 with an error set and the load empty.  If it cannot be
 * iterated, TypeError says `refusal`, or what iter() says if that is NULL.
 */
int kpy_load_all(kpy_coll *list, PyObject *iterable, const char *refusal,
                 kpy_load *load);

/* l.extend(iterable).  0, or -1 with an error set. */
int kpy_list_extend(kpy_coll *list, PyObject *iterable);

/* --- slices ---------------------------------------------------------------
 */

/* l[slice], l[slice] = value, del l[slice] (value NULL). */
PyObject *kpy_list_get_slice(kpy_coll *list, PyObject *slice);
int kpy_list_set_slice(kpy_coll *list, PyObject *slice, PyObject *value);

/* l *= times, in place.  0, or -1 with an error set. */
int kpy_list_multiply(kpy_coll *list, Py_ssize_t times);

/* --- finding ---------------------------------------------------------------
 */

/* 1, 0, or -1 with an error set. */
int kpy_list_contains(PyObject *self, PyObject *needle);
PyObject *kpy_list_index(PyObject *self, PyObject *const *args,
                         Py_ssize_t nargs);
PyObject *kpy_list_count_of(PyObject *self, PyObject *needle);
PyObject *kpy_list_remove(PyObject *self, PyObject *needle);

/* --- order ----------------------------------------------------------------
 */

PyObject *kpy_list_sort(PyObject *self, PyObject *const *args,
                        Py_ssize_t nargs, PyObject *kwnames);
PyObject *kpy_list_reverse(PyObject *self, PyObject *ignored);
PyObject *kpy_list_richcompare(PyObject *self, PyObject *other, int op);

/* --- iterators and buffers -------------------------------------------------
 */

/* iter(l) and reversed(l), for slots and methods. */
PyObject *kpy_list_iter(PyObject *self);
PyObject *kpy_list_reversed(PyObject *self, PyObject *ignored);

/* bf_getbuffer: BufferError unless the list holds numbers of 8 bytes. */
int kpy_list_getbuffer(PyObject *self, Py_buffer *view, int flags);

/* The types beside FSList; 0 or -1 with an error set. */
int kpy_listiter_type_add(PyObject *module);
int kpy_listbuf_type_add(PyObject *module);

#endif /* KPY_LISTOBJ_H */
