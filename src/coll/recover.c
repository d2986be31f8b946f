#include "coll/recover.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "coll/rehash.h"
#include "coll/seq.h"
#include "index/hashidx.h"
#include "index/slots.h"

typedef struct ki_replay {
    ki_gen *gen;
    ki_tx tx;
    ki_hashes *hashes; /* by collection; NULL: hashes are kept up at once */
    uint64_t marked;
    uint64_t records;
    uint64_t last; /* offset of the last record applied */
    // The collection of the last record: most records come in runs.
    uint32_t id;
    uint64_t header;
    kist_kind kind;
} ki_replay;

static kist_status
misfit(const ki_replay *r, uint64_t offset, const char *what)
{
    return KI_FAIL(KIST_ERR_CORRUPT, r->gen->log.path, offset, what);
}

static void
forget_collection(ki_replay *r)
{
    r->id = UINT32_MAX;
}

/* Where the record's collection is. */
static kist_status
find_collection(ki_replay *r, uint32_t id, uint64_t offset)
{
    if (r->id == id) {
        return KIST_OK;
    }
    r->header = ki_coll_header(r->gen, &r->tx, id);
    if (r->header == 0) {
        return misfit(r, offset, "record of an unknown collection");
    }
    r->kind = id == KI_CATALOG_ID
                  ? KIST_KIND_DICT
                  : ki_about_kind(ki_tx_load(&r->tx, r->header + KI_C_ABOUT));
    r->id = id;
    return KIST_OK;
}

/* --- dict and set
 * ------------------------------------------------------------------- */

/* The record that the slot holds now. */
static kist_status
in_slot(ki_replay *r, uint64_t slot, uint64_t offset, ki_found *old)
{
    old->slot_at =
        ki_slots_at(&r->gen->idx, &r->tx, r->header + KI_C_TABLE, slot);
    old->offset = old->slot_at == 0 ? 0 : ki_tx_load(&r->tx, old->slot_at);
    if (slot >= ki_tx_load(&r->tx, r->header + KI_C_SLOTS) ||
        old->offset <= KI_SLOT_HOLE || old->offset >= offset) {
        return misfit(r, offset, "record names a slot that is empty");
    }
    old->record.span =
        ki_record_claim(r->gen->log.base + old->offset, offset - old->offset);
    old->record.slot = slot;
    return old->record.span != 0
               ? KIST_OK
               : misfit(r, old->offset, "record changed while read");
}

/* Its entry in the hash, when hashes are kept up at once. */
static kist_status
entry_of(ki_replay *r, ki_found *old)
{
    const ki_gen *gen = r->gen;
    ki_record record;
    ki_probe probe;
    uint64_t hash;

    if (!ki_reclog_load(&gen->log, old->offset, ki_log_end(gen), &record)) {
        return misfit(r, old->offset, "record");
    }
    hash = ki_hash(record.key, record.ksize, gen->log.seed);
    ki_probe_begin(&probe, &gen->idx, &r->tx,
                   ki_tx_load(&r->tx, r->header + KI_C_HASH), hash);
    while (ki_probe_next(&probe, &old->word, &old->address)) {
        if (ki_hash_offset(old->word) == old->offset) {
            return KIST_OK;
        }
    }
    return ki_bad_index(gen, r->header + KI_C_HASH);
}

/* BYTES and WRITES after a record, in an index that nobody sees yet. */
static void
account_directly(ki_replay *r, uint64_t bytes, bool resized)
{
    const ki_idx *idx = &r->gen->idx;
    const uint64_t writes = ki_word_load(idx, r->header + KI_C_WRITES);

    ki_word_store(idx, r->header + KI_C_BYTES, bytes);
    ki_word_store(idx, r->header + KI_C_WRITES,
                  ki_writes_next(writes, resized));
}

/*
 * While all is read from the beginning nothing is pending and hashes wait, so
 * a new key costs a slot and its hash.
 */
