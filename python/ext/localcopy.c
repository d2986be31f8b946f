/*
 * Deep copies.  copy.deepcopy() takes 5 us for a dict of four fields, all of
 * it bookkeeping; what is made of builtin containers needs little of that.
 *
 * A container that only one place refers to cannot be met twice.  So only
 * those with more references are remembered, and what is plain remembers
 * next to nothing.  Whatever else there is (objects, subclasses, a tuple that
 * contains itself) is left to copy.deepcopy(), from the beginning.
 */

#include "localdict.h"

#define SEEN_FEW 8

/* From containers met to their copies; a copy is NULL while it is made. */
typedef struct seen {
    PyObject **pairs; /* original, copy (both borrowed), original, ... */
    size_t count;
    size_t room;
    PyObject *few[2 * SEEN_FEW];
} seen;

typedef enum outcome {
    COPIED,
    FOREIGN, /* for copy.deepcopy() */
    FAILED   /* with an error set */
} outcome;

/*
 * *copy of `value`, to which the copying itself holds `held` references, not
 * counting that of the container it was found in.
 */
static outcome copy_any(seen *met, PyObject *value, Py_ssize_t held,
                        PyObject **copy);

/* Of what the caller has: other places may refer to it too. */
#define HELD_UNKNOWN (-1)

static inline bool
is_shared(PyObject *value, Py_ssize_t held)
{
    return Py_REFCNT(value) > 1 + held;
}

static inline bool
is_atom(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);

    return type == &PyUnicode_Type || type == &PyLong_Type ||
           type == &PyFloat_Type || type == &PyBool_Type || value == Py_None ||
           type == &PyBytes_Type || type == &PyComplex_Type ||
           type == &PyFunction_Type || type == &PyCFunction_Type ||
           PyType_Check(value);
}

/* The pair of `value`, or NULL. */
static PyObject **
seen_find(const seen *met, PyObject *value)
{
    size_t i;

    for (i = 0; i < met->count; i++) {
        if (met->pairs[2 * i] == value) {
            return met->pairs + 2 * i;
        }
    }
    return NULL;
}

/* Many containers with more than one owner: a walk of the list costs more. */
#define SEEN_MAX 256

