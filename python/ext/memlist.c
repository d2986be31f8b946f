/*
 * listdir(), walk() and glob() of MemoryFileSystem.  What a directory holds is
 * asked for only if it is not remembered (memnames.h).
 */
#include "memnames.h"
#include "memobj.h"

void
kpy_memlist_clear(kpy_memfs *fs)
{
    kpy_memnames *names = fs->names;

    fs->names = NULL;
    kpy_memnames_free(names);
}

/* Is it worth a place, and is there one? */
static kpy_memknown *
place(kpy_memfs *fs, uint64_t version, size_t count)
{
    return version != 0 && count >= KPY_MEMNAMES_MIN &&
                   count <= KPY_MEMNAMES_MAX
               ? kpy_memnames_place(&fs->names, version, count)
               : NULL;
}

/* --- listdir() -------------------------------------------------------------
 */

/* A version and the directory's names, when nobody changed it in between. */
typedef struct listing {
    uint64_t version;
    kist_memfs_names *names;
} listing;

/* The names in the directory, and its version if it can be told: it may have
 * changed in another thread between the two. */
static kist_status
list(kpy_memfs *fs, kist_slice path, listing *found)
{
    uint64_t before = found->version;
    kist_status status = kist_memfs_list(fs->fs, path, &found->names);

    if (status == KIST_OK &&
        (kist_memfs_list_version(fs->fs, path, &found->version) != KIST_OK ||
         found->version != before)) {
        found->version = 0;
    }
    return status;
}

/* A list of the names, which are remembered. */
static PyObject *
list_made(kpy_memfs *fs, const listing *found)
{
    const kist_memfs_names *names = found->names;
    kpy_memrow *row = kpy_memrow_new(names->names, names->count);
    kpy_memknown *known;
    PyObject *made;

    if (row == NULL) {
        return NULL;
    }
    known = place(fs, found->version, names->count);
    if (known != NULL && known->names == NULL) {
        known->names = kpy_memrow_hold(row);
    }
    made = kpy_memrow_list(row);
    kpy_memrow_drop(row);
    return made;
}

PyObject *
kpy_memfs_listdir(PyObject *object, PyObject *const *args, Py_ssize_t count,
                  PyObject *names)
{
    static const kpy_signature signature = {"listdir", 1, 1, {"path"}};
    static const kpy_memwords words = {.notfound = "No such directory: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    const kpy_memknown *known = NULL;
    listing found = {0};
    PyObject *values[1];
    PyObject *result = NULL;
    kpy_mempath path;
    kist_status status;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL || kpy_mempath_of(values[0], &path) < 0) {
        return NULL;
    }
    status = kist_memfs_list_version(self->fs, path.slice, &found.version);
    if (status == KIST_OK) {
        known = kpy_memnames_find(self->names, found.version);
    }
    if (known != NULL && known->names != NULL) {
        result = kpy_memrow_list(known->names);
    }
    else if (status == KIST_OK) {
        status = list(self, path.slice, &found);
    }
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &words, values[0], NULL);
    }
    if (found.names != NULL) {
        result = list_made(self, &found);
    }
    kist_memfs_names_free(found.names);
    return result;
}

/* --- walk() ----------------------------------------------------------------
 */

typedef struct memwalk {
    PyObject_HEAD kpy_memfs *fs;
    kist_memfs_walk *walk; /* NULL: not begun, or at its end */
    PyObject *path;        /* where it begins; NULL: it has begun */
    bool busy;             /* a thread is inside of it */
} memwalk;

PyObject *
kpy_memfs_walk(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const kpy_signature signature = {"walk", 0, 1, {"path"}};
    kpy_memfs *self = (kpy_memfs *)object;
    PyTypeObject *type = self->state->types[KPY_TYPE_MEMWALK];
    PyObject *values[1] = {NULL};
    memwalk *walk;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    walk = (memwalk *)type->tp_alloc(type, 0);
    if (walk != NULL) {
        walk->fs = (kpy_memfs *)Py_NewRef(object);
        walk->path = values[0] == NULL ? PyUnicode_FromString("/")
                                       : Py_NewRef(values[0]);
    }
    return (PyObject *)walk;
}

