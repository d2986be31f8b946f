/* Keys of stores: checked, flattened, and joined for the library. */

#include "strtuple.h"

#include <string.h>

static inline kpy_strtuple *
as_key(PyObject *object)
{
    return (kpy_strtuple *)object;
}

static inline bool
is_key(const kpy_state *state, PyObject *object)
{
    return PyObject_TypeCheck(object, state->types[KPY_TYPE_SAFESTR]);
}

/* --- what is safe --------------------------------------------------------
 */

/* ASCII letters and digits, and ( ) _ - ~ . = : a bit for each of them. */
static const uint32_t safe_bits[8] = {0, 0x23ff6300, 0x87fffffe, 0x47fffffe,
                                      0, 0,          0,          0};

static inline bool
is_safe_byte(uint8_t byte)
{
    return (safe_bits[byte >> 5] >> (byte & 31) & 1) != 0;
}

static bool
are_safe_bytes(const uint8_t *text, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (!is_safe_byte(text[i])) {
            return false;
        }
    }
    return true;
}

static inline bool
is_dots(const uint8_t *text, size_t size)
{
    return text[0] == '.' && (size == 1 || (size == 2 && text[1] == '.'));
}

bool
kpy_component_is_safe(const uint8_t *text, size_t size)
{
    return size > 0 && size <= KPY_COMPONENT_SIZE_MAX &&
           !is_dots(text, size) && are_safe_bytes(text, size);
}

bool
kpy_path_is_safe(kist_slice text)
{
    const uint8_t *at = text.data;
    size_t left = text.size;

    for (;;) {
        const uint8_t *slash = left == 0 ? NULL : memchr(at, '/', left);
        size_t size = slash == NULL ? left : (size_t)(slash - at);

        if (!kpy_component_is_safe(at, size)) {
            return false;
        }
        if (slash == NULL) {
            return true;
        }
        at += size + 1;
        left -= size + 1;
    }
}

/* Says why `text` is no component; the order is the contract's. */
static int
refuse_component(PyObject *text)
{
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);

    if (length == 0) {
        PyErr_SetString(PyExc_ValueError, "Strings must be non-empty");
    }
    else if (length > KPY_COMPONENT_SIZE_MAX) {
        PyErr_Format(PyExc_ValueError, "String length must be < %d, got %zd",
                     KPY_COMPONENT_SIZE_MAX + 1, length);
    }
    else if (PyUnicode_IS_COMPACT_ASCII(text) &&
             is_dots(PyUnicode_1BYTE_DATA(text), (size_t)length)) {
        PyErr_Format(PyExc_ValueError, "%R is not allowed as a key component",
                     text);
    }
    else {
        PyErr_SetString(PyExc_ValueError,
                        "String contains disallowed characters");
    }
    return -1;
}

int
kpy_component_check(PyObject *text)
{
    if (PyUnicode_IS_COMPACT_ASCII(text) &&
        kpy_component_is_safe(PyUnicode_1BYTE_DATA(text),
                              (size_t)PyUnicode_GET_LENGTH(text))) {
        return 0;
    }
    return refuse_component(text);
}

/* --- gathering -------------------------------------------------------------
 */

#define GATHER_FEW 8

/* The components found so far, each a reference. */
typedef struct gather {
    kpy_state *state;
    PyObject **items; /* `few`, or memory of its own */
    Py_ssize_t count;
    Py_ssize_t room;
    PyObject *few[GATHER_FEW];
} gather;

static int gather_add(gather *found, PyObject *argument);

static void
gather_init(gather *found, kpy_state *state)
{
    found->state = state;
    found->items = found->few;
    found->count = 0;
    found->room = GATHER_FEW;
}

static void
gather_fini(gather *found)
{
    Py_ssize_t i;

    for (i = 0; i < found->count; i++) {
        Py_DECREF(found->items[i]);
    }
    if (found->items != found->few) {
        PyMem_Free(found->items);
    }
}

