#include "store/memtable.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "os/io.h"

#define INDEX_SIZE_MIN 16u

/* --- fork
 * -------------------------------------------------------------------*/

static ki_latch all_latch;
static ki_memory *all_memories;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_error;

static void
take_all(void)
{
    ki_latch_take(&all_latch);
    for (ki_memory *m = all_memories; m != NULL; m = m->next) {
        ki_latch_take(&m->latch);
    }
}

static void
drop_all(void)
{
    for (ki_memory *m = all_memories; m != NULL; m = m->next) {
        ki_latch_drop(&m->latch);
    }
    ki_latch_drop(&all_latch);
}

static void
watch_forks(void)
{
    fork_error = pthread_atfork(take_all, drop_all, drop_all);
}

/* --- memories
 * ---------------------------------------------------------------*/

kist_status
ki_memory_new(ki_memory **made)
{
    ki_memory *m;

    pthread_once(&fork_once, watch_forks);
    m = fork_error != 0 ? NULL : ki_calloc(1, sizeof(*m));
    if (m == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "memory store");
    }
    atomic_init(&m->refs, 1);
    if (ki_io->random(&m->seed, sizeof(m->seed)) != 0) {
        ki_free(m);
        return KI_FAIL(KIST_ERR_IO, NULL, KI_NO_OFFSET, "getrandom");
    }
    ki_latch_take(&all_latch);
    m->next = all_memories;
    if (m->next != NULL) {
        m->next->before = m;
    }
    all_memories = m;
    ki_latch_drop(&all_latch);
    *made = m;
    return KIST_OK;
}

void
ki_blob_drop(ki_blob *b)
{
    if (b != NULL &&
        atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        ki_free(b);
    }
}

static void
space_free(ki_space *s)
{
    for (size_t i = 0; i < s->used; i++) {
        ki_free(s->entries[i].key);
        ki_blob_drop(s->entries[i].value);
    }
    ki_free(s->entries);
    ki_free(s->index);
    ki_free(s);
}

void
ki_memory_drop(ki_memory *m)
{
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ki_latch_take(&all_latch);
    if (m->next != NULL) {
        m->next->before = m->before;
    }
    if (m->before != NULL) {
        m->before->next = m->next;
    }
    else {
        all_memories = m->next;
    }
    ki_latch_drop(&all_latch);
    while (m->spaces != NULL) {
        ki_space *s = m->spaces;

        m->spaces = s->next;
        space_free(s);
    }
    ki_free(m);
}

ki_space *
ki_memory_space(ki_memory *m, const char *format)
{
    ki_space *s = m->spaces;

    while (s != NULL && strcmp(s->format, format) != 0) {
        s = s->next;
    }
    if (s == NULL && (s = ki_calloc(1, sizeof(*s))) != NULL) {
        memcpy(s->format, format, strlen(format) + 1);
        s->memory = m;
        s->next = m->spaces;
        m->spaces = s;
    }
    return s;
}

/* --- the table
 * ------------------------------------------------------------------*/

/* Where in the index the key is, or the empty place where it would be. */
static size_t
find_place(const ki_space *s, uint64_t hash, kist_slice key)
{
    const size_t mask = s->index_size - 1;
    size_t at = (size_t)hash & mask;

    while (s->index[at] != 0) {
        const ki_entry *e = &s->entries[s->index[at] - 1];

        if (e->hash == hash && e->key_size == key.size &&
            memcmp(e->key, key.data, key.size) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

ki_entry *
ki_space_find(const ki_space *s, uint64_t hash, kist_slice key)
{
    size_t at;

    if (s->index_size == 0) {
        return NULL;
    }
    at = find_place(s, hash, key);
    return s->index[at] == 0 ? NULL : &s->entries[s->index[at] - 1];
}

/* Moves the entries together and indexes them anew; what is given is empty,
 * and at least as large as what there was. */
static void
rebuild(ki_space *s, ki_entry *entries, size_t capacity, uint32_t *index,
        size_t index_size)
{
    size_t used = 0;

    for (size_t i = 0; i < s->used; i++) {
        if (s->entries[i].key != NULL) {
            size_t at = (size_t)s->entries[i].hash & (index_size - 1);

            entries[used] = s->entries[i];
            while (index[at] != 0) {
                at = (at + 1) & (index_size - 1);
            }
            index[at] = (uint32_t)++used;
        }
    }
    if (entries != s->entries) {
        ki_free(s->entries);
        ki_free(s->index);
    }
    s->entries = entries;
    s->capacity = capacity;
    s->index = index;
    s->index_size = index_size;
    s->used = used;
    s->moves++;
}

/* Makes room for one entry more. */
static kist_status
make_room(ki_space *s)
{
    size_t index_size = s->index_size;
    ki_entry *entries;
    uint32_t *index;
    size_t capacity;

    if (s->used < s->capacity) {
        return KIST_OK;
    }
    if (s->live < s->used - s->used / 4) {
        // A quarter are holes: that pays for moving the rest.
        memset(s->index, 0, s->index_size * sizeof(*s->index));
        rebuild(s, s->entries, s->capacity, s->index, s->index_size);
        return KIST_OK;
    }
    if (s->capacity >= UINT32_MAX / 4) {
        return KI_FAIL(KIST_ERR_TOOBIG, NULL, KI_NO_OFFSET, "memory store");
    }
    index_size = index_size == 0 ? INDEX_SIZE_MIN : 2 * index_size;
    capacity = index_size / 4 * 3;
    entries = ki_calloc(capacity, sizeof(*entries));
    index = ki_calloc(index_size, sizeof(*index));
    if (entries == NULL || index == NULL) {
        ki_free(entries);
        ki_free(index);
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "memory store");
    }
    rebuild(s, entries, capacity, index, index_size);
    return KIST_OK;
}

kist_status
ki_space_add(ki_space *s, uint64_t hash, kist_slice key, ki_entry **added)
{
    kist_status status = make_room(s);
    char *copy;
    ki_entry *e;

    if (status != KIST_OK) {
        return status;
    }
    copy = ki_calloc(1, key.size);
    if (copy == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "memory store");
    }
    memcpy(copy, key.data, key.size);
    s->index[find_place(s, hash, key)] = (uint32_t)s->used + 1;
    e = &s->entries[s->used++];
    *e = (ki_entry){.key = copy,
                    .key_size = key.size,
                    .hash = hash,
                    .number = s->next_number++};
    s->live++;
    *added = e;
    return KIST_OK;
}

/* What was pushed on moves back, so that the index has no holes. */
void
ki_space_remove(ki_space *s, ki_entry *e)
{
    const size_t mask = s->index_size - 1;
    size_t hole = find_place(s, e->hash, kist_bytes(e->key, e->key_size));
    size_t at = hole;

    for (;;) {
        size_t home;

        s->index[hole] = 0;
        do {
            at = (at + 1) & mask;
            if (s->index[at] == 0) {
                goto out;
            }
            home = (size_t)s->entries[s->index[at] - 1].hash & mask;
            // Until one comes that may stand in the hole.
        } while (((at - home) & mask) < ((at - hole) & mask));
        s->index[hole] = s->index[at];
        hole = at;
    }
out:
    ki_free(e->key);
    e->key = NULL;
    e->value = NULL;
    s->live--;
}

size_t
ki_space_at(const ki_space *s, uint64_t number)
{
    size_t low = 0;
    size_t high = s->used;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (s->entries[middle].number < number) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}
