/*
 * What is done to all values of a directory: scans, and clear.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/filewalk.h"

struct ki_cursor {
    ki_filewalk walk;
    const char *name; // of the file that was found last
    bool stats;
    kist_buf key;
    size_t key_size; // of the directory's key with its "/", in `key`
};

/* --- scans
 * -------------------------------------------------------------------
 */

kist_status
ki_filedir_scan_open(kist_store *store, bool stats, ki_cursor **cursor)
{
    // The walk's buffers need no zeros.
    ki_cursor *made = ki_realloc(NULL, sizeof(*made));
    kist_status status;

    *cursor = NULL;
    if (made == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
    }
    status = ki_filewalk_init(&made->walk, (ki_filedir *)store);
    if (status != KIST_OK) {
        ki_free(made);
        return status;
    }
    made->stats = stats;
    kist_buf_init(&made->key, 0);
    *cursor = made;
    return KIST_OK;
}

/* Goes into the next directory. */
static kist_status
enter(ki_cursor *cursor)
{
    kist_status status = ki_filewalk_enter(&cursor->walk);
    const char *key;

    if (status != KIST_OK) {
        return status;
    }
    key = ki_filewalk_key(&cursor->walk);
    kist_buf_clear(&cursor->key);
    status = kist_buf_append(&cursor->key, key, strlen(key));
    if (status == KIST_OK && key[0] != '\0') {
        status = kist_buf_append(&cursor->key, "/", 1);
    }
    cursor->key_size = cursor->key.size;
    return status;
}

kist_status
ki_filedir_scan_next(ki_cursor *cursor, ki_found *found)
{
    ki_filewalk *walk = &cursor->walk;

    for (;;) {
        const char *name;
        size_t stem;
        struct stat file;
        kist_status status = walk->fd < 0 ? enter(cursor) : KIST_OK;

        if (status == KIST_OK) {
            status = ki_filewalk_step(walk, &name, &stem);
            if (status != KIST_OK) {
                ki_filewalk_leave(walk);
            }
            if (status == KIST_END) {
                continue;
            }
        }
        if (status != KIST_OK) {
            return status;
        }
        if (cursor->stats) {
            if (ki_dirio->stat(walk->fd, name, &file) != 0) {
                if (errno == ENOENT) {
                    continue;
                }
                return KI_ROOT_FAIL(KIST_ERR_IO, walk->dir->root, name,
                                    "stat");
            }
            ki_filedir_stat(&file, &found->stat);
        }
        cursor->name = name;
        found->has_stat = cursor->stats;
        cursor->key.size = cursor->key_size;
        status = kist_buf_append(&cursor->key, name, stem);
        found->key = kist_buf_slice(&cursor->key);
        return status;
    }
}

kist_status
ki_filedir_scan_read(ki_cursor *cursor, kist_buf *value, kist_stat *stat)
{
    const ki_filewalk *walk = &cursor->walk;
    char path[KI_WALK_PATH_SIZE];
    struct stat status;
    kist_status result;

    ki_filewalk_path(walk, cursor->name, path);
    result = ki_filedir_read(walk->dir, walk->fd, cursor->name, path, value,
                             &status);
    if (result == KIST_OK && stat != NULL) {
        ki_filedir_stat(&status, stat);
    }
    return result;
}

void
ki_filedir_scan_close(ki_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    ki_filewalk_fini(&cursor->walk);
    kist_buf_fini(&cursor->key);
    ki_free(cursor);
}

/* --- clearing
 * ----------------------------------------------------------------
 */

/* Removes the values of the directory that is entered, under its lock. */
static kist_status
clear_one(ki_filewalk *walk, uint64_t *count)
{
    ki_root *root = walk->dir->root;
    const uint64_t before = *count;
    kist_status status = ki_root_lock(root, walk->fd);
    const char *name;
    size_t stem;

    if (status != KIST_OK) {
        return status;
    }
    while ((status = ki_filewalk_step(walk, &name, &stem)) == KIST_OK) {
        if (ki_dirio->unlink(walk->fd, name) == 0) {
            (*count)++;
        }
        else if (errno != ENOENT) {
            status = KI_ROOT_FAIL(KIST_ERR_IO, root, name, "remove");
            break;
        }
    }
    ki_root_unlock(root, walk->fd);
    if (status == KIST_END) {
        status = KIST_OK;
    }
    if (status == KIST_OK && *count > before &&
        walk->dir->store.options.durability != KIST_STORE_NONE &&
        ki_io->fsync(walk->fd) != 0) {
        status =
            KI_ROOT_FAIL(KIST_ERR_IO, root, walk->dirs[walk->next - 1].path,
                         "sync directory");
    }
    return status;
}

/* Removes the directories that are empty, children first; not the first. */
static void
remove_empty(const ki_filewalk *walk)
{
    for (size_t index = walk->count; index > 1; index--) {
        char *path = walk->dirs[index - 1].path;
        char *slash = strrchr(path, '/');
        int fd = walk->dir->root->fd;

        if (slash == NULL) {
            (void)ki_dirio->rmdir(fd, path);
            continue;
        }
        *slash = '\0';
        fd =
            ki_dirio->open_beneath(fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            (void)ki_dirio->rmdir(fd, slash + 1);
            (void)ki_io->close(fd);
        }
        *slash = '/';
    }
}

kist_status
ki_filedir_clear(kist_store *store, uint64_t *count)
{
    ki_filedir *dir = (ki_filedir *)store;
    ki_filewalk *walk;
    kist_status status;

    *count = 0;
    if (store->options.read_only) {
        return KI_ROOT_FAIL(KIST_ERR_READONLY, dir->root, "", "store");
    }
    walk = ki_calloc(1, sizeof(*walk));
    if (walk == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
    }
    status = ki_filewalk_init(walk, dir);
    if (status != KIST_OK) {
        ki_free(walk);
        return status;
    }
    while ((status = ki_filewalk_enter(walk)) == KIST_OK) {
        status = clear_one(walk, count);
        ki_filewalk_leave(walk);
        if (status != KIST_OK) {
            break;
        }
    }
    if (status == KIST_END) {
        remove_empty(walk);
        status = KIST_OK;
    }
    ki_filewalk_fini(walk);
    ki_free(walk);
    return status;
}
