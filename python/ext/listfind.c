/*
 * in, index, count, remove: `is` or ==, in order (row 6).
 *
 * What is looked for decides the way.  None, bool, int, float, str and bytes
 * of exactly these types are compared as kist_values, run by run, without an
 * object for any item; the library's equality of those is Python's.  Anything
 * else may have an __eq__ of its own: each item becomes an object and is
 * asked, and the list is looked at anew for each, since __eq__ may change it.
 */
#include "listobj.h"

/* What is looked for. */
typedef struct needle {
    PyObject *object;
    kist_value value;
    kpy_scratch scratch; /* holds what `value` borrows */
    bool plain;          /* `value` is set */
} needle;

/* Is it of a type whose equality the library knows? */
static bool
is_plain(PyObject *object)
{
    return object == Py_None || PyBool_Check(object) ||
           PyLong_CheckExact(object) || PyFloat_CheckExact(object) ||
           PyUnicode_CheckExact(object) || PyBytes_CheckExact(object);
}

static int
needle_init(kpy_coll *list, PyObject *object, needle *n)
{
    const kpy_klass any = {.type = KIST_ANY, .only = NULL};

    n->object = object;
    n->plain = is_plain(object);
    if (!n->plain) {
        return 0;
    }
    return kpy_value_of(list->state, any, object, &n->scratch, &n->value);
}

static void
needle_fini(needle *n)
{
    kpy_scratch_done(&n->scratch);
}

/*
 * Kept as text, but equal to values of other types: Decimal(1) == 1, and JSON
 * may be anything.
 */
static bool
must_ask(const kist_value *value)
{
    return value->type == KIST_DECIMAL || value->type == KIST_JSON;
}

static int
ask(PyObject *item, PyObject *object)
{
    const int equal = PyObject_RichCompareBool(item, object, Py_EQ);

    Py_DECREF(item);
    return equal;
}

/* --- searching -------------------------------------------------------------
 */

/*
 * A search from `at` to `end`; Python code may run in the middle of it.  With
 * `tally` it goes on behind each hit and counts.
 */
typedef struct search {
    kpy_coll *list;
    const needle *needle;
    uint64_t at; /* next to look at; after a hit the hit */
    uint64_t end;
    bool tally;
    Py_ssize_t hits;
} search;

/* The item at s->at as an object is asked.  1 hit, 0 no hit, -1 error, 2 end.
 */
static int
ask_item(search *s)
{
    PyObject *item = kpy_list_item(s->list, (Py_ssize_t)s->at);

    if (item == NULL) {
        return PyErr_Occurred() ? -1 : 2;
    }
    return ask(item, s->needle->object);
}

/* Moves past a hit, or stops there: true if the search is over. */
static bool
note_hit(search *s)
{
    s->hits++;
    s->at += s->tally;
    return !s->tally;
}

/* One run of values: 1 it is over, 0 go on, -1 with an error set. */
static int
search_run(search *s)
{
    const uint64_t left = s->end - s->at;
    kist_value values[KPY_LIST_RUN];
    size_t got;
    size_t i;
    int hit;
    kist_status status;

    if (!kpy_coll_open_or_raise(s->list)) {
        return -1;
    }
    status = kist_list_get_many(
        s->list->handle.list, s->at,
        left < KPY_LIST_RUN ? (size_t)left : KPY_LIST_RUN, values, &got);
    if (status != KIST_OK) {
        return kpy_raise_int(s->list->state, status);
    }
    for (i = 0; i < got; i++) {
        if (must_ask(&values[i])) {
            hit = ask_item(s);
            if (hit < 0 || hit == 2) {
                return hit < 0 ? -1 : 1;
            }
            if (hit == 1) {
                return note_hit(s);
            }
            s->at++;
            return 0; // the other views are gone
        }
        if (kist_value_equal(&values[i], &s->needle->value)) {
            if (note_hit(s)) {
                return 1;
            }
        }
        else {
            s->at++;
        }
    }
    return got == 0;
}

/* 0, or -1 with an error set; s->hits and s->at tell. */
static int
search_all(search *s)
{
    int over = 0;
    int hit;

    while (over == 0 && s->at < s->end) {
        if (s->needle->plain) {
            over = search_run(s);
            continue;
        }
        hit = ask_item(s);
        if (hit < 0) {
            return -1;
        }
        if (hit == 1) {
            over = note_hit(s);
        }
        else {
            s->at++;
            over = hit == 2;
        }
    }
    return over < 0 ? -1 : 0;
}

