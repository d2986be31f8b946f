/*
 * A store in which the first value of a key stays.  It is append-only by
 * itself, as a second put is no failure here: so its options do not say so,
 * and what an append-only store refuses, it refuses in its entries.
 */
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "os/io.h"
#include "store/wrapstore.h"

typedef struct oncestore {
    ki_wrap wrap;
    double check;
    uint64_t seed;
    _Atomic uint64_t draws;
    _Atomic uint64_t attempted;
    _Atomic uint64_t passed;
    _Atomic uint64_t failed;
} oncestore;

static const ki_store_ops once_ops;

static kist_status
refuse(const char *what)
{
    return KI_FAIL(KIST_ERR_POLICY, NULL, KI_NO_OFFSET, what);
}

static kist_status
once_get(kist_store *store, kist_slice key, const kist_etag *unless,
         kist_buf *value, kist_stat *stat, bool *same)
{
    kist_store *main = ((const oncestore *)store)->wrap.main;

    return main->ops->get(main, key, unless, value, stat, same);
}

/* True with the probability that was asked for. */
static bool
is_to_check(oncestore *s)
{
    uint64_t draw;

    if (s->check <= 0 || s->check >= 1) {
        return s->check >= 1;
    }
    draw = atomic_fetch_add_explicit(&s->draws, 1, memory_order_relaxed);
    draw = ki_hash(&draw, sizeof(draw), s->seed) >> 11;
    return (double)draw < s->check * (double)(UINT64_C(1) << 53);
}

/* POLICY if the first value is another; nothing if it is gone. */
static kist_status
compare(oncestore *s, kist_slice key, kist_slice value)
{
    kist_store *main = s->wrap.main;
    kist_buf first = {0};
    kist_status status = main->ops->get(main, key, NULL, &first, NULL, NULL);

    if (status == KIST_OK) {
        const bool equal = first.size == value.size &&
                           (first.size == 0 ||
                            memcmp(first.data, value.data, first.size) == 0);

        atomic_fetch_add(&s->attempted, 1);
        atomic_fetch_add(equal ? &s->passed : &s->failed, 1);
        if (!equal) {
            status = refuse("the store is write-once, with another value");
        }
    }
    kist_buf_fini(&first);
    return status == KIST_ERR_NOTFOUND ? KIST_OK : status;
}

static kist_status
once_put(kist_store *store, kist_slice key, kist_slice value,
         const ki_rule *rule, ki_change *change)
{
    oncestore *s = (oncestore *)store;
    kist_store *main = s->wrap.main;
    ki_rule kept = {.rule = KIST_IF_ANY};
    ki_change made = {.changed = false};
    kist_status status;

    if (rule != NULL) {
        kept = *rule;
    }
    kept.keep = true;
    status = main->ops->put(main, key, value, &kept, &made);
    if (status != KIST_OK) {
        return status;
    }
    if (!made.changed) {
        made.after = made.before;
        if (rule == NULL && made.before.size > 0 && is_to_check(s)) {
            status = compare(s, key, value);
        }
        else if (rule != NULL && !rule->keep && made.satisfied &&
                 made.before.size > 0) {
            status = refuse("the store is write-once");
        }
    }
    if (change != NULL) {
        *change = made;
    }
    return status;
}

/* Only what is there is refused; the others are told so. */
static kist_status
once_remove(kist_store *store, kist_slice key, const ki_rule *rule,
            ki_change *change)
{
    kist_store *main = ((const oncestore *)store)->wrap.main;
    ki_change made = {.satisfied = true};
    kist_stat stat;
    kist_status status;

    if (rule == NULL) {
        return refuse("the store is write-once");
    }
    status = main->ops->get(main, key, NULL, NULL, &stat, NULL);
    if (status != KIST_OK && status != KIST_ERR_NOTFOUND) {
        return status;
    }
    if (status == KIST_OK) {
        made.before = stat.etag;
    }
    made.after = made.before;
    made.satisfied = ki_rule_holds(rule, &made.before);
    if (change != NULL) {
        *change = made;
    }
    return made.satisfied && made.before.size > 0
               ? refuse("the store is write-once")
               : KIST_OK;
}

static kist_status
once_clear(kist_store *store, uint64_t *count)
{
    (void)store;
    (void)count;
    return refuse("the store is write-once");
}

static kist_status
once_get_many(kist_store *store, const kist_slice *keys, size_t count,
              kist_buf *values, kist_status *statuses)
{
    return kist_store_get_many(((const oncestore *)store)->wrap.main, keys,
                               count, values, statuses);
}

static kist_status
once_sub(kist_store *store, kist_slice prefix, kist_store **sub)
{
    const oncestore *s = (const oncestore *)store;
    kist_store *main;
    kist_status status = kist_store_sub(s->wrap.main, prefix, &main);

    if (status == KIST_OK) {
        status = kist_store_write_once(main, s->check, sub);
        kist_store_close(main);
    }
    return status;
}

static const ki_store_ops once_ops = {
    .name = "write-once",
    .free = ki_wrap_free,
    .sub = once_sub,
    .check = ki_wrap_check,
    .get = once_get,
    .put = once_put,
    .remove = once_remove,
    .scan_open = ki_wrap_scan_open,
    .scan_next = ki_wrap_scan_next,
    .scan_close = ki_wrap_scan_close,
    .count = ki_wrap_count,
    .random = ki_wrap_random,
    .clear = once_clear,
    .get_many = once_get_many,
};

kist_status
kist_store_write_once(kist_store *main, double check, kist_store **store)
{
    ki_wrap *wrap;
    uint64_t seed;
    kist_status status;

    *store = NULL;
    if (!main->options.append_only) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "the store is not append-only");
    }
    if (!(check >= 0 && check <= 1)) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "a probability is from 0 to 1");
    }
    if (ki_io->random(&seed, sizeof(seed)) != 0) {
        return KI_FAIL(KIST_ERR_IO, NULL, KI_NO_OFFSET, "getrandom");
    }
    status = ki_wrap_new(sizeof(oncestore), &once_ops, main, &wrap);
    if (status == KIST_OK) {
        oncestore *s = (oncestore *)wrap;

        s->check = check;
        s->seed = seed;
        wrap->base.options.append_only = false;
        *store = &wrap->base;
    }
    return status;
}

kist_status
kist_store_checked(kist_store *store, kist_store_checks *checks)
{
    const oncestore *s = (const oncestore *)store;

    if (store->ops != &once_ops) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "the store is not write-once");
    }
    checks->attempted = atomic_load(&s->attempted);
    checks->passed = atomic_load(&s->passed);
    checks->failed = atomic_load(&s->failed);
    return KIST_OK;
}
