/*
 * The conditional operations of FileDirBase, and what stands on them:
 * transform_item, setdefault, pop, popitem.
 */
#include "filedict.h"

#include <string.h>
#include <time.h>

#include "errors.h"

#define WAIT_FIRST_US 200.0
#define WAIT_FACTOR   4.0
#define WAIT_MAX_US   200000.0

typedef struct kpy_operation {
    kpy_filedict *dict;
    kist_store *store;
    kpy_cond_args args;
    kist_condition condition;
    kpy_path path;
    kist_buf given; /* the value to be written */
    kist_buf data;  /* the value that was read */
    kist_outcome outcome;
} kpy_operation;

/* --- arguments -------------------------------------------------------------
 */

/*
 * An ETag of ours is at most KIST_ETAG_SIZE_MAX ASCII letters: anything else
 * is no ETag that a value can have, and not the absence of one.
 */
static void
etag_expected(const kpy_filedict *dict, PyObject *object, kist_etag *etag)
{
    const bool is_text = PyUnicode_Check(object);
    Py_ssize_t size = is_text ? PyUnicode_GET_LENGTH(object) : 0;

    memset(etag, 0, sizeof(*etag));
    if (object == kpy_part(dict->state, KPY_PART_ITEM_NOT_AVAILABLE)) {
        return;
    }
    if (is_text && PyUnicode_IS_ASCII(object) && size > 0 &&
        size <= KIST_ETAG_SIZE_MAX) {
        etag->size = (uint8_t)size;
        memcpy(etag->text, PyUnicode_DATA(object), (size_t)size);
        return;
    }
    etag->size = 1;
    etag->text[0] = '\xff';
}

static void
condition_of(const kpy_filedict *dict, kpy_condition rule, PyObject *expected,
             kpy_retrieve retrieve, kist_condition *condition)
{
    static const kist_if rules[] = {
        [KPY_CONDITION_ANY] = KIST_IF_ANY,
        [KPY_CONDITION_SAME] = KIST_IF_SAME,
        [KPY_CONDITION_CHANGED] = KIST_IF_CHANGED,
    };
    static const kist_fetch fetches[] = {
        [KPY_RETRIEVE_ALWAYS] = KIST_FETCH_ALWAYS,
        [KPY_RETRIEVE_NEVER] = KIST_FETCH_NEVER,
        [KPY_RETRIEVE_IF_CHANGED] = KIST_FETCH_CHANGED,
    };

    condition->rule = rules[rule];
    condition->fetch = fetches[retrieve];
    etag_expected(dict, expected, &condition->expected);
}

static void
operation_done(kpy_operation *op)
{
    kist_buf_fini(&op->given);
    kist_buf_fini(&op->data);
    kpy_path_done(&op->path);
}

/* Reads the arguments and the key; after 0 operation_done() is due. */
static int
operation_begin(PyObject *self, kpy_cond_op kind, PyObject *const *args,
                Py_ssize_t count, PyObject *names, kpy_operation *op)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kpy_condition rule;

    memset(&op->given, 0, sizeof(op->given));
    memset(&op->data, 0, sizeof(op->data));
    op->dict = dict;
    op->store = kpy_filedict_store(dict);
    op->args.retrieve = KPY_RETRIEVE_IF_CHANGED;
    if (op->store == NULL ||
        kpy_cond_args_read(dict->state, kind, args, count, names, &op->args) <
            0 ||
        kpy_path_of(dict->state, op->args.key, &op->path) < 0) {
        return -1;
    }
    if (kpy_condition_of(dict->state, op->args.condition_flag, &rule) < 0) {
        kpy_path_done(&op->path);
        return -1;
    }
    condition_of(dict, rule, op->args.expected, op->args.retrieve,
                 &op->condition);
    return 0;
}

/* --- results ---------------------------------------------------------------
 */

