#include <stdlib.h>
#include <string.h>

#include "log/record.h"
#include "support/check.h"

#define SIZE_MAX_TRIED 200000u

/* Writes a record with the given key and value; returns its span. */
static uint64_t
write_record(uint8_t *to, const ki_record *record, const uint8_t *value,
             uint32_t seed)
{
    const uint64_t span = ki_record_span(record->ksize, record->vsize);
    uint8_t *at = ki_record_begin(to, record);

    memcpy(at, value, record->vsize);
    ki_record_finish(to, span, seed);
    return span;
}

static void
check_equal(const ki_record *got, const ki_record *want, const uint8_t *value)
{
    assert_int_equal(got->op, want->op);
    assert_int_equal(got->more, want->more);
    assert_int_equal(got->tag, want->tag);
    assert_int_equal(got->coll, want->coll);
    assert_int_equal(got->slot, want->slot);
    assert_int_equal(got->ksize, want->ksize);
    assert_int_equal(got->vsize, want->vsize);
    assert_memory_equal(got->key, want->key, want->ksize);
    assert_memory_equal(got->value, value, want->vsize);
    assert_int_equal(got->span, ki_record_span(want->ksize, want->vsize));
}

/* `size` bytes that differ from their neighbours, in memory of their own. */
static uint8_t *
some_bytes(size_t size, uint32_t seed)
{
    uint8_t *bytes = malloc(size + 1);
    size_t i;

    assert_non_null(bytes);
    for (i = 0; i <= size; i++) {
        bytes[i] = (uint8_t)(i * 131 + seed + (i >> 8));
    }
    return bytes;
}

/*
 * Goal:   what is written is read back, at all sizes of key and value.
 * Method: all small pairs, and sizes around 64 KiB, where long keys begin;
 *         each record in memory of exactly its span, which the sanitizers
 *         watch; the padding is zero and the byte before stays.
 */
static void
test_round_trip(void **state)
{
    static const uint32_t sizes[] = {0,      1,
                                     2,      3,
                                     4,      5,
                                     6,      7,
                                     8,      9,
                                     15,     16,
                                     100,    4095,
                                     65533,  65534,
                                     65535,  65536,
                                     65537,  70000,
                                     131072, SIZE_MAX_TRIED};
    const size_t count = sizeof(sizes) / sizeof(sizes[0]);
    uint8_t *key = some_bytes(SIZE_MAX_TRIED, 3);
    uint8_t *value = some_bytes(SIZE_MAX_TRIED, 77);
    size_t i;
    size_t j;

    (void)state;
    for (i = 0; i < count; i++) {
        for (j = 0; j < count; j++) {
            const ki_record want = {
                .slot = (i + j) % 3 == 0 ? KI_SLOT_MAX : i * 1000 + j,
                .key = key,
                .ksize = sizes[i],
                .vsize = sizes[j],
                .coll = j % 4 == 0 ? KI_COLL_MAX : (uint32_t)i,
                .op = (uint8_t)(1 + (i + j) % 11),
                .tag = (uint8_t)(i * 16 + j),
                .more = j % 2 == 0,
            };
            const uint32_t seed = ki_record_seed(i * 7919, j * 8);
            const uint64_t span = ki_record_span(sizes[i], sizes[j]);
            uint8_t *bytes = malloc(span);
            uint8_t padding;
            ki_record got;
            uint64_t k;

            assert_non_null(bytes);
            memset(bytes, 0xee, span);
            assert_int_equal(span % KI_RECORD_ALIGN, 0);
            assert_int_equal(write_record(bytes, &want, value, seed), span);
            assert_true(ki_record_load(bytes, span, seed, &got));
            check_equal(&got, &want, value);
            assert_int_equal(got.key - bytes,
                             sizes[i] >= KI_KSIZE_LONG ? 24 : 20);
            padding = 0;
            for (k = (uint64_t)(got.value - bytes) + got.vsize; k < span;
                 k++) {
                padding |= bytes[k];
            }
            assert_int_equal(padding, 0);
            assert_int_equal(ki_record_claim(bytes, span), span);
            assert_int_equal(ki_record_claim(bytes, span - 8), 0);
            free(bytes);
        }
    }
    free(key);
    free(value);
}

/*
 * Goal:   no flipped bit passes.
 * Method: every bit of records of several sizes, padding included.
 */