static kist_status
replay_new_directly(ki_replay *r, uint64_t offset, uint64_t hash,
                    const ki_record *record)
{
    const ki_idx *idx = &r->gen->idx;
    uint64_t at;
    kist_status status;

    status = ki_slots_room(&r->tx, r->header + KI_C_TABLE, record->slot, &at);
    if (status == KIST_OK) {
        status = ki_hashes_set(r->hashes, r->id, record->slot, hash);
    }
    if (status == KIST_OK) {
        ki_word_store(idx, at, offset);
        ki_word_store(idx, r->header + KI_C_SLOTS, record->slot + 1);
        ki_word_store(idx, r->header + KI_C_COUNT,
                      ki_word_load(idx, r->header + KI_C_COUNT) + 1);
        account_directly(
            r, ki_word_load(idx, r->header + KI_C_BYTES) + record->span, true);
    }
    return status;
}

static kist_status
replay_new(ki_replay *r, uint64_t offset, const ki_record *record)
{
    const uint64_t hash =
        ki_hash(record->key, record->ksize, r->gen->log.seed);
    ki_vacancy vacancy;
    kist_status status;

    if (r->hashes != NULL) {
        return replay_new_directly(r, offset, hash, record);
    }
    status = ki_keyed_room(r->gen, &r->tx, r->header, hash, offset, &vacancy);
    if (status == KIST_OK) {
        ki_keyed_insert(&r->tx, r->header, &vacancy, offset, record->span);
    }
    return status;
}

static kist_status
replay_old(ki_replay *r, uint64_t offset, const ki_record *record)
{
    ki_found old;
    kist_status status = in_slot(r, record->slot, offset, &old);

    if (status == KIST_OK && r->hashes == NULL) {
        status = entry_of(r, &old);
        if (status == KIST_OK) {
            ki_keyed_replace(&r->tx, r->header, &old, offset, record->span);
        }
    }
    else if (status == KIST_OK) {
        ki_word_store(&r->gen->idx, old.slot_at, offset);
        account_directly(r,
                         ki_word_load(&r->gen->idx, r->header + KI_C_BYTES) +
                             record->span - old.record.span,
                         false);
    }
    return status;
}

static kist_status
replay_delete(ki_replay *r, uint64_t offset, const ki_record *record)
{
    ki_found old;
    kist_status status = in_slot(r, record->slot, offset, &old);

    if (status == KIST_OK && r->hashes == NULL) {
        status = entry_of(r, &old);
        if (status == KIST_OK) {
            ki_keyed_delete(&r->tx, r->header, &old);
        }
    }
    else if (status == KIST_OK) {
        ki_keyed_vacate(&r->tx, r->header, record->slot, old.slot_at);
        ki_account(&r->tx, r->header,
                   ki_tx_load(&r->tx, r->header + KI_C_BYTES) -
                       old.record.span,
                   true);
    }
    return status;
}

static kist_status
replay_keyed(ki_replay *r, uint64_t offset, const ki_record *record)
{
    const uint64_t slots = ki_tx_load(&r->tx, r->header + KI_C_SLOTS);

    switch (record->op) {
    case KI_OP_PUT:
        if (record->slot > slots) {
            return misfit(r, offset, "record skips a slot");
        }
        return record->slot == slots ? replay_new(r, offset, record)
                                     : replay_old(r, offset, record);
    case KI_OP_DELETE:
        return replay_delete(r, offset, record);
    case KI_OP_CLEAR:
        ki_keyed_clear(&r->tx, r->header);
        ki_account(&r->tx, r->header, 0, true);
        return KIST_OK;
    default:
        return misfit(r, offset, "record of an unknown operation");
    }
}

/* --- the catalog
 * ----------------------------------------------------------------------- */

