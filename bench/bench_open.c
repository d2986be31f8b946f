/*
 * bench_open.c - what it costs to open a store, and what it holds in memory.
 *
 *   bench_open make    -e ENGINE -d DIR -n KEYS   fills and closes a store
 *   bench_open kill    -e ENGINE -d DIR           a writer, killed with -9
 *   bench_open open    -e ENGINE -d DIR [-c]      opens and gets once
 *   bench_open memory  -e ENGINE -d DIR -n KEYS   anonymous memory in use
 *   bench_open rebuild -d DIR                     kist without its index
 *   bench_open sizes   -d DIR                     kist's files per item
 *
 * -c drops the files from the page cache before.  Each prints a JSON line.
 */
#include <kist/kist.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "workload.h"

#define FIRST_KEYS  1000u // ids that single operations choose from
#define KILL_AFTER  20000u
#define MEMORY_GETS 200000u

typedef struct open_run {
    const engine *eng;
    const char *dir;
    uint64_t count;
    bool evict;
    bench_work work;
} open_run;

static void
row_begin(const open_run *run, const char *what)
{
    bench_row_begin("open");
    bench_row_text("what", what);
    if (run->eng != NULL) {
        bench_row_text("engine", run->eng->name);
    }
}

static void *
open_store(const open_run *run)
{
    const eng_options options = {run->count, run->eng->batch, false};

    return run->eng->open(run->dir, &options);
}

static void
put(const open_run *run, void *db, uint32_t id, uint32_t gen)
{
    uint8_t space[BENCH_VALUE_SIZE];

    run->eng->put(db, bench_key(&run->work, id), bench_value(space, id, gen));
}

static void
get(const open_run *run, void *db, uint32_t id)
{
    eng_blob value;

    if (!run->eng->get(db, bench_key(&run->work, id), &value)) {
        bench_die("%s: key %u is lost", run->eng->name, id);
    }
    bench_check(value, id);
}

static void
make(open_run *run)
{
    uint64_t i;
    void *db;

    bench_fresh_dir(run->dir);
    bench_work_init(&run->work, run->count, 0);
    db = open_store(run);
    for (i = 0; i < run->count; i++) {
        put(run, db, (uint32_t)i, 0);
    }
    run->eng->close(db);
}

/* A process of its own writes until it is killed in the middle. */
static void
kill_writer(open_run *run)
{
    pid_t child;
    int status;

    bench_work_init(&run->work, FIRST_KEYS, 0);
    child = fork();
    if (child < 0) {
        bench_die("fork");
    }
    if (child == 0) {
        void *db = open_store(run);
        uint32_t i;

        for (i = 0;; i++) {
            put(run, db, i % FIRST_KEYS, i);
            if (i == KILL_AFTER) {
                raise(SIGKILL);
            }
        }
    }
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        bench_die("the writer was not killed");
    }
}

static void
open_and_get(open_run *run)
{
    uint64_t start;
    uint64_t opened;
    uint64_t done;
    void *db;

    bench_work_init(&run->work, FIRST_KEYS, 0);
    if (run->evict) {
        bench_evict(run->dir);
    }
    start = bench_now_ns();
    db = open_store(run);
    opened = bench_now_ns();
    get(run, db, (uint32_t)(start % FIRST_KEYS));
    done = bench_now_ns();
    row_begin(run, "open");
    bench_row_number("open_us", (double)(opened - start) / 1000);
    bench_row_number("first_get_us", (double)(done - opened) / 1000);
    bench_row_number("total_us", (double)(done - start) / 1000);
    bench_row_end();
    run->eng->close(db);
}

