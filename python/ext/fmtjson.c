#include "fmtjson.h"

#define INDENT      4
#define SEEN_INLINE 64 /* a power of two */
#define TAG         "py/"

/* The containers met so far, by address: a hash with open addressing. */
typedef struct seen_set {
    size_t mask; /* slots - 1 */
    size_t count;
    const void **slots; /* `few`, or allocated */
    const void *few[SEEN_INLINE];
} seen_set;

typedef struct json_writer {
    kist_buf *out;
    seen_set seen;
    int depth;
} json_writer;

/* As kpy_json_dump(). */
static int write_value(json_writer *writer, PyObject *value);

/* --- containers met
 * ----------------------------------------------------------
 */

static size_t
seen_place(const seen_set *seen, const void *object)
{
    size_t place = ((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 20;

    place &= seen->mask;
    while (seen->slots[place] != NULL && seen->slots[place] != object) {
        place = (place + 1) & seen->mask;
    }
    return place;
}

static int
seen_grow(seen_set *seen)
{
    const seen_set old = *seen;
    const void **slots =
        PyMem_Calloc((old.mask + 1) * 4, sizeof(seen->slots[0]));
    size_t i;

    if (slots == NULL) {
        (void)PyErr_NoMemory();
        return -1;
    }
    seen->slots = slots;
    seen->mask = (old.mask + 1) * 4 - 1;
    for (i = 0; i <= old.mask; i++) {
        const void *object = old.slots[i];

        if (object != NULL) {
            slots[seen_place(seen, object)] = object;
        }
    }
    if (old.slots != seen->few) {
        PyMem_Free((void *)old.slots);
    }
    return 0;
}

/* 1 if `object` is new here, 0 if it was met before, -1 without memory. */
static int
seen_add(seen_set *seen, const void *object)
{
    size_t place;

    if (seen->slots == NULL) {
        memset(seen->few, 0, sizeof(seen->few));
        seen->slots = seen->few;
        seen->mask = SEEN_INLINE - 1;
    }
    if (seen->count * 2 > seen->mask && seen_grow(seen) < 0) {
        return -1;
    }
    place = seen_place(seen, object);
    if (seen->slots[place] == object) {
        return 0;
    }
    seen->slots[place] = object;
    seen->count++;
    return 1;
}

/* --- leaves ----------------------------------------------------------------
 */

static int
no_memory(void)
{
    (void)PyErr_NoMemory();
    return -1;
}

/* `size` more bytes for the caller to fill in, or NULL. */
static char *
extend(json_writer *writer, size_t size)
{
    kist_buf *const out = writer->out;
    char *place;

    if (size > out->capacity - out->size &&
        kist_buf_reserve(out, size) != KIST_OK) {
        (void)no_memory();
        return NULL;
    }
    place = (char *)out->data + out->size;
    out->size += size;
    return place;
}

static int
write_bytes(json_writer *writer, const char *bytes, size_t size)
{
    char *place = extend(writer, size);

    if (place == NULL) {
        return -1;
    }
    memcpy(place, bytes, size);
    return 1;
}

/* The letter behind the backslash, 'u' for \u...., 0 for none. */
static char
escape_of(Py_UCS4 letter)
{
    switch (letter) {
    case '"':
    case '\\':
        return (char)letter;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\f':
        return 'f';
    case '\b':
        return 'b';
    default:
        return letter < ' ' || letter > '~' ? 'u' : 0;
    }
}

static char *
put_unit(char *to, Py_UCS4 unit)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    *to++ = 'u';
    *to++ = digits[unit >> 12 & 15];
    *to++ = digits[unit >> 8 & 15];
    *to++ = digits[unit >> 4 & 15];
    *to++ = digits[unit & 15];
    return to;
}

static char *
put_letter(char *to, Py_UCS4 letter)
{
    const char escape = escape_of(letter);

    if (escape == 0) {
        *to++ = (char)letter;
    }
    else if (escape != 'u') {
        *to++ = '\\';
        *to++ = escape;
    }
    else if (letter < 0x10000) {
        to = put_unit(to, letter);
    }
    else {
        to = put_unit(to, 0xd800 + ((letter - 0x10000) >> 10));
        to = put_unit(to, 0xdc00 + ((letter - 0x10000) & 0x3ff));
    }
    return to;
}

/* How many bytes from `text` on need no escape, of `size`. */
static size_t
plain_run(const Py_UCS1 *text, size_t size)
{
    size_t i = 0;

    while (i < size && text[i] >= ' ' && text[i] <= '~' && text[i] != '"' &&
           text[i] != '\\') {
        i++;
    }
    return i;
}

static int
write_text(json_writer *writer, PyObject *text)
{
    const size_t length = (size_t)PyUnicode_GET_LENGTH(text);
    const int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    const size_t start = writer->out->size;
    size_t done = 0;
    char *first;
    char *to;
    size_t i;

    if (kind == PyUnicode_1BYTE_KIND) {
        done = plain_run(data, length);
    }
    if (length > (SIZE_MAX - 2) / 12) {
        return no_memory();
    }
    // At most twelve for a letter, two surrogates; what is left is given back.
    first = extend(writer, 2 + done + (length - done) * 12);
    if (first == NULL) {
        return -1;
    }
    to = first;
    *to++ = '"';
    memcpy(to, data, done);
    to += done;
    for (i = done; i < length; i++) {
        to = put_letter(to, PyUnicode_READ(kind, data, (Py_ssize_t)i));
    }
    *to++ = '"';
    writer->out->size = start + (size_t)(to - first);
    return 1;
}

static int
write_ascii_take(json_writer *writer, PyObject *text)
{
    int result = -1;

    if (text != NULL) {
        result = write_bytes(writer, PyUnicode_DATA(text),
                             (size_t)PyUnicode_GET_LENGTH(text));
        Py_DECREF(text);
    }
    return result;
}

static int
write_int(json_writer *writer, PyObject *value)
{
    int overflow;
    const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    unsigned long long rest;
    char digits[24];
    char *to = digits + sizeof(digits);

    if (overflow != 0) {
        return write_ascii_take(writer, PyObject_Repr(value));
    }
    rest = number < 0 ? 0 - (unsigned long long)number
                      : (unsigned long long)number;
    do {
        *--to = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--to = '-';
    }
    return write_bytes(writer, to, (size_t)(digits + sizeof(digits) - to));
}

static int
write_float(json_writer *writer, PyObject *value)
{
    const double number = PyFloat_AS_DOUBLE(value);
    char *text;
    int result;

    if (number != number) {
        return write_bytes(writer, "NaN", 3);
    }
    if (number - number != 0) {
        return number > 0 ? write_bytes(writer, "Infinity", 8)
                          : write_bytes(writer, "-Infinity", 9);
    }
    text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return -1;
    }
    result = write_bytes(writer, text, strlen(text));
    PyMem_Free(text);
    return result;
}

