#include "coll/filepair.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/gen.h"
#include "os/file.h"
#include "os/filelock.h"

#define LOG_SUFFIX   ".kist"
#define INDEX_SUFFIX ".kistx"
#define TRIES_MAX    100u

/* `size` bytes of `path` and the suffix; NULL: no memory. */
static char *
with_suffix(const char *path, size_t size, const char *suffix)
{
    const size_t more = strlen(suffix) + 1;
    char *whole = ki_calloc(1, size + more);

    if (whole != NULL) {
        memcpy(whole, path, size);
        memcpy(whole + size, suffix, more);
    }
    return whole;
}

kist_status
ki_filepair_paths(const char *path, char **log_path, char **index_path)
{
    const size_t suffix = strlen(LOG_SUFFIX);
    size_t size;

    *log_path = NULL;
    *index_path = NULL;
    if (path == NULL || *path == '\0') {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "empty path");
    }
    size = strlen(path);
    if (size > suffix && strcmp(path + size - suffix, LOG_SUFFIX) == 0) {
        size -= suffix;
    }
    *log_path = with_suffix(path, size, LOG_SUFFIX);
    *index_path = with_suffix(path, size, INDEX_SUFFIX);
    return *log_path != NULL && *index_path != NULL
               ? KIST_OK
               : KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "path");
}

/*
 * Is what we have open and locked what the path names?  A compaction may have
 * put another file there in between.
 */
static kist_status
still_named(const ki_reclog *log, bool *named)
{
    ki_file_id id;
    int fd = -1;
    kist_status status;

    *named = false;
    status = ki_file_open(log->path, O_RDONLY | O_NOFOLLOW, 0, &fd);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_io->identify(fd, &id) != 0) {
        status = KI_FAIL(KIST_ERR_IO, log->path, KI_NO_OFFSET, "statx");
    }
    else {
        *named = id.inode == log->id.inode && id.device == log->id.device;
    }
    ki_file_close(&fd);
    return status;
}

kist_status
ki_filepair_open_alone(ki_reclog *log, const char *log_path, uint64_t reserve)
{
    unsigned tries;
    bool named = false;
    kist_status status = KIST_OK;

    for (tries = 0; tries < TRIES_MAX; tries++) {
        status = ki_reclog_open(log, log_path, true, reserve);
        if (status != KIST_OK) {
            return status;
        }
        status = ki_filelock_take(log->fd, log_path, KI_LOCK_BYTE_OPENER,
                                  KI_LOCK_EXCLUSIVE, 0);
        if (status == KIST_OK) {
            status = ki_filelock_take(log->fd, log_path, KI_LOCK_BYTE_USERS,
                                      KI_LOCK_EXCLUSIVE, 0);
        }
        if (status == KIST_OK) {
            status = still_named(log, &named);
        }
        if (status == KIST_OK && named) {
            return KIST_OK;
        }
        ki_reclog_close(log);
        if (status != KIST_OK) {
            break;
        }
    }
    return status != KIST_OK && status != KIST_ERR_LOCKED
               ? status
               : KI_FAIL(KIST_ERR_LOCKED, log_path, KI_NO_OFFSET,
                         "in use by another handle");
}
