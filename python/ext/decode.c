/*
 * kist_value to Python objects: convert.h's direction "to Python".
 */
#include "convert.h"

#include "errors.h"

#define DEPTH_MAX   KIST_PACK_DEPTH_MAX
#define FOLD_SUFFIX "[_fold=1]"
#define COPY_SMALL  512

static PyObject *object_of_owned(kpy_state *state, const kist_value *value,
                                 int depth);

/* --- containers
 * ---------------------------------------------------------------
 */

/* The number of items that are packed in `packed`; -1 with an error set. */
static Py_ssize_t
items_count(kpy_state *state, kist_slice packed)
{
    kist_value item;
    kist_status status;
    Py_ssize_t count = 0;

    while ((status = kist_unpack_value(&packed, &item)) == KIST_OK) {
        count++;
    }
    if (status != KIST_END) {
        (void)kpy_raise(state, status);
        return -1;
    }
    return count;
}

/* The next item of *packed, which is known to have one. */
static PyObject *
item_next(kpy_state *state, kist_slice *packed, int depth)
{
    kist_value item;
    const kist_status status = kist_unpack_value(packed, &item);

    if (status != KIST_OK) {
        return status == KIST_END ? kpy_raise_corrupt(state, "container")
                                  : kpy_raise(state, status);
    }
    return object_of_owned(state, &item, depth);
}

