/*
 * FileDirBase: many keys in one call, what stands for several calls (pop,
 * setdefault), and the files in the directory that are nobody's.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "filedict.h"

/* --- pop and setdefault
 * ------------------------------------------------------
 */

#define OWN(function) ((PyCFunction)(void (*)(void))(function))

static bool
transforms_itself(PyObject *self)
{
    return kpy_filedict_is_own(self, "transform_item",
                               OWN(kpy_filedict_transform)) &&
           kpy_filedict_is_own(self, "discard_if",
                               OWN(kpy_filedict_discard_if));
}

/* Removes just what was read: 1 and *value, 0 if there is none, -1. */
static int
take_item(kpy_filedict *dict, PyObject *key, kpy_path *path, PyObject **value)
{
    kist_store *store = dict->store; // __init__ may give it another one
    kist_condition any = {.rule = KIST_IF_ANY, .fetch = KIST_FETCH_ALWAYS};
    kist_condition same = {.rule = KIST_IF_SAME, .fetch = KIST_FETCH_NEVER};
    unsigned long retry = 0;
    kist_outcome outcome;
    kist_buf data = {0};
    kist_status status;
    int result = -1;

    for (;;) {
        KPY_UNLOCKED(status, kist_store_get_if(store, path->text, &any, &data,
                                               &outcome));
        if (status != KIST_OK || outcome.found == KIST_FOUND_NONE) {
            result = status == KIST_OK ? 0 : -1;
            break;
        }
        *value = kpy_filedict_load(dict, path->text, kist_buf_slice(&data));
        if (*value == NULL) {
            break;
        }
        same.expected = outcome.after;
        KPY_UNLOCKED_WRITE(
            status, kist_store_remove_if(store, path->text, &same, &outcome));
        if (status == KIST_OK && outcome.satisfied) {
            result = 1;
            break;
        }
        Py_CLEAR(*value);
        if (status != KIST_OK) {
            break;
        }
        if (retry == KPY_RETRIES_DEFAULT) {
            (void)kpy_filedict_conflict(dict, key, retry + 1);
            break;
        }
        if (kpy_filedict_wait(retry++) < 0) {
            break;
        }
        kist_buf_clear(&data);
    }
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, key);
        result = -1;
    }
    kist_buf_fini(&data);
    return result;
}

static PyObject *
call_super(PyObject *self, const char *name, PyObject *const *args,
           Py_ssize_t count)
{
    PyObject *all[4] = {self};

    memcpy(all + 1, args, (size_t)count * sizeof(*args));
    return kpy_filedict_super(kpy_filedict_of(self), name, all,
                              (size_t)count + 1, NULL);
}

static PyObject *
filedict_pop(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *value = NULL;
    kpy_path path;
    int taken;

    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "pop expected at %s arguments, got %zd",
                     count < 1 ? "least 1" : "most 2", count);
        return NULL;
    }
    if (!transforms_itself(self)) {
        return call_super(self, "pop", args, count);
    }
    if (kpy_filedict_store(dict) == NULL) {
        return NULL;
    }
    if (dict->append_only) {
        (void)kpy_raise_append_only(dict->state);
        return NULL;
    }
    if (kpy_path_of(dict->state, args[0], &path) < 0) {
        return NULL;
    }
    taken = take_item(dict, args[0], &path, &value);
    kpy_path_done(&path);
    if (taken == 0 && count == 2) {
        return Py_NewRef(args[1]);
    }
    if (taken == 0) {
        (void)kpy_raise_key_error(dict->state, args[0]);
    }
    return value;
}

