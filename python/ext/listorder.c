/*
 * sort, reverse and comparison.
 *
 * Sorting is left to the builtin list, which is good at it: the positions 0,
 * 1, 2 ... are sorted by the items (or their keys), and the outcome is one
 * permutation of the stored list.  So it is stable, one record, and on any
 * exception the old order stays (row 5).
 */
#include <string.h>

#include "listobj.h"

/* --- has it changed? ------------------------------------------------------
 */

/* Mixes `size` bytes into a hash; 64-bit FNV-1a by words. */
static uint64_t
mix(uint64_t hash, const void *data, size_t size)
{
    const uint64_t prime = UINT64_C(0x100000001b3);
    const uint8_t *bytes = data;
    uint64_t word = 0;

    while (size >= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * prime;
        hash ^= hash >> 29;
        bytes += 8;
        size -= 8;
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, bytes, size);
        hash = (hash ^ word ^ (uint64_t)size << 56) * prime;
        hash ^= hash >> 29;
    }
    return hash;
}

static uint64_t
mix_value(uint64_t hash, const kist_value *value)
{
    const uint64_t type = (uint64_t)value->type;
    uint64_t word = 0;

    hash = mix(hash, &type, sizeof(type));
    if (kist_type_has_bytes(value->type)) {
        word = value->as.bytes.size;
        hash = mix(hash, &word, sizeof(word));
        return mix(hash, value->as.bytes.data, value->as.bytes.size);
    }
    if (value->type == KIST_BOOL) {
        word = value->as.boolean;
    }
    else if (value->type == KIST_INT || value->type == KIST_FLOAT) {
        memcpy(&word, &value->as, sizeof(word));
    }
    return mix(hash, &word, sizeof(word));
}

/*
 * A hash of all that the list holds, in order.  Taken before and after the
 * keys and comparisons have run, it notices what anybody has changed, other
 * handles and processes too.
 */
static kist_status
fingerprint(kist_list *list, uint64_t *hash)
{
    kist_value values[KPY_LIST_RUN];
    uint64_t at = 0;
    size_t got = 1;
    size_t i;
    kist_status status = KIST_OK;

    *hash = UINT64_C(0xcbf29ce484222325);
    while (got > 0) {
        status = kist_list_get_many(list, at, KPY_LIST_RUN, values, &got);
        if (status != KIST_OK) {
            break;
        }
        for (i = 0; i < got; i++) {
            *hash = mix_value(*hash, &values[i]);
        }
        at += got;
    }
    return status;
}

/* --- sort ----------------------------------------------------------------
 */

/* Each item's key, in place. */
static int
apply_key(PyObject *items, PyObject *key)
{
    Py_ssize_t i;

    for (i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *made = PyObject_CallOneArg(key, PyList_GET_ITEM(items, i));

        if (made == NULL || PyList_SetItem(items, i, made) < 0) {
            return -1;
        }
    }
    return 0;
}

