/*
 * byteorder.h - little-endian integers in bytes, at any alignment.
 *
 * Layer    base.
 */
#ifndef KI_BASE_BYTEORDER_H
#define KI_BASE_BYTEORDER_H

#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "kist is little-endian, on disk and in its mapped files"
#endif

static inline uint16_t
ki_load_le16(const void *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t
ki_load_le32(const void *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t
ki_load_le64(const void *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline void
ki_store_le16(void *bytes, uint16_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

static inline void
ki_store_le32(void *bytes, uint32_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

static inline void
ki_store_le64(void *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

#endif /* KI_BASE_BYTEORDER_H */
