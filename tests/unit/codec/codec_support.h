/*
 * codec_support.h - what the codec tests share.
 *
 * Layer    tests.
 */
#ifndef KT_CODEC_SUPPORT_H
#define KT_CODEC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// It needs the ones above.
#include <cmocka.h>

#include "base/alloc.h"
#include "kist/pack.h"
#include "kist/value.h"

#define KT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A value of a type with bytes from a string literal, NULs and all. */
#define KT_BLOB(type, literal)                                                \
    kist_blob((type), (literal), sizeof(literal) - 1)

static inline void
kt_pack(kist_buf *buf, kist_value value)
{
    assert_int_equal(kist_pack_value(buf, &value), KIST_OK);
}

/* Puts what *buf holds inside one more container of the given type. */
static inline void
kt_wrap(kist_buf *buf, kist_type type)
{
    kist_buf outer = {0};

    kt_pack(&outer, kist_blob(type, buf->data, buf->size));
    kist_buf_fini(buf);
    *buf = outer;
}

#endif /* KT_CODEC_SUPPORT_H */
