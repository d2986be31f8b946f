/*
 * mutexwait.h - waiting for a mutex for a while, by a clock that is not set.
 *
 * Before glibc 2.30 only the clock on the wall can be waited by, and
 * ThreadSanitizer knows of no other.
 *
 * Layer    os.
 * Threads  any.
 */
#ifndef KI_OS_MUTEXWAIT_H
#define KI_OS_MUTEXWAIT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#if defined(__SANITIZE_THREAD__)
#define KI_MUTEX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KI_MUTEX_TSAN 1
#endif
#endif

#if !defined(__GLIBC__) || defined(KI_MUTEX_TSAN)
#define KI_MUTEX_WALL_CLOCK 1
#elif !__GLIBC_PREREQ(2, 30)
#define KI_MUTEX_WALL_CLOCK 1
#endif

#ifdef KI_MUTEX_WALL_CLOCK
#define KI_MUTEX_CLOCK CLOCK_REALTIME
#else
#define KI_MUTEX_CLOCK CLOCK_MONOTONIC
#endif

/* As pthread_mutex_timedlock(), by KI_MUTEX_CLOCK. */
static inline int
ki_mutex_lock_until(pthread_mutex_t *mutex, const struct timespec *until)
{
#ifdef KI_MUTEX_WALL_CLOCK
    return pthread_mutex_timedlock(mutex, until);
#else
    return pthread_mutex_clocklock(mutex, KI_MUTEX_CLOCK, until);
#endif
}

/* The moment that is `timeout_ms` from now. */
static inline struct timespec
ki_mutex_deadline(uint64_t timeout_ms)
{
    struct timespec until;

    clock_gettime(KI_MUTEX_CLOCK, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000 * 1000000);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

#endif /* KI_OS_MUTEXWAIT_H */
