#include "coll/seq.h"

#include "base/fail.h"
#include "codec/klass.h"
#include "codec/scalar.h"
#include "coll/coll.h"
#include "coll/keyed.h"
#include "index/ordertree.h"
#include "index/slots.h"

static uint64_t
load(const ki_idx *idx, const ki_tx *own, uint64_t address)
{
    return own == NULL ? ki_word_load(idx, address) : ki_tx_load(own, address);
}

/* --- reading
 * --------------------------------------------------------------------- */

uint64_t
ki_seq_count(const ki_idx *idx, const ki_tx *own, uint64_t header)
{
    for (;;) {
        const uint64_t version = ki_view_begin(idx);
        const uint64_t tree = load(idx, own, header + KI_C_TREE);
        const uint64_t count = tree != 0 ? ki_tree_count(idx, own, tree)
                                         : load(idx, own, header + KI_C_SLOTS);

        // A flat count means nothing if the tree came in between.
        if (KI_LIKELY(ki_view_held(idx, version) &&
                      load(idx, own, header + KI_C_TREE) == tree)) {
            return count;
        }
        if (!ki_view_possible(idx)) {
            return UINT64_MAX;
        }
    }
}

/* Words of the flat array, up to the end of an extent. */
static uint32_t
flat_run(const ki_idx *idx, const ki_tx *own, uint64_t header, uint64_t i,
         uint64_t count, uint64_t *words, uint32_t max)
{
    const uint64_t at = ki_slots_at(idx, own, header + KI_C_TABLE, i);
    uint64_t before;
    uint64_t behind;
    uint64_t n;
    uint32_t k;

    ki_slots_row(i, &before, &behind);
    n = count - i < behind + 1 ? count - i : behind + 1;
    n = n < max ? n : max;
    if (at == 0 || !ki_idx_holds(idx, at, n * 8)) {
        return 0;
    }
    for (k = 0; k < n; k++) {
        words[k] = load(idx, own, at + (uint64_t)k * 8);
    }
    return k;
}

kist_status
ki_seq_words(const ki_idx *idx, const ki_tx *own, uint64_t header, uint64_t i,
             uint64_t *words, uint32_t max, uint32_t *got)
{
    unsigned tries;

    for (tries = 0;; tries++) {
        const uint64_t version = ki_view_begin(idx);
        const uint64_t tree = load(idx, own, header + KI_C_TREE);
        const uint64_t count = tree != 0 ? ki_tree_count(idx, own, tree)
                                         : load(idx, own, header + KI_C_SLOTS);

        *got = 0;
        if (i < count) {
            *got = tree != 0
                       ? ki_tree_run(idx, own, tree, i, words, max)
                       : flat_run(idx, own, header, i, count, words, max);
        }
        if (KI_UNLIKELY(!ki_view_held(idx, version) ||
                        load(idx, own, header + KI_C_TREE) != tree)) {
            if (!ki_view_possible(idx)) {
                return KIST_ERR_CORRUPT;
            }
            continue;
        }
        if (KI_UNLIKELY(count == UINT64_MAX)) {
            return KIST_ERR_CORRUPT;
        }
        if (KI_LIKELY(*got > 0 || i >= count)) {
            return KIST_OK;
        }
        // Shortened under us: the count tells, unless the index is damaged.
        if (tries > 8) {
            return KIST_ERR_CORRUPT;
        }
    }
}

/* --- the records' weight
 * ------------------------------------------------------------ */

/* Bytes of log that the record behind a word takes. */
static kist_status
weigh(const ki_gen *gen, uint64_t word, uint64_t *span)
{
    ki_record record;

    if (word >= ki_log_end(gen) || word < KI_LOG_BEGIN) {
        return ki_bad_record(gen, word);
    }
    record.span =
        ki_record_claim(gen->log.base + word, ki_log_end(gen) - word);
    if (record.span == 0) {
        return ki_bad_record(gen, word);
    }
    *span = record.span;
    return KIST_OK;
}

