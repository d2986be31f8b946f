/*
 * Making pages ready for stores (ki_file_warm) writes zeros: only where
 * nothing stands.
 */
#include <stdio.h>
#include <string.h>

#include "support/check.h"

/* So many that slots stand in extents of more than KI_IDX_WARM bytes. */
#define KEYS 60000u

static const kist_options plain = {.map_reserve = 256u << 20};

static kist_slice
key_of(uint32_t i, char room[16])
{
    return kist_bytes(room, (size_t)snprintf(room, 16, "key %u", i));
}

static void
put(kist_dict *dict, uint32_t i)
{
    const kist_value value = kist_int((int64_t)i * 3);
    char room[16];

    KT_OK(kist_dict_put(dict, key_of(i, room), &value));
}

/* Keys 0 .. `end`-1 are in the dict, in this order, and no others. */
static void
check_all(kist_dict *dict, uint32_t end)
{
    kist_scan *scan;
    kist_slice key;
    kist_value value;
    char room[16];

    KT_OK(kist_dict_scan(dict, NULL, &scan));
    for (uint32_t i = 0; i < end; i++) {
        const kist_slice want = key_of(i, room);

        KT_OK(kist_scan_next(scan, &key, &value));
        KT_CHECK(key.size == want.size &&
                     memcmp(key.data, want.data, key.size) == 0,
                 "key %u", i);
        KT_CHECK(value.type == KIST_INT && value.as.integer == (int64_t)i * 3,
                 "value %u", i);
    }
    KT_ANSWERS(KIST_END, kist_scan_next(scan, &key, &value));
    kist_scan_close(scan);
}

/*
 * Goal:   a batch that empties slots and fills them again touches none that
 *         others still read.
 * Method: pop many, put as many, look at it by another handle, roll back; the
 *         same once more and commit.
 */
static void
test_slots_of_a_batch(void **state)
{
    const kt_place *place = *state;
    kist_report report;
    kist_dict *dict;
    kist_dict *other;
    kist *k;
    kist *beside;

    KT_OK(kist_open(place->path, &plain, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_INT, &dict));
    for (uint32_t i = 0; i < KEYS; i++) {
        put(dict, i);
    }
    KT_OK(kist_open(place->path, &plain, &beside));
    KT_OK(kist_dict_open(beside, kist_str(""), KIST_INT, &other));
    for (unsigned round = 0; round < 2; round++) {
        KT_OK(kist_batch_begin(k));
        for (uint32_t i = 0; i < KEYS / 2; i++) {
            KT_OK(kist_dict_popitem(dict, true, NULL, NULL));
        }
        for (uint32_t i = KEYS / 2; i < KEYS + KEYS / 2; i++) {
            put(dict, i);
        }
        check_all(other, KEYS);
        check_all(dict, KEYS + KEYS / 2);
        if (round == 0) {
            KT_OK(kist_batch_rollback(k));
            check_all(dict, KEYS);
        }
        else {
            KT_OK(kist_batch_commit(k));
        }
    }
    check_all(other, KEYS + KEYS / 2);
    kist_dict_close(other);
    KT_OK(kist_close(beside));
    KT_OK(kist_verify(k, NULL, NULL, &report));
    assert_false(report.index_rebuilt);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/*
 * Goal:   two that write in turn, each with pages of its own ready, do not
 *         harm each other's records, large ones neither.
 * Method: thousands of records of 1 byte to 300 KB by two handles.
 */
static void
test_two_writers(void **state)
{
    static uint8_t bytes[300000];
    const kt_place *place = *state;
    kist *k[2];
    kist_list *list[2];
    kist_value value;

    for (unsigned i = 0; i < 2; i++) {
        KT_OK(kist_open(place->path, &plain, &k[i]));
        KT_OK(kist_list_open(k[i], kist_str("l"), KIST_BYTES, &list[i]));
    }
    for (uint32_t i = 0; i < 6000; i++) {
        const size_t size = i % 500 == 77 ? sizeof(bytes) - i : i % 1500 + 1;

        memset(bytes, (int)(i + 1), size);
        value = kist_blob(KIST_BYTES, bytes, size);
        KT_OK(kist_list_append(list[i / 7 % 2], &value));
    }
    for (uint32_t i = 0; i < 6000; i++) {
        const size_t size = i % 500 == 77 ? sizeof(bytes) - i : i % 1500 + 1;

        memset(bytes, (int)(i + 1), size);
        KT_OK(kist_list_get(list[0], i, &value));
        KT_CHECK(value.as.bytes.size == size &&
                     memcmp(value.as.bytes.data, bytes, size) == 0,
                 "item %u", i);
    }
    for (unsigned i = 0; i < 2; i++) {
        kist_list_close(list[i]);
        KT_OK(kist_close(k[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_slots_of_a_batch),
        KT_TEST(test_two_writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