static kist_status
replay_catalog(ki_replay *r, uint64_t offset, const ki_record *record)
{
    kist_kind kind = KIST_KIND_DICT;
    kist_type type = KIST_ANY;
    uint64_t header = 0;
    uint64_t table_at = 0;
    kist_status status = KIST_OK;

    if (record->op == KI_OP_COMMIT) {
        return KIST_OK;
    }
    if (record->op == KI_OP_MARK) {
        if (record->vsize == 8 && ki_load_le64(record->value) > r->marked) {
            r->marked = ki_load_le64(record->value);
        }
        return KIST_OK;
    }
    if (record->op == KI_OP_PUT) {
        if (record->slot != ki_tx_load(&r->tx, r->header + KI_C_SLOTS) ||
            record->slot >= KI_COLL_MAX ||
            !ki_descriptor_load(record, &kind, &type)) {
            return misfit(r, offset, "collection descriptor");
        }
        status = ki_slots_room(&r->tx, KI_W_COLLS, record->slot, &table_at);
        if (status == KIST_OK) {
            status = ki_tx_alloc(&r->tx, KI_CLASS_MIN, &header);
        }
    }
    else if (record->op == KI_OP_DELETE) {
        header = ki_coll_header(r->gen, &r->tx, (uint32_t)record->slot + 1);
        table_at = ki_slots_at(&r->gen->idx, &r->tx, KI_W_COLLS, record->slot);
        if (header == 0) {
            return misfit(r, offset, "no such collection to drop");
        }
    }
    if (status == KIST_OK) {
        status = replay_keyed(r, offset, record);
    }
    if (status != KIST_OK) {
        return status;
    }
    if (record->op == KI_OP_PUT) {
        ki_coll_birth(&r->tx, header, table_at, (uint32_t)record->slot + 1,
                      kind, type, offset);
    }
    else if (record->op == KI_OP_DELETE) {
        ki_coll_death(&r->tx, header, table_at);
        forget_collection(r);
    }
    return KIST_OK;
}

/* --- records and batches
 * ----------------------------------------------------------------- */

static kist_status
replay_one(ki_replay *r, uint64_t offset, const ki_record *record)
{
    kist_status status = find_collection(r, record->coll, offset);

    if (status == KIST_OK) {
        if (record->coll == KI_CATALOG_ID) {
            status = replay_catalog(r, offset, record);
        }
        else if (r->kind == KIST_KIND_LIST) {
            status = ki_seq_apply(r->gen, &r->tx, r->header, offset, record);
        }
        else {
            status = replay_keyed(r, offset, record);
        }
    }
    if (status != KIST_OK) {
        ki_tx_abort(&r->tx);
        return status;
    }
    if (r->tx.mode == KI_TX_REDO) {
        ki_tx_store(&r->tx, KI_W_TAIL, offset + record->span);
    }
    r->records++;
    r->last = offset;
    return r->tx.mode == KI_TX_DIRECT && r->tx.freed_count == 0
               ? KIST_OK
               : ki_tx_commit(&r->tx);
}

/* Where the batch that begins at `offset` ends, or 0 if it does not. */
static uint64_t
batch_end(const ki_gen *gen, uint64_t offset, uint64_t size)
{
    ki_record record;

    do {
        if (!ki_reclog_load(&gen->log, offset, size, &record)) {
            return 0;
        }
        offset += record.span;
    } while (record.more);
    return offset;
}

/* Replays from *offset on; *offset becomes the end of what is whole. */
static kist_status
replay_run(ki_replay *r, uint64_t *offset, uint64_t size)
{
    uint64_t whole = 0; /* a batch known to be whole ends there */
    ki_record record;
    kist_status status;

    while (ki_reclog_load(&r->gen->log, *offset, size, &record)) {
        __builtin_prefetch(r->gen->log.base + *offset + 1024);
        if (record.more && *offset >= whole) {
            whole = batch_end(r->gen, *offset, size);
            if (whole == 0) {
                return KIST_OK;
            }
        }
        status = replay_one(r, *offset, &record);
        if (status != KIST_OK) {
            return status;
        }
        *offset += record.span;
    }
    return KIST_OK;
}

