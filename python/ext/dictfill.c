/*
 * What writes, merges or reads many items of a FSDict at once.
 */
#include "dictobj.h"

#define MANY_RUN  128u /* keys looked up together */
#define MANY_LONG 512u /* items that are written without the GIL */

/* --- gathering
 * ----------------------------------------------------------------
 */

static int
haul_pair(kpy_coll *dict, kpy_haul *haul, PyObject *key, PyObject *value)
{
    if (!kpy_dict_key_check(key)) {
        return -1;
    }
    return kpy_haul_add(dict->state, dict->klass, haul, key, value);
}

static int
haul_dict(kpy_coll *dict, kpy_haul *haul, PyObject *source)
{
    const Py_ssize_t size = PyDict_GET_SIZE(source);
    Py_ssize_t place = 0;
    PyObject *key;
    PyObject *value;

    while (PyDict_Next(source, &place, &key, &value)) {
        int result;

        Py_INCREF(key);
        Py_INCREF(value);
        result = haul_pair(dict, haul, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
        if (result < 0) {
            return -1;
        }
        // Making the value may have run what changes the source.
        if (PyDict_GET_SIZE(source) != size) {
            PyErr_SetString(PyExc_RuntimeError, "dict mutated during update");
            return -1;
        }
    }
    return 0;
}

/* Element `index` of an iterable of pairs, in dict's own words (row 18). */
static int
haul_element(kpy_coll *dict, kpy_haul *haul, PyObject *element,
             Py_ssize_t index)
{
    PyObject *pair = PySequence_Fast(element, "");
    int result = -1;

    if (pair == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "cannot convert dictionary update sequence element "
                         "#%zd to a sequence",
                         index);
        }
        return -1;
    }
    if (PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError,
                     "dictionary update sequence element #%zd has length "
                     "%zd; 2 is required",
                     index, PySequence_Fast_GET_SIZE(pair));
    }
    else {
        PyObject *key = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 0));
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 1));

        result = haul_pair(dict, haul, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_DECREF(pair);
    return result;
}

