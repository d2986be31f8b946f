/*
 * Files that somebody else has cut, forbidden or written: P12 and P13 pages
 * that are not there under the map, P19 what is no kist of ours, and the
 * read-only open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/byteorder.h"
#include "base/crc32c.h"
#include "support/procs.h"
#include "support/script.h"

#define RESERVE (16u << 20)
#define NOBODY  65534

static const kist_options plain = {.map_reserve = RESERVE};
static const kist_options reader = {.map_reserve = RESERVE, .read_only = true};

static void
fill(const kt_place *place, kt_world *world, bool close)
{
    uint64_t random = place->seed;
    kt_store store;

    kt_world_init(world, 0);
    KT_OK(kt_store_open(&store, place->path, &plain, 0));
    for (int i = 0; i < 400; i++) {
        const kt_step step = kt_step_random(world, &random);

        KT_OK(kt_step_both(&store, world, &step));
    }
    if (close) {
        KT_OK(kt_store_close(&store));
    }
}

/* --- P13 --------------------------------------------------------------------
 */

typedef struct cut {
    const kt_place *place;
    kt_shared *shared;
    const char *ending;
    off_t size; /* below 0: of what it was */
} cut;

static bool
is_damage(kist_status status)
{
    return status == KIST_ERR_CORRUPT || status == KIST_ERR_IO ||
           status == KIST_ERR_POISONED;
}

/* Counts an answer for an item; what is handed out must be right. */
static int
judge_cut(kt_shared *shared, kist_status status, const kist_value *got,
          const kist_value *want, uint64_t *noticed)
{
    if (status == KIST_OK && !kt_value_same(got, want)) {
        return kt_child_fails(shared, "a wrong value after the cut");
    }
    if (status != KIST_OK && !is_damage(status)) {
        return kt_child_fails(shared, "an unforeseen answer");
    }
    *noticed += status != KIST_OK;
    return 0;
}

static int
read_cut(kt_shared *shared, kt_store *store, const kt_world *world,
         uint64_t *noticed)
{
    const kt_model *list = &world->models[KT_T];
    const kt_model *dict = &world->models[KT_D];
    int answer = 0;

    for (size_t i = 0; answer == 0 && i < list->count; i++) {
        kist_value value;
        const kist_status status =
            kist_list_get(store->lists[KT_T], i, &value);

        answer =
            judge_cut(shared, status, &value, &list->items[i]->value, noticed);
    }
    for (size_t i = 0; answer == 0 && i < dict->count; i++) {
        const kt_item *item = dict->items[i];
        kist_value value;
        const kist_status status = kist_dict_get(
            store->dicts[KT_D], kist_bytes(item->key, item->key_size), &value);

        answer = judge_cut(shared, status, &value, &item->value, noticed);
    }
    return answer;
}

/* Opens, has the file cut under the map, and uses all; it lives. */
static int
live_through_a_cut(void *argument)
{
    cut *c = argument;
    uint64_t random = 1;
    uint64_t noticed = 0;
    char path[340];
    kt_world world;
    kt_store store;
    kist_report report;
    struct stat status;
    off_t size = c->size;

    kt_world_init(&world, 0);
    KT_CHILD(c->shared, KIST_OK,
             kt_store_open(&store, c->place->path, &plain, 0));
    KT_CHILD(c->shared, KIST_OK, kt_store_read(&store, &world));
    snprintf(path, sizeof(path), "%s%s", c->place->path, c->ending);
    if (stat(path, &status) != 0) {
        return kt_child_fails(c->shared, "stat");
    }
    if (size < 0) {
        size = status.st_size / -size;
    }
    if (truncate(path, size) != 0) {
        return kt_child_fails(c->shared, "truncate");
    }
    if (read_cut(c->shared, &store, &world, &noticed) != 0) {
        return 1;
    }
    noticed += kist_verify(store.k, NULL, NULL, &report) != KIST_OK;
    for (int i = 0; i < 50; i++) { // may fail, but not with a signal
        const kt_step step = kt_step_random(&world, &random);

        (void)kt_store_step(&store, &world, &step);
    }
    noticed += kist_compact(store.k, NULL, NULL) != KIST_OK;
    (void)kt_store_close(&store);
    atomic_store(&c->shared->values[0], noticed);
    return 0;
}

