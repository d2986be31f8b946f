/*
 * MemoryFileSystem: its constructor, its life and its table of methods, which
 * are in memopen.c, memcalls.c, memlist.c and memport.c.
 */
#include "memobj.h"

#include <structmember.h>

#define NS_PER_MS INT64_C(1000000)

/* --- the constructor -------------------------------------------------------
 */

typedef struct keywords {
    PyObject *max_quota;
    PyObject *chunk_overhead;
    PyObject *promotion_limit;
    PyObject *max_nodes;
    PyObject *storage;
    PyObject *lock_timeout;
    PyObject *guard;
    PyObject *guard_action;
    PyObject *guard_interval;
} keywords;

/* The place of `text` in `choices`, which end with NULL; -1 with `wrong`, a
 * format with the text in it, as ValueError. */
static int
choice(PyObject *text, const char *const *choices, const char *wrong)
{
    int i;

    if (text == NULL) {
        return 0;
    }
    for (i = 0; PyUnicode_Check(text) && choices[i] != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(text, choices[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, wrong, text);
    return -1;
}

static const char *const storages[] = {"auto", "sequential", "random_access",
                                       NULL};
static const char *const guards[] = {"none", "init", "per_write", NULL};
static const char *const actions[] = {"warn", "raise", NULL};

static int
choices_parse(const keywords *words, kist_memfs_options *options)
{
    const int storage =
        choice(words->storage, storages,
               "Invalid default_storage value: %R. Expected 'auto', "
               "'sequential', or 'random_access'.");
    int guard;
    int action;

    if (storage < 0) {
        return -1;
    }
    guard = choice(words->guard, guards,
                   "Invalid memory_guard: %R. Expected 'none', 'init', or "
                   "'per_write'.");
    if (guard < 0) {
        return -1;
    }
    action = choice(words->guard_action, actions,
                    "Invalid memory_guard_action: %R. Expected 'warn' or "
                    "'raise'.");
    if (action < 0) {
        return -1;
    }
    options->storage = (kist_memfs_storage)storage;
    options->guard = (kist_memfs_guard)guard;
    options->guard_refuses = action == 1;
    return 0;
}

/* A whole number that is not negative; what was not given, or is None where
 * that says the same, leaves *number. */
static int
limit_parse(PyObject *object, bool none, const char *name, uint64_t *number)
{
    unsigned long long value = 0;
    PyObject *index;
    int negative;

    if (object == NULL || (none && object == Py_None)) {
        return 0;
    }
    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be int, not %.200s", name,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    index = PyNumber_Index(object);
    negative =
        index == NULL ? -1 : PyObject_RichCompareBool(index, Py_False, Py_LT);
    if (negative > 0) {
        PyErr_Format(PyExc_ValueError, "%s must not be negative", name);
    }
    else if (negative == 0) {
        value = PyLong_AsUnsignedLongLong(index);
    }
    Py_XDECREF(index);
    if (PyErr_Occurred()) {
        return -1;
    }
    *number = value;
    return 0;
}

/* The guard's interval in whole milliseconds. */
static int
interval_parse(PyObject *object, uint64_t *interval_ms)
{
    double seconds;

    if (object == NULL) {
        return 0;
    }
    seconds = PyFloat_AsDouble(object);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (!(seconds >= 0.0)) {
        PyErr_SetString(PyExc_ValueError,
                        "memory_guard_interval must not be negative");
        return -1;
    }
    *interval_ms = seconds < 9e9 ? (uint64_t)(seconds * 1e3) : UINT64_MAX;
    return 0;
}

static int
options_parse(kpy_memfs *self, const keywords *words,
              kist_memfs_options *options)
{
    if (choices_parse(words, options) < 0 ||
        limit_parse(words->max_quota, false, "max_quota", &options->quota) <
            0 ||
        limit_parse(words->chunk_overhead, true, "chunk_overhead_override",
                    &options->chunk_overhead) < 0 ||
        limit_parse(words->promotion_limit, true, "promotion_hard_limit",
                    &options->promotion_size_max) < 0 ||
        limit_parse(words->max_nodes, true, "max_nodes", &options->nodes_max) <
            0 ||
        interval_parse(words->guard_interval, &options->guard_interval_ms) <
            0) {
        return -1;
    }
    self->timeout_ns = options->lock_timeout_ms * NS_PER_MS;
    if (words->lock_timeout != NULL &&
        kpy_mem_timeout(words->lock_timeout, &self->timeout_ns) < 0) {
        return -1;
    }
    options->lock_timeout_ms =
        self->timeout_ns == KIST_WAIT_FOREVER
            ? KIST_WAIT_FOREVER
            : (self->timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    options->now_ns = kpy_mem_now;
    options->warn = kpy_mem_warn;
    options->context = self->state;
    return 0;
}

static int
memfs_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"max_quota",
                            "chunk_overhead_override",
                            "promotion_hard_limit",
                            "max_nodes",
                            "default_storage",
                            "default_lock_timeout",
                            "memory_guard",
                            "memory_guard_action",
                            "memory_guard_interval",
                            NULL};
    static const kpy_memwords none = {0};
    kpy_memfs *self = (kpy_memfs *)object;
    kist_memfs_options options;
    keywords words = {0};
    kist_status status;

    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|OOOOOOOOO:MemoryFileSystem", names,
            &words.max_quota, &words.chunk_overhead, &words.promotion_limit,
            &words.max_nodes, &words.storage, &words.lock_timeout,
            &words.guard, &words.guard_action, &words.guard_interval)) {
        return -1;
    }
    // Another thread may be inside of a call with the one that is there.
    if (self->fs != NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "__init__() of a MemoryFileSystem that is in use");
        return -1;
    }
    kist_memfs_options_init(&options);
    if (options_parse(self, &words, &options) < 0) {
        return -1;
    }
    status = kist_memfs_new(&options, &self->fs);
    if (status != KIST_OK) {
        self->fs = NULL;
        (void)kpy_mem_raise(self->state, status, &none, NULL, NULL);
        return -1;
    }
    if (kpy_mem_raised(self->state)) {
        kist_memfs_free(self->fs);
        self->fs = NULL;
        return -1;
    }
    self->options = options;
    return 0;
}