/* positions.sort(key=items.__getitem__, reverse=reverse) */
static int
sort_positions(PyObject *positions, PyObject *items, PyObject *reverse)
{
    PyObject *sort = PyObject_GetAttrString(positions, "sort");
    PyObject *getter = PyObject_GetAttrString(items, "__getitem__");
    PyObject *keywords = NULL;
    PyObject *arguments = PyTuple_New(0);
    PyObject *answer = NULL;

    if (sort != NULL && getter != NULL && arguments != NULL) {
        keywords =
            Py_BuildValue("{s:O,s:O}", "key", getter, "reverse", reverse);
    }
    if (keywords != NULL) {
        answer = PyObject_Call(sort, arguments, keywords);
    }
    Py_XDECREF(sort);
    Py_XDECREF(getter);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

/* A builtin list of 0, 1, 2 ... count-1. */
static PyObject *
positions_new(Py_ssize_t count)
{
    PyObject *positions = PyList_New(count);
    Py_ssize_t i;

    for (i = 0; positions != NULL && i < count; i++) {
        PyObject *number = PyLong_FromSsize_t(i);

        if (number == NULL) {
            Py_CLEAR(positions);
            break;
        }
        PyList_SET_ITEM(positions, i, number);
    }
    return positions;
}

/* The order as numbers; the caller frees it.  NULL with an error set. */
static uint64_t *
order_of(PyObject *positions)
{
    const Py_ssize_t count = PyList_GET_SIZE(positions);
    uint64_t *order = PyMem_New(uint64_t, count > 0 ? (size_t)count : 1);
    Py_ssize_t i;

    if (order == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (i = 0; i < count; i++) {
        order[i] = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(positions, i));
    }
    return order;
}

/*
 * Stores the order, if the list is still what was sorted: else ValueError, as
 * list.sort() has it.
 */
static int
store_order(kpy_coll *list, uint64_t before, const uint64_t *order,
            Py_ssize_t count)
{
    uint64_t now;
    kist_status status;
    bool mine;

    if (!kpy_coll_writable_or_raise(list) ||
        kpy_coll_batch_begin(list, &mine) < 0) {
        return -1;
    }
    status = fingerprint(list->handle.list, &now);
    if (status == KIST_OK && now != before) {
        status = KIST_ERR_CHANGED;
    }
    if (status == KIST_OK) {
        status = kist_list_permute(list->handle.list, order, (uint64_t)count);
    }
    status = kpy_coll_batch_end(list, mine, status);
    if (status == KIST_ERR_CHANGED) {
        PyErr_SetString(PyExc_ValueError, "list modified during sort");
        return -1;
    }
    return status == KIST_OK ? 0 : kpy_raise_int(list->state, status);
}

/* Sorts the positions of `items` and stores what came out. */
static int
sort_items(kpy_coll *list, uint64_t before, PyObject *items, PyObject *key,
           PyObject *reverse)
{
    const Py_ssize_t count = PyList_GET_SIZE(items);
    PyObject *positions;
    uint64_t *order = NULL;
    int result = -1;

    if (key != Py_None && apply_key(items, key) < 0) {
        return -1;
    }
    positions = positions_new(count);
    if (positions != NULL && sort_positions(positions, items, reverse) == 0) {
        order = order_of(positions);
    }
    if (order != NULL) {
        result = store_order(list, before, order, count);
    }
    PyMem_Free(order);
    Py_XDECREF(positions);
    return result;
}

/*
 * Whether two reads of the list see the same is what the fingerprint is for,
 * so it is taken first: a change by another process in between is noticed.
 */
static int
sort_list(kpy_coll *list, PyObject *key, PyObject *reverse)
{
    PyObject *items;
    uint64_t before;
    kist_status status;
    int result;

    if (!kpy_coll_writable_or_raise(list)) {
        return -1;
    }
    status = fingerprint(list->handle.list, &before);
    if (status != KIST_OK) {
        return kpy_raise_int(list->state, status);
    }
    items = kpy_list_read_all(list);
    if (items == NULL) {
        return -1;
    }
    result = sort_items(list, before, items, key, reverse);
    Py_DECREF(items);
    return result;
}

/* sort's keywords; `reverse` becomes a bool, as list.sort asks for an int. */
static int
sort_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
               PyObject **key, PyObject **reverse)
{
    const Py_ssize_t n = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    Py_ssize_t i;
    int truth;

    *key = Py_None;
    *reverse = Py_False;
    if (nargs != 0) {
        PyErr_SetString(PyExc_TypeError,
                        "sort() takes no positional arguments");
        return -1;
    }
    for (i = 0; i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);

        if (PyUnicode_CompareWithASCIIString(name, "key") == 0) {
            *key = args[i];
        }
        else if (PyUnicode_CompareWithASCIIString(name, "reverse") == 0) {
            *reverse = args[i];
        }
        else {
            PyErr_Format(PyExc_TypeError,
                         "sort() got an unexpected keyword argument '%U'",
                         name);
            return -1;
        }
    }
    truth = PyObject_IsTrue(*reverse);
    *reverse = truth > 0 ? Py_True : Py_False;
    return truth < 0 ? -1 : 0;
}

