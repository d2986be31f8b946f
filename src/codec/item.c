#include "codec/item.h"

/* The payload size of a type without bytes. */
static size_t
fixed_size(uint8_t tag)
{
    switch (tag) {
    case KIST_BOOL:
        return 1;
    case KIST_INT:
    case KIST_FLOAT:
        return 8;
    default:
        return 0;
    }
}

kist_status
ki_item_load(kist_slice *packed, kist_value *value)
{
    const uint8_t *at = packed->data;
    size_t left = packed->size;
    uint64_t size;
    size_t taken;
    uint8_t tag;

    if (left == 0) {
        return KIST_END;
    }
    tag = *at++;
    left--;
    if (ki_tag_has_bytes(tag)) {
        taken = ki_varint_load(at, left, &size);
        if (taken == 0) {
            return KIST_ERR_CORRUPT;
        }
        at += taken;
        left -= taken;
    }
    else {
        size = fixed_size(tag);
    }
    if (size > left) {
        return KIST_ERR_CORRUPT;
    }
    if (ki_value_payload_load(tag, at, (size_t)size, value) != KIST_OK) {
        return KIST_ERR_CORRUPT;
    }
    *packed = kist_bytes(at + size, left - (size_t)size);
    return KIST_OK;
}

kist_status
ki_item_count(kist_slice packed, size_t *count)
{
    kist_value value;
    kist_status status;

    *count = 0;
    while ((status = ki_item_load(&packed, &value)) == KIST_OK) {
        (*count)++;
    }
    return status == KIST_END ? KIST_OK : status;
}

int
ki_bytes_compare(kist_slice a, kist_slice b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = common > 0 ? memcmp(a.data, b.data, common) : 0;

    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return (a.size > b.size) - (a.size < b.size);
}
