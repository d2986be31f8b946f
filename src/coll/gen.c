#include "coll/gen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/chest.h"
#include "coll/judge.h"
#include "coll/listview.h"
#include "coll/writer.h"
#include "os/file.h"
#include "os/filelock.h"

#define LOG_SIZE_NEW (UINT64_C(64) << 10)
#define TRIES_MAX    1000u
#define CLOSE_MS     1000u /* longer than it takes to open or close */

/* --- paths
 * --------------------------------------------------------------------------
 */

char *
ki_gen_build_path(const char *path, ki_builder builder)
{
    const size_t size = strlen(path) + sizeof(KI_BUILD_SUFFIX) + 16;
    char *build = ki_calloc(1, size);
    uint64_t number = 0;

    if (build != NULL && builder == KI_BUILD_NEW) {
        (void)ki_io->random(&number, sizeof(number));
        (void)snprintf(build, size, "%s%s%08x", path, KI_BUILD_SUFFIX,
                       (unsigned)number);
    }
    else if (build != NULL) {
        (void)snprintf(build, size, "%s%s%c", path, KI_BUILD_SUFFIX,
                       (int)builder);
        (void)ki_io->unlink(build);
    }
    return build;
}

void
ki_gen_sweep(const char *log_path, const char *index_path)
{
    static const ki_builder logs[] = {KI_BUILD_COMPACT, KI_BUILD_REPAIR};
    static const ki_builder indexes[] = {KI_BUILD_OPEN, KI_BUILD_VERIFY,
                                         KI_BUILD_COMPACT};
    size_t i;

    for (i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        ki_free(ki_gen_build_path(log_path, logs[i]));
    }
    for (i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        ki_free(ki_gen_build_path(index_path, indexes[i]));
    }
}

static kist_status
no_memory(const char *path)
{
    return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "open");
}

/* --- a new pair
 * ----------------------------------------------------------------------- */

kist_status
ki_gen_create(const ki_place *place)
{
    char *build = ki_gen_build_path(place->log_path, KI_BUILD_NEW);
    ki_log_birth birth;
    ki_reclog log;
    kist_status status;

    if (build == NULL) {
        return no_memory(place->log_path);
    }
    memset(&log, 0, sizeof(log));
    status = ki_log_birth_new(&birth);
    if (status != KIST_OK) {
        goto out;
    }
    status = ki_reclog_create(&log, build, place->options->file_mode, &birth,
                              LOG_SIZE_NEW, 0);
    if (status != KIST_OK) {
        goto out;
    }
    status = ki_file_sync(log.fd, build);
    if (status == KIST_OK) {
        status = ki_file_rename(build, place->log_path, true);
    }
    if (status != KIST_OK) {
        (void)ki_io->unlink(build);
        goto out;
    }
    status = ki_file_sync_parent(place->log_path);

out:
    ki_reclog_close(&log);
    ki_free(build);
    return status;
}

/* --- opening
 * ------------------------------------------------------------------------------
 */

kist_status
ki_gen_is_named(const ki_gen *gen, const char *path, bool *there)
{
    ki_file_id id;
    int fd = -1;
    kist_status status = KIST_OK;

    *there = false;
    if (ki_file_open(path, O_RDONLY | O_NOFOLLOW, 0, &fd) != KIST_OK) {
        return errno == ENOENT ? KIST_OK : KIST_ERR_IO;
    }
    if (ki_io->identify(fd, &id) != 0) {
        status = KI_FAIL(KIST_ERR_IO, path, KI_NO_OFFSET, "statx");
    }
    else {
        *there =
            id.inode == gen->log.id.inode && id.device == gen->log.id.device;
    }
    ki_file_close(&fd);
    return status;
}

