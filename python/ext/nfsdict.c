/*
 * NfsDictBase: one key.
 */
#include "nfsdict.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"

/* --- stripes ----------------------------------------------------------------
 */

static size_t
stripe_of(PyObject *key)
{
    // The hash of a str is known by now, and nobody's code.
    return (size_t)PyObject_Hash(key) % KPY_NFS_STRIPES;
}

static void
lock_stripe(kpy_nfsdict *dict, size_t stripe)
{
    PyThreadState *thread;

    if (dict->pid != getpid()) {
        // A child: whoever held one is not here.
        for (size_t i = 0; i < KPY_NFS_STRIPES; i++) {
            (void)pthread_mutex_init(&dict->stripes[i], NULL);
        }
        dict->pid = getpid();
    }
    if (pthread_mutex_trylock(&dict->stripes[stripe]) != 0) {
        thread = PyEval_SaveThread();
        (void)pthread_mutex_lock(&dict->stripes[stripe]);
        PyEval_RestoreThread(thread);
    }
}

static void
unlock_stripe(kpy_nfsdict *dict, size_t stripe)
{
    (void)pthread_mutex_unlock(&dict->stripes[stripe]);
}

/* A reload is under way: it must not undo this. */
static int
note_change(kpy_nfsdict *dict, PyObject *key)
{
    return dict->journal == NULL ? 0 : PySet_Add(dict->journal, key);
}

/* --- pairs ------------------------------------------------------------------
 */

bool
kpy_nfsdict_is_plain(const kpy_nfsdict *dict, PyObject *value)
{
    return value == Py_None || PyBool_Check(value) ||
           PyUnicode_CheckExact(value) || PyLong_CheckExact(value) ||
           PyFloat_CheckExact(value) ||
           (!dict->json && PyBytes_CheckExact(value));
}

/* The bytes of the pair: an object that holds them, and where they are. */
static PyObject *
dump_pair(const kpy_nfsdict *dict, PyObject *key, PyObject *value,
          const char **data, Py_ssize_t *size)
{
    PyObject *pair = dict->json ? Py_BuildValue("[OO]", key, value)
                                : PyTuple_Pack(2, key, value);
    PyObject *dumped = NULL;

    if (pair != NULL && kpy_nfsdict_is_set_up(dict)) {
        dumped = PyObject_CallOneArg(dict->dumps, pair);
    }
    Py_XDECREF(pair);
    if (dumped == NULL) {
        return NULL;
    }
    if (PyUnicode_Check(dumped)) {
        *data = PyUnicode_AsUTF8AndSize(dumped, size);
    }
    else if (PyBytes_Check(dumped)) {
        *data = PyBytes_AS_STRING(dumped);
        *size = PyBytes_GET_SIZE(dumped);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "serializer: neither bytes nor str");
        *data = NULL;
    }
    if (*data == NULL) {
        Py_CLEAR(dumped);
    }
    return dumped;
}

/* The exception that is set, taken; new reference. */
static PyObject *
take_error(void)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;

    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        (void)PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

/* What `loads` raised; if that means damage, dict->corrupt from it. */
static PyObject *
blame_data(kpy_nfsdict *dict, PyObject *key)
{
    PyObject *cause;
    PyObject *error;

    if (!PyErr_ExceptionMatches(dict->damage)) {
        return NULL;
    }
    cause = take_error();
    PyErr_Format(dict->corrupt, "%U: the value of %R is damaged", dict->path,
                 key);
    error = take_error();
    PyException_SetCause(error, cause);
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return NULL;
}

