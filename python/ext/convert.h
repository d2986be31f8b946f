/*
 * convert.h - Python objects to kist_value and back.
 *
 * Everything is kept by the C library's own types (kist/value.h): a value
 * never carries code, and reading one runs none.  klass=None takes exact
 * types only (rows 46, 54); a typed collection takes subclasses too and keeps
 * the base value.  Encodings that kist/value.h leaves to its caller:
 *
 *   DATETIME   isoformat(), and "[_fold=1]" behind it where fold is 1; naive
 *   TIME       or with a datetime.timezone
 *   TIMEDELTA  three packed INT items: days, seconds, microseconds
 *   DECIMAL    str(value)
 *   JSON       json.dumps without spaces, not escaped, surrogatepass
 *
 * Layer    extension.
 * Threads  with the GIL.  Neither direction calls into kist handles, so a
 *          view stays good; what is made of nested or foreign types copies
 *          its bytes first, because building it may run the collector and a
 *          finalizer may use kist.
 *
 * INVARIANTS
 *  (1) Stored bytes are checked, never believed: depth KIST_PACK_DEPTH_MAX,
 *      sizes by kist_unpack_value(), text by the decoder.
 *  (2) A kist_value made here borrows from the object or from the scratch:
 *      both must outlive its use.
 */
#ifndef KPY_CONVERT_H
#define KPY_CONVERT_H

#include "module.h"

/* The value type of a collection as Python has it. */
typedef struct kpy_klass {
    kist_type type;     /* KIST_ANY: klass=None */
    PyTypeObject *only; /* klass=dict or list: JSON of that type only */
} kpy_klass;

/*
 * int, str, bool, float, bytes, dict, list, tuple, None or one of 'int32'
 * 'int64' 'int128' 'string' 'bool' 'float' 'bytes' 'json' 'tuple' (P27).
 * `object` may be NULL.  0, or -1 with TypeError or ValueError.
 */
int kpy_klass_parse(PyObject *object, kpy_klass *klass);

/* "int64" and so on; "None" for KIST_ANY. */
const char *kpy_klass_name(kist_type type);

/* A new reference: the name as str, or None. */
PyObject *kpy_klass_object(kist_type type);

/* --- scratch ------------------------------------------------------------- */

/* The bytes of a value at one depth of nesting, and those of its items. */
typedef struct kpy_level {
    kist_buf buf;
    struct kpy_level *next; /* made when first needed */
} kpy_level;

/*
 * Memory for what has to be encoded.  Start with {0}; most values borrow from
 * their object and leave it empty.
 */
typedef struct kpy_scratch {
    kpy_level level;
    kist_buf key;
} kpy_scratch;

/* Frees what it holds and makes it empty and usable again. */
void kpy_scratch_fini(kpy_scratch *scratch);

static inline void
kpy_scratch_done(kpy_scratch *scratch)
{
    if (scratch->level.buf.data != NULL || scratch->level.next != NULL ||
        scratch->key.data != NULL) {
        kpy_scratch_fini(scratch);
    }
}

/* --- to kist ---------------------------------------------------------------
 */

int kpy_value_slowly(kpy_state *state, kpy_klass klass, PyObject *object,
                     kpy_scratch *scratch, kist_value *value);

/* The commonest: a str of ASCII, and an int of 64 bits.  False: look closer.
 */
static inline bool
kpy_value_is_plain(kpy_klass klass, PyObject *object, kist_value *value)
{
    if (PyUnicode_CheckExact(object)) {
        if ((klass.type != KIST_ANY && klass.type != KIST_TEXT) ||
            !PyUnicode_IS_COMPACT_ASCII(object)) {
            return false;
        }
        *value = kist_blob(KIST_TEXT, PyUnicode_1BYTE_DATA(object),
                           (size_t)PyUnicode_GET_LENGTH(object));
        return true;
    }
    if (PyLong_CheckExact(object) &&
        (klass.type == KIST_ANY || klass.type == KIST_INT)) {
        int overflow;

        *value = kist_int(PyLong_AsLongLongAndOverflow(object, &overflow));
        return overflow == 0;
    }
    return false;
}

/*
 * *value becomes `object` under `klass`.  0, or -1 with the TypeError of P28
 * ("Expected float for float, got str"), OverflowError, RecursionError or
 * MemoryError set.
 */
