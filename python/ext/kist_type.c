/*
 * Kist, the whole file pair with the collections in it, and Batch, the
 * context manager that makes several writes one.
 */
#include "collbase.h"

#include <structmember.h>

typedef struct kist_object {
    PyObject_HEAD kpy_chest
        *chest; /* NULL: closed.  Its kist may be NULL, too */
    kpy_state *state;
    PyObject *path;
    PyObject *weakrefs;
} kist_object;

typedef struct batch_object {
    PyObject_HEAD kpy_chest *chest; /* a user of it until the object goes */
    kpy_state *state;
    bool entered;
} batch_object;

/* --- Batch
 * --------------------------------------------------------------------
 */

PyObject *
kpy_batch_new(kpy_state *state, kpy_chest *chest)
{
    PyTypeObject *type = state->types[KPY_TYPE_BATCH];
    batch_object *batch = (batch_object *)type->tp_alloc(type, 0);

    if (batch != NULL) {
        batch->chest = kpy_chest_retain(chest);
        batch->state = state;
    }
    return (PyObject *)batch;
}

static void
batch_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    batch_object *batch = (batch_object *)self;

    // Nobody can leave it any more: what was begun is taken back.
    if (batch->entered && batch->chest->kist != NULL) {
        (void)kist_batch_rollback(batch->chest->kist);
    }
    (void)kpy_chest_release(batch->chest);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
batch_enter(PyObject *self, PyObject *unused)
{
    batch_object *batch = (batch_object *)self;
    kpy_chest *chest = batch->chest;
    kpy_turn turn = {0};
    kist_status status;

    (void)unused;
    if (chest->kist == NULL) {
        return kpy_raise_closed();
    }
    KPY_TURN(&turn, chest, status, kist_batch_begin(chest->kist));
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(batch->state, status);
    }
    batch->entered = true;
    return Py_NewRef(self);
}

/* Commits, or rolls back what an exception ends; the exception goes on. */
static PyObject *
batch_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    batch_object *batch = (batch_object *)self;
    kpy_chest *chest = batch->chest;
    kpy_turn turn = {0};
    kist_status status;

    if (!batch->entered) {
        PyErr_SetString(PyExc_RuntimeError, "the batch was not entered");
        return NULL;
    }
    batch->entered = false;
    if (chest->kist == NULL) {
        return count > 0 && args[0] != Py_None ? Py_NewRef(Py_False)
                                               : kpy_raise_closed();
    }
    // INVALID: this thread is not the one that entered, which still may leave.
    if (count > 0 && args[0] != Py_None) {
        status = kist_batch_rollback(chest->kist);
        batch->entered = status == KIST_ERR_INVALID;
        Py_RETURN_FALSE;
    }
    KPY_TURN(&turn, chest, status, kist_batch_commit(chest->kist));
    batch->entered = status == KIST_ERR_INVALID;
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(batch->state, status);
    }
    Py_RETURN_FALSE;
}

static PyMethodDef batch_methods[] = {
    {"__enter__", batch_enter, METH_NOARGS, NULL},
    {"__exit__", KPY_METHOD(batch_exit), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(batch_dealloc)},
    {Py_tp_methods, batch_methods},
    {0, NULL},
};

static PyType_Spec batch_spec = {
    .name = "kist.Batch",
    .basicsize = sizeof(batch_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batch_slots,
};

/* --- Kist: life
 * ----------------------------------------------------------------
 */

static kist_status
release_kist(kist_object *self)
{
    kpy_chest *chest = self->chest;

    self->chest = NULL;
    return chest == NULL ? KIST_OK : kpy_chest_release(chest);
}

static bool
kist_open_or_raise(const kist_object *self)
{
    if (self->chest != NULL && self->chest->kist != NULL &&
        !self->chest->closing) {
        return true;
    }
    (void)kpy_raise_closed();
    return false;
}

static PyObject *
kist_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_options options;
    kist_object *self;

    if (state == NULL ||
        kpy_options_parse(args, kwargs, false, &options) < 0) {
        return NULL;
    }
    self = (kist_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->chest = kpy_chest_acquire(state, &options);
    if (self->chest != NULL) {
        self->path = PyUnicode_DecodeFSDefault(self->chest->path);
    }
    if (self->path == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
kist_finalize(PyObject *object)
{
    kist_object *self = (kist_object *)object;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    if (self->chest == NULL) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    if (!self->chest->temporal && self->chest->kist != NULL &&
        self->chest->pid == getpid() && self->path != NULL &&
        PyErr_ResourceWarning(object, 1, "unclosed kist %R", self->path) < 0) {
        PyErr_WriteUnraisable(object);
    }
    (void)release_kist(self);
    PyErr_Restore(type, value, traceback);
}

static void
kist_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    kist_object *self = (kist_object *)object;

    if (PyObject_CallFinalizerFromDealloc(object) < 0) {
        return;
    }
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    (void)release_kist(self);
    Py_CLEAR(self->path);
    type->tp_free(object);
    Py_DECREF(type);
}

/* --- Kist: collections
 * ------------------------------------------------------------
 */

static PyObject *
collection(PyObject *object, kist_kind kind, PyObject *const *args,
           Py_ssize_t count, PyObject *names)
{
    kist_object *self = (kist_object *)object;
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    PyObject *klass = NULL;

    if (count == 2 && named == 0) {
        klass = args[1];
    }
    else if (count == 1 && named == 1 &&
             PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0),
                                              "klass") == 0) {
        klass = args[1];
    }
    else if (count != 1 || named != 0) {
        return PyErr_Format(PyExc_TypeError, "%s(name, klass=None) expected",
                            kist_kind_name(kind));
    }
    if (!kist_open_or_raise(self)) {
        return NULL;
    }
    return kpy_coll_attach(self->chest, NULL, kind, args[0], klass);
}

