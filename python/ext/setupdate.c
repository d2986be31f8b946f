/*
 * FSSet in place.  Two steps: pile up what is to go and what is to come while
 * Python code may still run and fail, then apply both in one batch.
 */

#include "setops.h"

#define MANY_LONG 10000u /* members: then the GIL is let go */

/*
 * Members that own their bytes, so that no object is kept.  A member's bytes
 * are known by their offset until pile_seal().
 *
 *   values  [ kist_value ][ kist_value ] ...
 *   bytes   [ of the first that has some ][ of the next ] ...
 */
typedef struct pile {
    kist_buf values;
    kist_buf bytes;
} pile;

static void
pile_fini(pile *p)
{
    kist_buf_fini(&p->values);
    kist_buf_fini(&p->bytes);
}

static size_t
pile_count(const pile *p)
{
    return p->values.size / sizeof(kist_value);
}

static kist_value *
pile_values(const pile *p)
{
    return (kist_value *)(void *)p->values.data;
}

/* 0, or -1 with MemoryError set. */
static int
pile_add(pile *p, const kist_value *value)
{
    kist_value kept = *value;
    kist_status status = KIST_OK;

    if (kist_type_has_bytes(value->type)) {
        kept.as.bytes.data = (const void *)(uintptr_t)p->bytes.size;
        if (value->as.bytes.size > 0) {
            status = kist_buf_append(&p->bytes, value->as.bytes.data,
                                     value->as.bytes.size);
        }
    }
    if (status == KIST_OK) {
        status = kist_buf_append(&p->values, &kept, sizeof(kept));
    }
    if (status != KIST_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* Turns offsets into addresses; nothing is added any more. */
static void
pile_seal(pile *p)
{
    static const uint8_t none = 0;
    const uint8_t *bytes = p->bytes.data != NULL ? p->bytes.data : &none;
    kist_value *values = pile_values(p);
    const size_t count = pile_count(p);
    size_t i;

    for (i = 0; i < count; i++) {
        if (kist_type_has_bytes(values[i].type)) {
            values[i].as.bytes.data =
                bytes + (uintptr_t)values[i].as.bytes.data;
        }
    }
}

/* --- piling up ------------------------------------------------------------
 */

/* Piles `key` as a member that is to come: TypeError if it cannot be one. */
static int
pile_new(kpy_coll *self, pile *p, PyObject *key)
{
    kpy_scratch scratch = {0};
    kist_value value;
    int result;

    // For what is hashable at all the probe tells it; this one only raises.
    if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key) &&
        PyObject_Hash(key) == -1) {
        return -1;
    }
    result = kpy_value_of(self->state, self->klass, key, &scratch, &value);
    if (result == 0) {
        result = pile_add(p, &value);
    }
    kpy_scratch_done(&scratch);
    return result;
}

/* Piles `key` if it is a member: 1 if it is, 0 if not, -1 on error. */
static int
pile_present(kpy_coll *self, pile *p, PyObject *key)
{
    kpy_scratch scratch = {0};
    kist_value value;
    int found = kpy_set_probe(self, key, &scratch, &value);

    if (found > 0) {
        found = kpy_set_has_value(self, &value);
    }
    if (found > 0 && pile_add(p, &value) < 0) {
        found = -1;
    }
    kpy_scratch_done(&scratch);
    return found;
}

