#include "kist/memtext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"
#include "support/failalloc.h"

#define QUOTA (64 << 20)

/* Text over a file of these bytes, open for both. */
static kist_memtext *
open_text(kist_memfs *fs, const char *data, size_t size, kist_memfile **file)
{
    kist_memtext *text;
    uint64_t position;

    assert_int_equal(kt_fs_try(fs, "/t", KIST_MODE_WB), KIST_OK);
    *file = kt_fs_open(fs, "/t", KIST_MODE_RPB);
    KT_OK(kist_memfile_write(*file, data, size));
    KT_OK(kist_memfile_seek(*file, 0, SEEK_SET, &position));
    KT_OK(kist_memtext_new(*file, &text));
    return text;
}

static uint64_t
tell(kist_memfile *file)
{
    uint64_t position = UINT64_MAX;

    KT_OK(kist_memfile_tell(file, &position));
    return position;
}

static void
check_got(kist_slice got, const char *expected)
{
    KT_CHECK(got.size == strlen(expected) &&
                 memcmp(got.data, expected, got.size) == 0,
             "\"%.*s\", not \"%s\"", (int)got.size, (const char *)got.data,
             expected);
}

/* A step: 'r' read, 'l' readline, 's' seek; what it answers, and the position
 * behind it. */
typedef struct step {
    char what;
    uint64_t count;
    const char *expected; // NULL: CORRUPT at `position`, which it keeps
    uint64_t position;
} step;

#define STEPS_MAX 9
#define ALL       KIST_MEMTEXT_ALL

static void
run_steps(kist_memfs *fs, const char *data, const step *steps)
{
    kist_memfile *file;
    kist_memtext *text = open_text(fs, data, strlen(data), &file);

    for (size_t i = 0; i < STEPS_MAX && steps[i].what != '\0'; i++) {
        const step *s = &steps[i];
        const uint64_t before = tell(file);
        kist_slice got = {0};
        kist_status status;

        status = s->what == 'l' ? kist_memtext_readline(text, s->count, &got)
                                : kist_memtext_read(text, s->count, &got);
        if (s->expected == NULL) {
            KT_ANSWERS(KIST_ERR_CORRUPT, status);
            assert_int_equal(kist_last_error()->offset, s->position);
            assert_int_equal(tell(file), before);
        }
        else {
            KT_OK(status);
            check_got(got, s->expected);
            assert_int_equal(tell(file), s->position);
        }
    }
    kist_memtext_free(text);
    kist_memfile_free(file);
}

/*
 * Goal    letters and lines are handed out as the contract says (1.11), and
 *         the position is behind them.
 * Method  the answers of the published package to the same steps.
 */
static void
test_reading(void **state)
{
    static const struct {
        const char *data;
        step steps[STEPS_MAX];
    } cases[] = {
        {"abcd\r\nxyz", {{'l', 5, "abcd\r\n", 6}, {'l', ALL, "xyz", 9}}},
        {"abcd\r\nxyz", {{'l', 4, "abcd", 4}, {'l', ALL, "\r\n", 6}}},
        {"abcd\r\nxyz", {{'l', 6, "abcd\r\n", 6}, {'l', ALL, "xyz", 9}}},
        {"abcd\r\nxyz",
         {{'l', 0, "", 0},
          {'l', ALL, "abcd\r\n", 6},
          {'l', 1, "x", 7},
          {'l', 2, "yz", 9},
          {'l', ALL, "", 9}}},
        {"a\rb\nc\r\n\r\rd",
         {{'l', ALL, "a\r", 2},
          {'l', ALL, "b\n", 4},
          {'l', ALL, "c\r\n", 7},
          {'l', ALL, "\r", 8},
          {'l', ALL, "\r", 9},
          {'l', ALL, "d", 10},
          {'l', ALL, "", 10}}},
        {"a\rb\nc\r\n\r\rd",
         {{'r', 2, "a\r", 2}, {'r', ALL, "b\nc\r\n\r\rd", 10}}},
        {"\r\nx", {{'l', 1, "\r\n", 2}, {'l', ALL, "x", 3}}},
        {"\r\nx", {{'r', 1, "\r", 1}, {'l', ALL, "\n", 2}}},
        {"x\r", {{'l', ALL, "x\r", 2}, {'l', ALL, "", 2}}},
        {"x\n\r", {{'l', ALL, "x\n", 2}, {'l', ALL, "\r", 3}}},
        {"é€😀x",
         {{'r', 1, "é", 2},
          {'r', 0, "", 2},
          {'r', 1, "€", 5},
          {'l', 1, "😀", 9},
          {'r', 5, "x", 10},
          {'r', ALL, "", 10},
          {'r', 1, "", 10}}},
        {"é€😀x", {{'r', 3, "é€😀", 9}, {'l', 7, "x", 10}}},
        {"é€😀x", {{'r', ALL, "é€😀x", 10}}},
        {"é€\xf0",
         {{'r', 2, "é€", 5}, {'r', 1, NULL, 5}, {'l', ALL, NULL, 5}}},
        {"é€\xf0", {{'r', 3, NULL, 5}, {'r', ALL, NULL, 5}}},
        {"a\xff\nb",
         {{'l', ALL, NULL, 1}, {'r', 1, "a", 1}, {'r', 1, NULL, 1}}},
        {"a\nb\xff",
         {{'l', ALL, "a\n", 2}, {'l', 1, "b", 3}, {'l', 1, NULL, 3}}},
        {"a\xed\xa0\x80", {{'r', ALL, NULL, 1}}}, // a surrogate
        {"a\xc0\xaf", {{'r', ALL, NULL, 1}}},     // overlong
        {"a\xf4\x90\x80\x80", {{'r', ALL, NULL, 1}}},
        {"a\xe2\x82\x41", {{'r', ALL, NULL, 1}}},
    };
    kist_memfs *fs = kt_fs_new(QUOTA);

    (void)state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        run_steps(fs, cases[i].data, cases[i].steps);
    }
    kist_memfs_free(fs);
}

