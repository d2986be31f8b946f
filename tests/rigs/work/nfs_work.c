/*
 * nfs_work.c - NfsDict's store under the fault rigs, and between the two
 * clients of nfsbox.
 *
 *   nfs_work write DIR ACKS [units=N] [dur=none]   puts, removes, closes
 *   nfs_work verify DIR ACKS        what was told is there, and is listed
 *   nfs_work count DIR TIMES        adds 1 to a counter, by compare-and-swap
 *   nfs_work total DIR SUM          it is SUM
 *   nfs_work insert DIR KEYS        puts keys that are absent; prints how many
 *
 * In ACKS stand "+KEY" for what was put, "?KEY" for what is about to be
 * removed, and "-KEY" for what was.
 *
 * Exit status: 0 right; 1 wrong or lost; 2 usage; 4 kist reported an error.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kist/store.h"

#define KEY_SIZE 64

enum { RIGHT = 0, WRONG = 1, USAGE = 2, FAILED = 4 };

static int
failed(const char *what)
{
    char text[600];

    (void)kist_error_text(text, sizeof(text));
    (void)printf("%s: %s\n", what, text);
    return FAILED;
}

static kist_status
open_store(const char *dir, kist_store_durability durability,
           kist_store **store)
{
    kist_store_options options;

    kist_store_options_init(&options);
    options.format = "json";
    options.durability = durability;
    return kist_store_open_nfs(dir, &options, store);
}

static kist_slice
pair_of(const char *key, char *text, size_t size)
{
    (void)snprintf(text, size, "[\"%s\", \"%s\"]", key, key);
    return kist_str(text);
}

/* --- write ------------------------------------------------------------------
 */

static bool
tell(int acks, char what, const char *key)
{
    char line[KEY_SIZE + 4];
    const int size = snprintf(line, sizeof(line), "%c%s\n", what, key);

    return write(acks, line, (size_t)size) == size;
}

static int
put_and_remove(kist_store *store, int acks, const char *key, bool keep)
{
    char pair[2 * KEY_SIZE + 16];

    if (kist_store_put(store, kist_str(key), pair_of(key, pair, sizeof(pair)),
                       NULL) != KIST_OK) {
        return failed("put");
    }
    if (!tell(acks, '+', key)) {
        return USAGE;
    }
    if (keep) {
        return RIGHT;
    }
    if (!tell(acks, '?', key)) {
        return USAGE;
    }
    if (kist_store_remove(store, kist_str(key)) != KIST_OK) {
        return failed("remove");
    }
    return tell(acks, '-', key) ? RIGHT : USAGE;
}

static int
run_write(const char *dir, const char *path, unsigned long units,
          kist_store_durability durability)
{
    const char *proc = getenv("RIG_PROC");
    const int acks =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    kist_store *store = NULL;
    int result = acks < 0 ? USAGE : RIGHT;

    for (unsigned long i = 0; result == RIGHT && i < units; i++) {
        char key[KEY_SIZE];

        // Each close writes the index.
        if (i % 8 == 0) {
            kist_store_close(store);
            store = NULL;
            if (open_store(dir, durability, &store) != KIST_OK) {
                result = failed("open");
                break;
            }
        }
        (void)snprintf(key, sizeof(key), "%s-%ld-%lu",
                       proc == NULL ? "0" : proc, (long)getpid(), i);
        result = put_and_remove(store, acks, key, i % 3 != 0);
    }
    kist_store_close(store);
    if (acks >= 0) {
        (void)close(acks);
    }
    return result;
}

/* --- verify -----------------------------------------------------------------
 */

/* What ACKS say of a key in the end: '+', '?' or '-'. */
static char
word_of(const char *acks, const char *key)
{
    char word = 0;

    for (const char *at = acks; at != NULL && *at != '\0';) {
        const char *end = strchr(at, '\n');

        if (end == NULL) {
            break; // cut by the kill
        }
        if ((size_t)(end - at) == strlen(key) + 1 &&
            memcmp(at + 1, key, strlen(key)) == 0) {
            word = *at;
        }
        at = end + 1;
    }
    return word;
}

static char *
read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long size;

    if (file == NULL) {
        return calloc(1, 1);
    }
    (void)fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = calloc(1, (size_t)size + 1);
    if (text != NULL && fread(text, 1, (size_t)size, file) != (size_t)size) {
        free(text);
        text = NULL;
    }
    (void)fclose(file);
    return text;
}

