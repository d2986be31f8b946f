/*
 * MemoryFileHandle: an io.RawIOBase over a kist_memfile.
 *
 * What RawIOBase does by calling methods by name is done here directly for the
 * type itself, and by name for subclasses, which may have replaced them.
 */
#include "memdata.h"

#include <stdio.h>

/* --- reading and writing ---------------------------------------------------
 */

/* The size of read(), readline() and the like. */
static int
size_of(PyObject *object, Py_ssize_t *size)
{
    int64_t number;

    if (kpy_mem_int(object, &number) < 0) {
        return -1;
    }
    *size = number > PY_SSIZE_T_MAX ? PY_SSIZE_T_MAX : (Py_ssize_t)number;
    return 0;
}

static PyObject *
memfile_read(PyObject *object, PyObject *const *args, Py_ssize_t count,
             PyObject *names)
{
    static const kpy_signature signature = {"read", 0, 1, {"size"}};
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *values[1] = {NULL};
    Py_ssize_t size = -1;

    if (((count > 0 || names != NULL) &&
         kpy_bind(&signature, args, count, names, values) < 0) ||
        kpy_memfile_check(self, true, false) < 0 ||
        (values[0] != NULL && size_of(values[0], &size) < 0)) {
        return NULL;
    }
    // An __index__ may have closed it.
    return kpy_memfile_check(self, true, false) < 0
               ? NULL
               : kpy_memfile_read(self, size);
}

static PyObject *
memfile_readall(PyObject *object, PyObject *unused)
{
    kpy_memfile *self = (kpy_memfile *)object;

    (void)unused;
    return kpy_memfile_check(self, true, false) < 0
               ? NULL
               : kpy_memfile_read(self, -1);
}

static PyObject *
memfile_readinto(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"readinto", 1, 1, {"buffer"}};
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *values[1];
    PyObject *buffer;
    Py_buffer view;
    Py_ssize_t got = -1;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfile_check(self, true, false) < 0) {
        return NULL;
    }
    buffer = values[0];
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) < 0) {
        if (PyErr_ExceptionMatches(PyExc_BufferError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError,
                         "readinto() needs a buffer that can be written to "
                         "and lies in one piece, not %.200s",
                         Py_TYPE(buffer)->tp_name);
        }
        return NULL;
    }
    if (kpy_memfile_check(self, true, false) == 0) {
        got = kpy_memfile_read_into(self, view.buf, (size_t)view.len);
    }
    PyBuffer_Release(&view);
    return got < 0 ? NULL : PyLong_FromSsize_t(got);
}

static PyObject *
memfile_write(PyObject *object, PyObject *const *args, Py_ssize_t count,
              PyObject *names)
{
    static const kpy_signature signature = {"write", 1, 1, {"data"}};
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *values[1];
    Py_ssize_t size;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfile_check(self, false, true) < 0) {
        return NULL;
    }
    size = kpy_memfile_write_object(self, values[0]);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

/* --- the position ---------------------------------------------------------
 */

/* Why the library would not go there.  NULL. */
static PyObject *
raise_seek(kpy_memfile *self, int64_t offset, int whence)
{
    uint64_t from = 0;
    kist_status status;
    int64_t target;

    if (whence == SEEK_SET) {
        PyErr_SetString(PyExc_ValueError,
                        "seek offset must be >= 0 for SEEK_SET");
        return NULL;
    }
    if (whence == SEEK_END && offset > 0) {
        PyErr_SetString(PyExc_ValueError,
                        "Seeking past end-of-file (SEEK_END with positive "
                        "offset) is not supported in MFS.");
        return NULL;
    }
    status = whence == SEEK_CUR ? kist_memfile_tell(self->file, &from)
                                : kist_memfile_size(self->file, &from);
    if (status != KIST_OK) {
        return kpy_memfile_fail(self, status);
    }
    if (__builtin_add_overflow((int64_t)from, offset, &target)) {
        PyErr_SetString(PyExc_OverflowError, "position too large");
        return NULL;
    }
    return PyErr_Format(PyExc_ValueError,
                        "Resulting cursor position %lld is negative.",
                        (long long)target);
}