static PyObject *
take_value(kpy_nfsdict *dict, PyObject *key, PyObject *pair)
{
    PyObject *found;
    PyObject *value;
    int same;

    if (dict->json
            ? !PyList_CheckExact(pair) || PyList_GET_SIZE(pair) != 2
            : !PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2) {
        return PyErr_Format(dict->corrupt,
                            "%U: the file of %R does not hold a pair",
                            dict->path, key);
    }
    found = dict->json ? PyList_GET_ITEM(pair, 0) : PyTuple_GET_ITEM(pair, 0);
    value = dict->json ? PyList_GET_ITEM(pair, 1) : PyTuple_GET_ITEM(pair, 1);
    same =
        PyUnicode_CheckExact(found) ? PyUnicode_Compare(found, key) == 0 : 0;
    if (!same) {
        return PyErr_Format(dict->corrupt,
                            "%U: the file of %R holds another key", dict->path,
                            key);
    }
    return Py_NewRef(value);
}

/* Once: that nobody else can have written what is to be unpickled. */
static int
check_trust(kpy_nfsdict *dict)
{
    const uid_t self = geteuid();
    PyObject *path;
    PyObject *answer = PyObject_CallOneArg(dict->trust, dict->path);
    int result = answer == NULL ? -1 : 0;

    Py_XDECREF(answer);
    for (unsigned shard = 0; result == 0 && shard < KPY_NFS_SHARDS; shard++) {
        struct stat status;
        char name[8];
        PyObject *bytes;

        (void)snprintf(name, sizeof(name), "%02x", shard);
        path = PyUnicode_FromFormat("%U/%s", dict->path, name);
        bytes = path == NULL ? NULL : PyUnicode_EncodeFSDefault(path);
        if (bytes == NULL) {
            result = -1;
        }
        else if (stat(PyBytes_AS_STRING(bytes), &status) == 0 &&
                 ((status.st_uid != self && status.st_uid != 0) ||
                  (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
            answer = PyObject_CallOneArg(dict->trust, path);
            result = answer == NULL ? -1 : 0;
            Py_XDECREF(answer);
        }
        Py_XDECREF(bytes);
        Py_XDECREF(path);
    }
    dict->trusted = result == 0;
    return result;
}

/* The value of a pair that this process has just made, or that is trusted. */
static PyObject *
load_pair(kpy_nfsdict *dict, PyObject *key, PyObject *data)
{
    PyObject *pair;
    PyObject *value;

    if (!kpy_nfsdict_is_set_up(dict)) {
        return NULL;
    }
    pair = PyObject_CallOneArg(dict->loads, data);
    if (pair == NULL) {
        return blame_data(dict, key);
    }
    value = take_value(dict, key, pair);
    Py_DECREF(pair);
    return value;
}

PyObject *
kpy_nfsdict_parse(kpy_nfsdict *dict, PyObject *key, const void *data,
                  size_t size)
{
    PyObject *bytes;
    PyObject *value;

    if (!kpy_nfsdict_is_set_up(dict) ||
        (!dict->trusted && check_trust(dict) < 0)) {
        return NULL;
    }
    bytes = dict->json ? PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, "strict")
                       : PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    if (bytes == NULL) {
        return blame_data(dict, key);
    }
    value = load_pair(dict, key, bytes);
    Py_DECREF(bytes);
    return value;
}

/* --- reading ----------------------------------------------------------------
 */

/*
 * Puts what was read into the cache, unless somebody wrote meanwhile; NULL
 * `value`: there was nothing.
 */
static int
keep(kpy_nfsdict *dict, PyObject *key, PyObject *value, size_t stripe,
     uint32_t stamp)
{
    PyObject *known;

    if (dict->stamps[stripe] != stamp) {
        return 0;
    }
    if (value != NULL) {
        return PyDict_SetItem(dict->cache, key,
                              PyCell_Check(value) ? dict->unread : value);
    }
    known = PyDict_GetItemWithError(dict->cache, key);
    if (known == dict->unread) {
        return PyDict_DelItem(dict->cache, key);
    }
    return known == NULL && PyErr_Occurred() ? -1 : 0;
}

/* Reads the value from its file: 1 and *value, 0 if there is none, -1. */
static int
read_value(kpy_nfsdict *dict, PyObject *key, PyObject **value)
{
    const size_t stripe = stripe_of(key);
    const uint32_t stamp = dict->stamps[stripe];
    kist_buf data = {0};
    PyThreadState *thread;
    kpy_nfsstore *store;
    const char *text;
    Py_ssize_t size;
    kist_status status;
    int result = -1;

    *value = NULL;
    text = PyUnicode_AsUTF8AndSize(key, &size);
    if (text == NULL) {
        // A key that cannot be written is not there.
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    store = kpy_nfsdict_enter(dict);
    if (store == NULL) {
        return -1;
    }
    thread = PyEval_SaveThread();
    status = kist_store_get(store->store, kist_bytes(text, (size_t)size),
                            &data, NULL);
    PyEval_RestoreThread(thread);
    if (status == KIST_OK) {
        *value = kpy_nfsdict_parse(dict, key, data.data, data.size);
        result = *value == NULL ? -1 : 1;
    }
    else if (status == KIST_ERR_NOTFOUND) {
        result = 0;
    }
    else {
        (void)kpy_nfsdict_raise(dict, status);
    }
    kist_buf_fini(&data);
    kpy_nfsdict_leave(store);
    if (result >= 0 && keep(dict, key, *value, stripe, stamp) < 0) {
        Py_CLEAR(*value);
        result = -1;
    }
    return result;
}

/* The value of which the cache has the bytes that this process has written:
 * 1 and *value, or -1. */
static int
open_value(kpy_nfsdict *dict, PyObject *key, PyObject *cell, PyObject **value)
{
    const size_t stripe = stripe_of(key);
    const uint32_t stamp = dict->stamps[stripe];

    *value = load_pair(dict, key, PyCell_GET(cell));
    if (*value != NULL && keep(dict, key, *value, stripe, stamp) < 0) {
        Py_CLEAR(*value);
    }
    return *value == NULL ? -1 : 1;
}

/* The same for a key that is an exact str: the cache's value, or the file's.
 */
static int
find_exact(kpy_nfsdict *dict, PyObject *key, PyObject **value)
{
    PyObject *known = PyDict_GetItemWithError(dict->cache, key);
    int result;

    *value = NULL;
    if (known == NULL) {
        return PyErr_Occurred() ? -1 : read_value(dict, key, value);
    }
    if (!kpy_nfsdict_is_closed(dict, known)) {
        *value = Py_NewRef(known);
        return 1;
    }
    if (!PyCell_Check(known)) {
        return read_value(dict, key, value);
    }
    Py_INCREF(known);
    result = open_value(dict, key, known, value);
    Py_DECREF(known);
    return result;
}

/* The same for any object: 1 and *value, 0 if there is none, -1. */
static int
find_value(kpy_nfsdict *dict, PyObject *key, PyObject **value)
{
    PyObject *exact;
    int result;

    *value = NULL;
    if (PyUnicode_CheckExact(key)) {
        return find_exact(dict, key, value);
    }
    if (PyObject_Hash(key) == -1) {
        return -1;
    }
    if (!PyUnicode_Check(key)) {
        return 0;
    }
    exact = kpy_nfsdict_exact(key);
    if (exact == NULL) {
        return -1;
    }
    result = find_exact(dict, exact, value);
    Py_DECREF(exact);
    return result;
}

PyObject *
kpy_nfsdict_subscript(PyObject *self, PyObject *key)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);
    PyObject *value;

    if (kpy_nfsdict_settle(dict) < 0) {
        return NULL;
    }
    if (PyUnicode_CheckExact(key)) {
        value = PyDict_GetItemWithError(dict->cache, key);
        if (value != NULL && !kpy_nfsdict_is_closed(dict, value)) {
            return Py_NewRef(value);
        }
        if (value == NULL && PyErr_Occurred()) {
            return NULL;
        }
    }
    return find_value(dict, key, &value) == 0 ? kpy_raise_key(key) : value;
}

