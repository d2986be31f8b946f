/*
 * str objects of stored text: kpy_text_new() and kpy_text_again() of
 * convert.h.  Most text is short and ASCII, and making an object and freeing
 * it again costs more than its letters.
 */
#include "convert.h"
#include "errors.h"

#define WORD_ASCII UINT64_C(0x8080808080808080)

/* A spare that holds more is not worth its memory. */
#define SPARE_MAX 512u

/* After so many in a row that somebody has kept, the next ones are made
 * without looking for a spare. */
#define KEPT_MAX 8u
#define REST     200u

/* --- letters
 * ---------------------------------------------------------------------
 */

typedef uint64_t pair __attribute__((vector_size(16)));

/* Copies 8 to 16 bytes: the second word may overlap the first. */
static inline uint64_t
copy_words(uint8_t *to, const uint8_t *from, size_t size)
{
    uint64_t first;
    uint64_t last;

    memcpy(&first, from, 8);
    memcpy(&last, from + size - 8, 8);
    memcpy(to, &first, 8);
    memcpy(to + size - 8, &last, 8);
    return first | last;
}

/* Copies 16 bytes and more, the last pair first, as it may overlap. */
static inline uint64_t
copy_pairs(uint8_t *to, const uint8_t *from, size_t size)
{
    const size_t last = size - 16;
    pair some;
    pair more;
    pair seen;
    size_t i;

    memcpy(&seen, from + last, 16);
    memcpy(to + last, &seen, 16);
    for (i = 0; i + 16 < last; i += 32) {
        memcpy(&some, from + i, 16);
        memcpy(&more, from + i + 16, 16);
        memcpy(to + i, &some, 16);
        memcpy(to + i + 16, &more, 16);
        seen |= some | more;
    }
    if (i < last) {
        memcpy(&some, from + i, 16);
        memcpy(to + i, &some, 16);
        seen |= some;
    }
    return seen[0] | seen[1];
}

/* Copies the bytes; false if they are not all ASCII. */
static inline bool
copy_ascii(uint8_t *to, const uint8_t *from, size_t size)
{
    uint64_t seen = 0;
    size_t i;

    if (size >= 16) {
        seen = copy_pairs(to, from, size);
    }
    else if (size >= 8) {
        seen = copy_words(to, from, size);
    }
    else {
        for (i = 0; i < size; i++) {
            to[i] = from[i];
            seen |= from[i];
        }
    }
    return (seen & WORD_ASCII) == 0;
}

/* --- objects
 * ---------------------------------------------------------------------
 */

/*
 * What the UnicodeDecodeError that is set is about, with lone surrogates.  It
 * has a copy of the bytes: error handlers make objects, which may run the
 * collector, and that may take the view away.
 */
static PyObject *
text_of_surrogates(kpy_state *state)
{
    PyObject *type;
    PyObject *error;
    PyObject *traceback;
    PyObject *bytes;
    PyObject *text = NULL;

    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    bytes = PyUnicodeDecodeError_GetObject(error);
    if (bytes != NULL) {
        text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes),
                                    PyBytes_GET_SIZE(bytes), "surrogatepass");
        Py_DECREF(bytes);
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return kpy_raise_corrupt(state, "text");
    }
    return text;
}

__attribute__((noinline)) static PyObject *
text_decoded(kpy_state *state, kist_slice slice)
{
    PyObject *text;

    if (slice.size > (size_t)PY_SSIZE_T_MAX) {
        return kpy_raise_corrupt(state, "text");
    }
    text = PyUnicode_DecodeUTF8(slice.size == 0 ? "" : slice.data,
                                (Py_ssize_t)slice.size, NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return text_of_surrogates(state);
    }
    return text;
}

/* Worth trying: one letter is shared by the interpreter, and so is none. */
static inline bool
may_be_ascii(kist_slice slice)
{
    return slice.size > 1 && slice.size <= (size_t)PY_SSIZE_T_MAX &&
           *(const uint8_t *)slice.data < 0x80;
}

