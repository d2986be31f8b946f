#include "failtables.h"

#include <errno.h>
#include <stddef.h>
#include <sys/file.h>

#include "os/dirio.h"
#include "os/io.h"
#include "support/failalloc.h"

static const kt_fault *armed;
static uint64_t seen;
static uint64_t hits;

/* Does this call go wrong?  errno is set then. */
static bool
is_due(kt_fault_kind kind)
{
    if (armed == NULL || armed->kind != kind) {
        return false;
    }
    seen++;
    if (seen < armed->nth || (seen > armed->nth && !armed->on)) {
        return false;
    }
    hits++;
    errno = armed->error > 0 ? armed->error : EIO;
    return true;
}

static int
fail_open(int dir, const char *path, int flags, mode_t mode)
{
    return is_due(KT_FAULT_OPEN) ? -1
                                 : ki_posix_dirio.open(dir, path, flags, mode);
}

static int
fail_beneath(int dir, const char *path, int flags)
{
    return is_due(KT_FAULT_BENEATH)
               ? -1
               : ki_posix_dirio.open_beneath(dir, path, flags);
}

static int
fail_look(int dir, const char *name, struct stat *status)
{
    return is_due(KT_FAULT_LOOK) ? -1 : ki_posix_dirio.stat(dir, name, status);
}

/* What a call gives whose answer was lost. */
static int
lost(int result, int error)
{
    if (result == 0) {
        errno = error;
    }
    return -1;
}

static int
fail_mkdir(int dir, const char *name, mode_t mode)
{
    if (is_due(KT_FAULT_MKDIR)) {
        return armed->error == KT_FAULT_LOST
                   ? lost(ki_posix_dirio.mkdir(dir, name, mode), EEXIST)
                   : -1;
    }
    return ki_posix_dirio.mkdir(dir, name, mode);
}

static int
fail_unlink(int dir, const char *name)
{
    if (is_due(KT_FAULT_UNLINK)) {
        return armed->error == KT_FAULT_LOST
                   ? lost(ki_posix_dirio.unlink(dir, name), ENOENT)
                   : -1;
    }
    return ki_posix_dirio.unlink(dir, name);
}

static int
fail_rmdir(int dir, const char *name)
{
    return is_due(KT_FAULT_RMDIR) ? -1 : ki_posix_dirio.rmdir(dir, name);
}

static int
fail_rename(int from_dir, const char *from, int to_dir, const char *to,
            bool exclusive)
{
    if (is_due(KT_FAULT_RENAME)) {
        return armed->error == KT_FAULT_LOST
                   ? lost(ki_posix_dirio.rename(from_dir, from, to_dir, to,
                                                exclusive),
                          ENOENT)
                   : -1;
    }
    return ki_posix_dirio.rename(from_dir, from, to_dir, to, exclusive);
}

static ssize_t
fail_list(int fd, void *entries, size_t size)
{
    return is_due(KT_FAULT_LIST) ? -1 : ki_posix_dirio.list(fd, entries, size);
}

/* Unlocking what one has locked cannot fail. */
static int
fail_flock(int fd, int operation)
{
    return operation != LOCK_UN && is_due(KT_FAULT_FLOCK)
               ? -1
               : ki_posix_dirio.flock(fd, operation);
}

static int
fail_replace(int from, int to)
{
    return is_due(KT_FAULT_REPLACE) ? -1 : ki_posix_dirio.replace(from, to);
}

static int
fail_mtime(int dir, const char *name, int64_t mtime_ns)
{
    return is_due(KT_FAULT_MTIME)
               ? -1
               : ki_posix_dirio.set_mtime(dir, name, mtime_ns);
}

static int
fail_sync_all(int fd)
{
    return is_due(KT_FAULT_SYNC_ALL) ? -1 : ki_posix_dirio.sync_all(fd);
}

/* The descriptor is gone, whatever close() answers. */
static int
fail_close(int fd)
{
    if (is_due(KT_FAULT_CLOSE)) {
        const int error = errno;

        (void)ki_posix_io.close(fd);
        errno = error;
        return -1;
    }
    return ki_posix_io.close(fd);
}

static ssize_t
fail_pread(int fd, void *data, size_t size, off_t offset)
{
    if (is_due(KT_FAULT_READ)) {
        if (armed->error != KT_FAULT_SHORT) {
            return -1;
        }
        size -= size / 2;
    }
    return ki_posix_io.pread(fd, data, size, offset);
}

static ssize_t
fail_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (is_due(KT_FAULT_WRITE)) {
        if (armed->error != KT_FAULT_SHORT) {
            return -1;
        }
        size -= size / 2;
    }
    return ki_posix_io.pwrite(fd, data, size, offset);
}

static int
fail_fstat(int fd, struct stat *status)
{
    return is_due(KT_FAULT_FSTAT) ? -1 : ki_posix_io.fstat(fd, status);
}

static int
fail_fsync(int fd)
{
    return is_due(KT_FAULT_FSYNC) ? -1 : ki_posix_io.fsync(fd);
}

static int
fail_fs_type(int fd, uint64_t *type)
{
    return is_due(KT_FAULT_FS_TYPE) ? -1 : ki_posix_io.fs_type(fd, type);
}

static int
fail_random(void *data, size_t size)
{
    return is_due(KT_FAULT_RANDOM) ? -1 : ki_posix_io.random(data, size);
}

static const kist_dirio failing_dirio = {
    .open = fail_open,
    .open_beneath = fail_beneath,
    .stat = fail_look,
    .mkdir = fail_mkdir,
    .unlink = fail_unlink,
    .rmdir = fail_rmdir,
    .rename = fail_rename,
    .list = fail_list,
    .flock = fail_flock,
    .replace = fail_replace,
    .set_mtime = fail_mtime,
    .sync_all = fail_sync_all,
};

static kist_io
    failing_io; /* the real one but for what kt_fault_install() puts in */

void
kt_fault_install(void)
{
    failing_io = ki_posix_io;
    failing_io.close = fail_close;
    failing_io.pread = fail_pread;
    failing_io.pwrite = fail_pwrite;
    failing_io.fstat = fail_fstat;
    failing_io.fsync = fail_fsync;
    failing_io.fs_type = fail_fs_type;
    failing_io.random = fail_random;
    ki_io = &failing_io;
    ki_dirio = &failing_dirio;
}

void
kt_fault_remove(void)
{
    ki_io = &ki_posix_io;
    ki_dirio = &ki_posix_dirio;
}

void
kt_fault_arm(const kt_fault *with)
{
    seen = 0;
    hits = 0;
    armed = with;
    if (with->kind == KT_FAULT_ALLOC) {
        kt_alloc_fail(with->nth, with->on);
    }
}

uint64_t
kt_fault_disarm(void)
{
    if (armed->kind == KT_FAULT_ALLOC) {
        hits = kt_alloc_hit();
        kt_alloc_heal();
    }
    armed = NULL;
    return hits;
}