static void
cut_everywhere(void **state, const char *ending, bool must_notice)
{
    static const off_t sizes[] = {0, 1, 4096, 8192, -2, -4};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        kt_shared *shared = kt_shared_new();
        cut c = {*state, shared, ending, sizes[i]};
        kt_world world;
        int result;

        fill(*state, &world, true);
        result = kt_wait(kt_spawn(live_through_a_cut, &c), 20000);
        KT_CHECK(result == 0, "%s cut to %lld: ended with %d: %s", ending,
                 (long long)sizes[i], result, shared->why);
        KT_CHECK(!must_notice || sizes[i] > 8192 || sizes[i] < 0 ||
                     atomic_load(&shared->values[0]) > 0,
                 "%s cut to %lld: nobody noticed", ending,
                 (long long)sizes[i]);
        kt_world_fini(&world);
        kt_shared_free(shared);
        kt_make_empty(c.place->dir);
    }
}

/* Goal: a log cut short by a stranger is an error, not a SIGBUS. */
static void
test_p13_log_cut_under_the_map(void **state)
{
    cut_everywhere(state, ".kist", true);
}

/* Goal: nor is an index. */
static void
test_p13_index_cut_under_the_map(void **state)
{
    cut_everywhere(state, ".kistx", false);
}

/* Reads 64 keys of which the later ones lie on pages that are gone. */
static int
read_beside_bad_pages(void *argument)
{
    const cut *c = argument;
    static char text[4096];
    uint64_t good = 0;
    uint64_t bad = 0;
    char path[340];
    kist *k;
    kist_dict *dict;

    KT_CHILD(c->shared, KIST_OK, kist_open(c->place->path, &plain, &k));
    KT_CHILD(c->shared, KIST_OK,
             kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    snprintf(path, sizeof(path), "%s%s", c->place->path, c->ending);
    if (truncate(path, c->size) != 0) {
        return kt_child_fails(c->shared, "truncate");
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 63; i >= 0; i--) { // the bad ones first
            char key[8];
            kist_value value;
            kist_status status;

            memset(text, '0' + i, sizeof(text));
            snprintf(key, sizeof(key), "%d", i);
            status = kist_dict_get(dict, kist_str(key), &value);
            if (status == KIST_OK &&
                (value.as.bytes.size != sizeof(text) ||
                 memcmp(value.as.bytes.data, text, sizeof(text)) != 0)) {
                return kt_child_fails(c->shared, "a wrong value");
            }
            if (status != KIST_OK && !is_damage(status)) {
                return kt_child_fails(c->shared, "an unforeseen answer");
            }
            good += status == KIST_OK;
            bad += status != KIST_OK;
        }
    }
    atomic_store(&c->shared->values[0], good);
    atomic_store(&c->shared->values[1], bad);
    kist_dict_close(dict);
    (void)kist_close(k);
    return 0;
}

/* Goal: a page that cannot be read is an error for what lies on it; the other
 * keys stay readable.
 * Method: 64 values of a page each; the pages of the later half are taken from
 * under the map, so that reading them fails as on a broken disk: with a
 * SIGBUS. */
