/*
 * open(): MemoryFileSystem's, with the waiting for a file that somebody else
 * has, and _open_later() with the ticket that it answers.
 *
 * A file is first asked for with the GIL held and without waiting.  Who has to
 * wait does so in the library's queue without the GIL, woken by a lock of
 * CPython's, which a signal interrupts.
 */
#include "memobj.h"

#include <time.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)
#define NS_PER_S  INT64_C(1000000000)

static const kpy_memwords open_words = {
    .notfound = "No such file: '%U'",
    .exists = "File exists: '%U'",
};

static const char *const mode_texts[] = {
    [KIST_MODE_RB] = "rb",   [KIST_MODE_WB] = "wb", [KIST_MODE_AB] = "ab",
    [KIST_MODE_RPB] = "r+b", [KIST_MODE_XB] = "xb",
};

const char *
kpy_mem_mode_text(kist_memfs_mode mode)
{
    return mode_texts[mode];
}

/* --- arguments -------------------------------------------------------------
 */

static int
mode_parse(kpy_state *state, PyObject *object, kist_memfs_mode *mode)
{
    int i;

    for (i = KIST_MODE_RB; i <= KIST_MODE_XB; i++) {
        if (object == state->names[KPY_NAME_RB + i]) {
            *mode = (kist_memfs_mode)i;
            return 0;
        }
    }
    for (i = KIST_MODE_RB; PyUnicode_Check(object) && i <= KIST_MODE_XB; i++) {
        if (PyUnicode_CompareWithASCIIString(object, mode_texts[i]) == 0) {
            *mode = (kist_memfs_mode)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "Invalid mode '%S'. MFS supports binary modes only: {'rb', "
                 "'wb', 'ab', 'r+b', 'xb'}",
                 object);
    return -1;
}

int
kpy_memopen_parse(const kpy_memfs *fs, PyObject *const *values,
                  kpy_memopen *call)
{
    int64_t preallocate = 0;

    call->mode = KIST_MODE_RB;
    call->timeout_ns = fs->timeout_ns;
    if ((values[1] != NULL &&
         mode_parse(fs->state, values[1], &call->mode) < 0) ||
        kpy_mempath_of(values[0], &call->path) < 0) {
        return -1;
    }
    if ((values[2] != NULL && kpy_mem_int(values[2], &preallocate) < 0) ||
        (values[3] != NULL && values[3] != Py_None &&
         kpy_mem_timeout(values[3], &call->timeout_ns) < 0)) {
        kpy_mempath_done(&call->path);
        return -1;
    }
    call->preallocate = preallocate < 0 ? 0 : (uint64_t)preallocate;
    return 0;
}

PyObject *
kpy_memopen_raise(kpy_memfs *fs, kist_status status, kist_memfs_mode mode,
                  PyObject *path)
{
    if (status == KIST_ERR_LOCKED && !PyErr_Occurred()) {
        return kpy_mem_raise_locked(mode != KIST_MODE_RB);
    }
    if (status == KIST_ERR_UNSUPPORTED && !PyErr_Occurred()) {
        return kpy_mem_raise_unsupported(
            fs->state, "not writable in mode '%s'", kpy_mem_mode_text(mode));
    }
    return kpy_mem_raise(fs->state, status, &open_words, path, NULL);
}

/* --- waiting ---------------------------------------------------------------
 */

/* A kist_memfs_open_later() wakes whoever waits for the lock. */
static void
wake_lock(void *lock)
{
    PyThread_release_lock(lock);
}

static int64_t
monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* True once the lock was released; false at the deadline (-1: never), or with
 * the exception of a signal handler set. */
static bool
wait_for(PyThread_type_lock lock, int64_t deadline)
{
    PyLockStatus status;

    do {
        PY_TIMEOUT_T left = -1;

        if (deadline >= 0) {
            const int64_t ns = deadline - monotonic_ns();

            left = ns <= 0 ? 0 : (ns + NS_PER_US - 1) / NS_PER_US;
        }
        Py_BEGIN_ALLOW_THREADS status =
            PyThread_acquire_lock_timed(lock, left, 1);
        Py_END_ALLOW_THREADS if (status == PY_LOCK_INTR &&
                                 PyErr_CheckSignals() < 0)
        {
            return false;
        }
    } while (status == PY_LOCK_INTR);
    return status == PY_LOCK_ACQUIRED;
}

#define STRETCH_NS (50 * NS_PER_MS)

int
kpy_memtry_init(kpy_memtry *try, kpy_memfs *fs, PyObject *lock_timeout,
                bool is_long)
{
    try->fs = fs;
    try->is_long = is_long;
    try->timeout_ms = 0;
    try->timeout_ns = fs->timeout_ns;
    try->deadline = -1;
    try->stretch_ns = STRETCH_NS;
    return lock_timeout == NULL || lock_timeout == Py_None
               ? 0
               : kpy_mem_timeout(lock_timeout, &try->timeout_ns);
}

void
kpy_memtry_enter(kpy_memtry *try)
{
    if (try->is_long || try->timeout_ms != 0) {
        kpy_memgap_begin(try->fs->state, &try->gap);
    }
}

bool
kpy_memtry_again(kpy_memtry *try, kist_status status)
{
    int64_t left = INT64_MAX;

    if (try->is_long || try->timeout_ms != 0) {
        kpy_memgap_end(&try->gap);
    }
    if (status != KIST_ERR_LOCKED || try->timeout_ns == 0 ||
        kpy_mem_raised(try->fs->state) || PyErr_CheckSignals() < 0) {
        return false;
    }
    if (try->timeout_ns != KIST_WAIT_FOREVER) {
        const int64_t now = monotonic_ns();

        if (try->deadline < 0) {
            try->deadline = now + try->timeout_ns;
        }
        left = try->deadline - now;
    }
    // Each stretch begins at the end of the queue: the next is longer.
    if (left > try->stretch_ns) {
        left = try->stretch_ns;
        try->stretch_ns *= 2;
    }
    try->timeout_ms = (left + NS_PER_MS - 1) / NS_PER_MS;
    return left > 0;
}

/* Waits for the ticket's turn and opens the file. */
static kist_status
wait_with(kist_ticket *ticket, PyThread_type_lock lock, int64_t timeout_ns,
          kist_memfile **file)
{
    const int64_t deadline =
        timeout_ns == KIST_WAIT_FOREVER ? -1 : monotonic_ns() + timeout_ns;

    if (wait_for(lock, deadline)) {
        const kist_status status = kist_ticket_take(ticket, file);

        if (status == KIST_ERR_LOCKED) {
            kist_ticket_cancel(ticket); // woken, and yet not its turn
        }
        return status;
    }
    kist_ticket_cancel(ticket);
    // Its turn may have come at this moment, in a thread that is still on its
    // way to the lock; and it may need the GIL before.
    Py_BEGIN_ALLOW_THREADS(void) PyThread_acquire_lock(lock, WAIT_LOCK);
    Py_END_ALLOW_THREADS return KIST_ERR_LOCKED;
}

/* Opens the file in its turn. */
static kist_status
open_waiting(kpy_memfs *fs, const kpy_memopen *call, kist_memfile **file)
{
    const kist_memfs_open_options options = {0, call->preallocate};
    PyThread_type_lock lock = PyThread_allocate_lock();
    kist_ticket *ticket = NULL;
    kist_status status;

    if (lock == NULL) {
        return KIST_ERR_NOMEM;
    }
    (void)PyThread_acquire_lock(lock, WAIT_LOCK);
    status = kist_memfs_open_later(fs->fs, call->path.slice, call->mode,
                                   &options, wake_lock, lock, file, &ticket);
    if (status == KIST_OK && ticket != NULL) {
        status = wait_with(ticket, lock, call->timeout_ns, file);
    }
    PyThread_free_lock(lock);
    return status;
}

int
kpy_memopen_run(kpy_memfs *fs, kpy_memopen *call, PyObject *path,
                kist_memfile **file)
{
    const kist_memfs_open_options options = {0, call->preallocate};
    kist_status status =
        kist_memfs_open(fs->fs, call->path.slice, call->mode, &options, file);

    if (status == KIST_ERR_LOCKED && call->timeout_ns != 0 &&
        !kpy_mem_raised(fs->state)) {
        status = open_waiting(fs, call, file);
    }
    kpy_mempath_done(&call->path);
    if (status != KIST_OK) {
        (void)kpy_memopen_raise(fs, status, call->mode, path);
        return -1;
    }
    if (kpy_mem_raised(fs->state)) {
        kist_memfile_free(*file);
        *file = NULL;
        return -1;
    }
    return 0;
}

/* --- open() ----------------------------------------------------------------
 */

static const kpy_signature open_signature = {
    "open", 1, 4, {"path", "mode", "preallocate", "lock_timeout"}};

PyObject *
kpy_memfs_open(PyObject *object, PyObject *const *args, Py_ssize_t count,
               PyObject *names)
{
    kpy_memfs *self = (kpy_memfs *)object;
    kist_memfile *file;
    kpy_memfile *handle;
    PyObject *values[4];
    kpy_memopen call;

    if (kpy_bind(&open_signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL ||
        kpy_memopen_parse(self, values, &call) < 0 ||
        kpy_memopen_run(self, &call, values[0], &file) < 0) {
        return NULL;
    }
    handle = kpy_memfile_new(self);
    if (handle == NULL) {
        kist_memfile_free(file);
        return NULL;
    }
    kpy_memfile_set(handle, file, call.mode);
    return (PyObject *)handle;
}

/* --- tickets ---------------------------------------------------------------
 */

typedef struct memticket {
    PyObject_HEAD kist_ticket *ticket; /* NULL: taken or cancelled */
    kpy_memfs *fs;
    PyObject *wake; /* NULL: was called */
    PyObject *path;
    kist_memfs_mode mode;
} memticket;

/*
 * Called once, in a thread that is inside a call; the library's reference to
 * the ticket ends here.  The exception that is set there is not ours, and
 * ours is nobody's.
 */
static void
wake_ticket(void *context)
{
    memticket *self = context;
    kpy_memgap *gap = kpy_memgap_suspend();
    PyObject *wake = self->wake;
    PyObject *type;
    PyObject *value;
    PyObject *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    self->wake = NULL;
    if (wake != NULL) {
        PyObject *answer = PyObject_CallNoArgs(wake);

        if (answer == NULL) {
            PyErr_WriteUnraisable(wake);
        }
        Py_XDECREF(answer);
        Py_DECREF(wake);
    }
    Py_DECREF(self);
    PyErr_Restore(type, value, traceback);
    kpy_memgap_resume(gap);
}

static int
ticket_traverse(PyObject *object, visitproc visit, void *arg)
{
    memticket *self = (memticket *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->fs);
    Py_VISIT(self->wake);
    return 0;
}

/* Leaves the queue, or gives back what was granted. */
static void
ticket_drop(memticket *self)
{
    kist_ticket *ticket = self->ticket;

    self->ticket = NULL;
    kist_ticket_cancel(ticket);
}

static void
ticket_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    memticket *self = (memticket *)object;

    PyObject_GC_UnTrack(object);
    // The library has a reference until it wakes: this one was woken.
    ticket_drop(self);
    Py_CLEAR(self->wake);
    Py_CLEAR(self->path);
    Py_CLEAR(self->fs);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
ticket_take(PyObject *object, PyObject *unused)
{
    memticket *self = (memticket *)object;
    kpy_memfile *handle;
    kist_memfile *file;
    kist_status status;

    (void)unused;
    if (self->ticket == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "the ticket was taken or cancelled before");
        return NULL;
    }
    handle = kpy_memfile_new(self->fs);
    if (handle == NULL) {
        return NULL;
    }
    status = kist_ticket_take(self->ticket, &file);
    if (status != KIST_ERR_LOCKED) {
        self->ticket = NULL;
    }
    if (status == KIST_OK) {
        kpy_memfile_set(handle, file, self->mode);
    }
    if (status != KIST_OK || kpy_mem_raised(self->fs->state)) {
        if (status != KIST_OK) {
            (void)kpy_memopen_raise(self->fs, status, self->mode, self->path);
        }
        kist_memfile_free(handle->file);
        handle->file = NULL;
        handle->closed = true;
        Py_CLEAR(handle);
    }
    return (PyObject *)handle;
}

static PyObject *
ticket_cancel(PyObject *object, PyObject *unused)
{
    (void)unused;
    ticket_drop((memticket *)object);
    Py_RETURN_NONE;
}

static PyMethodDef ticket_methods[] = {
    {"take", ticket_take, METH_NOARGS,
     "take($self, /)\n--\n\n"
     "The handle; BlockingIOError if its turn has not come."},
    {"cancel", ticket_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nLeave the queue.  Twice is fine."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot ticket_slots[] = {
    {Py_tp_doc, "A place in the queue for a file that somebody has open."},
    {Py_tp_dealloc, KPY_SLOT(ticket_dealloc)},
    {Py_tp_traverse, KPY_SLOT(ticket_traverse)},
    {Py_tp_methods, ticket_methods},
    {0, NULL},
};

static PyType_Spec ticket_spec = {
    .name = "kist._core.MemoryFileTicket",
    .basicsize = sizeof(memticket),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = ticket_slots,
};

int
kpy_memticket_type_add(PyObject *module)
{
    return kpy_type_add(module, KPY_TYPE_MEMTICKET, &ticket_spec, NULL, false);
}

static const kpy_signature later_signature = {
    "_open_later", 4, 4, {"path", "mode", "preallocate", "wake"}};

/* A ticket, without a place in a queue so far. */
static memticket *
ticket_new(kpy_memfs *fs, PyObject *path, PyObject *wake)
{
    PyTypeObject *type = fs->state->types[KPY_TYPE_MEMTICKET];
    memticket *ticket = (memticket *)type->tp_alloc(type, 0);

    if (ticket != NULL) {
        ticket->wake = Py_NewRef(wake);
        ticket->path = Py_NewRef(path);
        ticket->fs = (kpy_memfs *)Py_NewRef((PyObject *)fs);
    }
    return ticket;
}

/* Opens the file, or gives *ticket a place; 0 or -1. */
static int
open_or_queue(memticket *ticket, kpy_memopen *call, kist_memfile **file)
{
    const kist_memfs_open_options options = {0, call->preallocate};
    kpy_memfs *fs = ticket->fs;
    kist_status status;

    ticket->mode = call->mode;
    Py_INCREF(ticket); // for wake_ticket()
    status =
        kist_memfs_open_later(fs->fs, call->path.slice, call->mode, &options,
                              wake_ticket, ticket, file, &ticket->ticket);
    kpy_mempath_done(&call->path);
    if (status != KIST_OK || *file != NULL) {
        Py_DECREF(ticket); // it will not be woken
    }
    if (status != KIST_OK) {
        (void)kpy_memopen_raise(fs, status, call->mode, ticket->path);
        return -1;
    }
    if (kpy_mem_raised(fs->state)) {
        kist_memfile_free(*file);
        ticket_drop(ticket);
        return -1;
    }
    return 0;
}

PyObject *
kpy_memfs_open_later(PyObject *object, PyObject *const *args, Py_ssize_t count,
                     PyObject *names)
{
    kpy_memfs *self = (kpy_memfs *)object;
    kist_memfile *file = NULL;
    kpy_memfile *handle;
    memticket *ticket;
    PyObject *values[4];
    PyObject *wake;
    kpy_memopen call;

    if (kpy_bind(&later_signature, args, count, names, values) < 0 ||
        kpy_memfs_of(self) == NULL) {
        return NULL;
    }
    wake = values[3];
    values[3] = NULL; // where open() has its timeout
    handle = kpy_memfile_new(self);
    ticket = ticket_new(self, values[0], wake);
    if (handle == NULL || ticket == NULL ||
        kpy_memopen_parse(self, values, &call) < 0 ||
        open_or_queue(ticket, &call, &file) < 0) {
        Py_XDECREF(ticket);
        Py_XDECREF(handle);
        return NULL;
    }
    if (file == NULL) {
        Py_DECREF(handle);
        return (PyObject *)ticket;
    }
    Py_DECREF(ticket);
    kpy_memfile_set(handle, file, call.mode);
    return (PyObject *)handle;
}
