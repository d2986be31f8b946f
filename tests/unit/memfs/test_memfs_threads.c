/*
 * Fifty threads, all operations.  KT_SECONDS in the environment says for how
 * long (2); KT_SEED which history.
 *
 * All that is ever written are records of 16 bytes, in whole numbers of them,
 * so that whatever anybody reads in any way can be checked.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define THREADS   50
#define SHARED    4
#define RECORD    16
#define QUOTA     ((uint64_t)8 << 20)
#define NODES_MAX 2000
#define MOST      (40000 / RECORD)

/* An open file that several threads use at once. */
typedef struct shared {
    pthread_rwlock_t lock; // written to replace the file
    kist_memfile *file;
} shared;

typedef struct world {
    kist_memfs *fs;
    shared files[SHARED];
    _Atomic uint64_t lent;     // accepted by the library
    _Atomic uint64_t released; // given back
    _Atomic uint64_t done[40]; // operations that answered OK, by number
    _Atomic bool stop;
    _Atomic int failures;
} world;

static world w;

typedef struct worker {
    pthread_t thread;
    uint64_t seed;
    uint8_t *buffer; // MOST records
} worker;

/* Threads other than cmocka's must not leave by its longjmp(). */
#define EXPECT(condition, ...)                                                \
    do {                                                                      \
        if (!(condition)) {                                                   \
            if (atomic_fetch_add(&w.failures, 1) < 10) {                      \
                fprintf(stderr, "%d: not so: %s: ", __LINE__, #condition);    \
                fprintf(stderr, __VA_ARGS__);                                 \
                fputc('\n', stderr);                                          \
            }                                                                 \
        }                                                                     \
    } while (false)

/* --- records
 * ----------------------------------------------------------------*/

static void
make_records(uint8_t *data, size_t count, uint64_t *seed)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t number = kt_random(seed);
        const uint64_t check = number * 0x9e3779b97f4a7c15u + 1;

        memcpy(data + i * RECORD, &number, 8);
        memcpy(data + i * RECORD + 8, &check, 8);
    }
}

/* Records, or the zeros of a gap. */
static void
check_records(const uint8_t *data, size_t size)
{
    EXPECT(size % RECORD == 0, "%zu bytes", size);
    for (size_t at = 0; at + RECORD <= size; at += RECORD) {
        uint64_t number;
        uint64_t check;

        memcpy(&number, data + at, 8);
        memcpy(&check, data + at + 8, 8);
        if (number != 0 || check != 0) {
            EXPECT(check == number * 0x9e3779b97f4a7c15u + 1, "at %zu of %zu",
                   at, size);
        }
    }
}

static void
check_loan(kist_loan *loan)
{
    uint8_t *copy = malloc(loan->size + 1);

    if (copy != NULL) {
        kist_loan_copy(loan, copy);
        check_records(copy, loan->size);
        if (loan->data != NULL && loan->size > 0) {
            EXPECT(memcmp(loan->data, copy, loan->size) == 0, "data");
        }
    }
    free(copy);
    kist_loan_return(loan);
}

/* Lent records: a block that knows its size. */
typedef struct lent {
    size_t size;
    uint8_t data[];
} lent;

static void
release(void *context)
{
    lent *block = context;

    memset(block->data, 0xdd, block->size);
    atomic_fetch_add(&w.released, 1);
    free(block);
}

static kist_status
write_lent(worker *me, kist_memfile *file, size_t count)
{
    lent *block = malloc(sizeof(*block) + count * RECORD);
    kist_status status;

    if (block == NULL) {
        return KIST_OK;
    }
    block->size = count * RECORD;
    make_records(block->data, count, &me->seed);
    status = kist_memfile_write_lent(file, block->data, block->size, release,
                                     block);
    if (status == KIST_OK) {
        atomic_fetch_add(&w.lent, 1);
    }
    else {
        free(block);
    }
    return status;
}

/* --- one open file
 * ----------------------------------------------------------*/

static uint64_t
below(worker *me, uint64_t limit)
{
    return kt_random_below(&me->seed, limit);
}

/* Few records mostly, many sometimes. */
static size_t
some(worker *me)
{
    return (size_t)below(me, below(me, 8) == 0 ? MOST : 20);
}

