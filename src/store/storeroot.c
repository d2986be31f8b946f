#include "store/storeroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "os/dirio.h"
#include "os/inflight.h"
#include "os/io.h"
#include "os/mutexwait.h"

#define FS_NFS  0x6969u
#define FS_SMB  0xfe534d42u
#define FS_CIFS 0xff534d42u
#define FS_9P   0x01021997u

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

// Waiting for another process: first short, then never longer than this.
#define PAUSE_FIRST_NS 20000
#define PAUSE_LAST_NS  5000000

kist_status
ki_root_fail(kist_status status, const ki_root *root, const char *name,
             const char *what, const char *file, int line)
{
    const int error = errno;
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s%s", root->path,
                   name[0] == '\0' ? "" : "/", name);
    errno = error;
    return ki_fail(status, path, KI_NO_OFFSET, what, file, line);
}

/* --- opening
 * -----------------------------------------------------------------
 */

/* `path`, beginning at the root of the file system, or NULL with errno. */
static char *
absolute(const char *path)
{
    char here[PATH_MAX];
    size_t size;
    char *whole;

    if (path[0] == '/') {
        return ki_strdup(path);
    }
    if (getcwd(here, sizeof(here)) == NULL) {
        return NULL;
    }
    size = strlen(here) + 1 + strlen(path) + 1;
    whole = ki_calloc(1, size);
    if (whole != NULL) {
        (void)snprintf(whole, size, "%s/%s", here, path);
    }
    return whole;
}

/*
 * Makes the directory and those above it that are missing, and syncs each one
 * that was given a new name: 0, or -1 and errno.
 */
static int
make_directory(char *path)
{
    char *slash;
    int fd;
    int result;

    if (ki_dirio->mkdir(AT_FDCWD, path, 0777) != 0) {
        if (errno == EEXIST) {
            return 0;
        }
        slash = strrchr(path, '/');
        if (errno != ENOENT || slash == NULL || slash == path) {
            return -1;
        }
        *slash = '\0';
        result = make_directory(path);
        *slash = '/';
        if (result != 0) {
            return -1;
        }
        if (ki_dirio->mkdir(AT_FDCWD, path, 0777) != 0) {
            return errno == EEXIST ? 0 : -1;
        }
    }
    slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return 0;
    }
    *slash = '\0';
    fd = ki_dirio->open(AT_FDCWD, path, DIRECTORY_FLAGS, 0);
    *slash = '/';
    // A directory that may be passed but not read cannot be synced by us.
    if (fd < 0) {
        return 0;
    }
    result = ki_io->fsync(fd);
    if (result != 0) {
        const int error = errno;

        (void)ki_dirio->rmdir(AT_FDCWD, path);
        errno = error;
    }
    (void)ki_io->close(fd);
    return result;
}

/* The directory's descriptor, or -1 and errno. */
static int
open_directory(const ki_root *root, bool make)
{
    int fd = ki_dirio->open(AT_FDCWD, root->path, DIRECTORY_FLAGS, 0);

    if (fd < 0 && errno == ENOENT && make) {
        char *path = ki_strdup(root->path);

        if (path == NULL) {
            errno = ENOMEM;
            return -1;
        }
        if (make_directory(path) == 0) {
            fd = ki_dirio->open(AT_FDCWD, path, DIRECTORY_FLAGS, 0);
        }
        ki_free(path);
    }
    return fd;
}

static bool
is_remote(int fd)
{
    uint64_t type;

    if (ki_io->fs_type(fd, &type) != 0) {
        return false;
    }
    return type == FS_NFS || type == FS_SMB || type == FS_CIFS ||
           type == FS_9P;
}

/* Who may write into the directory may write into what is made in it. */
static void
note_mode(ki_root *root)
{
    struct stat status;

    if (ki_io->fstat(root->fd, &status) == 0) {
        atomic_store(&root->mode, 0755 | (status.st_mode & 022));
    }
}

/* The locks of a new root, or of a child's: nobody holds them. */
static void
init_locks(ki_root *root)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&root->writer, NULL);
    pthread_mutex_init(&root->group, NULL);
    pthread_condattr_init(&attributes);
    pthread_cond_init(&root->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    root->syncing = false;
    root->lock_fd = -1;
}

