/*
 * The conditional operations of LocalDict.  Each compares and acts with no
 * Python code in between, so they are atomic between threads: copies are made
 * before, and if the item has changed by then, it is looked at again.
 */

#include "localdict.h"

/* What one look at an item has found. */
typedef struct look {
    PyObject *bucket;
    PyObject *leaf;
    kpy_local_entry *entry; /* NULL: there is no item */
    PyObject *etag;         /* of it, or ITEM_NOT_AVAILABLE */
    bool same;              /* the etag is the expected one */
    bool satisfied;
} look;

static void
look_done(look *found)
{
    Py_CLEAR(found->bucket);
    Py_CLEAR(found->leaf);
    Py_CLEAR(found->entry);
    Py_CLEAR(found->etag);
}

/* Whether the condition holds for what `found` has. */
static int
judge(kpy_state *state, const kpy_cond_args *args, look *found)
{
    kpy_condition condition;
    int same;

    if (kpy_condition_of(state, args->condition_flag, &condition) < 0) {
        return -1;
    }
    same = kpy_etag_same(args->expected, found->etag);
    if (same < 0) {
        return -1;
    }
    found->same = same > 0;
    found->satisfied = condition == KPY_CONDITION_ANY ||
                       found->same == (condition == KPY_CONDITION_SAME);
    return 0;
}

/* 0 and *found, which is to be done with; or -1. */
static int
look_at(kpy_local *self, const kpy_cond_args *args, bool make, look *found)
{
    kpy_state *state = self->state;
    PyObject *entry = NULL;
    const int rc =
        kpy_local_place(self, args->key, make, &found->bucket, &found->leaf);

    found->entry = NULL;
    found->etag = NULL;
    if (rc < 0) {
        return -1;
    }
    if (rc > 0) {
        entry = PyDict_GetItemWithError(found->bucket, found->leaf);
        Py_XINCREF(entry);
        found->entry = (kpy_local_entry *)entry;
    }
    found->etag = entry == NULL
                      ? Py_NewRef(kpy_part(state, KPY_PART_ITEM_NOT_AVAILABLE))
                      : kpy_local_etag(found->entry->etag);
    if (found->etag == NULL || judge(state, args, found) < 0) {
        look_done(found);
        return -1;
    }
    return 0;
}

/* Whether the item is still what the look has found. */
static bool
is_current(const look *found)
{
    PyObject *entry = NULL;

    if (found->bucket != NULL) {
        entry = PyDict_GetItemWithError(found->bucket, found->leaf);
    }
    return entry == (PyObject *)found->entry;
}

/* The result of what has changed nothing. */
static PyObject *
unchanged(kpy_local *self, const kpy_cond_args *args, const look *found)
{
    kpy_state *state = self->state;
    PyObject *value;
    PyObject *result;

    if (found->entry == NULL) {
        return kpy_result_absent(state, found->satisfied);
    }
    if (args->retrieve == KPY_RETRIEVE_NEVER ||
        (args->retrieve == KPY_RETRIEVE_IF_CHANGED && found->same)) {
        value = Py_NewRef(kpy_part(state, KPY_PART_VALUE_NOT_RETRIEVED));
    }
    else {
        value = kpy_local_value(self, found->entry);
    }
    if (value == NULL) {
        return NULL;
    }
    result = kpy_result_new(state, found->satisfied, found->etag, found->etag,
                            value);
    Py_DECREF(value);
    return result;
}

/*
 * Puts `entry` where the look was.  1 and *result; 0 if the item has changed
 * since; or -1.
 */
static int
put_if_current(kpy_local *self, const look *found, kpy_local_entry *entry,
               PyObject *value, PyObject **result)
{
    PyObject *etag;

    if (!is_current(found)) {
        return 0;
    }
    if (kpy_local_put(self, found->bucket, found->leaf, entry) < 0) {
        return -1;
    }
    etag = kpy_local_etag(entry->etag);
    if (etag == NULL) {
        return -1;
    }
    *result = kpy_result_new(self->state, true, found->etag, etag, value);
    Py_DECREF(etag);
    return *result == NULL ? -1 : 1;
}

/* Takes the item out; 1 and *result, 0 if it has changed, or -1. */
static int
delete_if_current(kpy_local *self, const look *found, PyObject **result)
{
    PyObject *absent = kpy_part(self->state, KPY_PART_ITEM_NOT_AVAILABLE);

    if (!is_current(found)) {
        return 0;
    }
    if (found->entry != NULL &&
        kpy_local_take_out(self, found->bucket, found->leaf) < 0) {
        return -1;
    }
    *result = kpy_result_new(self->state, true, found->etag, absent, absent);
    return *result == NULL ? -1 : 1;
}

