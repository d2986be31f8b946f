/*
 * Several processes on one store in a directory: nothing is counted twice or
 * lost, made twice or removed twice; who stands still stops no reader; who
 * removes the directory harms nobody.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/procs.h"

#define PROCESSES 8
#define WAIT_MS   60000
#define KEYS      400

/* What the children of a test have in common. */
typedef struct race {
    kt_shared *shared;
    _Atomic uint32_t *winners; // of each key: 1 + the process; wins in all
    char path[320];
    kist_store_options options;
    kist_store *store; // opened before the fork, for those who inherit it
    uint32_t number;   // of this process
    uint32_t times;
} race;

static void
race_init(race *at, void **state)
{
    const kt_place *place = *state;

    memset(at, 0, sizeof(*at));
    snprintf(at->path, sizeof(at->path), "%s/s", place->dir);
    kist_store_options_init(&at->options);
    at->options.durability = KIST_STORE_NONE;
    at->shared = kt_shared_new();
    at->winners =
        mmap(NULL, 2 * KEYS * sizeof(*at->winners), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(at->winners, MAP_FAILED);
}

static void
race_fini(race *at)
{
    kist_store_close(at->store);
    munmap(at->winners, 2 * KEYS * sizeof(*at->winners));
    kt_shared_free(at->shared);
}

/* Starts all processes at once and waits for them. */
static void
run(race *at, int (*work)(void *argument))
{
    race each[PROCESSES];
    pid_t children[PROCESSES];

    atomic_store(&at->shared->ready, 0);
    atomic_store(&at->shared->go, 0);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        each[i] = *at;
        each[i].number = i;
        children[i] = kt_spawn(work, &each[i]);
    }
    assert_true(kt_wait_word(&at->shared->ready, PROCESSES, WAIT_MS));
    atomic_store(&at->shared->go, 1);
    for (uint32_t i = 0; i < PROCESSES; i++) {
        const int result = kt_wait(children[i], WAIT_MS);

        KT_CHECK(result == 0, "process %u ended with %d: %s", i, result,
                 at->shared->why);
    }
}

/* In a child: half of them go on with their parent's store. */
static kist_status
begin(race *at, kist_store **store)
{
    kist_status status = KIST_OK;

    *store = at->store;
    if (at->store == NULL || at->number % 2 == 0) {
        status = kist_store_open_dir(at->path, &at->options, store);
    }
    atomic_fetch_add(&at->shared->ready, 1);
    (void)kt_wait_word(&at->shared->go, 1, WAIT_MS);
    return status;
}

/* --- counting ----------------------------------------------------------- */

#define COUNTERS 4

static const char *const counters[COUNTERS] = {"one", "two", "deep/er/three",
                                               "deep/four"};

static uint64_t
number_in(kist_slice text)
{
    char digits[32] = "";

    if (text.size > 0) {
        memcpy(digits, text.data, text.size < 31 ? text.size : 31);
    }
    return strtoull(digits, NULL, 10);
}

static kist_status
write_number(kist_buf *buf, uint64_t number)
{
    char text[32];
    const int size =
        snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

    kist_buf_clear(buf);
    return kist_buf_append(buf, text, (size_t)size);
}

static kist_decision
add_one(void *context, const kist_slice *current, kist_buf *next)
{
    (void)context;
    return write_number(next, current == NULL ? 1 : number_in(*current) + 1) ==
                   KIST_OK
               ? KIST_REPLACE
               : KIST_KEEP;
}

/* The same by hand: get, put if it is still so. */
static kist_status
add_one_if(kist_store *store, const char *key)
{
    kist_condition condition = {.rule = KIST_IF_SAME,
                                .fetch = KIST_FETCH_NEVER};
    kist_outcome outcome = {.satisfied = false};
    kist_buf value = {0};
    kist_status status = KIST_OK;

    while (status == KIST_OK && !outcome.satisfied) {
        status =
            kist_store_get(store, kist_str(key), &value, &condition.expected);
        if (status == KIST_ERR_NOTFOUND) {
            condition.expected.size = 0;
            kist_buf_clear(&value);
            status = KIST_OK;
        }
        if (status == KIST_OK) {
            status =
                write_number(&value, number_in(kist_buf_slice(&value)) + 1);
        }
        if (status == KIST_OK) {
            status =
                kist_store_put_if(store, kist_str(key), kist_buf_slice(&value),
                                  &condition, NULL, &outcome);
        }
    }
    kist_buf_fini(&value);
    return status;
}

