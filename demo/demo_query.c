/*
 * demo_query.c - asks the demo's kist a few questions.
 *
 * Usage: demo_query PATH
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demo_event.h"
#include "kist/kist.h"

#define TOP   5u
#define CHUNK 256u

static double
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The member `name` of a packed dict; false if it has none. */
static bool
member(kist_slice packed, const char *name, kist_value *value)
{
    kist_value key;

    while (kist_unpack_value(&packed, &key) == KIST_OK &&
           kist_unpack_value(&packed, value) == KIST_OK) {
        if (key.as.bytes.size == strlen(name) &&
            memcmp(key.as.bytes.data, name, key.as.bytes.size) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct sized {
    char name[128];
    int64_t size;
} sized;

static void
rank(sized *top, const sized *one)
{
    for (size_t i = 0; i < TOP; i++) {
        if (one->size > top[i].size) {
            memmove(&top[i + 1], &top[i], (TOP - 1 - i) * sizeof(top[0]));
            top[i] = *one;
            return;
        }
    }
}

static void
largest_packages(kist_dict *packages)
{
    const double start = now_ms();
    sized top[TOP] = {{"", 0}};
    uint64_t count = 0;
    kist_scan *scan;
    kist_slice key;
    kist_value record;

    demo_must(kist_dict_scan(packages, NULL, &scan), "scan");
    while (kist_scan_next(scan, &key, &record) == KIST_OK) {
        kist_value size;
        sized one;

        count++;
        if (!member(record.as.bytes, "Installed-Size", &size)) {
            continue;
        }
        snprintf(one.name, sizeof(one.name), "%.*s", (int)key.size,
                 (const char *)key.data);
        one.size = size.as.integer;
        rank(top, &one);
    }
    kist_scan_close(scan);
    printf("the largest of %" PRIu64 " packages (%.2f ms):\n", count,
           now_ms() - start);
    for (size_t i = 0; i < TOP; i++) {
        printf("  %8" PRId64 " KiB  %s\n", top[i].size, top[i].name);
    }
}

static void
dependents(kist_dict *packages, const char *on)
{
    const double start = now_ms();
    uint64_t count = 0;
    kist_scan *scan;
    kist_value record;

    demo_must(kist_dict_scan(packages, NULL, &scan), "scan");
    while (kist_scan_next(scan, NULL, &record) == KIST_OK) {
        kist_value depends;
        kist_value name;

        if (!member(record.as.bytes, "Depends", &depends)) {
            continue;
        }
        while (kist_unpack_value(&depends.as.bytes, &name) == KIST_OK) {
            if (name.as.bytes.size == strlen(on) &&
                memcmp(name.as.bytes.data, on, strlen(on)) == 0) {
                count++;
                break;
            }
        }
    }
    kist_scan_close(scan);
    printf("packages that depend on %s: %" PRIu64 " (%.2f ms)\n", on, count,
           now_ms() - start);
}

/* The first event at or behind `time_ms`: events lie in order of time. */
static uint64_t
first_at(kist_list *events, uint64_t count, int64_t time_ms)
{
    uint64_t low = 0;
    uint64_t high = count;

    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        kist_value value;
        demo_event event;

        demo_must(kist_list_get(events, middle, &value), "get");
        if (demo_event_unpack(value.as.bytes, &event) &&
            event.time_ms < time_ms) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static void
events_between(kist_list *events, int64_t from_ms, int64_t to_ms)
{
    const double start = now_ms();
    uint64_t counts[DEMO_KINDS] = {0};
    kist_value values[CHUNK];
    uint64_t count;
    uint64_t at;
    uint64_t end;

    demo_must(kist_list_count(events, &count), "count");
    at = first_at(events, count, from_ms);
    end = first_at(events, count, to_ms);
    while (at < end) {
        const size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        size_t got = 0;

        demo_must(kist_list_get_many(events, at, want, values, &got),
                  "get_many");
        for (size_t i = 0; i < got; i++) {
            demo_event event;

            if (demo_event_unpack(values[i].as.bytes, &event)) {
                counts[event.kind]++;
            }
        }
        at += got;
    }
    printf("events of one hour, by kind (%.2f ms):\n ", now_ms() - start);
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        printf(" %s %" PRIu64, demo_kind_names[i], counts[i]);
    }
    putchar('\n');
}

int
main(int argc, char **argv)
{
    const kist_options options = {.read_only = true, .must_exist = true};
    const int64_t from_ms = DEMO_TIME_MS + 24 * 3600 * 1000;
    kist_dict *packages;
    kist_list *events;
    kist *k;

    if (argc != 2) {
        fprintf(stderr, "usage: demo_query PATH\n");
        return 2;
    }
    demo_must(kist_open(argv[1], &options, &k), "open");
    demo_must(kist_dict_open(k, kist_str("packages"), KIST_ANY, &packages),
              "packages");
    demo_must(kist_list_open(k, kist_str("events"), KIST_ANY, &events),
              "events");
    largest_packages(packages);
    dependents(packages, "libc6");
    events_between(events, from_ms, from_ms + 3600 * 1000);
    kist_dict_close(packages);
    kist_list_close(events);
    demo_must(kist_close(k), "close");
    return 0;
}