/* What the constructor would have to be given to make another like it. */
static PyObject *
memfs_options(PyObject *object, PyObject *unused)
{
    kpy_memfs *self = (kpy_memfs *)object;
    const kist_memfs_options *options = &self->options;
    const double ms = (double)options->guard_interval_ms;
    PyObject *nodes = options->nodes_max == UINT64_MAX
                          ? Py_NewRef(Py_None)
                          : PyLong_FromUnsignedLongLong(options->nodes_max);
    PyObject *timeout =
        self->timeout_ns == KIST_WAIT_FOREVER
            ? Py_NewRef(Py_None)
            : PyFloat_FromDouble((double)self->timeout_ns / 1e9);

    (void)unused;
    if (kpy_memfs_of(self) == NULL || nodes == NULL || timeout == NULL) {
        Py_XDECREF(nodes);
        Py_XDECREF(timeout);
        return NULL;
    }
    return Py_BuildValue(
        "{s:K,s:K,s:K,s:N,s:s,s:N,s:s,s:s,s:d}", "max_quota",
        (unsigned long long)options->quota, "chunk_overhead_override",
        (unsigned long long)options->chunk_overhead, "promotion_hard_limit",
        (unsigned long long)options->promotion_size_max, "max_nodes", nodes,
        "default_storage", storages[options->storage], "default_lock_timeout",
        timeout, "memory_guard", guards[options->guard], "memory_guard_action",
        actions[options->guard_refuses ? 1 : 0], "memory_guard_interval",
        ms / 1e3);
}

/* --- life ------------------------------------------------------------------
 */

kpy_memfs *
kpy_memfs_new(PyTypeObject *type)
{
    kpy_state *state = kpy_state_of_type(type);
    kpy_memfs *self = NULL;

    if (state != NULL) {
        self = (kpy_memfs *)type->tp_alloc(type, 0);
    }
    if (self != NULL) {
        self->state = state;
    }
    return self;
}

static PyObject *
memfs_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args; // of a subclass they may be anything
    (void)kwargs;
    return (PyObject *)kpy_memfs_new(type);
}

static int
memfs_traverse(PyObject *object, visitproc visit, void *arg)
{
    kpy_memfs *self = (kpy_memfs *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->dict);
    return 0;
}

static int
memfs_clear(PyObject *object)
{
    kpy_memfs *self = (kpy_memfs *)object;

    Py_CLEAR(self->dict);
    kpy_memlist_clear(self);
    return 0;
}

static void
memfs_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    kpy_memfs *self = (kpy_memfs *)object;

    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    kist_memfs_free(self->fs);
    (void)memfs_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
memfs_reduce(PyObject *object, PyObject *unused)
{
    (void)unused;
    PyErr_Format(PyExc_TypeError, "cannot pickle '%.200s' object",
                 Py_TYPE(object)->tp_name);
    return NULL;
}

/* --- the type --------------------------------------------------------------
 */

