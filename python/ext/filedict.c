#include "filedict.h"

#include <errno.h>
#include <string.h>

#include "errors.h"

/* --- what all methods need
 * ---------------------------------------------------
 */

kist_store *
kpy_filedict_store(const kpy_filedict *dict)
{
    if (dict->store == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "FileDirDict.__init__() was not called");
    }
    return dict->store;
}

/* True, with ValueError, if a component is too long with its digest. */
static bool
raise_too_long(const kpy_filedict *dict, PyObject *object)
{
    const size_t more = dict->digest_len == 0 ? 0 : dict->digest_len + 1;
    const uint8_t *start;
    kpy_path path;
    size_t size = 0;
    size_t i;

    if (kpy_path_of(dict->state, object, &path) < 0) {
        return true;
    }
    start = path.text.data;
    for (i = 0; i < path.text.size; i++) {
        size = start[i] == '/' ? 0 : size + 1;
        if (size + more > KPY_COMPONENT_SIZE_MAX &&
            (i + 1 == path.text.size || start[i + 1] == '/')) {
            PyErr_Format(PyExc_ValueError,
                         "String length must be < 254, got %zu", size + more);
            break;
        }
    }
    kpy_path_done(&path);
    return PyErr_Occurred() != NULL;
}

PyObject *
kpy_filedict_raise(kpy_filedict *dict, kist_status status, PyObject *key)
{
    if (status == KIST_ERR_LOCKED && PyErr_Occurred()) {
        return NULL;
    }
    if (status == KIST_ERR_NOTFOUND && key != NULL) {
        (void)kpy_raise_key_error(dict->state, key);
        return NULL;
    }
    if (status == KIST_ERR_INVALID && key != NULL &&
        raise_too_long(dict, key)) {
        return NULL;
    }
    if (status == KIST_ERR_POLICY) {
        (void)kpy_raise_append_only(dict->state);
        return NULL;
    }
    if (status == KIST_ERR_NOTDIR) {
        errno = ENOTDIR;
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError,
                                              kist_last_error()->path);
    }
    return kpy_raise(dict->state, status);
}

int
kpy_filedict_dump(kpy_filedict *dict, PyObject *value, kist_buf *out)
{
    return kpy_fmt_dump(dict->state, &dict->fmt, value, out);
}

#define PRIVATE_MAX 4096 /* directories that are remembered */

static PyObject *
place_of(kpy_filedict *dict, kist_slice key)
{
    return PyObject_CallMethod((PyObject *)dict, "_place", "s#",
                               (const char *)key.data, (Py_ssize_t)key.size);
}

/*
 * Asks Python whether others can write the file of `key`; `known` is False if
 * only the file itself is left to be looked at.  A new reference to True if
 * nobody else reaches any file beside it, or NULL with PermissionError.
 */
static PyObject *
ask_private(kpy_filedict *dict, kist_slice key, PyObject *known)
{
    PyObject *check = kpy_lazy(dict->state, KPY_LAZY_FMT_CHECK_PRIVATE);
    PyObject *place = check == NULL ? NULL : place_of(dict, key);
    PyObject *answer = NULL;

    if (place != NULL) {
        answer = PyObject_CallFunctionObjArgs(
            check, dict->base_dir, place, known == NULL ? Py_False : Py_True,
            NULL);
        Py_DECREF(place);
    }
    return answer;
}

/*
 * Whether the value of `key` may run code: 0, or -1 with PermissionError.  A
 * directory is looked at when it is met first.
 */
static int
filedict_trust(kpy_filedict *dict, kist_slice key)
{
    const uint8_t *last = memrchr(key.data, '/', key.size);
    const Py_ssize_t size =
        last == NULL ? 0 : last - (const uint8_t *)key.data;
    PyObject *private = Py_NewRef(dict->private);
    PyObject *front =
        PyUnicode_FromStringAndSize((const char *)key.data, size);
    PyObject *answer = NULL;
    int result = -1;

    if (front != NULL) {
        PyObject *known = PyDict_GetItemWithError(private, front);

        if (known == Py_True) {
            result = 0;
        }
        else if (known != NULL || !PyErr_Occurred()) {
            answer = ask_private(dict, key, known);
        }
        if (answer != NULL && known == NULL) {
            if (PyDict_Size(private) >= PRIVATE_MAX) {
                PyDict_Clear(private);
            }
            result = PyDict_SetItem(private, front, answer);
        }
        else if (answer != NULL) {
            result = 0;
        }
    }
    Py_XDECREF(answer);
    Py_XDECREF(front);
    Py_DECREF(private);
    return result;
}

