#include "memfs/memguard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "os/file.h"

#define PATH_SIZE 4096u
#define FILE_SIZE 8192u // more than the files have before what we need
#define WORD_SIZE 64u   // the same for those that hold one number
#define NS_PER_MS UINT64_C(1000000)

// Digits of a uint64_t in groups of three, with commas and terminator.
#define NUMBER_SIZE 28

/* One reading. */
typedef struct reading {
    const char *root;
    uint64_t total; // of the machine; UINT64_MAX: not known
    uint64_t left;  // the least that was found; UINT64_MAX: nothing was
} reading;

/* Where a version of cgroups keeps its numbers, below the mount. */
typedef struct groups {
    const char *mount;
    const char *limit;
    const char *used;
    bool below_total; // a limit counts only if it is below the machine's
} groups;

static const groups groups_v2 = {"/sys/fs/cgroup", "memory.max",
                                 "memory.current", false};
static const groups groups_v1 = {"/sys/fs/cgroup/memory",
                                 "memory.limit_in_bytes",
                                 "memory.usage_in_bytes", true};

/*
 * The text of a small file of the kernel's, cut if it is longer; false if it
 * cannot be read.  No failure is recorded: most machines lack most of them.
 */
static bool
read_text(const char *root, const char *path, char *text, size_t room)
{
    char whole[PATH_SIZE];
    size_t size = 0;
    ssize_t got = 1;
    int fd;

    if (snprintf(whole, sizeof(whole), "%s%s", root, path) >=
        (int)sizeof(whole)) {
        return false;
    }
    do {
        fd = ki_io->open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return false;
    }
    while (size < room - 1 && got != 0) {
        got = ki_io->pread(fd, text + size, room - 1 - size, (off_t)size);
        if (got < 0 && errno != EINTR) {
            break;
        }
        size += got > 0 ? (size_t)got : 0;
    }
    ki_file_close(&fd);
    text[size] = '\0';
    return got >= 0;
}

/* The number that `text` starts with; false if there is none, as in "max". */
static bool
parse_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;

    if (*text < '0' || *text > '9') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        const uint64_t digit = (uint64_t)(*text - '0');

        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

/* A line of /proc/meminfo, such as "MemTotal:   16 kB", in bytes. */
static bool
parse_meminfo(const char *text, const char *name, uint64_t *bytes)
{
    const char *found = strstr(text, name);
    uint64_t kib;

    if (found == NULL || (found != text && found[-1] != '\n')) {
        return false;
    }
    found += strlen(name);
    found += strspn(found, " \t");
    if (!parse_number(found, &kib) || kib > UINT64_MAX / 1024) {
        return false;
    }
    *bytes = kib * 1024;
    return true;
}

static void
note_left(reading *r, uint64_t bytes)
{
    if (bytes < r->left) {
        r->left = bytes;
    }
}

static void
read_machine(reading *r)
{
    char text[FILE_SIZE];
    uint64_t bytes;

    if (!read_text(r->root, "/proc/meminfo", text, sizeof(text))) {
        return;
    }
    if (parse_meminfo(text, "MemTotal:", &bytes)) {
        r->total = bytes;
    }
    if (parse_meminfo(text, "MemAvailable:", &bytes)) {
        note_left(r, bytes);
    }
}

/* A number that stands alone in a file of a group. */
static bool
read_number(const reading *r, const groups *g, const char *group,
            const char *name, uint64_t *number)
{
    char path[PATH_SIZE];
    char text[WORD_SIZE];

    return snprintf(path, sizeof(path), "%s%s/%s", g->mount, group, name) <
               (int)sizeof(path) &&
           read_text(r->root, path, text, sizeof(text)) &&
           parse_number(text, number);
}

/*
 * What the group and those above it leave.  `group` is "" for the mount
 * itself, else begins with "/"; it is cut down to "".  In a container the name
 * may be one that only the host can see: then the mount itself is ours.
 */
static void
read_groups(reading *r, const groups *g, char *group)
{
    for (;;) {
        char *slash;
        uint64_t limit;
        uint64_t used;

        if (read_number(r, g, group, g->limit, &limit) &&
            (!g->below_total || limit < r->total)) {
            if (!read_number(r, g, group, g->used, &used)) {
                used = 0;
            }
            note_left(r, used < limit ? limit - used : 0);
        }
        slash = strrchr(group, '/');
        if (slash == NULL) {
            return;
        }
        *slash = '\0';
    }
}

/* True if the list of controllers, up to its ":", has "memory" in it. */
static bool
has_memory(const char *list, const char *end)
{
    const size_t size = strlen("memory");

    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma == NULL ? end : comma;

        if ((size_t)(stop - list) == size &&
            memcmp(list, "memory", size) == 0) {
            return true;
        }
        list = stop + 1;
    }
    return false;
}

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:/GROUP", with no controllers
 * in version 2. */
