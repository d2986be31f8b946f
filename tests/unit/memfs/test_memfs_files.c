/*
 * Open files: modes, positions, what reads and writes do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA ((uint64_t)64 << 20)

static uint64_t
tell(kist_memfile *file)
{
    uint64_t position = UINT64_MAX;

    KT_OK(kist_memfile_tell(file, &position));
    return position;
}

static uint64_t
seek(kist_memfile *file, int64_t offset, int whence)
{
    uint64_t position = UINT64_MAX;

    KT_OK(kist_memfile_seek(file, offset, whence, &position));
    assert_true(position == tell(file));
    return position;
}

static void
check_next(kist_memfile *file, size_t size, const char *expected)
{
    char data[100];
    size_t got = 99;

    assert_true(size <= sizeof(data));
    KT_OK(kist_memfile_read(file, data, size, &got));
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(data, expected, got);
}

static const struct {
    kist_memfs_mode mode;
    kist_status missing;
    kist_status there;
    bool empties;
    bool reads;
    bool writes;
    uint64_t position;
} modes[] = {
    {KIST_MODE_RB, KIST_ERR_NOTFOUND, KIST_OK, false, true, false, 0},
    {KIST_MODE_WB, KIST_OK, KIST_OK, true, false, true, 0},
    {KIST_MODE_AB, KIST_OK, KIST_OK, false, false, true, 4},
    {KIST_MODE_RPB, KIST_ERR_NOTFOUND, KIST_OK, false, true, true, 0},
    {KIST_MODE_XB, KIST_OK, KIST_ERR_EXISTS, false, false, true, 0},
};

/*
 * Goal    each mode makes and empties files as its table says (1.6).
 * Method  the table, for a file that is there and for one that is not.
 */
static void
test_opening(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);

    (void)state;
    kt_fs_mkdir(fs, "/d");
    for (size_t i = 0; i < KT_COUNT(modes); i++) {
        const kist_memfs_mode mode = modes[i].mode;

        assert_int_equal(kt_fs_try(fs, "/missing", mode), modes[i].missing);
        assert_int_equal(kist_memfs_look(fs, kist_str("/missing")),
                         modes[i].missing == KIST_OK ? KIST_MEMFS_FILE
                                                     : KIST_MEMFS_NOTHING);
        if (modes[i].missing == KIST_OK) {
            assert_int_equal(kt_fs_stat(fs, "/missing").generation, 0);
            KT_OK(kist_memfs_remove(fs, kist_str("/missing")));
        }
        assert_int_equal(kt_fs_try(fs, "/d", mode), KIST_ERR_ISDIR);
        assert_int_equal(kt_fs_try(fs, "/", mode), KIST_ERR_ISDIR);
        kt_fs_put(fs, "/f", "text");
        assert_int_equal(kt_fs_try(fs, "/f", mode), modes[i].there);
        kt_fs_check(fs, "/f", modes[i].empties ? "" : "text");
    }
    kist_memfs_free(fs);
}

/* Goal: each mode begins where its table says, and reads and writes, or does
 * not. */
static void
test_directions(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);

    (void)state;
    for (size_t i = 0; i < KT_COUNT(modes); i++) {
        kist_memfile *file;
        kist_loan loan;
        char data[4];
        size_t got;

        if (modes[i].there == KIST_OK) {
            kt_fs_put(fs, "/f", "text");
        }
        else {
            KT_OK(kist_memfs_remove(fs, kist_str("/f")));
        }
        file = kt_fs_open(fs, "/f", modes[i].mode);
        assert_true(tell(file) == modes[i].position);
        (void)seek(file, 0, SEEK_SET);
        if (modes[i].reads) {
            check_next(file, 3, "tex");
            KT_OK(kist_memfile_take(file, 5, &loan));
            kt_loan_check(&loan, "t", 1);
            kist_loan_return(&loan);
            check_next(file, 3, "");
        }
        else {
            KT_ANSWERS(KIST_ERR_UNSUPPORTED,
                       kist_memfile_read(file, data, 4, &got));
            KT_ANSWERS(KIST_ERR_UNSUPPORTED,
                       kist_memfile_take(file, 4, &loan));
        }
        if (modes[i].writes) {
            KT_OK(kist_memfile_write(file, "more", 4));
            KT_OK(kist_memfile_truncate(file, 2));
        }
        else {
            KT_ANSWERS(KIST_ERR_UNSUPPORTED,
                       kist_memfile_write(file, "more", 4));
            KT_ANSWERS(KIST_ERR_UNSUPPORTED, kist_memfile_write(file, "", 0));
            KT_ANSWERS(KIST_ERR_UNSUPPORTED, kist_memfile_truncate(file, 4));
        }
        kist_memfile_free(file);
    }
    kist_memfs_free(fs);
}

