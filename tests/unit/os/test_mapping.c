#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "os/file.h"
#include "os/mapping.h"

#define PAGE      4096u
#define FILE_SIZE (64u * PAGE)
#define RESERVE   (UINT64_C(1) << 30)

static char path[256];
static int fd = -1;

static int
set_up(void **state)
{
    const char *base = getenv("TMPDIR");
    uint8_t page[PAGE];

    (void)state;
    snprintf(path, sizeof(path), "%s/kist-map-XXXXXX",
             base != NULL ? base : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    memset(page, 'k', sizeof(page));
    for (unsigned i = 0; i < FILE_SIZE / PAGE; i++) {
        assert_int_equal(
            ki_file_write_at(fd, path, i * PAGE, page, sizeof(page)), KIST_OK);
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    ki_io = &ki_posix_io;
    ki_file_close(&fd);
    return ki_file_remove(path) == KIST_OK ? 0 : -1;
}

static uint8_t
load(const ki_mapping *mapping, size_t offset)
{
    return *(volatile uint8_t *)(mapping->base + offset);
}

static void
store(ki_mapping *mapping, size_t offset, uint8_t byte)
{
    *(volatile uint8_t *)(mapping->base + offset) = byte;
}

/* Touches a map that is none of ours, past the end of its file. */
static void
fault_elsewhere(void)
{
    volatile uint8_t *bytes =
        mmap(NULL, 2 * FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

    (void)bytes[FILE_SIZE];
}

/* Runs `body` in a child and returns how it ended. */
static int
status_of(void (*body)(void))
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        const struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void
open_map(void)
{
    static ki_mapping mapping;

    if (ki_mapping_init(&mapping, fd, path, KI_MAP_READ, FILE_SIZE, RESERVE,
                        false) != KIST_OK) {
        _exit(99);
    }
}

static sigjmp_buf resume;

static void
leave_with_info(int number, siginfo_t *info, void *context)
{
    sigset_t mask;

    (void)context;
    // Deferred, as it was installed.
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    _exit(info->si_code == BUS_ADRERR && sigismember(&mask, number) ? 42 : 1);
}

static void
jump_back(int number)
{
    (void)number;
    siglongjmp(resume, 1);
}

static void
chain_to_info(void)
{
    struct sigaction action = {.sa_sigaction = leave_with_info,
                               .sa_flags = SA_SIGINFO};

    sigaction(SIGBUS, &action, NULL);
    open_map();
    fault_elsewhere();
}

static void
chain_to_plain(void)
{
    volatile int count = 0;

    signal(SIGBUS, jump_back);
    open_map();
    if (sigsetjmp(resume, 1) != 0) {
        count++;
    }
    if (count < 3) {
        fault_elsewhere();
    }
    _exit(43);
}

static void
chain_to_default(void)
{
    signal(SIGBUS, SIG_DFL);
    open_map();
    fault_elsewhere();
}

static void
chain_sent_to_default(void)
{
    signal(SIGBUS, SIG_DFL);
    open_map();
    raise(SIGBUS);
}

static void
chain_sent_to_ignore(void)
{
    signal(SIGBUS, SIG_IGN);
    open_map();
    raise(SIGBUS);
    _exit(44);
}

static void
chain_fault_to_ignore(void)
{
    signal(SIGBUS, SIG_IGN);
    open_map();
    fault_elsewhere();
}

/*
 * Goal    faults outside our maps go to the handler that was there, and do
 *         what they would have done without us.
 * Method  a child for each disposition.  This test comes first: the handler
 *         of a process is installed with its first map, which must be the
 *         child's.
 */
static void
test_chaining(void **state)
{
    int status;

    (void)state;
    status = status_of(chain_to_info);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = status_of(chain_to_plain);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 43);
    status = status_of(chain_to_default);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    status = status_of(chain_sent_to_default);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    status = status_of(chain_sent_to_ignore);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 44);
    status = status_of(chain_fault_to_ignore);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

static struct sigaction saved;
static int visits;

/* As a handler does that was set after ours and passes on what it cannot. */
static void
pass_on(int number, siginfo_t *info, void *context)
{
    visits++;
    saved.sa_sigaction(number, info, context);
}

static void
replaced_and_chained_back(void)
{
    const struct sigaction action = {.sa_sigaction = pass_on,
                                     .sa_flags = SA_SIGINFO};
    ki_mapping second;

    signal(SIGBUS, SIG_DFL);
    open_map();
    sigaction(SIGBUS, &action, &saved);
    // From here on our handler stands before theirs, and behind it.
    if (ki_mapping_init(&second, fd, path, KI_MAP_READ, PAGE, RESERVE,
                        false) != KIST_OK ||
        load(&second, FILE_SIZE) != 0 || visits != 0) {
        _exit(1);
    }
    fault_elsewhere();
}

static void
replaced_and_found_again(void)
{
    ki_mapping mapping;

    for (int i = 0; i < 100; i++) {
        signal(SIGBUS, i % 2 == 0 ? SIG_DFL : jump_back);
        if (ki_mapping_init(&mapping, fd, path, KI_MAP_READ, PAGE, RESERVE,
                            false) != KIST_OK ||
            load(&mapping, FILE_SIZE) != 0) {
            _exit(1);
        }
        ki_mapping_fini(&mapping);
    }
    _exit(45);
}

/*
 * Goal    who takes the place of our handler is noticed by the next map, and
 *         two handlers that chain to each other come to an end.
 * Method  children: one whose handler passes on to ours, one that changes the
 *         handler a hundred times.
 */
static void
test_replaced(void **state)
{
    int status;

    (void)state;
    status = status_of(replaced_and_chained_back);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    status = status_of(replaced_and_found_again);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 45);
}

/*
 * Goal    a file that grows under its map is seen without mapping anew, and
 *         what is stored reaches the file.
 * Method  a read map and a write map of a small file with room for more.
 */
static void
test_growth(void **state)
{
    ki_mapping reading;
    ki_mapping writing;
    uint8_t byte = 0;

    (void)state;
    assert_int_equal(ki_mapping_init(&reading, fd, path, KI_MAP_READ,
                                     FILE_SIZE, RESERVE, true),
                     KIST_OK);
    assert_int_equal(ki_mapping_init(&writing, fd, path, KI_MAP_WRITE,
                                     FILE_SIZE, RESERVE, false),
                     KIST_OK);
    assert_int_equal(reading.reserved, RESERVE);
    assert_int_equal(load(&reading, FILE_SIZE - 1), 'k');
    assert_int_equal(ki_file_allocate(fd, path, FILE_SIZE, 16 * PAGE),
                     KIST_OK);
    store(&writing, FILE_SIZE + 5000, 'n');
    assert_int_equal(load(&reading, FILE_SIZE + 5000), 'n');
    assert_int_equal(ki_file_read_at(fd, path, FILE_SIZE + 5000, &byte, 1),
                     KIST_OK);
    assert_int_equal(byte, 'n');
    assert_false(ki_mapping_is_cut(&reading));
    assert_false(ki_mapping_is_cut(&writing));
    ki_mapping_fini(&reading);
    ki_mapping_fini(&writing);
    ki_mapping_fini(&writing);
    ki_mapping_fini(NULL);
}

/*
 * Goal    a file cut short under its map gives zeros and the flag, not death,
 *         and only to the map that touched what is gone.
 * Method  truncate under two maps; read one and write the other, past and
 *         before the end; what is written stays in the process.
 */
static void
test_cut(void **state)
{
    ki_mapping reading;
    ki_mapping writing;
    uint64_t size = 0;

    (void)state;
    assert_int_equal(ki_mapping_init(&reading, fd, path, KI_MAP_READ,
                                     FILE_SIZE, RESERVE, false),
                     KIST_OK);
    assert_int_equal(ki_mapping_init(&writing, fd, path, KI_MAP_WRITE,
                                     FILE_SIZE, RESERVE, false),
                     KIST_OK);
    assert_int_equal(ki_file_truncate(fd, path, 2 * PAGE), KIST_OK);
    errno = EPIPE;
    assert_int_equal(load(&reading, 10 * PAGE + 17), 0);
    assert_int_equal(errno, EPIPE);
    assert_true(ki_mapping_is_cut(&reading));
    assert_false(ki_mapping_is_cut(&writing));
    assert_int_equal(load(&reading, 2 * PAGE - 1), 'k');

    store(&writing, 5 * PAGE, 'w');
    assert_true(ki_mapping_is_cut(&writing));
    assert_int_equal(load(&writing, 5 * PAGE), 'w');
    assert_int_equal(load(&writing, 2 * PAGE - 1), 'k');
    assert_int_equal(ki_file_size(fd, path, &size), KIST_OK);
    assert_int_equal(size, 2 * PAGE);

    ki_mapping_fini(&reading);
    assert_int_equal(load(&writing, 6 * PAGE), 0);
    ki_mapping_fini(&writing);
}

static size_t
count_regions(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t count = 0;
    int letter;

    assert_non_null(maps);
    while ((letter = getc(maps)) != EOF) {
        count += letter == '\n';
    }
    fclose(maps);
    return count;
}

/*
 * Goal    whatever is read of a file that was emptied, the process does not
 *         run out of regions, and pages keep what is stored into them.
 * Method  touch every second of 60,000 pages and count the regions.
 */
static void
test_cut_everywhere(void **state)
{
    const size_t before = count_regions();
    ki_mapping mapping;

    (void)state;
    assert_int_equal(ki_mapping_init(&mapping, fd, path, KI_MAP_WRITE,
                                     FILE_SIZE, RESERVE, false),
                     KIST_OK);
    assert_int_equal(ki_file_truncate(fd, path, 0), KIST_OK);
    for (size_t page = 0; page < 60000; page += 2) {
        assert_int_equal(load(&mapping, page * PAGE), 0);
        store(&mapping, page * PAGE, (uint8_t)(page / 2 + 1));
    }
    for (size_t page = 0; page < 60000; page += 2) {
        assert_int_equal(load(&mapping, page * PAGE), (uint8_t)(page / 2 + 1));
    }
    assert_true(count_regions() < before + 2000);
    assert_true(ki_mapping_is_cut(&mapping));
    ki_mapping_fini(&mapping);
}

/*
 * Goal    a map made after another has gone is watched as well, and more maps
 *         than the table holds are possible.
 * Method  5,000 maps at once, all undone; then one is cut.
 */
static void
test_many_maps(void **state)
{
    static ki_mapping maps[5000];
    int unwatched = 0;

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(ki_mapping_init(&maps[i], fd, path, KI_MAP_READ, PAGE,
                                         PAGE, false),
                         KIST_OK);
        unwatched += maps[i].slot < 0;
    }
    assert_int_equal(unwatched, 5000 - 4096);
    for (size_t i = 0; i < 5000; i++) {
        ki_mapping_fini(&maps[i]);
    }
    assert_int_equal(
        ki_mapping_init(&maps[0], fd, path, KI_MAP_READ, PAGE, RESERVE, false),
        KIST_OK);
    assert_int_equal(load(&maps[0], FILE_SIZE), 0);
    assert_true(ki_mapping_is_cut(&maps[0]));
    ki_mapping_fini(&maps[0]);
}

