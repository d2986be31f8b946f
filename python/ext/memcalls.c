/*
 * The methods of MemoryFileSystem that ask about a path or change the tree.
 */
#include "memobj.h"

/* --- what is at a path -----------------------------------------------------
 */

/* The one path of a method. */
static int
path_of(PyObject *object, const kpy_signature *signature,
        PyObject *const *args, Py_ssize_t count, PyObject *names,
        kpy_mempath *path)
{
    PyObject *values[KPY_MEM_WORDS_MAX];

    if (kpy_bind(signature, args, count, names, values) < 0 ||
        kpy_memfs_of((kpy_memfs *)object) == NULL) {
        return -1;
    }
    return kpy_mempath_of(values[0], path);
}

/* The path as the caller gave it, for a message. */
static PyObject *
given(PyObject *const *args)
{
    return args[0]; // by place or by name, it is the only argument
}

/* What is there; -1 with an error set. */
static int
look(PyObject *object, const kpy_signature *signature, PyObject *const *args,
     Py_ssize_t count, PyObject *names)
{
    kpy_mempath path;
    int kind;

    if (path_of(object, signature, args, count, names, &path) < 0) {
        return -1;
    }
    kind = (int)kist_memfs_look(((kpy_memfs *)object)->fs, path.slice);
    kpy_mempath_done(&path);
    return kind;
}

PyObject *
kpy_memfs_exists(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"exists", 1, 1, {"path"}};
    const int kind = look(object, &signature, args, count, names);

    return kind < 0 ? NULL : PyBool_FromLong(kind != KIST_MEMFS_NOTHING);
}

PyObject *
kpy_memfs_is_dir(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"is_dir", 1, 1, {"path"}};
    const int kind = look(object, &signature, args, count, names);

    return kind < 0 ? NULL : PyBool_FromLong(kind == KIST_MEMFS_DIR);
}

PyObject *
kpy_memfs_is_file(PyObject *object, PyObject *const *args, Py_ssize_t count,
                  PyObject *names)
{
    static const kpy_signature signature = {"is_file", 1, 1, {"path"}};
    const int kind = look(object, &signature, args, count, names);

    return kind < 0 ? NULL : PyBool_FromLong(kind == KIST_MEMFS_FILE);
}

/* `dict`, or NULL, with `count` values under the names from `first` on.  Dict
 * and values are consumed. */
static PyObject *
dict_of(const kpy_state *state, PyObject *dict, kpy_name_id first,
        PyObject **values, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (dict != NULL &&
            (values[i] == NULL ||
             PyDict_SetItem(dict, state->names[first + (unsigned)i],
                            values[i]) < 0)) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(values[i]);
    }
    return dict;
}

PyObject *
kpy_memfs_stat(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const kpy_signature signature = {"stat", 1, 1, {"path"}};
    static const kpy_memwords words = {.notfound =
                                           "No such file or directory: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    kpy_mempath path;
    kist_memfs_stat stat;
    kist_status status;
    PyObject *values[5];

    if (path_of(object, &signature, args, count, names, &path) < 0) {
        return NULL;
    }
    status = kist_memfs_stat_path(self->fs, path.slice, &stat);
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &words, given(args), NULL);
    }
    values[0] = PyLong_FromUnsignedLongLong(stat.size);
    values[1] = PyFloat_FromDouble(kpy_mem_seconds_of(stat.created_ns));
    values[2] = PyFloat_FromDouble(kpy_mem_seconds_of(stat.modified_ns));
    values[3] = PyLong_FromUnsignedLongLong(stat.generation);
    values[4] = PyBool_FromLong(stat.is_dir);
    return dict_of(self->state, PyDict_New(), KPY_NAME_SIZE, values, 5);
}

PyObject *
kpy_memfs_get_size(PyObject *object, PyObject *const *args, Py_ssize_t count,
                   PyObject *names)
{
    static const kpy_signature signature = {"get_size", 1, 1, {"path"}};
    static const kpy_memwords words = {.notfound = "No such file: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    kpy_mempath path;
    kist_memfs_stat stat;
    kist_status status;

    if (path_of(object, &signature, args, count, names, &path) < 0) {
        return NULL;
    }
    status = kist_memfs_stat_path(self->fs, path.slice, &stat);
    kpy_mempath_done(&path);
    if (status == KIST_OK && stat.is_dir) {
        status = KIST_ERR_ISDIR;
    }
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &words, given(args), NULL);
    }
    return PyLong_FromUnsignedLongLong(stat.size);
}

