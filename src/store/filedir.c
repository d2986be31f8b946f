#include "store/filedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/storeplace.h"

// How often a value may change under our eyes, or a handle be stale, in a row.
#define TRIES_MAX 100

#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* --- ETags
 * -------------------------------------------------------------------
 */

static int64_t
nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* Writes `number` at `text`; returns its end. */
static char *
write_number(uint64_t number, char *text)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *text++ = digits[--count];
    }
    return text;
}

void
ki_filedir_etag_of(int64_t mtime_ns, uint64_t size, uint64_t inode,
                   kist_etag *etag)
{
    char *end = etag->text;

    if (mtime_ns < 0) {
        *end++ = '-';
    }
    end = write_number(
        mtime_ns < 0 ? 0 - (uint64_t)mtime_ns : (uint64_t)mtime_ns, end);
    *end++ = ':';
    end = write_number(size, end);
    *end++ = ':';
    end = write_number(inode, end);
    etag->size = (uint8_t)(end - etag->text);
}

void
ki_filedir_etag(const struct stat *status, kist_etag *etag)
{
    ki_filedir_etag_of(nanoseconds(&status->st_mtim),
                       (uint64_t)status->st_size, (uint64_t)status->st_ino,
                       etag);
}

void
ki_filedir_stat(const struct stat *status, kist_stat *stat)
{
    ki_filedir_etag(status, &stat->etag);
    stat->size = (uint64_t)status->st_size;
    stat->mtime_ns = nanoseconds(&status->st_mtim);
}

/* --- reading
 * -----------------------------------------------------------------
 */

kist_status
ki_filedir_path(const ki_filedir *dir, kist_slice key, ki_path *path)
{
    memcpy(path->text, dir->prefix, dir->prefix_size);
    path->size = dir->prefix_size;
    path->name = dir->prefix_size;
    return ki_key_path(key, dir->store.options.digest_len, dir->store.format,
                       path);
}

/* True for an errno that means: there is no such value. */
static bool
is_absence(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP ||
           error == EXDEV || error == ENXIO;
}

/*
 * What is known of the file at *path without opening it.  NOTFOUND without
 * detail.
 */
static kist_status
look(const ki_filedir *dir, ki_path *path, struct stat *status)
{
    ki_place place;
    kist_status result = ki_place_open(
        dir->root, path, dir->root->remote ? KI_PLACE_WRITE : KI_PLACE_LOOK,
        false, &place);

    if (result != KIST_OK) {
        return result;
    }
    ki_root_freshen(dir->root, place.fd);
    if (ki_dirio->stat(place.fd, place.name, status) != 0) {
        result = is_absence(errno) ? KIST_ERR_NOTFOUND
                                   : KI_ROOT_FAIL(KIST_ERR_IO, dir->root,
                                                  path->text, "stat");
    }
    else if (!S_ISREG(status->st_mode)) {
        result = KIST_ERR_NOTFOUND;
    }
    ki_place_close(&place);
    return result;
}

/* The file at *path, opened: -1 and errno. */
static int
open_value(const ki_filedir *dir, ki_path *path)
{
    if (dir->root->remote) {
        ki_place place;
        int fd = -1;

        if (ki_place_open(dir->root, path, KI_PLACE_WRITE, false, &place) !=
            KIST_OK) {
            errno = ENOENT;
            return -1;
        }
        ki_root_freshen(dir->root, place.fd);
        fd = ki_dirio->open(place.fd, place.name, READ_FLAGS, 0);
        ki_place_close(&place);
        return fd;
    }
    return path->name == 0
               ? ki_dirio->open(dir->root->fd, path->text, READ_FLAGS, 0)
               : ki_dirio->open_beneath(dir->root->fd, path->text, READ_FLAGS);
}

