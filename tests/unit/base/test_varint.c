#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/varint.h"

static void
check_both_ways(uint64_t number)
{
    uint8_t bytes[KI_VARINT_SIZE_MAX + 1];
    uint64_t back = ~number;
    size_t size;

    memset(bytes, 0xee, sizeof(bytes));
    size = ki_varint_store(bytes, number);
    assert_in_range(size, 1, KI_VARINT_SIZE_MAX);
    assert_int_equal(bytes[size], 0xee);
    assert_int_equal(ki_varint_load(bytes, sizeof(bytes), &back), size);
    assert_true(back == number);
    assert_int_equal(ki_varint_load(bytes, size, &back), size);

    // Cut anywhere, it has no end.
    for (size_t cut = 0; cut < size; cut++) {
        back = 99;
        assert_int_equal(ki_varint_load(bytes, cut, &back), 0);
        assert_true(back == 99);
    }
}

/*
 * Goal    every number comes back, and a cut one never does.
 * Method  all powers of two, their neighbours and the ends of the range.
 */
static void
test_both_ways(void **state)
{
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t power = UINT64_C(1) << bit;

        check_both_ways(power - 1);
        check_both_ways(power);
        check_both_ways(power + 1);
    }
    check_both_ways(UINT64_MAX);
}

/*
 * Goal    the bytes are those of LEB128.
 * Method  known encodings.
 */
static void
test_known(void **state)
{
    uint8_t bytes[KI_VARINT_SIZE_MAX];

    (void)state;
    assert_int_equal(ki_varint_store(bytes, 0), 1);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(ki_varint_store(bytes, 300), 2);
    assert_memory_equal(bytes, "\xac\x02", 2);
    assert_int_equal(ki_varint_store(bytes, UINT64_MAX), 10);
    assert_memory_equal(bytes, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
}

/*
 * Goal    what no encoder writes is refused.
 * Method  an overlong zero and one, an eleventh byte, a 65th bit.
 */
static void
test_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x80\x00", 2},
        {"\x81\x80\x00", 3},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t number = 99;

        assert_int_equal(ki_varint_load((const uint8_t *)bad[i].bytes,
                                        bad[i].size, &number),
                         0);
        assert_true(number == 99);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
