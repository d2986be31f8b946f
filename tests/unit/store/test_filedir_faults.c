/*
 * Each call that a store in a directory makes goes wrong: the 1st, 2nd, 3rd
 * ... of its kind, once and from then on, with each errno that is likely.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failtables.h"
#include "support/check.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* --- what is there ------------------------------------------------------ */

#define LARGE 9000

/* "@" stands for LARGE bytes, in files and in calls alike. */
static kist_slice
value_of(const char *text)
{
    static char large[LARGE];

    if (text[0] != '@') {
        return kist_str(text);
    }
    for (size_t index = 0; index < LARGE; index++) {
        large[index] = (char)('a' + index * 7 % 26);
    }
    return kist_bytes(large, LARGE);
}

/* A key and its value, or NULL. */
typedef struct cell {
    const char *key;
    const char *value;
} cell;

#define CELLS_MAX 8

/* All keys that are ever used, and what they hold at first. */
static const cell cells[CELLS_MAX] = {
    {"a", "@"},    {"dir/b", "two"}, {"dir/sub/c", "three"}, {"gone/d", "@"},
    {"new", NULL}, {"x/y/z", NULL},  {"x/w", NULL},          {"again", NULL},
};

static void
file_path(const kt_place *place, const char *key, char *path, size_t size)
{
    snprintf(path, size, "%s/s/%s.bin", place->dir, key);
}

/* The store's directory as it is before each trial. */
static void
fill(const kt_place *place)
{
    static const char *const dirs[] = {"", "/dir", "/dir/sub", "/gone"};
    char path[400];

    kt_make_empty(place->dir);
    for (size_t index = 0; index < ARRAY_SIZE(dirs); index++) {
        snprintf(path, sizeof(path), "%s/s%s", place->dir, dirs[index]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t index = 0; index < CELLS_MAX; index++) {
        if (cells[index].value != NULL) {
            const kist_slice value = value_of(cells[index].value);

            file_path(place, cells[index].key, path, sizeof(path));
            kt_write_file(path, value.data, value.size);
        }
    }
}

/* Does the key's file hold exactly this (NULL: is it missing)? */
static bool
holds(const kt_place *place, const char *key, const char *text)
{
    char path[400];
    size_t size;
    uint8_t *data;
    bool same;

    file_path(place, key, path, sizeof(path));
    data = kt_read_file(path, &size);
    if (text == NULL || data == NULL) {
        same = text == NULL && data == NULL;
    }
    else {
        const kist_slice value = value_of(text);

        same = size == value.size && memcmp(data, value.data, value.size) == 0;
    }
    free(data);
    return same;
}

static size_t files_met;

static int
meet(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)path;
    (void)at;
    files_met += type == FTW_F;
    return 0;
}

/* The files below the store's directory, whatever they are. */
static size_t
count_files(const kt_place *place)
{
    char path[400];

    files_met = 0;
    snprintf(path, sizeof(path), "%s/s", place->dir);
    (void)nftw(path, meet, 16, FTW_PHYS);
    return files_met;
}

/* --- the calls ---------------------------------------------------------- */

typedef struct trial {
    const char *name;
    /* An answer that is no failure, but wrong, is TEST_WRONG. */
    kist_status (*call)(kist_store *store);
    cell changes[CELLS_MAX]; /* what it does */
    bool fresh;              /* nothing is there before, nor the directory */
} trial;

#define TEST_WRONG KIST_ERR_CORRUPT /* no store here answers that */

static kist_status
put(kist_store *store, const char *key, const char *text)
{
    kist_etag etag;

    return kist_store_put(store, kist_str(key), value_of(text), &etag);
}

static kist_status
call_put_over(kist_store *store)
{
    return put(store, "a", "one");
}

static kist_status
call_put_new(kist_store *store)
{
    return put(store, "new", "@");
}

static kist_status
call_put_deep(kist_store *store)
{
    return put(store, "x/y/z", "@");
}

static kist_status
call_put_beside(kist_store *store)
{
    return put(store, "dir/sub/c", "@");
}

static kist_status
call_put_below(kist_store *store)
{
    kist_store *sub;
    kist_status status = kist_store_sub(store, kist_str("x/y"), &sub);

    if (status == KIST_OK) {
        status = put(sub, "z", "@");
        kist_store_close(sub);
    }
    return status;
}

static kist_status
call_remove(kist_store *store)
{
    return kist_store_remove(store, kist_str("a"));
}

