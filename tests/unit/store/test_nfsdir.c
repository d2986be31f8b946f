/*
 * Goal    a directory in NfsDict's layout: nothing that was put is hidden,
 *         whoever is killed and whoever else writes the index.
 * Method  stores, plain system calls on the same directory, tables of calls
 *         that fail as servers do, and the bed that all stores are tried in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nfsbed.h"
#include "os/dirio.h"
#include "os/io.h"
#include "store/nfsdir.h"
#include "store/nfsdirlist.h"
#include "storebed.h"

/* --- layout -----------------------------------------------------------------
 */

/*
 * Goal    files and names are the peer's, and so is the index at the end.
 * Method  bytes, names and modes of what a few calls leave.
 */
static void
test_layout(void **state)
{
    const mode_t mask = umask(0027);
    struct stat status;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kt_nfs_put(&at, "b", "[\"b\", 2]");
    kt_nfs_check_file(&at, NAME_A ".json", "[\"a\", 1]");
    assert_int_equal(stat(kt_nfs_path_of(&at, NAME_A ".json"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_false(kt_nfs_exists(&at, "_index.json"));
    kt_nfs_reopen(&at);
    assert_true(kt_nfs_exists(&at, "_index.json"));
    kt_nfs_check_file(&at, "_index.json", "[\"b\", \"a\"]");
    KT_OK(kist_store_remove(at.store, kist_str("b")));
    assert_false(kt_nfs_exists(&at, "_index.json"));
    assert_false(kt_nfs_exists(&at, NAME_B ".json"));
    KT_ANSWERS(KIST_ERR_NOTFOUND, kist_store_remove(at.store, kist_str("b")));
    kt_nfs_reopen(&at);
    kt_nfs_check_file(&at, "_index.json", "[\"a\"]");
    assert_int_equal(at.reports, 0);
    kt_nfs_end(&at);
    (void)umask(mask);
}

/*
 * Goal    a value that is not the pair of its key is refused, both ways.
 * Method  put such; plant files of other keys, cut, empty and foreign ones.
 */
static void
test_pairs(void **state)
{
    static const char *const damaged[] = {
        "",           "[",          "[\"a\"", "[\"a\"]",
        "{\"a\": 1}", "[\"b\", 1]", "[1, 2]", "\x80\x04\x95"};
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    KT_ANSWERS(KIST_ERR_INVALID, kist_store_put(at.store, kist_str("a"),
                                                kist_str("[\"b\", 1]"), NULL));
    KT_ANSWERS(KIST_ERR_INVALID,
               kist_store_put(at.store, kist_str("a"), kist_str("1"), NULL));
    for (size_t i = 0; i < KT_COUNT(damaged); i++) {
        kt_nfs_write_file(&at, NAME_A ".json", damaged[i]);
        KT_ANSWERS(KIST_ERR_CORRUPT,
                   kist_store_get(at.store, kist_str("a"), &at.value, NULL));
        assert_non_null(strstr(kist_last_error()->path, NAME_A ".json"));
        assert_true(kt_nfs_exists(&at, NAME_A ".json"));
    }
    at.reports = 0;
    kt_store_check_keys(at.store, "");
    assert_int_equal(at.reports, 1);
    kt_nfs_put(&at, "a", "[\"a\", 3]");
    kt_nfs_check(&at, "a", "[\"a\", 3]");
    kt_nfs_write_file(&at, NAME_A ".json", "[");
    KT_OK(kist_store_remove(at.store, kist_str("a")));
    assert_false(kt_nfs_exists(&at, NAME_A ".json"));
    kt_nfs_end(&at);
}

/*
 * Goal    what strangers put beside the values is told, or left alone.
 * Method  every sort of stranger, then a scan.
 */
static void
test_strangers(void **state)
{
    char dead[80];
    char alive[80];
    pid_t child = fork();
    struct timespec old[2] = {{0}};
    kt_nfsbed at;

    if (child == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kt_nfs_write_file(&at, "ca/.nfs000000000001", "");
    kt_nfs_write_file(&at, NAME_A ".pkl", "");
    kt_nfs_write_file(&at, "ca/tmpabcdefgh", "");
    kt_store_check_keys(at.store, "a");
    assert_int_equal(at.reports, 0);
    kt_nfs_write_file(&at, "ca/readme", "");
    kt_nfs_write_file(&at, "77", "not a directory");
    assert_int_equal(symlink("ca", kt_nfs_path_of(&at, "78")), 0);
    kt_store_check_keys(at.store, "a");
    assert_int_equal(at.reports, 3);
    // Temporary files of the dead and the old go, those of the living stay.
    (void)snprintf(alive, sizeof(alive), "ca/tmp-00000000-%d-1",
                   (int)getpid());
    kt_nfs_write_file(&at, alive, "");
    kt_nfs_put(&at, "a", "[\"a\", 2]");
    (void)snprintf(dead, sizeof(dead), "ca/tmp-00000000-%d-1", (int)child);
    kt_nfs_write_file(&at, dead, "");
    assert_int_equal(
        utimensat(AT_FDCWD, kt_nfs_path_of(&at, "ca/tmpabcdefgh"), old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, kt_nfs_path_of(&at, dead), old, 0),
                     0);
    kt_store_check_keys(at.store, "a");
    assert_false(kt_nfs_exists(&at, "ca/tmpabcdefgh"));
    assert_false(kt_nfs_exists(&at, dead));
    assert_true(kt_nfs_exists(&at, alive));
    kt_nfs_end(&at);
}

/*
 * Goal    a symbolic link in place of a shard or a value is not followed.
 * Method  links to a whole copy of what would be there.
 */
static void
test_links(void **state)
{
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    assert_int_equal(rename(kt_nfs_path_of(&at, "ca"), "ca-moved"), -1);
    (void)snprintf(at.path, sizeof(at.path), "mv %s/ca %s/elsewhere", at.dir,
                   at.dir);
    assert_int_equal(system(at.path), 0);
    assert_int_equal(symlink("elsewhere", kt_nfs_path_of(&at, "ca")), 0);
    KT_ANSWERS(KIST_ERR_CORRUPT,
               kist_store_get(at.store, kist_str("a"), &at.value, NULL));
    assert_int_not_equal(
        kist_store_put(at.store, kist_str("a"), kist_str("[\"a\", 2]"), NULL),
        KIST_OK);
    kt_store_check_keys(at.store, "");
    assert_int_equal(unlink(kt_nfs_path_of(&at, "ca")), 0);
    assert_int_equal(mkdir(kt_nfs_path_of(&at, "ca"), 0777), 0);
    assert_int_equal(
        symlink("../elsewhere/x", kt_nfs_path_of(&at, NAME_A ".json")), 0);
    KT_ANSWERS(KIST_ERR_CORRUPT,
               kist_store_get(at.store, kist_str("a"), &at.value, NULL));
    kt_nfs_put(&at, "a", "[\"a\", 2]");
    kt_nfs_check(&at, "a", "[\"a\", 2]");
    kt_nfs_end(&at);
}

/* --- the list ---------------------------------------------------------------
 */

static kist_dirio counting;
static unsigned files_opened;
static unsigned shards_listed;

static int
count_open_beneath(int dir, const char *path, int flags)
{
    files_opened += strlen(path) > 64;
    return ki_posix_dirio.open_beneath(dir, path, flags);
}

static ssize_t
count_list(int fd, void *entries, size_t size)
{
    shards_listed++;
    return ki_posix_dirio.list(fd, entries, size);
}

static void
count_calls(void)
{
    counting = ki_posix_dirio;
    counting.open_beneath = count_open_beneath;
    counting.list = count_list;
    files_opened = 0;
    shards_listed = 0;
    ki_dirio = &counting;
}

/*
 * Goal    keys are known again without opening a file, and without listing a
 *         directory where nothing has changed; what has changed is seen.
 * Method  count calls; then change files behind the store's back.
 */
static void
test_list(void **state)
{
    uint64_t count;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    for (int i = 0; i < 300; i++) {
        char key[16];
        char pair[32];

        (void)snprintf(key, sizeof(key), "%d", i);
        (void)snprintf(pair, sizeof(pair), "[\"%d\", %d]", i, i);
        kt_nfs_put(&at, key, pair);
    }
    kt_nfs_reopen(&at);
    kt_sleep_ms(50);
    count_calls();
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 300);
    assert_int_equal(files_opened, 0);
    assert_int_equal(shards_listed, 0);
    kt_nfs_write_file(&at, NAME_A ".json", "[\"a\", 1]");
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 301);
    assert_int_equal(files_opened, 1);
    assert_in_range(shards_listed, 2, 4);
    assert_int_equal(unlink(kt_nfs_path_of(&at, NAME_A ".json")), 0);
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 300);
    assert_int_equal(files_opened, 1);
    // Without our list, the peer's index knows the keys.
    kt_nfs_reopen(&at);
    assert_int_equal(unlink(kt_nfs_path_of(&at, "_kist_json")), 0);
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 300);
    assert_int_equal(files_opened, 1);
    // Without either, the files do.
    kist_store_close(at.store);
    (void)unlink(kt_nfs_path_of(&at, "_kist_json"));
    (void)unlink(kt_nfs_path_of(&at, "_index.json"));
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    KT_OK(kist_store_count(at.store, &count));
    assert_int_equal(count, 300);
    assert_int_equal(files_opened, 301);
    ki_dirio = &ki_posix_dirio;
    kt_nfs_end(&at);
}

