/*
 * Every operation, with each of its system calls failing in turn, once and
 * from then on.
 */
#include <errno.h>

#include "support/failing.h"
#include "support/faultio.h"

#define BIT(call) KT_CALL_BIT(KT_CALL_##call)

/* A failing munmap leaves a map by definition. */
#define ALL_CALLS (~(BIT(UNMAP) | BIT(POINT)))
#define SPACE     (BIT(WRITE) | BIT(ALLOCATE) | BIT(OPEN) | BIT(RENAME))
#define MOVES     (BIT(READ) | BIT(WRITE))
#define SLOW                                                                  \
    (MOVES | BIT(OPEN) | BIT(ALLOCATE) | BIT(TRUNCATE) | BIT(SYNC) |          \
     BIT(SYNC_ALL) | BIT(LOCK))

static void
arm(const kt_weapon *weapon, uint64_t nth)
{
    kt_io_fail(weapon->kinds, nth, weapon->from_then_on, weapon->error);
}

static bool
hit(void)
{
    return kt_io_hits() > 0;
}

/* Runs all trials with the weapon; something must have failed. */
static void
run_all(void **state, const char *name, uint32_t kinds, int error,
        bool from_then_on, bool invisible)
{
    const kt_weapon weapon = {.name = name,
                              .arm = arm,
                              .heal = kt_io_heal,
                              .hit = hit,
                              .kinds = kinds,
                              .error = error,
                              .from_then_on = from_then_on,
                              .invisible = invisible};
    uint64_t hits = 0;

    kt_io_install();
    for (const kt_trial *trial = kt_trials; trial->name != NULL; trial++) {
        hits += kt_failing(*state, trial, &weapon);
    }
    kt_io_remove();
    print_message("           %s: %llu failures given\n", name,
                  (unsigned long long)hits);
    assert_int_not_equal(hits, 0);
}

/* Goal: EIO, anywhere, is an error or nothing, and never half of something.
 * Method: every call in turn, every operation. */
static void
test_p08_any_call_fails_once(void **state)
{
    run_all(state, "EIO", ALL_CALLS, EIO, false, false);
}

static void
test_p08_all_calls_fail_from_one_on(void **state)
{
    run_all(state, "EIO from then on", ALL_CALLS, EIO, true, false);
}

static void
test_p06_disk_full_once(void **state)
{
    run_all(state, "ENOSPC", SPACE, ENOSPC, false, false);
}

static void
test_p06_disk_stays_full(void **state)
{
    run_all(state, "ENOSPC from then on", SPACE, ENOSPC, true, false);
}

static void
test_p05_syncs_fail(void **state)
{
    run_all(state, "sync EIO", BIT(SYNC) | BIT(SYNC_ALL), EIO, false, false);
}

static void
test_p05_syncs_fail_from_one_on(void **state)
{
    run_all(state, "sync EIO from then on", BIT(SYNC) | BIT(SYNC_ALL), EIO,
            true, false);
}

static void
test_p07_eintr_is_invisible(void **state)
{
    run_all(state, "EINTR", SLOW, EINTR, false, true);
}

static void
test_p07_short_counts_are_invisible(void **state)
{
    run_all(state, "short counts", MOVES, KT_SHORT, false, true);
    run_all(state, "short counts from then on", MOVES, KT_SHORT, true, true);
}

static void
test_p08_no_descriptors_maps_or_locks(void **state)
{
    run_all(state, "EMFILE", BIT(OPEN), EMFILE, false, false);
    run_all(state, "ENOMEM", BIT(MAP), ENOMEM, true, false);
    run_all(state, "ENOLCK", BIT(LOCK), ENOLCK, true, false);
}

/* Goal: after a failed sync nothing is acknowledged, reads go on, and a
 * reopen makes the handle well.
 * Method: each sync of a put at level sync fails once. */
static void
test_p05_a_failed_sync_poisons(void **state)
{
    const kt_place *place = *state;
    const kist_options options = {.durability = KIST_SYNC,
                                  .map_reserve = 16u << 20};
    const kist_value value = kist_text("value");
    kist_value got;
    kist *k;
    kist_dict *dict;

    kt_io_install();
    KT_OK(kist_open(place->path, &options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    KT_OK(kist_dict_put(dict, kist_str("a"), &value));
    kt_io_fail(BIT(SYNC) | BIT(SYNC_ALL), 1, false, EIO);
    assert_int_not_equal(kist_dict_put(dict, kist_str("b"), &value), KIST_OK);
    assert_int_equal(kt_io_hits(), 1);
    for (int i = 0; i < 3; i++) {
        KT_ANSWERS(KIST_ERR_POISONED,
                   kist_dict_put(dict, kist_str("c"), &value));
        KT_ANSWERS(KIST_ERR_POISONED, kist_sync(k));
        KT_OK(kist_dict_get(dict, kist_str("a"), &got));
    }
    kist_dict_close(dict);
    (void)kist_close(k);
    kt_io_heal();
    KT_OK(kist_open(place->path, &options, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    KT_OK(kist_dict_get(dict, kist_str("a"), &got));
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_dict_contains(dict, kist_str("c")));
    KT_OK(kist_dict_put(dict, kist_str("c"), &value));
    kist_dict_close(dict);
    KT_OK(kist_close(k));
    kt_io_remove();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p05_a_failed_sync_poisons),
        KT_TEST(test_p05_syncs_fail),
        KT_TEST(test_p05_syncs_fail_from_one_on),
        KT_TEST(test_p06_disk_full_once),
        KT_TEST(test_p06_disk_stays_full),
        KT_TEST(test_p07_eintr_is_invisible),
        KT_TEST(test_p07_short_counts_are_invisible),
        KT_TEST(test_p08_any_call_fails_once),
        KT_TEST(test_p08_all_calls_fail_from_one_on),
        KT_TEST(test_p08_no_descriptors_maps_or_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
