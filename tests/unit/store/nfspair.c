#include "nfspair.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/nfsindex.h"
#include "store/storeops.h"
#include "support/check.h"

#define PREFIX_SIZE_MAX 100

typedef struct pair_store {
    kist_store store;
    kist_store *inner;
    size_t prefix_size;
    char prefix[PREFIX_SIZE_MAX + 1]; // of a sub-store, ending in "/"
} pair_store;

struct ki_cursor {
    kist_store *store;
    ki_cursor *inner;
    bool stats;
};

static kist_store *make(kist_store *inner, const char *prefix, size_t size);

static kist_store *
inner_of(kist_store *store)
{
    return ((pair_store *)store)->inner;
}

/* The key as the store below has it; the caller frees it. */
static kist_slice
whole(const kist_store *store, kist_slice key)
{
    const pair_store *pairs = (const pair_store *)store;
    kist_buf text = {0};

    KT_OK(kist_buf_append(&text, pairs->prefix, pairs->prefix_size));
    KT_OK(kist_buf_append(&text, key.data, key.size));
    KT_OK(kist_buf_reserve(&text, 1));
    return kist_buf_slice(&text);
}

static void
let_go(kist_slice key)
{
    ki_free((void *)(uintptr_t)key.data);
}

static void
pair_free(kist_store *store)
{
    kist_store_close(inner_of(store));
    ki_free(store);
}

static kist_status
pair_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    const kist_slice path = whole(store, prefix);
    char text[PREFIX_SIZE_MAX + 1];

    KT_CHECK(path.size < PREFIX_SIZE_MAX, "prefix");
    memcpy(text, path.data, path.size);
    text[path.size] = '/';
    *sub = make(inner_of(store), text, path.size + 1);
    let_go(path);
    return KIST_OK;
}

static kist_status
pair_reformat(kist_store *store, const char *format, kist_store **other)
{
    return kist_store_reformat(inner_of(store), format, other);
}

static kist_status
pair_check(const kist_store *store, kist_slice key)
{
    const kist_store *inner = ((const pair_store *)store)->inner;

    return inner->ops->check(inner, key);
}

/* The second string of the array takes its place. */
static void
unwrap(kist_buf *value)
{
    kist_buf scratch = {0};
    kist_buf text = {0};
    kist_slice found;
    size_t at = 1;

    KT_OK(kist_buf_reserve(&scratch, value->size));
    KT_OK(ki_nfsjson_string(kist_buf_slice(value), &at, &scratch, &found));
    at++;
    ki_nfsjson_space(kist_buf_slice(value), &at);
    KT_OK(ki_nfsjson_string(kist_buf_slice(value), &at, &scratch, &found));
    KT_OK(kist_buf_append(&text, found.data, found.size));
    kist_buf_clear(value);
    KT_OK(kist_buf_append(value, text.data, text.size));
    kist_buf_fini(&scratch);
    kist_buf_fini(&text);
}

static kist_status
pair_get(kist_store *store, kist_slice key, const kist_etag *unless,
         kist_buf *value, kist_stat *stat, bool *same)
{
    kist_store *inner = inner_of(store);
    const kist_slice path = whole(store, key);
    kist_buf own = {0};
    kist_status status = inner->ops->get(
        inner, path, unless, value == NULL ? &own : value, stat, same);

    if (status == KIST_OK && (unless == NULL || !*same)) {
        unwrap(value == NULL ? &own : value);
        if (stat != NULL) {
            stat->size = value == NULL ? own.size : value->size;
        }
    }
    kist_buf_fini(&own);
    let_go(path);
    return status;
}

static kist_status
pair_put(kist_store *store, kist_slice key, kist_slice value,
         const ki_rule *rule, ki_change *change)
{
    kist_store *inner = inner_of(store);
    const kist_slice path = whole(store, key);
    kist_buf pair = {0};
    kist_status status;

    KT_OK(ki_nfsindex_begin(KI_NFS_JSON, &pair));
    KT_OK(ki_nfsindex_add(KI_NFS_JSON, &pair, path));
    KT_OK(ki_nfsindex_add(KI_NFS_JSON, &pair, value));
    KT_OK(ki_nfsindex_end(KI_NFS_JSON, &pair));
    status = inner->ops->put(inner, path, kist_buf_slice(&pair), rule, change);
    kist_buf_fini(&pair);
    let_go(path);
    return status;
}

static kist_status
pair_remove(kist_store *store, kist_slice key, const ki_rule *rule,
            ki_change *change)
{
    kist_store *inner = inner_of(store);
    const kist_slice path = whole(store, key);
    const kist_status status = inner->ops->remove(inner, path, rule, change);

    let_go(path);
    return status;
}

static kist_status
pair_scan_open(kist_store *store, bool stats, ki_cursor **cursor)
{
    kist_store *inner = inner_of(store);
    ki_cursor *made = ki_calloc(1, sizeof(*made));

    KT_CHECK(made != NULL, "memory");
    made->store = ki_store_hold(store);
    made->stats = stats;
    KT_OK(inner->ops->scan_open(inner, stats, &made->inner));
    *cursor = made;
    return KIST_OK;
}

static kist_status
pair_scan_next(ki_cursor *cursor, ki_found *found)
{
    const pair_store *pairs = (const pair_store *)cursor->store;
    kist_status status;

    do {
        status = pairs->inner->ops->scan_next(cursor->inner, found);
    } while (status == KIST_OK && (found->key.size <= pairs->prefix_size ||
                                   memcmp(found->key.data, pairs->prefix,
                                          pairs->prefix_size) != 0));
    if (status != KIST_OK) {
        return status;
    }
    found->key.data = (const char *)found->key.data + pairs->prefix_size;
    found->key.size -= pairs->prefix_size;
    return cursor->stats ? pair_get(cursor->store, found->key, NULL, NULL,
                                    &found->stat, NULL)
                         : KIST_OK;
}

static void
pair_scan_close(ki_cursor *cursor)
{
    inner_of(cursor->store)->ops->scan_close(cursor->inner);
    kist_store_close(cursor->store);
    ki_free(cursor);
}

static kist_store *
make(kist_store *inner, const char *prefix, size_t size)
{
    static const ki_store_ops ops = {
        .name = "pairs",
        .free = pair_free,
        .sub = pair_sub,
        .reformat = pair_reformat,
        .check = pair_check,
        .get = pair_get,
        .put = pair_put,
        .remove = pair_remove,
        .scan_open = pair_scan_open,
        .scan_next = pair_scan_next,
        .scan_close = pair_scan_close,
    };
    pair_store *made = ki_calloc(1, sizeof(*made));

    KT_CHECK(made != NULL, "memory");
    KT_OK(ki_store_init(&made->store, &ops, NULL));
    made->inner = ki_store_hold(inner);
    made->prefix_size = size;
    memcpy(made->prefix, prefix, size);
    return &made->store;
}

kist_store *
kt_nfspair_new(kist_store *inner)
{
    return make(inner, "", 0);
}
