/*
 * Views of lists of numbers that are kept when they have been closed: what
 * comes back is the list as it is, and what is kept is let go.
 */
#include <stdio.h>

#include "support/procs.h"

#define MANY  UINT64_C(80000) /* enough for a map */
#define BUNCH 1000u

static const kist_options plain = {.map_reserve = UINT64_C(512) << 20};

typedef struct bed {
    kist *k;
    kist_list *list;
} bed;

static void
bed_open(bed *b, const kt_place *place)
{
    KT_OK(kist_open(place->path, &plain, &b->k));
    KT_OK(kist_list_open(b->k, kist_str("l"), KIST_INT, &b->list));
}

static void
bed_close(bed *b)
{
    kist_list_close(b->list);
    KT_OK(kist_close(b->k));
}

/* Item i of round r: a number that says both. */
static uint64_t
word_of(uint64_t round, uint64_t i)
{
    return (round << 32 | i) * 3;
}

static kist_value
item_of(uint64_t round, uint64_t i)
{
    return kist_int((int64_t)word_of(round, i));
}

/* Appends items from .. to-1 of the round. */
static kist_status
append(kist_list *list, uint64_t round, uint64_t from, uint64_t to)
{
    kist_value values[BUNCH];
    kist_status status = KIST_OK;

    while (from < to && status == KIST_OK) {
        const uint64_t n = to - from < BUNCH ? to - from : BUNCH;

        for (uint64_t i = 0; i < n; i++) {
            values[i] = item_of(round, from + i);
        }
        status = kist_list_append_many(list, values, (size_t)n, NULL);
        from += n;
    }
    return status;
}

static void
check_view(const kist_list_view *view, uint64_t round, uint64_t count)
{
    const uint64_t *words = kist_list_view_words(view);

    assert_int_equal(kist_list_view_count(view), count);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(words[i], word_of(round, i));
    }
}

/* Opens a view, which must be mapped, looks at it and closes it; where its
 * words were. */
static const void *
look(kist_list *list, uint64_t round, uint64_t count)
{
    kist_list_view *view;
    const void *words;

    KT_OK(kist_list_view_open(list, &view));
    assert_true(kist_list_view_mapped(view));
    words = kist_list_view_words(view);
    check_view(view, round, count);
    kist_list_view_close(view);
    return words;
}

/* What item i of round 1 will be when round 2 has replaced it. */
static void
check_replaced(kist_list *list, uint64_t i)
{
    const kist_value new = item_of(2, i);
    const kist_value old = item_of(1, i);
    kist_list_view *view;

    KT_OK(kist_list_set(list, i, &new));
    KT_OK(kist_list_view_open(list, &view));
    assert_int_equal(((const uint64_t *)kist_list_view_words(view))[i],
                     word_of(2, i));
    kist_list_view_close(view);
    KT_OK(kist_list_set(list, i, &old));
}

/*
 * Goal:   a list that has not been written to is not mapped again; any write,
 *         of whoever, is in the next view.
 * Method: views one after the other and at once; numbers are set in the part
 *         that is copied and in the part that is mapped, appended, popped, and
 *         changed by another handle, in a batch and by compaction.
 */
