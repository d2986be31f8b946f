/*
 * listeng_array.c - the list's yardsticks in memory: an array of pointers to
 * malloc'ed values, and the same pointers in blocks of up to 512.
 *
 *   groups   [ 18100 ][ 17650 ] ...     items in 64 blocks each
 *   blocks   [ 301 | 287 | 512 ...      pointers in each block
 */
#include <stdlib.h>
#include <string.h>

#include "listeng.h"
#include "workload.h"

#define BLOCK_MAX  512u
#define GROUP_SIZE 64u

static eng_blob *
item_new(eng_blob value)
{
    eng_blob *item = malloc(sizeof(*item) + value.size);

    if (item == NULL) {
        bench_die("array");
    }
    memcpy(item + 1, value.data, value.size);
    item->data = item + 1;
    item->size = value.size;
    return item;
}

/* --- one array --------------------------------------------------------- */

typedef struct array_db {
    eng_blob **items;
    size_t count;
    size_t capacity;
} array_db;

static void *
array_open(const char *dir)
{
    array_db *db = calloc(1, sizeof(*db));

    (void)dir;
    if (db == NULL) {
        bench_die("array");
    }
    return db;
}

static void
array_insert(void *handle, uint64_t index, eng_blob value)
{
    array_db *db = handle;

    if (db->count == db->capacity) {
        db->capacity = db->capacity == 0 ? 1024 : db->capacity * 2;
        db->items = realloc(db->items, db->capacity * sizeof(*db->items));
        if (db->items == NULL) {
            bench_die("array");
        }
    }
    memmove(db->items + index + 1, db->items + index,
            (db->count - index) * sizeof(*db->items));
    db->items[index] = item_new(value);
    db->count++;
}

static void
array_append(void *handle, eng_blob value)
{
    array_db *db = handle;

    array_insert(handle, db->count, value);
}

static eng_blob
array_get(void *handle, uint64_t index)
{
    array_db *db = handle;

    return *db->items[index];
}

static void
array_pop(void *handle, uint64_t index)
{
    array_db *db = handle;

    free(db->items[index]);
    db->count--;
    memmove(db->items + index, db->items + index + 1,
            (db->count - index) * sizeof(*db->items));
}

static void
array_iterate(void *handle, eng_visit visit, void *context)
{
    const eng_blob no_key = {NULL, 0};
    array_db *db = handle;
    size_t i;

    for (i = 0; i < db->count; i++) {
        visit(context, no_key, *db->items[i]);
    }
}

static void
array_close(void *handle)
{
    array_db *db = handle;
    size_t i;

    for (i = 0; i < db->count; i++) {
        free(db->items[i]);
    }
    free(db->items);
    free(db);
}

const list_engine listeng_array = {
    .name = "array",
    .open = array_open,
    .append = array_append,
    .get = array_get,
    .insert = array_insert,
    .pop = array_pop,
    .iterate = array_iterate,
    .close = array_close,
};

/* --- blocks ------------------------------------------------------------ */

typedef struct block {
    eng_blob *items[BLOCK_MAX];
} block;

typedef struct blocks_db {
    block **blocks;
    uint32_t *counts;
    uint32_t *groups;
    size_t count; // blocks
    size_t capacity;
} blocks_db;

static void
blocks_sum(blocks_db *db, size_t from_block)
{
    size_t group;

    for (group = from_block / GROUP_SIZE; group * GROUP_SIZE < db->count;
         group++) {
        size_t i = group * GROUP_SIZE;
        const size_t end =
            i + GROUP_SIZE < db->count ? i + GROUP_SIZE : db->count;

        db->groups[group] = 0;
        for (; i < end; i++) {
            db->groups[group] += db->counts[i];
        }
    }
}

/* Makes an empty block at `at`. */
static void
blocks_add(blocks_db *db, size_t at)
{
    if (db->count == db->capacity) {
        db->capacity = db->capacity == 0 ? GROUP_SIZE : db->capacity * 2;
        db->blocks = realloc(db->blocks, db->capacity * sizeof(*db->blocks));
        db->counts = realloc(db->counts, db->capacity * sizeof(*db->counts));
        db->groups = realloc(db->groups, (db->capacity / GROUP_SIZE) *
                                             sizeof(*db->groups));
        if (db->blocks == NULL || db->counts == NULL || db->groups == NULL) {
            bench_die("blocks");
        }
    }
    memmove(db->blocks + at + 1, db->blocks + at,
            (db->count - at) * sizeof(*db->blocks));
    memmove(db->counts + at + 1, db->counts + at,
            (db->count - at) * sizeof(*db->counts));
    db->blocks[at] = malloc(sizeof(block));
    if (db->blocks[at] == NULL) {
        bench_die("blocks");
    }
    db->counts[at] = 0;
    db->count++;
    if ((db->count - 1) % GROUP_SIZE == 0) {
        db->groups[(db->count - 1) / GROUP_SIZE] = 0;
    }
}

