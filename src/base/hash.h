/*
 * hash.h - the keyed 64-bit hash of keys (XXH3).
 *
 * Layer    base.
 */
#ifndef KI_BASE_HASH_H
#define KI_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The hash of `size` bytes at `data` under `seed`.  The seed is random in
 * each kist, so that nobody can prepare keys that collide in it.
 */
uint64_t ki_hash(const void *data, size_t size, uint64_t seed);

/* The sizes of which most keys are. */
static inline bool
ki_hash_is_medium(size_t size)
{
    return size - 9 <= 7;
}

/*
 * ki_hash() of 9 to 16 bytes, of which `low` are the first eight and `high`
 * the last: XXH3 with its default secret, whose words these numbers are.
 */
static inline __attribute__((always_inline)) uint64_t
ki_hash_medium(uint64_t low, uint64_t high, size_t size, uint64_t seed)
{
    __extension__ unsigned __int128 product;
    uint64_t hash;

    low ^= UINT64_C(0x6782737bea4239b9) + seed;
    high ^= UINT64_C(0xaf56bc3b0996523a) - seed;
    product = low;
    product *= high;
    hash = size + __builtin_bswap64(low) + high +
           ((uint64_t)product ^ (uint64_t)(product >> 64));
    hash = (hash ^ hash >> 37) * UINT64_C(0x165667919e3779f9);
    return hash ^ hash >> 32;
}

#endif /* KI_BASE_HASH_H */
