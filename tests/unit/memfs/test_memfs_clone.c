/*
 * Clones and what is restored from them: same contents, no bytes copied,
 * nothing in common afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA ((uint64_t)64 << 20)

static kist_memfs *
clone_of(kist_memfs *fs)
{
    kist_memfs *clone = NULL;

    KT_OK(kist_memfs_clone(fs, &clone));
    assert_non_null(clone);
    return clone;
}

/* A tree with a bit of everything; `lent` is one of its files. */
static kist_memfs *
make_tree(kt_lent *lent)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;

    kt_lent_init(lent, 100000, 5);
    kt_fs_mkdir(fs, "/d/e/empty");
    kt_fs_put(fs, "/d/z", "appended");
    kt_fs_append(fs, "/d/z", " twice");
    kt_fs_put(fs, "/d/a", "promoted");
    kt_fs_write_at(fs, "/d/a", 0, "PRO");
    kt_fs_put(fs, "/nothing", "");
    file = kt_fs_open(fs, "/d/e/lent", KIST_MODE_WB);
    KT_OK(kist_memfile_write_lent(file, lent->data, lent->size,
                                  kt_lent_release, lent));
    KT_OK(kist_memfile_truncate(file, 150000));
    kist_memfile_free(file);
    KT_OK(kist_memfs_rename(fs, kist_str("/nothing"), kist_str("/renamed")));
    return fs;
}

/*
 * Goal    a clone is like its original in everything, and shares the bytes.
 * Method  a description of both, times and all; a pointer into lent bytes.
 */
static void
test_same(void **state)
{
    kt_lent lent;
    kist_memfs *fs = make_tree(&lent);
    char *text = kt_fs_describe(fs, true);
    kist_memfs *clone = clone_of(fs);
    kist_memfile *file;
    kist_loan loan;

    (void)state;
    kt_fs_check_described(clone, true, text);
    kt_fs_check_described(fs, true, text);
    file = kt_fs_open(clone, "/d/e/lent", KIST_MODE_RB);
    KT_OK(kist_memfile_take(file, 100000, &loan));
    assert_ptr_equal(loan.data, lent.data);
    kist_loan_return(&loan);
    kist_memfile_free(file);
    kist_memfs_free(fs);
    kt_fs_check_described(clone, true, text);
    assert_int_equal(lent.released, 0);
    // Of a clone, and of one of that; a promoted file is one still.
    fs = clone_of(clone);
    kist_memfs_free(clone);
    clone = clone_of(fs);
    kt_fs_check_described(clone, true, text);
    kt_fs_write_at(clone, "/d/a", 2, "X");
    assert_int_equal(kt_fs_stats(clone).used, kt_fs_stats(fs).used);
    kist_memfs_free(clone);
    kt_fs_check_described(fs, true, text);
    kist_memfs_free(fs);
    kt_lent_fini(&lent, 1);
    free(text);
}

/*
 * Goal    what happens to one does not happen to the other.
 * Method  every sort of change in each, and each is let go first once.
 */
static void
test_apart(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        kt_lent lent;
        kist_memfs *fs = make_tree(&lent);
        char *text = kt_fs_describe(fs, true);
        kist_memfs *clone = clone_of(fs);
        kist_memfs *changed = round == 0 ? fs : clone;
        kist_memfs *kept = round == 0 ? clone : fs;

        kt_fs_write_at(changed, "/d/e/lent", 50000, "overwritten");
        kt_fs_append(changed, "/d/z", " thrice");
        kt_fs_put(changed, "/d/a", "");
        KT_OK(kist_memfs_remove(changed, kist_str("/renamed")));
        KT_OK(kist_memfs_rename(changed, kist_str("/d/e"), kist_str("/e")));
        kt_fs_put(changed, "/d/new", "new");
        kt_fs_mkdir(changed, "/x/y/z");
        kt_fs_check_described(kept, true, text);
        kt_fs_check_sums(changed);
        KT_OK(kist_memfs_rmtree(changed, kist_str("/d")));
        kist_memfs_free(changed);
        kt_fs_check_described(kept, true, text);
        kt_fs_check_sums(kept);
        kist_memfs_free(kept);
        kt_lent_fini(&lent, 1);
        free(text);
    }
}

