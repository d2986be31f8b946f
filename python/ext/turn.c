/*
 * Turns: calls into kist that may wait, and closing behind them.  kpychest.h
 * has the picture.
 */
#include <time.h>

#include "kpychest.h"

static uint64_t
now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
kpy_turn_let_go(kpy_turn *turn, kpy_chest *chest)
{
    if (turn->chest == NULL) {
        turn->chest = chest;
        chest->busy++;
    }
    turn->thread = PyEval_SaveThread();
}

/*
 * The library waited LOCK_WAIT_MS for the lock.  Until the user's patience is
 * over the call is made again, without the GIL from now on, and Ctrl-C is
 * looked at in between.
 */
bool
kpy_turn_take_back(kpy_turn *turn, kpy_chest *chest, kist_status *status)
{
    uint64_t now;

    if (turn->thread != NULL) {
        PyEval_RestoreThread(turn->thread);
        turn->thread = NULL;
    }
    if (*status != KIST_ERR_LOCKED) {
        return false;
    }
    now = now_ns();
    if (turn->deadline_ns == 0) {
        turn->deadline_ns = now + chest->lock_timeout_ms * 1000000u;
    }
    if (now >= turn->deadline_ns) {
        return false;
    }
    // From here on the chest must outlive what a signal handler does.
    if (turn->chest == NULL) {
        turn->chest = chest;
        chest->busy++;
    }
    turn->slow = true;
    if (PyErr_CheckSignals() < 0) {
        return false;
    }
    if (chest->closing) {
        *status = KIST_ERR_CLOSED;
        return false;
    }
    return true;
}

void
kpy_turn_leave(kpy_turn *turn)
{
    kpy_chest *chest = turn->chest;

    turn->chest = NULL;
    chest->busy--;
    if (chest->busy == 0) {
        (void)kpy_chest_settle(chest);
    }
}
