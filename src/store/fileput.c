/*
 * The one path of every write into a directory, and of every removal.  The
 * slow part, writing and syncing the value, comes before the lock; what the
 * lock guards is a look and a change of name.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/filedir.h"
#include "store/storeplace.h"
#include "store/storetemp.h"

// How often the directory may vanish under a writer, in a row.
#define TRIES_MAX 100

// Values that are written together; each may hold a directory open.
#define CHUNK_MAX 256

/* A write, or a removal, on its way. */
typedef struct change {
    ki_filedir *dir;
    ki_path path;
    ki_place place;
    const ki_rule *rule; // NULL: always
    bool together;       // with others, and synced with them
    bool wants_etag;     // of the new value
    uint64_t token;      // ki_root_sync_token(), of before it began
    ki_change done;
    bool there;         // a value was there when it was looked at
    struct stat before; // that value
} change;

/* --- looking
 * -----------------------------------------------------------------
 */

/* Looks at what stands at the name.  ISDIR, IO. */
static kist_status
look(change *at)
{
    const ki_root *root = at->dir->root;

    at->there = ki_dirio->stat(at->place.fd, at->place.name, &at->before) == 0;
    at->done.before.size = 0;
    if (!at->there) {
        return errno == ENOENT
                   ? KIST_OK
                   : KI_ROOT_FAIL(KIST_ERR_IO, root, at->path.text, "stat");
    }
    if (S_ISDIR(at->before.st_mode)) {
        return KI_ROOT_FAIL(KIST_ERR_ISDIR, root, at->path.text, "value");
    }
    // A link, or a device, is no value; a value may take its place.
    at->there = S_ISREG(at->before.st_mode);
    if (at->there && at->rule != NULL) {
        ki_filedir_etag(&at->before, &at->done.before);
    }
    return KIST_OK;
}

/* Decides by what was seen whether to go on. */
static bool
decide(change *at)
{
    at->done.after = at->done.before;
    at->done.satisfied =
        at->rule == NULL || ki_rule_holds(at->rule, &at->done.before);
    return at->done.satisfied &&
           !(at->rule != NULL && at->rule->keep && at->there);
}

/* What is to be synced once a name has changed. */
static kist_status
sync_names(const change *at)
{
    ki_root *root = at->dir->root;
    const kist_store_durability durability = at->dir->store.options.durability;

    if (durability == KIST_STORE_NONE) {
        return KIST_OK;
    }
    if (durability == KIST_STORE_GROUP || ki_root_is_suspect(root)) {
        return ki_root_sync_group(root, at->token);
    }
    if (ki_io->fsync(at->place.fd) != 0) {
        ki_root_suspect(root);
        return KI_ROOT_FAIL(KIST_ERR_IO, root, at->path.text,
                            "sync directory");
    }
    return KIST_OK;
}

/* --- putting
 * -----------------------------------------------------------------
 */

/*
 * Where times are coarse: gives the file that takes the place of another a
 * later one than that has, by as little as the file system seems to keep.
 */
static kist_status
move_on(const change *at, ki_temp *temp)
{
    const struct timespec *old = &at->before.st_mtim;
    int64_t mtime_ns = (int64_t)old->tv_sec * 1000000000 + old->tv_nsec;

    if (temp->mtime_ns > mtime_ns) {
        return KIST_OK;
    }
    mtime_ns += old->tv_nsec == 0 ? 1000000000 : 1000;
    if (ki_dirio->set_mtime(temp->dir, temp->name, mtime_ns) != 0) {
        return KI_ROOT_FAIL(KIST_ERR_IO, at->dir->root, temp->name,
                            "set time");
    }
    temp->mtime_ns = mtime_ns;
    return KIST_OK;
}

/*
 * Renames.  EXISTS without detail: somebody who takes no lock was faster.
 * NOTFOUND without detail: the directory is gone.  A server may have been
 * asked twice: then the name is gone, and it is there.
 */
