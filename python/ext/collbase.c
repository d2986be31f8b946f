/*
 * Opening, closing and upkeep of collection objects.  coll_type.c has the
 * methods that all three types inherit.
 */
#include "collbase.h"

#include <errno.h>

/* --- opening ---------------------------------------------------------------
 */

/* What kind of collection `handle` is was said at open. */
static void
handle_close(kist_kind kind, void *handle)
{
    switch (kind) {
    case KIST_KIND_LIST:
        kist_list_close(handle);
        break;
    case KIST_KIND_DICT:
        kist_dict_close(handle);
        break;
    case KIST_KIND_SET:
        kist_set_close(handle);
        break;
    }
}

static kist_status
handle_open(kist *k, kist_kind kind, kist_slice name, kist_type type,
            void **handle, kist_type *stored)
{
    kist_status status = KIST_ERR_INVALID;
    kist_list *list = NULL;
    kist_dict *dict = NULL;
    kist_set *set = NULL;

    switch (kind) {
    case KIST_KIND_LIST:
        status = kist_list_open(k, name, type, &list);
        *handle = list;
        *stored = status == KIST_OK ? kist_list_type(list) : type;
        break;
    case KIST_KIND_DICT:
        status = kist_dict_open(k, name, type, &dict);
        *handle = dict;
        *stored = status == KIST_OK ? kist_dict_type(dict) : type;
        break;
    case KIST_KIND_SET:
        status = kist_set_open(k, name, type, &set);
        *handle = set;
        *stored = status == KIST_OK ? kist_set_type(set) : type;
        break;
    }
    return status;
}

/* Row 66: what is asked for and what is there, both by name. */
static int
raise_mismatch(const kpy_coll *coll, kpy_chest *chest, PyObject *place,
               kist_slice name, kist_status status)
{
    const kist_kind kind = coll->kind;
    kist_coll_info info;
    PyObject *path;

    if (kist_coll_find(chest->kist, name, &info) != KIST_OK) {
        return kpy_raise_int(chest->state, status);
    }
    path = PyUnicode_FromFormat(PyUnicode_GET_LENGTH(coll->name) > 0 ? "%U: %U"
                                                                     : "%U",
                                place, coll->name);
    if (path == NULL) {
        return -1;
    }
    if (info.kind != kind) {
        PyErr_Format(PyExc_TypeError, "%U holds a %s, not a %s", path,
                     kist_kind_name(info.kind), kist_kind_name(kind));
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "%U holds a %s of klass %s, not of klass %s", path,
                     kist_kind_name(kind), kpy_klass_name(info.type),
                     kpy_klass_name(coll->klass.type));
    }
    Py_DECREF(path);
    return -1;
}

static int
raise_open(kpy_coll *coll, kpy_chest *chest, PyObject *path, kist_slice name,
           kist_status status)
{
    if (PyErr_Occurred()) {
        return -1;
    }
    if (status == KIST_ERR_KIND || status == KIST_ERR_TYPE) {
        return raise_mismatch(coll, chest, path, name, status);
    }
    if (status == KIST_ERR_NOTFOUND && coll->name != NULL &&
        PyUnicode_GET_LENGTH(coll->name) > 0) {
        (void)kpy_raise_key(coll->name);
        return -1;
    }
    if (status == KIST_ERR_NOTFOUND) {
        errno = ENOENT;
        (void)PyErr_SetFromErrnoWithFilename(PyExc_OSError, chest->path);
        return -1;
    }
    return kpy_raise_int(chest->state, status);
}

static void
coll_link(kpy_coll *coll, kpy_chest *chest)
{
    coll->chest = kpy_chest_retain(chest);
    coll->previous = NULL;
    coll->next = chest->colls;
    if (chest->colls != NULL) {
        chest->colls->previous = coll;
    }
    chest->colls = coll;
}

