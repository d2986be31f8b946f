#include "kpychest.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collbase.h"

#define SUFFIX ".kist"

/*
 * Address space for a mapped file to grow in.  The library's 64 GiB are for
 * the first MANY_OPEN kists of a process: thousands would not find room.
 */
#define MANY_OPEN   32
#define RESERVE_FEW ((uint64_t)1 << 30) /* and for temporal ones */

/* --- paths -----------------------------------------------------------------
 */

static char *
raise_path(PyObject *path)
{
    (void)PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    return NULL;
}

/* The folder's real path, "/" and `name`: to be freed with PyMem_Free(). */
static char *
path_join(const char *folder, const char *name, PyObject *object)
{
    char *real = realpath(folder, NULL);
    char *path;

    if (real == NULL) {
        return raise_path(object);
    }
    path = PyMem_Malloc(strlen(real) + strlen(name) + 2);
    if (path == NULL) {
        (void)PyErr_NoMemory();
    }
    else {
        (void)stpcpy(
            stpcpy(stpcpy(path, real), strcmp(real, "/") == 0 ? "" : "/"),
            name);
    }
    free(real);
    return path;
}

/* The one spelling of a base path, so that row 65 finds what is open. */
static char *
path_make(PyObject *object)
{
    PyObject *bytes = NULL;
    char *text;
    char *slash;
    char *path;
    size_t size;

    if (PyUnicode_FSConverter(object, &bytes) == 0) {
        return NULL;
    }
    text = PyBytes_AS_STRING(bytes);
    size = (size_t)PyBytes_GET_SIZE(bytes);
    if (size > sizeof(SUFFIX) - 1 &&
        strcmp(text + size - (sizeof(SUFFIX) - 1), SUFFIX) == 0) {
        size -= sizeof(SUFFIX) - 1;
    }
    text = PyMem_Malloc(size + 1);
    if (text == NULL) {
        Py_DECREF(bytes);
        (void)PyErr_NoMemory();
        return NULL;
    }
    memcpy(text, PyBytes_AS_STRING(bytes), size);
    text[size] = '\0';
    Py_DECREF(bytes);
    slash = strrchr(text, '/');
    if (size == 0 || (slash != NULL && slash[1] == '\0')) {
        errno = size == 0 ? ENOENT : EISDIR;
        path = raise_path(object);
    }
    else if (slash == NULL) {
        path = path_join(".", text, object);
    }
    else {
        *slash = '\0';
        path = path_join(slash == text ? "/" : text, slash + 1, object);
    }
    PyMem_Free(text);
    return path;
}

/* The path of the log; false if it is too long. */
static bool
log_path(const char *path, char log[PATH_MAX])
{
    if (strlen(path) + sizeof(SUFFIX) > PATH_MAX) {
        return false;
    }
    (void)stpcpy(stpcpy(log, path), SUFFIX);
    return true;
}

/* True if the log is there and may not be written to. */
static bool
log_is_read_only(const char *path)
{
    char log[PATH_MAX];

    return log_path(path, log) && eaccess(log, F_OK) == 0 &&
           eaccess(log, W_OK) != 0;
}

/* Notes which file the log is, at which generation. */
static bool
chest_note(kpy_chest *chest, const struct stat *log)
{
    kist_metrics metrics;

    if (kist_metrics_get(chest->kist, &metrics) != KIST_OK) {
        return false;
    }
    chest->device = log->st_dev;
    chest->inode = log->st_ino;
    chest->generation = metrics.generation;
    return true;
}

/* False if the files of the open chest are not those of its path any more. */
static bool
chest_is_there(kpy_chest *chest)
{
    const uint64_t generation = chest->generation;
    char log[PATH_MAX];
    struct stat now;

    if (chest->ghost || !log_path(chest->path, log) || stat(log, &now) != 0) {
        chest->ghost = true;
        return false;
    }
    if (now.st_dev == chest->device && now.st_ino == chest->inode) {
        return true;
    }
    if (!chest_note(chest, &now)) {
        return false;
    }
    chest->ghost = chest->generation == generation;
    return !chest->ghost;
}

