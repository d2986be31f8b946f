/*
 * Many threads and processes that mix all operations, each against models of
 * what it has in the same kist.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/procs.h"
#include "support/script.h"

#define RESERVE   (64u << 20)
#define THREADS   8
#define PROCESSES 4

typedef struct worker {
    const kt_place *place;
    kist *k; /* shared by all threads, or NULL: each opens its own */
    uint32_t proc;
    uint32_t units;
    kist_durability durability;
    bool failed;
    char why[600];
    _Atomic uint64_t acked;
    _Atomic uint32_t ready; /* it has its handle */
} worker;

/* A batch, upkeep, or a single step. */
static kist_status
do_unit(kt_store *store, kt_world *world, uint64_t *random, bool may_reopen)
{
    const uint64_t draw = kt_random(random) % 100;
    kt_step step = {.op = KT_BEGIN};
    kist_status status;

    if (draw == 0 && may_reopen) {
        step.op = KT_REOPEN;
        return kt_step_both(store, world, &step);
    }
    if (draw == 1) {
        step.op = kt_random(random) % 4 == 0 ? KT_COMPACT : KT_SYNC;
        return kt_step_both(store, world, &step);
    }
    if (draw >= 12) {
        step = kt_step_random(world, random);
        return kt_step_both(store, world, &step);
    }
    status = kt_step_both(store, world, &step);
    for (uint64_t i = 0; status == KIST_OK && i < draw; i++) {
        step = kt_step_random(world, random);
        status = kt_step_both(store, world, &step);
    }
    if (status == KIST_OK) {
        step = (kt_step){.op = draw == 5 ? KT_ROLLBACK : KT_COMMIT};
        status = kt_step_both(store, world, &step);
    }
    return status;
}

static void
work_failed(worker *w, const char *what, uint64_t unit, const char *why)
{
    w->failed = true;
    snprintf(w->why, sizeof(w->why), "process %u, unit %llu: %s: %s", w->proc,
             (unsigned long long)unit, what, why);
}

static void
work_in(worker *w, kt_store *store)
{
    const bool own = w->k == NULL;
    kt_world world;
    uint64_t random = w->place->seed * 100 + w->proc;
    char why[400] = "";

    kt_world_init(&world, w->proc);
    for (uint32_t i = 0; !w->failed && i < w->units; i++) {
        const kist_status status = do_unit(store, &world, &random, own);

        if (status != KIST_OK) {
            kist_error_text(why, sizeof(why));
            work_failed(w, kist_status_name(status), i, why);
        }
        else if (store->wrong[0] != '\0') {
            work_failed(w, "handed out", i, store->wrong);
        }
        else if (i % 64 == 63 &&
                 !kt_store_check(store, &world, why, sizeof(why))) {
            work_failed(w, "check", i, why);
        }
    }
    if (!w->failed && !kt_store_check(store, &world, why, sizeof(why))) {
        work_failed(w, "check at the end", w->units, why);
    }
    kt_world_fini(&world);
}

static void *
work(void *argument)
{
    worker *w = argument;
    const kist_options options = {.durability = w->durability,
                                  .map_reserve = RESERVE};
    char why[400];
    kt_store store;
    const kist_status status =
        w->k != NULL
            ? kt_store_attach(&store, w->k, w->proc)
            : kt_store_open(&store, w->place->path, &options, w->proc);

    if (status != KIST_OK) {
        kist_error_text(why, sizeof(why));
        work_failed(w, "open", 0, why);
        return NULL;
    }
    work_in(w, &store);
    if (kt_store_close(&store) != KIST_OK) {
        work_failed(w, "close", 0, "");
    }
    return NULL;
}

static void
run_threads(worker *workers, size_t count)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]),
                         0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < count; i++) {
        KT_CHECK(!workers[i].failed, "%s", workers[i].why);
    }
}

static void
check_sound(const kt_place *place)
{
    const kist_options options = {.must_exist = true};
    kist_report report;
    kist *k;

    KT_OK(kist_open(place->path, &options, &k));
    KT_OK(kist_verify(k, NULL, NULL, &report));
    assert_int_equal(report.damaged_runs, 0);
    assert_false(report.index_damaged);
    KT_OK(kist_close(k));
}

/* Goal: eight threads on one handle do not disturb each other.
 * Method: each mixes all operations and compares with its models. */
static void
test_p18_threads_share_a_handle(void **state)
{
    const kist_options options = {.map_reserve = RESERVE};
    static worker workers[THREADS];
    kist *k;

    memset(workers, 0, sizeof(workers));
    KT_OK(kist_open(((kt_place *)*state)->path, &options, &k));
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].place = *state;
        workers[i].k = k;
        workers[i].proc = i;
        workers[i].units = 1000;
    }
    run_threads(workers, THREADS);
    KT_OK(kist_close(k));
    check_sound(*state);
}

