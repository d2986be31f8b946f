/*
 * The base of LocalDict: what the class in kist.persidict.local_dict leaves
 * to C.  The slots are here, so that d[key] costs no frame of Python.
 */

#include "localdict.h"

static inline kpy_local *
as_local(PyObject *object)
{
    return (kpy_local *)object;
}

/* --- one item --------------------------------------------------------------
 */

static PyObject *
local_subscript(PyObject *object, PyObject *key)
{
    kpy_local *self = as_local(object);
    kpy_local_entry *entry;
    PyObject *value;
    const int rc = kpy_local_find(self, key, &entry);

    if (rc <= 0) {
        if (rc == 0) {
            (void)kpy_raise_key_error(self->state, key);
        }
        return NULL;
    }
    value = kpy_local_value(self, entry);
    Py_DECREF(entry);
    return value;
}

bool
kpy_local_is_plain(PyObject *object)
{
    const PyMappingMethods *methods = Py_TYPE(object)->tp_as_mapping;

    return methods != NULL && methods->mp_subscript == local_subscript;
}

int
kpy_local_get(PyObject *self, PyObject *key, PyObject **value)
{
    kpy_local_entry *entry;
    const int rc = kpy_local_find(as_local(self), key, &entry);

    if (rc > 0) {
        *value = kpy_local_value(as_local(self), entry);
        Py_DECREF(entry);
        return *value == NULL ? -1 : 1;
    }
    return rc;
}

/* 1 if there was such an item, 0 if not, -1; `policy` is checked first. */
static int
local_remove(kpy_local *self, PyObject *key, bool policy)
{
    PyObject *bucket;
    PyObject *leaf;
    int rc = kpy_local_place(self, key, false, &bucket, &leaf);

    if (rc < 0) {
        return -1;
    }
    if (policy && self->append_only) {
        rc = kpy_raise_append_only(self->state);
    }
    else if (rc > 0) {
        rc = kpy_local_take_out(self, bucket, leaf);
    }
    Py_XDECREF(leaf);
    Py_XDECREF(bucket);
    return rc > 0 && kpy_local_tidy(self) < 0 ? -1 : rc;
}

/* Writes `value`, which is no Joker.  0 or -1. */
static int
local_store(kpy_local *self, PyObject *key, PyObject *value)
{
    kpy_local_entry *entry;
    PyObject *bucket;
    PyObject *leaf;
    int rc;

    if (kpy_local_place(self, key, true, &bucket, &leaf) <= 0) {
        return -1;
    }
    if (kpy_value_check(self->state, self->base, value) < 0) {
        entry = NULL;
    }
    else {
        entry = kpy_local_entry_new(self, value);
    }
    rc = entry == NULL ? -1 : 0;
    if (rc == 0 && self->append_only) {
        rc = PyDict_Contains(bucket, leaf);
        if (rc > 0) {
            rc = kpy_raise_append_only(self->state);
        }
    }
    if (rc == 0) {
        rc = kpy_local_put(self, bucket, leaf, entry);
    }
    Py_XDECREF(entry);
    Py_DECREF(leaf);
    Py_DECREF(bucket);
    return rc;
}

static int
local_ass_subscript(PyObject *object, PyObject *key, PyObject *value)
{
    kpy_local *self = as_local(object);
    PyObject *bucket;
    PyObject *leaf;
    int rc;

    if (value == NULL) {
        rc = local_remove(self, key, true);
        if (rc == 0) {
            return kpy_raise_key_error(self->state, key);
        }
        return rc < 0 ? -1 : 0;
    }
    if (kpy_is_delete(self->state, value)) {
        return local_remove(self, key, true) < 0 ? -1 : 0;
    }
    if (kpy_is_keep(self->state, value)) {
        rc = kpy_local_place(self, key, false, &bucket, &leaf);
        Py_XDECREF(leaf);
        Py_XDECREF(bucket);
        return rc < 0 ? -1 : 0;
    }
    return local_store(self, key, value);
}

static int
local_contains(PyObject *object, PyObject *key)
{
    kpy_local_entry *entry;
    const int rc = kpy_local_find(as_local(object), key, &entry);

    if (rc > 0) {
        Py_DECREF(entry);
    }
    return rc;
}

