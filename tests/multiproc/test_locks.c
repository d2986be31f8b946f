/*
 * P14: who may have the kist, and who waits how long.  P15: what a writer or
 * a reader that stands still does to the others.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/faultio.h"
#include "support/procs.h"
#include "support/script.h"

#define RESERVE (16u << 20)

static const kist_options plain = {.map_reserve = RESERVE};
static const kist_options hasty = {.map_reserve = RESERVE,
                                   .lock_timeout_ms = 100};
static const kist_options exclusive = {
    .map_reserve = RESERVE, .lock_timeout_ms = 100, .exclusive = true};

typedef struct job {
    const kt_place *place;
    kt_shared *shared;
    kist_options options;
    kist_status expected;
} job;

static void
put_int(kist *k, const char *key, int64_t number)
{
    const kist_value value = kist_int(number);
    kist_dict *dict;

    KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_OK(kist_dict_put(dict, kist_str(key), &value));
    kist_dict_close(dict);
}

static int64_t
get_int(kist *k, const char *key)
{
    kist_value value = kist_int(-1);
    kist_dict *dict;

    KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_OK(kist_dict_get(dict, kist_str(key), &value));
    kist_dict_close(dict);
    return value.as.integer;
}

static int
child_opens(void *argument)
{
    job *j = argument;
    kist *k = NULL;

    KT_CHILD(j->shared, j->expected,
             kist_open(j->place->path, &j->options, &k));
    if (k != NULL) {
        (void)kist_close(k);
    }
    return 0;
}

static void
expect_in_child(const kt_place *place, const kist_options *options,
                kist_status expected)
{
    kt_shared *shared = kt_shared_new();
    job j = {place, shared, *options, expected};
    const int result = kt_wait(kt_spawn(child_opens, &j), 10000);

    KT_CHECK(result == 0, "ended with %d: %s", result, shared->why);
    kt_shared_free(shared);
}

/* Goal: a second open in one process works on the same data at once. */
static void
test_p14_second_open_in_one_process(void **state)
{
    const kt_place *place = *state;
    kist *a;
    kist *b;

    KT_OK(kist_open(place->path, &plain, &a));
    put_int(a, "one", 1);
    KT_OK(kist_open(place->path, &plain, &b));
    assert_int_equal(get_int(b, "one"), 1);
    put_int(b, "two", 2);
    assert_int_equal(get_int(a, "two"), 2);
    KT_OK(kist_close(a));
    put_int(b, "three", 3);
    assert_int_equal(get_int(b, "one"), 1);
    KT_OK(kist_close(b));
}

/* Goal: an exclusive handle lets nobody else in, and is not given while
 * others are in.  Method: the same process, and another one. */
static void
test_p14_exclusive(void **state)
{
    const kt_place *place = *state;
    kist *a;
    kist *b;

    KT_OK(kist_open(place->path, &exclusive, &a));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_open(place->path, &hasty, &b));
    assert_null(b);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_open(place->path, &exclusive, &b));
    expect_in_child(place, &hasty, KIST_ERR_LOCKED);
    expect_in_child(place, &exclusive, KIST_ERR_LOCKED);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_destroy(place->path));
    put_int(a, "one", 1);
    KT_OK(kist_close(a));
    expect_in_child(place, &hasty, KIST_OK);
    KT_OK(kist_open(place->path, &plain, &a));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_open(place->path, &exclusive, &b));
    expect_in_child(place, &exclusive, KIST_ERR_LOCKED);
    assert_int_equal(get_int(a, "one"), 1);
    KT_OK(kist_close(a));
    KT_OK(kist_open(place->path, &exclusive, &a));
    KT_OK(kist_close(a));
}

/* Goal: closing an unrelated descriptor of the file loses no lock, as POSIX
 * locks would be.  Method: open and close the files themselves. */
static void
test_p14_unrelated_descriptor_keeps_the_lock(void **state)
{
    static const char *const endings[] = {".kist", ".kistx"};
    const kt_place *place = *state;
    kist *k;

    KT_OK(kist_open(place->path, &exclusive, &k));
    for (size_t i = 0; i < 2; i++) {
        char path[340];
        int fd;

        snprintf(path, sizeof(path), "%s%s", place->path, endings[i]);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        close(fd);
    }
    expect_in_child(place, &hasty, KIST_ERR_LOCKED);
    KT_OK(kist_close(k));
}

