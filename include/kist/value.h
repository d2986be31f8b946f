/*
 * value.h - one stored value and its type.
 *
 * A value is null, a bool, a 64-bit integer, a double, or bytes with a type
 * that says what they mean.  Composite values (tuple, list, dict, set) travel
 * as packed bytes: pack.h builds and reads them.
 *
 * Layer    public.
 * Threads  values are plain data.
 */
#ifndef KIST_VALUE_H
#define KIST_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "kist/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Types of values and of collections.  The numbers are the tag bytes on disk.
 * A collection of type KIST_ANY takes values of every type from KIST_NULL to
 * KIST_COMPLEX, and any other collection takes exactly its own (INT32 and
 * INT128 collections take KIST_INT, and INT128 KIST_BIGINT too).
 */
typedef enum kist_type {
    KIST_ANY = 0, /* collections only: heterogeneous */
    KIST_NULL = 1,
    KIST_BOOL = 2,       /* as.boolean */
    KIST_INT = 3,        /* as.integer: 64 bits */
    KIST_FLOAT = 4,      /* as.real: IEEE 754 double */
    KIST_TEXT = 5,       /* as.bytes: UTF-8 (lone surrogates allowed) */
    KIST_BYTES = 6,      /* as.bytes */
    KIST_BIGINT = 7,     /* as.bytes: two's complement, little-endian, minimal,
                            and always outside the range of KIST_INT */
    KIST_TUPLE = 8,      /* as.bytes: packed items, see pack.h */
    KIST_LIST = 9,       /* as.bytes: packed items */
    KIST_DICT = 10,      /* as.bytes: packed key, value, key, value ... */
    KIST_SET = 11,       /* as.bytes: packed items */
    KIST_FROZENSET = 12, /* as.bytes: packed items */
    KIST_JSON = 13,      /* as.bytes: compact UTF-8 JSON text */
    KIST_DATETIME = 14,  /* as.bytes: text, ISO 8601 */
    KIST_DATE = 15,      /* as.bytes: text, ISO 8601 */
    KIST_TIME = 16,      /* as.bytes: text, ISO 8601 */
    KIST_TIMEDELTA = 17, /* as.bytes: packed days, seconds, microseconds */
    KIST_DECIMAL = 18,   /* as.bytes: text */
    KIST_UUID = 19,      /* as.bytes: 16 bytes */
    KIST_COMPLEX = 20,   /* as.bytes: two little-endian doubles */
    KIST_REF = 21,       /* as.bytes: a reference to another collection */
    KIST_INT32 = 32,     /* collections only: KIST_INT in 32 bits */
    KIST_INT128 = 33     /* collections only: KIST_INT or BIGINT, 128 bits */
} kist_type;

typedef struct kist_value {
    kist_type type;
    union {
        bool boolean;
        int64_t integer;
        double real;
        kist_slice bytes;
    } as;
} kist_value;

/*
 * A number leaves the rest of the union as it is: zeroing it first would be a
 * store that the value's own, smaller one makes the processor wait for.
 */
static inline kist_value
kist_null(void)
{
    kist_value value;

    value.type = KIST_NULL;
    value.as.integer = 0;
    return value;
}

static inline kist_value
kist_bool(bool boolean)
{
    kist_value value;

    value.type = KIST_BOOL;
    value.as.boolean = boolean;
    return value;
}

static inline kist_value
kist_int(int64_t integer)
{
    kist_value value;

    value.type = KIST_INT;
    value.as.integer = integer;
    return value;
}

static inline kist_value
kist_float(double real)
{
    kist_value value;

    value.type = KIST_FLOAT;
    value.as.real = real;
    return value;
}

/* A value of a type that is stored as bytes; borrows them. */
static inline kist_value
kist_blob(kist_type type, const void *data, size_t size)
{
    kist_value value;

    value.type = type;
    value.as.bytes = kist_bytes(data, size);
    return value;
}

static inline kist_value
kist_text(const char *text)
{
    return kist_blob(KIST_TEXT, text, strlen(text));
}

/* "int", "text" ...; "type?" for an unknown number. */
const char *kist_type_name(kist_type type);

/* True if values of this type carry as.bytes. */
bool kist_type_has_bytes(kist_type type);

#ifdef __cplusplus
}
#endif

#endif /* KIST_VALUE_H */
