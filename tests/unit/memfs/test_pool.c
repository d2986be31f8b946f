#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"
#include "memfs/pool.h"
#include "support/failalloc.h"
#include "support/faultio.h"
#include "support/procs.h"

#define PAGE KI_POOL_PAGE

/* Something taken from the pool, marked at its ends and in each page. */
typedef struct taken {
    uint8_t *data;
    size_t size;
    void *home;
    uint64_t mark;
} taken;

static void
mark_at(const taken *t, size_t offset, bool check)
{
    uint64_t number = t->mark + offset;

    if (check) {
        assert_memory_equal(t->data + offset, &number, sizeof(number));
    }
    else {
        memcpy(t->data + offset, &number, sizeof(number));
    }
}

/* Writes marks, or looks whether they are still there. */
static void
mark(const taken *t, bool check)
{
    for (size_t at = 0; at + 8 < t->size; at += PAGE / 2) {
        mark_at(t, at, check);
    }
    mark_at(t, t->size - 8, check);
}

static bool
take(taken *t, size_t size)
{
    static uint64_t marks;

    t->size = size;
    t->data = ki_pool_take(size, &t->home);
    if (t->data == NULL) {
        return false;
    }
    t->mark = ++marks * 1000000007;
    mark(t, false);
    return true;
}

static void
give(taken *t)
{
    mark(t, true);
    ki_pool_give(t->data, t->size, t->home);
    t->data = NULL;
}

/*
 * Goal    what is taken is nobody else's, whatever the sizes and the order.
 * Method  a random history of pieces that are marked, and looked at before
 *         they go back.
 */
static void
test_random(void **state)
{
    static const size_t sizes[] = {PAGE,      PAGE + 1,          3 * PAGE,
                                   20 * PAGE, KI_POOL_CHUNK,     40 * PAGE,
                                   2 * PAGE,  KI_POOL_CHUNK + 1, PAGE - 1};
    const kt_place *place = *state;
    uint64_t seed = place->seed;
    static taken pieces[120];

    for (int step = 0; step < 20000; step++) {
        taken *t = &pieces[kt_random_below(&seed, KT_COUNT(pieces))];

        if (t->data != NULL) {
            give(t);
        }
        else {
            assert_true(
                take(t, sizes[kt_random_below(&seed, KT_COUNT(sizes))]));
        }
    }
    for (size_t i = 0; i < KT_COUNT(pieces); i++) {
        if (pieces[i].data != NULL) {
            give(&pieces[i]);
        }
    }
    assert_true(ki_pool_held() <= KI_POOL_LENT + KI_POOL_CHUNK);
}

/*
 * Goal    what is free is kept up to a limit, used again, and given back to
 *         the system beyond it.
 * Method  more chunks than are kept, none of them touched but at their ends.
 */
static void
test_kept(void **state)
{
    const size_t count = (KI_POOL_LENT + KI_POOL_LENT / 4) / KI_POOL_CHUNK;
    taken *chunks = calloc(count, sizeof(*chunks));
    const size_t before = ki_pool_held();
    size_t held;

    (void)state;
    assert_non_null(chunks);
    for (size_t i = 0; i < count; i++) {
        chunks[i].data = ki_pool_take(KI_POOL_CHUNK, &chunks[i].home);
        assert_non_null(chunks[i].data);
    }
    assert_true(ki_pool_held() >= count * KI_POOL_CHUNK);
    for (size_t i = 0; i < count; i++) {
        ki_pool_give(chunks[i].data, KI_POOL_CHUNK, chunks[i].home);
    }
    held = ki_pool_held();
    assert_in_range(held, KI_POOL_KEPT, KI_POOL_LENT + KI_POOL_CHUNK);
    for (size_t i = 0; i < 100; i++) {
        chunks[i].data = ki_pool_take(KI_POOL_CHUNK, &chunks[i].home);
        assert_non_null(chunks[i].data);
    }
    assert_int_equal(ki_pool_held(), held);
    for (size_t i = 0; i < 100; i++) {
        ki_pool_give(chunks[i].data, KI_POOL_CHUNK, chunks[i].home);
    }
    // A mapping of its own goes back at once.
    assert_true(take(&chunks[0], 5 * KI_POOL_CHUNK + 1));
    assert_int_equal(ki_pool_held(), held + 6 * KI_POOL_CHUNK);
    give(&chunks[0]);
    assert_int_equal(ki_pool_held(), held);
    assert_true(before <= held);
    free(chunks);
}

/*
 * Goal    where the system has no memory there is none, and nothing is lost.
 * Method  mappings and allocations that fail; advice that is not taken.
 */
static void
test_failing(void **state)
{
    taken chunks[400] = {{NULL, 0, NULL, 0}};
    size_t held;
    size_t count = 0;
    void *home;

    (void)state;
    assert_null(ki_pool_take(SIZE_MAX, &home));
    assert_null(ki_pool_take(SIZE_MAX / 2 + 1, &home));
    kt_io_install();
    kt_io_fail(KT_CALL_BIT(KT_CALL_MAP), 1, true, ENOMEM);
    held = ki_pool_held();
    // What is kept is there all the same.
    while (count < KT_COUNT(chunks) && take(&chunks[count], KI_POOL_CHUNK)) {
        count++;
    }
    assert_true(count < KT_COUNT(chunks));
    assert_null(ki_pool_take(KI_POOL_CHUNK + 1, &home));
    assert_null(ki_pool_take(PAGE * 32, &home));
    assert_int_equal(ki_pool_held(), held);
    kt_io_heal();
    kt_alloc_fail(1, true);
    assert_null(ki_pool_take(KI_POOL_CHUNK, &home));
    kt_alloc_heal();
    assert_int_equal(ki_pool_held(), held);
    kt_io_fail(KT_CALL_BIT(KT_CALL_ADVISE), 1, true, EINVAL);
    assert_true(take(&chunks[count], KI_POOL_CHUNK));
    kt_io_heal();
    kt_io_remove();
    for (size_t i = 0; i <= count; i++) {
        give(&chunks[i]);
    }
}

/* Takes and gives `count` times, or until told to stop; 0 if all went well. */
static int
churn(uint64_t seed, size_t count, const _Atomic bool *stop)
{
    for (size_t i = 0; i < count && !atomic_load(stop); i++) {
        const size_t size = PAGE * (1 + i % 5);
        void *home;
        uint8_t *data = ki_pool_take(size, &home);

        if (data == NULL) {
            return 1;
        }
        memcpy(data, &seed, 8);
        if (kt_random_below(&seed, 4) == 0) {
            sched_yield();
        }
        ki_pool_give(data, size, home);
    }
    return 0;
}

static _Atomic bool stop;

static void *
churn_thread(void *context)
{
    return churn((uint64_t)(uintptr_t)context, SIZE_MAX, &stop) == 0 ? context
                                                                     : NULL;
}

static int
churn_child(void *argument)
{
    return churn(9, 3000, argument);
}

/*
 * Goal    threads share it, and a child of fork() can use it, whatever the
 *         other threads were doing.
 * Method  children while two threads take and give.
 */
static void
test_threads_and_forks(void **state)
{
    _Atomic bool never = false;
    pthread_t threads[2];

    (void)state;
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, churn_thread, (void *)(i + 1)),
            0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(kt_wait(kt_spawn(churn_child, (void *)&never), 20000),
                         0);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        void *answer;

        assert_int_equal(pthread_join(threads[i], &answer), 0);
        assert_non_null(answer);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_random),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_failing),
        cmocka_unit_test(test_threads_and_forks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