static void
replay_begin(ki_replay *r, ki_gen *gen, ki_tx_mode mode)
{
    memset(r, 0, sizeof(*r));
    r->gen = gen;
    forget_collection(r);
    ki_tx_init(&r->tx, &gen->idx, mode);
}

/* --- torn or damaged
 * ----------------------------------------------------------------------- */

/*
 * Records end at `end`.  If anything behind was once synced, what stands at
 * `end` is damage.  Else it is a tail that was not finished: how long is it?
 */
static kist_status
judge_tail(const ki_gen *gen, uint64_t end, uint64_t size, uint64_t synced,
           uint64_t *torn)
{
    const uint64_t closed = ki_reclog_closed_end(&gen->log);
    uint64_t last = size;
    uint64_t at = end;
    ki_record record;

    if (end < synced || end < closed) {
        return KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, end,
                       "a record that was synced is damaged (kist repair)");
    }
    while (last >= end + 8 && ki_load_le64(gen->log.base + last - 8) == 0) {
        last -= 8;
    }
    *torn = last - end;
    for (;;) {
        at = ki_reclog_resync(&gen->log, at, last, &record);
        if (at >= last) {
            return KIST_OK;
        }
        if (record.op == KI_OP_MARK && record.vsize == 8 &&
            ki_load_le64(record.value) > end) {
            return KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, end,
                           "a record that was synced is damaged "
                           "(kist repair)");
        }
        at += record.span;
    }
}

kist_status
ki_recover_all(ki_gen *gen, uint64_t size, uint64_t synced,
               ki_recovery *recovery)
{
    ki_replay r;
    kist_status status;

    memset(recovery, 0, sizeof(*recovery));
    size = size < gen->log.limit ? size & ~UINT64_C(7) : gen->log.limit;
    ki_word_store(&gen->idx, KI_W_LOG_SIZE, size);
    ki_word_store(&gen->idx, KI_CATALOG_HEADER + KI_C_SERIAL,
                  KI_CATALOG_SERIAL);
    ki_word_store(&gen->idx, KI_CATALOG_HEADER + KI_C_ABOUT,
                  ki_about(KI_CATALOG_ID, KIST_KIND_DICT, KIST_BYTES));
    replay_begin(&r, gen, KI_TX_DIRECT);
    recovery->end = KI_LOG_BEGIN;
    status = ki_hashes_new(&r.hashes);
    if (status == KIST_OK) {
        status = replay_run(&r, &recovery->end, size);
    }
    if (status == KIST_OK) {
        recovery->marked = r.marked;
        recovery->records = r.records;
        status =
            judge_tail(gen, recovery->end, size,
                       synced > r.marked ? synced : r.marked, &recovery->torn);
    }
    if (status == KIST_OK) {
        status = ki_hashes_fill(r.hashes, gen, &r.tx);
    }
    ki_word_store(&gen->idx, KI_W_TAIL, recovery->end);
    ki_word_store(&gen->idx, KI_W_WRITE_MARK, recovery->end);
    ki_word_store(&gen->idx, KI_W_MARKED, r.marked);
    ki_hashes_free(r.hashes);
    ki_tx_fini(&r.tx);
    return status;
}

kist_status
ki_recover_more(ki_gen *gen, uint64_t size, uint64_t *last)
{
    uint64_t offset = ki_word_load(&gen->idx, KI_W_TAIL);
    ki_replay r;
    kist_status status;

    size = size < gen->log.limit ? size & ~UINT64_C(7) : gen->log.limit;
    ki_word_store(&gen->idx, KI_W_LOG_SIZE, size);
    replay_begin(&r, gen, KI_TX_REDO);
    status = replay_run(&r, &offset, size);
    if (r.last != 0) {
        *last = r.last;
    }
    ki_tx_fini(&r.tx);
    return status;
}
