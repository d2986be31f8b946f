#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storebed.h"
#include "support/failalloc.h"

static kist_store *
open_memory(bool append_only)
{
    kist_store_options options;
    kist_store *store;

    kist_store_options_init(&options);
    options.append_only = append_only;
    KT_OK(kist_store_open_memory(&options, &store));
    return store;
}

/*
 * Goal    each conditional call does what the contract says, in every case.
 * Method  all combinations, on a plain store and on one that keeps.
 */
static void
test_oracle(void **state)
{
    kist_store *store = open_memory(false);

    (void)state;
    assert_int_equal(kt_store_oracle(store, KT_STORE_PLAIN), 180);
    kist_store_close(store);
    store = open_memory(true);
    assert_int_equal(kt_store_oracle(store, KT_STORE_APPEND_ONLY), 180);
    kist_store_close(store);
}

/*
 * Goal    the store does what a model does, step by step.
 * Method  random histories: of a store, of a sub-store of one that holds
 *         other things, of one format beside another.
 */
static void
test_histories(void **state)
{
    const kt_place *place = *state;
    kist_store *store = open_memory(false);
    kist_store *sub;
    kist_store *other;

    kt_store_history(store, KT_STORE_PLAIN, place->seed, 20000);
    kt_store_put(store, "s/t", "beside");
    kt_store_put(store, "s/tt/u", "beside");
    KT_OK(kist_store_sub(store, kist_str("s/t"), &sub));
    kt_store_history(sub, KT_STORE_PLAIN, place->seed + 1, 5000);
    kt_store_check_keys(store, "s/t s/tt/u");
    KT_OK(kist_store_reformat(sub, "txt", &other));
    kt_store_put(sub, "a", "beside");
    kt_store_history(other, KT_STORE_PLAIN, place->seed + 2, 5000);
    kt_store_check_keys(sub, "a");
    kt_store_check_keys(store, "s/t s/t/a s/tt/u");
    kist_store_close(store);
    kt_store_check_value(sub, "a", "beside", NULL);
    kist_store_close(sub);
    kist_store_close(other);

    store = open_memory(true);
    kt_store_history(store, KT_STORE_APPEND_ONLY, place->seed + 3, 5000);
    kist_store_close(store);
}

/*
 * Goal    threads lose no change, and one of them makes a key.
 * Method  eight of them count, and insert.
 */
static void
test_threads(void **state)
{
    kist_store *store = open_memory(false);

    (void)state;
    kt_store_counters(store, 8, 3, 5000);
    kt_store_inserts(store, 8, 2000);
    kist_store_close(store);
}

/*
 * Goal    scans give keys in the order in which they came, whatever is put,
 *         removed and moved meanwhile; what stays comes once.
 * Method  a scan of 1000 keys, while half are removed, the others overwritten
 *         and thousands added and removed, so that entries move.
 */
static void
test_order(void **state)
{
    kist_store *store = open_memory(false);
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;
    unsigned expected = 0;
    unsigned added = 0;
    char key[32];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        kt_store_put(store, key, "v");
    }
    KT_OK(kist_store_scan_open(store, NULL, &scan));
    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        char met[32] = "";

        memcpy(met, item.key.data, item.key.size);
        if (met[0] == 'x') {
            // All that was added and stayed comes, too, once, in its order.
            snprintf(key, sizeof(key), "x%u", added);
            assert_string_equal(met, key);
            for (unsigned i = 0; i < 20; i++) {
                kt_store_put(store, "y", "v");
                KT_OK(kist_store_remove(store, kist_str("y")));
            }
            added += 2;
            continue;
        }
        snprintf(key, sizeof(key), "k%u", expected);
        assert_string_equal(met, key);
        kt_store_put(store, met, "again");
        snprintf(key, sizeof(key), "k%u", expected + 1);
        KT_OK(kist_store_remove(store, kist_str(key)));
        for (unsigned i = 0; i < 10; i++) {
            snprintf(key, sizeof(key), "x%u", expected + i * 1000);
            kt_store_put(store, key, "v");
            if (i > 0) {
                KT_OK(kist_store_remove(store, kist_str(key)));
            }
        }
        expected += 2;
    }
    KT_ANSWERS(KIST_END, status);
    assert_int_equal(expected, 1000);
    assert_int_equal(added, 1000);
    kist_store_scan_close(scan);
    kist_store_close(store);
}

