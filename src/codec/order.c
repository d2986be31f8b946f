/*
 * Equality and order of values, as Python has them.
 *
 * Numbers compare by their exact value, whatever their types: 2**53 + 1 is
 * not the float 2.0**53.  Text orders by code point, which in UTF-8 is the
 * order of the bytes.  Tuples and lists order by their first unequal items.
 *
 * A NaN equals nothing.  Python says of it that every comparison is false, so
 * kist_value_compare() answers 1, "not less", in both directions.  As a
 * member of a set or key of a dict a NaN is known by its bits (member.h).
 *
 * What is kept as text (DATETIME, TIME, DECIMAL, JSON) is equal if the text
 * is.  DATE, UUID and TIMEDELTA can be ordered, DATETIME and TIME if both are
 * without UTC offset.  NULL, COMPLEX, sets, dicts, DECIMAL, JSON and REF
 * cannot.
 *
 * Values that kist_value_check() would refuse are safe to give, and equal to
 * nothing as soon as the fault is met.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assertion.h"
#include "base/fail.h"
#include "codec/item.h"
#include "codec/member.h"
#include "codec/number.h"

/*
 * Kept out of the recursive functions' frames, of which there may be
 * KIST_PACK_DEPTH_MAX on the stack at once.
 */
#define NOT_IN_FRAME __attribute__((noinline))

/* How NaNs compare: as Python's == has it, or as members of a set. */
typedef enum nan_rule { NAN_UNEQUAL, NAN_BY_BITS } nan_rule;

static bool equal(const kist_value *a, const kist_value *b, unsigned depth,
                  nan_rule rule);

static bool
bytes_equal(kist_slice a, kist_slice b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* A number whose bytes, if it has any, are well formed. */
static bool
is_number(const kist_value *v)
{
    switch (v->type) {
    case KIST_BOOL:
    case KIST_INT:
    case KIST_FLOAT:
        return true;
    case KIST_BIGINT:
        return ki_bigint_valid(v->as.bytes);
    case KIST_COMPLEX:
        return v->as.bytes.size == 16;
    default:
        return false;
    }
}

static bool
reals_equal(const kist_value *a, const kist_value *b, nan_rule rule)
{
    int order;

    if (ki_number_compare(a, b, &order)) {
        return order == 0;
    }
    return rule == NAN_BY_BITS && a->type == b->type &&
           memcmp(&a->as.real, &b->as.real, sizeof(a->as.real)) == 0;
}

/* Takes a number apart; a real one has the imaginary part 0. */
static void
number_split(const kist_value *v, kist_value *real, kist_value *imaginary)
{
    const uint8_t *parts = v->as.bytes.data;

    *real = *v;
    *imaginary = kist_float(0.0);
    if (v->type == KIST_COMPLEX) {
        *real = kist_float(0.0);
        memcpy(&real->as.real, parts, 8);
        memcpy(&imaginary->as.real, parts + 8, 8);
    }
}

NOT_IN_FRAME static bool
numbers_equal(const kist_value *a, const kist_value *b, nan_rule rule)
{
    kist_value a_real;
    kist_value a_imaginary;
    kist_value b_real;
    kist_value b_imaginary;

    if (a->type != KIST_COMPLEX && b->type != KIST_COMPLEX) {
        return reals_equal(a, b, rule);
    }
    number_split(a, &a_real, &a_imaginary);
    number_split(b, &b_real, &b_imaginary);
    return reals_equal(&a_real, &b_real, rule) &&
           reals_equal(&a_imaginary, &b_imaginary, rule);
}

/* Tuples and lists. */
static bool
sequences_equal(kist_slice a, kist_slice b, unsigned depth, nan_rule rule)
{
    kist_value x;
    kist_value y;

    while (a.size > 0 && b.size > 0) {
        if (ki_item_load(&a, &x) != KIST_OK ||
            ki_item_load(&b, &y) != KIST_OK || !equal(&x, &y, depth, rule)) {
            return false;
        }
    }
    return a.size == 0 && b.size == 0;
}

/* A set's item or a dict's key, in canonical bytes, and what follows it. */
typedef struct entry {
    kist_slice key;
    kist_slice rest; // of the container, behind the key item
} entry;

/* The entries of a set or dict by key, each once. */
typedef struct table {
    entry *entries; // owned
    size_t count;
    kist_buf keys; // owned; the entries' keys are views of it
} table;

static void
table_fini(table *t)
{
    ki_free(t->entries);
    kist_buf_fini(&t->keys);
}

/* Equal keys stay in the order in which they were packed. */
static int
entry_order(const void *a, const void *b)
{
    const entry *x = a;
    const entry *y = b;
    const int order = ki_bytes_compare(x->key, y->key);

    if (order != 0) {
        return order;
    }
    return (y->rest.size > x->rest.size) - (y->rest.size < x->rest.size);
}

/* Sorts the entries and keeps the last of those with one key. */
static void
table_sort(table *t)
{
    size_t kept = 0;

    qsort(t->entries, t->count, sizeof(*t->entries), entry_order);
    for (size_t i = 0; i < t->count; i++) {
        if (i + 1 == t->count ||
            !bytes_equal(t->entries[i].key, t->entries[i + 1].key)) {
            t->entries[kept++] = t->entries[i];
        }
    }
    t->count = kept;
}

/*
 * Fills a zeroed table.  `step` is 1 for a set and 2 for a dict.  Fails with
 * NOMEM, and as ki_member_pack() does; the caller calls table_fini() anyway.
 */
NOT_IN_FRAME static kist_status
table_fill(table *t, kist_slice packed, size_t step)
{
    const uint8_t *key;
    kist_value item;
    kist_status status;
    size_t count;

    status = ki_item_count(packed, &count);
    if (status != KIST_OK || count % step != 0) {
        return KIST_ERR_CORRUPT;
    }
    if (count == 0) {
        return KIST_OK;
    }
    t->entries = ki_calloc(count / step, sizeof(*t->entries));
    if (t->entries == NULL) {
        return KIST_ERR_NOMEM;
    }
    while (ki_item_load(&packed, &item) == KIST_OK) {
        const size_t before = t->keys.size;

        status = ki_member_pack(&item, &t->keys);
        if (status != KIST_OK) {
            return status;
        }
        t->entries[t->count].key.size = t->keys.size - before;
        t->entries[t->count].rest = packed;
        t->count++;
        if (step == 2 && ki_item_load(&packed, &item) != KIST_OK) {
            return KIST_ERR_CORRUPT;
        }
    }
    // Only now the keys stay where they are.
    key = t->keys.data;
    for (size_t i = 0; i < t->count; i++) {
        t->entries[i].key.data = key;
        key += t->entries[i].key.size;
    }
    table_sort(t);
    return KIST_OK;
}

static bool
tables_equal(const table *a, const table *b, size_t step, unsigned depth,
             nan_rule rule)
{
    kist_value x;
    kist_value y;

    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        kist_slice a_rest = a->entries[i].rest;
        kist_slice b_rest = b->entries[i].rest;

        if (!bytes_equal(a->entries[i].key, b->entries[i].key)) {
            return false;
        }
        if (step == 2 && (ki_item_load(&a_rest, &x) != KIST_OK ||
                          ki_item_load(&b_rest, &y) != KIST_OK ||
                          !equal(&x, &y, depth, rule))) {
            return false;
        }
    }
    return true;
}

