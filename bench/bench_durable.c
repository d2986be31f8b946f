/*
 * bench_durable.c - what a put costs that survives a power cut.
 *
 *   bench_durable one  -d DIR [-b BLOCKDEV] [-k PUTS] ENGINE...
 *   bench_durable many -d DIR -e ENGINE [-t THREADS | -p PROCESSES] [-m MS]
 *
 * one   one writer at a time: the engines take turns in blocks of puts, so
 *       that all meet the same disk.  ENGINE "bare" is the floor: one write
 *       of a record's size and one fdatasync on a file whose space is taken.
 *       With the name of a block device under DIR (loop0) also what reached
 *       it: KiB, writes and flushes a put.
 * many  several writers at once for MS milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "workload.h"

#define BLOCK_PUTS  50u
#define WARM_PUTS   10u
#define PREFILL     20000u
#define BARE_BYTES  (16 << 20)
#define RECORD_SIZE 144u // 16-byte key, 100-byte value and a record's head
#define ENGINES_MAX 16
#define WRITERS_MAX 64u

/* What a block device has done since boot. */
typedef struct device_count {
    double sectors;
    double writes;
    double flushes;
} device_count;

typedef struct one_engine {
    const engine *eng; // NULL: the bare file
    void *db;
    int fd;
    off_t tail;
    uint32_t next_id;
    double *us; // one for each put
    size_t puts;
    device_count done;
} one_engine;

static device_count
device_now(const char *device)
{
    device_count count = {0, 0, 0};
    unsigned long long fields[17];
    char path[256];
    FILE *file;
    int i;

    if (device == NULL) {
        return count;
    }
    snprintf(path, sizeof(path), "/sys/block/%s/stat", device);
    file = fopen(path, "re");
    if (file == NULL) {
        bench_die("%s", path);
    }
    for (i = 0; i < 17; i++) {
        if (fscanf(file, "%llu", &fields[i]) != 1) {
            bench_die("%s: fewer than 17 fields", path);
        }
    }
    fclose(file);
    count.writes = (double)fields[4];
    count.sectors = (double)fields[6];
    count.flushes = (double)fields[15];
    return count;
}

static void
device_add(device_count *sum, device_count before, device_count after)
{
    sum->writes += after.writes - before.writes;
    sum->sectors += after.sectors - before.sectors;
    sum->flushes += after.flushes - before.flushes;
}

/* Fills the store, not durably, with the ids that no timed put uses. */
static void
prefill(const engine *eng, const char *dir, const bench_work *work)
{
    const eng_options options = {PREFILL, 1000, false};
    uint8_t space[BENCH_VALUE_SIZE];
    uint32_t i;
    void *db;

    bench_fresh_dir(dir);
    db = eng->open(dir, &options);
    for (i = 0; i < PREFILL; i++) {
        eng->put(db, bench_key(work, i), bench_value(space, i, 0));
    }
    if (eng->sync != NULL) {
        eng->sync(db);
    }
    eng->close(db);
}

static void
bare_open(one_engine *one, const char *path)
{
    one->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (one->fd < 0 || fallocate(one->fd, 0, 0, BARE_BYTES) != 0 ||
        fsync(one->fd) != 0) {
        bench_die("%s", path);
    }
}

static void
bare_put(one_engine *one, eng_blob value)
{
    char record[RECORD_SIZE] = {1};

    memcpy(record + RECORD_SIZE - value.size, value.data, value.size);
    if (pwrite(one->fd, record, RECORD_SIZE, one->tail) !=
            (ssize_t)RECORD_SIZE ||
        fdatasync(one->fd) != 0) {
        bench_die("bare write");
    }
    one->tail += RECORD_SIZE;
}

static void
one_put(one_engine *one, const bench_work *work)
{
    const uint32_t id = PREFILL + one->next_id++;
    uint8_t space[BENCH_VALUE_SIZE];
    const eng_blob value = bench_value(space, id, 0);

    if (one->eng == NULL) {
        bare_put(one, value);
    }
    else {
        one->eng->put(one->db, bench_key(work, id), value);
    }
}

static void
one_open(one_engine *one, const char *dir, const char *name, size_t puts,
         const bench_work *work)
{
    const eng_options options = {PREFILL, 1, true};
    char path[4096];
    uint32_t i;

    memset(one, 0, sizeof(*one));
    one->us = calloc(puts, sizeof(*one->us));
    if (one->us == NULL) {
        bench_die("one");
    }
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (strcmp(name, "bare") == 0) {
        bare_open(one, path);
    }
    else {
        one->eng = engine_find(name);
        prefill(one->eng, path, work);
        one->db = one->eng->open(path, &options);
    }
    for (i = 0; i < WARM_PUTS; i++) {
        one_put(one, work);
    }
}

