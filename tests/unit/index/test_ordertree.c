#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "index/ordertree.h"
#include "support/check.h"

#define ROOT_AT   ((uint64_t)KI_W_CATALOG)
#define MODEL_MAX 200000u
#define NODE_SIZE (UINT64_C(1) << KI_TREE_CLASS)
#define RESERVE   (UINT64_C(1) << 30)
#define PAIRS_MAX 64u

/* ThreadSanitizer is here for the test with two threads: the rest is short. */
#if defined(__SANITIZE_THREAD__)
#define SLOW true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLOW true
#endif
#endif
#ifndef SLOW
#define SLOW false
#endif

/* A tree and the array that it must be equal to. */
typedef struct bed {
    ki_idx idx;
    ki_tx tx;
    uint64_t random;
    uint64_t next;   // word to be built with
    uint64_t serial; // of words made
    uint64_t count;
    uint64_t words[MODEL_MAX];
} bed;

static uint64_t
draw(uint64_t *random, uint64_t below)
{
    uint64_t z = (*random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static bed *
bed_new(void **state, ki_tx_mode mode)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    const kt_place *place = *state;
    bed *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->random = place->seed;
    KT_OK(ki_idx_create(&b->idx, NULL, 0, uuid, 1, RESERVE));
    ki_tx_init(&b->tx, &b->idx, mode);
    return b;
}

static void
bed_free(bed *b)
{
    ki_tx_fini(&b->tx);
    ki_idx_close(&b->idx);
    free(b);
}

static bool
next_of_model(void *context, uint64_t *word)
{
    bed *b = context;

    *word = b->words[b->next++];
    return true;
}

/* Gives the tree the words that the model has. */
static void
build(bed *b)
{
    uint64_t root = 0;

    b->next = 0;
    KT_OK(ki_tree_build(&b->tx, b->count, next_of_model, b, &root));
    assert_int_equal(b->next, b->count);
    ki_tx_store(&b->tx, ROOT_AT, root);
}

static uint64_t
root_of(const bed *b)
{
    return ki_tx_load(&b->tx, ROOT_AT);
}

/* --- what must hold -------------------------------------------------------
 */

/* Walks the tree below an inner node; returns its items, counts its nodes. */
static uint64_t
check_node(const bed *b, uint64_t node, uint64_t level, bool is_root,
           uint64_t *nodes)
{
    const uint64_t head = ki_tx_load(&b->tx, node);
    const uint32_t n = (uint32_t)head;
    uint64_t before = 0;
    uint32_t k;

    assert_int_equal(head >> 32, level);
    assert_true(n <= KI_TREE_FAN);
    assert_true(n > 0 || (is_root && level == 1));
    (*nodes)++;
    for (k = 0; k < n; k++) {
        const uint64_t upto = ki_tx_load(&b->tx, node + 16 + k * 8);
        const uint64_t child =
            ki_tx_load(&b->tx, node + 8 * (2 + KI_TREE_FAN + (uint64_t)k));

        assert_true(upto > before);
        if (level > 1) {
            assert_int_equal(check_node(b, child, level - 1, false, nodes),
                             upto - before);
        }
        else {
            assert_true(upto - before <= KI_TREE_LEAF);
            (*nodes)++;
        }
        before = upto;
    }
    assert_int_equal(ki_tx_load(&b->tx, node + 8), before);
    return before;
}

static uint64_t
check_shape(const bed *b)
{
    const uint64_t root = root_of(b);
    uint64_t nodes = 0;

    if (root != 0) {
        assert_int_equal(
            check_node(b, root, ki_tx_load(&b->tx, root) >> 32, true, &nodes),
            b->count);
    }
    assert_int_equal(ki_tree_count(&b->idx, &b->tx, root), b->count);
    return nodes;
}

static void
check_at(bed *b, uint64_t i)
{
    uint64_t address;

    KT_CHECK(ki_tree_at(&b->idx, &b->tx, root_of(b), i, &address),
             "position %llu of %llu", (unsigned long long)i,
             (unsigned long long)b->count);
    assert_int_equal(ki_tx_load(&b->tx, address), b->words[i]);
}

/* The whole content, by runs and, here and there, by single words. */
static void
check_equal(bed *b)
{
    uint64_t words[100];
    uint64_t address;
    uint64_t i = 0;

    (void)check_shape(b);
    while (i < b->count) {
        const uint32_t max = 1 + (uint32_t)draw(&b->random, 100);
        const uint32_t got =
            ki_tree_run(&b->idx, &b->tx, root_of(b), i, words, max);

        assert_true(got >= 1 && got <= max);
        assert_memory_equal(words, &b->words[i], got * sizeof(words[0]));
        check_at(b, i);
        i += got;
    }
    assert_false(ki_tree_at(&b->idx, &b->tx, root_of(b), b->count, &address));
    assert_false(
        ki_tree_at(&b->idx, &b->tx, root_of(b), UINT64_MAX, &address));
    assert_int_equal(
        ki_tree_run(&b->idx, &b->tx, root_of(b), b->count, words, 1), 0);
}

/* --- the same change to both ----------------------------------------------
 */

/* A word of its own, which would do as an address: what is mistaken for a
 * link leads somewhere. */
static uint64_t
new_word(bed *b)
{
    return KI_IDX_ARENA + (++b->serial << KI_CLASS_MIN);
}

static void
model_insert(bed *b, uint64_t i, uint64_t word)
{
    memmove(&b->words[i + 1], &b->words[i],
            (b->count - i) * sizeof(b->words[0]));
    b->words[i] = word;
    b->count++;
}

static void
model_remove(bed *b, uint64_t i, uint64_t count)
{
    memmove(&b->words[i], &b->words[i + count],
            (b->count - i - count) * sizeof(b->words[0]));
    b->count -= count;
}

static void
do_insert(bed *b, uint64_t i)
{
    const uint64_t word = new_word(b);

    KT_OK(ki_tree_insert(&b->tx, ROOT_AT, i, word));
    model_insert(b, i, word);
}

static void
do_append(bed *b)
{
    const uint64_t word = new_word(b);

    KT_OK(ki_tree_append(&b->tx, ROOT_AT, word));
    model_insert(b, b->count, word);
}

static void
do_remove(bed *b, uint64_t i, uint64_t count)
{
    KT_OK(ki_tree_remove(&b->tx, ROOT_AT, i, count));
    model_remove(b, i, count);
}

static void
do_set(bed *b, uint64_t i)
{
    uint64_t address;

    assert_true(ki_tree_at(&b->idx, &b->tx, root_of(b), i, &address));
    b->words[i] = new_word(b);
    ki_tx_store(&b->tx, address, b->words[i]);
}

/* A random change; lists grow and shrink in turns of `period` changes. */
static void
do_any(bed *b, uint64_t step, uint64_t period)
{
    const bool grows = step / period % 2 == 0;
    const uint64_t kind = draw(&b->random, 100);
    uint64_t i;

    if (b->count < 2) {
        do_append(b);
        return;
    }
    i = draw(&b->random, b->count);
    if (kind < 10) {
        do_set(b, i);
    }
    else if (kind < (grows ? 90 : 45) && b->count < MODEL_MAX - 1) {
        switch (draw(&b->random, 8)) {
        case 0:
            do_insert(b, 0);
            break;
        case 1:
            do_insert(b, b->count);
            break;
        case 2:
        case 3:
        case 4:
            do_append(b);
            break;
        default:
            do_insert(b, i);
            break;
        }
    }
    else if (kind < 99) {
        i = kind % 3 == 0 ? b->count - 1 : i;
        do_remove(b, i, 1);
    }
    else {
        const uint64_t most = draw(&b->random, 200) != 0 ? 40 : 20000;
        const uint64_t room = b->count - i < most ? b->count - i : most;

        do_remove(b, i, draw(&b->random, room + 1));
    }
}

/* --- the tests ------------------------------------------------------------
 */

/*
 * Goal:   the tree is a list, where words are stored at once.
 * Method: random changes to the tree and to an array, which are compared.
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
        const uint64_t size = 1 + draw(&b->random, 100);
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

        i = draw(&b->random, b->count - part + 1);
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
            do_insert(b, draw(&b->random, b->count + 1));
        }
        else {
            do_remove(b, draw(&b->random, b->count), 1);
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

/*
 * Goal:   a writer may die anywhere in its commit: who comes next ends it.
 * Method: for each of many changes, every prefix of its pairs is applied to
 *         a copy of the index, and the redo must bring the full list.
 */
static void
test_redo_prefixes(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t step;

    b->count = 3000;
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    for (step = 0; step < 400; step++) {
        const uint64_t pages = KI_IDX_ARENA + 16 * NODE_SIZE;
        const uint64_t used = ki_idx_used(&b->idx) + pages;
        uint64_t *before = malloc(used);
        ki_pair pairs[PAIRS_MAX];
        size_t count;
        size_t prefix;
        size_t i;

        assert_non_null(before);
        do_any(b, step, 100);
        count = b->tx.count;
        assert_true(count <= PAIRS_MAX);
        memcpy(pairs, b->tx.pairs, count * sizeof(pairs[0]));
        memcpy(before, b->idx.base, used);
        for (prefix = 0; count > 0 && prefix <= count; prefix++) {
            memcpy(b->idx.base, before, used);
            ki_word_store(&b->idx, KI_W_REDO_PAGE, KI_IDX_REDO_PAGE);
            ki_word_store(&b->idx, KI_W_REDO_COUNT, count);
            for (i = 0; i < prefix; i++) {
                ki_word_store(&b->idx, pairs[i].address, pairs[i].value);
            }
            // The rest of the pairs lives in the page alone.
            b->tx.count = 0;
            ki_tx_redo(&b->idx);
            assert_int_equal(ki_word_load(&b->idx, KI_W_REDO_COUNT), 0);
            check_equal(b);
        }
        b->tx.freed_count = 0;
        free(before);
    }
    bed_free(b);
}

/*
 * Goal:   every prefix of a change is a sane list for readers: none but the
 *         old and the new words, where they belong.
 * Method: the pairs of appends and pops are stored one by one; after each, a
 *         reader finds all positions that it can count.
 */
static void
test_prefixes_are_sane(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t step;
    size_t i;

    b->count = 120000; // two levels
    for (step = 0; step < b->count; step++) {
        b->words[step] = step;
    }
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    for (step = 0; step < 60; step++) {
        const uint64_t count = b->count;
        const bool grows = step < 30;

        if (grows) {
            KT_OK(ki_tree_append(&b->tx, ROOT_AT, count));
        }
        else {
            KT_OK(ki_tree_remove(&b->tx, ROOT_AT, count - 1, 1));
        }
        for (i = 0; i < b->tx.count; i++) {
            const uint64_t seen =
                ki_tree_count(&b->idx, NULL, ki_word_load(&b->idx, ROOT_AT));
            uint64_t address = 0;

            assert_true(seen == count ||
                        seen == (grows ? count + 1 : count - 1));
            assert_true(ki_tree_at(&b->idx, NULL,
                                   ki_word_load(&b->idx, ROOT_AT), seen - 1,
                                   &address));
            assert_int_equal(ki_word_load(&b->idx, address), seen - 1);
            ki_word_store(&b->idx, b->tx.pairs[i].address,
                          b->tx.pairs[i].value);
        }
        b->count = grows ? count + 1 : count - 1;
        b->words[count] = count;
        KT_OK(ki_tx_commit(&b->tx));
        check_equal(b);
    }
    bed_free(b);
}

/* --- beside a reader --------------------------------------------------------
 */

#define SHARED_COUNT 3000u
#define STAMP_BITS   32u

typedef struct watch {
    ki_idx *idx;
    uint64_t seed;
    _Atomic uint64_t newest; // stamp of the latest change, committed or not
    _Atomic bool done;
    _Atomic uint64_t current[SHARED_COUNT + 1]; // stamps at least committed
    _Atomic uint64_t reads;
    uint64_t retries;
    const char *wrong;
    uint64_t wrong_word;
} watch;

/* One look at position p; false if it must be repeated. */
static bool
look(watch *w, uint64_t p)
{
    const uint64_t least = atomic_load(&w->current[p]);
    const uint64_t version = ki_view_begin(w->idx);
    const uint64_t root = ki_word_load(w->idx, ROOT_AT);
    uint64_t address = 0;
    const bool found = ki_tree_at(w->idx, NULL, root, p, &address);
    const uint64_t word = found ? ki_word_load(w->idx, address) : 0;
    const uint64_t tag = word >> STAMP_BITS;
    const uint64_t stamp = word & UINT32_MAX;

    if (ki_word_load(w->idx, ROOT_AT) != root ||
        !ki_view_held(w->idx, version)) {
        w->retries++;
        return false;
    }
    w->wrong_word = word;
    if (!found) {
        w->wrong = "a position was not found";
    }
    else if (tag != p && tag + 1 != p) {
        w->wrong = "a foreign word";
    }
    else if (stamp > atomic_load(&w->newest)) {
        w->wrong = "a stamp from the future";
    }
    else if (tag == p && stamp < least) {
        w->wrong = "a word that had been replaced before";
    }
    atomic_fetch_add(&w->reads, 1);
    return true;
}

static void *
reader(void *argument)
{
    watch *w = argument;
    uint64_t random = w->seed;

    while (!atomic_load(&w->done) && w->wrong == NULL) {
        const uint64_t p = draw(&random, SHARED_COUNT);

        while (w->wrong == NULL && !look(w, p)) {
        }
    }
    return NULL;
}

static void
shared_commit(bed *b)
{
    KT_OK(ki_tx_commit(&b->tx));
}

/*
 * Changes the item that belongs to position p: sets it, or puts a new one in
 * front of it and takes the old one away, so that for a moment all behind it
 * stand one further back.
 */
static void
change_shared(bed *b, watch *w, uint64_t p, uint64_t stamp)
{
    const uint64_t word = p << STAMP_BITS | stamp;
    uint64_t address;

    atomic_store(&w->newest, stamp);
    if (stamp % 4 == 0) {
        assert_true(ki_tree_at(&b->idx, &b->tx, root_of(b), p, &address));
        ki_tx_store(&b->tx, address, word);
        shared_commit(b);
    }
    else if (stamp % 4 == 1) {
        // Something to pop, and the pop; tags fit their positions.
        KT_OK(ki_tree_append(&b->tx, ROOT_AT,
                             (uint64_t)SHARED_COUNT << STAMP_BITS | stamp));
        shared_commit(b);
        KT_OK(ki_tree_remove(&b->tx, ROOT_AT, SHARED_COUNT, 1));
        shared_commit(b);
        return;
    }
    else {
        KT_OK(ki_tree_insert(&b->tx, ROOT_AT, p, word));
        shared_commit(b);
        KT_OK(ki_tree_remove(&b->tx, ROOT_AT, p + 1, 1));
        shared_commit(b);
    }
    atomic_store(&w->current[p], stamp);
}

/*
 * Goal:   readers without locks see words that were current, and never one
 *         that belongs elsewhere, though nodes are freed and used again.
 * Method: words carry their position and a stamp; one thread changes them,
 *         another reads at random and checks both.
 */
static void
test_reader_beside_writer(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    watch *w = calloc(1, sizeof(*w));
    pthread_t thread;
    uint64_t stamp;

    assert_non_null(w);
    w->idx = &b->idx;
    w->seed = b->random + 1;
    for (b->count = 0; b->count < SHARED_COUNT; b->count++) {
        b->words[b->count] = b->count << STAMP_BITS;
    }
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    assert_int_equal(pthread_create(&thread, NULL, reader, w), 0);
    for (stamp = 1; stamp < 100000 && atomic_load(&w->reads) < 1000000;
         stamp++) {
        change_shared(b, w, draw(&b->random, SHARED_COUNT), stamp);
    }
    atomic_store(&w->done, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    KT_CHECK(w->wrong == NULL, "%s: %llx", w->wrong,
             (unsigned long long)w->wrong_word);
    assert_true(atomic_load(&w->reads) > 0);
    print_message("           %llu reads, %llu retries, %llu changes\n",
                  (unsigned long long)atomic_load(&w->reads),
                  (unsigned long long)w->retries, (unsigned long long)stamp);
    free(w);
    bed_free(b);
}

/* --- failures ---------------------------------------------------------------
 */

static bool
next_fails_late(void *context, uint64_t *word)
{
    uint64_t *left = context;

    *word = 7;
    return (*left)-- > 1;
}

/*
 * Goal:   a failed change has listed nothing and lost nothing.
 * Method: the address space of the index ends at each place in turn (its
 *         limit is moved), each change is tried, and after the limit is
 *         lifted the list is what it was; what was taken is found again.
 */
static void
test_no_room(void **state)
{
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t failures = 0;
    uint64_t used;
    uint64_t left;
    uint64_t root;
    uint64_t room;
    uint64_t i;

    b->count = 20000;
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    for (i = 0; i < 512; i++) { // a full leaf at 5000
        do_insert(b, 5000);
        KT_OK(ki_tx_commit(&b->tx));
    }
    for (room = 0; room < 12; room++) {
        const uint64_t size = ki_word_load(&b->idx, KI_W_SIZE);
        const uint64_t limit = b->idx.limit;
        kist_status status[4];

        // Empties the free list, so that the limit counts.
        ki_word_store(&b->idx,
                      KI_W_FREE_LIST + 8 * (KI_TREE_CLASS - KI_CLASS_MIN), 0);
        b->idx.limit = ki_idx_used(&b->idx) + room * NODE_SIZE;
        ki_word_store(&b->idx, KI_W_SIZE, b->idx.limit);
        status[0] = ki_tree_insert(&b->tx, ROOT_AT, 5000, 1);
        status[1] = KIST_ERR_NOMEM;
        if (status[0] != KIST_OK) {
            assert_int_equal(b->tx.count, 0);
            status[1] = ki_tree_remove(&b->tx, ROOT_AT, 1000, 9000);
        }
        b->idx.limit = limit;
        ki_word_store(&b->idx, KI_W_SIZE, size);
        if (status[0] == KIST_OK) {
            model_insert(b, 5000, 1);
        }
        else if (status[1] == KIST_OK) {
            model_remove(b, 1000, 9000);
        }
        else {
            assert_int_equal(status[0], KIST_ERR_NOMEM);
            assert_int_equal(status[1], KIST_ERR_NOMEM);
            assert_int_equal(b->tx.count, 0);
            failures++;
        }
        KT_OK(ki_tx_commit(&b->tx));
        check_equal(b);
    }
    assert_true(failures > 0);
    ki_tree_clear(&b->tx, ROOT_AT);
    KT_OK(ki_tx_commit(&b->tx));
    ki_tx_fini(&b->tx);
    ki_tx_init(&b->tx, &b->idx, KI_TX_DIRECT);
    used = 0;
    for (i = 0; i < 3; i++) { // a source that fails, at the very end
        left = 200000;
        used = i == 1 ? ki_idx_used(&b->idx) : used;
        KT_ANSWERS(
            KIST_ERR_CORRUPT,
            ki_tree_build(&b->tx, 200000, next_fails_late, &left, &root));
        KT_OK(ki_tx_commit(&b->tx));
    }
    assert_int_equal(ki_idx_used(&b->idx), used);
    bed_free(b);
}

/*
 * Goal:   a damaged tree is refused, by changes and by lookups, and never
 *         followed out of the arena.
 * Method: each of the words of the inner nodes in turn is replaced by values
 *         that cannot be; then every operation is tried on an abandoned
 *         transaction.
 */
static void
test_damage(void **state)
{
    static const uint64_t bad[] = {0,
                                   1,
                                   UINT64_MAX,
                                   UINT64_C(0x100000000),
                                   UINT64_C(9) << 32 | 1,
                                   UINT64_C(1) << 32 | 256,
                                   8192,
                                   UINT64_C(1) << 29,
                                   UINT64_C(1) << 40};
    bed *b = bed_new(state, KI_TX_REDO);
    uint64_t words[8];
    uint64_t address;
    uint64_t corrupt = 0;
    uint64_t root;
    uint64_t i;
    size_t j;

    b->count = 10000;
    build(b);
    KT_OK(ki_tx_commit(&b->tx));
    root = root_of(b);
    for (i = 0; i < 512; i++) {
        const uint64_t was = ki_word_load(&b->idx, root + i * 8);

        for (j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
            const uint64_t p = draw(&b->random, b->count);

            ki_word_store(&b->idx, root + i * 8, bad[j]);
            (void)ki_tree_at(&b->idx, NULL, root, p, &address);
            (void)ki_tree_run(&b->idx, NULL, root, p, words, 8);
            (void)ki_tree_count(&b->idx, NULL, root);
            corrupt += ki_tree_insert(&b->tx, ROOT_AT, p, 1) != KIST_OK;
            ki_tx_abort(&b->tx);
            corrupt += ki_tree_append(&b->tx, ROOT_AT, 1) != KIST_OK;
            ki_tx_abort(&b->tx);
            corrupt += ki_tree_remove(&b->tx, ROOT_AT, 0, p) != KIST_OK;
            ki_tx_abort(&b->tx);
            ki_tree_clear(&b->tx, ROOT_AT);
            ki_tx_abort(&b->tx);
        }
        ki_word_store(&b->idx, root + i * 8, was);
    }
    assert_true(corrupt > 100);
    for (j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
        assert_false(ki_tree_at(&b->idx, NULL, bad[j], 0, &address));
        assert_true(bad[j] == 0 ||
                    ki_tree_count(&b->idx, NULL, bad[j]) == UINT64_MAX);
    }
    check_equal(b);
    bed_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_direct),
        KT_TEST(test_redo),
        KT_TEST(test_batch),
        KT_TEST(test_ends),
        KT_TEST(test_three_levels),
        KT_TEST(test_range),
        KT_TEST(test_bounded),
        KT_TEST(test_redo_prefixes),
        KT_TEST(test_prefixes_are_sane),
        KT_TEST(test_reader_beside_writer),
        KT_TEST(test_no_room),
        KT_TEST(test_damage),
    };

    return cmocka_run_group_tests_name("ordertree", tests, NULL, NULL);
}
