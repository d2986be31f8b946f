/*
 * MFSTextHandle: its methods, and what they do with the handle below.
 */
#include "textobj.h"

#include <stdio.h>
#include <structmember.h>

#define NAME_MAX_SIZE 16

/* --- the handle ------------------------------------------------------------
 */

/* The handle, if it can be used without its methods; else NULL. */
static kpy_memfile *
direct(const kpy_memtext *text)
{
    return Py_IS_TYPE(text->handle, text->state->types[KPY_TYPE_MEMFILE])
               ? (kpy_memfile *)text->handle
               : NULL;
}

PyObject *
kpy_text_read_bytes(kpy_memtext *text, Py_ssize_t size)
{
    kpy_memfile *handle = direct(text);
    PyObject *number;
    PyObject *bytes;

    if (handle != NULL) {
        return kpy_memfile_check(handle, true, false) < 0
                   ? NULL
                   : kpy_memfile_read(handle, size);
    }
    number = PyLong_FromSsize_t(size);
    if (number == NULL) {
        return NULL;
    }
    bytes = PyObject_CallMethodOneArg(
        text->handle, text->state->names[KPY_NAME_READ], number);
    Py_DECREF(number);
    if (bytes != NULL && (!PyBytes_Check(bytes) ||
                          (size >= 0 && PyBytes_GET_SIZE(bytes) > size))) {
        PyErr_Format(PyExc_TypeError,
                     "read() of the handle should give at most %zd bytes, "
                     "not %.200s",
                     size, Py_TYPE(bytes)->tp_name);
        Py_CLEAR(bytes);
    }
    return bytes;
}

Py_ssize_t
kpy_text_read_into(kpy_memtext *text, void *data, size_t size)
{
    kpy_memfile *handle = direct(text);
    PyObject *bytes;
    Py_ssize_t got;

    if (handle != NULL) {
        return kpy_memfile_check(handle, true, false) < 0
                   ? -1
                   : kpy_memfile_read_into(handle, data, size);
    }
    bytes = kpy_text_read_bytes(text, (Py_ssize_t)size);
    if (bytes == NULL) {
        return -1;
    }
    got = PyBytes_GET_SIZE(bytes);
    memcpy(data, PyBytes_AS_STRING(bytes), (size_t)got);
    Py_DECREF(bytes);
    return got;
}

int
kpy_text_give_back(kpy_memtext *text, size_t size)
{
    kpy_memfile *handle = direct(text);
    PyObject *answer;
    uint64_t position;

    if (size == 0) {
        return 0;
    }
    if (handle != NULL) {
        return kpy_memfile_check(handle, false, false) < 0
                   ? -1
                   : kpy_memfile_move(handle, -(int64_t)size, SEEK_CUR,
                                      &position);
    }
    answer = PyObject_CallMethod(text->handle, "seek", "ni", -(Py_ssize_t)size,
                                 SEEK_CUR);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

int
kpy_text_tell(kpy_memtext *text, uint64_t *position)
{
    kpy_memfile *handle = direct(text);
    PyObject *answer;

    if (handle != NULL) {
        return kpy_memfile_check(handle, false, false) < 0
                   ? -1
                   : kpy_memfile_move(handle, 0, SEEK_CUR, position);
    }
    answer = PyObject_CallMethodNoArgs(text->handle,
                                       text->state->names[KPY_NAME_TELL]);
    if (answer == NULL) {
        return -1;
    }
    *position = PyLong_AsUnsignedLongLong(answer);
    Py_DECREF(answer);
    return *position == UINT64_MAX && PyErr_Occurred() ? -1 : 0;
}

void
kpy_text_behind_error(kpy_memtext *text, size_t size)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;
    PyObject *object;
    Py_ssize_t end;

    if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return;
    }
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    object = PyUnicodeDecodeError_GetObject(error);
    if (object != NULL && PyUnicodeDecodeError_GetEnd(error, &end) == 0) {
        const size_t rest = (size_t)(PyBytes_GET_SIZE(object) - end);

        (void)kpy_text_give_back(text, rest < size ? rest : size);
    }
    Py_XDECREF(object);
    PyErr_Restore(type, error, traceback); // and what failed here is gone
}

/* --- names -----------------------------------------------------------------
 */

