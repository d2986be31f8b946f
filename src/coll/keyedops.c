#include <string.h>

#include "base/hash.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "coll/lookup.h"
#include "coll/ways.h"
#include "coll/writer.h"

kist_status
ki_keyed_put(ki_writer *w, uint64_t header, const ki_key *key, ki_found *old,
             const kist_value *value)
{
    ki_vacancy vacancy;
    ki_record record;
    uint64_t offset;
    kist_status status;

    record.op = KI_OP_PUT;
    record.coll = ki_coll_id(&w->tx, header);
    record.key = key->data;
    record.ksize = (uint32_t)key->size;
    if (old == NULL) {
        status = ki_keyed_room(w->gen, &w->tx, header, key->hash, w->tail,
                               &vacancy);
        record.slot = vacancy.slot;
    }
    else {
        status = ki_keyed_slot(&w->tx, header, old);
        record.slot = old->record.slot;
    }
    if (KI_LIKELY(status == KIST_OK)) {
        status = ki_write_record(w, &record, value, false, &offset);
    }
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    if (old != NULL) {
        ki_keyed_replace(&w->tx, header, old, offset, record.span);
    }
    else {
        ki_keyed_insert(&w->tx, header, &vacancy, offset, record.span);
    }
    return KIST_OK;
}

/* A record without key and value. */
static kist_status
write_bare(ki_writer *w, ki_op op, uint64_t header, uint64_t slot)
{
    ki_record record;
    uint64_t offset;

    memset(&record, 0, sizeof(record));
    record.op = (uint8_t)op;
    record.tag = KIST_NULL;
    record.coll = ki_coll_id(&w->tx, header);
    record.slot = slot;
    return ki_write_record(w, &record, NULL, true, &offset);
}

kist_status
ki_keyed_remove(ki_writer *w, uint64_t header, ki_found *old)
{
    kist_status status = ki_keyed_slot(&w->tx, header, old);

    if (status == KIST_OK) {
        status = write_bare(w, KI_OP_DELETE, header, old->record.slot);
    }
    if (status == KIST_OK) {
        ki_keyed_delete(&w->tx, header, old);
    }
    return status;
}

/* The last or first live item, found again by its key for its entry. */
static kist_status
find_end(ki_writer *w, uint64_t header, bool last, ki_found *found)
{
    const ki_tx *own = ki_write_view(w);
    const uint64_t first = ki_keyed_at(w->gen, own, header, KI_C_FIRST);
    const uint64_t slots = ki_keyed_at(w->gen, own, header, KI_C_SLOTS);
    uint64_t offset;
    uint64_t i;
    ki_record record;
    ki_key key;
    kist_status status = KIST_ERR_NOTFOUND;

    for (i = first; i < slots && status == KIST_ERR_NOTFOUND; i++) {
        status = ki_keyed_in_slot(w->gen, own, header,
                                  last ? slots - 1 - (i - first) : i, &offset,
                                  &record);
    }
    if (status != KIST_OK) {
        return status;
    }
    key.data = record.key;
    key.size = record.ksize;
    key.hash = ki_hash(record.key, record.ksize, w->gen->log.seed);
    status = ki_keyed_find(w->gen, own, header, &key, true, found);
    return status == KIST_ERR_NOTFOUND
               ? ki_bad_index(w->gen, header + KI_C_HASH)
               : status;
}

kist_status
ki_keyed_pop_end(ki_coll *c, bool last, uint64_t *offset, ki_record *record,
                 kist_value *value)
{
    ki_writer *w;
    ki_found found;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, NULL, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    status = find_end(w, header, last, &found);
    if (status == KIST_OK && value != NULL) {
        status = ki_coll_value(w->gen, found.offset, &found.record, value);
    }
    if (status == KIST_OK) {
        *offset = found.offset;
        *record = found.record;
        status = ki_keyed_remove(w, header, &found);
    }
    return ki_write_end(c->k, w, status);
}

static kist_status
get_once(ki_coll *c, kist_slice slice, kist_value *value)
{
    ki_reader r;
    ki_found found;
    ki_key key = {slice.data, slice.size, 0};
    kist_status status;

    status = ki_read_begin(c, &r);
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    key.hash = ki_hash(key.data, key.size, r.gen->log.seed);
    status =
        ki_keyed_find(r.gen, r.own, r.header, &key, value != NULL, &found);
    if (status == KIST_OK && value != NULL) {
        status = ki_coll_value(r.gen, found.offset, &found.record, value);
    }
    return ki_read_end(c, &r, status);
}

kist_status
ki_keyed_get_slowly(ki_coll *c, kist_slice key, kist_value *value)
{
    kist_status status;

    do {
        status = get_once(c, key, value);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

kist_status
ki_keyed_count(ki_coll *c, uint64_t *count)
{
    ki_reader r;
    kist_status status;

    do {
        status = ki_read_begin(c, &r);
        if (status != KIST_OK) {
            return status;
        }
        *count = ki_keyed_at(r.gen, r.own, r.header, KI_C_COUNT);
        status = ki_read_end(c, &r,
                             ki_mapping_is_cut(&r.gen->idx.map)
                                 ? ki_bad_index(r.gen, r.header)
                                 : KIST_OK);
    } while (status == KI_AGAIN);
    return status;
}

static kist_status
empty_once(ki_coll *c)
{
    ki_writer *w;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, NULL, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_keyed_at(w->gen, ki_write_view(w), header, KI_C_COUNT) > 0) {
        status = write_bare(w, KI_OP_CLEAR, header, 0);
        if (status == KIST_OK) {
            ki_keyed_clear(&w->tx, header);
            ki_account(&w->tx, header, 0, true);
        }
    }
    return ki_write_end(c->k, w, status);
}

kist_status
ki_keyed_empty(ki_coll *c)
{
    kist_status status;

    do {
        status = empty_once(c);
    } while (status == KI_AGAIN);
    return status;
}
