/*
 * Reading text of any codec, by Python's incremental decoders.
 *
 * A decoder is fed as many bytes as characters are wanted, which hardly ever
 * makes too many, so the handle stands behind what was handed out.  It lives
 * on while the handle stands where it left it: a codec may have states.
 */
#include "textobj.h"

#define FIRST 128
#define MORE  ((size_t)8 << 10)

/* What was kept is of no use any more. */
static void
forget(kpy_memtext *text)
{
    Py_CLEAR(text->decoder);
    Py_CLEAR(text->spare);
}

/* Has a decoder for what comes at the handle. */
static int
begin(kpy_memtext *text)
{
    const char *encoding;
    const char *errors;
    uint64_t position;

    if (kpy_text_tell(text, &position) < 0) {
        return -1;
    }
    if (text->position != position) {
        forget(text);
    }
    if (text->decoder != NULL) {
        return 0;
    }
    encoding = kpy_text_encoding(text);
    errors = encoding == NULL ? NULL : kpy_text_errors(text);
    if (errors == NULL) {
        return -1;
    }
    text->position = position;
    text->decoder = PyCodec_IncrementalDecoder(encoding, errors);
    return text->decoder == NULL ? -1 : 0;
}

static int
end(kpy_memtext *text)
{
    return kpy_text_tell(text, &text->position);
}

/* What the decoder makes of the bytes, a str. */
static PyObject *
decode(kpy_memtext *text, PyObject *bytes, bool final)
{
    PyObject *decoder = Py_NewRef(text->decoder); // it runs any code
    PyObject *args[] = {decoder, bytes, final ? Py_True : Py_False};
    PyObject *piece = PyObject_VectorcallMethod(
        text->state->names[KPY_NAME_DECODE], args, 3, NULL);

    Py_DECREF(decoder);
    if (piece != NULL && !PyUnicode_Check(piece)) {
        PyErr_Format(PyExc_TypeError, "decoder gave %.200s, not str",
                     Py_TYPE(piece)->tp_name);
        Py_CLEAR(piece);
    }
    return piece;
}

/* --- characters ------------------------------------------------------------
 */

/* Appends what the next bytes give, of which there are `size` at most; *last
 * if there are none.  The bytes are consumed. */
static int
more(kpy_memtext *text, PyObject **chars, size_t size, bool *last)
{
    PyObject *bytes =
        kpy_text_read_bytes(text, (Py_ssize_t)(size < MORE ? size : MORE));
    PyObject *piece;

    if (bytes == NULL) {
        return -1;
    }
    *last = PyBytes_GET_SIZE(bytes) == 0;
    piece = decode(text, bytes, *last);
    if (piece == NULL) {
        kpy_text_behind_error(text, (size_t)PyBytes_GET_SIZE(bytes));
    }
    Py_DECREF(bytes);
    if (piece == NULL) {
        return -1;
    }
    PyUnicode_AppendAndDel(chars, piece);
    return *chars == NULL ? -1 : 0;
}

/* Up to `count` characters of the decoder that is there. */
static PyObject *
take(kpy_memtext *text, size_t count)
{
    PyObject *chars = text->spare;
    bool last = false;
    size_t have;

    text->spare = NULL;
    if (chars == NULL) {
        chars = PyUnicode_New(0, 0);
    }
    while (chars != NULL && !last &&
           (have = (size_t)PyUnicode_GET_LENGTH(chars)) < count) {
        if (more(text, &chars, count - have, &last) < 0) {
            Py_CLEAR(chars);
        }
    }
    if (chars == NULL) {
        forget(text);
    }
    if (last) {
        Py_CLEAR(text->decoder);
    }
    if (chars != NULL && (size_t)PyUnicode_GET_LENGTH(chars) > count) {
        text->spare =
            PyUnicode_Substring(chars, (Py_ssize_t)count, PY_SSIZE_T_MAX);
        Py_SETREF(chars,
                  text->spare == NULL
                      ? NULL
                      : PyUnicode_Substring(chars, 0, (Py_ssize_t)count));
    }
    return chars;
}

PyObject *
kpy_text_codec_read(kpy_memtext *text, size_t count)
{
    PyObject *chars;

    if (begin(text) < 0) {
        return NULL;
    }
    chars = take(text, count);
    if (chars != NULL && end(text) < 0) {
        Py_CLEAR(chars);
    }
    return chars;
}

PyObject *
kpy_text_codec_rest(kpy_memtext *text)
{
    const char *encoding = kpy_text_encoding(text);
    const char *errors = encoding == NULL ? NULL : kpy_text_errors(text);
    PyObject *chars = NULL;
    PyObject *bytes;
    uint64_t position = 0;

    if (errors == NULL || kpy_text_tell(text, &position) < 0) {
        return NULL;
    }
    if (text->position != position) {
        forget(text);
    }
    bytes = kpy_text_read_bytes(text, -1);
    if (bytes == NULL) {
        return NULL;
    }
    if (text->decoder != NULL) {
        chars = decode(text, bytes, true);
    }
    else if (PyBytes_GET_SIZE(bytes) == 0) {
        chars = PyUnicode_New(0, 0);
    }
    else {
        chars = PyUnicode_FromEncodedObject(bytes, encoding, errors);
    }
    Py_DECREF(bytes);
    if (chars != NULL && text->spare != NULL) {
        Py_SETREF(chars, PyUnicode_Concat(text->spare, chars));
    }
    forget(text);
    return chars;
}

