/*
 * shmlock.h - a mutex in shared memory that notices a dead owner, and a
 * counter to sleep on.
 *
 * Layer    os.
 * Threads  any, of any process that maps the memory.
 */
#ifndef KI_OS_SHMLOCK_H
#define KI_OS_SHMLOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "kist/status.h"

/* 64 bytes in the mapped index; meaningless after a reboot. */
typedef struct ki_shmlock {
    pthread_mutex_t mutex;
    uint8_t pad[64 - sizeof(pthread_mutex_t)];
} ki_shmlock;

_Static_assert(sizeof(ki_shmlock) == 64, "one cache line");

/* Makes the lock new: robust, process-shared.  Nobody may be using it. */
KIST_NODISCARD kist_status ki_shmlock_init(ki_shmlock *lock);

typedef enum ki_lock_result {
    KI_LOCK_TAKEN,      /* yours */
    KI_LOCK_OWNER_DIED, /* yours; mend the data, then ki_shmlock_mended() */
    KI_LOCK_TIMEOUT,    /* not yours */
    KI_LOCK_BROKEN      /* not yours, and never will be */
} ki_lock_result;

/* Waits up to timeout_ms by the monotonic clock. */
ki_lock_result ki_shmlock_take(ki_shmlock *lock, uint32_t timeout_ms);

/* Does not wait: TIMEOUT if another has it. */
ki_lock_result ki_shmlock_try(ki_shmlock *lock);

/* After OWNER_DIED: what the lock protects is whole again. */
void ki_shmlock_mended(ki_shmlock *lock);

void ki_shmlock_drop(ki_shmlock *lock);

/*
 * Sleeps while *word == seen, up to timeout_ms (a wake may be spurious); and
 * wakes all that sleep on *word.  Works between processes.
 */
void ki_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint32_t timeout_ms);
void ki_futex_wake_all(_Atomic uint32_t *word);

#endif /* KI_OS_SHMLOCK_H */
