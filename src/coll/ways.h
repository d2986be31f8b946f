/*
 * ways.h - the short ways to a value (lookup.h), compiled for more than one
 * processor.
 *
 * Layer    coll.
 * Threads  any.
 */
#ifndef KI_COLL_WAYS_H
#define KI_COLL_WAYS_H

#include "coll/chest.h"
#include "kist/scan.h"
#include "kist/value.h"

/*
 * As kist_dict_get(), kist_dict_contains() and kist_list_get(); a set's
 * members are keys, too.  `step` is ki_scan_step(), `run` ki_run_values().
 */
typedef struct ki_ways {
    kist_status (*get)(ki_coll *c, kist_slice key, kist_value *value);
    kist_status (*contains)(ki_coll *c, kist_slice key);
    kist_status (*item)(ki_coll *c, uint64_t index, kist_value *value);
    kist_status (*step)(kist_scan *scan, kist_slice *key, kist_value *value);
    uint32_t (*run)(const ki_gen *gen, uint64_t id, const uint64_t *offsets,
                    uint32_t n, kist_value *values);
} ki_ways;

/* Those for the processor that runs this. */
extern const ki_ways *ki_ways_here;

extern const ki_ways ki_ways_plain;

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define KI_HAS_WIDE 1
/* For AVX2, BMI and carry-less multiplication: to be asked for first. */
extern const ki_ways ki_ways_wide;
#endif

/*
 * Where the short ways end when they cannot tell.  A NULL `value` asks whether
 * the key is there.
 */
kist_status ki_keyed_get_slowly(ki_coll *c, kist_slice key, kist_value *value);
kist_status ki_list_get_slowly(ki_coll *c, uint64_t index, kist_value *value);

#endif /* KI_COLL_WAYS_H */
