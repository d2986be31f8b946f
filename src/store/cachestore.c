/*
 * A store with a copy of its values elsewhere.
 *
 *     main    key -> value                  asked in every get: is the ETag
 *                                           still the one of the copy?
 *     data    key -> copy of the value      its own ETag: the bond's `copy`
 *     bonds   key -> (ETag in main, ETag of the copy in data)
 *     etags   key -> ETag in main           as text, for others to read
 *
 * NEVER STALE.  A copy is served only if, of three things that were asked for
 * in this order, (1) the bond names an ETag E of main and an ETag C of data,
 * (2) main says that the key's ETag is E now, and (3) data gives the value
 * together with its ETag, and that is C.  ETags are never given twice for one
 * key.  So the value read in (3) is the one that the writer of the bond put
 * into data, and that writer put it there as the value which main has, or had,
 * under E: he either wrote it to main and was told E, or read both from main
 * in one get.  By (2) it is what main held after the call began.  Nothing was
 * said of the order in which anybody writes: any number of processes may fill,
 * replace, remove or lose these entries at any time, or die between two of
 * them, and what comes of it are bonds that do not match, which are misses.
 *
 * Two entries, a value and its ETag, could not do it: who writes both leaves
 * them to who reads both, and two writers can leave one's value with the
 * other's ETag for ever.  The bond stands beside `etags`, in a format of its
 * own (that of `etags` with BOND_SUFFIX), since whoever shares the caches and
 * does not know of bonds reads the bare ETag in `etags` and takes it for
 * main's.  It is for him that `etags` is kept, and that its entry is removed
 * before the value in `data` is replaced, and again if that was replaced by
 * somebody else before the new ETag was there; what he leaves there himself is
 * not trusted.
 *
 * A cache that fails is a cache that has nothing: the call goes on.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "store/wrapstore.h"

#define BOND_SUFFIX "_of"

typedef struct cachestore {
    ki_wrap wrap;
    kist_store *data;
    kist_store *etags;
    kist_store *bonds;
} cachestore;

/* What is known of a copy. */
typedef struct bond {
    kist_etag main; // empty: there is none
    kist_etag copy;
} bond;

/* --- bonds
 * ------------------------------------------------------------------*/

/* A byte for the size of the first ETag, then both. */
static kist_status
save_bond(const cachestore *s, kist_slice key, const bond *b)
{
    uint8_t text[1 + 2 * KIST_ETAG_SIZE_MAX];
    const size_t size = (size_t)1 + b->main.size + b->copy.size;

    text[0] = b->main.size;
    memcpy(text + 1, b->main.text, b->main.size);
    memcpy(text + 1 + b->main.size, b->copy.text, b->copy.size);
    return kist_store_put(s->bonds, key, kist_bytes(text, size), NULL);
}

/* What cannot be read is no bond. */
static void
load_bond(const cachestore *s, kist_slice key, bond *b)
{
    kist_buf text;

    kist_buf_init(&text, 1 + 2 * KIST_ETAG_SIZE_MAX);
    b->main.size = 0;
    b->copy.size = 0;
    if (kist_store_get(s->bonds, key, &text, NULL) == KIST_OK &&
        text.size > 0) {
        const size_t size = text.data[0];
        const size_t rest = text.size - 1;

        if (size > 0 && size <= KIST_ETAG_SIZE_MAX && size < rest &&
            rest - size <= KIST_ETAG_SIZE_MAX) {
            b->main.size = (uint8_t)size;
            b->copy.size = (uint8_t)(rest - size);
            memcpy(b->main.text, text.data + 1, size);
            memcpy(b->copy.text, text.data + 1 + size, rest - size);
        }
    }
    kist_buf_fini(&text);
}

/* True if the copy was read that belongs to the bond. */
static bool
load_copy(const cachestore *s, kist_slice key, const bond *b, kist_buf *value)
{
    kist_etag copy;

    return kist_store_get(s->data, key, value, &copy) == KIST_OK &&
           kist_etag_equal(&copy, &b->copy);
}

