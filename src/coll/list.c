#include "kist/list.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "codec/klass.h"
#include "coll/coll.h"
#include "coll/listview.h"
#include "coll/seq.h"
#include "coll/ways.h"
#include "coll/writer.h"
#include "kist/dict.h"

kist_status
kist_list_open(kist *k, kist_slice name, kist_type type, kist_list **list)
{
    return ki_coll_open(k, name, KIST_KIND_LIST, type,
                        (ki_coll **)(void *)list);
}

void
kist_list_close(kist_list *list)
{
    ki_coll_close((ki_coll *)list);
}

kist_type
kist_list_type(const kist_list *list)
{
    return list->coll.type;
}

/* --- reading
 * ----------------------------------------------------------------------- */

kist_status
kist_list_count(kist_list *list, uint64_t *count)
{
    ki_coll *c = &list->coll;
    ki_reader r;
    kist_status status;

    do {
        status = ki_read_begin(c, &r);
        if (status != KIST_OK) {
            return status;
        }
        *count = ki_seq_count(&r.gen->idx, r.own, r.header);
        status = ki_read_end(c, &r,
                             *count == UINT64_MAX ||
                                     ki_mapping_is_cut(&r.gen->idx.map)
                                 ? ki_bad_index(r.gen, r.header)
                                 : KIST_OK);
    } while (status == KI_AGAIN);
    return status;
}

/* The type is asked for once, not for each word. */
static void
inline_values(kist_type type, const uint64_t *words, uint32_t n,
              kist_value *values)
{
    uint32_t i;

    switch (type) {
    case KIST_INT:
        for (i = 0; i < n; i++) {
            values[i] = ki_klass_from_word(KIST_INT, words[i]);
        }
        return;
    case KIST_FLOAT:
        for (i = 0; i < n; i++) {
            values[i] = ki_klass_from_word(KIST_FLOAT, words[i]);
        }
        return;
    default:
        for (i = 0; i < n; i++) {
            values[i] = ki_klass_from_word(type, words[i]);
        }
    }
}

kist_status
ki_list_values(const ki_reader *r, kist_type type, const uint64_t *words,
               uint32_t n, kist_value *values)
{
    const uint64_t end = ki_log_end(r->gen);
    ki_record record;
    kist_status status = KIST_OK;
    uint64_t about;
    uint32_t i;

    if (ki_klass_inline(type)) {
        inline_values(type, words, n, values);
        return KIST_OK;
    }
    about = ki_keyed_at(r->gen, r->own, r->header, KI_C_ABOUT);
    i = ki_ways_here->run(r->gen, about >> 32, words, n, values);
    for (; i < n && status == KIST_OK; i++) {
        status = ki_reclog_load(&r->gen->log, words[i], end, &record)
                     ? ki_coll_value(r->gen, words[i], &record, &values[i])
                     : ki_bad_record(r->gen, words[i]);
    }
    return status;
}

static kist_status
get_once(kist_list *list, uint64_t index, size_t count, kist_value *values,
         size_t *got)
{
    ki_coll *c = &list->coll;
    ki_reader r;
    uint64_t words[64];
    uint32_t n;
    kist_status status;

    *got = 0;
    status = ki_read_begin(c, &r);
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    do {
        status = ki_seq_words(
            &r.gen->idx, r.own, r.header, index + *got, words,
            count - *got < 64 ? (uint32_t)(count - *got) : 64, &n);
        status = status == KIST_OK
                     ? ki_list_values(&r, c->type, words, n, values + *got)
                     : ki_bad_index(r.gen, r.header);
        *got += n;
    } while (status == KIST_OK && n > 0 && *got < count);
    if (KI_UNLIKELY(ki_mapping_is_cut(&r.gen->idx.map))) {
        status = ki_bad_index(r.gen, r.header);
    }
    return ki_read_end(c, &r, status);
}

