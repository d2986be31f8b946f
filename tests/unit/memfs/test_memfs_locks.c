/*
 * Who may have a file: readers and writers in turn, timeouts, tickets.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsbed.h"

#define QUOTA 100000

/* Longer than any machine takes, shorter than the test's limit. */
#define LONG_MS 30000

/*
 * Goal    readers share, writers exclude, and nobody is let in twice by
 *         closing twice.
 * Method  each mode while each mode has the file.
 */
static void
test_matrix(void **state)
{
    static const kist_memfs_mode modes[] = {KIST_MODE_RB, KIST_MODE_WB,
                                            KIST_MODE_AB, KIST_MODE_RPB};
    kist_memfs *fs = kt_fs_new(QUOTA);

    (void)state;
    kt_fs_put(fs, "/f", "text");
    kt_fs_put(fs, "/g", "text");
    for (size_t i = 0; i < KT_COUNT(modes); i++) {
        for (size_t j = 0; j < KT_COUNT(modes); j++) {
            const bool both =
                modes[i] == KIST_MODE_RB && modes[j] == KIST_MODE_RB;
            kist_memfile *file = kt_fs_open(fs, "/f", modes[i]);

            assert_int_equal(kt_fs_try(fs, "/f", modes[j]),
                             both ? KIST_OK : KIST_ERR_LOCKED);
            assert_int_equal(kt_fs_try(fs, "/g", modes[j]), KIST_OK);
            kist_memfile_close(file);
            kist_memfile_close(file);
            assert_int_equal(kt_fs_try(fs, "/f", modes[j]), KIST_OK);
            kist_memfile_free(file);
        }
    }
    // Readers are counted.
    {
        kist_memfile *a = kt_fs_open(fs, "/f", KIST_MODE_RB);
        kist_memfile *b = kt_fs_open(fs, "/f", KIST_MODE_RB);

        kist_memfile_free(a);
        assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_ERR_LOCKED);
        KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_remove(fs, kist_str("/f")));
        kist_memfile_free(b);
        assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_OK);
    }
    kist_memfs_free(fs);
}

/* Opens, expecting LOCKED; how long it took. */
static uint64_t
wait_in_vain(kist_memfs *fs, kist_memfs_mode mode, int64_t timeout_ms)
{
    const kist_memfs_open_options options = {timeout_ms, 0};
    const uint64_t began = kt_now_ms();
    kist_memfile *file = NULL;

    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_open(fs, kist_str("/f"), mode, &options, &file));
    assert_null(file);
    return kt_now_ms() - began;
}

/*
 * Goal    a wait ends at its deadline, and changes nothing.
 * Method  each sort of timeout, for a file that its own thread has.
 */
static void
test_timeouts(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA); // waits for 50 ms if not told
    kist_memfile *file;
    kist_memfile *other;
    kist_loan loan;
    uint64_t took;

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    took = wait_in_vain(fs, KIST_MODE_WB, 0);
    assert_true(took < 50);
    took = wait_in_vain(fs, KIST_MODE_WB, 100);
    assert_in_range(took, 99, LONG_MS);
    took = wait_in_vain(fs, KIST_MODE_AB, KIST_WAIT_DEFAULT);
    assert_in_range(took, 49, LONG_MS);
    took = kt_now_ms();
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_open(fs, kist_str("/f"),
                                                KIST_MODE_RPB, NULL, &other));
    assert_in_range(kt_now_ms() - took, 49, LONG_MS);
    // Whoever gave up left the queue.
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RB), KIST_OK);
    kist_memfile_free(file);
    kt_fs_check(fs, "/f", "text");

    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    took = kt_now_ms();
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_export(fs, kist_str("/f"),
                                                  KIST_WAIT_DEFAULT, &loan));
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_copy(fs, kist_str("/f"), kist_str("/g"),
                               KIST_WAIT_DEFAULT));
    assert_in_range(kt_now_ms() - took, 98, LONG_MS);
    took = kt_now_ms();
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_remove(fs, kist_str("/f")));
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_rename(fs, kist_str("/f"), kist_str("/g")));
    assert_true(kt_now_ms() - took < 50);
    kist_memfile_free(file);
    assert_int_equal(kt_fs_stats(fs).files, 1);
    kist_memfs_free(fs);
}

/* --- tickets
 * ----------------------------------------------------------------*/

typedef struct waiting {
    kist_memfs *fs;
    kist_ticket *ticket;
    kist_memfile *file;
    _Atomic int woken;
} waiting;

