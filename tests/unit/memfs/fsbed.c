#include "fsbed.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t
kt_tick_ns(void *context)
{
    static _Atomic int64_t now = INT64_C(1000000000000);

    (void)context;
    return atomic_fetch_add(&now, 1000000000) + 1000000000;
}

kist_memfs_options
kt_fs_options(uint64_t quota)
{
    kist_memfs_options options;

    kist_memfs_options_init(&options);
    options.quota = quota;
    options.now_ns = kt_tick_ns;
    options.lock_timeout_ms = 50;
    return options;
}

kist_memfs *
kt_fs_new(uint64_t quota)
{
    const kist_memfs_options options = kt_fs_options(quota);
    kist_memfs *fs;

    KT_OK(kist_memfs_new(&options, &fs));
    return fs;
}

static const kist_memfs_open_options at_once = {0, 0};

kist_memfile *
kt_fs_open(kist_memfs *fs, const char *path, kist_memfs_mode mode)
{
    kist_memfile *file = NULL;

    KT_OK(kist_memfs_open(fs, kist_str(path), mode, &at_once, &file));
    return file;
}

kist_status
kt_fs_try(kist_memfs *fs, const char *path, kist_memfs_mode mode)
{
    kist_memfile *file = NULL;
    const kist_status status =
        kist_memfs_open(fs, kist_str(path), mode, &at_once, &file);

    if (status == KIST_OK) {
        kist_memfile_free(file);
    }
    return status;
}

static void
write_text(kist_memfile *file, const char *text)
{
    if (text[0] != '\0') {
        KT_OK(kist_memfile_write(file, text, strlen(text)));
    }
    kist_memfile_free(file);
}

void
kt_fs_put(kist_memfs *fs, const char *path, const char *text)
{
    write_text(kt_fs_open(fs, path, KIST_MODE_WB), text);
}

void
kt_fs_append(kist_memfs *fs, const char *path, const char *text)
{
    write_text(kt_fs_open(fs, path, KIST_MODE_AB), text);
}

void
kt_fs_write_at(kist_memfs *fs, const char *path, int64_t offset,
               const char *text)
{
    kist_memfile *file = kt_fs_open(fs, path, KIST_MODE_RPB);
    uint64_t position;

    KT_OK(kist_memfile_seek(file, offset, SEEK_SET, &position));
    write_text(file, text);
}

void
kt_fs_mkdir(kist_memfs *fs, const char *path)
{
    KT_OK(kist_memfs_mkdir(fs, kist_str(path), false));
}

void
kt_fs_check(kist_memfs *fs, const char *path, const char *text)
{
    kt_fs_check_bytes(fs, path, text, strlen(text));
}

/* By kist_memfile_read() in pieces of odd sizes. */
static void
check_read(kist_memfs *fs, const char *path, const uint8_t *data, size_t size)
{
    kist_memfile *file = kt_fs_open(fs, path, KIST_MODE_RB);
    const size_t room = 70001;
    uint8_t *part = malloc(room);
    size_t at = 0;
    size_t got = 1;

    assert_non_null(part);
    while (got > 0) {
        KT_OK(kist_memfile_read(file, part, room, &got));
        assert_true(got <= size - at);
        assert_true(got == 0 || memcmp(part, data + at, got) == 0);
        at += got;
    }
    assert_int_equal(at, size);
    free(part);
    kist_memfile_free(file);
}

void
kt_loan_check(const kist_loan *loan, const void *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);

    assert_non_null(copy);
    assert_true(loan->size == size);
    memset(copy, 0xa5, size + 1);
    kist_loan_copy(loan, copy);
    assert_true(size == 0 || memcmp(copy, data, size) == 0);
    assert_int_equal(copy[size], 0xa5);
    if (loan->data != NULL && size > 0) {
        assert_memory_equal(loan->data, data, size);
    }
    free(copy);
}

void
kt_fs_check_bytes(kist_memfs *fs, const char *path, const void *data,
                  size_t size)
{
    kist_loan loan;

    assert_true(kt_fs_stat(fs, path).size == size);
    check_read(fs, path, data, size);
    KT_OK(kist_memfs_export(fs, kist_str(path), KIST_WAIT_DEFAULT, &loan));
    kt_loan_check(&loan, data, size);
    kist_loan_return(&loan);
}

