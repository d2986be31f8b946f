/*
 * P1: who verifies or compacts is killed before each of its calls and inside
 * each of its steps, beside others that have the kist open.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coll/layout.h"
#include "index/idxfile.h"
#include "support/faultio.h"
#include "support/procs.h"

#define KEYS 200

static const kist_options plain = {.map_reserve = 16u << 20};
static const kist_options only_read = {.map_reserve = 16u << 20,
                                       .read_only = true};

typedef struct victim {
    const kt_place *place;
    kt_shared *shared;
    bool compacts;
    uint64_t nth;
} victim;

typedef struct handle {
    kist *k;
    kist_dict *dict;
} handle;

static void
handle_open(handle *h, const kt_place *place, const kist_options *options)
{
    KT_OK(kist_open(place->path, options, &h->k));
    KT_OK(kist_dict_open(h->k, kist_str("d"), KIST_INT, &h->dict));
}

static void
handle_close(handle *h)
{
    kist_dict_close(h->dict);
    KT_OK(kist_close(h->k));
}

static void
put(const handle *h, int64_t key)
{
    const kist_value value = kist_int(key * 7);
    char room[24];

    snprintf(room, sizeof(room), "key %lld", (long long)key);
    KT_OK(kist_dict_put(h->dict, kist_str(room), &value));
}

/* Keys 0 .. `end`-1 are there, and no others. */
static void
check(const handle *h, int64_t end, const victim *v, const char *who)
{
    uint64_t count;
    kist_value value;
    char room[24];

    for (int64_t key = 0; key < end; key++) {
        snprintf(room, sizeof(room), "key %lld", (long long)key);
        KT_CHECK(kist_dict_get(h->dict, kist_str(room), &value) == KIST_OK &&
                     value.as.integer == key * 7,
                 "killed before call %llu: %s, key %lld",
                 (unsigned long long)v->nth, who, (long long)key);
    }
    KT_OK(kist_dict_count(h->dict, &count));
    assert_int_equal(count, (uint64_t)end);
}

/* Makes the index wrong where only verify looks. */
static void
damage_index(const kt_place *place)
{
    const off_t at = KI_W_CATALOG + KI_C_BYTES;
    char path[400];
    uint64_t word;
    int fd;

    snprintf(path, sizeof(path), "%s.kistx", place->path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &word, sizeof(word), at), sizeof(word));
    word += 8;
    assert_int_equal(pwrite(fd, &word, sizeof(word), at), sizeof(word));
    close(fd);
}

static unsigned
leftovers(const kt_place *place)
{
    DIR *dir = opendir(place->dir);
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        count += strstr(entry->d_name, ".build~") != NULL;
    }
    closedir(dir);
    return count;
}

static void
die(void *context)
{
    (void)context;
    kill(getpid(), SIGKILL);
}

static int
upkeep(void *argument)
{
    victim *v = argument;
    kist_report report;
    kist *k;

    KT_CHILD(v->shared, KIST_OK, kist_open(v->place->path, &plain, &k));
    kt_io_install();
    kt_io_cut_at(v->nth, die, NULL);
    if (v->compacts) {
        KT_CHILD(v->shared, KIST_OK, kist_compact(k, NULL, NULL));
    }
    else {
        KT_CHILD(v->shared, KIST_OK, kist_verify(k, NULL, NULL, &report));
    }
    return 0;
}

/* One round; false if the child was not killed any more. */
static bool
kill_once(victim *v, bool beside)
{
    handle first;
    handle readers[2];
    handle writer;
    int64_t end = KEYS;
    int result;

    handle_open(&first, v->place, &plain);
    for (int64_t key = 0; key < end; key++) {
        put(&first, key);
        put(&first, key);
    }
    if (!v->compacts) {
        damage_index(v->place);
    }
    handle_open(&readers[0], v->place, &plain);
    handle_open(&readers[1], v->place, &only_read);
    check(&readers[0], end, v, "reader");
    check(&readers[1], end, v, "reader only");
    if (!beside) {
        handle_close(&readers[1]);
        handle_close(&readers[0]);
    }
    handle_close(&first);
    if (!beside && !v->compacts) {
        handle_open(&first, v->place, &plain);
        damage_index(v->place);
        handle_close(&first);
    }
    result = kt_wait(kt_spawn(upkeep, v), 20000);
    KT_CHECK(result == 0 || result == 128 + SIGKILL, "ended with %d: %s",
             result, v->shared->why);
    if (beside) {
        check(&readers[0], end, v, "reader");
        check(&readers[1], end, v, "reader only");
    }
    handle_open(&writer, v->place, &plain);
    put(&writer, end++);
    check(&writer, end, v, "writer");
    if (beside) {
        check(&readers[0], end, v, "reader, after a write");
        check(&readers[1], end, v, "reader only, after a write");
        put(&readers[0], end++);
        check(&writer, end, v, "writer, after the reader's write");
        check(&readers[1], end, v, "reader only, after that");
        handle_close(&readers[1]);
        handle_close(&readers[0]);
    }
    handle_close(&writer);
    handle_open(&writer, v->place, &plain);
    check(&writer, end, v, "reopened");
    KT_CHECK(leftovers(v->place) == 0, "killed before call %llu: %u left",
             (unsigned long long)v->nth, leftovers(v->place));
    handle_close(&writer);
    KT_OK(kist_destroy(v->place->path));
    return result != 0;
}

static void
kill_everywhere(void **state, bool compacts, bool beside)
{
    kt_shared *shared = kt_shared_new();
    victim v = {*state, shared, compacts, 1};

    while (kill_once(&v, beside)) {
        v.nth++;
    }
    print_message("           killed before each of %llu calls and points\n",
                  (unsigned long long)v.nth - 1);
    KT_CHECK(v.nth > 15, "only %llu", (unsigned long long)v.nth);
    kt_shared_free(shared);
}

/* Goal: whoever has the kist open sees what a new writer writes, and can
 * write, wherever a verify that rebuilds the index ends; nothing is left.
 * Method: killed before its n-th call, with two readers, one of them
 * read-only. */
static void
test_p01_killed_verify(void **state)
{
    kill_everywhere(state, false, true);
}

/* Goal and method: the same of a compaction. */
static void
test_p01_killed_compaction(void **state)
{
    kill_everywhere(state, true, true);
}

/* Goal: what dead builders leave is gone after the next open and close.
 * Method: as above, with nobody beside. */
static void
test_p01_nothing_is_left(void **state)
{
    kill_everywhere(state, true, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_p01_killed_verify),
        KT_TEST(test_p01_killed_compaction),
        KT_TEST(test_p01_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
