/*
 * iter(l) and reversed(l): live and by index (row 4), as list's are.
 *
 * Each step looks at the list as it is then.  Once an iterator has met the
 * end it lets the list go and stays exhausted.
 *
 * Forwards, over more than a few items, the library's scan takes the steps: it
 * too goes by index and looks each time, but asks for what comes next ahead.
 * Whatever else happens is done by index alone from then on.
 */
#include "listobj.h"

#define SCANNED_MIN 16

typedef struct list_iter {
    PyObject_HEAD kpy_coll *list; /* NULL: exhausted */
    Py_ssize_t index;             /* of the next item */
    bool backwards;
    kist_scan *scan;   /* stands at index, or NULL */
    kist_list *handle; /* what it scans */
    kpy_spares spares;
} list_iter;

static void
scan_end(list_iter *it)
{
    kist_scan *scan = it->scan;

    it->scan = NULL;
    kist_scan_close(scan);
}

static PyObject *
iter_new(PyObject *self, bool backwards)
{
    kpy_coll *list = (kpy_coll *)self;
    Py_ssize_t count = 0;
    list_iter *it;

    if (kpy_list_count(list, &count) < 0) {
        return NULL;
    }
    it = PyObject_GC_New(list_iter, list->state->types[KPY_TYPE_LIST_ITER]);
    if (it == NULL) {
        return NULL;
    }
    it->list = (kpy_coll *)Py_NewRef(self);
    it->index = backwards ? count - 1 : 0;
    it->backwards = backwards;
    it->scan = NULL;
    it->handle = list->handle.list;
    it->spares = (kpy_spares){{NULL, NULL}, 0, 0, 0};
    if (!backwards && count >= SCANNED_MIN &&
        kist_list_scan(it->handle, NULL, &it->scan) != KIST_OK) {
        it->scan = NULL; // no memory: by index, then
    }
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

PyObject *
kpy_list_iter(PyObject *self)
{
    return iter_new(self, false);
}

PyObject *
kpy_list_reversed(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return iter_new(self, true);
}

static int
iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((list_iter *)self)->list);
    return 0;
}

static int
iter_clear(PyObject *self)
{
    scan_end((list_iter *)self);
    kpy_spares_clear(&((list_iter *)self)->spares);
    Py_CLEAR(((list_iter *)self)->list);
    return 0;
}

static void
iter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    (void)iter_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
next_by_index(list_iter *it)
{
    PyObject *item = NULL;

    if (it->index >= 0) {
        item = kpy_list_item(it->list, it->index);
    }
    if (item != NULL) {
        it->index += it->backwards ? -1 : 1;
    }
    else if (!PyErr_Occurred()) {
        it->index = -1;
        Py_CLEAR(it->list);
    }
    return item;
}

static PyObject *
iter_next(PyObject *self)
{
    list_iter *it = (list_iter *)self;
    PyObject *item;
    kist_value value;

    if (it->list == NULL) {
        return NULL;
    }
    // A list that was closed, and perhaps opened again, is another one.
    if (it->scan == NULL || it->list->handle.list != it->handle ||
        kist_scan_next(it->scan, NULL, &value) != KIST_OK) {
        scan_end(it);
        return next_by_index(it);
    }
    item = kpy_object_again(it->list->state, &value, &it->spares);
    if (item != NULL) {
        it->index++;
    }
    else {
        scan_end(it); // it is one too far
    }
    return item;
}

static PyObject *
iter_length_hint(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    list_iter *it = (list_iter *)self;
    Py_ssize_t count;
    Py_ssize_t left = 0;

    if (it->list != NULL) {
        if (kpy_list_count(it->list, &count) < 0) {
            return NULL;
        }
        if (!it->backwards) {
            left = count > it->index ? count - it->index : 0;
        }
        else {
            left = it->index < count ? it->index + 1 : 0;
        }
    }
    return PyLong_FromSsize_t(left);
}

static PyObject *
iter_setstate(PyObject *self, PyObject *state)
{
    list_iter *it = (list_iter *)self;
    Py_ssize_t index = PyLong_AsSsize_t(state);
    Py_ssize_t count;

    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    scan_end(it);
    if (it->list != NULL) {
        if (kpy_list_count(it->list, &count) < 0) {
            return NULL;
        }
        if (index < (it->backwards ? -1 : 0)) {
            index = it->backwards ? -1 : 0;
        }
        if (index > (it->backwards ? count - 1 : count)) {
            index = it->backwards ? count - 1 : count;
        }
        it->index = index;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(length_hint_doc, "__length_hint__($self, /)\n--\n\n"
                              "How many items are left, as the list is now.");
PyDoc_STRVAR(setstate_doc, "__setstate__($self, index, /)\n--\n\n"
                           "Goes to an index.");

static PyMethodDef iter_methods[] = {
    {"__length_hint__", iter_length_hint, METH_NOARGS, length_hint_doc},
    {"__setstate__", iter_setstate, METH_O, setstate_doc},
    {NULL, NULL, 0, NULL}};

static PyType_Slot iter_slots[] = {
    {Py_tp_doc, "An iterator over an FSList, forwards or backwards."},
    {Py_tp_dealloc, KPY_SLOT(iter_dealloc)},
    {Py_tp_traverse, KPY_SLOT(iter_traverse)},
    {Py_tp_clear, KPY_SLOT(iter_clear)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(iter_next)},
    {Py_tp_methods, iter_methods},
    {0, NULL}};

static PyType_Spec iter_spec = {
    .name = "kist._core.FSListIterator",
    .basicsize = sizeof(list_iter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = iter_slots};

int
kpy_listiter_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_LIST_ITER, &iter_spec, NULL, false);
}
