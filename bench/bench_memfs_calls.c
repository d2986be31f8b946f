/*
 * bench_memfs_calls.c - what single calls of the memory file system cost
 * from C, and calls on whole trees.
 *
 *   bench_memfs_calls [CALL [COUNT]]
 *
 * All, or the one called CALL, COUNT times: that is for a profiler, and
 * makes no more files than it must.  Prints a JSON line for each call: wall
 * ns, the median of nine turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kist/memfs.h>

#include "workload.h"

#define QUOTA       ((uint64_t)8 << 30)
#define TURNS       9
#define TREE        10000u
#define WIDE        100u
#define MANY        100000u
#define SIZE        4096u
#define LARGE       (1u << 20)
#define SMALL       100u
#define PLACES_MASK 0xffffu

typedef struct call_run {
    kist_memfs *fs;
    kist_memfile *file; // "/large", opened to read and write
    kist_memfile *log;  // "/log", opened to append
    uint8_t data[SIZE];
    uint32_t *places;
    kist_memfs_item *items; // TREE of them, below /tree
    char *paths;
} call_run;

typedef void (*call_work)(call_run *run, unsigned i);

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

/* --- one call --------------------------------------------------------- */

static void
open_rb_close(call_run *run, unsigned i)
{
    (void)i;
    kist_memfile_free(opened(run->fs, "/file", KIST_MODE_RB));
}

static void
open_wb_close(call_run *run, unsigned i)
{
    (void)i;
    kist_memfile_free(opened(run->fs, "/other", KIST_MODE_WB));
}

static void
create_remove(call_run *run, unsigned i)
{
    (void)i;
    kist_memfile_free(opened(run->fs, "/gone", KIST_MODE_WB));
    ok(kist_memfs_remove(run->fs, kist_str("/gone")), "remove");
}

static void
rb_read_4k(call_run *run, unsigned i)
{
    kist_memfile *file = opened(run->fs, "/file", KIST_MODE_RB);
    uint8_t data[SIZE];
    size_t got;

    (void)i;
    ok(kist_memfile_read(file, data, SIZE, &got), "read");
    kist_memfile_free(file);
}

static void
rb_take_4k(call_run *run, unsigned i)
{
    kist_memfile *file = opened(run->fs, "/file", KIST_MODE_RB);
    kist_loan loan;

    (void)i;
    ok(kist_memfile_take(file, SIZE, &loan), "take");
    kist_loan_return(&loan);
    kist_memfile_free(file);
}

static void
wb_write_4k(call_run *run, unsigned i)
{
    kist_memfile *file = opened(run->fs, "/other", KIST_MODE_WB);

    (void)i;
    ok(kist_memfile_write(file, run->data, SIZE), "write");
    kist_memfile_free(file);
}

static void
wb_lend_4k(call_run *run, unsigned i)
{
    kist_memfile *file = opened(run->fs, "/other", KIST_MODE_WB);

    (void)i;
    ok(kist_memfile_write_lent(file, run->data, SIZE, keep, NULL), "lend");
    kist_memfile_free(file);
}

static void
append_100(call_run *run, unsigned i)
{
    (void)i;
    ok(kist_memfile_write(run->log, run->data, SMALL), "write");
}

static void
append_8(call_run *run, unsigned i)
{
    (void)i;
    ok(kist_memfile_write(run->log, run->data, 8), "write");
}

static void
seek_to(call_run *run, uint64_t place)
{
    uint64_t position;

    ok(kist_memfile_seek(run->file, (int64_t)place, SEEK_SET, &position),
       "seek");
}

static void
read_100(call_run *run, unsigned i)
{
    uint8_t data[SMALL];
    size_t got;

    if (i % (LARGE / SMALL) == 0) {
        seek_to(run, 0);
    }
    ok(kist_memfile_read(run->file, data, SMALL, &got), "read");
}

static void
seek_read_100(call_run *run, unsigned i)
{
    uint8_t data[SMALL];
    size_t got;

    seek_to(run, run->places[i & PLACES_MASK]);
    ok(kist_memfile_read(run->file, data, SMALL, &got), "read");
}

static void
seek_overwrite_100(call_run *run, unsigned i)
{
    seek_to(run, run->places[i & PLACES_MASK]);
    ok(kist_memfile_write(run->file, run->data, SMALL), "write");
}

static void
look(call_run *run, unsigned i)
{
    (void)i;
    if (kist_memfs_look(run->fs, kist_str("/file")) != KIST_MEMFS_FILE) {
        bench_die("look");
    }
}

static void
look_deep(call_run *run, unsigned i)
{
    (void)i;
    if (kist_memfs_look(run->fs, kist_str("/a/b/c/d/e")) != KIST_MEMFS_DIR) {
        bench_die("look");
    }
}

