/*
 * A scan in the backend's order reads as it goes.  One by time collects what
 * it has to sort first: an entry of 40 bytes for each key, whose text, with
 * its ETag behind it, stands in one buffer.  Where only `count_max` are asked
 * for, all but the best of them are thrown away whenever twice as many (and a
 * few) have come together, and what is no better than the last of those is not
 * taken in at all: ten of a million cost a comparison each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "store/storeops.h"

#define SPARE 1000 // entries over twice count_max before some are thrown away

/* A key that was met; places are in the scan's text. */
typedef struct entry {
    int64_t mtime_ns;
    uint64_t size;   // the value's
    uint64_t number; // in the order of coming, which settles ties
    size_t place;
    uint32_t key_size;
    uint32_t etag_size;
} entry;

struct kist_store_scan {
    kist_store *store; // held
    ki_cursor *cursor; // NULL once it is at its end
    kist_store_scan_options options;
    uint64_t given; // items
    kist_buf value;
    bool ended;

    // by time
    entry *entries;
    size_t count;
    size_t capacity;
    size_t next;
    uint64_t met;
    bool pruned; // count_max are there, and `last` is the worst of them
    int64_t worst_ns;
    kist_buf text;
};

/* --- by time
 * ----------------------------------------------------------------*/

static int
compare_numbers(const entry *left, const entry *right)
{
    return left->number < right->number ? -1 : left->number > right->number;
}

static int
compare_oldest(const void *left, const void *right)
{
    const entry *a = left;
    const entry *b = right;

    return a->mtime_ns != b->mtime_ns ? (a->mtime_ns < b->mtime_ns ? -1 : 1)
                                      : compare_numbers(a, b);
}

static int
compare_newest(const void *left, const void *right)
{
    const entry *a = left;
    const entry *b = right;

    return a->mtime_ns != b->mtime_ns ? (a->mtime_ns > b->mtime_ns ? -1 : 1)
                                      : compare_numbers(a, b);
}

static void
sort(kist_store_scan *scan)
{
    if (scan->count > 1) {
        qsort(scan->entries, scan->count, sizeof(entry),
              scan->options.order == KIST_ORDER_OLDEST ? compare_oldest
                                                       : compare_newest);
    }
}

/* Keeps the best count_max, and their text alone. */
static kist_status
prune(kist_store_scan *scan)
{
    const size_t most = (size_t)scan->options.count_max;
    kist_buf text = {0};
    kist_status status = KIST_OK;

    sort(scan);
    for (size_t i = 0; status == KIST_OK && i < most; i++) {
        const entry *e = &scan->entries[i];

        status = kist_buf_append(&text, scan->text.data + e->place,
                                 (size_t)e->key_size + e->etag_size);
    }
    if (status != KIST_OK) {
        kist_buf_fini(&text);
        return status;
    }
    for (size_t i = 0, place = 0; i < most; i++) {
        entry *e = &scan->entries[i];

        e->place = place;
        place += (size_t)e->key_size + e->etag_size;
    }
    kist_buf_fini(&scan->text);
    scan->text = text;
    scan->count = most;
    scan->pruned = true;
    scan->worst_ns = scan->entries[most - 1].mtime_ns;
    return KIST_OK;
}

/* Who comes later with the same time is no better. */
static bool
is_worse(const kist_store_scan *scan, int64_t mtime_ns)
{
    return scan->pruned && (scan->options.order == KIST_ORDER_OLDEST
                                ? mtime_ns >= scan->worst_ns
                                : mtime_ns <= scan->worst_ns);
}

static kist_status
collect(kist_store_scan *scan, const ki_found *found)
{
    const uint64_t most = scan->options.count_max;
    kist_status status;
    entry *e;

    if (is_worse(scan, found->stat.mtime_ns)) {
        return KIST_OK;
    }
    if (most > 0 && most < SIZE_MAX / 2 - SPARE &&
        scan->count >= 2 * (size_t)most + SPARE) {
        status = prune(scan);
        if (status != KIST_OK) {
            return status;
        }
        if (is_worse(scan, found->stat.mtime_ns)) {
            return KIST_OK;
        }
    }
    if (scan->count == scan->capacity) {
        const size_t capacity = scan->count < 64 ? 64 : 2 * scan->count;

        e = ki_realloc(scan->entries, capacity * sizeof(entry));
        if (e == NULL) {
            return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
        }
        scan->entries = e;
        scan->capacity = capacity;
    }
    e = &scan->entries[scan->count];
    *e = (entry){.mtime_ns = found->stat.mtime_ns,
                 .size = found->stat.size,
                 .number = scan->met++,
                 .place = scan->text.size,
                 .key_size = (uint32_t)found->key.size,
                 .etag_size = found->stat.etag.size};
    status = kist_buf_append(&scan->text, found->key.data, found->key.size);
    if (status == KIST_OK) {
        status = kist_buf_append(&scan->text, found->stat.etag.text,
                                 found->stat.etag.size);
    }
    if (status == KIST_OK) {
        scan->count++;
    }
    else {
        scan->text.size = e->place;
    }
    return status;
}

