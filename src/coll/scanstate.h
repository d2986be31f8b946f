/*
 * scanstate.h - a scan, and the short way of a step of it.
 *
 *   words   [ done | used ........ | got ]      asked for ahead of their turn
 *   places  [      | slot or index |     ]
 *
 * A scan fetches a bunch of words at a time and asks for their records ahead.
 * The bunch is good as long as the collection has not been written to; else
 * what is left of it is fetched again, so that each item is handed out as it
 * is now.  A step within the bunch is written out here and compiled like the
 * lookups (lookup.h); everything else is left to scan.c.
 *
 * Layer    coll.
 * Threads  a scan belongs to one at a time.
 */
#ifndef KI_COLL_SCANSTATE_H
#define KI_COLL_SCANSTATE_H

#include "codec/member.h"
#include "coll/lookup.h"
#include "kist/scan.h"

#define KI_BUNCH 32u

/* The position is a slot for dict and set, an index for list. */
struct kist_scan {
    ki_coll *c;        /* a reference */
    ki_gen *gen;       /* pinned: `position` is meant in it */
    uint64_t header;   /* of the collection, in gen */
    uint64_t serial;   /* of the collection there */
    uint64_t position; /* forward: next; backward: one behind next */
    uint64_t changes;  /* of the collection at the beginning */
    uint64_t writes;   /* of the collection when the bunch was fetched */
    kist_scan_options options;
    bool ended;
    uint32_t used; /* of the bunch */
    uint32_t got;
    uint64_t words[KI_BUNCH];
    uint64_t places[KI_BUNCH]; /* slot or index of each word */
};

/* The record of collection `id` at `offset`, if it is whole and its key not
 * of the longest. */
KI_ALWAYS_INLINE bool
ki_step_record(const ki_gen *gen, uint64_t id, uint64_t offset,
               ki_record *record)
{
    const uint64_t end = ki_word_at(gen->idx.base, KI_W_LOG_SIZE);
    const uint8_t *const bytes = gen->log.base + offset;
    uint64_t head;
    uint64_t span;
    uint32_t size;

    if (KI_UNLIKELY((offset & (KI_RECORD_ALIGN - 1)) != 0 || offset >= end ||
                    end - offset < KI_RECORD_HEAD + 4 ||
                    end > gen->log.limit)) {
        return false;
    }
    size = ki_load_le32(bytes + 4);
    head = ki_load_le64(bytes + 8);
    span = ((uint64_t)size + (KI_RECORD_ALIGN - 1)) &
           ~(uint64_t)(KI_RECORD_ALIGN - 1);
    record->ksize = (uint32_t)(head >> 16 & 0xffff);
    if (KI_UNLIKELY((head >> 32 & KI_COLL_MAX) != id ||
                    record->ksize == KI_KSIZE_LONG ||
                    size < KI_RECORD_HEAD + record->ksize ||
                    offset + span > end ||
                    ki_record_sum_near(ki_record_seed(gen->log.salt, offset),
                                       bytes, span) != ki_load_le32(bytes))) {
        return false;
    }
    record->tag = (uint8_t)(head >> 8);
    record->key = bytes + KI_RECORD_HEAD;
    record->value = record->key + record->ksize;
    record->vsize = size - KI_RECORD_HEAD - record->ksize;
    return true;
}

/* The item that the next word of the bunch stands for. */
KI_ALWAYS_INLINE bool
ki_step_item(const kist_scan *scan, const ki_gen *gen, kist_slice *key,
             kist_value *value)
{
    const uint64_t word = scan->words[scan->used];
    const ki_coll *c = scan->c;
    uint64_t id;
    ki_record record;

    if (c->kind == KIST_KIND_LIST && ki_klass_inline(c->type)) {
        if (key != NULL) {
            *key = kist_bytes(NULL, 0);
        }
        if (value != NULL) {
            *value = ki_klass_from_word(c->type, word);
        }
        return true;
    }
    id = ki_word_at(gen->idx.base, scan->header + KI_C_ABOUT) >> 32;
    if (KI_UNLIKELY(!ki_step_record(gen, id, word, &record))) {
        return false;
    }
    if (key != NULL) {
        *key = c->kind == KIST_KIND_DICT ? kist_bytes(record.key, record.ksize)
                                         : kist_bytes(NULL, 0);
    }
    if (value == NULL) {
        return true;
    }
    if (c->kind == KIST_KIND_SET && record.vsize == 0) {
        return ki_member_load(kist_bytes(record.key, record.ksize), value) ==
               KIST_OK;
    }
    return KI_LIKELY(ki_value_payload_load(record.tag, record.value,
                                           record.vsize, value) == KIST_OK);
}

/*
 * kist_scan_next() within the bunch.  That the collection is still what its
 * header was bound for, its serial tells.  KI_UNSURE: the scan is as it was,
 * go the long way.
 */
KIST_NODISCARD KI_ALWAYS_INLINE kist_status
ki_scan_step(kist_scan *scan, kist_slice *key, kist_value *value)
{
    const ki_gen *gen = scan->gen;
    ki_inflight *slot = ki_inflight_self;
    const uint8_t *header;
    kist_status status = KI_UNSURE;

    if (KI_UNLIKELY(scan->used == scan->got ||
                    !ki_enter_shortly(scan->c->k, gen, slot))) {
        return KI_UNSURE;
    }
    header = gen->idx.base + scan->header;
    if (KI_LIKELY(ki_word_at(header, KI_C_SERIAL) == scan->serial &&
                  ki_word_at(header, KI_C_WRITES) == scan->writes &&
                  ki_step_item(scan, gen, key, value))) {
        scan->used++;
        status = KIST_OK;
    }
    ki_inflight_leave_by(slot);
    return status;
}

#define KI_RUN_AHEAD 12u

/* Asks for the record at `offset`. */
KI_ALWAYS_INLINE void
ki_run_ask(const ki_gen *gen, uint64_t offset, uint64_t end)
{
    if (KI_LIKELY(offset < end)) {
        __builtin_prefetch(gen->log.base + offset);
        __builtin_prefetch(gen->log.base + offset + 64);
    }
}

/*
 * The values of the records at `n` offsets of a list with number `id`: how
 * many of them, from the first on, the short way could tell.
 */
KI_ALWAYS_INLINE uint32_t
ki_run_values(const ki_gen *gen, uint64_t id, const uint64_t *offsets,
              uint32_t n, kist_value *values)
{
    const uint64_t end = ki_log_end(gen);
    ki_record record;
    uint32_t i;

    for (i = 0; i < n && i < KI_RUN_AHEAD; i++) {
        ki_run_ask(gen, offsets[i], end);
    }
    for (i = 0; i < n; i++) {
        if (i + KI_RUN_AHEAD < n) {
            ki_run_ask(gen, offsets[i + KI_RUN_AHEAD], end);
        }
        if (KI_UNLIKELY(!ki_step_record(gen, id, offsets[i], &record) ||
                        ki_value_payload_load(record.tag, record.value,
                                              record.vsize,
                                              &values[i]) != KIST_OK)) {
            break;
        }
    }
    return i;
}

#endif /* KI_COLL_SCANSTATE_H */
