/*
 * A put, and a remove:
 *
 *     begin the change (the index goes, nfsdirend.c)
 *     temporary file, write, sync                       nothing is locked
 *     lock, look at the ETag, rename, unlock
 *     sync of the directory
 *     end the change
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "os/dirio.h"
#include "os/io.h"
#include "store/filedir.h"
#include "store/nfsdir.h"
#include "store/nfsdirtemp.h"
#include "store/storeplace.h"

/* One change on its way. */
typedef struct change_step {
    ki_nfsdir *dir;
    ki_path path;
    uint8_t digest[KI_SHA256_SIZE];
    kist_slice key;
    const kist_slice *value; // NULL: it is removed
    const ki_rule *rule;     // NULL: always
    bool asked;              // somebody wants to know what was there
    uint64_t token;          // ki_root_sync_token(), of before it began
    ki_change change;
} change_step;

static const ki_rule always = {.rule = KIST_IF_ANY};

static bool
syncs(const change_step *step, kist_store_durability level)
{
    return step->dir->store.options.durability == level;
}

/* --- what is there ----------------------------------------------------------
 */

/* The file that has the name now, *there.  On a remote root it is opened, so
 * that the server is asked. */
static kist_status
look(const change_step *step, const ki_place *place, struct stat *status,
     bool *there)
{
    const ki_root *root = step->dir->root;
    int fd;
    int result;

    *there = false;
    if (!root->remote) {
        result = ki_dirio->stat(place->fd, place->name, status);
    }
    else {
        ki_root_freshen(root, place->fd);
        fd = ki_dirio->open(place->fd, place->name,
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
        result = fd < 0 ? -1 : ki_io->fstat(fd, status);
        if (fd >= 0) {
            const int error = errno;

            (void)ki_io->close(fd);
            errno = error;
        }
    }
    if (result != 0 && errno != ENOENT) {
        return KI_ROOT_FAIL(KIST_ERR_IO, root, step->path.text, "stat");
    }
    *there = result == 0;
    return KIST_OK;
}

/* Holds the rule against what is there; *act: the change is to be made. */
static kist_status
judge(change_step *step, const ki_place *place, struct stat *before,
      bool *there, bool *act)
{
    const ki_rule *rule = step->rule == NULL ? &always : step->rule;
    kist_status status = KIST_OK;

    *there = false;
    *act = true;
    if (!step->asked && !step->dir->store.options.append_only) {
        step->change.satisfied = true;
        return KIST_OK;
    }
    step->change.before = (kist_etag){0};
    status = look(step, place, before, there);
    if (status != KIST_OK) {
        return status;
    }
    if (*there) {
        ki_filedir_etag(before, &step->change.before);
    }
    step->change.satisfied = ki_rule_holds(rule, &step->change.before);
    step->change.after = step->change.before;
    *act = step->change.satisfied &&
           (step->value == NULL ? *there : !(*there && rule->keep));
    if (*act && *there && step->dir->store.options.append_only) {
        return KI_ROOT_FAIL(KIST_ERR_POLICY, step->dir->root, step->path.text,
                            "an append-only store");
    }
    return KIST_OK;
}

/* --- acting -----------------------------------------------------------------
 */

/* A later mtime than the file before had, so that their ETags differ. */
static kist_status
make_later(const change_step *step, ki_nfstemp *temp,
           const struct stat *before)
{
    const struct timespec *old = &before->st_mtim;
    struct timespec *now = &temp->status.st_mtim;

    if (now->tv_sec > old->tv_sec ||
        (now->tv_sec == old->tv_sec && now->tv_nsec > old->tv_nsec)) {
        return KIST_OK;
    }
    if (ki_dirio->set_mtime(temp->dir, temp->name,
                            (int64_t)old->tv_sec * 1000000000 + old->tv_nsec +
                                1) != 0 ||
        ki_dirio->stat(temp->dir, temp->name, &temp->status) != 0) {
        return KI_ROOT_FAIL(KIST_ERR_IO, step->dir->root, temp->name,
                            "set mtime");
    }
    return KIST_OK;
}

/*
 * Gives the file its name, under the lock.  KIST_END: somebody who does not
 * know the lock has put a value meanwhile; the file is gone.
 */
static kist_status
give_name(change_step *step, const ki_place *place, ki_nfstemp *temp)
{
    struct stat before;
    kist_status status;
    bool there;
    bool act;

    status = judge(step, place, &before, &there, &act);
    if (status == KIST_OK && act && there && temp->seen) {
        status = make_later(step, temp, &before);
    }
    if (status != KIST_OK || !act) {
        ki_nfstemp_discard(temp);
        return status;
    }
    // What was free when we looked must be free still.
    status = ki_nfstemp_name(step->dir->root, temp, place->name,
                             !there && (step->rule != NULL ||
                                        step->dir->store.options.append_only));
    if (status == KIST_OK) {
        step->change.changed = true;
        if (temp->seen) {
            ki_filedir_etag(&temp->status, &step->change.after);
        }
    }
    return status == KIST_ERR_EXISTS ? KIST_END : status;
}

static kist_status
take_name(change_step *step, const ki_place *place)
{
    struct stat before;
    kist_status status;
    bool there;
    bool act;

    status = judge(step, place, &before, &there, &act);
    if (status != KIST_OK || !act) {
        return status;
    }
    if (ki_dirio->unlink(place->fd, place->name) == 0) {
        step->change.changed = true;
    }
    else if (errno == ENOENT) {
        // If we have seen it, the server was asked twice, or a peer was first.
        step->change.changed = there;
    }
    else {
        return KI_ROOT_FAIL(KIST_ERR_IO, step->dir->root, step->path.text,
                            "unlink");
    }
    step->change.after = (kist_etag){0};
    return KIST_OK;
}

/*
 * Locks, judges and acts.  A file system without locks is no reason to refuse
 * a plain put: it has nothing to compare.
 */
static kist_status
act_locked(change_step *step, const ki_place *place, ki_nfstemp *temp)
{
    ki_root *root = step->dir->root;
    kist_status status = ki_root_lock(root, place->fd);
    const bool locked = status == KIST_OK;

    if (status == KIST_ERR_IO && !step->asked) {
        status = KIST_OK;
    }
    if (status != KIST_OK) {
        if (temp != NULL) {
            ki_nfstemp_discard(temp);
        }
        return status;
    }
    status =
        temp != NULL ? give_name(step, place, temp) : take_name(step, place);
    if (locked) {
        ki_root_unlock(root, place->fd);
    }
    return status;
}

static kist_status
sync_name(change_step *step, const ki_place *place)
{
    if (!step->change.changed) {
        return KIST_OK;
    }
    if (syncs(step, KIST_STORE_SYNC) && ki_io->fsync(place->fd) != 0 &&
        errno != EINVAL) {
        return KI_ROOT_FAIL(KIST_ERR_IO, step->dir->root, step->path.text,
                            "sync of the directory");
    }
    if (syncs(step, KIST_STORE_GROUP)) {
        return ki_root_sync_group(step->dir->root, step->token);
    }
    return KIST_OK;
}

/* One try to put: NOTFOUND if the directory vanished; KIST_END as above. */
static kist_status
try_put(change_step *step)
{
    ki_root *root = step->dir->root;
    ki_nfstemp_how how;
    ki_nfstemp temp;
    ki_place place;
    struct stat before;
    kist_status status;
    bool there;
    bool act;

    status = ki_place_open(root, &step->path, KI_PLACE_MAKE,
                           !syncs(step, KIST_STORE_NONE), &place);
    if (status != KIST_OK) {
        return status;
    }
    // If it is refused anyway nothing need be written.
    status = judge(step, &place, &before, &there, &act);
    if (status != KIST_OK || !act) {
        goto out;
    }
    how = (ki_nfstemp_how){
        .shared = step->dir->mode,
        .sync = syncs(step, KIST_STORE_SYNC),
        .look = step->asked,
    };
    status = ki_nfstemp_write(root, place.fd, *step->value, &how, &temp);
    if (status == KIST_OK && syncs(step, KIST_STORE_GROUP)) {
        status = ki_root_sync_group(root, step->token);
        if (status != KIST_OK) {
            ki_nfstemp_discard(&temp);
        }
    }
    if (status == KIST_OK) {
        status = act_locked(step, &place, &temp);
    }
    if (status == KIST_OK) {
        status = sync_name(step, &place);
    }

out:
    ki_place_close(&place);
    return status;
}

static kist_status
try_remove(change_step *step)
{
    ki_place place;
    kist_status status = ki_place_open(step->dir->root, &step->path,
                                       KI_PLACE_WRITE, false, &place);

    if (status != KIST_OK) {
        return status;
    }
    status = act_locked(step, &place, NULL);
    if (status == KIST_OK) {
        status = sync_name(step, &place);
    }
    ki_place_close(&place);
    return status;
}

/* Tries until the directory stays where it is. */
static kist_status
run(change_step *step)
{
    ki_root *root = step->dir->root;
    const bool put = step->value != NULL;
    kist_status status = KIST_ERR_NOTFOUND;
    bool again = true;

    for (unsigned tries = 0; again && tries < KI_NFS_TRIES; tries++) {
        status = put ? try_put(step) : try_remove(step);
        again = status == KIST_END;
        if (status == KIST_ERR_NOTFOUND) {
            status = ki_root_renew(root, put, &again);
            // That it is missing may be what this client remembers.
            again = again || put || (root->remote && tries == 0);
            ki_root_freshen(root, root->fd);
            if (status == KIST_OK) {
                status = KIST_ERR_NOTFOUND;
            }
        }
    }
    if (put && (status == KIST_ERR_NOTFOUND || status == KIST_END)) {
        errno = ENOENT;
        status = KI_ROOT_FAIL(KIST_ERR_IO, step->dir->root, step->path.text,
                              "the directory keeps vanishing");
    }
    return status;
}

/* --- the entries ------------------------------------------------------------
 */

static kist_status
change(change_step *step, ki_change *answer)
{
    ki_nfsdir *dir = step->dir;
    kist_status status;

    if (dir->store.options.read_only) {
        return KI_ROOT_FAIL(KIST_ERR_READONLY, dir->root, "", "store");
    }
    ki_nfsdir_path(dir, step->key, step->digest, &step->path);
    status = ki_nfsdir_begin_change(dir);
    if (status != KIST_OK) {
        return status;
    }
    status = run(step);
    if (status == KIST_OK && step->change.changed) {
        if (step->value != NULL) {
            ki_latch_take(&dir->noting);
            // Without the note the key is read from the file.
            if (ki_nfsmap_add(&dir->noted, step->digest, step->key) !=
                KIST_OK) {
                ki_nfsmap_fini(&dir->noted);
            }
            ki_latch_drop(&dir->noting);
        }
        status = ki_nfsdir_end_change(dir);
    }
    if (answer != NULL) {
        *answer = step->change;
    }
    return status;
}

/* What the caller gives must be what others will read. */
static kist_status
check_value(const ki_nfsdir *dir, kist_slice key, kist_slice value)
{
    kist_buf scratch = {0};
    kist_slice found;
    kist_status status =
        ki_nfskey_read(dir->format, value, true, &scratch, &found);

    if (status == KIST_ERR_CORRUPT ||
        (status == KIST_OK && !ki_nfskey_same(found, key))) {
        status = KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                         "value: not a pair of this key and a value");
    }
    kist_buf_fini(&scratch);
    return status;
}