static kist_status
collect_all(kist_store_scan *scan)
{
    kist_status status;
    ki_found found;

    while ((status = scan->store->ops->scan_next(scan->cursor, &found)) ==
           KIST_OK) {
        status = collect(scan, &found);
        if (status != KIST_OK) {
            return status;
        }
    }
    if (status != KIST_END) {
        return status;
    }
    sort(scan);
    scan->store->ops->scan_close(scan->cursor);
    scan->cursor = NULL;
    return KIST_OK;
}

static kist_status
next_by_time(kist_store_scan *scan, ki_found *found)
{
    const entry *e;

    if (scan->next == scan->count) {
        return KIST_END;
    }
    e = &scan->entries[scan->next++];
    found->key = kist_bytes(scan->text.data + e->place, e->key_size);
    found->has_stat = true;
    found->stat.size = e->size;
    found->stat.mtime_ns = e->mtime_ns;
    found->stat.etag.size = (uint8_t)e->etag_size;
    memcpy(found->stat.etag.text, scan->text.data + e->place + e->key_size,
           e->etag_size);
    return KIST_OK;
}

/* --- the calls
 * --------------------------------------------------------------*/

kist_status
kist_store_scan_open(kist_store *store, const kist_store_scan_options *options,
                     kist_store_scan **scan)
{
    static const kist_store_scan_options defaults = {.stats = false};
    kist_store_scan *s;
    kist_status status;

    *scan = NULL;
    if (options == NULL) {
        options = &defaults;
    }
    if ((unsigned)options->order > KIST_ORDER_NEWEST) {
        return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                       "order of a scan");
    }
    s = ki_calloc(1, sizeof(*s));
    if (s == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
    }
    s->store = ki_store_hold(store);
    s->options = *options;
    // Where the value is read, so is its stat, which belongs to it then.
    status = store->ops->scan_open(store,
                                   options->order != KIST_ORDER_ANY ||
                                       (options->stats && !options->values),
                                   &s->cursor);
    if (status == KIST_OK && options->order != KIST_ORDER_ANY) {
        status = collect_all(s);
    }
    if (status != KIST_OK) {
        kist_store_scan_close(s);
        return status;
    }
    *scan = s;
    return KIST_OK;
}

static kist_status
read_value(kist_store_scan *scan, kist_slice key, kist_stat *stat)
{
    const ki_store_ops *ops = scan->store->ops;
    kist_status status = KIST_ERR_BUSY;

    if (ops->scan_read != NULL && scan->options.order == KIST_ORDER_ANY) {
        status = ops->scan_read(scan->cursor, &scan->value, stat);
    }
    return status == KIST_ERR_BUSY
               ? ops->get(scan->store, key, NULL, &scan->value, stat, NULL)
               : status;
}

/* One step, over all that has vanished; whatever it finds is complete. */
static kist_status
step(kist_store_scan *scan, kist_store_item *item)
{
    kist_store *store = scan->store;
    kist_status status;
    ki_found found;

    do {
        status = scan->options.order == KIST_ORDER_ANY
                     ? store->ops->scan_next(scan->cursor, &found)
                     : next_by_time(scan, &found);
        if (status != KIST_OK) {
            return status;
        }
        item->key = found.key;
        if (scan->options.values) {
            status = read_value(scan, found.key,
                                scan->options.stats ? &item->stat : NULL);
        }
        else if (scan->options.stats) {
            item->stat = found.stat;
        }
    } while (status == KIST_ERR_NOTFOUND);
    if (scan->options.values) {
        item->value = kist_buf_slice(&scan->value);
    }
    return status;
}

kist_status
kist_store_scan_next(kist_store_scan *scan, kist_store_item *item)
{
    kist_status status;

    if (scan->ended || (scan->options.count_max > 0 &&
                        scan->given == scan->options.count_max)) {
        return KIST_END;
    }
    status = step(scan, item);
    if (status == KIST_OK) {
        scan->given++;
    }
    else if (status == KIST_END) {
        scan->ended = true;
    }
    return status;
}

void
kist_store_scan_close(kist_store_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    if (scan->cursor != NULL) {
        scan->store->ops->scan_close(scan->cursor);
    }
    kist_store_close(scan->store);
    kist_buf_fini(&scan->value);
    kist_buf_fini(&scan->text);
    ki_free(scan->entries);
    ki_free(scan);
}
