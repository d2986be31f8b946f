/*
 * sha256.h - SHA-256, as FIPS 180-4 has it: the names of NfsDict's files.
 *
 * Not for secrets that others may time, and not streamed: keys are short and
 * stand in memory.
 *
 * Layer    store.
 * Threads  any.
 */
#ifndef KI_STORE_SHA256_H
#define KI_STORE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KI_SHA256_SIZE 32

/* The digest of `size` bytes at `data`. */
void ki_sha256(const void *data, size_t size, uint8_t digest[KI_SHA256_SIZE]);

/*
 * The same without the processor's own instructions, which ki_sha256() takes
 * where there are any: the twin that tests compare with.
 */
void ki_sha256_plain(const void *data, size_t size,
                     uint8_t digest[KI_SHA256_SIZE]);

#endif /* KI_STORE_SHA256_H */
