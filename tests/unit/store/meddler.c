#include "meddler.h"

#include "storebed.h"

typedef struct meddler {
    ki_wrap wrap;
    kt_meddling *meddling;
} meddler;

static kist_status
let_in(kist_store *store, kt_moment step)
{
    kt_meddling *m = ((meddler *)store)->meddling;
    kist_status status = KIST_OK;

    if (!m->inside) {
        m->steps++;
        if (m->before != NULL) {
            m->inside = true;
            status = m->before(m->context, step);
            m->inside = false;
        }
    }
    return status;
}

static kist_status
meddled_get(kist_store *store, kist_slice key, const kist_etag *unless,
            kist_buf *value, kist_stat *stat, bool *same)
{
    kt_meddling *m = ((meddler *)store)->meddling;
    kist_store *main = ((meddler *)store)->wrap.main;
    kist_status status = let_in(store, KT_BEFORE_GET);

    if (status == KIST_OK) {
        status = main->ops->get(main, key, unless, value, stat, same);
        if (status == KIST_OK && !m->inside) {
            m->reads += value != NULL && !(unless != NULL && *same);
        }
    }
    return status;
}

static kist_status
meddled_put(kist_store *store, kist_slice key, kist_slice value,
            const ki_rule *rule, ki_change *change)
{
    kist_store *main = ((meddler *)store)->wrap.main;
    const kist_status status = let_in(store, KT_BEFORE_PUT);

    return status != KIST_OK ? status
                             : main->ops->put(main, key, value, rule, change);
}

static kist_status
meddled_remove(kist_store *store, kist_slice key, const ki_rule *rule,
               ki_change *change)
{
    kist_store *main = ((meddler *)store)->wrap.main;
    const kist_status status = let_in(store, KT_BEFORE_REMOVE);

    return status != KIST_OK ? status
                             : main->ops->remove(main, key, rule, change);
}

static kist_status
meddled_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    kist_store *main;

    KT_OK(kist_store_sub(((meddler *)store)->wrap.main, prefix, &main));
    *sub = kt_meddled(main, ((meddler *)store)->meddling);
    kist_store_close(main);
    return KIST_OK;
}

static kist_status
meddled_reformat(kist_store *store, const char *format, kist_store **other)
{
    kist_store *main;

    KT_OK(kist_store_reformat(((meddler *)store)->wrap.main, format, &main));
    *other = kt_meddled(main, ((meddler *)store)->meddling);
    kist_store_close(main);
    return KIST_OK;
}

static const ki_store_ops meddled_ops = {
    .name = "meddled",
    .free = ki_wrap_free,
    .sub = meddled_sub,
    .reformat = meddled_reformat,
    .check = ki_wrap_check,
    .get = meddled_get,
    .put = meddled_put,
    .remove = meddled_remove,
    .scan_open = ki_wrap_scan_open,
    .scan_next = ki_wrap_scan_next,
    .scan_close = ki_wrap_scan_close,
};

kist_store *
kt_meddled(kist_store *main, kt_meddling *meddling)
{
    ki_wrap *wrap;

    KT_OK(ki_wrap_new(sizeof(meddler), &meddled_ops, main, &wrap));
    ((meddler *)wrap)->meddling = meddling;
    return &wrap->base;
}
