#include "fmt.h"

#include "convert.h"
#include "errors.h"
#include "fmtjson.h"
#include "fmtlz4.h"

#define PICKLE_PROTOCOL 4
#define MUCH            ((size_t)256 << 10) /* worth letting the GIL go */
#define MAGIC_SIZE      8u
#define MAGIC_KIST      "kist-val"
#define MAGIC_SPKL      "kist-sig"
#define MAC_SIZE        32u
#define ARRAY_MARK      "joblib.numpy_pickle"

/* --- names -----------------------------------------------------------------
 */

kpy_fmt_kind
kpy_fmt_kind_of(PyObject *name)
{
    static const struct {
        const char *name;
        kpy_fmt_kind kind;
    } known[] = {
        {"pkl", KPY_FMT_PKL},
        {"json", KPY_FMT_JSON},
        {"spkl", KPY_FMT_SPKL},
        {"kist", KPY_FMT_KIST},
    };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (PyUnicode_CompareWithASCIIString(name, known[i].name) == 0) {
            return known[i].kind;
        }
    }
    return KPY_FMT_TEXT;
}

/* --- errors ----------------------------------------------------------------
 */

/* Those that say more about this machine or program than about the bytes. */
static bool
is_not_the_bytes(PyObject *error)
{
    return !PyErr_GivenExceptionMatches(error, PyExc_Exception) ||
           PyErr_GivenExceptionMatches(error, PyExc_MemoryError) ||
           PyErr_GivenExceptionMatches(error, PyExc_RecursionError) ||
           PyErr_GivenExceptionMatches(error, PyExc_ImportError) ||
           PyErr_GivenExceptionMatches(error, PyExc_AttributeError) ||
           PyErr_GivenExceptionMatches(error, PyExc_PermissionError);
}

/* The exception that is set, taken away; never NULL. */
static PyObject *
error_take(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type;
    PyObject *value;
    PyObject *trace;

    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        (void)PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(trace);
    Py_DECREF(type);
    return value;
#endif
}

static void
error_put_back(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(error);
#else
    PyObject *trace = PyException_GetTraceback(error);

    PyErr_Restore(Py_NewRef(Py_TYPE(error)), error, trace);
#endif
}

/* The error that is set becomes the cause of a CorruptError. */
static PyObject *
blame_bytes(kpy_state *state, const char *what)
{
    PyObject *first = error_take();
    PyObject *error;

    if (is_not_the_bytes(first) ||
        PyErr_GivenExceptionMatches(first, state->errors[KPY_ERROR])) {
        error_put_back(first);
        return NULL;
    }
    PyErr_Format(state->errors[KPY_ERROR_CORRUPT], "damaged %s value: %s: %S",
                 what, Py_TYPE(first)->tp_name, first);
    error = error_take();
    PyException_SetCause(error, first);
    error_put_back(error);
    return NULL;
}

static PyObject *
blame_status(kpy_state *state, kist_status status, const char *what)
{
    switch (status) {
    case KIST_ERR_NOMEM:
        return PyErr_NoMemory();
    case KIST_ERR_TOOBIG:
        PyErr_Format(state->errors[KPY_ERROR_TOOBIG],
                     "the %s value is too large when inflated", what);
        return NULL;
    default:
        PyErr_Format(state->errors[KPY_ERROR_CORRUPT], "damaged %s value",
                     what);
        return NULL;
    }
}

static int
no_memory(void)
{
    (void)PyErr_NoMemory();
    return -1;
}

static int
append(kist_buf *out, const void *data, size_t size)
{
    return kist_buf_append(out, data, size) == KIST_OK ? 0 : no_memory();
}