kist_memfs_stat
kt_fs_stat(kist_memfs *fs, const char *path)
{
    kist_memfs_stat stat;

    KT_OK(kist_memfs_stat_path(fs, kist_str(path), &stat));
    return stat;
}

kist_memfs_stats
kt_fs_stats(kist_memfs *fs)
{
    kist_memfs_stats stats;

    kist_memfs_stats_get(fs, &stats);
    return stats;
}

void
kt_fs_check_stats(kist_memfs *fs, uint64_t used, uint64_t files, uint64_t dirs,
                  uint64_t chunks)
{
    const kist_memfs_stats stats = kt_fs_stats(fs);

    KT_CHECK(stats.used == used, "used %" PRIu64 ", not %" PRIu64, stats.used,
             used);
    assert_int_equal(stats.files, files);
    assert_int_equal(stats.dirs, dirs);
    assert_int_equal(stats.chunks, chunks);
    assert_true(stats.free == stats.quota - stats.used);
}

/* --- all of a file system
 * ---------------------------------------------------*/

typedef struct report {
    char *text;
    size_t size;
    FILE *out;
    bool times;
    uint64_t files;
    uint64_t dirs;
    uint64_t bytes;
} report;

static void
print_bytes(FILE *out, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] > 32 && bytes[i] < 127 && bytes[i] != '\\') {
            fputc(bytes[i], out);
        }
        else {
            fprintf(out, "\\%02x", bytes[i]);
        }
    }
}

/* Up to 40 bytes as they are, and a sum over all. */
static void
print_contents(FILE *out, kist_memfs *fs, kist_slice path)
{
    kist_loan loan;
    uint8_t *data;
    uint64_t sum = 0;
    kist_status status;

    status = kist_memfs_export(fs, path, KIST_WAIT_DEFAULT, &loan);
    if (status == KIST_ERR_LOCKED) {
        fputs(" (open)", out);
        return;
    }
    KT_OK(status);
    data = malloc(loan.size + 1);
    assert_non_null(data);
    kist_loan_copy(&loan, data);
    for (size_t i = 0; i < loan.size; i++) {
        sum = sum * 0x9e3779b97f4a7c15u + data[i];
    }
    fputs(" \"", out);
    print_bytes(out, data, loan.size < 40 ? loan.size : 40);
    fprintf(out, "\" %" PRIx64, sum);
    free(data);
    kist_loan_return(&loan);
}

static void
report_node(report *r, kist_memfs *fs, kist_slice path)
{
    kist_memfs_stat stat;

    KT_OK(kist_memfs_stat_path(fs, path, &stat));
    print_bytes(r->out, path.data, path.size);
    fprintf(r->out, " %s %" PRIu64 " generation %" PRIu64,
            stat.is_dir ? "dir" : "file", stat.size, stat.generation);
    if (r->times) {
        fprintf(r->out, " created %" PRId64 " modified %" PRId64,
                stat.created_ns, stat.modified_ns);
    }
    if (stat.is_dir) {
        r->dirs++;
    }
    else {
        r->files++;
        r->bytes += stat.size;
        print_contents(r->out, fs, path);
    }
    fputc('\n', r->out);
}

/* The directory and its files; those below come by themselves. */
static void
report_dir(report *r, kist_memfs *fs, kist_slice path,
           const kist_memfs_names *names)
{
    kist_memfs_names *listed;

    report_node(r, fs, path);
    KT_OK(kist_memfs_list(fs, path, &listed));
    assert_int_equal(listed->count, names->count);
    fputs("  order:", r->out);
    for (size_t i = 0; i < listed->count; i++) {
        fputc(' ', r->out);
        print_bytes(r->out, listed->names[i].data, listed->names[i].size);
    }
    fputc('\n', r->out);
    kist_memfs_names_free(listed);
    for (size_t i = names->dirs; i < names->count; i++) {
        const kist_slice name = names->names[i];
        char *whole = malloc(path.size + 1 + name.size);
        size_t size = path.size;

        assert_non_null(whole);
        memcpy(whole, path.data, size);
        if (size > 1) {
            whole[size++] = '/';
        }
        memcpy(whole + size, name.data, name.size);
        report_node(r, fs, kist_bytes(whole, size + name.size));
        free(whole);
    }
}

