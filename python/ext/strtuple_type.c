/*
 * SafeStrTuple and NonEmptySafeStrTuple.  An instance is a tuple of checked
 * strings; a key is checked once, however often it is passed on.
 */

#include "strtuple.h"

#include <stddef.h>
#include <structmember.h>

static inline kpy_strtuple *
as_key(PyObject *object)
{
    return (kpy_strtuple *)object;
}

/* --- construction from Python ----------------------------------------------
 */

static int key_init(PyObject *self, PyObject *args, PyObject *kwargs);

static bool
is_full_type(const kpy_state *state, PyTypeObject *type)
{
    return PyType_IsSubtype(type, state->types[KPY_TYPE_SAFESTR_FULL]) != 0;
}

static int
refuse_keywords(PyObject *names)
{
    PyObject *list = PySequence_List(names);

    if (list != NULL) {
        PyErr_Format(PyExc_TypeError, "Unexpected keyword arguments: %R",
                     list);
        Py_DECREF(list);
    }
    return -1;
}

static PyObject *
key_vectorcall(PyObject *type, PyObject *const *args, size_t flagged,
               PyObject *names)
{
    PyTypeObject *made = (PyTypeObject *)type;
    kpy_state *state = kpy_state_of_type(made);

    if (state == NULL || (names != NULL && PyTuple_GET_SIZE(names) > 0 &&
                          refuse_keywords(names) < 0)) {
        return NULL;
    }
    return kpy_key_wrap(
        made, kpy_strings_of(state, args, PyVectorcall_NARGS(flagged),
                             made == state->types[KPY_TYPE_SAFESTR_FULL]));
}

static PyObject *
key_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(type);

    if (state == NULL) {
        return NULL;
    }
    // A subclass with an __init__ of its own says there what its strings are.
    if (type->tp_init != key_init) {
        return kpy_key_wrap(type, PyTuple_New(0));
    }
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        (void)refuse_keywords(kwargs);
        return NULL;
    }
    return kpy_key_wrap(type, kpy_strings_of(state, &PyTuple_GET_ITEM(args, 0),
                                             PyTuple_GET_SIZE(args),
                                             is_full_type(state, type)));
}

static int
key_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *strings;

    if (state == NULL) {
        return -1;
    }
    if (Py_TYPE(self)->tp_init == key_init) {
        return 0; // key_new() has done it, and a key does not change
    }
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        return refuse_keywords(kwargs);
    }
    strings = kpy_strings_of(state, &PyTuple_GET_ITEM(args, 0),
                             PyTuple_GET_SIZE(args),
                             is_full_type(state, Py_TYPE(self)));
    if (strings == NULL) {
        return -1;
    }
    Py_SETREF(as_key(self)->strings, strings);
    Py_CLEAR(as_key(self)->joined);
    return 0;
}