static void
wake(void *context)
{
    waiting *w = context;

    // If a lock were held, one of these would not come back.
    (void)kt_fs_stats(w->fs);
    (void)kist_memfs_look(w->fs, kist_str("/f"));
    (void)kt_fs_try(w->fs, "/elsewhere", KIST_MODE_WB);
    atomic_fetch_add(&w->woken, 1);
}

static kist_status
later(waiting *w, kist_memfs *fs, const char *path, kist_memfs_mode mode)
{
    *w = (waiting){.fs = fs};
    return kist_memfs_open_later(fs, kist_str(path), mode, NULL, wake, w,
                                 &w->file, &w->ticket);
}

/* Joins the queue of a file that somebody has. */
static void
queue(waiting *w, kist_memfs *fs, kist_memfs_mode mode)
{
    KT_OK(later(w, fs, "/f", mode));
    assert_null(w->file);
    assert_non_null(w->ticket);
    assert_int_equal(w->woken, 0);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_ticket_take(w->ticket, &w->file));
}

static void
take(waiting *w)
{
    assert_int_equal(w->woken, 1);
    KT_OK(kist_ticket_take(w->ticket, &w->file));
    assert_non_null(w->file);
    w->ticket = NULL;
}

/*
 * Goal    who comes first is served first; readers that stand together go in
 *         together; wake comes once, when it is one's turn.
 * Method  a queue of tickets, reader, writer, readers, writer.
 */
static void
test_fifo(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    waiting w[5];

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    queue(&w[0], fs, KIST_MODE_RB);
    queue(&w[1], fs, KIST_MODE_RPB);
    queue(&w[2], fs, KIST_MODE_RB);
    queue(&w[3], fs, KIST_MODE_RB);
    queue(&w[4], fs, KIST_MODE_AB);
    kist_memfile_free(file);
    take(&w[0]);
    for (int i = 1; i < 5; i++) {
        assert_int_equal(w[i].woken, 0);
    }
    // A reader that comes now waits behind the writer.
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RB), KIST_ERR_LOCKED);
    kist_memfile_free(w[0].file);
    take(&w[1]);
    kist_memfile_free(w[1].file);
    // Granted counts, taken or not.
    assert_int_equal(w[2].woken, 1);
    assert_int_equal(w[3].woken, 1);
    assert_int_equal(w[4].woken, 0);
    take(&w[3]);
    kist_memfile_free(w[3].file);
    assert_int_equal(w[4].woken, 0);
    take(&w[2]);
    kist_memfile_close(w[2].file);
    assert_int_equal(w[4].woken, 1);
    kist_memfile_free(w[2].file);
    take(&w[4]);
    kist_memfile_free(w[4].file);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_WB), KIST_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(w[i].woken, 1);
    }
    kist_memfs_free(fs);
}

/*
 * Goal    leaving the queue wakes once and lets those behind go on, also when
 *         the turn had come and was not used.
 * Method  cancel in the middle, at the head, and after the grant.
 */
static void
test_cancel(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    waiting w[4];

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    queue(&w[0], fs, KIST_MODE_WB);
    queue(&w[1], fs, KIST_MODE_RB);
    queue(&w[2], fs, KIST_MODE_AB);
    queue(&w[3], fs, KIST_MODE_RB);
    kist_ticket_cancel(w[0].ticket); // so the reader may join the reader
    assert_int_equal(w[0].woken, 1);
    take(&w[1]);
    assert_int_equal(w[2].woken, 0);
    kist_memfile_free(file);
    assert_int_equal(w[2].woken, 0);
    kist_memfile_free(w[1].file);
    assert_int_equal(w[2].woken, 1);
    assert_int_equal(w[3].woken, 0);
    kist_ticket_cancel(w[2].ticket); // granted, and not wanted any more
    assert_int_equal(w[2].woken, 1);
    assert_int_equal(w[3].woken, 1);
    kist_ticket_cancel(w[3].ticket);
    assert_int_equal(w[3].woken, 1);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RPB), KIST_OK);
    kt_fs_check(fs, "/f", "text");

    // The last in the queue.
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    queue(&w[0], fs, KIST_MODE_WB);
    queue(&w[1], fs, KIST_MODE_WB);
    kist_ticket_cancel(w[1].ticket);
    assert_int_equal(w[1].woken, 1);
    queue(&w[2], fs, KIST_MODE_RB);
    kist_ticket_cancel(w[0].ticket);
    take(&w[2]);
    kist_memfile_free(w[2].file);
    kist_memfile_free(file);
    kist_ticket_cancel(NULL);
    KT_OK(kist_memfs_remove(fs, kist_str("/f")));
    kist_memfs_free(fs);
}

