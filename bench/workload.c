#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POOL_SIZE (1u << 20)

static uint8_t *pool;
static bool row_is_empty;

_Noreturn void
bench_die(const char *format, ...)
{
    const int error = errno;
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (%s)\n", strerror(error));
    exit(1);
}

uint64_t
bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t
bench_cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return ((uint64_t)usage.ru_utime.tv_sec +
            (uint64_t)usage.ru_stime.tv_sec) *
               1000000000u +
           ((uint64_t)usage.ru_utime.tv_usec +
            (uint64_t)usage.ru_stime.tv_usec) *
               1000u;
}

bench_clock
bench_clock_start(void)
{
    bench_clock now = {bench_now_ns(), bench_cpu_ns()};

    return now;
}

bench_clock
bench_clock_since(bench_clock start)
{
    bench_clock now = bench_clock_start();

    now.wall_ns -= start.wall_ns;
    now.cpu_ns -= start.cpu_ns;
    return now;
}

static uint64_t
mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t
bench_rand_next(bench_rand *rand)
{
    rand->state += 0x9e3779b97f4a7c15u;
    return mix(rand->state);
}

uint64_t
bench_rand_below(bench_rand *rand, uint64_t limit)
{
    return ((bench_rand_next(rand) >> 32) * limit) >> 32;
}

static void
make_pool(void)
{
    bench_rand rand = {4711};
    size_t i;

    if (pool != NULL) {
        return;
    }
    pool = malloc(POOL_SIZE);
    if (pool == NULL) {
        bench_die("pool");
    }
    for (i = 0; i < POOL_SIZE; i += 8) {
        const uint64_t bits = bench_rand_next(&rand);
        memcpy(pool + i, &bits, 8);
    }
}

void
bench_work_init(bench_work *work, uint64_t count, uint64_t stream)
{
    bench_rand rand = {stream * 0x2545f4914f6cdd1du + 1};
    uint64_t i;

    make_pool();
    work->count = count;
    work->keys = malloc(count * BENCH_KEY_SIZE);
    if (work->keys == NULL) {
        bench_die("keys");
    }
    for (i = 0; i < count * BENCH_KEY_SIZE; i += 8) {
        const uint64_t bits = bench_rand_next(&rand);
        memcpy(work->keys + i, &bits, 8);
    }
}

void
bench_work_fini(bench_work *work)
{
    free(work->keys);
    work->keys = NULL;
}

static const uint8_t *
pool_place(uint32_t id, uint32_t gen)
{
    const uint64_t hash = (((uint64_t)gen << 32) | id) * 0x9e3779b97f4a7c15u;

    return pool + (hash >> 32) % (POOL_SIZE - BENCH_VALUE_SIZE);
}

eng_blob
bench_value(uint8_t space[BENCH_VALUE_SIZE], uint32_t id, uint32_t gen)
{
    eng_blob value = {space, BENCH_VALUE_SIZE};

    memcpy(space, &id, 4);
    memcpy(space + 4, &gen, 4);
    memcpy(space + 8, pool_place(id, gen), BENCH_VALUE_SIZE - 8);
    return value;
}

uint32_t
bench_value_id(eng_blob value)
{
    uint32_t id;

    memcpy(&id, value.data, 4);
    return id;
}

void
bench_check(eng_blob value, uint32_t id)
{
    const uint8_t *bytes = value.data;
    uint32_t gen;

    if (value.size != BENCH_VALUE_SIZE || bench_value_id(value) != id) {
        bench_die("key %u: the value is another's", id);
    }
    memcpy(&gen, bytes + 4, 4);
    if (memcmp(bytes + 8, pool_place(id, gen), BENCH_VALUE_SIZE - 8) != 0) {
        bench_die("key %u: the value is damaged", id);
    }
}

uint32_t *
bench_permutation(uint64_t count, uint64_t seed)
{
    bench_rand rand = {seed};
    uint32_t *ids = malloc(count * sizeof(*ids) + 1);
    uint64_t i;

    if (ids == NULL) {
        bench_die("permutation");
    }
    for (i = 0; i < count; i++) {
        const uint64_t j = bench_rand_below(&rand, i + 1);
        ids[i] = ids[j];
        ids[j] = (uint32_t)i;
    }
    return ids;
}