static kist_status
call_remove_last(kist_store *store)
{
    return kist_store_remove(store, kist_str("gone/d"));
}

/* The condition that the key's ETag is the one it has. */
static kist_status
same_as_now(kist_store *store, const char *key, kist_condition *condition)
{
    kist_stat stat;
    const kist_status status = kist_store_stat(store, kist_str(key), &stat);

    *condition =
        (kist_condition){.rule = KIST_IF_SAME, .fetch = KIST_FETCH_ALWAYS};
    if (status == KIST_OK) {
        condition->expected = stat.etag;
    }
    return status == KIST_ERR_NOTFOUND ? TEST_WRONG : status;
}

static kist_status
call_put_if(kist_store *store)
{
    kist_condition condition;
    kist_outcome outcome;
    kist_buf value = {0};
    kist_status status = same_as_now(store, "dir/b", &condition);

    if (status == KIST_OK) {
        status = kist_store_put_if(store, kist_str("dir/b"), value_of("@"),
                                   &condition, &value, &outcome);
    }
    kist_buf_fini(&value);
    return status == KIST_OK && outcome.found != KIST_FOUND_GIVEN ? TEST_WRONG
                                                                  : status;
}

static kist_status
call_remove_if(kist_store *store)
{
    kist_condition condition;
    kist_outcome outcome;
    kist_status status = same_as_now(store, "gone/d", &condition);

    if (status == KIST_OK) {
        status = kist_store_remove_if(store, kist_str("gone/d"), &condition,
                                      &outcome);
    }
    return status == KIST_OK && (!outcome.satisfied || outcome.after.size > 0)
               ? TEST_WRONG
               : status;
}

static kist_status
put_new(kist_store *store, const char *key, kist_found found)
{
    const kist_condition condition = {.rule = KIST_IF_ANY,
                                      .fetch = KIST_FETCH_ALWAYS};
    kist_outcome outcome;
    kist_buf value = {0};
    kist_status status = kist_store_put_new_if(
        store, kist_str(key), value_of("three"), &condition, &value, &outcome);

    if (status == KIST_OK &&
        (outcome.found != found ||
         (found == KIST_FOUND_VALUE && value.size != LARGE))) {
        status = TEST_WRONG;
    }
    kist_buf_fini(&value);
    return status;
}

static kist_status
call_put_new_if(kist_store *store)
{
    return put_new(store, "x/w", KIST_FOUND_GIVEN);
}

static kist_status
call_put_new_if_there(kist_store *store)
{
    return put_new(store, "a", KIST_FOUND_VALUE);
}

static kist_decision
turn_large(void *context, const kist_slice *current, kist_buf *next)
{
    const kist_slice large = value_of("@");
    kist_status *status = context;

    *status = TEST_WRONG;
    if (current != NULL && current->size == 5 &&
        memcmp(current->data, "three", 5) == 0) {
        *status = kist_buf_append(next, large.data, large.size);
    }
    return *status == KIST_OK ? KIST_REPLACE : KIST_KEEP;
}

static kist_status
call_transform(kist_store *store)
{
    kist_status decided = KIST_OK;
    const kist_status status = kist_store_transform(
        store, kist_str("dir/sub/c"), turn_large, &decided, 3, NULL);

    return status == KIST_OK ? decided : status;
}

static kist_status
call_put_many(kist_store *store)
{
    const kist_slice keys[] = {kist_str("a"), kist_str("x/y/z"),
                               kist_str("new"), kist_str("dir/b")};
    const kist_slice values[] = {value_of("three"), value_of("@"),
                                 value_of("two"), value_of("one")};
    kist_status statuses[ARRAY_SIZE(keys)];
    const kist_status status =
        kist_store_put_many(store, keys, values, ARRAY_SIZE(keys), statuses);

    for (size_t index = 0; index < ARRAY_SIZE(keys); index++) {
        if (status == KIST_OK && statuses[index] != KIST_OK) {
            return TEST_WRONG;
        }
    }
    return status;
}

static kist_status
call_clear(kist_store *store)
{
    uint64_t count;
    const kist_status status = kist_store_clear(store, &count);

    return status == KIST_OK && count > 4 ? TEST_WRONG : status;
}

