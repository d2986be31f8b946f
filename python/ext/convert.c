/*
 * What both directions need: the names of klass, scratch memory, text, hauls.
 * encode.c and decode.c do the rest.
 */
#include "convert.h"

#include "errors.h"

#define CHUNK_SIZE ((size_t)64 << 10)
#define HAUL_FIRST ((size_t)16)

/* --- klass -----------------------------------------------------------------
 */

static const struct {
    const char *name;
    kist_type type;
} klass_names[] = {
    {"int32", KIST_INT32}, {"int64", KIST_INT},   {"int128", KIST_INT128},
    {"string", KIST_TEXT}, {"bool", KIST_BOOL},   {"float", KIST_FLOAT},
    {"bytes", KIST_BYTES}, {"tuple", KIST_TUPLE}, {"json", KIST_JSON},
};

#define KLASS_COUNT (sizeof(klass_names) / sizeof(klass_names[0]))

static bool
klass_of_type(PyObject *object, kpy_klass *klass)
{
    static const kpy_klass none = {KIST_ANY, NULL};

    *klass = none;
    if (object == (PyObject *)&PyLong_Type) {
        klass->type = KIST_INT;
    }
    else if (object == (PyObject *)&PyUnicode_Type) {
        klass->type = KIST_TEXT;
    }
    else if (object == (PyObject *)&PyBool_Type) {
        klass->type = KIST_BOOL;
    }
    else if (object == (PyObject *)&PyFloat_Type) {
        klass->type = KIST_FLOAT;
    }
    else if (object == (PyObject *)&PyBytes_Type) {
        klass->type = KIST_BYTES;
    }
    else if (object == (PyObject *)&PyTuple_Type) {
        klass->type = KIST_TUPLE;
    }
    else if (object == (PyObject *)&PyDict_Type ||
             object == (PyObject *)&PyList_Type) {
        klass->type = KIST_JSON;
        klass->only = (PyTypeObject *)object;
    }
    return klass->type != KIST_ANY;
}

