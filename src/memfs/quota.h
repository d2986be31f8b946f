/*
 * quota.h - the bytes that a file system may hold, and those it does.
 *
 * INVARIANT  used <= limit, at every moment, for every thread.
 *
 * Layer    memfs.
 * Threads  any.
 */
#ifndef KI_MEMFS_QUOTA_H
#define KI_MEMFS_QUOTA_H

#include <stdatomic.h>
#include <stdint.h>

#include "kist/status.h"

typedef struct ki_quota {
    uint64_t limit;
    _Atomic uint64_t used;
} ki_quota;

/* A change of what is counted: `more` bytes come and `less` go.  `spare` bytes
 * must be free besides (which a promotion needs for a while). */
typedef struct ki_quota_step {
    uint64_t more;
    uint64_t less;
    uint64_t spare;
    uint64_t held; /* taken for it before; still so if it is refused */
} ki_quota_step;

/* QUOTA if the step does not fit now. */
KIST_NODISCARD kist_status ki_quota_check(ki_quota *quota,
                                          const ki_quota_step *step);

/*
 * Takes what the step needs before it is made, or nothing: QUOTA.  Then
 * comes either of the two: done gives back what is over, undo all of it.
 */
KIST_NODISCARD kist_status ki_quota_begin(ki_quota *quota,
                                          const ki_quota_step *step);
void ki_quota_done(ki_quota *quota, const ki_quota_step *step);
void ki_quota_undo(ki_quota *quota, const ki_quota_step *step);

/* Gives `bytes` back that were taken. */
void ki_quota_release(ki_quota *quota, uint64_t bytes);

static inline uint64_t
ki_quota_used(ki_quota *quota)
{
    return atomic_load_explicit(&quota->used, memory_order_relaxed);
}

#endif /* KI_MEMFS_QUOTA_H */
