#include <pthread.h>

#include "treebed.h"

/* --- dying writers ------------------------------------------------------ */

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
        const uint64_t p = bed_draw(&random, SHARED_COUNT);

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
        change_shared(b, w, bed_draw(&b->random, SHARED_COUNT), stamp);
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
            const uint64_t p = bed_draw(&b->random, b->count);

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
        KT_TEST(test_redo_prefixes),
        KT_TEST(test_prefixes_are_sane),
        KT_TEST(test_reader_beside_writer),
        KT_TEST(test_no_room),
        KT_TEST(test_damage),
    };

    return cmocka_run_group_tests_name("treenode", tests, NULL, NULL);
}