static void
one_block(one_engine *one, const char *device, const bench_work *work)
{
    const device_count before = device_now(device);
    uint32_t i;

    for (i = 0; i < BLOCK_PUTS; i++) {
        const uint64_t start = bench_now_ns();

        one_put(one, work);
        one->us[one->puts++] = (double)(bench_now_ns() - start) / 1000;
    }
    device_add(&one->done, before, device_now(device));
}

static void
one_report(one_engine *one, const char *name, const char *device)
{
    const double puts = (double)one->puts;
    double sum = 0;
    size_t i;

    for (i = 0; i < one->puts; i++) {
        sum += one->us[i];
    }
    bench_row_begin("durable");
    bench_row_text("engine", name);
    bench_row_number("puts", puts);
    bench_row_number("p50_us", bench_quantile(one->us, one->puts, 0.5));
    bench_row_number("p99_us", bench_quantile(one->us, one->puts, 0.99));
    bench_row_number("mean_us", sum / puts);
    if (device != NULL) {
        bench_row_number("kib", one->done.sectors / 2 / puts);
        bench_row_number("writes", one->done.writes / puts);
        bench_row_number("flushes", one->done.flushes / puts);
    }
    bench_row_end();
}

static void
run_one(const char *dir, const char *device, size_t puts, char **names,
        int count)
{
    one_engine ones[ENGINES_MAX];
    bench_work work;
    int i;

    if (count < 1 || count > ENGINES_MAX) {
        bench_die("1 to %d engines", ENGINES_MAX);
    }
    puts = (puts + BLOCK_PUTS - 1) / BLOCK_PUTS * BLOCK_PUTS;
    bench_work_init(&work, PREFILL + WARM_PUTS + puts, 0);
    for (i = 0; i < count; i++) {
        one_open(&ones[i], dir, names[i], puts, &work);
    }
    sync(); // of other files nothing is left to write meanwhile
    while (ones[0].puts < puts) {
        for (i = 0; i < count; i++) {
            one_block(&ones[i], device, &work);
        }
    }
    for (i = 0; i < count; i++) {
        one_report(&ones[i], names[i], device);
        if (ones[i].eng != NULL) {
            ones[i].eng->close(ones[i].db);
        }
        else {
            close(ones[i].fd);
        }
        free(ones[i].us);
    }
    bench_work_fini(&work);
}

/* Shared by the writers, which may be processes. */
typedef struct many_shared {
    _Atomic uint32_t ready;
    _Atomic bool go;
    _Atomic bool stop;
    _Atomic uint64_t puts[WRITERS_MAX];
} many_shared;

typedef struct many_run {
    const engine *eng;
    const char *dir;
    void *db; // of all threads, where they share it
    many_shared *shared;
    const bench_work *work;
    uint32_t writers;
} many_run;

typedef struct many_writer {
    const many_run *run;
    uint32_t number;
} many_writer;

static void *
many_open(const many_run *run)
{
    const eng_options options = {PREFILL, 1, true};

    return run->eng->open(run->dir, &options);
}

static void
many_write(const many_run *run, uint32_t number, void *db)
{
    many_shared *shared = run->shared;
    uint32_t id = number;
    uint32_t gen = 1;

    atomic_fetch_add(&shared->ready, 1);
    while (!atomic_load(&shared->go)) {
        usleep(100);
    }
    while (!atomic_load(&shared->stop)) {
        uint8_t space[BENCH_VALUE_SIZE];

        run->eng->put(db, bench_key(run->work, id),
                      bench_value(space, id, gen));
        atomic_fetch_add(&shared->puts[number], 1);
        id += run->writers;
        if (id >= PREFILL) {
            id = number;
            gen++;
        }
    }
}

static void *
many_thread(void *context)
{
    const many_writer *writer = context;
    const many_run *run = writer->run;
    void *db = run->db != NULL ? run->db : many_open(run);

    many_write(run, writer->number, db);
    if (run->db == NULL) {
        run->eng->close(db);
    }
    return NULL;
}