/* Adds the path of the file of `key` to the error that is set. */
static void
note_place(kpy_filedict *dict, kist_slice key)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    PyObject *place;

    PyErr_Fetch(&type, &value, &trace);
    place = place_of(dict, key);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    if (place != NULL && PyUnicode_Check(place)) {
        kpy_fmt_note(place);
    }
    Py_XDECREF(place);
}

/* The value of `data`; the directory is looked at if reading runs code. */
static PyObject *
load_trusted(kpy_filedict *dict, kist_slice key, kist_slice data)
{
    kpy_fmt fmt = dict->fmt;

    if (fmt.trusted || !kpy_fmt_runs_code(fmt.kind)) {
        return kpy_fmt_load(dict->state, &fmt, data);
    }
    if (fmt.kind == KPY_FMT_JSON) {
        // Most JSON builds no objects, whoever wrote it.
        PyObject *value = kpy_fmt_load(dict->state, &fmt, data);

        if (value != NULL || !PyErr_ExceptionMatches(PyExc_PermissionError)) {
            return value;
        }
        PyErr_Clear();
    }
    if (filedict_trust(dict, key) < 0) {
        return NULL;
    }
    fmt.trusted = true;
    return kpy_fmt_load(dict->state, &fmt, data);
}

PyObject *
kpy_filedict_load(kpy_filedict *dict, kist_slice key, kist_slice data)
{
    PyObject *value = load_trusted(dict, key, data);

    if (value == NULL) {
        note_place(dict, key);
        return NULL;
    }
    if (dict->base_class != Py_None &&
        kpy_value_check_read(dict->base_class, value) < 0) {
        Py_CLEAR(value);
    }
    return value;
}

PyObject *
kpy_filedict_etag(const kpy_filedict *dict, const kist_etag *etag)
{
    if (etag->size == 0) {
        return Py_NewRef(kpy_part(dict->state, KPY_PART_ITEM_NOT_AVAILABLE));
    }
    return PyUnicode_FromStringAndSize(etag->text, (Py_ssize_t)etag->size);
}

bool
kpy_filedict_is_own(PyObject *self, const char *name, PyCFunction own)
{
    PyObject *method = PyObject_GetAttrString(self, name);
    bool is_own;

    if (method == NULL) {
        PyErr_Clear();
        return false;
    }
    is_own = PyCFunction_Check(method) &&
             PyCFunction_GetFunction(method) == own &&
             PyCFunction_GetSelf(method) == self;
    Py_DECREF(method);
    return is_own;
}

PyObject *
kpy_filedict_super(kpy_filedict *dict, const char *name, PyObject *const *args,
                   size_t count, PyObject *names)
{
    PyObject *method = PyObject_GetAttrString(
        kpy_part(dict->state, KPY_PART_PERSIDICT), name);
    PyObject *answer = NULL;

    if (method != NULL) {
        answer = PyObject_Vectorcall(method, args, count, names);
        Py_DECREF(method);
    }
    return answer;
}

/* --- [] --------------------------------------------------------------------
 */

/* What dict[key] is; NULL without an error if there is none. */
static PyObject *
filedict_find(kpy_filedict *dict, PyObject *key)
{
    kist_store *store = kpy_filedict_store(dict);
    PyObject *value = NULL;
    kist_buf data = {0};
    kist_status status;
    kpy_path path;

    if (store == NULL || kpy_path_of(dict->state, key, &path) < 0) {
        return NULL;
    }
    KPY_UNLOCKED(status, kist_store_get(store, path.text, &data, NULL));
    if (status == KIST_OK) {
        value = kpy_filedict_load(dict, path.text, kist_buf_slice(&data));
    }
    else if (status != KIST_ERR_NOTFOUND) {
        (void)kpy_filedict_raise(dict, status, key);
    }
    kist_buf_fini(&data);
    kpy_path_done(&path);
    return value;
}

PyObject *
kpy_filedict_subscript(PyObject *self, PyObject *key)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *value = filedict_find(dict, key);

    if (value == NULL && !PyErr_Occurred()) {
        (void)kpy_raise_key_error(dict->state, key);
    }
    return value;
}

