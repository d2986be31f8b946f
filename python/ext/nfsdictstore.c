/*
 * NfsDictBase: the library's store behind it, and what its errors become.
 */
#include "errors.h"
#include "nfsdict.h"

#define TEXT_SIZE 1024

bool
kpy_nfsdict_is_set_up(const kpy_nfsdict *dict)
{
    if (dict->trust != NULL) {
        return true;
    }
    PyErr_SetString(PyExc_RuntimeError, "__init__() was not called");
    return false;
}

/* --- the store --------------------------------------------------------------
 */

static kist_status
open_store(const kpy_nfsdict *dict, const char *path, kist_store **store)
{
    kist_store_options options;
    PyThreadState *thread;
    kist_status status;

    kist_store_options_init(&options);
    options.format = dict->json ? "json" : "pkl";
    options.durability = dict->durability;
    thread = PyEval_SaveThread();
    status = kist_store_open_nfs(path, &options, store);
    PyEval_RestoreThread(thread);
    return status;
}

static void
close_store(kpy_nfsstore *store)
{
    PyThreadState *thread = PyEval_SaveThread();

    kist_store_close(store->store);
    PyEval_RestoreThread(thread);
    PyMem_Free(store);
}

/* A store of its own; another thread may have been here first. */
static kpy_nfsstore *
make_store(kpy_nfsdict *dict)
{
    kpy_nfsstore *made;
    kist_status status;
    PyObject *path;

    path = PyUnicode_EncodeFSDefault(dict->path);
    made = path == NULL ? NULL : PyMem_Calloc(1, sizeof(*made));
    if (made == NULL) {
        Py_XDECREF(path);
        return path == NULL ? NULL : (kpy_nfsstore *)PyErr_NoMemory();
    }
    status = open_store(dict, PyBytes_AS_STRING(path), &made->store);
    Py_DECREF(path);
    if (status != KIST_OK) {
        PyMem_Free(made);
        (void)kpy_nfsdict_raise(dict, status);
        return NULL;
    }
    return made;
}

kpy_nfsstore *
kpy_nfsdict_enter(kpy_nfsdict *dict)
{
    kpy_nfsstore *made;

    if (!kpy_nfsdict_is_set_up(dict)) {
        return NULL;
    }
    if (dict->open == NULL) {
        made = make_store(dict);
        if (made == NULL) {
            return NULL;
        }
        if (dict->open == NULL) {
            dict->open = made;
        }
        else {
            close_store(made);
        }
    }
    // Closing let go of the GIL: the open one may be another by now.
    if (dict->open == NULL) {
        return kpy_nfsdict_enter(dict);
    }
    dict->open->users++;
    return dict->open;
}

void
kpy_nfsdict_leave(kpy_nfsstore *store)
{
    store->users--;
    if (store->users == 0 && store->retired) {
        close_store(store);
    }
}

void
kpy_nfsdict_retire(kpy_nfsdict *dict)
{
    kpy_nfsstore *store = dict->open;

    if (store != NULL) {
        dict->open = NULL;
        store->retired = true;
        store->users++;
        kpy_nfsdict_leave(store);
    }
}

/* Raises dict->corrupt(text). */
static PyObject *
raise_corrupt(kpy_nfsdict *dict, const char *text)
{
    PyObject *message = PyUnicode_DecodeFSDefault(text);

    if (message != NULL) {
        PyErr_SetObject(dict->corrupt, message);
        Py_DECREF(message);
    }
    return NULL;
}

PyObject *
kpy_nfsdict_raise(kpy_nfsdict *dict, kist_status status)
{
    char text[TEXT_SIZE];

    if (status != KIST_ERR_CORRUPT || dict->corrupt == NULL) {
        return kpy_raise(dict->state, status);
    }
    (void)kist_error_text(text, sizeof(text));
    return raise_corrupt(dict, text);
}
