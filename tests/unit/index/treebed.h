/*
 * treebed.h - an order tree, the array that it must be equal to, and changes
 * to both.
 *
 * Layer    tests/unit/index.
 */
#ifndef KT_INDEX_TREEBED_H
#define KT_INDEX_TREEBED_H

#include <stdlib.h>
#include <string.h>

#include "idxbed.h"
#include "index/ordertree.h"

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

static inline bed *
bed_new(void **state, ki_tx_mode mode)
{
    const kt_place *place = *state;
    bed *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->random = place->seed;
    bed_create(&b->idx, RESERVE);
    ki_tx_init(&b->tx, &b->idx, mode);
    return b;
}

static inline void
bed_free(bed *b)
{
    ki_tx_fini(&b->tx);
    ki_idx_close(&b->idx);
    free(b);
}

static inline bool
next_of_model(void *context, uint64_t *word)
{
    bed *b = context;

    *word = b->words[b->next++];
    return true;
}

/* Gives the tree the words that the model has. */
static inline void
build(bed *b)
{
    uint64_t root = 0;

    b->next = 0;
    KT_OK(ki_tree_build(&b->tx, b->count, next_of_model, b, &root));
    assert_int_equal(b->next, b->count);
    ki_tx_store(&b->tx, ROOT_AT, root);
}

static inline uint64_t
root_of(const bed *b)
{
    return ki_tx_load(&b->tx, ROOT_AT);
}

/* --- what must hold -------------------------------------------------------
 */

/* Walks the tree below an inner node; returns its items, counts its nodes. */
static inline uint64_t
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

static inline uint64_t
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

/* Each byte handed out is in the tree, in a ring or in a free list. */
static inline void
check_no_leak(const bed *b)
{
    uint64_t bytes = check_shape(b) * NODE_SIZE;
    uint64_t c;
    uint64_t i;

    for (c = 0; c < KI_CLASS_COUNT; c++) {
        const uint64_t ring =
            KI_IDX_RINGS + c * KI_IDX_RING_PAIRS * sizeof(ki_pair);
        uint64_t at = ki_word_load(&b->idx, KI_W_FREE_LIST + c * 8);

        for (; at != 0; at = ki_word_load(&b->idx, at)) {
            bytes += UINT64_C(1) << (c + KI_CLASS_MIN);
        }
        for (i = 0; i < KI_IDX_RING_PAIRS; i++) {
            if (ki_word_load(&b->idx, ring + i * sizeof(ki_pair)) != 0) {
                bytes += UINT64_C(1) << (c + KI_CLASS_MIN);
            }
        }
    }
    assert_int_equal(bytes, ki_idx_used(&b->idx) - KI_IDX_ARENA);
}

static inline void
check_at(bed *b, uint64_t i)
{
    uint64_t address;

    KT_CHECK(ki_tree_at(&b->idx, &b->tx, root_of(b), i, &address),
             "position %llu of %llu", (unsigned long long)i,
             (unsigned long long)b->count);
    assert_int_equal(ki_tx_load(&b->tx, address), b->words[i]);
}

/* The whole content, by runs and, here and there, by single words. */
static inline void
check_equal(bed *b)
{
    uint64_t words[100];
    uint64_t address;
    uint64_t i = 0;

    (void)check_shape(b);
    while (i < b->count) {
        const uint32_t max = 1 + (uint32_t)bed_draw(&b->random, 100);
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
static inline uint64_t
new_word(bed *b)
{
    return KI_IDX_ARENA + (++b->serial << KI_CLASS_MIN);
}

static inline void
model_insert(bed *b, uint64_t i, uint64_t word)
{
    memmove(&b->words[i + 1], &b->words[i],
            (b->count - i) * sizeof(b->words[0]));
    b->words[i] = word;
    b->count++;
}

static inline void
model_remove(bed *b, uint64_t i, uint64_t count)
{
    memmove(&b->words[i], &b->words[i + count],
            (b->count - i - count) * sizeof(b->words[0]));
    b->count -= count;
}

static inline void
do_insert(bed *b, uint64_t i)
{
    const uint64_t word = new_word(b);

    KT_OK(ki_tree_insert(&b->tx, ROOT_AT, i, word));
    model_insert(b, i, word);
}

static inline void
do_append(bed *b)
{
    const uint64_t word = new_word(b);

    KT_OK(ki_tree_append(&b->tx, ROOT_AT, word));
    model_insert(b, b->count, word);
}

static inline void
do_remove(bed *b, uint64_t i, uint64_t count)
{
    KT_OK(ki_tree_remove(&b->tx, ROOT_AT, i, count));
    model_remove(b, i, count);
}

static inline void
do_set(bed *b, uint64_t i)
{
    uint64_t address;

    assert_true(ki_tree_at(&b->idx, &b->tx, root_of(b), i, &address));
    b->words[i] = new_word(b);
    ki_tx_store(&b->tx, address, b->words[i]);
}

/* A random change; lists grow and shrink in turns of `period` changes. */
static inline void
do_any(bed *b, uint64_t step, uint64_t period)
{
    const bool grows = step / period % 2 == 0;
    const uint64_t kind = bed_draw(&b->random, 100);
    uint64_t i;

    if (b->count < 2) {
        do_append(b);
        return;
    }
    i = bed_draw(&b->random, b->count);
    if (kind < 10) {
        do_set(b, i);
    }
    else if (kind < (grows ? 90 : 45) && b->count < MODEL_MAX - 1) {
        switch (bed_draw(&b->random, 8)) {
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
        const uint64_t most = bed_draw(&b->random, 200) != 0 ? 40 : 20000;
        const uint64_t room = b->count - i < most ? b->count - i : most;

        do_remove(b, i, bed_draw(&b->random, room + 1));
    }
}

#endif /* KT_INDEX_TREEBED_H */
