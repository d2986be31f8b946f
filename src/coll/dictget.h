/*
 * dictget.h - the ways in which a dict's key is looked up.
 *
 * Layer    coll: dict.c and dictwide.c only.
 * Threads  any.
 */
#ifndef KI_COLL_DICTGET_H
#define KI_COLL_DICTGET_H

#include "kist/dict.h"

/* As kist_dict_get(); a NULL `value` asks whether the key is there. */
kist_status ki_dict_get_slowly(kist_dict *dict, kist_slice key,
                               kist_value *value);

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define KI_HAS_WIDE 1

/* For processors with AVX2, BMI and carry-less multiplication. */
kist_status ki_dict_get_wide(kist_dict *dict, kist_slice key,
                             kist_value *value);
kist_status ki_dict_contains_wide(kist_dict *dict, kist_slice key);

#endif

#endif /* KI_COLL_DICTGET_H */
