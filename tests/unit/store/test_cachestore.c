/*
 * Stores with copies elsewhere: as good as the store itself, never stale,
 * whoever fills the caches.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "meddler.h"
#include "storebed.h"
#include "support/failalloc.h"

/* A store, and caches beside it that several share. */
typedef struct bed {
    kist_store *main;
    kist_store *data;
    kist_store *etags;
    kist_store *other; // over the three
    kt_meddling meddling;
    kist_store *store; // the same, with somebody in between
} bed;

static kist_store *
open_memory(const char *format)
{
    kist_store_options options;
    kist_store *store;

    kist_store_options_init(&options);
    options.format = format;
    KT_OK(kist_store_open_memory(&options, &store));
    return store;
}

static void
bed_init(bed *b)
{
    kist_store *main;
    kist_store *data;
    kist_store *etags;

    *b = (bed){.main = open_memory("json")};
    b->data = open_memory("json");
    KT_OK(kist_store_reformat(b->data, "json_etag", &b->etags));
    KT_OK(kist_store_cached(b->main, b->data, b->etags, &b->other));
    main = kt_meddled(b->main, &b->meddling);
    data = kt_meddled(b->data, &b->meddling);
    etags = kt_meddled(b->etags, &b->meddling);
    KT_OK(kist_store_cached(main, data, etags, &b->store));
    kist_store_close(main);
    kist_store_close(data);
    kist_store_close(etags);
}

static void
bed_fini(bed *b)
{
    kist_store_close(b->store);
    kist_store_close(b->other);
    kist_store_close(b->etags);
    kist_store_close(b->data);
    kist_store_close(b->main);
}

/*
 * Goal    over any store, it is that store.
 * Method  the oracle; random histories; two of them in turn on one main, and
 *         what one sees, the other does.
 */
static void
test_same(void **state)
{
    const kt_place *place = *state;
    bed b;

    bed_init(&b);
    assert_int_equal(kt_store_oracle(b.other, KT_STORE_PLAIN), 180);
    KT_OK(kist_store_clear(b.other, NULL));
    kt_store_history(b.other, KT_STORE_PLAIN, place->seed, 10000);
    kt_store_history(b.store, KT_STORE_PLAIN, place->seed + 1, 5000);
    kt_store_counters(b.other, 8, 3, 1000);
    kt_store_inserts(b.other, 8, 200);
    // The caches know of the same keys, and no others.
    KT_OK(kist_store_clear(b.store, NULL));
    kt_store_check_keys(b.main, "");
    kt_store_check_keys(b.data, "");
    kt_store_check_keys(b.etags, "");
    bed_fini(&b);
}

/*
 * Goal    a value is read from main once, until it changes there.
 * Method  count what is read from main, through every kind of get.
 */
static void
test_reads(void **state)
{
    kist_condition c = {.rule = KIST_IF_ANY, .fetch = KIST_FETCH_CHANGED};
    kt_meddling meddling = {.reads = 0};
    kist_store *main;
    kist_store *store;
    kist_buf value = {0};
    kist_outcome outcome;
    bed b;

    (void)state;
    bed_init(&b);
    main = kt_meddled(b.main, &meddling);
    KT_OK(kist_store_cached(main, b.data, b.etags, &store));
    kt_store_put(b.main, "k", "first");
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(store, kist_str("none"), &value, NULL));
    meddling.reads = 0;
    for (int i = 0; i < 5; i++) {
        kt_store_check_value(store, "k", "first", NULL);
    }
    assert_int_equal(meddling.reads, 1);
    kt_store_put(b.main, "k", "second");
    for (int i = 0; i < 5; i++) {
        kt_store_check_value(store, "k", "second", NULL);
        KT_OK(kist_store_get_if(store, kist_str("k"), &c, &value, &outcome));
        assert_int_equal(outcome.found,
                         i == 0 ? KIST_FOUND_VALUE : KIST_FOUND_UNREAD);
        c.expected = outcome.after;
    }
    assert_int_equal(meddling.reads, 2);
    // What was put is kept, too, and one that shares the caches has it.
    kt_store_put(b.other, "k", "third");
    kt_store_check_value(store, "k", "third", NULL);
    assert_int_equal(meddling.reads, 2);
    KT_OK(kist_store_get_if(store, kist_str("k"), &c, &value, &outcome));
    assert_int_equal(outcome.found, KIST_FOUND_VALUE);
    assert_int_equal(meddling.reads, 2);
    KT_OK(kist_store_remove(store, kist_str("k")));
    kt_store_check_keys(b.data, "");
    kt_store_check_keys(b.etags, "");
    kist_buf_fini(&value);
    kist_store_close(store);
    kist_store_close(main);
    bed_fini(&b);
}

