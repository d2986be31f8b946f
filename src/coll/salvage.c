#include "coll/salvage.h"
#include "coll/lookup.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fail.h"
#include "base/hash.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "coll/seq.h"
#include "index/hashidx.h"
#include "index/slots.h"

/* Made records begin at a multiple of the largest page size there is. */
#define PAGE_MAX     (UINT64_C(64) << 10)
#define MADE_SIZE    64u /* at most, a made record */
#define RECORD_LEAST 24u

typedef struct salvage {
    ki_gen *gen;
    ki_tx tx;
    uint64_t slot_max; /* more than records of that many bytes can have used */
    uint64_t made;     /* where the next made record goes; 0: none is yet */
    uint64_t made_begin;
    uint64_t made_end;
} salvage;

static uint64_t
header_word(const salvage *s, uint64_t header, uint64_t what)
{
    return ki_word_load(&s->gen->idx, header + what);
}

/* --- slots ------------------------------------------------------------------
 */

static kist_status
find_key(const salvage *s, uint64_t header, const ki_record *record,
         ki_key *key, ki_found *found)
{
    key->data = record->key;
    key->size = record->ksize;
    key->hash = ki_hash(record->key, record->ksize, s->gen->log.seed);
    return ki_keyed_find(s->gen, NULL, header, key, true, found);
}

/* What stands in the slot goes, if anything does. */
static kist_status
evict(salvage *s, uint64_t header, uint64_t slot)
{
    ki_record record;
    ki_found found;
    ki_key key;
    uint64_t offset;
    kist_status status;

    if (slot >= header_word(s, header, KI_C_SLOTS)) {
        return KIST_OK;
    }
    status = ki_keyed_in_slot(s->gen, NULL, header, slot, &offset, &record);
    if (status == KIST_ERR_NOTFOUND) {
        return KIST_OK;
    }
    if (status == KIST_OK) {
        status = find_key(s, header, &record, &key, &found);
    }
    if (status == KIST_OK) {
        status = ki_keyed_slot(&s->tx, header, &found);
    }
    if (status == KIST_OK) {
        ki_keyed_delete(&s->tx, header, &found);
    }
    return status == KIST_OK ? ki_tx_commit(&s->tx) : status;
}

/* Slots from SLOTS up to `slot` become holes. */
static kist_status
make_holes(salvage *s, uint64_t header, uint64_t slot)
{
    uint64_t slots = header_word(s, header, KI_C_SLOTS);
    uint64_t at;
    kist_status status = KIST_OK;

    for (; status == KIST_OK && slots < slot; slots++) {
        status = ki_slots_room(&s->tx, header + KI_C_TABLE, slots, &at);
        if (status != KIST_OK) {
            break;
        }
        ki_tx_store(&s->tx, at, KI_SLOT_HOLE);
        ki_tx_store(&s->tx, header + KI_C_SLOTS, slots + 1);
        status = ki_tx_commit(&s->tx);
        if (status == KIST_OK && header == KI_CATALOG_HEADER) {
            status = ki_slots_room(&s->tx, KI_W_COLLS, slots, &at);
            if (status == KIST_OK) {
                ki_word_store(&s->gen->idx, at, KI_SLOT_HOLE);
            }
        }
    }
    return status;
}

/* The record goes to its slot, which holds nothing; lists and commits. */
static kist_status
place(salvage *s, uint64_t header, uint64_t hash, uint64_t offset,
      const ki_record *record)
{
    ki_tx *tx = &s->tx;
    ki_vacancy vacancy;
    kist_status status;

    status = make_holes(s, header, record->slot);
    if (status != KIST_OK) {
        return status;
    }
    if (record->slot == header_word(s, header, KI_C_SLOTS)) {
        status = ki_keyed_room(s->gen, tx, header, hash, offset, &vacancy);
        if (status == KIST_OK) {
            ki_keyed_insert(tx, header, &vacancy, offset, record->span);
            status = ki_tx_commit(tx);
        }
        return status;
    }
    status =
        ki_hash_room(tx, header + KI_C_HASH, hash, offset, ki_keyed_rehash,
                     s->gen, &vacancy.entry_at, &vacancy.entry);
    vacancy.slot_at =
        ki_slots_at(&s->gen->idx, NULL, header + KI_C_TABLE, record->slot);
    if (status != KIST_OK || vacancy.slot_at == 0) {
        return status != KIST_OK ? status : ki_bad_index(s->gen, header);
    }
    ki_tx_store(tx, vacancy.slot_at, offset);
    ki_tx_store(tx, vacancy.entry_at, vacancy.entry);
    ki_tx_add(tx, header + KI_C_COUNT, 1);
    if (record->slot < header_word(s, header, KI_C_FIRST)) {
        ki_tx_store(tx, header + KI_C_FIRST, record->slot);
    }
    ki_account(tx, header, header_word(s, header, KI_C_BYTES) + record->span,
               true);
    return ki_tx_commit(tx);
}

