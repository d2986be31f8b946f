/*
 * store_work.c - the workload and the judge for the fault rigs, on a store in
 * a directory.
 *
 *   store_work write DIR ACKS [units=N] [pause=US] [dur=LEVEL] [fault=WHAT]
 *   store_work verify DIR ACKS [fault=WHAT] [from=N] [loose=1]
 *   store_work read-loop DIR        until the file $RIG_STOP is there
 *   store_work read-once DIR
 *
 * LEVEL is sync (default), group or none.  WHAT is kill (default) or power:
 * what has happened to the store before.  from=N: N units were durable before
 * ACKS begins.  loose=1: calls were made to fail, so that a count that was
 * tried again may be too high.  steps=1: the kernel is made to have no
 * openat2(), which rigs that preload libc's calls do not see.  The process's
 * number is $RIG_PROC.
 *
 * Exit status: 0 right; 1 wrong or lost; 2 usage, or the acknowledgements
 * could not be written; 4 kist reported an error.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "storeunits.h"

/* From now on openat2() answers ENOSYS: 0, or -1 and errno. */
static int
refuse_openat2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 437, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]),
                                       filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* One more option into *args; false if it is none. */
static bool
read_option(sw_args *args, const char *text)
{
    const char *value = strchr(text, '=');

    if (value == NULL) {
        return false;
    }
    value++;
    if (strncmp(text, "units=", 6) == 0) {
        args->base.units = strtoull(value, NULL, 10);
    }
    else if (strncmp(text, "from=", 5) == 0) {
        args->base.from = strtoull(value, NULL, 10);
    }
    else if (strncmp(text, "pause=", 6) == 0) {
        args->base.pause_us = (uint32_t)strtoul(value, NULL, 10);
    }
    else if (strncmp(text, "loose=", 6) == 0) {
        args->loose = value[0] == '1';
    }
    else if (strncmp(text, "steps=", 6) == 0) {
        return value[0] != '1' || refuse_openat2() == 0;
    }
    else if (strncmp(text, "dur=", 4) == 0) {
        args->options.durability = strcmp(value, "none") == 0 ? KIST_STORE_NONE
                                   : strcmp(value, "group") == 0
                                       ? KIST_STORE_GROUP
                                       : KIST_STORE_SYNC;
    }
    else if (strncmp(text, "fault=", 6) == 0) {
        args->base.fault =
            strcmp(value, "power") == 0 ? KW_FAULT_POWER : KW_FAULT_KILL;
    }
    else {
        return false;
    }
    return true;
}

static int
usage(void)
{
    fputs("usage: store_work write|verify DIR ACKS [OPTION=VALUE]...\n"
          "       store_work read-loop|read-once DIR [OPTION=VALUE]...\n",
          stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    const char *proc = getenv("RIG_PROC");
    const char *command = argc > 1 ? argv[1] : "";
    const int words = strncmp(command, "read-", 5) == 0 ? 3 : 4;
    sw_args args = {0};

    if (argc < words) {
        return usage();
    }
    kist_store_options_init(&args.options);
    args.base.dir = argv[2];
    args.base.acks = words > 3 ? argv[3] : "";
    args.base.proc =
        proc != NULL ? (uint32_t)(strtoul(proc, NULL, 10) % KW_PROCS_MAX) : 0;
    for (int i = words; i < argc; i++) {
        if (!read_option(&args, argv[i])) {
            return usage();
        }
    }
    if (strcmp(command, "write") == 0) {
        return sw_write(&args);
    }
    if (strcmp(command, "verify") == 0) {
        return sw_verify(&args);
    }
    if (strcmp(command, "read-loop") == 0) {
        return sw_read_loop(&args);
    }
    if (strcmp(command, "read-once") == 0) {
        return sw_read_once(&args);
    }
    return usage();
}
