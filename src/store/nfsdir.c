#include "store/nfsdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "os/dirio.h"
#include "os/inflight.h"
#include "os/io.h"
#include "store/filedir.h"
#include "store/nfsdirlist.h"
#include "store/storeplace.h"

/* How much of a file is read at first: most values are smaller. */
#define READ_FIRST 4096

/* How far the key is looked for: each of its bytes may be an escape of six. */
#define HEAD_MAX (KI_NFSKEY_SIZE_MAX * 6 + READ_FIRST)

/* How often a list is believed more than a look-up. */
#define LISTED_TRIES 2

#define SHARD_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define FILE_FLAGS  (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* --- opening and closing ----------------------------------------------------
 */

/* The locks of a new store, or of a child's: nobody holds them. */
static void
init_own(ki_nfsdir *dir)
{
    pthread_mutex_init(&dir->listing, NULL);
    pthread_mutex_init(&dir->changing, NULL);
    dir->noting = (ki_latch){0};
    dir->watch_fd = -1;
    dir->watching = false;
    atomic_store(&dir->dirty, false);
}

void
ki_nfsdir_enter(ki_nfsdir *dir)
{
    const uint32_t forks = atomic_load(&ki_inflight_forks);

    if (atomic_load_explicit(&dir->forks, memory_order_acquire) == forks) {
        return;
    }
    ki_latch_take(&dir->adopting);
    if (atomic_load(&dir->forks) != forks) {
        // The parent's lock stays his: it is dropped by him, not by a close.
        if (dir->watch_fd >= 0) {
            (void)ki_io->close(dir->watch_fd);
        }
        // A thread of the parent may have been in the middle of these.
        dir->list = NULL;
        dir->noted = (ki_nfsmap){0};
        init_own(dir);
        atomic_store_explicit(&dir->forks, forks, memory_order_release);
    }
    ki_latch_drop(&dir->adopting);
}

static void
nfs_free(kist_store *store)
{
    ki_nfsdir *dir = (ki_nfsdir *)store;

    ki_nfsdir_enter(dir);
    if (dir->root != NULL) {
        ki_nfsdir_finish(dir);
    }
    if (dir->watch_fd >= 0) {
        (void)ki_io->close(dir->watch_fd);
    }
    ki_nfslist_drop(dir->list);
    ki_nfsmap_fini(&dir->noted);
    pthread_mutex_destroy(&dir->listing);
    pthread_mutex_destroy(&dir->changing);
    ki_root_drop(dir->root);
    ki_free(dir);
}

static kist_status
nfs_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    (void)store;
    (void)prefix;
    *sub = NULL;
    return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, KI_NO_OFFSET,
                   "sub-stores of NFS");
}

static kist_status
nfs_reformat(kist_store *store, const char *format, kist_store **other)
{
    const ki_nfsdir *dir = (const ki_nfsdir *)store;
    kist_store_options options = store->options;

    options.format = format;
    return kist_store_open_nfs(dir->root->path, &options, other);
}

static kist_status
nfs_check(const kist_store *store, kist_slice key)
{
    (void)store;
    if (key.size > KI_NFSKEY_SIZE_MAX || !ki_nfskey_valid(key)) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "key: neither short nor UTF-8");
    }
    return KIST_OK;
}

/* --- reading ----------------------------------------------------------------
 */

void
ki_nfsdir_path(const ki_nfsdir *dir, kist_slice key,
               uint8_t digest[KI_SHA256_SIZE], ki_path *path)
{
    ki_sha256(key.data, key.size, digest);
    ki_nfsname_write(digest, path->text);
    path->name = 3;
    path->size = KI_NFSNAME_SIZE;
    path->text[path->size++] = '.';
    for (const char *letter = dir->store.format; *letter != '\0'; letter++) {
        path->text[path->size++] = *letter;
    }
    path->text[path->size] = '\0';
}