static kist_status
give_name(const change *at, const ki_temp *temp, bool exclusive)
{
    struct stat status;

    if (ki_dirio->rename(temp->dir, temp->name, at->place.fd, at->place.name,
                         exclusive) == 0) {
        return KIST_OK;
    }
    if (exclusive && errno == EEXIST) {
        return KIST_ERR_EXISTS;
    }
    if (errno == ENOENT &&
        ki_dirio->stat(at->place.fd, at->place.name, &status) == 0 &&
        temp->inode != 0 && status.st_ino == temp->inode) {
        return KIST_OK;
    }
    if (errno == EISDIR || errno == ENOTEMPTY) {
        return KI_ROOT_FAIL(KIST_ERR_ISDIR, at->dir->root, at->path.text,
                            "value");
    }
    // Or the directory was removed, with the temporary file.
    return errno == ENOENT ? KIST_ERR_NOTFOUND
                           : KI_ROOT_FAIL(KIST_ERR_IO, at->dir->root,
                                          at->path.text, "rename");
}

/*
 * True if what stands at the name does not matter: nobody asks, and the ETag
 * of the new value will be another whatever it is.
 */
static bool
is_blind(const change *at)
{
    return at->rule == NULL &&
           atomic_load_explicit(&at->dir->root->clock, memory_order_relaxed) ==
               KI_CLOCK_FINE;
}

/* Looks, decides and renames, under the lock. */
static kist_status
commit(change *at, ki_temp *temp)
{
    kist_status status = ki_root_lock(at->dir->root, at->place.fd);

    if (status != KIST_OK) {
        return status;
    }
    do {
        status = is_blind(at) ? KIST_OK : look(at);
        if (status != KIST_OK || !decide(at)) {
            break;
        }
        if (at->there &&
            atomic_load(&at->dir->root->clock) == KI_CLOCK_COARSE) {
            status = move_on(at, temp);
        }
        if (status == KIST_OK) {
            status = give_name(at, temp, at->rule != NULL && !at->there);
            at->done.changed = status == KIST_OK;
        }
    } while (status == KIST_ERR_EXISTS);
    ki_root_unlock(at->dir->root, at->place.fd);
    if (at->done.changed && at->wants_etag) {
        ki_filedir_etag_of(temp->mtime_ns, temp->size, temp->inode,
                           &at->done.after);
    }
    return status;
}

/*
 * Closes the place.  A put that failed removes the directories that it may
 * have made: their names may not be safe, and who comes next would not sync
 * what is there already.
 */
static void
abandon(change *at, kist_status status)
{
    ki_place_close(&at->place);
    if (status != KIST_OK) {
        ki_place_prune(at->dir->root, &at->path, 0);
    }
}

/*
 * Writes the temporary file, unless it can be seen already that it would be
 * for nothing: *go.  NOTFOUND without detail if the directory is gone.
 */
static kist_status
prepare(change *at, kist_slice value, ki_temp *temp, bool *go)
{
    const kist_store_options *options = &at->dir->store.options;
    const bool sync = options->durability == KIST_STORE_SYNC && !at->together;
    const bool wants_inode = at->wants_etag || at->dir->root->remote;
    kist_status status;

    *go = true;
    status = ki_place_open(at->dir->root, &at->path, KI_PLACE_MAKE, sync,
                           &at->place);
    if (status != KIST_OK) {
        return status;
    }
    if (at->rule != NULL) {
        ki_root_freshen(at->dir->root, at->place.fd);
        status = look(at);
        *go = status == KIST_OK && decide(at);
    }
    if (status == KIST_OK && *go) {
        status = ki_temp_write(at->dir->root, at->place.fd, value,
                               (sync ? KI_TEMP_SYNC : 0u) |
                                   (wants_inode ? KI_TEMP_INODE : 0u),
                               temp);
    }
    if (status != KIST_OK || !*go) {
        abandon(at, status);
    }
    return status;
}

/*
 * After a try that found its directory gone: true if it is worth another, else
 * *status is why not.
 */
