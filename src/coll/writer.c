#include "coll/writer.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "codec/scalar.h"
#include "coll/coll.h"
#include "coll/compact.h"
#include "coll/durable.h"
#include "index/hashidx.h"
#include "os/file.h"

#define MARK_EVERY   (UINT64_C(64) << 10)
#define STACK_RECORD 4096u
#define WARM_MIN     (UINT64_C(64) << 10)
#define WARM_MAX     (UINT64_C(512) << 10)

/* --- the lock ---------------------------------------------------------------
 */

void
ki_write_mend(ki_gen *gen)
{
    static const uint8_t zeros[4096];
    const uint64_t size = ki_log_end(gen);
    uint64_t tail;
    uint64_t mark;
    uint64_t at;
    bool wiped;

    ki_tx_redo(&gen->idx);
    tail = ki_word_load(&gen->idx, KI_W_TAIL);
    mark = ki_word_load(&gen->idx, KI_W_WRITE_MARK);
    if (mark > ki_word_load(&gen->idx, KI_W_LOG_SIZE)) {
        mark = ki_word_load(&gen->idx, KI_W_LOG_SIZE);
    }
    if (tail < mark && tail < size) {
        ki_reclog_wipe(&gen->log, tail, mark < size ? mark : size, &wiped);
    }
    // The dead one may have mapped more than we have.
    for (at = tail > size ? tail : size; at < mark; at += sizeof(zeros)) {
        (void)!ki_file_write_at(gen->log.fd, gen->log.path, at, zeros,
                                mark - at < sizeof(zeros) ? (size_t)(mark - at)
                                                          : sizeof(zeros));
    }
    ki_word_store(&gen->idx, KI_W_WRITE_MARK, tail);
}

/*
 * The lock is ours, and the one who had it is dead.  Who compacts dies at
 * worst between the new log's taking its name and the mark that tells so.
 */
static kist_status
succeed_the_dead(ki_gen *gen)
{
    bool replaced;
    bool named = false;
    kist_status status = ki_gen_is_replaced(gen, &replaced);

    if (status == KIST_OK && replaced) {
        status = ki_file_sync_parent(gen->log.path);
    }
    if (status == KIST_OK && replaced) {
        status = ki_gen_is_named(gen, gen->log.path, &named);
    }
    if (status != KIST_OK) {
        ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
        return status;
    }
    if (replaced) {
        // Or it was but an index that verify has put in this one's place.
        if (!named) {
            ki_reclog_set_superseded(&gen->log);
        }
        ki_word_store(&gen->idx, KI_W_STALE, KI_STALE);
    }
    else {
        ki_write_mend(gen);
        ki_word_store(&gen->idx, KI_W_STALE, 0);
    }
    ki_word_store(&gen->idx, KI_W_ORPHANED, 0);
    return KIST_OK;
}

kist_status
ki_write_lock(ki_gen *gen, uint32_t timeout_ms)
{
    ki_shmlock *lock = ki_idx_lock(&gen->idx, KI_W_LOCK);

    switch (ki_shmlock_take(lock, timeout_ms)) {
    case KI_LOCK_TAKEN:
        return KI_LIKELY(ki_word_load(&gen->idx, KI_W_ORPHANED) == 0)
                   ? KIST_OK
                   : succeed_the_dead(gen);
    case KI_LOCK_OWNER_DIED:
        ki_word_store(&gen->idx, KI_W_ORPHANED, 1);
        ki_shmlock_mended(lock);
        return succeed_the_dead(gen);
    case KI_LOCK_TIMEOUT:
        return KI_FAIL(KIST_ERR_LOCKED, gen->log.path, KI_NO_OFFSET,
                       "another writer holds it");
    case KI_LOCK_BROKEN:
    default:
        return KI_FAIL(KIST_ERR_CORRUPT, gen->idx.path, KI_W_LOCK,
                       "index lock");
    }
}

void
ki_write_unlock(ki_writer *w)
{
    ki_gen *gen = w->gen;

    if (KI_UNLIKELY(w->tx.mode != KI_TX_REDO)) {
        ki_tx_fini(&w->tx);
    }
    w->gen = NULL;
    ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
}

/*
 * A clean index may be believed after a power cut, so the mark must be gone
 * from the disk before anything in the index changes.
 */
static kist_status
clear_clean_mark(ki_gen *gen)
{
    kist_status status;

    if (KI_LIKELY(ki_word_load(&gen->idx, KI_W_CLEAN) == 0)) {
        return KIST_OK;
    }
    // Who dies between the two stores leaves the sync to the next writer.
    ki_word_store(&gen->idx, KI_W_CLEAN, 2);
    KI_POINT("clean mark cleared");
    status =
        gen->idx.fd < 0 ? KIST_OK : ki_file_sync(gen->idx.fd, gen->idx.path);
    if (status == KIST_OK) {
        ki_word_store(&gen->idx, KI_W_CLEAN, 0);
    }
    return status;
}