static void
stat_path(call_run *run, unsigned i)
{
    kist_memfs_stat stat;

    (void)i;
    ok(kist_memfs_stat_path(run->fs, kist_str("/file"), &stat), "stat");
}

static void
stats(call_run *run, unsigned i)
{
    kist_memfs_stats all;

    (void)i;
    kist_memfs_stats_get(run->fs, &all);
}

static void
rename_file(call_run *run, unsigned i)
{
    const char *const names[2] = {"/other", "/renamed"};

    ok(kist_memfs_rename(run->fs, kist_str(names[i % 2]),
                         kist_str(names[(i + 1) % 2])),
       "rename");
}

/* --- whole trees ------------------------------------------------------ */

static void
check_count(size_t found, size_t wanted, const char *call)
{
    if (found != wanted) {
        bench_die("%s: %zu and not %zu", call, found, wanted);
    }
}

static void
list(call_run *run, unsigned i)
{
    kist_memfs_names *names;

    (void)i;
    ok(kist_memfs_list(run->fs, kist_str("/tree"), &names), "list");
    check_count(names->count, TREE, "list");
    kist_memfs_names_free(names);
}

static void
glob(call_run *run, unsigned i)
{
    kist_memfs_names *names;

    (void)i;
    ok(kist_memfs_glob(run->fs, kist_str("/tree/*.bin"), &names), "glob");
    check_count(names->count, TREE, "glob");
    kist_memfs_names_free(names);
}

static void
walk_below(call_run *run, const char *top, size_t wanted)
{
    const kist_memfs_names *names;
    kist_memfs_walk *walk;
    kist_status status;
    kist_slice path;
    size_t found = 0;

    ok(kist_memfs_walk_open(run->fs, kist_str(top), &walk), "walk_open");
    while ((status = kist_memfs_walk_next(walk, &path, &names)) == KIST_OK) {
        found += names->count - names->dirs;
    }
    kist_memfs_walk_close(walk);
    if (status != KIST_END) {
        ok(status, "walk_next");
    }
    check_count(found, wanted, "walk");
}

static void
walk(call_run *run, unsigned i)
{
    (void)i;
    walk_below(run, "/tree", TREE);
}

static void
walk_wide(call_run *run, unsigned i)
{
    (void)i;
    walk_below(run, "/wide", WIDE * WIDE);
}

static void
export_tree(call_run *run, unsigned i)
{
    kist_memfs_bundle *bundle;

    (void)i;
    ok(kist_memfs_export_tree(run->fs, kist_str("/tree"), false,
                              KIST_WAIT_DEFAULT, &bundle),
       "export_tree");
    check_count(bundle->count, TREE, "export_tree");
    kist_memfs_bundle_free(bundle);
}

static void
import_copied(call_run *run, unsigned i)
{
    kist_memfs *fs = make();

    (void)i;
    ok(kist_memfs_import(fs, run->items, TREE), "import");
    kist_memfs_free(fs);
}

static void
copy_tree(call_run *run, unsigned i)
{
    (void)i;
    ok(kist_memfs_copy_tree(run->fs, kist_str("/tree"), kist_str("/copy"),
                            KIST_WAIT_DEFAULT),
       "copy_tree");
    ok(kist_memfs_rmtree(run->fs, kist_str("/copy")), "rmtree");
}

static void
clone(call_run *run, unsigned i)
{
    kist_memfs *fs;

    (void)i;
    ok(kist_memfs_clone(run->fs, &fs), "clone");
    kist_memfs_free(fs);
}

static const struct {
    const char *name;
    call_work work;
    unsigned count;
    bool on_tree;
} calls[] = {
    {"open_rb_close", open_rb_close, 20000, false},
    {"open_wb_close", open_wb_close, 20000, false},
    {"create_remove", create_remove, 20000, false},
    {"rb_read_4k", rb_read_4k, 20000, false},
    {"rb_take_4k", rb_take_4k, 20000, false},
    {"wb_write_4k", wb_write_4k, 20000, false},
    {"wb_lend_4k", wb_lend_4k, 20000, false},
    {"append_100", append_100, 50000, false},
    {"append_8", append_8, 50000, false},
    {"read_100", read_100, 50000, false},
    {"seek_read_100", seek_read_100, 50000, false},
    {"seek_overwrite_100", seek_overwrite_100, 50000, false},
    {"look", look, 50000, false},
    {"look_deep", look_deep, 50000, false},
    {"stat", stat_path, 50000, false},
    {"stats", stats, 50000, true},
    // An even number: the name comes back.
    {"rename", rename_file, 20000, false},
    {"list", list, 20, true},
    {"glob", glob, 5, true},
    {"walk", walk, 10, true},
    {"walk_wide", walk_wide, 10, true},
    {"export_tree", export_tree, 5, true},
    {"import", import_copied, 3, true},
    {"copy_tree", copy_tree, 3, true},
    {"clone", clone, 3, true},
};

