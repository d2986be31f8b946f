/*
 * dict.h - the insertion-ordered dict: keys are bytes, values are typed.
 *
 * An overwrite keeps a key's place; a removed and re-inserted key goes last.
 *
 * Layer    public.
 * Threads  see handle.h.
 */
#ifndef KIST_DICT_H
#define KIST_DICT_H

#include "kist/handle.h"
#include "kist/value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KIST_KEY_SIZE_MAX   ((size_t)16 << 20)
#define KIST_VALUE_SIZE_MAX ((size_t)1 << 30)

typedef struct kist_dict kist_dict;

/*
 * Opens the dict called `name` in `k` ("" is the root collection), creating
 * it with value type `type` if absent; KIST_ANY on an existing dict adopts
 * its type, another type is TYPE, another kind of collection KIND.  A
 * read-only kist: NOTFOUND if absent.  The caller owns *dict.
 */
KIST_NODISCARD kist_status kist_dict_open(kist *k, kist_slice name,
                                          kist_type type, kist_dict **dict);
void kist_dict_close(kist_dict *dict);

/* The type the dict was created with. */
kist_type kist_dict_type(const kist_dict *dict);

/* Number of keys. */
KIST_NODISCARD kist_status kist_dict_count(kist_dict *dict, uint64_t *count);

/* The value under `key` as a view (handle.h), or NOTFOUND. */
KIST_NODISCARD kist_status kist_dict_get(kist_dict *dict, kist_slice key,
                                         kist_value *value);

/* KIST_OK if `key` is there, NOTFOUND if not. */
KIST_NODISCARD kist_status kist_dict_contains(kist_dict *dict, kist_slice key);

/*
 * Sets `key` to `value`.  TYPE, OVERFLOW or TOOBIG: nothing is written.
 */
KIST_NODISCARD kist_status kist_dict_put(kist_dict *dict, kist_slice key,
                                         const kist_value *value);

/*
 * Sets `key` only if it is absent; else EXISTS (without error detail), and
 * `found`, if not NULL, is a view of the value that is there.
 */
KIST_NODISCARD kist_status kist_dict_put_new(kist_dict *dict, kist_slice key,
                                             const kist_value *value,
                                             kist_value *found);

/* Removes `key`, or NOTFOUND. */
KIST_NODISCARD kist_status kist_dict_remove(kist_dict *dict, kist_slice key);

/*
 * Removes `key` and hands out the value it had as a view, or NOTFOUND: one
 * step, so that of several poppers exactly one gets it.
 */
KIST_NODISCARD kist_status kist_dict_pop(kist_dict *dict, kist_slice key,
                                         kist_value *value);

/* Removes the last (or first) item and hands it out; NOTFOUND if empty. */
KIST_NODISCARD kist_status kist_dict_popitem(kist_dict *dict, bool last,
                                             kist_slice *key,
                                             kist_value *value);

/* Removes all items. */
KIST_NODISCARD kist_status kist_dict_clear(kist_dict *dict);

/*
 * Looks `count` keys up at once, overlapping their cache misses.  values[i]
 * is a view; its type is KIST_ANY where keys[i] is absent.
 */
KIST_NODISCARD kist_status kist_dict_get_many(kist_dict *dict,
                                              const kist_slice *keys,
                                              size_t count,
                                              kist_value *values);

/*
 * Sets `count` keys in order under one lock and with one sync.  Each put is
 * atomic by itself; use a batch to make them one.  On failure `done`, if not
 * NULL, says how many were set.
 */
KIST_NODISCARD kist_status kist_dict_put_many(kist_dict *dict,
                                              const kist_slice *keys,
                                              const kist_value *values,
                                              size_t count, size_t *done);

#ifdef __cplusplus
}
#endif

#endif /* KIST_DICT_H */