/* Says in the log how much of it is synced, once that has grown enough. */
static void
mark_synced(ki_writer *w)
{
    const uint64_t synced = ki_word_load(&w->gen->idx, KI_W_SYNCED);
    uint8_t bytes[8];
    ki_record record;
    uint64_t offset;

    if (KI_LIKELY(synced <
                  ki_word_load(&w->gen->idx, KI_W_MARKED) + MARK_EVERY)) {
        return;
    }
    ki_store_le64(bytes, synced);
    memset(&record, 0, sizeof(record));
    record.op = KI_OP_MARK;
    record.tag = KIST_BYTES;
    record.value = bytes;
    record.vsize = sizeof(bytes);
    if (ki_write_record(w, &record, NULL, false, &offset) == KIST_OK) {
        ki_word_store(&w->gen->idx, KI_W_MARKED, synced);
    }
}

/* --- begin
 * ------------------------------------------------------------------- */

static bool
index_map_is_small(const ki_gen *gen)
{
    const uint64_t size = ki_word_load(&gen->idx, KI_W_SIZE);

    return gen->idx.fd >= 0 && size > gen->idx.limit / 4 * 3;
}

/*
 * The key's hash, and a request for its bucket, so that the cache miss and
 * the lock overlap.  Only a hint: nothing that is loaded here is believed.
 */
static void
hash_and_ask(const ki_gen *gen, ki_coll *c, ki_key *key)
{
    key->hash = ki_hash(key->data, key->size, gen->log.seed);
    if (atomic_load_explicit(&c->bound, memory_order_acquire) == gen->serial) {
        const uint64_t header =
            atomic_load_explicit(&c->header, memory_order_acquire);
        const uint64_t home = ki_hash_home(
            &gen->idx, NULL, ki_word_load(&gen->idx, header + KI_C_HASH),
            key->hash);

        if (home != 0) {
            __builtin_prefetch(gen->idx.base + home, 1);
        }
    }
}

/* The lock of the current generation; *gen is entered. */
static kist_status
lock_current(kist *k, ki_coll *c, ki_key *key, ki_gen **gen)
{
    bool asked = false;
    kist_status status;

    for (;;) {
        status = ki_enter(k, gen);
        if (status != KIST_OK) {
            return status;
        }
        if (!(*gen)->writable) {
            ki_leave();
            return KI_FAIL(KIST_ERR_READONLY, k->log_path, KI_NO_OFFSET,
                           "opened read-only");
        }
        if (KI_UNLIKELY(!asked && index_map_is_small(*gen))) {
            // Once: where address space is limited it may come out no larger.
            asked = true;
            ki_leave();
            status = ki_exchange(k, *gen);
            if (status != KIST_OK) {
                return status;
            }
            continue;
        }
        if (key != NULL) {
            hash_and_ask(*gen, c, key);
        }
        status = ki_write_lock(*gen, k->options.lock_timeout_ms);
        if (status != KIST_OK) {
            ki_leave();
            return status;
        }
        if (KI_LIKELY(ki_word_load(&(*gen)->idx, KI_W_STALE) == 0)) {
            return KIST_OK;
        }
        ki_shmlock_drop(ki_idx_lock(&(*gen)->idx, KI_W_LOCK));
        ki_leave();
    }
}

kist_status
ki_write_begin(kist *k, ki_coll *c, ki_key *key, ki_writer **w,
               uint64_t *header)
{
    ki_gen *gen;
    kist_status status;

    *w = &k->writer;
    if (ki_own_tx(k) != NULL) {
        status = ki_enter(k, &gen);
        if (key != NULL) {
            key->hash = ki_hash(key->data, key->size, k->writer.gen->log.seed);
        }
        k->writer.op_tail = k->writer.tail;
        ki_tx_settle(&k->writer.tx);
        if (status == KIST_OK && c != NULL) {
            status = ki_coll_bind(c, k->writer.gen, &k->writer.tx, header);
            if (status != KIST_OK) {
                ki_leave();
            }
        }
        return status;
    }
    // Here and not at the end of a write: no view that a call hands out may be
    // in a generation that the same call has replaced.
    if (KI_UNLIKELY(k->options.compact_ratio > 0 && c != NULL)) {
        ki_compact_when_due(k);
    }
    status = lock_current(k, c, key, &gen);
    if (status != KIST_OK) {
        return status;
    }
    // We have the lock, so whoever had a batch here has ended without ending
    // it: its thread is gone.
    if (KI_UNLIKELY(atomic_load_explicit(&k->owner, memory_order_relaxed) !=
                    0)) {
        atomic_store(&k->owner, 0);
    }
    k->writer.gen = gen;
    k->writer.batch = false;
    k->writer.durability = k->options.durability;
    k->writer.begun = ki_word_load(&gen->idx, KI_W_TAIL);
    k->writer.tail = k->writer.begun;
    // The transaction of the last write serves again: it is empty.
    if (KI_UNLIKELY(!ki_tx_is_for(&k->writer.tx, &gen->idx))) {
        ki_tx_fini(&k->writer.tx);
        ki_tx_init(&k->writer.tx, &gen->idx, KI_TX_REDO);
    }
    if (KI_UNLIKELY(ki_word_load(&gen->idx, KI_W_POISONED) != 0)) {
        status = KI_FAIL(KIST_ERR_POISONED, gen->log.path, KI_NO_OFFSET,
                         "a sync failed: close everywhere and reopen");
    }
    if (status == KIST_OK) {
        status = clear_clean_mark(gen);
    }
    if (status == KIST_OK && c != NULL) {
        status = ki_coll_bind(c, gen, NULL, header);
    }
    if (status != KIST_OK) {
        ki_write_unlock(&k->writer);
        ki_leave();
        return status;
    }
    mark_synced(&k->writer);
    return KIST_OK;
}

