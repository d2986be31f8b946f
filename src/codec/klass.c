#include "codec/klass.h"

#include "base/fail.h"
#include "codec/number.h"
#include "codec/scalar.h"
#include "kist/pack.h"

#define INT128_SIZE 16u

bool
ki_klass_valid(kist_type klass)
{
    return klass == KIST_ANY || ki_tag_valid((unsigned)klass) ||
           klass == KIST_INT32 || klass == KIST_INT128;
}

/*
 * The value is of a type that the collection takes: is it well formed?  Text
 * and big ints are arguments of the caller's making, hence INVALID.
 */
static kist_status
content_check(const kist_value *v)
{
    const kist_slice bytes = v->as.bytes;

    if (v->type == KIST_TEXT) {
        if (!ki_utf8_valid(bytes.data, bytes.size)) {
            return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                           "text is not UTF-8");
        }
        return KIST_OK;
    }
    if (v->type == KIST_BIGINT) {
        if (!ki_bigint_valid(bytes)) {
            return KI_FAIL(KIST_ERR_INVALID, NULL, KI_NO_OFFSET,
                           "big int is not minimal or fits 64 bits");
        }
        return KIST_OK;
    }
    return kist_value_check(v);
}

static kist_status
int32_check(const kist_value *v)
{
    if (v->type == KIST_INT && v->as.integer >= INT32_MIN &&
        v->as.integer <= INT32_MAX) {
        return KIST_OK;
    }
    return KI_FAIL(KIST_ERR_OVERFLOW, NULL, KI_NO_OFFSET,
                   "integer does not fit 32 bits");
}

static kist_status
int128_check(const kist_value *v)
{
    if (v->type == KIST_INT || v->as.bytes.size <= INT128_SIZE) {
        return KIST_OK;
    }
    return KI_FAIL(KIST_ERR_OVERFLOW, NULL, KI_NO_OFFSET,
                   "integer does not fit 128 bits");
}

/* An integer, well formed, into a collection of integers. */
static kist_status
integer_check(kist_type klass, const kist_value *v)
{
    if (klass == KIST_INT32) {
        return int32_check(v);
    }
    if (klass == KIST_INT128) {
        return int128_check(v);
    }
    if (v->type == KIST_INT) {
        return KIST_OK;
    }
    return KI_FAIL(KIST_ERR_OVERFLOW, NULL, KI_NO_OFFSET,
                   "integer does not fit 64 bits");
}

kist_status
ki_klass_check_slow(kist_type klass, const kist_value *v)
{
    const bool integer = v->type == KIST_INT || v->type == KIST_BIGINT;
    kist_status status;

    if (!ki_tag_valid((unsigned)v->type)) {
        return KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET,
                       "value has no type of values");
    }
    if (klass == KIST_ANY || klass == v->type) {
        return content_check(v);
    }
    if (integer &&
        (klass == KIST_INT || klass == KIST_INT32 || klass == KIST_INT128)) {
        status = content_check(v);
        return status == KIST_OK ? integer_check(klass, v) : status;
    }
    return KI_FAIL(KIST_ERR_TYPE, NULL, KI_NO_OFFSET,
                   "value is not of the collection's type");
}
