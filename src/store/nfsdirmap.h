/*
 * nfsdirmap.h - keys by the names of their files.
 *
 *     slots   digest, offset, size       open addressing by the first bytes
 *     keys    the bytes of all keys      of the digest, which is random enough
 *
 * Layer    store.
 * Threads  a map belongs to one at a time.
 */
#ifndef KI_STORE_NFSDIRMAP_H
#define KI_STORE_NFSDIRMAP_H

#include <stdbool.h>

#include "kist/bytes.h"
#include "store/sha256.h"

struct ki_nfsslot;

/* Zeroed is empty. */
typedef struct ki_nfsmap {
    struct ki_nfsslot *slots;
    size_t room; // a power of two, or 0
    size_t count;
    kist_buf keys;
} ki_nfsmap;

/* Adds `key`, whose digest that is, unless it is there.  NOMEM. */
KIST_NODISCARD kist_status ki_nfsmap_add(ki_nfsmap *map,
                                         const uint8_t digest[KI_SHA256_SIZE],
                                         kist_slice key);

/* True if there is a key of that digest; *key is good until the map changes.
 */
bool ki_nfsmap_find(const ki_nfsmap *map, const uint8_t digest[KI_SHA256_SIZE],
                    kist_slice *key);

/* NULL and zeroed are fine. */
void ki_nfsmap_fini(ki_nfsmap *map);

#endif /* KI_STORE_NFSDIRMAP_H */
