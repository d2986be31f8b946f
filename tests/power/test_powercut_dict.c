/*
 * The power is cut before every call of short histories of the dict.
 */
#include "power/histories.h"

/* Goal: puts, overwrites and removals of a dict survive.
 * Method: cut before each call, all images. */
static void
test_p02_dict_put(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 11},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = 5},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 22},
        {.op = KT_PUT_NEW, .coll = KT_D, .key = 3, .value = 3},
        {.op = KT_REMOVE, .coll = KT_D, .key = 2},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = 0x1234567},
        {.op = KT_POP, .coll = KT_D, .key = 3},
        {.op = KT_POPITEM, .coll = KT_D},
        {.op = KT_SYNC},
        {.op = KT_PUT, .coll = KT_X, .key = 1, .value = 9},
        {.op = KT_PUT, .coll = KT_D, .key = 9, .value = 77},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: values of many pages are whole or absent.
 * Method: cut before each call, all images. */
static void
test_p02_dict_large_values(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = KT_LARGE},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = KT_HUGE},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = KT_LARGE + 8},
        {.op = KT_REMOVE, .coll = KT_D, .key = 2},
        {.op = KT_PUT, .coll = KT_D, .key = 3, .value = 4},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: a cleared dict is empty or as it was.
 * Method: cut before each call, all images. */
static void
test_p02_dict_clear(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 11},
        {.op = KT_CLEAR, .coll = KT_D},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 12},
        {.op = KT_PUT, .coll = KT_D, .key = 51, .value = 13},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: a store that does not sync is found out.
 * Method: the same, on a disk that forgets its syncs. */
static void
test_harness_notices_lost_syncs(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 11},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = 12},
        {.op = KT_OP_END},
    };
    const kt_history history = {.name = __func__,
                                .setup = kt_setup_steps,
                                .steps = steps,
                                .durability = KIST_SYNC,
                                .ignore_syncs = true};
    kt_tally tally = {0};

    print_message("           (the failures that follow are wanted)\n");
    kt_powercut(*state, &history, &tally);
    assert_int_not_equal(tally.failures, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p02_dict_put),
        KT_TEST(test_p02_dict_large_values),
        KT_TEST(test_p02_dict_clear),
        KT_TEST(test_harness_notices_lost_syncs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
