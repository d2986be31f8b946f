/*
 * Iterating over a FileDirDict: keys, values and timestamps in any
 * combination, as the directory has them, or oldest or newest first.
 */
#include "filedict.h"

#include <string.h>

#include "errors.h"

#define BATCH 64

typedef enum filescan_label {
    LABEL_KEYS = 1,
    LABEL_VALUES = 2,
    LABEL_TIMESTAMPS = 4
} filescan_label;

typedef struct filescan_entry {
    size_t offset; /* of the key in `text` */
    size_t size;
    int64_t mtime_ns;
} filescan_entry;

/*
 * Where no values are read, the library is asked for BATCH items at a time,
 * so that the GIL is not let go for each name.
 *
 *   text     [ key ][ key ] ...
 *   entries  [ where its key is, its time ] ...
 *                    ^ at            ^ count
 */
typedef struct filescan {
    PyObject_HEAD kpy_filedict *dict;
    kist_store_scan *scan; /* NULL at the end */
    unsigned labels;
    bool busy; /* within a call: another one must not come between */
    size_t at;
    size_t count;
    PyObject *error; /* to be raised behind the batch */
    kist_buf text;
    filescan_entry entries[BATCH];
} filescan;

static filescan *
as_filescan(PyObject *object)
{
    return (filescan *)object;
}

/* --- items -----------------------------------------------------------------
 */

static int
put_part(PyObject *parts[3], Py_ssize_t *count, PyObject *part)
{
    if (part == NULL) {
        return -1;
    }
    parts[(*count)++] = part;
    return 0;
}

/* What the iteration hands out for an item: one thing, or a tuple. */
static PyObject *
item_object(kpy_filedict *dict, unsigned labels, const kist_store_item *item)
{
    PyObject *parts[3];
    PyObject *answer = NULL;
    Py_ssize_t count = 0;
    int result = 0;

    if ((labels & LABEL_KEYS) != 0) {
        result =
            put_part(parts, &count, kpy_key_listed(dict->state, item->key));
    }
    if (result == 0 && (labels & LABEL_VALUES) != 0) {
        result = put_part(parts, &count,
                          kpy_filedict_load(dict, item->key, item->value));
    }
    if (result == 0 && (labels & LABEL_TIMESTAMPS) != 0) {
        result = put_part(
            parts, &count,
            PyFloat_FromDouble(kpy_filedict_seconds(item->stat.mtime_ns)));
    }
    if (result == 0 && count == 1) {
        return parts[0];
    }
    if (result == 0) {
        answer = count == 2 ? PyTuple_Pack(2, parts[0], parts[1])
                            : PyTuple_Pack(3, parts[0], parts[1], parts[2]);
    }
    while (count > 0) {
        Py_DECREF(parts[--count]);
    }
    return answer;
}

/* --- without values
 * ----------------------------------------------------------
 */

/* Takes items until the batch is full.  Needs no GIL. */
static kist_status
batch_fill(filescan *self)
{
    kist_status status = KIST_OK;
    kist_store_item item;

    self->at = 0;
    self->count = 0;
    kist_buf_clear(&self->text);
    while (status == KIST_OK && self->count < BATCH) {
        filescan_entry *entry = &self->entries[self->count];

        status = kist_store_scan_next(self->scan, &item);
        if (status != KIST_OK) {
            break;
        }
        entry->offset = self->text.size;
        entry->size = item.key.size;
        entry->mtime_ns = item.stat.mtime_ns;
        status = kist_buf_append(&self->text, item.key.data, item.key.size);
        self->count += status == KIST_OK;
    }
    return status;
}

static PyObject *
error_of(kpy_filedict *dict, kist_status status)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;

    (void)kpy_filedict_raise(dict, status, NULL);
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    Py_XDECREF(trace);
    Py_XDECREF(type);
    return value;
}

static void
filescan_end(filescan *self)
{
    kist_store_scan_close(self->scan);
    self->scan = NULL;
}