static size_t size_allowed;
static int map_calls;
static int advise_calls;

static void *
small_map(void *address, size_t size, int prot, int flags, int file,
          off_t offset)
{
    map_calls++;
    if (size > size_allowed) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return mmap(address, size, prot, flags, file, offset);
}

static int
failing_advise(void *address, size_t size, int advice)
{
    (void)address;
    (void)size;
    (void)advice;
    advise_calls++;
    errno = EINVAL;
    return -1;
}

/*
 * Goal    less address space is taken where there is not enough, but never
 *         less than asked for; advice that fails is no failure.
 * Method  a table that maps so much and no more.
 */
static void
test_address_space(void **state)
{
    kist_io table = ki_posix_io;
    ki_mapping mapping;

    (void)state;
    table.map = small_map;
    table.advise = failing_advise;
    ki_io = &table;
    size_allowed = RESERVE / 4;
    assert_int_equal(ki_mapping_init(&mapping, fd, path, KI_MAP_READ,
                                     FILE_SIZE, RESERVE, true),
                     KIST_OK);
    assert_int_equal(mapping.reserved, RESERVE / 4);
    assert_int_equal(map_calls, 3);
    assert_int_equal(advise_calls, 1);
    ki_mapping_fini(&mapping);

    size_allowed = 3 * PAGE;
    assert_int_equal(ki_mapping_init(&mapping, fd, path, KI_MAP_READ,
                                     2 * PAGE + 1, RESERVE, false),
                     KIST_OK);
    assert_int_equal(mapping.reserved, 3 * PAGE);
    ki_mapping_fini(&mapping);
    assert_int_equal(ki_mapping_init(&mapping, fd, path, KI_MAP_READ,
                                     3 * PAGE + 1, RESERVE, false),
                     KIST_ERR_NOMEM);
    assert_null(mapping.base);
    assert_int_equal(ki_mapping_init(&mapping, fd, path, KI_MAP_READ,
                                     UINT64_MAX, RESERVE, false),
                     KIST_ERR_NOMEM);
    ki_io = &ki_posix_io;
    assert_int_equal(
        ki_mapping_init(&mapping, -1, path, KI_MAP_READ, PAGE, PAGE, false),
        KIST_ERR_IO);
    assert_int_equal(kist_last_error()->sys_errno, EBADF);
    ki_mapping_fini(&mapping);
}

