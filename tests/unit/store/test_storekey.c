/*
 * Keys and the names of their files, against the peer's: the vectors are those
 * that persidict 0.309 wrote.
 */
#include <stdio.h>

#include "store/key.h"
#include "support/check.h"
#include "support/script.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *
path_of(const char *key, unsigned digest_len, const char *format,
        ki_path *path)
{
    *path = (ki_path){.size = 0};
    KT_OK(ki_key_path(kist_str(key), digest_len, format, path));
    assert_int_equal(strlen(path->text), path->size);
    return path->text;
}

/*
 * Goal    file names are the peer's, for each length of the digest.
 * Method  its vectors; and each name is taken apart again.
 */
static void
test_vectors(void **state)
{
    static const struct {
        const char *key;
        unsigned len;
        const char *name;
    } vectors[] = {
        {"abc", 4, "abc_saav"},
        {"x", 4, "x_txko"},
        {"y", 4, "y_ifjj"},
        {"p", 4, "p_qody"},
        {"zz", 4, "zz_exwr"},
        {"int", 4, "int_7jyv"},
        {"empty", 4, "empty_ulsi"},
        {"u1", 8, "u1_4r3uzxna"},
        {"u2", 8, "u2_e4gbwccp"},
        {"p", 8, "p_qodyzeix"},
        {"a", 1, "a_b"},
        {"abc", 0, "abc"},
        {"abc", 32, "abc_saavbgb42jh3bvuwh56sryl7oi======"},
        {"abc", 26, "abc_saavbgb42jh3bvuwh56sryl7oi"},
        {"abc", 27, "abc_saavbgb42jh3bvuwh56sryl7oi="},
        {"abc", 4000, "abc_saavbgb42jh3bvuwh56sryl7oi======"},
    };
    ki_path path;
    size_t stem;

    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const char *name = vectors[i].name;
        char expected[64];

        snprintf(expected, sizeof(expected), "%s.json", name);
        assert_string_equal(
            path_of(vectors[i].key, vectors[i].len, "json", &path), expected);
        assert_int_equal(path.name, 0);
        assert_true(ki_key_unsign(name, strlen(name), vectors[i].len, &stem));
        assert_int_equal(stem, strlen(vectors[i].key));
        if (vectors[i].len > 0) {
            // One letter off, at either end, and it is nobody's.
            expected[0] = '~';
            assert_false(
                ki_key_unsign(expected, strlen(name), vectors[i].len, &stem));
            memcpy(expected, name, strlen(name));
            expected[strlen(name) - 1] ^= 1;
            assert_false(
                ki_key_unsign(expected, strlen(name), vectors[i].len, &stem));
        }
    }
}

/*
 * Goal    a path has its components in order, behind what was there.
 * Method  keys of several components; values and directories; a prefix.
 */
static void
test_paths(void **state)
{
    ki_path path;

    (void)state;
    assert_string_equal(path_of("x/y/p", 4, "pkl", &path),
                        "x_txko/y_ifjj/p_qody.pkl");
    assert_int_equal(path.name, 14);
    assert_string_equal(path_of("x/y", 4, NULL, &path), "x_txko/y_ifjj/");
    assert_int_equal(path.name, 7);
    KT_OK(ki_key_path(kist_str("abc"), 0, "txt", &path));
    assert_string_equal(path.text, "x_txko/y_ifjj/abc.txt");
    assert_int_equal(path.name, 14);
}

/*
 * Goal    a key is refused if and only if it is not one or more components.
 * Method  good and bad ones, each character there is, and both sides of the
 *         limit.
 */
