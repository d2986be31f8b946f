/*
 * What an object would be stored as if it were in a collection: for `in`,
 * index, count, discard, where 1 == 1.0 == True.
 */
#include <math.h>

#include "convert.h"

/* The error that is set says that the object cannot be kept. */
static bool
is_refusal(void)
{
    return PyErr_ExceptionMatches(PyExc_TypeError) ||
           PyErr_ExceptionMatches(PyExc_OverflowError);
}

/* 1 and *value, 0 if the collection refuses the object, -1 on error. */
static int
probe_as(kpy_state *state, kpy_klass klass, PyObject *object,
         kpy_scratch *scratch, kist_value *value)
{
    if (kpy_value_of(state, klass, object, scratch, value) == 0) {
        return 1;
    }
    if (is_refusal()) {
        PyErr_Clear();
        return 0;
    }
    return -1;
}

/* The same for the int that equals the double, if there is one. */
static int
probe_int_of_double(kpy_state *state, kpy_klass klass, double real,
                    kpy_scratch *scratch, kist_value *value)
{
    PyObject *number;
    int result;

    if (!isfinite(real) || real != floor(real)) {
        return 0;
    }
    number = PyLong_FromDouble(real);
    if (number == NULL) {
        return -1;
    }
    result = probe_as(state, klass, number, scratch, value);
    Py_DECREF(number);
    return result;
}

static int
probe_int(kpy_state *state, kpy_klass klass, PyObject *object,
          kpy_scratch *scratch, kist_value *value)
{
    if (PyBool_Check(object)) {
        *value = kist_int(object == Py_True);
        return 1;
    }
    if (PyLong_Check(object)) {
        return probe_as(state, klass, object, scratch, value);
    }
    if (PyFloat_Check(object)) {
        return probe_int_of_double(state, klass, PyFloat_AS_DOUBLE(object),
                                   scratch, value);
    }
    if (PyComplex_Check(object) && PyComplex_ImagAsDouble(object) == 0.0) {
        return probe_int_of_double(
            state, klass, PyComplex_RealAsDouble(object), scratch, value);
    }
    return 0;
}

/* An int equals a double only if the way there and back gives it again. */
static int
probe_float(PyObject *object, kist_value *value)
{
    double real;
    PyObject *back;
    int same;

    if (PyFloat_Check(object)) {
        *value = kist_float(PyFloat_AS_DOUBLE(object));
        return 1;
    }
    if (PyComplex_Check(object) && PyComplex_ImagAsDouble(object) == 0.0) {
        *value = kist_float(PyComplex_RealAsDouble(object));
        return 1;
    }
    if (!PyLong_Check(object)) {
        return 0;
    }
    real = PyLong_AsDouble(object);
    if (real == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    back = PyLong_FromDouble(real);
    same = back == NULL ? -1 : PyObject_RichCompareBool(back, object, Py_EQ);
    Py_XDECREF(back);
    *value = kist_float(real);
    return same;
}

static int
probe_bool(PyObject *object, kist_value *value)
{
    kist_value number;

    if (probe_float(object, &number) == 1 &&
        (number.as.real == 0.0 || number.as.real == 1.0)) {
        *value = kist_bool(number.as.real == 1.0);
        return 1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Subclasses of the simple types equal their base values. */
static int
probe_any(kpy_state *state, PyObject *object, kpy_scratch *scratch,
          kist_value *value)
{
    static const kist_type simple[] = {KIST_ANY,   KIST_TEXT,  KIST_INT128,
                                       KIST_FLOAT, KIST_BYTES, KIST_TUPLE};
    int found = 0;
    size_t i;

    for (i = 0; found == 0 && i < sizeof(simple) / sizeof(simple[0]); i++) {
        const kpy_klass klass = {simple[i], NULL};

        found = probe_as(state, klass, object, scratch, value);
    }
    return found;
}

int
kpy_value_probe(kpy_state *state, kpy_klass klass, PyObject *object,
                kpy_scratch *scratch, kist_value *value)
{
    switch (klass.type) {
    case KIST_ANY:
        return probe_any(state, object, scratch, value);
    case KIST_INT:
    case KIST_INT32:
    case KIST_INT128:
        return probe_int(state, klass, object, scratch, value);
    case KIST_FLOAT:
        return probe_float(object, value);
    case KIST_BOOL:
        return probe_bool(object, value);
    default:
        return probe_as(state, klass, object, scratch, value);
    }
}
