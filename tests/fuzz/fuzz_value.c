/*
 * fuzz_value.c - libFuzzer target: arbitrary bytes as packed items.
 *
 * The promises tried: nothing is read outside the input; what the decoder
 * takes, it gives back byte for byte; what the check takes, can be walked to
 * its end, is equal to itself unless it holds a NaN, and has, if hashable, a
 * key whose value is well formed, canonical, and has the same key.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/item.h"
#include "codec/klass.h"
#include "codec/member.h"

#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);           \
            abort();                                                          \
        }                                                                     \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks a value that passed the check; counts NaNs and what has no hash. */
static void
walk(const kist_value *v, unsigned depth, size_t *nans, size_t *unhashable)
{
    kist_slice rest = v->as.bytes;
    kist_value item;
    kist_status status;
    double parts[2];

    REQUIRE(depth <= KIST_PACK_DEPTH_MAX);
    *nans += v->type == KIST_FLOAT && __builtin_isnan(v->as.real);
    if (v->type == KIST_COMPLEX) {
        memcpy(parts, v->as.bytes.data, sizeof(parts));
        *nans += __builtin_isnan(parts[0]) || __builtin_isnan(parts[1]);
    }
    *unhashable += ki_tag_is_unhashable((unsigned)v->type);
    if (ki_tag_is_container((unsigned)v->type)) {
        while ((status = kist_unpack_value(&rest, &item)) == KIST_OK) {
            walk(&item, depth + 1, nans, unhashable);
        }
        REQUIRE(status == KIST_END);
    }
}

static void
try_member(const kist_value *v, size_t nans)
{
    kist_buf key = {0};
    kist_buf again = {0};
    kist_value canonical;

    REQUIRE(ki_member_key(v, &key) == KIST_OK);
    REQUIRE(ki_member_load(kist_buf_slice(&key), &canonical) == KIST_OK);
    REQUIRE(kist_value_check(&canonical) == KIST_OK);
    REQUIRE(ki_member_is_canonical(&canonical));
    REQUIRE(nans > 0 || kist_value_equal(v, &canonical));
    REQUIRE(nans > 0 || kist_value_equal(&canonical, v));
    REQUIRE(ki_member_key(&canonical, &again) == KIST_OK);
    REQUIRE(again.size == key.size &&
            memcmp(again.data, key.data, key.size) == 0);
    if (ki_member_is_canonical(v)) {
        REQUIRE(v->type == canonical.type);
        REQUIRE(ki_value_payload_size(v) == key.size - 1);
    }
    kist_buf_fini(&key);
    kist_buf_fini(&again);
}

/* A value that may be damaged: every function must bear it. */
static void
try_value(const kist_value *v, const kist_value *before)
{
    const kist_status checked = kist_value_check(v);
    size_t nans = 0;
    size_t unhashable = 0;
    kist_buf key = {0};
    kist_status status;
    int order = 0;
    int back = 0;

    if (checked == KIST_OK) {
        REQUIRE(ki_klass_check(KIST_ANY, v) == KIST_OK);
        REQUIRE(ki_klass_check(v->type, v) == KIST_OK);
        walk(v, 0, &nans, &unhashable);
        REQUIRE(nans > 0 || kist_value_equal(v, v));
        if (unhashable == 0) {
            try_member(v, nans);
        }
    }
    else {
        REQUIRE(checked == KIST_ERR_CORRUPT || checked == KIST_ERR_TOOBIG);
        REQUIRE(ki_klass_check(KIST_ANY, v) != KIST_OK);
        (void)kist_value_equal(v, v);
        status = ki_member_key(v, &key);
        REQUIRE(status != KIST_OK || key.size > 0);
        (void)ki_member_is_canonical(v);
    }
    // Sets with a NaN are equal to themselves, so only one way round.
    REQUIRE(kist_value_equal(v, before) == kist_value_equal(before, v));
    status = kist_value_compare(v, before, &order);
    if (status == KIST_OK && checked == KIST_OK &&
        kist_value_compare(before, v, &back) == KIST_OK) {
        // Both ways "not less" is left to NaNs.
        REQUIRE((order > 0) == (back < 0) || (order > 0 && back > 0));
        REQUIRE((order == 0) == (back == 0));
        REQUIRE(nans > 0 || order != 0 || kist_value_equal(v, before));
    }
    kist_buf_fini(&key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kist_slice rest = kist_bytes(data, size);
    kist_value before = kist_null();
    kist_value value;
    kist_buf packed = {0};
    kist_status status;

    while ((status = kist_unpack_value(&rest, &value)) == KIST_OK) {
        REQUIRE(kist_pack_value(&packed, &value) == KIST_OK);
        try_value(&value, &before);
        before = value;
    }
    REQUIRE(status == KIST_END || status == KIST_ERR_CORRUPT);
    REQUIRE(packed.size == size - rest.size);
    REQUIRE(packed.size == 0 || memcmp(packed.data, data, packed.size) == 0);
    kist_buf_fini(&packed);

    // The whole input once as the inside of each type that has bytes.
    for (unsigned tag = KIST_TEXT; tag <= KIST_REF; tag++) {
        value = kist_blob((kist_type)tag, data, size);
        try_value(&value, &before);
    }
    (void)ki_member_load(kist_bytes(data, size), &value);
    return 0;
}