static const char *
name_of(PyObject *object, const char *what)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.200s", what,
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    return PyUnicode_AsUTF8(object);
}

const char *
kpy_text_encoding(const kpy_memtext *text)
{
    return name_of(text->encoding, "encoding");
}

const char *
kpy_text_errors(const kpy_memtext *text)
{
    return name_of(text->errors, "errors");
}

/* The codecs that need no Python; any other name is looked up at use. */
static kpy_codec
codec_of(PyObject *encoding)
{
    static const struct {
        const char *name;
        kpy_codec codec;
    } known[] = {
        {"utf-8", KPY_CODEC_UTF8},        {"utf8", KPY_CODEC_UTF8},
        {"ascii", KPY_CODEC_ASCII},       {"us-ascii", KPY_CODEC_ASCII},
        {"latin-1", KPY_CODEC_LATIN1},    {"latin1", KPY_CODEC_LATIN1},
        {"iso-8859-1", KPY_CODEC_LATIN1}, {"iso8859-1", KPY_CODEC_LATIN1},
    };
    char name[NAME_MAX_SIZE];
    Py_ssize_t size;
    Py_ssize_t i;

    if (!PyUnicode_Check(encoding) || !PyUnicode_IS_ASCII(encoding) ||
        PyUnicode_GET_LENGTH(encoding) >= NAME_MAX_SIZE) {
        return KPY_CODEC_OTHER;
    }
    size = PyUnicode_GET_LENGTH(encoding);
    for (i = 0; i < size; i++) {
        const char one = (char)PyUnicode_READ_CHAR(encoding, i);

        name[i] = one == '_' ? '-' : (char)Py_TOLOWER(one);
    }
    name[size] = '\0';
    for (i = 0; i < (Py_ssize_t)(sizeof(known) / sizeof(known[0])); i++) {
        if (strcmp(name, known[i].name) == 0) {
            return known[i].codec;
        }
    }
    return KPY_CODEC_OTHER;
}

/* --- life ------------------------------------------------------------------
 */

static int
memtext_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"handle", "encoding", "errors", NULL};
    kpy_memtext *self = (kpy_memtext *)object;
    kpy_state *state = kpy_state_of_type(Py_TYPE(object));
    PyObject *handle;
    PyObject *encoding = NULL;
    PyObject *errors = NULL;

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:MFSTextHandle", names,
                                     &handle, &encoding, &errors)) {
        return -1;
    }
    encoding =
        encoding == NULL ? PyUnicode_FromString("utf-8") : Py_NewRef(encoding);
    errors =
        errors == NULL ? PyUnicode_FromString("strict") : Py_NewRef(errors);
    if (encoding == NULL || errors == NULL) {
        Py_XDECREF(encoding);
        Py_XDECREF(errors);
        return -1;
    }
    self->state = state;
    self->codec = codec_of(encoding);
    self->strict = PyUnicode_Check(errors) &&
                   PyUnicode_CompareWithASCIIString(errors, "strict") == 0;
    Py_CLEAR(self->decoder);
    Py_CLEAR(self->spare);
    Py_XSETREF(self->encoding, encoding);
    Py_XSETREF(self->errors, errors);
    Py_INCREF(handle);
    Py_XSETREF(self->handle, handle);
    return 0;
}

static int
memtext_traverse(PyObject *object, visitproc visit, void *arg)
{
    kpy_memtext *self = (kpy_memtext *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->dict);
    Py_VISIT(self->handle);
    Py_VISIT(self->decoder);
    return 0;
}

static int
memtext_clear(PyObject *object)
{
    kpy_memtext *self = (kpy_memtext *)object;

    Py_CLEAR(self->dict);
    Py_CLEAR(self->handle);
    Py_CLEAR(self->decoder);
    return 0;
}

static void
memtext_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    kpy_memtext *self = (kpy_memtext *)object;

    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    (void)memtext_clear(object);
    Py_CLEAR(self->spare);
    Py_CLEAR(self->encoding);
    Py_CLEAR(self->errors);
    type->tp_free(object);
    Py_DECREF(type);
}

