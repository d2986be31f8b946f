/*
 * Slices: get, set, del; and *=.
 *
 * A change of several items is one batch: the count is read, the slice fitted
 * to it and everything written under one lock, all or nothing.
 */
#include <string.h>

#include "listobj.h"

/* A slice fitted to a list, turned so that step is positive. */
typedef struct span {
    Py_ssize_t start; /* the lowest index */
    Py_ssize_t step;
    Py_ssize_t count;
    bool backwards; /* as written, the highest index comes first */
} span;

static void
fit(Py_ssize_t total, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t step,
    span *s)
{
    s->count = PySlice_AdjustIndices(total, &start, &stop, step);
    s->backwards = step < 0;
    s->start = start;
    s->step = step;
    if (s->backwards) {
        s->step = -step; // PySlice_Unpack never gives the least Py_ssize_t
        s->start = s->count > 0 ? start + (s->count - 1) * step : start;
    }
}

PyObject *
kpy_list_get_slice(kpy_coll *list, PyObject *slice)
{
    Py_ssize_t start;
    Py_ssize_t stop;
    Py_ssize_t step;
    Py_ssize_t total;
    Py_ssize_t count;

    // In this order: the slice's __index__ may change or close the list.
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0 ||
        kpy_list_count(list, &total) < 0) {
        return NULL;
    }
    count = PySlice_AdjustIndices(total, &start, &stop, step);
    return kpy_list_read(list, start, count, step);
}

/* What list says to l[a:b] = 5. */
#if PY_VERSION_HEX < 0x030d0000
#define NOT_ITERABLE "can only assign an iterable"
#else
#define NOT_ITERABLE "must assign iterable to extended slice"
#endif

/* --- moving many ---------------------------------------------------------
 */

/*
 * Many edits inside cost a walk down the tree each.  One permutation of the
 * whole list costs a few ns an item of it.  This many items of the list weigh
 * as much as one edit.
 */
#define EDIT_WEIGHT 32

/* A permutation is one record of 4 bytes an item. */
#define PERMUTE_MAX ((uint64_t)KIST_VALUE_SIZE_MAX / 4)

static bool
pays_to_permute(uint64_t edits, uint64_t total)
{
    return edits > 64 && edits > total / EDIT_WEIGHT && total <= PERMUTE_MAX;
}

/*
 * Has kist_list_permute() do what `order` says and frees it.
 */
static kist_status
permute(kist_list *list, uint64_t *order, uint64_t total)
{
    const kist_status status = kist_list_permute(list, order, total);

    PyMem_RawFree(order);
    return status;
}

/* Removes the items of `s`, which are many, by moving them to the end. */
static kist_status
remove_moved(kist_list *list, uint64_t total, const span *s)
{
    const uint64_t gone = (uint64_t)s->count;
    uint64_t *order = PyMem_RawMalloc((size_t)total * sizeof(*order));
    uint64_t next = (uint64_t)s->start;
    uint64_t kept = 0;
    uint64_t out = total - gone;
    uint64_t i;
    kist_status status;

    if (order == NULL) {
        return KIST_ERR_NOMEM;
    }
    for (i = 0; i < total; i++) {
        if (i == next && out < total) {
            order[out++] = i;
            next += (uint64_t)s->step;
        }
        else {
            order[kept++] = i;
        }
    }
    status = permute(list, order, total);
    return status == KIST_OK ? kist_list_remove_range(list, total - gone, gone)
                             : status;
}

/* Removes the items of `s` one by one, from the highest down. */
static kist_status
remove_each(kist_list *list, const span *s)
{
    Py_ssize_t i = s->count;
    kist_status status = KIST_OK;

    while (i-- > 0 && status == KIST_OK) {
        status = kist_list_pop(list, (uint64_t)(s->start + i * s->step), NULL);
    }
    return status;
}

static kist_status
remove_span(kist_list *list, uint64_t total, const span *s)
{
    if (s->count == 0) {
        return KIST_OK;
    }
    if (s->step == 1 || s->count == 1) {
        return kist_list_remove_range(list, (uint64_t)s->start,
                                      (uint64_t)s->count);
    }
    return pays_to_permute((uint64_t)s->count, total)
               ? remove_moved(list, total, s)
               : remove_each(list, s);
}

/* Inserts `count` values, which are many, by way of the end. */
static kist_status
insert_moved(kist_list *list, uint64_t total, uint64_t index,
             const kist_value *values, size_t count)
{
    const uint64_t all = total + count;
    uint64_t *order = PyMem_RawMalloc((size_t)all * sizeof(*order));
    uint64_t i;
    kist_status status;

    if (order == NULL) {
        return KIST_ERR_NOMEM;
    }
    for (i = 0; i < all; i++) {
        order[i] = i < index           ? i
                   : i < index + count ? total + (i - index)
                                       : i - count;
    }
    status = kist_list_append_many(list, values, count, NULL);
    if (status != KIST_OK) {
        PyMem_RawFree(order);
        return status;
    }
    return permute(list, order, all);
}

/* Inserts `count` values before `index`, in a list of `total`. */
static kist_status
insert_run(kist_list *list, uint64_t total, uint64_t index,
           const kist_value *values, size_t count)
{
    kist_status status = KIST_OK;
    size_t i;

    if (count == 0) {
        return KIST_OK;
    }
    if (index == total) {
        return kist_list_append_many(list, values, count, NULL);
    }
    if (pays_to_permute(count, total + count)) {
        return insert_moved(list, total, index, values, count);
    }
    for (i = 0; i < count && status == KIST_OK; i++) {
        status = kist_list_insert(list, index + i, &values[i]);
    }
    return status;
}