PyObject *
kpy_list_sort(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    PyObject *key;
    PyObject *reverse;

    if (sort_arguments(args, nargs, kwnames, &key, &reverse) < 0 ||
        sort_list((kpy_coll *)self, key, reverse) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
kpy_list_reverse(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    kpy_coll *list = (kpy_coll *)self;
    kpy_chest *chest = list->chest;
    kist_list *handle = list->handle.list;
    kpy_turn turn = {0};
    kist_status status;

    if (!kpy_coll_writable_or_raise(list)) {
        return NULL;
    }
    KPY_TURN(&turn, chest, status, kist_list_reverse(handle));
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(list->state, status);
    }
    Py_RETURN_NONE;
}

/* --- comparison ----------------------------------------------------------
 */

/* The item of a list of either sort: new reference, NULL: none or error. */
static PyObject *
item_of(kpy_state *state, PyObject *sequence, Py_ssize_t i)
{
    PyObject *item;

    if (kpy_is(state, KPY_TYPE_LIST, sequence)) {
        return kpy_list_item((kpy_coll *)sequence, i);
    }
    if (i >= PyList_GET_SIZE(sequence)) {
        return NULL;
    }
    item = PyList_GET_ITEM(sequence, i);
    Py_INCREF(item);
    return item;
}

static int
length_of(kpy_state *state, PyObject *sequence, Py_ssize_t *length)
{
    if (kpy_is(state, KPY_TYPE_LIST, sequence)) {
        return kpy_list_count((kpy_coll *)sequence, length);
    }
    *length = PyList_GET_SIZE(sequence);
    return 0;
}

/* By length: all items that both have are equal. */
static PyObject *
compare_lengths(kpy_state *state, PyObject *self, PyObject *other, int op)
{
    Py_ssize_t a;
    Py_ssize_t b;

    if (length_of(state, self, &a) < 0 || length_of(state, other, &b) < 0) {
        return NULL;
    }
    Py_RETURN_RICHCOMPARE(a, b, op);
}

/*
 * The items at `i`: 1 they are equal, 0 they differ and *answer is the
 * answer, 2 one list has ended, -1 with an error set.
 */
static int
compare_at(kpy_state *state, PyObject *self, PyObject *other, Py_ssize_t i,
           int op, PyObject **answer)
{
    PyObject *a = item_of(state, self, i);
    PyObject *b = a == NULL ? NULL : item_of(state, other, i);
    int equal = 2;

    if (b != NULL) {
        equal = PyObject_RichCompareBool(a, b, Py_EQ);
        if (equal == 0) {
            *answer = op == Py_EQ   ? Py_NewRef(Py_False)
                      : op == Py_NE ? Py_NewRef(Py_True)
                                    : PyObject_RichCompare(a, b, op);
        }
    }
    else if (PyErr_Occurred()) {
        equal = -1;
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return equal;
}

PyObject *
kpy_list_richcompare(PyObject *self, PyObject *other, int op)
{
    kpy_state *state = ((kpy_coll *)self)->state;
    PyObject *answer = NULL;
    Py_ssize_t a;
    Py_ssize_t b;
    Py_ssize_t i = 0;
    int equal = 1;

    if (!kpy_coll_open_or_raise((kpy_coll *)self)) {
        return NULL;
    }
    if (!PyList_Check(other) && !kpy_is(state, KPY_TYPE_LIST, other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (op == Py_EQ || op == Py_NE) {
        if (length_of(state, self, &a) < 0 ||
            length_of(state, other, &b) < 0) {
            return NULL;
        }
        if (a != b) {
            return PyBool_FromLong(op == Py_NE);
        }
    }
    while (equal == 1) {
        equal = compare_at(state, self, other, i, op, &answer);
        i++;
    }
    return equal == 2 ? compare_lengths(state, self, other, op) : answer;
}
