/*
 * Goal    a file's contents are the bytes that were written, whatever they
 *         are made of, and pin no more memory than they promise.
 * Method  random writes, lent and copied, large and small, and cuts, on a
 *         content and on a flat array; the two are compared after each step,
 *         and clones and loans of it later still are what they were.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "memfs/content.h"
#include "memfs/loan.h"
#include "support/check.h"

#define ROOM  (1u << 20) // of what a random step writes
#define LENTS 4096u

typedef struct bench {
    ki_content content;
    ki_garbage garbage;
    uint8_t *flat;
    uint64_t size;
    uint64_t random;
    uint8_t *lents[LENTS]; // bytes lent; NULL once they were given back
    size_t lent_count;
} bench;

static uint64_t
next(bench *at)
{
    at->random ^= at->random << 13;
    at->random ^= at->random >> 7;
    at->random ^= at->random << 17;
    return at->random;
}

static void
given_back(void *context)
{
    uint8_t **lent = context;

    assert_non_null(*lent);
    free(*lent);
    *lent = NULL;
}

static void
fill(bench *at, uint8_t *data, uint64_t size)
{
    uint64_t value = next(at);

    for (uint64_t index = 0; index < size; index++) {
        data[index] = (uint8_t)(value >> 24);
        value = value * 6364136223846793005u + 1442695040888963407u;
    }
}

static void
apply(bench *at, uint64_t offset, const uint8_t *data, uint64_t size)
{
    if (offset > at->size) {
        memset(at->flat + at->size, 0, offset - at->size);
    }
    memcpy(at->flat + offset, data, size);
    if (offset + size > at->size) {
        at->size = offset + size;
    }
}

static void
write_lent(bench *at, uint64_t offset, uint64_t size)
{
    uint8_t **lent = at->lents + at->lent_count++;
    ki_block *block;

    *lent = malloc(size);
    fill(at, *lent, size);
    apply(at, offset, *lent, size);
    block = ki_block_new_lent(*lent, size, given_back, lent);
    assert_non_null(block);
    KT_OK(ki_content_splice(&at->content, offset, block, size, &at->garbage));
}

static void
write_copy(bench *at, uint64_t offset, uint64_t size)
{
    uint8_t *data = malloc(size);

    fill(at, data, size);
    apply(at, offset, data, size);
    KT_OK(ki_content_write(&at->content, offset, data, size, &at->garbage));
    free(data);
}

static void
resize(bench *at, uint64_t size)
{
    if (size > at->size) {
        memset(at->flat + at->size, 0, size - at->size);
    }
    at->size = size;
    KT_OK(ki_content_resize(&at->content, size, &at->garbage));
}

static void
compare(bench *at)
{
    kist_loan loan;
    uint8_t *data = malloc(at->size + 1);
    uint64_t from = at->size == 0 ? 0 : next(at) % at->size;
    uint64_t size = at->size - from;

    assert_true(ki_content_is_sound(&at->content));
    assert_int_equal(at->content.size, at->size);
    KT_OK(ki_content_lend(&at->content, 0, at->size, &loan));
    kist_loan_copy(&loan, data);
    kist_loan_return(&loan);
    assert_memory_equal(data, at->flat, at->size);
    size = size == 0 ? 0 : next(at) % size;
    KT_OK(ki_content_lend(&at->content, from, size, &loan));
    kist_loan_copy(&loan, data);
    kist_loan_return(&loan);
    assert_memory_equal(data, at->flat + from, size);
    free(data);
    ki_garbage_empty(&at->garbage);
}

/* Sizes of every order, more small ones than large. */
static uint64_t
some_size(bench *at)
{
    return 1 + next(at) % ((uint64_t)1 << (next(at) % 18));
}

static void
do_something(bench *at)
{
    const uint64_t what = next(at) % 16;
    uint64_t size = some_size(at);
    uint64_t offset = at->size;

    if (what < 10) {
        offset = at->size == 0 ? 0 : next(at) % (at->size + 1);
    }
    else if (what == 10) {
        offset = at->size + next(at) % 10000;
    }
    if (offset + size > ROOM) {
        offset = 0;
        size = size < 1000 ? size : 1000;
    }
    if (what == 11) {
        resize(at, next(at) % (at->size + 1));
    }
    else if (what == 12 && at->size < ROOM / 2) {
        resize(at, at->size + next(at) % 50000);
    }
    else if (next(at) % 2 == 0 && at->lent_count < LENTS) {
        write_lent(at, offset, size);
    }
    else {
        write_copy(at, offset, size);
    }
}

static void
begin(bench *at, void **state)
{
    const kt_place *place = *state;

    memset(at, 0, sizeof(*at));
    at->random = place->seed * 2 + 1;
    at->flat = malloc(ROOM * 16);
}

static void
finish(bench *at)
{
    ki_content_clear(&at->content, &at->garbage);
    ki_garbage_empty(&at->garbage);
    for (size_t index = 0; index < at->lent_count; index++) {
        assert_null(at->lents[index]);
    }
    free(at->flat);
}

static void
test_bytes_are_those_written(void **state)
{
    static bench at;

    begin(&at, state);
    for (int step = 0; step < 6000; step++) {
        do_something(&at);
        compare(&at);
    }
    finish(&at);
}