/*
 * Goal    a private map is zeros of its own, far beyond the memory there is.
 * Method  64 GiB, touched at both ends.
 */
static void
test_private(void **state)
{
    const uint64_t reserve = UINT64_C(64) << 30;
    ki_mapping mapping;

    (void)state;
    assert_int_equal(ki_mapping_init(&mapping, -1, NULL, KI_MAP_PRIVATE, PAGE,
                                     reserve, true),
                     KIST_OK);
    assert_int_equal(load(&mapping, 0), 0);
    store(&mapping, mapping.reserved - 1, 'p');
    assert_int_equal(load(&mapping, mapping.reserved - 1), 'p');
    assert_int_equal(mapping.slot, -1);
    ki_mapping_fini(&mapping);
    assert_null(mapping.base);
}

/*
 * Goal:   stretches of a file stand one behind the other behind memory of our
 *         own; cut short they are zeros; a map that fails leaves nothing.
 * Method: pages are marked; an offset that cannot be mapped.
 */
static void
test_row(void **state)
{
    const ki_stretch stretches[] = {
        {9 * PAGE, 2 * PAGE}, {3 * PAGE, PAGE}, {60 * PAGE, PAGE}};
    ki_mapping mapping;
    uint8_t mark;

    (void)state;
    for (unsigned i = 0; i < FILE_SIZE / PAGE; i++) {
        mark = (uint8_t)i;
        assert_int_equal(ki_file_write_at(fd, path, i * PAGE, &mark, 1),
                         KIST_OK);
    }
    assert_int_equal(
        ki_mapping_init_row(&mapping, fd, path, PAGE, stretches, 3), KIST_OK);
    assert_int_equal(mapping.reserved, 5 * PAGE);
    assert_int_equal(load(&mapping, 0), 0);
    store(&mapping, PAGE - 1, 'h');
    assert_int_equal(load(&mapping, PAGE), 9);
    assert_int_equal(load(&mapping, 2 * PAGE), 10);
    assert_int_equal(load(&mapping, 3 * PAGE), 3);
    assert_int_equal(load(&mapping, 4 * PAGE), 60);
    mark = 99;
    assert_int_equal(ki_file_write_at(fd, path, 3 * PAGE, &mark, 1), KIST_OK);
    assert_int_equal(load(&mapping, 3 * PAGE), 99);
    assert_int_equal(ki_file_truncate(fd, path, 10 * PAGE), KIST_OK);
    assert_int_equal(load(&mapping, 4 * PAGE), 0);
    assert_true(ki_mapping_is_cut(&mapping));
    assert_int_equal(load(&mapping, 2 * PAGE), 0);
    assert_int_equal(load(&mapping, PAGE), 9);
    assert_int_equal(load(&mapping, PAGE - 1), 'h');
    ki_mapping_fini(&mapping);
    assert_null(mapping.base);
    // An offset that is no page's.
    assert_int_equal(ki_mapping_init_row(&mapping, fd, path, PAGE,
                                         &(const ki_stretch){PAGE + 256, PAGE},
                                         1),
                     KIST_ERR_IO);
    assert_null(mapping.base);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_chaining), // first: see there
        TEST(test_replaced),  TEST(test_growth),
        TEST(test_cut),       TEST(test_cut_everywhere),
        TEST(test_many_maps), TEST(test_address_space),
        TEST(test_private),   TEST(test_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
