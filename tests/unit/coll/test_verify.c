/* kist_verify: damage to the log is found, a wrong index is made anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/hashidx.h"
#include "index/slots.h"
#include "log/reclog.h"
#include "sample.h"

/*
 * Goal:   a sound kist is found sound, by writer and reader, and what the
 *         report counts is so.
 * Method: the sample, with a progress that counts and one that stops.
 */
static bool
count_calls(void *context, uint64_t done, uint64_t total)
{
    unsigned *calls = context;

    ++*calls;
    assert_true(done <= total);
    return *calls < 2;
}

static void
test_sound(void **state)
{
    const kt_place *place = *state;
    kist_options options = kt_sample_options;
    kist_report report;
    kt_sample sample;
    unsigned calls = 0;
    uint64_t *offsets;
    size_t count;
    size_t live = KT_COLL_COUNT;
    kist *k;
    unsigned i;

    kt_sample_make(&sample, place);
    offsets = kt_sample_records(&sample, &count);
    for (i = 0; i < KT_COLL_COUNT; i++) {
        live += sample.world.models[i].count;
    }
    for (i = 0; i < 2; i++) {
        options.read_only = i == 0;
        KT_OK(kist_open(place->path, &options, &k));
        KT_OK(kist_verify(k, NULL, NULL, &report));
        assert_int_equal(report.records, count);
        assert_int_equal(report.live, live);
        assert_int_equal(report.bytes, sample.tail);
        assert_int_equal(report.damaged_runs, 0);
        assert_int_equal(report.damaged_bytes, 0);
        assert_true(report.damaged_offset == UINT64_MAX);
        assert_false(report.index_damaged);
        assert_false(report.index_rebuilt);
        calls = 0;
        KT_OK(kist_verify(k, count_calls, &calls, &report));
        assert_int_equal(calls, 1);
        KT_ANSWERS(KIST_ERR_BUSY, kist_verify(k, count_calls, &calls, NULL));
        KT_OK(kist_close(k));
    }
    KT_OK(kist_open(place->path, &kt_sample_options, &k));
    KT_OK(kist_batch_begin(k));
    KT_ANSWERS(KIST_ERR_BUSY, kist_verify(k, NULL, NULL, &report));
    KT_OK(kist_batch_rollback(k));
    KT_OK(kist_close(k));
    kt_sample_holds(&sample, "after verify");
    free(offsets);
    kt_sample_fini(&sample);
}

/*
 * Goal:   one changed byte below the tail is always found, at its place; one
 *         in the header page is found or does no harm.
 * Method: every byte of the log in turn, one random bit of it; the contents
 *         are compared where nothing was found.
 */
static void
test_p10_every_byte_of_the_log(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    kt_sample sample;
    uint64_t at;
    uint64_t *offsets;
    size_t count;
    size_t record = 0;

    kt_sample_make(&sample, place);
    offsets = kt_sample_records(&sample, &count);
    for (at = 0; at < sample.tail; at++) {
        const uint8_t byte =
            (uint8_t)(sample.log[at] ^ (1u << kt_random(&seed) % 8));
        kist_report report;
        kist_status status;

        if (at >= KI_LOG_BEGIN && at % 5 != 0) {
            continue;
        }
        if (at == 2108) {
            at = KI_LOG_BEGIN - 8; // zeros that mean nothing
        }
        kt_sample_restore(&sample);
        kt_damage(sample.log_path, at, &byte, 1);
        status = kt_sample_verify(&sample, &report);
        KT_CHECK(status == KIST_OK || status == KIST_ERR_CORRUPT,
                 "byte %llu: %s", (unsigned long long)at,
                 kist_status_name(status));
        if (at >= KI_LOG_BEGIN) {
            while (offsets[record + 1] <= at) {
                record++;
            }
            assert_int_equal(status, KIST_ERR_CORRUPT);
            assert_int_equal(report.damaged_offset, offsets[record]);
            assert_int_equal(report.damaged_bytes,
                             offsets[record + 1] - offsets[record]);
            assert_int_equal(report.damaged_runs, 1);
            assert_int_equal(report.records, count - 1);
        }
        else if (at < 60 || (at >= 2048 && at < 2108)) {
            assert_int_equal(status, KIST_ERR_CORRUPT);
            assert_int_equal(report.damaged_offset, at < 60 ? 0 : 2048);
            assert_int_equal(report.damaged_bytes, 60);
        }
        else if (status == KIST_OK) {
            kt_sample_holds(&sample, "harmless byte of the header");
        }
    }
    free(offsets);
    kt_sample_fini(&sample);
}

/*
 * Goal:   a damaged record answers CORRUPT, and the others their values.
 * Method: a dict of 20 keys; the bytes of one value in the log are changed.
 */
