/*
 * What goes out of a MemoryFileSystem as a whole and comes in: export_*,
 * import_tree(), view().
 */
#include "memobj.h"

/* --- one file --------------------------------------------------------------
 */

/* All of a file, waiting for its writer and for nobody who waits himself. */
static int
take_file(kpy_memfs *self, PyObject *path, PyObject *lock_timeout,
          kist_loan *loan)
{
    static const kpy_memwords words = {.notfound = "No such file: '%U'"};
    kpy_mempath text;
    kist_status status;
    kpy_memtry try;

    if (kpy_memtry_init(&try, self, lock_timeout, false) < 0 ||
        kpy_mempath_of(path, &text) < 0) {
        return -1;
    }
    do {
        kpy_memtry_enter(&try);
        status = kist_memfs_export(self->fs, text.slice, try.timeout_ms, loan);
    } while (kpy_memtry_again(&try, status));
    kpy_mempath_done(&text);
    if (status != KIST_OK) {
        (void)kpy_mem_raise(self->state, status, &words, path, NULL);
        return -1;
    }
    return 0;
}

PyObject *
kpy_memfs_export_as_bytesio(PyObject *object, PyObject *const *args,
                            Py_ssize_t count, PyObject *names)
{
    static const kpy_signature signature = {
        "export_as_bytesio", 1, 3, {"path", "max_size", "lock_timeout"}};
    kpy_memfs *self = (kpy_memfs *)object;
    PyObject *class = kpy_lazy(self->state, KPY_LAZY_BYTESIO);
    PyObject *values[3];
    PyObject *bytes;
    PyObject *result;
    int64_t size_max = INT64_MAX;
    kist_loan loan;

    if (class == NULL ||
        kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL ||
        (values[1] != NULL && values[1] != Py_None &&
         kpy_mem_int(values[1], &size_max) < 0) ||
        take_file(self, values[0], values[2], &loan) < 0) {
        return NULL;
    }
    if (size_max < 0 || loan.size > (uint64_t)size_max) {
        PyErr_Format(PyExc_ValueError, "File size %llu exceeds max_size=%lld.",
                     (unsigned long long)loan.size, (long long)size_max);
        kist_loan_return(&loan);
        return NULL;
    }
    bytes = kpy_mem_bytes(self->state, &loan);
    if (bytes == NULL) {
        return NULL;
    }
    result = PyObject_CallOneArg(class, bytes);
    Py_DECREF(bytes);
    return result;
}

/* --- view() ----------------------------------------------------------------
 */

/* Whose memory a memoryview shows. */
typedef struct memview {
    PyObject_HEAD kist_loan loan;
} memview;

static void
view_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    kist_loan_return(&((memview *)object)->loan);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
view_get(PyObject *object, Py_buffer *view, int flags)
{
    const kist_loan *loan = &((memview *)object)->loan;

    // Read-only: nobody writes through it.
    return PyBuffer_FillInfo(view, object, (void *)(uintptr_t)loan->data,
                             (Py_ssize_t)loan->size, 1, flags);
}

static PyType_Slot view_slots[] = {
    {Py_tp_doc, "A file as it was, as long as a view of it is in use."},
    {Py_tp_dealloc, KPY_SLOT(view_dealloc)},
    {Py_bf_getbuffer, KPY_SLOT(view_get)},
    {0, NULL},
};

static PyType_Spec view_spec = {
    .name = "kist._core.MemoryFileView",
    .basicsize = sizeof(memview),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = view_slots,
};