/* Does the path name a newer generation of this log? */
static kist_status
is_outdated(const ki_gen *gen, bool *outdated)
{
    ki_reclog other;
    kist_status status;

    status = ki_gen_is_named(gen, gen->log.path, outdated);
    if (status != KIST_OK || *outdated) {
        *outdated = false;
        return status;
    }
    status = ki_reclog_open(&other, gen->log.path, false, 0);
    if (status == KIST_OK) {
        *outdated = memcmp(other.uuid, gen->log.uuid, 16) == 0 &&
                    other.generation > gen->log.generation;
        ki_reclog_close(&other);
    }
    else if ((status == KIST_ERR_IO && errno == ENOENT) ||
             status == KIST_ERR_NOTKIST || status == KIST_ERR_NEWER ||
             status == KIST_ERR_CORRUPT) {
        status = KIST_OK;
    }
    return status;
}

kist_status
ki_gen_is_replaced(const ki_gen *gen, bool *replaced)
{
    ki_idx other;
    ki_file_id ours;
    ki_file_id theirs;
    kist_status status = is_outdated(gen, replaced);

    if (status != KIST_OK || *replaced || gen->idx.fd < 0) {
        return status;
    }
    status = ki_idx_open(&other, gen->idx.path, false, gen->log.uuid,
                         gen->log.generation, 0);
    if (status != KIST_OK) {
        return status == KIST_ERR_NOTFOUND ? KIST_OK : status;
    }
    if (ki_io->identify(gen->idx.fd, &ours) != 0 ||
        ki_io->identify(other.fd, &theirs) != 0) {
        status = KI_FAIL(KIST_ERR_IO, gen->idx.path, KI_NO_OFFSET, "statx");
    }
    else {
        *replaced = ours.inode != theirs.inode || ours.device != theirs.device;
    }
    ki_idx_close(&other);
    return status;
}

static kist_status
take_locks(ki_gen *gen, const ki_place *place, bool alone)
{
    const uint32_t timeout = place->options->lock_timeout_ms;
    kist_status status;

    if (gen->writable) {
        status =
            ki_filelock_take(gen->log.fd, place->log_path, KI_LOCK_BYTE_OPENER,
                             KI_LOCK_EXCLUSIVE, timeout);
        if (status != KIST_OK) {
            goto out;
        }
    }
    status = ki_filelock_take(gen->log.fd, place->log_path, KI_LOCK_BYTE_USERS,
                              alone && gen->writable ? KI_LOCK_EXCLUSIVE
                                                     : KI_LOCK_SHARED,
                              alone ? 0 : timeout);

out:
    return status != KIST_ERR_LOCKED
               ? status
               : KI_FAIL(KIST_ERR_LOCKED, place->log_path, KI_NO_OFFSET,
                         "in use by another handle");
}

/* A path that names no log: may one be made there? */
static kist_status
missing(const ki_place *place)
{
    const int error = errno;

    if (error != ENOENT || place->options->must_exist ||
        place->options->read_only) {
        return KIST_ERR_IO;
    }
    if (ki_file_exists(place->index_path)) {
        // Unless somebody is just making the pair.
        if (ki_file_exists(place->log_path)) {
            return KIST_ERR_EXISTS;
        }
        return KI_FAIL(KIST_ERR_CORRUPT, place->log_path, KI_NO_OFFSET,
                       "the log is missing beside its index");
    }
    return ki_gen_create(place);
}

/* Opens the log; makes one if there is none. */
static kist_status
open_log(ki_gen *gen, const ki_place *place, bool *created)
{
    kist_status status;

    for (;;) {
        status = ki_reclog_open(&gen->log, place->log_path, gen->writable,
                                place->reserve);
        if (status == KIST_OK && place->options->must_create && !*created) {
            ki_reclog_close(&gen->log);
            return KI_FAIL(KIST_ERR_EXISTS, place->log_path, KI_NO_OFFSET,
                           "kist");
        }
        if (status != KIST_ERR_IO || *created) {
            return status;
        }
        status = missing(place);
        if (status == KIST_OK) {
            *created = true;
        }
        else if (status != KIST_ERR_EXISTS || place->options->must_create) {
            return status;
        }
    }
}

