/*
 * kist.FSDict: lookups, single writes and the type itself.
 */
#include "dictobj.h"

#define COMPLETIONS_MAX 10000u

/* --- keys
 * -----------------------------------------------------------------------
 */

int
kpy_dict_key_find(PyObject *key, kpy_scratch *scratch, kist_slice *name)
{
    if (PyUnicode_Check(key)) {
        return kpy_key_of(key, scratch, name) < 0 ? -1 : 1;
    }
    return PyObject_Hash(key) == -1 && PyErr_Occurred() ? -1 : 0;
}

bool
kpy_dict_key_check(PyObject *key)
{
    if (PyUnicode_Check(key)) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "keys must be str, not %.200s",
                 Py_TYPE(key)->tp_name);
    return false;
}

/* The bytes of a plain ASCII str, which most keys are; false for others. */
static inline bool
key_is_plain(PyObject *key, kist_slice *name)
{
    if (!PyUnicode_CheckExact(key) || !PyUnicode_IS_COMPACT_ASCII(key)) {
        return false;
    }
    name->data = PyUnicode_1BYTE_DATA(key);
    name->size = (size_t)PyUnicode_GET_LENGTH(key);
    return true;
}

/* --- lookups
 * ------------------------------------------------------------------------
 */

/* The value that a get handed out, or why not: 1, 0 or -1. */
static inline int
find_answer(kpy_coll *dict, kist_status status, const kist_value *stored,
            PyObject **value)
{
    if (status == KIST_OK) {
        *value = kpy_object_again(dict->state, stored, &dict->spares);
        return *value == NULL ? -1 : 1;
    }
    return status == KIST_ERR_NOTFOUND ? 0
                                       : kpy_raise_int(dict->state, status);
}

static int
find_rare(kpy_coll *dict, PyObject *key, PyObject **value)
{
    kpy_scratch scratch = {0};
    kist_slice name;
    kist_value stored;
    int found = kpy_dict_key_find(key, &scratch, &name);

    // Asking for the hash may have run anything.
    if (found == 1 && !kpy_coll_open_or_raise(dict)) {
        found = -1;
    }
    if (found == 1) {
        const kist_status status =
            kist_dict_get(dict->handle.dict, name, &stored);

        found = find_answer(dict, status, &stored, value);
    }
    kpy_scratch_done(&scratch);
    return found;
}

static inline int
find(kpy_coll *dict, PyObject *key, PyObject **value)
{
    kist_slice name;
    kist_value stored;
    kist_status status;

    *value = NULL;
    if (!kpy_coll_open_or_raise(dict)) {
        return -1;
    }
    if (!key_is_plain(key, &name)) {
        return find_rare(dict, key, value);
    }
    status = kist_dict_get(dict->handle.dict, name, &stored);
    return find_answer(dict, status, &stored, value);
}

int
kpy_dict_find(kpy_coll *dict, PyObject *key, PyObject **value)
{
    return find(dict, key, value);
}

int
kpy_dict_has(kpy_coll *dict, PyObject *key)
{
    kpy_scratch scratch;
    kist_slice name;
    kist_status status;

    if (!kpy_coll_open_or_raise(dict)) {
        return -1;
    }
    if (key_is_plain(key, &name)) {
        status = kist_dict_contains(dict->handle.dict, name);
    }
    else {
        int found;

        memset(&scratch, 0, sizeof(scratch));
        found = kpy_dict_key_find(key, &scratch, &name);
        if (found == 1 && !kpy_coll_open_or_raise(dict)) {
            found = -1;
        }
        if (found != 1) {
            kpy_scratch_done(&scratch);
            return found;
        }
        status = kist_dict_contains(dict->handle.dict, name);
        kpy_scratch_done(&scratch);
    }
    if (status == KIST_OK) {
        return 1;
    }
    return status == KIST_ERR_NOTFOUND ? 0
                                       : kpy_raise_int(dict->state, status);
}

