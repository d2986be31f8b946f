/*
 * Bytes without a copy: lent to the library, and lent by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA ((uint64_t)64 << 20)

static void
lend(kist_memfile *file, kt_lent *lent)
{
    KT_OK(kist_memfile_write_lent(file, lent->data, lent->size,
                                  kt_lent_release, lent));
}

/* A file of one lent piece. */
static void
put_lent(kist_memfs *fs, const char *path, kt_lent *lent)
{
    kist_memfile *file = kt_fs_open(fs, path, KIST_MODE_WB);

    lend(file, lent);
    kist_memfile_free(file);
}

static kist_loan export(kist_memfs *fs, const char *path)
{
    kist_loan loan;

    KT_OK(kist_memfs_export(fs, kist_str(path), KIST_WAIT_DEFAULT, &loan));
    return loan;
}

/*
 * Goal    lent bytes are stored where they are, given back as they are, and
 *         released once, when nobody needs them.
 * Method  sizes on both sides of the least that is kept.
 */
static void
test_stored_in_place(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    kist_loan loan;
    kt_lent lent;

    (void)state;
    kt_lent_init(&lent, KIST_MEMFS_LENT_MIN, 1);
    put_lent(fs, "/f", &lent);
    assert_int_equal(lent.released, 0);
    loan = export(fs, "/f");
    assert_ptr_equal(loan.data, lent.data);
    assert_ptr_equal(loan.context, &lent);
    kist_loan_return(&loan);
    KT_OK(kist_memfs_view(fs, kist_str("/f"), KIST_WAIT_DEFAULT, &loan));
    assert_ptr_equal(loan.data, lent.data);
    kist_loan_return(&loan);
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    KT_OK(kist_memfile_take(file, UINT64_MAX, &loan));
    assert_ptr_equal(loan.data, lent.data);
    assert_ptr_equal(loan.context, &lent);
    kist_loan_return(&loan);
    // Not all of it: the bytes are the same, whose they are is not told.
    {
        uint64_t position;

        KT_OK(kist_memfile_seek(file, 1, SEEK_SET, &position));
    }
    KT_OK(kist_memfile_take(file, UINT64_MAX, &loan));
    assert_ptr_equal(loan.data, lent.data + 1);
    assert_null(loan.context);
    kt_loan_check(&loan, lent.data + 1, lent.size - 1);
    kist_memfile_free(file);
    KT_OK(kist_memfs_remove(fs, kist_str("/f")));
    assert_int_equal(lent.released, 0);
    kist_loan_return(&loan);
    assert_int_equal(lent.released, 1);
    kist_loan_return(&loan);
    kt_lent_fini(&lent, 1);

    kt_lent_init(&lent, KIST_MEMFS_LENT_MIN - 1, 1);
    put_lent(fs, "/f", &lent);
    assert_int_equal(lent.released, 1); // copied
    kt_lent_fini(&lent, 1);
    assert_int_equal(kt_fs_stat(fs, "/f").size, KIST_MEMFS_LENT_MIN - 1);
    kt_lent_init(&lent, 0, 1);
    put_lent(fs, "/f", &lent);
    assert_int_equal(lent.released, 1);
    kt_lent_fini(&lent, 1);
    kist_memfs_free(fs);
}

/*
 * Goal    what is refused stays the caller's: its release is not called.
 * Method  each way to fail.
 */
