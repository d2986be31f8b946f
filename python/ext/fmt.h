/*
 * fmt.h - the formats of values in stores: Python objects as bytes and back.
 *
 *   name   bytes                                   reading may run code
 *   pkl    pickle protocol 4 in an LZ4 frame       yes
 *   json   jsonpickle's JSON, 4 spaces             for py/object and such
 *   spkl   "kist-sig", HMAC-SHA256, a pkl          no: the key's owner signed
 *   kist   "kist-val", one item of kist/pack.h     no
 *   other  the UTF-8 of str(value)                 no
 *
 * A signature is of the value, not of its place: who may write can put one
 * signed value where another was.
 *
 * Reading pkl takes all that joblib.load takes: raw pickles, gzip, zlib, bz2,
 * xz, any LZ4 frame, and joblib's arrays.  What is rare is done in Python, by
 * kist.persidict.formats.
 *
 * FORMAT of kist: 8 bytes "kist-val", then one item as kist_pack_value()
 * writes it, of the types that convert.h lists, and nothing behind it.
 * FORMAT of spkl: 8 bytes "kist-sig", the HMAC-SHA256 of what follows it, 32
 * bytes, then a pkl.
 *
 * Layer    extension.
 * Threads  with the GIL; compressing and inflating lets it go where it is
 *          much.
 *
 * INVARIANTS
 *  (1) Nothing is unpickled, and no object of jsonpickle's is built, unless
 *      kpy_fmt.trusted, or the signature was found right first.
 *  (2) No more than kpy_fmt.inflated_max bytes come out of compressed ones.
 */
#ifndef KPY_FMT_H
#define KPY_FMT_H

#include "module.h"

typedef enum kpy_fmt_kind {
    KPY_FMT_PKL,
    KPY_FMT_JSON,
    KPY_FMT_SPKL,
    KPY_FMT_KIST,
    KPY_FMT_TEXT
} kpy_fmt_kind;

/* Inflated values larger than this are refused; the store's default. */
#define KPY_FMT_INFLATED_MAX ((size_t)4 << 30)

typedef struct kpy_fmt {
    kpy_fmt_kind kind;
    bool trusted;        /* may run what a pickle says */
    size_t inflated_max; /* bytes */
    PyObject *key;       /* spkl: bytes, borrowed from the owner; else NULL */
} kpy_fmt;

/* The kind that `name`, a str, stands for; other names are text. */
kpy_fmt_kind kpy_fmt_kind_of(PyObject *name);

/* True if reading needs kpy_fmt.trusted for some values. */
static inline bool
kpy_fmt_runs_code(kpy_fmt_kind kind)
{
    return kind == KPY_FMT_PKL || kind == KPY_FMT_JSON;
}

/*
 * Appends the bytes of `value` to `out`, which the caller owns.  0, or -1 with
 * what the value's own methods raise, TypeError for what the format cannot
 * keep as it is, or MemoryError.  May run Python code.
 */
int kpy_fmt_dump(kpy_state *state, const kpy_fmt *fmt, PyObject *value,
                 kist_buf *out);

/*
 * A new reference to the value that `data` stands for, or NULL: CorruptError
 * (from the first error) if it stands for none, PermissionError if it would
 * have to be trusted, MemoryError, and ImportError or AttributeError for a
 * class that is not there.  `data` must stay as it is meanwhile: reading may
 * run Python code.
 */
PyObject *kpy_fmt_load(kpy_state *state, const kpy_fmt *fmt, kist_slice data);

/*
 * With the error of kpy_fmt_load() set: adds a note that names `place`, a str
 * such as a path.
 */
void kpy_fmt_note(PyObject *place);

/*
 * Functions of the module: _format_dumps(value, format, key) and
 * _format_loads(data, format, trusted, key, inflated_max, place); key and
 * place may be None, inflated_max 0 for KPY_FMT_INFLATED_MAX.
 */
PyObject *kpy_format_dumps(PyObject *module, PyObject *args);
PyObject *kpy_format_loads(PyObject *module, PyObject *args);

#endif /* KPY_FMT_H */
