/*
 * storeunits.h - the workload of the rigs on a store, as a function of
 * numbers.
 *
 * Process p has SW_SLOTS keys of its own, some in the store's directory, some
 * below it, some alone in a directory that comes and goes with them; all share
 * one counter.  Unit i of a process follows from p, i and the world before it,
 * so whoever knows how many units were done knows every byte that must be
 * there.  Each value tells whose it is and is checked to the last byte.
 *
 * Acknowledgements are those of units.h.
 *
 * Layer    tests/rigs/work.
 * Threads  none.
 */
#ifndef SW_STOREUNITS_H
#define SW_STOREUNITS_H

#include "kist/store.h"
#include "units.h"

#define SW_SLOTS     24u
#define SW_MANY_MAX  6u
#define SW_SHARED    KW_PROCS_MAX /* the process that the shared counter has */
#define SW_NAME_SIZE 64u

/* What the keys of one process hold. */
typedef struct sw_world {
    uint32_t proc;
    uint64_t tags[SW_SLOTS]; /* which value; 0: none */
    uint64_t shared;         /* what was added to the shared counter */
} sw_world;

typedef enum sw_op {
    SW_PUT,
    SW_REMOVE,
    SW_PUT_MANY,
    SW_COUNT, /* kist_store_transform() of slot 0 */
    SW_ADD,   /* the same of the shared counter */
    SW_PUT_IF,
    SW_PUT_NEW_IF,
    SW_REMOVE_IF,
    SW_GET,
    SW_REOPEN
} sw_op;

typedef struct sw_unit {
    sw_op op;
    bool refused;   /* expects an ETag that no value has */
    uint32_t count; /* of the slots that it touches */
    uint32_t slots[SW_MANY_MAX];
    uint64_t tags[SW_MANY_MAX]; /* afterwards; 0: no value */
    uint64_t index;
} sw_unit;

typedef struct sw_args {
    kw_args base;
    kist_store_options options;
    bool loose; /* calls have failed: the shared counter may be higher */
} sw_args;

/* An open store, and what has gone wrong in it. */
typedef struct sw_store {
    kist_store *store;
    const sw_args *args;
    bool read_only;
    char wrong[300]; /* an answer that cannot be right, or empty */
} sw_store;

/* Opens {dir}/s.  What its scans report as foreign is wrong. */
kist_status sw_open(sw_store *at, const sw_args *args, bool read_only);
void sw_close(sw_store *at);

void sw_key(uint32_t proc, uint32_t slot, char name[SW_NAME_SIZE]);

/* Whose key it is; false: nobody's. */
bool sw_key_find(kist_slice key, uint32_t *proc, uint32_t *slot);

/* Makes *value the one that the tag stands for. */
kist_status sw_value(uint32_t proc, uint32_t slot, uint64_t tag,
                     kist_buf *value);

/* The tag of a value; false unless it is whole and the slot's. */
bool sw_value_read(uint32_t proc, uint32_t slot, kist_slice value,
                   uint64_t *tag);

/* The unit that comes after the world. */
sw_unit sw_unit_plan(const sw_world *world, uint64_t index);

/* Makes the world what it is after the unit. */
void sw_unit_apply(sw_world *world, const sw_unit *unit);

/*
 * Does the unit to the store.  An answer that the world does not allow is
 * noted in at->wrong.  On failure each slot holds what it held, or what it was
 * to hold.
 */
kist_status sw_unit_do(sw_store *at, const sw_world *world,
                       const sw_unit *unit);

/*
 * Makes the slots of a unit, of which some part was done, hold what they are
 * to hold, durably.  A slot that is to have no value may have the one of
 * tag index + 1 in between.
 */
kist_status sw_unit_settle(sw_store *at, const sw_world *world,
                           const sw_unit *unit);

/* Reads what the process's keys hold; wrong values are noted. */
kist_status sw_world_read(sw_store *at, uint32_t proc, sw_world *world);

/*
 * Makes *world the state after *units units, the first in range that is what
 * was found.  *part: the unit after those was done in part.  False if there is
 * none.
 */
bool sw_locate(const sw_world *found, const kw_range *range, sw_world *world,
               uint64_t *units, bool *part);

/* The shared counter: 0 if it is not there. */
kist_status sw_shared_read(sw_store *at, uint64_t *total);

/* The subcommands; they answer exit statuses. */
int sw_write(const sw_args *args);
int sw_verify(const sw_args *args);
int sw_read_loop(const sw_args *args);
int sw_read_once(const sw_args *args);

#endif /* SW_STOREUNITS_H */
