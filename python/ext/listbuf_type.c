/*
 * The buffer protocol of typed lists of numbers.
 *
 * A buffer belongs to an object of its own, not to the FSList: it stays good
 * when the list changes, is closed or goes, and the list stays free to
 * change.  It is a view of the library's, whose words list.h describes: the
 * memory of the list itself where that is one array, so nothing is copied,
 * and what is set at an index later may be seen.
 */
#include "listobj.h"

typedef struct list_buffer {
    PyObject_HEAD kist_list_view *view; /* owned */
    Py_ssize_t count;
    Py_ssize_t stride; /* bytes from one number to the next */
    Py_ssize_t itemsize;
    char format[2];
} list_buffer;

/* How the numbers of a list of `type` stand in words; false: they do not. */
static bool
describe(kist_type type, list_buffer *buffer)
{
    buffer->stride = 8;
    buffer->itemsize = type == KIST_BOOL ? 1 : type == KIST_INT32 ? 4 : 8;
    buffer->format[0] = type == KIST_BOOL    ? '?'
                        : type == KIST_INT32 ? 'i'
                        : type == KIST_FLOAT ? 'd'
                                             : 'q';
    buffer->format[1] = '\0';
    return type == KIST_INT || type == KIST_INT32 || type == KIST_FLOAT ||
           type == KIST_BOOL;
}

/* A buffer of the list as it is now, or NULL with an error set. */
static list_buffer *
buffer_new(kpy_coll *list)
{
    list_buffer *buffer;
    kist_status status;

    buffer =
        PyObject_New(list_buffer, list->state->types[KPY_TYPE_LIST_BUFFER]);
    if (buffer == NULL) {
        return NULL;
    }
    buffer->view = NULL;
    if (!describe(list->klass.type, buffer)) {
        PyErr_Format(PyExc_BufferError,
                     "a list of klass %s has no buffer: only int32, int64, "
                     "float and bool have",
                     kpy_klass_name(list->klass.type));
        Py_DECREF(buffer);
        return NULL;
    }
    status = kist_list_view_open(list->handle.list, &buffer->view);
    if (status != KIST_OK) {
        Py_DECREF(buffer);
        (void)kpy_raise(list->state, status);
        return NULL;
    }
    buffer->count = (Py_ssize_t)kist_list_view_count(buffer->view);
    return buffer;
}

static void
buffer_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    kist_list_view_close(((list_buffer *)self)->view);
    type->tp_free(self);
    Py_DECREF(type);
}

/*
 * Fills *view with what `flags` ask for.  Numbers shorter than a word are not
 * contiguous: such a buffer is for those who can take strides.
 */
static int
buffer_get(PyObject *self, Py_buffer *view, int flags)
{
    list_buffer *buffer = (list_buffer *)self;
    const bool strided = buffer->itemsize != buffer->stride;

    if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE) {
        PyErr_SetString(PyExc_BufferError,
                        "the buffer of an FSList is read-only");
        return -1;
    }
    if (strided && ((flags & PyBUF_STRIDES) != PyBUF_STRIDES ||
                    (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS ||
                    (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS ||
                    (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS)) {
        PyErr_SetString(PyExc_BufferError,
                        "the numbers of this FSList are not contiguous");
        return -1;
    }
    view->obj = Py_NewRef(self);
    // Read-only: nobody writes through it.
    view->buf = (void *)(uintptr_t)kist_list_view_words(buffer->view);
    view->len = buffer->count * buffer->itemsize;
    view->itemsize = buffer->itemsize;
    view->readonly = 1;
    view->ndim = 1;
    view->format =
        (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? buffer->format : NULL;
    view->shape = (flags & PyBUF_ND) == PyBUF_ND ? &buffer->count : NULL;
    view->strides =
        (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &buffer->stride : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

int
kpy_list_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    kpy_coll *list = (kpy_coll *)self;
    list_buffer *buffer;
    int result;

    view->obj = NULL;
    if (!kpy_coll_open_or_raise(list)) {
        return -1;
    }
    buffer = buffer_new(list);
    if (buffer == NULL) {
        return -1;
    }
    result = buffer_get((PyObject *)buffer, view, flags);
    Py_DECREF(buffer);
    return result;
}

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, "The numbers of an FSList in memory, as long as a buffer of "
                "it is in use."},
    {Py_tp_dealloc, KPY_SLOT(buffer_dealloc)},
    {Py_bf_getbuffer, KPY_SLOT(buffer_get)},
    {0, NULL}};

static PyType_Spec buffer_spec = {.name = "kist._core.FSListBuffer",
                                  .basicsize = sizeof(list_buffer),
                                  .flags = Py_TPFLAGS_DEFAULT |
                                           Py_TPFLAGS_DISALLOW_INSTANTIATION |
                                           Py_TPFLAGS_IMMUTABLETYPE,
                                  .slots = buffer_slots};

int
kpy_listbuf_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_LIST_BUFFER, &buffer_spec, NULL,
                        false);
}
