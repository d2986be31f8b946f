#include "codec_support.h"

#include "codec/number.h"
#include "vectors.h"

static kist_value
vector_value(size_t i)
{
    kist_slice packed = {vectors[i].packed, vectors[i].size};
    kist_value value;

    assert_int_equal(kist_unpack_value(&packed, &value), KIST_OK);
    return value;
}

/*
 * Goal: values are equal where Python says so.
 * Method: the vectors, in both directions.
 */
static void
test_equal_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KT_COUNT(vector_pairs); i++) {
        const vector_pair *pair = &vector_pairs[i];
        const kist_value a = vector_value(pair->a);
        const kist_value b = vector_value(pair->b);

        if (kist_value_equal(&a, &b) != pair->equal ||
            kist_value_equal(&b, &a) != pair->equal) {
            fail_msg("%s == %s should be %d", vectors[pair->a].source,
                     vectors[pair->b].source, pair->equal);
        }
    }
}

/*
 * Goal: values order as Python orders them, sets and dicts not at all.
 * Method: the vectors.
 */
static void
test_compare_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KT_COUNT(vector_pairs); i++) {
        const vector_pair *pair = &vector_pairs[i];
        const kist_value a = vector_value(pair->a);
        const kist_value b = vector_value(pair->b);
        int order = 4711;
        const kist_status status = kist_value_compare(&a, &b, &order);
        bool good = status == KIST_OK;

        switch (pair->order) {
        case NONE:
            good = status == KIST_ERR_TYPE && order == 4711;
            break;
        case LESS:
            good = good && order < 0;
            break;
        case SAME:
            good = good && order == 0;
            break;
        default:
            good = good && order > 0 && order != 4711;
            break;
        }
        if (!good) {
            fail_msg("%s against %s: %s, %d", vectors[pair->a].source,
                     vectors[pair->b].source, kist_status_name(status), order);
        }
    }
}

/*
 * Goal: integers and floats compare exactly around every power of two.
 * Method: 2**n and its neighbours as float, big int and int, for n to 120,
 * against arithmetic in 128 bits.
 */
static void
test_powers(void **state)
{
    __extension__ typedef __int128 wide;

    (void)state;
    for (int n = 0; n <= 120; n++) {
        for (int delta = -2; delta <= 2; delta++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                const wide exact = ((wide)1 << n) * sign + delta;
                const double real = (double)((wide)1 << n) * sign;
                const wide real_exact = ((wide)1 << n) * sign;
                const bool small = exact >= INT64_MIN && exact <= INT64_MAX;
                uint8_t bytes[16];
                size_t size = 16;
                kist_value integer;
                const kist_value number = kist_float(real);
                int order;

                memcpy(bytes, &exact, 16);
                while (size > 9 && !ki_bigint_valid(kist_bytes(bytes, size))) {
                    size--;
                }
                integer = small ? kist_int((int64_t)exact)
                                : kist_blob(KIST_BIGINT, bytes, size);
                assert_int_equal(kist_value_compare(&integer, &number, &order),
                                 KIST_OK);
                assert_int_equal(order,
                                 (exact > real_exact) - (exact < real_exact));
                assert_int_equal(kist_value_compare(&number, &integer, &order),
                                 KIST_OK);
                assert_int_equal(order,
                                 (exact < real_exact) - (exact > real_exact));
            }
        }
    }
}

/*
 * Goal: a NaN equals nothing and is not less than anything, yet as a member
 * of a set or key of a dict equals the NaN of the same bits.
 * Method: by hand.
 */
static void
test_nan(void **state)
{
    const kist_value nan = kist_float(__builtin_nan(""));
    const kist_value other = kist_float(-__builtin_nan(""));
    const kist_value one = kist_int(1);
    kist_buf items = {0};
    kist_buf others = {0};
    kist_value a;
    kist_value b;
    int order;

    (void)state;
    assert_false(kist_value_equal(&nan, &nan));
    assert_int_equal(kist_value_compare(&nan, &one, &order), KIST_OK);
    assert_true(order > 0);
    assert_int_equal(kist_value_compare(&one, &nan, &order), KIST_OK);
    assert_true(order > 0);

    kt_pack(&items, nan);
    kt_pack(&others, other);
    a = kist_blob(KIST_TUPLE, items.data, items.size);
    assert_false(kist_value_equal(&a, &a));
    a = kist_blob(KIST_SET, items.data, items.size);
    b = kist_blob(KIST_SET, others.data, others.size);
    assert_true(kist_value_equal(&a, &a));
    assert_false(kist_value_equal(&a, &b));
    kt_pack(&items, one);
    a = kist_blob(KIST_DICT, items.data, items.size);
    assert_true(kist_value_equal(&a, &a));
    kt_pack(&others, nan);
    b = kist_blob(KIST_DICT, others.data, others.size);
    assert_false(kist_value_equal(&b, &b)); // A NaN as the dict's value.
    kist_buf_fini(&items);
    kist_buf_fini(&others);
}