/* Searches the whole list, or from s->at to s->end. */
static int
find(PyObject *self, PyObject *object, search *s)
{
    needle n = {0};
    int result;

    s->list = (kpy_coll *)self;
    s->needle = &n;
    if (!kpy_coll_open_or_raise(s->list)) {
        return -1;
    }
    result = needle_init(s->list, object, &n);
    if (result == 0) {
        result = search_all(s);
    }
    needle_fini(&n);
    return result;
}

/* --- the methods -----------------------------------------------------------
 */

int
kpy_list_contains(PyObject *self, PyObject *object)
{
    search s = {.end = UINT64_MAX};

    return find(self, object, &s) < 0 ? -1 : s.hits > 0;
}

PyObject *
kpy_list_count_of(PyObject *self, PyObject *object)
{
    search s = {.end = UINT64_MAX, .tally = true};

    return find(self, object, &s) < 0 ? NULL : PyLong_FromSsize_t(s.hits);
}

/* A bound of index(): as list has it, clamped and never an OverflowError. */
static int
bound_of(PyObject *object, Py_ssize_t *bound)
{
    if (!PyIndex_Check(object)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an "
                        "__index__ method");
        return -1;
    }
    *bound = PyNumber_AsSsize_t(object, NULL);
    return *bound == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Negative bounds count from the end. */
static int
fit_bounds(kpy_coll *list, Py_ssize_t *start, Py_ssize_t *stop)
{
    Py_ssize_t count;

    if (*start >= 0 && *stop >= 0) {
        return 0;
    }
    if (kpy_list_count(list, &count) < 0) {
        return -1;
    }
    if (*start < 0) {
        *start = *start + count > 0 ? *start + count : 0;
    }
    if (*stop < 0) {
        *stop = *stop + count > 0 ? *stop + count : 0;
    }
    return 0;
}

PyObject *
kpy_list_index(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t start = 0;
    Py_ssize_t stop = PY_SSIZE_T_MAX;
    search s = {0};

    if (nargs < 1 || nargs > 3) {
        return PyErr_Format(PyExc_TypeError,
                            nargs < 1
                                ? "index expected at least 1 argument, got %zd"
                                : "index expected at most 3 arguments, got "
                                  "%zd",
                            nargs);
    }
    if ((nargs > 1 && bound_of(args[1], &start) < 0) ||
        (nargs > 2 && bound_of(args[2], &stop) < 0) ||
        fit_bounds((kpy_coll *)self, &start, &stop) < 0) {
        return NULL;
    }
    s.at = (uint64_t)start;
    s.end = (uint64_t)stop;
    if (find(self, args[0], &s) < 0) {
        return NULL;
    }
    if (s.hits == 0) {
        return PyErr_Format(PyExc_ValueError, "%R is not in list", args[0]);
    }
    return PyLong_FromUnsignedLongLong(s.at);
}

/*
 * Removes the item at s->at as one step with a second look: another process
 * may have moved it since it was found (row 69).  1 done, 0 it was moved, -1
 * with an error set.  What only an __eq__ can tell is not looked at again.
 */
static int
remove_hit(kpy_coll *list, const search *s)
{
    kist_value value;
    kist_status status = KIST_OK;
    bool moved = false;
    bool mine;

    if (!kpy_coll_writable_or_raise(list) ||
        kpy_coll_batch_begin(list, &mine) < 0) {
        return -1;
    }
    if (s->needle->plain) {
        status = kist_list_get(list->handle.list, s->at, &value);
        moved = status == KIST_ERR_RANGE ||
                (status == KIST_OK && !must_ask(&value) &&
                 !kist_value_equal(&value, &s->needle->value));
    }
    if (status == KIST_OK && !moved) {
        status = kist_list_pop(list->handle.list, s->at, NULL);
    }
    if (status == KIST_ERR_RANGE) {
        status = KIST_OK; // __eq__ emptied it: as list, nothing is removed
    }
    status = kpy_coll_batch_end(list, mine, status);
    if (status != KIST_OK) {
        return kpy_raise_int(list->state, status);
    }
    return moved ? 0 : 1;
}

PyObject *
kpy_list_remove(PyObject *self, PyObject *object)
{
    kpy_coll *list = (kpy_coll *)self;
    needle n = {0};
    int done = 0;

    if (!kpy_coll_writable_or_raise(list) ||
        needle_init(list, object, &n) < 0) {
        return NULL;
    }
    while (done == 0) {
        search s = {.list = list, .needle = &n, .end = UINT64_MAX};

        if (search_all(&s) < 0) {
            done = -1;
        }
        else if (s.hits == 0) {
            PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
            done = -1;
        }
        else {
            done = remove_hit(list, &s);
        }
    }
    needle_fini(&n);
    if (done < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
