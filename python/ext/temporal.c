/*
 * Temporal kists: their names, and what dead processes left of them (P24).
 *
 *     /tmp/fscollection_4711_0123456789abcdef.kist
 *                       pid  random
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "kpychest.h"

#define PREFIX    "fscollection_"
#define RANDOM    8u
#define NAME_SIZE 64

/* True if `name` is the log of a temporal kist of a process that is gone. */
static bool
is_stale(const char *name)
{
    const size_t size = strlen(name);
    char *end;
    long pid;

    if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0 || size < 5 ||
        strcmp(name + size - 5, ".kist") != 0) {
        return false;
    }
    name += sizeof(PREFIX) - 1;
    if (!isdigit((unsigned char)name[0])) {
        return false;
    }
    pid = strtol(name, &end, 10);
    return *end == '_' && pid > 0 && (long)(pid_t)pid == pid &&
           kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/*
 * Whoever still has one open, in another pid namespace perhaps, keeps it:
 * kist_destroy() answers LOCKED.  What belongs to others fails too, and
 * neither matters.
 */
static void
sweep(const char *folder)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;

    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        char path[PATH_MAX];
        int size;

        if (!is_stale(entry->d_name)) {
            continue;
        }
        size = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (size > 0 && (size_t)size < sizeof(path)) {
            const kist_status status = kist_destroy(path);

            (void)status;
        }
    }
    (void)closedir(directory);
}

static char *
name_make(const char *folder)
{
    uint8_t random[RANDOM];
    char name[NAME_SIZE];
    size_t used;
    size_t i;
    char *path;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        (void)PyErr_SetFromErrno(PyExc_OSError);
        return NULL;
    }
    used = (size_t)snprintf(name, sizeof(name), "/" PREFIX "%ld_",
                            (long)getpid());
    for (i = 0; i < sizeof(random); i++) {
        used += (size_t)snprintf(name + used, sizeof(name) - used, "%02x",
                                 random[i]);
    }
    path = PyMem_Malloc(strlen(folder) + used + 1);
    if (path == NULL) {
        (void)PyErr_NoMemory();
        return NULL;
    }
    (void)stpcpy(stpcpy(path, folder), name);
    return path;
}

char *
kpy_temporal_path(kpy_state *state)
{
    PyObject *gettempdir = kpy_lazy(state, KPY_LAZY_GETTEMPDIR);
    PyObject *folder = NULL;
    PyObject *bytes = NULL;
    char *path = NULL;

    if (gettempdir != NULL) {
        folder = PyObject_CallNoArgs(gettempdir);
    }
    if (folder != NULL && PyUnicode_FSConverter(folder, &bytes) != 0) {
        if (!state->temp_swept) {
            state->temp_swept = true;
            Py_BEGIN_ALLOW_THREADS sweep(PyBytes_AS_STRING(bytes));
            Py_END_ALLOW_THREADS
        }
        path = name_make(PyBytes_AS_STRING(bytes));
    }
    Py_XDECREF(bytes);
    Py_XDECREF(folder);
    return path;
}
