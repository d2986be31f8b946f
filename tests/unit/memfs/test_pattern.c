#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "memfs/pattern.h"
#include "patterns.h"
#include "support/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Matches copies of the exact size, so that a sanitizer sees what is read
 * beyond. */
static bool
match(const char *pattern, size_t pattern_size, const char *name,
      size_t name_size)
{
    char *p = test_malloc(pattern_size + 1);
    char *n = test_malloc(name_size + 1);
    bool answer;

    memcpy(p + 1, pattern, pattern_size);
    memcpy(n + 1, name, name_size);
    answer = ki_pattern_match(p + 1, pattern_size, n + 1, name_size);
    test_free(p);
    test_free(n);
    return answer;
}

/*
 * Goal    patterns mean what they mean to Python.
 * Method  what fnmatch.fnmatchcase() says of chosen and of random cases, as
 *         gen_patterns.py wrote it down; half of the random ones match.
 */
static void
test_as_python(void **state)
{
    size_t matched = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(patterns); i++) {
        const bool answer =
            match(patterns[i].pattern, patterns[i].pattern_size,
                  patterns[i].name, patterns[i].name_size);

        KT_CHECK(answer == patterns[i].match, "number %zu: \"%s\" and \"%s\"",
                 i, patterns[i].pattern, patterns[i].name);
        matched += answer;
    }
    assert_in_range(matched, COUNT(patterns) / 3, COUNT(patterns) / 3 * 2);
}

/*
 * Goal    a byte that is no UTF-8 is one letter, in a name and in a pattern.
 * Method  bytes that cannot start a letter, cut and overlong ones.
 */
static void
test_raw_bytes(void **state)
{
    static const struct {
        const char *name;
        size_t letters;
    } names[] = {
        {"\xff", 1},
        {"\x80", 1},
        {"a\xff"
         "b",
         3},
        {"\xc3", 1},             // cut
        {"\xe2\x82", 2},         // cut
        {"\xf0\x9f\x98", 3},     // cut
        {"\xc0\xaf", 2},         // overlong
        {"\xc1\xbf", 2},         // overlong
        {"\xe0\x9f\xbf", 3},     // overlong
        {"\xf0\x8f\xbf\xbf", 4}, // overlong
        {"\xf4\x90\x80\x80", 4}, // above U+10FFFF
        {"\xf5\x80\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 1},
        {"\xe0\xa0\x80", 1},
        {"\xed\xa0\x80", 1}, // a lone surrogate is a code point
        {"\xc3\xc3\xa9", 2},
        {"\xe2\x82\xc3\xa9", 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *name = names[i].name;
        const size_t size = strlen(name);

        for (size_t n = 0; n <= 6; n++) {
            KT_CHECK(match("??????", n, name, size) == (n == names[i].letters),
                     "name %zu has not %zu letters", i, n);
        }
        assert_true(match(name, size, name, size));
        assert_false(match(name, size, "a", 1));
    }
    assert_true(match("[\xff]", 3, "\xff", 1));
    assert_false(match("[\xff]", 3, "\xfe", 1));
    assert_true(match("[!\xff]", 4, "\xfe", 1));
    assert_true(match("[\x80-\xff]", 5, "\xc3", 1));
    assert_false(match("[\x80-\xff]", 5, "\xc3\xa9", 2));
    assert_false(match("\xff", 1, "\xed\xb3\xbf", 3)); // U+DCFF is another
}

/*
 * Goal    no pattern takes long.
 * Method  many stars, and many brackets, before what is not in the name; an
 *         exponential matcher would not come back, and one that looks for the
 *         end of each bracket from each letter would take minutes.
 */
static void
test_hostile(void **state)
{
    const size_t size = 4000;
    char *pattern = test_malloc(size + 1);
    char *name = test_malloc(size);
    const uint64_t began = kt_now_ms();

    (void)state;
    memset(name, 'a', size);
    for (size_t i = 0; i < size; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    pattern[size] = 'b';
    assert_false(match(pattern, size + 1, name, size));
    assert_true(match(pattern, size, name, size));
    memset(pattern, '[', size);
    pattern[0] = '*';
    assert_false(match(pattern, size, name, size));
    memset(name, '[', size);
    assert_false(match(pattern, size, name, size - 2));
    assert_true(match(pattern, size, name, size - 1));
    assert_true(match(pattern, size, name, size));
    KT_CHECK(kt_now_ms() - began < 20000, "it took %llu ms",
             (unsigned long long)(kt_now_ms() - began));
    test_free(pattern);
    test_free(name);
}

/*
 * Goal    what is called plain matches itself and nothing else.
 * Method  each of the table's patterns, as a name.
 */
static void
test_plain(void **state)
{
    size_t plain = 0;

    (void)state;
    assert_true(ki_pattern_is_plain("", 0));
    assert_true(ki_pattern_is_plain("a]b-!c\\", 7));
    assert_false(ki_pattern_is_plain("a*", 2));
    assert_true(ki_pattern_is_plain("a*", 1));
    assert_false(ki_pattern_is_plain("?", 1));
    assert_false(ki_pattern_is_plain("[a]", 3));
    for (size_t i = 0; i < COUNT(patterns); i++) {
        const char *pattern = patterns[i].pattern;
        const size_t size = patterns[i].pattern_size;
        const bool same = size == patterns[i].name_size &&
                          memcmp(pattern, patterns[i].name, size) == 0;

        if (ki_pattern_is_plain(pattern, size)) {
            plain++;
            assert_true(match(pattern, size, pattern, size));
            assert_int_equal(patterns[i].match, same);
        }
    }
    assert_true(plain > 10);
    assert_true(ki_pattern_match(NULL, 0, NULL, 0));
    assert_true(ki_pattern_match("*", 1, NULL, 0));
    assert_false(ki_pattern_match(NULL, 0, "a", 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_python),
        cmocka_unit_test(test_raw_bytes),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
