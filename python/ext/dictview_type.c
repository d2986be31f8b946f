/*
 * keys(), values() and items() of a FSDict: live views, the first and the
 * last with set algebra that answers builtin sets (row 14).
 */
#include "dictobj.h"

typedef struct dict_view {
    PyObject_HEAD kpy_coll *dict; /* owned */
    kpy_dict_part part;
} dict_view;

/* --- life
 * ----------------------------------------------------------------------
 */

PyObject *
kpy_dict_view(kpy_coll *dict, kpy_dict_part part)
{
    static const kpy_type_id ids[] = {
        [KPY_DICT_KEYS] = KPY_TYPE_DICT_KEYS,
        [KPY_DICT_VALUES] = KPY_TYPE_DICT_VALUES,
        [KPY_DICT_ITEMS] = KPY_TYPE_DICT_ITEMS,
    };
    PyTypeObject *type = dict->state->types[ids[part]];
    dict_view *view;

    if (!kpy_coll_open_or_raise(dict)) {
        return NULL;
    }
    view = (dict_view *)type->tp_alloc(type, 0);
    if (view != NULL) {
        view->dict = (kpy_coll *)Py_NewRef((PyObject *)dict);
        view->part = part;
    }
    return (PyObject *)view;
}

static int
view_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)((dict_view *)self)->dict);
    return 0;
}

static void
view_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_XDECREF(((dict_view *)self)->dict);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- what all three do
 * --------------------------------------------------------------
 */

static Py_ssize_t
view_length(PyObject *self)
{
    return kpy_dict_length(((dict_view *)self)->dict);
}

static PyObject *
view_iter(PyObject *self)
{
    const dict_view *view = (dict_view *)self;

    return kpy_dict_iter(view->dict, view->part, false);
}

static PyObject *
view_reversed(PyObject *self, PyObject *unused)
{
    const dict_view *view = (dict_view *)self;

    (void)unused;
    return kpy_dict_iter(view->dict, view->part, true);
}

static PyObject *
view_repr(PyObject *self)
{
    const char *dot = strrchr(Py_TYPE(self)->tp_name, '.');
    PyObject *list = PySequence_List(self);
    PyObject *text;

    if (list == NULL) {
        return NULL;
    }
    text = PyUnicode_FromFormat(
        "%s(%R)", dot == NULL ? Py_TYPE(self)->tp_name : dot + 1, list);
    Py_DECREF(list);
    return text;
}

static PyObject *
view_mapping(PyObject *self, void *unused)
{
    (void)unused;
    return PyDictProxy_New((PyObject *)((dict_view *)self)->dict);
}

static int
keys_contains(PyObject *self, PyObject *key)
{
    return kpy_dict_has(((dict_view *)self)->dict, key);
}

static int
items_contains(PyObject *self, PyObject *item)
{
    PyObject *value;
    int found;

    if (!kpy_coll_open_or_raise(((dict_view *)self)->dict)) {
        return -1;
    }
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        return 0;
    }
    found = kpy_dict_find(((dict_view *)self)->dict, PyTuple_GET_ITEM(item, 0),
                          &value);
    if (found == 1) {
        found =
            PyObject_RichCompareBool(PyTuple_GET_ITEM(item, 1), value, Py_EQ);
        Py_DECREF(value);
    }
    return found;
}

/* --- set algebra
 * ----------------------------------------------------------------------
 */

/* True if `object` is keys() or items() of a FSDict. */
static bool
is_set_view(const kpy_state *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->types[KPY_TYPE_DICT_KEYS]) ||
           Py_IS_TYPE(object, state->types[KPY_TYPE_DICT_ITEMS]);
}

/* set(left), then its method `name` with right. */
static PyObject *
set_with(PyObject *left, const char *name, PyObject *right)
{
    PyObject *set = PySet_New(left);
    PyObject *answer;

    if (set == NULL) {
        return NULL;
    }
    answer = PyObject_CallMethod(set, name, "(O)", right);
    if (answer == NULL) {
        Py_CLEAR(set);
    }
    Py_XDECREF(answer);
    return set;
}

static PyObject *
view_sub(PyObject *left, PyObject *right)
{
    return set_with(left, "difference_update", right);
}

static PyObject *
view_or(PyObject *left, PyObject *right)
{
    return set_with(left, "update", right);
}

static PyObject *
view_xor(PyObject *left, PyObject *right)
{
    return set_with(left, "symmetric_difference_update", right);
}

/* Walks the operand that is not ours and asks the view, as dict does. */
static PyObject *
view_and(PyObject *left, PyObject *right)
{
    const kpy_state *state = kpy_state_of_either(left, right);
    PyObject *view = left;
    PyObject *other = right;
    PyObject *set;
    PyObject *iterator;
    PyObject *item;
    int result = 0;

    if (state == NULL) {
        return NULL;
    }
    if (!is_set_view(state, left)) {
        view = right;
        other = left;
    }
    set = PySet_New(NULL);
    iterator = set == NULL ? NULL : PyObject_GetIter(other);
    while (iterator != NULL && result >= 0 &&
           (item = PyIter_Next(iterator)) != NULL) {
        result = PySequence_Contains(view, item);
        if (result > 0) {
            result = PySet_Add(set, item);
        }
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred()) {
        Py_CLEAR(set);
    }
    return set;
}

