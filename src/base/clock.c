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