/* --- containers
 * ---------------------------------------------------------------
 */

static int
write_line(json_writer *writer, const char *before, size_t size)
{
    const size_t indent = (size_t)writer->depth * INDENT;
    char *to = extend(writer, size + 1 + indent);

    if (to == NULL) {
        return -1;
    }
    memcpy(to, before, size);
    to[size] = '\n';
    memset(to + size + 1, ' ', indent);
    return 1;
}

static bool
is_tag(PyObject *key)
{
    return PyUnicode_GET_LENGTH(key) >= 3 &&
           PyUnicode_READ_CHAR(key, 0) == 'p' &&
           PyUnicode_READ_CHAR(key, 1) == 'y' &&
           PyUnicode_READ_CHAR(key, 2) == '/';
}

static int
write_items(json_writer *writer, PyObject *dict)
{
    Py_ssize_t place = 0;
    bool first = true;
    PyObject *key;
    PyObject *item;
    int result = 1;

    while (result > 0 && PyDict_Next(dict, &place, &key, &item)) {
        if (!PyUnicode_CheckExact(key) || is_tag(key)) {
            return 0;
        }
        result = write_line(writer, first ? "{" : ",", 1);
        first = false;
        if (result > 0) {
            result = write_text(writer, key);
        }
        if (result > 0) {
            result = write_bytes(writer, ": ", 2);
        }
        if (result > 0) {
            result = write_value(writer, item);
        }
    }
    return result;
}

static int
write_dict(json_writer *writer, PyObject *dict)
{
    int result;

    if (PyDict_GET_SIZE(dict) == 0) {
        return write_bytes(writer, "{}", 2);
    }
    writer->depth++;
    result = write_items(writer, dict);
    writer->depth--;
    if (result > 0) {
        result = write_line(writer, "", 0);
    }
    return result > 0 ? write_bytes(writer, "}", 1) : result;
}

