/*
 * Memory that fails: each call, with its 1st, 2nd, 3rd ... allocation failing,
 * once and from then on.  It answers NOMEM and has changed nothing, or it
 * went well all the same.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"
#include "support/failalloc.h"
#include "support/faultio.h"

#define QUOTA ((uint64_t)64 << 20)
#define BIG   100000
#define LONGEST                                                               \
    "a name that is longer than what any node has room for, so "              \
    "that it needs memory of its own wherever it is kept"

static int64_t
fixed_ns(void *context)
{
    (void)context;
    return INT64_C(1700000000000000000);
}

/* What a case works on. */
typedef struct bed {
    kist_memfs *fs;
    kist_memfile *file;
    kist_memfile *holder;
    kist_memfs *other;
    kist_ticket *ticket;
    kt_lent stored; // in the tree from the beginning
    kt_lent lent;   // offered by the case
    uint8_t *data;
    int woken;
} bed;

/* A call to be tried; `act` makes it once, and gives back what it got. */
typedef struct trial {
    const char *name;
    const char *path;     // opened before, if not NULL
    kist_memfs_mode mode; // so
    int64_t position;     // moved to
    kist_status (*act)(bed *b);
    bool lends; // b->lent is the library's if it goes well
} trial;

static void
fill_tree(bed *b)
{
    kist_memfile *file;

    kt_fs_mkdir(b->fs, "/d/e/empty");
    kt_fs_put(b->fs, "/d/z", "appended");
    kt_fs_append(b->fs, "/d/z", " twice");
    kt_fs_put(b->fs, "/d/a", "promoted");
    kt_fs_write_at(b->fs, "/d/a", 0, "PRO");
    kt_fs_put(b->fs, "/nothing", "");
    file = kt_fs_open(b->fs, "/d/e/pieces", KIST_MODE_WB);
    KT_OK(kist_memfile_write(file, b->data, BIG));
    KT_OK(kist_memfile_write_lent(file, b->stored.data, b->stored.size,
                                  kt_lent_release, &b->stored));
    KT_OK(kist_memfile_write(file, b->data, 3000));
    KT_OK(kist_memfile_truncate(file, 300000));
    KT_OK(kist_memfile_write(file, b->data, 10));
    kist_memfile_free(file);
    KT_OK(kist_memfs_copy(b->fs, kist_str("/d/e/pieces"), kist_str("/shared"),
                          0));
}

static void
bed_init(bed *b, const trial *t)
{
    kist_memfs_options options = kt_fs_options(QUOTA);
    uint64_t position;

    *b = (bed){.data = malloc(BIG)};
    assert_non_null(b->data);
    kt_fill(b->data, BIG, 9);
    kt_lent_init(&b->stored, 20000, 1);
    kt_lent_init(&b->lent, 20000, 2);
    options.now_ns = fixed_ns;
    KT_OK(kist_memfs_new(&options, &b->fs));
    KT_OK(kist_memfs_new(&options, &b->other));
    kt_fs_put(b->other, "/of the other", "text");
    kt_fs_mkdir(b->other, "/1/2");
    fill_tree(b);
    b->holder = kt_fs_open(b->fs, "/nothing", KIST_MODE_RB);
    if (t->path != NULL) {
        b->file = kt_fs_open(b->fs, t->path, t->mode);
        KT_OK(kist_memfile_seek(b->file, t->position, SEEK_SET, &position));
    }
}

static void
bed_fini(bed *b, bool lent)
{
    kist_memfile_free(b->file);
    kist_memfile_free(b->holder);
    kist_memfs_free(b->fs);
    kist_memfs_free(b->other);
    kt_lent_fini(&b->stored, 1);
    kt_lent_fini(&b->lent, lent ? 1 : 0);
    free(b->data);
}

/* --- the calls
 * --------------------------------------------------------------*/

