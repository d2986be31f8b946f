/*
 * fmtlz4.h - LZ4 frames: the ones that joblib writes, and reading all others.
 *
 * What is written is byte for byte what joblib.dump(value, compress='lz4')
 * makes of the same payload: linked blocks of 64 KiB, no checksums, no sizes.
 *
 *     04 22 4D 18 40 40 C0   magic, flags, block size, header checksum
 *     size32 bytes           a block; the top bit of size32: not compressed
 *     ...
 *     00 00 00 00            end mark
 *
 * Layer    extension: includes the public C API and liblz4's block functions.
 * Threads  any; needs no GIL.
 *
 * INVARIANTS
 *  (1) Sizes of a frame are checked against what is left of it before use.
 *  (2) A block can make 255 bytes of one at most, so that memory is asked for
 *      by what is there and not by what the frame claims.
 */
#ifndef KPY_FMTLZ4_H
#define KPY_FMTLZ4_H

#include <kist/bytes.h>
#include <stdbool.h>

/* True if `data` begins as an LZ4 frame does. */
bool kpy_lz4_is_frame(kist_slice data);

/* Appends a frame of `plain` to `out`.  NOMEM, TOOBIG. */
KIST_NODISCARD kist_status kpy_lz4_deflate(kist_slice plain, kist_buf *out);

/*
 * Appends to `out` what is in the frames at `data`, of any flavour, which must
 * end with them.  CORRUPT; TOOBIG if it is more than `size_max` bytes; NOMEM.
 */
KIST_NODISCARD kist_status kpy_lz4_inflate(kist_slice data, size_t size_max,
                                           kist_buf *out);

#endif /* KPY_FMTLZ4_H */