/* The new_value of a result; `given` is what the caller wanted written. */
static PyObject *
value_of_outcome(kpy_operation *op, PyObject *given)
{
    kpy_state *state = op->dict->state;

    switch (op->outcome.found) {
    case KIST_FOUND_VALUE:
        return kpy_filedict_load(op->dict, op->path.text,
                                 kist_buf_slice(&op->data));
    case KIST_FOUND_UNREAD:
        return Py_NewRef(kpy_part(state, KPY_PART_VALUE_NOT_RETRIEVED));
    case KIST_FOUND_GIVEN:
        return Py_NewRef(given);
    default:
        return Py_NewRef(kpy_part(state, KPY_PART_ITEM_NOT_AVAILABLE));
    }
}

static PyObject *
operation_result(kpy_operation *op, kist_status status, PyObject *given)
{
    const kist_outcome *outcome = &op->outcome;
    PyObject *value = NULL;
    PyObject *before = NULL;
    PyObject *after = NULL;
    PyObject *result = NULL;

    if (status != KIST_OK) {
        return kpy_filedict_raise(op->dict, status, op->args.key);
    }
    value = value_of_outcome(op, given);
    if (value != NULL) {
        before = kpy_filedict_etag(op->dict, &outcome->before);
    }
    if (before != NULL) {
        after = kist_etag_equal(&outcome->before, &outcome->after)
                    ? Py_NewRef(before)
                    : kpy_filedict_etag(op->dict, &outcome->after);
    }
    if (after != NULL) {
        result = kpy_result_new(op->dict->state, outcome->satisfied, before,
                                after, value);
    }
    Py_XDECREF(after);
    Py_XDECREF(before);
    Py_XDECREF(value);
    return result;
}

/* --- the four --------------------------------------------------------------
 */

static kist_status
operation_get(kpy_operation *op)
{
    kist_status status;

    KPY_UNLOCKED(status,
                 kist_store_get_if(op->store, op->path.text, &op->condition,
                                   &op->data, &op->outcome));
    return status;
}

static PyObject *
filedict_get_item_if(PyObject *self, PyObject *const *args, Py_ssize_t count,
                     PyObject *names)
{
    PyObject *result;
    kpy_operation op;

    if (operation_begin(self, KPY_COND_GET, args, count, names, &op) < 0) {
        return NULL;
    }
    result = operation_result(&op, operation_get(&op), NULL);
    operation_done(&op);
    return result;
}

/* Removes; where the condition did not hold, the value is read if wanted. */
static kist_status
operation_remove(kpy_operation *op, bool may_read)
{
    kist_status status;

    for (;;) {
        KPY_UNLOCKED_WRITE(status,
                           kist_store_remove_if(op->store, op->path.text,
                                                &op->condition, &op->outcome));
        if (status != KIST_OK || op->outcome.satisfied ||
            op->outcome.found == KIST_FOUND_NONE || !may_read ||
            op->condition.fetch == KIST_FETCH_NEVER) {
            return status;
        }
        status = operation_get(op);
        // If it holds now, another writer came between the two.
        if (status != KIST_OK || !op->outcome.satisfied) {
            return status;
        }
        kist_buf_clear(&op->data);
    }
}

static PyObject *
operation_delete(kpy_operation *op)
{
    const kist_status status = operation_remove(op, true);

    // What an append-only dict has not, cannot be removed from it either.
    if (status == KIST_OK && op->dict->append_only && op->outcome.satisfied) {
        (void)kpy_raise_append_only(op->dict->state);
        return NULL;
    }
    return operation_result(op, status, NULL);
}

/* The value of the arguments, checked, as bytes in op->given. */
static int
operation_encode(kpy_operation *op)
{
    if (kpy_value_check(op->dict->state, op->dict->base_class,
                        op->args.value) < 0) {
        return -1;
    }
    return kpy_filedict_dump(op->dict, op->args.value, &op->given);
}

/*
 * The value cannot be written, and an error says so: it is raised only if the
 * value would have been written.  Otherwise, the result.
 */
static PyObject *
operation_excuse(kpy_operation *op, bool only_new)
{
    PyObject *type;
    PyObject *value;
    PyObject *trace;
    kist_status status;

    PyErr_Fetch(&type, &value, &trace);
    status = operation_get(op);
    if (status == KIST_OK &&
        (!op->outcome.satisfied ||
         (only_new && op->outcome.found != KIST_FOUND_NONE))) {
        Py_XDECREF(trace);
        Py_XDECREF(value);
        Py_XDECREF(type);
        return operation_result(op, status, NULL);
    }
    PyErr_Restore(type, value, trace);
    return NULL;
}

