/*
 * fuzz_storekey.c - libFuzzer target: arbitrary bytes as keys, and as the
 * names of files.
 *
 * The promises tried: nothing is read outside the input; a key that passes the
 * check has a path, or is refused, without a change of what was there; the
 * path is taken apart into the key; a name that is some key's is that key's
 * path and no other's; none leaves the directory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/key.h"
#include "store/md5.h"

#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);           \
            abort();                                                          \
        }                                                                     \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes the path of a key apart, component by component. */
static void
compare(const ki_path *path, kist_slice key, unsigned digest_len)
{
    const char *at = path->text;
    const char *rest = key.data;
    size_t left = key.size;

    while (at < path->text + path->size) {
        const char *slash = strchr(at, '/');
        const size_t size = (size_t)(slash - at);
        size_t stem;

        REQUIRE(slash != NULL);
        REQUIRE(ki_key_unsign(at, size, digest_len, &stem));
        REQUIRE(stem <= left && memcmp(at, rest, stem) == 0);
        REQUIRE(!(size <= 2 && memcmp(at, "..", size) == 0));
        at = slash + 1;
        rest += stem;
        left -= stem;
        if (left > 0) {
            REQUIRE(*rest == '/');
            rest++;
            left--;
        }
    }
    REQUIRE(left == 0);
}

static void
try_key(kist_slice key, unsigned digest_len)
{
    static const char before[] = "x_txko/";
    ki_path path = {.size = sizeof(before) - 1};

    if (ki_key_check(key) != KIST_OK) {
        return;
    }
    memcpy(path.text, before, sizeof(before));
    if (ki_key_path(key, digest_len, "json", &path) != KIST_OK) {
        REQUIRE(path.size == sizeof(before) - 1 && path.name == 0);
        REQUIRE(strcmp(path.text, before) == 0);
    }
    else {
        REQUIRE(path.size == strlen(path.text));
        REQUIRE(path.name > 0 && path.text[path.name - 1] == '/');
        REQUIRE(memcmp(path.text + path.size - 5, ".json", 5) == 0);
        REQUIRE(path.size - path.name <= KI_NAME_SIZE_MAX);
    }
    path.size = 0;
    if (ki_key_path(key, digest_len, NULL, &path) == KIST_OK) {
        REQUIRE(path.size == strlen(path.text));
        compare(&path, key, digest_len);
    }
}

static void
try_name(const char *name, size_t size, unsigned digest_len)
{
    ki_path path = {.size = 0};
    size_t stem;
    const bool known = ki_key_unsign(name, size, digest_len, &stem);
    ki_name many[KI_MD5_LANES];

    // Eight at once are what each of them is: it, and its beginnings.
    for (size_t i = 0; i < KI_MD5_LANES; i++) {
        many[i] = (ki_name){.text = name, .size = i < size ? size - i : 0};
    }
    ki_key_unsign_many(many, KI_MD5_LANES, digest_len);
    for (size_t i = 0; i < KI_MD5_LANES; i++) {
        size_t one = 0;

        if (!ki_key_unsign(name, many[i].size, digest_len, &one)) {
            one = 0;
        }
        REQUIRE(many[i].stem == one);
    }
    if (!known) {
        return;
    }
    REQUIRE(stem > 0 && stem <= size);
    REQUIRE(ki_key_check(kist_bytes(name, stem)) == KIST_OK);
    REQUIRE(ki_key_path(kist_bytes(name, stem), digest_len, NULL, &path) ==
            KIST_OK);
    REQUIRE(path.size == size + 1 && memcmp(path.text, name, size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned digest_len;
    char *copy;

    if (size < 1) {
        return 0;
    }
    // A copy of its own, so that a byte read too many is found.
    digest_len = data[0] % 36;
    copy = malloc(size);
    REQUIRE(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    copy = realloc(copy, size - 1 > 0 ? size - 1 : 1);
    REQUIRE(copy != NULL);
    try_key(kist_bytes(copy, size - 1), digest_len);
    try_name(copy, size - 1, digest_len);
    // Names with a digest do not come by chance.
    if (ki_key_check(kist_bytes(copy, size - 1)) == KIST_OK) {
        ki_path path = {.size = 0};

        if (ki_key_path(kist_bytes(copy, size - 1), digest_len, NULL, &path) ==
            KIST_OK) {
            try_key(kist_bytes(path.text, path.size - 1), digest_len);
            try_name(path.text, path.size - 1, digest_len);
        }
    }
    free(copy);
    return 0;
}
