#include "codec_support.h"

#include "codec/item.h"
#include "vectors.h"

/*
 * Goal: items are read and written as the FORMAT block has them.
 * Method: unpack what the generator packed, pack it again, compare bytes;
 * every one passes the check.
 */
static void
test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < KT_COUNT(vectors); i++) {
        kist_slice packed = {vectors[i].packed, vectors[i].size};
        kist_buf buf = {0};
        kist_value value;

        assert_int_equal(kist_unpack_value(&packed, &value), KIST_OK);
        assert_int_equal(packed.size, 0);
        if (kist_value_check(&value) != KIST_OK) {
            fail_msg("%s: %s", vectors[i].source, kist_last_error()->what);
        }
        kt_pack(&buf, value);
        assert_int_equal(buf.size, vectors[i].size);
        assert_memory_equal(buf.data, vectors[i].packed, buf.size);
        assert_int_equal(kist_unpack_value(&packed, &value), KIST_END);
        kist_buf_fini(&buf);
    }
}

/*
 * Goal: an item cut short is CORRUPT and moves nothing.
 * Method: every prefix of every vector, copied to a block of its exact size.
 */
static void
test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < KT_COUNT(vectors); i++) {
        for (size_t size = 1; size < vectors[i].size; size++) {
            char *copy = test_malloc(size);
            kist_slice packed = {copy, size};
            kist_value value = kist_int(4711);

            memcpy(copy, vectors[i].packed, size);
            assert_int_equal(kist_unpack_value(&packed, &value),
                             KIST_ERR_CORRUPT);
            assert_ptr_equal(packed.data, copy);
            assert_int_equal(packed.size, size);
            assert_int_equal(value.as.integer, 4711);
            test_free(copy);
        }
    }
}

/*
 * Goal: each kind of damage is found.
 * Method: one small composite per rule that it breaks.
 */
static void
test_check(void **state)
{
    const kist_value bad[] = {
        KT_BLOB(KIST_LIST, "\0"),           // no such tag
        KT_BLOB(KIST_LIST, "\x16"),         // one past REF
        KT_BLOB(KIST_LIST, "\x20\0\0\0\0"), // INT32 is for collections
        KT_BLOB(KIST_LIST, "\2\2"),         // a bool of 2
        KT_BLOB(KIST_LIST, "\3\0\0\0"),     // half an int
        KT_BLOB(KIST_LIST, "\5\2a"),        // text past the end
        KT_BLOB(KIST_LIST, "\5\x81\0a"),    // size longer than need be
        KT_BLOB(KIST_LIST, "\5\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
        KT_BLOB(KIST_LIST, "\5\1\xff"), // no UTF-8
        KT_BLOB(KIST_LIST, "\7\1\1"),   // a small big int
        KT_BLOB(KIST_LIST, "\7\x09\1\1\1\1\1\1\1\1\0"),
        KT_BLOB(KIST_LIST, "\x13\1a"),     // a UUID of one byte
        KT_BLOB(KIST_LIST, "\x09\2\5\1"),  // inner text past inner end
        KT_BLOB(KIST_DICT, "\1"),          // a key without value
        KT_BLOB(KIST_DICT, "\1\1\1"),      // one more
        KT_BLOB(KIST_LIST, "\x0a\1\1\1"),  // the same, inside a list
        KT_BLOB(KIST_DICT, "\x09\0\1"),    // a list as key
        KT_BLOB(KIST_SET, "\x09\0"),       // a list as member
        KT_BLOB(KIST_FROZENSET, "\x0a\0"), // a dict as member
        KT_BLOB(KIST_SET, "\x08\2\x0b\0"), // a set in a tuple as member
        KT_BLOB(KIST_TIMEDELTA, "\3"),
        KT_BLOB(KIST_TIMEDELTA, "\3\1\0\0\0\0\0\0\0\3\1\0\0\0\0\0\0\0"
                                "\4\1\0\0\0\0\0\0\0"),
        KT_BLOB(KIST_TEXT, "\xff"),
        KT_BLOB(KIST_BIGINT, ""),
        KT_BLOB(KIST_COMPLEX, "0"),
        KT_BLOB(KIST_ANY, ""),
    };
    const kist_value good[] = {
        KT_BLOB(KIST_DICT, "\1\x09\0"),       // a list as value
        KT_BLOB(KIST_SET, "\x08\2\x0c\0"),    // a frozenset in a tuple
        KT_BLOB(KIST_LIST, "\x0a\3\1\x0b\0"), // a set as value
        KT_BLOB(KIST_LIST, "\x09\0\1"),       // goes on behind an inner one
        kist_blob(KIST_TUPLE, NULL, 0),
    };

    (void)state;
    for (size_t i = 0; i < KT_COUNT(bad); i++) {
        if (kist_value_check(&bad[i]) != KIST_ERR_CORRUPT) {
            fail_msg("bad[%zu] passed", i);
        }
        assert_int_equal(kist_last_error()->status, KIST_ERR_CORRUPT);
        assert_true(!kist_value_equal(&bad[i], &good[0]));
    }
    for (size_t i = 0; i < KT_COUNT(good); i++) {
        assert_int_equal(kist_value_check(&good[i]), KIST_OK);
    }
}

/*
 * Goal: KIST_PACK_DEPTH_MAX levels are taken, one more is TOOBIG, a million
 * break nothing.
 * Method: lists in lists; the million by hand, sizes past the end and all.
 */
static void
test_depth(void **state)
{
    kist_buf buf = {0};
    kist_value value;

    (void)state;
    for (int level = 1; level < KIST_PACK_DEPTH_MAX; level++) {
        kt_wrap(&buf, KIST_LIST);
    }
    value = kist_blob(KIST_LIST, buf.data, buf.size);
    assert_int_equal(kist_value_check(&value), KIST_OK);
    assert_true(kist_value_equal(&value, &value));
    kt_wrap(&buf, KIST_LIST);
    value = kist_blob(KIST_LIST, buf.data, buf.size);
    assert_int_equal(kist_value_check(&value), KIST_ERR_TOOBIG);
    assert_false(kist_value_equal(&value, &value));
    kist_buf_fini(&buf);

    char *bomb = test_malloc(2000000);
    memset(bomb, KIST_LIST, 2000000);
    value = kist_blob(KIST_LIST, bomb, 2000000);
    assert_int_equal(kist_value_check(&value), KIST_ERR_CORRUPT);
    test_free(bomb);
}

/*
 * Goal: packing fails whole: what is no value, what is above the limit.
 * Method: such values; the buffer stays as it was.
 */
static void
test_pack_fails(void **state)
{
    const kist_value no_value = kist_blob(KIST_INT128, "", 0);
    const kist_value text = kist_text("12345678");
    kist_buf buf;

    (void)state;
    kist_buf_init(&buf, 11);
    kt_pack(&buf, kist_null());
    assert_int_equal(kist_pack_value(&buf, &no_value), KIST_ERR_TYPE);
    assert_int_equal(buf.size, 1);
    kt_pack(&buf, text); // Fills it to the byte.
    assert_int_equal(buf.size, 11);
    assert_int_equal(kist_pack_value(&buf, &text), KIST_ERR_TOOBIG);
    assert_int_equal(buf.size, 11);
    kist_buf_fini(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_check),      cmocka_unit_test(test_depth),
        cmocka_unit_test(test_pack_fails),
    };

    // The pairs are for test_order.c and test_member.c.
    (void)vector_pairs;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
