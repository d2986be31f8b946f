/*
 * Views of lists of numbers: what they show, and that they go on showing it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/failalloc.h"
#include "support/faultio.h"
#include "support/procs.h"

#define RESERVE (UINT64_C(512) << 20)
#define MAPPED  UINT64_C(65536) /* from here on views are maps */
#define MANY    UINT64_C(80000)
#define BUNCH   1000u
#define ROUNDS  20u /* so often are large rings gone round */
#define TURNS   70u /* all, also that of the one extent of its class */

static const kist_options plain = {.map_reserve = RESERVE};

typedef struct bed {
    kist *k;
    kist_list *list;
} bed;

static void
bed_open(bed *b, const kt_place *place, const char *name, kist_type type)
{
    KT_OK(kist_open(place->path, &plain, &b->k));
    KT_OK(kist_list_open(b->k, kist_str(name), type, &b->list));
}

static void
bed_close(bed *b)
{
    kist_list_close(b->list);
    KT_OK(kist_close(b->k));
}

/* Item i of round r: a number that says both. */
static kist_value
item_of(kist_type type, uint64_t round, uint64_t i)
{
    const uint64_t number = round << 32 | i;

    switch (type) {
    case KIST_FLOAT:
        return kist_float((double)number + 0.5);
    case KIST_BOOL:
        return kist_bool(i % 3 == 0);
    case KIST_INT32:
        return kist_int((int32_t)(i * 7) - 50000);
    default:
        return kist_int((int64_t)(number * 3) - 1000);
    }
}

/* The word that a view must show for it. */
static uint64_t
word_of(kist_type type, uint64_t round, uint64_t i)
{
    const kist_value value = item_of(type, round, i);
    uint64_t word;

    if (type == KIST_FLOAT) {
        memcpy(&word, &value.as.real, sizeof(word));
        return word;
    }
    return type == KIST_BOOL ? value.as.boolean : (uint64_t)value.as.integer;
}

/* Appends items from .. to-1 of the round. */
static kist_status
append(kist_list *list, kist_type type, uint64_t round, uint64_t from,
       uint64_t to)
{
    kist_value values[BUNCH];
    kist_status status = KIST_OK;

    while (from < to && status == KIST_OK) {
        const uint64_t n = to - from < BUNCH ? to - from : BUNCH;

        for (uint64_t i = 0; i < n; i++) {
            values[i] = item_of(type, round, from + i);
        }
        status = kist_list_append_many(list, values, (size_t)n, NULL);
        from += n;
    }
    return status;
}

/* The first item that is not the round's, or the view's count. */
static uint64_t
first_wrong(const kist_list_view *view, kist_type type, uint64_t round)
{
    const uint64_t *words = kist_list_view_words(view);
    const uint64_t count = kist_list_view_count(view);
    uint64_t i = 0;

    while (i < count && words[i] == word_of(type, round, i)) {
        i++;
    }
    return i;
}

static void
check_view(const kist_list_view *view, kist_type type, uint64_t round,
           uint64_t count)
{
    assert_int_equal(kist_list_view_count(view), count);
    assert_int_equal(first_wrong(view, type, round), count);
}

/* All that frees and takes extents, so that what is free is used again. */
static kist_status
churn(kist *k, const char *name, unsigned rounds)
{
    kist_list *list;
    kist_status status;

    status = kist_list_open(k, kist_str(name), KIST_INT, &list);
    if (status != KIST_OK) {
        return status;
    }
    status = append(list, KIST_INT, 1000, 0, MANY);
    for (unsigned r = 0; r < rounds && status == KIST_OK; r++) {
        status = kist_list_reverse(list);
    }
    if (status == KIST_OK) {
        status = kist_list_clear(list);
    }
    kist_list_close(list);
    return status;
}

static uint64_t
index_size(const kt_place *place)
{
    char path[320];
    struct stat status;

    snprintf(path, sizeof(path), "%s.kistx", place->path);
    assert_int_equal(stat(path, &status), 0);
    return (uint64_t)status.st_size;
}

/* --- what a view shows ----------------------------------------------------
 */

/*
 * Goal:   a view is what kist_list_get() says, at each size, for each type;
 *         what is appended later it does not show.
 * Method: one list grows; sizes around the ends of extents and of pages; the
 *         views stay open until all are there.
 */
