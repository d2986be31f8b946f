/*
 * The short ways to a value agree with what was put, for each processor that
 * they are compiled for, and notice damage.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coll/ways.h"
#include "support/check.h"

#define KEYS  3000u
#define LARGE 60000u

static const kist_options plain = {.map_reserve = 64u << 20};

/* Value `i`, of every type and of sizes about the steps of the checksum. */
static kist_value
value_of(uint32_t i, uint8_t room[700])
{
    const size_t size = i % 650;

    memset(room, (int)(i * 7 + 1), size);
    switch (i % 8) {
    case 0:
        return kist_int((int64_t)i - 1000);
    case 1:
        return kist_float(i / 3.0);
    case 2:
        return i % 16 == 2 ? kist_null() : kist_bool(i % 32 == 10);
    case 3:
        memset(room, 'a' + (int)(i % 26), size);
        return kist_blob(KIST_TEXT, room, size);
    default:
        return kist_blob(KIST_BYTES, room, size);
    }
}

static bool
same(const kist_value *a, const kist_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    if (kist_type_has_bytes(a->type)) {
        return a->as.bytes.size == b->as.bytes.size &&
               (a->as.bytes.size == 0 ||
                memcmp(a->as.bytes.data, b->as.bytes.data, a->as.bytes.size) ==
                    0);
    }
    return a->type == KIST_NULL    ? true
           : a->type == KIST_BOOL  ? a->as.boolean == b->as.boolean
           : a->type == KIST_FLOAT ? a->as.real == b->as.real
                                   : a->as.integer == b->as.integer;
}

/* Keys of 0 to 89 bytes, each unlike the others. */
static kist_slice
key_of(uint32_t i, bool there, char room[100])
{
    int size = snprintf(room, 100, "%s%u", there ? "" : "no", i);

    while (size < (int)(i % 90)) {
        room[size++] = '.';
    }
    return i == 0 && there ? kist_bytes(room, 0)
                           : kist_bytes(room, (size_t)size);
}

static void
read_by(const ki_ways *ways, kist_dict *dict, kist_list *list,
        kist_list *numbers)
{
    uint8_t room[700];
    char name[100];

    for (uint32_t i = 0; i < KEYS; i++) {
        const kist_value want = value_of(i, room);
        kist_value got = kist_null();

        KT_OK(ways->get(&dict->coll, key_of(i, true, name), &got));
        KT_CHECK(same(&want, &got), "dict value %u", i);
        KT_OK(ways->contains(&dict->coll, key_of(i, true, name)));
        KT_ANSWERS(KIST_ERR_NOTFOUND,
                   ways->get(&dict->coll, key_of(i, false, name), &got));
        KT_ANSWERS(KIST_ERR_NOTFOUND,
                   ways->contains(&dict->coll, key_of(i, false, name)));
        KT_OK(ways->item(&list->coll, i, &got));
        KT_CHECK(same(&want, &got), "list value %u", i);
        KT_OK(ways->item(&numbers->coll, i, &got));
        KT_CHECK(got.type == KIST_INT && got.as.integer == (int64_t)i * 5,
                 "number %u", i);
    }
    KT_ANSWERS(KIST_ERR_RANGE,
               ways->item(&list->coll, KEYS, &(kist_value){0}));
    KT_ANSWERS(KIST_ERR_RANGE,
               ways->item(&numbers->coll, UINT64_MAX, &(kist_value){0}));
}

static void
fill(kist *k)
{
    uint8_t room[700];
    char name[100];
    kist_dict *dict;
    kist_list *list;
    kist_list *numbers;

    KT_OK(kist_dict_open(k, kist_str("d"), KIST_ANY, &dict));
    KT_OK(kist_list_open(k, kist_str("l"), KIST_ANY, &list));
    KT_OK(kist_list_open(k, kist_str("n"), KIST_INT, &numbers));
    for (uint32_t i = 0; i < KEYS; i++) {
        const kist_value value = value_of(i, room);
        const kist_value number = kist_int((int64_t)i * 5);

        KT_OK(kist_dict_put(dict, key_of(i, true, name), &value));
        KT_OK(kist_list_append(list, &value));
        KT_OK(kist_list_append(numbers, &number));
    }
    kist_dict_close(dict);
    kist_list_close(list);
    kist_list_close(numbers);
}

/* Goal: each way gives what was put, and NOTFOUND and RANGE for the rest.
 * Method: values of all types and of 0 to 649 bytes, keys of 0 to 89; also
 * behind an insert in the middle, which makes the list a tree. */
static void
each_way(void **state, const ki_ways *ways)
{
    const kt_place *place = *state;
    const kist_value value = kist_int(1);
    kist_dict *dict;
    kist_list *list;
    kist_list *numbers;
    kist *k;

    KT_OK(kist_open(place->path, &plain, &k));
    fill(k);
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_ANY, &dict));
    KT_OK(kist_list_open(k, kist_str("l"), KIST_ANY, &list));
    KT_OK(kist_list_open(k, kist_str("n"), KIST_INT, &numbers));
    read_by(ways, dict, list, numbers);
    KT_OK(kist_list_insert(numbers, 100, &value));
    KT_OK(kist_list_pop(numbers, 100, NULL));
    KT_OK(kist_list_insert(list, 5, &value));
    KT_OK(kist_list_pop(list, 5, NULL));
    read_by(ways, dict, list, numbers);
    kist_dict_close(dict);
    kist_list_close(list);
    kist_list_close(numbers);
    KT_OK(kist_close(k));
}