static int
count_up(void *argument)
{
    race *at = argument;
    kist_store *store;

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint32_t i = 0; i < at->times; i++) {
        const char *key = counters[(i + at->number) % COUNTERS];

        if ((i + at->number) % 3 == 0) {
            KT_CHILD(at->shared, KIST_OK, add_one_if(store, key));
        }
        else {
            KT_CHILD(at->shared, KIST_OK,
                     kist_store_transform(store, kist_str(key), add_one, NULL,
                                          SIZE_MAX, NULL));
        }
    }
    kist_store_close(store);
    return 0;
}

static void
count(void **state, kist_store_durability durability, uint32_t times)
{
    race at;
    uint64_t sum = 0;

    race_init(&at, state);
    at.options.durability = durability;
    at.times = times;
    KT_OK(kist_store_open_dir(at.path, &at.options, &at.store));
    run(&at, count_up);
    for (size_t i = 0; i < COUNTERS; i++) {
        kist_buf value = {0};

        KT_OK(kist_store_get(at.store, kist_str(counters[i]), &value, NULL));
        sum += number_in(kist_buf_slice(&value));
        kist_buf_fini(&value);
    }
    assert_int_equal(sum, (uint64_t)PROCESSES * times);
    race_fini(&at);
}

/* Goal: no process's change is lost under another's.
 * Method: eight count, by transform and by put_if; the sum is exact. */
static void
test_counters_are_exact(void **state)
{
    count(state, KIST_STORE_NONE, 500);
}

static void
test_counters_are_exact_at_sync(void **state)
{
    count(state, KIST_STORE_SYNC, 100);
}

static void
test_counters_are_exact_at_group(void **state)
{
    count(state, KIST_STORE_GROUP, 100);
}

/* --- once --------------------------------------------------------------- */

static void
key_name(uint32_t index, char name[32])
{
    snprintf(name, 32, index % 3 == 0 ? "k%u" : "d%u/e/k", index);
}

/* One of three ways to put what is not there; *won: it was us. */
static kist_status
put_once(kist_store *store, uint32_t way, const char *name, kist_slice value,
         bool *won)
{
    kist_condition condition = {.rule = way == 0 ? KIST_IF_ANY : KIST_IF_SAME,
                                .fetch = KIST_FETCH_ALWAYS};
    kist_outcome outcome;
    kist_buf seen = {0};
    kist_status status;

    if (way == 0) {
        status = kist_store_put_new_if(store, kist_str(name), value,
                                       &condition, &seen, &outcome);
    }
    else if (way == 1) {
        status = kist_store_put_if(store, kist_str(name), value, &condition,
                                   &seen, &outcome);
    }
    else { // append-only
        status = kist_store_put(store, kist_str(name), value, NULL);
        *won = status == KIST_OK;
        return status == KIST_ERR_POLICY ? KIST_OK : status;
    }
    if (status == KIST_OK) {
        *won = outcome.found == KIST_FOUND_GIVEN;
        if (!*won && (outcome.found != KIST_FOUND_VALUE || seen.size == 0)) {
            status = KIST_ERR_CORRUPT; // whoever loses is shown the winner
        }
    }
    kist_buf_fini(&seen);
    return status;
}

static int
make_keys(void *argument)
{
    race *at = argument;
    kist_store *store;

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint32_t i = 0; i < KEYS; i++) {
        char name[32];
        char text[32];
        bool won = false;

        key_name(i, name);
        snprintf(text, sizeof(text), "%u", at->number + 1);
        KT_CHILD(at->shared, KIST_OK,
                 put_once(store, at->times, name, kist_str(text), &won));
        if (won) {
            atomic_store(&at->winners[i], at->number + 1);
            atomic_fetch_add(&at->winners[KEYS + i], 1);
        }
    }
    kist_store_close(store);
    return 0;
}