/* --- set and del ----------------------------------------------------------
 */

/* l[start:start + count] = values, inside a batch. */
static kist_status
replace_run(kist_list *list, uint64_t total, const span *s,
            const kist_value *values, size_t count)
{
    const uint64_t start = (uint64_t)s->start;
    const uint64_t old = (uint64_t)s->count;
    const uint64_t both = old < count ? old : count;
    uint64_t i;
    kist_status status = KIST_OK;

    if (start + old == total) {
        status = old > 0 ? kist_list_remove_range(list, start, old) : KIST_OK;
        return status == KIST_OK
                   ? insert_run(list, start, start, values, count)
                   : status;
    }
    for (i = 0; i < both && status == KIST_OK; i++) {
        status = kist_list_set(list, start + i, &values[i]);
    }
    if (status == KIST_OK && old > both) {
        status = kist_list_remove_range(list, start + both, old - both);
    }
    if (status == KIST_OK && count > both) {
        status = insert_run(list, total, start + both, values + both,
                            count - (size_t)both);
    }
    return status;
}

/* l[start:stop:step] = as many values, inside a batch. */
static kist_status
set_each(kist_list *list, const span *s, const kist_value *values)
{
    Py_ssize_t i;
    kist_status status = KIST_OK;

    for (i = 0; i < s->count && status == KIST_OK; i++) {
        status = kist_list_set(list, (uint64_t)(s->start + i * s->step),
                               &values[s->backwards ? s->count - 1 - i : i]);
    }
    return status;
}

/* A slice as written, before it is fitted. */
typedef struct bounds {
    Py_ssize_t start;
    Py_ssize_t stop;
    Py_ssize_t step;
} bounds;

/*
 * Inside the batch: fits the slice to the list and writes.  INVALID, with *s,
 * if an extended slice and the values differ in size; nothing is written.
 */
static kist_status
assign(kist_list *list, const bounds *b, const kpy_load *load, span *s)
{
    uint64_t total;
    kist_status status = kist_list_count(list, &total);

    if (status != KIST_OK) {
        return status;
    }
    fit((Py_ssize_t)total, b->start, b->stop, b->step, s);
    if (load == NULL) {
        return remove_span(list, total, s);
    }
    if (b->step == 1) {
        return replace_run(list, total, s, load->values, load->count);
    }
    if ((size_t)s->count != load->count) {
        return KIST_ERR_INVALID;
    }
    return set_each(list, s, load->values);
}

static int
assign_or_raise(kpy_coll *list, const bounds *b, const kpy_load *load)
{
    span s = {0};
    kist_status status;
    bool mine;

    if (!kpy_coll_writable_or_raise(list) ||
        kpy_coll_batch_begin(list, &mine) < 0) {
        return -1;
    }
    status = assign(list->handle.list, b, load, &s);
    if (status == KIST_ERR_INVALID && load != NULL && b->step != 1 &&
        (size_t)s.count != load->count) {
        (void)kpy_coll_batch_end(list, mine, KIST_ERR_INVALID);
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign sequence of size %zu to extended "
                     "slice of size %zd",
                     load->count, s.count);
        return -1;
    }
    status = kpy_coll_batch_end(list, mine, status);
    return status == KIST_OK ? 0 : kpy_raise_int(list->state, status);
}

int
kpy_list_set_slice(kpy_coll *list, PyObject *slice, PyObject *value)
{
    kpy_load load = {0};
    bounds b;
    int result;

    if (PySlice_Unpack(slice, &b.start, &b.stop, &b.step) < 0 ||
        !kpy_coll_writable_or_raise(list)) {
        return -1;
    }
    if (value == NULL) {
        return assign_or_raise(list, &b, NULL);
    }
    if (kpy_load_all(list, value,
                     b.step == 1 ? NOT_ITERABLE
                                 : "must assign iterable to extended slice",
                     &load) < 0) {
        return -1;
    }
    result = assign_or_raise(list, &b, &load);
    kpy_load_fini(&load);
    return result;
}

/* --- *= ------------------------------------------------------------------
 */

static int
append_copies(kpy_coll *list, Py_ssize_t times)
{
    kpy_load load = {0};
    kist_status status = KIST_OK;
    bool mine;

    if (kpy_load_all(list, (PyObject *)list, NULL, &load) < 0 ||
        !kpy_coll_writable_or_raise(list) ||
        kpy_coll_batch_begin(list, &mine) < 0) {
        kpy_load_fini(&load);
        return -1;
    }
    while (--times > 0 && load.count > 0 && status == KIST_OK) {
        status = kist_list_append_many(list->handle.list, load.values,
                                       load.count, NULL);
    }
    status = kpy_coll_batch_end(list, mine, status);
    kpy_load_fini(&load);
    return status == KIST_OK ? 0 : kpy_raise_int(list->state, status);
}

int
kpy_list_multiply(kpy_coll *list, Py_ssize_t times)
{
    kpy_chest *chest = list->chest;
    kist_list *handle = list->handle.list;
    kpy_turn turn = {0};
    Py_ssize_t count;
    kist_status status;

    if (!kpy_coll_writable_or_raise(list) ||
        kpy_list_count(list, &count) < 0) {
        return -1;
    }
    if (times <= 0) {
        KPY_TURN(&turn, chest, status, kist_list_clear(handle));
        kpy_turn_done(&turn);
        return status == KIST_OK ? 0 : kpy_raise_int(list->state, status);
    }
    if (count > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(PyObject *) / times) {
        PyErr_NoMemory();
        return -1;
    }
    return times == 1 || count == 0 ? 0 : append_copies(list, times);
}
