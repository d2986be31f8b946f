/*
 * demo_writer.c - writes the stream of events until it is done, or killed.
 *
 * Events go in batches: each is appended to the list `events`, counted in the
 * dict `kinds`, and the number of the next one is put under `next`, all as
 * one change.  When the batch is committed, and not before, that number is
 * written to standard output: the acknowledgement.
 *
 * Usage: demo_writer write PATH EVENTS BATCH
 *        demo_writer check PATH ACKNOWLEDGED BATCH
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo_event.h"
#include "kist/kist.h"

typedef struct event_stream {
    kist *k;
    kist_list *events;
    kist_dict *kinds;
    kist_dict *state;
    kist_buf packed;
    int64_t counts[DEMO_KINDS];
    uint64_t next;
} event_stream;

static int64_t
number_of(kist_dict *dict, const char *key)
{
    kist_value value;
    const kist_status status = kist_dict_get(dict, kist_str(key), &value);

    if (status == KIST_ERR_NOTFOUND) {
        return 0;
    }
    demo_must(status, key);
    return value.as.integer;
}

static void
stream_open(event_stream *stream, const char *path)
{
    memset(stream, 0, sizeof(*stream));
    demo_must(kist_open(path, NULL, &stream->k), "open");
    demo_must(kist_list_open(stream->k, kist_str("events"), KIST_TUPLE,
                             &stream->events),
              "events");
    demo_must(
        kist_dict_open(stream->k, kist_str("kinds"), KIST_INT, &stream->kinds),
        "kinds");
    demo_must(
        kist_dict_open(stream->k, kist_str("state"), KIST_INT, &stream->state),
        "state");
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        stream->counts[i] = number_of(stream->kinds, demo_kind_names[i]);
    }
    stream->next = (uint64_t)number_of(stream->state, "next");
}

static void
stream_close(event_stream *stream)
{
    kist_list_close(stream->events);
    kist_dict_close(stream->kinds);
    kist_dict_close(stream->state);
    kist_buf_fini(&stream->packed);
    demo_must(kist_close(stream->k), "close");
}

static void
put_number(kist_dict *dict, const char *key, int64_t number)
{
    const kist_value value = kist_int(number);

    demo_must(kist_dict_put(dict, kist_str(key), &value), key);
}

/* One batch, whole or not at all. */
static void
write_batch(event_stream *stream, uint64_t count)
{
    unsigned touched = 0;

    demo_must(kist_batch_begin(stream->k), "begin");
    for (uint64_t i = 0; i < count; i++) {
        const demo_event event = demo_event_make(stream->next++);
        kist_value value;

        kist_buf_clear(&stream->packed);
        demo_must(demo_event_pack(&event, &stream->packed), "pack");
        value =
            kist_blob(KIST_TUPLE, stream->packed.data, stream->packed.size);
        demo_must(kist_list_append(stream->events, &value), "append");
        stream->counts[event.kind]++;
        touched |= 1u << event.kind;
    }
    for (unsigned i = 0; i < DEMO_KINDS; i++) {
        if ((touched & 1u << i) != 0) {
            put_number(stream->kinds, demo_kind_names[i], stream->counts[i]);
        }
    }
    put_number(stream->state, "next", (int64_t)stream->next);
    demo_must(kist_batch_commit(stream->k), "commit");
}

static int
write_all(const char *path, uint64_t events, uint64_t batch)
{
    event_stream stream;

    stream_open(&stream, path);
    while (stream.next < events) {
        char line[32];
        int size;

        write_batch(&stream, events - stream.next < batch
                                 ? events - stream.next
                                 : batch);
        size = snprintf(line, sizeof(line), "%" PRIu64 "\n", stream.next);
        if (write(STDOUT_FILENO, line, (size_t)size) != size) {
            perror("demo_writer: standard output");
            return 1;
        }
    }
    stream_close(&stream);
    return 0;
}

/* Compares every event with what was asked to be written; counts them. */
static uint64_t
check_events(event_stream *stream, int64_t *counts)
{
    uint64_t right = 0;
    kist_scan *scan;
    kist_value value;

    demo_must(kist_list_scan(stream->events, NULL, &scan), "scan");
    while (kist_scan_next(scan, NULL, &value) == KIST_OK) {
        const demo_event wanted = demo_event_make(right);
        demo_event found;

        if (!demo_event_unpack(value.as.bytes, &found) ||
            found.time_ms != wanted.time_ms || found.kind != wanted.kind ||
            found.user != wanted.user || found.amount < wanted.amount ||
            found.amount > wanted.amount) {
            break;
        }
        counts[found.kind]++;
        right++;
    }
    kist_scan_close(scan);
    return right;
}

static int
check_all(const char *path, uint64_t acknowledged, uint64_t batch)
{
    int64_t counts[DEMO_KINDS] = {0};
    uint64_t listed = 0;
    uint64_t right;
    bool counted;
    bool whole;
    event_stream stream;

    stream_open(&stream, path);
    demo_must(kist_list_count(stream.events, &listed), "count");
    right = check_events(&stream, counts);
    counted = memcmp(counts, stream.counts, sizeof(counts)) == 0;
    whole = listed == stream.next && right == listed && counted &&
            (stream.next % batch == 0);
    printf("acknowledged %" PRIu64 ", there %" PRIu64
           ": %s, batches %s, counts %s\n",
           acknowledged, right,
           right >= acknowledged ? "none lost" : "SOME LOST",
           whole ? "whole" : "TORN", counted ? "right" : "WRONG");
    whole = whole && right >= acknowledged;
    stream_close(&stream);
    return whole ? 0 : 1;
}

int
main(int argc, char **argv)
{
    uint64_t number;
    uint64_t batch;

    if (argc != 5) {
        fprintf(stderr, "usage: demo_writer write|check PATH N BATCH\n");
        return 2;
    }
    number = strtoull(argv[3], NULL, 10);
    batch = strtoull(argv[4], NULL, 10);
    if (batch == 0) {
        return 2;
    }
    return strcmp(argv[1], "check") == 0 ? check_all(argv[2], number, batch)
                                         : write_all(argv[2], number, batch);
}