kist_status
ki_root_open(const char *path, const kist_store_options *options,
             ki_root **root)
{
    ki_root *made;
    kist_status status;

    *root = NULL;
    // From here on forks are counted.
    if (ki_inflight_self == NULL) {
        status = ki_inflight_register();
        if (status != KIST_OK) {
            return status;
        }
    }
    made = ki_calloc(1, sizeof(*made));
    if (made == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "store");
    }
    atomic_store(&made->refs, 1);
    atomic_store(&made->forks, atomic_load(&ki_inflight_forks));
    made->fd = -1;
    atomic_store(&made->mode, 0755);
    made->read_only = options->read_only;
    made->lock_timeout_ms = options->lock_timeout_ms;
    init_locks(made);
    made->path = absolute(path);
    if (made->path == NULL) {
        status = KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "open");
        goto out;
    }
    made->fd = open_directory(made, !options->read_only);
    if (made->fd < 0) {
        status = KI_FAIL(errno == ENOTDIR || errno == EEXIST ? KIST_ERR_NOTDIR
                                                             : KIST_ERR_IO,
                         path, KI_NO_OFFSET, "open directory");
        goto out;
    }
    made->remote = is_remote(made->fd);
    note_mode(made);
    *root = made;
    return KIST_OK;

out:
    ki_root_drop(made);
    return status;
}

ki_root *
ki_root_hold(ki_root *root)
{
    atomic_fetch_add_explicit(&root->refs, 1, memory_order_relaxed);
    return root;
}