/* Goal: a flipped bit in a record is CORRUPT by each way, never a value.
 * Method: one kist, a bit of each byte of a record in turn. */
static void
each_flip(void **state, const ki_ways *ways)
{
    const kt_place *place = *state;
    uint8_t room[90];
    kist_value value = kist_blob(KIST_BYTES, room, sizeof(room));
    char path[340];
    kist_dict *dict;
    kist *k;
    int fd;

    memset(room, 0x5a, sizeof(room));
    KT_OK(kist_open(place->path, &plain, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_BYTES, &dict));
    KT_OK(kist_dict_put(dict, kist_str("key-of-16-bytes!"), &value));
    KT_OK(ways->get(&dict->coll, kist_str("key-of-16-bytes!"), &value));
    snprintf(path, sizeof(path), "%s.kist", place->path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    {
        size_t size;
        uint8_t *file = kt_read_file(path, &size);
        const uint8_t *found =
            memmem(file, size, "key-of-16-bytes!", strlen("key-of-16-bytes!"));
        const off_t begin = found - file - 20;

        for (off_t at = begin; at < begin + 20 + 16 + 90; at++) {
            const uint8_t flipped = file[at] ^ (uint8_t)(1 << at % 8);
            kist_status status;

            assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
            status =
                ways->get(&dict->coll, kist_str("key-of-16-bytes!"), &value);
            KT_CHECK(status == KIST_ERR_CORRUPT, "byte %d: %s",
                     (int)(at - begin), kist_status_name(status));
            assert_int_equal(pwrite(fd, &file[at], 1, at), 1);
        }
        free(file);
    }
    KT_OK(ways->get(&dict->coll, kist_str("key-of-16-bytes!"), &value));
    close(fd);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/* Item `i` of a large list: of one size, but for those that were set. */
static kist_value
large_value(uint32_t i, bool set, uint8_t room[100])
{
    memset(room, set ? 's' : 'v', 100);
    memcpy(room, &i, sizeof(i));
    return kist_blob(KIST_BYTES, room, set ? 60 + i % 40 : 100);
}

/* Goal: a list so large that its items' places are guessed gives each of
 * them, where the guess is right, where it is not, and at its ends.
 * Method: items of one size; some set to others, then all behind the middle;
 * the last ones removed. */
static void
each_guess(void **state, const ki_ways *ways)
{
    const uint32_t count = LARGE;
    const kt_place *place = *state;
    uint8_t room[100];
    kist_list *list;
    kist *k;

    KT_OK(kist_open(place->path, &plain, &k));
    KT_OK(kist_list_open(k, kist_str("l"), KIST_BYTES, &list));
    for (uint32_t i = 0; i < count; i++) {
        const kist_value value = large_value(i, false, room);

        KT_OK(kist_list_append(list, &value));
    }
    for (uint32_t round = 0; round < 3; round++) {
        // 0: as appended; 1: every 7th set; 2: all behind the middle, too.
        for (uint32_t i = 0; round > 0 && i < count; i++) {
            const kist_value value = large_value(i, true, room);

            if (round == 1 ? i % 7 == 3 : i > count / 2) {
                KT_OK(kist_list_set(list, i, &value));
            }
        }
        for (uint32_t j = 0; j < count; j++) {
            const uint32_t i = (uint32_t)((uint64_t)j * 40503 % count);
            const bool set =
                (round > 0 && i % 7 == 3) || (round == 2 && i > count / 2);
            const kist_value want = large_value(i, set, room);
            kist_value got = kist_null();

            KT_OK(ways->item(&list->coll, i, &got));
            KT_CHECK(same(&want, &got), "round %u, item %u", round, i);
        }
    }
    KT_ANSWERS(KIST_ERR_RANGE,
               ways->item(&list->coll, count, &(kist_value){0}));
    for (uint32_t i = count; i > count - 5000; i--) {
        kist_value got = kist_null();

        KT_OK(kist_list_pop(list, i - 1, NULL));
        KT_OK(ways->item(&list->coll, i - 2, &got));
        KT_ANSWERS(KIST_ERR_RANGE, ways->item(&list->coll, i - 1, &got));
    }
    kist_list_close(list);
    KT_OK(kist_close(k));
}

static void
test_plain_way(void **state)
{
    each_way(state, &ki_ways_plain);
}

static void
test_plain_way_guesses(void **state)
{
    each_guess(state, &ki_ways_plain);
}

static void
test_plain_way_notices_damage(void **state)
{
    each_flip(state, &ki_ways_plain);
}

static void
test_way_of_this_processor(void **state)
{
    each_way(state, ki_ways_here);
}

static void
test_way_of_this_processor_guesses(void **state)
{
    each_guess(state, ki_ways_here);
}

static void
test_way_of_this_processor_notices_damage(void **state)
{
    each_flip(state, ki_ways_here);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_plain_way),
        KT_TEST(test_plain_way_notices_damage),
        KT_TEST(test_way_of_this_processor),
        KT_TEST(test_way_of_this_processor_notices_damage),
        KT_TEST(test_plain_way_guesses),
        KT_TEST(test_way_of_this_processor_guesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
