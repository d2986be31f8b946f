#include "os/shmlock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "os/mutexwait.h"

#ifdef KI_MUTEX_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define NS_PER_MS 1000000u

kist_status
ki_shmlock_init(ki_shmlock *lock)
{
    pthread_mutexattr_t attributes;
    int result;

    memset(lock, 0, sizeof(*lock));
    result = pthread_mutexattr_init(&attributes);
    if (result == 0) {
        result =
            pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        if (result == 0) {
            result = pthread_mutexattr_setpshared(&attributes,
                                                  PTHREAD_PROCESS_SHARED);
        }
        if (result == 0) {
            result = pthread_mutex_init(&lock->mutex, &attributes);
        }
        pthread_mutexattr_destroy(&attributes);
    }
    if (result != 0) {
        errno = result;
        return KI_FAIL(result == ENOMEM ? KIST_ERR_NOMEM : KIST_ERR_IO, NULL,
                       KI_NO_OFFSET, "shared mutex");
    }
    return KIST_OK;
}

static ki_lock_result
translate(ki_shmlock *lock, int result)
{
#ifdef KI_MUTEX_TSAN
    // It takes a lock inherited from the dead for one not taken.
    if (result == EOWNERDEAD) {
        __tsan_mutex_pre_lock(&lock->mutex, 0);
        __tsan_mutex_post_lock(&lock->mutex, 0, 0);
    }
#else
    (void)lock;
#endif
    switch (result) {
    case 0:
        return KI_LOCK_TAKEN;
    case EOWNERDEAD:
        return KI_LOCK_OWNER_DIED;
    case EBUSY:
    case ETIMEDOUT:
        return KI_LOCK_TIMEOUT;
    default:
        return KI_LOCK_BROKEN;
    }
}

/*
 * Not by pthread_mutex_trylock(): glibc's leaves a mutex that cannot be
 * recovered locked, so that all others would wait for it until their time is
 * over.  A deadline in the past does not wait either.
 */
ki_lock_result
ki_shmlock_try(ki_shmlock *lock)
{
    const struct timespec past = {0};

    return translate(lock, ki_mutex_lock_until(&lock->mutex, &past));
}

ki_lock_result
ki_shmlock_take(ki_shmlock *lock, uint32_t timeout_ms)
{
    // A free lock is had without looking at the clock.
    const ki_lock_result result = ki_shmlock_try(lock);
    struct timespec until;

    if (result != KI_LOCK_TIMEOUT || timeout_ms == 0) {
        return result;
    }
    until = ki_mutex_deadline(timeout_ms);
    return translate(lock, ki_mutex_lock_until(&lock->mutex, &until));
}

void
ki_shmlock_mended(ki_shmlock *lock)
{
    (void)pthread_mutex_consistent(&lock->mutex);
}

void
ki_shmlock_drop(ki_shmlock *lock)
{
    (void)pthread_mutex_unlock(&lock->mutex);
}

void
ki_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint32_t timeout_ms)
{
    const struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ms / 1000),
        .tv_nsec = (long)(timeout_ms % 1000 * NS_PER_MS),
    };

    (void)syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

void
ki_futex_wake_all(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
