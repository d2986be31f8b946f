#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "kist/status.h"
#include "kist/version.h"

static const char *const names[] = {
    "KIST_OK",           "KIST_END",
    "KIST_ERR_NOTFOUND", "KIST_ERR_RANGE",
    "KIST_ERR_TYPE",     "KIST_ERR_OVERFLOW",
    "KIST_ERR_KIND",     "KIST_ERR_INVALID",
    "KIST_ERR_TOOBIG",   "KIST_ERR_NOMEM",
    "KIST_ERR_IO",       "KIST_ERR_READONLY",
    "KIST_ERR_LOCKED",   "KIST_ERR_CLOSED",
    "KIST_ERR_FORKED",   "KIST_ERR_POISONED",
    "KIST_ERR_CORRUPT",  "KIST_ERR_NOTKIST",
    "KIST_ERR_NEWER",    "KIST_ERR_EXISTS",
    "KIST_ERR_BUSY",     "KIST_ERR_CHANGED",
    "KIST_ERR_QUOTA",    "KIST_ERR_NODES",
    "KIST_ERR_ISDIR",    "KIST_ERR_NOTDIR",
    "KIST_ERR_NOPARENT", "KIST_ERR_UNSUPPORTED",
    "KIST_ERR_POLICY",
};

static int
fail_always(void)
{
    return 1;
}

/*
 * Goal    each status has its name, and other numbers have none.
 * Method  compare with the list in the order of the ABI, and try its ends.
 */
static void
test_names(void **state)
{
    const size_t count = sizeof(names) / sizeof(names[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(kist_status_name((kist_status)i), names[i]);
    }
    assert_string_equal(kist_status_name((kist_status)count), "KIST_ERR_?");
    assert_string_equal(kist_status_name((kist_status)-1), "KIST_ERR_?");
    assert_string_equal(kist_version(), KIST_VERSION_STRING);
}

/*
 * Goal    the detail is all that KI_FAIL was told, and errno only where a
 *         call failed.
 * Method  fail twice and look; errno itself must not change.
 */
static void
test_detail(void **state)
{
    const kist_error *detail;

    (void)state;
    errno = EPIPE;
    assert_int_equal(KI_FAIL(KIST_ERR_CORRUPT, "a.kist", 8192, "record crc"),
                     KIST_ERR_CORRUPT);
    detail = kist_last_error();
    assert_int_equal(detail->status, KIST_ERR_CORRUPT);
    assert_int_equal(detail->sys_errno, 0);
    assert_int_equal(detail->offset, 8192);
    assert_string_equal(detail->what, "record crc");
    assert_string_equal(detail->path, "a.kist");
    assert_non_null(strstr(detail->file, "test_status.c"));
    assert_true(detail->line > 0);
    assert_int_equal(errno, EPIPE);

    // The path may be the one that is overwritten.
    KI_FAIL(KIST_ERR_IO, detail->path, KI_NO_OFFSET, "read");
    detail = kist_last_error();
    assert_int_equal(detail->sys_errno, EPIPE);
    assert_string_equal(detail->path, "a.kist");
    assert_true(detail->offset == UINT64_MAX);
}

/*
 * Goal    ordinary answers leave the last failure as it was.
 * Method  fail, then answer NOTFOUND, RANGE and END.
 */
static void
test_ordinary_answers(void **state)
{
    (void)state;
    KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET, "value");
    assert_int_equal(KI_FAIL(KIST_ERR_NOTFOUND, "x", 1, "key"),
                     KIST_ERR_NOTFOUND);
    assert_int_equal(KI_FAIL(KIST_ERR_RANGE, "x", 1, "i"), KIST_ERR_RANGE);
    assert_int_equal(KI_FAIL(KIST_END, "x", 1, "scan"), KIST_END);
    assert_int_equal(kist_last_error()->status, KIST_ERR_TYPE);
    assert_string_equal(kist_last_error()->what, "value");
    assert_string_equal(kist_last_error()->path, "");
}

/*
 * Goal    the line for people has path, thing, offset and reason as they
 *         exist, and its whole length is told when it is cut.
 * Method  compare whole lines, then ask with too little room and with none.
 */
static void
test_text(void **state)
{
    static const char whole[] =
        "people.kist: record crc at offset 8192: damaged";
    char text[128];
    char cut[8];

    (void)state;
    KI_FAIL(KIST_ERR_CORRUPT, "people.kist", 8192, "record crc");
    assert_int_equal(kist_error_text(text, sizeof(text)), strlen(whole));
    assert_string_equal(text, whole);
    assert_int_equal(kist_error_text(cut, sizeof(cut)), strlen(whole));
    assert_string_equal(cut, "people.");
    assert_int_equal(kist_error_text(NULL, 0), strlen(whole));

    KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET, "");
    kist_error_text(text, sizeof(text));
    assert_string_equal(text, "wrong type");
    errno = ENOSPC;
    KI_FAIL(KIST_ERR_IO, "a", KI_NO_OFFSET, "write");
    kist_error_text(text, sizeof(text));
    assert_string_equal(text, "a: write: No space left on device");
}

/*
 * Goal    a path that is too long is cut and terminated.
 * Method  fail with 600 letters.
 */
static void
test_long_path(void **state)
{
    char path[601];

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    KI_FAIL(KIST_ERR_INVALID, path, KI_NO_OFFSET, "path");
    assert_int_equal(strlen(kist_last_error()->path),
                     sizeof(kist_last_error()->path) - 1);
}

static void *
look_and_fail(void *unused)
{
    static int wrong;

    (void)unused;
    wrong = kist_last_error()->status != KIST_OK;
    KI_FAIL(KIST_ERR_BUSY, NULL, KI_NO_OFFSET, "other thread");
    wrong |= kist_last_error()->status != KIST_ERR_BUSY;
    return wrong ? &wrong : NULL;
}

/*
 * Goal    each thread has its own detail.
 * Method  a thread starts without one, fails, and this one's stays.
 */
static void
test_threads(void **state)
{
    pthread_t thread;
    void *wrong;

    (void)state;
    KI_FAIL(KIST_ERR_KIND, NULL, KI_NO_OFFSET, "this thread");
    assert_int_equal(pthread_create(&thread, NULL, look_and_fail, NULL), 0);
    pthread_join(thread, &wrong);
    assert_null(wrong);
    assert_int_equal(kist_last_error()->status, KIST_ERR_KIND);
    assert_string_equal(kist_last_error()->what, "this thread");
}

static void *
fail_without_memory(void *unused)
{
    static int wrong;
    kist_status status;

    (void)unused;
    ki_alloc_hook = fail_always;
    status = KI_FAIL(KIST_ERR_NOMEM, "a.kist", 5, "value");
    ki_alloc_hook = NULL;
    wrong = status != KIST_ERR_NOMEM ||
            kist_last_error()->status != KIST_ERR_NOMEM ||
            kist_last_error()->path[0] != '\0';
    KI_FAIL(KIST_ERR_NOMEM, "a.kist", 5, "value");
    wrong |= strcmp(kist_last_error()->path, "a.kist") != 0;
    return wrong ? &wrong : NULL;
}

/*
 * Goal    where there is no memory for the detail, the status is told.
 * Method  a new thread, which has no detail yet, fails with the hook on.
 */
static void
test_no_memory(void **state)
{
    pthread_t thread;
    void *wrong;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, fail_without_memory, NULL),
                     0);
    pthread_join(thread, &wrong);
    assert_null(wrong);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_detail),
        cmocka_unit_test(test_ordinary_answers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
