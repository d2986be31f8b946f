/*
 * The memory guard, on a machine whose memory the test decides.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"
#include "os/io.h"

/* The machine: what /proc/meminfo says; it is in no cgroup. */
typedef struct machine {
    kist_io io;
    const kt_place *place;
    char meminfo[300];
    int count; // warnings
    char text[300];
} machine;

static machine m;

static int
open_here(const char *path, int flags, mode_t mode)
{
    if (strcmp(path, "/proc/meminfo") == 0) {
        return ki_posix_io.open(m.meminfo, flags, mode);
    }
    if (strcmp(path, "/proc/self/cgroup") == 0) {
        return ki_posix_io.open("/dev/null", flags, mode);
    }
    return ki_posix_io.open(path, flags, mode);
}

static void
set_available(uint64_t kib)
{
    char text[100];

    snprintf(text, sizeof(text),
             "MemTotal: 99999999 kB\nMemAvailable: "
             "%" PRIu64 " kB\n",
             kib);
    kt_write_file(m.meminfo, text, strlen(text));
}

static void
note_warning(void *context, const char *text)
{
    machine *at = context;

    at->count++;
    snprintf(at->text, sizeof(at->text), "%s", text);
}

static void
check_warned(int count, const char *text)
{
    assert_int_equal(m.count, count);
    KT_CHECK(strcmp(m.text, text) == 0, "\"%s\", not \"%s\"", m.text, text);
}

static int
setup(void **state)
{
    const int failed = kt_place_setup(state);

    m = (machine){.io = ki_posix_io, .place = *state};
    snprintf(m.meminfo, sizeof(m.meminfo), "%s/meminfo", m.place->dir);
    m.io.open = open_here;
    ki_io = &m.io;
    return failed;
}

static int
teardown(void **state)
{
    ki_io = &ki_posix_io;
    return kt_place_teardown(state);
}

static kist_memfs_options
guarded(kist_memfs_guard guard, bool refuses)
{
    kist_memfs_options options = kt_fs_options((uint64_t)64 << 20);

    options.guard = guard;
    options.guard_refuses = refuses;
    options.guard_interval_ms = 0;
    options.warn = note_warning;
    options.context = &m;
    return options;
}

/*
 * Goal    a quota beyond the machine's memory is told, or refused, when the
 *         file system is made (1.13); without a guard nobody looks.
 * Method  one byte on both sides.
 */
static void
test_quota(void **state)
{
    kist_memfs_options options = guarded(KIST_GUARD_NONE, true);
    kist_memfs *fs;

    (void)state;
    set_available(65535); // 1 KiB less than 64 MiB
    KT_OK(kist_memfs_new(&options, &fs));
    kist_memfs_free(fs);
    for (int guard = KIST_GUARD_INIT; guard <= KIST_GUARD_PER_WRITE; guard++) {
        static const char wrong[] =
            "max_quota (67,107,841 bytes) exceeds available physical RAM "
            "(67,107,840 bytes). MemoryError may occur before quota limit is "
            "reached.";

        m.count = 0;
        options = guarded((kist_memfs_guard)guard, false);
        options.quota = 67107840;
        KT_OK(kist_memfs_new(&options, &fs));
        kist_memfs_free(fs);
        assert_int_equal(m.count, 0);
        options.quota++;
        KT_OK(kist_memfs_new(&options, &fs));
        kist_memfs_free(fs);
        check_warned(1, wrong);
        options.warn = NULL; // nobody to tell
        KT_OK(kist_memfs_new(&options, &fs));
        kist_memfs_free(fs);
        options = guarded((kist_memfs_guard)guard, true);
        options.quota = 67107841;
        KT_ANSWERS(KIST_ERR_NOMEM, kist_memfs_new(&options, &fs));
        assert_string_equal(kist_last_error()->path, wrong);
        assert_int_equal(m.count, 1);
    }
    // Nothing is known of this machine: nothing is said.
    kt_write_file(m.meminfo, "", 0);
    options = guarded(KIST_GUARD_PER_WRITE, true);
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "text");
    kist_memfs_free(fs);
}

/* A call that takes more than 10 KiB; `sized` is what it must ask for. */
typedef struct growth {
    const char *name;
    kist_status (*act)(kist_memfs *fs);
    const char *sized;
} growth;

static uint8_t data[20000];

static kist_status
with_file(kist_memfs *fs, kist_memfs_mode mode,
          kist_status (*act)(kist_memfile *file))
{
    kist_memfile *file = kt_fs_open(fs, "/f", mode);
    const kist_status status = act(file);

    kist_memfile_free(file);
    return status;
}

static kist_status
write_all(kist_memfile *file)
{
    return kist_memfile_write(file, data, sizeof(data));
}

static void
forget(void *context)
{
    (void)context;
}

static kist_status
lend_all(kist_memfile *file)
{
    return kist_memfile_write_lent(file, data, sizeof(data), forget, NULL);
}

static kist_status
grow(kist_memfile *file)
{
    return kist_memfile_truncate(file, 21000);
}

static kist_status
act_append(kist_memfs *fs)
{
    return with_file(fs, KIST_MODE_AB, write_all);
}

static kist_status
act_lend(kist_memfs *fs)
{
    return with_file(fs, KIST_MODE_AB, lend_all);
}

static kist_status
act_grow(kist_memfs *fs)
{
    return with_file(fs, KIST_MODE_RPB, grow);
}