/* Opens a shard: its descriptor, or -1 and errno. */
static int
open_shard(const ki_nfsdir *dir, const char *name)
{
    const int base = dir->root->fd;
    int fd = ki_dirio->open_beneath(base, name, SHARD_FLAGS);

    // That it is missing may be what this client remembers.
    if (fd < 0 && errno == ENOENT && dir->root->remote) {
        ki_root_freshen(dir->root, base);
        fd = ki_dirio->open_beneath(base, name, SHARD_FLAGS);
    }
    return fd;
}

/* True if `name` is listed in directory `fd`, asked of the server. */
static bool
is_listed(int fd, const char *name)
{
    _Alignas(8) char entries[8192];
    ssize_t size;

    while ((size = ki_dirio->list(fd, entries, sizeof(entries))) > 0) {
        ssize_t at = 0;

        while (at < size) {
            uint16_t step;

            memcpy(&step, entries + at + 16, sizeof(step));
            if (strcmp(entries + at + 19, name) == 0) {
                return true;
            }
            at += step;
        }
    }
    return false;
}

/*
 * One try to open a file: its descriptor, or -1 and errno.  On a remote root
 * opening the directory first makes the client ask for what it remembers of
 * it, and a name that is not found although it is listed is asked for again,
 * but not for ever: the list may be the older of the two.
 */
static int
try_open(const ki_nfsdir *dir, ki_path *path, unsigned tries)
{
    int shard;
    int fd;
    int error;

    if (!dir->root->remote) {
        return ki_dirio->open_beneath(dir->root->fd, path->text, FILE_FLAGS);
    }
    path->text[2] = '\0';
    shard = open_shard(dir, path->text);
    path->text[2] = '/';
    if (shard < 0) {
        return -1;
    }
    fd = ki_dirio->open(shard, path->text + path->name, FILE_FLAGS, 0);
    error = errno;
    if (fd < 0 && error == ENOENT && tries < LISTED_TRIES &&
        is_listed(shard, path->text + path->name)) {
        error = ESTALE;
    }
    (void)ki_io->close(shard);
    errno = error;
    return fd;
}

/* Is it worth to try again, after errno?  The root may have been replaced. */
static kist_status
try_again(ki_nfsdir *dir, unsigned tries, bool *again)
{
    const int error = errno;
    kist_status status = KIST_OK;

    *again = false;
    if (tries < KI_NFS_TRIES && (error == ESTALE || error == ENOENT)) {
        status = ki_root_renew(dir->root, false, again);
        *again = *again || error == ESTALE;
    }
    errno = error;
    return status;
}

static kist_status
open_value(ki_nfsdir *dir, ki_path *path, int *fd)
{
    for (unsigned tries = 0;; tries++) {
        kist_status status;
        bool again;

        *fd = try_open(dir, path, tries);
        if (*fd >= 0) {
            return KIST_OK;
        }
        status = try_again(dir, tries, &again);
        if (status != KIST_OK) {
            return status;
        }
        if (again) {
            continue;
        }
        if (errno == ENOENT || errno == ENOTDIR) {
            return KIST_ERR_NOTFOUND;
        }
        if (errno == ELOOP || errno == EXDEV) {
            return KI_ROOT_FAIL(KIST_ERR_CORRUPT, dir->root, path->text,
                                "a symbolic link in place of a value");
        }
        return KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path->text, "open");
    }
}

/*
 * Reads on from the end of `value` until it has `enough` bytes or the file
 * ends (*whole).  A regular file that gives less than was asked for has no
 * more.  TOOBIG above `limit` bytes.
 */
static kist_status
read_some(const ki_nfsdir *dir, const ki_path *path, int fd, size_t enough,
          size_t limit, kist_buf *value, bool *whole)
{
    *whole = false;
    while (!*whole && value->size < enough) {
        size_t room = value->size == 0 ? READ_FIRST : value->size;
        kist_status status;
        ssize_t size;

        if (value->size > limit) {
            return KI_ROOT_FAIL(KIST_ERR_TOOBIG, dir->root, path->text,
                                "value");
        }
        // One byte more than allowed tells that there are more.
        if (room > limit - value->size + 1) {
            room = limit - value->size + 1;
        }
        status = kist_buf_reserve(value, room);
        if (status != KIST_OK) {
            return status;
        }
        size = ki_io->pread(fd, value->data + value->size, room,
                            (off_t)value->size);
        if (size < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == ESTALE ? KIST_END
                                   : KI_ROOT_FAIL(KIST_ERR_IO, dir->root,
                                                  path->text, "read");
        }
        value->size += (size_t)size;
        *whole = (size_t)size < room;
    }
    return KIST_OK;
}