/*
 * Goal    others find in the caches what they expect there: the bare value,
 *         and the bare ETag of main; and are not trusted.
 * Method  look; put a pair there that does not belong together.
 */
static void
test_peer(void **state)
{
    kist_buf text = {0};
    kist_etag etag;
    bed b;

    (void)state;
    bed_init(&b);
    etag = kt_store_put(b.other, "k", "value");
    kt_store_check_value(b.data, "k", "value", NULL);
    KT_OK(kist_store_get(b.etags, kist_str("k"), &text, NULL));
    assert_int_equal(text.size, etag.size);
    assert_memory_equal(text.data, etag.text, etag.size);

    // Two peers wrote at once: the data of one, the ETag of the other.
    kt_store_put(b.data, "k", "stale");
    kt_store_check_value(b.other, "k", "value", &etag);
    kt_store_check_value(b.data, "k", "value", NULL);
    etag = kt_store_put(b.main, "k", "newer");
    KT_OK(kist_store_put(b.etags, kist_str("k"),
                         kist_bytes(etag.text, etag.size), NULL));
    kt_store_check_value(b.other, "k", "newer", &etag);
    KT_OK(kist_store_remove(b.data, kist_str("k")));
    kt_store_check_value(b.other, "k", "newer", &etag);
    kist_buf_fini(&text);
    bed_fini(&b);
}

/* What is done by one, and by the other in the middle of it. */
typedef enum deed {
    DEED_PUT,
    DEED_GET,
    DEED_GET_IF,
    DEED_REMOVE,
    DEED_TRANSFORM,
    DEED_PEER, // writes both entries, bare, one after the other
    DEED_COUNT
} deed;

static kist_decision
make_longer(void *context, const kist_slice *current, kist_buf *next)
{
    (void)context;
    if (current != NULL) {
        KT_OK(kist_buf_append(next, current->data, current->size));
    }
    KT_OK(kist_buf_append(next, "+", 1));
    return KIST_REPLACE;
}

static void
act(bed *b, kist_store *store, deed d, const char *text)
{
    const kist_condition c = {.rule = KIST_IF_CHANGED,
                              .expected = {.size = 1, .text = "?"},
                              .fetch = KIST_FETCH_CHANGED};
    kist_buf value = {0};
    kist_outcome outcome;
    kist_etag etag;

    switch (d) {
    case DEED_PUT:
        kt_store_put(store, "k", text);
        break;
    case DEED_GET:
        (void)!kist_store_get(store, kist_str("k"), &value, NULL);
        break;
    case DEED_GET_IF:
        KT_OK(kist_store_get_if(store, kist_str("k"), &c, &value, &outcome));
        break;
    case DEED_REMOVE:
        (void)!kist_store_remove(store, kist_str("k"));
        break;
    case DEED_TRANSFORM:
        KT_OK(kist_store_transform(store, kist_str("k"), make_longer, NULL, 5,
                                   NULL));
        break;
    default:
        etag = kt_store_put(b->main, "k", text);
        kt_store_put(b->data, "k", text);
        KT_OK(kist_store_put(b->etags, kist_str("k"),
                             kist_bytes(etag.text, etag.size), NULL));
    }
    kist_buf_fini(&value);
}

/* Comes between at one step. */
typedef struct intruder {
    bed *b;
    unsigned at;
    deed deed;
    deed second; // DEED_COUNT: none
} intruder;

static kist_status
come(void *context, kt_moment moment)
{
    intruder *in = context;

    (void)moment;
    if (in->b->meddling.steps == in->at) {
        act(in->b, in->b->other, in->deed, "other");
        if (in->second != DEED_COUNT) {
            act(in->b, in->b->other, in->second, "second");
        }
    }
    return KIST_OK;
}

