/* The tree of a LocalDict, and what is done with one item of it. */

#include "localdict.h"

#include <time.h>

/* --- nodes -----------------------------------------------------------------
 */

static kpy_local_tree *
tree_new(void)
{
    kpy_local_tree *tree = PyMem_Malloc(sizeof(*tree));

    if (tree == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    tree->refs = 0;
    tree->counter = 0;
    return tree;
}

kpy_local_node *
kpy_local_node_new(kpy_state *state, const kpy_local_node *parent)
{
    PyTypeObject *type = state->types[KPY_TYPE_LOCALNODE];
    kpy_local_tree *tree = parent == NULL ? NULL : parent->tree;
    kpy_local_tree *mine;
    kpy_local_node *node;

    if (parent != NULL && parent->depth >= KPY_LOCAL_DEPTH_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "a key of a LocalDict has at most %d components",
                     KPY_LOCAL_DEPTH_MAX + 1);
        return NULL;
    }
    mine = tree == NULL ? tree_new() : tree;
    if (mine == NULL) {
        return NULL;
    }
    node = (kpy_local_node *)type->tp_alloc(type, 0);
    if (node == NULL) {
        if (tree == NULL) {
            PyMem_Free(mine);
        }
        return NULL;
    }
    node->tree = mine;
    mine->refs++;
    node->depth = parent == NULL ? 0 : parent->depth + 1;
    node->buckets = PyDict_New();
    if (node->buckets == NULL) {
        Py_DECREF(node);
        return NULL;
    }
    return node;
}

static int
node_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((kpy_local_node *)self)->children);
    Py_VISIT(((kpy_local_node *)self)->buckets);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int
node_clear(PyObject *self)
{
    Py_CLEAR(((kpy_local_node *)self)->children);
    Py_CLEAR(((kpy_local_node *)self)->buckets);
    return 0;
}

