/*
 * inflight.h - which threads are inside a call on which object, so that
 * closing can wait for them, at the price of two plain stores a call.
 *
 * Each thread owns one cache line, its slot.  Entering stores the object into
 * it and then looks whether the object is still open; closing marks the
 * object and then looks through all slots.  The one store-load order that
 * this needs is paid by the closer, with membarrier(2) (a full fence in every
 * entry where the kernel has none).
 *
 *      enter:  slot->view = object; slot->busy = 1; | is it closed? go back
 *      leave:  slot->busy = 0                       | view stays
 *
 * `view` lingers after leaving: what a thread was last handed stays protected
 * (ki_inflight_has_view) until it enters something else.
 *
 * Layer    os.
 * Threads  enter and leave by the owner of the slot, the rest by any.
 */
#ifndef KI_OS_INFLIGHT_H
#define KI_OS_INFLIGHT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kist/status.h"

/* ThreadSanitizer knows neither membarrier nor fences. */
#if defined(__SANITIZE_THREAD__)
#define KI_INFLIGHT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KI_INFLIGHT_TSAN 1
#endif
#endif

typedef struct ki_inflight {
    _Atomic(const void *) view; /* the object last entered */
    _Atomic uint32_t busy;      /* 1: inside a call now */
    uint64_t thread; /* unlike any other thread's, also later ones */
} ki_inflight;

/* This thread's slot once it has one; NULL before. */
extern _Thread_local ki_inflight *ki_inflight_self
    __attribute__((tls_model("initial-exec")));

/* 1: membarrier works, and entering needs no fence.  Set at first use. */
extern int ki_inflight_cheap;

/* Counts the forks this process descends from, as seen by it: +1 in each
 * child.  A handle whose count differs belongs to the parent. */
extern _Atomic uint32_t ki_inflight_forks;

/* Gives this thread a slot (freed at its exit).  NOMEM. */
KIST_NODISCARD kist_status ki_inflight_register(void);

/* ki_inflight_enter() of whoever has this thread's slot in a register. */
static inline void
ki_inflight_enter_by(ki_inflight *slot, const void *object)
{
    atomic_store_explicit(&slot->view, object, memory_order_relaxed);
#ifdef KI_INFLIGHT_TSAN
    (void)atomic_exchange(&slot->busy, 1);
#else
    atomic_store_explicit(&slot->busy, 1, memory_order_relaxed);
    if (ki_inflight_cheap) {
        atomic_signal_fence(memory_order_seq_cst);
    }
    else {
        atomic_thread_fence(memory_order_seq_cst);
    }
#endif
}

/* The first half of entering: the caller then checks that it may go on, and
 * if not, calls ki_inflight_leave().  ki_inflight_self must not be NULL. */
static inline void
ki_inflight_enter(const void *object)
{
    ki_inflight_enter_by(ki_inflight_self, object);
}

static inline void
ki_inflight_leave_by(ki_inflight *slot)
{
    atomic_store_explicit(&slot->busy, 0, memory_order_release);
}

static inline void
ki_inflight_leave(void)
{
    ki_inflight_leave_by(ki_inflight_self);
}

/*
 * Call after the object was marked closed: waits until no other thread is
 * inside a call on it (this thread may be).
 */
void ki_inflight_drain(const void *object);

/*
 * True if another thread is inside a call on `object`, or was handed views of
 * it and has not called anything since.  The mark must have been set before.
 */
bool ki_inflight_has_view(const void *object);

#endif /* KI_OS_INFLIGHT_H */
