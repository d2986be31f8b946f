/*
 * md5.h - the MD5 digest (RFC 1321), for the names of files.
 *
 * It keeps names apart that differ in case only, and the directories of others
 * readable; nothing is kept secret or safe by it.
 *
 * Layer    store.
 * Threads  any.
 */
#ifndef KI_STORE_MD5_H
#define KI_STORE_MD5_H

#include <stddef.h>
#include <stdint.h>

#define KI_MD5_SIZE 16

/* The digest of `size` bytes at `data`. */
void ki_md5(const void *data, size_t size, uint8_t digest[KI_MD5_SIZE]);

/* How many are digested at once, and how long they may be for it. */
#define KI_MD5_LANES      8
#define KI_MD5_SHORT_SIZE 55

/* A message of ki_md5_many(). */
typedef struct ki_md5_message {
    const void *data;
    size_t size;
    uint8_t digest[KI_MD5_SIZE]; // the answer
} ki_md5_message;

/*
 * The digests of `count` messages, up to KI_MD5_LANES; for short ones in
 * little more than the time of one.
 */
void ki_md5_many(ki_md5_message *messages, size_t count);

#endif /* KI_STORE_MD5_H */