/* --- all items -------------------------------------------------------------
 */

/* How many items of the format are at and below `node`; -1 with an error. */
static Py_ssize_t
count_below(kpy_local_node *node, PyObject *format, bool one_is_enough)
{
    PyObject *bucket = kpy_local_bucket(node, format, false);
    Py_ssize_t count = bucket == NULL ? 0 : PyDict_GET_SIZE(bucket);
    Py_ssize_t place = 0;
    PyObject *name;
    PyObject *child;

    // No Python code runs here: a str's hash and equality are C.
    while (node->children != NULL && !(one_is_enough && count > 0) &&
           PyDict_Next(node->children, &place, &name, &child)) {
        count += count_below((kpy_local_node *)child, format, one_is_enough);
    }
    return count;
}

static Py_ssize_t
local_length(PyObject *object)
{
    kpy_local *self = as_local(object);

    return kpy_local_ready(self) < 0
               ? -1
               : count_below(self->node, self->format, false);
}

static int
local_bool(PyObject *object)
{
    kpy_local *self = as_local(object);

    return kpy_local_ready(self) < 0
               ? -1
               : count_below(self->node, self->format, true) > 0;
}

static PyObject *
local_tp_iter(PyObject *self)
{
    return kpy_local_iter(as_local(self), true, false, false);
}

static PyObject *
local_keys(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return kpy_local_iter(as_local(self), true, false, false);
}

static PyObject *
local_values(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return kpy_local_iter(as_local(self), false, true, false);
}

static PyObject *
local_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return kpy_local_iter(as_local(self), true, true, false);
}

static PyObject *
local_generic_iter(PyObject *self, PyObject *labels)
{
    static const char *const names[3] = {"keys", "values", "timestamps"};
    PyObject *answer;
    bool wanted[3];
    int i;

    // The checks, and their errors, are the base class's.
    answer =
        PyObject_CallMethod(self, "_process_generic_iter_args", "O", labels);
    if (answer == NULL) {
        return NULL;
    }
    Py_DECREF(answer);
    // A subclass may have other checks; these must hold all the same.
    if (!PyAnySet_Check(labels)) {
        PyErr_SetString(PyExc_TypeError,
                        "result_type must be a set of strings");
        return NULL;
    }
    for (i = 0; i < 3; i++) {
        PyObject *name = PyUnicode_FromString(names[i]);
        const int has = name == NULL ? -1 : PySet_Contains(labels, name);

        Py_XDECREF(name);
        if (has < 0) {
            return NULL;
        }
        wanted[i] = has > 0;
    }
    if (!wanted[0] && !wanted[1] && !wanted[2]) {
        PyErr_SetString(PyExc_ValueError,
                        "result_type must contain between 1 and 3 elements");
        return NULL;
    }
    return kpy_local_iter(as_local(self), wanted[0], wanted[1], wanted[2]);
}

/*
 * The `index`-th key at and below `node`, whose place is `prefix`, or NULL;
 * *index goes down by what was passed over.  Walks over nodes, and over one
 * bucket, without making a key of any other item.
 */
static PyObject *
nth_below(kpy_local *self, kpy_local_node *node, PyObject *prefix,
          Py_ssize_t *index)
{
    PyObject *bucket = kpy_local_bucket(node, self->format, false);
    Py_ssize_t place = 0;
    PyObject *found = NULL;
    PyObject *name;
    PyObject *item;

    if (bucket != NULL && *index < PyDict_GET_SIZE(bucket)) {
        do {
            if (!PyDict_Next(bucket, &place, &name, &item)) {
                return NULL;
            }
        } while ((*index)-- > 0);
        return kpy_key_wrap(self->state->types[KPY_TYPE_SAFESTR],
                            kpy_key_longer(prefix, name));
    }
    *index -= bucket == NULL ? 0 : PyDict_GET_SIZE(bucket);
    place = 0;
    while (found == NULL && !PyErr_Occurred() && node->children != NULL &&
           PyDict_Next(node->children, &place, &name, &item)) {
        const Py_ssize_t below =
            count_below((kpy_local_node *)item, self->format, false);

        if (*index < below) {
            PyObject *further = kpy_key_longer(prefix, name);

            if (further != NULL) {
                Py_INCREF(item);
                found =
                    nth_below(self, (kpy_local_node *)item, further, index);
                Py_DECREF(item);
                Py_DECREF(further);
            }
            break;
        }
        *index -= below;
    }
    return found;
}

