#include "errors.h"

#include <errno.h>
#include <stdio.h>

#define TEXT_SIZE 1024

/* kist's own exceptions: name, second base, and what help() says. */
static const struct {
    const char *name;
    PyObject **base;
    const char *doc;
} own_errors[KPY_ERROR_COUNT] = {
    [KPY_ERROR] = {"kist.Error", &PyExc_Exception,
                   "What only kist can raise; base of its exceptions."},
    [KPY_ERROR_LOCKED] = {"kist.LockedError", &PyExc_TimeoutError,
                          "Others held the kist for too long."},
    [KPY_ERROR_CORRUPT] =
        {"kist.CorruptError", NULL,
         "Stored bytes are damaged; 'kist repair' salvages."},
    [KPY_ERROR_NOTKIST] = {"kist.NotKistError", NULL,
                           "The file is not a kist."},
    [KPY_ERROR_NEWER] = {"kist.NewerError", NULL,
                         "Written by a newer format than this kist reads."},
    [KPY_ERROR_POISONED] = {"kist.PoisonedError", &PyExc_OSError,
                            "A sync failed earlier: reopen to write again."},
    [KPY_ERROR_TOOBIG] = {"kist.TooBigError", &PyExc_ValueError,
                          "A key, value or collection above its limit."},
    [KPY_ERROR_BUSY] = {"kist.BusyError", &PyExc_RuntimeError,
                        "Not now: a batch of this thread is open."},
};

/* The table: which class a status raises.  IO and CLOSED are special. */
static PyObject *
class_of(kpy_state *state, kist_status status)
{
    switch (status) {
    case KIST_ERR_RANGE:
        return PyExc_IndexError;
    case KIST_ERR_TYPE:
    case KIST_ERR_KIND:
        return PyExc_TypeError;
    case KIST_ERR_OVERFLOW:
        return PyExc_OverflowError;
    case KIST_ERR_INVALID:
    case KIST_ERR_FORKED:
        return PyExc_ValueError;
    case KIST_ERR_NOMEM:
        return PyExc_MemoryError;
    case KIST_ERR_CHANGED:
        return PyExc_RuntimeError;
    case KIST_ERR_EXISTS:
        return PyExc_FileExistsError;
    case KIST_ERR_READONLY:
        return kpy_lazy(state, KPY_LAZY_UNSUPPORTED);
    case KIST_ERR_LOCKED:
        return state->errors[KPY_ERROR_LOCKED];
    case KIST_ERR_CORRUPT:
        return state->errors[KPY_ERROR_CORRUPT];
    case KIST_ERR_NOTKIST:
        return state->errors[KPY_ERROR_NOTKIST];
    case KIST_ERR_NEWER:
        return state->errors[KPY_ERROR_NEWER];
    case KIST_ERR_POISONED:
        return state->errors[KPY_ERROR_POISONED];
    case KIST_ERR_TOOBIG:
        return state->errors[KPY_ERROR_TOOBIG];
    case KIST_ERR_BUSY:
        return state->errors[KPY_ERROR_BUSY];
    default:
        return state->errors[KPY_ERROR];
    }
}

/* OSError(errno, strerror, path): the class follows from errno. */
static PyObject *
raise_os(void)
{
    const kist_error *detail = kist_last_error();
    PyObject *path = NULL;

    if (detail->path[0] != '\0') {
        path = PyUnicode_DecodeFSDefault(detail->path);
        if (path == NULL) {
            return NULL;
        }
    }
    errno = detail->sys_errno != 0 ? detail->sys_errno : EIO;
    (void)PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    Py_XDECREF(path);
    return NULL;
}

PyObject *
kpy_raise(kpy_state *state, kist_status status)
{
    char text[TEXT_SIZE];
    PyObject *class;

    if (PyErr_Occurred()) {
        return NULL;
    }
    if (status == KIST_ERR_IO) {
        return raise_os();
    }
    if (status == KIST_ERR_CLOSED) {
        return kpy_raise_closed();
    }
    if (status == KIST_ERR_FORKED) {
        PyErr_SetString(PyExc_ValueError,
                        "I/O operation on a collection that was opened "
                        "before fork(): open it again in this process");
        return NULL;
    }
    if (status == KIST_ERR_NOMEM) {
        return PyErr_NoMemory();
    }
    if (status == KIST_ERR_NOTFOUND) {
        PyErr_SetString(PyExc_ValueError,
                        "I/O operation on a collection that was dropped");
        return NULL;
    }
    // Ordinary answers leave no detail: what is there is of another call.
    (void)kist_error_text(text, sizeof(text));
    if (kist_last_error()->status != status || text[0] == '\0') {
        (void)snprintf(text, sizeof(text), "%s", kist_status_name(status));
    }
    class = class_of(state, status);
    if (class != NULL) {
        PyErr_SetString(class, text);
    }
    return NULL;
}

int
kpy_raise_int(kpy_state *state, kist_status status)
{
    (void)kpy_raise(state, status);
    return -1;
}

PyObject *
kpy_raise_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return NULL;
}

PyObject *
kpy_raise_key(PyObject *key)
{
    // A tuple would be taken for the arguments if it were not wrapped.
    PyObject *args = PyTuple_Pack(1, key);

    if (args != NULL) {
        PyErr_SetObject(PyExc_KeyError, args);
        Py_DECREF(args);
    }
    return NULL;
}

PyObject *
kpy_raise_corrupt(kpy_state *state, const char *what)
{
    PyErr_Format(state->errors[KPY_ERROR_CORRUPT], "stored %s is damaged",
                 what);
    return NULL;
}

static int
own_error_add(PyObject *module, kpy_state *state, int id)
{
    PyObject *bases = NULL;
    PyObject *error;

    if (id == KPY_ERROR) {
        bases = PyTuple_Pack(1, PyExc_Exception);
    }
    else if (own_errors[id].base == NULL) {
        bases = PyTuple_Pack(1, state->errors[KPY_ERROR]);
    }
    else {
        bases =
            PyTuple_Pack(2, state->errors[KPY_ERROR], *own_errors[id].base);
    }
    if (bases == NULL) {
        return -1;
    }
    error = PyErr_NewExceptionWithDoc(own_errors[id].name, own_errors[id].doc,
                                      bases, NULL);
    Py_DECREF(bases);
    state->errors[id] = error;
    if (error == NULL) {
        return -1;
    }
    // Behind "kist."
    return PyModule_AddObjectRef(module, own_errors[id].name + 5, error);
}

int
kpy_errors_add(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);
    int id;

    for (id = 0; id < KPY_ERROR_COUNT; id++) {
        if (own_error_add(module, state, id) < 0) {
            return -1;
        }
    }
    return 0;
}
