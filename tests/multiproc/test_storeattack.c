/*
 * An attacker who may write into the store's directory swaps its files and
 * directories for symbolic links to what lies outside, all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/procs.h"

/* Builds that look closer are slower. */
#if defined(__has_feature)
#define OPERATIONS 20000u
#else
#define OPERATIONS 100000u
#endif

#define CANARY  "the canary that nobody may read or change"
#define WAIT_MS 200000

typedef struct attack {
    kt_shared *shared;
    char store[320];
    char outside[320];
    _Atomic uint32_t *over;
} attack;

/* Things of the store that are swapped, and what they are swapped for: the
 * names that are looked for outside are there, too. */
static const struct target {
    const char *name;
    const char *link; /* below the directory outside */
} targets[] = {
    {"plain.bin", "canary.bin"},
    {"dir", "dir"},
    {"dir/sub", "dir/sub"},
    {"dir/in.bin", "canary.bin"},
    {"new", "dir"},
    {"dir/sub/in.bin", "canary.bin"},
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static const char *const keys[] = {"plain",      "dir/in", "dir/sub/in",
                                   "new/sub/in", "canary", "dir/other"};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* --- the attacker ------------------------------------------------------- */

/* The directory of a target, without following the links that are there
 * already: only the store is to be led astray. */
static int
open_parent(const attack *at, const char *name, const char **last)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    const char *slash = strrchr(name, '/');
    const int root = open(at->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char parent[64] = ".";
    int fd;

    *last = slash == NULL ? name : slash + 1;
    if (slash != NULL) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
    }
    fd = (int)syscall(SYS_openat2, root, parent, &how, sizeof(how));
    if (root >= 0) {
        close(root);
    }
    return fd;
}

/* Puts a link in the place of a target, by exchange or by removal, and takes
 * it away again. */
static void
swap(const attack *at, const struct target *target, unsigned way)
{
    const char *name;
    const int dir = open_parent(at, target->name, &name);
    char link[400];
    char spare[32];

    if (dir < 0) {
        return;
    }
    snprintf(link, sizeof(link), "%s/%s", at->outside, target->link);
    snprintf(spare, sizeof(spare), "~spare%u", way % 7);
    if (way % 2 == 0) {
        if (symlinkat(link, dir, spare) == 0) {
            (void)renameat2(dir, spare, dir, name,
                            way % 3 == 0 ? 0 : RENAME_EXCHANGE);
            (void)renameat2(dir, name, dir, spare, RENAME_EXCHANGE);
        }
        (void)unlinkat(dir, spare, 0);
    }
    else {
        (void)unlinkat(dir, name, 0);
        if (symlinkat(link, dir, name) == 0 && way % 3 == 0) {
            (void)unlinkat(dir, name, 0);
        }
    }
    (void)renameat(dir, spare, dir, name);
    close(dir);
}

static int
attack_on(void *argument)
{
    const attack *at = argument;
    const pid_t parent = getppid();
    unsigned random = (unsigned)getpid();

    atomic_fetch_add(&at->shared->ready, 1);
    while (atomic_load(&at->shared->go) == 0 && getppid() == parent) {
        random = random * 1103515245u + 12345u;
        swap(at, &targets[(random >> 8) % TARGETS], random >> 16);
        atomic_fetch_add(&at->shared->done, 1);
    }
    return 0;
}

/* --- the victim --------------------------------------------------------- */

static bool
is_canary(const void *data, size_t size)
{
    return size > 0 && memmem(data, size, "canary", 6) != NULL;
}

static kist_decision
replace(void *context, const kist_slice *current, kist_buf *next)
{
    bool *seen = context;

    *seen =
        *seen || (current != NULL && is_canary(current->data, current->size));
    return kist_buf_append(next, "mine", 4) == KIST_OK ? KIST_REPLACE
                                                       : KIST_KEEP;
}

/* True if a scan with values, in some order, shows the canary. */
static bool
scan_shows(kist_store *store, kist_store_order order)
{
    const kist_store_scan_options options = {
        .values = true, .stats = true, .order = order};
    kist_store_scan *scan;
    kist_store_item item;
    bool seen = false;

    if (kist_store_scan_open(store, &options, &scan) != KIST_OK) {
        return false;
    }
    for (unsigned failures = 0; failures < 20;) {
        const kist_status status = kist_store_scan_next(scan, &item);

        if (status == KIST_END) {
            break;
        }
        failures += status != KIST_OK;
        seen = seen || (status == KIST_OK &&
                        is_canary(item.value.data, item.value.size));
    }
    kist_store_scan_close(scan);
    return seen;
}

