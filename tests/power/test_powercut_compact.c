/*
 * The power is cut before every call of short histories of compaction.
 */
#include "power/histories.h"

/* Goal: compaction changes nothing, wherever the power goes.
 * Method: cut before each call, all images. */
static void
test_p03_compact_and_go_on(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 11},
        {.op = KT_COMPACT},
        {.op = KT_PUT, .coll = KT_D, .key = 51, .value = 12},
        {.op = KT_POP, .coll = KT_L, .index = 1},
        {.op = KT_COMPACT},
        {.op = KT_APPEND, .coll = KT_T, .value = 13},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: compaction of an almost empty kist is as safe.
 * Method: cut before each call, all images. */
static void
test_p03_compact_of_little(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_COMPACT},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 5},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_small_steps, steps, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p03_compact_and_go_on),
        KT_TEST(test_p03_compact_of_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
