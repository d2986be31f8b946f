/*
 * pack.h - composite values: building and reading packed bytes.
 *
 *   [tuple: 1, "a"]  =  KIST_TUPLE value whose as.bytes is
 *                       item(int 1) item(text "a")
 *
 * An item is a tag byte (kist_type), for types with bytes a varint size, and
 * the payload.  Containers nest: an item's payload may be packed items again.
 *
 * Layer    public.
 */
#ifndef KIST_PACK_H
#define KIST_PACK_H

#include "kist/value.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KIST_PACK_DEPTH_MAX 512

/* Appends one item to `buf`.  For containers as.bytes is already packed. */
KIST_NODISCARD kist_status kist_pack_value(kist_buf *buf,
                                           const kist_value *value);

/*
 * Reads the item at the front of *packed into *value (a view of *packed) and
 * moves *packed behind it.  KIST_END when *packed is empty; CORRUPT when the
 * bytes are no item.
 */
KIST_NODISCARD kist_status kist_unpack_value(kist_slice *packed,
                                             kist_value *value);

/*
 * Checks that the bytes of `value` are well formed, nested items included, to
 * KIST_PACK_DEPTH_MAX levels: CORRUPT or TOOBIG (depth) if not.
 */
KIST_NODISCARD kist_status kist_value_check(const kist_value *value);

/* True if the two are equal as Python's == has it (1 == 1.0 == true). */
bool kist_value_equal(const kist_value *a, const kist_value *b);

/*
 * *order becomes negative, 0 or positive as a sorts before, with or behind b.
 * TYPE if the two cannot be ordered.
 */
KIST_NODISCARD kist_status kist_value_compare(const kist_value *a,
                                              const kist_value *b, int *order);

#ifdef __cplusplus
}
#endif

#endif /* KIST_PACK_H */