static PyObject *
operation_set(kpy_operation *op)
{
    kpy_state *state = op->dict->state;
    kist_status status;

    if (kpy_is_keep(state, op->args.value)) {
        return operation_result(op, operation_get(op), NULL);
    }
    if (kpy_is_delete(state, op->args.value)) {
        return operation_delete(op);
    }
    if (operation_encode(op) < 0) {
        return operation_excuse(op, false);
    }
    KPY_UNLOCKED_WRITE(status, kist_store_put_if(op->store, op->path.text,
                                                 kist_buf_slice(&op->given),
                                                 &op->condition, &op->data,
                                                 &op->outcome));
    return operation_result(op, status, op->args.value);
}

PyObject *
kpy_filedict_set_item_if(PyObject *self, PyObject *const *args,
                         Py_ssize_t count, PyObject *names)
{
    PyObject *result;
    kpy_operation op;

    if (operation_begin(self, KPY_COND_SET, args, count, names, &op) < 0) {
        return NULL;
    }
    result = operation_set(&op);
    operation_done(&op);
    return result;
}

static PyObject *
filedict_setdefault_if(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *names)
{
    PyObject *result = NULL;
    kist_status status;
    kpy_operation op;

    if (operation_begin(self, KPY_COND_SETDEFAULT, args, count, names, &op) <
        0) {
        return NULL;
    }
    if (operation_encode(&op) == 0) {
        KPY_UNLOCKED_WRITE(status, kist_store_put_new_if(
                                       op.store, op.path.text,
                                       kist_buf_slice(&op.given),
                                       &op.condition, &op.data, &op.outcome));
        result = operation_result(&op, status, op.args.value);
    }
    else {
        result = operation_excuse(&op, true);
    }
    operation_done(&op);
    return result;
}

PyObject *
kpy_filedict_discard_if(PyObject *self, PyObject *const *args,
                        Py_ssize_t count, PyObject *names)
{
    PyObject *result;
    kpy_operation op;

    if (operation_begin(self, KPY_COND_DISCARD, args, count, names, &op) < 0) {
        return NULL;
    }
    result = operation_result(&op, operation_remove(&op, false), NULL);
    operation_done(&op);
    return result;
}

/* --- transforming
 * ------------------------------------------------------------
 */

/* Waits before attempt `retry` + 1, longer each time.  0, or -1: Ctrl-C. */
int
kpy_filedict_wait(unsigned long retry)
{
    uint64_t seed;
    double most = WAIT_FIRST_US;
    double wait_us;
    struct timespec pause;
    unsigned long i;

    for (i = 0; i < retry && most < WAIT_MAX_US; i++) {
        most *= WAIT_FACTOR;
    }
    most = most > WAIT_MAX_US ? WAIT_MAX_US : most;
    // Any two must not wait alike: their clocks and stacks differ.
    (void)clock_gettime(CLOCK_MONOTONIC, &pause);
    seed = ((uint64_t)pause.tv_nsec ^ (uintptr_t)&pause) * 0x9E3779B97F4A7C15u;
    wait_us = most * (0.1 + 0.9 * (double)(seed >> 40) / (double)(1u << 24));
    pause.tv_sec = 0;
    pause.tv_nsec = (long)(wait_us * 1000);
    Py_BEGIN_ALLOW_THREADS;
    (void)nanosleep(&pause, NULL);
    Py_END_ALLOW_THREADS;
    return PyErr_CheckSignals();
}

typedef struct kpy_transform {
    kpy_operation op;
    PyObject *transformer;
    bool forever;
    unsigned long retries_max;
    bool sets_itself;     /* set_item_if is C's own */
    bool discards_itself; /* discard_if is C's own */
    PyObject *etag;       /* of `current`; str or ITEM_NOT_AVAILABLE */
    PyObject *current;
} kpy_transform;

/* etag and current become those of the outcome; the references are ours. */
static int
transform_take(kpy_transform *work)
{
    PyObject *value = value_of_outcome(&work->op, NULL);
    PyObject *etag = NULL;

    if (value != NULL) {
        etag = kpy_filedict_etag(work->op.dict, &work->op.outcome.after);
    }
    if (etag == NULL) {
        Py_XDECREF(value);
        return -1;
    }
    Py_XSETREF(work->current, value);
    Py_XSETREF(work->etag, etag);
    return 0;
}