/* A failure is one thing; to say that there is nothing is another. */
static kist_status
call_get(kist_store *store)
{
    static const char *const keys[] = {"a", "dir/sub/c", "gone/d"};
    static const char *const texts[] = {"@", "three", "@"};
    kist_buf value = {0};
    kist_status status = KIST_OK;

    for (size_t index = 0; status == KIST_OK && index < 3; index++) {
        const kist_slice expected = value_of(texts[index]);

        status = kist_store_get(store, kist_str(keys[index]), &value, NULL);
        if (status == KIST_ERR_NOTFOUND ||
            (status == KIST_OK &&
             (value.size != expected.size ||
              memcmp(value.data, expected.data, value.size) != 0))) {
            status = TEST_WRONG;
        }
    }
    kist_buf_fini(&value);
    return status;
}

static kist_status
call_stat(kist_store *store)
{
    kist_stat stat;
    bool there = false;
    kist_status status = kist_store_stat(store, kist_str("gone/d"), &stat);

    if (status == KIST_ERR_NOTFOUND ||
        (status == KIST_OK && stat.size != LARGE)) {
        return TEST_WRONG;
    }
    if (status == KIST_OK) {
        status = kist_store_contains(store, kist_str("a"), &there);
    }
    return status == KIST_OK && !there ? TEST_WRONG : status;
}

static kist_status
call_get_many(kist_store *store)
{
    const kist_slice keys[] = {kist_str("a"), kist_str("dir/b"),
                               kist_str("new")};
    kist_buf values[ARRAY_SIZE(keys)] = {{0}};
    kist_status statuses[ARRAY_SIZE(keys)];
    kist_status status =
        kist_store_get_many(store, keys, ARRAY_SIZE(keys), values, statuses);

    if (status == KIST_OK) {
        status = statuses[0] != KIST_OK ? statuses[0] : statuses[1];
        if (status == KIST_ERR_NOTFOUND || statuses[2] == KIST_OK ||
            (status == KIST_OK && values[0].size != LARGE)) {
            status = TEST_WRONG;
        }
    }
    for (size_t index = 0; index < ARRAY_SIZE(keys); index++) {
        kist_buf_fini(&values[index]);
    }
    return status;
}

static kist_status
scan(kist_store *store, const kist_store_scan_options *options)
{
    kist_store_scan *at;
    kist_store_item item;
    kist_status status = kist_store_scan_open(store, options, &at);
    kist_status last = KIST_OK;
    size_t met = 0;

    if (status != KIST_OK) {
        return status;
    }
    // A value that cannot be read ends one call, not the scan; that what
    // fails goes on for ever is no reason to go on for ever.
    for (int failures = 0; failures < 20;) {
        status = kist_store_scan_next(at, &item);
        if (status == KIST_END) {
            break;
        }
        met += status == KIST_OK;
        failures += status != KIST_OK;
        last = status == KIST_OK ? last : status;
    }
    kist_store_scan_close(at);
    return last == KIST_OK && met != 4 ? TEST_WRONG : last;
}

static kist_status
call_scan(kist_store *store)
{
    return scan(store, &(kist_store_scan_options){.values = true});
}

static kist_status
call_scan_newest(kist_store *store)
{
    return scan(store, &(kist_store_scan_options){.stats = true,
                                                  .order = KIST_ORDER_NEWEST});
}

static kist_status
call_count(kist_store *store)
{
    uint64_t count = 0;
    bool empty = false;
    kist_buf key = {0};
    kist_status status = kist_store_count(store, &count);

    if (status == KIST_OK) {
        status = kist_store_is_empty(store, &empty);
    }
    if (status == KIST_OK) {
        status = kist_store_random(store, &key);
    }
    kist_buf_fini(&key);
    return status == KIST_ERR_NOTFOUND ||
                   (status == KIST_OK && (count != 4 || empty))
               ? TEST_WRONG
               : status;
}

static const trial trials[] = {
    {"put over another", call_put_over, {{"a", "one"}}, false},
    {"put a new one", call_put_new, {{"new", "@"}}, false},
    {"put below new directories", call_put_deep, {{"x/y/z", "@"}}, false},
    {"put below", call_put_beside, {{"dir/sub/c", "@"}}, false},
    {"put in a sub-store", call_put_below, {{"x/y/z", "@"}}, false},
    {"open and put the first", call_put_deep, {{"x/y/z", "@"}}, true},
    {"remove", call_remove, {{"a", NULL}}, false},
    {"remove the last", call_remove_last, {{"gone/d", NULL}}, false},
    {"put_if", call_put_if, {{"dir/b", "@"}}, false},
    {"remove_if", call_remove_if, {{"gone/d", NULL}}, false},
    {"put_new_if", call_put_new_if, {{"x/w", "three"}}, false},
    {"put_new_if, there", call_put_new_if_there, {{0}}, false},
    {"transform", call_transform, {{"dir/sub/c", "@"}}, false},
    {"put_many",
     call_put_many,
     {{"a", "three"}, {"x/y/z", "@"}, {"new", "two"}, {"dir/b", "one"}},
     false},
    {"clear",
     call_clear,
     {{"a", NULL}, {"dir/b", NULL}, {"dir/sub/c", NULL}, {"gone/d", NULL}},
     false},
    {"get", call_get, {{0}}, false},
    {"stat", call_stat, {{0}}, false},
    {"get_many", call_get_many, {{0}}, false},
    {"scan", call_scan, {{0}}, false},
    {"scan, newest first", call_scan_newest, {{0}}, false},
    {"count", call_count, {{0}}, false},
};

