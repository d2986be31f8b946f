#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "os/file.h"

#define PATH_MAX_SIZE 256

static char directory[PATH_MAX_SIZE];
static char path[PATH_MAX_SIZE + 8];
static char other[PATH_MAX_SIZE + 8];
static int fd = -1;

/* The table of these tests: the real one, but for what a test replaces. */
static kist_io table;
static int interrupts; // of each two calls, the first is answered EINTR
static int call_count;
static int fail_errno;

static int
set_up(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(directory, sizeof(directory), "%s/kist-file-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/a", directory);
    snprintf(other, sizeof(other), "%s/b", directory);
    assert_int_equal(ki_file_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &fd),
                     KIST_OK);
    table = ki_posix_io;
    ki_io = &table;
    interrupts = 0;
    call_count = 0;
    fail_errno = 0;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    ki_io = &ki_posix_io;
    ki_file_close(&fd);
    assert_int_equal(fd, -1);
    ki_file_close(&fd);
    assert_int_equal(ki_file_remove(path), KIST_OK);
    assert_int_equal(ki_file_remove(other), KIST_OK);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

/* True if this call is to fail, with errno set. */
static bool
is_failing(void)
{
    call_count++;
    if (fail_errno != 0) {
        errno = fail_errno;
        return true;
    }
    if (interrupts && call_count % 2 == 1) {
        errno = EINTR;
        return true;
    }
    return false;
}

static ssize_t
short_pread(int file, void *data, size_t size, off_t offset)
{
    return is_failing() ? -1 : pread(file, data, size < 3 ? size : 3, offset);
}

static ssize_t
short_pwrite(int file, const void *data, size_t size, off_t offset)
{
    return is_failing() ? -1 : pwrite(file, data, size < 3 ? size : 3, offset);
}

static ssize_t
empty_pwrite(int file, const void *data, size_t size, off_t offset)
{
    (void)file;
    (void)data;
    (void)size;
    (void)offset;
    return 0;
}

static int
failing_open(const char *name, int flags, mode_t mode)
{
    return is_failing() ? -1 : open(name, flags, mode);
}

static int
failing_fallocate(int file, int mode, off_t offset, off_t size)
{
    return is_failing() ? -1 : fallocate(file, mode, offset, size);
}

static int
failing_ftruncate(int file, off_t size)
{
    return is_failing() ? -1 : ftruncate(file, size);
}

static int
failing_sync(int file)
{
    return is_failing() ? -1 : fdatasync(file);
}

static int
failing_fs_type(int file, uint64_t *type)
{
    (void)file;
    (void)type;
    return -1;
}

static int
nfs_fs_type(int file, uint64_t *type)
{
    (void)file;
    *type = 0x6969;
    return 0;
}

static int
failing_unlink(const char *name)
{
    return is_failing() ? -1 : unlink(name);
}

/*
 * Goal    short counts and EINTR end in file.c.
 * Method  a table that moves 3 bytes at most and interrupts every other call.
 */
static void
test_short_counts(void **state)
{
    char text[] = "what you want to keep";
    char back[sizeof(text)] = "";

    (void)state;
    table.pread = short_pread;
    table.pwrite = short_pwrite;
    interrupts = 1;
    assert_int_equal(ki_file_write_at(fd, path, 5, text, sizeof(text)),
                     KIST_OK);
    assert_int_equal(call_count, 16);
    assert_int_equal(ki_file_read_at(fd, path, 5, back, sizeof(back)),
                     KIST_OK);
    assert_int_equal(call_count, 32);
    assert_string_equal(back, text);
}

/*
 * Goal    a file that ends early is CORRUPT where it ends; a failing call is
 *         IO with its errno and the place; both stop at once.
 * Method  read past the end of 10 bytes; then tables that fail.
 */
