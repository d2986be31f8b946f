#include "codec_support.h"

#include "codec/member.h"
#include "vectors.h"

static kist_value
vector_value(size_t i)
{
    kist_slice packed = {vectors[i].packed, vectors[i].size};
    kist_value value;

    assert_int_equal(kist_unpack_value(&packed, &value), KIST_OK);
    return value;
}

/* NaNs are members by their bits, in which Python cannot be followed. */
static bool
has_nan(size_t i)
{
    return strstr(vectors[i].source, "nan") != NULL;
}

/*
 * Goal: two members have one key if and only if Python has them equal.
 * Method: the vectors.
 */
static void
test_vector_pairs(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < KT_COUNT(vector_pairs); i++) {
        const vector_pair *pair = &vector_pairs[i];
        const kist_value a = vector_value(pair->a);
        const kist_value b = vector_value(pair->b);
        kist_buf x = {0};
        kist_buf y = {0};

        if (!vectors[pair->a].hashable || !vectors[pair->b].hashable ||
            has_nan(pair->a) || has_nan(pair->b)) {
            continue;
        }
        assert_int_equal(ki_member_key(&a, &x), KIST_OK);
        assert_int_equal(ki_member_key(&b, &y), KIST_OK);
        if ((x.size == y.size && memcmp(x.data, y.data, x.size) == 0) !=
            pair->equal) {
            fail_msg("keys of %s and %s", vectors[pair->a].source,
                     vectors[pair->b].source);
        }
        kist_buf_fini(&x);
        kist_buf_fini(&y);
        tried++;
    }
    assert_true(tried > 1000);
}

/*
 * Goal: what Python cannot hash has no key; a key's value is equal to the
 * member, well formed, canonical, and has the same key again.
 * Method: each vector.
 */
static void
test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KT_COUNT(vectors); i++) {
        const kist_value value = vector_value(i);
        kist_buf key = {0};
        kist_buf again = {0};
        kist_value canonical;
        kist_buf before = {0};
        kist_buf after = {0};

        if (!vectors[i].hashable) {
            assert_int_equal(ki_member_key(&value, &key), KIST_ERR_TYPE);
            assert_int_equal(key.size, 0);
            assert_false(ki_member_is_canonical(&value));
            kist_buf_fini(&key);
            continue;
        }
        assert_int_equal(ki_member_key(&value, &key), KIST_OK);
        assert_int_equal(ki_member_load(kist_buf_slice(&key), &canonical),
                         KIST_OK);
        assert_int_equal(kist_value_check(&canonical), KIST_OK);
        assert_true(has_nan(i) || kist_value_equal(&value, &canonical));
        assert_true(ki_member_is_canonical(&canonical));
        assert_int_equal(ki_member_key(&canonical, &again), KIST_OK);
        assert_int_equal(again.size, key.size);
        assert_memory_equal(again.data, key.data, key.size);

        // A value is canonical exactly if it is the canonical one.
        kt_pack(&before, value);
        kt_pack(&after, canonical);
        if (ki_member_is_canonical(&value) !=
            (before.size == after.size &&
             memcmp(before.data, after.data, after.size) == 0)) {
            fail_msg("%s: canonical?", vectors[i].source);
        }
        // As an item of a tuple it looks the same.
        kist_buf_clear(&again);
        assert_int_equal(ki_member_pack(&value, &again), KIST_OK);
        assert_int_equal(again.size, after.size);
        assert_memory_equal(again.data, after.data, after.size);
        kist_buf_fini(&before);
        kist_buf_fini(&after);
        kist_buf_fini(&again);
        kist_buf_fini(&key);
    }
}

/*
 * Goal: the bytes of keys, which are on disk, do not change.
 * Method: some by hand.
 */
