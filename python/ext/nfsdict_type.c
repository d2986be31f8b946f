/*
 * The type NfsDictBase: slots, beginning and end.
 */
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "nfsdict.h"

/* --- methods ----------------------------------------------------------------
 */

static int
durability_of(const char *name, kist_store_durability *durability)
{
    static const char *const names[] = {
        [KIST_STORE_SYNC] = "sync",
        [KIST_STORE_GROUP] = "group",
        [KIST_STORE_NONE] = "none",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *durability = (kist_store_durability)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "durability must be 'sync', 'group' or 'none', not '%s'",
                 name);
    return -1;
}

/* The last one to let go of a store writes files. */
static void
drop_pending(kpy_nfsdict *dict)
{
    kist_store_scan *scan = dict->pending;
    PyThreadState *thread;

    if (scan != NULL) {
        dict->pending = NULL;
        thread = PyEval_SaveThread();
        kist_store_scan_close(scan);
        PyEval_RestoreThread(thread);
    }
}

/* _open(path, json, lazy, trusted, durability, dumps, loads, damage, corrupt,
 *       trust) */
static PyObject *
nfsdict_open(PyObject *self, PyObject *args)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);
    kist_store_durability durability;
    const char *name;
    PyObject *path;
    PyObject *dumps;
    PyObject *loads;
    PyObject *damage;
    PyObject *corrupt;
    PyObject *trust;
    int json;
    int lazy;
    int trusted;

    if (!PyArg_ParseTuple(args, "UpppsOOOOO:_open", &path, &json, &lazy,
                          &trusted, &name, &dumps, &loads, &damage, &corrupt,
                          &trust) ||
        durability_of(name, &durability) < 0) {
        return NULL;
    }
    drop_pending(dict);
    kpy_nfsdict_retire(dict);
    PyDict_Clear(dict->cache);
    Py_XSETREF(dict->path, Py_NewRef(path));
    Py_XSETREF(dict->dumps, Py_NewRef(dumps));
    Py_XSETREF(dict->loads, Py_NewRef(loads));
    Py_XSETREF(dict->damage, Py_NewRef(damage));
    Py_XSETREF(dict->corrupt, Py_NewRef(corrupt));
    Py_XSETREF(dict->trust, Py_NewRef(trust));
    dict->json = json != 0;
    dict->lazy = lazy != 0;
    dict->trusting = trusted != 0 || json != 0;
    dict->trusted = dict->trusting;
    kpy_nfsdict_outdate(dict);
    dict->durability = durability;
    Py_RETURN_NONE;
}

static PyObject *
nfsdict_reload(PyObject *self, PyObject *progress)
{
    return kpy_nfsdict_reload(kpy_nfsdict_of(self), progress) < 0
               ? NULL
               : Py_NewRef(Py_None);
}

static PyObject *
nfsdict_list(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_nfsdict_list(kpy_nfsdict_of(self)) < 0 ? NULL
                                                      : Py_NewRef(Py_None);
}

static PyObject *
nfsdict_finish(PyObject *self, PyObject *unused)
{
    (void)unused;
    kpy_nfsdict_retire(kpy_nfsdict_of(self));
    Py_RETURN_NONE;
}

static Py_ssize_t
nfsdict_length(PyObject *self)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);

    return kpy_nfsdict_settle(dict) < 0 ? -1 : PyDict_GET_SIZE(dict->cache);
}

static PyObject *
nfsdict_iter(PyObject *self)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);

    return kpy_nfsdict_settle(dict) < 0 ? NULL : PyObject_GetIter(dict->cache);
}

/* --- life -------------------------------------------------------------------
 */

