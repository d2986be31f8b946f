#include <stdlib.h>
#include <string.h>

#include "idxbed.h"
#include "index/hashidx.h"

#define RESERVE  (UINT64_C(1) << 30)
#define WINDOW   (8 * KI_HASH_WINDOW) /* words that one hash can have */
#define KEYS_MAX 100000u
#define PLACES   400000u /* offsets are never used twice */

/* A hash, and the hashes that must be in it: keys[i] stands for a record. */
typedef struct table {
    ki_idx idx;
    ki_tx tx;
    uint64_t random;
    uint32_t count;
    uint32_t places;
    uint32_t keys[KEYS_MAX]; // places of the records that are in
    uint64_t hash[PLACES];   // by place
} table;

/* Offsets of records, of which the lowest are no entries. */
static uint64_t
offset_of(uint32_t place)
{
    return ((uint64_t)place + 512) * 8;
}

static kist_status
rehash(void *context, uint64_t offset, uint64_t *hash)
{
    const table *t = context;

    *hash = t->hash[offset / 8 - 512];
    return KIST_OK;
}

static kist_status
rehash_fails(void *context, uint64_t offset, uint64_t *hash)
{
    (void)context;
    (void)offset;
    (void)hash;
    return KIST_ERR_CORRUPT;
}

static table *
table_new(void **state, ki_tx_mode mode)
{
    const kt_place *place = *state;
    table *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    t->random = place->seed;
    bed_create(&t->idx, RESERVE);
    ki_tx_init(&t->tx, &t->idx, mode);
    return t;
}

static void
table_free(table *t)
{
    ki_tx_fini(&t->tx);
    ki_idx_close(&t->idx);
    free(t);
}

/* How often the record at `offset` is found by `hash`. */
static uint32_t
find(const table *t, const ki_tx *tx, uint64_t hash, uint64_t offset,
     uint64_t *address)
{
    uint32_t found = 0;
    ki_probe probe;
    uint64_t word;
    uint64_t at;

    ki_probe_begin(&probe, &t->idx, tx, ki_hash_load(&t->idx, tx, BED_ROOT),
                   hash);
    while (ki_probe_next(&probe, &word, &at)) {
        if (ki_hash_offset(word) == offset) {
            found++;
            *address = at;
        }
    }
    assert_false(probe.damaged);
    return found;
}

static kist_status
put(table *t, uint64_t hash)
{
    const uint32_t place = t->places;
    uint64_t address;
    uint64_t word;
    kist_status status;

    assert_true(place < PLACES && t->count < KEYS_MAX);
    t->hash[place] = hash;
    status = ki_hash_room(&t->tx, BED_ROOT, hash, offset_of(place), rehash, t,
                          &address, &word);
    if (status == KIST_OK) {
        ki_tx_store(&t->tx, address, word);
        t->keys[t->count++] = place;
        t->places++;
    }
    return status;
}

static void
check_key(const table *t, uint32_t i)
{
    const uint32_t place = t->keys[i];
    uint64_t address;

    assert_int_equal(
        find(t, &t->tx, t->hash[place], offset_of(place), &address), 1);
}

static void
remove_key(table *t, uint32_t i)
{
    const uint32_t place = t->keys[i];
    uint64_t address = 0;

    assert_int_equal(
        find(t, &t->tx, t->hash[place], offset_of(place), &address), 1);
    ki_hash_remove(&t->tx, address);
    t->keys[i] = t->keys[--t->count];
}

static void
check_all(const table *t)
{
    uint32_t i;

    for (i = 0; i < t->count; i++) {
        check_key(t, i);
    }
}

/* Entries in all segments; each segment is counted once. */
static uint64_t
count_entries(const table *t)
{
    const uint64_t root = ki_tx_load(&t->tx, BED_ROOT);
    uint64_t previous = 0;
    uint64_t entries = 0;
    uint64_t i;
    uint64_t j;

    for (i = 0; root != 0 && i < UINT64_C(1) << (root & 0xff); i++) {
        const uint64_t word =
            ki_tx_load(&t->tx, (root & ~UINT64_C(0xff)) + i * 8);

        for (j = 0; word != previous && j < ki_hash_buckets(word) * 8; j++) {
            entries += ki_hash_is_entry(
                ki_tx_load(&t->tx, (word & ~UINT64_C(0xff)) + j * 8));
        }
        previous = word;
    }
    return entries;
}

static void
random_change(table *t, bool grows)
{
    const uint64_t kind = bed_draw(&t->random, 10);

    if (t->count == 0 || (kind < (grows ? 7u : 3u) && t->count < KEYS_MAX)) {
        KT_OK(put(t, bed_random(&t->random)));
    }
    else if (kind < 9) {
        remove_key(t, (uint32_t)bed_draw(&t->random, t->count));
    }
    else {
        uint64_t address;

        check_key(t, (uint32_t)bed_draw(&t->random, t->count));
        assert_int_equal(find(t, &t->tx, bed_random(&t->random),
                              offset_of(0) - 8, &address),
                         0);
    }
}