static void
test_bit_flips(void **state)
{
    static const uint32_t sizes[][2] = {{0, 0},  {1, 0},  {3, 8},    {8, 0},
                                        {5, 17}, {0, 64}, {65536, 3}};
    uint8_t *key = some_bytes(65536, 9);
    uint8_t value[64];
    size_t i;

    (void)state;
    memset(value, 0x5a, sizeof(value));
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const ki_record want = {.slot = 5,
                                .key = key,
                                .ksize = sizes[i][0],
                                .vsize = sizes[i][1],
                                .coll = 2,
                                .op = KI_OP_PUT,
                                .tag = 1};
        const uint64_t span = ki_record_span(want.ksize, want.vsize);
        uint8_t *bytes = malloc(span);
        ki_record got;
        uint64_t bit;

        assert_non_null(bytes);
        (void)write_record(bytes, &want, value, 99);
        // Of the long one, the head and every 97th bit behind it.
        for (bit = 0; bit < span * 8; bit += bit < 1000 ? 1 : 97) {
            uint8_t *byte = &bytes[bit / 8];

            *byte = (uint8_t)(*byte ^ 1u << bit % 8);
            KT_CHECK(!ki_record_load(bytes, span, 99, &got),
                     "bit %llu of record %zu", (unsigned long long)bit, i);
            *byte = (uint8_t)(*byte ^ 1u << bit % 8);
        }
        assert_true(ki_record_load(bytes, span, 99, &got));
        free(bytes);
    }
    free(key);
}

/*
 * Goal:   a record is valid in its log and its place only.
 * Method: the seeds of other places and other salts; a shifted copy.
 */
static void
test_wrong_place(void **state)
{
    static const uint8_t key[] = "key";
    const uint64_t salt = UINT64_C(0x123456789abcdef0);
    const ki_record want = {.slot = 1,
                            .key = key,
                            .ksize = 3,
                            .vsize = 3,
                            .coll = 1,
                            .op = KI_OP_PUT,
                            .tag = 1};
    uint8_t bytes[64];
    ki_record got;
    uint64_t offset;

    (void)state;
    (void)write_record(bytes, &want, key, ki_record_seed(salt, 8192));
    assert_true(ki_record_load(bytes, 64, ki_record_seed(salt, 8192), &got));
    for (offset = 8; offset < 1000000; offset += 8) {
        assert_true(
            offset == 8192 ||
            !ki_record_load(bytes, 64, ki_record_seed(salt, offset), &got));
        assert_false(ki_record_load(
            bytes, 64, ki_record_seed(salt + offset, 8192), &got));
    }
}

/*
 * Goal:   sizes that cannot be are refused though their crc matches.
 * Method: heads with impossible sizes, key sizes and long key sizes, made
 *         valid by a crc over what they claim; rooms that are too small.
 */
static void
test_impossible_sizes(void **state)
{
    static const uint32_t sizes[] = {0,
                                     1,
                                     8,
                                     19,
                                     65,
                                     0x7fffffff,
                                     KI_RECORD_SIZE_MAX + 1,
                                     UINT32_MAX,
                                     UINT32_MAX - 6};
    uint8_t bytes[64];
    ki_record got;
    uint64_t room;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(bytes, 0, sizeof(bytes));
        ki_store_le32(bytes + 4, sizes[i]);
        ki_record_finish(bytes, 64, 5);
        assert_false(ki_record_load(bytes, 64, 5, &got));
    }
    // A key longer than the record, short and long.
    memset(bytes, 0, sizeof(bytes));
    ki_store_le32(bytes + 4, 30);
    ki_store_le16(bytes + 10, 11);
    ki_record_finish(bytes, 32, 5);
    assert_false(ki_record_load(bytes, 64, 5, &got));
    ki_store_le16(bytes + 10, 10);
    ki_record_finish(bytes, 32, 5);
    assert_true(ki_record_load(bytes, 64, 5, &got));
    assert_int_equal(got.vsize, 0);
    ki_store_le16(bytes + 10, KI_KSIZE_LONG);
    ki_store_le32(bytes + 20, 7);
    ki_record_finish(bytes, 32, 5);
    assert_false(ki_record_load(bytes, 64, 5, &got));
    ki_store_le32(bytes + 20, UINT32_MAX);
    ki_record_finish(bytes, 32, 5);
    assert_false(ki_record_load(bytes, 64, 5, &got));
    ki_store_le32(bytes + 4, 22); // no room for the long size
    ki_record_finish(bytes, 24, 5);
    assert_false(ki_record_load(bytes, 64, 5, &got));
    for (room = 0; room < 24; room++) {
        assert_false(ki_record_load(bytes, room, 5, &got));
        assert_int_equal(ki_record_claim(bytes, room), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_round_trip),
        KT_TEST(test_bit_flips),
        KT_TEST(test_wrong_place),
        KT_TEST(test_impossible_sizes),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