/* Finds `key` among the items or keys; *rest is then what follows it. */
static bool
entry_find(kist_slice packed, size_t step, const kist_value *key,
           unsigned depth, kist_slice *rest)
{
    kist_value item;

    while (ki_item_load(&packed, &item) == KIST_OK) {
        if (equal(&item, key, depth, NAN_BY_BITS)) {
            *rest = packed;
            return true;
        }
        if (step == 2 && ki_item_load(&packed, &item) != KIST_OK) {
            return false;
        }
    }
    return false;
}

/*
 * The answer for when there is no memory for tables: the same for sets and
 * dicts that hold each item once, but it takes the time of n * n.
 */
NOT_IN_FRAME static bool
unordered_equal_slow(kist_slice a, kist_slice b, size_t step, unsigned depth,
                     nan_rule rule)
{
    kist_value item;
    kist_value other;
    kist_slice rest;
    size_t a_count;
    size_t b_count;

    if (ki_item_count(a, &a_count) != KIST_OK ||
        ki_item_count(b, &b_count) != KIST_OK || a_count != b_count ||
        a_count % step != 0) {
        return false;
    }
    while (ki_item_load(&a, &item) == KIST_OK) {
        if (!entry_find(b, step, &item, depth, &rest)) {
            return false;
        }
        if (step == 2 && (ki_item_load(&a, &item) != KIST_OK ||
                          ki_item_load(&rest, &other) != KIST_OK ||
                          !equal(&item, &other, depth, rule))) {
            return false;
        }
    }
    return true;
}

/* Sets (step 1) and dicts (step 2): order does not matter. */
static bool
unordered_equal(kist_slice a, kist_slice b, size_t step, unsigned depth,
                nan_rule rule)
{
    table x = {0};
    table y = {0};
    kist_status status = table_fill(&x, a, step);
    bool result = false;

    if (status == KIST_OK) {
        status = table_fill(&y, b, step);
    }
    if (status == KIST_OK) {
        result = tables_equal(&x, &y, step, depth, rule);
    }
    table_fini(&x);
    table_fini(&y);
    if (status == KIST_ERR_NOMEM) {
        result = unordered_equal_slow(a, b, step, depth, rule);
    }
    return result;
}

