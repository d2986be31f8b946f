/*
 * All of it is made of two questions, "is this key in that container" and
 * "what is in it", asked of builtin sets and of FSSets alike; so the numbers
 * and NaNs of a FSSet are found by the set's own rule, and what is larger is
 * never copied to ask the smaller.
 */

#include "setops.h"

typedef int (*fill_function)(kpy_state *state, PyObject *result,
                             PyObject *left, PyObject *right);

PyObject *
kpy_set_walk(const kpy_state *state, PyObject *source)
{
    return kpy_is(state, KPY_TYPE_SET, source) ? kpy_set_iter(source)
                                               : PyObject_GetIter(source);
}

int
kpy_set_in(const kpy_state *state, PyObject *container, PyObject *key)
{
    return kpy_is(state, KPY_TYPE_SET, container)
               ? kpy_set_has((kpy_coll *)container, key)
               : PySet_Contains(container, key);
}

static Py_ssize_t
size_of(const kpy_state *state, PyObject *any)
{
    return kpy_is(state, KPY_TYPE_SET, any) ? kpy_set_count((kpy_coll *)any)
                                            : PySet_Size(any);
}

/* Adds everything of `source` to `result`. */
static int
pour(kpy_state *state, PyObject *result, PyObject *source)
{
    PyObject *walk = kpy_set_walk(state, source);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        failed = PySet_Add(result, key) < 0;
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/*
 * Adds to `result` what of `source` is in `container` (`wanted` 1) or is not
 * (`wanted` 0).
 */
static int
keep(kpy_state *state, PyObject *result, PyObject *source, PyObject *container,
     int wanted)
{
    PyObject *walk = kpy_set_walk(state, source);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        const int found = kpy_set_in(state, container, key);

        failed = found < 0 || (found == wanted && PySet_Add(result, key) < 0);
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/*
 * 1 if for all of `source` the answer to "is it in `container`" is `wanted`,
 * 0 if not.
 */
static int
all_are(kpy_state *state, PyObject *source, PyObject *container, int wanted)
{
    PyObject *walk = kpy_set_walk(state, source);
    PyObject *key;
    int answer = walk == NULL ? -1 : 1;

    while (answer == 1 && (key = PyIter_Next(walk)) != NULL) {
        const int found = kpy_set_in(state, container, key);

        answer = found < 0 ? -1 : found == wanted;
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return answer == 1 && PyErr_Occurred() ? -1 : answer;
}

/* Makes *small the smaller of two sets and *large the other. */
static int
by_size(const kpy_state *state, PyObject *left, PyObject *right,
        PyObject **small, PyObject **large)
{
    const Py_ssize_t left_size = size_of(state, left);
    const Py_ssize_t right_size = left_size < 0 ? -1 : size_of(state, right);

    *small = left_size < right_size ? left : right;
    *large = left_size < right_size ? right : left;
    return right_size < 0 ? -1 : 0;
}

/* --- the four operations --------------------------------------------------
 */

/* `right` may be any iterable here. */
static int
fill_or(kpy_state *state, PyObject *result, PyObject *left, PyObject *right)
{
    if (pour(state, result, left) < 0) {
        return -1;
    }
    // Between two of ours a NaN is known by its bits, which only we see.
    if (kpy_is(state, KPY_TYPE_SET, left) &&
        kpy_is(state, KPY_TYPE_SET, right)) {
        return keep(state, result, right, left, 0);
    }
    return pour(state, result, right);
}

/* `right` may be any iterable here. */
static int
fill_and(kpy_state *state, PyObject *result, PyObject *left, PyObject *right)
{
    if (!kpy_set_is_any(state, right)) {
        return keep(state, result, right, left, 1);
    }
    if (by_size(state, left, right, &left, &right) < 0) {
        return -1;
    }
    return keep(state, result, left, right, 1);
}

static int
fill_sub(kpy_state *state, PyObject *result, PyObject *left, PyObject *right)
{
    return keep(state, result, left, right, 0);
}

static int
fill_xor(kpy_state *state, PyObject *result, PyObject *left, PyObject *right)
{
    if (keep(state, result, left, right, 0) < 0) {
        return -1;
    }
    return keep(state, result, right, left, 0);
}

static PyObject *
make(kpy_state *state, fill_function fill, PyObject *left, PyObject *right)
{
    PyObject *result = PySet_New(NULL);

    if (result != NULL && fill(state, result, left, right) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

/* What an operator answers: sets only, and the kind of the left one. */
static PyObject *
operate(fill_function fill, PyObject *left, PyObject *right)
{
    kpy_state *state = kpy_state_of_either(left, right);
    PyObject *result;

    if (state == NULL) {
        return NULL;
    }
    if (!kpy_set_is_any(state, left) || !kpy_set_is_any(state, right)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    result = make(state, fill, left, right);
    if (result != NULL && PyFrozenSet_Check(left)) {
        Py_SETREF(result, PyFrozenSet_New(result));
    }
    return result;
}

PyObject *
kpy_set_or(PyObject *left, PyObject *right)
{
    return operate(fill_or, left, right);
}

PyObject *
kpy_set_and(PyObject *left, PyObject *right)
{
    return operate(fill_and, left, right);
}

PyObject *
kpy_set_sub(PyObject *left, PyObject *right)
{
    return operate(fill_sub, left, right);
}

PyObject *
kpy_set_xor(PyObject *left, PyObject *right)
{
    return operate(fill_xor, left, right);
}

/* --- methods --------------------------------------------------------------
 */

PyObject *
kpy_set_copy(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *result = PySet_New(NULL);

    if (result != NULL && pour(((kpy_coll *)self)->state, result, self) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

PyObject *
kpy_set_union(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    PyObject *result = count == 0 ? kpy_set_copy(self, NULL)
                                  : make(state, fill_or, self, args[0]);
    Py_ssize_t i;

    for (i = 1; i < count && result != NULL; i++) {
        if (pour(state, result, args[i]) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

PyObject *
kpy_set_intersection(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    PyObject *result = count == 0 ? kpy_set_copy(self, NULL)
                                  : make(state, fill_and, self, args[0]);
    Py_ssize_t i;

    for (i = 1; i < count && result != NULL; i++) {
        Py_SETREF(result, make(state, fill_and, result, args[i]));
    }
    return result;
}

/* Removes from the builtin set `result` what `source` gives. */
static int
take_away(kpy_state *state, PyObject *result, PyObject *source)
{
    PyObject *walk = kpy_set_walk(state, source);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        failed = PySet_Discard(result, key) < 0;
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

PyObject *
kpy_set_difference(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    const bool asks = count > 0 && kpy_set_is_any(state, args[0]);
    PyObject *result =
        asks ? make(state, fill_sub, self, args[0]) : kpy_set_copy(self, NULL);
    Py_ssize_t i;

    for (i = asks ? 1 : 0; i < count && result != NULL; i++) {
        if (take_away(state, result, args[i]) < 0) {
            Py_CLEAR(result);
        }
    }
    return result;
}

/* A new reference: `object` if it is a set, else a set of what it gives. */
static PyObject *
set_from(const kpy_state *state, PyObject *object)
{
    return kpy_set_is_any(state, object) ? Py_NewRef(object)
                                         : PySet_New(object);
}

PyObject *
kpy_set_symmetric_difference(PyObject *self, PyObject *other)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    PyObject *right = set_from(state, other);
    PyObject *result;

    if (right == NULL) {
        return NULL;
    }
    result = make(state, fill_xor, self, right);
    Py_DECREF(right);
    return result;
}

static PyObject *
bool_or_null(int answer)
{
    return answer < 0 ? NULL : PyBool_FromLong(answer);
}

PyObject *
kpy_set_isdisjoint(PyObject *self, PyObject *other)
{
    kpy_state *state = ((kpy_coll *)self)->state;

    if (kpy_set_is_any(state, other) &&
        by_size(state, self, other, &other, &self) < 0) {
        return NULL;
    }
    return bool_or_null(all_are(state, other, self, 0));
}

PyObject *
kpy_set_issubset(PyObject *self, PyObject *other)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    PyObject *right = set_from(state, other);
    PyObject *result;

    if (right == NULL) {
        return NULL;
    }
    result = kpy_set_compare(self, right, Py_LE);
    Py_DECREF(right);
    return result;
}

PyObject *
kpy_set_issuperset(PyObject *self, PyObject *other)
{
    kpy_state *state = ((kpy_coll *)self)->state;

    return kpy_set_is_any(state, other)
               ? kpy_set_compare(self, other, Py_GE)
               : bool_or_null(all_are(state, other, self, 1));
}

PyObject *
kpy_set_compare(PyObject *self, PyObject *other, int op)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    Py_ssize_t mine;
    Py_ssize_t theirs;
    bool fits = false;
    int answer = 0;

    if (!kpy_set_is_any(state, other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    mine = size_of(state, self);
    theirs = mine < 0 ? -1 : size_of(state, other);
    if (theirs < 0) {
        return NULL;
    }
    switch (op) {
    case Py_EQ:
    case Py_NE:
        fits = mine == theirs;
        break;
    case Py_LE:
        fits = mine <= theirs;
        break;
    case Py_LT:
        fits = mine < theirs;
        break;
    case Py_GE:
        fits = mine >= theirs;
        break;
    default:
        fits = mine > theirs;
        break;
    }
    if (fits) {
        answer = op == Py_LE || op == Py_LT ? all_are(state, self, other, 1)
                                            : all_are(state, other, self, 1);
    }
    if (answer >= 0 && op == Py_NE) {
        answer = !answer;
    }
    return bool_or_null(answer);
}