/* Goal: of several things that are wrong, opening tells the first of its
 * order. */
static void
test_open_order(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    const kist_memfs_open_options some = {0, 10};
    kist_memfile *file = NULL;
    kist_memfile *other;

    (void)state;
    kt_fs_put(fs, "/f", "text");
    kt_fs_mkdir(fs, "/d");
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_open(fs, kist_str("/d/../.."),
                                                 KIST_MODE_RB, NULL, &other));
    KT_ANSWERS(
        KIST_ERR_INVALID,
        kist_memfs_open(fs, kist_str("/f"), (kist_memfs_mode)9, NULL, &other));
    KT_ANSWERS(
        KIST_ERR_UNSUPPORTED,
        kist_memfs_open(fs, kist_str("/f"), KIST_MODE_RB, &some, &other));
    assert_int_equal(kt_fs_try(fs, "/f/x", KIST_MODE_RB), KIST_ERR_NOTFOUND);
    assert_int_equal(kt_fs_try(fs, "/x/y", KIST_MODE_RPB), KIST_ERR_NOTFOUND);
    assert_int_equal(kt_fs_try(fs, "/f/x", KIST_MODE_WB), KIST_ERR_NOPARENT);
    assert_int_equal(kt_fs_try(fs, "/x/y", KIST_MODE_AB), KIST_ERR_NOPARENT);
    assert_int_equal(kt_fs_try(fs, "/x/y", KIST_MODE_XB), KIST_ERR_NOPARENT);
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_XB), KIST_ERR_EXISTS);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_ERR_LOCKED);
    kist_memfile_free(file);
    kt_fs_check(fs, "/f", "text");
    kist_memfs_free(fs);
}

/* Goal: positions, with and beyond the ends, as the contract has them (1.7).
 */
static void
test_seek(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    uint64_t position = 77;

    (void)state;
    kt_fs_put(fs, "/f", "0123456789");
    file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
    assert_int_equal(seek(file, 3, SEEK_SET), 3);
    assert_int_equal(seek(file, 4, SEEK_CUR), 7);
    assert_int_equal(seek(file, -2, SEEK_CUR), 5);
    assert_int_equal(seek(file, 0, SEEK_END), 10);
    assert_int_equal(seek(file, -10, SEEK_END), 0);
    assert_int_equal(seek(file, 20, SEEK_SET), 20);
    check_next(file, 5, "");
    assert_int_equal(tell(file), 20);
    assert_int_equal(seek(file, -15, SEEK_CUR), 5);
    check_next(file, 2, "56");
    assert_int_equal(seek(file, 30, SEEK_CUR), 37);
    (void)seek(file, 5, SEEK_SET);
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, -1, SEEK_SET, &position));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, -6, SEEK_CUR, &position));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, 1, SEEK_END, &position));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, -11, SEEK_END, &position));
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfile_seek(file, 0, 7, &position));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, INT64_MIN, SEEK_CUR, &position));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, INT64_MIN, SEEK_END, &position));
    (void)seek(file, INT64_MAX, SEEK_SET);
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_memfile_seek(file, INT64_MAX, SEEK_CUR, &position));
    check_next(file, 5, "");
    // What would end beyond all numbers, or the quota, changes nothing.
    assert_int_not_equal(kist_memfile_write(file, "x", 1), KIST_OK);
    kist_memfile_free(file);
    kt_fs_check(fs, "/f", "0123456789");
    kist_memfs_free(fs);
}

