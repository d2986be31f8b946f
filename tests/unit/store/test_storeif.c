/*
 * Conditions and scans while somebody comes between: what is told afterwards
 * was so at one time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "meddler.h"
#include "storebed.h"

/* One who comes between. */
typedef struct intruder {
    kist_store *store; // the one behind
    kt_moment step;    // comes before that
    unsigned skip;     // not before the first ones
    unsigned times;    // so often
    bool removes;

    unsigned came;
} intruder;

static kist_status
intrude(void *context, kt_moment step)
{
    intruder *in = context;
    char text[32];

    if (in->times == 0 || step != in->step) {
        return KIST_OK;
    }
    if (in->skip > 0) {
        in->skip--;
        return KIST_OK;
    }
    in->times--;
    in->came++;
    if (in->removes) {
        (void)!kist_store_remove(in->store, kist_str("k"));
    }
    else {
        snprintf(text, sizeof(text), "intruder %u", in->came);
        kt_store_put(in->store, "k", text);
    }
    return KIST_OK;
}

typedef struct bed {
    kist_store *inner;
    kist_store *store;
    intruder in;
    kt_meddling meddling;
    kist_etag first; // of "first", which is there
    kist_buf value;
    kist_outcome outcome;
} bed;

static void
bed_init(bed *b, kt_moment step, bool removes, unsigned times)
{
    *b = (bed){.in = {.step = step, .removes = removes, .times = times}};
    KT_OK(kist_store_open_memory(NULL, &b->inner));
    b->in.store = b->inner;
    b->meddling = (kt_meddling){.before = intrude, .context = &b->in};
    b->store = kt_meddled(b->inner, &b->meddling);
    b->first = kt_store_put(b->inner, "k", "first");
}

static void
bed_fini(bed *b)
{
    kist_buf_fini(&b->value);
    kist_store_close(b->store);
    kist_store_close(b->inner);
}

static void
check_text(const kist_buf *value, const char *text)
{
    assert_int_equal(value->size, strlen(text));
    assert_memory_equal(value->data, text, value->size);
}

/*
 * Goal    a put that was refused tells the value that it was refused by, not
 *         that of another moment.
 * Method  somebody puts, or removes, between the refusal and the reading.
 */
static void
test_refused(void **state)
{
    kist_condition c = {.rule = KIST_IF_SAME,
                        .expected = {.size = 1, .text = "?"}};
    kist_stat stat;
    bed b;

    (void)state;
    bed_init(&b, KT_BEFORE_GET, false, 1);
    KT_OK(kist_store_put_if(b.store, kist_str("k"), kist_str("given"), &c,
                            &b.value, &b.outcome));
    assert_int_equal(b.in.came, 1);
    assert_false(b.outcome.satisfied);
    assert_int_equal(b.outcome.found, KIST_FOUND_VALUE);
    check_text(&b.value, "intruder 1");
    KT_OK(kist_store_stat(b.inner, kist_str("k"), &stat));
    assert_true(kist_etag_equal(&b.outcome.before, &stat.etag));
    assert_true(kist_etag_equal(&b.outcome.after, &stat.etag));
    bed_fini(&b);

    bed_init(&b, KT_BEFORE_GET, true, 1);
    KT_OK(kist_store_put_if(b.store, kist_str("k"), kist_str("given"), &c,
                            &b.value, &b.outcome));
    assert_false(b.outcome.satisfied);
    assert_int_equal(b.outcome.found, KIST_FOUND_NONE);
    assert_int_equal(b.outcome.before.size + b.outcome.after.size, 0);
    assert_int_equal(b.value.size, 0);
    bed_fini(&b);

    // What has become the expected one need not be read.
    bed_init(&b, KT_BEFORE_GET, false, 1);
    c.rule = KIST_IF_CHANGED;
    c.fetch = KIST_FETCH_CHANGED;
    c.expected = b.first;
    KT_OK(kist_store_get_if(b.store, kist_str("k"), &c, &b.value, &b.outcome));
    assert_true(b.outcome.satisfied);
    check_text(&b.value, "intruder 1");
    bed_fini(&b);
}

/*
 * Goal    where the condition has come to hold, the put is done after all.
 * Method  the same; the condition is that the value is another, or gone.
 */
