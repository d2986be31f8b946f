/*
 * stores.c - a directory as a store: one file per key, for many processes.
 * Four of them count their visits in one value, and none is lost.
 *
 * Usage: stores DIRECTORY
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kist/store.h"

#define WORKERS 4
#define VISITS  25

static void
must(kist_status status, const char *what)
{
    char text[512];

    if (status != KIST_OK) {
        kist_error_text(text, sizeof(text));
        fprintf(stderr, "stores: %s: %s: %s\n", what, kist_status_name(status),
                text);
        _exit(1);
    }
}

static kist_store *
open_store(const char *path)
{
    kist_store_options options;
    kist_store *store;

    kist_store_options_init(&options);
    options.format = "txt";
    must(kist_store_open_dir(path, &options, &store), "open");
    return store;
}

/* Puts one more than *current says, or 1, into *next. */
static kist_decision
one_more(void *context, const kist_slice *current, kist_buf *next)
{
    char text[32];
    long count = 0;

    (void)context;
    if (current != NULL && current->size < sizeof(text)) {
        memcpy(text, current->data, current->size);
        text[current->size] = '\0';
        count = strtol(text, NULL, 10);
    }
    snprintf(text, sizeof(text), "%ld", count + 1);
    kist_buf_clear(next);
    must(kist_buf_append(next, text, strlen(text)), "append");
    return KIST_REPLACE;
}

/* Each worker opens the store for itself. */
static void
count_together(const char *path)
{
    pid_t workers[WORKERS];
    int left;

    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            kist_store *store = open_store(path);

            for (int visit = 0; visit < VISITS; visit++) {
                must(kist_store_transform(store, kist_str("visits/today"),
                                          one_more, NULL, SIZE_MAX, NULL),
                     "transform");
            }
            kist_store_close(store);
            _exit(0);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        waitpid(workers[i], &left, 0);
    }
}

/* Replaces a value only if it is still the one that was read. */
static void
edit(kist_store *store)
{
    kist_condition unchanged = {.rule = KIST_IF_SAME,
                                .fetch = KIST_FETCH_NEVER};
    kist_buf value = {NULL, 0, 0, 0};
    kist_outcome outcome;

    must(
        kist_store_get(store, kist_str("uk/ada"), &value, &unchanged.expected),
        "get");
    printf("read: %.*s\n", (int)value.size, (const char *)value.data);

    // Somebody else comes between.
    must(kist_store_put(store, kist_str("uk/ada"), kist_str("Countess"), NULL),
         "put");
    must(kist_store_put_if(store, kist_str("uk/ada"), kist_str("mine"),
                           &unchanged, NULL, &outcome),
         "put_if");
    printf("written: %s\n", outcome.satisfied ? "yes" : "no, it has changed");

    unchanged.expected = outcome.before;
    must(kist_store_put_if(store, kist_str("uk/ada"), kist_str("mine"),
                           &unchanged, NULL, &outcome),
         "put_if");
    printf("written: %s\n", outcome.satisfied ? "yes" : "no, it has changed");
    kist_buf_fini(&value);
}

/* The two values that were written last, with their sizes. */
static void
list_newest(kist_store *store)
{
    const kist_store_scan_options newest = {
        .stats = true, .order = KIST_ORDER_NEWEST, .count_max = 2};
    kist_store_scan *scan;
    kist_store_item item;
    kist_status status;

    must(kist_store_scan_open(store, &newest, &scan), "scan");
    while ((status = kist_store_scan_next(scan, &item)) == KIST_OK) {
        printf("%.*s: %" PRIu64 " bytes\n", (int)item.key.size,
               (const char *)item.key.data, item.stat.size);
    }
    must(status == KIST_END ? KIST_OK : status, "next");
    kist_store_scan_close(scan);
}

int
main(int argc, char **argv)
{
    kist_buf value = {NULL, 0, 0, 0};
    kist_store *store;
    char path[4096];

    if (argc != 2) {
        fprintf(stderr, "usage: stores DIRECTORY\n");
        return 2;
    }
    snprintf(path, sizeof(path), "%s/people", argv[1]);
    store = open_store(path);
    must(kist_store_put(store, kist_str("fr/sophie"), kist_str("mathematics"),
                        NULL),
         "put");
    must(kist_store_put(store, kist_str("uk/ada"), kist_str("programs"), NULL),
         "put");
    edit(store);
    count_together(path);
    must(kist_store_get(store, kist_str("visits/today"), &value, NULL), "get");
    printf("%d visits, counted: %.*s\n", WORKERS * VISITS, (int)value.size,
           (const char *)value.data);
    list_newest(store);
    kist_buf_fini(&value);
    kist_store_close(store);
    return 0;
}