/*
 * Goal    only text is written, whole or not at all, and its letters counted.
 * Method  good and bad text, in and beyond the quota.
 */
static void
test_writing(void **state)
{
    kist_memfs *fs = kt_fs_new(400);
    kist_memfile *file = kt_fs_open(fs, "/t", KIST_MODE_WB);
    kist_memtext *text;
    uint64_t count = 77;
    kist_slice got;

    (void)state;
    KT_OK(kist_memtext_new(file, &text));
    KT_OK(kist_memtext_write(text, kist_str("a€😀\r\n0123456789"), &count));
    assert_int_equal(count, 15);
    KT_OK(kist_memtext_write(text, kist_bytes(NULL, 0), &count));
    assert_int_equal(count, 0);
    KT_OK(kist_memtext_write(text, kist_str("é"), NULL));
    count = 77;
    KT_ANSWERS(KIST_ERR_INVALID, kist_memtext_write(text,
                                                    kist_str("ab\xff"
                                                             "c"),
                                                    &count));
    assert_int_equal(kist_last_error()->offset, 2);
    KT_ANSWERS(
        KIST_ERR_INVALID,
        kist_memtext_write(text, kist_str("0123456789é\xe2\x82"), &count));
    assert_int_equal(kist_last_error()->offset, 12);
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memtext_write(text, kist_str("\xed\xb2\x80"), &count));
    KT_OK(kist_memtext_write(text, kist_bytes("\0", 1), NULL));
    KT_ANSWERS(KIST_ERR_QUOTA,
               kist_memtext_write(text, kist_str("0123456789"), &count));
    assert_int_equal(count, 77);
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, kist_memtext_read(text, 1, &got));
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, kist_memtext_readline(text, 1, &got));
    kist_memfile_close(file);
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memtext_read(text, 1, &got));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memtext_readline(text, 1, &got));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memtext_write(text, kist_str("a"), NULL));
    kist_memtext_free(text);
    kist_memtext_free(NULL);
    kist_memfile_free(file);
    kt_fs_check_bytes(fs, "/t", "a€😀\r\n0123456789é\0", 23);
    kist_memfs_free(fs);
}

/*
 * Goal    the position may be moved, and the file changed, between two calls.
 * Method  seek, read, write and truncate beside the text.
 */
static void
test_moved(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    kist_memtext *text = open_text(fs, "one\ntwo\nthree\n", 14, &file);
    kist_slice got;
    uint64_t position;
    char data[3];
    size_t size;

    (void)state;
    KT_OK(kist_memtext_readline(text, ALL, &got));
    check_got(got, "one\n");
    KT_OK(kist_memfile_seek(file, 1, SEEK_SET, &position));
    KT_OK(kist_memtext_readline(text, ALL, &got));
    check_got(got, "ne\n");
    KT_OK(kist_memfile_read(file, data, 3, &size));
    assert_memory_equal(data, "two", 3);
    KT_OK(kist_memtext_readline(text, ALL, &got));
    check_got(got, "\n");
    KT_OK(kist_memtext_write(text, kist_str("TH"), NULL));
    KT_OK(kist_memtext_readline(text, ALL, &got));
    check_got(got, "ree\n");
    KT_OK(kist_memfile_seek(file, 8, SEEK_SET, &position));
    KT_OK(kist_memtext_readline(text, ALL, &got));
    check_got(got, "THree\n");
    KT_OK(kist_memfile_truncate(file, 6));
    KT_OK(kist_memtext_read(text, ALL, &got));
    check_got(got, "");
    KT_OK(kist_memfile_seek(file, 100, SEEK_SET, &position));
    KT_OK(kist_memtext_readline(text, ALL, &got));
    check_got(got, "");
    KT_OK(kist_memtext_read(text, 5, &got));
    check_got(got, "");
    assert_int_equal(tell(file), 100);
    kist_memtext_free(text);
    kist_memfile_free(file);
    kist_memfs_free(fs);
}