static kist_status
put(salvage *s, uint64_t header, uint64_t offset, const ki_record *record)
{
    ki_found old;
    ki_key key;
    kist_status status;

    if (record->slot > s->slot_max) {
        return KIST_OK;
    }
    status = find_key(s, header, record, &key, &old);
    if (status == KIST_OK) {
        status = ki_keyed_slot(&s->tx, header, &old);
        if (status != KIST_OK) {
            return status;
        }
        if (old.record.slot == record->slot) {
            ki_keyed_replace(&s->tx, header, &old, offset, record->span);
            return ki_tx_commit(&s->tx);
        }
        ki_keyed_delete(&s->tx, header, &old);
        status = ki_tx_commit(&s->tx);
    }
    if (status == KIST_OK || status == KIST_ERR_NOTFOUND) {
        status = evict(s, header, record->slot);
    }
    return status == KIST_OK ? place(s, header, key.hash, offset, record)
                             : status;
}

static kist_status
keyed(salvage *s, uint64_t header, uint64_t offset, const ki_record *record)
{
    switch (record->op) {
    case KI_OP_PUT:
        return put(s, header, offset, record);
    case KI_OP_DELETE:
        return evict(s, header, record->slot);
    case KI_OP_CLEAR:
        ki_keyed_clear(&s->tx, header);
        ki_account(&s->tx, header, 0, true);
        return ki_tx_commit(&s->tx);
    default:
        return KIST_OK;
    }
}

/* --- lists
 * -------------------------------------------------------------------- */

static kist_status
list(salvage *s, uint64_t header, uint64_t offset, const ki_record *record)
{
    const uint64_t total = ki_seq_count(&s->gen->idx, NULL, header);
    ki_record fitted = *record;
    uint8_t bytes[8];
    uint64_t count;
    kist_status status;

    switch (record->op) {
    case KI_OP_APPEND:
        fitted.slot = total;
        break;
    case KI_OP_SET:
    case KI_OP_INSERT:
        if (record->slot >= total) {
            fitted.op = KI_OP_APPEND;
            fitted.slot = total;
        }
        break;
    case KI_OP_REMOVE:
        count = record->vsize == 8 ? ki_load_le64(record->value) : 1;
        if (record->slot >= total || count == 0) {
            return KIST_OK;
        }
        count = count < total - record->slot ? count : total - record->slot;
        ki_store_le64(bytes, count);
        fitted.value = bytes;
        fitted.vsize = sizeof(bytes);
        break;
    case KI_OP_CLEAR:
    case KI_OP_REVERSE:
    case KI_OP_PERMUTE:
        break;
    default:
        return KIST_OK;
    }
    status = ki_seq_apply(s->gen, &s->tx, header, offset, &fitted);
    return status == KIST_OK ? ki_tx_commit(&s->tx) : status;
}

/* --- the catalog
 * ---------------------------------------------------------------- */

/* Collection `slot` + 1 goes with all it holds, if it is there. */
static kist_status
drop(salvage *s, uint64_t slot)
{
    uint64_t header;
    kist_status status;

    if (slot >= header_word(s, KI_CATALOG_HEADER, KI_C_SLOTS)) {
        return KIST_OK;
    }
    header = ki_coll_header(s->gen, NULL, (uint32_t)slot + 1);
    if (header != 0) {
        ki_coll_death(&s->tx, header,
                      ki_slots_at(&s->gen->idx, NULL, KI_W_COLLS, slot));
        status = ki_tx_commit(&s->tx);
        if (status != KIST_OK) {
            return status;
        }
    }
    return evict(s, KI_CATALOG_HEADER, slot);
}