/* Opens and locks; *again if the files were exchanged meanwhile. */
static kist_status
try_open(ki_gen *gen, const ki_place *place, bool *created, bool *again)
{
    bool there = false;
    bool unsafe;
    bool alone;
    kist_status status;

    *again = false;
    status = open_log(gen, place, created);
    if (status != KIST_OK) {
        return status;
    }
    gen->rebuilt = false;
    gen->shared = true;
    unsafe = ki_file_maps_unsafe(gen->log.fd);
    alone = place->options->exclusive || unsafe;
    status = take_locks(gen, place, alone);
    if (status == KIST_OK) {
        status = ki_gen_is_named(gen, place->log_path, &there);
    }
    if (status == KIST_OK && !there) {
        *again = true;
    }
    else if (status == KIST_OK && ki_reclog_is_superseded(&gen->log)) {
        // A compaction marks the file after it has taken its name away.
        status = ki_gen_is_named(gen, place->log_path, &there);
        *again = !there;
        if (status == KIST_OK && there) {
            status = KI_FAIL(KIST_ERR_CORRUPT, place->log_path, 1024,
                             "superseded mark (kist repair)");
        }
    }
    else if (status == KIST_OK) {
        status = gen->writable && !unsafe ? ki_judge_writable(gen, place)
                                          : ki_judge_private(gen, place);
        if (status == KIST_ERR_LOCKED &&
            ki_gen_is_named(gen, place->log_path, &there) == KIST_OK &&
            !there) {
            // A compaction has put its index in place since we looked.
            status = KI_AGAIN;
        }
    }
    if (status == KIST_OK && *created) {
        // Its first index was no loss.
        gen->clean_shutdown = true;
        gen->rebuilt = false;
    }
    if (status == KIST_OK && !*again && gen->writable) {
        if (!alone) {
            status = ki_filelock_take(gen->log.fd, place->log_path,
                                      KI_LOCK_BYTE_USERS, KI_LOCK_SHARED, 0);
        }
        ki_filelock_drop(gen->log.fd, KI_LOCK_BYTE_OPENER);
    }
    if (status != KIST_OK || *again) {
        ki_idx_close(&gen->idx);
        ki_reclog_close(&gen->log);
    }
    if (status == KI_AGAIN) {
        *again = true;
        status = KIST_OK;
    }
    return status;
}

kist_status
ki_gen_open(const ki_place *place, ki_gen **out)
{
    static _Atomic uint64_t serials = 1;
    ki_gen *gen = ki_calloc(1, sizeof(*gen));
    bool created = false;
    bool again = true;
    unsigned tries = 0;
    kist_status status = KIST_OK;

    *out = NULL;
    if (gen == NULL) {
        return no_memory(place->log_path);
    }
    gen->writable = !place->options->read_only;
    gen->serial = atomic_fetch_add(&serials, 1);
    while (status == KIST_OK && again) {
        status = tries++ < TRIES_MAX
                     ? try_open(gen, place, &created, &again)
                     : KI_FAIL(KIST_ERR_LOCKED, place->log_path, KI_NO_OFFSET,
                               "replaced again and again");
    }
    if (status != KIST_OK) {
        ki_free(gen);
        return status;
    }
    (void)pthread_mutex_init(&gen->following, NULL);
    (void)pthread_mutex_init(&gen->shelf.mutex, NULL);
    *out = gen;
    return KIST_OK;
}

/* --- closing
 * --------------------------------------------------------------------------------
 */

/* The log: give the room taken ahead back, sync, and write down its end. */
static kist_status
close_log(ki_gen *gen, uint64_t tail)
{
    const uint64_t keep = (tail + KI_LOG_SPARE + 4095) & ~UINT64_C(4095);
    kist_status status;

    if (ki_word_load(&gen->idx, KI_W_LOG_SIZE) > keep) {
        status = ki_file_truncate(gen->log.fd, gen->log.path, keep);
        if (status != KIST_OK) {
            return status;
        }
        ki_word_store(&gen->idx, KI_W_LOG_SIZE, keep);
    }
    status = ki_file_sync(gen->log.fd, gen->log.path);
    if (status != KIST_OK) {
        ki_word_store(&gen->idx, KI_W_POISONED, 1);
        return status;
    }
    ki_idx_set_synced(&gen->idx, tail);
    KI_POINT("log synced at close");
    status = ki_reclog_set_closed_end(&gen->log, tail);
    if (status == KIST_OK) {
        status = ki_file_sync(gen->log.fd, gen->log.path);
    }
    return status;
}

