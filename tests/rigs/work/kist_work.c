/*
 * kist_work.c - the workload and the judge for the fault rigs.
 *
 *   kist_work write DIR ACKS [units=N] [pause=US] [dur=LEVEL] [fault=WHAT]
 *   kist_work verify DIR ACKS [dur=LEVEL] [fault=WHAT] [from=N] [mended=1]
 *   kist_work read-loop DIR        until the file $RIG_STOP is there
 *   kist_work read-once DIR
 *   kist_work live-read DIR ACKS   prints READY, waits for a line, reads
 *   kist_work history DIR ROLE FILE [units=N] [keys=N]
 *   kist_work history-print FILE
 *
 * LEVEL is process, interval or sync.  WHAT is kill, power or rot: what has
 * happened to the store before.  from=N: N units were durable before ACKS
 * begins.  mended=1: damage must do no harm, noticing it is not enough.  The
 * process's number is $RIG_PROC.
 *
 * Exit status: 0 right; 1 wrong or lost; 2 usage, or the acknowledgements
 * could not be written; 3 damage noticed; 4 kist reported an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define INTERVAL_MS 50u

/* One more option into *args; false if it is none. */
static bool
read_option(kw_args *args, const char *text, uint32_t *keys)
{
    const char *value = strchr(text, '=');

    if (value == NULL) {
        return false;
    }
    value++;
    if (strncmp(text, "units=", 6) == 0) {
        args->units = strtoull(value, NULL, 10);
    }
    else if (strncmp(text, "from=", 5) == 0) {
        args->from = strtoull(value, NULL, 10);
    }
    else if (strncmp(text, "mended=", 7) == 0) {
        args->mended = value[0] == '1';
    }
    else if (strncmp(text, "pause=", 6) == 0) {
        args->pause_us = (uint32_t)strtoul(value, NULL, 10);
    }
    else if (strncmp(text, "keys=", 5) == 0) {
        *keys = (uint32_t)strtoul(value, NULL, 10);
    }
    else if (strncmp(text, "dur=", 4) == 0) {
        args->options.durability = strcmp(value, "sync") == 0 ? KIST_SYNC
                                   : strcmp(value, "interval") == 0
                                       ? KIST_INTERVAL
                                       : KIST_PROCESS;
        args->options.interval_ms = INTERVAL_MS;
        // the flush itself and the scheduler take their time too
        args->interval_ns = (INTERVAL_MS + 250u) * 1000000ull;
    }
    else if (strncmp(text, "fault=", 6) == 0) {
        args->fault = strcmp(value, "power") == 0 ? KW_FAULT_POWER
                      : strcmp(value, "rot") == 0 ? KW_FAULT_ROT
                                                  : KW_FAULT_KILL;
    }
    else {
        return false;
    }
    return true;
}

static int
usage(void)
{
    fputs("usage: kist_work write|verify|read-loop|read-once|live-read DIR "
          "[ACKS] [OPTION=VALUE]...\n"
          "       kist_work history DIR write|read FILE [units=N] [keys=N]\n"
          "       kist_work history-print FILE\n",
          stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    const char *proc = getenv("RIG_PROC");
    const char *command = argc > 1 ? argv[1] : "";
    const int words = strcmp(command, "history") == 0         ? 5
                      : strncmp(command, "read-", 5) == 0     ? 3
                      : strcmp(command, "history-print") == 0 ? 3
                                                              : 4;
    kw_args args = {0};
    uint32_t keys = 4;

    if (argc < words) {
        return usage();
    }
    args.dir = argv[2];
    args.acks = words > 3 ? argv[3] : "";
    args.proc =
        proc != NULL ? (uint32_t)(strtoul(proc, NULL, 10) % KW_PROCS_MAX) : 0;
    args.units = strcmp(command, "history") == 0 ? 100000 : 0;
    args.options.map_reserve = 16u << 20;
    for (int i = words; i < argc; i++) {
        if (!read_option(&args, argv[i], &keys)) {
            return usage();
        }
    }
    if (strcmp(command, "write") == 0) {
        return kw_write(&args);
    }
    if (strcmp(command, "verify") == 0) {
        return kw_verify(&args);
    }
    if (strcmp(command, "read-loop") == 0) {
        return kw_read_loop(&args);
    }
    if (strcmp(command, "read-once") == 0) {
        return kw_read_once(&args);
    }
    if (strcmp(command, "live-read") == 0) {
        args.fault = KW_FAULT_ROT;
        return kw_live_read(&args);
    }
    if (strcmp(command, "history") == 0) {
        return kw_history(&args, argv[3], argv[4], args.units, keys);
    }
    if (strcmp(command, "history-print") == 0) {
        return kw_history_print(argv[2]);
    }
    return usage();
}
