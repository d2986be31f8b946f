/*
 * The tree: paths, making, removing, moving, copying and listing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA 1000000

/* A slice of a literal with NULs in it. */
#define BYTES(literal) kist_bytes(literal, sizeof(literal) - 1)

/*
 * Goal    paths are understood as the contract says (1.4), and none leaves
 *         the root.
 * Method  a table of both sorts; look never fails.
 */
static void
test_paths(void **state)
{
    static const struct {
        const char *raw;
        const char *normal; // NULL: leaves the root
    } paths[] = {
        {"", "/"},           {"/", "/"},         {"//", "/"},
        {".", "/"},          {"./.", "/"},       {"a", "/a"},
        {"/a", "/a"},        {"//a", "/a"},      {"///a//b/", "/a/b"},
        {"a/./b", "/a/b"},   {"a/../b", "/b"},   {"a/b/../..", "/"},
        {"\\a\\b", "/a/b"},  {"a\\..\\b", "/b"}, {"...", "/..."},
        {" a ", "/ a "},     {".a", "/.a"},      {"a/..b", "/a/..b"},
        {"..", NULL},        {"/..", NULL},      {"a/../..", NULL},
        {"a/../../b", NULL}, {"..\\x", NULL},    {"/a/b/../../../a", NULL},
        {"a//..", "/"},      {"é/ü", "/é/ü"},
    };
    kist_memfs *fs = kt_fs_new(QUOTA);

    (void)state;
    for (size_t i = 0; i < KT_COUNT(paths); i++) {
        const char *raw = paths[i].raw;
        const char *normal = paths[i].normal;
        kist_buf buf = {0};
        const kist_status status = kist_memfs_normalize(kist_str(raw), &buf);

        if (normal == NULL) {
            assert_int_equal(status, KIST_ERR_INVALID);
            assert_int_equal(kist_memfs_look(fs, kist_str(raw)),
                             KIST_MEMFS_NOTHING);
            assert_int_equal(kt_fs_try(fs, raw, KIST_MODE_WB),
                             KIST_ERR_INVALID);
            KT_ANSWERS(KIST_ERR_INVALID,
                       kist_memfs_mkdir(fs, kist_str(raw), true));
        }
        else {
            assert_int_equal(status, KIST_OK);
            KT_CHECK(buf.size == strlen(normal) &&
                         memcmp(buf.data, normal, buf.size) == 0,
                     "%s is not %s", raw, normal);
        }
        kist_buf_fini(&buf);
    }
    kt_fs_check_stats(fs, 0, 0, 1, 0);
    KT_OK(kist_memfs_mkdir(fs, BYTES("x/a\0b"), false));
    KT_OK(kist_memfs_mkdir(fs, BYTES("x/a"), false));
    assert_int_equal(kist_memfs_look(fs, BYTES("/x/a\0b")), KIST_MEMFS_DIR);
    assert_int_equal(kist_memfs_look(fs, BYTES("/x/a\0c")),
                     KIST_MEMFS_NOTHING);
    assert_int_equal(kist_memfs_look(fs, kist_bytes(NULL, 0)), KIST_MEMFS_DIR);
    kt_fs_check_list(fs, "x", "a\\00b a");
    kist_memfs_free(fs);
}

/* Goal: the paths of every call that answers INVALID. */
static void
test_outside(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    const kist_slice out = kist_str("../x");
    const kist_slice in = kist_str("/f");
    const kist_memfs_item item = {.path = out};
    kist_memfs_names *names;
    kist_memfs_bundle *bundle;
    kist_memfs_stream *stream;
    kist_memfs_walk *walk;
    kist_memfs_stat stat;
    kist_loan loan;
    uint64_t version;

    (void)state;
    kt_fs_put(fs, "/f", "text");
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_remove(fs, out));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rmtree(fs, out));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rename(fs, out, in));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rename(fs, in, out));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_move(fs, out, in));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_move(fs, in, out));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_copy(fs, out, in, KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_copy(fs, in, out, KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_copy_tree(fs, out, in, KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_copy_tree(fs, in, out, KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_stat_path(fs, out, &stat));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_list(fs, out, &names));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_list_version(fs, out, &version));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_walk_open(fs, out, &walk));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_export(fs, out, KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_view(fs, out, KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_stream_open(fs, out, false, &stream));
    KT_ANSWERS(
        KIST_ERR_INVALID,
        kist_memfs_export_tree(fs, out, false, KIST_WAIT_DEFAULT, &bundle));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_import(fs, &item, 1));
    kt_fs_check(fs, "/f", "text");
    kt_fs_check_stats(fs, 4 + KT_OVERHEAD, 1, 1, 1);
    kist_memfs_free(fs);
}

