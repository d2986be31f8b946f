/*
 * store.h - one object per key: in a directory, on NFS, in memory.
 *
 *     kist_store_options options;
 *     kist_store *store;
 *     kist_buf value = {0};
 *     kist_etag etag;
 *
 *     kist_store_options_init(&options);
 *     options.format = "json";
 *     kist_store_open_dir("people", &options, &store);
 *     kist_store_put(store, kist_str("uk/ada"), kist_str("{}"), &etag);
 *     kist_store_get(store, kist_str("uk/ada"), &value, &etag);
 *     kist_store_close(store);
 *
 * KEYS are bytes.  In every store but those of kist_store_open_nfs(), a key
 * is one or more components joined by "/".  A component has 1 to 253 safe
 * characters, which are ASCII letters, digits and ( ) _ - ~ . = ; it is not
 * "." or "..".  A key of another form is KIST_ERR_INVALID, in every call.  The
 * keys of kist_store_open_nfs() are any UTF-8 text.
 *
 * ETAGS.  Each write of a value gives it an ETag, a short text that no other
 * write of the same key has had.  An empty ETag means: there is no value.
 *
 * CONDITIONS.  A conditional call compares the ETag that the caller expects
 * with the one the key has, and acts, or not, in one step that no other
 * process, and no other thread, can come between, if they use kist too
 * (docs/durability.md says what each file system can promise).
 *
 * DURABILITY.  A put that returned at KIST_STORE_SYNC and _GROUP survives a
 * power cut, at _NONE the end of the process.  At every level a reader sees
 * the old value or the new one, whole, as long as the machine runs.
 *
 * POLICY.  An append-only store refuses to replace or remove what is there:
 * KIST_ERR_POLICY.
 *
 * Layer    public.
 * Threads  any number may use one store at once; a scan belongs to one.  A
 *          child of fork() may use the stores of its parent; those in memory
 *          if no other thread was inside a call on them.
 */
#ifndef KIST_STORE_H
#define KIST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kist/bytes.h"
#include "kist/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kist_store kist_store;
typedef struct kist_store_scan kist_store_scan;

/* Longest ETag, in bytes. */
#define KIST_ETAG_SIZE_MAX 119

/* `size` bytes of text, not terminated; size 0: there is no value. */
typedef struct kist_etag {
    uint8_t size;
    char text[KIST_ETAG_SIZE_MAX];
} kist_etag;

/* True if both are the same, or both are empty. */
static inline bool
kist_etag_equal(const kist_etag *left, const kist_etag *right)
{
    return left->size == right->size &&
           memcmp(left->text, right->text, left->size) == 0;
}

/* What is known of a value without reading it. */
typedef struct kist_stat {
    kist_etag etag;
    uint64_t size;    /* bytes */
    int64_t mtime_ns; /* of the last write, since 1970 */
} kist_stat;

typedef enum kist_store_durability {
    KIST_STORE_SYNC = 0, /* each put is synced by itself */
    KIST_STORE_GROUP,    /* puts of several threads share their syncs; each
                            returns when its own value is safe */
    KIST_STORE_NONE      /* the kernel writes when it likes */
} kist_store_durability;

typedef struct kist_store_options {
    /*
     * What the names of the files end in, after a dot: 1 to 32 safe
     * characters; "bin".  Stores of several formats may share a directory and
     * do not see each other's values.
     */
    const char *format;
    /*
     * Characters of the digest that is put behind each component in a file's
     * name, so that names that differ in case only do not meet on file systems
     * that fold it; 0: none; more than 32 count as 32.
     */
    unsigned digest_len;
    bool append_only;
    bool read_only; /* never write; make nothing */
    kist_store_durability durability;
    int64_t lock_timeout_ms; /* 30 s; what a write waits for another */
    size_t value_size_max;   /* larger values are KIST_ERR_TOOBIG; 1 GiB */
    /*
     * Told of each file in the directory that a scan met and that is no value
     * of any store, with its path from the store's directory and why; not of
     * values of other formats.  May be NULL.  Must not call into kist.
     */
    void (*report)(void *context, const char *path, const char *why);
    void *context;
} kist_store_options;