static void
check_status(kist_status status, const char *what)
{
    EXPECT(status == KIST_OK || status == KIST_END ||
               status == KIST_ERR_NOTFOUND || status == KIST_ERR_EXISTS ||
               status == KIST_ERR_LOCKED || status == KIST_ERR_QUOTA ||
               status == KIST_ERR_NODES || status == KIST_ERR_ISDIR ||
               status == KIST_ERR_NOTDIR || status == KIST_ERR_NOPARENT ||
               status == KIST_ERR_INVALID || status == KIST_ERR_UNSUPPORTED ||
               status == KIST_ERR_CLOSED,
           "%s: %s", what, kist_status_name(status));
}

static kist_status
use_file(worker *me, kist_memfile *file)
{
    uint64_t position = 0;
    uint64_t size = 0;
    kist_loan loan;
    size_t got = 0;
    size_t count;
    kist_status status = kist_memfile_size(file, &size);

    if (status == KIST_OK && below(me, 2) == 0) {
        // To a record inside, or a little behind the end.
        const uint64_t to = below(me, size / RECORD + 5) * RECORD;

        status = kist_memfile_seek(file, (int64_t)to, SEEK_SET, &position);
    }
    if (status != KIST_OK) {
        return status;
    }
    switch (below(me, 7)) {
    case 0:
        status = kist_memfile_read(file, me->buffer, some(me) * RECORD, &got);
        if (status == KIST_OK) {
            check_records(me->buffer, got);
        }
        return status;
    case 1:
        status = kist_memfile_take(file, some(me) * RECORD, &loan);
        if (status == KIST_OK) {
            check_loan(&loan);
        }
        return status;
    case 2:
        return kist_memfile_truncate(file, some(me) * RECORD);
    case 3:
    case 4:
        return write_lent(me, file, some(me));
    case 5:
        return kist_memfile_tell(file, &position);
    default:
        count = some(me);
        make_records(me->buffer, count, &me->seed);
        return kist_memfile_write(file, me->buffer, count * RECORD);
    }
}

/* --- one operation each
 * -----------------------------------------------------*/

static kist_slice
some_path(worker *me, char path[24])
{
    const uint64_t dir = below(me, 5);
    const uint64_t file = below(me, 8);

    if (dir == 4) {
        snprintf(path, 24, "/f%" PRIu64, file);
    }
    else {
        snprintf(path, 24, "/d%" PRIu64 "/%s%" PRIu64, dir,
                 below(me, 6) == 0 ? "e/f" : "f", file);
    }
    return kist_str(path);
}

static kist_slice
some_dir(worker *me, char path[24])
{
    snprintf(path, 24, "/d%" PRIu64 "%s", below(me, 4),
             below(me, 4) == 0 ? "/e" : "");
    return kist_str(path);
}

static kist_status
do_file(worker *me)
{
    char path[24];
    const kist_memfs_open_options options = {
        (int64_t)below(me, 6), below(me, 20) == 0 ? 20 * RECORD : 0};
    const kist_memfs_mode mode = (kist_memfs_mode)below(me, 5);
    kist_memfile *file;
    kist_status status =
        kist_memfs_open(w.fs, some_path(me, path), mode, &options, &file);

    if (status == KIST_OK) {
        const uint64_t steps = below(me, 5);

        for (uint64_t i = 0; i < steps; i++) {
            check_status(use_file(me, file), "use");
        }
        if (below(me, 2) == 0) {
            kist_memfile_close(file);
        }
        kist_memfile_free(file);
    }
    return status;
}

/* Several threads in one open file, one of whom may close it. */
static kist_status
do_shared(worker *me)
{
    shared *s = &w.files[below(me, SHARED)];
    kist_status status = KIST_OK;
    char path[24];

    if (below(me, 10) == 0) {
        const kist_memfs_open_options options = {1, 0};
        const kist_slice at = some_path(me, path);
        const kist_memfs_mode mode =
            below(me, 4) == 0 ? KIST_MODE_RB : KIST_MODE_RPB;

        pthread_rwlock_wrlock(&s->lock);
        kist_memfile_free(s->file);
        s->file = NULL;
        status = kist_memfs_open(w.fs, at, mode, &options, &s->file);
        if (status != KIST_OK) {
            s->file = NULL;
        }
    }
    else {
        pthread_rwlock_rdlock(&s->lock);
        for (int i = 0; i < 5 && s->file != NULL; i++) {
            status = use_file(me, s->file);
            check_status(status, "shared");
        }
        if (s->file != NULL && below(me, 8) == 0) {
            kist_memfile_close(s->file);
        }
    }
    pthread_rwlock_unlock(&s->lock);
    return status;
}