/* The object, if __init__ was called. */
static kpy_memtext *
ready(PyObject *object)
{
    kpy_memtext *self = (kpy_memtext *)object;

    if (self->handle == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "MFSTextHandle.__init__() was not called");
        return NULL;
    }
    return self;
}

/* --- writing ---------------------------------------------------------------
 */

/* True if the bytes of this str are those that the codec would make. */
static bool
as_it_is(const kpy_memtext *self, PyObject *text)
{
    return self->codec != KPY_CODEC_OTHER && PyUnicode_CheckExact(text) &&
           PyUnicode_IS_COMPACT_ASCII(text);
}

static int
write_bytes(kpy_memtext *self, PyObject *text)
{
    const char *encoding = kpy_text_encoding(self);
    const char *errors = encoding == NULL ? NULL : kpy_text_errors(self);
    PyObject *bytes;
    PyObject *answer;

    bytes = errors == NULL ? NULL
                           : PyUnicode_AsEncodedString(text, encoding, errors);
    if (bytes == NULL) {
        return -1;
    }
    answer = PyObject_CallMethodOneArg(
        self->handle, self->state->names[KPY_NAME_WRITE], bytes);
    Py_DECREF(bytes);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

static PyObject *
memtext_write(PyObject *object, PyObject *const *args, Py_ssize_t count,
              PyObject *names)
{
    static const kpy_signature signature = {"write", 1, 1, {"text"}};
    kpy_memtext *self = ready(object);
    kpy_memfile *handle = self == NULL ? NULL : direct(self);
    PyObject *values[1];
    PyObject *text;
    int result;

    if (self == NULL || kpy_bind(&signature, args, count, names, values) < 0) {
        return NULL;
    }
    text = values[0];
    if (!PyUnicode_Check(text)) {
        return PyErr_Format(PyExc_AttributeError,
                            "'%.200s' object has no attribute 'encode'",
                            Py_TYPE(text)->tp_name);
    }
    if (handle != NULL && as_it_is(self, text)) {
        result = kpy_memfile_check(handle, false, true);
        if (result == 0) {
            result =
                kpy_memfile_write(handle, NULL, PyUnicode_1BYTE_DATA(text),
                                  (size_t)PyUnicode_GET_LENGTH(text));
        }
    }
    else {
        result = write_bytes(self, text);
    }
    return result < 0 ? NULL : PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

/* --- reading ---------------------------------------------------------------
 */

/* The one number of read() and readline(), SIZE_MAX for all. */
static int
count_of(const kpy_signature *signature, PyObject *const *args,
         Py_ssize_t count, PyObject *names, size_t *number)
{
    PyObject *values[1];
    int64_t value = -1;

    if (kpy_bind_slowly(signature, args, count, names, values) < 0 ||
        (values[0] != NULL && kpy_mem_int(values[0], &value) < 0)) {
        return -1;
    }
    *number = value < 0 ? SIZE_MAX : (size_t)value;
    return 0;
}

/* All that is left, decoded where it lies if it can be. */
static PyObject *
read_rest(kpy_memtext *self)
{
    kpy_memfile *handle = direct(self);
    PyObject *chars;
    kist_status status;
    kist_loan loan;

    if (handle == NULL || self->codec == KPY_CODEC_OTHER ||
        self->decoder != NULL || self->spare != NULL) {
        return kpy_text_codec_rest(self);
    }
    if (kpy_memfile_check(handle, true, false) < 0) {
        return NULL;
    }
    status = kist_memfile_take(handle->file, UINT64_MAX, &loan);
    if (status != KIST_OK) {
        return kpy_memfile_fail(handle, status);
    }
    if (loan.data != NULL && loan.size <= (uint64_t)PY_SSIZE_T_MAX) {
        chars = kpy_text_decode(self, loan.data, (size_t)loan.size);
        kist_loan_return(&loan);
    }
    else {
        PyObject *bytes = kpy_mem_bytes(self->state, &loan);

        chars = bytes == NULL
                    ? NULL
                    : kpy_text_decode(self, PyBytes_AS_STRING(bytes),
                                      (size_t)PyBytes_GET_SIZE(bytes));
        Py_XDECREF(bytes);
    }
    return chars;
}

static PyObject *
memtext_read(PyObject *object, PyObject *const *args, Py_ssize_t count,
             PyObject *names)
{
    static const kpy_signature signature = {"read", 0, 1, {"size"}};
    kpy_memtext *self = ready(object);
    size_t number;

    if (self == NULL ||
        count_of(&signature, args, count, names, &number) < 0) {
        return NULL;
    }
    if (number == 0) {
        return PyUnicode_New(0, 0);
    }
    if (number == SIZE_MAX) {
        return read_rest(self);
    }
    return kpy_text_scans(self, true) ? kpy_text_scan_read(self, number)
                                      : kpy_text_codec_read(self, number);
}

static PyObject *
read_line(kpy_memtext *self, size_t limit)
{
    return kpy_text_scans(self, limit != SIZE_MAX)
               ? kpy_text_scan_line(self, limit)
               : kpy_text_codec_line(self, limit);
}

static PyObject *
memtext_readline(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"readline", 0, 1, {"limit"}};
    kpy_memtext *self = ready(object);
    size_t limit;

    if (self == NULL || count_of(&signature, args, count, names, &limit) < 0) {
        return NULL;
    }
    return limit == 0 ? PyUnicode_New(0, 0) : read_line(self, limit);
}

static PyObject *
memtext_next(PyObject *object)
{
    kpy_memtext *self = ready(object);
    PyObject *line = self == NULL ? NULL : read_line(self, SIZE_MAX);

    if (line != NULL && PyUnicode_GET_LENGTH(line) == 0) {
        Py_CLEAR(line);
    }
    return line;
}

/* --- the type --------------------------------------------------------------
 */

static PyObject *
memtext_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(object);
}

