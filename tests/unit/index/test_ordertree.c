#include "treebed.h"

/* --- the tests ------------------------------------------------------------
 */

/*
 * Goal:   the tree is a list, where words are stored at once.
 * Method: random changes to the tree and to an array, which are compared; and
 *         no extent is lost.
 */
static void
test_direct(void **state)
{
    bed *b = bed_new(state, KI_TX_DIRECT);
    uint64_t step;

    b->count = 120000;
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    check_equal(b);
    for (step = 0; step < 60000; step++) {
        do_any(b, step, 20000);
        KT_OK(ki_tx_commit(&b->tx));
        if (step % 1000 == 0) {
            check_equal(b);
            check_no_leak(b);
        }
    }
    check_equal(b);
    bed_free(b);
}

/*
 * Goal:   the same with a commit for each change, and no change lists more
 *         pairs than the redo page is meant for.
 * Method: as above.
 */
static void
test_redo(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t step;

    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    for (step = 0; step < 60000; step++) {
        do_any(b, step, 15000);
        assert_true(b->tx.count <= PAIRS_MAX);
        KT_OK(ki_tx_commit(&b->tx));
        if (step % 1000 == 0) {
            check_equal(b);
            check_no_leak(b);
        }
    }
    check_equal(b);
    bed_free(b);
}

/*
 * Goal:   a batch sees its own changes, shows them to nobody before it
 *         commits, and leaves nothing behind when it is thrown away.
 * Method: groups of random changes, one third aborted; what a reader sees
 *         and, after an abort, what the next batch sees must be as before.
 */
static void
test_batch(void **state)
{
    bed *b = bed_new(state, KI_TX_BATCH);
    bed *saved = calloc(1, sizeof(*saved));
    uint64_t address;
    uint64_t group;
    uint64_t i;

    assert_non_null(saved);
    b->count = 5000;
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    for (group = 0; group < 300; group++) {
        const uint64_t size = 1 + bed_draw(&b->random, 100);
        const uint64_t root = ki_word_load(&b->idx, ROOT_AT);

        ki_tx_fini(&b->tx);
        ki_tx_init(&b->tx, &b->idx, KI_TX_BATCH);
        memcpy(saved->words, b->words, sizeof(b->words));
        saved->count = b->count;
        for (i = 0; i < size; i++) {
            do_any(b, group, 100);
        }
        check_equal(b);
        assert_int_equal(ki_tree_count(&b->idx, NULL, root), saved->count);
        for (i = 0; i < saved->count; i += 37) {
            assert_true(ki_tree_at(&b->idx, NULL, root, i, &address));
            assert_int_equal(ki_word_load(&b->idx, address), saved->words[i]);
        }
        if (group % 3 == 0) {
            ki_tx_abort(&b->tx);
            memcpy(b->words, saved->words, sizeof(b->words));
            b->count = saved->count;
        }
        else {
            KT_OK(ki_tx_commit(&b->tx));
        }
        check_equal(b);
        check_no_leak(b);
    }
    free(saved);
    bed_free(b);
}

/*
 * Goal:   lists that grow at either end are built of full nodes, and three
 *         levels work.
 * Method: appends and inserts at the front; the number of nodes is bounded.
 */
static void
test_ends(void **state)
{
    bed *b = bed_new(state, KI_TX_DIRECT);
    uint64_t i;

    build(b);
    for (i = 0; i < 50000; i++) {
        do_append(b);
        KT_OK(ki_tx_commit(&b->tx));
    }
    check_equal(b);
    assert_true(check_shape(b) < 50000 / KI_TREE_LEAF + 6);
    do_remove(b, 0, b->count);
    KT_OK(ki_tx_commit(&b->tx));
    check_equal(b);
    for (i = 0; i < 20000; i++) {
        KT_OK(ki_tree_insert(&b->tx, ROOT_AT, 0, i));
        KT_OK(ki_tx_commit(&b->tx));
        b->count++;
    }
    assert_true(check_shape(b) < 20000 / KI_TREE_LEAF + 6);
    for (i = 0; i < b->count; i++) {
        b->words[i] = 19999 - i;
    }
    check_equal(b);
    bed_free(b);
}

static bool
next_number(void *context, uint64_t *word)
{
    uint64_t *number = context;

    *word = (*number)++;
    return true;
}

/*
 * Goal:   a tree of three levels: built, edited where nodes of level 2 split,
 *         emptied in large steps until it is low again, and no extent is lost.
 * Method: 14.3 million words that equal their positions; edits at known
 * places; after removing everything and clearing, a second tree of the same
 *         size takes no new extents.
 */
