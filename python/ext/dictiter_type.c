/*
 * The iterators of a FSDict: a strict scan that answers in dict's words.
 */
#include "dictobj.h"

typedef struct dict_iter {
    PyObject_HEAD kpy_coll *dict; /* NULL once it has come to its end */
    kist_scan *scan;
    PyObject *pair;  /* the last item handed out, made again if unused */
    Py_ssize_t left; /* not yet handed out */
    kpy_dict_part part;
    bool changed; /* RuntimeError from now on */
    kpy_spares keys;
    kpy_spares values;
} dict_iter;

/* --- scans
 * ----------------------------------------------------------------------
 */

kist_scan *
kpy_dict_scan_open(kpy_coll *dict, bool reverse)
{
    const kist_scan_options options = {.reverse = reverse, .strict = true};
    kist_scan *scan = NULL;
    kist_status status;

    if (!kpy_coll_open_or_raise(dict)) {
        return NULL;
    }
    status = kist_dict_scan(dict->handle.dict, &options, &scan);
    if (status != KIST_OK) {
        (void)kpy_raise(dict->state, status);
        return NULL;
    }
    return scan;
}

static int
changed_size(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "dictionary changed size during iteration");
    return -1;
}

static int
scan_failed(const kpy_coll *dict, kist_status status)
{
    if (status == KIST_END) {
        return 0;
    }
    if (status == KIST_ERR_CHANGED) {
        return changed_size();
    }
    return kpy_raise_int(dict->state, status);
}

int
kpy_dict_scan_next(kpy_coll *dict, kist_scan *scan, kist_slice *key,
                   kist_value *value)
{
    kist_status status;

    if (!kpy_coll_open_or_raise(dict)) {
        return -1;
    }
    status = kist_scan_next(scan, key, value);
    return status == KIST_OK ? 1 : scan_failed(dict, status);
}

/* --- life
 * ------------------------------------------------------------------------
 */

PyObject *
kpy_dict_iter(kpy_coll *dict, kpy_dict_part part, bool reverse)
{
    PyTypeObject *type = dict->state->types[KPY_TYPE_DICT_ITER];
    const Py_ssize_t length = kpy_dict_length(dict);
    dict_iter *iter;

    if (length < 0) {
        return NULL;
    }
    iter = (dict_iter *)type->tp_alloc(type, 0);
    if (iter == NULL) {
        return NULL;
    }
    iter->scan = kpy_dict_scan_open(dict, reverse);
    if (iter->scan == NULL) {
        Py_DECREF(iter);
        return NULL;
    }
    iter->dict = (kpy_coll *)Py_NewRef((PyObject *)dict);
    iter->left = length;
    iter->part = part;
    return (PyObject *)iter;
}

static int
iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    dict_iter *iter = (dict_iter *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)iter->dict);
    Py_VISIT(iter->pair);
    return 0;
}

static int
iter_clear(PyObject *self)
{
    dict_iter *iter = (dict_iter *)self;

    kist_scan_close(iter->scan);
    iter->scan = NULL;
    iter->left = 0;
    Py_CLEAR(iter->pair);
    kpy_spares_clear(&iter->keys);
    kpy_spares_clear(&iter->values);
    Py_CLEAR(iter->dict);
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

/* --- next
 * -------------------------------------------------------------------------
 */

/*
 * The pair for the next item.  The last one is used again if nobody kept it,
 * as `for k, v in d.items()` does not.  It is made before the scan is asked:
 * making it may run the collector.
 */
static PyObject *
pair_ready(dict_iter *iter)
{
    // From 3.14 on a tuple keeps its hash, so that it must not change.
    if (PY_VERSION_HEX < 0x030e0000 && iter->pair != NULL &&
        Py_REFCNT(iter->pair) == 1) {
        return Py_NewRef(iter->pair);
    }
    Py_CLEAR(iter->pair);
    return PyTuple_New(2);
}

static PyObject *
pair_fill(dict_iter *iter, PyObject *pair, kist_slice name,
          const kist_value *stored)
{
    PyObject *key = kpy_text_again(iter->dict->state, name, &iter->keys);
    PyObject *value = key == NULL ? NULL
                                  : kpy_object_again(iter->dict->state, stored,
                                                     &iter->values);
    PyObject *old_key = PyTuple_GET_ITEM(pair, 0);
    PyObject *old_value = PyTuple_GET_ITEM(pair, 1);

    if (value == NULL) {
        Py_XDECREF(key);
        Py_DECREF(pair);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, key);
    PyTuple_SET_ITEM(pair, 1, value);
    if (iter->pair == NULL) {
        iter->pair = Py_NewRef(pair);
    }
    else if (stored->type != KIST_TEXT && !PyObject_GC_IsTracked(pair)) {
        // The collector forgets tuples of plain things; this one has new ones.
        PyObject_GC_Track(pair);
    }
    Py_XDECREF(old_key);
    Py_XDECREF(old_value);
    return pair;
}

/*
 * There is no item: the end (`found` 0), or an error is set.  A scan that has
 * failed is at its end, but dict's iterator goes on failing.
 */
static PyObject *
iter_stop(dict_iter *iter, int found)
{
    if (found == 0) {
        (void)iter_clear((PyObject *)iter);
    }
    else {
        iter->changed = PyErr_ExceptionMatches(PyExc_RuntimeError);
    }
    return NULL;
}

static PyObject *
iter_next_pair(dict_iter *iter)
{
    kist_slice name;
    kist_value stored;
    PyObject *pair = pair_ready(iter);
    int found;

    if (pair == NULL) {
        return NULL;
    }
    found = kpy_dict_scan_next(iter->dict, iter->scan, &name, &stored);
    if (found == 1) {
        iter->left--;
        return pair_fill(iter, pair, name, &stored);
    }
    Py_DECREF(pair);
    return iter_stop(iter, found);
}

static PyObject *
iter_next(PyObject *self)
{
    dict_iter *iter = (dict_iter *)self;
    kist_slice name;
    kist_value stored;
    int found;

    if (iter->dict == NULL) {
        return NULL;
    }
    if (iter->changed) {
        (void)changed_size();
        return NULL;
    }
    if (iter->part == KPY_DICT_ITEMS) {
        return iter_next_pair(iter);
    }
    if (iter->part == KPY_DICT_KEYS) {
        found = kpy_dict_scan_next(iter->dict, iter->scan, &name, NULL);
        if (found == 1) {
            iter->left--;
            return kpy_text_again(iter->dict->state, name, &iter->keys);
        }
    }
    else {
        found = kpy_dict_scan_next(iter->dict, iter->scan, NULL, &stored);
        if (found == 1) {
            iter->left--;
            return kpy_object_again(iter->dict->state, &stored, &iter->values);
        }
    }
    return iter_stop(iter, found);
}

static PyObject *
iter_length_hint(PyObject *self, PyObject *unused)
{
    dict_iter *iter = (dict_iter *)self;

    (void)unused;
    return PyLong_FromSsize_t(iter->left > 0 ? iter->left : 0);
}

static PyMethodDef iter_methods[] = {
    {"__length_hint__", iter_length_hint, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(iter_dealloc)},
    {Py_tp_traverse, KPY_SLOT(iter_traverse)},
    {Py_tp_clear, KPY_SLOT(iter_clear)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(iter_next)},
    {Py_tp_methods, iter_methods},
    {0, NULL},
};

static PyType_Spec iter_spec = {
    .name = "kist._core.FSDict_iterator",
    .basicsize = sizeof(dict_iter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

int
kpy_dictiter_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_DICT_ITER, &iter_spec, NULL, false);
}
