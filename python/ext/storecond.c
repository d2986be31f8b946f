/* What all stores of Python objects check before they do a thing. */

#include "storeres.h"

#include <string.h>

#include "strtuple.h"

/* --- parts -----------------------------------------------------------------
 */

/* In the order of kpy_part_id. */
static const char *const part_names[KPY_PART_COUNT] = {
    [KPY_PART_KEEP_CURRENT] = "KEEP_CURRENT",
    [KPY_PART_DELETE_CURRENT] = "DELETE_CURRENT",
    [KPY_PART_ANY_ETAG] = "ANY_ETAG",
    [KPY_PART_ETAG_IS_THE_SAME] = "ETAG_IS_THE_SAME",
    [KPY_PART_ETAG_HAS_CHANGED] = "ETAG_HAS_CHANGED",
    [KPY_PART_ALWAYS_RETRIEVE] = "ALWAYS_RETRIEVE",
    [KPY_PART_NEVER_RETRIEVE] = "NEVER_RETRIEVE",
    [KPY_PART_IF_ETAG_CHANGED] = "IF_ETAG_CHANGED",
    [KPY_PART_ITEM_NOT_AVAILABLE] = "ITEM_NOT_AVAILABLE",
    [KPY_PART_VALUE_NOT_RETRIEVED] = "VALUE_NOT_RETRIEVED",
    [KPY_PART_JOKER] = "Joker",
    [KPY_PART_RETRIEVE_FLAG] = "RetrieveValueFlag",
    [KPY_PART_POLICY_ERROR] = "MutationPolicyError",
    [KPY_PART_CONFLICT_ERROR] = "ConcurrencyConflictError",
    [KPY_PART_BACKEND_ERROR] = "BackendError",
    [KPY_PART_PERSIDICT] = "PersiDict",
};

/* _store_register(name, object): keeps it for the life of the module. */
static PyObject *
store_register(PyObject *module, PyObject *args)
{
    kpy_state *state = kpy_state_of_module(module);
    const char *name;
    PyObject *part;
    int i;

    if (!PyArg_ParseTuple(args, "sO:_store_register", &name, &part)) {
        return NULL;
    }
    for (i = 0; i < KPY_PART_COUNT; i++) {
        if (strcmp(name, part_names[i]) == 0) {
            Py_XSETREF(state->parts[i], Py_NewRef(part));
            Py_RETURN_NONE;
        }
    }
    PyErr_Format(PyExc_ValueError, "no part of a store: %s", name);
    return NULL;
}

int
kpy_parts_ready(kpy_state *state)
{
    PyObject *module;

    if (state->parts[KPY_PART_PERSIDICT] != NULL) {
        return 0;
    }
    module = PyImport_ImportModule("kist.persidict.persi_dict");
    Py_XDECREF(module);
    return module == NULL ? -1 : 0;
}

/* --- conditions ------------------------------------------------------------
 */

int
kpy_condition_of(kpy_state *state, PyObject *flag, kpy_condition *condition)
{
    if (flag == kpy_part(state, KPY_PART_ANY_ETAG)) {
        *condition = KPY_CONDITION_ANY;
    }
    else if (flag == kpy_part(state, KPY_PART_ETAG_IS_THE_SAME)) {
        *condition = KPY_CONDITION_SAME;
    }
    else if (flag == kpy_part(state, KPY_PART_ETAG_HAS_CHANGED)) {
        *condition = KPY_CONDITION_CHANGED;
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "condition must be ANY_ETAG, ETAG_IS_THE_SAME, or "
                     "ETAG_HAS_CHANGED, got %R",
                     flag);
        return -1;
    }
    return 0;
}

int
kpy_retrieve_of(kpy_state *state, PyObject *flag, kpy_retrieve *retrieve)
{
    if (flag == kpy_part(state, KPY_PART_IF_ETAG_CHANGED)) {
        *retrieve = KPY_RETRIEVE_IF_CHANGED;
    }
    else if (flag == kpy_part(state, KPY_PART_NEVER_RETRIEVE)) {
        *retrieve = KPY_RETRIEVE_NEVER;
    }
    else {
        const int is_flag =
            PyObject_IsInstance(flag, kpy_part(state, KPY_PART_RETRIEVE_FLAG));

        if (is_flag < 0) {
            return -1;
        }
        if (is_flag == 0) {
            PyErr_Format(PyExc_TypeError,
                         "retrieve_value must be ALWAYS_RETRIEVE, "
                         "NEVER_RETRIEVE, or IF_ETAG_CHANGED, got %s",
                         Py_TYPE(flag)->tp_name);
            return -1;
        }
        *retrieve = KPY_RETRIEVE_ALWAYS;
    }
    return 0;
}

