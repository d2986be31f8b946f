/*
 * utf8.h - is this text?
 *
 * Text is UTF-8 of the code points U+0000 to U+10FFFF in their shortest form.
 * Lone surrogates are allowed, as Python's "surrogatepass" writes them, so
 * that every Python str can be stored and comes back as it was.
 *
 * Layer    codec: may include base/ and public headers.
 * Threads  any.
 */
#ifndef KI_CODEC_UTF8_H
#define KI_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assertion.h"
#include "base/byteorder.h"

#define KI_UTF8_HIGH_BITS UINT64_C(0x8080808080808080)

/* True if no byte has its high bit set; reads eight bytes at a time. */
static inline bool
ki_utf8_is_ascii(const uint8_t *data, size_t size)
{
    uint64_t bits = 0;

    if (size >= 8) {
        for (size_t i = 0; size - i >= 8; i += 8) {
            bits |= ki_load_le64(data + i);
        }
        bits |= ki_load_le64(data + size - 8);
    }
    else if (size >= 4) {
        bits = ki_load_le32(data);
        bits |= ki_load_le32(data + size - 4);
    }
    else {
        for (size_t i = 0; i < size; i++) {
            bits |= data[i];
        }
    }
    return (bits & KI_UTF8_HIGH_BITS) == 0;
}

/* ki_utf8_valid() for bytes that need not be ASCII. */
bool ki_utf8_valid_slow(const uint8_t *data, size_t size);

/* True if the bytes are text in the sense above. */
static inline bool
ki_utf8_valid(const void *data, size_t size)
{
    return KI_LIKELY(ki_utf8_is_ascii(data, size)) ||
           ki_utf8_valid_slow(data, size);
}

#endif /* KI_CODEC_UTF8_H */