/*
 * Goal    a ticket is given only where there is something to wait for, and
 *         what it opens is as it is when it is taken.
 * Method  files that are free, missing or directories; contents that change
 *         during the wait; preallocating too much.
 */
static void
test_tickets(void **state)
{
    kist_memfs *fs = kt_fs_new(1000);
    const kist_memfs_open_options much = {0, 5000};
    kist_memfile *file;
    waiting w;
    uint64_t position;

    (void)state;
    kt_fs_put(fs, "/f", "text");
    kt_fs_mkdir(fs, "/d");
    KT_OK(later(&w, fs, "/f", KIST_MODE_RPB));
    assert_non_null(w.file);
    assert_null(w.ticket);
    kist_memfile_free(w.file);
    KT_OK(later(&w, fs, "/new", KIST_MODE_XB));
    assert_non_null(w.file);
    kist_memfile_free(w.file);
    assert_int_equal(w.woken, 0);
    KT_ANSWERS(KIST_ERR_NOTFOUND, later(&w, fs, "/x", KIST_MODE_RB));
    KT_ANSWERS(KIST_ERR_ISDIR, later(&w, fs, "/d", KIST_MODE_RB));
    KT_ANSWERS(KIST_ERR_INVALID, later(&w, fs, "/..", KIST_MODE_RB));
    KT_ANSWERS(KIST_ERR_NOPARENT, later(&w, fs, "/x/y", KIST_MODE_WB));
    KT_ANSWERS(KIST_ERR_EXISTS, later(&w, fs, "/f", KIST_MODE_XB));
    assert_null(w.file);
    assert_null(w.ticket);

    // Appends go to where the end is then; the file stays meanwhile.
    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    queue(&w, fs, KIST_MODE_AB);
    KT_OK(kist_memfile_write(file, " and more", 9));
    kist_memfile_free(file);
    KT_ANSWERS(KIST_ERR_LOCKED, kist_memfs_remove(fs, kist_str("/f")));
    KT_ANSWERS(KIST_ERR_LOCKED,
               kist_memfs_rename(fs, kist_str("/f"), kist_str("/g")));
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RB), KIST_ERR_LOCKED);
    take(&w);
    KT_OK(kist_memfile_tell(w.file, &position));
    assert_int_equal(position, 13);
    kist_memfile_free(w.file);

    // Emptied when it is taken, and not before.
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    queue(&w, fs, KIST_MODE_WB);
    assert_int_equal(kt_fs_stat(fs, "/f").size, 13);
    kist_memfile_free(file);
    take(&w);
    assert_int_equal(kt_fs_stat(fs, "/f").size, 0);
    kist_memfile_free(w.file);
    kt_fs_put(fs, "/f", "text");

    // More than the quota: the ticket is gone, and so is the lock.
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    w = (waiting){.fs = fs};
    KT_OK(kist_memfs_open_later(fs, kist_str("/f"), KIST_MODE_RPB, &much, wake,
                                &w, &w.file, &w.ticket));
    assert_non_null(w.ticket);
    kist_memfile_free(file);
    KT_ANSWERS(KIST_ERR_QUOTA, kist_ticket_take(w.ticket, &w.file));
    assert_int_equal(w.woken, 1);
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RPB), KIST_OK);
    kist_memfs_free(fs);
}

/* Goal: tickets live on when their file system was let go. */
static void
test_tickets_alone(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    kist_memfile *file;
    waiting w[2];
    char data[5];
    size_t got;

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    queue(&w[0], fs, KIST_MODE_RB);
    queue(&w[1], fs, KIST_MODE_WB);
    kist_memfs_free(fs);
    w[0].fs = kt_fs_new(QUOTA); // for wake() to call into
    w[1].fs = w[0].fs;
    KT_OK(kist_memfile_write(file, "!", 1));
    kist_memfile_free(file);
    take(&w[0]);
    KT_OK(kist_memfile_read(w[0].file, data, 5, &got));
    assert_int_equal(got, 5);
    assert_memory_equal(data, "text!", 5);
    kist_memfile_free(w[0].file);
    assert_int_equal(w[1].woken, 1);
    kist_ticket_cancel(w[1].ticket);
    kist_memfs_free(w[0].fs);
}

/* --- threads
 * ----------------------------------------------------------------*/

