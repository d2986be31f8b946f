#include "codec/scalar.h"

#include "codec/number.h"

/* Three INT items of nine bytes each: see kist/pack.h. */
#define TIMEDELTA_SIZE 27u

static kist_status
float_load(const uint8_t *data, kist_value *v)
{
    const uint64_t bits = ki_load_le64(data);
    double real;

    memcpy(&real, &bits, sizeof(real));
    *v = kist_float(real);
    return KIST_OK;
}

kist_status
ki_value_payload_load_slow(uint8_t tag, const uint8_t *data, size_t size,
                           kist_value *v)
{
    size_t size_min = 0;
    size_t size_max = SIZE_MAX;

    switch (tag) {
    case KIST_NULL:
        *v = size == 0 ? kist_null() : *v;
        return size == 0 ? KIST_OK : KIST_ERR_CORRUPT;
    case KIST_BOOL:
        if (size != 1 || data[0] > 1) {
            return KIST_ERR_CORRUPT;
        }
        *v = kist_bool(data[0] == 1);
        return KIST_OK;
    case KIST_INT:
        return KIST_ERR_CORRUPT; // The right size is the caller's fast path.
    case KIST_FLOAT:
        return size == 8 ? float_load(data, v) : KIST_ERR_CORRUPT;
    case KIST_BIGINT:
        size_min = KI_BIGINT_SIZE_MIN;
        break;
    case KIST_TIMEDELTA:
        size_min = size_max = TIMEDELTA_SIZE;
        break;
    case KIST_UUID:
    case KIST_COMPLEX:
        size_min = size_max = 16;
        break;
    default:
        if (!ki_tag_has_bytes(tag)) {
            return KIST_ERR_CORRUPT;
        }
        break;
    }
    if (size < size_min || size > size_max) {
        return KIST_ERR_CORRUPT;
    }
    *v = kist_blob((kist_type)tag, data, size);
    return KIST_OK;
}