static PyObject *
batch_next(filescan *self)
{
    const filescan_entry *entry;
    kist_store_item item;
    kist_status status;

    while (self->at == self->count) {
        if (self->error != NULL) {
            PyObject *error = self->error;

            self->error = NULL;
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
            Py_DECREF(error);
            return NULL;
        }
        if (self->scan == NULL) {
            return NULL;
        }
        KPY_UNLOCKED(status, batch_fill(self));
        if (status == KIST_END) {
            filescan_end(self);
        }
        else if (status != KIST_OK) {
            self->error = error_of(self->dict, status);
        }
    }
    entry = &self->entries[self->at++];
    memset(&item, 0, sizeof(item));
    item.key = kist_bytes(self->text.data + entry->offset, entry->size);
    item.stat.mtime_ns = entry->mtime_ns;
    return item_object(self->dict, self->labels, &item);
}

/* --- with values
 * -------------------------------------------------------------
 */

static PyObject *
single_next(filescan *self)
{
    kist_store_item item;
    kist_status status;

    if (self->scan == NULL) {
        return NULL;
    }
    KPY_UNLOCKED(status, kist_store_scan_next(self->scan, &item));
    if (status == KIST_END) {
        filescan_end(self);
        return NULL;
    }
    if (status != KIST_OK) {
        return kpy_filedict_raise(self->dict, status, NULL);
    }
    return item_object(self->dict, self->labels, &item);
}

static PyObject *
filescan_next(PyObject *object)
{
    filescan *self = as_filescan(object);
    PyObject *answer;

    // Reading a value may run code, and another thread may be inside.
    if (self->busy) {
        PyErr_SetString(PyExc_ValueError, "iterator is already executing");
        return NULL;
    }
    self->busy = true;
    answer = (self->labels & LABEL_VALUES) != 0 ? single_next(self)
                                                : batch_next(self);
    self->busy = false;
    return answer;
}

/* --- the type --------------------------------------------------------------
 */

static int
filescan_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(as_filescan(object)->dict);
    Py_VISIT(as_filescan(object)->error);
    return 0;
}

static int
filescan_clear(PyObject *object)
{
    // The dict stays until the end: a call may be under way.
    Py_CLEAR(as_filescan(object)->error);
    return 0;
}

