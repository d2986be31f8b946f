#include "coll/gen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/chest.h"
#include "coll/recover.h"
#include "coll/writer.h"
#include "os/file.h"
#include "os/filelock.h"

#define LOG_SIZE_NEW (UINT64_C(64) << 10)
#define TRIES_MAX    1000u

/* --- paths
 * --------------------------------------------------------------------------
 */

char *
ki_gen_build_path(const char *path)
{
    const size_t size = strlen(path);
    char *build = ki_calloc(1, size + sizeof(KI_BUILD_SUFFIX) + 16);
    uint64_t number = 0;

    if (build != NULL) {
        (void)ki_io->random(&number, sizeof(number));
        (void)snprintf(build, size + sizeof(KI_BUILD_SUFFIX) + 16, "%s%s%08x",
                       path, KI_BUILD_SUFFIX, (unsigned)number);
    }
    return build;
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
    char *build = ki_gen_build_path(place->log_path);
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

/* --- the index
 * --------------------------------------------------------------------------
 */

kist_status
ki_gen_build_index(ki_gen *gen, const char *path, uint32_t file_mode,
                   uint64_t reserve, uint64_t synced, uint64_t *torn)
{
    ki_recovery recovery;
    uint64_t size;
    uint64_t room;
    kist_status status;

    status = ki_file_size(gen->log.fd, gen->log.path, &size);
    if (status != KIST_OK) {
        return status;
    }
    // Private memory cannot grow, so it is reserved for the worst that a log
    // of this size may need; untouched pages cost nothing.
    room = size * 8 + (UINT64_C(64) << 20);
    status = ki_idx_create(&gen->idx, path, file_mode, gen->log.uuid,
                           gen->log.generation,
                           path == NULL && reserve < room ? room : reserve);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_recover_all(gen, size, synced, &recovery);
    if (status != KIST_OK) {
        ki_idx_close(&gen->idx);
        if (path != NULL) {
            (void)ki_io->unlink(path);
        }
        return status;
    }
    ki_idx_set_synced(&gen->idx,
                      synced > recovery.marked ? synced : recovery.marked);
    *torn = recovery.torn;
    gen->recovered_records = recovery.records;
    return KIST_OK;
}

/*
 * Cuts the torn tail off.  That must be on the disk before anything is
 * appended there: else a second power cut could bring whole records of the
 * torn tail back behind new ones.
 */
static kist_status
cut_tail(ki_gen *gen, uint64_t torn)
{
    const uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);
    bool wiped;

    if (torn == 0) {
        return KIST_OK;
    }
    gen->torn_bytes = torn;
    ki_reclog_wipe(&gen->log, tail, tail + torn, &wiped);
    KI_POINT("tail cut");
    return wiped ? ki_file_sync(gen->log.fd, gen->log.path) : KIST_OK;
}

kist_status
ki_gen_rebuild(ki_gen *gen, const ki_place *place, uint64_t synced)
{
    char *build = ki_gen_build_path(place->index_path);
    uint64_t torn = 0;
    char *path;
    kist_status status;

    if (build == NULL) {
        return no_memory(place->index_path);
    }
    status = ki_gen_build_index(gen, build, place->options->file_mode,
                                place->reserve, synced, &torn);
    if (status != KIST_OK) {
        ki_free(build);
        return status;
    }
    gen->rebuilt = true;
    status = cut_tail(gen, torn);
    if (status == KIST_OK) {
        status = ki_idx_set_alive(&gen->idx, &gen->log.id);
    }
    path = ki_strdup(place->index_path);
    if (status == KIST_OK && path == NULL) {
        status = no_memory(place->index_path);
    }
    if (status == KIST_OK) {
        status = ki_file_rename(build, place->index_path, false);
    }
    if (status != KIST_OK) {
        (void)ki_io->unlink(build);
        ki_free(path);
        ki_idx_close(&gen->idx);
    }
    else {
        ki_free(gen->idx.path);
        gen->idx.path = path;
    }
    ki_free(build);
    return status;
}

/*
 * A sync has failed and everybody has gone: what the page cache says is not
 * what the disk has.  Its pages are dropped, the log is read again, and what
 * is there is written once more, so that it is durable or known to be lost.
 */
