/*
 * chest.h - an open kist inside: the handle, and what every call does first
 * and last.
 *
 *   kist_dict_get(dict, key)
 *     ki_enter      this thread is inside; which generation is current?
 *     ki_bind       where is the collection's header in it?
 *     ...           follow words and records
 *     ki_leave      this thread is outside
 *
 * The handle points to a generation (gen.h).  When a compaction elsewhere has
 * replaced the files, or the maps have become too small, the next call opens a
 * new generation and retires the old one, which is freed once no thread is
 * inside it or holds views of it (os/inflight.h).
 *
 * Layer    coll.
 * Threads  any; `mutex` guards the exchange of generations.
 */
#ifndef KI_COLL_CHEST_H
#define KI_COLL_CHEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "coll/gen.h"
#include "coll/layout.h"
#include "index/tx.h"
#include "kist/handle.h"
#include "os/inflight.h"

/*
 * Not a status: the generation is no longer the right one (superseded, or its
 * maps are too small).  The call starts again with a new one.  Never leaves
 * the library.
 */
#define KI_AGAIN ((kist_status)1000)

/* As an address: a file ended under its map. */
#define KI_NO_OFFSET_CUT UINT64_MAX

/* What the holder of the index's lock is doing. */
typedef struct ki_writer {
    ki_tx tx;
    ki_gen *gen;
    uint64_t tail;    /* where the next record goes */
    uint64_t begun;   /* tail when the lock was taken */
    uint64_t op_tail; /* batch: tail before this call */
    uint64_t wanted;  /* with KI_AGAIN: address space that would do */
    kist_durability durability;
    bool batch; /* records are part of one batch */
} ki_writer;

struct kist {
    _Atomic(ki_gen *) gen; /* NULL: closed */
    uint32_t forks;        /* ki_inflight_forks at open */
    kist_options options;
    char *log_path;         /* owned */
    char *index_path;       /* owned */
    ki_writer writer;       /* of whoever holds the index's lock here */
    _Atomic uint64_t owner; /* the thread in a batch; 0: none */
    pthread_mutex_t mutex;  /* generations, syncer */
    ki_gen *retired;
    _Atomic uint32_t references; /* handle, collections, scans */
    _Atomic uint64_t reserve;    /* address space to map, bytes */
    struct ki_syncer *syncer;    /* durable.h: the thread of KIST_INTERVAL */
};

/* A collection handle; kist_list, kist_dict and kist_set are this. */
typedef struct ki_coll {
    kist *k;
    kist_kind kind;
    kist_type type;
    _Atomic uint64_t bound; /* serial of the generation these belong to */
    _Atomic uint64_t header;
    _Atomic uint64_t serial;
    kist_slice name;             /* owned bytes */
    _Atomic uint32_t references; /* the handle's, and its scans' */
} ki_coll;

struct kist_dict {
    ki_coll coll;
};
struct kist_set {
    ki_coll coll;
};
struct kist_list {
    ki_coll coll;
};

/* The way in that is not the common one. */
KIST_NODISCARD kist_status ki_enter_slowly(kist *k, ki_gen **gen);

/*
 * Enters the kist: until ki_leave() the generation stays.  CLOSED, FORKED, or
 * what opening a new generation answers.
 */
KIST_NODISCARD static inline __attribute__((always_inline)) kist_status
ki_enter(kist *k, ki_gen **gen)
{
    ki_gen *now = atomic_load_explicit(&k->gen, memory_order_acquire);

    if (KI_LIKELY(ki_inflight_self != NULL && now != NULL)) {
        ki_inflight_enter(now);
        if (KI_LIKELY(
                atomic_load_explicit(&k->gen, memory_order_acquire) == now &&
                k->forks == atomic_load_explicit(&ki_inflight_forks,
                                                 memory_order_relaxed) &&
                now->shared && ki_word_load(&now->idx, KI_W_STALE) == 0)) {
            *gen = now;
            return KIST_OK;
        }
        ki_inflight_leave();
    }
    return ki_enter_slowly(k, gen);
}

static inline void
ki_leave(void)
{
    ki_inflight_leave();
}

/*
 * `gen` (which the caller has left) did not do: opens the current one, with
 * larger maps if it was only too small.
 */
KIST_NODISCARD kist_status ki_exchange(kist *k, const ki_gen *gen);

/* Asks for at least that much address space at the next exchange. */
void ki_chest_want(kist *k, uint64_t reserve);

/* The transaction of this thread's batch on `k`, or NULL. */
static inline const ki_tx *
ki_own_tx(const kist *k)
{
    const uint64_t owner =
        atomic_load_explicit(&k->owner, memory_order_relaxed);

    return KI_UNLIKELY(owner != 0 && ki_inflight_self != NULL &&
                       owner == ki_inflight_self->thread)
               ? &k->writer.tx
               : NULL;
}

/* Counts one more user of the struct, and one less (freeing it at 0). */
void ki_chest_hold(kist *k);
void ki_chest_release(kist *k);

/* Bytes of log that may be read now through the generation's map. */
static inline uint64_t
ki_log_end(const ki_gen *gen)
{
    const uint64_t size = ki_word_load(&gen->idx, KI_W_LOG_SIZE);

    return size < gen->log.limit ? size : gen->log.limit;
}

/*
 * What a word or record that cannot be right means: KI_AGAIN if only our maps
 * are too small for what others have written, else CORRUPT with the place.
 */
kist_status ki_bad_record(const ki_gen *gen, uint64_t offset);
kist_status ki_bad_index(const ki_gen *gen, uint64_t address);
kist_status ki_bad_index_of(const ki_idx *idx, uint64_t address);

/*
 * Nothing was found: can that be believed?  NOTFOUND, or CORRUPT if a file
 * was cut short under the map.
 */
static inline kist_status
ki_not_found(const ki_gen *gen)
{
    return KI_UNLIKELY(ki_mapping_is_cut(&gen->idx.map) ||
                       ki_mapping_is_cut(&gen->log.map))
               ? ki_bad_index(gen, KI_NO_OFFSET_CUT)
               : KIST_ERR_NOTFOUND;
}

#endif /* KI_COLL_CHEST_H */