int
kpy_etag_same(PyObject *expected, PyObject *actual)
{
    if (expected == actual) {
        return 1;
    }
    return PyObject_RichCompareBool(expected, actual, Py_EQ);
}

/* --- arguments -------------------------------------------------------------
 */

/* The keywords of the operations; a field of kpy_cond_args each. */
enum {
    WORD_KEY,
    WORD_CONDITION,
    WORD_EXPECTED,
    WORD_RETRIEVE,
    WORD_VALUE,
    WORD_DEFAULT,
    WORD_COUNT
};

static const kpy_name_id word_names[WORD_COUNT] = {
    KPY_NAME_KEY,           KPY_NAME_CONDITION,
    KPY_NAME_EXPECTED_ETAG, KPY_NAME_RETRIEVE_VALUE,
    KPY_NAME_VALUE,         KPY_NAME_DEFAULT_VALUE,
};

#define WORD(word) (1u << (word))

/* What an operation takes, and what it must be given. */
static const struct {
    const char *name;
    unsigned takes;
    unsigned needs;
} operations[] = {
    [KPY_COND_GET] = {"get_item_if",
                      WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                          WORD(WORD_EXPECTED) | WORD(WORD_RETRIEVE),
                      WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                          WORD(WORD_EXPECTED)},
    [KPY_COND_SET] = {"set_item_if",
                      WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                          WORD(WORD_EXPECTED) | WORD(WORD_RETRIEVE) |
                          WORD(WORD_VALUE),
                      WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                          WORD(WORD_EXPECTED) | WORD(WORD_VALUE)},
    [KPY_COND_SETDEFAULT] = {"setdefault_if",
                             WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                                 WORD(WORD_EXPECTED) | WORD(WORD_RETRIEVE) |
                                 WORD(WORD_DEFAULT),
                             WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                                 WORD(WORD_EXPECTED) | WORD(WORD_DEFAULT)},
    [KPY_COND_DISCARD] = {"discard_if",
                          WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                              WORD(WORD_EXPECTED),
                          WORD(WORD_KEY) | WORD(WORD_CONDITION) |
                              WORD(WORD_EXPECTED)},
};

/* The word that `name` is, or WORD_COUNT; names are interned nearly always. */
static int
word_of(const kpy_state *state, PyObject *name)
{
    int word;

    for (word = 0; word < WORD_COUNT; word++) {
        if (name == state->names[word_names[word]]) {
            return word;
        }
    }
    for (word = 0; word < WORD_COUNT; word++) {
        if (PyUnicode_Compare(name, state->names[word_names[word]]) == 0) {
            return word;
        }
    }
    return WORD_COUNT;
}

static int
refuse_missing(const kpy_state *state, kpy_cond_op op,
               PyObject *const words[WORD_COUNT])
{
    int word;

    for (word = 0; word < WORD_COUNT; word++) {
        if ((operations[op].needs & WORD(word)) != 0 && words[word] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing the argument '%U'",
                         operations[op].name, state->names[word_names[word]]);
            return -1;
        }
    }
    return 0;
}

static int
gather_words(kpy_state *state, kpy_cond_op op, PyObject *const *args,
             Py_ssize_t count, PyObject *names, PyObject *words[WORD_COUNT])
{
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t i;

    if (count > 1) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes 1 positional argument but %zd were given",
                     operations[op].name, count);
        return -1;
    }
    if (count == 1) {
        words[WORD_KEY] = args[0];
    }
    for (i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        const int word = word_of(state, name);

        if (word == WORD_COUNT || (operations[op].takes & WORD(word)) == 0) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got an unexpected keyword argument '%U'",
                         operations[op].name, name);
            return -1;
        }
        if (words[word] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got multiple values for argument '%U'",
                         operations[op].name, name);
            return -1;
        }
        words[word] = args[count + i];
    }
    return refuse_missing(state, op, words);
}

int
kpy_cond_args_read(kpy_state *state, kpy_cond_op op, PyObject *const *args,
                   Py_ssize_t count, PyObject *names, kpy_cond_args *read)
{
    PyObject *words[WORD_COUNT] = {NULL};
    int joker;

    if (gather_words(state, op, args, count, names, words) < 0) {
        return -1;
    }
    if (op == KPY_COND_SETDEFAULT) {
        joker = PyObject_IsInstance(words[WORD_DEFAULT],
                                    kpy_part(state, KPY_PART_JOKER));
        if (joker != 0) {
            if (joker > 0) {
                PyErr_SetString(PyExc_TypeError,
                                "default_value must be a regular value, not "
                                "a Joker command");
            }
            return -1;
        }
    }
    read->retrieve = KPY_RETRIEVE_IF_CHANGED;
    if (words[WORD_RETRIEVE] != NULL &&
        kpy_retrieve_of(state, words[WORD_RETRIEVE], &read->retrieve) < 0) {
        return -1;
    }
    read->key = words[WORD_KEY];
    read->value =
        op == KPY_COND_SETDEFAULT ? words[WORD_DEFAULT] : words[WORD_VALUE];
    read->expected = words[WORD_EXPECTED];
    read->condition_flag = words[WORD_CONDITION];
    return 0;
}