static void
test_refused(void **state)
{
    kist_memfs *fs = kt_fs_new(6000);
    kist_memfile *file;
    kist_memfs_item items[2] = {{.path = {NULL, 0}}};
    kt_lent big;
    kt_lent small;

    (void)state;
    kt_lent_init(&big, 6000, 1);
    kt_lent_init(&small, 10, 1);
    file = kt_fs_open(fs, "/f", KIST_MODE_WB);
    KT_ANSWERS(KIST_ERR_QUOTA,
               kist_memfile_write_lent(file, big.data, big.size,
                                       kt_lent_release, &big));
    KT_OK(kist_memfile_truncate(file, 5900));
    KT_ANSWERS(KIST_ERR_QUOTA,
               kist_memfile_write_lent(file, small.data, small.size,
                                       kt_lent_release, &small));
    kist_memfile_close(file);
    KT_ANSWERS(KIST_ERR_CLOSED,
               kist_memfile_write_lent(file, small.data, small.size,
                                       kt_lent_release, &small));
    kist_memfile_free(file);
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               kist_memfile_write_lent(file, big.data, big.size,
                                       kt_lent_release, &big));
    kist_memfile_free(file);
    for (int i = 0; i < 2; i++) {
        kt_lent *lent = i == 0 ? &small : &big;

        items[i] = (kist_memfs_item){
            .path = kist_str(i == 0 ? "/a" : "/b"),
            .data = kist_bytes(lent->data, lent->size),
            .release = kt_lent_release,
            .context = lent,
        };
    }
    KT_ANSWERS(KIST_ERR_QUOTA, kist_memfs_import(fs, items, 2));
    items[1].path = kist_str("/f/b");
    KT_ANSWERS(KIST_ERR_EXISTS, kist_memfs_import(fs, items, 2));
    kt_lent_fini(&big, 0);
    kt_lent_fini(&small, 0);
    kt_fs_check_list(fs, "/", "f");
    kist_memfs_free(fs);
}

/*
 * Goal    imported lent bytes are the library's, also those that a later item
 *         of the same path replaces.
 * Method  an import of three, then another over it.
 */
static void
test_import(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfs_item items[4] = {{.path = {NULL, 0}}};
    kt_lent lent[4];
    kist_loan loan;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        kt_lent_init(&lent[i], i == 3 ? 100 : 5000 + i, i);
        items[i].path = kist_str(i == 3 ? "/d/c" : i == 1 ? "/b" : "/a");
        items[i].data = kist_bytes(lent[i].data, lent[i].size);
        items[i].release = kt_lent_release;
        items[i].context = &lent[i];
    }
    KT_OK(kist_memfs_import(fs, items, 4));
    assert_int_equal(lent[0].released, 1); // never seen
    assert_int_equal(lent[1].released, 0);
    assert_int_equal(lent[2].released, 0);
    assert_int_equal(lent[3].released, 1); // copied
    loan = export(fs, "/a");
    assert_ptr_equal(loan.data, lent[2].data);
    assert_ptr_equal(loan.context, &lent[2]);
    {
        const kist_memfs_item plain[] = {
            {.path = kist_str("/a"), .data = kist_str("new")},
            {.path = kist_str("/b"), .data = kist_str("new")}};

        KT_OK(kist_memfs_import(fs, plain, 2));
    }
    assert_int_equal(lent[1].released, 1);
    assert_int_equal(lent[2].released, 0);
    kt_loan_check(&loan, lent[2].data, lent[2].size);
    kist_memfs_free(fs);
    assert_int_equal(lent[2].released, 0);
    kt_loan_check(&loan, lent[2].data, lent[2].size);
    kist_loan_return(&loan);
    for (size_t i = 0; i < 4; i++) {
        kt_lent_fini(&lent[i], 1);
    }
}

/*
 * Goal    a loan stays what it was, whatever becomes of the file.
 * Method  overwrite, cut, extend, empty, remove, and let the file system go.
 */