static void
forget(const cachestore *s, kist_slice key)
{
    ki_wrap_ignore(kist_store_remove(s->etags, key));
    ki_wrap_ignore(kist_store_remove(s->bonds, key));
    ki_wrap_ignore(kist_store_remove(s->data, key));
}

/* Keeps a copy of a value that main has, or had, under `etag`. */
static void
keep(const cachestore *s, kist_slice key, kist_slice value,
     const kist_etag *etag)
{
    kist_condition same = {.rule = KIST_IF_SAME, .fetch = KIST_FETCH_NEVER};
    kist_outcome outcome;
    kist_stat stat;
    bond b = {.main = *etag};

    if (etag->size == 0) {
        forget(s, key);
        return;
    }
    ki_wrap_ignore(kist_store_remove(s->etags, key));
    if (kist_store_put(s->data, key, value, &b.copy) != KIST_OK ||
        save_bond(s, key, &b) != KIST_OK ||
        kist_store_put(s->etags, key, kist_bytes(etag->text, etag->size),
                       &same.expected) != KIST_OK) {
        return;
    }
    if (kist_store_stat(s->data, key, &stat) != KIST_OK ||
        !kist_etag_equal(&stat.etag, &b.copy)) {
        ki_wrap_ignore(kist_store_remove_if(s->etags, key, &same, &outcome));
    }
}

/* --- operations
 * -------------------------------------------------------------*/

static const ki_store_ops cache_ops;

/* From main, and a copy of it. */
static kist_status
get_anew(const cachestore *s, kist_slice key, kist_buf *value, kist_stat *stat)
{
    kist_store *main = s->wrap.main;
    const kist_status status =
        main->ops->get(main, key, NULL, value, stat, NULL);

    if (status == KIST_OK) {
        keep(s, key, kist_buf_slice(value), &stat->etag);
    }
    return status;
}

static kist_status
cache_get(kist_store *store, kist_slice key, const kist_etag *unless,
          kist_buf *value, kist_stat *stat, bool *same)
{
    const cachestore *s = (const cachestore *)store;
    kist_store *main = s->wrap.main;
    bool current = false;
    kist_stat known;
    kist_status status;
    bond b;

    if (value == NULL) {
        return main->ops->get(main, key, unless, NULL, stat, same);
    }
    load_bond(s, key, &b);
    if (unless != NULL) {
        // Two ETags are of interest, so main is asked for its own.
        status = main->ops->get(main, key, NULL, NULL, &known, NULL);
        *same = status == KIST_OK && kist_etag_equal(unless, &known.etag);
        current = status == KIST_OK && kist_etag_equal(&b.main, &known.etag);
        if (status == KIST_OK && !*same && !current) {
            status = get_anew(s, key, value, &known);
        }
    }
    else if (b.main.size > 0) {
        status = main->ops->get(main, key, &b.main, value, &known, &current);
        if (status == KIST_OK && !current) {
            keep(s, key, kist_buf_slice(value), &known.etag);
        }
    }
    else {
        status = get_anew(s, key, value, &known);
    }
    if (status == KIST_OK && current && !(unless != NULL && *same) &&
        !load_copy(s, key, &b, value)) {
        status = get_anew(s, key, value, &known);
    }
    if (status == KIST_ERR_NOTFOUND && b.main.size > 0) {
        forget(s, key);
    }
    if (status == KIST_OK && stat != NULL) {
        *stat = known;
    }
    return status;
}

static kist_status
cache_put(kist_store *store, kist_slice key, kist_slice value,
          const ki_rule *rule, ki_change *change)
{
    const cachestore *s = (const cachestore *)store;
    kist_store *main = s->wrap.main;
    // A write-once main says if it kept what it had; others say nothing.
    ki_change made = {.changed = true};
    const kist_status status = main->ops->put(main, key, value, rule, &made);

    if (status == KIST_OK && made.changed) {
        keep(s, key, value, &made.after);
    }
    if (change != NULL) {
        *change = made;
    }
    return status;
}