static void
test_equal(void **state)
{
    static const uint64_t sizes[] = {0,     1,     31,    1919,  1920,
                                     32639, 32640, 32641, 65407, 65408,
                                     65535, 65536, 65537, MANY,  1000000};
    static const kist_type types[] = {KIST_INT, KIST_FLOAT, KIST_INT32,
                                      KIST_BOOL};
    const size_t n = sizeof(sizes) / sizeof(sizes[0]);
    const size_t descriptors = kt_count_descriptors();
    kist_list_view *views[16];
    size_t maps;
    bed b;

    for (size_t t = 0; t < 4; t++) {
        const kist_type type = types[t];
        const uint64_t from_size = t < 2 ? 1000000 : MANY;

        maps = kt_count_maps();
        bed_open(&b, *state, kist_type_name(type), type);
        for (size_t s = 0; s < n && sizes[s] <= from_size; s++) {
            KT_OK(append(b.list, type, 1, s > 0 ? sizes[s - 1] : 0, sizes[s]));
            KT_OK(kist_list_view_open(b.list, &views[s]));
            assert_int_equal(kist_list_view_mapped(views[s]),
                             sizes[s] >= MAPPED);
            assert_non_null(kist_list_view_words(views[s]));
            check_view(views[s], type, 1, sizes[s]);
        }
        for (size_t s = 0; s < n && sizes[s] <= from_size; s++) {
            kist_value value;

            check_view(views[s], type, 1, sizes[s]);
            if (sizes[s] > 0) {
                KT_OK(kist_list_get(b.list, sizes[s] - 1, &value));
                assert_true(type != KIST_INT ||
                            value.as.integer ==
                                ((const int64_t *)kist_list_view_words(
                                    views[s]))[sizes[s] - 1]);
            }
            kist_list_view_close(views[s]);
        }
        bed_close(&b);
        assert_int_equal(kt_count_maps(), maps);
    }
    kist_list_view_close(NULL);
    assert_int_equal(kt_count_descriptors(), descriptors);
}

/*
 * Goal:   what cannot be mapped is copied: a list edited in its middle, and
 *         what a batch has made; sorting makes it flat again.
 * Method: each of them, with its items; a list of text is TYPE.
 */
static void
test_copies(void **state)
{
    const kist_value last = kist_int(7);
    const uint64_t *words;
    kist_list_view *view;
    kist_list *text;
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 0, 0, MANY));
    KT_OK(kist_batch_begin(b.k));
    KT_OK(kist_list_append(b.list, &last));
    KT_OK(kist_list_set(b.list, 5, &last));
    KT_OK(kist_list_view_open(b.list, &view));
    assert_false(kist_list_view_mapped(view));
    words = kist_list_view_words(view);
    assert_int_equal(kist_list_view_count(view), MANY + 1);
    assert_int_equal(words[MANY], 7);
    assert_int_equal(words[5], 7);
    assert_int_equal(words[6], word_of(KIST_INT, 0, 6));
    KT_OK(kist_batch_rollback(b.k));
    assert_int_equal(words[5], 7);
    kist_list_view_close(view);

    KT_OK(kist_list_insert(b.list, 50000, &last));
    KT_OK(kist_list_view_open(b.list, &view));
    assert_false(kist_list_view_mapped(view));
    words = kist_list_view_words(view);
    assert_int_equal(kist_list_view_count(view), MANY + 1);
    assert_int_equal(words[49999], word_of(KIST_INT, 0, 49999));
    assert_int_equal(words[50000], 7);
    assert_int_equal(words[MANY], word_of(KIST_INT, 0, MANY - 1));
    kist_list_view_close(view);

    KT_OK(kist_list_pop(b.list, 50000, NULL));
    KT_OK(kist_list_sort(b.list, false));
    KT_OK(kist_list_view_open(b.list, &view));
    assert_true(kist_list_view_mapped(view));
    check_view(view, KIST_INT, 0, MANY);
    kist_list_view_close(view);

    KT_OK(kist_list_open(b.k, kist_str("t"), KIST_TEXT, &text));
    KT_ANSWERS(KIST_ERR_TYPE, kist_list_view_open(text, &view));
    assert_null(view);
    kist_list_close(text);
    bed_close(&b);
    // A list of a kist that is closed.
    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(kist_close(b.k));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_list_view_open(b.list, &view));
    assert_null(view);
    kist_list_close(b.list);
}

/*
 * Goal:   what list.h says of items that are replaced: a mapped view shows
 *         the old or a newer number, and nothing of their neighbours.
 * Method: set, pop and append under a view.
 */