Py_ssize_t
kpy_dict_length(kpy_coll *dict)
{
    uint64_t count;
    kist_status status;

    if (!kpy_coll_open_or_raise(dict)) {
        return -1;
    }
    status = kist_dict_count(dict->handle.dict, &count);
    return status == KIST_OK ? (Py_ssize_t)count
                             : kpy_raise_int(dict->state, status);
}

/* d[key] of a missing key: __missing__ of a subclass, as dict has it. */
static PyObject *
subscript_missing(kpy_coll *dict, PyObject *key)
{
    PyObject *missing;
    PyObject *value;

    if (Py_TYPE(dict) == dict->state->types[KPY_TYPE_DICT]) {
        return kpy_raise_key(key);
    }
    missing = PyObject_GetAttrString((PyObject *)dict, "__missing__");
    if (missing == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        return kpy_raise_key(key);
    }
    value = PyObject_CallOneArg(missing, key);
    Py_DECREF(missing);
    return value;
}

static PyObject *
dict_subscript(PyObject *self, PyObject *key)
{
    PyObject *value;
    const int found = find((kpy_coll *)self, key, &value);

    if (found == 0) {
        return subscript_missing((kpy_coll *)self, key);
    }
    return value;
}

static Py_ssize_t
dict_length(PyObject *self)
{
    return kpy_dict_length((kpy_coll *)self);
}

static int
dict_contains(PyObject *self, PyObject *key)
{
    return kpy_dict_has((kpy_coll *)self, key);
}

/* True if `count` arguments are within least .. most. */
static bool
args_check(const char *name, Py_ssize_t count, Py_ssize_t least,
           Py_ssize_t most)
{
    if (count < least) {
        PyErr_Format(PyExc_TypeError,
                     "%s expected at least %zd argument%s, got %zd", name,
                     least, least == 1 ? "" : "s", count);
        return false;
    }
    if (count > most) {
        PyErr_Format(PyExc_TypeError,
                     "%s expected at most %zd argument%s, got %zd", name, most,
                     most == 1 ? "" : "s", count);
        return false;
    }
    return true;
}

PyDoc_STRVAR(get_doc, "get($self, key, default=None, /)\n--\n\n"
                      "The value of key, or default if it is not there.");

static PyObject *
dict_get(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value;
    int found;

    if (!args_check("get", count, 1, 2)) {
        return NULL;
    }
    found = kpy_dict_find((kpy_coll *)self, args[0], &value);
    if (found == 0) {
        return Py_NewRef(count == 2 ? args[1] : Py_None);
    }
    return value;
}

/* --- writes
 * --------------------------------------------------------------------------
 */

static int
dict_put(kpy_coll *dict, PyObject *key, PyObject *object)
{
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_dict *handle;
    kist_slice name;
    kist_value value;
    kist_status status;

    if (!kpy_dict_key_check(key)) {
        return -1;
    }
    // The value is made first: that may run anything, close() included.
    if (kpy_value_of(dict->state, dict->klass, object, &scratch, &value) < 0 ||
        kpy_key_of(key, &scratch, &name) < 0 ||
        !kpy_coll_writable_or_raise(dict)) {
        kpy_scratch_done(&scratch);
        return -1;
    }
    chest = dict->chest;
    handle = dict->handle.dict;
    KPY_TURN(&turn, chest, status, kist_dict_put(handle, name, &value));
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    return status == KIST_OK ? 0 : kpy_raise_int(dict->state, status);
}

