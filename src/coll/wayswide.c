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
get(kist_dict *dict, kist_slice key, kist_value *value)
{
    const kist_status status = ki_lookup_shortly(&dict->coll, key, value);

    return KI_LIKELY(status != KI_UNSURE)
               ? status
               : ki_dict_get_slowly(dict, key, value);
}

static kist_status
contains(kist_dict *dict, kist_slice key)
{
    const kist_status status = ki_lookup_shortly(&dict->coll, key, NULL);

    return KI_LIKELY(status != KI_UNSURE)
               ? status
               : ki_dict_get_slowly(dict, key, NULL);
}

static kist_status
item(kist_list *list, uint64_t index, kist_value *value)
{
    const kist_status status = ki_item_shortly(&list->coll, index, value);

    return KI_LIKELY(status != KI_UNSURE)
               ? status
               : ki_list_get_slowly(list, index, value);
}

const ki_ways ki_ways_wide = {get, contains, item};

#else

typedef int ki_nothing_here;

#endif /* KI_HAS_WIDE */
