#include "os/latch.h"

#include "os/shmlock.h"

#define SPINS   64
#define WAIT_MS 1000 // a bound only: the drop wakes

void
ki_latch_wait(ki_latch *latch)
{
    for (int spin = 0; spin < SPINS; spin++) {
        uint32_t free = 0;

        if (atomic_load_explicit(&latch->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&latch->word, &free, 1,
                                                    memory_order_acquire,
                                                    memory_order_relaxed)) {
            return;
        }
    }
    while (atomic_exchange_explicit(&latch->word, 2, memory_order_acquire) !=
           0) {
        ki_futex_wait(&latch->word, 2, WAIT_MS);
    }
}

void
ki_latch_wake(ki_latch *latch)
{
    ki_futex_wake_all(&latch->word);
}
