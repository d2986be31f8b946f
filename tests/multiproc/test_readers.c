/*
 * P18: what readers see beside a busy writer in another process.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/procs.h"
#include "support/script.h"

#define RESERVE (64u << 20)
#define STABLE  300u
#define BUSY    200u

static const kist_options plain = {.map_reserve = RESERVE};

typedef struct beside {
    const kt_place *place;
    kt_shared *shared;
} beside;

/* Stable keys "s<n>" hold n and are never touched; busy ones "b<n>" come and
 * go, and hold a number that only grows. */
static int
write_busily(void *argument)
{
    beside *b = argument;
    uint64_t random = b->place->seed;
    kist *k;
    kist_dict *dict;
    kist_list *list;

    KT_CHILD(b->shared, KIST_OK, kist_open(b->place->path, &plain, &k));
    KT_CHILD(b->shared, KIST_OK,
             kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_CHILD(b->shared, KIST_OK,
             kist_list_open(k, kist_str("l"), KIST_INT, &list));
    for (int64_t i = 1; atomic_load(&b->shared->go) == 0; i++) {
        const kist_value value = kist_int(i);
        const uint64_t draw = kt_random(&random);
        char key[24];
        kist_status status;

        snprintf(key, sizeof(key), "b%llu", (unsigned long long)(draw % BUSY));
        status = draw / BUSY % 3 == 0
                     ? kist_dict_remove(dict, kist_str(key))
                     : kist_dict_put(dict, kist_str(key), &value);
        if (status != KIST_OK && status != KIST_ERR_NOTFOUND) {
            return kt_child_fails(b->shared, "write");
        }
        KT_CHILD(b->shared, KIST_OK, kist_list_append(list, &value));
        if (i % 20000 == 0) {
            KT_CHILD(b->shared, KIST_OK, kist_compact(k, NULL, NULL));
        }
        atomic_store(&b->shared->done, (uint64_t)i);
    }
    kist_list_close(list);
    kist_dict_close(dict);
    KT_CHILD(b->shared, KIST_OK, kist_close(k));
    return 0;
}

/* Every stable key once, every value what its key holds. */
static int
scan_once(kt_shared *shared, kist_dict *dict, bool reverse)
{
    const kist_scan_options options = {.reverse = reverse};
    uint8_t seen[STABLE] = {0};
    uint32_t count = 0;
    kist_scan *scan;
    kist_slice key;
    kist_value value;
    kist_status status;

    KT_CHILD(shared, KIST_OK, kist_dict_scan(dict, &options, &scan));
    while ((status = kist_scan_next(scan, &key, &value)) == KIST_OK) {
        char text[32];
        unsigned long number;

        snprintf(text, sizeof(text), "%.*s", (int)key.size,
                 (const char *)key.data);
        number = strtoul(text + 1, NULL, 10);
        if (text[0] != 's') {
            continue;
        }
        if (number >= STABLE || seen[number] != 0 ||
            value.as.integer != (int64_t)number) {
            return kt_child_fails(shared, "a stable key came twice or wrong");
        }
        seen[number] = 1;
        count++;
    }
    kist_scan_close(scan);
    if (status != KIST_END || count != STABLE) {
        return kt_child_fails(shared, "a scan ended early or missed keys");
    }
    return 0;
}

/* Stable keys are always there; a number that was written before the read
 * began is not read older. */
static int
get_some(kt_shared *shared, kist_dict *dict, uint64_t *random, int64_t *newest)
{
    for (int i = 0; i < 200; i++) {
        const uint64_t draw = kt_random(random);
        const uint64_t stable = draw % STABLE;
        const uint64_t busy = draw / STABLE % BUSY;
        kist_value value;
        kist_status status;
        char key[24];

        snprintf(key, sizeof(key), "s%llu", (unsigned long long)stable);
        KT_CHILD(shared, KIST_OK, kist_dict_get(dict, kist_str(key), &value));
        if (value.as.integer != (int64_t)stable) {
            return kt_child_fails(shared, "a stable key has changed");
        }
        snprintf(key, sizeof(key), "b%llu", (unsigned long long)busy);
        status = kist_dict_get(dict, kist_str(key), &value);
        if (status == KIST_OK) {
            if (value.as.integer < newest[busy]) {
                return kt_child_fails(shared, "a key went back in time");
            }
            newest[busy] = value.as.integer;
        }
        else if (status != KIST_ERR_NOTFOUND) {
            return kt_child_fails(shared, "get");
        }
    }
    return 0;
}

/* An append that had returned before the call is seen by it; item i of a list
 * that only grows is i + 1. */
static int
look_at_list(kt_shared *shared, kist_list *list)
{
    const uint64_t done = atomic_load(&shared->done);
    kist_value value;
    uint64_t count;

    KT_CHILD(shared, KIST_OK, kist_list_count(list, &count));
    if (count < done) {
        return kt_child_fails(shared, "an acknowledged append is not seen");
    }
    if (count > 0) {
        KT_CHILD(shared, KIST_OK, kist_list_get(list, count - 1, &value));
        if (value.as.integer != (int64_t)count) {
            return kt_child_fails(shared, "the list's last item is wrong");
        }
        KT_CHILD(shared, KIST_OK, kist_list_get(list, count / 2, &value));
        if (value.as.integer != (int64_t)(count / 2 + 1)) {
            return kt_child_fails(shared, "a list item is wrong");
        }
    }
    return 0;
}

static int
read_beside(void *argument)
{
    beside *b = argument;
    uint64_t random = b->place->seed + 1;
    int64_t newest[BUSY] = {0};
    kist *k;
    kist_dict *dict;
    kist_list *list;
    int answer = 0;

    KT_CHILD(b->shared, KIST_OK, kist_open(b->place->path, &plain, &k));
    KT_CHILD(b->shared, KIST_OK,
             kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    KT_CHILD(b->shared, KIST_OK,
             kist_list_open(k, kist_str("l"), KIST_INT, &list));
    while (answer == 0 && atomic_load(&b->shared->go) == 0) {
        answer = scan_once(b->shared, dict, false);
        answer = answer != 0 ? answer : scan_once(b->shared, dict, true);
        answer =
            answer != 0 ? answer : get_some(b->shared, dict, &random, newest);
        answer = answer != 0 ? answer : look_at_list(b->shared, list);
        atomic_fetch_add(&b->shared->values[0], 1);
    }
    kist_list_close(list);
    kist_dict_close(dict);
    (void)kist_close(k);
    return answer;
}

static void *
read_in_thread(void *argument)
{
    static int failed = 1;

    return read_beside(argument) == 0 ? NULL : &failed;
}

/* Goal: reads beside a writer are current, scans neither miss nor repeat what
 * is not touched, through compactions too.
 * Method: one writing process, two reading ones and two reading threads. */
static void
test_p18_readers_beside_a_writer(void **state)
{
    kt_shared *shared = kt_shared_new();
    beside b = {*state, shared};
    pthread_t threads[2];
    pid_t writer;
    pid_t readers[2];
    kist *k;
    kist_dict *dict;

    KT_OK(kist_open(b.place->path, &plain, &k));
    KT_OK(kist_dict_open(k, kist_str("d"), KIST_INT, &dict));
    for (int64_t i = 0; i < STABLE; i++) {
        const kist_value value = kist_int(i);
        char key[24];

        snprintf(key, sizeof(key), "s%lld", (long long)i);
        KT_OK(kist_dict_put(dict, kist_str(key), &value));
    }
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    writer = kt_spawn(write_busily, &b);
    readers[0] = kt_spawn(read_beside, &b);
    readers[1] = kt_spawn(read_beside, &b);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_in_thread, &b),
                         0);
    }
    kt_sleep_ms(3000);
    atomic_store(&shared->go, 1);
    KT_CHECK(kt_wait(writer, 20000) == 0, "writer: %s", shared->why);
    for (int i = 0; i < 2; i++) {
        void *failed;

        KT_CHECK(kt_wait(readers[i], 20000) == 0, "reader: %s", shared->why);
        pthread_join(threads[i], &failed);
        KT_CHECK(failed == NULL, "reading thread: %s", shared->why);
    }
    print_message("           %llu writes, %llu rounds of reading\n",
                  (unsigned long long)atomic_load(&shared->done),
                  (unsigned long long)atomic_load(&shared->values[0]));
    assert_true(atomic_load(&shared->done) > 1000);
    assert_true(atomic_load(&shared->values[0]) > 10);
    kt_shared_free(shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p18_readers_beside_a_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
