/*
 * listdir(), walk() and glob() of MemoryFileSystem.
 *
 * Making 10 000 strings takes ten times as long as copying a list of them.  So
 * a file system remembers the names of the last few directories it was asked
 * for, under the version that the library gives a directory with these names,
 * and hands out copies of the lists.
 */
#include "memobj.h"

/* A version and the directory's names, when nobody changed it in between. */
typedef struct listing {
    uint64_t version;
    kist_memfs_names *names;
} listing;

/* --- what is remembered ----------------------------------------------------
 */

static void
list_clear(kpy_memlist *list)
{
    list->version = 0;
    Py_CLEAR(list->names);
    Py_CLEAR(list->dirs);
    Py_CLEAR(list->files);
}

void
kpy_memlist_clear(kpy_memfs *fs)
{
    size_t i;

    for (i = 0; i < KPY_MEM_LISTS; i++) {
        list_clear(&fs->lists[i]);
    }
}

int
kpy_memlist_visit(kpy_memfs *fs, visitproc visit, void *arg)
{
    size_t i;

    for (i = 0; i < KPY_MEM_LISTS; i++) {
        Py_VISIT(fs->lists[i].names);
        Py_VISIT(fs->lists[i].dirs);
        Py_VISIT(fs->lists[i].files);
    }
    return 0;
}

/* What is remembered of that version, or NULL. */
static kpy_memlist *
list_find(kpy_memfs *fs, uint64_t version)
{
    size_t i;

    for (i = 0; i < KPY_MEM_LISTS; i++) {
        if (fs->lists[i].version == version) {
            return &fs->lists[i];
        }
    }
    return NULL;
}

/* A place for that version, which is not remembered or only in part. */
static kpy_memlist *
list_place(kpy_memfs *fs, uint64_t version)
{
    kpy_memlist *list = list_find(fs, version);

    if (list == NULL) {
        list = &fs->lists[fs->next_list];
        fs->next_list = (fs->next_list + 1) % KPY_MEM_LISTS;
        list_clear(list);
        list->version = version;
    }
    return list;
}

/* A copy for the caller.  Making a list may run the collector, and so any
 * code, which may make the file system forget its own. */
static PyObject *
list_copy(PyObject *list)
{
    PyObject *copy;

    Py_INCREF(list);
    copy = PyList_GetSlice(list, 0, PyList_GET_SIZE(list));
    Py_DECREF(list);
    return copy;
}

/* True if `text` is that name; false also if that takes longer to tell. */
static bool
is_name(PyObject *text, kist_slice name)
{
    return PyUnicode_IS_COMPACT_ASCII(text) &&
           (size_t)PyUnicode_GET_LENGTH(text) == name.size &&
           memcmp(PyUnicode_1BYTE_DATA(text), name.data, name.size) == 0;
}

/* The strings of `count` names, those of the list `like` (or NULL) where they
 * are the same. */
static PyObject *
strings(const kist_slice *names, size_t count, PyObject *like)
{
    const size_t alike = like == NULL ? 0 : (size_t)PyList_GET_SIZE(like);
    PyObject *list;
    size_t i;

    Py_XINCREF(like);
    list = PyList_New((Py_ssize_t)count);
    for (i = 0; list != NULL && i < count; i++) {
        PyObject *name =
            i < alike ? PyList_GET_ITEM(like, (Py_ssize_t)i) : NULL;

        name = name != NULL && is_name(name, names[i]) ? Py_NewRef(name)
                                                       : kpy_mem_str(names[i]);
        if (name == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, name);
        }
    }
    Py_XDECREF(like);
    return list;
}

/* --- listdir() -------------------------------------------------------------
 */

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