/* Takes a reference of its own. */
static int
gather_push(gather *found, PyObject *text)
{
    if (found->count == found->room) {
        const Py_ssize_t room = found->room * 2;
        PyObject **items =
            found->items == found->few
                ? PyMem_Malloc((size_t)room * sizeof(PyObject *))
                : PyMem_Realloc(found->items,
                                (size_t)room * sizeof(PyObject *));

        if (items == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (found->items == found->few) {
            memcpy(items, found->few, sizeof(found->few));
        }
        found->items = items;
        found->room = room;
    }
    found->items[found->count++] = Py_NewRef(text);
    return 0;
}

static int
gather_tuple(gather *found, PyObject *tuple)
{
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        if (gather_add(found, PyTuple_GET_ITEM(tuple, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Iterates over what is like a sequence; anything else is refused. */
static int
gather_sequence(gather *found, PyObject *argument)
{
    PyTypeObject *type = Py_TYPE(argument);
    const bool sized =
        (type->tp_as_sequence != NULL && type->tp_as_sequence->sq_length) ||
        (type->tp_as_mapping != NULL && type->tp_as_mapping->mp_length);
    const bool indexed =
        (type->tp_as_sequence != NULL && type->tp_as_sequence->sq_item) ||
        (type->tp_as_mapping != NULL && type->tp_as_mapping->mp_subscript);
    PyObject *keys = NULL;
    PyObject *iterator;
    PyObject *item;

    if (sized && indexed && type->tp_iter != NULL) {
        keys = PyObject_GetAttr(argument, found->state->names[KPY_NAME_KEYS]);
        if (keys == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                return -1;
            }
            PyErr_Clear();
        }
    }
    if (!sized || !indexed || type->tp_iter == NULL ||
        (keys != NULL && PyCallable_Check(keys))) {
        Py_XDECREF(keys);
        PyErr_Format(PyExc_TypeError, "Invalid argument type: %R",
                     (PyObject *)type);
        return -1;
    }
    Py_XDECREF(keys);
    iterator = PyObject_GetIter(argument);
    if (iterator == NULL) {
        return -1;
    }
    while ((item = PyIter_Next(iterator)) != NULL) {
        const int rc = gather_add(found, item);

        Py_DECREF(item);
        if (rc < 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int
gather_text(gather *found, PyObject *text)
{
    PyObject *exact;
    int rc;

    if (PyUnicode_CheckExact(text)) {
        return kpy_component_check(text) < 0 ? -1 : gather_push(found, text);
    }
    // The characters of a subclass are those of the str that it is; what it
    // overrides must not change a key later.
    exact = PyUnicode_FromObject(text);
    if (exact == NULL) {
        return -1;
    }
    rc = kpy_component_check(exact) < 0 ? -1 : gather_push(found, exact);
    Py_DECREF(exact);
    return rc;
}

/* Adds what `argument` holds, from left to right. */
static int
gather_add(gather *found, PyObject *argument)
{
    int rc;

    if (PyUnicode_Check(argument)) {
        return gather_text(found, argument);
    }
    if (is_key(found->state, argument)) {
        return gather_tuple(found, as_key(argument)->strings);
    }
    if (Py_EnterRecursiveCall(" in a key")) {
        return -1;
    }
    if (PyTuple_CheckExact(argument)) {
        rc = gather_tuple(found, argument);
    }
    else {
        rc = gather_sequence(found, argument);
    }
    Py_LeaveRecursiveCall();
    return rc;
}

/* A tuple of what was found, which moves into it. */
static PyObject *
gather_take(gather *found)
{
    PyObject *tuple = PyTuple_New(found->count);
    Py_ssize_t i;

    if (tuple == NULL) {
        return NULL;
    }
    for (i = 0; i < found->count; i++) {
        PyTuple_SET_ITEM(tuple, i, found->items[i]);
    }
    found->count = 0;
    return tuple;
}

/* --- making ----------------------------------------------------------------
 */

static int
refuse_empty(void)
{
    PyErr_SetString(PyExc_ValueError,
                    "NonEmptySafeStrTuple must contain at least one string");
    return -1;
}

PyObject *
kpy_strings_of(kpy_state *state, PyObject *const *args, Py_ssize_t count,
               bool full)
{
    PyObject *strings = NULL;
    gather found;
    Py_ssize_t i;

    if (count == 1 && is_key(state, args[0])) {
        strings = Py_NewRef(as_key(args[0])->strings);
    }
    else {
        gather_init(&found, state);
        for (i = 0; i < count; i++) {
            if (gather_add(&found, args[i]) < 0) {
                break;
            }
        }
        if (i == count) {
            strings = gather_take(&found);
        }
        gather_fini(&found);
    }
    if (strings != NULL && full && PyTuple_GET_SIZE(strings) == 0) {
        Py_DECREF(strings);
        (void)refuse_empty();
        return NULL;
    }
    return strings;
}

PyObject *
kpy_key_wrap(PyTypeObject *type, PyObject *strings)
{
    kpy_strtuple *key;

    if (strings == NULL) {
        return NULL;
    }
    key = (kpy_strtuple *)type->tp_alloc(type, 0);
    if (key == NULL) {
        Py_DECREF(strings);
        return NULL;
    }
    key->strings = strings;
    return (PyObject *)key;
}

static PyObject *
key_make(kpy_state *state, kpy_type_id id, PyObject *argument)
{
    if (Py_IS_TYPE(argument, state->types[id])) {
        return Py_NewRef(argument);
    }
    return kpy_key_wrap(
        state->types[id],
        kpy_strings_of(state, &argument, 1, id == KPY_TYPE_SAFESTR_FULL));
}

PyObject *
kpy_key_coerce(kpy_state *state, PyObject *key)
{
    return key_make(state, KPY_TYPE_SAFESTR_FULL, key);
}

PyObject *
kpy_key_coerce_any(kpy_state *state, PyObject *key)
{
    return key_make(state, KPY_TYPE_SAFESTR, key);
}

static PyObject *
ascii_new(const uint8_t *text, size_t size)
{
    PyObject *made = PyUnicode_New((Py_ssize_t)size, 0x7f);

    if (made != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(made), text, size);
    }
    return made;
}

/* The components of a joined key. */
static PyObject *
strings_of_path(kist_slice text)
{
    const uint8_t *const begin = text.data;
    const uint8_t *at = begin;
    Py_ssize_t count = text.size == 0 ? 0 : 1;
    PyObject *strings;
    Py_ssize_t i;
    size_t k;

    for (k = 0; k < text.size; k++) {
        count += at[k] == '/';
    }
    strings = PyTuple_New(count);
    for (i = 0; strings != NULL && i < count; i++) {
        const size_t left = text.size - (size_t)(at - begin);
        const uint8_t *slash = memchr(at, '/', left);
        const size_t size = slash == NULL ? left : (size_t)(slash - at);
        PyObject *component = ascii_new(at, size);

        if (component == NULL) {
            Py_CLEAR(strings);
            break;
        }
        PyTuple_SET_ITEM(strings, i, component);
        at += size + 1;
    }
    return strings;
}

PyObject *
kpy_key_of_path(kpy_state *state, kist_slice text)
{
    return kpy_key_wrap(state->types[KPY_TYPE_SAFESTR_FULL],
                        strings_of_path(text));
}

PyObject *
kpy_key_listed(kpy_state *state, kist_slice text)
{
    return kpy_key_wrap(state->types[KPY_TYPE_SAFESTR], strings_of_path(text));
}

PyObject *
kpy_key_longer(PyObject *prefix, PyObject *leaf)
{
    const Py_ssize_t size = PyTuple_GET_SIZE(prefix);
    PyObject *tuple = PyTuple_New(size + 1);
    Py_ssize_t i;

    if (tuple == NULL) {
        return NULL;
    }
    for (i = 0; i < size; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(PyTuple_GET_ITEM(prefix, i)));
    }
    PyTuple_SET_ITEM(tuple, size, Py_NewRef(leaf));
    return tuple;
}

/* --- to the library --------------------------------------------------------
 */

/* Puts the strings of a tuple into `out` with "/" between. */
static void
join_into(PyObject *strings, uint8_t *out)
{
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(strings); i++) {
        PyObject *text = PyTuple_GET_ITEM(strings, i);
        const size_t size = (size_t)PyUnicode_GET_LENGTH(text);

        if (i > 0) {
            *out++ = '/';
        }
        memcpy(out, PyUnicode_1BYTE_DATA(text), size);
        out += size;
    }
}

static size_t
joined_size(PyObject *strings)
{
    size_t size = 0;
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(strings); i++) {
        size += (size_t)PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(strings, i)) +
                (i > 0);
    }
    return size;
}

static inline void
path_of_text(PyObject *text, kpy_path *path)
{
    path->owner = Py_NewRef(text);
    path->text.data = PyUnicode_1BYTE_DATA(text);
    path->text.size = (size_t)PyUnicode_GET_LENGTH(text);
}

/*
 * *path of checked strings.  What does not fit into the room becomes bytes,
 * which are kept in *cache if that is given.
 */
static int
path_of_strings(PyObject *strings, PyObject **cache, kpy_path *path)
{
    const size_t size = joined_size(strings);
    PyObject *bytes;

    path->owner = NULL;
    path->text.data = path->room;
    path->text.size = size;
    if (size <= sizeof(path->room) && cache == NULL) {
        join_into(strings, path->room);
        return 0;
    }
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes == NULL) {
        return -1;
    }
    join_into(strings, (uint8_t *)PyBytes_AS_STRING(bytes));
    path->text.data = (const uint8_t *)PyBytes_AS_STRING(bytes);
    path->owner = bytes;
    if (cache != NULL && *cache == NULL) {
        *cache = Py_NewRef(bytes);
    }
    return 0;
}

static int
path_of_key(kpy_strtuple *key, bool full, kpy_path *path)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(key->strings);

    if (count == 1) {
        path_of_text(PyTuple_GET_ITEM(key->strings, 0), path);
        return 0;
    }
    if (count == 0 && full) {
        return refuse_empty();
    }
    if (key->joined == NULL) {
        return path_of_strings(key->strings, count == 0 ? NULL : &key->joined,
                               path);
    }
    path->owner = Py_NewRef(key->joined);
    path->text.data = (const uint8_t *)PyBytes_AS_STRING(key->joined);
    path->text.size = (size_t)PyBytes_GET_SIZE(key->joined);
    return 0;
}

