/* FSSet: the type, and what it does with one member at a time. */

#include "setops.h"

/*
 * Types whose objects always have a hash: asking for it is not needed, the
 * library hashes their bytes.  bool and None are final, so exact.
 */
static inline bool
always_hashable(PyObject *key)
{
    return PyUnicode_CheckExact(key) || PyLong_CheckExact(key) ||
           PyFloat_CheckExact(key) || PyBytes_CheckExact(key) ||
           PyBool_Check(key) || key == Py_None;
}

/* True if `key` may be a member (row 30); else its TypeError is set. */
static inline bool
hashable_or_raise(PyObject *key)
{
    return always_hashable(key) || PyObject_Hash(key) != -1;
}

int
kpy_set_probe(kpy_coll *self, PyObject *key, kpy_scratch *scratch,
              kist_value *value)
{
    if (!hashable_or_raise(key)) {
        return -1;
    }
    return kpy_value_probe(self->state, self->klass, key, scratch, value);
}

/*
 * As kpy_set_probe(), but a set, which has no hash, is looked for as the
 * frozenset it equals (row 36).
 */
static int
probe_or_frozen(kpy_coll *self, PyObject *key, kpy_scratch *scratch,
                kist_value *value)
{
    PyObject *frozen;
    int found = kpy_set_probe(self, key, scratch, value);

    if (found >= 0 || !PyErr_ExceptionMatches(PyExc_TypeError) ||
        !(PySet_Check(key) || kpy_is(self->state, KPY_TYPE_SET, key))) {
        return found;
    }
    PyErr_Clear();
    frozen = PyFrozenSet_New(key);
    if (frozen == NULL) {
        return -1;
    }
    found = kpy_value_probe(self->state, self->klass, frozen, scratch, value);
    // The bytes are the scratch's by now: a frozenset has none to lend.
    Py_DECREF(frozen);
    return found;
}

int
kpy_set_has_value(kpy_coll *self, const kist_value *value)
{
    kist_status status;

    if (!kpy_coll_open_or_raise(self)) {
        return -1;
    }
    status = kist_set_contains(self->handle.set, value);
    if (status == KIST_OK) {
        return 1;
    }
    return status == KIST_ERR_NOTFOUND ? 0
                                       : kpy_raise_int(self->state, status);
}

int
kpy_set_has(kpy_coll *self, PyObject *key)
{
    kpy_scratch scratch = {0};
    kist_value value;
    int found = kpy_set_probe(self, key, &scratch, &value);

    if (found > 0) {
        found = kpy_set_has_value(self, &value);
    }
    kpy_scratch_done(&scratch);
    return found;
}

Py_ssize_t
kpy_set_count(kpy_coll *self)
{
    uint64_t count;
    kist_status status;

    if (!kpy_coll_open_or_raise(self)) {
        return -1;
    }
    status = kist_set_count(self->handle.set, &count);
    if (status != KIST_OK) {
        return kpy_raise_int(self->state, status);
    }
    return (Py_ssize_t)count;
}

static Py_ssize_t
set_length(PyObject *self)
{
    return kpy_set_count((kpy_coll *)self);
}

static int
set_contains(PyObject *self, PyObject *key)
{
    kpy_coll *set = (kpy_coll *)self;
    kpy_scratch scratch = {0};
    kist_value value;
    int found;

    // A closed set says so, even to what it could not hold (P10).
    if (!kpy_coll_open_or_raise(set)) {
        return -1;
    }
    found = probe_or_frozen(set, key, &scratch, &value);
    if (found > 0) {
        found = kpy_set_has_value(set, &value);
    }
    kpy_scratch_done(&scratch);
    return found;
}

static PyObject *
set_contains_method(PyObject *self, PyObject *key)
{
    int found = set_contains(self, key);

    return found < 0 ? NULL : PyBool_FromLong(found);
}

