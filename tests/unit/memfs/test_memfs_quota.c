/*
 * The quota, exact to the byte: chosen cases, and random histories beside a
 * model that knows nothing but the contract (1.5).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define FILES 5
#define OH    KT_OVERHEAD

/* Fails unless `call` is refused for want of `asked` bytes where `left` are
 * free. */
#define REFUSED(wanted, left, call)                                           \
    do {                                                                      \
        KT_ANSWERS(KIST_ERR_QUOTA, call);                                     \
        assert_int_equal(kist_last_error()->asked, wanted);                   \
        assert_int_equal(kist_last_error()->available, left);                 \
    } while (false)

static kist_status
try_write(kist_memfs *fs, const char *path, int64_t offset, const void *data,
          size_t size)
{
    kist_memfile *file =
        kt_fs_open(fs, path, offset < 0 ? KIST_MODE_AB : KIST_MODE_RPB);
    uint64_t position;
    kist_status status;

    if (offset >= 0) {
        KT_OK(kist_memfile_seek(file, offset, SEEK_SET, &position));
    }
    status = kist_memfile_write(file, data, size);
    kist_memfile_free(file);
    return status;
}

static kist_status
try_truncate(kist_memfs *fs, const char *path, uint64_t size)
{
    kist_memfile *file = kt_fs_open(fs, path, KIST_MODE_RPB);
    const kist_status status = kist_memfile_truncate(file, size);

    kist_memfile_free(file);
    return status;
}

/*
 * Goal    what is appended counts its bytes and a chunk; what does not fit
 *         changes nothing.
 * Method  up to the last byte of a quota, and one beyond.
 */
static void
test_to_the_byte(void **state)
{
    kist_memfs *fs = kt_fs_new(1000);
    static const char data[1000] = "0123456789";

    (void)state;
    kt_fs_put(fs, "/f", "0123456789");
    REFUSED(805 + OH, 990 - OH, try_write(fs, "/f", -1, data, 805));
    kt_fs_check_stats(fs, 10 + OH, 1, 1, 1);
    KT_OK(try_write(fs, "/f", -1, data, 804));
    kt_fs_check_stats(fs, 1000, 1, 1, 2);
    REFUSED(1 + OH, 0, try_write(fs, "/f", -1, data, 1));
    REFUSED(1 + OH, 0, try_truncate(fs, "/f", 815));
    // What is left after shrinking is one chunk.
    KT_OK(try_truncate(fs, "/f", 800));
    kt_fs_check_stats(fs, 800 + OH, 1, 1, 1);
    KT_OK(try_truncate(fs, "/f", 0));
    kt_fs_check_stats(fs, 0, 1, 1, 0);
    KT_OK(try_truncate(fs, "/f", 907));
    kt_fs_check_stats(fs, 1000, 1, 1, 1);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_OK);
    kt_fs_check_stats(fs, 0, 1, 1, 0);
    kist_memfs_free(fs);
}

/*
 * Goal    a write elsewhere than at the end promotes, for which the file must
 *         fit the quota once more; then bytes alone count.
 * Method  numbers that the published package answers too.
 */
static void
test_promotion(void **state)
{
    kist_memfs_options options = kt_fs_options(2000);
    kist_memfs *fs;
    static char data[2100];

    (void)state;
    options.chunk_overhead = 0;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "");
    KT_OK(try_write(fs, "/f", -1, data, 1001));
    REFUSED(1001, 999, try_write(fs, "/f", 0, data, 5));
    kt_fs_check_stats(fs, 1001, 1, 1, 1);
    KT_OK(try_truncate(fs, "/f", 900));
    REFUSED(600, 200, try_write(fs, "/f", 0, data, 1500));
    REFUSED(1101, 200, try_write(fs, "/f", 0, data, 2001));
    kt_fs_check_stats(fs, 900, 1, 1, 1);
    KT_OK(try_write(fs, "/f", 0, data, 5));
    kt_fs_check_stats(fs, 900, 1, 1, 0);
    KT_OK(try_write(fs, "/f", 0, data, 2000));
    REFUSED(1, 0, try_write(fs, "/f", -1, data, 1));
    KT_OK(try_write(fs, "/f", 5, data, 1995));
    kt_fs_check_stats(fs, 2000, 1, 1, 0);
    kist_memfs_free(fs);

    fs = kt_fs_new(2000);
    kt_fs_put(fs, "/f", "0123456789");
    kt_fs_append(fs, "/f", "0123456789");
    kt_fs_check_stats(fs, 20 + 2 * OH, 1, 1, 2);
    // Nothing at another place than the end is a promotion too.
    KT_OK(try_write(fs, "/f", 3, data, 0));
    kt_fs_check_stats(fs, 20, 1, 1, 0);
    kt_fs_append(fs, "/f", "012");
    KT_OK(try_truncate(fs, "/f", 30));
    kt_fs_check_stats(fs, 30, 1, 1, 0);
    KT_OK(try_truncate(fs, "/f", 29));
    kt_fs_check_stats(fs, 29, 1, 1, 0);
    // It stays promoted when it is emptied, and not when it is made again.
    kt_fs_put(fs, "/f", "0123");
    kt_fs_check_stats(fs, 4, 1, 1, 0);
    KT_OK(kist_memfs_copy(fs, kist_str("/f"), kist_str("/g"),
                          KIST_WAIT_DEFAULT));
    kt_fs_check_stats(fs, 8 + OH, 2, 1, 1);
    KT_OK(kist_memfs_remove(fs, kist_str("/f")));
    kt_fs_put(fs, "/f", "0123");
    kt_fs_check_stats(fs, 8 + 2 * OH, 2, 1, 2);
    KT_OK(try_write(fs, "/f", 100, data, 1));
    kt_fs_check_stats(fs, 105 + OH, 2, 1, 1);
    kist_memfs_free(fs);
}