static kist_status
act_preallocate(kist_memfs *fs)
{
    const kist_memfs_open_options options = {0, 21000};
    kist_memfile *file = NULL;
    const kist_status status =
        kist_memfs_open(fs, kist_str("/f"), KIST_MODE_AB, &options, &file);

    kist_memfile_free(status == KIST_OK ? file : NULL);
    return status;
}

static kist_status
act_import(kist_memfs *fs)
{
    const kist_memfs_item item = {.path = kist_str("/new"),
                                  .data = kist_bytes(data, sizeof(data))};

    return kist_memfs_import(fs, &item, 1);
}

static kist_status
act_copy(kist_memfs *fs)
{
    return kist_memfs_copy(fs, kist_str("/big"), kist_str("/copy"), 0);
}

static const growth growths[] = {
    {"write", act_append, "20,093"},
    {"write lent", act_lend, "20,093"},
    {"truncate", act_grow, "20,093"}, // 1000 bytes are there
    {"preallocate", act_preallocate, "20,093"},
    {"import", act_import, "20,093"},
    {"copy", act_copy, "20,093"},
};

/*
 * Goal    each call that takes memory asks whether it is there, and is told
 *         of or refused before it changes anything.
 * Method  10 KiB are left, and calls that take 20 000 bytes and a chunk.
 */
static void
test_each_call(void **state)
{
    (void)state;
    for (int refuses = 0; refuses < 2; refuses++) {
        for (size_t i = 0; i < KT_COUNT(growths); i++) {
            const kist_memfs_options options =
                guarded(KIST_GUARD_PER_WRITE, refuses);
            char wrong[200];
            kist_memfs *fs;
            char *before;

            set_available(1 << 20);
            m.count = 0;
            snprintf(wrong, sizeof(wrong),
                     "Write of %s bytes requested but only 10,240 bytes of "
                     "physical RAM available (checked 0.0s ago).",
                     growths[i].sized);
            KT_OK(kist_memfs_new(&options, &fs));
            kt_fs_put(fs, "/f", "");
            kt_fs_put(fs, "/big", "");
            KT_OK(with_file(fs, KIST_MODE_AB, grow));
            KT_OK(kist_memfs_import(
                fs,
                (kist_memfs_item[]){
                    {.path = kist_str("/big"),
                     .data = kist_bytes(data, sizeof(data))},
                    {.path = kist_str("/f"), .data = kist_bytes(data, 1000)}},
                2));
            assert_int_equal(m.count, 0);
            set_available(10);
            before = kt_fs_describe(fs, true);
            if (refuses) {
                KT_ANSWERS(KIST_ERR_NOMEM, growths[i].act(fs));
                assert_string_equal(kist_last_error()->path, wrong);
                kt_fs_check_described(fs, true, before);
                assert_int_equal(m.count, 0);
            }
            else {
                KT_OK(growths[i].act(fs));
                check_warned(1, wrong);
            }
            free(before);
            kt_fs_check_sums(fs);
            kist_memfs_free(fs);
        }
    }
}

static kist_status
write_three(kist_memfile *file)
{
    return kist_memfile_write(file, "abc", 3);
}

static kist_status
cut(kist_memfile *file)
{
    return kist_memfile_truncate(file, 10);
}

/*
 * Goal    what takes no memory asks for none, and a quota that refuses comes
 *         before the guard.
 * Method  no memory is left at all.
 */
static void
test_nothing_needed(void **state)
{
    kist_memfs_options options = guarded(KIST_GUARD_PER_WRITE, true);
    const kist_memfs_item item = {.path = kist_str("/f"),
                                  .data = kist_str("")};
    kist_memfs *fs;

    (void)state;
    set_available(1 << 20);
    options.storage = KIST_MEMFS_RANDOM_ACCESS;
    options.quota = 30000;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "0123456789");
    KT_OK(with_file(fs, KIST_MODE_AB, write_all));
    set_available(0);
    KT_OK(with_file(fs, KIST_MODE_RPB, write_three));
    KT_ANSWERS(KIST_ERR_NOMEM, with_file(fs, KIST_MODE_AB, write_three));
    KT_ANSWERS(KIST_ERR_QUOTA, with_file(fs, KIST_MODE_AB, write_all));
    KT_OK(with_file(fs, KIST_MODE_RPB, cut));
    kt_fs_check(fs, "/f", "abc3456789");
    kt_fs_mkdir(fs, "/d");
    assert_int_equal(kt_fs_try(fs, "/g", KIST_MODE_WB), KIST_OK);
    KT_OK(kist_memfs_import(fs, &item, 1));
    assert_int_equal(m.count, 0);
    kist_memfs_free(fs);
}

/* Goal: the machine is looked at once an interval, however much is written. */
static void
test_interval(void **state)
{
    kist_memfs_options options = guarded(KIST_GUARD_PER_WRITE, true);
    kist_memfs *fs;

    (void)state;
    set_available(1 << 20);
    options.guard_interval_ms = 300;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "");
    set_available(10);
    KT_OK(with_file(fs, KIST_MODE_AB, write_all));
    kt_sleep_ms(310);
    KT_ANSWERS(KIST_ERR_NOMEM, with_file(fs, KIST_MODE_AB, write_all));
    set_available(1 << 20);
    KT_ANSWERS(KIST_ERR_NOMEM, with_file(fs, KIST_MODE_AB, write_all));
    kt_sleep_ms(310);
    KT_OK(with_file(fs, KIST_MODE_AB, write_all));
    kist_memfs_free(fs);
}

#define GUARD_TEST(function)                                                  \
    cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(test_quota),
        GUARD_TEST(test_each_call),
        GUARD_TEST(test_nothing_needed),
        GUARD_TEST(test_interval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
