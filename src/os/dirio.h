/*
 * dirio.h - the calls on names and directories that can fail or be lost, as
 * io.h has those on files.
 *
 * Every entry behaves like the call it is named after: -1 and errno.  EINTR is
 * handled by the table where the call knows it.  `dir` is an open directory,
 * or AT_FDCWD.
 *
 * Layer    os.
 * Threads  set once, before the first store is opened.
 */
#ifndef KI_OS_DIRIO_H
#define KI_OS_DIRIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef struct kist_dirio {
    int (*open)(int dir, const char *path, int flags, mode_t mode);
    /*
     * As open, without following a symbolic link anywhere in `path` and
     * without leaving `dir`: openat2(), or a step at a time where the kernel
     * has none.  `path` has no ".." and no empty component.
     */
    int (*open_beneath)(int dir, const char *path, int flags);
    /* Of the name itself, not of what a link points to. */
    int (*stat)(int dir, const char *name, struct stat *status);
    int (*mkdir)(int dir, const char *name, mode_t mode);
    int (*unlink)(int dir, const char *name);
    int (*rmdir)(int dir, const char *name);
    /* `exclusive`: EEXIST if `to` is there (link and unlink where the file
     * system knows no RENAME_NOREPLACE; EEXIST of a link that was made all
     * the same, by a server that was asked twice, is no failure). */
    int (*rename)(int from_dir, const char *from, int to_dir, const char *to,
                  bool exclusive);
    /* struct linux_dirent64 entries; 0 at the end. */
    ssize_t (*list)(int fd, void *entries, size_t size);
    /* LOCK_EX, LOCK_NB, LOCK_UN of flock(). */
    int (*flock)(int fd, int operation);
    /* Makes descriptor `to` another name of what `from` has open. */
    int (*replace)(int from, int to);
    /* Of `name` in directory `at`; of the open file `at` where it is NULL. */
    int (*set_mtime)(int at, const char *name, int64_t mtime_ns);
    /* Writes all that the file system of `fd` has not written yet. */
    int (*sync_all)(int fd);
} kist_dirio;

/* The table in use: ki_posix_dirio unless a test has replaced it. */
extern const kist_dirio *ki_dirio;

/* The real one. */
extern const kist_dirio ki_posix_dirio;

#endif /* KI_OS_DIRIO_H */