static void
test_three_levels(void **state)
{
    const uint64_t count = UINT64_C(14300000);
    bed *b = SLOW ? NULL : bed_new(state, KI_TX_DIRECT);
    uint64_t number = 0;
    uint64_t address;
    uint64_t root;
    uint64_t used;
    uint64_t i;

    if (SLOW) {
        skip();
    }
    KT_OK(ki_tree_build(&b->tx, count, next_number, &number, &root));
    ki_tx_store(&b->tx, ROOT_AT, root);
    assert_int_equal(ki_word_load(&b->idx, root) >> 32, 3);
    b->count = count;
    (void)check_shape(b);
    for (i = 0; i < count; i += 9973) {
        assert_true(ki_tree_at(&b->idx, NULL, root, i, &address));
        assert_int_equal(ki_word_load(&b->idx, address), i);
    }
    // Enough in one place to split leaves, and nodes of levels 1 and 2.
    for (i = 0; i < 40000; i++) {
        KT_OK(ki_tree_insert(&b->tx, ROOT_AT, count / 2, count + i));
        KT_OK(ki_tx_commit(&b->tx));
    }
    b->count += i;
    (void)check_shape(b);
    for (i = 0; i < 40000; i += 7) {
        assert_true(ki_tree_at(&b->idx, NULL, root_of(b),
                               count / 2 + 39999 - i, &address));
        assert_int_equal(ki_word_load(&b->idx, address), count + i);
    }
    while (b->count > 0) {
        const uint64_t part = b->count < 1234567 ? b->count : 1234567;

        i = bed_draw(&b->random, b->count - part + 1);
        KT_OK(ki_tree_remove(&b->tx, ROOT_AT, i, part));
        KT_OK(ki_tx_commit(&b->tx));
        b->count -= part;
        (void)check_shape(b);
    }
    assert_int_equal(ki_word_load(&b->idx, root_of(b)) >> 32, 1);
    ki_tree_clear(&b->tx, ROOT_AT);
    KT_OK(ki_tx_commit(&b->tx));
    assert_int_equal(root_of(b), 0);
    used = ki_idx_used(&b->idx);
    KT_OK(ki_tree_build(&b->tx, count, next_number, &number, &root));
    assert_int_equal(ki_idx_used(&b->idx), used);
    bed_free(b);
}

/*
 * Goal:   positions that do not exist are refused, and change nothing.
 * Method: each call just outside the range, on full and empty trees.
 */
static void
test_range(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t words[2];
    uint64_t address;

    assert_int_equal(ki_tree_count(&b->idx, NULL, 0), 0);
    assert_false(ki_tree_at(&b->idx, NULL, 0, 0, &address));
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    assert_true(root_of(b) != 0);
    check_equal(b);
    KT_ANSWERS(KIST_ERR_RANGE, ki_tree_insert(&b->tx, ROOT_AT, 1, 7));
    KT_ANSWERS(KIST_ERR_RANGE, ki_tree_remove(&b->tx, ROOT_AT, 0, 1));
    KT_OK(ki_tree_remove(&b->tx, ROOT_AT, 0, 0));
    assert_int_equal(b->tx.count, 0);
    do_insert(b, 0);
    KT_OK(ki_tx_commit(&b->tx));
    do_append(b);
    KT_OK(ki_tx_commit(&b->tx));
    KT_ANSWERS(KIST_ERR_RANGE, ki_tree_insert(&b->tx, ROOT_AT, 3, 7));
    KT_ANSWERS(KIST_ERR_RANGE, ki_tree_remove(&b->tx, ROOT_AT, 2, 1));
    KT_ANSWERS(KIST_ERR_RANGE, ki_tree_remove(&b->tx, ROOT_AT, 1, 2));
    KT_ANSWERS(KIST_ERR_RANGE, ki_tree_remove(&b->tx, ROOT_AT, 1, UINT64_MAX));
    assert_int_equal(b->tx.count, 0);
    assert_int_equal(ki_tree_run(&b->idx, NULL, root_of(b), 0, words, 2), 2);
    check_equal(b);
    bed_free(b);
}

/*
 * Goal:   frees come back: a list that is edited forever stays its size.
 * Method: 100 000 inserts and removals at random places of a list of 10 000;
 *         after a first tenth, the arena does not grow any more.
 */
static void
test_bounded(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t early = 0;
    uint64_t step;

    b->count = 10000;
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    for (step = 0; step < (SLOW ? 20000 : 100000); step++) {
        if (step % 2 == 0) {
            do_insert(b, bed_draw(&b->random, b->count + 1));
        }
        else {
            do_remove(b, bed_draw(&b->random, b->count), 1);
        }
        KT_OK(ki_tx_commit(&b->tx));
        if (step == 10000) {
            early = ki_idx_used(&b->idx);
        }
    }
    check_equal(b);
    KT_CHECK(ki_idx_used(&b->idx) <= early + 40 * NODE_SIZE,
             "%llu bytes, then %llu", (unsigned long long)early,
             (unsigned long long)ki_idx_used(&b->idx));
    bed_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_direct),  KT_TEST(test_redo),         KT_TEST(test_batch),
        KT_TEST(test_ends),    KT_TEST(test_three_levels), KT_TEST(test_range),
        KT_TEST(test_bounded),
    };

    return cmocka_run_group_tests_name("ordertree", tests, NULL, NULL);
}
