#include "kist/scan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "coll/coll.h"
#include "coll/listview.h"
#include "coll/scanstate.h"
#include "coll/seq.h"
#include "coll/setrecord.h"
#include "index/slots.h"

static kist_status
scan_open(ki_coll *c, const kist_scan_options *options, kist_scan **out)
{
    kist_scan *scan = ki_calloc(1, sizeof(*scan));

    *out = NULL;
    if (scan == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, c->k->log_path, KI_NO_OFFSET, "scan");
    }
    scan->c = c;
    if (options != NULL) {
        scan->options = *options;
    }
    atomic_fetch_add(&c->references, 1);
    *out = scan;
    return KIST_OK;
}

kist_status
kist_dict_scan(kist_dict *dict, const kist_scan_options *options,
               kist_scan **scan)
{
    return scan_open(&dict->coll, options, scan);
}

kist_status
kist_set_scan(kist_set *set, const kist_scan_options *options,
              kist_scan **scan)
{
    return scan_open(&set->coll, options, scan);
}

kist_status
kist_list_scan(kist_list *list, const kist_scan_options *options,
               kist_scan **scan)
{
    return scan_open(&list->coll, options, scan);
}

/* Lets go of the generation, unless closing the kist has freed it. */
static void
unpin(kist_scan *scan)
{
    kist *k = scan->c->k;

    // After fork() the mutex may be held for ever, and the pin is the
    // parent's.
    if (k->forks != atomic_load(&ki_inflight_forks)) {
        return;
    }
    (void)pthread_mutex_lock(&k->mutex);
    if (scan->gen != NULL && atomic_load(&k->gen) != NULL) {
        atomic_fetch_sub(&scan->gen->pins, 1);
    }
    scan->gen = NULL;
    (void)pthread_mutex_unlock(&k->mutex);
}

void
kist_scan_close(kist_scan *scan)
{
    if (scan != NULL) {
        unpin(scan);
        ki_coll_close(scan->c);
        ki_free(scan);
    }
}

/* --- position
 * ----------------------------------------------------------------------------
 */

static uint64_t
writes_of(const ki_reader *r)
{
    return ki_keyed_at(r->gen, r->own, r->header, KI_C_WRITES);
}

/* What is left of the bunch will be fetched again. */
static void
put_back(kist_scan *scan)
{
    if (scan->used < scan->got) {
        scan->position = scan->places[scan->used] + scan->options.reverse;
    }
    scan->used = 0;
    scan->got = 0;
}

/*
 * Compaction has numbered the live slots anew, in their order.  So the new
 * position is the number of live slots before the old one in the old
 * generation, which has not changed since it was superseded.
 */
static uint64_t
rank_in_old(const kist_scan *scan, uint64_t slots)
{
    const ki_idx *old = &scan->gen->idx;
    uint64_t live = 0;
    uint64_t i;

    for (i = 0; i < scan->position && i < slots; i++) {
        const uint64_t at =
            ki_slots_at(old, NULL, scan->header + KI_C_TABLE, i);

        live += at != 0 && ki_word_load(old, at) != KI_SLOT_HOLE;
    }
    return live;
}

/*
 * Over several compactions ranks have shifted.  But what stood at or behind
 * the position and is unchanged still stands in its order, and what was
 * inserted since stands behind it: the position is the lowest slot at which
 * one of those keys is found now.
 */
static uint64_t
lowest_behind(const kist_scan *scan, const ki_reader *r, uint64_t slots)
{
    uint64_t lowest = ki_keyed_at(r->gen, r->own, r->header, KI_C_SLOTS);
    uint64_t offset;
    uint64_t i;
    ki_record record;
    ki_found found;

    for (i = scan->position; i < slots; i++) {
        ki_key key;

        if (ki_keyed_in_slot(scan->gen, NULL, scan->header, i, &offset,
                             &record) != KIST_OK) {
            continue;
        }
        key.data = record.key;
        key.size = record.ksize;
        key.hash = ki_hash(key.data, key.size, r->gen->log.seed);
        if (ki_keyed_find(r->gen, r->own, r->header, &key, false, &found) ==
                KIST_OK &&
            found.record.slot < lowest) {
            lowest = found.record.slot;
        }
    }
    return lowest;
}

static void
translate(kist_scan *scan, const ki_reader *r)
{
    const uint64_t slots =
        ki_word_load(&scan->gen->idx, scan->header + KI_C_SLOTS);

    scan->position = r->gen->log.generation == scan->gen->log.generation + 1
                         ? rank_in_old(scan, slots)
                         : lowest_behind(scan, r, slots);
}