static int
transform_read(kpy_transform *work)
{
    kist_status status;

    condition_of(work->op.dict, KPY_CONDITION_ANY,
                 kpy_part(work->op.dict->state, KPY_PART_ITEM_NOT_AVAILABLE),
                 KPY_RETRIEVE_ALWAYS, &work->op.condition);
    status = operation_get(&work->op);
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(work->op.dict, status, work->op.args.key);
        return -1;
    }
    return transform_take(work);
}

/* self.set_item_if(...) or self.discard_if(...), which somebody patched. */
static PyObject *
call_patched(kpy_transform *work, PyObject *next, bool drop)
{
    kpy_state *state = work->op.dict->state;
    PyObject *method = PyObject_GetAttrString(
        (PyObject *)work->op.dict, drop ? "discard_if" : "set_item_if");
    PyObject *key = kpy_key_coerce(state, work->op.args.key);
    PyObject *args = key == NULL ? NULL : PyTuple_Pack(1, key);
    PyObject *words = Py_BuildValue("{s:O,s:O}", "condition",
                                    kpy_part(state, KPY_PART_ETAG_IS_THE_SAME),
                                    "expected_etag", work->etag);
    PyObject *answer = NULL;

    if (words != NULL && !drop &&
        (PyDict_SetItemString(words, "value", next) < 0 ||
         PyDict_SetItemString(words, "retrieve_value",
                              kpy_part(state, KPY_PART_ALWAYS_RETRIEVE)) <
             0)) {
        Py_CLEAR(words);
    }
    if (method != NULL && args != NULL && words != NULL) {
        answer = PyObject_Call(method, args, words);
    }
    Py_XDECREF(words);
    Py_XDECREF(args);
    Py_XDECREF(key);
    Py_XDECREF(method);
    return answer;
}

/* What the answer of a patched method says; as transform_once(). */
static int
judge_patched(kpy_transform *work, PyObject *answer, PyObject **result)
{
    kpy_state *state = work->op.dict->state;
    PyObject *held = PyObject_GetAttrString(answer, "condition_was_satisfied");
    PyObject *etag = PyObject_GetAttrString(answer, "resulting_etag");
    PyObject *value = PyObject_GetAttrString(answer, "new_value");
    int satisfied = -1;

    if (held != NULL && etag != NULL && value != NULL) {
        satisfied = PyObject_IsTrue(held);
    }
    if (satisfied > 0) {
        *result = kpy_opresult_new(state, etag, value);
        satisfied = *result == NULL ? -1 : 1;
    }
    else if (satisfied == 0 &&
             value == kpy_part(state, KPY_PART_VALUE_NOT_RETRIEVED)) {
        satisfied = transform_read(work);
    }
    else if (satisfied == 0) {
        Py_XSETREF(work->etag, Py_NewRef(etag));
        Py_XSETREF(work->current, Py_NewRef(value));
    }
    Py_XDECREF(value);
    Py_XDECREF(etag);
    Py_XDECREF(held);
    return satisfied;
}

static int
transform_patched(kpy_transform *work, PyObject *next, PyObject **result)
{
    const bool drop = kpy_is_delete(work->op.dict->state, next);
    PyObject *answer = call_patched(work, next, drop);
    int done = -1;

    if (answer != NULL) {
        done = judge_patched(work, answer, result);
        Py_DECREF(answer);
    }
    return done;
}

static int
transform_drop(kpy_transform *work, PyObject **result)
{
    kpy_operation *op = &work->op;
    kist_status status;

    condition_of(op->dict, KPY_CONDITION_SAME, work->etag, KPY_RETRIEVE_ALWAYS,
                 &op->condition);
    kist_buf_clear(&op->data);
    status = operation_remove(op, true);
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(op->dict, status, op->args.key);
        return -1;
    }
    if (!op->outcome.satisfied) {
        return transform_take(work) < 0 ? -1 : 0;
    }
    {
        PyObject *absent =
            kpy_part(op->dict->state, KPY_PART_ITEM_NOT_AVAILABLE);

        *result = kpy_opresult_new(op->dict->state, absent, absent);
    }
    return *result == NULL ? -1 : 1;
}

