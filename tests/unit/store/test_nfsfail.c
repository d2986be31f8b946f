/*
 * Goal    errors are told as what they are, servers that are asked twice or
 *         forget are understood, and it is a store as any other.
 * Method  tables of calls that fail as servers do; the bed of all stores.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "nfsbed.h"
#include "nfspair.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/nfsdir.h"
#include "store/nfsdirlist.h"
#include "storebed.h"

/* --- calls that fail as servers do ------------------------------------------
 */

static kist_dirio failing;
static kist_io failing_io;
static int failing_errno;
static unsigned failures_left;
static bool done_all_the_same;

static bool
fails(void)
{
    if (failures_left == 0) {
        return false;
    }
    failures_left--;
    errno = failing_errno;
    return true;
}

static int
fail_open_beneath(int dir, const char *path, int flags)
{
    return strlen(path) > 64 && fails()
               ? -1
               : ki_posix_dirio.open_beneath(dir, path, flags);
}

static int
fail_rename(int from_dir, const char *from, int to_dir, const char *to,
            bool exclusive)
{
    const bool value = strlen(to) > 60;

    if (value && failures_left > 0) {
        if (done_all_the_same) {
            (void)ki_posix_dirio.rename(from_dir, from, to_dir, to, exclusive);
        }
        (void)fails();
        return -1;
    }
    return ki_posix_dirio.rename(from_dir, from, to_dir, to, exclusive);
}

static int
fail_unlink(int dir, const char *name)
{
    if (strlen(name) > 60 && failures_left > 0) {
        (void)ki_posix_dirio.unlink(dir, name);
        (void)fails();
        return -1;
    }
    return ki_posix_dirio.unlink(dir, name);
}

static ssize_t
fail_list(int fd, void *entries, size_t size)
{
    return fails() ? -1 : ki_posix_dirio.list(fd, entries, size);
}

static ssize_t
fail_pread(int fd, void *data, size_t size, off_t offset)
{
    return fails() ? -1 : ki_posix_io.pread(fd, data, size, offset);
}

static int
fail_close(int fd)
{
    const int result = ki_posix_io.close(fd);

    return fails() ? -1 : result;
}

static int
fail_fsync(int fd)
{
    return fails() ? -1 : ki_posix_io.fsync(fd);
}

static void
heal(void)
{
    ki_dirio = &ki_posix_dirio;
    ki_io = &ki_posix_io;
    failures_left = 0;
    done_all_the_same = false;
}

static void
arm(int error, unsigned times)
{
    failing = ki_posix_dirio;
    failing_io = ki_posix_io;
    failing_errno = error;
    failures_left = times;
    ki_dirio = &failing;
    ki_io = &failing_io;
}

/*
 * Goal    an error is that error and never "no such key"; a stale handle is
 *         tried again, and not for ever.
 * Method  open, read and list fail, once and always.
 */
static void
test_read_errors(void **state)
{
    static const int errors[] = {EIO, EACCES, EMFILE, ENOMEM};
    uint64_t count;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    for (size_t i = 0; i < KT_COUNT(errors); i++) {
        arm(errors[i], 1);
        failing.open_beneath = fail_open_beneath;
        KT_ANSWERS(KIST_ERR_IO,
                   kist_store_get(at.store, kist_str("a"), &at.value, NULL));
        assert_int_equal(kist_last_error()->sys_errno, errors[i]);
        arm(errors[i], 1);
        failing_io.pread = fail_pread;
        KT_ANSWERS(KIST_ERR_IO,
                   kist_store_get(at.store, kist_str("a"), &at.value, NULL));
        assert_int_equal(kist_last_error()->sys_errno, errors[i]);
        // A scan that cannot see a shard does not say that it is empty.
        kt_nfs_put(&at, "a", "[\"a\", 1]");
        arm(errors[i], 1);
        failing.list = fail_list;
        KT_ANSWERS(KIST_ERR_IO, kist_store_count(at.store, &count));
        heal();
        KT_OK(kist_store_count(at.store, &count));
        assert_int_equal(count, 1);
    }
    arm(ESTALE, 3);
    failing.open_beneath = fail_open_beneath;
    kt_nfs_check(&at, "a", "[\"a\", 1]");
    arm(ESTALE, 3);
    failing_io.pread = fail_pread;
    kt_nfs_check(&at, "a", "[\"a\", 1]");
    arm(ESTALE, UINT32_MAX);
    failing_io.pread = fail_pread;
    KT_ANSWERS(KIST_ERR_IO,
               kist_store_get(at.store, kist_str("a"), &at.value, NULL));
    assert_int_equal(kist_last_error()->sys_errno, ESTALE);
    heal();
    kt_nfs_put(&at, "b", "[\"b\", 1]");
    arm(ESTALE, 2);
    failing.list = fail_list;
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 2);
    heal();
    kt_nfs_end(&at);
}

