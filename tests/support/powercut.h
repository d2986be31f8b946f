/*
 * powercut.h - short histories, with the power cut before every call.
 *
 * A history is played again and again.  In round n the power is cut before
 * the n-th system call or KI_POINT: there the images of diskstate.h are built,
 * and afterwards each is opened as after a reboot and must hold the state
 * after a whole number of units, at least those that were durable and at most
 * the one that was in flight.  A unit is a step, or a batch.  Now and then the
 * power is cut a second time, while the image is being recovered.
 *
 * Layer    tests/support.
 * Threads  one.
 */
#ifndef KT_SUPPORT_POWERCUT_H
#define KT_SUPPORT_POWERCUT_H

#include "support/check.h"
#include "support/faultio.h"
#include "support/script.h"

#define KT_UNITS_MAX 48

typedef struct kt_history {
    const char *name;
    const kt_step *setup; /* before, closed and durable; NULL: no kist yet */
    const kt_step *steps;
    kist_durability durability;
    bool ignore_syncs; /* to see that the harness notices */
} kt_history;

typedef struct kt_tally {
    uint64_t cuts;
    uint64_t images;
    uint64_t failures; /* the first few are printed */
} kt_tally;

/* Plays the history to its end, cutting before each call. */
void kt_powercut(const kt_place *place, const kt_history *history,
                 kt_tally *tally);

/*
 * Plays it at the levels `process` and `sync` and fails the test if an image
 * is wrong, or if fewer than `images_min` were judged.
 */
void kt_powercut_all(void **state, const char *name, const kt_step *setup,
                     const kt_step *steps, uint64_t images_min);

/* How many units the steps are; `ends`, if not NULL, gets their last steps. */
size_t kt_units(const kt_step *steps, size_t ends[KT_UNITS_MAX]);

#endif /* KT_SUPPORT_POWERCUT_H */
