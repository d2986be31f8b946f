/*
 * nfskey.h - the key that stands inside a value's file, and the file's name.
 *
 *     <dir>/hh/<64 hex digits>.pkl       hh: the first two of the digits
 *
 *     digits  SHA-256 of the key's UTF-8
 *     .pkl    a pickled 2-tuple of key and value, protocol 2 to 5
 *     .json   a JSON array of the two
 *
 * Nothing here executes a pickle: of its opcodes those are known that stand
 * before the first string, and all others are damage.
 *
 * Layer    store.
 * Threads  any; nothing here has state.
 */
#ifndef KI_STORE_NFSKEY_H
#define KI_STORE_NFSKEY_H

#include <stdbool.h>

#include "kist/bytes.h"
#include "store/sha256.h"

/* "hh/" and the name of a value's file, without its dot and format. */
#define KI_NFSNAME_SIZE 67

/* Hexadecimal digits in a name. */
#define KI_NFSNAME_DIGITS 64

/* Longest key, in bytes. */
#define KI_NFSKEY_SIZE_MAX ((size_t)16 << 20)

typedef enum ki_nfsformat { KI_NFS_PICKLE, KI_NFS_JSON } ki_nfsformat;

/* Writes "hh/<64 digits>", terminated. */
void ki_nfsname_write(const uint8_t digest[KI_SHA256_SIZE],
                      char name[KI_NFSNAME_SIZE + 1]);

/* Reads 64 digits in small letters; false if they are something else. */
bool ki_nfsname_read(const char *digits, uint8_t digest[KI_SHA256_SIZE]);

/* True if both have the same bytes. */
static inline bool
ki_nfskey_same(kist_slice left, kist_slice right)
{
    return left.size == right.size &&
           (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

/* True if `text` is UTF-8 without surrogates. */
bool ki_nfskey_valid(kist_slice text);

/*
 * Reads the key out of a value's file, of which `head` is the beginning, or
 * all if `whole`.  *key is a view into `head`, or into `scratch` where the
 * file has it in another form.  KIST_END: `head` ends before the key does.
 * CORRUPT without error detail: this is no value.  NOMEM.
 */
KIST_NODISCARD kist_status ki_nfskey_read(ki_nfsformat format, kist_slice head,
                                          bool whole, kist_buf *scratch,
                                          kist_slice *key);

/*
 * Reads one JSON string that begins at data[*at] with its quotation mark; *at
 * then stands behind it.  *text is a view as above, appended to `scratch`
 * where it has escapes: the views into a scratch that grows are lost, so the
 * caller reserves as many bytes as there are.  KIST_END, CORRUPT, NOMEM.
 */
KIST_NODISCARD kist_status ki_nfsjson_string(kist_slice data, size_t *at,
                                             kist_buf *scratch,
                                             kist_slice *text);

/* Moves *at over JSON's white space. */
void ki_nfsjson_space(kist_slice data, size_t *at);

/*
 * Reads the string opcode at data[*at] of a pickle, if there is one; *at then
 * stands behind it.  KIST_END: cut short; CORRUPT: no string is there.
 */
KIST_NODISCARD kist_status ki_nfspickle_string(kist_slice data, size_t *at,
                                               kist_slice *text);

#endif /* KI_STORE_NFSKEY_H */
