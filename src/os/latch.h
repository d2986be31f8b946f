/*
 * latch.h - a mutex in four bytes, for what is held for a moment and is there
 * a million times.
 *
 *     word   0  free
 *            1  held
 *            2  held, and somebody sleeps
 *
 * Layer    os.
 * Threads  any.  Not recursive; it orders nobody, so hold it for as long as
 *          there is work to do, never while waiting for anything else.
 */
#ifndef KI_OS_LATCH_H
#define KI_OS_LATCH_H

#include <stdatomic.h>
#include <stdint.h>

/* Zeroed is free. */
typedef struct ki_latch {
    _Atomic uint32_t word;
} ki_latch;

void ki_latch_wait(ki_latch *latch);
void ki_latch_wake(ki_latch *latch);

static inline void
ki_latch_take(ki_latch *latch)
{
    uint32_t free = 0;

    if (!atomic_compare_exchange_strong_explicit(&latch->word, &free, 1,
                                                 memory_order_acquire,
                                                 memory_order_relaxed)) {
        ki_latch_wait(latch);
    }
}

static inline void
ki_latch_drop(ki_latch *latch)
{
    if (atomic_exchange_explicit(&latch->word, 0, memory_order_release) == 2) {
        ki_latch_wake(latch);
    }
}

#endif /* KI_OS_LATCH_H */