/* Opens and closes. */
static kist_status
open_once(bed *b, const char *path, kist_memfs_mode mode)
{
    kist_memfile *file = NULL;
    const kist_status status =
        kist_memfs_open(b->fs, kist_str(path), mode, NULL, &file);

    kist_memfile_free(status == KIST_OK ? file : NULL);
    return status;
}

static kist_status
act_new(bed *b)
{
    kist_memfs *fs;
    const kist_status status = kist_memfs_new(NULL, &fs);

    (void)b;
    if (status == KIST_OK) {
        kist_memfs_free(fs);
    }
    return status;
}

static kist_status
act_open_new(bed *b)
{
    return open_once(b, "/d/" LONGEST, KIST_MODE_WB);
}

static kist_status
act_open_empty(bed *b)
{
    return open_once(b, "/d/e/pieces", KIST_MODE_WB);
}

static kist_status
act_open_crooked(bed *b)
{
    return open_once(b, "//d\\.\\e/../z", KIST_MODE_RB);
}

static void
note_wake(void *context)
{
    bed *b = context;

    b->woken++;
}

static kist_status
act_queue(bed *b)
{
    kist_memfile *file = NULL;
    const int before = b->woken;
    const kist_status status =
        kist_memfs_open_later(b->fs, kist_str("/nothing"), KIST_MODE_AB, NULL,
                              note_wake, b, &file, &b->ticket);

    assert_null(file);
    if (status == KIST_OK) {
        kist_ticket_cancel(b->ticket);
        assert_int_equal(b->woken, before + 1);
    }
    else {
        assert_int_equal(b->woken, before);
    }
    return status;
}

static kist_status
act_write_small(bed *b)
{
    return kist_memfile_write(b->file, "small", 5);
}

static kist_status
act_write_page(bed *b)
{
    return kist_memfile_write(b->file, b->data, 5000);
}

static kist_status
act_write_big(bed *b)
{
    return kist_memfile_write(b->file, b->data, BIG);
}

/* More than the pool's chunks hold: a mapping of its own. */
static kist_status
act_write_enormous(bed *b)
{
    static uint8_t much[(2 << 20) + 10];

    return kist_memfile_write(b->file, much, sizeof(much));
}

static kist_status
act_write_lent(bed *b)
{
    return kist_memfile_write_lent(b->file, b->lent.data, b->lent.size,
                                   kt_lent_release, &b->lent);
}

static kist_status
act_write_little_lent(bed *b)
{
    return kist_memfile_write_lent(b->file, b->lent.data, 100, kt_lent_release,
                                   &b->lent);
}

static kist_status
act_cut(bed *b)
{
    return kist_memfile_truncate(b->file, 110000);
}

static kist_status
act_grow(bed *b)
{
    return kist_memfile_truncate(b->file, 700000);
}

static kist_status
act_take(bed *b)
{
    kist_loan loan;
    const kist_status status = kist_memfile_take(b->file, 250000, &loan);

    if (status == KIST_OK) {
        uint64_t position;

        assert_int_equal(loan.size, 250000);
        kist_loan_return(&loan);
        KT_OK(kist_memfile_seek(b->file, 50, SEEK_SET, &position));
    }
    return status;
}

static kist_status
act_read(bed *b)
{
    size_t got;
    const kist_status status = kist_memfile_read(b->file, b->data, BIG, &got);
    uint64_t position;

    KT_OK(kist_memfile_seek(b->file, 50, SEEK_SET, &position));
    return status;
}

static kist_status
act_mkdir(bed *b)
{
    return kist_memfs_mkdir(b->fs, kist_str("/m/" LONGEST "/n/o"), false);
}

static kist_status
act_remove(bed *b)
{
    return kist_memfs_remove(b->fs, kist_str("/d/z"));
}

static kist_status
act_rmtree(bed *b)
{
    return kist_memfs_rmtree(b->fs, kist_str("/d"));
}

static kist_status
act_rename(bed *b)
{
    return kist_memfs_rename(b->fs, kist_str("/d/e"), kist_str("/" LONGEST));
}

