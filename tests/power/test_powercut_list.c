/*
 * The power is cut before every call of short histories of the list.
 */
#include "power/histories.h"

/* Goal: appends, sets and pops at the end survive in order.
 * Method: cut before each call, all images. */
static void
test_p02_list_append_and_pop(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_APPEND, .coll = KT_L, .value = 11},
        {.op = KT_APPEND, .coll = KT_T, .value = 12},
        {.op = KT_SET, .coll = KT_L, .index = 2, .value = 99},
        {.op = KT_SET, .coll = KT_T, .index = 1, .value = 98},
        {.op = KT_POP, .coll = KT_L, .index = 6},
        {.op = KT_APPEND, .coll = KT_L, .value = 13},
        {.op = KT_SYNC},
        {.op = KT_POP, .coll = KT_T},
        {.op = KT_APPEND, .coll = KT_T, .value = 14},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: inserts and removals in the middle keep the order.
 * Method: cut before each call, all images. */
static void
test_p02_list_insert_in_the_middle(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_INSERT, .coll = KT_L, .index = 3, .value = 100},
        {.op = KT_INSERT, .coll = KT_T, .index = 1, .value = 101},
        {.op = KT_INSERT, .coll = KT_L, .value = 102},
        {.op = KT_POP, .coll = KT_L, .index = 4},
        {.op = KT_CUT, .coll = KT_L, .key = 2, .index = 1},
        {.op = KT_INSERT, .coll = KT_T, .index = 2, .value = 103},
        {.op = KT_SET, .coll = KT_L, .index = 1, .value = 104},
        {.op = KT_CUT, .coll = KT_T, .key = 2, .index = 1},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: a sort or a reversal is done wholly or not at all.
 * Method: cut before each call, all images. */
static void
test_p02_list_sort_and_reverse(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_SORT, .coll = KT_L},
        {.op = KT_REVERSE, .coll = KT_T},
        {.op = KT_APPEND, .coll = KT_L, .value = 7},
        {.op = KT_SORT, .coll = KT_T, .key = 1},
        {.op = KT_REVERSE, .coll = KT_L},
        {.op = KT_CLEAR, .coll = KT_T},
        {.op = KT_APPEND, .coll = KT_T, .value = 8},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p02_list_append_and_pop),
        KT_TEST(test_p02_list_insert_in_the_middle),
        KT_TEST(test_p02_list_sort_and_reverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
