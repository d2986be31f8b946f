/*
 * Two who share a main and its caches, in every order that their steps can
 * have: nobody is told a stale value afterwards.
 *
 * Each of the two is a thread that waits before each of its steps on main and
 * the caches until it is let go.  A schedule says who is, whenever both could
 * be; the next one differs in the last choice that has not been made
 * otherwise, until there is none.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "meddler.h"
#include "storebed.h"

#define STEPS_MAX 64

typedef enum deed {
    DEED_PUT,
    DEED_REMOVE,
    DEED_GET,
    DEED_GET_IF,
    DEED_COUNT
} deed;

typedef struct actor {
    kt_meddling meddling;
    kist_store *store;
    deed deed;
    unsigned dies_at; // its steps fail from this one on; 0: none do
    const char *text;
    bool ended;
    sem_t go;
    sem_t arrived; // before a step, or at the end
    pthread_t thread;
} actor;

typedef struct bed {
    kist_store *main;
    kist_store *data;
    kist_store *etags;
    kist_store *fresh;
    actor actors[2];
} bed;

static kist_status
wait_for_turn(void *context, kt_moment moment)
{
    actor *a = context;

    (void)moment;
    sem_post(&a->arrived);
    sem_wait(&a->go);
    return a->dies_at > 0 && a->meddling.steps >= a->dies_at ? KIST_ERR_IO
                                                             : KIST_OK;
}

static void *
act(void *context)
{
    actor *a = context;
    const kist_condition c = {.rule = KIST_IF_ANY,
                              .expected = {.size = 1, .text = "?"},
                              .fetch = KIST_FETCH_CHANGED};
    kist_buf value = {0};
    kist_outcome outcome;
    kist_status status = KIST_OK;

    switch (a->deed) {
    case DEED_PUT:
        status =
            kist_store_put(a->store, kist_str("k"), kist_str(a->text), NULL);
        break;
    case DEED_GET:
        status = kist_store_get(a->store, kist_str("k"), &value, NULL);
        break;
    case DEED_GET_IF:
        status =
            kist_store_get_if(a->store, kist_str("k"), &c, &value, &outcome);
        break;
    default:
        status = kist_store_remove(a->store, kist_str("k"));
    }
    (void)status;
    kist_buf_fini(&value);
    a->ended = true;
    sem_post(&a->arrived);
    return NULL;
}

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
bed_init(bed *b, const deed deeds[2], unsigned dies_at)
{
    *b = (bed){.main = open_memory("json"), .data = open_memory("json")};
    KT_OK(kist_store_reformat(b->data, "json_etag", &b->etags));
    KT_OK(kist_store_cached(b->main, b->data, b->etags, &b->fresh));
    kt_store_put(b->main, "k", "before");
    for (int i = 0; i < 2; i++) {
        actor *a = &b->actors[i];
        kist_store *main = kt_meddled(b->main, &a->meddling);
        kist_store *data = kt_meddled(b->data, &a->meddling);
        kist_store *etags = kt_meddled(b->etags, &a->meddling);

        KT_OK(kist_store_cached(main, data, etags, &a->store));
        kist_store_close(main);
        kist_store_close(data);
        kist_store_close(etags);
        a->meddling.before = wait_for_turn;
        a->meddling.context = a;
        a->deed = deeds[i];
        a->dies_at = i == 0 ? dies_at : 0;
        a->text = i == 0 ? "by the first" : "by the second";
        assert_int_equal(sem_init(&a->go, 0, 0), 0);
        assert_int_equal(sem_init(&a->arrived, 0, 0), 0);
    }
}

static void
bed_fini(bed *b)
{
    for (int i = 0; i < 2; i++) {
        kist_store_close(b->actors[i].store);
        sem_destroy(&b->actors[i].go);
        sem_destroy(&b->actors[i].arrived);
    }
    kist_store_close(b->fresh);
    kist_store_close(b->etags);
    kist_store_close(b->data);
    kist_store_close(b->main);
}

/* A cached get answers what main does; `pair`: so does who trusts the bare
 * ETag in `etags`. */