/* --- records
 * ------------------------------------------------------------------ */

/* Room for the log up to `end`, and the spare behind it if `spare` is not to
 * be used up. */
static kist_status
log_room(ki_writer *w, uint64_t end, bool spare)
{
    ki_gen *gen = w->gen;
    const uint64_t size = ki_word_load(&gen->idx, KI_W_LOG_SIZE);
    uint64_t size_new;
    kist_status status;

    if (KI_LIKELY(end + KI_LOG_SPARE <= size && end <= gen->log.limit)) {
        return KIST_OK;
    }
    if (end + KI_LOG_SPARE > gen->log.limit || size > gen->log.limit) {
        return KI_AGAIN;
    }
    status = ki_reclog_grow(&gen->log, size, end + KI_LOG_SPARE, &size_new);
    if (status == KIST_OK) {
        ki_word_store(&gen->idx, KI_W_LOG_SIZE, size_new);
        return KIST_OK;
    }
    return spare && end <= size ? KIST_OK : status;
}

/*
 * The record from the tail to `end` reaches beyond the pages that are ready
 * for stores: readies as much as this handle has written, up to a limit that
 * keeps the pause short.  Who writes little leaves it to faults.
 */
static void
warm_log(const ki_writer *w, uint64_t end)
{
    ki_gen *gen = w->gen;
    const uint64_t size = ki_word_load(&gen->idx, KI_W_LOG_SIZE);
    uint64_t step;

    if (!gen->shared) {
        // Where maps are not to be trusted, nor are they beside writes.
        gen->warm_end = UINT64_MAX;
        return;
    }
    if (gen->warm_end == 0) {
        gen->warm_begin = w->tail;
        gen->warm_end = end + WARM_MIN;
        return;
    }
    step = w->tail - gen->warm_begin;
    step = step < WARM_MIN ? WARM_MIN : step > WARM_MAX ? WARM_MAX : step;
    gen->warm_end = (end + step) & ~(WARM_MIN - 1);
    gen->warm_end = gen->warm_end < size ? gen->warm_end : size;
    // What the tail's page has before it must stay.
    ki_file_warm(gen->log.fd, (w->tail + 4095) & ~UINT64_C(4095),
                 gen->warm_end);
    if (gen->warm_end < end) {
        gen->warm_end = end;
    }
}

static void
encode(uint8_t *to, const ki_record *record, const kist_value *value,
       uint64_t span, uint32_t seed)
{
    uint8_t *at = ki_record_begin(to, record);

    if (value != NULL) {
        ki_value_payload_store(at, value);
    }
    else if (record->vsize > 0) {
        memcpy(at, record->value, record->vsize);
    }
    ki_record_finish(to, span, seed);
}

/*
 * At level `sync` the record goes through pwrite: a store through the map
 * would make fdatasync write the whole folio, up to 2 MiB (docs/design.md).
 */
static kist_status
write_through(ki_gen *gen, const ki_record *record, const kist_value *value,
              uint64_t offset, uint64_t span, uint32_t seed)
{
    _Alignas(8) uint8_t small[STACK_RECORD];
    uint8_t *bytes = small;
    kist_status status;

    if (span > sizeof(small)) {
        bytes = ki_calloc(1, (size_t)span);
        if (bytes == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, gen->log.path, offset, "record");
        }
    }
    encode(bytes, record, value, span, seed);
    status = ki_file_write_at(gen->log.fd, gen->log.path, offset, bytes,
                              (size_t)span);
    if (bytes != small) {
        ki_free(bytes);
    }
    return status;
}

