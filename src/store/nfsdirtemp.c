#include "store/nfsdirtemp.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "os/dirio.h"
#include "os/io.h"

#define PREFIX      "tmp"
#define OURS        "tmp-"
#define HOST_DIGITS 8

// Names that were taken already, in a row, before we believe in an error.
#define TRIES_MAX 100

/*
 * Numbers this machine, since it was booted: of what ran before, nothing is
 * alive.  Containers of one machine have names of their own, or share its
 * processes.
 */
static uint32_t
host_number(int fd)
{
    static _Atomic uint64_t known; // the number, and a bit that it is known
    uint64_t number = atomic_load_explicit(&known, memory_order_relaxed);
    struct utsname name = {0};
    ki_file_id id = {0};

    if (number == 0) {
        (void)uname(&name);
        (void)ki_io->identify(fd, &id);
        number = ki_crc32c(0, id.boot, sizeof(id.boot));
        number =
            ki_crc32c((uint32_t)number, name.nodename, sizeof(name.nodename));
        number |= (uint64_t)1 << 32;
        atomic_store_explicit(&known, number, memory_order_relaxed);
    }
    return (uint32_t)number;
}

static void
make_name(int dir, char *name)
{
    static _Atomic unsigned count;

    (void)snprintf(name, KI_NFSTEMP_NAME_SIZE, OURS "%08x-%ld-%x",
                   host_number(dir), (long)getpid(),
                   atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
}

static int
write_all(int fd, kist_slice data)
{
    const uint8_t *bytes = data.data;
    size_t done = 0;

    while (done < data.size) {
        const ssize_t size =
            ki_io->pwrite(fd, bytes + done, data.size - done, (off_t)done);

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

kist_status
ki_nfstemp_write(const ki_root *root, int dir, kist_slice data,
                 const ki_nfstemp_how *how, ki_nfstemp *temp)
{
    const char *what = "write";
    int fd = -1;
    int error;

    temp->dir = dir;
    for (int tries = 0; fd < 0 && tries < TRIES_MAX; tries++) {
        make_name(dir, temp->name);
        fd = ki_dirio->open(dir, temp->name,
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
                                O_CLOEXEC,
                            (mode_t)0644 | (how->shared & (mode_t)022));
        if (fd < 0 && errno != EEXIST) {
            break;
        }
    }
    if (fd < 0) {
        return errno == ENOENT || errno == ESTALE
                   ? KIST_ERR_NOTFOUND
                   : KI_ROOT_FAIL(KIST_ERR_IO, root, temp->name, "create");
    }
    if (write_all(fd, data) != 0) {
        goto fail;
    }
    what = "sync";
    if (how->sync && sync_file(fd) != 0) {
        goto fail;
    }
    what = "stat";
    temp->seen = how->look || root->remote;
    if (temp->seen && ki_io->fstat(fd, &temp->status) != 0) {
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
    error = errno;
    ki_nfstemp_discard(temp);
    if (fd >= 0) {
        (void)ki_io->close(fd);
    }
    errno = error;
    return KI_ROOT_FAIL(KIST_ERR_IO, root, temp->name, what);
}

void
ki_nfstemp_discard(const ki_nfstemp *temp)
{
    const int error = errno;

    (void)ki_dirio->unlink(temp->dir, temp->name);
    errno = error;
}

/* Has the file got `name`, whatever the answer was? */
static bool
is_named(const ki_nfstemp *temp, const char *name)
{
    struct stat status;

    return temp->seen && ki_dirio->stat(temp->dir, name, &status) == 0 &&
           status.st_ino == temp->status.st_ino &&
           status.st_dev == temp->status.st_dev &&
           status.st_size == temp->status.st_size;
}

kist_status
ki_nfstemp_name(const ki_root *root, const ki_nfstemp *temp, const char *name,
                bool exclusive)
{
    int error;

    if (ki_dirio->rename(temp->dir, temp->name, temp->dir, name, exclusive) ==
        0) {
        return KIST_OK;
    }
    error = errno;
    if ((error == ENOENT || error == EEXIST || error == ESTALE) &&
        is_named(temp, name)) {
        ki_nfstemp_discard(temp);
        return KIST_OK;
    }
    errno = error;
    ki_nfstemp_discard(temp);
    if (error == EEXIST && exclusive) {
        return KIST_ERR_EXISTS;
    }
    return error == ENOENT || error == ESTALE
               ? KIST_ERR_NOTFOUND
               : KI_ROOT_FAIL(KIST_ERR_IO, root, name, "rename");
}

/* Reads "-<digits>-<pid>-" of one of ours: true if it is this machine's. */
static bool
is_own(int dir, const char *name, long *pid)
{
    char host[HOST_DIGITS + 1];
    const char *at = name + sizeof(OURS) - 1;
    char *end;

    (void)snprintf(host, sizeof(host), "%08x", host_number(dir));
    if (strncmp(name, OURS, sizeof(OURS) - 1) != 0 ||
        strncmp(at, host, HOST_DIGITS) != 0 || at[HOST_DIGITS] != '-') {
        return false;
    }
    *pid = strtol(at + HOST_DIGITS + 1, &end, 10);
    return *pid > 0 && *end == '-';
}

bool
ki_nfstemp_sweep(int dir, const char *name, bool *stays)
{
    struct stat status;
    bool old;
    long pid;

    *stays = false;
    if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0) {
        return false;
    }
    if (ki_dirio->stat(dir, name, &status) != 0 || !S_ISREG(status.st_mode)) {
        return true;
    }
    if (is_own(dir, name, &pid) && pid <= INT32_MAX) {
        old = kill((pid_t)pid, 0) != 0 && errno == ESRCH;
    }
    else {
        old =
            ki_clock_wall_ns() - ((int64_t)status.st_mtim.tv_sec * 1000000000 +
                                  status.st_mtim.tv_nsec) >
            KI_NFSTEMP_AGE_NS;
    }
    *stays = !old || ki_dirio->unlink(dir, name) != 0;
    return true;
}
