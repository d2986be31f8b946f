/*
 * Writers of a store in a directory are killed in the middle of what they do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/procs.h"
#include "support/script.h"

#define WRITERS 4
#define WAIT_MS 20000
#define SIZE    6000

typedef struct scene {
    kt_shared *shared; // values[w]: what writer w was told is done
    char path[320];
    kist_store_options options;
    uint32_t writer;
    uint64_t from;
} scene;

/* The value of a number: its digits, and SIZE bytes that follow from it. */
static kist_status
make_value(uint64_t number, kist_buf *buf)
{
    uint64_t random = number;
    char text[32];
    kist_status status;
    const int size =
        snprintf(text, sizeof(text), "%llu\n", (unsigned long long)number);

    kist_buf_clear(buf);
    status = kist_buf_append(buf, text, (size_t)size);
    for (size_t at = 0; status == KIST_OK && at < SIZE; at += 8) {
        const uint64_t word = kt_random(&random);

        status = kist_buf_append(buf, &word, 8);
    }
    return status;
}

/* Its number, or UINT64_MAX if the value is not whole. */
static uint64_t
read_value(kist_slice value)
{
    kist_buf whole = {0};
    char text[32] = "";
    uint64_t number;
    bool same;

    if (value.size > 0) {
        memcpy(text, value.data, value.size < 31 ? value.size : 31);
    }
    number = strtoull(text, NULL, 10);
    KT_OK(make_value(number, &whole));
    same = whole.size == value.size &&
           memcmp(whole.data, value.data, value.size) == 0;
    kist_buf_fini(&whole);
    return same ? number : UINT64_MAX;
}

static kist_decision
add_one(void *context, const kist_slice *current, kist_buf *next)
{
    (void)context;
    return make_value(current == NULL ? 1 : read_value(*current) + 1, next) ==
                   KIST_OK
               ? KIST_REPLACE
               : KIST_KEEP;
}

/* Keys of one writer: one in the root, one alone in its directory. */
static void
names_of(uint32_t writer, char names[2][32])
{
    snprintf(names[0], 32, "w%u", writer);
    snprintf(names[1], 32, "d%u/e/w", writer);
}

/* Step i: adds to the counter of all, puts i at one key, and, at every third,
 * removes and puts the other. */
static int
write_on(void *argument)
{
    scene *at = argument;
    const pid_t parent = getppid();
    char names[2][32];
    kist_buf value = {0};
    kist_store *store;

    names_of(at->writer, names);
    KT_CHILD(at->shared, KIST_OK,
             kist_store_open_dir(at->path, &at->options, &store));
    atomic_fetch_add(&at->shared->ready, 1);
    for (uint64_t i = at->from + 1; getppid() == parent; i++) {
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_transform(store, kist_str("all/total"), add_one,
                                      NULL, SIZE_MAX, NULL));
        KT_CHILD(at->shared, KIST_OK, make_value(i, &value));
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_put(store, kist_str(names[0]),
                                kist_buf_slice(&value), NULL));
        if (i % 3 == 0) {
            const kist_status status =
                kist_store_remove(store, kist_str(names[1]));

            KT_CHILD(at->shared, true,
                     status == KIST_OK || status == KIST_ERR_NOTFOUND);
        }
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_put(store, kist_str(names[1]),
                                kist_buf_slice(&value), NULL));
        atomic_store(&at->shared->values[at->writer], i);
    }
    return 1;
}

/* What a key holds; 0 if there is nothing. */
static uint64_t
number_at(kist_store *store, const char *key)
{
    kist_buf value = {0};
    uint64_t number = 0;
    const kist_status status =
        kist_store_get(store, kist_str(key), &value, NULL);

    if (status != KIST_ERR_NOTFOUND) {
        KT_OK(status);
        number = read_value(kist_buf_slice(&value));
        KT_CHECK(number != UINT64_MAX, "%s is torn", key);
    }
    kist_buf_fini(&value);
    return number;
}

