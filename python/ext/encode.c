/*
 * Python objects to kist_value: convert.h's direction "to kist".
 */
#include "convert.h"

#include "errors.h"

#define DEPTH_MAX   KIST_PACK_DEPTH_MAX
#define INT128_SIZE 16
#define FOLD_SUFFIX "[_fold=1]"

/* A value as heterogeneous collections take it, using `level` and deeper. */
static int value_any(kpy_state *state, PyObject *object, kpy_level *level,
                     int depth, kist_value *value);

/* --- leaves ----------------------------------------------------------------
 */

static int
no_memory(void)
{
    (void)PyErr_NoMemory();
    return -1;
}

/* *value becomes a copy in `level` of `size` bytes at `data`. */
static int
blob_copy(kpy_level *level, kist_type type, const void *data, size_t size,
          kist_value *value)
{
    kist_buf_clear(&level->buf);
    if (kist_buf_append(&level->buf, data, size) != KIST_OK) {
        return no_memory();
    }
    *value = kist_blob(type, level->buf.data, size);
    return 0;
}

static int
text_value(PyObject *object, kpy_level *level, kist_type type,
           kist_value *value)
{
    value->type = type;
    if (PyUnicode_IS_COMPACT_ASCII(object)) {
        value->as.bytes.data = PyUnicode_1BYTE_DATA(object);
        value->as.bytes.size = (size_t)PyUnicode_GET_LENGTH(object);
        return 0;
    }
    return kpy_text_of(object, &level->buf, &value->as.bytes);
}

/* The same of a str that goes when this returns; it is consumed. */
static int
text_value_take(PyObject *text, kpy_level *level, kist_type type,
                kist_value *value)
{
    int result = -1;

    if (text == NULL) {
        return -1;
    }
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "its text is no str");
    }
    else if (text_value(text, level, type, value) == 0) {
        result =
            value->as.bytes.data == level->buf.data && level->buf.data != NULL
                ? 0
                : blob_copy(level, type, value->as.bytes.data,
                            value->as.bytes.size, value);
    }
    Py_DECREF(text);
    return result;
}

/* The plain int of a subclass, whose methods may be anything. */
static PyObject *
int_plain(PyObject *object)
{
    const unaryfunc plain =
        (unaryfunc)(uintptr_t)PyType_GetSlot(&PyLong_Type, Py_nb_int);

    return PyLong_CheckExact(object) ? Py_NewRef(object) : plain(object);
}