static kist_status
weigh_range(const ki_gen *gen, const ki_tx *tx, uint64_t header,
            kist_type type, uint64_t from, uint64_t count, uint64_t *sum)
{
    uint64_t words[64];
    uint64_t span = 0;
    uint32_t got;
    uint32_t i;
    kist_status status;

    *sum = 0;
    if (ki_klass_inline(type)) {
        // All the same, and not in the log to be looked at.
        *sum = ki_record_span(0, type == KIST_BOOL ? 1 : 8) * count;
        return KIST_OK;
    }
    while (count > 0) {
        status = ki_seq_words(tx->idx, tx, header, from, words,
                              count < 64 ? (uint32_t)count : 64, &got);
        if (status != KIST_OK || got == 0) {
            return ki_bad_index(gen, header + KI_C_TABLE);
        }
        for (i = 0; i < got; i++) {
            status = weigh(gen, words[i], &span);
            if (status != KIST_OK) {
                return status;
            }
            *sum += span;
        }
        from += got;
        count -= got;
    }
    return KIST_OK;
}

/* --- changing
 * ------------------------------------------------------------------------ */

/* Gives the words of a list one after the other, in some order. */
typedef struct ki_source {
    const ki_gen *gen;
    const ki_tx *tx;
    uint64_t header;
    const ki_record *permute; /* or NULL */
    uint64_t count;
    uint64_t at;
    bool reverse;
} ki_source;

static bool
next_word(void *context, uint64_t *word)
{
    ki_source *s = context;
    uint64_t from = s->reverse ? s->count - 1 - s->at : s->at;
    uint32_t got;

    if (s->permute != NULL) {
        from = s->permute->vsize / s->count == 8
                   ? ki_load_le64(s->permute->value + s->at * 8)
                   : ki_load_le32(s->permute->value + s->at * 4);
    }
    s->at++;
    return from < s->count &&
           ki_seq_words(s->tx->idx, s->tx, s->header, from, word, 1, &got) ==
               KIST_OK &&
           got == 1;
}

/* A list that is still flat becomes a tree. */
static kist_status
plant(const ki_gen *gen, ki_tx *tx, uint64_t header)
{
    ki_source source = {gen, tx, header, NULL, 0, 0, false};
    uint64_t root;
    kist_status status;

    source.count = ki_tx_load(tx, header + KI_C_SLOTS);
    status = ki_tree_build(tx, source.count, next_word, &source, &root);
    if (status != KIST_OK) {
        return status;
    }
    ki_tx_store(tx, header + KI_C_TREE, root);
    ki_slots_clear(tx, header + KI_C_TABLE);
    return tx->mode == KI_TX_BATCH ? tx->failed : ki_tx_commit(tx);
}

/* The list in another order, as a new flat array. */
static kist_status
rearrange(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t count,
          const ki_record *permute)
{
    ki_source source = {gen, tx, header, permute, count, 0, permute == NULL};
    uint64_t table;
    kist_status status;

    if (count == 0) {
        return KIST_OK;
    }
    status = ki_slots_build(tx, count, next_word, &source, &table);
    if (status != KIST_OK) {
        return status;
    }
    if (ki_tx_load(tx, header + KI_C_TREE) != 0) {
        ki_tx_store(tx, header + KI_C_SLOTS, count);
        ki_tx_store(tx, header + KI_C_TABLE, table);
        ki_tree_clear(tx, header + KI_C_TREE);
    }
    else {
        ki_slots_replace(tx, header + KI_C_TABLE, table);
    }
    return KIST_OK;
}

static kist_status
apply_append(ki_tx *tx, uint64_t header, uint64_t word)
{
    uint64_t count;
    uint64_t at;
    kist_status status;

    if (ki_tx_load(tx, header + KI_C_TREE) != 0) {
        return ki_tree_append(tx, header + KI_C_TREE, word);
    }
    count = ki_tx_load(tx, header + KI_C_SLOTS);
    status = ki_slots_room(tx, header + KI_C_TABLE, count, &at);
    if (status != KIST_OK) {
        return status;
    }
    ki_slot_store(tx, header, count, at, word);
    ki_tx_store(tx, header + KI_C_SLOTS, count + 1);
    return KIST_OK;
}

/*
 * One more of many appends in a batch: if the last one listed the counters of
 * this list, they are only counted on.
 */
static bool
append_again(ki_tx *tx, uint64_t header, uint64_t count, uint64_t word,
             uint64_t bytes)
{
    const ki_pair counters[] = {
        {header + KI_C_SLOTS, count + 1},
        {header + KI_C_BYTES, bytes},
        {header + KI_C_WRITES,
         ki_writes_next(ki_tx_load(tx, header + KI_C_WRITES), true)}};
    uint64_t at;

    if (ki_tx_load(tx, header + KI_C_TREE) != 0 ||
        count < ki_word_load(tx->idx, header + KI_C_SLOTS)) {
        return false;
    }
    at = ki_slots_at(tx->idx, tx, header + KI_C_TABLE, count);
    if (at == 0 || !ki_tx_amend(tx, counters, 3)) {
        return false;
    }
    ki_tx_fill(tx, at, word);
    return true;
}

