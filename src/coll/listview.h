/*
 * listview.h - what list, its sort and its scan share.
 *
 * Layer    coll.
 */
#ifndef KI_COLL_LISTVIEW_H
#define KI_COLL_LISTVIEW_H

#include "coll/coll.h"

/* The values that n words of a list of `type` stand for, as views. */
KIST_NODISCARD kist_status ki_list_values(const ki_reader *r, kist_type type,
                                          const uint64_t *words, uint32_t n,
                                          kist_value *values);

/*
 * Writes and applies the permutation; the caller has begun and will end.  Its
 * entries must be checked.  CHANGED if count is not the list's, TOOBIG.
 */
KIST_NODISCARD kist_status ki_list_permute_locked(ki_writer *w,
                                                  const ki_coll *c,
                                                  uint64_t header,
                                                  const uint64_t *order,
                                                  uint64_t count);

#endif /* KI_COLL_LISTVIEW_H */