/* int.to_bytes(n, 'little', signed=True), cut to the least number of bytes. */
static int
bigint_bytes(kpy_state *state, PyObject *object, kpy_level *level,
             kist_value *value)
{
    PyObject *bits =
        PyObject_VectorcallMethod(state->names[KPY_NAME_BIT_LENGTH], &object,
                                  1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    PyObject *names = PyTuple_Pack(1, state->names[KPY_NAME_SIGNED]);
    PyObject *bytes = NULL;
    PyObject *size = NULL;
    int result = -1;

    if (bits != NULL && names != NULL) {
        size = PyLong_FromSize_t(PyLong_AsSize_t(bits) / 8 + 1);
    }
    if (size != NULL) {
        PyObject *args[4] = {object, size, state->names[KPY_NAME_LITTLE],
                             Py_True};

        bytes = PyObject_VectorcallMethod(state->names[KPY_NAME_TO_BYTES],
                                          args, 3, names);
    }
    if (bytes != NULL) {
        const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(bytes);
        size_t used = (size_t)PyBytes_GET_SIZE(bytes);

        // -2**127 has 128 bits and fits 16 bytes, not 17.
        if (used > 1 && data[used - 1] == 0xff && data[used - 2] >= 0x80) {
            used--;
        }
        result = blob_copy(level, KIST_BIGINT, data, used, value);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(size);
    Py_XDECREF(names);
    Py_XDECREF(bits);
    return result;
}

static int
bigint_value(kpy_state *state, PyObject *object, kpy_level *level,
             kist_value *value)
{
    PyObject *plain = int_plain(object);
    int result;

    if (plain == NULL) {
        return -1;
    }
    result = bigint_bytes(state, plain, level, value);
    Py_DECREF(plain);
    return result;
}

static int
int_value(kpy_state *state, PyObject *object, kpy_level *level,
          kist_value *value)
{
    int overflow;
    const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);

    if (overflow != 0) {
        return bigint_value(state, object, level, value);
    }
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    *value = kist_int(number);
    return 0;
}

static int
complex_value(PyObject *object, kpy_level *level, kist_value *value)
{
    char bytes[16];

    if (PyFloat_Pack8(PyComplex_RealAsDouble(object), bytes, 1) < 0 ||
        PyFloat_Pack8(PyComplex_ImagAsDouble(object), bytes + 8, 1) < 0) {
        return -1;
    }
    return blob_copy(level, KIST_COMPLEX, bytes, sizeof(bytes), value);
}

/* --- containers
 * ---------------------------------------------------------------
 */

static kpy_level *
level_below(kpy_level *level)
{
    if (level->next == NULL) {
        level->next = PyMem_Calloc(1, sizeof(*level->next));
        if (level->next == NULL) {
            (void)PyErr_NoMemory();
        }
    }
    return level->next;
}

/* Appends `item` to what `level` holds of its container. */
static int
item_pack(kpy_state *state, PyObject *item, kpy_level *level, int depth)
{
    kist_value value;
    kist_status status;

    if (value_any(state, item, level->next, depth, &value) < 0) {
        return -1;
    }
    status = kist_pack_value(&level->buf, &value);
    return status == KIST_OK ? 0 : kpy_raise_int(state, status);
}

static int
sequence_pack(kpy_state *state, PyObject *object, kpy_level *level, int depth)
{
    Py_ssize_t i;

    // The size is asked again: foreign leaves run Python code.
    for (i = 0; i < PySequence_Fast_GET_SIZE(object); i++) {
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(object, i));
        const int result = item_pack(state, item, level, depth);

        Py_DECREF(item);
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

static int
dict_pack(kpy_state *state, PyObject *object, kpy_level *level, int depth)
{
    Py_ssize_t place = 0;
    PyObject *key;
    PyObject *item;

    while (PyDict_Next(object, &place, &key, &item)) {
        int result;

        Py_INCREF(key);
        Py_INCREF(item);
        result = item_pack(state, key, level, depth);
        if (result == 0) {
            result = item_pack(state, item, level, depth);
        }
        Py_DECREF(key);
        Py_DECREF(item);
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

static int
set_pack(kpy_state *state, PyObject *object, kpy_level *level, int depth)
{
    PyObject *iterator = PyObject_GetIter(object);
    PyObject *item;
    int result = 0;

    if (iterator == NULL) {
        return -1;
    }
    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = item_pack(state, item, level, depth);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : result;
}

static int
container_value(kpy_state *state, PyObject *object, kist_type type,
                kpy_level *level, int depth, kist_value *value)
{
    int result;

    if (depth >= DEPTH_MAX) {
        PyErr_Format(PyExc_RecursionError,
                     "value is nested deeper than %d levels", DEPTH_MAX);
        return -1;
    }
    if (level_below(level) == NULL) {
        return -1;
    }
    kist_buf_clear(&level->buf);
    switch (type) {
    case KIST_DICT:
        result = dict_pack(state, object, level, depth + 1);
        break;
    case KIST_SET:
    case KIST_FROZENSET:
        result = set_pack(state, object, level, depth + 1);
        break;
    default:
        result = sequence_pack(state, object, level, depth + 1);
        break;
    }
    *value = kist_blob(type, level->buf.data, level->buf.size);
    return result;
}

/* --- types of the standard library ------------------------------------------
 */

/* type(object).__name__, which tp_name has behind its last dot. */
static const char *
short_name(PyObject *object)
{
    const char *name = Py_TYPE(object)->tp_name;
    const char *dot = strrchr(name, '.');

    return dot == NULL ? name : dot + 1;
}

/* 1 if `object` is exactly of the lazy type, 0 if not, -1 on error. */
static int
is_exactly(kpy_state *state, PyObject *object, kpy_lazy_id id,
           const char *name)
{
    PyObject *type;

    // The name keeps us from importing what nobody here uses.
    if (strcmp(short_name(object), name) != 0) {
        return 0;
    }
    type = kpy_lazy(state, id);
    return type == NULL ? -1 : (PyObject *)Py_TYPE(object) == type;
}

/* A time zone must be one that an offset says all of. */
static int
zone_check(kpy_state *state, PyObject *object)
{
    PyObject *zone = PyObject_GetAttr(object, state->names[KPY_NAME_TZINFO]);
    int result = -1;

    if (zone == NULL) {
        return -1;
    }
    if (zone == Py_None ||
        (PyObject *)Py_TYPE(zone) == kpy_lazy(state, KPY_LAZY_TIMEZONE)) {
        result = 0;
    }
    else if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError,
                     "cannot keep a %.200s with tzinfo %.200s: use a "
                     "datetime.timezone, as by .astimezone(timezone.utc)",
                     Py_TYPE(object)->tp_name, Py_TYPE(zone)->tp_name);
    }
    Py_DECREF(zone);
    return result;
}

/* datetime, date and time: isoformat, and the fold that it leaves out. */
static int
moment_value(kpy_state *state, PyObject *object, kist_type type,
             kpy_level *level, kist_value *value)
{
    PyObject *fold = NULL;
    long folded = 0;

    if (type != KIST_DATE) {
        if (zone_check(state, object) < 0) {
            return -1;
        }
        fold = PyObject_GetAttr(object, state->names[KPY_NAME_FOLD]);
        folded = fold == NULL ? -1 : PyLong_AsLong(fold);
        Py_XDECREF(fold);
        if (folded < 0) {
            return -1;
        }
    }
    if (text_value_take(PyObject_CallMethodNoArgs(
                            object, state->names[KPY_NAME_ISOFORMAT]),
                        level, type, value) < 0) {
        return -1;
    }
    if (folded != 0) {
        if (kist_buf_append(&level->buf, FOLD_SUFFIX,
                            sizeof(FOLD_SUFFIX) - 1) != KIST_OK) {
            return no_memory();
        }
        value->as.bytes = kist_buf_slice(&level->buf);
    }
    return 0;
}

static int
timedelta_value(kpy_state *state, PyObject *object, kpy_level *level,
                kist_value *value)
{
    static const kpy_name_id parts[] = {KPY_NAME_DAYS, KPY_NAME_SECONDS,
                                        KPY_NAME_MICROSECONDS};
    size_t i;

    kist_buf_clear(&level->buf);
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        PyObject *part = PyObject_GetAttr(object, state->names[parts[i]]);
        const long number = part == NULL ? -1 : PyLong_AsLong(part);
        kist_value item = kist_int(number);

        Py_XDECREF(part);
        if (PyErr_Occurred()) {
            return -1;
        }
        if (kist_pack_value(&level->buf, &item) != KIST_OK) {
            return no_memory();
        }
    }
    *value = kist_blob(KIST_TIMEDELTA, level->buf.data, level->buf.size);
    return 0;
}

static int
uuid_value(kpy_state *state, PyObject *object, kpy_level *level,
           kist_value *value)
{
    PyObject *bytes = PyObject_GetAttr(object, state->names[KPY_NAME_BYTES]);
    int result = -1;

    if (bytes == NULL) {
        return -1;
    }
    if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != 16) {
        PyErr_SetString(PyExc_TypeError, "UUID.bytes is not 16 bytes");
    }
    else {
        result =
            blob_copy(level, KIST_UUID, PyBytes_AS_STRING(bytes), 16, value);
    }
    Py_DECREF(bytes);
    return result;
}

