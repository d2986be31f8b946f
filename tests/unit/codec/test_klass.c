#include "codec_support.h"

#include "codec/klass.h"
#include "codec/number.h"

#define CHECK(klass, value, expected)                                         \
    do {                                                                      \
        const kist_value v_ = (value);                                        \
        assert_int_equal(ki_klass_check((klass), &v_), (expected));           \
        if ((expected) != KIST_OK) {                                          \
            assert_int_equal(kist_last_error()->status, (expected));          \
        }                                                                     \
    } while (0)

/*
 * Goal: which numbers are types of collections.
 * Method: try all of a byte.
 */
static void
test_valid(void **state)
{
    (void)state;
    for (int klass = 0; klass < 256; klass++) {
        assert_int_equal(ki_klass_valid((kist_type)klass),
                         klass <= 21 || klass == 32 || klass == 33);
    }
}

/*
 * Goal: a typed collection takes its own type and no other.
 * Method: one value of each type against each type of collection.
 */
static void
test_matrix(void **state)
{
    const kist_value values[] = {
        kist_null(),
        kist_bool(true),
        kist_int(1),
        kist_float(1.0),
        kist_text("1"),
        KT_BLOB(KIST_BYTES, "\xff"),
        KT_BLOB(KIST_BIGINT, "\0\0\0\0\0\0\0\0\1"),
        KT_BLOB(KIST_TUPLE, "\1"),
        KT_BLOB(KIST_LIST, "\1"),
        KT_BLOB(KIST_DICT, "\1\1"),
        KT_BLOB(KIST_SET, "\1"),
        KT_BLOB(KIST_FROZENSET, "\1"),
        KT_BLOB(KIST_JSON, "{}"),
        KT_BLOB(KIST_DATETIME, "2020-01-02T03:04:05"),
        KT_BLOB(KIST_DATE, "2020-01-02"),
        KT_BLOB(KIST_TIME, "03:04:05"),
        KT_BLOB(KIST_TIMEDELTA, "\3\1\0\0\0\0\0\0\0\3\1\0\0\0\0\0\0\0"
                                "\3\1\0\0\0\0\0\0\0"),
        KT_BLOB(KIST_DECIMAL, "1.50"),
        KT_BLOB(KIST_UUID, "0123456789abcdef"),
        KT_BLOB(KIST_COMPLEX, "0123456789abcdef"),
        KT_BLOB(KIST_REF, "ref"),
    };

    (void)state;
    assert_int_equal(KT_COUNT(values), KIST_REF);
    for (size_t i = 0; i < KT_COUNT(values); i++) {
        const kist_type own = values[i].type;
        const bool integer = own == KIST_INT || own == KIST_BIGINT;

        assert_int_equal(own, i + 1);
        CHECK(KIST_ANY, values[i], KIST_OK);
        for (unsigned klass = KIST_NULL; klass <= KIST_REF; klass++) {
            CHECK((kist_type)klass, values[i],
                  klass == own                              ? KIST_OK
                  : own == KIST_BIGINT && klass == KIST_INT ? KIST_ERR_OVERFLOW
                                                            : KIST_ERR_TYPE);
        }
        CHECK(KIST_INT32, values[i],
              own == KIST_INT      ? KIST_OK
              : own == KIST_BIGINT ? KIST_ERR_OVERFLOW
                                   : KIST_ERR_TYPE);
        CHECK(KIST_INT128, values[i], integer ? KIST_OK : KIST_ERR_TYPE);
    }
}

/*
 * Goal: what is no type of values fits nowhere.
 * Method: the types of collections only, and unknown numbers, as values.
 */
static void
test_no_value(void **state)
{
    const kist_type types[] = {KIST_ANY, KIST_INT32, KIST_INT128,
                               (kist_type)22, (kist_type)255};

    (void)state;
    for (size_t i = 0; i < KT_COUNT(types); i++) {
        CHECK(KIST_ANY, kist_blob(types[i], "", 0), KIST_ERR_TYPE);
        CHECK(types[i], kist_blob(types[i], "", 0), KIST_ERR_TYPE);
    }
}

/*
 * Goal: integers at and one past the ends of INT32 and INT128; big ints that
 * are not minimal, or are no big ints.
 * Method: the ends, by hand.
 */
