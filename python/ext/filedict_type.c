/*
 * The type FileDirBase: opening, attributes, slots.
 */
#include <string.h>

#include "errors.h"
#include "filedict.h"

/* --- opening ---------------------------------------------------------------
 */

typedef struct open_words {
    PyObject *base_dir;
    PyObject *format;
    PyObject *base_class;
    const char *durability;
    PyObject *sign_key;
    int append_only;
    int trusted;
    int digest_len;
    Py_ssize_t inflated_max;
} open_words;

static int
durability_of(const char *name, kist_store_durability *durability)
{
    if (strcmp(name, "sync") == 0) {
        *durability = KIST_STORE_SYNC;
    }
    else if (strcmp(name, "group") == 0) {
        *durability = KIST_STORE_GROUP;
    }
    else if (strcmp(name, "none") == 0) {
        *durability = KIST_STORE_NONE;
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "durability must be 'sync', 'group' or 'none', not '%s'",
                     name);
        return -1;
    }
    return 0;
}

static void
filedict_close(kpy_filedict *dict)
{
    kist_store_close(dict->store);
    dict->store = NULL;
    kpy_foreign_free(dict->foreign);
    dict->foreign = NULL;
    Py_CLEAR(dict->parent);
    Py_CLEAR(dict->retired);
}

/* The fields that _open() and _open_sub() give; `from` keeps nothing. */
static void
filedict_move(kpy_filedict *to, kpy_filedict *from)
{
    to->store = from->store;
    to->foreign = from->foreign;
    to->reported = from->reported;
    to->parent = from->parent;
    to->base_class = from->base_class;
    to->base_dir = from->base_dir;
    to->sign_key = from->sign_key;
    to->private = from->private;
    to->fmt = from->fmt;
    to->append_only = from->append_only;
    to->digest_len = from->digest_len;
    from->store = NULL;
    from->foreign = NULL;
    from->parent = NULL;
    from->base_class = NULL;
    from->base_dir = NULL;
    from->sign_key = NULL;
    from->private = NULL;
    from->fmt.key = NULL;
}

/* An object for what is not ours yet, or not any more; NULL: no memory. */
static kpy_filedict *
filedict_spare(const kpy_filedict *dict)
{
    PyTypeObject *type = dict->state->types[KPY_TYPE_FILEDICT];
    kpy_filedict *spare = (kpy_filedict *)type->tp_alloc(type, 0);

    if (spare != NULL) {
        spare->state = dict->state;
    }
    return spare;
}

/*
 * Puts what `fresh` has in place of what there was, which lives on until we
 * go: __init__ may be called again while another thread is within the store,
 * or a subdict uses it.  No other code runs in between.
 */
static int
filedict_publish(kpy_filedict *dict, kpy_filedict *fresh)
{
    kpy_filedict *old = filedict_spare(dict);

    if (old == NULL) {
        return -1;
    }
    filedict_move(old, dict);
    filedict_move(dict, fresh);
    old->retired = dict->retired;
    dict->retired = (PyObject *)old;
    return 0;
}

/* What does not need the library. */
static int
filedict_set_up(kpy_filedict *dict, const open_words *words)
{
    if (words->sign_key != Py_None && !PyBytes_Check(words->sign_key)) {
        PyErr_SetString(PyExc_TypeError, "the key of signatures is no bytes");
        return -1;
    }
    dict->foreign = kpy_foreign_new();
    dict->private = PyDict_New();
    if (dict->foreign == NULL || dict->private == NULL) {
        return -1;
    }
    dict->reported = dict->foreign;
    dict->append_only = words->append_only != 0;
    dict->digest_len = (unsigned)words->digest_len;
    dict->base_class = Py_NewRef(words->base_class);
    dict->base_dir = Py_NewRef(words->base_dir);
    if (words->sign_key != Py_None) {
        dict->sign_key = Py_NewRef(words->sign_key);
    }
    dict->fmt.kind = kpy_fmt_kind_of(words->format);
    dict->fmt.trusted = words->trusted != 0;
    dict->fmt.inflated_max = words->inflated_max > 0
                                 ? (size_t)words->inflated_max
                                 : KPY_FMT_INFLATED_MAX;
    dict->fmt.key = dict->sign_key;
    return 0;
}

