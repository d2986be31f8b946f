/* Random histories beside a model. */
#include <stdlib.h>

#include "storebed.h"

#define VALUE_MAX 300

/* The keys that there are. */
static const char *const names[] = {
    "a",       "b",      "a/x",      "a/y", "a/x/1",   "a/x/2", "b/x",
    "c/d/e/f", "c/d/e",  "ab",       "A",   "A/x",     "z.z",   "a/x.y",
    "=",       "(b)/~_", "c/d/e/f2", "x-1", "a/x/1/1",
};

/* What the model knows of one. */
typedef struct item {
    bool there;
    kist_etag etag;
    kist_etag former; // of the write before
    uint8_t value[VALUE_MAX];
    size_t size;
} item;

typedef struct history {
    kist_store *store;
    kt_store_kind kind;
    uint64_t seed;
    item items[KT_COUNT(names)];
    size_t count;
} history;

static bool
keeps_all(const history *h)
{
    return h->kind != KT_STORE_PLAIN;
}

static kist_slice
slice_of(const item *i)
{
    return kist_bytes(i->value, i->size);
}

static size_t
draw(history *h, size_t limit)
{
    return kt_random(&h->seed) % limit;
}

static void
draw_value(history *h, item *i)
{
    i->size = draw(h, 4) == 0 ? draw(h, VALUE_MAX) : draw(h, 10);
    for (size_t at = 0; at < i->size; at++) {
        i->value[at] = (uint8_t)kt_random(&h->seed);
    }
}

/* The item was written, or removed (an empty ETag). */
static void
note(history *h, item *i, const item *next, const kist_etag *etag)
{
    assert_false(etag->size > 0 && kist_etag_equal(etag, &i->former));
    h->count += etag->size > 0;
    h->count -= i->there;
    i->former = i->etag;
    i->there = etag->size > 0;
    i->etag = *etag;
    if (i->there) {
        memcpy(i->value, next->value, next->size);
        i->size = next->size;
    }
}

static void
check_value(const item *i, const kist_buf *value)
{
    assert_int_equal(value->size, i->size);
    assert_true(i->size == 0 || memcmp(value->data, i->value, i->size) == 0);
}

static void
step_put(history *h, size_t at)
{
    item *i = &h->items[at];
    kist_etag etag;
    item next;
    kist_status status;

    draw_value(h, &next);
    status =
        kist_store_put(h->store, kist_str(names[at]), slice_of(&next), &etag);
    if (i->there && keeps_all(h)) {
        if (h->kind == KT_STORE_WRITE_ONCE) {
            KT_OK(status);
            assert_true(kist_etag_equal(&etag, &i->etag));
        }
        else {
            KT_ANSWERS(KIST_ERR_POLICY, status);
        }
        return;
    }
    KT_OK(status);
    note(h, i, &next, &etag);
}

static void
step_remove(history *h, size_t at)
{
    static const kist_etag none = {.size = 0};
    item *i = &h->items[at];

    KT_ANSWERS(keeps_all(h) ? KIST_ERR_POLICY
               : i->there   ? KIST_OK
                            : KIST_ERR_NOTFOUND,
               kist_store_remove(h->store, kist_str(names[at])));
    if (!keeps_all(h) && i->there) {
        note(h, i, NULL, &none);
    }
}

static void
step_get(history *h, size_t at)
{
    const item *i = &h->items[at];
    kist_buf value = {0};
    kist_etag etag;
    const kist_status status =
        kist_store_get(h->store, kist_str(names[at]), &value, &etag);

    KT_ANSWERS(i->there ? KIST_OK : KIST_ERR_NOTFOUND, status);
    if (i->there) {
        check_value(i, &value);
        assert_true(kist_etag_equal(&etag, &i->etag));
    }
    kist_buf_fini(&value);
}

static void
step_condition(history *h, size_t at)
{
    item *i = &h->items[at];
    kt_trial t = {.call = (kt_call)draw(h, 4),
                  .condition = {.rule = (kist_if)draw(h, 3),
                                .fetch = (kist_fetch)draw(h, 3)},
                  .there = i->there,
                  .kind = h->kind};
    kist_outcome outcome;
    item next;
    kt_verdict v;

    switch (draw(h, 4)) {
    case 0:
        break;
    case 1:
        t.condition.expected = i->former;
        break;
    default:
        t.condition.expected = i->etag;
    }
    t.same = kist_etag_equal(&t.condition.expected, &i->etag);
    draw_value(h, &next);
    v = kt_store_try(h->store, &t, kist_str(names[at]), slice_of(&next),
                     slice_of(i), &i->etag, &outcome);
    if (v.written || v.removed) {
        note(h, i, &next, &outcome.after);
    }
}

typedef struct change {
    const item *before;
    const item *next;
    kist_decision decision;
    unsigned calls;
} change;

