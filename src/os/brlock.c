#include "os/brlock.h"

#include <errno.h>
#include <sched.h>

#include "base/fail.h"

#define SPINS 200

_Thread_local uint32_t ki_brlock_self
    __attribute__((tls_model("initial-exec")));

static _Atomic uint32_t threads;

kist_status
ki_brlock_init(ki_brlock *lock)
{
    for (size_t index = 0; index < KI_BRLOCK_SLOTS; index++) {
        atomic_init(&lock->slots[index].inside, 0);
    }
    atomic_init(&lock->writing, 0);
    errno = pthread_mutex_init(&lock->mutex, NULL);
    return errno == 0 ? KIST_OK
                      : KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "mutex");
}

void
ki_brlock_fini(ki_brlock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

uint32_t
ki_brlock_number(void)
{
    // 0 says that a thread has no number yet; one thread in 2^32 shares it.
    do {
        ki_brlock_self = atomic_fetch_add(&threads, 1) + 1;
    } while (ki_brlock_self == 0);
    return ki_brlock_self;
}

void
ki_brlock_read_slowly(ki_brlock *lock, uint32_t slot)
{
    atomic_fetch_sub(&lock->slots[slot].inside, 1);
    // While we have the mutex there is no writer, nor one who waits.
    pthread_mutex_lock(&lock->mutex);
    atomic_fetch_add(&lock->slots[slot].inside, 1);
    pthread_mutex_unlock(&lock->mutex);
}

void
ki_brlock_write(ki_brlock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    atomic_store(&lock->writing, 1);
    for (size_t index = 0; index < KI_BRLOCK_SLOTS; index++) {
        for (int spin = 0; atomic_load(&lock->slots[index].inside) != 0;
             spin++) {
            if (spin > SPINS) {
                sched_yield();
            }
        }
    }
}

void
ki_brlock_unwrite(ki_brlock *lock)
{
    atomic_store(&lock->writing, 0);
    pthread_mutex_unlock(&lock->mutex);
}
