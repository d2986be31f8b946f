/*
 * storeres.h - what all stores of Python objects share: the flags, the
 * conditions, the results of conditional operations, the checks of a value.
 *
 * The flags and the exceptions are Python classes of
 * kist.persidict.jokers_and_status_flags and .exceptions; importing
 * kist.persidict puts them into the state (module function _store_register),
 * so that C finds each by one load.  The results are C types.
 *
 * Layer    extension.
 * Threads  with the GIL.
 *
 * INVARIANTS
 *  (1) Every kpy_part is there once kist.persidict was imported; all shells
 *      over C bases live in it, so a base may take that for granted.
 *  (2) A flag is one object of the interpreter: it is compared by identity.
 *      Only a retrieve_value may be of a subclass.
 */
#ifndef KPY_STORERES_H
#define KPY_STORERES_H

#include "module.h"

/* The part `id` of the state, borrowed; see kpy_part_id in module.h. */
static inline PyObject *
kpy_part(const kpy_state *state, kpy_part_id id)
{
    return state->parts[id];
}

/* Imports kist.persidict if that was not done yet, see (1).  0 or -1. */
int kpy_parts_ready(kpy_state *state);

/* --- conditions ------------------------------------------------------------
 */

typedef enum kpy_condition {
    KPY_CONDITION_ANY,
    KPY_CONDITION_SAME,
    KPY_CONDITION_CHANGED,
} kpy_condition;

typedef enum kpy_retrieve {
    KPY_RETRIEVE_ALWAYS,
    KPY_RETRIEVE_NEVER,
    KPY_RETRIEVE_IF_CHANGED,
} kpy_retrieve;

/* 0 and *condition, or -1 with the contract's ValueError. */
int kpy_condition_of(kpy_state *state, PyObject *flag,
                     kpy_condition *condition);

/* 0 and *retrieve, or -1 with the contract's TypeError. */
int kpy_retrieve_of(kpy_state *state, PyObject *flag, kpy_retrieve *retrieve);

/*
 * Whether `expected == actual`, both etags (str) or ITEM_NOT_AVAILABLE:
 * 1, 0, or -1 with an error set (an etag may be anything that users pass).
 */
int kpy_etag_same(PyObject *expected, PyObject *actual);

/*
 * The keywords of a conditional operation.  What is not given is NULL, and
 * IF_ETAG_CHANGED for retrieve_value.  All borrowed.
 */
typedef struct kpy_cond_args {
    PyObject *key;
    PyObject *value; /* of value=, default_value= */
    PyObject *expected;
    PyObject *condition_flag; /* read it by kpy_condition_of() */
    kpy_retrieve retrieve;
} kpy_cond_args;

/* Which of the four operations' keywords are read. */
typedef enum kpy_cond_op {
    KPY_COND_GET,        /* key, condition, expected_etag, retrieve_value */
    KPY_COND_SET,        /* and value */
    KPY_COND_SETDEFAULT, /* and default_value, which is no Joker */
    KPY_COND_DISCARD,    /* no retrieve_value */
} kpy_cond_op;

/*
 * Reads the arguments of a METH_FASTCALL | METH_KEYWORDS method, and checks,
 * in the contract's order, what it checks before the key: default_value is no
 * Joker, retrieve_value is a RetrieveValueFlag.  0, or -1 with TypeError.
 */
int kpy_cond_args_read(kpy_state *state, kpy_cond_op op, PyObject *const *args,
                       Py_ssize_t count, PyObject *names, kpy_cond_args *read);

/*
 * Reads the arguments of method `name`, (key) or (key, default): each by
 * place or by name.  `fallback` is NULL if there is no second one, else it
 * must be set to what it is if not given.  The key, borrowed, or NULL with
 * TypeError.
 */
PyObject *kpy_key_arg(kpy_state *state, const char *name,
                      PyObject *const *args, Py_ssize_t count, PyObject *names,
                      PyObject **fallback);

/* --- results ---------------------------------------------------------------
 */

/*
 * A new ConditionalOperationResult; takes no reference of its arguments over.
 * `actual` and `resulting` are str or ITEM_NOT_AVAILABLE.
 */
PyObject *kpy_result_new(kpy_state *state, bool satisfied, PyObject *actual,
                         PyObject *resulting, PyObject *value);

/* (satisfied, NA, NA, NA): there is no such item. */
PyObject *kpy_result_absent(kpy_state *state, bool satisfied);

/* A new OperationResult. */
PyObject *kpy_opresult_new(kpy_state *state, PyObject *resulting,
                           PyObject *value);

/* --- values and policies ---------------------------------------------------
 */

/*
 * Whether `value` may be stored where the base class is `base` (a type, None
 * or NULL): 0, or -1 with TypeError "Cannot store a PersiDict instance
 * directly" or "Value must be an instance of X".  Jokers are the caller's to
 * see to first: kpy_is_keep(), kpy_is_delete().
 */
int kpy_value_check(kpy_state *state, PyObject *base, PyObject *value);

/* The same for a value read: "..., but it is Y instead." */
int kpy_value_check_read(PyObject *base, PyObject *value);

static inline bool
kpy_is_keep(const kpy_state *state, PyObject *value)
{
    return value == state->parts[KPY_PART_KEEP_CURRENT];
}

static inline bool
kpy_is_delete(const kpy_state *state, PyObject *value)
{
    return value == state->parts[KPY_PART_DELETE_CURRENT];
}

/* Raises MutationPolicyError("append-only"); returns -1. */
int kpy_raise_append_only(kpy_state *state);

/* Raises KeyError carrying `key` as a NonEmptySafeStrTuple; returns -1. */
int kpy_raise_key_error(kpy_state *state, PyObject *key);

#endif /* KPY_STORERES_H */
