#include "store/md5.h"
#include "support/check.h"

static void
check_hex(const void *data, size_t size, const char *expected)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[KI_MD5_SIZE];
    char text[2 * KI_MD5_SIZE + 1] = "";

    ki_md5(data, size, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    assert_string_equal(text, expected);
}

/*
 * Goal    the digests are those of RFC 1321.
 * Method  its test suite.
 */
static void
test_vectors(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } vectors[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"1234567890123456789012345678901234567890"
         "1234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        check_hex(vectors[i].text, strlen(vectors[i].text), vectors[i].digest);
    }
}

/*
 * Goal    each size up to five blocks is padded right.
 * Method  the digest of the digests of 300 messages is the one that Python's
 *         hashlib gives.
 */
static void
test_sizes(void **state)
{
    uint8_t digests[300][KI_MD5_SIZE];
    uint8_t data[300];

    (void)state;
    for (size_t size = 0; size < 300; size++) {
        for (size_t i = 0; i < size; i++) {
            data[i] = (uint8_t)(i * 7 + size);
        }
        ki_md5(data, size, digests[size]);
    }
    check_hex(digests, sizeof(digests), "07078cab541bc45f0a66e2c0213a32f4");
}

/*
 * Goal    several messages at once have the digests that they have alone.
 * Method  every count of them, with sizes about the end of a block.
 */
static void
test_many(void **state)
{
    uint8_t data[200];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 37);
    }
    for (size_t count = 0; count <= KI_MD5_LANES; count++) {
        for (size_t size = 0; size < 70; size++) {
            ki_md5_message messages[KI_MD5_LANES];

            for (size_t i = 0; i < count; i++) {
                messages[i].data = data + i;
                messages[i].size = (size + i * 7) % 70;
            }
            ki_md5_many(messages, count);
            for (size_t i = 0; i < count; i++) {
                uint8_t digest[KI_MD5_SIZE];

                ki_md5(messages[i].data, messages[i].size, digest);
                assert_memory_equal(digest, messages[i].digest,
                                    sizeof(digest));
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
