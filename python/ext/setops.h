/*
 * setops.h - FSSet's algebra: what | & - ^, their methods and in-place
 * forms and the comparisons have in common.
 *
 * Operators take sets only, on either side: a builtin set or frozenset, or a
 * FSSet.  Methods take any iterable (row 32).  Results are builtin sets (row
 * 33), or a frozenset where that stands on the left, as in Python.
 *
 * An in-place form goes in two steps.  First all Python code is run and what
 * is to change is put in a pile; then the pile is applied in one batch, so
 * that an exception leaves the set as it was (row 69).
 *
 * Layer    extension.
 * Threads  with the GIL.  Python code may run in every function here, and
 *          may change or close the set: what is found then is RuntimeError
 *          or ValueError, never another set's bytes.
 */
#ifndef KPY_SETOPS_H
#define KPY_SETOPS_H

#include "collbase.h"

/* --- single members (set_type.c) -------------------------------------------
 */

/*
 * 1 and *value if `key` may be in the set, 0 if nothing of it can equal
 * `key`, -1 with an error set if it is unhashable or its hash raises.
 */
int kpy_set_probe(kpy_coll *self, PyObject *key, kpy_scratch *scratch,
                  kist_value *value);

/* 1 if `key` is a member, 0 if not, -1 with an error set. */
int kpy_set_has(kpy_coll *self, PyObject *key);

/* The same for a value; no Python code runs. */
int kpy_set_has_value(kpy_coll *self, const kist_value *value);

/* The number of members, or -1 with an error set. */
Py_ssize_t kpy_set_count(kpy_coll *self);

/* --- walks (setiter_type.c) ------------------------------------------------
 */

/* A new iterator; RuntimeError from it once the size changed. */
PyObject *kpy_set_iter(PyObject *self);

/* Makes the iterator's type. */
int kpy_set_iter_type_add(PyObject *module);

/* A strict scan, or NULL with an error set. */
kist_scan *kpy_set_scan_open(kpy_coll *self);

/*
 * 1 and *value, a view good until the next call into kist; 0 at the end; -1
 * with an error set, RuntimeError in set's words if the size changed.
 */
int kpy_set_scan_next(kpy_coll *self, kist_scan *scan, kist_value *value);

/* --- operators and methods (setops.c) --------------------------------------
 */

/* An iterator over any iterable; of a FSSet its own, whatever overrides. */
PyObject *kpy_set_walk(const kpy_state *state, PyObject *source);

/*
 * 1 if `key` is in `container`, a builtin set or a FSSet; 0 if not; -1 with
 * an error set.
 */
int kpy_set_in(const kpy_state *state, PyObject *container, PyObject *key);

PyObject *kpy_set_or(PyObject *left, PyObject *right);
PyObject *kpy_set_and(PyObject *left, PyObject *right);
PyObject *kpy_set_sub(PyObject *left, PyObject *right);
PyObject *kpy_set_xor(PyObject *left, PyObject *right);
PyObject *kpy_set_compare(PyObject *self, PyObject *other, int op);

/* A new builtin set of the members. */
PyObject *kpy_set_copy(PyObject *self, PyObject *unused);

PyObject *kpy_set_union(PyObject *self, PyObject *const *args,
                        Py_ssize_t count);
PyObject *kpy_set_intersection(PyObject *self, PyObject *const *args,
                               Py_ssize_t count);
PyObject *kpy_set_difference(PyObject *self, PyObject *const *args,
                             Py_ssize_t count);
PyObject *kpy_set_symmetric_difference(PyObject *self, PyObject *other);
PyObject *kpy_set_isdisjoint(PyObject *self, PyObject *other);
PyObject *kpy_set_issubset(PyObject *self, PyObject *other);
PyObject *kpy_set_issuperset(PyObject *self, PyObject *other);

/* --- in place (setupdate.c) ------------------------------------------------
 */

PyObject *kpy_set_ior(PyObject *self, PyObject *other);
PyObject *kpy_set_iand(PyObject *self, PyObject *other);
PyObject *kpy_set_isub(PyObject *self, PyObject *other);
PyObject *kpy_set_ixor(PyObject *self, PyObject *other);

PyObject *kpy_set_update(PyObject *self, PyObject *const *args,
                         Py_ssize_t count);
PyObject *kpy_set_intersection_update(PyObject *self, PyObject *const *args,
                                      Py_ssize_t count);
PyObject *kpy_set_difference_update(PyObject *self, PyObject *const *args,
                                    Py_ssize_t count);
PyObject *kpy_set_symmetric_difference_update(PyObject *self, PyObject *other);

/* True for what an operator takes: set, frozenset, FSSet. */
static inline bool
kpy_set_is_any(const kpy_state *state, PyObject *object)
{
    return PyAnySet_Check(object) || kpy_is(state, KPY_TYPE_SET, object);
}

#endif /* KPY_SETOPS_H */
