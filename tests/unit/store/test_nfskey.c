/*
 * Goal    names of files are SHA-256 as the standard has it, and keys are read
 *         out of what the peer's serializers write, and out of nothing else.
 * Method  the standard's vectors; bytes that CPython 3.11 wrote; each of them
 *         cut short at every length, and damaged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/nfskey.h"
#include "support/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
check_digest(const void *data, size_t size, const char *expected)
{
    uint8_t digest[KI_SHA256_SIZE];
    uint8_t plain[KI_SHA256_SIZE];
    uint8_t back[KI_SHA256_SIZE];
    char name[KI_NFSNAME_SIZE + 1];

    ki_sha256(data, size, digest);
    ki_sha256_plain(data, size, plain);
    assert_memory_equal(digest, plain, sizeof(digest));
    ki_nfsname_write(digest, name);
    assert_string_equal(name + 3, expected);
    assert_memory_equal(name, expected, 2);
    assert_int_equal(name[2], '/');
    assert_true(ki_nfsname_read(name + 3, back));
    assert_memory_equal(digest, back, sizeof(digest));
}

/*
 * Goal    SHA-256 is SHA-256.
 * Method  the examples of FIPS 180 (one block, two, a million letters), the
 *         empty message, and lengths around those where padding changes.
 */
static void
test_sha256(void **state)
{
    char *million = ki_calloc(1, 1000000);
    uint8_t message[260];

    (void)state;
    check_digest("", 0,
                 "e3b0c44298fc1c149afbf4c8996fb924"
                 "27ae41e4649b934ca495991b7852b855");
    check_digest("abc", 3,
                 "ba7816bf8f01cfea414140de5dae2223"
                 "b00361a396177a9cb410ff61f20015ad");
    check_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                 56,
                 "248d6a61d20638b8e5c026930c3e6039"
                 "a33ce45964ff2167f6ecedd419db06c1");
    assert_non_null(million);
    memset(million, 'a', 1000000);
    check_digest(million, 1000000,
                 "cdc76e5c9914fb9281a1c7e284d73e67"
                 "f1809a48a497200e046d39ccc7112cd0");
    ki_free(million);
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t size = 0; size <= sizeof(message); size++) {
        uint8_t fast[KI_SHA256_SIZE];
        uint8_t plain[KI_SHA256_SIZE];

        ki_sha256(message, size, fast);
        ki_sha256_plain(message, size, plain);
        assert_memory_equal(fast, plain, sizeof(fast));
    }
}

/*
 * Goal    only 64 digits in small letters are a name.
 * Method  one that is, with each digit replaced in turn.
 */
static void
test_names(void **state)
{
    static const char bad[] = "gG/. -AF\x80";
    char digits[] = "ca978112ca1bbdcafac231b39a23dc4d"
                    "a786eff8147c4e72b9807785afee48bb";
    uint8_t digest[KI_SHA256_SIZE];

    (void)state;
    assert_true(ki_nfsname_read(digits, digest));
    for (size_t i = 0; i < 64; i++) {
        for (size_t b = 0; b < sizeof(bad); b++) {
            const char before = digits[i];

            digits[i] = bad[b];
            assert_false(ki_nfsname_read(digits, digest));
            digits[i] = before;
        }
    }
}

/*
 * Goal    text is UTF-8 without surrogates.
 * Method  the edges of each form, and what lies beside them.
 */