typedef struct opener {
    kist_memfs *fs;
    kist_memfs_mode mode;
    int64_t timeout_ms;
    _Atomic int *order; // next number to draw
    _Atomic int drawn;  // what this one drew once it was in
    kist_status status;
    pthread_t thread;
} opener;

static void *
open_and_draw(void *context)
{
    opener *o = context;
    const kist_memfs_open_options options = {o->timeout_ms, 0};
    kist_memfile *file = NULL;

    o->status =
        kist_memfs_open(o->fs, kist_str("/f"), o->mode, &options, &file);
    if (o->status == KIST_OK) {
        atomic_store(&o->drawn, atomic_fetch_add(o->order, 1) + 1);
        kt_sleep_ms(5);
        kist_memfile_free(file);
    }
    return NULL;
}

static void
start(opener *o, kist_memfs *fs, kist_memfs_mode mode, int64_t timeout_ms,
      _Atomic int *order)
{
    *o = (opener){fs, mode, timeout_ms, order, 0, KIST_OK, 0};
    assert_int_equal(pthread_create(&o->thread, NULL, open_and_draw, o), 0);
    kt_sleep_ms(30); // so that it stands in the queue
}

/*
 * Goal    threads wait in the order in which they came, as long as they were
 *         told; whoever gives up makes room.
 * Method  sleepers behind a writer, one of whom gives up.
 */
static void
test_threads_wait(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    _Atomic int order = 0;
    kist_memfile *file;
    opener o[5];

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_AB);
    start(&o[0], fs, KIST_MODE_RPB, KIST_WAIT_FOREVER, &order);
    start(&o[1], fs, KIST_MODE_AB, LONG_MS, &order);
    start(&o[2], fs, KIST_MODE_WB, 40, &order);
    start(&o[3], fs, KIST_MODE_RB, LONG_MS, &order);
    start(&o[4], fs, KIST_MODE_WB, LONG_MS, &order);
    assert_int_equal(pthread_join(o[2].thread, NULL), 0);
    assert_int_equal(o[2].status, KIST_ERR_LOCKED);
    assert_int_equal(order, 0);
    kist_memfile_free(file);
    for (int i = 0; i < 5; i++) {
        if (i != 2) {
            assert_int_equal(pthread_join(o[i].thread, NULL), 0);
            assert_int_equal(o[i].status, KIST_OK);
        }
    }
    assert_int_equal(o[0].drawn, 1);
    assert_int_equal(o[1].drawn, 2);
    assert_int_equal(o[3].drawn, 3);
    assert_int_equal(o[4].drawn, 4);
    kist_memfs_free(fs);
}

/*
 * Goal    who gives up lets those behind him go on at once.
 * Method  a writer waits in vain behind a reader, a reader behind that writer;
 *         the first reader stays.
 */
static void
test_giving_up(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    _Atomic int order = 0;
    kist_memfile *file;
    waiting w;
    opener o[2];

    (void)state;
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    start(&o[0], fs, KIST_MODE_WB, 150, &order);
    start(&o[1], fs, KIST_MODE_RB, LONG_MS, &order);
    queue(&w, fs, KIST_MODE_RB);
    assert_int_equal(order, 0);
    assert_int_equal(pthread_join(o[0].thread, NULL), 0);
    assert_int_equal(o[0].status, KIST_ERR_LOCKED);
    assert_int_equal(pthread_join(o[1].thread, NULL), 0);
    assert_int_equal(o[1].status, KIST_OK);
    take(&w);
    kist_memfile_free(w.file);
    kist_memfile_free(file);
    kt_fs_check(fs, "/f", "text");
    kist_memfs_free(fs);
}

/*
 * Goal    who waits for a file holds nothing else: all other calls go on, on
 *         that file too, as far as they do not wait.
 * Method  a writer waits behind a reader; every kind of call, timed.
 */
