/*
 * scan.h - iterators over a collection, in its order or backwards.
 *
 * A scan takes no lock and sees writes made behind its position.  An item
 * that is not touched meanwhile comes exactly once, through compaction too.
 * Dict and set scans opened with `strict` answer KIST_ERR_CHANGED once items
 * were added or removed, as Python's iterators do.
 *
 * Layer    public.
 * Threads  a scan belongs to one thread at a time.
 */
#ifndef KIST_SCAN_H
#define KIST_SCAN_H

#include "kist/dict.h"
#include "kist/list.h"
#include "kist/set.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist_scan kist_scan;

typedef struct kist_scan_options {
    bool reverse; /* from the end to the beginning */
    bool strict;  /* dict, set: fail with CHANGED when the size changed */
} kist_scan_options;

/* Begins a scan; NULL options are forward, not strict.  Caller owns *scan. */
KIST_NODISCARD kist_status kist_dict_scan(kist_dict *dict,
                                          const kist_scan_options *options,
                                          kist_scan **scan);
KIST_NODISCARD kist_status kist_set_scan(kist_set *set,
                                         const kist_scan_options *options,
                                         kist_scan **scan);
KIST_NODISCARD kist_status kist_list_scan(kist_list *list,
                                          const kist_scan_options *options,
                                          kist_scan **scan);

/*
 * The next item as views good until this thread's next call into kist.  `key`
 * (NULL if not wanted) is empty for lists and sets; `value` may be NULL.
 * KIST_END at the end, and for ever after.
 */
KIST_NODISCARD kist_status kist_scan_next(kist_scan *scan, kist_slice *key,
                                          kist_value *value);

/* May come after the collection's handle, or its kist, is closed. */
void kist_scan_close(kist_scan *scan);

#ifdef __cplusplus
}
#endif

#endif /* KIST_SCAN_H */