/* --- the run ---------------------------------------------------------- */

static void
make_items(call_run *run)
{
    static const uint8_t content[1024];
    unsigned i;

    run->items = calloc(TREE, sizeof(*run->items));
    run->paths = calloc(TREE, 32);
    if (run->items == NULL || run->paths == NULL) {
        bench_die("items");
    }
    for (i = 0; i < TREE; i++) {
        char *path = run->paths + (size_t)i * 32;

        snprintf(path, 32, "/tree/file_%05u.bin", i);
        run->items[i].path = kist_str(path);
        run->items[i].data = kist_bytes(content, sizeof(content));
    }
}

/* Many files elsewhere, so that what goes over all of them shows. */
static void
make_tree(call_run *run)
{
    char path[32];
    unsigned i;

    ok(kist_memfs_import(run->fs, run->items, TREE), "import");
    for (i = 0; i < WIDE * WIDE; i++) {
        snprintf(path, sizeof(path), "/wide/%02u/%02u", i / WIDE, i % WIDE);
        if (i % WIDE == 0) {
            ok(kist_memfs_mkdir(run->fs, kist_bytes(path, strlen(path) - 3),
                                false),
               "mkdir");
        }
        kist_memfile_free(opened(run->fs, path, KIST_MODE_WB));
    }
    for (i = 0; i < MANY - TREE - WIDE * WIDE; i++) {
        snprintf(path, sizeof(path), "/%06u", i);
        kist_memfile_free(opened(run->fs, path, KIST_MODE_WB));
    }
}

static void
begin(call_run *run, bool with_tree)
{
    bench_rand draw = {7};
    unsigned i;

    run->fs = make();
    memset(run->data, 'd', sizeof(run->data));
    ok(kist_memfs_mkdir(run->fs, kist_str("/a/b/c/d/e"), false), "mkdir");
    run->file = opened(run->fs, "/file", KIST_MODE_WB);
    ok(kist_memfile_write(run->file, run->data, SIZE), "write");
    kist_memfile_free(run->file);
    kist_memfile_free(opened(run->fs, "/other", KIST_MODE_WB));
    kist_memfile_free(opened(run->fs, "/large", KIST_MODE_WB));
    run->file = opened(run->fs, "/large", KIST_MODE_RPB);
    for (i = 0; i < LARGE / SIZE; i++) {
        ok(kist_memfile_write(run->file, run->data, SIZE), "write");
    }
    run->log = opened(run->fs, "/log", KIST_MODE_AB);
    run->places = calloc(PLACES_MASK + 1, sizeof(*run->places));
    if (run->places == NULL) {
        bench_die("places");
    }
    for (i = 0; i <= PLACES_MASK; i++) {
        run->places[i] = (uint32_t)bench_rand_below(&draw, LARGE - SMALL);
    }
    make_items(run);
    if (with_tree) {
        make_tree(run);
    }
}

static void
end(call_run *run)
{
    kist_memfile_free(run->file);
    kist_memfile_free(run->log);
    kist_memfs_free(run->fs);
    free(run->places);
    free(run->items);
    free(run->paths);
}

static void
measure(call_run *run, const char *name, call_work work, unsigned count)
{
    double walls[TURNS];
    int turn;

    for (turn = -1; turn < TURNS; turn++) {
        const uint64_t start = bench_now_ns();
        unsigned i;

        for (i = 0; i < count; i++) {
            work(run, i);
        }
        if (turn >= 0) {
            walls[turn] = (double)(bench_now_ns() - start) / count;
        }
        // What was appended must not grow from turn to turn.
        ok(kist_memfile_truncate(run->log, 0), "truncate");
    }
    bench_row_begin("memfs_c");
    bench_row_text("what", "call");
    bench_row_text("call", name);
    bench_row_number("ns", bench_quantile(walls, TURNS, 0.5));
    bench_row_end();
}

int
main(int argc, char **argv)
{
    const size_t count = sizeof(calls) / sizeof(calls[0]);
    call_run run = {0};
    bool found = argc < 2;
    bool on_tree = argc < 2;
    size_t i;

    for (i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], calls[i].name) == 0) {
            found = true;
            on_tree = calls[i].on_tree;
        }
    }
    if (!found) {
        bench_die("no call is named %s", argv[1]);
    }
    begin(&run, on_tree);
    for (i = 0; i < count; i++) {
        unsigned times = calls[i].count;

        if (argc > 2) {
            times = (unsigned)bench_number(argv[2]);
        }
        if (argc < 2 || strcmp(argv[1], calls[i].name) == 0) {
            measure(&run, calls[i].name, calls[i].work, times);
        }
    }
    end(&run);
    return 0;
}
