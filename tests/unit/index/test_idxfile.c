#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "idxbed.h"
#include "index/idxfile.h"

#define RESERVE (UINT64_C(1) << 24)

static const uint8_t own_uuid[16] = "kist of the test";
static const uint8_t other_uuid[16] = "another's index!";

static void
make(ki_idx *idx, const kt_place *place)
{
    KT_OK(ki_idx_create(idx, place->path, 0600, own_uuid, 7, RESERVE));
}

static kist_status
reopen(ki_idx *idx, const kt_place *place)
{
    return ki_idx_open(idx, place->path, true, own_uuid, 7, RESERVE);
}

/*
 * Goal:   what was stored is there when the index is opened again, for
 *         writers and readers.
 * Method: words at the ends of the file; the second map sees the first's.
 */
static void
test_create_and_open(void **state)
{
    const kt_place *place = *state;
    const size_t maps = kt_count_maps();
    const size_t descriptors = kt_count_descriptors();
    ki_idx idx;
    ki_idx again;
    ki_idx read;

    make(&idx, place);
    assert_int_equal(ki_idx_used(&idx), KI_IDX_ARENA);
    assert_int_equal(ki_word_load(&idx, KI_W_CATALOG), 0);
    assert_int_equal(ki_shmlock_try(ki_idx_lock(&idx, KI_W_LOCK)),
                     KI_LOCK_TAKEN);
    ki_shmlock_drop(ki_idx_lock(&idx, KI_W_LOCK));
    ki_word_store(&idx, KI_W_TAIL, 12345);
    ki_word_store(&idx, ki_word_load(&idx, KI_W_SIZE) - 8, 54321);
    KT_OK(reopen(&again, place));
    KT_OK(ki_idx_open(&read, place->path, false, own_uuid, 7, RESERVE));
    ki_word_store(&again, KI_W_TAIL + 8, 99);
    assert_int_equal(ki_word_load(&read, KI_W_TAIL), 12345);
    assert_int_equal(ki_word_load(&idx, KI_W_TAIL + 8), 99);
    assert_int_equal(ki_word_load(&read, KI_W_TAIL + 8), 99);
    assert_int_equal(ki_word_load(&again, ki_word_load(&again, KI_W_SIZE) - 8),
                     54321);
    ki_idx_close(&read);
    ki_idx_close(&again);
    ki_idx_close(&idx);
    ki_idx_close(&idx);
    ki_idx_close(NULL);
    assert_int_equal(kt_count_maps(), maps);
    assert_int_equal(kt_count_descriptors(), descriptors);
}

/*
 * Goal:   an index that exists is never overwritten.
 * Method: creating it twice; the words of the first are still there.
 */
static void
test_create_is_exclusive(void **state)
{
    const kt_place *place = *state;
    ki_idx idx;
    ki_idx second;

    make(&idx, place);
    ki_word_store(&idx, KI_W_TAIL, 4711);
    ki_idx_close(&idx);
    assert_true(ki_idx_create(&second, place->path, 0600, other_uuid, 1,
                              RESERVE) != KIST_OK);
    KT_OK(reopen(&idx, place));
    assert_int_equal(ki_word_load(&idx, KI_W_TAIL), 4711);
    ki_idx_close(&idx);
}

/*
 * Goal:   an index of another log, of another generation, a cut or damaged
 *         one is of no use, and is left as it is.
 * Method: each of them; every bit of the hashed header is flipped.
 */
static void
test_refused(void **state)
{
    const kt_place *place = *state;
    const size_t fields = KI_W_HEADER_HASH + 8;
    ki_idx idx;
    uint8_t *bytes;
    size_t size;
    size_t bit;

    KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
    make(&idx, place);
    ki_idx_close(&idx);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               ki_idx_open(&idx, place->path, true, other_uuid, 7, RESERVE));
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               ki_idx_open(&idx, place->path, true, own_uuid, 8, RESERVE));
    bytes = kt_read_file(place->path, &size);
    assert_non_null(bytes);
    for (bit = 0; bit < fields * 8; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
        kt_write_file(place->path, bytes, size);
        KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
    }
    kt_write_file(place->path, bytes, size);
    KT_OK(reopen(&idx, place));
    ki_word_store(&idx, KI_W_SIZE, size + 8);
    ki_idx_close(&idx);
    KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
    kt_write_file(place->path, bytes, size - 4096);
    KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
    kt_write_file(place->path, bytes, 100);
    KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
    kt_write_file(place->path, bytes, 0);
    KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
    memset(bytes, 0xa5, size);
    kt_write_file(place->path, bytes, size);
    KT_ANSWERS(KIST_ERR_NOTFOUND, reopen(&idx, place));
    assert_null(idx.base);
    free(bytes);
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(symlink("/dev/zero", place->path), 0);
    assert_true(reopen(&idx, place) != KIST_OK);
}

/*
 * Goal:   growing takes room on the disk before the size says so; a second
 *         map sees it; the end of the address space is NOMEM.
 * Method: steps up to the limit, sizes of the file compared.
 */
