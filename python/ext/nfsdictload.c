/*
 * NfsDictBase: all keys, at the beginning and for sync().
 */
#include <string.h>
#include <time.h>

#include "errors.h"
#include "nfsdict.h"

/* Values that are read without the GIL before they are unpickled. */
#define BATCH 512

/* --- keys -------------------------------------------------------------------
 */

/* Begins a scan; NULL with an error set. */
static kist_store_scan *
begin_scan(kpy_nfsdict *dict, kist_store *store)
{
    kist_store_scan *scan = NULL;
    PyThreadState *thread;
    kist_status status;

    thread = PyEval_SaveThread();
    status = kist_store_scan_open(store, NULL, &scan);
    PyEval_RestoreThread(thread);
    if (status != KIST_OK) {
        (void)kpy_nfsdict_raise(dict, status);
        return NULL;
    }
    return scan;
}

/* Adds the keys of a scan, which are in memory, to `cache`; runs no Python
 * code. */
static int
add_keys(kpy_nfsdict *dict, kist_store_scan *scan, PyObject *cache)
{
    kist_store_item item;
    kist_status status;

    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        PyObject *key = PyUnicode_DecodeUTF8(
            item.key.data, (Py_ssize_t)item.key.size, "strict");
        int failed;

        if (key == NULL) {
            return -1;
        }
        failed = PyDict_SetItem(cache, key, dict->unread);
        Py_DECREF(key);
        if (failed < 0) {
            return -1;
        }
    }
    return status == KIST_END ? 0 : kpy_raise_int(dict->state, status);
}

/* {key: unread} of all keys there are; NULL with an error set. */
static PyObject *
list_keys(kpy_nfsdict *dict, kist_store *store)
{
    kist_store_scan *scan = begin_scan(dict, store);
    PyObject *cache = scan == NULL ? NULL : PyDict_New();

    if (cache != NULL && add_keys(dict, scan, cache) < 0) {
        Py_CLEAR(cache);
    }
    kist_store_scan_close(scan);
    return cache;
}

int
kpy_nfsdict_settle_slowly(kpy_nfsdict *dict)
{
    kist_store_scan *scan = dict->pending;

    dict->pending = NULL;
    if (add_keys(dict, scan, dict->cache) < 0) {
        // From the beginning, next time.
        PyDict_Clear(dict->cache);
        kist_store_scan_close(scan);
        return -1;
    }
    kist_store_scan_close(scan);
    return 0;
}

int
kpy_nfsdict_list(kpy_nfsdict *dict)
{
    kpy_nfsstore *store = kpy_nfsdict_enter(dict);
    kist_store_scan *scan;

    if (store == NULL) {
        return -1;
    }
    scan = begin_scan(dict, store->store);
    kpy_nfsdict_leave(store);
    if (scan == NULL) {
        return -1;
    }
    // Another thread may have been here meanwhile.
    kist_store_scan_close(dict->pending);
    dict->pending = scan;
    return 0;
}

/* --- values -----------------------------------------------------------------
 */

typedef struct batch {
    kpy_nfsdict *dict;
    kist_store *store;
    PyObject *cache;
    size_t count;
    PyObject *objects[BATCH]; // borrowed from the list of keys
    kist_slice keys[BATCH];
    kist_buf values[BATCH];
    kist_status statuses[BATCH];
} batch;

/* What was read of one key goes into the cache; what is gone or damaged goes
 * out of it. */
static int
settle_one(batch *all, size_t i)
{
    kpy_nfsdict *dict = all->dict;
    PyObject *key = all->objects[i];
    kist_status status = all->statuses[i];
    PyObject *value = NULL;
    int result;

    if (status == KIST_OK) {
        value = kpy_nfsdict_parse(dict, key, all->values[i].data,
                                  all->values[i].size);
        if (value == NULL) {
            if (!PyErr_ExceptionMatches(dict->corrupt)) {
                return -1;
            }
            PyErr_Clear();
        }
    }
    else if (status != KIST_ERR_NOTFOUND && status != KIST_ERR_CORRUPT) {
        // Once more, for the detail: that was another thread's.
        status =
            kist_store_get(all->store, all->keys[i], &all->values[i], NULL);
        if (status == KIST_OK) {
            all->statuses[i] = status;
            return settle_one(all, i);
        }
        if (status != KIST_ERR_NOTFOUND && status != KIST_ERR_CORRUPT) {
            (void)kpy_nfsdict_raise(dict, status);
            return -1;
        }
    }
    if (value == NULL) {
        return PyDict_DelItem(all->cache, key);
    }
    result = PyDict_SetItem(all->cache, key, value);
    Py_DECREF(value);
    return result;
}