PyObject *
kpy_memfs_view(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const kpy_signature signature = {
        "view", 1, 2, {"path", "lock_timeout"}};
    static const kpy_memwords words = {.notfound = "No such file: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    PyTypeObject *type = self->state->types[KPY_TYPE_MEMVIEW];
    PyObject *values[2];
    PyObject *result;
    kpy_mempath path;
    kist_status status;
    memview *owner;
    kpy_memtry try;

    // Putting a file of several pieces together may take long.
    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL ||
        kpy_memtry_init(&try, self, values[1], true) < 0 ||
        kpy_mempath_of(values[0], &path) < 0) {
        return NULL;
    }
    owner = (memview *)type->tp_alloc(type, 0); // zeroed: returned is fine
    if (owner == NULL) {
        kpy_mempath_done(&path);
        return NULL;
    }
    do {
        kpy_memtry_enter(&try);
        status = kist_memfs_view(self->fs, path.slice, try.timeout_ms,
                                 &owner->loan);
    } while (kpy_memtry_again(&try, status));
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        memset(&owner->loan, 0, sizeof(owner->loan));
        result = kpy_mem_raise(self->state, status, &words, values[0], NULL);
    }
    else if (owner->loan.context != NULL) {
        result = PyMemoryView_FromObject((PyObject *)owner->loan.context);
    }
    else {
        result = PyMemoryView_FromObject((PyObject *)owner);
    }
    Py_DECREF(owner);
    return result;
}

/* --- export_tree() ---------------------------------------------------------
 */

/* The arguments of both exports. */
typedef struct export_call {
    PyObject *prefix; /* a new reference; "/" if it was not given */
    PyObject *lock_timeout;
    bool dirty;
} export_call;

static int
export_parse(const char *name, PyObject *const *args, Py_ssize_t count,
             PyObject *names, export_call *call)
{
    const kpy_signature signature = {
        name, 0, 3, {"prefix", "only_dirty", "lock_timeout"}};
    PyObject *values[3];
    int dirty = 0;

    if (kpy_bind_slowly(&signature, args, count, names, values) < 0) {
        return -1;
    }
    if (values[1] != NULL) {
        dirty = PyObject_IsTrue(values[1]);
        if (dirty < 0) {
            return -1;
        }
    }
    call->dirty = dirty > 0;
    call->lock_timeout = values[2];
    call->prefix =
        values[0] == NULL ? PyUnicode_FromString("/") : Py_NewRef(values[0]);
    return call->prefix == NULL ? -1 : 0;
}

static PyObject *
bundle_dict(kpy_state *state, kist_memfs_bundle *bundle)
{
    PyObject *tree = PyDict_New();
    size_t i;

    for (i = 0; tree != NULL && i < bundle->count; i++) {
        PyObject *path = kpy_mem_str(bundle->items[i].path);
        PyObject *bytes =
            path == NULL ? NULL : kpy_mem_bytes(state, &bundle->items[i].loan);

        if (bytes == NULL || PyDict_SetItem(tree, path, bytes) < 0) {
            Py_CLEAR(tree);
        }
        Py_XDECREF(bytes);
        Py_XDECREF(path);
    }
    return tree;
}

static PyObject *
export_run(kpy_memfs *self, const export_call *call)
{
    static const kpy_memwords none = {0};
    kist_memfs_bundle *bundle = NULL;
    PyObject *tree;
    kpy_mempath path;
    kist_status status;
    kpy_memtry try;

    if (kpy_memtry_init(&try, self, call->lock_timeout, true) < 0 ||
        kpy_mempath_of(call->prefix, &path) < 0) {
        return NULL;
    }
    do {
        kpy_memtry_enter(&try);
        status = kist_memfs_export_tree(self->fs, path.slice, call->dirty,
                                        try.timeout_ms, &bundle);
    } while (kpy_memtry_again(&try, status));
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &none, call->prefix, NULL);
    }
    tree = bundle_dict(self->state, bundle);
    kist_memfs_bundle_free(bundle);
    return tree;
}

PyObject *
kpy_memfs_export_tree(PyObject *object, PyObject *const *args,
                      Py_ssize_t count, PyObject *names)
{
    kpy_memfs *self = (kpy_memfs *)object;
    PyObject *tree;
    export_call call;

    if (kpy_memfs_of(self) == NULL ||
        export_parse("export_tree", args, count, names, &call) < 0) {
        return NULL;
    }
    tree = export_run(self, &call);
    Py_DECREF(call.prefix);
    return tree;
}

