#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "os/inflight.h"

#define ROUNDS 300

/* A thread that enters an object and does as it is told. */
typedef struct visitor {
    const void *object;
    _Atomic int entered;
    _Atomic int may_leave;
    _Atomic int left;
    _Atomic int next; // 1: enter and leave `elsewhere`; 2: end
    _Atomic int done;
    int wrong;
    pthread_t thread;
} visitor;

static char object;
static char elsewhere;

static void
await(_Atomic int *flag, int value)
{
    while (atomic_load(flag) != value) {
        usleep(200);
    }
}

static void *
visit(void *argument)
{
    visitor *self = argument;

    if (ki_inflight_register() != KIST_OK || ki_inflight_self == NULL) {
        self->wrong = 1;
        return NULL;
    }
    ki_inflight_enter(self->object);
    atomic_store(&self->entered, 1);
    await(&self->may_leave, 1);
    usleep(30000);
    atomic_store(&self->left, 1);
    ki_inflight_leave();
    atomic_store(&self->done, 1);
    while (atomic_load(&self->next) == 0) {
        usleep(200);
    }
    if (atomic_load(&self->next) == 1) {
        ki_inflight_enter(&elsewhere);
        ki_inflight_leave();
        atomic_store(&self->done, 2);
        await(&self->next, 2);
    }
    return NULL;
}

static void
start(visitor *self, const void *visited)
{
    *self = (visitor){.object = visited};
    assert_int_equal(pthread_create(&self->thread, NULL, visit, self), 0);
    await(&self->entered, 1);
}

static void
finish(visitor *self)
{
    atomic_store(&self->may_leave, 1);
    atomic_store(&self->next, 2);
    pthread_join(self->thread, NULL);
    assert_int_equal(self->wrong, 0);
}

/*
 * Goal    draining waits for the thread that is inside, for no other object,
 *         and not for the thread that drains.
 * Method  a visitor marks that it is about to leave; this thread is inside.
 */
static void
test_drain(void **state)
{
    visitor other;

    (void)state;
    assert_int_equal(ki_inflight_register(), KIST_OK);
    start(&other, &object);
    ki_inflight_enter(&object);
    ki_inflight_drain(&elsewhere);
    assert_int_equal(atomic_load(&other.left), 0);
    atomic_store(&other.may_leave, 1);
    ki_inflight_drain(&object);
    assert_int_equal(atomic_load(&other.left), 1);
    ki_inflight_leave();
    finish(&other);
    ki_inflight_drain(&object);
}

/*
 * Goal    a view lingers after leaving, until the thread enters something
 *         else or ends; one's own does not count.
 * Method  a visitor taken through these steps.
 */
static void
test_has_view(void **state)
{
    visitor other;

    (void)state;
    assert_int_equal(ki_inflight_register(), KIST_OK);
    ki_inflight_enter(&object);
    assert_false(ki_inflight_has_view(&object));
    ki_inflight_leave();
    start(&other, &object);
    assert_true(ki_inflight_has_view(&object));
    assert_false(ki_inflight_has_view(&elsewhere));
    atomic_store(&other.may_leave, 1);
    await(&other.done, 1);
    assert_true(ki_inflight_has_view(&object));
    atomic_store(&other.next, 1);
    await(&other.done, 2);
    assert_false(ki_inflight_has_view(&object));
    assert_true(ki_inflight_has_view(&elsewhere));
    finish(&other);
    assert_false(ki_inflight_has_view(&elsewhere));
}

static void *
tell_slot(void *slot)
{
    if (ki_inflight_self == NULL && ki_inflight_register() == KIST_OK &&
        ki_inflight_register() == KIST_OK) {
        *(ki_inflight **)slot = ki_inflight_self;
    }
    return NULL;
}

/*
 * Goal    a slot is a cache line, is given back when its thread ends and is
 *         used again.
 * Method  200 threads one after the other.
 */
static void
test_reuse(void **state)
{
    ki_inflight *first = NULL;

    (void)state;
    for (int i = 0; i < 200; i++) {
        ki_inflight *slot = NULL;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, tell_slot, &slot), 0);
        pthread_join(thread, NULL);
        assert_non_null(slot);
        assert_int_equal((uintptr_t)slot % 64, 0);
        first = i == 0 ? slot : first;
        assert_ptr_equal(slot, first);
    }
}

/* An object that is closed and taken apart while others call. */
typedef struct target {
    _Atomic int is_closed;
    int whole; // 0 once it is taken apart
    _Atomic int seen;
    _Atomic int wrong;
} target;

static void *
call_often(void *argument)
{
    target *called = argument;
    bool goes_on = true;

    if (ki_inflight_register() != KIST_OK) {
        atomic_store(&called->wrong, 1);
        return NULL;
    }
    while (goes_on) {
        ki_inflight_enter(called);
        if (atomic_load_explicit(&called->is_closed, memory_order_acquire)) {
            goes_on = false;
        }
        else if (called->whole != 1) {
            atomic_store(&called->wrong, 1);
        }
        ki_inflight_leave();
        atomic_store_explicit(&called->seen, 1, memory_order_relaxed);
    }
    return NULL;
}