static kist_decision
transform(void *context, const kist_slice *current, kist_buf *next)
{
    change *c = context;

    c->calls++;
    assert_int_equal(current != NULL, c->before->there);
    if (current != NULL) {
        const kist_buf value = {.data = (uint8_t *)(uintptr_t)current->data,
                                .size = current->size};

        check_value(c->before, &value);
    }
    assert_int_equal(next->size, 0);
    KT_OK(kist_buf_append(next, c->next->value, c->next->size));
    return c->decision;
}

static void
step_transform(history *h, size_t at)
{
    item *i = &h->items[at];
    item next;
    change c = {
        .before = i, .next = &next, .decision = (kist_decision)draw(h, 3)};
    kist_etag etag;
    const bool refused = keeps_all(h) && i->there && c.decision != KIST_KEEP;

    draw_value(h, &next);
    KT_ANSWERS(refused ? KIST_ERR_POLICY : KIST_OK,
               kist_store_transform(h->store, kist_str(names[at]), transform,
                                    &c, 3, &etag));
    assert_int_equal(c.calls, 1);
    if (refused) {
        return;
    }
    if (c.decision == KIST_KEEP) {
        assert_true(kist_etag_equal(&etag, &i->etag));
    }
    else if (c.decision == KIST_REPLACE || i->there) {
        assert_int_equal(etag.size > 0, c.decision == KIST_REPLACE);
        note(h, i, &next, &etag);
    }
}

static void
step_many(history *h)
{
    kist_slice keys[KT_COUNT(names)];
    kist_slice values[KT_COUNT(names)];
    kist_buf bufs[KT_COUNT(names)] = {{0}};
    kist_status statuses[KT_COUNT(names)];
    item next[KT_COUNT(names)];
    size_t which[KT_COUNT(names)];
    size_t count = 0;

    for (size_t at = 0; at < KT_COUNT(names); at++) {
        if (draw(h, 3) == 0 && !(keeps_all(h) && h->items[at].there)) {
            draw_value(h, &next[count]);
            keys[count] = kist_str(names[at]);
            values[count] = slice_of(&next[count]);
            which[count++] = at;
        }
    }
    KT_OK(kist_store_put_many(h->store, keys, values, count, statuses));
    for (size_t k = 0; k < count; k++) {
        kist_stat stat;

        KT_OK(statuses[k]);
        KT_OK(kist_store_stat(h->store, keys[k], &stat));
        note(h, &h->items[which[k]], &next[k], &stat.etag);
    }
    for (size_t at = 0; at < KT_COUNT(names); at++) {
        keys[at] = kist_str(names[at]);
    }
    KT_OK(
        kist_store_get_many(h->store, keys, KT_COUNT(names), bufs, statuses));
    for (size_t at = 0; at < KT_COUNT(names); at++) {
        KT_ANSWERS(h->items[at].there ? KIST_OK : KIST_ERR_NOTFOUND,
                   statuses[at]);
        if (h->items[at].there) {
            check_value(&h->items[at], &bufs[at]);
        }
        kist_buf_fini(&bufs[at]);
    }
}

/* The number of a key, or the count of names. */
static size_t
find_name(kist_slice key)
{
    size_t at = 0;

    while (at < KT_COUNT(names) &&
           (strlen(names[at]) != key.size ||
            memcmp(names[at], key.data, key.size) != 0)) {
        at++;
    }
    return at;
}

static void
check_found(const history *h, const kist_store_scan_options *options,
            const kist_store_item *found, size_t at)
{
    const item *i = &h->items[at];

    assert_true(i->there);
    if (options->values) {
        const kist_buf value = {.data =
                                    (uint8_t *)(uintptr_t)found->value.data,
                                .size = found->value.size};

        check_value(i, &value);
    }
    if (options->stats) {
        assert_true(kist_etag_equal(&found->stat.etag, &i->etag));
        assert_int_equal(found->stat.size, i->size);
    }
}

static void
step_scan(history *h)
{
    const kist_store_scan_options options = {
        .stats = draw(h, 2) == 0,
        .values = draw(h, 2) == 0,
        .order = (kist_store_order)draw(h, 3),
        .count_max = draw(h, 3) == 0 ? 1 + draw(h, 20) : 0};
    const size_t expected =
        options.count_max > 0 && options.count_max < h->count
            ? (size_t)options.count_max
            : h->count;
    bool met[KT_COUNT(names)] = {false};
    int64_t last = 0;
    size_t count = 0;
    kist_store_scan *scan;
    kist_store_item found;
    kist_status status;

    KT_OK(kist_store_scan_open(h->store, &options, &scan));
    while ((status = kist_store_scan_next(scan, &found)) == KIST_OK) {
        const size_t at = find_name(found.key);
        kist_stat stat;

        assert_true(at < KT_COUNT(names) && !met[at]);
        met[at] = true;
        check_found(h, &options, &found, at);
        KT_OK(kist_store_stat(h->store, found.key, &stat));
        if (count++ > 0 && options.order != KIST_ORDER_ANY) {
            assert_true(options.order == KIST_ORDER_OLDEST
                            ? stat.mtime_ns >= last
                            : stat.mtime_ns <= last);
        }
        last = stat.mtime_ns;
    }
    KT_ANSWERS(KIST_END, status);
    kist_store_scan_close(scan);
    assert_int_equal(count, expected);
    // Those that were left out are no better than the last.
    for (size_t at = 0; at < KT_COUNT(names); at++) {
        kist_stat stat;

        if (h->items[at].there && !met[at] && count > 0 &&
            options.order != KIST_ORDER_ANY) {
            KT_OK(kist_store_stat(h->store, kist_str(names[at]), &stat));
            assert_true(options.order == KIST_ORDER_OLDEST
                            ? stat.mtime_ns >= last
                            : stat.mtime_ns <= last);
        }
    }
}