static bool
once_more(change *at, int *tries, kist_status *status)
{
    bool again;

    if (*status != KIST_ERR_NOTFOUND) {
        return false;
    }
    if (++*tries == TRIES_MAX) {
        errno = ENOENT;
        *status = KI_ROOT_FAIL(KIST_ERR_IO, at->dir->root, at->path.text,
                               "its directory vanishes again and again");
        return false;
    }
    *status = ki_root_renew(at->dir->root, true, &again);
    return *status == KIST_OK;
}

/* What every write is asked before it begins. */
static kist_status
begin(change *at, kist_store *store, kist_slice key, const ki_rule *rule)
{
    at->dir = (ki_filedir *)store;
    at->rule = rule;
    at->together = false;
    at->wants_etag = false;
    at->token = ki_root_sync_token(at->dir->root);
    at->done = (ki_change){0};
    at->there = false;
    if (store->options.read_only) {
        return KI_ROOT_FAIL(KIST_ERR_READONLY, at->dir->root, "", "store");
    }
    return ki_filedir_path(at->dir, key, &at->path);
}

/* NOTFOUND without detail if its directory vanished. */
static kist_status
put_once(change *at, kist_slice value)
{
    ki_temp temp;
    bool go;
    kist_status status = prepare(at, value, &temp, &go);

    if (status != KIST_OK || !go) {
        return status;
    }
    if (at->dir->store.options.durability == KIST_STORE_GROUP) {
        status = ki_root_sync_group(at->dir->root, at->token);
    }
    if (status == KIST_OK) {
        status = commit(at, &temp);
    }
    if (!at->done.changed) {
        ki_temp_discard(&temp);
    }
    else if (status == KIST_OK) {
        status = sync_names(at);
    }
    abandon(at, status);
    return status;
}

kist_status
ki_filedir_put(kist_store *store, kist_slice key, kist_slice value,
               const ki_rule *rule, ki_change *change_)
{
    change at;
    int tries = 0;
    kist_status status = begin(&at, store, key, rule);

    if (status != KIST_OK) {
        return status;
    }
    at.wants_etag = change_ != NULL;
    do {
        status = put_once(&at, value);
    } while (once_more(&at, &tries, &status));
    if (status == KIST_OK && change_ != NULL) {
        *change_ = at.done;
    }
    return status;
}

/* --- removing
 * ----------------------------------------------------------------
 */

/*
 * Looks, if there is a rule, decides and unlinks, under the lock.  On NFS it
 * always looks: a server that was asked twice says ENOENT the second time.
 */
static kist_status
unlink_value(change *at)
{
    const bool looks = at->rule != NULL || at->dir->root->remote;
    kist_status status = ki_root_lock(at->dir->root, at->place.fd);

    if (status != KIST_OK) {
        return status;
    }
    at->there = true;
    if (looks) {
        status = look(at);
    }
    if (status == KIST_OK && decide(at) && at->there) {
        if (ki_dirio->unlink(at->place.fd, at->place.name) == 0) {
            at->done.changed = true;
        }
        else if (errno == ENOENT || errno == EISDIR) {
            at->done.changed = looks;
            at->there = looks;
        }
        else {
            status = KI_ROOT_FAIL(KIST_ERR_IO, at->dir->root, at->path.text,
                                  "remove");
        }
    }
    if (at->done.changed) {
        at->done.after.size = 0;
    }
    ki_root_unlock(at->dir->root, at->place.fd);
    return status;
}