kist_status
ki_nfsdir_put(kist_store *store, kist_slice key, kist_slice value,
              const ki_rule *rule, ki_change *answer)
{
    ki_nfsdir *dir = (ki_nfsdir *)store;
    change_step step = {
        .dir = dir,
        .token = ki_root_sync_token(dir->root),
        .key = key,
        .value = &value,
        .rule = rule,
        .asked = rule != NULL || answer != NULL,
    };
    kist_status status;

    ki_nfsdir_enter(dir);
    if (value.size > store->options.value_size_max) {
        return KI_FAIL_LIMIT(KIST_ERR_TOOBIG, value.size,
                             store->options.value_size_max, "value");
    }
    status = check_value(dir, key, value);
    return status == KIST_OK ? change(&step, answer) : status;
}

kist_status
ki_nfsdir_remove(kist_store *store, kist_slice key, const ki_rule *rule,
                 ki_change *answer)
{
    ki_nfsdir *dir = (ki_nfsdir *)store;
    change_step step = {
        .dir = dir,
        .token = ki_root_sync_token(dir->root),
        .key = key,
        .rule = rule,
        .asked = rule != NULL || answer != NULL,
    };
    kist_status status;

    ki_nfsdir_enter(dir);
    // A server that is asked twice says the second time that it is not there:
    // then it matters whether it was.
    if (dir->store.options.append_only || dir->root->remote) {
        step.asked = true;
    }
    status = change(&step, answer);
    if (status == KIST_ERR_NOTFOUND && rule != NULL) {
        // No directory, no value.
        step.change.satisfied = ki_rule_holds(rule, &step.change.before);
        if (answer != NULL) {
            *answer = step.change;
        }
        return KIST_OK;
    }
    if (status == KIST_OK && rule == NULL && !step.change.changed) {
        return KIST_ERR_NOTFOUND;
    }
    return status;
}
