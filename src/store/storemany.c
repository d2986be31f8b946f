/*
 * What backends that know no shorter way leave to the entries that they all
 * have: counting, choosing, clearing, many keys at once.
 */
#include "base/fail.h"
#include "base/hash.h"
#include "os/io.h"
#include "store/storeops.h"

/* Walks over all keys; `visit` answers KIST_END to stop, which is success. */
static kist_status
walk(kist_store *store,
     kist_status (*visit)(kist_store *store, kist_slice key, void *context),
     void *context)
{
    ki_cursor *cursor;
    ki_found found;
    kist_status status = store->ops->scan_open(store, false, &cursor);

    if (status != KIST_OK) {
        return status;
    }
    while ((status = store->ops->scan_next(cursor, &found)) == KIST_OK) {
        status = visit(store, found.key, context);
        if (status != KIST_OK) {
            break;
        }
    }
    store->ops->scan_close(cursor);
    return status == KIST_END ? KIST_OK : status;
}

/* --- counting
 * ---------------------------------------------------------------*/

static kist_status
count_one(kist_store *store, kist_slice key, void *context)
{
    uint64_t *count = context;

    (void)store;
    (void)key;
    ++*count;
    return KIST_OK;
}

kist_status
kist_store_count(kist_store *store, uint64_t *count)
{
    *count = 0;
    return store->ops->count != NULL ? store->ops->count(store, count)
                                     : walk(store, count_one, count);
}

static kist_status
find_one(kist_store *store, kist_slice key, void *context)
{
    bool *empty = context;

    (void)store;
    (void)key;
    *empty = false;
    return KIST_END;
}

kist_status
kist_store_is_empty(kist_store *store, bool *empty)
{
    *empty = true;
    return walk(store, find_one, empty);
}

/* --- choosing
 * ---------------------------------------------------------------*/

typedef struct choice {
    kist_buf *key;
    uint64_t met;
    uint64_t seed;
} choice;

/* The n-th key takes the place of the one before with probability 1 / n. */
static kist_status
choose(kist_store *store, kist_slice key, void *context)
{
    choice *c = context;

    (void)store;
    c->met++;
    if (ki_hash(&c->met, sizeof(c->met), c->seed) % c->met != 0) {
        return KIST_OK;
    }
    kist_buf_clear(c->key);
    return kist_buf_append(c->key, key.data, key.size);
}

kist_status
kist_store_random(kist_store *store, kist_buf *key)
{
    choice c = {.key = key};
    kist_status status;

    kist_buf_clear(key);
    if (store->ops->random != NULL) {
        return store->ops->random(store, key);
    }
    if (ki_io->random(&c.seed, sizeof(c.seed)) != 0) {
        return KI_FAIL(KIST_ERR_IO, NULL, KI_NO_OFFSET, "getrandom");
    }
    status = walk(store, choose, &c);
    return status == KIST_OK && c.met == 0 ? KIST_ERR_NOTFOUND : status;
}

/* --- clearing
 * ---------------------------------------------------------------*/

static kist_status
remove_one(kist_store *store, kist_slice key, void *context)
{
    uint64_t *count = context;
    ki_change change = {.changed = false};
    const kist_status status = store->ops->remove(store, key, NULL, &change);

    *count += status == KIST_OK && change.changed;
    return status == KIST_ERR_NOTFOUND ? KIST_OK : status;
}

kist_status
kist_store_clear(kist_store *store, uint64_t *count)
{
    uint64_t removed = 0;
    kist_status status;

    if (store->options.read_only) {
        return KI_FAIL(KIST_ERR_READONLY, NULL, KI_NO_OFFSET, "store");
    }
    if (store->options.append_only) {
        return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET,
                       "the store is append-only");
    }
    status = store->ops->clear != NULL ? store->ops->clear(store, &removed)
                                       : walk(store, remove_one, &removed);
    if (count != NULL) {
        *count = removed;
    }
    return status;
}

/* --- many at once
 * -----------------------------------------------------------*/

kist_status
kist_store_get_many(kist_store *store, const kist_slice *keys, size_t count,
                    kist_buf *values, kist_status *statuses)
{
    for (size_t i = 0; i < count; i++) {
        const kist_status status = store->ops->check(store, keys[i]);

        if (status != KIST_OK) {
            return status;
        }
    }
    if (store->ops->get_many != NULL) {
        return store->ops->get_many(store, keys, count, values, statuses);
    }
    for (size_t i = 0; i < count; i++) {
        statuses[i] =
            store->ops->get(store, keys[i], NULL, &values[i], NULL, NULL);
        if (statuses[i] != KIST_OK) {
            kist_buf_clear(&values[i]);
        }
    }
    return KIST_OK;
}

/* True if the backend may be given all of them at once. */
static bool
may_put_all(kist_store *store, const kist_slice *keys,
            const kist_slice *values, size_t count)
{
    // An append-only store asks of each key whether it is there.
    if (store->ops->put_many == NULL || store->options.append_only) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (ki_store_may_write(store, keys[i], values[i].size) != KIST_OK) {
            return false;
        }
    }
    return true;
}

kist_status
kist_store_put_many(kist_store *store, const kist_slice *keys,
                    const kist_slice *values, size_t count,
                    kist_status *statuses)
{
    kist_status first = KIST_OK;

    if (may_put_all(store, keys, values, count)) {
        return store->ops->put_many(store, keys, values, count, statuses);
    }
    for (size_t i = 0; i < count; i++) {
        const kist_status status =
            kist_store_put(store, keys[i], values[i], NULL);

        if (statuses != NULL) {
            statuses[i] = status;
        }
        if (first == KIST_OK) {
            first = status;
        }
    }
    return first;
}
