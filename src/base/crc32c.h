/*
 * crc32c.h - the checksum of records and headers (Castagnoli).
 *
 * Layer    base.
 * Threads  any.
 */
#ifndef KI_BASE_CRC32C_H
#define KI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * The CRC-32C of `size` bytes at `data`, continuing `crc` (0 to begin):
 * crc32c(crc32c(0, a), b) is that of a followed by b.  Uses SSE4.2 or the
 * ARMv8 CRC instructions where the processor has them (several streams at
 * once from about 512 bytes on), tables elsewhere.
 */
uint32_t ki_crc32c(uint32_t crc, const void *data, size_t size);

/* The table-driven twin, for the tests. */
uint32_t ki_crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif /* KI_BASE_CRC32C_H */