/*
 * Goal    each key is as likely as the others, also after removals.
 * Method  10 keys, of which some are holes; 10 000 draws; and a sub-store.
 */
static void
test_random(void **state)
{
    kist_store *store = open_memory(false);
    kist_store *sub;
    unsigned counts[20] = {0};
    kist_buf drawn = {0};
    char key[32];

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "s/%c", 'a' + (int)i);
        kt_store_put(store, key, "v");
    }
    for (unsigned i = 0; i < 20; i += 2) {
        snprintf(key, sizeof(key), "s/%c", 'a' + (int)i);
        KT_OK(kist_store_remove(store, kist_str(key)));
    }
    KT_OK(kist_store_sub(store, kist_str("s"), &sub));
    for (unsigned i = 0; i < 10000; i++) {
        KT_OK(kist_store_random(i % 2 == 0 ? store : sub, &drawn));
        assert_int_equal(drawn.size, i % 2 == 0 ? 3 : 1);
        counts[drawn.data[drawn.size - 1] - 'a']++;
    }
    for (unsigned i = 0; i < 20; i++) {
        // 1000 expected; 30 is the standard deviation
        assert_true(i % 2 == 0 ? counts[i] == 0
                               : counts[i] > 800 && counts[i] < 1200);
    }
    kist_buf_fini(&drawn);
    kist_store_close(sub);
    kist_store_close(store);
}

/*
 * Goal    options out of range, keys that are none, values that are too big
 *         and writing to what is read-only are refused, and change nothing.
 * Method  each of them.
 */
static void
test_refusals(void **state)
{
    static const char *const formats[] = {"", "a b", "a/b",
                                          "a2345678901234567890123456789012x"};
    const kist_condition c = {.rule = KIST_IF_ANY, .fetch = KIST_FETCH_NEVER};
    const kist_condition wrong = {.rule = (kist_if)3};
    const kist_condition wants = {.rule = KIST_IF_ANY};
    kist_store_options options;
    kist_outcome outcome;
    kist_store *store;
    kist_buf value = {0};
    kist_slice keys[2] = {kist_str("good"), kist_str("../bad")};
    kist_slice values[2] = {kist_str("1"), kist_str("2")};
    kist_status statuses[2];
    kist_buf bufs[2] = {{0}};
    uint64_t count;

    (void)state;
    kist_store_options_init(&options);
    for (size_t i = 0; i < KT_COUNT(formats); i++) {
        options.format = formats[i];
        KT_ANSWERS(KIST_ERR_INVALID, kist_store_open_memory(&options, &store));
        assert_null(store);
    }
    options.format = "a23456789012345678901234567890_2";
    options.durability = (kist_store_durability)3;
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_open_memory(&options, &store));
    options.durability = KIST_STORE_NONE;
    options.value_size_max = 3;
    KT_OK(kist_store_open_memory(&options, &store));
    KT_ANSWERS(KIST_ERR_TOOBIG,
               kist_store_put(store, kist_str("k"), kist_str("four"), NULL));
    KT_ANSWERS(KIST_ERR_TOOBIG,
               kist_store_put_if(store, kist_str("k"), kist_str("four"), &c,
                                 NULL, &outcome));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_get(store, kist_str("/"), &value, NULL));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_put(store, kist_str(""), kist_str("1"), NULL));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_remove(store, kist_str("..")));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_get_if(store, kist_str("k"),
                                                   &wrong, &value, &outcome));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_get_if(store, kist_str("k"),
                                                   &wants, NULL, &outcome));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_sub(store, kist_str("a/"), &(kist_store *){NULL}));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_get_many(store, keys, 2, bufs, statuses));

    // Of many, each is told how it went.
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_put_many(store, keys, values, 2, statuses));
    KT_OK(statuses[0]);
    assert_int_equal(statuses[1], KIST_ERR_INVALID);
    kt_store_check_keys(store, "good");
    kist_store_close(store);

    options.read_only = true;
    KT_OK(kist_store_open_memory(&options, &store));
    KT_ANSWERS(KIST_ERR_READONLY,
               kist_store_put(store, kist_str("k"), kist_str("1"), NULL));
    KT_ANSWERS(KIST_ERR_READONLY, kist_store_remove(store, kist_str("k")));
    KT_ANSWERS(KIST_ERR_READONLY, kist_store_clear(store, &count));
    KT_ANSWERS(KIST_ERR_READONLY,
               kist_store_remove_if(store, kist_str("k"), &c, &outcome));
    kt_store_check_keys(store, "");
    kist_store_close(store);
    kist_store_close(NULL);
    kist_buf_fini(&value);
}