/*
 * Goal    storages that never or always are promoted, and files that are too
 *         large for it.
 * Method  the same writes in each.
 */
static void
test_storages(void **state)
{
    kist_memfs_options options = kt_fs_options(2000);
    kist_memfs_open_options room = {0, 50};
    kist_memfile *file;
    kist_memfs *fs;

    (void)state;
    options.storage = KIST_MEMFS_SEQUENTIAL;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "0123456789");
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, try_write(fs, "/f", 3, "x", 1));
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, try_write(fs, "/f", 3, "x", 0));
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, try_write(fs, "/f", 11, "x", 1));
    KT_OK(try_write(fs, "/f", 10, "x", 1));
    KT_OK(try_truncate(fs, "/f", 5));
    KT_OK(try_truncate(fs, "/f", 6));
    kt_fs_check_stats(fs, 6 + 2 * OH, 1, 1, 2);
    KT_OK(kist_memfs_open(fs, kist_str("/g"), KIST_MODE_WB, &room, &file));
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, kist_memfile_write(file, "x", 1));
    kist_memfile_free(file);
    kt_fs_check_bytes(fs, "/f", "01234\0", 6);
    kist_memfs_free(fs);

    options.storage = KIST_MEMFS_RANDOM_ACCESS;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "0123456789");
    kt_fs_append(fs, "/f", "0123456789");
    KT_OK(try_truncate(fs, "/f", 25));
    KT_OK(try_write(fs, "/f", 3, "x", 1));
    KT_OK(kist_memfs_copy(fs, kist_str("/f"), kist_str("/g"),
                          KIST_WAIT_DEFAULT));
    kt_fs_check_stats(fs, 50, 2, 1, 0);
    {
        const kist_memfs_item item = {.path = kist_str("/h"),
                                      .data = kist_str("0123456789")};

        KT_OK(kist_memfs_import(fs, &item, 1));
        kt_fs_check_stats(fs, 60, 3, 1, 0);
    }
    kist_memfs_free(fs);

    options.storage = KIST_MEMFS_AUTO;
    options.promotion_size_max = 10;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_put(fs, "/f", "0123456789a");
    KT_ANSWERS(KIST_ERR_UNSUPPORTED, try_write(fs, "/f", 3, "x", 1));
    kt_fs_check(fs, "/f", "0123456789a");
    kt_fs_check_stats(fs, 11 + OH, 1, 1, 1);
    kt_fs_put(fs, "/f", "0123456789");
    KT_OK(try_write(fs, "/f", 3, "xxxxxxxxxxxxx", 13));
    kt_fs_check(fs, "/f", "012xxxxxxxxxxxxx");
    kt_fs_check_stats(fs, 16, 1, 1, 0);
    kist_memfs_free(fs);
}

/*
 * Goal    what does not fit is refused before memory is taken, whatever the
 *         numbers.
 * Method  sizes that no machine has, and that overflow sums.
 */