static void
test_p10_others_stay_readable(void **state)
{
    const kt_place *place = *state;
    char path[320];
    char text[40];
    kist_value value;
    kist_dict *dict;
    uint8_t *log;
    uint8_t *found;
    size_t size;
    kist *k;
    int i;

    KT_OK(kist_open(place->path, &kt_sample_options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), "value number %02d", i);
        value = kist_text(text);
        KT_OK(kist_dict_put(dict, kist_bytes(text + 13, 2), &value));
    }
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    snprintf(path, sizeof(path), "%s.kist", place->path);
    log = kt_read_file(path, &size);
    found = memmem(log, size, "value number 13", 15);
    assert_non_null(found);
    kt_damage(path, (uint64_t)(found - log), "V", 1);
    free(log);

    KT_OK(kist_open(place->path, &kt_sample_options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    for (i = 0; i < 20; i++) {
        kist_status status;

        snprintf(text, sizeof(text), "value number %02d", i);
        status = kist_dict_get(dict, kist_bytes(text + 13, 2), &value);
        assert_int_equal(status, i == 13 ? KIST_ERR_CORRUPT : KIST_OK);
        if (i != 13) {
            assert_memory_equal(value.as.bytes.data, text, 15);
        }
    }
    KT_ANSWERS(KIST_ERR_CORRUPT, kist_verify(k, NULL, NULL, NULL));
    kist_dict_close(dict);
    KT_OK(kist_close(k));
}

/* The sample's kist, whatever was done to its index, is as the world says. */
static bool
survives(const kt_sample *sample, uint64_t at)
{
    static const kt_step more[] = {
        {KT_PUT, KT_D, 30, 0, 8},    {KT_APPEND, KT_L, 0, 0, 9},
        {KT_INSERT, KT_T, 0, 1, 48}, {KT_ADD, KT_S, 30, 0, 0},
        {KT_REMOVE, KT_D, 1, 0, 0},  {KT_OP_END, KT_D, 0, 0, 0},
    };
    kist_metrics metrics;
    kist_report report;
    kt_store store;
    kt_world world;
    const kt_step *step;
    char why[400] = "";
    kist *k;
    bool noticed;

    KT_OK(kist_open(sample->place->path, &kt_sample_options, &k));
    KT_OK(kist_metrics_get(k, &metrics));
    KT_OK(kist_verify(k, NULL, NULL, &report));
    assert_int_equal(report.index_damaged, report.index_rebuilt);
    noticed = metrics.index_was_rebuilt || report.index_rebuilt;
    kt_world_init(&world, 0);
    kt_world_copy(&world, &sample->world);
    KT_OK(kt_store_open(&store, sample->place->path, &kt_sample_options, 0));
    KT_CHECK(kt_store_check(&store, &world, why, sizeof(why)),
             "word at %llu: %s", (unsigned long long)at, why);
    for (step = more; step->op != KT_OP_END; step++) {
        KT_OK(kt_step_both(&store, &world, step));
    }
    KT_OK(kist_verify(k, NULL, NULL, &report));
    KT_CHECK(!report.index_damaged, "again, word at %llu",
             (unsigned long long)at);
    KT_CHECK(kt_store_check(&store, &world, why, sizeof(why)),
             "later, word at %llu: %s", (unsigned long long)at, why);
    KT_OK(kt_store_close(&store));
    KT_OK(kist_close(k));
    kt_world_fini(&world);
    return noticed;
}

/*
 * Goal:   each word of an index that was changed while the kist was closed is
 *         noticed at open or by verify, or is of no account: the contents are
 *         right, also after further writes, and then verify finds nothing.
 * Method: every word in turn (of the free rings, which are mostly zeros,
 *         every 13th), as one bit changed, as zero, and as random bits.
 */
static void
test_p11_every_word_of_the_index(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    kt_sample sample;
    uint64_t at;
    uint64_t rebuilt = 0;
    uint64_t step = 8;

    kt_sample_make(&sample, place);
    for (at = 0; at + 8 <= sample.index_size; at += step) {
        const unsigned how = (unsigned)(kt_random(&seed) % 3);
        uint64_t word;

        step = at >= KI_IDX_REDO_PAGE && at < KI_IDX_ARENA ? 104 : 8;
        memcpy(&word, sample.index + at, 8);
        word = how == 0 && word != 0 ? 0
               : how == 1            ? kt_random(&seed)
                          : word ^ UINT64_C(1) << kt_random(&seed) % 64;
        kt_sample_restore(&sample);
        kt_damage(sample.index_path, at, &word, 8);
        rebuilt += survives(&sample, at);
    }
    assert_true(rebuilt > 100);
    kt_sample_fini(&sample);
}

/*
 * Goal:   a reader says that the index is wrong and leaves it; a writer then
 *         mends it, and handles that have it open go over to the new one.
 * Method: a word of an entry changed under two open handles.
 */
static void
test_other_handles_go_over(void **state)
{
    const kt_place *place = *state;
    kist_options options = kt_sample_options;
    kist_report report;
    kt_sample sample;
    kt_store store;
    uint64_t word;
    uint64_t at;
    char why[400] = "";
    kist *reader;
    kist *writer;

    kt_sample_make(&sample, place);
    options.read_only = true;
    KT_OK(kt_store_open(&store, place->path, &kt_sample_options, 0));
    KT_OK(kist_open(place->path, &kt_sample_options, &writer));
    KT_OK(kist_open(place->path, &options, &reader));
    for (at = KI_IDX_ARENA; at < sample.index_size; at += 8) {
        memcpy(&word, sample.index + at, 8);
        if (word >> 43 != 0) {
            break; // an entry of a hash
        }
    }
    word ^= UINT64_C(1) << 50;
    kt_damage(sample.index_path, at, &word, 8);
    KT_OK(kist_verify(reader, NULL, NULL, &report));
    assert_true(report.index_damaged);
    assert_false(report.index_rebuilt);
    KT_OK(kist_verify(writer, NULL, NULL, &report));
    assert_true(report.index_damaged);
    assert_true(report.index_rebuilt);
    KT_CHECK(kt_store_check(&store, &sample.world, why, sizeof(why)), "%s",
             why);
    KT_OK(kist_verify(reader, NULL, NULL, &report));
    assert_false(report.index_damaged);
    KT_OK(kist_close(reader));
    KT_OK(kist_close(writer));
    KT_OK(kt_store_close(&store));
    kt_sample_fini(&sample);
}

/* Under an open handle: `word` at `at` must be noticed and mended. */
static void
notices(const kt_sample *sample, kist *k, uint64_t at, uint64_t word)
{
    kist_report report;

    kt_damage(sample->index_path, at, &word, 8);
    KT_OK(kist_verify(k, NULL, NULL, &report));
    KT_CHECK(report.index_damaged && report.index_rebuilt, "word at %llu",
             (unsigned long long)at);
    KT_OK(kist_verify(k, NULL, NULL, &report));
    assert_false(report.index_damaged);
}

/* The first entry of a hash with an empty word behind it in its bucket. */
static uint64_t
find_entry(const uint8_t *index, size_t size)
{
    uint64_t at;

    for (at = KI_IDX_ARENA; at + 16 <= size; at += 8) {
        uint64_t words[2];

        memcpy(words, index + at, 16);
        if (at % 64 < 56 && words[0] >> KI_HASH_TAG_SHIFT != 0 &&
            ki_hash_is_entry(words[0]) && words[1] == KI_HASH_EMPTY) {
            return at;
        }
    }
    fail();
    return 0;
}

/*
 * Goal:   what does no harm yet, but would with later writes, is noticed too.
 * Method: a live extent on a free list and in a ring, an entry twice, one
 *         whose distance from home is wrong, a synced mark without its check
 *         word, pairs left to be redone, a horizon ahead of the version.
 */
static void
test_subtle_damage(void **state)
{
    kt_sample sample;
    uint64_t word;
    uint64_t at;
    kist *k;
    unsigned i;

    kt_sample_make(&sample, *state);
    KT_OK(kist_open(sample.place->path, &kt_sample_options, &k));
    for (i = 0; i < 7; i++) {
        size_t size;
        uint8_t *index = kt_read_file(sample.index_path, &size);
        const uint64_t k_class = KI_SLOTS_TABLE_CLASS - KI_CLASS_MIN;

        assert_non_null(index);
        at = find_entry(index, size);
        memcpy(&word, index + (i < 2 ? KI_W_COLLS : at), 8);
        free(index);
        switch (i) {
        case 0:
            notices(&sample, k, KI_W_FREE_LIST + k_class * 8, word);
            break;
        case 1:
            notices(&sample, k,
                    KI_IDX_RINGS + (k_class * KI_IDX_RING_PAIRS + 60) * 16,
                    word);
            break;
        case 2:
            notices(&sample, k, at + 8, word);
            break;
        case 3:
            notices(&sample, k, at, word ^ UINT64_C(1) << 40);
            break;
        case 4:
            notices(&sample, k, KI_W_SYNCED, KI_LOG_BEGIN);
            break;
        case 5:
            notices(&sample, k, KI_W_REDO_COUNT, 3);
            break;
        default:
            notices(&sample, k, KI_W_HORIZON, UINT64_C(1) << 40);
            break;
        }
    }
    KT_OK(kist_close(k));
    kt_sample_holds(&sample, "after all");
    kt_sample_fini(&sample);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_sound),
        KT_TEST(test_p10_every_byte_of_the_log),
        KT_TEST(test_p10_others_stay_readable),
        KT_TEST(test_p11_every_word_of_the_index),
        KT_TEST(test_subtle_damage),
        KT_TEST(test_other_handles_go_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
