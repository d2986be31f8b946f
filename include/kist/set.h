/*
 * set.h - the insertion-ordered set of typed values.
 *
 * Members that compare equal are one member, as in Python: 1, 1.0 and true
 * are the same, and the one that came first is kept.
 *
 * Layer    public.
 * Threads  see handle.h.
 */
#ifndef KIST_SET_H
#define KIST_SET_H

#include "kist/handle.h"
#include "kist/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist_set kist_set;

/* As kist_dict_open(). */
KIST_NODISCARD kist_status kist_set_open(kist *k, kist_slice name,
                                         kist_type type, kist_set **set);
void kist_set_close(kist_set *set);
kist_type kist_set_type(const kist_set *set);
KIST_NODISCARD kist_status kist_set_count(kist_set *set, uint64_t *count);

/*
 * Adds `member`.  *added, if not NULL, says whether it was new.  KIST_LIST,
 * KIST_DICT and KIST_SET values cannot be members: TYPE.
 */
KIST_NODISCARD kist_status kist_set_add(kist_set *set,
                                        const kist_value *member, bool *added);

/* KIST_OK if `member` is there, NOTFOUND if not. */
KIST_NODISCARD kist_status kist_set_contains(kist_set *set,
                                             const kist_value *member);

/* Removes `member`, or NOTFOUND. */
KIST_NODISCARD kist_status kist_set_remove(kist_set *set,
                                           const kist_value *member);

/* Removes the oldest member and hands it out as a view; NOTFOUND if empty. */
KIST_NODISCARD kist_status kist_set_pop(kist_set *set, kist_value *member);

KIST_NODISCARD kist_status kist_set_clear(kist_set *set);

/* Adds `count` members under one lock; *added counts the new ones. */
KIST_NODISCARD kist_status kist_set_add_many(kist_set *set,
                                             const kist_value *members,
                                             size_t count, size_t *added);

#ifdef __cplusplus
}
#endif

#endif /* KIST_SET_H */
