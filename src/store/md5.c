/*
 * Nearly all that is ever hashed are names of fewer than 56 bytes, which are
 * one block with their padding.  The 64 steps of a block wait for each other,
 * so what counts is how late the newest word `b` is needed: the choices of the
 * second round are added and not joined, as no bit is set in both.
 */
#include "store/md5.h"

#include <stdbool.h>
#include <string.h>

#include "base/byteorder.h"

#define BLOCK_SIZE 64
#define SIZE_AT    56 // where the message's size stands in the last block

#define MIX1(b, c, d) (((c ^ d) & b) ^ d)
#define MIX3(b, c, d) (b ^ (c ^ d))
#define MIX4(b, c, d) (c ^ (b | ~d))

#define STEP(mixed, a, b, word, shift, number)                                \
    do {                                                                      \
        a += (word) + (number);                                               \
        a += (mixed);                                                         \
        a = (a << (shift) | a >> (32 - (shift))) + b;                         \
    } while (0)

/* The second round's: the part without b goes first. */
#define STEP2(a, b, c, d, word, shift, number)                                \
    do {                                                                      \
        a += (word) + (number) + (c & ~d);                                    \
        a += b & d;                                                           \
        a = (a << (shift) | a >> (32 - (shift))) + b;                         \
    } while (0)

#define ROUND1(i, n0, n1, n2, n3)                                             \
    STEP(MIX1(b, c, d), a, b, words[i], 7, n0);                               \
    STEP(MIX1(a, b, c), d, a, words[(i) + 1], 12, n1);                        \
    STEP(MIX1(d, a, b), c, d, words[(i) + 2], 17, n2);                        \
    STEP(MIX1(c, d, a), b, c, words[(i) + 3], 22, n3)

#define ROUND2(i, n0, n1, n2, n3)                                             \
    STEP2(a, b, c, d, words[(5 * (i) + 1) % 16], 5, n0);                      \
    STEP2(d, a, b, c, words[(5 * (i) + 6) % 16], 9, n1);                      \
    STEP2(c, d, a, b, words[(5 * (i) + 11) % 16], 14, n2);                    \
    STEP2(b, c, d, a, words[(5 * (i) + 16) % 16], 20, n3)

#define ROUND3(i, n0, n1, n2, n3)                                             \
    STEP(MIX3(b, c, d), a, b, words[(3 * (i) + 5) % 16], 4, n0);              \
    STEP(MIX3(a, b, c), d, a, words[(3 * (i) + 8) % 16], 11, n1);             \
    STEP(MIX3(d, a, b), c, d, words[(3 * (i) + 11) % 16], 16, n2);            \
    STEP(MIX3(c, d, a), b, c, words[(3 * (i) + 14) % 16], 23, n3)

#define ROUND4(i, n0, n1, n2, n3)                                             \
    STEP(MIX4(b, c, d), a, b, words[7 * (i) % 16], 6, n0);                    \
    STEP(MIX4(a, b, c), d, a, words[(7 * (i) + 7) % 16], 10, n1);             \
    STEP(MIX4(d, a, b), c, d, words[(7 * (i) + 14) % 16], 15, n2);            \
    STEP(MIX4(c, d, a), b, c, words[(7 * (i) + 21) % 16], 21, n3)

/* All 64 steps, on words of one message or of several side by side. */
#define ROUNDS                                                                \
    ROUND1(0, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee);                \
    ROUND1(4, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501);                \
    ROUND1(8, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be);                \
    ROUND1(12, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821);               \
    ROUND2(0, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa);                \
    ROUND2(4, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8);                \
    ROUND2(8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed);                \
    ROUND2(12, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a);               \
    ROUND3(0, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c);                \
    ROUND3(4, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70);                \
    ROUND3(8, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05);                \
    ROUND3(12, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665);               \
    ROUND4(0, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039);                \
    ROUND4(4, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1);                \
    ROUND4(8, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1);                \
    ROUND4(12, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391)

/* Takes one block of 64 bytes in. */
static inline void
add_block(uint32_t state[4], const uint8_t *block)
{
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    uint32_t words[BLOCK_SIZE / 4];

    memcpy(words, block, sizeof(words)); // we are little-endian
    ROUNDS;
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

/* The last block of a message, of which `rest` bytes are not taken in yet, and
 * fit. */
static inline void
fill_last(const uint8_t *at, size_t rest, size_t size, uint8_t *block)
{
    memset(block, 0, BLOCK_SIZE);
    if (rest > 0) {
        memcpy(block, at, rest);
    }
    block[rest] = 0x80;
    ki_store_le64(block + SIZE_AT, (uint64_t)size << 3);
}

void
ki_md5(const void *data, size_t size, uint8_t digest[KI_MD5_SIZE])
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    uint8_t last[2 * BLOCK_SIZE];
    const uint8_t *at = data;
    size_t rest = size;

    for (; rest >= BLOCK_SIZE; rest -= BLOCK_SIZE) {
        add_block(state, at);
        at += BLOCK_SIZE;
    }
    if (rest < SIZE_AT) {
        fill_last(at, rest, size, last);
    }
    else {
        memset(last, 0, sizeof(last));
        memcpy(last, at, rest);
        last[rest] = 0x80;
        add_block(state, last);
        ki_store_le64(last + BLOCK_SIZE + SIZE_AT, (uint64_t)size << 3);
        memcpy(last, last + BLOCK_SIZE, BLOCK_SIZE);
    }
    add_block(state, last);
    memcpy(digest, state, KI_MD5_SIZE);
}

/*
 * The steps of one message wait for each other; those of another do not.  So
 * eight messages go through them side by side, as lanes of vectors, which the
 * compiler splits as the processor has them.
 */
typedef uint32_t lanes __attribute__((vector_size(4 * KI_MD5_LANES)));

static void
add_short(ki_md5_message *messages, size_t count)
{
    static const uint32_t first[4] = {0x67452301, 0xefcdab89, 0x98badcfe,
                                      0x10325476};
    uint8_t block[BLOCK_SIZE];
    uint32_t columns[BLOCK_SIZE / 4][KI_MD5_LANES] = {{0}};
    lanes words[BLOCK_SIZE / 4];
    lanes a = first[0] - (lanes){0};
    lanes b = first[1] - (lanes){0};
    lanes c = first[2] - (lanes){0};
    lanes d = first[3] - (lanes){0};

    for (size_t lane = 0; lane < count; lane++) {
        uint32_t row[BLOCK_SIZE / 4];

        fill_last(messages[lane].data, messages[lane].size,
                  messages[lane].size, block);
        memcpy(row, block, sizeof(row));
        for (size_t word = 0; word < BLOCK_SIZE / 4; word++) {
            columns[word][lane] = row[word];
        }
    }
    memcpy(words, columns, sizeof(words));
    ROUNDS;
    for (size_t lane = 0; lane < count; lane++) {
        const uint32_t digest[4] = {a[lane] + first[0], b[lane] + first[1],
                                    c[lane] + first[2], d[lane] + first[3]};

        memcpy(messages[lane].digest, digest, KI_MD5_SIZE);
    }
}

void
ki_md5_many(ki_md5_message *messages, size_t count)
{
    bool all_short = true;

    for (size_t index = 0; index < count; index++) {
        all_short = all_short && messages[index].size <= KI_MD5_SHORT_SIZE;
    }
    if (all_short) {
        add_short(messages, count);
        return;
    }
    for (size_t index = 0; index < count; index++) {
        ki_md5(messages[index].data, messages[index].size,
               messages[index].digest);
    }
}