static outcome
seen_add(seen *met, PyObject *value, PyObject *copy)
{
    if (met->count == SEEN_MAX) {
        return FOREIGN;
    }
    if (met->count == met->room) {
        PyObject **pairs = PyMem_Malloc(4 * met->room * sizeof(*pairs));
        size_t i;

        if (pairs == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        for (i = 0; i < 2 * met->count; i++) {
            pairs[i] = met->pairs[i];
        }
        if (met->pairs != met->few) {
            PyMem_Free(met->pairs);
        }
        met->pairs = pairs;
        met->room *= 2;
    }
    met->pairs[2 * met->count] = value;
    met->pairs[2 * met->count + 1] = copy;
    met->count++;
    return COPIED;
}

/*
 * Whether the container has been met: *copy and COPIED, or FOREIGN if it is
 * within itself.  If not, *copy is NULL.
 */
static outcome
met_before(const seen *met, PyObject *value, bool shared, PyObject **copy)
{
    PyObject **pair = shared ? seen_find(met, value) : NULL;

    *copy = NULL;
    if (pair == NULL) {
        return COPIED;
    }
    *copy = pair[1];
    Py_XINCREF(*copy);
    return pair[1] == NULL ? FOREIGN : COPIED;
}

static outcome
changed_meanwhile(const char *what)
{
    PyErr_Format(PyExc_RuntimeError, "%s changed size during iteration", what);
    return FAILED;
}

/* Replaces the values of `made`, a shallow copy of `dict`, by copies. */
static outcome
deepen_dict(seen *met, PyObject *dict, PyObject *made)
{
    const Py_ssize_t size = PyDict_GET_SIZE(dict);
    Py_ssize_t place = 0;
    PyObject *key;
    PyObject *value;
    PyObject *copy;
    outcome done = COPIED;
    int rc;

    while (done == COPIED && PyDict_Next(dict, &place, &key, &value)) {
        if (!is_atom(key)) {
            return FOREIGN;
        }
        if (is_atom(value)) {
            continue;
        }
        Py_INCREF(key);
        Py_INCREF(value);
        done = copy_any(met, value, 2, &copy); // this one, and `made`
        if (done == COPIED) {
            // `dict` may belong to another thread, which has run meanwhile.
            rc = PyDict_GET_SIZE(dict) == size
                     ? PyDict_SetItem(made, key, copy)
                     : (int)changed_meanwhile("dictionary");
            done = rc == 0 ? COPIED : FAILED;
            Py_DECREF(copy);
        }
        Py_DECREF(value);
        Py_DECREF(key);
    }
    return done;
}

static outcome
deepen_list(seen *met, PyObject *made)
{
    Py_ssize_t i;
    PyObject *copy;
    outcome done;

    // `made` is ours: nobody else has seen it.
    for (i = 0; i < PyList_GET_SIZE(made); i++) {
        PyObject *value = PyList_GET_ITEM(made, i);

        if (is_atom(value)) {
            continue;
        }
        done = copy_any(met, value, 1, &copy);
        if (done != COPIED) {
            return done;
        }
        PyList_SET_ITEM(made, i, copy);
        Py_DECREF(value);
    }
    return COPIED;
}

/* A dict or a list: known before it is filled, as it may contain itself. */
static outcome
copy_mutable(seen *met, PyObject *value, bool shared, PyObject **copy)
{
    const bool is_dict = PyDict_CheckExact(value);
    PyObject *made;
    outcome done = met_before(met, value, shared, copy);

    if (done != COPIED || *copy != NULL) {
        return done;
    }
    made = is_dict ? PyDict_Copy(value)
                   : PyList_GetSlice(value, 0, PyList_GET_SIZE(value));
    if (made == NULL) {
        return FAILED;
    }
    done = shared ? seen_add(met, value, made) : COPIED;
    if (done == COPIED) {
        done =
            is_dict ? deepen_dict(met, value, made) : deepen_list(met, made);
    }
    if (done != COPIED) {
        Py_DECREF(made);
        return done;
    }
    *copy = made;
    return COPIED;
}

/* The tuple itself if all its items are their own copies. */
static outcome
copy_tuple(seen *met, PyObject *tuple, bool shared, PyObject **copy)
{
    const Py_ssize_t size = PyTuple_GET_SIZE(tuple);
    size_t place = 0;
    bool same = true;
    PyObject *made;
    Py_ssize_t i;
    outcome done = met_before(met, tuple, shared, copy);

    if (done != COPIED || *copy != NULL) {
        return done;
    }
    made = PyTuple_New(size);
    if (made == NULL) {
        return FAILED;
    }
    if (shared) {
        place = met->count;
        done = seen_add(met, tuple, NULL);
    }
    for (i = 0; done == COPIED && i < size; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        PyObject *made_of = NULL;

        done = copy_any(met, item, 0, &made_of);
        if (done == COPIED) {
            PyTuple_SET_ITEM(made, i, made_of);
            same = same && made_of == item;
        }
    }
    if (done != COPIED) {
        Py_DECREF(made);
        return done;
    }
    if (same) {
        Py_SETREF(made, Py_NewRef(tuple));
    }
    if (shared) {
        met->pairs[2 * place + 1] = made;
    }
    *copy = made;
    return COPIED;
}

/* A set of atoms; of anything else it is left to copy.deepcopy(). */
static outcome
copy_set(seen *met, PyObject *set, bool shared, PyObject **copy)
{
    PyObject *iterator;
    PyObject *item;
    bool atoms = true;
    outcome done = met_before(met, set, shared, copy);

    if (done != COPIED || *copy != NULL) {
        return done;
    }
    iterator = PyObject_GetIter(set);
    if (iterator == NULL) {
        return FAILED;
    }
    while (atoms && (item = PyIter_Next(iterator)) != NULL) {
        atoms = is_atom(item);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return FAILED;
    }
    if (!atoms) {
        return FOREIGN;
    }
    *copy = PyFrozenSet_CheckExact(set) ? Py_NewRef(set) : PySet_New(set);
    done = *copy == NULL ? FAILED : COPIED;
    if (done == COPIED && shared) {
        done = seen_add(met, set, *copy);
        if (done != COPIED) {
            Py_CLEAR(*copy);
        }
    }
    return done;
}

static outcome
copy_any(seen *met, PyObject *value, Py_ssize_t held, PyObject **copy)
{
    const bool shared = is_shared(value, held);
    outcome done;

    if (is_atom(value)) {
        *copy = Py_NewRef(value);
        return COPIED;
    }
    if (Py_EnterRecursiveCall(" in a deep copy")) {
        return FAILED;
    }
    if (PyDict_CheckExact(value) || PyList_CheckExact(value)) {
        done = copy_mutable(met, value, shared, copy);
    }
    else if (PyTuple_CheckExact(value)) {
        done = copy_tuple(met, value, shared, copy);
    }
    else if (PySet_CheckExact(value) || PyFrozenSet_CheckExact(value)) {
        done = copy_set(met, value, shared, copy);
    }
    else {
        done = FOREIGN;
    }
    Py_LeaveRecursiveCall();
    return done;
}

/* Whether all keys and values are atoms: then a shallow copy is deep. */
static bool
is_flat(PyObject *dict)
{
    Py_ssize_t place = 0;
    PyObject *key;
    PyObject *value;

    while (PyDict_Next(dict, &place, &key, &value)) {
        if (!is_atom(key) || !is_atom(value)) {
            return false;
        }
    }
    return true;
}

PyObject *
kpy_deep_copy(kpy_state *state, PyObject *value)
{
    PyObject *copy = NULL;
    PyObject *deepcopy;
    outcome done;
    seen met;

    if (is_atom(value)) {
        return Py_NewRef(value);
    }
    if (PyDict_CheckExact(value) && is_flat(value)) {
        return PyDict_Copy(value);
    }
    met.pairs = met.few;
    met.count = 0;
    met.room = SEEN_FEW;
    done = copy_any(&met, value, HELD_UNKNOWN, &copy);
    if (met.pairs != met.few) {
        PyMem_Free(met.pairs);
    }
    if (done != FOREIGN) {
        return done == COPIED ? copy : NULL;
    }
    deepcopy = kpy_lazy(state, KPY_LAZY_DEEPCOPY);
    return deepcopy == NULL ? NULL : PyObject_CallOneArg(deepcopy, value);
}
