/*
 * setrecord.h - what a set's record says its member is.
 *
 * FORMAT   of a set's record: the key is the member's canonical bytes
 *          (codec/member.h); the value is empty with tag KIST_NULL if the
 *          canonical form is the member, and else the member as it was given
 *          (1.0 and true have the canonical form of 1).
 *
 * Layer    coll.
 */
#ifndef KI_COLL_SETRECORD_H
#define KI_COLL_SETRECORD_H

#include "coll/gen.h"
#include "kist/value.h"

/* The member of the record, as a view.  CORRUPT. */
KIST_NODISCARD kist_status ki_member_value(const ki_gen *gen, uint64_t offset,
                                           const ki_record *record,
                                           kist_value *value);

#endif /* KI_COLL_SETRECORD_H */
