/*
 * model.h - plain in-memory list, dict and set to compare with.
 *
 * A model is one sequence of items.  A list uses the values only, a dict finds
 * its items by key, a set by value; all three keep their order.  Items are
 * shared and never change, so a copy of a model costs a pointer an item and
 * serves as a snapshot.
 *
 * Layer    tests/support: public headers only.
 * Threads  one thread at a time for a model and all its copies.
 */
#ifndef KT_SUPPORT_MODEL_H
#define KT_SUPPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/kist.h"

typedef struct kt_item {
    size_t references;
    uint64_t hash; /* of key and value */
    size_t key_size;
    uint8_t *key;     /* lies behind the item */
    kist_value value; /* as.bytes lies behind the key */
} kt_item;

/* Zeroed is empty. */
typedef struct kt_model {
    kt_item **items;
    size_t count;
    size_t capacity;
} kt_model;

void kt_model_fini(kt_model *model);

/* Makes *to a snapshot of *from; what *to held is let go. */
void kt_model_copy(kt_model *to, const kt_model *from);

void kt_model_clear(kt_model *model);

/* One number for all contents, order included. */
uint64_t kt_model_digest(const kt_model *model);

bool kt_model_equal(const kt_model *a, const kt_model *b);

/* The index of the first item that differs, or the smaller count. */
size_t kt_model_differs_at(const kt_model *a, const kt_model *b);

/* --- list ---------------------------------------------------------------- */

/* Inserts before `index`, which is at most the count. */
void kt_model_insert(kt_model *model, size_t index, const kist_value *value);
void kt_model_set(kt_model *model, size_t index, const kist_value *value);
void kt_model_remove_range(kt_model *model, size_t index, size_t count);
void kt_model_reverse(kt_model *model);

/* Sorts stably; all values are KIST_INT or all of them KIST_TEXT. */
void kt_model_sort(kt_model *model, bool descending);

/* --- dict and set -------------------------------------------------------- */

/* The index of the item, or the count if there is none. */
size_t kt_model_find_key(const kt_model *model, kist_slice key);
size_t kt_model_find_value(const kt_model *model, const kist_value *value);

/* An overwrite keeps the place, a new key goes last. */
void kt_model_put(kt_model *model, kist_slice key, const kist_value *value);

/* --- against a real collection --------------------------------------------
 */

/*
 * Reads the whole collection by a forward scan into *model.  Returns what the
 * scan answered.
 */
kist_status kt_model_read_dict(kt_model *model, kist_dict *dict);
kist_status kt_model_read_list(kt_model *model, kist_list *list);
kist_status kt_model_read_set(kt_model *model, kist_set *set);

/*
 * Compares by every way to read: count, get or contains of each item, forward
 * and reverse scan.  On a difference returns false and describes it in `why`.
 */
bool kt_model_check_dict(const kt_model *model, kist_dict *dict, char *why,
                         size_t size);
bool kt_model_check_list(const kt_model *model, kist_list *list, char *why,
                         size_t size);
bool kt_model_check_set(const kt_model *model, kist_set *set, char *why,
                        size_t size);

/* Exact equality of type and contents (kist_value_equal() is Python's). */
bool kt_value_same(const kist_value *a, const kist_value *b);

#endif /* KT_SUPPORT_MODEL_H */
