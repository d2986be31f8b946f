/*
 * bench_store.c - the floor below stores: what the system calls alone cost
 * that an operation cannot do without.
 *
 *   bench_store DIR [COUNT [SIZE]]
 *
 * Works on COUNT files of SIZE bytes in DIR, which it makes and removes
 * again; prints a JSON line for each call: CPU us (user and system) an
 * operation, or an entry where it goes over all.  Names are below a held
 * directory, so that none has more than one component to look up:
 *
 *     put         a temporary file, write, fsync, rename, fsync of DIR
 *     put_unsynced   the same without both fsync
 *     get         open, fstat, read, fstat, close
 *     stat, stat_missing, get_missing, unlink
 *     keys        getdents64 until the end, an entry
 *     items       that, and a get of each, an entry
 *     newest      that, and a stat of each, a call
 *     first       getdents64 of one buffer, a call
 *     transform   a get and a put
 *
 * and the same in 256 directories, with names of 64 digits: nfs_put (fsync
 * of the file and its directory), nfs_put_file (of the file alone),
 * nfs_put_unsynced (of neither), nfs_load (open, read, close: of each file,
 * by one thread, an entry), nfs_missing and nfs_unlink.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

#define SHARDS      256u
#define NAME_SIZE   96u
#define SIZE_MAX_   65536u
#define LIST_SIZE   (256u << 10)
#define WHOLE_CALLS 5u
#define FIRST_CALLS 2000u

typedef struct floor_run {
    unsigned count;
    unsigned size;
    uint32_t *order; // in which files are read
    uint8_t data[SIZE_MAX_];
    uint8_t list[LIST_SIZE];
    int dir;            // the one directory
    int shards[SHARDS]; // opened
    char *names;        // of COUNT files in 256 directories
} floor_run;

static void
ok(bool good, const char *call)
{
    if (!good) {
        bench_die("%s", call);
    }
}

static void
report(const char *call, bench_clock took, uint64_t operations)
{
    bench_row_begin("store_floor");
    bench_row_text("engine", "floor");
    bench_row_text("call", call);
    bench_row_number("us", (double)took.cpu_ns / 1000 / (double)operations);
    bench_row_number("wall_us",
                     (double)took.wall_ns / 1000 / (double)operations);
    bench_row_end();
}

/* --- one file --------------------------------------------------------- */

static void
name_of(char name[NAME_SIZE], const char *head, unsigned i)
{
    snprintf(name, NAME_SIZE, "%s-%06u_saav.json", head, i);
}

/* Writes a file the way that leaves either the old or the new one. */
static void
put(const floor_run *run, int dir, const char *name, bool sync_file,
    bool sync_dir)
{
    static const char temporary[] = ".__tmp__abcdefgh";
    const int file =
        openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    ok(file >= 0, "open of a temporary file");
    ok(write(file, run->data, run->size) == (ssize_t)run->size, "write");
    ok(!sync_file || fsync(file) == 0, "fsync");
    ok(close(file) == 0, "close");
    ok(renameat(dir, temporary, dir, name) == 0, "rename");
    ok(!sync_dir || fsync(dir) == 0, "fsync of the directory");
}

static void
get(floor_run *run, int dir, const char *name, bool checked)
{
    const int file = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat before;
    struct stat after;

    ok(file >= 0, "open");
    ok(!checked || fstat(file, &before) == 0, "fstat");
    ok(read(file, run->data, SIZE_MAX_) == (ssize_t)run->size, "read");
    ok(!checked || fstat(file, &after) == 0, "fstat");
    ok(close(file) == 0, "close");
}

static void
look(int dir, const char *name, bool there)
{
    struct stat found;

    ok((fstatat(dir, name, &found, 0) == 0) == there, "stat");
}

static void
miss(int dir, const char *name)
{
    ok(openat(dir, name, O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT,
       "open of what is missing");
}

/* --- the one directory ------------------------------------------------ */

typedef void (*floor_work)(floor_run *run, unsigned i);

static void
do_put(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "key", i);
    put(run, run->dir, name, true, true);
}