static void
test_check(void **state)
{
    static const char *const good[] = {
        "a", "...", ".a", "a.", "con", "NUL", "~", "a/b/c", "()_-~.=", "a/...",
    };
    static const char *const bad[] = {
        "",     ".",    "..",  "/",   "a/",   "/a",       "a//b",    "a/.",
        "../a", "a/..", "./a", "a b", "a\\b", "\xc3\xa4", "a/b c/d",
    };
    char text[1000];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        KT_OK(ki_key_check(kist_str(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        KT_ANSWERS(KIST_ERR_INVALID, ki_key_check(kist_str(bad[i])));
    }
    assert_string_equal(kist_last_error()->path, "b c");
    KT_ANSWERS(KIST_ERR_INVALID, ki_key_check(kist_bytes(NULL, 0)));
    for (int i = 0; i < 256; i++) {
        const char letter[3] = {'a', (char)i, 'a'};
        const bool safe =
            i != 0 && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                             "UVWXYZ0123456789()_-~.=",
                             i) != NULL;

        assert_int_equal(ki_key_safe((char)i), safe);
        KT_ANSWERS(safe || i == '/' ? KIST_OK : KIST_ERR_INVALID,
                   ki_key_check(kist_bytes(letter, 3)));
    }
    memset(text, 'k', sizeof(text));
    KT_OK(ki_key_check(kist_bytes(text, 253)));
    KT_ANSWERS(KIST_ERR_INVALID, ki_key_check(kist_bytes(text, 254)));
    KT_ANSWERS(KIST_ERR_INVALID, ki_key_check(kist_bytes(text, 1000)));
    text[253] = '/';
    KT_OK(ki_key_check(kist_bytes(text, 500)));
}

/*
 * Goal    no two keys share a file: a component that ends in its own digest
 *         is refused, and such a name is told to be nobody's.
 * Method  signed names as keys; names signed twice; names of no key.
 */
static void
test_aliases(void **state)
{
    static const char *const nobodys[] = {
        "abc",  "abc_saav_nanx", "_2qoy", "._kbmp",   "a b_bte4",
        "abc_", "abc_SAAV",      "",      "abc-saav",
    };
    ki_path path = {.size = 3, .name = 1, .text = "ab/"};
    char twice[64];
    size_t stem;

    (void)state;
    KT_ANSWERS(KIST_ERR_INVALID,
               ki_key_path(kist_str("abc_saav"), 4, "json", &path));
    KT_ANSWERS(KIST_ERR_INVALID,
               ki_key_path(kist_str("a/abc_saav/b"), 4, "json", &path));
    assert_string_equal(kist_last_error()->path, "abc_saav");
    KT_ANSWERS(KIST_ERR_INVALID, ki_key_path(kist_str("a_b"), 1, "j", &path));
    assert_int_equal(path.size, 3);
    assert_int_equal(path.name, 1);
    assert_string_equal(path.text, "ab/");

    // The same with another digest is a component as any other.
    assert_string_equal(path_of("abc_saaw", 4, NULL, &path), "abc_saaw_t5ov/");
    assert_string_equal(path_of("abc_saav", 0, NULL, &path), "abc_saav/");
    assert_string_equal(path_of("abc_saav", 5, "j", &path),
                        "abc_saav_nanxi.j");
    for (size_t i = 0; i < COUNT(nobodys); i++) {
        assert_false(ki_key_unsign(nobodys[i], strlen(nobodys[i]), 4, &stem));
    }
    assert_false(ki_key_unsign(".", 1, 0, &stem));
    assert_false(ki_key_unsign("..", 2, 0, &stem));
    assert_false(ki_key_unsign("a b", 3, 0, &stem));
    assert_false(ki_key_unsign("", 0, 0, &stem));

    // A name signed twice: the digest is right, but no key has that name.
    path_of("abc_saav", 5, NULL, &path);
    snprintf(twice, sizeof(twice), "%.*s", (int)path.size - 2, path.text);
    assert_string_equal(twice, "abc_saav_nanx");
    assert_false(ki_key_unsign(twice, strlen(twice), 4, &stem));
}

/*
 * Goal    names longer than a file system takes are refused.
 * Method  both sides of each limit.
 */
static void
test_limits(void **state)
{
    char text[KI_PATH_SIZE_MAX + 10];
    ki_path path = {.size = 0};
    size_t stem;

    (void)state;
    memset(text, 'k', sizeof(text));
    // 253 with the digest: what the peer lists.
    KT_OK(ki_key_path(kist_bytes(text, 248), 4, "j", &path));
    assert_int_equal(path.size, KI_NAME_SIZE_MAX);
    assert_true(ki_key_unsign(path.text, 253, 4, &stem));
    assert_int_equal(stem, 248);
    path.size = 0;
    KT_ANSWERS(KIST_ERR_INVALID,
               ki_key_path(kist_bytes(text, 249), 4, "j", &path));
    KT_ANSWERS(KIST_ERR_INVALID,
               ki_key_path(kist_bytes(text, 248), 4, "json", &path));
    KT_OK(ki_key_path(kist_bytes(text, 245), 4, "json", &path));
    path.size = 0;
    KT_ANSWERS(KIST_ERR_INVALID,
               ki_key_path(kist_bytes(text, 253), 0, "js", &path));
    KT_OK(ki_key_path(kist_bytes(text, 253), 0, "j", &path));
    path.size = 0;
    KT_OK(ki_key_path(kist_bytes(text, 253), 0, NULL, &path));
    assert_false(ki_key_unsign(text, 254, 0, &stem));

    for (size_t i = 1; i < sizeof(text); i += 2) {
        text[i] = '/';
    }
    path.size = 0;
    KT_ANSWERS(
        KIST_ERR_INVALID,
        ki_key_path(kist_bytes(text, KI_PATH_SIZE_MAX - 1), 0, "jj", &path));
    KT_OK(ki_key_path(kist_bytes(text, KI_PATH_SIZE_MAX - 1), 0, NULL, &path));
    assert_int_equal(path.size, KI_PATH_SIZE_MAX);
    KT_ANSWERS(KIST_ERR_INVALID,
               ki_key_path(kist_bytes(text, 1), 0, NULL, &path));
}

/*
 * Goal    path and key are one-to-one, whatever the digest's length.
 * Method  random components, of letters that make digests likely; each path
 *         is taken apart into the key.
 */
static void
test_there_and_back(void **state)
{
    static const char some[] = "ab_7=Z.";
    kt_place *place = *state;
    uint64_t seed = place->seed;
    uint32_t refused = 0;

    for (uint32_t step = 0; step < 200000; step++) {
        const unsigned len = (unsigned)(kt_random(&seed) % 34);
        const size_t size = 1 + kt_random(&seed) % 70;
        char key[80];
        ki_path path = {.size = 0};
        size_t stem;

        for (size_t i = 0; i < size; i++) {
            key[i] = some[kt_random(&seed) % (sizeof(some) - 1)];
        }
        if (ki_key_check(kist_bytes(key, size)) != KIST_OK) {
            continue; // dots
        }
        if (ki_key_path(kist_bytes(key, size), len, NULL, &path) != KIST_OK) {
            KT_CHECK(len > 0 && len < 6, "seed %llu", (long long)place->seed);
            refused++;
            continue;
        }
        KT_CHECK(ki_key_unsign(path.text, path.size - 1, len, &stem) &&
                     stem == size && memcmp(path.text, key, size) == 0,
                 "seed %llu, step %u", (long long)place->seed, step);
    }
    assert_true(refused > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_check),   cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_limits),  KT_TEST(test_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
