/*
 * kist._core.Collection: what FSList, FSDict and FSSet inherit.
 */
#include "collbase.h"

#include <structmember.h>

/* --- life
 * ---------------------------------------------------------------------
 */

static PyObject *
coll_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_coll *coll;

    (void)args;
    (void)kwargs;
    if (state == NULL) {
        return NULL;
    }
    if (type == state->types[KPY_TYPE_COLL]) {
        PyErr_SetString(PyExc_TypeError,
                        "use FSList, FSDict or FSSet instead");
        return NULL;
    }
    coll = (kpy_coll *)type->tp_alloc(type, 0);
    if (coll != NULL) {
        coll->state = state;
    }
    return (PyObject *)coll;
}

/* Dev mode shows it: what is not closed is synced by luck only. */
void
kpy_coll_warn(kpy_coll *coll)
{
    if (!coll->warns || coll->chest == NULL || coll->chest->pid != getpid()) {
        return;
    }
    coll->warns = false;
    if (PyErr_ResourceWarning((PyObject *)coll, 1, "unclosed %s %R",
                              kist_kind_name(coll->kind), coll->path) < 0) {
        // An error only where warnings are made errors, and not to be raised.
        PyErr_WriteUnraisable((PyObject *)coll);
    }
}

static void
coll_finalize(PyObject *self)
{
    kpy_coll *coll = (kpy_coll *)self;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    if (coll->chest == NULL) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    kpy_coll_warn(coll);
    (void)kpy_coll_close(coll);
    PyErr_Restore(type, value, traceback);
}

static void
coll_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kpy_coll *coll = (kpy_coll *)self;

    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return; // somebody keeps it
    }
    if (coll->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    kpy_coll_fini(coll);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\n"
                        "Close the collection; a temporal one is removed.\n\n"
                        "Closing twice is fine.  Anything else then raises\n"
                        "ValueError.");

static PyObject *
coll_close(PyObject *self, PyObject *unused)
{
    kpy_coll *coll = (kpy_coll *)self;
    const kist_status status = kpy_coll_close(coll);

    (void)unused;
    if (status != KIST_OK) {
        return kpy_raise(coll->state, status);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(destroy_doc,
             "destroy($self, /)\n--\n\n"
             "Close the kist, for all who use it, and remove its files.");

static PyObject *
coll_destroy(PyObject *self, PyObject *unused)
{
    kpy_coll *coll = (kpy_coll *)self;

    (void)unused;
    if (!kpy_coll_writable_or_raise(coll) ||
        kpy_chest_destroy(coll->chest) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- upkeep
 * ----------------------------------------------------------------------
 */

PyDoc_STRVAR(sync_doc, "sync($self, /)\n--\n\n"
                       "Make everything written so far survive a power cut.");

static PyObject *
coll_sync(PyObject *self, PyObject *unused)
{
    kpy_coll *coll = (kpy_coll *)self;

    (void)unused;
    return kpy_coll_open_or_raise(coll) ? kpy_chest_sync(coll->chest) : NULL;
}

PyDoc_STRVAR(compact_doc,
             "compact($self, /)\n--\n\n"
             "Give the room of overwritten and removed values back.");

static PyObject *
coll_compact(PyObject *self, PyObject *unused)
{
    kpy_coll *coll = (kpy_coll *)self;

    (void)unused;
    return kpy_coll_writable_or_raise(coll) ? kpy_chest_compact(coll->chest)
                                            : NULL;
}

PyDoc_STRVAR(batch_doc,
             "batch($self, /)\n--\n\n"
             "`with c.batch():` makes what this thread writes inside, to any\n"
             "collection of the kist, one change: all or nothing, also after\n"
             "kill -9.  An exception rolls it back.");

PyDoc_STRVAR(lock_doc,
             "lock($self, /)\n--\n\n"
             "The same as batch(): no other thread or process writes to the\n"
             "kist inside of `with c.lock():`.");

static PyObject *
coll_batch(PyObject *self, PyObject *unused)
{
    kpy_coll *coll = (kpy_coll *)self;

    (void)unused;
    return kpy_coll_writable_or_raise(coll)
               ? kpy_batch_new(coll->state, coll->chest)
               : NULL;
}

/* --- protocols
 * ----------------------------------------------------------------------
 */

static PyObject *
coll_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_coll_open_or_raise((kpy_coll *)self) ? Py_NewRef(self) : NULL;
}

static PyObject *
coll_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return coll_close(self, NULL);
}

PyDoc_STRVAR(copy_doc, "__copy__($self, /)\n--\n\n"
                       "A builtin with the contents, never a second owner.");

static PyObject *
coll_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyObject_CallMethod(self, "copy", NULL);
}

/* Row 41: the path, the name and what it was opened with. */
static PyObject *
coll_reduce(PyObject *self, PyObject *unused)
{
    static const char *const levels[] = {"process", "interval", "sync"};
    kpy_coll *coll = (kpy_coll *)self;
    const kist_options *options;
    PyObject *reopen;
    PyObject *answer;

    (void)unused;
    // The import first: it runs Python, which may close the collection.
    reopen = PyImport_ImportModule("kist._core");
    if (reopen != NULL) {
        Py_SETREF(reopen, PyObject_GetAttrString(reopen, "_reopen"));
    }
    if (reopen == NULL) {
        return NULL;
    }
    if (!kpy_coll_open_or_raise(coll)) {
        Py_DECREF(reopen);
        return NULL;
    }
    if (!coll->persistent) {
        Py_DECREF(reopen);
        return PyErr_Format(PyExc_TypeError,
                            "cannot pickle a temporal %.200s: give it a "
                            "base_path, or pickle its copy()",
                            Py_TYPE(self)->tp_name);
    }
    options = &coll->chest->options;
    answer = Py_BuildValue("(O(OOON{s:s,s:N,s:d}))", reopen, Py_TYPE(self),
                           coll->path, coll->name,
                           kpy_klass_object(coll->klass.type), "durability",
                           levels[options->durability], "read_only",
                           PyBool_FromLong(options->read_only), "lock_timeout",
                           (double)coll->chest->lock_timeout_ms / 1000.0);
    Py_DECREF(reopen);
    return answer;
}

static PyMethodDef coll_methods[] = {
    {"close", coll_close, METH_NOARGS, close_doc},
    {"destroy", coll_destroy, METH_NOARGS, destroy_doc},
    {"sync", coll_sync, METH_NOARGS, sync_doc},
    {"compact", coll_compact, METH_NOARGS, compact_doc},
    {"batch", coll_batch, METH_NOARGS, batch_doc},
    {"lock", coll_batch, METH_NOARGS, lock_doc},
    {"__enter__", coll_enter, METH_NOARGS, NULL},
    {"__exit__", KPY_METHOD(coll_exit), METH_FASTCALL, NULL},
    {"__copy__", coll_copy, METH_NOARGS, copy_doc},
    {"__deepcopy__", coll_copy, METH_O, copy_doc},
    {"_repr_html_", kpy_coll_html, METH_NOARGS, NULL},
    {"__reduce__", coll_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

/* --- attributes
 * -----------------------------------------------------------------------
 */

static PyObject *
get_metrics(PyObject *self, void *unused)
{
    kpy_coll *coll = (kpy_coll *)self;

    (void)unused;
    return kpy_coll_open_or_raise(coll)
               ? kpy_metrics_new(coll->state, coll->chest)
               : NULL;
}

static PyObject *
get_klass(PyObject *self, void *unused)
{
    (void)unused;
    return kpy_klass_object(((kpy_coll *)self)->klass.type);
}

static PyObject *
get_closed(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((kpy_coll *)self)->handle.any == NULL);
}

static PyObject *
get_read_only(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((kpy_coll *)self)->read_only);
}

static PyObject *
get_temporal(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!((kpy_coll *)self)->persistent);
}