static void
do_put_unsynced(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "key", i);
    put(run, run->dir, name, false, false);
}

static void
do_get(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "key", run->order[i]);
    get(run, run->dir, name, true);
}

static void
do_get_missing(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "none", run->order[i]);
    miss(run->dir, name);
}

static void
do_stat(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "key", run->order[i]);
    look(run->dir, name, true);
}

static void
do_stat_missing(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "none", run->order[i]);
    look(run->dir, name, false);
}

static void
do_transform(floor_run *run, unsigned i)
{
    do_get(run, i);
    do_put(run, run->order[i]);
}

static void
do_unlink(floor_run *run, unsigned i)
{
    char name[NAME_SIZE];

    name_of(name, "key", run->order[i]);
    ok(unlinkat(run->dir, name, 0) == 0, "unlink");
}

static void
measure(floor_run *run, const char *call, floor_work work)
{
    const bench_clock start = bench_clock_start();

    for (unsigned i = 0; i < run->count; i++) {
        work(run, i);
    }
    report(call, bench_clock_since(start), run->count);
}

typedef enum floor_each { EACH_NONE, EACH_GET, EACH_STAT } floor_each;

/* Goes over the directory; returns how many files it has seen. */
static unsigned
list(floor_run *run, const char *path, floor_each each, bool all)
{
    const int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned seen = 0;
    ssize_t size;

    ok(dir >= 0, path);
    while ((size = getdents64(dir, run->list, LIST_SIZE)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry =
                (const struct dirent64 *)(const void *)(run->list + at);

            at += entry->d_reclen;
            if (entry->d_type != DT_REG) {
                continue;
            }
            seen++;
            if (each == EACH_GET) {
                get(run, dir, entry->d_name, true);
            }
            if (each == EACH_STAT) {
                look(dir, entry->d_name, true);
            }
        }
        if (!all) {
            break;
        }
    }
    ok(size >= 0, "getdents64");
    ok(close(dir) == 0, "close");
    return seen;
}

static void
measure_list(floor_run *run, const char *path, const char *call,
             floor_each each, bool an_entry)
{
    const bench_clock start = bench_clock_start();
    uint64_t seen = 0;

    for (unsigned i = 0; i < WHOLE_CALLS; i++) {
        seen += list(run, path, each, true);
    }
    ok(seen == (uint64_t)WHOLE_CALLS * run->count, "what was listed");
    report(call, bench_clock_since(start), an_entry ? seen : WHOLE_CALLS);
}

/* A caller who wants one entry asks for no more than a small buffer. */
static void
measure_first(floor_run *run, const char *path)
{
    const bench_clock start = bench_clock_start();

    for (unsigned i = 0; i < FIRST_CALLS; i++) {
        const int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ok(dir >= 0, path);
        ok(getdents64(dir, run->list, 256) > 0, "getdents64");
        ok(close(dir) == 0, "close");
    }
    report("first", bench_clock_since(start), FIRST_CALLS);
}

static void
one_directory(floor_run *run, const char *base)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/one", base);
    ok(mkdir(path, 0777) == 0, path);
    run->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok(run->dir >= 0, path);
    measure(run, "put", do_put);
    measure(run, "put_over", do_put);
    measure(run, "put_unsynced", do_put_unsynced);
    measure(run, "get", do_get);
    measure(run, "get_missing", do_get_missing);
    measure(run, "stat", do_stat);
    measure(run, "stat_missing", do_stat_missing);
    measure(run, "transform", do_transform);
    measure_list(run, path, "keys", EACH_NONE, true);
    measure_list(run, path, "items", EACH_GET, true);
    measure_list(run, path, "newest", EACH_STAT, false);
    measure_first(run, path);
    measure(run, "unlink", do_unlink);
    ok(close(run->dir) == 0 && rmdir(path) == 0, path);
}

/* --- 256 directories -------------------------------------------------- */