static void
test_enormous(void **state)
{
    static const uint64_t sizes[] = {UINT64_C(1) << 50, INT64_MAX,
                                     (uint64_t)INT64_MAX + 1, UINT64_MAX - 1,
                                     UINT64_MAX};
    kist_memfs_options options = kt_fs_options(1000);
    kist_memfs *fs = kt_fs_new(1000);

    (void)state;
    kt_fs_put(fs, "/f", "0123456789");
    for (size_t i = 0; i < KT_COUNT(sizes); i++) {
        const kist_status status = try_truncate(fs, "/f", sizes[i]);

        assert_true(status == KIST_ERR_QUOTA || status == KIST_ERR_TOOBIG);
        kt_fs_check_stats(fs, 10 + OH, 1, 1, 1);
    }
    REFUSED(sizes[0] - 10 + OH, 1000 - 10 - OH,
            try_truncate(fs, "/f", sizes[0]));
    {
        const kist_status status =
            try_write(fs, "/f", INT64_MAX - 1, "0123", 4);

        assert_true(status == KIST_ERR_QUOTA || status == KIST_ERR_TOOBIG);
        REFUSED(INT64_MAX - 10, 980,
                try_write(fs, "/f", INT64_MAX - 1, "0", 1));
    }
    kt_fs_check(fs, "/f", "0123456789");
    kist_memfs_free(fs);

    // No quota, and an overhead that makes sums overflow.
    options.quota = UINT64_MAX;
    options.chunk_overhead = UINT64_MAX - 5;
    if (kist_memfs_new(&options, &fs) == KIST_OK) {
        kist_memfile *file = kt_fs_open(fs, "/f", KIST_MODE_WB);

        assert_int_equal(kist_memfile_write(file, "0123456789", 10),
                         KIST_ERR_QUOTA);
        kist_memfile_free(file);
        kt_fs_check_stats(fs, 0, 1, 1, 0);
        kist_memfs_free(fs);
    }
}

/* --- random histories beside a model
 * ----------------------------------------*/

typedef struct entry {
    bool there;
    bool promoted;
    uint64_t size;
    uint64_t chunks;
    uint64_t generation;
} entry;

typedef struct model {
    kist_memfs_options options;
    entry files[FILES];
    uint64_t used;
    int op;         // of the last step
    uint64_t asked; // of the last refusal
    uint64_t available;
} model;

static uint64_t
usage(const model *m, const entry *e)
{
    return e->promoted ? e->size
                       : e->size + e->chunks * m->options.chunk_overhead;
}

static void
recount(model *m)
{
    m->used = 0;
    for (size_t i = 0; i < FILES; i++) {
        m->used += m->files[i].there ? usage(m, &m->files[i]) : 0;
    }
}

static kist_status
refuse(model *m, uint64_t asked, uint64_t available)
{
    m->asked = asked;
    m->available = available;
    return KIST_ERR_QUOTA;
}

/* A new file's storage. */
static entry
fresh(const model *m, uint64_t size, uint64_t generation)
{
    const bool promoted = m->options.storage == KIST_MEMFS_RANDOM_ACCESS;

    return (entry){true, promoted, size, !promoted && size > 0, generation};
}

static kist_status
model_write(model *m, entry *e, uint64_t offset, uint64_t size)
{
    const uint64_t free_bytes = m->options.quota - m->used;
    const uint64_t end = offset + size;
    const uint64_t grown = size > 0 && end > e->size ? end - e->size : 0;

    if (e->promoted) {
        if (grown > free_bytes) {
            return refuse(m, grown, free_bytes);
        }
    }
    else if (offset == e->size) {
        const uint64_t more = size > 0 ? size + m->options.chunk_overhead : 0;

        if (more > free_bytes) {
            return refuse(m, more, free_bytes);
        }
        e->chunks += size > 0;
    }
    else {
        uint64_t available;

        if (m->options.storage == KIST_MEMFS_SEQUENTIAL ||
            e->size > m->options.promotion_size_max) {
            return KIST_ERR_UNSUPPORTED;
        }
        if (e->size > free_bytes) {
            return refuse(m, e->size, free_bytes);
        }
        available =
            free_bytes - e->size + e->chunks * m->options.chunk_overhead;
        if (grown > available) {
            return refuse(m, grown, available);
        }
        e->promoted = true;
        e->chunks = 0;
    }
    e->size += grown;
    e->generation += size > 0;
    return KIST_OK;
}

static kist_status
model_truncate(model *m, entry *e, uint64_t size)
{
    const uint64_t free_bytes = m->options.quota - m->used;

    if (size > e->size) {
        const uint64_t more =
            size - e->size + (e->promoted ? 0 : m->options.chunk_overhead);

        if (more > free_bytes) {
            return refuse(m, more, free_bytes);
        }
        e->chunks += !e->promoted;
    }
    else if (size < e->size) {
        e->chunks = !e->promoted && size > 0;
    }
    e->generation += size != e->size;
    e->size = size;
    return KIST_OK;
}

/* A file of `size` in the place of what e is, which pays for it. */
static kist_status
model_new(model *m, entry *e, uint64_t size, uint64_t generation)
{
    const entry made = fresh(m, size, generation);
    const uint64_t before = e->there ? usage(m, e) : 0;
    const uint64_t after = usage(m, &made);

    if (after > before && after - before > m->options.quota - m->used) {
        return refuse(m, after - before, m->options.quota - m->used);
    }
    *e = made;
    return KIST_OK;
}

