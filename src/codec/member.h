/*
 * member.h - the canonical bytes of a set member.
 *
 * Two members are equal as Python's == has it if and only if their keys are
 * the same bytes, so a set finds members by hashing and comparing keys.
 *
 *     True   1   1.0   (1+0j)   ->  INT 1
 *     -0.0                      ->  INT 0
 *     1e300                     ->  BIGINT
 *     (True, "a")               ->  TUPLE of INT 1, TEXT "a"
 *     frozenset({2, 1.0})       ->  FROZENSET of INT 1, INT 2
 *
 * Two departures from Python, which has no bytes to go by.  A NaN equals the
 * NaN of the same bits, for object identity cannot be stored.  What is kept
 * as text (DATETIME, TIME, DECIMAL, JSON) equals the same text only, so
 * Decimal("1") and Decimal("1.0") are two members, as are Decimal("1") and 1.
 *
 * Layer    codec: may include base/ and public headers.
 * Threads  any.
 *
 * FORMAT   of a key
 *     tag      1 byte, kist_type of the canonical value
 *     payload  of the canonical value, see scalar.h, to the end
 *
 * INVARIANTS
 *  (1) No key holds a BOOL; none a FLOAT or a COMPLEX that equals an integer.
 *  (2) Items of a FROZENSET stand in memcmp() order of their packed bytes,
 *      the shorter first, each once.
 *  (3) The key of ki_member_load(key) is the key.
 */
#ifndef KI_CODEC_MEMBER_H
#define KI_CODEC_MEMBER_H

#include <stdbool.h>

#include "kist/bytes.h"
#include "kist/value.h"

/*
 * Replaces the contents of *key by the key of *v.  Takes memory up to a small
 * multiple of the size of *v.  On failure *key is empty.
 *   TYPE            not hashable: a LIST, DICT or SET, or one in a tuple
 *   CORRUPT         the bytes of *v are no value
 *   TOOBIG          nested deeper than KIST_PACK_DEPTH_MAX, or key->size_max
 *   NOMEM
 */
KIST_NODISCARD kist_status ki_member_key(const kist_value *v, kist_buf *key);

#define KI_MEMBER_SMALL 128u

/*
 * The same without memory, in `room`, for a BOOL, an INT, and a TEXT or BYTES
 * that fits.  False for all others, about which nothing is said.
 */
bool ki_member_key_small(const kist_value *v, uint8_t room[KI_MEMBER_SMALL],
                         kist_slice *key);

/*
 * Appends the canonical form of *v to *items as a packed item; else as
 * ki_member_key().  On failure *items is as it was.
 */
KIST_NODISCARD kist_status ki_member_pack(const kist_value *v,
                                          kist_buf *items);

/*
 * True if *v is itself what ki_member_load() gives for its key, so that the
 * key is all that a set need store.  False for what has no key.
 */
bool ki_member_is_canonical(const kist_value *v);

/*
 * The canonical value of a key, as a view of it.  CORRUPT, without KI_FAIL
 * detail (the caller adds path and offset), if the bytes are no key; whether
 * a composite is well formed, kist_value_check() tells.
 */
KIST_NODISCARD kist_status ki_member_load(kist_slice key, kist_value *v);

#endif /* KI_CODEC_MEMBER_H */