/*
 * Goal    mkdir makes all parents or none, and says what is in the way.
 * Method  every answer of its contract.
 */
static void
test_mkdir(void **state)
{
    kist_memfs_options options = kt_fs_options(QUOTA);
    kist_memfs *fs;

    (void)state;
    options.nodes_max = 5;
    KT_OK(kist_memfs_new(&options, &fs));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_mkdir(fs, kist_str("/"), false));
    KT_OK(kist_memfs_mkdir(fs, kist_str("/"), true));
    kt_fs_mkdir(fs, "/a/b");
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_mkdir(fs, kist_str("/a"), false));
    KT_OK(kist_memfs_mkdir(fs, kist_str("/a/b"), true));
    kt_fs_put(fs, "/a/f", "");
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_mkdir(fs, kist_str("a/f"), true));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_mkdir(fs, kist_str("a/f/x"), true));
    KT_ANSWERS(KIST_ERR_EXISTS,
               kist_memfs_mkdir(fs, kist_str("a/f/x"), false));
    kt_fs_check_stats(fs, 0, 1, 3, 0);
    KT_ANSWERS(KIST_ERR_NODES, kist_memfs_mkdir(fs, kist_str("/c/d"), false));
    assert_int_equal(kist_memfs_look(fs, kist_str("/c")), KIST_MEMFS_NOTHING);
    kt_fs_mkdir(fs, "/c");
    KT_ANSWERS(KIST_ERR_NODES, kist_memfs_mkdir(fs, kist_str("/d"), false));
    assert_int_equal(kist_last_error()->asked, 5);
    assert_int_equal(kist_last_error()->available, 5);
    assert_int_equal(kt_fs_try(fs, "/g", KIST_MODE_WB), KIST_ERR_NODES);
    assert_int_equal(kt_fs_try(fs, "/g", KIST_MODE_AB), KIST_ERR_NODES);
    assert_int_equal(kt_fs_try(fs, "/g", KIST_MODE_XB), KIST_ERR_NODES);
    kt_fs_check_stats(fs, 0, 1, 4, 0);
    kt_fs_check_list(fs, "/", "a c");
    KT_OK(kist_memfs_remove(fs, kist_str("/a/f")));
    kt_fs_put(fs, "/g", "");
    kist_memfs_free(fs);

    options.nodes_max = 0;
    KT_ANSWERS(KIST_ERR_NODES, kist_memfs_new(&options, &fs));
    options.nodes_max = 1;
    KT_OK(kist_memfs_new(&options, &fs));
    KT_ANSWERS(KIST_ERR_NODES, kist_memfs_mkdir(fs, kist_str("/d"), false));
    kist_memfs_free(fs);
    KT_OK(kist_memfs_new(NULL, &fs));
    kt_fs_check_stats(fs, 0, 0, 1, 0);
    assert_int_equal(kt_fs_stats(fs).quota, 256 << 20);
    assert_int_equal(kt_fs_stats(fs).chunk_overhead, 93);
    kist_memfs_free(fs);
    kist_memfs_free(NULL);
}

static void
test_remove(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;

    (void)state;
    kt_fs_mkdir(fs, "/d/e");
    kt_fs_put(fs, "/d/e/f", "text");
    kt_fs_put(fs, "/d/g", "more text");
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_memfs_remove(fs, kist_str("/x")));
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_memfs_remove(fs, kist_str("/d/g/x")));
    KT_ANSWERS(KIST_ERR_ISDIR, kist_memfs_remove(fs, kist_str("/d")));
    KT_ANSWERS(KIST_ERR_ISDIR, kist_memfs_remove(fs, kist_str("/")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rmtree(fs, kist_str("/")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rmtree(fs, kist_str("//")));
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_memfs_rmtree(fs, kist_str("/x")));
    KT_ANSWERS(KIST_ERR_NOTDIR, kist_memfs_rmtree(fs, kist_str("/d/g")));

    file = kt_fs_open(fs, "/d/e/f", KIST_MODE_RB);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_remove(fs, kist_str("/d/e/f")));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_rmtree(fs, kist_str("/d")));
    kt_fs_check(fs, "/d/g", "more text");
    kt_fs_check_stats(fs, 13 + 2 * KT_OVERHEAD, 2, 3, 2);
    kist_memfile_close(file);
    KT_OK(kist_memfs_remove(fs, kist_str("/d/e/f")));
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_memfs_remove(fs, kist_str("/d/e/f")));
    kt_fs_check_stats(fs, 9 + KT_OVERHEAD, 1, 3, 1);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/d")));
    kt_fs_check_stats(fs, 0, 0, 1, 0);
    kt_fs_check_list(fs, "/", "");
    kist_memfile_free(file);
    kist_memfs_free(fs);
}

