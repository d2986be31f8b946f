/*
 * What is asked before a backend is: that the key is one, that the store may
 * be written.  Policy is decided here, too, and still in one step with the
 * write: an append-only store is one whose puts keep what is there.
 */
#include "store/storeops.h"

#include <string.h>

#include "base/fail.h"
#include "store/key.h"

#define LOCK_TIMEOUT_MS 30000
#define VALUE_SIZE_MAX  ((size_t)1 << 30)
#define DIGEST_LEN      4

void
kist_store_options_init(kist_store_options *options)
{
    *options = (kist_store_options){
        .format = "bin",
        .digest_len = DIGEST_LEN,
        .durability = KIST_STORE_SYNC,
        .lock_timeout_ms = LOCK_TIMEOUT_MS,
        .value_size_max = VALUE_SIZE_MAX,
    };
}

static kist_status
check_format(const char *format)
{
    size_t size = 0;

    while (size <= KI_FORMAT_SIZE_MAX && ki_key_safe(format[size])) {
        size++;
    }
    if (size == 0 || size > KI_FORMAT_SIZE_MAX || format[size] != '\0') {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "a format has 1 to 32 safe characters");
    }
    return KIST_OK;
}

kist_status
ki_store_init(kist_store *store, const ki_store_ops *ops,
              const kist_store_options *options)
{
    kist_store_options defaults;
    kist_status status;

    if (options == NULL) {
        kist_store_options_init(&defaults);
        options = &defaults;
    }
    status = options->format == NULL
                 ? KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET, "no format")
                 : check_format(options->format);
    if (status != KIST_OK) {
        return status;
    }
    if (options->lock_timeout_ms < 0 || options->value_size_max == 0 ||
        (unsigned)options->durability > KIST_STORE_NONE) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "an option of a store is out of range");
    }
    store->ops = ops;
    atomic_init(&store->refs, 1);
    store->options = *options;
    memcpy(store->format, options->format, strlen(options->format) + 1);
    store->options.format = store->format;
    return KIST_OK;
}

kist_store *
ki_store_hold(kist_store *store)
{
    atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
    return store;
}

void
kist_store_close(kist_store *store)
{
    if (store != NULL && atomic_fetch_sub_explicit(
                             &store->refs, 1, memory_order_acq_rel) == 1) {
        store->ops->free(store);
    }
}

kist_status
kist_store_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    kist_status status;

    *sub = NULL;
    if (store->ops->sub == NULL) {
        return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, KI_NO_OFFSET,
                       "sub-stores of this store");
    }
    if (prefix.size == 0) {
        *sub = ki_store_hold(store);
        return KIST_OK;
    }
    status = store->ops->check(store, prefix);
    return status != KIST_OK ? status : store->ops->sub(store, prefix, sub);
}

kist_status
kist_store_reformat(kist_store *store, const char *format, kist_store **other)
{
    kist_status status;

    *other = NULL;
    status = check_format(format);
    if (status != KIST_OK) {
        return status;
    }
    if (store->ops->reformat == NULL) {
        return KI_FAIL(KIST_ERR_UNSUPPORTED, NULL, KI_NO_OFFSET,
                       "another format of this store");
    }
    return store->ops->reformat(store, format, other);
}

kist_status
ki_store_may_write(const kist_store *store, kist_slice key, size_t size)
{
    const kist_status status = store->ops->check(store, key);

    if (status != KIST_OK) {
        return status;
    }
    if (store->options.read_only) {
        return KI_FAIL(KIST_ERR_READONLY, NULL, KI_NO_OFFSET, "store");
    }
    if (size > store->options.value_size_max) {
        return KI_FAIL_LIMIT(KIST_ERR_TOOBIG, size,
                             store->options.value_size_max,
                             "value of a store");
    }
    return KIST_OK;
}

kist_status
kist_store_get(kist_store *store, kist_slice key, kist_buf *value,
               kist_etag *etag)
{
    kist_status status = store->ops->check(store, key);
    kist_stat stat;

    if (status == KIST_OK) {
        status = store->ops->get(store, key, NULL, value,
                                 etag == NULL ? NULL : &stat, NULL);
    }
    if (status != KIST_OK) {
        kist_buf_clear(value);
        return status;
    }
    if (etag != NULL) {
        *etag = stat.etag;
    }
    return KIST_OK;
}

/* The store is append-only: the value is put if there is none. */
static kist_status
put_new(kist_store *store, kist_slice key, kist_slice value, kist_etag *etag)
{
    static const ki_rule keep = {.rule = KIST_IF_ANY, .keep = true};
    ki_change change = {.changed = false};
    const kist_status status =
        store->ops->put(store, key, value, &keep, &change);

    if (status != KIST_OK) {
        return status;
    }
    if (!change.changed && change.before.size > 0) {
        return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                       "the store is append-only");
    }
    if (etag != NULL) {
        *etag = change.after;
    }
    return KIST_OK;
}

kist_status
kist_store_put(kist_store *store, kist_slice key, kist_slice value,
               kist_etag *etag)
{
    kist_status status = ki_store_may_write(store, key, value.size);
    ki_change change;

    if (status != KIST_OK) {
        return status;
    }
    if (store->options.append_only) {
        return put_new(store, key, value, etag);
    }
    if (etag == NULL) {
        return store->ops->put(store, key, value, NULL, NULL);
    }
    change.after.size = 0;
    status = store->ops->put(store, key, value, NULL, &change);
    if (status == KIST_OK) {
        *etag = change.after;
    }
    return status;
}

kist_status
kist_store_remove(kist_store *store, kist_slice key)
{
    kist_status status = ki_store_may_write(store, key, 0);
    ki_change change = {.changed = false};

    if (status != KIST_OK) {
        return status;
    }
    if (store->options.append_only) {
        return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                       "the store is append-only");
    }
    status = store->ops->remove(store, key, NULL, &change);
    return status == KIST_OK && !change.changed ? KIST_ERR_NOTFOUND : status;
}

kist_status
kist_store_stat(kist_store *store, kist_slice key, kist_stat *stat)
{
    const kist_status status = store->ops->check(store, key);

    return status != KIST_OK
               ? status
               : store->ops->get(store, key, NULL, NULL, stat, NULL);
}

kist_status
kist_store_contains(kist_store *store, kist_slice key, bool *contains)
{
    kist_status status = store->ops->check(store, key);

    if (status != KIST_OK) {
        return status;
    }
    status = store->ops->get(store, key, NULL, NULL, NULL, NULL);
    *contains = status == KIST_OK;
    return status == KIST_ERR_NOTFOUND ? KIST_OK : status;
}
