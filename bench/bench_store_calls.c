/*
 * bench_store_calls.c - what calls on a store in a directory cost from C, to
 * be held against bench_store.c.
 *
 *   bench_store_calls DIR [COUNT [SIZE [CALL]]]
 *
 * Makes COUNT values of SIZE bytes in DIR and removes them again; prints a
 * JSON line for each call, in the units of bench_store.c, or for CALL alone:
 * that is for a profiler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kist/store.h>

#include "workload.h"

#define SIZE_LIMIT  65536u
#define WHOLE_CALLS 5u
#define FIRST_CALLS 2000u

typedef struct store_run {
    kist_store *store;
    const char *only; // the call that is wanted, or NULL
    unsigned count;
    uint32_t *order;
    kist_slice value;
    kist_buf got;
} store_run;

typedef void (*store_work)(store_run *run, unsigned i);

static void
ok(kist_status status, const char *call)
{
    if (status != KIST_OK) {
        bench_die("%s: %s", call, kist_status_name(status));
    }
}

/* The same name as the Python bench gives a key. */
static kist_slice
key_of(char space[32], const char *head, unsigned i)
{
    snprintf(space, 32, "%s-%06u", head, i);
    return kist_str(space);
}

static void
do_put_new(store_run *run, unsigned i)
{
    char space[32];

    ok(kist_store_put(run->store, key_of(space, "key", i), run->value, NULL),
       "put");
}

static void
do_put(store_run *run, unsigned i)
{
    do_put_new(run, run->order[i]);
}

static void
do_get(store_run *run, unsigned i)
{
    char space[32];

    ok(kist_store_get(run->store, key_of(space, "key", run->order[i]),
                      &run->got, NULL),
       "get");
}

static void
do_get_missing(store_run *run, unsigned i)
{
    char space[32];

    if (kist_store_get(run->store, key_of(space, "none", run->order[i]),
                       &run->got, NULL) != KIST_ERR_NOTFOUND) {
        bench_die("got what is missing");
    }
}

static void
do_stat(store_run *run, unsigned i)
{
    char space[32];
    kist_stat stat;

    ok(kist_store_stat(run->store, key_of(space, "key", run->order[i]), &stat),
       "stat");
}

static void
contains(store_run *run, const char *head, unsigned i, bool there)
{
    char space[32];
    bool found;

    ok(kist_store_contains(run->store, key_of(space, head, i), &found),
       "contains");
    if (found != there) {
        bench_die("contains was wrong");
    }
}

static void
do_contains(store_run *run, unsigned i)
{
    contains(run, "key", run->order[i], true);
}

static void
do_contains_missing(store_run *run, unsigned i)
{
    contains(run, "none", run->order[i], false);
}

static kist_decision
keep_size(void *context, const kist_slice *current, kist_buf *next)
{
    (void)context;
    kist_buf_clear(next);
    ok(kist_buf_append(next, current->data, current->size), "append");
    return KIST_REPLACE;
}

static void
do_transform(store_run *run, unsigned i)
{
    char space[32];

    ok(kist_store_transform(run->store, key_of(space, "key", run->order[i]),
                            keep_size, NULL, 0, NULL),
       "transform");
}

static void
do_remove(store_run *run, unsigned i)
{
    char space[32];

    ok(kist_store_remove(run->store, key_of(space, "key", run->order[i])),
       "remove");
}

static void
do_empty(store_run *run, unsigned i)
{
    bool empty;

    (void)i;
    ok(kist_store_is_empty(run->store, &empty), "is_empty");
}

static void
do_random(store_run *run, unsigned i)
{
    (void)i;
    ok(kist_store_random(run->store, &run->got), "random");
}

static void
scan(store_run *run, const kist_store_scan_options *how, uint64_t expected)
{
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;
    uint64_t seen = 0;

    ok(kist_store_scan_open(run->store, how, &scan), "scan");
    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        seen++;
    }
    if (status != KIST_END || seen != expected) {
        bench_die("%llu items", (unsigned long long)seen);
    }
    kist_store_scan_close(scan);
}

static void
do_keys(store_run *run, unsigned i)
{
    const kist_store_scan_options how = {.values = false};

    (void)i;
    scan(run, &how, run->count);
}

static void
do_items(store_run *run, unsigned i)
{
    const kist_store_scan_options how = {.values = true};

    (void)i;
    scan(run, &how, run->count);
}

static void
do_newest(store_run *run, unsigned i)
{
    const kist_store_scan_options how = {.order = KIST_ORDER_NEWEST,
                                         .count_max = 10};

    (void)i;
    scan(run, &how, run->count < 10 ? run->count : 10);
}

/* `calls` calls, told as the cost of one of `units`; `needed` by the next. */
static void
measure(store_run *run, const char *name, store_work work, uint64_t calls,
        uint64_t units, bool needed)
{
    const bool wanted = run->only == NULL || strcmp(run->only, name) == 0;
    bench_clock took = bench_clock_start();

    if (!wanted && !needed) {
        return;
    }
    for (uint64_t i = 0; i < calls; i++) {
        work(run, (unsigned)i);
    }
    took = bench_clock_since(took);
    if (!wanted) {
        return;
    }
    bench_row_begin("store_c");
    bench_row_text("engine", "kist");
    bench_row_text("call", name);
    bench_row_number("us", (double)took.cpu_ns / 1000 / (double)units);
    bench_row_number("wall_us", (double)took.wall_ns / 1000 / (double)units);
    bench_row_end();
}

int
main(int argc, char **argv)
{
    static uint8_t data[SIZE_LIMIT];
    store_run run = {.count = 10000};
    kist_store_options options;
    uint64_t size = 100;

    if (argc < 2) {
        bench_die("usage: bench_store_calls DIR [COUNT [SIZE [CALL]]]");
    }
    if (argc > 2) {
        run.count = (unsigned)bench_number(argv[2]);
    }
    if (argc > 3) {
        size = bench_number(argv[3]);
    }
    run.only = argc > 4 ? argv[4] : NULL;
    if (size > sizeof(data) || run.count == 0) {
        bench_die("COUNT or SIZE out of range");
    }
    memset(data, 'v', sizeof(data));
    run.value = kist_bytes(data, (size_t)size);
    run.order = bench_permutation(run.count, 1);
    kist_store_options_init(&options);
    ok(kist_store_open_dir(argv[1], &options, &run.store), argv[1]);

    const uint64_t each = run.count;
    const uint64_t all = WHOLE_CALLS * each;

    measure(&run, "put", do_put_new, each, each, true);
    measure(&run, "put_over", do_put, each, each, false);
    measure(&run, "get", do_get, each, each, false);
    measure(&run, "get_missing", do_get_missing, each, each, false);
    measure(&run, "stat", do_stat, each, each, false);
    measure(&run, "contains", do_contains, each, each, false);
    measure(&run, "contains_missing", do_contains_missing, each, each, false);
    measure(&run, "transform", do_transform, each, each, false);
    measure(&run, "keys", do_keys, WHOLE_CALLS, all, false);
    measure(&run, "items", do_items, WHOLE_CALLS, all, false);
    measure(&run, "newest", do_newest, WHOLE_CALLS, WHOLE_CALLS, false);
    measure(&run, "first", do_empty, FIRST_CALLS, FIRST_CALLS, false);
    measure(&run, "random", do_random, FIRST_CALLS, FIRST_CALLS, false);
    measure(&run, "unlink", do_remove, each, each, true);
    kist_store_close(run.store);
    kist_buf_fini(&run.got);
    free(run.order);
    if (rmdir(argv[1]) != 0) {
        bench_die("%s", argv[1]);
    }
    return 0;
}