PyObject *
kpy_memfs_listdir(PyObject *object, PyObject *const *args, Py_ssize_t count,
                  PyObject *names)
{
    static const kpy_signature signature = {"listdir", 1, 1, {"path"}};
    static const kpy_memwords words = {.notfound = "No such directory: '%U'"};
    kpy_memfs *self = (kpy_memfs *)object;
    const kpy_memlist *known = NULL;
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
        known = list_find(self, found.version);
    }
    if (known != NULL && known->names != NULL) {
        result = list_copy(known->names);
    }
    else if (status == KIST_OK) {
        status = list(self, path.slice, &found);
    }
    kpy_mempath_done(&path);
    if (status != KIST_OK) {
        return kpy_mem_raise(self->state, status, &words, values[0], NULL);
    }
    if (found.names != NULL) {
        result = strings(found.names->names, found.names->count, NULL);
    }
    if (found.names != NULL && result != NULL && found.version != 0 &&
        found.names->count <= KPY_MEM_LIST_MAX) {
        PyObject *copy = list_copy(result);

        if (copy == NULL) {
            Py_CLEAR(result);
        }
        else {
            Py_XSETREF(list_place(self, found.version)->names, copy);
        }
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

/* (path, dirs, files), made anew. */
static PyObject *
walk_item(PyObject *path, PyObject *dirs, PyObject *files)
{
    PyObject *item = NULL;

    if (path != NULL && dirs != NULL && files != NULL) {
        item = PyTuple_Pack(3, path, dirs, files);
    }
    Py_XDECREF(path);
    Py_XDECREF(dirs);
    Py_XDECREF(files);
    return item;
}

/* Remembers copies of the lists; failing to is no matter. */
static void
walk_remember(kpy_memfs *fs, uint64_t version, PyObject *dirs, PyObject *files)
{
    kpy_memlist *place;

    dirs = list_copy(dirs);
    files = list_copy(files);
    if (dirs == NULL || files == NULL) {
        Py_XDECREF(dirs);
        Py_XDECREF(files);
        PyErr_Clear();
        return;
    }
    place = list_place(fs, version);
    Py_XSETREF(place->dirs, dirs);
    Py_XSETREF(place->files, files);
}

/* Small directories are not worth a version. */
#define WALK_REMEMBERED 32

/*
 * A directory that was moved away is still walked under the path that it had,
 * where there may be another: what is remembered under the version found there
 * is a guess, and each name is compared.
 */
static PyObject *
walk_make(memwalk *self, kist_slice path, const kist_memfs_names *names)
{
    kpy_memfs *fs = self->fs;
    const kpy_memlist *known = NULL;
    uint64_t version = 0;
    PyObject *dirs;
    PyObject *files;

    if (names->count >= WALK_REMEMBERED && names->count <= KPY_MEM_LIST_MAX &&
        kist_memfs_list_version(fs->fs, path, &version) == KIST_OK) {
        known = list_find(fs, version);
    }
    if (known != NULL && known->dirs != NULL && known->files != NULL) {
        PyObject *files_known = Py_NewRef(known->files);

        dirs = strings(names->names, names->dirs, known->dirs);
        files = strings(names->names + names->dirs, names->count - names->dirs,
                        files_known);
        Py_DECREF(files_known);
        return walk_item(kpy_mem_str(path), dirs, files);
    }
    dirs = strings(names->names, names->dirs, NULL);
    files =
        strings(names->names + names->dirs, names->count - names->dirs, NULL);
    if (version != 0 && dirs != NULL && files != NULL) {
        walk_remember(fs, version, dirs, files);
    }
    return walk_item(kpy_mem_str(path), dirs, files);
}

static PyObject *
walk_next(PyObject *object)
{
    static const kpy_memwords none = {0};
    memwalk *self = (memwalk *)object;
    const kist_memfs_names *names;
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
    status = kist_memfs_walk_next(self->walk, &path, &names);
    item = status == KIST_OK ? walk_make(self, path, names) : NULL;
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
    result = strings(paths->names, paths->count, NULL);
    kist_memfs_names_free(paths);
    return result;
}