/*
 * Goal    a list whose file is damaged is not believed.
 * Method  each byte of it in turn, and each length.
 */
static void
test_damaged_list(void **state)
{
    ki_nfslist *list;
    kist_buf data = {0};
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kt_nfs_put(&at, "", "[\"\", 1]");
    KT_OK(ki_nfslist_now((ki_nfsdir *)at.store, &list));
    KT_OK(ki_nfslist_print(list, &data));
    ki_nfslist_drop(list);
    KT_OK(ki_nfslist_parse(kist_buf_slice(&data), &list));
    assert_int_equal(list->count, 2);
    ki_nfslist_drop(list);
    for (size_t i = 0; i < data.size; i++) {
        data.data[i] ^= 0x10;
        // Four bytes of the head are in no use.
        assert_int_equal(ki_nfslist_parse(kist_buf_slice(&data), &list),
                         KIST_ERR_CORRUPT);
        data.data[i] ^= 0x10;
        assert_int_equal(ki_nfslist_parse(kist_bytes(data.data, i), &list),
                         KIST_ERR_CORRUPT);
    }
    kist_buf_fini(&data);
    kt_nfs_end(&at);
}

/*
 * Goal    the peer may hide what it likes in its index: we see it.
 * Method  indexes that lack a key, name too many, or are none.
 */
