/*
 * The power is cut before every call of short histories of closing.
 */
#include "power/histories.h"

/* Goal: what was there at the last close survives a power cut.
 * Method: cut before each call, all images. */
static void
test_p02_close_and_open_again(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 11},
        {.op = KT_REOPEN},
        {.op = KT_APPEND, .coll = KT_T, .value = 12},
        {.op = KT_REOPEN},
        {.op = KT_REOPEN},
        {.op = KT_SORT, .coll = KT_T},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p02_close_and_open_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
