#include "store/sha256.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define BLOCK_SIZE 64

/* Takes `count` blocks at `data` into the state. */
typedef void (*absorber)(uint32_t state[8], const uint8_t *data, size_t count);

/* The cube roots of the first 64 primes, their fractions (FIPS 180-4, 4.2.2).
 */
static const uint32_t round_words[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static const uint32_t first_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                        0xa54ff53a, 0x510e527f, 0x9b05688c,
                                        0x1f83d9ab, 0x5be0cd19};

static uint32_t
rotate(uint32_t word, unsigned count)
{
    return word >> count | word << (32 - count);
}

static uint32_t
load_be32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 |
           (uint32_t)data[2] << 8 | data[3];
}

static void
store_be32(uint8_t *data, uint32_t word)
{
    data[0] = (uint8_t)(word >> 24);
    data[1] = (uint8_t)(word >> 16);
    data[2] = (uint8_t)(word >> 8);
    data[3] = (uint8_t)word;
}

/* --- one block, as the standard writes it (6.2.2) ---------------------------
 */

static void
absorb_block(uint32_t state[8], const uint8_t *data)
{
    uint32_t words[64];
    uint32_t v[8];

    for (unsigned t = 0; t < 16; t++) {
        words[t] = load_be32(data + (size_t)t * 4);
    }
    for (unsigned t = 16; t < 64; t++) {
        const uint32_t w15 = words[t - 15];
        const uint32_t w2 = words[t - 2];

        words[t] = words[t - 16] + words[t - 7] +
                   (rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3) +
                   (rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10);
    }
    memcpy(v, state, sizeof(v));
    for (unsigned t = 0; t < 64; t++) {
        const uint32_t first =
            v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
            ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_words[t] + words[t];
        const uint32_t second =
            (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
            ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += first;
        v[0] = first + second;
    }
    for (unsigned i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

static void
absorb_plain(uint32_t state[8], const uint8_t *data, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        absorb_block(state, data + i * BLOCK_SIZE);
    }
}

/* --- the same by the processor's instructions -------------------------------
 */

#if defined(__x86_64__)

/*
 * The instructions want the state as ABEF and CDGH, and do two rounds each;
 * words come four at a time, and `w` holds the last sixteen of them.
 */
__attribute__((target("sha,sse4.1,ssse3"))) static void
absorb_wide(uint32_t state[8], const uint8_t *data, size_t count)
{
    const __m128i swap =
        _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    __m128i abef;
    __m128i cdgh;

    low = _mm_shuffle_epi32(low, 0xb1);
    high = _mm_shuffle_epi32(high, 0x1b);
    abef = _mm_alignr_epi8(low, high, 8);
    cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; count > 0; count--, data += BLOCK_SIZE) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i w[4];

        for (unsigned step = 0; step < 16; step++) {
            const unsigned now = step % 4;
            __m128i sum;

            if (step < 4) {
                w[now] = _mm_shuffle_epi8(
                    _mm_loadu_si128(
                        (const __m128i *)(const void *)(data + step * 16U)),
                    swap);
            }
            else {
                sum = _mm_add_epi32(
                    _mm_sha256msg1_epu32(w[now], w[(now + 1) % 4]),
                    _mm_alignr_epi8(w[(now + 3) % 4], w[(now + 2) % 4], 4));
                w[now] = _mm_sha256msg2_epu32(sum, w[(now + 3) % 4]);
            }
            sum = _mm_add_epi32(
                w[now],
                _mm_loadu_si128(
                    (const __m128i *)(const void *)(round_words + step * 4U)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh,
                                         _mm_shuffle_epi32(sum, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state,
                     _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4),
                     _mm_alignr_epi8(high, low, 8));
}

static absorber
fastest(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1U << 29) != 0 &&
        __builtin_cpu_supports("sse4.1") != 0 &&
        __builtin_cpu_supports("ssse3") != 0) {
        return absorb_wide;
    }
    return absorb_plain;
}

#else

static absorber
fastest(void)
{
    return absorb_plain;
}

#endif

/* --- a whole message --------------------------------------------------------
 */

/* The last block, or two: a one bit, zeros, and the length in bits. */
static void
digest_with(absorber absorb, const void *data, size_t size, uint8_t *digest)
{
    const size_t whole = size / BLOCK_SIZE;
    const size_t rest = size % BLOCK_SIZE;
    const size_t end = rest < BLOCK_SIZE - 8 ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    const uint64_t bits = (uint64_t)size * 8;
    uint8_t tail[2 * BLOCK_SIZE] = {0};
    uint32_t state[8];

    memcpy(state, first_state, sizeof(state));
    if (whole > 0) {
        absorb(state, data, whole);
    }
    if (rest > 0) {
        memcpy(tail, (const uint8_t *)data + whole * BLOCK_SIZE, rest);
    }
    tail[rest] = 0x80;
    store_be32(tail + end - 8, (uint32_t)(bits >> 32));
    store_be32(tail + end - 4, (uint32_t)bits);
    absorb(state, tail, end / BLOCK_SIZE);
    for (unsigned i = 0; i < 8; i++) {
        store_be32(digest + (size_t)i * 4, state[i]);
    }
}

void
ki_sha256_plain(const void *data, size_t size, uint8_t digest[KI_SHA256_SIZE])
{
    digest_with(absorb_plain, data, size, digest);
}

void
ki_sha256(const void *data, size_t size, uint8_t digest[KI_SHA256_SIZE])
{
    static _Atomic(absorber) chosen; // each thread would choose the same
    absorber absorb = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (absorb == NULL) {
        absorb = fastest();
        atomic_store_explicit(&chosen, absorb, memory_order_relaxed);
    }
    digest_with(absorb, data, size, digest);
}
