/*
 * bench_memfs.c - the memory file system from C.
 *
 *   bench_memfs fresh                 what the kernel takes for new memory
 *   bench_memfs blocks [KIB MIB]...   blocks written and read, beside memcpy
 *                                     into and out of mapped memory
 *   bench_memfs cases                 the published cases, copied and lent
 *   bench_memfs threads               threads on their own files
 *   bench_memfs memory files|appends|lent [COUNT]
 *
 * `memory` wants a process of its own for each of its words.  Prints a JSON
 * line for each figure, all wall time.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <kist/memfs.h>

#include "workload.h"

#define KIB        ((size_t)1 << 10)
#define MIB        ((size_t)1 << 20)
#define QUOTA      ((uint64_t)16 << 30)
#define TURNS      9
#define OVERWRITES 256u

#define SMALL_SIZE  (4 * KIB)
#define BLOCK_SIZE  (64 * KIB)
#define BLOCKS      256u
#define SMALL_FILES 300u
#define MANY_FILES  10000u
#define MANY_READS  5000u
#define DEPTH       50u
#define DEEP_READS  1000u

#define THREADS_MAX 4
#define PAIRS       200000u

static void
ok(kist_status status, const char *call)
{
    if (status != KIST_OK) {
        bench_die("%s: %s", call, kist_status_name(status));
    }
}

static kist_memfs *
make(void)
{
    kist_memfs_options options;
    kist_memfs *fs;

    kist_memfs_options_init(&options);
    options.quota = QUOTA;
    options.promotion_size_max = QUOTA;
    ok(kist_memfs_new(&options, &fs), "new");
    return fs;
}

static kist_memfile *
opened(kist_memfs *fs, const char *path, kist_memfs_mode mode)
{
    kist_memfile *file;

    ok(kist_memfs_open(fs, kist_str(path), mode, NULL, &file), path);
    return file;
}

static void
keep(void *context)
{
    (void)context;
}

/* Memory that is there: every page has been written. */
static uint8_t *
mapped(size_t size)
{
    uint8_t *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED) {
        bench_die("mmap");
    }
    madvise(data, size, MADV_HUGEPAGE);
    memset(data, 1, size);
    return data;
}

static double
median(double *values, size_t count)
{
    return bench_quantile(values, count, 0.5);
}

/* --- blocks ----------------------------------------------------------- */

typedef struct block_run {
    size_t block;
    size_t size; // of the file
    kist_memfs *fs;
    uint8_t *source; // a block
    uint8_t *into;   // a block
    uint8_t *store;  // what memcpy writes and reads instead of a file
    uint64_t *places;
} block_run;

typedef void (*block_work)(const block_run *run);

static void
write_floor(const block_run *run)
{
    size_t at;

    for (at = 0; at < run->size; at += run->block) {
        memcpy(run->store + at, run->source, run->block);
    }
}

static void
write_kist(const block_run *run)
{
    kist_memfile *file = opened(run->fs, "/blocks", KIST_MODE_WB);
    size_t at;

    for (at = 0; at < run->size; at += run->block) {
        ok(kist_memfile_write(file, run->source, run->block), "write");
    }
    kist_memfile_free(file);
}

static void
read_floor(const block_run *run)
{
    size_t at;

    for (at = 0; at < run->size; at += run->block) {
        memcpy(run->into, run->store + at, run->block);
        __asm__ volatile("" : : "r"(run->into) : "memory");
    }
}

static void
read_kist(const block_run *run)
{
    kist_memfile *file = opened(run->fs, "/blocks", KIST_MODE_RB);
    size_t total = 0;
    size_t got;

    do {
        ok(kist_memfile_read(file, run->into, run->block, &got), "read");
        total += got;
    } while (got > 0);
    kist_memfile_free(file);
    if (total != run->size) {
        bench_die("%zu of %zu bytes were read", total, run->size);
    }
}

static void
overwrite_floor(const block_run *run)
{
    unsigned i;

    for (i = 0; i < OVERWRITES; i++) {
        memcpy(run->store + run->places[i], run->source, run->block);
    }
}

