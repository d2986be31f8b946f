/*
 * Trees deeper than any stack: no call recurses.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA      ((uint64_t)1 << 30)
#define STACK_SIZE (256 << 10)

typedef struct deep {
    size_t depth;
    bool walks; // what writes every path costs the square of the depth
    char *path; // of the deepest directory: /d/d/d ...
    char *file; // a file in it
    kist_memfs *fs;
} deep;

static void
make_tree(deep *d)
{
    const size_t size = 2 * d->depth;

    d->path = malloc(size + 1);
    d->file = malloc(size + 3);
    assert_non_null(d->path);
    assert_non_null(d->file);
    for (size_t i = 0; i < size; i += 2) {
        memcpy(d->path + i, "/d", 2);
    }
    d->path[size] = '\0';
    snprintf(d->file, size + 3, "%s/f", d->path);
    d->fs = kt_fs_new(QUOTA);
    kt_fs_mkdir(d->fs, d->path);
    kt_fs_put(d->fs, d->file, "at the bottom");
    kt_fs_check_stats(d->fs, 13 + KT_OVERHEAD, 1, d->depth + 1, 1);
}

static void
look_around(deep *d)
{
    kist_memfs_bundle *bundle;
    kist_memfs_stream *stream;
    kist_memfs_names *names;
    kist_slice path;
    kist_loan loan;

    kt_fs_check(d->fs, d->file, "at the bottom");
    kt_fs_check_list(d->fs, d->path, "f");
    assert_true(kt_fs_stat(d->fs, d->path).is_dir);
    KT_OK(kist_memfs_export_tree(d->fs, kist_str("/"), false, 0, &bundle));
    assert_int_equal(bundle->count, 1);
    assert_int_equal(bundle->items[0].path.size, strlen(d->file));
    assert_memory_equal(bundle->items[0].path.data, d->file, strlen(d->file));
    kist_memfs_bundle_free(bundle);
    KT_OK(kist_memfs_stream_open(d->fs, kist_str("/d"), false, &stream));
    KT_OK(kist_memfs_stream_next(stream, 0, &path, &loan));
    kt_loan_check(&loan, "at the bottom", 13);
    kist_loan_return(&loan);
    kist_memfs_stream_close(stream);
    KT_OK(kist_memfs_glob(d->fs, kist_str("/**/f"), &names));
    assert_int_equal(names->count, 1);
    assert_int_equal(names->names[0].size, strlen(d->file));
    kist_memfs_names_free(names);
}

static void
walk_all(deep *d)
{
    const kist_memfs_names *found;
    kist_memfs_names *names;
    kist_memfs_walk *walk;
    kist_slice path;
    size_t steps = 0;

    KT_OK(kist_memfs_walk_open(d->fs, kist_str("/"), &walk));
    while (kist_memfs_walk_next(walk, &path, &found) == KIST_OK) {
        assert_int_equal(found->count, 1);
        assert_int_equal(path.size, steps == 0 ? 1 : 2 * steps);
        steps++;
    }
    kist_memfs_walk_close(walk);
    assert_int_equal(steps, d->depth + 1);
    KT_OK(kist_memfs_glob(d->fs, kist_str("**"), &names));
    assert_int_equal(names->count, d->depth + 1);
    kist_memfs_names_free(names);
    KT_OK(kist_memfs_glob(d->fs, kist_str("**/**/**/d/f"), &names));
    assert_int_equal(names->count, 1);
    kist_memfs_names_free(names);
}

static void
change(deep *d)
{
    kist_memfs *clone;
    kist_memfile *file;

    KT_OK(kist_memfs_clone(d->fs, &clone));
    KT_OK(kist_memfs_copy_tree(d->fs, kist_str("/d"), kist_str("/copy"), 0));
    kt_fs_check_stats(d->fs, 2 * (13 + KT_OVERHEAD), 2, 2 * d->depth + 1, 2);
    file = kt_fs_open(d->fs, d->file, KIST_MODE_RB);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_rmtree(d->fs, kist_str("/d")));
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_rename(d->fs, kist_str("/d"), kist_str("/e")));
    kist_memfile_free(file);
    KT_OK(kist_memfs_rename(d->fs, kist_str("/d"), kist_str("/e")));
    KT_OK(kist_memfs_move(d->fs, kist_str("/e"), kist_str("/1/2/e")));
    KT_OK(kist_memfs_rmtree(d->fs, kist_str("/1")));
    kt_fs_check_stats(d->fs, 13 + KT_OVERHEAD, 1, d->depth + 1, 1);
    // Into itself, at its bottom: not for ever.
    KT_OK(kist_memfs_rename(d->fs, kist_str("/copy"), kist_str("/d")));
    {
        char *inner = malloc(2 * d->depth + 10);

        assert_non_null(inner);
        snprintf(inner, 2 * d->depth + 10, "%s/again", d->path);
        KT_ANSWERS(KIST_ERR_INVALID,
                   kist_memfs_rename(d->fs, kist_str("/d"), kist_str(inner)));
        KT_OK(kist_memfs_copy_tree(d->fs, kist_str("/d"), kist_str(inner), 0));
        free(inner);
    }
    kt_fs_check_stats(d->fs, 2 * (13 + KT_OVERHEAD), 2, 2 * d->depth + 1, 2);
    KT_OK(kist_memfs_restore(d->fs, clone));
    kt_fs_check(d->fs, d->file, "at the bottom");
    kist_memfs_free(clone);
    {
        const kist_memfs_item item = {.path = kist_str(d->file),
                                      .data = kist_str("imported")};

        KT_OK(kist_memfs_rmtree(d->fs, kist_str("/d")));
        kt_fs_check_stats(d->fs, 0, 0, 1, 0);
        KT_OK(kist_memfs_import(d->fs, &item, 1));
    }
    kt_fs_check_stats(d->fs, 8 + KT_OVERHEAD, 1, d->depth + 1, 1);
}

static void *
run(void *context)
{
    deep *d = context;

    make_tree(d);
    look_around(d);
    if (d->walks) {
        walk_all(d);
    }
    change(d);
    kist_memfs_free(d->fs); // with all that is in it
    free(d->path);
    free(d->file);
    return NULL;
}

static void
run_on_small_stack(size_t depth, bool walks)
{
    deep d = {.depth = depth, .walks = walks};
    pthread_attr_t attributes;
    pthread_t thread;

    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, &d), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
}

/*
 * Goal    a tree of 1200 directories one in the other can be made, walked,
 *         copied, exported and removed (the published package cannot).
 * Method  every call that goes through a tree, in a thread with a stack of
 *         256 KiB.
 */
static void
test_deep(void **state)
{
    (void)state;
    run_on_small_stack(1200, true);
}

/* The same with 100 000: a frame of three bytes for each would be too large.
 */
static void
test_very_deep(void **state)
{
    (void)state;
    run_on_small_stack(100000, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_very_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