static kist_status
create(salvage *s, uint64_t offset, const ki_record *record)
{
    const uint64_t slot = record->slot;
    kist_kind kind;
    kist_type type;
    ki_found old;
    ki_key key;
    uint64_t table_at;
    uint64_t header;
    kist_status status;

    if (slot > s->slot_max || slot >= KI_COLL_MAX ||
        !ki_descriptor_load(record, &kind, &type)) {
        return KIST_OK;
    }
    status = find_key(s, KI_CATALOG_HEADER, record, &key, &old);
    if (status == KIST_OK) {
        status = drop(s, old.record.slot);
    }
    if (status == KIST_OK || status == KIST_ERR_NOTFOUND) {
        status = drop(s, slot);
    }
    if (status == KIST_OK) {
        status = place(s, KI_CATALOG_HEADER, key.hash, offset, record);
    }
    if (status == KIST_OK) {
        status = ki_slots_room(&s->tx, KI_W_COLLS, slot, &table_at);
    }
    if (status == KIST_OK) {
        status = ki_tx_alloc(&s->tx, KI_CLASS_MIN, &header);
    }
    if (status != KIST_OK) {
        return status;
    }
    ki_coll_birth(&s->tx, header, table_at, (uint32_t)slot + 1, kind, type,
                  offset);
    return ki_tx_commit(&s->tx);
}

static kist_status
catalog(salvage *s, uint64_t offset, const ki_record *record)
{
    if (record->op == KI_OP_PUT) {
        return create(s, offset, record);
    }
    return record->op == KI_OP_DELETE ? drop(s, record->slot) : KIST_OK;
}

/* --- collections that nothing is known of
 * ----------------------------------------- */

/* Memory of our own in the log's map, behind the pages of the file. */
static kist_status
map_made(salvage *s)
{
    const ki_reclog *log = &s->gen->log;
    const size_t size = (size_t)(s->made_end - s->made_begin);

    if (s->made_end > log->limit) {
        return KI_FAIL(KIST_ERR_NOMEM, log->path, KI_NO_OFFSET,
                       "address space for recovered collections");
    }
    if (ki_io->map((void *)(uintptr_t)(log->base + s->made_begin), size,
                   PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
                   0) == MAP_FAILED) {
        return KI_FAIL(KIST_ERR_NOMEM, log->path, KI_NO_OFFSET, "map");
    }
    s->made = s->made_begin;
    return KIST_OK;
}

/* A name that no collection has yet. */
static kist_status
free_name(const salvage *s, uint32_t id, char name[32], ki_record *record)
{
    unsigned n;
    ki_found found;
    ki_key key;
    kist_status status = KIST_OK;

    record->key = (const uint8_t *)name;
    for (n = 1; status == KIST_OK; n++) {
        const int size = n == 1 ? snprintf(name, 32, "recovered-%u", id)
                                : snprintf(name, 32, "recovered-%u-%u", id, n);

        record->ksize = (uint32_t)size;
        status = find_key(s, KI_CATALOG_HEADER, record, &key, &found);
    }
    return status == KIST_ERR_NOTFOUND ? KIST_OK : status;
}

/* Makes the catalog's record of the collection, and does it. */
static kist_status
recover_collection(salvage *s, uint32_t id, kist_kind kind)
{
    const ki_reclog *log = &s->gen->log;
    const uint8_t descriptor[2] = {(uint8_t)kind, KIST_ANY};
    uint8_t *to;
    char name[32];
    ki_record record;
    uint64_t span;
    uint64_t offset;
    kist_status status = KIST_OK;

    if (s->made == 0) {
        status = map_made(s);
    }
    memset(&record, 0, sizeof(record));
    if (status == KIST_OK) {
        status = free_name(s, id, name, &record);
    }
    if (status != KIST_OK) {
        return status;
    }
    record.op = KI_OP_PUT;
    record.tag = KIST_BYTES;
    record.slot = id - 1;
    record.vsize = sizeof(descriptor);
    span = ki_record_span(record.ksize, record.vsize);
    if (span > s->made_end - s->made) {
        return KI_FAIL(KIST_ERR_NOMEM, log->path, KI_NO_OFFSET,
                       "recovered collections");
    }
    offset = s->made;
    to = (uint8_t *)(uintptr_t)(log->base + offset);
    memcpy(ki_record_begin(to, &record), descriptor, sizeof(descriptor));
    ki_record_finish(to, span, ki_record_seed(log->salt, offset));
    s->made += span;
    return ki_reclog_load(log, offset, s->made, &record)
               ? create(s, offset, &record)
               : ki_bad_record(s->gen, offset);
}

