#include "coll/ways.h"

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

const ki_ways ki_ways_plain = {get, contains, item};

const ki_ways *ki_ways_here = &ki_ways_plain;

#ifdef KI_HAS_WIDE

__attribute__((constructor)) static void
choose(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("sse4.2") &&
        __builtin_cpu_supports("pclmul")) {
        ki_ways_here = &ki_ways_wide;
    }
}

#endif
