/*
 * Every operation, with each of its allocations failing in turn.
 */
#include "support/failalloc.h"
#include "support/failing.h"

static void
arm(const kt_weapon *weapon, uint64_t nth)
{
    kt_alloc_fail(nth, weapon->from_then_on);
}

static void
run_all(void **state, const char *name, bool from_then_on)
{
    const kt_weapon weapon = {.name = name,
                              .arm = arm,
                              .heal = kt_alloc_heal,
                              .hit = kt_alloc_hit,
                              .from_then_on = from_then_on};
    uint64_t hits = 0;

    for (const kt_trial *trial = kt_trials; trial->name != NULL; trial++) {
        hits += kt_failing(*state, trial, &weapon);
    }
    print_message("           %s: %llu failures given\n", name,
                  (unsigned long long)hits);
    assert_int_not_equal(hits, 0);
}

/* Goal: no memory is an error that changes nothing and leaks nothing.
 * Method: every allocation in turn, every operation. */
static void
test_p08_an_allocation_fails_once(void **state)
{
    run_all(state, "allocation", false);
}

static void
test_p08_allocations_fail_from_one_on(void **state)
{
    run_all(state, "allocations from then on", true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p08_an_allocation_fails_once),
        KT_TEST(test_p08_allocations_fail_from_one_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
