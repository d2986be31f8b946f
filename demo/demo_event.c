#include "demo_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const demo_kind_names[DEMO_KINDS] = {
    "view", "click", "search", "cart", "order", "payment", "refund", "error"};

/* splitmix64: a well-mixed word for each number. */
static uint64_t
mix(uint64_t i)
{
    i += 0x9E3779B97F4A7C15u;
    i = (i ^ (i >> 30)) * 0xBF58476D1CE4E5B9u;
    i = (i ^ (i >> 27)) * 0x94D049BB133111EBu;
    return i ^ (i >> 31);
}

demo_event
demo_event_make(uint64_t i)
{
    const uint64_t word = mix(i);
    demo_event event;

    // Each kind is half as frequent as the one before it.
    event.kind = (unsigned)__builtin_ctzll(word | 1u << (DEMO_KINDS - 1));
    event.time_ms =
        DEMO_TIME_MS + (int64_t)i * DEMO_STEP_MS + (int64_t)(word >> 8 & 0x7F);
    event.user = (int64_t)(word >> 16 & 0xFFFF);
    event.amount = (double)(word >> 40) / 100.0;
    return event;
}

kist_status
demo_event_pack(const demo_event *event, kist_buf *out)
{
    const kist_value fields[4] = {
        kist_int(event->time_ms), kist_text(demo_kind_names[event->kind]),
        kist_int(event->user), kist_float(event->amount)};
    kist_status status = KIST_OK;

    for (int i = 0; i < 4 && status == KIST_OK; i++) {
        status = kist_pack_value(out, &fields[i]);
    }
    return status;
}

bool
demo_event_unpack(kist_slice packed, demo_event *event)
{
    static const kist_type types[4] = {KIST_INT, KIST_TEXT, KIST_INT,
                                       KIST_FLOAT};
    kist_value fields[4];

    for (int i = 0; i < 4; i++) {
        if (kist_unpack_value(&packed, &fields[i]) != KIST_OK ||
            fields[i].type != types[i]) {
            return false;
        }
    }
    event->time_ms = fields[0].as.integer;
    event->user = fields[2].as.integer;
    event->amount = fields[3].as.real;
    for (event->kind = 0; event->kind < DEMO_KINDS; event->kind++) {
        const char *name = demo_kind_names[event->kind];
        const kist_slice text = fields[1].as.bytes;

        if (text.size == strlen(name) &&
            memcmp(text.data, name, text.size) == 0) {
            return packed.size == 0;
        }
    }
    return false;
}

uint64_t
demo_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
demo_must(kist_status status, const char *what)
{
    char text[512];

    if (status == KIST_OK) {
        return;
    }
    kist_error_text(text, sizeof(text));
    fprintf(stderr, "%s: %s: %s\n", what, kist_status_name(status), text);
    exit(1);
}