static kist_status
act_move(bed *b)
{
    return kist_memfs_move(b->fs, kist_str("/d/e"), kist_str("/x/y/" LONGEST));
}

static kist_status
act_copy(bed *b)
{
    return kist_memfs_copy(b->fs, kist_str("/shared"), kist_str("/" LONGEST),
                           0);
}

static kist_status
act_copy_tree(bed *b)
{
    return kist_memfs_copy_tree(b->fs, kist_str("/d"), kist_str("/d/e/copy"),
                                0);
}

static kist_status
act_import(bed *b)
{
    const kist_memfs_item items[] = {
        {.path = kist_str("/i/j/k"), .data = kist_str("text")},
        {.path = kist_str("/d/z"),
         .data = kist_bytes(b->lent.data, b->lent.size),
         .release = kt_lent_release,
         .context = &b->lent},
        {.path = kist_str("/i/" LONGEST), .data = kist_bytes(b->data, BIG)},
        {.path = kist_str("/d/e/../e/pieces"), .data = kist_str("")},
        {.path = kist_str("/i/j/k"), .data = kist_str("again")},
    };

    return kist_memfs_import(b->fs, items, KT_COUNT(items));
}

static kist_status
act_restore(bed *b)
{
    kist_memfile_close(b->holder);
    return kist_memfs_restore(b->fs, b->other);
}

static kist_status
act_clone(bed *b)
{
    kist_memfs *clone;
    const kist_status status = kist_memfs_clone(b->fs, &clone);

    if (status == KIST_OK) {
        kist_memfs_free(clone);
    }
    return status;
}

static kist_status
act_list(bed *b)
{
    kist_memfs_names *names;
    const kist_status status = kist_memfs_list(b->fs, kist_str("/d"), &names);

    if (status == KIST_OK) {
        assert_int_equal(names->count, 3);
        kist_memfs_names_free(names);
    }
    return status;
}

static kist_status
act_glob(bed *b)
{
    kist_memfs_names *names;
    const kist_status status =
        kist_memfs_glob(b->fs, kist_str("**/[a-z]*/**/*"), &names);

    if (status == KIST_OK) {
        assert_int_equal(names->count, 5);
        kist_memfs_names_free(names);
    }
    return status;
}

static kist_status
act_walk(bed *b)
{
    kist_memfs_walk *walk;
    kist_status status = kist_memfs_walk_open(b->fs, kist_str("/"), &walk);
    size_t steps = 0;

    if (status == KIST_OK) {
        const kist_memfs_names *names;
        kist_slice path;

        while (status == KIST_OK) {
            status = kist_memfs_walk_next(walk, &path, &names);
            steps += status == KIST_OK;
        }
        kist_memfs_walk_close(walk);
    }
    if (status == KIST_END) {
        assert_int_equal(steps, 4);
        return KIST_OK;
    }
    return status;
}

static kist_status
act_export(bed *b)
{
    kist_loan loan;
    const kist_status status =
        kist_memfs_export(b->fs, kist_str("/d/e/pieces"), 0, &loan);

    if (status == KIST_OK) {
        assert_int_equal(loan.size, 300000);
        kist_loan_return(&loan);
    }
    return status;
}

static kist_status
act_view(bed *b)
{
    kist_loan loan;
    const kist_status status =
        kist_memfs_view(b->fs, kist_str("/d/e/pieces"), 0, &loan);

    if (status == KIST_OK) {
        assert_int_equal(loan.size, 300000);
        assert_non_null(loan.data);
        kist_loan_return(&loan);
    }
    return status;
}

static kist_status
act_export_tree(bed *b)
{
    kist_memfs_bundle *bundle;
    const kist_status status =
        kist_memfs_export_tree(b->fs, kist_str("/"), false, 0, &bundle);

    if (status == KIST_OK) {
        assert_int_equal(bundle->count, 5);
        kist_memfs_bundle_free(bundle);
    }
    return status;
}