int
kpy_nfsdict_contains(PyObject *self, PyObject *key)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);
    PyObject *exact;
    int result;

    if (kpy_nfsdict_settle(dict) < 0) {
        return -1;
    }
    if (PyUnicode_CheckExact(key)) {
        return PyDict_Contains(dict->cache, key);
    }
    if (PyObject_Hash(key) == -1) {
        return -1;
    }
    if (!PyUnicode_Check(key)) {
        return 0;
    }
    exact = kpy_nfsdict_exact(key);
    if (exact == NULL) {
        return -1;
    }
    result = PyDict_Contains(dict->cache, exact);
    Py_DECREF(exact);
    return result;
}

/* get(key, default=None): 0, or -1 with an error set. */
static int
read_get_words(PyObject *const *args, Py_ssize_t count, PyObject *names,
               PyObject **key, PyObject **other)
{
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);

    *key = count > 0 ? args[0] : NULL;
    *other = count > 1 ? args[1] : NULL;
    if (count + named < 1 || count + named > 2) {
        PyErr_Format(PyExc_TypeError, "get expected 1 or 2 arguments, got %zd",
                     count + named);
        return -1;
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        PyObject **word =
            PyUnicode_CompareWithASCIIString(name, "key") == 0       ? key
            : PyUnicode_CompareWithASCIIString(name, "default") == 0 ? other
                                                                     : NULL;

        if (word == NULL || *word != NULL) {
            PyErr_Format(PyExc_TypeError,
                         word == NULL
                             ? "get() got an unexpected keyword argument %R"
                             : "get() got multiple values for argument %R",
                         name);
            return -1;
        }
        *word = args[count + i];
    }
    if (*key == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "get() missing 1 required argument: 'key'");
        return -1;
    }
    if (*other == NULL) {
        *other = Py_None;
    }
    return 0;
}

