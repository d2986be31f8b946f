/*
 * storeops.h - what a store is made of, and what is written once above all.
 *
 *     kist_store_put_if()  the public calls: outcomes, transform, orders,
 *          |               random keys, many at once     (storeops.c, ...)
 *     ki_store_ops         a backend: get, put, remove, scan, each with a rule
 *          |
 *     filedir  nfsdir  memory  null      cached  appendonly  writeonce
 *
 * A backend embeds a kist_store as its first member.  What a rule says is held
 * against the ETag that the key has, and followed, in one step.
 *
 * Layer    store: may include base/, os/ and public headers.
 * Threads  every entry may be called by any number at once.
 */
#ifndef KI_STORE_STOREOPS_H
#define KI_STORE_STOREOPS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "kist/store.h"

/* Longest options.format, in bytes. */
#define KI_FORMAT_SIZE_MAX 32

/* When a backend may write. */
typedef struct ki_rule {
    kist_if rule;
    const kist_etag *expected; // NULL with KIST_IF_ANY alone
    bool keep;                 // a value that is there stays
} ki_rule;

/* What it did. */
typedef struct ki_change {
    bool satisfied;   // the rule held
    bool changed;     // the value was written, or removed
    kist_etag before; // empty: there was none
    kist_etag after;
} ki_change;

/* One step of a backend's scan. */
typedef struct ki_found {
    kist_slice key; // good until the next step
    bool has_stat;  // the backend knew it without asking, or was asked
    kist_stat stat;
} ki_found;

typedef struct ki_cursor ki_cursor; /* a backend's place in a scan */

typedef struct ki_store_ops {
    const char *name;

    /* Frees the backend; the last reference is gone. */
    void (*free)(kist_store *store);

    /* kist_store_sub(), for a `prefix` that was checked and is not empty, and
     * kist_store_reformat(). */
    kist_status (*sub)(kist_store *store, kist_slice prefix, kist_store **sub);
    kist_status (*reformat)(kist_store *store, const char *format,
                            kist_store **other);

    /* INVALID if `key` is none; the public calls have asked before any other
     * entry sees it. */
    kist_status (*check)(const kist_store *store, kist_slice key);

    /*
     * Reads the value into `value` (NULL: not wanted) and what is known of it
     * into *stat (NULL: not wanted).  If `unless` is given and is the key's
     * ETag, `value` is left alone and *same is true, otherwise false; *stat is
     * filled in either way.  `same` is NULL if `unless` is.  NOTFOUND.
     */
    kist_status (*get)(kist_store *store, kist_slice key,
                       const kist_etag *unless, kist_buf *value,
                       kist_stat *stat, bool *same);

    /* Writes, or removes, as the rule says.  A NULL rule is always, and
     * nobody asks what there was: `change` may be NULL then, or only
     * change->after (and, of remove, changed) is filled in.  What the rule
     * forbids, and removing what is absent, is KIST_OK with changed false.
     * That a store is append-only or read-only is no matter of a backend's:
     * the public calls say `keep`, or do not come. */
    kist_status (*put)(kist_store *store, kist_slice key, kist_slice value,
                       const ki_rule *rule, ki_change *change);
    kist_status (*remove)(kist_store *store, kist_slice key,
                          const ki_rule *rule, ki_change *change);

    /* A scan over all keys; `stats`: each ki_found has its stat.  next()
     * answers KIST_END at the end. */
    kist_status (*scan_open)(kist_store *store, bool stats,
                             ki_cursor **cursor);
    kist_status (*scan_next)(ki_cursor *cursor, ki_found *found);
    void (*scan_close)(ki_cursor *cursor);

    /* As get, of the key that scan_next() has found last; BUSY without detail
     * where get had better be called.  May be NULL. */
    kist_status (*scan_read)(ki_cursor *cursor, kist_buf *value,
                             kist_stat *stat);

    /* Where NULL, storeops.c does it by the entries above. */
    kist_status (*count)(kist_store *store, uint64_t *count);
    kist_status (*random)(kist_store *store, kist_buf *key);
    kist_status (*clear)(kist_store *store, uint64_t *count);
    kist_status (*get_many)(kist_store *store, const kist_slice *keys,
                            size_t count, kist_buf *values,
                            kist_status *statuses);
    kist_status (*put_many)(kist_store *store, const kist_slice *keys,
                            const kist_slice *values, size_t count,
                            kist_status *statuses);
} ki_store_ops;

struct kist_store {
    const ki_store_ops *ops;
    _Atomic uint32_t refs;
    kist_store_options options; // format points to the array below
    char format[KI_FORMAT_SIZE_MAX + 1];
};

/*
 * Makes *store, which the caller has allocated inside his backend, one with
 * one reference and a copy of the options (NULL: the defaults).  INVALID for
 * options out of range.
 */
KIST_NODISCARD kist_status ki_store_init(kist_store *store,
                                         const ki_store_ops *ops,
                                         const kist_store_options *options);

/* One reference more; returns the store. */
kist_store *ki_store_hold(kist_store *store);

/* INVALID, READONLY, TOOBIG: why a value of `size` bytes cannot be put. */
KIST_NODISCARD kist_status ki_store_may_write(const kist_store *store,
                                              kist_slice key, size_t size);

/* The rule, held against an ETag. */
static inline bool
ki_rule_holds(const ki_rule *rule, const kist_etag *etag)
{
    return rule->rule == KIST_IF_ANY ||
           kist_etag_equal(rule->expected, etag) ==
               (rule->rule == KIST_IF_SAME);
}

#endif /* KI_STORE_STOREOPS_H */
