/*
 * What goes through many nodes: walks, patterns, imports and exports.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA 1000000

static void
check_walk(kist_memfs_walk *walk, const char *path, const char *names,
           size_t dirs)
{
    const kist_memfs_names *got;
    kist_slice at;

    KT_OK(kist_memfs_walk_next(walk, &at, &got));
    KT_CHECK(at.size == strlen(path) && memcmp(at.data, path, at.size) == 0,
             "%.*s, not %s", (int)at.size, (const char *)at.data, path);
    kt_fs_check_names(got, names);
    assert_int_equal(got->dirs, dirs);
}

static void
check_walk_end(kist_memfs_walk *walk)
{
    const kist_memfs_names *got;
    kist_slice at;

    assert_int_equal(kist_memfs_walk_next(walk, &at, &got), KIST_END);
    assert_int_equal(kist_memfs_walk_next(walk, &at, &got), KIST_END);
    kist_memfs_walk_close(walk);
}

/*
 * Goal    a walk goes top-down in the order of the names, sees each directory
 *         as it is when it gets there, and survives what is removed.
 * Method  change the tree between two steps.
 */
static void
test_walk(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfs_walk *walk;

    (void)state;
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_walk_open(fs, kist_str("/x"), &walk));
    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk(walk, "/", "", 0);
    check_walk_end(walk);
    kt_fs_put(fs, "/f", "");
    kt_fs_mkdir(fs, "/b/x/y");
    kt_fs_mkdir(fs, "/a");
    kt_fs_put(fs, "/b/g", "");
    kt_fs_put(fs, "/e", "");
    KT_ANSWERS(KIST_ERR_NOTDIR,
               kist_memfs_walk_open(fs, kist_str("/f"), &walk));
    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk(walk, "/", "b a f e", 2);
    check_walk(walk, "/b", "x g", 1);
    check_walk(walk, "/b/x", "y", 1);
    check_walk(walk, "/b/x/y", "", 0);
    check_walk(walk, "/a", "", 0);
    check_walk_end(walk);
    KT_OK(kist_memfs_walk_open(fs, kist_str("b//"), &walk));
    check_walk(walk, "/b", "x g", 1);
    check_walk(walk, "/b/x", "y", 1);
    kist_memfs_walk_close(walk);
    kist_memfs_walk_close(NULL);

    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk(walk, "/", "b a f e", 2);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/b")));
    kt_fs_put(fs, "/a/late", "");
    check_walk(walk, "/a", "late", 0);
    check_walk_end(walk);

    // The directory that it is in goes, with the rest of its names.
    kt_fs_mkdir(fs, "/b/1");
    kt_fs_mkdir(fs, "/b/2/3");
    KT_OK(kist_memfs_walk_open(fs, kist_str("/b"), &walk));
    check_walk(walk, "/b", "1 2", 2);
    check_walk(walk, "/b/1", "", 0);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/b")));
    check_walk_end(walk);

    // A file takes the place of a directory that was listed.
    kt_fs_mkdir(fs, "/b/1");
    KT_OK(kist_memfs_walk_open(fs, kist_str("/b"), &walk));
    check_walk(walk, "/b", "1", 1);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/b/1")));
    kt_fs_put(fs, "/b/1", "");
    check_walk_end(walk);

    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk(walk, "/", "a b f e", 2);
    kist_memfs_free(fs);
    kist_memfs_walk_close(walk);
}

/* Goal: a walk begins when its first step is asked for... or says at once
 * that there is nothing to walk; once begun, the top may go. */
static void
test_walk_top_gone(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    const kist_memfs_names *names;
    kist_memfs_walk *walk;
    kist_slice path;
    kist_status status;

    (void)state;
    kt_fs_mkdir(fs, "/a/b");
    KT_OK(kist_memfs_walk_open(fs, kist_str("/a"), &walk));
    KT_OK(kist_memfs_rmtree(fs, kist_str("/a")));
    status = kist_memfs_walk_next(walk, &path, &names);
    assert_true(status == KIST_END || status == KIST_ERR_NOTFOUND);
    kist_memfs_walk_close(walk);
    kist_memfs_free(fs);
}

#define KNOWN_MAX 8

/* The versions that a walk has met. */
typedef struct met {
    uint64_t versions[KNOWN_MAX];
    size_t count;
    size_t asked;
} met;

static bool
is_known(void *context, uint64_t version)
{
    met *m = context;
    size_t i;

    m->asked++;
    for (i = 0; i < m->count && m->versions[i] != version; i++) {
    }
    return i < m->count;
}

