/*
 * P1: a writer is killed before each of its calls and inside each of its
 * steps; the next writer finds whole operations and goes on.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/faultio.h"
#include "support/powercut.h"
#include "support/procs.h"

#define RESERVE (16u << 20)

static const kist_options plain = {.map_reserve = RESERVE};

static const kt_step setup_steps[] = {
    {.op = KT_PUT_MANY, .coll = KT_D, .key = 50, .index = 6, .value = 500},
    {.op = KT_REMOVE, .coll = KT_D, .key = 53},
    {.op = KT_APPEND_MANY, .coll = KT_L, .index = 6, .value = 40},
    {.op = KT_APPEND_MANY, .coll = KT_T, .index = 4, .value = 800},
    {.op = KT_ADD, .coll = KT_S, .key = 50},
    {.op = KT_OP_END},
};

typedef struct victim {
    const kt_place *place;
    kt_shared *shared;
    const kt_step *steps;
    const size_t *ends; /* of the units */
    const char *path;
    uint64_t nth;
    kist_durability durability;
} victim;

static void
die(void *context)
{
    (void)context;
    kill(getpid(), SIGKILL);
}

/* Plays the steps, counting units in shared->done, until it is killed. */
static int
play(void *argument)
{
    victim *v = argument;
    const kist_options options = {.map_reserve = RESERVE,
                                  .durability = v->durability};
    size_t ends[KT_UNITS_MAX];
    const size_t units = kt_units(v->steps, ends);
    size_t at = 0;
    kt_world world;
    kt_store store;

    kt_io_install();
    kt_io_cut_at(v->nth, die, NULL);
    kt_world_init(&world, 0);
    KT_CHILD(v->shared, KIST_OK, kt_store_open(&store, v->path, &options, 0));
    KT_CHILD(v->shared, KIST_OK, kt_store_read(&store, &world));
    for (size_t unit = 0; unit < units; unit++) {
        for (; at <= ends[unit]; at++) {
            KT_CHILD(v->shared, KIST_OK,
                     kt_step_both(&store, &world, &v->steps[at]));
        }
        atomic_store(&v->shared->done, unit + 1);
    }
    KT_CHILD(v->shared, KIST_OK, kt_store_close(&store));
    return 0;
}

/* Reads what is there: the state after the units done, or one more. */
static void
read_state(const victim *v, kt_store *store, const kt_world *worlds,
           size_t units, bool mended, kt_world *found)
{
    const uint64_t done = atomic_load(&v->shared->done);

    KT_OK(kt_store_read(store, found));
    if (!mended && done < units && v->steps[v->ends[done]].op == KT_COMMIT) {
        return; // a batch shows item by item while it is being applied
    }
    KT_CHECK(kt_world_equal(found, &worlds[done]) ||
                 (done < units && kt_world_equal(found, &worlds[done + 1])),
             "killed before call %llu, after %llu units",
             (unsigned long long)v->nth, (unsigned long long)done);
}

/* The survivor reads, takes the dead writer's place, reads again, writes.  A
 * unit that the dead one had logged may show only in the second reading. */
static void
judge(const victim *v, kt_store *store, const kt_world *worlds, size_t units)
{
    uint64_t random = v->nth;
    kist_report report;
    kt_store second;
    kt_world found;
    char why[500] = "";

    kt_world_init(&found, 0);
    read_state(v, store, worlds, units, false, &found);
    KT_OK(kist_batch_begin(store->k));
    KT_OK(kist_batch_rollback(store->k));
    read_state(v, store, worlds, units, true, &found);
    KT_CHECK(kt_store_check(store, &found, why, sizeof(why)),
             "killed before call %llu: %s", (unsigned long long)v->nth, why);
    KT_OK(kist_verify(store->k, NULL, NULL, &report));
    assert_int_equal(report.damaged_runs, 0);
    assert_false(report.index_damaged);
    for (int i = 0; i < 5; i++) {
        const kt_step step = kt_step_random(&found, &random);

        KT_OK(kt_step_both(store, &found, &step));
    }
    // A second handle sees what the survivor wrote, not what it replaced.
    KT_OK(kt_store_open(&second, v->path, &plain, 0));
    KT_CHECK(kt_store_check(&second, &found, why, sizeof(why)),
             "killed before call %llu, opened again: %s",
             (unsigned long long)v->nth, why);
    KT_OK(kt_store_close(&second));
    KT_CHECK(kt_store_check(store, &found, why, sizeof(why)),
             "killed before call %llu, used again: %s",
             (unsigned long long)v->nth, why);
    kt_world_fini(&found);
}

