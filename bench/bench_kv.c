/*
 * bench_kv.c - what one engine costs per key-value operation.
 *
 *   bench_kv -e ENGINE -d DIR [-n KEYS] [-s MAX_SECONDS] PHASE...
 *
 * Runs the phases in order on the store in DIR ("load" and "load_many" begin
 * with a fresh one) and prints a JSON line each: CPU time (user and system,
 * all threads) and wall time per operation.  A phase ends after MAX_SECONDS,
 * save the loads, which later phases need whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "workload.h"

#define MANY          16u
#define CHECK_EVERY   1024u
#define ZIPF_PUT_RATE 20u // one operation in 20 is a put
#define PRELOAD_BATCH 1000u
#define LOAD_ORDER    10u // seed of the order in which keys arrive

typedef struct kv_run {
    const engine *eng;
    const char *dir;
    void *db;
    bench_work work;
    bench_work absent; // keys that no store holds; made when needed
    uint64_t count;
    uint64_t limit_ns;
} kv_run;

/* Counts down to the next look at the clock. */
typedef struct kv_timer {
    bench_clock start;
    uint64_t limit_ns;
    uint64_t ops;
} kv_timer;

static kv_timer
timer_start(uint64_t limit_ns)
{
    kv_timer timer = {bench_clock_start(), limit_ns, 0};

    return timer;
}

/* Counts `ops` more; false once the time is up. */
static inline bool
timer_goes_on(kv_timer *timer, uint64_t ops)
{
    timer->ops += ops;
    return timer->ops % CHECK_EVERY >= ops || timer->limit_ns == 0 ||
           bench_now_ns() - timer->start.wall_ns < timer->limit_ns;
}

static void
report(const kv_run *run, const char *phase, kv_timer *timer)
{
    bench_clock spent;

    if (run->eng->commit != NULL) {
        run->eng->commit(run->db);
    }
    spent = bench_clock_since(timer->start);
    bench_row_begin("kv");
    bench_row_text("engine", run->eng->name);
    bench_row_text("phase", phase);
    bench_row_number("n", (double)run->count);
    bench_row_number("ops", (double)timer->ops);
    bench_row_number("cpu_ns", (double)spent.cpu_ns / (double)timer->ops);
    bench_row_number("wall_ns", (double)spent.wall_ns / (double)timer->ops);
    bench_row_number("disk_bytes", (double)bench_dir_bytes(run->dir));
    bench_row_end();
}

static void
reopen(kv_run *run, uint32_t batch)
{
    const eng_options options = {run->count, batch, false};

    if (run->db != NULL) {
        run->eng->close(run->db);
    }
    run->db = run->eng->open(run->dir, &options);
}

static void
put(kv_run *run, uint32_t id, uint32_t gen)
{
    uint8_t space[BENCH_VALUE_SIZE];

    run->eng->put(run->db, bench_key(&run->work, id),
                  bench_value(space, id, gen));
}

/*
 * An engine that commits each operation is filled to 95 % in batches first,
 * if it has them, so that a slow one has its figure in time.
 */
static void
phase_load(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, LOAD_ORDER);
    uint64_t first = 0;
    uint64_t i;
    kv_timer timer;

    bench_fresh_dir(run->dir);
    if (run->eng->batch == 1 && run->eng->commit != NULL) {
        first = run->count - run->count / 20;
        reopen(run, PRELOAD_BATCH);
        for (i = 0; i < first; i++) {
            put(run, ids[i], 0);
        }
    }
    reopen(run, run->eng->batch);
    timer = timer_start(0);
    for (i = first; i < run->count; i++) {
        put(run, ids[i], 0);
    }
    timer.ops = run->count - first;
    report(run, "load", &timer);
    free(ids);
}

