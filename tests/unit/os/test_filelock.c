#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "os/file.h"
#include "os/filelock.h"

static char path[256];
static int first = -1;
static int second = -1;

/* Two opens of one file, as two processes or two threads would have. */
static int
set_up(void **state)
{
    const char *base = getenv("TMPDIR");
    int made;

    (void)state;
    snprintf(path, sizeof(path), "%s/kist-lock-XXXXXX",
             base != NULL ? base : "/tmp");
    made = mkstemp(path);
    assert_true(made >= 0);
    close(made);
    assert_int_equal(ki_file_open(path, O_RDWR, 0, &first), KIST_OK);
    assert_int_equal(ki_file_open(path, O_RDWR, 0, &second), KIST_OK);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    ki_io = &ki_posix_io;
    ki_file_close(&first);
    ki_file_close(&second);
    return ki_file_remove(path) == KIST_OK ? 0 : -1;
}

static kist_status
take(int fd, ki_lock_mode mode)
{
    return ki_filelock_take(fd, path, 8, mode, 0);
}

/*
 * Goal    two opens in one process exclude each other, and sharing is shared.
 * Method  every pair of modes, on one byte and on two.
 */
static void
test_two_opens(void **state)
{
    (void)state;
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
    assert_int_equal(take(second, KI_LOCK_EXCLUSIVE), KIST_ERR_LOCKED);
    assert_int_equal(take(second, KI_LOCK_SHARED), KIST_ERR_LOCKED);
    assert_int_equal(ki_filelock_take(second, path, 9, KI_LOCK_EXCLUSIVE, 0),
                     KIST_OK);
    ki_filelock_drop(first, 8);
    assert_int_equal(take(second, KI_LOCK_SHARED), KIST_OK);
    assert_int_equal(take(first, KI_LOCK_SHARED), KIST_OK);
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_ERR_LOCKED);
    ki_filelock_drop(second, 8);
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
    assert_int_equal(take(second, KI_LOCK_SHARED), KIST_ERR_LOCKED);
    assert_int_equal(take(first, KI_LOCK_SHARED), KIST_OK);
    assert_int_equal(take(second, KI_LOCK_SHARED), KIST_OK);
}

/*
 * Goal    closing another descriptor of the file loses nothing, closing the
 *         own one frees.
 * Method  lock with the first, open and close a third, then close the first.
 */
static void
test_close(void **state)
{
    int third = -1;

    (void)state;
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
    assert_int_equal(ki_file_open(path, O_RDWR, 0, &third), KIST_OK);
    ki_file_close(&third);
    assert_int_equal(take(second, KI_LOCK_EXCLUSIVE), KIST_ERR_LOCKED);
    ki_file_close(&first);
    assert_int_equal(take(second, KI_LOCK_EXCLUSIVE), KIST_OK);
}

/*
 * Goal    a child excludes its parent by an open of its own, and its death
 *         frees the lock.
 * Method  the child locks, tells so through a pipe and is killed.
 */
static void
test_other_process(void **state)
{
    int pipe_fds[2];
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    child = fork();
    if (child == 0) {
        int own = -1;

        if (ki_file_open(path, O_RDWR, 0, &own) == KIST_OK &&
            ki_filelock_take(own, path, 8, KI_LOCK_EXCLUSIVE, 0) == KIST_OK) {
            (void)!write(pipe_fds[1], "x", 1);
            pause();
        }
        _exit(1);
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    close(pipe_fds[0]);
    assert_int_equal(take(first, KI_LOCK_SHARED), KIST_ERR_LOCKED);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
}

/*
 * Goal    an inherited descriptor is the same lock: the parent's close does
 *         not free it while the child has a copy.
 * Method  lock, fork, close in the parent; free when the child has gone.
 */
static void
test_inherited(void **state)
{
    int pipe_fds[2];
    pid_t child;
    char byte;

    (void)state;
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
    assert_int_equal(pipe(pipe_fds), 0);
    child = fork();
    if (child == 0) {
        close(pipe_fds[1]);
        _exit(take(first, KI_LOCK_EXCLUSIVE) == KIST_OK &&
                      read(pipe_fds[0], &byte, 1) == 0
                  ? 0
                  : 1);
    }
    ki_file_close(&first);
    assert_int_equal(take(second, KI_LOCK_SHARED), KIST_ERR_LOCKED);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    waitpid(child, NULL, 0);
    assert_int_equal(take(second, KI_LOCK_SHARED), KIST_OK);
}

/*
 * Goal    waiting ends when the lock is free, and else when it is time.
 * Method  a wait of 60 ms for nothing; then a child that holds it for 50 ms.
 */
static void
test_waiting(void **state)
{
    uint64_t start_ns;
    pid_t child;

    (void)state;
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
    start_ns = ki_clock_ns();
    assert_int_equal(ki_filelock_take(second, path, 8, KI_LOCK_SHARED, 60),
                     KIST_ERR_LOCKED);
    assert_true(ki_clock_ns() - start_ns >= 60000000);

    child = fork();
    if (child == 0) {
        usleep(50000);
        _exit(0);
    }
    ki_file_close(&first);
    assert_int_equal(ki_filelock_take(second, path, 8, KI_LOCK_SHARED, 20000),
                     KIST_OK);
    assert_true(ki_clock_ns() - start_ns < UINT64_C(15000000000));
    waitpid(child, NULL, 0);
}

static int calls;

static int
failing_lock(int fd, int type, off_t offset)
{
    (void)fd;
    (void)type;
    (void)offset;
    errno = calls++ == 0 ? EINTR : ENOLCK;
    return -1;
}

/*
 * Goal    EINTR is retried, a failure is IO with detail, LOCKED has none.
 * Method  a table that does each, and a conflict.
 */
static void
test_failures(void **state)
{
    kist_io table = ki_posix_io;

    (void)state;
    KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET, "before");
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_OK);
    assert_int_equal(take(second, KI_LOCK_EXCLUSIVE), KIST_ERR_LOCKED);
    assert_int_equal(kist_last_error()->status, KIST_ERR_TYPE);
    table.lock = failing_lock;
    ki_io = &table;
    calls = 0;
    assert_int_equal(take(first, KI_LOCK_EXCLUSIVE), KIST_ERR_IO);
    assert_int_equal(calls, 2);
    assert_int_equal(kist_last_error()->sys_errno, ENOLCK);
    assert_int_equal(kist_last_error()->offset, 8);
    ki_io = &ki_posix_io;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_opens), TEST(test_close),   TEST(test_other_process),
        TEST(test_inherited), TEST(test_waiting), TEST(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