static void
filescan_dealloc(PyObject *object)
{
    PyTypeObject *const type = Py_TYPE(object);
    filescan *self = as_filescan(object);

    PyObject_GC_UnTrack(object);
    filescan_end(self);
    kist_buf_fini(&self->text);
    Py_CLEAR(self->error);
    Py_CLEAR(self->dict);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot filescan_slots[] = {
    {Py_tp_dealloc, KPY_SLOT(filescan_dealloc)},
    {Py_tp_traverse, KPY_SLOT(filescan_traverse)},
    {Py_tp_clear, KPY_SLOT(filescan_clear)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(filescan_next)},
    {0, NULL},
};

PyType_Spec kpy_filescan_spec = {
    .name = "kist._core.FileDirScan",
    .basicsize = sizeof(filescan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = filescan_slots,
};

static PyObject *
filescan_new(kpy_filedict *dict, unsigned labels)
{
    PyTypeObject *type = dict->state->types[KPY_TYPE_FILESCAN];
    kist_store *store = kpy_filedict_store(dict);
    const kist_store_scan_options options = {
        .stats = (labels & LABEL_TIMESTAMPS) != 0,
        .values = (labels & LABEL_VALUES) != 0,
    };
    filescan *self = NULL;
    kist_status status;

    if (store != NULL) {
        self = (filescan *)type->tp_alloc(type, 0);
    }
    if (self == NULL) {
        return NULL;
    }
    self->dict = (kpy_filedict *)Py_NewRef(dict);
    self->labels = labels;
    KPY_UNLOCKED(status, kist_store_scan_open(store, &options, &self->scan));
    if (status != KIST_OK) {
        self->scan = NULL;
        Py_DECREF(self);
        return kpy_filedict_raise(dict, status, NULL);
    }
    return (PyObject *)self;
}

/* --- methods ---------------------------------------------------------------
 */

static const struct {
    const char *name;
    unsigned label;
} label_names[] = {
    {"keys", LABEL_KEYS},
    {"values", LABEL_VALUES},
    {"timestamps", LABEL_TIMESTAMPS},
};

static PyObject *
filedict_generic_iter(PyObject *self, PyObject *names)
{
    PyObject *checked =
        PyObject_CallMethod(self, "_process_generic_iter_args", "O", names);
    unsigned labels = 0;
    size_t i;

    if (checked == NULL) {
        return NULL;
    }
    Py_DECREF(checked);
    // A subclass may have let anything pass.
    if (!PyAnySet_Check(names)) {
        PyErr_Format(PyExc_TypeError, "result_type must be a set, not %s",
                     Py_TYPE(names)->tp_name);
        return NULL;
    }
    for (i = 0; i < sizeof(label_names) / sizeof(label_names[0]); i++) {
        PyObject *name = PyUnicode_FromString(label_names[i].name);
        const int has = name == NULL ? -1 : PySet_Contains(names, name);

        Py_XDECREF(name);
        if (has < 0) {
            return NULL;
        }
        labels |= has ? label_names[i].label : 0;
    }
    if (labels == 0) {
        PyErr_SetString(PyExc_ValueError,
                        "result_type has none of keys, values, timestamps");
        return NULL;
    }
    return filescan_new(kpy_filedict_of(self), labels);
}

/* Through self._generic_iter, where somebody has another. */
static PyObject *
iterate(PyObject *self, unsigned labels)
{
    PyObject *names;
    PyObject *answer = NULL;
    size_t i;

    if (kpy_filedict_is_own(self, "_generic_iter", filedict_generic_iter)) {
        return filescan_new(kpy_filedict_of(self), labels);
    }
    names = PySet_New(NULL);
    for (i = 0; names != NULL && i < 3; i++) {
        if ((labels & label_names[i].label) != 0) {
            PyObject *name = PyUnicode_FromString(label_names[i].name);

            if (name == NULL || PySet_Add(names, name) < 0) {
                Py_CLEAR(names);
            }
            Py_XDECREF(name);
        }
    }
    if (names != NULL) {
        answer = PyObject_CallMethod(self, "_generic_iter", "O", names);
        Py_DECREF(names);
    }
    return answer;
}

PyObject *
kpy_filedict_iter(PyObject *self)
{
    return iterate(self, LABEL_KEYS);
}

static PyObject *
filedict_keys(PyObject *self, PyObject *unused)
{
    (void)unused;
    return iterate(self, LABEL_KEYS);
}

static PyObject *
filedict_values(PyObject *self, PyObject *unused)
{
    (void)unused;
    return iterate(self, LABEL_VALUES);
}

static PyObject *
filedict_items(PyObject *self, PyObject *unused)
{
    (void)unused;
    return iterate(self, LABEL_KEYS | LABEL_VALUES);
}

static PyObject *
filedict_keys_times(PyObject *self, PyObject *unused)
{
    (void)unused;
    return iterate(self, LABEL_KEYS | LABEL_TIMESTAMPS);
}

static PyObject *
filedict_values_times(PyObject *self, PyObject *unused)
{
    (void)unused;
    return iterate(self, LABEL_VALUES | LABEL_TIMESTAMPS);
}

static PyObject *
filedict_items_times(PyObject *self, PyObject *unused)
{
    (void)unused;
    return iterate(self, LABEL_KEYS | LABEL_VALUES | LABEL_TIMESTAMPS);
}

/* --- oldest and newest
 * -------------------------------------------------------
 */

/* Everything that the scan has, as a list; *scan is closed. */
static PyObject *
list_of_scan(kpy_filedict *dict, unsigned labels, kist_store_scan *scan)
{
    PyObject *list = PyList_New(0);
    kist_store_item item;
    kist_status status;

    while (list != NULL) {
        PyObject *object;

        KPY_UNLOCKED(status, kist_store_scan_next(scan, &item));
        if (status == KIST_END) {
            break;
        }
        object = status == KIST_OK ? item_object(dict, labels, &item)
                                   : kpy_filedict_raise(dict, status, NULL);
        if (object == NULL || PyList_Append(list, object) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(object);
    }
    kist_store_scan_close(scan);
    return list;
}

/* max_n, by position or name: -1 for None, -2 with an error set. */
static Py_ssize_t
count_of(PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t number;

    if (count + named == 0) {
        return -1;
    }
    if (count + named > 1 ||
        (named == 1 && PyUnicode_CompareWithASCIIString(
                           PyTuple_GET_ITEM(names, 0), "max_n") != 0)) {
        PyErr_SetString(PyExc_TypeError, "takes max_n=None and nothing else");
        return -2;
    }
    if (args[0] == Py_None) {
        return -1;
    }
    number = PyNumber_AsSsize_t(args[0], NULL);
    if (number == -1 && PyErr_Occurred()) {
        return -2;
    }
    return number < 0 ? 0 : number;
}

static PyObject *
ordered(PyObject *self, PyObject *const *args, Py_ssize_t count,
        PyObject *names, kist_store_order order, unsigned label)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kist_store *store = kpy_filedict_store(dict);
    const Py_ssize_t max_n = store == NULL ? -2 : count_of(args, count, names);
    const kist_store_scan_options options = {
        .stats = true,
        .values = label == LABEL_VALUES,
        .order = order,
        .count_max = max_n < 0 ? 0 : (uint64_t)max_n,
    };
    kist_store_scan *scan;
    kist_status status;

    if (max_n == -2) {
        return NULL;
    }
    if (max_n == 0) {
        return PyList_New(0);
    }
    KPY_UNLOCKED(status, kist_store_scan_open(store, &options, &scan));
    return status == KIST_OK ? list_of_scan(dict, label, scan)
                             : kpy_filedict_raise(dict, status, NULL);
}

static PyObject *
filedict_oldest_keys(PyObject *self, PyObject *const *args, Py_ssize_t count,
                     PyObject *names)
{
    return ordered(self, args, count, names, KIST_ORDER_OLDEST, LABEL_KEYS);
}

static PyObject *
filedict_newest_keys(PyObject *self, PyObject *const *args, Py_ssize_t count,
                     PyObject *names)
{
    return ordered(self, args, count, names, KIST_ORDER_NEWEST, LABEL_KEYS);
}

static PyObject *
filedict_oldest_values(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *names)
{
    return ordered(self, args, count, names, KIST_ORDER_OLDEST, LABEL_VALUES);
}

static PyObject *
filedict_newest_values(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *names)
{
    return ordered(self, args, count, names, KIST_ORDER_NEWEST, LABEL_VALUES);
}

PyMethodDef kpy_filedict_iter_methods[] = {
    {"_generic_iter", filedict_generic_iter, METH_O,
     "_generic_iter($self, result_type, /)\n--\n\n"
     "An iterator over any of keys, values and timestamps."},
    {"keys", filedict_keys, METH_NOARGS,
     "keys($self, /)\n--\n\nAn iterator over the keys."},
    {"values", filedict_values, METH_NOARGS,
     "values($self, /)\n--\n\nAn iterator over the values."},
    {"items", filedict_items, METH_NOARGS,
     "items($self, /)\n--\n\nAn iterator over (key, value)."},
    {"keys_and_timestamps", filedict_keys_times, METH_NOARGS,
     "keys_and_timestamps($self, /)\n--\n\n"
     "An iterator over (key, timestamp)."},
    {"values_and_timestamps", filedict_values_times, METH_NOARGS,
     "values_and_timestamps($self, /)\n--\n\n"
     "An iterator over (value, timestamp)."},
    {"items_and_timestamps", filedict_items_times, METH_NOARGS,
     "items_and_timestamps($self, /)\n--\n\n"
     "An iterator over (key, value, timestamp)."},
    {"oldest_keys", KPY_METHOD(filedict_oldest_keys),
     METH_FASTCALL | METH_KEYWORDS,
     "oldest_keys($self, max_n=None)\n--\n\n"
     "The keys, oldest first; at most max_n."},
    {"newest_keys", KPY_METHOD(filedict_newest_keys),
     METH_FASTCALL | METH_KEYWORDS,
     "newest_keys($self, max_n=None)\n--\n\n"
     "The keys, newest first; at most max_n."},
    {"oldest_values", KPY_METHOD(filedict_oldest_values),
     METH_FASTCALL | METH_KEYWORDS,
     "oldest_values($self, max_n=None)\n--\n\n"
     "The values, oldest first; at most max_n."},
    {"newest_values", KPY_METHOD(filedict_newest_values),
     METH_FASTCALL | METH_KEYWORDS,
     "newest_values($self, max_n=None)\n--\n\n"
     "The values, newest first; at most max_n."},
    {NULL, NULL, 0, NULL},
};