static PyObject *
kist_list_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    return collection(self, KIST_KIND_LIST, args, count, names);
}

static PyObject *
kist_dict_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    return collection(self, KIST_KIND_DICT, args, count, names);
}

static PyObject *
kist_set_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                PyObject *names)
{
    return collection(self, KIST_KIND_SET, args, count, names);
}

PyDoc_STRVAR(names_doc,
             "collections($self, /)\n--\n\n"
             "A dict of what is inside: name to (kind, klass, count).");

static PyObject *
kist_collections(PyObject *object, PyObject *unused)
{
    kist_object *self = (kist_object *)object;
    PyObject *names;
    kist_coll_info info;
    kist_status status = KIST_OK;
    uint64_t index;

    (void)unused;
    if (!kist_open_or_raise(self)) {
        return NULL;
    }
    names = PyDict_New();
    for (index = 0; names != NULL; index++) {
        PyObject *name;
        PyObject *about;

        // Making the objects may run the collector, and that anything.
        if (!kist_open_or_raise(self)) {
            Py_DECREF(names);
            return NULL;
        }
        status = kist_coll_at(self->chest->kist, index, &info);
        if (status != KIST_OK) {
            break;
        }
        name = kpy_text_new(self->state, info.name);
        about = Py_BuildValue("(sNK)", kist_kind_name(info.kind),
                              kpy_klass_object(info.type),
                              (unsigned long long)info.count);
        if (name == NULL || about == NULL ||
            PyDict_SetItem(names, name, about) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(about);
        Py_XDECREF(name);
    }
    if (names != NULL && status != KIST_END) {
        Py_DECREF(names);
        return kpy_raise(self->state, status);
    }
    return names;
}

PyDoc_STRVAR(drop_doc, "drop($self, name, /)\n--\n\n"
                       "Remove the collection `name` with all it holds.");

static PyObject *
kist_drop(PyObject *object, PyObject *name)
{
    kist_object *self = (kist_object *)object;
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest = self->chest;
    kist_slice text;
    kist_status status;

    if (!kist_open_or_raise(self)) {
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        return PyErr_Format(PyExc_TypeError,
                            "a collection's name is str, not %.200s",
                            Py_TYPE(name)->tp_name);
    }
    if (kpy_key_of(name, &scratch, &text) < 0) {
        return NULL;
    }
    KPY_TURN(&turn, chest, status, kist_coll_drop(chest->kist, text));
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    if (status == KIST_ERR_NOTFOUND) {
        return kpy_raise_key(name);
    }
    if (status != KIST_OK) {
        return kpy_raise(self->state, status);
    }
    Py_RETURN_NONE;
}

/* --- Kist: upkeep
 * ------------------------------------------------------------------
 */

static PyObject *
kist_close_method(PyObject *object, PyObject *unused)
{
    kist_object *self = (kist_object *)object;
    const kist_status status = release_kist(self);

    (void)unused;
    if (status != KIST_OK) {
        return kpy_raise(self->state, status);
    }
    Py_RETURN_NONE;
}

static PyObject *
kist_destroy_method(PyObject *object, PyObject *unused)
{
    kist_object *self = (kist_object *)object;

    (void)unused;
    if (!kist_open_or_raise(self)) {
        return NULL;
    }
    if (self->chest->options.read_only) {
        PyObject *class = kpy_lazy(self->state, KPY_LAZY_UNSUPPORTED);

        if (class != NULL) {
            PyErr_SetString(class, "the kist is open read-only");
        }
        return NULL;
    }
    if (kpy_chest_destroy(self->chest) < 0) {
        return NULL;
    }
    (void)release_kist(self);
    Py_RETURN_NONE;
}

static PyObject *
kist_sync_method(PyObject *object, PyObject *unused)
{
    kist_object *self = (kist_object *)object;

    (void)unused;
    return kist_open_or_raise(self) ? kpy_chest_sync(self->chest) : NULL;
}

static PyObject *
kist_compact_method(PyObject *object, PyObject *unused)
{
    kist_object *self = (kist_object *)object;

    (void)unused;
    return kist_open_or_raise(self) ? kpy_chest_compact(self->chest) : NULL;
}

static PyObject *
kist_batch_method(PyObject *object, PyObject *unused)
{
    kist_object *self = (kist_object *)object;

    (void)unused;
    return kist_open_or_raise(self) ? kpy_batch_new(self->state, self->chest)
                                    : NULL;
}

static PyObject *
kist_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return kist_open_or_raise((kist_object *)object) ? Py_NewRef(object)
                                                     : NULL;
}

