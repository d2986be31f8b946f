/*
 * The detail lives on the heap and not in thread-local storage: the library
 * uses the initial-exec model (os/inflight.h), so that whatever it keeps in
 * thread-local storage must fit the few hundred spare bytes that all loaded
 * modules share.  Where there is no memory for the detail, the thread is given
 * one of `bare`, which says the status and nothing else.
 */
#include "kist/status.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

#define STATUS_COUNT ((size_t)KIST_ERR_POLICY + 1)

static const struct {
    const char *name;
    const char *meaning;
} statuses[STATUS_COUNT] = {
    [KIST_OK] = {"KIST_OK", "no error"},
    [KIST_END] = {"KIST_END", "no further item"},
    [KIST_ERR_NOTFOUND] = {"KIST_ERR_NOTFOUND", "not found"},
    [KIST_ERR_RANGE] = {"KIST_ERR_RANGE", "index out of range"},
    [KIST_ERR_TYPE] = {"KIST_ERR_TYPE", "wrong type"},
    [KIST_ERR_OVERFLOW] = {"KIST_ERR_OVERFLOW", "value out of range"},
    [KIST_ERR_KIND] = {"KIST_ERR_KIND", "another kind of collection"},
    [KIST_ERR_INVALID] = {"KIST_ERR_INVALID", "invalid argument"},
    [KIST_ERR_TOOBIG] = {"KIST_ERR_TOOBIG", "too big"},
    [KIST_ERR_NOMEM] = {"KIST_ERR_NOMEM", "out of memory"},
    [KIST_ERR_IO] = {"KIST_ERR_IO", "input or output failed"},
    [KIST_ERR_READONLY] = {"KIST_ERR_READONLY", "opened read-only"},
    [KIST_ERR_LOCKED] = {"KIST_ERR_LOCKED", "held by another"},
    [KIST_ERR_CLOSED] = {"KIST_ERR_CLOSED", "closed"},
    [KIST_ERR_FORKED] = {"KIST_ERR_FORKED", "opened before fork"},
    [KIST_ERR_POISONED] = {"KIST_ERR_POISONED", "an earlier sync failed"},
    [KIST_ERR_CORRUPT] = {"KIST_ERR_CORRUPT", "damaged"},
    [KIST_ERR_NOTKIST] = {"KIST_ERR_NOTKIST", "not a kist"},
    [KIST_ERR_NEWER] = {"KIST_ERR_NEWER", "newer than this library"},
    [KIST_ERR_EXISTS] = {"KIST_ERR_EXISTS", "exists already"},
    [KIST_ERR_BUSY] = {"KIST_ERR_BUSY", "busy"},
    [KIST_ERR_CHANGED] = {"KIST_ERR_CHANGED", "changed during the scan"},
    [KIST_ERR_QUOTA] = {"KIST_ERR_QUOTA", "quota exceeded"},
    [KIST_ERR_NODES] = {"KIST_ERR_NODES", "node limit exceeded"},
    [KIST_ERR_ISDIR] = {"KIST_ERR_ISDIR", "is a directory"},
    [KIST_ERR_NOTDIR] = {"KIST_ERR_NOTDIR", "is not a directory"},
    [KIST_ERR_NOPARENT] = {"KIST_ERR_NOPARENT", "parent directory missing"},
    [KIST_ERR_UNSUPPORTED] = {"KIST_ERR_UNSUPPORTED", "not supported"},
    [KIST_ERR_POLICY] = {"KIST_ERR_POLICY", "refused by policy"},
};

#define BARE(number)                                                          \
    [number] = {                                                              \
        .status = (number), .offset = KI_NO_OFFSET, .what = "", .file = ""}

static const kist_error bare[STATUS_COUNT] = {
    BARE(KIST_OK),           BARE(KIST_END),
    BARE(KIST_ERR_NOTFOUND), BARE(KIST_ERR_RANGE),
    BARE(KIST_ERR_TYPE),     BARE(KIST_ERR_OVERFLOW),
    BARE(KIST_ERR_KIND),     BARE(KIST_ERR_INVALID),
    BARE(KIST_ERR_TOOBIG),   BARE(KIST_ERR_NOMEM),
    BARE(KIST_ERR_IO),       BARE(KIST_ERR_READONLY),
    BARE(KIST_ERR_LOCKED),   BARE(KIST_ERR_CLOSED),
    BARE(KIST_ERR_FORKED),   BARE(KIST_ERR_POISONED),
    BARE(KIST_ERR_CORRUPT),  BARE(KIST_ERR_NOTKIST),
    BARE(KIST_ERR_NEWER),    BARE(KIST_ERR_EXISTS),
    BARE(KIST_ERR_BUSY),     BARE(KIST_ERR_CHANGED),
    BARE(KIST_ERR_QUOTA),    BARE(KIST_ERR_NODES),
    BARE(KIST_ERR_ISDIR),    BARE(KIST_ERR_NOTDIR),
    BARE(KIST_ERR_NOPARENT), BARE(KIST_ERR_UNSUPPORTED),
    BARE(KIST_ERR_POLICY),
};