static void
count_wake(void *context)
{
    _Atomic int *woken = context;

    atomic_fetch_add(woken, 1);
}

static kist_status
do_ticket(worker *me)
{
    char path[24];
    _Atomic int woken = 0;
    kist_memfile *file = NULL;
    kist_ticket *ticket = NULL;
    const kist_slice at = some_path(me, path);
    kist_status status =
        kist_memfs_open_later(w.fs, at, (kist_memfs_mode)below(me, 5), NULL,
                              count_wake, (void *)&woken, &file, &ticket);

    if (ticket != NULL) {
        const uint64_t most = below(me, 3);

        EXPECT(status == KIST_OK && file == NULL, "ticket");
        for (uint64_t i = 0; i < most && woken == 0; i++) {
            kt_sleep_ms(1);
        }
        status = KIST_ERR_LOCKED;
        if (below(me, 2) == 0) {
            status = kist_ticket_take(ticket, &file);
        }
        if (status == KIST_ERR_LOCKED) {
            file = NULL;
            kist_ticket_cancel(ticket);
        }
        // Granted is told by whoever granted: he may still be on his way.
        for (int i = 0; i < 5000 && woken == 0; i++) {
            kt_sleep_ms(1);
        }
        EXPECT(woken == 1, "woken %d times", woken);
    }
    if (file != NULL) {
        check_status(use_file(me, file), "ticket");
        kist_memfile_free(file);
    }
    EXPECT(woken <= 1, "woken %d times", woken);
    return status;
}

static kist_status
do_import(worker *me)
{
    char paths[3][24];
    kist_memfs_item items[3] = {{.path = {NULL, 0}}};
    const size_t count = 1 + below(me, 3);
    kist_status status;

    for (size_t i = 0; i < count; i++) {
        const size_t records = some(me);
        lent *block = malloc(sizeof(*block) + records * RECORD);

        if (block == NULL) {
            return KIST_OK;
        }
        block->size = records * RECORD;
        make_records(block->data, records, &me->seed);
        items[i].path = some_path(me, paths[i]);
        items[i].data = kist_bytes(block->data, block->size);
        items[i].release = release;
        items[i].context = block;
    }
    status = kist_memfs_import(w.fs, items, count);
    for (size_t i = 0; i < count; i++) {
        if (status == KIST_OK) {
            atomic_fetch_add(&w.lent, 1);
        }
        else {
            free(items[i].context);
        }
    }
    return status;
}

static kist_status
do_export(worker *me)
{
    char path[24];
    kist_memfs_bundle *bundle;
    kist_memfs_stream *stream;
    kist_slice at;
    kist_loan loan;
    kist_status status;

    switch (below(me, 4)) {
    case 0:
        status = kist_memfs_export(w.fs, some_path(me, path), 1, &loan);
        if (status == KIST_OK) {
            check_loan(&loan);
        }
        return status;
    case 1:
        status = kist_memfs_view(w.fs, some_path(me, path), 1, &loan);
        if (status == KIST_OK) {
            EXPECT(loan.data != NULL, "view");
            check_loan(&loan);
        }
        return status;
    case 2:
        status = kist_memfs_export_tree(w.fs, some_dir(me, path),
                                        below(me, 2) == 0, 1, &bundle);
        if (status == KIST_OK) {
            for (size_t i = 0; i < bundle->count; i++) {
                check_loan(&bundle->items[i].loan);
            }
            kist_memfs_bundle_free(bundle);
        }
        return status;
    default:
        status =
            kist_memfs_stream_open(w.fs, some_dir(me, path), false, &stream);
        while (status == KIST_OK) {
            status = kist_memfs_stream_next(stream, 0, &at, &loan);
            if (status == KIST_OK) {
                check_loan(&loan);
            }
            else {
                check_status(status, "stream");
                kist_memfs_stream_close(stream);
                return KIST_OK;
            }
        }
        return status;
    }
}

