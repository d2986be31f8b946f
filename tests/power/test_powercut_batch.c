/*
 * The power is cut before every call of short histories of batches.
 */
#include "power/histories.h"

/* Goal: a batch over five collections is whole or absent.
 * Method: cut before each call, all images. */
static void
test_p02_batch_over_all_collections(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_BEGIN},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 11},
        {.op = KT_APPEND, .coll = KT_L, .value = 12},
        {.op = KT_INSERT, .coll = KT_T, .index = 1, .value = 13},
        {.op = KT_ADD, .coll = KT_S, .key = 20},
        {.op = KT_PUT, .coll = KT_X, .key = 1, .value = 14},
        {.op = KT_REMOVE, .coll = KT_D, .key = 52},
        {.op = KT_COMMIT},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = 15},
        {.op = KT_BEGIN},
        {.op = KT_PUT_MANY, .coll = KT_D, .key = 10, .index = 6, .value = 16},
        {.op = KT_APPEND_MANY, .coll = KT_L, .index = 5, .value = 30},
        {.op = KT_SORT, .coll = KT_L},
        {.op = KT_COMMIT},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: what was rolled back never comes, what follows does.
 * Method: cut before each call, all images. */
static void
test_p02_batch_rolled_back(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_BEGIN},
        {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 11},
        {.op = KT_REMOVE, .coll = KT_S, .key = 50},
        {.op = KT_POP, .coll = KT_L, .index = 2},
        {.op = KT_CLEAR, .coll = KT_T},
        {.op = KT_ROLLBACK},
        {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 12},
        {.op = KT_BEGIN},
        {.op = KT_COMMIT},
        {.op = KT_APPEND, .coll = KT_T, .value = 13},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

/* Goal: a batch larger than any page is whole or absent.
 * Method: cut before each call, all images. */
static void
test_p02_batch_of_large_values(void **state)
{
    static const kt_step steps[] = {
        {.op = KT_BEGIN},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = KT_HUGE},
        {.op = KT_PUT, .coll = KT_D, .key = 2, .value = KT_LARGE},
        {.op = KT_APPEND, .coll = KT_T, .value = KT_HUGE},
        {.op = KT_COMMIT},
        {.op = KT_PUT, .coll = KT_D, .key = 1, .value = 3},
        {.op = KT_OP_END},
    };

    kt_powercut_all(state, __func__, kt_setup_steps, steps, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p02_batch_over_all_collections),
        KT_TEST(test_p02_batch_rolled_back),
        KT_TEST(test_p02_batch_of_large_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