/* 1 and a value: what was there, or `fallback`, which was put; -1. */
static int
put_default(kpy_filedict *dict, PyObject *key, PyObject *fallback,
            PyObject **value)
{
    const kist_condition any = {.rule = KIST_IF_ANY,
                                .fetch = KIST_FETCH_ALWAYS};
    kist_store *store = kpy_filedict_store(dict);
    kist_outcome outcome;
    kist_buf given = {0};
    kist_buf data = {0};
    kist_status status;
    kpy_path path;

    *value = NULL;
    if (store == NULL || kpy_path_of(dict->state, key, &path) < 0) {
        return -1;
    }
    if (kpy_value_check(dict->state, dict->base_class, fallback) == 0 &&
        kpy_filedict_dump(dict, fallback, &given) == 0) {
        KPY_UNLOCKED_WRITE(status,
                           kist_store_put_new_if(store, path.text,
                                                 kist_buf_slice(&given), &any,
                                                 &data, &outcome));
        if (status != KIST_OK) {
            (void)kpy_filedict_raise(dict, status, key);
        }
        else if (outcome.found == KIST_FOUND_VALUE) {
            *value = kpy_filedict_load(dict, path.text, kist_buf_slice(&data));
        }
        else {
            *value = Py_NewRef(fallback);
        }
    }
    kist_buf_fini(&data);
    kist_buf_fini(&given);
    kpy_path_done(&path);
    return *value == NULL ? -1 : 1;
}

/* True if d[k] and d[k] = v are C's own. */
static bool
indexes_itself(PyObject *self)
{
    PyTypeObject *const type = Py_TYPE(self);

    return PyType_GetSlot(type, Py_mp_subscript) ==
               KPY_SLOT(kpy_filedict_subscript) &&
           PyType_GetSlot(type, Py_mp_ass_subscript) ==
               KPY_SLOT(kpy_filedict_ass_subscript);
}

static PyObject *
filedict_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count,
                    PyObject *names)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *fallback = Py_None;
    PyObject *key =
        kpy_key_arg(dict->state, "setdefault", args, count, names, &fallback);
    PyObject *value;
    int joker;

    if (key == NULL) {
        return NULL;
    }
    joker =
        PyObject_IsInstance(fallback, kpy_part(dict->state, KPY_PART_JOKER));
    if (joker != 0 || !indexes_itself(self)) {
        PyObject *pair[2] = {key, fallback};

        return joker < 0 ? NULL : call_super(self, "setdefault", pair, 2);
    }
    // Nearly always it is there, and its value need not be encoded.
    value = PyObject_GetItem(self, key);
    if (value != NULL || !PyErr_ExceptionMatches(PyExc_KeyError)) {
        return value;
    }
    PyErr_Clear();
    (void)put_default(dict, key, fallback, &value);
    return value;
}

/* --- many ------------------------------------------------------------------
 */

/* Keys and values on their way to or from the library. */
typedef struct filedict_haul {
    size_t count;
    kpy_path *paths;
    kist_slice *keys;
    kist_slice *values;
    kist_buf *bufs;
    kist_status *statuses;
    size_t made; /* paths that are to be undone */
} filedict_haul;

