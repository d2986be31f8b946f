/*
 * clock.h - time that only moves forward.
 *
 * Layer    base.
 */
#ifndef KI_BASE_CLOCK_H
#define KI_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t ki_clock_ns(void);

#endif /* KI_BASE_CLOCK_H */