static PyObject *
view_isdisjoint(PyObject *self, PyObject *other)
{
    PyObject *common;
    bool disjoint;

    if (self == other) {
        const Py_ssize_t length = view_length(self);

        return length < 0 ? NULL : PyBool_FromLong(length == 0);
    }
    common = view_and(self, other);
    if (common == NULL) {
        return NULL;
    }
    disjoint = PySet_GET_SIZE(common) == 0;
    Py_DECREF(common);
    return PyBool_FromLong(disjoint);
}

/* 1 if all that `part` gives is in `whole`, else 0; -1 on error. */
static int
all_within(PyObject *part, PyObject *whole)
{
    PyObject *iterator = PyObject_GetIter(part);
    PyObject *item;
    int within = iterator == NULL ? -1 : 1;

    while (within == 1 && (item = PyIter_Next(iterator)) != NULL) {
        within = PySequence_Contains(whole, item);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : within;
}

static PyObject *
view_richcompare(PyObject *self, PyObject *other, int op)
{
    const kpy_state *state = ((dict_view *)self)->dict->state;
    Py_ssize_t own;
    Py_ssize_t others;
    bool fits;
    int within;

    if (!PyAnySet_Check(other) && !is_set_view(state, other) &&
        !Py_IS_TYPE(other, &PyDictKeys_Type) &&
        !Py_IS_TYPE(other, &PyDictItems_Type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    own = view_length(self);
    others = own < 0 ? -1 : PyObject_Size(other);
    if (others < 0) {
        return NULL;
    }
    fits = op == Py_LT   ? own < others
           : op == Py_LE ? own <= others
           : op == Py_GT ? own > others
           : op == Py_GE ? own >= others
                         : own == others;
    within = !fits                        ? 0
             : op == Py_GT || op == Py_GE ? all_within(other, self)
                                          : all_within(self, other);
    return within < 0 ? NULL : PyBool_FromLong(within == (op != Py_NE));
}

/* --- the types
 * ---------------------------------------------------------------------------
 */

static PyMethodDef view_methods[] = {
    {"__reversed__", view_reversed, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef set_view_methods[] = {
    {"__reversed__", view_reversed, METH_NOARGS, NULL},
    {"isdisjoint", view_isdisjoint, METH_O,
     "isdisjoint($self, other, /)\n--\n\nTrue if nothing is in both."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef view_getset[] = {
    {"mapping", view_mapping, NULL, "The FSDict, read-only.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define VIEW_SLOTS                                                            \
    {Py_tp_dealloc, KPY_SLOT(view_dealloc)},                                  \
        {Py_tp_traverse, KPY_SLOT(view_traverse)},                            \
        {Py_tp_repr, KPY_SLOT(view_repr)}, {Py_tp_iter, KPY_SLOT(view_iter)}, \
        {Py_tp_getset, view_getset},                                          \
    {                                                                         \
        Py_sq_length, KPY_SLOT(view_length)                                   \
    }

#define SET_VIEW_SLOTS                                                        \
    {Py_tp_methods, set_view_methods},                                        \
        {Py_tp_hash, KPY_SLOT(PyObject_HashNotImplemented)},                  \
        {Py_tp_richcompare, KPY_SLOT(view_richcompare)},                      \
        {Py_nb_subtract, KPY_SLOT(view_sub)},                                 \
        {Py_nb_and, KPY_SLOT(view_and)}, {Py_nb_or, KPY_SLOT(view_or)},       \
    {                                                                         \
        Py_nb_xor, KPY_SLOT(view_xor)                                         \
    }

static PyType_Slot keys_slots[] = {
    VIEW_SLOTS,
    SET_VIEW_SLOTS,
    {Py_sq_contains, KPY_SLOT(keys_contains)},
    {0, NULL},
};

static PyType_Slot items_slots[] = {
    VIEW_SLOTS,
    SET_VIEW_SLOTS,
    {Py_sq_contains, KPY_SLOT(items_contains)},
    {0, NULL},
};

static PyType_Slot values_slots[] = {
    VIEW_SLOTS,
    {Py_tp_methods, view_methods},
    {0, NULL},
};

#define VIEW_FLAGS                                                            \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |                                \
     Py_TPFLAGS_DISALLOW_INSTANTIATION)

static PyType_Spec view_specs[] = {
    {"kist._core.FSDict_keys", sizeof(dict_view), 0, VIEW_FLAGS, keys_slots},
    {"kist._core.FSDict_values", sizeof(dict_view), 0, VIEW_FLAGS,
     values_slots},
    {"kist._core.FSDict_items", sizeof(dict_view), 0, VIEW_FLAGS, items_slots},
};

int
kpy_dictview_type_add(PyObject *module)
{
    static const kpy_type_id ids[] = {KPY_TYPE_DICT_KEYS, KPY_TYPE_DICT_VALUES,
                                      KPY_TYPE_DICT_ITEMS};
    size_t i;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (kpy_type_add(module, ids[i], &view_specs[i], NULL, true) < 0) {
            return -1;
        }
    }
    return 0;
}