/* --- trying ------------------------------------------------------------- */

static const char *context; /* of what is being tried, for messages */

/* What the keys hold: all as before but for the changes, each of which is
 * made, or, if the call failed, made or not. */
static void
check_state(const kt_place *place, const trial *what, bool done,
            bool leftovers)
{
    size_t files = 0;

    for (size_t index = 0; index < CELLS_MAX; index++) {
        const char *key = cells[index].key;
        const char *before = what->fresh ? NULL : cells[index].value;
        const cell *change = NULL;

        for (size_t at = 0; at < CELLS_MAX; at++) {
            if (what->changes[at].key != NULL &&
                strcmp(what->changes[at].key, key) == 0) {
                change = &what->changes[at];
            }
        }
        KT_CHECK((change != NULL && holds(place, key, change->value)) ||
                     ((change == NULL || !done) && holds(place, key, before)),
                 "%s: %s is neither as it was nor as it was to be", context,
                 key);
        files += !holds(place, key, NULL);
    }
    KT_CHECK(leftovers || count_files(place) == files,
             "%s: %zu files for %zu values", context, count_files(place),
             files);
}

/* The handle works, and somebody else is not locked out. */
static void
check_usable(const kt_place *place, kist_store *store,
             const kist_store_options *options)
{
    kist_store_options impatient = *options;
    char path[400];
    kist_store *other;

    snprintf(path, sizeof(path), "%s/s", place->dir);
    impatient.lock_timeout_ms = 50;
    KT_OK(put(store, "again", "@"));
    KT_OK(kist_store_open_dir(path, &impatient, &other));
    KT_OK(put(other, "again", "one"));
    KT_OK(kist_store_remove(store, kist_str("again")));
    kist_store_close(other);
}

/* One trial with one fault; false if nothing failed any more. */
static bool
try_once(const kt_place *place, const trial *what, const kt_fault *with,
         kist_store_durability durability)
{
    kist_store_options options;
    const size_t open_before = kt_count_descriptors();
    kist_store *store = NULL;
    char path[400];
    char text[300];
    kist_status status = KIST_OK;
    uint64_t hits;
    int error;

    kist_store_options_init(&options);
    options.digest_len = 0;
    options.durability = durability;
    if (what->fresh) {
        kt_make_empty(place->dir);
    }
    else {
        fill(place);
    }
    snprintf(path, sizeof(path), "%s/s", place->dir);
    snprintf(text, sizeof(text), "%s, level %d, %s %llu%s", what->name,
             (int)durability, with->name, (unsigned long long)with->nth,
             with->on ? " and all after it" : "");
    context = text;
    if (!what->fresh) {
        KT_OK(kist_store_open_dir(path, &options, &store));
    }
    kt_fault_arm(with);
    if (what->fresh) {
        status = kist_store_open_dir(path, &options, &store);
    }
    if (status == KIST_OK) {
        status = what->call(store);
    }
    error = status == KIST_OK ? 0 : kist_last_error()->sys_errno;
    hits = kt_fault_disarm();
    KT_CHECK(status != TEST_WRONG, "%s: a wrong answer", context);
    KT_CHECK(hits > 0 || status == KIST_OK, "%s: %s without a fault", context,
             kist_status_name(status));
    KT_CHECK(!with->invisible || with->on || status == KIST_OK, "%s: %s",
             context, kist_status_name(status));
    KT_CHECK(status == KIST_OK || status == KIST_ERR_NOMEM ||
                 with->error == ESTALE || with->error < 0 ||
                 error == with->error,
             "%s: %s with errno %d", context, kist_status_name(status), error);
    check_state(place, what, status == KIST_OK,
                with->kind == KT_FAULT_UNLINK && hits > 0);
    if (store == NULL) {
        KT_OK(kist_store_open_dir(path, &options, &store));
    }
    check_usable(place, store, &options);
    kist_store_close(store);
    KT_CHECK(kt_count_descriptors() == open_before,
             "%s: %zu descriptors, not %zu", context, kt_count_descriptors(),
             open_before);
    return hits > 0;
}

