/*
 * Goal    a directory of one file per key is laid out as users have it
 *         already, and nothing that they, or strangers, put into it harms it.
 * Method  a store and plain system calls on the same directory, in turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"

typedef struct bed {
    const char *dir;
    kist_store_options options;
    kist_store *store;
    kist_buf value;
    char path[512];
    int reports;
    char reported[512];
} bed;

static void
note_report(void *context, const char *path, const char *why)
{
    bed *at = context;

    at->reports++;
    (void)snprintf(at->reported, sizeof(at->reported), "%s: %s", path, why);
}

static void
begin(bed *at, void **state)
{
    const kt_place *place = *state;

    memset(at, 0, sizeof(*at));
    at->dir = place->path;
    kist_store_options_init(&at->options);
    at->options.format = "json";
    at->options.report = note_report;
    at->options.context = at;
    KT_OK(kist_store_open_dir(at->dir, &at->options, &at->store));
}

static void
end(bed *at)
{
    kist_store_close(at->store);
    kist_buf_fini(&at->value);
}

static void
reopen(bed *at)
{
    kist_store_close(at->store);
    KT_OK(kist_store_open_dir(at->dir, &at->options, &at->store));
}

static const char *
in_dir(bed *at, const char *name)
{
    (void)snprintf(at->path, sizeof(at->path), "%s/%s", at->dir, name);
    return at->path;
}

static void
put(bed *at, const char *key, const char *value)
{
    KT_OK(kist_store_put(at->store, kist_str(key), kist_str(value), NULL));
}

static void
expect(bed *at, const char *key, const char *value)
{
    KT_OK(kist_store_get(at->store, kist_str(key), &at->value, NULL));
    assert_int_equal(strlen(value), at->value.size);
    assert_memory_equal(value, at->value.data, at->value.size);
}

static uint64_t
count(bed *at)
{
    uint64_t counted;
    uint64_t scanned = 0;
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;

    KT_OK(kist_store_count(at->store, &counted));
    KT_OK(kist_store_scan_open(at->store, NULL, &scan));
    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        scanned++;
    }
    assert_int_equal(KIST_END, status);
    kist_store_scan_close(scan);
    assert_int_equal(counted, scanned);
    return counted;
}

/* --- layout
 * ------------------------------------------------------------------
 */

static void
files_stand_where_users_have_them(void **state)
{
    bed at;

    begin(&at, state);
    put(&at, "abc", "1");
    put(&at, "x/y", "2");
    assert_int_equal(0, access(in_dir(&at, "abc_saav.json"), F_OK));
    assert_int_equal(0, access(in_dir(&at, "x_txko/y_ifjj.json"), F_OK));
    kt_write_file(in_dir(&at, "p_qody.json"), "3", 1);
    expect(&at, "p", "3");
    assert_int_equal(3, count(&at));

    at.options.digest_len = 8;
    reopen(&at);
    put(&at, "u1", "4");
    assert_int_equal(0, access(in_dir(&at, "u1_4r3uzxna.json"), F_OK));
    at.options.digest_len = 40;
    reopen(&at);
    put(&at, "abc", "5");
    assert_int_equal(
        0, access(in_dir(&at, "abc_saavbgb42jh3bvuwh56sryl7oi======.json"),
                  F_OK));
    expect(&at, "abc", "5");
    assert_int_equal(1, count(&at));
    at.options.digest_len = 0;
    reopen(&at);
    put(&at, "abc", "6");
    assert_int_equal(0, access(in_dir(&at, "abc.json"), F_OK));
    end(&at);
}

static void
modes_are_left_to_the_umask(void **state)
{
    const mode_t old = umask(002);
    struct stat status;
    bed at;

    begin(&at, state);
    put(&at, "a/b", "1");
    assert_int_equal(0, stat(in_dir(&at, ""), &status));
    assert_int_equal(0775, status.st_mode & 0777);
    kt_make_empty(in_dir(&at, "x"));
    umask(027);
    put(&at, "x/y", "2");
    assert_int_equal(0, stat(in_dir(&at, "x_txko"), &status));
    assert_int_equal(0750, status.st_mode & 0777);
    assert_int_equal(0, stat(in_dir(&at, "x_txko/y_ifjj.json"), &status));
    assert_int_equal(0640, status.st_mode & 0777);
    // Who may not write into the directory may not into what is in it.
    umask(0);
    assert_int_equal(0, chmod(at.dir, 0755));
    reopen(&at);
    put(&at, "p/q", "3");
    assert_int_equal(0, stat(in_dir(&at, "p_qody"), &status));
    assert_int_equal(0755, status.st_mode & 0777);
    put(&at, "p", "4");
    assert_int_equal(0, stat(in_dir(&at, "p_qody.json"), &status));
    assert_int_equal(0644, status.st_mode & 0777);
    umask(old);
    end(&at);
}