static int
haul_begin(filedict_haul *haul, size_t count)
{
    const size_t room = count == 0 ? 1 : count;

    memset(haul, 0, sizeof(*haul));
    haul->count = count;
    haul->paths = PyMem_Calloc(room, sizeof(*haul->paths));
    haul->keys = PyMem_Calloc(room, sizeof(*haul->keys));
    haul->values = PyMem_Calloc(room, sizeof(*haul->values));
    haul->bufs = PyMem_Calloc(room, sizeof(*haul->bufs));
    haul->statuses = PyMem_Calloc(room, sizeof(*haul->statuses));
    if (haul->paths == NULL || haul->keys == NULL || haul->values == NULL ||
        haul->bufs == NULL || haul->statuses == NULL) {
        (void)PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void
haul_done(filedict_haul *haul)
{
    size_t i;

    for (i = 0; i < haul->made; i++) {
        kpy_path_done(&haul->paths[i]);
    }
    for (i = 0; haul->bufs != NULL && i < haul->count; i++) {
        kist_buf_fini(&haul->bufs[i]);
    }
    PyMem_Free(haul->statuses);
    PyMem_Free(haul->bufs);
    PyMem_Free(haul->values);
    PyMem_Free(haul->keys);
    PyMem_Free(haul->paths);
}

static int
haul_key(kpy_filedict *dict, filedict_haul *haul, PyObject *key)
{
    kpy_path *path = &haul->paths[haul->made];

    if (kpy_path_of(dict->state, key, path) < 0) {
        return -1;
    }
    haul->keys[haul->made] = path->text;
    haul->made++;
    return 0;
}

/* The values that were read, `fallback` for those that are not there. */
static PyObject *
haul_list(kpy_filedict *dict, filedict_haul *haul, PyObject *keys,
          PyObject *fallback)
{
    PyObject *list = PyList_New((Py_ssize_t)haul->count);
    size_t i;

    for (i = 0; list != NULL && i < haul->count; i++) {
        PyObject *value;

        if (haul->statuses[i] == KIST_OK) {
            value = kpy_filedict_load(dict, haul->keys[i],
                                      kist_buf_slice(&haul->bufs[i]));
            kist_buf_fini(&haul->bufs[i]);
        }
        else if (haul->statuses[i] == KIST_ERR_NOTFOUND) {
            value = Py_NewRef(fallback);
        }
        else {
            // The detail of this one is gone: reading it again tells.
            value = PyObject_GetItem((PyObject *)dict,
                                     PyTuple_GET_ITEM(keys, (Py_ssize_t)i));
        }
        if (value == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, value);
    }
    return list;
}

static PyObject *
get_many(kpy_filedict *dict, PyObject *keys, PyObject *fallback)
{
    kist_store *store = dict->store;
    kist_status status = KIST_OK;
    PyObject *list = NULL;
    filedict_haul haul;
    Py_ssize_t i;
    int result = haul_begin(&haul, (size_t)PyTuple_GET_SIZE(keys));

    for (i = 0; result == 0 && i < PyTuple_GET_SIZE(keys); i++) {
        result = haul_key(dict, &haul, PyTuple_GET_ITEM(keys, i));
    }
    if (result == 0) {
        KPY_UNLOCKED(status, kist_store_get_many(store, haul.keys, haul.count,
                                                 haul.bufs, haul.statuses));
        list = status == KIST_OK ? haul_list(dict, &haul, keys, fallback)
                                 : kpy_filedict_raise(dict, status, NULL);
    }
    haul_done(&haul);
    return list;
}

static PyObject *
filedict_get_many(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *words[] = {"keys", "default", NULL};
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *keys;
    PyObject *fallback = Py_None;
    PyObject *tuple;
    PyObject *list = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get_many", words,
                                     &keys, &fallback) ||
        kpy_filedict_store(dict) == NULL) {
        return NULL;
    }
    if (PyUnicode_Check(keys)) {
        PyErr_SetString(PyExc_TypeError, "keys is one str, not many keys");
        return NULL;
    }
    tuple = PySequence_Tuple(keys);
    if (tuple != NULL) {
        list = get_many(dict, tuple, fallback);
        Py_DECREF(tuple);
    }
    return list;
}

/* One (key, value) pair goes into the haul; KEEP_CURRENT leaves it out. */
static int
haul_pair(kpy_filedict *dict, filedict_haul *haul, PyObject *pair)
{
    PyObject *two = PySequence_Tuple(pair);
    PyObject *value;
    kist_buf *buf = &haul->bufs[haul->made];
    int result = -1;

    if (two == NULL) {
        return -1;
    }
    if (PyTuple_GET_SIZE(two) != 2) {
        PyErr_SetString(PyExc_TypeError, "items must be (key, value) pairs");
    }
    else if (kpy_is_keep(dict->state, PyTuple_GET_ITEM(two, 1))) {
        result = 0;
    }
    else if (kpy_is_delete(dict->state, PyTuple_GET_ITEM(two, 1))) {
        PyErr_SetString(PyExc_TypeError,
                        "put_many() removes nothing: use discard()");
    }
    else {
        value = PyTuple_GET_ITEM(two, 1);
        if (kpy_value_check(dict->state, dict->base_class, value) == 0 &&
            kpy_filedict_dump(dict, value, buf) == 0) {
            haul->values[haul->made] = kist_buf_slice(buf);
            result = haul_key(dict, haul, PyTuple_GET_ITEM(two, 0));
        }
    }
    Py_DECREF(two);
    return result;
}

