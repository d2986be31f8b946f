#include "memfs/turnstile.h"

#include "os/shmlock.h"

static bool
may_enter(const ki_turnstile *turnstile, bool exclusive)
{
    return turnstile->writer == 0 && (!exclusive || turnstile->readers == 0);
}

static void
count_in(ki_turnstile *turnstile, bool exclusive)
{
    if (exclusive) {
        turnstile->writer = 1;
    }
    else {
        turnstile->readers++;
    }
}

bool
ki_turnstile_enter(ki_turnstile *turnstile, bool exclusive)
{
    if (turnstile->last != NULL || !may_enter(turnstile, exclusive)) {
        return false;
    }
    count_in(turnstile, exclusive);
    return true;
}

void
ki_turnstile_queue(ki_turnstile *turnstile, ki_waiter *waiter)
{
    if (turnstile->last == NULL) {
        waiter->next = waiter;
        waiter->previous = waiter;
    }
    else {
        waiter->next = turnstile->last->next;
        waiter->previous = turnstile->last;
        waiter->next->previous = waiter;
        turnstile->last->next = waiter;
    }
    waiter->queued = true;
    turnstile->last = waiter;
}

static void
unlink_waiter(ki_turnstile *turnstile, ki_waiter *waiter)
{
    waiter->queued = false;
    if (waiter->next == waiter) {
        turnstile->last = NULL;
        return;
    }
    waiter->previous->next = waiter->next;
    waiter->next->previous = waiter->previous;
    if (turnstile->last == waiter) {
        turnstile->last = waiter->previous;
    }
}

static void
admit(ki_turnstile *turnstile, ki_admitted *admitted)
{
    ki_waiter **end = &admitted->first;

    while (turnstile->last != NULL &&
           may_enter(turnstile, turnstile->last->next->exclusive)) {
        ki_waiter *waiter = turnstile->last->next;

        unlink_waiter(turnstile, waiter);
        count_in(turnstile, waiter->exclusive);
        waiter->next = NULL;
        *end = waiter;
        end = &waiter->next;
    }
}

void
ki_turnstile_leave(ki_turnstile *turnstile, bool exclusive,
                   ki_admitted *admitted)
{
    if (exclusive) {
        turnstile->writer = 0;
    }
    else {
        turnstile->readers--;
    }
    admit(turnstile, admitted);
}

bool
ki_turnstile_give_up(ki_turnstile *turnstile, ki_waiter *waiter,
                     ki_admitted *admitted)
{
    if (!waiter->queued) {
        return false;
    }
    unlink_waiter(turnstile, waiter);
    admit(turnstile, admitted);
    return true;
}

void
ki_admitted_tell(ki_admitted *admitted)
{
    while (admitted->first != NULL) {
        ki_waiter *waiter = admitted->first;
        void (*wake)(void *) = waiter->wake;
        void *context = waiter->context;

        // Once its state says so, the waiter is its owner's again.
        admitted->first = waiter->next;
        atomic_store_explicit(&waiter->state, 1, memory_order_release);
        if (wake != NULL) {
            wake(context);
        }
        else {
            ki_futex_wake_all(&waiter->state);
        }
    }
}