/* _nth(index): a key, or None if there are not so many. */
static PyObject *
local_nth(PyObject *object, PyObject *number)
{
    kpy_local *self = as_local(object);
    Py_ssize_t index = PyNumber_AsSsize_t(number, PyExc_IndexError);
    PyObject *prefix;
    PyObject *key = NULL;

    if ((index < 0 && PyErr_Occurred()) || kpy_local_ready(self) < 0) {
        return NULL;
    }
    prefix = PyTuple_New(0);
    if (prefix != NULL && index >= 0) {
        key = nth_below(self, self->node, prefix, &index);
    }
    Py_XDECREF(prefix);
    return key == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : key;
}

/* Empties the buckets of the format at and below `node`. */
static int
clear_below(kpy_local_node *node, PyObject *format)
{
    PyObject *bucket = kpy_local_bucket(node, format, false);
    PyObject *children;
    Py_ssize_t i;
    int rc = 0;

    if (bucket != NULL) {
        PyDict_Clear(bucket);
    }
    if (node->children == NULL) {
        return 0;
    }
    children = PyDict_Values(node->children);
    if (children == NULL) {
        return -1;
    }
    for (i = 0; rc == 0 && i < PyList_GET_SIZE(children); i++) {
        rc = clear_below((kpy_local_node *)PyList_GET_ITEM(children, i),
                         format);
    }
    Py_DECREF(children);
    return rc;
}

static PyObject *
local_clear(PyObject *object, PyObject *Py_UNUSED(unused))
{
    kpy_local *self = as_local(object);

    if (kpy_local_ready(self) < 0) {
        return NULL;
    }
    if (self->append_only) {
        (void)kpy_raise_append_only(self->state);
        return NULL;
    }
    if (clear_below(self->node, self->format) < 0 ||
        (self->prune_interval > 0 && kpy_local_prune(self->node) < 0)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- methods of one item ---------------------------------------------------
 */

/* The entry of the key given to a method, or NULL with KeyError. */
static kpy_local_entry *
entry_or_raise(kpy_local *self, const char *name, PyObject *const *args,
               Py_ssize_t count, PyObject *names)
{
    PyObject *key = kpy_key_arg(self->state, name, args, count, names, NULL);
    kpy_local_entry *entry;
    int rc;

    if (key == NULL) {
        return NULL;
    }
    rc = kpy_local_find(self, key, &entry);
    if (rc == 0) {
        (void)kpy_raise_key_error(self->state, key);
    }
    return rc > 0 ? entry : NULL;
}

static PyObject *
local_etag(PyObject *self, PyObject *const *args, Py_ssize_t count,
           PyObject *names)
{
    kpy_local_entry *entry =
        entry_or_raise(as_local(self), "etag", args, count, names);
    PyObject *etag;

    if (entry == NULL) {
        return NULL;
    }
    etag = kpy_local_etag(entry->etag);
    Py_DECREF(entry);
    return etag;
}

static PyObject *
local_timestamp(PyObject *self, PyObject *const *args, Py_ssize_t count,
                PyObject *names)
{
    kpy_local_entry *entry =
        entry_or_raise(as_local(self), "timestamp", args, count, names);
    PyObject *timestamp;

    if (entry == NULL) {
        return NULL;
    }
    timestamp = PyFloat_FromDouble(entry->timestamp);
    Py_DECREF(entry);
    return timestamp;
}

static PyObject *
local_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
          PyObject *names)
{
    PyObject *fallback = Py_None;
    PyObject *key = kpy_key_arg(as_local(self)->state, "get", args, count,
                                names, &fallback);
    PyObject *value = NULL;
    int rc;

    if (key == NULL) {
        return NULL;
    }
    rc = kpy_local_get(self, key, &value);
    if (rc == 0) {
        value = Py_NewRef(fallback);
    }
    return rc < 0 ? NULL : value;
}

static PyObject *
local_discard(PyObject *object, PyObject *const *args, Py_ssize_t count,
              PyObject *names)
{
    kpy_local *self = as_local(object);
    PyObject *key =
        kpy_key_arg(self->state, "discard", args, count, names, NULL);
    int rc;

    if (key == NULL) {
        return NULL;
    }
    if (self->append_only) {
        (void)kpy_raise_append_only(self->state);
        return NULL;
    }
    rc = local_remove(self, key, false);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

/* --- construction ----------------------------------------------------------
 */

static PyObject *
local_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
          PyObject *Py_UNUSED(kwargs))
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_local *self;

    if (state == NULL || kpy_parts_ready(state) < 0) {
        return NULL;
    }
    self = as_local(type->tp_alloc(type, 0));
    if (self != NULL) {
        self->state = state;
        self->base = Py_NewRef(Py_None);
    }
    return (PyObject *)self;
}