static void
formats_do_not_see_each_other(void **state)
{
    kist_store *text;
    bed at;
    uint64_t removed;

    begin(&at, state);
    put(&at, "a", "1");
    KT_OK(kist_store_reformat(at.store, "txt", &text));
    KT_OK(kist_store_put(text, kist_str("b"), kist_str("2"), NULL));
    assert_int_equal(1, count(&at));
    KT_OK(kist_store_clear(at.store, &removed));
    assert_int_equal(1, removed);
    KT_OK(kist_store_get(text, kist_str("b"), &at.value, NULL));
    assert_int_equal(0, at.reports);
    kist_store_close(text);
    end(&at);
}

static void
keys_that_have_no_file_are_refused(void **state)
{
    char longest[256];
    bed at;

    begin(&at, state);
    memset(longest, 'x', sizeof(longest));
    longest[253] = '\0';
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_put(at.store, kist_str(longest),
                                                kist_str(""), NULL));
    assert_int_equal(0, count(&at));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_put(at.store, kist_str("abc_saav"),
                                                kist_str(""), NULL));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_put(at.store, kist_str("../a"), kist_str(""), NULL));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_get(at.store, kist_str("a//b"), &at.value, NULL));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_get(at.store, kist_str(""), &at.value, NULL));
    end(&at);
}

/* --- what strangers put there
 * ------------------------------------------------
 */

static void
foreign_files_are_reported_and_passed_over(void **state)
{
    bed at;

    begin(&at, state);
    put(&at, "abc", "1");
    kt_write_file(in_dir(&at, "notes.txt"), "", 0);
    assert_int_equal(1, count(&at));
    assert_int_equal(0, at.reports);
    kt_write_file(in_dir(&at, "abc_saav (conflicted copy).json"), "", 0);
    at.reports = 0;
    assert_int_equal(1, count(&at));
    assert_int_equal(2, at.reports);
    assert_string_equal(
        "abc_saav (conflicted copy).json: no key has such a file",
        at.reported);
    kt_write_file(in_dir(&at, ".json"), "", 0);
    kt_write_file(in_dir(&at, "b.json"), "", 0);
    kt_make_empty(in_dir(&at, "a space"));
    assert_int_equal(0, mkdir(in_dir(&at, "x_txko"), 0777));
    assert_int_equal(1, count(&at));
    assert_int_equal(0, mkdir(in_dir(&at, "p_qody.json"), 0777));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("p"), &at.value, NULL));
    KT_ANSWERS(KIST_ERR_ISDIR,
               kist_store_put(at.store, kist_str("p"), kist_str("1"), NULL));
    end(&at);
}

static void
links_are_not_followed(void **state)
{
    const kt_place *place = *state;
    char outside[300];
    struct stat status;
    bool contains;
    bed at;

    begin(&at, state);
    (void)snprintf(outside, sizeof(outside), "%s/outside", place->dir);
    kt_make_empty(outside);
    assert_int_equal(0, symlink(outside, in_dir(&at, "x_txko")));
    KT_ANSWERS(KIST_ERR_IO,
               kist_store_put(at.store, kist_str("x/y"), kist_str("1"), NULL));
    assert_int_equal(ELOOP, kist_last_error()->sys_errno);
    (void)snprintf(outside, sizeof(outside), "%s/outside/y_ifjj.json",
                   place->dir);
    kt_write_file(outside, "secret", 6);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("x/y"), &at.value, NULL));
    KT_OK(kist_store_contains(at.store, kist_str("x/y"), &contains));
    assert_false(contains);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_remove(at.store, kist_str("x/y")));
    assert_int_equal(0, symlink(outside, in_dir(&at, "abc_saav.json")));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("abc"), &at.value, NULL));
    assert_int_equal(0, count(&at));
    put(&at, "abc", "1");
    assert_int_equal(0, lstat(in_dir(&at, "abc_saav.json"), &status));
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(0, stat(outside, &status));
    assert_int_equal(6, status.st_size);
    end(&at);
}

static void
pipes_do_not_make_a_reader_wait(void **state)
{
    bed at;

    begin(&at, state);
    assert_int_equal(0, mkfifo(in_dir(&at, "abc_saav.json"), 0666));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("abc"), &at.value, NULL));
    assert_int_equal(0, count(&at));
    end(&at);
}