static bool
is_set(const kist_value *v)
{
    return v->type == KIST_SET || v->type == KIST_FROZENSET;
}

/* `depth` counts the containers around the two. */
static bool
equal(const kist_value *a, const kist_value *b, unsigned depth, nan_rule rule)
{
    const kist_slice x = a->as.bytes;
    const kist_slice y = b->as.bytes;

    if (is_number(a)) {
        return is_number(b) && numbers_equal(a, b, rule);
    }
    if (is_set(a) ? !is_set(b) : a->type != b->type) {
        return false;
    }
    if (!ki_tag_is_container((unsigned)a->type)) {
        return a->type == KIST_NULL ||
               (ki_tag_has_bytes((unsigned)a->type) && bytes_equal(x, y));
    }
    if (depth >= KIST_PACK_DEPTH_MAX) {
        return false;
    }
    if (is_set(a)) {
        return unordered_equal(x, y, 1, depth + 1, rule);
    }
    if (a->type == KIST_DICT) {
        return unordered_equal(x, y, 2, depth + 1, rule);
    }
    return sequences_equal(x, y, depth + 1, rule);
}

bool
kist_value_equal(const kist_value *a, const kist_value *b)
{
    return equal(a, b, 0, NAN_UNEQUAL);
}

/* Does the text of a DATETIME or TIME end in a UTC offset? */
static bool
has_offset(const kist_value *v)
{
    const char *text = v->as.bytes.data;
    size_t i = v->type == KIST_DATETIME ? sizeof("2000-01-01") - 1 : 0;

    for (; i < v->as.bytes.size; i++) {
        if (text[i] == '+' || text[i] == '-' || text[i] == 'Z') {
            return true;
        }
    }
    return false;
}

/* True if two values of the type of *a order as their bytes do. */
static bool
orders_by_bytes(const kist_value *a, const kist_value *b)
{
    switch (a->type) {
    case KIST_TEXT:
    case KIST_BYTES:
    case KIST_DATE:
    case KIST_UUID:
        return true;
    case KIST_DATETIME:
    case KIST_TIME:
        return !has_offset(a) && !has_offset(b);
    default:
        return false;
    }
}

static bool
is_sequence(const kist_value *v)
{
    // A timedelta is three ints, and orders as a tuple of them does.
    return v->type == KIST_TUPLE || v->type == KIST_LIST ||
           v->type == KIST_TIMEDELTA;
}

static kist_status
leaves_compare(const kist_value *a, const kist_value *b, int *order)
{
    if (is_number(a) && is_number(b) && a->type != KIST_COMPLEX &&
        b->type != KIST_COMPLEX) {
        if (!ki_number_compare(a, b, order)) {
            *order = 1;
        }
        return KIST_OK;
    }
    if (a->type == b->type && orders_by_bytes(a, b)) {
        *order = ki_bytes_compare(a->as.bytes, b->as.bytes);
        return KIST_OK;
    }
    return KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET,
                   "values cannot be ordered");
}

/*
 * Steps over the items that are equal to the first pair that is not, in *a
 * and *b.  END: there is none, and *order is that of the lengths.
 */
static kist_status
first_unequal(kist_value *a, kist_value *b, unsigned depth, int *order)
{
    kist_slice x = a->as.bytes;
    kist_slice y = b->as.bytes;
    kist_status status;

    while (x.size > 0 && y.size > 0) {
        status = kist_unpack_value(&x, a);
        if (status == KIST_OK) {
            status = kist_unpack_value(&y, b);
        }
        if (status != KIST_OK) {
            return status;
        }
        if (!equal(a, b, depth, NAN_UNEQUAL)) {
            return KIST_OK;
        }
    }
    *order = (x.size > 0) - (y.size > 0);
    return KIST_END;
}

kist_status
kist_value_compare(const kist_value *a, const kist_value *b, int *order)
{
    kist_value x = *a;
    kist_value y = *b;
    kist_status status;

    // Only one pair of items decides, so there is nothing to come back to.
    for (unsigned depth = 0; depth < KIST_PACK_DEPTH_MAX; depth++) {
        if (x.type != y.type || !is_sequence(&x)) {
            return leaves_compare(&x, &y, order);
        }
        status = first_unequal(&x, &y, depth + 1, order);
        if (status != KIST_OK) {
            return status == KIST_END ? KIST_OK : status;
        }
    }
    return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET,
                   "values to compare are nested too deep");
}