static kist_status
heal_poisoned(ki_gen *gen, const ki_place *place, uint64_t synced)
{
    const uint64_t reserve = gen->log.limit;
    uint64_t at;
    uint64_t tail;
    kist_status status;

    ki_idx_close(&gen->idx);
    ki_mapping_fini(&gen->log.read_map);
    ki_mapping_fini(&gen->log.write_map);
    (void)ki_io->fadvise(gen->log.fd, 0, 0, POSIX_FADV_DONTNEED);
    status = ki_mapping_init(&gen->log.read_map, gen->log.fd, gen->log.path,
                             KI_MAP_WRITE, reserve, reserve, true);
    if (status == KIST_OK) {
        gen->log.base = gen->log.read_map.base;
        status =
            ki_mapping_init(&gen->log.write_map, gen->log.fd, gen->log.path,
                            KI_MAP_WRITE, reserve, reserve, false);
    }
    if (status == KIST_OK) {
        status = ki_gen_rebuild(gen, place, synced);
    }
    if (status != KIST_OK) {
        return status;
    }
    tail = ki_word_load(&gen->idx, KI_W_TAIL);
    for (at = synced & ~UINT64_C(4095); status == KIST_OK && at < tail;
         at += 4096) {
        uint8_t page[4096];
        const size_t n = tail - at < 4096 ? (size_t)(tail - at) : 4096;

        memcpy(page, gen->log.base + at, n);
        status = ki_file_write_at(gen->log.fd, gen->log.path, at, page, n);
    }
    if (status == KIST_OK) {
        status = ki_file_sync(gen->log.fd, gen->log.path);
    }
    if (status == KIST_OK) {
        ki_idx_set_synced(&gen->idx, tail);
    }
    else {
        ki_word_store(&gen->idx, KI_W_POISONED, 1);
    }
    return status;
}

/*
 * Can the header be true of the log?  A writer may be at work: what grows is
 * loaded before what it must not exceed.
 */
static bool
is_sound(const ki_gen *gen)
{
    const ki_idx *idx = &gen->idx;
    const uint64_t bump = ki_word_load(idx, KI_W_BUMP);
    const uint64_t horizon = ki_word_load(idx, KI_W_HORIZON);
    const uint64_t tail = ki_word_load(idx, KI_W_TAIL);
    const uint64_t mark = ki_word_load(idx, KI_W_WRITE_MARK);
    const uint64_t log_size = ki_word_load(idx, KI_W_LOG_SIZE);
    uint64_t size;

    return ki_word_load(idx, KI_W_STALE) == 0 &&
           bump <= ki_word_load(idx, KI_W_SIZE) && bump % 256 == 0 &&
           horizon <= ki_word_load(idx, KI_W_VERSION) &&
           tail >= KI_LOG_BEGIN && tail % KI_RECORD_ALIGN == 0 &&
           tail <= log_size && mark <= log_size &&
           ki_file_size(gen->log.fd, gen->log.path, &size) == KIST_OK &&
           tail <= size;
}

/* Do records stand behind its tail?  Then it is older than the log. */
static bool
is_behind(const ki_gen *gen)
{
    const uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);

    return tail + 8 <= ki_log_end(gen) &&
           ki_load_le64(gen->log.base + tail) != 0;
}

static bool
is_clean(const ki_gen *gen)
{
    const uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);

    return ki_word_load(&gen->idx, KI_W_CLEAN) == 1 && is_sound(gen) &&
           ki_reclog_closed_end(&gen->log) == tail &&
           ki_idx_synced(&gen->idx) == tail && !is_behind(gen);
}

/*
 * A clean index that is not alive comes from another boot, or is a copy: it
 * has been away, so its checksum is asked before it is believed.
 */
static bool
is_intact(const ki_gen *gen)
{
    return ki_idx_is_alive(&gen->idx, &gen->log.id, false) ||
           ki_idx_sum(&gen->idx) == ki_word_load(&gen->idx, KI_W_CLEAN_SUM);
}

/* A clean mark that the log contradicts: an index from another time. */
static bool
is_foreign(const ki_gen *gen)
{
    return ki_word_load(&gen->idx, KI_W_CLEAN) == 1 && !is_clean(gen);
}

/* An index that was closed cleanly, and that nobody else has mapped. */
static kist_status
revive(ki_gen *gen)
{
    uint64_t size;
    kist_status status;

    status = ki_file_size(gen->log.fd, gen->log.path, &size);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_shmlock_init(ki_idx_lock(&gen->idx, KI_W_LOCK));
    if (status == KIST_OK) {
        status = ki_shmlock_init(ki_idx_lock(&gen->idx, KI_W_SYNC_LOCK));
    }
    if (status == KIST_OK) {
        ki_word_store(&gen->idx, KI_W_REDO_COUNT, 0);
        ki_word_store(&gen->idx, KI_W_POISONED, 0);
        ki_word_store(&gen->idx, KI_W_WRITE_MARK,
                      ki_word_load(&gen->idx, KI_W_TAIL));
        ki_word_store(&gen->idx, KI_W_LOG_SIZE, size);
        status = ki_idx_set_alive(&gen->idx, &gen->log.id);
    }
    return status;
}

/*
 * An index that others use, or have used since the machine came up: takes the
 * lock once, which finishes what a dead writer left.  *behind is set if
 * records stand behind its tail: then it is older than the log.
 */