/*
 * Goal    rename and move put a node elsewhere as it is, over nothing, and
 *         check in the order of the contract (1.8).
 * Method  arguments that are wrong in several ways at once.
 */
static void
test_rename(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    const kist_slice root = kist_str("/");
    const kist_slice a = kist_str("/a");
    const kist_slice f = kist_str("/a/f");
    kist_memfs_stat before;
    kist_memfs_stat after;
    kist_memfile *file;

    (void)state;
    kt_fs_mkdir(fs, "/a/b");
    kt_fs_mkdir(fs, "/z");
    kt_fs_put(fs, "/a/f", "text");
    kt_fs_put(fs, "/g", "");
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rename(fs, root, a));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfs_rename(fs, kist_str("//"), kist_str("/x")));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_rename(fs, kist_str("/x"), kist_str("/z")));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_rename(fs, a, a));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_rename(fs, f, kist_str("/g")));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_rename(fs, a, root));
    KT_ANSWERS(KIST_ERR_NOPARENT, kist_memfs_rename(fs, f, kist_str("/x/y")));
    KT_ANSWERS(KIST_ERR_NOPARENT, kist_memfs_rename(fs, f, kist_str("/g/y")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rename(fs, a, kist_str("/a/b/c")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_rename(fs, a, kist_str("/a/c")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_move(fs, a, kist_str("/a/c")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_move(fs, a, kist_str("/a/c/d/e")));
    file = kt_fs_open(fs, "/a/f", KIST_MODE_RB);
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_rename(fs, f, kist_str("/g")));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_rename(fs, f, kist_str("/y")));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_rename(fs, a, kist_str("/y")));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_move(fs, a, kist_str("/y/y")));
    assert_int_equal(kist_memfs_look(fs, kist_str("/y")), KIST_MEMFS_NOTHING);
    kist_memfile_free(file);

    before = kt_fs_stat(fs, "/a/f");
    KT_OK(kist_memfs_rename(fs, a, kist_str("/c")));
    after = kt_fs_stat(fs, "/c/f");
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(kist_memfs_look(fs, a), KIST_MEMFS_NOTHING);
    assert_int_equal(kist_memfs_look(fs, kist_str("/c/b")), KIST_MEMFS_DIR);
    kt_fs_check_list(fs, "/", "z g c");
    KT_OK(kist_memfs_rename(fs, kist_str("/c/f"),
                            kist_str("/z/a much longer name than before")));
    kt_fs_check(fs, "/z/a much longer name than before", "text");
    kt_fs_check_list(fs, "/c", "b");
    // A name is a prefix of another, and no parent of it.
    KT_OK(kist_memfs_rename(fs, kist_str("/c"), kist_str("/cc")));
    KT_OK(kist_memfs_move(fs, kist_str("/cc"), kist_str("/z/y/x/w")));
    kt_fs_check_list(fs, "/", "z g");
    KT_ANSWERS(KIST_ERR_EXISTS,
               kist_memfs_move(fs, kist_str("/z/y"), kist_str("/g/y")));
    KT_ANSWERS(KIST_ERR_EXISTS,
               kist_memfs_move(fs, kist_str("/z/y"), kist_str("/g/y/y")));
    kt_fs_check_stats(fs, 4 + KT_OVERHEAD, 2, 6, 1);
    kist_memfs_free(fs);
}

/* Goal: move makes the parents it needs, or none, within the node limit. */
static void
test_move_parents(void **state)
{
    kist_memfs_options options = kt_fs_options(QUOTA);
    kist_memfs *fs;

    (void)state;
    options.nodes_max = 4;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "text");
    KT_ANSWERS(KIST_ERR_NODES,
               kist_memfs_move(fs, kist_str("/f"), kist_str("/a/b/c/f")));
    kt_fs_check_list(fs, "/", "f");
    KT_OK(kist_memfs_move(fs, kist_str("/f"), kist_str("/a/b/f")));
    kt_fs_check(fs, "/a/b/f", "text");
    kt_fs_check_stats(fs, 4 + KT_OVERHEAD, 1, 3, 1);
    kist_memfs_free(fs);
}