/* _open(backend, format, append_only, base, prune_interval) */
static PyObject *
local_open(PyObject *object, PyObject *args)
{
    kpy_local *self = as_local(object);
    PyObject *backend;
    PyObject *format;
    PyObject *base;
    PyObject *bucket;
    Py_ssize_t interval;
    int append_only;

    if (!PyArg_ParseTuple(args, "OUpOn:_open", &backend, &format, &append_only,
                          &base, &interval)) {
        return NULL;
    }
    if (backend == Py_None) {
        backend = (PyObject *)kpy_local_node_new(self->state, NULL);
    }
    else if (Py_IS_TYPE(backend, self->state->types[KPY_TYPE_LOCALNODE])) {
        Py_INCREF(backend);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "backend must be that of another LocalDict, not %s",
                     Py_TYPE(backend)->tp_name);
        return NULL;
    }
    if (backend == NULL) {
        return NULL;
    }
    bucket = kpy_local_bucket((kpy_local_node *)backend, format, true);
    if (bucket == NULL) {
        Py_DECREF(backend);
        return NULL;
    }
    Py_XSETREF(self->bucket, Py_NewRef(bucket));
    Py_XSETREF(self->node, (kpy_local_node *)backend);
    Py_XSETREF(self->format, Py_NewRef(format));
    Py_SETREF(self->base, Py_NewRef(base));
    self->append_only = append_only != 0;
    self->prune_interval = interval;
    Py_RETURN_NONE;
}

/* _subnode(prefix): the node of a sub-dict, made if it is not there. */
static PyObject *
local_subnode(PyObject *object, PyObject *prefix)
{
    kpy_local *self = as_local(object);

    return kpy_local_ready(self) < 0
               ? NULL
               : (PyObject *)kpy_local_descend(self, prefix);
}

static PyObject *
local_backend(PyObject *object, void *Py_UNUSED(unused))
{
    kpy_local *self = as_local(object);

    return kpy_local_ready(self) < 0 ? NULL
                                     : Py_NewRef((PyObject *)self->node);
}

