/*
 * Who changes the values holds byte WATCH_AT of _kist_watch, shared; who
 * writes the index must have it for himself.  A lock, unlike a mark in a file,
 * goes with the process that held it.  On NFS version 3 that of a machine that
 * went away may stay: then there is no index, and the peer reads the
 * directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "os/dirio.h"
#include "os/filelock.h"
#include "os/io.h"
#include "store/nfsdirlist.h"
#include "store/nfsindex.h"

#define WATCH         "_kist_watch"
#define WATCH_AT      0
#define WATCH_WAIT_MS 2000 // somebody writes the index now

/* More shards in doubt than this, and it is worth to wait for the clock. */
#define DOUBTS_MAX 32

/* --- taking the index away --------------------------------------------------
 */

static bool
index_is_there(const ki_nfsdir *dir)
{
    struct stat status;

    return ki_dirio->stat(dir->root->fd, dir->index_name, &status) == 0;
}

/*
 * Renamed and not removed: its keys need not be read from their files then.
 */
static kist_status
take_index(const ki_nfsdir *dir)
{
    const int fd = dir->root->fd;

    if (ki_dirio->rename(fd, dir->index_name, fd, dir->was_name, false) != 0 &&
        errno != ENOENT) {
        return KI_ROOT_FAIL(KIST_ERR_IO, dir->root, dir->index_name,
                            "rename of the index");
    }
    if (dir->store.options.durability != KIST_STORE_NONE &&
        ki_io->fsync(fd) != 0 && errno != EINVAL) {
        return KI_ROOT_FAIL(KIST_ERR_IO, dir->root, "",
                            "sync of the directory");
    }
    return KIST_OK;
}

kist_status
ki_nfsdir_end_change(ki_nfsdir *dir)
{
    return index_is_there(dir) ? take_index(dir) : KIST_OK;
}

/* --- the watch --------------------------------------------------------------
 */

/* Without locks nobody writes the index, and that is all. */
static void
watch(ki_nfsdir *dir)
{
    if (dir->watch_fd < 0) {
        dir->watch_fd = ki_dirio->open(
            dir->root->fd, WATCH, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
            (mode_t)0644 | (dir->mode & (mode_t)022));
    }
    dir->watching = dir->watch_fd >= 0 &&
                    ki_filelock_take(dir->watch_fd, dir->root->path, WATCH_AT,
                                     KI_LOCK_SHARED, WATCH_WAIT_MS) == KIST_OK;
}

static void
unwatch(ki_nfsdir *dir)
{
    if (dir->watch_fd >= 0) {
        ki_filelock_drop(dir->watch_fd, WATCH_AT);
        (void)ki_io->close(dir->watch_fd);
        dir->watch_fd = -1;
    }
    dir->watching = false;
}

kist_status
ki_nfsdir_begin_change(ki_nfsdir *dir)
{
    kist_status status = KIST_OK;

    if (atomic_load_explicit(&dir->dirty, memory_order_acquire)) {
        return KIST_OK;
    }
    pthread_mutex_lock(&dir->changing);
    if (!atomic_load(&dir->dirty)) {
        watch(dir);
        if (index_is_there(dir)) {
            status = take_index(dir);
        }
        if (status == KIST_OK) {
            atomic_store_explicit(&dir->dirty, true, memory_order_release);
        }
    }
    pthread_mutex_unlock(&dir->changing);
    return status;
}

/* --- the end ----------------------------------------------------------------
 */

static kist_status
write_index(const ki_nfsdir *dir, const ki_nfslist *list)
{
    kist_buf data = {0};
    size_t at = 0;
    kist_slice key;
    kist_status status = ki_nfsindex_begin(dir->format, &data);

    while (status == KIST_OK &&
           ki_nfslist_next(list, list->keys.size, &at, &key)) {
        status = ki_nfsindex_add(dir->format, &data, key);
    }
    if (status == KIST_OK) {
        status = ki_nfsindex_end(dir->format, &data);
    }
    if (status == KIST_OK) {
        status = ki_nfsdir_replace(dir, dir->index_name, kist_buf_slice(&data),
                                   dir->store.options.durability !=
                                       KIST_STORE_NONE);
    }
    kist_buf_fini(&data);
    return status;
}

/*
 * The index is written if we are the last, and taken away again if a peer has
 * put something between the reading and the writing.
 */
static void
publish(ki_nfsdir *dir, const ki_nfslist *list)
{
    ki_nfslist *later = NULL;

    if (!dir->watching ||
        ki_filelock_take(dir->watch_fd, dir->root->path, WATCH_AT,
                         KI_LOCK_EXCLUSIVE, 0) != KIST_OK) {
        return;
    }
    if (write_index(dir, list) != KIST_OK) {
        return;
    }
    if (ki_nfslist_now(dir, &later) != KIST_OK ||
        later->keys.size != list->keys.size ||
        (list->keys.size > 0 &&
         memcmp(later->keys.data, list->keys.data, list->keys.size) != 0)) {
        (void)take_index(dir);
    }
    else {
        (void)ki_dirio->unlink(dir->root->fd, dir->was_name);
    }
    ki_nfslist_drop(later);
}

void
ki_nfsdir_finish(ki_nfsdir *dir)
{
    const bool dirty = atomic_load(&dir->dirty);
    ki_nfslist *list = NULL;

    if (dir->store.options.read_only ||
        (!dirty && (dir->list == NULL || !dir->list_unsaved))) {
        return;
    }
    if (ki_nfslist_now(dir, &list) == KIST_OK) {
        if (ki_nfslist_doubts(list) > DOUBTS_MAX && !dir->root->remote) {
            ki_nfslist_drop(list);
            ki_nfslist_let_tick(dir);
            if (ki_nfslist_now(dir, &list) != KIST_OK) {
                list = NULL;
            }
        }
    }
    if (list != NULL) {
        dir->list_unsaved = ki_nfslist_save(dir, list) != KIST_OK;
        if (dirty) {
            publish(dir, list);
        }
        ki_nfslist_drop(list);
    }
    unwatch(dir);
    atomic_store(&dir->dirty, false);
}