static int
child_holds_a_batch(void *argument)
{
    job *j = argument;
    const kist_value value = kist_int(5);
    kist *k;
    kist_dict *dict;

    KT_CHILD(j->shared, KIST_OK, kist_open(j->place->path, &plain, &k));
    KT_CHILD(j->shared, KIST_OK,
             kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_CHILD(j->shared, KIST_OK, kist_batch_begin(k));
    KT_CHILD(j->shared, KIST_OK,
             kist_dict_put(dict, kist_str("held"), &value));
    atomic_store(&j->shared->ready, 1);
    if (!kt_wait_word(&j->shared->go, 1, 20000)) {
        return kt_child_fails(j->shared, "never let go");
    }
    KT_CHILD(j->shared, KIST_OK, kist_batch_commit(k));
    kist_dict_close(dict);
    KT_CHILD(j->shared, KIST_OK, kist_close(k));
    return 0;
}

/* One writer stands still, `stop` by a signal; the parent reads at once and
 * its write gives up in time. */
static void
beside_a_holder(const kt_place *place, bool stop)
{
    kt_shared *shared = kt_shared_new();
    job j = {.place = place, .shared = shared};
    const kist_value value = kist_int(6);
    kist_dict *dict;
    uint64_t begun;
    pid_t child;
    kist *k;

    KT_OK(kist_open(place->path, &hasty, &k));
    put_int(k, "before", 4);
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    child = kt_spawn(child_holds_a_batch, &j);
    KT_CHECK(kt_wait_word(&shared->ready, 1, 10000), "%s", shared->why);
    if (stop) {
        kill(child, SIGSTOP);
    }
    begun = kt_now_ms();
    assert_int_equal(get_int(k, "before"), 4);
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_dict_contains(dict, kist_str("held")));
    KT_CHECK(kt_now_ms() - begun < 80, "reads waited");
    begun = kt_now_ms();
    KT_ANSWERS(KIST_ERR_LOCKED, kist_dict_put(dict, kist_str("mine"), &value));
    KT_CHECK(kt_now_ms() - begun >= 90 && kt_now_ms() - begun < 2000,
             "gave up after %llu ms",
             (unsigned long long)(kt_now_ms() - begun));
    KT_ANSWERS(KIST_ERR_LOCKED, kist_batch_begin(k));
    kill(child, SIGCONT);
    atomic_store(&shared->go, 1);
    KT_CHECK(kt_wait(child, 10000) == 0, "%s", shared->why);
    KT_OK(kist_dict_put(dict, kist_str("mine"), &value));
    assert_int_equal(get_int(k, "held"), 5);
    assert_int_equal(get_int(k, "mine"), 6);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    kt_shared_free(shared);
}

static void
test_p14_waits_for_the_writer_then_gives_up(void **state)
{
    beside_a_holder(*state, false);
}

static void
test_p15_stopped_writer_blocks_no_reader(void **state)
{
    beside_a_holder(*state, true);
}

static void
stand_still(void *context)
{
    (void)context;
    raise(SIGSTOP);
}

