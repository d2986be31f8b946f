/*
 * Records are short, so the way of less than 512 bytes is what counts.  The
 * instruction takes three cycles but one can start in each, hence long inputs
 * are cut into runs of three neighbouring blocks, worked on side by side:
 *
 *      | block a | block b | block c |
 *      crc(abc) = shift(shift(crc(a)) ^ crc(b)) ^ crc(c)
 *
 * where shift() does to a remainder what a block of zeros would, and is four
 * table look-ups, for it is linear.
 *
 * All tables are made when the library is loaded: 2 lengths of blocks and the
 * 8 tables of the portable twin, 16 KiB, in some ten microseconds.
 */
#include "base/crc32c.h"

#include <stdbool.h>

#include "base/byteorder.h"

#define POLYNOMIAL 0x82f63b78u // Castagnoli, bit-reversed

static uint32_t slices[8][256];

/* The remainder register, unlike the crc, is not inverted. */
static uint32_t
update_portable(uint32_t remainder, const uint8_t *data, size_t size)
{
    for (; size >= 8; data += 8, size -= 8) {
        const uint32_t low = remainder ^ ki_load_le32(data);
        const uint32_t high = ki_load_le32(data + 4);

        remainder = slices[7][low & 255] ^ slices[6][(low >> 8) & 255] ^
                    slices[5][(low >> 16) & 255] ^ slices[4][low >> 24] ^
                    slices[3][high & 255] ^ slices[2][(high >> 8) & 255] ^
                    slices[1][(high >> 16) & 255] ^ slices[0][high >> 24];
    }
    for (; size > 0; data++, size--) {
        remainder = (remainder >> 8) ^ slices[0][(remainder ^ *data) & 255];
    }
    return remainder;
}

static void
make_slices(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;

        for (int bit = 0; bit < 8; bit++) {
            remainder = (remainder >> 1) ^ (POLYNOMIAL & -(remainder & 1));
        }
        slices[0][byte] = remainder;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            const uint32_t before = slices[slice - 1][byte];

            slices[slice][byte] = (before >> 8) ^ slices[0][before & 255];
        }
    }
}

uint32_t
ki_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    return ~update_portable(~crc, data, size);
}

#if defined(__x86_64__)

#include "base/crcfold.h"

#define HARDWARE KI_FOLD_TARGET
#define STEP     HARDWARE static inline __attribute__((always_inline)) uint32_t

STEP
step8(uint32_t remainder, uint64_t word)
{
    return (uint32_t)_mm_crc32_u64(remainder, word);
}

STEP
steps8(uint32_t remainder, const uint8_t *data, size_t size)
{
    return ki_fold_words(remainder, data, size);
}

STEP
step4(uint32_t remainder, uint32_t word)
{
    return _mm_crc32_u32(remainder, word);
}

STEP
step2(uint32_t remainder, uint16_t word)
{
    return _mm_crc32_u16(remainder, word);
}

STEP
step1(uint32_t remainder, uint8_t byte)
{
    return _mm_crc32_u8(remainder, byte);
}