static PyObject *
nfsdict_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_nfsdict *dict;

    (void)args;
    (void)keywords;
    if (state == NULL) {
        return NULL;
    }
    dict = (kpy_nfsdict *)type->tp_alloc(type, 0);
    if (dict == NULL) {
        return NULL;
    }
    dict->state = state;
    dict->pid = getpid();
    for (size_t i = 0; i < KPY_NFS_STRIPES; i++) {
        (void)pthread_mutex_init(&dict->stripes[i], NULL);
    }
    dict->cache = PyDict_New();
    dict->unread = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (dict->cache == NULL || dict->unread == NULL) {
        Py_DECREF(dict);
        return NULL;
    }
    return (PyObject *)dict;
}

static int
nfsdict_traverse(PyObject *self, visitproc visit, void *arg)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(dict->cache);
    Py_VISIT(dict->dumps);
    Py_VISIT(dict->loads);
    Py_VISIT(dict->damage);
    Py_VISIT(dict->corrupt);
    Py_VISIT(dict->trust);
    Py_VISIT(dict->journal);
    return 0;
}

/* The cache stays a dict, for slots that are called from finalizers. */
static int
nfsdict_clear(PyObject *self)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);

    if (dict->cache != NULL) {
        PyDict_Clear(dict->cache);
    }
    Py_CLEAR(dict->trust); // which says that all of these are there
    Py_CLEAR(dict->dumps);
    Py_CLEAR(dict->loads);
    Py_CLEAR(dict->damage);
    return 0;
}

static void
nfsdict_finalize(PyObject *self)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;

    PyErr_Fetch(&type, &value, &trace);
    drop_pending(kpy_nfsdict_of(self));
    kpy_nfsdict_retire(kpy_nfsdict_of(self));
    PyErr_Restore(type, value, trace);
}

static void
nfsdict_dealloc(PyObject *self)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);
    PyTypeObject *type = Py_TYPE(self);

    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyObject_GC_UnTrack(self);
    (void)nfsdict_clear(self);
    Py_CLEAR(dict->cache);
    Py_CLEAR(dict->unread);
    Py_CLEAR(dict->path);
    Py_CLEAR(dict->corrupt);
    Py_CLEAR(dict->journal);
    for (size_t i = 0; i < KPY_NFS_STRIPES; i++) {
        (void)pthread_mutex_destroy(&dict->stripes[i]);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(get_doc, "get($self, key, default=None)\n--\n\n"
                      "The value of `key`, or the default.  A damaged value "
                      "is an error.");

static PyMethodDef nfsdict_methods[] = {
    {"_open", nfsdict_open, METH_VARARGS, NULL},
    {"_reload", nfsdict_reload, METH_O, NULL},
    {"_list", nfsdict_list, METH_NOARGS, NULL},
    {"_finish", nfsdict_finish, METH_NOARGS, NULL},
    {"get", KPY_METHOD(kpy_nfsdict_get), METH_FASTCALL | METH_KEYWORDS,
     get_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot nfsdict_slots[] = {
    {Py_tp_new, KPY_SLOT(nfsdict_new)},
    {Py_tp_dealloc, KPY_SLOT(nfsdict_dealloc)},
    {Py_tp_finalize, KPY_SLOT(nfsdict_finalize)},
    {Py_tp_traverse, KPY_SLOT(nfsdict_traverse)},
    {Py_tp_clear, KPY_SLOT(nfsdict_clear)},
    {Py_tp_iter, KPY_SLOT(nfsdict_iter)},
    {Py_tp_methods, nfsdict_methods},
    {Py_mp_length, KPY_SLOT(nfsdict_length)},
    {Py_mp_subscript, KPY_SLOT(kpy_nfsdict_subscript)},
    {Py_mp_ass_subscript, KPY_SLOT(kpy_nfsdict_ass_subscript)},
    {Py_sq_contains, KPY_SLOT(kpy_nfsdict_contains)},
    {0, NULL},
};

static PyType_Spec nfsdict_spec = {
    .name = "kist._core.NfsDictBase",
    .basicsize = sizeof(kpy_nfsdict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = nfsdict_slots,
};

int
kpy_nfsdict_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_NFSDICT, &nfsdict_spec, NULL, true);
}
