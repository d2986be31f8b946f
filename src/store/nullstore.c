/* The store that is always empty: what is put is checked and thrown away. */
#include "base/alloc.h"
#include "base/fail.h"
#include "store/key.h"
#include "store/storeops.h"

static const ki_store_ops null_ops;

static void
null_free(kist_store *store)
{
    ki_free(store);
}

kist_status
kist_store_open_null(const kist_store_options *options, kist_store **store)
{
    kist_store *s = ki_calloc(1, sizeof(*s));
    kist_status status;

    *store = NULL;
    if (s == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "null store");
    }
    status = ki_store_init(s, &null_ops, options);
    if (status != KIST_OK) {
        ki_free(s);
        return status;
    }
    *store = s;
    return KIST_OK;
}

static kist_status
null_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    (void)prefix;
    return kist_store_open_null(&store->options, sub);
}

static kist_status
null_reformat(kist_store *store, const char *format, kist_store **other)
{
    kist_store_options options = store->options;

    options.format = format;
    return kist_store_open_null(&options, other);
}

static kist_status
null_check(const kist_store *store, kist_slice key)
{
    (void)store;
    return ki_key_check(key);
}

static kist_status
null_get(kist_store *store, kist_slice key, const kist_etag *unless,
         kist_buf *value, kist_stat *stat, bool *same)
{
    (void)store;
    (void)key;
    (void)unless;
    (void)value;
    (void)stat;
    (void)same;
    return KIST_ERR_NOTFOUND;
}

/* What was put and removed at once is no change. */
static void
change_nothing(const ki_rule *rule, ki_change *change)
{
    static const kist_etag none = {.size = 0};

    if (change != NULL) {
        change->satisfied = rule == NULL || ki_rule_holds(rule, &none);
        change->changed = false;
        change->before = none;
        change->after = none;
    }
}

static kist_status
null_put(kist_store *store, kist_slice key, kist_slice value,
         const ki_rule *rule, ki_change *change)
{
    (void)store;
    (void)key;
    (void)value;
    change_nothing(rule, change);
    return KIST_OK;
}

static kist_status
null_remove(kist_store *store, kist_slice key, const ki_rule *rule,
            ki_change *change)
{
    (void)store;
    (void)key;
    change_nothing(rule, change);
    return KIST_OK;
}

/* There is nothing to remember of a place in it. */
static kist_status
null_scan_open(kist_store *store, bool stats, ki_cursor **cursor)
{
    (void)store;
    (void)stats;
    *cursor = NULL;
    return KIST_OK;
}

static kist_status
null_scan_next(ki_cursor *cursor, ki_found *found)
{
    (void)cursor;
    (void)found;
    return KIST_END;
}

static void
null_scan_close(ki_cursor *cursor)
{
    (void)cursor;
}

static const ki_store_ops null_ops = {
    .name = "null",
    .free = null_free,
    .sub = null_sub,
    .reformat = null_reformat,
    .check = null_check,
    .get = null_get,
    .put = null_put,
    .remove = null_remove,
    .scan_open = null_scan_open,
    .scan_next = null_scan_next,
    .scan_close = null_scan_close,
};
