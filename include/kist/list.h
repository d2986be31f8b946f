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

/*
 * A view of all items of a list of BOOL, INT, INT32 or FLOAT as one array of
 * words, as numeric libraries want them: each is 8 bytes in the machine's
 * order, an int64_t (BOOL: 0 or 1) or a double.
 *
 * A large list whose middle was not edited since it was last sorted, reversed
 * or cleared is mapped and not copied (kist_list_view_mapped() tells); any
 * other is copied into memory of its own.
 *
 * What a view shows:
 *   - as many items as there were when it was opened, whatever is appended,
 *     inserted, removed, sorted, cleared or compacted later, here or in
 *     other processes; with its own items a batch of this thread counts;
 *   - where it is mapped, the items of then, but for those that are later
 *     replaced in place, by kist_list_set() or by appending anew where
 *     something was popped from the end (a batch does so before it commits):
 *     of each of those either the old or a newer value;
 *   - of changes by others while it is being opened, some or none.
 *
 * What a mapped view shows is not used again for anything else while the view
 * is open, so the index may grow; a process that ends, however, lets go.
 *
 * The kist keeps the maps of the last eight views that were closed, with a
 * descriptor each, and opening one again of a list that was not written to
 * since maps nothing anew.  It lets them go when it is closed or compacted, or
 * when this handle shortens, clears, reorders or drops the list.
 */
typedef struct kist_list_view kist_list_view;

/*
 * The caller owns *view and must kist_list_view_close() it; `list` and its
 * kist may be closed before.  TYPE: a list of another type; NOMEM, and what
 * reading answers.
 */
KIST_NODISCARD kist_status kist_list_view_open(kist_list *list,
                                               kist_list_view **view);

/*
 * The words, aligned to 8, to be read only and until the view is closed; never
 * NULL.  If somebody cuts the index file short they may become 0.
 */
const void *kist_list_view_words(const kist_list_view *view);
uint64_t kist_list_view_count(const kist_list_view *view);

/* True if the words are those of the index, false if they are a copy. */
bool kist_list_view_mapped(const kist_list_view *view);

/* From any thread, and in a child of fork(); NULL is fine. */
void kist_list_view_close(kist_list_view *view);

#ifdef __cplusplus
}
#endif

#endif /* KIST_LIST_H */