static kist_status
all_calls(kist_store *store)
{
    const kist_condition c = {.rule = KIST_IF_ANY};
    const kist_store_scan_options newest = {
        .values = true, .stats = true, .order = KIST_ORDER_NEWEST};
    kist_store_scan *scan = NULL;
    kist_store *sub = NULL;
    kist_store_item item;
    kist_outcome outcome;
    kist_buf value = {0};
    kist_buf key = {0};
    kist_status status =
        kist_store_put(store, kist_str("new/key"), kist_str("value"), NULL);

    if (status == KIST_OK) {
        status = kist_store_put_new_if(
            store, kist_str("other"), kist_str("value"), &c, &value, &outcome);
    }
    if (status == KIST_OK) {
        status = kist_store_get(store, kist_str("key"), &value, NULL);
    }
    if (status == KIST_OK) {
        status = kist_store_sub(store, kist_str("new"), &sub);
    }
    if (status == KIST_OK) {
        status = kist_store_random(sub, &key);
    }
    if (status == KIST_OK) {
        status = kist_store_scan_open(store, &newest, &scan);
    }
    while (status == KIST_OK) {
        status = kist_store_scan_next(scan, &item);
    }
    kist_store_scan_close(scan);
    kist_store_close(sub);
    kist_buf_fini(&value);
    kist_buf_fini(&key);
    return status == KIST_END ? KIST_OK : status;
}

/*
 * Goal    without memory a call answers NOMEM, and what was there stays.
 * Method  many calls in a row, with their 1st, 2nd, 3rd ... allocation
 *         failing, once and from then on; nothing leaks (ASan).
 */
static void
test_no_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (int forever = 0; forever < 2; forever++) {
        bool hit = true;

        for (uint64_t nth = 1; hit; nth++) {
            kist_store *store = open_memory(false);
            kist_status status;

            kt_store_put(store, "key", "present");
            kt_alloc_fail(nth, forever == 1);
            status = all_calls(store);
            hit = kt_alloc_hit();
            kt_alloc_heal();
            // A buffer may do with less than it asked for.
            if (!hit || status != KIST_OK) {
                KT_ANSWERS(hit ? KIST_ERR_NOMEM : KIST_OK, status);
                failures += hit;
            }
            kt_store_check_value(store, "key", "present", NULL);
            KT_OK(all_calls(store));
            kt_store_check_keys(store, "key new/key other");
            kist_store_close(store);
        }
    }
    assert_true(failures > 15);
    for (uint64_t nth = 1; nth <= 3; nth++) {
        kist_store *store = NULL;

        kt_alloc_fail(nth, false);
        KT_ANSWERS(KIST_ERR_NOMEM, kist_store_open_memory(NULL, &store));
        kt_alloc_heal();
        assert_null(store);
    }
}

typedef struct putter {
    kist_store *store;
    _Atomic bool stop;
} putter;

static void *
put_for_ever(void *context)
{
    putter *p = context;

    while (!p->stop) {
        if (kist_store_put(p->store, kist_str("k"), kist_str("v"), NULL) !=
            KIST_OK) {
            abort();
        }
    }
    return NULL;
}

/*
 * Goal    a child of fork() may use the store, whatever threads of the parent
 *         were doing.
 * Method  threads that put for ever, and children that each put and get.
 */
static void
test_fork(void **state)
{
    putter p = {.store = open_memory(false)};
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, put_for_ever, &p),
                         0);
    }
    for (int i = 0; i < 100; i++) {
        const pid_t child = fork();
        int status = 0;

        assert_true(child >= 0);
        if (child == 0) {
            kist_store *own;
            kist_buf value = {0};
            bool good = kist_store_put(p.store, kist_str("child"),
                                       kist_str("c"), NULL) == KIST_OK;

            good = good && kist_store_get(p.store, kist_str("child"), &value,
                                          NULL) == KIST_OK;
            good = good && kist_store_open_memory(NULL, &own) == KIST_OK;
            _exit(good ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    p.stop = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    kt_store_check_keys(p.store, "k");
    kist_store_close(p.store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),    KT_TEST(test_histories),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_order),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