/* A share stays what it was while the content goes on. */
static void
test_shares_do_not_change(void **state)
{
    static bench at;
    uint8_t *then = malloc(ROOM * 2);

    begin(&at, state);
    for (int round = 0; round < 60; round++) {
        ki_content share;
        kist_loan loan;
        uint64_t size;
        uint8_t *data;

        for (int step = 0; step < 20; step++) {
            do_something(&at);
        }
        KT_OK(ki_content_share(&at.content, &share));
        size = at.size;
        memcpy(then, at.flat, size);
        KT_OK(ki_content_lend(&at.content, 0, size, &loan));
        for (int step = 0; step < 20; step++) {
            do_something(&at);
        }
        compare(&at);
        data = malloc(size + 1);
        kist_loan_copy(&loan, data);
        assert_memory_equal(data, then, size);
        kist_loan_return(&loan);
        KT_OK(ki_content_lend(&share, 0, size, &loan));
        kist_loan_copy(&loan, data);
        assert_memory_equal(data, then, size);
        kist_loan_return(&loan);
        free(data);
        ki_content_clear(&share, &at.garbage);
        ki_garbage_empty(&at.garbage);
    }
    finish(&at);
    free(then);
}

static uint64_t
pinned_by(const ki_content *content)
{
    const ki_seg *segs =
        content->room == 0 ? &content->row.one : content->row.many.segs;
    uint64_t pinned = 0;

    for (uint32_t index = 0; index < content->count; index++) {
        pinned += segs[index].block == NULL ? 0 : segs[index].block->size;
    }
    return pinned;
}

/* However it was written, a file pins a few times its size at most. */
static void
test_what_is_pinned_is_bounded(void **state)
{
    static bench at;

    begin(&at, state);
    for (int step = 0; step < 3000 && at.lent_count < LENTS; step++) {
        // Slivers of large pieces: each hides all but a little of another.
        write_lent(&at, next(&at) % 64 * 16, 4096 + next(&at) % 60000);
        ki_garbage_empty(&at.garbage);
        assert_true(pinned_by(&at.content) <=
                    4 * at.size + 4 * KI_CONTENT_LARGE);
    }
    compare(&at);
    finish(&at);
}

/* What is cut off is pinned no longer, and one piece needs no array. */
static void
test_a_cut_lets_go(void **state)
{
    static bench at;

    begin(&at, state);
    write_copy(&at, 0, 60000);
    assert_int_equal(at.content.room, 0);
    resize(&at, 1);
    assert_true(pinned_by(&at.content) < 100);
    write_lent(&at, 1, 50000);
    resize(&at, 10);
    assert_true(pinned_by(&at.content) < 200);
    compare(&at);
    for (int index = 0; index < 2000; index++) {
        write_lent(&at, at.size, 4096);
    }
    assert_true(at.content.room >= 2000);
    resize(&at, 5);
    assert_true(at.content.room <= 2);
    compare(&at);
    finish(&at);
}

/* A row of slivers, and one of gaps, is gathered. */
static void
test_small_pieces_are_gathered(void **state)
{
    static bench at;

    begin(&at, state);
    for (uint64_t index = 0; index < 3000; index++) {
        write_lent(&at, index, 4096);
        ki_garbage_empty(&at.garbage);
        assert_true(at.content.count <= 66 + at.size / 4096 * 4);
    }
    compare(&at);
    for (uint64_t index = 0; index < 100000; index++) {
        write_copy(&at, at.size + 1, 1);
    }
    assert_true(at.content.count <= 66 + at.size / 4096 * 4);
    assert_true(pinned_by(&at.content) < 2 * at.size);
    compare(&at);
    finish(&at);
}

/* A byte in the middle of a large gap takes a page, not a part of the gap. */
static void
test_a_gap_stays_a_gap(void **state)
{
    ki_content content = {0};
    ki_garbage garbage = {0};

    (void)state;
    KT_OK(ki_content_resize(&content, (uint64_t)1 << 60, &garbage));
    KT_OK(ki_content_write(&content, (uint64_t)1 << 59, "x", 1, &garbage));
    assert_true(pinned_by(&content) <= 1 << 20);
    assert_true(ki_content_is_sound(&content));
    ki_content_clear(&content, &garbage);
}

static int failing_after;

static int
fail_later(void)
{
    return failing_after-- <= 0;
}

/* A step for which there is no memory changes nothing. */
static void
test_no_memory_no_change(void **state)
{
    static bench at;
    int refused = 0;

    begin(&at, state);
    for (int step = 0; step < 3000; step++) {
        const uint64_t size = some_size(&at);
        const uint64_t offset = next(&at) % (at.size + 2000);
        uint8_t *data = malloc(size);
        kist_status status;

        fill(&at, data, size);
        failing_after = (int)(next(&at) % 3);
        ki_alloc_hook = fail_later;
        if (offset + size > ROOM) {
            status = ki_content_resize(&at.content, at.size / 2, &at.garbage);
            at.size = at.size / 2;
        }
        else {
            status =
                ki_content_write(&at.content, offset, data, size, &at.garbage);
            if (status == KIST_OK) {
                apply(&at, offset, data, size);
            }
        }
        ki_alloc_hook = NULL;
        assert_true(status == KIST_OK || status == KIST_ERR_NOMEM);
        refused += status == KIST_ERR_NOMEM;
        free(data);
        compare(&at);
    }
    assert_true(refused > 0);
    finish(&at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_bytes_are_those_written),
        KT_TEST(test_shares_do_not_change),
        KT_TEST(test_what_is_pinned_is_bounded),
        KT_TEST(test_a_cut_lets_go),
        KT_TEST(test_small_pieces_are_gathered),
        KT_TEST(test_a_gap_stays_a_gap),
        KT_TEST(test_no_memory_no_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