/* Fills in the values given above; digest_len is 4. */
void kist_store_options_init(kist_store_options *options);

/*
 * Opens the directory at `path` as a store, one file per key, and makes it,
 * with its parents, if it is missing (unless read_only).  Whoever removes the
 * directory while it is open removes its values, and the next put makes it
 * again; one that is renamed is followed.
 * INVALID for options out of range, NOTDIR if something else is at `path`, IO,
 * NOMEM.  NULL options are the defaults.
 */
KIST_NODISCARD kist_status kist_store_open_dir(
    const char *path, const kist_store_options *options, kist_store **store);

/*
 * The same for a directory that several machines share over NFS, in the layout
 * of NfsDict: format is "pkl" or "json" (default), digest_len does not count.
 * A value is the whole file: a JSON array, or a pickled tuple, of key and
 * value.
 */
KIST_NODISCARD kist_status kist_store_open_nfs(
    const char *path, const kist_store_options *options, kist_store **store);

/* A store in the memory of this process.  NOMEM, INVALID. */
KIST_NODISCARD kist_status
kist_store_open_memory(const kist_store_options *options, kist_store **store);

/* A store that is always empty and takes everything.  NOMEM. */
KIST_NODISCARD kist_status
kist_store_open_null(const kist_store_options *options, kist_store **store);

/*
 * The keys below `prefix` (one or more components, or empty: all of them) as a
 * store of their own.  It shares what `store` has open, and may outlive it.
 * Makes nothing.  INVALID, NOMEM, UNSUPPORTED (NFS).
 */
KIST_NODISCARD kist_status kist_store_sub(kist_store *store, kist_slice prefix,
                                          kist_store **sub);

/* The same keys, with the values of another format (see options.format). */
KIST_NODISCARD kist_status kist_store_reformat(kist_store *store,
                                               const char *format,
                                               kist_store **other);

/* Lets go of it.  Scans and sub-stores live on.  NULL is fine. */
void kist_store_close(kist_store *store);

/* --- one key ----------------------------------------------------------------
 */

/*
 * Reads the value into `value`, whose contents it replaces, and its ETag into
 * `etag` (may be NULL).  NOTFOUND, INVALID, CORRUPT, TOOBIG, IO, NOMEM:
 * `value` is empty then.
 */
KIST_NODISCARD kist_status kist_store_get(kist_store *store, kist_slice key,
                                          kist_buf *value, kist_etag *etag);

/* Puts a value in place of the one that is there, or is not; *etag (may be
 * NULL) becomes its ETag.  POLICY, LOCKED, READONLY, INVALID, IO, NOMEM. */
KIST_NODISCARD kist_status kist_store_put(kist_store *store, kist_slice key,
                                          kist_slice value, kist_etag *etag);

/* NOTFOUND if there is none; POLICY, whether or not there is one; LOCKED,
 * READONLY, INVALID, IO. */
KIST_NODISCARD kist_status kist_store_remove(kist_store *store,
                                             kist_slice key);

/* NOTFOUND, INVALID, IO. */
KIST_NODISCARD kist_status kist_store_stat(kist_store *store, kist_slice key,
                                           kist_stat *stat);

KIST_NODISCARD kist_status kist_store_contains(kist_store *store,
                                               kist_slice key, bool *contains);

/* --- conditions -------------------------------------------------------------
 */

typedef enum kist_if {
    KIST_IF_ANY = 0, /* always */
    KIST_IF_SAME,    /* the key's ETag is the expected one */
    KIST_IF_CHANGED  /* it is another */
} kist_if;

typedef enum kist_fetch {
    KIST_FETCH_ALWAYS = 0,
    KIST_FETCH_NEVER,
    KIST_FETCH_CHANGED /* if the key's ETag is not the expected one */
} kist_fetch;

typedef struct kist_condition {
    kist_if rule;
    kist_etag expected; /* empty: that there is no value */
    kist_fetch fetch;   /* when to read a value that was not written */
} kist_condition;