static void
race_close(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        target closed = {.whole = 1};
        pthread_t threads[2];

        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                pthread_create(&threads[i], NULL, call_often, &closed), 0);
        }
        while (atomic_load(&closed.seen) == 0) {
            sched_yield();
        }
        atomic_store_explicit(&closed.is_closed, 1, memory_order_release);
        ki_inflight_drain(&closed);
        closed.whole = 0;
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(atomic_load(&closed.wrong), 0);
    }
}

/*
 * Goal    nobody is inside once an object is drained, with membarrier and
 *         with fences.
 * Method  two threads call in a loop while the third closes and takes apart;
 *         hundreds of rounds each way.
 */
static void
test_race(void **state)
{
    const int cheap = ki_inflight_cheap;

    (void)state;
    assert_int_equal(ki_inflight_register(), KIST_OK);
    race_close();
    ki_inflight_cheap = 0;
    race_close();
    ki_inflight_cheap = cheap;
}

/*
 * Goal    a child counts one fork more, sees nobody of its parent's threads
 *         inside, keeps its own slot, and can drain.
 * Method  fork twice deep while a visitor is inside.
 */
static void
test_fork(void **state)
{
    const uint32_t before = atomic_load(&ki_inflight_forks);
    visitor other;
    pid_t child;
    int status = 1;

    (void)state;
    assert_int_equal(ki_inflight_register(), KIST_OK);
    start(&other, &object);
    child = fork();
    if (child == 0) {
        ki_inflight *mine = ki_inflight_self;
        int wrong = atomic_load(&ki_inflight_forks) != before + 1;

        wrong |= ki_inflight_has_view(&object) ? 2 : 0;
        ki_inflight_drain(&object);
        wrong |= ki_inflight_register() != KIST_OK ? 4 : 0;
        wrong |= ki_inflight_self != mine ? 8 : 0;
        if (fork() == 0) {
            _exit(atomic_load(&ki_inflight_forks) == before + 2 ? 0 : 1);
        }
        wait(&status);
        _exit(wrong | (status != 0 ? 16 : 0));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&ki_inflight_forks), before);
    assert_true(ki_inflight_has_view(&object));
    finish(&other);
}

#define LITMUS_ROUNDS 100000

static _Atomic int litmus_start; // the round that may begin
static _Atomic int litmus_end;   // the last round that the other has done
static _Atomic int litmus_closed;
static int litmus_was_open;

static void
await_round(_Atomic int *flag, int round)
{
    for (int spins = 0; atomic_load(flag) < round; spins++) {
        if (spins > 1000) {
            sched_yield();
        }
    }
}

static void *
enter_in_rounds(void *unused)
{
    if (ki_inflight_register() != KIST_OK) {
        return &litmus_start;
    }
    for (int round = 1; round <= LITMUS_ROUNDS; round++) {
        ki_inflight_enter(&elsewhere);
        ki_inflight_leave();
        await_round(&litmus_start, 2 * round - 1);
        ki_inflight_enter(&object);
        litmus_was_open =
            !atomic_load_explicit(&litmus_closed, memory_order_acquire);
        atomic_store(&litmus_end, round);
        ki_inflight_leave();
        await_round(&litmus_start, 2 * round);
    }
    return unused;
}

/*
 * Goal    entering and closing cannot miss each other: not both does the one
 *         find the object open and the other nobody inside.
 * Method  both at once, 100,000 times.  Without the barrier that takes only
 *         a store kept back in its processor: about half of the runs fail.
 */
static void
test_order(void **state)
{
    pthread_t thread;
    void *wrong;
    int missed = 0;

    (void)state;
    assert_int_equal(ki_inflight_register(), KIST_OK);
    assert_int_equal(pthread_create(&thread, NULL, enter_in_rounds, NULL), 0);
    for (int round = 1; round <= LITMUS_ROUNDS; round++) {
        bool has_view;

        atomic_store(&litmus_closed, 0);
        atomic_store(&litmus_start, 2 * round - 1);
        // Not always at the same moment.
        for (volatile int wait = round % 64; wait > 0; wait = wait - 1) {
        }
        atomic_store_explicit(&litmus_closed, 1, memory_order_release);
        has_view = ki_inflight_has_view(&object);
        await_round(&litmus_end, round);
        missed += litmus_was_open && !has_view;
        atomic_store(&litmus_start, 2 * round);
    }
    pthread_join(thread, &wrong);
    assert_null(wrong);
    assert_int_equal(missed, 0);
}

static int
fail_always(void)
{
    return 1;
}

static void *
register_without_memory(void *result)
{
    *(kist_status *)result = ki_inflight_register();
    return NULL;
}

/*
 * Goal    without memory for a slot, NOMEM.
 * Method  visitors take what slots are free; then the hook fails.
 */
static void
test_no_memory(void **state)
{
    visitor others[3];
    kist_status status = KIST_OK;
    pthread_t thread;

    (void)state;
    for (int i = 0; i < 3; i++) {
        start(&others[i], &object);
    }
    ki_alloc_hook = fail_always;
    pthread_create(&thread, NULL, register_without_memory, &status);
    pthread_join(thread, NULL);
    ki_alloc_hook = NULL;
    assert_int_equal(status, KIST_ERR_NOMEM);
    for (int i = 0; i < 3; i++) {
        finish(&others[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain), cmocka_unit_test(test_has_view),
        cmocka_unit_test(test_reuse), cmocka_unit_test(test_race),
        cmocka_unit_test(test_order), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
