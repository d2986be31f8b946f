/*
 * key.h - keys, and the names of the files that hold their values.
 *
 * A key is components joined by "/"; a component has 1 to 253 safe characters
 * (letters, digits and ()_-~.=) and is not "." or "..".  Its file's path has a
 * digest behind each component, so that names which differ in case only stay
 * apart, and the store's format at the end:
 *
 *     key     uk/ada
 *     path    uk_xxxx/ada_yyyy.json       digest_len 4
 *
 *     digest  "_" and the first digest_len characters of the MD5 of the
 *             component in base 32 (RFC 4648), in small letters; MD5 has 26,
 *             then "=" follows
 *
 * INVARIANTS
 *  (1) A component that ends in its own digest is refused: it would share its
 *      file with another key.
 *  (2) So path and key are one-to-one, and a name that no key has is told
 *      from one that a key has.
 *
 * Layer    store.
 * Threads  any; nothing here has state.
 */
#ifndef KI_STORE_KEY_H
#define KI_STORE_KEY_H

#include <stdbool.h>

#include "kist/bytes.h"

/* Longest component, in bytes, as users know it. */
#define KI_COMPONENT_SIZE_MAX 253

/* Longest name of a file, and longest path below a store's directory. */
#define KI_NAME_SIZE_MAX 255
#define KI_PATH_SIZE_MAX 4000

/* Longest digest that says anything. */
#define KI_DIGEST_LEN_MAX 32

/* A path below a store's directory, terminated. */
typedef struct ki_path {
    size_t size; // without the terminator
    size_t name; // where the last component begins
    char text[KI_PATH_SIZE_MAX + 1];
} ki_path;

/* True for a character that a component may have. */
bool ki_key_safe(char letter);

/*
 * INVALID, with the component in kist_error.path, if `key` is not one or more
 * components.
 */
KIST_NODISCARD kist_status ki_key_check(kist_slice key);

/*
 * Appends the path of a checked `key` to what *path holds (a sub-store's
 * prefix, ending in "/", or nothing).  With `format`, it is that of a value;
 * with NULL that of a directory, ending in "/".  INVALID by (1), and for names
 * and paths that are too long: a component with its digest has 253 bytes at
 * most (the peer lists no more), with the format 255.  *path is then as it
 * was.
 */
KIST_NODISCARD kist_status ki_key_path(kist_slice key, unsigned digest_len,
                                       const char *format, ki_path *path);

/*
 * The inverse, of one component: true if `name` of `size` bytes, without the
 * format, is the name of a component; *stem is how many of its bytes that has.
 */
bool ki_key_unsign(const char *name, size_t size, unsigned digest_len,
                   size_t *stem);

/* A name for ki_key_unsign_many(), and its answer. */
typedef struct ki_name {
    const char *text;
    size_t size;
    size_t stem; // 0: it is no component's name
} ki_name;

/* ki_key_unsign() of up to KI_MD5_LANES names, in little more time. */
void ki_key_unsign_many(ki_name *names, size_t count, unsigned digest_len);

#endif /* KI_STORE_KEY_H */
