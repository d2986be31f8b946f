#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kist/kist.h"
#include "support/check.h"

/*
 * The golden file of log format 1.  It was made by this program:
 *     KT_GOLDEN_WRITE=tests/golden/log-1 test_golden
 * and stays as it is: later versions must read it, or say why not.
 */
#define GOLDEN "log-1.kist"

static const char *
golden_dir(void)
{
    const char *dir = getenv("KT_GOLDEN");

    return dir != NULL ? dir : KT_GOLDEN_DIR;
}

static void
write_golden(const char *path)
{
    const kist_value items[] = {kist_int(-7), kist_text("zwei"),
                                kist_float(2.5), kist_bool(true), kist_null()};
    kist_value one = kist_int(1);
    kist_value value;
    kist_dict *dict;
    kist_list *list;
    kist_set *set;
    kist *k;

    KT_OK(kist_open(path, NULL, &k));
    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    KT_OK(kist_list_open(k, kist_str("list"), KIST_ANY, &list));
    KT_OK(kist_set_open(k, kist_str("set"), KIST_INT, &set));
    value = kist_text("first");
    KT_OK(kist_dict_put(dict, kist_str("a"), &value));
    KT_OK(kist_dict_put(dict, kist_str("gone"), &value));
    value = kist_text("second");
    KT_OK(kist_dict_put(dict, kist_str("b"), &value));
    KT_OK(kist_dict_put(dict, kist_str("a"), &value));
    KT_OK(kist_dict_remove(dict, kist_str("gone")));
    for (size_t i = 0; i < 5; i++) {
        KT_OK(kist_list_append(list, &items[i]));
    }
    KT_OK(kist_list_insert(list, 1, &one));
    KT_OK(kist_list_pop(list, 4, NULL));
    KT_OK(kist_batch_begin(k));
    KT_OK(kist_set_add(set, &one, NULL));
    KT_OK(kist_list_reverse(list));
    KT_OK(kist_batch_commit(k));
    kist_dict_close(dict);
    kist_list_close(list);
    kist_set_close(set);
    KT_OK(kist_close(k));
}

static void
check_golden(kist *k)
{
    const kist_value expected[] = {kist_null(), kist_float(2.5),
                                   kist_text("zwei"), kist_int(1),
                                   kist_int(-7)};
    const kist_value one = kist_int(1);
    kist_value value;
    kist_slice key;
    kist_dict *dict;
    kist_list *list;
    kist_scan *scan;
    kist_set *set;
    uint64_t count;

    KT_OK(kist_dict_open(k, kist_str(""), KIST_TEXT, &dict));
    KT_OK(kist_list_open(k, kist_str("list"), KIST_ANY, &list));
    KT_OK(kist_set_open(k, kist_str("set"), KIST_INT, &set));
    KT_OK(kist_dict_scan(dict, NULL, &scan));
    for (const char *name = "a"; *name <= 'b'; name = "b") {
        KT_OK(kist_scan_next(scan, &key, &value));
        assert_int_equal(key.size, 1);
        assert_memory_equal(key.data, name, 1);
        assert_int_equal(value.as.bytes.size, 6);
        assert_memory_equal(value.as.bytes.data, "second", 6);
        if (*name == 'b') {
            break;
        }
    }
    KT_ANSWERS(KIST_END, kist_scan_next(scan, NULL, NULL));
    KT_OK(kist_list_count(list, &count));
    assert_int_equal(count, 5);
    for (uint64_t i = 0; i < 5; i++) {
        KT_OK(kist_list_get(list, i, &value));
        assert_true(kist_value_equal(&value, &expected[i]));
        assert_int_equal(value.type, expected[i].type);
    }
    KT_OK(kist_set_count(set, &count));
    assert_int_equal(count, 1);
    KT_OK(kist_set_contains(set, &one));
    kist_scan_close(scan);
    kist_dict_close(dict);
    kist_list_close(list);
    kist_set_close(set);
}

static void
copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    char bytes[4096];
    size_t n;

    KT_CHECK(in != NULL, "%s", from);
    assert_non_null(out);
    while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0) {
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/*
 * Goal: a log of format 1 is read the same by this version and by later ones.
 * Method: open a copy of the golden file, which has no index beside it, for
 * reading and for writing; compare all that is in it; verify.
 */
static void
test_p19_golden_log_1_is_read(void **state)
{
    const kt_place *place = *state;
    const kist_options options[] = {{.read_only = true}, {.must_exist = true}};
    char from[512];
    char to[512];
    kist_report report;
    kist *k;

    snprintf(from, sizeof(from), "%s/" GOLDEN, golden_dir());
    snprintf(to, sizeof(to), "%s.kist", place->path);
    copy_file(from, to);
    for (size_t i = 0; i < 2; i++) {
        KT_OK(kist_open(place->path, &options[i], &k));
        check_golden(k);
        KT_OK(kist_verify(k, NULL, NULL, &report));
        assert_int_equal(report.damaged_bytes, 0);
        KT_OK(kist_close(k));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {KT_TEST(test_p19_golden_log_1_is_read)};

    if (getenv("KT_GOLDEN_WRITE") != NULL) {
        write_golden(getenv("KT_GOLDEN_WRITE"));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