static int
transform_set(kpy_transform *work, PyObject *next, PyObject **result)
{
    kpy_operation *op = &work->op;
    kist_status status;
    PyObject *etag;

    op->args.value = next;
    kist_buf_clear(&op->given);
    kist_buf_clear(&op->data);
    if (operation_encode(op) < 0) {
        return -1;
    }
    condition_of(op->dict, KPY_CONDITION_SAME, work->etag, KPY_RETRIEVE_ALWAYS,
                 &op->condition);
    KPY_UNLOCKED_WRITE(status, kist_store_put_if(op->store, op->path.text,
                                                 kist_buf_slice(&op->given),
                                                 &op->condition, &op->data,
                                                 &op->outcome));
    if (status != KIST_OK) {
        (void)kpy_filedict_raise(op->dict, status, op->args.key);
        return -1;
    }
    if (!op->outcome.satisfied) {
        return transform_take(work) < 0 ? -1 : 0;
    }
    etag = kpy_filedict_etag(op->dict, &op->outcome.after);
    if (etag != NULL) {
        *result = kpy_opresult_new(op->dict->state, etag, next);
        Py_DECREF(etag);
    }
    return *result == NULL ? -1 : 1;
}

/* One attempt: 1 and *result, 0 if another writer came between, -1. */
static int
transform_once(kpy_transform *work, PyObject **result)
{
    kpy_state *state = work->op.dict->state;
    PyObject *next = PyObject_CallOneArg(work->transformer, work->current);
    int done;

    if (next == NULL) {
        return -1;
    }
    if (kpy_is_keep(state, next) ||
        (kpy_is_delete(state, next) &&
         work->etag == kpy_part(state, KPY_PART_ITEM_NOT_AVAILABLE))) {
        *result = kpy_opresult_new(state, work->etag, work->current);
        done = *result == NULL ? -1 : 1;
    }
    else if (kpy_is_delete(state, next)) {
        done = work->discards_itself ? transform_drop(work, result)
                                     : transform_patched(work, next, result);
    }
    else {
        done = work->sets_itself ? transform_set(work, next, result)
                                 : transform_patched(work, next, result);
    }
    Py_DECREF(next);
    return done;
}

int
kpy_filedict_conflict(kpy_filedict *dict, PyObject *object,
                      unsigned long attempts)
{
    kpy_state *state = dict->state;
    PyObject *type = kpy_part(state, KPY_PART_CONFLICT_ERROR);
    PyObject *key = kpy_key_coerce(state, object);
    PyObject *error = NULL;

    if (key != NULL) {
        error = PyObject_CallFunction(type, "Ok", key, attempts);
        Py_DECREF(key);
    }
    if (error != NULL) {
        PyErr_SetObject(type, error);
        Py_DECREF(error);
    }
    return -1;
}

static PyObject *
transform_run(kpy_transform *work)
{
    PyObject *result = NULL;
    unsigned long retry = 0;
    int done = transform_read(work);

    while (done == 0) {
        done = transform_once(work, &result);
        if (done != 0) {
            break;
        }
        if (!work->forever && retry >= work->retries_max) {
            done = kpy_filedict_conflict(work->op.dict, work->op.args.key,
                                         retry + 1);
            break;
        }
        done = kpy_filedict_wait(retry);
        retry++;
    }
    Py_CLEAR(work->current);
    Py_CLEAR(work->etag);
    return done > 0 ? result : NULL;
}

/* n_retries: None for ever; anything that int() takes and is not negative. */
static int
retries_of(PyObject *object, kpy_transform *work)
{
    static const char problem[] =
        "n_retries must be a non-negative int or None";
    PyObject *number;
    int overflow;
    long retries;

    work->retries_max = KPY_RETRIES_DEFAULT;
    work->forever = object == Py_None;
    if (object == NULL || object == Py_None) {
        return 0;
    }
    number = PyObject_CallOneArg((PyObject *)&PyLong_Type, object);
    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_ValueError) ||
            PyErr_ExceptionMatches(PyExc_TypeError) ||
            PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_TypeError, problem);
        }
        return -1;
    }
    retries = PyLong_AsLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (retries < 0 && overflow <= 0) {
        PyErr_SetString(PyExc_ValueError, problem);
        return -1;
    }
    work->forever = overflow > 0;
    work->retries_max = (unsigned long)retries;
    return 0;
}