static kist_status
open_store(kpy_filedict *dict, const char *path, const char *format,
           kist_store_durability durability)
{
    kist_store_options options;
    kist_store *store = NULL;
    kist_status status;

    kist_store_options_init(&options);
    options.format = format;
    options.digest_len = dict->digest_len;
    options.append_only = dict->append_only;
    options.durability = durability;
    options.value_size_max = dict->fmt.inflated_max;
    options.lock_timeout_ms = KPY_LOCK_SLICE_MS;
    options.report = kpy_foreign_report;
    options.context = dict->foreign;
    KPY_UNLOCKED(status, kist_store_open_dir(path, &options, &store));
    if (status == KIST_OK) {
        dict->store = store;
    }
    return status;
}

/* The text of a str without NUL, which would end it early; NULL: ValueError.
 */
static const char *
whole_text(const char *text, Py_ssize_t size)
{
    if (text != NULL && strlen(text) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "embedded null byte");
        return NULL;
    }
    return text;
}

/*
 * _open(base_dir, format, append_only, digest_len, base_class, durability,
 *       trusted, sign_key, inflated_max)
 */
static PyObject *
filedict_open(PyObject *self, PyObject *args)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store_durability durability;
    PyObject *path = NULL;
    kpy_filedict *fresh;
    const char *format;
    Py_ssize_t size;
    open_words words;
    kist_status status;

    if (!PyArg_ParseTuple(args, "UUpiOspOn:_open", &words.base_dir,
                          &words.format, &words.append_only, &words.digest_len,
                          &words.base_class, &words.durability, &words.trusted,
                          &words.sign_key, &words.inflated_max) ||
        durability_of(words.durability, &durability) < 0) {
        return NULL;
    }
    format = PyUnicode_AsUTF8AndSize(words.format, &size);
    format = whole_text(format, size);
    path = format == NULL ? NULL : PyUnicode_EncodeFSDefault(words.base_dir);
    if (path == NULL) {
        return NULL;
    }
    fresh = filedict_spare(dict);
    if (fresh == NULL ||
        whole_text(PyBytes_AS_STRING(path), PyBytes_GET_SIZE(path)) == NULL ||
        filedict_set_up(fresh, &words) < 0) {
        Py_XDECREF(fresh);
        Py_DECREF(path);
        return NULL;
    }
    status = open_store(fresh, PyBytes_AS_STRING(path), format, durability);
    Py_DECREF(path);
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(fresh, status, NULL);
    }
    else if (filedict_publish(dict, fresh) < 0) {
        status = KIST_ERR_NOMEM;
    }
    Py_DECREF(fresh);
    if (status != KIST_OK) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* _open_sub(parent, prefix, base_dir): the items of `parent` below `prefix`.
 */
static PyObject *
filedict_open_sub(PyObject *self, PyObject *args)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kpy_filedict *parent;
    kpy_filedict *fresh;
    kist_store *store;
    PyObject *object;
    PyObject *prefix;
    PyObject *base_dir;
    kist_status status;
    int result = -1;
    kpy_path path;

    if (!PyArg_ParseTuple(args, "O!OU:_open_sub",
                          dict->state->types[KPY_TYPE_FILEDICT], &object,
                          &prefix, &base_dir)) {
        return NULL;
    }
    parent = kpy_filedict_of(object);
    if (kpy_filedict_store(parent) == NULL || parent == dict ||
        kpy_path_of_prefix(dict->state, prefix, &path) < 0) {
        return NULL;
    }
    fresh = filedict_spare(dict);
    if (fresh == NULL || (fresh->private = PyDict_New()) == NULL) {
        Py_XDECREF(fresh);
        kpy_path_done(&path);
        return NULL;
    }
    fresh->parent = Py_NewRef(object);
    fresh->reported = parent->reported;
    fresh->append_only = parent->append_only;
    fresh->digest_len = parent->digest_len;
    fresh->base_class = Py_NewRef(parent->base_class);
    fresh->base_dir = Py_NewRef(base_dir);
    fresh->sign_key = Py_XNewRef(parent->sign_key);
    fresh->fmt = parent->fmt;
    fresh->fmt.key = fresh->sign_key;
    store = parent->store;
    KPY_UNLOCKED(status, kist_store_sub(store, path.text, &fresh->store));
    kpy_path_done(&path);
    if (status != KIST_OK) {
        fresh->store = NULL;
        (void)kpy_filedict_raise(parent, status, NULL);
    }
    else {
        result = filedict_publish(dict, fresh);
    }
    Py_DECREF(fresh);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- the type --------------------------------------------------------------
 */

static PyObject *
filedict_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_filedict *dict;

    (void)args;
    (void)kwargs;
    if (state == NULL) {
        return NULL;
    }
    // storeres.h (1): without its parts nothing here would work.
    if (kpy_part(state, KPY_PART_PERSIDICT) == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "FileDirBase is the base of "
                        "kist.persidict.FileDirDict, which is not imported");
        return NULL;
    }
    dict = (kpy_filedict *)type->tp_alloc(type, 0);
    if (dict != NULL) {
        dict->state = state;
        dict->base_class = Py_NewRef(Py_None);
    }
    return (PyObject *)dict;
}

