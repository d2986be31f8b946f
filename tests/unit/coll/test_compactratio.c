#include <stdio.h>

#include "kist/kist.h"
#include "support/check.h"

#define KEYS 200

static kist_value
numbered(char text[64], int key, int round)
{
    snprintf(text, 64, "value %d of round %d, and some padding", key, round);
    return kist_text(text);
}

/*
 * Goal: with compact_ratio the log does not grow with the number of
 * overwrites, and nothing is lost by that.
 * Method: overwrite the same keys 200 times; watch size and generation; read
 * all back, through the handle and through a new one.
 */
static void
test_ratio_bounds_the_log(void **state)
{
    const kt_place *place = *state;
    const kist_options options = {.map_reserve = 64 << 20,
                                  .compact_ratio = 0.5};
    kist_metrics metrics;
    kist_dict *dict;
    kist *k;
    char text[64];
    char key[16];

    KT_OK(kist_open(place->path, &options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < KEYS; i++) {
            const kist_value value = numbered(text, i, round);

            snprintf(key, sizeof(key), "key %d", i);
            KT_OK(kist_dict_put(dict, kist_str(key), &value));
        }
    }
    KT_OK(kist_metrics_get(k, &metrics));
    KT_CHECK(metrics.generation > 5, "generation %lu",
             (unsigned long)metrics.generation);
    KT_CHECK(metrics.log_bytes < 200000, "log of %lu bytes",
             (unsigned long)metrics.log_bytes);
    assert_int_equal(metrics.live_records, KEYS);
    kist_dict_close(dict);
    KT_OK(kist_close(k));

    KT_OK(kist_open(place->path, NULL, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (int i = 0; i < KEYS; i++) {
        const kist_value expected = numbered(text, i, 199);
        kist_value value;

        snprintf(key, sizeof(key), "key %d", i);
        KT_OK(kist_dict_get(dict, kist_str(key), &value));
        assert_true(kist_value_equal(&value, &expected));
    }
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/*
 * Goal: what a pop hands out stays readable until the next call, even if that
 * write made the kist due for compaction.
 * Method: fill and pop again and again at a low ratio, reading each view.
 */
static void
test_views_outlive_compaction(void **state)
{
    const kt_place *place = *state;
    const kist_options options = {.map_reserve = 64 << 20,
                                  .compact_ratio = 0.05};
    kist_metrics metrics;
    kist_dict *dict;
    kist *k;
    char text[64];
    char key[16];

    KT_OK(kist_open(place->path, &options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (int i = 0; i < 5000; i++) {
        const kist_value expected = numbered(text, i, 0);
        kist_value value;

        snprintf(key, sizeof(key), "key %d", i);
        KT_OK(kist_dict_put(dict, kist_str(key), &expected));
        KT_OK(kist_dict_pop(dict, kist_str(key), &value));
        assert_true(kist_value_equal(&value, &expected));
    }
    KT_OK(kist_metrics_get(k, &metrics));
    KT_CHECK(metrics.generation > 2, "generation %lu",
             (unsigned long)metrics.generation);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/*
 * Goal: a scan goes on through compactions without missing or repeating.
 * Method: scan 500 keys; between items overwrite others so that the kist is
 * compacted several times.
 */
static void
test_scan_goes_on_through_compactions(void **state)
{
    const kt_place *place = *state;
    const kist_options options = {.map_reserve = 64 << 20,
                                  .compact_ratio = 0.3};
    bool seen[KEYS] = {false};
    kist_dict *dict;
    kist_scan *scan;
    kist_slice name;
    kist_status status;
    kist *k;
    char text[64];
    char key[16];

    KT_OK(kist_open(place->path, &options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (int i = 0; i < KEYS; i++) {
        const kist_value value = numbered(text, i, 0);

        snprintf(key, sizeof(key), "key %d", i);
        KT_OK(kist_dict_put(dict, kist_str(key), &value));
    }
    KT_OK(kist_dict_scan(dict, NULL, &scan));
    while ((status = kist_scan_next(scan, &name, NULL)) == KIST_OK) {
        int number = -1;

        memcpy(key, name.data, name.size);
        key[name.size] = '\0';
        if (strncmp(key, "other", 5) == 0) {
            continue;
        }
        assert_int_equal(sscanf(key, "key %d", &number), 1);
        assert_false(seen[number]);
        seen[number] = true;
        for (int i = 0; i < 40; i++) {
            const kist_value value = numbered(text, i, number);

            snprintf(key, sizeof(key), "other %d", i);
            KT_OK(kist_dict_put(dict, kist_str(key), &value));
        }
    }
    assert_int_equal(status, KIST_END);
    for (int i = 0; i < KEYS; i++) {
        assert_true(seen[i]);
    }
    kist_scan_close(scan);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_ratio_bounds_the_log),
        KT_TEST(test_views_outlive_compaction),
        KT_TEST(test_scan_goes_on_through_compactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
