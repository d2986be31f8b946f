/*
 * number.h - exact arithmetic facts about bools, ints, big ints and floats.
 *
 * Layer    codec: may include base/ and public headers.
 * Threads  any.
 */
#ifndef KI_CODEC_NUMBER_H
#define KI_CODEC_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/value.h"

/* The largest double has 1024 bits before the point, and a sign. */
#define KI_FLOAT_INT_SIZE_MAX 129u

/* The smallest KIST_BIGINT: one byte more than a KIST_INT. */
#define KI_BIGINT_SIZE_MIN 9u

/* True for KIST_BOOL, INT, FLOAT and BIGINT. */
bool ki_number_is_real(kist_type type);

/*
 * True if the bytes are a KIST_BIGINT: minimal two's complement, outside the
 * range of KIST_INT.
 */
bool ki_bigint_valid(kist_slice bytes);

/*
 * If `real` is an integer, makes *value that integer, KIST_INT where it fits,
 * else a KIST_BIGINT whose bytes are in `scratch`.  False, and *value as it
 * was, if it has a fraction, or is infinite or NaN.
 */
bool ki_float_to_integer(double real, uint8_t scratch[KI_FLOAT_INT_SIZE_MAX],
                         kist_value *value);

/*
 * Compares two real numbers by their exact value: *order is -1, 0 or 1.
 * False, and *order as it was, if one of them is NaN.  The bytes of big ints
 * must be valid.
 */
bool ki_number_compare(const kist_value *a, const kist_value *b, int *order);

#endif /* KI_CODEC_NUMBER_H */