PyDoc_STRVAR(open_doc,
             "open($self, path, mode='rb', preallocate=0, "
             "lock_timeout=None)\n--\n\n"
             "Open a file as 'rb', 'wb', 'ab', 'r+b' or 'xb'.\n\n"
             "Readers share a file, a writer has it alone; BlockingIOError\n"
             "after lock_timeout seconds, of which None is the default of\n"
             "the file system and 0 tries once.  The file has at least\n"
             "preallocate bytes then, zeros behind its end.");
PyDoc_STRVAR(mkdir_doc, "mkdir($self, path, exist_ok=False)\n--\n\n"
                        "Make a directory and its missing parents, all or "
                        "none.");
PyDoc_STRVAR(remove_doc, "remove($self, path)\n--\n\nRemove a file.");
PyDoc_STRVAR(rmtree_doc,
             "rmtree($self, path)\n--\n\n"
             "Remove a directory with all that is in it; none of it if a\n"
             "file in it is open.");
PyDoc_STRVAR(rename_doc,
             "rename($self, src, dst)\n--\n\n"
             "Give a file or a directory another path, over nothing.");
PyDoc_STRVAR(move_doc, "move($self, src, dst)\n--\n\n"
                       "As rename(), and make the parents of dst.");
PyDoc_STRVAR(copy_doc,
             "copy($self, src, dst, lock_timeout=None)\n--\n\n"
             "Copy a file; bytes are shared until one of both changes.");
PyDoc_STRVAR(copy_tree_doc,
             "copy_tree($self, src, dst, lock_timeout=None)\n--\n\n"
             "Copy a directory as it is now with all in it, or nothing.");
PyDoc_STRVAR(exists_doc, "exists($self, path)\n--\n\n"
                         "True if something is there.");
PyDoc_STRVAR(is_dir_doc, "is_dir($self, path)\n--\n\n"
                         "True if a directory is there.");
PyDoc_STRVAR(is_file_doc, "is_file($self, path)\n--\n\n"
                          "True if a file is there.");
PyDoc_STRVAR(stat_doc, "stat($self, path)\n--\n\n"
                       "Size, times and generation as an MFSStatResult.");
PyDoc_STRVAR(stats_doc,
             "stats($self, /)\n--\n\n"
             "What the whole holds as an MFSStats, at any size at once.");
PyDoc_STRVAR(get_size_doc, "get_size($self, path)\n--\n\n"
                           "How many bytes a file has.");
PyDoc_STRVAR(listdir_doc,
             "listdir($self, path)\n--\n\n"
             "The names in a directory, in the order in which they came.");
PyDoc_STRVAR(walk_doc,
             "walk($self, path='/')\n--\n\n"
             "Iterate over (path, names of directories, names of files),\n"
             "from the top down.");
PyDoc_STRVAR(glob_doc,
             "glob($self, pattern)\n--\n\n"
             "All paths that match, sorted, each once.  A part is matched\n"
             "as by fnmatch; ** is any number of directories.");
PyDoc_STRVAR(bytesio_doc,
             "export_as_bytesio($self, path, max_size=None, "
             "lock_timeout=None)\n--\n\n"
             "A file as an io.BytesIO of its own; ValueError if it is\n"
             "larger than max_size.");
PyDoc_STRVAR(export_tree_doc,
             "export_tree($self, prefix='/', only_dirty=False, "
             "lock_timeout=None)\n--\n\n"
             "All files at and below prefix as {path: bytes}, as of one\n"
             "moment; with only_dirty those that were written to.");
PyDoc_STRVAR(iter_export_doc,
             "iter_export_tree($self, prefix='/', only_dirty=False, "
             "lock_timeout=None)\n--\n\n"
             "The same one by one, each as it is when it is reached.");
PyDoc_STRVAR(import_tree_doc,
             "import_tree($self, tree)\n--\n\n"
             "Make or replace all files of {path: bytes}, or none.");
PyDoc_STRVAR(view_doc,
             "view($self, path, lock_timeout=None)\n--\n\n"
             "A file as it is now as a read-only memoryview, without a\n"
             "copy.  Later writes do not change it.");
PyDoc_STRVAR(save_doc,
             "save($self, target, prefix='/')\n--\n\n"
             "Write all below prefix to a directory, or to a tar file: a\n"
             "path that ends in .tar, .tar.gz and so on, or a file object.");
PyDoc_STRVAR(load_doc, "load($self, source, prefix='/')\n--\n\n"
                       "Read what save() has written into prefix.");
PyDoc_STRVAR(snapshot_doc,
             "snapshot($self, /)\n--\n\n"
             "A MemoryFileSystem with the same tree, as of one moment.\n"
             "Bytes are shared until one of both changes them.");