/* `names` NULL: they are known. */
static void
check_walk_on(kist_memfs *fs, kist_memfs_walk *walk, met *m, const char *path,
              const char *names)
{
    const kist_memfs_names *got;
    uint64_t version;
    uint64_t told;
    kist_slice at;

    KT_OK(kist_memfs_walk_on(walk, is_known, m, &at, &version, &got));
    assert_int_equal(at.size, strlen(path));
    assert_memory_equal(at.data, path, at.size);
    KT_OK(kist_memfs_list_version(fs, at, &told));
    assert_int_equal(version, told);
    if (names == NULL) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    kt_fs_check_names(got, names);
    assert_true(m->count < KNOWN_MAX);
    m->versions[m->count++] = version;
}

/*
 * Goal    a walk that knows names goes where one that asks for them goes, and
 *         asks for those that came or went since.
 * Method  three walks over a tree that is changed in between: a name more, a
 *         directory less, one that was moved with what is in it.
 */
static void
test_walk_known(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfs_walk *walk;
    met m = {.count = 0};

    (void)state;
    kt_fs_put(fs, "/f", "");
    kt_fs_mkdir(fs, "/a/x");
    kt_fs_mkdir(fs, "/b");
    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk_on(fs, walk, &m, "/", "a b f");
    check_walk_on(fs, walk, &m, "/a", "x");
    check_walk_on(fs, walk, &m, "/a/x", "");
    check_walk_on(fs, walk, &m, "/b", "");
    check_walk_end(walk);
    assert_int_equal(m.asked, 4);

    kt_fs_put(fs, "/f", "more"); // the same names
    kt_fs_put(fs, "/b/new", "");
    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk_on(fs, walk, &m, "/", NULL);
    check_walk_on(fs, walk, &m, "/a", NULL);
    check_walk_on(fs, walk, &m, "/a/x", NULL);
    check_walk_on(fs, walk, &m, "/b", "new");
    check_walk_end(walk);

    KT_OK(kist_memfs_rename(fs, kist_str("/a"), kist_str("/b/c")));
    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    check_walk_on(fs, walk, &m, "/", "b f");
    check_walk_on(fs, walk, &m, "/b", "c new");
    check_walk_on(fs, walk, &m, "/b/c", NULL);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/b/c/x")));
    check_walk_end(walk);
    kist_memfs_free(fs);
}

static const struct {
    const char *pattern;
    const char *paths;
} globs[] = {
    {"", ""},
    {"/", ""},
    {"*", "/.h /A /a /b.txt /c.txt"},
    {"/*", "/.h /A /a /b.txt /c.txt"},
    {"*/", "/.h /A /a /b.txt /c.txt"},
    {"a", "/a"},
    {"a/", "/a"},
    {"//a//f", "/a/f"},
    {"\\a\\f", "/a/f"},
    {"x", ""},
    {"b.txt/x", ""},
    {"b.txt/*", ""},
    {"./a", ""},
    {"a/..", ""},
    {"a/../a", ""},
    {"..", ""},
    {"[ab]*", "/a /b.txt"},
    {"[!a]*", "/.h /A /b.txt /c.txt"},
    {"?.txt", "/b.txt /c.txt"},
    {"*.txt", "/b.txt /c.txt"},
    {"a/*", "/a/a /a/b /a/f"},
    {"a/*/f", "/a/a/f"},
    {"*/*/f", "/a/a/f"},
    {"a/[[]", ""},
    {"**/f", "/a/a/f /a/f"},
    {"**/a", "/a /a/a"},
    {"/**/a/**/f", "/a/a/f /a/f"},
    {"**/**/f", "/a/a/f /a/f"},
    {"**/a/a", "/a/a"},
    {"a/**", "/a/a /a/a/f /a/b /a/f"},
    {"**", "/.h /A /a /a/a /a/a/f /a/b /a/f /b.txt /c.txt"},
    {"**/**", "/.h /A /a /a/a /a/a/f /a/b /a/f /b.txt /c.txt"},
    {"**/**/**/*", "/.h /A /a /a/a /a/a/f /a/b /a/f /b.txt /c.txt"},
    {"**/*", "/.h /A /a /a/a /a/a/f /a/b /a/f /b.txt /c.txt"},
    {"b.txt/**", ""},
    {"**/b.txt/**", ""},
    {"a**", "/a"},
    {"**f", ""},
    {"a/**f", "/a/f"},
};

