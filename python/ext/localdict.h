/*
 * localdict.h - LocalDict: a store of Python objects in the memory of one
 * process.
 *
 *     LocalDict ─┐                 children   buckets by format
 *     LocalDict ─┴─> kpy_local_node ──> node ──> {"c": entry}
 *                        │  {"pkl": {"a": entry, "b": entry}}
 *                        └─> kpy_local_tree: the counter all nodes share
 *
 * A key ("x", "y", "a") is the leaf "a" of the node "x", "y".  Values are
 * deep copies, in and out: nobody outside has the object that an entry has,
 * so an entry never changes once it is in the tree.
 *
 * Layer    extension.
 * Threads  with the GIL.  What must be one step (test and insert, count and
 *          insert) runs no Python code in between: objects are made before,
 *          and what they replace is released after.
 *
 * INVARIANTS
 *  (1) A bucket stays the one of its node and format for the node's life, so
 *      a LocalDict may keep its own at hand.
 *  (2) An entry's etag is given to no other entry of the tree, ever.
 *  (3) A node is taken out of the tree only if nothing but the tree knows it
 *      and it is empty: what is written through a sub-dict is never lost.
 *  (4) No node is deeper than KPY_LOCAL_DEPTH_MAX: walks are recursive.
 */
#ifndef KPY_LOCALDICT_H
#define KPY_LOCALDICT_H

#include "storeres.h"
#include "strtuple.h"

#define KPY_LOCAL_DEPTH_MAX 1000

/* What all nodes of a tree share. */
typedef struct kpy_local_tree {
    size_t refs;
    uint64_t counter; /* the last etag that was given */
} kpy_local_tree;

typedef struct kpy_local_node {
    PyObject_HEAD PyObject *children; /* {str: node}, NULL until needed */
    PyObject *buckets;                /* {format: {str: entry}} */
    int depth;                        /* below the root, invariant (4) */
    kpy_local_tree *tree;
} kpy_local_node;

typedef struct kpy_local_entry {
    PyObject_HEAD PyObject *value;
    double timestamp; /* seconds since 1970 */
    uint64_t etag;
} kpy_local_entry;

/* The part of a LocalDict that is C; a shell's instances have a __dict__. */
typedef struct kpy_local {
    PyObject_HEAD kpy_state *state;
    kpy_local_node *node; /* NULL until __init__ */
    PyObject *format;     /* str */
    PyObject *bucket;     /* of the node and the format, invariant (1) */
    PyObject *base;       /* a type, or None */
    bool append_only;
    Py_ssize_t prune_interval; /* 0: never */
    Py_ssize_t deletes;        /* since the last pruning */
} kpy_local;

/*
 * A deep copy of `value`, as copy.deepcopy() makes it: quickly if it is made
 * of exact builtin containers and atoms, by copy.deepcopy() else.
 */
PyObject *kpy_deep_copy(kpy_state *state, PyObject *value);

/* The etag of an entry as Python has it. */
PyObject *kpy_local_etag(uint64_t etag);

/* A new node below `parent`, or, if that is NULL, a new tree's root. */
kpy_local_node *kpy_local_node_new(kpy_state *state,
                                   const kpy_local_node *parent);

/*
 * The bucket for `format` of a node, borrowed; NULL without an error if there
 * is none and `make` is false, and with one if there is no memory.
 */
PyObject *kpy_local_bucket(kpy_local_node *node, PyObject *format, bool make);

/*
 * Where the item `key` is: *bucket and *leaf, two new references.  1; 0 if
 * its node is not there (then both are NULL, unless `make`); -1 with what
 * NonEmptySafeStrTuple(key) raises.
 */
int kpy_local_place(kpy_local *self, PyObject *key, bool make,
                    PyObject **bucket, PyObject **leaf);

/* The entry of `key`, a new reference: 1; 0 if there is none; or -1. */
int kpy_local_find(kpy_local *self, PyObject *key, kpy_local_entry **entry);

/* A new entry with a deep copy of `value`, not yet in the tree, or NULL. */
kpy_local_entry *kpy_local_entry_new(kpy_local *self, PyObject *value);

/* Gives `entry` its etag and time, and puts it in.  0 or -1. */
int kpy_local_put(kpy_local *self, PyObject *bucket, PyObject *leaf,
                  kpy_local_entry *entry);

/* A copy of the value of `entry`, checked against the base class. */
PyObject *kpy_local_value(kpy_local *self, const kpy_local_entry *entry);

/* Takes the item out: 1, or 0 if there is none, or -1. */
int kpy_local_take_out(kpy_local *self, PyObject *bucket, PyObject *leaf);

/* Takes the empty nodes below `node` out, if nobody has them (3): 0 or -1. */
int kpy_local_prune(kpy_local_node *node);

/* The node of a prefix, which may be empty; made if it is not there. */
kpy_local_node *kpy_local_descend(kpy_local *self, PyObject *prefix);

/*
 * Prunes if that is due; the caller holds no bucket any more, as what is held
 * is not pruned.  0 or -1.
 */
int kpy_local_tidy(kpy_local *self);

/* -1 with RuntimeError if __init__ was not called. */
int kpy_local_ready(const kpy_local *self);

/* The conditional operations, METH_FASTCALL | METH_KEYWORDS. */
PyObject *kpy_local_get_item_if(PyObject *self, PyObject *const *args,
                                Py_ssize_t count, PyObject *names);
PyObject *kpy_local_set_item_if(PyObject *self, PyObject *const *args,
                                Py_ssize_t count, PyObject *names);
PyObject *kpy_local_setdefault_if(PyObject *self, PyObject *const *args,
                                  Py_ssize_t count, PyObject *names);
PyObject *kpy_local_discard_if(PyObject *self, PyObject *const *args,
                               Py_ssize_t count, PyObject *names);

/* What _generic_iter() answers; `labels` is a set that was checked. */
PyObject *kpy_local_iter(kpy_local *self, bool keys, bool values,
                         bool timestamps);

int kpy_localnode_type_add(PyObject *module);
int kpy_localiter_type_add(PyObject *module);

/* --- for wrappers in C -----------------------------------------------------
 */

/* Whether `d[key]` of `object` would be the one below, not patched. */
bool kpy_local_is_plain(PyObject *object);

/* d[key]: 1 and *value; 0 if there is none, without an error; or -1. */
int kpy_local_get(PyObject *self, PyObject *key, PyObject **value);

#endif /* KPY_LOCALDICT_H */