PyObject *
kpy_nfsdict_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
                PyObject *names)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);
    PyObject *value;
    PyObject *key;
    PyObject *other;

    if (read_get_words(args, count, names, &key, &other) < 0 ||
        kpy_nfsdict_settle(dict) < 0) {
        return NULL;
    }
    if (Py_TYPE(self)->tp_as_mapping->mp_subscript != kpy_nfsdict_subscript) {
        value = PyObject_GetItem(self, key);
        if (value == NULL && PyErr_ExceptionMatches(PyExc_KeyError) &&
            (dict->corrupt == NULL ||
             !PyErr_ExceptionMatches(dict->corrupt))) {
            PyErr_Clear();
            return Py_NewRef(other);
        }
        return value;
    }
    return find_value(dict, key, &value) == 0 ? Py_NewRef(other) : value;
}

/* --- writing ----------------------------------------------------------------
 */

/* What the cache is to have: the caller may change his object, and what is
 * read later may be another. */
static PyObject *
own_value(const kpy_nfsdict *dict, PyObject *value, PyObject *dumped)
{
    return kpy_nfsdict_is_plain(dict, value) ? Py_NewRef(value)
                                             : PyCell_New(dumped);
}

/* Everything but the locking of a set: `value` is what the cache gets. */
static int
write_value(kpy_nfsdict *dict, kpy_nfsstore *store, PyObject *key,
            PyObject *value, kist_slice data)
{
    const size_t stripe = stripe_of(key);
    PyObject *before;
    PyThreadState *thread;
    const char *text;
    Py_ssize_t size;
    kist_status status;
    int result;

    text = PyUnicode_AsUTF8AndSize(key, &size);
    if (text == NULL) {
        return -1;
    }
    lock_stripe(dict, stripe);
    thread = PyEval_SaveThread();
    status = kist_store_put(store->store, kist_bytes(text, (size_t)size), data,
                            NULL);
    PyEval_RestoreThread(thread);
    dict->stamps[stripe]++;
    if (status != KIST_OK) {
        // It may have been written all the same: who knows.
        unlock_stripe(dict, stripe);
        (void)kpy_nfsdict_raise(dict, status);
        return -1;
    }
    before = PyDict_GetItemWithError(dict->cache, key);
    Py_XINCREF(before); // its end may run Python code
    result = PyDict_SetItem(dict->cache, key, value);
    if (result == 0) {
        result = note_change(dict, key);
    }
    unlock_stripe(dict, stripe);
    Py_XDECREF(before);
    return result;
}

