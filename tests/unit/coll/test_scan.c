/*
 * Scans step by step: what they give, that each item is as it is then, and
 * that damage is noticed when the item is handed out; by the short way of a
 * step for each processor that it is compiled for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coll/ways.h"
#include "support/check.h"

#define ITEMS 500u /* several bunches */

static const kist_options plain = {.map_reserve = 64u << 20};

static kist_slice
key_of(uint32_t i, char room[24])
{
    return kist_bytes(room, (size_t)snprintf(room, 24, "key %u", i));
}

/* Text of 0 to 600 bytes: about the steps of the checksum, and beyond. */
static kist_value
text_of(uint32_t i, char room[700])
{
    const size_t size = i * 7 % 601;

    memset(room, 'a' + (int)(i % 26), size);
    return kist_blob(KIST_TEXT, room, size);
}

static bool
is_text(const kist_value *value, uint32_t i)
{
    char room[700];
    const kist_value want = text_of(i, room);

    return value->type == KIST_TEXT &&
           value->as.bytes.size == want.as.bytes.size &&
           (want.as.bytes.size == 0 ||
            memcmp(value->as.bytes.data, room, want.as.bytes.size) == 0);
}

typedef struct things {
    kist *k;
    kist_dict *dict;
    kist_set *set;
    kist_list *list;
    kist_list *numbers;
} things;

static void
begin(const kt_place *place, things *t)
{
    char name[24];
    char room[700];

    KT_OK(kist_open(place->path, &plain, &t->k));
    KT_OK(kist_dict_open(t->k, kist_str("d"), KIST_ANY, &t->dict));
    KT_OK(kist_set_open(t->k, kist_str("s"), KIST_ANY, &t->set));
    KT_OK(kist_list_open(t->k, kist_str("l"), KIST_ANY, &t->list));
    KT_OK(kist_list_open(t->k, kist_str("n"), KIST_INT, &t->numbers));
    for (uint32_t i = 0; i < ITEMS; i++) {
        const kist_value value = text_of(i, room);
        const kist_value number = kist_int((int64_t)i * 3);
        // A float that is a whole number is a member beside its key's bytes.
        const kist_value member = i % 5 == 0   ? kist_float(i * 1000.0)
                                  : i % 5 == 1 ? kist_int(i)
                                               : value;
        const kist_value unlike =
            i % 5 > 1 ? kist_blob(KIST_BYTES, room, value.as.bytes.size + 1)
                      : member;

        KT_OK(kist_dict_put(t->dict, key_of(i, name), &value));
        KT_OK(kist_list_append(t->list, &value));
        KT_OK(kist_list_append(t->numbers, &number));
        KT_OK(kist_set_add(t->set, &unlike, NULL));
    }
}

static void
end(things *t)
{
    kist_dict_close(t->dict);
    kist_set_close(t->set);
    kist_list_close(t->list);
    kist_list_close(t->numbers);
    KT_OK(kist_close(t->k));
}

/* --- what is there
 * ----------------------------------------------------------- */

static void
all_of_dict(const things *t, bool reverse)
{
    const kist_scan_options options = {.reverse = reverse, .strict = true};
    kist_scan *scan;
    kist_slice key;
    kist_value value;
    char name[24];

    KT_OK(kist_dict_scan(t->dict, &options, &scan));
    for (uint32_t n = 0; n < ITEMS; n++) {
        const uint32_t i = reverse ? ITEMS - 1 - n : n;
        const kist_slice want = key_of(i, name);

        KT_OK(kist_scan_next(scan, n % 3 == 1 ? NULL : &key,
                             n % 3 == 2 ? NULL : &value));
        KT_CHECK(n % 3 == 1 || (key.size == want.size &&
                                memcmp(key.data, name, key.size) == 0),
                 "key %u", i);
        KT_CHECK(n % 3 == 2 || is_text(&value, i), "value %u", i);
    }
    KT_ANSWERS(KIST_END, kist_scan_next(scan, &key, &value));
    KT_ANSWERS(KIST_END, kist_scan_next(scan, &key, &value));
    kist_scan_close(scan);
}

static void
all_of_lists(const things *t, bool reverse)
{
    const kist_scan_options options = {.reverse = reverse};
    kist_scan *texts;
    kist_scan *numbers;
    kist_slice key;
    kist_value value;

    KT_OK(kist_list_scan(t->list, &options, &texts));
    KT_OK(kist_list_scan(t->numbers, &options, &numbers));
    for (uint32_t n = 0; n < ITEMS; n++) {
        const uint32_t i = reverse ? ITEMS - 1 - n : n;

        if (n % 4 == 3) {
            KT_OK(kist_scan_next(texts, NULL, NULL));
            KT_OK(kist_scan_next(numbers, NULL, NULL));
            continue;
        }
        key = kist_str("not empty");
        KT_OK(kist_scan_next(texts, &key, &value));
        KT_CHECK(key.size == 0 && is_text(&value, i), "text %u", i);
        key = kist_str("not empty");
        KT_OK(kist_scan_next(numbers, &key, &value));
        KT_CHECK(key.size == 0 && value.type == KIST_INT &&
                     value.as.integer == (int64_t)i * 3,
                 "number %u", i);
    }
    KT_ANSWERS(KIST_END, kist_scan_next(texts, NULL, &value));
    KT_ANSWERS(KIST_END, kist_scan_next(numbers, NULL, &value));
    kist_scan_close(texts);
    kist_scan_close(numbers);
}