/*
 * Goal    glob answers each path that matches once, sorted by its bytes.
 * Method  patterns over one tree; stars before stars, which the published
 *         package answers twice and slowly.
 */
static void
test_glob(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    char pattern[4096] = "";

    (void)state;
    kt_fs_put(fs, "/c.txt", "");
    kt_fs_mkdir(fs, "/a/b");
    kt_fs_mkdir(fs, "/a/a");
    kt_fs_mkdir(fs, "/A");
    kt_fs_put(fs, "/a/a/f", "");
    kt_fs_put(fs, "/a/f", "");
    kt_fs_put(fs, "/b.txt", "");
    kt_fs_put(fs, "/.h", "");
    for (size_t i = 0; i < KT_COUNT(globs); i++) {
        kist_memfs_names *names;

        KT_OK(kist_memfs_glob(fs, kist_str(globs[i].pattern), &names));
        kt_fs_check_names(names, globs[i].paths);
        kist_memfs_names_free(names);
    }
    // Sorted as whole paths: "-" is before "/", "/" before "0".
    kt_fs_put(fs, "/a-", "");
    kt_fs_put(fs, "/a0", "");
    kt_fs_check_glob(fs, "**/[af0-]*", "/a /a- /a/a /a/a/f /a/f /a0");
    for (size_t i = 0; i + 4 < sizeof(pattern); i += 3) {
        memcpy(pattern + i, "**/", 4);
    }
    kt_fs_check_glob(fs, pattern,
                     "/.h /A /a /a- /a/a /a/a/f /a/b /a/f /a0 /b.txt /c.txt");
    kist_memfs_free(fs);
}

static void
check_import(kist_memfs *fs, kist_status expected, const char *const *pairs)
{
    kist_memfs_item items[10] = {{.path = {NULL, 0}}};
    size_t count = 0;

    while (pairs[2 * count] != NULL) {
        items[count].path = kist_str(pairs[2 * count]);
        items[count].data = kist_str(pairs[2 * count + 1]);
        count++;
    }
    KT_ANSWERS(expected, kist_memfs_import(fs, items, count));
}

#define IMPORT(fs, expected, ...)                                             \
    check_import(fs, expected, (const char *const[]){__VA_ARGS__, NULL})

/*
 * Goal    an import makes or replaces all its files, or none.
 * Method  one that goes well, then each answer of its contract, with good
 *         items before the bad one.
 */
static void
test_import(void **state)
{
    kist_memfs_options options = kt_fs_options(1000);
    kist_memfs *fs;
    kist_memfile *file;
    char *before;

    (void)state;
    options.nodes_max = 10;
    KT_OK(kist_memfs_new(&options, &fs));
    KT_OK(kist_memfs_import(fs, NULL, 0));
    kt_fs_put(fs, "/f", "text");
    kt_fs_append(fs, "/f", "more");
    kt_fs_put(fs, "/g", "");
    IMPORT(fs, KIST_OK, "/d/e/h", "h", "f", "new", "//d/i", "i", "/d/j", "",
           "\\d\\i", "last");
    kt_fs_check(fs, "/f", "new");
    kt_fs_check(fs, "/d/e/h", "h");
    kt_fs_check(fs, "/d/i", "last");
    kt_fs_check(fs, "/d/j", "");
    assert_int_equal(kt_fs_stat(fs, "/f").generation, 0);
    kt_fs_check_list(fs, "/", "f g d");
    kt_fs_check_list(fs, "/d", "e i j");
    kt_fs_check_stats(fs, 8 + 3 * KT_OVERHEAD, 5, 3, 3);

    before = kt_fs_describe(fs, true);
    IMPORT(fs, KIST_ERR_ISDIR, "/f", "x", "/d", "x");
    IMPORT(fs, KIST_ERR_ISDIR, "/f", "x", "/", "x");
    IMPORT(fs, KIST_ERR_ISDIR, "/f", "x", "", "x");
    IMPORT(fs, KIST_ERR_EXISTS, "/k", "x", "/f/x", "x");
    assert_string_equal(kist_last_error()->path, "f");
    IMPORT(fs, KIST_ERR_EXISTS, "/k", "x", "/k/x", "x");
    IMPORT(fs, KIST_ERR_ISDIR, "/k/x", "x", "/k", "x");
    IMPORT(fs, KIST_ERR_NODES, "/k", "x", "/l", "x", "/m", "x");
    IMPORT(fs, KIST_ERR_INVALID, "/k", "x", "/..", "x");
    file = kt_fs_open(fs, "/d/i", KIST_MODE_RB);
    IMPORT(fs, KIST_ERR_LOCKED, "/f", "x", "/d/i", "x");
    kist_memfile_free(file);
    kt_fs_check_described(fs, true, before);
    free(before);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/d")));
    kist_memfs_free(fs);
}

