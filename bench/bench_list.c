/*
 * bench_list.c - what a list costs: kist's, a SQLite table, and two
 * yardsticks in memory (listeng_array.c).
 *
 *   bench_list -e ENGINE -d DIR [-n ITEMS] [-s MAX_SECONDS]
 *
 * One run: append ITEMS, get at random, iterate; insert in the middle until a
 * fifth is added or the time is up; get and iterate again; pop at random.
 * ENGINE "kist-dict" loads a dict of the same size instead, for comparison;
 * "kist-int" does the same to a typed list of numbers, whose items stand in
 * the index itself.
 * Prints a JSON line per phase.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kist/kist.h>

#include "engine.h"
#include "listeng.h"
#include "workload.h"

#define INSERT_SHARE 5u
#define CHECK_EVERY  64u

static const list_engine *const engines[] = {
    &listeng_kist,
    &listeng_array,
    &listeng_blocks,
    &listeng_sqlite,
};

typedef struct list_run {
    const list_engine *eng;
    void *db;
    uint64_t base;  // items that were appended
    uint64_t count; // items that there are
    uint64_t limit_ns;
} list_run;

static void
report(const list_run *run, const char *name, const char *phase,
       bench_clock start, uint64_t ops)
{
    bench_clock spent;

    if (run->eng != NULL && run->eng->commit != NULL) {
        run->eng->commit(run->db);
    }
    spent = bench_clock_since(start);
    bench_row_begin("list");
    bench_row_text("engine", name);
    bench_row_text("phase", phase);
    bench_row_number("n", (double)run->base);
    bench_row_number("ops", (double)ops);
    bench_row_number("cpu_ns", (double)spent.cpu_ns / (double)ops);
    bench_row_number("wall_ns", (double)spent.wall_ns / (double)ops);
    bench_row_end();
}

/* True every now and then once the time of a phase is up. */
static inline bool
late(const list_run *run, bench_clock start, uint64_t i)
{
    return i % CHECK_EVERY == CHECK_EVERY - 1 &&
           bench_now_ns() - start.wall_ns > run->limit_ns;
}

static void
phase_append(list_run *run)
{
    const bench_clock start = bench_clock_start();
    uint8_t space[BENCH_VALUE_SIZE];
    uint64_t i;

    for (i = 0; i < run->base; i++) {
        run->eng->append(run->db, bench_value(space, (uint32_t)i, 0));
    }
    run->count = run->base;
    report(run, run->eng->name, "append", start, run->base);
}

static void
phase_get(list_run *run, const char *phase, bool in_place)
{
    uint32_t *ids = bench_permutation(run->count, 11);
    const bench_clock start = bench_clock_start();
    uint64_t i;

    for (i = 0; i < run->count;) {
        const eng_blob value = run->eng->get(run->db, ids[i]);

        bench_check(value, in_place ? ids[i] : bench_value_id(value));
        if (late(run, start, i++)) {
            break;
        }
    }
    report(run, run->eng->name, phase, start, i);
    free(ids);
}

typedef struct list_sum {
    uint64_t count;
    uint64_t ids;
} list_sum;

static void
add_item(void *context, eng_blob key, eng_blob value)
{
    list_sum *sum = context;

    (void)key;
    sum->count++;
    sum->ids += bench_value_id(value);
}

static void
phase_iterate(list_run *run, const char *phase)
{
    const bench_clock start = bench_clock_start();
    list_sum sum = {0, 0};

    run->eng->iterate(run->db, add_item, &sum);
    report(run, run->eng->name, phase, start, run->count);
    if (sum.count != run->count ||
        sum.ids != run->count * (run->count - 1) / 2) {
        bench_die("%s: iteration saw %llu of %llu items", run->eng->name,
                  (unsigned long long)sum.count,
                  (unsigned long long)run->count);
    }
}

static void
phase_insert(list_run *run)
{
    const bench_clock start = bench_clock_start();
    uint8_t space[BENCH_VALUE_SIZE];
    bench_rand rand = {12};
    uint64_t i;

    for (i = 0; i < run->base / INSERT_SHARE;) {
        run->eng->insert(run->db, bench_rand_below(&rand, run->count),
                         bench_value(space, (uint32_t)run->count, 0));
        run->count++;
        if (late(run, start, i++)) {
            break;
        }
    }
    report(run, run->eng->name, "insert", start, i);
}

static void
phase_pop(list_run *run)
{
    const bench_clock start = bench_clock_start();
    bench_rand rand = {13};
    uint64_t i;

    for (i = 0; i < run->base / INSERT_SHARE;) {
        run->eng->pop(run->db, bench_rand_below(&rand, run->count));
        run->count--;
        if (late(run, start, i++)) {
            break;
        }
    }
    report(run, run->eng->name, "pop", start, i);
}