static int
walk_traverse(PyObject *object, visitproc visit, void *arg)
{
    memwalk *self = (memwalk *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->fs);
    Py_VISIT(self->path);
    return 0;
}

static void
walk_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    memwalk *self = (memwalk *)object;

    PyObject_GC_UnTrack(object);
    kist_memfs_walk_close(self->walk);
    Py_CLEAR(self->path);
    Py_CLEAR(self->fs);
    type->tp_free(object);
    Py_DECREF(type);
}

/* The first next() finds the directory, as a generator would. */
static int
walk_begin(memwalk *self)
{
    static const kpy_memwords words = {.notfound = "No such directory: '%U'"};
    PyObject *begin = self->path;
    kpy_mempath path;
    kist_status status;

    self->path = NULL;
    if (kpy_mempath_of(begin, &path) < 0) {
        Py_DECREF(begin);
        return -1;
    }
    status = kist_memfs_walk_open(self->fs->fs, path.slice, &self->walk);
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        self->walk = NULL;
        (void)kpy_mem_raise(self->fs->state, status, &words, begin, NULL);
    }
    Py_DECREF(begin);
    return status == KIST_OK ? 0 : -1;
}

/* What a directory holds, directories apart. */
typedef struct parts {
    kpy_memrow *dirs; /* NULL: there are none */
    kpy_memrow *files;
} parts;

static void
parts_drop(parts *held)
{
    kpy_memrow_drop(held->dirs);
    kpy_memrow_drop(held->files);
}

/* (path, dirs, files), made anew. */
static PyObject *
walk_item(kist_slice path, const parts *held)
{
    PyObject *text = kpy_mem_str(path);
    PyObject *dirs = text == NULL ? NULL : kpy_memrow_list(held->dirs);
    PyObject *files = dirs == NULL ? NULL : kpy_memrow_list(held->files);
    PyObject *item = files == NULL ? NULL : PyTuple_New(3);

    if (item == NULL) {
        Py_XDECREF(files);
        Py_XDECREF(dirs);
        Py_XDECREF(text);
        return NULL;
    }
    PyTuple_SET_ITEM(item, 0, text);
    PyTuple_SET_ITEM(item, 1, dirs);
    PyTuple_SET_ITEM(item, 2, files);
    return item;
}

/* Its context is a kpy_memfs. */
static bool
walk_knows(void *context, uint64_t version)
{
    const kpy_memfs *fs = context;
    const kpy_memknown *known = kpy_memnames_find(fs->names, version);

    return known != NULL && known->split;
}

/* What walk_knows() said is known. */
static void
walk_recall(const kpy_memfs *fs, uint64_t version, parts *held)
{
    const kpy_memknown *known = kpy_memnames_find(fs->names, version);

    held->dirs = known->dirs == NULL ? NULL : kpy_memrow_hold(known->dirs);
    held->files =
        kpy_memrow_hold(known->dirs == NULL ? known->names : known->files);
}

static void
walk_remember(kpy_memfs *fs, uint64_t version, const parts *held)
{
    const Py_ssize_t dirs = held->dirs == NULL ? 0 : held->dirs->count;
    kpy_memknown *known =
        place(fs, version, (size_t)(dirs + held->files->count));

    if (known == NULL || known->split) {
        return;
    }
    known->split = true;
    if (held->dirs != NULL) {
        known->dirs = kpy_memrow_hold(held->dirs);
        known->files = kpy_memrow_hold(held->files);
    }
    else if (known->names == NULL) {
        known->names = kpy_memrow_hold(held->files);
    }
}