kist_status
ki_filedir_remove(kist_store *store, kist_slice key, const ki_rule *rule,
                  ki_change *change_)
{
    change at;
    bool again = false;
    kist_status status = begin(&at, store, key, rule);

    if (status != KIST_OK) {
        return status;
    }
    do {
        status = ki_place_open(at.dir->root, &at.path, KI_PLACE_WRITE, false,
                               &at.place);
        if (status == KIST_OK) {
            status = unlink_value(&at);
            if (status == KIST_OK && at.done.changed) {
                status = sync_names(&at);
            }
            ki_place_close(&at.place);
        }
        else if (status == KIST_ERR_NOTFOUND) {
            (void)decide(&at);
            status = KIST_OK;
        }
        again = false;
        if (status == KIST_OK && !at.there) {
            status = ki_root_renew(at.dir->root, false, &again);
        }
    } while (again);
    if (status != KIST_OK) {
        return status;
    }
    if (at.done.changed) {
        ki_place_prune(at.dir->root, &at.path, at.dir->prefix_size);
    }
    if (change_ != NULL) {
        *change_ = at.done;
    }
    return rule == NULL && !at.done.changed ? KIST_ERR_NOTFOUND : KIST_OK;
}

/* --- many
 * --------------------------------------------------------------------
 */

/* One value of many. */
typedef struct one {
    change at;
    ki_temp temp;
    bool written; // its file, and its place is open
    kist_status status;
} one;

/* Writes the files of a chunk, none of them synced. */
static void
write_files(kist_store *store, const kist_slice *keys,
            const kist_slice *values, size_t count, one *many)
{
    for (size_t index = 0; index < count; index++) {
        one *each = &many[index];
        bool go = false;

        each->written = false;
        each->status = begin(&each->at, store, keys[index], NULL);
        if (each->status == KIST_OK) {
            int tries = 0;

            each->at.together = true;
            do {
                each->status =
                    prepare(&each->at, values[index], &each->temp, &go);
            } while (once_more(&each->at, &tries, &each->status));
            each->written = each->status == KIST_OK && go;
        }
    }
}

/*
 * Gives the files of a chunk their names; `synced` is how their sync went.  A
 * value whose directory has vanished is put once more, alone.
 */
static void
name_files(kist_store *store, const kist_slice *keys, const kist_slice *values,
           size_t count, one *many, kist_status synced)
{
    for (size_t index = 0; index < count; index++) {
        one *each = &many[index];

        if (!each->written) {
            continue;
        }
        each->status =
            synced == KIST_OK ? commit(&each->at, &each->temp) : synced;
        if (!each->at.done.changed) {
            ki_temp_discard(&each->temp);
        }
        abandon(&each->at, each->status);
        if (each->status == KIST_ERR_NOTFOUND) {
            each->status =
                ki_filedir_put(store, keys[index], values[index], NULL, NULL);
        }
    }
}

/* The first status that is not OK. */
static kist_status
put_chunk(kist_store *store, const kist_slice *keys, const kist_slice *values,
          size_t count, one *many)
{
    ki_root *root = ((ki_filedir *)store)->root;
    const bool safe = store->options.durability != KIST_STORE_NONE;
    const uint64_t token = ki_root_sync_token(root);
    kist_status status = KIST_OK;
    kist_status first = KIST_OK;

    write_files(store, keys, values, count, many);
    if (safe) {
        status = ki_root_sync_group(root, token);
    }
    name_files(store, keys, values, count, many, status);
    if (safe && status == KIST_OK) {
        status = ki_root_sync_group(root, token);
    }
    for (size_t index = 0; index < count; index++) {
        if (many[index].status == KIST_OK) {
            many[index].status = status;
        }
        first = first == KIST_OK ? many[index].status : first;
    }
    return first;
}

kist_status
ki_filedir_put_many(kist_store *store, const kist_slice *keys,
                    const kist_slice *values, size_t count,
                    kist_status *statuses)
{
    const size_t chunk = count < CHUNK_MAX ? count : CHUNK_MAX;
    one *many = ki_calloc(chunk, sizeof(*many));
    kist_status first = KIST_OK;

    if (many == NULL && count > 0) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "values");
    }
    for (size_t done = 0; done < count; done += chunk) {
        const size_t size = count - done < chunk ? count - done : chunk;
        const kist_status status =
            put_chunk(store, keys + done, values + done, size, many);

        first = first == KIST_OK ? status : first;
        for (size_t index = 0; statuses != NULL && index < size; index++) {
            statuses[done + index] = many[index].status;
        }
    }
    ki_free(many);
    return first;
}
