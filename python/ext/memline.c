/*
 * Lines of a MemoryFileHandle.
 */
#include "memdata.h"

#include <stdio.h>

#define FIRST 512
#define MORE  ((size_t)64 << 10)

/* Goes back over `size` bytes that were read and are not part of the line. */
static int
give_back(kpy_memfile *self, size_t size)
{
    uint64_t position;

    return size == 0
               ? 0
               : kpy_memfile_move(self, -(int64_t)size, SEEK_CUR, &position);
}

/* The rest of a line that begins with `size` bytes at `begin`. */
static PyObject *
long_line(kpy_memfile *self, const char *begin, size_t size, size_t limit)
{
    kist_buf line = {0};
    size_t step = FIRST;
    PyObject *bytes = NULL;

    if (kist_buf_append(&line, begin, size) != KIST_OK) {
        goto out;
    }
    while (line.size < limit) {
        const char *end;
        Py_ssize_t got;

        step = step < MORE ? step * 2 : step;
        step = step < limit - line.size ? step : limit - line.size;
        if (kist_buf_reserve(&line, step) != KIST_OK) {
            goto out;
        }
        got = kpy_memfile_read_into(self, line.data + line.size, step);
        if (got < 0) {
            goto out;
        }
        end = memchr(line.data + line.size, '\n', (size_t)got);
        line.size += (size_t)got;
        if (end != NULL) {
            const size_t whole = (size_t)(end + 1 - (const char *)line.data);

            if (give_back(self, line.size - whole) < 0) {
                goto out;
            }
            line.size = whole;
            break;
        }
        if ((size_t)got < step) {
            break;
        }
    }
    bytes = PyBytes_FromStringAndSize((const char *)line.data,
                                      (Py_ssize_t)line.size);

out:
    if (bytes == NULL && !PyErr_Occurred()) {
        (void)PyErr_NoMemory();
    }
    kist_buf_fini(&line);
    return bytes;
}

/* Up to the end of the line, or `limit` bytes. */
static PyObject *
read_line(kpy_memfile *self, size_t limit)
{
    char begin[FIRST];
    const size_t wanted = limit < sizeof(begin) ? limit : sizeof(begin);
    const Py_ssize_t got = kpy_memfile_read_into(self, begin, wanted);
    const char *end;
    size_t size;

    if (got < 0) {
        return NULL;
    }
    end = memchr(begin, '\n', (size_t)got);
    if (end == NULL && (size_t)got == sizeof(begin) && limit > sizeof(begin)) {
        return long_line(self, begin, sizeof(begin), limit);
    }
    size = end == NULL ? (size_t)got : (size_t)(end + 1 - begin);
    if (give_back(self, (size_t)got - size) < 0) {
        return NULL;
    }
    return PyBytes_FromStringAndSize(begin, (Py_ssize_t)size);
}

/* What RawIOBase has, which calls the read() that a subclass may have. */
static PyObject *
base_readline(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyTypeObject *type = ((kpy_memfile *)self)->state->types[KPY_TYPE_MEMFILE];
    PyObject *method =
        PyObject_GetAttrString((PyObject *)type->tp_base, "readline");
    PyObject *values[2] = {self, count > 0 ? args[0] : NULL};
    PyObject *line;

    if (method == NULL) {
        return NULL;
    }
    line = PyObject_Vectorcall(method, values, (size_t)count + 1, NULL);
    Py_DECREF(method);
    return line;
}

PyObject *
kpy_memfile_readline(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    kpy_memfile *self = (kpy_memfile *)object;
    int64_t limit = -1;

    if (count > 1) {
        return PyErr_Format(PyExc_TypeError,
                            "readline() takes at most 1 argument (%zd given)",
                            count);
    }
    if (kpy_memfile_check(self, true, false) < 0) {
        return NULL;
    }
    if (!kpy_memfile_exact(self)) {
        return base_readline(object, args, count);
    }
    if ((count == 1 && args[0] != Py_None &&
         kpy_mem_int(args[0], &limit) < 0) ||
        kpy_memfile_check(self, true, false) < 0) {
        return NULL;
    }
    return read_line(self, limit < 0 ? SIZE_MAX : (size_t)limit);
}

PyObject *
kpy_memfile_next(PyObject *object)
{
    kpy_memfile *self = (kpy_memfile *)object;
    PyObject *line;

    if (kpy_memfile_exact(self)) {
        line = kpy_memfile_check(self, true, false) < 0
                   ? NULL
                   : read_line(self, SIZE_MAX);
    }
    else {
        line = PyObject_CallMethodNoArgs(
            object, self->state->names[KPY_NAME_READLINE]);
    }
    if (line != NULL && PyObject_Size(line) == 0) {
        Py_CLEAR(line);
    }
    return line;
}

PyObject *
kpy_memfile_writelines(PyObject *object, PyObject *lines)
{
    kpy_memfile *self = (kpy_memfile *)object;
    const bool exact = kpy_memfile_exact(self);
    PyObject *iterator;
    PyObject *line;

    if (kpy_memfile_check(self, false, false) < 0) {
        return NULL;
    }
    iterator = PyObject_GetIter(lines);
    if (iterator == NULL) {
        return NULL;
    }
    while ((line = PyIter_Next(iterator)) != NULL) {
        bool good;

        if (exact) {
            good = kpy_memfile_check(self, false, true) == 0 &&
                   kpy_memfile_write_object(self, line) >= 0;
        }
        else {
            PyObject *answer = PyObject_CallMethodOneArg(
                object, self->state->names[KPY_NAME_WRITE], line);

            good = answer != NULL;
            Py_XDECREF(answer);
        }
        Py_DECREF(line);
        if (!good) {
            break;
        }
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}
