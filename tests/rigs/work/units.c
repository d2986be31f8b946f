#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMPACT_EVERY  331u
#define KEY_OF_COUNT   1000u
#define LINES_LOST_MAX 2000u

void
kw_say(const char *what, kist_status status)
{
    char text[600] = "";

    if (status != KIST_OK) {
        kist_error_text(text, sizeof(text));
    }
    fprintf(stderr, "kist_work: %s: %s %s\n", what, kist_status_name(status),
            text);
}

const char *
kw_path(const kw_args *args)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/k", args->dir);
    return path;
}

/* --- acknowledgements --------------------------------------------------- */

int
kw_acks_write(int fd, uint32_t proc, uint64_t unit, char mark)
{
    struct timespec now;
    char line[96];
    int size;

    clock_gettime(CLOCK_MONOTONIC, &now);
    size = snprintf(line, sizeof(line), "%u %llu %llu%s%.1s\n", proc,
                    (unsigned long long)unit,
                    (unsigned long long)now.tv_sec * 1000000000u +
                        (unsigned long long)now.tv_nsec,
                    mark != '\0' ? " " : "", &mark);
    return write(fd, line, (size_t)size) == size ? 0 : -1;
}

/*
 * With durability interval a unit is safe once a later line, of whatever
 * process, shows that the interval was over before the cut.
 */
static void
interval_floors(FILE *file, const kw_args *args, kw_range *ranges,
                unsigned long long last)
{
    char line[128];

    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned proc;
        unsigned long long unit;
        unsigned long long at;

        if (sscanf(line, "%u %llu %llu", &proc, &unit, &at) == 3 &&
            proc < KW_PROCS_MAX && last > at &&
            last - at > args->interval_ns && unit < ranges[proc].acked &&
            unit + 1 > ranges[proc].floor) {
            ranges[proc].floor = unit + 1;
        }
    }
}

int
kw_acks_read(const kw_args *args, kw_range *ranges)
{
    FILE *file = fopen(args->acks, "r");
    unsigned long long last = 0;
    char line[128];

    memset(ranges, 0, KW_PROCS_MAX * sizeof(*ranges));
    ranges[0].acked = ranges[0].floor = args->from;
    if (file == NULL) {
        return errno == ENOENT ? 0 : -1;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned proc;
        unsigned long long unit;
        unsigned long long at;
        char mark = '\0';

        if (sscanf(line, "%u %llu %llu %c", &proc, &unit, &at, &mark) < 3 ||
            strchr(line, '\n') == NULL || proc >= KW_PROCS_MAX) {
            continue; // the line was being written
        }
        ranges[proc].known = true;
        ranges[proc].acked = mark == 'R' ? unit : unit + 1;
        if (mark != '\0') {
            ranges[proc].floor = ranges[proc].acked;
        }
        last = at > last ? at : last;
    }
    if (args->options.durability == KIST_INTERVAL &&
        args->fault == KW_FAULT_POWER) {
        interval_floors(file, args, ranges, last);
    }
    fclose(file);
    for (size_t p = 0; p < KW_PROCS_MAX; p++) {
        ranges[p].ceiling = ranges[p].acked + 1;
        if (args->fault == KW_FAULT_POWER) {
            // what came after the cut's beginning has lost its line
            ranges[p].ceiling += LINES_LOST_MAX;
        }
        else {
            ranges[p].floor = ranges[p].acked;
        }
        if (args->fault == KW_FAULT_ROT) {
            ranges[p].ceiling = ranges[p].acked;
        }
    }
    return 0;
}

/* --- units -------------------------------------------------------------- */

/* A world without a store is only told what to become. */
static kist_status
step_do(kt_store *store, kt_world *world, const kt_step *step)
{
    if (store != NULL) {
        return kt_step_both(store, world, step);
    }
    kt_world_step(world, step);
    return KIST_OK;
}

static kist_status
upkeep_do(kt_store *store, kt_world *world, kt_op op)
{
    const kt_step step = {.op = op};

    return step_do(store, world, &step);
}

static kist_status
batch_do(kt_store *store, kt_world *world, uint64_t *random, kt_op end)
{
    const uint64_t count = 2 + kt_random(random) % 8;
    kist_status status = upkeep_do(store, world, KT_BEGIN);

    for (uint64_t i = 0; status == KIST_OK && i < count; i++) {
        const kt_step step = kt_step_random(world, random);

        status = step_do(store, world, &step);
    }
    if (status == KIST_OK) {
        status = upkeep_do(store, world, end);
    }
    return status;
}

kist_status
kw_unit_do(kt_store *store, kt_world *world, uint64_t index, bool *synced)
{
    uint64_t random = index * KW_PROCS_MAX + world->proc;
    const uint64_t draw = kt_random(&random) % 64;
    kt_step step;

    *synced = false;
    if ((index + 97u * world->proc) % COMPACT_EVERY == COMPACT_EVERY - 1) {
        return upkeep_do(store, world, KT_COMPACT);
    }
    if (draw < 2) {
        *synced = true;
        return upkeep_do(store, world, KT_SYNC);
    }
    if (draw == 2) {
        return upkeep_do(store, world, KT_REOPEN);
    }
    if (draw < 12) {
        return batch_do(store, world, &random,
                        draw == 3 ? KT_ROLLBACK : KT_COMMIT);
    }
    step = kt_step_random(world, &random);
    if (draw == 12) { // a number that only grows, for readers
        step = (kt_step){.op = KT_PUT,
                         .coll = KT_D,
                         .key = KEY_OF_COUNT,
                         .value = index * 8};
    }
    return step_do(store, world, &step);
}

void
kw_replay(kt_world *world, uint32_t proc, uint64_t units)
{
    kt_world_fini(world);
    kt_world_init(world, proc);
    for (uint64_t i = 0; i < units; i++) {
        bool synced;

        (void)kw_unit_do(NULL, world, i, &synced);
    }
}

bool
kw_locate(const kt_world *found, const kw_range *range, kt_world *world,
          uint64_t *units)
{
    const uint64_t digest = kt_world_digest(found);

    kw_replay(world, found->proc, range->floor);
    for (uint64_t i = range->floor;; i++) {
        bool synced;

        if (kt_world_digest(world) == digest && kt_world_equal(found, world)) {
            *units = i;
            return true;
        }
        if (i == range->ceiling) {
            return false;
        }
        (void)kw_unit_do(NULL, world, i, &synced);
    }
}

static void
say_difference(const kt_model *found, const kt_model *want, const char *name)
{
    const size_t at = kt_model_differs_at(found, want);

    if (at < found->count || at < want->count) {
        fprintf(stderr, " %s: %zu items, not %zu, differing from item %zu;",
                name, found->count, want->count, at);
    }
}

void
kw_say_lost(const kt_world *found, const kw_range *range)
{
    kt_world world;

    kt_world_init(&world, found->proc);
    kw_replay(&world, found->proc, range->floor);
    fprintf(stderr,
            "kist_work: process %u: what is there follows from none of units "
            "%llu to %llu:",
            found->proc, (unsigned long long)range->floor,
            (unsigned long long)range->ceiling);
    for (kt_coll c = 0; c < KT_COLL_COUNT; c++) {
        char name[16];

        (void)kt_coll_name(c, found->proc, name);
        say_difference(&found->models[c], &world.models[c], name);
    }
    fputc('\n', stderr);
    kt_world_fini(&world);
}
