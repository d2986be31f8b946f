#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "idxbed.h"
#include "index/tx.h"
#include "os/file.h"
#include "os/filelock.h"
#include "support/failalloc.h"

#define RESERVE (UINT64_C(1) << 28)

/* Words to play with: an extent of 64 KiB. */
static uint64_t
playground(ki_tx *tx)
{
    uint64_t at;
    uint64_t i;

    KT_OK(ki_tx_alloc(tx, 16, &at));
    for (i = 0; i < 65536; i += 8) {
        ki_tx_fill(tx, at + i, i);
    }
    return at;
}

/*
 * Goal:   pairs are stored in their order at commit and never before.
 * Method: the same word twice; an aborted list changes nothing.
 */
static void
test_redo_commit(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t at;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    at = playground(&tx);
    ki_tx_store(&tx, at, 1);
    ki_tx_store(&tx, at + 8, 2);
    ki_tx_store(&tx, at, 3);
    assert_int_equal(ki_word_load(&idx, at), 0);
    KT_OK(ki_tx_commit(&tx));
    assert_int_equal(ki_word_load(&idx, at), 3);
    assert_int_equal(ki_word_load(&idx, at + 8), 2);
    ki_tx_add(&tx, at, 7);
    ki_tx_abort(&tx);
    KT_OK(ki_tx_commit(&tx));
    assert_int_equal(ki_word_load(&idx, at), 3);
    ki_tx_add(&tx, at, 7);
    KT_OK(ki_tx_commit(&tx));
    assert_int_equal(ki_word_load(&idx, at), 10);
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   a batch reads its own words, others do not, and it may be used
 *         again after a commit and after an abort.
 * Method: rounds of random stores against two arrays: what the batch sees and
 *         what is committed.
 */
static void
test_batch_words(void **state)
{
    const kt_place *place = *state;
    uint64_t random = place->seed;
    uint64_t own[8192];
    uint64_t committed[8192];
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint32_t round;
    uint32_t i;

    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_BATCH);
    at = playground(&tx);
    KT_OK(ki_tx_commit(&tx));
    for (i = 0; i < 8192; i++) {
        own[i] = committed[i] = (uint64_t)i * 8;
    }
    for (round = 0; round < 60; round++) {
        const uint32_t size = round % 2 == 0 ? 40 : 3000;

        for (i = 0; i < size; i++) {
            const uint64_t k = bed_draw(&random, 8192);

            own[k] = bed_random(&random);
            ki_tx_store(&tx, at + k * 8, own[k]);
        }
        for (i = 0; i < 8192; i++) {
            assert_int_equal(ki_tx_load(&tx, at + i * 8), own[i]);
            assert_int_equal(ki_word_load(&idx, at + i * 8), committed[i]);
        }
        if (round % 3 == 1) {
            ki_tx_abort(&tx);
            memcpy(own, committed, sizeof(own));
        }
        else {
            KT_OK(ki_tx_commit(&tx));
            memcpy(committed, own, sizeof(own));
        }
        for (i = 0; i < 8192; i++) {
            assert_int_equal(ki_tx_load(&tx, at + i * 8), own[i]);
            assert_int_equal(ki_word_load(&idx, at + i * 8), committed[i]);
        }
    }
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   one operation of a batch can be taken back.
 * Method: rewinding over words that were stored before and after the mark.
 */
static void
test_rewind(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint64_t i;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_BATCH);
    at = playground(&tx);
    for (i = 0; i < 300; i++) {
        ki_tx_store(&tx, at + i * 8, 1000 + i);
    }
    ki_tx_settle(&tx);
    for (i = 200; i < 500; i++) {
        ki_tx_store(&tx, at + i * 8, 2000 + i);
    }
    ki_tx_free(&tx, at, 16);
    ki_tx_rewind(&tx);
    for (i = 0; i < 600; i++) {
        assert_int_equal(ki_tx_load(&tx, at + i * 8),
                         i < 300 ? 1000 + i : i * 8);
    }
    KT_OK(ki_tx_commit(&tx));
    for (i = 0; i < 600; i++) {
        assert_int_equal(ki_word_load(&idx, at + i * 8),
                         i < 300 ? 1000 + i : i * 8);
    }
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   counters that go on are listed once for many steps, and a call that
 *         is taken back leaves what it found: pairs, counters, and words that
 *         were stored at once.
 * Method: steps of none to three pairs beside an array; rewinds in between;
 *         the list at the end is short, and its values are the last ones.
 */
static void
test_counted(void **state)
{
    const kt_place *place = *state;
    uint64_t random = place->seed;
    uint64_t own[8192];
    uint64_t kept[8192];
    uint64_t fresh;
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint64_t i;

    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    at = playground(&tx);
    ki_tx_fini(&tx);
    ki_tx_init(&tx, &idx, KI_TX_BATCH);
    KT_OK(ki_tx_alloc(&tx, 16, &fresh));
    assert_false(ki_tx_is_fresh(&tx, at));
    assert_true(ki_tx_is_fresh(&tx, fresh));
    ki_tx_fill(&tx, fresh, 0);
    for (i = 0; i < 8192; i++) {
        own[i] = i * 8;
    }
    for (i = 1; i <= 5000; i++) {
        const bool back = bed_draw(&random, 4) == 0;
        const size_t n = (size_t)bed_draw(&random, 4);
        const uint64_t seen = ki_word_load(&idx, fresh);
        ki_pair pairs[3];
        ki_pair counters[KI_TX_COUNTERS];
        size_t j;

        memcpy(kept, own, sizeof(own));
        ki_tx_settle(&tx);
        for (j = 0; j < n; j++) {
            const uint64_t k = KI_TX_COUNTERS + bed_draw(&random, 900);

            pairs[j].address = at + k * 8;
            pairs[j].value = own[k] = bed_random(&random);
        }
        for (j = 0; j < KI_TX_COUNTERS; j++) {
            counters[j].address = at + j * 8;
            counters[j].value = own[j] = i * 10 + j;
        }
        ki_tx_store_counted(&tx, pairs, n, counters);
        ki_tx_put(&tx, fresh, i);
        ki_tx_put(&tx, fresh, i + 1);
        if (back) {
            ki_tx_rewind(&tx);
            memcpy(own, kept, sizeof(own));
        }
        assert_int_equal(ki_word_load(&idx, fresh), back ? seen : i + 1);
        for (j = 0; j < 1000; j++) {
            KT_CHECK(ki_tx_load(&tx, at + j * 8) == own[j], "word %zu", j);
            assert_int_equal(ki_word_load(&idx, at + j * 8), j * 8);
        }
    }
    assert_true(tx.count < 5000 * 3);
    KT_OK(ki_tx_commit(&tx));
    for (i = 0; i < 1000; i++) {
        assert_int_equal(ki_word_load(&idx, at + i * 8), own[i]);
    }
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   the writer may die behind the commit point: redo stores all pairs;
 *         and before it: nothing has happened.
 * Method: the count is set by hand, with none to all pairs applied; garbage
 *         in the redo words is not followed.
 */
static void
test_redo_after_death(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint64_t applied;
    uint64_t i;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    at = playground(&tx);
    for (applied = 0; applied <= 20; applied++) {
        for (i = 0; i < 20; i++) {
            ki_word_store(&idx, at + i * 8, 0);
            ki_tx_store(&tx, at + i * 8, applied * 100 + i + 1);
        }
        ki_tx_redo(&idx);
        assert_int_equal(ki_word_load(&idx, at), 0);
        ki_word_store(&idx, KI_W_REDO_PAGE, KI_IDX_REDO_PAGE);
        ki_word_store(&idx, KI_W_REDO_COUNT, 20);
        for (i = 0; i < applied; i++) {
            ki_word_store(&idx, at + i * 8, applied * 100 + i + 1);
        }
        tx.count = 0;
        ki_tx_redo(&idx);
        for (i = 0; i < 20; i++) {
            assert_int_equal(ki_word_load(&idx, at + i * 8),
                             applied * 100 + i + 1);
        }
        assert_int_equal(ki_word_load(&idx, KI_W_REDO_COUNT), 0);
    }
    for (i = 0; i < 64; i++) {
        ki_word_store(&idx, KI_IDX_REDO_PAGE, UINT64_C(1) << i);
        ki_word_store(&idx, KI_W_REDO_PAGE,
                      i % 2 == 0 ? KI_IDX_REDO_PAGE : UINT64_C(3) << i);
        ki_word_store(&idx, KI_W_REDO_COUNT,
                      i % 4 < 2 ? UINT64_C(1) : UINT64_C(1) << i);
        ki_word_store(&idx, KI_IDX_REDO_PAGE + 16, UINT64_MAX);
        ki_tx_redo(&idx);
        assert_int_equal(ki_word_load(&idx, KI_W_REDO_COUNT), 0);
    }
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   an extent that readers may have seen is not used again for 64
 *         frees, and then a view from before it was freed does not hold.
 * Method: one extent is freed, then others until it is handed out again.
 */
static void
test_ring(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t first;
    uint64_t at = 0;
    uint64_t before;
    uint64_t after;
    uint32_t frees;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    KT_OK(ki_tx_alloc(&tx, 9, &first));
    ki_tx_fill(&tx, first, 77);
    before = ki_view_begin(&idx);
    ki_tx_free(&tx, first, 9);
    KT_OK(ki_tx_commit(&tx));
    after = ki_view_begin(&idx);
    assert_true(after > before);
    for (frees = 1; frees < 1000; frees++) {
        KT_OK(ki_tx_alloc(&tx, 9, &at));
        if (at == first) {
            break;
        }
        assert_true(ki_view_held(&idx, before));
        assert_int_equal(ki_word_load(&idx, first), 77);
        ki_tx_free(&tx, at, 9);
        KT_OK(ki_tx_commit(&tx));
    }
    assert_int_equal(frees, KI_IDX_RING_PAIRS + 1);
    assert_false(ki_view_held(&idx, before));
    assert_true(ki_view_held(&idx, after));
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   large extents begin at a page, and what lies before them is not
 *         lost.
 * Method: small and large ones by turns; the small ones fit into the gaps.
 */
static void
test_pages(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t small = 0;
    uint64_t used;
    uint64_t at;
    uint32_t class;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    for (class = KI_CLASS_PAGED; class < KI_CLASS_PAGED + 6; class ++) {
        KT_OK(ki_tx_alloc(&tx, KI_CLASS_MIN, &at));
        KT_OK(ki_tx_alloc(&tx, class, &at));
        assert_int_equal(at % KI_IDX_PAGE, 0);
    }
    used = ki_idx_used(&idx);
    for (class = KI_CLASS_MIN; class < KI_CLASS_PAGED; class ++) {
        const uint64_t head_at = KI_W_FREE_LIST + (class - KI_CLASS_MIN) * 8;

        while (ki_word_load(&idx, head_at) != 0) {
            KT_OK(ki_tx_alloc(&tx, class, &at));
            small += UINT64_C(1) << class;
        }
    }
    assert_int_equal(ki_idx_used(&idx), used);
    assert_true(small > 0);
    used -= KI_IDX_ARENA;
    for (class = KI_CLASS_PAGED; class < KI_CLASS_PAGED + 6; class ++) {
        used -= (UINT64_C(1) << class) + (UINT64_C(1) << KI_CLASS_MIN);
    }
    assert_int_equal(small, used);
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/* Frees others of the class until the ring has turned so many times. */
static void
turn_ring(ki_tx *tx, uint32_t class, uint32_t turns, uint64_t never)
{
    uint32_t i;

    for (i = 0; i < turns * KI_IDX_RING_PAIRS; i++) {
        uint64_t at;

        KT_OK(ki_tx_alloc(tx, class, &at));
        assert_true(at != never);
        ki_tx_free(tx, at, class);
        KT_OK(ki_tx_commit(tx));
    }
}

/*
 * Goal:   invariant (4) of idxfile.h: what is lent is neither written to nor
 *         handed out, and comes back once it is given back.
 * Method: a second descriptor locks the byte; the ring turns; the lock goes.
 */
static void
test_lent(void **state)
{
    const kt_place *place = *state;
    static const uint8_t uuid[16] = {1};
    const uint32_t class = KI_CLASS_PAGED;
    ki_idx idx;
    ki_tx tx;
    uint64_t lent;
    uint64_t at = 0;
    uint64_t used;
    uint32_t i;
    int fd = -1;

    KT_OK(ki_idx_create(&idx, place->path, 0600, uuid, 1, RESERVE));
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    KT_OK(ki_tx_alloc(&tx, class, &lent));
    ki_tx_fill(&tx, lent, 77);
    KT_OK(ki_file_open(place->path, O_RDONLY, 0, &fd));
    KT_OK(ki_filelock_take(fd, place->path, lent, KI_LOCK_SHARED, 0));
    ki_tx_free(&tx, lent, class);
    KT_OK(ki_tx_commit(&tx));
    turn_ring(&tx, class, 5, lent);
    assert_int_equal(ki_word_load(&idx, lent), 77);
    used = ki_idx_used(&idx);
    turn_ring(&tx, class, 1, lent);
    assert_int_equal(ki_idx_used(&idx), used);
    ki_file_close(&fd);
    for (i = 0; at != lent && i < 2 * KI_IDX_RING_PAIRS; i++) {
        KT_OK(ki_tx_alloc(&tx, class, &at));
        ki_tx_free(&tx, at, class);
        KT_OK(ki_tx_commit(&tx));
    }
    assert_int_equal(at, lent);
    assert_int_equal(ki_idx_used(&idx), used);
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   extents never overlap, in any mode, whatever is freed, committed or
 *         thrown away.
 * Method: random allocations filled with words that would do as links, of
 *         which every second group is aborted; each live extent is filled
 *         with its own number, which must stay.
 */
static void
test_no_overlap(void **state)
{
    const kt_place *place = *state;
    static const ki_tx_mode modes[] = {KI_TX_BATCH, KI_TX_REDO};
    uint64_t random = place->seed;
    uint64_t address[2000];
    uint32_t class[2000];
    size_t m;

    for (m = 0; m < 2; m++) {
        ki_idx idx;
        ki_tx tx;
        size_t live = 0;
        uint32_t round;

        bed_create(&idx, RESERVE);
        ki_tx_init(&tx, &idx, modes[m]);
        for (round = 0; round < 600; round++) {
            const size_t kept = live;
            const uint64_t size = 1 + bed_draw(&random, 30);
            size_t i;
            uint64_t j;

            for (i = 0; i < size && live < 2000; i++, live++) {
                class[live] = 8 + (uint32_t)bed_draw(&random, 3);
                KT_OK(ki_tx_alloc(&tx, class[live], &address[live]));
                for (j = 0; j < UINT64_C(1) << class[live]; j += 8) {
                    ki_tx_fill(&tx, address[live] + j,
                               j == 0 ? address[live] : live);
                }
            }
            if (round % 2 == 1) {
                ki_tx_abort(&tx);
                live = kept;
            }
            for (i = 0; round % 2 == 0 && i < size && live > 0; i++) {
                const size_t k = bed_draw(&random, live);

                if (bed_draw(&random, 10) < 9) {
                    ki_tx_free(&tx, address[k], class[k]);
                    live--;
                    address[k] = address[live];
                    class[k] = class[live];
                    for (j = 8; j < UINT64_C(1) << class[k]; j += 8) {
                        ki_tx_fill(&tx, address[k] + j, k);
                    }
                }
            }
            KT_OK(ki_tx_commit(&tx));
            for (i = 0; i < live; i++) {
                assert_int_equal(ki_word_load(&idx, address[i]), address[i]);
                for (j = 8; j < UINT64_C(1) << class[i]; j += 8) {
                    assert_int_equal(ki_word_load(&idx, address[i] + j), i);
                }
            }
        }
        ki_tx_fini(&tx);
        ki_idx_close(&idx);
    }
}

/*
 * Goal:   classes that do not exist, and an index without room, are refused.
 * Method: the smallest and the largest class, and one step beyond.
 */
static void
test_limits(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t at;

    (void)state;
    bed_create(&idx, UINT64_C(1) << 20);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    assert_int_equal(ki_class_of(1), KI_CLASS_MIN);
    assert_int_equal(ki_class_of(256), 8);
    assert_int_equal(ki_class_of(257), 9);
    assert_int_equal(ki_class_of(UINT64_C(1) << 31), 31);
    KT_ANSWERS(KIST_ERR_TOOBIG, ki_tx_alloc(&tx, 7, &at));
    KT_ANSWERS(KIST_ERR_TOOBIG, ki_tx_alloc(&tx, 32, &at));
    KT_ANSWERS(KIST_ERR_NOMEM, ki_tx_alloc(&tx, 21, &at));
    KT_OK(ki_tx_alloc(&tx, 19, &at));
    KT_ANSWERS(KIST_ERR_NOMEM, ki_tx_alloc(&tx, 19, &at));
    KT_OK(ki_tx_alloc(&tx, 8, &at));
    ki_tx_fini(&tx);
    ki_idx_close(&idx);
}

/*
 * Goal:   a batch that finds no memory says so and has changed nothing.
 * Method: each allocation of a batch fails in turn.
 */
static void
test_no_memory(void **state)
{
    ki_idx idx;
    ki_tx tx;
    uint64_t at;
    uint64_t nth;
    bool hit = true;

    (void)state;
    bed_create(&idx, RESERVE);
    ki_tx_init(&tx, &idx, KI_TX_REDO);
    at = playground(&tx);
    ki_tx_fini(&tx);
    for (nth = 1; hit; nth++) {
        uint64_t extent = 0;
        kist_status status;
        uint64_t i;

        ki_tx_init(&tx, &idx, KI_TX_BATCH);
        kt_alloc_fail(nth, false);
        status = ki_tx_alloc(&tx, 10, &extent);
        for (i = 0; i < 1000 && status == KIST_OK; i++) {
            ki_tx_store(&tx, at + i * 8, nth);
        }
        if (status == KIST_OK) {
            status = ki_tx_commit(&tx);
        }
        hit = kt_alloc_hit();
        kt_alloc_heal();
        if (hit && status != KIST_OK) {
            assert_int_equal(status, KIST_ERR_NOMEM);
            ki_tx_abort(&tx);
            for (i = 0; i < 1000; i++) {
                assert_true(ki_word_load(&idx, at + i * 8) != nth ||
                            i * 8 == nth);
            }
        }
        else {
            assert_int_equal(ki_word_load(&idx, at + 999 * 8), nth);
        }
        ki_tx_fini(&tx);
    }
    assert_true(nth > 5);
    ki_idx_close(&idx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_redo_commit),
        KT_TEST(test_batch_words),
        KT_TEST(test_rewind),
        KT_TEST(test_counted),
        KT_TEST(test_redo_after_death),
        KT_TEST(test_ring),
        KT_TEST(test_pages),
        KT_TEST(test_lent),
        KT_TEST(test_no_overlap),
        KT_TEST(test_limits),
        KT_TEST(test_no_memory),
    };

    return cmocka_run_group_tests_name("tx", tests, NULL, NULL);
}