/* key, by position or name; transformer and n_retries by name. */
static int
transform_args(PyObject *const *args, Py_ssize_t count, PyObject *names,
               PyObject *words[3])
{
    static const char *const known[] = {"key", "transformer", "n_retries"};
    const Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t i;
    int word;

    words[0] = count == 1 ? args[0] : NULL;
    for (i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);

        for (word = 0; word < 3; word++) {
            if (PyUnicode_CompareWithASCIIString(name, known[word]) == 0) {
                break;
            }
        }
        if (word == 3 || words[word] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "transform_item() got an unexpected argument '%U'",
                         name);
            return -1;
        }
        words[word] = args[count + i];
    }
    if (count > 1 || words[0] == NULL || words[1] == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "transform_item() takes key, transformer= and "
                        "n_retries=");
        return -1;
    }
    return 0;
}

static int
transform_begin(PyObject *self, PyObject *key, kpy_transform *work)
{
    kpy_filedict *dict = kpy_filedict_of(self);
    kpy_operation *op = &work->op;

    memset(&op->given, 0, sizeof(op->given));
    memset(&op->data, 0, sizeof(op->data));
    op->dict = dict;
    op->args.key = key;
    op->store = kpy_filedict_store(dict);
    if (op->store == NULL || kpy_path_of(dict->state, key, &op->path) < 0) {
        return -1;
    }
    work->sets_itself = kpy_filedict_is_own(
        self, "set_item_if",
        (PyCFunction)(void (*)(void))kpy_filedict_set_item_if);
    work->discards_itself = kpy_filedict_is_own(
        self, "discard_if",
        (PyCFunction)(void (*)(void))kpy_filedict_discard_if);
    return 0;
}

PyObject *
kpy_filedict_transform(PyObject *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *names)
{
    PyObject *words[3] = {NULL};
    kpy_transform work = {0};
    PyObject *result;

    if (transform_args(args, count, names, words) < 0 ||
        retries_of(words[2], &work) < 0 ||
        transform_begin(self, words[0], &work) < 0) {
        return NULL;
    }
    work.transformer = words[1];
    result = transform_run(&work);
    operation_done(&work.op);
    return result;
}

PyMethodDef kpy_filedict_if_methods[] = {
    {"get_item_if", KPY_METHOD(filedict_get_item_if),
     METH_FASTCALL | METH_KEYWORDS,
     "get_item_if($self, key, *, condition, expected_etag,\n"
     "            retrieve_value=...)\n--\n\n"
     "The value if its ETag is as wanted."},
    {"set_item_if", KPY_METHOD(kpy_filedict_set_item_if),
     METH_FASTCALL | METH_KEYWORDS,
     "set_item_if($self, key, *, value, condition, expected_etag,\n"
     "            retrieve_value=...)\n--\n\n"
     "Set the item if its ETag is as wanted, in one step."},
    {"setdefault_if", KPY_METHOD(filedict_setdefault_if),
     METH_FASTCALL | METH_KEYWORDS,
     "setdefault_if($self, key, *, default_value, condition,\n"
     "              expected_etag, retrieve_value=...)\n--\n\n"
     "Set the item if it is absent and that is as wanted, in one step."},
    {"discard_if", KPY_METHOD(kpy_filedict_discard_if),
     METH_FASTCALL | METH_KEYWORDS,
     "discard_if($self, key, *, condition, expected_etag)\n--\n\n"
     "Remove the item if its ETag is as wanted, in one step."},
    {"transform_item", KPY_METHOD(kpy_filedict_transform),
     METH_FASTCALL | METH_KEYWORDS,
     "transform_item($self, key, *, transformer, n_retries=6)\n--\n\n"
     "Set the item to transformer(item); no other writer's change is lost."},
    {NULL, NULL, 0, NULL},
};