/* Goal: a clone has a quota, limits and locks of its own. */
static void
test_own_limits(void **state)
{
    kist_memfs_options options = kt_fs_options(1000);
    kist_memfs *fs;
    kist_memfs *clone;
    kist_memfile *file;
    kist_memfile *other;

    (void)state;
    options.nodes_max = 3;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "0123456789");
    clone = clone_of(fs);
    kt_fs_check_stats(clone, 10 + KT_OVERHEAD, 1, 1, 1);
    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    KT_OK(kist_memfile_truncate(file, 800));
    other = kt_fs_open(clone, "/f", KIST_MODE_AB);
    KT_OK(kist_memfile_truncate(other, 814));
    KT_ANSWERS(KIST_ERR_QUOTA, kist_memfile_truncate(other, 815));
    kist_memfile_free(other);
    kist_memfile_free(file);
    kt_fs_put(fs, "/g", "");
    assert_int_equal(kt_fs_try(fs, "/h", KIST_MODE_WB), KIST_ERR_NODES);
    kt_fs_put(clone, "/h", "");
    assert_int_equal(kt_fs_try(clone, "/i", KIST_MODE_WB), KIST_ERR_NODES);
    kt_fs_check_stats(fs, 800 + 2 * KT_OVERHEAD, 2, 1, 2);
    kt_fs_check_stats(clone, 814 + 2 * KT_OVERHEAD, 2, 1, 2);
    kist_memfs_free(fs);
    kist_memfs_free(clone);
}

/* Goal: files that are open are cloned as they are, and are not open there. */
static void
test_open_files(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    kist_memfs *clone;

    (void)state;
    file = kt_fs_open(fs, "/f", KIST_MODE_WB);
    KT_OK(kist_memfile_write(file, "half", 4));
    clone = clone_of(fs);
    KT_OK(kist_memfile_write(file, " more", 5));
    kist_memfile_free(file);
    kt_fs_check(fs, "/f", "half more");
    kt_fs_check(clone, "/f", "half");
    kt_fs_append(clone, "/f", " less");
    kt_fs_check(fs, "/f", "half more");
    kt_fs_check_sums(clone);
    kist_memfs_free(clone);
    kist_memfs_free(fs);
}

/*
 * Goal    a file system becomes what another is, which stays as it is.
 * Method  restore from a clone after changes, again, and from itself.
 */
static void
test_restore(void **state)
{
    kt_lent lent;
    kist_memfs *fs = make_tree(&lent);
    char *text = kt_fs_describe(fs, true);
    kist_memfs *saved = clone_of(fs);
    kist_memfile *file;
    kist_loan loan;

    (void)state;
    for (int i = 0; i < 3; i++) {
        kt_fs_put(fs, "/d/z", "changed");
        KT_OK(kist_memfs_rmtree(fs, kist_str("/d/e")));
        kt_fs_put(fs, "/d/new", "new");
        file = kt_fs_open(fs, "/d/a", KIST_MODE_RB);
        KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_restore(fs, saved));
        kist_memfile_free(file);
        kt_fs_check(fs, "/d/z", "changed");
        // A file of the other one may be open.
        file = kt_fs_open(saved, "/d/a", KIST_MODE_RB);
        KT_OK(kist_memfs_restore(fs, saved));
        kist_memfile_free(file);
        kt_fs_check_described(fs, true, text);
        kt_fs_check_described(saved, true, text);
    }
    KT_OK(kist_memfs_export(fs, kist_str("/d/e/lent"), KIST_WAIT_DEFAULT,
                            &loan));
    kt_fs_write_at(fs, "/d/e/lent", 7, "seven");
    kt_fs_check_described(saved, true, text);
    kist_memfs_free(saved);
    kist_memfs_free(fs);
    assert_int_equal(lent.released, 0);
    kist_loan_return(&loan);
    kt_lent_fini(&lent, 1);
    free(text);

    // From itself: nothing changes.
    fs = make_tree(&lent);
    text = kt_fs_describe(fs, true);
    KT_OK(kist_memfs_restore(fs, fs));
    kt_fs_check_described(fs, true, text);
    kist_memfs_free(fs);
    kt_lent_fini(&lent, 1);
    free(text);
}