int
kpy_klass_parse(PyObject *object, kpy_klass *klass)
{
    size_t i;

    klass->type = KIST_ANY;
    klass->only = NULL;
    if (object == NULL || object == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(object)) {
        for (i = 0; i < KLASS_COUNT; i++) {
            if (PyUnicode_CompareWithASCIIString(object,
                                                 klass_names[i].name) == 0) {
                klass->type = klass_names[i].type;
                return 0;
            }
        }
    }
    else if (!PyType_Check(object)) {
        PyErr_Format(PyExc_TypeError,
                     "klass must be a type or its name, not %.200s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    else if (klass_of_type(object, klass)) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError,
                 "klass is %R; it may be None, int, str, bool, float, bytes, "
                 "dict, list, tuple, 'int32', 'int64', 'int128', 'string', "
                 "'bool', 'float', 'bytes', 'json' or 'tuple'",
                 object);
    return -1;
}

const char *
kpy_klass_name(kist_type type)
{
    size_t i;

    for (i = 0; i < KLASS_COUNT; i++) {
        if (klass_names[i].type == type) {
            return klass_names[i].name;
        }
    }
    return type == KIST_ANY ? "None" : kist_type_name(type);
}

PyObject *
kpy_klass_object(kist_type type)
{
    if (type == KIST_ANY) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(kpy_klass_name(type));
}

/* --- scratch ----------------------------------------------------------------
 */

void
kpy_scratch_fini(kpy_scratch *scratch)
{
    kpy_level *level = scratch->level.next;

    kist_buf_fini(&scratch->level.buf);
    kist_buf_fini(&scratch->key);
    scratch->level.next = NULL;
    while (level != NULL) {
        kpy_level *next = level->next;

        kist_buf_fini(&level->buf);
        PyMem_Free(level);
        level = next;
    }
}

/* --- text
 * ---------------------------------------------------------------------
 */

/* Lone surrogates have no UTF-8 of their own: row 55 keeps them anyhow. */
static int
text_with_surrogates(PyObject *text, kist_buf *spill, kist_slice *slice)
{
    PyObject *bytes;
    kist_status status;

    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return -1;
    }
    PyErr_Clear();
    bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (bytes == NULL) {
        return -1;
    }
    kist_buf_clear(spill);
    status = kist_buf_append(spill, PyBytes_AS_STRING(bytes),
                             (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    if (status != KIST_OK) {
        (void)PyErr_NoMemory();
        return -1;
    }
    *slice = kist_buf_slice(spill);
    return 0;
}

int
kpy_text_of(PyObject *text, kist_buf *spill, kist_slice *slice)
{
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(text, &size);

    if (data == NULL) {
        return text_with_surrogates(text, spill, slice);
    }
    *slice = kist_bytes(data, (size_t)size);
    return 0;
}

/* --- hauls
 * ----------------------------------------------------------------------
 */

typedef struct kpy_chunk {
    struct kpy_chunk *next;
    size_t used;
    size_t size;
    uint8_t data[];
} kpy_chunk;

/* Copies *slice to where it stays as long as the haul; 0 or -1. */
static int
haul_keep(kpy_haul *haul, kist_slice *slice)
{
    kpy_chunk *chunk = haul->chunks;

    if (slice->size == 0) {
        slice->data = "";
        return 0;
    }
    if (chunk == NULL || chunk->size - chunk->used < slice->size) {
        const size_t size =
            slice->size > CHUNK_SIZE ? slice->size : CHUNK_SIZE;

        chunk = PyMem_Malloc(sizeof(*chunk) + size);
        if (chunk == NULL) {
            (void)PyErr_NoMemory();
            return -1;
        }
        chunk->next = haul->chunks;
        chunk->used = 0;
        chunk->size = size;
        haul->chunks = chunk;
    }
    memcpy(chunk->data + chunk->used, slice->data, slice->size);
    slice->data = chunk->data + chunk->used;
    chunk->used += slice->size;
    return 0;
}

/* Makes an array of `capacity` things of *array; the old one on failure. */
static int
array_grow(void **array, size_t capacity, size_t size)
{
    void *grown = PyMem_Realloc(*array, capacity * size);

    if (grown == NULL) {
        (void)PyErr_NoMemory();
        return -1;
    }
    *array = grown;
    return 0;
}

static int
haul_room(kpy_haul *haul, bool keyed)
{
    const size_t capacity =
        haul->capacity == 0 ? HAUL_FIRST : haul->capacity * 2;
    void *keys = haul->keys;
    void *values = haul->values;
    void *owners = haul->owners;
    int result = 0;

    if (haul->count < haul->capacity) {
        return 0;
    }
    if (array_grow(&values, capacity, sizeof(*haul->values)) < 0 ||
        array_grow(&owners, capacity * 2, sizeof(*haul->owners)) < 0 ||
        (keyed && array_grow(&keys, capacity, sizeof(*haul->keys)) < 0)) {
        result = -1;
    }
    // What did grow has moved.
    haul->keys = keys;
    haul->values = values;
    haul->owners = owners;
    haul->capacity = result == 0 ? capacity : haul->capacity;
    return result;
}

int
kpy_haul_add(kpy_state *state, kpy_klass klass, kpy_haul *haul, PyObject *key,
             PyObject *value)
{
    kist_value made;
    kist_slice name = {NULL, 0};

    if (haul_room(haul, key != NULL) < 0) {
        return -1;
    }
    if (key != NULL && kpy_key_of(key, &haul->scratch, &name) < 0) {
        return -1;
    }
    if (name.data != NULL && name.data == haul->scratch.key.data &&
        haul_keep(haul, &name) < 0) {
        return -1;
    }
    if (kpy_value_of(state, klass, value, &haul->scratch, &made) < 0) {
        return -1;
    }
    if (kist_type_has_bytes(made.type) && made.as.bytes.data != NULL &&
        made.as.bytes.data == haul->scratch.level.buf.data &&
        haul_keep(haul, &made.as.bytes) < 0) {
        return -1;
    }
    if (key != NULL) {
        haul->keys[haul->count] = name;
        haul->owners[haul->owner_count++] = Py_NewRef(key);
    }
    haul->owners[haul->owner_count++] = Py_NewRef(value);
    haul->values[haul->count++] = made;
    return 0;
}

void
kpy_haul_fini(kpy_haul *haul)
{
    PyObject **const owners = haul->owners;
    const size_t owner_count = haul->owner_count;
    size_t i;

    PyMem_Free(haul->keys);
    PyMem_Free(haul->values);
    kpy_scratch_fini(&haul->scratch);
    while (haul->chunks != NULL) {
        kpy_chunk *next = haul->chunks->next;

        PyMem_Free(haul->chunks);
        haul->chunks = next;
    }
    memset(haul, 0, sizeof(*haul));
    for (i = 0; i < owner_count; i++) {
        Py_DECREF(owners[i]);
    }
    PyMem_Free(owners);
}
