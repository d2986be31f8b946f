/*
 * strtuple.h - SafeStrTuple and NonEmptySafeStrTuple: keys of stores, as
 * Python has them and as the library takes them.
 *
 *   'a'   ('a', 'b')   SafeStrTuple('a', ['b'])     what users pass
 *    |         |                  |
 *    "a"      "a/b"              "a/b"              kpy_path: what C passes
 *
 * A component is 1 to 253 of the 69 safe characters, and not "." or "..".
 * All safe characters are ASCII and "/" is none of them: the joined form is
 * injective, and a key of one component is its str's own bytes.
 *
 * Layer    extension.
 * Threads  with the GIL; the bytes of a kpy_path may be read without it.
 *
 * INVARIANTS
 *  (1) The strings of a SafeStrTuple never change, and are exact str.
 *  (2) A kpy_path keeps alive what its text borrows from, until
 *      kpy_path_done().
 */
#ifndef KPY_STRTUPLE_H
#define KPY_STRTUPLE_H

#include "module.h"

#define KPY_COMPONENT_SIZE_MAX 253

/* A key as the library takes it.  Not to be copied: `text` may be `room`. */
typedef struct kpy_path {
    kist_slice text; /* "a/b/c", never empty unless that was allowed */
    PyObject *owner; /* what `text` borrows from, or NULL: `room` */
    uint8_t room[256];
} kpy_path;

/*
 * *path becomes the joined form of `key`: a str, a SafeStrTuple, or any
 * sequence of these that is no mapping, nested as it likes.  No Python object
 * is made of a str, nor of a tuple that is short.  0, or -1 with what
 * NonEmptySafeStrTuple(key) raises; then there is nothing to undo.
 */
int kpy_path_of(kpy_state *state, PyObject *key, kpy_path *path);

/* As kpy_path_of(), but an empty key (a prefix of everything) is allowed. */
int kpy_path_of_prefix(kpy_state *state, PyObject *key, kpy_path *path);

static inline void
kpy_path_done(kpy_path *path)
{
    Py_CLEAR(path->owner);
}

/* NonEmptySafeStrTuple(key): a new reference, or NULL with its error. */
PyObject *kpy_key_coerce(kpy_state *state, PyObject *key);

/* SafeStrTuple(key), likewise. */
PyObject *kpy_key_coerce_any(kpy_state *state, PyObject *key);

/* A new NonEmptySafeStrTuple of a valid kpy_path, for KeyError. */
PyObject *kpy_key_of_path(kpy_state *state, kist_slice text);

/* A new SafeStrTuple of a valid joined key, for what iteration hands out. */
PyObject *kpy_key_listed(kpy_state *state, kist_slice text);

/* Whether `text` is one component: 1 to 253 safe characters, not "." "..". */
bool kpy_component_is_safe(const uint8_t *text, size_t size);

/* 0 if the exact str `text` may be a component, or -1 with ValueError. */
int kpy_component_check(PyObject *text);

/* Whether `text` is "a", "a/b", ...: what kpy_key_listed() may be given. */
bool kpy_path_is_safe(kist_slice text);

/* --- for strtuple_type.c ---------------------------------------------------
 */

/* An instance of either type. */
typedef struct kpy_strtuple {
    PyObject_HEAD PyObject *strings; /* a tuple of exact str */
    PyObject *joined;   /* bytes "a/b"; NULL until asked for, or if short */
    PyObject *weakrefs; /* of which there may be some */
} kpy_strtuple;

/*
 * A tuple of the strings that the arguments hold, or NULL with the contract's
 * error; `full` refuses an empty one.
 */
PyObject *kpy_strings_of(kpy_state *state, PyObject *const *args,
                         Py_ssize_t count, bool full);

/* A new instance of `type`, or NULL.  Takes `strings` over, which may be NULL
 * with an error set. */
PyObject *kpy_key_wrap(PyTypeObject *type, PyObject *strings);

/* A new tuple: `prefix`, a tuple, and `leaf` behind it.  Or NULL. */
PyObject *kpy_key_longer(PyObject *prefix, PyObject *leaf);

#endif /* KPY_STRTUPLE_H */
