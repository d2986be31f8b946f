#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/batch.h"
#include "coll/coll.h"
#include "coll/idxcompare.h"
#include "coll/logwalk.h"
#include "coll/recover.h"
#include "coll/writer.h"
#include "os/file.h"

#define TRIES_MAX 3u

typedef struct verifier {
    kist *k;
    ki_gen *gen;
    kist_progress progress;
    void *context;
    kist_report *report;
    bool locked;
    bool wrong; /* the index is, as far as is known */
} verifier;

/* --- the log ----------------------------------------------------------------
 */

static kist_status
damaged(const verifier *v)
{
    return KI_FAIL(KIST_ERR_CORRUPT, v->gen->log.path,
                   v->report->damaged_offset,
                   "log damaged (kist repair keeps what is whole)");
}

/*
 * The log below `tail`.  A whole record that crosses the tail, or stands
 * behind it where nobody can be writing, says that the tail is wrong.
 */
static kist_status
check_log(verifier *v, uint64_t tail)
{
    const ki_reclog *log = &v->gen->log;
    const uint64_t end = ki_log_end(v->gen);
    ki_logwalk walk;
    ki_record record;
    kist_status status;

    status = ki_logwalk_run(&walk, log, false, tail, v->progress, v->context,
                            v->report);
    if (status == KIST_OK && v->locked &&
        ki_reclog_load(log, walk.end, end, &record)) {
        v->wrong = true;
        if (walk.count > 0 && walk.runs[walk.count - 1].offset == walk.end) {
            walk.count--;
            ki_logwalk_report(&walk, v->report);
        }
    }
    ki_logwalk_fini(&walk);
    return status == KIST_OK && v->report->damaged_runs > 0 ? damaged(v)
                                                            : status;
}

/* --- the index
 * ---------------------------------------------------------------- */

/* A private index of the log below `end`; an object that must not be moved. */
static kist_status
build_truth(const verifier *v, uint64_t end, ki_gen *truth)
{
    ki_recovery recovery;
    kist_status status;

    memset(truth, 0, sizeof(*truth));
    truth->log = v->gen->log;
    status =
        ki_idx_create(&truth->idx, NULL, 0, truth->log.uuid,
                      truth->log.generation, end * 8 + (UINT64_C(64) << 20));
    if (status == KIST_OK) {
        status = ki_recover_all(truth, end, 0, &recovery);
        if (status == KIST_ERR_CORRUPT) {
            v->report->damaged_offset = kist_last_error()->offset;
        }
    }
    return status;
}

/* Nobody else writes: what differs is wrong. */
static kist_status
compare_locked(verifier *v, uint64_t tail)
{
    ki_gen truth;
    bool differs = false;
    kist_status status;

    status = build_truth(v, v->wrong ? ki_log_end(v->gen) : tail, &truth);
    if (status == KIST_OK) {
        v->report->live = ki_idxcompare_live(&truth);
        if (!v->wrong) {
            status = ki_idxcompare(v->gen, &truth, true, &differs);
            v->wrong = differs;
        }
    }
    ki_idx_close(&truth.idx);
    return status;
}

/* Could writers have been at work between two of these being equal? */
static bool
stands_still(const ki_gen *gen, uint64_t seen[4])
{
    const uint64_t now[4] = {ki_word_load(&gen->idx, KI_W_TAIL),
                             ki_word_load(&gen->idx, KI_W_VERSION),
                             ki_word_load(&gen->idx, KI_W_BUMP),
                             ki_word_load(&gen->idx, KI_W_REDO_COUNT)};
    const bool same = memcmp(seen, now, sizeof(now)) == 0;

    memcpy(seen, now, sizeof(now));
    return same && now[3] == 0;
}

/* Others may write: a difference counts only if they have not. */
static kist_status
compare_unlocked(verifier *v)
{
    unsigned tries;
    kist_status status = KIST_OK;

    for (tries = 0; status == KIST_OK && tries < TRIES_MAX; tries++) {
        uint64_t seen[4];
        ki_gen truth;
        bool differs = false;

        (void)stands_still(v->gen, seen);
        status = build_truth(v, seen[0], &truth);
        if (status == KIST_OK) {
            v->report->live = ki_idxcompare_live(&truth);
            status = ki_idxcompare(v->gen, &truth, false, &differs);
        }
        ki_idx_close(&truth.idx);
        if (!differs) {
            return status;
        }
        if (stands_still(v->gen, seen)) {
            v->wrong = true;
            return status;
        }
    }
    return status;
}