static kist_status
do_list(worker *me)
{
    static const char *const patterns[] = {"**/f*", "/d[0-2]/*", "**", "*"};
    char path[24];
    const kist_memfs_names *found;
    kist_memfs_names *names;
    kist_memfs_walk *walk;
    kist_slice at;
    uint64_t version;
    kist_status status;

    switch (below(me, 4)) {
    case 0:
        status = kist_memfs_list(w.fs, some_dir(me, path), &names);
        break;
    case 1:
        status =
            kist_memfs_glob(w.fs, kist_str(patterns[below(me, 4)]), &names);
        break;
    case 2:
        return kist_memfs_list_version(w.fs, some_dir(me, path), &version);
    default:
        status = kist_memfs_walk_open(w.fs, kist_str("/"), &walk);
        if (status == KIST_OK) {
            uint64_t steps = below(me, 100);

            while (steps-- > 0 && status == KIST_OK) {
                status = kist_memfs_walk_next(walk, &at, &found);
            }
            EXPECT(status == KIST_OK || status == KIST_END, "walk: %s",
                   kist_status_name(status));
            kist_memfs_walk_close(walk);
        }
        return KIST_OK;
    }
    if (status == KIST_OK) {
        for (size_t i = 0; i < names->count; i++) {
            EXPECT(names->names[i].size > 0, "name");
        }
        kist_memfs_names_free(names);
    }
    return status;
}

static kist_status
do_tree(worker *me)
{
    char a[24];
    char b[24];

    switch (below(me, 9)) {
    case 0:
        return kist_memfs_remove(w.fs, some_path(me, a));
    case 1:
        return kist_memfs_rename(w.fs, some_path(me, a), some_path(me, b));
    case 2:
        return kist_memfs_move(w.fs, some_path(me, a), some_path(me, b));
    case 3:
        return kist_memfs_copy(w.fs, some_path(me, a), some_path(me, b), 1);
    case 4:
        return below(me, 8) == 0 ? kist_memfs_rmtree(w.fs, some_dir(me, a))
                                 : KIST_OK;
    case 5:
        return kist_memfs_move(w.fs, some_dir(me, a), some_dir(me, b));
    case 6:
        return below(me, 4) == 0 ? kist_memfs_copy_tree(w.fs, some_dir(me, a),
                                                        some_dir(me, b), 1)
                                 : KIST_OK;
    default:
        return kist_memfs_mkdir(w.fs, some_dir(me, a), below(me, 2) == 0);
    }
}

static kist_status
do_look(worker *me)
{
    char path[24];
    kist_memfs_stats stats;
    kist_memfs_stat stat;
    kist_status status;

    kist_memfs_stats_get(w.fs, &stats);
    EXPECT(stats.used <= stats.quota && stats.free == stats.quota - stats.used,
           "used %" PRIu64, stats.used);
    EXPECT(stats.files + stats.dirs <= NODES_MAX, "%" PRIu64 " nodes",
           stats.files + stats.dirs);
    (void)kist_memfs_look(w.fs, some_path(me, path));
    status = kist_memfs_stat_path(w.fs, some_path(me, path), &stat);
    if (status == KIST_OK && !stat.is_dir) {
        EXPECT(stat.size % RECORD == 0, "size %" PRIu64, stat.size);
    }
    return status;
}

/* What a clone's files hold, added up: nobody else has it. */
static void
check_clone(kist_memfs *clone)
{
    kist_memfs_bundle *bundle;
    kist_memfs_stats stats;
    uint64_t sum = 0;
    const kist_status status =
        kist_memfs_export_tree(clone, kist_str("/"), false, 0, &bundle);

    EXPECT(status == KIST_OK, "%s", kist_status_name(status));
    if (status != KIST_OK) {
        return;
    }
    for (size_t i = 0; i < bundle->count; i++) {
        sum += bundle->items[i].loan.size;
        check_loan(&bundle->items[i].loan);
    }
    kist_memfs_stats_get(clone, &stats);
    EXPECT(stats.files == bundle->count, "%" PRIu64 " files", stats.files);
    EXPECT(stats.used == sum + stats.chunks * stats.chunk_overhead,
           "used %" PRIu64 ", sum %" PRIu64, stats.used, sum);
    kist_memfs_bundle_free(bundle);
}