static void
check(bed *b, bool pair)
{
    kist_buf value = {0};
    kist_buf text = {0};
    kist_buf copy = {0};
    kist_etag etag;
    const bool there =
        kist_store_get(b->main, kist_str("k"), &value, &etag) == KIST_OK;

    if (there && pair &&
        kist_store_get(b->etags, kist_str("k"), &text, NULL) == KIST_OK &&
        kist_store_get(b->data, kist_str("k"), &copy, NULL) == KIST_OK &&
        text.size == etag.size &&
        memcmp(text.data, etag.text, text.size) == 0) {
        assert_int_equal(copy.size, value.size);
        assert_memory_equal(copy.data, value.data, copy.size);
    }
    for (int i = 0; i < 2; i++) {
        kist_etag got;

        if (!there) {
            kt_store_check_absent(b->fresh, "k");
            continue;
        }
        KT_OK(kist_store_get(b->fresh, kist_str("k"), &copy, &got));
        assert_true(kist_etag_equal(&got, &etag));
        assert_int_equal(copy.size, value.size);
        assert_memory_equal(copy.data, value.data, copy.size);
    }
    kist_buf_fini(&value);
    kist_buf_fini(&text);
    kist_buf_fini(&copy);
}

/* Who was let go at each choice, and how many choices there were. */
typedef struct schedule {
    uint8_t who[STEPS_MAX];
    size_t count;
} schedule;

/* Plays *s, with the first where it says nothing, and completes it. */
static void
play(schedule *s, const deed deeds[2], unsigned dies_at)
{
    size_t choices = 0;
    bed b;

    bed_init(&b, deeds, dies_at);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            pthread_create(&b.actors[i].thread, NULL, act, &b.actors[i]), 0);
        sem_wait(&b.actors[i].arrived);
    }
    while (!b.actors[0].ended || !b.actors[1].ended) {
        unsigned who = b.actors[0].ended ? 1 : 0;

        if (!b.actors[0].ended && !b.actors[1].ended) {
            assert_true(choices < STEPS_MAX);
            if (choices == s->count) {
                s->who[s->count++] = 0;
            }
            who = s->who[choices++];
        }
        sem_post(&b.actors[who].go);
        sem_wait(&b.actors[who].arrived);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(b.actors[i].thread, NULL);
        b.actors[i].meddling.before = NULL;
    }
    check(&b, dies_at == 0);
    bed_fini(&b);
}

/* The next schedule; false if all were played. */
static bool
advance(schedule *s)
{
    while (s->count > 0 && s->who[s->count - 1] == 1) {
        s->count--;
    }
    if (s->count > 0) {
        s->who[s->count - 1] = 1;
    }
    return s->count > 0;
}

static unsigned
play_all(deed first, deed second, unsigned dies_at)
{
    const deed deeds[2] = {first, second};
    schedule s = {.count = 0};
    unsigned count = 0;

    do {
        play(&s, deeds, dies_at);
        count++;
    } while (advance(&s));
    return count;
}

/*
 * Goal    after any two calls that ran at once, a cached get is fresh, and the
 *         bare entries, if they look current, are.
 * Method  all schedules of a put, or a remove, beside each other call.
 */
static void
test_schedules(void **state)
{
    unsigned count = 0;

    (void)state;
    for (int first = 0; first < DEED_COUNT; first++) {
        for (int second = first; second < DEED_COUNT; second++) {
            // Two who only read find the same whatever they do.
            if (first != DEED_GET && first != DEED_GET_IF) {
                count += play_all((deed)first, (deed)second, 0);
            }
        }
    }
    assert_true(count > 3000);
}

/*
 * Goal    a cached get is fresh also if one of them died in the middle.
 * Method  all schedules of a get that dies beside a put, and of a put that
 *         dies beside a get, at each step on the caches.
 */
static void
test_deaths(void **state)
{
    (void)state;
    for (unsigned at = 4; at < 7; at++) {
        play_all(DEED_GET, DEED_PUT, at);
        play_all(DEED_PUT, DEED_GET, at);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_deaths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