/* Goal: an import counts what it adds beyond what it replaces. */
static void
test_import_quota(void **state)
{
    kist_memfs *fs = kt_fs_new(400);
    char text[301];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[300] = '\0';
    IMPORT(fs, KIST_OK, "/f", text);
    kt_fs_check_stats(fs, 300 + KT_OVERHEAD, 1, 1, 1);
    IMPORT(fs, KIST_OK, "/f", text);
    kt_fs_check_stats(fs, 300 + KT_OVERHEAD, 1, 1, 1);
    IMPORT(fs, KIST_ERR_QUOTA, "/f", text, "/g", "0123456789");
    assert_int_equal(kist_last_error()->asked, 10 + KT_OVERHEAD);
    assert_int_equal(kist_last_error()->available, 7);
    kt_fs_check_stats(fs, 300 + KT_OVERHEAD, 1, 1, 1);
    // What one frees, another may take.
    IMPORT(fs, KIST_OK, "/f", "", "/g", text);
    kt_fs_check_stats(fs, 300 + KT_OVERHEAD, 2, 1, 1);
    IMPORT(fs, KIST_ERR_QUOTA, "/f", text, "/g", text);
    IMPORT(fs, KIST_OK, "/f", text, "/f", "short", "/g", "");
    kt_fs_check_stats(fs, 5 + KT_OVERHEAD, 2, 1, 1);
    kist_memfs_free(fs);
}

/* Appends "path=contents". */
static void
print_file(char *text, size_t room, kist_slice path, const kist_loan *loan)
{
    const size_t size = strlen(text);
    char data[100] = "";

    assert_true(loan->size < sizeof(data));
    kist_loan_copy(loan, data);
    snprintf(text + size, room - size, "%s%.*s=%s", size == 0 ? "" : " ",
             (int)path.size, (const char *)path.data, data);
}

/* All at once, and one after the other. */
static void
check_export(kist_memfs *fs, const char *prefix, bool dirty,
             const char *expected)
{
    kist_memfs_bundle *bundle;
    kist_memfs_stream *stream;
    char text[400] = "";
    kist_slice path;
    kist_loan loan;

    KT_OK(kist_memfs_export_tree(fs, kist_str(prefix), dirty,
                                 KIST_WAIT_DEFAULT, &bundle));
    for (size_t i = 0; i < bundle->count; i++) {
        print_file(text, sizeof(text), bundle->items[i].path,
                   &bundle->items[i].loan);
    }
    assert_string_equal(text, expected);
    kist_memfs_bundle_free(bundle);
    text[0] = '\0';
    KT_OK(kist_memfs_stream_open(fs, kist_str(prefix), dirty, &stream));
    while (kist_memfs_stream_next(stream, KIST_WAIT_DEFAULT, &path, &loan) ==
           KIST_OK) {
        print_file(text, sizeof(text), path, &loan);
        kist_loan_return(&loan);
    }
    assert_string_equal(text, expected);
    kist_memfs_stream_close(stream);
}

/*
 * Goal    an export is depth first, in the order of the names, files only;
 *         what counts as dirty is what was written since it was made.
 * Method  prefixes of a tree, before and after copies and imports.
 */
