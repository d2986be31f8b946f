/*
 * What .scan(predicate) answers: a filter over an iterator (P43, row 81).
 */
#include "collbase.h"

typedef struct scan_object {
    PyObject_HEAD PyObject *iterator;
    PyObject *predicate;
    bool spread; /* the items are pairs, the predicate takes two */
} scan_object;

static int
scan_traverse(PyObject *self, visitproc visit, void *arg)
{
    scan_object *scan = (scan_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(scan->iterator);
    Py_VISIT(scan->predicate);
    return 0;
}

static int
scan_clear(PyObject *self)
{
    scan_object *scan = (scan_object *)self;

    Py_CLEAR(scan->iterator);
    Py_CLEAR(scan->predicate);
    return 0;
}

static void
scan_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    (void)scan_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* 1 if the predicate likes `item`, 0 if not, -1 on error. */
static int
scan_test(const scan_object *scan, PyObject *item)
{
    PyObject *answer;
    int is_true;

    if (scan->spread && PyTuple_CheckExact(item) &&
        PyTuple_GET_SIZE(item) == 2) {
        PyObject *args[2] = {PyTuple_GET_ITEM(item, 0),
                             PyTuple_GET_ITEM(item, 1)};

        answer = PyObject_Vectorcall(scan->predicate, args, 2, NULL);
    }
    else {
        answer = PyObject_CallOneArg(scan->predicate, item);
    }
    is_true = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return is_true;
}

/* The next item, or NULL.  Making it may come back here and end the scan. */
static PyObject *
scan_take(const scan_object *scan)
{
    PyObject *iterator = Py_XNewRef(scan->iterator);
    PyObject *item = iterator == NULL ? NULL : PyIter_Next(iterator);

    Py_XDECREF(iterator);
    return item;
}

static PyObject *
scan_next(PyObject *self)
{
    scan_object *scan = (scan_object *)self;
    PyObject *item;

    while ((item = scan_take(scan)) != NULL) {
        const int is_true = scan_test(scan, item);

        if (is_true > 0) {
            return item;
        }
        Py_DECREF(item);
        if (is_true < 0) {
            break;
        }
    }
    // As a generator: over once it has ended or raised.
    Py_CLEAR(scan->iterator);
    return NULL;
}

PyObject *
kpy_scan_new(kpy_state *state, PyObject *iterator, PyObject *predicate,
             bool spread)
{
    PyTypeObject *type = state->types[KPY_TYPE_SCAN];
    scan_object *scan;

    if (iterator == NULL) {
        return NULL;
    }
    if (!PyCallable_Check(predicate)) {
        PyErr_Format(PyExc_TypeError, "predicate must be callable, not %.200s",
                     Py_TYPE(predicate)->tp_name);
        Py_DECREF(iterator);
        return NULL;
    }
    scan = (scan_object *)type->tp_alloc(type, 0);
    if (scan == NULL) {
        Py_DECREF(iterator);
        return NULL;
    }
    scan->iterator = iterator;
    scan->predicate = Py_NewRef(predicate);
    scan->spread = spread;
    return (PyObject *)scan;
}

static PyType_Slot scan_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(scan_dealloc)},
    {Py_tp_traverse, KPY_SLOT(scan_traverse)},
    {Py_tp_clear, KPY_SLOT(scan_clear)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(scan_next)},
    {0, NULL},
};

static PyType_Spec scan_spec = {
    .name = "kist._core.Scan",
    .basicsize = sizeof(scan_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = scan_slots,
};

int
kpy_scan_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_SCAN, &scan_spec, NULL, false);
}