static void
test_kept(void **state)
{
    kist_list_view *first;
    kist_list_view *second;
    const void *words;
    size_t descriptors;
    size_t maps;
    bed b;
    bed other;

    bed_open(&b, *state);
    KT_OK(append(b.list, 1, 0, MANY));
    descriptors = kt_count_descriptors();
    maps = kt_count_maps();
    words = look(b.list, 1, MANY);
    assert_ptr_equal(look(b.list, 1, MANY), words);
    assert_int_equal(kt_count_descriptors(), descriptors + 1);
    KT_OK(kist_list_view_open(b.list, &first));
    KT_OK(kist_list_view_open(b.list, &second));
    assert_ptr_equal(kist_list_view_words(first), words);
    assert_ptr_equal(kist_list_view_words(second), words);
    kist_list_view_close(first);
    check_view(second, 1, MANY);
    check_replaced(b.list, 5);
    check_replaced(b.list, MANY - 5);
    KT_OK(append(b.list, 1, MANY, MANY + 1));
    (void)look(b.list, 1, MANY + 1);
    KT_OK(kist_list_pop(b.list, KIST_LAST, NULL));
    (void)look(b.list, 1, MANY);
    bed_open(&other, *state);
    check_replaced(other.list, 7);
    (void)look(b.list, 1, MANY);
    KT_OK(append(other.list, 1, MANY, MANY + 3));
    (void)look(b.list, 1, MANY + 3);
    bed_close(&other);
    KT_OK(kist_batch_begin(b.k));
    KT_OK(append(b.list, 1, MANY + 3, MANY + 9));
    KT_OK(kist_batch_commit(b.k));
    (void)look(b.list, 1, MANY + 9);
    KT_OK(kist_compact(b.k, NULL, NULL));
    (void)look(b.list, 1, MANY + 9);
    check_view(second, 1, MANY);
    kist_list_view_close(second);
    KT_OK(kist_list_sort(b.list, true));
    assert_int_equal(kt_count_descriptors(), descriptors);
    assert_true(kt_count_maps() <= maps);
    bed_close(&b);
}

/*
 * Goal:   what is kept is let go: when the list changes its shape or is
 *         dropped, when it is one of too many, and when the kist is closed,
 *         also in a child.
 * Method: descriptors are counted.
 */
static void
test_let_go(void **state)
{
    const size_t before = kt_count_descriptors();
    kist_list *lists[12];
    char name[16];
    size_t descriptors;
    bed b;

    bed_open(&b, *state);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "l%d", i);
        KT_OK(kist_list_open(b.k, kist_str(name), KIST_INT, &lists[i]));
        KT_OK(append(lists[i], 1, 0, MANY));
    }
    descriptors = kt_count_descriptors();
    for (int i = 0; i < 12; i++) {
        (void)look(lists[i], 1, MANY);
    }
    assert_int_equal(kt_count_descriptors(), descriptors + 8);
    KT_OK(kist_list_clear(lists[11]));
    assert_int_equal(kt_count_descriptors(), descriptors + 7);
    KT_OK(kist_list_pop(lists[10], 0, NULL));
    assert_int_equal(kt_count_descriptors(), descriptors + 6);
    KT_OK(kist_coll_drop(b.k, kist_str("l9")));
    assert_int_equal(kt_count_descriptors(), descriptors + 5);
    for (int i = 0; i < 12; i++) {
        kist_list_close(lists[i]);
    }
    bed_close(&b);
    assert_int_equal(kt_count_descriptors(), before);
}

typedef struct inherited {
    kt_shared *shared;
    kist_list_view *view;
    bed *bed;
} inherited;

/* In a child: closes the view, and then the kist. */
static int
let_go_inherited(void *argument)
{
    inherited *s = argument;
    const size_t descriptors = kt_count_descriptors();

    kist_list_view_close(s->view);
    if (kt_count_descriptors() != descriptors - 1) {
        return kt_child_fails(s->shared, "a closed view is kept in a child");
    }
    kist_list_close(s->bed->list);
    (void)kist_close(s->bed->k);
    return kt_count_descriptors() < descriptors - 1
               ? 0
               : kt_child_fails(s->shared, "a closed kist is kept");
}

/*
 * Goal:   a child of fork() lets go of a view that its parent keeps.
 * Method: it closes the view and the kist; the parent goes on with both.
 */
static void
test_let_go_by_child(void **state)
{
    bed b;
    inherited s = {.shared = kt_shared_new(), .bed = &b};
    pid_t child;

    bed_open(&b, *state);
    KT_OK(append(b.list, 4, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &s.view));
    assert_true(kist_list_view_mapped(s.view));
    child = kt_spawn(let_go_inherited, &s);
    KT_CHECK(kt_wait(child, 60000) == 0, "%s", s.shared->why);
    check_view(s.view, 4, MANY);
    kist_list_view_close(s.view);
    (void)look(b.list, 4, MANY);
    bed_close(&b);
    kt_shared_free(s.shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_kept),
        KT_TEST(test_let_go),
        KT_TEST(test_let_go_by_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
