/* ConditionalOperationResult and OperationResult: frozen dataclasses in C. */

#include "storeres.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

/* --- results ---------------------------------------------------------------
 */

#define FIELDS_MAX 4

/* Both kinds: an OperationResult uses the first two fields. */
typedef struct result {
    PyObject_HEAD PyObject *fields[FIELDS_MAX];
} result;

static const char *const cond_fields[] = {
    "condition_was_satisfied", "actual_etag", "resulting_etag", "new_value"};
static const char *const op_fields[] = {"resulting_etag", "new_value"};

static inline result *
as_result(PyObject *object)
{
    return (result *)object;
}

/* How many fields the type of `self` has, and *names of them. */
static int
fields_of(const kpy_state *state, PyTypeObject *type,
          const char *const **names)
{
    if (PyType_IsSubtype(type, state->types[KPY_TYPE_CONDRESULT])) {
        *names = cond_fields;
        return 4;
    }
    *names = op_fields;
    return 2;
}

PyObject *
kpy_result_new(kpy_state *state, bool satisfied, PyObject *actual,
               PyObject *resulting, PyObject *value)
{
    result *made = PyObject_GC_New(result, state->types[KPY_TYPE_CONDRESULT]);

    if (made == NULL) {
        return NULL;
    }
    made->fields[0] = Py_NewRef(satisfied ? Py_True : Py_False);
    made->fields[1] = Py_NewRef(actual);
    made->fields[2] = Py_NewRef(resulting);
    made->fields[3] = Py_NewRef(value);
    PyObject_GC_Track((PyObject *)made);
    return (PyObject *)made;
}

PyObject *
kpy_result_absent(kpy_state *state, bool satisfied)
{
    PyObject *absent = kpy_part(state, KPY_PART_ITEM_NOT_AVAILABLE);

    return kpy_result_new(state, satisfied, absent, absent, absent);
}

PyObject *
kpy_opresult_new(kpy_state *state, PyObject *resulting, PyObject *value)
{
    result *made = PyObject_GC_New(result, state->types[KPY_TYPE_OPRESULT]);

    if (made == NULL) {
        return NULL;
    }
    made->fields[0] = Py_NewRef(resulting);
    made->fields[1] = Py_NewRef(value);
    made->fields[2] = NULL;
    made->fields[3] = NULL;
    PyObject_GC_Track((PyObject *)made);
    return (PyObject *)made;
}

/* The name of a type as Python has it, which for ours is the last part. */
static const char *
short_name(const PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');

    return dot == NULL ? type->tp_name : dot + 1;
}

/* The field that `name` is, or -1 with TypeError. */
static int
field_of(PyTypeObject *type, const char *const *names, int count,
         PyObject *name)
{
    int i;

    for (i = 0; i < count; i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_TypeError,
                 "%s.__init__() got an unexpected keyword argument '%U'",
                 short_name(type), name);
    return -1;
}

static int
fill(result *made, PyTypeObject *type, PyObject *args, PyObject *kwargs,
     const char *const *names, int count)
{
    const Py_ssize_t given = PyTuple_GET_SIZE(args);
    Py_ssize_t place = 0;
    PyObject *name;
    PyObject *value;
    int i;

    if (given > count) {
        PyErr_Format(PyExc_TypeError,
                     "%s.__init__() takes %d positional arguments but %zd "
                     "were given",
                     short_name(type), count + 1, given + 1);
        return -1;
    }
    for (i = 0; i < given; i++) {
        made->fields[i] = Py_NewRef(PyTuple_GET_ITEM(args, i));
    }
    while (kwargs != NULL && PyDict_Next(kwargs, &place, &name, &value)) {
        i = field_of(type, names, count, name);
        if (i < 0) {
            return -1;
        }
        if (made->fields[i] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s.__init__() got multiple values for argument "
                         "'%U'",
                         short_name(type), name);
            return -1;
        }
        made->fields[i] = Py_NewRef(value);
    }
    for (i = 0; i < count; i++) {
        if (made->fields[i] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s.__init__() missing a required positional "
                         "argument: '%s'",
                         short_name(type), names[i]);
            return -1;
        }
    }
    return 0;
}

static PyObject *
result_make(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(type);
    const char *const *names;
    result *made;
    int count;

    if (state == NULL) {
        return NULL;
    }
    count = fields_of(state, type, &names);
    made = (result *)type->tp_alloc(type, 0);
    if (made != NULL && fill(made, type, args, kwargs, names, count) < 0) {
        Py_CLEAR(made);
    }
    return (PyObject *)made;
}

/* The fields as a tuple: what equality and hash are made of. */
static PyObject *
result_tuple(PyObject *self)
{
    PyObject *const *fields = as_result(self)->fields;

    return fields[2] == NULL
               ? PyTuple_Pack(2, fields[0], fields[1])
               : PyTuple_Pack(4, fields[0], fields[1], fields[2], fields[3]);
}