/* One operation, whatever it answers; true if it has read the canary. */
static bool
operate(kist_store *store, unsigned random, kist_buf *value)
{
    const kist_slice key = kist_str(keys[(random >> 8) % KEYS]);
    kist_slice many[2] = {key, kist_str("plain")};
    const kist_slice values[2] = {kist_str("mine"), kist_str("mine")};
    bool seen = false;
    uint64_t count;
    kist_stat stat;
    kist_status status = KIST_OK;

    kist_buf_clear(value);
    switch ((random >> 16) % 32) {
    case 0:
        return scan_shows(store, KIST_ORDER_ANY);
    case 1:
        return scan_shows(store, KIST_ORDER_NEWEST);
    case 2:
        status = kist_store_clear(store, &count);
        break;
    case 3:
        status = kist_store_count(store, &count);
        break;
    case 4:
        status = kist_store_put_many(store, many, values, 2, NULL);
        break;
    case 5:
    case 6:
        status = kist_store_transform(store, key, replace, &seen, 3, NULL);
        break;
    case 7:
    case 8:
        status = kist_store_stat(store, key, &stat);
        return status == KIST_OK && stat.size == sizeof(CANARY) - 1;
    case 9:
    case 10:
    case 11:
        status = kist_store_remove(store, key);
        break;
    default:
        if ((random >> 16) % 2 == 0) {
            status = kist_store_put(store, key, kist_str("mine"), NULL);
        }
        else {
            status = kist_store_get(store, key, value, NULL);
            seen = status == KIST_OK && is_canary(value->data, value->size);
        }
        break;
    }
    return seen;
}

/* --- the test ----------------------------------------------------------- */

static void
check_outside(const attack *at, const char *name)
{
    char path[400];
    struct stat status;
    size_t size;
    uint8_t *data;

    snprintf(path, sizeof(path), "%s/%s", at->outside, name);
    data = kt_read_file(path, &size);
    KT_CHECK(data != NULL && size == sizeof(CANARY) - 1 &&
                 memcmp(data, CANARY, size) == 0 && stat(path, &status) == 0 &&
                 status.st_nlink == 1 && status.st_mtim.tv_sec == 1000000000 &&
                 (status.st_mode & 0777) == 0640,
             "%s was changed", name);
    free(data);
}

static const char *const outsiders[] = {"canary.bin", "dir/in.bin",
                                        "dir/sub/in.bin", "dir/other.bin"};

#define OUTSIDERS (sizeof(outsiders) / sizeof(outsiders[0]))

static void
make_outside(attack *at, const kt_place *place)
{
    static const char *const dirs[] = {"", "/dir", "/dir/sub"};
    const struct timespec times[2] = {{.tv_sec = 1000000000},
                                      {.tv_sec = 1000000000}};
    char path[400];

    snprintf(at->store, sizeof(at->store), "%s/s", place->dir);
    snprintf(at->outside, sizeof(at->outside), "%s/outside", place->dir);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", at->outside, dirs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < OUTSIDERS; i++) {
        snprintf(path, sizeof(path), "%s/%s", at->outside, outsiders[i]);
        kt_write_file(path, CANARY, sizeof(CANARY) - 1);
        assert_int_equal(chmod(path, 0640), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    // What is made or removed outside changes these.
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", at->outside, dirs[i]);
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
}

static void
check_dirs(const attack *at)
{
    static const char *const dirs[] = {"", "/dir", "/dir/sub"};

    for (size_t i = 0; i < 3; i++) {
        char path[400];
        struct stat status;

        snprintf(path, sizeof(path), "%s%s", at->outside, dirs[i]);
        KT_CHECK(stat(path, &status) == 0 &&
                     status.st_mtim.tv_sec == 1000000000,
                 "something was made or removed in %s", path);
    }
}

/* Goal: no call on a store reads, makes, changes or removes anything outside
 * of its directory, whatever links are put into it, at whatever moment (X8).
 * Method: two processes swap files and directories for links to canaries,
 * during 100,000 operations of all kinds. */
static void
test_links_lead_nowhere(void **state)
{
    const kt_place *place = *state;
    attack at = {.shared = kt_shared_new()};
    kist_store_options options;
    kist_buf value = {0};
    kist_store *store;
    pid_t attackers[2];
    uint64_t random = place->seed;
    unsigned done = 0;

    make_outside(&at, place);
    kist_store_options_init(&options);
    options.digest_len = 0;
    options.durability = KIST_STORE_NONE;
    KT_OK(kist_store_open_dir(at.store, &options, &store));
    for (size_t i = 0; i < 2; i++) {
        attackers[i] = kt_spawn(attack_on, &at);
    }
    assert_true(kt_wait_word(&at.shared->ready, 2, WAIT_MS));
    for (unsigned i = 0; i < OPERATIONS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        KT_CHECK(!operate(store, (unsigned)(random >> 32), &value),
                 "operation %u has read the canary", i);
        done += value.size == 4 && memcmp(value.data, "mine", 4) == 0;
    }
    atomic_store(&at.shared->go, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(kt_wait(attackers[i], WAIT_MS), 0);
    }
    for (size_t i = 0; i < OUTSIDERS; i++) {
        check_outside(&at, outsiders[i]);
    }
    check_dirs(&at);
    print_message("           %llu swaps, %u values read\n",
                  (unsigned long long)atomic_load(&at.shared->done), done);
    KT_CHECK(atomic_load(&at.shared->done) > 1000, "hardly any attack");
    KT_CHECK(done > 1000, "hardly any value read");
    kist_buf_fini(&value);
    kist_store_close(store);
    kt_shared_free(at.shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_links_lead_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