static void
test_copy(void **state)
{
    kist_memfs *fs = kt_fs_new(1000);
    const kist_slice f = kist_str("/f");
    kist_memfs_stat stat;
    kist_memfile *file;

    (void)state;
    kt_fs_mkdir(fs, "/d");
    kt_fs_put(fs, "/f", "text");
    kt_fs_append(fs, "/f", " and more");
    kt_fs_put(fs, "/empty", "");
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_copy(fs, kist_str("/x"), kist_str("/y"),
                               KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_ISDIR,
               kist_memfs_copy(fs, kist_str("/d"), kist_str("/y"),
                               KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_copy(fs, f, f, KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_EXISTS,
               kist_memfs_copy(fs, f, kist_str("/d"), KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_NOPARENT,
               kist_memfs_copy(fs, f, kist_str("/x/y"), KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_NOPARENT,
               kist_memfs_copy(fs, f, kist_str("/f/y"), KIST_WAIT_DEFAULT));
    kt_fs_check_stats(fs, 13 + 2 * KT_OVERHEAD, 2, 2, 2);
    KT_OK(kist_memfs_copy(fs, f, kist_str("/d/f"), KIST_WAIT_DEFAULT));
    kt_fs_check(fs, "/d/f", "text and more");
    stat = kt_fs_stat(fs, "/d/f");
    assert_int_equal(stat.generation, 1);
    assert_true(stat.created_ns == stat.modified_ns);
    assert_true(stat.created_ns > kt_fs_stat(fs, "/f").modified_ns);
    // The copy is one chunk.
    kt_fs_check_stats(fs, 26 + 3 * KT_OVERHEAD, 3, 2, 3);
    KT_OK(kist_memfs_copy(fs, kist_str("/empty"), kist_str("/empty 2"),
                          KIST_WAIT_DEFAULT));
    assert_int_equal(kt_fs_stat(fs, "/empty 2").generation, 0);
    kt_fs_check_stats(fs, 26 + 3 * KT_OVERHEAD, 4, 2, 3);

    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    KT_OK(kist_memfs_copy(fs, f, kist_str("/while read"), KIST_WAIT_DEFAULT));
    kist_memfile_free(file);
    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_copy(fs, f, kist_str("/y"), KIST_WAIT_DEFAULT));
    assert_int_equal(kist_memfs_look(fs, kist_str("/y")), KIST_MEMFS_NOTHING);
    kist_memfile_free(file);

    kt_fs_append(fs, "/f", "0123456789");
    kt_fs_append(fs, "/d/f", "another");
    kt_fs_check(fs, "/f", "text and more0123456789");
    kt_fs_check(fs, "/d/f", "text and moreanother");
    kt_fs_check(fs, "/while read", "text and more");

    kt_fs_put(fs, "/big", "");
    file = kt_fs_open(fs, "/big", KIST_MODE_WB);
    KT_OK(kist_memfile_truncate(file, 150));
    kist_memfile_free(file);
    KT_ANSWERS(KIST_ERR_QUOTA,
               kist_memfs_copy(fs, kist_str("/big"), kist_str("/y"),
                               KIST_WAIT_DEFAULT));
    assert_int_equal(kist_last_error()->asked, 150 + KT_OVERHEAD);
    assert_int_equal(kist_last_error()->available, kt_fs_stats(fs).free);
    assert_int_equal(kist_memfs_look(fs, kist_str("/y")), KIST_MEMFS_NOTHING);
    kt_fs_check_sums(fs);
    kist_memfs_free(fs);
}

static void
test_copy_tree(void **state)
{
    kist_memfs_options options = kt_fs_options(1000);
    const kist_slice d = kist_str("/d");
    kist_memfs *fs;
    kist_memfile *file;

    (void)state;
    options.nodes_max = 13;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_mkdir(fs, "/d/e/g");
    kt_fs_put(fs, "/d/f", "text");
    kt_fs_append(fs, "/d/f", "text");
    kt_fs_put(fs, "/d/e/h", "more");
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_copy_tree(fs, kist_str("/x"), kist_str("/y"),
                                    KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_NOTDIR,
               kist_memfs_copy_tree(fs, kist_str("/d/f"), kist_str("/y"),
                                    KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_EXISTS,
               kist_memfs_copy_tree(fs, d, d, KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_copy_tree(fs, d, kist_str("/d/f"),
                                                     KIST_WAIT_DEFAULT));
    KT_ANSWERS(KIST_ERR_NOPARENT, kist_memfs_copy_tree(fs, d, kist_str("/x/y"),
                                                       KIST_WAIT_DEFAULT));
    kt_fs_check_stats(fs, 12 + 3 * KT_OVERHEAD, 2, 4, 3);
    KT_OK(kist_memfs_copy_tree(fs, d, kist_str("/c"), KIST_WAIT_DEFAULT));
    kt_fs_check(fs, "/c/f", "texttext");
    kt_fs_check(fs, "/c/e/h", "more");
    kt_fs_check_list(fs, "/c", "e f");
    assert_int_equal(kt_fs_stat(fs, "/c/f").generation, 0);
    kt_fs_check_stats(fs, 24 + 5 * KT_OVERHEAD, 4, 7, 5);

    // 11 nodes, 5 more would be 16; then a quota that two files exceed.
    KT_ANSWERS(
        KIST_ERR_NODES,
        kist_memfs_copy_tree(fs, d, kist_str("/c/again"), KIST_WAIT_DEFAULT));
    KT_OK(kist_memfs_rmtree(fs, kist_str("/c")));
    KT_OK(kist_memfs_copy_tree(fs, d, kist_str("/d/e/itself"),
                               KIST_WAIT_DEFAULT));
    kt_fs_check_list(fs, "/d/e", "g h itself");
    kt_fs_check_list(fs, "/d/e/itself", "e f");
    kt_fs_check_list(fs, "/d/e/itself/e", "g h");
    KT_OK(kist_memfs_rmtree(fs, kist_str("/d/e/itself")));
    kt_fs_check_stats(fs, 12 + 3 * KT_OVERHEAD, 2, 4, 3);
    file = kt_fs_open(fs, "/d/f", KIST_MODE_WB);
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_copy_tree(fs, d, kist_str("/c"), KIST_WAIT_DEFAULT));
    KT_OK(kist_memfile_truncate(file, 500));
    kist_memfile_free(file);
    kt_fs_check_stats(fs, 504 + 2 * KT_OVERHEAD, 2, 4, 2);
    KT_ANSWERS(KIST_ERR_QUOTA,
               kist_memfs_copy_tree(fs, d, kist_str("/c"), KIST_WAIT_DEFAULT));
    assert_int_equal(kist_memfs_look(fs, kist_str("/c")), KIST_MEMFS_NOTHING);
    kt_fs_check_stats(fs, 504 + 2 * KT_OVERHEAD, 2, 4, 2);
    kt_fs_check_sums(fs);
    kist_memfs_free(fs);
}

/*
 * Goal    lists keep the order in which names came, and a version tells when
 *         they changed.
 * Method  each change of names changes the version of its directory only;
 *         nothing else changes any.
 */
static void
test_list(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    const kist_slice root = kist_str("/");
    kist_memfs_names *names;
    uint64_t last = 0;
    uint64_t version;
    uint64_t inner;
    uint64_t again;

#define CHANGED(changed)                                                      \
    do {                                                                      \
        KT_OK(kist_memfs_list_version(fs, root, &version));                   \
        assert_true(version != 0 && (version != last) == (changed));          \
        last = version;                                                       \
    } while (false)

    (void)state;
    CHANGED(true);
    kt_fs_put(fs, "/b", "text");
    CHANGED(true);
    kt_fs_put(fs, "/a", "");
    CHANGED(true);
    kt_fs_put(fs, "/b", "other");
    kt_fs_append(fs, "/a", "x");
    CHANGED(false);
    kt_fs_mkdir(fs, "/d");
    CHANGED(true);
    KT_OK(kist_memfs_list_version(fs, kist_str("/d"), &inner));
    assert_true(inner != last);
    kt_fs_mkdir(fs, "/d/e");
    CHANGED(false);
    KT_OK(kist_memfs_list_version(fs, kist_str("/d"), &again));
    assert_true(inner != again);
    kt_fs_check_list(fs, "/", "b a d");
    KT_OK(kist_memfs_rename(fs, kist_str("/b"), kist_str("/c")));
    CHANGED(true);
    kt_fs_check_list(fs, "/", "a d c");
    KT_OK(kist_memfs_rename(fs, kist_str("/c"), kist_str("/b")));
    CHANGED(true);
    KT_OK(kist_memfs_remove(fs, kist_str("/a")));
    CHANGED(true);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/d")));
    CHANGED(true);
    kt_fs_mkdir(fs, "/d");
    CHANGED(true);
    // Another directory of the same name is another.
    KT_OK(kist_memfs_list_version(fs, kist_str("/d"), &version));
    assert_true(version != inner && version != again);
    kt_fs_check_list(fs, "/", "b d");
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_memfs_list(fs, kist_str("/x"), &names));
    KT_ANSWERS(KIST_ERR_NOTDIR, kist_memfs_list(fs, kist_str("/b"), &names));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_list(fs, kist_str("/b/x"), &names));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_list_version(fs, kist_str("/x"), &version));
    KT_ANSWERS(KIST_ERR_NOTDIR,
               kist_memfs_list_version(fs, kist_str("/b"), &version));
    kist_memfs_names_free(NULL);
    kist_memfs_free(fs);
#undef CHANGED
}

/* Goal: what stat and look say of files, directories and nothing. */
static void
test_stat(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfs_stat stat;
    int64_t created;

    (void)state;
    kt_fs_mkdir(fs, "/d");
    kt_fs_put(fs, "/d/f", "text");
    stat = kt_fs_stat(fs, "/d");
    assert_true(stat.is_dir);
    assert_int_equal(stat.size, 0);
    assert_int_equal(stat.generation, 0);
    assert_true(stat.created_ns > 0);
    stat = kt_fs_stat(fs, "/d/f");
    assert_false(stat.is_dir);
    assert_int_equal(stat.size, 4);
    created = stat.created_ns;
    kt_fs_append(fs, "/d/f", "text");
    stat = kt_fs_stat(fs, "/d/f");
    assert_true(stat.created_ns == created);
    assert_true(stat.modified_ns > created);
    assert_true(kt_fs_stat(fs, "/").is_dir);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_stat_path(fs, kist_str("/x"), &stat));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_memfs_stat_path(fs, kist_str("/d/f/x"), &stat));
    assert_int_equal(kist_memfs_look(fs, kist_str("/d/f/x")),
                     KIST_MEMFS_NOTHING);
    assert_int_equal(kist_memfs_look(fs, kist_str("/d/f")), KIST_MEMFS_FILE);
    assert_int_equal(kist_memfs_look(fs, kist_str("d\\.\\")), KIST_MEMFS_DIR);
    kist_memfs_free(fs);

    // The system's clock, where none is given.
    KT_OK(kist_memfs_new(NULL, &fs));
    kt_fs_put(fs, "/f", "");
    assert_true(kt_fs_stat(fs, "/f").created_ns >
                INT64_C(1700000000) * 1000000000);
    kist_memfs_free(fs);
}