static void
all_of_set(const things *t)
{
    kist_scan *scan;
    kist_slice key = kist_str("not empty");
    kist_value value;
    uint64_t count;
    uint64_t seen = 0;
    kist_status status;

    KT_OK(kist_set_count(t->set, &count));
    KT_OK(kist_set_scan(t->set, NULL, &scan));
    while ((status = kist_scan_next(scan, &key, &value)) == KIST_OK) {
        KT_CHECK(key.size == 0, "a member has no key");
        KT_CHECK(value.type == KIST_FLOAT || value.type == KIST_INT ||
                     value.type == KIST_BYTES,
                 "a member of type %s", kist_type_name(value.type));
        KT_OK(kist_set_contains(t->set, &value));
        seen++;
    }
    KT_ANSWERS(KIST_END, status);
    KT_CHECK(seen == count && count > ITEMS / 2, "%llu members",
             (unsigned long long)seen);
    kist_scan_close(scan);
}

/* Goal: scans give what was put, both ways.
 * Method: dict, set, list and list of numbers over several bunches; the list
 * also as a tree; keys and values left out now and then. */
static void
each_item(void **state)
{
    const kist_value value = kist_int(1);
    things t;

    begin(*state, &t);
    for (int turn = 0; turn < 2; turn++) {
        all_of_dict(&t, turn > 0);
        all_of_lists(&t, turn > 0);
        all_of_set(&t);
        KT_OK(kist_list_insert(t.numbers, 100, &value));
        KT_OK(kist_list_pop(t.numbers, 100, NULL));
    }
    end(&t);
}

/* --- what changes
 * ------------------------------------------------------------- */

/* Goal: an item is handed out as it is then, in the middle of a bunch too.
 * Method: overwrite the next items, in and out of a batch, and remove one. */
static void
each_change(void **state)
{
    const kist_value two = kist_int(2);
    kist_scan *scan;
    kist_scan *list;
    kist_value value;
    char name[24];
    things t;

    begin(*state, &t);
    KT_OK(kist_dict_scan(t.dict, NULL, &scan));
    KT_OK(kist_list_scan(t.list, NULL, &list));
    for (uint32_t i = 0; i < 3; i++) {
        KT_OK(kist_scan_next(scan, NULL, &value));
        KT_OK(kist_scan_next(list, NULL, &value));
    }
    KT_OK(kist_dict_put(t.dict, key_of(3, name), &two));
    KT_OK(kist_list_set(t.list, 3, &two));
    KT_OK(kist_scan_next(scan, NULL, &value));
    KT_CHECK(value.type == KIST_INT, "the old value");
    KT_OK(kist_scan_next(list, NULL, &value));
    KT_CHECK(value.type == KIST_INT, "the old item");
    KT_OK(kist_batch_begin(t.k));
    KT_OK(kist_dict_put(t.dict, key_of(4, name), &two));
    KT_OK(kist_list_set(t.list, 4, &two));
    KT_OK(kist_scan_next(scan, NULL, &value));
    KT_CHECK(value.type == KIST_INT, "the old value in a batch");
    KT_OK(kist_scan_next(list, NULL, &value));
    KT_CHECK(value.type == KIST_INT, "the old item in a batch");
    KT_OK(kist_batch_rollback(t.k));
    KT_OK(kist_dict_remove(t.dict, key_of(5, name)));
    KT_OK(kist_list_remove_range(t.list, 0, 2));
    KT_OK(kist_scan_next(scan, NULL, &value));
    KT_CHECK(is_text(&value, 6), "not the next but one");
    KT_OK(kist_scan_next(list, NULL, &value));
    KT_CHECK(is_text(&value, 7), "not by index");
    KT_OK(kist_compact(t.k, NULL, NULL));
    KT_OK(kist_scan_next(scan, NULL, &value));
    KT_CHECK(is_text(&value, 7), "after compaction");
    KT_OK(kist_coll_drop(t.k, kist_str("d")));
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_scan_next(scan, NULL, &value));
    KT_OK(kist_scan_next(list, NULL, &value));
    end(&t);
    KT_ANSWERS(KIST_ERR_CLOSED, kist_scan_next(list, NULL, &value));
    kist_scan_close(scan);
    kist_scan_close(list);
}

/* Goal: a strict scan notices in the middle of a bunch that the size changed,
 * and goes on saying that it is over.  Method: add a key. */