static void
put_sixteen(kv_run *run, const uint32_t *ids, uint32_t gen)
{
    uint8_t space[MANY][BENCH_VALUE_SIZE];
    eng_blob keys[MANY];
    eng_blob values[MANY];
    size_t i;

    for (i = 0; i < MANY; i++) {
        keys[i] = bench_key(&run->work, ids[i]);
        values[i] = bench_value(space[i], ids[i], gen);
    }
    if (run->eng->put_many != NULL) {
        run->eng->put_many(run->db, keys, values, MANY);
        return;
    }
    for (i = 0; i < MANY; i++) {
        run->eng->put(run->db, keys[i], values[i]);
    }
}

static void
phase_load_many(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, LOAD_ORDER);
    uint64_t i;
    kv_timer timer;

    bench_fresh_dir(run->dir);
    reopen(run, run->eng->batch);
    timer = timer_start(0);
    for (i = 0; i + MANY <= run->count; i += MANY) {
        put_sixteen(run, ids + i, 0);
    }
    timer.ops = run->count / MANY * MANY;
    report(run, "load_many", &timer);
    free(ids);
}

static void
phase_put_many(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, 6);
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i + MANY <= run->count; i += MANY) {
        put_sixteen(run, ids + i, 1);
        if (!timer_goes_on(&timer, MANY)) {
            break;
        }
    }
    report(run, "put_many", &timer);
    free(ids);
}

static void
get(kv_run *run, uint32_t id)
{
    eng_blob value;

    if (!run->eng->get(run->db, bench_key(&run->work, id), &value)) {
        bench_die("%s: key %u is lost", run->eng->name, id);
    }
    if (!run->eng->unchecked) {
        bench_check(value, id);
    }
}

static void
phase_get(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, 1);
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i < run->count; i++) {
        get(run, ids[i]);
        if (!timer_goes_on(&timer, 1)) {
            break;
        }
    }
    report(run, "get", &timer);
    free(ids);
}

static void
get_sixteen(kv_run *run, const uint32_t *ids)
{
    eng_blob keys[MANY];
    eng_blob values[MANY];
    size_t i;

    if (run->eng->get_many == NULL) {
        for (i = 0; i < MANY; i++) {
            get(run, ids[i]);
        }
        return;
    }
    for (i = 0; i < MANY; i++) {
        keys[i] = bench_key(&run->work, ids[i]);
    }
    run->eng->get_many(run->db, keys, MANY, values);
    for (i = 0; i < MANY; i++) {
        if (values[i].data == NULL) {
            bench_die("%s: key %u is lost", run->eng->name, ids[i]);
        }
        bench_check(values[i], ids[i]);
    }
}

static void
phase_get_many(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, 5);
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i + MANY <= run->count; i += MANY) {
        get_sixteen(run, ids + i);
        if (!timer_goes_on(&timer, MANY)) {
            break;
        }
    }
    report(run, "get_many", &timer);
    free(ids);
}

static void
look_up(kv_run *run, const char *phase, const bench_work *work, bool there,
        uint64_t seed)
{
    uint32_t *ids = bench_permutation(run->count, seed);
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i < run->count; i++) {
        const eng_blob key = bench_key(work, ids[i]);
        eng_blob value;
        const bool found = there ? run->eng->contains(run->db, key)
                                 : run->eng->get(run->db, key, &value);

        if (found != there && !run->eng->unchecked) {
            bench_die("%s: %s of key %u is wrong", run->eng->name, phase,
                      ids[i]);
        }
        if (!timer_goes_on(&timer, 1)) {
            break;
        }
    }
    report(run, phase, &timer);
    free(ids);
}

static void
phase_contains(kv_run *run)
{
    look_up(run, "contains", &run->work, true, 2);
}

static void
phase_miss(kv_run *run)
{
    bench_work_init(&run->absent, run->count, 1);
    look_up(run, "miss", &run->absent, false, 3);
    bench_work_fini(&run->absent);
}

static void
phase_overwrite(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, 4);
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i < run->count; i++) {
        put(run, ids[i], 2);
        if (!timer_goes_on(&timer, 1)) {
            break;
        }
    }
    report(run, "overwrite", &timer);
    free(ids);
}

