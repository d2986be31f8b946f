/*
 * dictobj.h - what the files of FSDict share: dict_type.c the type and its
 * lookups, dictfill.c all that writes many items, dictiter_type.c the
 * iterators, dictview_type.c keys(), values() and items().
 *
 * Layer    extension.
 * Threads  with the GIL.
 *
 * INVARIANTS
 *  (1) Keys are str.  A lookup with another hashable thing finds nothing
 *      (row 21), a write with it is TypeError (row 20).
 *  (2) Iterators open strict scans: adding or removing a key ends them with
 *      RuntimeError, overwriting does not (row 15).
 */
#ifndef KPY_DICTOBJ_H
#define KPY_DICTOBJ_H

#include "collbase.h"

/* What an iterator or a view gives. */
typedef enum kpy_dict_part {
    KPY_DICT_KEYS,
    KPY_DICT_VALUES,
    KPY_DICT_ITEMS
} kpy_dict_part;

/*
 * The key of a lookup: 1 and *name, 0 if no key can equal `key`, -1 with
 * TypeError if it is unhashable.
 */
int kpy_dict_key_find(PyObject *key, kpy_scratch *scratch, kist_slice *name);

/* TypeError unless `key` can be written. */
bool kpy_dict_key_check(PyObject *key);

/*
 * The value under `key`, a new reference in *value: 1, 0 if absent, -1 with
 * an error set.
 */
int kpy_dict_find(kpy_coll *dict, PyObject *key, PyObject **value);

/* 1 or 0, or -1 with an error set. */
int kpy_dict_has(kpy_coll *dict, PyObject *key);

/* len(dict), or -1 with an error set. */
Py_ssize_t kpy_dict_length(kpy_coll *dict);

/* A builtin dict with the contents (row 40). */
PyObject *kpy_dict_copy(kpy_coll *dict);

/* A new iterator over `part`, from the end if `reverse`. */
PyObject *kpy_dict_iter(kpy_coll *dict, kpy_dict_part part, bool reverse);

/* A view (row 14). */
PyObject *kpy_dict_view(kpy_coll *dict, kpy_dict_part part);

/* A scan of dict; NULL with an error set. */
kist_scan *kpy_dict_scan_open(kpy_coll *dict, bool reverse);

/*
 * The next item of it as views: 1; 0 at the end; -1 with RuntimeError
 * (changed), ValueError (closed) or the like set.
 */
int kpy_dict_scan_next(kpy_coll *dict, kist_scan *scan, kist_slice *key,
                       kist_value *value);

/* update(source, **named) as one batch; both may be NULL.  0 or -1. */
int kpy_dict_update(kpy_coll *dict, PyObject *source, PyObject *named);

/* Methods and slots of dictfill.c. */
PyObject *kpy_dict_fromkeys(PyObject *type, PyObject *const *args,
                            Py_ssize_t count);
PyObject *kpy_dict_or(PyObject *left, PyObject *right);
PyObject *kpy_dict_ior(PyObject *self, PyObject *other);
PyObject *kpy_dict_get_many(PyObject *self, PyObject *const *args,
                            Py_ssize_t count, PyObject *names);

int kpy_dictiter_type_add(PyObject *module);

#endif /* KPY_DICTOBJ_H */