/* --- the chests that are open
 * ------------------------------------------------
 */

static bool
options_equal(const kist_options *a, const kist_options *b)
{
    return a->durability == b->durability && a->read_only == b->read_only &&
           a->compact_ratio == b->compact_ratio;
}

static kpy_chest *
chest_find(kpy_state *state, const char *path, const kist_options *options)
{
    kpy_chest *chest;

    for (chest = state->chests; chest != NULL; chest = chest->next) {
        if (chest->kist != NULL && !chest->closing && chest->pid == getpid() &&
            strcmp(chest->path, path) == 0 &&
            options_equal(&chest->options, options) && chest_is_there(chest)) {
            return kpy_chest_retain(chest);
        }
    }
    return NULL;
}

static size_t
chests_count(const kpy_state *state)
{
    const kpy_chest *chest;
    size_t count = 0;

    for (chest = state->chests; chest != NULL; chest = chest->next) {
        count++;
    }
    return count;
}

static void
chest_unlink(kpy_chest *chest)
{
    kpy_chest **place = &chest->state->chests;

    while (*place != NULL && *place != chest) {
        place = &(*place)->next;
    }
    if (*place == chest) {
        *place = chest->next;
    }
}

/* --- opening
 * -----------------------------------------------------------------
 */

static void
chest_free(kpy_chest *chest)
{
    PyMem_Free(chest->path);
    PyMem_Free(chest);
}

/* Without the GIL, however long the lock is held by others. */
static kist_status
chest_open(kpy_chest *chest)
{
    kpy_turn turn = {.slow = true};
    kist *opened = NULL;
    kist_status status;

    do {
        kpy_turn_enter(&turn, chest);
        status = kist_open(chest->path, &chest->options, &opened);
    } while (kpy_turn_again(&turn, chest, &status));
    chest->kist = opened;
    chest->busy = 0; // nobody else knows the chest yet
    return status;
}

/* What is to be known of a chest that others are about to find. */
static void
chest_begin(kpy_chest *chest)
{
    char log[PATH_MAX];
    struct stat now;

    chest->ghost = !log_path(chest->path, log) || stat(log, &now) != 0 ||
                   !chest_note(chest, &now);
}

static kpy_chest *
chest_new(kpy_state *state, const kpy_options *options, char *path)
{
    kpy_chest *chest = PyMem_Calloc(1, sizeof(*chest));

    if (chest == NULL) {
        PyMem_Free(path);
        (void)PyErr_NoMemory();
        return NULL;
    }
    chest->state = state;
    chest->path = path;
    chest->options = options->kist;
    chest->lock_timeout_ms = options->lock_timeout_ms;
    chest->pid = getpid();
    chest->temporal = options->base_path == NULL;
    if (chest->temporal) {
        chest->options.must_create = true;
        chest->options.map_reserve = RESERVE_FEW;
    }
    else if (log_is_read_only(path)) {
        chest->options.read_only = true; // row 72: mode bits say so, too
    }
    if (chests_count(state) >= MANY_OPEN) {
        chest->options.map_reserve = RESERVE_FEW;
    }
    // What may sync or compact in the middle of a write may wait.
    chest->slow = chest->options.durability == KIST_SYNC ||
                  chest->options.compact_ratio > 0.0;
    return chest;
}

kpy_chest *
kpy_chest_acquire(kpy_state *state, const kpy_options *options)
{
    char *path = options->base_path == NULL ? kpy_temporal_path(state)
                                            : path_make(options->base_path);
    kpy_chest *chest;
    kpy_chest *other;
    kist_status status;

    if (path == NULL) {
        return NULL;
    }
    chest = chest_new(state, options, path);
    if (chest == NULL) {
        return NULL;
    }
    other = chest_find(state, path, &chest->options);
    if (other != NULL) {
        chest_free(chest);
        return other;
    }
    status = chest_open(chest);
    if (status != KIST_OK) {
        (void)kpy_raise(state, status);
        chest_free(chest);
        return NULL;
    }
    // Another thread may have opened the same while the GIL was gone.
    other = chest_find(state, path, &chest->options);
    if (other == NULL) {
        chest_begin(chest);
        chest->next = state->chests;
        state->chests = chest;
        return kpy_chest_retain(chest);
    }
    (void)kist_close(chest->kist);
    chest_free(chest);
    return other;
}

