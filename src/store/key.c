/*
 * Every operation on a directory makes a path, and a listing takes one apart
 * for each name, so both do as little as they can: no component is copied
 * twice, and none is hashed whose end cannot be a digest.
 */
#include "store/key.h"

#include <stdint.h>
#include <string.h>

#include "base/assertion.h"
#include "base/fail.h"
#include "store/md5.h"

#define DIGEST_LETTERS 26 // what 128 bits are in base 32; then "=" follows

#define SAFE   1 // may stand in a component
#define LETTER 2 // may stand in a digest

/* Letters of a component, and those of a digest among them. */
static const uint8_t letters[256] = {
    ['('] = SAFE,          [')'] = SAFE,          ['_'] = SAFE,
    ['-'] = SAFE,          ['~'] = SAFE,          ['.'] = SAFE,
    ['='] = SAFE,          ['0'] = SAFE,          ['1'] = SAFE,
    ['8'] = SAFE,          ['9'] = SAFE,          ['2'] = SAFE | LETTER,
    ['3'] = SAFE | LETTER, ['4'] = SAFE | LETTER, ['5'] = SAFE | LETTER,
    ['6'] = SAFE | LETTER, ['7'] = SAFE | LETTER, ['A'] = SAFE,
    ['B'] = SAFE,          ['C'] = SAFE,          ['D'] = SAFE,
    ['E'] = SAFE,          ['F'] = SAFE,          ['G'] = SAFE,
    ['H'] = SAFE,          ['I'] = SAFE,          ['J'] = SAFE,
    ['K'] = SAFE,          ['L'] = SAFE,          ['M'] = SAFE,
    ['N'] = SAFE,          ['O'] = SAFE,          ['P'] = SAFE,
    ['Q'] = SAFE,          ['R'] = SAFE,          ['S'] = SAFE,
    ['T'] = SAFE,          ['U'] = SAFE,          ['V'] = SAFE,
    ['W'] = SAFE,          ['X'] = SAFE,          ['Y'] = SAFE,
    ['Z'] = SAFE,          ['a'] = SAFE | LETTER, ['b'] = SAFE | LETTER,
    ['c'] = SAFE | LETTER, ['d'] = SAFE | LETTER, ['e'] = SAFE | LETTER,
    ['f'] = SAFE | LETTER, ['g'] = SAFE | LETTER, ['h'] = SAFE | LETTER,
    ['i'] = SAFE | LETTER, ['j'] = SAFE | LETTER, ['k'] = SAFE | LETTER,
    ['l'] = SAFE | LETTER, ['m'] = SAFE | LETTER, ['n'] = SAFE | LETTER,
    ['o'] = SAFE | LETTER, ['p'] = SAFE | LETTER, ['q'] = SAFE | LETTER,
    ['r'] = SAFE | LETTER, ['s'] = SAFE | LETTER, ['t'] = SAFE | LETTER,
    ['u'] = SAFE | LETTER, ['v'] = SAFE | LETTER, ['w'] = SAFE | LETTER,
    ['x'] = SAFE | LETTER, ['y'] = SAFE | LETTER, ['z'] = SAFE | LETTER,
};

bool
ki_key_safe(char letter)
{
    return letters[(uint8_t)letter] != 0;
}

/* INVALID, with the component in the detail. */
static kist_status
refuse(const char *component, size_t size, const char *what)
{
    char text[KI_COMPONENT_SIZE_MAX + 4];

    if (size < sizeof(text)) {
        memcpy(text, component, size);
        text[size] = '\0';
    }
    else {
        memcpy(text, component, sizeof(text) - 4);
        memcpy(text + sizeof(text) - 4, "...", 4);
    }
    return KI_FAIL(KIST_ERR_INVALID, text, KI_NO_OFFSET, what);
}

static inline bool
is_dots(const char *component, size_t size)
{
    return size <= 2 && component[0] == '.' &&
           (size == 1 || component[1] == '.');
}