static void
begin(kist_scan *scan, const ki_reader *r)
{
    const bool is_list = scan->c->kind == KIST_KIND_LIST;

    if (scan->options.reverse) {
        scan->position =
            is_list ? ki_seq_count(&r->gen->idx, r->own, r->header)
                    : ki_keyed_at(r->gen, r->own, r->header, KI_C_SLOTS);
    }
    else if (!is_list) {
        scan->position = ki_keyed_at(r->gen, r->own, r->header, KI_C_FIRST);
    }
    scan->changes = writes_of(r) & UINT32_MAX;
}

/* Begins, or goes on in another generation. */
static void
enter_generation(kist_scan *scan, const ki_reader *r)
{
    if (scan->gen == NULL) {
        begin(scan, r);
    }
    else {
        put_back(scan);
        if (scan->gen->log.generation != r->gen->log.generation) {
            if (scan->c->kind != KIST_KIND_LIST) {
                translate(scan, r);
            }
            scan->changes = writes_of(r) & UINT32_MAX;
        }
        unpin(scan);
    }
    atomic_fetch_add(&r->gen->pins, 1);
    scan->gen = r->gen;
    scan->header = r->header;
}

/* --- bunches
 * ------------------------------------------------------------------------------
 */

/* Takes the live ones of up to `n` slots from `i` on, whose words stand in a
 * row from `at` on, forwards or backwards. */
static uint64_t
take_row(kist_scan *scan, const ki_reader *r, uint64_t i, uint64_t at,
         uint64_t n)
{
    const ki_idx *idx = &r->gen->idx;
    const bool reverse = scan->options.reverse;
    uint64_t k;

    for (k = 0; k < n && scan->got < KI_BUNCH; k++) {
        const uint64_t word_at = reverse ? at - k * 8 : at + k * 8;
        const uint64_t word = r->own == NULL ? ki_word_load(idx, word_at)
                                             : ki_tx_load(r->own, word_at);

        if (word != KI_SLOT_HOLE) {
            scan->places[scan->got] = reverse ? i - k : i + k;
            scan->words[scan->got++] = word;
        }
    }
    return k;
}

/* Fills the bunch from `position` on; false if a slot has no word. */
static bool
take_slots(kist_scan *scan, const ki_reader *r, uint64_t slots,
           uint64_t *position)
{
    const ki_idx *idx = &r->gen->idx;
    const bool reverse = scan->options.reverse;
    uint64_t p = reverse && *position > slots ? slots : *position;

    scan->got = 0;
    while (scan->got < KI_BUNCH && (reverse ? p > 0 : p < slots)) {
        const uint64_t i = reverse ? p - 1 : p;
        const uint64_t at =
            ki_slots_at(idx, r->own, r->header + KI_C_TABLE, i);
        uint64_t before;
        uint64_t behind;
        uint64_t n;

        ki_slots_row(i, &before, &behind);
        n = reverse                  ? before + 1
            : slots - i < behind + 1 ? slots - i
                                     : behind + 1;
        if (at == 0 || (!reverse && !ki_idx_holds(idx, at, n * 8))) {
            return false;
        }
        n = take_row(scan, r, i, at, n);
        p = reverse ? p - n : p + n;
    }
    *position = p;
    return true;
}

static kist_status
fetch_slots(kist_scan *scan, const ki_reader *r)
{
    const ki_idx *idx = &r->gen->idx;

    for (;;) {
        const uint64_t version = ki_view_begin(idx);
        const uint64_t slots =
            ki_keyed_at(r->gen, r->own, r->header, KI_C_SLOTS);
        uint64_t position = scan->position;
        const bool whole = take_slots(scan, r, slots, &position);

        if (KI_LIKELY(ki_view_held(idx, version))) {
            // Emptied under us, the slots are gone but the count tells.
            if (!whole &&
                slots == ki_keyed_at(r->gen, r->own, r->header, KI_C_SLOTS)) {
                return ki_bad_index(r->gen, r->header + KI_C_TABLE);
            }
            if (whole) {
                scan->position = position;
                return KIST_OK;
            }
        }
        if (!ki_view_possible(idx)) {
            return ki_bad_index(r->gen, KI_W_HORIZON);
        }
    }
}