static void
each_growth(void **state)
{
    const kist_scan_options options = {.strict = true};
    const kist_value two = kist_int(2);
    kist_scan *scan;
    kist_value value;
    char name[24];
    things t;

    begin(*state, &t);
    KT_OK(kist_dict_scan(t.dict, &options, &scan));
    KT_OK(kist_scan_next(scan, NULL, &value));
    KT_OK(kist_dict_put(t.dict, key_of(1, name), &two));
    KT_OK(kist_scan_next(scan, NULL, &value));
    KT_CHECK(value.type == KIST_INT, "the old value");
    KT_OK(kist_dict_put(t.dict, key_of(ITEMS, name), &two));
    KT_ANSWERS(KIST_ERR_CHANGED, kist_scan_next(scan, NULL, &value));
    KT_ANSWERS(KIST_END, kist_scan_next(scan, NULL, &value));
    kist_scan_close(scan);
    end(&t);
}

/* Goal: damage that comes after the bunch was fetched is CORRUPT when its item
 * is due, never a value, and the items behind it come.  Method: a bit of each
 * byte of the record of the third of five items in turn. */
static void
each_flip(void **state)
{
    static const char mark[] = "mark of 16 bytes";
    const kt_place *place = *state;
    char path[340];
    char room[700];
    char name[24];
    kist_value value;
    uint8_t *file;
    size_t size;
    kist_dict *dict;
    kist *k;
    off_t from;
    int fd;

    KT_OK(kist_open(place->path, &plain, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_ANY, &dict));
    for (uint32_t i = 0; i < 5; i++) {
        value = i == 2 ? kist_text(mark) : text_of(i, room);
        KT_OK(kist_dict_put(dict, key_of(i, name), &value));
    }
    snprintf(path, sizeof(path), "%s.kist", place->path);
    file = kt_read_file(path, &size);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    from = (uint8_t *)memmem(file, size, mark, 16) - file - 20 - 5;
    for (off_t at = from; at < from + 20 + 5 + 16; at++) {
        const uint8_t flipped = file[at] ^ (uint8_t)(1 << at % 8);
        kist_scan *scan;

        KT_OK(kist_dict_scan(dict, NULL, &scan));
        KT_OK(kist_scan_next(scan, NULL, &value));
        KT_OK(kist_scan_next(scan, NULL, &value));
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        KT_ANSWERS(KIST_ERR_CORRUPT, kist_scan_next(scan, NULL, &value));
        assert_int_equal(pwrite(fd, &file[at], 1, at), 1);
        KT_OK(kist_scan_next(scan, NULL, &value));
        KT_CHECK(is_text(&value, 3), "not the next one");
        KT_OK(kist_scan_next(scan, NULL, &value));
        KT_ANSWERS(KIST_END, kist_scan_next(scan, NULL, &value));
        kist_scan_close(scan);
    }
    free(file);
    close(fd);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/* Goal: many at once are as one by one, and damage in any is CORRUPT.
 * Method: all of a list of records of 0 to 600 bytes; then a bit of each byte
 * of the record of one of them in turn. */
static void
each_run(void **state)
{
    static kist_value values[ITEMS];
    const kt_place *place = *state;
    const kist_value mark = kist_text("mark of 16 bytes");
    char path[340];
    uint8_t *file;
    size_t size;
    size_t got;
    off_t from;
    things t;
    int fd;

    begin(place, &t);
    KT_OK(kist_list_get_many(t.list, 0, ITEMS, values, &got));
    KT_CHECK(got == ITEMS, "%zu of them", got);
    for (uint32_t i = 0; i < ITEMS; i++) {
        KT_CHECK(is_text(&values[i], i), "value %u", i);
    }
    KT_OK(kist_list_set(t.list, 100, &mark));
    snprintf(path, sizeof(path), "%s.kist", place->path);
    file = kt_read_file(path, &size);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    from = (uint8_t *)memmem(file, size, mark.as.bytes.data, 16) - file - 20;
    for (off_t at = from; at < from + 20 + 16; at++) {
        const uint8_t flipped = file[at] ^ (uint8_t)(1 << at % 8);

        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        KT_ANSWERS(KIST_ERR_CORRUPT,
                   kist_list_get_many(t.list, 90, 20, values, &got));
        KT_OK(kist_list_get_many(t.list, 90, 10, values, &got));
        assert_int_equal(pwrite(fd, &file[at], 1, at), 1);
    }
    KT_OK(kist_list_get_many(t.list, 90, 20, values, &got));
    KT_CHECK(got == 20 && values[10].as.bytes.size == 16 &&
                 is_text(&values[11], 101),
             "not what is there");
    free(file);
    close(fd);
    end(&t);
}

/* --- by each way
 * --------------------------------------------------------------- */

static void
by_both(void **state, void (*test)(void **state))
{
    const ki_ways *const here = ki_ways_here;
    const kt_place *place = *state;

    test(state);
    kt_make_empty(place->dir);
    ki_ways_here = &ki_ways_plain;
    test(state);
    ki_ways_here = here;
}

static void
test_items(void **state)
{
    by_both(state, each_item);
}

static void
test_changes(void **state)
{
    by_both(state, each_change);
}

static void
test_growth(void **state)
{
    by_both(state, each_growth);
}

static void
test_damage(void **state)
{
    by_both(state, each_flip);
}

static void
test_runs(void **state)
{
    by_both(state, each_run);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_items),  KT_TEST(test_changes), KT_TEST(test_growth),
        KT_TEST(test_damage), KT_TEST(test_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
