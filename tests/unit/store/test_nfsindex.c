/*
 * Goal    the peer's index is read as it writes it, and ours as it reads it;
 *         nothing else is taken for an index.
 * Method  bytes that CPython 3.11 wrote, of each protocol; each cut short at
 *         every length, and with each byte replaced by every other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/nfsindex.h"
#include "support/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text)  text, sizeof(text) - 1

#define FRAME(size) "\x95" size "\x00\x00\x00\x00\x00\x00\x00"

/* pickle.dumps() of lists, sets and frozensets. */
static const struct {
    const char *data;
    size_t size;
    const char *keys; // each followed by "|"
} pickles[] = {
    {BYTES("\x80\x02]q\x00."), ""},
    {BYTES("\x80\x03]q\x00."), ""},
    {BYTES("\x80\x04]\x94."), ""},
    {BYTES("\x80\x05]\x94."), ""},
    {BYTES("\x80\x04" FRAME("\x08") "]\x94\x8c\x01"
                                    "a\x94"
                                    "a."),
     "a|"},
    {BYTES("\x80\x02]q\x00(X\x01\x00\x00\x00"
           "aq\x01X\x01\x00\x00\x00"
           "bq\x02"
           "e."),
     "a|b|"},
    {BYTES("\x80\x03]q\x00(X\x01\x00\x00\x00"
           "aq\x01X\x01\x00\x00\x00"
           "bq\x02"
           "e."),
     "a|b|"},
    {BYTES("\x80\x04" FRAME("\x0d") "]\x94(\x8c\x01"
                                    "a\x94\x8c\x01"
                                    "b\x94"
                                    "e."),
     "a|b|"},
    {BYTES("\x80\x05" FRAME("\x0d") "]\x94(\x8c\x01"
                                    "a\x94\x8c\x01"
                                    "b\x94"
                                    "e."),
     "a|b|"},
    {BYTES("\x80\x04" FRAME("\x0d") "]\x94(\x8c\x00\x94\x8c\x02\xc3\xa4\x94"
                                    "e."),
     "|\xc3\xa4|"},
    {BYTES("\x80\x02"
           "c__builtin__\nset\nq\x00]q\x01(X\x01\x00\x00\x00"
           "aq\x02X\x01\x00\x00\x00"
           "bq\x03"
           "e\x85q\x04Rq\x05."),
     "a|b|"},
    {BYTES("\x80\x03"
           "cbuiltins\nset\nq\x00]q\x01(X\x01\x00\x00\x00"
           "aq\x02X\x01\x00\x00\x00"
           "bq\x03"
           "e\x85q\x04Rq\x05."),
     "a|b|"},
    {BYTES("\x80\x02"
           "c__builtin__\nset\nq\x00]q\x01X\x01\x00\x00\x00"
           "aq\x02"
           "a\x85q\x03Rq\x04."),
     "a|"},
    {BYTES("\x80\x04" FRAME("\x0d") "\x8f\x94(\x8c\x01"
                                    "a\x94\x8c\x01"
                                    "b\x94\x90."),
     "a|b|"},
    {BYTES("\x80\x05" FRAME("\x09") "\x8f\x94(\x8c\x01"
                                    "a\x94\x90."),
     "a|"},
    {BYTES("\x80\x03"
           "cbuiltins\nfrozenset\nq\x00]q\x01(X\x01\x00\x00\x00"
           "aq\x02X\x01\x00\x00\x00"
           "bq\x03"
           "e\x85q\x04Rq\x05."),
     "a|b|"},
    {BYTES("\x80\x04" FRAME("\x0c") "(\x8c\x01"
                                    "a\x94\x8c\x01"
                                    "b\x94\x91\x94."),
     "a|b|"},
    {BYTES("\x80\x02"
           "c__builtin__\nset\nq\x00]q\x01\x85q\x02Rq\x03."),
     ""},
    {BYTES("\x80\x05\x8f\x94."), ""},
    // the same str twice: BINGET
    {BYTES("\x80\x04" FRAME("\x0b") "]\x94(\x8c\x01"
                                    "k\x94h\x01"
                                    "e."),
     "k|k|"},
    {BYTES("\x80\x02]q\x00(X\x01\x00\x00\x00"
           "kq\x01h\x01"
           "e."),
     "k|k|"},
};

/* What is no list of str, and what would run something. */
static const struct {
    const char *data;
    size_t size;
} strangers[] = {
    {BYTES("")},
    {BYTES("\x80")},
    {BYTES("\x80\x04")},
    {BYTES("\x80\x04.")},
    {BYTES("\x80\x04N.")},
    {BYTES("\x80\x04K\x01.")},
    {BYTES("\x80\x04\x8c\x01"
           "a.")},
    {BYTES("\x80\x04]\x94K\x01"
           "a.")}, // [1]
    {BYTES("\x80\x04]\x94]\x94"
           "a.")},             // [[]]
    {BYTES("\x80\x04}\x94.")}, // {}
    {BYTES("\x80\x04)\x94.")}, // ()
    {BYTES("\x80\x04\x8c\x01"
           "a\x85.")}, // ("a",)
    {BYTES("\x80\x04](\x8c\x01"
           "a.")}, // never closed
    {BYTES("\x80\x04]\x8c\x01"
           "a.")}, // never appended
    {BYTES("\x80\x04]\x94h\x00"
           "a.")}, // itself
    {BYTES("\x80\x04]h\x07"
           "a.")}, // no such slot
    {BYTES("\x80\x01]q\x00.")},
    {BYTES("\x80\x06]\x94.")},
    {BYTES("(lp0\n.")},
    {BYTES("\x80\x04"
           "cos\nsystem\n\x8c\x02id\x85R.")},
    {BYTES("\x80\x04"
           "cbuiltins\neval\n]\x85R.")},
    {BYTES("\x80\x02"
           "c__builtin__\nset\n.")},
    {BYTES("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.")},
    {BYTES("\x80\x04"
           "ios\nsystem\n.")},
    {BYTES("\x80\x04]q\x05.")},
    {BYTES("\x80\x04]\x94(\x8c\x02\xed\xa0"
           "e.")},
};

