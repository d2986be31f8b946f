#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

#define ZEROS_SIZE 65536u

/* The file systems whose files other hosts, or other clients, may be using. */
static const uint32_t shared_types[] = {
    0x00006969, // NFS
    0x0000517b, // SMB
    0xff534d42, // CIFS
    0xfe534d42, // SMB2
    0x01021997, // 9p
    0x65735546, // FUSE, virtiofs
    0x5346414f, // AFS
    0x6b414653, // kAFS
    0x00c36400, // Ceph
    0x73757245, // Coda
    0x0000564c, // NCP
    0x0bd00bd0, // Lustre
    0x47504653, // GPFS
    0x7461636f, // OCFS2
    0x01161970, // GFS2
    0x20030528, // PVFS2
    0x19830326, // BeeGFS
    0x786f4256, // VirtualBox
    0xbacbacbc, // VMware
};

kist_status
ki_file_open(const char *path, int flags, uint32_t mode, int *fd)
{
    int opened;

    do {
        opened = ki_io->open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                             (mode_t)mode);
    } while (opened < 0 && errno == EINTR);
    if (opened < 0) {
        return KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "open");
    }
    *fd = opened;
    return KIST_OK;
}

void
ki_file_close(int *fd)
{
    if (*fd >= 0) {
        const int sys_errno = errno;

        // Linux frees the descriptor even where it answers EINTR.
        (void)ki_io->close(*fd);
        *fd = -1;
        errno = sys_errno;
    }
}

/* Offsets that off_t cannot hold fail as the system would have it. */
static kist_status
check_range(const char *path, uint64_t offset, uint64_t size)
{
    if (offset > INT64_MAX || size > INT64_MAX - offset) {
        errno = EFBIG;
        return KI_FAIL(KIST_ERR_IO, path, offset, "file offset");
    }
    return KIST_OK;
}

kist_status
ki_file_read_at(int fd, const char *path, uint64_t offset, void *data,
                size_t size)
{
    const kist_status status = check_range(path, offset, size);
    uint8_t *bytes = data;

    if (status != KIST_OK) {
        return status;
    }
    while (size > 0) {
        const ssize_t got = ki_io->pread(fd, bytes, size, (off_t)offset);

        if (got == 0) {
            return KI_FAIL(KIST_ERR_CORRUPT, path, offset, "file ends early");
        }
        if (got > 0) {
            bytes += got;
            offset += (uint64_t)got;
            size -= (size_t)got;
        }
        else if (errno != EINTR) {
            return KI_FAIL(KIST_ERR_IO, path, offset, "read");
        }
    }
    return KIST_OK;
}

kist_status
ki_file_write_at(int fd, const char *path, uint64_t offset, const void *data,
                 size_t size)
{
    const kist_status status = check_range(path, offset, size);
    const uint8_t *bytes = data;

    if (status != KIST_OK) {
        return status;
    }
    while (size > 0) {
        const ssize_t put = ki_io->pwrite(fd, bytes, size, (off_t)offset);

        if (put == 0) {
            // A file that takes nothing and does not say why.
            errno = EIO;
            return KI_FAIL(KIST_ERR_IO, path, offset, "write");
        }
        if (put > 0) {
            bytes += put;
            offset += (uint64_t)put;
            size -= (size_t)put;
        }
        else if (errno != EINTR) {
            return KI_FAIL(KIST_ERR_IO, path, offset, "write");
        }
    }
    return KIST_OK;
}

static const uint8_t zeros[ZEROS_SIZE];

/*
 * Zeros from the end of the file on: what is there already is not touched, as
 * with fallocate, though holes below the end stay holes.
 */
static kist_status
write_zeros(int fd, const char *path, uint64_t offset, uint64_t end)
{
    kist_status status;
    uint64_t size;

    status = ki_file_size(fd, path, &size);
    if (status != KIST_OK) {
        return status;
    }
    if (offset < size) {
        offset = size;
    }
    while (offset < end && status == KIST_OK) {
        const uint64_t left = end - offset;
        const size_t part = left < ZEROS_SIZE ? (size_t)left : ZEROS_SIZE;

        status = ki_file_write_at(fd, path, offset, zeros, part);
        offset += part;
    }
    return status;
}