static void
test_loan_stays(void **state)
{
    (void)state;
    for (int lent_bytes = 0; lent_bytes < 2; lent_bytes++) {
        kist_memfs *fs = kt_fs_new(QUOTA);
        kist_memfile *file = kt_fs_open(fs, "/f", KIST_MODE_WB);
        uint8_t *data = malloc(200000);
        kist_loan loans[6];
        kt_lent lent;

        assert_non_null(data);
        kt_lent_init(&lent, 200000, 7);
        memcpy(data, lent.data, lent.size);
        if (lent_bytes) {
            lend(file, &lent);
        }
        else {
            KT_OK(kist_memfile_write(file, data, lent.size));
            kt_lent_release(&lent);
        }
        kist_memfile_free(file);
        loans[0] = export(fs, "/f");
        kt_fs_write_at(fs, "/f", 100000, "overwritten");
        loans[1] = export(fs, "/f");
        file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
        KT_OK(kist_memfile_truncate(file, 100));
        KT_OK(kist_memfile_truncate(file, 200000));
        kist_memfile_free(file);
        loans[2] = export(fs, "/f");
        kt_fs_append(fs, "/f", "more");
        KT_OK(
            kist_memfs_view(fs, kist_str("/f"), KIST_WAIT_DEFAULT, &loans[3]));
        assert_non_null(loans[3].data);
        kt_fs_put(fs, "/f", "");
        loans[4] = export(fs, "/f");
        KT_OK(
            kist_memfs_view(fs, kist_str("/f"), KIST_WAIT_DEFAULT, &loans[5]));
        assert_non_null(loans[5].data);
        KT_OK(kist_memfs_remove(fs, kist_str("/f")));
        kist_memfs_free(fs);

        kt_loan_check(&loans[0], data, 200000);
        memcpy(data + 100000, "overwritten", 11);
        kt_loan_check(&loans[1], data, 200000);
        memset(data + 100, 0, 200000 - 100);
        kt_loan_check(&loans[2], data, 200000);
        memcpy(data + 199996, "more", 4);
        assert_int_equal(loans[3].size, 200004);
        kt_loan_check(&loans[4], "", 0);
        kt_loan_check(&loans[5], "", 0);
        for (size_t i = 0; i < KT_COUNT(loans); i++) {
            kist_loan_return(&loans[i]);
            assert_null(loans[i].data);
            assert_true(loans[i].size == 0);
        }
        kt_lent_fini(&lent, 1);
        free(data);
    }
}

/*
 * Goal    a copy shares its bytes until one of the two is written.
 * Method  pointers show the sharing; each side is written.
 */
static void
test_copies_share(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_loan a;
    kist_loan b;
    kt_lent lent;
    uint8_t *data = malloc(300000);

    (void)state;
    assert_non_null(data);
    kt_lent_init(&lent, 300000, 3);
    memcpy(data, lent.data, lent.size);
    kt_fs_mkdir(fs, "/d");
    put_lent(fs, "/d/f", &lent);
    KT_OK(kist_memfs_copy(fs, kist_str("/d/f"), kist_str("/g"),
                          KIST_WAIT_DEFAULT));
    KT_OK(kist_memfs_copy_tree(fs, kist_str("/d"), kist_str("/e"),
                               KIST_WAIT_DEFAULT));
    a = export(fs, "/g");
    b = export(fs, "/e/f");
    assert_ptr_equal(a.data, lent.data);
    assert_ptr_equal(b.data, lent.data);
    kist_loan_return(&a);
    kist_loan_return(&b);
    kt_fs_write_at(fs, "/g", 10, "XYZ");
    kt_fs_check_bytes(fs, "/d/f", data, 300000);
    kt_fs_check_bytes(fs, "/e/f", data, 300000);
    memcpy(data + 10, "XYZ", 3);
    kt_fs_check_bytes(fs, "/g", data, 300000);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/d")));
    KT_OK(kist_memfs_remove(fs, kist_str("/g")));
    assert_int_equal(lent.released, 0);
    KT_OK(kist_memfs_rmtree(fs, kist_str("/e")));
    kt_lent_fini(&lent, 1);

    // The library's own bytes too.
    kt_fs_put(fs, "/own", "");
    {
        kist_memfile *file = kt_fs_open(fs, "/own", KIST_MODE_AB);

        KT_OK(kist_memfile_write(file, data, 300000));
        kist_memfile_free(file);
    }
    KT_OK(kist_memfs_copy(fs, kist_str("/own"), kist_str("/copy"),
                          KIST_WAIT_DEFAULT));
    a = export(fs, "/own");
    b = export(fs, "/copy");
    assert_non_null(a.data);
    assert_ptr_equal(a.data, b.data);
    kist_loan_return(&a);
    kist_loan_return(&b);
    kt_fs_write_at(fs, "/own", 0, "000");
    kt_fs_check_bytes(fs, "/copy", data, 300000);
    kt_fs_append(fs, "/copy", "tail");
    memcpy(data, "000", 3);
    kt_fs_check_bytes(fs, "/own", data, 300000);
    kist_memfs_free(fs);
    free(data);
}

/* Drops /d/f, which is lent, in one of several ways; false: there is no such
 * way. */