/* All who ask are told what main has. */
static void
check_fresh(bed *b)
{
    kist_buf value = {0};
    kist_etag etag;
    char text[64] = "";

    if (kist_store_get(b->main, kist_str("k"), &value, &etag) == KIST_OK) {
        assert_true(value.size < sizeof(text));
        memcpy(text, value.data, value.size);
        kt_store_check_value(b->other, "k", text, &etag);
        kt_store_check_value(b->store, "k", text, &etag);
        kt_store_check_value(b->other, "k", text, &etag);
    }
    else {
        kt_store_check_absent(b->other, "k");
        kt_store_check_absent(b->store, "k");
    }
    kist_buf_fini(&value);
}

/*
 * Who knows nothing of bonds, and sees main's ETag in `etags`, takes what is
 * in `data` for its value: so it is, once all have ended.
 */
static void
check_pair(bed *b)
{
    kist_buf value = {0};
    kist_buf text = {0};
    kist_buf copy = {0};
    kist_etag etag;

    if (kist_store_get(b->main, kist_str("k"), &value, &etag) == KIST_OK &&
        kist_store_get(b->etags, kist_str("k"), &text, NULL) == KIST_OK &&
        kist_store_get(b->data, kist_str("k"), &copy, NULL) == KIST_OK &&
        text.size == etag.size &&
        memcmp(text.data, etag.text, text.size) == 0) {
        assert_int_equal(copy.size, value.size);
        assert_memory_equal(copy.data, value.data, copy.size);
    }
    kist_buf_fini(&value);
    kist_buf_fini(&text);
    kist_buf_fini(&copy);
}

/* One history: `first`, with `in` in the middle.  False if it had fewer steps
 * than that. */
static bool
run(deed before, deed first, intruder *in)
{
    bool reached;
    bed b;

    bed_init(&b);
    in->b = &b;
    act(&b, b.other, before, "before");
    b.meddling.context = in;
    b.meddling.before = come;
    b.meddling.steps = 0;
    act(&b, b.store, first, "first");
    b.meddling.before = NULL;
    reached = b.meddling.steps >= in->at;
    if (in->deed != DEED_PEER && in->second != DEED_PEER) {
        check_pair(&b);
    }
    check_fresh(&b);
    bed_fini(&b);
    return reached;
}

/*
 * Goal    whatever two do at once to the same key, nobody is told a value that
 *         main does not have any more.
 * Method  each deed of one, with each two deeds of the other between each two
 *         of its steps on main and the caches.
 */
static void
test_between(void **state)
{
    unsigned histories = 0;

    (void)state;
    for (int before = 0; before < DEED_COUNT; before++) {
        for (int first = 0; first < DEED_PEER; first++) {
            for (int deeds = 0; deeds < DEED_COUNT * (DEED_COUNT + 1);
                 deeds++) {
                intruder in = {.at = 1,
                               .deed = (deed)(deeds % DEED_COUNT),
                               .second = (deed)(deeds / DEED_COUNT)};

                while (run((deed)before, (deed)first, &in)) {
                    in.at++;
                    histories++;
                }
            }
        }
    }
    assert_true(histories > 5000);
}

static kist_status
die(void *context, kt_moment moment)
{
    intruder *in = context;

    (void)moment;
    return in->b->meddling.steps >= in->at ? KIST_ERR_IO : KIST_OK;
}

/*
 * Goal    who dies between two steps, or whose caches fail, leaves nothing
 *         stale.
 * Method  each deed, with all its steps from the nth on failing; a call whose
 *         main works goes well.
 */
static void
test_cut_off(void **state)
{
    (void)state;
    for (int before = 0; before < DEED_COUNT; before++) {
        for (int first = 0; first < DEED_PEER; first++) {
            for (unsigned at = 1; at < 12; at++) {
                intruder in = {.at = at};
                kist_buf value = {0};
                bed b;

                bed_init(&b);
                in.b = &b;
                act(&b, b.other, (deed)before, "before");
                b.meddling.context = &in;
                b.meddling.before = die;
                b.meddling.steps = 0;
                if (first == DEED_PUT) {
                    (void)!kist_store_put(b.store, kist_str("k"),
                                          kist_str("first"), NULL);
                }
                else if (first == DEED_REMOVE) {
                    (void)!kist_store_remove(b.store, kist_str("k"));
                }
                else {
                    (void)!kist_store_get(b.store, kist_str("k"), &value,
                                          NULL);
                }
                b.meddling.before = NULL;
                check_pair(&b);
                check_fresh(&b);
                kist_buf_fini(&value);
                bed_fini(&b);
            }
        }
    }
}

