/*
 * What the files of memfs share: arguments, paths, exceptions, loans.
 */
#include "memobj.h"

#include <math.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)
#define NS_PER_S  1e9

/* --- arguments -------------------------------------------------------------
 */

/* The place of keyword `name`; -1 with TypeError set. */
static Py_ssize_t
word_index(const kpy_signature *signature, PyObject *name)
{
    for (Py_ssize_t i = 0; i < signature->count; i++) {
        if (PyUnicode_CompareWithASCIIString(name, signature->words[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_TypeError,
                 "%s() got an unexpected keyword argument '%U'",
                 signature->name, name);
    return -1;
}

int
kpy_bind_slowly(const kpy_signature *signature, PyObject *const *args,
                Py_ssize_t count, PyObject *names, PyObject **values)
{
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t i;

    if (count > signature->count) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %zd arguments (%zd given)",
                     signature->name, signature->count, count + named);
        return -1;
    }
    for (i = 0; i < signature->count; i++) {
        values[i] = i < count ? args[i] : NULL;
    }
    for (i = 0; i < named; i++) {
        const Py_ssize_t place =
            word_index(signature, PyTuple_GET_ITEM(names, i));

        if (place < 0) {
            return -1;
        }
        if (values[place] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got multiple values for argument '%s'",
                         signature->name, signature->words[place]);
            return -1;
        }
        values[place] = args[count + i];
    }
    for (i = 0; i < signature->required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument: '%s'",
                         signature->name, signature->words[i]);
            return -1;
        }
    }
    return 0;
}

int
kpy_mempath_slowly(PyObject *object, kpy_mempath *path)
{
    Py_ssize_t size;
    const char *text;

    path->held = NULL;
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "path must be str, not %.200s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text == NULL) {
        // Lone surrogates are letters, as all else is.
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return -1;
        }
        PyErr_Clear();
        path->held =
            PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass");
        if (path->held == NULL) {
            return -1;
        }
        text = PyBytes_AS_STRING(path->held);
        size = PyBytes_GET_SIZE(path->held);
    }
    path->slice = kist_bytes(text, (size_t)size);
    return 0;
}

int
kpy_mem_int(PyObject *object, int64_t *number)
{
    PyObject *index =
        PyLong_Check(object) ? Py_NewRef(object) : PyNumber_Index(object);

    if (index == NULL) {
        return -1;
    }
    *number = PyLong_AsLongLong(index);
    Py_DECREF(index);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

int
kpy_mem_timeout(PyObject *object, int64_t *timeout_ns)
{
    double seconds;

    *timeout_ns = KIST_WAIT_FOREVER;
    if (object == Py_None) {
        return 0;
    }
    seconds = PyFloat_AsDouble(object);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "a timeout is no NaN");
        return -1;
    }
    if (seconds <= 0.0) {
        *timeout_ns = 0;
    }
    else if (seconds < 9e9) {
        *timeout_ns = (int64_t)ceil(seconds * NS_PER_S);
    }
    return 0;
}

PyObject *
kpy_mem_normalized(kpy_state *state, PyObject *object)
{
    static const kpy_memwords words = {0};
    kist_buf normal = {0};
    PyObject *result = NULL;
    kpy_mempath path;
    kist_status status;

    if (kpy_mempath_of(object, &path) < 0) {
        return NULL;
    }
    status = kist_memfs_normalize(path.slice, &normal);
    kpy_mempath_done(&path);
    if (status == KIST_OK) {
        result = kpy_mem_str(kist_buf_slice(&normal));
    }
    else {
        (void)kpy_mem_raise(state, status, &words, object, NULL);
    }
    kist_buf_fini(&normal);
    return result;
}

/* --- exceptions ------------------------------------------------------------
 */

/* What the library noted as the path, which it may have cut. */
static PyObject *
detail_path(void)
{
    const char *path = kist_last_error()->path;
    const Py_ssize_t size = (Py_ssize_t)strlen(path);
    PyObject *text = PyUnicode_DecodeUTF8(path, size, "surrogatepass");

    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        text = PyUnicode_DecodeUTF8(path, size, "replace");
    }
    return text;
}

/* `format` about `path`, or about what the library noted. */
static PyObject *
raise_path(PyObject *class, const char *format, PyObject *path)
{
    PyObject *about = path == NULL ? detail_path() : Py_NewRef(path);

    if (about != NULL) {
        PyErr_Format(class, format, about);
        Py_DECREF(about);
    }
    return NULL;
}

/* No such directory to put it in, which is named as it is understood. */
static PyObject *
raise_noparent(kpy_state *state, PyObject *path)
{
    PyObject *normal = kpy_mem_normalized(state, path);
    PyObject *parent = NULL;
    Py_ssize_t end;

    if (normal != NULL) {
        end = PyUnicode_FindChar(normal, '/', 0, PyUnicode_GET_LENGTH(normal),
                                 -1);
        parent = PyUnicode_Substring(normal, 0, end > 0 ? end : 1);
        Py_DECREF(normal);
    }
    if (parent != NULL) {
        PyErr_Format(PyExc_FileNotFoundError,
                     "Parent directory does not exist: '%U'", parent);
        Py_DECREF(parent);
    }
    return NULL;
}

static bool
is_path(PyObject *object)
{
    kist_buf normal = {0};
    kpy_mempath path;
    bool good = false;

    if (kpy_mempath_of(object, &path) == 0) {
        good = kist_memfs_normalize(path.slice, &normal) == KIST_OK;
        kpy_mempath_done(&path);
    }
    kist_buf_fini(&normal);
    return good;
}