static void
test_write(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file = kt_fs_open(fs, "/f", KIST_MODE_WB);
    uint64_t size;

    (void)state;
    KT_OK(kist_memfile_write(file, "01234", 5));
    assert_int_equal(tell(file), 5);
    KT_OK(kist_memfile_size(file, &size));
    assert_int_equal(size, 5);
    KT_OK(kist_memfile_write(file, NULL, 0));
    (void)seek(file, 2, SEEK_SET);
    KT_OK(kist_memfile_write(file, "abcdef", 6));
    assert_int_equal(tell(file), 8);
    (void)seek(file, 10, SEEK_SET);
    KT_OK(kist_memfile_write(file, "x", 1));
    kist_memfile_free(file);
    kt_fs_check_bytes(fs, "/f", "01abcdef\0\0x", 11);

    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    (void)seek(file, 2, SEEK_SET);
    KT_OK(kist_memfile_write(file, "y", 1));
    assert_int_equal(tell(file), 12);
    (void)seek(file, 100, SEEK_SET);
    KT_OK(kist_memfile_write(file, "z", 1));
    assert_int_equal(tell(file), 13);
    KT_OK(kist_memfile_truncate(file, 11));
    assert_int_equal(tell(file), 11);
    kist_memfile_free(file);

    file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
    KT_OK(kist_memfile_truncate(file, 20));
    assert_int_equal(tell(file), 0);
    (void)seek(file, 15, SEEK_SET);
    KT_OK(kist_memfile_truncate(file, 16));
    assert_int_equal(tell(file), 15);
    KT_OK(kist_memfile_truncate(file, 4));
    assert_int_equal(tell(file), 4);
    KT_OK(kist_memfile_truncate(file, 6));
    assert_int_equal(tell(file), 4);
    kist_memfile_free(file);
    kt_fs_check_bytes(fs, "/f", "01ab\0\0", 6);
    kist_memfs_free(fs);
}

/*
 * Goal    a closed file answers CLOSED, whatever it is asked, and closing is
 *         for once and for all.
 * Method  every call; the file system may be gone first.
 */
static void
test_close(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    kist_loan loan = {0};
    uint64_t number;
    size_t got;
    char data[4];

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RB), KIST_ERR_LOCKED);
    kist_memfile_close(file);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RPB), KIST_OK);
    kist_memfile_close(file);
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_read(file, data, 4, &got));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_take(file, 4, &loan));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_write(file, "x", 1));
    KT_ANSWERS(KIST_ERR_CLOSED,
               kist_memfile_write_lent(file, "x", 1, kt_lent_release, NULL));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_seek(file, 0, SEEK_SET, &number));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_tell(file, &number));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_truncate(file, 1));
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_size(file, &number));
    kist_memfile_free(file);
    kist_memfile_free(NULL);

    file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
    kist_memfs_free(fs);
    check_next(file, 4, "text");
    KT_OK(kist_memfile_write(file, "more", 4));
    (void)seek(file, 0, SEEK_SET);
    check_next(file, 10, "textmore");
    kist_memfile_close(file);
    KT_ANSWERS(KIST_ERR_CLOSED, kist_memfile_tell(file, &number));
    kist_memfile_free(file);
}

/*
 * Goal    preallocating makes the file that long with zeros, and moves
 *         nothing else (1.6).
 * Method  shorter and longer than the file, in each mode that writes.
 */