/* A step that fails is tried again, so all of them come in the end. */
static kist_status
act_stream(bed *b)
{
    kist_memfs_stream *stream;
    kist_status status =
        kist_memfs_stream_open(b->fs, kist_str("/"), false, &stream);
    kist_status first = status;
    size_t steps = 0;

    if (status != KIST_OK) {
        return status;
    }
    for (int tries = 0; status != KIST_END && tries < 20; tries++) {
        kist_slice path;
        kist_loan loan;

        status = kist_memfs_stream_next(stream, 0, &path, &loan);
        if (status == KIST_OK) {
            steps++;
            kist_loan_return(&loan);
        }
        else if (status != KIST_END && first == KIST_OK) {
            first = status;
            kt_alloc_heal();
        }
    }
    assert_int_equal(steps, 5);
    kist_memfs_stream_close(stream);
    return first;
}

static kist_status
act_normalize(bed *b)
{
    kist_buf buf = {0};
    const kist_status status =
        kist_memfs_normalize(kist_str("a/./b\\..//c" LONGEST), &buf);

    (void)b;
    kist_buf_fini(&buf);
    return status;
}

static const trial trials[] = {
    {"new", NULL, 0, 0, act_new, false},
    {"open a new file", NULL, 0, 0, act_open_new, false},
    {"open and empty", NULL, 0, 0, act_open_empty, false},
    {"open by a crooked path", NULL, 0, 0, act_open_crooked, false},
    {"queue", NULL, 0, 0, act_queue, false},
    {"append a little", "/d/z", KIST_MODE_AB, 14, act_write_small, false},
    {"append a page", "/d/z", KIST_MODE_AB, 14, act_write_page, false},
    {"append much", "/d/z", KIST_MODE_AB, 14, act_write_big, false},
    {"append enormously", "/d/z", KIST_MODE_AB, 14, act_write_enormous, false},
    {"append lent", "/d/z", KIST_MODE_AB, 14, act_write_lent, true},
    {"append little lent", "/d/z", KIST_MODE_AB, 14, act_write_little_lent,
     true},
    {"promote", "/d/z", KIST_MODE_RPB, 3, act_write_small, false},
    {"write behind the end", "/d/a", KIST_MODE_RPB, 5000, act_write_small,
     false},
    {"write behind the end, promoting", "/d/z", KIST_MODE_RPB, 500000,
     act_write_page, false},
    {"write into shared", "/shared", KIST_MODE_RPB, 50, act_write_small,
     false},
    {"write over shared pieces", "/shared", KIST_MODE_RPB, 60000,
     act_write_big, false},
    {"write into lent", "/d/e/pieces", KIST_MODE_RPB, 105000, act_write_small,
     false},
    {"write lent over pieces", "/d/e/pieces", KIST_MODE_RPB, 95000,
     act_write_lent, true},
    {"write a page over pieces", "/d/e/pieces", KIST_MODE_RPB, 118000,
     act_write_page, false},
    {"cut", "/d/e/pieces", KIST_MODE_RPB, 50, act_cut, false},
    {"grow", "/d/e/pieces", KIST_MODE_RPB, 50, act_grow, false},
    {"take", "/d/e/pieces", KIST_MODE_RB, 50, act_take, false},
    {"read", "/d/e/pieces", KIST_MODE_RB, 50, act_read, false},
    {"mkdir", NULL, 0, 0, act_mkdir, false},
    {"remove", NULL, 0, 0, act_remove, false},
    {"rmtree", NULL, 0, 0, act_rmtree, false},
    {"rename", NULL, 0, 0, act_rename, false},
    {"move", NULL, 0, 0, act_move, false},
    {"copy", NULL, 0, 0, act_copy, false},
    {"copy tree", NULL, 0, 0, act_copy_tree, false},
    {"import", NULL, 0, 0, act_import, true},
    {"restore", NULL, 0, 0, act_restore, false},
    {"clone", NULL, 0, 0, act_clone, false},
    {"list", NULL, 0, 0, act_list, false},
    {"glob", NULL, 0, 0, act_glob, false},
    {"walk", NULL, 0, 0, act_walk, false},
    {"export", NULL, 0, 0, act_export, false},
    {"view", NULL, 0, 0, act_view, false},
    {"export tree", NULL, 0, 0, act_export_tree, false},
    {"stream", NULL, 0, 0, act_stream, false},
    {"normalize", NULL, 0, 0, act_normalize, false},
};

