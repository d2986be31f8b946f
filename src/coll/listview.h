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

/*
 * A generation keeps the last mapped views of its lists when their users have
 * closed them: mapping is dear, and who asks again often finds the list as it
 * was.  A kept view is handed out again only if nothing has been written to
 * the list since.  What it shows stays lent meanwhile, so it is dropped when
 * the list at `header` is about to change its shape, and with the generation,
 * which nobody may be inside then.
 */
void ki_views_drop(ki_gen *gen, uint64_t header);
void ki_views_forget(ki_gen *gen);

#endif /* KI_COLL_LISTVIEW_H */