static bool
is_list_op(uint8_t op)
{
    return (op >= KI_OP_APPEND && op <= KI_OP_REMOVE) || op == KI_OP_REVERSE ||
           op == KI_OP_PERMUTE;
}

/*
 * A record that adds something is never left out for want of its collection.
 * One of the wrong kind says that its number has been given to another since.
 */
static kist_status
item(salvage *s, uint64_t offset, const ki_record *record)
{
    const uint32_t id = record->coll;
    const bool adds = record->op == KI_OP_PUT || record->op == KI_OP_APPEND ||
                      record->op == KI_OP_INSERT || record->op == KI_OP_SET;
    uint64_t header = 0;
    bool is_list = false;
    kist_status status;

    if (id - 1 < header_word(s, KI_CATALOG_HEADER, KI_C_SLOTS)) {
        header = ki_coll_header(s->gen, NULL, id);
    }
    if (header != 0) {
        is_list = ki_about_kind(header_word(s, header, KI_C_ABOUT)) ==
                  KIST_KIND_LIST;
    }
    if (header == 0 ||
        (is_list != is_list_op(record->op) && record->op != KI_OP_CLEAR)) {
        if (!adds || id - 1 > s->slot_max) {
            return KIST_OK;
        }
        is_list = is_list_op(record->op);
        status = recover_collection(s, id,
                                    is_list ? KIST_KIND_LIST : KIST_KIND_DICT);
        if (status != KIST_OK) {
            return status;
        }
        header = ki_coll_header(s->gen, NULL, id);
    }
    if (header == 0) {
        return ki_bad_index(s->gen, KI_W_COLLS);
    }
    return is_list ? list(s, header, offset, record)
                   : keyed(s, header, offset, record);
}

/* --- the whole
 * ---------------------------------------------------------------------- */

/* All records outside the runs.  One that is no use is left out. */
static kist_status
replay(salvage *s, const ki_logwalk *walk, uint64_t stop)
{
    const ki_reclog *log = &s->gen->log;
    uint64_t at = KI_LOG_BEGIN;
    size_t run = 0;
    ki_record record;
    kist_status status = KIST_OK;

    while (status == KIST_OK && at < stop) {
        while (run < walk->count && walk->runs[run].offset < at) {
            run++;
        }
        if (run < walk->count && walk->runs[run].offset == at) {
            at += walk->runs[run].size;
            continue;
        }
        if (!ki_reclog_load(log, at, stop, &record)) {
            return KI_FAIL(KIST_ERR_CORRUPT, log->path, at,
                           "record changed while read");
        }
        status = record.coll == KI_CATALOG_ID ? catalog(s, at, &record)
                                              : item(s, at, &record);
        if (status == KIST_ERR_CORRUPT && !ki_mapping_is_cut(&log->map)) {
            ki_tx_abort(&s->tx);
            status = KIST_OK;
        }
        at += record.span;
    }
    return status;
}

kist_status
ki_salvage_index(ki_gen *gen, const ki_logwalk *walk, uint64_t size,
                 uint64_t stop)
{
    salvage s;
    kist_status status;

    memset(&s, 0, sizeof(s));
    s.gen = gen;
    s.slot_max = size / RECORD_LEAST;
    s.made_begin = (size + PAGE_MAX - 1) & ~(PAGE_MAX - 1);
    s.made_end = s.made_begin +
                 ((walk->records * MADE_SIZE + PAGE_MAX) & ~(PAGE_MAX - 1));
    status =
        ki_idx_create(&gen->idx, NULL, 0, gen->log.uuid, gen->log.generation,
                      size * 8 + (UINT64_C(64) << 20));
    if (status != KIST_OK) {
        return status;
    }
    ki_word_store(&gen->idx, KI_W_LOG_SIZE, s.made_end);
    ki_word_store(&gen->idx, KI_W_TAIL, stop);
    ki_word_store(&gen->idx, KI_CATALOG_HEADER + KI_C_SERIAL,
                  KI_CATALOG_SERIAL);
    ki_word_store(&gen->idx, KI_CATALOG_HEADER + KI_C_ABOUT,
                  ki_about(KI_CATALOG_ID, KIST_KIND_DICT, KIST_BYTES));
    ki_tx_init(&s.tx, &gen->idx, KI_TX_REDO);
    status = replay(&s, walk, stop);
    ki_tx_fini(&s.tx);
    return status;
}
