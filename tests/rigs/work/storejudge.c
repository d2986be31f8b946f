/*
 * The writer of the store rigs, its readers, and the judge of what it leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storeunits.h"

#define FAILURES_MAX 4

/* Says what is wrong with the store, if something is: 1, or 0. */
static int
say_wrong(const sw_store *at)
{
    if (at->wrong[0] == '\0') {
        return 0;
    }
    fprintf(stderr, "store_work: %s\n", at->wrong);
    return 1;
}

static void
say_lost(const sw_world *found, const kw_range *range)
{
    sw_world world = {.proc = found->proc};

    for (uint64_t i = 0; i < range->floor; i++) {
        const sw_unit unit = sw_unit_plan(&world, i);

        sw_unit_apply(&world, &unit);
    }
    fprintf(stderr,
            "store_work: process %u: what is there follows from none of units "
            "%llu to %llu:",
            found->proc, (unsigned long long)range->floor,
            (unsigned long long)range->ceiling);
    for (uint32_t slot = 0; slot < SW_SLOTS; slot++) {
        char name[SW_NAME_SIZE];

        if (found->tags[slot] != world.tags[slot]) {
            sw_key(found->proc, slot, name);
            fprintf(stderr, " %s has %llu, not %llu;", name,
                    (unsigned long long)found->tags[slot],
                    (unsigned long long)world.tags[slot]);
        }
    }
    fputc('\n', stderr);
}

static void
pause_some(uint32_t pause_us, uint64_t *random)
{
    if (pause_us > 0 && kt_random(random) % 8 == 0) {
        const uint64_t ns = (uint64_t)pause_us * 8000u;
        const struct timespec span = {(time_t)(ns / 1000000000u),
                                      (long)(ns % 1000000000u)};

        nanosleep(&span, NULL);
    }
}

/* --- writing ------------------------------------------------------------ */

/*
 * A unit has failed.  Each of its slots must hold the old value or the new
 * one; then the user tries again.  Answers 0 once it is done, or an exit
 * status.
 */
static int
after_failure(sw_store *at, const sw_world *world, const sw_unit *unit,
              kist_status status)
{
    for (int tries = 0; status != KIST_OK; tries++) {
        sw_world found;
        sw_world next = *world;
        bool part;
        uint64_t units;
        const kw_range range = {.floor = unit->index,
                                .ceiling = unit->index + 1};

        kw_say("a unit failed", status);
        if (at->store != NULL) {
            status = sw_world_read(at, world->proc, &found);
            if (status != KIST_OK) {
                kw_say("reading after a failure", status);
                return 4;
            }
            if (say_wrong(at) != 0 ||
                !sw_locate(&found, &range, &next, &units, &part)) {
                say_lost(&found, &range);
                return 1;
            }
        }
        if (tries == FAILURES_MAX) {
            return 4;
        }
        status = sw_unit_settle(at, world, unit);
    }
    return say_wrong(at);
}

/* Does units until told to end; `part`: the first was done in part. */
static int
do_units(sw_store *at, sw_world *world, uint64_t index, bool part, int acks)
{
    const kw_args *args = &at->args->base;
    const char mark =
        at->args->options.durability == KIST_STORE_NONE ? '\0' : 'S';
    const uint64_t end = index + args->units;
    uint64_t random = index + args->proc;

    while (args->units == 0 || index < end) {
        const sw_unit unit = sw_unit_plan(world, index);
        int answer;
        kist_status status;

        (void)time(NULL); // where faultfs lets the clock jump
        status = part ? sw_unit_settle(at, world, &unit)
                      : sw_unit_do(at, world, &unit);
        if (say_wrong(at) != 0) {
            fprintf(stderr, "store_work: in unit %llu, a %u\n",
                    (unsigned long long)index, (unsigned)unit.op);
            return 1;
        }
        answer = after_failure(at, world, &unit, status);
        if (answer != 0) {
            return answer;
        }
        if (kw_acks_write(acks, args->proc, index, mark) != 0) {
            return 2;
        }
        sw_unit_apply(world, &unit);
        index++;
        part = false;
        pause_some(args->pause_us, &random);
    }
    return 0;
}