static Py_hash_t
result_hash(PyObject *self)
{
    PyObject *tuple = result_tuple(self);
    Py_hash_t hash = -1;

    if (tuple != NULL) {
        hash = PyObject_Hash(tuple);
        Py_DECREF(tuple);
    }
    return hash;
}

static PyObject *
result_compare(PyObject *self, PyObject *other, int op)
{
    PyObject *left;
    PyObject *right;
    PyObject *answer = NULL;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(self) != Py_TYPE(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    left = result_tuple(self);
    right = result_tuple(other);
    if (left != NULL && right != NULL) {
        answer = PyObject_RichCompare(left, right, op);
    }
    Py_XDECREF(left);
    Py_XDECREF(right);
    return answer;
}

/* {name: value} of the fields, in their order: vars(), and repr() below. */
static PyObject *
result_vars(PyObject *self, void *Py_UNUSED(unused))
{
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *dict = state == NULL ? NULL : PyDict_New();
    const char *const *names;
    int count;
    int i;

    if (dict == NULL) {
        return NULL;
    }
    count = fields_of(state, Py_TYPE(self), &names);
    for (i = 0; i < count; i++) {
        if (PyDict_SetItemString(dict, names[i], as_result(self)->fields[i]) <
            0) {
            Py_DECREF(dict);
            return NULL;
        }
    }
    return dict;
}

/* "a=1, b=2" */
static PyObject *
fields_text(const kpy_state *state, PyObject *self)
{
    const char *const *names;
    const int count = fields_of(state, Py_TYPE(self), &names);
    PyObject *text = PyUnicode_FromString("");
    int i;

    for (i = 0; text != NULL && i < count; i++) {
        Py_SETREF(text,
                  PyUnicode_FromFormat("%U%s%s=%R", text, i > 0 ? ", " : "",
                                       names[i], as_result(self)->fields[i]));
    }
    return text;
}

static PyObject *
result_repr(PyObject *self)
{
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *name;
    PyObject *text = NULL;
    PyObject *answer = NULL;
    int within;

    if (state == NULL) {
        return NULL;
    }
    within = Py_ReprEnter(self);
    if (within != 0) {
        return within < 0 ? NULL : PyUnicode_FromString("...");
    }
    name = PyType_GetQualName(Py_TYPE(self));
    if (name != NULL) {
        text = fields_text(state, self);
    }
    if (text != NULL) {
        answer = PyUnicode_FromFormat("%U(%U)", name, text);
    }
    Py_XDECREF(text);
    Py_XDECREF(name);
    Py_ReprLeave(self);
    return answer;
}

/* Raises dataclasses.FrozenInstanceError, as a frozen dataclass does. */
static int
result_setattr(PyObject *Py_UNUSED(self), PyObject *name, PyObject *value)
{
    PyObject *module = PyImport_ImportModule("dataclasses");
    PyObject *error = NULL;

    if (module != NULL) {
        error = PyObject_GetAttrString(module, "FrozenInstanceError");
        Py_DECREF(module);
    }
    if (error != NULL) {
        PyErr_Format(error, "cannot %s field %R",
                     value == NULL ? "delete" : "assign to", name);
        Py_DECREF(error);
    }
    return -1;
}

static PyObject *
result_mutated(PyObject *self, void *Py_UNUSED(unused))
{
    PyObject *const *fields = as_result(self)->fields;

    return PyObject_RichCompare(fields[2], fields[1], Py_NE);
}

static PyObject *
result_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *tuple = result_tuple(self);
    PyObject *answer = NULL;

    if (tuple != NULL) {
        answer = PyTuple_Pack(2, (PyObject *)Py_TYPE(self), tuple);
        Py_DECREF(tuple);
    }
    return answer;
}

/* copy.replace() and dataclasses.replace(): the same with some changed. */
static PyObject *
result_replace(PyObject *self, PyObject *args, PyObject *changes)
{
    PyObject *fields = NULL;
    PyObject *none = NULL;
    PyObject *answer = NULL;

    if (PyTuple_GET_SIZE(args) > 0) {
        PyErr_SetString(PyExc_TypeError, "__replace__() takes keywords only");
        return NULL;
    }
    fields = result_vars(self, NULL);
    none = PyTuple_New(0);
    if (fields != NULL && none != NULL &&
        (changes == NULL || PyDict_Update(fields, changes) == 0)) {
        answer = PyObject_Call((PyObject *)Py_TYPE(self), none, fields);
    }
    Py_XDECREF(none);
    Py_XDECREF(fields);
    return answer;
}

