/*
 * The power is cut before every call of short histories of creation.
 */
#include "power/histories.h"

/* Goal: a new kist appears whole, or not at all; what was acknowledged as
 * durable is in a file that the directory durably has.
 * Method: cut before each call, all images, among them those that lack every
 * name that was not synced. */
static void
test_p04_create_and_first_writes(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 11},
        {.op = KT_APPEND, .coll = KT_L, .value = 12},
        {.op = KT_ADD, .coll = KT_S, .key = 1},
        {.op = KT_SYNC},
        {.op = KT_APPEND, .coll = KT_T, .value = 13},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, NULL, steps, 100);
}

/* Goal: a kist that is made and closed at once is there or not.
 * Method: cut before each call, all images. */
static void
test_p03_create_and_close(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_SYNC},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, NULL, steps, 100);
}

/* Goal: a kist that is reopened when new keeps what was put.
 * Method: cut before each call, all images. */
static void
test_p03_create_and_reopen(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 11},
        {.op = KT_REOPEN},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = 12},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, NULL, steps, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p04_create_and_first_writes),
        KT_TEST(test_p03_create_and_close),
        KT_TEST(test_p03_create_and_reopen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