static kist_status
cache_remove(kist_store *store, kist_slice key, const ki_rule *rule,
             ki_change *change)
{
    const cachestore *s = (const cachestore *)store;
    kist_store *main = s->wrap.main;
    ki_change made = {.changed = false};
    const kist_status status = main->ops->remove(main, key, rule, &made);

    if (status == KIST_OK && (made.changed || made.before.size == 0)) {
        forget(s, key);
    }
    if (change != NULL) {
        *change = made;
    }
    return status;
}

static kist_status
cache_clear(kist_store *store, uint64_t *count)
{
    const cachestore *s = (const cachestore *)store;
    const kist_status status = kist_store_clear(s->wrap.main, count);

    ki_wrap_ignore(kist_store_clear(s->etags, NULL));
    ki_wrap_ignore(kist_store_clear(s->bonds, NULL));
    ki_wrap_ignore(kist_store_clear(s->data, NULL));
    return status;
}

/* --- opening and closing
 * ----------------------------------------------------*/

static void
cache_free(kist_store *store)
{
    const cachestore *s = (const cachestore *)store;

    kist_store_close(s->data);
    kist_store_close(s->etags);
    kist_store_close(s->bonds);
    ki_wrap_free(store);
}

static kist_status
open_cached(kist_store *main, kist_store *data, kist_store *etags,
            kist_store *bonds, kist_store **store)
{
    ki_wrap *wrap;
    const kist_status status =
        ki_wrap_new(sizeof(cachestore), &cache_ops, main, &wrap);

    if (status == KIST_OK) {
        cachestore *s = (cachestore *)wrap;

        s->data = ki_store_hold(data);
        s->etags = ki_store_hold(etags);
        s->bonds = ki_store_hold(bonds);
        *store = &wrap->base;
    }
    return status;
}

static kist_status
cache_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    const cachestore *s = (const cachestore *)store;
    kist_store *all[] = {s->wrap.main, s->data, s->etags, s->bonds};
    kist_store *subs[4] = {NULL};
    kist_status status = KIST_OK;

    for (size_t i = 0; status == KIST_OK && i < 4; i++) {
        status = kist_store_sub(all[i], prefix, &subs[i]);
    }
    if (status == KIST_OK) {
        status = open_cached(subs[0], subs[1], subs[2], subs[3], sub);
    }
    for (size_t i = 0; i < 4; i++) {
        kist_store_close(subs[i]);
    }
    return status;
}

static const ki_store_ops cache_ops = {
    .name = "cached",
    .free = cache_free,
    .sub = cache_sub,
    .check = ki_wrap_check,
    .get = cache_get,
    .put = cache_put,
    .remove = cache_remove,
    .scan_open = ki_wrap_scan_open,
    .scan_next = ki_wrap_scan_next,
    .scan_close = ki_wrap_scan_close,
    .count = ki_wrap_count,
    .random = ki_wrap_random,
    .clear = cache_clear,
};

static bool
may_change(const kist_store *store)
{
    return !store->options.append_only && !store->options.read_only;
}

kist_status
kist_store_cached(kist_store *main, kist_store *data, kist_store *etags,
                  kist_store **store)
{
    char format[KI_FORMAT_SIZE_MAX + sizeof(BOND_SUFFIX)];
    kist_store *bonds;
    kist_status status;

    *store = NULL;
    if (main->options.append_only || !may_change(data) || !may_change(etags)) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "a cached store or a cache cannot be append-only");
    }
    memcpy(format, etags->format, strlen(etags->format));
    memcpy(format + strlen(etags->format), BOND_SUFFIX, sizeof(BOND_SUFFIX));
    status = kist_store_reformat(etags, format, &bonds);
    if (status == KIST_OK) {
        status = open_cached(main, data, etags, bonds, store);
        kist_store_close(bonds);
    }
    return status;
}
