#include "codec/member.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/varint.h"
#include "codec/item.h"
#include "codec/number.h"

/*
 * Kept out of the recursive functions' frames, of which there may be
 * KIST_PACK_DEPTH_MAX on the stack at once.
 */
#define NOT_IN_FRAME __attribute__((noinline))

/* Bytes of a canonical number that its value may be a view of. */
typedef struct scratch {
    uint8_t integer[KI_FLOAT_INT_SIZE_MAX];
    uint8_t complex[16];
} scratch;

/*
 * The canonical form of a value that is no TUPLE or FROZENSET, to its own
 * bytes or to *room.
 */
static kist_value
leaf_canonical(const kist_value *v, scratch *room)
{
    kist_value result = *v;
    const uint8_t *parts;
    double real;
    double imaginary;

    switch (v->type) {
    case KIST_BOOL:
        return kist_int(v->as.boolean);
    case KIST_FLOAT:
        (void)ki_float_to_integer(v->as.real, room->integer, &result);
        return result;
    case KIST_COMPLEX:
        parts = v->as.bytes.data;
        memcpy(&real, parts, sizeof(real));
        memcpy(&imaginary, parts + 8, sizeof(imaginary));
        if (imaginary <= 0.0 && imaginary >= 0.0) {
            result = kist_float(real);
            (void)ki_float_to_integer(real, room->integer, &result);
        }
        else if (real <= 0.0 && real >= 0.0) {
            // A real part of -0.0 equals one of 0.0.
            memset(room->complex, 0, 8);
            memcpy(room->complex + 8, parts + 8, 8);
            result = kist_blob(KIST_COMPLEX, room->complex, 16);
        }
        return result;
    default:
        return result;
    }
}

/* Can this value, itself, be hashed, and is it safe to take apart? */
static kist_status
hashable_check(const kist_value *v)
{
    if (!ki_tag_valid((unsigned)v->type) ||
        ki_tag_is_unhashable((unsigned)v->type)) {
        return KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET,
                       "value is not hashable");
    }
    if ((v->type == KIST_COMPLEX && v->as.bytes.size != 16) ||
        (v->type == KIST_BIGINT && !ki_bigint_valid(v->as.bytes))) {
        return KI_FAIL(KIST_ERR_CORRUPT, NULL, KI_NO_OFFSET,
                       "number is malformed");
    }
    return KIST_OK;
}

static int
slice_order(const void *a, const void *b)
{
    return ki_bytes_compare(*(const kist_slice *)a, *(const kist_slice *)b);
}

/*
 * Copies the sorted items, each once, over the unsorted ones.  They are
 * gathered in a second buffer first, for they overlap.
 */
static kist_status
items_rewrite(kist_buf *items, size_t start, const kist_slice *sorted,
              size_t count)
{
    kist_buf gathered = {0};
    kist_status status = kist_buf_reserve(&gathered, items->size - start);

    for (size_t i = 0; i < count && status == KIST_OK; i++) {
        if (i == 0 || ki_bytes_compare(sorted[i - 1], sorted[i]) != 0) {
            status =
                kist_buf_append(&gathered, sorted[i].data, sorted[i].size);
        }
    }
    if (status == KIST_OK && gathered.size > 0) {
        memcpy(items->data + start, gathered.data, gathered.size);
        items->size = start + gathered.size;
    }
    kist_buf_fini(&gathered);
    return status;
}