/* Opens, writes, compacts and closes; stands still before call `done`. */
static int
child_stands_still(void *argument)
{
    job *j = argument;
    const kist_value value = kist_int(5);
    kist *k;
    kist_dict *dict;

    kt_io_install();
    kt_io_cut_at(atomic_load(&j->shared->done), stand_still, NULL);
    KT_CHILD(j->shared, KIST_OK, kist_open(j->place->path, &plain, &k));
    KT_CHILD(j->shared, KIST_OK,
             kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_CHILD(j->shared, KIST_OK,
             kist_dict_put(dict, kist_str("mine"), &value));
    KT_CHILD(j->shared, KIST_OK, kist_compact(k, NULL, NULL));
    kist_dict_close(dict);
    KT_CHILD(j->shared, KIST_OK, kist_close(k));
    return 0;
}

/* Goal: who opens to read is not held up, wherever a writer stands still.
 * Method: stop one before each call of an open, a write, a compaction and a
 * close; open read-only meanwhile. */
static void
test_p15_stopped_anywhere_blocks_no_reader(void **state)
{
    const kt_place *place = *state;
    const kist_options reads = {.map_reserve = RESERVE, .read_only = true};
    kt_shared *shared = kt_shared_new();
    job j = {.place = place, .shared = shared};
    uint64_t nth = 0;
    bool stopped = true;
    kist *k;

    KT_OK(kist_open(place->path, &plain, &k));
    put_int(k, "before", 4);
    KT_OK(kist_close(k));
    while (stopped) {
        uint64_t begun;
        pid_t child;
        int how;

        atomic_store(&shared->done, ++nth);
        child = kt_spawn(child_stands_still, &j);
        assert_int_equal(waitpid(child, &how, WUNTRACED), child);
        stopped = WIFSTOPPED(how);
        begun = kt_now_ms();
        KT_OK(kist_open(place->path, &reads, &k));
        assert_int_equal(get_int(k, "before"), 4);
        KT_OK(kist_close(k));
        KT_CHECK(kt_now_ms() - begun < 5000, "held up before call %llu",
                 (unsigned long long)nth);
        if (stopped) {
            kill(child, SIGKILL);
            assert_int_equal(kt_wait(child, 10000), 128 + SIGKILL);
        }
    }
    print_message("           stopped before each of %llu calls\n",
                  (unsigned long long)nth - 1);
    KT_CHECK(nth > 40, "only %llu", (unsigned long long)nth);
    kt_shared_free(shared);
}

static int
child_scans_for_ever(void *argument)
{
    job *j = argument;
    kist *k;
    kist_dict *dict;
    kist_scan *scan;
    kist_slice key;
    kist_value value;

    KT_CHILD(j->shared, KIST_OK, kist_open(j->place->path, &plain, &k));
    KT_CHILD(j->shared, KIST_OK,
             kist_dict_open(k, kist_str("d"), KIST_ANY, &dict));
    KT_CHILD(j->shared, KIST_OK, kist_dict_scan(dict, NULL, &scan));
    KT_CHILD(j->shared, KIST_OK, kist_scan_next(scan, &key, &value));
    atomic_store(&j->shared->ready, 1);
    (void)kt_wait_word(&j->shared->go, 1, 60000);
    KT_CHILD(j->shared, KIST_OK, kist_scan_next(scan, &key, &value));
    kist_scan_close(scan);
    kist_dict_close(dict);
    (void)kist_close(k);
    return 0;
}

static uint64_t
disk_bytes(const kt_place *place)
{
    static const char *const endings[] = {".kist", ".kistx"};
    uint64_t bytes = 0;

    for (size_t i = 0; i < 2; i++) {
        struct stat status;
        char path[340];

        snprintf(path, sizeof(path), "%s%s", place->path, endings[i]);
        if (stat(path, &status) == 0) {
            bytes += (uint64_t)status.st_blocks * 512;
        }
    }
    return bytes;
}

/* Overwrites a few keys and compacts, again and again. */
static void
churn(kist *k, uint32_t rounds)
{
    uint8_t room[1000] = {1};
    const kist_value value = kist_blob(KIST_BYTES, room, sizeof(room));
    kist_dict *dict;

    KT_OK(kist_dict_open(k, kist_str("churn"), KIST_BYTES, &dict));
    for (uint32_t i = 0; i < rounds; i++) {
        for (uint32_t key = 0; key < 1000; key++) {
            char name[16];

            snprintf(name, sizeof(name), "%u", key % 50);
            KT_OK(kist_dict_put(dict, kist_str(name), &value));
        }
        KT_OK(kist_compact(k, NULL, NULL));
    }
    kist_dict_close(dict);
}

/* Goal: a reader that stands still, or died, does not stop the writer, nor
 * does it make the files grow.
 * Method: one stopped in a scan, one killed in it; 30 rounds of overwriting
 * 1 MB and compacting. */
static void
test_p15_stopped_reader_pins_no_space(void **state)
{
    const kt_place *place = *state;
    kt_shared *shared = kt_shared_new();
    job j = {.place = place, .shared = shared};
    uint64_t first;
    pid_t stopped;
    pid_t dead;
    kist *k;

    KT_OK(kist_open(place->path, &plain, &k));
    put_int(k, "one", 1);
    put_int(k, "two", 2);
    stopped = kt_spawn(child_scans_for_ever, &j);
    KT_CHECK(kt_wait_word(&shared->ready, 1, 10000), "%s", shared->why);
    kill(stopped, SIGSTOP);
    atomic_store(&shared->ready, 0);
    dead = kt_spawn(child_scans_for_ever, &j);
    KT_CHECK(kt_wait_word(&shared->ready, 1, 10000), "%s", shared->why);
    kill(dead, SIGKILL);
    assert_int_equal(kt_wait(dead, 10000), 128 + SIGKILL);
    churn(k, 2);
    first = disk_bytes(place);
    churn(k, 30);
    KT_CHECK(disk_bytes(place) <= 2 * first + (4u << 20),
             "grew from %llu to %llu bytes", (unsigned long long)first,
             (unsigned long long)disk_bytes(place));
    atomic_store(&shared->go, 1);
    kill(stopped, SIGCONT);
    KT_CHECK(kt_wait(stopped, 10000) == 0, "%s", shared->why);
    KT_OK(kist_close(k));
    kt_shared_free(shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p14_second_open_in_one_process),
        KT_TEST(test_p14_exclusive),
        KT_TEST(test_p14_unrelated_descriptor_keeps_the_lock),
        KT_TEST(test_p14_waits_for_the_writer_then_gives_up),
        KT_TEST(test_p15_stopped_writer_blocks_no_reader),
        KT_TEST(test_p15_stopped_anywhere_blocks_no_reader),
        KT_TEST(test_p15_stopped_reader_pins_no_space),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
