/*
 * idxbed.h - an index in private memory and random numbers, for the tests of
 * this folder.
 *
 * Layer    tests/unit/index.
 */
#ifndef KT_INDEX_IDXBED_H
#define KT_INDEX_IDXBED_H

#include "index/tx.h"
#include "support/check.h"

/* A word of the header that no test of this folder needs for itself. */
#define BED_ROOT ((uint64_t)KI_W_CATALOG)

static inline void
bed_create(ki_idx *idx, uint64_t reserve)
{
    static const uint8_t uuid[16] = {1, 2, 3};

    KT_OK(ki_idx_create(idx, NULL, 0, uuid, 1, reserve));
}

/* 64 random bits (splitmix64). */
static inline uint64_t
bed_random(uint64_t *random)
{
    uint64_t z = (*random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A random number below `below`. */
static inline uint64_t
bed_draw(uint64_t *random, uint64_t below)
{
    return bed_random(random) % below;
}

#endif /* KT_INDEX_IDXBED_H */