static int
dict_remove(kpy_coll *dict, PyObject *key)
{
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_dict *handle;
    kist_slice name;
    kist_status status;
    const int found = kpy_dict_key_find(key, &scratch, &name);

    if (found < 0 || !kpy_coll_writable_or_raise(dict)) {
        kpy_scratch_done(&scratch);
        return -1;
    }
    status = KIST_ERR_NOTFOUND;
    if (found == 1) {
        chest = dict->chest;
        handle = dict->handle.dict;
        KPY_TURN(&turn, chest, status, kist_dict_remove(handle, name));
        kpy_turn_done(&turn);
    }
    kpy_scratch_done(&scratch);
    if (status == KIST_ERR_NOTFOUND) {
        (void)kpy_raise_key(key);
        return -1;
    }
    return status == KIST_OK ? 0 : kpy_raise_int(dict->state, status);
}

static int
dict_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    kpy_coll *dict = (kpy_coll *)self;

    if (!kpy_coll_writable_or_raise(dict)) {
        return -1;
    }
    return value == NULL ? dict_remove(dict, key) : dict_put(dict, key, value);
}

PyDoc_STRVAR(setdefault_doc,
             "setdefault($self, key, default=None, /)\n--\n\n"
             "The value of key, which becomes default if it is not there.\n\n"
             "What is returned is a copy: setdefault(k, []).append(x) is not\n"
             "kept.  Use a list of its own for that.");

/* One step, so that of several who try exactly one sets it (row 69). */
static PyObject *
setdefault_put(kpy_coll *dict, PyObject *key, PyObject *object)
{
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_dict *handle;
    kist_slice name;
    kist_value value;
    kist_value there;
    kist_status status;
    PyObject *answer = NULL;

    if (kpy_value_of(dict->state, dict->klass, object, &scratch, &value) < 0 ||
        kpy_key_of(key, &scratch, &name) < 0 ||
        !kpy_coll_writable_or_raise(dict)) {
        kpy_scratch_done(&scratch);
        return NULL;
    }
    chest = dict->chest;
    handle = dict->handle.dict;
    KPY_TURN(&turn, chest, status,
             kist_dict_put_new(handle, name, &value, &there));
    if (status == KIST_OK) {
        answer = Py_NewRef(object);
    }
    else if (status == KIST_ERR_EXISTS) {
        answer = kpy_object_of(dict->state, &there);
    }
    else {
        (void)kpy_raise(dict->state, status);
    }
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    return answer;
}

static PyObject *
dict_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_coll *dict = (kpy_coll *)self;
    PyObject *value;
    int found;

    if (!args_check("setdefault", count, 1, 2) ||
        !kpy_coll_writable_or_raise(dict) || !kpy_dict_key_check(args[0])) {
        return NULL;
    }
    // What is there is answered even if the default could not be kept.
    found = kpy_dict_find(dict, args[0], &value);
    if (found != 0) {
        return value;
    }
    return setdefault_put(dict, args[0], count == 2 ? args[1] : Py_None);
}

PyDoc_STRVAR(pop_doc, "pop($self, key, default=<unrepresentable>, /)\n--\n\n"
                      "Remove key and return its value, or default, or raise\n"
                      "KeyError.");

static PyObject *
dict_pop(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_coll *dict = (kpy_coll *)self;
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kist_slice name;
    kist_value stored;
    PyObject *value = NULL;
    kist_status status = KIST_ERR_NOTFOUND;
    int found;

    if (!args_check("pop", count, 1, 2)) {
        return NULL;
    }
    found = kpy_dict_key_find(args[0], &scratch, &name);
    if (found < 0 || !kpy_coll_writable_or_raise(dict)) {
        kpy_scratch_done(&scratch);
        return NULL;
    }
    if (found == 1) {
        kpy_chest *chest = dict->chest;
        kist_dict *handle = dict->handle.dict;

        KPY_TURN(&turn, chest, status, kist_dict_pop(handle, name, &stored));
    }
    if (status == KIST_OK) {
        value = kpy_object_of(dict->state, &stored);
    }
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    if (status == KIST_ERR_NOTFOUND) {
        return count == 2 ? Py_NewRef(args[1]) : kpy_raise_key(args[0]);
    }
    return status == KIST_OK ? value : kpy_raise(dict->state, status);
}