static void
key_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    if (as_key(self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    Py_XDECREF(as_key(self)->strings);
    Py_XDECREF(as_key(self)->joined);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- as a sequence ---------------------------------------------------------
 */

static PyObject *
key_repr(PyObject *self)
{
    PyObject *name = PyType_GetName(Py_TYPE(self));
    PyObject *text;

    if (name == NULL) {
        return NULL;
    }
    text = PyUnicode_FromFormat("%U(%R)", name, as_key(self)->strings);
    Py_DECREF(name);
    return text;
}

/* That of the tuple, so that a dict finds one by the other. */
static Py_hash_t
key_hash(PyObject *self)
{
    return PyObject_Hash(as_key(self)->strings);
}

/* As PyObject_RichCompare(); what can be no key equals none. */
static PyObject *
key_compare(PyObject *self, PyObject *other, int op)
{
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *strings;
    PyObject *answer;

    if (state == NULL) {
        return NULL;
    }
    if (op != Py_EQ && op != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    strings = kpy_strings_of(state, &other, 1, false);
    if (strings == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError) &&
            !PyErr_ExceptionMatches(PyExc_ValueError)) {
            return NULL;
        }
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    answer = PyObject_RichCompare(as_key(self)->strings, strings, op);
    Py_DECREF(strings);
    return answer;
}

static Py_ssize_t
key_length(PyObject *self)
{
    return PyTuple_GET_SIZE(as_key(self)->strings);
}

static PyObject *
key_item(PyObject *self, Py_ssize_t index)
{
    return PySequence_GetItem(as_key(self)->strings, index);
}

static PyObject *
key_subscript(PyObject *self, PyObject *index)
{
    return PyObject_GetItem(as_key(self)->strings, index);
}

static int
key_contains(PyObject *self, PyObject *item)
{
    return PySequence_Contains(as_key(self)->strings, item);
}

static PyObject *
key_iter(PyObject *self)
{
    return PyObject_GetIter(as_key(self)->strings);
}

static PyObject *
key_add(PyObject *left, PyObject *right)
{
    kpy_state *state = kpy_state_of_either(left, right);
    PyObject *const both[2] = {left, right};

    if (state == NULL) {
        return NULL;
    }
    return kpy_key_wrap(state->types[KPY_TYPE_SAFESTR],
                        kpy_strings_of(state, both, 2, false));
}

static PyObject *
key_reversed(PyObject *self, PyObject *Py_UNUSED(unused))
{
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *strings = as_key(self)->strings;
    const Py_ssize_t count = PyTuple_GET_SIZE(strings);
    PyObject *turned = state == NULL ? NULL : PyTuple_New(count);
    Py_ssize_t i;

    if (turned == NULL) {
        return NULL;
    }
    for (i = 0; i < count; i++) {
        PyTuple_SET_ITEM(turned, i,
                         Py_NewRef(PyTuple_GET_ITEM(strings, count - 1 - i)));
    }
    return kpy_key_wrap(state->types[KPY_TYPE_SAFESTR], turned);
}

/* index() and count() are the tuple's. */
static PyObject *
key_index(PyObject *self, PyObject *args)
{
    PyObject *method = PyObject_GetAttrString(as_key(self)->strings, "index");
    PyObject *answer =
        method == NULL ? NULL : PyObject_CallObject(method, args);

    Py_XDECREF(method);
    return answer;
}

static PyObject *
key_count(PyObject *self, PyObject *item)
{
    const Py_ssize_t count = PySequence_Count(as_key(self)->strings, item);

    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static PyObject *
key_copy(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(self);
}

/* _key_restore(type, strings), and what else a subclass may hold. */
static PyObject *
key_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &kpy_module_def);
    PyObject *restore =
        module == NULL ? NULL : PyObject_GetAttrString(module, "_key_restore");
    PyObject *more = NULL;
    PyObject *answer;

    if (restore == NULL) {
        return NULL;
    }
    more = PyObject_GetAttrString(self, "__dict__");
    if (more == NULL) {
        PyErr_Clear();
        more = Py_NewRef(Py_None);
    }
    answer = Py_BuildValue("(O(OO)O)", restore, (PyObject *)Py_TYPE(self),
                           as_key(self)->strings, more);
    Py_DECREF(more);
    Py_DECREF(restore);
    return answer;
}

/* The strings come from a pickle: they are checked as all others are. */
static PyObject *
key_restore(PyObject *module, PyObject *args)
{
    kpy_state *state = kpy_state_of_module(module);
    PyObject *type;
    PyObject *strings;

    if (!PyArg_ParseTuple(args, "O!O!:_key_restore", &PyType_Type, &type,
                          &PyTuple_Type, &strings)) {
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)type,
                          state->types[KPY_TYPE_SAFESTR])) {
        PyErr_SetString(PyExc_TypeError, "not a type of keys");
        return NULL;
    }
    return kpy_key_wrap(
        (PyTypeObject *)type,
        kpy_strings_of(state, &strings, 1,
                       is_full_type(state, (PyTypeObject *)type)));
}

