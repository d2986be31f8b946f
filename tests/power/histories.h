/*
 * histories.h - what the power-cut tests start from.
 *
 * Layer    tests/power.
 */
#ifndef KT_POWER_HISTORIES_H
#define KT_POWER_HISTORIES_H

#include "support/powercut.h"

/* Numbers of values that body_make() of script.c makes long. */
#define KT_LARGE 0x6du  /* 4452 bytes */
#define KT_HUGE  0x2b5u /* 117796 bytes */

/* Some items in every collection, some of them dead, unevenly grown. */
static const kt_step kt_setup_steps[] = {
    {.op = KT_PUT_MANY, .coll = KT_D, .key = 50, .index = 6, .value = 500},
    {.op = KT_PUT, .coll = KT_D, .key = 51, .value = 600},
    {.op = KT_REMOVE, .coll = KT_D, .key = 53},
    {.op = KT_PUT, .coll = KT_X, .key = 50, .value = 700},
    {.op = KT_APPEND_MANY, .coll = KT_L, .index = 6, .value = 40},
    {.op = KT_INSERT, .coll = KT_L, .index = 2, .value = 5},
    {.op = KT_APPEND_MANY, .coll = KT_T, .index = 4, .value = 800},
    {.op = KT_POP, .coll = KT_T, .index = 0},
    {.op = KT_ADD, .coll = KT_S, .key = 50},
    {.op = KT_ADD, .coll = KT_S, .key = 51},
    {.op = KT_OP_END},
};

static const kt_step kt_small_steps[] = {
    {.op = KT_PUT, .coll = KT_D, .key = 50, .value = 500},
    {.op = KT_OP_END},
};

#endif /* KT_POWER_HISTORIES_H */
