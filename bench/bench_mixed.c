/*
 * bench_mixed.c - a reader process alone, a writer process alone, and both
 * at once on one store.
 *
 *   bench_mixed -e ENGINE -d DIR [-n KEYS] [-m MILLISECONDS]
 *
 * Reads and overwrites are of random keys.  Prints a JSON line per role and
 * company: processor time and wall time per operation.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "workload.h"

#define LOOK_EVERY    64u
#define PREFILL_BATCH 1000u

typedef struct role_result {
    double ops;
    double cpu_ns;
    double wall_ns;
} role_result;

/* Shared by the processes. */
typedef struct mixed_shared {
    _Atomic uint32_t ready;
    _Atomic bool go;
    _Atomic bool stop;
    role_result results[2]; // reader, writer
} mixed_shared;

typedef struct mixed_run {
    const engine *eng;
    const char *dir;
    bench_work work;
    uint32_t *order;
    uint64_t ms;
    mixed_shared *shared;
} mixed_run;

enum { READER, WRITER };

static const char *const role_names[] = {"reader", "writer"};

static void
fill(mixed_run *run)
{
    const eng_options options = {run->work.count, PREFILL_BATCH, false};
    uint8_t space[BENCH_VALUE_SIZE];
    uint64_t i;
    void *db;

    bench_fresh_dir(run->dir);
    db = run->eng->open(run->dir, &options);
    for (i = 0; i < run->work.count; i++) {
        run->eng->put(db, bench_key(&run->work, i),
                      bench_value(space, (uint32_t)i, 0));
    }
    run->eng->close(db);
}

static void
operate(const mixed_run *run, void *db, int role, uint32_t id, uint32_t gen)
{
    const eng_blob key = bench_key(&run->work, id);
    uint8_t space[BENCH_VALUE_SIZE];
    eng_blob value;

    if (role == WRITER) {
        run->eng->put(db, key, bench_value(space, id, gen));
        return;
    }
    if (!run->eng->get(db, key, &value)) {
        bench_die("%s: key %u is lost", run->eng->name, id);
    }
    bench_check(value, id);
}

/* The body of a reader's or a writer's process. */
static void
act(const mixed_run *run, int role)
{
    const eng_options options = {run->work.count, 1, false};
    mixed_shared *shared = run->shared;
    void *db = run->eng->open(run->dir, &options);
    // Reader and writer walk the same random order from different places.
    uint64_t at = role == WRITER ? run->work.count / 2 : 0;
    uint32_t gen = 1;
    uint64_t ops = 0;
    bench_clock spent;

    atomic_fetch_add(&shared->ready, 1);
    while (!atomic_load(&shared->go)) {
        usleep(100);
    }
    spent = bench_clock_start();
    do {
        operate(run, db, role, run->order[at], gen);
        if (++at == run->work.count) {
            at = 0;
            gen++;
        }
    } while (++ops % LOOK_EVERY != 0 || !atomic_load(&shared->stop));
    spent = bench_clock_since(spent);
    shared->results[role].ops = (double)ops;
    shared->results[role].cpu_ns = (double)spent.cpu_ns / (double)ops;
    shared->results[role].wall_ns = (double)spent.wall_ns / (double)ops;
    run->eng->close(db);
}

static pid_t
start(const mixed_run *run, int role)
{
    const pid_t child = fork();

    if (child < 0) {
        bench_die("fork");
    }
    if (child == 0) {
        act(run, role);
        _exit(0);
    }
    return child;
}

/* Runs the roles that are asked for at the same time. */
static void
together(const mixed_run *run, bool reader, bool writer)
{
    mixed_shared *shared = run->shared;
    const uint32_t count = (uint32_t)reader + (uint32_t)writer;
    uint32_t i;
    int role;

    memset(shared, 0, sizeof(*shared));
    if (reader) {
        start(run, READER);
    }
    if (writer) {
        start(run, WRITER);
    }
    while (atomic_load(&shared->ready) < count) {
        usleep(100);
        if (waitpid(-1, NULL, WNOHANG) > 0) {
            bench_die("%s: a process ended early", run->eng->name);
        }
    }
    atomic_store(&shared->go, true);
    usleep((useconds_t)run->ms * 1000);
    atomic_store(&shared->stop, true);
    for (i = 0; i < count; i++) {
        int status;

        if (wait(&status) < 0 || status != 0) {
            bench_die("%s: a process failed", run->eng->name);
        }
    }
    for (role = READER; role <= WRITER; role++) {
        const role_result *result = &shared->results[role];

        if (result->ops > 0) {
            bench_row_begin("mixed");
            bench_row_text("engine", run->eng->name);
            bench_row_text("role", role_names[role]);
            bench_row_text("company", count == 1 ? "alone" : "beside");
            bench_row_number("ops", result->ops);
            bench_row_number("cpu_ns", result->cpu_ns);
            bench_row_number("wall_ns", result->wall_ns);
            bench_row_end();
        }
    }
}

int
main(int argc, char **argv)
{
    mixed_run run = {.ms = 2000};
    uint64_t count = 1000000;
    int option;

    while ((option = getopt(argc, argv, "e:d:n:m:")) != -1) {
        switch (option) {
        case 'e':
            run.eng = engine_find(optarg);
            break;
        case 'd':
            run.dir = optarg;
            break;
        case 'n':
            count = bench_number(optarg);
            break;
        case 'm':
            run.ms = bench_number(optarg);
            break;
        default:
            return 2;
        }
    }
    if (run.eng == NULL || run.eng->in_memory || run.dir == NULL ||
        count < 100) {
        bench_die("usage: bench_mixed -e ENGINE -d DIR [-n KEYS] "
                  "[-m MILLISECONDS]");
    }
    bench_work_init(&run.work, count, 0);
    run.order = bench_permutation(count, 31);
    run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.shared == MAP_FAILED) {
        bench_die("mmap");
    }
    fill(&run);
    together(&run, true, false);
    together(&run, false, true);
    together(&run, true, true);
    munmap(run.shared, sizeof(*run.shared));
    free(run.order);
    bench_work_fini(&run.work);
    return 0;
}