static PyObject *
tuple_of(kpy_state *state, kist_slice packed, int depth)
{
    const Py_ssize_t count = items_count(state, packed);
    PyObject *tuple = count < 0 ? NULL : PyTuple_New(count);
    Py_ssize_t i;

    for (i = 0; tuple != NULL && i < count; i++) {
        PyObject *item = item_next(state, &packed, depth);

        if (item == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

static PyObject *
list_of(kpy_state *state, kist_slice packed, int depth)
{
    const Py_ssize_t count = items_count(state, packed);
    PyObject *list = count < 0 ? NULL : PyList_New(count);
    Py_ssize_t i;

    for (i = 0; list != NULL && i < count; i++) {
        PyObject *item = item_next(state, &packed, depth);

        if (item == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

/* What the bytes ask for cannot be built: it is they who are wrong. */
static void
blame_bytes(kpy_state *state, const char *what)
{
    if (PyErr_ExceptionMatches(PyExc_ValueError) ||
        PyErr_ExceptionMatches(PyExc_ArithmeticError) ||
        PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        (void)kpy_raise_corrupt(state, what);
    }
}

static PyObject *
dict_of(kpy_state *state, kist_slice packed, int depth)
{
    PyObject *dict = PyDict_New();

    while (dict != NULL && packed.size > 0) {
        PyObject *key = item_next(state, &packed, depth);
        PyObject *item = key == NULL ? NULL : item_next(state, &packed, depth);

        if (item == NULL || PyDict_SetItem(dict, key, item) < 0) {
            blame_bytes(state, "dict");
            Py_CLEAR(dict);
        }
        Py_XDECREF(item);
        Py_XDECREF(key);
    }
    return dict;
}

static PyObject *
set_of(kpy_state *state, PyObject *set, kist_slice packed, int depth)
{
    while (set != NULL && packed.size > 0) {
        PyObject *item = item_next(state, &packed, depth);

        if (item == NULL || PySet_Add(set, item) < 0) {
            blame_bytes(state, "set");
            Py_CLEAR(set);
        }
        Py_XDECREF(item);
    }
    return set;
}

static PyObject *
container_of(kpy_state *state, const kist_value *value, int depth)
{
    const kist_slice packed = value->as.bytes;
    PyObject *object;

    if (depth >= DEPTH_MAX) {
        return kpy_raise_corrupt(state, "nesting");
    }
    if (Py_EnterRecursiveCall(" while decoding a stored value") != 0) {
        return NULL;
    }
    switch (value->type) {
    case KIST_TUPLE:
        object = tuple_of(state, packed, depth + 1);
        break;
    case KIST_LIST:
        object = list_of(state, packed, depth + 1);
        break;
    case KIST_DICT:
        object = dict_of(state, packed, depth + 1);
        break;
    case KIST_SET:
        object = set_of(state, PySet_New(NULL), packed, depth + 1);
        break;
    default:
        object = set_of(state, PyFrozenSet_New(NULL), packed, depth + 1);
        break;
    }
    Py_LeaveRecursiveCall();
    return object;
}

/* --- leaves that are built by calls
 * -------------------------------------------
 */

/* type(text), json.loads(text) ...: `made` or, if it is NULL, who is wrong. */
static PyObject *
made_or_blame(kpy_state *state, PyObject *made, const char *what)
{
    if (made == NULL) {
        blame_bytes(state, what);
    }
    return made;
}

static PyObject *
call_with_text(kpy_state *state, kpy_lazy_id id, kist_slice bytes,
               const char *what)
{
    PyObject *text = kpy_text_new(state, bytes);
    PyObject *callable = text == NULL ? NULL : kpy_lazy(state, id);
    PyObject *made = NULL;

    if (callable != NULL) {
        made = PyObject_CallOneArg(callable, text);
    }
    Py_XDECREF(text);
    return text == NULL ? NULL : made_or_blame(state, made, what);
}

/* moment.replace(fold=1) of a reference that is consumed. */
static PyObject *
with_fold(PyObject *moment)
{
    PyObject *replace = PyObject_GetAttrString(moment, "replace");
    PyObject *options = Py_BuildValue("{s:i}", "fold", 1);
    PyObject *none = PyTuple_New(0);
    PyObject *folded = NULL;

    if (replace != NULL && options != NULL && none != NULL) {
        folded = PyObject_Call(replace, none, options);
    }
    Py_XDECREF(none);
    Py_XDECREF(options);
    Py_XDECREF(replace);
    Py_DECREF(moment);
    return folded;
}

/* type.fromisoformat(text) */
static PyObject *
moment_of(kpy_state *state, kpy_lazy_id id, kist_slice bytes)
{
    const size_t suffix = sizeof(FOLD_SUFFIX) - 1;
    bool folded = false;
    PyObject *type = kpy_lazy(state, id);
    PyObject *text;
    PyObject *made;

    if (type == NULL) {
        return NULL;
    }
    if (bytes.size > suffix &&
        memcmp((const char *)bytes.data + bytes.size - suffix, FOLD_SUFFIX,
               suffix) == 0) {
        bytes.size -= suffix;
        folded = true;
    }
    text = kpy_text_new(state, bytes);
    if (text == NULL) {
        return NULL;
    }
    made = PyObject_CallMethodOneArg(
        type, state->names[KPY_NAME_FROMISOFORMAT], text);
    Py_DECREF(text);
    if (made != NULL && folded) {
        made = with_fold(made);
    }
    return made_or_blame(state, made, "date or time");
}

static PyObject *
timedelta_of(kpy_state *state, kist_slice packed)
{
    PyObject *type = kpy_lazy(state, KPY_LAZY_TIMEDELTA);
    PyObject *parts = type == NULL ? NULL : tuple_of(state, packed, 0);
    PyObject *made = NULL;

    if (parts == NULL) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(parts) == 3) {
        made = PyObject_CallObject(type, parts);
    }
    Py_DECREF(parts);
    if (made == NULL && !PyErr_Occurred()) {
        return kpy_raise_corrupt(state, "timedelta");
    }
    return made_or_blame(state, made, "timedelta");
}

static PyObject *
uuid_of(kpy_state *state, kist_slice bytes)
{
    PyObject *type = kpy_lazy(state, KPY_LAZY_UUID);
    PyObject *options;
    PyObject *none;
    PyObject *made = NULL;

    if (type == NULL) {
        return NULL;
    }
    options = Py_BuildValue("{s:y#}", "bytes", (const char *)bytes.data,
                            (Py_ssize_t)bytes.size);
    none = PyTuple_New(0);
    if (options != NULL && none != NULL) {
        made = PyObject_Call(type, none, options);
    }
    Py_XDECREF(none);
    Py_XDECREF(options);
    return made_or_blame(state, made, "UUID");
}

/* int.from_bytes(bytes, 'little', signed=True) */
static PyObject *
bigint_of(kpy_state *state, kist_slice slice)
{
    PyObject *bytes =
        PyBytes_FromStringAndSize(slice.data, (Py_ssize_t)slice.size);
    PyObject *names = PyTuple_Pack(1, state->names[KPY_NAME_SIGNED]);
    PyObject *made = NULL;

    if (bytes != NULL && names != NULL) {
        PyObject *args[4] = {(PyObject *)&PyLong_Type, bytes,
                             state->names[KPY_NAME_LITTLE], Py_True};

        made = PyObject_VectorcallMethod(state->names[KPY_NAME_FROM_BYTES],
                                         args, 3, names);
    }
    Py_XDECREF(names);
    Py_XDECREF(bytes);
    return made;
}

static PyObject *
complex_of(kpy_state *state, kist_slice bytes)
{
    double real;
    double imaginary;

    if (bytes.size != 16) {
        return kpy_raise_corrupt(state, "complex");
    }
    real = PyFloat_Unpack8(bytes.data, 1);
    imaginary = PyFloat_Unpack8((const char *)bytes.data + 8, 1);
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyComplex_FromDoubles(real, imaginary);
}

/* --- all of them
 * ------------------------------------------------------------------
 */

/* Made without running anything but the allocator. */
static bool
is_simple(kist_type type)
{
    return type <= KIST_BYTES || type == KIST_COMPLEX;
}

/* An object of a value whose bytes nobody can take away meanwhile. */
static PyObject *
object_of_owned(kpy_state *state, const kist_value *value, int depth)
{
    const kist_slice bytes = value->as.bytes;

    switch (value->type) {
    case KIST_NULL:
        Py_RETURN_NONE;
    case KIST_BOOL:
        return PyBool_FromLong(value->as.boolean);
    case KIST_INT:
        return PyLong_FromLongLong(value->as.integer);
    case KIST_FLOAT:
        return PyFloat_FromDouble(value->as.real);
    case KIST_TEXT:
        return kpy_text_new(state, bytes);
    case KIST_BYTES:
        return PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
    case KIST_BIGINT:
        return bigint_of(state, bytes);
    case KIST_TUPLE:
    case KIST_LIST:
    case KIST_DICT:
    case KIST_SET:
    case KIST_FROZENSET:
        return container_of(state, value, depth);
    case KIST_JSON:
        return call_with_text(state, KPY_LAZY_JSON_LOADS, bytes, "JSON");
    case KIST_DATETIME:
        return moment_of(state, KPY_LAZY_DATETIME, bytes);
    case KIST_DATE:
        return moment_of(state, KPY_LAZY_DATE, bytes);
    case KIST_TIME:
        return moment_of(state, KPY_LAZY_TIME, bytes);
    case KIST_TIMEDELTA:
        return timedelta_of(state, bytes);
    case KIST_DECIMAL:
        return call_with_text(state, KPY_LAZY_DECIMAL, bytes, "Decimal");
    case KIST_UUID:
        return uuid_of(state, bytes);
    case KIST_COMPLEX:
        return complex_of(state, bytes);
    default:
        PyErr_Format(state->errors[KPY_ERROR],
                     "the value is of type %s, which Python has no object for",
                     kist_type_name(value->type));
        return NULL;
    }
}

/* Of what is built by calls: the bytes are copied first. */
__attribute__((noinline)) static PyObject *
object_of_copy(kpy_state *state, const kist_value *value)
{
    uint8_t small[COPY_SMALL];
    uint8_t *copy = small;
    kist_value own = *value;
    PyObject *object;

    if (own.as.bytes.size > sizeof(small)) {
        copy = PyMem_Malloc(own.as.bytes.size);
        if (copy == NULL) {
            return PyErr_NoMemory();
        }
    }
    if (own.as.bytes.size > 0) {
        memcpy(copy, own.as.bytes.data, own.as.bytes.size);
    }
    own.as.bytes.data = copy;
    object = object_of_owned(state, &own, 0);
    if (copy != small) {
        PyMem_Free(copy);
    }
    return object;
}

PyObject *
kpy_object_of(kpy_state *state, const kist_value *value)
{
    if (value->type == KIST_TEXT) {
        return kpy_text_new(state, value->as.bytes);
    }
    if (value->type == KIST_INT) {
        return PyLong_FromLongLong(value->as.integer);
    }
    return is_simple(value->type) ? object_of_owned(state, value, 0)
                                  : object_of_copy(state, value);
}

/* --- many
 * ----------------------------------------------------------------------
 */

/* Room for what is not simple, in one piece. */
static size_t
rare_size(const kist_value *values, size_t count)
{
    size_t size = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        if (!is_simple(values[i].type)) {
            size += values[i].as.bytes.size;
        }
    }
    return size;
}

/*
 * Simple values first, straight from the views; of the others the bytes are
 * copied to `copies`, and they are built when no view is needed any more.
 */
static int
objects_build(kpy_state *state, const kist_value *values, size_t count,
              uint8_t *copies, PyObject **objects)
{
    size_t used = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        const kist_value *value = &values[i];

        objects[i] = NULL;
        if (value->type == KIST_ANY) {
            continue;
        }
        if (is_simple(value->type)) {
            objects[i] = object_of_owned(state, value, 0);
            if (objects[i] == NULL) {
                return -1;
            }
        }
        else if (value->as.bytes.size > 0) {
            memcpy(copies + used, value->as.bytes.data, value->as.bytes.size);
            used += value->as.bytes.size;
        }
    }
    used = 0;
    for (i = 0; copies != NULL && i < count; i++) {
        kist_value own = values[i];

        if (is_simple(own.type)) {
            continue;
        }
        own.as.bytes.data = copies + used;
        used += own.as.bytes.size;
        objects[i] = object_of_owned(state, &own, 0);
        if (objects[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

bool
kpy_values_are_simple(const kist_value *values, size_t count)
{
    bool simple = true;
    size_t i;

    for (i = 0; i < count; i++) {
        simple &= is_simple(values[i].type);
    }
    return simple;
}

int
kpy_objects_of(kpy_state *state, const kist_value *values, size_t count,
               PyObject **objects)
{
    uint8_t *copies = NULL;
    int result;
    size_t i;

    for (i = 0; i < count; i++) {
        objects[i] = NULL;
    }
    if (!kpy_values_are_simple(values, count)) {
        copies = PyMem_Malloc(rare_size(values, count) + 1);
        if (copies == NULL) {
            (void)PyErr_NoMemory();
            return -1;
        }
    }
    result = objects_build(state, values, count, copies, objects);
    PyMem_Free(copies);
    for (i = 0; result < 0 && i < count; i++) {
        Py_CLEAR(objects[i]);
    }
    return result;
}