PyObject *
kpy_memfs_stats(PyObject *object, PyObject *unused)
{
    kpy_memfs *self = (kpy_memfs *)object;
    kpy_state *state = self->state;
    kist_memfs_stats stats;
    PyObject *values[7];

    (void)unused;
    if (kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    kist_memfs_stats_get(self->fs, &stats);
    values[0] = PyLong_FromUnsignedLongLong(stats.used);
    values[1] = PyLong_FromUnsignedLongLong(stats.quota);
    values[2] = PyLong_FromUnsignedLongLong(stats.free);
    values[3] = PyLong_FromUnsignedLongLong(stats.files);
    values[4] = PyLong_FromUnsignedLongLong(stats.dirs);
    values[5] = PyLong_FromUnsignedLongLong(stats.chunks);
    values[6] = PyLong_FromUnsignedLongLong(stats.chunk_overhead);
    // A copy has room for its seven keys at once, a new dict for five.
    if (state->stats_like == NULL) {
        state->stats_like =
            dict_of(state, PyDict_New(), KPY_NAME_USED_BYTES, values, 7);
        return state->stats_like == NULL ? NULL
                                         : PyDict_Copy(state->stats_like);
    }
    return dict_of(state, PyDict_Copy(state->stats_like), KPY_NAME_USED_BYTES,
                   values, 7);
}

/* --- changes of the tree ---------------------------------------------------
 */

/* None, or what `status` raises. */
static PyObject *
done(kpy_memfs *self, kist_status status, const kpy_memwords *words,
     PyObject *from, PyObject *to)
{
    if (status == KIST_OK && !kpy_mem_raised(self->state)) {
        Py_RETURN_NONE;
    }
    return kpy_mem_raise(self->state, status, words, from, to);
}

PyObject *
kpy_memfs_mkdir(PyObject *object, PyObject *const *args, Py_ssize_t count,
                PyObject *names)
{
    static const kpy_signature signature = {
        "mkdir", 1, 2, {"path", "exist_ok"}};
    static const kpy_memwords words = {.exists = "File exists at path: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    PyObject *values[2];
    kpy_mempath path;
    kist_status status;
    int exist_ok = 0;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    if (values[1] != NULL) {
        exist_ok = PyObject_IsTrue(values[1]);
    }
    if (exist_ok < 0 || kpy_mempath_of(values[0], &path) < 0) {
        return NULL;
    }
    status = kist_memfs_mkdir(self->fs, path.slice, exist_ok > 0);
    kpy_mempath_done(&path);
    return done(self, status, &words, values[0], NULL);
}

PyObject *
kpy_memfs_remove(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"remove", 1, 1, {"path"}};
    static const kpy_memwords words = {.notfound = "No such file: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    kpy_mempath path;
    kist_status status;

    if (path_of(object, &signature, args, count, names, &path) < 0) {
        return NULL;
    }
    status = kist_memfs_remove(self->fs, path.slice);
    kpy_mempath_done(&path);
    // Of all calls, this one tells the path as it was given.
    if (status == KIST_ERR_LOCKED && !PyErr_Occurred()) {
        return PyErr_Format(PyExc_BlockingIOError, "File is open: '%U'",
                            given(args));
    }
    return done(self, status, &words, given(args), NULL);
}

PyObject *
kpy_memfs_rmtree(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const kpy_signature signature = {"rmtree", 1, 1, {"path"}};
    static const kpy_memwords words = {
        .notfound = "No such directory: '%U'",
        .root = "Cannot remove the root directory."};
    kpy_memfs *self = (kpy_memfs *)object;
    kpy_mempath path;
    kist_status status;

    if (path_of(object, &signature, args, count, names, &path) < 0) {
        return NULL;
    }
    status = kist_memfs_rmtree(self->fs, path.slice);
    kpy_mempath_done(&path);
    return done(self, status, &words, given(args), NULL);
}

/* A call with two paths, and a timeout if it waits. */
typedef struct pair_call {
    kpy_signature signature;
    kpy_memwords words;
    kist_status (*call)(kist_memfs *fs, kist_slice from, kist_slice to);
    kist_status (*waits)(kist_memfs *fs, kist_slice from, kist_slice to,
                         int64_t timeout_ms);
    bool is_long; /* for trees of any size: without the GIL */
} pair_call;

static PyObject *
pair(PyObject *object, PyObject *const *args, Py_ssize_t count,
     PyObject *names, const pair_call *how)
{
    kpy_memfs *self = (kpy_memfs *)object;
    PyObject *values[3] = {NULL};
    kpy_mempath from;
    kpy_mempath to;
    kpy_memtry try;
    kist_status status;

    if (kpy_bind(&how->signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL ||
        kpy_memtry_init(&try, self, values[2], how->is_long) < 0 ||
        kpy_mempath_of(values[0], &from) < 0) {
        return NULL;
    }
    if (kpy_mempath_of(values[1], &to) < 0) {
        kpy_mempath_done(&from);
        return NULL;
    }
    if (how->waits == NULL) {
        status = how->call(self->fs, from.slice, to.slice);
    }
    else {
        do {
            kpy_memtry_enter(&try);
            status =
                how->waits(self->fs, from.slice, to.slice, try.timeout_ms);
        } while (kpy_memtry_again(&try, status));
    }
    kpy_mempath_done(&to);
    kpy_mempath_done(&from);
    return done(self, status, &how->words, values[0], values[1]);
}

PyObject *
kpy_memfs_rename(PyObject *object, PyObject *const *args, Py_ssize_t count,
                 PyObject *names)
{
    static const pair_call how = {
        .signature = {"rename", 2, 2, {"src", "dst"}},
        .words = {.notfound = "No such file or directory: '%U'",
                  .exists = "Destination already exists: '%U'",
                  .noparent = "Destination parent does not exist: '%U'",
                  .root = "Cannot rename the root directory."},
        .call = kist_memfs_rename,
    };

    return pair(object, args, count, names, &how);
}

PyObject *
kpy_memfs_move(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const pair_call how = {
        .signature = {"move", 2, 2, {"src", "dst"}},
        .words = {.notfound = "No such file or directory: '%U'",
                  .exists = "Destination already exists: '%U'",
                  .root = "Cannot move the root directory."},
        .call = kist_memfs_move,
    };

    return pair(object, args, count, names, &how);
}

PyObject *
kpy_memfs_copy(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const pair_call how = {
        .signature = {"copy", 2, 3, {"src", "dst", "lock_timeout"}},
        .words = {.notfound = "No such file: '%U'",
                  .exists = "Destination already exists: '%U'"},
        .waits = kist_memfs_copy,
    };

    return pair(object, args, count, names, &how);
}

PyObject *
kpy_memfs_copy_tree(PyObject *object, PyObject *const *args, Py_ssize_t count,
                    PyObject *names)
{
    static const pair_call how = {
        .signature = {"copy_tree", 2, 3, {"src", "dst", "lock_timeout"}},
        .words = {.notfound = "No such file or directory: '%U'",
                  .exists = "Destination already exists: '%U'",
                  .noparent = "Destination parent does not exist: '%U'"},
        .waits = kist_memfs_copy_tree,
        .is_long = true,
    };

    return pair(object, args, count, names, &how);
}

/* --- snapshots -------------------------------------------------------------
 */

PyObject *
kpy_memfs_snapshot(PyObject *object, PyObject *unused)
{
    static const kpy_memwords none = {0};
    kpy_memfs *self = (kpy_memfs *)object;
    kist_memfs *clone = NULL;
    kpy_memfs *snapshot;
    kpy_memgap gap;
    kist_status status;

    (void)unused;
    if (kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    kpy_memgap_begin(self->state, &gap);
    status = kist_memfs_clone(self->fs, &clone);
    kpy_memgap_end(&gap);
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &none, NULL, NULL);
    }
    snapshot = kpy_memfs_new(self->state->types[KPY_TYPE_MEMFS]);
    if (snapshot == NULL || kpy_mem_raised(self->state)) {
        kist_memfs_free(clone);
        Py_XDECREF(snapshot);
        return NULL;
    }
    snapshot->fs = clone;
    snapshot->timeout_ns = self->timeout_ns;
    snapshot->options = self->options;
    return (PyObject *)snapshot;
}

PyObject *
kpy_memfs_restore(PyObject *object, PyObject *const *args, Py_ssize_t count,
                  PyObject *names)
{
    static const kpy_signature signature = {"restore", 1, 1, {"snapshot"}};
    static const kpy_memwords none = {0};
    kpy_memfs *self = (kpy_memfs *)object;
    kpy_memfs *snapshot;
    PyObject *values[1];
    kpy_memgap gap;
    kist_status status;

    if (kpy_bind(&signature, args, count, names, values) < 0) {
        return NULL;
    }
    if (!kpy_is(self->state, KPY_TYPE_MEMFS, values[0])) {
        PyErr_Format(PyExc_TypeError,
                     "snapshot must be a MemoryFileSystem, not %.200s",
                     Py_TYPE(values[0])->tp_name);
        return NULL;
    }
    snapshot = (kpy_memfs *)values[0];
    if (kpy_memfs_of(self) == NULL || kpy_memfs_of(snapshot) == NULL) {
        return NULL;
    }
    kpy_memgap_begin(self->state, &gap);
    status = kist_memfs_restore(self->fs, snapshot->fs);
    kpy_memgap_end(&gap);
    return done(self, status, &none, NULL, NULL);
}
