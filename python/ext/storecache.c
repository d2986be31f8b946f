/*
 * The bases of AppendOnlyDictCached and MutableDictCached: d[key] where the
 * caches are LocalDicts as they were made, in C from end to end.  Anything
 * else is the shell's _read().
 *
 * A value cached of a mutable store is handed out if three things are so:
 *
 *   (a) the data cache has the value v under its own etag D;
 *   (b) the register of bonds says "E\nD" for the key;
 *   (c) the store says, asked after that, that the item's etag is E.
 *
 * Whoever writes "E\nD" has itself put v into the cache, got D for that very
 * write, and had v from the store under E.  Neither etag is ever given twice
 * (kist/store.h, localdict.h), so v is what the store has at the time of (c),
 * in whatever order writers, and other processes, have come between.  The
 * etag cache, which is kept as persidict keeps it, is not believed.
 */

#include "filedict.h"
#include "localdict.h"

#include <string.h>

typedef struct cached {
    PyObject_HEAD kpy_state *state; /* NULL until _open() */
    PyObject *data;                 /* the data cache */
    PyObject *main;                 /* the store, if that is mutable */
    PyObject *bonds;                /* the register, if that is mutable */
    PyObject *get_item_if; /* FileDirBase's own, as it was not patched */
} cached;

static inline cached *
as_cached(PyObject *object)
{
    return (cached *)object;
}