kist_status
ki_write_record(ki_writer *w, ki_record *record, const kist_value *value,
                bool spare, uint64_t *offset)
{
    ki_gen *gen = w->gen;
    const uint32_t seed = ki_record_seed(gen->log.salt, w->tail);
    uint64_t span;
    kist_status status;

    if (value != NULL) {
        record->tag = (uint8_t)value->type;
        record->vsize = (uint32_t)ki_value_payload_size(value);
    }
    record->more = w->batch && record->op != KI_OP_COMMIT;
    span = ki_record_span(record->ksize, record->vsize);
    if (span > KI_RECORD_SIZE_MAX) {
        return KI_FAIL(KIST_ERR_TOOBIG, gen->log.path, KI_NO_OFFSET, "record");
    }
    status = log_room(w, w->tail + span, spare);
    if (status != KIST_OK) {
        if (status == KI_AGAIN) {
            w->wanted = (w->tail + span) * 2;
        }
        return status;
    }
    if (KI_LIKELY(!w->batch) ||
        ki_word_load(&gen->idx, KI_W_WRITE_MARK) < w->tail + span) {
        ki_word_store(&gen->idx, KI_W_WRITE_MARK, w->tail + span);
    }
    KI_POINT("write mark");
    if (KI_UNLIKELY(w->durability == KIST_SYNC)) {
        status = write_through(gen, record, value, w->tail, span, seed);
        if (status != KIST_OK) {
            return status;
        }
    }
    else {
        if (KI_UNLIKELY(w->tail + span > gen->warm_end)) {
            warm_log(w, w->tail + span);
        }
        encode(ki_reclog_writable(&gen->log, w->tail), record, value, span,
               seed);
    }
    KI_POINT("record written");
    record->span = (uint32_t)span;
    *offset = w->tail;
    w->tail += span;
    return KIST_OK;
}

void
ki_write_step(ki_writer *w)
{
    if (!w->batch) {
        ki_tx_store(&w->tx, KI_W_TAIL, w->tail);
        // A REDO commit cannot fail.
        (void)!ki_tx_commit(&w->tx);
        w->begun = w->tail;
    }
}

/* --- end
 * ---------------------------------------------------------------------- */

static void
undo(ki_writer *w)
{
    bool wiped;

    ki_tx_abort(&w->tx);
    ki_reclog_wipe(&w->gen->log, w->begun,
                   ki_word_load(&w->gen->idx, KI_W_WRITE_MARK), &wiped);
    ki_word_store(&w->gen->idx, KI_W_WRITE_MARK, w->begun);
    w->tail = w->begun;
}

void
ki_write_retire(ki_writer *w)
{
    ki_gen *gen = w->gen;

    ki_tx_abort(&w->tx);
    w->gen = NULL;
    ki_word_store(&gen->idx, KI_W_STALE, KI_STALE);
    ki_shmlock_drop(ki_idx_lock(&gen->idx, KI_W_LOCK));
}

/* A new generation with at least `wanted` bytes of log mapped: KI_AGAIN. */
static kist_status
exchange_for(kist *k, const ki_gen *gen, uint64_t before, uint64_t wanted)
{
    ki_gen *now;
    kist_status status;

    ki_chest_want(k, wanted);
    status = ki_exchange(k, gen);
    if (status == KIST_OK) {
        status = ki_enter(k, &now);
    }
    if (status != KIST_OK) {
        return status;
    }
    status = now->log.limit > before
                 ? KI_AGAIN
                 : KI_FAIL(KIST_ERR_NOMEM, k->log_path, KI_NO_OFFSET,
                           "log address space");
    ki_leave();
    return status;
}

kist_status
ki_write_end(kist *k, ki_writer *w, kist_status status)
{
    ki_gen *gen = w->gen;
    const uint64_t wanted = w->wanted;
    const uint64_t limit = gen->log.limit;
    uint64_t end;
    bool wrote;

    if (w->batch) {
        if (status == KIST_OK) {
            status = w->tx.failed;
        }
        if (status != KIST_OK) {
            // This call has not happened; the batch goes on without it.
            ki_tx_rewind(&w->tx);
            w->tail = w->op_tail;
        }
        ki_leave();
        return status != KI_AGAIN
                   ? status
                   : KI_FAIL(KIST_ERR_NOMEM, gen->log.path, KI_NO_OFFSET,
                             "log address space (map_reserve)");
    }
    if (status == KIST_OK) {
        ki_write_step(w);
    }
    else {
        undo(w);
    }
    end = w->begun;
    wrote = w->durability == KIST_SYNC &&
            end > ki_word_load(&gen->idx, KI_W_SYNCED);
    ki_write_unlock(w);
    if (KI_UNLIKELY(wrote)) {
        const kist_status durable = ki_durable_wait(gen, end);

        status = status == KIST_OK ? durable : status;
    }
    ki_leave();
    return KI_LIKELY(status != KI_AGAIN) ? status
                                         : exchange_for(k, gen, limit, wanted);
}
