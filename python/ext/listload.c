/*
 * Iterables and buffers of numbers, as runs of values; extend.
 */
#include <string.h>

#include "listobj.h"

/*
 * What an iterator gives is appended in bunches of so many: a generator of
 * any length needs little memory, and what it gave before it failed stays
 * (row 10).
 */
#define BUNCH 4096

/* So many appends take milliseconds: others may run meanwhile. */
#define LONG_APPEND 65536

void
kpy_load_fini(kpy_load *load)
{
    kpy_haul_fini(&load->haul);
    PyMem_Free(load->own);
    memset(load, 0, sizeof(*load));
}

/* --- objects --------------------------------------------------------------
 */

static int
add(kpy_coll *list, kpy_load *load, PyObject *item)
{
    const int result =
        kpy_haul_add(list->state, list->klass, &load->haul, NULL, item);

    // Also if it has failed: the values may have moved before that.
    load->values = load->haul.values;
    load->count = load->haul.count;
    return result;
}

/*
 * All items of a builtin list or tuple.  A list may change meanwhile: keeping
 * an item of a foreign type can call Python.
 */
static int
load_sequence(kpy_coll *list, PyObject *items, kpy_load *load)
{
    Py_ssize_t i;

    for (i = 0; i < PySequence_Fast_GET_SIZE(items); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(items, i);
        int failed;

        Py_INCREF(item);
        failed = add(list, load, item);
        Py_DECREF(item);
        if (failed < 0) {
            kpy_load_fini(load);
            return -1;
        }
    }
    return 0;
}

/*
 * Up to `max` items of an iterator.  1: there may be more, 0: it has ended,
 * -1: an error is set, and the load holds what came before it.
 */
static int
load_some(kpy_coll *list, PyObject *iterator, size_t max, kpy_load *load)
{
    iternextfunc next = Py_TYPE(iterator)->tp_iternext;

    while (load->count < max) {
        PyObject *item = next(iterator);
        int failed;

        if (item == NULL) {
            if (!PyErr_Occurred()) {
                return 0;
            }
            if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                return -1;
            }
            PyErr_Clear();
            return 0;
        }
        failed = add(list, load, item);
        Py_DECREF(item);
        if (failed < 0) {
            return -1;
        }
    }
    return 1;
}

/* --- buffers --------------------------------------------------------------
 */

/* The format of one number in native order; 0 for anything else. */
static char
format_of(const Py_buffer *view)
{
    const char *format = view->format == NULL ? "B" : view->format;

    if (*format == '@' || *format == '=' || *format == '<') {
        format++;
    }
    return format[0] != '\0' && format[1] == '\0' ? format[0] : '\0';
}

static bool
fits(kist_type type, char format)
{
    switch (type) {
    case KIST_INT:
    case KIST_INT32:
    case KIST_INT128:
        return format != '\0' && strchr("bBhHiIlLqQnN", format) != NULL;
    case KIST_FLOAT:
        return format == 'd' || format == 'f';
    case KIST_BOOL:
        return format == '?';
    default:
        return false;
    }
}

static int64_t
load_signed(const void *at, Py_ssize_t size)
{
    int64_t wide = 0;
    int32_t word = 0;
    int16_t half = 0;
    int8_t byte = 0;

    switch (size) {
    case 8:
        memcpy(&wide, at, 8);
        return wide;
    case 4:
        memcpy(&word, at, 4);
        return word;
    case 2:
        memcpy(&half, at, 2);
        return half;
    default:
        memcpy(&byte, at, 1);
        return byte;
    }
}

static uint64_t
load_unsigned(const void *at, Py_ssize_t size)
{
    uint64_t wide = 0;

    // Little-endian, as all of kist: the low bytes come first.
    memcpy(&wide, at, (size_t)size);
    return wide;
}

/* One number of a buffer; false with OverflowError set. */
static bool
load_number(kist_type type, char format, Py_ssize_t size, const void *at,
            kist_value *value)
{
    double real;
    float single;
    uint64_t word;

    if (type == KIST_FLOAT) {
        if (format == 'f') {
            memcpy(&single, at, sizeof(single));
            real = (double)single;
        }
        else {
            memcpy(&real, at, sizeof(real));
        }
        *value = kist_float(real);
        return true;
    }
    if (type == KIST_BOOL) {
        *value = kist_bool(load_unsigned(at, 1) != 0);
        return true;
    }
    if (format >= 'A' && format <= 'Z') {
        word = load_unsigned(at, size);
        *value = kist_int((int64_t)word);
        if (word > INT64_MAX) {
            PyErr_Format(PyExc_OverflowError,
                         "%llu is too large for a list of %s",
                         (unsigned long long)word, kpy_klass_name(type));
            return false;
        }
    }
    else {
        *value = kist_int(load_signed(at, size));
    }
    if (type == KIST_INT32 &&
        (value->as.integer < INT32_MIN || value->as.integer > INT32_MAX)) {
        PyErr_Format(PyExc_OverflowError, "%lld is too large for int32",
                     (long long)value->as.integer);
        return false;
    }
    return true;
}