/* Puts the pairs of the list `items`; nothing if one of them is wrong. */
static int
put_many(kpy_filedict *dict, PyObject *items)
{
    kist_store *store = dict->store;
    kist_status status = KIST_OK;
    filedict_haul haul;
    Py_ssize_t i;
    int result = haul_begin(&haul, (size_t)PyList_GET_SIZE(items));

    for (i = 0;
         result == 0 && i < PyList_GET_SIZE(items) && haul.made < haul.count;
         i++) {
        PyObject *pair = Py_NewRef(PyList_GET_ITEM(items, i));

        result = haul_pair(dict, &haul, pair);
        Py_DECREF(pair);
    }
    if (result == 0 && haul.made > 0) {
        KPY_UNLOCKED_WRITE(status,
                           kist_store_put_many(store, haul.keys, haul.values,
                                               haul.made, NULL));
    }
    haul_done(&haul);
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(dict, status, NULL);
        result = -1;
    }
    return result;
}

static PyObject *
filedict_put_many(PyObject *self, PyObject *items)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    PyObject *list;
    int result;

    if (kpy_filedict_store(dict) == NULL) {
        return NULL;
    }
    list = PyObject_HasAttrString(items, "keys") ? PyMapping_Items(items)
                                                 : PySequence_List(items);
    if (list == NULL) {
        return NULL;
    }
    result = put_many(dict, list);
    Py_DECREF(list);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- foreign files
 * -----------------------------------------------------------
 */

/* What report() was told, while somebody wants to know: "path\0why\0" ... */
struct kpy_foreign {
    pthread_mutex_t lock; /* report() comes from any thread, without the GIL */
    atomic_long pid;      /* whose lock it is: fork() copies it as it is */
    atomic_uint wanted;   /* calls of foreign_files() under way */
    bool lost;            /* no memory */
    kist_buf told;
};

struct kpy_foreign *
kpy_foreign_new(void)
{
    struct kpy_foreign *foreign = PyMem_RawCalloc(1, sizeof(*foreign));

    if (foreign == NULL) {
        (void)PyErr_NoMemory();
        return NULL;
    }
    (void)pthread_mutex_init(&foreign->lock, NULL);
    atomic_init(&foreign->pid, (long)getpid());
    return foreign;
}

/*
 * In a child of fork() the lock may be held by a thread that is not there,
 * and what was told be half written: all is made anew.  With the GIL; report()
 * keeps away until the pid is ours.
 */
static void
foreign_adopt(struct kpy_foreign *foreign)
{
    const long pid = (long)getpid();

    if (atomic_load(&foreign->pid) != pid) {
        (void)pthread_mutex_init(&foreign->lock, NULL);
        memset(&foreign->told, 0, sizeof(foreign->told));
        foreign->lost = false;
        atomic_store(&foreign->wanted, 0);
        atomic_store(&foreign->pid, pid);
    }
}

void
kpy_foreign_free(struct kpy_foreign *foreign)
{
    if (foreign != NULL) {
        (void)pthread_mutex_destroy(&foreign->lock);
        kist_buf_fini(&foreign->told);
        PyMem_RawFree(foreign);
    }
}

void
kpy_foreign_report(void *context, const char *path, const char *why)
{
    struct kpy_foreign *foreign = context;

    if (atomic_load(&foreign->wanted) == 0 ||
        atomic_load(&foreign->pid) != (long)getpid()) {
        return;
    }
    (void)pthread_mutex_lock(&foreign->lock);
    if (atomic_load(&foreign->wanted) > 0 &&
        (kist_buf_append(&foreign->told, path, strlen(path) + 1) != KIST_OK ||
         kist_buf_append(&foreign->told, why, strlen(why) + 1) != KIST_OK)) {
        foreign->lost = true;
    }
    (void)pthread_mutex_unlock(&foreign->lock);
}

