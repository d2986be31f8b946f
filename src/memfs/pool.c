#include "memfs/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "os/io.h"

#define PAGES    32u
#define ALL_USED UINT32_MAX

/* How many chunks with room are looked at before there is a new one. */
#define LOOK_MAX 8

typedef struct chunk {
    struct chunk *next; // of those that have a free page
    struct chunk *previous;
    uint8_t *base;
    uint32_t used; // a bit for each page
} chunk;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static chunk *roomy;      // chunks with a free page
static size_t free_bytes; // in chunks of which no page is used
static size_t held;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void
lock_pool(void)
{
    pthread_mutex_lock(&mutex);
}

static void
unlock_pool(void)
{
    pthread_mutex_unlock(&mutex);
}

/* A child of fork() must not find the mutex taken by a thread it lacks. */
static void
watch_forks(void)
{
    (void)pthread_atfork(lock_pool, unlock_pool, unlock_pool);
}

/* Whole chunks from the system, aligned to their size. */
static void *
map_aligned(size_t size)
{
    const size_t wide = size + KI_POOL_CHUNK;
    uint8_t *raw = ki_io->map(NULL, wide, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *base;
    size_t before;

    if (raw == MAP_FAILED) {
        return NULL;
    }
    base = (uint8_t *)(((uintptr_t)raw + KI_POOL_CHUNK - 1) &
                       ~(uintptr_t)(KI_POOL_CHUNK - 1));
    before = (size_t)(base - raw);
    if (before > 0) {
        (void)ki_io->unmap(raw, before);
    }
    if (before < KI_POOL_CHUNK) {
        (void)ki_io->unmap(base + size, KI_POOL_CHUNK - before);
    }
    // Without huge pages it only gets slower.
    (void)ki_io->advise(base, size, MADV_HUGEPAGE);
    held += size;
    return base;
}

static void
unlink_chunk(chunk *at)
{
    if (at->previous != NULL) {
        at->previous->next = at->next;
    }
    else {
        roomy = at->next;
    }
    if (at->next != NULL) {
        at->next->previous = at->previous;
    }
}

static void
link_chunk(chunk *at)
{
    at->previous = NULL;
    at->next = roomy;
    if (roomy != NULL) {
        roomy->previous = at;
    }
    roomy = at;
}

static uint32_t
mask_of(uint32_t count)
{
    return count == PAGES ? ALL_USED : (1u << count) - 1;
}

/* The first of `count` free pages in a row, or PAGES. */
static uint32_t
find_pages(uint32_t used, uint32_t count)
{
    for (uint32_t page = 0; page + count <= PAGES; page++) {
        if ((used & mask_of(count) << page) == 0) {
            return page;
        }
    }
    return PAGES;
}

static chunk *
new_chunk(void)
{
    chunk *fresh = ki_calloc(1, sizeof(*fresh));

    if (fresh == NULL) {
        return NULL;
    }
    fresh->base = map_aligned(KI_POOL_CHUNK);
    if (fresh->base == NULL) {
        ki_free(fresh);
        return NULL;
    }
    free_bytes += KI_POOL_CHUNK;
    link_chunk(fresh);
    return fresh;
}

static void *
take_pages(uint32_t count, void **home)
{
    uint32_t page = PAGES;
    chunk *at = roomy;

    for (int looked = 0; at != NULL && looked < LOOK_MAX; looked++) {
        page = find_pages(at->used, count);
        if (page < PAGES) {
            break;
        }
        at = at->next;
    }
    if (page == PAGES) {
        at = new_chunk();
        page = 0;
    }
    if (at == NULL) {
        return NULL;
    }
    if (at->used == 0) {
        free_bytes -= KI_POOL_CHUNK;
    }
    at->used |= mask_of(count) << page;
    if (at->used == ALL_USED) {
        unlink_chunk(at);
    }
    *home = at;
    return at->base + page * KI_POOL_PAGE;
}

static void
give_pages(uint8_t *data, uint32_t count, chunk *at)
{
    if (at->used == ALL_USED) {
        link_chunk(at);
    }
    at->used &= ~(mask_of(count) << (size_t)(data - at->base) / KI_POOL_PAGE);
    if (at->used != 0) {
        return;
    }
    if (free_bytes < KI_POOL_LENT) {
        if (free_bytes >= KI_POOL_KEPT) {
            (void)ki_io->advise(at->base, KI_POOL_CHUNK, MADV_FREE);
        }
        free_bytes += KI_POOL_CHUNK;
        return;
    }
    unlink_chunk(at);
    (void)ki_io->unmap(at->base, KI_POOL_CHUNK);
    held -= KI_POOL_CHUNK;
    ki_free(at);
}

static uint32_t
count_pages(size_t size)
{
    return (uint32_t)((size + KI_POOL_PAGE - 1) / KI_POOL_PAGE);
}

static size_t
whole_chunks(size_t size)
{
    return (size + KI_POOL_CHUNK - 1) & ~(KI_POOL_CHUNK - 1);
}

void *
ki_pool_take(size_t size, void **home)
{
    void *data;

    *home = NULL;
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    pthread_once(&fork_once, watch_forks);
    lock_pool();
    data = size > KI_POOL_CHUNK ? map_aligned(whole_chunks(size))
                                : take_pages(count_pages(size), home);
    unlock_pool();
    return data;
}

void
ki_pool_give(void *data, size_t size, void *home)
{
    lock_pool();
    if (home == NULL) {
        (void)ki_io->unmap(data, whole_chunks(size));
        held -= whole_chunks(size);
    }
    else {
        give_pages(data, count_pages(size), home);
    }
    unlock_pool();
}

size_t
ki_pool_held(void)
{
    size_t bytes;

    lock_pool();
    bytes = held;
    unlock_pool();
    return bytes;
}