PyDoc_STRVAR(popitem_doc,
             "popitem($self, /)\n--\n\n"
             "Remove the last item and return it as (key, value).");

static PyObject *
dict_popitem(PyObject *self, PyObject *unused)
{
    kpy_coll *dict = (kpy_coll *)self;
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_dict *handle;
    kist_slice key;
    kist_value stored;
    kist_status status;
    PyObject *pair;

    (void)unused;
    if (!kpy_coll_writable_or_raise(dict)) {
        return NULL;
    }
    // Before the call: making it may run the collector, which may use kist.
    pair = PyTuple_New(2);
    if (pair == NULL || !kpy_coll_writable_or_raise(dict)) {
        Py_XDECREF(pair);
        return NULL;
    }
    chest = dict->chest;
    handle = dict->handle.dict;
    KPY_TURN(&turn, chest, status,
             kist_dict_popitem(handle, true, &key, &stored));
    if (status == KIST_OK) {
        PyTuple_SET_ITEM(pair, 0, kpy_text_new(dict->state, key));
        PyTuple_SET_ITEM(pair, 1, kpy_object_of(dict->state, &stored));
    }
    kpy_turn_done(&turn);
    if (status == KIST_OK && PyTuple_GET_ITEM(pair, 0) != NULL &&
        PyTuple_GET_ITEM(pair, 1) != NULL) {
        return pair;
    }
    Py_DECREF(pair);
    if (status == KIST_ERR_NOTFOUND) {
        PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
        return NULL;
    }
    return status == KIST_OK ? NULL : kpy_raise(dict->state, status);
}

PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\nRemove all items.");

static PyObject *
dict_clear(PyObject *self, PyObject *unused)
{
    kpy_coll *dict = (kpy_coll *)self;
    kpy_turn turn = {0};
    kpy_chest *chest = dict->chest;
    kist_dict *handle = dict->handle.dict;
    kist_status status;

    (void)unused;
    if (!kpy_coll_writable_or_raise(dict)) {
        return NULL;
    }
    KPY_TURN(&turn, chest, status, kist_dict_clear(handle));
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(dict->state, status);
    }
    Py_RETURN_NONE;
}

/* --- wholes
 * -----------------------------------------------------------------------------
 */

PyObject *
kpy_dict_copy(kpy_coll *dict)
{
    PyObject *copy = PyDict_New();
    kist_scan *scan = copy == NULL ? NULL : kpy_dict_scan_open(dict, false);
    kist_slice name;
    kist_value stored;
    int found = -1;

    while (scan != NULL &&
           (found = kpy_dict_scan_next(dict, scan, &name, &stored)) == 1) {
        PyObject *key = kpy_text_new(dict->state, name);
        PyObject *value =
            key == NULL ? NULL : kpy_object_of(dict->state, &stored);

        found = value == NULL ? -1 : PyDict_SetItem(copy, key, value);
        Py_XDECREF(key);
        Py_XDECREF(value);
        if (found < 0) {
            break;
        }
    }
    kist_scan_close(scan);
    if (found < 0) {
        Py_CLEAR(copy);
    }
    return copy;
}

static PyObject *
dict_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_dict_copy((kpy_coll *)self);
}

static PyObject *
dict_repr(PyObject *self)
{
    kpy_coll *dict = (kpy_coll *)self;

    if (dict->handle.any == NULL) {
        return kpy_coll_repr(dict, NULL);
    }
    return kpy_coll_repr(dict, kpy_dict_copy(dict));
}