static int
haul_pairs(kpy_coll *dict, kpy_haul *haul, PyObject *source)
{
    PyObject *iterator = PyObject_GetIter(source);
    PyObject *element;
    Py_ssize_t index = 0;
    int result = iterator == NULL ? -1 : 0;

    while (result == 0 && (element = PyIter_Next(iterator)) != NULL) {
        result = haul_element(dict, haul, element, index++);
        Py_DECREF(element);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

/* A thing with keys(): source[key] of each. */
static int
haul_mapping(kpy_coll *dict, kpy_haul *haul, PyObject *source)
{
    PyObject *keys =
        PyObject_CallMethodNoArgs(source, dict->state->names[KPY_NAME_KEYS]);
    PyObject *iterator = keys == NULL ? NULL : PyObject_GetIter(keys);
    PyObject *key;
    int result = iterator == NULL ? -1 : 0;

    while (result == 0 && (key = PyIter_Next(iterator)) != NULL) {
        PyObject *value = PyObject_GetItem(source, key);

        result = value == NULL ? -1 : haul_pair(dict, haul, key, value);
        Py_XDECREF(value);
        Py_DECREF(key);
    }
    Py_XDECREF(iterator);
    Py_XDECREF(keys);
    return PyErr_Occurred() ? -1 : result;
}

static int
haul_source(kpy_coll *dict, kpy_haul *haul, PyObject *source)
{
    PyObject *keys;
    PyObject *items;
    int result;

    if (PyDict_CheckExact(source)) {
        return haul_dict(dict, haul, source);
    }
    if (Py_TYPE(source) == dict->state->types[KPY_TYPE_DICT]) {
        items = kpy_dict_iter((kpy_coll *)source, KPY_DICT_ITEMS, false);
        result = items == NULL ? -1 : haul_pairs(dict, haul, items);
        Py_XDECREF(items);
        return result;
    }
    if (PyList_CheckExact(source) || PyTuple_CheckExact(source)) {
        return haul_pairs(dict, haul, source);
    }
    keys = PyObject_GetAttr(source, dict->state->names[KPY_NAME_KEYS]);
    if (keys != NULL) {
        Py_DECREF(keys);
        return haul_mapping(dict, haul, source);
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return haul_pairs(dict, haul, source);
}

/* --- writing what was gathered
 * -----------------------------------------------------
 */

/* All or nothing.  From the first write on no Python code runs. */
static int
haul_write(kpy_coll *dict, const kpy_haul *haul)
{
    kpy_turn turn = {.slow = haul->count >= MANY_LONG};
    kpy_chest *chest;
    kist_dict *handle;
    kist_status status;
    bool mine = false;

    if (haul->count == 0) {
        return 0;
    }
    if (!kpy_coll_writable_or_raise(dict)) {
        return -1;
    }
    if (haul->count > 1 && kpy_coll_batch_begin(dict, &mine) < 0) {
        return -1;
    }
    chest = dict->chest;
    handle = dict->handle.dict;
    KPY_TURN(&turn, chest, status,
             kist_dict_put_many(handle, haul->keys, haul->values, haul->count,
                                NULL));
    dict->batch_long = mine && turn.slow;
    status = kpy_coll_batch_end(dict, mine, status);
    kpy_turn_done(&turn);
    return status == KIST_OK ? 0 : kpy_raise_int(dict->state, status);
}

int
kpy_dict_update(kpy_coll *dict, PyObject *source, PyObject *named)
{
    kpy_haul haul = {0};
    int result = 0;

    if (source != NULL) {
        result = haul_source(dict, &haul, source);
    }
    if (result == 0 && named != NULL) {
        result = haul_dict(dict, &haul, named);
    }
    if (result == 0) {
        result = haul_write(dict, &haul);
    }
    kpy_haul_fini(&haul);
    return result;
}

/* fromkeys(iterable, value=None): a new temporal dict (row 17). */
PyObject *
kpy_dict_fromkeys(PyObject *type, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value = count == 2 ? args[1] : Py_None;
    PyObject *iterator;
    PyObject *key;
    kpy_coll *dict = NULL;
    kpy_haul haul = {0};
    int result;

    if (count < 1 || count > 2) {
        return PyErr_Format(PyExc_TypeError,
                            "fromkeys expected 1 or 2 arguments, got %zd",
                            count);
    }
    iterator = PyObject_GetIter(args[0]);
    if (iterator != NULL) {
        dict = kpy_coll_temporal((PyTypeObject *)type, KPY_TYPE_DICT);
    }
    result = dict == NULL ? -1 : 0;
    while (result == 0 && (key = PyIter_Next(iterator)) != NULL) {
        result = haul_pair(dict, &haul, key, value);
        Py_DECREF(key);
    }
    if (result == 0 && !PyErr_Occurred()) {
        result = haul_write(dict, &haul);
    }
    kpy_haul_fini(&haul);
    Py_XDECREF(iterator);
    if (result < 0 || PyErr_Occurred()) {
        Py_CLEAR(dict);
    }
    return (PyObject *)dict;
}

/* --- | and |=
 * ----------------------------------------------------------------------
 */

/* A builtin dict of either kind of operand; NULL without an error: neither. */
static PyObject *
builtin_of(const kpy_state *state, PyObject *operand)
{
    if (PyDict_Check(operand)) {
        return PyDict_Copy(operand);
    }
    if (kpy_is(state, KPY_TYPE_DICT, operand)) {
        return kpy_dict_copy((kpy_coll *)operand);
    }
    return NULL;
}

/* dicts of both kinds only; the answer is a builtin dict (row 16). */
PyObject *
kpy_dict_or(PyObject *left, PyObject *right)
{
    const kpy_state *state = kpy_state_of_either(left, right);
    PyObject *merged;
    PyObject *other;

    if (state == NULL) {
        return NULL;
    }
    other = builtin_of(state, right);
    merged = other == NULL ? NULL : builtin_of(state, left);
    if (merged != NULL && PyDict_Update(merged, other) < 0) {
        Py_CLEAR(merged);
    }
    Py_XDECREF(other);
    if (merged == NULL && !PyErr_Occurred()) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return merged;
}

PyObject *
kpy_dict_ior(PyObject *self, PyObject *other)
{
    kpy_coll *dict = (kpy_coll *)self;

    if (!kpy_coll_writable_or_raise(dict) ||
        kpy_dict_update(dict, other, NULL) < 0) {
        return NULL;
    }
    return Py_NewRef(self);
}

/* --- get_many
 * ------------------------------------------------------------------------
 */

/* Up to MANY_RUN keys of `keys` from `first` on into values[first] ... */
static int
many_run(kpy_coll *dict, PyObject *keys, Py_ssize_t first, size_t count,
         PyObject **objects)
{
    kist_slice names[MANY_RUN];
    kist_value values[MANY_RUN];
    kpy_haul unusual = {0}; // the bytes of keys that are not ASCII
    kist_status status = KIST_OK;
    int result = 0;
    size_t i;

    for (i = 0; i < count && result == 0; i++) {
        PyObject *key = PySequence_Fast_GET_ITEM(keys, first + (Py_ssize_t)i);

        if (!PyUnicode_Check(key)) {
            result = PyObject_Hash(key) == -1 ? -1 : 0;
            names[i] = kist_bytes("", 0);
        }
        else if (PyUnicode_IS_COMPACT_ASCII(key)) {
            names[i] = kist_bytes(PyUnicode_1BYTE_DATA(key),
                                  (size_t)PyUnicode_GET_LENGTH(key));
        }
        else {
            const kpy_klass any = {KIST_ANY, NULL};

            result = kpy_haul_add(dict->state, any, &unusual, key, Py_None);
            if (result == 0) {
                names[i] = unusual.keys[unusual.count - 1];
            }
        }
    }
    if (result == 0 && !kpy_coll_open_or_raise(dict)) {
        result = -1;
    }
    if (result == 0) {
        status = kist_dict_get_many(dict->handle.dict, names, count, values);
        result = status == KIST_OK ? 0 : kpy_raise_int(dict->state, status);
    }
    for (i = 0; i < count && result == 0; i++) {
        if (!PyUnicode_Check(
                PySequence_Fast_GET_ITEM(keys, first + (Py_ssize_t)i))) {
            values[i].type = KIST_ANY; // absent, as it cannot be there
        }
    }
    if (result == 0) {
        result = kpy_objects_of(dict->state, values, count, objects);
    }
    kpy_haul_fini(&unusual);
    return result;
}

static PyObject *
many_list(kpy_coll *dict, PyObject *keys, PyObject *missing)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(keys);
    PyObject *objects[MANY_RUN];
    PyObject *list = PyList_New(count);
    Py_ssize_t first;

    for (first = 0; list != NULL && first < count; first += MANY_RUN) {
        const size_t run = count - first < (Py_ssize_t)MANY_RUN
                               ? (size_t)(count - first)
                               : MANY_RUN;
        size_t i;

        if (many_run(dict, keys, first, run, objects) < 0) {
            Py_CLEAR(list);
            break;
        }
        for (i = 0; i < run; i++) {
            PyList_SET_ITEM(list, first + (Py_ssize_t)i,
                            objects[i] != NULL ? objects[i]
                                               : Py_NewRef(missing));
        }
    }
    return list;
}

PyObject *
kpy_dict_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count,
                  PyObject *names)
{
    kpy_coll *dict = (kpy_coll *)self;
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    PyObject *keys;
    PyObject *list;

    if (!(count == 1 && named == 0) && !(count == 2 && named == 0) &&
        !(count == 1 && named == 1 &&
          PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0),
                                           "default") == 0)) {
        PyErr_SetString(PyExc_TypeError,
                        "get_many(keys, default=None) expected");
        return NULL;
    }
    if (!kpy_coll_open_or_raise(dict)) {
        return NULL;
    }
    // A tuple of our own: nobody changes it while values are built.
    keys = PySequence_Tuple(args[0]);
    if (keys == NULL) {
        return NULL;
    }
    list = many_list(dict, keys, count + named == 2 ? args[1] : Py_None);
    Py_DECREF(keys);
    return list;
}