PyDoc_STRVAR(restore_doc,
             "restore($self, snapshot)\n--\n\n"
             "Hold what the other file system holds; nothing changes if\n"
             "a file is open.  The snapshot stays as it is.");
PyDoc_STRVAR(
    later_doc,
    "_open_later($self, path, mode, preallocate, wake)\n--\n\n"
    "As open(), without waiting and for who cannot block: the handle,\n"
    "or a ticket where somebody else has the file.\n\n"
    "wake() is called exactly once for a ticket: when its turn has\n"
    "come, in the thread that let the file go, or by cancel().  It is\n"
    "never called for a handle.  What it raises goes to\n"
    "sys.unraisablehook; as it runs inside of somebody's close(), it\n"
    "should only note the event, as loop.call_soon_threadsafe() does.\n\n"
    "ticket.take() answers the handle, or raises BlockingIOError before\n"
    "wake() was called and the ticket stays good; any other exception\n"
    "is what open() raises, and ends it.  ticket.cancel() leaves the\n"
    "queue, gives back what was granted, and may be called at any time\n"
    "and twice.  The file is held from the moment at which the turn\n"
    "came: a timeout is the caller's, who cancels then.  A ticket that\n"
    "is forgotten keeps its place until its turn, and passes it on.");

#define METHOD(name, doc)                                                     \
    {                                                                         \
#name, KPY_METHOD(kpy_memfs_##name), METH_FASTCALL | METH_KEYWORDS,   \
            doc                                                               \
    }

static PyMethodDef memfs_methods[] = {
    METHOD(open, open_doc),
    METHOD(mkdir, mkdir_doc),
    METHOD(remove, remove_doc),
    METHOD(rmtree, rmtree_doc),
    METHOD(rename, rename_doc),
    METHOD(move, move_doc),
    METHOD(copy, copy_doc),
    METHOD(copy_tree, copy_tree_doc),
    METHOD(exists, exists_doc),
    METHOD(is_dir, is_dir_doc),
    METHOD(is_file, is_file_doc),
    METHOD(stat, stat_doc),
    {"stats", kpy_memfs_stats, METH_NOARGS, stats_doc},
    METHOD(get_size, get_size_doc),
    METHOD(listdir, listdir_doc),
    METHOD(walk, walk_doc),
    METHOD(glob, glob_doc),
    METHOD(export_as_bytesio, bytesio_doc),
    METHOD(export_tree, export_tree_doc),
    METHOD(iter_export_tree, iter_export_doc),
    METHOD(import_tree, import_tree_doc),
    METHOD(view, view_doc),
    METHOD(save, save_doc),
    METHOD(load, load_doc),
    {"_options", memfs_options, METH_NOARGS,
     "_options($self, /)\n--\n\nThe constructor's arguments as a dict."},
    {"snapshot", kpy_memfs_snapshot, METH_NOARGS, snapshot_doc},
    METHOD(restore, restore_doc),
    {"_open_later", KPY_METHOD(kpy_memfs_open_later),
     METH_FASTCALL | METH_KEYWORDS, later_doc},
    {"__reduce__", memfs_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef memfs_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef memfs_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(kpy_memfs, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(kpy_memfs, weakrefs), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(
    memfs_doc,
    "MemoryFileSystem(max_quota=268435456, chunk_overhead_override=None, "
    "promotion_hard_limit=None, max_nodes=None, default_storage='auto', "
    "default_lock_timeout=30.0, memory_guard='none', "
    "memory_guard_action='warn', memory_guard_interval=1.0)\n--\n\n"
    "A file system in memory under a hard quota: what does not fit\n"
    "raises MFSQuotaExceededError and changes nothing.");

static PyType_Slot memfs_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)memfs_doc},
    {Py_tp_new, KPY_SLOT(memfs_new)},
    {Py_tp_init, KPY_SLOT(memfs_init)},
    {Py_tp_dealloc, KPY_SLOT(memfs_dealloc)},
    {Py_tp_traverse, KPY_SLOT(memfs_traverse)},
    {Py_tp_clear, KPY_SLOT(memfs_clear)},
    {Py_tp_methods, memfs_methods},
    {Py_tp_getset, memfs_getset},
    {Py_tp_members, memfs_members},
    {0, NULL},
};

static PyType_Spec memfs_spec = {
    .name = "kist.MemoryFileSystem",
    .basicsize = sizeof(kpy_memfs),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = memfs_slots,
};

int
kpy_memfs_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_MEMFS, &memfs_spec, NULL, true);
}
