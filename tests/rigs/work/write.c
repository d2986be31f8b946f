/*
 * The writer of the rigs and the judge of what it leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "units.h"

/* --- writing ------------------------------------------------------------ */

/*
 * A call has failed.  The world must be as before the unit; only where the
 * failure may have been a sync's it may also be as after it, and then nothing
 * more can be done here.  Answers an exit status, or -1 to try again.
 */
static int
after_failure(kt_store *store, const kw_args *args, kt_world *world,
              const kt_world *before, uint64_t unit, kist_status status)
{
    kt_world now;
    bool synced;
    int answer = -1;

    kw_say("a unit failed", status);
    if (store->k == NULL) {
        return 4; // it was a reopen
    }
    if (world->in_batch) {
        (void)kist_batch_rollback(store->k);
    }
    kt_world_init(&now, world->proc);
    status = kt_store_read(store, &now);
    if (status != KIST_OK) {
        kw_say("reading after a failure", status);
        kt_world_fini(&now);
        return 4;
    }
    kt_world_copy(world, before);
    if (!kt_world_equal(&now, before)) {
        (void)kw_unit_do(NULL, world, unit, &synced);
        answer = args->options.durability != KIST_PROCESS &&
                         kt_world_equal(&now, world)
                     ? 4
                     : 1;
        if (answer == 1) {
            fprintf(stderr,
                    "kist_work: the failed unit %llu has changed "
                    "what was there\n",
                    (unsigned long long)unit);
        }
    }
    kt_world_fini(&now);
    return answer;
}

static int
pause_some(const kw_args *args, uint64_t *random)
{
    if (args->pause_us > 0 && kt_random(random) % 8 == 0) {
        const uint64_t ns = (uint64_t)args->pause_us * 8000u;
        const struct timespec span = {(time_t)(ns / 1000000000u),
                                      (long)(ns % 1000000000u)};

        nanosleep(&span, NULL);
    }
    return 0;
}

static int
do_units(kt_store *store, const kw_args *args, kt_world *world, uint64_t unit,
         int acks)
{
    const uint64_t end = unit + args->units;
    uint64_t random = unit + args->proc;
    uint32_t failures = 0;
    kt_world before;
    int answer = 0;

    kt_world_init(&before, world->proc);
    while (answer == 0 && (args->units == 0 || unit < end)) {
        bool synced;
        kist_status status;

        (void)time(NULL); // where faultfs lets the clock jump
        kt_world_copy(&before, world);
        status = kw_unit_do(store, world, unit, &synced);
        if (store->wrong[0] != '\0') {
            fprintf(stderr, "kist_work: unit %llu: %s\n",
                    (unsigned long long)unit, store->wrong);
            answer = 1;
        }
        else if (status != KIST_OK) {
            answer = after_failure(store, args, world, &before, unit, status);
            if (answer == -1) {
                answer = ++failures < 4 ? 0 : 4;
            }
        }
        else {
            if (args->options.durability == KIST_SYNC) {
                synced = true;
            }
            if (kw_acks_write(acks, args->proc, unit, synced ? 'S' : '\0') !=
                0) {
                answer = 2;
            }
            unit++;
            pause_some(args, &random);
        }
    }
    kt_world_fini(&before);
    return answer;
}