/* self._read(key): the long way. */
static PyObject *
read_slowly(PyObject *self, PyObject *key)
{
    kpy_state *state = as_cached(self)->state;

    if (state == NULL) {
        PyErr_Format(PyExc_RuntimeError, "%s.__init__() was not called",
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    return PyObject_CallMethodOneArg(self, state->names[KPY_NAME_READ_SLOWLY],
                                     key);
}

/* --- append-only -----------------------------------------------------------
 */

static PyObject *
append_subscript(PyObject *object, PyObject *key)
{
    const cached *self = as_cached(object);
    PyObject *data = self->data;
    PyObject *value = NULL;
    int rc = 0;

    if (self->state != NULL && kpy_local_is_plain(data)) {
        // Python code in a key may call __init__ again.
        Py_INCREF(data);
        rc = kpy_local_get(data, key, &value);
        Py_DECREF(data);
    }
    if (rc != 0) {
        return rc > 0 ? value : NULL;
    }
    return read_slowly(object, key);
}

/* --- mutable ---------------------------------------------------------------
 */

/*
 * Whether the store is a FileDirDict that nobody has patched: then its etags
 * may be asked for behind its back.  1, 0 or -1.
 */
static int
main_is_plain(kpy_state *state, PyObject *main, const PyObject *own)
{
    PyTypeObject *base = state->types[KPY_TYPE_FILEDICT];
    PyObject *name = state->names[KPY_NAME_GET_ITEM_IF];
    PyObject *found;
    PyObject *attributes;
    int patched;

    if (!PyObject_TypeCheck(main, base)) {
        return 0;
    }
    found = PyObject_GetAttr((PyObject *)Py_TYPE(main), name);
    if (found == NULL) {
        return -1;
    }
    patched = found != own;
    Py_DECREF(found);
    if (patched) {
        return 0;
    }
    attributes = PyObject_GenericGetDict(main, NULL);
    if (attributes == NULL) {
        return -1;
    }
    patched = PyDict_Contains(attributes, name);
    Py_DECREF(attributes);
    return patched < 0 ? -1 : !patched;
}

/* Whether a bond's text is "E\nD". */
static bool
is_bond(PyObject *text, const kist_etag *main, uint64_t data)
{
    char expected[KIST_ETAG_SIZE_MAX + 32];
    char digits[24];
    char *at = digits + sizeof(digits);
    size_t size = main->size;
    size_t count;

    memcpy(expected, main->text, size);
    expected[size++] = '\n';
    do {
        *--at = (char)('0' + data % 10);
        data /= 10;
    } while (data > 0);
    count = (size_t)(digits + sizeof(digits) - at);
    memcpy(expected + size, at, count);
    size += count;
    return PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text) &&
           (size_t)PyUnicode_GET_LENGTH(text) == size &&
           memcmp(PyUnicode_1BYTE_DATA(text), expected, size) == 0;
}

/* The etag that the store says the item has: 1; 0 if it does not; or -1. */
static int
ask_main(kpy_state *state, PyObject *main, PyObject *key, kist_etag *etag)
{
    kist_store *store = kpy_filedict_store(kpy_filedict_of(main));
    kist_status status;
    kist_stat stat;
    kpy_path path;

    if (store == NULL || kpy_path_of(state, key, &path) < 0) {
        return -1;
    }
    KPY_UNLOCKED(status, kist_store_stat(store, path.text, &stat));
    kpy_path_done(&path);
    *etag = stat.etag;
    // Why it failed is for the long way to find out, and to say.
    return status == KIST_OK;
}

/* *value of the cache if it is what the store has: 1; 0 if not; or -1. */
static int
mutable_get(kpy_state *state, PyObject *main, kpy_local *data,
            kpy_local *bonds, PyObject *key, PyObject **value)
{
    kpy_local_entry *found = NULL;
    kpy_local_entry *bond = NULL;
    kist_etag etag;
    int rc = kpy_local_find(bonds, key, &bond);

    if (rc > 0) {
        rc = kpy_local_find(data, key, &found);
    }
    if (rc > 0) {
        rc = ask_main(state, main, key, &etag);
    }
    if (rc > 0) {
        rc = is_bond(bond->value, &etag, found->etag);
    }
    if (rc > 0) {
        *value = kpy_local_value(data, found);
        rc = *value == NULL ? -1 : 1;
    }
    Py_XDECREF(found);
    Py_XDECREF(bond);
    return rc;
}

/*
 * mutable_get() of what self holds now, with references of its own: Python
 * code in a key, and other threads, may call __init__ again.  The key is made
 * one that gives the same strings each time.
 */
static int
mutable_get_safely(const cached *self, PyObject *key, PyObject **value)
{
    kpy_state *state = self->state;
    PyObject *main = Py_NewRef(self->main);
    PyObject *data = Py_NewRef(self->data);
    PyObject *bonds = Py_NewRef(self->bonds);
    PyObject *fixed = NULL;
    int rc = main_is_plain(state, main, self->get_item_if);

    if (rc > 0) {
        fixed = PyUnicode_CheckExact(key) ? Py_NewRef(key)
                                          : kpy_key_coerce(state, key);
        rc = fixed == NULL ? -1
                           : mutable_get(state, main, (kpy_local *)data,
                                         (kpy_local *)bonds, fixed, value);
    }
    Py_XDECREF(fixed);
    Py_DECREF(bonds);
    Py_DECREF(data);
    Py_DECREF(main);
    return rc;
}

static PyObject *
mutable_subscript(PyObject *object, PyObject *key)
{
    const cached *self = as_cached(object);
    PyObject *value = NULL;
    int rc = 0;

    if (self->state != NULL && self->main != NULL && self->bonds != NULL &&
        kpy_local_is_plain(self->data) && kpy_local_is_plain(self->bonds)) {
        rc = mutable_get_safely(self, key, &value);
        if (rc != 0) {
            return rc > 0 ? value : NULL;
        }
    }
    return read_slowly(object, key);
}

/* --- both ------------------------------------------------------------------
 */

/* _open(data_cache), or _open(data_cache, main_dict, bonds). */
static PyObject *
cached_open(PyObject *object, PyObject *args)
{
    cached *self = as_cached(object);
    kpy_state *state = kpy_state_of_type(Py_TYPE(object));
    PyObject *data;
    PyObject *main = NULL;
    PyObject *bonds = NULL;

    if (state == NULL ||
        !PyArg_ParseTuple(args, "O|OO:_open", &data, &main, &bonds)) {
        return NULL;
    }
    Py_XSETREF(
        self->get_item_if,
        PyObject_GetAttrString((PyObject *)state->types[KPY_TYPE_FILEDICT],
                               "get_item_if"));
    if (self->get_item_if == NULL) {
        return NULL;
    }
    Py_XSETREF(self->data, Py_NewRef(data));
    Py_XINCREF(main);
    Py_XSETREF(self->main, main);
    Py_XINCREF(bonds);
    Py_XSETREF(self->bonds, bonds);
    self->state = state;
    Py_RETURN_NONE;
}

static int
cached_traverse(PyObject *object, visitproc visit, void *arg)
{
    cached *self = as_cached(object);

    Py_VISIT(self->data);
    Py_VISIT(self->main);
    Py_VISIT(self->bonds);
    Py_VISIT(self->get_item_if);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
cached_clear(PyObject *object)
{
    cached *self = as_cached(object);

    self->state = NULL;
    Py_CLEAR(self->data);
    Py_CLEAR(self->main);
    Py_CLEAR(self->bonds);
    Py_CLEAR(self->get_item_if);
    return 0;
}

static void
cached_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    (void)cached_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef cached_methods[] = {
    {"_open", cached_open, METH_VARARGS,
     PyDoc_STR("_open($self, data_cache, main_dict=None, bonds=None, /)\n"
               "--\n\nWhat __init__() calls.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot append_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t) "The base of AppendOnlyDictCached."},
    {Py_tp_dealloc, KPY_SLOT(cached_dealloc)},
    {Py_tp_traverse, KPY_SLOT(cached_traverse)},
    {Py_tp_clear, KPY_SLOT(cached_clear)},
    {Py_tp_methods, cached_methods},
    {Py_mp_subscript, KPY_SLOT(append_subscript)},
    {0, NULL},
};

static PyType_Slot mutable_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t) "The base of MutableDictCached."},
    {Py_tp_dealloc, KPY_SLOT(cached_dealloc)},
    {Py_tp_traverse, KPY_SLOT(cached_traverse)},
    {Py_tp_clear, KPY_SLOT(cached_clear)},
    {Py_tp_methods, cached_methods},
    {Py_mp_subscript, KPY_SLOT(mutable_subscript)},
    {0, NULL},
};

static PyType_Spec append_spec = {
    .name = "kist._core.AppendCachedBase",
    .basicsize = sizeof(cached),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = append_slots,
};

static PyType_Spec mutable_spec = {
    .name = "kist._core.MutableCachedBase",
    .basicsize = sizeof(cached),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = mutable_slots,
};

int
kpy_storecache_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_APPENDCACHED, &append_spec, NULL,
                        true) < 0 ||
                   kpy_type_add(module, KPY_TYPE_MUTABLECACHED, &mutable_spec,
                                NULL, true) < 0
               ? -1
               : 0;
}