static PyObject *
kist_exit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return kist_close_method(object, NULL);
}

static PyObject *
kist_repr(PyObject *object)
{
    kist_object *self = (kist_object *)object;
    const bool open = self->chest != NULL && self->chest->kist != NULL;

    return PyUnicode_FromFormat("<Kist%s at %R>", open ? "" : " (closed)",
                                self->path);
}

static PyObject *
kist_get_metrics(PyObject *object, void *unused)
{
    kist_object *self = (kist_object *)object;

    (void)unused;
    return kist_open_or_raise(self) ? kpy_metrics_new(self->state, self->chest)
                                    : NULL;
}

static PyObject *
kist_get_closed(PyObject *object, void *unused)
{
    kist_object *self = (kist_object *)object;

    (void)unused;
    return PyBool_FromLong(self->chest == NULL || self->chest->kist == NULL);
}

/* --- Kist: the type
 * -----------------------------------------------------------------
 */

static PyMethodDef kist_methods[] = {
    {"list", KPY_METHOD(kist_list_method), METH_FASTCALL | METH_KEYWORDS,
     "list($self, name, klass=None)\n--\n\nThe FSList called `name`."},
    {"dict", KPY_METHOD(kist_dict_method), METH_FASTCALL | METH_KEYWORDS,
     "dict($self, name, klass=None)\n--\n\nThe FSDict called `name`."},
    {"set", KPY_METHOD(kist_set_method), METH_FASTCALL | METH_KEYWORDS,
     "set($self, name, klass=None)\n--\n\nThe FSSet called `name`."},
    {"collections", kist_collections, METH_NOARGS, names_doc},
    {"drop", kist_drop, METH_O, drop_doc},
    {"batch", kist_batch_method, METH_NOARGS,
     "batch($self, /)\n--\n\nAll writes inside of it are one change."},
    {"lock", kist_batch_method, METH_NOARGS,
     "lock($self, /)\n--\n\nThe same as batch()."},
    {"sync", kist_sync_method, METH_NOARGS,
     "sync($self, /)\n--\n\nMake all writes survive a power cut."},
    {"compact", kist_compact_method, METH_NOARGS,
     "compact($self, /)\n--\n\nGive the room of dead records back."},
    {"close", kist_close_method, METH_NOARGS,
     "close($self, /)\n--\n\nClose; collections got from it stay open."},
    {"destroy", kist_destroy_method, METH_NOARGS,
     "destroy($self, /)\n--\n\nClose for all and remove the files."},
    {"__enter__", kist_enter, METH_NOARGS, NULL},
    {"__exit__", KPY_METHOD(kist_exit), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef kist_getset[] = {
    {"metrics", kist_get_metrics, NULL, "What it holds and costs.", NULL},
    {"closed", kist_get_closed, NULL, "True if it was closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef kist_members[] = {
    {"path", T_OBJECT_EX, offsetof(kist_object, path), READONLY,
     "The absolute path, without .kist."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(kist_object, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(kist_doc,
             "Kist(path=None, *, durability='process', read_only=False, "
             "...)\n--\n\n"
             "One file pair that holds any number of collections.");

static PyType_Slot kist_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)kist_doc},
    {Py_tp_new, KPY_SLOT(kist_new)},
    {Py_tp_dealloc, KPY_SLOT(kist_dealloc)},
    {Py_tp_finalize, KPY_SLOT(kist_finalize)},
    {Py_tp_repr, KPY_SLOT(kist_repr)},
    {Py_tp_methods, kist_methods},
    {Py_tp_getset, kist_getset},
    {Py_tp_members, kist_members},
    {0, NULL},
};

static PyType_Spec kist_spec = {
    .name = "kist.Kist",
    .basicsize = sizeof(kist_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = kist_slots,
};

int
kpy_kist_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_BATCH, &batch_spec, NULL, false) <
                       0 ||
                   kpy_type_add(module, KPY_TYPE_KIST, &kist_spec, NULL,
                                true) < 0
               ? -1
               : 0;
}
