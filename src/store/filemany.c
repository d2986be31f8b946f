/*
 * Many values read at once.  From the page cache a value comes in a few
 * microseconds, and threads would only cost; from a disk, or another machine,
 * it takes a hundred and more, and what pays is to have many under way.  So
 * the first few tell which it is.
 */
#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "store/filedir.h"

#define FIRST       8     // values that are read alone, and timed
#define SLOW_NS     60000 // a value; from here on we wait for something
#define THREADS_MAX 16
#define SHARE_MIN   4 // values a thread, at least

typedef struct reading {
    kist_store *store;
    const kist_slice *keys;
    size_t count;
    kist_buf *values;
    kist_status *statuses;
    _Atomic size_t next;
} reading;

static void *
read_rest(void *context)
{
    reading *at = context;
    size_t index;

    while ((index = atomic_fetch_add_explicit(
                &at->next, 1, memory_order_relaxed)) < at->count) {
        kist_buf *value = &at->values[index];

        at->statuses[index] = ki_filedir_get(at->store, at->keys[index], NULL,
                                             value, NULL, NULL);
        if (at->statuses[index] != KIST_OK) {
            kist_buf_clear(value);
        }
    }
    return NULL;
}

/* As many threads as can be had; this one is one of them. */
static void
read_together(reading *at)
{
    const size_t left = at->count - at->next;
    const size_t wanted =
        left / SHARE_MIN < THREADS_MAX ? left / SHARE_MIN : THREADS_MAX;
    pthread_t threads[THREADS_MAX];
    size_t made = 0;

    while (made + 1 < wanted &&
           pthread_create(&threads[made], NULL, read_rest, at) == 0) {
        made++;
    }
    (void)read_rest(at);
    while (made > 0) {
        pthread_join(threads[--made], NULL);
    }
}

kist_status
ki_filedir_get_many(kist_store *store, const kist_slice *keys, size_t count,
                    kist_buf *values, kist_status *statuses)
{
    reading at = {
        .store = store,
        .keys = keys,
        .count = count < FIRST ? count : FIRST,
        .values = values,
        .statuses = statuses,
    };
    const uint64_t began_ns = ki_clock_ns();

    (void)read_rest(&at);
    atomic_store(&at.next, at.count);
    at.count = count;
    if (ki_clock_ns() - began_ns > FIRST * SLOW_NS) {
        read_together(&at);
    }
    else {
        (void)read_rest(&at);
    }
    return KIST_OK;
}