static void
test_tried_again(void **state)
{
    kist_condition c = {.rule = KIST_IF_CHANGED};
    bed b;

    (void)state;
    for (int removes = 0; removes < 2; removes++) {
        bed_init(&b, KT_BEFORE_GET, removes == 1, 1);
        c.expected = b.first;
        KT_OK(kist_store_put_if(b.store, kist_str("k"), kist_str("given"), &c,
                                &b.value, &b.outcome));
        assert_int_equal(b.in.came, 1);
        assert_true(b.outcome.satisfied);
        assert_int_equal(b.outcome.found, KIST_FOUND_GIVEN);
        assert_int_equal(b.outcome.before.size == 0, removes);
        kt_store_check_value(b.inner, "k", "given", &b.outcome.after);
        bed_fini(&b);
    }
}

/*
 * Goal    of two who insert, the one who came later is told the other's value.
 * Method  somebody inserts after it was seen that there is none; somebody
 *         removes after it was seen that there is one.
 */
static void
test_inserts(void **state)
{
    const kist_condition c = {.rule = KIST_IF_ANY};
    bed b;

    (void)state;
    bed_init(&b, KT_BEFORE_PUT, false, 1);
    KT_OK(kist_store_remove(b.inner, kist_str("k")));
    KT_OK(kist_store_put_new_if(b.store, kist_str("k"), kist_str("given"), &c,
                                &b.value, &b.outcome));
    assert_true(b.outcome.satisfied);
    assert_int_equal(b.outcome.found, KIST_FOUND_VALUE);
    check_text(&b.value, "intruder 1");
    kt_store_check_value(b.inner, "k", "intruder 1", &b.outcome.after);
    bed_fini(&b);

    bed_init(&b, KT_BEFORE_GET, true, 1);
    KT_OK(kist_store_put_new_if(b.store, kist_str("k"), kist_str("given"), &c,
                                &b.value, &b.outcome));
    assert_int_equal(b.outcome.found, KIST_FOUND_GIVEN);
    kt_store_check_value(b.inner, "k", "given", &b.outcome.after);
    bed_fini(&b);
}

static kist_status
toggle(void *context, kt_moment step)
{
    intruder *in = context;

    in->came++;
    if (step == KT_BEFORE_PUT) {
        kt_store_put(in->store, "k", "intruder");
    }
    else {
        (void)!kist_store_remove(in->store, kist_str("k"));
    }
    return KIST_OK;
}

/*
 * Goal    a call ends, even if somebody comes between for ever.
 * Method  there is a value whenever it puts, and none whenever it looks.
 */
static void
test_bounded(void **state)
{
    const kist_condition c = {.rule = KIST_IF_ANY};
    bed b;

    (void)state;
    bed_init(&b, KT_BEFORE_PUT, false, 0);
    b.meddling.before = toggle;
    KT_ANSWERS(KIST_ERR_BUSY,
               kist_store_put_new_if(b.store, kist_str("k"), kist_str("given"),
                                     &c, &b.value, &b.outcome));
    assert_true(b.in.came < 10000);
    assert_int_equal(b.value.size, 0);
    bed_fini(&b);
}

typedef struct appender {
    unsigned calls;
    kist_decision decision;
} appender;

/* Appends "+" to the value; remembers nothing of the calls before. */
static kist_decision
append_plus(void *context, const kist_slice *current, kist_buf *next)
{
    appender *a = context;

    a->calls++;
    if (current != NULL) {
        KT_OK(kist_buf_append(next, current->data, current->size));
    }
    KT_OK(kist_buf_append(next, "+", 1));
    return a->decision;
}

/*
 * Goal    a transform is of the value of the moment when it is done, and is
 *         given up after the retries that it was allowed.
 * Method  somebody comes between n times, with put and with remove; n retries
 *         are enough, fewer are not.
 */
static void
test_transform(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 5; n++) {
        for (unsigned bits = 0; bits < 4; bits++) {
            const bool removes = bits % 2 == 1;
            appender a = {.decision = bits < 2 ? KIST_REPLACE : KIST_REMOVE};
            const kt_moment step = bits < 2 ? KT_BEFORE_PUT : KT_BEFORE_REMOVE;
            char expected[32] = "first+";
            kist_etag etag;
            bed b;

            bed_init(&b, step, removes, n);
            if (n > 0) {
                // The intruder removes once; then nothing changes any more.
                const unsigned needed = removes ? 1 : n;

                KT_ANSWERS(KIST_ERR_BUSY,
                           kist_store_transform(b.store, kist_str("k"),
                                                append_plus, &a, needed - 1,
                                                &etag));
                assert_int_equal(a.calls, needed);
                bed_fini(&b);
                bed_init(&b, step, removes, n);
                a.calls = 0;
                snprintf(expected, sizeof(expected), "intruder %u+", n);
            }
            KT_OK(kist_store_transform(b.store, kist_str("k"), append_plus, &a,
                                       n, &etag));
            assert_int_equal(a.calls, removes && n > 0 ? 2 : n + 1);
            if (a.decision == KIST_REMOVE) {
                assert_int_equal(etag.size, 0);
                kt_store_check_absent(b.inner, "k");
            }
            else {
                kt_store_check_value(b.inner, "k",
                                     removes && n > 0 ? "+" : expected, &etag);
            }
            bed_fini(&b);
        }
    }
}

