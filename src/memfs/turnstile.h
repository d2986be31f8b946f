/*
 * turnstile.h - who may use a file: many readers or one writer, first come
 * first served.
 *
 *     readers 2, writer 0
 *     last ──> [C] ──> [A] ──> [B] ──┐     a ring; last->next came first
 *               ^────────────────────┘
 *
 * Who finds somebody waiting, waits behind him, so that neither readers nor
 * writers starve.  Whoever leaves admits those at the head of the queue:
 * their counts are raised for them, before they are told.  They are told with
 * no latch held (ki_admitted).
 *
 * INVARIANT  writer == 0 or readers == 0; the queue is empty, or its head may
 *            not enter now.
 *
 * Layer    memfs.
 * Threads  the owner's latch guards it all; a waiter's `state` is read by who
 *          sleeps on it.
 */
#ifndef KI_MEMFS_TURNSTILE_H
#define KI_MEMFS_TURNSTILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ki_waiter {
    struct ki_waiter *next;
    struct ki_waiter *previous;
    bool exclusive;
    bool queued;
    _Atomic uint32_t state;      /* 0 waiting, 1 admitted */
    void (*wake)(void *context); /* NULL: somebody sleeps on `state` */
    void *context;
} ki_waiter;

typedef struct ki_turnstile {
    uint32_t readers;
    uint32_t writer; /* 0 or 1 */
    ki_waiter *last; /* NULL: nobody waits */
} ki_turnstile;

/* Those who were admitted and have not been told. */
typedef struct ki_admitted {
    ki_waiter *first;
} ki_admitted;

/* Enters, if that is possible now. */
bool ki_turnstile_enter(ki_turnstile *turnstile, bool exclusive);

/* Joins the end of the queue. */
void ki_turnstile_queue(ki_turnstile *turnstile, ki_waiter *waiter);

/* Leaves, and admits others. */
void ki_turnstile_leave(ki_turnstile *turnstile, bool exclusive,
                        ki_admitted *admitted);

/* Leaves the queue, which may admit others; false if the waiter is not in it,
 * having been admitted. */
bool ki_turnstile_give_up(ki_turnstile *turnstile, ki_waiter *waiter,
                          ki_admitted *admitted);

/* Tells them.  Call it without the latch; a waiter may be gone afterwards. */
void ki_admitted_tell(ki_admitted *admitted);

/* True if anybody is inside or waits. */
static inline bool
ki_turnstile_is_used(const ki_turnstile *turnstile)
{
    return turnstile->readers != 0 || turnstile->writer != 0 ||
           turnstile->last != NULL;
}

#endif /* KI_MEMFS_TURNSTILE_H */
