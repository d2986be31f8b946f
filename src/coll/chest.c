#include "coll/chest.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/batch.h"
#include "coll/durable.h"
#include "coll/filepair.h"
#include "os/filelock.h"

#define RESERVE_DEFAULT (UINT64_C(64) << 30)
#define LOCK_TIMEOUT_MS 60000u

/* --- damage
 * ----------------------------------------------------------------------- */

kist_status
ki_bad_record(const ki_gen *gen, uint64_t offset)
{
    const uint64_t size = ki_word_load(&gen->idx, KI_W_LOG_SIZE);

    if (size > gen->log.limit && offset < size) {
        return KI_AGAIN;
    }
    return KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, offset, "record");
}

kist_status
ki_bad_index(const ki_gen *gen, uint64_t address)
{
    if (ki_word_load(&gen->idx, KI_W_SIZE) > gen->idx.limit) {
        return KI_AGAIN;
    }
    if (ki_mapping_is_cut(&gen->log.map)) {
        return KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, KI_NO_OFFSET,
                       "the file was cut short while open");
    }
    return ki_bad_index_of(&gen->idx, address);
}

kist_status
ki_bad_index_of(const ki_idx *idx, uint64_t address)
{
    return KI_FAIL(KIST_ERR_CORRUPT, idx->path, address,
                   ki_mapping_is_cut(&idx->map)
                       ? "the file was cut short while open"
                       : "index word (kist verify rebuilds it)");
}

/* --- references
 * -------------------------------------------------------------------- */

void
ki_chest_hold(kist *k)
{
    atomic_fetch_add(&k->references, 1);
}

void
ki_chest_release(kist *k)
{
    if (atomic_fetch_sub(&k->references, 1) == 1) {
        (void)pthread_mutex_destroy(&k->mutex);
        ki_tx_fini(&k->writer.tx);
        ki_free(k->log_path);
        ki_free(k->index_path);
        ki_free(k);
    }
}

void
ki_chest_want(kist *k, uint64_t reserve)
{
    if (reserve > atomic_load(&k->reserve)) {
        atomic_store(&k->reserve, reserve);
    }
}

/* --- entering
 * ------------------------------------------------------------------------ */

/*
 * Who puts another index in this one's place may have died before it could
 * say that it had.  What cannot be told now is asked again at the next call.
 */
static bool
is_stale(const ki_gen *gen)
{
    const uint64_t stale = ki_word_load(&gen->idx, KI_W_STALE);
    bool replaced = false;

    return stale != 0 &&
           (stale != KI_STALE_SOON ||
            (ki_gen_is_replaced(gen, &replaced) == KIST_OK && replaced));
}

kist_status
ki_enter_slowly(kist *k, ki_gen **gen)
{
    ki_gen *now;
    kist_status status;

    if (ki_inflight_self == NULL) {
        status = ki_inflight_register();
        if (status != KIST_OK) {
            return status;
        }
    }
    for (;;) {
        now = atomic_load(&k->gen);
        if (now == NULL) {
            return KI_FAIL(KIST_ERR_CLOSED, k->log_path, KI_NO_OFFSET,
                           "handle");
        }
        if (k->forks != atomic_load(&ki_inflight_forks)) {
            return KI_FAIL(KIST_ERR_FORKED, k->log_path, KI_NO_OFFSET,
                           "opened before fork(): open it again");
        }
        ki_inflight_enter(now);
        if (atomic_load(&k->gen) != now) {
            ki_inflight_leave();
            continue;
        }
        if (is_stale(now) ||
            (!now->shared && ki_reclog_is_superseded(&now->log))) {
            ki_inflight_leave();
            status = ki_exchange(k, now);
            if (status != KIST_OK) {
                return status;
            }
            continue;
        }
        if (!now->shared) {
            status = ki_gen_follow(now);
            if (status != KIST_OK) {
                ki_inflight_leave();
                if (status == KI_AGAIN) {
                    status = ki_exchange(k, now);
                }
                if (status != KIST_OK) {
                    return status;
                }
                continue;
            }
        }
        *gen = now;
        return KIST_OK;
    }
}

/* Closes what was retired and is not looked at any more. */
static void
sweep(kist *k)
{
    ki_gen **at = &k->retired;

    while (*at != NULL) {
        ki_gen *gen = *at;

        if (atomic_load(&gen->pins) > 0 || ki_inflight_has_view(gen)) {
            at = &gen->next_retired;
        }
        else {
            *at = gen->next_retired;
            (void)ki_gen_close(gen, true);
        }
    }
}

static ki_place
place_of(const kist *k, const kist_options *options)
{
    ki_place place = {k->log_path, k->index_path, options,
                      atomic_load(&k->reserve)};

    return place;
}