/* All trials with one weapon: n = 1, 2 ... until a call goes through. */
static uint64_t
try_all(const kt_place *place, const kt_fault *base,
        kist_store_durability durability)
{
    uint64_t count = 0;

    for (size_t index = 0; index < ARRAY_SIZE(trials); index++) {
        // nobody is interrupted for ever
        for (int on = 0; on < (base->error == EINTR ? 1 : 2); on++) {
            kt_fault with = *base;

            with.on = on == 1;
            for (with.nth = 1;
                 try_once(place, &trials[index], &with, durability);
                 with.nth++) {
                count++;
            }
        }
    }
    return count;
}

static void
sweep(void **state, const kt_fault *faults, size_t count,
      kist_store_durability durability)
{
    const kt_place *place = *state;

    kt_fault_install();
    for (size_t index = 0; index < count; index++) {
        const uint64_t count_hit = try_all(place, &faults[index], durability);

        print_message("           %s: %llu faults\n", faults[index].name,
                      (unsigned long long)count_hit);
        // syncs are not made at every level, nor are all calls
        KT_CHECK(count_hit > 0 || faults[index].kind == KT_FAULT_SYNC_ALL ||
                     faults[index].kind == KT_FAULT_REPLACE ||
                     faults[index].kind == KT_FAULT_RANDOM ||
                     faults[index].kind == KT_FAULT_MTIME,
                 "%s: never made", faults[index].name);
    }
    kt_fault_remove();
}

#define SWEEP(state, faults, level)                                           \
    sweep((state), (faults), ARRAY_SIZE(faults), (level))

static const kt_fault on_names[] = {
    {.name = "open EMFILE", .kind = KT_FAULT_OPEN, .error = EMFILE},
    {.name = "open EIO", .kind = KT_FAULT_OPEN, .error = EIO},
    {.name = "open ENOSPC", .kind = KT_FAULT_OPEN, .error = ENOSPC},
    {.name = "open EACCES", .kind = KT_FAULT_OPEN, .error = EACCES},
    {.name = "openat2 ENFILE", .kind = KT_FAULT_BENEATH, .error = ENFILE},
    {.name = "openat2 EACCES", .kind = KT_FAULT_BENEATH, .error = EACCES},
    {.name = "openat2 EIO", .kind = KT_FAULT_BENEATH, .error = EIO},
    {.name = "stat EIO", .kind = KT_FAULT_LOOK, .error = EIO},
    {.name = "stat EACCES", .kind = KT_FAULT_LOOK, .error = EACCES},
    {.name = "mkdir ENOSPC", .kind = KT_FAULT_MKDIR, .error = ENOSPC},
    {.name = "mkdir EROFS", .kind = KT_FAULT_MKDIR, .error = EROFS},
    {.name = "unlink EIO", .kind = KT_FAULT_UNLINK, .error = EIO},
    {.name = "unlink EACCES", .kind = KT_FAULT_UNLINK, .error = EACCES},
    {.name = "rmdir EIO", .kind = KT_FAULT_RMDIR, .error = EIO},
    {.name = "rename EIO", .kind = KT_FAULT_RENAME, .error = EIO},
    {.name = "rename ENOSPC", .kind = KT_FAULT_RENAME, .error = ENOSPC},
    {.name = "rename EDQUOT", .kind = KT_FAULT_RENAME, .error = EDQUOT},
    {.name = "getdents EIO", .kind = KT_FAULT_LIST, .error = EIO},
    {.name = "flock ENOLCK", .kind = KT_FAULT_FLOCK, .error = ENOLCK},
    {.name = "flock EIO", .kind = KT_FAULT_FLOCK, .error = EIO},
    {.name = "dup ENOMEM", .kind = KT_FAULT_REPLACE, .error = ENOMEM},
    {.name = "utimensat EPERM", .kind = KT_FAULT_MTIME, .error = EPERM},
    {.name = "syncfs EIO", .kind = KT_FAULT_SYNC_ALL, .error = EIO},
    {.name = "syncfs ENOSPC", .kind = KT_FAULT_SYNC_ALL, .error = ENOSPC},
};

