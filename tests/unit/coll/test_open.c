/*
 * What open makes of files that a power cut, or somebody's hand, has left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sample.h"

#define SYNCED_COUNT 10
#define COUNT        20

/* The pair as it stands while it is open: the first ten values are synced;
 * and the log after a clean close. */
typedef struct halfway {
    uint8_t *log;
    uint8_t *index;
    uint8_t *closed;
    size_t closed_size;
    size_t log_size;
    size_t index_size;
    char log_path[320];
    char index_path[320];
} halfway;

static void
put_numbers(kist_dict *dict, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[32];
        kist_value value;

        snprintf(text, sizeof(text), "value number %02d", i);
        value = kist_text(text);
        KT_OK(kist_dict_put(dict, kist_bytes(text + 13, 2), &value));
    }
}

static void
make_halfway(halfway *h, const kt_place *place)
{
    kist_dict *dict;
    kist *k;

    snprintf(h->log_path, sizeof(h->log_path), "%s.kist", place->path);
    snprintf(h->index_path, sizeof(h->index_path), "%s.kistx", place->path);
    KT_OK(kist_open(place->path, &kt_sample_options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    put_numbers(dict, 0, SYNCED_COUNT);
    KT_OK(kist_sync(k));
    put_numbers(dict, SYNCED_COUNT, COUNT);
    h->log = kt_read_file(h->log_path, &h->log_size);
    h->index = kt_read_file(h->index_path, &h->index_size);
    assert_non_null(h->log);
    assert_non_null(h->index);
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    h->closed = kt_read_file(h->log_path, &h->closed_size);
    assert_non_null(h->closed);
}

static void
forget_halfway(halfway *h)
{
    free(h->log);
    free(h->index);
    free(h->closed);
}

/* Both files anew, so that nothing speaks for the index; value `number` torn.
 */
static void
tear(const halfway *h, int number, bool closed, bool with_index)
{
    const uint8_t *log = closed ? h->closed : h->log;
    const size_t size = closed ? h->closed_size : h->log_size;
    char text[32];
    const uint8_t *found;

    snprintf(text, sizeof(text), "value number %02d", number);
    found = memmem(log, size, text, 15);
    assert_non_null(found);
    (void)unlink(h->log_path);
    (void)unlink(h->index_path);
    kt_write_file(h->log_path, log, size);
    kt_damage(h->log_path, (uint64_t)(found - log), "\0\0\0\0", 4);
    if (with_index) {
        kt_write_file(h->index_path, h->index, h->index_size);
    }
}

/* Counts the values that are there: the first ones, without a gap. */
static int
count_numbers(kist *k)
{
    kist_dict *dict;
    int count = 0;

    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (int i = 0; i < COUNT; i++) {
        char text[32];
        kist_value value;
        kist_status status;

        snprintf(text, sizeof(text), "value number %02d", i);
        status = kist_dict_get(dict, kist_bytes(text + 13, 2), &value);
        assert_true(status == KIST_OK || status == KIST_ERR_NOTFOUND);
        if (status == KIST_OK) {
            assert_int_equal(i, count);
            assert_int_equal(value.as.bytes.size, 15);
            assert_memory_equal(value.as.bytes.data, text, 15);
            count++;
        }
    }
    kist_dict_close(dict);
    return count;
}

/*
 * Goal:   the torn end behind the last sync is cut off at open, without an
 *         error, and counted; what follows it is gone, never a part of it;
 *         and writing goes on.
 * Method: each value behind the sync is torn, with the index of that moment
 *         and without one.
 */
static void
test_p09_torn_end(void **state)
{
    const kt_place *place = *state;
    halfway h;

    make_halfway(&h, place);
    for (int n = 2 * SYNCED_COUNT; n < 2 * COUNT; n++) {
        kist_metrics metrics;
        kist_report report;
        kist_dict *dict;
        kist *k;

        tear(&h, n / 2, false, n % 2 == 1);
        KT_OK(kist_open(place->path, &kt_sample_options, &k));
        KT_OK(kist_metrics_get(k, &metrics));
        assert_true(metrics.torn_bytes_cut > 0);
        assert_int_equal(count_numbers(k), n / 2);
        KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
        put_numbers(dict, n / 2, COUNT);
        kist_dict_close(dict);
        KT_OK(kist_verify(k, NULL, NULL, &report));
        KT_OK(kist_close(k));
        KT_OK(kist_open(place->path, &kt_sample_options, &k));
        KT_OK(kist_metrics_get(k, &metrics));
        assert_int_equal(metrics.torn_bytes_cut, 0);
        assert_int_equal(count_numbers(k), COUNT);
        KT_OK(kist_close(k));
    }
    forget_halfway(&h);
}

/*
 * Goal:   the same damage before the last synced point is no torn end: it is
 *         CORRUPT, and nothing behind it is cut off.
 * Method: each of the synced values, with the index of that moment, and
 *         without it after a clean close.
 */
static void
test_p10_damage_is_no_torn_end(void **state)
{
    const kt_place *place = *state;
    halfway h;

    make_halfway(&h, place);
    for (int n = 0; n < 2 * SYNCED_COUNT; n++) {
        kist_metrics metrics;
        kist_dict *dict;
        kist *k;
        kist_status status;

        tear(&h, n / 2, n % 2 == 0, n % 2 == 1);
        status = kist_open(place->path, &kt_sample_options, &k);
        if (status == KIST_OK) {
            char key[16];
            kist_value value;

            KT_OK(kist_metrics_get(k, &metrics));
            assert_int_equal(metrics.torn_bytes_cut, 0);
            KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
            snprintf(key, sizeof(key), "%02d", n / 2);
            status = kist_dict_get(dict, kist_str(key), &value);
            KT_OK(kist_dict_get(dict, kist_str("19"), &value));
            kist_dict_close(dict);
            (void)kist_close(k);
        }
        KT_CHECK(status == KIST_ERR_CORRUPT, "value %d: %s", n / 2,
                 kist_status_name(status));
    }
    forget_halfway(&h);
}

/*
 * Goal:   an index that is missing, older than the log, empty, cut short or
 *         noise is made anew, with equal contents.
 * Method: each, after a clean close.
 */
static void
test_p11_index_of_no_use(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    kt_sample sample;

    kt_sample_make(&sample, place);
    for (int how = 0; how < 5; how++) {
        kist_metrics metrics;
        kist_dict *dict;
        kist_value value = kist_int(how);
        kist *k;

        kt_sample_restore(&sample);
        if (how == 0) {
            KT_OK(kist_open(place->path, &kt_sample_options, &k));
            KT_OK(kist_dict_open(k, kist_str("more"), KIST_INT, &dict));
            KT_OK(kist_dict_put(dict, kist_str("a"), &value));
            kist_dict_close(dict);
            KT_OK(kist_coll_drop(k, kist_str("more")));
            KT_OK(kist_close(k));
            kt_write_file(sample.index_path, sample.index, sample.index_size);
        }
        else if (how == 1) {
            assert_int_equal(unlink(sample.index_path), 0);
        }
        else if (how < 4) {
            assert_int_equal(
                truncate(sample.index_path,
                         how == 2 ? 0 : (off_t)sample.index_size / 2),
                0);
        }
        else {
            uint8_t *noise = malloc(sample.index_size);

            assert_non_null(noise);
            for (size_t i = 0; i < sample.index_size; i++) {
                noise[i] = (uint8_t)kt_random(&seed);
            }
            kt_write_file(sample.index_path, noise, sample.index_size);
            free(noise);
        }
        KT_OK(kist_open(place->path, &kt_sample_options, &k));
        KT_OK(kist_metrics_get(k, &metrics));
        KT_CHECK(metrics.index_was_rebuilt, "way %d", how);
        KT_OK(kist_close(k));
        kt_sample_holds(&sample, "index made anew");
    }
    kt_sample_fini(&sample);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p09_torn_end),
        KT_TEST(test_p10_damage_is_no_torn_end),
        KT_TEST(test_p11_index_of_no_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
