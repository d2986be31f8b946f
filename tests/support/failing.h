/*
 * failing.h - one operation, with its 1st, 2nd, 3rd ... call or allocation
 * going wrong, until it runs through.
 *
 * Whatever fails, the operation answers an error or success; the collections
 * are as before or as asked; they can be used afterwards (after a failed sync:
 * read, and written again once reopened); and nothing is left open or mapped.
 *
 * Layer    tests/support.
 * Threads  one.
 */
#ifndef KT_SUPPORT_FAILING_H
#define KT_SUPPORT_FAILING_H

#include "support/check.h"
#include "support/script.h"

/* What goes wrong.  arm(nth) begins to count; heal() ends it. */
typedef struct kt_weapon {
    const char *name;
    void (*arm)(const struct kt_weapon *weapon, uint64_t nth);
    void (*heal)(void);
    bool (*hit)(void);
    uint32_t kinds; /* of calls, for faultio.h */
    int error;
    bool from_then_on;
    bool invisible; /* the operation must succeed all the same */
} kt_weapon;

/* When the weapon is armed. */
typedef enum kt_phase {
    KT_PHASE_STEPS, /* the kist is open */
    KT_PHASE_OPEN,  /* before opening; steps follow healed */
    KT_PHASE_CLOSE  /* after the steps, before closing */
} kt_phase;

typedef struct kt_trial {
    const char *name;
    kt_phase phase;
    bool fresh;   /* no kist is there before */
    bool unclean; /* as if its last user had died and the machine rebooted */
    kist_durability durability;
    const kt_step *steps;
} kt_trial;

/* Runs the trial for n = 1, 2 ...; returns how many times something failed. */
uint64_t kt_failing(const kt_place *place, const kt_trial *trial,
                    const kt_weapon *weapon);

/* All operations there are; ends with a trial without a name. */
extern const kt_trial kt_trials[];

#endif /* KT_SUPPORT_FAILING_H */