static int
set_item(kpy_nfsdict *dict, PyObject *key, PyObject *value)
{
    PyObject *dumped;
    PyObject *kept = NULL;
    kpy_nfsstore *store = NULL;
    const char *data;
    Py_ssize_t size;
    int result = -1;

    // The text is asked for first: a key that cannot be written is told so.
    if (PyUnicode_AsUTF8AndSize(key, &size) == NULL) {
        return -1;
    }
    dumped = dump_pair(dict, key, value, &data, &size);
    if (dumped != NULL) {
        kept = own_value(dict, value, dumped);
    }
    if (kept != NULL) {
        store = kpy_nfsdict_enter(dict);
    }
    if (store != NULL) {
        result = write_value(dict, store, key, kept,
                             kist_bytes(data, (size_t)size));
        kpy_nfsdict_leave(store);
    }
    Py_XDECREF(kept);
    Py_XDECREF(dumped);
    return result;
}

/* 1: it is gone; 0: there was none; -1. */
static int
remove_value(kpy_nfsdict *dict, PyObject *key)
{
    const size_t stripe = stripe_of(key);
    PyObject *before;
    PyThreadState *thread;
    kpy_nfsstore *store;
    const char *text;
    Py_ssize_t size;
    kist_status status;
    int result = -1;

    text = PyUnicode_AsUTF8AndSize(key, &size);
    if (text == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    store = kpy_nfsdict_enter(dict);
    if (store == NULL) {
        return -1;
    }
    lock_stripe(dict, stripe);
    thread = PyEval_SaveThread();
    status = kist_store_remove(store->store, kist_bytes(text, (size_t)size));
    PyEval_RestoreThread(thread);
    dict->stamps[stripe]++;
    before = PyDict_GetItemWithError(dict->cache, key);
    Py_XINCREF(before);
    if (status == KIST_OK || status == KIST_ERR_NOTFOUND) {
        // Another process may have removed what we have read: then it is gone
        // as was asked.
        result =
            status == KIST_OK || (before != NULL && before != dict->unread);
        if (before != NULL && PyDict_DelItem(dict->cache, key) < 0) {
            result = -1;
        }
        if (result >= 0 && note_change(dict, key) < 0) {
            result = -1;
        }
    }
    unlock_stripe(dict, stripe);
    if (status != KIST_OK && status != KIST_ERR_NOTFOUND) {
        (void)kpy_nfsdict_raise(dict, status);
    }
    Py_XDECREF(before);
    kpy_nfsdict_leave(store);
    return result;
}

static int
del_item(kpy_nfsdict *dict, PyObject *key)
{
    PyObject *exact;
    int result = 0;

    if (PyObject_Hash(key) == -1) {
        return -1;
    }
    if (PyUnicode_Check(key)) {
        exact = kpy_nfsdict_exact(key);
        result = exact == NULL ? -1 : remove_value(dict, exact);
        Py_XDECREF(exact);
    }
    if (result == 0) {
        (void)kpy_raise_key(key);
    }
    return result > 0 ? 0 : -1;
}

int
kpy_nfsdict_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    kpy_nfsdict *dict = kpy_nfsdict_of(self);
    PyObject *exact;
    int result;

    if (kpy_nfsdict_settle(dict) < 0) {
        return -1;
    }
    if (value == NULL) {
        return del_item(dict, key);
    }
    if (!PyUnicode_Check(key)) {
        PyErr_Format(PyExc_AttributeError,
                     "'%.100s' object has no attribute 'encode'",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    exact = kpy_nfsdict_exact(key);
    if (exact == NULL) {
        return -1;
    }
    result = set_item(dict, exact, value);
    Py_DECREF(exact);
    return result;
}
