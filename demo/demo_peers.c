/*
 * demo_peers.c - loads the demo's data into one store, reads it back, and
 * says what that cost: CPU time for each operation, and memory.
 *
 * Usage: demo_peers STORE DIRECTORY PACKAGES EVENTS BATCH
 *
 * PACKAGES is a file of lines: a name, a tab, a record.  Prints a line of
 * name, tab, number for each figure; the last, `checksum`, is the same for
 * every store that answered the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_store.h"

#define READS 300000u

typedef struct package {
    kist_slice name;
    kist_slice record;
} package;

typedef struct package_file {
    char *text;
    package *all;
    size_t count;
} package_file;

static void
read_packages(const char *path, package_file *file)
{
    FILE *in = fopen(path, "rbe");
    size_t room = 0;
    char *line = NULL;
    ssize_t got;

    memset(file, 0, sizeof(*file));
    if (in == NULL) {
        perror(path);
        exit(1);
    }
    while ((got = getline(&line, &room, in)) > 0) {
        char *tab = strchr(line, '\t');
        package *grown =
            realloc(file->all, (file->count + 1) * sizeof(*file->all));

        if (grown == NULL || tab == NULL) {
            exit(1);
        }
        file->all = grown;
        // The line goes on living for its two slices.
        grown[file->count].name = kist_bytes(line, (size_t)(tab - line));
        grown[file->count].record =
            kist_bytes(tab + 1, (size_t)(line + got - tab) - 2);
        file->count++;
        line = NULL;
        room = 0;
    }
    fclose(in);
}

/* A number of /proc/self/smaps_rollup, in KiB. */
static long
rollup(const char *name)
{
    FILE *in = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long found = 0;

    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            found = strtol(line + strlen(name), NULL, 10);
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    return found;
}

static void
print_cost(const char *name, uint64_t start_ns, uint64_t operations)
{
    const uint64_t spent = demo_cpu_ns() - start_ns;

    printf("%s\t%.1f\n", name, (double)spent / (double)operations);
}

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void
load(const demo_store *store, const package_file *file, uint64_t events,
     uint64_t batch)
{
    int64_t counts[DEMO_KINDS] = {0};
    uint64_t start = demo_cpu_ns();

    for (size_t i = 0; i < file->count; i++) {
        store->put_package(file->all[i].name, file->all[i].record);
    }
    print_cost("put_package", start, file->count);
    start = demo_cpu_ns();
    for (uint64_t i = 0; i < events; i += batch) {
        store->put_events(i, events - i < batch ? events - i : batch, counts);
    }
    print_cost("put_event", start, events);
}

/* Returns what the reads add up to. */
static uint64_t
read_back(const demo_store *store, const package_file *file, uint64_t events)
{
    int64_t counts[DEMO_KINDS] = {0};
    uint64_t random = 88172645463325252u;
    uint64_t sum = 0;
    uint64_t start;

    store->read_begin();
    start = demo_cpu_ns();
    for (unsigned i = 0; i < READS; i++) {
        const size_t at = next_random(&random) % file->count;

        sum += store->get_package(file->all[at].name);
    }
    print_cost("get_package", start, READS);
    start = demo_cpu_ns();
    for (unsigned i = 0; i < READS; i++) {
        sum += (uint64_t)store->get_event(next_random(&random) % events);
    }
    print_cost("get_event", start, READS);
    start = demo_cpu_ns();
    store->count_kinds(events / 4, events / 4 * 3, counts);
    print_cost("count_kinds", start, events / 4 * 3 - events / 4);
    store->read_end();
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        sum = sum * 31 + (uint64_t)counts[i];
    }
    return sum;
}

int
main(int argc, char **argv)
{
    static const demo_store *const stores[] = {
        &demo_store_kist, &demo_store_sqlite, &demo_store_lmdb};
    const demo_store *store = NULL;
    package_file file;
    uint64_t events;
    uint64_t batch;
    uint64_t sum;
    long anonymous;

    for (size_t i = 0; i < 3 && argc == 6; i++) {
        if (strcmp(argv[1], stores[i]->name) == 0) {
            store = stores[i];
        }
    }
    if (store == NULL) {
        fprintf(stderr, "usage: demo_peers kist|sqlite|lmdb DIRECTORY "
                        "PACKAGES EVENTS BATCH\n");
        return 2;
    }
    read_packages(argv[3], &file);
    events = strtoull(argv[4], NULL, 10);
    batch = strtoull(argv[5], NULL, 10);
    anonymous = rollup("Anonymous:");
    store->open(argv[2]);
    load(store, &file, events, batch);
    sum = read_back(store, &file, events);
    printf("anonymous_kib\t%ld\n", rollup("Anonymous:") - anonymous);
    printf("mapped_kib\t%ld\n", rollup("Rss:") - rollup("Anonymous:"));
    store->close();
    printf("checksum\t%" PRIu64 "\n", sum);
    return 0;
}
