/*
 * This file is compiled for newer processors than the rest (CMakeLists.txt);
 * ways.c asks for one before it points to anything in here.
 */
#include "coll/ways.h"

#ifdef KI_HAS_WIDE

#define KI_LOOKUP_WIDE 1

#include "coll/coll.h"
#include "coll/lookup.h"
#include "coll/scanstate.h"

/* Keys of the commonest sizes have a function of their own. */
__attribute__((noinline)) static kist_status
get_any(ki_coll *c, kist_slice key, kist_value *value)
{
    return ki_lookup(c, key, false, value);
}

static kist_status
get(ki_coll *c, kist_slice key, kist_value *value)
{
    return KI_LIKELY(ki_hash_is_medium(key.size))
               ? ki_lookup(c, key, true, value)
               : get_any(c, key, value);
}

__attribute__((noinline)) static kist_status
contains_any(ki_coll *c, kist_slice key)
{
    return ki_lookup(c, key, false, NULL);
}

static kist_status
contains(ki_coll *c, kist_slice key)
{
    return KI_LIKELY(ki_hash_is_medium(key.size))
               ? ki_lookup(c, key, true, NULL)
               : contains_any(c, key);
}

static kist_status
item(ki_coll *c, uint64_t index, kist_value *value)
{
    return ki_item(c, index, value);
}

static kist_status
step(kist_scan *scan, kist_slice *key, kist_value *value)
{
    return ki_scan_step(scan, key, value);
}

static uint32_t
run(const ki_gen *gen, uint64_t id, const uint64_t *offsets, uint32_t n,
    kist_value *values)
{
    return ki_run_values(gen, id, offsets, n, values);
}

const ki_ways ki_ways_wide = {get, contains, item, step, run};

#else

typedef int ki_nothing_here;

#endif /* KI_HAS_WIDE */