/*
 * Goal: a dict that repeats a key counts as Python would read it: the last
 * value stands.  A set may repeat a member.
 * Method: by hand.
 */
static void
test_repeated(void **state)
{
    const kist_value a = KT_BLOB(KIST_DICT, "\5\1k\2\0\1\1\5\1k\1");
    const kist_value b = KT_BLOB(KIST_DICT, "\5\1k\1\1\1");
    const kist_value c = KT_BLOB(KIST_SET, "\2\0\1\3\0\0\0\0\0\0\0\0");
    const kist_value d = KT_BLOB(KIST_FROZENSET, "\1\2\0");

    (void)state;
    assert_true(kist_value_equal(&a, &b));
    assert_true(kist_value_equal(&b, &a));
    assert_true(kist_value_equal(&c, &d));
}

/*
 * Goal: date and time types order where their text does; zones are refused.
 * Method: by hand.
 */
static void
test_times(void **state)
{
    const kist_value naive = KT_BLOB(KIST_DATETIME, "2020-01-02T03:04:05");
    const kist_value later =
        KT_BLOB(KIST_DATETIME, "2020-01-02T03:04:05.000001");
    const kist_value aware =
        KT_BLOB(KIST_DATETIME, "2020-01-02T03:04:05+02:00");
    const kist_value clock = KT_BLOB(KIST_TIME, "03:04:05-01:00");
    const kist_value decimal = KT_BLOB(KIST_DECIMAL, "1");
    int order;

    (void)state;
    assert_int_equal(kist_value_compare(&naive, &later, &order), KIST_OK);
    assert_true(order < 0);
    assert_int_equal(kist_value_compare(&naive, &aware, &order),
                     KIST_ERR_TYPE);
    assert_int_equal(kist_value_compare(&clock, &clock, &order),
                     KIST_ERR_TYPE);
    assert_int_equal(kist_value_compare(&decimal, &decimal, &order),
                     KIST_ERR_TYPE);
    assert_true(kist_value_equal(&aware, &aware));
}

/*
 * Goal: damaged values compare as unequal or CORRUPT, too deep ones TOOBIG.
 * Method: by hand.
 */
static void
test_damaged(void **state)
{
    const kist_value good = KT_BLOB(KIST_LIST, "\1");
    const kist_value bad = KT_BLOB(KIST_LIST, "\x63");
    const kist_value odd = KT_BLOB(KIST_DICT, "\1");
    const kist_value set = KT_BLOB(KIST_SET, "\x09\0");
    kist_buf buf = {0};
    kist_value deep;
    int order;

    (void)state;
    assert_false(kist_value_equal(&bad, &bad));
    assert_false(kist_value_equal(&good, &bad));
    assert_false(kist_value_equal(&odd, &odd));
    assert_false(kist_value_equal(&set, &set));
    assert_int_equal(kist_value_compare(&good, &bad, &order),
                     KIST_ERR_CORRUPT);
    kt_pack(&buf, kist_bool(true));
    for (int level = 0; level < KIST_PACK_DEPTH_MAX; level++) {
        kt_wrap(&buf, KIST_LIST);
    }
    deep = kist_blob(KIST_LIST, buf.data, buf.size);
    assert_int_equal(kist_value_compare(&deep, &deep, &order),
                     KIST_ERR_TOOBIG);
    kist_buf_fini(&buf);
}

static int allocations_left;

static int
allocation_fails(void)
{
    if (allocations_left == 0) {
        return 1;
    }
    allocations_left--;
    return 0;
}

/*
 * Goal: equality is right even where there is no memory for it.
 * Method: the vectors of containers, with allocation 0, 1, 2 and 5 and all
 * later ones failing.
 */
static void
test_no_memory(void **state)
{
    static const int allowed[] = {0, 1, 2, 5};

    (void)state;
    for (size_t i = 0; i < KT_COUNT(vector_pairs); i++) {
        const vector_pair *pair = &vector_pairs[i];
        const kist_value a = vector_value(pair->a);
        const kist_value b = vector_value(pair->b);

        for (size_t n = 0; n < KT_COUNT(allowed); n++) {
            bool equal;

            allocations_left = allowed[n];
            ki_alloc_hook = allocation_fails;
            equal = kist_value_equal(&a, &b);
            ki_alloc_hook = NULL;
            if (equal != pair->equal) {
                fail_msg("%s == %s with %d allocations",
                         vectors[pair->a].source, vectors[pair->b].source,
                         allowed[n]);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_vectors),
        cmocka_unit_test(test_compare_vectors),
        cmocka_unit_test(test_powers),
        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
