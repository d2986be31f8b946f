/*
 * Bytes as text.  Whole numbers are kept as little-endian limbs of 32 bits
 * and converted nine digits at a time.
 */
#include "textcode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The size of the sequence that begins at p, or 0 if it is none. */
static size_t
utf8_step(const uint8_t *p, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size;
    uint32_t point;

    if (p[0] < 0x80) {
        return 1;
    }
    size = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || size > left) {
        return 0;
    }
    point = p[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0u) != 0x80) {
            return 0;
        }
        point = point << 6 | (p[i] & 0x3Fu);
    }
    if (point < least[size] || point > 0x10FFFF ||
        (point >= 0xD800 && point < 0xE000)) {
        return 0;
    }
    return size;
}

bool
cli_is_utf8(kist_slice bytes)
{
    const uint8_t *p = bytes.data;

    for (size_t i = 0; i < bytes.size;) {
        const size_t step = utf8_step(p + i, bytes.size - i);

        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

kist_status
cli_base64(kist_buf *out, kist_slice bytes)
{
    const uint8_t *p = bytes.data;

    for (size_t i = 0; i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const uint32_t word = (uint32_t)p[i] << 16 |
                              (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                              (left > 2 ? p[i + 2] : 0u);
        const char quad[4] = {alphabet[word >> 18], alphabet[word >> 12 & 63],
                              left > 1 ? alphabet[word >> 6 & 63] : '=',
                              left > 2 ? alphabet[word & 63] : '='};
        const kist_status status = kist_buf_append(out, quad, 4);

        if (status != KIST_OK) {
            return status;
        }
    }
    return KIST_OK;
}

bool
cli_unbase64(kist_buf *out, const char *text, size_t size)
{
    if (size % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word = 0;
        size_t count = 3;

        if (i + 4 == size && text[i + 3] == '=') {
            count = text[i + 2] == '=' ? 1 : 2;
        }
        for (size_t j = 0; j <= count; j++) {
            const char *found = memchr(alphabet, text[i + j], 64);

            if (found == NULL) {
                return false;
            }
            word |= (uint32_t)(found - alphabet) << (18 - 6 * j);
        }
        const uint8_t three[3] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8),
                                  (uint8_t)word};
        if (kist_buf_append(out, three, count) != KIST_OK) {
            return false;
        }
    }
    return true;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        return (c | 0x20) - 'a' + 10;
    }
    return -1;
}

bool
cli_unhex(kist_buf *out, const char *text, size_t size)
{
    int high = -1;

    for (size_t i = 0; i < size; i++) {
        const int digit = hex_digit(text[i]);

        if (text[i] == '-' && high < 0) {
            continue;
        }
        if (digit < 0) {
            return false;
        }
        if (high < 0) {
            high = digit;
            continue;
        }
        const uint8_t byte = (uint8_t)(high << 4 | digit);
        high = -1;
        if (kist_buf_append(out, &byte, 1) != KIST_OK) {
            return false;
        }
    }
    return high < 0;
}

/* limbs = limbs * factor + more; *used grows by at most one. */
static void
multiply_add(uint32_t *limbs, size_t *used, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;

    for (size_t i = 0; i < *used; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        limbs[(*used)++] = (uint32_t)carry;
    }
}

/* Reads digits into `limbs`, which has room; false if one is no digit. */
static bool
read_digits(const char *text, size_t size, bool hexadecimal, uint32_t *limbs,
            size_t *used)
{
    const size_t step = hexadecimal ? 7 : 9;
    const uint32_t base = hexadecimal ? 16 : 10;

    for (size_t i = 0; i < size;) {
        uint32_t chunk = 0;
        uint32_t factor = 1;

        for (size_t j = 0; j < step && i < size; j++, i++) {
            const int digit = hex_digit(text[i]);

            if (digit < 0 || (uint32_t)digit >= base) {
                return false;
            }
            chunk = chunk * base + (uint32_t)digit;
            factor *= base;
        }
        multiply_add(limbs, used, factor, chunk);
    }
    return true;
}

/* Stores limbs as minimal two's complement; false without memory. */
static bool
store_bigint(const uint32_t *limbs, size_t used, bool negative,
             kist_buf *scratch)
{
    uint32_t carry = 1;
    size_t size = 0;

    // One byte more than the limbs, for the sign; cut to the minimum then.
    if (kist_buf_reserve(scratch, used * 4 + 1) != KIST_OK) {
        return false;
    }
    for (size_t i = 0; i < used * 4 + 1; i++) {
        uint32_t byte =
            i < used * 4 ? limbs[i / 4] >> (8 * (i % 4)) & 0xFF : 0;

        if (negative) {
            byte = (~byte & 0xFF) + carry;
            carry = byte >> 8;
        }
        scratch->data[scratch->size + i] = (uint8_t)byte;
        size = i + 1;
    }
    while (size > 1) {
        const uint8_t top = scratch->data[scratch->size + size - 1];
        const uint8_t next = scratch->data[scratch->size + size - 2];

        if (!((top == 0 && next < 0x80) || (top == 0xFF && next >= 0x80))) {
            break;
        }
        size--;
    }
    scratch->size += size;
    return true;
}