static void
test_p12_unreadable_pages_hide_no_others(void **state)
{
    static char text[4096];
    const kt_place *place = *state;
    kt_shared *shared = kt_shared_new();
    cut c = {place, shared, ".kist", 33 * 4096 + 100};
    kist *k;
    kist_dict *dict;
    int result;

    KT_OK(kist_open(place->path, &plain, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (int i = 0; i < 64; i++) {
        char key[8];
        kist_value value = kist_blob(KIST_TEXT, text, sizeof(text));

        memset(text, '0' + i, sizeof(text));
        snprintf(key, sizeof(key), "%d", i);
        KT_OK(kist_dict_put(dict, kist_str(key), &value));
    }
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    result = kt_wait(kt_spawn(read_beside_bad_pages, &c), 20000);
    KT_CHECK(result == 0, "ended with %d: %s", result, shared->why);
    assert_in_range(atomic_load(&shared->values[0]), 2 * 28, 2 * 33);
    assert_in_range(atomic_load(&shared->values[1]), 2 * 31, 2 * 36);
    kt_shared_free(shared);
}

/* --- read-only
 * ---------------------------------------------------------------- */

/* Names, sizes, times and contents of all files, in one number. */
static uint64_t
directory_digest(const char *dir)
{
    uint64_t digest = 0;
    DIR *entries = opendir(dir);
    struct dirent *entry;
    struct stat status;

    assert_non_null(entries);
    assert_int_equal(stat(dir, &status), 0);
    digest = (uint64_t)status.st_mtim.tv_nsec ^
             (uint64_t)status.st_ctim.tv_nsec << 1;
    while ((entry = readdir(entries)) != NULL) {
        char path[600];
        size_t size;
        uint8_t *data;
        uint64_t one;

        if (entry->d_type != DT_REG) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        assert_int_equal(stat(path, &status), 0);
        data = kt_read_file(path, &size);
        assert_non_null(data);
        one = ki_crc32c(0, data, size) + (uint64_t)size * 31;
        one ^= ki_crc32c(7, entry->d_name, strlen(entry->d_name)) * 17ull;
        one ^= (uint64_t)status.st_mtim.tv_nsec << 20;
        one ^= (uint64_t)status.st_ctim.tv_nsec << 9;
        one ^= (uint64_t)status.st_ino << 3;
        digest += one * 0x9e3779b97f4a7c15u;
        free(data);
    }
    closedir(entries);
    return digest;
}

/* Reads all by every way; every write is refused. */
static void
read_only_use(const kt_place *place, const kt_world *world)
{
    const kist_value value = kist_int(1);
    char why[400] = "";
    kt_store store;
    kist_report report;
    kist_metrics metrics;
    kist_dict *dict;

    KT_OK(kt_store_open(&store, place->path, &reader, 0));
    KT_CHECK(kt_store_check(&store, world, why, sizeof(why)), "%s", why);
    KT_OK(kist_metrics_get(store.k, &metrics));
    KT_OK(kist_verify(store.k, NULL, NULL, &report));
    KT_ANSWERS(KIST_ERR_READONLY,
               kist_dict_put(store.dicts[KT_D], kist_str("k"), &value));
    KT_ANSWERS(KIST_ERR_READONLY, kist_list_clear(store.lists[KT_L]));
    KT_ANSWERS(KIST_ERR_READONLY, kist_set_clear(store.set));
    KT_ANSWERS(KIST_ERR_READONLY, kist_batch_begin(store.k));
    KT_ANSWERS(KIST_ERR_READONLY, kist_compact(store.k, NULL, NULL));
    KT_ANSWERS(KIST_ERR_READONLY, kist_coll_drop(store.k, kist_str("d0")));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_dict_open(store.k, kist_str("new"), KIST_INT, &dict));
    KT_OK(kt_store_close(&store));
}

typedef enum shape { CLEAN, UNCLEAN, NO_INDEX, OLD_INDEX, SHAPES } shape;

/* Brings the kist into a shape: as closed, as after a crash, without its
 * index, with one that is older than the log. */
static void
make_shape(const kt_place *place, kt_world *world, shape s)
{
    const kt_step more = {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 4};
    char index[340];
    char copy[300];
    kt_store store;
    uint8_t *old;
    size_t size;

    snprintf(index, sizeof(index), "%s.kistx", place->path);
    snprintf(copy, sizeof(copy), "%s.copy", place->dir);
    fill(place, world, true);
    old = kt_read_file(index, &size);
    assert_non_null(old);
    KT_OK(kt_store_open(&store, place->path, &plain, 0));
    KT_OK(kt_step_both(&store, world, &more));
    if (s == UNCLEAN) {
        kt_copy_files(place->dir, copy);
    }
    KT_OK(kt_store_close(&store));
    if (s == UNCLEAN) {
        kt_copy_files(copy, place->dir);
        kt_remove_all(copy);
    }
    if (s == NO_INDEX) {
        assert_int_equal(unlink(index), 0);
    }
    if (s == OLD_INDEX) {
        kt_write_file(index, old, size);
    }
    free(old);
}

/* Goal: a read-only open writes nothing, anywhere, whatever it finds.
 * Method: digest of the directory with all times, before and after. */
static void
test_read_only_writes_nothing(void **state)
{
    const kt_place *place = *state;

    for (int s = CLEAN; s < SHAPES; s++) {
        kt_world world;
        uint64_t before;

        kt_make_empty(place->dir);
        make_shape(place, &world, (shape)s);
        before = directory_digest(place->dir);
        kt_sleep_ms(20);
        read_only_use(place, &world);
        KT_CHECK(directory_digest(place->dir) == before,
                 "shape %d: something was written", s);
        kt_world_fini(&world);
    }
}

typedef struct poor {
    const kt_place *place;
    kt_shared *shared;
    kt_world *world;
} poor;

static int
read_as_nobody(void *argument)
{
    poor *p = argument;
    char why[400];
    kt_store store;
    kist *k;

    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        return kt_child_fails(p->shared, "setresuid");
    }
    KT_CHILD(p->shared, KIST_ERR_IO, kist_open(p->place->path, &plain, &k));
    if (kist_last_error()->sys_errno != EACCES) {
        return kt_child_fails(p->shared, "errno is not EACCES");
    }
    KT_CHILD(p->shared, KIST_OK,
             kt_store_open(&store, p->place->path, &reader, 0));
    if (!kt_store_check(&store, p->world, why, sizeof(why))) {
        return kt_child_fails(p->shared, why);
    }
    KT_CHILD(p->shared, KIST_OK, kt_store_close(&store));
    return 0;
}

/* Goal: who may only read the files and the directory can read the kist, and
 * is told EACCES when asking for more. */