/* The handle is closed by whoever opened it. */
static PyObject *
memtext_exit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    (void)object;
    (void)args;
    (void)count;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(write_doc, "write($self, text)\n--\n\n"
                        "Write a str; how many characters.");
PyDoc_STRVAR(read_doc,
             "read($self, size=-1)\n--\n\n"
             "Up to size characters; all that there are if it is negative.");
PyDoc_STRVAR(
    readline_doc,
    "readline($self, limit=-1)\n--\n\n"
    "Up to the end of the line, '\\n', '\\r\\n' or '\\r' as it "
    "stands\nthere, or limit characters; '\\r\\n' is not cut in two.");

static PyMethodDef memtext_methods[] = {
    {"write", KPY_METHOD(memtext_write), METH_FASTCALL | METH_KEYWORDS,
     write_doc},
    {"read", KPY_METHOD(memtext_read), METH_FASTCALL | METH_KEYWORDS,
     read_doc},
    {"readline", KPY_METHOD(memtext_readline), METH_FASTCALL | METH_KEYWORDS,
     readline_doc},
    {"__enter__", memtext_enter, METH_NOARGS, NULL},
    {"__exit__", KPY_METHOD(memtext_exit), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef memtext_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef memtext_members[] = {
    {"encoding", T_OBJECT_EX, offsetof(kpy_memtext, encoding), READONLY,
     "The name of the codec, as it was given."},
    {"errors", T_OBJECT_EX, offsetof(kpy_memtext, errors), READONLY,
     "The name of the error handler, as it was given."},
    {"__dictoffset__", T_PYSSIZET, offsetof(kpy_memtext, dict), READONLY,
     NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(kpy_memtext, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(memtext_doc,
             "MFSTextHandle(handle, encoding='utf-8', errors='strict')\n--"
             "\n\n"
             "Text in an open file, which stays the caller's to close.");

static PyType_Slot memtext_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)memtext_doc},
    {Py_tp_init, KPY_SLOT(memtext_init)},
    {Py_tp_dealloc, KPY_SLOT(memtext_dealloc)},
    {Py_tp_traverse, KPY_SLOT(memtext_traverse)},
    {Py_tp_clear, KPY_SLOT(memtext_clear)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(memtext_next)},
    {Py_tp_methods, memtext_methods},
    {Py_tp_getset, memtext_getset},
    {Py_tp_members, memtext_members},
    {0, NULL},
};

static PyType_Spec memtext_spec = {
    .name = "kist.MFSTextHandle",
    .basicsize = sizeof(kpy_memtext),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = memtext_slots,
};

int
kpy_memtext_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_MEMTEXT, &memtext_spec, NULL, true);
}