static bool
is_same(const struct stat *left, const struct stat *right)
{
    return left->st_ino == right->st_ino && left->st_size == right->st_size &&
           left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
           left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

/*
 * Reads all of `fd`, which had `size` bytes a moment ago, into `value`.  One
 * byte more is asked for, so that an answer of as many as it had tells its
 * end; a shorter one may be the middle.
 */
static kist_status
read_all(const ki_filedir *dir, const char *path, int fd, size_t size,
         kist_buf *value)
{
    kist_status status;

    for (;;) {
        const size_t room =
            size + 1 > value->size ? size + 1 - value->size : 4096;
        ssize_t got;

        status = kist_buf_reserve(value, room);
        if (status != KIST_OK) {
            return status;
        }
        got = ki_io->pread(fd, value->data + value->size, room,
                           (off_t)value->size);
        if (got > 0) {
            value->size += (size_t)got;
        }
        else if (got < 0 && errno != EINTR) {
            return KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path, "read");
        }
        if (got == 0 ||
            (got > 0 && (size_t)got < room && value->size >= size)) {
            return KIST_OK;
        }
        if (value->size > dir->store.options.value_size_max) {
            return KI_ROOT_FAIL(KIST_ERR_TOOBIG, dir->root, path, "value");
        }
    }
}

/*
 * Reads the value that `fd` has open, and what is known of it.  BUSY without
 * detail if it was written into meanwhile.
 */
static kist_status
read_open(const ki_filedir *dir, const char *path, int fd, kist_buf *value,
          struct stat *before)
{
    struct stat after;
    kist_status status;

    if (ki_io->fstat(fd, before) != 0) {
        return errno == ESTALE
                   ? KIST_ERR_BUSY
                   : KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path, "stat");
    }
    if (!S_ISREG(before->st_mode)) {
        return KIST_ERR_NOTFOUND;
    }
    if ((uint64_t)before->st_size > dir->store.options.value_size_max) {
        return KI_ROOT_FAIL(KIST_ERR_TOOBIG, dir->root, path, "value");
    }
    kist_buf_clear(value);
    status = read_all(dir, path, fd, (size_t)before->st_size, value);
    if (status != KIST_OK) {
        return errno == ESTALE && status == KIST_ERR_IO ? KIST_ERR_BUSY
                                                        : status;
    }
    if (ki_io->fstat(fd, &after) != 0) {
        return KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path, "stat");
    }
    return is_same(before, &after) ? KIST_OK : KIST_ERR_BUSY;
}

/* Reads what open_value() has opened, or says why it has not. */
static kist_status
read_opened(const ki_filedir *dir, const char *path, int fd, kist_buf *value,
            struct stat *status)
{
    kist_status result;

    if (fd < 0) {
        if (is_absence(errno)) {
            return KIST_ERR_NOTFOUND;
        }
        return errno == ESTALE
                   ? KIST_ERR_BUSY
                   : KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path, "open");
    }
    result = read_open(dir, path, fd, value, status);
    (void)ki_io->close(fd);
    return result;
}

kist_status
ki_filedir_read(const ki_filedir *dir, int fd, const char *name,
                const char *path, kist_buf *value, struct stat *status)
{
    return read_opened(dir, path, ki_dirio->open(fd, name, READ_FLAGS, 0),
                       value, status);
}

kist_status
ki_filedir_get(kist_store *store, kist_slice key, const kist_etag *unless,
               kist_buf *value, kist_stat *stat, bool *same)
{
    ki_filedir *dir = (ki_filedir *)store;
    ki_path path;
    struct stat status;
    kist_status result = ki_filedir_path(dir, key, &path);
    bool looking = value == NULL || unless != NULL;

    if (result != KIST_OK) {
        return result;
    }
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        bool again = false;

        result = looking ? look(dir, &path, &status)
                         : read_opened(dir, path.text, open_value(dir, &path),
                                       value, &status);
        if (result == KIST_ERR_NOTFOUND) {
            result = ki_root_renew(dir->root, false, &again);
            if (result == KIST_OK && !again) {
                return KIST_ERR_NOTFOUND;
            }
        }
        else if (result == KIST_OK && looking && unless != NULL) {
            kist_etag etag;

            ki_filedir_etag(&status, &etag);
            *same = kist_etag_equal(&etag, unless);
            again = !*same && value != NULL;
            looking = !again;
        }
        if (!again && result != KIST_ERR_BUSY) {
            if (result == KIST_OK && stat != NULL) {
                ki_filedir_stat(&status, stat);
            }
            return result;
        }
    }
    return KI_ROOT_FAIL(KIST_ERR_BUSY, dir->root, path.text,
                        "changes while it is read");
}