static int
filedict_put(kpy_filedict *dict, PyObject *key, PyObject *value)
{
    kist_store *store = kpy_filedict_store(dict);
    kist_status status = KIST_OK;
    kist_buf data = {0};
    kpy_path path;
    int result = -1;

    if (store == NULL || kpy_path_of(dict->state, key, &path) < 0) {
        return -1;
    }
    if (kpy_is_keep(dict->state, value)) {
        result = 0;
    }
    else if (kpy_value_check(dict->state, dict->base_class, value) == 0 &&
             kpy_filedict_dump(dict, value, &data) == 0) {
        KPY_UNLOCKED_WRITE(
            status,
            kist_store_put(store, path.text, kist_buf_slice(&data), NULL));
        result = 0;
    }
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, key);
        result = -1;
    }
    kist_buf_fini(&data);
    kpy_path_done(&path);
    return result;
}

int
kpy_filedict_drop(kpy_filedict *dict, PyObject *key)
{
    kist_store *store = kpy_filedict_store(dict);
    kist_status status;
    kpy_path path;

    if (store == NULL || kpy_path_of(dict->state, key, &path) < 0) {
        return -1;
    }
    if (dict->append_only) {
        kpy_path_done(&path);
        return kpy_raise_append_only(dict->state);
    }
    KPY_UNLOCKED_WRITE(status, kist_store_remove(store, path.text));
    kpy_path_done(&path);
    if (status == KIST_OK || status == KIST_ERR_NOTFOUND) {
        return status == KIST_OK;
    }
    (void)kpy_filedict_raise(dict, status, key);
    return -1;
}

int
kpy_filedict_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    int dropped;

    if (value != NULL && !kpy_is_delete(dict->state, value)) {
        return filedict_put(dict, key, value);
    }
    dropped = kpy_filedict_drop(dict, key);
    if (dropped == 0 && value == NULL) {
        return kpy_raise_key_error(dict->state, key);
    }
    return dropped < 0 ? -1 : 0;
}

/* --- others of one key
 * -------------------------------------------------------
 */

int
kpy_filedict_contains(PyObject *self, PyObject *key)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    bool contains = false;
    kist_status status;
    kpy_path path;

    if (store == NULL || kpy_path_of(dict->state, key, &path) < 0) {
        return -1;
    }
    KPY_UNLOCKED(status, kist_store_contains(store, path.text, &contains));
    kpy_path_done(&path);
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, key);
        return -1;
    }
    return contains;
}

Py_ssize_t
kpy_filedict_length(PyObject *self)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    uint64_t count = 0;
    kist_status status;

    if (store == NULL) {
        return -1;
    }
    KPY_UNLOCKED(status, kist_store_count(store, &count));
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, NULL);
        return -1;
    }
    return (Py_ssize_t)count;
}

int
kpy_filedict_bool(PyObject *self)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    bool empty = true;
    kist_status status;

    if (store == NULL) {
        return -1;
    }
    KPY_UNLOCKED(status, kist_store_is_empty(store, &empty));
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, NULL);
        return -1;
    }
    return !empty;
}

/* 0 and *stat, or -1 with KeyError and the like. */
static int
filedict_stat(PyObject *self, PyObject *key, kist_stat *stat)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    kist_status status;
    kpy_path path;

    if (store == NULL || kpy_path_of(dict->state, key, &path) < 0) {
        return -1;
    }
    KPY_UNLOCKED(status, kist_store_stat(store, path.text, stat));
    kpy_path_done(&path);
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, key);
        return -1;
    }
    return 0;
}

static PyObject *
filedict_etag_of(PyObject *self, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    PyObject *key = kpy_key_arg(kpy_filedict_of(self)->state, "etag", args,
                                count, names, NULL);
    kist_stat stat;

    return key == NULL || filedict_stat(self, key, &stat) < 0
               ? NULL
               : kpy_filedict_etag(kpy_filedict_of(self), &stat.etag);
}

double
kpy_filedict_seconds(int64_t mtime_ns)
{
    // As os.stat() does it: each part by itself, then their sum.
    const int64_t rest = (mtime_ns % 1000000000 + 1000000000) % 1000000000;
    const int64_t seconds = (mtime_ns - rest) / 1000000000;

    return (double)seconds + 1e-9 * (double)rest;
}

