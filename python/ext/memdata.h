/*
 * memdata.h - what MemoryFileHandle and MFSTextHandle do with an open file.
 *
 * All of these raise as the methods of a handle do; a handle must have been
 * found open by kpy_memfile_check() since Python code last ran.
 *
 * Layer    extension.
 * Threads  with the GIL.
 */
#ifndef KPY_MEMDATA_H
#define KPY_MEMDATA_H

#include "memobj.h"

static inline bool
kpy_memfile_reads(const kpy_memfile *self)
{
    return self->mode == KIST_MODE_RB || self->mode == KIST_MODE_RPB;
}

static inline bool
kpy_memfile_writes(const kpy_memfile *self)
{
    return self->mode != KIST_MODE_RB;
}

/* True if its methods are those of the type, and not of a subclass. */
static inline bool
kpy_memfile_exact(const kpy_memfile *self)
{
    return Py_TYPE((const PyObject *)self) ==
           self->state->types[KPY_TYPE_MEMFILE];
}

/* 0 if it is open and does what is asked for, else -1. */
int kpy_memfile_check(kpy_memfile *self, bool to_read, bool to_write);

/* Raises what a call on the file answered.  NULL. */
PyObject *kpy_memfile_fail(kpy_memfile *self, kist_status status);

/* Closes it, at once for others; twice is fine. */
void kpy_memfile_shut(kpy_memfile *self);

/* Up to `size` bytes from the position on; negative: all. */
PyObject *kpy_memfile_read(kpy_memfile *self, Py_ssize_t size);

/* The same to `data`; how many there were, or -1. */
Py_ssize_t kpy_memfile_read_into(kpy_memfile *self, void *data, size_t size);

/* Writes all of `data`, which is that of `bytes` if that is not NULL: the very
 * object may be kept then.  0 or -1. */
int kpy_memfile_write(kpy_memfile *self, PyObject *bytes, const void *data,
                      size_t size);

/* Writes what write() is given; how many bytes, or -1. */
Py_ssize_t kpy_memfile_write_object(kpy_memfile *self, PyObject *object);

/* Moves the position.  0 or -1. */
int kpy_memfile_move(kpy_memfile *self, int64_t offset, int whence,
                     uint64_t *position);

/* memline.c: lines, for which RawIOBase would call read(1) for each byte. */
PyObject *kpy_memfile_readline(PyObject *self, PyObject *const *args,
                               Py_ssize_t count);
PyObject *kpy_memfile_next(PyObject *self);
PyObject *kpy_memfile_writelines(PyObject *self, PyObject *lines);

#endif /* KPY_MEMDATA_H */