static void
leftovers_of_the_dead_are_swept(void **state)
{
    const struct timespec old[2] = {{time(NULL) - 4000, 0},
                                    {time(NULL) - 4000, 0}};
    bed at;

    begin(&at, state);
    kt_write_file(in_dir(&at, ".__tmp__abcd1234"), "x", 1);
    kt_write_file(in_dir(&at, ".__tmp__abcd1235"), "x", 1);
    assert_int_equal(0, utimensat(AT_FDCWD, at.path, old, 0));
    assert_int_equal(0, count(&at));
    assert_int_equal(0, access(in_dir(&at, ".__tmp__abcd1234"), F_OK));
    assert_int_equal(-1, access(in_dir(&at, ".__tmp__abcd1235"), F_OK));
    assert_int_equal(0, at.reports);
    end(&at);
}

static void
a_directory_that_was_removed_is_made_again(void **state)
{
    bed at;

    begin(&at, state);
    put(&at, "a/b", "1");
    kt_remove_all(at.dir);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("a/b"), &at.value, NULL));
    assert_int_equal(0, count(&at));
    put(&at, "abc", "2");
    expect(&at, "abc", "2");
    assert_int_equal(0, access(in_dir(&at, "abc_saav.json"), F_OK));
    kt_remove_all(at.dir);
    kt_make_empty(at.dir);
    kt_write_file(in_dir(&at, "p_qody.json"), "3", 1);
    expect(&at, "p", "3");
    assert_int_equal(1, count(&at));
    end(&at);
}

static void
a_file_in_the_directorys_place_is_said_to_be_one(void **state)
{
    const kt_place *place = *state;
    kist_store *store;
    char path[400];

    kt_write_file(place->path, "x", 1);
    KT_ANSWERS(KIST_ERR_NOTDIR,
               kist_store_open_dir(place->path, NULL, &store));
    (void)snprintf(path, sizeof(path), "%s/below", place->path);
    KT_ANSWERS(KIST_ERR_NOTDIR, kist_store_open_dir(path, NULL, &store));
}

/* --- ETags
 * -------------------------------------------------------------------
 */

static void
no_etag_comes_twice(void **state)
{
    enum { COUNT = 600 };
    static kist_etag etags[COUNT];
    bed at;

    begin(&at, state);
    for (int index = 0; index < COUNT; index++) {
        kist_stat stat;

        // The same bytes each time, in an inode that is used again.
        KT_OK(kist_store_put(at.store, kist_str("abc"), kist_str("2"),
                             &etags[index]));
        KT_OK(kist_store_stat(at.store, kist_str("abc"), &stat));
        assert_true(kist_etag_equal(&etags[index], &stat.etag));
        for (int before = 0; before < index; before++) {
            assert_false(kist_etag_equal(&etags[before], &etags[index]));
        }
        if (index % 2 == 0) {
            KT_OK(kist_store_remove(at.store, kist_str("abc")));
        }
    }
    end(&at);
}

