/*
 * klass.h - which values a collection takes.
 *
 * Layer    codec: may include base/ and public headers.
 * Threads  any.
 */
#ifndef KI_CODEC_KLASS_H
#define KI_CODEC_KLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assertion.h"
#include "codec/utf8.h"
#include "kist/value.h"

/* True if a collection can be of this type. */
bool ki_klass_valid(kist_type klass);

/* ki_klass_check() for what its fast path leaves open. */
KIST_NODISCARD kist_status ki_klass_check_slow(kist_type klass,
                                               const kist_value *v);

/*
 * Does the value fit a collection of type `klass`?
 *   TYPE      another type than the collection's; no type at all
 *   OVERFLOW  an integer too large for INT32, INT or INT128
 *   INVALID   text that is no UTF-8; a big int not minimal or not big
 *   CORRUPT, TOOBIG  as kist_value_check(), for composites
 */
KIST_NODISCARD static inline kist_status
ki_klass_check(kist_type klass, const kist_value *v)
{
    const kist_type type = v->type;

    if (KI_LIKELY(klass == KIST_ANY || klass == type)) {
        if (type == KIST_TEXT) {
            if (KI_LIKELY(
                    ki_utf8_is_ascii(v->as.bytes.data, v->as.bytes.size))) {
                return KIST_OK;
            }
        }
        else if (type == KIST_BYTES ||
                 (type >= KIST_NULL && type <= KIST_FLOAT)) {
            return KIST_OK;
        }
    }
    return ki_klass_check_slow(klass, v);
}

/*
 * True for BOOL, INT, INT32 and FLOAT: a list of them keeps its values in the
 * 8-byte words of its index.
 */
static inline bool
ki_klass_inline(kist_type klass)
{
    return klass == KIST_BOOL || klass == KIST_INT || klass == KIST_INT32 ||
           klass == KIST_FLOAT;
}

/* The index word of a value that fits an inline collection. */
static inline uint64_t
ki_klass_to_word(const kist_value *v)
{
    uint64_t word;

    if (v->type == KIST_BOOL) {
        return v->as.boolean;
    }
    if (v->type == KIST_FLOAT) {
        memcpy(&word, &v->as.real, sizeof(word));
        return word;
    }
    return (uint64_t)v->as.integer;
}

/* The value of an index word; any word gives a value that fits `klass`. */
static inline kist_value
ki_klass_from_word(kist_type klass, uint64_t word)
{
    double real;

    if (klass == KIST_FLOAT) {
        memcpy(&real, &word, sizeof(real));
        return kist_float(real);
    }
    if (klass == KIST_BOOL) {
        return kist_bool(word != 0);
    }
    if (klass == KIST_INT32) {
        return kist_int((int32_t)(uint32_t)word);
    }
    return kist_int((int64_t)word);
}

#endif /* KI_CODEC_KLASS_H */