static void
test_replaced(void **state)
{
    const kist_value other = kist_int(-5);
    const uint64_t places[] = {0, 5000, MANY - 1};
    const uint64_t *words;
    kist_list_view *view;
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 0, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &view));
    words = kist_list_view_words(view);
    KT_OK(kist_list_set(b.list, 0, &other));
    KT_OK(kist_list_set(b.list, 5000, &other));
    KT_OK(kist_list_pop(b.list, MANY - 1, NULL));
    KT_OK(kist_list_append(b.list, &other));
    for (size_t i = 0; i < 3; i++) {
        assert_true(words[places[i]] == word_of(KIST_INT, 0, places[i]) ||
                    (int64_t)words[places[i]] == -5);
    }
    for (uint64_t i = 1; i < MANY - 1; i++) {
        assert_true(i == 5000 || words[i] == word_of(KIST_INT, 0, i));
    }
    kist_list_view_close(view);
    bed_close(&b);
}

/* --- that it stays --------------------------------------------------------
 */

/*
 * Goal:   P9 of views: whatever is done to the list and the kist, a view
 *         shows what it showed; when it is closed, its room is used again.
 * Method: sorted, edited in its middle and cleared under views, and so many
 *         other lists made and thrown away that all that is free is used; the
 *         same with the kist closed, opened again, and compacted.  In the end
 *         the index does not grow any more.
 */
static void
test_pinned(void **state)
{
    const kt_place *place = *state;
    const kist_value other = kist_int(-5);
    kist_list_view *views[4];
    uint64_t size;
    bed b;

    bed_open(&b, place, "l", KIST_INT);
    for (uint64_t v = 0; v < 4; v++) {
        KT_OK(append(b.list, KIST_INT, v, 0, MANY));
        KT_OK(kist_list_view_open(b.list, &views[v]));
        assert_true(kist_list_view_mapped(views[v]));
        if (v == 0) {
            KT_OK(kist_list_sort(b.list, true));
        }
        else if (v == 1) {
            KT_OK(kist_list_insert(b.list, 7, &other));
        }
        else if (v == 2) {
            KT_OK(kist_list_pop(b.list, 7, NULL));
        }
        KT_OK(kist_list_clear(b.list));
        KT_OK(churn(b.k, "other", ROUNDS));
        check_view(views[v], KIST_INT, v, MANY);
    }
    bed_close(&b);
    bed_open(&b, place, "l", KIST_INT);
    KT_OK(churn(b.k, "other", ROUNDS));
    for (uint64_t v = 0; v < 4; v++) {
        check_view(views[v], KIST_INT, v, MANY);
        kist_list_view_close(views[v]);
    }
    // Rings are left by what was lent.
    KT_OK(churn(b.k, "other", TURNS));
    size = index_size(place);
    KT_OK(churn(b.k, "other", TURNS));
    assert_int_equal(index_size(place), size);

    KT_OK(append(b.list, KIST_INT, 9, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &views[0]));
    KT_OK(kist_compact(b.k, NULL, NULL));
    KT_OK(kist_list_view_open(b.list, &views[1]));
    assert_true(kist_list_view_mapped(views[1]));
    KT_OK(kist_list_clear(b.list));
    KT_OK(churn(b.k, "other", ROUNDS));
    check_view(views[0], KIST_INT, 9, MANY);
    check_view(views[1], KIST_INT, 9, MANY);
    bed_close(&b);
    KT_OK(kist_destroy(place->path));
    check_view(views[0], KIST_INT, 9, MANY);
    check_view(views[1], KIST_INT, 9, MANY);
    kist_list_view_close(views[0]);
    kist_list_view_close(views[1]);
}

/*
 * Goal:   more is lent than a ring holds, and the index is still sound.
 * Method: 20 lists with views are cleared (80 extents a class), others made;
 *         verify; the views are what they were.
 */
static void
test_full_rings(void **state)
{
    enum { LISTS = 20 };
    const uint64_t count = MAPPED + 5000;
    kist_list_view *views[LISTS];
    kist_report report;
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    for (uint64_t v = 0; v < LISTS; v++) {
        KT_OK(append(b.list, KIST_INT, v, 0, count));
        KT_OK(kist_list_view_open(b.list, &views[v]));
        KT_OK(kist_list_clear(b.list));
    }
    KT_OK(churn(b.k, "other", ROUNDS));
    KT_OK(kist_verify(b.k, NULL, NULL, &report));
    assert_false(report.index_rebuilt);
    for (uint64_t v = 0; v < LISTS; v++) {
        assert_true(kist_list_view_mapped(views[v]));
        check_view(views[v], KIST_INT, v, count);
        kist_list_view_close(views[v]);
    }
    KT_OK(churn(b.k, "other", ROUNDS));
    KT_OK(kist_verify(b.k, NULL, NULL, &report));
    bed_close(&b);
}