static inline int
kpy_value_of(kpy_state *state, kpy_klass klass, PyObject *object,
             kpy_scratch *scratch, kist_value *value)
{
    return kpy_value_is_plain(klass, object, value)
               ? 0
               : kpy_value_slowly(state, klass, object, scratch, value);
}

/*
 * For `in`, index, count, discard: 1 and *value; 0 if no collection of this
 * klass can hold anything that equals `object`; -1 with an error set.  It
 * knows that 1 == 1.0 == True: an int collection is asked for int 1 when
 * `object` is 1.0 or True (the numeric twin that can be stored), a float one
 * for 1.0 when it is 1.  Unhashable objects are the caller's to refuse.
 */
int kpy_value_probe(kpy_state *state, kpy_klass klass, PyObject *object,
                    kpy_scratch *scratch, kist_value *value);

/*
 * The UTF-8 of a str (or a subclass of it), borrowed from it or, with lone
 * surrogates, put into `spill`.  0 or -1.
 */
int kpy_text_of(PyObject *text, kist_buf *spill, kist_slice *slice);

/* A dict key: as kpy_text_of(), which see; `key` must be a str. */
static inline int
kpy_key_of(PyObject *key, kpy_scratch *scratch, kist_slice *slice)
{
    if (PyUnicode_IS_COMPACT_ASCII(key)) {
        slice->data = PyUnicode_1BYTE_DATA(key);
        slice->size = (size_t)PyUnicode_GET_LENGTH(key);
        return 0;
    }
    return kpy_text_of(key, &scratch->key, slice);
}

/* --- many at once ----------------------------------------------------------
 */

/*
 * Keys and values gathered for one put_many, append_many or add_many, with
 * references to the objects they borrow from.  Start with {0}.
 *
 *   keys    [ slice ][ slice ] ...     NULL unless `key` was given to add
 *   values  [ value ][ value ] ...
 *   owners  [ key object, value object ] ...   or one object an item
 */
typedef struct kpy_haul {
    kist_slice *keys;
    kist_value *values;
    PyObject **owners;
    size_t count;
    size_t capacity;
    size_t owner_count;
    kpy_scratch scratch;
    struct kpy_chunk *chunks; /* copies of what was encoded */
} kpy_haul;

/* Adds one item; `key` is a str, or NULL always.  0 or -1; the haul stays. */
int kpy_haul_add(kpy_state *state, kpy_klass klass, kpy_haul *haul,
                 PyObject *key, PyObject *value);

/* Frees everything; the haul is empty and usable again. */
void kpy_haul_fini(kpy_haul *haul);

/* --- to Python -------------------------------------------------------------
 */

/* A str of UTF-8 with surrogatepass; quick where it is ASCII. */
PyObject *kpy_text_new(kpy_state *state, kist_slice slice);

/* A new object of `value`; CorruptError if it makes no sense. */
PyObject *kpy_object_of(kpy_state *state, const kist_value *value);

/*
 * The last two str that an iterator handed out.  When it is asked for the
 * next one the last is in the loop's variable, but the one before it mostly
 * nobody's: then its memory becomes the next str, and none is allocated and
 * freed.  Where all are kept, as list() does, none is looked after.  Start
 * with {0}.
 */
typedef struct kpy_spares {
    PyObject *texts[2];
    uint8_t next;
    uint8_t kept; /* how many in a row somebody had */
    uint8_t rest; /* how many are yet to be made without a look */
} kpy_spares;

/* As kpy_text_new(). */
PyObject *kpy_text_again(kpy_state *state, kist_slice slice,
                         kpy_spares *spares);

/* As kpy_object_of(). */
static inline PyObject *
kpy_object_again(kpy_state *state, const kist_value *value, kpy_spares *spares)
{
    return value->type == KIST_TEXT
               ? kpy_text_again(state, value->as.bytes, spares)
               : kpy_object_of(state, value);
}

void kpy_spares_clear(kpy_spares *spares);

/*
 * True if kpy_object_of() makes each of the values without running anything
 * but the allocator, so that views of many may be in use meanwhile.
 */
bool kpy_values_are_simple(const kist_value *values, size_t count);

/*
 * Makes objects[i] of values[i] for all i, all views of one call.  What is
 * KIST_ANY (absent) becomes NULL.  Use this rather than kpy_object_of() in a
 * loop, which could outlive the views (see Threads).  0, or -1 with an error
 * set and no object kept.
 */
int kpy_objects_of(kpy_state *state, const kist_value *values, size_t count,
                   PyObject **objects);

#endif /* KPY_CONVERT_H */