/* One random letter, of any length, and ends of lines. */
static size_t
random_letter(uint64_t *seed, char *at)
{
    static const char *const letters[] = {"a", "b", "c", "\n",  "\r",
                                          "é", "€", "😀", "\r\n"};
    const uint64_t roll = kt_random_below(seed, 100);
    const char *letter =
        roll < 80 ? letters[roll % 3] : letters[roll % KT_COUNT(letters)];

    memcpy(at, letter, strlen(letter));
    return strlen(letter);
}

/* How many of the bytes a read of the model hands out. */
static size_t
model_read(const char *data, size_t size, uint64_t count_max, bool line)
{
    uint64_t count = 0;
    size_t at = 0;

    while (at < size && count < count_max) {
        const char letter = data[at++];

        while (at < size && ((uint8_t)data[at] & 0xc0) == 0x80) {
            at++;
        }
        count++;
        if (line && letter == '\n') {
            break;
        }
        if (line && letter == '\r') {
            at += at < size && data[at] == '\n';
            break;
        }
    }
    return at;
}

/*
 * Goal    letters and lines of any length are whole, wherever they lie.
 * Method  long random text, read and readline of random counts, beside a
 *         model; lines longer than what is read at once.
 */
static void
test_random(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    kist_memfs *fs = kt_fs_new(QUOTA);
    const size_t room = 400000;
    char *data = malloc(room);

    assert_non_null(data);
    for (int round = 0; round < 30; round++) {
        kist_memfile *file;
        kist_memtext *text;
        size_t size = 0;
        size_t at = 0;

        while (size < room - 10 &&
               (round < 5 || kt_random_below(&seed, 3000) != 0)) {
            size += random_letter(&seed, data + size);
            if (kt_random_below(&seed, 5000) == 0) {
                // A line that no first block holds.
                const size_t more = kt_random_below(&seed, 100000);

                for (size_t i = 0; i < more && size < room - 10; i++) {
                    data[size++] = 'x';
                }
            }
        }
        text = open_text(fs, data, size, &file);
        while (at < size) {
            const bool line = kt_random_below(&seed, 4) != 0;
            const uint64_t most[] = {3, 200, 10000, 100000};
            const uint64_t limit = most[kt_random_below(&seed, 4)];
            const uint64_t count = kt_random_below(&seed, 5) == 0
                                       ? ALL
                                       : kt_random_below(&seed, limit);
            const size_t expected =
                model_read(data + at, size - at,
                           !line && count == ALL ? 100 : count, line);
            kist_slice got;

            KT_OK(line ? kist_memtext_readline(text, count, &got)
                       : kist_memtext_read(text, count == ALL ? 100 : count,
                                           &got));
            assert_int_equal(got.size, expected);
            assert_memory_equal(got.data, data + at, expected);
            at += expected;
            assert_int_equal(tell(file), at);
        }
        kist_memtext_free(text);
        kist_memfile_free(file);
    }
    free(data);
    kist_memfs_free(fs);
}

/*
 * Goal    where memory fails, the call says so and the position stays.
 * Method  allocation 1, 2 ... fails, until all goes well.
 */
static void
test_no_memory(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    char data[5000];
    kist_memfile *file;
    kist_memtext *text;
    uint64_t hits = 0;
    bool hit = true;

    (void)state;
    memset(data, 'a', sizeof(data));
    text = open_text(fs, data, sizeof(data), &file);
    kist_memtext_free(text);
    for (uint64_t nth = 1; hit; nth++) {
        kist_status status;
        kist_slice got;

        kt_alloc_fail(nth, false);
        status = kist_memtext_new(file, &text);
        if (status == KIST_OK) {
            status = kist_memtext_readline(text, ALL, &got);
            hit = kt_alloc_hit();
            kt_alloc_heal();
            if (status == KIST_OK) {
                assert_int_equal(got.size, sizeof(data));
                assert_int_equal(tell(file), sizeof(data));
            }
            else {
                uint64_t position;

                assert_int_equal(tell(file), 0);
                KT_OK(kist_memfile_seek(file, 0, SEEK_SET, &position));
                KT_OK(kist_memtext_read(text, 10, &got));
                check_got(got, "aaaaaaaaaa");
            }
            kist_memtext_free(text);
        }
        kt_alloc_heal();
        assert_true(status == KIST_OK || status == KIST_ERR_NOMEM);
        hits += status == KIST_ERR_NOMEM;
        {
            uint64_t position;

            KT_OK(kist_memfile_seek(file, 0, SEEK_SET, &position));
        }
    }
    assert_true(hits > 3);
    kist_memfile_free(file);
    kist_memfs_free(fs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),   cmocka_unit_test(test_writing),
        cmocka_unit_test(test_moved),     KT_TEST(test_random),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
