/*
 * scalar.h - the payload of one value, whose tag byte stands elsewhere.
 *
 * A log record keeps the tag (kist_type) in its head and the payload behind
 * it; a packed item (item.h) keeps both together.
 *
 * Layer    codec: may include base/ and public headers.
 * Threads  any.
 *
 * FORMAT   little-endian
 *     TAG               SIZE  PAYLOAD
 *     NULL                 0
 *     BOOL                 1  0 or 1
 *     INT                  8  two's complement
 *     FLOAT                8  IEEE 754 double
 *     TEXT .. REF       0 ..  the bytes, as kist/value.h has them
 *       BIGINT          9 ..  minimal two's complement
 *       TIMEDELTA         27  three INT items: days, seconds, microseconds
 *       UUID              16
 *       COMPLEX           16  two doubles: real part, imaginary part
 */
#ifndef KI_CODEC_SCALAR_H
#define KI_CODEC_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assertion.h"
#include "base/byteorder.h"
#include "kist/value.h"

/* True for the tags whose values carry as.bytes: TEXT to REF. */
static inline bool
ki_tag_has_bytes(unsigned tag)
{
    return tag >= KIST_TEXT && tag <= KIST_REF;
}

/* True for the tags that a value can have: NULL to REF. */
static inline bool
ki_tag_valid(unsigned tag)
{
    return tag >= KIST_NULL && tag <= KIST_REF;
}

/* How many bytes ki_value_payload_store() writes. */
static inline size_t
ki_value_payload_size(const kist_value *v)
{
    if (KI_LIKELY(ki_tag_has_bytes((unsigned)v->type))) {
        return v->as.bytes.size;
    }
    if (v->type == KIST_INT || v->type == KIST_FLOAT) {
        return 8;
    }
    return v->type == KIST_BOOL;
}

/* Writes the payload to `to`, which has room for it. */
static inline void
ki_value_payload_store(uint8_t *to, const kist_value *v)
{
    uint64_t bits;

    if (KI_LIKELY(ki_tag_has_bytes((unsigned)v->type))) {
        if (v->as.bytes.size > 0) {
            memcpy(to, v->as.bytes.data, v->as.bytes.size);
        }
    }
    else if (v->type == KIST_INT) {
        ki_store_le64(to, (uint64_t)v->as.integer);
    }
    else if (v->type == KIST_FLOAT) {
        memcpy(&bits, &v->as.real, sizeof(bits));
        ki_store_le64(to, bits);
    }
    else if (v->type == KIST_BOOL) {
        *to = v->as.boolean;
    }
}

/* ki_value_payload_load() for the tags that it does not take itself. */
KIST_NODISCARD kist_status ki_value_payload_load_slow(uint8_t tag,
                                                      const uint8_t *data,
                                                      size_t size,
                                                      kist_value *v);

/*
 * Makes *v the value that has the given tag and payload; its bytes are a view
 * of `data`.  Checks the tag and the size, not what the bytes mean:
 * kist_value_check() does that.  CORRUPT if the tag is unknown or the size
 * wrong, without KI_FAIL detail: the caller knows path and offset and adds
 * it.  *v is then as it was.
 */
KIST_NODISCARD static inline kist_status
ki_value_payload_load(uint8_t tag, const uint8_t *data, size_t size,
                      kist_value *v)
{
    if (KI_LIKELY(tag == KIST_TEXT || tag == KIST_BYTES)) {
        v->type = (kist_type)tag;
        v->as.bytes = kist_bytes(data, size);
        return KIST_OK;
    }
    if (tag == KIST_INT && size == 8) {
        *v = kist_int((int64_t)ki_load_le64(data));
        return KIST_OK;
    }
    return ki_value_payload_load_slow(tag, data, size, v);
}

#endif /* KI_CODEC_SCALAR_H */
