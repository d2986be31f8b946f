/*
 * What a MemoryFileHandle does with its file: checks, reads, writes, goes.
 */
#include "memdata.h"

#include <stdio.h>

/* Reads below this never are all of what was lent: they are copied. */
#define SMALL    KIST_MEMFS_LENT_MIN
#define ON_STACK 512

/* --- calls -----------------------------------------------------------------
 */

int
kpy_memfile_check(kpy_memfile *self, bool to_read, bool to_write)
{
    if (self->closed) {
        (void)kpy_raise_closed();
        return -1;
    }
    if (to_read && !kpy_memfile_reads(self)) {
        (void)kpy_mem_raise_unsupported(self->state,
                                        "not readable in mode '%s'",
                                        kpy_mem_mode_text(self->mode));
        return -1;
    }
    if (to_write && !kpy_memfile_writes(self)) {
        (void)kpy_mem_raise_unsupported(self->state,
                                        "not writable in mode '%s'",
                                        kpy_mem_mode_text(self->mode));
        return -1;
    }
    return 0;
}

PyObject *
kpy_memfile_fail(kpy_memfile *self, kist_status status)
{
    static const kpy_memwords none = {0};
    uint64_t size;

    if (status != KIST_ERR_UNSUPPORTED || PyErr_Occurred()) {
        return kpy_mem_raise(self->state, status, &none, NULL, NULL);
    }
    if (self->fs != NULL &&
        self->fs->options.storage == KIST_MEMFS_SEQUENTIAL) {
        return kpy_mem_raise_unsupported(
            self->state,
            "Random-access write on a sequential-only file: promotion is "
            "disabled (default_storage='sequential').");
    }
    if (self->fs == NULL || kist_memfile_size(self->file, &size) != KIST_OK) {
        return kpy_raise_closed();
    }
    return kpy_mem_raise_unsupported(
        self->state, "Cannot promote: size %llu exceeds hard limit %llu.",
        (unsigned long long)size,
        (unsigned long long)self->fs->options.promotion_size_max);
}

/* Frees the file once it is closed and nobody is inside of it. */
static void
settle(kpy_memfile *self)
{
    kist_memfile *file = self->file;

    if (self->closed && self->busy == 0) {
        self->file = NULL;
        kist_memfile_free(file);
    }
}

void
kpy_memfile_shut(kpy_memfile *self)
{
    if (!self->closed) {
        self->closed = true;
        if (self->busy > 0) {
            kist_memfile_close(self->file);
        }
        settle(self);
    }
}

/* Begins and ends a gap in which `file` is used. */
static void
gap_begin(kpy_memfile *self, kpy_memgap *gap)
{
    self->busy++;
    kpy_memgap_begin(self->state, gap);
}

static void
gap_end(kpy_memfile *self, kpy_memgap *gap)
{
    kpy_memgap_end(gap);
    self->busy--;
    settle(self);
}

/* --- reading ---------------------------------------------------------------
 */

Py_ssize_t
kpy_memfile_read_into(kpy_memfile *self, void *data, size_t size)
{
    kist_status status;
    size_t got = 0;

    if (size < KPY_MEMGAP_SIZE && self->busy == 0) {
        status = kist_memfile_read(self->file, data, size, &got);
    }
    else {
        kpy_memgap gap;

        gap_begin(self, &gap);
        status = kist_memfile_read(self->file, data, size, &got);
        gap_end(self, &gap);
    }
    if (status != KIST_OK) {
        (void)kpy_memfile_fail(self, status);
        return -1;
    }
    return (Py_ssize_t)got;
}

static PyObject *
read_small(kpy_memfile *self, size_t size)
{
    char stack[ON_STACK];
    PyObject *bytes;
    Py_ssize_t got;

    if (size <= sizeof(stack)) {
        got = kpy_memfile_read_into(self, stack, size);
        return got < 0 ? NULL : PyBytes_FromStringAndSize(stack, got);
    }
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes == NULL) {
        return NULL;
    }
    got = kpy_memfile_read_into(self, PyBytes_AS_STRING(bytes), size);
    if (got < 0) {
        Py_CLEAR(bytes);
    }
    else if ((size_t)got < size) {
        Py_SETREF(bytes,
                  PyBytes_FromStringAndSize(PyBytes_AS_STRING(bytes), got));
    }
    return bytes;
}