/* Everything of `source` is to come. */
static int
pile_source(kpy_coll *self, pile *come, PyObject *source)
{
    PyObject *walk = kpy_set_walk(self->state, source);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        failed = pile_new(self, come, key) < 0;
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* What of `source` is there is to go. */
static int
pile_common(kpy_coll *self, pile *go, PyObject *source)
{
    PyObject *walk = kpy_set_walk(self->state, source);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        failed = pile_present(self, go, key) < 0;
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* What is there and not in `other`, a set, is to go. */
static int
pile_lacking(kpy_coll *self, pile *go, PyObject *other)
{
    PyObject *walk = kpy_set_iter((PyObject *)self);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        const int found = kpy_set_in(self->state, other, key);

        failed = found < 0 || (found == 0 && pile_new(self, go, key) < 0);
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* What of `other`, a set, is there goes, and the rest of it comes. */
static int
pile_swap(kpy_coll *self, pile *go, pile *come, PyObject *other)
{
    PyObject *walk = kpy_set_walk(self->state, other);
    PyObject *key;
    int failed = walk == NULL;

    while (!failed && (key = PyIter_Next(walk)) != NULL) {
        const int found = pile_present(self, go, key);

        failed = found < 0 || (found == 0 && pile_new(self, come, key) < 0);
        Py_DECREF(key);
    }
    Py_XDECREF(walk);
    return failed || PyErr_Occurred() ? -1 : 0;
}

/* --- applying -------------------------------------------------------------
 */

static kist_status
change(kist_set *set, const pile *go, const pile *come)
{
    const kist_value *values = pile_values(go);
    const size_t count = pile_count(go);
    kist_status status = KIST_OK;
    size_t i;

    for (i = 0; i < count && status == KIST_OK; i++) {
        status = kist_set_remove(set, &values[i]);
        if (status == KIST_ERR_NOTFOUND) {
            // Somebody was quicker, or it was piled twice.
            status = KIST_OK;
        }
    }
    if (status == KIST_OK && pile_count(come) > 0) {
        status =
            kist_set_add_many(set, pile_values(come), pile_count(come), NULL);
    }
    return status;
}

/*
 * All or nothing; a change of one member is one step by itself.  Many let
 * the GIL go: the piles belong to nobody else.
 */
static int
apply(kpy_coll *self, pile *go, pile *come)
{
    const size_t count = pile_count(go) + pile_count(come);
    kpy_turn turn = {.slow = count >= MANY_LONG};
    kpy_chest *chest;
    kist_set *set;
    kist_status status;
    bool mine = false;

    if (!kpy_coll_writable_or_raise(self)) {
        return -1;
    }
    if (count == 0) {
        return 0;
    }
    pile_seal(go);
    pile_seal(come);
    if (count > 1 && kpy_coll_batch_begin(self, &mine) < 0) {
        return -1;
    }
    chest = self->chest;
    set = self->handle.set;
    KPY_TURN(&turn, chest, status, change(set, go, come));
    self->batch_long = mine && turn.slow;
    status = kpy_coll_batch_end(self, mine, status);
    kpy_turn_done(&turn);
    return status == KIST_OK ? 0 : kpy_raise_int(self->state, status);
}

/* --- the methods ----------------------------------------------------------
 */

/* Applies if `result` is 0, empties the piles, and answers for a method. */
static PyObject *
settle(kpy_coll *self, int result, pile *go, pile *come)
{
    if (result == 0) {
        result = apply(self, go, come);
    }
    pile_fini(go);
    pile_fini(come);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
kpy_set_update(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    kpy_coll *coll = (kpy_coll *)self;
    pile go = {0};
    pile come = {0};
    int result = kpy_coll_writable_or_raise(coll) ? 0 : -1;
    Py_ssize_t i;

    for (i = 0; i < count && result == 0; i++) {
        if (args[i] != self) {
            result = pile_source(coll, &come, args[i]);
        }
    }
    return settle(coll, result, &go, &come);
}

PyObject *
kpy_set_difference_update(PyObject *self, PyObject *const *args,
                          Py_ssize_t count)
{
    kpy_coll *coll = (kpy_coll *)self;
    pile go = {0};
    pile come = {0};
    int result = kpy_coll_writable_or_raise(coll) ? 0 : -1;
    Py_ssize_t i;

    for (i = 0; i < count && result == 0; i++) {
        result = pile_common(coll, &go, args[i]);
    }
    return settle(coll, result, &go, &come);
}

PyObject *
kpy_set_intersection_update(PyObject *self, PyObject *const *args,
                            Py_ssize_t count)
{
    kpy_coll *coll = (kpy_coll *)self;
    pile go = {0};
    pile come = {0};
    int result = kpy_coll_writable_or_raise(coll) ? 0 : -1;
    Py_ssize_t i;

    for (i = 0; i < count && result == 0; i++) {
        PyObject *other = kpy_set_is_any(coll->state, args[i])
                              ? Py_NewRef(args[i])
                              : PySet_New(args[i]);

        result = other == NULL ? -1 : pile_lacking(coll, &go, other);
        Py_XDECREF(other);
    }
    return settle(coll, result, &go, &come);
}

PyObject *
kpy_set_symmetric_difference_update(PyObject *self, PyObject *other)
{
    kpy_coll *coll = (kpy_coll *)self;
    pile go = {0};
    pile come = {0};
    PyObject *set;
    int result;

    if (!kpy_coll_writable_or_raise(coll)) {
        return NULL;
    }
    // What comes twice would come and go: it counts once.
    set = kpy_set_is_any(coll->state, other) ? Py_NewRef(other)
                                             : PySet_New(other);
    if (set == NULL) {
        return NULL;
    }
    result = pile_swap(coll, &go, &come, set);
    Py_DECREF(set);
    return settle(coll, result, &go, &come);
}

/* --- the operators --------------------------------------------------------
 */

/*
 * What |= and its kin take: sets, and the set-like views of dicts.  Left to
 * Python, `s |= d.keys()` would ask the view, which answers a builtin set,
 * and s would silently be kept no longer.
 */
static bool
is_operand(const kpy_state *state, PyObject *other)
{
    return kpy_set_is_any(state, other) || PyDictViewSet_Check(other) ||
           kpy_is(state, KPY_TYPE_DICT_KEYS, other) ||
           kpy_is(state, KPY_TYPE_DICT_ITEMS, other);
}

/* What an operator answers: itself, if the method did not fail. */
static PyObject *
itself(PyObject *self, PyObject *none)
{
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    return Py_NewRef(self);
}

PyObject *
kpy_set_ior(PyObject *self, PyObject *other)
{
    if (!is_operand(((kpy_coll *)self)->state, other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return itself(self, kpy_set_update(self, &other, 1));
}

PyObject *
kpy_set_iand(PyObject *self, PyObject *other)
{
    if (!is_operand(((kpy_coll *)self)->state, other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return itself(self, kpy_set_intersection_update(self, &other, 1));
}

PyObject *
kpy_set_isub(PyObject *self, PyObject *other)
{
    if (!is_operand(((kpy_coll *)self)->state, other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return itself(self, kpy_set_difference_update(self, &other, 1));
}

PyObject *
kpy_set_ixor(PyObject *self, PyObject *other)
{
    if (!is_operand(((kpy_coll *)self)->state, other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return itself(self, kpy_set_symmetric_difference_update(self, other));
}
