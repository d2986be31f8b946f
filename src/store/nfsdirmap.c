#include "store/nfsdirmap.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/fail.h"

#define ROOM_FIRST 64

typedef struct ki_nfsslot {
    uint8_t digest[KI_SHA256_SIZE];
    size_t offset; // of the key, and 1 more: 0 is a free slot
    size_t size;
} ki_nfsslot;

/* The slot that has `digest`, or the free one where it would go. */
static ki_nfsslot *
slot_of(const ki_nfsmap *map, const uint8_t *digest)
{
    const size_t mask = map->room - 1;
    size_t at = (size_t)ki_load_le64(digest + 8) & mask;

    while (map->slots[at].offset != 0 &&
           memcmp(map->slots[at].digest, digest, KI_SHA256_SIZE) != 0) {
        at = (at + 1) & mask;
    }
    return &map->slots[at];
}

/* At most half of the slots are taken. */
static kist_status
grow(ki_nfsmap *map)
{
    const ki_nfsmap before = *map;

    if (map->count < map->room / 2) {
        return KIST_OK;
    }
    map->room = map->room == 0 ? ROOM_FIRST : map->room * 2;
    map->slots = ki_calloc(map->room, sizeof(*map->slots));
    if (map->slots == NULL) {
        *map = before;
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "map of keys");
    }
    for (size_t i = 0; i < before.room; i++) {
        if (before.slots[i].offset != 0) {
            *slot_of(map, before.slots[i].digest) = before.slots[i];
        }
    }
    ki_free(before.slots);
    return KIST_OK;
}

kist_status
ki_nfsmap_add(ki_nfsmap *map, const uint8_t digest[KI_SHA256_SIZE],
              kist_slice key)
{
    const size_t offset = map->keys.size;
    ki_nfsslot *slot;
    kist_status status = grow(map);

    if (status != KIST_OK) {
        return status;
    }
    slot = slot_of(map, digest);
    if (slot->offset != 0) {
        return KIST_OK;
    }
    status = kist_buf_append(&map->keys, key.data, key.size);
    if (status == KIST_OK) {
        memcpy(slot->digest, digest, KI_SHA256_SIZE);
        slot->offset = offset + 1;
        slot->size = key.size;
        map->count++;
    }
    return status;
}

bool
ki_nfsmap_find(const ki_nfsmap *map, const uint8_t digest[KI_SHA256_SIZE],
               kist_slice *key)
{
    const ki_nfsslot *slot = map->room == 0 ? NULL : slot_of(map, digest);

    if (slot == NULL || slot->offset == 0) {
        return false;
    }
    // An empty key has no bytes, and perhaps no buffer to be in.
    *key = slot->size == 0
               ? kist_bytes("", 0)
               : kist_bytes(map->keys.data + slot->offset - 1, slot->size);
    return true;
}

void
ki_nfsmap_fini(ki_nfsmap *map)
{
    if (map != NULL) {
        ki_free(map->slots);
        kist_buf_fini(&map->keys);
        *map = (ki_nfsmap){0};
    }
}
