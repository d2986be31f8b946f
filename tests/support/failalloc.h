/*
 * failalloc.h - allocations of the library that fail on demand.
 *
 * Layer    tests/support, over ki_alloc_hook of base/alloc.h.
 * Threads  arm and disarm while no other thread allocates.
 */
#ifndef KT_SUPPORT_FAILALLOC_H
#define KT_SUPPORT_FAILALLOC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The nth allocation from now on fails (0: none, they are counted only), and
 * with `from_then_on` all behind it.
 */
void kt_alloc_fail(uint64_t nth, bool from_then_on);

/* Allocations since kt_alloc_fail(). */
uint64_t kt_alloc_count(void);

/* True if one was made to fail since kt_alloc_fail(). */
bool kt_alloc_hit(void);

/* All allocations succeed again. */
void kt_alloc_heal(void);

#endif /* KT_SUPPORT_FAILALLOC_H */
