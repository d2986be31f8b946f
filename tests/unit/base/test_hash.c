#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/byteorder.h"
#include "base/clock.h"
#include "base/hash.h"

/*
 * Goal    it is XXH3 of 64 bits: stored indexes depend on it.
 * Method  the published value of nothing under seed 0, and values of this
 *         version under a seed, which must never change.
 */
static void
test_known(void **state)
{
    (void)state;
    assert_true(ki_hash(NULL, 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(ki_hash("kist", 4, 42) == UINT64_C(0xa02a37b425e923d2));
    assert_true(ki_hash("a chest for what you want to keep", 33, 42) ==
                UINT64_C(0xdf57536b21eef03b));
}

/*
 * Goal    seed and each bit of the key count.
 * Method  change one at a time.
 */
static void
test_differs(void **state)
{
    uint8_t key[40] = {0};
    const uint64_t before = ki_hash(key, sizeof(key), 1);

    (void)state;
    assert_true(ki_hash(key, sizeof(key), 2) != before);
    assert_true(ki_hash(key, sizeof(key) - 1, 1) != before);
    for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
        key[bit / 8] = (uint8_t)(1u << (bit % 8));
        assert_true(ki_hash(key, sizeof(key), 1) != before);
        key[bit / 8] = 0;
    }
}

/*
 * Goal    the sizes that are written out give the same.
 * Method  all of them, of some bytes under some seeds; and which they are.
 */
static void
test_medium(void **state)
{
    uint8_t key[16];

    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        ki_store_le64(key, ki_hash(&seed, 8, 1));
        ki_store_le64(key + 8, ki_hash(&seed, 8, 2));
        for (size_t size = 9; size <= 16; size++) {
            const uint64_t under = ki_hash(&seed, 8, size);

            assert_true(ki_hash_medium(ki_load_le64(key),
                                       ki_load_le64(key + size - 8), size,
                                       under) == ki_hash(key, size, under));
        }
    }
    for (size_t size = 0; size < 100; size++) {
        assert_true(ki_hash_is_medium(size) == (size >= 9 && size <= 16));
    }
}

/*
 * Goal    the clock moves forward.
 * Method  read it until it has changed; it never goes back.
 */
static void
test_clock(void **state)
{
    const uint64_t start_ns = ki_clock_ns();
    uint64_t last_ns = start_ns;

    (void)state;
    while (last_ns - start_ns < 1000000) {
        const uint64_t now_ns = ki_clock_ns();

        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_medium),
        cmocka_unit_test(test_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
