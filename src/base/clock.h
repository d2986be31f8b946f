/*
 * clock.h - time that only moves forward, and the time of day.
 *
 * Layer    base.
 */
#ifndef KI_BASE_CLOCK_H
#define KI_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t ki_clock_ns(void);

/* Nanoseconds since 1970 of CLOCK_REALTIME, which may be set back. */
int64_t ki_clock_wall_ns(void);

#endif /* KI_BASE_CLOCK_H */