static void
test_preallocate(void **state)
{
    kist_memfs *fs = kt_fs_new(300);
    kist_memfs_open_options options = {0, 6};
    kist_memfile *file;
    kist_memfs_stat before;

    (void)state;
    KT_OK(kist_memfs_open(fs, kist_str("/f"), KIST_MODE_XB, &options, &file));
    assert_int_equal(tell(file), 0);
    kist_memfile_free(file);
    kt_fs_check_bytes(fs, "/f", "\0\0\0\0\0\0", 6);
    kt_fs_check_stats(fs, 6 + KT_OVERHEAD, 1, 1, 1);
    kt_fs_put(fs, "/f", "0123456789");
    before = kt_fs_stat(fs, "/f");
    KT_OK(kist_memfs_open(fs, kist_str("/f"), KIST_MODE_RPB, &options, &file));
    kist_memfile_free(file);
    assert_int_equal(kt_fs_stat(fs, "/f").generation, before.generation);
    options.preallocate = 12;
    KT_OK(kist_memfs_open(fs, kist_str("/f"), KIST_MODE_AB, &options, &file));
    assert_int_equal(tell(file), 10);
    kist_memfile_free(file);
    kt_fs_check_bytes(fs, "/f", "0123456789\0\0", 12);
    assert_int_equal(kt_fs_stat(fs, "/f").generation, before.generation + 1);
    kt_fs_check_stats(fs, 12 + 2 * KT_OVERHEAD, 1, 1, 2);
    // Too much: the file stays, made or emptied, and is not open.
    options.preallocate = UINT64_C(1) << 50;
    KT_ANSWERS(KIST_ERR_QUOTA, kist_memfs_open(fs, kist_str("/f"),
                                               KIST_MODE_WB, &options, &file));
    assert_true(kist_last_error()->asked == options.preallocate + KT_OVERHEAD);
    assert_int_equal(kist_last_error()->available, 300);
    kt_fs_check(fs, "/f", "");
    options.preallocate = UINT64_MAX;
    assert_int_not_equal(
        kist_memfs_open(fs, kist_str("/g"), KIST_MODE_WB, &options, &file),
        KIST_OK);
    kt_fs_check(fs, "/g", "");
    kt_fs_check_stats(fs, 0, 2, 1, 0);
    KT_OK(kist_memfs_remove(fs, kist_str("/f")));
    kist_memfs_free(fs);
}

/*
 * Goal    generations and times move with what changes a file, and with
 *         nothing else (1.9).
 * Method  one step after the other, with a clock that never stands still.
 */
static void
test_generation(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    kist_memfs_stat last;
    kist_memfs_stat now;

#define MOVED(steps)                                                          \
    do {                                                                      \
        now = kt_fs_stat(fs, "/f");                                           \
        assert_int_equal(now.generation, last.generation + (steps));          \
        assert_int_equal(now.modified_ns > last.modified_ns, (steps) > 0);    \
        assert_true(now.created_ns == last.created_ns);                       \
        last = now;                                                           \
    } while (false)

    (void)state;
    file = kt_fs_open(fs, "/f", KIST_MODE_WB);
    last = kt_fs_stat(fs, "/f");
    assert_int_equal(last.generation, 0);
    assert_true(last.created_ns == last.modified_ns);
    KT_OK(kist_memfile_write(file, "text", 4));
    MOVED(1);
    KT_OK(kist_memfile_write(file, "", 0));
    MOVED(0);
    KT_OK(kist_memfile_truncate(file, 4));
    MOVED(0);
    KT_OK(kist_memfile_truncate(file, 9));
    MOVED(1);
    KT_OK(kist_memfile_truncate(file, 2));
    MOVED(1);
    (void)seek(file, 0, SEEK_SET);
    MOVED(0);
    KT_OK(kist_memfile_write(file, "te", 2));
    MOVED(1);
    kist_memfile_free(file);
    MOVED(0);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RPB), KIST_OK);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_AB), KIST_OK);
    kt_fs_check(fs, "/f", "te");
    MOVED(0);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_OK);
    MOVED(1);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_OK);
    MOVED(1);
    kt_fs_append(fs, "/f", "x");
    MOVED(1);
    KT_OK(kist_memfs_rename(fs, kist_str("/f"), kist_str("/g")));
    KT_OK(kist_memfs_rename(fs, kist_str("/g"), kist_str("/f")));
    MOVED(0);
    kist_memfs_free(fs);
