/*
 * Append-only stores with copies elsewhere, and write-once stores.
 */
#include <math.h>
#include <stdio.h>

#include "meddler.h"
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

static kist_store *
open_cached(kist_store *main, kist_store *data)
{
    kist_store *store;

    KT_OK(kist_store_cached_appendonly(main, data, &store));
    kist_store_close(main);
    kist_store_close(data);
    return store;
}

/*
 * Goal    with a cache it is the append-only store that it was.
 * Method  the oracle, histories and races, with caches that may change, that
 *         may not, and that have nothing.
 */
static void
test_append(void **state)
{
    const kt_place *place = *state;

    for (int kind = 0; kind < 3; kind++) {
        kist_store *data = NULL;
        kist_store *store;

        if (kind == 2) {
            KT_OK(kist_store_open_null(NULL, &data));
        }
        else {
            data = open_memory(kind == 1);
        }
        store = open_cached(open_memory(true), data);
        kt_store_history(store, KT_STORE_APPEND_ONLY,
                         place->seed + (unsigned)kind, 3000);
        assert_int_equal(kt_store_oracle(store, KT_STORE_APPEND_ONLY), 180);
        kt_store_inserts(store, 8, 300);
        kist_store_close(store);
    }
}

/*
 * Goal    what was read once, or put, is not asked for again.
 * Method  count all that main is asked.
 */
static void
test_append_asks(void **state)
{
    kt_meddling meddling = {.reads = 0};
    kist_store *main = open_memory(true);
    kist_store *meddled = kt_meddled(main, &meddling);
    kist_store *store = open_cached(meddled, open_memory(false));
    kist_buf value = {0};
    kist_etag etag;
    bool contains;

    (void)state;
    kt_store_put(main, "old", "value");
    kt_store_put(store, "new", "value");
    for (int i = 0; i < 5; i++) {
        const char *key = i % 2 == 0 ? "old" : "new";

        KT_OK(kist_store_get(store, kist_str(key), &value, NULL));
        assert_int_equal(value.size, 5);
        KT_OK(kist_store_contains(store, kist_str(key), &contains));
        assert_true(contains);
    }
    assert_int_equal(meddling.steps, 2); // a put, and a get
    // The ETag is main's to tell, the value is not read for it.
    KT_OK(kist_store_get(store, kist_str("old"), &value, &etag));
    assert_int_equal(meddling.reads, 1);
    kt_store_check_value(main, "old", "value", &etag);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(store, kist_str("none"), &value, &etag));
    KT_OK(kist_store_contains(store, kist_str("none"), &contains));
    assert_false(contains);
    kist_buf_fini(&value);
    kist_store_close(store);
    kist_store_close(main);
}

static kist_store *
open_once(double check)
{
    kist_store *main = open_memory(true);
    kist_store *store;

    KT_OK(kist_store_write_once(main, check, &store));
    kist_store_close(main);
    return store;
}

/*
 * Goal    the first value of a key stays, and nothing goes.
 * Method  the oracle, histories and races.
 */
static void
test_once(void **state)
{
    const kt_place *place = *state;
    kist_store *store = open_once(0);

    kt_store_history(store, KT_STORE_WRITE_ONCE, place->seed, 3000);
    kist_store_close(store);
    store = open_once(0);
    assert_int_equal(kt_store_oracle(store, KT_STORE_WRITE_ONCE), 180);
    kt_store_inserts(store, 8, 300);
    kist_store_close(store);
}

/*
 * Goal    as many puts are compared as was asked for, and one of another value
 *         fails if it is.
 * Method  probabilities 0, 1 and 0.3; equal and unequal values, of the same
 *         size and of others; the counters.
 */