static kist_status
apply_insert(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t count,
             uint64_t i, uint64_t word)
{
    kist_status status;

    if (i == count) {
        return apply_append(tx, header, word);
    }
    if (ki_tx_load(tx, header + KI_C_TREE) == 0) {
        status = plant(gen, tx, header);
        if (status != KIST_OK) {
            return status;
        }
    }
    return ki_tree_insert(tx, header + KI_C_TREE, i, word);
}

static kist_status
apply_set(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t i,
          uint64_t word)
{
    const uint64_t tree = ki_tx_load(tx, header + KI_C_TREE);
    uint64_t at;

    if (tree == 0) {
        at = ki_slots_at(tx->idx, tx, header + KI_C_TABLE, i);
    }
    else if (!ki_tree_at(tx->idx, tx, tree, i, &at)) {
        at = 0;
    }
    if (at == 0) {
        return ki_bad_index(gen, header + KI_C_TABLE);
    }
    if (tree == 0) {
        ki_slot_store(tx, header, i, at, word);
    }
    else {
        ki_tx_store(tx, at, word);
    }
    return KIST_OK;
}

void
ki_seq_clear(ki_tx *tx, uint64_t header)
{
    ki_tx_store(tx, header + KI_C_SLOTS, 0);
    ki_tree_clear(tx, header + KI_C_TREE);
    ki_slots_clear(tx, header + KI_C_TABLE);
}

static kist_status
apply_remove(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t total,
             uint64_t i, uint64_t count)
{
    kist_status status;

    if (count == total) {
        ki_seq_clear(tx, header);
        return KIST_OK;
    }
    if (ki_tx_load(tx, header + KI_C_TREE) == 0) {
        if (i + count == total) {
            ki_tx_store(tx, header + KI_C_SLOTS, i);
            return KIST_OK;
        }
        status = plant(gen, tx, header);
        if (status != KIST_OK) {
            return status;
        }
    }
    return ki_tree_remove(tx, header + KI_C_TREE, i, count);
}

static kist_status
misfit(const ki_gen *gen, uint64_t offset)
{
    return KI_FAIL(KIST_ERR_CORRUPT, gen->log.path, offset,
                   "list record does not fit the list");
}

/* The word that stands for a record's value in this list. */
static kist_status
word_of(const ki_gen *gen, kist_type type, uint64_t offset,
        const ki_record *record, uint64_t *word)
{
    kist_value value;
    kist_status status;

    *word = offset;
    if (!ki_klass_inline(type)) {
        return KIST_OK;
    }
    status = ki_coll_value(gen, offset, record, &value);
    if (status == KIST_OK) {
        if (value.type != (type == KIST_INT32 ? KIST_INT : type)) {
            return misfit(gen, offset);
        }
        *word = ki_klass_to_word(&value);
    }
    return status;
}

/* How many items the record takes out of the list. */
static uint64_t
removed_by(const ki_record *record, uint64_t total)
{
    if (record->op == KI_OP_CLEAR) {
        return total;
    }
    if (record->op == KI_OP_REMOVE) {
        return record->vsize == 8 ? ki_load_le64(record->value) : 1;
    }
    return record->op == KI_OP_SET ? 1 : 0;
}

static bool
fits(const ki_record *record, uint64_t total, uint64_t removed)
{
    switch (record->op) {
    case KI_OP_APPEND:
        return record->slot == total;
    case KI_OP_INSERT:
        return record->slot <= total;
    case KI_OP_SET:
    case KI_OP_REMOVE:
        return record->slot < total && removed >= 1 &&
               removed <= total - record->slot;
    case KI_OP_PERMUTE:
        return total > 0 &&
               (record->vsize == total * 4 || record->vsize == total * 8);
    default:
        return record->op == KI_OP_CLEAR || record->op == KI_OP_REVERSE;
    }
}

