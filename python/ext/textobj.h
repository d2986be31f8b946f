/*
 * textobj.h - MFSTextHandle: text over a handle, and how it is decoded.
 *
 * Nothing is read ahead: behind each call the handle stands behind what was
 * handed out, so it may be moved and used otherwise between two calls.  What
 * is looked at beyond the end of a line is given back.
 *
 *     textscan.c   UTF-8, ASCII and Latin-1: looks at bytes, decodes once
 *     textcodec.c  any codec, by Python's incremental decoders
 *
 * Layer    extension.
 * Threads  with the GIL; one at a time for one object.
 *
 * INVARIANTS
 *  (1) decoder and spare are of use only while the handle stands at position.
 */
#ifndef KPY_TEXTOBJ_H
#define KPY_TEXTOBJ_H

#include "memdata.h"

typedef enum kpy_codec {
    KPY_CODEC_OTHER = 0,
    KPY_CODEC_UTF8,
    KPY_CODEC_ASCII,
    KPY_CODEC_LATIN1
} kpy_codec;

typedef struct kpy_memtext {
    PyObject_HEAD PyObject *dict;
    PyObject *weakrefs;
    kpy_state *state;
    PyObject *handle; /* NULL: __init__ was not called */
    PyObject *encoding;
    PyObject *errors;
    kpy_codec codec;
    bool strict;
    PyObject *decoder; /* NULL: the next call begins with a new one */
    PyObject *spare;   /* characters that came with others; NULL: none */
    uint64_t position; /* where the handle stood when these were kept */
} kpy_memtext;

/* --- the handle ------------------------------------------------------------
 *
 * A MemoryFileHandle is used directly, anything else by its methods.
 */

/* Up to `size` bytes; how many there were, or -1. */
Py_ssize_t kpy_text_read_into(kpy_memtext *text, void *data, size_t size);

/* The same as bytes; size < 0: all. */
PyObject *kpy_text_read_bytes(kpy_memtext *text, Py_ssize_t size);

/* Goes back over what was read too much. */
int kpy_text_give_back(kpy_memtext *text, size_t size);

int kpy_text_tell(kpy_memtext *text, uint64_t *position);

/*
 * After a UnicodeDecodeError in the last `size` bytes that were read: goes
 * back to behind the bytes that were wrong, as whoever reads on would
 * otherwise find the same error, or none.  The error stays set.
 */
void kpy_text_behind_error(kpy_memtext *text, size_t size);

/* The names of codec and error handler; NULL with TypeError set. */
const char *kpy_text_encoding(const kpy_memtext *text);
const char *kpy_text_errors(const kpy_memtext *text);

/* --- decoding --------------------------------------------------------------
 */

/* True if textscan.c can read that: `limited` to a number of characters.  It
 * knows nothing of what the other way has kept for the next call. */
static inline bool
kpy_text_scans(const kpy_memtext *text, bool limited)
{
    return text->codec != KPY_CODEC_OTHER && text->spare == NULL &&
           text->decoder == NULL &&
           (text->strict || text->codec == KPY_CODEC_LATIN1 || !limited);
}

/* `size` bytes at `data`, by one of the three codecs. */
PyObject *kpy_text_decode(const kpy_memtext *text, const char *data,
                          size_t size);

/* Up to `count` characters, or the next line of up to `limit` and the "\n" of
 * a "\r\n"; SIZE_MAX: no limit, which is for lines only. */
PyObject *kpy_text_scan_read(kpy_memtext *text, size_t count);
PyObject *kpy_text_scan_line(kpy_memtext *text, size_t limit);
PyObject *kpy_text_codec_read(kpy_memtext *text, size_t count);
PyObject *kpy_text_codec_line(kpy_memtext *text, size_t limit);

/* All there are; of any codec. */
PyObject *kpy_text_codec_rest(kpy_memtext *text);

#endif /* KPY_TEXTOBJ_H */
