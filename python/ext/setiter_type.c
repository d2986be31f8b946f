/* The iterator of a FSSet: a strict scan that answers in set's words. */

#include "setops.h"

typedef struct set_iter {
    PyObject_HEAD kpy_coll *set; /* NULL once it has come to its end */
    kist_scan *scan;
    uint64_t began; /* number of members then */
    uint64_t left;  /* of them not yet handed out */
    bool changed;   /* RuntimeError from now on */
    kpy_spares spares;
} set_iter;

static int
changed_size(void)
{
    PyErr_SetString(PyExc_RuntimeError, "Set changed size during iteration");
    return -1;
}

kist_scan *
kpy_set_scan_open(kpy_coll *self)
{
    const kist_scan_options options = {false, true};
    kist_scan *scan = NULL;
    kist_status status;

    if (!kpy_coll_open_or_raise(self)) {
        return NULL;
    }
    status = kist_set_scan(self->handle.set, &options, &scan);
    if (status != KIST_OK) {
        (void)kpy_raise(self->state, status);
        return NULL;
    }
    return scan;
}

int
kpy_set_scan_next(kpy_coll *self, kist_scan *scan, kist_value *value)
{
    kist_status status;

    if (!kpy_coll_open_or_raise(self)) {
        return -1;
    }
    status = kist_scan_next(scan, NULL, value);
    if (status == KIST_OK) {
        return 1;
    }
    if (status == KIST_END) {
        return 0;
    }
    if (status == KIST_ERR_CHANGED) {
        return changed_size();
    }
    return kpy_raise_int(self->state, status);
}

PyObject *
kpy_set_iter(PyObject *self)
{
    kpy_coll *set = (kpy_coll *)self;
    PyTypeObject *type = set->state->types[KPY_TYPE_SET_ITER];
    Py_ssize_t count = kpy_set_count(set);
    set_iter *it;

    if (count < 0) {
        return NULL;
    }
    it = PyObject_GC_New(set_iter, type);
    if (it == NULL) {
        return NULL;
    }
    it->set = (kpy_coll *)Py_NewRef(self);
    it->began = (uint64_t)count;
    it->left = (uint64_t)count;
    it->changed = false;
    it->spares = (kpy_spares){{NULL, NULL}, 0, 0, 0};
    it->scan = kpy_set_scan_open(set);
    PyObject_GC_Track(it);
    if (it->scan == NULL) {
        Py_DECREF(it);
        return NULL;
    }
    return (PyObject *)it;
}

static void
set_iter_end(set_iter *it)
{
    kist_scan *scan = it->scan;

    it->scan = NULL;
    it->left = 0;
    kist_scan_close(scan);
    kpy_spares_clear(&it->spares);
    Py_CLEAR(it->set);
}

static PyObject *
set_iter_next(PyObject *self)
{
    set_iter *it = (set_iter *)self;
    kist_value value;
    int more;

    if (it->set == NULL) {
        return NULL;
    }
    more = it->changed ? changed_size()
                       : kpy_set_scan_next(it->set, it->scan, &value);
    if (more > 0) {
        it->left -= it->left > 0;
        return kpy_object_again(it->set->state, &value, &it->spares);
    }
    if (more == 0) {
        set_iter_end(it);
    }
    else if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        // A scan that has failed is at its end; set's iterator goes on
        // failing.
        it->changed = true;
    }
    return NULL;
}

/* How many are still to come; 0 once the set's size is another (as set's). */
static PyObject *
set_iter_length_hint(PyObject *self, PyObject *Py_UNUSED(unused))
{
    set_iter *it = (set_iter *)self;
    Py_ssize_t count;

    if (it->set == NULL) {
        return PyLong_FromLong(0);
    }
    count = kpy_set_count(it->set);
    if (count < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong((uint64_t)count == it->began ? it->left
                                                                    : 0);
}

/* Pickles and copies as an iterator over a list of what is still to come. */
static PyObject *
set_iter_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    set_iter *it = (set_iter *)self;
    PyObject *builtins = PyImport_ImportModule("builtins");
    PyObject *function = NULL;
    PyObject *rest = NULL;
    PyObject *result = NULL;
    Py_ssize_t size;

    if (builtins == NULL) {
        return NULL;
    }
    function = PyObject_GetAttrString(builtins, "iter");
    Py_DECREF(builtins);
    if (function == NULL) {
        return NULL;
    }
    rest =
        it->set == NULL ? PyList_New(0) : PySequence_List((PyObject *)it->set);
    if (rest != NULL) {
        // The walk goes in the same order each time, so the tail is the rest.
        size = PyList_GET_SIZE(rest);
        if ((uint64_t)size != it->began && it->set != NULL) {
            (void)changed_size();
        }
        else if (PyList_SetSlice(rest, 0, size - (Py_ssize_t)it->left, NULL) ==
                 0) {
            result = Py_BuildValue("O(O)", function, rest);
        }
    }
    Py_XDECREF(rest);
    Py_DECREF(function);
    return result;
}

static int
set_iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((set_iter *)self)->set);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
set_iter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    set_iter_end((set_iter *)self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef set_iter_methods[] = {
    {"__length_hint__", set_iter_length_hint, METH_NOARGS,
     PyDoc_STR("__length_hint__($self, /)\n--\n\n"
               "How many members are still to come.")},
    {"__reduce__", set_iter_reduce, METH_NOARGS,
     PyDoc_STR("__reduce__($self, /)\n--\n\n"
               "For pickle and copy: iter() of a list of the rest.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot set_iter_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(set_iter_dealloc)},
    {Py_tp_traverse, KPY_SLOT(set_iter_traverse)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(set_iter_next)},
    {Py_tp_methods, set_iter_methods},
    {0, NULL},
};

static PyType_Spec set_iter_spec = {
    .name = "kist.set_iterator",
    .basicsize = sizeof(set_iter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = set_iter_slots,
};

int
kpy_set_iter_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_SET_ITER, &set_iter_spec, NULL,
                        false);
}