static int
result_traverse(PyObject *self, visitproc visit, void *arg)
{
    int i;

    for (i = 0; i < FIELDS_MAX; i++) {
        Py_VISIT(as_result(self)->fields[i]);
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
result_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    int i;

    PyObject_GC_UnTrack(self);
    // A chain of results, each the value of the next, may be long.
    Py_TRASHCAN_BEGIN(self, result_dealloc) for (i = 0; i < FIELDS_MAX; i++)
    {
        Py_CLEAR(as_result(self)->fields[i]);
    }
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

static PyMethodDef result_methods[] = {
    {"__reduce__", result_reduce, METH_NOARGS,
     PyDoc_STR("__reduce__($self, /)\n--\n\nFor pickle and copy.")},
    {"__replace__", KPY_METHOD(result_replace), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__replace__($self, /, **changes)\n--\n\n"
               "The same with some fields changed.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nFor type hints.")},
    {NULL, NULL, 0, NULL},
};

#define FIELD(name, index, doc)                                               \
    {                                                                         \
        name, T_OBJECT_EX,                                                    \
            (Py_ssize_t)(offsetof(result, fields) +                           \
                         (index) * sizeof(PyObject *)),                       \
            READONLY, doc                                                     \
    }

static PyMemberDef cond_members[] = {
    FIELD("condition_was_satisfied", 0,
          PyDoc_STR("Whether the condition held (bool).")),
    FIELD("actual_etag", 1,
          PyDoc_STR("The etag before; ITEM_NOT_AVAILABLE if absent.")),
    FIELD("resulting_etag", 2,
          PyDoc_STR("The etag after; ITEM_NOT_AVAILABLE if absent.")),
    FIELD("new_value", 3,
          PyDoc_STR("The value after, ITEM_NOT_AVAILABLE or "
                    "VALUE_NOT_RETRIEVED.")),
    {NULL, 0, 0, 0, NULL},
};

static PyMemberDef op_members[] = {
    FIELD("resulting_etag", 0,
          PyDoc_STR("The etag after; ITEM_NOT_AVAILABLE if absent.")),
    FIELD("new_value", 1,
          PyDoc_STR("The value after, or ITEM_NOT_AVAILABLE.")),
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef cond_getset[] = {
    {"value_was_mutated", result_mutated, NULL,
     PyDoc_STR("Whether resulting_etag differs from actual_etag."), NULL},
    {"__dict__", result_vars, NULL,
     PyDoc_STR("The fields, by name; a new dict."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef op_getset[] = {
    {"__dict__", result_vars, NULL,
     PyDoc_STR("The fields, by name; a new dict."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(cond_doc, "ConditionalOperationResult(condition_was_satisfied, "
                       "actual_etag, resulting_etag, new_value)\n--\n\n"
                       "What a conditional operation has found and done.");
PyDoc_STRVAR(op_doc, "OperationResult(resulting_etag, new_value)\n--\n\n"
                     "What transform_item() has left behind.");

#define RESULT_SLOTS(doc, members, getset)                                    \
    {                                                                         \
        {Py_tp_doc, (void *)(uintptr_t)(doc)},                                \
            {Py_tp_new, KPY_SLOT(result_make)},                               \
            {Py_tp_dealloc, KPY_SLOT(result_dealloc)},                        \
            {Py_tp_traverse, KPY_SLOT(result_traverse)},                      \
            {Py_tp_repr, KPY_SLOT(result_repr)},                              \
            {Py_tp_hash, KPY_SLOT(result_hash)},                              \
            {Py_tp_richcompare, KPY_SLOT(result_compare)},                    \
            {Py_tp_setattro, KPY_SLOT(result_setattr)},                       \
            {Py_tp_methods, result_methods}, {Py_tp_members, (members)},      \
            {Py_tp_getset, (getset)},                                         \
        {                                                                     \
            0, NULL                                                           \
        }                                                                     \
    }

static PyType_Slot cond_slots[] =
    RESULT_SLOTS(cond_doc, cond_members, cond_getset);
static PyType_Slot op_slots[] = RESULT_SLOTS(op_doc, op_members, op_getset);

static PyType_Spec cond_spec = {
    .name =
        "kist.persidict.jokers_and_status_flags.ConditionalOperationResult",
    .basicsize = sizeof(result),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = cond_slots,
};

static PyType_Spec op_spec = {
    .name = "kist.persidict.jokers_and_status_flags.OperationResult",
    .basicsize = sizeof(result),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = op_slots,
};

int
kpy_storeres_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_CONDRESULT, &cond_spec, NULL, true) <
                       0 ||
                   kpy_type_add(module, KPY_TYPE_OPRESULT, &op_spec, NULL,
                                true) < 0
               ? -1
               : 0;
}
