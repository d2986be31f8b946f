/*
 * idxfile.h - the index: one mapped file of 8-byte words, and the arena of
 * extents in it.
 *
 *      0        1 KiB            4 KiB      8 KiB         32 KiB
 *      | header | free lists ... | redo page | free rings | extents ...
 *
 * The index is a cache of the log.  It never leaves the machine and never
 * outlives what KI_IDX_IDENTITY says, so it is laid out as the machine likes
 * it: words in host order.  Everything in it is addressed by byte offset
 * ("address"); every change is a store of one aligned word (tx.h).
 *
 * Layer    index: may include base/ and os/, never log/.
 * Threads  words are loaded with acquire and stored with release order; one
 *          writer at a time holds the lock of the header.
 *
 * FORMAT   of the header; words of 8 bytes
 *     ADDRESS  FIELD
 *        0     magic, "KISTIDX1"
 *        8     format << 32 | size of a lock
 *       16     uuid of the kist (2 words)
 *       32     generation of the log
 *       40     hash of the words above
 *       64     identity of the index file: boot (2), mount, device, inode,
 *              birth (ki_file_id); then the log's device, inode, birth
 *      192     clean: 1 from a clean close to the first write after it, 2
 *              while that is being taken back on the disk, else 0
 *              (and at 216 what ki_idx_sum() was then)
 *      200     poisoned: 1 after a failed sync
 *      208     stale: 1 once a newer generation, or another index of this
 *              one, has taken over; 2 while that may be happening
 *      256     the writers' lock (its last word: see KI_W_ORPHANED), then at
 *              320 the sync leader's
 *      384     tail of the log ... see KI_W_*
 *     1024     heads of the free lists, a word a class
 *     1280     heads of the free rings, a word a class
 *     4096     redo page: pairs of address and value
 *     8192     free rings: 64 pairs of address and version a class
 *    32768     extents
 *
 * INVARIANTS
 *  (1) An extent of class c is 2^c bytes, aligned to 256; from class
 *      KI_CLASS_PAGED on it begins at a page, unless an older version of the
 *      library has handed it out.  The gap before it, of less than a page, is
 *      free extents of smaller classes.
 *  (2) An extent that readers may have seen goes through its class's ring
 *      before it is used again; `horizon` is the highest version at which
 *      something was freed that has left a ring since.  A reader that took
 *      `version` before it followed any address, and finds horizon <= version
 *      afterwards, has followed nothing that was reused.
 *  (3) 0 is never a valid word of a hash or a dict's slots: zeroed memory is
 *      noticed, not believed.
 *  (4) An extent of class KI_CLASS_PAGED or above is lent while somebody
 *      holds a shared lock on the byte of the index file where it begins (an
 *      open-file-description lock: it dies with its owner).  A lent extent
 *      stays in its ring, or is lost until the next rebuild: nobody stores
 *      into it what was not stored into it before it was freed.  Whoever
 *      takes the lock then makes sure that the extent is still reachable.
 */
#ifndef KI_INDEX_IDXFILE_H
#define KI_INDEX_IDXFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kist/status.h"
#include "os/io.h"
#include "os/mapping.h"
#include "os/shmlock.h"

#define KI_IDX_MAGIC  UINT64_C(0x315844495453494b) /* "KISTIDX1" */
#define KI_IDX_FORMAT UINT64_C(1)

/* Addresses of header words. */
enum {
    KI_W_MAGIC = 0,
    KI_W_FORMAT = 8,
    KI_W_UUID = 16,
    KI_W_GENERATION = 32,
    KI_W_HEADER_HASH = 40,
    KI_W_IDENTITY = 64,
    KI_W_LOG_DEVICE = 112,
    KI_W_LOG_INODE = 120,
    KI_W_LOG_BIRTH = 128,
    KI_W_CLEAN = 192,
    KI_W_POISONED = 200,
    KI_W_STALE = 208,
    KI_W_CLEAN_SUM = 216,
    KI_W_LOCK = 256,
    KI_W_ORPHANED = 312, /* an owner of the lock died: look at what it did */
    KI_W_SYNC_LOCK = 320,

    KI_W_TAIL = 384,       /* end of the committed log */
    KI_W_WRITE_MARK = 392, /* bytes below may have been scribbled on */
    KI_W_HORIZON = 400,    /* see invariant (2) */
    KI_W_VERSION = 408,
    KI_W_LOG_SIZE = 416, /* bytes of the log file that may be touched */
    KI_W_SIZE = 424,     /* bytes of this file that may be touched */
    KI_W_WEIGHED = 432,  /* tail when dead bytes were last counted */

    KI_W_SYNCED = 448,       /* log below it survives a power cut */
    KI_W_SYNCED_CHECK = 456, /* says that SYNCED is what we wrote */
    KI_W_SYNC_TURN = 464,    /* futex: a sync has ended */
    KI_W_SYNC_GROUP = 472,   /* how many writers the last sync served */
    KI_W_SYNC_WAITING = 488, /* how many wait for this one */
    KI_W_MARKED = 480,       /* the last KI_OP_MARK says synced up to here */

    KI_W_REDO_COUNT = 512, /* pairs to be applied; the commit point */
    KI_W_REDO_PAGE = 520,  /* address of the pairs */

    KI_W_BUMP = 576, /* first address never handed out */

    KI_W_CATALOG = 640, /* collection header of the catalog, 128 bytes */
    KI_W_COLLS = 768,   /* slots of collection headers: table, count */
    KI_W_COLLS_COUNT = 776,

    KI_W_FREE_LIST = 1024,
    KI_W_FREE_HEAD = 1280,
    KI_IDX_REDO_PAGE = 4096,
    KI_IDX_REDO_PAIRS = 256,
    KI_IDX_RINGS = 8192,
    KI_IDX_RING_PAIRS = 64,
    KI_IDX_ARENA = 32768
};

