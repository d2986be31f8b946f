/*
 * brlock.h - a lock for what many threads look at all the time and few change:
 * a big-reader lock.
 *
 *     mutex ─ one writer, or a reader who met one
 *     writing  1 while a writer is in, or waits for the readers to leave
 *     slot[0] slot[1] ... slot[15]      readers inside, a cache line each
 *
 * A reader counts itself into its thread's slot and then looks at `writing`; a
 * writer sets `writing` and then waits until every slot is empty.  So readers
 * of different threads share no line that anyone writes.  A reader who met a
 * writer queues at the mutex, and writers cannot starve him.
 *
 * Layer    os.
 * Threads  any.  Not recursive.  Hold it only as long as there is work to do,
 *          never while waiting for anything else: writers spin, then yield.
 */
#ifndef KI_OS_BRLOCK_H
#define KI_OS_BRLOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "kist/status.h"

#define KI_BRLOCK_SLOTS 16 /* a power of two */

/* Counters 64 bytes apart are in different cache lines wherever they begin. */
typedef struct ki_brslot {
    _Atomic uint32_t inside;
    uint8_t pad[60];
} ki_brslot;

typedef struct ki_brlock {
    ki_brslot slots[KI_BRLOCK_SLOTS];
    _Atomic uint32_t writing;
    pthread_mutex_t mutex;
} ki_brlock;

/* NOMEM. */
KIST_NODISCARD kist_status ki_brlock_init(ki_brlock *lock);
void ki_brlock_fini(ki_brlock *lock);

/* Counts threads; this one's number, given at its first use. */
extern _Thread_local uint32_t ki_brlock_self
    __attribute__((tls_model("initial-exec")));
uint32_t ki_brlock_number(void);

void ki_brlock_read_slowly(ki_brlock *lock, uint32_t slot);

static inline void
ki_brlock_read(ki_brlock *lock)
{
    const uint32_t self =
        ki_brlock_self != 0 ? ki_brlock_self : ki_brlock_number();
    const uint32_t slot = self % KI_BRLOCK_SLOTS;

    atomic_fetch_add(&lock->slots[slot].inside, 1);
    if (atomic_load(&lock->writing) != 0) {
        ki_brlock_read_slowly(lock, slot);
    }
}

static inline void
ki_brlock_unread(ki_brlock *lock)
{
    atomic_fetch_sub(&lock->slots[ki_brlock_self % KI_BRLOCK_SLOTS].inside, 1);
}

void ki_brlock_write(ki_brlock *lock);
void ki_brlock_unwrite(ki_brlock *lock);

#endif /* KI_OS_BRLOCK_H */