/* All there is to see; the file that is open is closed for it. */
static char *
see(bed *b)
{
    if (b->file != NULL) {
        kist_memfile_close(b->file);
    }
    return kt_fs_describe(b->fs, true);
}

/* What it looks like before and after the call, when all goes well. */
static void
describe_both(const trial *t, char **before, char **after)
{
    bed b;

    bed_init(&b, t);
    *before = see(&b);
    bed_fini(&b, false);
    bed_init(&b, t);
    KT_OK(t->act(&b));
    *after = see(&b);
    bed_fini(&b, t->lends);
}

static uint64_t
tell(const bed *b)
{
    uint64_t position = 0;

    if (b->file != NULL) {
        KT_OK(kist_memfile_tell(b->file, &position));
    }
    return position;
}

/* What fails: one allocation, all from that one on, or every mapping. */
typedef enum weapon { ONCE, FROM_THEN_ON, MAPPINGS } weapon;

static const char *const weapons[] = {"", " and on", ", mappings"};

static void
arm(weapon with, uint64_t nth)
{
    if (with == MAPPINGS) {
        kt_io_fail(KT_CALL_BIT(KT_CALL_MAP), 1, true, ENOMEM);
    }
    else {
        kt_alloc_fail(nth, with == FROM_THEN_ON);
    }
}

static bool
heal(weapon with)
{
    const bool hit = with == MAPPINGS ? kt_io_hits() > 0 : kt_alloc_hit();

    kt_io_heal();
    kt_alloc_heal();
    return hit;
}

/* One call with one failure; true if there was something to fail. */
static bool
try_once(const trial *t, uint64_t nth, weapon with, const char *before,
         const char *after, uint64_t *refusals)
{
    kist_status status;
    uint64_t position;
    char *text;
    bool hit;
    bed b;

    bed_init(&b, t);
    position = tell(&b);
    arm(with, nth);
    status = t->act(&b);
    hit = heal(with);
    KT_CHECK(status == KIST_OK || status == KIST_ERR_NOMEM,
             "%s, allocation %" PRIu64 ": %s", t->name, nth,
             kist_status_name(status));
    KT_CHECK(status == KIST_OK || hit, "%s: no memory, and none failed",
             t->name);
    if (status == KIST_ERR_NOMEM) {
        (*refusals)++;
        KT_CHECK(tell(&b) == position, "%s: position", t->name);
        // Half of them are asked again, as if nothing had been.
        if (nth % 2 == 0) {
            status = t->act(&b);
            KT_CHECK(status == KIST_OK, "%s again: %s", t->name,
                     kist_status_name(status));
        }
    }
    text = see(&b);
    KT_CHECK(strcmp(text, status == KIST_OK ? after : before) == 0,
             "%s, allocation %" PRIu64 "%s: %s\n%s\nshould be\n%s", t->name,
             nth, weapons[with], kist_status_name(status), text,
             status == KIST_OK ? after : before);
    free(text);
    bed_fini(&b, t->lends && status == KIST_OK);
    return hit;
}

/*
 * Goal    no call loses, leaks or counts anything where memory fails.
 * Method  all of them, each allocation; the sanitizer sees what leaks.
 */