/*
 * Goal    a key that nobody knows is not left out because its file could not
 *         be read this time.
 * Method  no list, no index, and an open that fails.
 */
static void
test_unreadable_key(void **state)
{
    uint64_t count;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_write_file(&at, NAME_A ".json", "[\"a\", 1]");
    arm(EIO, UINT32_MAX);
    failing.open_beneath = fail_open_beneath;
    KT_ANSWERS(KIST_ERR_IO, kist_store_count(at.store, &count));
    heal();
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 1);
    kt_nfs_end(&at);
}

/*
 * Goal    a put whose bytes did not reach the disk fails, and the value before
 *         stays.
 * Method  fsync and close fail, with what a full server says.
 */
static void
test_write_errors(void **state)
{
    uint64_t count;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    for (int kind = 0; kind < 3; kind++) {
        arm(ENOSPC, 1);
        if (kind == 0) {
            failing_io.fsync = fail_fsync;
        }
        else if (kind == 1) {
            failing_io.close = fail_close;
        }
        else {
            failing.rename = fail_rename;
        }
        KT_ANSWERS(KIST_ERR_IO, kist_store_put(at.store, kist_str("a"),
                                               kist_str("[\"a\", 2]"), NULL));
        assert_int_equal(kist_last_error()->sys_errno, ENOSPC);
        heal();
        kt_nfs_check(&at, "a", "[\"a\", 1]");
    }
    (void)snprintf(at.path, sizeof(at.path), "ls %s/ca | grep -q tmp", at.dir);
    assert_int_not_equal(system(at.path), 0);
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 1);
    kt_nfs_end(&at);
}

/*
 * Goal    a server that was asked twice answers "no such file", or "exists",
 *         to the second: that is a success.
 * Method  rename and unlink do their work and fail all the same.
 */
static void
test_lost_replies(void **state)
{
    const kist_condition absent = {.rule = KIST_IF_SAME,
                                   .fetch = KIST_FETCH_NEVER};
    kist_outcome outcome;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    ((ki_nfsdir *)at.store)->root->remote = true;
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    arm(ENOENT, 1);
    done_all_the_same = true;
    failing.rename = fail_rename;
    kt_nfs_put(&at, "a", "[\"a\", 2]");
    heal();
    kt_nfs_check(&at, "a", "[\"a\", 2]");
    arm(EEXIST, 1);
    done_all_the_same = true;
    failing.rename = fail_rename;
    KT_OK(kist_store_put_if(at.store, kist_str("b"), kist_str("[\"b\", 1]"),
                            &absent, NULL, &outcome));
    assert_true(outcome.satisfied);
    assert_int_equal(outcome.found, KIST_FOUND_GIVEN);
    arm(ENOENT, 1);
    failing.unlink = fail_unlink;
    KT_OK(kist_store_remove(at.store, kist_str("b")));
    heal();
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_store_remove(at.store, kist_str("b")));
    kt_nfs_end(&at);
}

/* --- as all stores ----------------------------------------------------------
 */

static void
try_all(void **state, bool remote, kist_store_durability durability)
{
    const kt_place *place = *state;
    kist_store *store;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kist_store_close(at.store);
    at.options.durability = durability;
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    // The way of a server, on a file system that is none.
    ((ki_nfsdir *)at.store)->root->remote = remote;
    store = kt_nfspair_new(at.store);
    assert_true(kt_store_oracle(store, KT_STORE_PLAIN) > 100);
    KT_OK(kist_store_clear(store, NULL));
    kt_store_history(store, KT_STORE_PLAIN, place->seed, 1500);
    KT_OK(kist_store_clear(store, NULL));
    kt_store_counters(store, 4, 3, 60);
    kt_store_inserts(store, 4, 30);
    kist_store_close(store);
    kt_nfs_end(&at);
}

/*
 * Goal    it is a store as any other.
 * Method  the bed of all stores, over one that makes pairs of values; locally,
 *         and the way that is taken on NFS.
 */
static void
test_store(void **state)
{
    try_all(state, false, KIST_STORE_NONE);
}

static void
test_store_remote(void **state)
{
    try_all(state, true, KIST_STORE_SYNC);
}

static void
test_store_group(void **state)
{
    try_all(state, false, KIST_STORE_GROUP);
}

static unsigned allocations_left;

static int
fail_allocation(void)
{
    return allocations_left > 0 && --allocations_left == 0;
}

