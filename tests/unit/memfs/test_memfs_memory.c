/*
 * What files cost beside their bytes, as malloc counts it.  Under a sanitizer,
 * whose malloc counts otherwise, the same is done with less and not counted.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA ((uint64_t)1 << 40)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define COUNT(count) (SANITIZED ? (count) / 20 : (count))

/* Bytes that malloc() has given out, its own overhead included. */
static size_t
in_use(void)
{
    const struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Resident bytes of the process: pages that malloc() knows nothing of. */
static size_t
resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t pages[2] = {0, 0};

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &pages[0], &pages[1]), 2);
    fclose(file);
    return pages[1] * 4096;
}

/* Fails if `count` things took more than `most` bytes each. */
static void
check_each(const char *what, size_t before, size_t pages_before, size_t count,
           size_t most)
{
    const size_t now = in_use();
    const size_t each = (now - before) / count;
    const size_t pages = resident();
    const size_t paged = pages > pages_before ? pages - pages_before : 0;

    if (SANITIZED) {
        return;
    }
    print_message("%s: %zu bytes each, %zu resident\n", what, each,
                  paged / count);
    KT_CHECK(now > before && each <= most, "%s: %zu bytes, not %zu", what,
             each, most);
    // What other tests have freed may be used again, so this is a limit only.
    KT_CHECK(paged / count <= most + most / 4, "%s: %zu bytes resident", what,
             paged / count);
}

/*
 * Goal    an empty file costs at most 200 bytes, table and all, however many
 *         there are; removing them gives it back.
 * Method  100 000 of them, in one directory and in many.
 */
static void
test_empty_files(void **state)
{
    const size_t count = COUNT(100000);

    (void)state;
    for (int many = 0; many < 2; many++) {
        kist_memfs *fs = kt_fs_new(QUOTA);
        const size_t pages = resident();
        const size_t before = in_use();
        size_t now;
        char path[60];

        for (size_t i = 0; i < count; i++) {
            if (many && i % 100 == 0) {
                snprintf(path, sizeof(path), "/d%zu", i / 100);
                kt_fs_mkdir(fs, path);
            }
            snprintf(path, sizeof(path), many ? "/d%zu/f%zu" : "/f%zu%05zu",
                     many ? i / 100 : i % 7, i);
            assert_int_equal(kt_fs_try(fs, path, KIST_MODE_WB), KIST_OK);
        }
        check_each(many ? "file in 1000 directories" : "empty file", before,
                   pages, count, 200);
        for (size_t i = 0; i < count; i++) {
            snprintf(path, sizeof(path), many ? "/d%zu/f%zu" : "/f%zu%05zu",
                     many ? i / 100 : i % 7, i);
            KT_OK(kist_memfs_remove(fs, kist_str(path)));
        }
        now = in_use();
        KT_CHECK(SANITIZED || now < before + count * 20, "%zu bytes are kept",
                 now - before);
        kist_memfs_free(fs);
    }
}

/* Goal: an append of 8 bytes costs at most 24, those 8 included. */
static void
test_appends(void **state)
{
    const size_t count = COUNT(1000000);
    kist_memfs *fs;
    kist_memfile *file;
    size_t pages;
    size_t before;

    (void)state;
    fs = kt_fs_new(QUOTA);
    pages = resident();
    before = in_use();
    file = kt_fs_open(fs, "/f", KIST_MODE_WB);
    for (size_t i = 0; i < count; i++) {
        KT_OK(kist_memfile_write(file, "8 bytes!", 8));
    }
    kist_memfile_free(file);
    assert_int_equal(kt_fs_stats(fs).chunks, count);
    check_each("append of 8 bytes", before, pages, count, 24);
    kist_memfs_free(fs);
}

/* Goal: small files cost not many times their bytes. */
static void
test_small_files(void **state)
{
    const size_t count = COUNT(20000);
    kist_memfs *fs;
    size_t pages;
    size_t before;
    char path[40];

    (void)state;
    fs = kt_fs_new(QUOTA);
    pages = resident();
    before = in_use();
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/f%zu", i);
        kt_fs_put(fs, path, "some forty bytes of text to begin with..");
    }
    // 200 for the file, 40 for the bytes, 60 for keeping them.
    check_each("file of 40 bytes", before, pages, count, 300);
    kist_memfs_free(fs);
}

/*
 * Goal    nothing grows with time.
 * Method  the same work again and again: files made, written, overwritten in
 *         small and large pieces, copied, cloned and removed.
 */
static void
test_steady(void **state)
{
    kist_memfs *fs;
    uint8_t *data = malloc(200000);
    size_t first = 0;

    (void)state;
    assert_non_null(data);
    memset(data, 'x', 200000);
    fs = kt_fs_new(QUOTA);
    for (int round = 0; round < COUNT(2000); round++) {
        kist_memfs *clone;
        kist_memfile *file = kt_fs_open(fs, "/f", KIST_MODE_WB);
        uint64_t position;

        KT_OK(kist_memfile_write(file, data, 200000));
        kist_memfile_free(file);
        file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
        for (int i = 0; i < 20; i++) {
            KT_OK(kist_memfile_seek(file, i * 9973, SEEK_SET, &position));
            KT_OK(kist_memfile_write(file, data, i % 3 == 0 ? 5000 : 10));
        }
        kist_memfile_free(file);
        KT_OK(kist_memfs_copy(fs, kist_str("/f"), kist_str("/g"), 0));
        kt_fs_write_at(fs, "/g", 70000, "other");
        KT_OK(kist_memfs_clone(fs, &clone));
        KT_OK(kist_memfs_remove(fs, kist_str("/g")));
        KT_OK(kist_memfs_restore(fs, clone));
        kist_memfs_free(clone);
        KT_OK(kist_memfs_remove(fs, kist_str("/g")));
        if (round == 100) {
            first = in_use();
        }
    }
    KT_CHECK(SANITIZED || in_use() < first + 100000, "%zu, then %zu", first,
             in_use());
    kist_memfs_free(fs);
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_small_files),
        cmocka_unit_test(test_steady),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
