#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"

#define SIZE_MAX_TRIED 2000u

static uint8_t data[16384 + 8];

static int
fill(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        random = random * 1664525u + 1013904223u;
        data[i] = (uint8_t)(random >> 24);
    }
    return 0;
}

/* By the definition, a bit at a time. */
static uint32_t
crc_by_bits(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
        }
    }
    return ~crc;
}

/*
 * Goal    it is CRC-32C and no other.
 * Method  the check value of the catalogue and the vectors of RFC 3720, B.4.
 */
static void
test_known(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(ki_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(ki_crc32c_portable(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(ki_crc32c(0, NULL, 0), 0);
    assert_int_equal(ki_crc32c_portable(0, NULL, 0), 0);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(ki_crc32c(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(ki_crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(ki_crc32c(0, bytes, sizeof(bytes)), 0x46dd794eu);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(ki_crc32c(0, bytes, sizeof(bytes)), 0x113fdb5cu);
}

/*
 * Goal    the instruction and the tables agree everywhere.
 * Method  all sizes up to 2000 at all alignments, against each other, and at
 *         one alignment against the definition.
 */
static void
test_twins(void **state)
{
    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (size_t shift = 0; shift < 8; shift++) {
            assert_int_equal(ki_crc32c(0, data + shift, size),
                             ki_crc32c_portable(0, data + shift, size));
        }
        assert_int_equal(ki_crc32c(0, data + 3, size),
                         crc_by_bits(data + 3, size));
    }
}

/*
 * Goal    the long runs of three streams are put together rightly.
 * Method  sizes around their multiples, up to 16 KiB, against the definition.
 */
static void
test_long(void **state)
{
    (void)state;
    for (size_t size = 2900; size <= 16384; size += 31) {
        assert_int_equal(ki_crc32c(0, data + size % 8, size),
                         crc_by_bits(data + size % 8, size));
    }
}

/*
 * Goal    a crc continues: crc(crc(a), b) is crc(ab).
 * Method  cut 4000 bytes in two at each place, with both twins.
 */
static void
test_continued(void **state)
{
    const uint32_t whole = ki_crc32c(0, data, 4000);

    (void)state;
    for (size_t cut = 0; cut <= 4000; cut++) {
        assert_int_equal(
            ki_crc32c(ki_crc32c(0, data, cut), data + cut, 4000 - cut), whole);
        assert_int_equal(ki_crc32c_portable(ki_crc32c_portable(0, data, cut),
                                            data + cut, 4000 - cut),
                         whole);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_continued),
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}