static kist_status
check_key(const ki_nfsdir *dir, const ki_path *path, kist_slice key,
          const kist_buf *value)
{
    kist_buf scratch = {0};
    kist_slice found;
    kist_status status = ki_nfskey_read(dir->format, kist_buf_slice(value),
                                        true, &scratch, &found);

    if (status == KIST_ERR_CORRUPT) {
        status = KI_ROOT_FAIL(KIST_ERR_CORRUPT, dir->root, path->text,
                              "not a key and a value");
    }
    else if (status == KIST_OK && !ki_nfskey_same(found, key)) {
        status = KI_ROOT_FAIL(KIST_ERR_CORRUPT, dir->root, path->text,
                              "the value of another key");
    }
    kist_buf_fini(&scratch);
    return status;
}

/* What is known of an open file; CORRUPT if it is none. */
static kist_status
look(const ki_nfsdir *dir, const ki_path *path, int fd, kist_stat *stat)
{
    struct stat status;

    if (ki_io->fstat(fd, &status) != 0) {
        return errno == ESTALE
                   ? KIST_END
                   : KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path->text, "stat");
    }
    if (!S_ISREG(status.st_mode)) {
        return KI_ROOT_FAIL(KIST_ERR_CORRUPT, dir->root, path->text,
                            "not a regular file");
    }
    ki_filedir_stat(&status, stat);
    return KIST_OK;
}

static kist_status
read_open(const ki_nfsdir *dir, const ki_path *path, int fd,
          const kist_slice *key, const kist_etag *unless, kist_buf *value,
          kist_stat *stat, bool *same)
{
    kist_status status = KIST_OK;
    kist_stat seen;
    bool whole;

    if (stat != NULL || unless != NULL) {
        status = look(dir, path, fd, &seen);
        if (status == KIST_OK && stat != NULL) {
            *stat = seen;
        }
        if (status == KIST_OK && unless != NULL) {
            *same = kist_etag_equal(unless, &seen.etag);
            if (*same) {
                return KIST_OK;
            }
        }
    }
    if (status == KIST_OK && value != NULL) {
        kist_buf_clear(value);
        status = read_some(dir, path, fd, SIZE_MAX,
                           dir->store.options.value_size_max, value, &whole);
        if (status == KIST_OK && key != NULL) {
            status = check_key(dir, path, *key, value);
        }
    }
    return status;
}

kist_status
ki_nfsdir_read(ki_nfsdir *dir, ki_path *path, const kist_slice *key,
               const kist_etag *unless, kist_buf *value, kist_stat *stat,
               bool *same)
{
    kist_status status = KIST_END;
    int fd;

    // KIST_END: the handle went stale after it was opened.
    for (unsigned tries = 0; status == KIST_END && tries < KI_NFS_TRIES;
         tries++) {
        status = open_value(dir, path, &fd);
        if (status == KIST_OK) {
            status = read_open(dir, path, fd, key, unless, value, stat, same);
            (void)ki_io->close(fd);
        }
    }
    if (status == KIST_END) {
        errno = ESTALE;
        status = KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path->text, "read");
    }
    return status;
}

