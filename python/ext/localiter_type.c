/*
 * The iterator of a LocalDict: a bucket's items in the order in which they
 * were inserted, then its node's children, each with all below it.  It walks
 * over a list of what a bucket held when it came there; what is deleted
 * meanwhile is left out, what is added there is not met.
 */

#include "localdict.h"

typedef struct local_iter {
    PyObject_HEAD kpy_local *store; /* NULL at the end */
    PyObject *todo;   /* list of (node, prefix), the next one last */
    PyObject *prefix; /* tuple of str: the node's place */
    PyObject *bucket; /* being walked over, or NULL */
    PyObject *leaves; /* list of its keys, and */
    Py_ssize_t next;  /* which of them comes next */
    bool keys;
    bool values;
    bool timestamps;
    bool busy; /* a step is being made */
} local_iter;

/* Appends (node, prefix) to the list of what is to be walked over. */
static int
todo_push(PyObject *todo, PyObject *node, PyObject *prefix)
{
    PyObject *pair = PyTuple_Pack(2, node, prefix);
    const int rc = pair == NULL ? -1 : PyList_Append(todo, pair);

    Py_XDECREF(pair);
    return rc;
}

/* Puts the children of a node on the list, the first of them last. */
static int
push_children(local_iter *it, kpy_local_node *node, PyObject *prefix)
{
    PyObject *names;
    PyObject *nodes = NULL;
    Py_ssize_t i;
    int rc = 0;

    if (node->children == NULL || PyDict_GET_SIZE(node->children) == 0) {
        return 0;
    }
    names = PyDict_Keys(node->children);
    nodes = PyDict_Values(node->children);
    if (names == NULL || nodes == NULL ||
        PyList_GET_SIZE(names) != PyList_GET_SIZE(nodes)) {
        // The collector has run between the two, and with it anything.
        if (names != NULL && nodes != NULL) {
            PyErr_SetString(PyExc_RuntimeError,
                            "dictionary changed size during iteration");
        }
        rc = -1;
    }
    for (i = rc < 0 ? -1 : PyList_GET_SIZE(names) - 1; rc == 0 && i >= 0;
         i--) {
        PyObject *place = kpy_key_longer(prefix, PyList_GET_ITEM(names, i));

        rc = place == NULL
                 ? -1
                 : todo_push(it->todo, PyList_GET_ITEM(nodes, i), place);
        Py_XDECREF(place);
    }
    Py_XDECREF(names);
    Py_XDECREF(nodes);
    return rc;
}

/* Goes on to the next node: 1; 0 if there is none; or -1. */
static int
next_node(local_iter *it)
{
    const Py_ssize_t left = PyList_GET_SIZE(it->todo);
    kpy_local_node *node;
    PyObject *bucket;
    PyObject *pair;
    int rc;

    if (left == 0) {
        return 0;
    }
    pair = Py_NewRef(PyList_GET_ITEM(it->todo, left - 1));
    rc = PyList_SetSlice(it->todo, left - 1, left, NULL);
    node = (kpy_local_node *)PyTuple_GET_ITEM(pair, 0);
    Py_XSETREF(it->prefix, Py_NewRef(PyTuple_GET_ITEM(pair, 1)));
    Py_CLEAR(it->leaves);
    Py_CLEAR(it->bucket);
    it->next = 0;
    if (rc == 0) {
        rc = push_children(it, node, it->prefix);
    }
    bucket = rc == 0 ? kpy_local_bucket(node, it->store->format, false) : NULL;
    if (bucket != NULL) {
        it->bucket = Py_NewRef(bucket);
        it->leaves = PyDict_Keys(bucket);
        rc = it->leaves == NULL ? -1 : 0;
    }
    Py_DECREF(pair);
    return rc < 0 || PyErr_Occurred() ? -1 : 1;
}

/* The next leaf that is still there, borrowed, and its entry, which is not. */
static int
next_leaf(local_iter *it, PyObject **leaf, kpy_local_entry **entry)
{
    PyObject *found;
    int rc;

    for (;;) {
        while (it->leaves != NULL && it->next < PyList_GET_SIZE(it->leaves)) {
            *leaf = PyList_GET_ITEM(it->leaves, it->next++);
            found = PyDict_GetItemWithError(it->bucket, *leaf);
            if (found != NULL) {
                *entry = (kpy_local_entry *)Py_NewRef(found);
                return 1;
            }
        }
        rc = next_node(it);
        if (rc <= 0) {
            return rc;
        }
    }
}

