/*
 * forklatch.h - a lock that a child of fork() does not inherit.
 *
 *     word   bit 0       held
 *            the others  ki_inflight_forks of the process that last took it
 *
 * What another process holds, or held, is free here: the child of a fork has
 * one thread, and it is not the one that took it.  What it guarded may be half
 * done, so it is for what can be begun anew.
 *
 * Layer    os.
 * Threads  any.  Held for a moment, seldom waited for: who waits, sleeps and
 *          looks again.
 */
#ifndef KI_OS_FORKLATCH_H
#define KI_OS_FORKLATCH_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "os/inflight.h"

/* Zeroed is free. */
typedef struct ki_forklatch {
    _Atomic uint64_t word;
} ki_forklatch;

static inline void
ki_forklatch_take(ki_forklatch *latch)
{
    const uint64_t mine = (uint64_t)atomic_load(&ki_inflight_forks) << 1;
    uint64_t word = atomic_load_explicit(&latch->word, memory_order_relaxed);

    for (;;) {
        if (word == (mine | 1)) {
            const struct timespec pause = {0, 20000};

            (void)nanosleep(&pause, NULL);
            word = atomic_load_explicit(&latch->word, memory_order_relaxed);
        }
        else if (atomic_compare_exchange_weak_explicit(
                     &latch->word, &word, mine | 1, memory_order_acquire,
                     memory_order_relaxed)) {
            return;
        }
    }
}

static inline void
ki_forklatch_drop(ki_forklatch *latch)
{
    atomic_store_explicit(&latch->word,
                          (uint64_t)atomic_load(&ki_inflight_forks) << 1,
                          memory_order_release);
}

#endif /* KI_OS_FORKLATCH_H */