/* --- iter_export_tree() ----------------------------------------------------
 */

typedef struct memexport {
    PyObject_HEAD kpy_memfs *fs;
    PyObject *prefix;          /* NULL: it has begun */
    kist_memfs_stream *stream; /* NULL: not begun, or at its end */
    int64_t timeout_ns;
    bool busy; /* a thread is inside of it */
    bool dirty;
} memexport;

PyObject *
kpy_memfs_iter_export_tree(PyObject *object, PyObject *const *args,
                           Py_ssize_t count, PyObject *names)
{
    kpy_memfs *self = (kpy_memfs *)object;
    PyTypeObject *type = self->state->types[KPY_TYPE_MEMEXPORT];
    memexport *export;
    export_call call;
    kpy_memtry try;

    if (kpy_memfs_of(self) == NULL ||
        export_parse("iter_export_tree", args, count, names, &call) < 0) {
        return NULL;
    }
    export = kpy_memtry_init(&try, self, call.lock_timeout, false) < 0
                 ? NULL
                 : (memexport *)type->tp_alloc(type, 0);
    if (export == NULL) {
        Py_DECREF(call.prefix);
        return NULL;
    }
    export->fs = (kpy_memfs *)Py_NewRef(object);
    export->timeout_ns = try.timeout_ns;
    export->prefix = call.prefix;
    export->dirty = call.dirty;
    return (PyObject *)export;
}

static int
export_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((memexport *)object)->fs);
    return 0;
}

static void
export_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    memexport *self = (memexport *)object;

    PyObject_GC_UnTrack(object);
    kist_memfs_stream_close(self->stream);
    Py_CLEAR(self->prefix);
    Py_CLEAR(self->fs);
    type->tp_free(object);
    Py_DECREF(type);
}

/* The first next() takes the list of files, as a generator would. */
static int
export_begin(memexport *self)
{
    static const kpy_memwords none = {0};
    PyObject *prefix = self->prefix;
    kist_status status = KIST_OK;
    kpy_mempath path;

    self->prefix = NULL;
    if (kpy_mempath_of(prefix, &path) < 0) {
        Py_DECREF(prefix);
        return -1;
    }
    status = kist_memfs_stream_open(self->fs->fs, path.slice, self->dirty,
                                    &self->stream);
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        self->stream = NULL;
        (void)kpy_mem_raise(self->fs->state, status, &none, prefix, NULL);
    }
    Py_DECREF(prefix);
    return status == KIST_OK ? 0 : -1;
}

/* (path, bytes) of the next file. */
static PyObject *
export_item(memexport *self, kist_slice path, kist_loan *loan)
{
    PyObject *name = kpy_mem_str(path);
    PyObject *bytes = kpy_mem_bytes(self->fs->state, loan);
    PyObject *item = NULL;

    if (name != NULL && bytes != NULL) {
        item = PyTuple_Pack(2, name, bytes);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(name);
    return item;
}

static PyObject *
export_next(PyObject *object)
{
    static const kpy_memwords none = {0};
    memexport *self = (memexport *)object;
    PyObject *item = NULL;
    kist_slice path;
    kist_status status;
    kist_loan loan;
    kpy_memtry try;

    if (self->busy) {
        PyErr_SetString(PyExc_ValueError,
                        "iter_export_tree is already executing");
        return NULL;
    }
    if (self->prefix != NULL && export_begin(self) < 0) {
        return NULL;
    }
    if (self->stream == NULL) {
        return NULL;
    }
    self->busy = true;
    (void)kpy_memtry_init(&try, self->fs, NULL, false);
    try.timeout_ns = self->timeout_ns;
    do {
        kpy_memtry_enter(&try);
        status =
            kist_memfs_stream_next(self->stream, try.timeout_ms, &path, &loan);
    } while (kpy_memtry_again(&try, status));
    if (status == KIST_OK) {
        item = export_item(self, path, &loan);
    }
    else if (status == KIST_END) {
        kist_memfs_stream_close(self->stream);
        self->stream = NULL;
    }
    else {
        (void)kpy_mem_raise(self->fs->state, status, &none, NULL, NULL);
    }
    self->busy = false;
    return item;
}

static PyType_Slot export_slots[] = {
    {Py_tp_doc, "What MemoryFileSystem.iter_export_tree() answers."},
    {Py_tp_dealloc, KPY_SLOT(export_dealloc)},
    {Py_tp_traverse, KPY_SLOT(export_traverse)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(export_next)},
    {0, NULL},
};

static PyType_Spec export_spec = {
    .name = "kist._core.MemoryFileSystem_export",
    .basicsize = sizeof(memexport),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = export_slots,
};

int
kpy_memport_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_MEMVIEW, &view_spec, NULL, false) <
                       0 ||
                   kpy_type_add(module, KPY_TYPE_MEMEXPORT, &export_spec, NULL,
                                false) < 0
               ? -1
               : 0;
}