static void
test_export(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfs_bundle *bundle;
    kist_memfile *file;
    kist_loan loan;

    (void)state;
    check_export(fs, "/", false, "");
    kt_fs_put(fs, "/z", "1");
    kt_fs_mkdir(fs, "/d/empty");
    kt_fs_put(fs, "/a", "2");
    kt_fs_put(fs, "/d/f", "3");
    kt_fs_mkdir(fs, "/d/e");
    kt_fs_put(fs, "/d/e/g", "4");
    kt_fs_put(fs, "/d/b", "5");
    IMPORT(fs, KIST_OK, "/d/clean", "6");
    check_export(fs, "/", false,
                 "/z=1 /d/f=3 /d/e/g=4 /d/b=5 /d/clean=6 /a=2");
    check_export(fs, "/", true, "/z=1 /d/f=3 /d/e/g=4 /d/b=5 /a=2");
    check_export(fs, "/d/e", false, "/d/e/g=4");
    check_export(fs, "d/e/g", false, "/d/e/g=4");
    check_export(fs, "/d/clean", true, "");
    check_export(fs, "/missing", false, "");
    check_export(fs, "/a/b", false, "");
    KT_OK(kist_memfs_copy(fs, kist_str("/d/clean"), kist_str("/dirty"),
                          KIST_WAIT_DEFAULT));
    KT_OK(kist_memfs_copy_tree(fs, kist_str("/d"), kist_str("/copy"),
                               KIST_WAIT_DEFAULT));
    check_export(fs, "/copy", true, "");
    check_export(fs, "/dirty", true, "/dirty=6");

    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_memfs_export(fs, kist_str("/x"),
                                                    KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_ISDIR, kist_memfs_export(fs, kist_str("/d"),
                                                 KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_view(fs, kist_str("/x"), KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_ISDIR,
               kist_memfs_view(fs, kist_str("/d"), KIST_WAIT_DEFAULT, &loan));
    file = kt_fs_open(fs, "/d/f", KIST_MODE_AB);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_export(fs, kist_str("/d/f"),
                                                  KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_view(fs, kist_str("/d/f"),
                                                KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_export_tree(fs, kist_str("/"), false,
                                      KIST_WAIT_DEFAULT, &bundle));
    check_export(fs, "/copy", false,
                 "/copy/f=3 /copy/e/g=4 /copy/b=5 /copy/clean=6");
    kist_memfile_free(file);
    file = kt_fs_open(fs, "/d/f", KIST_MODE_RB);
    check_export(fs, "/d/f", false, "/d/f=3");
    kist_memfile_free(file);
    kist_memfs_bundle_free(NULL);
    kist_memfs_free(fs);
}

static void
check_stream(kist_memfs_stream *stream, const char *expected)
{
    kist_slice path;
    kist_loan loan;
    char text[100] = "";

    KT_OK(kist_memfs_stream_next(stream, KIST_WAIT_DEFAULT, &path, &loan));
    print_file(text, sizeof(text), path, &loan);
    assert_string_equal(text, expected);
    kist_loan_return(&loan);
}

/*
 * Goal    a stream's files are those of its opening, their contents those of
 *         their turn.
 * Method  files are removed, renamed, written, made and held between steps.
 */
static void
test_stream(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfs_stream *stream;
    kist_memfile *file;
    kist_slice path;
    kist_loan loan;

    (void)state;
    kt_fs_mkdir(fs, "/d");
    kt_fs_put(fs, "/d/1", "a");
    kt_fs_put(fs, "/d/2", "b");
    kt_fs_put(fs, "/d/3", "c");
    kt_fs_put(fs, "/d/4", "d");
    kt_fs_put(fs, "/d/5", "e");
    kt_fs_put(fs, "/d/6", "f");
    KT_OK(kist_memfs_stream_open(fs, kist_str("/d"), false, &stream));
    check_stream(stream, "/d/1=a");
    KT_OK(kist_memfs_remove(fs, kist_str("/d/2")));
    KT_OK(kist_memfs_rename(fs, kist_str("/d/3"), kist_str("/x")));
    kt_fs_append(fs, "/x", "changed");
    kt_fs_put(fs, "/d/late", "z");
    check_stream(stream, "/d/3=cchanged");
    file = kt_fs_open(fs, "/d/4", KIST_MODE_AB);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_stream_next(
                                    stream, KIST_WAIT_DEFAULT, &path, &loan));
    kist_memfile_free(file);
    check_stream(stream, "/d/4=d"); // it is tried again
    check_stream(stream, "/d/5=e");
    // Another file of the same name is another file.
    KT_OK(kist_memfs_remove(fs, kist_str("/d/6")));
    kt_fs_put(fs, "/d/6", "new");
    assert_int_equal(
        kist_memfs_stream_next(stream, KIST_WAIT_DEFAULT, &path, &loan),
        KIST_END);
    assert_int_equal(
        kist_memfs_stream_next(stream, KIST_WAIT_DEFAULT, &path, &loan),
        KIST_END);
    kist_memfs_stream_close(stream);
    kist_memfs_stream_close(NULL);

    KT_OK(kist_memfs_stream_open(fs, kist_str("/"), true, &stream));
    kist_memfs_free(fs);
    kist_memfs_stream_close(stream);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_top_gone),
        cmocka_unit_test(test_walk_known),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_import_quota),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