static void
test_grow(void **state)
{
    const kt_place *place = *state;
    struct stat status;
    ki_idx idx;
    ki_idx other;
    uint64_t end;

    make(&idx, place);
    KT_OK(reopen(&other, place));
    for (end = 4096; end <= idx.limit; end += 100000) {
        KT_OK(ki_idx_grow(&idx, end));
        assert_true(ki_word_load(&idx, KI_W_SIZE) >= end);
        assert_int_equal(stat(place->path, &status), 0);
        assert_true((uint64_t)status.st_size >= ki_word_load(&idx, KI_W_SIZE));
        assert_true((uint64_t)status.st_blocks * 512 >= end);
        ki_word_store(&idx, (end & ~UINT64_C(7)) - 8, end);
        assert_int_equal(ki_word_load(&other, (end & ~UINT64_C(7)) - 8), end);
    }
    KT_OK(ki_idx_grow(&idx, idx.limit));
    assert_int_equal(ki_word_load(&idx, KI_W_SIZE), idx.limit);
    KT_ANSWERS(KIST_ERR_NOMEM, ki_idx_grow(&idx, idx.limit + 1));
    assert_true(ki_idx_holds(&idx, idx.limit - 8, 8));
    assert_false(ki_idx_holds(&idx, idx.limit - 8, 16));
    assert_false(ki_idx_holds(&idx, idx.limit, 8));
    assert_false(ki_idx_holds(&idx, UINT64_MAX - 7, 8));
    ki_idx_close(&other);
    ki_idx_close(&idx);

    KT_OK(ki_idx_create(&idx, NULL, 0, own_uuid, 7, RESERVE));
    KT_OK(ki_idx_grow(&idx, idx.limit));
    KT_ANSWERS(KIST_ERR_NOMEM, ki_idx_grow(&idx, idx.limit + 1));
    ki_idx_close(&idx);
}

/*
 * Goal:   the synced offset is believed only with its check word.
 * Method: it is set, then each word of the two is damaged.
 */
static void
test_synced(void **state)
{
    const kt_place *place = *state;
    ki_idx idx;

    make(&idx, place);
    assert_int_equal(ki_idx_synced(&idx), 0);
    ki_idx_set_synced(&idx, 8192);
    assert_int_equal(ki_idx_synced(&idx), 8192);
    ki_word_store(&idx, KI_W_SYNCED, 8200);
    assert_int_equal(ki_idx_synced(&idx), 0);
    ki_word_store(&idx, KI_W_SYNCED, 8192);
    assert_int_equal(ki_idx_synced(&idx), 8192);
    ki_word_store(&idx, KI_W_SYNCED_CHECK, 0);
    assert_int_equal(ki_idx_synced(&idx), 0);
    ki_idx_close(&idx);
}

/*
 * Goal:   an index is alive where it was written and nowhere else: not a
 *         copy, not beside another log, not after another boot.
 * Method: the identities are set; a copy of the file is put in its place; the
 *         log's identity and each identity word are changed.
 */
static void
test_alive(void **state)
{
    const kt_place *place = *state;
    ki_file_id log = {.device = 1, .inode = 2, .birth_ns = 3};
    ki_file_id here;
    char aside[320];
    uint8_t *bytes;
    size_t size;
    ki_idx idx;
    bool proven;
    uint64_t i;

    make(&idx, place);
    assert_false(ki_idx_is_alive(&idx, &log, false));
    KT_OK(ki_idx_set_alive(&idx, &log));
    assert_int_equal(ki_io->identify(idx.fd, &here), 0);
    // Before Linux 6.8 nothing is ever proven, see ki_file_id.
    proven = here.mount != 0;
    assert_int_equal(ki_idx_is_alive(&idx, &log, false), proven);
    ki_idx_close(&idx);
    KT_OK(reopen(&idx, place));
    assert_int_equal(ki_idx_is_alive(&idx, &log, false), proven);
    for (i = 0; i < 9; i++) {
        const uint64_t at = KI_W_IDENTITY + i * 8;
        const uint64_t was = ki_word_load(&idx, at);

        ki_word_store(&idx, at, was + 1);
        assert_false(ki_idx_is_alive(&idx, &log, false));
        ki_word_store(&idx, at, was);
    }
    assert_int_equal(ki_idx_is_alive(&idx, &log, false), proven);
    log.inode++;
    assert_false(ki_idx_is_alive(&idx, &log, false));
    log.inode--;
    ki_idx_close(&idx);

    bytes = kt_read_file(place->path, &size);
    assert_non_null(bytes);
    // The old file stays, under another name, so that its inode is not free.
    snprintf(aside, sizeof(aside), "%s.old", place->path);
    assert_int_equal(rename(place->path, aside), 0);
    kt_write_file(place->path, bytes, size);
    free(bytes);
    KT_OK(reopen(&idx, place));
    assert_false(ki_idx_is_alive(&idx, &log, false));
    ki_idx_close(&idx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_create_and_open), KT_TEST(test_create_is_exclusive),
        KT_TEST(test_refused),         KT_TEST(test_grow),
        KT_TEST(test_synced),          KT_TEST(test_alive),
    };

    return cmocka_run_group_tests_name("idxfile", tests, NULL, NULL);
}