static void
test_integers(void **state)
{
    static const char max_128[] = "\xff\xff\xff\xff\xff\xff\xff\xff"
                                  "\xff\xff\xff\xff\xff\xff\xff\x7f";
    static const char over_128[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\0";
    static const char under_128[] = "\xff\xff\xff\xff\xff\xff\xff\xff"
                                    "\xff\xff\xff\xff\xff\xff\xff\x7f\xff";
    static const char fits_64[] = "\0\0\0\0\0\0\0\x7f\0";
    static const char fits_64_too[] = "\0\0\0\0\0\0\0\x80\xff";

    (void)state;
    CHECK(KIST_INT32, kist_int(INT32_MAX), KIST_OK);
    CHECK(KIST_INT32, kist_int(INT32_MIN), KIST_OK);
    CHECK(KIST_INT32, kist_int((int64_t)INT32_MAX + 1), KIST_ERR_OVERFLOW);
    CHECK(KIST_INT32, kist_int((int64_t)INT32_MIN - 1), KIST_ERR_OVERFLOW);
    CHECK(KIST_INT128, kist_int(INT64_MIN), KIST_OK);
    CHECK(KIST_INT128, kist_blob(KIST_BIGINT, max_128, 16), KIST_OK);
    CHECK(KIST_INT128, kist_blob(KIST_BIGINT, over_128, 17),
          KIST_ERR_OVERFLOW);
    CHECK(KIST_INT128, kist_blob(KIST_BIGINT, under_128, 17),
          KIST_ERR_OVERFLOW);
    CHECK(KIST_ANY, kist_blob(KIST_BIGINT, over_128, 17), KIST_OK);
    CHECK(KIST_ANY, kist_blob(KIST_BIGINT, fits_64, 9), KIST_ERR_INVALID);
    CHECK(KIST_ANY, kist_blob(KIST_BIGINT, fits_64_too, 9), KIST_ERR_INVALID);
    CHECK(KIST_INT128, kist_blob(KIST_BIGINT, fits_64, 9), KIST_ERR_INVALID);
    CHECK(KIST_INT, kist_blob(KIST_BIGINT, fits_64, 8), KIST_ERR_INVALID);
    CHECK(KIST_ANY, kist_blob(KIST_BIGINT, "", 0), KIST_ERR_INVALID);
}

/* UTF-8 of any number below 2**21, shortest form or `size` bytes. */
static size_t
encode(uint32_t code, size_t size, uint8_t *to)
{
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

    if (size == 1) {
        to[0] = (uint8_t)code;
        return 1;
    }
    for (size_t i = size; i-- > 1; code >>= 6) {
        to[i] = (uint8_t)(0x80 | (code & 0x3f));
    }
    to[0] = (uint8_t)(leads[size] | code);
    return size;
}

/*
 * Goal: exactly the code points to U+10FFFF in their shortest form are text,
 * lone surrogates included.
 * Method: every number of 21 bits in every length that can hold it.
 */
static void
test_text_all(void **state)
{
    static const uint32_t limits[] = {0, 0x80, 0x800, 0x10000, 0x200000};
    uint8_t bytes[4];

    (void)state;
    for (size_t size = 1; size <= 4; size++) {
        for (uint32_t code = 0; code < limits[size]; code++) {
            const bool good = code >= limits[size - 1] && code <= 0x10ffff;

            encode(code, size, bytes);
            if (ki_utf8_valid(bytes, size) != good) {
                fail_msg("U+%X in %zu bytes", (unsigned)code, size);
            }
        }
    }
}

/*
 * Goal: one bad byte is found wherever it stands, so the steps of eight skip
 * nothing; a cut character is no text.
 * Method: texts of 0 to 40 letters with a bad byte, or a character cut short,
 * at each place; heap blocks of the exact size show reads past the end.
 */
static void
test_text_places(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 40; size++) {
        uint8_t *text = test_malloc(size + 1);

        memset(text, 'a', size);
        assert_true(ki_utf8_valid(text, size));
        for (size_t at = 0; at < size; at++) {
            text[at] = 0x80;
            assert_false(ki_utf8_valid(text, size));
            text[at] = 0xff;
            assert_false(ki_utf8_valid(text, size));
            if (size - at >= 3) {
                memcpy(text + at, "\xe2\x82\xac", 3);
                assert_true(ki_utf8_valid(text, size));
                assert_false(ki_utf8_valid(text, at + 2));
                assert_false(ki_utf8_valid(text, at + 1));
                memset(text + at, 'a', 3);
            }
            text[at] = 'a';
        }
        test_free(text);
    }
}