kist_status
kist_list_get_many(kist_list *list, uint64_t index, size_t count,
                   kist_value *values, size_t *got)
{
    kist_status status;

    if (count == 0) {
        *got = 0;
        return KIST_OK;
    }
    do {
        status = get_once(list, index, count, values, got);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

static kist_status
get_one(ki_coll *c, uint64_t index, kist_value *value)
{
    ki_reader r;
    ki_record record;
    uint64_t word = 0;
    uint32_t got;
    kist_status status;

    status = ki_read_begin(c, &r);
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    status = ki_seq_words(&r.gen->idx, r.own, r.header, index, &word, 1, &got);
    if (KI_UNLIKELY(status != KIST_OK || ki_mapping_is_cut(&r.gen->idx.map))) {
        status = ki_bad_index(r.gen, r.header);
    }
    else if (got == 0) {
        status = KIST_ERR_RANGE;
    }
    else if (ki_klass_inline(c->type)) {
        *value = ki_klass_from_word(c->type, word);
    }
    else {
        status = ki_reclog_load(&r.gen->log, word, ki_log_end(r.gen), &record)
                     ? ki_coll_value(r.gen, word, &record, value)
                     : ki_bad_record(r.gen, word);
    }
    return ki_read_end(c, &r, status);
}

kist_status
ki_list_get_slowly(ki_coll *c, uint64_t index, kist_value *value)
{
    kist_status status;

    do {
        status = get_one(c, index, value);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

kist_status
kist_list_get(kist_list *list, uint64_t index, kist_value *value)
{
    return ki_ways_here->item(&list->coll, index, value);
}

/* --- writing
 * ------------------------------------------------------------------------ */

/*
 * One change of a list: it becomes a record, which is then applied as replay
 * will apply it.  `index` is checked against the count under the lock.
 */
typedef struct list_change {
    ki_op op;
    uint64_t index;
    uint64_t count;          /* KI_OP_REMOVE */
    const kist_value *value; /* or NULL */
    kist_slice bytes;        /* value bytes where there is no value */
    kist_value *removed;     /* KI_OP_REMOVE of one: what it was */
    uint64_t expected;       /* KI_OP_PERMUTE: the count it is for */
} list_change;

/* Does the change fit the list as it is?  Sets the position of an append. */
static kist_status
check_change(list_change *change, uint64_t total)
{
    switch (change->op) {
    case KI_OP_APPEND:
        change->index = total;
        return KIST_OK;
    case KI_OP_INSERT:
        return change->index <= total ? KIST_OK : KIST_ERR_RANGE;
    case KI_OP_SET:
        return change->index < total ? KIST_OK : KIST_ERR_RANGE;
    case KI_OP_REMOVE:
        if (change->index == KIST_LAST && change->count == 1 && total > 0) {
            change->index = total - 1;
        }
        return change->index < total && change->count <= total - change->index
                   ? KIST_OK
                   : KIST_ERR_RANGE;
    case KI_OP_PERMUTE:
        return change->expected == total ? KIST_OK : KIST_ERR_CHANGED;
    default:
        return KIST_OK;
    }
}

static kist_status
read_removed(ki_writer *w, kist_type type, uint64_t header, uint64_t index,
             kist_value *removed)
{
    const ki_reader r = {w->gen, ki_write_view(w), header};
    uint64_t word;
    uint32_t got;

    if (ki_seq_words(&w->gen->idx, r.own, header, index, &word, 1, &got) !=
            KIST_OK ||
        got != 1) {
        return ki_bad_index(w->gen, header);
    }
    return ki_list_values(&r, type, &word, 1, removed);
}

static kist_status
write_change(ki_writer *w, const ki_coll *c, uint64_t header,
             list_change *change)
{
    const uint64_t total =
        ki_seq_count(&w->gen->idx, ki_write_view(w), header);
    uint8_t count[8];
    ki_record record;
    uint64_t offset;
    uint64_t word;
    kist_status status;

    status = check_change(change, total);
    if (status == KIST_OK && change->removed != NULL) {
        status =
            read_removed(w, c->type, header, change->index, change->removed);
    }
    if (status != KIST_OK) {
        return status;
    }
    if (change->op != KI_OP_APPEND && change->op != KI_OP_SET &&
        ki_klass_inline(c->type)) {
        ki_views_drop(w->gen, header);
    }
    if (change->op == KI_OP_SET && !w->batch) {
        ki_seq_ask(w->gen, header, c->type, change->index);
    }
    memset(&record, 0, sizeof(record));
    record.op = (uint8_t)change->op;
    record.tag = KIST_BYTES;
    record.coll = ki_coll_id(&w->tx, header);
    record.slot = change->index;
    record.value = change->bytes.data;
    record.vsize = (uint32_t)change->bytes.size;
    if (change->op == KI_OP_REMOVE && change->count != 1) {
        ki_store_le64(count, change->count);
        record.value = count;
        record.vsize = sizeof(count);
    }
    status = ki_write_record(w, &record, change->value, change->value == NULL,
                             &offset);
    if (status != KIST_OK) {
        return status;
    }
    word = change->value != NULL && ki_klass_inline(c->type)
               ? ki_klass_to_word(change->value)
               : offset;
    return ki_seq_change(w->gen, &w->tx, header, total, word, offset, &record);
}

static kist_status
change_once(ki_coll *c, list_change *change)
{
    ki_writer *w;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, NULL, &w, &header);
    if (KI_UNLIKELY(status != KIST_OK)) {
        return status;
    }
    status = write_change(w, c, header, change);
    return ki_write_end(c->k, w, status);
}

static kist_status
change_list(kist_list *list, list_change *change)
{
    kist_status status;

    do {
        status = change_once(&list->coll, change);
    } while (KI_UNLIKELY(status == KI_AGAIN));
    return status;
}

static kist_status
check_value(const ki_coll *c, const kist_value *value)
{
    if (KI_UNLIKELY(kist_type_has_bytes(value->type) &&
                    value->as.bytes.size > KIST_VALUE_SIZE_MAX)) {
        return KI_FAIL(KIST_ERR_TOOBIG, c->k->log_path, KI_NO_OFFSET, "value");
    }
    return ki_klass_check(c->type, value);
}

static kist_status
change_value(kist_list *list, ki_op op, uint64_t index,
             const kist_value *value)
{
    list_change change = {.op = op, .index = index, .value = value};
    const kist_status status = check_value(&list->coll, value);

    return status == KIST_OK ? change_list(list, &change) : status;
}

kist_status
kist_list_set(kist_list *list, uint64_t index, const kist_value *value)
{
    return change_value(list, KI_OP_SET, index, value);
}

kist_status
kist_list_append(kist_list *list, const kist_value *value)
{
    return change_value(list, KI_OP_APPEND, 0, value);
}

kist_status
kist_list_insert(kist_list *list, uint64_t index, const kist_value *value)
{
    return change_value(list, KI_OP_INSERT, index, value);
}

static kist_status
append_some(kist_list *list, const kist_value *values, size_t count,
            size_t *done)
{
    ki_coll *c = &list->coll;
    ki_writer *w;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, NULL, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    while (*done < count && status == KIST_OK) {
        list_change change = {.op = KI_OP_APPEND, .value = &values[*done]};

        status = write_change(w, c, header, &change);
        if (status == KIST_OK) {
            ki_write_step(w);
            *done += 1;
        }
    }
    if (status != KIST_OK && w->batch) {
        *done = 0; // undone by the end of the call
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_list_append_many(kist_list *list, const kist_value *values, size_t count,
                      size_t *done)
{
    size_t n = 0;
    size_t i;
    kist_status status = KIST_OK;

    for (i = 0; i < count && status == KIST_OK; i++) {
        status = check_value(&list->coll, &values[i]);
    }
    if (status == KIST_OK && count > 0) {
        do {
            status = append_some(list, values, count, &n);
        } while (status == KI_AGAIN);
    }
    if (done != NULL) {
        *done = n;
    }
    return status;
}

kist_status
kist_list_pop(kist_list *list, uint64_t index, kist_value *value)
{
    list_change change = {
        .op = KI_OP_REMOVE, .index = index, .count = 1, .removed = value};

    return change_list(list, &change);
}

kist_status
kist_list_remove_range(kist_list *list, uint64_t index, uint64_t count)
{
    list_change change = {.op = KI_OP_REMOVE, .index = index, .count = count};
    uint64_t total;
    kist_status status;

    if (count > 0) {
        return change_list(list, &change);
    }
    status = kist_list_count(list, &total);
    return status == KIST_OK && index > total ? KIST_ERR_RANGE : status;
}

kist_status
kist_list_clear(kist_list *list)
{
    list_change change = {.op = KI_OP_CLEAR};

    return change_list(list, &change);
}

kist_status
kist_list_reverse(kist_list *list)
{
    list_change change = {.op = KI_OP_REVERSE};

    return change_list(list, &change);
}

/* --- permuting
 * ------------------------------------------------------------------------ */

/* True if order[] holds each of 0 .. count-1 once. */
static kist_status
check_order(const ki_coll *c, const uint64_t *order, uint64_t count)
{
    uint8_t *seen = ki_calloc((size_t)(count / 8) + 1, 1);
    kist_status status = KIST_OK;
    uint64_t i;

    if (seen == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, c->k->log_path, KI_NO_OFFSET,
                       "permutation");
    }
    for (i = 0; i < count && status == KIST_OK; i++) {
        if (order[i] >= count ||
            (seen[order[i] / 8] >> (order[i] % 8) & 1) != 0) {
            status = KI_FAIL(KIST_ERR_INVALID, c->k->log_path, KI_NO_OFFSET,
                             "not a permutation");
        }
        else {
            seen[order[i] / 8] |= (uint8_t)(1u << (order[i] % 8));
        }
    }
    ki_free(seen);
    return status;
}

kist_status
ki_list_permute_locked(ki_writer *w, const ki_coll *c, uint64_t header,
                       const uint64_t *order, uint64_t count)
{
    list_change change = {.op = KI_OP_PERMUTE, .expected = count};
    uint8_t *bytes;
    kist_status status;
    uint64_t i;

    if (count == 0) {
        return KIST_OK;
    }
    if (count > KIST_VALUE_SIZE_MAX / 4) {
        return KI_FAIL(KIST_ERR_TOOBIG, c->k->log_path, KI_NO_OFFSET,
                       "permutation");
    }
    bytes = ki_realloc(NULL, (size_t)count * 4);
    if (bytes == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, c->k->log_path, KI_NO_OFFSET,
                       "permutation");
    }
    for (i = 0; i < count; i++) {
        ki_store_le32(bytes + i * 4, (uint32_t)order[i]);
    }
    change.bytes = kist_bytes(bytes, (size_t)count * 4);
    status = write_change(w, c, header, &change);
    ki_free(bytes);
    return status;
}

static kist_status
permute_once(ki_coll *c, const uint64_t *order, uint64_t count)
{
    ki_writer *w;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, NULL, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    if (count == 0 && ki_seq_count(&w->gen->idx, ki_write_view(w), header)) {
        status = KIST_ERR_CHANGED;
    }
    else {
        status = ki_list_permute_locked(w, c, header, order, count);
    }
    return ki_write_end(c->k, w, status);
}

kist_status
kist_list_permute(kist_list *list, const uint64_t *order, uint64_t count)
{
    kist_status status = check_order(&list->coll, order, count);

    if (status != KIST_OK) {
        return status;
    }
    do {
        status = permute_once(&list->coll, order, count);
    } while (status == KI_AGAIN);
    return status;
}
