/*
 * bench_latency.c - how long single puts take while a store grows.
 *
 *   bench_latency -e ENGINE -d DIR [-n KEYS] [-s MAX_SECONDS]
 *
 * Prints a JSON line per tenth of the growth and one for the whole.  `max_us`
 * is wall time; `own_max_us` leaves out what the scheduler took away: of each
 * slow put only the processor time counts, or all of it where the thread
 * itself went to sleep (a lock, a write).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "workload.h"

#define SUB_BITS    5u
#define BUCKETS     (64u << SUB_BITS)
#define WINDOW      256u
#define SLOW_NS     100000u
#define TENTHS      10u
#define TENTH_WORST 10u

typedef struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t total;
    uint64_t max_ns;
    uint64_t own_max_ns;
} histogram;

/* Where the thread stood at the last look; one look in WINDOW puts. */
typedef struct cpu_window {
    uint64_t wall_ns;
    uint64_t cpu_ns;
    long sleeps;
} cpu_window;

/* 32 buckets between a power of two and the next: within 3 %. */
static uint32_t
bucket_of(uint64_t ns)
{
    uint32_t shift;

    if (ns < (1u << SUB_BITS)) {
        return (uint32_t)ns;
    }
    shift = 63u - (uint32_t)__builtin_clzll(ns) - SUB_BITS;
    return ((shift + 1) << SUB_BITS) +
           (uint32_t)((ns >> shift) & ((1u << SUB_BITS) - 1));
}

static double
bucket_us(uint32_t bucket)
{
    const uint32_t shift = bucket >> SUB_BITS;
    const uint64_t low = bucket & ((1u << SUB_BITS) - 1);

    if (shift == 0) {
        return (double)low / 1000;
    }
    return (double)((low + (1u << SUB_BITS)) << (shift - 1)) / 1000;
}

static void
add(histogram *hist, uint64_t ns, uint64_t own_ns)
{
    hist->counts[bucket_of(ns)]++;
    hist->total++;
    if (ns > hist->max_ns) {
        hist->max_ns = ns;
    }
    if (own_ns > hist->own_max_ns) {
        hist->own_max_ns = own_ns;
    }
}

static void
merge(histogram *into, const histogram *from)
{
    uint32_t i;

    for (i = 0; i < BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
    into->total += from->total;
    if (from->max_ns > into->max_ns) {
        into->max_ns = from->max_ns;
    }
    if (from->own_max_ns > into->own_max_ns) {
        into->own_max_ns = from->own_max_ns;
    }
}

/* The latency that `above` of the puts exceed. */
static double
worst_us(const histogram *hist, uint64_t above)
{
    uint64_t seen = 0;
    uint32_t i;

    for (i = BUCKETS; i-- > 0;) {
        seen += hist->counts[i];
        if (seen > above) {
            return bucket_us(i);
        }
    }
    return 0;
}

static double
percentile_us(const histogram *hist, double share)
{
    return worst_us(hist, (uint64_t)((1 - share) * (double)hist->total));
}

static cpu_window
look(void)
{
    struct timespec cpu;
    struct rusage usage;
    cpu_window now;

    now.wall_ns = bench_now_ns();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    getrusage(RUSAGE_THREAD, &usage);
    now.cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    now.sleeps = usage.ru_nvcsw;
    return now;
}

/*
 * How much of a slow put of `put_ns` was the engine's own.  The other puts
 * since `before` are taken to have had the processor all the time.
 */
static uint64_t
own_share(const cpu_window *before, uint64_t put_ns)
{
    const cpu_window now = look();
    const uint64_t wall = now.wall_ns - before->wall_ns;
    const uint64_t others = wall > put_ns ? wall - put_ns : 0;
    const uint64_t cpu = now.cpu_ns - before->cpu_ns;
    const uint64_t own = cpu > others ? cpu - others : 0;

    if (now.sleeps != before->sleeps || own > put_ns) {
        return put_ns;
    }
    return own;
}

static void
report(const engine *eng, const char *part, uint64_t count,
       const histogram *hist)
{
    bench_row_begin("latency");
    bench_row_text("engine", eng->name);
    bench_row_text("part", part);
    bench_row_number("n", (double)count);
    bench_row_number("p50_us", percentile_us(hist, 0.5));
    bench_row_number("p99_us", percentile_us(hist, 0.99));
    bench_row_number("p999_us", percentile_us(hist, 0.999));
    bench_row_number("p9999_us", percentile_us(hist, 0.9999));
    bench_row_number("tenth_worst_us", worst_us(hist, TENTH_WORST - 1));
    bench_row_number("max_us", (double)hist->max_ns / 1000);
    bench_row_number("own_max_us", (double)hist->own_max_ns / 1000);
    bench_row_end();
}

/* Puts the keys first .. end-1 and says whether there was time for all. */
static bool
grow(const engine *eng, void *db, const bench_work *work, uint64_t first,
     uint64_t end, uint64_t deadline, histogram *hist)
{
    cpu_window window = look();
    uint64_t i;

    for (i = first; i < end; i++) {
        uint8_t space[BENCH_VALUE_SIZE];
        const eng_blob value = bench_value(space, (uint32_t)i, 0);
        const eng_blob key = bench_key(work, i);
        const uint64_t start = bench_now_ns();
        uint64_t spent;

        eng->put(db, key, value);
        spent = bench_now_ns() - start;
        if (spent < SLOW_NS) {
            add(hist, spent, spent);
        }
        else {
            add(hist, spent, own_share(&window, spent));
            window = look();
        }
        if (i % WINDOW == 0) {
            if (start > deadline) {
                return false;
            }
            window = look();
        }
    }
    return true;
}

static void
run(const engine *eng, const char *dir, uint64_t count, uint64_t limit_ns)
{
    const eng_options options = {count, eng->batch, false};
    histogram *all = calloc(1, sizeof(*all));
    histogram *tenth = malloc(sizeof(*tenth));
    const uint64_t deadline = bench_now_ns() + limit_ns;
    bench_work work;
    uint64_t step;
    bool in_time = true;
    void *db;

    if (all == NULL || tenth == NULL) {
        bench_die("histogram");
    }
    bench_work_init(&work, count, 0);
    bench_fresh_dir(dir);
    db = eng->open(dir, &options);
    for (step = 0; step < TENTHS && in_time; step++) {
        char part[16];

        memset(tenth, 0, sizeof(*tenth));
        in_time = grow(eng, db, &work, count / TENTHS * step,
                       count / TENTHS * (step + 1), deadline, tenth);
        merge(all, tenth);
        snprintf(part, sizeof(part), "%u", (unsigned)step + 1);
        report(eng, part, all->total, tenth);
    }
    report(eng, "all", all->total, all);
    eng->close(db);
    bench_work_fini(&work);
    free(tenth);
    free(all);
}

int
main(int argc, char **argv)
{
    const engine *eng = NULL;
    const char *dir = NULL;
    uint64_t count = 10000000;
    uint64_t limit_s = 60;
    int option;

    while ((option = getopt(argc, argv, "e:d:n:s:")) != -1) {
        switch (option) {
        case 'e':
            eng = engine_find(optarg);
            break;
        case 'd':
            dir = optarg;
            break;
        case 'n':
            count = bench_number(optarg);
            break;
        case 's':
            limit_s = bench_number(optarg);
            break;
        default:
            return 2;
        }
    }
    if (eng == NULL || dir == NULL || count < TENTHS) {
        bench_die("usage: bench_latency -e ENGINE -d DIR [-n KEYS] "
                  "[-s MAX_SECONDS]");
    }
    run(eng, dir, count, limit_s * 1000000000);
    return 0;
}