static kist_status
refuse_get(void *context, kt_moment step)
{
    unsigned *left = context;

    return step == KT_BEFORE_GET && (*left)-- == 0 ? KIST_ERR_CORRUPT
                                                   : KIST_OK;
}

static kist_status
remove_all(void *context, kt_moment step)
{
    kist_store *store = context;

    (void)step;
    return kist_store_clear(store, NULL);
}

/*
 * Goal    a scan leaves out what vanished and goes on behind what cannot be
 *         read, in every order.
 * Method  a value of ten that cannot be read; then all vanish after the first.
 */
static void
test_scan(void **state)
{
    (void)state;
    for (int order = KIST_ORDER_ANY; order <= KIST_ORDER_NEWEST; order++) {
        kist_store_scan_options options = {
            .values = true, .stats = true, .order = (kist_store_order)order};
        unsigned left = 4;
        unsigned met = 0;
        unsigned bad = 0;
        kist_store_scan *scan;
        kist_store_item item;
        kist_status status;
        bed b;

        bed_init(&b, KT_BEFORE_GET, false, 0);
        for (int i = 0; i < 9; i++) {
            char key[] = {(char)('0' + i), '\0'};

            kt_store_put(b.inner, key, key);
        }
        b.meddling.before = refuse_get;
        b.meddling.context = &left;
        KT_OK(kist_store_scan_open(b.store, &options, &scan));
        while ((status = kist_store_scan_next(scan, &item)) != KIST_END) {
            met += status == KIST_OK;
            bad += status == KIST_ERR_CORRUPT;
        }
        kist_store_scan_close(scan);
        assert_int_equal(met, 9);
        assert_int_equal(bad, 1);

        b.meddling.before = NULL;
        KT_OK(kist_store_scan_open(b.store, &options, &scan));
        KT_OK(kist_store_scan_next(scan, &item));
        b.meddling.before = remove_all;
        b.meddling.context = b.inner;
        KT_ANSWERS(KIST_END, kist_store_scan_next(scan, &item));
        KT_ANSWERS(KIST_END, kist_store_scan_next(scan, &item));
        kist_store_scan_close(scan);
        bed_fini(&b);
    }
}

/*
 * Goal    the best n of many are the n best, in their order; what ties is in
 *         the order of coming.
 * Method  5000 keys, overwritten in another order; all n around the limits
 * where the scan throws away what it does not need.
 */
static void
test_best(void **state)
{
    static const uint64_t counts[] = {1, 2, 10, 999, 2000, 4999, 5000, 9000};
    char(*all)[16] = calloc(5000, sizeof(*all));
    kist_store *store;
    char key[16];

    (void)state;
    assert_non_null(all);
    KT_OK(kist_store_open_memory(NULL, &store));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%u", i * 7919 % 5000);
        kt_store_put(store, key, "v");
    }
    // So that times have nothing to do with the order of coming.
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%u", i * 3571 % 5000);
        kt_store_put(store, key, "again");
    }
    for (int order = KIST_ORDER_OLDEST; order <= KIST_ORDER_NEWEST; order++) {
        kist_store_scan_options options = {.order = (kist_store_order)order};

        for (size_t n = KT_COUNT(counts) + 1; n-- > 0;) {
            kist_store_scan *scan;
            kist_store_item item;
            size_t met = 0;

            options.count_max = n == KT_COUNT(counts) ? 0 : counts[n];
            KT_OK(kist_store_scan_open(store, &options, &scan));
            while (kist_store_scan_next(scan, &item) == KIST_OK) {
                if (n == KT_COUNT(counts)) {
                    memset(all[met], 0, sizeof(all[met]));
                    memcpy(all[met], item.key.data, item.key.size);
                }
                assert_int_equal(strlen(all[met]), item.key.size);
                assert_memory_equal(all[met], item.key.data, item.key.size);
                met++;
            }
            kist_store_scan_close(scan);
            assert_int_equal(met, n == KT_COUNT(counts) || counts[n] > 5000
                                      ? 5000
                                      : counts[n]);
        }
    }
    free(all);
    kist_store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_tried_again),
        cmocka_unit_test(test_inserts),   cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_transform), cmocka_unit_test(test_scan),
        cmocka_unit_test(test_best),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
