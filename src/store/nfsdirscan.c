#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/inflight.h"
#include "store/nfsdirlist.h"

/* Threads that wait for a server, and those that share this machine. */
#define THREADS_REMOTE 16
#define THREADS_LOCAL  4

/* Calls that are worth a thread. */
#define CALLS_REMOTE 4
#define CALLS_LOCAL  512

/* How many calls a thread takes at a time. */
#define CALLS_STEP 16

/* --- several threads --------------------------------------------------------
 */

typedef struct thread_crew {
    _Atomic size_t next;
    size_t count;
    size_t step;
    void (*work)(void *context, size_t index);
    void *context;
} thread_crew;

static void *
run_crew(void *context)
{
    thread_crew *crew = context;

    for (;;) {
        const size_t from = atomic_fetch_add(&crew->next, crew->step);

        for (size_t i = from; i < crew->count && i < from + crew->step; i++) {
            crew->work(crew->context, i);
        }
        if (from >= crew->count || crew->count - from <= crew->step) {
            return NULL;
        }
    }
}

static size_t
threads_for(const ki_nfsdir *dir, size_t count)
{
    const bool remote = dir->root->remote;
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t wanted = count / (remote ? CALLS_REMOTE : CALLS_LOCAL);
    size_t most = remote ? THREADS_REMOTE : THREADS_LOCAL;

    if (!remote && processors > 0 && (size_t)processors < most) {
        most = (size_t)processors;
    }
    return wanted < most ? wanted : most;
}

void
ki_nfs_each(const ki_nfsdir *dir, size_t count,
            void (*work)(void *context, size_t index), void *context)
{
    pthread_t threads[THREADS_REMOTE];
    const size_t wanted = threads_for(dir, count);
    size_t started = 0;
    thread_crew crew = {
        .count = count,
        .step = dir->root->remote ? 1 : CALLS_STEP,
        .work = work,
        .context = context,
    };

    // This thread is one of them, and does it alone if there are no others.
    while (started + 1 < wanted &&
           pthread_create(&threads[started], NULL, run_crew, &crew) == 0) {
        started++;
    }
    (void)run_crew(&crew);
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

/* --- many values ------------------------------------------------------------
 */

typedef struct read_batch {
    ki_nfsdir *dir;
    const kist_slice *keys;
    kist_buf *values;
    kist_status *statuses;
} read_batch;

static void
get_one(void *context, size_t index)
{
    const read_batch *batch = context;
    uint8_t digest[KI_SHA256_SIZE];
    ki_path path;

    ki_nfsdir_path(batch->dir, batch->keys[index], digest, &path);
    batch->statuses[index] =
        ki_nfsdir_read(batch->dir, &path, &batch->keys[index], NULL,
                       &batch->values[index], NULL, NULL);
}

kist_status
ki_nfsdir_get_many(kist_store *store, const kist_slice *keys, size_t count,
                   kist_buf *values, kist_status *statuses)
{
    read_batch batch = {(ki_nfsdir *)store, keys, values, statuses};

    ki_nfsdir_enter(batch.dir);
    ki_nfs_each(batch.dir, count, get_one, &batch);
    return KIST_OK;
}

/* --- scans ------------------------------------------------------------------
 */

struct ki_cursor {
    ki_nfsdir *dir; // a reference
    ki_nfslist *list;
    size_t at;
    bool stats;
};

kist_status
ki_nfsdir_scan_open(kist_store *store, bool stats, ki_cursor **cursor)
{
    ki_nfsdir *dir = (ki_nfsdir *)store;
    ki_cursor *made = ki_calloc(1, sizeof(*made));
    kist_status status;

    *cursor = NULL;
    if (made == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "scan");
    }
    ki_nfsdir_enter(dir);
    status = ki_nfslist_now(dir, &made->list);
    if (status != KIST_OK) {
        ki_free(made);
        return status;
    }
    made->dir = (ki_nfsdir *)ki_store_hold(store);
    made->stats = stats;
    *cursor = made;
    return KIST_OK;
}

kist_status
ki_nfsdir_scan_next(ki_cursor *cursor, ki_found *found)
{
    const ki_nfslist *list = cursor->list;
    uint8_t digest[KI_SHA256_SIZE];
    ki_path path;
    kist_status status;

    while (ki_nfslist_next(list, list->keys.size, &cursor->at, &found->key)) {
        found->has_stat = cursor->stats;
        if (!cursor->stats) {
            return KIST_OK;
        }
        ki_nfsdir_path(cursor->dir, found->key, digest, &path);
        status = ki_nfsdir_read(cursor->dir, &path, NULL, NULL, NULL,
                                &found->stat, NULL);
        if (status != KIST_ERR_NOTFOUND) {
            return status;
        }
    }
    return KIST_END;
}

void
ki_nfsdir_scan_close(ki_cursor *cursor)
{
    if (cursor != NULL) {
        ki_nfslist_drop(cursor->list);
        kist_store_close(&cursor->dir->store);
        ki_free(cursor);
    }
}

kist_status
ki_nfsdir_count(kist_store *store, uint64_t *count)
{
    ki_nfsdir *dir = (ki_nfsdir *)store;
    ki_nfslist *list;
    kist_status status;

    ki_nfsdir_enter(dir);
    status = ki_nfslist_now(dir, &list);
    if (status == KIST_OK) {
        *count = list->count;
        ki_nfslist_drop(list);
    }
    return status;
}