static PyObject *
set_add(PyObject *self, PyObject *key)
{
    kpy_coll *coll = (kpy_coll *)self;
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_set *set;
    kist_value value;
    kist_status status;

    if (!kpy_coll_writable_or_raise(coll) || !hashable_or_raise(key)) {
        return NULL;
    }
    if (kpy_value_of(coll->state, coll->klass, key, &scratch, &value) < 0 ||
        !kpy_coll_writable_or_raise(coll)) {
        kpy_scratch_done(&scratch);
        return NULL;
    }
    chest = coll->chest;
    set = coll->handle.set;
    KPY_TURN(&turn, chest, status, kist_set_add(set, &value, NULL));
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    if (status != KIST_OK) {
        return kpy_raise(coll->state, status);
    }
    Py_RETURN_NONE;
}

/* 1 if `key` was removed, 0 if it was not there, -1 with an error set. */
static int
remove_member(kpy_coll *coll, PyObject *key)
{
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_set *set;
    kist_value value;
    kist_status status;
    int found;

    if (!kpy_coll_writable_or_raise(coll)) {
        return -1;
    }
    found = probe_or_frozen(coll, key, &scratch, &value);
    if (found <= 0 || !kpy_coll_writable_or_raise(coll)) {
        kpy_scratch_done(&scratch);
        return found == 0 ? 0 : -1;
    }
    chest = coll->chest;
    set = coll->handle.set;
    KPY_TURN(&turn, chest, status, kist_set_remove(set, &value));
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    if (status == KIST_OK) {
        return 1;
    }
    return status == KIST_ERR_NOTFOUND ? 0
                                       : kpy_raise_int(coll->state, status);
}

static PyObject *
set_discard(PyObject *self, PyObject *key)
{
    if (remove_member((kpy_coll *)self, key) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
set_remove(PyObject *self, PyObject *key)
{
    int removed = remove_member((kpy_coll *)self, key);

    if (removed < 0) {
        return NULL;
    }
    if (removed == 0) {
        return kpy_raise_key(key);
    }
    Py_RETURN_NONE;
}

static PyObject *
set_pop(PyObject *self, PyObject *Py_UNUSED(unused))
{
    kpy_coll *coll = (kpy_coll *)self;
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_set *set;
    kist_value value;
    kist_status status;
    PyObject *member = NULL;

    if (!kpy_coll_writable_or_raise(coll)) {
        return NULL;
    }
    chest = coll->chest;
    set = coll->handle.set;
    KPY_TURN(&turn, chest, status, kist_set_pop(set, &value));
    if (status == KIST_OK) {
        member = kpy_object_of(coll->state, &value);
    }
    kpy_turn_done(&turn);
    if (status == KIST_ERR_NOTFOUND) {
        PyErr_SetString(PyExc_KeyError, "pop from an empty set");
    }
    else if (status != KIST_OK) {
        (void)kpy_raise(coll->state, status);
    }
    return member;
}

static PyObject *
set_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    kpy_coll *coll = (kpy_coll *)self;
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_set *set;
    kist_status status;

    if (!kpy_coll_writable_or_raise(coll)) {
        return NULL;
    }
    chest = coll->chest;
    set = coll->handle.set;
    KPY_TURN(&turn, chest, status, kist_set_clear(set));
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(coll->state, status);
    }
    Py_RETURN_NONE;
}

static PyObject *
set_scan(PyObject *self, PyObject *predicate)
{
    PyObject *iterator = kpy_set_iter(self);

    if (iterator == NULL) {
        return NULL;
    }
    return kpy_scan_new(((kpy_coll *)self)->state, iterator, predicate, false);
}

static int
set_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return kpy_coll_init(self, KIST_KIND_SET, args, kwargs);
}

/* The name that repr() shows: without the module, as builtins do. */
static const char *
short_name(PyObject *self)
{
    const char *name = Py_TYPE(self)->tp_name;
    const char *dot = strrchr(name, '.');

    return dot == NULL ? name : dot + 1;
}