/* The strings of `names`.  0, or -1 with an error set. */
static int
walk_make(kpy_memfs *fs, const kist_memfs_names *names, uint64_t version,
          parts *held)
{
    if (names->dirs > 0) {
        held->dirs = kpy_memrow_new(names->names, names->dirs);
        if (held->dirs == NULL) {
            return -1;
        }
    }
    held->files =
        kpy_memrow_new(names->names + names->dirs, names->count - names->dirs);
    if (held->files == NULL) {
        return -1;
    }
    walk_remember(fs, version, held);
    return 0;
}

static PyObject *
walk_visit(memwalk *self, kist_slice path, uint64_t version,
           const kist_memfs_names *names)
{
    parts held = {0};
    PyObject *item = NULL;

    if (names == NULL) {
        walk_recall(self->fs, version, &held);
        item = walk_item(path, &held);
    }
    else if (walk_make(self->fs, names, version, &held) == 0) {
        item = walk_item(path, &held);
    }
    parts_drop(&held);
    return item;
}

static PyObject *
walk_next(PyObject *object)
{
    static const kpy_memwords none = {0};
    memwalk *self = (memwalk *)object;
    const kist_memfs_names *names;
    uint64_t version;
    kist_slice path;
    kist_status status;
    PyObject *item;

    if (self->path != NULL && walk_begin(self) < 0) {
        return NULL;
    }
    if (self->walk == NULL) {
        return NULL;
    }
    // What it gives is good until the next call, which another thread could
    // make while the collector runs what it may.
    if (self->busy) {
        PyErr_SetString(PyExc_ValueError, "walk is already executing");
        return NULL;
    }
    self->busy = true;
    status = kist_memfs_walk_on(self->walk, walk_knows, self->fs, &path,
                                &version, &names);
    item = status == KIST_OK ? walk_visit(self, path, version, names) : NULL;
    self->busy = false;
    if (status != KIST_OK) {
        kist_memfs_walk_close(self->walk);
        self->walk = NULL;
        if (status != KIST_END) {
            (void)kpy_mem_raise(self->fs->state, status, &none, NULL, NULL);
        }
    }
    return item;
}

static PyType_Slot walk_slots[] = {
    {Py_tp_doc, "What MemoryFileSystem.walk() answers."},
    {Py_tp_dealloc, KPY_SLOT(walk_dealloc)},
    {Py_tp_traverse, KPY_SLOT(walk_traverse)},
    {Py_tp_iter, KPY_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, KPY_SLOT(walk_next)},
    {0, NULL},
};

static PyType_Spec walk_spec = {
    .name = "kist._core.MemoryFileSystem_walk",
    .basicsize = sizeof(memwalk),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = walk_slots,
};

int
kpy_memlist_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_MEMWALK, &walk_spec, NULL, false);
}

/* --- glob() ----------------------------------------------------------------
 */

static PyObject *
strings(const kist_memfs_names *paths)
{
    PyObject *list = PyList_New((Py_ssize_t)paths->count);
    size_t i;

    for (i = 0; list != NULL && i < paths->count; i++) {
        PyObject *path = kpy_mem_str(paths->names[i]);

        if (path == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, path);
        }
    }
    return list;
}

PyObject *
kpy_memfs_glob(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    static const kpy_signature signature = {"glob", 1, 1, {"pattern"}};
    static const kpy_memwords none = {0};
    kpy_memfs *self = (kpy_memfs *)object;
    kist_memfs_names *paths = NULL;
    PyObject *values[1];
    PyObject *result;
    kpy_mempath pattern;
    kist_status status;

    if (kpy_bind(&signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL ||
        kpy_mempath_of(values[0], &pattern) < 0) {
        return NULL;
    }
    status = kist_memfs_glob(self->fs, pattern.slice, &paths);
    kpy_mempath_done(&pattern);
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &none, values[0], NULL);
    }
    result = strings(paths);
    kist_memfs_names_free(paths);
    return result;
}
