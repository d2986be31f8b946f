/*
 * Batches of dicts: what they list, what they store at once into extents of
 * their own, and what of it a failed call takes back.
 */
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/script.h"

#define KEYS  20000u
#define CALL  40u
#define LARGE 6000u

/* The value of each key; 0: it is not there. */
typedef struct numbers {
    uint32_t of[KEYS];
    uint32_t count;
} numbers;

static kist_slice
key_of(uint32_t i, char room[16])
{
    return kist_bytes(room, (size_t)snprintf(room, 16, "key %u", i));
}

static void
check_numbers(kist_dict *dict, const numbers *want, const char *when)
{
    uint64_t count;
    uint32_t i;
    kist_value value;
    char room[16];

    KT_OK(kist_dict_count(dict, &count));
    KT_CHECK(count == want->count, "%s: %u items", when, want->count);
    for (i = 0; i < KEYS; i++) {
        const kist_status status =
            kist_dict_get(dict, key_of(i, room), &value);

        KT_CHECK(status == (want->of[i] == 0 ? KIST_ERR_NOTFOUND : KIST_OK),
                 "%s: key %u", when, i);
        KT_CHECK(want->of[i] == 0 || value.as.integer == want->of[i],
                 "%s: value of key %u", when, i);
    }
}

static void
note_put(numbers *now, uint32_t i, uint32_t value)
{
    now->count += now->of[i] == 0;
    now->of[i] = value;
}

/* Some random writes, by one call or by several. */
static void
write_some(kist_dict *dict, numbers *now, uint64_t *random, uint32_t serial)
{
    const uint32_t n = 1 + (uint32_t)(kt_random(random) % CALL);
    const uint32_t what = (uint32_t)(kt_random(random) % 4);
    char rooms[CALL][16];
    kist_slice keys[CALL];
    kist_value values[CALL];
    uint32_t i;

    for (i = 0; i < n; i++) {
        const uint32_t key = (uint32_t)(kt_random(random) % KEYS);

        keys[i] = key_of(key, rooms[i]);
        values[i] = kist_int(serial);
        if (what == 0) {
            KT_ANSWERS(now->of[key] == 0 ? KIST_ERR_NOTFOUND : KIST_OK,
                       kist_dict_remove(dict, keys[i]));
            now->count -= now->of[key] != 0;
            now->of[key] = 0;
            continue;
        }
        note_put(now, key, serial);
        if (what == 1) {
            KT_OK(kist_dict_put(dict, keys[i], &values[i]));
        }
    }
    if (what > 1) {
        KT_OK(kist_dict_put_many(dict, keys, values, n, NULL));
    }
}

/*
 * Goal:   batches small and large leave the dict as their writes say, or as it
 *         was; the index is what the log would make of it.
 * Method: random batches from an empty dict on, over its whole growth, beside
 *         an array; others see nothing before the commit; verify and reopen.
 */
static void
test_p02_batches_of_a_dict(void **state)
{
    static numbers now;
    static numbers before;
    const kt_place *place = *state;
    uint64_t random = place->seed;
    kist_report report;
    kist_dict *dict;
    kist_dict *other;
    kist *beside;
    kist *k;
    uint32_t serial = 0;

    memset(&now, 0, sizeof(now));
    KT_OK(kist_open(place->path, NULL, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_OK(kist_open(place->path, NULL, &beside));
    KT_OK(kist_dict_open(beside, kist_str("d"), KIST_INT, &other));
    for (uint32_t round = 0; round < 24; round++) {
        const uint32_t calls = round % 3 == 0 ? 2 : 30 * round;

        before = now;
        KT_OK(kist_batch_begin(k));
        for (uint32_t i = 0; i < calls; i++) {
            write_some(dict, &now, &random, ++serial);
        }
        check_numbers(dict, &now, "in the batch");
        check_numbers(other, &before, "beside it");
        if (round % 4 == 1) {
            KT_OK(kist_batch_rollback(k));
            now = before;
        }
        else {
            KT_OK(kist_batch_commit(k));
        }
        check_numbers(other, &now, "after it");
        KT_OK(kist_verify(k, NULL, NULL, &report));
        assert_false(report.index_rebuilt);
    }
    kist_dict_close(other);
    KT_OK(kist_close(beside));
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    KT_OK(kist_open(place->path, NULL, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    check_numbers(dict, &now, "reopened");
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/* Puts `n` keys from `first` on, of LARGE bytes that begin with `serial`. */
static kist_status
put_large(kist_dict *dict, uint32_t first, uint32_t n, uint8_t serial)
{
    static uint8_t bytes[LARGE];
    char rooms[16][16];
    kist_slice keys[16];
    kist_value values[16];
    uint32_t i;

    bytes[0] = serial;
    for (i = 0; i < n; i++) {
        keys[i] = key_of(first + i, rooms[i]);
        values[i].type = KIST_BYTES;
        values[i].as.bytes = kist_bytes(bytes, sizeof(bytes));
    }
    return kist_dict_put_many(dict, keys, values, n, NULL);
}

static void
check_large(kist_dict *dict, uint32_t end, const uint8_t *serials)
{
    uint64_t count;
    uint32_t i;
    kist_value value;
    char room[16];

    KT_OK(kist_dict_count(dict, &count));
    assert_int_equal(count, end);
    for (i = 0; i < end; i++) {
        KT_OK(kist_dict_get(dict, key_of(i, room), &value));
        KT_CHECK(*(const uint8_t *)value.as.bytes.data == serials[i], "key %u",
                 i);
    }
}

/*
 * Goal:   a call that fails in a batch has not happened, whatever of its keys
 *         the batch had written before, and the batch goes on.
 * Method: calls of 16 keys, of which eight are there since the call before,
 *         until the log's address space ends in the middle of one.
 */
static void
test_p01_failed_call_of_a_batch(void **state)
{
    const kt_place *place = *state;
    const kist_options small = {.map_reserve = 1u << 20};
    uint8_t serials[4096];
    uint8_t serial = 0;
    uint32_t end = 8;
    kist_report report;
    kist_dict *dict;
    kist *k;
    kist_status status;
    char room[16];

    KT_OK(kist_open(place->path, &small, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_BYTES, &dict));
    KT_OK(kist_batch_begin(k));
    KT_OK(put_large(dict, 0, 8, serial));
    memset(serials, 0, sizeof(serials));
    for (;;) {
        status = put_large(dict, end - 8, 16, ++serial);
        if (status != KIST_OK) {
            break;
        }
        memset(serials + end - 8, serial, 16);
        end += 8;
        assert_true(end < 4000);
    }
    assert_int_equal(status, KIST_ERR_NOMEM);
    assert_true(end > 16);
    check_large(dict, end, serials);
    KT_OK(kist_dict_remove(dict, key_of(end - 1, room)));
    end--;
    check_large(dict, end, serials);
    KT_OK(kist_batch_commit(k));
    check_large(dict, end, serials);
    KT_OK(kist_verify(k, NULL, NULL, &report));
    assert_false(report.index_rebuilt);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    KT_OK(kist_open(place->path, NULL, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_BYTES, &dict));
    check_large(dict, end, serials);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p02_batches_of_a_dict),
        KT_TEST(test_p01_failed_call_of_a_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
