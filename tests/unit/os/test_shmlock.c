#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "os/shmlock.h"

#define ROUNDS 20000u

/* What the processes of a test share. */
typedef struct shared {
    ki_shmlock lock;
    _Atomic uint32_t word;
    uint64_t count; // under the lock
} shared;

static shared *memory;

static int
set_up(void **state)
{
    (void)state;
    memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    // What was there before must not matter.
    memset(&memory->lock, 0xab, sizeof(memory->lock));
    assert_int_equal(ki_shmlock_init(&memory->lock), KIST_OK);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    return munmap(memory, sizeof(*memory));
}

/* Waits until another has set the word to `value`. */
static void
await_word(uint32_t value)
{
    uint32_t seen = atomic_load(&memory->word);

    while (seen != value) {
        ki_futex_wait(&memory->word, seen, 1000);
        seen = atomic_load(&memory->word);
    }
}

/* A child that takes the lock, says so, and never returns. */
static pid_t
start_owner(void)
{
    const pid_t child = fork();

    if (child == 0) {
        if (ki_shmlock_take(&memory->lock, 1000) != KI_LOCK_TAKEN) {
            _exit(1);
        }
        atomic_store(&memory->word, 1);
        ki_futex_wake_all(&memory->word);
        for (;;) {
            pause();
        }
    }
    await_word(1);
    return child;
}

static void
kill_owner(pid_t child)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/*
 * Goal    a held lock is refused at once by try, and after the time given by
 *         take, no sooner.
 * Method  a child holds it; measure 50 ms.
 */
static void
test_timeout(void **state)
{
    const pid_t child = start_owner();
    const uint64_t start_ns = ki_clock_ns();

    (void)state;
    assert_int_equal(ki_shmlock_try(&memory->lock), KI_LOCK_TIMEOUT);
    assert_int_equal(ki_shmlock_take(&memory->lock, 0), KI_LOCK_TIMEOUT);
    assert_true(ki_clock_ns() - start_ns < UINT64_C(10000000000));
    assert_int_equal(ki_shmlock_take(&memory->lock, 50), KI_LOCK_TIMEOUT);
    assert_true(ki_clock_ns() - start_ns >= 50000000);
    kill_owner(child);
}

/*
 * Goal    the death of an owner is told to the next, once, and after mending
 *         the lock is as new.
 * Method  kill a child that holds it; take, mend, drop, take again.
 */
static void
test_owner_died(void **state)
{
    (void)state;
    kill_owner(start_owner());
    assert_int_equal(ki_shmlock_take(&memory->lock, 1000), KI_LOCK_OWNER_DIED);
    ki_shmlock_mended(&memory->lock);
    ki_shmlock_drop(&memory->lock);
    assert_int_equal(ki_shmlock_take(&memory->lock, 1000), KI_LOCK_TAKEN);
    ki_shmlock_drop(&memory->lock);
    atomic_store(&memory->word, 0);
    kill_owner(start_owner());
    assert_int_equal(ki_shmlock_try(&memory->lock), KI_LOCK_OWNER_DIED);
    ki_shmlock_mended(&memory->lock);
    ki_shmlock_drop(&memory->lock);
}

/*
 * Goal    one who waits is woken by the death of the owner.
 * Method  a second child kills the owner after 30 ms while we wait.
 */
static void
test_owner_dies_while_waiting(void **state)
{
    const pid_t owner = start_owner();
    const uint64_t start_ns = ki_clock_ns();
    const pid_t killer = fork();

    (void)state;
    if (killer == 0) {
        usleep(30000);
        kill(owner, SIGKILL);
        _exit(0);
    }
    assert_int_equal(ki_shmlock_take(&memory->lock, 20000),
                     KI_LOCK_OWNER_DIED);
    assert_true(ki_clock_ns() - start_ns < UINT64_C(15000000000));
    ki_shmlock_mended(&memory->lock);
    ki_shmlock_drop(&memory->lock);
    waitpid(killer, NULL, 0);
    waitpid(owner, NULL, 0);
}

/*
 * Goal    dropped without being mended, the lock is broken for good, and new
 *         when it is made anew.
 * Method  kill an owner, take and drop.
 */
static void
test_not_mended(void **state)
{
    (void)state;
    kill_owner(start_owner());
    assert_int_equal(ki_shmlock_take(&memory->lock, 1000), KI_LOCK_OWNER_DIED);
    ki_shmlock_drop(&memory->lock);
    assert_int_equal(ki_shmlock_take(&memory->lock, 1000), KI_LOCK_BROKEN);
    assert_int_equal(ki_shmlock_try(&memory->lock), KI_LOCK_BROKEN);
    assert_int_equal(ki_shmlock_init(&memory->lock), KIST_OK);
    assert_int_equal(ki_shmlock_take(&memory->lock, 1000), KI_LOCK_TAKEN);
    ki_shmlock_drop(&memory->lock);
}

/*
 * Goal    bytes that are no lock are BROKEN and do not hang.
 * Method  fill it with ones.
 */
static void
test_garbage(void **state)
{
    (void)state;
    memset(&memory->lock, 0xff, sizeof(memory->lock));
    assert_int_equal(ki_shmlock_try(&memory->lock), KI_LOCK_BROKEN);
    assert_int_equal(ki_shmlock_take(&memory->lock, 1000), KI_LOCK_BROKEN);
}

static void *
count_up(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (ki_shmlock_take(&memory->lock, 60000) != KI_LOCK_TAKEN) {
            return memory;
        }
        memory->count++;
        ki_shmlock_drop(&memory->lock);
    }
    return NULL;
}

/*
 * Goal    it excludes, between threads and between processes.
 * Method  two threads and a child add up without atomics.
 */
static void
test_exclusion(void **state)
{
    pthread_t threads[2];
    const pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0) {
        _exit(count_up(NULL) == NULL ? 0 : 1);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(memory->count, 3 * ROUNDS);
}

/*
 * Goal    a sleeper is woken by another process, and long before its time.
 * Method  two children sleep up to a minute; we change the word and wake.
 */
static void
test_futex_wake(void **state)
{
    const uint64_t start_ns = ki_clock_ns();
    pid_t children[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            while (atomic_load(&memory->word) == 0) {
                ki_futex_wait(&memory->word, 0, 60000);
            }
            _exit(0);
        }
    }
    usleep(50000);
    atomic_store(&memory->word, 1);
    ki_futex_wake_all(&memory->word);
    for (int i = 0; i < 2; i++) {
        int status = 1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_true(ki_clock_ns() - start_ns < UINT64_C(30000000000));
}

/*
 * Goal    no sleep if the word has changed already, and none beyond its time.
 * Method  a wait for another value, and one of 40 ms.
 */
static void
test_futex_times(void **state)
{
    const uint64_t start_ns = ki_clock_ns();
    uint64_t slept_ns;

    (void)state;
    atomic_store(&memory->word, 7);
    ki_futex_wait(&memory->word, 6, 60000);
    slept_ns = ki_clock_ns();
    assert_true(slept_ns - start_ns < UINT64_C(30000000000));
    ki_futex_wait(&memory->word, 7, 40);
    assert_true(ki_clock_ns() - slept_ns >= 40000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_timeout),
        TEST(test_owner_died),
        TEST(test_owner_dies_while_waiting),
        TEST(test_not_mended),
        TEST(test_garbage),
        TEST(test_exclusion),
        TEST(test_futex_wake),
        TEST(test_futex_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