static void
an_etag_is_what_the_peer_makes_of_a_file(void **state)
{
    kist_etag etag;
    struct stat status;
    char text[128];
    bed at;

    begin(&at, state);
    KT_OK(kist_store_put(at.store, kist_str("abc"), kist_str("123"), &etag));
    assert_int_equal(0, stat(in_dir(&at, "abc_saav.json"), &status));
    (void)snprintf(text, sizeof(text), "%lld%09ld:%lld:%llu",
                   (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                   (long long)status.st_size,
                   (unsigned long long)status.st_ino);
    assert_int_equal(strlen(text), etag.size);
    assert_memory_equal(text, etag.text, etag.size);
    end(&at);
}

/* --- directories, counts, chance
 * ---------------------------------------------
 */

static void
empty_directories_go_with_their_last_value(void **state)
{
    kist_store *sub;
    bed at;

    begin(&at, state);
    put(&at, "x/y/abc", "1");
    put(&at, "x/p", "1");
    KT_OK(kist_store_remove(at.store, kist_str("x/y/abc")));
    assert_int_equal(-1, access(in_dir(&at, "x_txko/y_ifjj"), F_OK));
    KT_OK(kist_store_sub(at.store, kist_str("x"), &sub));
    KT_OK(kist_store_remove(sub, kist_str("p")));
    assert_int_equal(0, access(in_dir(&at, "x_txko"), F_OK));
    KT_OK(kist_store_put(sub, kist_str("q"), kist_str("1"), NULL));
    KT_OK(kist_store_remove(at.store, kist_str("x/q")));
    assert_int_equal(-1, access(in_dir(&at, "x_txko"), F_OK));
    KT_OK(kist_store_put(sub, kist_str("q"), kist_str("1"), NULL));
    KT_OK(kist_store_clear(at.store, NULL));
    assert_int_equal(-1, access(in_dir(&at, "x_txko"), F_OK));
    assert_int_equal(0, access(at.dir, F_OK));
    kist_store_close(sub);
    end(&at);
}

static void
counts_and_random_keys_follow_every_change(void **state)
{
    kist_buf key = {0};
    char text[32];
    int seen[20] = {0};
    bed at;

    begin(&at, state);
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_store_random(at.store, &key));
    for (int index = 0; index < 20; index++) {
        (void)snprintf(text, sizeof(text), "%s%d", index % 2 ? "d/" : "",
                       index);
        put(&at, text, "1");
        assert_int_equal(index + 1, count(&at));
    }
    // Beyond a tick of the clock, listings are kept.
    kt_sleep_ms(50);
    for (int tries = 0; tries < 2000; tries++) {
        const char *digits;

        KT_OK(kist_store_random(at.store, &key));
        KT_OK(kist_buf_append(&key, "", 1));
        digits = (const char *)key.data + (key.data[0] == 'd' ? 2 : 0);
        seen[strtol(digits, NULL, 10)]++;
    }
    for (int index = 0; index < 20; index++) {
        // 100 are expected; below 40 chance would come once in 10^11 runs.
        KT_CHECK(seen[index] > 40, "key %d came %d times", index, seen[index]);
    }
    KT_OK(kist_store_remove(at.store, kist_str("d/1")));
    assert_int_equal(19, count(&at));
    kt_sleep_ms(50);
    assert_int_equal(19, count(&at));
    kt_write_file(in_dir(&at, "abc_saav.json"), "x", 1);
    assert_int_equal(20, count(&at));
    kist_buf_fini(&key);
    end(&at);
}

/* --- processes and threads
 * ---------------------------------------------------
 */

typedef struct worker {
    bed *at;
    int index;
} worker;

static void *
put_some(void *context)
{
    const worker *me = context;
    char key[32];

    for (int index = 0; index < 50; index++) {
        (void)snprintf(key, sizeof(key), "t%d/k%d", me->index, index);
        KT_OK(
            kist_store_put(me->at->store, kist_str(key), kist_str(key), NULL));
    }
    return NULL;
}

static void
a_group_shares_its_syncs(void **state)
{
    pthread_t threads[8];
    worker workers[8];
    bed at;

    begin(&at, state);
    at.options.durability = KIST_STORE_GROUP;
    reopen(&at);
    for (int index = 0; index < 8; index++) {
        workers[index] = (worker){&at, index};
        assert_int_equal(0, pthread_create(&threads[index], NULL, put_some,
                                           &workers[index]));
    }
    for (int index = 0; index < 8; index++) {
        pthread_join(threads[index], NULL);
    }
    assert_int_equal(400, count(&at));
    expect(&at, "t7/k49", "t7/k49");
    end(&at);
}

static void
many_are_put_at_once(void **state)
{
    enum { COUNT = 600 };
    static char texts[COUNT][16];
    kist_slice keys[COUNT];
    kist_status statuses[COUNT];
    kist_buf values[COUNT] = {0};
    bed at;

    begin(&at, state);
    for (int index = 0; index < COUNT; index++) {
        (void)snprintf(texts[index], sizeof(texts[index]), "%s%d",
                       index % 3 ? "" : "d/", index);
        keys[index] = kist_str(texts[index]);
    }
    KT_OK(kist_store_put_many(at.store, keys, keys, COUNT, statuses));
    assert_int_equal(COUNT, count(&at));
    KT_OK(kist_store_get_many(at.store, keys, COUNT, values, statuses));
    for (int index = 0; index < COUNT; index++) {
        assert_int_equal(KIST_OK, statuses[index]);
        assert_int_equal(keys[index].size, values[index].size);
        assert_memory_equal(keys[index].data, values[index].data,
                            keys[index].size);
        kist_buf_fini(&values[index]);
    }
    end(&at);
}

static void
a_child_uses_its_parents_store(void **state)
{
    bed at;
    pid_t child;
    int result;

    begin(&at, state);
    put(&at, "abc", "1");
    child = fork();
    if (child == 0) {
        expect(&at, "abc", "1");
        put(&at, "p", "2");
        _exit(0);
    }
    assert_int_equal(child, waitpid(child, &result, 0));
    assert_int_equal(0, result);
    put(&at, "abc", "3");
    expect(&at, "p", "2");
    end(&at);
}

