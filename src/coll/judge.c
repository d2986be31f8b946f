#include "coll/judge.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/chest.h"
#include "coll/recover.h"
#include "coll/writer.h"
#include "os/file.h"
#include "os/filelock.h"

/* Longer than one looks at an index of no use, or makes its locks new. */
#define LOOK_MS 1000u

static kist_status
no_memory(const char *path)
{
    return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "open");
}

/* --- the index
 * --------------------------------------------------------------------------
 */

kist_status
ki_gen_build_index(ki_gen *gen, const char *path, uint32_t file_mode,
                   uint64_t reserve, uint64_t synced, uint64_t *torn)
{
    ki_recovery recovery;
    uint64_t size = 0;
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
ki_gen_rebuild(ki_gen *gen, const ki_place *place, uint64_t synced,
               bool poisoned)
{
    char *build = ki_gen_build_path(place->index_path, KI_BUILD_OPEN);
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
    ki_word_store(&gen->idx, KI_W_POISONED, poisoned);
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
    if (status == KIST_OK) {
        // Whoever made the log may have died before its name was durable.
        status = ki_file_sync_parent(place->log_path);
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
    ki_mapping_fini(&gen->log.map);
    (void)ki_io->fadvise(gen->log.fd, 0, 0, POSIX_FADV_DONTNEED);
    status = ki_reclog_map(&gen->log, reserve, reserve);
    if (status == KIST_OK) {
        status = ki_gen_rebuild(gen, place, synced, true);
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
        ki_word_store(&gen->idx, KI_W_POISONED, 0);
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
 * lock once if it is free, which finishes what a dead writer left.  *behind is
 * set if records stand behind its tail: then it is older than the log.
 */
static kist_status
join(ki_gen *gen, const ki_place *place, bool *behind)
{
    uint64_t size;
    uint64_t tail;
    kist_status status;

    *behind = false;
    // A living owner has nothing that needs to be finished for it.
    status = ki_write_lock(gen, 0);
    if (status != KIST_OK) {
        return status == KIST_ERR_LOCKED ? KIST_OK : status;
    }
    if (ki_word_load(&gen->idx, KI_W_STALE) != 0) {
        ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
        return KI_AGAIN;
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

/*
 * Rebuilds, unless a compaction has replaced the log: its new index must not
 * be overwritten.  The lock of byte 2 keeps it from happening meanwhile.
 */
static kist_status
rebuild_named(ki_gen *gen, const ki_place *place, uint64_t synced)
{
    bool there;
    const kist_status status = ki_gen_is_named(gen, place->log_path, &there);

    if (status != KIST_OK) {
        return status;
    }
    if (!there) {
        return KI_AGAIN;
    }
    ki_gen_sweep(place->log_path, place->index_path);
    return ki_gen_rebuild(gen, place, synced, false);
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
    if (!gen->clean_shutdown &&
        ki_idx_is_alive(&gen->idx, &gen->log.id, false) && is_sound(gen) &&
        !is_foreign(gen)) {
        if (ki_word_load(&gen->idx, KI_W_POISONED) != 0) {
            return heal_poisoned(gen, place, synced);
        }
        status = join(gen, place, &behind);
        if (status != KIST_OK || !behind) {
            return status;
        }
    }
    ki_idx_close(&gen->idx);
    return rebuild_named(gen, place, synced);
}

/* Others have it mapped. */
static kist_status
judge_beside(ki_gen *gen, const ki_place *place)
{
    bool behind;

    if (ki_word_load(&gen->idx, KI_W_STALE) == KI_STALE_SOON) {
        // Who is about to replace it holds its lock, or has died.
        const kist_status status =
            ki_write_lock(gen, place->options->lock_timeout_ms);

        if (status != KIST_OK) {
            return status;
        }
        ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
        return KI_AGAIN;
    }
    if (ki_word_load(&gen->idx, KI_W_STALE) != 0) {
        // Replaced by a compaction or a rebuild since we opened it.
        return KI_AGAIN;
    }
    if (ki_idx_is_alive(&gen->idx, &gen->log.id, true) && is_sound(gen)) {
        return join(gen, place, &behind);
    }
    if (gen->clean_shutdown && is_intact(gen)) {
        return revive(gen);
    }
    // It may have become stale while we looked at it.
    return ki_word_load(&gen->idx, KI_W_STALE) != 0 ? KI_AGAIN
                                                    : KIST_ERR_NOTFOUND;
}

/*
 * Beside others the index file is of no use: a compaction has just replaced
 * both files (then it is opened again), or somebody removed or damaged it.
 */
static kist_status
not_ours(const ki_gen *gen, const ki_place *place)
{
    bool there;
    const kist_status status = ki_gen_is_named(gen, place->log_path, &there);

    if (status != KIST_OK) {
        return status;
    }
    if (!there ||
        ki_filelock_take(gen->log.fd, place->log_path, KI_LOCK_BYTE_INDEX,
                         KI_LOCK_EXCLUSIVE, LOOK_MS) == KIST_OK) {
        // Or it was only a reader having a look, which is gone now.
        return KI_AGAIN;
    }
    return KI_FAIL(KIST_ERR_LOCKED, place->index_path, KI_NO_OFFSET,
                   "removed or damaged while others use it");
}

kist_status
ki_judge_writable(ki_gen *gen, const ki_place *place)
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
        // Who compacted may have died before it told the others.
        status = ki_idx_retire_older(place->index_path, gen->log.uuid,
                                     gen->log.generation);
        if (status == KIST_OK) {
            status = rebuild_named(gen, place, 0);
        }
    }
    if (status == KIST_ERR_NOTFOUND) {
        status = not_ours(gen, place);
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

    // Who holds it alone rebuilds the index, or stands still.
    status = ki_filelock_take(gen->log.fd, place->log_path, KI_LOCK_BYTE_INDEX,
                              KI_LOCK_SHARED, LOOK_MS);
    if (status != KIST_OK) {
        return status == KIST_ERR_LOCKED ? KIST_ERR_NOTFOUND : status;
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
kist_status
ki_judge_private(ki_gen *gen, const ki_place *place)
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

/*
 * What a writer had written whole but not committed may have been applied
 * here; if it was then undone, another record may stand in its place.
 */
static bool
has_ghost(const ki_gen *gen)
{
    return gen->followed != 0 &&
           ki_load_le64(gen->log.base + gen->followed) != gen->followed_word;
}

static kist_status
catch_up(ki_gen *gen)
{
    const uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);
    uint64_t size;
    kist_status status;

    status = ki_file_size(gen->log.fd, gen->log.path, &size);
    if (status != KIST_OK) {
        return status;
    }
    if (size > gen->log.limit) {
        return KI_AGAIN;
    }
    status = ki_recover_more(gen, size, &gen->followed);
    if (status == KIST_OK && ki_word_load(&gen->idx, KI_W_TAIL) > tail) {
        gen->followed_word = ki_load_le64(gen->log.base + gen->followed);
    }
    return status;
}

kist_status
ki_gen_follow(ki_gen *gen)
{
    kist_status status = KIST_OK;
    uint64_t tail;

    (void)pthread_mutex_lock(&gen->following);
    tail = ki_word_load(&gen->idx, KI_W_TAIL);
    if (has_ghost(gen)) {
        status = KI_AGAIN;
    }
    else if (tail + 8 > ki_log_end(gen) ||
             ki_load_le64(gen->log.base + tail) != 0) {
        status = catch_up(gen);
    }
    (void)pthread_mutex_unlock(&gen->following);
    return status;
}