static report
report_all(kist_memfs *fs, bool times)
{
    report r = {.times = times};
    const kist_memfs_stats stats = kt_fs_stats(fs);
    const kist_memfs_names *names;
    kist_memfs_walk *walk;
    kist_slice path;
    kist_status status;

    r.out = open_memstream(&r.text, &r.size);
    assert_non_null(r.out);
    KT_OK(kist_memfs_walk_open(fs, kist_str("/"), &walk));
    for (;;) {
        status = kist_memfs_walk_next(walk, &path, &names);
        if (status != KIST_OK) {
            break;
        }
        report_dir(&r, fs, path, names);
    }
    assert_int_equal(status, KIST_END);
    kist_memfs_walk_close(walk);
    fprintf(r.out,
            "used %" PRIu64 " of %" PRIu64 ", free %" PRIu64 ", %" PRIu64
            " files, %" PRIu64 " dirs, %" PRIu64 " chunks of %" PRIu64 "\n",
            stats.used, stats.quota, stats.free, stats.files, stats.dirs,
            stats.chunks, stats.chunk_overhead);
    fclose(r.out);
    return r;
}

char *
kt_fs_describe(kist_memfs *fs, bool times)
{
    return report_all(fs, times).text;
}

void
kt_fs_check_described(kist_memfs *fs, bool times, const char *text)
{
    char *now = kt_fs_describe(fs, times);

    KT_CHECK(strcmp(now, text) == 0, "it is\n%s\nand should be\n%s", now,
             text);
    free(now);
}

void
kt_fs_check_sums(kist_memfs *fs)
{
    const kist_memfs_stats stats = kt_fs_stats(fs);
    const report r = report_all(fs, false);
    const uint64_t sum = r.bytes + stats.chunks * stats.chunk_overhead;

    KT_CHECK(stats.files == r.files, "%" PRIu64 " files, not %" PRIu64,
             stats.files, r.files);
    KT_CHECK(stats.dirs == r.dirs, "%" PRIu64 " dirs, not %" PRIu64,
             stats.dirs, r.dirs);
    KT_CHECK(stats.used == sum, "used %" PRIu64 ", files have %" PRIu64,
             stats.used, sum);
    KT_CHECK(stats.used <= stats.quota, "used %" PRIu64 " of %" PRIu64,
             stats.used, stats.quota);
    assert_true(stats.free == stats.quota - stats.used);
    free(r.text);
}

/* --- listings
 * ---------------------------------------------------------------*/

void
kt_fs_check_names(const kist_memfs_names *names, const char *expected)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0) {
            fputc(' ', out);
        }
        print_bytes(out, names->names[i].data, names->names[i].size);
    }
    fclose(out);
    KT_CHECK(strcmp(text, expected) == 0, "\"%s\", not \"%s\"", text,
             expected);
    free(text);
}

void
kt_fs_check_list(kist_memfs *fs, const char *path, const char *expected)
{
    kist_memfs_names *names;

    KT_OK(kist_memfs_list(fs, kist_str(path), &names));
    kt_fs_check_names(names, expected);
    kist_memfs_names_free(names);
}

void
kt_fs_check_glob(kist_memfs *fs, const char *pattern, const char *expected)
{
    kist_memfs_names *names;

    KT_OK(kist_memfs_glob(fs, kist_str(pattern), &names));
    kt_fs_check_names(names, expected);
    kist_memfs_names_free(names);
}

/* --- lent bytes
 * -------------------------------------------------------------*/

uint64_t
kt_random_below(uint64_t *state, uint64_t limit)
{
    return kt_random(state) % limit;
}

void
kt_fill(uint8_t *data, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t word = kt_random(&seed);

        memcpy(data + i, &word, size - i < 8 ? size - i : 8);
    }
}

void
kt_lent_init(kt_lent *lent, size_t size, uint64_t seed)
{
    *lent = (kt_lent){.data = malloc(size + 1), .size = size};
    assert_non_null(lent->data);
    kt_fill(lent->data, size, seed);
}

void
kt_lent_release(void *context)
{
    kt_lent *lent = context;

    if (lent->fs != NULL) {
        // If a lock were held, one of these would not come back.
        (void)kt_fs_stats(lent->fs);
        (void)kist_memfs_look(lent->fs, kist_str("/made on release"));
        kt_fs_put(lent->fs, "/made on release", "x");
    }
    if (atomic_fetch_add(&lent->released, 1) == 0) {
        memset(lent->data, 0xdd, lent->size);
    }
}

void
kt_lent_fini(kt_lent *lent, int times)
{
    assert_int_equal(lent->released, times);
    free(lent->data);
}
