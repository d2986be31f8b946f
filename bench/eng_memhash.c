/*
 * eng_memhash.c - the yardstick in memory: what a good C programmer writes
 * who needs no file.
 *
 * Open addressing with linear probing over slots {hash, entry}, doubled when
 * three quarters full; an entry is one malloc'ed block of key and value;
 * removal shifts back, so there are no tombstones.  Two variants of an
 * overwrite: a new entry that replaces the old one ("memhash", as a dict of
 * owned values of any size does), and a copy over the old value where the
 * size is the same ("memhash-inplace").
 */
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine.h"
#include "workload.h"

typedef struct entry {
    uint32_t key_size;
    uint32_t value_size;
    uint8_t bytes[]; // key, then value
} entry;

typedef struct slot {
    uint64_t hash;
    entry *item; // NULL: free
} slot;

typedef struct memhash {
    slot *slots;
    uint64_t mask;
    uint64_t count;
    bool in_place;
} memhash;

static slot *
slots_new(uint64_t count)
{
    slot *slots = calloc(count, sizeof(*slots));

    if (slots == NULL) {
        bench_die("memhash");
    }
    return slots;
}

static memhash *
memhash_new(bool in_place)
{
    memhash *hash = calloc(1, sizeof(*hash));

    if (hash == NULL) {
        bench_die("memhash");
    }
    hash->mask = 1023;
    hash->slots = slots_new(hash->mask + 1);
    hash->in_place = in_place;
    return hash;
}

static void *
memhash_open(const char *dir, const eng_options *options)
{
    (void)dir;
    (void)options;
    return memhash_new(false);
}

static void *
memhash_open_in_place(const char *dir, const eng_options *options)
{
    (void)dir;
    (void)options;
    return memhash_new(true);
}

static inline slot *
find(const memhash *hash, uint64_t code, eng_blob key)
{
    uint64_t i;

    for (i = code & hash->mask;; i = (i + 1) & hash->mask) {
        slot *at = &hash->slots[i];

        if (at->item == NULL ||
            (at->hash == code && at->item->key_size == key.size &&
             memcmp(at->item->bytes, key.data, key.size) == 0)) {
            return at;
        }
    }
}

static void
grow(memhash *hash)
{
    slot *old = hash->slots;
    const uint64_t old_count = hash->mask + 1;
    uint64_t i;

    hash->mask = old_count * 2 - 1;
    hash->slots = slots_new(old_count * 2);
    for (i = 0; i < old_count; i++) {
        uint64_t j = old[i].hash & hash->mask;

        if (old[i].item == NULL) {
            continue;
        }
        while (hash->slots[j].item != NULL) {
            j = (j + 1) & hash->mask;
        }
        hash->slots[j] = old[i];
    }
    free(old);
}

static entry *
entry_new(eng_blob key, eng_blob value)
{
    entry *item = malloc(sizeof(*item) + key.size + value.size);

    if (item == NULL) {
        bench_die("memhash");
    }
    item->key_size = (uint32_t)key.size;
    item->value_size = (uint32_t)value.size;
    memcpy(item->bytes, key.data, key.size);
    memcpy(item->bytes + key.size, value.data, value.size);
    return item;
}

static void
memhash_put(void *db, eng_blob key, eng_blob value)
{
    memhash *hash = db;
    const uint64_t code = XXH3_64bits(key.data, key.size);
    slot *at = find(hash, code, key);

    if (at->item != NULL) {
        if (hash->in_place && at->item->value_size == value.size) {
            memcpy(at->item->bytes + key.size, value.data, value.size);
            return;
        }
        free(at->item);
        at->item = entry_new(key, value);
        return;
    }
    if ((hash->count + 1) * 4 > (hash->mask + 1) * 3) {
        grow(hash);
        at = find(hash, code, key);
    }
    at->hash = code;
    at->item = entry_new(key, value);
    hash->count++;
}

static bool
memhash_get(void *db, eng_blob key, eng_blob *value)
{
    const memhash *hash = db;
    const slot *at = find(hash, XXH3_64bits(key.data, key.size), key);

    if (at->item == NULL) {
        return false;
    }
    value->data = at->item->bytes + at->item->key_size;
    value->size = at->item->value_size;
    return true;
}

static bool
memhash_contains(void *db, eng_blob key)
{
    const memhash *hash = db;

    return find(hash, XXH3_64bits(key.data, key.size), key)->item != NULL;
}

static bool
memhash_del(void *db, eng_blob key)
{
    memhash *hash = db;
    slot *at = find(hash, XXH3_64bits(key.data, key.size), key);
    uint64_t hole;
    uint64_t i;

    if (at->item == NULL) {
        return false;
    }
    free(at->item);
    hole = (uint64_t)(at - hash->slots);
    for (i = (hole + 1) & hash->mask; hash->slots[i].item != NULL;
         i = (i + 1) & hash->mask) {
        const uint64_t home = hash->slots[i].hash & hash->mask;

        if (((i - home) & hash->mask) >= ((i - hole) & hash->mask)) {
            hash->slots[hole] = hash->slots[i];
            hole = i;
        }
    }
    hash->slots[hole].item = NULL;
    hash->count--;
    return true;
}

static void
memhash_iterate(void *db, eng_visit visit, void *context)
{
    const memhash *hash = db;
    uint64_t i;

    for (i = 0; i <= hash->mask; i++) {
        const entry *item = hash->slots[i].item;

        if (item != NULL) {
            eng_blob key = {item->bytes, item->key_size};
            eng_blob value = {item->bytes + item->key_size, item->value_size};
            visit(context, key, value);
        }
    }
}

static void
memhash_close(void *db)
{
    memhash *hash = db;
    uint64_t i;

    for (i = 0; i <= hash->mask; i++) {
        free(hash->slots[i].item);
    }
    free(hash->slots);
    free(hash);
}

#define MEMHASH_CALLS                                                         \
    .in_memory = true, .put = memhash_put, .get = memhash_get,                \
    .contains = memhash_contains, .del = memhash_del,                         \
    .iterate = memhash_iterate, .close = memhash_close

const engine eng_memhash = {
    .name = "memhash",
    .open = memhash_open,
    MEMHASH_CALLS,
};

const engine eng_memhash_inplace = {
    .name = "memhash-inplace",
    .open = memhash_open_in_place,
    MEMHASH_CALLS,
};