static const kt_fault on_files[] = {
    {.name = "close EIO", .kind = KT_FAULT_CLOSE, .error = EIO},
    {.name = "close ENOSPC", .kind = KT_FAULT_CLOSE, .error = ENOSPC},
    {"close EINTR", KT_FAULT_CLOSE, EINTR, true, false, 0},
    {.name = "read EIO", .kind = KT_FAULT_READ, .error = EIO},
    {"read EINTR", KT_FAULT_READ, EINTR, true, false, 0},
    {"read short", KT_FAULT_READ, KT_FAULT_SHORT, true, false, 0},
    {.name = "write ENOSPC", .kind = KT_FAULT_WRITE, .error = ENOSPC},
    {.name = "write EIO", .kind = KT_FAULT_WRITE, .error = EIO},
    {.name = "write EFBIG", .kind = KT_FAULT_WRITE, .error = EFBIG},
    {.name = "write EDQUOT", .kind = KT_FAULT_WRITE, .error = EDQUOT},
    {"write EINTR", KT_FAULT_WRITE, EINTR, true, false, 0},
    {"write short", KT_FAULT_WRITE, KT_FAULT_SHORT, true, false, 0},
    {.name = "fstat EIO", .kind = KT_FAULT_FSTAT, .error = EIO},
    {.name = "fsync EIO", .kind = KT_FAULT_FSYNC, .error = EIO},
    {.name = "fsync ENOSPC", .kind = KT_FAULT_FSYNC, .error = ENOSPC},
    {"statfs ENOSYS", KT_FAULT_FS_TYPE, ENOSYS, true, false, 0},
    {"random ENOSYS", KT_FAULT_RANDOM, ENOSYS, true, false, 0},
    {.name = "memory", .kind = KT_FAULT_ALLOC, .error = ENOMEM},
};

/* Servers that answer twice, and handles that have grown stale. */
static const kt_fault on_servers[] = {
    {"mkdir asked twice", KT_FAULT_MKDIR, KT_FAULT_LOST, true, false, 0},
    {"unlink asked twice", KT_FAULT_UNLINK, KT_FAULT_LOST, false, false, 0},
    {"rename asked twice", KT_FAULT_RENAME, KT_FAULT_LOST, true, false, 0},
    {.name = "open ESTALE", .kind = KT_FAULT_OPEN, .error = ESTALE},
    {.name = "openat2 ESTALE", .kind = KT_FAULT_BENEATH, .error = ESTALE},
    {.name = "read ESTALE", .kind = KT_FAULT_READ, .error = ESTALE},
    {.name = "fstat ESTALE", .kind = KT_FAULT_FSTAT, .error = ESTALE},
    {.name = "stat ESTALE", .kind = KT_FAULT_LOOK, .error = ESTALE},
};

/* Goal: whatever fails, the call answers an error or success, each key holds
 * what it held or what it was to hold, all of it after success; the error
 * tells the errno; no failure is taken for the absence of a value; nothing is
 * left open or lying about; and the store, and others, go on.
 * Method: every kind of call, every errno, n = 1, 2 ..., once and for good, at
 * each level. */
static void
test_calls_on_names_fail_at_sync(void **state)
{
    SWEEP(state, on_names, KIST_STORE_SYNC);
}

static void
test_calls_on_files_fail_at_sync(void **state)
{
    SWEEP(state, on_files, KIST_STORE_SYNC);
}

static void
test_calls_on_names_fail_at_group(void **state)
{
    SWEEP(state, on_names, KIST_STORE_GROUP);
}

static void
test_calls_on_files_fail_at_group(void **state)
{
    SWEEP(state, on_files, KIST_STORE_GROUP);
}

static void
test_calls_fail_at_none(void **state)
{
    SWEEP(state, on_names, KIST_STORE_NONE);
    SWEEP(state, on_files, KIST_STORE_NONE);
}

/* Goal: a server that did as it was told and whose answer was lost is
 * believed by what can be seen; stale handles are tried again. */
static void
test_servers_answer_twice(void **state)
{
    SWEEP(state, on_servers, KIST_STORE_SYNC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_calls_on_names_fail_at_sync),
        KT_TEST(test_calls_on_files_fail_at_sync),
        KT_TEST(test_calls_on_names_fail_at_group),
        KT_TEST(test_calls_on_files_fail_at_group),
        KT_TEST(test_calls_fail_at_none),
        KT_TEST(test_servers_answer_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