/* A dict of as many items, to say what an append costs beside a put. */
static void
load_dict(list_run *run, const char *dir)
{
    const eng_options options = {run->base, 1, false};
    const engine *eng = engine_find("kist");
    void *db = eng->open(dir, &options);
    uint32_t *ids = bench_permutation(run->base, 10);
    uint8_t space[BENCH_VALUE_SIZE];
    bench_work work;
    bench_clock start;
    uint64_t i;

    bench_work_init(&work, run->base, 0);
    start = bench_clock_start();
    for (i = 0; i < run->base; i++) {
        eng->put(db, bench_key(&work, ids[i]), bench_value(space, ids[i], 0));
    }
    report(run, "kist-dict", "append", start, run->base);
    free(ids);
    eng->close(db);
    bench_work_fini(&work);
}

static void
numbers_ok(kist_status status, const char *call)
{
    if (status != KIST_OK) {
        bench_die("kist-int: %s: %s", call, kist_status_name(status));
    }
}

static void
numbers_get(list_run *run, kist_list *list)
{
    uint32_t *ids = bench_permutation(run->base, 11);
    const bench_clock start = bench_clock_start();
    uint64_t i;

    for (i = 0; i < run->base; i++) {
        kist_value value;

        numbers_ok(kist_list_get(list, ids[i], &value), "get");
        if (value.as.integer != (int64_t)ids[i]) {
            bench_die("kist-int: item %u is wrong", ids[i]);
        }
    }
    report(run, "kist-int", "get", start, run->base);
    free(ids);
}

/* A list of 64-bit integers: append, get at random, insert in the middle. */
static void
run_numbers(list_run *run, const char *dir)
{
    bench_rand rand = {12};
    bench_clock start;
    char path[4096];
    kist_list *list;
    uint64_t i;
    kist *k;

    snprintf(path, sizeof(path), "%s/bench", dir);
    numbers_ok(kist_open(path, NULL, &k), "open");
    numbers_ok(kist_list_open(k, kist_str(""), KIST_INT, &list), "list_open");
    start = bench_clock_start();
    for (i = 0; i < run->base; i++) {
        const kist_value value = kist_int((int64_t)i);

        numbers_ok(kist_list_append(list, &value), "append");
    }
    report(run, "kist-int", "append", start, run->base);
    numbers_get(run, list);
    start = bench_clock_start();
    for (i = 0; i < run->base / INSERT_SHARE;) {
        const kist_value value = kist_int((int64_t)i);

        numbers_ok(kist_list_insert(
                       list, bench_rand_below(&rand, run->base + i), &value),
                   "insert");
        if (late(run, start, i++)) {
            break;
        }
    }
    report(run, "kist-int", "insert", start, i);
    kist_list_close(list);
    numbers_ok(kist_close(k), "close");
}

static void
run_list(list_run *run, const char *dir, const char *name)
{
    bench_work work;
    size_t i;

    bench_work_init(&work, 1, 0); // for its pool of value bytes
    bench_fresh_dir(dir);
    for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            run->eng = engines[i];
        }
    }
    if (strcmp(name, "kist-dict") == 0) {
        load_dict(run, dir);
    }
    else if (strcmp(name, "kist-int") == 0) {
        run_numbers(run, dir);
    }
    else if (run->eng == NULL) {
        bench_die("no list engine called %s", name);
    }
    else {
        run->db = run->eng->open(dir);
        phase_append(run);
        phase_get(run, "get", true);
        phase_iterate(run, "iterate");
        phase_insert(run);
        phase_get(run, "get_edited", false);
        phase_iterate(run, "iterate_edited");
        phase_pop(run);
        run->eng->close(run->db);
    }
    bench_work_fini(&work);
}

int
main(int argc, char **argv)
{
    list_run run = {.base = 1000000, .limit_ns = 2000000000};
    const char *name = NULL;
    const char *dir = NULL;
    int option;

    while ((option = getopt(argc, argv, "e:d:n:s:")) != -1) {
        switch (option) {
        case 'e':
            name = optarg;
            break;
        case 'd':
            dir = optarg;
            break;
        case 'n':
            run.base = bench_number(optarg);
            break;
        case 's':
            run.limit_ns = bench_number(optarg) * 1000000000;
            break;
        default:
            return 2;
        }
    }
    if (name == NULL || dir == NULL || run.base < 100) {
        bench_die("usage: bench_list -e ENGINE -d DIR [-n ITEMS] "
                  "[-s MAX_SECONDS]");
    }
    run_list(&run, dir, name);
    return 0;
}
