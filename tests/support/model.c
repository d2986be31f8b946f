#include "support/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The models of a test are small: running out of memory ends it. */
static void *
must(void *block)
{
    if (block == NULL) {
        fputs("model: out of memory\n", stderr);
        _exit(4);
    }
    return block;
}

static uint64_t
mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    return hash ^ (hash >> 29);
}

static kt_item *
item_new(kist_slice key, const kist_value *value)
{
    const bool has_bytes = kist_type_has_bytes(value->type);
    const size_t size = has_bytes ? value->as.bytes.size : 0;
    kt_item *item = must(malloc(sizeof(*item) + key.size + size + 1));
    uint8_t *room = (uint8_t *)(item + 1);

    item->references = 1;
    item->key = room;
    item->key_size = key.size;
    if (key.size > 0) {
        memcpy(room, key.data, key.size);
    }
    item->value = *value;
    item->hash =
        mix(0xcbf29ce484222325u + (uint64_t)value->type, key.data, key.size);
    if (has_bytes) {
        if (size > 0) {
            memcpy(room + key.size, value->as.bytes.data, size);
        }
        item->value.as.bytes = kist_bytes(room + key.size, size);
        item->hash = mix(item->hash, room + key.size, size);
    }
    else if (value->type == KIST_BOOL) {
        item->hash = mix(item->hash, &value->as.boolean, sizeof(bool));
    }
    else if (value->type != KIST_NULL) {
        item->hash = mix(item->hash, &value->as.integer, sizeof(int64_t));
    }
    return item;
}

static void
item_drop(kt_item *item)
{
    item->references--;
    if (item->references == 0) {
        free(item);
    }
}

void
kt_model_clear(kt_model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        item_drop(model->items[i]);
    }
    model->count = 0;
}

void
kt_model_fini(kt_model *model)
{
    kt_model_clear(model);
    free(model->items);
    memset(model, 0, sizeof(*model));
}

static void
reserve(kt_model *model, size_t count)
{
    if (count > model->capacity) {
        const size_t capacity = count + count / 2 + 8;

        model->items =
            must(realloc(model->items, capacity * sizeof(*model->items)));
        model->capacity = capacity;
    }
}

void
kt_model_copy(kt_model *to, const kt_model *from)
{
    if (to == from) {
        return;
    }
    reserve(to, from->count);
    for (size_t i = 0; i < from->count; i++) {
        from->items[i]->references++;
    }
    kt_model_clear(to);
    if (from->count > 0) {
        memcpy(to->items, from->items, from->count * sizeof(*to->items));
    }
    to->count = from->count;
}

uint64_t
kt_model_digest(const kt_model *model)
{
    uint64_t digest = model->count;

    for (size_t i = 0; i < model->count; i++) {
        digest = (digest ^ model->items[i]->hash) * 0x9e3779b97f4a7c15u;
        digest ^= digest >> 31;
    }
    return digest;
}

bool
kt_value_same(const kist_value *a, const kist_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    if (kist_type_has_bytes(a->type)) {
        return a->as.bytes.size == b->as.bytes.size &&
               (a->as.bytes.size == 0 ||
                memcmp(a->as.bytes.data, b->as.bytes.data, a->as.bytes.size) ==
                    0);
    }
    if (a->type == KIST_NULL) {
        return true;
    }
    if (a->type == KIST_BOOL) {
        return a->as.boolean == b->as.boolean;
    }
    return memcmp(&a->as.integer, &b->as.integer, sizeof(int64_t)) == 0;
}

static bool
same_key(const kt_item *item, kist_slice key)
{
    return item->key_size == key.size &&
           (key.size == 0 || memcmp(item->key, key.data, key.size) == 0);
}

size_t
kt_model_differs_at(const kt_model *a, const kt_model *b)
{
    size_t i = 0;

    for (; i < a->count && i < b->count; i++) {
        const kt_item *x = a->items[i];
        const kt_item *y = b->items[i];

        if (x != y && (!same_key(x, kist_bytes(y->key, y->key_size)) ||
                       !kt_value_same(&x->value, &y->value))) {
            break;
        }
    }
    return i;
}

bool
kt_model_equal(const kt_model *a, const kt_model *b)
{
    return a->count == b->count && kt_model_differs_at(a, b) == a->count;
}

static void
insert_item(kt_model *model, size_t index, kt_item *item)
{
    reserve(model, model->count + 1);
    memmove(model->items + index + 1, model->items + index,
            (model->count - index) * sizeof(*model->items));
    model->items[index] = item;
    model->count++;
}