/* What was told is there, and at most one step more of each. */
static uint64_t
judge(scene *at, kist_store *store, uint64_t kills)
{
    uint64_t sum = 0;
    uint64_t total;
    uint64_t count;
    uint64_t met = 0;
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;

    for (uint32_t w = 0; w < WRITERS; w++) {
        const uint64_t done = atomic_load(&at->shared->values[w]);
        char names[2][32];
        uint64_t found[2];

        names_of(w, names);
        for (size_t k = 0; k < 2; k++) {
            found[k] = number_at(store, names[k]);
            KT_CHECK(found[k] == done || found[k] == done + 1 ||
                         (k == 1 && found[k] == 0),
                     "%s has %llu, not %llu", names[k],
                     (unsigned long long)found[k], (unsigned long long)done);
        }
        KT_CHECK(found[1] != 0 || done % 3 == 2 || done == 0,
                 "%s is gone after %llu", names[1], (unsigned long long)done);
        sum += done;
    }
    total = number_at(store, "all/total");
    KT_CHECK(total >= sum && total <= sum + kills, "%llu, not %llu to %llu",
             (unsigned long long)total, (unsigned long long)sum,
             (unsigned long long)(sum + kills));
    // Temporary files that the dead have left are nobody's keys.
    KT_OK(kist_store_scan_open(store, NULL, &scan));
    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        KT_CHECK(memchr("wda", *(const char *)item.key.data, 3) != NULL,
                 "a scan gives %.*s", (int)item.key.size,
                 (const char *)item.key.data);
        met++;
    }
    assert_int_equal(status, KIST_END);
    kist_store_scan_close(scan);
    KT_OK(kist_store_count(store, &count));
    assert_int_equal(count, met);
    return total;
}

static size_t
count_leftovers(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        count += strncmp(entry->d_name, ".__tmp__", 8) == 0;
    }
    closedir(dir);
    return count;
}

/* Goal: of writers that are killed, what they were told is done is there; what
 * they were doing is there whole or not at all; the counter that they share
 * has lost nothing; nobody finds the lock of a dead one.
 * Method: four writers, killed at random moments, 60 times; what is there is
 * held against what they were told. */
static void
kill_often(void **state, kist_store_durability durability)
{
    const kt_place *place = *state;
    scene at = {.shared = kt_shared_new()};
    kist_store *store;
    uint64_t random = place->seed;
    uint64_t kills = 0;
    const struct timespec long_ago[2] = {{.tv_sec = 1000000000},
                                         {.tv_sec = 1000000000}};
    size_t leftovers;
    char path[400];
    uint64_t count;

    snprintf(at.path, sizeof(at.path), "%s/s", place->dir);
    kist_store_options_init(&at.options);
    at.options.durability = durability;
    KT_OK(kist_store_open_dir(at.path, &at.options, &store));
    for (int round = 0; round < 60; round++) {
        pid_t children[WRITERS];

        atomic_store(&at.shared->ready, 0);
        for (uint32_t w = 0; w < WRITERS; w++) {
            at.writer = w;
            at.from = atomic_load(&at.shared->values[w]);
            children[w] = kt_spawn(write_on, &at);
        }
        assert_true(kt_wait_word(&at.shared->ready, WRITERS, WAIT_MS));
        usleep((useconds_t)(kt_random(&random) % 8000));
        for (uint32_t w = 0; w < WRITERS; w++) {
            kill(children[w], SIGKILL);
        }
        for (uint32_t w = 0; w < WRITERS; w++) {
            const int result = kt_wait(children[w], WAIT_MS);

            KT_CHECK(result == 128 + SIGKILL, "ended with %d: %s", result,
                     at.shared->why);
            kills++;
        }
        // A step that was begun may be told again by its successor.
        (void)judge(&at, store, kills);
    }
    leftovers = count_leftovers(at.path);
    print_message("           %llu kills, %llu added, %zu files left over\n",
                  (unsigned long long)kills,
                  (unsigned long long)judge(&at, store, kills), leftovers);
    // An hour later a listing removes them.
    snprintf(path, sizeof(path), "%s/.__tmp__abcdefgh", at.path);
    kt_write_file(path, "x", 1);
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
    KT_OK(kist_store_count(store, &count));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(count_leftovers(at.path), leftovers);
    kist_store_close(store);
    kt_shared_free(at.shared);
}

static void
test_killed_at_none(void **state)
{
    kill_often(state, KIST_STORE_NONE);
}

static void
test_killed_at_sync(void **state)
{
    kill_often(state, KIST_STORE_SYNC);
}

static void
test_killed_at_group(void **state)
{
    kill_often(state, KIST_STORE_GROUP);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_killed_at_none),
        KT_TEST(test_killed_at_sync),
        KT_TEST(test_killed_at_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
