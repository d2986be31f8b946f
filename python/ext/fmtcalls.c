/*
 * The formats as functions of the module: kist.persidict.formats names them.
 */
#include "fmt.h"

/* The fields that both functions have; 0 or -1 with ValueError. */
static int
fmt_read(PyObject *name, PyObject *key, kpy_fmt *fmt)
{
    *fmt = (kpy_fmt){
        .kind = kpy_fmt_kind_of(name),
        .inflated_max = KPY_FMT_INFLATED_MAX,
        .key = key == Py_None ? NULL : key,
    };
    if (fmt->kind == KPY_FMT_SPKL &&
        (fmt->key == NULL || !PyBytes_Check(fmt->key))) {
        PyErr_SetString(PyExc_ValueError,
                        "format 'spkl' needs a key, as bytes");
        return -1;
    }
    return 0;
}

PyObject *
kpy_format_dumps(PyObject *module, PyObject *args)
{
    kpy_state *state = kpy_state_of_module(module);
    PyObject *value;
    PyObject *name;
    PyObject *key;
    PyObject *bytes = NULL;
    kist_buf out = {0};
    kpy_fmt fmt;

    if (!PyArg_ParseTuple(args, "OUO:_format_dumps", &value, &name, &key) ||
        fmt_read(name, key, &fmt) < 0) {
        return NULL;
    }
    if (kpy_fmt_dump(state, &fmt, value, &out) == 0) {
        bytes = PyBytes_FromStringAndSize((const char *)out.data,
                                          (Py_ssize_t)out.size);
    }
    kist_buf_fini(&out);
    return bytes;
}

PyObject *
kpy_format_loads(PyObject *module, PyObject *args)
{
    kpy_state *state = kpy_state_of_module(module);
    PyObject *bytes;
    PyObject *name;
    PyObject *key;
    PyObject *place;
    Py_ssize_t inflated_max;
    int trusted;
    kpy_fmt fmt;
    PyObject *value;

    if (!PyArg_ParseTuple(args, "SUpOnO:_format_loads", &bytes, &name,
                          &trusted, &key, &inflated_max, &place) ||
        fmt_read(name, key, &fmt) < 0) {
        return NULL;
    }
    fmt.trusted = trusted != 0;
    if (inflated_max > 0) {
        fmt.inflated_max = (size_t)inflated_max;
    }
    value = kpy_fmt_load(
        state, &fmt,
        kist_bytes(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)));
    if (value == NULL && PyUnicode_Check(place)) {
        kpy_fmt_note(place);
    }
    return value;
}
