/*
 * Runs of items, as builtin lists.
 */
#include "listobj.h"

int
kpy_list_count(kpy_coll *list, Py_ssize_t *count)
{
    uint64_t n;
    kist_status status;

    if (!kpy_coll_open_or_raise(list)) {
        return -1;
    }
    status = kist_list_count(list->handle.list, &n);
    if (status != KIST_OK) {
        return kpy_raise_int(list->state, status);
    }
    *count = n < PY_SSIZE_T_MAX ? (Py_ssize_t)n : PY_SSIZE_T_MAX;
    return 0;
}

PyObject *
kpy_list_item(kpy_coll *list, Py_ssize_t index)
{
    kist_value value;
    kist_status status;

    if (!kpy_coll_open_or_raise(list)) {
        return NULL;
    }
    status = kist_list_get(list->handle.list, (uint64_t)index, &value);
    if (status == KIST_OK) {
        return kpy_object_again(list->state, &value, &list->spares);
    }
    return status == KIST_ERR_RANGE ? NULL : kpy_raise(list->state, status);
}

/* --- runs ---------------------------------------------------------------- */

/* What a read is to fetch, and where its objects go. */
typedef struct plan {
    kpy_coll *list;
    uint64_t low;     /* the lowest index of all */
    uint64_t stride;  /* distance of two items, at least 1 */
    Py_ssize_t count; /* of items wanted */
    Py_ssize_t done;
    bool backwards; /* the lowest index goes last */
    PyObject *into; /* builtin list of `count` */
} plan;

/*
 * Puts `object`, which is consumed, in the place of the i-th item of a run.
 */
static inline void
place(const plan *p, size_t i, PyObject *object)
{
    const Py_ssize_t at = p->done + (Py_ssize_t)i;

    PyList_SET_ITEM(p->into, p->backwards ? p->count - 1 - at : at, object);
}

/*
 * Runs of values that are made without running anything, each straight from
 * the view to its place.  How many were made; fewer than n with an error set.
 */
static size_t
place_ints(const plan *p, const kist_value *values, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        PyObject *number = PyLong_FromLongLong(values[i].as.integer);

        if (number == NULL) {
            break;
        }
        place(p, i, number);
    }
    return i;
}

static size_t
place_simple(const plan *p, const kist_value *values, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        PyObject *object = kpy_object_of(p->list->state, &values[i]);

        if (object == NULL) {
            break;
        }
        place(p, i, object);
    }
    return i;
}

/* A run that others are among. */
static size_t
place_mixed(const plan *p, const kist_value *values, size_t n)
{
    PyObject *objects[KPY_LIST_RUN];
    size_t i;

    if (kpy_objects_of(p->list->state, values, n, objects) < 0) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        place(p, i, objects[i]);
    }
    return n;
}

/* 1, or -1 with an error set. */
static int
place_run(plan *p, const kist_value *values, size_t n)
{
    const kist_type type = p->list->klass.type;
    size_t done;

    if (type == KIST_INT || type == KIST_INT32) {
        done = place_ints(p, values, n);
    }
    else if (kpy_values_are_simple(values, n)) {
        done = place_simple(p, values, n);
    }
    else {
        done = place_mixed(p, values, n);
    }
    p->done += (Py_ssize_t)done;
    return done == n ? 1 : -1;
}

/*
 * Reads the next run.  1: go on, 0: the list ends here, -1 with an error set.
 * Strides that leave most of a run unused are read item by item.
 */
static int
read_run(plan *p)
{
    const uint64_t index = p->low + (uint64_t)p->done * p->stride;
    const Py_ssize_t left = p->count - p->done;
    kist_value values[KPY_LIST_RUN];
    size_t want = 1;
    size_t got;
    size_t n;
    kist_status status;

    if (!kpy_coll_open_or_raise(p->list)) {
        return -1;
    }
    if (p->stride <= KPY_LIST_RUN / 8) {
        want = KPY_LIST_RUN / (size_t)p->stride;
        want = (size_t)left < want ? (size_t)left : want;
    }
    status =
        kist_list_get_many(p->list->handle.list, index,
                           (want - 1) * (size_t)p->stride + 1, values, &got);
    if (status != KIST_OK) {
        return kpy_raise_int(p->list->state, status);
    }
    if (got == 0) {
        return 0;
    }
    if (p->stride > 1) {
        for (n = 0; n * p->stride < got; n++) {
            values[n] = values[n * p->stride];
        }
        got = n;
    }
    return place_run(p, values, got);
}

/* The list came out shorter: takes the empty places away. */
static int
shorten(const plan *p)
{
    return p->backwards ? PyList_SetSlice(p->into, 0, p->count - p->done, NULL)
                        : PyList_SetSlice(p->into, p->done, p->count, NULL);
}

PyObject *
kpy_list_read(kpy_coll *list, Py_ssize_t start, Py_ssize_t count,
              Py_ssize_t step)
{
    plan p = {.list = list, .count = count, .backwards = step < 0};
    int more = 1;

    // Before any view: a list is an object that the collector may answer.
    p.into = PyList_New(count);
    if (p.into == NULL) {
        return NULL;
    }
    p.low = (uint64_t)start;
    p.stride = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
    if (p.backwards && count > 0) {
        p.low -= (uint64_t)(count - 1) * p.stride;
    }
    while (more > 0 && p.done < count) {
        more = read_run(&p);
    }
    if (more < 0 || (p.done < count && shorten(&p) < 0)) {
        Py_DECREF(p.into);
        return NULL;
    }
    return p.into;
}

PyObject *
kpy_list_read_all(kpy_coll *list)
{
    Py_ssize_t count = 0;

    if (kpy_list_count(list, &count) < 0) {
        return NULL;
    }
    return kpy_list_read(list, 0, count, 1);
}