static int
refuse(PyObject *object)
{
    PyErr_Format(
        PyExc_TypeError,
        "cannot keep a %.200s: values are None, bool, int, float, complex, "
        "str, bytes, tuple, list, dict, set, frozenset, datetime, date, time, "
        "timedelta, Decimal or UUID, exactly; keep its fields as a dict or "
        "tuple, or its bytes",
        Py_TYPE(object)->tp_name);
    return -1;
}

static int
foreign_value(kpy_state *state, PyObject *object, kpy_level *level,
              kist_value *value)
{
    static const struct {
        kpy_lazy_id id;
        const char *name;
        kist_type type;
    } known[] = {
        {KPY_LAZY_DATETIME, "datetime", KIST_DATETIME},
        {KPY_LAZY_DATE, "date", KIST_DATE},
        {KPY_LAZY_TIME, "time", KIST_TIME},
        {KPY_LAZY_TIMEDELTA, "timedelta", KIST_TIMEDELTA},
        {KPY_LAZY_DECIMAL, "Decimal", KIST_DECIMAL},
        {KPY_LAZY_UUID, "UUID", KIST_UUID},
    };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const int is = is_exactly(state, object, known[i].id, known[i].name);

        if (is < 0) {
            return -1;
        }
        if (is == 0) {
            continue;
        }
        switch (known[i].type) {
        case KIST_TIMEDELTA:
            return timedelta_value(state, object, level, value);
        case KIST_DECIMAL:
            return text_value_take(PyObject_Str(object), level, KIST_DECIMAL,
                                   value);
        case KIST_UUID:
            return uuid_value(state, object, level, value);
        default:
            return moment_value(state, object, known[i].type, level, value);
        }
    }
    return refuse(object);
}