static void
replace_item(kt_model *model, size_t index, kt_item *item)
{
    item_drop(model->items[index]);
    model->items[index] = item;
}

void
kt_model_insert(kt_model *model, size_t index, const kist_value *value)
{
    insert_item(model, index, item_new(kist_bytes("", 0), value));
}

void
kt_model_set(kt_model *model, size_t index, const kist_value *value)
{
    replace_item(model, index, item_new(kist_bytes("", 0), value));
}

void
kt_model_remove_range(kt_model *model, size_t index, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        item_drop(model->items[index + i]);
    }
    memmove(model->items + index, model->items + index + count,
            (model->count - index - count) * sizeof(*model->items));
    model->count -= count;
}

void
kt_model_reverse(kt_model *model)
{
    for (size_t i = 0; i < model->count / 2; i++) {
        kt_item *item = model->items[i];

        model->items[i] = model->items[model->count - 1 - i];
        model->items[model->count - 1 - i] = item;
    }
}

static int
compare(const kist_value *a, const kist_value *b)
{
    size_t shorter;
    int order;

    if (a->type == KIST_INT) {
        return (a->as.integer > b->as.integer) -
               (a->as.integer < b->as.integer);
    }
    shorter = a->as.bytes.size < b->as.bytes.size ? a->as.bytes.size
                                                  : b->as.bytes.size;
    order =
        shorter == 0 ? 0 : memcmp(a->as.bytes.data, b->as.bytes.data, shorter);
    return order != 0 ? order
                      : (a->as.bytes.size > b->as.bytes.size) -
                            (a->as.bytes.size < b->as.bytes.size);
}

void
kt_model_sort(kt_model *model, bool descending)
{
    for (size_t i = 1; i < model->count; i++) {
        kt_item *item = model->items[i];
        size_t at = i;

        while (at > 0) {
            const int order =
                compare(&model->items[at - 1]->value, &item->value);

            if (descending ? order >= 0 : order <= 0) {
                break;
            }
            model->items[at] = model->items[at - 1];
            at--;
        }
        model->items[at] = item;
    }
}

size_t
kt_model_find_key(const kt_model *model, kist_slice key)
{
    size_t i = 0;

    while (i < model->count && !same_key(model->items[i], key)) {
        i++;
    }
    return i;
}

size_t
kt_model_find_value(const kt_model *model, const kist_value *value)
{
    size_t i = 0;

    while (i < model->count &&
           !kt_value_same(&model->items[i]->value, value)) {
        i++;
    }
    return i;
}

void
kt_model_put(kt_model *model, kist_slice key, const kist_value *value)
{
    const size_t at = kt_model_find_key(model, key);
    kt_item *item = item_new(key, value);

    if (at < model->count) {
        replace_item(model, at, item);
    }
    else {
        insert_item(model, at, item);
    }
}

/* --- against a real collection ------------------------------------------ */

/* Takes the scan, appends all that it gives, closes it. */
static kist_status
read_scan(kt_model *model, kist_scan *scan)
{
    kist_status status;
    kist_slice key;
    kist_value value;

    kt_model_clear(model);
    while ((status = kist_scan_next(scan, &key, &value)) == KIST_OK) {
        insert_item(model, model->count, item_new(key, &value));
    }
    kist_scan_close(scan);
    return status == KIST_END ? KIST_OK : status;
}

kist_status
kt_model_read_dict(kt_model *model, kist_dict *dict)
{
    kist_scan *scan;
    const kist_status status = kist_dict_scan(dict, NULL, &scan);

    return status == KIST_OK ? read_scan(model, scan) : status;
}

kist_status
kt_model_read_list(kt_model *model, kist_list *list)
{
    kist_scan *scan;
    const kist_status status = kist_list_scan(list, NULL, &scan);

    return status == KIST_OK ? read_scan(model, scan) : status;
}

kist_status
kt_model_read_set(kt_model *model, kist_set *set)
{
    kist_scan *scan;
    const kist_status status = kist_set_scan(set, NULL, &scan);

    return status == KIST_OK ? read_scan(model, scan) : status;
}

static bool
differ(char *why, size_t size, const char *what, size_t index,
       kist_status status)
{
    char text[300] = "";

    if (status != KIST_OK) {
        kist_error_text(text, sizeof(text));
    }
    snprintf(why, size, "%s at %zu: %s %s", what, index,
             kist_status_name(status), text);
    return false;
}