#undef MOVED
}

/* A file as the tests know it. */
typedef struct model {
    uint8_t *data;
    uint64_t size;
    uint64_t room;
    uint64_t position;
} model;

static void
model_write(model *m, const uint8_t *data, uint64_t size)
{
    if (m->position > m->size && size > 0) {
        memset(m->data + m->size, 0, m->position - m->size);
    }
    memcpy(m->data + m->position, data, size);
    m->position += size;
    if (size > 0 && m->position > m->size) {
        m->size = m->position;
    }
}

static void
model_truncate(model *m, uint64_t size)
{
    if (size > m->size) {
        memset(m->data + m->size, 0, size - m->size);
    }
    m->size = size;
    m->position = m->position < size ? m->position : size;
}

/* Sizes of all kinds: some bytes, around a page, around the large ones. */
static uint64_t
random_size(uint64_t *seed, uint64_t most)
{
    static const uint64_t around[] = {0, 16, 4096, 8192, 65536, 131072};
    const uint64_t middle = around[kt_random_below(seed, KT_COUNT(around))];
    const uint64_t size = middle + kt_random_below(seed, 40);
    const uint64_t less = size > 20 ? size - 20 : size;

    return less < most ? less : kt_random_below(seed, most + 1);
}

/* One random step, taken by the file and by the model. */
static void
random_step(kist_memfile *file, model *m, uint64_t *seed, uint8_t *data)
{
    const uint64_t room = m->room - m->position;
    uint64_t size;
    size_t got;

    switch (kt_random_below(seed, 8)) {
    case 0:
        size = random_size(seed, m->room);
        KT_OK(kist_memfile_truncate(file, size));
        model_truncate(m, size);
        break;
    case 1:
    case 2:
        m->position = kt_random_below(seed, m->size + 1);
        (void)seek(file, (int64_t)m->position, SEEK_SET);
        break;
    case 3:
        m->position = random_size(seed, m->room);
        (void)seek(file, (int64_t)m->position, SEEK_SET);
        break;
    case 4:
        size = random_size(seed, m->room);
        KT_OK(kist_memfile_read(file, data, size, &got));
        if (m->position < m->size) {
            const uint64_t left = m->size - m->position;

            assert_int_equal(got, left < size ? left : size);
            assert_true(memcmp(data, m->data + m->position, got) == 0);
            m->position += got;
        }
        else {
            assert_int_equal(got, 0);
        }
        break;
    default:
        size = random_size(seed, room);
        kt_fill(data, size, kt_random(seed));
        KT_OK(kist_memfile_write(file, data, size));
        model_write(m, data, size);
        break;
    }
    assert_true(tell(file) == m->position);
}

/*
 * Goal    a file holds what was written into it, at every place and size.
 * Method  random steps, compared with plain memory now and then; sizes around
 *         those at which the library stores otherwise.
 */
static void
test_random_steps(void **state)
{
    kt_place *place = *state;
    kist_memfs *fs = kt_fs_new((uint64_t)1 << 40);
    uint64_t seed = place->seed;
    model m = {.room = 1 << 20};
    uint8_t *data = malloc(m.room);

    m.data = malloc(m.room);
    assert_non_null(data);
    assert_non_null(m.data);
    for (int round = 0; round < 40; round++) {
        kist_memfile *file = kt_fs_open(fs, "/f", KIST_MODE_WB);

        kist_memfile_free(file);
        file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
        m.size = 0;
        m.position = 0;
        for (int step = 0; step < 60; step++) {
            random_step(file, &m, &seed, data);
            if (kt_random_below(&seed, 10) == 0) {
                kist_memfile_free(file);
                kt_fs_check_bytes(fs, "/f", m.data, m.size);
                file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
                m.position = 0;
            }
        }
        kist_memfile_free(file);
        kt_fs_check_bytes(fs, "/f", m.data, m.size);
        kt_fs_check_sums(fs);
    }
    free(data);
    free(m.data);
    kist_memfs_free(fs);
}