static kist_status
do_clone(worker *me)
{
    kist_memfs *clone;
    kist_status status;

    if (below(me, 6) != 0) {
        return KIST_OK;
    }
    status = kist_memfs_clone(w.fs, &clone);
    if (status == KIST_OK) {
        check_clone(clone);
        if (below(me, 3) == 0) {
            status = kist_memfs_restore(w.fs, clone);
        }
        else if (below(me, 2) == 0) {
            status = kist_memfs_restore(clone, w.fs);
            check_clone(clone);
        }
        kist_memfs_free(clone);
    }
    return status;
}

static const struct {
    const char *name;
    kist_status (*call)(worker *me);
    uint64_t weight;
} operations[] = {
    {"file", do_file, 10},    {"shared", do_shared, 5},
    {"ticket", do_ticket, 3}, {"import", do_import, 1},
    {"export", do_export, 2}, {"list", do_list, 2},
    {"tree", do_tree, 3},     {"look", do_look, 3},
    {"clone", do_clone, 1},
};

static void *
work(void *context)
{
    worker *me = context;

    while (!atomic_load(&w.stop) && atomic_load(&w.failures) == 0) {
        uint64_t roll = below(me, 30);
        size_t which = 0;
        kist_status status;

        while (roll >= operations[which].weight) {
            roll -= operations[which].weight;
            which++;
        }
        status = operations[which].call(me);
        check_status(status, operations[which].name);
        if (status == KIST_OK) {
            atomic_fetch_add(&w.done[which], 1);
        }
    }
    return NULL;
}

static void
start_world(void)
{
    kist_memfs_options options;

    kist_memfs_options_init(&options);
    options.quota = QUOTA;
    options.nodes_max = NODES_MAX;
    options.lock_timeout_ms = 2;
    memset(&w, 0, sizeof(w));
    KT_OK(kist_memfs_new(&options, &w.fs));
    for (size_t i = 0; i < SHARED; i++) {
        assert_int_equal(pthread_rwlock_init(&w.files[i].lock, NULL), 0);
    }
}

static void
end_world(void)
{
    kist_memfs *clone;

    for (size_t i = 0; i < SHARED; i++) {
        kist_memfile_free(w.files[i].file);
        pthread_rwlock_destroy(&w.files[i].lock);
    }
    assert_int_equal(w.failures, 0);
    kt_fs_check_sums(w.fs);
    KT_OK(kist_memfs_clone(w.fs, &clone));
    check_clone(clone);
    assert_int_equal(w.failures, 0);
    // Nothing is open any more.
    KT_OK(kist_memfs_restore(w.fs, clone));
    kist_memfs_free(clone);
    kist_memfs_free(w.fs);
    assert_true(w.lent > 0);
    assert_true(w.lent == w.released);
}

/*
 * Goal    the library is as sound under many threads as under one: contents
 *         whole, counters exact, each lent block released once, each ticket
 *         woken once, nobody stuck.
 * Method  random operations of all kinds on few paths; the preset tsan looks
 *         for races.
 */
static void
test_threads(void **state)
{
    const kt_place *place = *state;
    const char *text = getenv("KT_SECONDS");
    const uint32_t seconds =
        text == NULL ? 2 : (uint32_t)strtoul(text, NULL, 10);
    static worker workers[THREADS];

    start_world();
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].seed = place->seed + i * 1000003;
        workers[i].buffer = malloc(MOST * RECORD);
        assert_non_null(workers[i].buffer);
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    kt_sleep_ms(seconds * 1000);
    atomic_store(&w.stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        free(workers[i].buffer);
    }
    for (size_t i = 0; i < KT_COUNT(operations); i++) {
        print_message("%s %" PRIu64 "  ", operations[i].name, w.done[i]);
        assert_true(w.done[i] > 0);
    }
    print_message("lent %" PRIu64 "\n", w.lent);
    end_world();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