// The sanitizers' own memory is not mended in a child of many threads.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FORKS_ARE_UNSAFE true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FORKS_ARE_UNSAFE true
#endif
#endif
#ifndef FORKS_ARE_UNSAFE
#define FORKS_ARE_UNSAFE false
#endif

typedef struct seeker {
    bed *at;
    _Atomic bool stop;
} seeker;

/* Misses keys, counts, and writes a little. */
static void *
seek(void *context)
{
    seeker *me = context;
    kist_buf value = {0};
    uint64_t count;

    while (!me->stop) {
        KT_ANSWERS(
            KIST_ERR_NOTFOUND,
            kist_store_get(me->at->store, kist_str("none"), &value, NULL));
        KT_OK(kist_store_count(me->at->store, &count));
        KT_OK(kist_store_put(me->at->store, kist_str("abc"), kist_str("1"),
                             NULL));
    }
    return NULL;
}

static void
a_child_waits_for_no_thread_of_its_parent(void **state)
{
    enum { THREADS = 3, CHILDREN = 40 };
    pthread_t threads[THREADS];
    seeker seeking = {.stop = false};
    bed at;

    if (FORKS_ARE_UNSAFE) {
        skip();
    }
    begin(&at, state);
    seeking.at = &at;
    for (int index = 0; index < THREADS; index++) {
        assert_int_equal(
            0, pthread_create(&threads[index], NULL, seek, &seeking));
    }
    for (int index = 0; index < CHILDREN; index++) {
        const pid_t child = fork();
        int result;

        if (child == 0) {
            uint64_t counted;

            // SIGALRM ends a child that hangs.
            alarm(20);
            _exit(kist_store_get(at.store, kist_str("none"), &at.value,
                                 NULL) != KIST_ERR_NOTFOUND ||
                  kist_store_count(at.store, &counted) != KIST_OK ||
                  kist_store_put(at.store, kist_str("p"), kist_str("2"),
                                 NULL) != KIST_OK);
        }
        assert_int_equal(child, waitpid(child, &result, 0));
        assert_int_equal(0, result);
    }
    seeking.stop = true;
    for (int index = 0; index < THREADS; index++) {
        pthread_join(threads[index], NULL);
    }
    expect(&at, "p", "2");
    end(&at);
}

static void
nothing_stays_open(void **state)
{
    const size_t before = kt_count_descriptors();
    bed at;

    begin(&at, state);
    put(&at, "a/b/c", "1");
    expect(&at, "a/b/c", "1");
    (void)count(&at);
    KT_OK(kist_store_clear(at.store, NULL));
    end(&at);
    assert_int_equal(before, kt_count_descriptors());
}

static void
a_read_only_store_makes_nothing(void **state)
{
    const kt_place *place = *state;
    kist_store_options options;
    kist_store *store;

    kist_store_options_init(&options);
    options.read_only = true;
    KT_ANSWERS(KIST_ERR_IO,
               kist_store_open_dir(place->path, &options, &store));
    assert_int_equal(ENOENT, kist_last_error()->sys_errno);
    kt_make_empty(place->path);
    KT_OK(kist_store_open_dir(place->path, &options, &store));
    KT_ANSWERS(KIST_ERR_READONLY,
               kist_store_put(store, kist_str("a"), kist_str(""), NULL));
    KT_ANSWERS(KIST_ERR_READONLY, kist_store_remove(store, kist_str("a")));
    KT_ANSWERS(KIST_ERR_READONLY, kist_store_clear(store, NULL));
    kist_store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(files_stand_where_users_have_them),
        KT_TEST(modes_are_left_to_the_umask),
        KT_TEST(formats_do_not_see_each_other),
        KT_TEST(keys_that_have_no_file_are_refused),
        KT_TEST(foreign_files_are_reported_and_passed_over),
        KT_TEST(links_are_not_followed),
        KT_TEST(pipes_do_not_make_a_reader_wait),
        KT_TEST(leftovers_of_the_dead_are_swept),
        KT_TEST(a_directory_that_was_removed_is_made_again),
        KT_TEST(a_file_in_the_directorys_place_is_said_to_be_one),
        KT_TEST(no_etag_comes_twice),
        KT_TEST(an_etag_is_what_the_peer_makes_of_a_file),
        KT_TEST(empty_directories_go_with_their_last_value),
        KT_TEST(counts_and_random_keys_follow_every_change),
        KT_TEST(a_group_shares_its_syncs),
        KT_TEST(many_are_put_at_once),
        KT_TEST(a_child_uses_its_parents_store),
        KT_TEST(a_child_waits_for_no_thread_of_its_parent),
        KT_TEST(nothing_stays_open),
        KT_TEST(a_read_only_store_makes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