PyObject *
kpy_key_arg(kpy_state *state, const char *name, PyObject *const *args,
            Py_ssize_t count, PyObject *names, PyObject **fallback)
{
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    const Py_ssize_t most = fallback == NULL ? 1 : 2;
    PyObject *key = count > 0 ? args[0] : NULL;
    bool given = count > 1;
    Py_ssize_t i;

    if (count > most) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %zd arguments, got %zd", name, most,
                     count);
        return NULL;
    }
    if (given) {
        *fallback = args[1];
    }
    for (i = 0; i < named; i++) {
        PyObject *word = PyTuple_GET_ITEM(names, i);

        if (key == NULL &&
            PyUnicode_Compare(word, state->names[KPY_NAME_KEY]) == 0) {
            key = args[count + i];
        }
        else if (fallback != NULL && !given &&
                 PyUnicode_CompareWithASCIIString(word, "default") == 0) {
            *fallback = args[count + i];
            given = true;
        }
        else {
            PyErr_Format(PyExc_TypeError,
                         "%s() got an unexpected keyword argument '%U'", name,
                         word);
            return NULL;
        }
    }
    if (key == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%s() missing 1 required positional argument: 'key'",
                     name);
    }
    return key;
}

/* --- values and policies ---------------------------------------------------
 */

/* The name of a type as Python has it, a new reference. */
static PyObject *
name_of(PyObject *type)
{
    return PyObject_GetAttrString(type, "__name__");
}

/* Values of these types cannot be a PersiDict: asked for at each set. */
static inline bool
is_builtin_value(PyObject *value)
{
    return PyDict_CheckExact(value) || PyUnicode_CheckExact(value) ||
           PyLong_CheckExact(value) || PyList_CheckExact(value) ||
           PyFloat_CheckExact(value) || PyBytes_CheckExact(value) ||
           PyTuple_CheckExact(value) || PyBool_Check(value) ||
           value == Py_None;
}

int
kpy_value_check(kpy_state *state, PyObject *base, PyObject *value)
{
    PyObject *name;
    int is;

    if (!is_builtin_value(value)) {
        is = PyObject_IsInstance(value, kpy_part(state, KPY_PART_PERSIDICT));
        if (is != 0) {
            if (is > 0) {
                PyErr_SetString(PyExc_TypeError,
                                "Cannot store a PersiDict instance directly");
            }
            return -1;
        }
    }
    if (base == NULL || base == Py_None) {
        return 0;
    }
    is = PyObject_IsInstance(value, base);
    if (is == 0) {
        name = name_of(base);
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError, "Value must be an instance of %S",
                         name);
            Py_DECREF(name);
        }
        return -1;
    }
    return is < 0 ? -1 : 0;
}

int
kpy_value_check_read(PyObject *base, PyObject *value)
{
    PyObject *name = NULL;
    PyObject *found = NULL;
    int is;

    if (base == NULL || base == Py_None) {
        return 0;
    }
    is = PyObject_IsInstance(value, base);
    if (is == 0) {
        name = name_of(base);
        found = name_of((PyObject *)Py_TYPE(value));
        if (name != NULL && found != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "Value must be an instance of %S, but it is %S "
                         "instead.",
                         name, found);
        }
        Py_XDECREF(name);
        Py_XDECREF(found);
        return -1;
    }
    return is < 0 ? -1 : 0;
}

int
kpy_raise_append_only(kpy_state *state)
{
    PyObject *type = kpy_part(state, KPY_PART_POLICY_ERROR);
    PyObject *error = PyObject_CallFunction(type, "s", "append-only");

    if (error != NULL) {
        PyErr_SetObject(type, error);
        Py_DECREF(error);
    }
    return -1;
}

int
kpy_raise_key_error(kpy_state *state, PyObject *key)
{
    PyObject *coerced = kpy_key_coerce(state, key);

    if (coerced != NULL) {
        // It is a sequence, but no tuple: it becomes the one argument.
        PyErr_SetObject(PyExc_KeyError, coerced);
        Py_DECREF(coerced);
    }
    return -1;
}

static PyMethodDef store_functions[] = {
    {"_store_register", store_register, METH_VARARGS,
     PyDoc_STR("_store_register($module, name, part, /)\n--\n\n"
               "Kept for the C parts of the stores.")},
    {NULL, NULL, 0, NULL},
};

int
kpy_storecond_add(PyObject *module)
{
    return PyModule_AddFunctions(module, store_functions);
}
