/*
 * The power is cut before every call of short histories of the set.
 */
#include "power/histories.h"

/* Goal: members added and removed survive in order.
 * Method: cut before each call, all images. */
static void
test_p02_set_add_and_remove(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_ADD, .coll = KT_S, .key = 1},
        {.op = KT_ADD, .coll = KT_S, .key = 2},
        {.op = KT_ADD, .coll = KT_S, .key = 100},
        {.op = KT_REMOVE, .coll = KT_S, .key = 1},
        {.op = KT_ADD, .coll = KT_S, .key = 1},
        {.op = KT_POPITEM, .coll = KT_S},
        {.op = KT_SYNC},
        {.op = KT_REMOVE, .coll = KT_S, .key = 77},
        {.op = KT_ADD, .coll = KT_S, .key = 4},
        {.op = KT_CLEAR, .coll = KT_S},
        {.op = KT_ADD, .coll = KT_S, .key = 5},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p02_set_add_and_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