static void
test_format(void **state)
{
    static const struct {
        kist_value value;
        const char *key;
        size_t size;
    } cases[] = {
        {{KIST_BOOL, {.boolean = true}}, "\3\1\0\0\0\0\0\0\0", 9},
        {{KIST_FLOAT, {.real = -0.0}}, "\3\0\0\0\0\0\0\0\0", 9},
        {{KIST_FLOAT, {.real = 0.5}}, "\4\0\0\0\0\0\0\xe0\x3f", 9},
        {{KIST_FLOAT, {.real = 18446744073709551616.0}},
         "\7\0\0\0\0\0\0\0\0\1",
         10},
        {{KIST_FLOAT, {.real = -9223372036854775808.0 * 2}},
         "\7\0\0\0\0\0\0\0\0\xff",
         10},
        {{KIST_NULL, {.integer = 0}}, "\1", 1},
        {{KIST_TEXT, {.bytes = {"ab", 2}}}, "\5ab", 3},
        {{KIST_TEXT, {.bytes = {NULL, 0}}}, "\5", 1},
        {{KIST_FROZENSET, {.bytes = {"\5\1b\5\1a\1\5\1b", 10}}},
         "\x0c\1\5\1a\5\1b",
         8},
    };

    (void)state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        kist_buf key = {0};

        assert_int_equal(ki_member_key(&cases[i].value, &key), KIST_OK);
        assert_int_equal(key.size, cases[i].size);
        assert_memory_equal(key.data, cases[i].key, key.size);
        kist_buf_fini(&key);
    }
}

/*
 * Goal: NaNs are one member if their bits are the same.
 * Method: two NaNs, alone and in tuples.
 */
static void
test_nan(void **state)
{
    const kist_value a = kist_float(__builtin_nan(""));
    const kist_value b = kist_float(-__builtin_nan(""));
    kist_buf x = {0};
    kist_buf y = {0};

    (void)state;
    assert_int_equal(ki_member_key(&a, &x), KIST_OK);
    assert_int_equal(ki_member_key(&a, &y), KIST_OK);
    assert_memory_equal(x.data, y.data, 9);
    assert_int_equal(ki_member_key(&b, &y), KIST_OK);
    assert_memory_not_equal(x.data, y.data, 9);
    assert_true(ki_member_is_canonical(&a));
    kist_buf_fini(&x);
    kist_buf_fini(&y);
}

/*
 * Goal: damaged, unhashable and too deep members are refused, and leave the
 * key empty and other items as they were.
 * Method: by hand.
 */
static void
test_refused(void **state)
{
    const struct {
        kist_value value;
        kist_status status;
    } cases[] = {
        {KT_BLOB(KIST_LIST, ""), KIST_ERR_TYPE},
        {KT_BLOB(KIST_TUPLE, "\1\x09\0"), KIST_ERR_TYPE},
        {KT_BLOB(KIST_ANY, ""), KIST_ERR_TYPE},
        {KT_BLOB(KIST_INT32, ""), KIST_ERR_TYPE},
        {KT_BLOB(KIST_TUPLE, "\1\x63"), KIST_ERR_CORRUPT},
        {KT_BLOB(KIST_FROZENSET, "\1\5\2a"), KIST_ERR_CORRUPT},
        {KT_BLOB(KIST_BIGINT, "\1"), KIST_ERR_CORRUPT},
        {KT_BLOB(KIST_COMPLEX, "\1"), KIST_ERR_CORRUPT},
    };
    kist_buf key = {0};

    (void)state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        kt_pack(&key, kist_null());
        assert_int_equal(ki_member_pack(&cases[i].value, &key),
                         cases[i].status);
        assert_int_equal(key.size, 1);
        assert_int_equal(ki_member_key(&cases[i].value, &key),
                         cases[i].status);
        assert_int_equal(key.size, 0);
        assert_int_equal(kist_last_error()->status, cases[i].status);
        assert_false(ki_member_is_canonical(&cases[i].value));
    }
    kist_buf_fini(&key);
}

/*
 * Goal: KIST_PACK_DEPTH_MAX levels have a key, one more has none.
 * Method: tuples and frozensets in turn.
 */