static kist_status
fetch_items(kist_scan *scan, const ki_reader *r)
{
    const ki_idx *idx = &r->gen->idx;
    uint64_t from = scan->position;
    uint32_t want = KI_BUNCH;
    uint32_t i;
    kist_status status;

    if (scan->options.reverse) {
        const uint64_t count = ki_seq_count(idx, r->own, r->header);

        from = from < count ? from : count;
        want = from < KI_BUNCH ? (uint32_t)from : KI_BUNCH;
        from -= want;
    }
    scan->got = 0;
    while (scan->got < want) {
        uint32_t n;

        status = ki_seq_words(idx, r->own, r->header, from + scan->got,
                              scan->words + scan->got, want - scan->got, &n);
        if (status != KIST_OK) {
            return ki_bad_index(r->gen, r->header);
        }
        if (n == 0) {
            break;
        }
        scan->got += n;
    }
    scan->position = scan->options.reverse ? from : from + scan->got;
    for (i = 0; i < scan->got; i++) {
        scan->places[i] =
            scan->options.reverse ? from + scan->got - 1 - i : from + i;
    }
    for (i = 0; scan->options.reverse && i < scan->got / 2; i++) {
        const uint64_t word = scan->words[i];

        scan->words[i] = scan->words[scan->got - 1 - i];
        scan->words[scan->got - 1 - i] = word;
    }
    return KIST_OK;
}

static kist_status
fetch(kist_scan *scan, const ki_reader *r)
{
    const uint64_t end = ki_log_end(r->gen);
    kist_status status;
    uint32_t i;

    scan->used = 0;
    scan->header = r->header;
    scan->serial = ki_keyed_at(r->gen, r->own, r->header, KI_C_SERIAL);
    scan->writes = writes_of(r);
    status = scan->c->kind == KIST_KIND_LIST ? fetch_items(scan, r)
                                             : fetch_slots(scan, r);
    if (status == KIST_OK && ki_mapping_is_cut(&r->gen->idx.map)) {
        status = ki_bad_index(r->gen, r->header);
    }
    if (status == KIST_OK && scan->got == 0) {
        scan->ended = true;
        return KIST_END;
    }
    for (i = 0; status == KIST_OK && i < scan->got; i++) {
        if (scan->words[i] < end) {
            __builtin_prefetch(r->gen->log.base + scan->words[i]);
            __builtin_prefetch(r->gen->log.base + scan->words[i] + 64);
            __builtin_prefetch(r->gen->log.base + scan->words[i] + 128);
        }
    }
    return status;
}

/* --- items
 * ---------------------------------------------------------------------------------
 */

static kist_status
keyed_item(const kist_scan *scan, const ki_reader *r, uint64_t word,
           kist_slice *key, kist_value *value)
{
    ki_record record;
    kist_status status = KIST_OK;

    if (!ki_reclog_load(&r->gen->log, word, ki_log_end(r->gen), &record)) {
        return ki_bad_record(r->gen, word);
    }
    if (scan->c->kind == KIST_KIND_SET) {
        *key = kist_bytes(NULL, 0);
        return value == NULL ? KIST_OK
                             : ki_member_value(r->gen, word, &record, value);
    }
    *key = kist_bytes(record.key, record.ksize);
    if (value != NULL) {
        status = ki_coll_value(r->gen, word, &record, value);
    }
    return status;
}

static kist_status
next_once(kist_scan *scan, kist_slice *key, kist_value *value)
{
    ki_reader r;
    uint64_t writes;
    uint64_t word;
    kist_value spare;
    kist_status status;

    status = ki_read_begin(scan->c, &r);
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    if (KI_UNLIKELY(scan->gen != r.gen)) {
        enter_generation(scan, &r);
    }
    writes = writes_of(&r);
    if (KI_UNLIKELY(writes != scan->writes)) {
        put_back(scan);
        if (scan->options.strict && scan->c->kind != KIST_KIND_LIST &&
            scan->changes != (writes & UINT32_MAX)) {
            scan->ended = true;
            return ki_read_end(scan->c, &r, KIST_ERR_CHANGED);
        }
    }
    if (scan->used == scan->got) {
        status = fetch(scan, &r);
    }
    if (status == KIST_OK) {
        word = scan->words[scan->used];
        if (scan->c->kind == KIST_KIND_LIST) {
            *key = kist_bytes(NULL, 0);
            status = ki_list_values(&r, scan->c->type, &word, 1,
                                    value != NULL ? value : &spare);
        }
        else {
            status = keyed_item(scan, &r, word, key, value);
        }
        // An item that is damaged is passed over by the next call; one that
        // only this generation cannot reach is not.
        scan->used += status != KI_AGAIN;
    }
    return ki_read_end(scan->c, &r, status);
}

__attribute__((noinline)) static kist_status
next_slowly(kist_scan *scan, kist_slice *key, kist_value *value)
{
    kist_slice none;
    kist_status status;

    if (scan->ended) {
        return KIST_END;
    }
    do {
        status = next_once(scan, key != NULL ? key : &none, value);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

kist_status
kist_scan_next(kist_scan *scan, kist_slice *key, kist_value *value)
{
    const kist_status status = ki_ways_here->step(scan, key, value);

    return KI_LIKELY(status != KI_UNSURE) ? status
                                          : next_slowly(scan, key, value);
}
