#include "coll/durable.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "os/file.h"

#define YIELD_NS    UINT64_C(20000)
#define WAIT_MS     50u
#define INTERVAL_MS 100u

static kist_status
poisoned(const ki_gen *gen)
{
    return KI_FAIL(KIST_ERR_POISONED, gen->log.path, KI_NO_OFFSET,
                   "a sync failed: close everywhere and reopen");
}

/* While the tail still moves, others are about to wait for us too. */
static void
let_others_come(const ki_gen *gen)
{
    const uint64_t begun = ki_clock_ns();
    uint64_t last = ki_word_load(&gen->idx, KI_W_TAIL);

    if (ki_word_load(&gen->idx, KI_W_SYNC_GROUP) < 2) {
        return;
    }
    while (ki_clock_ns() - begun < YIELD_NS) {
        uint64_t now;

        sched_yield();
        now = ki_word_load(&gen->idx, KI_W_TAIL);
        if (now == last) {
            return;
        }
        last = now;
    }
}

/* What the leader does, holding the sync lock. */
static kist_status
lead(ki_gen *gen, uint64_t end)
{
    uint64_t target;
    kist_status status;

    if (ki_word_load(&gen->idx, KI_W_SYNCED) >= end) {
        return KIST_OK;
    }
    if (ki_word_load(&gen->idx, KI_W_POISONED) != 0) {
        return poisoned(gen);
    }
    let_others_come(gen);
    target = ki_word_load(&gen->idx, KI_W_TAIL);
    status = ki_file_sync(gen->log.fd, gen->log.path);
    if (status == KIST_OK) {
        ki_idx_set_synced(&gen->idx, target);
    }
    else {
        ki_word_store(&gen->idx, KI_W_POISONED, 1);
    }
    return status;
}

kist_status
ki_durable_wait(ki_gen *gen, uint64_t end)
{
    ki_shmlock *lock = ki_idx_lock(&gen->idx, KI_W_SYNC_LOCK);
    _Atomic uint32_t *turn = ki_idx_futex(&gen->idx, KI_W_SYNC_TURN);
    _Atomic uint64_t *waiting = ki_word(&gen->idx, KI_W_SYNC_WAITING);
    kist_status status;

    for (;;) {
        const uint32_t seen = atomic_load(turn);
        ki_lock_result result;

        if (ki_word_load(&gen->idx, KI_W_SYNCED) >= end) {
            return KIST_OK;
        }
        if (ki_word_load(&gen->idx, KI_W_POISONED) != 0) {
            return poisoned(gen);
        }
        result = ki_shmlock_try(lock);
        if (result == KI_LOCK_BROKEN) {
            return KI_FAIL(KIST_ERR_CORRUPT, gen->idx.path, KI_W_SYNC_LOCK,
                           "index lock");
        }
        if (result == KI_LOCK_TIMEOUT) {
            // Woken by the leader's end, or by time if it has died.
            atomic_fetch_add(waiting, 1);
            ki_futex_wait(turn, seen, WAIT_MS);
            continue;
        }
        if (result == KI_LOCK_OWNER_DIED) {
            ki_shmlock_mended(lock);
        }
        status = lead(gen, end);
        ki_word_store(&gen->idx, KI_W_SYNC_GROUP,
                      atomic_exchange(waiting, 0) + 1);
        ki_shmlock_drop(lock);
        atomic_fetch_add(turn, 1);
        ki_futex_wake_all(turn);
        return status;
    }
}

kist_status
kist_sync(kist *k)
{
    ki_gen *gen;
    kist_status status;

    status = ki_enter(k, &gen);
    if (status != KIST_OK) {
        return status;
    }
    if (gen->writable) {
        status = ki_durable_wait(gen, ki_word_load(&gen->idx, KI_W_TAIL));
    }
    ki_leave();
    return status;
}

/* --- level `interval`
 * ---------------------------------------------------------- */

struct ki_syncer {
    kist *k;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stop_asked;
    bool stop;
};

static void
after_ms(struct timespec *when, uint32_t ms)
{
    (void)clock_gettime(CLOCK_MONOTONIC, when);
    when->tv_sec += ms / 1000;
    when->tv_nsec += (long)(ms % 1000) * 1000000;
    if (when->tv_nsec >= 1000000000) {
        when->tv_nsec -= 1000000000;
        when->tv_sec++;
    }
}

static void *
syncer_main(void *context)
{
    struct ki_syncer *s = context;
    const uint32_t interval = s->k->options.interval_ms != 0
                                  ? s->k->options.interval_ms
                                  : INTERVAL_MS;
    struct timespec when;
    bool stop = false;

    while (!stop) {
        after_ms(&when, interval);
        (void)pthread_mutex_lock(&s->mutex);
        while (!s->stop && pthread_cond_timedwait(&s->stop_asked, &s->mutex,
                                                  &when) != ETIMEDOUT) {
        }
        stop = s->stop;
        (void)pthread_mutex_unlock(&s->mutex);
        // A failure has poisoned the index: the next write will say so.
        (void)!kist_sync(s->k);
    }
    return NULL;
}

kist_status
ki_syncer_start(kist *k)
{
    struct ki_syncer *s = ki_calloc(1, sizeof(*s));
    pthread_condattr_t attr;
    int error;

    if (s == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, k->log_path, KI_NO_OFFSET, "syncer");
    }
    s->k = k;
    (void)pthread_mutex_init(&s->mutex, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->stop_asked, &attr);
    (void)pthread_condattr_destroy(&attr);
    error = pthread_create(&s->thread, NULL, syncer_main, s);
    if (error != 0) {
        ki_free(s);
        errno = error;
        return KI_FAIL(KIST_ERR_IO, k->log_path, KI_NO_OFFSET, "thread");
    }
    k->syncer = s;
    return KIST_OK;
}

void
ki_syncer_stop(kist *k)
{
    struct ki_syncer *s = k->syncer;

    if (s == NULL) {
        return;
    }
    k->syncer = NULL;
    // After fork() the thread is the parent's, and so is its mutex.
    if (k->forks == atomic_load(&ki_inflight_forks)) {
        (void)pthread_mutex_lock(&s->mutex);
        s->stop = true;
        (void)pthread_cond_signal(&s->stop_asked);
        (void)pthread_mutex_unlock(&s->mutex);
        (void)pthread_join(s->thread, NULL);
        (void)pthread_cond_destroy(&s->stop_asked);
        (void)pthread_mutex_destroy(&s->mutex);
    }
    ki_free(s);
}