/*
 * Goal:   what was put is found once, what was removed is not, through the
 *         growth of small segments, splits and doublings of the directory.
 * Method: 200 000 random changes and lookups against an array; the entries in
 *         all segments are counted too.
 */
static void
test_model(void **state)
{
    table *t = table_new(state, KI_TX_REDO);
    uint32_t depth = 0;
    uint32_t step;

    for (step = 0; step < 200000; step++) {
        random_change(t, step % 80000 < 60000);
        KT_OK(ki_tx_commit(&t->tx));
        if (step % 20000 == 0) {
            check_all(t);
            assert_int_equal(count_entries(t), t->count);
        }
        depth = (uint32_t)(ki_word_load(&t->idx, BED_ROOT) & 0xff);
    }
    check_all(t);
    assert_int_equal(count_entries(t), t->count);
    assert_true(depth >= 3);
    table_free(t);
}

/*
 * Goal:   in a batch, structure and content are seen by the batch alone until
 *         it commits, and are gone when it is thrown away.
 * Method: groups of random changes, a third of them aborted.
 */
static void
test_batch(void **state)
{
    table *t = table_new(state, KI_TX_BATCH);
    table *saved = calloc(1, sizeof(*saved));
    uint32_t group;
    uint32_t i;

    assert_non_null(saved);
    for (group = 0; group < 60; group++) {
        uint64_t address;

        memcpy(saved, t, sizeof(*t));
        for (i = 0; i < 1000; i++) {
            random_change(t, true);
        }
        check_all(t);
        assert_int_equal(count_entries(t), t->count);
        for (i = 0; i < saved->count; i += 13) {
            const uint32_t place = saved->keys[i];

            assert_int_equal(
                find(t, NULL, saved->hash[place], offset_of(place), &address),
                1);
        }
        if (group % 3 == 2) {
            ki_tx_abort(&t->tx);
            memcpy(t->keys, saved->keys, sizeof(t->keys));
            t->count = saved->count;
        }
        else {
            KT_OK(ki_tx_commit(&t->tx));
        }
        check_all(t);
        assert_int_equal(count_entries(t), t->count);
    }
    assert_true(t->count > 5000);
    free(saved);
    table_free(t);
}

/*
 * Goal:   a removal from a bucket that was full does not hide what spilled
 *         over it, and its place is used again.
 * Method: ten keys of one home bucket; words are looked at.
 */
static void
test_removed(void **state)
{
    table *t = table_new(state, KI_TX_REDO);
    uint64_t address[10];
    uint64_t again;
    uint32_t i;

    for (i = 0; i < 10; i++) {
        KT_OK(put(t, (uint64_t)(i + 1) << 48 | 3));
        KT_OK(ki_tx_commit(&t->tx));
    }
    for (i = 0; i < 10; i++) {
        assert_int_equal(find(t, NULL, t->hash[i], offset_of(i), &address[i]),
                         1);
    }
    assert_int_equal(address[9] / 64, address[0] / 64 + 1);
    remove_key(t, 2);
    KT_OK(ki_tx_commit(&t->tx));
    assert_int_equal(ki_word_load(&t->idx, address[2]), KI_HASH_REMOVED);
    check_all(t);
    // The bucket behind has empty words, so a removal leaves one more.
    assert_int_equal(find(t, NULL, t->hash[9], offset_of(9), &again), 1);
    ki_hash_remove(&t->tx, again);
    KT_OK(ki_tx_commit(&t->tx));
    assert_int_equal(ki_word_load(&t->idx, again), KI_HASH_EMPTY);
    assert_int_equal(find(t, NULL, t->hash[9], offset_of(9), &again), 0);
    KT_OK(put(t, UINT64_C(99) << 48 | 3));
    KT_OK(ki_tx_commit(&t->tx));
    assert_int_equal(
        find(t, NULL, UINT64_C(99) << 48 | 3, offset_of(10), &again), 1);
    assert_int_equal(again, address[2]);
    table_free(t);
}

/*
 * Goal:   a key whose window is full makes its segment grow or split until it
 *         has room; hashes that no split can part are TOOBIG.
 * Method: hundreds of keys of one home bucket that differ in their top bits,
 *         then keys with one and the same hash.
 */