/* Sorts the items that stand in *items from `start` to its end. */
NOT_IN_FRAME static kist_status
items_sort(kist_buf *items, size_t start, size_t count)
{
    kist_slice rest = {items->data + start, items->size - start};
    kist_slice *sorted;
    kist_status status = KIST_OK;
    bool done = true;

    if (count < 2) {
        return KIST_OK;
    }
    sorted = ki_calloc(count, sizeof(*sorted));
    if (sorted == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "set member");
    }
    for (size_t i = 0; i < count && status == KIST_OK; i++) {
        const uint8_t *item = rest.data;
        kist_value value;

        status = ki_item_load(&rest, &value);
        sorted[i] =
            kist_bytes(item, (size_t)((uintptr_t)rest.data - (uintptr_t)item));
        done = done && (i == 0 || slice_order(&sorted[i - 1], &sorted[i]) < 0);
    }
    KI_ASSERT(status == KIST_OK); // We packed them ourselves.
    if (status == KIST_OK && !done) {
        qsort(sorted, count, sizeof(*sorted), slice_order);
        status = items_rewrite(items, start, sorted, count);
    }
    ki_free(sorted);
    return status;
}

/*
 * Writes the size of the payload that stands from `start` to the end of
 * *items into the byte before it, and moves the payload on if one byte is not
 * enough.
 */
NOT_IN_FRAME static kist_status
size_insert(kist_buf *items, size_t start)
{
    const size_t size = items->size - start;
    uint8_t varint[KI_VARINT_SIZE_MAX];
    const size_t more = ki_varint_store(varint, size) - 1;
    const kist_status status = kist_buf_reserve(items, more);

    if (status != KIST_OK) {
        return status;
    }
    if (more > 0) {
        memmove(items->data + start + more, items->data + start, size);
    }
    memcpy(items->data + start - 1, varint, more + 1);
    items->size += more;
    return KIST_OK;
}

NOT_IN_FRAME static kist_status
leaf_pack(const kist_value *v, kist_buf *items)
{
    scratch room;
    const kist_value canonical = leaf_canonical(v, &room);

    return kist_pack_value(items, &canonical);
}

static kist_status pack(const kist_value *v, kist_buf *items, unsigned depth);

/*
 * Appends the canonical payload of a TUPLE or FROZENSET.  Recursion stops at
 * KIST_PACK_DEPTH_MAX; what it holds per level is small, for the scratch of
 * numbers is in leaf_pack()'s frame and sorting allocates.
 */
static kist_status
container_pack(const kist_value *v, kist_buf *items, unsigned depth)
{
    const size_t start = items->size;
    kist_slice rest = v->as.bytes;
    kist_value item;
    kist_status status;
    size_t count = 0;

    if (depth >= KIST_PACK_DEPTH_MAX) {
        return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET,
                       "set member is nested too deep");
    }
    while ((status = kist_unpack_value(&rest, &item)) == KIST_OK) {
        status = pack(&item, items, depth + 1);
        if (status != KIST_OK) {
            return status;
        }
        count++;
    }
    if (status != KIST_END) {
        return status;
    }
    return v->type == KIST_FROZENSET ? items_sort(items, start, count)
                                     : KIST_OK;
}

/* Appends the canonical form as an item; leaves a mess on failure. */
static kist_status
pack(const kist_value *v, kist_buf *items, unsigned depth)
{
    const uint8_t head[2] = {(uint8_t)v->type, 0};
    kist_status status = hashable_check(v);
    size_t start;

    if (status != KIST_OK) {
        return status;
    }
    if (!ki_tag_is_container((unsigned)v->type)) {
        return leaf_pack(v, items);
    }
    status = kist_buf_append(items, head, sizeof(head));
    if (status != KIST_OK) {
        return status;
    }
    start = items->size;
    status = container_pack(v, items, depth);
    return status == KIST_OK ? size_insert(items, start) : status;
}

kist_status
ki_member_pack(const kist_value *v, kist_buf *items)
{
    const size_t size = items->size;
    const kist_status status = pack(v, items, 0);

    if (status != KIST_OK) {
        items->size = size;
    }
    return status;
}