typedef struct beside {
    const kt_place *place;
    kt_shared *shared;
} beside;

static int
change_beside(void *argument)
{
    beside *s = argument;
    kist *k;
    kist_list *list;

    if (!kt_wait_word(&s->shared->go, 1, 30000)) {
        return kt_child_fails(s->shared, "nobody said go");
    }
    KT_CHILD(s->shared, KIST_OK, kist_open(s->place->path, &plain, &k));
    KT_CHILD(s->shared, KIST_OK,
             kist_list_open(k, kist_str("l"), KIST_INT, &list));
    KT_CHILD(s->shared, KIST_OK, kist_list_clear(list));
    KT_CHILD(s->shared, KIST_OK, churn(k, "other", ROUNDS));
    kist_list_close(list);
    KT_CHILD(s->shared, KIST_OK, kist_close(k));
    return 0;
}

/*
 * Goal:   the same when another process does it.
 * Method: a child clears and churns; the view, of a read-only handle that is
 *         closed then, is looked at afterwards.
 */
static void
test_other_process(void **state)
{
    const kist_options reader = {.map_reserve = RESERVE, .read_only = true};
    beside s = {.place = *state, .shared = kt_shared_new()};
    const pid_t child = kt_spawn(change_beside, &s);
    kist_list_view *views[2];
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 4, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &views[0]));
    bed_close(&b);
    KT_OK(kist_open(s.place->path, &reader, &b.k));
    KT_OK(kist_list_open(b.k, kist_str("l"), KIST_INT, &b.list));
    KT_OK(kist_list_view_open(b.list, &views[1]));
    assert_true(kist_list_view_mapped(views[1]));
    kist_list_close(b.list);
    KT_OK(kist_close(b.k));
    kist_list_view_close(views[0]);
    atomic_store(&s.shared->go, 1);
    KT_CHECK(kt_wait(child, 120000) == 0, "%s", s.shared->why);
    check_view(views[1], KIST_INT, 4, MANY);
    kist_list_view_close(views[1]);
    kt_shared_free(s.shared);
}

static int
view_and_wait(void *argument)
{
    beside *s = argument;
    kist_list_view *view;
    kist *k;
    kist_list *list;

    KT_CHILD(s->shared, KIST_OK, kist_open(s->place->path, &plain, &k));
    KT_CHILD(s->shared, KIST_OK,
             kist_list_open(k, kist_str("l"), KIST_INT, &list));
    KT_CHILD(s->shared, KIST_OK, kist_list_view_open(list, &view));
    if (!kist_list_view_mapped(view)) {
        return kt_child_fails(s->shared, "not mapped");
    }
    atomic_store(&s->shared->ready, 1);
    for (;;) {
        pause();
    }
}

/*
 * Goal:   P15: who is killed with a view open pins nothing.
 * Method: a child has a view; killed; after all has gone round once the index
 *         does not grow.
 */
static void
test_killed(void **state)
{
    beside s = {.place = *state, .shared = kt_shared_new()};
    uint64_t size;
    pid_t child;
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 4, 0, MANY));
    bed_close(&b);
    child = kt_spawn(view_and_wait, &s);
    KT_CHECK(kt_wait_word(&s.shared->ready, 1, 30000), "%s", s.shared->why);
    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(kist_list_clear(b.list));
    KT_OK(churn(b.k, "other", ROUNDS));
    assert_int_equal(kill(child, SIGKILL), 0);
    (void)kt_wait(child, 10000);
    KT_OK(churn(b.k, "other", TURNS));
    size = index_size(*state);
    KT_OK(churn(b.k, "other", TURNS));
    assert_int_equal(index_size(*state), size);
    bed_close(&b);
    kt_shared_free(s.shared);
}

typedef struct inherited {
    kt_shared *shared;
    kist_list_view *view;
} inherited;