void
kpy_fmt_note(PyObject *place)
{
    PyObject *error = error_take();
    PyObject *note = PyUnicode_FromFormat("while reading %U", place);
    PyObject *answer = NULL;

    if (note != NULL) {
        answer = PyObject_CallMethod(error, "add_note", "O", note);
    }
    if (answer == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(answer);
    Py_XDECREF(note);
    error_put_back(error);
}

/* --- pickles ---------------------------------------------------------------
 */

static kist_status
deflate(kist_slice plain, kist_buf *out)
{
    PyThreadState *thread = NULL;
    kist_status status;

    if (plain.size >= MUCH) {
        thread = PyEval_SaveThread();
    }
    status = kpy_lz4_deflate(plain, out);
    if (thread != NULL) {
        PyEval_RestoreThread(thread);
    }
    return status;
}

static int
pickle_dump(kpy_state *state, const kpy_fmt *fmt, PyObject *value,
            kist_buf *out)
{
    PyObject *dumps = kpy_lazy(state, KPY_LAZY_PICKLE_DUMPS);
    PyObject *protocol = PyLong_FromLong(PICKLE_PROTOCOL);
    PyObject *pickled = NULL;
    int result = -1;

    if (dumps != NULL && protocol != NULL) {
        PyObject *args[3] = {NULL, value, protocol};

        pickled = PyObject_Vectorcall(
            dumps, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    if (pickled != NULL && !PyBytes_Check(pickled)) {
        PyErr_SetString(PyExc_TypeError, "pickle.dumps() gave no bytes");
    }
    else if (pickled != NULL &&
             (size_t)PyBytes_GET_SIZE(pickled) > fmt->inflated_max) {
        // It could never be read again.
        PyErr_Format(state->errors[KPY_ERROR_TOOBIG],
                     "the pickle of the value is %zd bytes, inflated_max is "
                     "%zu",
                     PyBytes_GET_SIZE(pickled), fmt->inflated_max);
    }
    else if (pickled != NULL) {
        const kist_slice plain = kist_bytes(PyBytes_AS_STRING(pickled),
                                            (size_t)PyBytes_GET_SIZE(pickled));

        result = deflate(plain, out) == KIST_OK ? 0 : no_memory();
    }
    Py_XDECREF(pickled);
    Py_XDECREF(protocol);
    return result;
}

/* One of kist.persidict.formats, called with bytes. */
static PyObject *
call_with_bytes(kpy_state *state, kpy_lazy_id id, kist_slice data,
                PyObject *more)
{
    PyObject *function = kpy_lazy(state, id);
    PyObject *bytes = NULL;
    PyObject *answer = NULL;

    if (function != NULL) {
        bytes = PyBytes_FromStringAndSize(data.data, (Py_ssize_t)data.size);
    }
    if (bytes != NULL) {
        answer = PyObject_CallFunctionObjArgs(function, bytes, more, NULL);
    }
    Py_XDECREF(bytes);
    return answer;
}

/* What a pickle, not compressed, stands for. */
static PyObject *
pickle_of(kpy_state *state, kist_slice plain)
{
    if (memmem(plain.data, plain.size, ARRAY_MARK, sizeof(ARRAY_MARK) - 1) !=
        NULL) {
        return call_with_bytes(state, KPY_LAZY_FMT_ARRAYS, plain, NULL);
    }
    return call_with_bytes(state, KPY_LAZY_PICKLE_LOADS, plain, NULL);
}

static PyObject *
pickle_of_frame(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    PyThreadState *thread = NULL;
    PyObject *value = NULL;
    kist_buf plain;
    kist_status status;

    // A last block may ask for the room of a whole one.
    kist_buf_init(&plain, fmt->inflated_max + ((size_t)4 << 20));
    if (data.size >= MUCH / 4) {
        thread = PyEval_SaveThread();
    }
    status = kpy_lz4_inflate(data, fmt->inflated_max, &plain);
    if (thread != NULL) {
        PyEval_RestoreThread(thread);
    }
    if (status == KIST_OK) {
        value = pickle_of(state, kist_buf_slice(&plain));
    }
    else {
        (void)blame_status(state, status, "pkl");
    }
    kist_buf_fini(&plain);
    return value;
}

/* The same of the compressions that the standard library has. */
static PyObject *
pickle_of_rare(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    PyObject *limit = PyLong_FromSize_t(fmt->inflated_max);
    PyObject *plain = NULL;
    PyObject *value = NULL;

    if (limit != NULL) {
        plain = call_with_bytes(state, KPY_LAZY_FMT_INFLATE, data, limit);
    }
    if (plain != NULL && PyBytes_Check(plain)) {
        value = pickle_of(state, kist_bytes(PyBytes_AS_STRING(plain),
                                            (size_t)PyBytes_GET_SIZE(plain)));
    }
    Py_XDECREF(plain);
    Py_XDECREF(limit);
    return value;
}

/* As joblib tells them apart: by what the file begins with. */
static bool
is_rare(kist_slice data)
{
    static const struct {
        const char *bytes;
        size_t size;
    } fronts[] = {
        {"\x1f\x8b", 2},             // gzip
        {"x", 1},                    // zlib
        {"BZ", 2},                   // bz2
        {"\xfd\x37\x7a\x58\x5a", 5}, // xz
        {"\x5d\x00", 2},             // lzma
        {"ZF", 2},                   // joblib before 0.10
    };
    size_t i;

    for (i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        if (data.size >= fronts[i].size &&
            memcmp(data.data, fronts[i].bytes, fronts[i].size) == 0) {
            return true;
        }
    }
    return false;
}

static PyObject *
pickle_load(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    PyObject *value;

    if (!fmt->trusted) {
        PyErr_SetString(PyExc_PermissionError,
                        "reading a pickle runs what is in it, and others can "
                        "write here: pass allow_shared=True (trusted=True) to "
                        "trust them all, or use format 'spkl' or 'kist'");
        return NULL;
    }
    if (kpy_lz4_is_frame(data)) {
        value = pickle_of_frame(state, fmt, data);
    }
    else if (is_rare(data)) {
        value = pickle_of_rare(state, fmt, data);
    }
    else {
        value = pickle_of(state, data);
    }
    return value == NULL ? blame_bytes(state, "pkl") : value;
}

/* --- signed pickles
 * ----------------------------------------------------------
 */

/* The HMAC-SHA256 of `data` as a new bytes object. */
static PyObject *
mac_of(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    PyObject *digest = kpy_lazy(state, KPY_LAZY_HMAC_DIGEST);
    PyObject *bytes = NULL;
    PyObject *mac = NULL;

    if (fmt->key == NULL) {
        PyErr_SetString(PyExc_ValueError, "format 'spkl' needs a key: see "
                                          "sign_key_file");
        return NULL;
    }
    if (digest != NULL) {
        bytes = PyBytes_FromStringAndSize(data.data, (Py_ssize_t)data.size);
    }
    if (bytes != NULL) {
        mac = PyObject_CallFunction(digest, "OOs", fmt->key, bytes, "sha256");
    }
    Py_XDECREF(bytes);
    if (mac != NULL &&
        (!PyBytes_Check(mac) || PyBytes_GET_SIZE(mac) != MAC_SIZE)) {
        PyErr_SetString(PyExc_SystemError, "hmac.digest() is not 32 bytes");
        Py_CLEAR(mac);
    }
    return mac;
}

static int
signed_dump(kpy_state *state, const kpy_fmt *fmt, PyObject *value,
            kist_buf *out)
{
    static const uint8_t room[MAC_SIZE] = {0};
    const size_t start = out->size;
    const size_t front = MAGIC_SIZE + MAC_SIZE;
    PyObject *mac;

    if (append(out, MAGIC_SPKL, MAGIC_SIZE) < 0 ||
        append(out, room, MAC_SIZE) < 0 ||
        pickle_dump(state, fmt, value, out) < 0) {
        return -1;
    }
    mac = mac_of(
        state, fmt,
        kist_bytes(out->data + start + front, out->size - start - front));
    if (mac == NULL) {
        return -1;
    }
    memcpy(out->data + start + MAGIC_SIZE, PyBytes_AS_STRING(mac), MAC_SIZE);
    Py_DECREF(mac);
    return 0;
}

/* Takes as long wherever the two differ. */
static bool
mac_equal(const uint8_t *left, const uint8_t *right)
{
    volatile uint8_t different = 0;
    size_t i;

    for (i = 0; i < MAC_SIZE; i++) {
        different |= (uint8_t)(left[i] ^ right[i]);
    }
    return different == 0;
}

static PyObject *
signed_load(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    const size_t front = MAGIC_SIZE + MAC_SIZE;
    const uint8_t *bytes = data.data;
    kpy_fmt trusted = *fmt;
    kist_slice pickled;
    PyObject *mac;
    bool right;

    if (data.size < front || memcmp(bytes, MAGIC_SPKL, MAGIC_SIZE) != 0) {
        PyErr_SetString(state->errors[KPY_ERROR_CORRUPT],
                        "damaged spkl value: no signature");
        return NULL;
    }
    pickled = kist_bytes(bytes + front, data.size - front);
    mac = mac_of(state, fmt, pickled);
    if (mac == NULL) {
        return NULL;
    }
    right =
        mac_equal(bytes + MAGIC_SIZE, (const uint8_t *)PyBytes_AS_STRING(mac));
    Py_DECREF(mac);
    if (!right) {
        PyErr_SetString(PyExc_PermissionError,
                        "the signature of an spkl value is not of this key: "
                        "it was damaged, or written by somebody else");
        return NULL;
    }
    trusted.trusted = true;
    return pickle_load(state, &trusted, pickled);
}

/* --- JSON ------------------------------------------------------------------
 */

/* What the Python side made, a str, goes out as UTF-8; it is consumed. */
static int
append_text_take(PyObject *text, kist_buf *out)
{
    Py_ssize_t size;
    const char *bytes;
    int result = -1;

    if (text == NULL) {
        return -1;
    }
    bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes != NULL) {
        result = append(out, bytes, (size_t)size);
    }
    Py_DECREF(text);
    return result;
}

static int
json_dump(kpy_state *state, PyObject *value, kist_buf *out)
{
    const size_t start = out->size;
    const int plain = kpy_json_dump(value, out);
    PyObject *dump;

    if (plain != 0) {
        return plain < 0 ? -1 : 0;
    }
    out->size = start;
    dump = kpy_lazy(state, KPY_LAZY_FMT_JSON_DUMP);
    return dump == NULL
               ? -1
               : append_text_take(PyObject_CallOneArg(dump, value), out);
}

static PyObject *
json_load(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    PyObject *value;

    if (kpy_json_is_plain(data)) {
        value = kpy_json_load(state, data);
    }
    else {
        value = call_with_bytes(state, KPY_LAZY_FMT_JSON_LOAD, data,
                                fmt->trusted ? Py_True : Py_False);
    }
    return value == NULL ? blame_bytes(state, "json") : value;
}

/* --- text ------------------------------------------------------------------
 */

static int
text_dump(PyObject *value, kist_buf *out)
{
    // What str() makes has lone surrogates or not: it is said at once.
    return append_text_take(PyObject_Str(value), out);
}

static PyObject *
text_load(kpy_state *state, kist_slice data)
{
    PyObject *text =
        PyUnicode_DecodeUTF8(data.data, (Py_ssize_t)data.size, NULL);

    return text == NULL ? blame_bytes(state, "text") : text;
}

/* --- kist's own
 * --------------------------------------------------------------
 */

static int
packed_dump(kpy_state *state, PyObject *value, kist_buf *out)
{
    const kpy_klass any = {.type = KIST_ANY};
    kpy_scratch scratch = {0};
    kist_value item;
    kist_status status = KIST_OK;
    int result = kpy_value_of(state, any, value, &scratch, &item);

    if (result == 0) {
        status = kist_buf_append(out, MAGIC_KIST, MAGIC_SIZE);
    }
    if (result == 0 && status == KIST_OK) {
        status = kist_pack_value(out, &item);
    }
    kpy_scratch_done(&scratch);
    return status == KIST_OK ? result : kpy_raise_int(state, status);
}

static PyObject *
packed_load(kpy_state *state, kist_slice data)
{
    kist_slice rest;
    kist_value item;

    if (data.size < MAGIC_SIZE ||
        memcmp(data.data, MAGIC_KIST, MAGIC_SIZE) != 0) {
        return kpy_raise_corrupt(state, "kist value");
    }
    rest = kist_bytes((const uint8_t *)data.data + MAGIC_SIZE,
                      data.size - MAGIC_SIZE);
    if (kist_unpack_value(&rest, &item) != KIST_OK || rest.size != 0 ||
        kist_value_check(&item) != KIST_OK) {
        return kpy_raise_corrupt(state, "kist value");
    }
    return kpy_object_of(state, &item);
}

/* --- all of them
 * -------------------------------------------------------------
 */

int
kpy_fmt_dump(kpy_state *state, const kpy_fmt *fmt, PyObject *value,
             kist_buf *out)
{
    switch (fmt->kind) {
    case KPY_FMT_PKL:
        return pickle_dump(state, fmt, value, out);
    case KPY_FMT_JSON:
        return json_dump(state, value, out);
    case KPY_FMT_SPKL:
        return signed_dump(state, fmt, value, out);
    case KPY_FMT_KIST:
        return packed_dump(state, value, out);
    default:
        return text_dump(value, out);
    }
}

PyObject *
kpy_fmt_load(kpy_state *state, const kpy_fmt *fmt, kist_slice data)
{
    switch (fmt->kind) {
    case KPY_FMT_PKL:
        return pickle_load(state, fmt, data);
    case KPY_FMT_JSON:
        return json_load(state, fmt, data);
    case KPY_FMT_SPKL:
        return signed_load(state, fmt, data);
    case KPY_FMT_KIST:
        return packed_load(state, data);
    default:
        return text_load(state, data);
    }
}