/* --- save() and load() -----------------------------------------------------
 */

/* Calls what kist.memfs has for it, with the file system in front. */
static PyObject *
archive(PyObject *object, kpy_lazy_id id, const kpy_signature *signature,
        PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    kpy_memfs *self = (kpy_memfs *)object;
    PyObject *values[3] = {object};
    PyObject *function;

    if (kpy_bind_slowly(signature, args, count, names, values + 1) < 0 ||
        kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    function = kpy_lazy(self->state, id);
    return function == NULL
               ? NULL
               : PyObject_Vectorcall(function, values,
                                     values[2] == NULL ? 2 : 3, NULL);
}

PyObject *
kpy_memfs_save(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const kpy_signature signature = {
        "save", 1, 2, {"target", "prefix"}};

    return archive(object, KPY_LAZY_SAVE_TREE, &signature, args, count, names);
}

PyObject *
kpy_memfs_load(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const kpy_signature signature = {
        "load", 1, 2, {"source", "prefix"}};

    return archive(object, KPY_LAZY_LOAD_TREE, &signature, args, count, names);
}

/* --- import_tree() ---------------------------------------------------------
 */

/* What an import is made of, and what keeps it where it is meanwhile. */
typedef struct baggage {
    kist_memfs_item *items;
    size_t count;
    size_t copied;  /* bytes that are not lent */
    PyObject *held; /* list of what owns paths and data */
} baggage;

static void
import_fini(baggage *self)
{
    PyMem_Free(self->items);
    Py_XDECREF(self->held);
}

/* The data of an item: exact bytes are lent, others copied by the call. */
static int
import_value(baggage *self, PyObject *value, kist_memfs_item *item)
{
    PyObject *view;
    const Py_buffer *buffer;
    int result;

    if (PyBytes_CheckExact(value)) {
        item->data = kist_bytes(PyBytes_AS_STRING(value),
                                (size_t)PyBytes_GET_SIZE(value));
        if (item->data.size >= KIST_MEMFS_LENT_MIN) {
            item->release = kpy_mem_release;
            item->context = value;
        }
        else {
            self->copied += item->data.size;
        }
        return 0;
    }
    if (!PyBytes_Check(value) && !PyByteArray_Check(value) &&
        !PyMemoryView_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "a bytes-like object is required, not '%.200s'",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    view = PyMemoryView_GetContiguous(value, PyBUF_READ, 'C');
    if (view == NULL) {
        return -1;
    }
    buffer = PyMemoryView_GET_BUFFER(view);
    item->data = kist_bytes(buffer->buf, (size_t)buffer->len);
    self->copied += item->data.size;
    result = PyList_Append(self->held, view);
    Py_DECREF(view);
    return result;
}

static int
import_item(baggage *self, PyObject *key, PyObject *value,
            kist_memfs_item *item)
{
    kpy_mempath path;

    if (kpy_mempath_of(key, &path) < 0) {
        return -1;
    }
    item->path = path.slice;
    if (path.held != NULL) {
        const int result = PyList_Append(self->held, path.held);

        kpy_mempath_done(&path);
        if (result < 0) {
            return -1;
        }
    }
    return import_value(self, value, item);
}

/* Fills the items from a list of pairs, which is kept. */
static int
import_init(baggage *self, PyObject *pairs)
{
    const Py_ssize_t count = PyList_GET_SIZE(pairs);
    Py_ssize_t i;

    *self = (baggage){0};
    self->held = PyList_New(0);
    self->items = PyMem_Calloc((size_t)count + 1, sizeof(*self->items));
    if (self->items == NULL) {
        (void)PyErr_NoMemory();
    }
    if (self->items == NULL || self->held == NULL ||
        PyList_Append(self->held, pairs) < 0) {
        return -1;
    }
    for (i = 0; i < count; i++) {
        PyObject *pair = PyList_GET_ITEM(pairs, i);

        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "items() gives no pairs");
            return -1;
        }
        if (import_item(self, PyTuple_GET_ITEM(pair, 0),
                        PyTuple_GET_ITEM(pair, 1), &self->items[i]) < 0) {
            return -1;
        }
        self->count++;
    }
    return 0;
}