static void
overwrite_kist(const block_run *run)
{
    kist_memfile *file = opened(run->fs, "/blocks", KIST_MODE_RPB);
    uint64_t position;
    unsigned i;

    for (i = 0; i < OVERWRITES; i++) {
        ok(kist_memfile_seek(file, (int64_t)run->places[i], SEEK_SET,
                             &position),
           "seek");
        ok(kist_memfile_write(file, run->source, run->block), "write");
    }
    kist_memfile_free(file);
}

static void
blocks_row(const block_run *run, const char *work, const char *name,
           size_t bytes, double first_ns, double ns)
{
    bench_row_begin("memfs_c");
    bench_row_text("what", "blocks");
    bench_row_text("work", work);
    bench_row_text("engine", name);
    bench_row_number("block_kib", (double)(run->block / KIB));
    bench_row_number("mib", (double)(run->size / MIB));
    bench_row_number("first_ms", first_ns / 1e6);
    bench_row_number("ms", ns / 1e6);
    bench_row_number("gb_s", (double)bytes / ns);
    bench_row_end();
}

/* Both in turn; each has been there once before it counts. */
static void
blocks_compare(const block_run *run, const char *name, size_t bytes,
               block_work floor_work, block_work kist_work)
{
    const block_work works[2] = {floor_work, kist_work};
    double walls[2][TURNS];
    double first[2];
    int turn;
    int i;

    for (turn = -1; turn < TURNS; turn++) {
        for (i = 0; i < 2; i++) {
            const uint64_t start = bench_now_ns();
            double ns;

            works[i](run);
            ns = (double)(bench_now_ns() - start);
            if (turn < 0) {
                first[i] = ns;
            }
            else {
                walls[i][turn] = ns;
            }
        }
    }
    blocks_row(run, name, "memcpy", bytes, first[0], median(walls[0], TURNS));
    blocks_row(run, name, "kist", bytes, first[1], median(walls[1], TURNS));
}

static void
blocks(size_t kib, size_t mib)
{
    block_run run = {.block = kib * KIB, .size = mib * MIB};
    bench_rand draw = {42};
    unsigned i;

    run.fs = make();
    run.source = mapped(run.block);
    run.into = mapped(run.block);
    run.store = mapped(run.size);
    run.places = calloc(OVERWRITES, sizeof(*run.places));
    if (run.places == NULL) {
        bench_die("places");
    }
    for (i = 0; i < OVERWRITES; i++) {
        run.places[i] = bench_rand_below(&draw, run.size - run.block + 1);
    }
    blocks_compare(&run, "write", run.size, write_floor, write_kist);
    blocks_compare(&run, "read", run.size, read_floor, read_kist);
    blocks_compare(&run, "overwrite", OVERWRITES * run.block, overwrite_floor,
                   overwrite_kist);
    blocks_compare(&run, "read overwritten", run.size, read_floor, read_kist);
    kist_memfs_free(run.fs);
    munmap(run.source, run.block);
    munmap(run.into, run.block);
    munmap(run.store, run.size);
    free(run.places);
}

/* --- new memory ------------------------------------------------------- */

