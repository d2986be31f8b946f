#include "idxbed.h"
#include "index/slots.h"

#define RESERVE (UINT64_C(1) << 30)
#define MANY    300000u

static uint64_t
value_of(uint64_t i)
{
    return i * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/*
 * Goal:   an array grows without moving, wherever its words are asked for.
 * Method: words are made in order and looked up again; addresses are those
 *         that room() gave; a fifth at most stands empty.
 */
static void
test_growth(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t address[1000];
    uint64_t at;
    uint64_t i;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    assert_int_equal(ki_slots_at(&idx, NULL, BED_ROOT, 0), 0);
    for (i = 0; i < MANY; i++) {
        KT_OK(ki_slots_room(&tx, BED_ROOT, i, &at));
        assert_int_equal(tx.count, 0);
        ki_tx_store(&tx, at, value_of(i));
        KT_OK(ki_tx_commit(&tx));
        if (i % 300 == 0) {
            address[i / 300] = at;
        }
    }
    for (i = 0; i < MANY; i++) {
        at = ki_slots_at(&idx, NULL, BED_ROOT, i);
        assert_true(at != 0);
        assert_int_equal(ki_word_load(&idx, at), value_of(i));
        if (i % 300 == 0) {
            assert_int_equal(at, address[i / 300]);
        }
    }
    assert_true(ki_idx_used(&idx) - KI_IDX_ARENA < MANY * 8 * 5 / 4 + 2048);
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   room for one word far behind takes that word's extent alone, and
 *         what has no room is 0; too far is TOOBIG.
 * Method: one word at 2^20, its neighbours, the end of the index.
 */
static void
test_far(void **state)
{
    const uint64_t far = UINT64_C(1) << 20;
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint64_t again;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    KT_OK(ki_slots_room(&tx, BED_ROOT, far, &at));
    assert_int_equal(ki_slots_at(&idx, &tx, BED_ROOT, far), at);
    assert_int_equal(ki_slots_at(&idx, &tx, BED_ROOT, far + 1), at + 8);
    assert_int_equal(ki_slots_at(&idx, &tx, BED_ROOT, 0), 0);
    KT_OK(ki_slots_room(&tx, BED_ROOT, far, &again));
    assert_int_equal(again, at);
    KT_ANSWERS(KIST_ERR_TOOBIG,
               ki_slots_room(&tx, BED_ROOT, UINT64_C(1) << 38, &at));
    KT_ANSWERS(KIST_ERR_TOOBIG, ki_slots_room(&tx, BED_ROOT, UINT64_MAX, &at));
    assert_int_equal(ki_slots_at(&idx, NULL, BED_ROOT, UINT64_MAX), 0);
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

static bool
next_value(void *context, uint64_t *word)
{
    uint64_t *i = context;

    *word = value_of((*i)++);
    return *i <= MANY;
}

/*
 * Goal:   a built array is like one that grew; replacing and clearing free
 *         what was there.
 * Method: build, look, replace by a second, clear; the third takes no room;
 *         a source that fails is CORRUPT.
 */
static void
test_build_and_clear(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t table;
    uint64_t used;
    uint64_t next = 0;
    uint64_t i;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_DIRECT);
    KT_OK(ki_slots_build(&tx, MANY, next_value, &next, &table));
    ki_slots_replace(&tx, BED_ROOT, table);
    KT_OK(ki_tx_commit(&tx));
    for (i = 0; i < MANY; i++) {
        const uint64_t at = ki_slots_at(&idx, NULL, BED_ROOT, i);

        assert_true(at != 0);
        assert_int_equal(ki_word_load(&idx, at), value_of(i));
    }
    KT_OK(ki_slots_room(&tx, BED_ROOT, MANY + 100000, &i));
    next = 0;
    KT_OK(ki_slots_build(&tx, MANY, next_value, &next, &table));
    ki_slots_replace(&tx, BED_ROOT, table);
    KT_OK(ki_tx_commit(&tx));
    used = ki_idx_used(&idx);
    ki_slots_clear(&tx, BED_ROOT);
    KT_OK(ki_tx_commit(&tx));
    assert_int_equal(ki_word_load(&idx, BED_ROOT), 0);
    assert_int_equal(ki_slots_at(&idx, NULL, BED_ROOT, 0), 0);
    next = 0;
    KT_OK(ki_slots_build(&tx, MANY, next_value, &next, &table));
    assert_int_equal(ki_idx_used(&idx), used);
    next = 1000;
    KT_ANSWERS(KIST_ERR_CORRUPT,
               ki_slots_build(&tx, MANY, next_value, &next, &table));
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   a batch has its room to itself until it commits.
 * Method: room in a batch, aborted once and committed once.
 */
static void
test_batch(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint64_t i;
    int round;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_BATCH);
    for (round = 0; round < 2; round++) {
        for (i = 0; i < 5000; i++) {
            KT_OK(ki_slots_room(&tx, BED_ROOT, i, &at));
            ki_tx_store(&tx, at, value_of(i));
        }
        assert_int_equal(ki_slots_at(&idx, NULL, BED_ROOT, 0), 0);
        for (i = 0; i < 5000; i++) {
            at = ki_slots_at(&idx, &tx, BED_ROOT, i);
            assert_true(at != 0);
            assert_int_equal(ki_tx_load(&tx, at), value_of(i));
        }
        if (round == 0) {
            ki_tx_abort(&tx);
            assert_int_equal(ki_slots_at(&idx, &tx, BED_ROOT, 0), 0);
        }
    }
    KT_OK(ki_tx_commit(&tx));
    for (i = 0; i < 5000; i++) {
        at = ki_slots_at(&idx, NULL, BED_ROOT, i);
        assert_int_equal(ki_word_load(&idx, at), value_of(i));
    }
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   a damaged table is not followed.
 * Method: impossible table words and extent addresses.
 */
static void
test_damage(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t table;
    uint64_t at;
    uint32_t bit;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    KT_OK(ki_slots_room(&tx, BED_ROOT, 100000, &at));
    table = ki_word_load(&idx, BED_ROOT);
    for (bit = 0; bit < 64; bit++) {
        ki_word_store(&idx, BED_ROOT, UINT64_C(1) << bit);
        at = ki_slots_at(&idx, NULL, BED_ROOT, 100000);
        assert_true(at == 0 || at + 8 <= idx.limit);
    }
    ki_word_store(&idx, BED_ROOT, UINT64_MAX - 511);
    assert_int_equal(ki_slots_at(&idx, NULL, BED_ROOT, 100000), 0);
    KT_ANSWERS(KIST_ERR_CORRUPT, ki_slots_room(&tx, BED_ROOT, 100000, &at));
    ki_word_store(&idx, BED_ROOT, table);
    for (bit = 0; bit < KI_SLOTS_EXTENTS; bit++) {
        ki_word_store(&idx, table + bit * 8, UINT64_C(1) << 60);
    }
    assert_int_equal(ki_slots_at(&idx, NULL, BED_ROOT, 100000), 0);
    KT_ANSWERS(KIST_ERR_CORRUPT, ki_slots_room(&tx, BED_ROOT, 100000, &at));
    assert_int_equal(tx.count, 0);
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_growth),          KT_TEST(test_far),
        KT_TEST(test_build_and_clear), KT_TEST(test_batch),
        KT_TEST(test_damage),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