/* --- heterogeneous
 * -------------------------------------------------------------
 */

/* Anything of value_any that is no str, int, None, bool, float or bytes. */
static int
value_rare(kpy_state *state, PyObject *object, kpy_level *level, int depth,
           kist_value *value)
{
    PyTypeObject *const type = Py_TYPE(object);

    if (type == &PyTuple_Type) {
        return container_value(state, object, KIST_TUPLE, level, depth, value);
    }
    if (type == &PyList_Type) {
        return container_value(state, object, KIST_LIST, level, depth, value);
    }
    if (type == &PyDict_Type) {
        return container_value(state, object, KIST_DICT, level, depth, value);
    }
    if (type == &PySet_Type) {
        return container_value(state, object, KIST_SET, level, depth, value);
    }
    if (type == &PyFrozenSet_Type) {
        return container_value(state, object, KIST_FROZENSET, level, depth,
                               value);
    }
    if (type == &PyComplex_Type) {
        return complex_value(object, level, value);
    }
    return foreign_value(state, object, level, value);
}

static int
value_any(kpy_state *state, PyObject *object, kpy_level *level, int depth,
          kist_value *value)
{
    PyTypeObject *const type = Py_TYPE(object);

    if (type == &PyUnicode_Type) {
        return text_value(object, level, KIST_TEXT, value);
    }
    if (type == &PyLong_Type) {
        return int_value(state, object, level, value);
    }
    if (object == Py_None) {
        *value = kist_null();
        return 0;
    }
    if (type == &PyBool_Type) {
        *value = kist_bool(object == Py_True);
        return 0;
    }
    if (type == &PyFloat_Type) {
        *value = kist_float(PyFloat_AS_DOUBLE(object));
        return 0;
    }
    if (type == &PyBytes_Type) {
        *value = kist_blob(KIST_BYTES, PyBytes_AS_STRING(object),
                           (size_t)PyBytes_GET_SIZE(object));
        return 0;
    }
    return value_rare(state, object, level, depth, value);
}

/* --- JSON
 * -----------------------------------------------------------------------
 */

static int json_check(PyObject *object, PyObject *whole);

static int
json_check_dict(PyObject *object, PyObject *whole)
{
    Py_ssize_t place = 0;
    PyObject *key;
    PyObject *item;

    while (PyDict_Next(object, &place, &key, &item)) {
        if (!PyUnicode_Check(key)) {
            PyErr_Format(PyExc_TypeError,
                         "JSON has str keys only, got a key of type %.200s",
                         Py_TYPE(key)->tp_name);
            return -1;
        }
        if (json_check(item, whole) < 0) {
            return -1;
        }
    }
    return 0;
}

/*
 * That json.dumps would keep `object` as it is: it makes "1" of a key 1, and
 * tuples lists, of which only the latter is what JSON does (rows 47, 48).
 */
