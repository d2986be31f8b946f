/* kist_destroy: both files go, and only if nobody has them open. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

static bool
is_there(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

/*
 * Goal:   both files are removed, whichever way the path is spelled.
 * Method: make, destroy, look; then the same place takes a new kist.
 */
static void
test_both_go(void **state)
{
    const kt_place *place = *state;
    kt_sample sample;
    char spelled[320];

    kt_sample_make(&sample, place);
    KT_OK(kist_destroy(place->path));
    assert_false(is_there(sample.log_path));
    assert_false(is_there(sample.index_path));
    KT_ANSWERS(KIST_ERR_IO, kist_destroy(place->path));
    assert_int_equal(kist_last_error()->sys_errno, ENOENT);
    kt_sample_fini(&sample);

    kt_sample_make(&sample, place);
    unlink(sample.index_path);
    snprintf(spelled, sizeof(spelled), "%s.kist", place->path);
    KT_OK(kist_destroy(spelled));
    assert_false(is_there(sample.log_path));
    kt_sample_fini(&sample);
}

/*
 * Goal:   LOCKED while a handle is open, for writing or reading, and nothing
 *         is touched.
 * Method: destroy under each; the contents are compared afterwards.
 */
static void
test_locked_while_open(void **state)
{
    const kt_place *place = *state;
    kist_options options = kt_sample_options;
    kt_sample sample;
    kist *k;
    unsigned i;

    kt_sample_make(&sample, place);
    for (i = 0; i < 2; i++) {
        options.read_only = i == 1;
        KT_OK(kist_open(place->path, &options, &k));
        KT_ANSWERS(KIST_ERR_LOCKED, kist_destroy(place->path));
        KT_OK(kist_close(k));
        kt_sample_holds(&sample, "after LOCKED");
    }
    KT_OK(kist_destroy(place->path));
    kt_sample_fini(&sample);
}

/*
 * Goal:   what is no kist is refused and left alone.
 * Method: a text file, a damaged header, an empty path.
 */
static void
test_refused(void **state)
{
    static const char text[] = "not a kist at all, and longer than nothing";
    const kt_place *place = *state;
    kt_sample sample;
    char path[320];

    snprintf(path, sizeof(path), "%s.kist", place->path);
    kt_write_file(path, text, sizeof(text));
    KT_ANSWERS(KIST_ERR_NOTKIST, kist_destroy(place->path));
    assert_true(is_there(path));
    unlink(path);
    KT_ANSWERS(KIST_ERR_INVALID, kist_destroy(""));
    kt_sample_make(&sample, place);
    kt_damage(sample.log_path, 20, "xxxx", 4);
    kt_damage(sample.log_path, 2068, "xxxx", 4);
    KT_ANSWERS(KIST_ERR_CORRUPT, kist_destroy(place->path));
    assert_true(is_there(sample.log_path));
    assert_true(is_there(sample.index_path));
    kt_sample_fini(&sample);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_both_go),
        KT_TEST(test_locked_while_open),
        KT_TEST(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