static int
load_numbers(kpy_coll *list, const Py_buffer *view, kpy_load *load)
{
    const char format = format_of(view);
    const Py_ssize_t count = view->shape[0];
    const Py_ssize_t stride =
        view->strides == NULL ? view->itemsize : view->strides[0];
    Py_ssize_t i;

    load->own = PyMem_New(kist_value, count > 0 ? (size_t)count : 1);
    if (load->own == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (i = 0; i < count; i++) {
        if (!load_number(list->klass.type, format, view->itemsize,
                         (const char *)view->buf + i * stride,
                         &load->own[i])) {
            kpy_load_fini(load);
            return -1;
        }
    }
    load->values = load->own;
    load->count = (size_t)count;
    return 0;
}

/*
 * If `object` is an array of numbers such as the list keeps: 1 and the load.
 * 0: iterate over it.  -1 with an error set.
 */
static int
load_buffer(kpy_coll *list, PyObject *object, kpy_load *load)
{
    Py_buffer view;
    int done = 0;

    if (!PyObject_CheckBuffer(object) ||
        !(fits(list->klass.type, 'q') || fits(list->klass.type, 'd') ||
          fits(list->klass.type, '?'))) {
        return 0;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_FORMAT | PyBUF_STRIDES) < 0) {
        PyErr_Clear();
        return 0;
    }
    if (view.ndim == 1 && fits(list->klass.type, format_of(&view)) &&
        view.itemsize <= 8) {
        done = load_numbers(list, &view, load) < 0 ? -1 : 1;
    }
    PyBuffer_Release(&view);
    return done;
}

/* --- everything at once ----------------------------------------------------
 */

/* iter(object), whose failure may have words of its own. */
static PyObject *
iterator_of(PyObject *object, const char *refusal)
{
    PyObject *iterator = PyObject_GetIter(object);

    if (iterator == NULL && refusal != NULL &&
        PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_SetString(PyExc_TypeError, refusal);
    }
    return iterator;
}

/*
 * True if the items can be had at once, without running Python: those are
 * taken before anything is written.
 */
static bool
is_at_hand(const kpy_coll *list, PyObject *object)
{
    return PyAnySet_CheckExact(object) || PyDict_CheckExact(object) ||
           kpy_is(list->state, KPY_TYPE_LIST, object);
}

/* A builtin list of what is at hand. */
static PyObject *
list_of(const kpy_coll *list, PyObject *object)
{
    if (kpy_is(list->state, KPY_TYPE_LIST, object)) {
        return kpy_list_read_all((kpy_coll *)object);
    }
    return PySequence_List(object);
}

int
kpy_load_all(kpy_coll *list, PyObject *iterable, const char *refusal,
             kpy_load *load)
{
    PyObject *items;
    int done;

    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable)) {
        return load_sequence(list, iterable, load);
    }
    if (is_at_hand(list, iterable)) {
        items = list_of(list, iterable);
        if (items == NULL) {
            return -1;
        }
        done = load_sequence(list, items, load);
        Py_DECREF(items);
        return done;
    }
    done = load_buffer(list, iterable, load);
    if (done != 0) {
        return done < 0 ? -1 : 0;
    }
    items = iterator_of(iterable, refusal);
    if (items == NULL) {
        return -1;
    }
    done = load_some(list, items, SIZE_MAX, load);
    Py_DECREF(items);
    if (done < 0) {
        kpy_load_fini(load);
    }
    return done;
}

/* --- extend ----------------------------------------------------------------
 */

/*
 * One lock, and one batch: all or nothing.  The values borrow from objects
 * that the load keeps alive and that do not change, so many of them can be
 * written without the GIL.
 */
static int
append_batch(kpy_coll *list, const kpy_load *load)
{
    kpy_turn turn = {.slow = load->count > LONG_APPEND};
    kpy_chest *chest = list->chest;
    kist_list *handle = list->handle.list;
    kist_status status;
    bool mine;

    if (kpy_coll_batch_begin(list, &mine) < 0) {
        return -1;
    }
    KPY_TURN(&turn, chest, status,
             kist_list_append_many(handle, load->values, load->count, NULL));
    kpy_turn_done(&turn);
    status = kpy_coll_batch_end(list, mine, status);
    return status == KIST_OK ? 0 : kpy_raise_int(list->state, status);
}

/* Appends the load and empties it. */
static int
append_load(kpy_coll *list, kpy_load *load)
{
    int result = 0;

    // What was run to get the values may have closed the list.
    if (load->count > 0) {
        result =
            kpy_coll_writable_or_raise(list) ? append_batch(list, load) : -1;
    }
    kpy_load_fini(load);
    return result;
}

/*
 * The iterator has failed: what it gave before stays (row 10), and its
 * exception goes on unless keeping that failed too.
 */
static int
append_rest(kpy_coll *list, kpy_load *load)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (append_load(list, load) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        return -1;
    }
    PyErr_Restore(type, value, traceback);
    return -1;
}

static int
extend_iterator(kpy_coll *list, PyObject *iterator)
{
    kpy_load load = {0};
    int more = 1;

    while (more > 0) {
        more = load_some(list, iterator, BUNCH, &load);
        if (more < 0) {
            return append_rest(list, &load);
        }
        if (append_load(list, &load) < 0) {
            return -1;
        }
    }
    return 0;
}

int
kpy_list_extend(kpy_coll *list, PyObject *iterable)
{
    kpy_load load = {0};
    PyObject *iterator;
    int done;

    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable) ||
        is_at_hand(list, iterable)) {
        done = kpy_load_all(list, iterable, NULL, &load);
        return done < 0 ? -1 : append_load(list, &load);
    }
    done = load_buffer(list, iterable, &load);
    if (done != 0) {
        return done < 0 ? -1 : append_load(list, &load);
    }
    iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) {
        return -1;
    }
    done = extend_iterator(list, iterator);
    Py_DECREF(iterator);
    return done;
}