PyObject *
kpy_memfile_read(kpy_memfile *self, Py_ssize_t size)
{
    kist_status status;
    kist_loan loan;
    PyObject *bytes;
    uint64_t taken;

    if (size >= 0 && size < SMALL) {
        return read_small(self, (size_t)size);
    }
    status = kist_memfile_take(self->file,
                               size < 0 ? UINT64_MAX : (uint64_t)size, &loan);
    if (status != KIST_OK) {
        return kpy_memfile_fail(self, status);
    }
    taken = loan.size;
    bytes = kpy_mem_bytes(self->state, &loan);
    if (bytes == NULL && !self->closed && taken <= INT64_MAX) {
        // A call that failed has not read.
        status =
            kist_memfile_seek(self->file, -(int64_t)taken, SEEK_CUR, &taken);
        (void)status;
    }
    return bytes;
}

/* --- writing ---------------------------------------------------------------
 */

int
kpy_memfile_write(kpy_memfile *self, PyObject *bytes, const void *data,
                  size_t size)
{
    kist_status status;

    if (bytes != NULL && size >= SMALL && self->busy == 0) {
        Py_INCREF(bytes);
        status = kist_memfile_write_lent(self->file, data, size,
                                         kpy_mem_release, bytes);
        if (status != KIST_OK) {
            Py_DECREF(bytes);
        }
    }
    else if (size < KPY_MEMGAP_SIZE && self->busy == 0) {
        status = kist_memfile_write(self->file, data, size);
    }
    else {
        kpy_memgap gap;

        gap_begin(self, &gap);
        status = kist_memfile_write(self->file, data, size);
        gap_end(self, &gap);
    }
    if (status != KIST_OK) {
        (void)kpy_memfile_fail(self, status);
        return -1;
    }
    return kpy_mem_raised(self->state) ? -1 : 0;
}

/* Writes a view that is not in one piece. */
static int
write_pieces(kpy_memfile *self, Py_buffer *view)
{
    // A view may be of any size and take no memory: ask before it does.
    const kist_status status =
        kist_memfile_check(self->file, (uint64_t)view->len);
    PyObject *bytes;
    int result = -1;

    if (status != KIST_OK) {
        (void)kpy_memfile_fail(self, status);
        return -1;
    }
    bytes = PyBytes_FromStringAndSize(NULL, view->len);
    if (bytes != NULL && PyBuffer_ToContiguous(PyBytes_AS_STRING(bytes), view,
                                               view->len, 'C') == 0) {
        result = kpy_memfile_write(self, bytes, PyBytes_AS_STRING(bytes),
                                   (size_t)view->len);
    }
    Py_XDECREF(bytes);
    return result;
}

Py_ssize_t
kpy_memfile_write_object(kpy_memfile *self, PyObject *object)
{
    Py_buffer view;
    Py_ssize_t size;
    int result;

    if (PyBytes_CheckExact(object)) {
        size = PyBytes_GET_SIZE(object);
        return kpy_memfile_write(self, object, PyBytes_AS_STRING(object),
                                 (size_t)size) < 0
                   ? -1
                   : size;
    }
    if (!PyBytes_Check(object) && !PyByteArray_Check(object) &&
        !PyMemoryView_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "a bytes-like object is required");
        return -1;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    size = view.len;
    result = PyBuffer_IsContiguous(&view, 'C')
                 ? kpy_memfile_write(self, NULL, view.buf, (size_t)size)
                 : write_pieces(self, &view);
    PyBuffer_Release(&view);
    return result < 0 ? -1 : size;
}

/* --- the position ----------------------------------------------------------
 */

int
kpy_memfile_move(kpy_memfile *self, int64_t offset, int whence,
                 uint64_t *position)
{
    const kist_status status =
        kist_memfile_seek(self->file, offset, whence, position);

    if (status != KIST_OK) {
        (void)kpy_memfile_fail(self, status);
        return -1;
    }
    return 0;
}