static kist_status
come_and_die(void *context, kt_moment moment)
{
    intruder *in = context;

    (void)moment;
    if (in->b->meddling.steps == 3) {
        act(in->b, in->b->other, DEED_PUT, "newer");
    }
    return in->b->meddling.steps >= in->at ? KIST_ERR_IO : KIST_OK;
}

/*
 * Goal    an old value is not put under a newer ETag, for those to find who
 *         do not know of bonds.
 * Method  one who has read a value, and is about to keep a copy when another
 *         puts a new one, dies after any of his steps.
 */
static void
test_slow_reader(void **state)
{
    (void)state;
    for (unsigned at = 4; at < 10; at++) {
        intruder in = {.at = at};
        kist_buf value = {0};
        bed b;

        bed_init(&b);
        in.b = &b;
        kt_store_put(b.main, "k", "older");
        b.meddling.context = &in;
        b.meddling.before = come_and_die;
        KT_OK(kist_store_get(b.store, kist_str("k"), &value, NULL));
        assert_int_equal(value.size, 5);
        b.meddling.before = NULL;
        check_pair(&b);
        check_fresh(&b);
        kist_buf_fini(&value);
        bed_fini(&b);
    }
}

static kist_status
fail_always(void *context, kt_moment moment)
{
    (void)context;
    (void)moment;
    return KIST_ERR_IO;
}

/*
 * Goal    caches that do not work change nothing but the speed.
 * Method  histories with caches that fail in every call, and with such that
 *         take everything and have nothing.
 */
static void
test_failing_caches(void **state)
{
    const kt_place *place = *state;
    kt_meddling meddling = {.before = fail_always};
    kist_store *data;
    kist_store *etags;
    kist_store *store;
    bed b;

    bed_init(&b);
    data = kt_meddled(b.data, &meddling);
    etags = kt_meddled(b.etags, &meddling);
    KT_OK(kist_store_cached(b.main, data, etags, &store));
    kt_store_history(store, KT_STORE_PLAIN, place->seed, 3000);
    kist_store_close(store);
    kist_store_close(data);
    kist_store_close(etags);

    // The same where they take everything and have nothing.
    KT_OK(kist_store_open_null(NULL, &data));
    KT_OK(kist_store_cached(b.main, data, data, &store));
    kt_store_history(store, KT_STORE_PLAIN, place->seed, 3000);
    kist_store_close(store);
    kist_store_close(data);
    bed_fini(&b);
}

/* Threads that put and get, each by a store of its own. */
typedef struct race {
    bed *b;
    unsigned number;
    _Atomic unsigned *failures;
    pthread_t thread;
} race;

static uint64_t
number_of(const kist_etag *etag)
{
    uint64_t number = 0;

    for (size_t i = 0; i < etag->size; i++) {
        number = number * 10 + (uint64_t)(etag->text[i] - '0');
    }
    return number;
}

/*
 * A value's text is that of the counter that main had before it was put, so
 * it is less than its ETag, and no less than any ETag that its writer had
 * seen: with what main had before a get, the answer can be judged.
 */
static void *
put_and_get(void *context)
{
    race *r = context;
    kist_store *store;
    kist_buf value = {0};
    bool good = kist_store_cached(r->b->main, r->b->data, r->b->etags,
                                  &store) == KIST_OK;

    for (unsigned i = 0; good && i < 3000; i++) {
        kist_etag etag;
        kist_stat stat;

        good = kist_store_stat(r->b->main, kist_str("k"), &stat) == KIST_OK;
        if (good && i % 4 == r->number % 4) {
            good = kist_store_put(store, kist_str("k"),
                                  kist_bytes(stat.etag.text, stat.etag.size),
                                  NULL) == KIST_OK;
        }
        else if (good) {
            kist_etag known = {.size = 0};

            good =
                kist_store_get(store, kist_str("k"), &value, &etag) == KIST_OK;
            good = good && number_of(&etag) >= number_of(&stat.etag);
            if (good) {
                known.size = (uint8_t)value.size;
                memcpy(known.text, value.data, value.size);
                good = number_of(&known) < number_of(&etag);
            }
            // The value of the ETag is that of the ETag, also in main.
            if (good) {
                kist_condition c = {.rule = KIST_IF_SAME, .expected = etag};
                kist_outcome outcome;
                kist_buf there = {0};

                good = kist_store_get_if(r->b->main, kist_str("k"), &c, &there,
                                         &outcome) == KIST_OK;
                if (good && outcome.satisfied) {
                    good = there.size == value.size &&
                           memcmp(there.data, value.data, value.size) == 0;
                }
                kist_buf_fini(&there);
            }
        }
    }
    if (!good) {
        atomic_fetch_add(r->failures, 1);
    }
    kist_store_close(store);
    kist_buf_fini(&value);
    return NULL;
}