/* Pages of 4 KiB, or of 2 MiB. */
static void
fresh(bool huge)
{
    const size_t size = 256 * MIB;
    double walls[TURNS];
    int turn;

    for (turn = 0; turn < TURNS; turn++) {
        const uint64_t start = bench_now_ns();
        uint8_t *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        size_t at;

        if (data == MAP_FAILED) {
            bench_die("mmap");
        }
        madvise(data, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        for (at = 0; at < size; at += 4 * KIB) {
            data[at] = 1;
        }
        walls[turn] = (double)(bench_now_ns() - start) / 1e3 / 256;
        munmap(data, size);
    }
    bench_row_begin("memfs_c");
    bench_row_text("what", "fresh");
    bench_row_text("pages", huge ? "2 MiB" : "4 KiB");
    bench_row_number("first_us", walls[0]);
    bench_row_number("us", median(walls, TURNS));
    bench_row_end();
}

/* --- the published cases ---------------------------------------------- */

typedef struct case_run {
    bool lent; // bytes are handed over, and reads are loans
    uint8_t *data;
    uint8_t *into;
} case_run;

typedef void (*case_work)(const case_run *run);

static void
put(const case_run *run, kist_memfile *file, size_t size)
{
    if (run->lent) {
        ok(kist_memfile_write_lent(file, run->data, size, keep, NULL),
           "write_lent");
    }
    else {
        ok(kist_memfile_write(file, run->data, size), "write");
    }
}

/* The rest of the file, which is put together if it is in pieces. */
static void
get(const case_run *run, kist_memfile *file, size_t size)
{
    kist_loan loan;
    size_t got;

    if (!run->lent) {
        ok(kist_memfile_read(file, run->into, size, &got), "read");
    }
    else {
        ok(kist_memfile_take(file, size, &loan), "take");
        got = (size_t)loan.size;
        if (loan.data == NULL) {
            kist_loan_copy(&loan, run->into);
        }
        kist_loan_return(&loan);
    }
    if (got != size) {
        bench_die("%zu of %zu bytes were read", got, size);
    }
}

static void
put_file(const case_run *run, kist_memfs *fs, const char *path, size_t size)
{
    kist_memfile *file = opened(fs, path, KIST_MODE_WB);

    put(run, file, size);
    kist_memfile_free(file);
}

static void
get_file(const case_run *run, kist_memfs *fs, const char *path, size_t size)
{
    kist_memfile *file = opened(fs, path, KIST_MODE_RB);

    get(run, file, size);
    kist_memfile_free(file);
}

static void
small_files_rw(const case_run *run)
{
    kist_memfs *fs = make();
    char path[64];
    unsigned i;

    ok(kist_memfs_mkdir(fs, kist_str("/bench"), false), "mkdir");
    for (i = 0; i < SMALL_FILES; i++) {
        snprintf(path, sizeof(path), "/bench/file_%04u.bin", i);
        put_file(run, fs, path, SMALL_SIZE);
    }
    for (i = 0; i < SMALL_FILES; i++) {
        snprintf(path, sizeof(path), "/bench/file_%04u.bin", i);
        get_file(run, fs, path, SMALL_SIZE);
    }
    kist_memfs_free(fs);
}

static void
put_blocks(const case_run *run, kist_memfs *fs)
{
    kist_memfile *file = opened(fs, "/blocks", KIST_MODE_WB);
    unsigned i;

    for (i = 0; i < BLOCKS; i++) {
        put(run, file, BLOCK_SIZE);
    }
    kist_memfile_free(file);
}

static void
stream_write_read(const case_run *run)
{
    kist_memfs *fs = make();

    put_blocks(run, fs);
    get_file(run, fs, "/blocks", BLOCKS * BLOCK_SIZE);
    kist_memfs_free(fs);
}

static void
random_access_rw(const case_run *run)
{
    kist_memfs *fs = make();
    bench_rand draw = {42};
    kist_memfile *file;
    uint64_t position;
    unsigned i;

    put_blocks(run, fs);
    file = opened(fs, "/blocks", KIST_MODE_RPB);
    for (i = 0; i < BLOCKS; i++) {
        const uint64_t place =
            bench_rand_below(&draw, (BLOCKS - 1) * BLOCK_SIZE + 1);

        ok(kist_memfile_seek(file, (int64_t)place, SEEK_SET, &position),
           "seek");
        put(run, file, BLOCK_SIZE);
    }
    kist_memfile_free(file);
    get_file(run, fs, "/blocks", BLOCKS * BLOCK_SIZE);
    kist_memfs_free(fs);
}

static void
many_files_random_read(const case_run *run)
{
    kist_memfs *fs = make();
    bench_rand draw = {42};
    char path[64];
    unsigned i;

    for (i = 0; i < MANY_FILES; i++) {
        snprintf(path, sizeof(path), "/file_%05u.bin", i);
        put_file(run, fs, path, SMALL_SIZE);
    }
    for (i = 0; i < MANY_READS; i++) {
        snprintf(path, sizeof(path), "/file_%05u.bin",
                 (unsigned)bench_rand_below(&draw, MANY_FILES));
        get_file(run, fs, path, SMALL_SIZE);
    }
    kist_memfs_free(fs);
}

static void
deep_tree_read(const case_run *run)
{
    kist_memfs *fs = make();
    char path[DEPTH * 4 + 16];
    size_t size = 0;
    unsigned i;

    for (i = 0; i < DEPTH; i++) {
        size +=
            (size_t)snprintf(path + size, sizeof(path) - size, "/d%02u", i);
        ok(kist_memfs_mkdir(fs, kist_str(path), false), "mkdir");
    }
    snprintf(path + size, sizeof(path) - size, "/file.bin");
    put_file(run, fs, path, KIB);
    for (i = 0; i < DEEP_READS; i++) {
        get_file(run, fs, path, KIB);
    }
    kist_memfs_free(fs);
}

static const struct {
    const char *name;
    case_work work;
} case_all[] = {
    {"small_files_rw", small_files_rw},
    {"stream_write_read", stream_write_read},
    {"random_access_rw", random_access_rw},
    {"many_files_random_read", many_files_random_read},
    {"deep_tree_read", deep_tree_read},
};

/* All, or the one called `name`. */
static void
cases(const char *name)
{
    case_run run = {.data = mapped(BLOCK_SIZE)};
    size_t i;

    run.into = mapped(BLOCKS * BLOCK_SIZE);
    for (i = 0; i < 2 * sizeof(case_all) / sizeof(case_all[0]); i++) {
        double walls[TURNS];
        int turn;

        run.lent = i % 2 != 0;
        if (name != NULL && strcmp(name, case_all[i / 2].name) != 0) {
            continue;
        }
        for (turn = -1; turn < TURNS; turn++) {
            const uint64_t start = bench_now_ns();

            case_all[i / 2].work(&run);
            if (turn >= 0) {
                walls[turn] = (double)(bench_now_ns() - start);
            }
        }
        bench_row_begin("memfs_c");
        bench_row_text("what", "case");
        bench_row_text("case", case_all[i / 2].name);
        bench_row_text("how", run.lent ? "lent" : "copied");
        bench_row_number("ms", median(walls, TURNS) / 1e6);
        bench_row_end();
    }
    munmap(run.data, BLOCK_SIZE);
    munmap(run.into, BLOCKS * BLOCK_SIZE);
}

/* --- threads ---------------------------------------------------------- */

typedef struct thread_run {
    kist_memfs *fs; // NULL: memcpy alone, which is what the machine can do
    pthread_barrier_t barrier;
} thread_run;

typedef struct thread_place {
    thread_run *run;
    pthread_t thread;
    unsigned number;
} thread_place;

/* Writes and reads a file of 4 KiB of its own, again and again. */
static void *
pairs(void *place)
{
    const thread_place *self = place;
    thread_run *run = self->run;
    uint8_t *data = mapped(3 * SMALL_SIZE);
    const case_run copied = {false, data, data + SMALL_SIZE};
    char path[32];
    unsigned i;

    snprintf(path, sizeof(path), "/own%u", self->number);
    pthread_barrier_wait(&run->barrier);
    for (i = 0; i < PAIRS; i++) {
        if (run->fs != NULL) {
            put_file(&copied, run->fs, path, SMALL_SIZE);
            get_file(&copied, run->fs, path, SMALL_SIZE);
        }
        else {
            memcpy(data + 2 * SMALL_SIZE, data, SMALL_SIZE);
            __asm__ volatile("" : : "r"(data) : "memory");
            memcpy(data + SMALL_SIZE, data + 2 * SMALL_SIZE, SMALL_SIZE);
            __asm__ volatile("" : : "r"(data) : "memory");
        }
    }
    pthread_barrier_wait(&run->barrier);
    munmap(data, 3 * SMALL_SIZE);
    return NULL;
}

/* Wall ns of a pair, all threads together. */
static double
pairs_ns(kist_memfs *fs, unsigned count)
{
    thread_run run = {.fs = fs};
    thread_place places[THREADS_MAX];
    uint64_t start;
    double ns;
    unsigned i;

    pthread_barrier_init(&run.barrier, NULL, count + 1);
    for (i = 0; i < count; i++) {
        places[i] = (thread_place){.run = &run, .number = i};
        if (pthread_create(&places[i].thread, NULL, pairs, &places[i]) != 0) {
            bench_die("pthread_create");
        }
    }
    pthread_barrier_wait(&run.barrier);
    start = bench_now_ns();
    pthread_barrier_wait(&run.barrier);
    ns = (double)(bench_now_ns() - start);
    for (i = 0; i < count; i++) {
        pthread_join(places[i].thread, NULL);
    }
    pthread_barrier_destroy(&run.barrier);
    return ns / ((double)PAIRS * count);
}

static void
threads(void)
{
    static const unsigned counts[] = {1, 2, 4};
    kist_memfs *fs = make();
    double ns[2][3][5];
    unsigned turn;
    unsigned i;

    for (turn = 0; turn < 5; turn++) {
        for (i = 0; i < 3; i++) {
            ns[0][i][turn] = pairs_ns(fs, counts[i]);
            ns[1][i][turn] = pairs_ns(NULL, counts[i]);
        }
    }
    for (i = 0; i < 6; i++) {
        bench_row_begin("memfs_c");
        bench_row_text("what", "threads");
        bench_row_text("engine", i < 3 ? "kist" : "memcpy");
        bench_row_number("threads", counts[i % 3]);
        bench_row_number("ns", median(ns[i / 3][i % 3], 5));
        bench_row_end();
    }
    kist_memfs_free(fs);
}

/* --- memory ----------------------------------------------------------- */

static double
allocated(void)
{
    const struct mallinfo2 info = mallinfo2();

    return (double)info.uordblks + (double)info.hblkhd;
}

static void
memory(const char *kind, uint64_t count)
{
    static uint8_t data[KIST_MEMFS_LENT_MIN];
    kist_memfs *fs = make();
    kist_memfile *file = opened(fs, "/file", KIST_MODE_WB);
    double heap = allocated();
    double anon = (double)bench_anon_bytes();
    char path[32];
    uint64_t i;

    ok(kist_memfs_mkdir(fs, kist_str("/files"), false), "mkdir");
    for (i = 0; i < count; i++) {
        if (strcmp(kind, "files") == 0) {
            snprintf(path, sizeof(path), "/files/%07u", (unsigned)i);
            kist_memfile_free(opened(fs, path, KIST_MODE_WB));
        }
        else if (strcmp(kind, "appends") == 0) {
            ok(kist_memfile_write(file, data, 8), "write");
        }
        else {
            ok(kist_memfile_write_lent(file, data, sizeof(data), keep, NULL),
               "write_lent");
        }
    }
    heap = allocated() - heap;
    anon = (double)bench_anon_bytes() - anon;
    bench_row_begin("memfs_c");
    bench_row_text("what", "memory");
    bench_row_text("kind", kind);
    bench_row_number("n", (double)count);
    bench_row_number("heap_bytes", heap / (double)count);
    bench_row_number("anon_bytes", anon / (double)count);
    bench_row_end();
    kist_memfile_free(file);
    kist_memfs_free(fs);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int i;

    if (strcmp(what, "fresh") == 0) {
        fresh(false);
        fresh(true);
    }
    else if (strcmp(what, "blocks") == 0) {
        if (argc == 2) {
            blocks(64, 16);
        }
        for (i = 2; i + 1 < argc; i += 2) {
            blocks(bench_number(argv[i]), bench_number(argv[i + 1]));
        }
    }
    else if (strcmp(what, "cases") == 0) {
        cases(argc > 2 ? argv[2] : NULL);
    }
    else if (strcmp(what, "threads") == 0) {
        threads();
    }
    else if (strcmp(what, "memory") == 0 && argc > 2) {
        memory(argv[2], argc > 3 ? bench_number(argv[3]) : 1000000);
    }
    else {
        bench_die("usage: bench_memfs fresh|blocks|cases|threads|memory; the "
                  "first comment of its source says how");
    }
    return 0;
}