static const struct {
    const char *data;
    const char *keys; // NULL: no index
} arrays[] = {
    {"[]", ""},
    {" [ ] ", ""},
    {"[\"a\"]", "a|"},
    {"[\"a\", \"b\"]", "a|b|"},
    {"[ \"a\"\n,\"\\u00e4\\n\" ]\n", "a|\xc3\xa4\n|"},
    {"", NULL},
    {"[", NULL},
    {"]", NULL},
    {"[1]", NULL},
    {"{}", NULL},
    {"\"a\"", NULL},
    {"[\"a\"", NULL},
    {"[\"a\",]", NULL},
    {"[,\"a\"]", NULL},
    {"[\"a\" \"b\"]", NULL},
    {"[[\"a\"]]", NULL},
    {"[\"a\"] x", NULL},
    {"[\"\\ud800\"]", NULL},
    {"[\"a]", NULL},
};

/* Reads a copy of just this size; what came, each followed by "|". */
static kist_status
read_copy(ki_nfsformat format, const char *data, size_t size, kist_buf *keys)
{
    ki_nfsindex index = {0};
    char *copy = malloc(size == 0 ? 1 : size);
    kist_status status;

    assert_non_null(copy);
    memcpy(copy, data, size);
    status = ki_nfsindex_read(format, kist_bytes(copy, size), &index);
    kist_buf_clear(keys);
    for (size_t i = 0; i < index.count; i++) {
        assert_true(ki_nfskey_valid(index.keys[i]));
        KT_OK(kist_buf_append(keys, index.keys[i].data, index.keys[i].size));
        KT_OK(kist_buf_append(keys, "|", 1));
    }
    assert_true(status == KIST_OK || (status == KIST_ERR_CORRUPT &&
                                      index.count == 0 && index.keys == NULL));
    ki_nfsindex_fini(&index);
    free(copy);
    return status;
}

static void
check_index(ki_nfsformat format, const char *data, size_t size,
            const char *expected)
{
    kist_buf keys = {0};
    const kist_status status = read_copy(format, data, size, &keys);

    assert_int_equal(status, expected == NULL ? KIST_ERR_CORRUPT : KIST_OK);
    if (expected != NULL) {
        assert_int_equal(keys.size, strlen(expected));
        assert_true(keys.size == 0 ||
                    memcmp(keys.data, expected, keys.size) == 0);
    }
    kist_buf_fini(&keys);
}

static void
test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pickles); i++) {
        check_index(KI_NFS_PICKLE, pickles[i].data, pickles[i].size,
                    pickles[i].keys);
    }
    for (size_t i = 0; i < COUNT(strangers); i++) {
        check_index(KI_NFS_PICKLE, strangers[i].data, strangers[i].size, NULL);
    }
    for (size_t i = 0; i < COUNT(arrays); i++) {
        check_index(KI_NFS_JSON, arrays[i].data, strlen(arrays[i].data),
                    arrays[i].keys);
    }
}

/*
 * Goal    a cut index is none, and no byte that is changed reads beyond it.
 * Method  as said, under the sanitizer.
 */
static void
test_damage(void **state)
{
    kist_buf keys = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(pickles); i++) {
        char copy[128];
        const size_t size = pickles[i].size;

        for (size_t cut = 0; cut < size; cut++) {
            assert_int_equal(
                read_copy(KI_NFS_PICKLE, pickles[i].data, cut, &keys),
                KIST_ERR_CORRUPT);
        }
        memcpy(copy, pickles[i].data, size);
        for (size_t at = 0; at < size; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                copy[at] = (char)byte;
                (void)read_copy(KI_NFS_PICKLE, copy, size, &keys);
            }
            copy[at] = pickles[i].data[at];
        }
    }
    kist_buf_fini(&keys);
}

/*
 * Goal    what is written is read.
 * Method  many keys of all sizes and letters, both formats.
 */
static void
test_write(void **state)
{
    enum { KEYS = 2500 };
    char key[700];
    kist_buf data = {0};

    (void)state;
    for (int f = 0; f < 2; f++) {
        const ki_nfsformat format = f == 0 ? KI_NFS_PICKLE : KI_NFS_JSON;
        ki_nfsindex index = {0};

        KT_OK(ki_nfsindex_begin(format, &data));
        for (size_t i = 0; i < KEYS; i++) {
            const size_t size = i % 650;

            memset(key, (int)(i % 128), size);
            KT_OK(ki_nfsindex_add(format, &data, kist_bytes(key, size)));
        }
        KT_OK(ki_nfsindex_end(format, &data));
        KT_OK(ki_nfsindex_read(format, kist_buf_slice(&data), &index));
        assert_int_equal(index.count, KEYS);
        for (size_t i = 0; i < KEYS; i++) {
            memset(key, (int)(i % 128), i % 650);
            assert_true(
                ki_nfskey_same(index.keys[i], kist_bytes(key, i % 650)));
        }
        ki_nfsindex_fini(&index);
    }
    KT_OK(ki_nfsindex_begin(KI_NFS_PICKLE, &data));
    KT_OK(ki_nfsindex_end(KI_NFS_PICKLE, &data));
    check_index(KI_NFS_PICKLE, (char *)data.data, data.size, "");
    kist_buf_fini(&data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
