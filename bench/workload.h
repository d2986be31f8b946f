/*
 * workload.h - keys, values, orders and clocks that all benches share.
 *
 * Layer    bench.
 * Threads  a work is read-only once made; bench_rand belongs to one thread.
 *
 * FORMAT   of a value; checked in full on every read.
 *     OFFSET  SIZE  FIELD
 *        0      4   id       the key's number
 *        4      4   gen      which write of the key this was
 *        8   size   bytes    from a pool of random bytes, at a place that
 *                            id and gen determine; incompressible
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"

#define BENCH_KEY_SIZE   16u
#define BENCH_VALUE_SIZE 100u

/* Prints the formatted reason with errno and ends the process with 1. */
_Noreturn void bench_die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* --- clocks ----------------------------------------------------------- */

typedef struct bench_clock {
    uint64_t wall_ns;
    uint64_t cpu_ns; /* user and system, all threads of this process */
} bench_clock;

uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void);
bench_clock bench_clock_start(void);

/* What has passed since `start`. */
bench_clock bench_clock_since(bench_clock start);

/* --- random numbers --------------------------------------------------- */

typedef struct bench_rand {
    uint64_t state;
} bench_rand;

uint64_t bench_rand_next(bench_rand *rand);

/* Below `limit`, which is 1 .. 2^32. */
uint64_t bench_rand_below(bench_rand *rand, uint64_t limit);

/* --- keys and values -------------------------------------------------- */

typedef struct bench_work {
    uint64_t count;
    uint8_t *keys; /* count random keys, in order of their id */
} bench_work;

/*
 * Makes `count` keys.  `stream` 0 is the stored keys, any other number keys
 * that are in no store.
 */
void bench_work_init(bench_work *work, uint64_t count, uint64_t stream);
void bench_work_fini(bench_work *work);

static inline eng_blob
bench_key(const bench_work *work, uint64_t id)
{
    eng_blob key = {work->keys + id * BENCH_KEY_SIZE, BENCH_KEY_SIZE};
    return key;
}

/* The value of key `id` at generation `gen`, in `space`. */
eng_blob bench_value(uint8_t space[BENCH_VALUE_SIZE], uint32_t id,
                     uint32_t gen);

/* Ends the process unless `value` is a whole value of key `id`. */
void bench_check(eng_blob value, uint32_t id);

/* The id that a value names, unchecked. */
uint32_t bench_value_id(eng_blob value);

/* The numbers 0 .. count-1 in random order; free() them. */
uint32_t *bench_permutation(uint64_t count, uint64_t seed);

/*
 * `ops` ids from 0 .. count-1 as YCSB draws them: zipfian with theta 0.99,
 * scattered over the ids; free() them.
 */
uint32_t *bench_zipfian(uint64_t count, uint64_t ops, uint64_t seed);

/* --- files and memory ------------------------------------------------- */

/* Makes the directory, first removing one of that name with its files. */
void bench_fresh_dir(const char *dir);

/* Syncs all files in the directory and drops them from the page cache. */
void bench_evict(const char *dir);

/* Bytes of disk under all files in the directory. */
uint64_t bench_dir_bytes(const char *dir);

/* Anonymous memory of this process in bytes. */
uint64_t bench_anon_bytes(void);

/* --- results ---------------------------------------------------------- */

/* Prints one JSON line: {"name": "value", ...}; each pair is one call. */
void bench_row_begin(const char *bench);
void bench_row_text(const char *name, const char *value);
void bench_row_number(const char *name, double value);
void bench_row_end(void);

/* The `share` quantile (0 .. 1) of `count` values, which it sorts. */
double bench_quantile(double *values, size_t count, double share);

/* A decimal number from the command line, or the process ends. */
uint64_t bench_number(const char *text);

#endif /* BENCH_WORKLOAD_H */