kist_status
ki_exchange(kist *k, const ki_gen *gen)
{
    kist_options options = k->options;
    ki_place place = place_of(k, &options);
    ki_gen *now;
    ki_gen *next;
    kist_status status = KIST_OK;

    options.must_create = false;
    options.must_exist = true;
    (void)pthread_mutex_lock(&k->mutex);
    now = atomic_load(&k->gen);
    if (now == NULL || now != gen) {
        goto out;
    }
    if (atomic_load(&k->owner) != 0) {
        status = KI_FAIL(KIST_ERR_NOMEM, k->log_path, KI_NO_OFFSET,
                         "address space during a batch (map_reserve)");
        goto out;
    }
    if (options.exclusive) {
        // Our own lock would keep us out.  Nobody else can have waited for
        // it: whoever finds it taken is answered at once.
        ki_filelock_drop(now->log.fd, KI_LOCK_BYTE_USERS);
    }
    status = ki_gen_open(&place, &next);
    if (status != KIST_OK) {
        if (options.exclusive) {
            (void)!ki_filelock_take(now->log.fd, k->log_path,
                                    KI_LOCK_BYTE_USERS, KI_LOCK_EXCLUSIVE, 0);
        }
        goto out;
    }
    next->clean_shutdown = now->clean_shutdown;
    atomic_store(&k->gen, next);
    now->next_retired = k->retired;
    k->retired = now;
    sweep(k);

out:
    (void)pthread_mutex_unlock(&k->mutex);
    return status;
}

/* --- open and close
 * ------------------------------------------------------------------- */

static kist_status
check_options(const char *path, const kist_options *o)
{
    if (path == NULL || *path == '\0') {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "empty path");
    }
    if ((unsigned)o->durability > KIST_SYNC) {
        return KI_FAIL(KIST_ERR_INVALID, path, KI_NO_OFFSET, "durability");
    }
    if (!(o->compact_ratio >= 0 && o->compact_ratio <= 1)) {
        return KI_FAIL(KIST_ERR_INVALID, path, KI_NO_OFFSET,
                       "compact_ratio outside 0 .. 1");
    }
    if (o->must_create && (o->must_exist || o->read_only)) {
        return KI_FAIL(KIST_ERR_INVALID, path, KI_NO_OFFSET,
                       "must_create with must_exist or read_only");
    }
    return KIST_OK;
}

static kist_status
open_it(kist *k, const char *path, const kist_options *options)
{
    ki_place place;
    ki_gen *gen;
    kist_status status;

    if (options != NULL) {
        k->options = *options;
    }
    status = check_options(path, &k->options);
    if (status != KIST_OK) {
        return status;
    }
    if (k->options.lock_timeout_ms == 0) {
        k->options.lock_timeout_ms = LOCK_TIMEOUT_MS;
    }
    if (k->options.file_mode == 0) {
        k->options.file_mode = 0600;
    }
    atomic_init(&k->reserve, k->options.map_reserve != 0
                                 ? k->options.map_reserve
                                 : RESERVE_DEFAULT);
    status = ki_filepair_paths(path, &k->log_path, &k->index_path);
    if (status == KIST_OK && ki_inflight_self == NULL) {
        status = ki_inflight_register();
    }
    if (status != KIST_OK) {
        return status;
    }
    k->forks = atomic_load(&ki_inflight_forks);
    place = place_of(k, &k->options);
    status = ki_gen_open(&place, &gen);
    if (status != KIST_OK) {
        return status;
    }
    atomic_store(&k->gen, gen);
    if (k->options.durability == KIST_INTERVAL && gen->writable) {
        status = ki_syncer_start(k);
        if (status != KIST_OK) {
            atomic_store(&k->gen, NULL);
            (void)ki_gen_close(gen, false);
        }
    }
    return status;
}

kist_status
kist_open(const char *path, const kist_options *options, kist **out)
{
    kist *k = ki_calloc(1, sizeof(*k));
    kist_status status;

    *out = NULL;
    if (k == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, path, KI_NO_OFFSET, "handle");
    }
    (void)pthread_mutex_init(&k->mutex, NULL);
    atomic_init(&k->references, 1);
    status = open_it(k, path, options);
    if (status != KIST_OK) {
        ki_chest_release(k);
        return status;
    }
    *out = k;
    return KIST_OK;
}

kist_status
kist_close(kist *k)
{
    ki_gen *gen;
    kist_status status = KIST_OK;
    bool forked;

    if (k == NULL) {
        return KIST_OK;
    }
    forked = k->forks != atomic_load(&ki_inflight_forks);
    ki_syncer_stop(k);
    if (!forked) {
        ki_batch_forget(k);
        (void)pthread_mutex_lock(&k->mutex);
    }
    gen = atomic_exchange(&k->gen, NULL);
    if (gen != NULL) {
        if (!forked) {
            ki_inflight_drain(gen);
        }
        // Another thread's batch holds a lock in the map, which must stay
        // mapped until that thread ends: then the next writer mends it.
        if (forked || atomic_load(&k->owner) == 0) {
            status = ki_gen_close(gen, forked);
        }
    }
    while (k->retired != NULL && (forked || atomic_load(&k->owner) == 0)) {
        gen = k->retired;
        k->retired = gen->next_retired;
        if (!forked) {
            ki_inflight_drain(gen);
        }
        (void)ki_gen_close(gen, true);
    }
    if (!forked) {
        (void)pthread_mutex_unlock(&k->mutex);
    }
    ki_chest_release(k);
    return status;
}

const char *
kist_path(const kist *k)
{
    return k->log_path;
}
