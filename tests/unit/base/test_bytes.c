#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "kist/bytes.h"

static int failures_left;

static int
fail_some(void)
{
    return failures_left-- > 0;
}

/*
 * Goal    a buffer holds what was appended, in order, however it grew.
 * Method  append 10,000 numbered bytes in pieces of 0 to 99 and compare.
 */
static void
test_append(void **state)
{
    kist_buf buf = {0};
    uint8_t piece[100];
    size_t total = 0;

    (void)state;
    for (size_t size = 0; total < 10000; size = (size + 7) % 100) {
        for (size_t i = 0; i < size; i++) {
            piece[i] = (uint8_t)((total + i) % 251);
        }
        assert_int_equal(kist_buf_append(&buf, piece, size), KIST_OK);
        total += size;
        assert_int_equal(buf.size, total);
        assert_true(buf.capacity >= buf.size);
    }
    for (size_t i = 0; i < total; i++) {
        assert_int_equal(buf.data[i], i % 251);
    }
    kist_buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    assert_true(buf.capacity > 0);
    kist_buf_fini(&buf);
    assert_null(buf.data);
    kist_buf_fini(&buf);
    kist_buf_fini(NULL);
}

/*
 * Goal    nothing may be appended without data.
 * Method  append NULL of size 0 to a zeroed buffer.
 */
static void
test_append_nothing(void **state)
{
    kist_buf buf = {0};

    (void)state;
    assert_int_equal(kist_buf_append(&buf, NULL, 0), KIST_OK);
    assert_null(buf.data);
    assert_int_equal(kist_buf_slice(&buf).size, 0);
}

/*
 * Goal    the limit holds to the byte, and a refused append changes nothing.
 * Method  fill a buffer of 100 bytes to the brim, then one more; and sizes
 *         whose sum wraps.
 */
static void
test_limit(void **state)
{
    uint8_t data[101] = {1, 2, 3};
    kist_buf buf;

    (void)state;
    kist_buf_init(&buf, 100);
    assert_int_equal(kist_buf_append(&buf, data, 101), KIST_ERR_TOOBIG);
    assert_int_equal(buf.size, 0);
    assert_int_equal(kist_buf_append(&buf, data, 99), KIST_OK);
    assert_int_equal(kist_buf_append(&buf, data, 2), KIST_ERR_TOOBIG);
    assert_int_equal(buf.size, 99);
    assert_int_equal(kist_buf_append(&buf, data, 1), KIST_OK);
    assert_true(buf.capacity <= 100);
    assert_int_equal(kist_buf_reserve(&buf, SIZE_MAX), KIST_ERR_TOOBIG);
    assert_int_equal(kist_buf_reserve(&buf, SIZE_MAX - 99), KIST_ERR_TOOBIG);
    assert_memory_equal(buf.data, data, 99);
    kist_buf_fini(&buf);

    kist_buf_init(&buf, 0);
    assert_int_equal(kist_buf_append(&buf, data, 1), KIST_OK);
    assert_int_equal(kist_buf_reserve(&buf, SIZE_MAX), KIST_ERR_TOOBIG);
    kist_buf_fini(&buf);
}

/*
 * Goal    without memory the buffer stays as it was, and where less would do,
 *         less is asked for.
 * Method  fail every allocation, then only the first, while it has to grow.
 */
static void
test_no_memory(void **state)
{
    uint8_t data[64];
    kist_buf buf = {0};

    (void)state;
    memset(data, 'x', sizeof(data));
    assert_int_equal(kist_buf_append(&buf, data, sizeof(data)), KIST_OK);
    ki_alloc_hook = fail_some;
    failures_left = 1000;
    assert_int_equal(kist_buf_append(&buf, data, 1), KIST_ERR_NOMEM);
    assert_int_equal(kist_last_error()->status, KIST_ERR_NOMEM);
    assert_int_equal(buf.size, 64);
    assert_memory_equal(buf.data, data, 64);
    failures_left = 1;
    assert_int_equal(kist_buf_append(&buf, data, 1), KIST_OK);
    assert_int_equal(buf.capacity, 65);
    ki_alloc_hook = NULL;
    kist_buf_fini(&buf);
}

/*
 * Goal    an allocation is zeroed, refuses products that overflow, is never
 *         NULL for nothing, and fails where the hook says so.
 * Method  ask for each of these.
 */
static void
test_alloc(void **state)
{
    // Not known to the compiler, which would warn.
    volatile size_t huge = SIZE_MAX / 2 + 1;
    uint8_t *block = ki_calloc(10, 10);
    char *copy;

    (void)state;
    assert_non_null(block);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(block[i], 0);
    }
    assert_null(ki_calloc(huge, 2));
    assert_null(ki_calloc(3, huge));
    copy = ki_calloc(0, 8);
    assert_non_null(copy);
    ki_free(copy);
    copy = ki_strdup("chest");
    assert_string_equal(copy, "chest");
    ki_free(copy);

    ki_alloc_hook = fail_some;
    failures_left = 3;
    assert_null(ki_calloc(1, 1));
    assert_null(ki_realloc(block, 200));
    assert_null(ki_strdup("chest"));
    block[99] = 7;
    block = ki_realloc(block, 200);
    ki_alloc_hook = NULL;
    assert_non_null(block);
    assert_int_equal(block[99], 7);
    ki_free(block);
    ki_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append), cmocka_unit_test(test_append_nothing),
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_alloc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