static PyObject *
raise_invalid(kpy_state *state, const kpy_memwords *words, PyObject *from,
              PyObject *to)
{
    const char *what = kist_last_error()->what;

    if (what != NULL && strcmp(what, "path traversal") == 0) {
        return raise_path(PyExc_ValueError,
                          "Path traversal attempt detected: '%U'",
                          to != NULL && is_path(from) ? to : from);
    }
    if (what != NULL && strcmp(what, "root") == 0 && words->root != NULL) {
        PyErr_SetString(PyExc_ValueError, words->root);
        return NULL;
    }
    if (what != NULL && strcmp(what, "into itself") == 0) {
        return raise_path(PyExc_ValueError,
                          "Cannot move a directory into itself: '%U'", to);
    }
    return kpy_raise(state, KIST_ERR_INVALID);
}

static PyObject *
raise_exists(const kpy_memwords *words, PyObject *path)
{
    const char *what = kist_last_error()->what;

    if (what != NULL && strcmp(what, "a file on the way") == 0) {
        return raise_path(PyExc_FileExistsError,
                          "A file exists at path component: '%U'", NULL);
    }
    if (what != NULL && strcmp(what, "directory") == 0) {
        return raise_path(PyExc_FileExistsError, "Directory exists: '%U'",
                          path);
    }
    return raise_path(PyExc_FileExistsError, words->exists, path);
}

/* Somebody has it open, or had it for too long. */
static PyObject *
raise_locked(const kpy_memwords *words)
{
    if (kist_last_error()->path[0] == '\0') {
        return kpy_mem_raise_locked(false);
    }
    return raise_path(
        PyExc_BlockingIOError,
        words->locked == NULL ? "File is open: '%U'" : words->locked, NULL);
}

static PyObject *
raise_nomem(void)
{
    const kist_error *detail = kist_last_error();

    if (detail->status == KIST_ERR_NOMEM && detail->what != NULL &&
        strcmp(detail->what, "guard") == 0) {
        PyErr_SetString(PyExc_MemoryError, detail->path);
        return NULL;
    }
    return PyErr_NoMemory();
}

PyObject *
kpy_mem_raise(kpy_state *state, kist_status status, const kpy_memwords *words,
              PyObject *from, PyObject *to)
{
    const kist_error *detail = kist_last_error();
    PyObject *last = to == NULL ? from : to;

    if (kpy_mem_raised(state) || PyErr_Occurred()) {
        return NULL;
    }
    switch (status) {
    case KIST_ERR_NOTFOUND:
        return raise_path(PyExc_FileNotFoundError, words->notfound, from);
    case KIST_ERR_ISDIR:
        return raise_path(PyExc_IsADirectoryError, "Is a directory: '%U'",
                          from);
    case KIST_ERR_NOTDIR:
        return raise_path(PyExc_NotADirectoryError, "Not a directory: '%U'",
                          from);
    case KIST_ERR_EXISTS:
        return raise_exists(words, last);
    case KIST_ERR_NOPARENT:
        return words->noparent == NULL ? raise_noparent(state, last)
                                       : raise_path(PyExc_FileNotFoundError,
                                                    words->noparent, last);
    case KIST_ERR_LOCKED:
        return raise_locked(words);
    case KIST_ERR_INVALID:
        return raise_invalid(state, words, from, to);
    case KIST_ERR_QUOTA:
        return kpy_mem_raise_limit(state, KPY_TYPE_MEMQUOTA, detail->asked,
                                   detail->available);
    case KIST_ERR_NODES:
        return kpy_mem_raise_limit(state, KPY_TYPE_MEMNODES, detail->asked,
                                   detail->available);
    case KIST_ERR_NOMEM:
        return raise_nomem();
    default:
        return kpy_raise(state, status);
    }
}

PyObject *
kpy_mem_raise_locked(bool writes)
{
    PyErr_Format(PyExc_BlockingIOError,
                 "Could not acquire %s lock within timeout.",
                 writes ? "write" : "read");
    return NULL;
}

PyObject *
kpy_mem_raise_unsupported(kpy_state *state, const char *format, ...)
{
    PyObject *class = kpy_lazy(state, KPY_LAZY_UNSUPPORTED);
    va_list arguments;

    if (class != NULL) {
        va_start(arguments, format);
        (void)PyErr_FormatV(class, format, arguments);
        va_end(arguments);
    }
    return NULL;
}

/* --- bytes -----------------------------------------------------------------
 */

/* Asks for huge pages inside of what was just allocated. */
static void
advise(char *data, size_t size)
{
    const uintptr_t first =
        ((uintptr_t)data + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    const uintptr_t end = ((uintptr_t)data + size) & ~(HUGE_PAGE - 1);

    if (end > first) {
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
    }
}

PyObject *
kpy_mem_bytes(kpy_state *state, kist_loan *loan)
{
    const uint64_t size = loan->size;
    PyObject *bytes;
    kpy_memgap gap;

    if (loan->context != NULL) {
        bytes = Py_NewRef((PyObject *)loan->context);
    }
    else if (size > (uint64_t)PY_SSIZE_T_MAX) {
        bytes = PyErr_NoMemory();
    }
    else {
        bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    }
    if (bytes != NULL && loan->context == NULL && size > 0) {
        if (size < KPY_MEMGAP_SIZE) {
            kist_loan_copy(loan, PyBytes_AS_STRING(bytes));
        }
        else {
            kpy_memgap_begin(state, &gap);
            if (size >= KPY_MEM_HUGE) {
                advise(PyBytes_AS_STRING(bytes), (size_t)size);
            }
            kist_loan_copy(loan, PyBytes_AS_STRING(bytes));
            kpy_memgap_end(&gap);
        }
    }
    kist_loan_return(loan);
    return bytes;
}