/* Where file i lies: its directory, and its name in there. */
static int
shard_of(const floor_run *run, unsigned i, const char **name)
{
    *name = run->names + (size_t)i * NAME_SIZE;
    return run->shards[(unsigned char)(*name)[NAME_SIZE - 1]];
}

/* Names as sha256 would give them: 64 digits, of a generator here. */
static void
make_names(floor_run *run)
{
    bench_rand rand = {20261121};

    run->names = calloc(run->count, NAME_SIZE);
    ok(run->names != NULL, "memory");
    for (unsigned i = 0; i < run->count; i++) {
        char *name = run->names + (size_t)i * NAME_SIZE;
        const uint64_t first = bench_rand_next(&rand);

        snprintf(name, NAME_SIZE - 1, "%016llx%016llx%016llx%016llx.pkl",
                 (unsigned long long)first,
                 (unsigned long long)bench_rand_next(&rand),
                 (unsigned long long)bench_rand_next(&rand),
                 (unsigned long long)bench_rand_next(&rand));
        name[NAME_SIZE - 1] = (char)(first >> 56);
    }
}

static void
do_nfs_put(floor_run *run, unsigned i)
{
    const char *name;
    const int dir = shard_of(run, i, &name);

    put(run, dir, name, true, true);
}

static void
do_nfs_put_file(floor_run *run, unsigned i)
{
    const char *name;
    const int dir = shard_of(run, i, &name);

    put(run, dir, name, true, false);
}

static void
do_nfs_put_unsynced(floor_run *run, unsigned i)
{
    const char *name;
    const int dir = shard_of(run, i, &name);

    put(run, dir, name, false, false);
}

static void
do_nfs_load(floor_run *run, unsigned i)
{
    const char *name;
    const int dir = shard_of(run, run->order[i], &name);

    get(run, dir, name, false);
}

static void
do_nfs_missing(floor_run *run, unsigned i)
{
    const char *name;
    const int dir = shard_of(run, run->order[i], &name);

    miss(dir, "none");
}

static void
do_nfs_unlink(floor_run *run, unsigned i)
{
    const char *name;
    const int dir = shard_of(run, run->order[i], &name);

    ok(unlinkat(dir, name, 0) == 0, "unlink");
}

static void
many_directories(floor_run *run, const char *base)
{
    char path[4096];

    make_names(run);
    for (unsigned i = 0; i < SHARDS; i++) {
        snprintf(path, sizeof(path), "%s/%02x", base, i);
        ok(mkdir(path, 0777) == 0, path);
        run->shards[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ok(run->shards[i] >= 0, path);
    }
    measure(run, "nfs_put", do_nfs_put);
    measure(run, "nfs_put_over", do_nfs_put);
    measure(run, "nfs_put_file", do_nfs_put_file);
    measure(run, "nfs_put_unsynced", do_nfs_put_unsynced);
    measure(run, "nfs_load", do_nfs_load);
    measure(run, "nfs_missing", do_nfs_missing);
    measure(run, "nfs_unlink", do_nfs_unlink);
    for (unsigned i = 0; i < SHARDS; i++) {
        snprintf(path, sizeof(path), "%s/%02x", base, i);
        ok(close(run->shards[i]) == 0 && rmdir(path) == 0, path);
    }
    free(run->names);
}

int
main(int argc, char **argv)
{
    static floor_run run;

    if (argc < 2) {
        bench_die("usage: bench_store DIR [COUNT [SIZE]]");
    }
    run.count = argc > 2 ? (unsigned)bench_number(argv[2]) : 10000;
    run.size = argc > 3 ? (unsigned)bench_number(argv[3]) : 100;
    ok(run.count > 0 && run.size < SIZE_MAX_, "COUNT and SIZE");
    memset(run.data, 'v', sizeof(run.data));
    run.order = bench_permutation(run.count, 1);
    ok(mkdir(argv[1], 0777) == 0, argv[1]);
    one_directory(&run, argv[1]);
    many_directories(&run, argv[1]);
    ok(rmdir(argv[1]) == 0, argv[1]);
    free(run.order);
    return 0;
}
