#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/io.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U // Linux 6.8
#endif

// The C library's structure may be older than the field.
#define STATX_MOUNT_OFFSET 144

static pthread_once_t boot_once = PTHREAD_ONCE_INIT;
static uint8_t boot_id[16];
static bool boot_known;

static int
real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int
real_rename(const char *from, const char *to, bool exclusive)
{
    if (!exclusive) {
        return rename(from, to);
    }
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    // Not known to this kernel or file system: for a moment it has two names.
    if (link(from, to) != 0) {
        return -1;
    }
    return unlink(from);
}

static int
real_access(const char *path)
{
    return access(path, F_OK);
}

static int
real_lock(int fd, int type, off_t offset)
{
    struct flock lock = {
        .l_type = (short)type,
        .l_whence = SEEK_SET,
        .l_start = offset,
        .l_len = 1,
    };

    return fcntl(fd, F_OFD_SETLK, &lock);
}

static int
hex_digit(char letter)
{
    if (letter >= '0' && letter <= '9') {
        return letter - '0';
    }
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Reads 32 hexadecimal digits, with dashes between some of them. */
static void
read_boot_id(void)
{
    const int fd =
        open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    char text[64];
    ssize_t size;
    size_t count = 0;

    if (fd < 0) {
        return;
    }
    do {
        size = read(fd, text, sizeof(text));
    } while (size < 0 && errno == EINTR);
    close(fd);
    for (ssize_t index = 0; index < size && count < 32; index++) {
        const int digit = hex_digit(text[index]);

        if (digit >= 0) {
            boot_id[count / 2] = (uint8_t)(boot_id[count / 2] << 4 | digit);
            count++;
        }
    }
    boot_known = count == 32;
}

/* Where the kernel is too old or locked up, mount is 0: nothing is proven. */
static int
real_identify(int fd, ki_file_id *id)
{
    struct statx full = {0};
    struct stat plain;

    *id = (ki_file_id){0};
    pthread_once(&boot_once, read_boot_id);
    memcpy(id->boot, boot_id, sizeof(id->boot));
    if (statx(fd, "", AT_EMPTY_PATH,
              STATX_INO | STATX_BTIME | STATX_MNT_ID_UNIQUE, &full) != 0) {
        if (fstat(fd, &plain) != 0) {
            return -1;
        }
        id->device = plain.st_dev;
        id->inode = plain.st_ino;
        return 0;
    }
    id->device = makedev(full.stx_dev_major, full.stx_dev_minor);
    id->inode = full.stx_ino;
    if ((full.stx_mask & STATX_BTIME) != 0) {
        id->birth_ns = (uint64_t)full.stx_btime.tv_sec * 1000000000u +
                       full.stx_btime.tv_nsec;
    }
    if (boot_known && (full.stx_mask & STATX_MNT_ID_UNIQUE) != 0) {
        _Static_assert(offsetof(struct statx, stx_dev_minor) + 4 ==
                           STATX_MOUNT_OFFSET,
                       "the mount id follows the device");
        memcpy(&id->mount, (const char *)&full + STATX_MOUNT_OFFSET,
               sizeof(id->mount));
    }
    return 0;
}

static int
real_fs_type(int fd, uint64_t *type)
{
    struct statfs status;

    if (fstatfs(fd, &status) != 0) {
        return -1;
    }
    // Magic numbers have 32 bits, and some a sign.
    *type = (uint32_t)status.f_type;
    return 0;
}

static int
real_random(void *data, size_t size)
{
    uint8_t *bytes = data;

    while (size > 0) {
        const ssize_t got = getrandom(bytes, size, 0);

        if (got >= 0) {
            bytes += got;
            size -= (size_t)got;
        }
        else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

const kist_io ki_posix_io = {
    .open = real_open,
    .close = close,
    .pread = pread,
    .pwrite = pwrite,
    .fallocate = fallocate,
    .ftruncate = ftruncate,
    .fstat = fstat,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .map = mmap,
    .unmap = munmap,
    .advise = madvise,
    .fadvise = posix_fadvise,
    .rename = real_rename,
    .unlink = unlink,
    .access = real_access,
    .lock = real_lock,
    .identify = real_identify,
    .fs_type = real_fs_type,
    .random = real_random,
    .point = NULL,
};

const kist_io *ki_io = &ki_posix_io;

#ifdef KIST_POINTS

/* The crash recorder of tests/rigs, where it is loaded. */
__attribute__((weak)) void crashrec_point(const char *label);

void
ki_point(const char *label)
{
    if (ki_io->point != NULL) {
        ki_io->point(label);
    }
    if (crashrec_point != NULL) {
        crashrec_point(label);
    }
}

#endif /* KIST_POINTS */