/* Opens `coll`, whose kind, klass and name are set, in `chest`. */
static int
coll_enter(kpy_coll *coll, kpy_chest *chest)
{
    kpy_scratch scratch = {0};
    kpy_turn turn = {0};
    kist_slice name;
    kist_status status;
    kist_type stored = coll->klass.type;
    void *handle = NULL;
    PyObject *path;
    int result = -1;

    if (kpy_key_of(coll->name, &scratch, &name) < 0) {
        return -1;
    }
    path = PyUnicode_DecodeFSDefault(chest->path);
    if (path == NULL) {
        goto out;
    }
    KPY_TURN(&turn, chest, status,
             handle_open(chest->kist, coll->kind, name, coll->klass.type,
                         &handle, &stored));
    if (status != KIST_OK) {
        result = raise_open(coll, chest, path, name, status);
        goto out;
    }
    if (chest->closing) {
        handle_close(coll->kind, handle);
        (void)kpy_raise_closed();
        goto out;
    }
    if (coll->handle.any != NULL) {
        // Another thread has called __init__, too.
        handle_close(coll->kind, handle);
        PyErr_SetString(chest->state->errors[KPY_ERROR_BUSY],
                        "the collection was opened meanwhile");
        goto out;
    }
    coll->handle.any = handle;
    Py_XSETREF(coll->path, Py_NewRef(path));
    coll->klass.type = stored;
    coll->read_only = chest->options.read_only;
    coll->persistent = !chest->temporal;
    coll_link(coll, chest);
    result = 0;

out:
    Py_XDECREF(path);
    kpy_turn_done(&turn);
    kpy_scratch_done(&scratch);
    return result;
}

static int
coll_reset(kpy_coll *coll, kist_kind kind, PyObject *name, PyObject *klass)
{
    if (coll->retired != NULL) {
        PyErr_SetString(coll->state->errors[KPY_ERROR_BUSY],
                        "another thread is using the collection");
        return -1;
    }
    coll->kind = kind;
    coll->edits = 0;
    Py_XSETREF(coll->name, Py_NewRef(name));
    return kpy_klass_parse(klass, &coll->klass);
}

int
kpy_coll_init(PyObject *self, kist_kind kind, PyObject *args, PyObject *kwargs)
{
    kpy_coll *coll = (kpy_coll *)self;
    kpy_options options;
    kpy_chest *chest;
    kist_status status;
    PyObject *name;
    int result = -1;

    if (kpy_options_parse(args, kwargs, true, &options) < 0) {
        return -1;
    }
    // First the new one, which runs Python: that may open this very object.
    chest = kpy_chest_acquire(coll->state, &options);
    if (chest == NULL) {
        return -1;
    }
    status = kpy_coll_close(coll);
    name = status == KIST_OK ? PyUnicode_New(0, 127) : NULL;
    if (name != NULL && coll_reset(coll, kind, name, options.klass) == 0) {
        result = coll_enter(coll, chest);
        coll->warns = result == 0 && coll->persistent;
    }
    else if (status != KIST_OK) {
        (void)kpy_raise(coll->state, status);
    }
    (void)kpy_chest_release(chest);
    Py_XDECREF(name);
    return result;
}

static PyTypeObject *
type_of_kind(const kpy_state *state, kist_kind kind)
{
    return state->types[kind == KIST_KIND_LIST   ? KPY_TYPE_LIST
                        : kind == KIST_KIND_DICT ? KPY_TYPE_DICT
                                                 : KPY_TYPE_SET];
}

int
kpy_coll_kind_of(const kpy_state *state, PyTypeObject *type, kist_kind *kind)
{
    for (*kind = KIST_KIND_LIST; *kind <= KIST_KIND_SET; (*kind)++) {
        if (PyType_IsSubtype(type, type_of_kind(state, *kind))) {
            return 0;
        }
    }
    PyErr_Format(PyExc_TypeError, "%.200s is no kind of collection",
                 type->tp_name);
    return -1;
}

/* A subclass may have a __new__ of its own, which may answer anything. */
static int
new_check(const kpy_state *state, kist_kind kind, const PyTypeObject *type,
          kpy_coll *made)
{
    if (!PyObject_TypeCheck((PyObject *)made, type_of_kind(state, kind)) ||
        made->handle.any != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__new__() gave a %.200s that is no new %s",
                     type->tp_name, Py_TYPE(made)->tp_name,
                     kist_kind_name(kind));
        return -1;
    }
    return 0;
}