/* Goal: what does not fit is not restored, and leaves all as it was. */
static void
test_restore_limits(void **state)
{
    kist_memfs_options options = kt_fs_options(1000);
    kist_memfs *big = kt_fs_new(QUOTA);
    kist_memfs *fs;
    kist_memfs_stats stats;
    char *text;

    (void)state;
    kt_fs_put(big, "/f", "");
    {
        kist_memfile *file = kt_fs_open(big, "/f", KIST_MODE_AB);

        KT_OK(kist_memfile_truncate(file, 907));
        kist_memfile_free(file);
    }
    options.nodes_max = 4;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_mkdir(fs, "/d");
    kt_fs_put(fs, "/d/f", "0123456789");
    KT_OK(kist_memfs_restore(fs, big));
    stats = kt_fs_stats(fs);
    assert_int_equal(stats.used, 1000);
    assert_int_equal(stats.quota, 1000);
    kt_fs_mkdir(fs, "/d");
    assert_int_equal(kt_fs_try(fs, "/d/f", KIST_MODE_WB), KIST_OK);
    text = kt_fs_describe(fs, true);
    kt_fs_append(big, "/f", "1");
    KT_ANSWERS(KIST_ERR_QUOTA, kist_memfs_restore(fs, big));
    kt_fs_check_described(fs, true, text);
    kt_fs_put(big, "/f", "1");
    kt_fs_mkdir(big, "/1/2/3");
    KT_ANSWERS(KIST_ERR_NODES, kist_memfs_restore(fs, big));
    kt_fs_check_described(fs, true, text);
    KT_OK(kist_memfs_rmtree(big, kist_str("/1/2")));
    KT_OK(kist_memfs_restore(fs, big));
    kt_fs_check_list(fs, "/", "f 1");
    kt_fs_check_sums(fs);
    // Versions of listings do not come back.
    {
        kist_memfs *saved = clone_of(fs);
        uint64_t before;
        uint64_t after;

        KT_OK(kist_memfs_list_version(fs, kist_str("/"), &before));
        kt_fs_put(fs, "/g", "");
        KT_OK(kist_memfs_list_version(fs, kist_str("/"), &after));
        assert_true(before != after);
        KT_OK(kist_memfs_restore(fs, saved));
        kt_fs_put(fs, "/h", "");
        KT_OK(kist_memfs_list_version(fs, kist_str("/"), &before));
        assert_true(before != after);
        kist_memfs_free(saved);
    }
    free(text);
    kist_memfs_free(fs);
    kist_memfs_free(big);
}

/*
 * Goal    a clone of many large files takes no memory for their bytes.
 * Method  clone 64 MiB a thousand times; that would be 64 GiB.
 */
static void
test_cheap(void **state)
{
    enum { CLONES = 1000 };
    kist_memfs *fs = kt_fs_new((uint64_t)1 << 30);
    static kist_memfs *clones[CLONES];
    uint8_t *data = malloc(8 << 20);
    char path[20];

    (void)state;
    assert_non_null(data);
    memset(data, 'x', 8 << 20);
    for (int i = 0; i < 8; i++) {
        kist_memfile *file;

        snprintf(path, sizeof(path), "/f%d", i);
        file = kt_fs_open(fs, path, KIST_MODE_WB);
        KT_OK(kist_memfile_write(file, data, 8 << 20));
        kist_memfile_free(file);
    }
    for (int i = 0; i < CLONES; i++) {
        clones[i] = clone_of(i % 2 == 0 ? fs : clones[i - 1]);
    }
    kt_fs_write_at(clones[500], "/f3", 100, "changed");
    data[100] = 'x';
    kt_fs_check_bytes(clones[501], "/f3", data, 8 << 20);
    memcpy(data + 100, "changed", 7);
    kt_fs_check_bytes(clones[500], "/f3", data, 8 << 20);
    for (int i = 0; i < CLONES; i++) {
        kist_memfs_free(clones[i]);
    }
    kt_fs_check_sums(fs);
    kist_memfs_free(fs);
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_own_limits),
        cmocka_unit_test(test_open_files),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_restore_limits),
        cmocka_unit_test(test_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