/* Goal: so do eight handles of one process, opened and closed meanwhile. */
static void
test_p18_threads_with_handles_of_their_own(void **state)
{
    static worker workers[THREADS];

    memset(workers, 0, sizeof(workers));
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].place = *state;
        workers[i].proc = i;
        workers[i].units = 800;
    }
    run_threads(workers, THREADS);
    check_sound(*state);
}

typedef struct child_work {
    worker w;
    kt_shared *shared;
} child_work;

static int
work_in_child(void *argument)
{
    child_work *c = argument;

    (void)work(&c->w);
    if (c->w.failed) {
        memcpy(c->shared->why, c->w.why, sizeof(c->shared->why) - 1);
    }
    return c->w.failed;
}

static void
run_processes(void **state, kist_durability durability, uint32_t units)
{
    kt_shared *shared = kt_shared_new();
    static child_work works[PROCESSES];
    pid_t children[PROCESSES];

    memset(works, 0, sizeof(works));
    for (uint32_t i = 0; i < PROCESSES; i++) {
        works[i].shared = shared;
        works[i].w.place = *state;
        works[i].w.proc = i;
        works[i].w.units = units;
        works[i].w.durability = durability;
        children[i] = kt_spawn(work_in_child, &works[i]);
    }
    for (uint32_t i = 0; i < PROCESSES; i++) {
        const int result = kt_wait(children[i], 120000);

        KT_CHECK(result == 0, "process %u ended with %d: %s", i, result,
                 shared->why);
    }
    kt_shared_free(shared);
    check_sound(*state);
}

/* Goal: four processes in one kist do not disturb each other. */
static void
test_p18_processes_mix_all_operations(void **state)
{
    run_processes(state, KIST_PROCESS, 1500);
}

/* Goal: nor when they share flushes. */
static void
test_p18_processes_at_level_sync(void **state)
{
    run_processes(state, KIST_SYNC, 300);
}

static void
test_p18_processes_at_level_interval(void **state)
{
    run_processes(state, KIST_INTERVAL, 500);
}

/* --- closing while in use -------------------------------------------------
 */

static void *
append_until_closed(void *argument)
{
    worker *w = argument;
    char name[16];
    kist_list *list;
    kist_status status;

    snprintf(name, sizeof(name), "u%u", w->proc);
    status = kist_list_open(w->k, kist_str(name), KIST_INT, &list);
    atomic_store(&w->ready, 1);
    if (status == KIST_OK) {
        for (uint64_t i = 0; status == KIST_OK; i++) {
            const kist_value value = kist_int((int64_t)i);
            uint64_t count;

            status = kist_list_append(list, &value);
            if (status == KIST_OK) {
                atomic_store(&w->acked, i + 1);
                status = kist_list_count(list, &count);
            }
        }
        kist_list_close(list);
    }
    w->failed = status != KIST_ERR_CLOSED;
    snprintf(w->why, sizeof(w->why), "%s", kist_status_name(status));
    return NULL;
}

/* Goal: closing waits for calls inside, refuses later ones, loses nothing.
 * Method: eight threads append until they are told that it is closed. */
static void
test_p18_close_while_in_use(void **state)
{
    const kt_place *place = *state;
    const kist_options options = {.map_reserve = RESERVE};
    static worker workers[THREADS];

    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        char path[340];
        kist *k;

        memset(workers, 0, sizeof(workers));
        snprintf(path, sizeof(path), "%s%d", place->path, round);
        KT_OK(kist_open(path, &options, &k));
        for (uint32_t i = 0; i < THREADS; i++) {
            workers[i].k = k;
            workers[i].proc = i;
            assert_int_equal(pthread_create(&threads[i], NULL,
                                            append_until_closed, &workers[i]),
                             0);
        }
        for (uint32_t i = 0; i < THREADS; i++) {
            assert_true(kt_wait_word(&workers[i].ready, 1, 10000));
        }
        kt_sleep_ms(5);
        KT_OK(kist_close(k));
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            KT_CHECK(!workers[i].failed, "%s", workers[i].why);
        }
        KT_OK(kist_open(path, &options, &k));
        for (size_t i = 0; i < THREADS; i++) {
            kist_coll_info info;
            char name[16];
            const uint64_t acked = atomic_load(&workers[i].acked);

            snprintf(name, sizeof(name), "u%zu", i);
            if (acked > 0) {
                KT_OK(kist_coll_find(k, kist_str(name), &info));
                KT_CHECK(info.count == acked || info.count == acked + 1,
                         "%llu of %llu", (unsigned long long)info.count,
                         (unsigned long long)acked);
            }
        }
        KT_OK(kist_close(k));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p18_threads_share_a_handle),
        KT_TEST(test_p18_threads_with_handles_of_their_own),
        KT_TEST(test_p18_processes_mix_all_operations),
        KT_TEST(test_p18_processes_at_level_sync),
        KT_TEST(test_p18_processes_at_level_interval),
        KT_TEST(test_p18_close_while_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
