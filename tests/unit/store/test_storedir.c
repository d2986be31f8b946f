/*
 * What every store has to do, of a directory: the oracle, histories, races;
 * also with caches beside it in the same directory.
 */
#include <stdio.h>

#include "storebed.h"

static kist_store *
open_dir(const kt_place *place, const char *format, unsigned digest_len,
         bool append_only, kist_store_durability durability)
{
    kist_store_options options;
    kist_store *store;

    kist_store_options_init(&options);
    options.format = format;
    options.digest_len = digest_len;
    options.append_only = append_only;
    options.durability = durability;
    KT_OK(kist_store_open_dir(place->path, &options, &store));
    return store;
}

/*
 * Goal    each conditional call does what the contract says, in every case.
 * Method  all combinations; on a plain store and on one that keeps.
 */
static void
test_oracle(void **state)
{
    const kt_place *place = *state;
    kist_store *store = open_dir(place, "json", 4, false, KIST_STORE_NONE);

    assert_int_equal(kt_store_oracle(store, KT_STORE_PLAIN), 180);
    kist_store_close(store);
    store = open_dir(place, "pkl", 4, true, KIST_STORE_NONE);
    assert_int_equal(kt_store_oracle(store, KT_STORE_APPEND_ONLY), 180);
    kist_store_close(store);
}

/*
 * Goal    the store does what a model does, step by step.
 * Method  random histories, with and without digests, at each durability;
 *         of one format beside another, of a sub-store, of one that keeps.
 */
static void
test_histories(void **state)
{
    const kt_place *place = *state;
    kist_store *beside = open_dir(place, "txt", 4, false, KIST_STORE_NONE);

    kt_store_put(beside, "a/x", "beside");
    kt_store_put(beside, "b", "beside");
    for (unsigned i = 0; i < 6; i++) {
        kist_store *store = open_dir(place, "json", i % 2 == 0 ? 4 : 0, false,
                                     (kist_store_durability)(i / 2));
        kist_store *sub;

        kt_store_history(store, KT_STORE_PLAIN, place->seed + i, 1500);
        KT_OK(kist_store_sub(store, kist_str("a/b"), &sub));
        kt_store_history(sub, KT_STORE_PLAIN, place->seed + 10 + i, 300);
        kist_store_close(sub);
        kist_store_close(store);
    }
    kt_store_check_keys(beside, "a/x b");
    kist_store_close(beside);
    beside = open_dir(place, "pkl", 4, true, KIST_STORE_NONE);
    kt_store_history(beside, KT_STORE_APPEND_ONLY, place->seed + 20, 1000);
    kist_store_close(beside);
}

/*
 * Goal    threads lose no change, and one of them makes a key.
 * Method  eight of them count, and insert.
 */
static void
test_threads(void **state)
{
    const kt_place *place = *state;
    kist_store *store = open_dir(place, "json", 4, false, KIST_STORE_NONE);

    kt_store_counters(store, 8, 3, 300);
    kt_store_inserts(store, 8, 100);
    kist_store_close(store);
}

/*
 * Goal    with copies in files beside it, it is the same store.
 * Method  the oracle, a history and threads, over three formats of one
 *         directory; likewise append-only and write-once.
 */
static void
test_caches(void **state)
{
    const kt_place *place = *state;
    kist_store *main = open_dir(place, "json", 4, false, KIST_STORE_NONE);
    kist_store *data = open_dir(place, "copy", 8, false, KIST_STORE_NONE);
    kist_store *etags =
        open_dir(place, "copy_etag", 8, false, KIST_STORE_NONE);
    kist_store *store;

    KT_OK(kist_store_cached(main, data, etags, &store));
    assert_int_equal(kt_store_oracle(store, KT_STORE_PLAIN), 180);
    KT_OK(kist_store_clear(store, NULL));
    kt_store_history(store, KT_STORE_PLAIN, place->seed, 2000);
    kt_store_counters(store, 4, 2, 200);
    kt_store_check_keys(data, "");
    kt_store_check_keys(etags, "");
    kist_store_close(store);
    kist_store_close(main);

    main = open_dir(place, "kept", 4, true, KIST_STORE_NONE);
    KT_OK(kist_store_cached_appendonly(main, data, &store));
    kt_store_history(store, KT_STORE_APPEND_ONLY, place->seed + 1, 500);
    kist_store_close(store);
    kist_store_close(main);
    main = open_dir(place, "once", 4, true, KIST_STORE_NONE);
    KT_OK(kist_store_write_once(main, 0, &store));
    kt_store_history(store, KT_STORE_WRITE_ONCE, place->seed + 2, 500);
    assert_int_equal(kt_store_oracle(store, KT_STORE_WRITE_ONCE), 180);
    kist_store_close(store);
    kist_store_close(main);
    kist_store_close(data);
    kist_store_close(etags);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_oracle),
        KT_TEST(test_histories),
        KT_TEST(test_threads),
        KT_TEST(test_caches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