static void
check_model(kist_memfs *fs, const model *m)
{
    uint64_t files = 0;
    uint64_t chunks = 0;

    for (int i = 0; i < FILES; i++) {
        const entry *e = &m->files[i];
        char path[4] = {'/', (char)('a' + i), '\0'};

        if (!e->there) {
            assert_int_equal(kist_memfs_look(fs, kist_str(path)),
                             KIST_MEMFS_NOTHING);
            continue;
        }
        files++;
        chunks += e->promoted ? 0 : e->chunks;
        assert_int_equal(kt_fs_stat(fs, path).size, e->size);
        assert_int_equal(kt_fs_stat(fs, path).generation, e->generation);
    }
    kt_fs_check_stats(fs, m->used, files, 1, chunks);
}

static const uint8_t zeros[5000];

static kist_status
try_import(kist_memfs *fs, const char *path, size_t size)
{
    const kist_memfs_item item = {.path = kist_str(path),
                                  .data = kist_bytes(zeros, size)};

    return kist_memfs_import(fs, &item, 1);
}

/* One random operation; what it answers is what the model says. */
static void
random_step(kist_memfs *fs, model *m, uint64_t *seed)
{
    const size_t n = (size_t)kt_random_below(seed, FILES);
    const size_t other = (size_t)kt_random_below(seed, FILES);
    entry *e = &m->files[n];
    entry *o = &m->files[other];
    const char path[4] = {'/', (char)('a' + n), '\0'};
    const char to[4] = {'/', (char)('a' + other), '\0'};
    const uint64_t size =
        kt_random_below(seed, 1 + kt_random_below(seed, sizeof(zeros)));
    const uint64_t offset = kt_random_below(seed, e->size + 20);
    kist_status status;
    kist_status expected;

    m->op = (int)kt_random_below(seed, e->there ? 8 : 2);
    switch (m->op) {
    case 0:
        status = try_import(fs, path, size);
        expected = model_new(m, e, size, 0);
        break;
    case 1:
        status = kt_fs_try(fs, path, KIST_MODE_WB);
        if (e->there) {
            *e = (entry){true, e->promoted, 0, 0, e->generation + 1};
        }
        else {
            *e = fresh(m, 0, 0);
        }
        expected = KIST_OK;
        break;
    case 2:
        status = kist_memfs_remove(fs, kist_str(path));
        *e = (entry){.there = false};
        expected = KIST_OK;
        break;
    case 3:
        status = try_truncate(fs, path, size);
        expected = model_truncate(m, e, size);
        break;
    case 4:
        status = kist_memfs_copy(fs, kist_str(path), kist_str(to),
                                 KIST_WAIT_DEFAULT);
        expected =
            o->there ? KIST_ERR_EXISTS : model_new(m, o, e->size, e->size > 0);
        break;
    case 5:
        status = try_write(fs, path, (int64_t)offset, zeros, size);
        expected = model_write(m, e, offset, size);
        break;
    default:
        status = try_write(fs, path, -1, zeros, size);
        expected = model_write(m, e, e->size, size);
        break;
    }
    KT_CHECK(status == expected, "%s, not %s", kist_status_name(status),
             kist_status_name(expected));
    if (expected == KIST_ERR_QUOTA) {
        const kist_error *error = kist_last_error();

        KT_CHECK(
            error->asked == m->asked && error->available == m->available,
            "step %d: %" PRIu64 " of %" PRIu64 ", not %" PRIu64 " of %" PRIu64,
            m->op, error->asked, error->available, m->asked, m->available);
    }
    recount(m);
    check_model(fs, m);
}

/*
 * Goal    after any history, each counter is what the contract says, and a
 *         refusal names the right numbers.
 * Method  random steps over a few files and all sorts of options, with quotas
 *         that are too small now and then.
 */
static void
test_random_history(void **state)
{
    const kt_place *place = *state;
    uint64_t seed = place->seed;

    for (int round = 0; round < 120; round++) {
        model m = {.options = kt_fs_options(0)};
        kist_memfs *fs;

        m.options.quota = 500 + kt_random_below(&seed, 15000);
        m.options.chunk_overhead =
            kt_random_below(&seed, 3) == 0 ? 0 : 1 + kt_random(&seed) % 300;
        m.options.storage = (kist_memfs_storage)kt_random_below(&seed, 3);
        if (kt_random_below(&seed, 2) == 0) {
            m.options.promotion_size_max = kt_random_below(&seed, 3000);
        }
        KT_OK(kist_memfs_new(&m.options, &fs));
        for (int step = 0; step < 150; step++) {
            random_step(fs, &m, &seed);
        }
        kist_memfs_free(fs);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_byte), cmocka_unit_test(test_promotion),
        cmocka_unit_test(test_storages),    cmocka_unit_test(test_enormous),
        KT_TEST(test_random_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