static PyObject *
memfile_seek(PyObject *object, PyObject *const *args, Py_ssize_t count,
             PyObject *names)
{
    static const kpy_signature signature = {
        "seek", 1, 2, {"offset", "whence"}};
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *values[2];
    uint64_t position;
    int64_t offset;
    int64_t whence = SEEK_SET;
    kist_status status;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfile_check(self, false, false) < 0 ||
        kpy_mem_int(values[0], &offset) < 0 ||
        (values[1] != NULL && kpy_mem_int(values[1], &whence) < 0) ||
        kpy_memfile_check(self, false, false) < 0) {
        return NULL;
    }
    if (whence < SEEK_SET || whence > SEEK_END) {
        return PyErr_Format(PyExc_ValueError,
                            "Invalid whence value: %lld. Must be 0, 1, or 2.",
                            (long long)whence);
    }
    status = kist_memfile_seek(self->file, offset, (int)whence, &position);
    if (status == KIST_ERR_INVALID) {
        return raise_seek(self, offset, (int)whence);
    }
    return status == KIST_OK ? PyLong_FromUnsignedLongLong(position)
                             : kpy_memfile_fail(self, status);
}

static PyObject *
memfile_tell(PyObject *object, PyObject *unused)
{
    kpy_memfile *self = (kpy_memfile *)object;
    uint64_t position;
    kist_status status;

    (void)unused;
    if (kpy_memfile_check(self, false, false) < 0) {
        return NULL;
    }
    status = kist_memfile_tell(self->file, &position);
    return status == KIST_OK ? PyLong_FromUnsignedLongLong(position)
                             : kpy_memfile_fail(self, status);
}

static PyObject *
memfile_truncate(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"truncate", 0, 1, {"size"}};
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *values[1];
    uint64_t target = 0;
    int64_t size = 0;
    kist_status status;

    if (kpy_bind_slowly(&signature, args, count, names, values) < 0 ||
        kpy_memfile_check(self, false, true) < 0) {
        return NULL;
    }
    if (values[0] == NULL || values[0] == Py_None) {
        status = kist_memfile_tell(self->file, &target);
    }
    else {
        if (kpy_mem_int(values[0], &size) < 0 ||
            kpy_memfile_check(self, false, true) < 0) {
            return NULL;
        }
        if (size < 0) {
            PyErr_SetString(PyExc_ValueError, "truncate size must be >= 0");
            return NULL;
        }
        target = (uint64_t)size;
        status = KIST_OK;
    }
    if (status == KIST_OK) {
        status = kist_memfile_truncate(self->file, target);
    }
    if (status != KIST_OK) {
        return kpy_memfile_fail(self, status);
    }
    return kpy_mem_raised(self->state) ? NULL
                                       : PyLong_FromUnsignedLongLong(target);
}

/* --- the state -------------------------------------------------------------
 */

static PyObject *
memfile_readable(PyObject *object, PyObject *unused)
{
    kpy_memfile *self = (kpy_memfile *)object;

    (void)unused;
    return kpy_memfile_check(self, false, false) < 0
               ? NULL
               : PyBool_FromLong(kpy_memfile_reads(self));
}

static PyObject *
memfile_writable(PyObject *object, PyObject *unused)
{
    kpy_memfile *self = (kpy_memfile *)object;

    (void)unused;
    return kpy_memfile_check(self, false, false) < 0
               ? NULL
               : PyBool_FromLong(kpy_memfile_writes(self));
}

static PyObject *
memfile_seekable(PyObject *object, PyObject *unused)
{
    (void)unused;
    return kpy_memfile_check((kpy_memfile *)object, false, false) < 0
               ? NULL
               : Py_NewRef(Py_True);
}

static PyObject *
memfile_flush(PyObject *object, PyObject *unused)
{
    (void)unused;
    return kpy_memfile_check((kpy_memfile *)object, false, false) < 0
               ? NULL
               : Py_NewRef(Py_None);
}

static PyObject *
memfile_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    kpy_memfile_shut((kpy_memfile *)object);
    Py_RETURN_NONE;
}

static PyObject *
memfile_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(object);
}

static PyObject *
memfile_exit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    kpy_memfile *self = (kpy_memfile *)object;

    (void)args;
    (void)count;
    if (kpy_memfile_exact(self)) {
        kpy_memfile_shut(self);
        Py_RETURN_NONE;
    }
    return PyObject_CallMethodNoArgs(object,
                                     self->state->names[KPY_NAME_CLOSE]);
}

static PyObject *
memfile_reduce(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyErr_Format(PyExc_TypeError, "cannot pickle '%.200s' object",
                        Py_TYPE(object)->tp_name);
}

static PyObject *
memfile_get_closed(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((kpy_memfile *)object)->closed);
}

static PyObject *
memfile_get_mode(PyObject *object, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(
        kpy_mem_mode_text(((kpy_memfile *)object)->mode));
}

/* --- life ------------------------------------------------------------------
 */

/*
 * Files are opened and closed all the time, so the memory of the last few
 * handles is kept: untracked, with nothing in it, and as large as it was.
 */
