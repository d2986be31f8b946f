/*
 * record.h - one record of the log: bytes only, no files.
 *
 * Layer    log: may include base/ and os/, nothing above.
 * Threads  any; records never change once written.
 *
 * FORMAT   little-endian; a record begins at a multiple of 8 in the file.
 *     OFFSET  SIZE  FIELD
 *        0      4   crc    CRC-32C of bytes 4 .. padded end, begun with the
 *                          record's seed (below)
 *        4      4   size   bytes of head, key and value, without padding
 *        8      1   op     KI_OP_*; bit 7 (KI_OP_MORE): the batch that this
 *                          record belongs to goes on behind it
 *        9      1   tag    type of the value (kist/value.h)
 *       10      2   ksize  bytes of key; 0xffff: the key's size stands in 4
 *                          bytes between head and key
 *       12      3   coll   number of the collection; 0 is the catalog
 *       15      5   slot   dict, set: the slot; list: the position
 *       20   ksize  key
 *        -      -   value  what is left of size
 *        -   0..7   zeros up to the next multiple of 8
 *
 *     The seed of a record at file offset o in a log of salt s is
 *     low32(mix(s + o)): a record is valid only in its log and its place.
 *
 * INVARIANTS
 *  (1) A record exists if and only if its crc matches.
 *  (2) Records with KI_OP_MORE count only if the run of them is closed by a
 *      record without it.
 */
#ifndef KI_LOG_RECORD_H
#define KI_LOG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/byteorder.h"
#include "base/crc32c.h"
#include "kist/bytes.h"

#define KI_RECORD_HEAD     20u
#define KI_RECORD_ALIGN    8u
#define KI_RECORD_SIZE_MAX ((UINT32_C(1) << 30) + (UINT32_C(32) << 20))
#define KI_KSIZE_LONG      0xffffu
#define KI_COLL_MAX        ((UINT32_C(1) << 24) - 1)
#define KI_SLOT_MAX        ((UINT64_C(1) << 38) - 1)

typedef enum ki_op {
    KI_OP_PUT = 1,     /* dict, set: key -> value in slot */
    KI_OP_DELETE = 2,  /* dict, set: what is in slot goes */
    KI_OP_APPEND = 3,  /* list: value goes to position slot == count */
    KI_OP_SET = 4,     /* list: position slot becomes value */
    KI_OP_INSERT = 5,  /* list: value goes before position slot */
    KI_OP_REMOVE = 6,  /* list: value is a u64 count, removed from slot on */
    KI_OP_CLEAR = 7,   /* any: empty */
    KI_OP_REVERSE = 8, /* list */
    KI_OP_PERMUTE = 9, /* list: value is count u32s (u64s above 2^32) */
    KI_OP_MARK = 10, /* catalog: value is a u64, the log below it is synced */
    KI_OP_COMMIT = 11, /* catalog: closes a batch; value is the u64 offset at
                          which the batch begins */
    KI_OP_MORE = 0x80
} ki_op;

/* A record taken apart; key and value point into the log. */
typedef struct ki_record {
    uint64_t slot;
    const uint8_t *key;
    const uint8_t *value;
    uint32_t ksize;
    uint32_t vsize;
    uint32_t coll;
    uint32_t span; /* bytes in the log, padding included */
    uint8_t op;    /* without KI_OP_MORE */
    uint8_t tag;
    bool more;
} ki_record;

/* Bytes that a record takes in the log, padding included. */
static inline uint64_t
ki_record_span(size_t ksize, size_t vsize)
{
    const uint64_t size = (uint64_t)KI_RECORD_HEAD + ksize + vsize +
                          (ksize >= KI_KSIZE_LONG ? 4u : 0u);

    return (size + (KI_RECORD_ALIGN - 1)) & ~(uint64_t)(KI_RECORD_ALIGN - 1);
}

/* What a record's CRC begins with. */
static inline uint32_t
ki_record_seed(uint64_t salt, uint64_t offset)
{
    uint64_t mixed = (salt + offset) * UINT64_C(0x9e3779b97f4a7c15);

    mixed ^= mixed >> 32;
    return (uint32_t)mixed;
}

/*
 * Writes head and key of `record` (span, key and value pointers are not read;
 * vsize is) to `to`, zeroes the padding, and returns where the value goes.
 */
uint8_t *ki_record_begin(uint8_t *to, const ki_record *record);

/* Puts the crc in, once the value stands. */
static inline void
ki_record_finish(uint8_t *to, uint64_t span, uint32_t seed)
{
    ki_store_le32(to, ki_crc32c(seed, to + 4, (size_t)span - 4));
}

/*
 * Takes the record at `bytes` apart if it is whole: its size is possible
 * within `room` bytes and its crc matches.  Bytes are read once and checked
 * before they are used.
 */
bool ki_record_load(const uint8_t *bytes, uint64_t room, uint32_t seed,
                    ki_record *record);

/* The span that the head at `bytes` claims, or 0 if it cannot be one. */
static inline uint32_t
ki_record_claim(const uint8_t *bytes, uint64_t room)
{
    uint32_t size;
    uint32_t span;

    if (room < KI_RECORD_HEAD + 4) {
        return 0;
    }
    size = ki_load_le32(bytes + 4);
    if (size < KI_RECORD_HEAD || size > KI_RECORD_SIZE_MAX) {
        return 0;
    }
    span = (size + (KI_RECORD_ALIGN - 1)) & ~(KI_RECORD_ALIGN - 1);
    return span <= room ? span : 0;
}

/* ki_record_peek() for a key whose size does not fit the head. */
bool ki_record_peek_long(const uint8_t *bytes, uint32_t size,
                         ki_record *record);

/*
 * Takes the record at `bytes` apart without asking its crc: false if its
 * sizes are impossible.  For whoever checks it afterwards.
 */
static inline bool
ki_record_peek(const uint8_t *bytes, uint64_t room, ki_record *record)
{
    const uint32_t span = ki_record_claim(bytes, room);
    uint64_t where;
    uint32_t size;

    if (span == 0) {
        return false;
    }
    // Another process may be changing the file under us: the size is read
    // again here, so it is bounded again, by the span.
    size = ki_load_le32(bytes + 4);
    where = ki_load_le64(bytes + 12);
    record->op = bytes[8] & 0x7f;
    record->more = (bytes[8] & KI_OP_MORE) != 0;
    record->tag = bytes[9];
    record->ksize = ki_load_le16(bytes + 10);
    record->coll = (uint32_t)(where & KI_COLL_MAX);
    record->slot = where >> 24;
    record->span = span;
    if (size > span || size < KI_RECORD_HEAD) {
        return false;
    }
    if (record->ksize == KI_KSIZE_LONG) {
        return ki_record_peek_long(bytes, size, record);
    }
    if (record->ksize > size - KI_RECORD_HEAD) {
        return false;
    }
    record->key = bytes + KI_RECORD_HEAD;
    record->value = record->key + record->ksize;
    record->vsize = size - KI_RECORD_HEAD - record->ksize;
    return true;
}

/* Does the crc of a record that was peeked at match? */
static inline bool
ki_record_is_whole(const uint8_t *bytes, const ki_record *record,
                   uint32_t seed)
{
    return ki_crc32c(seed, bytes + 4, record->span - 4) == ki_load_le32(bytes);
}

#endif /* KI_LOG_RECORD_H */