/*
 * FSSet({1, 2}), FSSet() if empty: the members in the order of the set, which
 * repr() of a builtin set would lose.
 */
static PyObject *
set_repr(PyObject *self)
{
    kpy_coll *coll = (kpy_coll *)self;
    PyObject *members;
    PyObject *text;
    PyObject *inner;
    PyObject *result = NULL;
    int again;

    if (coll->handle.any == NULL) {
        return kpy_coll_repr(coll, NULL);
    }
    again = kpy_repr_enter(coll);
    if (again != 0) {
        return again < 0 ? NULL
                         : PyUnicode_FromFormat("%s(...)", short_name(self));
    }
    members = PySequence_List(self);
    text = members == NULL ? NULL : PyObject_Repr(members);
    if (text != NULL && PyList_GET_SIZE(members) == 0) {
        result = PyUnicode_FromFormat("%s()", short_name(self));
    }
    else if (text != NULL) {
        inner = PyUnicode_Substring(text, 1, PyUnicode_GET_LENGTH(text) - 1);
        if (inner != NULL) {
            result = PyUnicode_FromFormat("%s({%U})", short_name(self), inner);
            Py_DECREF(inner);
        }
    }
    Py_XDECREF(text);
    Py_XDECREF(members);
    kpy_repr_leave(coll);
    return result;
}