static void
test_read_and_write_fail(void **state)
{
    char data[20] = "";

    (void)state;
    assert_int_equal(ki_file_write_at(fd, path, 0, data, 10), KIST_OK);
    assert_int_equal(ki_file_read_at(fd, path, 4, data, 7), KIST_ERR_CORRUPT);
    assert_int_equal(kist_last_error()->offset, 10);
    assert_string_equal(kist_last_error()->what, "file ends early");
    assert_string_equal(kist_last_error()->path, path);

    table.pread = short_pread;
    table.pwrite = short_pwrite;
    fail_errno = EIO;
    assert_int_equal(ki_file_read_at(fd, path, 4, data, 2), KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, EIO);
    assert_int_equal(kist_last_error()->offset, 4);
    fail_errno = ENOSPC;
    assert_int_equal(ki_file_write_at(fd, path, 6, data, 2), KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, ENOSPC);
    assert_int_equal(call_count, 2);
    table.pwrite = empty_pwrite;
    assert_int_equal(ki_file_write_at(fd, path, 6, data, 2), KIST_ERR_IO);
    assert_int_equal(ki_file_read_at(fd, path, UINT64_MAX - 1, data, 4),
                     KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, EFBIG);
}

/*
 * Goal    opening is retried after EINTR, adds its flags, and fails as told.
 * Method  look at the flags of the descriptor; open what is not there.
 */