/* The index: on the disk first, and then the word that says so. */
static kist_status
close_index(ki_gen *gen)
{
    const uint64_t used = (ki_idx_used(&gen->idx) + 4095) & ~UINT64_C(4095);
    kist_status status = KIST_OK;

    if (gen->idx.fd < 0) {
        return KIST_OK;
    }
    if (ki_word_load(&gen->idx, KI_W_SIZE) > used) {
        ki_word_store(&gen->idx, KI_W_SIZE, used);
        status = ki_file_truncate(gen->idx.fd, gen->idx.path, used);
    }
    if (status == KIST_OK) {
        status = ki_file_sync(gen->idx.fd, gen->idx.path);
    }
    if (status == KIST_OK) {
        ki_word_store(&gen->idx, KI_W_CLEAN_SUM, ki_idx_sum(&gen->idx));
        ki_word_store(&gen->idx, KI_W_CLEAN, 1);
        KI_POINT("clean mark set");
        status = ki_file_sync(gen->idx.fd, gen->idx.path);
    }
    return status;
}

/*
 * The opener's lock keeps writers from opening meanwhile, and makes those who
 * close at once go one by one; each that is not the last drops its lock, so
 * that the last is seen to be alone.  It then makes room for readers, who are
 * not to wait for it.
 */
static bool
is_last_user(const ki_gen *gen)
{
    const int fd = gen->log.fd;
    const char *path = gen->log.path;

    if (ki_filelock_take(fd, path, KI_LOCK_BYTE_OPENER, KI_LOCK_EXCLUSIVE,
                         CLOSE_MS) != KIST_OK ||
        ki_filelock_take(fd, path, KI_LOCK_BYTE_USERS, KI_LOCK_EXCLUSIVE, 0) !=
            KIST_OK) {
        ki_filelock_drop(fd, KI_LOCK_BYTE_USERS);
        ki_filelock_drop(fd, KI_LOCK_BYTE_OPENER);
        return false;
    }
    return ki_filelock_take(fd, path, KI_LOCK_BYTE_USERS, KI_LOCK_SHARED, 0) ==
           KIST_OK;
}

/* What the last user of a writable pair does. */
static kist_status
close_cleanly(ki_gen *gen)
{
    kist_status status;

    if (!is_last_user(gen)) {
        return KIST_OK;
    }
    if (gen->idx.path != NULL) {
        ki_gen_sweep(gen->log.path, gen->idx.path);
    }
    if (ki_word_load(&gen->idx, KI_W_STALE) != 0 ||
        ki_word_load(&gen->idx, KI_W_CLEAN) != 0 ||
        ki_word_load(&gen->idx, KI_W_POISONED) != 0 ||
        ki_mapping_is_cut(&gen->idx.map) || ki_mapping_is_cut(&gen->log.map)) {
        return KIST_OK;
    }
    status = ki_write_lock(gen, 0);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_word_load(&gen->idx, KI_W_STALE) == 0) {
        status = close_log(gen, ki_word_load(&gen->idx, KI_W_TAIL));
        if (status == KIST_OK) {
            status = close_index(gen);
        }
    }
    ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
    return status;
}

kist_status
ki_gen_close(ki_gen *gen, bool abandon)
{
    kist_status status = KIST_OK;

    if (gen == NULL) {
        return KIST_OK;
    }
    ki_views_forget(gen);
    if (!abandon && gen->writable) {
        status = close_cleanly(gen);
    }
    ki_idx_close(&gen->idx);
    ki_reclog_close(&gen->log);
    (void)pthread_mutex_destroy(&gen->following);
    (void)pthread_mutex_destroy(&gen->shelf.mutex);
    ki_free(gen);
    return status;
}