static _Thread_local const kist_error *last_error; // the answer; NULL: none
static _Thread_local kist_error *own_error;        // owned; freed by the key

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

static void
free_detail(void *detail)
{
    // A later destructor of the same thread may fail again.
    last_error = NULL;
    own_error = NULL;
    ki_free(detail);
}

static void
make_key(void)
{
    key_made = pthread_key_create(&key, free_detail) == 0;
}

/* This thread's detail to write into, or NULL. */
static kist_error *
take_detail(void)
{
    if (own_error == NULL) {
        pthread_once(&key_once, make_key);
        if (!key_made) {
            return NULL;
        }
        own_error = ki_calloc(1, sizeof(*own_error));
        if (own_error != NULL && pthread_setspecific(key, own_error) != 0) {
            ki_free(own_error);
            own_error = NULL;
        }
    }
    return own_error;
}

kist_status
ki_fail(kist_status status, const char *path, uint64_t offset,
        const char *what, const char *file, int line)
{
    const int sys_errno = errno;
    kist_error *detail;

    if (status == KIST_OK || status == KIST_END ||
        status == KIST_ERR_NOTFOUND || status == KIST_ERR_RANGE) {
        return status;
    }
    detail = take_detail();
    if (detail == NULL) {
        last_error =
            &bare[(size_t)status < STATUS_COUNT ? status : KIST_ERR_IO];
    }
    else {
        // The path may be that of the detail itself.
        const size_t room = sizeof(detail->path) - 1;
        const size_t size = path == NULL ? 0 : strnlen(path, room);

        if (size > 0) {
            memmove(detail->path, path, size);
        }
        detail->path[size] = '\0';
        detail->status = status;
        detail->sys_errno =
            status == KIST_ERR_IO || status == KIST_ERR_NOMEM ? sys_errno : 0;
        detail->offset = offset;
        detail->what = what == NULL ? "" : what;
        detail->file = file;
        detail->line = line;
        detail->asked = 0;
        detail->available = 0;
        last_error = detail;
    }
    errno = sys_errno;
    return status;
}

kist_status
ki_fail_limit(kist_status status, uint64_t asked, uint64_t available,
              const char *what, const char *file, int line)
{
    (void)ki_fail(status, NULL, KI_NO_OFFSET, what, file, line);
    if (own_error != NULL && last_error == own_error) {
        own_error->asked = asked;
        own_error->available = available;
    }
    return status;
}

const kist_error *
kist_last_error(void)
{
    return last_error == NULL ? &bare[KIST_OK] : last_error;
}

const char *
kist_status_name(kist_status status)
{
    const size_t number = (size_t)status;

    return number < STATUS_COUNT ? statuses[number].name : "KIST_ERR_?";
}

/* What the status means, or for a failed call, what the system says. */
static const char *
describe(const kist_error *detail, char *text, size_t size)
{
    const size_t number = (size_t)detail->status;

    if (detail->status == KIST_ERR_IO && detail->sys_errno != 0) {
#ifdef __GLIBC__
        return strerror_r(detail->sys_errno, text, size);
#else
        return strerror_r(detail->sys_errno, text, size) == 0 ? text : "";
#endif
    }
    return number < STATUS_COUNT ? statuses[number].meaning : "unknown";
}

size_t
kist_error_text(char *text, size_t size)
{
    const kist_error *detail = kist_last_error();
    char at[40] = "";
    char system[128] = "";
    int length;

    if (detail->offset != KI_NO_OFFSET) {
        snprintf(at, sizeof(at), " at offset %" PRIu64, detail->offset);
    }
    length = snprintf(text, size, "%s%s%s%s%s%s", detail->path,
                      detail->path[0] != '\0' ? ": " : "", detail->what, at,
                      detail->what[0] != '\0' || at[0] != '\0' ? ": " : "",
                      describe(detail, system, sizeof(system)));
    return length < 0 ? 0 : (size_t)length;
}