static uint64_t
many_total(const many_run *run)
{
    uint64_t total = 0;
    uint32_t i;

    for (i = 0; i < run->writers; i++) {
        total += atomic_load(&run->shared->puts[i]);
    }
    return total;
}

static void
many_measure(const many_run *run, const char *how, uint64_t ms)
{
    many_shared *shared = run->shared;
    uint64_t start;
    uint64_t first;
    double us;

    while (atomic_load(&shared->ready) < run->writers) {
        usleep(100);
    }
    atomic_store(&shared->go, true);
    usleep(50000); // let them find their rhythm
    first = many_total(run);
    start = bench_now_ns();
    usleep((useconds_t)ms * 1000);
    us = (double)(bench_now_ns() - start) / 1000;
    first = many_total(run) - first;
    atomic_store(&shared->stop, true);
    bench_row_begin("durable_many");
    bench_row_text("engine", run->eng->name);
    bench_row_text("how", how);
    bench_row_number("writers", run->writers);
    bench_row_number("puts", (double)first);
    bench_row_number("us", us / (double)first);
    bench_row_end();
}

static void
many_threads(many_run *run, uint64_t ms)
{
    pthread_t threads[WRITERS_MAX];
    many_writer writers[WRITERS_MAX];
    uint32_t i;

    run->db = run->eng->shared_handle ? many_open(run) : NULL;
    for (i = 0; i < run->writers; i++) {
        writers[i].run = run;
        writers[i].number = i;
        if (pthread_create(&threads[i], NULL, many_thread, &writers[i])) {
            bench_die("pthread_create");
        }
    }
    many_measure(run, "threads", ms);
    for (i = 0; i < run->writers; i++) {
        pthread_join(threads[i], NULL);
    }
    if (run->db != NULL) {
        run->eng->close(run->db);
    }
}

static void
many_processes(many_run *run, uint64_t ms)
{
    pid_t children[WRITERS_MAX];
    uint32_t i;

    fflush(stdout);
    for (i = 0; i < run->writers; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            bench_die("fork");
        }
        if (children[i] == 0) {
            void *db = many_open(run);

            many_write(run, i, db);
            run->eng->close(db);
            _exit(0);
        }
    }
    many_measure(run, "processes", ms);
    for (i = 0; i < run->writers; i++) {
        int status;

        if (waitpid(children[i], &status, 0) != children[i] || status != 0) {
            bench_die("%s: writer %u failed", run->eng->name, i);
        }
    }
}

static void
run_many(const engine *eng, const char *dir, uint32_t threads,
         uint32_t processes, uint64_t ms)
{
    many_run run = {eng,  dir,  NULL,
                    NULL, NULL, threads > 0 ? threads : processes};
    bench_work work;

    if (run.writers < 1 || run.writers > WRITERS_MAX) {
        bench_die("1 to %u writers", WRITERS_MAX);
    }
    bench_work_init(&work, PREFILL, 0);
    run.work = &work;
    prefill(eng, dir, &work);
    run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.shared == MAP_FAILED) {
        bench_die("mmap");
    }
    if (threads > 0) {
        many_threads(&run, ms);
    }
    else {
        many_processes(&run, ms);
    }
    munmap(run.shared, sizeof(*run.shared));
    bench_work_fini(&work);
}

int
main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    const engine *eng = NULL;
    const char *dir = NULL;
    const char *device = NULL;
    uint64_t puts = 500;
    uint64_t ms = 1000;
    uint32_t threads = 0;
    uint32_t processes = 0;
    int option;

    optind = 2;
    while (argc > 1 && (option = getopt(argc, argv, "e:d:b:k:t:p:m:")) != -1) {
        switch (option) {
        case 'e':
            eng = engine_find(optarg);
            break;
        case 'd':
            dir = optarg;
            break;
        case 'b':
            device = optarg;
            break;
        case 'k':
            puts = bench_number(optarg);
            break;
        case 't':
            threads = (uint32_t)bench_number(optarg);
            break;
        case 'p':
            processes = (uint32_t)bench_number(optarg);
            break;
        case 'm':
            ms = bench_number(optarg);
            break;
        default:
            return 2;
        }
    }
    if (dir != NULL && strcmp(command, "one") == 0) {
        run_one(dir, device, puts, argv + optind, argc - optind);
    }
    else if (dir != NULL && eng != NULL && strcmp(command, "many") == 0) {
        run_many(eng, dir, threads, processes, ms);
    }
    else {
        bench_die("usage: bench_durable one|many -d DIR ...");
    }
    return 0;
}