void
ki_root_drop(ki_root *root)
{
    if (root == NULL ||
        atomic_fetch_sub_explicit(&root->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (root->fd >= 0) {
        (void)ki_io->close(root->fd);
    }
    if (root->lock_fd >= 0) {
        (void)ki_io->close(root->lock_fd);
    }
    pthread_mutex_destroy(&root->writer);
    pthread_mutex_destroy(&root->group);
    pthread_cond_destroy(&root->ended);
    ki_free(root->path);
    ki_free(root);
}

/*
 * Puts what is at the path now in place of what `fd` has open.  The number
 * stays, so that calls of other threads that are under way end well.
 */
static kist_status
reopen(ki_root *root, bool make, bool *again)
{
    const int fd = open_directory(root, make);
    kist_status status = KIST_OK;

    if (fd < 0) {
        // With `make`, somebody has removed it since: worth another try, too.
        if (errno == ENOENT) {
            return KIST_OK;
        }
        return KI_ROOT_FAIL(KIST_ERR_IO, root, "", "open directory");
    }
    if (ki_dirio->replace(fd, root->fd) < 0) {
        status = KI_ROOT_FAIL(KIST_ERR_IO, root, "", "open directory");
    }
    else {
        note_mode(root);
        *again = true;
    }
    (void)ki_io->close(fd);
    return status;
}

/* Asks whether the directory that is open has no name any more: *gone. */
static kist_status
look_back(const ki_root *root, bool *gone)
{
    struct stat status;

    if (ki_io->fstat(root->fd, &status) == 0) {
        *gone = status.st_nlink == 0;
        return KIST_OK;
    }
    *gone = errno == ESTALE;
    return *gone ? KIST_OK : KI_ROOT_FAIL(KIST_ERR_IO, root, "", "stat");
}

kist_status
ki_root_renew(ki_root *root, bool make, bool *again)
{
    bool gone;
    kist_status status = look_back(root, &gone);

    *again = false;
    if (status != KIST_OK || !gone) {
        return status;
    }
    ki_forklatch_take(&root->latch);
    status = look_back(root, &gone);
    if (status == KIST_OK && gone) {
        status = reopen(root, make, again);
    }
    else {
        // Another thread was faster.
        *again = status == KIST_OK;
    }
    ki_forklatch_drop(&root->latch);
    return status;
}

/*
 * A child of fork() shares its parent's open directory, and so its locks.  It
 * opens its own, before its first write.
 */
static kist_status
adopt(ki_root *root)
{
    const uint32_t forks = atomic_load(&ki_inflight_forks);
    kist_status status = KIST_OK;
    bool again = false;

    if (atomic_load_explicit(&root->forks, memory_order_acquire) == forks) {
        return KIST_OK;
    }
    ki_forklatch_take(&root->latch);
    if (atomic_load(&root->forks) != forks) {
        init_locks(root);
        status = reopen(root, false, &again);
        if (status == KIST_OK) {
            atomic_store_explicit(&root->forks, forks, memory_order_release);
        }
    }
    ki_forklatch_drop(&root->latch);
    return status;
}

/* --- the lock
 * ----------------------------------------------------------------
 */

/* Opens LOCK_NAME, of a remote root, once. */
static kist_status
open_lock_file(ki_root *root)
{
    if (root->lock_fd >= 0) {
        return KIST_OK;
    }
    root->lock_fd = ki_dirio->open(root->fd, KI_LOCK_NAME,
                                   O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                                   atomic_load(&root->mode) & 0666);
    return root->lock_fd >= 0 ? KIST_OK
                              : KI_ROOT_FAIL(KIST_ERR_IO, root, KI_LOCK_NAME,
                                             "open lock file");
}

static int
try_lock(const ki_root *root, int fd)
{
    return root->remote ? ki_io->lock(root->lock_fd, F_WRLCK, 0)
                        : ki_dirio->flock(fd, LOCK_EX | LOCK_NB);
}

/* Takes the lock between processes, trying until the deadline. */
static kist_status
lock_out_others(ki_root *root, int fd, uint64_t deadline_ns)
{
    long pause_ns = PAUSE_FIRST_NS;

    while (try_lock(root, fd) != 0) {
        struct timespec pause = {0, pause_ns};

        if (errno != EWOULDBLOCK && errno != EAGAIN && errno != EACCES) {
            return KI_ROOT_FAIL(KIST_ERR_IO, root, "", "lock");
        }
        if (ki_clock_ns() >= deadline_ns) {
            return KI_ROOT_FAIL(KIST_ERR_LOCKED, root, "",
                                "another process writes");
        }
        (void)nanosleep(&pause, NULL);
        pause_ns = pause_ns * 2 < PAUSE_LAST_NS ? pause_ns * 2 : PAUSE_LAST_NS;
    }
    return KIST_OK;
}

kist_status
ki_root_lock(ki_root *root, int fd)
{
    uint64_t deadline_ns;
    struct timespec until;
    kist_status status = adopt(root);

    if (status != KIST_OK) {
        return status;
    }
    if (pthread_mutex_trylock(&root->writer) == 0) {
        if (!root->remote && try_lock(root, fd) == 0) {
            return KIST_OK;
        }
        deadline_ns =
            ki_clock_ns() + (uint64_t)root->lock_timeout_ms * 1000000u;
    }
    else {
        deadline_ns =
            ki_clock_ns() + (uint64_t)root->lock_timeout_ms * 1000000u;
        until = ki_mutex_deadline((uint64_t)root->lock_timeout_ms);
        if (ki_mutex_lock_until(&root->writer, &until) != 0) {
            return KI_ROOT_FAIL(KIST_ERR_LOCKED, root, "",
                                "another thread writes");
        }
    }
    if (root->remote) {
        status = open_lock_file(root);
    }
    if (status == KIST_OK) {
        status = lock_out_others(root, fd, deadline_ns);
    }
    if (status != KIST_OK) {
        pthread_mutex_unlock(&root->writer);
    }
    return status;
}

void
ki_root_unlock(ki_root *root, int fd)
{
    const int error = errno;

    if (root->remote) {
        (void)ki_io->lock(root->lock_fd, F_UNLCK, 0);
    }
    else {
        (void)ki_dirio->flock(fd, LOCK_UN);
    }
    pthread_mutex_unlock(&root->writer);
    errno = error;
}

/* --- syncing
 * -----------------------------------------------------------------
 */

uint64_t
ki_root_sync_token(const ki_root *root)
{
    return atomic_load(&root->rounds_ended);
}

/* One syncfs(), with `group` held before and after. */
static void
run_round(ki_root *root)
{
    const uint64_t round = ++root->rounds_begun;
    // What fails from here on is not settled by this round.
    const uint64_t failures = atomic_load(&root->failures);
    int error;

    root->syncing = true;
    pthread_mutex_unlock(&root->group);
    error = ki_dirio->sync_all(root->fd) == 0 ? 0 : errno;
    pthread_mutex_lock(&root->group);
    root->syncing = false;
    atomic_store(&root->rounds_ended, round);
    if (error != 0) {
        root->failed_round = round;
        root->failed_errno = error;
        atomic_fetch_add(&root->failures, 1);
    }
    else {
        atomic_store(&root->settled, failures);
    }
    pthread_cond_broadcast(&root->ended);
}

kist_status
ki_root_sync_group(ki_root *root, uint64_t token)
{
    kist_status status = adopt(root);
    uint64_t round;
    int error;

    if (status != KIST_OK) {
        return status;
    }
    pthread_mutex_lock(&root->group);
    round = root->rounds_begun + 1;
    while (atomic_load(&root->rounds_ended) < round) {
        if (root->syncing) {
            pthread_cond_wait(&root->ended, &root->group);
        }
        else {
            run_round(root);
        }
    }
    error = root->failed_round > token ? root->failed_errno : 0;
    pthread_mutex_unlock(&root->group);
    if (error != 0) {
        errno = error;
        return KI_ROOT_FAIL(KIST_ERR_IO, root, "", "sync");
    }
    return KIST_OK;
}

void
ki_root_suspect(ki_root *root)
{
    atomic_fetch_add(&root->failures, 1);
}

bool
ki_root_is_suspect(const ki_root *root)
{
    return atomic_load(&root->failures) != atomic_load(&root->settled);
}

void
ki_root_freshen(const ki_root *root, int fd)
{
    int again;

    if (!root->remote) {
        return;
    }
    again = ki_dirio->open(fd, ".", DIRECTORY_FLAGS, 0);
    if (again >= 0) {
        (void)ki_io->close(again);
    }
}
