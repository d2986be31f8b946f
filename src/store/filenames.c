/*
 * How many keys there are, and one of them by chance, without listing the
 * directories each time: what the last listing found is kept, and good as long
 * as each directory has the mtime it had then.
 *
 * A directory that was changed a moment before it was listed may be changed
 * again within one tick of the clock, and its mtime would not tell; such a
 * listing is used once and not kept.  Nor is one of many directories, which
 * would cost as much to check as to make, of very many names, or of a
 * directory that other machines change.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "os/dirio.h"
#include "os/inflight.h"
#include "os/io.h"
#include "store/filewalk.h"

#define TICK_NS   20000000    // longest step of a file system's clock
#define DIRS_MAX  64          // kept at most
#define NAMES_MAX (64u << 20) // bytes of names kept at most

typedef struct names_dir {
    char *path;
    struct timespec mtime;
    ino_t inode;
} names_dir;

typedef struct ki_names {
    pthread_mutex_t lock;
    _Atomic uint32_t forks; // the process that `lock` is good in
    bool kept;              // the rest is what the directories hold
    uint64_t count;         // of keys
    names_dir dirs[DIRS_MAX];
    size_t dir_count;
    kist_buf text; // the keys, one after the other
    kist_buf ends; // of each in `text`, as uint32_t
} ki_names;

/* A walk that fills *names in. */
typedef struct listing {
    ki_filewalk walk;
    ki_names *names;
    bool full; // the keys do not all fit, or are not wanted
} listing;

static void
forget(ki_names *names)
{
    for (size_t index = 0; index < names->dir_count; index++) {
        ki_free(names->dirs[index].path);
    }
    names->dir_count = 0;
    names->count = 0;
    names->kept = false;
    kist_buf_clear(&names->text);
    kist_buf_clear(&names->ends);
}

void
ki_names_free(ki_names *names)
{
    if (names == NULL) {
        return;
    }
    forget(names);
    kist_buf_fini(&names->text);
    kist_buf_fini(&names->ends);
    pthread_mutex_destroy(&names->lock);
    ki_free(names);
}

/* --- keeping
 * -----------------------------------------------------------------
 */

/* Notes the mtime of the directory that is entered; false: not worth it. */
static bool
note_dir(listing *list)
{
    const ki_filewalk *walk = &list->walk;
    ki_names *names = list->names;
    names_dir *made = &names->dirs[names->dir_count];
    struct stat status;

    if (walk->dir->root->remote || names->dir_count == DIRS_MAX ||
        ki_io->fstat(walk->fd, &status) != 0 ||
        ki_clock_wall_ns() - ((int64_t)status.st_mtim.tv_sec * 1000000000 +
                              status.st_mtim.tv_nsec) <
            TICK_NS) {
        return false;
    }
    made->path = ki_strdup(walk->dirs[walk->next - 1].path);
    if (made->path == NULL) {
        return false;
    }
    made->mtime = status.st_mtim;
    made->inode = status.st_ino;
    names->dir_count++;
    return true;
}

static kist_status
note_key(listing *list, const char *name, size_t stem)
{
    ki_names *names = list->names;
    const char *above = ki_filewalk_key(&list->walk);
    const size_t size = strlen(above);
    uint32_t end;
    kist_status status = KIST_OK;

    names->count++;
    if (names->text.size > NAMES_MAX) {
        list->full = true;
    }
    if (list->full) {
        return KIST_OK;
    }
    if (size > 0) {
        status = kist_buf_append(&names->text, above, size);
        if (status == KIST_OK) {
            status = kist_buf_append(&names->text, "/", 1);
        }
    }
    if (status == KIST_OK) {
        status = kist_buf_append(&names->text, name, stem);
    }
    end = (uint32_t)names->text.size;
    if (status == KIST_OK) {
        status = kist_buf_append(&names->ends, &end, sizeof(end));
    }
    return status;
}

static kist_status
list_all(listing *list)
{
    ki_filewalk *walk = &list->walk;
    bool keep = true;
    kist_status status;

    while ((status = ki_filewalk_enter(walk)) == KIST_OK) {
        const char *name;
        size_t stem;

        keep = note_dir(list) && keep;
        while ((status = ki_filewalk_step(walk, &name, &stem)) == KIST_OK) {
            status = note_key(list, name, stem);
            if (status != KIST_OK) {
                return status;
            }
        }
        ki_filewalk_leave(walk);
        if (status != KIST_END) {
            return status;
        }
    }
    // Where not even the first directory is there, no mtime tells when it is.
    list->names->kept = keep && status == KIST_END && !list->full &&
                        list->names->dir_count > 0;
    return status == KIST_END ? KIST_OK : status;
}

