/*
 * This file is compiled for newer processors than the rest (CMakeLists.txt).
 * dict.c asks for one before it calls anything in here.
 */
#include "coll/dictget.h"

#ifdef KI_HAS_WIDE

#define KI_LOOKUP_WIDE 1

#include "coll/coll.h"
#include "coll/lookup.h"

kist_status
ki_dict_get_wide(kist_dict *dict, kist_slice key, kist_value *value)
{
    const kist_status status = ki_lookup_shortly(&dict->coll, key, value);

    return KI_LIKELY(status != KI_UNSURE)
               ? status
               : ki_dict_get_slowly(dict, key, value);
}

kist_status
ki_dict_contains_wide(kist_dict *dict, kist_slice key)
{
    const kist_status status = ki_lookup_shortly(&dict->coll, key, NULL);

    return KI_LIKELY(status != KI_UNSURE)
               ? status
               : ki_dict_get_slowly(dict, key, NULL);
}

#else

typedef int ki_nothing_here;

#endif /* KI_HAS_WIDE */