PyObject *
kpy_local_get_item_if(PyObject *object, PyObject *const *args,
                      Py_ssize_t count, PyObject *names)
{
    kpy_local *self = (kpy_local *)object;
    kpy_cond_args given;
    PyObject *result;
    look found;

    if (kpy_cond_args_read(self->state, KPY_COND_GET, args, count, names,
                           &given) < 0 ||
        look_at(self, &given, false, &found) < 0) {
        return NULL;
    }
    result = unchanged(self, &given, &found);
    look_done(&found);
    return result;
}

/* One try of set_item_if() with a value: as put_if_current(). */
static int
try_set(kpy_local *self, const kpy_cond_args *given, kpy_local_entry **entry,
        const look *found, PyObject **result)
{
    if (self->append_only && found->entry != NULL) {
        return kpy_raise_append_only(self->state);
    }
    if (*entry == NULL) {
        // Python code may run: the caller looks again before it is put in.
        if (kpy_value_check(self->state, self->base, given->value) < 0) {
            return -1;
        }
        *entry = kpy_local_entry_new(self, given->value);
        if (*entry == NULL) {
            return -1;
        }
    }
    return put_if_current(self, found, *entry, given->value, result);
}

static int
try_delete(kpy_local *self, const look *found, PyObject **result)
{
    if (self->append_only) {
        return kpy_raise_append_only(self->state);
    }
    return delete_if_current(self, found, result);
}

PyObject *
kpy_local_set_item_if(PyObject *object, PyObject *const *args,
                      Py_ssize_t count, PyObject *names)
{
    kpy_local *self = (kpy_local *)object;
    kpy_local_entry *entry = NULL;
    PyObject *result = NULL;
    kpy_cond_args given;
    bool keep;
    bool take;
    look found;
    int rc = 0;

    if (kpy_cond_args_read(self->state, KPY_COND_SET, args, count, names,
                           &given) < 0) {
        return NULL;
    }
    keep = kpy_is_keep(self->state, given.value);
    take = kpy_is_delete(self->state, given.value);
    while (rc == 0) {
        if (look_at(self, &given, !keep && !take, &found) < 0) {
            break;
        }
        if (keep || !found.satisfied) {
            result = unchanged(self, &given, &found);
            rc = result == NULL ? -1 : 1;
        }
        else if (take) {
            rc = try_delete(self, &found, &result);
        }
        else {
            rc = try_set(self, &given, &entry, &found, &result);
        }
        look_done(&found);
    }
    Py_XDECREF(entry);
    if (rc > 0 && kpy_local_tidy(self) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

PyObject *
kpy_local_setdefault_if(PyObject *object, PyObject *const *args,
                        Py_ssize_t count, PyObject *names)
{
    kpy_local *self = (kpy_local *)object;
    kpy_local_entry *entry = NULL;
    PyObject *result = NULL;
    kpy_cond_args given;
    look found;
    int rc = 0;

    if (kpy_cond_args_read(self->state, KPY_COND_SETDEFAULT, args, count,
                           names, &given) < 0) {
        return NULL;
    }
    while (rc == 0) {
        if (look_at(self, &given, true, &found) < 0) {
            break;
        }
        if (found.entry != NULL || !found.satisfied) {
            result = unchanged(self, &given, &found);
            rc = result == NULL ? -1 : 1;
        }
        else {
            rc = try_set(self, &given, &entry, &found, &result);
        }
        look_done(&found);
    }
    Py_XDECREF(entry);
    return result;
}

PyObject *
kpy_local_discard_if(PyObject *object, PyObject *const *args, Py_ssize_t count,
                     PyObject *names)
{
    kpy_local *self = (kpy_local *)object;
    PyObject *result = NULL;
    kpy_cond_args given;
    look found;
    int rc = 0;

    if (kpy_cond_args_read(self->state, KPY_COND_DISCARD, args, count, names,
                           &given) < 0) {
        return NULL;
    }
    given.retrieve = KPY_RETRIEVE_NEVER;
    while (rc == 0) {
        if (look_at(self, &given, false, &found) < 0) {
            break;
        }
        if (found.entry == NULL || !found.satisfied) {
            result = unchanged(self, &given, &found);
            rc = result == NULL ? -1 : 1;
        }
        else {
            rc = try_delete(self, &found, &result);
        }
        look_done(&found);
    }
    if (rc > 0 && kpy_local_tidy(self) < 0) {
        Py_CLEAR(result);
    }
    return result;
}