kpy_memfile *
kpy_memfile_new(kpy_memfs *fs)
{
    kpy_state *state = fs->state;
    PyTypeObject *type = state->types[KPY_TYPE_MEMFILE];
    kpy_memfile *self;

    if (state->spare_count > 0) {
        PyObject *spare = state->spares[--state->spare_count];

        self = (kpy_memfile *)PyObject_Init(spare, type);
        PyObject_GC_Track(spare);
    }
    else {
        self = (kpy_memfile *)type->tp_alloc(type, 0);
        if (self == NULL) {
            return NULL;
        }
    }
    self->closed = true;
    self->state = state;
    self->fs = (kpy_memfs *)Py_NewRef((PyObject *)fs);
    return self;
}

void
kpy_memfile_free_spares(kpy_state *state)
{
    while (state->spare_count > 0) {
        PyObject_GC_Del(state->spares[--state->spare_count]);
    }
}

/* Keeps the memory, or frees it. */
static void
give_up(kpy_memfile *self, PyTypeObject *type)
{
    kpy_state *state = self->state;
    PyObject *object = (PyObject *)self;

    if (type == state->types[KPY_TYPE_MEMFILE] &&
        state->spare_count < KPY_SPARES && !PyObject_GC_IsFinalized(object)) {
        state->spares[state->spare_count++] = object;
    }
    else {
        type->tp_free(object);
    }
}

static PyObject *
memfile_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_memfile *self = NULL;

    (void)args; // of a subclass they may be anything
    (void)kwargs;
    if (state != NULL) {
        self = (kpy_memfile *)type->tp_alloc(type, 0);
    }
    if (self != NULL) {
        self->closed = true;
        self->state = state;
    }
    return (PyObject *)self;
}

/* MemoryFileHandle(fs, path, ...) opens as fs.open(path, ...) does. */
static int
memfile_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fs",          "path",         "mode",
                            "preallocate", "lock_timeout", NULL};
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *values[4] = {NULL};
    kist_memfile *file;
    PyObject *fs;
    kpy_memopen call;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O|OOO:MemoryFileHandle",
                                     names, self->state->types[KPY_TYPE_MEMFS],
                                     &fs, &values[0], &values[1], &values[2],
                                     &values[3])) {
        return -1;
    }
    if (!self->closed || self->busy > 0) {
        PyErr_SetString(PyExc_ValueError,
                        "__init__() of a handle that is open");
        return -1;
    }
    if (kpy_memfs_of((kpy_memfs *)fs) == NULL ||
        kpy_memopen_parse((kpy_memfs *)fs, values, &call) < 0 ||
        kpy_memopen_run((kpy_memfs *)fs, &call, values[0], &file) < 0) {
        return -1;
    }
    Py_INCREF(fs);
    Py_XSETREF(self->fs, (kpy_memfs *)fs);
    kpy_memfile_set(self, file, call.mode);
    return 0;
}

static int
memfile_traverse(PyObject *object, visitproc visit, void *arg)
{
    kpy_memfile *self = (kpy_memfile *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->dict);
    Py_VISIT(self->fs);
    return 0;
}

static int
memfile_clear(PyObject *object)
{
    Py_CLEAR(((kpy_memfile *)object)->dict);
    return 0;
}

/* Dropped without close(): says so, and closes. */
static void
memfile_finalize(PyObject *object)
{
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    if (self->closed) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    if (PyErr_ResourceWarning(object, 1,
                              "MFS MemoryFileHandle was not closed properly. "
                              "Always use 'with mfs.open(...) as f:' to "
                              "ensure cleanup.") < 0) {
        PyErr_WriteUnraisable(object);
    }
    if (kpy_memfile_exact(self)) {
        kpy_memfile_shut(self);
    }
    else {
        PyObject *answer = PyObject_CallMethodNoArgs(
            object, self->state->names[KPY_NAME_CLOSE]);

        if (answer == NULL) {
            PyErr_WriteUnraisable(object);
        }
        Py_XDECREF(answer);
    }
    PyErr_Restore(type, value, traceback);
}

/* RawIOBase would look `closed` up by name and call close() here, always. */
static void
memfile_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    kpy_memfile *self = (kpy_memfile *)object;

    if (!self->closed && PyObject_CallFinalizerFromDealloc(object) < 0) {
        return;
    }
    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    kist_memfile_free(self->file);
    self->file = NULL;
    Py_CLEAR(self->dict);
    Py_CLEAR(self->fs);
    give_up(self, type);
    Py_DECREF(type);
}

/* --- the type --------------------------------------------------------------
 */

PyDoc_STRVAR(read_doc,
             "read($self, size=-1)\n--\n\n"
             "Up to size bytes; all that there are if it is negative.");
PyDoc_STRVAR(readinto_doc, "readinto($self, buffer)\n--\n\n"
                           "Fill a buffer; how many bytes were read.");