static void
test_read_only_directory(void **state)
{
    static const char *const endings[] = {".kist", ".kistx"};
    const kt_place *place = *state;

    for (int s = CLEAN; s < SHAPES; s++) {
        kt_shared *shared = kt_shared_new();
        kt_world world;
        poor p = {place, shared, &world};
        int result;

        kt_make_empty(place->dir);
        make_shape(place, &world, (shape)s);
        for (size_t i = 0; i < 2; i++) {
            char path[340];

            snprintf(path, sizeof(path), "%s%s", place->path, endings[i]);
            (void)chmod(path, 0444);
        }
        assert_int_equal(chmod(place->dir, 0555), 0);
        result = kt_wait(kt_spawn(read_as_nobody, &p), 10000);
        KT_CHECK(result == 0, "shape %d: ended with %d: %s", s, result,
                 shared->why);
        kt_world_fini(&world);
        kt_shared_free(shared);
    }
}

/* Goal: a missing kist is ENOENT for a reader, and is not made. */
static void
test_read_only_missing(void **state)
{
    const kt_place *place = *state;
    const uint64_t before = directory_digest(place->dir);
    kist *k;

    KT_ANSWERS(KIST_ERR_IO, kist_open(place->path, &reader, &k));
    assert_null(k);
    assert_int_equal(kist_last_error()->sys_errno, ENOENT);
    assert_true(directory_digest(place->dir) == before);
}

/* --- P19
 * ------------------------------------------------------------------------ */

/* The file must be refused by every way to open, and stay as it is. */
static void
refused(const kt_place *place, kist_status expected)
{
    const uint64_t before = directory_digest(place->dir);
    kist *k;

    KT_ANSWERS(expected, kist_open(place->path, &plain, &k));
    assert_null(k);
    assert_non_null(strstr(kist_last_error()->path, ".kist"));
    KT_ANSWERS(expected, kist_open(place->path, &reader, &k));
    assert_null(k);
    assert_true(directory_digest(place->dir) == before);
}

static void
test_p19_not_a_kist(void **state)
{
    static const char *const contents[] = {
        "#!/bin/sh\necho this is a script\n", "SQLite format 3", "x", "{}"};
    const kt_place *place = *state;
    uint8_t page[8192];
    char path[340];

    snprintf(path, sizeof(path), "%s.kist", place->path);
    for (size_t i = 0; i < 4; i++) {
        kt_write_file(path, contents[i], strlen(contents[i]));
        refused(place, KIST_ERR_NOTKIST);
    }
    for (size_t i = 0; i < sizeof(page); i++) {
        page[i] = (uint8_t)(i * 37 + 11);
    }
    kt_write_file(path, page, sizeof(page));
    refused(place, KIST_ERR_NOTKIST);
}

/* Writes `version`, as 4 bytes in the order given, into both header copies
 * with checksums that are right. */
static void
patch_version(const kt_place *place, uint32_t version)
{
    char path[340];
    size_t size;
    uint8_t *data;

    snprintf(path, sizeof(path), "%s.kist", place->path);
    data = kt_read_file(path, &size);
    assert_true(data != NULL && size >= 4096);
    ki_store_le32(data + 8, version);
    ki_store_le32(data + 56, ki_crc32c(0, data, 56));
    memcpy(data + 2048, data, 60);
    kt_write_file(path, data, size);
    free(data);
}

/* Goal: a newer format, or the other byte order, is refused by name and left
 * as it is.  Method: the version field of reclog.h, with right checksums. */
static void
test_p19_newer_format(void **state)
{
    const kt_place *place = *state;
    kt_world world;

    fill(place, &world, true);
    patch_version(place, 2);
    refused(place, KIST_ERR_NEWER);
    patch_version(place, 0x01000000u); // 1, most significant byte first
    refused(place, KIST_ERR_NEWER);
    kt_world_fini(&world);
}

/* Goal: directories, pipes and links that lead nowhere are errors. */
static void
test_p19_not_a_file(void **state)
{
    const kt_place *place = *state;
    char path[340];
    kist *k;

    snprintf(path, sizeof(path), "%s.kist", place->path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(kist_open(place->path, &plain, &k), KIST_OK);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_not_equal(kist_open(place->path, &plain, &k), KIST_OK);
    assert_int_not_equal(kist_open(place->path, &reader, &k), KIST_OK);
    assert_int_equal(unlink(path), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p12_unreadable_pages_hide_no_others),
        KT_TEST(test_p13_log_cut_under_the_map),
        KT_TEST(test_p13_index_cut_under_the_map),
        KT_TEST(test_read_only_writes_nothing),
        KT_TEST(test_read_only_directory),
        KT_TEST(test_read_only_missing),
        KT_TEST(test_p19_not_a_kist),
        KT_TEST(test_p19_newer_format),
        KT_TEST(test_p19_not_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