static void
test_each_call(void **state)
{
    uint64_t refusals = 0;
    uint64_t mappings = 0;

    (void)state;
    kt_io_install();
    for (size_t i = 0; i < KT_COUNT(trials); i++) {
        const uint64_t refused = refusals;
        uint64_t nth = 1;
        char *before;
        char *after;

        describe_both(&trials[i], &before, &after);
        while (try_once(&trials[i], nth, ONCE, before, after, &refusals)) {
            (void)try_once(&trials[i], nth, FROM_THEN_ON, before, after,
                           &refusals);
            nth++;
        }
        (void)try_once(&trials[i], 1, MAPPINGS, before, after, &mappings);
        if (getenv("KT_VERBOSE") != NULL) {
            print_message("%s: %d allocations, %d refusals\n", trials[i].name,
                          (int)nth - 1, (int)(refusals - refused));
        }
        free(before);
        free(after);
    }
    kt_io_remove();
    assert_true(refusals > 100);
    assert_true(mappings > 0);
}

/* --- a long history
 * ---------------------------------------------------------*/

#define LENTS 40

/* Many steps, whatever they answer; `seed` makes them. */
static void
run_history(kist_memfs *fs, uint64_t seed, kt_lent *lents, int *lent_times,
            const uint8_t *data)
{
    static const char *const paths[] = {"/a", "/b", "/d/c", "/d/e/f", "/g/h"};
    size_t next = 0;

    for (int step = 0; step < 120; step++) {
        const kist_slice path =
            kist_str(paths[kt_random_below(&seed, KT_COUNT(paths))]);
        const kist_slice other =
            kist_str(paths[kt_random_below(&seed, KT_COUNT(paths))]);
        const uint64_t what = kt_random_below(&seed, 8);
        const size_t size = kt_random_below(&seed, 30000);
        kist_status status = KIST_OK;
        kist_memfile *file;
        uint64_t position;

        switch (what) {
        case 0:
            status = kist_memfs_mkdir(fs, kist_str("/d/e"), true);
            break;
        case 1:
            status = kist_memfs_move(fs, path, other);
            break;
        case 2:
            status = kist_memfs_copy(fs, path, other, 0);
            break;
        case 3:
            status = kist_memfs_remove(fs, path);
            break;
        default:
            status = kist_memfs_open(fs, path, KIST_MODE_AB, NULL, &file);
            if (status != KIST_OK) {
                break;
            }
            status = kist_memfile_seek(file, 100, SEEK_SET, &position);
            if (status == KIST_OK && next < LENTS) {
                status = kist_memfile_write_lent(
                    file, lents[next].data, lents[next].size, kt_lent_release,
                    &lents[next]);
                lent_times[next] = status == KIST_OK;
                next++;
            }
            if (what > 5) {
                status = kist_memfile_write(file, data, size);
            }
            kist_memfile_free(file);
            break;
        }
        (void)status;
    }
}

/*
 * Goal    whatever fails in the middle, the counters are right at the end and
 *         each lent run of bytes was released once, or never taken.
 * Method  one history, its allocation 1, 2 ... failing; steps of about a
 *         tenth, as there are many.
 */
static void
test_history(void **state)
{
    const kt_place *place = *state;
    uint8_t *data = malloc(30000);
    uint64_t nth = 1;
    bool hit = true;

    assert_non_null(data);
    kt_fill(data, 30000, 1);
    while (hit) {
        for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
            kist_memfs *fs = kt_fs_new((uint64_t)800 << 10);
            kt_lent lents[LENTS];
            int times[LENTS] = {0};

            for (size_t i = 0; i < LENTS; i++) {
                kt_lent_init(&lents[i], i % 2 == 0 ? 9000 : 900, i);
            }
            kt_alloc_fail(nth, from_then_on);
            run_history(fs, place->seed, lents, times, data);
            hit = kt_alloc_hit();
            kt_alloc_heal();
            kt_fs_check_sums(fs);
            kist_memfs_free(fs);
            for (size_t i = 0; i < LENTS; i++) {
                kt_lent_fini(&lents[i], times[i]);
            }
        }
        nth += 1 + nth / 10;
    }
    assert_true(nth > 50);
    free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call),
        KT_TEST(test_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
