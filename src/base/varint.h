/*
 * varint.h - unsigned integers in 1 to 10 bytes (LEB128), bounded.
 *
 * Layer    base.
 */
#ifndef KI_BASE_VARINT_H
#define KI_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define KI_VARINT_SIZE_MAX 10u

/* Writes `value` to `bytes` (room for 10) and returns how many it took. */
size_t ki_varint_store(uint8_t *bytes, uint64_t value);

/*
 * Reads a varint from at most `size` bytes.  Returns how many it took, or 0
 * if it does not end in time, overflows 64 bits or is longer than need be.
 */
size_t ki_varint_load(const uint8_t *bytes, size_t size, uint64_t *value);

#endif /* KI_BASE_VARINT_H */
