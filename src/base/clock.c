#include "base/clock.h"

#include <time.h>

uint64_t
ki_clock_ns(void)
{
    struct timespec now;

    // CLOCK_MONOTONIC is always there, so this cannot fail.
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t
ki_clock_wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
