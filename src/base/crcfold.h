/*
 * crcfold.h - the CRC-32C of short inputs by the instructions of x86-64, to be
 * inlined where a record's checksum is on the way of a lookup.
 *
 * Records are summed as they come from memory.  CRC instructions would wait
 * for the bytes in the queue in which also the next lookup's address is to be
 * computed; carry-less multiplications wait in another.  For the same reason
 * there is no loop: each branch goes the same way for records of one size,
 * while a loop's exit that is guessed wrong throws away what was begun behind
 * it (docs/design.md has the figures).
 *
 * Layer    base: for crc32c.c, and for who is compiled for such a processor.
 * Threads  any.
 */
#ifndef KI_BASE_CRCFOLD_H
#define KI_BASE_CRCFOLD_H

#ifdef __x86_64__

#include <nmmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <wmmintrin.h>

#include "base/byteorder.h"

#define KI_FOLD_TARGET __attribute__((target("sse4.2,pclmul")))
#define KI_FOLD        KI_FOLD_TARGET static inline __attribute__((always_inline))

/*
 * The 16 bytes at `data`, and what the 16 of `sum` are worth in their place:
 * each half of `sum` times x to the power of its distance, modulo the
 * polynomial.
 */
KI_FOLD __m128i
ki_fold16(__m128i sum, const uint8_t *data)
{
    // x^160 and x^96, bit-reversed
    const __m128i powers = _mm_set_epi64x(0x14cd00bd6, 0x0f20c0dfe);
    const __m128i product =
        _mm_xor_si128(_mm_clmulepi64_si128(sum, powers, 0x00),
                      _mm_clmulepi64_si128(sum, powers, 0x11));

    return _mm_xor_si128(product,
                         _mm_loadu_si128((const __m128i *)(const void *)data));
}

KI_FOLD __m128i
ki_fold64(__m128i sum, const uint8_t *data)
{
    sum = ki_fold16(ki_fold16(sum, data), data + 16);
    return ki_fold16(ki_fold16(sum, data + 32), data + 48);
}

/* The remainder after `size` bytes more, a multiple of 8 below 512. */
KI_FOLD uint32_t
ki_fold_words(uint32_t remainder, const uint8_t *data, size_t size)
{
    __m128i sum;
    uint64_t r;

    if (size < 16) {
        return size < 8
                   ? remainder
                   : (uint32_t)_mm_crc32_u64(remainder, ki_load_le64(data));
    }
    sum = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)data),
                        _mm_cvtsi32_si128((int)remainder));
    data += 16;
    size -= 16;
    if ((size & 256) != 0) {
        sum = ki_fold64(ki_fold64(sum, data), data + 64);
        sum = ki_fold64(ki_fold64(sum, data + 128), data + 192);
        data += 256;
    }
    if ((size & 128) != 0) {
        sum = ki_fold64(ki_fold64(sum, data), data + 64);
        data += 128;
    }
    if ((size & 64) != 0) {
        sum = ki_fold64(sum, data);
        data += 64;
    }
    if ((size & 32) != 0) {
        sum = ki_fold16(ki_fold16(sum, data), data + 16);
        data += 32;
    }
    if ((size & 16) != 0) {
        sum = ki_fold16(sum, data);
        data += 16;
    }
    r = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(sum));
    r = _mm_crc32_u64(r, (uint64_t)_mm_extract_epi64(sum, 1));
    if ((size & 8) != 0) {
        r = _mm_crc32_u64(r, ki_load_le64(data));
    }
    return (uint32_t)r;
}

#endif /* __x86_64__ */

#endif /* KI_BASE_CRCFOLD_H */
