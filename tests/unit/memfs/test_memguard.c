#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "memfs/memguard.h"
#include "support/check.h"
#include "support/faultio.h"

#define KIB 1024u

/* Writes a file of the kernel's below the test's own root; its directories
 * are made. */
static void
put(const kt_place *place, const char *path, const char *text)
{
    char whole[1000];

    snprintf(whole, sizeof(whole), "%s%s", place->dir, path);
    for (char *at = whole + strlen(place->dir) + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
            *at = '/';
        }
    }
    kt_write_file(whole, text, strlen(text));
}

static void
check_left(const kt_place *place, uint64_t expected)
{
    uint64_t bytes = 0;

    KT_OK(ki_memguard_available(place->dir, &bytes));
    KT_CHECK(bytes == expected, "%llu, not %llu", (unsigned long long)bytes,
             (unsigned long long)expected);
}

#define MEMINFO                                                               \
    "MemTotal:        1000 kB\nMemFree:            7 kB\n"                    \
    "MemAvailable:     500 kB\nBuffers: 1 kB\n"

/*
 * Goal    the machine this runs on says something sensible.
 * Method  no more is left than there is, and no less than a MiB.
 */
static void
test_here(void **state)
{
    FILE *file = fopen("/proc/meminfo", "re");
    uint64_t bytes = 0;
    uint64_t again = 0;
    unsigned long long total_kib = 0;

    (void)state;
    if (file == NULL || fscanf(file, "MemTotal: %llu", &total_kib) != 1) {
        skip();
    }
    fclose(file);
    KT_OK(ki_memguard_available(NULL, &bytes));
    KT_OK(ki_memguard_available("", &again));
    assert_in_range(bytes, 1 << 20, total_kib * KIB);
    assert_in_range(again, 1 << 20, total_kib * KIB);
}

/*
 * Goal    the least that is known counts, of whatever can be read.
 * Method  trees of files like the kernel's, from nothing on.
 */
static void
test_machine(void **state)
{
    const kt_place *place = *state;
    uint64_t bytes = 77;

    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               ki_memguard_available(place->dir, &bytes));
    assert_int_equal(bytes, 77);
    put(place, "/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 7 kB\n");
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               ki_memguard_available(place->dir, &bytes));
    put(place, "/proc/meminfo", "XMemAvailable: 7 kB\n");
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               ki_memguard_available(place->dir, &bytes));
    put(place, "/proc/meminfo", "MemAvailable: lots\n");
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               ki_memguard_available(place->dir, &bytes));
    put(place, "/proc/meminfo", "MemAvailable: 99999999999999999999 kB\n");
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               ki_memguard_available(place->dir, &bytes));
    put(place, "/proc/meminfo", MEMINFO);
    check_left(place, 500 * KIB);
    put(place, "/proc/meminfo", "MemAvailable:\t0 kB");
    check_left(place, 0);
}