static int
remove_keys(void *argument)
{
    race *at = argument;
    kist_store *store;

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint32_t i = 0; i < KEYS; i++) {
        char name[32];
        kist_status status;

        key_name(i, name);
        status = kist_store_remove(store, kist_str(name));
        KT_CHILD(at->shared, true,
                 status == KIST_OK || status == KIST_ERR_NOTFOUND);
        if (status == KIST_OK) {
            atomic_fetch_add(&at->winners[KEYS + i], 1);
        }
    }
    kist_store_close(store);
    return 0;
}

static void
make_once(void **state, uint32_t way)
{
    race at;

    race_init(&at, state);
    at.options.append_only = way == 2;
    at.times = way;
    KT_OK(kist_store_open_dir(at.path, &at.options, &at.store));
    run(&at, make_keys);
    for (uint32_t i = 0; i < KEYS; i++) {
        kist_buf value = {0};
        char name[32];

        key_name(i, name);
        KT_CHECK(atomic_load(&at.winners[KEYS + i]) == 1, "%u won %s",
                 atomic_load(&at.winners[KEYS + i]), name);
        KT_OK(kist_store_get(at.store, kist_str(name), &value, NULL));
        assert_int_equal(number_in(kist_buf_slice(&value)),
                         atomic_load(&at.winners[i]));
        kist_buf_fini(&value);
    }
    race_fini(&at);
}

/* Goal: of those who create a key at once, exactly one is told that he did,
 * and it is his value that is there.
 * Method: eight processes, 400 keys, each way to create. */
static void
test_one_creates_by_put_new_if(void **state)
{
    make_once(state, 0);
}

static void
test_one_creates_by_put_if(void **state)
{
    make_once(state, 1);
}

static void
test_one_creates_in_an_append_only_store(void **state)
{
    make_once(state, 2);
}

/* Goal: of those who remove a key at once, exactly one is told that he did;
 * directories that empty meanwhile trouble nobody. */
static void
test_one_removes(void **state)
{
    race at;
    uint64_t left;

    race_init(&at, state);
    KT_OK(kist_store_open_dir(at.path, &at.options, &at.store));
    for (uint32_t i = 0; i < KEYS; i++) {
        char name[32];

        key_name(i, name);
        KT_OK(kist_store_put(at.store, kist_str(name), kist_str("x"), NULL));
    }
    run(&at, remove_keys);
    for (uint32_t i = 0; i < KEYS; i++) {
        KT_CHECK(atomic_load(&at.winners[KEYS + i]) == 1, "%u removed %u",
                 atomic_load(&at.winners[KEYS + i]), i);
    }
    KT_OK(kist_store_count(at.store, &left));
    assert_int_equal(left, 0);
    race_fini(&at);
}

/* --- directories that come and go --------------------------------------- */

/* Puts, gets and removes a key of its own, in directories that all share. */
static int
come_and_go(void *argument)
{
    race *at = argument;
    kist_store *store;
    kist_buf value = {0};

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint32_t i = 0; i < at->times; i++) {
        char name[48];
        char text[32];

        snprintf(name, sizeof(name), "a/%s%u", i % 2 == 0 ? "b/c/" : "",
                 at->number);
        snprintf(text, sizeof(text), "%u", i);
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_put(store, kist_str(name), kist_str(text), NULL));
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_get(store, kist_str(name), &value, NULL));
        KT_CHILD(at->shared, i, number_in(kist_buf_slice(&value)));
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_remove(store, kist_str(name)));
        KT_CHILD(at->shared, KIST_ERR_NOTFOUND,
                 kist_store_get(store, kist_str(name), &value, NULL));
    }
    kist_buf_fini(&value);
    kist_store_close(store);
    return 0;
}

/* Goal: whoever takes the last value out of a directory, and the directory
 * with it, is in nobody's way.
 * Method: eight processes, each with one key in the same directories. */