static void
test_depth(void **state)
{
    kist_buf buf = {0};
    kist_buf key = {0};
    kist_value value;

    (void)state;
    kt_pack(&buf, kist_bool(true));
    for (int level = 1; level < KIST_PACK_DEPTH_MAX; level++) {
        kt_wrap(&buf, level % 2 == 0 ? KIST_TUPLE : KIST_FROZENSET);
    }
    value = kist_blob(KIST_TUPLE, buf.data, buf.size);
    assert_int_equal(ki_member_key(&value, &key), KIST_OK);
    assert_int_equal(ki_member_load(kist_buf_slice(&key), &value), KIST_OK);
    assert_true(ki_member_is_canonical(&value));
    assert_int_equal(kist_value_check(&value), KIST_OK);
    kt_wrap(&buf, KIST_TUPLE);
    value = kist_blob(KIST_TUPLE, buf.data, buf.size);
    assert_int_equal(ki_member_key(&value, &key), KIST_ERR_TOOBIG);
    assert_false(ki_member_is_canonical(&value));
    kist_buf_fini(&buf);
    kist_buf_fini(&key);
}

/*
 * Goal: bytes that are no key are CORRUPT.
 * Method: empty, tags that no key has, wrong sizes.
 */
static void
test_load(void **state)
{
    static const uint8_t key[] = {0, 2, 9, 10, 11, 22, 255};
    kist_value value;

    (void)state;
    assert_int_equal(ki_member_load(kist_bytes(NULL, 0), &value),
                     KIST_ERR_CORRUPT);
    for (size_t i = 0; i < sizeof(key); i++) {
        assert_int_equal(ki_member_load(kist_bytes(&key[i], 1), &value),
                         KIST_ERR_CORRUPT);
    }
    assert_int_equal(ki_member_load(kist_str("\3ab"), &value),
                     KIST_ERR_CORRUPT);
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
 * Goal: with any allocation failing, the answer is NOMEM and the key empty.
 * Method: a nested member of unsorted sets, allocation n failing, for n from
 * 0 until it succeeds.
 */
static void
test_no_memory(void **state)
{
    kist_buf buf = {0};
    kist_buf key = {0};
    kist_status status = KIST_ERR_NOMEM;
    kist_value value;
    int n = 0;

    (void)state;
    for (int i = 300; i > 0; i--) {
        kt_pack(&buf, kist_float(i));
    }
    kt_wrap(&buf, KIST_FROZENSET);
    kt_pack(&buf, kist_int(7));
    value = kist_blob(KIST_FROZENSET, buf.data, buf.size);
    for (; status == KIST_ERR_NOMEM; n++) {
        allocations_left = n;
        ki_alloc_hook = allocation_fails;
        status = ki_member_key(&value, &key);
        ki_alloc_hook = NULL;
        assert_true(status == KIST_OK || key.size == 0);
        if (status == KIST_OK) {
            break;
        }
        kist_buf_fini(&key); // Its memory would save the next allocation.
    }
    assert_int_equal(status, KIST_OK);
    assert_true(n >= 4);
    kist_buf_fini(&buf);
    kist_buf_fini(&key);
}

/* Goal: the key made without memory is the key.
 * Method: the small types at their limits, and texts about the size of the
 * room. */
static void
test_small_keys(void **state)
{
    static const uint8_t text[KI_MEMBER_SMALL + 2] = "members of a set";
    uint8_t room[KI_MEMBER_SMALL];
    kist_value values[] = {kist_bool(false),
                           kist_bool(true),
                           kist_int(0),
                           kist_int(INT64_MAX),
                           kist_int(INT64_MIN),
                           kist_int(-1),
                           kist_blob(KIST_TEXT, NULL, 0),
                           kist_blob(KIST_TEXT, text, 1),
                           kist_blob(KIST_TEXT, text, KI_MEMBER_SMALL - 1),
                           kist_blob(KIST_BYTES, text, KI_MEMBER_SMALL - 1)};
    const kist_value large[] = {
        kist_blob(KIST_TEXT, text, KI_MEMBER_SMALL),
        kist_blob(KIST_BYTES, text, KI_MEMBER_SMALL + 1), kist_float(1.0),
        kist_null()};
    kist_slice small;

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        kist_buf key = {0};

        assert_int_equal(ki_member_key(&values[i], &key), KIST_OK);
        assert_true(ki_member_key_small(&values[i], room, &small));
        assert_int_equal(small.size, key.size);
        assert_memory_equal(small.data, key.data, key.size);
        kist_buf_fini(&key);
    }
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        assert_false(ki_member_key_small(&large[i], room, &small));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_keys), cmocka_unit_test(test_vector_pairs),
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_format),
        cmocka_unit_test(test_nan),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),      cmocka_unit_test(test_load),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