static int
local_traverse(PyObject *object, visitproc visit, void *arg)
{
    kpy_local *self = as_local(object);

    Py_VISIT(self->node);
    Py_VISIT(self->bucket);
    Py_VISIT(self->base);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
local_tp_clear(PyObject *object)
{
    kpy_local *self = as_local(object);

    Py_CLEAR(self->node);
    Py_CLEAR(self->bucket);
    return 0;
}

static void
local_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    (void)local_tp_clear(object);
    Py_CLEAR(as_local(object)->base);
    Py_CLEAR(as_local(object)->format);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef local_methods[] = {
    {"_open", local_open, METH_VARARGS,
     PyDoc_STR("_open($self, backend, serialization_format, append_only,\n"
               "      base_class_for_values, prune_interval, /)\n--\n\n"
               "What __init__() calls.")},
    {"_subnode", local_subnode, METH_O,
     PyDoc_STR("_subnode($self, prefix, /)\n--\n\n"
               "The backend of a sub-dict.")},
    {"_nth", local_nth, METH_O,
     PyDoc_STR("_nth($self, index, /)\n--\n\n"
               "The key at that place of an iteration, or None.")},
    {"_generic_iter", local_generic_iter, METH_O,
     PyDoc_STR("_generic_iter($self, result_type, /)\n--\n\n"
               "Iterates over keys, values or timestamps, or several.")},
    {"keys", local_keys, METH_NOARGS,
     PyDoc_STR("keys($self, /)\n--\n\nAn iterator over the keys.")},
    {"values", local_values, METH_NOARGS,
     PyDoc_STR("values($self, /)\n--\n\n"
               "An iterator over copies of the values.")},
    {"items", local_items, METH_NOARGS,
     PyDoc_STR("items($self, /)\n--\n\nAn iterator over (key, value).")},
    {"get", KPY_METHOD(local_get), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get($self, /, key, default=None)\n--\n\n"
               "A copy of the value, or the default.")},
    {"discard", KPY_METHOD(local_discard), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("discard($self, /, key)\n--\n\n"
               "Deletes the item; whether there was one.")},
    {"clear", local_clear, METH_NOARGS,
     PyDoc_STR("clear($self, /)\n--\n\n"
               "Deletes all items of this format.")},
    {"etag", KPY_METHOD(local_etag), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("etag($self, /, key)\n--\n\n"
               "A text that each write of the item changes.")},
    {"timestamp", KPY_METHOD(local_timestamp), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("timestamp($self, /, key)\n--\n\n"
               "When it was last written, in seconds since 1970.")},
    {"get_item_if", KPY_METHOD(kpy_local_get_item_if),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get_item_if($self, /, key, *, condition, expected_etag, "
               "retrieve_value=IF_ETAG_CHANGED)\n--\n\n"
               "Reads an item, and says whether the condition holds.")},
    {"set_item_if", KPY_METHOD(kpy_local_set_item_if),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("set_item_if($self, /, key, *, value, condition, "
               "expected_etag, retrieve_value=IF_ETAG_CHANGED)\n--\n\n"
               "Writes an item if the condition holds, in one step.")},
    {"setdefault_if", KPY_METHOD(kpy_local_setdefault_if),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("setdefault_if($self, /, key, *, default_value, condition, "
               "expected_etag, retrieve_value=IF_ETAG_CHANGED)\n--\n\n"
               "Writes an item if there is none and the condition holds.")},
    {"discard_if", KPY_METHOD(kpy_local_discard_if),
     METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("discard_if($self, /, key, *, condition, expected_etag)\n"
               "--\n\nDeletes an item if the condition holds.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef local_getset[] = {
    {"_backend", local_backend, NULL,
     PyDoc_STR("What holds the items; other LocalDicts may share it."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot local_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t) "The base of LocalDict."},
    {Py_tp_new, KPY_SLOT(local_new)},
    {Py_tp_dealloc, KPY_SLOT(local_dealloc)},
    {Py_tp_traverse, KPY_SLOT(local_traverse)},
    {Py_tp_clear, KPY_SLOT(local_tp_clear)},
    {Py_tp_iter, KPY_SLOT(local_tp_iter)},
    {Py_tp_methods, local_methods},
    {Py_tp_getset, local_getset},
    {Py_sq_contains, KPY_SLOT(local_contains)},
    {Py_mp_length, KPY_SLOT(local_length)},
    {Py_mp_subscript, KPY_SLOT(local_subscript)},
    {Py_mp_ass_subscript, KPY_SLOT(local_ass_subscript)},
    {Py_nb_bool, KPY_SLOT(local_bool)},
    {0, NULL},
};

static PyType_Spec local_spec = {
    .name = "kist._core.LocalBase",
    .basicsize = sizeof(kpy_local),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = local_slots,
};

int
kpy_localdict_type_add(PyObject *module)
{
    return kpy_localnode_type_add(module) < 0 ||
                   kpy_localiter_type_add(module) < 0 ||
                   kpy_type_add(module, KPY_TYPE_LOCALBASE, &local_spec, NULL,
                                true) < 0
               ? -1
               : 0;
}
