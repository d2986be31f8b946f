/*
 * memtable.h - keys and values in memory, shared by the stores over them.
 *
 *     ki_memory   latch, one for all
 *       ki_space  "json"    entries  [k v][k v][hole][k v]
 *       ki_space  "pkl"     index    hash table of places in it
 *
 * INVARIANTS
 *  (1) Entries stand in the order in which their keys came, and their numbers
 *      rise and are never given again: who remembers a number comes to each
 *      entry once, whatever moves.
 *  (2) A value is never changed, but counted and replaced, so the latch is
 * held for a look into the table and not while bytes are copied. (3) fork()
 * waits until no latch is held, so a child finds none that nobody will ever
 * drop.
 *
 * Layer    store.
 * Threads  any; but for making and dropping, the caller holds the latch.
 */
#ifndef KI_STORE_MEMTABLE_H
#define KI_STORE_MEMTABLE_H

#include "os/latch.h"
#include "store/storeops.h"

typedef struct ki_blob {
    _Atomic uint32_t refs;
    size_t size;
    uint8_t bytes[];
} ki_blob;

typedef struct ki_entry {
    char *key; // NULL: a hole
    size_t key_size;
    uint64_t hash;
    uint64_t number; // rises from one entry to the next
    ki_blob *value;
    uint64_t version; // the ETag
    int64_t mtime_ns;
} ki_entry;

typedef struct ki_space {
    struct ki_space *next;
    struct ki_memory *memory;
    ki_entry *entries;
    size_t used; // entries, holes among them
    size_t capacity;
    size_t live;
    uint32_t *index;   // 1 + place of an entry, or 0
    size_t index_size; // power of two; over 4/3 of capacity
    uint64_t next_number;
    uint64_t moves; // how often entries have changed their places
    char format[KI_FORMAT_SIZE_MAX + 1];
} ki_space;

typedef struct ki_memory {
    _Atomic uint32_t refs;
    ki_latch latch; // all below, and all spaces
    ki_space *spaces;
    uint64_t versions;
    uint64_t seed;
    struct ki_memory *next; // of all there are
    struct ki_memory *before;
} ki_memory;

/* An empty one, with one reference.  NOMEM, IO. */
KIST_NODISCARD kist_status ki_memory_new(ki_memory **made);

/* Lets go of a reference; takes no latch of his. */
void ki_memory_drop(ki_memory *m);

/* The space of a format, made if there is none; NULL: no memory. */
ki_space *ki_memory_space(ki_memory *m, const char *format);

/* NULL is fine. */
void ki_blob_drop(ki_blob *b);

/* The entry of a key, or NULL; good until one is added or removed. */
ki_entry *ki_space_find(const ki_space *s, uint64_t hash, kist_slice key);

/* Adds an entry for a key that has none, with no value yet.  NOMEM, TOOBIG. */
KIST_NODISCARD kist_status ki_space_add(ki_space *s, uint64_t hash,
                                        kist_slice key, ki_entry **added);

/* Leaves a hole; its value is the caller's. */
void ki_space_remove(ki_space *s, ki_entry *e);

/* The place of the first entry with this number or a higher one. */
size_t ki_space_at(const ki_space *s, uint64_t number);

#endif /* KI_STORE_MEMTABLE_H */