/* What is handed out for an item. */
static PyObject *
item_of(const local_iter *it, kpy_local *store, PyObject *leaf,
        const kpy_local_entry *entry)
{
    const Py_ssize_t size = it->keys + it->values + it->timestamps;
    PyObject *parts[3] = {NULL, NULL, NULL};
    Py_ssize_t count = 0;
    PyObject *tuple;

    if (it->keys) {
        parts[count++] = kpy_key_wrap(store->state->types[KPY_TYPE_SAFESTR],
                                      kpy_key_longer(it->prefix, leaf));
    }
    if (it->values && (count == 0 || parts[count - 1] != NULL)) {
        parts[count++] = kpy_local_value(store, entry);
    }
    if (it->timestamps && (count == 0 || parts[count - 1] != NULL)) {
        parts[count++] = PyFloat_FromDouble(entry->timestamp);
    }
    // Only the last one made can be missing.
    tuple = parts[count - 1];
    if (size > 1) {
        tuple = tuple == NULL ? NULL : PyTuple_New(size);
        while (count-- > 0) {
            if (tuple == NULL) {
                Py_XDECREF(parts[count]);
            }
            else {
                PyTuple_SET_ITEM(tuple, count, parts[count]);
            }
        }
    }
    return tuple;
}

static PyObject *
local_iter_next(PyObject *self)
{
    local_iter *it = (local_iter *)self;
    kpy_local *store = it->store;
    kpy_local_entry *entry;
    PyObject *leaf;
    PyObject *item = NULL;
    int rc;

    // Copying a value runs Python code, which may hold the iterator too.
    if (it->busy) {
        PyErr_SetString(PyExc_ValueError, "iterator already executing");
        return NULL;
    }
    if (store == NULL) {
        return NULL;
    }
    Py_INCREF(store);
    it->busy = true;
    rc = next_leaf(it, &leaf, &entry);
    if (rc > 0) {
        Py_INCREF(leaf);
        item = item_of(it, store, leaf, entry);
        Py_DECREF(leaf);
        Py_DECREF(entry);
    }
    it->busy = false;
    if (rc == 0) {
        Py_CLEAR(it->bucket);
        Py_CLEAR(it->leaves);
        Py_CLEAR(it->store);
    }
    Py_DECREF(store);
    return item;
}

PyObject *
kpy_local_iter(kpy_local *self, bool keys, bool values, bool timestamps)
{
    PyTypeObject *type = self->state->types[KPY_TYPE_LOCALITER];
    PyObject *none;
    local_iter *it;
    int rc = -1;

    if (kpy_local_ready(self) < 0) {
        return NULL;
    }
    it = (local_iter *)type->tp_alloc(type, 0);
    if (it == NULL) {
        return NULL;
    }
    it->store = (kpy_local *)Py_NewRef(self);
    it->keys = keys;
    it->values = values;
    it->timestamps = timestamps;
    it->todo = PyList_New(0);
    none = PyTuple_New(0);
    if (it->todo != NULL && none != NULL) {
        rc = todo_push(it->todo, (PyObject *)self->node, none);
    }
    Py_XDECREF(none);
    if (rc < 0) {
        Py_CLEAR(it);
    }
    return (PyObject *)it;
}

static int
local_iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    local_iter *it = (local_iter *)self;

    Py_VISIT(it->store);
    Py_VISIT(it->todo);
    Py_VISIT(it->prefix);
    Py_VISIT(it->bucket);
    Py_VISIT(it->leaves);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
local_iter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    local_iter *it = (local_iter *)self;

    PyObject_GC_UnTrack(self);
    Py_CLEAR(it->store);
    Py_CLEAR(it->todo);
    Py_CLEAR(it->prefix);
    Py_CLEAR(it->bucket);
    Py_CLEAR(it->leaves);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot local_iter_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(local_iter_dealloc)},
    {Py_tp_traverse, KPY_SLOT(local_iter_traverse)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(local_iter_next)},
    {0, NULL},
};

static PyType_Spec local_iter_spec = {
    .name = "kist._core.LocalDict_iterator",
    .basicsize = sizeof(local_iter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = local_iter_slots,
};

int
kpy_localiter_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_LOCALITER, &local_iter_spec, NULL,
                        false);
}