/* True if no directory has changed since the listing. */
static bool
is_current(const ki_filedir *dir, const ki_names *names)
{
    for (size_t index = 0; index < names->dir_count; index++) {
        const names_dir *each = &names->dirs[index];
        struct stat status;
        int result;

        if (each->path[0] == '\0') {
            result = ki_io->fstat(dir->root->fd, &status);
        }
        else {
            const int fd = ki_dirio->open_beneath(
                dir->root->fd, each->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

            result = fd < 0 ? -1 : ki_io->fstat(fd, &status);
            if (fd >= 0) {
                (void)ki_io->close(fd);
            }
        }
        if (result != 0 || status.st_nlink == 0 ||
            status.st_ino != each->inode ||
            status.st_mtim.tv_sec != each->mtime.tv_sec ||
            status.st_mtim.tv_nsec != each->mtime.tv_nsec) {
            return false;
        }
    }
    return names->kept;
}

/* --- asking
 * ------------------------------------------------------------------
 */

/* In a child of fork(), another thread of the parent may have had the lock, in
 * the middle of a listing. */
static void
adopt(ki_root *root, ki_names *names)
{
    const uint32_t forks = atomic_load(&ki_inflight_forks);

    if (atomic_load_explicit(&names->forks, memory_order_acquire) == forks) {
        return;
    }
    ki_forklatch_take(&root->latch);
    if (atomic_load(&names->forks) != forks) {
        pthread_mutex_init(&names->lock, NULL);
        names->kept = false;
        atomic_store_explicit(&names->forks, forks, memory_order_release);
    }
    ki_forklatch_drop(&root->latch);
}

/* The store's names, locked; they are current if `kept`, or just listed. */
static kist_status
take_names(ki_filedir *dir, ki_names **taken)
{
    ki_names *names = atomic_load(&dir->names);
    listing *list;
    kist_status status;

    if (names == NULL) {
        ki_names *none = NULL;

        names = ki_calloc(1, sizeof(*names));
        if (names == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "names");
        }
        pthread_mutex_init(&names->lock, NULL);
        atomic_store(&names->forks, atomic_load(&ki_inflight_forks));
        if (!atomic_compare_exchange_strong(&dir->names, &none, names)) {
            ki_names_free(names);
            names = none;
        }
    }
    adopt(dir->root, names);
    pthread_mutex_lock(&names->lock);
    *taken = names;
    if (is_current(dir, names)) {
        return KIST_OK;
    }
    forget(names);
    list = ki_calloc(1, sizeof(*list));
    if (list == NULL) {
        status = KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "names");
    }
    else {
        list->names = names;
        status = ki_filewalk_init(&list->walk, dir);
        if (status == KIST_OK) {
            status = list_all(list);
            ki_filewalk_fini(&list->walk);
        }
        ki_free(list);
    }
    if (status != KIST_OK) {
        forget(names);
        pthread_mutex_unlock(&names->lock);
    }
    return status;
}

kist_status
ki_filedir_count(kist_store *store, uint64_t *count)
{
    ki_names *names;
    kist_status status = take_names((ki_filedir *)store, &names);

    if (status == KIST_OK) {
        *count = names->count;
        pthread_mutex_unlock(&names->lock);
    }
    return status;
}

/* A number below `limit`, each as likely: 64 bits leave nothing to see of
 * the remainder. */
static uint64_t
draw(uint64_t limit)
{
    uint64_t bits = 0;

    if (ki_io->random(&bits, sizeof(bits)) != 0) {
        bits = ki_clock_ns() * 0x9e3779b97f4a7c15u;
    }
    return bits % limit;
}

/* The keys are too many to be kept: goes through them once more. */
static kist_status
pick_by_walking(kist_store *store, uint64_t wanted, kist_buf *key)
{
    ki_cursor *cursor;
    ki_found found;
    kist_status status = ki_filedir_scan_open(store, false, &cursor);

    if (status != KIST_OK) {
        return status;
    }
    // If some have gone meanwhile, the last one that is there will do.
    kist_buf_clear(key);
    for (uint64_t index = 0; index <= wanted; index++) {
        status = ki_filedir_scan_next(cursor, &found);
        if (status != KIST_OK) {
            break;
        }
        kist_buf_clear(key);
        status = kist_buf_append(key, found.key.data, found.key.size);
        if (status != KIST_OK) {
            break;
        }
    }
    ki_filedir_scan_close(cursor);
    if (status == KIST_END) {
        status = key->size > 0 ? KIST_OK : KIST_ERR_NOTFOUND;
    }
    return status;
}

kist_status
ki_filedir_random(kist_store *store, kist_buf *key)
{
    ki_names *names;
    kist_status status = take_names((ki_filedir *)store, &names);
    uint64_t wanted;
    uint64_t known;

    if (status != KIST_OK) {
        return status;
    }
    wanted = names->count > 0 ? draw(names->count) : 0;
    known = names->ends.size / sizeof(uint32_t);
    if (names->count == 0) {
        status = KIST_ERR_NOTFOUND;
    }
    else if (wanted < known) {
        uint32_t from = 0;
        uint32_t end;
        const uint8_t *ends = names->ends.data + wanted * sizeof(end);

        memcpy(&end, ends, sizeof(end));
        if (wanted > 0) {
            memcpy(&from, ends - sizeof(from), sizeof(from));
        }
        kist_buf_clear(key);
        status = kist_buf_append(key, names->text.data + from, end - from);
    }
    pthread_mutex_unlock(&names->lock);
    if (status == KIST_OK && wanted >= known) {
        status = pick_by_walking(store, wanted, key);
    }
    return status;
}