/* The letters of a str that PyUnicode_New() made for ASCII. */
static inline uint8_t *
letters(PyObject *text)
{
    return (uint8_t *)((PyASCIIObject *)text + 1);
}

/* A new str of ASCII, or NULL, then without an error set if it is none. */
static inline PyObject *
ascii_new(kist_slice slice)
{
    PyObject *text = PyUnicode_New((Py_ssize_t)slice.size, 127);

    if (text != NULL && !copy_ascii(letters(text), slice.data, slice.size)) {
        Py_CLEAR(text);
    }
    return text;
}

PyObject *
kpy_text_new(kpy_state *state, kist_slice slice)
{
    PyObject *text;

    if (may_be_ascii(slice)) {
        text = ascii_new(slice);
        if (text != NULL || PyErr_Occurred()) {
            return text;
        }
    }
    return text_decoded(state, slice);
}

/* --- the same memory again
 * ---------------------------------------------------------------------
 */

/* Sixteenths of memory that a str of ASCII takes. */
static inline size_t
room(size_t size)
{
    return (sizeof(PyASCIIObject) + size + 1 + 15) / 16;
}

/* A str of ASCII with `size` letters, yet to be set, and all the room that a
 * spare of its size has. */
static inline PyObject *
roomy_new(size_t size)
{
    const size_t most = room(size) * 16 - sizeof(PyASCIIObject) - 1;
    PyObject *text = PyUnicode_New((Py_ssize_t)most, 127);

    if (text != NULL) {
        ((PyASCIIObject *)text)->length = (Py_ssize_t)size;
        letters(text)[size] = 0;
    }
    return text;
}

/*
 * Can `spare`, of roomy_new(), become one of `size` letters?  Only if nobody
 * else has it, not even the table of interned ones, and it takes as much
 * memory as a new one.
 */
static inline bool
is_free(PyObject *spare, size_t size, kpy_spares *spares)
{
    if (spare == NULL) {
        return false;
    }
    if (Py_REFCNT(spare) > 1) {
        spares->rest = ++spares->kept >= KEPT_MAX ? REST : 0;
        return false;
    }
    spares->kept = 0;
    return room((size_t)PyUnicode_GET_LENGTH(spare)) == room(size) &&
           !PyUnicode_CHECK_INTERNED(spare);
}

/* From 3.14 on a variable may be read without counting that reference. */
#define REFERENCES_COUNT (PY_VERSION_HEX < 0x030e0000)

PyObject *
kpy_text_again(kpy_state *state, kist_slice slice, kpy_spares *spares)
{
    PyObject **const place = &spares->texts[spares->next];
    PyObject *text = *place;

    // One comparison: no letter and one wrap around.
    if (!REFERENCES_COUNT || slice.size - 2 > SPARE_MAX - 2 ||
        !may_be_ascii(slice)) {
        return kpy_text_new(state, slice);
    }
    if (spares->rest > 0) {
        spares->rest--;
        return kpy_text_new(state, slice);
    }
    spares->next ^= 1;
    if (is_free(text, slice.size, spares)) {
        PyASCIIObject *const head = (PyASCIIObject *)text;

        if (copy_ascii(letters(text), slice.data, slice.size)) {
            letters(text)[slice.size] = 0;
            head->length = (Py_ssize_t)slice.size;
            head->hash = -1;
            return Py_NewRef(text);
        }
        Py_CLEAR(*place); // it is no str any more
        return text_decoded(state, slice);
    }
    text = roomy_new(slice.size);
    if (text == NULL) {
        return NULL;
    }
    if (!copy_ascii(letters(text), slice.data, slice.size)) {
        Py_DECREF(text);
        return text_decoded(state, slice);
    }
    Py_XSETREF(*place, Py_NewRef(text));
    return text;
}

void
kpy_spares_clear(kpy_spares *spares)
{
    Py_CLEAR(spares->texts[0]);
    Py_CLEAR(spares->texts[1]);
}