/* Where the value of an outcome is. */
typedef enum kist_found {
    KIST_FOUND_NONE = 0, /* there is none */
    KIST_FOUND_VALUE,    /* in the caller's buffer */
    KIST_FOUND_UNREAD,   /* there is one; it was not asked for */
    KIST_FOUND_GIVEN     /* the value that the caller gave was written */
} kist_found;

typedef struct kist_outcome {
    bool satisfied;   /* the condition held */
    kist_etag before; /* the ETag that it was held against */
    kist_etag after;  /* the one the key has now */
    kist_found found; /* what the key holds now */
} kist_outcome;

/*
 * Reads the value, if condition->fetch says so, whether or not the condition
 * holds; an absent key is an outcome, not a failure.  The value is the one
 * that outcome->after belongs to.  *value is empty unless outcome->found is
 * KIST_FOUND_VALUE; so it is in all conditional calls.
 */
KIST_NODISCARD kist_status kist_store_get_if(kist_store *store, kist_slice key,
                                             const kist_condition *condition,
                                             kist_buf *value,
                                             kist_outcome *outcome);

/*
 * Puts `given` if the condition holds; if it does not, the present value is
 * read into `value` as condition->fetch says.  `value` may be NULL if fetch is
 * NEVER.  The outcome is of one moment; if others write while the value is
 * read that stopped it, the condition is held against theirs.  POLICY if the
 * condition holds, the store is append-only and there is a value; BUSY after a
 * thousand others.
 */
KIST_NODISCARD kist_status kist_store_put_if(kist_store *store, kist_slice key,
                                             kist_slice given,
                                             const kist_condition *condition,
                                             kist_buf *value,
                                             kist_outcome *outcome);

/* Puts `given` if the condition holds and there is no value; otherwise as
 * kist_store_put_if(), but never POLICY. */
KIST_NODISCARD kist_status kist_store_put_new_if(
    kist_store *store, kist_slice key, kist_slice given,
    const kist_condition *condition, kist_buf *value, kist_outcome *outcome);

/* Removes the value if the condition holds.  Reads nothing.  POLICY if it
 * holds, the store is append-only and there is a value. */
KIST_NODISCARD kist_status
kist_store_remove_if(kist_store *store, kist_slice key,
                     const kist_condition *condition, kist_outcome *outcome);

/* What a transformer decides. */
typedef enum kist_decision {
    KIST_KEEP = 0, /* leave it as it is */
    KIST_REPLACE,  /* with *next */
    KIST_REMOVE
} kist_decision;

/*
 * Given the value (NULL: there is none), decides what becomes of it; with
 * KIST_REPLACE the new value stands in *next.  Called again, with the value
 * of then, whenever another writer came between.
 */
typedef kist_decision (*kist_transformer)(void *context,
                                          const kist_slice *current,
                                          kist_buf *next);

/*
 * Changes a value by what it is now; no other writer's change is lost.  After
 * `retries_max` further attempts (SIZE_MAX: any number), between which it
 * waits up to a tenth of a second, KIST_ERR_BUSY.  *etag (may be NULL) is what
 * the key has afterwards.  POLICY if the store is append-only and there is a
 * value that is not kept.
 */
KIST_NODISCARD kist_status kist_store_transform(
    kist_store *store, kist_slice key, kist_transformer transformer,
    void *context, size_t retries_max, kist_etag *etag);

/* --- many keys --------------------------------------------------------------
 */

/*
 * Reads `count` values, several at a time.  statuses[i] tells how each went
 * (OK, NOTFOUND, ...); values[i] are the caller's buffers, empty where it is
 * not OK.  Fails as a whole with INVALID (nothing was read) and NOMEM.
 */
KIST_NODISCARD kist_status kist_store_get_many(kist_store *store,
                                               const kist_slice *keys,
                                               size_t count, kist_buf *values,
                                               kist_status *statuses);

/*
 * Puts `count` values, in no order, with as few syncs as will do; not one
 * step: a failure, or a cut, leaves some of them done.  statuses (may be NULL)
 * tell which; the first failure is the result.
 */
