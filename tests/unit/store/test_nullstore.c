#include "storebed.h"

static kist_decision
replace(void *context, const kist_slice *current, kist_buf *next)
{
    unsigned *calls = context;

    assert_null(current);
    ++*calls;
    KT_OK(kist_buf_append(next, "value", 5));
    return KIST_REPLACE;
}

/*
 * Goal    it is always empty, takes everything, and judges conditions as of
 *         a key that is absent; keys are looked at all the same.
 * Method  the oracle, then every other call.
 */
static void
test_null(void **state)
{
    kist_store_options options;
    kist_store *store;
    kist_store *sub;
    kist_buf key = {0};
    kist_etag etag;
    uint64_t count = 5;
    unsigned calls = 0;
    bool empty = false;

    (void)state;
    for (int append_only = 0; append_only < 2; append_only++) {
        kist_store_options_init(&options);
        options.append_only = append_only == 1;
        KT_OK(kist_store_open_null(&options, &store));
        assert_int_equal(kt_store_oracle(store, KT_STORE_NULL), 180);
        etag = kt_store_put(store, "k", "v");
        assert_int_equal(etag.size, 0);
        kt_store_check_absent(store, "k");
        KT_OK(kist_store_transform(store, kist_str("k"), replace, &calls, 0,
                                   &etag));
        assert_int_equal(etag.size, 0);
        KT_OK(kist_store_count(store, &count));
        assert_int_equal(count, 0);
        KT_OK(kist_store_is_empty(store, &empty));
        assert_true(empty);
        KT_ANSWERS(KIST_ERR_NOTFOUND, kist_store_random(store, &key));
        KT_ANSWERS(append_only == 1 ? KIST_ERR_POLICY : KIST_ERR_NOTFOUND,
                   kist_store_remove(store, kist_str("k")));
        KT_ANSWERS(append_only == 1 ? KIST_ERR_POLICY : KIST_OK,
                   kist_store_clear(store, &count));
        KT_ANSWERS(KIST_ERR_INVALID,
                   kist_store_put(store, kist_str("/"), kist_str("v"), NULL));
        KT_OK(kist_store_sub(store, kist_str("k"), &sub));
        kt_store_put(sub, "x", "v");
        kt_store_check_keys(sub, "");
        kist_store_close(sub);
        KT_OK(kist_store_reformat(store, "txt", &sub));
        kt_store_check_keys(sub, "");
        kist_store_close(sub);
        kist_store_close(store);
    }
    assert_int_equal(calls, 2);
    kist_buf_fini(&key);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