/* Takes the scan; its items must be the model's, from the end if `reverse`. */
static bool
check_scan(const kt_model *model, kist_scan *scan, bool reverse, char *why,
           size_t size)
{
    const char *what = reverse ? "reverse scan" : "scan";
    bool right = true;

    for (size_t i = 0; right && i <= model->count; i++) {
        kist_slice key;
        kist_value value;
        const kist_status status = kist_scan_next(scan, &key, &value);

        if (i == model->count) {
            right = status == KIST_END ||
                    differ(why, size, "scan does not end", i, status);
        }
        else if (status != KIST_OK) {
            right = differ(why, size, what, i, status);
        }
        else {
            const size_t at = reverse ? model->count - 1 - i : i;
            const kt_item *item = model->items[at];

            right =
                (same_key(item, key) && kt_value_same(&item->value, &value)) ||
                differ(why, size, what, i, KIST_OK);
        }
    }
    kist_scan_close(scan);
    return right;
}

bool
kt_model_check_dict(const kt_model *model, kist_dict *dict, char *why,
                    size_t size)
{
    uint64_t count = 0;
    kist_status status = kist_dict_count(dict, &count);

    if (status != KIST_OK || count != model->count) {
        return differ(why, size, "dict count", (size_t)count, status);
    }
    for (size_t i = 0; i < model->count; i++) {
        const kt_item *item = model->items[i];
        kist_value value;

        status =
            kist_dict_get(dict, kist_bytes(item->key, item->key_size), &value);
        if (status != KIST_OK || !kt_value_same(&value, &item->value)) {
            return differ(why, size, "dict get", i, status);
        }
    }
    if (kist_dict_contains(dict, kist_str("never put")) != KIST_ERR_NOTFOUND) {
        return differ(why, size, "dict has what was never put", 0, KIST_OK);
    }
    for (int reverse = 0; reverse < 2; reverse++) {
        const kist_scan_options options = {.reverse = reverse != 0};
        kist_scan *scan;

        status = kist_dict_scan(dict, &options, &scan);
        if (status != KIST_OK) {
            return differ(why, size, "dict scan", 0, status);
        }
        if (!check_scan(model, scan, reverse != 0, why, size)) {
            return false;
        }
    }
    return true;
}

bool
kt_model_check_list(const kt_model *model, kist_list *list, char *why,
                    size_t size)
{
    uint64_t count = 0;
    kist_value value;
    kist_status status = kist_list_count(list, &count);

    if (status != KIST_OK || count != model->count) {
        return differ(why, size, "list count", (size_t)count, status);
    }
    for (size_t i = 0; i < model->count; i++) {
        status = kist_list_get(list, i, &value);
        if (status != KIST_OK ||
            !kt_value_same(&value, &model->items[i]->value)) {
            return differ(why, size, "list get", i, status);
        }
    }
    status = kist_list_get(list, model->count, &value);
    if (status != KIST_ERR_RANGE) {
        return differ(why, size, "list beyond its end", model->count, status);
    }
    for (int reverse = 0; reverse < 2; reverse++) {
        const kist_scan_options options = {.reverse = reverse != 0};
        kist_scan *scan;

        status = kist_list_scan(list, &options, &scan);
        if (status != KIST_OK) {
            return differ(why, size, "list scan", 0, status);
        }
        if (!check_scan(model, scan, reverse != 0, why, size)) {
            return false;
        }
    }
    return true;
}

bool
kt_model_check_set(const kt_model *model, kist_set *set, char *why,
                   size_t size)
{
    const kist_value never = kist_text("never added");
    uint64_t count = 0;
    kist_status status = kist_set_count(set, &count);

    if (status != KIST_OK || count != model->count) {
        return differ(why, size, "set count", (size_t)count, status);
    }
    for (size_t i = 0; i < model->count; i++) {
        status = kist_set_contains(set, &model->items[i]->value);
        if (status != KIST_OK) {
            return differ(why, size, "set contains", i, status);
        }
    }
    if (kist_set_contains(set, &never) != KIST_ERR_NOTFOUND) {
        return differ(why, size, "set has what was never added", 0, KIST_OK);
    }
    for (int reverse = 0; reverse < 2; reverse++) {
        const kist_scan_options options = {.reverse = reverse != 0};
        kist_scan *scan;

        status = kist_set_scan(set, &options, &scan);
        if (status != KIST_OK) {
            return differ(why, size, "set scan", 0, status);
        }
        if (!check_scan(model, scan, reverse != 0, why, size)) {
            return false;
        }
    }
    return true;
}
