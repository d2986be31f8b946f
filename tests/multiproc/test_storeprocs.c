/*
 * Processes that share the directory of a store: no change is lost, a key is
 * made once, and copies are never stale.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kist/store.h"
#include "support/procs.h"
#include "support/script.h"

#define PROCESSES  8
#define INCREMENTS 250
#define KEYS       100
#define TIMEOUT_MS 300000

/* Which of the shared values counts what. */
enum { WINS, REFUSED };

typedef struct worker {
    const kt_place *place;
    kt_shared *shared;
    kist_store *inherited; // opened by the parent
    unsigned number;
} worker;

static kist_status
open_dir(const kt_place *place, const char *format, bool append_only,
         kist_store **store)
{
    kist_store_options options;

    kist_store_options_init(&options);
    options.format = format;
    options.append_only = append_only;
    options.durability = KIST_STORE_NONE;
    return kist_store_open_dir(place->path, &options, store);
}

/* Runs `work` in as many processes, which begin together. */
static void
run_all(const kt_place *place, kt_shared *shared, kist_store *inherited,
        int (*work)(void *worker))
{
    worker workers[PROCESSES];
    pid_t children[PROCESSES];

    for (unsigned i = 0; i < PROCESSES; i++) {
        workers[i] = (worker){.place = place,
                              .shared = shared,
                              .inherited = inherited,
                              .number = i};
        children[i] = kt_spawn(work, &workers[i]);
    }
    assert_true(kt_wait_word(&shared->ready, PROCESSES, TIMEOUT_MS));
    atomic_store(&shared->go, 1);
    for (unsigned i = 0; i < PROCESSES; i++) {
        const int answer = kt_wait(children[i], TIMEOUT_MS);

        KT_CHECK(answer == 0, "process %u: %d: %s", i, answer, shared->why);
    }
}

static bool
begin_together(kt_shared *shared)
{
    atomic_fetch_add(&shared->ready, 1);
    return kt_wait_word(&shared->go, 1, TIMEOUT_MS);
}

static uint64_t
parse(const kist_buf *value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < value->size; i++) {
        number = number * 10 + (uint64_t)(value->data[i] - '0');
    }
    return number;
}

static kist_decision
add_one(void *context, const kist_slice *current, kist_buf *next)
{
    kist_buf value = {0};
    char text[24];

    (void)context;
    if (current != NULL) {
        value.data = (uint8_t *)(uintptr_t)current->data;
        value.size = current->size;
    }
    snprintf(text, sizeof(text), "%" PRIu64, parse(&value) + 1);
    return kist_buf_append(next, text, strlen(text)) == KIST_OK ? KIST_REPLACE
                                                                : KIST_KEEP;
}

/* The other way: what was refused says by what. */
static kist_status
add_by_put(kist_store *store, kist_slice key)
{
    kist_condition c = {.rule = KIST_IF_SAME, .fetch = KIST_FETCH_ALWAYS};
    kist_buf value = {0};
    kist_outcome outcome = {.satisfied = false};
    kist_status status;

    do {
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, parse(&value) + 1);
        status = kist_store_put_if(store, key, kist_str(text), &c, &value,
                                   &outcome);
        c.expected = outcome.after;
    } while (status == KIST_OK && !outcome.satisfied);
    kist_buf_fini(&value);
    return status;
}

/* Half of them use what the parent had opened, the others open their own. */
static int
count_up(void *context)
{
    const worker *w = context;
    kist_store *store = w->inherited;

    if (w->number % 2 == 0) {
        KT_CHILD(w->shared, KIST_OK,
                 open_dir(w->place, "json", false, &store));
    }
    if (!begin_together(w->shared)) {
        return kt_child_fails(w->shared, "never began");
    }
    for (unsigned i = 0; i < INCREMENTS; i++) {
        const kist_slice key = kist_str(i % 2 == 0 ? "counter" : "deep/er/c");

        if (i % 4 < 2) {
            KT_CHILD(w->shared, KIST_OK,
                     kist_store_transform(store, key, add_one, NULL, SIZE_MAX,
                                          NULL));
        }
        else {
            KT_CHILD(w->shared, KIST_OK, add_by_put(store, key));
        }
    }
    if (store != w->inherited) {
        kist_store_close(store);
    }
    return 0;
}

/*
 * Goal    compare-and-swap between processes loses nothing.
 * Method  eight processes count in two keys, by transform and by put_if; the
 *         sum is exact.
 */
static void
test_counters(void **state)
{
    const kt_place *place = *state;
    kt_shared *shared = kt_shared_new();
    kist_buf value = {0};
    kist_store *store;
    uint64_t sum;

    KT_OK(open_dir(place, "json", false, &store));
    run_all(place, shared, store, count_up);
    KT_OK(kist_store_get(store, kist_str("counter"), &value, NULL));
    sum = parse(&value);
    KT_OK(kist_store_get(store, kist_str("deep/er/c"), &value, NULL));
    assert_int_equal(sum + parse(&value), PROCESSES * INCREMENTS);
    kist_buf_fini(&value);
    kist_store_close(store);
    kt_shared_free(shared);
}