/* Whether a tuple is nothing but exact strings that are safe components. */
static bool
is_plain(PyObject *tuple)
{
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *text = PyTuple_GET_ITEM(tuple, i);

        if (!PyUnicode_CheckExact(text) || !PyUnicode_IS_COMPACT_ASCII(text) ||
            !kpy_component_is_safe(PyUnicode_1BYTE_DATA(text),
                                   (size_t)PyUnicode_GET_LENGTH(text))) {
            return false;
        }
    }
    return PyTuple_GET_SIZE(tuple) > 0;
}

static int
path_of(kpy_state *state, PyObject *key, bool full, kpy_path *path)
{
    PyObject *strings;
    int rc;

    if (PyUnicode_CheckExact(key)) {
        if (kpy_component_check(key) < 0) {
            return -1;
        }
        path_of_text(key, path);
        return 0;
    }
    if (is_key(state, key)) {
        return path_of_key(as_key(key), full, path);
    }
    if (PyTuple_CheckExact(key) && is_plain(key)) {
        return path_of_strings(key, NULL, path);
    }
    strings = kpy_strings_of(state, &key, 1, full);
    if (strings == NULL) {
        return -1;
    }
    rc = path_of_strings(strings, NULL, path);
    Py_DECREF(strings);
    return rc;
}

int
kpy_path_of(kpy_state *state, PyObject *key, kpy_path *path)
{
    return path_of(state, key, true, path);
}

int
kpy_path_of_prefix(kpy_state *state, PyObject *key, kpy_path *path)
{
    return path_of(state, key, false, path);
}
