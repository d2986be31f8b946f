/*
 * storebed.h - what every store has to do, tried on any of them: each
 * conditional call in each case there is, random histories beside a model,
 * threads that count, scans.
 *
 * Layer    tests/unit/store: public headers only.
 */
#ifndef KT_STORE_STOREBED_H
#define KT_STORE_STOREBED_H

#include "kist/store.h"
#include "support/check.h"
#include "support/script.h"

#define KT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is to be expected of a store. */
typedef enum kt_store_kind {
    KT_STORE_PLAIN = 0,
    KT_STORE_APPEND_ONLY, /* KIST_ERR_POLICY where a value would go */
    KT_STORE_WRITE_ONCE,  /* the same, but a second put keeps the first */
    KT_STORE_NULL         /* always empty */
} kt_store_kind;

/* "text" is the key's value, with this ETag (NULL: not looked at). */
void kt_store_check_value(kist_store *store, const char *key, const char *text,
                          const kist_etag *etag);
void kt_store_check_absent(kist_store *store, const char *key);

/* Puts; the ETag that the key has then. */
kist_etag kt_store_put(kist_store *store, const char *key, const char *text);

/* Fails unless a scan in KIST_ORDER_ANY gives these keys, in some order, each
 * once: "a b/c d", sorted by bytes. */
void kt_store_check_keys(kist_store *store, const char *expected);

/*
 * Every combination of call, rule, expected ETag (none, the key's, one of
 * another write), presence and fetch: outcomes, values and what the key holds
 * afterwards are those of the table of contracts/persidict.md, 1.6.  Puts
 * keys that begin with "case-" into the store, which has none such; returns
 * how many combinations were tried.
 */
unsigned kt_store_oracle(kist_store *store, kt_store_kind kind);

/*
 * A random history beside a model: puts, removes, conditions, transforms,
 * many at once, scans in all orders, counts, random keys, sub-stores, clear.
 * The store is empty before and afterwards.  Not for KT_STORE_NULL; kinds that
 * keep everything are left with their keys.
 */
void kt_store_history(kist_store *store, kt_store_kind kind, uint64_t seed,
                      unsigned steps);

/*
 * `threads` threads add 1 to one of `keys` counters `times` times each, by
 * transform and by put_if in turn: the sum is exact.  Removes them.
 */
void kt_store_counters(kist_store *store, unsigned threads, unsigned keys,
                       unsigned times);

/* `threads` threads put_new_if() each of `keys` keys: one wins each, all are
 * told its value. */
void kt_store_inserts(kist_store *store, unsigned threads, unsigned keys);

/* --- one conditional call
 * ---------------------------------------------------*/

typedef enum kt_call {
    KT_CALL_GET,
    KT_CALL_PUT,
    KT_CALL_PUT_NEW,
    KT_CALL_REMOVE
} kt_call;

/* A conditional call, and what it meets. */
typedef struct kt_trial {
    kt_call call;
    kist_condition condition;
    bool there; // the key has a value
    bool same;  // the expected ETag is the key's, or both are none
    kt_store_kind kind;
} kt_trial;

/* What the contract says of it. */
typedef struct kt_verdict {
    bool policy;
    bool satisfied;
    bool written; // a new ETag
    bool removed;
    kist_found found;
} kt_verdict;

/* Makes the call, and fails unless all that it answers is what the contract
 * says; `present` is the value that is there, `now` its ETag. */
kt_verdict kt_store_try(kist_store *store, const kt_trial *t, kist_slice key,
                        kist_slice given, kist_slice present,
                        const kist_etag *now, kist_outcome *outcome);

#endif /* KT_STORE_STOREBED_H */