static void
step_counts(history *h)
{
    kist_buf key = {0};
    uint64_t count;
    bool empty;

    KT_OK(kist_store_count(h->store, &count));
    assert_int_equal(count, h->count);
    KT_OK(kist_store_is_empty(h->store, &empty));
    assert_int_equal(empty, h->count == 0);
    KT_ANSWERS(h->count == 0 ? KIST_ERR_NOTFOUND : KIST_OK,
               kist_store_random(h->store, &key));
    if (h->count > 0) {
        const size_t at = find_name(kist_buf_slice(&key));

        assert_true(at < KT_COUNT(names) && h->items[at].there);
    }
    kist_buf_fini(&key);
}

/* The sub-store has what is below its prefix, under shorter keys. */
static void
step_sub(history *h)
{
    static const char *const prefixes[] = {"a", "a/x", "c/d", "A", "zz"};
    const char *prefix = prefixes[draw(h, KT_COUNT(prefixes))];
    const size_t size = strlen(prefix);
    uint64_t expected = 0;
    uint64_t count;
    kist_store *sub;

    KT_OK(kist_store_sub(h->store, kist_str(prefix), &sub));
    for (size_t at = 0; at < KT_COUNT(names); at++) {
        const char *name = names[at];
        item *i = &h->items[at];
        kist_etag etag;
        kist_buf value = {0};
        item next;

        if (strncmp(name, prefix, size) != 0 || name[size] != '/') {
            continue;
        }
        name += size + 1;
        if (draw(h, 4) == 0 && !(keeps_all(h) && i->there)) {
            draw_value(h, &next);
            KT_OK(kist_store_put(sub, kist_str(name), slice_of(&next), &etag));
            note(h, i, &next, &etag);
        }
        expected += i->there;
        KT_ANSWERS(i->there ? KIST_OK : KIST_ERR_NOTFOUND,
                   kist_store_get(sub, kist_str(name), &value, &etag));
        if (i->there) {
            check_value(i, &value);
            assert_true(kist_etag_equal(&etag, &i->etag));
        }
        kist_buf_fini(&value);
    }
    KT_OK(kist_store_count(sub, &count));
    assert_int_equal(count, expected);
    kist_store_close(sub);
}

static void
step_clear(history *h)
{
    static const kist_etag none = {.size = 0};
    uint64_t count = 99;

    KT_ANSWERS(keeps_all(h) ? KIST_ERR_POLICY : KIST_OK,
               kist_store_clear(h->store, &count));
    if (keeps_all(h)) {
        return;
    }
    assert_int_equal(count, h->count);
    for (size_t at = 0; at < KT_COUNT(names); at++) {
        if (h->items[at].there) {
            note(h, &h->items[at], NULL, &none);
        }
    }
}

void
kt_store_history(kist_store *store, kt_store_kind kind, uint64_t seed,
                 unsigned steps)
{
    history *h = calloc(1, sizeof(*h));

    assert_non_null(h);
    h->store = store;
    h->kind = kind;
    h->seed = seed;
    for (unsigned step = 0; step < steps; step++) {
        const size_t at = draw(h, KT_COUNT(names));
        const size_t op = draw(h, 100);

        if (op < 20) {
            step_put(h, at);
        }
        else if (op < 30) {
            step_remove(h, at);
        }
        else if (op < 40) {
            step_get(h, at);
        }
        else if (op < 75) {
            step_condition(h, at);
        }
        else if (op < 85) {
            step_transform(h, at);
        }
        else if (op < 88) {
            step_many(h);
        }
        else if (op < 92) {
            step_scan(h);
        }
        else if (op < 96) {
            step_counts(h);
        }
        else if (op < 99) {
            step_sub(h);
        }
        else {
            step_clear(h);
        }
    }
    if (!keeps_all(h)) {
        step_clear(h);
        assert_int_equal(h->count, 0);
        kt_store_check_keys(store, "");
    }
    free(h);
}