static void
test_directories_come_and_go(void **state)
{
    race at;

    race_init(&at, state);
    at.times = 400;
    KT_OK(kist_store_open_dir(at.path, &at.options, &at.store));
    run(&at, come_and_go);
    race_fini(&at);
}

/* Many values at once, in all processes, from a store that they inherit. */
static int
put_many(void *argument)
{
    enum { MANY = 250 };
    race *at = argument;
    kist_store *store;
    char names[MANY][32];
    kist_slice keys[MANY];
    kist_slice values[MANY];

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "m%u-%u", at->number, i);
        keys[i] = kist_str(names[i]);
        values[i] = keys[i];
    }
    KT_CHILD(at->shared, KIST_OK,
             kist_store_put_many(store, keys, values, MANY, NULL));
    kist_store_close(store);
    return 0;
}

/* Goal: children of one process do not meet in their temporary files. */
static void
test_children_put_many(void **state)
{
    race at;
    uint64_t left;

    race_init(&at, state);
    KT_OK(kist_store_open_dir(at.path, &at.options, &at.store));
    KT_OK(kist_store_put(at.store, kist_str("x"), kist_str("x"), NULL));
    run(&at, put_many);
    KT_OK(kist_store_count(at.store, &left));
    assert_int_equal(left, PROCESSES * 250 + 1);
    race_fini(&at);
}

/* --- standing still ----------------------------------------------------- */

/* Writes until it is killed, or its parent is gone. */
static int
write_on(void *argument)
{
    race *at = argument;
    const pid_t parent = getppid();
    kist_store *store;

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint64_t i = 1; getppid() == parent; i++) {
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_put(store, kist_str("key"), kist_str(text), NULL));
        KT_CHILD(
            at->shared, KIST_OK,
            kist_store_put(store, kist_str("d/key"), kist_str(text), NULL));
        atomic_store(&at->shared->done, i);
    }
    return 1;
}

static void
read_beside(race *at, uint64_t done)
{
    static const char *const names[] = {"key", "d/key"};
    kist_buf value = {0};
    uint64_t left;
    kist_store *store;

    KT_OK(kist_store_open_dir(at->path, &at->options, &store));
    for (size_t i = 0; i < 2; i++) {
        kist_stat stat;

        KT_OK(kist_store_get(store, kist_str(names[i]), &value, NULL));
        KT_CHECK(number_in(kist_buf_slice(&value)) >= done,
                 "%s went back behind %llu", names[i],
                 (unsigned long long)done);
        KT_OK(kist_store_stat(store, kist_str(names[i]), &stat));
    }
    KT_OK(kist_store_count(store, &left));
    assert_int_equal(left, 2);
    kist_buf_fini(&value);
    kist_store_close(store);
}

/* Goal: a writer that stands still, wherever it is, holds up no reader, and
 * another writer no longer than he is willing to wait.
 * Method: SIGSTOP at 40 moments; read, and put, beside it. */
static void
test_stopped_writer(void **state)
{
    race at;
    pid_t child;
    int status;
    unsigned locked = 0;

    race_init(&at, state);
    at.options.lock_timeout_ms = 30;
    child = kt_spawn(write_on, &at);
    assert_true(kt_wait_word(&at.shared->ready, 1, WAIT_MS));
    atomic_store(&at.shared->go, 1);
    while (atomic_load(&at.shared->done) == 0) {
        kt_sleep_ms(1);
    }
    for (unsigned i = 0; i < 40; i++) {
        const uint64_t begun = kt_now_ms();
        kist_store *store;
        kist_status put;

        usleep(200 + i * 37);
        kill(child, SIGSTOP);
        waitpid(child, &status, WUNTRACED);
        KT_CHECK(WIFSTOPPED(status), "it ended: %s", at.shared->why);
        read_beside(&at, atomic_load(&at.shared->done));
        KT_OK(kist_store_open_dir(at.path, &at.options, &store));
        put =
            kist_store_put(store, kist_str("key"), kist_str("99999999"), NULL);
        KT_CHECK(put == KIST_OK || put == KIST_ERR_LOCKED, "%s",
                 kist_status_name(put));
        locked += put == KIST_ERR_LOCKED;
        kist_store_close(store);
        kill(child, SIGCONT);
        KT_CHECK(kt_now_ms() - begun < 5000, "took %llu ms",
                 (unsigned long long)(kt_now_ms() - begun));
    }
    print_message("           stopped with the lock %u times\n", locked);
    kill(child, SIGKILL);
    (void)kt_wait(child, WAIT_MS);
    race_fini(&at);
}

