#include "codec_support.h"

#include "codec/scalar.h"

/*
 * Goal: every value comes back from its payload as it was.
 * Method: store and load one of each type, into a buffer of the exact size.
 */
static void
test_round_trip(void **state)
{
    const kist_value values[] = {
        kist_null(),
        kist_bool(false),
        kist_bool(true),
        kist_int(0),
        kist_int(INT64_MIN),
        kist_int(INT64_MAX),
        kist_float(-0.0),
        kist_float(1e308),
        kist_text(""),
        kist_text("abc"),
        KT_BLOB(KIST_BYTES, "\0\1\2"),
        KT_BLOB(KIST_BIGINT, "\0\0\0\0\0\0\0\0\1"),
        KT_BLOB(KIST_TUPLE, "\1"),
        kist_blob(KIST_LIST, NULL, 0),
        KT_BLOB(KIST_UUID, "0123456789abcdef"),
        KT_BLOB(KIST_COMPLEX, "0123456789abcdef"),
        KT_BLOB(KIST_REF, "elsewhere"),
    };

    (void)state;
    for (size_t i = 0; i < KT_COUNT(values); i++) {
        const size_t size = ki_value_payload_size(&values[i]);
        uint8_t *payload = test_malloc(size + 1);
        kist_value back;

        payload[size] = 0xa5;
        ki_value_payload_store(payload, &values[i]);
        assert_int_equal(payload[size], 0xa5);
        assert_int_equal(ki_value_payload_load((uint8_t)values[i].type,
                                               payload, size, &back),
                         KIST_OK);
        assert_int_equal(back.type, values[i].type);
        if (ki_tag_has_bytes(back.type)) {
            assert_int_equal(back.as.bytes.size, size);
            assert_ptr_equal(back.as.bytes.data, payload);
        }
        assert_true(kist_value_equal(&values[i], &back));
        test_free(payload);
    }
}

/*
 * Goal: the layout on disk is the one in the FORMAT block.
 * Method: compare payloads with bytes written by hand.
 */
static void
test_layout(void **state)
{
    uint8_t payload[8];
    kist_value value = kist_int(0x0102030405060708);

    (void)state;
    ki_value_payload_store(payload, &value);
    assert_memory_equal(payload, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    value = kist_float(1.0);
    ki_value_payload_store(payload, &value);
    assert_memory_equal(payload, "\0\0\0\0\0\0\xf0\x3f", 8);
    value = kist_bool(true);
    assert_int_equal(ki_value_payload_size(&value), 1);
    ki_value_payload_store(payload, &value);
    assert_int_equal(payload[0], 1);
}

/*
 * Goal: a tag or size that no writer makes is CORRUPT, and *v stays.
 * Method: every tag of a byte with every size from 0 to 40, against the table
 * of the FORMAT block.
 */
static void
test_hostile(void **state)
{
    uint8_t payload[40] = {0};

    (void)state;
    for (unsigned tag = 0; tag < 256; tag++) {
        for (size_t size = 0; size <= sizeof(payload); size++) {
            kist_value value = kist_int(4711);
            bool good = tag >= KIST_TEXT && tag <= KIST_REF;
            kist_status status;

            good = tag == KIST_NULL                          ? size == 0
                   : tag == KIST_BOOL                        ? size == 1
                   : tag == KIST_INT || tag == KIST_FLOAT    ? size == 8
                   : tag == KIST_BIGINT                      ? size >= 9
                   : tag == KIST_TIMEDELTA                   ? size == 27
                   : tag == KIST_UUID || tag == KIST_COMPLEX ? size == 16
                                                             : good;
            status =
                ki_value_payload_load((uint8_t)tag, payload, size, &value);
            assert_int_equal(status, good ? KIST_OK : KIST_ERR_CORRUPT);
            if (!good) {
                assert_int_equal(value.as.integer, 4711);
            }
        }
    }
    payload[0] = 2;
    kist_value value;
    assert_int_equal(ki_value_payload_load(KIST_BOOL, payload, 1, &value),
                     KIST_ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