PyDoc_STRVAR(write_doc,
             "write($self, data)\n--\n\n"
             "Write bytes, a bytearray or a memoryview; how many bytes.\n\n"
             "All of it, or nothing: MFSQuotaExceededError.");
PyDoc_STRVAR(seek_doc, "seek($self, offset, whence=0)\n--\n\n"
                       "Move the position, which is answered.");
PyDoc_STRVAR(truncate_doc,
             "truncate($self, size=None)\n--\n\n"
             "Make the file size bytes long, None: up to the position.");
PyDoc_STRVAR(readline_doc, "readline($self, size=-1, /)\n--\n\n"
                           "Up to the end of the line, or size bytes.");

static PyMethodDef memfile_methods[] = {
    {"read", KPY_METHOD(memfile_read), METH_FASTCALL | METH_KEYWORDS,
     read_doc},
    {"readall", memfile_readall, METH_NOARGS,
     "readall($self, /)\n--\n\nAll bytes up to the end."},
    {"readinto", KPY_METHOD(memfile_readinto), METH_FASTCALL | METH_KEYWORDS,
     readinto_doc},
    {"readline", KPY_METHOD(kpy_memfile_readline), METH_FASTCALL,
     readline_doc},
    {"write", KPY_METHOD(memfile_write), METH_FASTCALL | METH_KEYWORDS,
     write_doc},
    {"writelines", kpy_memfile_writelines, METH_O,
     "writelines($self, lines, /)\n--\n\nWrite each of them."},
    {"seek", KPY_METHOD(memfile_seek), METH_FASTCALL | METH_KEYWORDS,
     seek_doc},
    {"tell", memfile_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe position."},
    {"truncate", KPY_METHOD(memfile_truncate), METH_FASTCALL | METH_KEYWORDS,
     truncate_doc},
    {"flush", memfile_flush, METH_NOARGS,
     "flush($self, /)\n--\n\nNothing: what was written is there."},
    {"readable", memfile_readable, METH_NOARGS,
     "readable($self, /)\n--\n\nTrue if the mode reads."},
    {"writable", memfile_writable, METH_NOARGS,
     "writable($self, /)\n--\n\nTrue if the mode writes."},
    {"seekable", memfile_seekable, METH_NOARGS,
     "seekable($self, /)\n--\n\nTrue."},
    {"close", memfile_close, METH_NOARGS,
     "close($self, /)\n--\n\nLet others have the file.  Twice is fine."},
    {"__enter__", memfile_enter, METH_NOARGS, NULL},
    {"__exit__", KPY_METHOD(memfile_exit), METH_FASTCALL, NULL},
    {"__reduce__", memfile_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef memfile_getset[] = {
    {"closed", memfile_get_closed, NULL, "True if it was closed.", NULL},
    {"_is_closed", memfile_get_closed, NULL, NULL, NULL},
    {"_mode", memfile_get_mode, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(memfile_doc,
             "MemoryFileHandle(fs, path, mode='rb', preallocate=0, "
             "lock_timeout=None)\n--\n\n"
             "An open file, as MemoryFileSystem.open() answers it.");

static PyType_Slot memfile_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)memfile_doc},
    {Py_tp_new, KPY_SLOT(memfile_new)},
    {Py_tp_init, KPY_SLOT(memfile_init)},
    {Py_tp_dealloc, KPY_SLOT(memfile_dealloc)},
    {Py_tp_finalize, KPY_SLOT(memfile_finalize)},
    {Py_tp_traverse, KPY_SLOT(memfile_traverse)},
    {Py_tp_clear, KPY_SLOT(memfile_clear)},
    {Py_tp_iternext, KPY_SLOT(kpy_memfile_next)},
    {Py_tp_methods, memfile_methods},
    {Py_tp_getset, memfile_getset},
    {0, NULL},
};

static PyType_Spec memfile_spec = {
    .name = "kist.MemoryFileHandle",
    .basicsize = sizeof(kpy_memfile),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = memfile_slots,
};

int
kpy_memfile_type_add(PyObject *module)
{
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *base =
        io == NULL ? NULL : PyObject_GetAttrString(io, "_RawIOBase");
    int result = -1;

    // Two pointers of the base are ours too: see kpy_memfile.
    if (base != NULL && PyType_Check(base) &&
        ((PyTypeObject *)base)->tp_basicsize == offsetof(kpy_memfile, file)) {
        result = kpy_type_add(module, KPY_TYPE_MEMFILE, &memfile_spec,
                              (PyTypeObject *)base, true);
    }
    else if (base != NULL) {
        PyErr_SetString(PyExc_ImportError,
                        "kist does not know this io.RawIOBase");
    }
    Py_XDECREF(base);
    Py_XDECREF(io);
    return result;
}