static void *
blocks_open(const char *dir)
{
    blocks_db *db = calloc(1, sizeof(*db));

    (void)dir;
    if (db == NULL) {
        bench_die("blocks");
    }
    blocks_add(db, 0);
    return db;
}

/* The block with position `index` and the place in it; the end is found. */
static size_t
blocks_find(const blocks_db *db, uint64_t index, uint32_t *place)
{
    const size_t groups = (db->count + GROUP_SIZE - 1) / GROUP_SIZE;
    size_t group = 0;
    size_t at;

    while (group + 1 < groups && index >= db->groups[group]) {
        index -= db->groups[group++];
    }
    at = group * GROUP_SIZE;
    while (at + 1 < db->count && index >= db->counts[at]) {
        index -= db->counts[at++];
    }
    *place = (uint32_t)index;
    return at;
}

/* A full last block that is appended to stays full: lists mostly grow. */
static void
blocks_split(blocks_db *db, size_t at, bool at_end)
{
    const uint32_t keep = at_end ? BLOCK_MAX : BLOCK_MAX / 2;

    blocks_add(db, at + 1);
    memcpy(db->blocks[at + 1]->items, db->blocks[at]->items + keep,
           (BLOCK_MAX - keep) * sizeof(eng_blob *));
    db->counts[at] = keep;
    db->counts[at + 1] = BLOCK_MAX - keep;
    blocks_sum(db, at);
}

static void
blocks_put(blocks_db *db, size_t at, uint32_t place, eng_blob value)
{
    eng_blob **items;

    if (db->counts[at] == BLOCK_MAX) {
        blocks_split(db, at, at + 1 == db->count && place == BLOCK_MAX);
        if (place >= db->counts[at] && db->counts[at] != 0) {
            place -= db->counts[at++];
        }
    }
    items = db->blocks[at]->items;
    memmove(items + place + 1, items + place,
            (db->counts[at] - place) * sizeof(*items));
    items[place] = item_new(value);
    db->counts[at]++;
    db->groups[at / GROUP_SIZE]++;
}

static void
blocks_append(void *handle, eng_blob value)
{
    blocks_db *db = handle;

    blocks_put(db, db->count - 1, db->counts[db->count - 1], value);
}

static void
blocks_insert(void *handle, uint64_t index, eng_blob value)
{
    blocks_db *db = handle;
    uint32_t place;
    const size_t at = blocks_find(db, index, &place);

    blocks_put(db, at, place, value);
}

static eng_blob
blocks_get(void *handle, uint64_t index)
{
    blocks_db *db = handle;
    uint32_t place;
    const size_t at = blocks_find(db, index, &place);

    return *db->blocks[at]->items[place];
}

static void
blocks_pop(void *handle, uint64_t index)
{
    blocks_db *db = handle;
    uint32_t place;
    const size_t at = blocks_find(db, index, &place);
    eng_blob **items = db->blocks[at]->items;

    free(items[place]);
    db->counts[at]--;
    db->groups[at / GROUP_SIZE]--;
    memmove(items + place, items + place + 1,
            (db->counts[at] - place) * sizeof(*items));
}

static void
blocks_iterate(void *handle, eng_visit visit, void *context)
{
    const eng_blob no_key = {NULL, 0};
    blocks_db *db = handle;
    size_t at;

    for (at = 0; at < db->count; at++) {
        uint32_t i;

        for (i = 0; i < db->counts[at]; i++) {
            visit(context, no_key, *db->blocks[at]->items[i]);
        }
    }
}

static void
blocks_close(void *handle)
{
    blocks_db *db = handle;
    size_t at;

    for (at = 0; at < db->count; at++) {
        uint32_t i;

        for (i = 0; i < db->counts[at]; i++) {
            free(db->blocks[at]->items[i]);
        }
        free(db->blocks[at]);
    }
    free(db->blocks);
    free(db->counts);
    free(db->groups);
    free(db);
}

const list_engine listeng_blocks = {
    .name = "blocks",
    .open = blocks_open,
    .append = blocks_append,
    .get = blocks_get,
    .insert = blocks_insert,
    .pop = blocks_pop,
    .iterate = blocks_iterate,
    .close = blocks_close,
};