/* Values of KI_W_STALE besides 0. */
#define KI_STALE      UINT64_C(1)
#define KI_STALE_SOON UINT64_C(2)

#define KI_CLASS_MIN   8u
#define KI_CLASS_MAX   31u
#define KI_CLASS_COUNT (KI_CLASS_MAX - KI_CLASS_MIN + 1u)
/* From here on extents begin at a page and may be lent: beyond the segments of
 * hashes and the nodes of trees, whose frees are not to ask for locks. */
#define KI_CLASS_PAGED 16u

#define KI_IDX_PAGE UINT64_C(4096)

typedef struct ki_idx {
    uint8_t *base;  /* map.base */
    uint64_t limit; /* bytes of address space mapped */
    ki_mapping map;
    int fd;     /* -1: private memory */
    char *path; /* owned; NULL: private memory */
} ki_idx;

/* --- words -------------------------------------------------------------- */

static inline _Atomic uint64_t *
ki_word(const ki_idx *idx, uint64_t address)
{
    return (_Atomic uint64_t *)(void *)(idx->base + address);
}

static inline uint64_t
ki_word_load(const ki_idx *idx, uint64_t address)
{
    return atomic_load_explicit(ki_word(idx, address), memory_order_acquire);
}

/* The same, of a map whose base is in a register already. */
static inline uint64_t
ki_word_at(const uint8_t *base, uint64_t address)
{
    return atomic_load_explicit(
        (const _Atomic uint64_t *)(const void *)(base + address),
        memory_order_acquire);
}

static inline void
ki_word_store(const ki_idx *idx, uint64_t address, uint64_t value)
{
    atomic_store_explicit(ki_word(idx, address), value, memory_order_release);
}

/*
 * True if `size` bytes at `address` are aligned words that lie in the file
 * and in the map: to be asked of every address that was loaded, since a
 * damaged word, or an optimistic reader's, may hold anything.
 */
static inline bool
ki_idx_holds(const ki_idx *idx, uint64_t address, uint64_t size)
{
    const uint64_t file = ki_word_load(idx, KI_W_SIZE);
    const uint64_t limit = file < idx->limit ? file : idx->limit;

    return (address & 7) == 0 && address < limit && size <= limit - address;
}

static inline ki_shmlock *
ki_idx_lock(const ki_idx *idx, uint64_t address)
{
    return (ki_shmlock *)(void *)(idx->base + address);
}

static inline _Atomic uint32_t *
ki_idx_futex(const ki_idx *idx, uint64_t address)
{
    return (_Atomic uint32_t *)(void *)(idx->base + address);
}

/* --- life --------------------------------------------------------------- */

/*
 * Makes a new, empty index of the log (uuid, generation) in the file `path`,
 * which must not exist, or in private memory if `path` is NULL.  Its locks
 * are ready; the catalog's header is empty.
 */
KIST_NODISCARD kist_status ki_idx_create(ki_idx *idx, const char *path,
                                         uint32_t file_mode,
                                         const uint8_t uuid[16],
                                         uint64_t generation,
                                         uint64_t reserve);

/*
 * Maps the index at `path`, if it is one of the log (uuid, generation):
 * NOTFOUND (without detail) if it is missing or of no use.  Writes nothing.
 */
KIST_NODISCARD kist_status ki_idx_open(ki_idx *idx, const char *path,
                                       bool writable, const uint8_t uuid[16],
                                       uint64_t generation, uint64_t reserve);

/*
 * If the file is an index of an older generation of the kist, marks it stale,
 * so that whoever has it mapped looks for the newer one.  IO.
 */
KIST_NODISCARD kist_status ki_idx_retire_older(const char *path,
                                               const uint8_t uuid[16],
                                               uint64_t generation);

/* Unmaps and closes; zeroed objects and NULL are fine. */
void ki_idx_close(ki_idx *idx);

/*
 * Is what the header says still the truth?  `log` is the open log's identity.
 * True if nothing can have been lost since the last store into the index:
 * the same file under the same mount of the same boot, beside the same log.
 * With `beside` the caller knows that others have it mapped, so the mount
 * cannot have changed and is not asked (older kernels cannot tell it).
 */
bool ki_idx_is_alive(const ki_idx *idx, const ki_file_id *log, bool beside);

/* Writes the identities that ki_idx_is_alive() will compare. */
KIST_NODISCARD kist_status ki_idx_set_alive(ki_idx *idx,
                                            const ki_file_id *log);

/*
 * Makes sure that addresses below `end` may be touched, taking room on the
 * disk.  IO (ENOSPC), NOMEM.
 */
KIST_NODISCARD kist_status ki_idx_grow(ki_idx *idx, uint64_t end);

/* What ki_idx_warm() is asked for at a time. */
#define KI_IDX_WARM (UINT64_C(64) << 10)

/*
 * Makes the pages of addresses from .. end-1 ready for stores, where nothing
 * of use stands: they may become zeros.  A hint (ki_file_warm).
 */
void ki_idx_warm(const ki_idx *idx, uint64_t from, uint64_t end);

/* Bytes of the file that are in use. */
static inline uint64_t
ki_idx_used(const ki_idx *idx)
{
    return ki_word_load(idx, KI_W_BUMP);
}

/*
 * A checksum of all that a clean index says: catalog, free lists, rings and
 * the extents in use.  Nobody may be writing.
 */
uint64_t ki_idx_sum(const ki_idx *idx);

/* SYNCED with its check word; 0 if the two do not belong together. */
uint64_t ki_idx_synced(const ki_idx *idx);
void ki_idx_set_synced(ki_idx *idx, uint64_t offset);

#endif /* KI_INDEX_IDXFILE_H */