KIST_NODISCARD kist_status kist_store_put_many(kist_store *store,
                                               const kist_slice *keys,
                                               const kist_slice *values,
                                               size_t count,
                                               kist_status *statuses);

/* The number of values.  Reads names, not values. */
KIST_NODISCARD kist_status kist_store_count(kist_store *store,
                                            uint64_t *count);

/* True if there is no value; stops at the first it finds. */
KIST_NODISCARD kist_status kist_store_is_empty(kist_store *store, bool *empty);

/* Puts one of the keys, each as likely as the others, into *key.  NOTFOUND if
 * there is none. */
KIST_NODISCARD kist_status kist_store_random(kist_store *store, kist_buf *key);

/* Removes every value, and the directories that are left empty.  *count (may
 * be NULL) is how many there were.  POLICY if the store is append-only. */
KIST_NODISCARD kist_status kist_store_clear(kist_store *store,
                                            uint64_t *count);

/* --- scans ------------------------------------------------------------------
 */

typedef enum kist_store_order {
    KIST_ORDER_ANY = 0, /* as the directory has them; begins at once */
    KIST_ORDER_OLDEST,  /* by mtime_ns; reads every stat first */
    KIST_ORDER_NEWEST
} kist_store_order;

typedef struct kist_store_scan_options {
    bool stats;  /* fill in item.stat */
    bool values; /* fill in item.value */
    kist_store_order order;
    uint64_t count_max; /* stop after that many; 0: all */
} kist_store_scan_options;

/* Views good until the next call on the scan. */
typedef struct kist_store_item {
    kist_slice key;
    kist_slice value;
    kist_stat stat;
} kist_store_item;

/*
 * Begins a scan; NULL options are all off.  What is put or removed meanwhile
 * may come or not; everything else comes once.  A value that vanished is left
 * out; one that cannot be read ends the call with its status, and the next
 * call goes on behind it.
 */
KIST_NODISCARD kist_status
kist_store_scan_open(kist_store *store, const kist_store_scan_options *options,
                     kist_store_scan **scan);

/* KIST_END at the end, and for ever after. */
KIST_NODISCARD kist_status kist_store_scan_next(kist_store_scan *scan,
                                                kist_store_item *item);

void kist_store_scan_close(kist_store_scan *scan);

/* --- stores over stores -----------------------------------------------------
 * Each keeps what it stands on open; the caller may close his own handles.
 */

/*
 * `main` with a copy of its values in `data`, each good for the ETag that
 * stands in `etags` under the same key.  Every get asks `main` whether the
 * ETag is still its own; no get answers anything else than `main` would,
 * whoever shares the caches, and whatever fails or dies (how: src/store/
 * cachestore.c).  Beside `etags` stand entries of the format that adds "_of"
 * to its own.  INVALID if `main` is append-only, or a cache append-only or
 * read-only; UNSUPPORTED if `etags` has no other formats (NFS).
 */
KIST_NODISCARD kist_status kist_store_cached(kist_store *main,
                                             kist_store *data,
                                             kist_store *etags,
                                             kist_store **store);

/* An append-only `main` whose values are kept in `data`, too, and never asked
 * for again; ETags and sizes are.  INVALID if `main` is not append-only. */
KIST_NODISCARD kist_status kist_store_cached_appendonly(kist_store *main,
                                                        kist_store *data,
                                                        kist_store **store);

/*
 * A store in which a key can be written once: a second put of it keeps the
 * first value and, with probability `check` (0 to 1), compares: POLICY if they
 * differ.  INVALID if `main` is not append-only, or for another `check`.
 */
KIST_NODISCARD kist_status kist_store_write_once(kist_store *main,
                                                 double check,
                                                 kist_store **store);

/* How often a write-once store compared, and how that went. */
typedef struct kist_store_checks {
    uint64_t attempted;
    uint64_t passed;
    uint64_t failed;
} kist_store_checks;

/* INVALID if `store` is not of kist_store_write_once(). */
KIST_NODISCARD kist_status kist_store_checked(kist_store *store,
                                              kist_store_checks *checks);

#ifdef __cplusplus
}
#endif

#endif /* KIST_STORE_H */