static void
test_text(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "12345678",
                                       "123456789",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "1234567\xc2\x80"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x7f",
                                      "\xc2\xc0",
                                      "\xe0\x9f\xbf",
                                      "\xe0\xa0",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x90\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "12345678\x80"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(ki_nfskey_valid(kist_str(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(ki_nfskey_valid(kist_str(bad[i])));
    }
}

#define BYTES(text) text, sizeof(text) - 1

/* What CPython 3.11 makes of (key, value), and of things that are no pair. */
static const struct {
    const char *data;
    size_t size;
    const char *key; /* NULL: not a value */
} pickles[] = {
    // pickle.dumps(("a", 1), 2), 3, 4 and 5
    {BYTES("\x80\x02X\x01\x00\x00\x00"
           "aq\x00K\x01\x86q\x01."),
     "a"},
    {BYTES("\x80\x03X\x01\x00\x00\x00"
           "aq\x00K\x01\x86q\x01."),
     "a"},
    {BYTES("\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00\x8c\x01"
           "a\x94K\x01\x86\x94."),
     "a"},
    {BYTES("\x80\x05\x95\x09\x00\x00\x00\x00\x00\x00\x00\x8c\x01"
           "a\x94K\x01\x86\x94."),
     "a"},
    // ("", None), ("\xe4", "\xe4") without a frame, as an optimizer writes it
    {BYTES("\x80\x04\x95\x07\x00\x00\x00\x00\x00\x00\x00\x8c\x00\x94N\x86"
           "\x94."),
     ""},
    {BYTES("\x80\x04\x8c\x02\xc3\xa4\x94h\x00\x86\x94."), "\xc3\xa4"},
    // BINUNICODE8
    {BYTES("\x80\x04\x8d\x01\x00\x00\x00\x00\x00\x00\x00"
           "aK\x01\x86."),
     "a"},
    // dumps(["a", 1]), dumps(1), dumps({"a": 1}), protocol 0 and 1, a call
    {BYTES("\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x01"
           "a\x94K\x01"
           "e."),
     NULL},
    {BYTES("\x80\x04K\x01."), NULL},
    {BYTES("\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01"
           "a\x94K\x01s."),
     NULL},
    {BYTES("(Va\np0\nI1\ntp1\n."), NULL},
    {BYTES("X\x01\x00\x00\x00"
           "aq\x00K\x01\x86q\x01."),
     NULL},
    {BYTES("\x80\x04"
           "cos\nsystem\n\x8c\x01x\x85R."),
     NULL},
    {BYTES("\x80\x06\x8c\x01"
           "aK\x01\x86."),
     NULL},
    {BYTES("\x80\x04\x8c\x02\xed\xa0K\x01\x86."), NULL},
    {BYTES("\x80\x04X\xff\xff\xff\xff"
           "aK\x01\x86."),
     NULL},
};

static const struct {
    const char *data;
    const char *key;
} arrays[] = {
    {"[\"a\", 1]", "a"},
    {"[\"\", null]", ""},
    {" \n\t\r[ \"a\" , {}]", "a"},
    {"[\"\xc3\xa4\", 1]", "\xc3\xa4"},
    {"[\"\\u00e4\", 1]", "\xc3\xa4"},
    {"[\"\\uD83D\\uDE00x\", 1]", "\xf0\x9f\x98\x80x"},
    {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", 1]", "\"\\/\b\f\n\r\t"},
    {"[\"a\"]", NULL},
    {"[]", NULL},
    {"[1, 2]", NULL},
    {"{\"a\": 1}", NULL},
    {"\"a\", 1", NULL},
    {"[\"a\" 1]", NULL},
    {"[\"\\x\", 1]", NULL},
    {"[\"\\u12g4\", 1]", NULL},
    {"[\"\\ud800\", 1]", NULL},
    {"[\"\\udc00\", 1]", NULL},
    {"[\"\\ud800\\u0041\", 1]", NULL},
    {"[\"a\nb\", 1]", NULL},
    {"[\"\xff\", 1]", NULL},
};

/* Whole, the bytes have the key; cut short, they have it or want more. */
static void
check_key(ki_nfsformat format, const char *data, size_t size,
          const char *expected)
{
    kist_buf scratch = {0};
    kist_slice key;

    for (size_t cut = 0; cut <= size; cut++) {
        // A block of this very size, for the sanitizer.
        char *part = malloc(cut == 0 ? 1 : cut);
        kist_status status;

        assert_non_null(part);
        memcpy(part, data, cut);
        status = ki_nfskey_read(format, kist_bytes(part, cut), false, &scratch,
                                &key);
        if (status == KIST_OK) {
            KT_CHECK(expected != NULL && key.size == strlen(expected) &&
                         memcmp(key.data, expected, key.size) == 0,
                     "%.*s", (int)key.size, (const char *)key.data);
        }
        else if (expected != NULL) {
            assert_int_equal(status, KIST_END);
            assert_true(cut < size);
        }
        status = ki_nfskey_read(format, kist_bytes(part, cut), true, &scratch,
                                &key);
        assert_true(status == KIST_OK || status == KIST_ERR_CORRUPT);
        assert_true(status != KIST_OK || expected != NULL);
        assert_true(cut < size || (status == KIST_OK) == (expected != NULL));
        free(part);
    }
    kist_buf_fini(&scratch);
}

static void
test_pickles(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pickles); i++) {
        check_key(KI_NFS_PICKLE, pickles[i].data, pickles[i].size,
                  pickles[i].key);
    }
}

static void
test_arrays(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(arrays); i++) {
        check_key(KI_NFS_JSON, arrays[i].data, strlen(arrays[i].data),
                  arrays[i].key);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256), cmocka_unit_test(test_names),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_pickles),
        cmocka_unit_test(test_arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
