/* Threads that get in each other's way. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "storebed.h"

/* What the threads of one test share.  They do not use cmocka's checks, which
 * leave by longjmp(). */
typedef struct race {
    kist_store *store;
    unsigned keys;
    unsigned times;
    _Atomic unsigned failures;
    _Atomic unsigned wins;
} race;

typedef struct racer {
    race *race;
    unsigned number;
    pthread_t thread;
} racer;

static void
complain(race *r, const char *what, kist_status status)
{
    char text[600];

    kist_error_text(text, sizeof(text));
    if (atomic_fetch_add(&r->failures, 1) < 5) {
        fprintf(stderr, "%s: %s: %s\n", what, kist_status_name(status), text);
    }
}

static void
run_race(race *r, unsigned threads, void *(*run)(void *racer))
{
    racer *racers = calloc(threads, sizeof(*racers));

    assert_non_null(racers);
    for (unsigned i = 0; i < threads; i++) {
        racers[i].race = r;
        racers[i].number = i;
        assert_int_equal(
            pthread_create(&racers[i].thread, NULL, run, &racers[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(racers[i].thread, NULL);
    }
    free(racers);
    assert_int_equal(atomic_load(&r->failures), 0);
}

static uint64_t
parse(const kist_buf *value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < value->size; i++) {
        number = number * 10 + (uint64_t)(value->data[i] - '0');
    }
    return number;
}

static kist_decision
add_one(void *context, const kist_slice *current, kist_buf *next)
{
    kist_buf value = {0};
    char text[24];

    (void)context;
    if (current != NULL) {
        value.data = (uint8_t *)(uintptr_t)current->data;
        value.size = current->size;
    }
    snprintf(text, sizeof(text), "%" PRIu64, parse(&value) + 1);
    return kist_buf_append(next, text, strlen(text)) == KIST_OK ? KIST_REPLACE
                                                                : KIST_KEEP;
}

/* The other way: what was refused says by what. */
static kist_status
add_by_put(kist_store *store, kist_slice key)
{
    kist_condition c = {.rule = KIST_IF_SAME, .fetch = KIST_FETCH_ALWAYS};
    kist_buf value = {0};
    kist_outcome outcome = {.satisfied = false};
    kist_status status;

    do {
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, parse(&value) + 1);
        status = kist_store_put_if(store, key, kist_str(text), &c, &value,
                                   &outcome);
        c.expected = outcome.after;
    } while (status == KIST_OK && !outcome.satisfied);
    kist_buf_fini(&value);
    return status;
}

static void *
count_up(void *context)
{
    racer *me = context;
    race *r = me->race;

    for (unsigned i = 0; i < r->times; i++) {
        const unsigned number = (i + me->number) % r->keys;
        char key[32];
        kist_status status;

        snprintf(key, sizeof(key), "counter/%u", number);
        status = i % 2 == 0
                     ? kist_store_transform(r->store, kist_str(key), add_one,
                                            NULL, SIZE_MAX, NULL)
                     : add_by_put(r->store, kist_str(key));
        if (status != KIST_OK) {
            complain(r, key, status);
            break;
        }
    }
    return NULL;
}

void
kt_store_counters(kist_store *store, unsigned threads, unsigned keys,
                  unsigned times)
{
    race r = {.store = store, .keys = keys, .times = times};
    uint64_t sum = 0;

    run_race(&r, threads, count_up);
    for (unsigned i = 0; i < keys; i++) {
        kist_buf value = {0};
        char key[32];

        snprintf(key, sizeof(key), "counter/%u", i);
        KT_OK(kist_store_get(store, kist_str(key), &value, NULL));
        sum += parse(&value);
        kist_buf_fini(&value);
        KT_OK(kist_store_remove(store, kist_str(key)));
    }
    assert_int_equal(sum, (uint64_t)threads * times);
}

static void *
insert(void *context)
{
    racer *me = context;
    race *r = me->race;
    const kist_condition c = {.rule = KIST_IF_ANY, .fetch = KIST_FETCH_ALWAYS};
    kist_buf value = {0};

    for (unsigned i = 0; i < r->keys; i++) {
        kist_outcome outcome;
        kist_etag etag;
        char given[32];
        char key[32];
        kist_status status;

        snprintf(key, sizeof(key), "inserted/%u", i);
        snprintf(given, sizeof(given), "by %u", me->number);
        status = kist_store_put_new_if(r->store, kist_str(key),
                                       kist_str(given), &c, &value, &outcome);
        if (status != KIST_OK) {
            complain(r, key, status);
            break;
        }
        if (outcome.found == KIST_FOUND_GIVEN) {
            atomic_fetch_add(&r->wins, 1);
            kist_buf_clear(&value);
            status = kist_buf_append(&value, given, strlen(given));
        }
        else if (outcome.found != KIST_FOUND_VALUE) {
            complain(r, "no value", status);
        }
        // It is there for ever, with that ETag.
        if (status == KIST_OK) {
            kist_buf now = {0};

            status = kist_store_get(r->store, kist_str(key), &now, &etag);
            if (status != KIST_OK || now.size != value.size ||
                memcmp(now.data, value.data, now.size) != 0 ||
                !kist_etag_equal(&etag, &outcome.after)) {
                complain(r, "not the first", status);
            }
            kist_buf_fini(&now);
        }
    }
    kist_buf_fini(&value);
    return NULL;
}

void
kt_store_inserts(kist_store *store, unsigned threads, unsigned keys)
{
    race r = {.store = store, .keys = keys};

    run_race(&r, threads, insert);
    assert_int_equal(atomic_load(&r.wins), keys);
}
