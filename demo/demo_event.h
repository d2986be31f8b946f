/*
 * demo_event.h - the stream of events of the demo: the same for whoever asks,
 * so that what is read back can be checked to the last bit.
 *
 * Layer    demo: public headers only.
 * Threads  pure functions.
 */
#ifndef DEMO_DEMO_EVENT_H
#define DEMO_DEMO_EVENT_H

#include "kist/pack.h"

#define DEMO_KINDS 8u

/* The time of event 0, and the mean distance of events, in milliseconds. */
#define DEMO_TIME_MS ((int64_t)1700000000000)
#define DEMO_STEP_MS ((int64_t)250)

typedef struct demo_event {
    int64_t time_ms; /* grows with the number of the event */
    unsigned kind;   /* an index of demo_kind_names */
    int64_t user;
    double amount;
} demo_event;

extern const char *const demo_kind_names[DEMO_KINDS];

/* Event number `i`. */
demo_event demo_event_make(uint64_t i);

/* Appends the event to *out as packed (time, kind, user, amount). */
KIST_NODISCARD kist_status demo_event_pack(const demo_event *event,
                                           kist_buf *out);

/* Reads a packed event; false if it is none. */
bool demo_event_unpack(kist_slice packed, demo_event *event);

/* CPU time of this process, its threads included, in nanoseconds. */
uint64_t demo_cpu_ns(void);

/* Ends the program with a message if `status` is an error. */
void demo_must(kist_status status, const char *what);

#endif /* DEMO_DEMO_EVENT_H */