/* Gives the library its references of what is lent, or takes them back. */
static void
import_lend(baggage *self, bool lend)
{
    size_t i;

    for (i = 0; i < self->count; i++) {
        PyObject *bytes = self->items[i].context;

        if (lend) {
            Py_XINCREF(bytes);
        }
        else {
            Py_XDECREF(bytes);
        }
    }
}

/* A list of pairs of any mapping: nobody can change it while it is read. */
static PyObject *
import_pairs(kpy_state *state, PyObject *tree)
{
    PyObject *items;
    PyObject *pairs;

    if (PyDict_CheckExact(tree)) {
        return PyDict_Items(tree);
    }
    items = PyObject_CallMethodNoArgs(tree, state->names[KPY_NAME_ITEMS]);
    if (items == NULL) {
        return NULL;
    }
    pairs = PySequence_List(items);
    Py_DECREF(items);
    return pairs;
}

static PyObject *
import_run(kpy_memfs *self, PyObject *pairs)
{
    static const kpy_memwords words = {
        .locked = "Cannot import: file is open: '%U'"};
    PyObject *result = NULL;
    kist_status status;
    baggage load;

    if (import_init(&load, pairs) < 0) {
        goto out;
    }
    import_lend(&load, true);
    if (load.copied < KPY_MEMGAP_SIZE) {
        status = kist_memfs_import(self->fs, load.items, load.count);
    }
    else {
        kpy_memgap gap;

        kpy_memgap_begin(self->state, &gap);
        status = kist_memfs_import(self->fs, load.items, load.count);
        kpy_memgap_end(&gap);
    }
    if (status != KIST_OK) {
        import_lend(&load, false);
        (void)kpy_mem_raise(self->state, status, &words, NULL, NULL);
    }
    else if (!kpy_mem_raised(self->state)) {
        result = Py_NewRef(Py_None);
    }

out:
    import_fini(&load);
    return result;
}

PyObject *
kpy_memfs_import_tree(PyObject *object, PyObject *const *args,
                      Py_ssize_t count, PyObject *names)
{
    static const kpy_signature signature = {"import_tree", 1, 1, {"tree"}};
    kpy_memfs *self = (kpy_memfs *)object;
    PyObject *values[1];
    PyObject *pairs;
    PyObject *result;
    int filled;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    filled = PyObject_IsTrue(values[0]);
    if (filled <= 0) {
        return filled < 0 ? NULL : Py_NewRef(Py_None);
    }
    pairs = import_pairs(self->state, values[0]);
    if (pairs == NULL) {
        return NULL;
    }
    result = import_run(self, pairs);
    Py_DECREF(pairs);
    return result;
}