kist_status
ki_nfsdir_read_key(ki_nfsdir *dir, ki_path *path, kist_buf *head,
                   kist_buf *scratch, kist_slice *key)
{
    kist_status status = KIST_END;
    size_t enough = 1;
    bool whole = false;
    unsigned tries = 0;
    int fd = -1;

    while (status == KIST_END) {
        if (fd < 0) {
            kist_buf_clear(head);
            enough = 1;
            status =
                tries++ < KI_NFS_TRIES
                    ? open_value(dir, path, &fd)
                    : KI_ROOT_FAIL(KIST_ERR_IO, dir->root, path->text, "read");
        }
        if (fd >= 0) {
            status = read_some(dir, path, fd, enough, HEAD_MAX, head, &whole);
            if (status == KIST_END) {
                (void)ki_io->close(fd);
                fd = -1;
                errno = ESTALE;
            }
        }
        if (status == KIST_OK) {
            status = ki_nfskey_read(dir->format, kist_buf_slice(head), whole,
                                    scratch, key);
            enough = head->size + 1;
        }
    }
    if (fd >= 0) {
        (void)ki_io->close(fd);
    }
    if (status == KIST_ERR_CORRUPT || status == KIST_ERR_TOOBIG) {
        status = KI_ROOT_FAIL(KIST_ERR_CORRUPT, dir->root, path->text,
                              "not a key and a value");
    }
    return status;
}

static kist_status
nfs_get(kist_store *store, kist_slice key, const kist_etag *unless,
        kist_buf *value, kist_stat *stat, bool *same)
{
    ki_nfsdir *dir = (ki_nfsdir *)store;
    uint8_t digest[KI_SHA256_SIZE];
    ki_path path;

    ki_nfsdir_enter(dir);
    ki_nfsdir_path(dir, key, digest, &path);
    return ki_nfsdir_read(dir, &path, &key, unless, value, stat, same);
}

/* --- the table --------------------------------------------------------------
 */

static const ki_store_ops nfs_ops = {
    .name = "nfsdir",
    .free = nfs_free,
    .sub = nfs_sub,
    .reformat = nfs_reformat,
    .check = nfs_check,
    .get = nfs_get,
    .put = ki_nfsdir_put,
    .remove = ki_nfsdir_remove,
    .scan_open = ki_nfsdir_scan_open,
    .scan_next = ki_nfsdir_scan_next,
    .scan_close = ki_nfsdir_scan_close,
    .count = ki_nfsdir_count,
    .get_many = ki_nfsdir_get_many,
};

static void
name_own(char name[KI_NFS_OWN_NAME_SIZE], const char *stem, const char *format)
{
    (void)snprintf(name, KI_NFS_OWN_NAME_SIZE, "%s%.4s", stem, format);
}

static kist_status
open_dir(ki_nfsdir *dir, const char *path, const kist_store_options *options)
{
    struct stat root;
    kist_status status = ki_store_init(&dir->store, &nfs_ops, options);

    if (status != KIST_OK) {
        return status;
    }
    if (strcmp(dir->store.format, "pkl") == 0) {
        dir->format = KI_NFS_PICKLE;
    }
    else if (strcmp(dir->store.format, "json") == 0) {
        dir->format = KI_NFS_JSON;
    }
    else {
        return KI_FAIL(KIST_ERR_INVALID, path, KI_NO_OFFSET,
                       "format of an NFS store: neither pkl nor json");
    }
    name_own(dir->index_name, "_index.", dir->store.format);
    name_own(dir->list_name, "_kist_", dir->store.format);
    name_own(dir->was_name, "_kist_was_", dir->store.format);
    status = ki_root_open(path, &dir->store.options, &dir->root);
    if (status == KIST_OK && ki_io->fstat(dir->root->fd, &root) == 0) {
        dir->mode = root.st_mode;
    }
    return status;
}

kist_status
kist_store_open_nfs(const char *path, const kist_store_options *options,
                    kist_store **store)
{
    kist_store_options chosen;
    ki_nfsdir *dir = ki_calloc(1, sizeof(*dir));
    kist_status status;

    *store = NULL;
    if (dir == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "store");
    }
    if (options == NULL) {
        kist_store_options_init(&chosen);
        chosen.format = "json";
        options = &chosen;
    }
    init_own(dir);
    status = open_dir(dir, path, options);
    if (status != KIST_OK) {
        nfs_free(&dir->store);
        return status;
    }
    atomic_store(&dir->forks, atomic_load(&ki_inflight_forks));
    *store = &dir->store;
    return KIST_OK;
}