static int
write_list(json_writer *writer, PyObject *list)
{
    const Py_ssize_t count = PyList_GET_SIZE(list);
    int result = 1;
    Py_ssize_t i;

    if (count == 0) {
        return write_bytes(writer, "[]", 2);
    }
    writer->depth++;
    for (i = 0; result > 0 && i < count; i++) {
        result = write_line(writer, i == 0 ? "[" : ",", 1);
        if (result > 0) {
            result = write_value(writer, PyList_GET_ITEM(list, i));
        }
    }
    writer->depth--;
    if (result > 0) {
        result = write_line(writer, "", 0);
    }
    return result > 0 ? write_bytes(writer, "]", 1) : result;
}

static int
write_container(json_writer *writer, PyObject *value)
{
    int result = seen_add(&writer->seen, value);

    if (result <= 0) {
        return result;
    }
    if (Py_EnterRecursiveCall(" while encoding a JSON value") != 0) {
        return -1;
    }
    result = PyDict_CheckExact(value) ? write_dict(writer, value)
                                      : write_list(writer, value);
    Py_LeaveRecursiveCall();
    return result;
}

static int
write_value(json_writer *writer, PyObject *value)
{
    PyTypeObject *const type = Py_TYPE(value);

    if (type == &PyUnicode_Type) {
        return write_text(writer, value);
    }
    if (type == &PyLong_Type) {
        return write_int(writer, value);
    }
    if (type == &PyFloat_Type) {
        return write_float(writer, value);
    }
    if (value == Py_None) {
        return write_bytes(writer, "null", 4);
    }
    if (value == Py_True) {
        return write_bytes(writer, "true", 4);
    }
    if (value == Py_False) {
        return write_bytes(writer, "false", 5);
    }
    if (type == &PyDict_Type || type == &PyList_Type) {
        return write_container(writer, value);
    }
    return 0;
}

int
kpy_json_dump(PyObject *value, kist_buf *out)
{
    json_writer writer;
    int result;

    // The slots within are made zero when there is a first container.
    writer.out = out;
    writer.depth = 0;
    writer.seen.count = 0;
    writer.seen.slots = NULL;
    result = write_value(&writer, value);
    if (writer.seen.slots != NULL && writer.seen.slots != writer.seen.few) {
        PyMem_Free((void *)writer.seen.slots);
    }
    return result;
}

/* --- reading ---------------------------------------------------------------
 */

bool
kpy_json_is_plain(kist_slice text)
{
    return memmem(text.data, text.size, "\"" TAG, sizeof(TAG)) == NULL;
}

static bool
is_blank(Py_UCS4 letter)
{
    return letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t';
}

static Py_ssize_t
skip_blanks(PyObject *text, Py_ssize_t place)
{
    while (place < PyUnicode_GET_LENGTH(text) &&
           is_blank(PyUnicode_READ_CHAR(text, place))) {
        place++;
    }
    return place;
}

/* What the scanner of the standard library answers: (value, end). */
static PyObject *
value_of_answer(PyObject *text, PyObject *answer)
{
    PyObject *value = PyTuple_GetItem(answer, 0);
    PyObject *place = value == NULL ? NULL : PyTuple_GetItem(answer, 1);
    Py_ssize_t end = place == NULL ? -1 : PyLong_AsSsize_t(place);

    if (end < 0) {
        return NULL;
    }
    end = skip_blanks(text, end);
    if (end < PyUnicode_GET_LENGTH(text)) {
        PyErr_Format(PyExc_ValueError, "more than one JSON value: char %zd",
                     end);
        return NULL;
    }
    return Py_NewRef(value);
}

PyObject *
kpy_json_load(kpy_state *state, kist_slice slice)
{
    PyObject *scan = kpy_lazy(state, KPY_LAZY_JSON_SCAN);
    PyObject *text = NULL;
    PyObject *start = NULL;
    PyObject *answer = NULL;
    PyObject *value = NULL;

    if (scan != NULL) {
        text = PyUnicode_DecodeUTF8(slice.data, (Py_ssize_t)slice.size, NULL);
    }
    if (text != NULL) {
        start = PyLong_FromSsize_t(skip_blanks(text, 0));
    }
    if (start != NULL) {
        PyObject *args[3] = {NULL, text, start};

        answer = PyObject_Vectorcall(scan, args + 1,
                                     2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    if (answer != NULL) {
        value = value_of_answer(text, answer);
    }
    else if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_SetString(PyExc_ValueError, "a JSON value is missing");
    }
    Py_XDECREF(answer);
    Py_XDECREF(start);
    Py_XDECREF(text);
    return value;
}
