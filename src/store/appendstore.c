/*
 * An append-only store with a copy of its values elsewhere.  What a key has
 * once, it has for ever, so a copy is never asked about.
 */
#include "base/fail.h"
#include "store/wrapstore.h"

typedef struct appendstore {
    ki_wrap wrap;
    kist_store *data;
} appendstore;

static const ki_store_ops append_ops;

static void
keep(const appendstore *s, kist_slice key, kist_slice value)
{
    static const kist_condition always = {.rule = KIST_IF_ANY,
                                          .fetch = KIST_FETCH_NEVER};
    kist_outcome outcome;

    ki_wrap_ignore(
        kist_store_put_new_if(s->data, key, value, &always, NULL, &outcome));
}

static kist_status
append_get(kist_store *store, kist_slice key, const kist_etag *unless,
           kist_buf *value, kist_stat *stat, bool *same)
{
    const appendstore *s = (const appendstore *)store;
    kist_store *main = s->wrap.main;
    bool there = false;
    kist_status status;

    if (unless == NULL && stat == NULL) {
        // Main is asked only if the cache does not know the key.
        if (value == NULL) {
            status = kist_store_contains(s->data, key, &there);
            if (status == KIST_OK && there) {
                return KIST_OK;
            }
        }
        else if (kist_store_get(s->data, key, value, NULL) == KIST_OK) {
            return KIST_OK;
        }
    }
    else if (value != NULL) {
        // Its ETag is main's to tell; the value need not be.
        status = main->ops->get(main, key, unless, NULL, stat, same);
        if (status != KIST_OK || (unless != NULL && *same) ||
            kist_store_get(s->data, key, value, NULL) == KIST_OK) {
            return status;
        }
    }
    status = main->ops->get(main, key, unless, value, stat, same);
    if (status == KIST_OK && value != NULL && !(unless != NULL && *same)) {
        keep(s, key, kist_buf_slice(value));
    }
    return status;
}

static kist_status
append_put(kist_store *store, kist_slice key, kist_slice value,
           const ki_rule *rule, ki_change *change)
{
    const appendstore *s = (const appendstore *)store;
    kist_store *main = s->wrap.main;
    // A null rule never comes here: an append-only store is told to keep.
    const kist_status status = main->ops->put(main, key, value, rule, change);

    if (status == KIST_OK && change->changed) {
        keep(s, key, value);
    }
    return status;
}

/* Never comes here either. */
static kist_status
append_remove(kist_store *store, kist_slice key, const ki_rule *rule,
              ki_change *change)
{
    (void)store;
    (void)key;
    (void)rule;
    (void)change;
    return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                   "the store is append-only");
}

static void
append_free(kist_store *store)
{
    kist_store_close(((appendstore *)store)->data);
    ki_wrap_free(store);
}

static kist_status
append_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    const appendstore *s = (const appendstore *)store;
    kist_store *main = NULL;
    kist_store *data = NULL;
    kist_status status = kist_store_sub(s->wrap.main, prefix, &main);

    if (status == KIST_OK) {
        status = kist_store_sub(s->data, prefix, &data);
    }
    if (status == KIST_OK) {
        status = kist_store_cached_appendonly(main, data, sub);
    }
    kist_store_close(main);
    kist_store_close(data);
    return status;
}

static const ki_store_ops append_ops = {
    .name = "cached append-only",
    .free = append_free,
    .sub = append_sub,
    .check = ki_wrap_check,
    .get = append_get,
    .put = append_put,
    .remove = append_remove,
    .scan_open = ki_wrap_scan_open,
    .scan_next = ki_wrap_scan_next,
    .scan_close = ki_wrap_scan_close,
    .count = ki_wrap_count,
    .random = ki_wrap_random,
};

kist_status
kist_store_cached_appendonly(kist_store *main, kist_store *data,
                             kist_store **store)
{
    ki_wrap *wrap;
    kist_status status;

    *store = NULL;
    if (!main->options.append_only) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "the store is not append-only");
    }
    status = ki_wrap_new(sizeof(appendstore), &append_ops, main, &wrap);
    if (status == KIST_OK) {
        ((appendstore *)wrap)->data = ki_store_hold(data);
        *store = &wrap->base;
    }
    return status;
}