/* --- opening
 * -----------------------------------------------------------------
 */

static const ki_store_ops filedir_ops;

/* A store on `root`, of which it takes the caller's reference, even when it
 * fails. */
static kist_status
make_filedir(ki_root *root, const char *prefix, size_t prefix_size,
             const kist_store_options *options, kist_store **store)
{
    ki_filedir *dir = ki_calloc(1, sizeof(*dir) + prefix_size + 1);
    kist_status status;

    *store = NULL;
    if (dir == NULL) {
        status = KI_ROOT_FAIL(KIST_ERR_NOMEM, root, "", "store");
        ki_root_drop(root);
        return status;
    }
    status = ki_store_init(&dir->store, &filedir_ops, options);
    if (status != KIST_OK) {
        ki_root_drop(root);
        ki_free(dir);
        return status;
    }
    dir->root = root;
    dir->prefix_size = prefix_size;
    memcpy(dir->prefix, prefix, prefix_size);
    *store = &dir->store;
    return KIST_OK;
}

static void
filedir_free(kist_store *store)
{
    ki_filedir *dir = (ki_filedir *)store;

    ki_names_free(dir->names);
    ki_root_drop(dir->root);
    ki_free(dir);
}

static kist_status
filedir_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    const ki_filedir *dir = (const ki_filedir *)store;
    ki_path path;
    kist_status status;

    memcpy(path.text, dir->prefix, dir->prefix_size);
    path.size = dir->prefix_size;
    status = ki_key_path(prefix, store->options.digest_len, NULL, &path);
    if (status != KIST_OK) {
        return status;
    }
    return make_filedir(ki_root_hold(dir->root), path.text, path.size,
                        &store->options, sub);
}

static kist_status
filedir_reformat(kist_store *store, const char *format, kist_store **other)
{
    const ki_filedir *dir = (const ki_filedir *)store;
    kist_store_options options = store->options;

    options.format = format;
    return make_filedir(ki_root_hold(dir->root), dir->prefix, dir->prefix_size,
                        &options, other);
}

static kist_status
filedir_check(const kist_store *store, kist_slice key)
{
    (void)store;
    return ki_key_check(key);
}

static const ki_store_ops filedir_ops = {
    .name = "dir",
    .free = filedir_free,
    .sub = filedir_sub,
    .reformat = filedir_reformat,
    .check = filedir_check,
    .get = ki_filedir_get,
    .put = ki_filedir_put,
    .remove = ki_filedir_remove,
    .scan_open = ki_filedir_scan_open,
    .scan_next = ki_filedir_scan_next,
    .scan_close = ki_filedir_scan_close,
    .scan_read = ki_filedir_scan_read,
    .count = ki_filedir_count,
    .random = ki_filedir_random,
    .clear = ki_filedir_clear,
    .get_many = ki_filedir_get_many,
    .put_many = ki_filedir_put_many,
};

kist_status
kist_store_open_dir(const char *path, const kist_store_options *options,
                    kist_store **store)
{
    kist_store_options defaults;
    ki_root *root;
    kist_status status;

    if (options == NULL) {
        kist_store_options_init(&defaults);
        options = &defaults;
    }
    *store = NULL;
    status = ki_root_open(path, options, &root);
    return status == KIST_OK ? make_filedir(root, "", 0, options, store)
                             : status;
}
