#include "support/faultio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "os/io.h"

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static uint64_t calls[KT_CALL_COUNT];
static uint32_t fail_kinds;
static uint64_t fail_at;
static bool fail_on;
static int fail_error;
static uint64_t fail_seen;
static uint64_t fail_hits;
static kt_call fail_kind;
static char last_point[64];
static bool syncs_ignored;
static uint32_t boots;

static uint64_t steps;
static uint64_t cut_at;
static void (*cut_function)(void *context);
static void *cut_context;
static bool cut_done;
static uint64_t middle_at;

static const char *const call_names[] = {
    "open",    "close",     "pread",  "pwrite", "fallocate", "ftruncate",
    "fstat",   "fdatasync", "fsync",  "map",    "unmap",     "advise",
    "fadvise", "rename",    "unlink", "access", "lock",      "identify",
    "fs_type", "random",    "point"};

const char *
kt_call_name(kt_call call)
{
    return call_names[call];
}

/* --- recording ---------------------------------------------------------- */

void
kt_io_record(const char *dir)
{
    cut_at = middle_at = 0;
    kt_record_start(dir);
}

void
kt_io_record_stop(void)
{
    cut_at = middle_at = 0;
    kt_record_stop();
}

void
kt_io_image(const char *to, kt_image kind, uint64_t seed)
{
    pthread_mutex_lock(&mutex);
    kt_record_image(to, kind, seed);
    pthread_mutex_unlock(&mutex);
}

void
kt_io_reboot(void)
{
    boots++;
}

/* --- counting ----------------------------------------------------------- */

/* Called before each call, with the lock held; returns the errno to give. */
static int
arrive(kt_call kind)
{
    calls[kind]++;
    steps++;
    if (middle_at != 0 && steps == middle_at) {
        kt_record_middle();
    }
    if (cut_at != 0 && steps == cut_at && !cut_done) {
        cut_done = true;
        cut_function(cut_context);
    }
    if ((fail_kinds & KT_CALL_BIT(kind)) == 0) {
        return 0;
    }
    fail_seen++;
    if (fail_at == 0 || fail_seen < fail_at ||
        (fail_seen > fail_at && !fail_on)) {
        return 0;
    }
    if (fail_hits == 0) {
        fail_kind = kind;
    }
    fail_hits++;
    return fail_error;
}

/* The same for calls that the recording does not care about. */
static int
pass(kt_call kind)
{
    int error;

    pthread_mutex_lock(&mutex);
    error = arrive(kind);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return error;
}

void
kt_io_fail(uint32_t kinds, uint64_t nth, bool from_then_on, int error)
{
    fail_seen = fail_hits = 0;
    fail_kinds = kinds;
    fail_at = nth;
    fail_on = from_then_on;
    fail_error = error;
}

void
kt_io_heal(void)
{
    fail_at = 0;
}

uint64_t
kt_io_count(void)
{
    return fail_seen;
}

uint64_t
kt_io_hits(void)
{
    return fail_hits;
}

kt_call
kt_io_hit_kind(void)
{
    return fail_kind;
}

const char *
kt_io_last_point(void)
{
    return last_point;
}

uint64_t
kt_io_calls(kt_call call)
{
    return calls[call];
}

void
kt_io_ignore_syncs(bool ignore)
{
    syncs_ignored = ignore;
}

void
kt_io_cut_at(uint64_t nth, void (*cut)(void *context), void *context)
{
    steps = 0;
    cut_at = nth;
    cut_done = false;
    cut_function = cut;
    cut_context = context;
}

bool
kt_io_was_cut(void)
{
    return cut_done;
}

uint64_t
kt_io_steps(void)
{
    return steps;
}

void
kt_io_middle_at(uint64_t nth)
{
    middle_at = nth;
}

/* --- the table ---------------------------------------------------------- */

static int
fault_open(const char *path, int flags, mode_t mode)
{
    int fd = -1;
    int error;

    pthread_mutex_lock(&mutex);
    error = arrive(KT_CALL_OPEN);
    if (error == 0) {
        const bool is_new = (flags & O_CREAT) != 0 && kt_record_is_new(path);

        fd = ki_posix_io.open(path, flags, mode);
        error = errno;
        if (fd >= 0 && is_new) {
            kt_record_created(path);
        }
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return fd;
}

/* A close that fails has closed the file. */
static int
fault_close(int fd)
{
    const int error = pass(KT_CALL_CLOSE);
    const int result = ki_posix_io.close(fd);

    if (error != 0) {
        errno = error;
        return -1;
    }
    return result;
}

static ssize_t
fault_pread(int fd, void *data, size_t size, off_t offset)
{
    const int error = pass(KT_CALL_READ);

    if (error > 0) {
        return -1;
    }
    if (error == KT_SHORT && size > 1) {
        size /= 2;
    }
    return ki_posix_io.pread(fd, data, size, offset);
}

static ssize_t
fault_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    const int error = pass(KT_CALL_WRITE);

    if (error > 0) {
        return -1;
    }
    if (error == KT_SHORT && size > 1) {
        size /= 2;
    }
    return ki_posix_io.pwrite(fd, data, size, offset);
}