static kist_status
join(ki_gen *gen, const ki_place *place, bool *behind)
{
    uint64_t size;
    uint64_t tail;
    kist_status status;

    *behind = false;
    status = ki_write_lock(gen, place->options->lock_timeout_ms);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_file_size(gen->log.fd, place->log_path, &size);
    tail = ki_word_load(&gen->idx, KI_W_TAIL);
    if (status == KIST_OK && tail > size) {
        status = KI_FAIL(KIST_ERR_CORRUPT, place->log_path, size,
                         "log cut short (kist repair)");
    }
    if (status == KIST_OK) {
        if (ki_word_load(&gen->idx, KI_W_LOG_SIZE) > size) {
            ki_word_store(&gen->idx, KI_W_LOG_SIZE, size);
        }
        *behind = is_behind(gen);
    }
    ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
    return status;
}

/* The index file is there and speaks of this log; nobody else maps it. */
static kist_status
judge_alone(ki_gen *gen, const ki_place *place)
{
    const uint64_t synced = ki_idx_synced(&gen->idx);
    bool behind = false;
    kist_status status;

    if (gen->clean_shutdown && is_intact(gen)) {
        return revive(gen);
    }
    if (!gen->clean_shutdown && ki_idx_is_alive(&gen->idx, &gen->log.id, false) &&
        is_sound(gen) && !is_foreign(gen)) {
        if (ki_word_load(&gen->idx, KI_W_POISONED) != 0) {
            return heal_poisoned(gen, place, synced);
        }
        status = join(gen, place, &behind);
        if (status != KIST_OK || !behind) {
            return status;
        }
    }
    ki_idx_close(&gen->idx);
    return ki_gen_rebuild(gen, place, synced);
}

/* Others have it mapped. */
static kist_status
judge_beside(ki_gen *gen, const ki_place *place)
{
    bool behind;

    if (ki_word_load(&gen->idx, KI_W_STALE) != 0) {
        // Replaced by a compaction or a rebuild since we opened it.
        return KI_AGAIN;
    }
    if (ki_idx_is_alive(&gen->idx, &gen->log.id, true) && is_sound(gen)) {
        return join(gen, place, &behind);
    }
    return gen->clean_shutdown && is_intact(gen) ? revive(gen)
                                                 : KIST_ERR_NOTFOUND;
}

static kist_status
judge_writable(ki_gen *gen, const ki_place *place)
{
    const int fd = gen->log.fd;
    bool alone;
    kist_status status;

    status = ki_filelock_take(fd, place->log_path, KI_LOCK_BYTE_INDEX,
                              KI_LOCK_EXCLUSIVE, 0);
    alone = status == KIST_OK;
    if (!alone && status == KIST_ERR_LOCKED) {
        status =
            ki_filelock_take(fd, place->log_path, KI_LOCK_BYTE_INDEX,
                             KI_LOCK_SHARED, place->options->lock_timeout_ms);
    }
    if (status == KIST_OK) {
        status = ki_idx_open(&gen->idx, place->index_path, true, gen->log.uuid,
                             gen->log.generation, place->reserve);
    }
    if (status == KIST_OK) {
        gen->clean_shutdown = is_clean(gen);
        status = alone ? judge_alone(gen, place) : judge_beside(gen, place);
    }
    else if (status == KIST_ERR_NOTFOUND && alone) {
        status = ki_gen_rebuild(gen, place, 0);
    }
    if (status == KIST_ERR_NOTFOUND) {
        status = KI_FAIL(KIST_ERR_LOCKED, place->index_path, KI_NO_OFFSET,
                         "removed or damaged while others use it");
    }
    if (status == KIST_OK && alone) {
        status = ki_filelock_take(fd, place->log_path, KI_LOCK_BYTE_INDEX,
                                  KI_LOCK_SHARED, 0);
    }
    return status;
}

/* A reader's look at the index file: NOTFOUND if it is of no use. */
static kist_status
borrow_index(ki_gen *gen, const ki_place *place, uint64_t *synced)
{
    kist_status status;

    status = ki_filelock_take(gen->log.fd, place->log_path, KI_LOCK_BYTE_INDEX,
                              KI_LOCK_SHARED, place->options->lock_timeout_ms);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_idx_open(&gen->idx, place->index_path, false, gen->log.uuid,
                         gen->log.generation, place->reserve);
    if (status == KIST_OK) {
        gen->clean_shutdown = is_clean(gen);
        if ((gen->clean_shutdown && is_intact(gen)) ||
            (!gen->clean_shutdown && is_sound(gen) && !is_foreign(gen) &&
             ki_idx_is_alive(&gen->idx, &gen->log.id, false))) {
            return KIST_OK;
        }
        *synced = ki_idx_synced(&gen->idx);
        ki_idx_close(&gen->idx);
        status = KIST_ERR_NOTFOUND;
    }
    ki_filelock_drop(gen->log.fd, KI_LOCK_BYTE_INDEX);
    return status;
}