static void
test_checks(void **state)
{
    static const double chances[] = {0, 0.3, 1};
    kist_store_checks checks;
    kist_etag first;
    kist_store *memory = open_memory(false);

    (void)state;
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_checked(memory, &checks));
    kist_store_close(memory);
    for (size_t c = 0; c < KT_COUNT(chances); c++) {
        kist_store *store = open_once(chances[c]);
        const double expected = 10000 * chances[c];
        // Six standard deviations.
        const double spread = 6 * sqrt(expected * (1 - chances[c]));
        uint64_t refused = 0;

        first = kt_store_put(store, "k", "value");
        for (int i = 0; i < 10000; i++) {
            static const char *const texts[] = {"value", "other", "v",
                                                "values"};
            kist_etag etag;
            const kist_status status = kist_store_put(
                store, kist_str("k"), kist_str(texts[i % 4]), &etag);

            if (status != KIST_OK) {
                KT_ANSWERS(KIST_ERR_POLICY, status);
                assert_true(i % 4 != 0);
                refused++;
            }
            else {
                assert_true(kist_etag_equal(&etag, &first));
            }
        }
        KT_OK(kist_store_checked(store, &checks));
        assert_true(fabs((double)checks.attempted - expected) <= spread);
        assert_int_equal(checks.failed, refused);
        assert_true(chances[c] < 1 || refused == 7500);
        assert_int_equal(checks.passed + checks.failed, checks.attempted);
        assert_true(c == 0 || checks.passed > 0);
        kt_store_check_value(store, "k", "value", &first);
        kist_store_close(store);
    }
}

/*
 * Goal    a store over a write-once store keeps no copy of what was not put.
 * Method  a cached store over it: put twice, get.
 */
static void
test_cached_once(void **state)
{
    kist_store *once = open_once(0);
    kist_store *data = open_memory(false);
    kist_store *etags = open_memory(false);
    kist_store *store;
    kist_etag etag;

    (void)state;
    KT_OK(kist_store_cached(once, data, etags, &store));
    etag = kt_store_put(store, "k", "first");
    kt_store_put(store, "k", "second");
    kt_store_check_value(store, "k", "first", &etag);
    kt_store_check_value(once, "k", "first", &etag);
    kist_store_close(store);
    kist_store_close(etags);
    kist_store_close(data);
    kist_store_close(once);
}

/*
 * Goal    what cannot be a main is refused; so is no probability.
 * Method  each.
 */
static void
test_refusals(void **state)
{
    kist_store *plain = open_memory(false);
    kist_store *kept = open_memory(true);
    kist_store *store;
    kist_store *sub;

    (void)state;
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_cached_appendonly(plain, plain, &store));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_write_once(plain, 0, &store));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_write_once(kept, -0.1, &store));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_write_once(kept, 1.1, &store));
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_write_once(kept, NAN, &store));
    assert_null(store);
    KT_OK(kist_store_write_once(kept, 1, &store));
    KT_OK(kist_store_sub(store, kist_str("s"), &sub));
    kt_store_put(sub, "k", "first");
    KT_ANSWERS(KIST_ERR_POLICY,
               kist_store_put(store, kist_str("s/k"), kist_str("x"), NULL));
    KT_ANSWERS(KIST_ERR_POLICY,
               kist_store_put(sub, kist_str("k"), kist_str("x"), NULL));
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               kist_store_reformat(store, "txt", &(kist_store *){NULL}));
    kist_store_close(sub);
    kist_store_close(store);
    kist_store_close(plain);
    kist_store_close(kept);
}

/*
 * Goal    without memory NOMEM, and the first value stays.
 * Method  each allocation of a few calls fails, in both sorts of store.
 */
static void
test_no_memory(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        bool hit = true;

        for (uint64_t nth = 1; hit; nth++) {
            kist_store *store =
                kind == 0 ? open_cached(open_memory(true), open_memory(false))
                          : open_once(1);
            kist_store *sub = NULL;
            kist_buf value = {0};
            kist_status status;

            kt_store_put(store, "k/k", "first");
            kt_alloc_fail(nth, false);
            status = kist_store_sub(store, kist_str("k"), &sub);
            if (status == KIST_OK) {
                status = kist_store_get(sub, kist_str("k"), &value, NULL);
            }
            if (status == KIST_OK) {
                status =
                    kist_store_put(sub, kist_str("l"), kist_str("1"), NULL);
            }
            if (status == KIST_OK && kind == 1) {
                status =
                    kist_store_put(sub, kist_str("l"), kist_str("1"), NULL);
            }
            hit = kt_alloc_hit();
            kt_alloc_heal();
            if (status != KIST_OK) {
                KT_ANSWERS(KIST_ERR_NOMEM, status);
                assert_true(hit);
            }
            kt_store_check_value(store, "k/k", "first", NULL);
            kist_buf_fini(&value);
            kist_store_close(sub);
            kist_store_close(store);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_append),
        cmocka_unit_test(test_append_asks),
        KT_TEST(test_once),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_cached_once),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
