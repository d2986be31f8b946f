/*
 * hash.h - the keyed 64-bit hash of keys (XXH3).
 *
 * Layer    base.
 */
#ifndef KI_BASE_HASH_H
#define KI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * The hash of `size` bytes at `data` under `seed`.  The seed is random in
 * each kist, so that nobody can prepare keys that collide in it.
 */
uint64_t ki_hash(const void *data, size_t size, uint64_t seed);

#endif /* KI_BASE_HASH_H */