uint32_t *
bench_zipfian(uint64_t count, uint64_t ops, uint64_t seed)
{
    const double theta = 0.99;
    bench_rand rand = {seed};
    uint32_t *ids = malloc(ops * sizeof(*ids) + 1);
    double zeta = 0;
    double zeta2 = 1 + pow(0.5, theta);
    double eta;
    uint64_t i;

    if (ids == NULL) {
        bench_die("zipfian");
    }
    for (i = 1; i <= count; i++) {
        zeta += 1 / pow((double)i, theta);
    }
    eta = (1 - pow(2.0 / (double)count, 1 - theta)) / (1 - zeta2 / zeta);
    for (i = 0; i < ops; i++) {
        const double u = (double)(bench_rand_next(&rand) >> 11) * 0x1p-53;
        uint64_t rank;

        if (u * zeta < 1) {
            rank = 0;
        }
        else if (u * zeta < zeta2) {
            rank = 1;
        }
        else {
            rank = (uint64_t)((double)count *
                              pow(eta * u - eta + 1, 1 / (1 - theta)));
        }
        ids[i] = (uint32_t)(mix(rank) % count);
    }
    return ids;
}

typedef void (*dir_visit)(const char *path, void *context);

static void
walk(const char *dir, dir_visit visit, void *context)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    char path[4096];

    if (stream == NULL) {
        return;
    }
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        visit(path, context);
    }
    closedir(stream);
}

static void
remove_file(const char *path, void *context)
{
    (void)context;
    if (unlink(path) != 0) {
        walk(path, remove_file, NULL);
        if (rmdir(path) != 0) {
            bench_die("%s: cannot be removed", path);
        }
    }
}

void
bench_fresh_dir(const char *dir)
{
    walk(dir, remove_file, NULL);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        bench_die("%s: cannot be made", dir);
    }
}

static void
evict_file(const char *path, void *context)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)context;
    if (fd < 0) {
        return;
    }
    if (fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) {
        bench_die("%s: cannot be dropped from the cache", path);
    }
    close(fd);
}

void
bench_evict(const char *dir)
{
    walk(dir, evict_file, NULL);
}

static void
add_bytes(const char *path, void *context)
{
    uint64_t *total = context;
    struct stat info;

    if (stat(path, &info) == 0) {
        *total += (uint64_t)info.st_blocks * 512;
    }
}

uint64_t
bench_dir_bytes(const char *dir)
{
    uint64_t total = 0;

    walk(dir, add_bytes, &total);
    return total;
}

uint64_t
bench_anon_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    uint64_t kib = 0;

    if (file == NULL) {
        bench_die("smaps_rollup");
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "Anonymous:", 10) == 0) {
            kib = strtoull(line + 10, NULL, 10);
        }
    }
    fclose(file);
    return kib * 1024;
}

static void
row_name(const char *name)
{
    printf("%s\"%s\": ", row_is_empty ? "{" : ", ", name);
    row_is_empty = false;
}

void
bench_row_begin(const char *bench)
{
    row_is_empty = true;
    bench_row_text("bench", bench);
}

void
bench_row_text(const char *name, const char *value)
{
    row_name(name);
    printf("\"%s\"", value);
}

void
bench_row_number(const char *name, double value)
{
    row_name(name);
    printf("%.6g", value);
}

void
bench_row_end(void)
{
    puts("}");
    fflush(stdout);
}

static int
compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

double
bench_quantile(double *values, size_t count, double share)
{
    if (count == 0) {
        return 0;
    }
    qsort(values, count, sizeof(*values), compare_doubles);
    return values[(size_t)(share * (double)(count - 1))];
}

uint64_t
bench_number(const char *text)
{
    char *end;
    const unsigned long long number = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        bench_die("%s: not a number", text);
    }
    return number;
}