static void
test_false_index(void **state)
{
    static const char *const indexes[] = {
        "[]",  "[\"b\"]", "[\"a\", \"z\"]", "{}",
        "[1]", "",        "[\"a\"",         "nonsense"};
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    for (size_t i = 0; i < KT_COUNT(indexes); i++) {
        for (int keep = 0; keep < 2; keep++) {
            kt_nfs_reopen(&at);
            kt_nfs_write_file(&at, "_index.json", indexes[i]);
            if (!keep) {
                (void)unlink(kt_nfs_path_of(&at, "_kist_json"));
            }
            kt_store_check_keys(at.store, "a");
            // The next change takes it away.
            kt_nfs_put(&at, "a", "[\"a\", 2]");
            assert_false(kt_nfs_exists(&at, "_index.json"));
        }
    }
    kt_nfs_end(&at);
}

/*
 * Goal    an index that a peer writes in the middle does not outlive our next
 *         change.
 * Method  write one between puts and removes.
 */
static void
test_index_in_between(void **state)
{
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kt_nfs_write_file(&at, "_index.json", "[]");
    kt_nfs_put(&at, "b", "[\"b\", 1]");
    assert_false(kt_nfs_exists(&at, "_index.json"));
    kt_nfs_write_file(&at, "_index.json", "[]");
    KT_OK(kist_store_remove(at.store, kist_str("b")));
    assert_false(kt_nfs_exists(&at, "_index.json"));
    kt_nfs_reopen(&at);
    kt_nfs_check_file(&at, "_index.json", "[\"a\"]");
    assert_false(kt_nfs_exists(&at, "_kist_was_json"));
    kt_nfs_end(&at);
}

/* --- several writers --------------------------------------------------------
 */

/*
 * Goal    two writers lose none: the index is written by the last, and has
 *         what both put.
 * Method  a child that puts, waits for a byte, and closes, before and after
 *         its parent does.
 */
