/*
 * Reading UTF-8, ASCII and Latin-1: ends of lines and characters are found in
 * the bytes, and what belongs to the answer is decoded at once.
 */
#include "textobj.h"

#define FIRST 256
#define MORE  ((size_t)64 << 10)

/* What was read so far: on the stack while it is little. */
typedef struct stretch {
    char stack[2 * FIRST];
    kist_buf heap;
    size_t size;
} stretch;

static char *
span_data(stretch *span)
{
    return span->heap.data == NULL ? span->stack : (char *)span->heap.data;
}

/* Reads `size` bytes more; how many there were, or -1. */
static Py_ssize_t
span_read(kpy_memtext *text, stretch *span, size_t size)
{
    Py_ssize_t got;

    if (span->heap.data != NULL || size > sizeof(span->stack) - span->size) {
        kist_status status = KIST_OK;

        if (span->heap.data == NULL) {
            status = kist_buf_append(&span->heap, span->stack, span->size);
        }
        span->heap.size = span->size;
        if (status != KIST_OK ||
            kist_buf_reserve(&span->heap, size) != KIST_OK) {
            (void)PyErr_NoMemory();
            return -1;
        }
    }
    got = kpy_text_read_into(text, span_data(span) + span->size, size);
    if (got > 0) {
        span->size += (size_t)got;
    }
    return got;
}

PyObject *
kpy_text_decode(const kpy_memtext *text, const char *data, size_t size)
{
    const char *errors = kpy_text_errors(text);

    if (errors == NULL) {
        return NULL;
    }
    if (text->codec == KPY_CODEC_UTF8) {
        return PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, errors);
    }
    if (text->codec == KPY_CODEC_ASCII) {
        return PyUnicode_DecodeASCII(data, (Py_ssize_t)size, errors);
    }
    return PyUnicode_DecodeLatin1(data, (Py_ssize_t)size, errors);
}

/* The first `size` bytes as the answer; the others are given back. */
static PyObject *
span_take(kpy_memtext *text, stretch *span, size_t size)
{
    PyObject *result = NULL;

    if (kpy_text_give_back(text, span->size - size) == 0) {
        result = kpy_text_decode(text, span_data(span), size);
        if (result == NULL) {
            kpy_text_behind_error(text, size);
        }
    }
    kist_buf_fini(&span->heap);
    return result;
}

/* True if a character begins with that byte, or there is no telling. */
static bool
begins(const kpy_memtext *text, char byte)
{
    return text->codec != KPY_CODEC_UTF8 || ((uint8_t)byte & 0xc0) != 0x80;
}

/* --- characters ------------------------------------------------------------
 */

/* How many bytes the last character at `data` lacks. */
static size_t
lacks(const kpy_memtext *text, const char *data, size_t size)
{
    size_t have = 1;
    uint8_t first;
    size_t whole;

    if (text->codec != KPY_CODEC_UTF8 || size == 0) {
        return 0;
    }
    while (have < size && have < 4 && !begins(text, data[size - have])) {
        have++;
    }
    first = (uint8_t)data[size - have];
    whole = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return whole > have ? whole - have : 0;
}

/*
 * Each step reads as many bytes as there are characters to come, which never
 * are too many, and what the last character lacks.
 */
PyObject *
kpy_text_scan_read(kpy_memtext *text, size_t count)
{
    stretch span = {.size = 0, .heap = {0}};
    size_t found = 0;
    size_t want = count;

    while (want > 0) {
        const size_t before = span.size;
        const Py_ssize_t got =
            span_read(text, &span, want < MORE ? want : MORE);
        size_t i;

        if (got < 0) {
            kist_buf_fini(&span.heap);
            return NULL;
        }
        for (i = before; i < span.size; i++) {
            found += begins(text, span_data(&span)[i]);
        }
        if (got == 0) {
            break;
        }
        want = lacks(text, span_data(&span), span.size);
        if (want == 0 && found < count) {
            want = count - found;
        }
    }
    return span_take(text, &span, span.size);
}

/* --- lines -----------------------------------------------------------------
 */

/* What is known while the end of a line is looked for. */
typedef struct line_search {
    size_t at;    /* where to look on */
    size_t found; /* characters before `at`, if there is a limit */
    size_t limit;
    size_t end; /* of the line, once it is known */
    bool whole; /* there are no more bytes */
} line_search;

/* A "\r" at `at`: is the line's end behind it known? */
static bool
carriage_return(line_search *search, const char *data, size_t size, size_t at)
{
    if (at + 1 == size && !search->whole) {
        search->at = at;
        return false;
    }
    search->end = at + 1;
    if (search->end < size && data[search->end] == '\n') {
        search->end++;
    }
    return true;
}

static bool
search_all(line_search *search, const char *data, size_t size)
{
    const char *from = data + search->at;
    const char *feed = memchr(from, '\n', size - search->at);
    const size_t before = feed == NULL ? size : (size_t)(feed - data);
    const char *back = memchr(from, '\r', before - search->at);

    if (back != NULL) {
        return carriage_return(search, data, size, (size_t)(back - data));
    }
    if (feed == NULL) {
        search->at = size;
        return false;
    }
    search->end = before + 1;
    return true;
}

static bool
search_limited(const kpy_memtext *text, line_search *search, const char *data,
               size_t size)
{
    size_t i;

    for (i = search->at; i < size; i++) {
        if (begins(text, data[i])) {
            if (search->found == search->limit) {
                search->end = i;
                return true;
            }
            search->found++;
        }
        if (data[i] == '\n') {
            search->end = i + 1;
            return true;
        }
        if (data[i] == '\r') {
            if (carriage_return(search, data, size, i)) {
                return true;
            }
            search->found--; // it is met again
            return false;
        }
        if (search->found == search->limit && lacks(text, data, i + 1) == 0) {
            search->end = i + 1; // what follows may be no letter at all
            return true;
        }
    }
    search->at = size;
    return false;
}

PyObject *
kpy_text_scan_line(kpy_memtext *text, size_t limit)
{
    stretch span = {.size = 0, .heap = {0}};
    line_search search = {.limit = limit};
    size_t step = FIRST;

    for (;;) {
        const Py_ssize_t got = span_read(text, &span, step);
        const char *data = span_data(&span);

        if (got < 0) {
            kist_buf_fini(&span.heap);
            return NULL;
        }
        search.whole = (size_t)got < step;
        if (limit == SIZE_MAX
                ? search_all(&search, data, span.size)
                : search_limited(text, &search, data, span.size)) {
            break;
        }
        if (search.whole) {
            search.end = span.size;
            break;
        }
        step = step < MORE ? step * 2 : step;
    }
    return span_take(text, &span, search.end);
}
