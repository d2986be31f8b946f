/*
 * layout.h - the header of a collection in the index.
 *
 *   kist header           table of collections       collection header
 *   [ catalog ] --+       [ address of 1 ] --------> [ serial | about | ... ]
 *   [ table   ] --|-----> [ address of 2 ]             |         |
 *                 |                                    v         v
 *                 +--> a dict of names           hash, slots, tree
 *
 * The catalog is collection 0, a dict from names to descriptors: creating a
 * collection is a put into it, dropping one a delete.  The collection's number
 * is its slot in the catalog plus 1.
 *
 * FORMAT   words of a collection header, at address + KI_C_*
 *     SERIAL   offset of the catalog's record of this collection, 0 once it is
 *              dropped; of the catalog itself: 1
 *     ABOUT    number << 32 | kind << 8 | type
 *     HASH     root word of the hash (index/hashidx.h): dict, set
 *     TABLE    table word of the slots (index/slots.h)
 *     SLOTS    dict, set: slots in use, holes included; flat list: items
 *     COUNT    dict, set: live items
 *     FIRST    dict, set: no live slot lies below it
 *     TREE     list: root of the order tree (index/ordertree.h), 0: flat
 *     WRITES   records in the log << 32 | changes of size, both modulo 2^32
 *     BYTES    of log that live records of this collection take
 *
 *     A descriptor, the catalog's value, is 2 bytes: kind, type.
 *
 * Layer    coll.
 * Threads  words; see index/idxfile.h.
 */
#ifndef KI_COLL_LAYOUT_H
#define KI_COLL_LAYOUT_H

#include <stdint.h>

#include "index/tx.h"

enum {
    KI_C_SERIAL = 0,
    KI_C_ABOUT = 8,
    KI_C_HASH = 16,
    KI_C_TABLE = 24,
    KI_C_SLOTS = 32,
    KI_C_COUNT = 40,
    KI_C_FIRST = 48,
    KI_C_TREE = 56,
    KI_C_WRITES = 64,
    KI_C_BYTES = 72,
    KI_C_END = 80
};

#define KI_CATALOG_ID     0u
#define KI_CATALOG_SERIAL UINT64_C(1)
#define KI_CATALOG_HEADER ((uint64_t)KI_W_CATALOG)

static inline uint64_t
ki_about(uint32_t id, uint32_t kind, uint32_t type)
{
    return (uint64_t)id << 32 | kind << 8 | type;
}

/*
 * The number in ABOUT where it stands in the 8 bytes of a record that begin
 * with the size of the key (log/record.h).
 */
static inline uint64_t
ki_about_coll(uint64_t about)
{
    return about >> 32 << 16;
}

/* WRITES after one more record, which changed the size or did not. */
static inline uint64_t
ki_writes_next(uint64_t writes, bool resized)
{
    const uint64_t changes = (writes + resized) & UINT32_MAX;

    return (((writes >> 32) + 1) << 32) | changes;
}

#endif /* KI_COLL_LAYOUT_H */