static void
test_window_full(void **state)
{
    table *t = table_new(state, KI_TX_REDO);
    uint32_t i;
    kist_status status = KIST_OK;

    for (i = 0; i < 500; i++) {
        KT_OK(put(t, bed_random(&t->random) << 20 | 5));
        KT_OK(ki_tx_commit(&t->tx));
    }
    check_all(t);
    assert_true((ki_word_load(&t->idx, BED_ROOT) & 0xff) >= 3);
    for (i = 0; i <= WINDOW && status == KIST_OK; i++) {
        status = put(t, UINT64_C(0xabcdef0123456789));
        if (status == KIST_OK) {
            KT_OK(ki_tx_commit(&t->tx));
        }
    }
    assert_int_equal(i, WINDOW + 1);
    assert_int_equal(status, KIST_ERR_TOOBIG);
    assert_int_equal(t->tx.count, 0);
    check_all(t);
    table_free(t);
}

/*
 * Goal:   damage is noticed: by lookups (`damaged`), by changes (CORRUPT).
 * Method: zeros over a bucket, over the directory; impossible roots; and a
 *         record that cannot be read while a segment grows.
 */
static void
test_damage(void **state)
{
    table *t = table_new(state, KI_TX_REDO);
    uint64_t address = 0;
    uint64_t at;
    uint64_t word;
    uint64_t root;
    ki_probe probe;
    uint32_t i;

    for (i = 0; i < 3000; i++) {
        KT_OK(put(t, bed_random(&t->random)));
        KT_OK(ki_tx_commit(&t->tx));
    }
    root = ki_word_load(&t->idx, BED_ROOT);
    assert_int_equal(find(t, NULL, t->hash[7], offset_of(7), &address), 1);
    for (i = 0; i < 8; i++) {
        ki_word_store(&t->idx, (address & ~UINT64_C(63)) + i * 8, 0);
    }
    ki_probe_begin(&probe, &t->idx, NULL, root, t->hash[7]);
    while (ki_probe_next(&probe, &word, &at)) {
        assert_true(ki_hash_offset(word) != offset_of(7));
    }
    assert_true(probe.damaged);
    for (i = 0; i < UINT32_C(1) << (root & 0xff); i++) {
        ki_word_store(&t->idx, (root & ~UINT64_C(0xff)) + i * 8, 0);
    }
    ki_probe_begin(&probe, &t->idx, NULL, root, t->hash[8]);
    assert_false(ki_probe_next(&probe, &word, &at));
    assert_true(probe.damaged);
    KT_ANSWERS(KIST_ERR_CORRUPT, put(t, 1));
    for (i = 0; i < 64; i++) {
        ki_probe_begin(&probe, &t->idx, NULL, (UINT64_C(1) << i) | 0x100000,
                       t->hash[8]);
        (void)ki_probe_next(&probe, &word, &at);
    }
    table_free(t);

    t = table_new(state, KI_TX_REDO);
    KT_OK(put(t, 1));
    KT_OK(ki_tx_commit(&t->tx));
    for (i = 1; i < WINDOW; i++) { // all words that this key may have
        KT_OK(put(t, 1));
        KT_OK(ki_tx_commit(&t->tx));
    }
    KT_ANSWERS(KIST_ERR_CORRUPT, ki_hash_room(&t->tx, BED_ROOT, 1, 4096 * 8,
                                              rehash_fails, NULL, &at, &word));
    assert_int_equal(t->tx.count, 0);
    check_all(t);
    table_free(t);
}

/*
 * Goal:   a prepared hash takes its entries without changing structure, and a
 *         cleared one gives all its extents back.
 * Method: the root word stays; clearing and filling again takes no new room.
 */
static void
test_prepare_and_clear(void **state)
{
    table *t = table_new(state, KI_TX_DIRECT);
    uint64_t used;
    uint64_t root;
    uint32_t i;

    KT_OK(ki_hash_prepare(&t->tx, BED_ROOT, 50000));
    root = ki_word_load(&t->idx, BED_ROOT);
    assert_true(root != 0);
    for (i = 0; i < 50000; i++) {
        KT_OK(put(t, bed_random(&t->random)));
    }
    assert_int_equal(ki_word_load(&t->idx, BED_ROOT) & 0xff, root & 0xff);
    check_all(t);
    used = ki_idx_used(&t->idx);
    ki_hash_clear(&t->tx, BED_ROOT);
    KT_OK(ki_tx_commit(&t->tx));
    assert_int_equal(ki_word_load(&t->idx, BED_ROOT), 0);
    assert_int_equal(find(t, NULL, t->hash[0], offset_of(0), &root), 0);
    KT_OK(ki_hash_prepare(&t->tx, BED_ROOT, 50000));
    assert_int_equal(ki_idx_used(&t->idx), used);
    table_free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_model),   KT_TEST(test_batch),
        KT_TEST(test_removed), KT_TEST(test_window_full),
        KT_TEST(test_damage),  KT_TEST(test_prepare_and_clear),
    };

    return cmocka_run_group_tests_name("hashidx", tests, NULL, NULL);
}