static int
put_once(void *context)
{
    const worker *w = context;
    const kist_condition c = {.rule = KIST_IF_ANY, .fetch = KIST_FETCH_ALWAYS};
    kist_buf value = {0};
    kist_store *store;
    char given[16];

    snprintf(given, sizeof(given), "by %u", w->number);
    KT_CHILD(w->shared, KIST_OK, open_dir(w->place, "json", true, &store));
    if (!begin_together(w->shared)) {
        return kt_child_fails(w->shared, "never began");
    }
    for (unsigned i = 0; i < 2 * KEYS; i++) {
        kist_outcome outcome;
        kist_status status;
        char key[32];

        snprintf(key, sizeof(key), "k%u/made", i);
        if (i < KEYS) {
            status =
                kist_store_put(store, kist_str(key), kist_str(given), NULL);
            if (status != KIST_OK && status != KIST_ERR_POLICY) {
                return kt_child_fails(w->shared, "put");
            }
            atomic_fetch_add(
                &w->shared->values[status == KIST_OK ? WINS : REFUSED], 1);
            continue;
        }
        KT_CHILD(w->shared, KIST_OK,
                 kist_store_put_new_if(store, kist_str(key), kist_str(given),
                                       &c, &value, &outcome));
        if (outcome.found == KIST_FOUND_GIVEN) {
            atomic_fetch_add(&w->shared->values[WINS], 1);
        }
        else if (outcome.found != KIST_FOUND_VALUE || value.size != 4) {
            return kt_child_fails(w->shared, "no value");
        }
    }
    kist_buf_fini(&value);
    kist_store_close(store);
    return 0;
}

/*
 * Goal    a key is made by one process, and all others are told so.
 * Method  eight processes put the same keys into an append-only store.
 */
static void
test_once(void **state)
{
    const kt_place *place = *state;
    kt_shared *shared = kt_shared_new();
    kist_store *store;
    uint64_t count;

    run_all(place, shared, NULL, put_once);
    assert_int_equal(shared->values[WINS], 2 * KEYS);
    assert_int_equal(shared->values[REFUSED], (PROCESSES - 1) * KEYS);
    KT_OK(open_dir(place, "json", true, &store));
    KT_OK(kist_store_count(store, &count));
    assert_int_equal(count, 2 * KEYS);
    kist_store_close(store);
    kt_shared_free(shared);
}

/* A put's value is one more than the number that it was told; so the number
 * of a key never falls, also not as a cached store tells it. */
static int
put_and_get(void *context)
{
    const worker *w = context;
    kist_store *main;
    kist_store *data;
    kist_store *etags;
    kist_store *store;
    kist_buf value = {0};
    uint64_t seed = w->place->seed + w->number;

    KT_CHILD(w->shared, KIST_OK, open_dir(w->place, "json", false, &main));
    KT_CHILD(w->shared, KIST_OK, open_dir(w->place, "copy", false, &data));
    KT_CHILD(w->shared, KIST_OK,
             open_dir(w->place, "copy_etag", false, &etags));
    KT_CHILD(w->shared, KIST_OK, kist_store_cached(main, data, etags, &store));
    if (!begin_together(w->shared)) {
        return kt_child_fails(w->shared, "never began");
    }
    for (unsigned i = 0; i < 2 * INCREMENTS; i++) {
        uint64_t least;

        KT_CHILD(w->shared, KIST_OK,
                 kist_store_get(main, kist_str("k"), &value, NULL));
        least = parse(&value);
        if (kt_random(&seed) % 4 == 0) {
            KT_CHILD(w->shared, KIST_OK,
                     kist_store_transform(store, kist_str("k"), add_one, NULL,
                                          SIZE_MAX, NULL));
            least++;
        }
        KT_CHILD(w->shared, KIST_OK,
                 kist_store_get(store, kist_str("k"), &value, NULL));
        if (parse(&value) < least) {
            return kt_child_fails(w->shared, "stale");
        }
    }
    kist_buf_fini(&value);
    kist_store_close(store);
    kist_store_close(etags);
    kist_store_close(data);
    kist_store_close(main);
    return 0;
}

/*
 * Goal    processes that share caches are told nothing stale.
 * Method  eight of them count up, and read, through caches in one directory;
 *         what they read is at least what main had before.
 */
static void
test_caches(void **state)
{
    const kt_place *place = *state;
    kt_shared *shared = kt_shared_new();
    kist_store *main;

    KT_OK(open_dir(place, "json", false, &main));
    KT_OK(kist_store_put(main, kist_str("k"), kist_str("0"), NULL));
    run_all(place, shared, NULL, put_and_get);
    kist_store_close(main);
    kt_shared_free(shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_counters),
        KT_TEST(test_once),
        KT_TEST(test_caches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