/* 1 if all items of `dict` are in `other`, a dict or FSDict; 0; -1. */
static int
items_within(kpy_coll *dict, PyObject *other)
{
    PyObject *items = kpy_dict_iter(dict, KPY_DICT_ITEMS, false);
    PyObject *item;
    int same = items == NULL ? -1 : 1;

    while (same == 1 && (item = PyIter_Next(items)) != NULL) {
        PyObject *key = PyTuple_GET_ITEM(item, 0);
        PyObject *value = NULL;

        if (kpy_is(dict->state, KPY_TYPE_DICT, other)) {
            same = kpy_dict_find((kpy_coll *)other, key, &value);
        }
        else {
            value = Py_XNewRef(PyDict_GetItemWithError(other, key));
            same = value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
        }
        if (same == 1) {
            same = PyObject_RichCompareBool(PyTuple_GET_ITEM(item, 1), value,
                                            Py_EQ);
        }
        Py_XDECREF(value);
        Py_DECREF(item);
    }
    Py_XDECREF(items);
    return PyErr_Occurred() ? -1 : same;
}

static PyObject *
dict_richcompare(PyObject *self, PyObject *other, int op)
{
    kpy_coll *dict = (kpy_coll *)self;
    Py_ssize_t own;
    Py_ssize_t others;
    int same;

    if ((op != Py_EQ && op != Py_NE) ||
        (!PyDict_Check(other) && !kpy_is(dict->state, KPY_TYPE_DICT, other))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    own = kpy_dict_length(dict);
    others = own < 0               ? -1
             : PyDict_Check(other) ? PyDict_GET_SIZE(other)
                                   : kpy_dict_length((kpy_coll *)other);
    if (others < 0) {
        return NULL;
    }
    same = own != others ? 0 : items_within(dict, other);
    return same < 0 ? NULL : PyBool_FromLong(same == (op == Py_EQ));
}

/* --- iterators, views, scans
 * ----------------------------------------------------------
 */

static PyObject *
dict_iter(PyObject *self)
{
    return kpy_dict_iter((kpy_coll *)self, KPY_DICT_KEYS, false);
}

static PyObject *
dict_reversed(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_dict_iter((kpy_coll *)self, KPY_DICT_KEYS, true);
}

static PyObject *
dict_keys(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_dict_view((kpy_coll *)self, KPY_DICT_KEYS);
}

static PyObject *
dict_values(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_dict_view((kpy_coll *)self, KPY_DICT_VALUES);
}

static PyObject *
dict_items(PyObject *self, PyObject *unused)
{
    (void)unused;
    return kpy_dict_view((kpy_coll *)self, KPY_DICT_ITEMS);
}

PyDoc_STRVAR(scan_doc,
             "scan($self, predicate, /)\n--\n\n"
             "The items, one at a time, for which predicate(key, value) is\n"
             "true.");

static PyObject *
dict_scan(PyObject *self, PyObject *predicate)
{
    kpy_coll *dict = (kpy_coll *)self;

    return kpy_scan_new(dict->state,
                        kpy_dict_iter(dict, KPY_DICT_ITEMS, false), predicate,
                        true);
}

/* What a notebook offers after `d["`; of a huge dict, the first ones. */
static PyObject *
dict_completions(PyObject *self, PyObject *unused)
{
    PyObject *keys = PyList_New(0);
    PyObject *iterator = keys == NULL ? NULL : dict_iter(self);
    PyObject *key;
    int result = iterator == NULL ? -1 : 0;

    (void)unused;
    while (result == 0 && PyList_GET_SIZE(keys) < COMPLETIONS_MAX &&
           (key = PyIter_Next(iterator)) != NULL) {
        result = PyList_Append(keys, key);
        Py_DECREF(key);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred()) {
        Py_CLEAR(keys);
    }
    return keys;
}

PyDoc_STRVAR(update_doc,
             "update($self, other=(), /, **named)\n--\n\n"
             "Set all items of a mapping or of an iterable of pairs, and the\n"
             "named ones: all or, if anything fails, none.");

static PyObject *
dict_update(PyObject *self, PyObject *args, PyObject *named)
{
    PyObject *source = NULL;

    if (!PyArg_UnpackTuple(args, "update", 0, 1, &source) ||
        !kpy_coll_writable_or_raise((kpy_coll *)self) ||
        kpy_dict_update((kpy_coll *)self, source, named) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- the type
 * ------------------------------------------------------------------------------
 */

static int
dict_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return kpy_coll_init(self, KIST_KIND_DICT, args, kwargs);
}

static PyMethodDef dict_methods[] = {
    {"get", KPY_METHOD(dict_get), METH_FASTCALL, get_doc},
    {"get_many", KPY_METHOD(kpy_dict_get_many), METH_FASTCALL | METH_KEYWORDS,
     "get_many($self, keys, default=None)\n--\n\n"
     "A list of the values of all keys, looked up at once; default stands\n"
     "for those that are not there."},
    {"setdefault", KPY_METHOD(dict_setdefault), METH_FASTCALL, setdefault_doc},
    {"pop", KPY_METHOD(dict_pop), METH_FASTCALL, pop_doc},
    {"popitem", dict_popitem, METH_NOARGS, popitem_doc},
    {"clear", dict_clear, METH_NOARGS, clear_doc},
    {"update", KPY_METHOD(dict_update), METH_VARARGS | METH_KEYWORDS,
     update_doc},
    {"copy", dict_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nA builtin dict with the contents."},
    {"keys", dict_keys, METH_NOARGS,
     "keys($self, /)\n--\n\nA set-like view of the keys."},
    {"values", dict_values, METH_NOARGS,
     "values($self, /)\n--\n\nA view of the values."},
    {"items", dict_items, METH_NOARGS,
     "items($self, /)\n--\n\nA set-like view of the items."},
    {"scan", dict_scan, METH_O, scan_doc},
    {"fromkeys", KPY_METHOD(kpy_dict_fromkeys), METH_FASTCALL | METH_CLASS,
     "fromkeys($type, iterable, value=None, /)\n--\n\n"
     "A new temporal FSDict with these keys, all with value."},
    {"__reversed__", dict_reversed, METH_NOARGS, NULL},
    {"_ipython_key_completions_", dict_completions, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    dict_doc,
    "FSDict(base_path=None, *, klass=None, **options)\n--\n\n"
    "A dict with str keys that is kept in base_path.kist and .kistx.\n\n"
    "Without base_path it is temporal: its files go with it.  klass says\n"
    "which values it takes, as int or 'int32'; None: all that kist knows.\n"
    "Values are copies: after d[k].append(x) assign d[k] again.");

static PyType_Slot dict_slots[] = {
    {Py_tp_doc, KPY_SLOT(dict_doc)},
    {Py_tp_init, KPY_SLOT(dict_init)},
    {Py_tp_repr, KPY_SLOT(dict_repr)},
    {Py_tp_hash, KPY_SLOT(PyObject_HashNotImplemented)},
    {Py_tp_richcompare, KPY_SLOT(dict_richcompare)},
    {Py_tp_iter, KPY_SLOT(dict_iter)},
    {Py_tp_methods, dict_methods},
    {Py_mp_length, KPY_SLOT(dict_length)},
    {Py_mp_subscript, KPY_SLOT(dict_subscript)},
    {Py_mp_ass_subscript, KPY_SLOT(dict_ass_subscript)},
    {Py_sq_contains, KPY_SLOT(dict_contains)},
    {Py_nb_or, KPY_SLOT(kpy_dict_or)},
    {Py_nb_inplace_or, KPY_SLOT(kpy_dict_ior)},
    {0, NULL},
};

static PyType_Spec dict_spec = {
    .name = "kist.FSDict",
    .basicsize = sizeof(kpy_coll_solid),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_MAPPING,
    .slots = dict_slots,
};

int
kpy_dict_type_add(PyObject *module)
{
    const kpy_state *state = kpy_state_of_module(module);

    return kpy_type_add(module, KPY_TYPE_DICT, &dict_spec,
                        state->types[KPY_TYPE_COLL], true) < 0
               ? -1
               : kpy_dictiter_type_add(module);
}