static PyObject *
filedict_timestamp(PyObject *self, PyObject *const *args, Py_ssize_t count,
                   PyObject *names)
{
    PyObject *key = kpy_key_arg(kpy_filedict_of(self)->state, "timestamp",
                                args, count, names, NULL);
    kist_stat stat;

    return key == NULL || filedict_stat(self, key, &stat) < 0
               ? NULL
               : PyFloat_FromDouble(kpy_filedict_seconds(stat.mtime_ns));
}

/* True if [] of this object is C's own. */
static bool
reads_itself(PyObject *self)
{
    return PyType_GetSlot(Py_TYPE(self), Py_mp_subscript) ==
           KPY_SLOT(kpy_filedict_subscript);
}

/* Mapping.get, as the base has it: self[key], where that is overridden. */
static PyObject *
filedict_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
             PyObject *names)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *fallback = Py_None;
    PyObject *key =
        kpy_key_arg(dict->state, "get", args, count, names, &fallback);
    PyObject *value;

    if (key == NULL) {
        return NULL;
    }
    if (reads_itself(self)) {
        value = filedict_find(dict, key);
    }
    else {
        value = PyObject_GetItem(self, key);
        if (value == NULL && PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear();
        }
    }
    return value != NULL || PyErr_Occurred() ? value : Py_NewRef(fallback);
}

static PyObject *
filedict_discard(PyObject *self, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *key = kpy_key_arg(kpy_filedict_of(self)->state, "discard", args,
                                count, names, NULL);
    int dropped = -1;

    if (key != NULL && dict->append_only) {
        (void)kpy_raise_append_only(dict->state);
    }
    else if (key != NULL) {
        dropped = kpy_filedict_drop(dict, key);
    }
    return dropped < 0 ? NULL : PyBool_FromLong(dropped);
}

static PyObject *
filedict_random_key(PyObject *self, PyObject *unused)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    PyObject *key = NULL;
    kist_buf text = {0};
    kist_status status;

    (void)unused;
    if (store == NULL) {
        return NULL;
    }
    KPY_UNLOCKED(status, kist_store_random(store, &text));
    if (status == KIST_OK) {
        key = kpy_key_listed(dict->state, kist_buf_slice(&text));
    }
    else if (status == KIST_ERR_NOTFOUND) {
        key = Py_NewRef(Py_None);
    }
    else {
        (void)kpy_filedict_raise(dict, status, NULL);
    }
    kist_buf_fini(&text);
    return key;
}

static PyObject *
filedict_clear_all(PyObject *self, PyObject *unused)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    kist_status status;

    (void)unused;
    if (store == NULL) {
        return NULL;
    }
    if (dict->append_only) {
        (void)kpy_raise_append_only(dict->state);
        return NULL;
    }
    KPY_UNLOCKED_WRITE(status, kist_store_clear(store, NULL));
    if (status != KIST_OK) {
        return kpy_filedict_raise(dict, status, NULL);
    }
    Py_RETURN_NONE;
}

PyMethodDef kpy_filedict_key_methods[] = {
    {"get", KPY_METHOD(filedict_get), METH_FASTCALL | METH_KEYWORDS,
     "get($self, key, default=None)\n--\n\n"
     "The value of `key`, or `default` if there is none."},
    {"etag", KPY_METHOD(filedict_etag_of), METH_FASTCALL | METH_KEYWORDS,
     "etag($self, key)\n--\n\n"
     "A str that no other write of the item has had.  KeyError."},
    {"timestamp", KPY_METHOD(filedict_timestamp),
     METH_FASTCALL | METH_KEYWORDS,
     "timestamp($self, key)\n--\n\n"
     "When the item was written, in seconds since 1970.  KeyError."},
    {"discard", KPY_METHOD(filedict_discard), METH_FASTCALL | METH_KEYWORDS,
     "discard($self, key)\n--\n\n"
     "Remove the item; whether there was one."},
    {"random_key", filedict_random_key, METH_NOARGS,
     "random_key($self, /)\n--\n\n"
     "One of the keys, each as likely as the others, or None."},
    {"clear", filedict_clear_all, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove every item of this format."},
    {NULL, NULL, 0, NULL},
};