/* --- the directory is removed ------------------------------------------- */

static int
remove_one(const char *path, const struct stat *status, int type,
           struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    (void)remove(path);
    return 0;
}

/* Puts and gets while the directory vanishes. */
static int
go_on(void *argument)
{
    race *at = argument;
    kist_store *store;
    kist_buf value = {0};

    KT_CHILD(at->shared, KIST_OK, begin(at, &store));
    for (uint32_t i = 0; i < at->times; i++) {
        char name[48];
        kist_status status;

        snprintf(name, sizeof(name), "%s%u", i % 2 == 0 ? "" : "x/y/",
                 at->number);
        KT_CHILD(at->shared, KIST_OK,
                 kist_store_put(store, kist_str(name), kist_str(name), NULL));
        status = kist_store_get(store, kist_str(name), &value, NULL);
        KT_CHILD(at->shared, true,
                 status == KIST_ERR_NOTFOUND ||
                     (status == KIST_OK && value.size == strlen(name) &&
                      memcmp(value.data, name, value.size) == 0));
        status = kist_store_remove(store, kist_str(name));
        KT_CHILD(at->shared, true,
                 status == KIST_OK || status == KIST_ERR_NOTFOUND);
    }
    kist_buf_fini(&value);
    kist_store_close(store);
    return 0;
}

/* Goal: who removes the directory removes its values, and does no other harm:
 * the next put makes it again.
 * Method: remove all of it, again and again, while four processes put. */
static void
test_directory_is_removed(void **state)
{
    race at;
    race each[4];
    pid_t children[4];
    bool alive = true;
    kist_buf value = {0};

    race_init(&at, state);
    at.times = 2000;
    KT_OK(kist_store_open_dir(at.path, &at.options, &at.store));
    for (uint32_t i = 0; i < 4; i++) {
        each[i] = at;
        each[i].number = i;
        children[i] = kt_spawn(go_on, &each[i]);
    }
    assert_true(kt_wait_word(&at.shared->ready, 4, WAIT_MS));
    atomic_store(&at.shared->go, 1);
    while (alive) {
        siginfo_t info = {.si_pid = 0};

        (void)nftw(at.path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
        usleep(300);
        alive = waitid(P_PID, (id_t)children[0], &info,
                       WEXITED | WNOHANG | WNOWAIT) == 0 &&
                info.si_pid == 0;
    }
    for (uint32_t i = 0; i < 4; i++) {
        const int result = kt_wait(children[i], WAIT_MS);

        KT_CHECK(result == 0, "process %u ended with %d: %s", i, result,
                 at.shared->why);
    }
    (void)nftw(at.path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("k"), &value, NULL));
    KT_OK(kist_store_put(at.store, kist_str("k"), kist_str("v"), NULL));
    KT_OK(kist_store_get(at.store, kist_str("k"), &value, NULL));
    kist_buf_fini(&value);
    race_fini(&at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_counters_are_exact),
        KT_TEST(test_counters_are_exact_at_sync),
        KT_TEST(test_counters_are_exact_at_group),
        KT_TEST(test_one_creates_by_put_new_if),
        KT_TEST(test_one_creates_by_put_if),
        KT_TEST(test_one_creates_in_an_append_only_store),
        KT_TEST(test_one_removes),
        KT_TEST(test_directories_come_and_go),
        KT_TEST(test_children_put_many),
        KT_TEST(test_stopped_writer),
        KT_TEST(test_directory_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