static void
test_cgroup_v2(void **state)
{
    const kt_place *place = *state;

    put(place, "/proc/meminfo", MEMINFO);
    put(place, "/proc/self/cgroup", "0::/a/b\n");
    check_left(place, 500 * KIB); // no such group
    put(place, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    put(place, "/sys/fs/cgroup/a/b/memory.current", "100\n");
    check_left(place, 500 * KIB);
    put(place, "/sys/fs/cgroup/a/b/memory.max", "40000\n");
    check_left(place, 39900);
    put(place, "/sys/fs/cgroup/a/memory.max", "30000\n");
    put(place, "/sys/fs/cgroup/a/memory.current", "25000\n");
    check_left(place, 5000); // of the group above
    put(place, "/sys/fs/cgroup/a/memory.current", "30001\n");
    check_left(place, 0);
    put(place, "/sys/fs/cgroup/a/memory.max", "900000000\n");
    check_left(place, 39900);
    // In a container the group is the mount itself.
    put(place, "/proc/self/cgroup", "0::/\n");
    check_left(place, 500 * KIB);
    put(place, "/sys/fs/cgroup/memory.max", "20000\n");
    put(place, "/sys/fs/cgroup/memory.current", "1\n");
    check_left(place, 19999);
    put(place, "/proc/self/cgroup", "0::/not/seen/from/here\n");
    check_left(place, 19999);
    put(place, "/proc/self/cgroup", "0::/a");
    check_left(place, 19999);
    // Lines that are none.
    put(place, "/proc/self/cgroup", "\n0\n0:\n0::\n0::x\n::\n");
    check_left(place, 500 * KIB);
    put(place, "/proc/meminfo", "");
    put(place, "/proc/self/cgroup", "0::/\n");
    check_left(place, 19999);
}

static void
test_cgroup_v1(void **state)
{
    const kt_place *place = *state;

    put(place, "/proc/meminfo", MEMINFO);
    put(place, "/proc/self/cgroup",
        "9:name=systemd:/\n8:pids:/p\n5:cpu,memory,cpuacct:/job/1\n0::/\n");
    put(place, "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "9223372036854771712\n");
    put(place, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
    check_left(place, 500 * KIB);
    put(place, "/sys/fs/cgroup/memory/job/1/memory.limit_in_bytes",
        "1024000\n"); // as much as the machine has: no limit
    put(place, "/sys/fs/cgroup/memory/job/1/memory.usage_in_bytes",
        "1023999\n");
    check_left(place, 500 * KIB);
    put(place, "/sys/fs/cgroup/memory/job/1/memory.limit_in_bytes",
        "1023999\n");
    check_left(place, 0);
    put(place, "/sys/fs/cgroup/memory/job/1/memory.usage_in_bytes", "999\n");
    check_left(place, 500 * KIB);
    put(place, "/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "10000\n");
    check_left(place, 10000); // what is used is not known
    put(place, "/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1000\n");
    check_left(place, 9000);
    put(place, "/proc/self/cgroup", "4:memory_x:/job\n3:xmemory:/job\n");
    check_left(place, 500 * KIB);
    put(place, "/proc/self/cgroup", "4:memory:/job\n");
    check_left(place, 9000);
}

/*
 * Goal    a system call that fails is as good as a file that is not there,
 *         and leaves no descriptor and no failure behind.
 * Method  each call in turn fails, or gives half of its bytes.
 */
static void
test_failing_calls(void **state)
{
    const kt_place *place = *state;
    const int errors[] = {EINTR, EIO, EMFILE, KT_SHORT};
    const size_t descriptors = kt_count_descriptors();
    ki_memguard guard;
    uint64_t age;

    put(place, "/proc/meminfo", MEMINFO);
    put(place, "/proc/self/cgroup", "0::/a\n");
    put(place, "/sys/fs/cgroup/a/memory.max", "20000\n");
    put(place, "/sys/fs/cgroup/a/memory.current", "10000\n");
    kt_io_install();
    for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
        const uint32_t kinds =
            KT_CALL_BIT(KT_CALL_READ) |
            (errors[e] == KT_SHORT ? 0 : KT_CALL_BIT(KT_CALL_OPEN));

        for (uint64_t nth = 1;; nth++) {
            uint64_t left;

            ki_memguard_init(&guard, place->dir, 0);
            kt_io_fail(kinds, nth, false, errors[e]);
            left = ki_memguard_left(&guard, &age);
            if (kt_io_hits() == 0) {
                assert_int_equal(left, 10000);
                assert_true(nth > 8);
                break;
            }
            if (errors[e] == EINTR || errors[e] == KT_SHORT) {
                assert_int_equal(left, 10000);
            }
            assert_true(left == 10000 || left == 20000 || left == 500 * KIB);
        }
    }
    kt_io_fail(KT_CALL_BIT(KT_CALL_OPEN), 1, true, EMFILE);
    assert_true(ki_memguard_left(&guard, &age) == UINT64_MAX);
    kt_io_fail(KT_CALL_BIT(KT_CALL_READ), 1, true, EIO);
    assert_true(ki_memguard_left(&guard, &age) == UINT64_MAX);
    kt_io_heal();
    kt_io_remove();
    assert_int_equal(kt_count_descriptors(), descriptors);
}

/*
 * Goal    the machine is looked at once an interval, also if it knows nothing.
 * Method  the numbers change; calls are counted.
 */
static void
test_interval(void **state)
{
    const kt_place *place = *state;
    ki_memguard guard;
    uint64_t age = 99;
    uint64_t opens;

    put(place, "/proc/meminfo", "MemAvailable: 5 kB\n");
    ki_memguard_init(&guard, place->dir, 400);
    assert_int_equal(ki_memguard_left(&guard, &age), 5 * KIB);
    assert_int_equal(age, 0);
    put(place, "/proc/meminfo", "MemAvailable: 6 kB\n");
    kt_sleep_ms(20);
    assert_int_equal(ki_memguard_left(&guard, &age), 5 * KIB);
    assert_in_range(age, 20, 399);
    kt_sleep_ms(400);
    assert_int_equal(ki_memguard_left(&guard, &age), 6 * KIB);
    assert_int_equal(age, 0);

    ki_memguard_init(&guard, place->dir, UINT64_MAX);
    put(place, "/proc/meminfo", "");
    kt_io_install();
    assert_true(ki_memguard_left(&guard, &age) == UINT64_MAX);
    opens = kt_io_calls(KT_CALL_OPEN);
    assert_true(opens > 0);
    assert_true(ki_memguard_left(&guard, &age) == UINT64_MAX);
    assert_int_equal(kt_io_calls(KT_CALL_OPEN), opens);
    kt_io_remove();
}

/*
 * Goal    the texts of the contract (1.13), and none where memory suffices or
 *         is not known.
 * Method  sizes on both sides of what is left.
 */
static void
test_texts(void **state)
{
    const kt_place *place = *state;
    char text[KI_MEMGUARD_TEXT_SIZE] = "";
    ki_memguard guard;

    put(place, "/proc/meminfo", "MemAvailable: 7 kB\n");
    ki_memguard_init(&guard, place->dir, 10000);
    assert_true(ki_memguard_quota_fits(&guard, 7168, text));
    assert_true(ki_memguard_write_fits(&guard, 7168, text));
    assert_string_equal(text, "");
    assert_false(ki_memguard_quota_fits(&guard, 7169, text));
    assert_string_equal(
        text, "max_quota (7,169 bytes) exceeds available physical RAM (7,168 "
              "bytes). MemoryError may occur before quota limit is reached.");
    assert_false(ki_memguard_write_fits(&guard, 1234695, text));
    assert_string_equal(
        text, "Write of 1,234,695 bytes requested but only 7,168 bytes of "
              "physical RAM available (checked 0.0s ago).");
    kt_sleep_ms(110);
    assert_false(ki_memguard_write_fits(&guard, UINT64_MAX, text));
    assert_non_null(strstr(text, "18,446,744,073,709,551,615 bytes"));
    assert_non_null(strstr(text, "(checked 0."));
    assert_null(strstr(text, "(checked 0.0"));
    put(place, "/proc/meminfo", "MemAvailable: 0 kB\n");
    ki_memguard_init(&guard, place->dir, 0);
    assert_false(ki_memguard_quota_fits(&guard, UINT64_MAX, text));
    assert_non_null(strstr(text, "RAM (0 bytes)"));
    assert_true(strlen(text) < sizeof(text) - 1);
    put(place, "/proc/meminfo", "");
    text[0] = '\0';
    assert_true(ki_memguard_quota_fits(&guard, UINT64_MAX, text));
    assert_true(ki_memguard_write_fits(&guard, UINT64_MAX, text));
    assert_string_equal(text, "");
}

static void *
look_often(void *context)
{
    uint64_t wrong = 0;

    for (int i = 0; i < 2000; i++) {
        uint64_t age;

        wrong += ki_memguard_left(context, &age) != 5 * KIB;
    }
    return (void *)(uintptr_t)wrong;
}

/*
 * Goal    many threads may look at once.
 * Method  four do, with an interval that ends again and again (under TSan).
 */
static void
test_threads(void **state)
{
    const kt_place *place = *state;
    pthread_t threads[4];
    ki_memguard guard;

    put(place, "/proc/meminfo", "MemAvailable: 5 kB\n");
    ki_memguard_init(&guard, place->dir, 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, look_often, &guard),
                         0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *wrong;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_here),          KT_TEST(test_machine),
        KT_TEST(test_cgroup_v2),     KT_TEST(test_cgroup_v1),
        KT_TEST(test_failing_calls), KT_TEST(test_interval),
        KT_TEST(test_texts),         KT_TEST(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
