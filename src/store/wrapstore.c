#include "store/wrapstore.h"

#include "base/alloc.h"
#include "base/fail.h"

struct ki_cursor {
    const ki_store_ops *ops; // main's
    ki_cursor *inner;
};

kist_status
ki_wrap_new(size_t size, const ki_store_ops *ops, kist_store *main,
            ki_wrap **wrap)
{
    ki_wrap *w = ki_calloc(1, size);
    kist_status status;

    *wrap = NULL;
    if (w == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "store");
    }
    status = ki_store_init(&w->base, ops, &main->options);
    if (status != KIST_OK) {
        ki_free(w);
        return status;
    }
    w->main = ki_store_hold(main);
    *wrap = w;
    return KIST_OK;
}

void
ki_wrap_free(kist_store *store)
{
    kist_store_close(((ki_wrap *)store)->main);
    ki_free(store);
}

kist_status
ki_wrap_check(const kist_store *store, kist_slice key)
{
    const kist_store *main = ((const ki_wrap *)store)->main;

    return main->ops->check(main, key);
}

kist_status
ki_wrap_scan_open(kist_store *store, bool stats, ki_cursor **cursor)
{
    kist_store *main = ((const ki_wrap *)store)->main;
    ki_cursor *c = ki_calloc(1, sizeof(*c));
    kist_status status;

    *cursor = NULL;
    if (c == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
    }
    c->ops = main->ops;
    status = main->ops->scan_open(main, stats, &c->inner);
    if (status != KIST_OK) {
        ki_free(c);
        return status;
    }
    *cursor = c;
    return KIST_OK;
}

kist_status
ki_wrap_scan_next(ki_cursor *cursor, ki_found *found)
{
    return cursor->ops->scan_next(cursor->inner, found);
}

void
ki_wrap_scan_close(ki_cursor *cursor)
{
    cursor->ops->scan_close(cursor->inner);
    ki_free(cursor);
}

kist_status
ki_wrap_count(kist_store *store, uint64_t *count)
{
    return kist_store_count(((const ki_wrap *)store)->main, count);
}

kist_status
ki_wrap_random(kist_store *store, kist_buf *key)
{
    return kist_store_random(((const ki_wrap *)store)->main, key);
}