/* --- lines -----------------------------------------------------------------
 */

/* How many characters a line has, as far as it is known. */
typedef struct length {
    size_t count;
    size_t limit;
    bool ended;
    bool back; /* the last was "\r": a "\n" would belong to it */
} length;

static void
line_add(length *line, PyObject *chars)
{
    const Py_ssize_t size = PyUnicode_GET_LENGTH(chars);
    const int kind = PyUnicode_KIND(chars);
    const void *data = PyUnicode_DATA(chars);
    Py_ssize_t i;

    for (i = 0; i < size && !line->ended; i++) {
        const Py_UCS4 one = PyUnicode_READ(kind, data, i);

        if (line->back || line->count == line->limit) {
            line->count += line->back && one == '\n';
            line->ended = true;
        }
        else {
            line->count++;
            line->ended = one == '\n';
            line->back = one == '\r';
        }
    }
}

/* True once the line's end is known. */
static bool
line_done(const length *line)
{
    return line->ended || (line->count == line->limit && !line->back);
}

/*
 * Adds what the next `size` bytes would give; *ahead more are to be given
 * back.  0; -1 with an error set; 1 if they cannot be decoded, which is no
 * matter before they are read.
 */
static int
peek(kpy_memtext *text, length *line, size_t size, size_t *ahead)
{
    PyObject *bytes = kpy_text_read_bytes(text, (Py_ssize_t)size);
    PyObject *chars;
    bool last;

    if (bytes == NULL) {
        return -1;
    }
    *ahead += (size_t)PyBytes_GET_SIZE(bytes);
    last = PyBytes_GET_SIZE(bytes) == 0;
    chars = decode(text, bytes, last);
    Py_DECREF(bytes);
    if (chars == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return -1;
        }
        PyErr_Clear();
        return 1;
    }
    line_add(line, chars);
    line->ended = line->ended || last;
    Py_DECREF(chars);
    return 0;
}

/* Looks ahead for the end of the line, and comes back; as peek(). */
static int
measure(kpy_memtext *text, length *line)
{
    PyObject *decoder = Py_NewRef(text->decoder);
    PyObject *state = PyObject_CallMethodNoArgs(
        decoder, text->state->names[KPY_NAME_GETSTATE]);
    size_t ahead = 0;
    size_t step = FIRST;
    int result = 0;

    if (state == NULL) { // it cannot come back: no looking ahead
        PyErr_Clear();
        Py_DECREF(decoder);
        return 1;
    }
    if (text->spare != NULL) {
        line_add(line, text->spare);
    }
    while (result == 0 && !line_done(line)) {
        result = peek(text, line, step, &ahead);
        step = step < MORE ? step * 2 : step;
    }
    if (result >= 0 && kpy_text_give_back(text, ahead) < 0) {
        result = -1;
    }
    if (result >= 0) {
        PyObject *answer = PyObject_CallMethodOneArg(
            decoder, text->state->names[KPY_NAME_SETSTATE], state);

        if (answer == NULL) {
            result = -1;
        }
        Py_XDECREF(answer);
    }
    Py_DECREF(state);
    Py_DECREF(decoder);
    return result;
}

/* Character by character; one that is too many becomes the spare one. */
static PyObject *
crawl(kpy_memtext *text, size_t limit)
{
    length line = {.limit = limit};
    PyObject *chars = PyUnicode_New(0, 0);

    while (chars != NULL) {
        PyObject *one = take(text, 1);
        size_t before = line.count;

        if (one == NULL) {
            Py_CLEAR(chars);
            break;
        }
        if (PyUnicode_GET_LENGTH(one) == 0) {
            Py_DECREF(one);
            break;
        }
        line_add(&line, one);
        if (line.count == before) {
            if (text->spare != NULL) {
                PyUnicode_Append(&one, text->spare);
            }
            Py_XSETREF(text->spare, one);
            break;
        }
        PyUnicode_AppendAndDel(&chars, one);
        if (line_done(&line)) {
            break;
        }
    }
    return chars;
}

PyObject *
kpy_text_codec_line(kpy_memtext *text, size_t limit)
{
    length line = {.limit = limit};
    PyObject *chars;
    int measured;

    if (begin(text) < 0) {
        return NULL;
    }
    measured = measure(text, &line);
    if (measured < 0) {
        forget(text);
        return NULL;
    }
    chars = measured == 0 ? take(text, line.count) : crawl(text, limit);
    if (chars != NULL && end(text) < 0) {
        Py_CLEAR(chars);
    }
    return chars;
}
