#include <stdio.h>

#include "demo_store.h"
#include "kist/kist.h"

#define CHUNK 256u

static kist *chest;
static kist_dict *packages;
static kist_list *events;
static kist_dict *kinds;
static kist_buf packed;

static void
store_open(const char *directory)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/peer", directory);
    demo_must(kist_open(path, NULL, &chest), "open");
    demo_must(
        kist_dict_open(chest, kist_str("packages"), KIST_BYTES, &packages),
        "packages");
    demo_must(kist_list_open(chest, kist_str("events"), KIST_TUPLE, &events),
              "events");
    demo_must(kist_dict_open(chest, kist_str("kinds"), KIST_INT, &kinds),
              "kinds");
}

static void
store_close(void)
{
    kist_dict_close(packages);
    kist_list_close(events);
    kist_dict_close(kinds);
    kist_buf_fini(&packed);
    demo_must(kist_close(chest), "close");
}

static void
put_package(kist_slice name, kist_slice record)
{
    const kist_value value = kist_blob(KIST_BYTES, record.data, record.size);

    demo_must(kist_dict_put(packages, name, &value), "put");
}

static void
put_events(uint64_t first, uint64_t count, int64_t *counts)
{
    unsigned touched = 0;

    demo_must(kist_batch_begin(chest), "begin");
    for (uint64_t i = first; i < first + count; i++) {
        const demo_event event = demo_event_make(i);
        kist_value value;

        kist_buf_clear(&packed);
        demo_must(demo_event_pack(&event, &packed), "pack");
        value = kist_blob(KIST_TUPLE, packed.data, packed.size);
        demo_must(kist_list_append(events, &value), "append");
        counts[event.kind]++;
        touched |= 1u << event.kind;
    }
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        const kist_value value = kist_int(counts[i]);

        if ((touched & 1u << i) != 0) {
            demo_must(
                kist_dict_put(kinds, kist_str(demo_kind_names[i]), &value),
                "count");
        }
    }
    demo_must(kist_batch_commit(chest), "commit");
}

static void
read_nothing(void)
{
    // kist has no read transactions: every get sees the newest state.
}

static size_t
get_package(kist_slice name)
{
    kist_value value;

    demo_must(kist_dict_get(packages, name, &value), "get");
    return value.as.bytes.size;
}

static int64_t
get_event(uint64_t number)
{
    kist_value value;
    demo_event event = {.user = -1};

    demo_must(kist_list_get(events, number, &value), "get");
    (void)demo_event_unpack(value.as.bytes, &event);
    return event.user;
}

static void
count_kinds(uint64_t first, uint64_t end, int64_t *counts)
{
    kist_value values[CHUNK];

    while (first < end) {
        const size_t want =
            end - first < CHUNK ? (size_t)(end - first) : CHUNK;
        size_t got = 0;

        demo_must(kist_list_get_many(events, first, want, values, &got),
                  "get_many");
        for (size_t i = 0; i < got; i++) {
            demo_event event;

            if (demo_event_unpack(values[i].as.bytes, &event)) {
                counts[event.kind]++;
            }
        }
        first += got;
    }
}

const demo_store demo_store_kist = {
    "kist",       store_open,   store_close, put_package, put_events,
    read_nothing, read_nothing, get_package, get_event,   count_kinds};
