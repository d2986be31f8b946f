#include "memfs/quota.h"

#include "base/assertion.h"
#include "base/fail.h"

static kist_status
check(uint64_t available, const ki_quota_step *step)
{
    available += step->held;
    // Subtractions only: sums may be larger than any number.
    if (step->spare > available) {
        return KI_FAIL_LIMIT(KIST_ERR_QUOTA, step->spare, available,
                             "promotion");
    }
    available = available - step->spare + step->less;
    return step->more <= available
               ? KIST_OK
               : KI_FAIL_LIMIT(KIST_ERR_QUOTA, step->more, available, "bytes");
}

kist_status
ki_quota_check(ki_quota *quota, const ki_quota_step *step)
{
    return check(quota->limit - ki_quota_used(quota), step);
}

/* What has to be taken: what goes, and what is held, pays for what comes. */
static uint64_t
net(const ki_quota_step *step)
{
    const uint64_t paid = step->less + step->held;

    return step->more > paid ? step->more - paid : 0;
}

kist_status
ki_quota_begin(ki_quota *quota, const ki_quota_step *step)
{
    uint64_t used = ki_quota_used(quota);

    do {
        const kist_status status = check(quota->limit - used, step);

        if (status != KIST_OK) {
            return status;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &quota->used, &used, used + net(step), memory_order_relaxed,
        memory_order_relaxed));
    return KIST_OK;
}

void
ki_quota_done(ki_quota *quota, const ki_quota_step *step)
{
    const uint64_t paid = step->less + step->held;

    if (paid > step->more) {
        ki_quota_release(quota, paid - step->more);
    }
}

void
ki_quota_undo(ki_quota *quota, const ki_quota_step *step)
{
    ki_quota_release(quota, net(step));
}

void
ki_quota_release(ki_quota *quota, uint64_t bytes)
{
    const uint64_t before =
        atomic_fetch_sub_explicit(&quota->used, bytes, memory_order_relaxed);

    KI_ASSERT(bytes <= before);
    (void)before;
}
