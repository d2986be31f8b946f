/*
 * The lines hang on one list that only grows; a line whose thread has ended is
 * given to the next.  So whoever looks through the list needs no lock, and a
 * fork in the middle of anything leaves it whole.
 */
#include "os/inflight.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"

#define LINE_SIZE 64u

typedef struct line {
    ki_inflight slot;
    _Atomic uint32_t taken; // 1: a thread has it
    struct line *next;      // never changes once it is on the list
} line;

_Static_assert(sizeof(line) <= LINE_SIZE, "a line is a cache line");

_Thread_local ki_inflight *ki_inflight_self
    __attribute__((tls_model("initial-exec")));
int ki_inflight_cheap;
_Atomic uint32_t ki_inflight_forks;

static _Atomic(line *) lines;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

static long
membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

static void
pause_for(long ns)
{
    const struct timespec pause = {.tv_nsec = ns};

    nanosleep(&pause, NULL);
}

static void
release_line(line *owned)
{
    atomic_store_explicit(&owned->slot.busy, 0, memory_order_release);
    atomic_store_explicit(&owned->slot.view, NULL, memory_order_release);
    atomic_store_explicit(&owned->taken, 0, memory_order_release);
}

static void
end_thread(void *owned)
{
    // Should a later destructor of this thread call us, it registers anew.
    ki_inflight_self = NULL;
    release_line(owned);
}

/* The child has one thread: the slots of all others belong to nobody. */
static void
after_fork_in_child(void)
{
    for (line *each = atomic_load(&lines); each != NULL; each = each->next) {
        if (&each->slot != ki_inflight_self) {
            release_line(each);
        }
    }
    if (ki_inflight_cheap) {
        (void)membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    }
    atomic_fetch_add(&ki_inflight_forks, 1);
}

static void
prepare(void)
{
    if (pthread_key_create(&key, end_thread) != 0) {
        return;
    }
    if (pthread_atfork(NULL, NULL, after_fork_in_child) != 0) {
        pthread_key_delete(key);
        return;
    }
#ifndef KI_INFLIGHT_TSAN
    // ThreadSanitizer cannot see what membarrier orders.
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0) {
        ki_inflight_cheap = 1;
    }
#endif
    key_made = true;
}

static line *
reuse_line(void)
{
    for (line *each = atomic_load(&lines); each != NULL; each = each->next) {
        uint32_t free = 0;

        if (atomic_load_explicit(&each->taken, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&each->taken, &free, 1)) {
            return each;
        }
    }
    return NULL;
}

/* Of twice the size, so that one whole line lies in it. */
static line *
make_line(void)
{
    char *block = ki_calloc(2, LINE_SIZE);
    const size_t past = (uintptr_t)block % LINE_SIZE;
    line *made;

    if (block == NULL) {
        return NULL;
    }
    made = (line *)(void *)(block + (past == 0 ? 0 : LINE_SIZE - past));
    atomic_store(&made->taken, 1);
    made->next = atomic_load(&lines);
    while (!atomic_compare_exchange_weak(&lines, &made->next, made)) {
    }
    return made;
}

kist_status
ki_inflight_register(void)
{
    static _Atomic uint64_t threads = 1;
    line *owned;

    if (ki_inflight_self != NULL) {
        return KIST_OK;
    }
    pthread_once(&once, prepare);
    if (!key_made) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "thread key");
    }
    owned = reuse_line();
    if (owned == NULL) {
        owned = make_line();
    }
    if (owned == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "thread slot");
    }
    if (pthread_setspecific(key, owned) != 0) {
        release_line(owned);
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "thread slot");
    }
    owned->slot.thread = atomic_fetch_add(&threads, 1);
    ki_inflight_self = &owned->slot;
    return KIST_OK;
}

/*
 * After this, every thread has either made its slot visible to us or will see
 * what we stored before.
 */
static void
meet_all(void)
{
#ifndef KI_INFLIGHT_TSAN
    if (!ki_inflight_cheap) {
        atomic_thread_fence(memory_order_seq_cst);
        return;
    }
    atomic_signal_fence(memory_order_seq_cst);
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
        (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0 ||
         membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0)) {
        // A sandbox has taken the call away: store buffers empty themselves
        // long before this is over.
        pause_for(10000000);
    }
#endif
}

static uint32_t
load_busy(line *other)
{
#ifdef KI_INFLIGHT_TSAN
    // Either reads the exchange of an entering thread or is read by it.
    return atomic_fetch_or(&other->slot.busy, 0);
#else
    return atomic_load_explicit(&other->slot.busy, memory_order_acquire);
#endif
}

static bool
is_inside(line *other, const void *object)
{
    return load_busy(other) != 0 &&
           atomic_load_explicit(&other->slot.view, memory_order_acquire) ==
               object;
}

void
ki_inflight_drain(const void *object)
{
    meet_all();
    for (line *each = atomic_load(&lines); each != NULL; each = each->next) {
        long ns = 1000;

        if (&each->slot == ki_inflight_self) {
            continue;
        }
        while (is_inside(each, object)) {
            pause_for(ns);
            ns = ns * 2 < 1000000 ? ns * 2 : 1000000;
        }
    }
}

bool
ki_inflight_has_view(const void *object)
{
    meet_all();
    for (line *each = atomic_load(&lines); each != NULL; each = each->next) {
        if (&each->slot != ki_inflight_self) {
            (void)load_busy(each);
            if (atomic_load_explicit(&each->slot.view, memory_order_acquire) ==
                object) {
                return true;
            }
        }
    }
    return false;
}