static void
test_others_go_on(void **state)
{
    kist_memfs *fs = kt_fs_new(QUOTA);
    _Atomic int order = 0;
    kist_memfile *file;
    kist_memfs *clone;
    kist_memfs_names *names;
    kist_loan loan;
    uint64_t began;
    opener o;

    (void)state;
    kt_fs_mkdir(fs, "/d/e");
    kt_fs_put(fs, "/d/e/g", "more");
    kt_fs_put(fs, "/f", "text");
    file = kt_fs_open(fs, "/f", KIST_MODE_RB);
    start(&o, fs, KIST_MODE_WB, LONG_MS, &order);
    began = kt_now_ms();
    assert_int_equal(kt_fs_try(fs, "/f", KIST_MODE_RB), KIST_ERR_LOCKED);
    assert_int_equal(kt_fs_stat(fs, "/f").size, 4);
    assert_int_equal(kist_memfs_look(fs, kist_str("/f")), KIST_MEMFS_FILE);
    assert_int_equal(kt_fs_stats(fs).files, 2);
    kt_fs_put(fs, "/h", "new");
    kt_fs_check(fs, "/h", "new");
    kt_fs_check_list(fs, "/", "d f h");
    kt_fs_check_glob(fs, "/**/g", "/d/e/g");
    KT_OK(kist_memfs_rename(fs, kist_str("/d/e"), kist_str("/i")));
    KT_OK(kist_memfs_copy_tree(fs, kist_str("/i"), kist_str("/j"),
                               KIST_WAIT_DEFAULT));
    KT_OK(kist_memfs_rmtree(fs, kist_str("/j")));
    KT_OK(kist_memfs_remove(fs, kist_str("/h")));
    KT_OK(kist_memfs_export(fs, kist_str("/i/g"), KIST_WAIT_DEFAULT, &loan));
    kist_loan_return(&loan);
    KT_OK(kist_memfs_list(fs, kist_str("/i"), &names));
    kist_memfs_names_free(names);
    KT_OK(kist_memfs_clone(fs, &clone));
    kist_memfs_free(clone);
    assert_true(kt_now_ms() - began < 5000);
    assert_int_equal(order, 0);
    kist_memfile_free(file);
    assert_int_equal(pthread_join(o.thread, NULL), 0);
    assert_int_equal(o.status, KIST_OK);
    kt_fs_check(fs, "/f", "");
    kist_memfs_free(fs);
}

static void *
close_soon(void *context)
{
    kt_sleep_ms(60);
    kist_memfile_close(context);
    return NULL;
}

/*
 * Goal    what reads a whole file or tree waits for its writer, and goes on
 *         when another thread has closed the file.
 * Method  each such call while a file is written, with time enough.
 */
static void
test_readers_wait(void **state)
{
    kist_memfs_options options = kt_fs_options(QUOTA);
    kist_memfs *fs;

    (void)state;
    options.lock_timeout_ms = LONG_MS;
    KT_OK(kist_memfs_new(&options, &fs));
    kt_fs_mkdir(fs, "/d");
    for (int i = 0; i < 6; i++) {
        kist_memfile *file = kt_fs_open(fs, "/d/f", KIST_MODE_WB);
        kist_memfs_bundle *bundle;
        kist_memfs_stream *stream;
        kist_slice path;
        kist_loan loan = {0};
        pthread_t thread;

        KT_OK(kist_memfile_write(file, "text", 4));
        assert_int_equal(pthread_create(&thread, NULL, close_soon, file), 0);
        switch (i) {
        case 0:
            KT_OK(kist_memfs_export(fs, kist_str("/d/f"), KIST_WAIT_DEFAULT,
                                    &loan));
            break;
        case 1:
            KT_OK(kist_memfs_view(fs, kist_str("/d/f"), KIST_WAIT_DEFAULT,
                                  &loan));
            break;
        case 2:
            KT_OK(kist_memfs_copy(fs, kist_str("/d/f"), kist_str("/c"),
                                  KIST_WAIT_DEFAULT));
            break;
        case 3:
            KT_OK(kist_memfs_copy_tree(fs, kist_str("/d"), kist_str("/e"),
                                       KIST_WAIT_DEFAULT));
            break;
        case 4:
            KT_OK(kist_memfs_export_tree(fs, kist_str("/d"), false,
                                         KIST_WAIT_DEFAULT, &bundle));
            assert_int_equal(bundle->count, 1);
            kt_loan_check(&bundle->items[0].loan, "text", 4);
            kist_memfs_bundle_free(bundle);
            break;
        default:
            KT_OK(kist_memfs_stream_open(fs, kist_str("/"), false, &stream));
            KT_OK(kist_memfs_stream_next(stream, KIST_WAIT_DEFAULT, &path,
                                         &loan));
            kist_memfs_stream_close(stream);
            break;
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (loan.size > 0) {
            kt_loan_check(&loan, "text", 4);
        }
        kist_loan_return(&loan);
        kist_memfile_free(file);
    }
    kt_fs_check(fs, "/c", "text");
    kt_fs_check(fs, "/e/f", "text");
    kt_fs_check_sums(fs);
    kist_memfs_free(fs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_tickets_alone),
        cmocka_unit_test(test_threads_wait),
        cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_others_go_on),
        cmocka_unit_test(test_readers_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
