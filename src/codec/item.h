/*
 * item.h - packed items: what tuples, lists, dicts and sets are made of.
 *
 * Layer    codec: may include base/ and public headers.
 * Threads  any.
 *
 * FORMAT
 *     an item   tag      1 byte, kist_type from NULL to REF
 *               size     varint; only where the tag is TEXT to REF
 *               payload  see scalar.h
 *     TUPLE, LIST, SET, FROZENSET   items, one behind the other
 *     DICT                          key item, value item, key item ...
 *
 * INVARIANTS
 *  (1) Items of a SET or FROZENSET and keys of a DICT are hashable as Python
 *      has it: no LIST, DICT or SET, at any depth.
 *  (2) At most KIST_PACK_DEPTH_MAX containers are inside one another.
 *  (3) Writers pack no two equal items in a set, no two equal keys in a dict.
 *      Readers do not rely on it: the last key counts, as in Python.
 */
#ifndef KI_CODEC_ITEM_H
#define KI_CODEC_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/varint.h"
#include "codec/scalar.h"
#include "kist/bytes.h"
#include "kist/pack.h"
#include "kist/value.h"

/* True for the types whose as.bytes are packed items of any kind. */
static inline bool
ki_tag_is_container(unsigned tag)
{
    return tag >= KIST_TUPLE && tag <= KIST_FROZENSET;
}

/* True for the types that Python cannot hash: LIST, DICT and SET. */
static inline bool
ki_tag_is_unhashable(unsigned tag)
{
    return tag >= KIST_LIST && tag <= KIST_SET;
}

/*
 * kist_unpack_value() without KI_FAIL detail: OK, END or CORRUPT.  Unless OK,
 * *packed and *value are as they were.
 */
KIST_NODISCARD kist_status ki_item_load(kist_slice *packed, kist_value *value);

/* Counts the items at the top level of `packed`: OK or CORRUPT, no detail. */
KIST_NODISCARD kist_status ki_item_count(kist_slice packed, size_t *count);

/* memcmp() order of two runs of bytes, the shorter first: -1, 0 or 1. */
int ki_bytes_compare(kist_slice a, kist_slice b);

#endif /* KI_CODEC_ITEM_H */