static int
json_check(PyObject *object, PyObject *whole)
{
    Py_ssize_t i;
    int result = 0;

    if (PyUnicode_Check(object) || PyLong_Check(object) ||
        PyFloat_Check(object) || (object == Py_None && object != whole)) {
        return 0;
    }
    if (!PyDict_Check(object) && !PyList_Check(object) &&
        !PyTuple_Check(object)) {
        PyErr_Format(PyExc_TypeError, "Expected JSON for json, got %.200s",
                     short_name(object));
        return -1;
    }
    if (Py_EnterRecursiveCall(" while encoding a JSON value") != 0) {
        return -1;
    }
    if (PyDict_Check(object)) {
        result = json_check_dict(object, whole);
    }
    else {
        for (i = 0; result == 0 && i < PySequence_Fast_GET_SIZE(object); i++) {
            result = json_check(PySequence_Fast_GET_ITEM(object, i), whole);
        }
    }
    Py_LeaveRecursiveCall();
    return result;
}

static int
json_value(kpy_state *state, PyObject *object, kpy_level *level,
           kist_value *value)
{
    PyObject *encode;

    if (json_check(object, object) < 0) {
        return -1;
    }
    encode = kpy_lazy(state, KPY_LAZY_JSON_ENCODE);
    if (encode == NULL) {
        return -1;
    }
    return text_value_take(PyObject_CallOneArg(encode, object), level,
                           KIST_JSON, value);
}

/* --- typed
 * -----------------------------------------------------------------------
 */

/* P28, word for word. */
static int
expected(const char *python_type, kpy_klass klass, PyObject *object)
{
    PyErr_Format(PyExc_TypeError, "Expected %s for %s, got %.200s",
                 python_type, kpy_klass_name(klass.type), short_name(object));
    return -1;
}

static int
int_fits(kpy_klass klass, const kist_value *value)
{
    const bool big = value->type == KIST_BIGINT;
    const bool fits =
        klass.type == KIST_INT128 ? !big || value->as.bytes.size <= INT128_SIZE
        : klass.type == KIST_INT32 ? !big && value->as.integer >= INT32_MIN &&
                                         value->as.integer <= INT32_MAX
                                   : !big;

    if (!fits) {
        PyErr_Format(PyExc_OverflowError, "int does not fit %s",
                     kpy_klass_name(klass.type));
        return -1;
    }
    return 0;
}

int
kpy_value_slowly(kpy_state *state, kpy_klass klass, PyObject *object,
                 kpy_scratch *scratch, kist_value *value)
{
    kpy_level *const level = &scratch->level;

    switch (klass.type) {
    case KIST_ANY:
        return value_any(state, object, level, 0, value);
    case KIST_TEXT:
        return PyUnicode_Check(object)
                   ? text_value(object, level, KIST_TEXT, value)
                   : expected("str", klass, object);
    case KIST_INT:
    case KIST_INT32:
    case KIST_INT128:
        if (!PyLong_Check(object) || PyBool_Check(object)) {
            return expected("int", klass, object);
        }
        if (int_value(state, object, level, value) < 0) {
            return -1;
        }
        return int_fits(klass, value);
    case KIST_FLOAT:
        if (!PyFloat_Check(object)) {
            return expected("float", klass, object);
        }
        *value = kist_float(PyFloat_AS_DOUBLE(object));
        return 0;
    case KIST_BOOL:
        if (!PyBool_Check(object)) {
            return expected("bool", klass, object);
        }
        *value = kist_bool(object == Py_True);
        return 0;
    case KIST_BYTES:
        if (!PyBytes_Check(object)) {
            return expected("bytes", klass, object);
        }
        *value = kist_blob(KIST_BYTES, PyBytes_AS_STRING(object),
                           (size_t)PyBytes_GET_SIZE(object));
        return 0;
    case KIST_TUPLE:
        return PyTuple_Check(object)
                   ? container_value(state, object, KIST_TUPLE, level, 0,
                                     value)
                   : expected("tuple", klass, object);
    case KIST_JSON:
        if (klass.only != NULL && !PyObject_TypeCheck(object, klass.only)) {
            return expected(klass.only->tp_name, klass, object);
        }
        return json_value(state, object, level, value);
    default:
        // A kist of the C API may be of any one type, such as DECIMAL.
        if (value_any(state, object, level, 0, value) < 0) {
            return -1;
        }
        return value->type == klass.type
                   ? 0
                   : expected(kist_type_name(klass.type), klass, object);
    }
}
