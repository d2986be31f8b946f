#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/dirio.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static int
real_open(int dir, const char *path, int flags, mode_t mode)
{
    int fd;

    do {
        fd = openat(dir, path, flags, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* One component at a time, none of them a link. */
static int
open_by_steps(int dir, const char *path, int flags)
{
    char name[NAME_MAX + 1];
    int at = dir;

    for (;;) {
        const char *end = strchrnul(path, '/');
        const size_t size = (size_t)(end - path);
        const bool last = *end == '\0' || end[1] == '\0';
        int fd;
        int error;

        if (size >= sizeof(name)) {
            errno = ENAMETOOLONG;
            fd = -1;
        }
        else {
            memcpy(name, path, size);
            name[size] = '\0';
            fd = real_open(at, name,
                           (last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC) |
                               O_NOFOLLOW,
                           0);
        }
        error = errno;
        if (at != dir) {
            (void)close(at);
        }
        errno = error;
        if (fd < 0 || last) {
            return fd;
        }
        at = fd;
        path = end + 1;
    }
}

static int
real_open_beneath(int dir, const char *path, int flags)
{
    // A kernel before 5.6, or a sandbox, has no openat2().
    static _Atomic bool missing;
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
        do {
            fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
        } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return (int)fd;
        }
        if (errno == ENOSYS) {
            atomic_store_explicit(&missing, true, memory_order_relaxed);
        }
    }
    return open_by_steps(dir, path, flags);
}

static int
real_stat(int dir, const char *name, struct stat *status)
{
    return fstatat(dir, name, status, AT_SYMLINK_NOFOLLOW);
}

static int
real_unlink(int dir, const char *name)
{
    return unlinkat(dir, name, 0);
}

static int
real_rmdir(int dir, const char *name)
{
    return unlinkat(dir, name, AT_REMOVEDIR);
}

/*
 * For a moment the file has two names.  A server may have been asked twice,
 * the first answer being lost: then the link is there, and is ours.
 */
static int
link_and_unlink(int from_dir, const char *from, int to_dir, const char *to)
{
    struct stat status;

    if (linkat(from_dir, from, to_dir, to, 0) != 0) {
        const int error = errno;

        if (error != EEXIST || real_stat(from_dir, from, &status) != 0 ||
            status.st_nlink != 2) {
            errno = error;
            return -1;
        }
    }
    return real_unlink(from_dir, from);
}

static int
real_rename(int from_dir, const char *from, int to_dir, const char *to,
            bool exclusive)
{
    if (!exclusive) {
        return renameat(from_dir, from, to_dir, to);
    }
    if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    return link_and_unlink(from_dir, from, to_dir, to);
}

static ssize_t
real_list(int fd, void *entries, size_t size)
{
    return getdents64(fd, entries, size);
}

static int
real_flock(int fd, int operation)
{
    int result;

    do {
        result = flock(fd, operation);
    } while (result != 0 && errno == EINTR);
    return result;
}

static int
real_replace(int from, int to)
{
    int result;

    do {
        result = dup3(from, to, O_CLOEXEC);
    } while (result < 0 && (errno == EINTR || errno == EBUSY));
    return result;
}

static int
real_set_mtime(int at, const char *name, int64_t mtime_ns)
{
    const struct timespec times[2] = {
        {.tv_sec = 0, .tv_nsec = UTIME_OMIT},
        {.tv_sec = mtime_ns / 1000000000, .tv_nsec = mtime_ns % 1000000000},
    };

    return name == NULL ? futimens(at, times)
                        : utimensat(at, name, times, AT_SYMLINK_NOFOLLOW);
}

const kist_dirio ki_posix_dirio = {
    .open = real_open,
    .open_beneath = real_open_beneath,
    .stat = real_stat,
    .mkdir = mkdirat,
    .unlink = real_unlink,
    .rmdir = real_rmdir,
    .rename = real_rename,
    .list = real_list,
    .flock = real_flock,
    .replace = real_replace,
    .set_mtime = real_set_mtime,
    .sync_all = syncfs,
};

const kist_dirio *ki_dirio = &ki_posix_dirio;
