#include "kist/pack.h"

#include "base/fail.h"
#include "codec/item.h"
#include "codec/number.h"
#include "codec/utf8.h"

kist_status
kist_pack_value(kist_buf *buf, const kist_value *value)
{
    const unsigned tag = (unsigned)value->type;
    const size_t size = ki_value_payload_size(value);
    uint8_t head[1 + KI_VARINT_SIZE_MAX] = {(uint8_t)tag};
    size_t head_size = 1;
    kist_status status;
    uint8_t *to;

    if (!ki_tag_valid(tag)) {
        return KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET,
                       "value has no type of values");
    }
    if (size > SIZE_MAX - 1 - KI_VARINT_SIZE_MAX) {
        return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "packed value");
    }
    // The head is made first, so that room is asked for to the byte.
    if (ki_tag_has_bytes(tag)) {
        head_size += ki_varint_store(head + 1, size);
    }
    status = kist_buf_reserve(buf, head_size + size);
    if (status != KIST_OK) {
        return status;
    }
    to = buf->data + buf->size;
    memcpy(to, head, head_size);
    ki_value_payload_store(to + head_size, value);
    buf->size += head_size + size;
    return KIST_OK;
}

kist_status
kist_unpack_value(kist_slice *packed, kist_value *value)
{
    const kist_status status = ki_item_load(packed, value);

    if (status == KIST_ERR_CORRUPT) {
        return KI_FAIL(status, NULL, KI_NO_OFFSET, "packed item");
    }
    return status;
}

/* A container that the check is inside of. */
typedef struct frame {
    const uint8_t *end; // of its payload
    bool dict;
    bool at_value; // dict: the next item is a value, not a key
    bool hashable; // it is part of a set's item or of a key
} frame;

/* Must the next item of this container be hashable? */
static bool
next_hashable(const frame *top)
{
    return top->hashable || (top->dict && !top->at_value);
}

static bool
timedelta_valid(kist_slice bytes)
{
    kist_value part;
    int count = 0;

    while (ki_item_load(&bytes, &part) == KIST_OK) {
        if (part.type != KIST_INT) {
            return false;
        }
        count++;
    }
    return bytes.size == 0 && count == 3;
}

/* The bytes of a value that is no container; NULL if they are well formed. */
static const char *
leaf_fault(const kist_value *v)
{
    const kist_slice bytes = v->as.bytes;

    switch (v->type) {
    case KIST_TEXT:
    case KIST_JSON:
    case KIST_DATETIME:
    case KIST_DATE:
    case KIST_TIME:
    case KIST_DECIMAL:
        return ki_utf8_valid(bytes.data, bytes.size) ? NULL
                                                     : "text is not UTF-8";
    case KIST_BIGINT:
        return ki_bigint_valid(bytes)
                   ? NULL
                   : "big int is not minimal or fits 64 bits";
    case KIST_TIMEDELTA:
        return timedelta_valid(bytes) ? NULL : "timedelta is not three ints";
    case KIST_UUID:
        return bytes.size == 16 ? NULL : "UUID is not 16 bytes";
    case KIST_COMPLEX:
        return bytes.size == 16 ? NULL : "complex is not 16 bytes";
    default:
        return ki_tag_valid((unsigned)v->type) ? NULL
                                               : "value has no type of values";
    }
}

static frame
frame_of(const kist_value *container, bool hashable)
{
    const kist_slice bytes = container->as.bytes;
    const bool set =
        container->type == KIST_SET || container->type == KIST_FROZENSET;
    const frame top = {
        .end = bytes.size > 0 ? (const uint8_t *)bytes.data + bytes.size
                              : bytes.data,
        .dict = container->type == KIST_DICT,
        .hashable = hashable || set,
    };
    return top;
}

/*
 * One pass over the bytes with a stack of its own, so that hostile nesting
 * costs neither C stack nor time.  `top` is the innermost container and `at`
 * the next byte in it: what is inside a container ends where the container
 * ends, so leaving it needs no jump.
 */
static kist_status
container_check(const kist_value *container)
{
    frame stack[KIST_PACK_DEPTH_MAX];
    frame *top = stack;
    const uint8_t *at = container->as.bytes.data;
    kist_value item;
    const char *fault;

    *top = frame_of(container, false);
    for (;;) {
        kist_slice rest = {at, (size_t)(top->end - at)};
        const bool hashable = next_hashable(top);

        if (rest.size == 0) {
            if (top->at_value) {
                return KI_FAIL(KIST_ERR_CORRUPT, NULL, KI_NO_OFFSET,
                               "packed dict: key without value");
            }
            if (top == stack) {
                return KIST_OK;
            }
            top--;
            continue;
        }
        if (ki_item_load(&rest, &item) != KIST_OK) {
            return KI_FAIL(KIST_ERR_CORRUPT, NULL, KI_NO_OFFSET,
                           "packed item");
        }
        if (hashable && ki_tag_is_unhashable((unsigned)item.type)) {
            return KI_FAIL(KIST_ERR_CORRUPT, NULL, KI_NO_OFFSET,
                           "packed set or dict: unhashable member or key");
        }
        top->at_value = top->dict && !top->at_value;
        if (!ki_tag_is_container((unsigned)item.type)) {
            fault = leaf_fault(&item);
            if (fault != NULL) {
                return KI_FAIL(KIST_ERR_CORRUPT, NULL, KI_NO_OFFSET, fault);
            }
            at = rest.data;
            continue;
        }
        if (top == stack + KIST_PACK_DEPTH_MAX - 1) {
            return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET,
                           "packed value is nested too deep");
        }
        *++top = frame_of(&item, hashable);
        at = item.as.bytes.data;
    }
}

kist_status
kist_value_check(const kist_value *value)
{
    const char *fault;

    if (ki_tag_is_container((unsigned)value->type)) {
        return container_check(value);
    }
    fault = leaf_fault(value);
    return fault == NULL
               ? KIST_OK
               : KI_FAIL(KIST_ERR_CORRUPT, NULL, KI_NO_OFFSET, fault);
}