static int
fault_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return pass(KT_CALL_ALLOCATE) != 0
               ? -1
               : ki_posix_io.fallocate(fd, mode, offset, size);
}

static int
fault_ftruncate(int fd, off_t size)
{
    return pass(KT_CALL_TRUNCATE) != 0 ? -1 : ki_posix_io.ftruncate(fd, size);
}

static int
fault_fstat(int fd, struct stat *status)
{
    return pass(KT_CALL_STAT) != 0 ? -1 : ki_posix_io.fstat(fd, status);
}

static int
sync_with(kt_call kind, int fd, int (*real)(int fd))
{
    int result = -1;
    int error;

    pthread_mutex_lock(&mutex);
    error = arrive(kind);
    if (error == 0) {
        result = syncs_ignored ? 0 : real(fd);
        error = errno;
    }
    else if (error != EINTR) {
        kt_record_sync_failed(fd);
    }
    if (result == 0 && !syncs_ignored) {
        kt_record_synced(fd);
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

static int
fault_fdatasync(int fd)
{
    return sync_with(KT_CALL_SYNC, fd, ki_posix_io.fdatasync);
}

static int
fault_fsync(int fd)
{
    return sync_with(KT_CALL_SYNC_ALL, fd, ki_posix_io.fsync);
}

static void *
fault_map(void *address, size_t size, int prot, int flags, int fd,
          off_t offset)
{
    return pass(KT_CALL_MAP) != 0
               ? MAP_FAILED
               : ki_posix_io.map(address, size, prot, flags, fd, offset);
}

static int
fault_unmap(void *address, size_t size)
{
    return pass(KT_CALL_UNMAP) != 0 ? -1 : ki_posix_io.unmap(address, size);
}

static int
fault_advise(void *address, size_t size, int advice)
{
    return pass(KT_CALL_ADVISE) != 0
               ? -1
               : ki_posix_io.advise(address, size, advice);
}

static int
fault_fadvise(int fd, off_t offset, off_t size, int advice)
{
    return pass(KT_CALL_FADVISE) != 0
               ? -1
               : ki_posix_io.fadvise(fd, offset, size, advice);
}

static int
fault_rename(const char *from, const char *to, bool exclusive)
{
    int result = -1;
    int error;

    pthread_mutex_lock(&mutex);
    error = arrive(KT_CALL_RENAME);
    if (error == 0) {
        result = ki_posix_io.rename(from, to, exclusive);
        error = errno;
        if (result == 0) {
            kt_record_renamed(from, to);
        }
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

static int
fault_unlink(const char *path)
{
    int result = -1;
    int error;

    pthread_mutex_lock(&mutex);
    error = arrive(KT_CALL_UNLINK);
    if (error == 0) {
        result = ki_posix_io.unlink(path);
        error = errno;
        if (result == 0) {
            kt_record_unlinked(path);
        }
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

static int
fault_access(const char *path)
{
    return pass(KT_CALL_ACCESS) != 0 ? -1 : ki_posix_io.access(path);
}

static int
fault_lock(int fd, int type, off_t offset)
{
    return pass(KT_CALL_LOCK) != 0 ? -1 : ki_posix_io.lock(fd, type, offset);
}

static int
fault_identify(int fd, ki_file_id *id)
{
    int result;

    if (pass(KT_CALL_IDENTIFY) != 0) {
        return -1;
    }
    result = ki_posix_io.identify(fd, id);
    id->boot[0] = (uint8_t)(id->boot[0] ^ boots);
    id->boot[1] = (uint8_t)(id->boot[1] ^ (boots >> 8));
    return result;
}

static int
fault_fs_type(int fd, uint64_t *type)
{
    return pass(KT_CALL_FS_TYPE) != 0 ? -1 : ki_posix_io.fs_type(fd, type);
}

static int
fault_random(void *data, size_t size)
{
    return pass(KT_CALL_RANDOM) != 0 ? -1 : ki_posix_io.random(data, size);
}

static void
fault_point(const char *label)
{
    pthread_mutex_lock(&mutex);
    snprintf(last_point, sizeof(last_point), "%s", label);
    (void)arrive(KT_CALL_POINT);
    pthread_mutex_unlock(&mutex);
}

static const kist_io fault_io = {
    .open = fault_open,
    .close = fault_close,
    .pread = fault_pread,
    .pwrite = fault_pwrite,
    .fallocate = fault_fallocate,
    .ftruncate = fault_ftruncate,
    .fstat = fault_fstat,
    .fdatasync = fault_fdatasync,
    .fsync = fault_fsync,
    .map = fault_map,
    .unmap = fault_unmap,
    .advise = fault_advise,
    .fadvise = fault_fadvise,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .access = fault_access,
    .lock = fault_lock,
    .identify = fault_identify,
    .fs_type = fault_fs_type,
    .random = fault_random,
    .point = fault_point,
};

void
kt_io_install(void)
{
    kt_io_record_stop();
    kt_io_fail(0, 0, false, 0);
    memset(calls, 0, sizeof(calls));
    syncs_ignored = false;
    ki_io = &fault_io;
}

void
kt_io_remove(void)
{
    kt_io_record_stop();
    ki_io = &ki_posix_io;
}