static PyMethodDef set_methods[] = {
    {"__contains__", set_contains_method, METH_O | METH_COEXIST,
     PyDoc_STR("__contains__($self, key, /)\n--\n\n"
               "x.__contains__(y) <==> y in x.")},
    {"add", set_add, METH_O,
     PyDoc_STR("add($self, member, /)\n--\n\n"
               "Add a member; nothing happens if it is there already.\n\n"
               ">>> from kist import fsset\n"
               ">>> with fsset() as s:\n"
               "...     s.add('a')\n"
               "...     s.add('a')\n"
               "...     len(s)\n"
               "1\n")},
    {"discard", set_discard, METH_O,
     PyDoc_STR("discard($self, member, /)\n--\n\n"
               "Remove a member if it is there.")},
    {"remove", set_remove, METH_O,
     PyDoc_STR("remove($self, member, /)\n--\n\n"
               "Remove a member; KeyError if it is not there.")},
    {"pop", set_pop, METH_NOARGS,
     PyDoc_STR("pop($self, /)\n--\n\n"
               "Remove and return some member; KeyError if empty.")},
    {"clear", set_clear, METH_NOARGS,
     PyDoc_STR("clear($self, /)\n--\n\n"
               "Remove all members.")},
    {"copy", kpy_set_copy, METH_NOARGS,
     PyDoc_STR("copy($self, /)\n--\n\n"
               "A builtin set of the members.")},
    {"scan", set_scan, METH_O,
     PyDoc_STR("scan($self, predicate, /)\n--\n\n"
               "Iterate over the members that predicate(member) is true "
               "for.")},
    {"union", KPY_METHOD(kpy_set_union), METH_FASTCALL,
     PyDoc_STR("union($self, /, *others)\n--\n\n"
               "A builtin set of the members of this set and of all the "
               "others.")},
    {"intersection", KPY_METHOD(kpy_set_intersection), METH_FASTCALL,
     PyDoc_STR("intersection($self, /, *others)\n--\n\n"
               "A builtin set of the members that all the others have too.")},
    {"difference", KPY_METHOD(kpy_set_difference), METH_FASTCALL,
     PyDoc_STR("difference($self, /, *others)\n--\n\n"
               "A builtin set of the members that none of the others has.")},
    {"symmetric_difference", kpy_set_symmetric_difference, METH_O,
     PyDoc_STR("symmetric_difference($self, other, /)\n--\n\n"
               "A builtin set of the members that exactly one of the two "
               "has.")},
    {"isdisjoint", kpy_set_isdisjoint, METH_O,
     PyDoc_STR("isdisjoint($self, other, /)\n--\n\n"
               "True if the two have no member in common.")},
    {"issubset", kpy_set_issubset, METH_O,
     PyDoc_STR("issubset($self, other, /)\n--\n\n"
               "True if the other one has every member of this set.")},
    {"issuperset", kpy_set_issuperset, METH_O,
     PyDoc_STR("issuperset($self, other, /)\n--\n\n"
               "True if this set has every member of the other one.")},
    {"update", KPY_METHOD(kpy_set_update), METH_FASTCALL,
     PyDoc_STR("update($self, /, *others)\n--\n\n"
               "Add the members of all the others, in one step.\n\n"
               ">>> from kist import fsset\n"
               ">>> with fsset() as s:\n"
               "...     s.update([1, 2], {2.0, 3})\n"
               "...     sorted(s)\n"
               "[1, 2, 3]\n")},
    {"intersection_update", KPY_METHOD(kpy_set_intersection_update),
     METH_FASTCALL,
     PyDoc_STR("intersection_update($self, /, *others)\n--\n\n"
               "Keep only what all the others have too.")},
    {"difference_update", KPY_METHOD(kpy_set_difference_update), METH_FASTCALL,
     PyDoc_STR("difference_update($self, /, *others)\n--\n\n"
               "Remove what any of the others has.")},
    {"symmetric_difference_update", kpy_set_symmetric_difference_update,
     METH_O,
     PyDoc_STR("symmetric_difference_update($self, other, /)\n--\n\n"
               "Keep what exactly one of the two has.")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    set_doc,
    "FSSet(base_path=None, *, klass=None, **options)\n--\n\n"
    "A set that is kept in the file pair base_path.kist and\n"
    "base_path.kistx; without base_path, in temporary files that go with\n"
    "the object.\n\n"
    ">>> from kist import FSSet\n"
    ">>> with FSSet() as s:\n"
    "...     s.update(['a', 1, (2, 'b')])\n"
    "...     print(1.0 in s, s - {'a', 1})\n"
    "True {(2, 'b')}\n");

static PyType_Slot set_slots[] = {
    {Py_tp_doc, (void *)set_doc},
    {Py_tp_init, KPY_SLOT(set_init)},
    {Py_tp_repr, KPY_SLOT(set_repr)},
    {Py_tp_hash, KPY_SLOT(PyObject_HashNotImplemented)},
    {Py_tp_richcompare, KPY_SLOT(kpy_set_compare)},
    {Py_tp_iter, KPY_SLOT(kpy_set_iter)},
    {Py_tp_methods, set_methods},
    {Py_sq_length, KPY_SLOT(set_length)},
    {Py_sq_contains, KPY_SLOT(set_contains)},
    {Py_nb_or, KPY_SLOT(kpy_set_or)},
    {Py_nb_and, KPY_SLOT(kpy_set_and)},
    {Py_nb_subtract, KPY_SLOT(kpy_set_sub)},
    {Py_nb_xor, KPY_SLOT(kpy_set_xor)},
    {Py_nb_inplace_or, KPY_SLOT(kpy_set_ior)},
    {Py_nb_inplace_and, KPY_SLOT(kpy_set_iand)},
    {Py_nb_inplace_subtract, KPY_SLOT(kpy_set_isub)},
    {Py_nb_inplace_xor, KPY_SLOT(kpy_set_ixor)},
    {0, NULL},
};

static PyType_Spec set_spec = {
    .name = "kist.FSSet",
    .basicsize = sizeof(kpy_coll_solid),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = set_slots,
};

int
kpy_set_type_add(PyObject *module)
{
    kpy_state *state = kpy_state_of_module(module);

    if (kpy_set_iter_type_add(module) < 0) {
        return -1;
    }
    return kpy_type_add(module, KPY_TYPE_SET, &set_spec,
                        state->types[KPY_TYPE_COLL], true);
}