int
kw_write(const kw_args *args)
{
    kw_range ranges[KW_PROCS_MAX];
    const int acks =
        open(args->acks, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    kt_store store;
    kt_world found;
    kt_world world;
    uint64_t unit = 0;
    kist_status status;
    int answer;

    if (acks < 0 || kw_acks_read(args, ranges) != 0) {
        perror(args->acks);
        return 2;
    }
    status = kt_store_open(&store, kw_path(args), &args->options, args->proc);
    if (status != KIST_OK) {
        kw_say("open", status);
        close(acks);
        return 4;
    }
    kt_world_init(&found, args->proc);
    kt_world_init(&world, args->proc);
    status = kt_store_read(&store, &found);
    if (status != KIST_OK) {
        kw_say("read", status);
        answer = 4;
    }
    else if (!kw_locate(&found, &ranges[args->proc], &world, &unit)) {
        kw_say_lost(&found, &ranges[args->proc]);
        answer = 1;
    }
    else {
        answer = kw_acks_write(acks, args->proc, unit, 'R') == 0
                     ? do_units(&store, args, &world, unit, acks)
                     : 2;
    }
    kt_world_fini(&found);
    kt_world_fini(&world);
    status = kt_store_close(&store);
    if (status != KIST_OK) {
        kw_say("close", status);
        answer = answer != 0 ? answer : 4;
    }
    close(acks);
    return answer;
}

/* --- verifying ---------------------------------------------------------- */

/* Nothing but the collections of processes that may have written. */
static int
check_names(kist *k)
{
    kist_coll_info info;
    kist_status status;

    for (uint64_t i = 0; (status = kist_coll_at(k, i, &info)) == KIST_OK;
         i++) {
        const char *name = info.name.data;
        const bool known =
            (info.name.size == 1 && name[0] == 'x') ||
            (info.name.size == 2 && strchr("dlts", name[0]) != NULL &&
             name[1] >= '0' && name[1] < '0' + (int)KW_PROCS_MAX);

        if (!known) {
            fprintf(stderr, "kist_work: a collection nobody made\n");
            return 1;
        }
    }
    if (status != KIST_END) {
        kw_say("collections", status);
        return 1;
    }
    return 0;
}

static int
check_log(kist *k)
{
    kist_report report;
    const kist_status status = kist_verify(k, NULL, NULL, &report);

    if (status != KIST_OK) {
        kw_say("kist_verify", status);
        return 1;
    }
    if (report.damaged_runs > 0 || report.index_damaged) {
        fprintf(stderr,
                "kist_work: kist_verify: %llu damaged runs, index %s\n",
                (unsigned long long)report.damaged_runs,
                report.index_damaged ? "damaged" : "sound");
        return 1;
    }
    return 0;
}

static int
check_proc(const kw_args *args, const kist_options *options, uint32_t proc,
           const kw_range *range)
{
    kt_store store;
    kt_world found;
    kt_world world;
    uint64_t units = 0;
    char why[400];
    int answer = 1;
    kist_status status = kt_store_open(&store, kw_path(args), options, proc);

    if (status != KIST_OK) {
        kw_say("open", status);
        return 1;
    }
    kt_world_init(&found, proc);
    kt_world_init(&world, proc);
    status = kt_store_read(&store, &found);
    if (status != KIST_OK) {
        kw_say("read", status);
    }
    else if (!kw_locate(&found, range, &world, &units)) {
        kw_say_lost(&found, range);
    }
    else if (!kt_store_check(&store, &world, why, sizeof(why))) {
        fprintf(stderr, "kist_work: process %u: %s\n", proc, why);
    }
    else {
        answer = 0;
    }
    kt_world_fini(&found);
    kt_world_fini(&world);
    status = kt_store_close(&store);
    if (status != KIST_OK) {
        kw_say("close", status);
        answer = 1;
    }
    return answer;
}

int
kw_verify(const kw_args *args)
{
    kw_range ranges[KW_PROCS_MAX];
    kist_options options = args->options;
    bool nothing = true;
    kist *k;
    kist_status status;
    int answer;

    if (args->fault == KW_FAULT_ROT) {
        return kw_judge_damage(args, false);
    }
    if (kw_acks_read(args, ranges) != 0) {
        perror(args->acks);
        return 2;
    }
    for (uint32_t p = 0; p < KW_PROCS_MAX; p++) {
        nothing = nothing && ranges[p].floor == 0;
    }
    options.must_exist = true;
    status = kist_open(kw_path(args), &options, &k);
    if (status == KIST_ERR_IO && kist_last_error()->sys_errno == ENOSPC) {
        options.read_only = true; // a full disk can always be read
        status = kist_open(kw_path(args), &options, &k);
    }
    if (status == KIST_ERR_IO && nothing &&
        kist_last_error()->sys_errno == ENOENT) {
        return 0;
    }
    if (status != KIST_OK) {
        kw_say("open", status);
        return 1;
    }
    answer = check_names(k);
    if (answer == 0) {
        answer = check_log(k);
    }
    for (uint32_t p = 0; answer == 0 && p < KW_PROCS_MAX; p++) {
        if (ranges[p].known || p == 0) {
            answer = check_proc(args, &options, p, &ranges[p]);
        }
    }
    status = kist_close(k);
    if (status != KIST_OK) {
        kw_say("close", status);
        answer = 1;
    }
    return answer;
}
