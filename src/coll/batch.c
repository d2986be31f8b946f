#include "coll/batch.h"

#include <string.h>

#include "base/fail.h"
#include "coll/durable.h"
#include "coll/writer.h"

kist_status
ki_batch_refuse(kist *k)
{
    ki_gen *gen;
    const kist_status status = ki_enter(k, &gen);

    if (status != KIST_OK) {
        return status;
    }
    ki_leave();
    return ki_own_tx(k) == NULL
               ? KIST_OK
               : KI_FAIL(KIST_ERR_BUSY, k->log_path, KI_NO_OFFSET,
                         "this thread has a batch open");
}

kist_status
kist_batch_begin(kist *k)
{
    ki_writer *w;
    kist_status status;

    status = ki_batch_refuse(k);
    if (status != KIST_OK) {
        return status;
    }
    status = ki_write_begin(k, NULL, NULL, &w, NULL);
    if (status != KIST_OK) {
        return status;
    }
    // What begin may have written (a mark) is not part of the batch.
    if (w->tail != w->begun) {
        ki_write_step(w);
    }
    ki_tx_fini(&w->tx);
    ki_tx_init(&w->tx, &w->gen->idx, KI_TX_BATCH);
    w->batch = true;
    atomic_fetch_add(&w->gen->pins, 1);
    atomic_store(&k->owner, ki_inflight_self->thread);
    ki_leave();
    return KIST_OK;
}

static kist_status
not_in_batch(const kist *k)
{
    return KI_FAIL(KIST_ERR_INVALID, k->log_path, KI_NO_OFFSET,
                   "this thread has no batch open");
}

/* Undoes what there is, drops the lock. */
static void
end_batch(kist *k, bool undo)
{
    ki_writer *w = &k->writer;
    ki_gen *gen = w->gen;
    bool wiped;

    if (undo) {
        ki_tx_abort(&w->tx);
        w->tail = w->begun;
    }
    // Behind the tail there are zeros again before anybody else writes.
    ki_reclog_wipe(&gen->log, w->tail,
                   ki_word_load(&gen->idx, KI_W_WRITE_MARK), &wiped);
    ki_word_store(&gen->idx, KI_W_WRITE_MARK, w->tail);
    w->batch = false;
    atomic_store(&k->owner, 0);
    ki_write_unlock(w);
    atomic_fetch_sub(&gen->pins, 1);
}

static kist_status
commit(ki_writer *w)
{
    uint8_t begin[8];
    ki_record record;
    uint64_t offset;
    kist_status status;

    if (w->tail == w->begun) {
        return KIST_OK;
    }
    ki_store_le64(begin, w->begun);
    memset(&record, 0, sizeof(record));
    record.op = KI_OP_COMMIT;
    record.tag = KIST_BYTES;
    record.value = begin;
    record.vsize = sizeof(begin);
    status = ki_write_record(w, &record, NULL, true, &offset);
    if (status == KI_AGAIN) {
        status = KI_FAIL(KIST_ERR_NOMEM, w->gen->log.path, KI_NO_OFFSET,
                         "log address space (map_reserve)");
    }
    if (status == KIST_OK) {
        ki_tx_store(&w->tx, KI_W_TAIL, w->tail);
        status = ki_tx_commit(&w->tx);
    }
    return status;
}

kist_status
kist_batch_commit(kist *k)
{
    ki_writer *w = &k->writer;
    ki_gen *gen;
    uint64_t end;
    kist_status status;

    status = ki_enter(k, &gen);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_own_tx(k) == NULL) {
        ki_leave();
        return not_in_batch(k);
    }
    gen = w->gen;
    status = commit(w);
    end = w->tail;
    end_batch(k, status != KIST_OK);
    if (status == KIST_OK && k->options.durability == KIST_SYNC) {
        status = ki_durable_wait(gen, end);
    }
    ki_leave();
    return status;
}

kist_status
kist_batch_rollback(kist *k)
{
    ki_gen *gen;
    kist_status status;

    status = ki_enter(k, &gen);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_own_tx(k) == NULL) {
        ki_leave();
        return not_in_batch(k);
    }
    end_batch(k, true);
    ki_leave();
    return KIST_OK;
}

void
ki_batch_forget(kist *k)
{
    if (ki_own_tx(k) != NULL && atomic_load(&k->gen) != NULL) {
        end_batch(k, true);
    }
}