static bool
has_hardware(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0 &&
           __builtin_cpu_supports("pclmul") != 0;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif

// The two compilers agree neither on the attribute nor on the names.
#if defined(__clang__)
#define HARDWARE __attribute__((target("crc")))
#define CRC8     __builtin_arm_crc32cd
#define CRC4     __builtin_arm_crc32cw
#define CRC2     __builtin_arm_crc32ch
#define CRC1     __builtin_arm_crc32cb
#else
#define HARDWARE __attribute__((target("+crc")))
#define CRC8     __builtin_aarch64_crc32cx
#define CRC4     __builtin_aarch64_crc32cw
#define CRC2     __builtin_aarch64_crc32ch
#define CRC1     __builtin_aarch64_crc32cb
#endif
#define STEP HARDWARE static inline __attribute__((always_inline)) uint32_t

STEP
step8(uint32_t remainder, uint64_t word)
{
    return CRC8(remainder, word);
}

STEP
steps8(uint32_t remainder, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    for (; data != end; data += 8) {
        remainder = CRC8(remainder, ki_load_le64(data));
    }
    return remainder;
}

STEP
step4(uint32_t remainder, uint32_t word)
{
    return CRC4(remainder, word);
}

STEP
step2(uint32_t remainder, uint16_t word)
{
    return CRC2(remainder, word);
}

STEP
step1(uint32_t remainder, uint8_t byte)
{
    return CRC1(remainder, byte);
}

static bool
has_hardware(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

#endif

#ifdef HARDWARE

#define BLOCK_SHORT 168u // three of them: 504 bytes
#define BLOCK_LONG  1024u

typedef struct shift_table {
    uint32_t lanes[4][256]; // by the bytes of the remainder, lowest first
} shift_table;

static shift_table shifts_short;
static shift_table shifts_long;

/* What `block` zero bytes do to each remainder, a byte of it at a time. */
static void
make_shifts(shift_table *shifts, size_t block)
{
    static const uint8_t zeros[BLOCK_LONG];

    for (int lane = 0; lane < 4; lane++) {
        uint32_t *lanes = shifts->lanes[lane];

        for (uint32_t byte = 1; byte < 256; byte++) {
            const uint32_t lowest = byte & -byte;

            lanes[byte] =
                byte == lowest
                    ? update_portable(byte << (8 * lane), zeros, block)
                    : lanes[lowest] ^ lanes[byte - lowest];
        }
    }
}

static inline uint32_t
shift(const shift_table *shifts, uint32_t remainder)
{
    return shifts->lanes[0][remainder & 255] ^
           shifts->lanes[1][(remainder >> 8) & 255] ^
           shifts->lanes[2][(remainder >> 16) & 255] ^
           shifts->lanes[3][remainder >> 24];
}

/* Three blocks of `block` bytes each, a multiple of 8. */
STEP
update_three(uint32_t remainder, const uint8_t *data, size_t block,
             const shift_table *shifts)
{
    const uint8_t *end = data + block;
    uint32_t second = 0;
    uint32_t third = 0;

    for (; data != end; data += 8) {
        remainder = step8(remainder, ki_load_le64(data));
        second = step8(second, ki_load_le64(data + block));
        third = step8(third, ki_load_le64(data + 2 * block));
    }
    return shift(shifts, shift(shifts, remainder) ^ second) ^ third;
}

/* The remainder after `size` < 512 bytes more. */
STEP
update_short(uint32_t remainder, const uint8_t *data, size_t size)
{
    remainder = steps8(remainder, data, size & ~(size_t)7);
    data += size & ~(size_t)7;
    if ((size & 4) != 0) {
        remainder = step4(remainder, ki_load_le32(data));
        data += 4;
    }
    if ((size & 2) != 0) {
        remainder = step2(remainder, ki_load_le16(data));
        data += 2;
    }
    if ((size & 1) != 0) {
        remainder = step1(remainder, *data);
    }
    return remainder;
}

/* Apart, so that a short input does not pay for its registers. */
HARDWARE __attribute__((noinline)) static uint32_t
update_long(uint32_t remainder, const uint8_t *data, size_t size)
{
    for (; size >= 3 * BLOCK_LONG; size -= 3 * BLOCK_LONG) {
        remainder = update_three(remainder, data, BLOCK_LONG, &shifts_long);
        data += 3 * BLOCK_LONG;
    }
    for (; size >= 3 * BLOCK_SHORT; size -= 3 * BLOCK_SHORT) {
        remainder = update_three(remainder, data, BLOCK_SHORT, &shifts_short);
        data += 3 * BLOCK_SHORT;
    }
    return update_short(remainder, data, size);
}

STEP
crc_inline(uint32_t crc, const void *data, size_t size)
{
    if (size == 0) {
        return crc; // `data` may be NULL, to which nothing may be added
    }
    return ~(size < 512 ? update_short(~crc, data, size)
                        : update_long(~crc, data, size));
}

HARDWARE static uint32_t
crc_hardware(uint32_t crc, const void *data, size_t size)
{
    return crc_inline(crc, data, size);
}

#ifdef __x86_64__

/* The same in instructions with three operands: a quarter less of them. */
__attribute__((target("avx,sse4.2,pclmul"))) static uint32_t
crc_wide(uint32_t crc, const void *data, size_t size)
{
    return crc_inline(crc, data, size);
}

#endif

#endif /* HARDWARE */

static uint32_t (*crc_best)(uint32_t crc, const void *data,
                            size_t size) = ki_crc32c_portable;

__attribute__((constructor)) static void
choose(void)
{
    make_slices();
#ifdef HARDWARE
    if (has_hardware()) {
        make_shifts(&shifts_short, BLOCK_SHORT);
        make_shifts(&shifts_long, BLOCK_LONG);
        crc_best = crc_hardware;
#ifdef __x86_64__
        if (__builtin_cpu_supports("avx")) {
            crc_best = crc_wide;
        }
#endif
    }
#endif
}

uint32_t
ki_crc32c(uint32_t crc, const void *data, size_t size)
{
    return crc_best(crc, data, size);
}
