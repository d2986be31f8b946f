#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "kist/value.h"

/*
 * Goal    every type has a name of its own, other numbers have "type?".
 * Method  compare pairs, then ask for holes and ends.
 */
static void
test_names(void **state)
{
    (void)state;
    for (int i = 0; i <= KIST_INT128; i++) {
        const char *name = kist_type_name((kist_type)i);
        const int is_hole = i > KIST_REF && i < KIST_INT32;

        assert_int_equal(strcmp(name, "type?") == 0, is_hole);
        for (int j = 0; j < i && !is_hole; j++) {
            assert_string_not_equal(name, kist_type_name((kist_type)j));
        }
    }
    assert_string_equal(kist_type_name(KIST_INT), "int");
    assert_string_equal(kist_type_name(KIST_TEXT), "text");
    assert_string_equal(kist_type_name(KIST_FROZENSET), "frozenset");
    assert_string_equal(kist_type_name(KIST_INT128), "int128");
    assert_string_equal(kist_type_name((kist_type)34), "type?");
    assert_string_equal(kist_type_name((kist_type)-1), "type?");
}

/*
 * Goal    it is known which types carry bytes.
 * Method  compare with the comments in value.h, type by type.
 */
static void
test_has_bytes(void **state)
{
    (void)state;
    for (int i = -1; i < 40; i++) {
        assert_int_equal(kist_type_has_bytes((kist_type)i),
                         i >= KIST_TEXT && i <= KIST_REF);
    }
}

/*
 * Goal    the makers make what they say.
 * Method  look into one of each.
 */
static void
test_makers(void **state)
{
    const kist_value text = kist_text("chest");

    (void)state;
    assert_int_equal(kist_null().type, KIST_NULL);
    assert_int_equal(kist_bool(true).type, KIST_BOOL);
    assert_true(kist_bool(true).as.boolean);
    assert_int_equal(kist_int(-5).type, KIST_INT);
    assert_true(kist_int(-5).as.integer == -5);
    assert_int_equal(kist_float(0.5).type, KIST_FLOAT);
    assert_true(kist_float(0.5).as.real == 0.5);
    assert_int_equal(text.type, KIST_TEXT);
    assert_int_equal(text.as.bytes.size, 5);
    assert_memory_equal(text.as.bytes.data, "chest", 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_has_bytes),
        cmocka_unit_test(test_makers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