PyObject *
kpy_coll_attach(kpy_chest *chest, PyTypeObject *type, kist_kind kind,
                PyObject *name, PyObject *klass)
{
    PyTypeObject *const made =
        type != NULL ? type : type_of_kind(chest->state, kind);
    PyObject *none;
    kpy_coll *coll;

    if (!PyUnicode_Check(name)) {
        return PyErr_Format(PyExc_TypeError,
                            "a collection's name is str, not %.200s",
                            Py_TYPE(name)->tp_name);
    }
    none = PyTuple_New(0);
    if (none == NULL) {
        return NULL;
    }
    coll = (kpy_coll *)made->tp_new(made, none, NULL);
    Py_DECREF(none);
    if (coll == NULL || new_check(chest->state, kind, made, coll) < 0) {
        Py_XDECREF(coll);
        return NULL;
    }
    if (coll_reset(coll, kind, name, klass) < 0 ||
        coll_enter(coll, chest) < 0) {
        Py_DECREF(coll);
        return NULL;
    }
    return (PyObject *)coll;
}

kpy_coll *
kpy_coll_temporal(PyTypeObject *type, kpy_type_id id)
{
    PyObject *coll = PyObject_CallNoArgs((PyObject *)type);
    kpy_state *state;

    if (coll == NULL) {
        return NULL;
    }
    state = kpy_state_of_type(type);
    if (state == NULL || !kpy_is(state, id, coll)) {
        if (state != NULL) {
            PyErr_Format(PyExc_TypeError, "%.200s() gave a %.200s",
                         type->tp_name, Py_TYPE(coll)->tp_name);
        }
        Py_DECREF(coll);
        return NULL;
    }
    return (kpy_coll *)coll;
}

/* --- closing
 * -----------------------------------------------------------------
 */

void
kpy_coll_forget(kpy_coll *coll)
{
    kpy_chest *chest = coll->chest;

    if (coll->previous != NULL) {
        coll->previous->next = coll->next;
    }
    else {
        chest->colls = coll->next;
    }
    if (coll->next != NULL) {
        coll->next->previous = coll->previous;
    }
    coll->next = NULL;
    coll->previous = NULL;
    coll->chest = NULL;
    chest->users--;
    // A call of another thread may be inside: it keeps the object alive, and
    // the object's end closes the handle.
    if (chest->busy > 0) {
        coll->retired = coll->handle.any;
    }
    else {
        handle_close(coll->kind, coll->handle.any);
    }
    coll->handle.any = NULL;
}

kist_status
kpy_coll_close(kpy_coll *coll)
{
    kpy_chest *chest = coll->chest;

    if (chest == NULL) {
        return KIST_OK;
    }
    (void)kpy_chest_retain(chest);
    kpy_coll_forget(coll);
    return kpy_chest_release(chest);
}

void
kpy_coll_fini(kpy_coll *coll)
{
    kpy_spares_clear(&coll->spares);
    (void)kpy_coll_close(coll);
    if (coll->retired != NULL) {
        handle_close(coll->kind, coll->retired);
        coll->retired = NULL;
    }
    Py_CLEAR(coll->name);
    Py_CLEAR(coll->path);
}

bool
kpy_coll_writable_slow(const kpy_coll *coll)
{
    PyObject *class;

    if (!kpy_coll_open_or_raise(coll)) {
        return false;
    }
    if (!coll->read_only) {
        return true;
    }
    class = kpy_lazy(coll->state, KPY_LAZY_UNSUPPORTED);
    if (class != NULL) {
        PyErr_SetString(class, "the collection is open read-only");
    }
    return false;
}

/* --- batches and upkeep
 * ----------------------------------------------------------
 */

int
kpy_coll_batch_begin(kpy_coll *coll, bool *mine)
{
    kpy_chest *chest = coll->chest;
    kpy_turn turn = {0};
    kist_status status;

    *mine = false;
    KPY_TURN(&turn, chest, status, kist_batch_begin(chest->kist));
    if (status == KIST_OK && coll->chest == chest) {
        *mine = true;
        coll->batch = kpy_chest_retain(chest);
    }
    else if (status == KIST_OK) {
        (void)kist_batch_rollback(chest->kist);
        status = KIST_ERR_CLOSED; // while it waited for others
    }
    else if (status == KIST_ERR_BUSY && coll->chest == chest) {
        status = KIST_OK; // inside of the caller's own batch
    }
    kpy_turn_done(&turn);
    return status == KIST_OK ? 0 : kpy_raise_int(coll->state, status);
}

