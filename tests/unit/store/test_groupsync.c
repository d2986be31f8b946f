/*
 * Writers who share a sync, and syncs that fail: the kernel tells of a failed
 * write once, to whoever asks first.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "os/dirio.h"
#include "support/check.h"

#define WAIT_MS 10000

/* A table whose syncfs() waits to be let go, and fails when told to. */
static kist_dirio held_dirio;
static _Atomic uint32_t begun; // calls of syncfs()
static _Atomic uint32_t allow; // how many of them may end
static _Atomic uint32_t fails; // which one fails; 0: none
static _Atomic uint32_t made;  // temporary files
static _Atomic uint32_t named; // files that were given their names

static int
hold_sync_all(int fd)
{
    const uint32_t number = atomic_fetch_add(&begun, 1) + 1;
    const uint64_t end = kt_now_ms() + WAIT_MS;

    while (atomic_load(&allow) < number && kt_now_ms() < end) {
        kt_sleep_ms(1);
    }
    if (number == atomic_load(&fails)) {
        errno = EIO;
        return -1;
    }
    return ki_posix_dirio.sync_all(fd);
}

static int
count_open(int dir, const char *path, int flags, mode_t mode)
{
    const int fd = ki_posix_dirio.open(dir, path, flags, mode);

    if (strncmp(path, ".__tmp__", 8) == 0) {
        atomic_fetch_add(&made, 1);
    }
    return fd;
}

static int
count_rename(int from_dir, const char *from, int to_dir, const char *to,
             bool exclusive)
{
    atomic_fetch_add(&named, 1);
    return ki_posix_dirio.rename(from_dir, from, to_dir, to, exclusive);
}

typedef struct writer {
    kist_store *store;
    const char *key;
    kist_status status;
    int error;
} writer;

static void *
write_one(void *argument)
{
    writer *at = argument;

    at->status =
        kist_store_put(at->store, kist_str(at->key), kist_str("value"), NULL);
    at->error = at->status == KIST_OK ? 0 : kist_last_error()->sys_errno;
    return NULL;
}

/* Waits until a count is reached. */
static void
until(_Atomic uint32_t *count, uint32_t least)
{
    const uint64_t end = kt_now_ms() + WAIT_MS;

    while (atomic_load(count) < least) {
        KT_CHECK(kt_now_ms() < end, "%u, not %u", atomic_load(count), least);
        kt_sleep_ms(1);
    }
}

static void
begin(const kt_place *place, kist_store **store)
{
    kist_store_options options;

    held_dirio = ki_posix_dirio;
    held_dirio.sync_all = hold_sync_all;
    held_dirio.open = count_open;
    held_dirio.rename = count_rename;
    atomic_store(&begun, 0);
    atomic_store(&allow, UINT32_MAX);
    atomic_store(&fails, 0);
    atomic_store(&made, 0);
    atomic_store(&named, 0);
    ki_dirio = &held_dirio;
    kist_store_options_init(&options);
    options.durability = KIST_STORE_GROUP;
    KT_OK(kist_store_open_dir(place->path, &options, store));
}

static void
end(kist_store *store)
{
    kist_store_close(store);
    ki_dirio = &ki_posix_dirio;
}

/* Goal: a failure that the kernel tells one writer is told to all whose bytes
 * it may have been about.
 * Method: b writes its file while the sync of a is under way, which then
 * fails; the next one, which b waits for, does not. */
static void
test_failure_reaches_all_who_had_written(void **state)
{
    writer a = {.key = "a"};
    writer b = {.key = "b"};
    pthread_t threads[2];
    bool there;

    begin(*state, &a.store);
    b.store = a.store;
    atomic_store(&allow, 0);
    atomic_store(&fails, 1);
    assert_int_equal(pthread_create(&threads[0], NULL, write_one, &a), 0);
    until(&begun, 1);
    assert_int_equal(pthread_create(&threads[1], NULL, write_one, &b), 0);
    until(&made, 2);
    kt_sleep_ms(20); // b has written, and waits
    atomic_store(&allow, UINT32_MAX);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(a.status, KIST_ERR_IO);
    assert_int_equal(a.error, EIO);
    KT_CHECK(b.status == KIST_ERR_IO,
             "b was told %s of bytes that the failed sync may have dropped",
             kist_status_name(b.status));
    KT_OK(kist_store_contains(a.store, kist_str("b"), &there));
    assert_false(there);
    // Whoever begins now has nothing to do with it.
    write_one(&b);
    assert_int_equal(b.status, KIST_OK);
    end(a.store);
}

/* Goal: whoever comes while a sync runs shares the next one with all others
 * who do, and nobody returns before a sync that began after his last byte.
 * Method: fifteen come while the first is held. */
static void
test_many_share_two_syncs(void **state)
{
    enum { MANY = 15 };
    writer first = {.key = "first"};
    writer many[MANY];
    char keys[MANY][8];
    pthread_t threads[MANY + 1];

    begin(*state, &first.store);
    atomic_store(&allow, 0);
    assert_int_equal(pthread_create(&threads[MANY], NULL, write_one, &first),
                     0);
    until(&begun, 1);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        many[i] = (writer){.store = first.store, .key = keys[i]};
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_one, &many[i]), 0);
    }
    until(&made, MANY + 1);
    kt_sleep_ms(20);
    assert_int_equal(atomic_load(&named), 0);
    atomic_store(&allow, UINT32_MAX);
    for (size_t i = 0; i <= MANY; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(first.status, KIST_OK);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(many[i].status, KIST_OK);
    }
    print_message("           %u syncs for %u puts\n", atomic_load(&begun),
                  MANY + 1);
    KT_CHECK(atomic_load(&begun) >= 3 && atomic_load(&begun) < 2 * MANY,
             "%u syncs", atomic_load(&begun));
    end(first.store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_failure_reaches_all_who_had_written),
        KT_TEST(test_many_share_two_syncs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