static PyMethodDef key_methods[] = {
    {"index", key_index, METH_VARARGS,
     PyDoc_STR("index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
               "Where the component is; ValueError if nowhere.")},
    {"count", key_count, METH_O,
     PyDoc_STR("count($self, value, /)\n--\n\n"
               "How many components are equal to it.")},
    {"__reversed__", key_reversed, METH_NOARGS,
     PyDoc_STR("__reversed__($self, /)\n--\n\n"
               "A SafeStrTuple of the components, last first.")},
    {"__copy__", key_copy, METH_NOARGS,
     PyDoc_STR("__copy__($self, /)\n--\n\nItself: it never changes.")},
    {"__deepcopy__", key_copy, METH_O,
     PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\n"
               "Itself: it never changes.")},
    {"__reduce__", key_reduce, METH_NOARGS,
     PyDoc_STR("__reduce__($self, /)\n--\n\nFor pickle.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, item, /)\n--\n\nFor type hints.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef key_members[] = {
    {"strings", T_OBJECT_EX, offsetof(kpy_strtuple, strings), READONLY,
     PyDoc_STR("The components, a tuple of str.")},
    {"str_chain", T_OBJECT_EX, offsetof(kpy_strtuple, strings), READONLY,
     PyDoc_STR("The same as .strings.")},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(kpy_strtuple, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(key_doc, "SafeStrTuple(*args)\n--\n\n"
                      "A key of a store: strings of 1 to 253 safe "
                      "characters.\n\n"
                      "Each argument is a str, or a sequence of arguments; "
                      "they are\nflattened from left to right.");
PyDoc_STRVAR(full_doc, "NonEmptySafeStrTuple(*args)\n--\n\n"
                       "A SafeStrTuple of at least one string.");

static PyType_Slot key_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)key_doc},
    {Py_tp_new, KPY_SLOT(key_new)},
    {Py_tp_init, KPY_SLOT(key_init)},
    {Py_tp_dealloc, KPY_SLOT(key_dealloc)},
    {Py_tp_repr, KPY_SLOT(key_repr)},
    {Py_tp_hash, KPY_SLOT(key_hash)},
    {Py_tp_richcompare, KPY_SLOT(key_compare)},
    {Py_tp_iter, KPY_SLOT(key_iter)},
    {Py_tp_methods, key_methods},
    {Py_tp_members, key_members},
    {Py_sq_length, KPY_SLOT(key_length)},
    {Py_sq_item, KPY_SLOT(key_item)},
    {Py_sq_contains, KPY_SLOT(key_contains)},
    {Py_mp_length, KPY_SLOT(key_length)},
    {Py_mp_subscript, KPY_SLOT(key_subscript)},
    {Py_nb_add, KPY_SLOT(key_add)},
    {0, NULL},
};

static PyType_Spec key_spec = {
    .name = "kist.persidict.safe_str_tuple.SafeStrTuple",
    .basicsize = sizeof(kpy_strtuple),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = key_slots,
};

static PyType_Slot full_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)full_doc},
    {Py_tp_new, KPY_SLOT(key_new)},
    {Py_tp_init, KPY_SLOT(key_init)},
    {Py_tp_dealloc, KPY_SLOT(key_dealloc)},
    {0, NULL},
};

static PyType_Spec full_spec = {
    .name = "kist.persidict.safe_str_tuple.NonEmptySafeStrTuple",
    .basicsize = sizeof(kpy_strtuple),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = full_slots,
};

static PyMethodDef key_functions[] = {
    {"_key_restore", key_restore, METH_VARARGS,
     PyDoc_STR("_key_restore($module, type, strings, /)\n--\n\n"
               "What a pickled key calls.")},
    {NULL, NULL, 0, NULL},
};

int
kpy_strtuple_type_add(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);

    if (kpy_type_add(module, KPY_TYPE_SAFESTR, &key_spec, NULL, true) < 0 ||
        kpy_type_add(module, KPY_TYPE_SAFESTR_FULL, &full_spec,
                     state->types[KPY_TYPE_SAFESTR], true) < 0) {
        return -1;
    }
    // A call of one of the two makes it at once, without a tuple of arguments.
    state->types[KPY_TYPE_SAFESTR]->tp_vectorcall = key_vectorcall;
    state->types[KPY_TYPE_SAFESTR_FULL]->tp_vectorcall = key_vectorcall;
    return PyModule_AddFunctions(module, key_functions);
}