static void
read_line(reading *r, char *line)
{
    char *list = strchr(line, ':');
    char *group = list == NULL ? NULL : strchr(list + 1, ':');

    if (group == NULL || group[1] != '/') {
        return;
    }
    list++;
    // The root is "/" here and "" where names are put together.
    if (group == list) {
        read_groups(r, &groups_v2, group + (group[2] == '\0' ? 2 : 1));
    }
    else if (has_memory(list, group)) {
        read_groups(r, &groups_v1, group + (group[2] == '\0' ? 2 : 1));
    }
}

/* The process's own groups, of whichever version holds them. */
static void
read_cgroups(reading *r)
{
    char text[FILE_SIZE];
    char *line = text;

    if (!read_text(r->root, "/proc/self/cgroup", text, sizeof(text))) {
        return;
    }
    while (line != NULL) {
        char *next = strchr(line, '\n');

        if (next != NULL) {
            *next++ = '\0';
        }
        read_line(r, line);
        line = next;
    }
}

/* UINT64_MAX if it cannot be known. */
static uint64_t
read_left(const char *root)
{
    reading r = {root == NULL ? "" : root, UINT64_MAX, UINT64_MAX};

    // The machine first: groups are compared with its size.
    read_machine(&r);
    read_cgroups(&r);
    return r.left;
}

kist_status
ki_memguard_available(const char *root, uint64_t *bytes)
{
    const uint64_t left = read_left(root);

    if (left == UINT64_MAX) {
        return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, KI_NO_OFFSET,
                       "memory left on this machine");
    }
    *bytes = left;
    return KIST_OK;
}

void
ki_memguard_init(ki_memguard *guard, const char *root, uint64_t interval_ms)
{
    guard->root = root;
    guard->interval_ns = interval_ms > UINT64_MAX / NS_PER_MS
                             ? UINT64_MAX
                             : interval_ms * NS_PER_MS;
    atomic_init(&guard->bytes, UINT64_MAX);
    atomic_init(&guard->read_ns, 0);
}

/*
 * Once there is an answer, whoever moves read_ns on reads the next one, and
 * for the time of that others are given the last.  Before there is one, all
 * that come read: read_ns is set behind the bytes.
 */
uint64_t
ki_memguard_left(ki_memguard *guard, uint64_t *age_ms)
{
    const uint64_t now = ki_clock_ns();
    uint64_t then = atomic_load(&guard->read_ns);
    uint64_t bytes;

    if (then != 0) {
        const uint64_t age_ns = now < then ? 0 : now - then;

        if (age_ns < guard->interval_ns ||
            !atomic_compare_exchange_strong(&guard->read_ns, &then, now)) {
            *age_ms = age_ns / NS_PER_MS;
            return atomic_load(&guard->bytes);
        }
    }
    bytes = read_left(guard->root);
    atomic_store(&guard->bytes, bytes);
    if (then == 0) {
        atomic_store(&guard->read_ns, now);
    }
    *age_ms = 0;
    return bytes;
}

/* The number in `text`, with commas as people write it. */
static const char *
format_number(uint64_t number, char text[NUMBER_SIZE])
{
    char *at = text + NUMBER_SIZE - 1;
    int digits = 0;

    *at = '\0';
    do {
        if (digits > 0 && digits % 3 == 0) {
            *--at = ',';
        }
        *--at = (char)('0' + number % 10);
        number /= 10;
        digits++;
    } while (number > 0);
    return at;
}

bool
ki_memguard_quota_fits(ki_memguard *guard, uint64_t quota,
                       char text[KI_MEMGUARD_TEXT_SIZE])
{
    char asked[NUMBER_SIZE];
    char there[NUMBER_SIZE];
    uint64_t age_ms;
    const uint64_t left = ki_memguard_left(guard, &age_ms);

    if (quota <= left) {
        return true;
    }
    snprintf(text, KI_MEMGUARD_TEXT_SIZE,
             "max_quota (%s bytes) exceeds available physical RAM (%s bytes). "
             "MemoryError may occur before quota limit is reached.",
             format_number(quota, asked), format_number(left, there));
    return false;
}

bool
ki_memguard_write_fits(ki_memguard *guard, uint64_t size,
                       char text[KI_MEMGUARD_TEXT_SIZE])
{
    char asked[NUMBER_SIZE];
    char there[NUMBER_SIZE];
    uint64_t age_ms;
    const uint64_t left = ki_memguard_left(guard, &age_ms);

    if (size <= left) {
        return true;
    }
    snprintf(text, KI_MEMGUARD_TEXT_SIZE,
             "Write of %s bytes requested but only %s bytes of physical RAM "
             "available (checked %" PRIu64 ".%us ago).",
             format_number(size, asked), format_number(left, there),
             age_ms / 1000, (unsigned)(age_ms % 1000 / 100));
    return false;
}