/*
 * A new index in the place of the wrong one.  Whoever has the old one mapped,
 * in this process or another, finds it stale at the next call.
 */
static kist_status
rebuild(verifier *v)
{
    kist *k = v->k;
    ki_gen *old = v->gen;
    char *build = ki_gen_build_path(k->index_path, KI_BUILD_VERIFY);
    const uint64_t synced = ki_idx_synced(&old->idx);
    uint64_t torn = 0;
    bool wiped;
    ki_gen next;
    kist_status status;

    if (build == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, k->index_path, KI_NO_OFFSET, "verify");
    }
    memset(&next, 0, sizeof(next));
    next.log = old->log;
    status = ki_gen_build_index(&next, build, k->options.file_mode,
                                atomic_load(&k->reserve), synced, &torn);
    if (status != KIST_OK) {
        ki_free(build);
        return status;
    }
    if (torn > 0) {
        const uint64_t tail = ki_word_load(&next.idx, KI_W_TAIL);

        ki_reclog_wipe(&old->log, tail, tail + torn, &wiped);
    }
    status = ki_idx_set_alive(&next.idx, &old->log.id);
    if (status == KIST_OK) {
        // Those who only read would not find out if we died behind the
        // rename: from here on they look.
        ki_word_store(&old->idx, KI_W_STALE, KI_STALE_SOON);
        KI_POINT("index to be exchanged");
        status = ki_file_rename(build, k->index_path, false);
    }
    if (status == KIST_OK) {
        KI_POINT("index exchanged");
        v->report->index_rebuilt = true;
    }
    else {
        ki_word_store(&old->idx, KI_W_STALE, 0);
        (void)ki_io->unlink(build);
    }
    ki_idx_close(&next.idx);
    ki_free(build);
    return status;
}

/* --- the whole
 * ------------------------------------------------------------------ */

static kist_status
check(verifier *v)
{
    ki_gen *gen = v->gen;
    uint64_t tail = ki_word_load(&gen->idx, KI_W_TAIL);
    uint64_t size;
    kist_status status;

    memset(v->report, 0, sizeof(*v->report));
    v->report->damaged_offset = UINT64_MAX;
    v->report->torn_bytes = gen->torn_bytes;
    status = ki_file_size(gen->log.fd, gen->log.path, &size);
    if (status != KIST_OK) {
        return status;
    }
    if (tail > size || tail < KI_LOG_BEGIN) {
        tail = size & ~UINT64_C(7);
        v->wrong = true;
    }
    if (tail > gen->log.limit) {
        return KI_AGAIN;
    }
    status = check_log(v, tail);
    if (status == KIST_OK) {
        status = v->locked ? compare_locked(v, tail) : compare_unlocked(v);
    }
    v->report->index_damaged = status == KIST_OK && v->wrong;
    if (v->report->index_damaged && v->locked && gen->idx.fd >= 0) {
        status = rebuild(v);
    }
    return status;
}

static kist_status
verify_locked(verifier *v)
{
    ki_writer *w;
    kist_status status;

    status = ki_write_begin(v->k, NULL, NULL, &w, NULL);
    if (status != KIST_OK) {
        return status;
    }
    // What begin may have written (a mark) is to be in the new index too.
    if (w->tail != w->begun) {
        ki_write_step(w);
    }
    v->gen = w->gen;
    status = check(v);
    if (v->report->index_rebuilt) {
        ki_write_retire(w);
        ki_leave();
        return status;
    }
    w->wanted = ki_word_load(&v->gen->idx, KI_W_TAIL) * 2;
    return ki_write_end(v->k, w, status);
}

static kist_status
verify_unlocked(verifier *v)
{
    ki_gen *gen;
    kist_status status;

    status = ki_enter(v->k, &gen);
    if (status != KIST_OK) {
        return status;
    }
    v->gen = gen;
    status = check(v);
    ki_leave();
    if (status == KI_AGAIN) {
        status = ki_exchange(v->k, gen);
        return status == KIST_OK ? KI_AGAIN : status;
    }
    return status;
}

kist_status
kist_verify(kist *k, kist_progress progress, void *context,
            kist_report *report)
{
    kist_report own;
    kist_status status = ki_batch_refuse(k);

    if (status != KIST_OK) {
        return status;
    }
    do {
        verifier v = {
            k,     NULL, progress, context, report != NULL ? report : &own,
            false, false};

        v.locked = !k->options.read_only;
        status = v.locked ? verify_locked(&v) : verify_unlocked(&v);
    } while (status == KI_AGAIN);
    return status;
}