/* --- closing
 * ------------------------------------------------------------------
 */

/*
 * Takes the kist out of the chest under the GIL, so that nobody else does,
 * and closes it without.  A child of the process that opened it frees the
 * memory and leaves the files alone (row 67).
 */
static kist_status
chest_close(kpy_chest *chest)
{
    kist *closing = chest->kist;
    const bool destroy =
        (chest->temporal || chest->doomed) && chest->pid == getpid();
    kist_status status;

    chest->kist = NULL;
    chest_unlink(chest);
    chest->users++; // for the time without the GIL
    Py_BEGIN_ALLOW_THREADS status = kist_close(closing);
    if (destroy) {
        status = kist_destroy(chest->path);
        if (status == KIST_ERR_IO && kist_last_error()->sys_errno == ENOENT) {
            status = KIST_OK; // somebody was faster
        }
    }
    Py_END_ALLOW_THREADS chest->users--;
    return status;
}

kist_status
kpy_chest_settle(kpy_chest *chest)
{
    kist_status status = KIST_OK;

    if (chest->busy > 0) {
        return KIST_OK;
    }
    if (chest->kist != NULL && (chest->closing || chest->users == 0)) {
        status = chest_close(chest);
    }
    if (chest->users == 0 && chest->kist == NULL) {
        chest_free(chest);
    }
    return status;
}

kist_status
kpy_chest_release(kpy_chest *chest)
{
    chest->users--;
    if (chest->users > 0) {
        return KIST_OK;
    }
    chest->closing = true;
    return kpy_chest_settle(chest);
}

/* Closes the chest under its users, who keep the empty shell. */
static kist_status
chest_shut(kpy_chest *chest)
{
    kist_status status;

    chest->closing = true;
    chest->users++;
    while (chest->colls != NULL) {
        kpy_coll_forget(chest->colls);
    }
    status = kpy_chest_settle(chest);
    chest->users--;
    if (chest->users == 0) {
        const kist_status last = kpy_chest_settle(chest);

        status = status == KIST_OK ? last : status;
    }
    return status;
}

/* Another open chest of the path of `chest`, or NULL. */
static kpy_chest *
chest_twin(const kpy_chest *chest)
{
    kpy_chest *other;

    for (other = chest->state->chests; other != NULL; other = other->next) {
        if (other != chest && strcmp(other->path, chest->path) == 0) {
            return other;
        }
    }
    return NULL;
}

int
kpy_chest_destroy(kpy_chest *chest)
{
    kpy_state *state = chest->state;
    kpy_chest *twin;
    kist_status status;

    // Closing lets the GIL go: others may let go of the chest meanwhile.
    (void)kpy_chest_retain(chest);
    while ((twin = chest_twin(chest)) != NULL) {
        chest_unlink(twin);
        (void)chest_shut(twin);
    }
    chest->doomed = true;
    status = chest_shut(chest);
    (void)kpy_chest_release(chest);
    return status == KIST_OK ? 0 : kpy_raise_int(state, status);
}

/* Warns of all that nobody closed; a warning may run anything. */
static void
chests_warn(kpy_state *state)
{
    kpy_chest *chest = state->chests;
    kpy_coll *coll;

    while (chest != NULL) {
        // One that is just being freed has no reference left to take.
        for (coll = chest->colls;
             coll != NULL && (!coll->warns || Py_REFCNT(coll) == 0);) {
            coll = coll->next;
        }
        if (coll == NULL) {
            chest = chest->next;
            continue;
        }
        Py_INCREF((PyObject *)coll);
        kpy_coll_warn(coll);
        coll->warns = false;
        Py_DECREF((PyObject *)coll);
        chest = state->chests;
    }
}

void
kpy_chest_close_all(kpy_state *state)
{
    chests_warn(state);
    while (state->chests != NULL) {
        kpy_chest *chest = state->chests;

        chest_unlink(chest);
        (void)chest_shut(chest);
    }
}