/* One round; false if the child was not killed any more. */
static bool
kill_once(victim *v, const kt_world *worlds, size_t units, bool beside)
{
    char path[400];
    kt_store store;
    kt_world world;
    int result;

    snprintf(path, sizeof(path), "%s/%llu", v->place->dir,
             (unsigned long long)v->nth);
    v->path = path;
    atomic_store(&v->shared->done, 0);
    kt_world_init(&world, 0);
    KT_OK(kt_store_open(&store, path, &plain, 0));
    for (const kt_step *step = setup_steps; step->op != KT_OP_END; step++) {
        KT_OK(kt_step_both(&store, &world, step));
    }
    if (!beside) {
        KT_OK(kt_store_close(&store));
    }
    result = kt_wait(kt_spawn(play, v), 20000);
    KT_CHECK(result == 0 || result == 128 + SIGKILL, "ended with %d: %s",
             result, v->shared->why);
    if (!beside) {
        KT_OK(kt_store_open(&store, path, &plain, 0));
    }
    judge(v, &store, worlds, units);
    KT_OK(kt_store_close(&store));
    KT_OK(kist_destroy(path));
    kt_world_fini(&world);
    return result != 0;
}

static void
kill_everywhere(void **state, const kt_step *steps, bool beside,
                kist_durability durability, uint64_t rounds_min)
{
    kt_shared *shared = kt_shared_new();
    victim v = {*state, shared, steps, NULL, NULL, 1, durability};
    static kt_world worlds[KT_UNITS_MAX + 1];
    size_t ends[KT_UNITS_MAX];
    const size_t units = kt_units(steps, ends);
    kt_world world;
    size_t at = 0;

    v.ends = ends;
    kt_world_init(&world, 0);
    for (const kt_step *step = setup_steps; step->op != KT_OP_END; step++) {
        kt_world_step(&world, step);
    }
    for (size_t unit = 0; unit <= units; unit++) {
        kt_world_init(&worlds[unit], 0);
        kt_world_copy(&worlds[unit], &world);
        for (; unit < units && at <= ends[unit]; at++) {
            kt_world_step(&world, &steps[at]);
        }
    }
    while (kill_once(&v, worlds, units, beside)) {
        v.nth++;
    }
    print_message("           killed before each of %llu calls and points\n",
                  (unsigned long long)v.nth - 1);
    KT_CHECK(v.nth > rounds_min, "only %llu", (unsigned long long)v.nth);
    for (size_t unit = 0; unit <= units; unit++) {
        kt_world_fini(&worlds[unit]);
    }
    kt_world_fini(&world);
    kt_shared_free(shared);
}

static const kt_step mixed_steps[] = {
    {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 11},
    {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 12},
    {.op = KT_REMOVE, .coll = KT_D, .key = 51},
    {.op = KT_APPEND, .coll = KT_L, .value = 13},
    {.op = KT_INSERT, .coll = KT_L, .index = 3, .value = 14},
    {.op = KT_INSERT, .coll = KT_T, .index = 1, .value = 15},
    {.op = KT_POP, .coll = KT_L, .index = 1},
    {.op = KT_ADD, .coll = KT_S, .key = 1},
    {.op = KT_POPITEM, .coll = KT_S},
    {.op = KT_BEGIN},
    {.op = KT_PUT, .coll = KT_D, .key = 2, .value = 16},
    {.op = KT_POP, .coll = KT_T, .index = 0},
    {.op = KT_REMOVE, .coll = KT_D, .key = 50},
    {.op = KT_COMMIT},
    {.op = KT_SORT, .coll = KT_L, .key = 1},
    {.op = KT_BEGIN},
    {.op = KT_CLEAR, .coll = KT_D},
    {.op = KT_ROLLBACK},
    {.op = KT_PUT, .coll = KT_X, .key = 2, .value = 17},
    {.op = KT_OP_END},
};

static const kt_step compact_steps[] = {
    {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 12},
    {.op = KT_COMPACT},
    {.op = KT_APPEND, .coll = KT_T, .value = 13},
    {.op = KT_OP_END},
};

/* Goal: the survivor, who has the kist open, redoes or drops what the dead
 * writer was doing, and goes on.
 * Method: kill before each call and point; compare, verify, write. */
static void
test_p01_killed_beside_another_process(void **state)
{
    kill_everywhere(state, mixed_steps, true, KIST_PROCESS, 20);
}

/* Goal: the same for who opens the kist afterwards. */
static void
test_p01_killed_alone(void **state)
{
    kill_everywhere(state, mixed_steps, false, KIST_PROCESS, 20);
}

static void
test_p01_killed_at_level_sync(void **state)
{
    kill_everywhere(state, mixed_steps, true, KIST_SYNC, 20);
}

static void
test_p03_killed_while_compacting(void **state)
{
    kill_everywhere(state, compact_steps, true, KIST_PROCESS, 10);
    kill_everywhere(state, compact_steps, false, KIST_PROCESS, 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p01_killed_beside_another_process),
        KT_TEST(test_p01_killed_alone),
        KT_TEST(test_p01_killed_at_level_sync),
        KT_TEST(test_p03_killed_while_compacting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
