/*
 * list.h - the list: a sequence by position.
 *
 * Indexes count from 0.  Reading and setting by position is O(1) while the
 * list only grows and shrinks at its end, O(log n) after the first insert or
 * removal in the middle.
 *
 * Layer    public.
 * Threads  see handle.h.
 */
#ifndef KIST_LIST_H
#define KIST_LIST_H

#include "kist/handle.h"
#include "kist/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist_list kist_list;

/* As kist_dict_open(). */
KIST_NODISCARD kist_status kist_list_open(kist *k, kist_slice name,
                                          kist_type type, kist_list **list);
void kist_list_close(kist_list *list);
kist_type kist_list_type(const kist_list *list);
KIST_NODISCARD kist_status kist_list_count(kist_list *list, uint64_t *count);

/* The value at `index` as a view (handle.h), or RANGE. */
KIST_NODISCARD kist_status kist_list_get(kist_list *list, uint64_t index,
                                         kist_value *value);

/*
 * Up to `count` values from `index` on, as views; *got says how many there
 * were.
 */
KIST_NODISCARD kist_status kist_list_get_many(kist_list *list, uint64_t index,
                                              size_t count, kist_value *values,
                                              size_t *got);

/* Replaces the value at `index`, or RANGE. */
KIST_NODISCARD kist_status kist_list_set(kist_list *list, uint64_t index,
                                         const kist_value *value);

KIST_NODISCARD kist_status kist_list_append(kist_list *list,
                                            const kist_value *value);

/*
 * Appends `count` values in order under one lock and with one sync.  Each
 * append is atomic by itself; on failure *done, if not NULL, says how many
 * were appended.
 */
KIST_NODISCARD kist_status kist_list_append_many(kist_list *list,
                                                 const kist_value *values,
                                                 size_t count, size_t *done);

/* Inserts before `index`; index == count appends, above it is RANGE. */
KIST_NODISCARD kist_status kist_list_insert(kist_list *list, uint64_t index,
                                            const kist_value *value);

/* An index for kist_list_pop(): whatever is the last then. */
#define KIST_LAST UINT64_MAX

/*
 * Removes the value at `index`, or RANGE.  If `value` is not NULL it becomes
 * a view of what was removed.
 */
KIST_NODISCARD kist_status kist_list_pop(kist_list *list, uint64_t index,
                                         kist_value *value);

/* Removes `count` values from `index` on, as one change; RANGE. */
KIST_NODISCARD kist_status kist_list_remove_range(kist_list *list,
                                                  uint64_t index,
                                                  uint64_t count);

KIST_NODISCARD kist_status kist_list_clear(kist_list *list);

/* Reverses the order in place, as one change. */
KIST_NODISCARD kist_status kist_list_reverse(kist_list *list);

/*
 * Sorts in place, stably, as one change.  All values must be comparable:
 * numbers with numbers, text with text (by code point), bytes with bytes;
 * else TYPE and the old order.  `descending` keeps equal values in place.
 */
KIST_NODISCARD kist_status kist_list_sort(kist_list *list, bool descending);

/*
 * Puts what stood at order[i] to position i, for all i, as one change.
 * `order` must hold each of 0 .. count-1 once (INVALID), and `count` be the
 * list's (CHANGED).
 */
KIST_NODISCARD kist_status kist_list_permute(kist_list *list,
                                             const uint64_t *order,
                                             uint64_t count);

#ifdef __cplusplus
}
#endif

#endif /* KIST_LIST_H */
