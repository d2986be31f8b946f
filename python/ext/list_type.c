/*
 * FSList: list, kept.  Its slots and the methods that deal with one item;
 * listobj.h says where the rest is.
 */
#include "listobj.h"

/* --- one item ------------------------------------------------------------
 */

typedef enum edit_op { EDIT_SET, EDIT_POP, EDIT_INSERT } edit_op;

/* A change at one index, which may count from the end. */
typedef struct edit {
    edit_op op;
    Py_ssize_t index;
    const kist_value *value; /* SET, INSERT */
    kist_value *removed;     /* POP: becomes a view; may be NULL */
} edit;

/* The one call that does it, at an index that is not negative. */
static kist_status
edit_at(kist_list *list, const edit *e, Py_ssize_t index)
{
    switch (e->op) {
    case EDIT_SET:
        return kist_list_set(list, (uint64_t)index, e->value);
    case EDIT_INSERT:
        return kist_list_insert(list, (uint64_t)index, e->value);
    default:
        return kist_list_pop(list, (uint64_t)index, e->removed);
    }
}

/* Inside a batch: counts from the end; an insert is clamped (row 9). */
static kist_status
edit_from_end(kist_list *list, const edit *e)
{
    Py_ssize_t index = e->index;
    uint64_t count;
    kist_status status = kist_list_count(list, &count);

    if (status != KIST_OK) {
        return status;
    }
    if (index < 0) {
        index += (Py_ssize_t)count;
        if (index < 0 && e->op != EDIT_INSERT) {
            return KIST_ERR_RANGE;
        }
        index = index < 0 ? 0 : index;
    }
    if (e->op == EDIT_INSERT && (uint64_t)index > count) {
        index = (Py_ssize_t)count;
    }
    return edit_at(list, e, index);
}

/* The view that a pop has given outlives the batch as a copy. */
static kist_status
keep(kist_value *value, kist_buf *copy)
{
    kist_status status;

    if (!kist_type_has_bytes(value->type)) {
        return KIST_OK;
    }
    status = kist_buf_append(copy, value->as.bytes.data, value->as.bytes.size);
    if (status == KIST_OK) {
        value->as.bytes = kist_buf_slice(copy);
    }
    return status;
}

/*
 * What depends on the count is one step with reading it, so that no other
 * process comes in between (row 69).  0 done, 1 no such index, -1 with an
 * error set.  `copy` takes the bytes of what was removed.
 */
static int
edit_locked(kpy_coll *list, const edit *e, kist_buf *copy)
{
    kist_status status;
    bool mine;

    if (kpy_coll_batch_begin(list, &mine) < 0) {
        return -1;
    }
    status = edit_from_end(list->handle.list, e);
    if (status == KIST_OK && e->removed != NULL) {
        status = keep(e->removed, copy);
    }
    status = kpy_coll_batch_end(list, mine, status);
    if (status == KIST_OK) {
        return 0;
    }
    return status == KIST_ERR_RANGE ? 1 : kpy_raise_int(list->state, status);
}

/* l[index] = value, del l[index], l.insert(): as edit_locked(). */
static int
edit_item(kpy_coll *list, const edit *e)
{
    kpy_turn turn = {0};
    kpy_chest *chest = list->chest;
    kist_list *handle = list->handle.list;
    kist_status status;

    if (!kpy_coll_writable_or_raise(list)) {
        return -1;
    }
    if (e->index < 0) {
        return edit_locked(list, e, NULL);
    }
    KPY_TURN(&turn, chest, status, edit_at(handle, e, e->index));
    kpy_turn_done(&turn);
    if (status == KIST_OK) {
        return 0;
    }
    if (status != KIST_ERR_RANGE) {
        return kpy_raise_int(list->state, status);
    }
    return e->op == EDIT_INSERT ? edit_locked(list, e, NULL) : 1;
}

/* As edit_item(), with `object` as the value. */
static int
edit_object(kpy_coll *list, edit_op op, Py_ssize_t index, PyObject *object)
{
    edit e = {.op = op, .index = index};
    kpy_scratch scratch = {0};
    kist_value value;
    int result = -1;

    if (!kpy_coll_writable_or_raise(list)) {
        return -1;
    }
    if (kpy_value_of(list->state, list->klass, object, &scratch, &value) ==
        0) {
        e.value = &value;
        result = edit_item(list, &e);
    }
    kpy_scratch_done(&scratch);
    return result;
}

