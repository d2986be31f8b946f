/*
 * file.h - whole reads and writes; EINTR and short counts end here.
 *
 * Layer    os.
 * Threads  a descriptor may be used by any number of threads.
 */
#ifndef KI_OS_FILE_H
#define KI_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/status.h"
#include "os/io.h"

/*
 * All of these take the path for the error detail only (it may be NULL) and
 * fail with IO (errno kept) unless said otherwise.
 */

/* open(2) with O_CLOEXEC | O_NOCTTY | O_NONBLOCK added. */
KIST_NODISCARD kist_status ki_file_open(const char *path, int flags,
                                        uint32_t mode, int *fd);

/* Closes *fd if it is >= 0 and makes it -1.  Errors are lost: sync first. */
void ki_file_close(int *fd);

/*
 * Reads exactly `size` bytes at `offset`.  A file that ends before is CORRUPT
 * "file ends early", at the offset where it ends.
 */
KIST_NODISCARD kist_status ki_file_read_at(int fd, const char *path,
                                           uint64_t offset, void *data,
                                           size_t size);

/* Writes all `size` bytes at `offset`. */
KIST_NODISCARD kist_status ki_file_write_at(int fd, const char *path,
                                            uint64_t offset, const void *data,
                                            size_t size);

/*
 * Takes room on the disk for bytes offset .. offset+size-1 and makes the file
 * that long.  Where the file system has no fallocate, writes zeros.
 */
KIST_NODISCARD kist_status ki_file_allocate(int fd, const char *path,
                                            uint64_t offset, uint64_t size);

/*
 * Writes zeros over bytes offset .. end-1, which are zeros or nobody's and lie
 * in the file, so that their pages are in memory before they are stored into
 * through a map: one call costs less than a fault for each page, and than the
 * read-ahead of megabytes that a fault may set off.  A hint: if it fails, the
 * faults come.
 */
void ki_file_warm(int fd, uint64_t offset, uint64_t end);

KIST_NODISCARD kist_status ki_file_truncate(int fd, const char *path,
                                            uint64_t size);
KIST_NODISCARD kist_status ki_file_size(int fd, const char *path,
                                        uint64_t *size);

/* fdatasync: EINTR is retried, any other failure is final (PERF 8.12). */
KIST_NODISCARD kist_status ki_file_sync(int fd, const char *path);

/* Opens the directory that holds `path`, fsyncs it, closes it. */
KIST_NODISCARD kist_status ki_file_sync_parent(const char *path);

/*
 * Renames; with `exclusive`, an existing `to` is KIST_ERR_EXISTS.  The caller
 * syncs the directory.
 */
KIST_NODISCARD kist_status ki_file_rename(const char *from, const char *to,
                                          bool exclusive);

/* Unlinks; a missing file is fine. */
KIST_NODISCARD kist_status ki_file_remove(const char *path);

/* True if something is at `path`. */
bool ki_file_exists(const char *path);

/* True if the file system's shared maps cannot be trusted between hosts or
 * clients: NFS, SMB, 9p, FUSE, AFS, Ceph, and whatever cannot be told. */
bool ki_file_maps_unsafe(int fd);

#endif /* KI_OS_FILE_H */
