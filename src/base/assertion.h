/*
 * assertion.h - for our own bugs only; bytes from outside are checked.
 *
 * Layer    base.
 */
#ifndef KI_BASE_ASSERTION_H
#define KI_BASE_ASSERTION_H

#ifdef KIST_ASSERT
#include <assert.h>
#define KI_ASSERT(condition) assert(condition)
#else
#define KI_ASSERT(condition) ((void)0)
#endif

#define KI_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define KI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#endif /* KI_BASE_ASSERTION_H */