/* How many bytes from `at` on are safe. */
static inline size_t
count_safe(const char *at, size_t size)
{
    size_t count = 0;

    while (count < size && letters[(uint8_t)at[count]] != 0) {
        count++;
    }
    return count;
}

kist_status
ki_key_check(kist_slice key)
{
    const char *at = key.data;
    size_t rest = key.size;

    for (;;) {
        const size_t size = count_safe(at, rest);

        if (size < rest && at[size] != '/') {
            const char *slash = memchr(at, '/', rest);

            return refuse(at, slash == NULL ? rest : (size_t)(slash - at),
                          "a key has an unsafe character");
        }
        if (size == 0) {
            return refuse("", 0, "a key, or one of its components, is empty");
        }
        if (size > KI_COMPONENT_SIZE_MAX) {
            return refuse(at, size, "a component of a key is too long");
        }
        if (is_dots(at, size)) {
            return refuse(at, size, "a component of a key is . or ..");
        }
        if (size == rest) {
            return KIST_OK;
        }
        at += size + 1;
        rest -= size + 1;
    }
}

/* Writes "_" and `len` characters of the digest. */
static inline void
spell_digest(const uint8_t digest[KI_MD5_SIZE], unsigned len, char *to)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t high;
    uint64_t low;

    memcpy(&high, digest, sizeof(high));
    memcpy(&low, digest + sizeof(high), sizeof(low));
    high = __builtin_bswap64(high);
    low = __builtin_bswap64(low);
    *to++ = '_';
    for (unsigned i = 0; i < len && i < DIGEST_LETTERS; i++) {
        *to++ = alphabet[high >> 59];
        high = high << 5 | low >> 59;
        low <<= 5;
    }
    for (unsigned i = DIGEST_LETTERS; i < len; i++) {
        *to++ = '=';
    }
}

/* The same, of a component: 1 + len bytes. */
static inline void
write_digest(const char *component, size_t size, unsigned len, char *to)
{
    uint8_t digest[KI_MD5_SIZE];

    ki_md5(component, size, digest);
    spell_digest(digest, len, to);
}

/* True if `name` may be a component and its digest, by the look of it. */
static inline bool
looks_signed(const char *name, size_t size, unsigned len)
{
    const char *end;

    if (size <= (size_t)len + 1) {
        return false;
    }
    end = name + size - len - 1;
    if (end[0] != '_') {
        return false;
    }
    for (unsigned i = 1; i <= len; i++) {
        if (i > DIGEST_LETTERS ? end[i] != '='
                               : (letters[(uint8_t)end[i]] & LETTER) == 0) {
            return false;
        }
    }
    return true;
}

/*
 * True if `name` is a component and its digest; its letters need not be safe.
 * What does not look like one is not hashed.
 */
static inline bool
ends_in_digest(const char *name, size_t size, unsigned len)
{
    char wanted[1 + KI_DIGEST_LEN_MAX];

    if (!looks_signed(name, size, len)) {
        return false;
    }
    write_digest(name, size - len - 1, len, wanted);
    return memcmp(wanted, name + size - len - 1, (size_t)len + 1) == 0;
}

static unsigned
cut_len(unsigned digest_len)
{
    return digest_len < KI_DIGEST_LEN_MAX ? digest_len : KI_DIGEST_LEN_MAX;
}

/* The first component of what is left of a key. */
static inline size_t
first_size(const char *at, size_t rest)
{
    const char *slash = memchr(at, '/', rest);

    return slash == NULL ? rest : (size_t)(slash - at);
}

/*
 * Why a component cannot be put into a path that has `room` bytes left, or
 * NULL; `behind` bytes follow it and its digest.
 */
