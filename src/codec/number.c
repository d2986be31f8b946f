#include "codec/number.h"

#include "base/assertion.h"
#include "base/byteorder.h"

#define TWO_POW_63 9223372036854775808.0

bool
ki_number_is_real(kist_type type)
{
    return type == KIST_INT || type == KIST_FLOAT || type == KIST_BOOL ||
           type == KIST_BIGINT;
}

/* The high byte says nothing if it only repeats the sign of the next one. */
static bool
high_byte_redundant(const uint8_t *bytes, size_t size)
{
    const uint8_t high = bytes[size - 1];
    const uint8_t next = bytes[size - 2];

    return (high == 0x00 && next < 0x80) || (high == 0xff && next >= 0x80);
}

bool
ki_bigint_valid(kist_slice bytes)
{
    // Nine minimal bytes are needed for no number inside 64 bits.
    return bytes.size >= KI_BIGINT_SIZE_MIN &&
           !high_byte_redundant(bytes.data, bytes.size);
}

static bool
bigint_negative(kist_slice bytes)
{
    return ((const uint8_t *)bytes.data)[bytes.size - 1] >= 0x80;
}

static void
negate(uint8_t *bytes, size_t size)
{
    unsigned carry = 1;

    for (size_t i = 0; i < size; i++) {
        carry += (uint8_t)~bytes[i];
        bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

/* For doubles of at least 2**63, finite: they have no fraction. */
static kist_value
large_to_bigint(double real, uint8_t scratch[KI_FLOAT_INT_SIZE_MAX])
{
    uint8_t wide[KI_FLOAT_INT_SIZE_MAX + 8] = {0};
    size_t size = KI_FLOAT_INT_SIZE_MAX;
    uint64_t bits;
    uint64_t mantissa;
    size_t shift;

    memcpy(&bits, &real, sizeof(bits));
    mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | (UINT64_C(1) << 52);
    shift = (size_t)((bits >> 52) & 0x7ff) - 1075;
    ki_store_le64(wide + shift / 8, mantissa << (shift % 8));
    memcpy(scratch, wide, size);
    if (real < 0) {
        negate(scratch, size);
    }
    while (high_byte_redundant(scratch, size)) {
        size--;
    }
    return kist_blob(KIST_BIGINT, scratch, size);
}

bool
ki_float_to_integer(double real, uint8_t scratch[KI_FLOAT_INT_SIZE_MAX],
                    kist_value *value)
{
    if (real >= -TWO_POW_63 && real < TWO_POW_63) {
        const int64_t whole = (int64_t)real;

        if ((double)whole < real || (double)whole > real) {
            return false;
        }
        *value = kist_int(whole);
        return true;
    }
    if (__builtin_isfinite(real)) {
        *value = large_to_bigint(real, scratch);
        return true;
    }
    return false;
}

static int
int_compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
int_compare_float(int64_t a, double b)
{
    int64_t whole;

    if (b >= TWO_POW_63) {
        return -1;
    }
    if (b < -TWO_POW_63) {
        return 1;
    }
    whole = (int64_t)b;
    if (a != whole) {
        return int_compare(a, whole);
    }
    // Below 2**53 in size, or without a fraction: exact either way.
    return ((double)whole > b) - ((double)whole < b);
}

/* Both valid, so the longer one is further from zero. */
static int
bigint_compare(kist_slice a, kist_slice b)
{
    const uint8_t *x = a.data;
    const uint8_t *y = b.data;
    const bool negative = bigint_negative(a);

    if (negative != bigint_negative(b)) {
        return negative ? -1 : 1;
    }
    if (a.size != b.size) {
        return (a.size < b.size) != negative ? -1 : 1;
    }
    // Same sign and size: two's complement orders as unsigned does.
    for (size_t i = a.size; i > 0; i--) {
        if (x[i - 1] != y[i - 1]) {
            return x[i - 1] < y[i - 1] ? -1 : 1;
        }
    }
    return 0;
}

/* b is not NaN. */
static int
bigint_compare_float(kist_slice a, double b)
{
    uint8_t scratch[KI_FLOAT_INT_SIZE_MAX];

    if (__builtin_isinf(b)) {
        return b > 0 ? -1 : 1;
    }
    if (b >= -TWO_POW_63 && b < TWO_POW_63) {
        return bigint_negative(a) ? -1 : 1;
    }
    return bigint_compare(a, large_to_bigint(b, scratch).as.bytes);
}

/* a is no FLOAT, b is one and not NaN. */
static int
integer_compare_float(const kist_value *a, double b)
{
    return a->type == KIST_BIGINT ? bigint_compare_float(a->as.bytes, b)
                                  : int_compare_float(a->as.integer, b);
}

static int
integer_compare(const kist_value *a, const kist_value *b)
{
    if (a->type == KIST_INT && b->type == KIST_INT) {
        return int_compare(a->as.integer, b->as.integer);
    }
    if (a->type == KIST_INT) {
        return bigint_negative(b->as.bytes) ? 1 : -1;
    }
    if (b->type == KIST_INT) {
        return bigint_negative(a->as.bytes) ? -1 : 1;
    }
    return bigint_compare(a->as.bytes, b->as.bytes);
}

bool
ki_number_compare(const kist_value *a, const kist_value *b, int *order)
{
    const kist_value x = a->type == KIST_BOOL ? kist_int(a->as.boolean) : *a;
    const kist_value y = b->type == KIST_BOOL ? kist_int(b->as.boolean) : *b;

    KI_ASSERT(ki_number_is_real(a->type) && ki_number_is_real(b->type));

    if ((x.type == KIST_FLOAT && __builtin_isnan(x.as.real)) ||
        (y.type == KIST_FLOAT && __builtin_isnan(y.as.real))) {
        return false;
    }
    if (x.type == KIST_FLOAT && y.type == KIST_FLOAT) {
        *order = (x.as.real > y.as.real) - (x.as.real < y.as.real);
    }
    else if (y.type == KIST_FLOAT) {
        *order = integer_compare_float(&x, y.as.real);
    }
    else if (x.type == KIST_FLOAT) {
        *order = -integer_compare_float(&y, x.as.real);
    }
    else {
        *order = integer_compare(&x, &y);
    }
    return true;
}