/* Every key that is listed is whole, and was not told to be gone. */
static int
check_listed(kist_store *store, const char *acks, char *listed, size_t size)
{
    kist_store_scan *scan;
    kist_store_item item;
    kist_buf value = {0};
    kist_status status;
    size_t used = 0;
    int result = RIGHT;

    if (kist_store_scan_open(store, NULL, &scan) != KIST_OK) {
        return failed("scan");
    }
    listed[0] = '\0';
    while (result == RIGHT &&
           (status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        char key[KEY_SIZE];
        char pair[2 * KEY_SIZE + 16];
        kist_slice wanted;

        (void)snprintf(key, sizeof(key), "%.*s", (int)item.key.size,
                       (const char *)item.key.data);
        wanted = pair_of(key, pair, sizeof(pair));
        if (kist_store_get(store, kist_str(key), &value, NULL) != KIST_OK) {
            result = failed(key);
        }
        else if (value.size != wanted.size ||
                 memcmp(value.data, wanted.data, wanted.size) != 0 ||
                 word_of(acks, key) == '-') {
            (void)printf("%s: wrong, or was removed\n", key);
            result = WRONG;
        }
        if (used + strlen(key) + 3 < size) {
            used +=
                (size_t)snprintf(listed + used, size - used, "\n%s\n", key);
        }
    }
    kist_store_scan_close(scan);
    kist_buf_fini(&value);
    return result;
}

/* Every key that was told to be put is listed. */
static int
check_told(const char *acks, const char *listed)
{
    for (const char *at = acks; *at != '\0';) {
        const char *end = strchr(at, '\n');
        char key[KEY_SIZE];
        char wanted[KEY_SIZE + 4];

        if (end == NULL) {
            break;
        }
        (void)snprintf(key, sizeof(key), "%.*s", (int)(end - at - 1), at + 1);
        (void)snprintf(wanted, sizeof(wanted), "\n%s\n", key);
        if (*at == '+' && strstr(listed, wanted) == NULL &&
            word_of(acks, key) == '+') {
            (void)printf("%s: lost\n", key);
            return WRONG;
        }
        at = end + 1;
    }
    return RIGHT;
}

static int
run_verify(const char *dir, const char *path)
{
    const size_t size = (size_t)16 << 20;
    char *listed = malloc(size);
    char *acks = read_text(path);
    kist_store *store = NULL;
    int result = listed == NULL || acks == NULL ? USAGE : RIGHT;

    if (result == RIGHT &&
        open_store(dir, KIST_STORE_SYNC, &store) != KIST_OK) {
        result = failed("open");
    }
    if (result == RIGHT) {
        result = check_listed(store, acks, listed, size);
    }
    if (result == RIGHT) {
        result = check_told(acks, listed);
    }
    kist_store_close(store);
    free(listed);
    free(acks);
    return result;
}

/* --- between clients --------------------------------------------------------
 */

static kist_decision
add_one(void *context, const kist_slice *current, kist_buf *next)
{
    unsigned long number = 0;
    char text[64];

    (void)context;
    if (current != NULL) {
        (void)snprintf(text, sizeof(text), "%.*s", (int)current->size,
                       (const char *)current->data);
        number = strtoul(text + sizeof("[\"n\", ") - 1, NULL, 10);
    }
    (void)snprintf(text, sizeof(text), "[\"n\", %lu]", number + 1);
    kist_buf_clear(next);
    return kist_buf_append(next, text, strlen(text)) == KIST_OK ? KIST_REPLACE
                                                                : KIST_KEEP;
}

static int
run_count(const char *dir, unsigned long times)
{
    kist_store *store;

    if (open_store(dir, KIST_STORE_SYNC, &store) != KIST_OK) {
        return failed("open");
    }
    for (unsigned long i = 0; i < times; i++) {
        if (kist_store_transform(store, kist_str("n"), add_one, NULL, SIZE_MAX,
                                 NULL) != KIST_OK) {
            return failed("transform");
        }
    }
    kist_store_close(store);
    return RIGHT;
}

static int
run_total(const char *dir, const char *sum)
{
    kist_store *store;
    kist_buf value = {0};
    char wanted[64];
    bool same;

    if (open_store(dir, KIST_STORE_SYNC, &store) != KIST_OK ||
        kist_store_get(store, kist_str("n"), &value, NULL) != KIST_OK) {
        return failed("get");
    }
    (void)snprintf(wanted, sizeof(wanted), "[\"n\", %s]", sum);
    same = value.size == strlen(wanted) &&
           memcmp(value.data, wanted, value.size) == 0;
    (void)printf("%.*s\n", (int)value.size, (const char *)value.data);
    kist_buf_fini(&value);
    kist_store_close(store);
    return same ? RIGHT : WRONG;
}

static int
run_insert(const char *dir, unsigned long keys)
{
    const kist_condition absent = {.rule = KIST_IF_SAME,
                                   .fetch = KIST_FETCH_NEVER};
    unsigned long won = 0;
    kist_store *store;

    if (open_store(dir, KIST_STORE_SYNC, &store) != KIST_OK) {
        return failed("open");
    }
    for (unsigned long i = 0; i < keys; i++) {
        kist_outcome outcome;
        char key[KEY_SIZE];
        char pair[2 * KEY_SIZE + 16];

        (void)snprintf(key, sizeof(key), "i%lu", i);
        if (kist_store_put_if(store, kist_str(key),
                              pair_of(key, pair, sizeof(pair)), &absent, NULL,
                              &outcome) != KIST_OK) {
            return failed("put_if");
        }
        won += outcome.satisfied;
    }
    kist_store_close(store);
    (void)printf("%lu\n", won);
    return RIGHT;
}

int
main(int argc, char **argv)
{
    const char *what = argc > 3 ? argv[1] : "";
    kist_store_durability durability = KIST_STORE_SYNC;
    unsigned long units = 1000000;

    for (int i = 4; i < argc; i++) {
        if (strncmp(argv[i], "units=", 6) == 0) {
            units = strtoul(argv[i] + 6, NULL, 10);
        }
        else if (strcmp(argv[i], "dur=none") == 0) {
            durability = KIST_STORE_NONE;
        }
    }
    if (strcmp(what, "write") == 0) {
        return run_write(argv[2], argv[3], units, durability);
    }
    if (strcmp(what, "verify") == 0) {
        return run_verify(argv[2], argv[3]);
    }
    if (strcmp(what, "count") == 0) {
        return run_count(argv[2], strtoul(argv[3], NULL, 10));
    }
    if (strcmp(what, "total") == 0) {
        return run_total(argv[2], argv[3]);
    }
    if (strcmp(what, "insert") == 0) {
        return run_insert(argv[2], strtoul(argv[3], NULL, 10));
    }
    (void)fprintf(stderr, "usage: nfs_work write|verify|count|total|insert "
                          "DIR ARGUMENT [units=N] [dur=none]\n");
    return USAGE;
}