static inline const char *
find_fault(const char *component, size_t size, unsigned len, size_t behind,
           size_t room)
{
    const size_t signed_size = size + (len == 0 ? 0 : (size_t)len + 1);

    if (signed_size > KI_COMPONENT_SIZE_MAX ||
        signed_size + behind > KI_NAME_SIZE_MAX) {
        return "a component of a key is too long with its digest and format";
    }
    if (signed_size + behind > room) {
        return "a key is too long for a path";
    }
    if (len > 0 && ends_in_digest(component, size, len)) {
        return "a component of a key ends in its own digest";
    }
    return NULL;
}

kist_status
ki_key_path(kist_slice key, unsigned digest_len, const char *format,
            ki_path *path)
{
    const unsigned len = cut_len(digest_len);
    const size_t ending_size = format == NULL ? 1 : 1 + strlen(format);
    const size_t more = len == 0 ? 0 : (size_t)len + 1;
    const char *at = key.data;
    size_t rest = key.size;
    size_t end = path->size;

    for (;;) {
        const size_t size = first_size(at, rest);
        const size_t behind = size == rest ? ending_size : 1;
        const char *fault =
            find_fault(at, size, len, behind, KI_PATH_SIZE_MAX - end);

        if (fault != NULL) {
            path->text[path->size] = '\0';
            return refuse(at, size, fault);
        }
        memcpy(path->text + end, at, size);
        if (len > 0) {
            write_digest(at, size, len, path->text + end + size);
        }
        end += size + more;
        if (size == rest) {
            path->name = end - size - more;
            break;
        }
        path->text[end++] = '/';
        at += size + 1;
        rest -= size + 1;
    }
    if (format == NULL) {
        path->text[end] = '/';
    }
    else {
        path->text[end] = '.';
        memcpy(path->text + end + 1, format, ending_size - 1);
    }
    path->size = end + ending_size;
    path->text[path->size] = '\0';
    return KIST_OK;
}

/* True for the stem of a name whose digest is right. */
static inline bool
is_stem(const char *stem, size_t size, unsigned len)
{
    // No key has a name that is signed twice: invariant (1).
    return size > 0 && !is_dots(stem, size) &&
           count_safe(stem, size) == size &&
           (len == 0 || !ends_in_digest(stem, size, len));
}

bool
ki_key_unsign(const char *name, size_t size, unsigned digest_len, size_t *stem)
{
    const unsigned len = cut_len(digest_len);

    if (size > KI_COMPONENT_SIZE_MAX) {
        return false;
    }
    if (len > 0) {
        if (!ends_in_digest(name, size, len)) {
            return false;
        }
        size -= (size_t)len + 1;
    }
    *stem = size;
    return is_stem(name, size, len);
}

void
ki_key_unsign_many(ki_name *names, size_t count, unsigned digest_len)
{
    const unsigned len = cut_len(digest_len);
    ki_md5_message messages[KI_MD5_LANES];
    char wanted[1 + KI_DIGEST_LEN_MAX];
    ki_name *asked[KI_MD5_LANES];
    size_t asked_count = 0;

    for (size_t index = 0; index < count; index++) {
        ki_name *name = &names[index];

        name->stem = 0;
        if (len == 0) {
            if (!ki_key_unsign(name->text, name->size, 0, &name->stem)) {
                name->stem = 0;
            }
        }
        else if (name->size <= KI_COMPONENT_SIZE_MAX &&
                 looks_signed(name->text, name->size, len)) {
            messages[asked_count].data = name->text;
            messages[asked_count].size = name->size - len - 1;
            asked[asked_count++] = name;
        }
    }
    ki_md5_many(messages, asked_count);
    for (size_t index = 0; index < asked_count; index++) {
        const size_t stem = messages[index].size;

        spell_digest(messages[index].digest, len, wanted);
        if (memcmp(wanted, asked[index]->text + stem, (size_t)len + 1) == 0 &&
            is_stem(asked[index]->text, stem, len)) {
            asked[index]->stem = stem;
        }
    }
}
