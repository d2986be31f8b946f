#include "storekeys.h"

#include <stdlib.h>
#include <string.h>

bool
cli_storekeys_add_one(cli_storekeys *keys, kist_slice prefix, kist_slice name,
                      const kist_stat *stat)
{
    const size_t slash = prefix.size > 0 ? 1 : 0;
    cli_storekey *next;

    if (keys->count == keys->room) {
        const size_t room = keys->room == 0 ? 256 : keys->room * 2;
        cli_storekey *items = realloc(keys->items, room * sizeof(*items));

        if (items == NULL) {
            return false;
        }
        keys->items = items;
        keys->room = room;
    }
    next = &keys->items[keys->count];
    next->size = prefix.size + slash + name.size;
    next->name = malloc(next->size + 1);
    if (next->name == NULL) {
        return false;
    }
    if (slash > 0) {
        memcpy(next->name, prefix.data, prefix.size);
        next->name[prefix.size] = '/';
    }
    if (name.size > 0) {
        memcpy(next->name + prefix.size + slash, name.data, name.size);
    }
    next->name[next->size] = '\0';
    next->stat = *stat;
    keys->count++;
    return true;
}

static int
add_all(cli_storekeys *keys, const cli_store *target, kist_store *store,
        kist_slice prefix, const kist_store_scan_options *how)
{
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status = kist_store_scan_open(store, how, &scan);
    int code = CLI_OK;

    if (status != KIST_OK) {
        return cli_fail(status);
    }
    while ((status = kist_store_scan_next(scan, &item)) != KIST_END) {
        if (status == KIST_ERR_NOMEM ||
            (status == KIST_OK &&
             !cli_storekeys_add_one(keys, prefix, item.key, &item.stat))) {
            code = cli_error(CLI_IO, "%s: out of memory", target->path);
            break;
        }
        if (status != KIST_OK) {
            code = cli_fail(status);
        }
    }
    kist_store_scan_close(scan);
    return code;
}

int
cli_storekeys_add(cli_storekeys *keys, const cli_store *target,
                  const char *prefix, const kist_store_scan_options *how)
{
    kist_slice below = kist_str(prefix);
    kist_store *sub;
    kist_status status;
    int code;

    while (below.size > 0 && prefix[below.size - 1] == '/') {
        below.size--;
    }
    if (below.size == 0) {
        return add_all(keys, target, target->store, below, how);
    }
    status = kist_store_sub(target->store, below, &sub);
    if (status != KIST_OK) {
        return cli_store_fail(target, below, status);
    }
    code = add_all(keys, target, sub, below, how);
    kist_store_close(sub);
    return code;
}

static int
by_name(const void *a, const void *b)
{
    const cli_storekey *left = a;
    const cli_storekey *right = b;
    const size_t size = left->size < right->size ? left->size : right->size;
    const int order = memcmp(left->name, right->name, size);

    if (order != 0) {
        return order;
    }
    return left->size < right->size ? -1 : left->size > right->size;
}

void
cli_storekeys_sort(cli_storekeys *keys)
{
    if (keys->count > 0) {
        qsort(keys->items, keys->count, sizeof(*keys->items), by_name);
    }
}

void
cli_storekeys_fini(cli_storekeys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->items[i].name);
    }
    free(keys->items);
    memset(keys, 0, sizeof(*keys));
}