bool
cli_parse_integer(const char *text, size_t size, kist_buf *scratch,
                  kist_value *value)
{
    const bool negative = size > 0 && text[0] == '-';
    const char *digits = text + negative;
    size_t count = size - negative;
    const bool hexadecimal =
        count > 2 && digits[0] == '0' && (digits[1] | 0x20) == 'x';
    uint32_t *limbs;
    size_t used = 0;
    uint64_t low = 0;
    bool good;

    digits += hexadecimal ? 2 : 0;
    count -= hexadecimal ? 2 : 0;
    if (count == 0 || (!hexadecimal && count > CLI_DIGITS_MAX) ||
        count > CLI_DIGITS_MAX * 10) {
        return false;
    }
    limbs = calloc(count / 7 + 2, sizeof(*limbs));
    if (limbs == NULL) {
        return false;
    }
    good = read_digits(digits, count, hexadecimal, limbs, &used);
    low = used <= 2 ? limbs[0] | (uint64_t)limbs[1] << 32 : 0;
    if (good && used <= 2 && low <= (uint64_t)INT64_MAX + negative) {
        *value = kist_int(negative ? (int64_t)(0 - low) : (int64_t)low);
    }
    else if (good) {
        const size_t start = scratch->size;

        good = store_bigint(limbs, used, negative, scratch);
        *value = kist_blob(KIST_BIGINT, scratch->data + start,
                           scratch->size - start);
    }
    free(limbs);
    return good;
}

/* Appends limbs in decimal by dividing them down to nothing. */
static kist_status
append_decimal(kist_buf *out, uint32_t *limbs, size_t used)
{
    const size_t start = out->size;
    size_t last;
    kist_status status;

    do {
        uint64_t rest = 0;
        char nine[10];

        for (size_t i = used; i-- > 0;) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 1000000000u);
            rest %= 1000000000u;
        }
        while (used > 0 && limbs[used - 1] == 0) {
            used--;
        }
        snprintf(nine, sizeof(nine), "%09" PRIu32, (uint32_t)rest);
        for (size_t i = 0; i < 4; i++) {
            const char swap = nine[i];
            nine[i] = nine[8 - i];
            nine[8 - i] = swap;
        }
        status = kist_buf_append(out, nine, 9);
    } while (status == KIST_OK && used > 0);
    if (status != KIST_OK) {
        return status;
    }
    while (out->size > start + 1 && out->data[out->size - 1] == '0') {
        out->size--;
    }
    last = out->size - 1;
    for (size_t i = start; i < last; i++, last--) {
        const uint8_t swap = out->data[i];
        out->data[i] = out->data[last];
        out->data[last] = swap;
    }
    return KIST_OK;
}

static kist_status
append_hex(kist_buf *out, const uint32_t *limbs, size_t used)
{
    kist_status status = kist_buf_append(out, "0x", 2);

    for (size_t i = used; i-- > 0 && status == KIST_OK;) {
        char eight[9];

        snprintf(eight, sizeof(eight), "%08" PRIx32, limbs[i]);
        status = kist_buf_append(out, eight, 8);
    }
    return status;
}

kist_status
cli_bigint_text(kist_buf *out, kist_slice bytes, bool *hexadecimal)
{
    const uint8_t *p = bytes.data;
    const size_t used = bytes.size / 4 + 1;
    const bool negative = bytes.size > 0 && p[bytes.size - 1] >= 0x80;
    uint32_t *limbs = calloc(used, sizeof(*limbs));
    uint32_t carry = 1;
    kist_status status = KIST_OK;

    *hexadecimal = bytes.size > CLI_DIGITS_MAX / 10 * 4;
    if (limbs == NULL) {
        return KIST_ERR_NOMEM;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        uint32_t byte = p[i];

        if (negative) {
            byte = (~byte & 0xFF) + carry;
            carry = byte >> 8;
            byte &= 0xFF;
        }
        limbs[i / 4] |= byte << (8 * (i % 4));
    }
    // -2^(8n-1) alone has a magnitude that fills its bytes; that fits, too.
    if (negative) {
        status = kist_buf_append(out, "-", 1);
    }
    if (status == KIST_OK) {
        status = *hexadecimal ? append_hex(out, limbs, used)
                              : append_decimal(out, limbs, used);
    }
    free(limbs);
    return status;
}