static void
phase_delete(kv_run *run)
{
    uint32_t *ids = bench_permutation(run->count, 7);
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i < run->count; i++) {
        if (!run->eng->del(run->db, bench_key(&run->work, ids[i]))) {
            bench_die("%s: key %u is lost", run->eng->name, ids[i]);
        }
        if (!timer_goes_on(&timer, 1)) {
            break;
        }
    }
    report(run, "delete", &timer);
    free(ids);
}

static void
phase_zipfian(kv_run *run)
{
    uint32_t *ids = bench_zipfian(run->count, run->count, 8);
    bench_rand rand = {9};
    kv_timer timer = timer_start(run->limit_ns);
    uint64_t i;

    for (i = 0; i < run->count; i++) {
        if (bench_rand_below(&rand, ZIPF_PUT_RATE) == 0) {
            put(run, ids[i], 3);
        }
        else {
            get(run, ids[i]);
        }
        if (!timer_goes_on(&timer, 1)) {
            break;
        }
    }
    report(run, "zipfian", &timer);
    free(ids);
}

/* What an iteration must add up to, whatever its order. */
typedef struct kv_sum {
    uint64_t count;
    uint64_t ids;
    uint64_t keys;
} kv_sum;

static void
add_item(void *context, eng_blob key, eng_blob value)
{
    kv_sum *sum = context;
    uint64_t bits;

    memcpy(&bits, key.data, 8);
    sum->keys ^= bits;
    sum->ids += bench_value_id(value);
    sum->count++;
}

static void
phase_iterate(kv_run *run)
{
    kv_sum sum = {0, 0, 0};
    kv_timer timer = timer_start(0);
    uint64_t i;

    run->eng->iterate(run->db, add_item, &sum);
    timer.ops = run->count;
    report(run, "iterate", &timer);
    for (i = 0; i < run->count; i++) {
        uint64_t bits;

        memcpy(&bits, run->work.keys + i * BENCH_KEY_SIZE, 8);
        sum.keys ^= bits;
    }
    if (!run->eng->unchecked &&
        (sum.count != run->count || sum.keys != 0 ||
         sum.ids != run->count * (run->count - 1) / 2)) {
        bench_die("%s: iteration saw %llu of %llu items", run->eng->name,
                  (unsigned long long)sum.count,
                  (unsigned long long)run->count);
    }
}

static const struct {
    const char *name;
    void (*run)(kv_run *run);
} phases[] = {
    {"load", phase_load},
    {"load_many", phase_load_many},
    {"get", phase_get},
    {"get_many", phase_get_many},
    {"contains", phase_contains},
    {"miss", phase_miss},
    {"overwrite", phase_overwrite},
    {"put_many", phase_put_many},
    {"delete", phase_delete},
    {"iterate", phase_iterate},
    {"zipfian", phase_zipfian},
};

static void
run_phase(kv_run *run, const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        if (strcmp(phases[i].name, name) == 0) {
            if (run->db == NULL && strncmp(name, "load", 4) != 0) {
                reopen(run, run->eng->batch);
            }
            phases[i].run(run);
            return;
        }
    }
    bench_die("no phase called %s", name);
}

int
main(int argc, char **argv)
{
    kv_run run = {.count = 1000000, .limit_ns = 2000000000};
    int option;

    while ((option = getopt(argc, argv, "e:d:n:s:")) != -1) {
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
        case 's':
            run.limit_ns = bench_number(optarg) * 1000000000;
            break;
        default:
            return 2;
        }
    }
    if (run.eng == NULL || run.dir == NULL || run.count < 100) {
        bench_die("usage: bench_kv -e ENGINE -d DIR [-n KEYS] "
                  "[-s MAX_SECONDS] PHASE...");
    }
    bench_work_init(&run.work, run.count, 0);
    for (; optind < argc; optind++) {
        run_phase(&run, argv[optind]);
    }
    if (run.db != NULL) {
        run.eng->close(run.db);
    }
    bench_work_fini(&run.work);
    return 0;
}
