#include "base/varint.h"

size_t
ki_varint_store(uint8_t *bytes, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    return size;
}

/* Each value has one encoding, so that equal bytes are equal values. */
size_t
ki_varint_load(const uint8_t *bytes, size_t size, uint64_t *value)
{
    uint64_t result = 0;

    if (size > KI_VARINT_SIZE_MAX) {
        size = KI_VARINT_SIZE_MAX;
    }
    for (size_t index = 0; index < size; index++) {
        const uint8_t byte = bytes[index];

        // The tenth byte holds bit 63 only.
        if (index == KI_VARINT_SIZE_MAX - 1 && byte > 1) {
            return 0;
        }
        result |= (uint64_t)(byte & 0x7f) << (7 * index);
        if ((byte & 0x80) == 0) {
            if (byte == 0 && index > 0) {
                return 0;
            }
            *value = result;
            return index + 1;
        }
    }
    return 0;
}