static bool
drop(kist_memfs *fs, int how, const uint8_t *data)
{
    const kist_memfs_item item = {.path = kist_str("/d/f"),
                                  .data = kist_str("new")};
    kist_memfs *empty;
    kist_memfile *file;
    kist_loan loan;

    switch (how) {
    case 0:
        KT_OK(kist_memfs_remove(fs, kist_str("/d/f")));
        return true;
    case 1:
        KT_OK(kist_memfs_rmtree(fs, kist_str("/d")));
        return true;
    case 2:
        assert_int_equal(kt_fs_try(fs, "/d/f", KIST_MODE_WB), KIST_OK);
        return true;
    case 3:
        file = kt_fs_open(fs, "/d/f", KIST_MODE_RPB);
        KT_OK(kist_memfile_truncate(file, 0));
        kist_memfile_free(file);
        return true;
    case 4:
        file = kt_fs_open(fs, "/d/f", KIST_MODE_RPB);
        KT_OK(kist_memfile_write(file, data, 50000));
        kist_memfile_free(file);
        return true;
    case 5:
        KT_OK(kist_memfs_import(fs, &item, 1));
        return true;
    case 6:
        empty = kt_fs_new(QUOTA);
        KT_OK(kist_memfs_restore(fs, empty));
        kist_memfs_free(empty);
        return true;
    case 7:
        loan = export(fs, "/d/f");
        KT_OK(kist_memfs_remove(fs, kist_str("/d/f")));
        kist_loan_return(&loan);
        return true;
    default:
        return false;
    }
}

/*
 * Goal    an owner is told with no lock held, whatever call let go of his
 *         bytes.
 * Method  a release function that calls into the file system, from each call
 *         that can drop bytes.
 */
static void
test_told_without_locks(void **state)
{
    uint8_t *data = calloc(1, 50000);
    bool dropped = true;

    (void)state;
    assert_non_null(data);
    for (int how = 0; dropped; how++) {
        kist_memfs *fs = kt_fs_new(QUOTA);
        kt_lent lent;
        kt_lent small;

        kt_lent_init(&lent, 50000, 1);
        lent.fs = fs;
        kt_fs_mkdir(fs, "/d");
        put_lent(fs, "/d/f", &lent);
        dropped = drop(fs, how, data);
        if (dropped) {
            assert_int_equal(lent.released, 1);
            assert_int_equal(kist_memfs_look(fs, kist_str("/made on release")),
                             KIST_MEMFS_FILE);
        }
        // One that is copied is told while it is written.
        kt_lent_init(&small, 10, 1);
        small.fs = fs;
        put_lent(fs, "/small", &small);
        kt_lent_fini(&small, 1);
        lent.fs = NULL;
        kist_memfs_free(fs);
        kt_lent_fini(&lent, 1);
    }
    free(data);
}

/* --- random histories
 * -------------------------------------------------------*/

#define FILES 4
#define LOANS 40
#define LENTS 60
#define ROOM  300000

typedef struct held {
    kist_loan loan;
    uint8_t *data; // what it must stay
    size_t size;
} held;

typedef struct world {
    kist_memfs *fs;
    uint64_t seed;
    uint8_t *files[FILES];
    size_t sizes[FILES];
    held loans[LOANS];
    kt_lent lent[LENTS];
    size_t lents;
} world;

static void
check_held(held *h)
{
    if (h->data != NULL) {
        kt_loan_check(&h->loan, h->data, h->size);
        kist_loan_return(&h->loan);
        free(h->data);
        h->data = NULL;
    }
}

/* Writes lent or own bytes at a random place. */
static void
random_write(world *w, kist_memfile *file, size_t n)
{
    const size_t at = kt_random_below(&w->seed, w->sizes[n] + 100);
    const size_t most[] = {100, 5000, 20000, 130000};
    size_t size =
        kt_random_below(&w->seed, most[kt_random_below(&w->seed, 4)]);
    uint64_t position;

    if (at + size > ROOM) {
        return;
    }
    KT_OK(kist_memfile_seek(file, (int64_t)at, SEEK_SET, &position));
    if (at > w->sizes[n] && size > 0) {
        memset(w->files[n] + w->sizes[n], 0, at - w->sizes[n]);
    }
    kt_fill(w->files[n] + at, size, kt_random(&w->seed));
    if (w->lents < LENTS && kt_random_below(&w->seed, 2) == 0) {
        kt_lent *lent = &w->lent[w->lents++];

        kt_lent_init(lent, size, 0);
        memcpy(lent->data, w->files[n] + at, size);
        lend(file, lent);
    }
    else {
        KT_OK(kist_memfile_write(file, w->files[n] + at, size));
    }
    if (size > 0 && at + size > w->sizes[n]) {
        w->sizes[n] = at + size;
    }
}

