#include <stdlib.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "coll/coll.h"
#include "coll/listview.h"
#include "coll/seq.h"
#include "coll/writer.h"
#include "kist/list.h"
#include "kist/pack.h"

#define RUN 24u /* items that are sorted by insertion first */

/* A value and where it stands. */
typedef struct sort_item {
    kist_value value;
    uint64_t index;
} sort_item;

typedef struct sorter {
    kist_status status; /* the first failure to compare */
    bool descending;
} sorter;

/* Must b go before a, which stands before it? */
static bool
goes_before(sorter *s, const sort_item *b, const sort_item *a)
{
    int order = 0;

    if (s->status == KIST_OK) {
        s->status = kist_value_compare(&b->value, &a->value, &order);
    }
    return s->status == KIST_OK && (s->descending ? order > 0 : order < 0);
}

static void
sort_run(sorter *s, sort_item *items, uint64_t n)
{
    uint64_t i;
    uint64_t j;

    for (i = 1; i < n; i++) {
        const sort_item item = items[i];

        for (j = i; j > 0 && goes_before(s, &item, &items[j - 1]); j--) {
            items[j] = items[j - 1];
        }
        items[j] = item;
    }
}

/* Two sorted neighbours become one, in `to`. */
static void
merge(sorter *s, const sort_item *a, uint64_t a_count, const sort_item *b,
      uint64_t b_count, sort_item *to)
{
    while (a_count > 0 && b_count > 0) {
        if (goes_before(s, b, a)) {
            *to++ = *b++;
            b_count--;
        }
        else {
            *to++ = *a++;
            a_count--;
        }
    }
    while (a_count-- > 0) {
        *to++ = *a++;
    }
    while (b_count-- > 0) {
        *to++ = *b++;
    }
}

/* A stable merge sort, bottom up; returns whichever array it ended in. */
static sort_item *
sort_items(sorter *s, sort_item *items, sort_item *spare, uint64_t count)
{
    uint64_t width;
    uint64_t i;

    for (i = 0; i < count; i += RUN) {
        sort_run(s, items + i, count - i < RUN ? count - i : RUN);
    }
    for (width = RUN; width < count && s->status == KIST_OK; width *= 2) {
        sort_item *other = spare;

        for (i = 0; i < count; i += 2 * width) {
            const uint64_t a = count - i < width ? count - i : width;
            const uint64_t b = count - i - a < width ? count - i - a : width;

            merge(s, items + i, a, items + i + a, b, spare + i);
        }
        spare = items;
        items = other;
    }
    return items;
}

static kist_status
read_items(ki_writer *w, const ki_coll *c, uint64_t header, uint64_t count,
           sort_item *items)
{
    const ki_reader r = {w->gen, ki_write_view(w), header};
    kist_value values[64];
    uint64_t words[64];
    uint64_t at = 0;
    uint32_t got;
    uint32_t i;
    kist_status status;

    while (at < count) {
        status =
            ki_seq_words(&w->gen->idx, r.own, header, at, words, 64, &got);
        if (status != KIST_OK || got == 0) {
            return ki_bad_index(w->gen, header);
        }
        status = ki_list_values(&r, c->type, words, got, values);
        if (status != KIST_OK) {
            return status;
        }
        for (i = 0; i < got && at < count; i++, at++) {
            items[at].value = values[i];
            items[at].index = at;
        }
    }
    return KIST_OK;
}

static kist_status
sort_locked(ki_writer *w, const ki_coll *c, uint64_t header, bool descending)
{
    const uint64_t count =
        ki_seq_count(&w->gen->idx, ki_write_view(w), header);
    sorter s = {KIST_OK, descending};
    sort_item *items;
    sort_item *sorted;
    uint64_t *order;
    uint64_t i;
    kist_status status;

    if (count == UINT64_MAX) {
        return ki_bad_index(w->gen, header);
    }
    items = ki_calloc((size_t)count * 2 + 1, sizeof(*items));
    order = ki_calloc((size_t)count + 1, sizeof(*order));
    if (items == NULL || order == NULL) {
        status = KI_FAIL(KIST_ERR_NOMEM, c->k->log_path, KI_NO_OFFSET, "sort");
        goto out;
    }
    status = read_items(w, c, header, count, items);
    if (status != KIST_OK) {
        goto out;
    }
    sorted = sort_items(&s, items, items + count, count);
    status = s.status;
    if (status == KIST_OK) {
        for (i = 0; i < count; i++) {
            order[i] = sorted[i].index;
        }
        status = ki_list_permute_locked(w, c, header, order, count);
    }

out:
    ki_free(items);
    ki_free(order);
    return status;
}

static kist_status
sort_once(ki_coll *c, bool descending)
{
    ki_writer *w;
    uint64_t header;
    kist_status status;

    status = ki_write_begin(c->k, c, NULL, &w, &header);
    if (status != KIST_OK) {
        return status;
    }
    status = sort_locked(w, c, header, descending);
    return ki_write_end(c->k, w, status);
}

kist_status
kist_list_sort(kist_list *list, bool descending)
{
    kist_status status;

    do {
        status = sort_once(&list->coll, descending);
    } while (status == KI_AGAIN);
    return status;
}