static int
read_batch(batch *all, PyObject *progress)
{
    PyThreadState *thread;
    kist_status status;
    int result = 0;

    thread = PyEval_SaveThread();
    status = kist_store_get_many(all->store, all->keys, all->count,
                                 all->values, all->statuses);
    PyEval_RestoreThread(thread);
    if (status != KIST_OK) {
        (void)kpy_nfsdict_raise(all->dict, status);
        return -1;
    }
    for (size_t i = 0; result == 0 && i < all->count; i++) {
        result = settle_one(all, i);
    }
    if (result == 0 && progress != Py_None) {
        PyObject *answer =
            PyObject_CallFunction(progress, "n", (Py_ssize_t)all->count);

        result = answer == NULL ? -1 : 0;
        Py_XDECREF(answer);
    }
    return result;
}

static int
read_values(kpy_nfsdict *dict, kist_store *store, PyObject *cache,
            PyObject *progress)
{
    PyObject *keys = PyDict_Keys(cache);
    batch *all = PyMem_Calloc(1, sizeof(*all));
    Py_ssize_t done = 0;
    int result = 0;

    if (keys == NULL || all == NULL) {
        Py_XDECREF(keys);
        PyMem_Free(all);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return -1;
    }
    all->dict = dict;
    all->store = store;
    all->cache = cache;
    while (result == 0 && done < PyList_GET_SIZE(keys)) {
        all->count = 0;
        while (result == 0 && all->count < BATCH &&
               done < PyList_GET_SIZE(keys)) {
            PyObject *key = PyList_GET_ITEM(keys, done++);
            Py_ssize_t size;
            const char *text = PyUnicode_AsUTF8AndSize(key, &size);

            result = text == NULL ? -1 : 0;
            all->objects[all->count] = key;
            all->keys[all->count++] = kist_bytes(text, (size_t)size);
        }
        if (result == 0) {
            result = read_batch(all, progress);
        }
    }
    for (size_t i = 0; i < BATCH; i++) {
        kist_buf_fini(&all->values[i]);
    }
    PyMem_Free(all);
    Py_DECREF(keys);
    return result;
}

/* --- the whole --------------------------------------------------------------
 */

/* What was changed while the directory was read is as the cache has it. */
static int
merge_journal(kpy_nfsdict *dict, PyObject *cache)
{
    PyObject *keys = PySequence_List(dict->journal);
    int result = keys == NULL ? -1 : 0;

    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        PyObject *value = PyDict_GetItemWithError(dict->cache, key);

        if (value != NULL) {
            result = PyDict_SetItem(cache, key, value);
        }
        else if (PyErr_Occurred()) {
            result = -1;
        }
        else if (PyDict_Contains(cache, key) == 1) {
            result = PyDict_DelItem(cache, key);
        }
    }
    Py_XDECREF(keys);
    return result;
}

/* While another thread reads the directory. */
static int
wait_for_reload(const kpy_nfsdict *dict)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (dict->journal != NULL) {
        if (dict->reloader == PyThread_get_thread_ident()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "sync() within the reading of a value by sync()");
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS;
        (void)nanosleep(&pause, NULL);
        Py_END_ALLOW_THREADS;
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
    return 0;
}

int
kpy_nfsdict_reload(kpy_nfsdict *dict, PyObject *progress)
{
    kpy_nfsstore *store;
    PyObject *journal;
    PyObject *cache;
    int result = -1;

    if (kpy_nfsdict_settle(dict) < 0) {
        return -1;
    }
    if (wait_for_reload(dict) < 0) {
        return -1;
    }
    journal = PySet_New(NULL);
    if (journal == NULL) {
        return -1;
    }
    // Making it may have let another thread be first.
    if (dict->journal != NULL) {
        Py_DECREF(journal);
        return kpy_nfsdict_reload(dict, progress);
    }
    dict->journal = journal;
    dict->reloader = PyThread_get_thread_ident();
    dict->trusted = dict->trusting; // who may write now is asked anew
    store = kpy_nfsdict_enter(dict);
    if (store != NULL) {
        cache = list_keys(dict, store->store);
        if (cache != NULL &&
            (dict->lazy ||
             read_values(dict, store->store, cache, progress) == 0)) {
            result = merge_journal(dict, cache);
        }
        if (result == 0) {
            kpy_nfsdict_outdate(dict);
            Py_SETREF(dict->cache, cache);
        }
        else {
            Py_XDECREF(cache);
        }
        kpy_nfsdict_leave(store);
    }
    Py_CLEAR(dict->journal);
    return result;
}