PyDoc_STRVAR(append_doc, "append($self, object, /)\n--\n\n"
                         "Append object to the end of the list.");

static PyObject *
list_append(PyObject *self, PyObject *object)
{
    kpy_coll *list = (kpy_coll *)self;
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kpy_chest *chest;
    kist_list *handle;
    kist_value value;
    kist_status status;

    if (!kpy_coll_writable_or_raise(list)) {
        return NULL;
    }
    if (kpy_value_of(list->state, list->klass, object, &scratch, &value) < 0 ||
        !kpy_coll_writable_or_raise(list)) {
        kpy_scratch_done(&scratch);
        return NULL;
    }
    chest = list->chest;
    handle = list->handle.list;
    KPY_TURN(&turn, chest, status, kist_list_append(handle, &value));
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    if (status != KIST_OK) {
        return kpy_raise(list->state, status);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(insert_doc, "insert($self, index, object, /)\n--\n\n"
                         "Insert object before index.");

static PyObject *
list_insert(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *number;
    Py_ssize_t index;

    if (nargs != 2) {
        return PyErr_Format(PyExc_TypeError,
                            "insert expected 2 arguments, got %zd", nargs);
    }
    number = PyNumber_Index(args[0]);
    if (number == NULL) {
        return NULL;
    }
    index = PyLong_AsSsize_t(number);
    Py_DECREF(number);
    if ((index == -1 && PyErr_Occurred()) ||
        edit_object((kpy_coll *)self, EDIT_INSERT, index, args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(pop_doc,
             "pop($self, index=-1, /)\n--\n\n"
             "Remove and return item at index (default last).\n\n"
             "Raises IndexError if list is empty or index is out of range.\n"
             "Of several processes that pop, each gets another item.");

/* IndexError as list.pop() words it. */
static PyObject *
raise_pop(kpy_coll *list)
{
    Py_ssize_t count;

    if (kpy_list_count(list, &count) < 0) {
        return NULL;
    }
    PyErr_SetString(PyExc_IndexError, count == 0 ? "pop from empty list"
                                                 : "pop index out of range");
    return NULL;
}

static PyObject *
pop_from_end(kpy_coll *list, Py_ssize_t index)
{
    kist_value value;
    const edit e = {.op = EDIT_POP, .index = index, .removed = &value};
    kist_buf copy = {0};
    PyObject *object = NULL;
    const int done = edit_locked(list, &e, &copy);

    if (done == 0) {
        object = kpy_object_of(list->state, &value);
    }
    kist_buf_fini(&copy);
    return done > 0 ? raise_pop(list) : object;
}

static PyObject *
pop_at(kpy_coll *list, uint64_t index)
{
    kpy_turn turn = {0};
    kpy_chest *chest = list->chest;
    kist_list *handle = list->handle.list;
    PyObject *object = NULL;
    kist_value value;
    kist_status status;

    KPY_TURN(&turn, chest, status, kist_list_pop(handle, index, &value));
    if (status == KIST_OK) {
        object = kpy_object_of(list->state, &value);
    }
    kpy_turn_done(&turn);
    if (status == KIST_ERR_RANGE) {
        return raise_pop(list);
    }
    return status == KIST_OK ? object : kpy_raise(list->state, status);
}

static PyObject *
list_pop(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    kpy_coll *list = (kpy_coll *)self;
    PyObject *number;
    Py_ssize_t index = -1;

    if (nargs > 1) {
        return PyErr_Format(PyExc_TypeError,
                            "pop expected at most 1 argument, got %zd", nargs);
    }
    if (nargs == 1) {
        number = PyNumber_Index(args[0]);
        if (number == NULL) {
            return NULL;
        }
        index = PyLong_AsSsize_t(number);
        Py_DECREF(number);
        if (index == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (!kpy_coll_writable_or_raise(list)) {
        return NULL;
    }
    return index < -1 ? pop_from_end(list, index)
                      : pop_at(list, index < 0 ? KIST_LAST : (uint64_t)index);
}

/* --- subscript ------------------------------------------------------------
 */

/*
 * The item that many before the end.  Another process may shorten the list
 * between the count and the read: then both are made once more.
 */
static PyObject *
item_from_end(kpy_coll *list, Py_ssize_t index)
{
    Py_ssize_t count;
    PyObject *item;

    for (;;) {
        if (kpy_list_count(list, &count) < 0) {
            return NULL;
        }
        if (index + count < 0) {
            PyErr_SetString(PyExc_IndexError, "list index out of range");
            return NULL;
        }
        item = kpy_list_item(list, index + count);
        if (item != NULL || PyErr_Occurred()) {
            return item;
        }
    }
}

static PyObject *
list_item(PyObject *self, Py_ssize_t index)
{
    PyObject *item = index < 0 ? NULL : kpy_list_item((kpy_coll *)self, index);

    if (item == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_IndexError, "list index out of range");
    }
    return item;
}

/* An index as list has it: 0, or -1 with an error set. */
static int
index_of(PyObject *key, Py_ssize_t *index)
{
    if (PyLong_CheckExact(key)) {
        *index = PyLong_AsSsize_t(key);
        if (*index != -1 || !PyErr_Occurred()) {
            return 0;
        }
        PyErr_Clear(); // too large, which is an IndexError here
    }
    *index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    return *index == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
raise_indices(PyObject *key)
{
    return PyErr_Format(PyExc_TypeError,
                        "list indices must be integers or slices, not %.200s",
                        Py_TYPE(key)->tp_name);
}

static PyObject *
list_subscript(PyObject *self, PyObject *key)
{
    Py_ssize_t index;

    if (PyLong_CheckExact(key) || PyIndex_Check(key)) {
        if (index_of(key, &index) < 0) {
            return NULL;
        }
        return index < 0 ? item_from_end((kpy_coll *)self, index)
                         : list_item(self, index);
    }
    return PySlice_Check(key) ? kpy_list_get_slice((kpy_coll *)self, key)
                              : raise_indices(key);
}

/* l[index] = value, or del l[index] if `value` is NULL. */
static int
assign_item(PyObject *self, Py_ssize_t index, PyObject *value)
{
    const edit removal = {.op = EDIT_POP, .index = index};
    const int done =
        value == NULL ? edit_item((kpy_coll *)self, &removal)
                      : edit_object((kpy_coll *)self, EDIT_SET, index, value);

    if (done > 0) {
        PyErr_SetString(PyExc_IndexError,
                        "list assignment index out of range");
    }
    return done == 0 ? 0 : -1;
}

static int
list_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    Py_ssize_t index;

    if (PyLong_CheckExact(key) || PyIndex_Check(key)) {
        return index_of(key, &index) < 0 ? -1
                                         : assign_item(self, index, value);
    }
    if (PySlice_Check(key)) {
        return kpy_list_set_slice((kpy_coll *)self, key, value);
    }
    (void)raise_indices(key);
    return -1;
}

/*
 * PySequence_SetItem() has added the length to a negative index; what is
 * still negative is out of range.
 */
static int
list_ass_item(PyObject *self, Py_ssize_t index, PyObject *value)
{
    return assign_item(self, index < 0 ? PY_SSIZE_T_MAX : index, value);
}

static Py_ssize_t
list_length(PyObject *self)
{
    Py_ssize_t count;

    return kpy_list_count((kpy_coll *)self, &count) < 0 ? -1 : count;
}

/* --- many -----------------------------------------------------------------
 */

PyDoc_STRVAR(
    extend_doc,
    "extend($self, iterable, /)\n--\n\n"
    "Extend list by appending elements from the iterable.\n\n"
    "A list, tuple, set, dict, FSList or array of numbers is one\n"
    "change, all or nothing; what an iterator gives is appended in\n"
    "gives is appended in bunches, and stays if the iterator raises.");

static PyObject *
list_extend(PyObject *self, PyObject *iterable)
{
    kpy_coll *list = (kpy_coll *)self;

    if (!kpy_coll_writable_or_raise(list) ||
        kpy_list_extend(list, iterable) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clear_doc, "clear($self, /)\n--\n\n"
                        "Remove all items from list.");

static PyObject *
list_clear(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    kpy_coll *list = (kpy_coll *)self;

    return kpy_list_multiply(list, 0) < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(copy_doc, "copy($self, /)\n--\n\n"
                       "Return a builtin list of the items.");

static PyObject *
list_copy(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return kpy_list_read_all((kpy_coll *)self);
}

PyDoc_STRVAR(scan_doc, "scan($self, predicate, /)\n--\n\n"
                       "Iterate over the items for which predicate(item) is "
                       "true.");

static PyObject *
list_scan(PyObject *self, PyObject *predicate)
{
    PyObject *iterator = kpy_list_iter(self);

    return iterator == NULL ? NULL
                            : kpy_scan_new(((kpy_coll *)self)->state, iterator,
                                           predicate, false);
}

static bool
is_list(const kpy_state *state, PyObject *object)
{
    return PyList_Check(object) || kpy_is(state, KPY_TYPE_LIST, object);
}

/* A new builtin list of either sort's items. */
static PyObject *
builtin_of(const kpy_state *state, PyObject *object)
{
    return kpy_is(state, KPY_TYPE_LIST, object)
               ? kpy_list_read_all((kpy_coll *)object)
               : PyList_GetSlice(object, 0, PyList_GET_SIZE(object));
}

/* left + right as a builtin list (row 7). */
static PyObject *
join(const kpy_state *state, PyObject *left, PyObject *right)
{
    PyObject *joined = builtin_of(state, left);
    PyObject *tail = joined == NULL ? NULL : builtin_of(state, right);
    Py_ssize_t end;

    if (tail == NULL) {
        Py_XDECREF(joined);
        return NULL;
    }
    end = PyList_GET_SIZE(joined);
    if (PyList_SetSlice(joined, end, end, tail) < 0) {
        Py_CLEAR(joined);
    }
    Py_DECREF(tail);
    return joined;
}

static PyObject *
list_add(PyObject *left, PyObject *right)
{
    kpy_state *state = kpy_state_of_either(left, right);

    if (state == NULL) {
        return NULL;
    }
    if (!is_list(state, left) || !is_list(state, right)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return join(state, left, right);
}

static PyObject *
list_concat(PyObject *self, PyObject *other)
{
    kpy_state *state = ((kpy_coll *)self)->state;

    if (!kpy_coll_open_or_raise((kpy_coll *)self)) {
        return NULL;
    }
    if (!is_list(state, other)) {
        return PyErr_Format(
            PyExc_TypeError,
            "can only concatenate list (not \"%.200s\") to list",
            Py_TYPE(other)->tp_name);
    }
    return join(state, self, other);
}

static PyObject *
list_inplace_concat(PyObject *self, PyObject *other)
{
    kpy_coll *list = (kpy_coll *)self;

    if (!kpy_coll_writable_or_raise(list) ||
        kpy_list_extend(list, other) < 0) {
        return NULL;
    }
    return Py_NewRef(self);
}

static PyObject *
list_repeat(PyObject *self, Py_ssize_t times)
{
    PyObject *items = kpy_list_read_all((kpy_coll *)self);
    PyObject *repeated;

    if (items == NULL) {
        return NULL;
    }
    repeated = PySequence_Repeat(items, times);
    Py_DECREF(items);
    return repeated;
}

static PyObject *
list_inplace_repeat(PyObject *self, Py_ssize_t times)
{
    return kpy_list_multiply((kpy_coll *)self, times) < 0 ? NULL
                                                          : Py_NewRef(self);
}

/* --- the object -----------------------------------------------------------
 */

static PyObject *
list_repr(PyObject *self)
{
    kpy_coll *list = (kpy_coll *)self;
    PyObject *text;
    int entered;

    if (list->handle.any == NULL) {
        return kpy_coll_repr(list, NULL);
    }
    entered = kpy_repr_enter(list);
    if (entered != 0) {
        return entered > 0 ? PyUnicode_FromString("[...]") : NULL;
    }
    text = kpy_list_read_all(list);
    text = text == NULL ? NULL : kpy_coll_repr(list, text);
    kpy_repr_leave(list);
    return text;
}

static int
list_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return kpy_coll_init(self, KIST_KIND_LIST, args, kwargs);
}

PyDoc_STRVAR(index_doc,
             "index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
             "Return first index of value.\n\n"
             "Raises ValueError if the value is not present.");
PyDoc_STRVAR(count_doc, "count($self, value, /)\n--\n\n"
                        "Return number of occurrences of value.");
PyDoc_STRVAR(remove_doc, "remove($self, value, /)\n--\n\n"
                         "Remove first occurrence of value.\n\n"
                         "Raises ValueError if the value is not present.");
PyDoc_STRVAR(sort_doc,
             "sort($self, /, *, key=None, reverse=False)\n--\n\n"
             "Sort the list in ascending order and return None.\n\n"
             "The sort is stable and one change on disk.  If a key function\n"
             "or a comparison raises, the list keeps the order it had.");
PyDoc_STRVAR(reverse_doc, "reverse($self, /)\n--\n\nReverse *IN PLACE*.");
PyDoc_STRVAR(reversed_doc, "__reversed__($self, /)\n--\n\n"
                           "Return a reverse iterator over the list.");

static PyMethodDef list_methods[] = {
    {"append", list_append, METH_O, append_doc},
    {"extend", list_extend, METH_O, extend_doc},
    {"insert", KPY_METHOD(list_insert), METH_FASTCALL, insert_doc},
    {"pop", KPY_METHOD(list_pop), METH_FASTCALL, pop_doc},
    {"remove", kpy_list_remove, METH_O, remove_doc},
    {"clear", list_clear, METH_NOARGS, clear_doc},
    {"copy", list_copy, METH_NOARGS, copy_doc},
    {"index", KPY_METHOD(kpy_list_index), METH_FASTCALL, index_doc},
    {"count", kpy_list_count_of, METH_O, count_doc},
    {"sort", KPY_METHOD(kpy_list_sort), METH_FASTCALL | METH_KEYWORDS,
     sort_doc},
    {"reverse", kpy_list_reverse, METH_NOARGS, reverse_doc},
    {"scan", list_scan, METH_O, scan_doc},
    {"__reversed__", kpy_list_reversed, METH_NOARGS, reversed_doc},
    {NULL, NULL, 0, NULL}};

PyDoc_STRVAR(
    list_doc,
    "FSList(base_path=None, *, klass=None, **options)\n--\n\n"
    "A list that is kept on disk: every change is there at once,\n"
    "for other processes and for the next time it is opened.\n\n"
    "Without base_path it is a temporary one that goes with its\n"
    "object.  With klass (int, float, str, bool, bytes, 'int32' ...)\n"
    "it takes values of that type only.");

static PyType_Slot list_slots[] = {
    {Py_tp_doc, (void *)list_doc},
    {Py_tp_init, KPY_SLOT(list_init)},
    {Py_tp_repr, KPY_SLOT(list_repr)},
    {Py_tp_hash, KPY_SLOT(PyObject_HashNotImplemented)},
    {Py_tp_richcompare, KPY_SLOT(kpy_list_richcompare)},
    {Py_tp_iter, KPY_SLOT(kpy_list_iter)},
    {Py_tp_methods, list_methods},
    {Py_nb_add, KPY_SLOT(list_add)},
    {Py_nb_inplace_add, KPY_SLOT(list_inplace_concat)},
    {Py_sq_length, KPY_SLOT(list_length)},
    {Py_sq_item, KPY_SLOT(list_item)},
    {Py_sq_ass_item, KPY_SLOT(list_ass_item)},
    {Py_sq_contains, KPY_SLOT(kpy_list_contains)},
    {Py_sq_concat, KPY_SLOT(list_concat)},
    {Py_sq_repeat, KPY_SLOT(list_repeat)},
    {Py_sq_inplace_concat, KPY_SLOT(list_inplace_concat)},
    {Py_sq_inplace_repeat, KPY_SLOT(list_inplace_repeat)},
    {Py_mp_length, KPY_SLOT(list_length)},
    {Py_mp_subscript, KPY_SLOT(list_subscript)},
    {Py_mp_ass_subscript, KPY_SLOT(list_ass_subscript)},
    {Py_bf_getbuffer, KPY_SLOT(kpy_list_getbuffer)},
    {0, NULL}};

static PyType_Spec list_spec = {
    .name = "kist._core.FSList",
    .basicsize = sizeof(kpy_coll_solid),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = list_slots};

int
kpy_list_type_add(PyObject *module)
{
    const kpy_state *state = kpy_state_of_module(module);

    if (kpy_listiter_type_add(module) < 0 ||
        kpy_listbuf_type_add(module) < 0) {
        return -1;
    }
    return kpy_type_add(module, KPY_TYPE_LIST, &list_spec,
                        state->types[KPY_TYPE_COLL], true);
}
