/*
 * This file is compiled for newer processors than the rest (CMakeLists.txt);
 * ways.c asks for one before it points to anything in here.
 */
#include "coll/ways.h"

#ifdef KI_HAS_WIDE

#define KI_LOOKUP_WIDE 1

#include "coll/coll.h"
#include "coll/lookup.h"

static kist_status
get(ki_coll *c, kist_slice key, kist_value *value)
{
    const kist_status status = ki_lookup_shortly(c, key, value);

    return KI_LIKELY(status != KI_UNSURE) ? status
                                          : ki_keyed_get_slowly(c, key, value);
}

static kist_status
contains(ki_coll *c, kist_slice key)
{
    const kist_status status = ki_lookup_shortly(c, key, NULL);

    return KI_LIKELY(status != KI_UNSURE) ? status
                                          : ki_keyed_get_slowly(c, key, NULL);
}

static kist_status
item(ki_coll *c, uint64_t index, kist_value *value)
{
    const kist_status status = ki_item_shortly(c, index, value);

    return KI_LIKELY(status != KI_UNSURE)
               ? status
               : ki_list_get_slowly(c, index, value);
}

const ki_ways ki_ways_wide = {get, contains, item};

#else

typedef int ki_nothing_here;

#endif /* KI_HAS_WIDE */