/* A little of everything; the first failure ends it. */
static kist_status
try_everything(kt_nfsbed *at)
{
    kist_store *store = NULL;
    uint64_t count;
    kist_status status = kist_store_open_nfs(at->dir, &at->options, &store);

    if (status == KIST_OK) {
        status =
            kist_store_put(store, kist_str("b"), kist_str("[\"b\", 1]"), NULL);
    }
    if (status == KIST_OK) {
        status = kist_store_get(store, kist_str("b"), &at->value, NULL);
    }
    if (status == KIST_OK) {
        status = kist_store_count(store, &count);
    }
    if (status == KIST_OK) {
        status = kist_store_remove(store, kist_str("b"));
    }
    kist_store_close(store);
    return status;
}

/*
 * Goal    without memory a call fails, and nothing is lost but the call.
 * Method  the 1st, 2nd, 3rd ... allocation fails, until all goes well.
 */
static void
test_no_memory(void **state)
{
    kist_status status = KIST_ERR_NOMEM;
    unsigned tries = 0;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kist_store_close(at.store);
    ki_alloc_hook = fail_allocation;
    while (tries < 500) {
        (void)unlink(kt_nfs_path_of(&at, "_kist_json"));
        kist_buf_fini(&at.value);
        allocations_left = ++tries;
        status = try_everything(&at);
        if (allocations_left > 0) {
            break;
        }
        assert_true(
            status == KIST_OK || status == KIST_ERR_NOMEM ||
            (status == KIST_ERR_IO && kist_last_error()->sys_errno == ENOMEM));
        allocations_left = 0;
        KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
        kt_nfs_check(&at, "a", "[\"a\", 1]");
        kist_store_close(at.store);
    }
    ki_alloc_hook = NULL;
    assert_int_equal(status, KIST_OK);
    assert_in_range(tries, 10, 499);
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    kt_store_check_keys(at.store, "a");
    kt_nfs_end(&at);
}

/*
 * Goal    many values are read by several threads.
 * Method  more than one thread's share, some of them absent or damaged.
 */
static void
test_many(void **state)
{
    enum { COUNT = 1500 };
    static char keys[COUNT][8];
    static kist_slice slices[COUNT];
    static kist_buf values[COUNT];
    static kist_status statuses[COUNT];
    char pair[32];
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kist_store_close(at.store);
    at.options.durability = KIST_STORE_NONE;
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "%d", i);
        (void)snprintf(pair, sizeof(pair), "[\"%d\", 1]", i);
        slices[i] = kist_str(keys[i]);
        if (i % 7 != 0) {
            kt_nfs_put(&at, keys[i], pair);
        }
    }
    for (int remote = 0; remote < 2; remote++) {
        ((ki_nfsdir *)at.store)->root->remote = remote != 0;
        KT_OK(kist_store_get_many(at.store, slices, COUNT, values, statuses));
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(statuses[i],
                             i % 7 == 0 ? KIST_ERR_NOTFOUND : KIST_OK);
            (void)snprintf(pair, sizeof(pair), "[\"%d\", 1]", i);
            assert_true(i % 7 == 0 ||
                        (values[i].size == strlen(pair) &&
                         memcmp(values[i].data, pair, strlen(pair)) == 0));
        }
    }
    for (int i = 0; i < COUNT; i++) {
        kist_buf_fini(&values[i]);
    }
    kt_nfs_end(&at);
}

/*
 * Goal    options that make no sense are refused, as are keys that are none.
 * Method  a few of each.
 */
static void
test_refusals(void **state)
{
    static const char *const keys[] = {"\xff", "\xed\xa0\x80", "\xc0\x80",
                                       "\xf4\x90\x80\x80", "a\xc3"};
    kist_store *other;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    for (size_t i = 0; i < KT_COUNT(keys); i++) {
        KT_ANSWERS(
            KIST_ERR_INVALID,
            kist_store_get(at.store, kist_str(keys[i]), &at.value, NULL));
    }
    KT_ANSWERS(KIST_ERR_UNSUPPORTED,
               kist_store_sub(at.store, kist_str("a"), &other));
    at.options.format = "bin";
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_open_nfs(at.dir, &at.options, &other));
    assert_null(other);
    at.options.format = "json";
    at.options.read_only = true;
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &other));
    KT_ANSWERS(
        KIST_ERR_READONLY,
        kist_store_put(other, kist_str("a"), kist_str("[\"a\", 1]"), NULL));
    kist_store_close(other);
    KT_OK(kist_store_reformat(at.store, "pkl", &other));
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(other, kist_str("a"), &at.value, NULL));
    kist_store_close(other);
    kt_nfs_end(&at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_read_errors),  KT_TEST(test_unreadable_key),
        KT_TEST(test_write_errors), KT_TEST(test_lost_replies),
        KT_TEST(test_store),        KT_TEST(test_store_remote),
        KT_TEST(test_store_group),  KT_TEST(test_no_memory),
        KT_TEST(test_many),         KT_TEST(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
