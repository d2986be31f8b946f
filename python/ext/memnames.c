#include "memnames.h"

#include "memobj.h"

#define AHEAD     64 /* lists for which a row takes references */
#define WAYS      8u
#define SLOTS_MIN 8u
#define SLOTS_MAX 4096u

struct kpy_memnames {
    uint64_t *versions; /* 0: an empty slot */
    kpy_memknown *known;
    size_t *sizes; /* how many names each is counted as */
    size_t slots;  /* a power of two */
    size_t hand;   /* the slot to be emptied next */
    size_t total;  /* of the sizes */
};

/* --- rows ----------------------------------------------------------------
 */

/* Takes `more` references to each name, or gives them back. */
static void
count_on(kpy_memrow *row, Py_ssize_t more)
{
    Py_ssize_t i;

    for (i = 0; i < row->count; i++) {
        PyObject *name = row->names[i];

        Py_SET_REFCNT(name, Py_REFCNT(name) + more);
    }
    row->ahead += more;
}

kpy_memrow *
kpy_memrow_new(const kist_slice *names, size_t count)
{
    kpy_memrow *row = PyMem_Malloc(sizeof(*row) + count * sizeof(PyObject *));

    if (row == NULL) {
        (void)PyErr_NoMemory();
        return NULL;
    }
    row->users = 1;
    row->ahead = 0;
    for (row->count = 0; (size_t)row->count < count; row->count++) {
        PyObject *name = kpy_mem_str(names[row->count]);

        if (name == NULL) {
            kpy_memrow_drop(row);
            return NULL;
        }
        row->names[row->count] = name;
    }
    return row;
}

void
kpy_memrow_drop(kpy_memrow *row)
{
    Py_ssize_t i;

    if (row == NULL || --row->users > 0) {
        return;
    }
    if (row->ahead > 0) {
        count_on(row, -row->ahead);
    }
    for (i = 0; i < row->count; i++) {
        Py_DECREF(row->names[i]);
    }
    PyMem_Free(row);
}

/*
 * A list of `count` places that its caller fills at once.  PyList_New() would
 * set them to NULL first, which is a fifth of the work; what a list is made of
 * is asked of the releases that are known only.
 */
static PyObject *
unset_list(Py_ssize_t count)
{
#if PY_VERSION_HEX < 0x030e0000 && !defined(Py_GIL_DISABLED)
    PyObject **items = PyMem_Malloc((size_t)count * sizeof(*items));
    PyObject *list = items == NULL ? PyErr_NoMemory() : PyList_New(0);

    if (list == NULL) {
        PyMem_Free(items);
        return NULL;
    }
    ((PyListObject *)list)->ob_item = items;
    ((PyListObject *)list)->allocated = count;
    Py_SET_SIZE(list, count);
    return list;
#else
    return PyList_New(count);
#endif
}

PyObject *
kpy_memrow_list(kpy_memrow *row)
{
    PyObject *list;

    if (row == NULL || row->count == 0) {
        return PyList_New(0);
    }
    // Making a list may run the collector, and so any code, which may make
    // the file system forget the row.
    (void)kpy_memrow_hold(row);
    list = unset_list(row->count);
    if (list != NULL) {
        if (row->ahead == 0) {
            count_on(row, AHEAD);
        }
        row->ahead--;
        memcpy(((PyListObject *)list)->ob_item, row->names,
               (size_t)row->count * sizeof(PyObject *));
    }
    kpy_memrow_drop(row);
    return list;
}

/* --- versions --------------------------------------------------------------
 */