kist_status
ki_file_allocate(int fd, const char *path, uint64_t offset, uint64_t size)
{
    const kist_status status = check_range(path, offset, size);
    int result;

    if (status != KIST_OK || size == 0) {
        return status;
    }
    do {
        result = ki_io->fallocate(fd, 0, (off_t)offset, (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return KIST_OK;
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS) {
        return write_zeros(fd, path, offset, offset + size);
    }
    return KI_FAIL(KIST_ERR_IO, path, offset, "allocate");
}

void
ki_file_warm(int fd, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        const uint64_t left = end - offset;
        const ssize_t got = ki_io->pwrite(
            fd, zeros, left < ZEROS_SIZE ? left : ZEROS_SIZE, (off_t)offset);

        if (got <= 0) {
            return;
        }
        offset += (uint64_t)got;
    }
}

kist_status
ki_file_truncate(int fd, const char *path, uint64_t size)
{
    const kist_status status = check_range(path, size, 0);
    int result;

    if (status != KIST_OK) {
        return status;
    }
    do {
        result = ki_io->ftruncate(fd, (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return KI_FAIL(KIST_ERR_IO, path, size, "truncate");
    }
    return KIST_OK;
}

kist_status
ki_file_size(int fd, const char *path, uint64_t *size)
{
    struct stat status;

    if (ki_io->fstat(fd, &status) != 0) {
        return KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "stat");
    }
    *size = status.st_size < 0 ? 0 : (uint64_t)status.st_size;
    return KIST_OK;
}

kist_status
ki_file_sync(int fd, const char *path)
{
    int result;

    do {
        result = ki_io->fdatasync(fd);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "sync");
    }
    return KIST_OK;
}

kist_status
ki_file_sync_parent(const char *path)
{
    char *parent = ki_strdup(path);
    kist_status status;
    char *slash;
    int fd = -1;
    int result;

    if (parent == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "path");
    }
    slash = strrchr(parent, '/');
    if (slash != NULL) {
        // The root keeps its slash.
        slash[slash == parent ? 1 : 0] = '\0';
    }
    status = ki_file_open(slash == NULL ? "." : parent, O_RDONLY | O_DIRECTORY,
                          0, &fd);
    if (status != KIST_OK) {
        goto out;
    }
    do {
        result = ki_io->fsync(fd);
    } while (result != 0 && errno == EINTR);
    // EINVAL: on this file system a directory is nothing that can be synced.
    if (result != 0 && errno != EINVAL) {
        status = KI_FAIL(KIST_ERR_IO, slash == NULL ? "." : parent,
                         KI_NO_OFFSET, "sync directory");
    }

out:
    ki_file_close(&fd);
    ki_free(parent);
    return status;
}

kist_status
ki_file_rename(const char *from, const char *to, bool exclusive)
{
    if (ki_io->rename(from, to, exclusive) == 0) {
        return KIST_OK;
    }
    if (exclusive && errno == EEXIST) {
        return KI_FAIL(KIST_ERR_EXISTS, to, KI_NO_OFFSET, "rename");
    }
    return KI_FAIL(KIST_ERR_IO, from, KI_NO_OFFSET, "rename");
}

kist_status
ki_file_remove(const char *path)
{
    if (ki_io->unlink(path) != 0 && errno != ENOENT) {
        return KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "remove");
    }
    return KIST_OK;
}

bool
ki_file_exists(const char *path)
{
    return ki_io->access(path) == 0;
}

bool
ki_file_maps_unsafe(int fd)
{
    uint64_t type;

    if (ki_io->fs_type(fd, &type) != 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(shared_types) / sizeof(shared_types[0]);
         i++) {
        if (type == shared_types[i]) {
            return true;
        }
    }
    return false;
}