static int
look_at_inherited(void *argument)
{
    inherited *s = argument;

    if (!kt_wait_word(&s->shared->go, 1, 60000)) {
        return kt_child_fails(s->shared, "nobody said go");
    }
    if (first_wrong(s->view, KIST_INT, 4) != MANY) {
        return kt_child_fails(s->shared, "the view has changed");
    }
    kist_list_view_close(s->view);
    return 0;
}

/*
 * Goal:   a child of fork() has its parent's views, also when that has closed
 *         its own.
 * Method: the parent closes the view, clears and churns; the child looks.
 */
static void
test_forked(void **state)
{
    inherited s = {.shared = kt_shared_new()};
    pid_t child;
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 4, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &s.view));
    assert_true(kist_list_view_mapped(s.view));
    bed_close(&b);
    child = kt_spawn(look_at_inherited, &s);
    kist_list_view_close(s.view);
    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(kist_list_clear(b.list));
    KT_OK(churn(b.k, "other", ROUNDS));
    bed_close(&b);
    atomic_store(&s.shared->go, 1);
    KT_CHECK(kt_wait(child, 60000) == 0, "%s", s.shared->why);
    kt_shared_free(s.shared);
}

typedef struct race {
    const kt_place *place;
    _Atomic uint32_t ended;
    _Atomic uint64_t rounds;
    kist_status status;
} race;

/* Fills and empties the list, each time with other numbers. */
static void *
write_in_rounds(void *argument)
{
    race *s = argument;
    kist *k;
    kist_list *list;

    s->status = kist_open(s->place->path, &plain, &k);
    if (s->status == KIST_OK) {
        s->status = kist_list_open(k, kist_str("l"), KIST_INT, &list);
    }
    for (uint64_t r = 1; s->status == KIST_OK && atomic_load(&s->ended) == 0;
         r++) {
        s->status = append(list, KIST_INT, r, 0, MAPPED + 5000);
        if (s->status == KIST_OK && r % 4 == 0) {
            s->status = kist_list_sort(list, false);
        }
        if (s->status == KIST_OK) {
            s->status = kist_list_clear(list);
        }
        atomic_store(&s->rounds, r);
    }
    if (s->status == KIST_OK) {
        kist_list_close(list);
        s->status = kist_close(k);
    }
    return NULL;
}

/*
 * Goal:   however opening a view and throwing its list away meet, a mapped
 *         view is of one round, and stays so.
 * Method: a thread with a handle of its own fills and clears; views are
 *         opened all the time and looked at again when others have followed.
 */
static void
test_race(void **state)
{
    enum { HELD = 8 };
    race s = {.place = *state};
    kist_list_view *views[HELD] = {NULL};
    uint64_t rounds[HELD] = {0};
    const uint64_t enough = kt_now_ms() + 3000;
    const uint64_t until = enough + 60000;
    uint64_t mapped = 0;
    pthread_t thread;
    bed b;

    bed_open(&b, *state, "l", KIST_INT);
    assert_int_equal(pthread_create(&thread, NULL, write_in_rounds, &s), 0);
    for (uint64_t n = 0;
         kt_now_ms() < until &&
         (kt_now_ms() < enough || mapped == 0 || atomic_load(&s.rounds) <= 10);
         n++) {
        const size_t v = n % HELD;
        kist_list_view *view;

        if (views[v] != NULL) {
            check_view(views[v], KIST_INT, rounds[v],
                       kist_list_view_count(views[v]));
            kist_list_view_close(views[v]);
            views[v] = NULL;
        }
        KT_OK(kist_list_view_open(b.list, &view));
        if (!kist_list_view_mapped(view)) {
            kist_list_view_close(view);
            continue;
        }
        mapped++;
        rounds[v] =
            (*(const uint64_t *)kist_list_view_words(view) + 1000) / 3 >> 32;
        views[v] = view;
        check_view(view, KIST_INT, rounds[v], kist_list_view_count(view));
    }
    atomic_store(&s.ended, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    KT_OK(s.status);
    for (size_t v = 0; v < HELD; v++) {
        kist_list_view_close(views[v]);
    }
    assert_true(mapped > 0);
    assert_true(atomic_load(&s.rounds) > 10);
    bed_close(&b);
}

/* --- what goes wrong ------------------------------------------------------
 */

/*
 * Goal:   P7: a call that fails makes a copy or an error, and leaves nothing.
 * Method: the n-th call of each kind fails, once and from then on; then the
 *         n-th allocation.
 */
static void
test_failing(void **state)
{
    const uint32_t kinds =
        KT_CALL_BIT(KT_CALL_OPEN) | KT_CALL_BIT(KT_CALL_STAT) |
        KT_CALL_BIT(KT_CALL_MAP) | KT_CALL_BIT(KT_CALL_LOCK) |
        KT_CALL_BIT(KT_CALL_ADVISE);
    kist_list_view *view;
    uint64_t copies = 0;
    uint64_t failed = 0;
    size_t descriptors;
    size_t maps;
    bool hit = true;
    bed b;

    kt_io_install();
    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 3, 0, MANY));
    maps = kt_count_maps();
    descriptors = kt_count_descriptors();
    for (uint64_t nth = 1; hit; nth++) {
        for (int on = 0; on < 2; on++) {
            kt_io_fail(kinds, nth, on != 0, on != 0 ? EIO : ENOMEM);
            KT_OK(kist_list_view_open(b.list, &view));
            hit = kt_io_hits() > 0;
            kt_io_heal();
            copies += !kist_list_view_mapped(view);
            assert_int_equal(hit, !kist_list_view_mapped(view));
            check_view(view, KIST_INT, 3, MANY);
            kist_list_view_close(view);
            if (!hit) {
                break; // and so it is kept
            }
            assert_int_equal(kt_count_descriptors(), descriptors);
            assert_int_equal(kt_count_maps(), maps);
        }
    }
    assert_true(copies > 8);
    KT_OK(kist_list_clear(b.list));
    assert_int_equal(kt_count_descriptors(), descriptors);
    assert_int_equal(kt_count_maps(), maps);
    KT_OK(append(b.list, KIST_INT, 3, 0, 5000));
    hit = true;
    for (uint64_t nth = 1; hit; nth++) {
        kist_status status;

        kt_alloc_fail(nth, false);
        status = kist_list_view_open(b.list, &view);
        hit = kt_alloc_hit();
        kt_alloc_heal();
        KT_ANSWERS(hit ? KIST_ERR_NOMEM : KIST_OK, status);
        failed += hit;
        kist_list_view_close(view);
    }
    assert_int_equal(failed, 2);
    bed_close(&b);
    kt_io_remove();
}