static void
test_open(void **state)
{
    int opened = -1;

    (void)state;
    table.open = failing_open;
    interrupts = 1;
    assert_int_equal(ki_file_open(path, O_RDONLY, 0, &opened), KIST_OK);
    assert_int_equal(call_count, 2);
    assert_true((fcntl(opened, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(opened, F_GETFL) & O_NONBLOCK) != 0);
    ki_file_close(&opened);
    assert_int_equal(ki_file_open(other, O_RDONLY, 0, &opened), KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, ENOENT);
    assert_int_equal(opened, -1);
}

/*
 * Goal    allocating makes the file longer with zeros, keeps what is there,
 *         and does so without fallocate too; a full disk is an error.
 * Method  write, allocate over and beyond it with the real call, with an
 *         interrupted one and with none, then with one that finds no room.
 */
static void
test_allocate(void **state)
{
    static char back[200000];
    uint64_t size = 0;

    (void)state;
    table.fallocate = failing_fallocate;
    interrupts = 1;
    assert_int_equal(ki_file_write_at(fd, path, 0, "kept", 4), KIST_OK);
    assert_int_equal(ki_file_allocate(fd, path, 0, 5000), KIST_OK);
    assert_int_equal(call_count, 2);
    assert_int_equal(ki_file_size(fd, path, &size), KIST_OK);
    assert_int_equal(size, 5000);

    fail_errno = EOPNOTSUPP;
    table.pwrite = short_pwrite;
    assert_int_equal(ki_file_allocate(fd, path, 2, 100), KIST_OK);
    assert_int_equal(ki_file_size(fd, path, &size), KIST_OK);
    assert_int_equal(size, 5000);
    table.pwrite = pwrite;
    assert_int_equal(ki_file_allocate(fd, path, 2, 199998), KIST_OK);
    assert_int_equal(ki_file_size(fd, path, &size), KIST_OK);
    assert_int_equal(size, 200000);
    assert_int_equal(ki_file_read_at(fd, path, 0, back, sizeof(back)),
                     KIST_OK);
    assert_memory_equal(back, "kept", 4);
    for (size_t i = 4; i < sizeof(back); i++) {
        assert_int_equal(back[i], 0);
    }
    fail_errno = ENOSPC;
    assert_int_equal(ki_file_allocate(fd, path, 200000, 4096), KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, ENOSPC);
    assert_int_equal(ki_file_allocate(fd, path, 0, 0), KIST_OK);
}

/*
 * Goal    truncate and sync are retried after EINTR only.
 * Method  tables that interrupt, and that fail for good.
 */
static void
test_truncate_and_sync(void **state)
{
    uint64_t size = 0;

    (void)state;
    table.ftruncate = failing_ftruncate;
    table.fdatasync = failing_sync;
    table.fsync = failing_sync;
    interrupts = 1;
    assert_int_equal(ki_file_truncate(fd, path, 77), KIST_OK);
    assert_int_equal(ki_file_size(fd, path, &size), KIST_OK);
    assert_int_equal(size, 77);
    assert_int_equal(ki_file_sync(fd, path), KIST_OK);
    assert_int_equal(ki_file_sync_parent(path), KIST_OK);
    assert_int_equal(call_count, 6);
    fail_errno = EIO;
    assert_int_equal(ki_file_sync(fd, path), KIST_ERR_IO);
    assert_int_equal(ki_file_sync_parent(path), KIST_ERR_IO);
    assert_string_equal(kist_last_error()->path, directory);
    assert_int_equal(ki_file_truncate(fd, path, 1), KIST_ERR_IO);
    assert_int_equal(call_count, 9);
    assert_int_equal(ki_file_size(-1, path, &size), KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, EBADF);
}

/*
 * Goal    the parent is found for paths of every shape.
 * Method  sync those of a bare name and of a name in the root, and of one
 *         whose parent is missing.
 */
static void
test_parents(void **state)
{
    (void)state;
    assert_int_equal(ki_file_sync_parent("bare"), KIST_OK);
    assert_int_equal(ki_file_sync_parent("/rooted"), KIST_OK);
    assert_int_equal(ki_file_sync_parent("no such directory/a"), KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, ENOENT);
}

/*
 * Goal    an exclusive rename refuses what exists, a plain one replaces it;
 *         removing what is missing is fine.
 * Method  all of these on two files.
 */
static void
test_names(void **state)
{
    int second = -1;

    (void)state;
    assert_true(ki_file_exists(path));
    assert_false(ki_file_exists(other));
    assert_int_equal(ki_file_rename(path, other, true), KIST_OK);
    assert_false(ki_file_exists(path));
    assert_int_equal(ki_file_open(path, O_RDWR | O_CREAT, 0600, &second),
                     KIST_OK);
    ki_file_close(&second);
    assert_int_equal(ki_file_rename(path, other, true), KIST_ERR_EXISTS);
    assert_true(ki_file_exists(path));
    assert_int_equal(ki_file_rename(path, other, false), KIST_OK);
    assert_int_equal(ki_file_rename(path, other, false), KIST_ERR_IO);
    assert_int_equal(ki_file_remove(other), KIST_OK);
    assert_int_equal(ki_file_remove(other), KIST_OK);
    table.unlink = failing_unlink;
    fail_errno = EACCES;
    assert_int_equal(ki_file_remove(path), KIST_ERR_IO);
    table.unlink = unlink;
}

/*
 * Goal    what cannot be told is unsafe, network file systems too, the place
 *         of the tests is not.
 * Method  the real table and two replaced ones.
 */
static void
test_maps_unsafe(void **state)
{
    (void)state;
    assert_false(ki_file_maps_unsafe(fd));
    table.fs_type = nfs_fs_type;
    assert_true(ki_file_maps_unsafe(fd));
    table.fs_type = failing_fs_type;
    assert_true(ki_file_maps_unsafe(fd));
}

/*
 * Goal    a file is told from every other, and stays itself.
 * Method  identify two descriptors of one file and one of another; compare
 *         the boot id with the text that the kernel gives.
 */
static void
test_identify(void **state)
{
    char text[40] = "";
    char digits[40] = "";
    ki_file_id first;
    ki_file_id again;
    ki_file_id second;
    int more = -1;
    int boot = -1;

    (void)state;
    assert_int_equal(ki_io->identify(fd, &first), 0);
    assert_int_equal(ki_file_open(path, O_RDONLY, 0, &more), KIST_OK);
    assert_int_equal(ki_io->identify(more, &again), 0);
    ki_file_close(&more);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_int_equal(ki_file_open(other, O_RDWR | O_CREAT, 0600, &more),
                     KIST_OK);
    assert_int_equal(ki_io->identify(more, &second), 0);
    ki_file_close(&more);
    assert_true(second.inode != first.inode);
    assert_int_equal(second.mount, first.mount);
    assert_int_equal(second.device, first.device);
    assert_int_equal(ki_io->identify(-1, &again), -1);

    assert_int_equal(
        ki_file_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0, &boot),
        KIST_OK);
    assert_int_equal(ki_file_read_at(boot, NULL, 0, text, 36), KIST_OK);
    ki_file_close(&boot);
    for (size_t i = 0, to = 0; i < 16; i++) {
        to += (size_t)snprintf(
            digits + to, sizeof(digits) - to, "%02x%s", first.boot[i],
            i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
    }
    assert_string_equal(digits, text);
}

/*
 * Goal    random bytes are random.
 * Method  two draws of 300 differ, and none is all zeros.
 */
static void
test_random(void **state)
{
    uint8_t one[300] = {0};
    uint8_t two[300] = {0};

    (void)state;
    assert_int_equal(ki_io->random(one, sizeof(one)), 0);
    assert_memory_not_equal(one, two, sizeof(one));
    assert_int_equal(ki_io->random(two, sizeof(two)), 0);
    assert_memory_not_equal(one, two, sizeof(one));
}

static int
fail_always(void)
{
    return 1;
}

/*
 * Goal    without memory for the name of the parent, syncing it is NOMEM.
 * Method  the allocation hook.
 */
static void
test_no_memory(void **state)
{
    kist_status status;

    (void)state;
    ki_alloc_hook = fail_always;
    status = ki_file_sync_parent(path);
    ki_alloc_hook = NULL;
    assert_int_equal(status, KIST_ERR_NOMEM);
}

/*
 * In a child whose kernel knows neither renameat2() nor statx(), as older
 * kernels and some sandboxes do not: 0 if all is as it should be.
 */
static int
use_old_kernel(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {
        .len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    struct stat plain;
    ki_file_id id;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        return 1;
    }
    if (ki_io->identify(fd, &id) != 0 || fstat(fd, &plain) != 0 ||
        id.mount != 0 || id.inode != plain.st_ino ||
        id.device != plain.st_dev) {
        return 2;
    }
    if (ki_file_rename(path, other, true) != KIST_OK || ki_file_exists(path) ||
        !ki_file_exists(other)) {
        return 3;
    }
    if (link(other, path) != 0 ||
        ki_file_rename(path, other, true) != KIST_ERR_EXISTS) {
        return 4;
    }
    return 0;
}

/*
 * Goal    on an old kernel an exclusive rename is still exclusive, and the
 *         identity of a file claims nothing that is not proven.
 * Method  a child under a seccomp filter that answers ENOSYS.
 */
static void
test_old_kernel(void **state)
{
    const pid_t child = fork();
    int status = 1;

    (void)state;
    if (child == 0) {
        _exit(use_old_kernel());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#ifdef KIST_POINTS

static int recorded;
static int seen;

/* As the crash recorder of tests/rigs has it. */
void crashrec_point(const char *label);

void
crashrec_point(const char *label)
{
    recorded += strcmp(label, "here") == 0;
}

static void
see_point(const char *label)
{
    seen += strcmp(label, "here") == 0;
}

/*
 * Goal    a point tells the table and the crash recorder.
 * Method  pass one without and one with an entry in the table.
 */
static void
test_points(void **state)
{
    (void)state;
    KI_POINT("here");
    assert_int_equal(recorded, 1);
    assert_int_equal(seen, 0);
    table.point = see_point;
    KI_POINT("here");
    assert_int_equal(recorded, 2);
    assert_int_equal(seen, 1);
}

#endif /* KIST_POINTS */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_short_counts),
        TEST(test_read_and_write_fail),
        TEST(test_open),
        TEST(test_allocate),
        TEST(test_truncate_and_sync),
        TEST(test_parents),
        TEST(test_names),
        TEST(test_maps_unsafe),
        TEST(test_identify),
        TEST(test_random),
        TEST(test_no_memory),
        TEST(test_old_kernel),
#ifdef KIST_POINTS
        TEST(test_points),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
