/*
 * units.h - the workload of the rigs, as a function of numbers.
 *
 * Process p of a run does unit 0, 1, 2 ...  Unit i is one change to the
 * process's world (script.h): a step, a batch of steps, or upkeep that changes
 * nothing.  It follows from p, i and the world before it, so whoever knows how
 * many units were done knows every byte that must be there.
 *
 * Acknowledgements are lines of text:
 *
 *      P I T      unit I of process P returned at monotonic time T (ns)
 *      P I T S    and it and all before it survive a power cut
 *      P I T R    process P found I units done and goes on from there
 *
 * Layer    tests/rigs/work.
 * Threads  none.
 */
#ifndef KW_UNITS_H
#define KW_UNITS_H

#include "support/script.h"

#define KW_PROCS_MAX 8u

/* What has happened to the store before it is judged. */
typedef enum kw_fault {
    KW_FAULT_KILL,  /* processes died, the machine did not */
    KW_FAULT_POWER, /* the machine did */
    KW_FAULT_ROT    /* the files were damaged after a clean close */
} kw_fault;

typedef struct kw_args {
    const char *dir;
    const char *acks;
    uint32_t proc;
    uint64_t units;       /* to do in this run; 0: no end */
    uint32_t pause_us;    /* between units, on average */
    uint64_t interval_ns; /* for durability interval */
    uint64_t from; /* units that were done and durable before the ACKS */
    bool mended;   /* damage must do no harm: noticing is not enough */
    kw_fault fault;
    kist_options options;
} kw_args;

/* How far one process is known to have come: from `floor` to `ceiling`. */
typedef struct kw_range {
    bool known;
    uint64_t acked; /* units */
    uint64_t floor;
    uint64_t ceiling;
} kw_range;

/* Reads the acknowledgements; ranges has KW_PROCS_MAX entries. */
int kw_acks_read(const kw_args *args, kw_range *ranges);

/* Writes one line; mark is 'S', 'R' or 0.  0, or -1 and errno. */
int kw_acks_write(int fd, uint32_t proc, uint64_t unit, char mark);

/*
 * Does unit `index` to the world, and before to the store if it is not NULL.
 * *synced becomes true if the unit was a kist_sync().  On failure both are as
 * the failed call left them.
 */
kist_status kw_unit_do(kt_store *store, kt_world *world, uint64_t index,
                       bool *synced);

/*
 * Makes *world the state after *units units, the first in range whose state is
 * that of `found`.  False if there is none.
 */
bool kw_locate(const kt_world *found, const kw_range *range, kt_world *world,
               uint64_t *units);

/* Says on stderr that what was found follows from no unit in range, and how
 * each collection differs from the first. */
void kw_say_lost(const kt_world *found, const kw_range *range);

/* Makes *world the state after `units` units of process `proc`. */
void kw_replay(kt_world *world, uint32_t proc, uint64_t units);

/* Says what is wrong in one line on stderr, with the last error. */
void kw_say(const char *what, kist_status status);

/* The path of the kist in args->dir. */
const char *kw_path(const kw_args *args);

/* The subcommands; they answer exit statuses. */
int kw_write(const kw_args *args);
int kw_verify(const kw_args *args);
int kw_read_loop(const kw_args *args);
int kw_read_once(const kw_args *args);
int kw_live_read(const kw_args *args);
int kw_judge_damage(const kw_args *args, bool live);
int kw_history(const kw_args *args, const char *role, const char *file,
               uint64_t operations, uint32_t keys);
int kw_history_print(const char *file);

#endif /* KW_UNITS_H */
