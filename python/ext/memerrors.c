/*
 * MFSQuotaExceededError and MFSNodeLimitExceededError: OSErrors with a message
 * as their one argument, made from two numbers that stay as attributes.
 */
#include "memobj.h"

#define NUMBERS_MAX 4

/* An attribute each, in `names` from `first` on; the message is the one
 * argument that OSError gets, so errno stays None. */
static int
error_fill(kpy_state *state, PyObject *self, PyObject *message,
           const kpy_name_id *names, PyObject *const *numbers, int count)
{
    const initproc init = (initproc)(uintptr_t)PyType_GetSlot(
        (PyTypeObject *)PyExc_OSError, Py_tp_init);
    PyObject *args = message == NULL ? NULL : PyTuple_Pack(1, message);
    int result = args == NULL ? -1 : init(self, args, NULL);
    int i;

    Py_XDECREF(args);
    Py_XDECREF(message);
    for (i = 0; result == 0 && i < count; i++) {
        result =
            numbers[i] == NULL
                ? -1
                : PyObject_SetAttr(self, state->names[names[i]], numbers[i]);
    }
    return result;
}

static int
quota_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *words[] = {"requested", "available", NULL};
    static const kpy_name_id names[] = {KPY_NAME_REQUESTED,
                                        KPY_NAME_AVAILABLE};
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *numbers[2];

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "OO:MFSQuotaExceededError",
                                     words, &numbers[0], &numbers[1])) {
        return -1;
    }
    return error_fill(
        state, self,
        PyUnicode_FromFormat("MFS quota exceeded: requested %S bytes, only "
                             "%S bytes available.",
                             numbers[0], numbers[1]),
        names, numbers, 2);
}

static int
nodes_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *words[] = {"current", "limit", NULL};
    static const kpy_name_id names[] = {KPY_NAME_REQUESTED, KPY_NAME_AVAILABLE,
                                        KPY_NAME_CURRENT, KPY_NAME_LIMIT};
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *numbers[NUMBERS_MAX] = {NULL};
    PyObject *one = PyLong_FromLong(1);
    int result = -1;

    if (one != NULL && state != NULL &&
        PyArg_ParseTupleAndKeywords(args, kwargs,
                                    "OO:MFSNodeLimitExceededError", words,
                                    &numbers[2], &numbers[3])) {
        numbers[0] = PyNumber_Add(numbers[2], one);
        numbers[1] = numbers[0] == NULL
                         ? NULL
                         : PyNumber_Subtract(numbers[3], numbers[2]);
        result = numbers[1] == NULL
                     ? -1
                     : error_fill(state, self,
                                  PyUnicode_FromFormat(
                                      "MFS node limit exceeded: current %S "
                                      "nodes, limit is %S.",
                                      numbers[2], numbers[3]),
                                  names, numbers, NUMBERS_MAX);
        Py_XDECREF(numbers[0]);
        Py_XDECREF(numbers[1]);
    }
    Py_XDECREF(one);
    return result;
}

/*
 * OSError would be made anew from its message, which is not what __init__
 * takes.  So nothing is: an empty one is made, and gets all its attributes.
 */
static PyObject *
quota_reduce(PyObject *self, PyObject *unused)
{
    kpy_state *state = kpy_state_of_type(Py_TYPE(self));
    PyObject *new_object =
        state == NULL ? NULL : kpy_lazy(state, KPY_LAZY_NEWOBJ);
    PyObject *own = NULL;
    PyObject *args = NULL;
    PyObject *values = NULL;
    PyObject *reduced = NULL;

    (void)unused;
    if (new_object != NULL) {
        own = PyObject_GetAttrString(self, "__dict__");
        args = PyObject_GetAttr(self, state->names[KPY_NAME_ARGS]);
    }
    if (own != NULL && args != NULL) {
        values = PyDict_Copy(own);
    }
    if (values != NULL &&
        PyDict_SetItem(values, state->names[KPY_NAME_ARGS], args) == 0) {
        reduced = Py_BuildValue("O(O)O", new_object, Py_TYPE(self), values);
    }
    Py_XDECREF(values);
    Py_XDECREF(args);
    Py_XDECREF(own);
    return reduced;
}

static PyMethodDef quota_methods[] = {
    {"__reduce__", quota_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot quota_slots[] = {
    {Py_tp_doc, "MFSQuotaExceededError(requested, available)\n--\n\n"
                "More bytes than the quota of a MemoryFileSystem leaves."},
    {Py_tp_init, KPY_SLOT(quota_init)},
    {Py_tp_methods, quota_methods},
    {0, NULL},
};

static PyType_Spec quota_spec = {
    .name = "kist.MFSQuotaExceededError",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = quota_slots,
};

static PyType_Slot nodes_slots[] = {
    {Py_tp_doc, "MFSNodeLimitExceededError(current, limit)\n--\n\n"
                "More files and directories than max_nodes allows."},
    {Py_tp_init, KPY_SLOT(nodes_init)},
    {0, NULL},
};

static PyType_Spec nodes_spec = {
    .name = "kist.MFSNodeLimitExceededError",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = nodes_slots,
};

PyObject *
kpy_mem_raise_limit(kpy_state *state, kpy_type_id id, uint64_t first,
                    uint64_t second)
{
    PyObject *type = (PyObject *)state->types[id];
    PyObject *error = PyObject_CallFunction(
        type, "KK", (unsigned long long)first, (unsigned long long)second);

    if (error != NULL) {
        PyErr_SetObject(type, error);
        Py_DECREF(error);
    }
    return NULL;
}

int
kpy_memerrors_add(PyObject *module)
{
    const kpy_state *state = kpy_state_of_module(module);

    if (kpy_type_add(module, KPY_TYPE_MEMQUOTA, &quota_spec,
                     (PyTypeObject *)PyExc_OSError, true) < 0) {
        return -1;
    }
    return kpy_type_add(module, KPY_TYPE_MEMNODES, &nodes_spec,
                        state->types[KPY_TYPE_MEMQUOTA], true);
}