/* Where the bucket of a version begins: they come in rows, so are spread. */
static size_t
bucket_of(const kpy_memnames *names, uint64_t version)
{
    return (size_t)(version * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
           (names->slots - 1) & ~(size_t)(WAYS - 1);
}

/* The slot of that version, which may be 0, in its bucket; or `slots`. */
static size_t
slot_of(const kpy_memnames *names, size_t bucket, uint64_t version)
{
    size_t i;

    for (i = bucket; i < bucket + WAYS; i++) {
        if (names->versions[i] == version) {
            return i;
        }
    }
    return names->slots;
}

kpy_memknown *
kpy_memnames_find(kpy_memnames *names, uint64_t version)
{
    size_t slot;

    if (names == NULL || version == 0) {
        return NULL;
    }
    slot = slot_of(names, bucket_of(names, version), version);
    return slot < names->slots ? &names->known[slot] : NULL;
}

static void
forget(kpy_memnames *names, size_t slot)
{
    const kpy_memknown known = names->known[slot];

    names->versions[slot] = 0;
    names->known[slot] = (kpy_memknown){0};
    names->total -= names->sizes[slot];
    names->sizes[slot] = 0;
    kpy_memrow_drop(known.names);
    kpy_memrow_drop(known.dirs);
    kpy_memrow_drop(known.files);
}

static void
free_slots(kpy_memnames *names)
{
    PyMem_Free(names->versions);
    PyMem_Free(names->known);
    PyMem_Free(names->sizes);
}

static bool
make_slots(kpy_memnames *names, size_t slots)
{
    names->slots = slots;
    names->versions = PyMem_Calloc(slots, sizeof(*names->versions));
    names->known = PyMem_Calloc(slots, sizeof(*names->known));
    names->sizes = PyMem_Calloc(slots, sizeof(*names->sizes));
    if (names->versions == NULL || names->known == NULL ||
        names->sizes == NULL) {
        free_slots(names);
        return false;
    }
    return true;
}

/* Twice the slots.  What finds its new bucket full is forgotten. */
static bool
grow(kpy_memnames *names)
{
    kpy_memnames wider = *names;
    size_t i;

    if (names->slots >= SLOTS_MAX || !make_slots(&wider, names->slots * 2)) {
        return false;
    }
    for (i = 0; i < names->slots; i++) {
        const uint64_t version = names->versions[i];
        const size_t slot = slot_of(&wider, bucket_of(&wider, version), 0);

        if (version != 0 && slot < wider.slots) {
            wider.versions[slot] = version;
            wider.known[slot] = names->known[i];
            wider.sizes[slot] = names->sizes[i];
        }
        else if (version != 0) {
            forget(names, i);
            wider.total = names->total;
        }
    }
    free_slots(names);
    *names = wider;
    return true;
}

static kpy_memnames *
names_new(void)
{
    kpy_memnames *names = PyMem_Calloc(1, sizeof(*names));

    if (names != NULL && !make_slots(names, SLOTS_MIN)) {
        PyMem_Free(names);
        names = NULL;
    }
    return names;
}

kpy_memknown *
kpy_memnames_place(kpy_memnames **all, uint64_t version, size_t count)
{
    kpy_memnames *names = *all;
    kpy_memknown *known = kpy_memnames_find(names, version);
    size_t bucket;
    size_t slot;

    if (known != NULL) {
        return known;
    }
    if (names == NULL) {
        names = *all = names_new();
    }
    if (names == NULL) {
        return NULL;
    }
    while (names->total + count > KPY_MEMNAMES_MAX && names->total > 0) {
        forget(names, names->hand++ & (names->slots - 1));
    }
    do {
        bucket = bucket_of(names, version);
        slot = slot_of(names, bucket, 0);
    } while (slot == names->slots && grow(names));
    if (slot == names->slots) {
        slot = bucket + (names->hand++ & (WAYS - 1));
        forget(names, slot);
    }
    names->versions[slot] = version;
    names->sizes[slot] = count;
    names->total += count;
    return &names->known[slot];
}

void
kpy_memnames_free(kpy_memnames *names)
{
    size_t i;

    if (names != NULL) {
        for (i = 0; i < names->slots; i++) {
            forget(names, i);
        }
        free_slots(names);
        PyMem_Free(names);
    }
}