/*
 * Goal    zeros take no memory, and are read as zeros.
 * Method  a file much longer than the machine's memory.
 */
static void
test_sparse(void **state)
{
    kist_memfs *fs = kt_fs_new(UINT64_C(1) << 55);
    kist_memfile *file = kt_fs_open(fs, "/f", KIST_MODE_WB);
    const int64_t far = INT64_C(1) << 50;

    (void)state;
    KT_OK(kist_memfile_truncate(file, UINT64_C(1) << 51));
    kist_memfile_free(file);
    file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
    (void)seek(file, far - 2, SEEK_SET);
    // Too large to be promoted.
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, kist_memfile_write(file, "x", 1));
    kist_memfile_free(file);
    kt_fs_append(fs, "/f", "at the end");
    file = kt_fs_open(fs, "/f", KIST_MODE_RPB);
    (void)seek(file, far, SEEK_SET);
    for (int i = 0; i < 10; i++) {
        static const char zeros[100];
        char data[100];
        size_t got;

        memset(data, 1, sizeof(data));
        KT_OK(kist_memfile_read(file, data, 100, &got));
        assert_int_equal(got, 100);
        assert_memory_equal(data, zeros, 100);
    }
    (void)seek(file, -12, SEEK_END);
    {
        char data[12];
        size_t got;

        KT_OK(kist_memfile_read(file, data, 12, &got));
        assert_int_equal(got, 12);
        assert_memory_equal(data, "\0\0at the end", 12);
    }
    kist_memfile_free(file);
    KT_OK(kist_memfs_remove(fs, kist_str("/f")));
    kt_fs_check_stats(fs, 0, 0, 1, 0);
    kist_memfs_free(fs);
}

/* Goal: options out of range are refused, and the defaults are the
 * contract's. */
static void
test_options(void **state)
{
    kist_memfs_options options;
    kist_memfs *fs = NULL;

    (void)state;
    kist_memfs_options_init(&options);
    assert_int_equal(options.quota, 256 << 20);
    assert_int_equal(options.chunk_overhead, 93);
    assert_int_equal(options.promotion_size_max, 512 << 20);
    assert_true(options.nodes_max == UINT64_MAX);
    assert_int_equal(options.storage, KIST_MEMFS_AUTO);
    assert_int_equal(options.lock_timeout_ms, 30000);
    assert_int_equal(options.guard, KIST_GUARD_NONE);
    assert_false(options.guard_refuses);
    assert_int_equal(options.guard_interval_ms, 1000);
    options.storage = (kist_memfs_storage)7;
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_new(&options, &fs));
    kist_memfs_options_init(&options);
    options.guard = (kist_memfs_guard)7;
    KT_ANSWERS(KIST_ERR_INVALID, kist_memfs_new(&options, &fs));
    kist_memfs_options_init(&options);
    options.lock_timeout_ms = -9;
    {
        const kist_status status = kist_memfs_new(&options, &fs);

        // Below zero is "once", as the contract has it for timeouts.
        assert_true(status == KIST_OK || status == KIST_ERR_INVALID);
        if (status == KIST_OK) {
            kist_memfs_free(fs);
        }
    }
    kist_memfs_options_init(&options);
    options.quota = 0;
    KT_OK(kist_memfs_new(&options, &fs));
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_OK);
    kt_fs_check_stats(fs, 0, 1, 1, 0);
    kist_memfs_free(fs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening),     cmocka_unit_test(test_directions),
        cmocka_unit_test(test_open_order),  cmocka_unit_test(test_seek),
        cmocka_unit_test(test_write),       cmocka_unit_test(test_close),
        cmocka_unit_test(test_preallocate), cmocka_unit_test(test_generation),
        KT_TEST(test_random_steps),         cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
