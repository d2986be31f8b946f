#include "store/storetemp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "os/dirio.h"
#include "os/inflight.h"
#include "os/io.h"

#define PREFIX_SIZE (sizeof(KI_TEMP_PREFIX) - 1)

// Names that were taken already, in a row, before we believe in an error.
#define TRIES_MAX 100

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

/*
 * Names need only be unlikely: O_EXCL sees to the rest.  A child of fork() has
 * a seed of its own, so as not to meet its parent at every turn.
 */
static void
make_name(char *name)
{
    static _Atomic uint64_t count;
    static _Atomic uint64_t seed;
    static _Atomic uint32_t seeded_forks;
    const uint32_t forks =
        atomic_load_explicit(&ki_inflight_forks, memory_order_relaxed);
    uint64_t bits = atomic_load_explicit(&seed, memory_order_relaxed);

    if (bits == 0 ||
        atomic_load_explicit(&seeded_forks, memory_order_relaxed) != forks) {
        if (ki_io->random(&bits, sizeof(bits)) != 0) {
            bits = ki_clock_ns();
        }
        bits |= 1;
        atomic_store_explicit(&seed, bits, memory_order_relaxed);
        atomic_store_explicit(&seeded_forks, forks, memory_order_relaxed);
    }
    bits += atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) *
            0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    bits ^= bits >> 31;
    memcpy(name, KI_TEMP_PREFIX, PREFIX_SIZE);
    for (size_t index = PREFIX_SIZE; index < KI_TEMP_SIZE; index++) {
        name[index] = letters[bits % 36];
        bits /= 36;
    }
    name[KI_TEMP_SIZE] = '\0';
}

static int
write_all(int fd, kist_slice value)
{
    const uint8_t *data = value.data;
    size_t done = 0;

    while (done < value.size) {
        const ssize_t size =
            ki_io->pwrite(fd, data + done, value.size - done, (off_t)done);

        if (size > 0) {
            done += (size_t)size;
        }
        else if (size == 0 || errno != EINTR) {
            errno = size == 0 ? ENOSPC : errno;
            return -1;
        }
    }
    return 0;
}

static int
sync_file(int fd)
{
    int result;

    do {
        result = ki_io->fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result;
}

/* Opens a new file, whose name it makes: -1 and errno. */
static int
create(const ki_root *root, ki_temp *temp)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        int fd;

        make_name(temp->name);
        fd = ki_dirio->open(temp->dir, temp->name,
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
                                O_CLOEXEC,
                            atomic_load(&root->mode) & 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

/*
 * The kernel's clock for files moves in ticks: a value that is removed, or
 * replaced, and put again within one could have the inode, and so the ETag, it
 * had.  So the time is set, and the first file of a store tells whether the
 * file system keeps its nanoseconds.
 */
static int
set_time(ki_root *root, int fd, bool wants_inode, ki_temp *temp)
{
    struct stat status;

    temp->mtime_ns = ki_clock_wall_ns();
    temp->inode = 0;
    if (ki_dirio->set_mtime(fd, NULL, temp->mtime_ns) != 0) {
        return -1;
    }
    if (!wants_inode &&
        atomic_load_explicit(&root->clock, memory_order_relaxed) !=
            KI_CLOCK_UNKNOWN) {
        return 0;
    }
    if (ki_io->fstat(fd, &status) != 0) {
        return -1;
    }
    temp->inode = (uint64_t)status.st_ino;
    if (temp->mtime_ns % 1000000000 != status.st_mtim.tv_nsec) {
        atomic_store(&root->clock, KI_CLOCK_COARSE);
    }
    else if (temp->mtime_ns % 1000 != 0 &&
             atomic_load(&root->clock) == KI_CLOCK_UNKNOWN) {
        atomic_store(&root->clock, KI_CLOCK_FINE);
    }
    temp->mtime_ns =
        (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return 0;
}

kist_status
ki_temp_write(ki_root *root, int dir, kist_slice value, unsigned wishes,
              ki_temp *temp)
{
    const char *what = "write";
    int fd;

    temp->dir = dir;
    temp->size = value.size;
    fd = create(root, temp);
    if (fd < 0) {
        return errno == ENOENT
                   ? KIST_ERR_NOTFOUND
                   : KI_ROOT_FAIL(KIST_ERR_IO, root, temp->name, "create");
    }
    if (write_all(fd, value) != 0) {
        goto fail;
    }
    what = "set time";
    if (set_time(root, fd, (wishes & KI_TEMP_INODE) != 0, temp) != 0) {
        goto fail;
    }
    what = "sync";
    if ((wishes & KI_TEMP_SYNC) != 0 && sync_file(fd) != 0) {
        goto fail;
    }
    // A server tells only now that its disk is full.
    what = "close";
    if (ki_io->close(fd) != 0 && errno != EINTR) {
        fd = -1;
        goto fail;
    }
    return KIST_OK;

fail:
    ki_temp_discard(temp);
    if (fd >= 0) {
        const int error = errno;

        (void)ki_io->close(fd);
        errno = error;
    }
    return KI_ROOT_FAIL(KIST_ERR_IO, root, temp->name, what);
}

void
ki_temp_discard(const ki_temp *temp)
{
    const int error = errno;

    (void)ki_dirio->unlink(temp->dir, temp->name);
    errno = error;
}

bool
ki_temp_is(const char *name, size_t size)
{
    return size == KI_TEMP_SIZE &&
           memcmp(name, KI_TEMP_PREFIX, PREFIX_SIZE) == 0;
}

void
ki_temp_sweep(int dir, const char *name)
{
    struct stat status;

    if (ki_dirio->stat(dir, name, &status) == 0 && S_ISREG(status.st_mode) &&
        ki_clock_wall_ns() - ((int64_t)status.st_mtim.tv_sec * 1000000000 +
                              status.st_mtim.tv_nsec) >
            KI_TEMP_AGE_NS) {
        (void)ki_dirio->unlink(dir, name);
    }
}