static void
two_writers(void **state, bool child_first)
{
    int there[2];
    int back[2];
    char byte = 0;
    pid_t child;
    kt_nfsbed at;

    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    kt_nfs_begin(&at, state);
    kist_store_close(at.store);
    child = fork();
    if (child == 0) {
        if (kist_store_open_nfs(at.dir, &at.options, &at.store) != KIST_OK ||
            kist_store_put(at.store, kist_str("b"), kist_str("[\"b\", 2]"),
                           NULL) != KIST_OK ||
            write(back[1], "", 1) != 1 || read(there[0], &byte, 1) != 1) {
            _exit(1);
        }
        kist_store_close(at.store);
        _exit(write(back[1], "", 1) != 1);
    }
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    assert_int_equal(read(back[0], &byte, 1), 1);
    if (child_first) {
        assert_int_equal(write(there[1], "", 1), 1);
        assert_int_equal(read(back[0], &byte, 1), 1);
        assert_false(kt_nfs_exists(&at, "_index.json"));
        kist_store_close(at.store);
    }
    else {
        kist_store_close(at.store);
        assert_false(kt_nfs_exists(&at, "_index.json"));
        assert_int_equal(write(there[1], "", 1), 1);
        assert_int_equal(read(back[0], &byte, 1), 1);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    kt_nfs_check_file(&at, "_index.json", "[\"b\", \"a\"]");
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    kt_store_check_keys(at.store, "a b");
    kt_nfs_end(&at);
}

static void
test_two_writers(void **state)
{
    two_writers(state, false);
    kt_remove_all(((kt_place *)*state)->path);
    two_writers(state, true);
}

/*
 * Goal    a writer that is killed hides nothing, and keeps nobody from writing
 *         the index afterwards.
 * Method  kill -9 after a put, in a directory that had an index.
 */
static void
test_killed_writer(void **state)
{
    int back[2];
    char byte;
    pid_t child;
    kt_nfsbed at;

    assert_int_equal(pipe(back), 0);
    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kist_store_close(at.store);
    assert_true(kt_nfs_exists(&at, "_index.json"));
    child = fork();
    if (child == 0) {
        if (kist_store_open_nfs(at.dir, &at.options, &at.store) != KIST_OK ||
            kist_store_put(at.store, kist_str("b"), kist_str("[\"b\", 2]"),
                           NULL) != KIST_OK ||
            write(back[1], "", 1) != 1) {
            _exit(1);
        }
        pause();
    }
    assert_int_equal(read(back[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(kt_nfs_exists(&at, "_index.json"));
    KT_OK(kist_store_open_nfs(at.dir, &at.options, &at.store));
    kt_store_check_keys(at.store, "a b");
    kt_nfs_put(&at, "a", "[\"a\", 3]");
    kt_nfs_reopen(&at);
    assert_true(kt_nfs_exists(&at, "_index.json"));
    kt_nfs_end(&at);
}

/*
 * Goal    a child of fork() may use its parent's store, and does not write its
 *         parent's index.
 * Method  fork with a change pending; the child closes, or puts and closes.
 */
static void
test_fork(void **state)
{
    pid_t child;
    int status;
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    for (int puts = 0; puts < 2; puts++) {
        child = fork();
        if (child == 0) {
            if (puts &&
                kist_store_put(at.store, kist_str("b"), kist_str("[\"b\", 2]"),
                               NULL) != KIST_OK) {
                _exit(1);
            }
            kist_store_close(at.store);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_false(kt_nfs_exists(&at, "_index.json"));
        kt_nfs_put(&at, "a", "[\"a\", 2]");
    }
    kt_nfs_reopen(&at);
    kt_nfs_check_file(&at, "_index.json", "[\"b\", \"a\"]");
    kt_nfs_end(&at);
}

/*
 * Goal    whoever removes the directory removes its values, and the next put
 *         makes it again.
 * Method  rm -r under an open store, with and without a new directory.
 */
static void
test_removed_directory(void **state)
{
    kt_nfsbed at;

    kt_nfs_begin(&at, state);
    kt_nfs_put(&at, "a", "[\"a\", 1]");
    kt_remove_all(at.dir);
    KT_ANSWERS(KIST_ERR_NOTFOUND,
               kist_store_get(at.store, kist_str("a"), &at.value, NULL));
    kt_nfs_put(&at, "b", "[\"b\", 1]");
    kt_nfs_check(&at, "b", "[\"b\", 1]");
    kt_store_check_keys(at.store, "b");
    kt_nfs_end(&at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KT_TEST(test_layout),      KT_TEST(test_pairs),
        KT_TEST(test_strangers),   KT_TEST(test_links),
        KT_TEST(test_list),        KT_TEST(test_damaged_list),
        KT_TEST(test_false_index), KT_TEST(test_index_in_between),
        KT_TEST(test_two_writers), KT_TEST(test_killed_writer),
        KT_TEST(test_fork),        KT_TEST(test_removed_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