/*
 * Goal: text that is no UTF-8 is INVALID, in typed collections and others.
 * Method: the classic bad forms.
 */
static void
test_text(void **state)
{
    const kist_type klasses[] = {KIST_ANY, KIST_TEXT};

    (void)state;
    for (size_t i = 0; i < KT_COUNT(klasses); i++) {
        CHECK(klasses[i], kist_blob(KIST_TEXT, NULL, 0), KIST_OK);
        CHECK(klasses[i], kist_text("\xc3\xa9"), KIST_OK);
        CHECK(klasses[i], kist_text("\xed\xa0\x80"), KIST_OK);
        CHECK(klasses[i], kist_text("\xc0\x80"), KIST_ERR_INVALID);
        CHECK(klasses[i], kist_text("long enough \xf4\x90\x80\x80"),
              KIST_ERR_INVALID);
        CHECK(klasses[i], kist_text("\xe2\x82"), KIST_ERR_INVALID);
    }
    CHECK(KIST_BYTES, KT_BLOB(KIST_BYTES, "\xc0\x80"), KIST_OK);
}

/*
 * Goal: composites are checked before they are taken.
 * Method: broken ones of several types, in collections of both kinds.
 */
static void
test_composite(void **state)
{
    (void)state;
    CHECK(KIST_ANY, KT_BLOB(KIST_TUPLE, "\x63"), KIST_ERR_CORRUPT);
    CHECK(KIST_TUPLE, KT_BLOB(KIST_TUPLE, "\3\0"), KIST_ERR_CORRUPT);
    CHECK(KIST_ANY, KT_BLOB(KIST_UUID, "short"), KIST_ERR_CORRUPT);
    CHECK(KIST_JSON, KT_BLOB(KIST_JSON, "\xff"), KIST_ERR_CORRUPT);
}

/*
 * Goal: index words give back what went in, and any word gives a value that
 * fits.
 * Method: round trips at the ends; odd words.
 */
static void
test_words(void **state)
{
    const kist_value ints[] = {kist_int(0), kist_int(-1), kist_int(INT32_MIN),
                               kist_int(INT32_MAX)};
    kist_value value;

    (void)state;
    for (unsigned klass = 0; klass < 64; klass++) {
        assert_int_equal(ki_klass_inline((kist_type)klass),
                         klass == KIST_BOOL || klass == KIST_INT ||
                             klass == KIST_INT32 || klass == KIST_FLOAT);
    }
    for (size_t i = 0; i < KT_COUNT(ints); i++) {
        const uint64_t word = ki_klass_to_word(&ints[i]);

        value = ki_klass_from_word(KIST_INT, word);
        assert_true(kist_value_equal(&value, &ints[i]));
        value = ki_klass_from_word(KIST_INT32, word);
        assert_true(kist_value_equal(&value, &ints[i]));
        assert_int_equal(value.type, KIST_INT);
    }
    value = kist_float(-0.0);
    assert_true(ki_klass_to_word(&value) == UINT64_C(1) << 63);
    value = ki_klass_from_word(KIST_FLOAT, UINT64_C(1) << 63);
    assert_int_equal(value.type, KIST_FLOAT);
    assert_true(__builtin_signbit(value.as.real));
    value = kist_bool(true);
    assert_int_equal(ki_klass_to_word(&value), 1);
    value = ki_klass_from_word(KIST_BOOL, UINT64_MAX);
    assert_int_equal(value.type, KIST_BOOL);
    assert_true(value.as.boolean);
    value = ki_klass_from_word(KIST_INT32, UINT64_C(0x123456789));
    CHECK(KIST_INT32, value, KIST_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),    cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_no_value), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_text_all), cmocka_unit_test(test_text_places),
        cmocka_unit_test(test_text),     cmocka_unit_test(test_composite),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