static void
memory(open_run *run)
{
    bench_rand rand = {21};
    uint64_t before;
    uint64_t i;
    void *db;

    bench_work_init(&run->work, run->count, 0);
    before = bench_anon_bytes();
    db = open_store(run);
    for (i = 0; i < MEMORY_GETS; i++) {
        get(run, db, (uint32_t)bench_rand_below(&rand, run->count));
    }
    for (i = 0; i < MEMORY_GETS / 2; i++) {
        put(run, db, (uint32_t)bench_rand_below(&rand, run->count), 5);
    }
    row_begin(run, "memory");
    bench_row_number("anon_bytes",
                     (double)bench_anon_bytes() - (double)before);
    bench_row_end();
    run->eng->close(db);
}

static kist *
open_kist(const open_run *run, const kist_options *options)
{
    char path[4096];
    kist *k;

    snprintf(path, sizeof(path), "%s/bench", run->dir);
    if (kist_open(path, options, &k) != KIST_OK) {
        bench_die("%s: kist_open: %s", path, kist_last_error()->what);
    }
    return k;
}

static kist_metrics
metrics_of(kist *k)
{
    kist_metrics metrics;

    if (kist_metrics_get(k, &metrics) != KIST_OK) {
        bench_die("kist_metrics_get");
    }
    return metrics;
}

static void
rebuild(open_run *run)
{
    char path[4096];
    bench_clock start;
    bench_clock spent;
    kist_metrics metrics;
    kist *k;

    snprintf(path, sizeof(path), "%s/bench.kistx", run->dir);
    if (unlink(path) != 0) {
        bench_die("%s", path);
    }
    start = bench_clock_start();
    k = open_kist(run, NULL);
    spent = bench_clock_since(start);
    metrics = metrics_of(k);
    if (!metrics.index_was_rebuilt || metrics.recovered_records == 0) {
        bench_die("the index was not rebuilt");
    }
    row_begin(run, "rebuild");
    bench_row_number("records", (double)metrics.recovered_records);
    bench_row_number("wall_ns", (double)spent.wall_ns /
                                    (double)metrics.recovered_records);
    bench_row_number("cpu_ns",
                     (double)spent.cpu_ns / (double)metrics.recovered_records);
    bench_row_end();
    if (kist_close(k) != KIST_OK) {
        bench_die("kist_close");
    }
}

static void
sizes(open_run *run)
{
    const kist_options options = {.read_only = true};
    kist *k = open_kist(run, &options);
    const kist_metrics metrics = metrics_of(k);
    const double live = (double)metrics.live_records;

    row_begin(run, "sizes");
    bench_row_number("records", live);
    bench_row_number("index_bytes", (double)metrics.index_bytes / live);
    bench_row_number("index_file_bytes",
                     (double)metrics.index_file_bytes / live);
    bench_row_number("log_bytes", (double)metrics.log_bytes / live);
    bench_row_end();
    if (kist_close(k) != KIST_OK) {
        bench_die("kist_close");
    }
}

static const struct {
    const char *name;
    void (*run)(open_run *run);
    bool any_engine;
} commands[] = {
    {"make", make, true},         {"kill", kill_writer, true},
    {"open", open_and_get, true}, {"memory", memory, true},
    {"rebuild", rebuild, false},  {"sizes", sizes, false},
};

int
main(int argc, char **argv)
{
    open_run run = {.count = FIRST_KEYS};
    const char *command = argc > 1 ? argv[1] : "";
    int option;
    size_t i;

    optind = 2;
    while (argc > 1 && (option = getopt(argc, argv, "e:d:n:c")) != -1) {
        switch (option) {
        case 'e':
            run.eng = engine_find(optarg);
            break;
        case 'd':
            run.dir = optarg;
            break;
        case 'n':
            run.count = bench_number(optarg);
            break;
        case 'c':
            run.evict = true;
            break;
        default:
            return 2;
        }
    }
    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, command) == 0 && run.dir != NULL &&
            run.count >= FIRST_KEYS &&
            (run.eng != NULL || !commands[i].any_engine)) {
            commands[i].run(&run);
            bench_work_fini(&run.work);
            return 0;
        }
    }
    bench_die("usage: bench_open make|kill|open|memory|rebuild|sizes "
              "[-e ENGINE] -d DIR [-n KEYS] [-c]");
}