static void
random_take(world *w, kist_memfile *file, size_t n)
{
    held *h = &w->loans[kt_random_below(&w->seed, LOANS)];
    const size_t at = kt_random_below(&w->seed, w->sizes[n] + 1);
    const size_t most = kt_random_below(&w->seed, 3) == 0
                            ? ROOM
                            : kt_random_below(&w->seed, w->sizes[n] + 1);
    uint64_t position;

    check_held(h);
    h->size = w->sizes[n] - at < most ? w->sizes[n] - at : most;
    h->data = malloc(h->size + 1);
    assert_non_null(h->data);
    memcpy(h->data, w->files[n] + at, h->size);
    KT_OK(kist_memfile_seek(file, (int64_t)at, SEEK_SET, &position));
    KT_OK(kist_memfile_take(file, most, &h->loan));
}

static void
random_step(world *w)
{
    static const char *const paths[FILES] = {"/a", "/b", "/c", "/d"};
    const size_t n = kt_random_below(&w->seed, FILES);
    const size_t other = kt_random_below(&w->seed, FILES);
    const uint64_t what = kt_random_below(&w->seed, 12);
    kist_memfile *file;

    if (what == 0 && n != other) {
        KT_OK(kist_memfs_remove(w->fs, kist_str(paths[other])));
        KT_OK(kist_memfs_copy(w->fs, kist_str(paths[n]),
                              kist_str(paths[other]), KIST_WAIT_DEFAULT));
        memcpy(w->files[other], w->files[n], w->sizes[n]);
        w->sizes[other] = w->sizes[n];
        return;
    }
    if (what == 1) {
        kt_fs_check_bytes(w->fs, paths[n], w->files[n], w->sizes[n]);
        return;
    }
    file = kt_fs_open(w->fs, paths[n], KIST_MODE_RPB);
    if (what == 2) {
        const size_t size = kt_random_below(&w->seed, ROOM);

        KT_OK(kist_memfile_truncate(file, size));
        if (size > w->sizes[n]) {
            memset(w->files[n] + w->sizes[n], 0, size - w->sizes[n]);
        }
        w->sizes[n] = size;
    }
    else if (what < 8) {
        random_write(w, file, n);
    }
    else {
        random_take(w, file, n);
    }
    kist_memfile_free(file);
}

/*
 * Goal    loans, copies and lent bytes never see each other's changes, and
 *         each lent run of bytes is released exactly once.
 * Method  random writes, cuts, copies and loans, beside a model; lent bytes
 *         are spoilt when they are released, loans looked at long after.
 */
static void
test_random_history(void **state)
{
    const kt_place *place = *state;
    static world w;

    w.seed = place->seed;
    for (size_t i = 0; i < FILES; i++) {
        w.files[i] = malloc(ROOM);
        assert_non_null(w.files[i]);
    }
    for (int round = 0; round < 12; round++) {
        w.fs = kt_fs_new((uint64_t)1 << 40);
        w.lents = 0;
        memset(w.sizes, 0, sizeof(w.sizes));
        kt_fs_put(w.fs, "/a", "");
        kt_fs_put(w.fs, "/b", "");
        kt_fs_put(w.fs, "/c", "");
        kt_fs_put(w.fs, "/d", "");
        for (int step = 0; step < 300; step++) {
            random_step(&w);
        }
        kt_fs_check_sums(w.fs);
        if (round % 2 == 0) {
            kist_memfs_free(w.fs);
        }
        for (size_t i = 0; i < LOANS; i++) {
            check_held(&w.loans[i]);
        }
        if (round % 2 == 1) {
            kist_memfs_free(w.fs);
        }
        for (size_t i = 0; i < w.lents; i++) {
            kt_lent_fini(&w.lent[i], 1);
        }
    }
    for (size_t i = 0; i < FILES; i++) {
        free(w.files[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_in_place),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_loan_stays),
        cmocka_unit_test(test_copies_share),
        cmocka_unit_test(test_told_without_locks),
        KT_TEST(test_random_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