/* Walks over every name, for what is reported on the way. */
static kist_status
scan_all(kist_store *store)
{
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status = kist_store_scan_open(store, NULL, &scan);

    if (status != KIST_OK) {
        return status;
    }
    do {
        status = kist_store_scan_next(scan, &item);
    } while (status == KIST_OK);
    kist_store_scan_close(scan);
    return status == KIST_END ? KIST_OK : status;
}

static PyObject *
foreign_dict(const kist_buf *told)
{
    PyObject *dict = PyDict_New();
    const char *at = (const char *)told->data;
    const char *end = at == NULL ? NULL : at + told->size;

    while (dict != NULL && at < end) {
        const char *why = at + strlen(at) + 1;
        PyObject *path = PyUnicode_DecodeFSDefault(at);
        PyObject *text = PyUnicode_FromString(why);

        if (path == NULL || text == NULL ||
            PyDict_SetItem(dict, path, text) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(text);
        Py_XDECREF(path);
        at = why + strlen(why) + 1;
    }
    return dict;
}

static PyObject *
filedict_foreign_files(PyObject *self, PyObject *unused)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    struct kpy_foreign *foreign;
    kist_buf told = {0};
    PyObject *answer;
    kist_status status;
    bool lost;

    (void)unused;
    if (store == NULL) {
        return NULL;
    }
    foreign = dict->reported;
    foreign_adopt(foreign);
    (void)pthread_mutex_lock(&foreign->lock);
    atomic_fetch_add(&foreign->wanted, 1);
    (void)pthread_mutex_unlock(&foreign->lock);
    KPY_UNLOCKED(status, scan_all(store));
    (void)pthread_mutex_lock(&foreign->lock);
    lost = foreign->lost;
    if (atomic_fetch_sub(&foreign->wanted, 1) == 1) {
        told = foreign->told;
        memset(&foreign->told, 0, sizeof(foreign->told));
        foreign->lost = false;
    }
    else if (kist_buf_append(&told, foreign->told.data, foreign->told.size) !=
             KIST_OK) {
        // The others want it, too.
        lost = true;
    }
    (void)pthread_mutex_unlock(&foreign->lock);
    if (status != KIST_OK) {
        answer = kpy_filedict_raise(dict, status, NULL);
    }
    else {
        answer = lost ? PyErr_NoMemory() : foreign_dict(&told);
    }
    kist_buf_fini(&told);
    return answer;
}

PyMethodDef kpy_filedict_many_methods[] = {
    {"pop", KPY_METHOD(filedict_pop), METH_FASTCALL,
     "pop($self, key, default=..., /)\n--\n\n"
     "Remove the item and return its value, in one step."},
    {"setdefault", KPY_METHOD(filedict_setdefault),
     METH_FASTCALL | METH_KEYWORDS,
     "setdefault($self, key, default=None)\n--\n\n"
     "The value of `key`, which becomes `default` if there is none."},
    {"get_many", KPY_METHOD(filedict_get_many), METH_VARARGS | METH_KEYWORDS,
     "get_many($self, keys, default=None)\n--\n\n"
     "The values of many keys as a list, `default` where there is none;\n"
     "several files are read at a time."},
    {"put_many", filedict_put_many, METH_O,
     "put_many($self, items, /)\n--\n\n"
     "Set many items, of a mapping or of (key, value) pairs, with as few\n"
     "syncs as will do.  Not one step: a failure leaves some of them done."},
    {"foreign_files", filedict_foreign_files, METH_NOARGS,
     "foreign_files($self, /)\n--\n\n"
     "Files below base_dir that no dict has written, which iteration leaves\n"
     "out, with the reason why: {path: reason}."},
    {NULL, NULL, 0, NULL},
};