static kist_status
dispatch(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t total,
         uint64_t removed, uint64_t word, const ki_record *record)
{
    switch (record->op) {
    case KI_OP_APPEND:
        return apply_append(tx, header, word);
    case KI_OP_INSERT:
        return apply_insert(gen, tx, header, total, record->slot, word);
    case KI_OP_SET:
        return apply_set(gen, tx, header, record->slot, word);
    case KI_OP_REMOVE:
        return apply_remove(gen, tx, header, total, record->slot, removed);
    case KI_OP_PERMUTE:
        return rearrange(gen, tx, header, total, record);
    case KI_OP_REVERSE:
        return rearrange(gen, tx, header, total, NULL);
    default:
        ki_seq_clear(tx, header);
        return KIST_OK;
    }
}

static bool
adds(const ki_record *record)
{
    return record->op == KI_OP_APPEND || record->op == KI_OP_INSERT ||
           record->op == KI_OP_SET;
}

/* An append outside a batch to a flat list that has room; false: not one. */
static bool
append_shortly(ki_tx *tx, uint64_t header, uint64_t total, uint64_t word,
               uint64_t span)
{
    const ki_idx *idx = tx->idx;
    uint64_t at;

    if (tx->mode != KI_TX_REDO || ki_word_load(idx, header + KI_C_TREE) != 0) {
        return false;
    }
    at = ki_slots_at(idx, NULL, header + KI_C_TABLE, total);
    if (at == 0) {
        return false;
    }
    ki_tx_store(tx, at, word);
    ki_tx_store(tx, header + KI_C_SLOTS, total + 1);
    ki_tx_store(tx, header + KI_C_BYTES,
                ki_word_load(idx, header + KI_C_BYTES) + span);
    ki_tx_store(tx, header + KI_C_WRITES,
                ki_writes_next(ki_word_load(idx, header + KI_C_WRITES), true));
    return true;
}

kist_status
ki_seq_change(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t total,
              uint64_t word, uint64_t offset, const ki_record *record)
{
    const uint64_t removed = removed_by(record, total);
    uint64_t bytes;
    uint64_t lost = 0;
    kist_status status = KIST_OK;

    if (!fits(record, total, removed)) {
        return misfit(gen, offset);
    }
    if (record->op == KI_OP_APPEND &&
        append_shortly(tx, header, total, word, record->span)) {
        return KIST_OK;
    }
    bytes = ki_tx_load(tx, header + KI_C_BYTES);
    if (removed == total && record->op != KI_OP_SET) {
        lost = removed > 0 ? bytes : 0;
    }
    else if (removed > 0) {
        status =
            weigh_range(gen, tx, header,
                        ki_about_type(ki_tx_load(tx, header + KI_C_ABOUT)),
                        record->slot, removed, &lost);
    }
    bytes = bytes - lost + (adds(record) ? record->span : 0);
    if (status == KIST_OK && tx->mode == KI_TX_BATCH &&
        record->op == KI_OP_APPEND &&
        append_again(tx, header, total, word, bytes)) {
        return KIST_OK;
    }
    if (status == KIST_OK) {
        status = dispatch(gen, tx, header, total, removed, word, record);
    }
    if (status != KIST_OK) {
        return status;
    }
    ki_account(tx, header, bytes, record->op != KI_OP_SET);
    return KIST_OK;
}

kist_status
ki_seq_apply(const ki_gen *gen, ki_tx *tx, uint64_t header, uint64_t offset,
             const ki_record *record)
{
    const kist_type type = ki_about_type(ki_tx_load(tx, header + KI_C_ABOUT));
    const uint64_t total = ki_seq_count(tx->idx, tx, header);
    uint64_t word = 0;
    kist_status status = KIST_OK;

    if (adds(record)) {
        status = word_of(gen, type, offset, record, &word);
    }
    return status == KIST_OK
               ? ki_seq_change(gen, tx, header, total, word, offset, record)
               : status;
}

void
ki_seq_ask(const ki_gen *gen, uint64_t header, kist_type type, uint64_t i)
{
    const ki_idx *idx = &gen->idx;
    uint64_t at;
    uint64_t word;

    if (ki_word_load(idx, header + KI_C_TREE) != 0) {
        return;
    }
    at = ki_slots_at(idx, NULL, header + KI_C_TABLE, i);
    if (at != 0 && !ki_klass_inline(type)) {
        word = ki_word_load(idx, at);
        if (word < ki_log_end(gen)) {
            __builtin_prefetch(gen->log.base + word);
        }
    }
}