static int
filedict_traverse(PyObject *self, visitproc visit, void *arg)
{
    kpy_filedict *dict = kpy_filedict_of(self);

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(dict->base_class);
    Py_VISIT(dict->parent);
    Py_VISIT(dict->retired);
    return 0;
}

/* A base class may refer to what refers to us; the rest are no containers. */
static int
filedict_clear(PyObject *self)
{
    kpy_filedict *dict = kpy_filedict_of(self);

    Py_XSETREF(dict->base_class, Py_NewRef(Py_None));
    return 0;
}

static void
filedict_dealloc(PyObject *self)
{
    PyTypeObject *const type = Py_TYPE(self);
    kpy_filedict *dict = kpy_filedict_of(self);

    PyObject_GC_UnTrack(self);
    filedict_close(dict);
    Py_CLEAR(dict->base_class);
    Py_CLEAR(dict->base_dir);
    Py_CLEAR(dict->sign_key);
    Py_CLEAR(dict->private);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
filedict_get_base_dir(PyObject *self, void *unused)
{
    kpy_filedict *dict = kpy_filedict_of(self);

    (void)unused;
    return kpy_filedict_store(dict) == NULL ? NULL
                                            : Py_XNewRef(dict->base_dir);
}

static PyGetSetDef filedict_getset[] = {
    {"base_dir", filedict_get_base_dir, NULL,
     "The absolute path of the directory, a str.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef filedict_open_methods[] = {
    {"_open", filedict_open, METH_VARARGS,
     "_open($self, base_dir, serialization_format, append_only, digest_len,\n"
     "      base_class_for_values, durability, trusted, sign_key,\n"
     "      inflated_max, /)\n--\n\nWhat FileDirDict.__init__() calls."},
    {"_open_sub", filedict_open_sub, METH_VARARGS,
     "_open_sub($self, parent, prefix, base_dir, /)\n--\n\n"
     "What FileDirDict.get_subdict() calls."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot filedict_slots[] = {
    {Py_tp_new, KPY_SLOT(filedict_new)},
    {Py_tp_dealloc, KPY_SLOT(filedict_dealloc)},
    {Py_tp_traverse, KPY_SLOT(filedict_traverse)},
    {Py_tp_clear, KPY_SLOT(filedict_clear)},
    {Py_tp_iter, KPY_SLOT(kpy_filedict_iter)},
    {Py_tp_methods, filedict_open_methods},
    {Py_tp_getset, filedict_getset},
    {Py_mp_subscript, KPY_SLOT(kpy_filedict_subscript)},
    {Py_mp_ass_subscript, KPY_SLOT(kpy_filedict_ass_subscript)},
    {Py_mp_length, KPY_SLOT(kpy_filedict_length)},
    {Py_sq_contains, KPY_SLOT(kpy_filedict_contains)},
    {Py_nb_bool, KPY_SLOT(kpy_filedict_bool)},
    {0, NULL},
};

static PyType_Spec filedict_spec = {
    .name = "kist._core.FileDirBase",
    .basicsize = sizeof(kpy_filedict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = filedict_slots,
};

/* The methods of the other files, as descriptors of the type. */
static int
add_methods(PyTypeObject *type, PyMethodDef *methods)
{
    for (; methods->ml_name != NULL; methods++) {
        PyObject *method = PyDescr_NewMethod(type, methods);
        int result = -1;

        if (method != NULL) {
            result = PyObject_SetAttrString((PyObject *)type, methods->ml_name,
                                            method);
            Py_DECREF(method);
        }
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

int
kpy_filedict_type_add(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);
    PyTypeObject *type;

    if (kpy_type_add(module, KPY_TYPE_FILESCAN, &kpy_filescan_spec, NULL,
                     false) < 0 ||
        kpy_type_add(module, KPY_TYPE_FILEDICT, &filedict_spec, NULL, true) <
            0) {
        return -1;
    }
    type = state->types[KPY_TYPE_FILEDICT];
    return add_methods(type, kpy_filedict_key_methods) < 0 ||
                   add_methods(type, kpy_filedict_if_methods) < 0 ||
                   add_methods(type, kpy_filedict_many_methods) < 0 ||
                   add_methods(type, kpy_filedict_iter_methods) < 0
               ? -1
               : 0;
}
