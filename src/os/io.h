/*
 * io.h - the table of everything that can fail or be lost.
 *
 * No code above os/ makes a system call by itself.  Tests put their own table
 * in: one that fails the n-th call, gives short counts, or keeps a record of
 * what has been synced and builds the files that a power cut could leave.
 *
 * Every entry behaves like the call it is named after: -1 (MAP_FAILED for
 * map) and errno on failure.  EINTR and short counts are not handled here but
 * once above, in file.c.
 *
 * Layer    os.
 * Threads  set once, before the first kist is opened.
 */
#ifndef KI_OS_IO_H
#define KI_OS_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * What tells one file, under one mount of one boot, from every other: as long
 * as it stays equal, what was stored into the file's pages is still there.
 * `mount` is 0 where the kernel has no mount ids that are never reused
 * (before Linux 6.8): then nothing is proven, and the index is made anew after
 * an unclean end.
 */
typedef struct ki_file_id {
    uint8_t boot[16];
    uint64_t mount;
    uint64_t device;
    uint64_t inode;
    uint64_t birth_ns; /* 0 if the file system does not keep it */
} ki_file_id;

typedef struct kist_io {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *data, size_t size, off_t offset);
    ssize_t (*pwrite)(int fd, const void *data, size_t size, off_t offset);
    int (*fallocate)(int fd, int mode, off_t offset, off_t size);
    int (*ftruncate)(int fd, off_t size);
    int (*fstat)(int fd, struct stat *status);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    void *(*map)(void *address, size_t size, int prot, int flags, int fd,
                 off_t offset);
    int (*unmap)(void *address, size_t size);
    int (*advise)(void *address, size_t size, int advice);
    int (*fadvise)(int fd, off_t offset, off_t size, int advice);
    /* renameat2(): `exclusive` is RENAME_NOREPLACE (falls back to link). */
    int (*rename)(const char *from, const char *to, bool exclusive);
    int (*unlink)(const char *path);
    int (*access)(const char *path);
    /*
     * Open-file-description lock on one byte: `type` F_RDLCK, F_WRLCK or
     * F_UNLCK, never waits.
     */
    int (*lock)(int fd, int type, off_t offset);
    /* Fills *id for the open file. */
    int (*identify)(int fd, ki_file_id *id);
    /* f_type of the file system that holds the open file. */
    int (*fs_type)(int fd, uint64_t *type);
    int (*random)(void *data, size_t size);
    /*
     * A step of a protocol that makes no call (a store into a mapped file):
     * where tests may cut the power.  NULL in the real table.
     */
    void (*point)(const char *label);
} kist_io;

/* The table in use: ki_posix_io unless a test has replaced it. */
extern const kist_io *ki_io;

/* The real one. */
extern const kist_io ki_posix_io;

/*
 * KI_POINT("label") marks a step between stores.  Only test builds
 * (KIST_POINTS) have it; they also tell the crash recorder of tests/rigs.
 */
#ifdef KIST_POINTS
void ki_point(const char *label);
#define KI_POINT(label) ki_point(label)
#else
#define KI_POINT(label) ((void)0)
#endif

#endif /* KI_OS_IO_H */