static kist_status
leaf_key(const kist_value *v, kist_buf *key)
{
    scratch room;
    const kist_value canonical = leaf_canonical(v, &room);
    const size_t size = ki_value_payload_size(&canonical);
    kist_status status;

    if (size == SIZE_MAX) {
        return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "set member");
    }
    status = kist_buf_reserve(key, size + 1);
    if (status == KIST_OK) {
        key->data[0] = (uint8_t)canonical.type;
        ki_value_payload_store(key->data + 1, &canonical);
        key->size = size + 1;
    }
    return status;
}

kist_status
ki_member_key(const kist_value *v, kist_buf *key)
{
    const uint8_t tag = (uint8_t)v->type;
    kist_status status = hashable_check(v);

    kist_buf_clear(key);
    if (status != KIST_OK) {
        return status;
    }
    if (!ki_tag_is_container(tag)) {
        return leaf_key(v, key);
    }
    status = kist_buf_append(key, &tag, 1);
    if (status == KIST_OK) {
        status = container_pack(v, key, 0);
    }
    if (status != KIST_OK) {
        kist_buf_clear(key);
    }
    return status;
}

NOT_IN_FRAME static bool
leaf_is_canonical(const kist_value *v)
{
    scratch room;
    kist_value canonical;

    if (v->type == KIST_BIGINT) {
        return ki_bigint_valid(v->as.bytes);
    }
    if (v->type == KIST_COMPLEX && v->as.bytes.size != 16) {
        return false;
    }
    canonical = leaf_canonical(v, &room);
    return canonical.type == v->type &&
           (v->type != KIST_COMPLEX ||
            memcmp(canonical.as.bytes.data, v->as.bytes.data, 16) == 0);
}

static bool
is_canonical(const kist_value *v, unsigned depth)
{
    kist_slice rest = v->as.bytes;
    kist_slice before = {NULL, 0};
    kist_value item;

    if (!ki_tag_valid((unsigned)v->type) ||
        ki_tag_is_unhashable((unsigned)v->type)) {
        return false;
    }
    if (!ki_tag_is_container((unsigned)v->type)) {
        return leaf_is_canonical(v);
    }
    if (depth >= KIST_PACK_DEPTH_MAX) {
        return false;
    }
    while (rest.size > 0) {
        const uint8_t *at = rest.data;
        const size_t left = rest.size;

        if (ki_item_load(&rest, &item) != KIST_OK ||
            !is_canonical(&item, depth + 1)) {
            return false;
        }
        if (v->type == KIST_FROZENSET) {
            const kist_slice now = {at, left - rest.size};

            // `before` of no bytes is before the first item.
            if (ki_bytes_compare(before, now) >= 0) {
                return false;
            }
            before = now;
        }
    }
    return true;
}

bool
ki_member_key_small(const kist_value *v, uint8_t room[KI_MEMBER_SMALL],
                    kist_slice *key)
{
    size_t size = 8;

    switch (v->type) {
    case KIST_TEXT:
    case KIST_BYTES:
        size = v->as.bytes.size;
        if (size >= KI_MEMBER_SMALL) {
            return false;
        }
        room[0] = (uint8_t)v->type;
        if (size > 0) {
            memcpy(room + 1, v->as.bytes.data, size);
        }
        break;
    case KIST_BOOL:
        room[0] = KIST_INT;
        ki_store_le64(room + 1, v->as.boolean);
        break;
    case KIST_INT:
        room[0] = KIST_INT;
        ki_store_le64(room + 1, (uint64_t)v->as.integer);
        break;
    default:
        return false;
    }
    *key = kist_bytes(room, size + 1);
    return true;
}

bool
ki_member_is_canonical(const kist_value *v)
{
    return is_canonical(v, 0);
}

kist_status
ki_member_load(kist_slice key, kist_value *v)
{
    const uint8_t *bytes = key.data;

    if (key.size == 0 || bytes[0] == KIST_BOOL ||
        ki_tag_is_unhashable(bytes[0])) {
        return KIST_ERR_CORRUPT;
    }
    return ki_value_payload_load(bytes[0], bytes + 1, key.size - 1, v);
}