kist_status
kpy_coll_batch_end(kpy_coll *coll, bool mine, kist_status status)
{
    // The next thread's batch may begin as soon as this one has committed.
    kpy_chest *chest = coll->batch;
    kpy_turn turn = {.slow = coll->batch_long};

    if (!mine) {
        return status;
    }
    coll->batch = NULL;
    coll->batch_long = false;
    if (chest->kist == NULL) {
        status = KIST_ERR_CLOSED; // which has rolled it back
    }
    else if (status != KIST_OK) {
        (void)kist_batch_rollback(chest->kist);
    }
    else {
        KPY_TURN(&turn, chest, status, kist_batch_commit(chest->kist));
    }
    kpy_turn_done(&turn);
    (void)kpy_chest_release(chest);
    return status;
}

PyObject *
kpy_chest_sync(kpy_chest *chest)
{
    kpy_state *state = chest->state;
    kpy_turn turn = {.slow = true};
    kist_status status;

    KPY_TURN(&turn, chest, status, kist_sync(chest->kist));
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(state, status);
    }
    Py_RETURN_NONE;
}

PyObject *
kpy_chest_compact(kpy_chest *chest)
{
    kpy_state *state = chest->state;
    kpy_turn turn = {.slow = true};
    kist_status status;

    KPY_TURN(&turn, chest, status, kist_compact(chest->kist, NULL, NULL));
    kpy_turn_done(&turn);
    if (status != KIST_OK) {
        return kpy_raise(state, status);
    }
    Py_RETURN_NONE;
}

/*
 * Row 80.  kist reads through the mapped files: there is no cache to hit or
 * miss and no read to count, so those four are 0.
 */
PyObject *
kpy_metrics_new(kpy_state *state, kpy_chest *chest)
{
    kist_metrics m;
    const kist_status status = kist_metrics_get(chest->kist, &m);

    if (status != KIST_OK) {
        return kpy_raise(state, status);
    }
    return Py_BuildValue(
        "{s:d,s:K,s:K,s:K,s:K,s:K,s:K,s:N,s:i,s:i,s:i,s:i,s:K,s:K,s:K,s:K,s:K,"
        "s:N,s:K,s:K}",
        "fragmentation_ratio", m.fragmentation_ratio, "wasted_bytes",
        (unsigned long long)m.wasted_bytes, "data_file_bytes",
        (unsigned long long)m.log_file_bytes, "index_file_bytes",
        (unsigned long long)m.index_file_bytes, "total_disk_usage_bytes",
        (unsigned long long)m.total_disk_usage_bytes, "live_records",
        (unsigned long long)m.live_records, "dead_records",
        (unsigned long long)m.dead_records, "clean_shutdown",
        PyBool_FromLong(m.clean_shutdown), "cache_hits", 0, "cache_misses", 0,
        "read_calls", 0, "write_calls", 0, "data_bytes",
        (unsigned long long)m.log_bytes, "index_bytes",
        (unsigned long long)m.index_bytes, "collections",
        (unsigned long long)m.collections, "synced_bytes",
        (unsigned long long)m.synced_bytes, "generation",
        (unsigned long long)m.generation, "index_was_rebuilt",
        PyBool_FromLong(m.index_was_rebuilt), "recovered_records",
        (unsigned long long)m.recovered_records, "torn_bytes_cut",
        (unsigned long long)m.torn_bytes_cut);
}

PyObject *
kpy_coll_repr(kpy_coll *coll, PyObject *contents)
{
    const char *dot = strrchr(Py_TYPE(coll)->tp_name, '.');
    const char *name = dot == NULL ? Py_TYPE(coll)->tp_name : dot + 1;
    PyObject *text;

    if (contents == NULL) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        return PyUnicode_FromFormat("<%s (closed) at %R>", name,
                                    coll->path == NULL ? Py_None : coll->path);
    }
    text = PyUnicode_FromFormat("%s(%R)", name, contents);
    Py_DECREF(contents);
    return text;
}