static void
node_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    kpy_local_tree *tree = ((kpy_local_node *)self)->tree;

    PyObject_GC_UnTrack(self);
    (void)node_clear(self);
    if (tree != NULL && --tree->refs == 0) {
        PyMem_Free(tree);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

/* {leaf: (value, timestamp, etag)} of one bucket, the values not copied. */
static PyObject *
bucket_state(PyObject *bucket)
{
    PyObject *dict = PyDict_New();
    Py_ssize_t place = 0;
    PyObject *leaf;
    PyObject *found;

    while (dict != NULL && PyDict_Next(bucket, &place, &leaf, &found)) {
        const kpy_local_entry *entry = (kpy_local_entry *)found;
        PyObject *item = Py_BuildValue("(OdK)", entry->value, entry->timestamp,
                                       (unsigned long long)entry->etag);

        if (item == NULL || PyDict_SetItem(dict, leaf, item) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(item);
    }
    return dict;
}

/* For get_jsparams(), which shows a backend as what it holds. */
static PyObject *
node_getstate(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const kpy_local_node *node = (kpy_local_node *)self;
    PyObject *values = PyDict_New();
    PyObject *formats = PyDict_Keys(node->buckets);
    PyObject *answer = NULL;
    Py_ssize_t i;

    for (i = 0;
         values != NULL && formats != NULL && i < PyList_GET_SIZE(formats);
         i++) {
        PyObject *format = PyList_GET_ITEM(formats, i);
        PyObject *bucket = PyDict_GetItemWithError(node->buckets, format);
        PyObject *shown;

        if (bucket == NULL || PyDict_GET_SIZE(bucket) == 0) {
            continue;
        }
        Py_INCREF(bucket);
        shown = bucket_state(bucket);
        Py_DECREF(bucket);
        if (shown == NULL || PyDict_SetItem(values, format, shown) < 0) {
            Py_CLEAR(values);
        }
        Py_XDECREF(shown);
    }
    if (values != NULL && formats != NULL) {
        answer =
            node->children == NULL
                ? Py_BuildValue("{s:{},s:O,s:[K]}", "subdicts", "values",
                                values, "_write_counter",
                                (unsigned long long)node->tree->counter)
                : Py_BuildValue("{s:O,s:O,s:[K]}", "subdicts", node->children,
                                "values", values, "_write_counter",
                                (unsigned long long)node->tree->counter);
    }
    Py_XDECREF(formats);
    Py_XDECREF(values);
    return answer;
}

static PyMethodDef node_methods[] = {
    {"__getstate__", node_getstate, METH_NOARGS,
     PyDoc_STR("__getstate__($self, /)\n--\n\nWhat it holds, as a dict.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot node_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(node_dealloc)},
    {Py_tp_traverse, KPY_SLOT(node_traverse)},
    {Py_tp_clear, KPY_SLOT(node_clear)},
    {Py_tp_methods, node_methods},
    {0, NULL},
};

static PyType_Spec node_spec = {
    .name = "kist.persidict.local_dict._RAMBackend",
    .basicsize = sizeof(kpy_local_node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = node_slots,
};

/* --- entries ---------------------------------------------------------------
 */

static int
entry_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((kpy_local_entry *)self)->value);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
entry_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_CLEAR(((kpy_local_entry *)self)->value);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot entry_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(entry_dealloc)},
    {Py_tp_traverse, KPY_SLOT(entry_traverse)},
    {0, NULL},
};

static PyType_Spec entry_spec = {
    .name = "kist.persidict.local_dict._StoredEntry",
    .basicsize = sizeof(kpy_local_entry),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = entry_slots,
};

static double
now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

kpy_local_entry *
kpy_local_entry_new(kpy_local *self, PyObject *value)
{
    PyObject *copy = kpy_deep_copy(self->state, value);
    kpy_local_entry *entry;

    if (copy == NULL) {
        return NULL;
    }
    entry = PyObject_GC_New(kpy_local_entry,
                            self->state->types[KPY_TYPE_LOCALENTRY]);
    if (entry == NULL) {
        Py_DECREF(copy);
        return NULL;
    }
    entry->value = copy;
    entry->timestamp = 0;
    entry->etag = 0;
    // What refers to nothing that can be part of a cycle is no business of
    // the collector's; the value stays as it is.
    if (PyObject_IS_GC(copy) && PyObject_GC_IsTracked(copy)) {
        PyObject_GC_Track((PyObject *)entry);
    }
    return entry;
}

PyObject *
kpy_local_etag(uint64_t etag)
{
    char text[24];
    char *at = text + sizeof(text);

    do {
        *--at = (char)('0' + etag % 10);
        etag /= 10;
    } while (etag > 0);
    return PyUnicode_FromStringAndSize(at, text + sizeof(text) - at);
}

/* --- places ----------------------------------------------------------------
 */

int
kpy_local_ready(const kpy_local *self)
{
    if (self->node != NULL) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "LocalDict.__init__() was not called");
    return -1;
}

PyObject *
kpy_local_bucket(kpy_local_node *node, PyObject *format, bool make)
{
    PyObject *bucket = PyDict_GetItemWithError(node->buckets, format);
    PyObject *fresh;

    if (bucket != NULL || !make || PyErr_Occurred()) {
        return bucket;
    }
    fresh = PyDict_New();
    if (fresh == NULL) {
        return NULL;
    }
    // Making it may have run the collector, and with it anything.
    bucket = PyDict_SetDefault(node->buckets, format, fresh);
    Py_DECREF(fresh);
    return bucket;
}

/* The child `name`, borrowed from the tree, as kpy_local_bucket(). */
static kpy_local_node *
child_of(kpy_state *state, kpy_local_node *node, PyObject *name, bool make)
{
    PyObject *child = NULL;
    PyObject *fresh;

    if (node->children != NULL) {
        child = PyDict_GetItemWithError(node->children, name);
    }
    if (child != NULL || !make || PyErr_Occurred()) {
        return (kpy_local_node *)child;
    }
    fresh = PyDict_New();
    if (fresh == NULL) {
        return NULL;
    }
    if (node->children == NULL) {
        node->children = Py_NewRef(fresh);
    }
    Py_DECREF(fresh);
    fresh = (PyObject *)kpy_local_node_new(state, node);
    if (fresh == NULL) {
        return NULL;
    }
    child = PyDict_SetDefault(node->children, name, fresh);
    Py_DECREF(fresh);
    return (kpy_local_node *)child;
}

/* Follows all strings but the last `left`; a new reference, as above. */
static kpy_local_node *
descend(kpy_local *self, PyObject *strings, Py_ssize_t left, bool make)
{
    kpy_local_node *node = (kpy_local_node *)Py_NewRef(self->node);
    Py_ssize_t i;

    for (i = 0; node != NULL && i < PyTuple_GET_SIZE(strings) - left; i++) {
        kpy_local_node *next =
            child_of(self->state, node, PyTuple_GET_ITEM(strings, i), make);

        Py_XINCREF(next);
        Py_DECREF(node);
        node = next;
    }
    return node;
}

kpy_local_node *
kpy_local_descend(kpy_local *self, PyObject *prefix)
{
    PyObject *strings = kpy_strings_of(self->state, &prefix, 1, false);
    kpy_local_node *node =
        strings == NULL ? NULL : descend(self, strings, 0, true);

    Py_XDECREF(strings);
    return node;
}

int
kpy_local_place(kpy_local *self, PyObject *key, bool make, PyObject **bucket,
                PyObject **leaf)
{
    kpy_local_node *node;
    PyObject *strings;
    PyObject *found = NULL;

    *bucket = NULL;
    *leaf = NULL;
    if (kpy_local_ready(self) < 0) {
        return -1;
    }
    if (PyUnicode_CheckExact(key)) {
        if (kpy_component_check(key) < 0) {
            return -1;
        }
        *bucket = Py_NewRef(self->bucket);
        *leaf = Py_NewRef(key);
        return 1;
    }
    strings = kpy_strings_of(self->state, &key, 1, true);
    if (strings == NULL) {
        return -1;
    }
    node = descend(self, strings, 1, make);
    if (node != NULL) {
        found = kpy_local_bucket(node, self->format, make);
        Py_XINCREF(found);
        Py_DECREF(node);
    }
    if (found != NULL) {
        *bucket = found;
        *leaf = Py_NewRef(
            PyTuple_GET_ITEM(strings, PyTuple_GET_SIZE(strings) - 1));
    }
    Py_DECREF(strings);
    return found != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

int
kpy_local_find(kpy_local *self, PyObject *key, kpy_local_entry **entry)
{
    PyObject *bucket;
    PyObject *leaf;
    PyObject *found;
    int rc;

    // A str that is there is a valid key.
    if (PyUnicode_CheckExact(key) && self->bucket != NULL) {
        found = PyDict_GetItemWithError(self->bucket, key);
        if (found != NULL) {
            *entry = (kpy_local_entry *)Py_NewRef(found);
            return 1;
        }
    }
    rc = kpy_local_place(self, key, false, &bucket, &leaf);
    if (rc <= 0) {
        return rc;
    }
    found = PyDict_GetItemWithError(bucket, leaf);
    *entry = (kpy_local_entry *)found;
    Py_XINCREF(found);
    Py_DECREF(leaf);
    Py_DECREF(bucket);
    return found != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

int
kpy_local_put(kpy_local *self, PyObject *bucket, PyObject *leaf,
              kpy_local_entry *entry)
{
    entry->timestamp = now();
    entry->etag = ++self->node->tree->counter;
    return PyDict_SetItem(bucket, leaf, (PyObject *)entry);
}

PyObject *
kpy_local_value(kpy_local *self, const kpy_local_entry *entry)
{
    if (self->base != Py_None &&
        kpy_value_check_read(self->base, entry->value) < 0) {
        return NULL;
    }
    return kpy_deep_copy(self->state, entry->value);
}

/* --- taking out ------------------------------------------------------------
 */

static bool
is_empty(const kpy_local_node *node)
{
    Py_ssize_t place = 0;
    PyObject *format;
    PyObject *bucket;

    if (node->children != NULL && PyDict_GET_SIZE(node->children) > 0) {
        return false;
    }
    while (PyDict_Next(node->buckets, &place, &format, &bucket)) {
        if (PyDict_GET_SIZE(bucket) > 0 || Py_REFCNT(bucket) > 1) {
            return false;
        }
    }
    return true;
}

int
kpy_local_prune(kpy_local_node *node)
{
    PyObject *names;
    Py_ssize_t i;
    int rc = 0;

    if (node->children == NULL) {
        return 0;
    }
    names = PyDict_Keys(node->children);
    if (names == NULL) {
        return -1;
    }
    for (i = 0; rc == 0 && i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i);
        PyObject *child = PyDict_GetItemWithError(node->children, name);

        if (child == NULL) {
            continue;
        }
        Py_INCREF(child);
        rc = kpy_local_prune((kpy_local_node *)child);
        // Two references: the tree's, and the one just taken.
        if (rc == 0 && Py_REFCNT(child) == 2 &&
            is_empty((kpy_local_node *)child)) {
            rc = PyDict_DelItem(node->children, name);
        }
        Py_DECREF(child);
    }
    Py_DECREF(names);
    return rc;
}

int
kpy_local_take_out(kpy_local *self, PyObject *bucket, PyObject *leaf)
{
    PyObject *found = PyDict_GetItemWithError(bucket, leaf);
    int rc;

    if (found == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_INCREF(found);
    rc = PyDict_DelItem(bucket, leaf);
    Py_DECREF(found);
    if (rc < 0) {
        return -1;
    }
    self->deletes++;
    return 1;
}

int
kpy_local_tidy(kpy_local *self)
{
    if (self->prune_interval == 0 || self->deletes < self->prune_interval) {
        return 0;
    }
    self->deletes = 0;
    return kpy_local_prune(self->node);
}

int
kpy_localnode_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_LOCALNODE, &node_spec, NULL, true) <
                       0 ||
                   kpy_type_add(module, KPY_TYPE_LOCALENTRY, &entry_spec, NULL,
                                false) < 0
               ? -1
               : 0;
}