/* An index in private memory, for a reader or for the only user. */
static kist_status
judge_private(ki_gen *gen, const ki_place *place)
{
    uint64_t synced = 0;
    uint64_t torn = 0;
    kist_status status;

    if (!gen->writable) {
        status = borrow_index(gen, place, &synced);
        if (status != KIST_ERR_NOTFOUND) {
            return status;
        }
    }
    status = ki_gen_build_index(gen, NULL, 0, place->reserve, synced, &torn);
    if (status != KIST_OK) {
        return status;
    }
    gen->rebuilt = true;
    gen->shared = gen->writable;
    gen->torn_bytes = torn;
    return gen->writable ? cut_tail(gen, torn) : KIST_OK;
}

kist_status
ki_gen_follow(ki_gen *gen)
{
    uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);
    uint64_t size;
    kist_status status = KIST_OK;

    if (tail + 8 <= ki_log_end(gen) &&
        ki_load_le64(gen->log.base + tail) == 0) {
        return KIST_OK;
    }
    (void)pthread_mutex_lock(&gen->following);
    tail = ki_word_load(&gen->idx, KI_W_TAIL);
    if (tail + 8 > ki_log_end(gen) ||
        ki_load_le64(gen->log.base + tail) != 0) {
        status = ki_file_size(gen->log.fd, gen->log.path, &size);
        if (status == KIST_OK) {
            status = ki_recover_more(gen, size);
        }
    }
    (void)pthread_mutex_unlock(&gen->following);
    return status;
}

/* --- opening
 * ------------------------------------------------------------------------------
 */

/* Is what we have open still what the path names? */
static kist_status
still_there(const ki_gen *gen, const char *path, bool *there)
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
    bool alone;
    kist_status status;

    *again = false;
    status = open_log(gen, place, created);
    if (status != KIST_OK) {
        return status;
    }
    gen->rebuilt = false;
    gen->shared = true;
    alone = place->options->exclusive || ki_file_maps_unsafe(gen->log.fd);
    status = take_locks(gen, place, alone);
    if (status == KIST_OK) {
        status = still_there(gen, place->log_path, &there);
    }
    if (status == KIST_OK && !there) {
        *again = true;
    }
    else if (status == KIST_OK && ki_reclog_is_superseded(&gen->log)) {
        // A compaction marks the file after it has taken its name away.
        status = still_there(gen, place->log_path, &there);
        *again = !there;
        if (status == KIST_OK && there) {
            status = KI_FAIL(KIST_ERR_CORRUPT, place->log_path, 1024,
                             "superseded mark (kist repair)");
        }
    }
    else if (status == KIST_OK) {
        status = gen->writable && !ki_file_maps_unsafe(gen->log.fd)
                     ? judge_writable(gen, place)
                     : judge_private(gen, place);
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
 * Two who close at once would each see the other's shared lock: so each drops
 * its own and asks again, and whoever drops last is alone.
 */
static bool
is_last_user(const ki_gen *gen)
{
    const int fd = gen->log.fd;

    if (ki_filelock_take(fd, gen->log.path, KI_LOCK_BYTE_USERS,
                         KI_LOCK_EXCLUSIVE, 0) == KIST_OK) {
        return true;
    }
    ki_filelock_drop(fd, KI_LOCK_BYTE_USERS);
    return ki_filelock_take(fd, gen->log.path, KI_LOCK_BYTE_USERS,
                            KI_LOCK_EXCLUSIVE, 0) == KIST_OK;
}

/* What the last user of a writable pair does. */
static kist_status
close_cleanly(ki_gen *gen)
{
    kist_status status;

    if (!is_last_user(gen)) {
        return KIST_OK;
    }
    if (ki_word_load(&gen->idx, KI_W_STALE) != 0 ||
        ki_word_load(&gen->idx, KI_W_CLEAN) != 0 ||
        ki_word_load(&gen->idx, KI_W_POISONED) != 0 ||
        ki_mapping_is_cut(&gen->idx.map) ||
        ki_mapping_is_cut(&gen->log.read_map) ||
        ki_mapping_is_cut(&gen->log.write_map)) {
        return KIST_OK;
    }
    status = ki_write_lock(gen, 0);
    if (status != KIST_OK) {
        return status;
    }
    status = close_log(gen, ki_word_load(&gen->idx, KI_W_TAIL));
    if (status == KIST_OK) {
        status = close_index(gen);
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
    if (!abandon && gen->writable) {
        status = close_cleanly(gen);
    }
    ki_idx_close(&gen->idx);
    ki_reclog_close(&gen->log);
    (void)pthread_mutex_destroy(&gen->following);
    ki_free(gen);
    return status;
}