/*
 * Goal    the same between threads, that come where they will.
 * Method  six of them, one key.
 */
static void
test_threads(void **state)
{
    _Atomic unsigned failures = 0;
    race races[6];
    bed b;

    (void)state;
    bed_init(&b);
    kt_store_put(b.main, "k", "0");
    for (unsigned i = 0; i < KT_COUNT(races); i++) {
        races[i] = (race){.b = &b, .number = i, .failures = &failures};
        assert_int_equal(
            pthread_create(&races[i].thread, NULL, put_and_get, &races[i]), 0);
    }
    for (unsigned i = 0; i < KT_COUNT(races); i++) {
        pthread_join(races[i].thread, NULL);
    }
    assert_int_equal(failures, 0);
    check_fresh(&b);
    bed_fini(&b);
}

/*
 * Goal    without memory, NOMEM or a cache that is not filled; never stale.
 * Method  put and get with each allocation failing.
 */
static void
test_no_memory(void **state)
{
    bool hit = true;

    (void)state;
    for (uint64_t nth = 1; hit; nth++) {
        kist_buf value = {0};
        kist_status status;
        kist_store *sub = NULL;
        bed b;

        bed_init(&b);
        kt_store_put(b.other, "k", "before");
        kt_store_put(b.main, "k/sub", "sub");
        kt_alloc_fail(nth, false);
        status = kist_store_put(b.other, kist_str("k"), kist_str("1"), NULL);
        if (status == KIST_OK) {
            status = kist_store_get(b.other, kist_str("k"), &value, NULL);
        }
        if (status == KIST_OK) {
            status = kist_store_sub(b.other, kist_str("k"), &sub);
        }
        if (status == KIST_OK) {
            status = kist_store_get(sub, kist_str("sub"), &value, NULL);
        }
        hit = kt_alloc_hit();
        kt_alloc_heal();
        if (status != KIST_OK) {
            KT_ANSWERS(KIST_ERR_NOMEM, status);
            assert_true(hit);
        }
        check_fresh(&b);
        kist_store_close(sub);
        kist_buf_fini(&value);
        bed_fini(&b);
    }
}

/*
 * Goal    what cannot be a main or a cache is refused.
 * Method  stores that are append-only or read-only; a format too long.
 */
static void
test_refusals(void **state)
{
    kist_store_options options;
    kist_store *kept;
    kist_store *fixed;
    kist_store *store;
    kist_store *longest;
    bed b;

    (void)state;
    bed_init(&b);
    kist_store_options_init(&options);
    options.append_only = true;
    KT_OK(kist_store_open_memory(&options, &kept));
    options.append_only = false;
    options.read_only = true;
    KT_OK(kist_store_open_memory(&options, &fixed));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_cached(kept, b.data, b.etags, &store));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_cached(b.main, kept, b.etags, &store));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_cached(b.main, b.data, kept, &store));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_cached(b.main, fixed, b.etags, &store));
    longest = open_memory("a23456789012345678901234567890_2");
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_cached(b.main, b.data, longest, &store));
    assert_null(store);
    // A main that is read-only is read, and copied.
    KT_OK(kist_store_cached(fixed, b.data, b.etags, &store));
    KT_ANSWERS(KIST_ERR_READONLY,
               kist_store_put(store, kist_str("k"), kist_str("1"), NULL));
    kist_store_close(store);
    kist_store_close(longest);
    kist_store_close(kept);
    kist_store_close(fixed);
    bed_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_same),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_peer),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_slow_reader),
        KT_TEST(test_failing_caches),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