int
sw_write(const sw_args *args)
{
    const uint32_t proc = args->base.proc;
    const int acks =
        open(args->base.acks, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    kw_range ranges[KW_PROCS_MAX];
    sw_store at = {0};
    sw_world found;
    sw_world world;
    uint64_t index;
    bool part;
    int answer = 4;
    kist_status status;

    if (acks < 0 || kw_acks_read(&args->base, ranges) != 0) {
        perror(args->base.acks);
        return 2;
    }
    status = sw_open(&at, args, false);
    if (status != KIST_OK) {
        kw_say("open", status);
        close(acks);
        return 4;
    }
    status = sw_world_read(&at, proc, &found);
    if (status != KIST_OK) {
        kw_say("read", status);
    }
    else if (say_wrong(&at) != 0 ||
             !sw_locate(&found, &ranges[proc], &world, &index, &part)) {
        say_lost(&found, &ranges[proc]);
        answer = 1;
    }
    else {
        answer = kw_acks_write(acks, proc, index, 'R') == 0
                     ? do_units(&at, &world, index, part, acks)
                     : 2;
    }
    sw_close(&at);
    close(acks);
    return answer;
}

/* --- verifying ---------------------------------------------------------- */

/*
 * A scan gives exactly the keys that have values, each once, with the values
 * that are there.  `worlds` are what kist_store_get() answered.
 */
static int
check_scan(sw_store *at, const sw_world *worlds)
{
    const kist_store_scan_options options = {.values = true, .stats = true};
    sw_world seen[SW_SHARED + 1] = {{0}};
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;
    uint64_t count;
    uint64_t met = 0;

    status = kist_store_scan_open(at->store, &options, &scan);
    while (status == KIST_OK &&
           (status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        uint32_t proc;
        uint32_t slot;

        met++;
        if (!sw_key_find(item.key, &proc, &slot) ||
            seen[proc].tags[slot] != 0 ||
            !sw_value_read(proc, slot, item.value, &seen[proc].tags[slot]) ||
            item.stat.size != item.value.size) {
            fprintf(stderr, "store_work: a scan gives %.*s, wrongly\n",
                    (int)item.key.size, (const char *)item.key.data);
            kist_store_scan_close(scan);
            return 1;
        }
    }
    kist_store_scan_close(scan);
    if (status == KIST_END) {
        status = kist_store_count(at->store, &count);
    }
    if (status != KIST_OK) {
        kw_say("scan", status);
        return 1;
    }
    for (uint32_t proc = 0; proc <= SW_SHARED; proc++) {
        if (memcmp(seen[proc].tags, worlds[proc].tags,
                   sizeof(seen[proc].tags)) != 0) {
            fprintf(stderr, "store_work: a scan and gets differ\n");
            return 1;
        }
    }
    if (count != met) {
        fprintf(stderr, "store_work: a scan met %llu keys, count says %llu\n",
                (unsigned long long)met, (unsigned long long)count);
        return 1;
    }
    return say_wrong(at);
}

/* What the first `units` units of a process add to the shared counter. */
static uint64_t
added_by(uint32_t proc, uint64_t units)
{
    sw_world world = {.proc = proc};

    for (uint64_t i = 0; i < units; i++) {
        const sw_unit unit = sw_unit_plan(&world, i);

        sw_unit_apply(&world, &unit);
    }
    return world.shared;
}

/* How often a writer has begun: each may have added once without saying so. */
static uint64_t
count_starts(const sw_args *args)
{
    FILE *file = fopen(args->base.acks, "r");
    char line[128];
    uint64_t count = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, " R\n") != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static int
check_shared(const sw_args *args, const kw_range *ranges, uint64_t total)
{
    uint64_t least = 0;
    uint64_t most = count_starts(args);

    for (uint32_t proc = 0; proc < KW_PROCS_MAX; proc++) {
        if (ranges[proc].known || proc == 0) {
            least += added_by(proc, ranges[proc].floor);
            most += added_by(proc, ranges[proc].ceiling);
        }
    }
    if (total < least || (total > most && !args->loose)) {
        fprintf(stderr,
                "store_work: the shared counter is %llu, not %llu to %llu\n",
                (unsigned long long)total, (unsigned long long)least,
                (unsigned long long)most);
        return 1;
    }
    return 0;
}

static int
check_all(sw_store *at, const kw_range *ranges)
{
    sw_world worlds[SW_SHARED + 1] = {{0}};
    int answer = 0;
    kist_status status;

    for (uint32_t proc = 0; proc < KW_PROCS_MAX; proc++) {
        sw_world world;
        uint64_t units;
        bool part;

        status = sw_world_read(at, proc, &worlds[proc]);
        if (status != KIST_OK) {
            kw_say("read", status);
            return 1;
        }
        if (say_wrong(at) != 0) {
            return 1;
        }
        if (!sw_locate(&worlds[proc], &ranges[proc], &world, &units, &part)) {
            say_lost(&worlds[proc], &ranges[proc]);
            answer = 1;
        }
    }
    status = sw_shared_read(at, &worlds[SW_SHARED].tags[0]);
    if (status != KIST_OK) {
        kw_say("read", status);
        return 1;
    }
    if (answer == 0) {
        answer = say_wrong(at);
    }
    if (answer == 0) {
        answer = check_shared(at->args, ranges, worlds[SW_SHARED].tags[0]);
    }
    return answer != 0 ? answer : check_scan(at, worlds);
}

int
sw_verify(const sw_args *args)
{
    kw_range ranges[KW_PROCS_MAX];
    sw_store at = {0};
    bool nothing = true;
    int answer;
    kist_status status;

    if (kw_acks_read(&args->base, ranges) != 0) {
        perror(args->base.acks);
        return 2;
    }
    for (uint32_t proc = 0; proc < KW_PROCS_MAX; proc++) {
        nothing = nothing && ranges[proc].floor == 0;
        if (!ranges[proc].known && proc != 0) {
            ranges[proc].ceiling = 1;
        }
    }
    status = sw_open(&at, args, true);
    if (status == KIST_ERR_IO && nothing &&
        kist_last_error()->sys_errno == ENOENT) {
        return 0;
    }
    if (status != KIST_OK) {
        kw_say("open", status);
        return 1;
    }
    answer = check_all(&at, ranges);
    sw_close(&at);
    return answer;
}

/* --- reading beside writers --------------------------------------------- */

/* Gets every key: what is there is whole, and never older than before. */
static int
read_keys(sw_store *at, sw_world *last)
{
    for (uint32_t proc = 0; proc <= SW_SHARED; proc++) {
        sw_world found;
        kist_status status = proc == SW_SHARED
                                 ? sw_shared_read(at, &found.tags[0])
                                 : sw_world_read(at, proc, &found);

        if (status != KIST_OK) {
            kw_say("read", status);
            return 1;
        }
        if (say_wrong(at) != 0) {
            return 1;
        }
        for (uint32_t slot = 0; slot < (proc == SW_SHARED ? 1 : SW_SLOTS);
             slot++) {
            if (found.tags[slot] == 0) {
                continue;
            }
            if (found.tags[slot] < last[proc].tags[slot]) {
                fprintf(stderr, "store_work: process %u, slot %u went back\n",
                        proc, slot);
                return 1;
            }
            last[proc].tags[slot] = found.tags[slot];
        }
    }
    return 0;
}

/* A scan gives values that were put, and nothing else. */
static int
read_scan(sw_store *at)
{
    const kist_store_scan_options options = {.values = true};
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status = kist_store_scan_open(at->store, &options, &scan);

    while (status == KIST_OK &&
           (status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        uint32_t proc;
        uint32_t slot;
        uint64_t tag;

        if (!sw_key_find(item.key, &proc, &slot) ||
            !sw_value_read(proc, slot, item.value, &tag)) {
            fprintf(stderr, "store_work: a scan gives %.*s, wrongly\n",
                    (int)item.key.size, (const char *)item.key.data);
            kist_store_scan_close(scan);
            return 1;
        }
    }
    kist_store_scan_close(scan);
    if (status != KIST_END) {
        kw_say("scan", status);
        return 1;
    }
    return say_wrong(at);
}

static bool
is_over(void)
{
    const char *stop = getenv("RIG_STOP");

    return stop != NULL && access(stop, F_OK) == 0;
}

/* A writer may not have made the store yet. */
static kist_status
open_when_there(sw_store *at, const sw_args *args)
{
    const struct timespec span = {0, 2000000};
    kist_status status = sw_open(at, args, true);

    while (status == KIST_ERR_IO && kist_last_error()->sys_errno == ENOENT &&
           !is_over()) {
        nanosleep(&span, NULL);
        status = sw_open(at, args, true);
    }
    return status;
}

int
sw_read_loop(const sw_args *args)
{
    sw_world last[SW_SHARED + 1] = {{0}};
    sw_store at = {0};
    int answer = 0;
    const kist_status status = open_when_there(&at, args);

    if (status != KIST_OK) {
        kw_say("open", status);
        return is_over() ? 0 : 4;
    }
    while (answer == 0 && !is_over()) {
        answer = read_keys(&at, last);
        if (answer == 0) {
            answer = read_scan(&at);
        }
    }
    sw_close(&at);
    return answer;
}

int
sw_read_once(const sw_args *args)
{
    sw_world last[SW_SHARED + 1] = {{0}};
    sw_store at = {0};
    int answer;
    const kist_status status = sw_open(&at, args, true);

    if (status != KIST_OK) {
        kw_say("open", status);
        return 4;
    }
    answer = read_keys(&at, last);
    if (answer == 0) {
        answer = read_scan(&at);
    }
    sw_close(&at);
    return answer;
}