/* Goal: many names in one directory are found, kept in order, and go. */
static void
test_many_names(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    const int count = 5000;
    kist_memfs_names *names;
    char path[40];

    (void)state;
    kt_fs_mkdir(fs, "/d");
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/d/name %d", i * 7919 % count);
        kt_fs_put(fs, path, "");
    }
    for (int i = 0; i < count; i += 2) {
        snprintf(path, sizeof(path), "/d/name %d", i);
        KT_OK(kist_memfs_remove(fs, kist_str(path)));
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/d/name %d", i);
        assert_int_equal(kist_memfs_look(fs, kist_str(path)),
                         i % 2 == 0 ? KIST_MEMFS_NOTHING : KIST_MEMFS_FILE);
    }
    KT_OK(kist_memfs_list(fs, kist_str("/d"), &names));
    assert_int_equal(names->count, count / 2);
    for (int i = 0, n = 0; i < count; i++) {
        if (i * 7919 % count % 2 != 0) {
            snprintf(path, sizeof(path), "name %d", i * 7919 % count);
            assert_int_equal(names->names[n].size, strlen(path));
            assert_memory_equal(names->names[n].data, path, strlen(path));
            n++;
        }
    }
    kist_memfs_names_free(names);
    kt_fs_check_stats(fs, 0, (uint64_t)count / 2, 2, 0);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/d")));
    kt_fs_check_stats(fs, 0, 0, 1, 0);
    kist_memfs_free(fs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_outside),
        cmocka_unit_test(test_mkdir),      cmocka_unit_test(test_remove),
        cmocka_unit_test(test_rename),     cmocka_unit_test(test_move_parents),
        cmocka_unit_test(test_copy),       cmocka_unit_test(test_copy_tree),
        cmocka_unit_test(test_list),       cmocka_unit_test(test_stat),
        cmocka_unit_test(test_many_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