/*
 * Goal:   when locks cannot be asked for, nothing lent is used again.
 * Method: every lock fails while a list with a view is cleared and the room
 *         is asked for again.
 */
static void
test_failing_locks(void **state)
{
    kist_list_view *view;
    bed b;

    kt_io_install();
    bed_open(&b, *state, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 3, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &view));
    assert_true(kist_list_view_mapped(view));
    kt_io_fail(KT_CALL_BIT(KT_CALL_LOCK), 1, true, ENOLCK);
    KT_OK(kist_list_clear(b.list));
    KT_OK(churn(b.k, "other", ROUNDS));
    assert_true(kt_io_hits() > 0);
    kt_io_heal();
    check_view(view, KIST_INT, 3, MANY);
    kist_list_view_close(view);
    bed_close(&b);
    kt_io_remove();
}

/*
 * Goal:   P13 of views: a file cut short under one kills nobody.
 * Method: the index is cut; each word is what it was, or 0.
 */
static void
test_cut(void **state)
{
    const kt_place *place = *state;
    const uint64_t *words;
    kist_list_view *view;
    uint64_t zeros = 0;
    char path[320];
    bed b;

    bed_open(&b, place, "l", KIST_INT);
    KT_OK(append(b.list, KIST_INT, 1, 0, MANY));
    KT_OK(kist_list_view_open(b.list, &view));
    assert_true(kist_list_view_mapped(view));
    bed_close(&b);
    snprintf(path, sizeof(path), "%s.kistx", place->path);
    assert_int_equal(truncate(path, 65536), 0);
    words = kist_list_view_words(view);
    for (uint64_t i = 0; i < MANY; i++) {
        zeros += words[i] == 0;
        assert_true(words[i] == 0 || words[i] == word_of(KIST_INT, 1, i));
    }
    assert_true(zeros > MANY / 2);
    kist_list_view_close(view);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_equal),         KT_TEST(test_copies),
        KT_TEST(test_replaced),      KT_TEST(test_pinned),
        KT_TEST(test_full_rings),    KT_TEST(test_other_process),
        KT_TEST(test_killed),        KT_TEST(test_forked),
        KT_TEST(test_race),          KT_TEST(test_failing),
        KT_TEST(test_failing_locks), KT_TEST(test_cut),
    };

    return cmocka_run_group_tests_name("listmap", tests, NULL, NULL);
}