static PyObject *
get_path(PyObject *self, void *unused)
{
    PyObject *path = ((kpy_coll *)self)->path;

    (void)unused;
    return Py_NewRef(path == NULL ? Py_None : path);
}

static PyObject *
get_name(PyObject *self, void *unused)
{
    PyObject *name = ((kpy_coll *)self)->name;

    (void)unused;
    return Py_NewRef(name == NULL ? Py_None : name);
}

static PyGetSetDef coll_getset[] = {
    {"metrics", get_metrics, NULL, "What the kist holds and costs.", NULL},
    {"klass", get_klass, NULL, "The name of the value type, or None.", NULL},
    {"closed", get_closed, NULL, "True if it was closed.", NULL},
    {"read_only", get_read_only, NULL, "True if it cannot be changed.", NULL},
    {"temporal", get_temporal, NULL, "True if it goes when closed.", NULL},
    {"path", get_path, NULL, "The absolute path, without .kist.", NULL},
    {"name", get_name, NULL, "The name within the kist; '': root.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef coll_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(kpy_coll, weakrefs), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(coll_doc, "What FSList, FSDict and FSSet have in common.");

static PyType_Slot coll_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)coll_doc},
    {Py_tp_new, KPY_SLOT(coll_new)},
    {Py_tp_dealloc, KPY_SLOT(coll_dealloc)},
    {Py_tp_finalize, KPY_SLOT(coll_finalize)},
    {Py_tp_hash, KPY_SLOT(PyObject_HashNotImplemented)},
    {Py_tp_methods, coll_methods},
    {Py_tp_getset, coll_getset},
    {Py_tp_members, coll_members},
    {0, NULL},
};

static PyType_Spec coll_spec = {
    .name = "kist._core.Collection",
    .basicsize = sizeof(kpy_coll),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = coll_slots,
};

int
kpy_coll_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_COLL, &coll_spec, NULL, false) < 0
               ? -1
               : kpy_scan_type_add(module);
}
